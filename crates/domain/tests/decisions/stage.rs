//! A world in memory, and the usual commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::account::NewAccount;
use domain::book::{Book, Effective, Fee, GatewayFee, Market, PlatformFee, Rate, Tier};
use domain::command::{Answer, Command, Settings, decide};
use domain::currency::Currency;
use domain::execute::{Execute, Terms};
use domain::execution::{Execution, Job, Word};
use domain::ids::{
    CounterpartyId, ExecutionId, MerchantId, PartyId, PaymentAccountId, ReviewId, SessionId, SourceId, WalletId,
};
use domain::ledger::{AccountKind, Bucket};
use domain::merchant::{MerchantType, NewMerchant};
use domain::money::{Decimal, Money, Ratio};
use domain::names::{FeeBearer, Method, Mode, Operation, Provider};
use domain::party::{NewParty, Relationship};
use domain::rejection::Rejection;
use domain::review::{Resolution, Review, ReviewKind};
use domain::session::Declare;
use domain::source::{NewItem, NewSource, Source, SourceRef, SourceStatus, SourceType};
use domain::time::{Timestamp, minutes};
use domain::wallet::{Owner, Wallet};
use domain::world::{Halt, IdBlock, Key, World};

pub(crate) fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

pub(crate) fn usd(minor: i64) -> Money {
    Money::new(minor, currency("USD"))
}

pub(crate) fn book() -> Book {
    let effective = Effective { from: Timestamp(0), to: None };
    let at = Timestamp(0);
    let tier = Tier { id: 1, name: "default".into(), is_default: true, created_at: at, updated_at: at };
    let mut book = Book { version: 1, tiers: vec![tier], ..Book::default() };
    for (operation, ppm) in [(Operation::Collection, 10_000), (Operation::Payout, 5_000)] {
        let fee = Fee { percentage_ppm: ppm, fixed: None };
        book.platform_fees.push(PlatformFee {
            id: 1,
            tier: "default".into(),
            operation,
            fee,
            fx_percentage_ppm: 10_000,
            effective,
            created_at: at,
        });
    }
    for (method, provider) in
        [(Method::MtnMomoLbr, Provider::PawaPay), (Method::CreditCard, Provider::Stripe), (Method::Wallet, Provider::Platform)]
    {
        for operation in [Operation::Collection, Operation::Payout] {
            let ppm = if provider == Provider::Platform { 0 } else { 20_000 };
            let fee = Fee { percentage_ppm: ppm, fixed: None };
            book.gateway_fees.push(GatewayFee {
                id: 1,
                provider,
                method,
                operation,
                fee,
                effective,
                created_at: at,
                updated_at: at,
            });
            for code in ["USD", "RWF"] {
                let (currency, country) = (currency(code), "LR".into());
                book.markets.push(Market { method, provider, operation, currency, country, effective });
            }
        }
    }
    let rate = Ratio::new(1_440, 1).unwrap();
    book.rates.push(Rate { id: 1, from: currency("USD"), to: currency("RWF"), rate, effective });
    book
}

/// A world in which whatever was not made is absent.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    pub(crate) merchant: MerchantId,
    references: u32,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let world = World::new(Arc::new(book()), [7; 16], IdBlock { next: 1, end: i64::MAX });
        let mut stage =
            Self { world, now: Timestamp::parse("2026-11-22T12:00:00Z").unwrap(), merchant: MerchantId(0), references: 0 };
        stage.merchant = stage.new_merchant("231770000001");
        stage
    }

    pub(crate) fn decide(&mut self, command: &Command) -> Result<Answer, Vec<Rejection>> {
        loop {
            match decide(command, &Settings::default(), &mut self.world, self.now) {
                Ok(answer) => {
                    self.world.keep();
                    return Ok(answer);
                }
                Err(Halt::Rejected(reasons)) => {
                    self.world.forget();
                    return Err(reasons);
                }
                Err(Halt::Broken(what)) => panic!("{what}"),
                Err(Halt::Missing(key)) => {
                    self.world.forget();
                    self.absent(key);
                }
            }
        }
    }

    pub(crate) fn absent(&mut self, key: Key) {
        let tables = &mut self.world.tables;
        match key {
            Key::SigningKey(lookup) => tables.signing_keys.load(lookup, None),
            Key::Merchant(lookup) => tables.merchants.load(lookup, None),
            Key::ApiKey(lookup) => tables.api_keys.load(lookup, None),
            Key::Passcode(lookup) => tables.passcodes.load(lookup, None),
            Key::Party(lookup) => tables.parties.load(lookup, None),
            Key::Counterparty(lookup) => tables.counterparties.load(lookup, None),
            Key::PaymentAccount(lookup) => tables.payment_accounts.load(lookup, None),
            Key::Counter(lookup) => tables.counters.load(lookup, None),
            Key::Funding(lookup) => tables.fundings.load(lookup, None),
            Key::Source(lookup) => tables.sources.load(lookup, None),
            Key::Item(lookup) => tables.items.load(lookup, None),
            Key::Session(lookup) => tables.sessions.load(lookup, None),
            Key::Execution(lookup) => tables.executions.load(lookup, None),
            Key::Wallet(lookup) => tables.wallets.load(lookup, None),
            Key::Account(lookup) => tables.accounts.load(lookup, None),
            Key::Review(lookup) => tables.reviews.load(lookup, None),
            Key::CheckoutConfig(lookup) => tables.checkout_configs.load(lookup, None),
        }
    }

    pub(crate) fn new_merchant(&mut self, phone: &str) -> MerchantId {
        self.new_merchant_with(phone, &["USD", "RWF"])
    }

    pub(crate) fn new_merchant_with(&mut self, phone: &str, currencies: &[&str]) -> MerchantId {
        self.make_merchant(phone, Mode::Sandbox, currencies)
    }

    pub(crate) fn new_live_merchant(&mut self, phone: &str) -> MerchantId {
        self.make_merchant(phone, Mode::Live, &["USD"])
    }

    fn make_merchant(&mut self, phone: &str, mode: Mode, currencies: &[&str]) -> MerchantId {
        let new = NewMerchant {
            name: "M".into(),
            kind: MerchantType::Organization,
            mode,
            phone: Some(phone.into()),
            email: None,
            verified: true,
            client_id: phone.into(),
            secret_hash: String::new(),
            currencies: currencies.iter().map(|code| currency(code)).collect(),
        };
        match self.decide(&Command::CreateMerchant(new)) {
            Ok(Answer::Merchant(merchant, _)) => merchant.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn party(&mut self, phone: &str) -> PartyId {
        let new = NewParty { fullname: "P".into(), phone: phone.into(), email: None, country_code: None };
        match self.decide(&Command::CreateParty(self.merchant, new)) {
            Ok(Answer::Party(party)) => party.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn counterparty(&mut self, party: PartyId) -> CounterpartyId {
        match self.decide(&Command::CreateCounterparty(self.merchant, Relationship::Customer, Some(party))) {
            Ok(Answer::Counterparty(row)) => row.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn account(&mut self, party: PartyId, method: Method, operation: Operation) -> PaymentAccountId {
        let provider = match method {
            Method::CreditCard => Provider::Stripe,
            Method::Wallet => Provider::Platform,
            _ => Provider::PawaPay,
        };
        let new = NewAccount {
            party_id: party,
            account_name: "A".into(),
            provider,
            method,
            operation,
            country_code: None,
            account_number: None,
        };
        match self.decide(&Command::CreateAccount(self.merchant, new)) {
            Ok(Answer::Account(account)) => account.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn invoice(&mut self, minor: i64, fee_bearer: FeeBearer) -> SourceId {
        let party = self.party("231880000001");
        let new = NewSource {
            kind: SourceType::Invoice,
            counterparty_id: self.counterparty(party),
            currency: currency("USD"),
            note: "n".into(),
            fee_bearer,
            as_payment_link: false,
            reference_id: None,
            due_date: None,
        };
        let Ok(Answer::Source(source)) = self.decide(&Command::CreateSource(self.merchant, new)) else { panic!("no source") };
        let which = SourceRef { merchant_id: self.merchant, kind: SourceType::Invoice, id: source.id };
        let item = NewItem { name: "i".into(), currency: currency("USD"), qty: 1, amount: usd(minor) };
        self.decide(&Command::AddItem(which, item)).unwrap();
        self.decide(&Command::PublishSource(which)).unwrap();
        source.id
    }

    pub(crate) fn declare(&mut self, request: Declare) -> Result<SessionId, Vec<Rejection>> {
        self.decide(&Command::Declare(self.merchant, request)).map(|answer| match answer {
            Answer::Session(session) => session.id,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn execute(&mut self, session: SessionId, terms: Terms) -> Result<(Execution, Option<Job>), Vec<Rejection>> {
        self.references += 1;
        let reference_id = format!("reference-{}", self.references);
        let request = Execute { merchant_id: self.merchant, reference_id, session_id: session, terms };
        self.decide(&Command::Execute(request)).map(|answer| match answer {
            Answer::Executed(executed) => (executed.execution, executed.job),
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn hear(&mut self, id: ExecutionId, word: Word) -> Execution {
        match self.decide(&Command::Hear(id, word)) {
            Ok(Answer::Settled(settled)) => settled.execution,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn collect(
        &mut self,
        source: SourceId,
        account: PaymentAccountId,
        code: &str,
    ) -> Result<Execution, Vec<Rejection>> {
        let session = self.declare(Declare::Checkout { kind: SourceType::Invoice, source_id: source })?;
        let terms = Terms::Collection { account_id: account, currency: currency(code) };
        self.execute(session, terms).map(|(execution, _)| execution)
    }

    pub(crate) fn payout(&mut self, account: PaymentAccountId, amount: Money) -> Result<Execution, Vec<Rejection>> {
        let wallet_id = None;
        let request =
            Declare::Payout { account_field: "payout_account_id", wallet_id, account_id: account, amount, expires_at: None };
        let session = self.declare(request)?;
        let terms = Terms::Payout { account_id: None, passcode_verified: false };
        self.execute(session, terms).map(|(execution, _)| execution)
    }

    pub(crate) fn refund(&mut self, original: ExecutionId, amount: &str) -> Result<Execution, Vec<Rejection>> {
        let amount = Decimal::parse(amount).unwrap();
        let expires_at = self.now.plus(minutes(5));
        let session = self.declare(Declare::Refund { original_id: original, amount, expires_at, reason: None })?;
        self.execute(session, Terms::Refund).map(|(execution, _)| execution)
    }

    pub(crate) fn wallet(&self, owner: Owner, code: &str) -> Wallet {
        (*self.world.find::<Wallet>(&(owner, currency(code))).unwrap().unwrap()).clone()
    }

    pub(crate) fn mine(&self, code: &str) -> (i64, i64) {
        let wallet = self.wallet(Owner::Merchant(self.merchant), code);
        (wallet.available_minor, wallet.held_minor)
    }

    pub(crate) fn fund(&mut self, minor: i64) -> WalletId {
        let wallet = self.wallet(Owner::Merchant(self.merchant), "USD").id;
        self.decide(&Command::FundWallet(wallet, usd(minor), None)).unwrap();
        wallet
    }

    pub(crate) fn source(&self, id: SourceId) -> SourceStatus {
        self.world.get::<Source>(id).unwrap().unwrap().status
    }

    pub(crate) fn system(&self, kind: AccountKind, code: &str) -> i64 {
        let name = (self.merchant, kind, currency(code));
        self.world.find::<domain::ledger::Account>(&name).ok().flatten().map_or(0, |account| account.balance_minor)
    }

    pub(crate) fn review(&self, id: ExecutionId, kind: ReviewKind) -> Review {
        (*self.world.find::<Review>(&(id, kind)).unwrap().unwrap()).clone()
    }

    /// All reviews of an execution that are about money.
    pub(crate) fn reviews(&mut self, id: ExecutionId) -> Vec<Arc<Review>> {
        loop {
            match domain::contradiction::reviews(id, &self.world) {
                Err(Halt::Missing(key)) => self.absent(key),
                found => return found.unwrap(),
            }
        }
    }

    pub(crate) fn resolve(&mut self, id: ReviewId, how: Resolution) -> Result<Answer, Vec<Rejection>> {
        self.decide(&Command::ResolveReview(id, how, "statement of the provider".into()))
    }

    /// What must hold after any history.
    pub(crate) fn check_books(&self) {
        let mut transactions: BTreeMap<_, i64> = BTreeMap::new();
        let mut balances: BTreeMap<(i64, Bucket), i64> = BTreeMap::new();
        for entry in &self.world.entries {
            *transactions.entry((entry.transaction_id, entry.currency)).or_default() += entry.amount_minor;
            let balance = balances.entry((entry.account_id, entry.bucket)).or_default();
            *balance += entry.amount_minor;
            assert_eq!(*balance, entry.balance_minor, "{entry:?}");
            assert!(entry.bucket == Bucket::System || *balance >= 0, "{entry:?}");
        }
        assert!(transactions.values().all(|sum| *sum == 0));
    }
}

pub(crate) fn paid(transaction: &str) -> Word {
    Word::Succeeded { transaction_id: transaction.into(), amount: None }
}

pub(crate) fn declined() -> Word {
    Word::Declined { message: "no".into() }
}

//! Decisions over a world in memory: what the engine does, without a database.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::account::NewAccount;
use domain::book::{Book, Effective, Fee, GatewayFee, Market, PlatformFee, Rate, Tier};
use domain::checkout::{MAX_ITEMS, NewCheckout};
use domain::command::{Answer, Command, Settings, decide};
use domain::currency::Currency;
use domain::execute::{Execute, Terms};
use domain::execution::{Execution, ExecutionStatus, Job, Task, Word};
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
use domain::session::{Declare, SessionStatus};
use domain::source::{NewItem, NewSource, Source, SourceRef, SourceStatus, SourceType};
use domain::time::{Timestamp, minutes, seconds};
use domain::wallet::{Owner, Wallet};
use domain::world::{Halt, IDS_PER_COMMAND, IdBlock, Key, World};
use proptest::prelude::*;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn usd(minor: i64) -> Money {
    Money::new(minor, currency("USD"))
}

fn book() -> Book {
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
                book.markets.push(Market { method, provider, operation, currency: currency(code), country: "LR".into() });
            }
        }
    }
    let rate = Ratio::new(1_440, 1).unwrap();
    book.rates.push(Rate { id: 1, from: currency("USD"), to: currency("RWF"), rate, effective });
    book
}

/// A world in which whatever was not made is absent.
struct Stage {
    world: World,
    now: Timestamp,
    merchant: MerchantId,
    references: u32,
}

impl Stage {
    fn new() -> Self {
        let world = World::new(Arc::new(book()), [7; 16], IdBlock { next: 1, end: i64::MAX });
        let mut stage =
            Self { world, now: Timestamp::parse("2026-11-22T12:00:00Z").unwrap(), merchant: MerchantId(0), references: 0 };
        stage.merchant = stage.new_merchant("231770000001");
        stage
    }

    fn decide(&mut self, command: &Command) -> Result<Answer, Vec<Rejection>> {
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

    fn absent(&mut self, key: Key) {
        let tables = &mut self.world.tables;
        match key {
            Key::Merchant(lookup) => tables.merchants.load(lookup, None),
            Key::ApiKey(lookup) => tables.api_keys.load(lookup, None),
            Key::Passcode(lookup) => tables.passcodes.load(lookup, None),
            Key::Party(lookup) => tables.parties.load(lookup, None),
            Key::Counterparty(lookup) => tables.counterparties.load(lookup, None),
            Key::PaymentAccount(lookup) => tables.payment_accounts.load(lookup, None),
            Key::Counter(lookup) => tables.counters.load(lookup, None),
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

    fn new_merchant(&mut self, phone: &str) -> MerchantId {
        let new = NewMerchant {
            name: "M".into(),
            kind: MerchantType::Organization,
            mode: Mode::Sandbox,
            phone: Some(phone.into()),
            email: None,
            verified: true,
            client_id: phone.into(),
            secret_hash: String::new(),
            currencies: vec![currency("USD"), currency("RWF")],
        };
        match self.decide(&Command::CreateMerchant(new)) {
            Ok(Answer::Merchant(merchant, _)) => merchant.id,
            other => panic!("{other:?}"),
        }
    }

    fn party(&mut self, phone: &str) -> PartyId {
        let new = NewParty { fullname: "P".into(), phone: phone.into(), email: None, country_code: None };
        match self.decide(&Command::CreateParty(self.merchant, new)) {
            Ok(Answer::Party(party)) => party.id,
            other => panic!("{other:?}"),
        }
    }

    fn counterparty(&mut self, party: PartyId) -> CounterpartyId {
        match self.decide(&Command::CreateCounterparty(self.merchant, Relationship::Customer, Some(party))) {
            Ok(Answer::Counterparty(row)) => row.id,
            other => panic!("{other:?}"),
        }
    }

    fn account(&mut self, party: PartyId, method: Method, operation: Operation) -> PaymentAccountId {
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

    fn invoice(&mut self, minor: i64, fee_bearer: FeeBearer) -> SourceId {
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

    fn declare(&mut self, request: Declare) -> Result<SessionId, Vec<Rejection>> {
        self.decide(&Command::Declare(self.merchant, request)).map(|answer| match answer {
            Answer::Session(session) => session.id,
            other => panic!("{other:?}"),
        })
    }

    fn execute(&mut self, session: SessionId, terms: Terms) -> Result<(Execution, Option<Job>), Vec<Rejection>> {
        self.references += 1;
        let reference_id = format!("reference-{}", self.references);
        let request = Execute { merchant_id: self.merchant, reference_id, session_id: session, terms };
        self.decide(&Command::Execute(request)).map(|answer| match answer {
            Answer::Executed(executed) => (executed.execution, executed.job),
            other => panic!("{other:?}"),
        })
    }

    fn hear(&mut self, id: ExecutionId, word: Word) -> Execution {
        match self.decide(&Command::Hear(id, word)) {
            Ok(Answer::Settled(settled)) => settled.execution,
            other => panic!("{other:?}"),
        }
    }

    fn collect(&mut self, source: SourceId, account: PaymentAccountId, code: &str) -> Result<Execution, Vec<Rejection>> {
        let session = self.declare(Declare::Checkout { kind: SourceType::Invoice, source_id: source })?;
        let terms = Terms::Collection { account_id: account, currency: currency(code) };
        self.execute(session, terms).map(|(execution, _)| execution)
    }

    fn payout(&mut self, account: PaymentAccountId, amount: Money) -> Result<Execution, Vec<Rejection>> {
        let wallet_id = None;
        let request =
            Declare::Payout { account_field: "payout_account_id", wallet_id, account_id: account, amount, expires_at: None };
        let session = self.declare(request)?;
        let terms = Terms::Payout { account_id: None, passcode_verified: false };
        self.execute(session, terms).map(|(execution, _)| execution)
    }

    fn refund(&mut self, original: ExecutionId, amount: &str) -> Result<Execution, Vec<Rejection>> {
        let amount = Decimal::parse(amount).unwrap();
        let expires_at = self.now.plus(minutes(5));
        let session = self.declare(Declare::Refund { original_id: original, amount, expires_at, reason: None })?;
        self.execute(session, Terms::Refund).map(|(execution, _)| execution)
    }

    fn wallet(&self, owner: Owner, code: &str) -> Wallet {
        (*self.world.find::<Wallet>(&(owner, currency(code))).unwrap().unwrap()).clone()
    }

    fn mine(&self, code: &str) -> (i64, i64) {
        let wallet = self.wallet(Owner::Merchant(self.merchant), code);
        (wallet.available_minor, wallet.held_minor)
    }

    fn fund(&mut self, minor: i64) -> WalletId {
        let wallet = self.wallet(Owner::Merchant(self.merchant), "USD").id;
        self.decide(&Command::FundWallet(wallet, usd(minor))).unwrap();
        wallet
    }

    fn source(&self, id: SourceId) -> SourceStatus {
        self.world.get::<Source>(id).unwrap().unwrap().status
    }

    fn system(&self, kind: AccountKind, code: &str) -> i64 {
        let name = (self.merchant, kind, currency(code));
        self.world.find::<domain::ledger::Account>(&name).ok().flatten().map_or(0, |account| account.balance_minor)
    }

    fn review(&self, id: ExecutionId, kind: ReviewKind) -> Review {
        (*self.world.find::<Review>(&(id, kind)).unwrap().unwrap()).clone()
    }

    fn resolve(&mut self, id: ReviewId, how: Resolution) -> Result<Answer, Vec<Rejection>> {
        self.decide(&Command::ResolveReview(id, how, "statement of the provider".into()))
    }

    /// What must hold after any history.
    fn check_books(&self) {
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

fn paid(transaction: &str) -> Word {
    Word::Succeeded { transaction_id: transaction.into(), amount: None }
}

fn declined() -> Word {
    Word::Declined { message: "no".into() }
}

#[test]
fn a_collection_pays_its_source_and_credits_the_wallet() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    assert_eq!((execution.status, stage.source(source)), (ExecutionStatus::Pending, SourceStatus::Processing));
    assert_eq!((execution.payer, execution.payee), (usd(10_300), usd(10_000)));

    let execution = stage.hear(execution.id, Word::Accepted);
    assert_eq!(execution.status, ExecutionStatus::Processing);
    let execution = stage.hear(execution.id, paid("t1"));
    assert_eq!((execution.status, stage.source(source)), (ExecutionStatus::Completed, SourceStatus::Paid));
    assert_eq!(stage.mine("USD"), (10_000, 0));
    assert_eq!(stage.system(AccountKind::ClearingPawaPay, "USD"), -10_300);

    let entries = stage.world.entries.len();
    assert_eq!(stage.hear(execution.id, paid("t1")), execution);
    assert_eq!(stage.world.entries.len(), entries, "a repeated word moves nothing");
    stage.check_books();
}

#[test]
fn a_failed_collection_opens_its_source_again() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let first = stage.declare(Declare::Checkout { kind: SourceType::Invoice, source_id: source }).unwrap();
    let second = stage.declare(Declare::Checkout { kind: SourceType::Invoice, source_id: source }).unwrap();
    let terms = Terms::Collection { account_id: account, currency: currency("USD") };
    let (execution, _) = stage.execute(first, terms).unwrap();
    let refused = stage.execute(second, terms).unwrap_err();
    assert!(matches!(refused[0], Rejection::State { state: "PROCESSING", .. }), "{refused:?}");
    stage.hear(execution.id, declined());
    assert_eq!(stage.source(source), SourceStatus::Active);
    assert!(stage.execute(second, terms).is_ok(), "the second session was left as it was");
    stage.check_books();
}

#[test]
fn a_payout_holds_then_settles_or_releases() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Payout);
    let execution = stage.payout(account, usd(50_000)).unwrap();
    // 0.5 % platform, 2 % gateway.
    assert_eq!(stage.mine("USD"), (48_750, 51_250));
    stage.hear(execution.id, declined());
    assert_eq!(stage.mine("USD"), (100_000, 0));
    let execution = stage.payout(account, usd(50_000)).unwrap();
    stage.hear(execution.id, paid("t"));
    assert_eq!(stage.mine("USD"), (48_750, 0));
    let too_much = stage.payout(account, usd(50_000)).unwrap();
    assert_eq!(too_much.status, ExecutionStatus::Failed);
    assert!(too_much.wallet_message.unwrap().contains("insufficient balance"));
    stage.check_books();
}

#[test]
fn refunds_never_exceed_their_payment() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    stage.hear(execution.id, paid("t"));
    stage.fund(1_000_000);

    let amount = Decimal::parse("100").unwrap();
    let expires_at = stage.now.plus(minutes(5));
    let request = Declare::Refund { original_id: execution.id, amount, expires_at, reason: None };
    let sessions = [stage.declare(request.clone()).unwrap(), stage.declare(request).unwrap()];
    let (first, _) = stage.execute(sessions[0], Terms::Refund).unwrap();
    let (second, _) = stage.execute(sessions[1], Terms::Refund).unwrap();
    assert_eq!((first.status, second.status), (ExecutionStatus::Pending, ExecutionStatus::Failed));
    assert!(second.gateway_message.unwrap().contains("3.00 USD"));
    assert!(matches!(stage.refund(execution.id, "3.01").unwrap_err()[0], Rejection::RefundExceeds { .. }));

    stage.hear(first.id, declined());
    assert_eq!(
        stage.refund(execution.id, "103").unwrap().status,
        ExecutionStatus::Pending,
        "a failed refund gives its room back"
    );
    stage.check_books();
}

#[test]
fn a_refund_of_an_exchanged_payment_takes_the_stored_rate() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "RWF").unwrap();
    assert_eq!((execution.payer.minor, execution.payee.minor), (144_000, 9_600));
    stage.hear(execution.id, paid("t"));
    stage.fund(100_000);
    let refund = stage.refund(execution.id, "1000").unwrap();
    // 1000 / 1440 USD is 0.6944…, rounded up.
    assert_eq!((refund.payer, refund.payee), (usd(70), Money::new(1_000, currency("RWF"))));
    stage.hear(refund.id, paid("r"));
    let rest = stage.refund(execution.id, "143000").unwrap();
    assert_eq!(rest.payer, usd(9_930), "all refunds together take T");
    stage.hear(rest.id, paid("r2"));
    assert_eq!(stage.system(AccountKind::ClearingPawaPay, "RWF"), 0);
    assert_eq!(stage.system(AccountKind::Position, "RWF"), 0);
    assert_eq!(stage.system(AccountKind::Position, "USD"), 0);
    stage.check_books();
}

#[test]
fn a_transfer_reaches_the_merchant_with_the_partys_phone_else_the_party() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let other = stage.new_merchant("231770000002");
    let expires_at = stage.now.plus(minutes(5));
    for (phone, owner) in [("231770000002", None), ("231880000009", Some(()))] {
        let party = stage.party(phone);
        let counterparty_id = stage.counterparty(party);
        let session = stage.declare(Declare::Transfer { wallet_id, counterparty_id, amount: usd(1_000), expires_at }).unwrap();
        let (execution, job) = stage.execute(session, Terms::Transfer).unwrap();
        assert_eq!((execution.status, job), (ExecutionStatus::Completed, None));
        let owner = owner.map_or(Owner::Merchant(other), |()| Owner::Party(party));
        assert_eq!(stage.wallet(owner, "USD").available_minor, 1_000);
    }
    let party = stage.party("231770000001");
    let counterparty_id = stage.counterparty(party);
    let refused = stage.declare(Declare::Transfer { wallet_id, counterparty_id, amount: usd(1), expires_at }).unwrap_err();
    assert_eq!(refused, [Rejection::TransferToSelf]);
    stage.check_books();
}

#[test]
fn wallets_of_parties_pay_and_are_paid_without_a_network() {
    let mut stage = Stage::new();
    stage.fund(50_000);
    let party = stage.party("231880000002");
    let out = stage.account(party, Method::Wallet, Operation::Payout);
    let into = stage.account(party, Method::Wallet, Operation::Collection);
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let failed = stage.collect(source, into, "USD").unwrap();
    assert_eq!((failed.status, stage.source(source)), (ExecutionStatus::Failed, SourceStatus::Active));

    assert_eq!(stage.payout(out, usd(20_000)).unwrap().status, ExecutionStatus::Completed);
    let collected = stage.collect(source, into, "USD").unwrap();
    assert_eq!((collected.status, stage.source(source)), (ExecutionStatus::Completed, SourceStatus::Paid));
    assert_eq!(stage.wallet(Owner::Party(party), "USD").available_minor, 20_000 - 10_100);
    let refund = stage.refund(collected.id, "101").unwrap();
    assert_eq!(refund.status, ExecutionStatus::Completed);
    assert_eq!(stage.wallet(Owner::Party(party), "USD").available_minor, 20_000);
    stage.check_books();
}

#[test]
fn a_contradiction_opens_a_review_and_changes_nothing_final() {
    for (how, wallet, clearing) in [(Resolution::ToWallet, 10_300, -10_300), (Resolution::ToPayer, 0, 0)] {
        let mut stage = Stage::new();
        let source = stage.invoice(10_000, FeeBearer::Payer);
        let party = stage.party("231880000179");
        let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
        let execution = stage.collect(source, account, "USD").unwrap();
        stage.hear(execution.id, declined());
        let after = stage.hear(execution.id, paid("late"));
        assert_eq!((after.status, stage.source(source)), (ExecutionStatus::Failed, SourceStatus::Active));
        assert_eq!(stage.system(AccountKind::Suspense, "USD"), 10_300);
        stage.hear(execution.id, paid("late"));
        assert_eq!(stage.system(AccountKind::Suspense, "USD"), 10_300, "once");

        let review = stage.review(execution.id, ReviewKind::SuccessAfterFailure);
        assert!(stage.resolve(review.id, Resolution::Completed).is_err());
        stage.resolve(review.id, how).unwrap();
        assert!(stage.resolve(review.id, how).is_err(), "a review is resolved once");
        assert_eq!(stage.system(AccountKind::Suspense, "USD"), 0);
        assert_eq!(stage.mine("USD").0, wallet);
        assert_eq!(stage.system(AccountKind::ClearingPawaPay, "USD"), clearing);
        stage.check_books();
    }
}

#[test]
fn a_success_taken_back_is_missing_money() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    stage.hear(execution.id, paid("t"));
    let after = stage.hear(execution.id, declined());
    assert_eq!((after.status, stage.source(source)), (ExecutionStatus::Completed, SourceStatus::Paid));
    assert_eq!(stage.system(AccountKind::Suspense, "USD"), -10_000);
    let review = stage.review(execution.id, ReviewKind::FailureAfterSuccess);
    assert_eq!(stage.resolve(review.id, Resolution::ToWallet).unwrap_err(), [Rejection::ReviewInsufficient]);
    stage.fund(1_000);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.system(AccountKind::Suspense, "USD")), (700, 0));
    stage.check_books();
}

#[test]
fn another_amount_than_asked_for_waits_for_a_human() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    let word = Word::Succeeded { transaction_id: "t".into(), amount: Some(usd(9_000)) };
    assert_eq!(stage.hear(execution.id, word).status, ExecutionStatus::Processing);
    assert_eq!(stage.system(AccountKind::Suspense, "USD"), 9_000);
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.source(source)), (9_000, SourceStatus::Active));
    stage.check_books();
}

#[test]
fn silence_is_asked_about_and_never_fails() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000139");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Payout);
    let execution = stage.payout(account, usd(1_000)).unwrap();
    let execution = stage.hear(execution.id, Word::Unknown);
    assert_eq!(execution.status, ExecutionStatus::Processing);
    assert!(execution.waiting_for.is_some());

    let claim = |stage: &mut Stage| match stage.decide(&Command::Claim(execution.id)) {
        Ok(Answer::Claimed(job)) => job,
        other => panic!("{other:?}"),
    };
    assert_eq!(claim(&mut stage), None, "not due yet");
    stage.now = stage.now.plus(seconds(2));
    assert_eq!(claim(&mut stage).unwrap().task, Task::Ask);
    assert_eq!(claim(&mut stage), None, "another process holds the lease");

    // Never seen: sent again, with the same id.
    let Ok(Answer::Settled(settled)) = stage.decide(&Command::Hear(execution.id, Word::NeverSeen)) else { panic!("no answer") };
    let job = settled.job.unwrap();
    assert_eq!((job.task, job.request.attempts), (Task::Send, 2));
    assert_eq!(job.request.request_id, execution.provider_request_id);

    // Past its deadline it is on the review list, and still not failed.
    stage.now = stage.now.plus(minutes(24 * 60));
    assert!(claim(&mut stage).is_some());
    let review = stage.review(execution.id, ReviewKind::DeadlinePassed);
    let Ok(Answer::Settled(settled)) = stage.decide(&Command::Hear(execution.id, Word::Unknown)) else { panic!("no answer") };
    assert_eq!(settled.execution.status, ExecutionStatus::Processing);

    stage.resolve(review.id, Resolution::Completed).unwrap();
    assert_eq!(stage.mine("USD"), (100_000 - 1_025, 0));
    stage.check_books();
}

#[test]
fn what_was_never_seen_is_given_up_only_past_its_deadline_and_a_quarter_of_an_hour_after_the_last_try() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000149");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Payout);
    let execution = stage.payout(account, usd(1_000)).unwrap();
    let start = stage.now;
    let hear = |stage: &mut Stage, at| {
        stage.now = start.plus(at);
        match stage.decide(&Command::Hear(execution.id, Word::NeverSeen)) {
            Ok(Answer::Settled(settled)) => (settled.execution.status, settled.job.map(|job| job.task)),
            other => panic!("{other:?}"),
        }
    };
    let day = 24 * 60;
    assert_eq!(hear(&mut stage, minutes(day - 5)), (ExecutionStatus::Pending, Some(Task::Send)));
    assert_eq!(hear(&mut stage, minutes(day + 5)), (ExecutionStatus::Processing, None));
    assert_eq!(hear(&mut stage, minutes(day + 10)), (ExecutionStatus::Failed, None));
    assert_eq!(stage.mine("USD"), (100_000, 0));
    stage.check_books();
}

#[test]
fn a_payer_who_never_authenticates_is_canceled_at_the_provider_first() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::CreditCard, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    let execution = stage.hear(execution.id, Word::NeedsAction { client_secret: "s".into() });
    assert!(execution.requires_action);
    stage.now = stage.now.plus(minutes(30));
    let Ok(Answer::Claimed(Some(job))) = stage.decide(&Command::Claim(execution.id)) else { panic!("no job") };
    assert_eq!(job.task, Task::Cancel);
    let after = stage.hear(execution.id, declined());
    assert_eq!(
        (after.status, after.client_secret, stage.source(source)),
        (ExecutionStatus::Failed, None, SourceStatus::Active)
    );
}

#[test]
fn the_same_key_is_answered_or_refused() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let party = stage.party("231880000009");
    let counterparty_id = stage.counterparty(party);
    let expires_at = stage.now.plus(minutes(5));
    let request = Declare::Transfer { wallet_id, counterparty_id, amount: usd(100), expires_at };
    let (first, second) = (stage.declare(request.clone()).unwrap(), stage.declare(request).unwrap());
    let key = |session| Execute {
        merchant_id: MerchantId(1),
        reference_id: "key".into(),
        session_id: session,
        terms: Terms::Transfer,
    };
    let Ok(Answer::Executed(done)) = stage.decide(&Command::Execute(key(first))) else { panic!("not executed") };
    stage.now = stage.now.plus(minutes(60 * 24 * 400));
    let Ok(Answer::Executed(again)) = stage.decide(&Command::Execute(key(first))) else { panic!("not replayed") };
    assert!(again.replayed);
    assert_eq!(again.execution, done.execution);
    assert_eq!(stage.decide(&Command::Execute(key(second))), Err(vec![Rejection::DuplicateReference]));
    assert_eq!(stage.mine("USD").0, 9_900);
}

#[test]
fn a_refused_command_changes_nothing() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let party = stage.party("231880000009");
    let counterparty_id = stage.counterparty(party);
    let expires_at = stage.now.plus(minutes(5));
    let session = stage.declare(Declare::Transfer { wallet_id, counterparty_id, amount: usd(100), expires_at }).unwrap();
    let (events, next_id) = (stage.world.events.len(), stage.world.ids.next);
    stage.now = expires_at;
    assert_eq!(stage.execute(session, Terms::Transfer), Err(vec![Rejection::SessionExpired { at: expires_at }]));
    assert_eq!((stage.world.events.len(), stage.world.ids.next), (events, next_id));
    let stored = stage.world.get::<domain::session::Session>(session).unwrap().unwrap();
    assert_eq!(stored.status, SessionStatus::Active);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any history of payouts, refunds and words, in any order, however often repeated: the books balance, nothing falls
    /// below zero, refunds stay within their payment, what is final stays as it is.
    #[test]
    fn no_history_breaks_the_books(steps in prop::collection::vec((0..8_u8, 0..6_usize, 1..120_i64), 1..60)) {
        let mut stage = Stage::new();
        stage.fund(20_000);
        let party = stage.party("231880000002");
        let payout = stage.account(party, Method::MtnMomoLbr, Operation::Payout);
        let collection = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
        let mut executions: Vec<ExecutionId> = vec![];
        let mut finals: BTreeMap<ExecutionId, ExecutionStatus> = BTreeMap::new();
        for (step, pick, amount) in steps {
            let picked = executions.get(pick % executions.len().max(1)).copied();
            let made = match (step, picked) {
                (0, _) => stage.payout(payout, usd(amount * 100)).ok(),
                (1, _) => {
                    let source = stage.invoice(amount * 100, FeeBearer::Payer);
                    stage.collect(source, collection, if amount % 2 == 0 { "USD" } else { "RWF" }).ok()
                }
                (2 | 3, Some(id)) => stage.refund(id, &amount.to_string()).ok(),
                (4, Some(id)) => Some(stage.hear(id, Word::Unknown)),
                (5, Some(id)) => Some(stage.hear(id, declined())),
                (6, Some(id)) => Some(stage.hear(id, Word::NeverSeen)),
                (_, Some(id)) => Some(stage.hear(id, paid("t"))),
                _ => None,
            };
            if let Some(execution) = made {
                if !executions.contains(&execution.id) {
                    executions.push(execution.id);
                }
                if execution.status.is_final() {
                    let before = finals.insert(execution.id, execution.status);
                    prop_assert!(before.is_none_or(|before| before == execution.status));
                } else {
                    prop_assert!(!finals.contains_key(&execution.id));
                    prop_assert!(execution.next_check_at.is_some() && execution.waiting_for.is_some());
                }
            }
            stage.check_books();
            for id in &executions {
                let row = stage.world.get::<Execution>(*id).unwrap().unwrap();
                prop_assert!(row.refunded_minor <= row.payer.minor && row.refunded_total_minor <= row.total_minor);
            }
        }
    }
}

/// A collection of which the provider moved nine tenths, and the review of it.
fn short_paid(stage: &mut Stage) -> (SourceId, Execution, Review) {
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    let execution = stage.hear(execution.id, Word::Succeeded { transaction_id: "t".into(), amount: Some(usd(9_000)) });
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    (source, execution, review)
}

#[test]
fn what_is_in_review_is_not_settled_on_top() {
    let mut stage = Stage::new();
    let (source, execution, review) = short_paid(&mut stage);
    let after = stage.hear(execution.id, paid("t"));
    assert_eq!((after.status, stage.source(source)), (ExecutionStatus::Processing, SourceStatus::Processing));
    assert_eq!(stage.mine("USD").0, 0);
    let heard = stage.world.events.last().unwrap();
    assert_eq!(heard.kind, domain::event::EventType::ReviewHeard, "the operator is told");

    stage.now = stage.now.plus(minutes(25 * 60));
    assert!(matches!(stage.decide(&Command::Claim(execution.id)), Ok(Answer::Claimed(Some(_)))));
    let deadline = stage.review(execution.id, ReviewKind::DeadlinePassed);
    assert!(matches!(stage.resolve(deadline.id, Resolution::Completed).unwrap_err()[0], Rejection::ReviewNotOpen { .. }));
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.system(AccountKind::Suspense, "USD")), (9_000, 0));
    stage.check_books();
}

#[test]
fn a_review_of_a_deadline_never_touches_what_is_final() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Payout);
    let (execution, other) = (stage.payout(account, usd(1_000)).unwrap(), stage.payout(account, usd(1_000)).unwrap());
    stage.now = stage.now.plus(minutes(25 * 60));
    assert!(matches!(stage.decide(&Command::Claim(execution.id)), Ok(Answer::Claimed(Some(_)))));
    let review = stage.review(execution.id, ReviewKind::DeadlinePassed);
    // The clock steps back before the final word: the review is not closed with it, or it is; either way nothing moves.
    stage.now = stage.now.plus(-minutes(2 * 60));
    stage.hear(execution.id, paid("t"));
    let (entries, mine) = (stage.world.entries.len(), stage.mine("USD"));
    let _ = stage.resolve(review.id, Resolution::Failed);
    assert_eq!((stage.world.entries.len(), stage.mine("USD")), (entries, mine));
    stage.hear(other.id, paid("o"));
    assert_eq!(stage.mine("USD"), (100_000 - 2 * 1_025, 0), "the other payment's hold was left alone");
    stage.check_books();
}

#[test]
fn a_payout_of_another_amount_is_paid_for_from_its_own_hold() {
    let mut stage = Stage::new();
    stage.fund(10_250);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Payout);
    let execution = stage.payout(account, usd(10_000)).unwrap();
    assert_eq!(stage.mine("USD"), (0, 10_250));
    stage.hear(execution.id, Word::Succeeded { transaction_id: "t".into(), amount: Some(usd(9_000)) });
    let review = stage.review(execution.id, ReviewKind::AmountMismatch);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD"), stage.system(AccountKind::Suspense, "USD")), ((1_250, 0), 0));
    stage.check_books();
}

#[test]
fn a_refund_that_paid_after_all_is_charged_at_its_rate_and_keeps_its_room() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let collection = stage.collect(source, account, "RWF").unwrap();
    stage.hear(collection.id, paid("t"));
    stage.fund(1_000);
    let refund = stage.refund(collection.id, "144000").unwrap();
    stage.hear(refund.id, declined());
    let before = stage.mine("USD").0;
    stage.hear(refund.id, paid("late"));
    assert_eq!(stage.system(AccountKind::Suspense, "RWF"), -144_000);
    assert!(stage.refund(collection.id, "1").is_err(), "the payer has it all back");
    let review = stage.review(refund.id, ReviewKind::SuccessAfterFailure);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.system(AccountKind::Suspense, "RWF")), (before - 10_000, 0));
    assert_eq!(stage.system(AccountKind::Position, "RWF"), 0);
    stage.check_books();
}

#[test]
fn a_right_passcode_does_not_count_whatever_becomes_of_the_payout() {
    let mut stage = Stage::new();
    stage.decide(&Command::SetPasscode(stage.merchant, "hash".into())).unwrap();
    let terms = Terms::Payout { account_id: None, passcode_verified: true };
    let request = Execute { merchant_id: stage.merchant, reference_id: "r".into(), session_id: SessionId(999), terms };
    for _ in 0..10 {
        assert!(matches!(stage.decide(&Command::ReserveAttempt(request.clone())), Ok(Answer::Passcode(Some(_)))));
        stage.decide(&Command::ConfirmAttempt(stage.merchant)).unwrap();
        assert!(matches!(stage.decide(&Command::Execute(request.clone())).unwrap_err()[0], Rejection::Unknown { .. }));
    }
    for _ in 0..5 {
        stage.decide(&Command::ReserveAttempt(request.clone())).unwrap();
    }
    assert_eq!(stage.decide(&Command::ReserveAttempt(request.clone())), Err(vec![Rejection::PasscodeLocked]));
    stage.now = stage.now.plus(minutes(15));
    assert!(stage.decide(&Command::ReserveAttempt(request)).is_ok());
}

#[test]
fn a_passcode_replaces_only_the_one_that_was_compared() {
    let mut stage = Stage::new();
    let replace = |replaces: Option<&str>, hash: &str| {
        Command::ReplacePasscode(MerchantId(1), replaces.map(str::to_owned), hash.to_owned())
    };
    assert_eq!(stage.merchant, MerchantId(1));
    stage.decide(&replace(None, "first")).unwrap();
    assert_eq!(stage.decide(&replace(None, "late")), Err(vec![Rejection::PasscodeRequired]));
    assert_eq!(stage.decide(&replace(Some("other"), "late")), Err(vec![Rejection::PasscodeInvalid]));
    for _ in 0..4 {
        stage.decide(&Command::ReserveChange(stage.merchant)).unwrap();
    }
    stage.decide(&replace(Some("first"), "second")).unwrap();
    for _ in 0..5 {
        let hash = stage.decide(&Command::ReserveChange(stage.merchant)).unwrap();
        assert_eq!(hash, Answer::Passcode(Some("second".into())), "the new one began a new count");
    }
    assert_eq!(stage.decide(&Command::ReserveChange(stage.merchant)), Err(vec![Rejection::PasscodeLocked]));
}

#[test]
fn a_key_is_revoked_once_and_by_its_merchant() {
    let mut stage = Stage::new();
    let Answer::ApiKey(key) = stage.decide(&Command::CreateKey(stage.merchant, "c".into(), "h".into())).unwrap() else {
        panic!("no key")
    };
    let revoke = Command::RevokeKey(stage.merchant, key.id);
    assert_eq!(stage.decide(&Command::RevokeKey(MerchantId(999), key.id)), Err(vec![Rejection::NotFound]));
    let first = stage.decide(&revoke).unwrap();
    stage.now = stage.now.plus(minutes(1));
    assert_eq!(stage.decide(&revoke).unwrap(), first);
    let lost = Command::CreateKey(MerchantId(999), "d".into(), "h".into());
    assert_eq!(stage.decide(&lost), Err(vec![Rejection::NotFound]));
}

fn checkout(phone: &str, items: usize) -> NewCheckout {
    let item = NewItem { name: "Rice".into(), currency: currency("USD"), qty: 2, amount: usd(100) };
    NewCheckout {
        party: NewParty { fullname: "Ama".into(), phone: phone.into(), email: None, country_code: None },
        relationship: Relationship::Customer,
        counterparty_id: None,
        kind: SourceType::Order,
        currency: currency("USD"),
        note: String::new(),
        reference_id: None,
        due_date: None,
        items: vec![item; items],
        mode: "HOSTED".into(),
        success_url: None,
        cancel_url: None,
        expires_at: None,
        token: "t".into(),
    }
}

#[test]
fn the_largest_checkout_takes_no_more_ids_than_a_command_may() {
    let mut stage = Stage::new();
    let before = stage.world.ids.next;
    let answer = stage.decide(&Command::CreateCheckout(stage.merchant, checkout("231880000009", MAX_ITEMS)));
    let Ok(Answer::Checkout(made)) = answer else { panic!("{answer:?}") };
    assert!(stage.world.ids.next - before < IDS_PER_COMMAND);
    assert_eq!((made.source.status, made.source.total_minor), (SourceStatus::Active, 10_000));
    assert_eq!(made.counterparty.party_id, Some(made.party.id));
}

#[test]
fn a_refused_checkout_leaves_no_party_and_no_number() {
    let mut stage = Stage::new();
    let expired = NewCheckout { expires_at: Some(stage.now), ..checkout("231880000009", 1) };
    assert!(stage.decide(&Command::CreateCheckout(stage.merchant, expired)).is_err());
    let Ok(Answer::Checkout(first)) = stage.decide(&Command::CreateCheckout(stage.merchant, checkout("231880000009", 1)))
    else {
        panic!("refused")
    };
    assert!(first.source.number.ends_with("-00001"), "{}", first.source.number);
    let which = SourceRef { merchant_id: stage.merchant, kind: SourceType::Order, id: first.source.id };
    let Ok(Answer::Page(page)) = stage.decide(&Command::OpenPage(which, "another".into())) else { panic!("refused") };
    assert_eq!(page, first.config, "a source has one page");
}

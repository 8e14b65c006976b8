//! A workspace in memory, and the steps that most tests need.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::decision::command::{Command, Output, Request};
use domain::decision::event::Actor;
use domain::decision::event::EventEntity;
use domain::decision::row::Lookup;
use domain::decision::settings::Settings;
use domain::decision::use_case::{Context, Decision};
use domain::decision::workspace::{IdBlock, RowKey, Stop, Workspace};
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::create_merchant::CreateMerchant;
use domain::directory::create_party::CreateParty;
use domain::directory::create_party::NewParty;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::merchant::ApiKey;
use domain::directory::merchant::Merchant;
use domain::directory::merchant::MerchantType;
use domain::directory::party::Relationship;
use domain::directory::principal::{Caller, Principal};
use domain::exceptions::resolve_review::ResolveReview;
use domain::exceptions::review::{Resolution, Review, ReviewKind};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    ApiKeyId, CounterpartyId, ExecutionId, GatewayFeeId, MarketId, MerchantId, NetworkAccountId,
    PartyId, PaymentAccountId, PaymentLinkId, PlatformFeeId, RateId, ReviewId, SessionId, SourceId,
    StatementId, TariffId, WalletId, WebhookEndpointId,
};
use domain::kernel::money::{Decimal, Money, Ratio};
use domain::kernel::names::{FeeBearer, Method, Mode, Operation, Provider};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{MerchantTime, ServerTime, minutes};
use domain::kernel::uuids::{ReferenceId, Uuid};
use domain::ledger::account::{AccountKind, Bucket};
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::wallet::{Owner, Wallet};
use domain::payments::attempt::ProviderAttempt;
use domain::payments::create_session::CreateSession;
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::execution::Execution;
use domain::payments::outcome::{Heard, OutcomeSource, ProviderOutcome};
use domain::payments::provider_call::ProviderCall;
use domain::payments::record_outcome::RecordOutcome;
use domain::payments::session::Session;
use domain::reconciliation::statement::Statement;
use domain::sales::create_source::CreateSource;
use domain::sales::create_source::NewSource;
use domain::sales::edit_items::AddItem;
use domain::sales::edit_items::NewItem;
use domain::sales::find_source::SourceRef;
use domain::sales::payment_link::PaymentLink;
use domain::sales::publish_source::PublishSource;
use domain::sales::source::{Source, SourceStatus, SourceType};
use domain::tariff::{
    Effective, Fee, GatewayFee, Market, MethodDetails, PlatformFee, Rate, Tariff, TariffVersion,
    Tier,
};
use domain::webhooks::endpoint::WebhookEndpoint;

pub(crate) fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

/// The clearing account of mobile money in the sandbox.
pub(crate) const CLEARING: AccountKind = AccountKind::Clearing(NetworkAccountId(1));

/// An idempotency key, a different one for each number.
pub(crate) const fn reference(number: u128) -> ReferenceId {
    ReferenceId(Uuid::from_u128(number))
}

pub(crate) fn usd(minor: i64) -> Money {
    Money::new(minor, currency("USD"))
}

pub(crate) fn tariff() -> Tariff {
    let effective = Effective { from: ServerTime(0), to: None };
    let at = ServerTime(0);
    // Far from the ids that are drawn.
    let mut last = 1_000_000;
    let mut id = || {
        last += 1;
        last
    };
    let tier =
        Tier { id: 1, name: "default".into(), is_default: true, created_at: at, updated_at: at };
    let mut tariff = Tariff { version: 1, tiers: vec![tier], ..Tariff::default() };
    for (operation, ppm) in [(Operation::Collection, 10_000), (Operation::Payout, 5_000)] {
        let fee = Fee { percentage_ppm: ppm, fixed: None };
        tariff.platform_fees.push(PlatformFee {
            id: PlatformFeeId(id()),
            tier: "default".into(),
            operation,
            fee,
            fx_percentage_ppm: 10_000,
            effective,
            created_at: at,
        });
    }
    for (method, provider) in [
        (Method::MTN_MOMO_LBR, Provider::PawaPay),
        (Method::CREDIT_CARD, Provider::Stripe),
        (Method::WALLET, Provider::Platform),
    ] {
        for operation in [Operation::Collection, Operation::Payout] {
            let ppm = if provider == Provider::Platform { 0 } else { 20_000 };
            let fee = Fee { percentage_ppm: ppm, fixed: None };
            tariff.gateway_fees.push(GatewayFee {
                id: GatewayFeeId(id()),
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
                tariff.markets.push(Market {
                    id: MarketId(id()),
                    method,
                    provider,
                    operation,
                    currency,
                    decimals: currency.exponent().into(),
                    country,
                    dial_prefix: None,
                    details: MethodDetails {
                        network_code: method.to_string(),
                        display_name: method.to_string(),
                    },
                    effective,
                });
            }
        }
    }
    let rate = Ratio::new(1_440, 1).unwrap();
    let (id, from, to) = (RateId(id()), currency("USD"), currency("RWF"));
    tariff.rates.push(Rate { id, from, to, rate, effective, created_at: at });
    tariff
}

/// The execution as an answer shows it. What a decision returns may have been read before its
/// events were counted.
pub(crate) fn answered(execution: Execution) -> Execution {
    Execution { event_count: 0, ..execution }
}

/// Loads the rows of the tariff, as a lane does when decisions change them.
fn load_tariff(work: &mut Workspace) {
    let tariff = Arc::clone(&work.tariff);
    let version = TariffVersion::new(tariff.version);
    work.tables.tariff.load(Lookup::Id(version.id), Some(version));
    for row in &tariff.platform_fees {
        work.tables.platform_fees.load(Lookup::Id(row.id), Some(row.clone()));
    }
    for row in &tariff.gateway_fees {
        work.tables.gateway_fees.load(Lookup::Id(row.id), Some(row.clone()));
    }
    for row in &tariff.rates {
        work.tables.rates.load(Lookup::Id(row.id), Some(row.clone()));
    }
    for row in &tariff.markets {
        work.tables.markets.load(Lookup::Id(row.id), Some(row.clone()));
    }
}

/// A workspace in which every row that was not created counts as loaded and absent.
pub(crate) struct Stage {
    pub(crate) work: Workspace,
    pub(crate) now: ServerTime,
    pub(crate) merchant: MerchantId,
    references: u128,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let ids = IdBlock { next: 1, end: i64::MAX };
        let mut work = Workspace::new(Arc::new(tariff()), [7; 16], ids);
        load_tariff(&mut work);
        let mut stage = Self {
            work,
            now: ServerTime::parse("2026-11-22T12:00:00Z").unwrap(),
            merchant: MerchantId(0),
            references: 0,
        };
        stage.merchant = stage.new_merchant("231770000001");
        stage
    }

    /// The clock of [`Stage::merchant`].
    pub(crate) fn time(&self) -> MerchantTime {
        self.work.require::<Merchant>(self.merchant).unwrap().time(self.now)
    }

    /// Sets the server's clock to where the merchant's is at `time`.
    pub(crate) fn set_time(&mut self, time: MerchantTime) {
        self.now = self.now.plus(time.since(self.time()));
    }

    pub(crate) fn decide<D: Decision>(&mut self, decision: &D) -> Result<D::Output, Vec<Refusal>> {
        self.work.set_actor(Actor::System, None);
        self.decide_with(|work, context| decision.decide(work, context))
    }

    /// Decides a command of a caller, whose credentials are checked.
    pub(crate) fn decide_as(
        &mut self,
        caller: Caller,
        command: impl Into<Command>,
    ) -> Result<Output, Vec<Refusal>> {
        self.decide_for(Principal::ApiKey(caller), command)
    }

    /// Decides a command of whoever asks, whose credentials are checked.
    pub(crate) fn decide_for(
        &mut self,
        principal: Principal,
        command: impl Into<Command>,
    ) -> Result<Output, Vec<Refusal>> {
        let request = Request::new(principal, command);
        self.decide_with(|work, context| request.decide(work, context))
    }

    fn decide_with<T>(
        &mut self,
        decide: impl Fn(&mut Workspace, &Context<'_>) -> Result<T, Stop>,
    ) -> Result<T, Vec<Refusal>> {
        let settings = Settings::default();
        loop {
            let context = Context { now: self.now, settings: &settings };
            match decide(&mut self.work, &context) {
                Ok(answer) => {
                    self.work.accept_draft(&|_, _, _| String::new()).unwrap();
                    return Ok(answer);
                }
                Err(Stop::Refused(reasons)) => {
                    self.work.discard_draft();
                    return Err(reasons);
                }
                Err(Stop::Inconsistent(what)) => panic!("{what}"),
                Err(Stop::NotLoaded(key)) => {
                    self.work.discard_draft();
                    self.absent(key);
                }
            }
        }
    }

    pub(crate) fn absent(&mut self, key: RowKey) {
        let tables = &mut self.work.tables;
        match key {
            RowKey::Batch(lookup) => tables.batches.load(lookup, None),
            RowKey::BatchChain(lookup) => tables.batch_chain.load(lookup, None),
            RowKey::InstallationCheck(lookup) => tables.installation_checks.load(lookup, None),
            RowKey::Reconciliation(lookup) => tables.reconciliations.load(lookup, None),
            RowKey::Statement(lookup) => tables.statements.load(lookup, None),
            RowKey::StatementLine(lookup) => tables.statement_lines.load(lookup, None),
            RowKey::Difference(lookup) => tables.statement_differences.load(lookup, None),
            RowKey::NetworkBalance(lookup) => tables.network_balances.load(lookup, None),
            RowKey::ChainKey(lookup) => tables.chain_keys.load(lookup, None),
            RowKey::SigningKey(lookup) => tables.signing_keys.load(lookup, None),
            RowKey::Merchant(lookup) => tables.merchants.load(lookup, None),
            RowKey::ApiKey(lookup) => tables.api_keys.load(lookup, None),
            RowKey::MerchantLimits(lookup) => tables.merchant_limits.load(lookup, None),
            RowKey::User(lookup) => tables.users.load(lookup, None),
            RowKey::Membership(lookup) => tables.memberships.load(lookup, None),
            RowKey::SavedFilter(lookup) => tables.saved_filters.load(lookup, None),
            RowKey::Login(lookup) => tables.logins.load(lookup, None),
            RowKey::Invitation(lookup) => tables.invitations.load(lookup, None),
            RowKey::LoginTries(lookup) => tables.login_tries.load(lookup, None),
            RowKey::Passcode(lookup) => tables.passcodes.load(lookup, None),
            RowKey::Party(lookup) => tables.parties.load(lookup, None),
            RowKey::Counterparty(lookup) => tables.counterparties.load(lookup, None),
            RowKey::PaymentAccount(lookup) => tables.payment_accounts.load(lookup, None),
            RowKey::Counter(lookup) => tables.counters.load(lookup, None),
            RowKey::Funding(lookup) => tables.fundings.load(lookup, None),
            RowKey::Source(lookup) => tables.sources.load(lookup, None),
            RowKey::Item(lookup) => tables.items.load(lookup, None),
            RowKey::Session(lookup) => tables.sessions.load(lookup, None),
            RowKey::Execution(lookup) => tables.executions.load(lookup, None),
            RowKey::ProviderAttempt(lookup) => tables.provider_attempts.load(lookup, None),
            RowKey::Wallet(lookup) => tables.wallets.load(lookup, None),
            RowKey::Account(lookup) => tables.accounts.load(lookup, None),
            RowKey::Approval(lookup) => tables.approvals.load(lookup, None),
            RowKey::Review(lookup) => tables.reviews.load(lookup, None),
            RowKey::EventPosition(lookup) => tables.event_positions.load(lookup, None),
            RowKey::CheckoutConfig(lookup) => tables.checkout_configs.load(lookup, None),
            RowKey::PaymentLink(lookup) => tables.payment_links.load(lookup, None),
            RowKey::PaymentLinkItem(lookup) => tables.payment_link_items.load(lookup, None),
            RowKey::Logo(lookup) => tables.logos.load(lookup, None),
            RowKey::RequestLimit(lookup) => tables.request_limits.load(lookup, None),
            RowKey::Tariff(lookup) => tables.tariff.load(lookup, None),
            RowKey::PlatformFee(lookup) => tables.platform_fees.load(lookup, None),
            RowKey::GatewayFee(lookup) => tables.gateway_fees.load(lookup, None),
            RowKey::Rate(lookup) => tables.rates.load(lookup, None),
            RowKey::Market(lookup) => tables.markets.load(lookup, None),
            RowKey::PhonePrefix(lookup) => tables.phone_prefixes.load(lookup, None),
            RowKey::NetworkAccount(lookup) => tables.network_accounts.load(lookup, None),
            RowKey::NetworkSecret(lookup) => tables.network_secrets.load(lookup, None),
            RowKey::OperatorTerms(lookup) => tables.operator_terms.load(lookup, None),
            RowKey::Exchange(lookup) => tables.exchanges.load(lookup, None),
            RowKey::UnmatchedCallback(lookup) => tables.unmatched_callbacks.load(lookup, None),
            RowKey::WebhookEndpoint(lookup) => tables.webhook_endpoints.load(lookup, None),
            RowKey::WebhookSecret(lookup) => tables.webhook_secrets.load(lookup, None),
            RowKey::WebhookMessage(lookup) => tables.webhook_messages.load(lookup, None),
            RowKey::WebhookDelivery(lookup) => tables.webhook_deliveries.load(lookup, None),
            RowKey::WebhookAttempt(lookup) => tables.webhook_attempts.load(lookup, None),
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
        let new = CreateMerchant {
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
        match self.decide(&new) {
            Ok(created) => created.merchant.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn party(&mut self, phone: &str) -> PartyId {
        let new =
            NewParty { fullname: "P".into(), phone: phone.into(), email: None, country_code: None };
        match self.decide(&CreateParty {
            merchant_id: self.merchant,
            party: new,
            unless_known: false,
        }) {
            Ok(party) => party.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn counterparty(&mut self, party: PartyId) -> CounterpartyId {
        match self.decide(&CreateCounterparty {
            merchant_id: self.merchant,
            relationship: Relationship::Customer,
            party_id: Some(party),
            shown: None,
        }) {
            Ok(row) => row.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn account(
        &mut self,
        party: PartyId,
        method: Method,
        operation: Operation,
    ) -> PaymentAccountId {
        let provider = match method {
            Method::CREDIT_CARD => Provider::Stripe,
            Method::WALLET => Provider::Platform,
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
        match self.decide(&CreateAccount { merchant_id: self.merchant, account: new, shown: None })
        {
            Ok(account) => account.id,
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
            idempotency_key: None,
            due_date: None,
        };
        let Ok(source) = self.decide(&CreateSource { merchant_id: self.merchant, source: new })
        else {
            panic!("no source")
        };
        let which =
            SourceRef { merchant_id: self.merchant, kind: SourceType::Invoice, id: source.id };
        let item =
            NewItem { name: "i".into(), currency: currency("USD"), qty: 1, amount: usd(minor) };
        self.decide(&AddItem { source: which, item, shown: None }).unwrap();
        self.decide(&PublishSource { source: which, shown: None }).unwrap();
        source.id
    }

    pub(crate) fn declare(&mut self, request: NewSession) -> Result<SessionId, Vec<Refusal>> {
        self.decide(&CreateSession { merchant_id: self.merchant, session: request })
            .map(|session| session.id)
    }

    pub(crate) fn execute(
        &mut self,
        session: SessionId,
        details: OperationDetails,
    ) -> Result<(Execution, Option<ProviderCall>), Vec<Refusal>> {
        self.references += 1;
        let reference_id = reference(self.references);
        let request = Execute {
            merchant_id: self.merchant,
            reference_id,
            session_id: session,
            details,
            shown: None,
        };
        self.decide(&request).map(|executed| (executed.execution, executed.call))
    }

    /// The stored attempt of an execution at its network.
    pub(crate) fn attempt(&self, id: ExecutionId) -> ProviderAttempt {
        (*self.work.require::<ProviderAttempt>(id).unwrap()).clone()
    }

    pub(crate) fn hear(&mut self, id: ExecutionId, word: ProviderOutcome) -> Execution {
        let source = OutcomeSource::Callback;
        match self.decide(&RecordOutcome {
            execution_id: id,
            source,
            outcome: word,
            heard: Heard::default(),
        }) {
            Ok(settled) => settled.execution,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn collect(
        &mut self,
        source: SourceId,
        account: PaymentAccountId,
        code: &str,
    ) -> Result<Execution, Vec<Refusal>> {
        let session =
            self.declare(NewSession::Checkout { kind: SourceType::Invoice, source_id: source })?;
        let details =
            OperationDetails::Collection { account_id: account, currency: currency(code) };
        self.execute(session, details).map(|(execution, _)| execution)
    }

    pub(crate) fn payout(
        &mut self,
        account: PaymentAccountId,
        amount: Money,
    ) -> Result<Execution, Vec<Refusal>> {
        let wallet_id = None;
        let request =
            NewSession::Payout { wallet_id, account_id: account, amount, expires_at: None };
        let session = self.declare(request)?;
        let details = OperationDetails::Payout { account_id: None, passcode_verified: false };
        self.execute(session, details).map(|(execution, _)| execution)
    }

    pub(crate) fn refund(
        &mut self,
        original: ExecutionId,
        amount: &str,
    ) -> Result<Execution, Vec<Refusal>> {
        let amount = Decimal::parse(amount).unwrap();
        let expires_at = self.time().plus(minutes(5));
        let session = self.declare(NewSession::Refund {
            original_id: original,
            amount,
            expires_at,
            reason: None,
        })?;
        self.execute(session, OperationDetails::Refund).map(|(execution, _)| execution)
    }

    pub(crate) fn wallet(&self, owner: Owner, code: &str) -> Wallet {
        (*self.work.find::<Wallet>(&(owner, currency(code))).unwrap().unwrap()).clone()
    }

    pub(crate) fn mine(&self, code: &str) -> (i64, i64) {
        let wallet = self.wallet(Owner::Merchant(self.merchant), code);
        (wallet.available_minor, wallet.held_minor)
    }

    pub(crate) fn fund(&mut self, minor: i64) -> WalletId {
        let wallet = self.wallet(Owner::Merchant(self.merchant), "USD").id;
        self.decide(&FundWallet { wallet_id: wallet, amount: usd(minor), key: None }).unwrap();
        wallet
    }

    pub(crate) fn source(&self, id: SourceId) -> SourceStatus {
        self.work.get::<Source>(id).unwrap().unwrap().status
    }

    pub(crate) fn system(&self, kind: AccountKind, code: &str) -> i64 {
        let name = (self.merchant, kind, currency(code));
        self.work
            .find::<domain::ledger::account::Account>(&name)
            .ok()
            .flatten()
            .map_or(0, |account| account.balance_minor)
    }

    pub(crate) fn review(&self, id: ExecutionId, kind: ReviewKind) -> Review {
        (*self.work.find::<Review>(&(id, kind)).unwrap().unwrap()).clone()
    }

    /// The reviews of an execution that are about money: all but passed deadlines.
    pub(crate) fn reviews(&mut self, id: ExecutionId) -> Vec<Arc<Review>> {
        loop {
            match domain::exceptions::contradiction::reviews(id, &self.work) {
                Err(Stop::NotLoaded(key)) => self.absent(key),
                found => return found.unwrap(),
            }
        }
    }

    pub(crate) fn resolve(
        &mut self,
        id: ReviewId,
        how: Resolution,
    ) -> Result<Review, Vec<Refusal>> {
        self.decide(&ResolveReview {
            review_id: id,
            resolution: how,
            evidence: "statement of the provider".into(),
        })
    }

    /// Checks what must hold after any history.
    pub(crate) fn check_books(&self) {
        let mut transactions: BTreeMap<_, i64> = BTreeMap::new();
        let mut balances: BTreeMap<(i64, Bucket), i64> = BTreeMap::new();
        for entry in &self.work.entries {
            *transactions.entry((entry.transaction_id, entry.currency)).or_default() +=
                entry.amount_minor;
            let balance = balances.entry((entry.account_id, entry.bucket)).or_default();
            *balance += entry.amount_minor;
            assert_eq!(*balance, entry.balance_minor, "{entry:?}");
            assert!(entry.bucket == Bucket::System || *balance >= 0, "{entry:?}");
        }
        assert!(transactions.values().all(|sum| *sum == 0));
        self.check_events();
    }

    /// Positions and sequences begin at 1 and have no gaps, and the rows count their events.
    fn check_events(&self) {
        let mut positions: BTreeMap<_, i64> = BTreeMap::new();
        let mut sequences: BTreeMap<_, i64> = BTreeMap::new();
        for event in &self.work.events {
            let position = positions.entry(event.merchant_id).or_default();
            let sequence = sequences.entry((event.entity, event.entity_id)).or_default();
            (*position, *sequence) = (*position + 1, *sequence + 1);
            assert_eq!((event.position, event.sequence), (*position, *sequence), "{event:?}");
        }
        for ((entity, id), count) in sequences {
            let counted = match entity {
                EventEntity::Session => {
                    self.work.require(SessionId(id)).map(|row: Arc<Session>| row.event_count)
                }
                EventEntity::Execution => {
                    self.work.require(ExecutionId(id)).map(|row: Arc<Execution>| row.event_count)
                }
                EventEntity::Source => {
                    self.work.require(SourceId(id)).map(|row: Arc<Source>| row.event_count)
                }
                EventEntity::Wallet => {
                    self.work.require(WalletId(id)).map(|row: Arc<Wallet>| row.event_count)
                }
                EventEntity::Review => {
                    self.work.require(ReviewId(id)).map(|row: Arc<Review>| row.event_count)
                }
                EventEntity::PaymentLink => self
                    .work
                    .require(PaymentLinkId(id))
                    .map(|row: Arc<PaymentLink>| row.event_count),
                EventEntity::Statement => {
                    self.work.require(StatementId(id)).map(|row: Arc<Statement>| row.event_count)
                }
                EventEntity::WebhookEndpoint => self
                    .work
                    .require(WebhookEndpointId(id))
                    .map(|row: Arc<WebhookEndpoint>| row.event_count),
                EventEntity::ApiKey => {
                    self.work.require(ApiKeyId(id)).map(|row: Arc<ApiKey>| row.event_count)
                }
                EventEntity::Tariff => {
                    self.work.require(TariffId(id)).map(|row: Arc<TariffVersion>| row.event_count)
                }
            };
            assert_eq!(counted.unwrap(), count, "{entity} {id}");
        }
    }
}

pub(crate) fn paid(transaction: &str) -> ProviderOutcome {
    ProviderOutcome::Succeeded { transaction_id: transaction.into(), amount: None }
}

pub(crate) fn declined() -> ProviderOutcome {
    ProviderOutcome::Declined { message: "no".into() }
}

//! Each database accepts every statement that is meant for it, and each read finds its rows by an
//! index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use domain::audit::{AuditEntity, AuditedCommand};
use domain::decision::event::{ActorKind, EventType};
use domain::decision::retention::Retained;
use domain::decision::settings::Settings;
use domain::decision::use_case::{Context, Decision, LockKey};
use domain::decision::workspace::Stop;
use domain::directory::party::Relationship;
use domain::directory::roles::{Rights, Role};
use domain::each_table;
use domain::exceptions::review::{ReviewKind, ReviewStatus};
use domain::kernel::country::Country;
use domain::kernel::currency::Currency;
use domain::kernel::digest::Digest;
use domain::kernel::ids::{
    ApiKeyId, CounterpartyId, DifferenceId, EventId, ExecutionId, MerchantId, NetworkAccountId,
    PartyId, PaymentAccountId, PaymentLinkId, ReviewId, SessionId, SourceId, StatementId,
    StatementLineId, UserId, WalletId, WebhookDeliveryId, WebhookEndpointId,
};
use domain::kernel::money::{Decimal, Ratio};
use domain::kernel::names::{Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::kernel::uuids::{Fingerprint, ReferenceId, Uuid};
use domain::ledger::batch_chain::BatchChain;
use domain::ledger::installation_check::{CheckKind, InstallationCheck};
use domain::ledger::wallet::OwnerType;
use domain::payments::approval::ApprovalStatus;
use domain::payments::attempt::WithAttempt;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::execution_intent::ExecutionIntent;
use domain::payments::session::SessionKind;
use domain::people::invitation::{InvitedTo, Standing};
use domain::reconciliation::difference::{DifferenceKind, DifferenceStatus};
use domain::sales::source::{SourceStatus, SourceType};
use domain::tariff::assign_phone_prefix::AssignPhonePrefix;
use domain::tariff::close_market::CloseMarket;
use domain::tariff::end_phone_prefix::EndPhonePrefix;
use domain::tariff::open_market::OpenMarket;
use domain::tariff::set_gateway_fee::SetGatewayFee;
use domain::tariff::set_platform_fee::SetPlatformFee;
use domain::tariff::set_rate::SetRate;
use domain::tariff::{Fee, Tariff};
use domain::webhooks::delivery::DeliveryStatus;

use crate::reads::Queries;
use crate::reads::audit::AuditFilter;
use crate::reads::backlog::WaitingDeliveries;
use crate::reads::due::DueKind;
use crate::reads::entries::{EntryFilter, WalletBalances};
use crate::reads::events::EventFilter;
use crate::reads::executions::ExecutionFilter;
use crate::reads::pages::{Page, PageOfRows};
use crate::reads::payment_accounts::PaymentAccountFilter;
use crate::reads::people::Part;
use crate::reads::reconciliation::DifferenceFilter;
use crate::reads::reviews::ReviewFilter;
use crate::reads::scope::{MerchantReads, OperatorReads};
use crate::reads::sources::SourceFilter;
use crate::reads::wallets::WalletFilter;
use crate::reads::watched::WatchedPayment;
use crate::reads::webhooks::DeliveryFilter;
use crate::schema::{installation, verify};
use crate::testing::{Stage, fill, take_reads};
use crate::workspace::codes::with_codes;
use crate::workspace::postgres::lane;
use crate::workspace::record::{Record, Statements};
use crate::workspace::sql::{Dialect, OwnedRow};
use crate::workspace::sql_value::SqlValue;
use crate::{Store, StoreError};

impl Stage {
    /// Fails unless the database accepts the statement with its tables and columns. It is not run.
    fn prepare(&mut self, sql: &str) {
        let done = match self.sql.dialect() {
            Dialect::Sqlite => self.sql.rows(&format!("EXPLAIN {sql}"), &vec![]).map(drop),
            Dialect::Postgres => self.sql.script(&format!("PREPARE one AS {sql}; DEALLOCATE one")),
        };
        done.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// Prepares the statements of a table that are sent to this database: for one row at a time on
    /// SQLite, for many rows on PostgreSQL.
    fn prepare_all(&mut self, statements: &Statements) {
        let changes = statements.fixed < statements.all.len();
        let has_alt_key = !statements.alt_key.is_empty();
        let many = &statements.many;
        let of_sqlite = [
            (&statements.insert, true),
            (&statements.update, changes),
            (&statements.by_id, true),
            (&statements.by_alt_key, has_alt_key),
        ];
        let of_postgres = [
            (&many.insert, true),
            (&many.update, changes),
            (&many.by_ids, true),
            (&many.lock, true),
            (&many.lock_owned, true),
            (&many.by_alt_keys, has_alt_key),
        ];
        let all = match self.sql.dialect() {
            Dialect::Sqlite => of_sqlite.to_vec(),
            Dialect::Postgres => of_postgres.to_vec(),
        };
        for (sql, _) in all.into_iter().filter(|(_, used)| *used) {
            self.prepare(sql);
            self.makes_no_table(sql);
        }
    }

    /// Fails if SQLite makes a table for the statement each time it runs, as it does for
    /// `CHECK (status IN ('A', 'B', 'C'))`: that takes longer than the row.
    fn makes_no_table(&mut self, sql: &str) {
        if self.sql.dialect() == Dialect::Sqlite {
            let steps = self.sql.rows(&format!("EXPLAIN {sql}"), &vec![]).unwrap();
            let is_made =
                |step: &OwnedRow| step.values().contains(&SqlValue::Text("OpenEphemeral".into()));
            assert!(!steps.iter().any(is_made), "{sql}");
        }
    }
}

#[test]
fn the_statements_of_every_table_are_understood() {
    macro_rules! all {
        ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
            fn all(stage: &mut Stage) {
                $(stage.prepare_all(<$row as Record>::statements());)+
            }
        };
    }
    each_table!(all);
    for mut stage in Stage::both() {
        all(&mut stage);
        stage.prepare_all(domain::decision::event::Event::statements());
        stage.prepare_all(domain::ledger::account::Entry::statements());
        stage.prepare_all(domain::audit::AuditRow::statements());
        stage.prepare_all(domain::ledger::batch_chain::Batch::statements());
        if stage.sql.dialect() == Dialect::Postgres {
            lane::STATEMENTS.iter().for_each(|sql| stage.prepare(sql));
        }
    }
}

#[test]
fn every_check_of_the_ledger_is_understood() {
    for mut stage in Stage::both() {
        let report = verify::verify(stage.sql.as_mut()).unwrap();
        assert_eq!((report.violations, report.entries), (vec![], 0));
    }
}

#[test]
fn what_the_command_line_writes_is_understood() {
    for mut stage in Stage::both() {
        let sql = stage.sql.as_mut();
        assert_eq!(installation::rotate_signing_keys(sql, false, 1).unwrap(), (2, 0));
        assert_eq!(installation::rotate_signing_keys(sql, true, 3).unwrap(), (3, 2));
        assert!(installation::claim_first_merchant(sql).unwrap());
        assert!(!installation::claim_first_merchant(sql).unwrap());
        installation::release_first_merchant(sql).unwrap();
        assert!(installation::claim_first_merchant(sql).unwrap());
        assert_eq!(stage.ask(async |q| q.for_system().signing_keys().await.unwrap()).len(), 1);
    }
}

/// The end of a chain before which there are rows.
const BEFORE_THE_CHAIN: BatchChain = BatchChain {
    id: BatchChain::ID,
    position: 0,
    link: Digest::ZERO,
    link_key_id: None,
    older_next_id: 500,
    older_end_id: 10_000,
    holder: 0,
    leased_until: ServerTime(0),
};
/// Later than all that a new database is given.
const FIRST: ServerTime = ServerTime(5_000_000_000_000_000);
const SECOND: ServerTime = ServerTime(6_000_000_000_000_000);

/// Runs a decision in a batch of its own.
fn run<D: Decision>(
    store: &mut dyn Store,
    decision: &D,
    now: ServerTime,
) -> Result<D::Output, Vec<Refusal>> {
    let ids = store.reserve_ids(64).unwrap();
    let lock_keys: Vec<LockKey> = decision.lock_key().into_iter().collect();
    let mut work = store.open(ids, &lock_keys, &[]).unwrap();
    let settings = Settings::default();
    loop {
        match decision.decide(&mut work, &Context { now, settings: &settings }) {
            Ok(output) => {
                work.accept_draft(&|_, _, _| String::new()).unwrap();
                assert!(store.confirm(&mut work.tables).unwrap());
                store.persist(&work).unwrap();
                store.commit().unwrap();
                return Ok(output);
            }
            Err(Stop::NotLoaded(key)) => {
                work.discard_draft();
                store.load(&[key], &mut work.tables).unwrap();
            }
            Err(Stop::Refused(reasons)) => {
                store.rollback();
                return Err(reasons);
            }
            Err(Stop::Inconsistent(what)) => panic!("{what}"),
        }
    }
}

/// Changes each kind of row twice, and answers the tariff.
fn changed(stage: &mut Stage) -> Tariff {
    let store = &mut *stage.database.store().unwrap();
    let (usd, lrd) = (Currency::parse("USD").unwrap(), Currency::parse("LRD").unwrap());
    let fee = Fee { percentage_ppm: 1, fixed: Some((2, usd)) };
    let (method, operation) = (Method::MTN_MOMO_LBR, Operation::Collection);
    let country = Country::parse("GH").unwrap();
    let (prefix, digits) = ("23188".to_owned(), 12);
    let platform = SetPlatformFee {
        tier: "default".to_owned(),
        operation,
        fee,
        fx_percentage_ppm: Some(3),
        from: None,
    };
    let market = OpenMarket {
        country: Some(country.clone()),
        ..OpenMarket::as_before(method, operation, usd)
    };
    let carrier = "New".to_owned();
    let numbers = AssignPhonePrefix { prefix: prefix.clone(), digits, carrier, country, method };
    for now in [FIRST, SECOND] {
        run(store, &platform, now).unwrap();
        run(store, &SetGatewayFee { method, operation, fee, from: None }, now).unwrap();
        run(store, &SetRate { from: usd, to: lrd, rate: Ratio::ONE, since: None }, now).unwrap();
        if now == SECOND {
            // The same market is open, so nothing would be changed.
            run(store, &CloseMarket { method, operation, currency: usd }, now).unwrap();
        }
        assert_eq!(run(store, &market, now).unwrap().market.effective.to, None);
        assert_eq!(run(store, &numbers, now).unwrap().effective.to, None);
    }
    let closed = CloseMarket { method, operation, currency: usd };
    assert_eq!(run(store, &closed, FIRST), Ok(Some(SECOND)));
    assert_eq!(run(store, &EndPhonePrefix { prefix, digits }, FIRST), Ok(Some(SECOND)));
    (*stage.ask(async |q| q.for_system().tariff().await.unwrap())).clone()
}

/// The tariff without the times at which the database was created, and without ids: a lane on
/// PostgreSQL has one of its own.
fn timeless(mut tariff: Tariff) -> String {
    let zero = |time: &mut ServerTime| {
        if *time < FIRST {
            *time = ServerTime(0);
        }
    };
    for row in &mut tariff.tiers {
        [&mut row.created_at, &mut row.updated_at].into_iter().for_each(zero);
    }
    for row in &mut tariff.platform_fees {
        row.id.0 = 0;
        [&mut row.effective.from, &mut row.created_at].into_iter().for_each(zero);
    }
    for row in &mut tariff.gateway_fees {
        row.id.0 = 0;
        [&mut row.effective.from, &mut row.created_at, &mut row.updated_at]
            .into_iter()
            .for_each(zero);
    }
    for row in &mut tariff.rates {
        row.id.0 = 0;
        [&mut row.effective.from, &mut row.created_at].into_iter().for_each(zero);
    }
    for row in &mut tariff.markets {
        row.id.0 = 0;
        zero(&mut row.effective.from);
    }
    for row in &mut tariff.phone_prefixes {
        row.id.0 = 0;
        zero(&mut row.effective.from);
    }
    format!("{tariff:#?}")
}

#[test]
fn changes_of_the_book_come_to_the_same() {
    let of_sqlite = timeless(changed(&mut Stage::sqlite()));
    assert!(of_sqlite.contains("version: 14"), "thirteen changes: {of_sqlite}");
    if let Some(mut postgres) = Stage::postgres() {
        assert_eq!(timeless(changed(&mut postgres)), of_sqlite);
    }
}

/// The account that all payments went through.
const AT: NetworkAccountId = NetworkAccountId(1);
const MINE: MerchantId = MerchantId(1);
const NOW: ServerTime = ServerTime(1);
const PAGE: Page = Page { limit: 10, after_id: None };
const AFTER: Page = Page { limit: 10, after_id: Some(8_010) };

/// How many rows a read found.
trait Found {
    fn count(&self) -> usize;
}

impl<T> Found for Option<T> {
    fn count(&self) -> usize {
        usize::from(self.is_some())
    }
}

impl<T> Found for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }
}

impl<T> Found for PageOfRows<T> {
    fn count(&self) -> usize {
        self.rows.len()
    }
}

impl Found for WaitingDeliveries {
    fn count(&self) -> usize {
        usize::try_from(self.count).unwrap()
    }
}

impl Found for WithAttempt {
    fn count(&self) -> usize {
        usize::from(self.attempt.is_some())
    }
}

/// A position: the number of events up to it.
impl Found for i64 {
    fn count(&self) -> usize {
        usize::try_from(*self).unwrap()
    }
}

impl Found for Arc<Tariff> {
    fn count(&self) -> usize {
        self.tiers.len()
    }
}

/// The UUID of the installation.
impl Found for [u8; 16] {
    fn count(&self) -> usize {
        1
    }
}

impl Found for BatchChain {
    fn count(&self) -> usize {
        1
    }
}

impl Found for InstallationCheck {
    fn count(&self) -> usize {
        1
    }
}

impl Found for WalletBalances {
    fn count(&self) -> usize {
        usize::from(*self != Self::default())
    }
}

impl Found for bool {
    fn count(&self) -> usize {
        usize::from(*self)
    }
}

impl Found for Standing {
    fn count(&self) -> usize {
        1
    }
}

impl Found for () {
    fn count(&self) -> usize {
        0
    }
}

/// The name of a read with that of its scope, and how many rows it found.
type Made = (&'static str, Result<usize, StoreError>);

/// Makes each read of a scope.
macro_rules! reads {
    ($scope:ident $reads:expr => $($name:ident($($argument:expr),*)),+ $(,)?) => {{
        let reads = $reads;
        vec![$((
            concat!(stringify!($scope), "::", stringify!($name)),
            reads.$name($($argument),*).await.map(|found| found.count()),
        )),+]
    }};
}

/// Every read of a merchant's rows, about rows of [`MINE`].
async fn merchant_reads(q: &Queries, merchant: MerchantId) -> Vec<Made> {
    let (kind, id) = (SourceType::Invoice, SourceId(10));
    let (accounts, sources, wallets) =
        (PaymentAccountFilter::default(), SourceFilter::default(), WalletFilter::default());
    let of_party = PaymentAccountFilter { party: Some(PartyId(10)), ..accounts };
    let referred = SourceFilter {
        reference: Some("x18".to_owned()),
        status: Some(SourceStatus::Idle),
        ..sources.clone()
    };
    let many: Vec<EventId> = (1..50).map(EventId).collect();
    let events = EventFilter::default();
    let about =
        EventFilter { kind: Some(EventType::ExecutionFailed), entity: None, entity_id: Some(12) };
    let wallet = OperatorReads::new(q.clone()).wallet(WalletId(10)).await.unwrap().unwrap();
    let open = MerchantReads::new(q, MINE).execution(ExecutionId(10)).await.unwrap().unwrap();
    let intent = ExecutionIntent::Transfer { wallet_id: WalletId(10), receiver_wallet_id: None };
    let transfer = Execution { intent, ..open.clone() };
    let all_of_them = ExecutionFilter::default();
    let narrow = ExecutionFilter {
        status: Some(ExecutionStatus::Completed),
        operation: Some(Operation::Payout),
        method: Some(Method::MTN_MOMO_LBR),
        amount: Decimal::parse("0.01"),
        currency: None,
        amount_currency: Some(Currency::USD),
        fee_currency: Some(Currency::USD),
        is_final: Some(true),
        from: Some(MerchantTime(0)),
        until: Some(MerchantTime(1_000_000)),
    };
    let dear = ExecutionFilter {
        amount: Decimal::parse("0.01"),
        currency: Some(Currency::USD),
        ..all_of_them
    };
    let relationship = Some(Relationship::Customer);
    let audited = AuditFilter {
        actor: Some(ActorKind::ApiKey),
        command: Some(AuditedCommand::Execute),
        entity: Some(AuditEntity::Execution),
        from: Some(ServerTime(0)),
        until: Some(ServerTime(1_000_000)),
        ..AuditFilter::default()
    };
    let dated = EntryFilter { from: Some(ServerTime(0)), until: Some(ServerTime(i64::MAX)) };
    let before_all = EntryFilter { from: None, until: Some(ServerTime(-1_000_000_000)) };
    let (endpoint, deliveries) = (WebhookEndpointId(10), DeliveryFilter::default());
    reads! { MerchantReads MerchantReads::new(q, merchant) =>
        checkout_of(id),
        party(PartyId(10)), parties(None, PAGE), parties(Some("a"), AFTER),
        counterparty(CounterpartyId(10)), counterparties(None, None, PAGE), parties_of([CounterpartyId(10), CounterpartyId(18)]),
        parties_of_ids([PartyId(10), PartyId(18)]), first_counterparties([PartyId(10), PartyId(18)]),
        counterparties(Some("a"), relationship, AFTER), payment_account(10),
        payment_accounts(accounts, PAGE), payment_accounts(accounts, AFTER), payment_accounts(of_party, AFTER),
        payment_link(PaymentLinkId(10)), payment_links(PAGE), payment_links(AFTER), payment_link_items(PaymentLinkId(10)),
        api_key(ApiKeyId(10)), api_keys(PAGE),
        api_keys(AFTER), source(kind, id), source_by_number(kind, "INV-10"),
        sources(kind, sources.clone(), PAGE), sources(kind, sources, AFTER), sources(kind, referred, AFTER),
        source_types(&[id, SourceId(18)]), items(id, None), items(id, Some(7)), collection_of(id),
        refunds_of(ExecutionId(10)), reviews_of(id), reviews_of_execution(ExecutionId(10)),
        reviews(ReviewFilter::default(), PAGE), reviews(ReviewFilter::default(), AFTER),
        reviews(ReviewFilter { status: Some(ReviewStatus::Open), kind: Some(ReviewKind::DeadlinePassed) }, PAGE),
        open_disputes(), disputes(None, PAGE), disputes(Some(ReviewStatus::Resolved), AFTER),
        session(SessionKind::Payout, SessionId(10)), sessions(SessionKind::Payout, PAGE),
        sessions(SessionKind::Payout, AFTER), execution_by_reference(Operation::Payout, ReferenceId(Uuid::from_u128(10))),
        execution_of_reference(ReferenceId(Uuid::from_u128(10))), execution_of_request(Uuid::from_u128(10)), executions_by_network_id("n10"),
        executions_of_source(id), executions_of_account(PaymentAccountId(10)), executions_of_account_before(PaymentAccountId(10), (MerchantTime(i64::MAX), ExecutionId(10))), accounts_by_number("231770000001"), accounts_of_party(PartyId(10)),
        parties_by_phone("231770000001"), parties_by_name("am"),
        exchanges(ExecutionId(10)), execution(ExecutionId(10)), open_attempts([&open]), with_attempt(open.clone()), executions(all_of_them, PAGE), executions(all_of_them, AFTER),
        executions(narrow, PAGE), executions(narrow, AFTER), executions(dear, PAGE), payment_accounts_of([&open]), recipients_of_transfers([&transfer]), executions_of_sessions(&[SessionId(10), SessionId(18)]), events_of(10),
        event(EventId(10)), events(events, PAGE), events(events, AFTER), events(about, PAGE),
        events(about, AFTER), events_after(events, 3, 10), events_after(about, 3, 10), last_event_position(),
        entries_of(&[EventId(10)]), entries_of(&many), wallet(WalletId(10)), wallets(wallets, PAGE),
        wallets(wallets, AFTER), wallets(WalletFilter { party: Some(PartyId(10)), ..wallets }, PAGE),
        wallets(WalletFilter { owner: Some(OwnerType::Merchant), currency: Currency::parse("USD"), ..wallets }, PAGE),
        wallets(WalletFilter { owner: Some(OwnerType::Party), ..wallets }, AFTER), wallet_entries(&wallet, EntryFilter::default(), PAGE),
        wallet_entries(&wallet, EntryFilter::default(), Page { limit: 10, after_id: Some(18) }),
        wallet_entries(&wallet, dated, PAGE), wallet_entries(&wallet, dated, Page { limit: 10, after_id: Some(18) }),
        wallet_entries(&wallet, before_all, PAGE), wallet_balances(&wallet, ServerTime(i64::MAX)),
        session_by_id(SessionId(10)), source_by_id(id), review(ReviewId(10)), webhook_endpoint_even_deleted(endpoint),
        webhook_endpoint(endpoint), webhook_endpoints(PAGE), webhook_endpoints(AFTER), webhook_secrets(endpoint),
        webhook_delivery(WebhookDeliveryId(10)), webhook_deliveries(deliveries, PAGE), webhook_deliveries(deliveries, AFTER),
        webhook_deliveries(DeliveryFilter { endpoint_id: Some(endpoint), ..deliveries }, PAGE),
        webhook_deliveries(DeliveryFilter { execution_id: Some(ExecutionId(10)), ..deliveries }, PAGE),
        webhook_deliveries(DeliveryFilter { status: Some(DeliveryStatus::Failed), kind: Some(EventType::WalletFunded), ..deliveries }, AFTER),
        audit(AuditFilter::default(), PAGE), audit(AuditFilter::default(), AFTER), audit(audited, PAGE), audit(audited, AFTER),
        saved_filters(UserId(10)), members(Part::first(10)), members(Part { limit: 10, after: 10 }), limits(), approvals(None, PAGE), approvals(None, AFTER), approvals(Some(ApprovalStatus::Requested), AFTER), approvals_of([&open]), invitations(ServerTime(0), Part::first(10)), invitations(ServerTime(0), Part { limit: 10, after: 10 }), webhook_attempts(WebhookDeliveryId(10)), failed_deliveries(endpoint, ServerTime(0), WebhookDeliveryId(0), 10),
        doers(&[UserId(10)]), own_wallet(Currency::USD), sessions_of([&open]),
        payment_groups(MerchantTime(0), MerchantTime(1_000_000)), payment_changes_after(3, 10), oldest_waiting(),
    }
}

async fn all_reads(q: &Queries) -> Vec<Made> {
    let mut made = merchant_reads(q, MINE).await;
    made.extend(reads! { Queries q =>
        for_page("t10"), for_payment_link("l10"), for_receipt(ExecutionId(18)), logo(Fingerprint(Uuid::from_u128(10))),
    });
    let execution = MerchantReads::new(q, MINE).execution(ExecutionId(10)).await.unwrap().unwrap();
    made.extend(reads! { PageReads q.for_page("t10").await.unwrap().unwrap() =>
        items(Some(7)), collection(), last_collection(), payment_link(), refunds_of(&execution), party_phone(),
        account_of(&execution), reviews(), wallet(),
    });
    made.extend(
        reads! { PaymentLinkReads q.for_payment_link("l10").await.unwrap().unwrap() => items(), wallet() },
    );
    let watched = WatchedPayment {
        merchant_id: MINE,
        session_id: execution.session_id,
        reference_id: execution.reference_id,
    };
    made.extend(reads! { PaymentReads q.for_payment(watched) =>
        execution(), source(), last_event_position(),
    });
    let invited = q.for_authentication().invitation(Fingerprint(Uuid::from_u128(10))).await;
    let invited = invited.unwrap().unwrap();
    made.extend(reads! { AuthenticationReads q.for_authentication() =>
        api_key("k10"), tenant(ApiKeyId(10)), login(Fingerprint(Uuid::from_u128(10))),
        invitation(Fingerprint(Uuid::from_u128(10))), standing(&invited), merchant(MINE), membership(UserId(10), MINE),
        begins_anew(InvitedTo::Reset(UserId(10))),
    });
    made.extend(reads! { SystemReads q.for_system() =>
        tariff(), signing_keys(), installation(), ping(),
        merchants_with_executions(MerchantId(0), NOW, 10, &[]), due_executions(MINE, NOW, 10, &[]),
        due_executions(MINE, NOW, 10, &[NetworkAccountId(1)]), postponed_executions(MINE, NOW, 10, &[]),
        merchants_with_sessions(MerchantId(0), NOW, 10), due_sessions(MINE, NOW, 10),
        merchants_with_unpaid_orders(MerchantId(0), NOW, 10), due_unpaid_orders(MINE, NOW, 10),
        merchants_with_approvals(MerchantId(0), NOW, 10), due_approvals(MINE, NOW, 10),
        known_lines(AT, &[Fingerprint(Uuid::from_u128(10))]), booked_by_request(AT, &[Uuid::from_u128(10)]),
        booked_by_reference(AT, "n10"), lines_of_payments(AT, &[ExecutionId(10)]), open_differences_of(AT, &[ExecutionId(11)]),
        booked_without_line(AT, MINE, (ServerTime(0), ServerTime(900)), Some((ServerTime(1), ExecutionId(10))), 10),
        merchants_at(AT), lines_to_post(StatementId(12), StatementLineId(0), 10), statements_to_post(),
        network_balances(), statement(StatementId(10)), difference(DifferenceId(11)), reconciliation(AT), open_differences(), cleared(AT), unposted(AT),
        network_secrets(), payment_of_request(NetworkAccountId(1), Uuid::nil()),
        card_payment(NetworkAccountId(1), "pi_1"), unmatched_callbacks(NetworkAccountId(1)),
        kept_long_enough(Retained::Exchanges, NOW, 10), kept_long_enough(Retained::UnmatchedCallbacks, NOW, 10),
        kept_long_enough(Retained::WebhookDeliveries, NOW, 10), kept_long_enough(Retained::DeadWebhookDeliveries, NOW, 10),
        kept_long_enough(Retained::WebhookAttempts, NOW, 10), kept_long_enough(Retained::WebhookMessages, NOW, 10),
        kept_long_enough(Retained::Logins, NOW, 10), kept_long_enough(Retained::LoginTries, NOW, 10),
        oldest_due(DueKind::Executions, NOW), oldest_due(DueKind::Sessions, NOW), oldest_due(DueKind::UnpaidOrders, NOW), oldest_due(DueKind::Approvals, NOW),
        open_amounts(), next_dispute_due(), approvals_waiting(), waiting_deliveries(), database_time(),
        messages_to_fan_out(EventId(0), 10), has_sealed_secrets(), key_of_codes(), endpoints_of(MINE), due_endpoints(NOW), due_deliveries(WebhookEndpointId(10), NOW, 10),
        audit_of_installation(AuditFilter::default(), PAGE), audit_of_installation(AuditFilter { from: Some(ServerTime(1)), ..AuditFilter::default() }, Page { limit: 10, after_id: Some(1_000_018) }),
        secrets_of(WebhookEndpointId(10), NOW), webhook_secrets_after(NOW), message_bodies(&[EventId(10)]),
        traces_of_messages(&[EventId(10)]), installation_check(CheckKind::Verify), wal_archived_at(),
        batch_chain(), batches_to_chain(10), chain_keys(), older_rows(&BEFORE_THE_CHAIN, 10),
        last_event_positions(&[MINE, MerchantId(2)]), execution_events_after(MINE, 3, 10),
    });
    made.extend(reads! { OperatorReads OperatorReads::new(q.clone()) =>
        merchant(MINE), merchants_after(MINE, 10), wallet(WalletId(10)), open_reviews(), open_disputes(),
        open_payments(NetworkAccountId(1)), list_unmatched_callbacks(NetworkAccountId(1), 10), users(), memberships(),
        user("e10"), audit(AuditFilter::default(), PAGE), audit(AuditFilter { entity_id: Some(18), ..AuditFilter::default() }, AFTER),
    });
    let operator = Rights { role: Role::Operator, operations: None };
    made.extend(reads! { InstallationReads q.of_installation(&operator).unwrap() =>
        oldest_open_reviews(None, None, 10), oldest_open_reviews(Some(ReviewKind::Dispute), Some(ReviewId(10)), 10), merchants_from(MINE, 10),
        recent_payments(NOW), under_way(), statements(None, PAGE), statements(Some(AT), AFTER),
        statement_lines(StatementId(10), StatementLineId(0), 10), statement_line(StatementLineId(10)), lines_of_payment(ExecutionId(10)),
        differences(DifferenceFilter::default(), PAGE),
        differences(DifferenceFilter {
            account: Some(AT),
            statement: Some(StatementId(11)),
            kind: Some(DifferenceKind::MissingThere),
            status: Some(DifferenceStatus::Open),
        }, PAGE),
        network_balances(), line_counts(StatementId(10)), open_difference_kinds(), moved(AT, (ServerTime(0), ServerTime(1_000_000))),
        open_disputes(), disputes(None, PAGE), disputes(Some(ReviewStatus::Resolved), AFTER),
    });
    let (_, user) =
        q.for_authentication().login(Fingerprint(Uuid::from_u128(10))).await.unwrap().unwrap();
    made.extend(reads! { UserReads q.of_user(&user) => merchants(Part::first(10)), logins(NOW) });
    made
}

/// Rows for every read of a merchant's to find, beside those of [`fill`].
fn fill_related(stage: &mut Stage) {
    fill(stage);
    let changes = [
        "UPDATE executions SET status = {execution_status PROCESSING}, completed_at = NULL WHERE id % 10 = 0",
        "UPDATE provider_attempts SET next_check_at = execution_id WHERE execution_id % 10 = 0",
        "UPDATE executions SET operation = {operation COLLECTION}, source_id = id - 8, refunded_minor = 0, over_refunded_minor = 0, \
         given_back_minor = 0, refunded_total_minor = 0, over_refunded_total_minor = 0 WHERE (id - 2) / 8 % 4 = 2",
        "UPDATE executions SET operation = {operation REFUND}, original_execution_id = id - 16, released_minor = 0 \
         WHERE (id - 2) / 8 % 4 = 3",
        "UPDATE sessions SET status = {session_status ACTIVE} WHERE id % 10 = 0",
        "UPDATE executions SET provider_transaction_id = 'n' || id",
        "UPDATE provider_attempts SET body = '{}'",
        "UPDATE reviews SET kind = 'DISPUTE', status = 'OPEN', resolved_at = NULL WHERE id = 10",
        "UPDATE payment_accounts SET account_number = '231770000001' WHERE id % 80 = 10",
        "UPDATE wallets SET last_entry_id = 2010 WHERE id = 10",
        "UPDATE wallets SET owner_type = 'MERCHANT', owner_id = 1 WHERE id = 18",
        "UPDATE sources SET status = 'ACTIVE', payment_link_id = id, cancel_at = id WHERE id % 10 = 0",
    ];
    changes.iter().for_each(|sql| stage.sql.script(&with_codes(sql)).unwrap());
}

#[test]
fn a_page_has_the_newest_collection_of_its_source() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        let mut last = |changes: &[(i64, i64)]| {
            for (id, created_at) in changes {
                let sql = format!(
                    "UPDATE executions SET operation = {{operation COLLECTION}}, source_id = 10, refunded_minor = 0, \
                     over_refunded_minor = 0, given_back_minor = 0, refunded_total_minor = 0, \
                     over_refunded_total_minor = 0, created_at = {created_at} WHERE id = {id}"
                );
                stage.sql.script(&with_codes(&sql)).unwrap();
            }
            let page = stage.ask(async |q| q.for_page("t10").await.unwrap().map(|page| page.last));
            page.unwrap().map(|last| last.id.0)
        };
        assert_eq!(last(&[]), None);
        assert_eq!(last(&[(18, 7), (26, 5)]), Some(18), "ids are not in the order of time");
        assert_eq!(last(&[(34, 7)]), Some(34), "of the same time, the higher id counts");
        assert_eq!(last(&[(43, 9)]), Some(34), "it belongs to another merchant");
    }
}

/// The line of a plan that scans a whole table, unless the table stays small.
fn read_whole(plan: &str) -> Option<&str> {
    const SMALL: [&str; 12] = [
        "installation",
        "installation_checks",
        "batch_chain",
        "chain_keys",
        "signing_keys",
        "network_secrets",
        "network_balances",
        "chain",
        "found",
        "json_each",
        "wanted",
        "CONSTANT",
    ];
    let table = |line: &'_ str| {
        let after = ["Seq Scan on ", "SCAN "].into_iter().find_map(|scan| line.split_once(scan));
        after.and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned)
    };
    // An index of what is open may be read as a whole: it does not grow.
    let of_open = [
        "USING INDEX reviews_open",
        "USING INDEX statements_accepted",
        "USING COVERING INDEX statements_accepted",
        "USING INDEX statement_differences_open",
        "USING COVERING INDEX statement_differences_open",
        "USING INDEX provider_attempts_waiting",
        "USING INDEX batches_to_chain",
        "USING COVERING INDEX approvals_open",
        "USING INDEX webhook_messages_to_fan_out",
        "USING COVERING INDEX webhook_deliveries_due",
        "USING INDEX webhook_deliveries_due",
    ];
    let lines = plan.lines().filter(|line| !of_open.iter().any(|index| line.contains(index)));
    lines.into_iter().find(|line| table(line).is_some_and(|table| !SMALL.contains(&table.as_str())))
}

#[test]
fn the_types_of_sources_are_those_of_the_merchants_own() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        stage.sql.script("UPDATE sources SET type = 'ORDER' WHERE id = 18").unwrap();
        // The second belongs to another merchant, the last does not exist.
        let ids = [SourceId(10), SourceId(11), SourceId(18), SourceId(999_999)];
        let mut found =
            stage.ask(async |q| MerchantReads::new(q, MINE).source_types(&ids).await.unwrap());
        found.sort_unstable();
        assert_eq!(found, [(SourceId(10), SourceType::Invoice), (SourceId(18), SourceType::Order)]);
        let of_none =
            async |q: &Queries| MerchantReads::new(q, MINE).source_types(&[]).await.unwrap();
        assert!(stage.ask(of_none).is_empty());
    }
}

/// The source text of every file in `reads/`. The folder is listed, so that no file is forgotten.
fn sources_of_reads() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reads");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

/// The reads that a file declares, each with the type whose method it is.
fn declared_in(source: &str) -> Vec<String> {
    let mut declared = vec![];
    for block in source.split("\nimpl ").skip(1) {
        let scope = block.split(['<', ' ']).next().unwrap();
        let reads = block.split("pub async fn ").skip(1);
        let names = reads.filter_map(|rest| rest.split(['(', '<']).next());
        declared.extend(names.map(|name| format!("{scope}::{name}")));
    }
    declared
}

#[test]
fn every_read_is_understood_and_finds_its_rows_by_an_index() {
    let sources = sources_of_reads();
    let declared: BTreeSet<String> =
        sources.iter().flat_map(|source| declared_in(source)).collect();
    let of_no_scope = declared.iter().filter(|name| name.starts_with("Queries::"));
    // By secrets, and the logo, which is public.
    let without_scope =
        ["Queries::for_page", "Queries::for_payment_link", "Queries::for_receipt", "Queries::logo"];
    assert_eq!(of_no_scope.collect::<Vec<_>>(), without_scope, "a read has a scope");
    for mut stage in Stage::both() {
        fill_related(&mut stage);
        let made = stage.ask(async |q| all_reads(q).await);
        let made: BTreeSet<String> = made
            .into_iter()
            .map(|(name, found)| {
                found.unwrap_or_else(|error| panic!("{name}: {error}"));
                name.to_owned()
            })
            .collect();
        assert_eq!(made, declared, "the reads of this test are not those that there are");
        for (sql, plans) in stage.plans() {
            for plan in &plans {
                assert_eq!(read_whole(plan), None, "{sql}\nreads a whole table: {plan}");
            }
        }
    }
}

#[test]
fn no_read_of_a_merchants_rows_finds_anothers() {
    /// A merchant without any rows.
    const STRANGER: MerchantId = MerchantId(2_000);
    for mut stage in Stage::both() {
        fill_related(&mut stage);
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, count) in stage.ask(async |q| merchant_reads(q, MINE).await) {
            *found.entry(name).or_default() += count.unwrap();
        }
        let nothing: Vec<_> = found.iter().filter(|(_, count)| **count == 0).collect();
        assert!(nothing.is_empty(), "there are no rows to find for {nothing:?}");
        for (name, count) in stage.ask(async |q| merchant_reads(q, STRANGER).await) {
            assert!(matches!(count, Ok(0) | Err(StoreError::UnknownCursor)), "{name}: {count:?}");
        }
    }
}

#[test]
fn every_statement_about_a_merchants_rows_has_the_merchant() {
    for mut stage in Stage::both() {
        fill_related(&mut stage);
        // It reads a wallet as the operator first.
        stage.ask(async |q| merchant_reads(q, MINE).await);
        for (sql, _) in take_reads().into_iter().skip(1) {
            assert!(sql.contains("merchant_id = :merchant"), "{sql}");
        }
    }
}

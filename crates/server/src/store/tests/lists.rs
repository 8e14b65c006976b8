//! Lists of a few thousand rows, and how a database finds them: a list that reads a whole table to show a page is a fault.

use std::collections::BTreeSet;

use domain::currency::Currency;
use domain::event::{EventEntity, EventType};
use domain::ids::{MerchantId, PartyId};
use domain::names::{Method, Operation};
use domain::party::Relationship;
use domain::session::SessionKind;
use domain::source::{SourceStatus, SourceType};
use domain::wallet::OwnerType;

use super::Stage;
use crate::store::lists::{AccountFilter, EventFilter, LOOKED_AT, Page, Part, SourceFilter, WalletFilter};
use crate::store::queries::Queries;
use crate::store::sql::Dialect;
use crate::store::{Database, StoreError};

const ROWS: i64 = 1_500;
const MERCHANTS: i64 = 8;
const MINE: MerchantId = MerchantId(1);

/// Merchants whose rows were made in turns, each with [`ROWS`] rows of everything; some rows share each time.
pub(super) fn fill(stage: &mut Stage) {
    stage.fill(
        "INSERT INTO merchants (id, name, type, mode, verified, fee_tier, clock_offset_us, created_at, updated_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         SELECT i, 'A', 'ORGANIZATION', 'SANDBOX', 1, 'default', 0, 0, 0 FROM n",
    );
    let rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows), \
                rows AS (SELECT 10 + i AS id, 1 + i % :merchants AS merchant, i / 16 AS at FROM n)";
    let mut insert = |table: &str, columns: &str, values: &str| {
        let sql = format!("INSERT INTO {table} (id, merchant_id, {columns}) {rows} SELECT id, merchant, {values} FROM rows");
        stage.fill(&sql.replace(":rows", &(ROWS * MERCHANTS).to_string()).replace(":merchants", &MERCHANTS.to_string()));
    };
    insert("parties", "fullname, phone, created_at, updated_at", "'Ama', '231770000001', at, at");
    insert("counterparties", "party_id, relationship_type, created_at, updated_at", "id, 'CUSTOMER', at, at");
    insert("api_keys", "client_id, secret_hash, created_at", "'k' || id, 'h', at");
    insert(
        "payment_accounts",
        "party_id, account_name, provider, method, operation_type, is_active, created_at, updated_at",
        "id, 'Ama', 'PAWAPAY', 'MTN_MOMO_LBR', 'PAYOUT', 1, at, at",
    );
    insert(
        "wallets",
        "owner_type, owner_id, currency, available_minor, held_minor, status, created_at, updated_at",
        "'PARTY', id, 'USD', 0, 0, 'ACTIVE', at, at",
    );
    insert(
        "sources",
        "type, number, counterparty_id, currency, total_minor, status, note, fee_bearer, as_payment_link, reference_id, created_at, \
         updated_at",
        "'INVOICE', 'INV-' || id, id, 'USD', 0, 'IDLE', '', 'PAYER', 0, 'x' || id, at, at",
    );
    insert(
        "sessions",
        "kind, status, amount_minor, currency, expires_at, created_at, updated_at",
        "'PAYOUT', 'EXECUTED', 1, 'USD', at, at, at",
    );
    insert(
        "executions",
        "reference_id, operation, session_id, status, payer_minor, payer_currency, payee_minor, payee_currency, total_minor, \
         platform_fee_minor, gateway_fee_minor, fx_fee_minor, rate_num, rate_den, refunded_minor, refunded_total_minor, \
         provider, method, provider_request_id, requires_action, cancel_asked, disputed, attempts, deadline_at, completed_at, \
         created_at, updated_at",
        "'r' || id, 'PAYOUT', id, 'COMPLETED', 1, 'USD', 1, 'USD', 1, 0, 0, 0, 1, 1, 0, 0, 'PAWAPAY', 'MTN_MOMO_LBR', 'p', \
         0, 0, 0, 1, at, at, at, at",
    );
    insert(
        "source_items",
        "source_id, name, qty, amount_minor, currency, removed, created_at, updated_at",
        "id, 'Rice', 1, 1, 'USD', 0, at, at",
    );
    insert("checkout_configs", "source_id, mode, token, created_at", "id, 'HOSTED', 't' || id, at");
    insert(
        "reviews",
        "execution_id, kind, status, amount_minor, currency, reason, created_at, resolved_at",
        "id, 'DEADLINE_PASSED', 'RESOLVED', 0, 'USD', 'r', at, at",
    );
    insert("accounts", "kind, currency, balance_minor, created_at, updated_at", "'FEE_FX', 'X' || id, 0, at, at");
    // A chain of entries for each wallet of the first.
    insert(
        "entries",
        "transaction_id, account_id, bucket, amount_minor, currency, balance_minor, previous_entry_id, created_at",
        "id, 10, 'AVAILABLE', 1, 'USD', 1, CASE WHEN id > 10 THEN id - 1 END, at",
    );
    insert("events", "type, subject_type, subject_id, created_at", "'execution.completed', 'EXECUTION', id, at");
    if stage.sql.dialect() == Dialect::Postgres {
        stage.sql.script("ANALYZE").unwrap();
    }
}

/// The largest page that a list has. PostgreSQL rather sorts all of a small table than follow an index for a third of it, so
/// it is asked for less.
const fn first(dialect: Dialect) -> Page {
    Page {
        limit: match dialect {
            Dialect::Sqlite => 1_000,
            Dialect::Postgres => 100,
        },
        after_id: None,
    }
}

impl Stage {
    pub(super) fn fill(&mut self, sql: &str) {
        let unchecked = match self.sql.dialect() {
            Dialect::Sqlite => "PRAGMA foreign_keys = OFF",
            Dialect::Postgres => "SET session_replication_role = replica",
        };
        self.sql.script(&format!("{unchecked}; {sql}")).unwrap();
    }

    /// Reads a list to its end, page by page, and fails unless all rows of the merchant came, newest first, and each
    /// page was found by an index.
    #[track_caller]
    fn assert_list<T>(
        &mut self,
        what: &str,
        sorts: bool,
        read: impl AsyncFn(&Queries, Page) -> Part<T>,
        id: impl Fn(&T) -> i64,
    ) {
        let mut ids: Vec<i64> = vec![];
        let mut page = first(self.sql.dialect());
        let mut reads = 0;
        loop {
            reads += 1;
            let Part { rows, looked_to } = self.ask(async |queries| read(queries, page).await);
            assert_eq!(looked_to, None, "{what} has no filter");
            ids.extend(rows.iter().map(&id));
            // That a page is empty because the list ended is looked at once more.
            reads += usize::from(rows.is_empty() && page.after_id.is_some());
            match rows.last() {
                Some(last) if u32::try_from(rows.len()) == Ok(page.limit) => page.after_id = Some(id(last)),
                _ => break,
            }
        }
        let expected: Vec<i64> = (0..ROWS).rev().map(|n| 10 + n * MERCHANTS).collect();
        assert_eq!(ids.len(), expected.len(), "{what}");
        assert!(ids == expected, "{what}: not in order");
        self.assert_plans(what, reads, sorts);
    }

    /// Fails unless so many reads were made, by an index each. `sorts` where a merchant has few rows, and they may be sorted.
    #[track_caller]
    fn assert_plans(&mut self, what: &str, count: usize, sorts: bool) {
        let dialect = self.sql.dialect();
        let plans = self.plans();
        assert_eq!(plans.len(), count, "{what}: {plans:#?}");
        for plan in plans.iter().flat_map(|(_, plans)| plans) {
            let (searches, sorted) = match dialect {
                Dialect::Sqlite => (plan.contains("SEARCH") && !plan.contains("SCAN "), plan.contains("TEMP B-TREE")),
                // Rows of the same instant are put in the order of their ids: an index without the id leaves that to do.
                Dialect::Postgres => (!plan.contains("Seq Scan"), plan.replace("Incremental Sort", "").contains("Sort  (")),
            };
            assert!(searches, "{what} reads a whole table: {plan}");
            assert!(sorts || !sorted, "{what} sorts: {plan}");
        }
    }
}

#[test]
fn every_list_is_read_by_an_index() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        stage.assert_list("parties", false, async |q, page| q.parties(MINE, None, page).await.unwrap(), |row| row.id.0);
        let read = async |q: &Queries, page| q.counterparties(MINE, None, None, page).await.unwrap();
        stage.assert_list("counterparties", false, read, |row| row.0.id.0);
        stage.assert_list("API keys", false, async |q, page| q.api_keys(MINE, page).await.unwrap(), |row| row.id.0);
        let read = async |q: &Queries, page| q.payment_accounts(MINE, AccountFilter::default(), page).await.unwrap();
        stage.assert_list("payment accounts", false, read, |row| row.id.0);
        stage.assert_list(
            "wallets",
            false,
            async |q, page| q.wallets(MINE, WalletFilter::default(), page).await.unwrap(),
            |row| row.id.0,
        );
        let invoice = SourceType::Invoice;
        let read = async |q: &Queries, page| q.sources(MINE, invoice, SourceFilter::default(), page).await.unwrap();
        stage.assert_list("invoices", false, read, |row| row.id.0);
        let read = async |q: &Queries, page| q.sessions(MINE, SessionKind::Payout, page).await.unwrap();
        stage.assert_list("sessions", false, read, |row| row.id.0);
        stage.assert_list("payment intents", false, async |q, page| q.executions(MINE, page).await.unwrap(), |row| row.id.0);
        let read = async |q: &Queries, page| q.events(MINE, EventFilter::default(), page).await.unwrap();
        stage.assert_list("events", false, read, |row| row.id.0);
    }
}

#[test]
fn filters_are_read_by_an_index() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        for page in [first(stage.sql.dialect()), Page { limit: 10, after_id: Some(8_010) }] {
            filters(&mut stage, page);
        }
        stage.ask(async |q| q.events_of(MINE, 18).await.unwrap());
        assert!(told(&stage.plans()).contains("events_of_subject"));
    }
}

fn told(plans: &[(String, Vec<String>)]) -> String {
    plans.iter().flat_map(|(_, plans)| plans.clone()).collect()
}

/// A list with a filter is read twice: how far it looks, and what it finds there.
const FILTERED: usize = 2;

fn filters(stage: &mut Stage, page: Page) {
    let (usd, party) = (Currency::parse("USD"), Some(PartyId(18)));
    stage.ask(async |q| q.parties(MINE, Some("ma"), page).await.unwrap());
    stage.assert_plans("parties", FILTERED, false);
    stage.ask(async |q| q.counterparties(MINE, Some("ma"), Some(Relationship::Customer), page).await.unwrap());
    stage.assert_plans("counterparties", FILTERED, false);
    let (method, operation, is_active) = (Some(Method::MtnMomoLbr), Some(Operation::Payout), Some(true));
    let filter = AccountFilter { party, method, operation, is_active };
    let found = stage.ask(async |q| q.payment_accounts(MINE, filter, page).await.unwrap());
    assert_eq!(found.rows.len(), 1);
    // One account: PostgreSQL reads those of the merchant and sorts what is left.
    stage.assert_plans("payment accounts", FILTERED, stage.sql.dialect() == Dialect::Postgres);
    let filter = AccountFilter { party: None, ..filter };
    stage.ask(async |q| q.payment_accounts(MINE, filter, page).await.unwrap());
    stage.assert_plans("payment accounts of all", FILTERED, false);
    let found = stage.ask(async |q| q.wallets(MINE, WalletFilter { party, ..WalletFilter::default() }, page).await.unwrap());
    assert_eq!(found.rows.len(), 1);
    stage.assert_plans("wallets of a party", 1, true);
    let filter = WalletFilter { party: None, owner: Some(OwnerType::Party), currency: usd };
    stage.ask(async |q| q.wallets(MINE, filter, page).await.unwrap());
    stage.assert_plans("wallets", FILTERED, false);
    let filter = SourceFilter { currency: usd, status: Some(SourceStatus::Idle), reference: None };
    stage.ask(async |q| q.sources(MINE, SourceType::Invoice, filter, page).await.unwrap());
    stage.assert_plans("invoices", FILTERED, false);
    let filter = SourceFilter { reference: Some("x18".to_owned()), ..SourceFilter::default() };
    let found = stage.ask(async |q| q.sources(MINE, SourceType::Invoice, filter.clone(), page).await.unwrap());
    // Of one source at most: a page that begins after it finds none, and looks whether its beginning is there.
    assert_eq!(found.rows.len(), usize::from(page.after_id.is_none_or(|after| after > 18)));
    let plans = stage.plans();
    assert!(told(&plans[..1]).contains("sources_by_reference"), "{plans:?}");
    let (kind, subject) = (Some(EventType::ExecutionCompleted), Some(EventEntity::Execution));
    let filter = EventFilter { kind, subject, subject_id: None };
    stage.ask(async |q| q.events(MINE, filter, page).await.unwrap());
    stage.assert_plans("events", FILTERED, false);
    let about = EventFilter { subject_id: Some(18), ..filter };
    assert_eq!(stage.ask(async |q| q.events(MINE, about, page).await.unwrap()).rows.len(), 1);
    let plans = stage.plans();
    assert!(plans.len() == FILTERED && told(&plans).contains("events_of_subject"), "{plans:?}");
}

/// More rows than are looked at for a page; one of the first made is as the filter wants it.
#[test]
fn a_filter_that_nothing_fits_looks_at_so_many_rows_and_says_where_to_go_on() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        let rows = LOOKED_AT * 2 + 100;
        stage.fill(&format!(
            "INSERT INTO sources (id, merchant_id, type, number, counterparty_id, currency, total_minor, status, note, fee_bearer, \
             as_payment_link, created_at, updated_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             SELECT 1000000 + i, 1, 'ORDER', 'ORD-' || i, 10, 'USD', 0, CASE WHEN i = 7 THEN 'ACTIVE' ELSE 'IDLE' END, '', 'PAYER', 0, \
             i / 16, 0 FROM n"
        ));
        let (mut page, mut found, mut pages) = (Page { limit: 10, after_id: None }, vec![], 0);
        loop {
            let filter = SourceFilter { status: Some(SourceStatus::Active), ..SourceFilter::default() };
            let part = stage.ask(async |q| q.sources(MINE, SourceType::Order, filter, page).await.unwrap());
            stage.assert_plans("orders", FILTERED, false);
            pages += 1;
            found.extend(part.rows.iter().map(|row| row.id.0));
            match part.looked_to {
                Some(id) => {
                    assert_eq!(id, 1_000_000 + rows - LOOKED_AT * pages + 1, "each page goes on where the one before ended");
                    page.after_id = Some(id);
                }
                None => break,
            }
        }
        assert_eq!((pages, found), (3, vec![1_000_007]));
    }
}

#[test]
fn no_list_is_read_from_a_file_without_its_name() {
    for stage in Stage::both() {
        let Database::Sqlite(path) = &stage.place else { continue };
        let away = path.with_extension("away");
        std::fs::rename(path, &away).unwrap();
        assert!(matches!(stage.queries.look(), Err(StoreError::Misplaced { .. })));
        let read = || stage.ask(async |q| q.executions(MINE, first(Dialect::Sqlite)).await.map(|found| found.rows));
        assert!(matches!(read(), Err(StoreError::Misplaced { .. })), "{:?}", read());
        std::fs::rename(&away, path).unwrap();
        stage.queries.look().unwrap();
        assert_eq!(read().unwrap(), []);
    }
}

#[test]
fn a_list_is_read_apart_and_nobody_else_waits_for_it() {
    for stage in Stage::both() {
        if stage.sql.dialect() == Dialect::Sqlite {
            let read_on = |_: &dyn crate::store::cell::Found| Ok(std::thread::current().id());
            let threads = stage.ask(async |q| q.rows_apart("SELECT 1".to_owned(), vec![], read_on).await.unwrap());
            assert_ne!(threads, [std::thread::current().id()]);
        }
        stage.ask(async |q| {
            let turns = u32::try_from(q.lists.available_permits()).unwrap();
            let all = q.lists.acquire_many(turns).await.unwrap();
            assert!(matches!(q.executions(MINE, first(Dialect::Sqlite)).await, Err(StoreError::Pool(_))));
            assert!(q.merchant(MINE).await.unwrap().is_none());
            drop(all);
            assert!(q.executions(MINE, first(Dialect::Sqlite)).await.unwrap().rows.is_empty());
        });
    }
}

#[test]
fn a_place_that_is_another_merchants_is_no_place() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        let theirs = Page { limit: 10, after_id: Some(4_011) };
        let no_place = |error| matches!(error, StoreError::NoPlace);
        assert!(no_place(stage.ask(async |q| q.parties(MINE, None, theirs).await.unwrap_err())));
        assert!(no_place(stage.ask(async |q| q.counterparties(MINE, None, None, theirs).await.unwrap_err())));
        assert!(no_place(stage.ask(async |q| q.executions(MINE, theirs).await.unwrap_err())));
        let events = stage.ask(async |q| q.events(MINE, EventFilter::default(), first(Dialect::Sqlite)).await.unwrap());
        let seen: BTreeSet<i64> = events.rows.iter().map(|event| event.merchant_id.0).collect();
        assert_eq!(seen, BTreeSet::from([1]));
    }
}

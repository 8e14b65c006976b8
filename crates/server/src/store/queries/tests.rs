//! Lists of a few thousand rows, and how SQLite finds them: a list that reads a whole table to show a page is a fault.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::*;
use crate::store::sqlite;

thread_local! {
    static PLANS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes how SQLite is going to run a read of this thread.
pub(super) fn note_plan(connection: &rusqlite::Connection, sql: &str, params: &Params<'_>) {
    let named: Vec<(&str, &dyn rusqlite::ToSql)> =
        params.iter().map(|(name, value)| -> (&str, &dyn rusqlite::ToSql) { (name, value) }).collect();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement.query_map(named.as_slice(), |row| row.get::<_, String>(3)).unwrap();
    let steps: Vec<String> = steps.map(Result::unwrap).collect();
    PLANS.with_borrow_mut(|plans| plans.push(steps.join("\n")));
}

const ROWS: i64 = 2_500;
const MINE: MerchantId = MerchantId(1);

/// Two merchants whose rows were made in turns, each with [`ROWS`] rows of everything; ids of two rows share each time.
fn filled() -> (tempfile::TempDir, Queries) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kola.db");
    let connection = sqlite::open(&path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows), \
                rows AS (SELECT 10 + i AS id, 1 + i % 2 AS merchant, i / 4 AS at, i % 2 = 0 AS mine FROM n)";
    let insert = |table: &str, columns: &str, values: &str| {
        let sql = format!("INSERT INTO {table} (id, merchant_id, {columns}) {rows} SELECT id, merchant, {values} FROM rows");
        connection.execute(&sql.replace(":rows", &(ROWS * 2).to_string()), []).unwrap();
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
        "type, number, counterparty_id, currency, total_minor, status, note, fee_bearer, as_payment_link, created_at, updated_at",
        "'INVOICE', 'INV-' || id, id, 'USD', 0, 'IDLE', '', 'PAYER', 0, at, at",
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
    insert("events", "type, subject_type, subject_id, created_at", "'execution.completed', 'EXECUTION', id, at");
    let queries = Queries::sqlite(&path, 1).unwrap();
    (directory, queries)
}

const FIRST: Page = Page { limit: 1_000, after_id: None };

/// Reads a list to its end, 1,000 rows a page. Answers the ids.
async fn all<T>(mut read: impl AsyncFnMut(Page) -> Vec<T>, id: impl Fn(&T) -> i64) -> Vec<i64> {
    let mut ids: Vec<i64> = vec![];
    let mut page = FIRST;
    loop {
        let rows = read(page).await;
        ids.extend(rows.iter().map(&id));
        match rows.last() {
            Some(last) if rows.len() == 1_000 => page.after_id = Some(id(last)),
            _ => return ids,
        }
    }
}

/// Fails unless all rows of the merchant came, newest first, and each page was found by an index.
#[track_caller]
fn assert_list(what: &str, ids: &[i64], sorts: bool) {
    let expected: Vec<i64> = (0..ROWS).rev().map(|n| 10 + n * 2).collect();
    assert_eq!(ids.len(), expected.len(), "{what}");
    assert!(ids == expected, "{what}: not in order");
    assert_plans(what, 3, sorts);
}

/// Fails unless so many reads were made, by an index each. `sorts` where a merchant has few rows, and they may be sorted.
#[track_caller]
fn assert_plans(what: &str, count: usize, sorts: bool) {
    let plans = PLANS.take();
    assert_eq!(plans.len(), count, "{what}: {plans:#?}");
    for plan in plans {
        assert!(plan.contains("SEARCH") && !plan.contains("SCAN "), "{what} reads a whole table: {plan}");
        assert!(sorts || !plan.contains("TEMP B-TREE"), "{what} sorts: {plan}");
    }
}

#[tokio::test]
async fn every_list_is_read_by_an_index() {
    let (_directory, queries) = filled();
    let q = &queries;
    let ids = all(async |page| q.parties(MINE, None, page).await.unwrap(), |row| row.id.0).await;
    assert_list("parties", &ids, false);
    let ids = all(async |page| q.counterparties(MINE, None, None, page).await.unwrap(), |row| row.0.id.0).await;
    assert_list("counterparties", &ids, false);
    let ids = all(async |page| q.api_keys(MINE, page).await.unwrap(), |row| row.id.0).await;
    assert_list("API keys", &ids, true);
    let none = AccountFilter::default();
    let ids = all(async |page| q.payment_accounts(MINE, none, page).await.unwrap(), |row| row.id.0).await;
    assert_list("payment accounts", &ids, false);
    let ids = all(async |page| q.wallets(MINE, None, page).await.unwrap(), |row| row.id.0).await;
    assert_list("wallets", &ids, false);
    let (invoice, none) = (SourceType::Invoice, SourceFilter::default());
    let ids = all(async |page| q.sources(MINE, invoice, none, page).await.unwrap(), |row| row.id.0).await;
    assert_list("invoices", &ids, false);
    let ids = all(async |page| q.sessions(MINE, SessionKind::Payout, page).await.unwrap(), |row| row.id.0).await;
    assert_list("sessions", &ids, false);
    let ids = all(async |page| q.executions(MINE, page).await.unwrap(), |row| row.id.0).await;
    assert_list("payment intents", &ids, false);
    let none = EventFilter::default();
    let ids = all(async |page| q.events(MINE, none, page).await.unwrap(), |row| row.id.0).await;
    assert_list("events", &ids, false);
}

#[tokio::test]
async fn filters_are_read_by_an_index() {
    let (_directory, queries) = filled();
    let q = &queries;
    let (usd, party) = (Currency::parse("USD"), Some(PartyId(12)));
    for page in [FIRST, Page { limit: 10, after_id: Some(5_000) }] {
        q.parties(MINE, Some("ma"), page).await.unwrap();
        assert_plans("parties", 1, false);
        q.counterparties(MINE, Some("ma"), Some(Relationship::Customer), page).await.unwrap();
        assert_plans("counterparties", 1, false);
        let filter = AccountFilter {
            party,
            method: Some(Method::MtnMomoLbr),
            operation: Some(Operation::Payout),
            is_active: Some(true),
        };
        assert_eq!(q.payment_accounts(MINE, filter, page).await.unwrap().len(), 1);
        assert_plans("payment accounts", 1, false);
        assert_eq!(q.wallets(MINE, party, page).await.unwrap().len(), 1);
        assert_plans("wallets", 1, true);
        let filter = SourceFilter { currency: usd, status: Some(SourceStatus::Idle) };
        q.sources(MINE, SourceType::Invoice, filter, page).await.unwrap();
        assert_plans("invoices", 1, false);
        let filter =
            EventFilter { kind: Some(EventType::ExecutionCompleted), subject: Some(Subject::Execution), subject_id: None };
        q.events(MINE, filter, page).await.unwrap();
        assert_plans("events", 1, false);
        assert_eq!(q.events(MINE, EventFilter { subject_id: Some(12), ..filter }, page).await.unwrap().len(), 1);
        let about = PLANS.with_borrow(|plans| plans.concat());
        assert!(about.contains("events_of_subject"), "{about}");
        assert_plans("events of one thing", 1, true);
    }
    q.events_of(MINE, 12).await.unwrap();
    assert!(PLANS.take().concat().contains("events_of_subject"));
}

#[tokio::test]
async fn a_place_that_is_another_merchants_is_no_place() {
    let (_directory, queries) = filled();
    let theirs = Page { limit: 10, after_id: Some(4_001) };
    assert!(queries.parties(MINE, None, theirs).await.unwrap().is_empty());
    assert!(queries.executions(MINE, theirs).await.unwrap().is_empty());
    let seen: BTreeSet<i64> =
        queries.events(MINE, EventFilter::default(), FIRST).await.unwrap().iter().map(|e| e.merchant_id.0).collect();
    assert_eq!(seen, BTreeSet::from([1]));
    PLANS.take();
}

//! Lists over some thousand rows are correct, and the database finds their rows by an index.

use std::collections::BTreeSet;

use domain::decision::event::{EventEntity, EventType};
use domain::directory::party::Relationship;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, PartyId, WalletId};
use domain::kernel::money::Decimal;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{MerchantTime, ServerTime, minutes};
use domain::ledger::wallet::OwnerType;
use domain::payments::session::SessionKind;
use domain::sales::source::{SourceStatus, SourceType};

use crate::reads::Queries;
use crate::reads::audit::AuditFilter;
use crate::reads::entries::{EntryFilter, WalletEntry};
use crate::reads::events::EventFilter;
use crate::reads::executions::ExecutionFilter;
use crate::reads::pages::{MAX_SCANNED_ROWS, Page, PageOfRows};
use crate::reads::payment_accounts::PaymentAccountFilter;
use crate::reads::scope::{MerchantReads, OperatorReads};
use crate::reads::sources::SourceFilter;
use crate::reads::wallets::WalletFilter;
use crate::testing::{MERCHANTS, ROWS, Stage, fill};
use crate::workspace::sql::Dialect;
use crate::{Database, StoreError};

const MINE: MerchantId = MerchantId(1);

const fn mine(queries: &Queries) -> MerchantReads<'_> {
    MerchantReads::new(queries, MINE)
}

/// The first page of a list, as large as the test allows. PostgreSQL would rather sort a small
/// table than follow an index for a third of its rows, so it is asked for less.
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
    /// Reads a list to its end, page by page. Fails unless it has all rows of the merchant, newest
    /// first, and each page was found by an index.
    #[track_caller]
    fn assert_list<T>(
        &mut self,
        what: &str,
        sorts: bool,
        read: impl AsyncFn(&Queries, Page) -> PageOfRows<T>,
        id: impl Fn(&T) -> i64,
    ) {
        let mut ids: Vec<i64> = vec![];
        let mut page = first(self.sql.dialect());
        let mut reads = 0;
        loop {
            reads += 1;
            let PageOfRows { rows, scanned_to } =
                self.ask(async |queries| read(queries, page).await);
            assert_eq!(scanned_to, None, "{what} has no filter");
            ids.extend(rows.iter().map(&id));
            // For an empty page the database is asked once more whether the cursor's row exists.
            reads += usize::from(rows.is_empty() && page.after_id.is_some());
            match rows.last() {
                Some(last) if u32::try_from(rows.len()) == Ok(page.limit) => {
                    page.after_id = Some(id(last))
                }
                _ => break,
            }
        }
        let expected: Vec<i64> = (0..ROWS).rev().map(|n| 10 + n * MERCHANTS).collect();
        assert_eq!(ids.len(), expected.len(), "{what}");
        assert!(ids == expected, "{what}: not in order");
        self.assert_plans(what, reads, sorts);
    }

    /// Fails unless `count` reads were made, each by an index. `sorts` allows sorting, for lists
    /// that have few rows.
    #[track_caller]
    fn assert_plans(&mut self, what: &str, count: usize, sorts: bool) {
        let dialect = self.sql.dialect();
        let plans = self.plans();
        assert_eq!(plans.len(), count, "{what}: {plans:#?}");
        for plan in plans.iter().flat_map(|(_, plans)| plans) {
            let (searches, sorted) = match dialect {
                Dialect::Sqlite => (
                    plan.contains("SEARCH") && !plan.contains("SCAN "),
                    plan.contains("TEMP B-TREE"),
                ),
                // An incremental sort is allowed: an index without the id leaves rows of the same
                // time to be sorted by id.
                Dialect::Postgres => (
                    !plan.contains("Seq Scan"),
                    plan.replace("Incremental Sort", "").contains("Sort  ("),
                ),
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
        stage.assert_list(
            "parties",
            false,
            async |q, page| mine(q).parties(None, page).await.unwrap(),
            |row| row.id.0,
        );
        let read =
            async |q: &Queries, page| mine(q).counterparties(None, None, page).await.unwrap();
        stage.assert_list("counterparties", false, read, |row| row.0.id.0);
        stage.assert_list(
            "API keys",
            false,
            async |q, page| mine(q).api_keys(page).await.unwrap(),
            |row| row.id.0,
        );
        let read = async |q: &Queries, page| {
            mine(q).payment_accounts(PaymentAccountFilter::default(), page).await.unwrap()
        };
        stage.assert_list("payment accounts", false, read, |row| row.id.0);
        stage.assert_list(
            "wallets",
            false,
            async |q, page| mine(q).wallets(WalletFilter::default(), page).await.unwrap(),
            |row| row.id.0,
        );
        stage.assert_list(
            "payment links",
            false,
            async |q, page| mine(q).payment_links(page).await.unwrap(),
            |row| row.id.0,
        );
        let read =
            async |q: &Queries, page| mine(q).audit(AuditFilter::default(), page).await.unwrap();
        stage.assert_list("audit", false, read, |entry| entry.row.id.0);
        let invoice = SourceType::Invoice;
        let read = async |q: &Queries, page| {
            mine(q).sources(invoice, SourceFilter::default(), page).await.unwrap()
        };
        stage.assert_list("invoices", false, read, |row| row.id.0);
        let read =
            async |q: &Queries, page| mine(q).sessions(SessionKind::Payout, page).await.unwrap();
        stage.assert_list("sessions", false, read, |row| row.id.0);
        stage.assert_list(
            "payment intents",
            false,
            async |q, page| mine(q).executions(ExecutionFilter::default(), page).await.unwrap(),
            |row| row.id.0,
        );
        let read =
            async |q: &Queries, page| mine(q).events(EventFilter::default(), page).await.unwrap();
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
        stage.ask(async |q| mine(q).events_of(18).await.unwrap());
        assert!(told(&stage.plans()).contains("events_by_sequence"));
    }
}

fn told(plans: &[(String, Vec<String>)]) -> String {
    plans.iter().flat_map(|(_, plans)| plans.clone()).collect()
}

/// A list with a filter makes two reads: how far it scans, and the rows that it finds there.
const FILTERED: usize = 2;

fn filters(stage: &mut Stage, page: Page) {
    let (usd, party) = (Currency::parse("USD"), Some(PartyId(18)));
    stage.ask(async |q| mine(q).parties(Some("ma"), page).await.unwrap());
    stage.assert_plans("parties", FILTERED, false);
    stage.ask(async |q| {
        mine(q).counterparties(Some("ma"), Some(Relationship::Customer), page).await.unwrap()
    });
    stage.assert_plans("counterparties", FILTERED, false);
    let (method, operation, is_active) =
        (Some(Method::MTN_MOMO_LBR), Some(Operation::Payout), Some(true));
    let filter = PaymentAccountFilter { party, method, operation, is_active };
    let found = stage.ask(async |q| mine(q).payment_accounts(filter, page).await.unwrap());
    assert_eq!(found.rows.len(), 1);
    // Only one account matches: PostgreSQL reads all accounts of the party and sorts the rest.
    stage.assert_plans("payment accounts", FILTERED, stage.sql.dialect() == Dialect::Postgres);
    let filter = PaymentAccountFilter { party: None, ..filter };
    stage.ask(async |q| mine(q).payment_accounts(filter, page).await.unwrap());
    stage.assert_plans("payment accounts of all", FILTERED, false);
    let found = stage.ask(async |q| {
        mine(q).wallets(WalletFilter { party, ..WalletFilter::default() }, page).await.unwrap()
    });
    assert_eq!(found.rows.len(), 1);
    stage.assert_plans("wallets of a party", 1, true);
    let filter = WalletFilter { party: None, owner: Some(OwnerType::Party), currency: usd };
    stage.ask(async |q| mine(q).wallets(filter, page).await.unwrap());
    stage.assert_plans("wallets", FILTERED, false);
    let filter = SourceFilter { currency: usd, status: Some(SourceStatus::Idle), reference: None };
    stage.ask(async |q| mine(q).sources(SourceType::Invoice, filter, page).await.unwrap());
    stage.assert_plans("invoices", FILTERED, false);
    let filter = SourceFilter { reference: Some("x18".to_owned()), ..SourceFilter::default() };
    let found = stage
        .ask(async |q| mine(q).sources(SourceType::Invoice, filter.clone(), page).await.unwrap());
    // At most one source has this reference. A page that begins after it is empty, so a further
    // read checks the cursor.
    assert_eq!(found.rows.len(), usize::from(page.after_id.is_none_or(|after| after > 18)));
    let plans = stage.plans();
    assert!(told(&plans[..1]).contains("sources_by_reference"), "{plans:?}");
    let narrow = ExecutionFilter {
        operation: Some(Operation::Payout),
        amount: Decimal::parse("0.01"),
        from: Some(MerchantTime(1)),
        ..ExecutionFilter::default()
    };
    let found = stage.ask(async |q| mine(q).executions(narrow, page).await.unwrap());
    assert!(!found.rows.is_empty());
    // Where few rows fit, PostgreSQL sorts them: no more than one page looks at.
    stage.assert_plans("payment intents", FILTERED, stage.sql.dialect() == Dialect::Postgres);
    // As many minor units are another number where a currency has other decimals.
    for (amount, currency, found) in [
        ("0.01", "USD", true),
        ("0.010", "USD", true),
        ("0.02", "USD", false),
        ("1", "USD", false),
        ("0.01", "LRD", false),
        ("1", "RWF", false),
        ("0.001", "USD", false),
    ] {
        let (amount, currency) = (Decimal::parse(amount), Currency::parse(currency));
        let filter = ExecutionFilter { amount, currency, ..ExecutionFilter::default() };
        let rows = stage.ask(async |q| mine(q).executions(filter, page).await.unwrap()).rows;
        assert_eq!(!rows.is_empty(), found, "{amount:?} {currency:?}");
        stage.plans();
    }
    let (kind, entity) = (Some(EventType::ExecutionCompleted), Some(EventEntity::Execution));
    let filter = EventFilter { kind, entity, entity_id: None };
    stage.ask(async |q| mine(q).events(filter, page).await.unwrap());
    stage.assert_plans("events", FILTERED, false);
    let about = EventFilter { entity_id: Some(18), ..filter };
    assert_eq!(stage.ask(async |q| mine(q).events(about, page).await.unwrap()).rows.len(), 1);
    let plans = stage.plans();
    assert!(plans.len() == FILTERED && told(&plans).contains("events_by_sequence"), "{plans:?}");
}

// There are more rows than one page scans, and only one of the oldest matches the filter.
#[test]
fn a_filter_that_nothing_fits_looks_at_so_many_rows_and_says_where_to_go_on() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        let rows = MAX_SCANNED_ROWS * 2 + 100;
        stage.fill(&format!(
            "INSERT INTO sources (id, merchant_id, type, number, counterparty_id, currency, total_minor, status, note, fee_bearer, \
             as_payment_link, created_at, updated_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             SELECT 1000000 + i, 1, 'ORDER', 'ORD-' || i, 10, 'USD', 0, CASE WHEN i = 7 THEN 'ACTIVE' ELSE 'IDLE' END, '', 'PAYER', 0, \
             i / 16, 0 FROM n"
        ));
        let (mut page, mut found, mut pages) = (Page { limit: 10, after_id: None }, vec![], 0);
        loop {
            let filter =
                SourceFilter { status: Some(SourceStatus::Active), ..SourceFilter::default() };
            let part = stage
                .ask(async |q| mine(q).sources(SourceType::Order, filter, page).await.unwrap());
            stage.assert_plans("orders", FILTERED, false);
            pages += 1;
            found.extend(part.rows.iter().map(|row| row.id.0));
            match part.scanned_to {
                Some(id) => {
                    assert_eq!(
                        id,
                        1_000_000 + rows - MAX_SCANNED_ROWS * pages + 1,
                        "each page goes on where the one before ended"
                    );
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
        let Database::Sqlite(path) = &stage.database else { continue };
        let away = path.with_extension("away");
        std::fs::rename(path, &away).unwrap();
        assert!(matches!(
            stage.queries.for_system().check_file(),
            Err(StoreError::FileMoved { .. })
        ));
        let read = || {
            stage.ask(async |q| {
                mine(q)
                    .executions(ExecutionFilter::default(), first(Dialect::Sqlite))
                    .await
                    .map(|found| found.rows)
            })
        };
        assert!(matches!(read(), Err(StoreError::FileMoved { .. })), "{:?}", read());
        std::fs::rename(&away, path).unwrap();
        stage.queries.for_system().check_file().unwrap();
        assert_eq!(read().unwrap(), []);
    }
}

#[test]
fn a_list_is_read_apart_and_nobody_else_waits_for_it() {
    for stage in Stage::both() {
        if stage.sql.dialect() == Dialect::Sqlite {
            let read_on =
                |_: &dyn crate::workspace::sql_value::ResultRow| Ok(std::thread::current().id());
            let threads = stage
                .ask(async |q| q.list_rows("SELECT 1".to_owned(), vec![], read_on).await.unwrap());
            assert_ne!(threads, [std::thread::current().id()]);
        }
        stage.ask(async |q| {
            let permits = u32::try_from(q.list_permits.available_permits()).unwrap();
            let all = q.list_permits.acquire_many(permits).await.unwrap();
            assert!(matches!(
                mine(q).executions(ExecutionFilter::default(), first(Dialect::Sqlite)).await,
                Err(StoreError::Pool(_))
            ));
            assert!(OperatorReads::new(q.clone()).merchant(MINE).await.unwrap().is_none());
            drop(all);
            assert!(
                mine(q)
                    .executions(ExecutionFilter::default(), first(Dialect::Sqlite))
                    .await
                    .unwrap()
                    .rows
                    .is_empty()
            );
        });
    }
}

/// The entries of a wallet, of whose events every seventh was recorded by a clock that is nine minutes
/// ahead.
fn entries_of(stage: &mut Stage, filter: EntryFilter, limit: u32) -> Vec<WalletEntry> {
    stage.ask(async |queries| {
        let reads = mine(queries);
        let wallet = reads.wallet(WalletId(10)).await.unwrap().unwrap();
        let mut all = vec![];
        let mut page = Page { limit, after_id: None };
        loop {
            let found = reads.wallet_entries(&wallet, filter, page).await.unwrap();
            page.after_id = found.next_after(limit, |row| row.entry.id.0);
            all.extend(found.rows);
            if page.after_id.is_none() {
                return all;
            }
        }
    })
}

#[test]
fn the_entries_of_a_period_are_found_by_their_time() {
    let minute = minutes(1);
    for mut stage in Stage::both() {
        fill(&mut stage);
        if stage.sql.dialect() == Dialect::Sqlite {
            stage.sql.script("DROP TRIGGER events_are_not_changed").unwrap();
        }
        stage.fill(&format!(
            "UPDATE events SET created_at = id * {minute} + CASE WHEN id % 7 = 0 THEN 9 * {minute} ELSE 0 END; \
             UPDATE wallets SET last_entry_id = (SELECT max(id) FROM entries WHERE account_id = 10) WHERE id = 10"
        ));
        let all = entries_of(&mut stage, EntryFilter::default(), 1_000);
        assert_eq!(i64::try_from(all.len()), Ok(ROWS));
        let is_ordered = all.windows(2).all(|two| two[0].created_at >= two[1].created_at);
        assert!(!is_ordered, "the clocks differ");
        let time = |minutes: i64| Some(ServerTime(minutes * minute));
        // What is before a time, from the newest entry that is.
        let before = |time: Option<ServerTime>| {
            let is_before = |row: &WalletEntry| time.is_some_and(|time| row.created_at < time);
            all.iter().position(is_before).unwrap_or(all.len())
        };
        let times = [-1, 0, 11, 12, 14, 15, 700, 5_999, 6_000, 6_005, 11_000, 12_000, 20_000];
        let mut parts = 0;
        for (place, from) in times.iter().enumerate() {
            for until in &times[place..] {
                let filter = EntryFilter { from: time(*from), until: time(*until) };
                let expected = &all[before(filter.until)..before(filter.from)];
                for limit in [7, 50, 1_000] {
                    if limit == 7 && expected.len() > 100 {
                        continue;
                    }
                    let found = entries_of(&mut stage, filter, limit);
                    assert!(found == expected, "{from} to {until} by {limit}");
                }
                parts += usize::from(*until == *from || expected.len() == all.len());
            }
        }
        assert!(parts > times.len(), "some period has everything");
        // A cursor of the list without a filter leads into the filtered one.
        let filter = EntryFilter { from: None, until: time(700) };
        let newest = Page { limit: 5, after_id: Some(all[0].entry.id.0) };
        let found = stage.ask(async |queries| {
            let wallet = mine(queries).wallet(WalletId(10)).await.unwrap().unwrap();
            mine(queries).wallet_entries(&wallet, filter, newest).await.unwrap().rows
        });
        let begin = before(filter.until);
        assert!(found == all[begin..begin + 5]);
    }
}

#[test]
fn a_place_that_is_another_merchants_is_no_place() {
    for mut stage in Stage::both() {
        fill(&mut stage);
        let theirs = Page { limit: 10, after_id: Some(4_011) };
        let no_place = |error| matches!(error, StoreError::UnknownCursor);
        assert!(no_place(stage.ask(async |q| mine(q).parties(None, theirs).await.unwrap_err())));
        assert!(no_place(
            stage.ask(async |q| mine(q).counterparties(None, None, theirs).await.unwrap_err())
        ));
        assert!(no_place(stage.ask(async |q| {
            mine(q).executions(ExecutionFilter::default(), theirs).await.unwrap_err()
        })));
        let events = stage.ask(async |q| {
            mine(q).events(EventFilter::default(), first(Dialect::Sqlite)).await.unwrap()
        });
        let seen: BTreeSet<i64> = events.rows.iter().map(|event| event.merchant_id.0).collect();
        assert_eq!(seen, BTreeSet::from([1]));
    }
}

//! Books that were rewritten by somebody who knows all rules: what only the chain of batches finds.
//! Each finding names the place.

use std::path::Path;

use domain::kernel::digest::Digest;
use domain::ledger::batch_chain::{Batch, BatchChain};
use kola::credentials::sealing::SealingKey;
use serde_json::Value;
use store::chain::{self, HASHED, LinkKey, LinkKeys};
use store::schema::verify::chain::ChainCheck;
use store::schema::verify::{self, Report};
use store::workspace::codes::with_codes;
use store::workspace::record::Record;
use store::workspace::sql::{Dialect, OwnedRow, Sql};

use crate::crash::Load;
use crate::damage::{DEFENCELESS, DEFENCELESS_SQLITE};
use crate::support::shop::GOOD;
use crate::support::{Database, Server, on_sqlite_only, spawn, wait_for};

const ROWS: &str = "rows differ from the batch that inserted them";
const NO_BATCH: &str = "row that no batch inserted";
const BATCH: &str = "batch does not follow the one before of its lane";
const LINK: &str = "chain of batches is broken";

/// What `kola ledger verify` prints for programs.
#[track_caller]
fn verified(server: &Server) -> Value {
    let printed = server.kola(&["ledger", "verify", "--json"]).ok();
    serde_json::from_str(&printed).expect("a document")
}

/// Waits until every batch is chained.
#[track_caller]
pub(crate) fn chained(database: &Database) {
    let left = "SELECT (SELECT count(*) FROM batches WHERE position IS NULL) \
                + (SELECT count(*) FROM batch_chain WHERE older_next_id < older_end_id)";
    wait_for("every batch to be chained", || (database.value(left) == "0").then_some(()));
}

fn keys_of(file: &Path) -> LinkKeys {
    SealingKey::read(file).expect("a key").link_keys(&[])
}

/// A stopped server whose books are chained with its secrets key, and a connection to them.
struct Books {
    _server: Server,
    sql: Box<dyn Sql>,
    keys: LinkKeys,
    head: Digest,
}

impl Books {
    fn new() -> Self {
        let (mut server, shop) = spawn();
        server.fund(&shop, "USD", "500.00");
        shop.paid_hundred();
        shop.settled("payout", &shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00"));
        shop.transfer(shop.customer(), "USD", "5.00");
        // The last that happens: an attacker may take it back.
        server.fund(&shop, "USD", "7.00");
        chained(&server.database);
        assert_eq!(server.terminate(), Some(0));
        let place: store::Database = server.database.url().parse().expect("a URL");
        let mut sql = place.open_as_it_is().expect("the database");
        if sql.dialect() == Dialect::Sqlite {
            sql.script("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
                .expect("no checks");
        }
        let keys = keys_of(&server.database.secrets_key().expect("a key"));
        let head = end(sql.as_mut()).link;
        let mut books = Self { _server: server, sql, keys, head };
        let report = books.report();
        assert_eq!(report.violations, []);
        assert_eq!((report.chain.unchecked, report.chain.without_key), (0, 0));
        assert_eq!(report.chain.found_at, Some(report.chain.position));
        books
    }

    fn report(&mut self) -> Report {
        let check = ChainCheck { keys: Some(self.keys.clone()), head: Some(self.head) };
        verify::check_all_with(self.sql.as_mut(), &check).expect("a report")
    }

    fn number(&mut self, query: &str) -> i64 {
        let rows = self.sql.rows(&with_codes(query), &vec![]).expect("a row");
        rows.first().unwrap_or_else(|| panic!("no row: {query}")).integer().expect("a number")
    }

    /// Changes the books as somebody would who may do everything with the database, looks for
    /// violations, and puts all back.
    fn after(&mut self, damage: impl FnOnce(&mut Self)) -> Report {
        let defenceless = match self.sql.dialect() {
            Dialect::Sqlite => DEFENCELESS_SQLITE,
            Dialect::Postgres => DEFENCELESS,
        };
        self.sql.script(&format!("BEGIN; {defenceless}")).expect("no defence");
        damage(self);
        let report = self.report();
        self.sql.script("ROLLBACK").expect("all as before");
        report
    }

    /// Each statement changes something.
    fn run(&mut self, statements: &str) {
        for statement in statements.split(';').filter(|text| !text.trim().is_empty()) {
            let changed = self.sql.execute(&with_codes(statement), &vec![]);
            let changed = changed.unwrap_or_else(|error| panic!("{error}: {statement}"));
            assert!(changed > 0, "nothing was changed: {statement}");
        }
    }

    /// Fails unless the damage breaks no rule but those of the chain, and breaks this one at this
    /// place. `head` is whether the head is still found.
    #[track_caller]
    fn finds(&mut self, statements: &str, rule: &str, place: &str) {
        let report = self.after(|books| books.run(statements));
        only_chain(statements, &report);
        let found =
            report.violations.iter().any(|(broken, said)| *broken == rule && said.contains(place));
        assert!(found, "{statements}: {rule}: {place}: {:?}", report.violations);
    }
}

#[track_caller]
fn only_chain(what: &str, report: &Report) {
    let others: Vec<_> = report
        .violations
        .iter()
        .filter(|(rule, _)| ![ROWS, NO_BATCH, BATCH, LINK].contains(rule))
        .collect();
    assert!(others.is_empty(), "{what}: a rule without the chain finds it, too: {others:?}");
}

fn end(sql: &mut dyn Sql) -> BatchChain {
    let text = format!("SELECT {} FROM batch_chain", BatchChain::statements().columns);
    let rows = sql.rows(&text, &vec![]).expect("the end");
    BatchChain::from_row(&rows[0], 0).expect("the end of the chain")
}

fn batches(sql: &mut dyn Sql, order: &str) -> Vec<Batch> {
    let text = format!("SELECT {} FROM batches ORDER BY {order}", Batch::statements().columns);
    let rows = sql.rows(&text, &vec![]).expect("batches");
    rows.iter().map(|row| Batch::from_row(row, 0).expect("a batch")).collect()
}

fn halves(digest: Digest, dialect: Dialect) -> [String; 2] {
    let text = digest.to_string();
    [&text[..32], &text[32..]].map(|half| match dialect {
        Dialect::Sqlite => format!("x'{half}'"),
        Dialect::Postgres => format!("'{half}'::uuid"),
    })
}

/// Computes the digests and marks of all batches again from the rows that are there now, and the links
/// from position `from` on with this key, under this name: what somebody would do who has changed rows.
fn chain_anew(sql: &mut dyn Sql, from: i64, key: Option<&LinkKey>, key_id: Option<&str>) {
    let dialect = sql.dialect();
    let mut digests = std::collections::BTreeMap::new();
    for batch in batches(sql, "id") {
        let mut rows = vec![];
        for (place, table) in HASHED.iter().enumerate() {
            let text = format!(
                "SELECT {} FROM {} WHERE id >= {} AND id < {} ORDER BY id",
                (table.statements)().columns,
                table.name,
                batch.id,
                batch.end_id
            );
            let of_table = sql.rows(&text, &vec![]).expect("rows");
            rows.extend(
                of_table
                    .iter()
                    .map(|row: &OwnedRow| table.row(place, row.values()).expect("a row")),
            );
        }
        let before = batch.previous_id.map_or(Digest::ZERO, |id| digests[&id]);
        let digest = chain::batch_digest(&batch, before, &rows);
        digests.insert(batch.id, digest);
        let [first, second] = halves(digest, dialect);
        let marks = chain::marks(&rows);
        sql.script(&format!(
            "UPDATE batches SET digest_1 = {first}, digest_2 = {second}, marks = '{marks}' WHERE id = {}",
            batch.id
        ))
        .expect("a digest");
    }
    let mut before = Digest::ZERO;
    let name = key_id.map_or_else(|| "NULL".to_owned(), |id| format!("'{id}'"));
    for batch in batches(sql, "position") {
        let position = batch.position.expect("a position");
        if position < from {
            before = batch.link.expect("a link");
            continue;
        }
        before = chain::link(key, before, position, &batch);
        let [first, second] = halves(before, dialect);
        sql.script(&format!(
            "UPDATE batches SET link_1 = {first}, link_2 = {second}, link_key_id = {name} WHERE id = {};
             UPDATE batch_chain SET position = {position}, link_1 = {first}, link_2 = {second}, link_key_id = {name}",
            batch.id
        ))
        .expect("a link");
    }
}

/// A funding is credited to the merchant's wallet and debited to an account of the system. It is made
/// one cent less in every place that other rules compare.
const SMALLER_FUNDING: &str = "
    UPDATE entries SET amount_minor = amount_minor - 1 WHERE transaction_id = :event AND amount_minor > 0;
    UPDATE entries SET amount_minor = amount_minor + 1 WHERE transaction_id = :event AND amount_minor < 0;
    UPDATE entries SET balance_minor = balance_minor - 1 WHERE bucket = {bucket AVAILABLE} AND id >= :event
        AND account_id = (SELECT account_id FROM entries WHERE transaction_id = :event AND bucket = {bucket AVAILABLE});
    UPDATE entries SET balance_minor = balance_minor + 1 WHERE bucket = {bucket SYSTEM} AND id >= :event
        AND account_id = (SELECT account_id FROM entries WHERE transaction_id = :event AND bucket = {bucket SYSTEM});
    UPDATE wallets SET available_minor = available_minor - 1
        WHERE id = (SELECT account_id FROM entries WHERE transaction_id = :event AND bucket = {bucket AVAILABLE});
    UPDATE accounts SET balance_minor = balance_minor + 1
        WHERE id = (SELECT account_id FROM entries WHERE transaction_id = :event AND bucket = {bucket SYSTEM})";

/// The last funding is taken back with all that says that it was there.
const NO_LAST_FUNDING: &str = "
    UPDATE wallets SET available_minor = available_minor - 700, event_count = event_count - 1,
        last_entry_id = (SELECT previous_entry_id FROM entries WHERE transaction_id = :event AND bucket = {bucket AVAILABLE})
        WHERE id = (SELECT account_id FROM entries WHERE transaction_id = :event AND bucket = {bucket AVAILABLE});
    UPDATE accounts SET balance_minor = balance_minor + 700
        WHERE id = (SELECT account_id FROM entries WHERE transaction_id = :event AND bucket = {bucket SYSTEM});
    UPDATE event_positions SET last = last - 1 WHERE merchant_id = (SELECT merchant_id FROM events WHERE id = :event);
    DELETE FROM audit WHERE id = (SELECT min(id) FROM audit WHERE id > :event);
    DELETE FROM entries WHERE transaction_id = :event;
    DELETE FROM events WHERE id = :event";

#[test]
fn what_no_other_rule_finds_breaks_the_chain_and_the_place_is_named() {
    let mut books = Books::new();
    let funding =
        books.number("SELECT max(id) FROM events WHERE type = {event_type wallet.funded}");
    let first = books.number("SELECT min(id) FROM events WHERE type = {event_type wallet.funded}");
    let done =
        books.number("SELECT max(id) FROM events WHERE type = {event_type execution.completed}");
    let declared =
        books.number("SELECT max(id) FROM events WHERE type = {event_type session.created}");
    let by_key = books.number("SELECT max(id) FROM events WHERE actor_kind = {actor_kind API_KEY}");
    let last = books.number("SELECT max(position) FROM batches");
    let at = |id: i64| format!("SELECT position FROM batches WHERE id <= {id} AND end_id > {id}");
    let at_done = books.number(&at(done));
    let at_funding = books.number(&at(funding));
    let with = |sql: &str, event: i64| sql.replace(":event", &event.to_string());

    // Rows.
    let done_at = format!("position {at_done}, batch");
    books.finds(&format!("UPDATE events SET note = 'x' WHERE id = {done}"), ROWS, &done_at);
    // The row of the audit comes last among those of its command.
    let audit_of = |id: i64| format!("(SELECT min(id) FROM audit WHERE id > {id})");
    for (change, id, of_audit) in [
        ("note = 'x'", done, false),
        ("note = NULL", first, false),
        ("created_at = created_at - 86400000000", done, true),
        ("type = {event_type session.expired}", declared, false),
        ("actor_kind = {actor_kind OPERATOR}, actor_id = NULL", by_key, true),
        ("actor_kind = NULL, actor_id = NULL", by_key, false),
    ] {
        let mut all = format!("UPDATE events SET {change} WHERE id = {id}");
        if of_audit {
            all.push_str(&format!("; UPDATE audit SET {change} WHERE id = {}", audit_of(id)));
        }
        books.finds(&all, ROWS, &format!("event {id} was changed"));
    }
    for (change, found) in [
        (
            "UPDATE audit SET address = '192.0.2.9' WHERE id = :row",
            "row of the audit :row was changed",
        ),
        ("UPDATE audit SET request_id = 7 WHERE id = :row", "row of the audit :row was changed"),
        ("UPDATE audit SET changes = NULL WHERE id = :row", "row of the audit :row was changed"),
    ] {
        let row = books.number(&format!("SELECT {}", audit_of(by_key))).to_string();
        books.finds(&change.replace(":row", &row), ROWS, &found.replace(":row", &row));
    }
    let made =
        books.number("SELECT max(id) FROM audit WHERE command = {audited_command create_party}");
    books.finds(&format!("DELETE FROM audit WHERE id = {made}"), ROWS, "rows are missing");
    let swapped = format!(
        "UPDATE events SET created_at = (SELECT sum(created_at) FROM events WHERE id IN ({declared}, {done})) - created_at
         WHERE id IN ({declared}, {done});
         UPDATE audit SET created_at = (SELECT created_at FROM events WHERE id = {declared}) WHERE id = {};
         UPDATE audit SET created_at = (SELECT created_at FROM events WHERE id = {done}) WHERE id = {}",
        audit_of(declared),
        audit_of(done)
    );
    books.finds(&swapped, ROWS, &format!("event {declared} was changed"));
    books.finds(
        &with(SMALLER_FUNDING, funding),
        ROWS,
        &format!("entry {} was changed", funding + 1),
    );
    books.finds(&with(NO_LAST_FUNDING, funding), ROWS, &format!("position {at_funding}, batch"));
    books.finds(&with(NO_LAST_FUNDING, funding), ROWS, "rows are missing");
    books.finds(
        &format!(
            "INSERT INTO entries (id, merchant_id, transaction_id, account_id, bucket, amount_minor, currency, balance_minor)
                SELECT {declared}, merchant_id, {declared}, id, {{bucket SYSTEM}}, 5, currency, balance_minor + 5
                FROM accounts WHERE balance_rounds = 0 AND id = (SELECT max(id) FROM accounts WHERE kind = 'FEE_PLATFORM');
             INSERT INTO entries (id, merchant_id, transaction_id, account_id, bucket, amount_minor, currency, balance_minor)
                SELECT {by_key} + 1000000, merchant_id, {declared}, account_id, bucket, -5, currency, balance_minor - 5
                FROM entries WHERE id = {declared};
             UPDATE installation SET next_id = next_id + 2000000"
        ),
        ROWS,
        &format!("entry {declared} was inserted"),
    );
    let forged = "INSERT INTO events (id, merchant_id, type, subject_type, subject_id, note, position, sequence, actor_kind, created_at)
            SELECT i.next_id, merchant_id, type, subject_type, subject_id, 'forged', p.last + 1, sequence + 1, NULL, created_at
            FROM events JOIN event_positions AS p USING (merchant_id) CROSS JOIN installation AS i WHERE events.id = :event;
        UPDATE event_positions SET last = last + 1 WHERE merchant_id = (SELECT merchant_id FROM events WHERE id = :event);
        UPDATE wallets SET event_count = event_count + 1 WHERE id = (SELECT subject_id FROM events WHERE id = :event);
        UPDATE installation SET next_id = next_id + 1";
    let next = books.number("SELECT next_id FROM installation");
    books.finds(&with(forged, funding), NO_BATCH, &format!("event {next} of "));

    // Batches.
    let batch = |change: &str, position: i64| {
        format!("UPDATE batches SET {change} WHERE position = {position}")
    };
    let place = |position: i64| format!("position {position}, batch");
    books.finds(&batch("digest_1 = digest_2", 3), BATCH, &place(3));
    books.finds(&batch("created_at = created_at + 1", 3), BATCH, &place(3));
    books.finds(&batch("end_id = end_id + 1", last), BATCH, &place(last));
    books.finds(&batch("previous_id = NULL", 4), BATCH, &place(4));
    books.finds(&batch("marks = 'AAAA' || marks", 4), BATCH, "its marks were changed");
    books.finds(&batch("end_id = id + 1", at_done), ROWS, &place(at_done));
    books.finds(
        "DELETE FROM batches WHERE position = 3",
        LINK,
        "the batch at position 3 is missing",
    );
    books.finds(
        &format!("DELETE FROM batches WHERE position = {at_done}"),
        NO_BATCH,
        &format!("event {done} of "),
    );
    books.finds(
        &with("DELETE FROM batches WHERE id <= :event AND end_id > :event", declared),
        NO_BATCH,
        &format!("event {declared} of "),
    );

    // Links.
    books.finds(&batch("link_1 = link_2", 5), LINK, &place(5));
    books.finds(&batch("link_key_id = NULL", 5), LINK, "made without a key");
    books.finds(
        &batch("link_key_id = 'deadbeef'", 5),
        LINK,
        "made with the key deadbeef, which is not there",
    );
    let swap = "UPDATE batches SET position = 1000000 WHERE position = 3;
        UPDATE batches SET position = 3 WHERE position = 4; UPDATE batches SET position = 4 WHERE position = 1000000";
    books.finds(swap, LINK, &place(3));
    books.finds(
        &batch("position = NULL, link_1 = NULL, link_2 = NULL, link_key_id = NULL", last),
        LINK,
        &format!("the chain ended at position {last}"),
    );
    books.finds(
        "UPDATE batch_chain SET position = position - 1",
        LINK,
        "the chain ended at position",
    );
    books.finds("UPDATE batch_chain SET link_1 = link_2", LINK, "the chain ended at position");
    books.finds("DELETE FROM batch_chain", LINK, "the row of the chain's end is missing");
    assert_eq!(books.report().violations, []);
}

#[test]
fn a_chain_that_was_made_anew_is_found_without_the_key_and_by_a_head_that_was_kept() {
    let mut books = Books::new();
    let done =
        books.number("SELECT max(id) FROM events WHERE type = {event_type execution.completed}");
    let at = books
        .number(&format!("SELECT position FROM batches WHERE id <= {done} AND end_id > {done}"));
    let change = format!("UPDATE events SET note = 'x' WHERE id = {done}");
    let (id, key) = books.keys.iter().next().map(|(id, key)| (id.clone(), *key)).expect("a key");
    let own = [9; 32];
    let mut after = |from: i64, key: Option<&LinkKey>, id: Option<&str>| {
        books.after(|books| {
            books.run(&change);
            chain_anew(books.sql.as_mut(), from, key, id);
        })
    };
    let said = |report: &Report| {
        only_chain("made anew", report);
        report
            .violations
            .first()
            .map(|(rule, place)| format!("{rule}: {place}"))
            .unwrap_or_default()
    };
    // From the changed row on, as somebody would who has not the key.
    for (key, id, place) in [
        (None, None, "its link was made without a key"),
        (Some(&own), Some(id.as_str()), "its link is not the one"),
        (Some(&own), Some("0badcafe"), "made with the key 0badcafe, which is not there"),
    ] {
        let found = said(&after(at, key, id));
        assert!(
            found.starts_with(&format!("{LINK}: position {at}, ")) && found.contains(place),
            "{found}"
        );
    }
    // Without links: only the digests.
    let found = said(&after(i64::MAX, None, None));
    assert!(found.starts_with(&format!("{LINK}: position {at}, ")), "{found}");
    // All of it without a key, or with the key itself: only the head that was kept tells.
    for (key, id) in [(None, None), (Some(&key), Some(id.as_str()))] {
        let report = after(1, key, id);
        assert_eq!((said(&report).as_str(), report.chain.found_at), ("", None));
        assert_eq!(report.chain.without_key > 0, key.is_none());
    }
}

#[test]
fn what_was_cut_off_at_the_end_is_found_by_a_head_that_was_kept() {
    let mut books = Books::new();
    let funding =
        books.number("SELECT max(id) FROM events WHERE type = {event_type wallet.funded}");
    let at = books.number(&format!(
        "SELECT position FROM batches WHERE id <= {funding} AND end_id > {funding}"
    ));
    let cut = format!(
        "{NO_LAST_FUNDING};
         DELETE FROM batches WHERE position >= {at};
         UPDATE batch_chain SET position = {at} - 1,
            link_1 = (SELECT link_1 FROM batches WHERE position = {at} - 1),
            link_2 = (SELECT link_2 FROM batches WHERE position = {at} - 1)"
    );
    assert_eq!(books.number("SELECT max(position) FROM batches"), at, "the funding was the last");
    let report = books.after(|books| books.run(&cut.replace(":event", &funding.to_string())));
    assert_eq!((report.violations, report.chain.found_at), (vec![], None));
    assert_eq!(report.chain.position, at - 1);
}

#[test]
fn a_head_is_printed_kept_and_found_again() {
    let (mut server, shop) = spawn();
    shop.paid_hundred();
    chained(&server.database);
    let verified = verified(&server);
    let head = verified["chain"]["head"]["hash"].as_str().expect("a head").to_owned();
    let position = verified["chain"]["head"]["position"].as_i64().expect("a position");
    assert!(verified["chain"]["key_id"].is_string(), "{verified}");
    shop.paid_hundred();
    chained(&server.database);
    let said = server.kola(&["ledger", "verify", "--head", &head]).ok();
    assert!(
        said.contains(&format!("is at position {position}: nothing before it was changed")),
        "{said}"
    );
    assert!(said.contains("head of the chain: position "), "{said}");
    let other = "0".repeat(64);
    let run = server.kola(&["ledger", "verify", "--head", &other]);
    assert_eq!(run.code, Some(4), "{} {}", run.out, run.err);
    assert!(run.out.contains("is not in the books: the books are older than it"), "{}", run.out);
    let run = server.kola(&["ledger", "verify", "--head", "abc"]);
    assert_eq!(run.code, Some(2), "{} {}", run.out, run.err);
    assert_eq!(server.terminate(), Some(0));
    // Without the key nothing is proven, and what needs no key is checked.
    let key = server.database.secrets_key().expect("a key");
    let aside = key.with_file_name("aside");
    std::fs::rename(&key, &aside).expect("a rename");
    let said = server.kola(&["ledger", "verify"]).ok();
    assert!(
        said.contains("links of the chain were made with a secrets key and are not checked"),
        "{said}"
    );
    let said = server.kola(&["ledger", "verify", "--head", &head]).refused();
    assert!(said.contains("--secrets-key-file"), "{said}");
    std::fs::rename(&aside, &key).expect("a rename");
    server.database.damage("UPDATE events SET note = 'x' WHERE id = (SELECT min(id) FROM events)");
    let run = server.kola(&["ledger", "verify", "--head", &head]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("and the books are damaged: the violations say where"), "{}", run.out);
    assert!(run.out.contains(ROWS), "{}", run.out);
}

#[test]
fn books_that_were_restored_from_a_backup_do_not_have_a_later_head() {
    on_sqlite_only!();
    let (mut server, shop) = spawn();
    shop.paid_hundred();
    chained(&server.database);
    server.kola(&["db", "backup", "backup.db"]).ok();
    let head = |server: &Server| {
        verified(server)["chain"]["head"]["hash"].as_str().expect("a head").to_owned()
    };
    let earlier = head(&server);
    shop.paid_hundred();
    chained(&server.database);
    let later = head(&server);
    assert_eq!(server.terminate(), Some(0));
    server.kola(&["db", "restore", "backup.db"]).ok();
    let run = server.kola(&["ledger", "verify", "--head", &later]);
    assert_eq!(run.code, Some(4), "{} {}", run.out, run.err);
    assert!(run.out.contains("0 violations"), "{}", run.out);
    // The chain goes on from there.
    server.restart(&[]);
    let shop = shop.at(&server);
    shop.paid_hundred();
    chained(&server.database);
    server.kola(&["ledger", "verify", "--head", &earlier]).ok();
}

#[test]
fn after_a_change_of_the_secrets_key_all_links_are_still_checked() {
    let (mut server, shop) = spawn();
    shop.paid_hundred();
    chained(&server.database);
    let verified = verified(&server);
    let head = verified["chain"]["head"]["hash"].as_str().expect("a head").to_owned();
    assert_eq!(server.terminate(), Some(0));
    let key = server.database.secrets_key().expect("a key");
    for name in ["second.key", "third.key"] {
        server.kola(&["secrets", "init-key", name]).ok();
        server.kola(&["secrets", "rekey", name]).ok();
        std::fs::copy(key.with_file_name(name), &key).expect("a copy");
        server.restart(&[]);
        shop.at(&server).paid_hundred();
        chained(&server.database);
        assert_eq!(server.terminate(), Some(0));
    }
    server.kola(&["ledger", "verify", "--head", &head]).ok();
    let names = server.database.rows("SELECT DISTINCT link_key_id FROM batches");
    assert_eq!(names.len(), 3, "{names:?}");
    // A key that was replaced without the command is named, and its file can be given.
    server.kola(&["secrets", "init-key", "fourth.key"]).ok();
    let third = key.with_file_name("aside");
    std::fs::copy(&key, &third).expect("a copy");
    std::fs::copy(key.with_file_name("fourth.key"), &key).expect("a copy");
    let run = server.kola(&["ledger", "verify"]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("which is not there"), "{}", run.out);
}

#[test]
fn rows_from_before_the_chain_come_into_it() {
    let (mut server, shop) = spawn();
    shop.paid_hundred();
    chained(&server.database);
    assert_eq!(server.terminate(), Some(0));
    // As an upgrade leaves it.
    let zero = if server.database.url().starts_with("sqlite") {
        "zeroblob(16)"
    } else {
        "'00000000-0000-0000-0000-000000000000'"
    };
    server.database.sql(&format!(
        "DELETE FROM batches;
         UPDATE batch_chain SET position = 0, link_1 = {zero}, link_2 = {zero}, link_key_id = NULL, older_next_id = 1,
            older_end_id = (SELECT next_id FROM installation)"
    ));
    let said = server.kola(&["ledger", "verify"]).ok();
    assert!(said.contains("rows from before the chain are not in it yet"), "{said}");
    server.restart(&[]);
    chained(&server.database);
    shop.at(&server).paid_hundred();
    chained(&server.database);
    assert_eq!(server.terminate(), Some(0));
    let said = server.kola(&["ledger", "verify"]).ok();
    assert!(!said.contains("not in it yet"), "{said}");
    server.database.damage("UPDATE events SET note = 'x' WHERE id = (SELECT min(id) FROM events)");
    let said = server.kola(&["ledger", "verify"]).refused();
    assert!(said.contains(&format!("{ROWS}: position 1, ")), "{said}");
    assert!(said.contains("one or more were changed, removed or added"), "{said}");
}

#[test]
fn processes_that_write_at_once_and_are_killed_leave_a_whole_chain() {
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "100000.00");
    let mut other = server.spawn_another(&[]);
    let load = Load::new(&shop);
    let there = shop.at(&other);
    std::thread::scope(|scope| {
        for kind in ["payout", "collection"] {
            scope.spawn(|| load.run(&shop, kind));
            scope.spawn(|| load.run(&there, kind));
        }
        let enough = || (load.acknowledged().len() >= 30).then_some(());
        let seen =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_for("payments", enough)));
        server.kill();
        other.kill();
        seen.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
    });
    server.verify_ledger();
    server.restart(&[]);
    chained(&server.database);
    server.verify_ledger();
}

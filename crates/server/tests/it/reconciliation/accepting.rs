//! Statements in files: bad ones, ones that broke off, ones that are accepted.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::networks::stage::{add_account, pawapay_secrets};
use crate::reconciliation::books::{HEAD, Past, days_ago, open_differences, told, verified};
use crate::support::{Database, on_postgres_only, shown, wait_for};

/// A database with one account at pawaPay, and the account's id.
pub(super) fn with_account() -> (Database, String) {
    let database = Database::with_schema();
    let account = account_of(&database);
    (database, account)
}

fn account_of(database: &Database) -> String {
    database.make_secrets_key();
    let which = ["--network", "pawapay", "--name", "mobile", "--base-url", "http://127.0.0.1:1"];
    let (account, _) = add_account(database, &which, &pawapay_secrets());
    account.to_string()
}

/// A file with these lines.
pub(super) fn file(database: &Database, name: &str, lines: &[String]) -> String {
    let path = database.dir.path().join(name);
    let text = std::iter::once(HEAD.to_owned()).chain(lines.iter().cloned());
    std::fs::write(&path, text.collect::<Vec<_>>().join("\n")).expect("a file");
    path.display().to_string()
}

/// Movements of no payment, three of them.
fn movements() -> Vec<String> {
    [
        "2026-10-01T10:00:00Z,,TOP UP,1000.00,USD,0",
        "2026-10-02T10:00:00Z,,SETTLEMENT,-250.50,USD,1.25",
        "2026-10-03T10:00:00Z,,FEE,-3.00,USD,0",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn import(database: &Database, account: &str, path: &str) -> Value {
    told(database, &["reconcile", "import", path, "--account", account])
}

fn balances(database: &Database) -> Vec<(String, String)> {
    let rows = database.rows(
        "SELECT kind, CAST(sum(balance_minor) AS TEXT) FROM accounts GROUP BY kind ORDER BY kind",
    );
    rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

#[test]
fn accepting_books_each_line_once() {
    let (database, account) = with_account();
    let path = file(&database, "october.csv", &movements());
    let read = import(&database, &account, &path);
    let id = shown(&read, "id");
    assert_eq!(balances(&database), []);
    let accept = ["reconcile", "accept", id.as_str()];
    assert_eq!(told(&database, &accept)["posted"], json!(3));
    verified(&database);
    let booked = balances(&database);
    let expected = [("CLEARING", "-74525"), ("FEE_GATEWAY", "-425"), ("SETTLEMENT", "74950")];
    let expected = expected.map(|(kind, minor)| (kind.to_owned(), minor.to_owned()));
    assert_eq!(booked, expected);
    assert_eq!(told(&database, &accept)["posted"], json!(0));
    // The same file again has nothing new.
    let again = import(&database, &account, &path);
    assert_eq!((&again["lines"], &again["new"]), (&json!(3), &json!(0)));
    assert_eq!(told(&database, &["reconcile", "accept", &shown(&again, "id")])["posted"], json!(0));
    assert_eq!(balances(&database), booked);
    verified(&database);
}

#[test]
fn a_difference_is_closed_once() {
    let (database, account) = with_account();
    let unknown =
        "2026-10-01T10:00:00Z,8917c345-4791-4285-a416-62f24b6982db,DEPOSIT,10.00,USD,0.10";
    let path = file(&database, "one.csv", &[unknown.to_owned()]);
    let read = import(&database, &account, &path);
    told(&database, &["reconcile", "accept", &shown(&read, "id")]);
    assert_eq!(balances(&database), [], "what differs waits for a person");
    let difference = shown(&open_differences(&database)[0], "id");
    let close = ["reconcile", "close", &difference, "--book", "--evidence", "mail of 3 October"];
    told(&database, &close);
    verified(&database);
    let booked = balances(&database);
    let expected = [("CLEARING", "-990"), ("DIFFERENCE", "1000"), ("FEE_GATEWAY", "-10")];
    assert_eq!(booked, expected.map(|(kind, minor)| (kind.to_owned(), minor.to_owned())));
    let run = database.kola(&close);
    assert_eq!(run.code, Some(1));
    assert!(run.refused().contains("closed before"));
    assert_eq!(balances(&database), booked);
}

#[test]
fn what_cannot_be_done_is_said_in_a_sentence() {
    let (database, account) = with_account();
    let good = file(&database, "good.csv", &movements());
    let bad = file(&database, "bad.csv", &["2026-10-01T10:00:00Z,,TOP UP,much,USD,0".to_owned()]);
    let empty = file(&database, "empty.csv", &[]);
    let no_columns = database.dir.path().join("columns.toml");
    std::fs::write(&no_columns, "[columns]\namount = \"Betrag\"\n").expect("a file");
    let no_columns = no_columns.display().to_string();
    let account = account.as_str();
    let refused: &[(&[&str], i32, &str)] = &[
        (&["accept", "99"], 1, "reconcile list"),
        (&["close", "99", "--book", "--evidence", "x"], 1, "reconcile differences"),
        (&["close", "99", "--book", "--evidence", " "], 1, "--evidence"),
        (&["close", "99", "--evidence", "x"], 2, "--explained"),
        (&["close", "99", "--book", "--explained", "--evidence", "x"], 2, "--explained"),
        (&["lines", "99"], 1, "reconcile list"),
        (&["run", "--account", "99"], 1, "networks list"),
        (&["run", "--account", account, "--from", "2026-10-02", "--to", "2026-10-01"], 1, "--to"),
        (&["run", "--account", account, "--from", "yesterday"], 2, "2026-11-30"),
        (&["import", &good, "--account", "99"], 1, "networks list"),
        (&["import", "no-such.csv", "--account", account], 1, "no-such.csv"),
        (&["import", &bad, "--account", account], 1, "much"),
        (&["import", &empty, "--account", account], 1, "--from"),
        (&["import", &good, "--account", account, "--columns", &no_columns], 1, "Betrag"),
        (&["import", &good, "--account", account, "--currency", "dollars"], 2, "currency"),
        (&["import", &good, "--account", account, "--from", "2026-10-05"], 1, "--to"),
        (&["differences", "--kind", "ODD"], 2, "MISSING_HERE"),
        (&["month", "2026"], 1, "2026-11"),
        (&["month", "2026-13"], 1, "2026-11"),
        (&["month", "2026-10", "--account", "99"], 1, "networks list"),
    ];
    for (arguments, code, part) in refused {
        let run = database.kola(&[&["reconcile"], *arguments].concat());
        let (got, said) = (run.code, run.refused());
        assert_eq!(got, Some(*code), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert!(*code == 2 || said.trim().lines().count() == 1, "{arguments:?}: {said}");
        let json = database.kola(&[&["reconcile"], *arguments, &["--json"]].concat());
        let documents = serde_json::Deserializer::from_str(&json.out).into_iter::<Value>().count();
        assert!(documents <= 1, "{arguments:?}: {}", json.out);
    }
    assert_eq!(balances(&database), []);
    verified(&database);
}

#[test]
fn a_statement_that_broke_off_is_not_accepted_and_its_lines_are_of_the_next() {
    let (database, account) = with_account();
    let broken = [movements(), vec!["2026-10-04T10:00:00Z,,TOP UP,much,USD,0".to_owned()]].concat();
    let path = file(&database, "broken.csv", &broken);
    database.kola(&["reconcile", "import", &path, "--account", &account]).refused();
    let list = told(&database, &["reconcile", "list"]);
    assert_eq!(list[0]["status"], "FAILED");
    let failed = shown(&list[0], "id");
    let said = database.kola(&["reconcile", "accept", &failed]).refused();
    assert!(said.contains("read it again"), "{said}");
    assert_eq!(balances(&database), []);
    let read = import(&database, &account, &file(&database, "whole.csv", &movements()));
    assert_eq!(read["new"], json!(3), "{read}");
    let accepted = told(&database, &["reconcile", "accept", &shown(&read, "id")]);
    assert_eq!(accepted["posted"], json!(3));
    verified(&database);
    assert_eq!(told(&database, &["reconcile", "lines", &failed]), json!([]));
    let lines = told(&database, &["reconcile", "lines", &shown(&read, "id")]);
    assert_eq!(lines.as_array().map(Vec::len), Some(3));
}

/// The records of a CSV file.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut reader, mut input, mut rows) = (csv_core::Reader::new(), text.as_bytes(), vec![]);
    loop {
        let (mut output, mut ends) = ([0; 4_096], [0; 64]);
        let (result, read, _, fields) = reader.read_record(input, &mut output, &mut ends);
        input = &input[read..];
        match result {
            csv_core::ReadRecordResult::End => return rows,
            csv_core::ReadRecordResult::Record => {}
            csv_core::ReadRecordResult::InputEmpty if fields == 0 => continue,
            // The last line has an end of its own.
            other => panic!("no whole record: {other:?} {text}"),
        }
        let begins = std::iter::once(0).chain(ends);
        let cells = begins.zip(ends).take(fields);
        let cell = |(begin, end)| String::from_utf8_lossy(&output[begin..end]).into_owned();
        rows.push(cells.map(cell).collect());
    }
}

#[test]
fn tables_are_csv_without_formulas() {
    let (database, account) = with_account();
    let columns = database.dir.path().join("columns.toml");
    std::fs::write(&columns, "[columns]\nreference = \"Reference\"\n").expect("a file");
    let path = database.dir.path().join("formulas.csv");
    let text = format!(
        "{HEAD},Reference\n2026-10-01T10:00:00Z,,DEPOSIT,10.00,USD,0,=cmd|' /C calc'!A0\n\
         2026-10-01T11:00:00Z,,DEPOSIT,-10.00,USD,0,\"a, \"\"b\"\"\""
    );
    std::fs::write(&path, text).expect("a file");
    let (path, columns) = (path.display().to_string(), columns.display().to_string());
    let with = ["reconcile", "import", &path, "--account", &account, "--columns", &columns];
    let read = told(&database, &with);
    for arguments in [
        &["reconcile", "lines", &shown(&read, "id"), "--csv"][..],
        &["reconcile", "differences", "--csv"],
        &["reconcile", "month", "2026-10", "--csv"],
    ] {
        let text = database.kola(arguments).ok();
        let rows = records(&text);
        assert!(rows.len() > 1 && rows.iter().all(|row| row.len() == rows[0].len()), "{text}");
        let is_formula = |cell: &str| {
            cell.starts_with(['=', '@', '+'])
                || (cell.starts_with('-') && cell.parse::<f64>().is_err())
        };
        assert!(!rows.iter().flatten().any(|cell| is_formula(cell)), "{text}");
    }
}

#[test]
fn a_copy_of_the_database_has_all_of_it() {
    on_postgres_only!();
    let (database, copied) = (Database::in_a_file(), Database::new());
    database.merchant("Shop");
    let account = account_of(&database);
    let unknown =
        "2026-10-01T10:00:00Z,8917c345-4791-4285-a416-62f24b6982db,DEPOSIT,10.00,USD,0.10";
    let lines = [movements(), vec![unknown.to_owned()]].concat();
    let read = import(&database, &account, &file(&database, "statement.csv", &lines));
    told(&database, &["reconcile", "accept", &shown(&read, "id")]);
    database.kola(&["db", "copy", "--from", &database.url(), "--to", &copied.url()]).ok();
    for arguments in [
        &["reconcile", "list"][..],
        &["reconcile", "lines", &shown(&read, "id")],
        &["reconcile", "differences"],
        &["reconcile", "month", "2026-10"],
    ] {
        assert_eq!(told(&copied, arguments), told(&database, arguments), "{arguments:?}");
    }
    let difference = shown(&open_differences(&copied)[0], "id");
    told(&copied, &["reconcile", "close", &difference, "--book", "--evidence", "a mail"]);
    verified(&copied);
}

/// A process that reads the statement of a network and waits for an answer that does not come.
fn reading(database: &Database, account: &str) -> Child {
    let key = database.secrets_key().expect("a key");
    Command::new(env!("CARGO_BIN_EXE_kola"))
        .args(["reconcile", "run", "--account", account, "--from", &days_ago(4)])
        .args(["--database", &database.url()])
        .current_dir(AsRef::<Path>::as_ref(database.dir.path()))
        .env("KOLA_SECRETS_KEY_FILE", key)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("kola starts")
}

#[test]
fn who_is_killed_in_the_middle_loses_nothing() {
    let past = Past::open();
    let books = past.stage.fakes.books();
    let wallets = books["pawapay"]["wallets"].as_array().cloned().unwrap_or_default();
    let (first, last) = (&wallets[0], &wallets[wallets.len() - 1]);
    assert_ne!(first["country"], last["country"]);
    for (number, wallet) in [first, last].into_iter().enumerate() {
        let line = json!({"id": format!("8917c345-4791-4285-a416-{number:012}"), "change": "ADD",
            "minor": 700, "currency": wallet["currency"], "country": wallet["country"]});
        past.stage.control("/pawapay/statement-lines", &line);
    }
    past.today();
    let body = shown(last, "country");
    past.stage.fault(&json!({"network": "PAWAPAY", "kind": "SLOW", "milliseconds": 600_000,
        "times": 1_000, "match": {"method": "POST", "path": "/v2/statements", "body": body}}));
    let account = past.stage.pawapay.to_string();
    let mut child = reading(past.database(), &account);
    wait_for("a line", || {
        let lines = past.database().value("SELECT count(*) FROM statement_lines");
        (lines == "1").then_some(())
    });
    let run = ["reconcile", "run", "--account", &account];
    let busy = past.database().kola(&run);
    assert_eq!(busy.code, Some(1), "{}", busy.out);
    assert!(busy.refused().contains("being read already"));
    child.kill().expect("killed");
    child.wait().expect("an end");
    past.stage.end_faults();
    // Nobody can know that it is dead until its lease has run out.
    assert!(past.database().kola(&run).refused().contains("being read already"));
    let left = past.database().value(
        "SELECT leased_until - begun_at FROM reconciliations AS r \
         JOIN statements AS s ON s.network_account_id = r.id",
    );
    assert!(left.parse::<i64>().is_ok_and(|left| left <= 360_000_000), "{left}");
    verified(past.database());
    past.database().sql("UPDATE reconciliations SET leased_until = 1");
    let read = past.run(past.stage.pawapay);
    assert_eq!((&read["lines"], &read["new"]), (&json!(2), &json!(2)), "{read}");
    let found = open_differences(past.database());
    assert_eq!(found.len(), 2, "{found:?}");
    past.accept(&read);
    for difference in found {
        past.close(&difference, "--book");
    }
    verified(past.database());
    let unposted = "SELECT count(*) FROM statement_lines WHERE event_id IS NULL";
    assert_eq!(past.database().value(unposted), "0");
    past.fill_wallets();
    past.assert_balances_agree(past.stage.pawapay);
}

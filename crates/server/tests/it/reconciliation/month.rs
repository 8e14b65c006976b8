//! Months: for the accountant, and with many payments.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::reconciliation::accepting::{file, with_account};
use crate::reconciliation::books::{HEAD, Past, open_differences, told, verified};
use crate::support::shop::GOOD;
use crate::support::{Database, shown};

fn minor(value: &Value, field: &str) -> i64 {
    let text = shown(value, field);
    let digits: String = text.chars().filter(|one| *one != '.').collect();
    digits.parse().unwrap_or_else(|_| panic!("no amount: {text}"))
}

/// The months of an account in a currency: what it began with, what moved, what it ended with.
fn month(database: &Database, account: &str, month: &str, currency: &str) -> (i64, i64, i64) {
    let months = told(database, &["reconcile", "month", month, "--account", account]);
    let months = months.as_array().cloned().unwrap_or_default();
    let Some(found) = months.iter().find(|one| one["currency"] == currency) else {
        return (0, 0, 0);
    };
    let moved = found["moved"].as_array().into_iter().flatten();
    (minor(found, "opening"), moved.map(|one| minor(one, "amount")).sum(), minor(found, "closing"))
}

#[test]
fn a_month_goes_on_where_the_last_one_ended() {
    let (database, account) = with_account();
    let lines = [
        "2026-08-31T23:59:59.999Z,,TOP UP,500.00,USD,0",
        "2026-09-01T00:00:00Z,,TOP UP,1000.00,USD,0",
        "2026-09-15T10:00:00Z,,TOP UP,70000,RWF,100",
        "2026-09-30T23:59:59.9Z,,SETTLEMENT,-250.50,USD,1.25",
        // In Kigali it is October already.
        "2026-10-01T01:59:59+02:00,,FEE,-3.00,USD,0",
        "2026-10-01T00:00:00Z,,SETTLEMENT,-100.00,USD,0",
        "2026-10-31T23:59:59Z,,TOP UP,1.00,USD,0.01",
    ];
    let path = file(&database, "months.csv", &lines.map(str::to_owned));
    let read = told(&database, &["reconcile", "import", &path, "--account", &account]);
    told(&database, &["reconcile", "accept", &shown(&read, "id")]);
    verified(&database);
    let of = |name: &str| month(&database, &account, name, "USD");
    assert_eq!(of("2026-08"), (0, 50_000, 50_000));
    assert_eq!(of("2026-09"), (50_000, 100_000 - 25_050 - 125 - 300, 124_525));
    assert_eq!(of("2026-10"), (124_525, -10_000 + 100 - 1, 114_624));
    assert_eq!(of("2026-11"), (114_624, 0, 114_624));
    assert_eq!(month(&database, &account, "2026-10", "RWF"), (69_900, 0, 69_900));
    let cleared = database.rows(
        "SELECT currency, CAST(-balance_minor AS TEXT) FROM accounts WHERE kind = 'CLEARING' ORDER BY currency",
    );
    assert_eq!(cleared, [["RWF", "69900"], ["USD", "114624"]]);
}

#[test]
fn a_month_of_payments_sums_to_what_the_ledger_says_the_network_has() {
    let past = Past::open();
    let (stage, shop) = (&past.stage, &past.stage.shop);
    for amount in ["10.00", "20.00"] {
        let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", amount);
        stage.becomes("collection", &paid, "COMPLETED");
    }
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "5.00");
    stage.becomes("payout", &sent, "COMPLETED");
    past.take_expected_fees();
    past.today();
    let read = past.run(stage.pawapay);
    past.accept(&read);
    verified(past.database());
    let months = past.database().rows("SELECT max(occurred_at) FROM statement_lines");
    let last = domain::kernel::time::ServerTime(months[0][0].parse().expect("a time"));
    let name = format!("{last:.6}")[..7].to_owned();
    let (_, _, closing) = month(past.database(), &stage.pawapay.to_string(), &name, "USD");
    let cleared = past.database().value(&format!(
        "SELECT CAST(-sum(balance_minor) AS TEXT) FROM accounts WHERE kind = 'CLEARING' \
         AND network_account_id = {}",
        stage.pawapay
    ));
    assert_eq!(closing.to_string(), cleared);
}

#[test]
fn a_line_of_the_next_day_closes_what_its_own_day_has_not() {
    let past = Past::open();
    let (stage, shop) = (&past.stage, &past.stage.shop);
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    stage.becomes("collection", &paid, "COMPLETED");
    past.take_expected_fees();
    past.today();
    // It completed at the last moment of a day here; the network has it on the next one.
    let end = 1_790_000_000_i64 - 1_790_000_000 % 86_400;
    let at = end * 1_000_000 - 100_000;
    past.database().sql(&format!("UPDATE executions SET created_at = {at}, completed_at = {at}"));
    let request = past.database().value("SELECT request_id FROM provider_attempts");
    let id = shown(&stage.at_pawapay(&paid), "id");
    assert!(request.contains(&id));
    let fee = past.database().value("SELECT gateway_fee_minor FROM executions");
    let amount = past.database().value("SELECT payer_minor FROM executions");
    let decimal = |text: &str| {
        let minor: i64 = text.parse().expect("an amount");
        format!("{}.{:02}", minor / 100, minor % 100)
    };
    let date = |seconds: i64| {
        let time = domain::kernel::time::ServerTime(seconds * 1_000_000);
        format!("{time:.6}")
    };
    let line = format!("{},{id},DEPOSIT,{},USD,{}", date(end), decimal(&amount), decimal(&fee));
    let own = file(past.database(), "own.csv", &[]);
    let next = file(past.database(), "next.csv", &[line]);
    let import = |path: &str, day: &str| {
        let account = stage.pawapay.to_string();
        let arguments = [
            "reconcile",
            "import",
            path,
            "--account",
            &account,
            "--from",
            day,
            "--to",
            day,
            "--currency",
            "USD",
        ];
        told(past.database(), &arguments)
    };
    let (day, day_after) = (date(end - 1)[..10].to_owned(), date(end)[..10].to_owned());
    import(&own, &day);
    let found = open_differences(past.database());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["kind"], "MISSING_THERE");
    import(&next, &day_after);
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
    // The other way round it never is one.
    past.database().sql("DELETE FROM statement_differences");
    import(&own, &day);
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
    verified(past.database());
}

/// Makes payments of one, each a while before the next.
fn multiply(database: &Database, payments: usize) {
    let copy = |table: &str, values: &[(&str, &str)]| {
        let columns = database.columns(table);
        let of = |column: &String| {
            let known = values.iter().find(|(name, _)| name == column);
            known.map_or_else(|| format!("t.{column}"), |(_, value)| (*value).to_owned())
        };
        let values: Vec<String> = columns.iter().map(of).collect();
        database.damage(&format!(
            "WITH RECURSIVE n(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM n WHERE n < {payments}) \
             INSERT INTO {table} ({}) SELECT {} FROM {table} AS t, n",
            columns.join(", "),
            values.join(", ")
        ));
    };
    let uuid = if database.is_sqlite() { "randomblob(16)" } else { "gen_random_uuid()" };
    let apart = 20 * 86_400 * 1_000_000 / i64::try_from(payments).expect("a number");
    let (created, completed) =
        (format!("t.created_at - n.n * {apart}"), format!("t.completed_at - n.n * {apart}"));
    copy("sessions", &[("id", "t.id + 1000000000 + n.n"), ("reference_id", uuid)]);
    copy(
        "executions",
        &[
            ("id", "t.id + 1000000000 + n.n"),
            ("session_id", "t.session_id + 1000000000 + n.n"),
            ("reference_id", uuid),
            ("created_at", &created),
            ("completed_at", &completed),
            ("provider_transaction_id", "NULL"),
        ],
    );
    copy(
        "provider_attempts",
        &[("execution_id", "t.execution_id + 1000000000 + n.n"), ("request_id", uuid)],
    );
}

/// Compares a month of payments with a statement in which every so many payments one differs, each in
/// another way.
fn compare_a_month(payments: usize, of_each: usize) {
    let past = Past::open();
    let (stage, shop) = (&past.stage, &past.stage.shop);
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    stage.becomes("collection", &paid, "COMPLETED");
    past.today();
    multiply(past.database(), payments);
    let rows = past.database().rows(
        "SELECT a.request_id, e.completed_at, e.payer_minor, e.gateway_fee_minor FROM executions AS e \
         JOIN provider_attempts AS a ON a.execution_id = e.id ORDER BY e.completed_at",
    );
    assert_eq!(rows.len(), payments + 1);
    let decimal = |minor: i64| format!("{}.{:02}", minor / 100, minor % 100);
    let every = payments / (5 * of_each);
    let mut planted = 0;
    let mut lines = vec![];
    for (number, row) in rows.iter().enumerate() {
        let at: i64 = row[1].parse().expect("a time");
        let time = domain::kernel::time::ServerTime(at);
        let id: String =
            row[0].chars().filter(|one| one.is_ascii_hexdigit() || *one == '-').collect();
        let (amount, fee): (i64, i64) =
            (row[2].parse().expect("an amount"), row[3].parse().expect("a fee"));
        let line = |id: &str, amount: i64, fee: i64| {
            format!("{time:.6},{id},DEPOSIT,{},USD,{}", decimal(amount), decimal(fee))
        };
        // Not the first and the last, between which the time of the file is.
        let is_planted = number % every == every / 2 && planted < 5 * of_each;
        match (is_planted, planted % 5) {
            (false, _) => lines.push(line(&id, amount, fee)),
            (true, 0) => lines.extend([
                line(&id, amount, fee),
                line(&format!("8917c345-4791-4285-a416-{number:012}"), amount, fee),
            ]),
            (true, 1) => {}
            (true, 2) => lines.push(line(&id, amount + 1, fee)),
            (true, 3) => lines.push(line(&id, amount, fee + 1)),
            (true, _) => lines.extend([line(&id, amount, fee), line(&id, amount, fee)]),
        }
        planted += usize::from(is_planted);
    }
    assert_eq!(planted, 5 * of_each);
    let path = file(past.database(), "month.csv", &lines);
    let account = stage.pawapay.to_string();
    let read = told(past.database(), &["reconcile", "import", &path, "--account", &account]);
    assert_eq!(read["lines"], json!(lines.len()), "{HEAD}: {read}");
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for one in open_differences(past.database()) {
        *kinds.entry(shown(&one, "kind")).or_default() += 1;
    }
    let all = ["AMOUNT_DIFFERS", "DUPLICATE_THERE", "FEE_DIFFERS", "MISSING_HERE", "MISSING_THERE"];
    assert_eq!(kinds, all.map(|kind| (kind.to_owned(), of_each)).into_iter().collect());
    let again = told(past.database(), &["reconcile", "import", &path, "--account", &account]);
    assert_eq!(again["new"], json!(0), "{again}");
    assert_eq!(open_differences(past.database()).len(), planted);
}

#[test]
fn in_many_payments_each_difference_is_found_and_no_other() {
    compare_a_month(2_000, 5);
}

#[test]
#[ignore = "minutes long: a month of 10^5 payments"]
fn in_a_month_of_100_000_payments_each_difference_is_found_and_no_other() {
    compare_a_month(100_000, 10);
}

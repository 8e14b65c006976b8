//! The overview of a merchant: figures that agree with the lists behind them, to the minor unit.

use std::collections::BTreeMap;

use super::payments::{everybody, payments};
use super::*;
use crate::reviews::late_success;
use crate::support::shop::{GOOD, ending};
use crate::support::{id, json, shown, wait_for};

pub(crate) fn overview(shop: &Merchant) -> String {
    format!("/app/overview/{}", shop.credentials.merchant_id)
}

/// The page, when all days are counted.
#[track_caller]
fn page(person: &mut Person, shop: &Merchant) -> String {
    let path = overview(shop);
    wait_for("figures that are counted", || {
        let reply = person.browser.get(&path);
        assert_eq!(reply.status, 200, "{}", text(&reply));
        (!text(&reply).contains("are being counted")).then(|| text(&reply).to_owned())
    })
}

/// A text of a page as it is read.
fn plain(html: &str) -> String {
    html.replace("&#38;", "&").replace("&amp;", "&")
}

/// The rows of a table: the name, and what each cell says with where it leads.
fn rows(page: &str, caption: &str) -> Vec<(String, Vec<(String, String)>)> {
    let table = between(page, &format!("{caption}</caption>"), "</table>");
    let rows = table.split("<th scope=\"row\">").skip(1);
    let cells = |row: &str| {
        let cells = row.split("<a href=\"").skip(1);
        let cell = |cell: &str| {
            let (path, rest) = cell.split_once("\">").expect("a link");
            (rest.split('<').next().expect("words").to_owned(), plain(path))
        };
        cells.map(cell).collect()
    };
    rows.map(|row| (row.split('<').next().expect("a name").to_owned(), cells(row))).collect()
}

/// The payments of a link to the list, asked for by the API with the same filter.
#[track_caller]
fn listed(shop: &Merchant, link: &str) -> Vec<Value> {
    let query = link.split_once('?').expect("a filter").1;
    let names = BTreeMap::from([("state", "status"), ("operation", "operation_type")]);
    let fields = form_urlencoded::parse(query.as_bytes());
    let fields = fields.map(|(name, value)| {
        (names.get(name.as_ref()).copied().unwrap_or(&name).to_owned(), value.into_owned())
    });
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    shop.api.get(&format!("/v1/payment-intents/list?limit=1000&{query}")).rows()
}

/// A number as it stands in an answer, in minor units.
fn minor(number: &str) -> i128 {
    number.replace(['.', ','], "").parse().unwrap_or_else(|_| panic!("{number}"))
}

fn sum(rows: &[Value], fields: &[&str]) -> i128 {
    let fields = rows.iter().flat_map(|row| fields.iter().map(|name| shown(row, name)));
    fields.map(|number| minor(&number)).sum()
}

/// What moved at the provider.
fn moved(row: &Value) -> &'static str {
    if shown(row, "operation_type") == "COLLECTION" { "payer_amount" } else { "payee_amount" }
}

const FEES: [&str; 3] = ["platform_fee", "gateway_fee", "fx_fee"];

/// Compares a figure with the list that it leads to.
#[track_caller]
fn agrees(shop: &Merchant, name: &str, words: &str, link: &str) {
    let rows = listed(shop, link);
    let number = words.split(' ').next().expect("a number");
    let currency = |name: &str| {
        let currencies = rows.iter().map(|row| shown(row, name));
        assert!(currencies.into_iter().all(|one| words.ends_with(&one)), "{name}: {rows:?}");
    };
    match name {
        "Made" | "Completed" | "Failed" | "Under way" => {
            assert_eq!(number, rows.len().to_string(), "{name} {link}: {rows:?}");
        }
        name if name.starts_with("Fees") => {
            currency("fee_currency");
            assert_eq!(minor(number), sum(&rows, &FEES), "{name} {link}: {rows:?}");
        }
        name if name.contains("completed within") => {
            assert!(rows.iter().all(|row| row["status"] == "COMPLETED"), "{rows:?}");
            assert_eq!(rows.is_empty(), words == "\u{2013}", "{words}: {rows:?}");
        }
        _ => {
            let total: i128 = rows.iter().map(|row| minor(&shown(row, moved(row)))).sum();
            assert_eq!(minor(number), total, "{name} {link}: {rows:?}");
            for row in &rows {
                let side = moved(row).replace("amount", "currency");
                assert!(words.ends_with(&shown(row, &side)), "{name} {words}: {row}");
            }
        }
    }
}

/// Payments of every kind, in two currencies, one of which fails.
#[track_caller]
fn trade(server: &Server, shop: &Merchant) {
    server.fund(shop, "USD", "500.00");
    let paid = shop.paid_hundred();
    shop.refund(&paid, "20.60");
    let good = shop.momo("COLLECTION", GOOD);
    shop.take(good, "LRD", "5000");
    // From another currency than the invoice's: its fees are in the invoice's.
    let session = shop.checkout(shop.invoice("USD", "10.00"));
    shop.collect(session, good, "LRD", &crate::support::key()).ok();
    let failed = shop.take(shop.momo("COLLECTION", &ending("049")), "USD", "7.00");
    assert_eq!(shop.settled("collection", &failed)["status"], "FAILED");
    shop.send(shop.momo("PAYOUT", GOOD), "USD", "12.00");
    let party = shop.party();
    shop.transfer(shop.counterparty(party), "USD", "5.00");
}

/// A payment that waits for its payer.
#[track_caller]
fn waiting(shop: &Merchant) -> Value {
    let card = Some("pm_card_authenticationRequired");
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", card);
    let waits = shop.take(card, "USD", "10.00");
    assert_eq!(waits["status"], "PROCESSING");
    waits
}

/// Makes sure that the day does not end in the middle of a test.
#[track_caller]
fn begin_the_day(shop: &Merchant) {
    let left = 86_400 - jiff::Timestamp::now().as_second().rem_euclid(86_400);
    if left < 900 {
        shop.advance(left + 1);
    }
}

const MAIN: &str = "Figures of today and of the last 30 days";

#[test]
fn every_figure_is_that_of_the_list_behind_it() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    begin_the_day(&shop);
    trade(&server, &shop);
    // Yesterday's are in the figures of 30 days, those of another month are not.
    shop.advance(86_400);
    shop.paid_hundred();
    waiting(&shop);
    let old = shop.paid_hundred();
    let ago = 40_i64 * 86_400_000_000;
    server.database.sql(&format!(
        "UPDATE executions SET created_at = created_at - {ago} WHERE id = {}",
        old["payment_intent_id"]
    ));
    let page = page(&mut ama, &shop);
    let found = rows(&page, MAIN);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "Made",
        "Completed",
        "Failed",
        "Under way",
        "Paid by payers, LRD",
        "Paid by payers, USD",
        "Paid out, USD",
        "Refunded, USD",
        "Transferred, USD",
        "Fees, USD",
        "Half of the payments completed within",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    for (name, cells) in &found {
        assert_eq!(cells.len(), 2, "{name}");
        for (words, link) in cells {
            agrees(&shop, name, words, link);
            // The list of the page is the list of the API.
            assert_eq!(ama.browser.get(link).status, 200, "{link}");
        }
    }
    let of = |name: &str| &found.iter().find(|(other, _)| other == name).expect("a row").1;
    assert_eq!((of("Made")[0].0.as_str(), of("Made")[1].0.as_str()), ("2", "9"));
    assert_eq!(of("Under way")[1].0, "1");
    assert_eq!(of("Paid by payers, USD")[0].0, "103.00 USD");
    assert_eq!(of("Paid by payers, USD")[1].0, "206.00 USD");
    // By method, with the rate.
    for (name, cells) in rows(&page, "What completed and what failed by method, in 30 days") {
        agrees(&shop, "Completed", &cells[0].0, &cells[0].1);
        agrees(&shop, "Failed", &cells[1].0, &cells[1].1);
        let (done, failed) = (minor(&cells[0].0), minor(&cells[1].0));
        let tenths = done * 1000 / (done + failed);
        let rate = format!("{}.{} %", tenths / 10, tenths % 10);
        let row = between(&page, &format!("<th scope=\"row\">{name}</th><td class=\"n\">"), "<");
        assert_eq!(row, rate, "{name}");
    }
    // Each plot has its numbers beside it.
    for (title, name) in [
        ("Paid by payers by day, USD", "Paid by payers, USD"),
        ("Paid by payers by day, LRD", "Paid by payers, LRD"),
    ] {
        let days = rows(&page, title);
        assert_eq!(days.len(), 30, "{title}");
        for (_, cells) in days.iter().take(3) {
            agrees(&shop, name, &cells[0].0, &cells[0].1);
        }
        let total: i128 =
            days.iter().map(|(_, cells)| minor(cells[0].0.split(' ').next().unwrap())).sum();
        let shown = of(name)[1].0.split(' ').next().expect("a number");
        assert_eq!(total, minor(shown), "{title}");
    }
    let fees = rows(&page, "Fees by day, USD");
    for (_, cells) in &fees[..2] {
        let parts = cells.iter().map(|(words, _)| minor(words.split(' ').next().unwrap()));
        assert_eq!(parts.sum::<i128>(), sum(&listed(&shop, &cells[0].1), &FEES));
    }
    assert_eq!(page.matches("<svg class=\"plot\"").count(), page.matches("role=\"img\"").count());
    assert_eq!(rows(&page, "Time until payments completed").len(), 30);
    assert!(!rows(&page, "Success rate by method").is_empty());
}

#[test]
fn what_happens_is_in_the_figures_at_the_next_view() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    begin_the_day(&shop);
    let made = |page: &str| rows(page, MAIN).into_iter().next().expect("a row").1[0].0.clone();
    let first = page(&mut ama, &shop);
    assert_eq!(made(&first), "0");
    assert!(first.contains("Figures up to <time") && !first.contains("<svg"), "{first}");
    let mut views = vec![];
    for _ in 0..3 {
        shop.take(shop.momo("COLLECTION", GOOD), "USD", "1.00");
        views.push(made(&page(&mut ama, &shop)));
    }
    assert_eq!(views, ["1", "2", "3"]);
    // A payment that waits counts when it is made, and again when it ends.
    let waits = waiting(&shop);
    let state = |page: &str| {
        let found = rows(page, MAIN);
        ["Completed", "Under way"].map(|name| {
            let row = found.iter().find(|(other, _)| other == name).expect("a row");
            row.1[0].0.clone()
        })
    };
    let seen = page(&mut ama, &shop);
    assert_eq!(state(&seen), ["3", "1"]);
    let link = format!("{}/{}", payments(&shop), waits["payment_intent_id"]);
    assert!(seen.contains(&format!("Waits longest: <a href=\"{link}\">")), "{seen}");
    // With why and until when.
    let waits_longest = between(&seen, "Waits longest", "</li>");
    for part in ["<bdi>Waits for: ", "</bdi> Then an operator looks at it: <time "] {
        assert!(waits_longest.contains(part), "{part}: {waits_longest}");
    }
    let path = format!("/v1/sandbox/executions/{}/authenticate", shown(&waits, "reference_id"));
    shop.api.post(&path, &json!({"success": true})).ok();
    shop.settled("collection", &waits);
    let seen = page(&mut ama, &shop);
    assert_eq!(state(&seen), ["4", "0"]);
    assert!(!seen.contains("Waits longest"));
    // The next day has its own.
    shop.advance(86_400);
    assert_eq!(made(&page(&mut ama, &shop)), "0");
}

/// Views in the middle of payments, of which some see the days counted for the first time, take each
/// change once.
#[test]
fn figures_hold_while_payments_are_made() {
    let (_server, shop) = open_with_key();
    begin_the_day(&shop);
    let account = shop.momo("COLLECTION", GOOD);
    let failing = shop.momo("COLLECTION", &ending("049"));
    let turns: Vec<u32> = (0..12).collect();
    let seen = all_at_once(&turns, |turn| {
        let mut seen = vec![];
        for _ in 0..3 {
            shop.take(if turn % 4 == 0 { failing } else { account }, "USD", "1.00");
            let answer = shop.api.get("/v1/figures").ok();
            let counts = answer["figures"].as_array().expect("figures").clone();
            let sum = |name: &str| -> i64 {
                counts.iter().map(|one| one[name].as_i64().expect("a count")).sum()
            };
            seen.push((sum("count"), sum("completed") + sum("failed")));
        }
        seen
    });
    for of_one in &seen {
        // What somebody has seen, they see again; and their own payments are among them.
        assert!(
            of_one.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1),
            "{seen:?}"
        );
        assert!(of_one.iter().all(|(made, ended)| ended <= made && *made <= 36), "{seen:?}");
    }
    wait_for("the end of all payments", || {
        let open = shop.api.get("/v1/payment-intents/list?is_final=false").rows();
        open.is_empty().then_some(())
    });
    let answer = shop.api.get("/v1/figures").ok();
    let figure = &answer["figures"][0];
    assert_eq!((&figure["count"], &figure["completed"]), (&json!(36), &json!(27)), "{answer}");
    assert_eq!(figure["failed"], json!(9), "{answer}");
    let done = shop.api.get("/v1/payment-intents/list?status=COMPLETED").rows();
    let total: i128 = done.iter().map(|row| minor(&shown(row, moved(row)))).sum();
    assert_eq!(minor(&shown(figure, "amount")), total);
}

/// What another process has written is in the figures, too.
#[test]
fn figures_are_those_of_all_processes() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    begin_the_day(&shop);
    let other = server.spawn_another(&[]);
    let elsewhere = shop.at(&other);
    let mut there = ama.clone();
    there.browser = Browser::new(&other);
    there.browser.cookies.clone_from(&ama.browser.cookies);
    for count in 1..4 {
        let by = if count % 2 == 0 { &shop } else { &elsewhere };
        by.take(by.momo("COLLECTION", GOOD), "USD", "1.00");
        for person in [&mut ama, &mut there] {
            let page = page(person, &shop);
            assert_eq!(rows(&page, MAIN)[0].1[0].0, count.to_string());
        }
    }
}

#[test]
fn each_role_sees_the_figures_that_it_may() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    trade(&server, &shop);
    shop.told();
    let delivery = || server.database.value("SELECT status FROM webhook_deliveries LIMIT 1");
    wait_for("a delivery that failed", || (delivery() == "FAILED").then_some(()));
    late_success(&server, &shop);
    for (role, person) in &mut everybody(&server, &shop) {
        let page = page(person, &shop);
        let of = |roles: &[&str]| roles.contains(role);
        assert!(page.contains("Paid by payers, USD"), "{role}: {page}");
        let reviews = format!("/app/reviews/{}?status=OPEN", shop.credentials.merchant_id);
        assert_eq!(page.contains(&reviews), !of(&["VIEWER", "DEVELOPER"]), "{role}");
        let may = of(&["DEVELOPER", "OWNER", "OPERATOR", "AUDITOR"]);
        assert_eq!(page.contains("Deliveries that failed"), may, "{role}: {page}");
        let may = of(&["OWNER", "FINANCE", "MANAGER", "OPERATOR", "AUDITOR"]);
        assert_eq!(page.contains("<h3>Balances</h3>"), may, "{role}");
        let (available, _) = shop.money_in(shop.wallet("USD"));
        assert_eq!(page.contains(&format!("{available} USD</span></a>")), may, "{role}");
        let of_installation = of(&["OPERATOR", "AUDITOR"]);
        let reply = person.browser.get(&overview(&other));
        assert_eq!(reply.status, if of_installation { 200 } else { 404 }, "{role}");
        let none = !text(&reply).contains("Paid by payers");
        assert!(none, "{role}: {}", text(&reply));
        let home = person.browser.get("/app");
        assert!(of_installation || text(&home).contains(&overview(&shop)), "{role}");
    }
}

#[test]
fn a_program_reads_the_same_figures() {
    let (server, shop, other) = open_two();
    trade(&server, &shop);
    waiting(&shop);
    let answer = shop.api.get("/v1/figures").ok();
    assert_eq!(answer["time_zone"], "UTC");
    let figures = answer["figures"].as_array().expect("figures").clone();
    assert!(figures.len() > 5, "{answer}");
    let next = |day: &str| {
        let day: jiff::civil::Date = day.parse().expect("a day");
        day.tomorrow().expect("a day").to_string()
    };
    for figure in &figures {
        let [day, operation, method, currency, fees] =
            ["day", "operation_type", "method", "currency", "fee_currency"]
                .map(|name| shown(figure, name));
        let list = |more: &str| {
            let path = format!(
                "/v1/payment-intents/list?limit=1000&from={day}&until={}&operation_type={operation}\
                 &method={method}&amount_currency={currency}&fee_currency={fees}{more}",
                next(&day)
            );
            shop.api.get(&path).rows()
        };
        let (all, done) = (list(""), list("&status=COMPLETED"));
        let count = |name: &str| figure[name].as_i64().expect("a count");
        let len = |rows: &[Value]| i64::try_from(rows.len()).expect("a count");
        assert_eq!(count("count"), len(&all), "{figure}");
        assert_eq!(count("completed"), len(&done), "{figure}");
        assert_eq!(count("failed"), len(&list("&status=FAILED")), "{figure}");
        let open = count("count") - count("completed") - count("failed");
        assert_eq!(open, len(&list("&is_final=false")), "{figure}");
        let total: i128 = done.iter().map(|row| minor(&shown(row, moved(row)))).sum();
        assert_eq!(minor(&shown(figure, "amount")), total, "{figure}");
        for name in FEES {
            assert_eq!(minor(&shown(figure, name)), sum(&done, &[name]), "{name} {figure}");
        }
        let within = figure["completed_within"].as_array().expect("times");
        let times: i64 = within.iter().map(|one| one["count"].as_i64().expect("a count")).sum();
        assert_eq!(times, count("completed"), "{figure}");
    }
    let all: i64 = figures.iter().map(|figure| figure["count"].as_i64().unwrap()).sum();
    let listed = shop.api.get("/v1/payment-intents/list?limit=1000").rows();
    assert_eq!(all, i64::try_from(listed.len()).unwrap());
    assert_eq!(other.api.get("/v1/figures").ok()["figures"], json!([]));
    shop.api.with_token(None).get("/v1/figures").refused(401);
}

/// The filters that the figures lead to.
#[test]
fn payments_are_filtered_by_currency_and_by_whether_they_are_final() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    trade(&server, &shop);
    waiting(&shop);
    let all = shop.api.get("/v1/payment-intents/list").rows();
    let fits = |filter: &dyn Fn(&Value) -> bool| {
        let mut ids: Vec<i64> = all.iter().filter(|row| filter(row)).map(id).collect();
        ids.sort_unstable();
        ids
    };
    let side = |row: &Value| shown(row, &moved(row).replace("amount", "currency"));
    let is_final = |row: &Value| ["COMPLETED", "FAILED"].contains(&shown(row, "status").as_str());
    for (query, expected) in [
        ("amount_currency=LRD", fits(&|row| side(row) == "LRD")),
        ("amount_currency=USD", fits(&|row| side(row) == "USD")),
        ("fee_currency=LRD", fits(&|row| shown(row, "fee_currency") == "LRD")),
        ("fee_currency=USD", fits(&|row| shown(row, "fee_currency") == "USD")),
        ("is_final=true", fits(&is_final)),
        ("is_final=false", fits(&|row| !is_final(row))),
    ] {
        assert!(!expected.is_empty() && expected.len() < all.len(), "{query}: {all:?}");
        let rows = shop.api.get(&format!("/v1/payment-intents/list?{query}")).rows();
        let mut found: Vec<i64> = rows.iter().map(id).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
        let page = ama.browser.get(&format!("{}?{query}", payments(&shop)));
        assert_eq!(text(&page).matches("<li>\n<p><a href=").count(), expected.len(), "{query}");
        let csv = ama.browser.get(&format!("{}/csv?{query}", payments(&shop)));
        assert_eq!(text(&csv).lines().count(), expected.len() + 1, "{query}");
    }
    for (query, field) in [
        ("amount_currency=dollars", "amount_currency"),
        ("fee_currency=XX", "fee_currency"),
        ("is_final=perhaps", "is_final"),
    ] {
        let page = ama.browser.get(&format!("{}?{query}", payments(&shop)));
        assert_eq!(page.status, 422, "{query}");
        assert!(text(&page).contains(&format!("id=\"{field}-fault\"")), "{}", text(&page));
        shop.api.get(&format!("/v1/payment-intents/list?{query}")).refused(422);
    }
}

/// Copies a payment so often, with the events that it has, over the last 30 days.
fn fill(server: &Server, shop: &Merchant, payment: i64, count: i64) {
    /// More ids than any payment before has.
    const FIRST: i64 = 1_000_000_000;
    const MONTH_US: i64 = 29 * 86_400_000_000;
    let database = &server.database;
    let is_sqlite = database.is_sqlite();
    let uuid = if is_sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
    let merchant = shop.credentials.merchant_id;
    let mut sql = String::new();
    for (table, of) in [("executions", "id"), ("events", "subject_id")] {
        let columns = database.columns(table);
        let value = |column: &String| match column.as_str() {
            "id" | "session_id" | "subject_id" => format!("t.{column} + {FIRST} + n * 1000"),
            "reference_id" => uuid.to_owned(),
            // Others stand between the events of one payment.
            "position" => "t.position + n * 100".to_owned(),
            "created_at" | "updated_at" | "completed_at" => {
                format!("t.{column} - {MONTH_US} + {MONTH_US} / {count} * n")
            }
            other => format!("t.{other}"),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        sql.push_str(&format!(
            "INSERT INTO {table} ({}) WITH RECURSIVE n (n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) \
             SELECT {} FROM n CROSS JOIN {table} AS t WHERE t.{of} = {payment} ORDER BY n; ",
            columns.join(", "),
            values.join(", ")
        ));
    }
    sql.push_str(&format!(
        "UPDATE event_positions SET last = last + {count} * 100 WHERE merchant_id = {merchant}; \
         UPDATE installation SET next_id = next_id + 2 * {FIRST};"
    ));
    if !is_sqlite {
        sql.push_str("ANALYZE executions; ANALYZE events;");
    }
    database.damage(&sql);
}

#[test]
#[ignore = "minutes: cargo xtask test -- --ignored million --nocapture"]
fn the_home_of_a_million_payments_answers_in_time() {
    use std::io::Write as _;
    use std::time::Duration;

    const COUNT: i64 = 1_000_000;
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut operator = reviews::of_installation(&server, "operator");
    let paid = shop.paid_hundred();
    let payment = paid["payment_intent_id"].as_i64().expect("an id");
    fill(&server, &shop, payment, COUNT);
    let look = |ama: &mut Person| {
        let begun = Instant::now();
        let reply = ama.browser.get(&overview(&shop));
        let took = begun.elapsed();
        assert_eq!(reply.status, 200);
        (took, !text(&reply).contains("are being counted"))
    };
    let begun = Instant::now();
    let mut first = vec![];
    let counted = loop {
        let (took, is_counted) = look(&mut ama);
        first.push(took);
        if is_counted {
            break begun.elapsed();
        }
    };
    let mut took: Vec<Duration> = (0..100)
        .map(|_| {
            shop.take(shop.momo("COLLECTION", GOOD), "USD", "1.00");
            look(&mut ama).0
        })
        .collect();
    let mut networks: Vec<Duration> = (0..20)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(operator.browser.get("/app/networks").status, 200);
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    first.sort_unstable();
    networks.sort_unstable();
    let p95 = |times: &[Duration]| times[times.len() * 95 / 100];
    let page = page(&mut ama, &shop);
    let found = rows(&page, MAIN);
    let of =
        |name: &str| found.iter().find(|(other, _)| other == name).expect("a row").1[1].clone();
    assert_eq!(of("Made").0, "1,000,101");
    let million = i128::from(COUNT) * 10_300 + 10_300 + 100 * 103;
    let shown = of("Paid by payers, USD").0;
    assert_eq!(minor(shown.split(' ').next().expect("a number")), million);
    writeln!(
        std::io::stderr(),
        "counted in {counted:?}, meanwhile views took {:?} at p95; afterwards {:?}; networks {:?}",
        p95(&first),
        p95(&took),
        p95(&networks)
    )
    .expect("stderr");
    for times in [&took, &networks] {
        assert!(p95(times) < Duration::from_millis(200), "{:?}", p95(times));
    }
}

//! Reconciliation on pages: what the operator sees, accepts and closes, and what an auditor sees.

use domain::kernel::ids::StatementId;
use domain::reconciliation::difference::DifferenceKind;
use domain::reconciliation::reported::LineKind;
use domain::reconciliation::statement::Counts;
use serde_json::Value;

use super::stage::{Stage, money};
use crate::people::payments::{ROLES, everybody};
use crate::people::person::{Browser, between, leads, text};
use crate::people::reviews;
use crate::support::page_rules::assert_page;
use crate::support::{Reply, json, wait_for};

const PATH: &str = "/app/reconciliation";
const DIFFERENCES: &str = "/app/reconciliation/differences";

/// A page, which is well-formed as all of them are.
#[track_caller]
fn page(browser: &mut Browser, path: &str) -> String {
    let reply = browser.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", text(&reply));
    assert_page(path, &reply);
    text(&reply).to_owned()
}

#[track_caller]
fn has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// The page once it has these parts: a slow machine books the lines after the form is answered.
#[track_caller]
fn becomes(browser: &mut Browser, path: &str, parts: &[&str]) -> String {
    wait_for(&format!("{path} with {parts:?}"), || {
        let page = page(browser, path);
        parts.iter().all(|part| page.contains(part)).then_some(page)
    })
}

/// A cell of a table that is named at its row.
#[track_caller]
fn cell<'a>(page: &'a str, row: &str) -> &'a str {
    let row = between(page, &format!("<th scope=\"row\">{row}</th>"), "</tr>");
    between(row, "<td class=\"n\">", "</td>")
}

fn of_statement(statement: StatementId) -> String {
    format!("{PATH}/{statement}")
}

/// The text that a form carries under this name.
#[track_caller]
fn carried(page: &str, name: &str) -> String {
    between(page, &format!("name=\"{name}\" value=\""), "\"").replace("&#38;", "&")
}

/// Everything that the pages could change.
fn books(stage: &Stage) -> Vec<Vec<Vec<String>>> {
    let tables =
        ["events", "entries", "accounts", "statements", "statement_lines", "statement_differences"];
    let rows =
        |name: &&str| stage.server.database.rows(&format!("SELECT * FROM {name} ORDER BY 1, 2, 3"));
    tables.iter().map(rows).collect()
}

#[test]
fn the_operator_sees_what_differs() {
    let mut stage = Stage::open();
    let empty = page(&mut stage.operator.browser, PATH);
    has(&empty, &["No network was asked for its balance yet", "No statement was read yet"]);
    has(&page(&mut stage.operator.browser, DIFFERENCES), &["None. When a statement says"]);
    let statement = stage.full();
    stage.reader.read_balances();
    let browser = &mut stage.operator.browser;
    has(&page(browser, "/app"), &["<a href=\"/app/reconciliation\">"]);
    has(&page(browser, "/app/networks"), &["<a href=\"/app/reconciliation\">"]);
    let overview = page(browser, PATH);
    let usd = between(&overview, "USD at pawapay-sandbox</caption>", "</p>");
    assert_eq!(cell(usd, "At the network"), "12,345.67 USD");
    assert_eq!(cell(usd, "In the ledger"), "12,740.67 USD");
    assert_eq!(cell(usd, "Lines not booked yet"), "\u{2212}395.00 USD");
    has(usd, &["<strong>0.00 USD</strong>", "They agree.", "Read less than a minute ago"]);
    let eur = between(&overview, "EUR at pawapay-sandbox</caption>", "</p>");
    has(eur, &["<strong>\u{2212}1.00 EUR</strong>", "They differ since"]);
    for kind in ["Only in the statement", "Only here", "Another amount", "Another fee"] {
        has(&overview, &[&format!("<strong>{kind}</strong>: 1")]);
    }
    has(
        &overview,
        &[
            "8 lines: 1 agree, 1 may be under way; 4 differences",
            "File november.csv",
            "2026-11-27",
            "not accepted",
        ],
    );
    let path = of_statement(statement);
    has(&overview, &[&format!("<a href=\"{path}\">")]);
    let shown = page(browser, &path);
    has(
        &shown,
        &[
            "Read to its end",
            "See what accepting it books",
            "Payment: <strong class=\"n\">+103.00 USD</strong> – agrees",
            "fee <span class=\"n\">1.00 USD</span>",
            "settled as <span class=\"n\">+108.00 USD</span>",
            "=1+1&#60;b&#62;",
            &format!("<a href=\"/app/payments/{}/", stage.shop.credentials.merchant_id),
        ],
    );
    assert_eq!(cell(&shown, "Differences"), "4");
    // Its differences, and all of them with a filter.
    for (query, count) in [
        ("", 4),
        ("?status=OPEN", 4),
        ("?status=CLOSED", 0),
        ("?kind=FEE_DIFFERS", 1),
        (&format!("?account={}&statement={statement}", stage.reader.account), 4),
        ("?account=987", 0),
    ] {
        let list = page(browser, &format!("{DIFFERENCES}{query}"));
        assert_eq!(list.matches(", difference ").count(), count, "{query}: {list}");
    }
    for query in ["?kind=ANOTHER", "?status=x", "?account=x", "?statement=-", "?after=x"] {
        assert_eq!(browser.get(&format!("{DIFFERENCES}{query}")).status, 422, "{query}");
    }
    for path in [&of_statement(StatementId(1)), &format!("{DIFFERENCES}/1"), &format!("{PATH}/x")] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_difference_shows_both_sides() {
    let mut stage = Stage::open();
    stage.full();
    let merchant = stage.shop.credentials.merchant_id;
    let ids = DifferenceKind::ALL.iter().filter(|kind| **kind != DifferenceKind::DuplicateThere);
    let pages: Vec<(DifferenceKind, String)> = ids
        .map(|kind| {
            let path = format!("{DIFFERENCES}/{}", stage.difference(*kind));
            (*kind, page(&mut stage.operator.browser, &path))
        })
        .collect();
    for (kind, page) in &pages {
        let here = between(page, "<h2>Here</h2>", "</section>");
        let there = between(page, "<h2>At the network</h2>", "</section>");
        has(page, &["/preview"]);
        let has_payment = *kind != DifferenceKind::MissingHere;
        assert_eq!(here.contains(&format!("/app/payments/{merchant}/")), has_payment, "{here}");
        if has_payment {
            has(here, &["103.00 USD", "paid", "First Shop"]);
            assert_eq!(cell(here, "Network fee expected"), "2.00 USD");
        }
        let has_line = *kind != DifferenceKind::MissingThere;
        assert_eq!(there.contains("txn_"), has_line, "{there}");
        // What a fee costs is booked with its statement.
        assert_eq!(page.contains("value=\"booked\""), *kind != DifferenceKind::FeeDiffers);
    }
    let fee =
        &pages.iter().find(|(kind, _)| *kind == DifferenceKind::FeeDiffers).expect("its page").1;
    assert_eq!((cell(fee, "Fee expected"), cell(fee, "Fee taken")), ("1.00 USD", "2.00 USD"));
    let other =
        &pages.iter().find(|(kind, _)| *kind == DifferenceKind::AmountDiffers).expect("its page").1;
    assert_eq!(cell(other, "Booked here"), "+103.00 USD");
    assert_eq!(cell(other, "Said by the network"), "+90.00 USD");
    assert_eq!(cell(other, "Between the two"), "\u{2212}13.00 USD");
}

#[test]
fn accepting_books_once_what_was_shown() {
    let mut stage = Stage::open();
    let statement = stage.full();
    let path = of_statement(statement);
    let accepting = page(&mut stage.operator.browser, &format!("{path}/accepting"));
    has(&accepting, &["4 lines of it are booked when it is accepted", "3 with a difference"]);
    assert_eq!(cell(&accepting, "Fees of the network"), "\u{2212}3.00 USD");
    assert_eq!(cell(&accepting, "Exchanged by the network"), "\u{2212}100.00 EUR<br>+108.00 USD");
    assert_eq!(cell(&accepting, "To and from the bank"), "+100.00 EUR<br>\u{2212}500.00 USD");
    assert_eq!(cell(&accepting, "Together"), "\u{2212}395.00 USD");
    let before = books(&stage);
    assert!(stage.books().is_empty());
    // What was not shown is not booked.
    let accept = format!("{path}/accept");
    for figures in ["", "3 lines"] {
        let refused = stage.operator.browser.post(&accept, &[("figures", figures)]);
        assert_eq!(refused.status, 422, "{figures}");
        has(text(&refused), &["What it books is not what was shown"]);
    }
    assert_eq!(books(&stage), before);
    let figures = carried(&accepting, "figures");
    let fields = [("figures", figures.as_str())];
    assert_eq!(leads(&stage.operator.browser.post(&accept, &fields)), path);
    let row = |kind: &str, currency: &str, minor: &str| {
        [kind, currency, minor].map(str::to_owned).to_vec()
    };
    // What came in euros was exchanged: nothing of it is left in them.
    let booked = [
        row("CLEARING", "USD", "39500"),
        row("FEE_GATEWAY", "USD", "-300"),
        row("SETTLEMENT", "USD", "-39200"),
    ];
    let said = [
        "Accepted on",
        "4 lines are booked.",
        "3 lines wait for a difference to be closed.",
        "1 line may be under way",
    ];
    let after = becomes(&mut stage.operator.browser, &path, &said);
    assert_eq!(stage.books(), booked);
    assert!(!after.contains("/accept"), "{after}");
    // Once more, by a second click or another tab.
    let once = books(&stage);
    assert_eq!(leads(&stage.operator.browser.post(&accept, &fields)), path);
    assert_eq!(books(&stage), once);
    has(&page(&mut stage.operator.browser, PATH), &["accepted on"]);
    has(&page(&mut stage.operator.browser, "/app/audit"), &["accept statement"]);
    stage.server.verify_ledger();
}

#[test]
fn only_a_statement_that_was_read_to_its_end_is_accepted() {
    let mut stage = Stage::open();
    let failed = stage.reader.begin("half.csv");
    let fee = stage.reader.line(LineKind::Fee, money(-200, "USD"));
    stage.reader.record(failed, &[fee]);
    let reading = stage.reader.begin("still.csv");
    stage.reader.end(
        failed,
        Counts { lines: 1, new: 1, ..Counts::default() },
        Some("line 2 has no amount"),
    );
    for (statement, said) in [(failed, "line 2 has no amount"), (reading, "Being read")] {
        let path = of_statement(statement);
        let shown = page(&mut stage.operator.browser, &path);
        has(&shown, &[said, "only a statement that was read to its end can be accepted"]);
        let accepting = page(&mut stage.operator.browser, &format!("{path}/accepting"));
        assert!(!accepting.contains(&format!("{path}/accept\"")), "{accepting}");
        let refused = stage.operator.browser.post(&format!("{path}/accept"), &[]);
        assert!([409, 422].contains(&refused.status), "{}", refused.status);
        has(text(&refused), &["read it again"]);
    }
    assert!(stage.books().is_empty());
    stage.server.verify_ledger();
}

/// The entries of a preview: account and amount.
#[track_caller]
fn entries(page: &str) -> Vec<(String, String)> {
    let table = between(page, "The entries</caption>", "</table>");
    let rows = table.split("<tr><td>").skip(1);
    let cells = rows.map(|row| {
        let (place, rest) = row.split_once("</td>").expect("a place");
        (place.to_owned(), between(rest, ">", "<").to_owned())
    });
    cells.collect()
}

/// Closes a difference by its forms. Returns what was shown before.
#[track_caller]
fn close(stage: &mut Stage, kind: DifferenceKind, how: &str) -> String {
    let path = format!("{DIFFERENCES}/{}", stage.difference(kind));
    let browser = &mut stage.operator.browser;
    let shown = browser.post(&format!("{path}/preview"), &[("how", how)]);
    assert_eq!(shown.status, 200, "{}", text(&shown));
    assert_page(&path, &shown);
    let figures = carried(text(&shown), "figures");
    let fields = [("how", how), ("figures", figures.as_str()), ("evidence", "ticket 7 <b>")];
    for _ in 0..2 {
        // The second one is a double click.
        assert_eq!(leads(&browser.post(&format!("{path}/close"), &fields)), path);
    }
    let closed = page(browser, &path);
    has(&closed, &["Closed on", "ticket 7 &#60;b&#62;"]);
    assert!(!closed.contains("/preview"), "{closed}");
    text(&shown).to_owned()
}

#[test]
fn closing_books_what_the_preview_said() {
    for (kind, minor) in [
        (DifferenceKind::MissingHere, 5_000),
        (DifferenceKind::MissingThere, -10_300),
        (DifferenceKind::AmountDiffers, -1_300),
    ] {
        let mut stage = Stage::open();
        stage.full();
        let before = books(&stage);
        let path = format!("{DIFFERENCES}/{}", stage.difference(kind));
        let asked = stage.operator.browser.post(&format!("{path}/preview"), &[("how", "booked")]);
        assert_eq!(books(&stage), before, "a preview changes nothing");
        let shown = entries(text(&asked));
        let places: Vec<&str> = shown.iter().map(|(place, _)| place.as_str()).collect();
        for place in ["Clearing: what the network holds", "Differences with the network"] {
            assert!(places.contains(&place), "{places:?}");
        }
        // Without evidence nothing is booked.
        let figures = carried(text(&asked), "figures");
        let fields = [("how", "booked"), ("figures", figures.as_str()), ("evidence", " ")];
        let refused = stage.operator.browser.post(&format!("{path}/close"), &fields);
        assert_eq!(refused.status, 422);
        has(text(&refused), &["id=\"evidence-fault\"", "Say what the decision is based on"]);
        let other = [("how", "booked"), ("figures", "x"), ("evidence", "ticket 7")];
        let refused = stage.operator.browser.post(&format!("{path}/close"), &other);
        assert_eq!(refused.status, 422);
        assert_eq!(books(&stage), before);
        close(&mut stage, kind, "booked");
        let booked: Vec<Vec<String>> = [("CLEARING", -minor), ("DIFFERENCE", minor)]
            .map(|(kind, minor)| vec![kind.to_owned(), "USD".to_owned(), minor.to_string()])
            .into();
        assert_eq!(stage.books(), booked, "{kind:?}");
        let of_event = "SELECT amount_minor, currency FROM entries WHERE transaction_id = \
                        (SELECT event_id FROM statement_differences WHERE event_id IS NOT NULL) ORDER BY id";
        let posted = stage.server.database.rows(of_event);
        let posted: Vec<String> = posted.iter().map(|row| row.join(" ")).collect();
        let shown: Vec<String> = shown.iter().map(|(_, amount)| reviews::minor(amount)).collect();
        assert_eq!(posted, shown, "{kind:?}");
        stage.server.verify_ledger();
    }
}

#[test]
fn what_is_explained_is_booked_with_its_statement() {
    let mut stage = Stage::open();
    let statement = stage.full();
    let path = of_statement(statement);
    let fee = format!("{DIFFERENCES}/{}", stage.difference(DifferenceKind::FeeDiffers));
    for how in ["booked", "agreed", ""] {
        let refused = stage.operator.browser.post(&format!("{fee}/preview"), &[("how", how)]);
        assert_eq!(refused.status, 422, "{how}");
        let refused = stage.operator.browser.post(&format!("{fee}/close"), &[("how", how)]);
        assert_eq!(refused.status, 422, "{how}");
    }
    has(&close(&mut stage, DifferenceKind::FeeDiffers, "explained"), &["Nothing: only the"]);
    assert!(stage.books().is_empty());
    let accepting = page(&mut stage.operator.browser, &format!("{path}/accepting"));
    assert_eq!(cell(&accepting, "Fees of the network"), "\u{2212}5.00 USD");
    let figures = carried(&accepting, "figures");
    stage.operator.browser.post(&format!("{path}/accept"), &[("figures", &figures)]);
    becomes(&mut stage.operator.browser, &path, &["5 lines are booked. 2 lines wait"]);
    // The line of a difference that is closed afterwards is booked at once.
    close(&mut stage, DifferenceKind::MissingHere, "explained");
    becomes(&mut stage.operator.browser, &path, &["6 lines are booked. 1 line waits"]);
    let fees = stage.books().into_iter().find(|row| row[0] == "FEE_GATEWAY").expect("fees");
    assert_eq!(fees[2], "-550");
    stage.server.verify_ledger();
}

/// The routes of the pages, and of their forms, about these rows.
fn routes(statement: StatementId, difference: &str) -> (Vec<String>, Vec<String>) {
    let of = |parts: &[&str]| -> Vec<String> {
        parts.iter().map(|part| format!("{PATH}{part}")).collect()
    };
    let (s, d) = (format!("/{statement}"), format!("/differences/{difference}"));
    let [accepting, csv, json, accept] =
        ["accepting", "csv", "json", "accept"].map(|part| format!("{s}/{part}"));
    let [preview, close] = ["preview", "close"].map(|part| format!("{d}/{part}"));
    let exports = ["balances", "statements", "differences"];
    let mut pages = of(&["", "/differences", &s, &d, &accepting, &csv, &json]);
    pages.extend(
        exports
            .iter()
            .flat_map(|name| ["csv", "json"].map(|format| format!("{PATH}/{name}/{format}"))),
    );
    (pages, of(&[&accept, &preview, &close]))
}

#[test]
fn the_operator_decides_an_auditor_looks_on_and_others_see_nothing() {
    let mut stage = Stage::open();
    let statement = stage.full();
    let difference = stage.difference(DifferenceKind::MissingHere);
    let (pages, forms) = routes(statement, &difference);
    let accepting =
        page(&mut stage.operator.browser, &format!("{}/accepting", of_statement(statement)));
    let figures = carried(&accepting, "figures");
    let fields = [("figures", figures.as_str()), ("how", "explained"), ("evidence", "ticket 7")];
    let before = books(&stage);
    for (role, person) in &mut everybody(&stage.server, &stage.shop) {
        let status = if ROLES.contains(role) { 404 } else { 200 };
        for path in &pages {
            let reply = person.browser.get(path);
            assert_eq!(reply.status, status, "{role} {path}");
            let is_form = text(&reply).contains("/accept\"") || text(&reply).contains("/preview\"");
            assert!(!is_form || *role == "OPERATOR", "{role} {path}");
        }
        if *role == "OPERATOR" {
            continue;
        }
        let status = if ROLES.contains(role) { 404 } else { 403 };
        for path in &forms {
            assert_eq!(person.browser.post(path, &fields).status, status, "{role} {path}");
        }
    }
    // Without the token of a page, and from another site.
    for path in &forms {
        let browser = &mut stage.operator.browser;
        assert_eq!(browser.post_bare(path, &fields).status, 403, "{path}");
        let mut other = browser.clone();
        other.headers.push(("Origin", "https://evil.example".to_owned()));
        assert_eq!(other.post(path, &fields).status, 403, "{path}");
    }
    assert_eq!(books(&stage), before);
    for path in &pages {
        let next = leads(&Browser::new(&stage.server).get(path)).to_owned();
        assert_eq!(next, format!("/app/login?next={path}"));
    }
    // Whoever gave no code for a while gives one first, and is told what it is for.
    stage.server.database.sql("UPDATE logins SET second_factor_at = 1");
    let asked = stage.operator.browser.post(&forms[0], &fields);
    let to = leads(&asked).to_owned();
    assert!(to.starts_with("/app/second-factor"), "{to}");
    let told = stage.operator.browser.post(&to, &fields);
    has(text(&told), &[&format!("Accept statement {statement}, which books"), "4 lines; fees"]);
    assert_eq!(books(&stage), before);
}

/// The rows of a CSV file that has no cells of several lines.
fn rows(reply: &Reply) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split(',').map(str::to_owned).collect();
    text(reply).lines().map(cells).collect()
}

#[test]
fn lists_are_exported_whole() {
    let mut stage = Stage::open();
    let statement = stage.full();
    stage.reader.read_balances();
    // More than are read at once.
    let long = stage.reader.begin("long.csv");
    let lines: Vec<_> =
        (0..520).map(|_| stage.reader.line(LineKind::Fee, money(-1, "USD"))).collect();
    stage.reader.record(long, &lines);
    stage.reader.end(long, Counts { lines: 520, new: 520, ..Counts::default() }, None);
    let browser = &mut stage.operator.browser;
    let csv = browser.get(&format!("{}/csv", of_statement(statement)));
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let disposition = csv.header("content-disposition").unwrap_or_default();
    assert_eq!(disposition, "attachment; filename=\"statement-lines.csv\"");
    let table = rows(&csv);
    assert_eq!(table.len(), 9);
    let column = |name: &str| table[0].iter().position(|head| head == name).expect("a column");
    let of = |name: &str| -> Vec<&str> {
        table[1..].iter().map(|row| row[column(name)].as_str()).collect()
    };
    assert_eq!(of("amount")[..4], ["103.00", "100.00", "-500.00", "-2.00"]);
    assert_eq!(of("currency")[1], "EUR");
    assert_eq!((of("settled")[1], of("settled_currency")[1]), ("108.00", "USD"));
    assert_eq!(of("reference")[4], "'=1+1<b>");
    assert_eq!(of("standing")[4..], ["DIFFERS", "DIFFERS", "DIFFERS", "UNDER_WAY"]);
    let exported = browser.get(&format!("{}/json", of_statement(statement)));
    assert_eq!(exported.header("content-type"), Some("application/json"));
    let exported = exported.body.as_array().expect("an array").clone();
    assert_eq!(exported.len(), 8);
    assert_eq!(exported[4]["reference"], json!("=1+1<b>"));
    assert_eq!((&exported[0]["fee"], &exported[0]["settled"]), (&json!("1.00"), &Value::Null));
    assert_eq!(exported[0]["statement_id"], json!(statement.0));
    assert_eq!(rows(&browser.get(&format!("{}/csv", of_statement(long)))).len(), 521);
    let all = browser.get(&format!("{}/json", of_statement(long))).body;
    let ids: std::collections::BTreeSet<i64> =
        all.as_array().expect("an array").iter().filter_map(|row| row["id"].as_i64()).collect();
    assert_eq!(ids.len(), 520);
    for (query, count) in [("", 4), ("?kind=FEE_DIFFERS", 1), ("?status=CLOSED", 0)] {
        let found = browser.get(&format!("{DIFFERENCES}/json{query}")).body;
        assert_eq!(found.as_array().expect("an array").len(), count, "{query}");
        assert_eq!(rows(&browser.get(&format!("{DIFFERENCES}/csv{query}"))).len(), count + 1);
    }
    assert_eq!(browser.get(&format!("{DIFFERENCES}/csv?kind=x")).status, 422);
    let found = browser.get(&format!("{PATH}/statements/json")).body;
    assert_eq!((&found[0]["name"], &found[1]["lines"]), (&json!("long.csv"), &json!(8)));
    assert_eq!(rows(&browser.get(&format!("{PATH}/statements/csv"))).len(), 3);
    let balances = browser.get(&format!("{PATH}/balances/json")).body;
    let usd = &balances[1];
    assert_eq!((&usd["currency"], &usd["network"]), (&json!("USD"), &json!("12345.67")));
    assert_eq!((&usd["not_booked"], &usd["difference"]), (&json!("-395.00"), &json!("0.00")));
    assert_eq!(rows(&browser.get(&format!("{PATH}/balances/csv"))).len(), 3);
    // Many lines are read page by page on the page, too.
    let first = page(browser, &of_statement(long));
    let later = between(&first, "<p><a href=\"", "\">More lines</a>");
    let later = later.rsplit("<a href=\"").next().expect("a link").replace("#lines", "");
    let second = page(browser, &later);
    has(&second, &["The first lines", "txn_59"]);
}

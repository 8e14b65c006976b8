//! Reviews on pages: who sees them, and what the operator posts after a preview.

use serde_json::Value;

use super::*;
use crate::reviews::{late_success, overdue, resolve};
use crate::support::shop::ending;
use crate::support::{id, json, shown, wait_for};

/// Somebody who runs the installation, with codes of a phone.
#[track_caller]
pub(crate) fn of_installation(server: &Server, role: &str) -> Person {
    server.database.give_secrets_key();
    let email = format!("{role}@host.example");
    let mut person = Person::join(server, &link(server, &[&format!("--{role}")]), &email);
    person.set_up_codes(server);
    person
}

fn page_of(shop: &Merchant, review: &Value) -> String {
    format!("/app/reviews/{}/{}", shop.credentials.merchant_id, id(review))
}

/// The lines of the preview: account and amount.
#[track_caller]
fn lines(page: &str) -> Vec<(String, String)> {
    let table = between(page, "The entries of the resolution</caption>", "</table>");
    let rows = table.split("<tr><td>").skip(1);
    let cells = rows.map(|row| {
        let (place, rest) = row.split_once("</td>").expect("a place");
        (place.to_owned(), between(rest, ">", "<").to_owned())
    });
    cells.collect()
}

/// The entries that the last transaction of an execution has: amount and currency, in their order.
fn posted(server: &Server, execution: &Value) -> Vec<String> {
    let sql = format!(
        "SELECT amount_minor, currency FROM entries WHERE execution_id = {execution} AND transaction_id = \
         (SELECT max(transaction_id) FROM entries WHERE execution_id = {execution}) ORDER BY id"
    );
    let rows = server.database.rows(&sql);
    rows.into_iter().map(|row| format!("{} {}", row[0], row[1])).collect()
}

/// An amount of a page as the ledger has it.
pub(crate) fn minor(shown: &str) -> String {
    let (amount, currency) = shown.split_once(' ').expect("a currency");
    let amount = amount.replace(['+', '.', ','], "").replace('\u{2212}', "-");
    let amount: i64 = amount.parse().unwrap_or_else(|_| panic!("{amount}"));
    format!("{amount} {currency}")
}

/// Everything that a resolution would change.
fn books(server: &Server) -> Vec<Vec<Vec<String>>> {
    let tables = ["events", "entries", "reviews", "executions", "wallets", "accounts"];
    tables.iter().map(|name| server.database.rows(&format!("SELECT * FROM {name}"))).collect()
}

#[test]
fn what_is_previewed_is_what_is_posted() {
    for (how, place, balance) in [
        ("wallet", "Wallet, available", "100.00"),
        ("payer", "Clearing: what the network holds", "0.00"),
    ] {
        let (server, shop) = open();
        let (failed, review) = late_success(&server, &shop);
        let reference = shown(&failed, "reference_id");
        let mut operator = of_installation(&server, "operator");
        let page = page_of(&shop, &review);
        let list = operator.browser.get("/app/reviews");
        for part in [page.as_str(), "Paid after it had failed", "103.00 USD", &shop_name(&server)] {
            assert!(text(&list).contains(part), "{part}: {}", text(&list));
        }
        let found = operator.browser.get(&page);
        assert_eq!(found.status, 200, "{}", text(&found));
        for part in ["the execution is FAILED; the provider says", "Suspense", "\u{2212}103.00 USD"]
        {
            assert!(text(&found).contains(part), "{part}: {}", text(&found));
        }
        let before = books(&server);
        let asked = operator.browser.post(&format!("{page}/preview"), &[("how", how)]);
        assert_eq!(asked.status, 200, "{}", text(&asked));
        let lines = lines(text(&asked));
        assert!(lines.iter().any(|(name, _)| name == place), "{lines:?}");
        assert_eq!(books(&server), before, "a preview changes nothing");
        let figures = between(text(&asked), "name=\"figures\" value=\"", "\"").to_owned();
        let fields =
            [("how", how), ("figures", figures.as_str()), ("evidence", "statement, line 7")];
        let done = operator.browser.post(&format!("{page}/resolve"), &fields);
        assert_eq!(leads(&done), page, "{}", text(&done));
        let amounts: Vec<String> = lines.iter().map(|(_, amount)| minor(amount)).collect();
        assert_eq!(posted(&server, &review["execution_id"]), amounts);
        shop.assert_balance("USD", balance, "0.00");
        let after = operator.browser.get(&page);
        assert!(text(&after).contains("It is resolved.") && !text(&after).contains("/preview"));
        assert!(text(&after).contains("statement, line 7"), "{}", text(&after));
        assert!(text(&operator.browser.get("/app/reviews")).contains("Nothing waits"));
        let rows = server.database.rows("SELECT evidence FROM reviews");
        assert_eq!(rows, [["statement, line 7"]]);
        let now = shop.status("collection", &reference);
        assert_eq!(shown(&now, "status"), "FAILED", "a final status stays");
        server.verify_ledger();
    }
}

fn shop_name(server: &Server) -> String {
    server.database.value("SELECT name FROM merchants ORDER BY id LIMIT 1")
}

#[test]
fn a_payment_past_its_deadline_is_completed_or_failed() {
    for how in ["completed", "failed"] {
        let (server, shop, first, review) = overdue("payout");
        let mut operator = of_installation(&server, "operator");
        let page = page_of(&shop, &review);
        // Money in suspense would be needed for the other two.
        let wrong = operator.browser.post(&format!("{page}/preview"), &[("how", "wallet")]);
        assert_eq!(wrong.status, 422);
        let shown_page = operator.browser.post(&format!("{page}/preview"), &[("how", how)]);
        let lines = lines(text(&shown_page));
        let figures = between(text(&shown_page), "name=\"figures\" value=\"", "\"").to_owned();
        let fields = [("how", how), ("figures", figures.as_str()), ("evidence", "a call")];
        assert_eq!(leads(&operator.browser.post(&format!("{page}/resolve"), &fields)), page);
        let amounts: Vec<String> = lines.iter().map(|(_, amount)| minor(amount)).collect();
        assert_eq!(posted(&server, &review["execution_id"]), amounts);
        let now = shop.status("payout", &shown(&first, "reference_id"));
        assert_eq!(shown(&now, "status"), how.to_uppercase());
        server.verify_ledger();
    }
}

/// A double click on the button, without script, and the form once more.
#[test]
fn a_resolution_that_is_sent_twice_leads_on() {
    let (server, shop) = open();
    let (_, review) = late_success(&server, &shop);
    let mut operator = of_installation(&server, "operator");
    let page = page_of(&shop, &review);
    let shown = operator.browser.post(&format!("{page}/preview"), &[("how", "payer")]);
    let figures = between(text(&shown), "name=\"figures\" value=\"", "\"").to_owned();
    let token = operator.browser.form_token();
    let fields = |evidence| {
        [
            ("form_token", token.as_str()),
            ("how", "payer"),
            ("figures", &figures),
            ("evidence", evidence),
        ]
    };
    let resolve = format!("{page}/resolve");
    let twice = all_at_once(&[(), ()], |()| {
        let reply = operator.browser.clone().post_bare(&resolve, &fields("a call"));
        leads(&reply).to_owned()
    });
    assert_eq!(twice, [page.as_str(), page.as_str()]);
    assert_eq!(leads(&operator.browser.post_bare(&resolve, &fields("a call"))), page);
    let after = books(&server);
    // On other evidence, or in another way, it is another form.
    let other = operator.browser.post_bare(&resolve, &fields("another call"));
    assert_eq!(other.status, 422, "{}", text(&other));
    let fields = [("how", "wallet"), ("figures", figures.as_str()), ("evidence", "a call")];
    assert_eq!(operator.browser.post(&resolve, &fields).status, 422);
    assert_eq!(books(&server), after);
    server.verify_ledger();
}

#[test]
fn what_was_not_shown_is_not_posted() {
    let (server, shop) = open();
    let (_, review) = late_success(&server, &shop);
    let mut operator = of_installation(&server, "operator");
    let page = page_of(&shop, &review);
    let shown = operator.browser.post(&format!("{page}/preview"), &[("how", "payer")]);
    let figures = between(text(&shown), "name=\"figures\" value=\"", "\"").to_owned();
    let before = books(&server);
    let resolve_by = |operator: &mut Person, fields: &[(&str, &str)]| {
        operator.browser.post(&format!("{page}/resolve"), fields)
    };
    // The figures of another resolution, none, and no evidence.
    let forged = [("how", "wallet"), ("figures", figures.as_str()), ("evidence", "x")];
    let reply = resolve_by(&mut operator, &forged);
    assert_eq!(reply.status, 422);
    assert!(text(&reply).contains("has changed meanwhile"), "{}", text(&reply));
    assert_eq!(resolve_by(&mut operator, &[("how", "payer"), ("evidence", "x")]).status, 422);
    let silent = [("how", "payer"), ("figures", figures.as_str()), ("evidence", " ")];
    let reply = resolve_by(&mut operator, &silent);
    assert_eq!(reply.status, 422);
    assert!(text(&reply).contains("Say what the decision is based on"), "{}", text(&reply));
    let hidden = [("how", "payer"), ("figures", figures.as_str()), ("evidence", "a\u{202e}b")];
    let reply = resolve_by(&mut operator, &hidden);
    assert_eq!(reply.status, 422);
    assert!(text(&reply).contains("The evidence has an invisible character, U+202E"));
    assert_eq!(books(&server), before);
    // Somebody else was quicker.
    resolve(&server, &review, &["--to", "wallet", "--evidence", "a call"]).ok();
    let good = [("how", "payer"), ("figures", figures.as_str()), ("evidence", "x")];
    let late = resolve_by(&mut operator, &good);
    assert_eq!(late.status, 422);
    let said = text(&late);
    assert!(said.contains("it was resolved before") && said.contains("to wallet"), "{said}");
    let late = operator.browser.post(&format!("{page}/preview"), &[("how", "payer")]);
    assert!(text(&late).contains("it was resolved before"), "{}", text(&late));
    shop.assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
}

#[test]
fn roles_see_reviews_and_only_the_operator_resolves() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let (_, review) = late_success(&server, &shop);
    let page = page_of(&shop, &review);
    let list = format!("/app/reviews/{}", shop.credentials.merchant_id);
    let before = books(&server);
    let posts = |person: &mut Person, at: &str| {
        let fields = [("how", "wallet"), ("figures", ""), ("evidence", "x")];
        ["preview", "resolve"]
            .map(|what| person.browser.post(&format!("{at}/{what}"), &fields).status)
    };
    for (role, may_read) in [
        ("VIEWER", false),
        ("DEVELOPER", false),
        ("SUPPORT", true),
        ("MANAGER", true),
        ("FINANCE", true),
        ("OWNER", true),
    ] {
        let mut person = member(&server, &shop, role, &format!("{role}@shop.example"));
        let expected = if may_read { 200 } else { 403 };
        for path in [&list, &page] {
            let reply = person.browser.get(path);
            assert_eq!(reply.status, expected, "{role} {path}: {}", text(&reply));
            assert!(!text(&reply).contains("/preview"), "{role} {path}");
        }
        // Entries are for who may read wallets.
        let entries = text(&person.browser.get(&page)).contains("Suspense</td>");
        assert_eq!(entries, ["MANAGER", "FINANCE", "OWNER"].contains(&role), "{role}");
        assert_eq!(text(&person.browser.get("/app")).contains(&list), may_read, "{role}");
        assert_eq!(posts(&mut person, &page), [403, 403], "{role}");
        // What waits of all merchants is for the installation.
        assert_eq!(person.browser.get("/app/reviews").status, 404, "{role}");
    }
    let mut auditor = of_installation(&server, "auditor");
    assert_eq!(auditor.browser.get("/app/reviews").status, 200);
    let seen = auditor.browser.get(&page);
    assert_eq!(seen.status, 200);
    assert!(text(&seen).contains("Your role does not show what was said over the wire"));
    assert_eq!(posts(&mut auditor, &page), [403, 403]);
    // Another merchant's, by its own address and below another's.
    let mut stranger = member(&server, &other, "OWNER", "eve@other.example");
    let theirs = format!("/app/reviews/{}/{}", other.credentials.merchant_id, id(&review));
    for path in [&list, &page, &theirs] {
        assert_eq!(stranger.browser.get(path).status, 404, "{path}");
    }
    for at in [&page, &theirs] {
        assert_eq!(posts(&mut stranger, at), [if at == &page { 404 } else { 403 }; 2], "{at}");
    }
    let mut operator = of_installation(&server, "operator");
    assert_eq!(operator.browser.get(&theirs).status, 404);
    assert_eq!(posts(&mut operator, &theirs), [404, 404]);
    assert_eq!(books(&server), before);
    // What a resolution is based on is not for merchants.
    resolve(&server, &review, &["--to", "payer", "--evidence", "the secret of the operator"]).ok();
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    let seen = owner.browser.get(&page);
    assert!(text(&seen).contains("to payer") && !text(&seen).contains("secret of the operator"));
    assert!(text(&auditor.browser.get(&page)).contains("secret of the operator"));
}

#[test]
fn lists_of_reviews_are_narrowed_and_go_on() {
    let (server, shop) = open();
    let (_, review) = late_success(&server, &shop);
    let mut operator = of_installation(&server, "operator");
    let browser = &mut operator.browser;
    let list = format!("/app/reviews/{}", shop.credentials.merchant_id);
    let page = page_of(&shop, &review);
    for (path, is_there) in [
        ("/app/reviews?kind=SUCCESS_AFTER_FAILURE".to_owned(), true),
        ("/app/reviews?kind=DISPUTE".to_owned(), false),
        (format!("/app/reviews?after={}", id(&review)), false),
        (format!("{list}?status=OPEN"), true),
        (format!("{list}?kind=DISPUTE"), false),
        (format!("{list}?after={}", id(&review)), false),
    ] {
        let reply = browser.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", text(&reply));
        assert_eq!(text(&reply).contains(&format!("href=\"{page}\"")), is_there, "{path}");
    }
    for path in ["/app/reviews?kind=NONE", "/app/reviews?after=x"] {
        assert_eq!(browser.get(path).status, 422, "{path}");
    }
    let of_api = shop.api.get("/v1/reviews/list?status=OPEN&kind=SUCCESS_AFTER_FAILURE").rows();
    assert_eq!((of_api.len(), id(&of_api[0])), (1, id(&review)));
    assert_eq!(shop.api.get("/v1/reviews/list?status=RESOLVED").rows(), Vec::<Value>::new());
    let one = shop.api.get(&format!("/v1/reviews/retrieve/{}", id(&review))).ok();
    assert_eq!(one["kind"], json!("SUCCESS_AFTER_FAILURE"));
}

#[test]
fn more_than_a_page_of_reviews_goes_on() {
    let (server, shop) = open();
    let account = shop.momo("COLLECTION", &ending("179"));
    for _ in 0..51 {
        shop.take(account, "USD", "1.00");
    }
    let open = || server.database.value("SELECT count(*) FROM reviews");
    wait_for("the reviews", || (open() == "51").then_some(()));
    let mut operator = of_installation(&server, "operator");
    let list = format!("/app/reviews/{}", shop.credentials.merchant_id);
    for path in ["/app/reviews", list.as_str()] {
        let mut next = Some(path.to_owned());
        let mut seen = vec![];
        while let Some(path) = next {
            let page = operator.browser.get(&path);
            let rows = text(&page).split("<p><a href=\"/app/reviews/").skip(1);
            let rows = rows.map(|row| row.split('"').next().expect("a path").to_owned());
            let rows: Vec<String> = rows.filter(|path| path.contains('/')).collect();
            next = text(&page)
                .split("<p><a href=\"")
                .find(|part| part.contains("after="))
                .map(|part| part.split('"').next().expect("a path").replace("&amp;", "&"));
            assert_eq!(rows.len(), if seen.is_empty() { 50 } else { 1 }, "{path}");
            seen.extend(rows);
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((count, seen.len()), (51, 51), "{path}");
    }
}

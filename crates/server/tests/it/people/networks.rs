//! Networks on a page: how payments go through them, for who runs the installation, and markets that
//! the operator closes and opens again.

use super::payments::{ROLES, everybody};
use super::reviews::of_installation;
use super::*;
use crate::networks::stage::Stage;
use crate::support::shop::{GOOD, ending};
use crate::support::{json, shown, wait_for};

const PAGE: &str = "/app/networks";

/// The part of the page about an account.
fn account<'a>(page: &'a str, name: &str) -> &'a str {
    between(page, &format!("<h2><bdi>{name}</bdi></h2>"), "</section>")
}

/// Two cells of a row: of an hour and of a day.
fn cells(part: &str, row: &str) -> [String; 2] {
    let row = between(part, &format!("<th scope=\"row\">{row}</th>"), "</tr>");
    let mut cells = row.split("<td class=\"n\">").skip(1);
    [(); 2].map(|()| cells.next().expect("a cell").split('<').next().expect("words").to_owned())
}

#[test]
fn the_operator_sees_how_payments_go() {
    let (server, shop, other) = open_two();
    let mut operator = of_installation(&server, "operator");
    let page = operator.browser.get(PAGE);
    assert_eq!(page.status, 200, "{}", text(&page));
    let part = account(text(&page), "pawapay-sandbox").to_owned();
    assert!(part.contains("No payment in the last 24 hours."), "{part}");
    // Of two merchants.
    for shop in [&shop, &other] {
        shop.paid_hundred();
        let failed = shop.take(shop.momo("COLLECTION", &ending("049")), "USD", "7.00");
        assert_eq!(shop.settled("collection", &failed)["status"], "FAILED");
    }
    shop.take(shop.momo("COLLECTION", GOOD), "USD", "1.00");
    // One that the network never ends, and one of before the last hour.
    shop.take(shop.momo("COLLECTION", &ending("129")), "USD", "3.00");
    let old = shop.paid_hundred();
    let ago = 5_i64 * 3_600_000_000;
    server.database.sql(&format!(
        "UPDATE executions SET created_at = created_at - {ago}, completed_at = completed_at - {ago} \
         WHERE id = {}",
        old["payment_intent_id"]
    ));
    let page = operator.browser.get(PAGE);
    let part = account(text(&page), "pawapay-sandbox");
    assert!(part.contains("<h3>MTN Mobile Money, Liberia</h3>"), "{part}");
    assert_eq!(cells(part, "Ended"), ["5", "6"]);
    assert_eq!(cells(part, "Success"), ["60.0 %", "66.6 %"]);
    assert!(part.contains("not known how they end: 1."), "{part}");
    assert!(part.contains("none: the sandbox is built in"), "{part}");
    assert!(account(text(&page), "stripe-sandbox").contains("No payment"), "{}", text(&page));
    assert!(!text(&page).contains("Counted are the newest"), "{}", text(&page));
}

#[test]
fn a_market_is_closed_and_opened_again() {
    let (server, shop) = open();
    let mut operator = of_installation(&server, "operator");
    let page = operator.browser.get(PAGE);
    let of_method = |page: &str| {
        between(page, "<summary>MTN Mobile Money, Liberia</summary>", "</details>").to_owned()
    };
    let before = of_method(text(&page));
    assert!(before.contains("<p>Payments in USD: open</p>"), "{before}");
    let fields = [("method", "MTN_MOMO_LBR"), ("operation", "COLLECTION"), ("currency", "USD")];
    let close = "/app/tariff/markets/close";
    assert_eq!(leads(&operator.browser.post(close, &fields)), "/app/tariff/markets");
    let closed = of_method(text(&operator.browser.get(PAGE)));
    assert!(closed.contains("<p>Payments in USD: closed</p>"), "{closed}");
    let session = shop.checkout(shop.invoice("USD", "10.00"));
    let account = shop.momo("COLLECTION", GOOD);
    let key = crate::support::key();
    assert_eq!(shop.collect(session, account, "USD", &key).status, 422);
    // The fields of the button.
    let form = between(&closed, "action=\"/app/tariff/markets/open\">", "</form>");
    let inputs = form.split("<input type=\"hidden\" name=\"").skip(2);
    let fields: Vec<(&str, &str)> = inputs
        .map(|input| (input.split('"').next().expect("a name"), between(input, "value=\"", "\"")))
        .collect();
    assert_eq!(fields.len(), 4, "{form}");
    let open = "/app/tariff/markets/open";
    // It leads back to the market whose form it is.
    let here = "/app/networks#market-MTN_MOMO_LBR";
    assert_eq!(leads(&operator.browser.post(open, &fields)), here);
    assert!(text(&operator.browser.get(PAGE)).contains("<details id=\"market-MTN_MOMO_LBR\">"));
    assert!(of_method(text(&operator.browser.get(PAGE))).contains("<p>Payments in USD: open</p>"));
    shop.collect(session, account, "USD", &key).ok();
    server.verify_ledger();
}

/// An account at a real network: what it takes, and its circuit.
#[test]
fn a_network_that_fails_is_seen() {
    let stage = Stage::open();
    let (server, shop) = (&stage.server, &stage.shop);
    let mut operator = of_installation(server, "operator");
    let page = operator.browser.get(PAGE);
    let part = account(text(&page), "pawapay");
    assert!(part.contains("PAWAPAY, TEST: <strong>takes payments</strong>"), "{part}");
    assert!(part.contains("Circuit: closed: payments are sent."), "{part}");
    let terms = between(part, "What the network takes", "</details>");
    assert!(terms.contains("<strong>works</strong>") && terms.contains(" to "), "{terms}");
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    stage.becomes("collection", &paid, "COMPLETED");
    let page = operator.browser.get(PAGE);
    let part = account(text(&page), "pawapay");
    assert_eq!(cells(part, "Success"), ["100.0 %", "100.0 %"]);
    assert!(part.contains("Since this process started: "), "{part}");
    let storm = json!({"network": "PAWAPAY", "kind": "REFUSED", "status": 500, "times": 1_000});
    stage.fault(&storm);
    wait_for("the circuit", || {
        let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
        shown(&paid, "waiting_for").contains("does not answer at present").then_some(())
    });
    let page = operator.browser.get(PAGE);
    let part = account(text(&page), "pawapay");
    assert!(part.contains("Circuit: open: the network fails"), "{part}");
    let stripe = account(text(&page), "stripe");
    assert!(stripe.contains("Circuit: closed"), "{stripe}");
    let hold = ["networks", "hold", "--account", &stage.stripe.to_string()];
    server.kola(&hold).ok();
    let stripe = account(text(&operator.browser.get(PAGE)), "stripe").to_owned();
    assert!(stripe.contains("stopped by an operator"), "{stripe}");
}

#[test]
fn only_the_installation_sees_networks() {
    let (server, shop) = open_with_key();
    for (role, person) in &mut everybody(&server, &shop) {
        let page = person.browser.get(PAGE);
        let is_of_merchant = ROLES.contains(role);
        assert_eq!(page.status, if is_of_merchant { 404 } else { 200 }, "{role}");
        let has_forms = text(&page).contains("/app/tariff/markets/close");
        assert_eq!(has_forms, *role == "OPERATOR", "{role}");
    }
    assert_eq!(leads(&Browser::new(&server).get(PAGE)), format!("/app/login?next={PAGE}"));
}

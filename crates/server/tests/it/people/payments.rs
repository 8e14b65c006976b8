//! The list of payments at `/app`, and the same list as CSV.

use std::collections::BTreeMap;

use super::person::{Person, text};
use super::{link, member, open_with_key};
use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, Server, id, open_two, shown};

pub(crate) const ROLES: [&str; 6] =
    ["OWNER", "FINANCE", "MANAGER", "SUPPORT", "DEVELOPER", "VIEWER"];

pub(crate) fn payments(shop: &Merchant) -> String {
    format!("/app/payments/{}", shop.credentials.merchant_id)
}

/// Somebody of each role, and the two of the installation.
#[track_caller]
pub(crate) fn everybody(server: &Server, shop: &Merchant) -> BTreeMap<&'static str, Person> {
    let mut people: BTreeMap<&str, Person> = BTreeMap::new();
    for role in ROLES {
        let email = format!("{}@shop.example", role.to_lowercase());
        people.insert(role, member(server, shop, role, &email));
    }
    let mut operator = Person::join(server, &link(server, &["--operator"]), "op@host.example");
    operator.set_up_codes(server);
    people.insert("OPERATOR", operator);
    let auditor = Person::join(server, &link(server, &["--auditor"]), "aud@host.example");
    people.insert("AUDITOR", auditor);
    people
}

/// How many payments a page lists.
fn count(page: &Reply) -> usize {
    text(page).matches("<li>\n<p><a href=\"/app/payments/").count()
}

fn lines(csv: &Reply) -> Vec<&str> {
    text(csv).lines().collect()
}

#[test]
fn each_role_sees_the_payments_as_it_may() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    shop.paid_hundred();
    server.fund(&shop, "USD", "50.00");
    let party = shop.party();
    shop.transfer(shop.counterparty(party), "USD", "5.00");
    for (role, person) in &mut everybody(&server, &shop) {
        let page = person.browser.get(&payments(&shop));
        assert_eq!(page.status, 200, "{role}: {}", text(&page));
        let page = text(&page);
        let sees = !["VIEWER", "DEVELOPER", "AUDITOR"].contains(role);
        // The payer, and who received the transfer.
        assert_eq!(page.matches("<bdi>Amara Kollie</bdi>").count(), if sees { 2 } else { 0 });
        assert_eq!(page.matches("<bdi>A. K.</bdi>").count(), if sees { 0 } else { 2 }, "{role}");
        assert_eq!(page.contains(GOOD), sees, "{role}");
        for part in ["103.00 USD", "Net <span class=\"n\">+100.00 USD", "paid", "transferred"] {
            assert!(page.contains(part), "{role} {part}: {page}");
        }
        assert!(page.contains("MTN Mobile Money, Liberia"), "{role}: {page}");
        let csv = person.browser.get(&format!("{}/csv", payments(&shop)));
        let may = ["OWNER", "FINANCE", "MANAGER", "OPERATOR", "AUDITOR"].contains(role);
        assert_eq!(csv.status, if may { 200 } else { 403 }, "{role}");
        assert_eq!(page.contains("as CSV"), may, "{role}");
        if may {
            assert_eq!(lines(&csv).len(), 3, "{role}: {}", text(&csv));
            assert_eq!(text(&csv).contains(GOOD), sees, "{role}");
        }
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        for path in [payments(&other), format!("{}/csv", payments(&other))] {
            let status = person.browser.get(&path).status;
            assert_eq!(status, if of_installation { 200 } else { 404 }, "{role} {path}");
        }
    }
}

#[test]
fn the_list_is_filtered_by_its_address_and_the_csv_with_it() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let page = ama.browser.get(&payments(&shop));
    assert!(text(&page).contains("No payment yet."), "{}", text(&page));
    let paid = shop.paid_hundred();
    shop.refund(&paid, "20.60");
    server.fund(&shop, "USD", "50.00");
    shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    shop.take(shop.momo("COLLECTION", GOOD), "LRD", "5000");
    for (filter, found) in [
        ("", 4),
        ("state=COMPLETED", 4),
        ("state=FAILED", 0),
        ("operation=REFUND", 1),
        ("state=COMPLETED&operation=COLLECTION", 2),
        ("method=MTN_MOMO_LBR", 4),
        ("method=CREDIT_CARD", 0),
        ("amount=103", 1),
        ("amount=103.00+USD", 1),
        ("amount=103+RWF", 0),
        ("amount=20.60", 1),
        ("amount=5000+lrd", 1),
        ("amount=50", 0),
        ("from=2000-01-01", 4),
        ("from=2100-01-01", 0),
        ("until=2000-01-01", 0),
    ] {
        let page = ama.browser.get(&format!("{}?{filter}", payments(&shop)));
        assert_eq!((page.status, count(&page)), (200, found), "{filter}: {}", text(&page));
        let empty = text(&page).contains("No payment fits.");
        assert_eq!(empty, found == 0, "{filter}");
        let csv = format!("{}/csv", payments(&shop));
        let address = if filter.is_empty() { csv.clone() } else { format!("{csv}?{filter}") };
        let shown = text(&page).replace("&#38;", "&").contains(&format!("href=\"{address}\""));
        assert!(shown || filter.contains("lrd"), "{address}: {}", text(&page));
        let csv = ama.browser.get(&address);
        assert_eq!(lines(&csv).len(), found + 1, "{filter}: {}", text(&csv));
    }
    // What is not understood is said beside its field, and the form keeps what was typed.
    for (filter, field) in [
        ("state=paid", "state"),
        ("operation=x", "operation"),
        ("method=momo", "method"),
        ("amount=much", "amount"),
        ("from=yesterday", "from"),
        ("until=x", "until"),
    ] {
        let page = ama.browser.get(&format!("{}?{filter}", payments(&shop)));
        assert_eq!(page.status, 422, "{filter}");
        assert!(text(&page).contains(&format!("id=\"{field}-fault\"")), "{}", text(&page));
        let csv = ama.browser.get(&format!("{}/csv?{filter}", payments(&shop)));
        // The CSV says what is wrong as the list does.
        assert_eq!(csv.status, 422, "{filter}");
        assert!(text(&csv).contains(&format!("id=\"{field}-fault\"")), "{}", text(&csv));
    }
    assert!(
        text(&ama.browser.get(&format!("{}?amount=much", payments(&shop))))
            .contains("value=\"much\"")
    );
}

#[test]
fn older_payments_stand_on_further_pages() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let account = shop.momo("COLLECTION", GOOD);
    for _ in 0..51 {
        shop.take(account, "USD", "1.00");
    }
    let first = ama.browser.get(&format!("{}?state=COMPLETED", payments(&shop)));
    assert_eq!(count(&first), 50);
    let (before, _) = text(&first).split_once("\">Older").expect("a link to older ones");
    let older = before.rsplit_once("href=\"").expect("its address").1.replace("&#38;", "&");
    assert!(older.contains("state=COMPLETED"), "the filter stays: {older}");
    let second = ama.browser.get(&older);
    assert_eq!(count(&second), 1);
    assert!(!text(&second).contains(">Older<"));
    let seen: std::collections::BTreeSet<&str> = [text(&first), text(&second)]
        .iter()
        .flat_map(|page| page.split("<li>\n<p><a href=\"").skip(1))
        .map(|rest| rest.split('"').next().expect("a path"))
        .collect();
    assert_eq!(seen.len(), 51, "each once");
}

#[test]
fn a_payment_that_waits_says_why_and_until_when() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    server.fund(&shop, "USD", "500.00");
    super::approvals::set_limits(&server, &shop, &["--payment", "0", "--bind-api-keys", "true"]);
    let held = shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    assert_eq!(shown(&held, "waiting_for"), "approval");
    let page = ama.browser.get(&payments(&shop));
    for part in ["not sent yet", "Waits for: approval.", "If nobody has approved it by then"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    let approval = id(&shop.api.get("/v1/approvals/list").rows()[0]);
    let refuse = format!("/v1/approvals/refuse/{approval}");
    shop.api.post(&refuse, &crate::support::json!({"note": "not <ours>"})).ok();
    let page = ama.browser.get(&payments(&shop));
    for part in ["failed", "Why: it was taken back: not &#60;ours&#62;."] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    assert!(!text(&page).contains("Net "), "what failed has no net: {}", text(&page));
    server.verify_ledger();
}

#[test]
fn a_program_downloads_the_list_and_asks_the_network() {
    let (server, shop, other) = open_two();
    let paid = shop.paid_hundred();
    let csv = shop.api.get("/v1/payment-intents/export?status=COMPLETED&amount=103&currency=USD");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(lines(&csv).len(), 2, "{csv:?}");
    assert!(lines(&csv)[1].contains(",103.00,USD,100.00,USD,"), "{csv:?}");
    assert_eq!(lines(&other.api.get("/v1/payment-intents/export")).len(), 1);
    for (filter, found) in
        [("operation_type=COLLECTION", 1), ("operation_type=REFUND", 0), ("amount=103.000", 1)]
    {
        let rows = shop.api.get(&format!("/v1/payment-intents/list?{filter}")).rows();
        assert_eq!(rows.len(), found, "{filter}");
    }
    shop.api.get("/v1/payment-intents/list?status=PAID").refused(422);
    // Of what is final nothing is asked, and nothing is on record.
    let path = format!("/v1/payment-intents/check/{}", paid["payment_intent_id"]);
    let checked = shop.api.call("POST", &path, None).ok();
    assert_eq!(shown(&checked, "status"), "COMPLETED");
    other.api.call("POST", &path, None).refused(404);
    // What needs the payer stays as it is, however often it is asked about.
    let card = Some("pm_card_authenticationRequired");
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", card);
    let waits = shop.take(card, "USD", "10.00");
    let path = format!("/v1/payment-intents/check/{}", waits["payment_intent_id"]);
    shop.advance(60);
    for _ in 0..2 {
        assert_eq!(shown(&shop.api.call("POST", &path, None).ok(), "status"), "PROCESSING");
    }
    server.verify_ledger();
}

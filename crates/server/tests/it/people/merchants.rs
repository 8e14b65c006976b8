//! Merchants on pages: their settings and wallets, for who runs the installation.

use super::reviews::of_installation;
use super::*;
use crate::support::json;

fn page_of(shop: &Merchant) -> String {
    format!("/app/merchants/{}", shop.credentials.merchant_id)
}

/// The number of the form that gives a wallet money.
#[track_caller]
fn reference(page: &str, wallet: i64) -> String {
    let form = between(page, &format!("/wallets/{wallet}/fund\">"), "</form>");
    between(form, "name=\"reference_id\" value=\"", "\"").to_owned()
}

#[test]
fn an_operator_verifies_funds_and_freezes() {
    let (server, shop) = open();
    let mut operator = of_installation(&server, "operator");
    let browser = &mut operator.browser;
    let page = page_of(&shop);
    assert!(text(&browser.get("/app/merchants")).contains(&format!("href=\"{page}\"")));
    let change = [("verified", "no"), ("tier", "default")];
    assert_eq!(leads(&browser.post(&format!("{page}/change"), &change)), page);
    assert!(text(&browser.get(&page)).contains("not verified: it may not pay out"));
    let unknown = [("verified", "yes"), ("tier", "gold")];
    assert_eq!(browser.post(&format!("{page}/change"), &unknown).status, 422);
    assert_eq!(server.database.value("SELECT verified FROM merchants"), "0");
    let change = [("verified", "yes"), ("tier", "default")];
    assert_eq!(leads(&browser.post(&format!("{page}/change"), &change)), page);
    // Money that is not real, once for each form.
    let wallet = shop.wallet("USD");
    let fund = format!("{page}/wallets/{wallet}/fund");
    let number = reference(text(&browser.get(&page)), wallet);
    for amount in ["0", "-1", "1.001", "much", ""] {
        let fields = [("reference_id", number.as_str()), ("amount", amount)];
        let reply = browser.post(&fund, &fields);
        assert_eq!(reply.status, 422, "{amount}");
        assert_eq!(reference(text(&reply), wallet), number, "the form keeps its number");
    }
    let fields = [("reference_id", number.as_str()), ("amount", "25.50")];
    for _ in 0..2 {
        assert_eq!(leads(&browser.post(&fund, &fields)), page);
    }
    shop.assert_balance("USD", "25.50", "0.00");
    let other = [("reference_id", number.as_str()), ("amount", "26.00")];
    assert_eq!(browser.post(&fund, &other).status, 422, "the number is another funding's");
    assert_eq!(browser.post(&fund, &[("amount", "1.00")]).status, 422);
    shop.assert_balance("USD", "25.50", "0.00");
    // Frozen, and what is not empty is not closed.
    let status = format!("{page}/wallets/{wallet}/status");
    assert_eq!(leads(&browser.post(&status, &[("status", "FROZEN")])), page);
    let seen = shop.api.get(&format!("/v1/wallets/retrieve/{wallet}")).ok();
    assert_eq!(seen["status"], json!("FROZEN"));
    let number = browser.post(&status, &[("status", "CLOSED")]);
    assert_eq!(number.status, 422, "{}", text(&number));
    assert_eq!(browser.post(&status, &[("status", "MELTED")]).status, 422);
    assert_eq!(leads(&browser.post(&status, &[("status", "ACTIVE")])), page);
    server.verify_ledger();
}

#[test]
fn only_the_operator_changes_merchants() {
    let (server, shop, other) = open_two();
    server.fund(&shop, "USD", "5.00");
    let (customer, _) = shop.party_with_money("USD", "2.00");
    let mut auditor = of_installation(&server, "auditor");
    let (page, wallet) = (page_of(&shop), shop.wallet("USD"));
    let forms = [
        format!("{page}/change"),
        format!("{page}/wallets/{wallet}/status"),
        format!("{page}/wallets/{wallet}/fund"),
    ];
    let key = "6f1c2f0e-5f5a-4a57-8f3d-2f1f5d6f7a11";
    let fields = [
        ("verified", "no"),
        ("tier", "default"),
        ("status", "FROZEN"),
        ("reference_id", key),
        ("amount", "5.00"),
    ];
    let state = || {
        ["merchants", "wallets", "entries", "fundings"]
            .map(|table| server.database.rows(&format!("SELECT * FROM {table} ORDER BY id")))
    };
    for path in ["/app/merchants", &page] {
        let seen = auditor.browser.get(path);
        assert_eq!(seen.status, 200, "{path}: {}", text(&seen));
        assert_eq!(text(&seen).matches("method=\"post\"").count(), 1, "{path}");
    }
    for form in &forms {
        assert_eq!(auditor.browser.post(form, &fields).status, 403, "{form}");
    }
    for role in ["VIEWER", "SUPPORT", "DEVELOPER", "FINANCE", "MANAGER", "OWNER"] {
        let mut person = member(&server, &shop, role, &format!("{role}@shop.example"));
        if person.secret.is_none() {
            person.set_up_codes(&server);
        }
        let before = state();
        assert_eq!(person.browser.get("/app/merchants").status, 404, "{role}");
        assert_eq!(person.browser.get(&page).status, 403, "{role}");
        for form in &forms {
            assert_eq!(person.browser.post(form, &fields).status, 403, "{role} {form}");
        }
        assert_eq!(state(), before, "{role}");
    }
    let mut stranger = member(&server, &other, "OWNER", "eve@other.example");
    let mut operator = of_installation(&server, "operator");
    // Whose a wallet is, by a name that may be seen.
    for (person, name) in [(&mut operator, "Amara Kollie"), (&mut auditor, "A. K.")] {
        let seen = person.browser.get(&page);
        let merchant = shop.credentials.merchant_id;
        let link =
            format!("of <a href=\"/app/customers/{merchant}/{customer}\"><bdi>{name}</bdi></a>");
        assert!(text(&seen).contains(&link), "{name}: {}", text(&seen));
        assert_eq!(text(&seen).matches("Kollie").count(), name.matches("Kollie").count());
    }
    let before = state();
    assert_eq!(stranger.browser.get(&page).status, 404);
    for form in &forms {
        assert_eq!(stranger.browser.post(form, &fields).status, 404, "{form}");
    }
    // Another merchant's wallet below this one's address.
    let theirs = other.wallet("USD");
    for what in ["status", "fund"] {
        let form = format!("{page}/wallets/{theirs}/{what}");
        assert_eq!(operator.browser.post(&form, &fields).status, 404, "{form}");
    }
    assert_eq!(operator.browser.get("/app/merchants/999999").status, 404);
    assert_eq!(state(), before);
}

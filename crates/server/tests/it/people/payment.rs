//! One payment at `/app`: what happened, what to say, and what can be done about it.

use super::approvals::set_limits;
use super::invoices::drawn;
use super::payments::{everybody, payments};
use super::person::{Person, between, leads, text};
use super::{member, open_with_key};
use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, Server, all_at_once, json, key, open_two, shown};

fn of(shop: &Merchant, payment: &serde_json::Value) -> String {
    format!("{}/{}", payments(shop), payment["payment_intent_id"])
}

/// Asks for a refund by a form that was just opened.
#[track_caller]
fn refund(person: &mut Person, payment: &str, amount: &str) -> Reply {
    let form = person.browser.get(&format!("{payment}/refund"));
    assert_eq!(form.status, 200, "{}", text(&form));
    let key = drawn(&form);
    let fields = [("key", key.as_str()), ("amount", amount), ("reason", "Returned")];
    person.browser.post(&format!("{payment}/refund"), &fields)
}

fn refunds(server: &Server) -> String {
    server.database.value("SELECT count(*) FROM executions WHERE original_execution_id IS NOT NULL")
}

fn support_limit(server: &Server, shop: &Merchant, limit: &str) {
    set_limits(server, shop, &["--support-refund", limit]);
}

#[test]
fn each_role_sees_of_a_payment_what_it_may() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let paid = shop.paid_hundred();
    shop.refund(&paid, "10.30");
    let path = of(&shop, &paid);
    for (role, person) in &mut everybody(&server, &shop) {
        let page = person.browser.get(&path);
        assert_eq!(page.status, 200, "{role}: {}", text(&page));
        let page = text(&page);
        for part in [
            "Payment of <span class=\"n\">103.00 USD",
            "Your payment of 103.00 USD has arrived. The code of your receipt is ",
            "Declared",
            "Completed",
            "Payer pays",
            "Left to give back: <span class=\"n\">92.70 USD",
            "10.30 USD",
            "INV-",
        ] {
            assert!(page.contains(part), "{role} {part}: {page}");
        }
        let is = |part: &str, roles: &[&str]| {
            assert_eq!(page.contains(part), roles.contains(role), "{role} {part}: {page}");
        };
        is("Amara Kollie", &["OWNER", "FINANCE", "MANAGER", "SUPPORT", "OPERATOR"]);
        is("A. K.", &["VIEWER", "DEVELOPER", "AUDITOR"]);
        is("fee platform", &["OWNER", "FINANCE", "MANAGER", "OPERATOR", "AUDITOR"]);
        is("Webhooks about it", &["OWNER", "DEVELOPER", "OPERATOR", "AUDITOR"]);
        let sells = ["OWNER", "FINANCE", "MANAGER", "SUPPORT"];
        is(&format!("href=\"{path}/refund\""), &sells);
        is("Make a link to the receipt", &["OWNER", "FINANCE", "MANAGER", "SUPPORT", "OPERATOR"]);
        // Nothing is asked of a network that has answered.
        assert!(!page.contains("Ask the network now"), "{role}");
        // In another merchant it is not there, and another's payment is not in this one.
        let elsewhere = of(&other, &paid);
        assert_eq!(person.browser.get(&elsewhere).status, 404, "{role}");
        assert_eq!(person.browser.get(&format!("{}/999999", payments(&shop))).status, 404);
    }
}

#[test]
fn forged_forms_are_refused_and_change_nothing() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    support_limit(&server, &shop, "500");
    let (paid, theirs) = (shop.paid_hundred(), other.paid_hundred());
    let path = of(&shop, &paid);
    let mut people = everybody(&server, &shop);
    let stored = || {
        server.database.rows(
            "SELECT (SELECT count(*) FROM executions), (SELECT count(*) FROM sessions), \
             (SELECT count(*) FROM checkout_configs), (SELECT count(*) FROM audit)",
        )
    };
    let before = stored();
    for (role, person) in &mut people {
        let (one, two) = (key(), key());
        let form = |key| [("key", key), ("amount", "1.00")];
        let refunds = ["OWNER", "FINANCE", "MANAGER", "SUPPORT"].contains(role);
        if !refunds {
            let reply = person.browser.post(&format!("{path}/refund"), &form(one.as_str()));
            assert_eq!(reply.status, 403, "{role}: {}", text(&reply));
            assert_eq!(person.browser.get(&format!("{path}/refund")).status, 403, "{role}");
        }
        if ["VIEWER", "DEVELOPER", "AUDITOR"].contains(role) {
            for what in ["check", "receipt"] {
                let reply = person.browser.post(&format!("{path}/{what}"), &[]);
                assert_eq!(reply.status, 403, "{role} {what}: {}", text(&reply));
            }
        }
        // By another merchant's ids, in its name or in one's own.
        for path in [of(&other, &theirs), of(&shop, &theirs), of(&other, &paid)] {
            let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
            for what in ["refund", "check", "receipt"] {
                let reply = person.browser.post(&format!("{path}/{what}"), &form(two.as_str()));
                let refused = [403, 404].contains(&reply.status) && of_installation;
                let unknown =
                    reply.status == 404 || path == of(&shop, &theirs) && reply.status == 403;
                let theirs_by_operator =
                    *role == "OPERATOR" && path == of(&other, &theirs) && what != "refund";
                assert!(
                    refused || unknown || theirs_by_operator,
                    "{role} {path}/{what}: {reply:?}"
                );
                if theirs_by_operator && what == "receipt" {
                    continue;
                }
            }
        }
        // Without the token of a page.
        let bare = person.browser.post_bare(&format!("{path}/refund"), &form(one.as_str()));
        assert_eq!(bare.status, 403, "{role}");
    }
    let after = stored();
    assert_eq!(before[0][..2], after[0][..2]);
    server.verify_ledger();
}

#[test]
fn a_double_click_refunds_once() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "50.00");
    let paid = shop.paid_hundred();
    let path = of(&shop, &paid);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let form = ama.browser.get(&format!("{path}/refund"));
    assert!(text(&form).contains("name=\"amount\"") && text(&form).contains("value=\"103.00\""));
    let key = drawn(&form);
    let token = ama.browser.form_token();
    let fields = [
        ("form_token", token.as_str()),
        ("key", key.as_str()),
        ("amount", "103.00"),
        ("reason", "Returned"),
    ];
    // All of it, so that a second one could not be declared.
    let clicks: Vec<u32> = (0..4).collect();
    let made = all_at_once(&clicks, |_| {
        let mut browser = ama.browser.clone();
        let reply = browser.post_bare(&format!("{path}/refund"), &fields);
        leads(&reply).to_owned()
    });
    assert!(made.iter().all(|to| *to == made[0]), "{made:?}");
    assert_eq!(refunds(&server), "1");
    let again = ama.browser.post_bare(&format!("{path}/refund"), &fields);
    assert_eq!(leads(&again), made[0]);
    // Of another amount it is another refund, which its key cannot have.
    let mut other = fields;
    other[2] = ("amount", "5.00");
    let other = ama.browser.post_bare(&format!("{path}/refund"), &other);
    assert_eq!(other.status, 422, "{}", text(&other));
    for part in ["This form was sent before", &format!("href=\"{}\"", made[0]), "value=\"5.00\""] {
        assert!(text(&other).contains(part), "{part}: {}", text(&other));
    }
    assert_ne!(drawn(&other), key, "another form makes it");
    assert_eq!(refunds(&server), "1");
    let page = ama.browser.get(&made[0]);
    for part in [
        "Refund of <span class=\"n\">103.00 USD",
        "The payment that this gives back",
        "<th scope=\"row\">Why</th><td><bdi>Returned</bdi>",
        "Taken from the wallet",
        "Given back",
    ] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    for part in ["Payer pays", "Payee has"] {
        assert!(!text(&page).contains(part), "{part}: {}", text(&page));
    }
    // None of the forms that came too late stays declared.
    let active = "SELECT count(*) FROM sessions WHERE status = \
        (SELECT code FROM stored_codes WHERE type = 'session_status' AND name = 'ACTIVE')";
    assert_eq!(server.database.value(active), "0");
    let page = ama.browser.get(&path);
    assert!(text(&page).contains("Left to give back: <span class=\"n\">0.00 USD"));
    assert!(text(&page).contains("<small><bdi>Returned</bdi></small>"), "{}", text(&page));
    // The invoice that was paid says so, with a link to its payment.
    let invoice = between(text(&page), "<tr><th scope=\"row\">Invoice</th><td><a href=\"", "\"");
    let invoice = ama.browser.get(invoice);
    let given_back =
        format!("<a href=\"{path}\"><span class=\"n\">103.00 USD</span> given back</a>");
    assert!(text(&invoice).contains(&given_back), "{}", text(&invoice));
    assert!(!text(&page).contains(&format!("href=\"{path}/refund\"")));
    server.verify_ledger();
}

#[test]
fn support_refunds_up_to_its_limit_and_finance_gives_a_code_above() {
    let (server, shop) = open_with_key();
    support_limit(&server, &shop, "20");
    let paid = shop.paid_hundred();
    let path = of(&shop, &paid);
    let mut support = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let refused = refund(&mut support, &path, "20.01");
    assert_eq!(refused.status, 403, "{}", text(&refused));
    assert!(text(&refused).contains("Support may give back at most 20.00 USD"));
    assert!(text(&refused).contains("value=\"20.01\""), "the form keeps what was typed");
    assert_eq!(refunds(&server), "0");
    let made = refund(&mut support, &path, "5").status;
    assert_eq!((made, refunds(&server).as_str()), (303, "1"));
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    server.database.sql("UPDATE logins SET second_factor_at = second_factor_at - 300000000");
    // Within the limit no code is asked for again.
    assert!(leads(&refund(&mut ama, &path, "10.00")).starts_with(&payments(&shop)));
    let asked = refund(&mut ama, &path, "30.50");
    let back = format!("{path}/refund/3050");
    assert_eq!(leads(&asked), format!("/app/second-factor?next={back}&to={path}/refund"));
    assert_eq!(refunds(&server), "2");
    let code = ama.code(&server);
    let given = ama.browser.post("/app/second-factor", &[("code", &code), ("next", &back)]);
    assert_eq!(leads(&given), back);
    let form = ama.browser.get(&back);
    assert!(text(&form).contains("value=\"30.50\""), "{}", text(&form));
    let fields = [("key", drawn(&form)), ("amount", "30.50".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let made = ama.browser.post(&format!("{path}/refund"), &fields);
    assert!(leads(&made).starts_with(&payments(&shop)), "{}", text(&made));
    assert_eq!(refunds(&server), "3");
    let by = server.database.value(
        "SELECT count(*) FROM audit WHERE command = \
         (SELECT code FROM stored_codes WHERE type = 'audited_command' AND name = 'execute') \
         AND actor_kind = (SELECT code FROM stored_codes WHERE type = 'actor_kind' AND name = 'USER')",
    );
    assert_eq!(by, "3");
    server.verify_ledger();
}

#[test]
fn what_is_typed_into_a_refund_is_checked() {
    let (server, shop) = open_with_key();
    let paid = shop.paid_hundred();
    let path = of(&shop, &paid);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    for (amount, why) in [
        ("", "Give an amount of USD"),
        ("0", "Give an amount of USD"),
        ("-1", "Give an amount of USD"),
        ("1.001", "Give an amount of USD"),
        ("5 LRD", "Give an amount of USD"),
        ("103.01", "103.00"),
    ] {
        let reply = refund(&mut ama, &path, amount);
        assert_eq!(reply.status, 422, "{amount}: {}", text(&reply));
        assert!(text(&reply).contains(why), "{amount}: {}", text(&reply));
        assert!(text(&reply).contains("id=\"amount-fault\""), "{amount}: {}", text(&reply));
    }
    let long = "x".repeat(256);
    let key = key();
    for (name, value) in [("key", "nonsense"), ("reason", long.as_str())] {
        let mut fields = vec![("key", key.as_str()), ("amount", "1.00")];
        fields.retain(|(other, _)| *other != name);
        fields.push((name, value));
        assert_eq!(ama.browser.post(&format!("{path}/refund"), &fields).status, 422, "{name}");
    }
    // A reference that something else has is no replay.
    let used = shown(&paid, "reference_id");
    let fields = [("key", used.as_str()), ("amount", "1.00")];
    let reply = ama.browser.post(&format!("{path}/refund"), &fields);
    assert_eq!(reply.status, 422, "{}", text(&reply));
    assert_ne!(drawn(&reply), used);
    assert_eq!(refunds(&server), "0");
    // What did not arrive has nothing to give back.
    let failed = shop.take(shop.momo("COLLECTION", "231880000019"), "USD", "10.00");
    assert_eq!(shown(&failed, "status"), "FAILED");
    let path = of(&shop, &failed);
    assert_eq!(ama.browser.get(&format!("{path}/refund")).status, 404);
    let page = ama.browser.get(&path);
    assert!(text(&page).contains("did not go through") && !text(&page).contains("/refund\""));
    server.verify_ledger();
}

#[test]
fn the_network_is_asked_and_the_receipt_passed_on() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    // Nothing is heard of it for a quarter of an hour.
    let waits = shop.take(shop.momo("COLLECTION", "231880000129"), "USD", "10.00");
    assert_eq!(shown(&waits, "status"), "PROCESSING");
    let path = of(&shop, &waits);
    let page = kofi.browser.get(&path);
    for part in ["Ask the network now", "Waits for: ", "Then an operator looks at it", "do not pay"]
    {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    // The page looks by itself, with a button to stop.
    for part in ["data-state=\"PROCESSING\" data-poll=\"asked\"", "Stop checking"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    let check = format!("{path}/check");
    let recently = format!("{path}?asked=recently");
    assert_eq!(leads(&kofi.browser.post(&check, &[])), recently);
    let page = kofi.browser.get(&recently);
    assert!(text(&page).contains("The network was asked a moment ago"), "{}", text(&page));
    // Neither the network's checks nor the deadline have come.
    shop.advance(11);
    let answered = format!("{path}?asked=answered");
    assert_eq!(leads(&kofi.browser.post(&check, &[])), answered);
    let page = kofi.browser.get(&answered);
    assert!(text(&page).contains("Asked: it is still under way there."), "{}", text(&page));
    shop.advance(1_000);
    assert!(leads(&kofi.browser.post(&check, &[])).starts_with(&format!("{path}?asked=")));
    shop.settled("collection", &waits);
    let page = kofi.browser.get(&answered);
    assert!(text(&page).contains("Asked: it has ended. It is paid now."), "{}", text(&page));
    let page = kofi.browser.get(&path);
    assert!(text(&page).contains("has arrived"), "{}", text(&page));
    for part in ["Ask the network now", "Asked", "data-poll", "Stop checking"] {
        assert!(!text(&page).contains(part), "{part}: {}", text(&page));
    }
    // Looking makes no link; asking for it makes one.
    let made = || server.database.value("SELECT count(*) FROM checkout_configs");
    assert_eq!(made(), "0");
    assert_eq!(leads(&kofi.browser.post(&format!("{path}/receipt"), &[])), path);
    assert_eq!(made(), "1");
    let page = kofi.browser.get(&path);
    let url = between(text(&page), "The receipt, to pass on: <a href=\"", "\"");
    let receipt = format!("/receipt/{}", url.rsplit_once("/receipt/").expect("a receipt").1);
    assert_eq!(kofi.browser.get(&receipt).status, 200, "{url}");
    let mut viewer = member(&server, &shop, "VIEWER", "yaa@shop.example");
    let page = viewer.browser.get(&path);
    assert!(!text(&page).contains("/receipt/"), "it shows the payer's name: {}", text(&page));
    server.verify_ledger();
}

#[test]
fn who_resolved_a_review_is_the_operator_for_the_merchant() {
    let (server, shop) = open_with_key();
    let (late, review) = crate::reviews::late_success(&server, &shop);
    let mut operator = super::reviews::of_installation(&server, "operator");
    let mut auditor = super::reviews::of_installation(&server, "auditor");
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    let path = of(&shop, &late);
    // The review leads to its payment.
    let here = format!("/app/reviews/{}/{}", shop.credentials.merchant_id, review["id"]);
    let page = operator.browser.get(&here);
    let to_payment = format!("<a href=\"{path}\">The payment</a>");
    assert!(text(&page).contains(&to_payment), "{}", text(&page));
    let page = operator.browser.post(&format!("{here}/preview"), &[("how", "wallet")]);
    let figures = between(text(&page), "name=\"figures\" value=\"", "\"").to_owned();
    let fields = [("how", "wallet"), ("figures", figures.as_str()), ("evidence", "a call")];
    assert_eq!(leads(&operator.browser.post(&format!("{here}/resolve"), &fields)), here);
    let name =
        server.database.value("SELECT name FROM users WHERE email = 'operator@host.example'");
    let by_name = format!(", by <bdi>{name} (operator)</bdi>");
    let unnamed = ", by <bdi>the operator</bdi>";
    for (person, named) in [(&mut owner, false), (&mut operator, true), (&mut auditor, true)] {
        let page = person.browser.get(&path);
        assert_eq!(text(&page).contains(&by_name), named, "{}", text(&page));
        assert_eq!(text(&page).contains(unnamed), !named, "{}", text(&page));
        assert!(!text(&page).contains("left"), "{}", text(&page));
    }
}

#[test]
fn who_has_left_is_still_named() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "50.00");
    let paid = shop.paid_hundred();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let made = leads(&refund(&mut ama, &of(&shop, &paid), "10.00")).to_owned();
    server.database.sql(
        "UPDATE memberships SET role = NULL WHERE user_id = \
         (SELECT id FROM users WHERE email = 'ama@shop.example')",
    );
    let name = server.database.value("SELECT name FROM users WHERE email = 'ama@shop.example'");
    let mut kofi = member(&server, &shop, "FINANCE", "kofi@shop.example");
    let page = kofi.browser.get(&made);
    let by = format!(", by <bdi>{name} (has left)</bdi>");
    assert!(text(&page).contains(&by), "{}", text(&page));
    let mut viewer = member(&server, &shop, "VIEWER", "yaa@shop.example");
    let page = viewer.browser.get(&made);
    assert!(text(&page).contains(" (has left)</bdi>"), "{}", text(&page));
    assert!(!text(&page).contains(&by), "{}", text(&page));
}

#[test]
fn the_rate_of_a_refund_is_that_of_its_payment() {
    let (server, shop) = open_with_key();
    let session = shop.checkout(shop.invoice("USD", "10.00"));
    let paid = shop.collect(session, shop.momo("COLLECTION", GOOD), "LRD", &key()).ok();
    shop.settled("collection", &paid);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let path = of(&shop, &paid);
    let made = leads(&refund(&mut ama, &path, "192.00")).to_owned();
    for page in [path, made] {
        let page = ama.browser.get(&page);
        let rate = "<th scope=\"row\">Rate</th><td><bdi>192 LRD for 1 USD</bdi>";
        assert!(text(&page).contains(rate), "{}", text(&page));
    }
}

#[test]
fn a_review_and_the_words_with_the_network_are_shown_to_who_may_read_them() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    // It fails, and was a success after all.
    let late = shop.take(shop.momo("COLLECTION", "231880000179"), "USD", "10.00");
    crate::support::wait_for("the review", || {
        let open = server.database.value("SELECT count(*) FROM reviews");
        (open == "1").then_some(())
    });
    let id = &late["payment_intent_id"];
    let path = of(&shop, &late);
    for (role, person) in &mut everybody(&server, &shop) {
        let page = person.browser.get(&path);
        let reads = !["VIEWER", "DEVELOPER"].contains(role);
        let shows = text(&page).contains("success after failure");
        assert_eq!(shows, reads, "{role}: {}", text(&page));
        assert!(text(&page).contains("in review"), "{role}");
    }
    let detail = shop.api.get(&format!("/v1/payment-intents/retrieve/{id}")).ok();
    assert_eq!(detail["reviews"][0]["kind"], "SUCCESS_AFTER_FAILURE");
    let exchanges = format!("/v1/payment-intents/{id}/exchanges");
    // The sandbox network is in this process: nothing goes over a wire.
    assert_eq!(shop.api.get(&exchanges).ok()["exchanges"], json!([]));
    let owner = server.database.value("SELECT id FROM executions ORDER BY id LIMIT 1");
    server.database.sql(&format!(
        "INSERT INTO exchanges (id, merchant_id, execution_id, network_account_id, is_callback, begun_at, \
         duration_us, request, status, answer, digest) SELECT 1, merchant_id, id, 1, 0, 1790000000000000, 12000, \
         'POST /deposits', 200, 'name: Amara <Kollie>', 'd' FROM executions WHERE id = {owner}"
    ));
    let row = shop.api.get(&exchanges).ok()["exchanges"][0].clone();
    assert_eq!((row["status"].as_i64(), row["duration_ms"].as_i64()), (Some(200), Some(12)));
    other.api.get(&exchanges).refused(404);
    let mut kofi = member(&server, &shop, "SUPPORT", "k@shop.example");
    let mut yaa = member(&server, &shop, "VIEWER", "y@shop.example");
    let (seen, masked) = (kofi.browser.get(&path), yaa.browser.get(&path));
    assert!(text(&seen).contains("name: Amara &#60;Kollie&#62;"), "{}", text(&seen));
    assert!(text(&masked).contains("200 after 12 ms") && !text(&masked).contains("name: Amara"));
    let of_viewer = super::approvals::operators_key(&server, &shop, "VIEWER");
    let row = of_viewer.api.get(&exchanges).ok()["exchanges"][0].clone();
    assert_eq!((&row["answer"], &row["status"]), (&serde_json::Value::Null, &json!(200)));
    let detail = of_viewer.api.get(&format!("/v1/payment-intents/retrieve/{id}")).ok();
    assert!(detail.get("reviews").is_none(), "{detail}");
}

#[test]
fn a_name_of_a_payer_is_no_markup() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let paid = shop.paid_hundred();
    server.database.sql("UPDATE payment_accounts SET account_name = '<b>=1+1</b>'");
    let page = ama.browser.get(&of(&shop, &paid));
    assert!(text(&page).contains("&#60;b&#62;=1+1") && !text(&page).contains("<b>="));
    server.database.sql("UPDATE payment_accounts SET account_name = '=1+1'");
    let csv = ama.browser.get(&format!("{}/csv", payments(&shop)));
    assert!(text(&csv).contains(",'=1+1,"), "{}", text(&csv));
    assert!(text(&csv).contains(GOOD));
}

/// The hidden fields of the first form of a page.
fn hidden(page: &Reply) -> Vec<(String, String)> {
    let form = between(text(page), "<form method=\"post\"", "</form>");
    let inputs = form.split("<input type=\"hidden\" name=\"").skip(1);
    let field = |input: &str| {
        let (name, rest) = input.split_once('"').expect("a name");
        (name.to_owned(), between(rest, "value=\"", "\"").to_owned())
    };
    inputs.map(field).collect()
}

/// A browser sends the form on to the page of the code, which keeps it.
#[test]
fn what_was_typed_is_kept_while_a_code_is_asked_for() {
    let (server, shop) = open_with_key();
    support_limit(&server, &shop, "20");
    let paid = shop.paid_hundred();
    let path = of(&shop, &paid);
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let form = ama.browser.get(&format!("{path}/refund"));
    let key = drawn(&form);
    server.database.sql("UPDATE logins SET second_factor_at = second_factor_at - 300000000");
    let reason = "sent twice, \u{201c}sorry\u{201d} & <b>";
    let typed = [
        ("key", key.as_str()),
        ("amount", "30.50"),
        ("reason", reason),
        ("passcode", "of nobody's business"),
    ];
    let sent = ama.browser.post(&format!("{path}/refund"), &typed);
    assert_eq!(sent.status, 307);
    let prompt = ama.browser.post(leads(&sent), &typed);
    assert_eq!(prompt.status, 200, "{}", text(&prompt));
    assert!(text(&prompt).contains("was not done yet"), "{}", text(&prompt));
    let what = format!("Refund 30.50 USD of payment {}", paid["payment_intent_id"]);
    assert!(text(&prompt).contains(&what), "{}", text(&prompt));
    assert!(!text(&prompt).contains("business"), "a secret is no field of a page");
    assert_eq!(refunds(&server), "0");
    let give = |ama: &mut Person, code: &str, page: &Reply| {
        let mut fields = hidden(page);
        fields.push(("code".to_owned(), code.to_owned()));
        let fields: Vec<_> = fields
            .iter()
            .filter(|(name, _)| name != "form_token")
            .map(|(name, value)| {
                (
                    name.as_str(),
                    value.replace("&#38;", "&").replace("&#60;", "<").replace("&#62;", ">"),
                )
            })
            .collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ama.browser.post("/app/second-factor", &fields)
    };
    // A wrong code loses nothing.
    let again = give(&mut ama, "000000", &prompt);
    assert_eq!(again.status, 403, "{}", text(&again));
    let code = ama.code(&server);
    let right = give(&mut ama, &code, &again);
    assert_eq!(right.status, 200, "{}", text(&right));
    assert!(text(&right).contains("The code is right"), "{}", text(&right));
    assert!(text(&right).contains(&what), "{}", text(&right));
    assert_eq!(refunds(&server), "0", "only the person asks for it");
    assert!(text(&right).contains(&format!("action=\"{path}/refund\"")), "{}", text(&right));
    let kept = hidden(&right);
    let of =
        |name: &str| kept.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let reason = "sent twice, \u{201c}sorry\u{201d} &#38; &#60;b&#62;".to_owned();
    assert_eq!((of("amount"), of("reason")), (Some("30.50".to_owned()), Some(reason)));
    assert_eq!((of("key"), of("passcode")), (Some(key.clone()), None));
    let done = ama.browser.post(&format!("{path}/refund"), &typed);
    assert!(leads(&done).starts_with(&payments(&shop)), "{}", text(&done));
    assert_eq!(refunds(&server), "1");
    // Nobody is led out of these pages by an address that somebody made.
    for to in ["https://evil.example", "//evil.example", "/v1/merchants"] {
        let page = ama.browser.post(&format!("/app/second-factor?next=/app/x&to={to}"), &typed);
        assert!(!text(&page).contains("name=\"to\""), "{to}: {}", text(&page));
    }
}

//! Payment accounts.

use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, assert_fields, id, instant, json, key, open};

fn create(shop: &Merchant, operation: &str, provider: &str, method: &str) -> Reply {
    let body = json!({"account_name": "Amara", "provider": provider, "method": method, "party_id": shop.party(),
        "insensitive_account_number": GOOD});
    shop.api.post(&format!("/v1/payment-accounts/create?operation_type={operation}"), &body)
}

#[test]
fn a_number_is_one_that_the_method_has() {
    let (_server, shop) = open();
    let party = shop.party();
    for card in ["pm_card_foo", "4242424242424242", "visa"] {
        let reply = shop.create_account(party, "COLLECTION", "CREDIT_CARD", Some(card));
        let fault = reply.fault("body.insensitive_account_number");
        assert_eq!(fault.kind, "value_error.card");
        assert!(fault.msg.contains("Stripe's test payment methods: pm_card_visa"), "{}", fault.msg);
    }
    for number in ["+231880000001", "0880000001", "2318800", "2318800000011111", "23188000000a"] {
        let reply = shop.create_account(party, "PAYOUT", "MTN_MOMO_LBR", Some(number));
        let fault = reply.fault("body.insensitive_account_number");
        fault.says(
            "not a phone number: 8 to 15 digits with the country code and no plus sign, such as 231770000001",
            "value_error.phone",
        );
    }
    assert!(shop.api.get("/v1/payment-accounts/list").rows().is_empty());
    shop.account(party, "COLLECTION", "CREDIT_CARD", None);
    shop.account(party, "COLLECTION", "CREDIT_CARD", Some("pm_card_gb"));
    shop.account(party, "COLLECTION", "MTN_MOMO_LBR", None);
    shop.account(party, "COLLECTION", "WALLET", Some("anything"));
}

#[test]
fn an_account_never_echoes_its_number() {
    let (_server, shop) = open();
    let party = shop.party();
    let body = json!({"account_name": "Amara", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": party,
        "insensitive_account_number": "231886543217"});
    let account =
        shop.api.post("/v1/payment-accounts/create?operation_type=COLLECTION", &body).ok();
    assert_fields(
        &account,
        &[
            ("account_name", "Amara"),
            ("provider", "PAWAPAY"),
            ("method", "MTN_MOMO_LBR"),
            ("is_active", "true"),
        ],
    );
    assert_eq!(account["party_id"], json!(party));
    assert!(account["masked_account_number"].is_string(), "{account}");
    assert!(!account.to_string().contains("231886543217"), "{account}");
    instant(&account["created_at"]);
}

#[test]
fn the_provider_may_be_the_methods_own_name() {
    let (_server, shop) = open();
    for method in ["MTN_MOMO_LBR", "ORANGE_MONEY_LBR"] {
        for provider in [method, "PAWAPAY"] {
            let account = create(&shop, "COLLECTION", provider, method).ok();
            assert_fields(&account, &[("provider", "PAWAPAY"), ("method", method)]);
        }
    }
}

#[test]
fn a_method_goes_through_its_own_provider() {
    let (_server, shop) = open();
    for (provider, method) in [
        ("STRIPE", "MTN_MOMO_LBR"),
        ("PLATFORM", "MTN_MOMO_LBR"),
        ("PAWAPAY", "CREDIT_CARD"),
        ("PAWAPAY", "WALLET"),
        ("ORANGE_MONEY_LBR", "MTN_MOMO_LBR"),
    ] {
        create(&shop, "COLLECTION", provider, method).refused(422);
    }
}

#[test]
fn an_account_needs_its_fields_and_its_operation() {
    let (_server, shop) = open();
    let fields = ["body.account_name", "body.provider", "body.method", "body.party_id"];
    shop.api
        .post("/v1/payment-accounts/create?operation_type=PAYOUT", &json!({}))
        .faults_are_at(&fields);
    let reply = shop.api.post("/v1/payment-accounts/create", &json!({}));
    reply.fault("query.operation_type").is_missing();
    let reply = create(&shop, "GIFT", "PAWAPAY", "MTN_MOMO_LBR");
    assert_eq!(reply.fault("query.operation_type").kind, "type_error.enum");
}

#[test]
fn provider_and_method_are_known_ones() {
    let (_server, shop) = open();
    let reply = create(&shop, "PAYOUT", "BANK", "CASH");
    reply.faults_are_at(&["body.provider", "body.method"]);
    assert_eq!(reply.fault("body.method").kind, "type_error.enum");
}

#[test]
fn an_account_needs_a_known_party() {
    let (_server, shop) = open();
    let body = json!({"account_name": "Amara", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": 987_654,
        "insensitive_account_number": GOOD});
    shop.api
        .post("/v1/payment-accounts/create?operation_type=PAYOUT", &body)
        .state_fault("body.party_id");
}

/// Phone numbers can be ported, so an account with any operator's number is accepted. A real
/// network knows whose number it is; the sandbox decides by the table of prefixes.
#[test]
fn a_number_of_another_operator_is_declined_when_it_is_used() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let (orange, mtn) = ("231770000001", "231880000001");
    for (method, number, message) in [
        (
            "ORANGE_MONEY_LBR",
            mtn,
            Some("NOT_FOUND: the number has no account with this mobile operator"),
        ),
        (
            "MTN_MOMO_LBR",
            orange,
            Some("NOT_FOUND: the number has no account with this mobile operator"),
        ),
        ("ORANGE_MONEY_LBR", orange, None),
        // The table has no operator for this number.
        ("MTN_MOMO_LBR", "231990000001", None),
    ] {
        let account = |operation| shop.account(shop.party(), operation, method, Some(number));
        let taken = shop.take(account("COLLECTION"), "USD", "5.00");
        let sent = shop.send(account("PAYOUT"), "USD", "5.00");
        for (execution, who) in [(taken, "PAYER"), (sent, "RECIPIENT")] {
            let status = if message.is_some() { "FAILED" } else { "COMPLETED" };
            assert_eq!(execution["status"], status, "{method} {number}: {execution}");
            let message = message.map(|message| format!("{who}_{message}"));
            assert_eq!(execution["gateway_message"], json!(message), "{method} {number}");
        }
    }
}

#[test]
fn a_number_of_another_country_is_refused() {
    let (_server, shop) = open();
    for (method, number, code) in [
        ("MTN_MOMO_LBR", "491701234567", "231"),
        ("MTN_MOMO_LBR", "250780000001", "231"),
        ("AIRTEL_RWA", GOOD, "250"),
    ] {
        let reply = shop.create_account(shop.party(), "PAYOUT", method, Some(number));
        let fault = reply.fault("body.insensitive_account_number");
        assert_eq!(fault.kind, "value_error.phone");
        assert!(
            fault.msg.ends_with(&format!("those that {method} serves begin with {code}")),
            "{}",
            fault.msg
        );
    }
    let german = shop.party_with_phone("491701234567");
    shop.create_account(german, "COLLECTION", "MTN_MOMO_LBR", None)
        .fault("body.insensitive_account_number");
    shop.account(german, "COLLECTION", "CREDIT_CARD", None);
    shop.account(german, "COLLECTION", "WALLET", None);
    shop.account(german, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
}

#[test]
fn the_payer_need_not_be_the_sources_party() {
    let (_server, shop) = open();
    assert_eq!(shop.take(shop.momo("COLLECTION", GOOD), "USD", "5.00")["status"], "COMPLETED");
}

#[test]
fn accounts_are_listed_by_what_they_are() {
    let (_server, shop) = open();
    let party = shop.party();
    let takes = shop.account(party, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
    let card = shop.account(party, "COLLECTION", "CREDIT_CARD", None);
    let pays = shop.account(party, "PAYOUT", "MTN_MOMO_LBR", Some(GOOD));
    let other = shop.momo("PAYOUT", GOOD);
    shop.api.post(&format!("/v1/payment-accounts/deactivate/{takes}"), &json!({})).ok();
    let ids = |query: &str| -> Vec<i64> {
        shop.api.get(&format!("/v1/payment-accounts/list{query}")).rows().iter().map(id).collect()
    };
    assert_eq!(ids(""), [other, pays, card, takes]);
    assert_eq!(ids(&format!("?party_id={party}")), [pays, card, takes]);
    assert_eq!(ids("?method=CREDIT_CARD"), [card]);
    assert_eq!(ids("?operation_type=PAYOUT"), [other, pays]);
    assert_eq!(
        (ids("?is_active=false"), ids("?is_active=true")),
        (vec![takes], vec![other, pays, card])
    );
    assert_eq!(
        ids(&format!("?party_id={party}&operation_type=PAYOUT&method=MTN_MOMO_LBR&is_active=1")),
        [pays]
    );
    let first = shop.api.get("/v1/payment-accounts/list?operation_type=PAYOUT&limit=1");
    let link = first.header("link").expect("a link").to_owned();
    assert!(link.contains("operation_type=PAYOUT&limit=1&after_id="), "{link}");
    assert_eq!(ids(&format!("?operation_type=PAYOUT&after_id={other}")), [pays]);
    shop.api
        .get("/v1/payment-accounts/list?is_active=maybe&method=CASH")
        .faults_are_at(&["query.method", "query.is_active"]);
}

#[test]
fn an_account_is_read_as_it_was_made() {
    let (_server, shop) = open();
    let made =
        shop.create_account(shop.party(), "PAYOUT", "MTN_MOMO_LBR", Some("231886543217")).ok();
    let read = shop.api.get(&format!("/v1/payment-accounts/retrieve/{}", id(&made))).ok();
    assert_eq!(read, made);
    assert_fields(
        &read,
        &[("operation_type", "PAYOUT"), ("masked_account_number", "********3217")],
    );
    shop.api.get("/v1/payment-accounts/retrieve/987654").refused(404);
    shop.api.get("/v1/payment-accounts/retrieve/x").refused(404);
}

#[test]
fn a_deactivated_account_is_used_no_more() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let (takes, pays) = (shop.momo("COLLECTION", GOOD), shop.momo("PAYOUT", GOOD));
    let (checkout, payout) = (
        shop.checkout(shop.invoice("USD", "5.00")),
        id(&shop.open_payout(pays, "USD", "5.00").ok()),
    );
    let deactivate = |account: i64| {
        shop.api.call("POST", &format!("/v1/payment-accounts/deactivate/{account}"), None).ok()
    };
    for account in [takes, pays] {
        let once = deactivate(account);
        assert_eq!(once["is_active"], json!(false));
        assert_eq!(deactivate(account), once, "a second time changes nothing");
    }
    assert!(
        shop.open_payout(pays, "USD", "5.00")
            .state_fault("body.payment_account_id")
            .msg
            .contains("not active")
    );
    shop.execute("payout", payout, &key()).state_fault("body.session_id");
    shop.collect(checkout, takes, "USD", &key()).state_fault("body.payment_account_id");
    assert_eq!(
        (shop.session_status("payout", payout), shop.session_status("checkout", checkout)),
        ("ACTIVE".into(), "ACTIVE".into())
    );
    shop.assert_balance("USD", "100.00", "0.00");
    shop.api.call("POST", "/v1/payment-accounts/deactivate/987654", None).refused(404);
}

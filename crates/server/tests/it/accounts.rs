//! Payment accounts.

use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, assert_fields, instant, json, open};

fn create(shop: &Merchant, operation: &str, provider: &str, method: &str) -> Reply {
    let body = json!({"account_name": "Amara", "provider": provider, "method": method, "party_id": shop.party(),
        "insensitive_account_number": GOOD});
    shop.api.post(&format!("/v1/payment-accounts/create?operation_type={operation}"), &body)
}

#[test]
fn an_account_never_echoes_its_number() {
    let (_server, shop) = open();
    let party = shop.party();
    let body = json!({"account_name": "Amara", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": party,
        "insensitive_account_number": "231886543217"});
    let account = shop.api.post("/v1/payment-accounts/create?operation_type=COLLECTION", &body).ok();
    assert_fields(
        &account,
        &[("account_name", "Amara"), ("provider", "PAWAPAY"), ("method", "MTN_MOMO_LBR"), ("is_active", "true")],
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
    shop.api.post("/v1/payment-accounts/create?operation_type=PAYOUT", &json!({})).faults_are_at(&fields);
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
    shop.api.post("/v1/payment-accounts/create?operation_type=PAYOUT", &body).state_fault("body.party_id");
}

#[test]
fn the_operator_of_a_number_is_not_forced() {
    let (_server, shop) = open();
    let body = json!({"account_name": "Amara", "provider": "PAWAPAY", "method": "ORANGE_MONEY_LBR", "party_id": shop.party(),
        "insensitive_account_number": "231880000001"});
    shop.api.post("/v1/payment-accounts/create?operation_type=PAYOUT", &body).ok();
}

#[test]
fn the_payer_need_not_be_the_sources_party() {
    let (_server, shop) = open();
    assert_eq!(shop.take(shop.momo("COLLECTION", GOOD), "USD", "5.00")["status"], "COMPLETED");
}

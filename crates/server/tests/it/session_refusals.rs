//! Refusals at the creation of each kind of session, and the fields that they name.

use crate::support::shop::{GOOD, ending};
use crate::support::{Merchant, Reply, id, json, key, number, open, open_with, soon};

const UNKNOWN: i64 = 987_654_321;

fn checkout(shop: &Merchant, source: i64) -> Reply {
    shop.api.post("/v1/sessions/checkout", &json!({"source_id": source, "source_type": "INVOICE"}))
}

fn payout(shop: &Merchant, wallet: i64, account: i64, currency: &str) -> Reply {
    let body = json!({"wallet_id": wallet, "payment_account_id": account, "amount": 10, "currency": currency,
        "expires_at": soon()});
    shop.api.post("/v1/sessions/payout", &body)
}

fn transfer(shop: &Merchant, wallet: i64, counterparty: i64, currency: &str) -> Reply {
    let body = json!({"from_wallet_id": wallet, "to_counterparty_id": counterparty, "amount": 10, "currency": currency,
        "expires_at": soon()});
    shop.api.post("/v1/sessions/transfer", &body)
}

#[test]
fn a_checkout_needs_a_known_source() {
    let (_server, shop) = open();
    checkout(&shop, UNKNOWN).state_fault("body.source_id");
}

#[test]
fn an_invoice_is_no_order() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "1.00");
    let reply = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": invoice, "source_type": "ORDER"}));
    reply.state_fault("body.source_id");
}

#[test]
fn a_checkout_needs_a_published_source() {
    let (_server, shop) = open();
    let draft = shop.draft("invoices", "USD", "PAYER");
    shop.add_item("invoices", draft, "USD", 1, "5.00");
    checkout(&shop, draft).state_fault("body.source_id");
    let canceled = shop.invoice("USD", "5.00");
    shop.api.call("DELETE", &format!("/v1/invoices/cancel/{canceled}"), None).ok();
    checkout(&shop, canceled).state_fault("body.source_id");
}

#[test]
fn a_checkout_of_a_source_in_payment_or_paid_is_refused() {
    let (_server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    let invoice = shop.invoice("USD", "5.00");
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    assert_eq!(shop.source_status("invoices", invoice), "PROCESSING");
    checkout(&shop, invoice).state_fault("body.source_id");
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "5.00");
    shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    assert_eq!(shop.source_status("invoices", invoice), "PAID");
    checkout(&shop, invoice).state_fault("body.source_id");
}

#[test]
fn a_checkout_of_a_subscription_is_no_choice() {
    let (_server, shop) = open();
    let reply = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": 1, "source_type": "SUBSCRIPTION"}));
    let fault = reply.fault("body.source_type");
    fault.says(
        "value is not a valid enumeration member; permitted: 'INVOICE', 'ORDER'",
        "type_error.enum",
    );
}

#[test]
fn the_documents_payout_names_its_missing_fields() {
    let (_server, shop) = open();
    for body in [json!({}), json!({"payout_account_id": null})] {
        let reply = shop.api.post("/v1/sessions/payout", &body);
        let fields = [
            "body.wallet_id",
            "body.payment_account_id",
            "body.amount",
            "body.currency",
            "body.expires_at",
        ];
        reply.faults_are_at(&fields);
        reply.faults().iter().for_each(crate::support::http::Fault::is_missing);
    }
}

#[test]
fn the_newer_payout_needs_only_amount_and_currency() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    let reply = shop.api.post("/v1/sessions/payout", &json!({"payout_account_id": account}));
    reply.faults_are_at(&["body.amount", "body.currency"]);
    reply.faults().iter().for_each(crate::support::http::Fault::is_missing);
}

#[test]
fn a_payout_needs_a_known_wallet_and_account() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    payout(&shop, UNKNOWN, account, "USD").state_fault("body.wallet_id");
    payout(&shop, shop.wallet("USD"), UNKNOWN, "USD").state_fault("body.payment_account_id");
    let reply = shop.api.post(
        "/v1/sessions/payout",
        &json!({"payout_account_id": UNKNOWN, "amount": 1, "currency": "USD"}),
    );
    reply.state_fault("body.payout_account_id");
}

#[test]
fn a_payout_needs_a_wallet_of_its_currency() {
    let (_server, shop) = open();
    let reply = payout(&shop, shop.wallet("LRD"), shop.momo("PAYOUT", GOOD), "USD");
    let fault = reply.faults().remove(0);
    assert!(matches!(fault.loc.as_str(), "body.wallet_id" | "body.currency"), "{fault:?}");
}

#[test]
fn a_payout_needs_a_wallet_that_may_be_debited() {
    let (server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for status in ["RESTRICTED", "FROZEN"] {
        server.set_wallet(shop.wallet("USD"), status);
        payout(&shop, shop.wallet("USD"), account, "USD").state_fault("body.wallet_id");
    }
    server.set_wallet(shop.wallet("USD"), "ACTIVE");
    payout(&shop, shop.wallet("USD"), account, "USD").ok();
}

#[test]
fn a_payout_needs_an_account_made_for_payouts() {
    let (_server, shop) = open();
    let account = shop.momo("COLLECTION", GOOD);
    payout(&shop, shop.wallet("USD"), account, "USD").state_fault("body.payment_account_id");
}

#[test]
fn a_payout_needs_a_currency_that_the_method_takes() {
    let (_server, shop) = open();
    payout(&shop, shop.wallet("RWF"), shop.momo("PAYOUT", GOOD), "RWF")
        .state_fault("body.currency");
    let rwandan = shop.account(shop.party(), "PAYOUT", "MTN_MOMO_RWA", Some("250780000001"));
    payout(&shop, shop.wallet("LRD"), rwandan, "LRD").state_fault("body.currency");
}

#[test]
fn a_currency_is_three_letters_of_iso_4217() {
    let (_server, shop) = open();
    let account = shop.momo("PAYOUT", GOOD);
    for currency in ["", "US", "USDX", "ZZZ", "U$D", "123"] {
        payout(&shop, shop.wallet("USD"), account, currency).fault("body.currency");
    }
}

#[test]
fn a_partys_wallet_pays_only_that_partys_account() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let (party, wallet) = shop.party_with_money("USD", "200.00");
    let own = shop.account(party, "PAYOUT", "MTN_MOMO_LBR", Some(GOOD));
    payout(&shop, wallet, shop.momo("PAYOUT", GOOD), "USD").refused(422);
    let session = id(&payout(&shop, wallet, own, "USD").ok());
    assert_eq!(shop.execute("payout", session, &key()).ok()["status"], "COMPLETED");
    assert_eq!(shop.money_in(wallet), ("189.85".to_owned(), "0.00".to_owned()));
    shop.assert_balance("USD", "300.00", "0.00");
}

#[test]
fn a_transfer_needs_its_fields() {
    let (_server, shop) = open();
    let fields = [
        "body.from_wallet_id",
        "body.to_counterparty_id",
        "body.amount",
        "body.currency",
        "body.expires_at",
    ];
    shop.api.post("/v1/sessions/transfer", &json!({})).faults_are_at(&fields);
}

#[test]
fn a_transfer_needs_a_known_wallet_and_counterparty() {
    let (_server, shop) = open();
    transfer(&shop, UNKNOWN, shop.customer(), "USD").state_fault("body.from_wallet_id");
    transfer(&shop, shop.wallet("USD"), UNKNOWN, "USD").state_fault("body.to_counterparty_id");
}

#[test]
fn a_transfer_needs_a_counterparty_with_a_party() {
    let (_server, shop) = open();
    let nobody = id(&shop
        .api
        .post("/v1/counterparties/create", &json!({"relationship_type": "CONTACT"}))
        .ok());
    transfer(&shop, shop.wallet("USD"), nobody, "USD").state_fault("body.to_counterparty_id");
}

#[test]
fn a_refund_needs_its_fields_but_no_reason() {
    let (_server, shop) = open();
    let fields = ["body.original_payment_intent_id", "body.amount", "body.expires_at"];
    shop.api.post("/v1/sessions/refund", &json!({})).faults_are_at(&fields);
}

#[test]
fn a_refund_needs_a_known_payment() {
    let (_server, shop) = open();
    shop.open_refund(&json!(UNKNOWN), "1.00").state_fault("body.original_payment_intent_id");
}

#[test]
fn a_refund_needs_a_completed_collection() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let failed = shop.take(shop.momo("COLLECTION", &ending("049")), "USD", "5.00");
    assert_eq!(failed["status"], "FAILED");
    shop.open_refund(&failed["payment_intent_id"], "1.00")
        .state_fault("body.original_payment_intent_id");
    let payout = shop.send(shop.momo("PAYOUT", GOOD), "USD", "5.00");
    shop.open_refund(&payout["payment_intent_id"], "1.00")
        .state_fault("body.original_payment_intent_id");
    let transfer = shop.transfer(shop.customer(), "USD", "5.00");
    shop.open_refund(&transfer["payment_intent_id"], "1.00")
        .state_fault("body.original_payment_intent_id");
}

#[test]
fn a_refund_of_a_payment_in_flight_is_refused() {
    let (_server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    let pending = shop.take(shop.momo("COLLECTION", GOOD), "USD", "5.00");
    assert_eq!(pending["status"], "PROCESSING");
    shop.open_refund(&pending["payment_intent_id"], "1.00")
        .state_fault("body.original_payment_intent_id");
}

#[test]
fn a_refund_is_at_most_what_is_left_of_the_payment() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let paid = shop.paid_hundred();
    shop.open_refund(&paid["payment_intent_id"], "103.01").state_fault("body.amount");
    shop.refund(&paid, "60.00");
    shop.open_refund(&paid["payment_intent_id"], "43.01").state_fault("body.amount");
    shop.open_refund(&paid["payment_intent_id"], "43.00").ok();
}

#[test]
fn a_refund_has_the_decimals_of_the_payers_currency() {
    let (_server, shop) = open();
    let account = shop.account(shop.party(), "COLLECTION", "MTN_MOMO_RWA", Some("250780000001"));
    let paid = shop.take(account, "RWF", "1000");
    shop.open_refund(&paid["payment_intent_id"], "10.5").fault("body.amount");
}

#[test]
fn a_refused_session_is_not_written() {
    let (_server, shop) = open();
    checkout(&shop, UNKNOWN).refused(422);
    payout(&shop, UNKNOWN, UNKNOWN, "USD").refused(422);
    transfer(&shop, UNKNOWN, UNKNOWN, "USD").refused(422);
    shop.open_refund(&number("1"), "1.00").refused(422);
    for kind in ["checkout", "payout", "transfer", "refund"] {
        assert!(shop.api.get(&format!("/v1/sessions/{kind}/list")).rows().is_empty(), "{kind}");
    }
}

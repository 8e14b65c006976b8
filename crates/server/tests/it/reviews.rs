//! Reviews: a provider contradicts itself or never answers, and a person decides.

use crate::support::shop::{GOOD, ending};
use crate::support::{
    Merchant, Server, assert_fields, assert_money, id, json, key, open, open_with, shown, wait_for,
};
use serde_json::Value;

fn list(server: &Server) -> Vec<Value> {
    let printed = server.kola(&["review", "list", "--json"]).ok();
    serde_json::from_str(&printed).unwrap_or_else(|e| panic!("not a JSON array: {e}: {printed}"))
}

pub(crate) fn find(server: &Server, reference: &str) -> Option<Value> {
    list(server).into_iter().find(|r| r["reference_id"] == json!(reference))
}

/// A collection of 100.00 USD that failed and was paid after all. Returns its execution and the
/// review.
pub(crate) fn late_success(server: &Server, shop: &Merchant) -> (Value, Value) {
    let first = shop.take(shop.momo("COLLECTION", &ending("179")), "USD", "100.00");
    assert_eq!(first["status"], "FAILED");
    let review = wait_for("the review", || find(server, &shown(&first, "reference_id")));
    (first, review)
}

/// Refunds an amount of a collection whose number ends in 179: the refund, too, fails first and
/// succeeds a second later.
pub(crate) fn refund_late(server: &Server, shop: &Merchant, collection: &Value, amount: &str) {
    let refund = shop.refund(collection, amount);
    assert_eq!(
        refund["gateway_message"],
        "UNSPECIFIED_FAILURE: the mobile operator gave no reason"
    );
    let review = wait_for("the refund's review", || find(server, &shown(&refund, "reference_id")));
    resolve(server, &review, &["--to", "wallet", "--evidence", "the provider has sent it"]).ok();
}

/// A payout of 100.00 USD without an answer of the provider for more than a day. Returns its
/// execution and the review.
pub(crate) fn overdue(kind: &str) -> (Server, Merchant, Value, Value) {
    // The provider takes a week, by whichever clock it counts.
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    server.fund(&shop, "USD", "1000.00");
    let first = match kind {
        "payout" => shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00"),
        _ => shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00"),
    };
    assert_eq!(first["status"], "PROCESSING");
    shop.advance(25 * 3600);
    let review = wait_for("the review", || find(&server, &shown(&first, "reference_id")));
    (server, shop, first, review)
}

pub(crate) fn resolve(
    server: &Server,
    review: &Value,
    how: &[&str],
) -> crate::support::process::Run {
    let number = id(review).to_string();
    let mut arguments = vec!["review", "resolve", &number];
    arguments.extend(how);
    server.kola(&arguments)
}

#[track_caller]
fn is_closed(server: &Server, review: &Value) {
    let now = list(server).into_iter().find(|r| r["id"] == review["id"]);
    assert!(now.is_none_or(|r| r["status"] != review["status"]), "still open: {review}");
    server.verify_ledger();
}

#[test]
fn a_success_after_a_failure_opens_a_review() {
    let (server, shop) = open();
    let (failed, review) = late_success(&server, &shop);
    assert_eq!(review["kind"], "SUCCESS_AFTER_FAILURE");
    assert_eq!(review["merchant_id"], json!(shop.credentials.merchant_id));
    assert_eq!(review["currency"], "USD");
    assert!(review["execution_id"].is_i64(), "{review}");
    assert_eq!(shop.status("collection", &shown(&failed, "reference_id"))["status"], "FAILED");
    shop.assert_balance("USD", "0.00", "0.00");
    server.verify_ledger();
}

#[test]
fn late_money_is_given_to_the_wallet() {
    let (server, shop) = open();
    let (failed, review) = late_success(&server, &shop);
    resolve(
        &server,
        &review,
        &["--to", "wallet", "--evidence", "statement of the provider, line 7"],
    )
    .ok();
    // As after a completed collection: the payer paid 103.00, of which 3.00 are fees.
    shop.assert_balance("USD", "100.00", "0.00");
    let now = shop.status("collection", &shown(&failed, "reference_id"));
    assert_fields(&now, &[("status", "FAILED"), ("settled_by_review", "true")]);
    is_closed(&server, &review);
}

#[test]
fn an_invoice_that_was_paid_late_is_paid_and_can_be_refunded() {
    let (server, shop) = open();
    let (failed, review) = late_success(&server, &shop);
    let intent = format!("/v1/payment-intents/retrieve/{}", shown(&failed, "payment_intent_id"));
    let invoice = shop.api.get(&intent).ok()["source_id"].as_i64().expect("an invoice");
    shop.open_refund(&failed["payment_intent_id"], "1.00")
        .state_fault("body.original_payment_intent_id");
    resolve(
        &server,
        &review,
        &["--to", "wallet", "--evidence", "statement of the provider, line 7"],
    )
    .ok();
    assert_eq!(shop.source_status("invoices", invoice), "PAID");
    let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
    let figures = [
        ("payer_amount", "103.00"),
        ("payee_amount", "100.00"),
        ("platform_fee", "1.00"),
        ("gateway_fee", "2.00"),
    ];
    assert_money(&receipt, &figures);
    assert_money(&receipt, &[("refundable_amount", "103.00")]);
    assert_eq!(receipt["gateway_confirmed_at"], receipt["paid_at"]);
    assert!(receipt["paid_at"].is_string(), "{receipt}");
    refund_late(&server, &shop, &failed, "53.00");
    shop.assert_balance("USD", "47.00", "0.00");
    shop.open_refund(&failed["payment_intent_id"], "50.01").state_fault("body.amount");
    let told = shop.api.get(&intent).ok();
    assert_eq!(told["settled_by_review_at"], receipt["paid_at"]);
    let timeline = told["timeline"].as_array().expect("a timeline");
    let settled = timeline
        .iter()
        .find(|event| event["type"] == "execution.settled_by_review")
        .expect("the settlement");
    // Entries of suspense, the wallet, and two fees.
    assert_eq!(settled["entries"].as_array().map(Vec::len), Some(4), "{settled}");
    let payments =
        shop.api.get(&format!("/v1/events/list?subject_type=SOURCE&subject_id={invoice}")).rows();
    assert!(payments.iter().any(|event| event["type"] == "source.paid"), "{payments:?}");
    server.verify_ledger();
}

#[test]
fn an_invoice_in_review_is_not_collected_for() {
    let (server, shop) = open();
    let (invoice, account) =
        (shop.invoice("USD", "100.00"), shop.momo("COLLECTION", &ending("179")));
    let (session, declared) = (shop.checkout(invoice), shop.checkout(invoice));
    let failed = shop.collect(session, account, "USD", &key()).ok();
    assert_eq!(failed["status"], "FAILED");
    let review = wait_for("the review", || find(&server, &shown(&failed, "reference_id")));
    let body = json!({"source_id": invoice, "source_type": "INVOICE"});
    let reference = key();
    for (reply, field) in [
        (shop.api.post("/v1/sessions/checkout", &body), "body.source_id"),
        (
            shop.collect(declared, shop.momo("COLLECTION", GOOD), "USD", &reference),
            "body.session_id",
        ),
    ] {
        let fault = reply.state_fault(field);
        assert_eq!(fault.kind, "value_error.review");
        assert!(
            fault.msg.contains("a review of an earlier payment of this invoice is open"),
            "{}",
            fault.msg
        );
    }
    assert_eq!(shop.session_status("checkout", declared), "ACTIVE");
    let number =
        shown(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(), "invoice_number");
    let url = shown(
        &shop.api.get(&format!("/v1/links/pay?source_type=INVOICE&source_number={number}")).ok(),
        "url",
    );
    let path = url
        .strip_prefix(&format!("http://{}", server.api.address))
        .expect("our own address")
        .to_owned();
    let page = || server.api.get(&path).body.as_str().expect("a page").to_owned();
    assert!(
        page().contains("Your payment needs a check by a person.")
            && page().contains("Do not pay again"),
        "{}",
        page()
    );
    resolve(
        &server,
        &review,
        &["--to", "payer", "--evidence", "returned by the provider, receipt 9"],
    )
    .ok();
    assert!(page().contains("To be paid"), "{}", page());
    assert_eq!(
        shop.collect(declared, shop.momo("COLLECTION", GOOD), "USD", &reference).ok()["status"],
        "COMPLETED"
    );
    server.verify_ledger();
}

#[test]
fn an_invoice_is_paid_late_only_when_nothing_else_is_under_way() {
    let (server, shop) = open();
    let (account, slow) =
        (shop.momo("COLLECTION", &ending("179")), shop.momo("COLLECTION", &ending("129")));
    // The late success comes after a second. If it comes before the second payment has begun, try
    // again with another invoice.
    let (invoice, failed, second) = wait_for("a payment that is begun before the review", || {
        let invoice = shop.invoice("USD", "100.00");
        let sessions = [shop.checkout(invoice), shop.checkout(invoice)];
        let failed = shop.collect(sessions[0], account, "USD", &key()).ok();
        let second = shop.collect(sessions[1], slow, "USD", &key());
        (second.status == 200).then(|| (invoice, failed, second.ok()))
    });
    assert_eq!((&failed["status"], &second["status"]), (&json!("FAILED"), &json!("PROCESSING")));
    let review = wait_for("the review", || find(&server, &shown(&failed, "reference_id")));
    let how = ["--to", "wallet", "--evidence", "statement"];
    let said = resolve(&server, &review, &how).refused();
    assert!(said.contains("another payment of the same invoice or order is under way"), "{said}");
    shop.advance(1000);
    assert_eq!(shop.settled("collection", &second)["status"], "COMPLETED");
    resolve(&server, &review, &how).ok();
    shop.assert_balance("USD", "200.00", "0.00");
    // The receipt is of the payment that paid the invoice; the other one is to be given back.
    let receipt = shop.api.get(&format!("/v1/invoices/receipt/{invoice}")).ok();
    assert_eq!(
        receipt["provider_transaction_id"],
        shop.status("collection", &shown(&second, "reference_id"))["provider_transaction_id"]
    );
    refund_late(&server, &shop, &failed, "103.00");
    shop.assert_balance("USD", "97.00", "0.00");
    server.verify_ledger();
}

#[test]
fn late_money_is_given_back_to_the_payer() {
    let (server, shop) = open();
    let (failed, review) = late_success(&server, &shop);
    resolve(
        &server,
        &review,
        &["--to", "payer", "--evidence", "returned by the provider, receipt 9"],
    )
    .ok();
    shop.assert_balance("USD", "0.00", "0.00");
    assert_eq!(shop.status("collection", &shown(&failed, "reference_id"))["status"], "FAILED");
    is_closed(&server, &review);
}

#[test]
fn a_merchant_reads_how_a_review_was_resolved_but_not_the_operators_evidence() {
    let (server, shop) = open();
    let (_failed, review) = late_success(&server, &shop);
    resolve(
        &server,
        &review,
        &["--to", "payer", "--evidence", "ticket 7781: the analyst's own words"],
    )
    .ok();
    let events = shop.api.get("/v1/events/list?subject_type=REVIEW").rows();
    let told = events.iter().find(|event| event["type"] == "review.resolved").expect("the event");
    assert_eq!(told["note"], "to payer");
    assert!(!json!(events).to_string().contains("7781"), "{events:?}");
}

#[test]
fn a_review_is_resolved_once() {
    let (server, shop) = open();
    let (_failed, review) = late_success(&server, &shop);
    let how = ["--to", "wallet", "--evidence", "statement"];
    resolve(&server, &review, &how).ok();
    let before = shop.money_in(shop.wallet("USD"));
    resolve(&server, &review, &how).refused();
    resolve(&server, &review, &["--to", "payer", "--evidence", "statement"]).refused();
    assert_eq!(shop.money_in(shop.wallet("USD")), before);
    server.verify_ledger();
}

#[test]
fn a_resolution_needs_evidence_and_a_choice() {
    let (server, shop) = open();
    let (_failed, review) = late_success(&server, &shop);
    resolve(&server, &review, &["--to", "wallet"]).refused();
    resolve(&server, &review, &["--evidence", "statement"]).refused();
    resolve(&server, &review, &["--to", "nobody", "--evidence", "statement"]).refused();
    resolve(
        &server,
        &review,
        &["--to", "wallet", "--outcome", "completed", "--evidence", "statement"],
    )
    .refused();
    resolve(&server, &json!({"id": 987_654}), &["--to", "wallet", "--evidence", "statement"])
        .refused();
    assert_eq!(find(&server, &shown(&review, "reference_id")), Some(review));
    shop.assert_balance("USD", "0.00", "0.00");
}

#[test]
fn silence_for_a_day_opens_a_review_and_decides_nothing() {
    let (server, shop, first, review) = overdue("payout");
    assert_eq!(review["kind"], "DEADLINE_PASSED");
    assert_eq!(shop.status("payout", &shown(&first, "reference_id"))["status"], "PROCESSING");
    shop.assert_balance("USD", "898.50", "101.50");
    server.verify_ledger();
}

#[test]
fn an_overdue_payout_is_declared_completed() {
    let (server, shop, first, review) = overdue("payout");
    resolve(&server, &review, &["--outcome", "completed", "--evidence", "statement"]).ok();
    assert_eq!(shop.status("payout", &shown(&first, "reference_id"))["status"], "COMPLETED");
    shop.assert_balance("USD", "898.50", "0.00");
    is_closed(&server, &review);
}

#[test]
fn an_overdue_payout_is_declared_failed() {
    let (server, shop, first, review) = overdue("payout");
    resolve(&server, &review, &["--outcome", "failed", "--evidence", "statement"]).ok();
    assert_eq!(shop.status("payout", &shown(&first, "reference_id"))["status"], "FAILED");
    shop.assert_balance("USD", "1000.00", "0.00");
    is_closed(&server, &review);
}

#[test]
fn an_overdue_collection_is_declared_completed() {
    let (server, shop, first, review) = overdue("collection");
    resolve(&server, &review, &["--outcome", "completed", "--evidence", "statement"]).ok();
    assert_eq!(shop.status("collection", &shown(&first, "reference_id"))["status"], "COMPLETED");
    shop.assert_balance("USD", "1100.00", "0.00");
    is_closed(&server, &review);
}

#[test]
fn nothing_to_review_is_an_empty_list() {
    let (server, shop) = open();
    shop.paid_hundred();
    assert!(list(&server).is_empty());
}

fn set_status(server: &Server, wallet: i64, status: &str) -> crate::support::process::Run {
    server.kola(&["wallet", "status", "--wallet", &wallet.to_string(), "--set", status])
}

#[test]
fn a_wallet_with_an_open_review_is_not_closed() {
    let (server, shop) = open();
    let (_, review) = late_success(&server, &shop);
    let wallet = shop.wallet("USD");
    assert_eq!(
        set_status(&server, wallet, "CLOSED").refused(),
        "kola: a wallet is closed only at zero, with nothing open that could credit it\n"
    );
    set_status(&server, shop.wallet("LRD"), "CLOSED").ok();
    resolve(&server, &review, &["--to", "payer", "--evidence", "sent back"]).ok();
    set_status(&server, wallet, "CLOSED").ok();
    server.verify_ledger();
}

/// The wallet is closed and opened again until the review is there: it is never closed after that.
#[test]
fn closing_a_wallet_races_with_a_new_review() {
    let (server, shop) = open();
    let wallet = shop.wallet("USD");
    let first = shop.take(shop.momo("COLLECTION", &ending("179")), "USD", "100.00");
    assert_eq!(first["status"], "FAILED");
    let counted = format!("SELECT open_reviews FROM wallets WHERE id = {wallet}");
    while server.database.value(&counted) == "0" {
        let _either = set_status(&server, wallet, "CLOSED");
        set_status(&server, wallet, "ACTIVE").ok();
    }
    set_status(&server, wallet, "CLOSED").refused();
    let closed_after = format!(
        "SELECT count(*) FROM events AS closed JOIN events AS opened ON opened.type = {{event_type review.opened}} \
         WHERE closed.type = {{event_type wallet.status}} AND closed.note = 'CLOSED' AND closed.subject_id = {wallet} \
         AND closed.created_at > opened.created_at"
    );
    assert_eq!(server.database.value(&closed_after), "0");
    server.verify_ledger();
}

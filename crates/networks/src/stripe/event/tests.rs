//! Each kind of event.

use domain::kernel::currency::Currency;
use serde_json::json;

use super::super::samples::REQUEST_ID;
use super::*;

fn event(kind: &str, object: &Value) -> Value {
    json!({
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-08-26.dahlia",
        "created": 1790000000,
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": kind,
        "data": { "object": object },
    })
}

fn read_json(event: &Value) -> Result<Event, EventFault> {
    read(event.to_string().as_bytes())
}

fn read_kind(kind: &str, object: &Value) -> Event {
    read_json(&event(kind, object)).unwrap()
}

fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1000,
        "amount_received": 1000,
        "currency": "usd",
        "client_secret": "pi_1_secret_x",
        "metadata": { "kola_request_id": REQUEST_ID },
        "status": status,
    })
}

fn page_intent(status: &str) -> Value {
    let mut object = intent(status);
    object["metadata"]["kola_page"] = json!("hosted");
    object
}

fn session(status: &str, payment_status: &str) -> Value {
    json!({
        "id": "cs_test_1",
        "object": "checkout.session",
        "amount_total": 1000,
        "client_reference_id": REQUEST_ID,
        "currency": "usd",
        "payment_intent": "pi_1",
        "payment_status": payment_status,
        "status": status,
    })
}

fn refund(status: &str) -> Value {
    json!({
        "id": "re_1",
        "object": "refund",
        "amount": 400,
        "currency": "usd",
        "payment_intent": "pi_1",
        "metadata": { "kola_request_id": REQUEST_ID },
        "status": status,
    })
}

fn dispute(status: &str) -> Value {
    json!({
        "id": "du_1",
        "object": "dispute",
        "amount": 1000,
        "currency": "usd",
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": status,
        "livemode": false,
        "evidence_details": { "due_by": 1790600000, "has_evidence": false },
        "balance_transactions": [{ "amount": -1000, "fee": 1500 }],
    })
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::parse("USD").unwrap())
}

fn succeeded(reference: Option<&str>) -> News {
    let outcome =
        ProviderOutcome::Succeeded { transaction_id: "pi_1".to_owned(), amount: Some(usd(1_000)) };
    let word = Word { reference: reference.map(str::to_owned), ..Word::new(outcome) };
    News::Says(Reading::Word(word))
}

fn declined(message: &str, reference: &str) -> News {
    News::Says(Reading::Word(Word::declined(message).with_reference(reference)))
}

#[test]
fn each_kind_of_event_about_payments() {
    for (kind, object, news) in [
        ("payment_intent.succeeded", intent("succeeded"), succeeded(Some("pi_1"))),
        (
            "payment_intent.canceled",
            intent("canceled"),
            declined("canceled: the payment was cancelled", "pi_1"),
        ),
        ("payment_intent.payment_failed", intent("requires_payment_method"), News::Ask),
        ("payment_intent.requires_action", intent("requires_action"), News::Ask),
        ("payment_intent.processing", intent("processing"), News::Ask),
        ("payment_intent.partially_funded", intent("requires_action"), News::Ask),
        ("payment_intent.created", intent("requires_payment_method"), News::Ignored),
        // The payer may try the next card: only the session knows.
        ("payment_intent.payment_failed", page_intent("requires_payment_method"), News::Ask),
        ("payment_intent.canceled", page_intent("canceled"), News::Ask),
        ("payment_intent.succeeded", page_intent("succeeded"), succeeded(None)),
        ("checkout.session.completed", session("complete", "paid"), succeeded(Some("cs_test_1"))),
        ("checkout.session.completed", session("complete", "unpaid"), News::Ask),
        (
            "checkout.session.async_payment_succeeded",
            session("complete", "paid"),
            succeeded(Some("cs_test_1")),
        ),
        ("checkout.session.async_payment_failed", session("complete", "unpaid"), News::Ask),
        (
            "checkout.session.expired",
            session("expired", "unpaid"),
            declined("expired: the payer did not pay on the card page in time", "cs_test_1"),
        ),
        ("refund.created", refund("pending"), News::Ask),
        ("refund.updated", refund("requires_action"), News::Ask),
        // A later failure may have come first.
        ("refund.updated", refund("succeeded"), News::Ask),
        ("charge.refund.updated", refund("succeeded"), News::Ask),
        (
            "refund.failed",
            refund("failed"),
            declined(
                "unknown: the payer's bank did not take the refund, and gave no reason",
                "re_1",
            ),
        ),
        (
            "refund.updated",
            refund("canceled"),
            declined("canceled: the refund was cancelled", "re_1"),
        ),
    ] {
        let event = read_kind(kind, &object);
        assert_eq!(event.news, news, "{kind} {object}");
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", kind));
        assert_eq!((event.livemode, event.created), (false, 1_790_000_000));
        if event.news != News::Ignored {
            let ours = Uuid::try_parse(REQUEST_ID).ok();
            assert_eq!(event.request_id, ours, "{kind}");
            assert_eq!(Value::from(event.object_id), object["id"], "{kind}");
            assert_eq!(event.payment_id.as_deref(), Some("pi_1"), "{kind}");
        }
    }
}

#[test]
fn a_refunded_charge_is_a_reason_to_ask() {
    let charge = json!({
        "id": "ch_1",
        "object": "charge",
        "amount_refunded": 400,
        "metadata": {},
        "payment_intent": "pi_1",
        "refunded": false,
    });
    let event = read_kind("charge.refunded", &charge);
    assert_eq!(event.news, News::Ask);
    assert_eq!((event.request_id, event.object_id.as_str()), (None, "ch_1"));
    assert_eq!(event.payment_id.as_deref(), Some("pi_1"));
}

#[test]
fn other_events_are_ignored() {
    for kind in [
        "charge.succeeded",
        "charge.failed",
        "charge.updated",
        "customer.created",
        "payment_intent.created",
        "payout.paid",
        "brand.new",
        "",
    ] {
        let event = read_kind(kind, &json!({ "id": 5 }));
        assert_eq!((event.news, event.request_id), (News::Ignored, None), "{kind}");
    }
}

#[test]
fn what_an_event_says_that_nobody_understands_is_told() {
    for (kind, object) in [
        ("payment_intent.succeeded", intent("brand_new_status")),
        ("payment_intent.amount_capturable_updated", intent("requires_capture")),
        ("refund.updated", refund("brand_new_status")),
        ("checkout.session.completed", session("complete", "brand_new_status")),
    ] {
        let event = read_kind(kind, &object);
        let News::Says(Reading::Word(word)) = event.news else { panic!("{kind}") };
        assert!(word.alarm.is_some(), "{kind}");
        assert!(!matches!(
            word.outcome,
            ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. }
        ));
    }
}

#[test]
fn each_kind_of_event_about_disputes() {
    for (kind, change) in [
        ("charge.dispute.created", DisputeChange::Created),
        ("charge.dispute.updated", DisputeChange::Updated),
        ("charge.dispute.closed", DisputeChange::Closed),
        ("charge.dispute.funds_withdrawn", DisputeChange::FundsWithdrawn),
        ("charge.dispute.funds_reinstated", DisputeChange::FundsReinstated),
    ] {
        let event = read_kind(kind, &dispute("needs_response"));
        assert_eq!(event.object_id, "du_1");
        assert_eq!(event.payment_id.as_deref(), Some("pi_1"));
        assert_eq!(
            event.news,
            News::Dispute(Dispute {
                id: "du_1".to_owned(),
                change,
                status: DisputeStatus::NeedsResponse,
                status_word: "needs_response".to_owned(),
                reason_word: Some("fraudulent".to_owned()),
                is_inquiry: false,
                amount: Ok(usd(1_000)),
                reason: "the card's holder says not to have made the payment".to_owned(),
                due_at: Some(1_790_600_000),
                link: "https://dashboard.stripe.com/test/disputes/du_1".to_owned(),
            }),
            "{kind}"
        );
    }
}

#[test]
fn each_status_of_a_dispute() {
    for (word, status, is_inquiry) in [
        ("needs_response", DisputeStatus::NeedsResponse, false),
        ("under_review", DisputeStatus::UnderReview, false),
        ("won", DisputeStatus::Won, false),
        ("lost", DisputeStatus::Lost, false),
        ("prevented", DisputeStatus::Prevented, false),
        ("appeal_needs_response", DisputeStatus::NeedsResponse, false),
        ("appeal_under_review", DisputeStatus::UnderReview, false),
        ("warning_needs_response", DisputeStatus::NeedsResponse, true),
        ("warning_under_review", DisputeStatus::UnderReview, true),
        ("warning_closed", DisputeStatus::Closed, true),
        ("charge_refunded", DisputeStatus::Closed, false),
        ("brand_new", DisputeStatus::Unknown, false),
    ] {
        let event = read_kind("charge.dispute.updated", &dispute(word));
        let News::Dispute(dispute) = event.news else { panic!("{word}") };
        assert_eq!((dispute.status, dispute.is_inquiry), (status, is_inquiry), "{word}");
        assert_eq!(dispute.status_word, word);
    }
}

#[test]
fn a_dispute_says_what_the_operator_needs() {
    let read_dispute = |object: &Value| match read_kind("charge.dispute.created", object).news {
        News::Dispute(dispute) => dispute,
        other => panic!("{other:?}"),
    };
    let mut object = dispute("needs_response");
    object["livemode"] = json!(true);
    object["evidence_details"] = json!({ "due_by": 0 });
    object["reason"] = json!("brand_new_reason");
    object["currency"] = json!("xyz");
    let read = read_dispute(&object);
    assert_eq!(read.link, "https://dashboard.stripe.com/disputes/du_1");
    assert_eq!((read.due_at, read.reason.as_str()), (None, "brand_new_reason"));
    assert!(read.amount.is_err());
    for (reason, words) in [
        ("product_not_received", "the payer says not to have got what was paid for"),
        ("duplicate", "the payer says to have been charged twice"),
        ("general", "the payer's bank gives no closer reason"),
    ] {
        object["reason"] = json!(reason);
        assert_eq!(read_dispute(&object).reason, words);
    }
}

#[test]
fn thin_events_are_refused() {
    let thin = json!({
        "id": "evt_1",
        "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded",
        "created": "2026-11-28T00:00:00Z",
        "related_object": { "id": "pi_1", "type": "payment_intent" },
    });
    assert_eq!(read_json(&thin), Err(EventFault::Thin));
}

#[test]
fn what_is_no_event_is_refused() {
    let good = event("payment_intent.succeeded", &intent("succeeded"));
    let with = |field: &str, value: Value| {
        let mut event = good.clone();
        event[field] = value;
        event.to_string()
    };
    for body in [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        good.to_string().split_at(100).0.to_owned(),
        with("object", json!("charge")),
        with("id", json!("pi_1")),
        with("id", json!("evt_1/x")),
        with("livemode", Value::Null),
        with("created", json!("now")),
        with("data", json!({})),
        with("data", json!({ "object": { "id": "pi_1" } })),
        with("data", json!({ "object": "pi_1" })),
        format!("{good}x"),
        "[".repeat(10_000),
    ] {
        let read = read(body.as_bytes());
        assert!(matches!(read, Err(EventFault::Unreadable(_))), "{body}");
    }
}

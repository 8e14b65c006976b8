//! Each word of Stripe's answers.

use std::time::Duration;

use domain::kernel::currency::Currency;
use serde_json::{Value, json};

use super::super::samples::{self, REQUEST_ID, response, with_header};
use super::*;

fn id(text: &str) -> StripeId {
    StripeId::parse(text).unwrap()
}

fn get(text: &str) -> Step {
    Step::Get(id(text))
}

fn cancel(text: &str, decline: Option<&str>) -> Step {
    Step::Cancel { id: id(text), decline: decline.map(str::to_owned) }
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::parse("USD").unwrap())
}

fn read_json(step: &Step, payment: &Payment, status: u16, body: &Value) -> Answer {
    read(step, payment, &response(status, &body.to_string()))
}

fn word(answer: &Answer) -> &Word {
    match &answer.reading {
        Reading::Word(word) => word,
        other => panic!("{other:?}"),
    }
}

fn succeeded(transaction_id: &str, amount: Money) -> ProviderOutcome {
    let transaction_id = transaction_id.to_owned();
    ProviderOutcome::Succeeded { transaction_id, amount: Some(amount) }
}

fn declined(message: &str) -> ProviderOutcome {
    ProviderOutcome::Declined { message: message.to_owned() }
}

fn needs_action(secret: &str) -> ProviderOutcome {
    ProviderOutcome::NeedsAction { client_secret: secret.to_owned() }
}

/// An intent as Stripe writes it, with more fields than are read.
fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1000,
        "amount_received": if status == "succeeded" { 1000 } else { 0 },
        "currency": "usd",
        "client_secret": "pi_1_secret_x",
        "latest_charge": "ch_1",
        "last_payment_error": null,
        "livemode": false,
        "metadata": { "kola_request_id": REQUEST_ID },
        "next_action": null,
        "payment_method_types": ["card"],
        "cancellation_reason": null,
        "status": status,
    })
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

fn declined_intent(decline_code: &str) -> Value {
    let error = json!({
        "type": "card_error",
        "code": "card_declined",
        "decline_code": decline_code,
        "message": "Your card was declined.",
        "payment_method": { "id": "pm_1", "card": { "exp_year": 2030 } },
    });
    with(intent("requires_payment_method"), "last_payment_error", error)
}

fn session(status: &str, payment_status: &str) -> Value {
    let url = "https://checkout.stripe.com/c/pay/cs_test_1#f";
    json!({
        "id": "cs_test_1",
        "object": "checkout.session",
        "amount_total": 1000,
        "client_reference_id": REQUEST_ID,
        "currency": "usd",
        "expires_at": 1790003600,
        "payment_intent": if status == "complete" { json!("pi_1") } else { Value::Null },
        "payment_status": payment_status,
        "status": status,
        "url": if status == "open" { json!(url) } else { Value::Null },
    })
}

fn refund(status: &str) -> Value {
    json!({
        "id": "re_1",
        "object": "refund",
        "amount": 1000,
        "currency": "usd",
        "charge": "ch_1",
        "payment_intent": "pi_orig",
        "metadata": { "kola_request_id": REQUEST_ID },
        "status": status,
    })
}

fn error(fields: Value) -> Value {
    json!({ "error": fields })
}

fn invalid(code: &str) -> Value {
    error(json!({ "type": "invalid_request_error", "code": code, "message": "No." }))
}

#[test]
fn each_status_of_an_intent() {
    let message = "insufficient_funds: the card has too little money for the payment";
    let cancelled = cancel("pi_1", Some(message));
    for (object, outcome, waits_for, then) in [
        (intent("succeeded"), succeeded("pi_1", usd(1_000)), None, None),
        (intent("processing"), ProviderOutcome::Accepted, Some("the payer's bank"), None),
        (
            intent("requires_action"),
            needs_action("pi_1_secret_x"),
            Some("the payer's authentication"),
            None,
        ),
        (
            intent("requires_payment_method"),
            needs_action("pi_1_secret_x"),
            Some("the payer's card"),
            None,
        ),
        (
            declined_intent("insufficient_funds"),
            ProviderOutcome::Accepted,
            Some(
                "the cancellation of the payment (insufficient_funds: the card has too little \
                 money for the payment)",
            ),
            Some(cancelled),
        ),
        (
            intent("requires_confirmation"),
            ProviderOutcome::Accepted,
            Some("the confirmation of the payment"),
            Some(Step::Confirm(id("pi_1"))),
        ),
        (intent("canceled"), declined("canceled: the payment was cancelled"), None, None),
        (
            with(declined_intent("insufficient_funds"), "status", json!("canceled")),
            declined(message),
            None,
            None,
        ),
    ] {
        for step in [Step::Create, get("pi_1")] {
            let answer = read_json(&step, &samples::card_payment(), 200, &object);
            let word = word(&answer);
            assert_eq!(word.outcome, outcome, "{object}");
            assert_eq!(word.waits_for.as_deref(), waits_for, "{object}");
            assert_eq!(answer.then, then, "{object}");
            assert_eq!(word.reference.as_deref(), Some("pi_1"), "{object}");
            assert_eq!(word.alarm, None, "{object}");
        }
    }
}

#[test]
fn an_intent_that_is_only_authorized_is_told_to_the_operator() {
    let answer =
        read_json(&get("pi_1"), &samples::card_payment(), 200, &intent("requires_capture"));
    assert_eq!(word(&answer).outcome, ProviderOutcome::Accepted);
    assert!(word(&answer).alarm.is_some());
}

#[test]
fn why_an_intent_was_cancelled() {
    for (reason, message) in [
        (json!("abandoned"), "canceled: the payer did not complete the payment in time"),
        (json!("duplicate"), "canceled: the payment was cancelled as a duplicate"),
        (json!("fraudulent"), "canceled: the payment was cancelled"),
        (json!("requested_by_customer"), "canceled: the payment was cancelled for the payer"),
        (json!("automatic"), "canceled: the payment was not completed in time"),
        (json!("expired"), "canceled: the payment was not completed in time"),
        (json!("void_invoice"), "canceled: the payment was cancelled"),
        (json!("brand_new"), "canceled: the payment was cancelled"),
        (Value::Null, "canceled: the payment was cancelled"),
    ] {
        let object = with(intent("canceled"), "cancellation_reason", reason);
        let answer = read_json(&get("pi_1"), &samples::card_payment(), 200, &object);
        assert_eq!(word(&answer).outcome, declined(message));
    }
}

#[test]
fn a_decline_is_final_only_when_the_intent_is_cancelled() {
    let payment = samples::card_payment();
    let intent_in_error = declined_intent("insufficient_funds");
    let body = error(json!({
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "message": "Your card has insufficient funds.",
        "charge": "ch_1",
        "doc_url": "https://stripe.com/docs/error-codes/card-declined",
        "payment_intent": intent_in_error,
    }));
    let answer = read_json(&Step::Create, &payment, 402, &body);
    // The id is known from the decline on.
    assert_eq!(word(&answer).reference.as_deref(), Some("pi_1"));
    assert_eq!(word(&answer).outcome, ProviderOutcome::Accepted);
    let then = answer.then.unwrap();
    let message = "insufficient_funds: the card has too little money for the payment";
    assert_eq!(then, cancel("pi_1", Some(message)));

    // The reason is remembered, also where Stripe forgets it.
    let cancelled = with(intent("canceled"), "cancellation_reason", json!("abandoned"));
    let answer = read_json(&then, &payment, 200, &cancelled);
    assert_eq!((word(&answer).outcome.clone(), answer.then.clone()), (declined(message), None));
}

#[test]
fn what_a_cancellation_is_too_late_for_counts() {
    let payment = samples::client_payment();
    let step = cancel("pi_1", None);
    let too_late = |object: Value| {
        error(json!({
            "type": "invalid_request_error",
            "code": "payment_intent_unexpected_state",
            "message": "You cannot cancel this PaymentIntent.",
            "payment_intent": object,
        }))
    };
    let answer = read_json(&step, &payment, 400, &too_late(intent("succeeded")));
    assert_eq!(word(&answer).outcome, succeeded("pi_1", usd(1_000)));
    let answer = read_json(&step, &payment, 400, &too_late(intent("canceled")));
    assert!(matches!(word(&answer).outcome, ProviderOutcome::Declined { .. }));
    // What is not final may have been answered hours ago.
    for object in [intent("processing"), declined_intent("generic_decline")] {
        let answer = read_json(&step, &payment, 400, &too_late(object));
        assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown);
        assert_eq!(answer.then, Some(get("pi_1")));
    }
    // Without the intent in its body, too.
    let bare = invalid("payment_intent_unexpected_state");
    assert_eq!(read_json(&step, &payment, 400, &bare).then, Some(get("pi_1")));
    assert_eq!(read_json(&Step::Confirm(id("pi_1")), &payment, 400, &bare).then, Some(get("pi_1")));
}

#[test]
fn a_cancelled_intent_that_is_still_open_is_not_cancelled_again_at_once() {
    let payment = samples::card_payment();
    for object in [intent("requires_action"), declined_intent("generic_decline")] {
        let answer = read_json(&cancel("pi_1", None), &payment, 200, &object);
        assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown);
        assert!(word(&answer).alarm.is_some());
        assert_eq!(answer.then, None);
    }
}

#[test]
fn a_failed_authentication_is_a_decline() {
    let failure = json!({
        "type": "invalid_request_error",
        "code": "payment_intent_authentication_failure",
        "message": "The payment failed because it was not authenticated.",
    });
    let object = with(intent("requires_payment_method"), "last_payment_error", failure);
    let answer = read_json(&get("pi_1"), &samples::client_payment(), 200, &object);
    let message =
        "payment_intent_authentication_failure: the payer did not authenticate the payment";
    assert_eq!(answer.then, Some(cancel("pi_1", Some(message))));
}

#[test]
fn a_lost_card_is_declined_in_general_terms() {
    for code in ["lost_card", "stolen_card", "fraudulent", "brand_new_code"] {
        let answer = read_json(&get("pi_1"), &samples::card_payment(), 200, &declined_intent(code));
        let message = "card_declined: the card was declined";
        assert_eq!(answer.then, Some(cancel("pi_1", Some(message))), "{code}");
        assert!(!format!("{answer:?}").contains(code), "{code}");
    }
}

#[test]
fn only_a_known_card_is_confirmed_by_us() {
    let object = intent("requires_confirmation");
    let answer = read_json(&get("pi_1"), &samples::client_payment(), 200, &object);
    assert_eq!(word(&answer).outcome, needs_action("pi_1_secret_x"));
    assert_eq!(answer.then, None);
    let confirm = Step::Confirm(id("pi_1"));
    assert_eq!(read_json(&confirm, &samples::card_payment(), 200, &object).then, None);
    // Servers that answer a decline without the intent.
    let decline = invalid("card_declined");
    let answer = read_json(&confirm, &samples::card_payment(), 402, &decline);
    let message = "card_declined: the card was declined";
    assert_eq!(answer.then, Some(cancel("pi_1", Some(message))));
}

#[test]
fn what_was_received_counts_and_not_what_was_asked_for() {
    let payment = samples::card_payment();
    for (received, currency, outcome) in [
        (json!(999), "usd", succeeded("pi_1", usd(999))),
        (json!(1000), "rwf", succeeded("pi_1", Money::new(1_000, Currency::parse("RWF").unwrap()))),
        // Old servers do not tell.
        (Value::Null, "usd", succeeded("pi_1", usd(1_000))),
        (json!(0), "usd", ProviderOutcome::Unknown),
        (json!(-1), "usd", ProviderOutcome::Unknown),
        (json!(1000), "xyz", ProviderOutcome::Unknown),
        (json!(1000), "ugx", ProviderOutcome::Unknown),
    ] {
        let object = with(intent("succeeded"), "amount_received", received);
        let object = with(object, "currency", json!(currency));
        let answer = read_json(&get("pi_1"), &payment, 200, &object);
        let word = word(&answer);
        assert_eq!(word.outcome, outcome, "{object}");
        let is_unknown = outcome == ProviderOutcome::Unknown;
        assert_eq!(word.alarm.is_some(), is_unknown, "{object}");
        assert_eq!(word.reference.as_deref(), Some("pi_1"));
    }
}

#[test]
fn each_status_of_a_session() {
    let payment = samples::page_payment();
    let url = "https://checkout.stripe.com/c/pay/cs_test_1#f";
    for (object, outcome, waits_for, then) in [
        (session("open", "unpaid"), needs_action(url), Some("the payer, on the card page"), None),
        (session("complete", "paid"), succeeded("pi_1", usd(1_000)), None, None),
        (
            session("complete", "unpaid"),
            ProviderOutcome::Accepted,
            Some("the payer's bank"),
            Some(get("pi_1")),
        ),
        (
            session("expired", "unpaid"),
            declined("expired: the payer did not pay on the card page in time"),
            None,
            None,
        ),
        (
            with(
                session("complete", "paid"),
                "payment_intent",
                json!({ "id": "pi_1", "amount": 1 }),
            ),
            succeeded("pi_1", usd(1_000)),
            None,
            None,
        ),
    ] {
        for step in [Step::Create, get("cs_test_1")] {
            let answer = read_json(&step, &payment, 200, &object);
            let word = word(&answer);
            assert_eq!(word.outcome, outcome, "{object}");
            assert_eq!(word.waits_for.as_deref(), waits_for, "{object}");
            assert_eq!(answer.then, then, "{object}");
            assert_eq!(word.reference.as_deref(), Some("cs_test_1"), "{object}");
            assert_eq!(word.alarm, None, "{object}");
        }
    }
    for object in [
        session("complete", "no_payment_required"),
        session("complete", "brand_new"),
        session("brand_new", "unpaid"),
        with(session("complete", "paid"), "payment_intent", Value::Null),
        with(session("open", "unpaid"), "url", Value::Null),
    ] {
        let answer = read_json(&get("cs_test_1"), &payment, 200, &object);
        assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown, "{object}");
        assert!(word(&answer).alarm.is_some(), "{object}");
    }
}

#[test]
fn a_session_is_over_only_when_stripe_says_so() {
    let payment = samples::page_payment();
    let step = cancel("cs_test_1", None);
    let answer = read_json(&step, &payment, 200, &session("expired", "unpaid"));
    assert!(matches!(word(&answer).outcome, ProviderOutcome::Declined { .. }));
    let answer = read_json(&step, &payment, 200, &session("open", "unpaid"));
    assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown);
    // It was paid a moment before.
    let too_late = error(json!({ "type": "invalid_request_error", "message": "Only open." }));
    let answer = read_json(&step, &payment, 400, &too_late);
    assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown);
    assert_eq!(answer.then, Some(get("cs_test_1")));
}

#[test]
fn declines_on_the_page_are_no_outcome_while_the_session_goes_on() {
    let payment = samples::page_payment();
    let found = |object: Value| {
        read_json(&Step::Find, &payment, 200, &json!({ "data": [object], "has_more": false }))
    };
    for object in [
        declined_intent("generic_decline"),
        intent("requires_action"),
        intent("requires_confirmation"),
        intent("canceled"),
    ] {
        let answer = found(object.clone());
        assert_eq!(word(&answer).outcome, ProviderOutcome::Accepted, "{object}");
        assert_eq!(answer.then, None, "{object}");
        assert_eq!(word(&answer).reference, None, "{object}");
    }
    let answer = found(intent("succeeded"));
    assert_eq!(word(&answer).outcome, succeeded("pi_1", usd(1_000)));
    assert_eq!(word(&answer).reference, None);
    // Asked for after the session was complete, the intent is as any other.
    let answer = read_json(&get("pi_1"), &payment, 200, &declined_intent("generic_decline"));
    assert!(matches!(answer.then, Some(Step::Cancel { .. })));
    assert_eq!(word(&answer).reference, None);
}

#[test]
fn each_status_of_a_refund() {
    let payment = samples::refund();
    let failed = |reason: &str| with(refund("failed"), "failure_reason", json!(reason));
    let pending = |reason: &str| with(refund("pending"), "pending_reason", json!(reason));
    for (object, outcome, waits_for) in [
        (refund("succeeded"), succeeded("re_1", usd(1_000)), None),
        (
            refund("requires_action"),
            ProviderOutcome::Accepted,
            Some("the payer, who has to say where the refund goes"),
        ),
        (refund("pending"), ProviderOutcome::Accepted, Some("the payer's bank")),
        (pending("processing"), ProviderOutcome::Accepted, Some("the payer's bank")),
        (
            pending("charge_pending"),
            ProviderOutcome::Accepted,
            Some("the payment, which has to be settled first"),
        ),
        (
            pending("insufficient_funds"),
            ProviderOutcome::Accepted,
            Some("money in the operator's account at Stripe"),
        ),
        (refund("canceled"), declined("canceled: the refund was cancelled"), None),
        (
            failed("lost_or_stolen_card"),
            declined("refund_failed: the card cannot take the refund"),
            None,
        ),
        (
            failed("expired_or_canceled_card"),
            declined("expired_or_canceled_card: the card has expired or was closed"),
            None,
        ),
        (
            failed("charge_for_pending_refund_disputed"),
            declined(
                "charge_for_pending_refund_disputed: the payer's bank disputed the payment while \
                 the refund was under way",
            ),
            None,
        ),
        (
            failed("insufficient_funds"),
            declined("insufficient_funds: the operator's account at Stripe has too little money"),
            None,
        ),
        (failed("declined"), declined("declined: the payer's bank declined the refund"), None),
        (
            failed("merchant_request"),
            declined("merchant_request: the refund was stopped at Stripe"),
            None,
        ),
        (
            failed("unknown"),
            declined("unknown: the payer's bank did not take the refund, and gave no reason"),
            None,
        ),
        (
            failed("brand_new"),
            declined("unknown: the payer's bank did not take the refund, and gave no reason"),
            None,
        ),
    ] {
        for step in [Step::Create, get("re_1")] {
            let answer = read_json(&step, &payment, 200, &object);
            let word = word(&answer);
            assert_eq!(word.outcome, outcome, "{object}");
            assert_eq!(word.waits_for.as_deref(), waits_for, "{object}");
            assert_eq!(word.reference.as_deref(), Some("re_1"), "{object}");
            assert_eq!((&word.alarm, &answer.then), (&None, &None), "{object}");
        }
    }
    for object in [refund("brand_new"), with(refund("x"), "status", Value::Null)] {
        let answer = read_json(&get("re_1"), &payment, 200, &object);
        assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown, "{object}");
        assert!(word(&answer).alarm.is_some(), "{object}");
    }
}

#[test]
fn a_partial_refund_moves_what_it_says() {
    let object = with(refund("succeeded"), "amount", json!(400));
    let answer = read_json(&get("re_1"), &samples::refund(), 200, &object);
    assert_eq!(word(&answer).outcome, succeeded("re_1", usd(400)));
}

#[test]
fn what_cannot_be_understood_is_unknown_and_told_to_the_operator() {
    let payment = samples::card_payment();
    for (status, body) in [
        (200, String::new()),
        (200, "{}".to_owned()),
        (200, "null".to_owned()),
        (200, r#"{"id":"pi_1","status":"succ"#.to_owned()),
        (200, "<html>502 Bad Gateway</html>".to_owned()),
        (200, intent("brand_new_status").to_string()),
        (200, with(intent("succeeded"), "id", json!("pi_2")).to_string()),
        (200, with(intent("succeeded"), "id", json!("ch_1")).to_string()),
        (200, with(intent("succeeded"), "id", json!("pi_1/x")).to_string()),
        (
            200,
            with(
                intent("succeeded"),
                "metadata",
                json!({ "kola_request_id": "11111111-2222-4333-8444-555555555555" }),
            )
            .to_string(),
        ),
        (200, with(intent("requires_action"), "client_secret", Value::Null).to_string()),
        (200, with(intent("succeeded"), "amount_received", json!("1000")).to_string()),
        (302, String::new()),
        (400, String::new()),
        (400, "Bad Request".to_owned()),
        (404, invalid("resource_missing").to_string()),
        (400, invalid("brand_new_code").to_string()),
        (424, error(json!({ "type": "api_error" })).to_string()),
    ] {
        let answer = read(&get("pi_1"), &payment, &response(status, &body));
        assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown, "{status} {body}");
        assert!(word(&answer).alarm.is_some(), "{status} {body}");
        assert_eq!(answer.then, None, "{status} {body}");
    }
}

#[test]
fn an_intent_without_our_metadata_is_read_by_its_id() {
    let object = with(intent("succeeded"), "metadata", Value::Null);
    let answer = read_json(&get("pi_1"), &samples::card_payment(), 200, &object);
    assert_eq!(word(&answer).outcome, succeeded("pi_1", usd(1_000)));
}

#[test]
fn errors_that_refuse_a_request_end_the_payment() {
    for (code, message, is_alarm) in [
        (
            "amount_too_small",
            "amount_too_small: the amount is below what a card can be charged",
            false,
        ),
        (
            "amount_too_large",
            "amount_too_large: the amount is above what a card can be charged",
            false,
        ),
        ("parameter_unknown", "parameter_unknown: the card network did not take the request", true),
        (
            "resource_missing",
            "resource_missing: Stripe does not know the card or the payment",
            true,
        ),
        (
            "capability_not_active",
            "capability_not_active: the operator's account cannot take card payments yet",
            true,
        ),
    ] {
        let answer = read_json(&Step::Create, &samples::card_payment(), 400, &invalid(code));
        assert_eq!(word(&answer).outcome, declined(message));
        assert_eq!(word(&answer).alarm.is_some(), is_alarm, "{code}");
    }
    for (code, message) in [
        (
            "charge_already_refunded",
            "charge_already_refunded: the payment has been refunded already",
        ),
        (
            "charge_disputed",
            "charge_disputed: the payer's bank disputes the payment, which cannot be refunded",
        ),
        (
            "refund_disputed_payment",
            "refund_disputed_payment: the payer's bank disputes the payment, which cannot be \
             refunded",
        ),
        ("charge_not_refundable", "charge_not_refundable: the payment cannot be refunded"),
        (
            "payment_intent_unexpected_state",
            "charge_not_refundable: the payment cannot be refunded",
        ),
        (
            "balance_insufficient",
            "balance_insufficient: the operator's balance at Stripe is too low",
        ),
    ] {
        let answer = read_json(&Step::Create, &samples::refund(), 400, &invalid(code));
        assert_eq!(word(&answer).outcome, declined(message), "{code}");
    }
    // More than what is left to refund, and other faults without a code.
    let uncoded = error(json!({ "type": "invalid_request_error", "message": "Too much." }));
    for payment in [samples::refund(), samples::card_payment(), samples::page_payment()] {
        let answer = read_json(&Step::Create, &payment, 400, &uncoded);
        let message = "invalid_request: the card network did not take the request";
        assert_eq!(word(&answer).outcome, declined(message));
        let alarm = "Stripe answered 400 invalid_request_error: Too much.";
        assert_eq!(word(&answer).alarm.as_deref(), Some(alarm));
    }
}

#[test]
fn errors_that_say_nothing_of_the_payment_end_nothing() {
    let payments = [samples::card_payment(), samples::page_payment(), samples::refund()];
    for (status, body) in [
        // The key was used with another body, or is in use.
        (400, error(json!({ "type": "idempotency_error", "message": "Keys …" }))),
        (409, error(json!({ "type": "idempotency_error", "code": "idempotency_key_in_use" }))),
        (409, error(json!({ "type": "idempotency_error" }))),
        (409, invalid("idempotency_key_in_use")),
        (400, invalid("lock_timeout")),
        (400, invalid("brand_new_code")),
        (400, error(json!({ "type": "api_error" }))),
        (402, error(json!({ "type": "brand_new_error", "code": "brand_new_code" }))),
        (402, error(json!({ "type": "invalid_request_error", "message": "Request failed." }))),
        (424, error(json!({ "type": "api_error" }))),
    ] {
        for payment in &payments {
            let answer = read_json(&Step::Create, payment, status, &body);
            assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown, "{status} {body}");
            assert_eq!(answer.then, None, "{status} {body}");
        }
    }
    let busy = read_json(&Step::Create, &payments[0], 409, &invalid("idempotency_key_in_use"));
    assert_eq!(word(&busy).alarm, None);
    assert_eq!(word(&busy).waits_for.as_deref(), Some("another call about it at Stripe"));
}

#[test]
fn a_decline_without_its_intent_is_looked_for() {
    let answer = read_json(&Step::Create, &samples::card_payment(), 402, &invalid("card_declined"));
    assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown);
    assert!(word(&answer).alarm.is_some());
    assert_eq!(answer.then, Some(Step::Find));
    // A refund's is none of a card.
    let answer = read_json(&Step::Create, &samples::refund(), 402, &invalid("processing_error"));
    assert_eq!(
        (word(&answer).outcome.clone(), answer.then.clone()),
        (ProviderOutcome::Unknown, None)
    );
}

#[test]
fn too_many_requests_come_again_later() {
    let payment = samples::card_payment();
    let body = error(json!({ "type": "invalid_request_error", "code": "rate_limit" })).to_string();
    for status in [400, 429] {
        let plain = read(&Step::Create, &payment, &response(status, &body));
        assert_eq!(plain.reading, Reading::Later { after: None });
        let told = with_header(response(status, &body), "retry-after", "2");
        let answer = read(&Step::Create, &payment, &told);
        assert_eq!(answer.reading, Reading::Later { after: Some(Duration::from_secs(2)) });
    }
}

#[test]
fn a_refused_key_fails_no_payment() {
    for (status, body) in [
        (
            401,
            error(json!({
                "type": "invalid_request_error",
                "message": "Invalid API Key provided: sk_test_abc1234",
            })),
        ),
        (403, error(json!({ "type": "invalid_request_error", "message": "sk_test_abc1234" }))),
        (400, invalid("testmode_charges_only")),
        (401, json!("nothing")),
    ] {
        for step in [Step::Create, get("pi_1")] {
            let answer = read_json(&step, &samples::card_payment(), status, &body);
            let Reading::AccountRefused { reason } = answer.reading else { panic!("{body}") };
            assert!(!reason.contains("abc1234"), "{reason}");
            assert!(reason.contains(&status.to_string()), "{reason}");
        }
    }
}

#[test]
fn errors_of_stripe_say_nothing_of_the_payment() {
    let payment = samples::card_payment();
    let unknown = Reading::Word(Word::unknown());
    for status in [500, 502, 503, 504] {
        for body in ["", "<html>", r#"{"error":{"type":"api_error"}}"#] {
            let answer = read(&Step::Create, &payment, &response(status, body));
            assert_eq!(answer, Answer { reading: unknown.clone(), then: None });
        }
    }
    // An error that Stripe has stored comes again and again: only a look into the account helps.
    for (name, value, is_stored) in [
        ("idempotent-replayed", "true", true),
        ("stripe-should-retry", "false", true),
        ("stripe-should-retry", "true", false),
    ] {
        for (step, next) in [
            (Step::Create, Some(Step::Find)),
            (Step::Confirm(id("pi_1")), Some(get("pi_1"))),
            (cancel("pi_1", None), Some(get("pi_1"))),
            (get("pi_1"), None),
        ] {
            let stored = with_header(response(500, "{}"), name, value);
            let answer = read(&step, &payment, &stored);
            let then = next.filter(|_| is_stored);
            assert_eq!(answer, Answer { reading: unknown.clone(), then }, "{name} {step:?}");
        }
    }
}

#[test]
fn what_is_not_final_and_comes_from_stripes_memory_is_asked_for() {
    let replayed = |step: &Step, payment: &Payment, object: Value| {
        let stored = response(200, &object.to_string());
        read(step, payment, &with_header(stored, "idempotent-replayed", "true")).then
    };
    let card = samples::card_payment();
    for status in ["requires_action", "processing", "requires_payment_method"] {
        assert_eq!(replayed(&Step::Create, &card, intent(status)), Some(get("pi_1")), "{status}");
    }
    assert_eq!(replayed(&Step::Create, &card, intent("succeeded")), None);
    let open = session("open", "unpaid");
    assert_eq!(replayed(&Step::Create, &samples::page_payment(), open), Some(get("cs_test_1")));
    let refund_of = |status| replayed(&Step::Create, &samples::refund(), refund(status));
    assert_eq!(refund_of("pending"), Some(get("re_1")));
    assert_eq!(refund_of("succeeded"), Some(get("re_1")));
    assert_eq!(refund_of("failed"), None);
}

#[test]
fn a_search_that_finds_nothing_proves_nothing() {
    let nothing = json!({ "object": "search_result", "data": [], "has_more": false });
    for payment in [samples::card_payment(), samples::page_payment(), samples::refund()] {
        let answer = read_json(&Step::Find, &payment, 200, &nothing);
        assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown);
        assert!(word(&answer).waits_for.is_some());
        assert_eq!(answer.then, None);
    }
}

#[test]
fn what_is_found_counts_if_it_is_ours() {
    let card = samples::card_payment();
    let list = |objects: Value| json!({ "object": "search_result", "data": objects });
    let stranger = with(intent("succeeded"), "metadata", json!({}));
    let answer = read_json(&Step::Find, &card, 200, &list(json!([stranger])));
    assert_eq!(word(&answer).outcome, ProviderOutcome::Unknown);
    let answer = read_json(&Step::Find, &card, 200, &list(json!([stranger, intent("succeeded")])));
    assert_eq!(word(&answer).outcome, succeeded("pi_1", usd(1_000)));
    assert_eq!(word(&answer).reference.as_deref(), Some("pi_1"));
    let answer =
        read_json(&Step::Find, &card, 200, &list(json!([declined_intent("do_not_honor")])));
    assert!(matches!(answer.then, Some(Step::Cancel { .. })));
    // Two of one request: whatever happens next, somebody has to look.
    let second = with(intent("succeeded"), "id", json!("pi_2"));
    let both = list(json!([intent("requires_action"), second]));
    let answer = read_json(&Step::Find, &card, 200, &both);
    assert_eq!(word(&answer).outcome, succeeded("pi_2", usd(1_000)));
    assert!(word(&answer).alarm.is_some());

    let other = with(refund("succeeded"), "metadata", json!({}));
    let other = with(other, "id", json!("re_2"));
    let refunds = list(json!([other, refund("failed")]));
    let answer = read_json(&Step::Find, &samples::refund(), 200, &refunds);
    assert!(matches!(word(&answer).outcome, ProviderOutcome::Declined { .. }));
    assert_eq!(word(&answer).reference.as_deref(), Some("re_1"));
    let more = json!({ "data": [other], "has_more": true });
    let answer = read_json(&Step::Find, &samples::refund(), 200, &more);
    assert!(word(&answer).alarm.is_some());
}

#[test]
fn the_balance_of_each_currency() {
    let body = json!({
        "object": "balance",
        "available": [
            { "amount": 1050, "currency": "usd", "source_types": { "card": 1050 } },
            { "amount": -300, "currency": "rwf" },
            { "amount": 5, "currency": "xyz" },
        ],
        "pending": [{ "amount": 20, "currency": "usd" }, { "amount": 7, "currency": "eur" }],
        "livemode": false,
    });
    let rwf = Currency::parse("RWF").unwrap();
    let eur = Currency::parse("EUR").unwrap();
    let balance = |available, pending| AccountBalance { available, pending };
    assert_eq!(
        read_balance(&response(200, &body.to_string())),
        Ok(vec![
            balance(usd(1_050), usd(20)),
            balance(Money::new(-300, rwf), Money::new(0, rwf)),
            balance(Money::new(0, eur), Money::new(7, eur)),
        ])
    );
    let refused = read_balance(&response(401, r#"{"error":{"message":"sk_test_abc"}}"#));
    let reason = "Stripe answered 401: sk_test_[removed]".to_owned();
    assert_eq!(refused, Err(Box::new(Reading::AccountRefused { reason })));
    for (status, body) in [(200, ""), (200, "{}"), (404, ""), (400, "{\"error\":{}}")] {
        let read = read_balance(&response(status, body));
        let Some(Reading::Word(word)) = read.err().map(|reading| *reading) else {
            panic!("{status} {body}")
        };
        assert!(word.alarm.is_some(), "{status} {body}");
    }
}

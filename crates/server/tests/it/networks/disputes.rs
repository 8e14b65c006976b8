//! Disputes of card payments (scenario 24, second half).

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::{id, key, shown, wait_for};

impl Stage {
    /// A completed card payment that is disputed now, with the id of the dispute.
    #[track_caller]
    fn disputed(&self) -> (Value, Value) {
        let paid = self.charge("pm_card_visa");
        let paid = self.becomes("collection", &paid, "COMPLETED");
        let intent = paid["provider_transaction_id"].clone();
        let opened = self.control("/stripe/disputes", &json!({"payment_intent": intent}));
        wait_for("the review", || (self.open_reviews() == ["DISPUTE"]).then_some(()));
        self.fakes.flush_on_threads();
        (paid, opened["dispute"].clone())
    }

    #[track_caller]
    fn change_dispute(&self, dispute: &Value, status: &str) {
        self.control("/stripe/disputes", &json!({"dispute": dispute, "status": status}));
        self.fakes.flush_on_threads();
    }

    /// The open reviews as an operator sees them.
    #[track_caller]
    fn listed_reviews(&self) -> Vec<Value> {
        let listed = self.server.kola(&["review", "list", "--json"]).ok();
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        listed.as_array().expect("a list").clone()
    }
}

#[test]
fn a_dispute_is_a_review_with_the_money_in_suspense_until_it_is_won() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    // A refund that is declared before the dispute.
    let declared = id(&shop.open_refund(&paid["payment_intent_id"], "10.00").ok());
    let intent = paid["provider_transaction_id"].clone();
    let opened = stage.control("/stripe/disputes", &json!({"payment_intent": intent}));
    let dispute = opened["dispute"].clone();
    wait_for("the review", || {
        stage.listed_reviews().first().is_some_and(|one| one["amount"] == "-104.20").then_some(())
    });
    let review = stage.listed_reviews().remove(0);
    assert_eq!(review["kind"], "DISPUTE");
    let reason = shown(&review, "reason");
    for part in [
        "104.20 USD",
        "not to have made the payment",
        "answer by 20",
        &format!("https://dashboard.stripe.com/test/disputes/{}", shown(&opened, "dispute")),
    ] {
        assert!(reason.contains(part), "no {part:?} in {reason}");
    }
    stage.assert_books_equal();
    // Nothing is refunded meanwhile.
    let refused = shop.open_refund(&paid["payment_intent_id"], "10.00");
    assert_eq!(refused.status, 422, "{refused:?}");
    let refused = shop.execute("refund", declared, &key());
    assert_eq!(refused.status, 422, "{refused:?}");
    stage.change_dispute(&dispute, "under_review");
    assert!(shown(&stage.listed_reviews()[0], "reason").contains("looks at the answer"));
    stage.change_dispute(&dispute, "won");
    assert!(stage.listed_reviews().is_empty());
    stage.assert_books_equal();
    let back = shop.execute("refund", declared, &key()).ok();
    stage.becomes("refund", &back, "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn a_lost_dispute_is_borne_by_the_merchant_when_an_operator_says_so() {
    let stage = Stage::open();
    let shop = &stage.shop;
    // Of another payment the wallet has money for what is lost with the fees.
    stage.becomes("collection", &stage.charge("pm_card_visa"), "COMPLETED");
    let (paid, dispute) = stage.disputed();
    shop.assert_balance("USD", "200.00", "0.00");
    stage.change_dispute(&dispute, "lost");
    let review = stage.listed_reviews().remove(0);
    assert!(shown(&review, "reason").contains("lost"), "{review}");
    assert_eq!(review["amount"], "-104.20");
    stage.assert_books_equal();
    let number = review["id"].to_string();
    let resolve = ["review", "resolve", &number, "--to", "wallet", "--evidence", "Stripe: lost"];
    stage.server.kola(&resolve).ok();
    shop.assert_balance("USD", "95.80", "0.00");
    assert_eq!(stage.now("collection", &paid)["status"], "COMPLETED");
    assert_eq!(shop.open_refund(&paid["payment_intent_id"], "1.00").status, 422);
    stage.assert_books_equal();
    // The bank changes its mind: what came back is for the operator, too.
    stage.change_dispute(&dispute, "won");
    let review = stage.listed_reviews().remove(0);
    assert_eq!(review["amount"], "104.20");
    stage.assert_books_equal();
    let number = review["id"].to_string();
    let resolve = ["review", "resolve", &number, "--to", "wallet", "--evidence", "Stripe: won"];
    stage.server.kola(&resolve).ok();
    shop.assert_balance("USD", "200.00", "0.00");
    stage.assert_books_equal();
}

#[test]
fn news_of_a_dispute_come_in_any_order_and_many_times() {
    let stage = Stage::open();
    let (_, dispute) = stage.disputed();
    stage.change_dispute(&dispute, "won");
    let sent = stage.fakes.look("/deliveries").expect("deliveries");
    let of_dispute = |one: &&Value| shown(one, "event").starts_with("charge.dispute.");
    let mut events: Vec<String> = sent["stripe"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(of_dispute)
        .map(|one| shown(one, "subject"))
        .collect();
    events.reverse();
    assert_eq!(events.len(), 4, "{events:?}");
    for event in events {
        stage.control("/stripe/events", &json!({"event": event, "copies": 20}));
        stage.fakes.flush_on_threads();
        assert!(stage.listed_reviews().is_empty());
        stage.assert_books_equal();
    }
}

/// Money of a refund that failed after all, of a payment that is disputed: two reviews, one payment.
#[test]
fn what_stripe_says_of_refunds_is_heard_while_the_payment_is_disputed() {
    let stage = Stage::open();
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    stage.fault(&json!({"network": "STRIPE", "kind": "STUCK", "match": {"path": "/v1/refunds"}}));
    let back = stage.shop.refund(&paid, "30.00");
    let intent = paid["provider_transaction_id"].clone();
    let part = json!({"payment_intent": intent, "amount": 7_420});
    let dispute = stage.control("/stripe/disputes", &part)["dispute"].clone();
    wait_for("the review", || (stage.open_reviews() == ["DISPUTE"]).then_some(()));
    let refund = stage.at_stripe("refunds")[0]["id"].clone();
    stage.control("/stripe/refunds", &json!({"refund": refund, "status": "succeeded"}));
    stage.becomes("refund", &back, "COMPLETED");
    stage.assert_books_equal();
    let failed = json!({"refund": refund, "status": "failed", "failure_reason": "declined"});
    stage.control("/stripe/refunds", &failed);
    wait_for("both", || {
        (stage.open_reviews() == ["DISPUTE", "FAILURE_AFTER_SUCCESS"]).then_some(())
    });
    stage.change_dispute(&dispute, "won");
    assert_eq!(stage.open_reviews(), ["FAILURE_AFTER_SUCCESS"]);
    stage.assert_books_equal();
}

#[test]
fn a_dispute_of_a_payment_that_is_not_ours_changes_nothing() {
    let stage = Stage::open();
    let (_, dispute) = stage.disputed();
    stage.change_dispute(&dispute, "won");
    let sent = stage.fakes.look("/deliveries").expect("deliveries");
    let all = sent["stripe"].as_array().expect("a list");
    let created = all.iter().find(|one| one["event"] == "charge.dispute.created").expect("it");
    // Soon after the event the payment may not be booked yet, so Stripe has to send it again.
    let hour_ago = stage.fakes.now() / 1_000 - 3_600;
    for (made_at, answer) in [(stage.fakes.now() / 1_000, 503), (hour_ago, 200)] {
        let before = all.len();
        stage.control(
            "/stripe/events",
            &json!({"event": created["subject"], "set": {"created": made_at},
                "set_object": {"payment_intent": "pi_of_somebody_else"}}),
        );
        stage.fakes.flush_on_threads();
        let sent = stage.fakes.look("/deliveries").expect("deliveries");
        let answers = sent["stripe"].as_array().expect("a list")[before..].to_vec();
        assert!(answers.last().is_some_and(|one| one["answer"] == answer), "{answers:?}");
    }
    assert!(stage.open_reviews().is_empty());
    stage.assert_books_equal();
}

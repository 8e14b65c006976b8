//! What Stripe sends by itself: signed, forged, late, repeated.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::{key, shown, wait_for};

const NEW_SECRET: &str = "whsec_a_second_secret_of_the_endpoint";

impl Stage {
    /// A payment that Stripe has taken and that its bank has not answered, with the id of the
    /// intent.
    #[track_caller]
    fn under_way(&self) -> (Value, Value) {
        self.fault(&json!({"network": "STRIPE", "kind": "STUCK"}));
        let begun = self.charge("pm_card_visa");
        let intent = self.intent_of(&begun);
        self.becomes("collection", &begun, "PROCESSING");
        self.fakes.flush_on_threads();
        (begun, intent)
    }

    /// The last event of this type that Stripe has sent.
    #[track_caller]
    fn event(&self, kind: &str) -> String {
        let sent = self.fakes.look("/deliveries").expect("deliveries");
        let all = sent["stripe"].as_array().expect("a list").clone();
        let of_kind = |one: &&Value| one["event"] == kind;
        shown(all.iter().rfind(of_kind).unwrap_or_else(|| panic!("no {kind}: {all:?}")), "subject")
    }

    /// Sends an event again with these changes. Returns how each delivery of it was answered.
    #[track_caller]
    fn resend(&self, event: &str, changes: &Value) -> Vec<Value> {
        let before = self.answers().len();
        let mut order = json!({"event": event});
        for (name, value) in changes.as_object().expect("an object") {
            order[name] = value.clone();
        }
        self.control("/stripe/events", &order);
        self.fakes.flush_on_threads();
        self.answers().split_off(before)
    }

    /// How Stripe's deliveries were answered so far.
    fn answers(&self) -> Vec<Value> {
        let sent = self.fakes.look("/deliveries").expect("deliveries");
        let all = sent["stripe"].as_array().expect("a list");
        all.iter().map(|one| one["answer"].clone()).collect()
    }

    fn callbacks_on_record(&self) -> String {
        self.server.database.value("SELECT count(*) FROM exchanges WHERE is_callback = 1")
    }

    /// The bank takes the payment after all.
    #[track_caller]
    fn succeeds(&self, begun: &Value, intent: &Value) {
        self.control("/stripe/intents", &json!({"payment_intent": intent, "status": "succeeded"}));
        self.becomes("collection", begun, "COMPLETED");
    }
}

/// An event that says that a payment has succeeded.
fn success(more: &Value) -> Value {
    let mut changes = json!({"set": {"type": "payment_intent.succeeded"},
        "set_object": {"status": "succeeded", "amount_received": 10_420}});
    for (name, value) in more.as_object().expect("an object") {
        changes[name] = value.clone();
    }
    changes
}

const PROCESSING: &str = "payment_intent.processing";

/// Scenario 12 for cards.
#[test]
fn an_event_whose_signature_does_not_hold_changes_nothing() {
    let stage = Stage::open();
    let (begun, intent) = stage.under_way();
    let event = stage.event(PROCESSING);
    let on_record = stage.callbacks_on_record();
    for signature in ["UNSIGNED", "FORGED", "EXPIRED", "TAMPERED"] {
        let answers = stage.resend(&event, &success(&json!({"signature": signature})));
        assert!(!answers.is_empty() && answers.iter().all(|one| *one == 401), "{signature}");
        assert_eq!(stage.now("collection", &begun)["status"], "PROCESSING", "{signature}");
    }
    assert_eq!(stage.callbacks_on_record(), on_record);
    stage.succeeds(&begun, &intent);
    stage.assert_books_equal();
}

/// Scenario 14 for cards: Stripe's clock is 4 minutes ahead of ours or behind, then 6.
#[test]
fn clocks_may_differ_by_five_minutes() {
    let stage = Stage::open();
    let mut offset = 0;
    for (minutes, answer) in [(4, 200), (6, 401), (-4, 200), (-6, 401)] {
        stage.fakes.advance(minutes * 60 - offset);
        offset = minutes * 60;
        let (begun, intent) = stage.under_way();
        let answers = stage.resend(&stage.event(PROCESSING), &json!({}));
        assert!(!answers.is_empty() && answers.iter().all(|one| *one == answer), "{minutes}");
        // Where no event is believed, Stripe is asked.
        stage.succeeds(&begun, &intent);
    }
    stage.assert_books_equal();
}

#[test]
fn a_webhook_secret_is_changed_without_losing_an_event() {
    let stage = Stage::open();
    let account = stage.stripe.to_string();
    let url = stage.stripe_webhook();
    let sign_with = |secrets: &[&str]| {
        stage.control("/stripe/webhooks", &json!({"url": url, "secrets": secrets}));
    };
    let (begun, intent) = stage.under_way();
    let event = stage.event(PROCESSING);
    let is_answered =
        |status: u16| stage.resend(&event, &json!({})).iter().all(|one| *one == status);
    sign_with(&[NEW_SECRET]);
    assert!(is_answered(401));
    let add = ["networks", "add-webhook-secret", "--account", &account];
    stage.server.database.kola_with_input(&add, &format!("{NEW_SECRET}\n")).ok();
    wait_for("the new secret", || is_answered(200).then_some(()));
    // While a secret is rolled, Stripe signs with both, in any order.
    for secrets in [
        &[fakes::STRIPE_WEBHOOK_SECRET, NEW_SECRET][..],
        &[NEW_SECRET, fakes::STRIPE_WEBHOOK_SECRET],
        &["whsec_of_somebody_else", NEW_SECRET],
        &[fakes::STRIPE_WEBHOOK_SECRET],
    ] {
        sign_with(secrets);
        assert!(is_answered(200), "{secrets:?}");
    }
    let listed = stage.server.kola(&["networks", "list", "--json"]).ok();
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let accounts = listed.as_array().expect("a list");
    let own = accounts.iter().find(|one| one["id"] == stage.stripe).expect("the account");
    let secrets = own["secrets"].as_array().expect("secrets");
    let old = secrets.iter().rfind(|one| one["kind"] == "WEBHOOK_SECRET").expect("the old one");
    let old = old["id"].to_string();
    stage.server.kola(&["networks", "retire", "--account", &account, "--secret", &old]).ok();
    wait_for("the end of the old secret", || is_answered(401).then_some(()));
    sign_with(&[NEW_SECRET]);
    assert!(is_answered(200));
    stage.succeeds(&begun, &intent);
    stage.assert_books_equal();
}

#[test]
fn events_that_are_not_meant_or_not_understood_change_nothing() {
    let stage = Stage::open();
    let (begun, intent) = stage.under_way();
    let event = stage.event(PROCESSING);
    let succeeded = "payment_intent.succeeded";
    let on_record = stage.callbacks_on_record();
    for (changes, answer) in [
        // Of the other mode.
        (success(&json!({"set": {"type": succeeded, "livemode": true}})), 200),
        // Thin: it has no object.
        (success(&json!({"set": {"type": succeeded, "object": "v2.core.event"}})), 400),
        (success(&json!({"set": {"type": succeeded, "object": "balance"}})), 400),
        (success(&json!({"set": {"type": succeeded, "data": null}})), 400),
        // Of a request that is not ours, or of none.
        (
            json!({"set": {"type": succeeded}, "set_object": {"status": "succeeded",
                "metadata": {"kola_request_id": key()}}}),
            200,
        ),
        (
            json!({"set": {"type": succeeded}, "set_object": {"status": "succeeded",
                "metadata": {}}}),
            200,
        ),
        // Of a type that says nothing here.
        (success(&json!({"set": {"type": "customer.created"}})), 200),
    ] {
        let answers = stage.resend(&event, &changes);
        assert!(!answers.is_empty() && answers.iter().all(|one| *one == answer), "{changes}");
        assert_eq!(stage.now("collection", &begun)["status"], "PROCESSING", "{changes}");
    }
    assert_eq!(stage.callbacks_on_record(), on_record);
    stage.succeeds(&begun, &intent);
    stage.assert_books_equal();
}

#[test]
fn only_the_accounts_own_path_takes_events() {
    let stage = Stage::open();
    let url = stage.stripe_webhook();
    let at = url.find("/callbacks/").expect("a path");
    let (path, token) = url[at..].rsplit_once('/').expect("a token");
    let post = |path: &str, body: &[u8]| {
        stage.server.api.post_bytes(path, "application/json", body).status
    };
    assert_eq!(post(&format!("{path}/{token}"), b"{}"), 401);
    assert_eq!(post(&format!("{path}/another-token"), b"{}"), 404);
    assert_eq!(post(&format!("{path}/"), b"{}"), 404);
    assert_eq!(post(&format!("/callbacks/stripe/{}/{token}", stage.pawapay), b"{}"), 404);
    assert_eq!(post(&format!("{path}/{token}"), &vec![b' '; 300_000]), 413);
}

/// Scenario 6 for cards.
#[test]
fn a_hundred_copies_of_an_event_settle_once() {
    let stage = Stage::open();
    let (begun, intent) = stage.under_way();
    let before = stage.answers().len();
    stage.fault(&json!({"network": "STRIPE", "kind": "CALLBACK_REPEATED", "copies": 100,
        "match": {"event": "payment_intent.succeeded"}}));
    stage.succeeds(&begun, &intent);
    stage.fakes.flush_on_threads();
    let answers = stage.answers().split_off(before);
    assert!(answers.len() >= 100, "{answers:?}");
    assert!(answers.iter().all(|one| *one == 200), "{answers:?}");
    stage.shop.assert_balance("USD", "100.00", "0.00");
    stage.assert_books_equal();
}

/// Scenario 7 for cards: events come in any order.
#[test]
fn an_older_event_after_the_end_is_old_news() {
    let stage = Stage::open();
    let (begun, intent) = stage.under_way();
    let older = stage.event(PROCESSING);
    stage.succeeds(&begun, &intent);
    stage.fakes.flush_on_threads();
    let succeeded = stage.event("payment_intent.succeeded");
    for event in [&older, &succeeded, &older] {
        assert_eq!(stage.resend(event, &json!({})), [200]);
    }
    assert_eq!(stage.now("collection", &begun)["status"], "COMPLETED");
    assert!(stage.open_reviews().is_empty());
    stage.shop.assert_balance("USD", "100.00", "0.00");
    stage.assert_books_equal();
}

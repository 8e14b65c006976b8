//! Cards through Stripe, charged by the API.

use serde_json::{Value, json};

use super::stage::{Stage, add_account, stripe_secrets};
use crate::support::{Api, all_at_once, key, shop, shown, wait_for};

const HOUR_US: i64 = 3_600_000_000;

impl Stage {
    /// A payment account for this card: its id at Stripe, or none where the payer's browser has it.
    pub(super) fn card(&self, number: Option<&str>) -> i64 {
        self.shop.account(self.shop.party(), "COLLECTION", "CREDIT_CARD", number)
    }

    /// Charges this card 100.00 USD and fees.
    #[track_caller]
    pub(super) fn charge(&self, card: &str) -> Value {
        self.shop.take(self.card(Some(card)), "USD", "100.00")
    }

    /// What Stripe has in its books.
    pub(super) fn at_stripe(&self, kind: &str) -> Vec<Value> {
        self.fakes.books()["stripe"][kind].as_array().cloned().unwrap_or_default()
    }

    /// The id of the intent of a payment.
    #[track_caller]
    pub(super) fn intent_of(&self, payment: &Value) -> Value {
        wait_for("the intent", || {
            let intents = self.at_stripe("payment_intents");
            let own = intents
                .iter()
                .find(|intent| intent["metadata"]["kola_reference_id"] == payment["reference_id"]);
            own.map(|intent| intent["id"].clone())
        })
    }

    /// The payment once its payer has to act.
    #[track_caller]
    fn awaits_payer(&self, payment: &Value) -> Value {
        wait_for("the payer's turn", || {
            let now = self.now("collection", payment);
            (now["requires_action"] == true).then_some(now)
        })
    }

    /// Stripe tells nothing by itself from now on.
    #[track_caller]
    pub(super) fn lose_events(&self) {
        self.fault(&json!({"network": "STRIPE", "kind": "CALLBACK_LOST", "times": 10_000}));
    }

    /// Makes all that is under way look as if it had begun so much earlier.
    pub(super) fn age(&self, us: i64) {
        let database = &self.server.database;
        database.sql(&format!(
            "UPDATE executions SET created_at = created_at - {us} WHERE id IN \
             (SELECT execution_id FROM provider_attempts WHERE next_check_at IS NOT NULL)"
        ));
        database.sql(&format!(
            "UPDATE provider_attempts SET sent_at = sent_at - {us}, deadline_at = deadline_at - {us}, \
             asked_at = asked_at - {us}, next_check_at = 1 WHERE next_check_at IS NOT NULL"
        ));
    }

    /// The requests that Stripe has had, as method and path without the query.
    pub(super) fn asked_of_stripe(&self) -> Vec<String> {
        let requests = self.fakes.look("/requests").expect("requests");
        let line = |request: &Value| {
            let path = shown(request, "path");
            let path = path.split('?').next().unwrap_or_default();
            format!("{} {path}", shown(request, "method"))
        };
        requests["stripe"].as_array().expect("a list").iter().map(line).collect()
    }

    /// How often Stripe has had this request.
    pub(super) fn asked(&self, line: &str) -> usize {
        self.asked_of_stripe().iter().filter(|asked| *asked == line).count()
    }

    /// Makes checks due until Stripe has had this request so often again.
    #[track_caller]
    fn until_asked(&self, line: &str, times: usize) {
        let before = self.asked(line);
        wait_for(line, || {
            self.make_due();
            (self.asked(line) >= before + times).then_some(())
        });
    }

    /// The kinds of the open reviews.
    pub(super) fn open_reviews(&self) -> Vec<String> {
        let rows = "SELECT kind FROM reviews WHERE status = 'OPEN' ORDER BY kind";
        self.server.database.rows(rows).into_iter().flatten().collect()
    }
}

const CREATE: &str = "POST /v1/payment_intents";
const SEARCH: &str = "GET /v1/payment_intents/search";
const REFUND: &str = "POST /v1/refunds";

#[test]
fn a_card_is_charged_and_refunded() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    assert!(shown(&paid, "provider_transaction_id").starts_with("pi_"), "{paid}");
    for amount in ["30.00", "20.00"] {
        let back = shop.refund(&paid, amount);
        stage.becomes("refund", &back, "COMPLETED");
    }
    stage.assert_books_equal();
}

#[test]
fn a_declined_card_fails_only_when_the_payment_was_canceled() {
    let stage = Stage::open();
    let failed = stage.charge("pm_card_visa_chargeDeclined");
    let failed = stage.becomes("collection", &failed, "FAILED");
    assert!(shown(&failed, "gateway_message").contains("declined"), "{failed}");
    assert_eq!(stage.at_stripe("payment_intents")[0]["status"], "canceled");
    stage.assert_books_equal();
}

/// A decline whose cancellation is not answered: it has not failed before Stripe says so.
#[test]
fn a_decline_whose_cancellation_is_lost_is_canceled_again() {
    let stage = Stage::open();
    stage.lose_events();
    for kind in ["REQUEST_LOST", "ANSWER_LOST", "BAD_GATEWAY", "SERVER_ERROR"] {
        stage.fault(&json!({"network": "STRIPE", "kind": kind,
            "match": {"method": "POST", "path": "/v1/payment_intents/*/cancel"}}));
        let failed = stage.charge("pm_card_chargeDeclinedExpiredCard");
        let failed = stage.becomes("collection", &failed, "FAILED");
        assert!(shown(&failed, "gateway_message").contains("expired"), "{kind}: {failed}");
    }
    assert!(stage.at_stripe("payment_intents").iter().all(|one| one["status"] == "canceled"));
    stage.assert_books_equal();
}

#[test]
fn the_number_of_a_card_is_refused() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let card = Some("4242424242424242");
    let refused = shop.create_account(shop.party(), "COLLECTION", "CREDIT_CARD", card);
    assert_eq!(refused.status, 422);
    assert_eq!(
        stage.stripe,
        stage
            .server
            .database
            .value("SELECT id FROM network_accounts WHERE mode = 'TEST' AND network = 'STRIPE'")
            .parse::<i64>()
            .expect("an id")
    );
    let kept = "SELECT count(*) FROM payment_accounts WHERE method = 'CREDIT_CARD'";
    assert_eq!(stage.server.database.value(kept), "0");
}

/// Whatever becomes of the request or its answer: the same request again finds the one payment.
#[test]
fn an_answer_that_is_lost_is_found_by_the_same_key() {
    let stage = Stage::open();
    stage.lose_events();
    let kinds =
        ["REQUEST_LOST", "ANSWER_LOST", "RESET", "BAD_GATEWAY", "CUT_ANSWER", "EMPTY_ANSWER"];
    for (place, kind) in kinds.into_iter().enumerate() {
        stage.fault(&json!({"network": "STRIPE", "kind": kind,
            "match": {"method": "POST", "path": "/v1/payment_intents"}}));
        let paid = stage.charge("pm_card_visa");
        let paid = stage.becomes("collection", &paid, "COMPLETED");
        assert_eq!(stage.at_stripe("payment_intents").len(), place + 1, "{kind}");
        stage.fault(&json!({"network": "STRIPE", "kind": kind,
            "match": {"method": "POST", "path": "/v1/refunds"}}));
        let back = stage.shop.refund(&paid, "30.00");
        stage.becomes("refund", &back, "COMPLETED");
        assert_eq!(stage.at_stripe("refunds").len(), place + 1, "{kind}");
    }
    stage.assert_books_equal();
}

#[test]
fn events_that_come_before_the_answer_settle_once() {
    let stage = Stage::open();
    stage.fault(&json!({"network": "STRIPE", "kind": "CALLBACK_FIRST",
        "match": {"path": "/v1/payment_intents"}}));
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    stage.fault(&json!({"network": "STRIPE", "kind": "CALLBACK_FIRST",
        "match": {"path": "/v1/refunds"}}));
    let back = stage.shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    stage.fault(&json!({"network": "STRIPE", "kind": "CALLBACK_FIRST",
        "match": {"path": "/v1/payment_intents"}}));
    let failed = stage.charge("pm_card_visa_chargeDeclined");
    stage.becomes("collection", &failed, "FAILED");
    stage.assert_books_equal();
}

/// Scenario 22, first half: Stripe keeps an error of its own and repeats it for the key. The payment
/// is searched for, and never made again.
#[test]
fn a_stored_error_is_replayed_and_the_payment_is_found_without_it() {
    let stage = Stage::open();
    stage.lose_events();
    stage.fault(&json!({"network": "STRIPE", "kind": "SERVER_ERROR",
        "match": {"method": "POST", "path": "/v1/payment_intents"}}));
    let paid = stage.charge("pm_card_visa");
    stage.becomes("collection", &paid, "PROCESSING");
    // Stripe's search does not find what is new.
    stage.until_asked(SEARCH, 2);
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    stage.control("/stripe/settings", &json!({"search_lag_ms": 0}));
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    assert_eq!(stage.at_stripe("payment_intents").len(), 1);
    // Refunds are listed, without a lag.
    stage.fault(&json!({"network": "STRIPE", "kind": "SERVER_ERROR",
        "match": {"method": "POST", "path": "/v1/refunds"}}));
    let back = stage.shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    assert_eq!(stage.at_stripe("refunds").len(), 1);
    stage.assert_books_equal();
}

/// Scenario 22, second half: after a day Stripe has forgotten the key. A repeated request would
/// charge again, so none is made.
#[test]
fn a_forgotten_key_is_not_sent_again_and_the_payment_is_searched_for() {
    let stage = Stage::open();
    stage.lose_events();
    stage.fault(&json!({"network": "STRIPE", "kind": "ANSWER_LOST",
        "match": {"method": "POST", "path": "/v1/payment_intents"}}));
    // Nothing that is asked before the day is over is answered.
    stage.fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": 500, "times": 10_000,
        "match": {"method": "POST", "path": "/v1/payment_intents"}}));
    let paid = stage.charge("pm_card_visa");
    stage.becomes("collection", &paid, "PROCESSING");
    stage.age(25 * HOUR_US);
    stage.until_asked(SEARCH, 1);
    let made = stage.asked(CREATE);
    stage.control("/stripe/forget-idempotency-keys", &json!({}));
    stage.until_asked(SEARCH, 2);
    // It is not found, and a person has to look; but it has not failed.
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    assert_eq!(stage.open_reviews(), ["DEADLINE_PASSED"]);
    stage.control("/stripe/settings", &json!({"search_lag_ms": 0}));
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    assert_eq!(stage.asked(CREATE), made);
    assert_eq!(stage.at_stripe("payment_intents").len(), 1);
    assert!(stage.open_reviews().is_empty());
    // The same of a refund.
    stage.fault(&json!({"network": "STRIPE", "kind": "ANSWER_LOST",
        "match": {"method": "POST", "path": "/v1/refunds"}}));
    stage.fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": 500, "times": 10_000,
        "match": {"method": "POST", "path": "/v1/refunds"}}));
    let back = stage.shop.refund(&paid, "30.00");
    stage.age(24 * HOUR_US);
    stage.control("/stripe/forget-idempotency-keys", &json!({}));
    stage.becomes("refund", &back, "COMPLETED");
    assert_eq!(stage.at_stripe("refunds").len(), 1);
    stage.assert_books_equal();
}

/// What never reached Stripe is not found there. That proves nothing: it never fails by itself.
#[test]
fn what_is_not_found_after_a_day_is_for_a_person_to_decide() {
    let stage = Stage::open();
    stage.fault(&json!({"network": "STRIPE", "kind": "REQUEST_LOST", "times": 10_000,
        "match": {"method": "POST"}}));
    let lost = stage.charge("pm_card_visa");
    stage.becomes("collection", &lost, "PROCESSING");
    stage.control("/stripe/settings", &json!({"search_lag_ms": 0}));
    stage.age(25 * HOUR_US);
    stage.until_asked(SEARCH, 3);
    let now = stage.now("collection", &lost);
    assert_eq!(now["status"], "PROCESSING", "{now}");
    assert!(shown(&now, "waiting_for").contains("not sent again"), "{now}");
    let review = stage.server.database.value("SELECT id FROM reviews WHERE status = 'OPEN'");
    let resolve =
        ["review", "resolve", &review, "--outcome", "failed", "--evidence", "not in the dashboard"];
    stage.server.kola(&resolve).ok();
    assert_eq!(stage.now("collection", &lost)["status"], "FAILED");
    assert!(stage.at_stripe("payment_intents").is_empty());
    stage.assert_books_equal();
}

#[test]
fn too_many_calls_make_payments_wait_and_fail_none() {
    let stage = Stage::open();
    stage.lose_events();
    for status in [429, 503] {
        stage.fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": status,
            "retry_after": 1, "times": 3}));
        let paid: Vec<Value> = (0..3).map(|_| stage.charge("pm_card_visa")).collect();
        for one in &paid {
            stage.becomes("collection", one, "COMPLETED");
        }
    }
    // Refused without a time to wait.
    stage.fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": 429, "times": 2}));
    let paid = stage.charge("pm_card_visa");
    stage.becomes("collection", &paid, "COMPLETED");
    assert_eq!(stage.at_stripe("payment_intents").len(), 7);
    stage.assert_books_equal();
}

#[test]
fn two_partial_refunds_at_once_never_give_back_more_than_was_paid() {
    let stage = Stage::open();
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let shop = &stage.shop;
    let amounts = ["60.00", "60.00", "20.00"];
    let sessions: Vec<i64> = amounts
        .iter()
        .map(|amount| {
            let declared = shop.open_refund(&paid["payment_intent_id"], amount).ok();
            declared["id"].as_i64().expect("an id")
        })
        .collect();
    let refunds = all_at_once(&sessions, |session| shop.execute("refund", *session, &key()).ok());
    let mut states: Vec<String> = vec![];
    for refund in &refunds {
        let reference = shown(refund, "reference_id");
        let ended = wait_for("the end of a refund", || {
            stage.make_due();
            let now = shop.status("refund", &reference);
            (now["status"] == "COMPLETED" || now["status"] == "FAILED").then_some(now)
        });
        states.push(shown(&ended, "status"));
    }
    states.sort();
    assert_eq!(states, ["COMPLETED", "COMPLETED", "FAILED"]);
    assert_eq!(stage.asked(REFUND), 2, "what does not fit is not sent");
    stage.assert_books_equal();
}

/// Scenario 24, first half.
#[test]
fn a_refund_that_fails_after_it_succeeded_is_reviewed_and_nothing_is_lost() {
    let stage = Stage::open();
    let paid = stage.charge("pm_card_visa");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let back = stage.shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    let refund = stage.at_stripe("refunds")[0]["id"].clone();
    let failed = json!({"refund": refund, "status": "failed",
        "failure_reason": "expired_or_canceled_card"});
    stage.control("/stripe/refunds", &failed);
    wait_for("the review", || (stage.open_reviews() == ["FAILURE_AFTER_SUCCESS"]).then_some(()));
    assert_eq!(stage.now("refund", &back)["status"], "COMPLETED");
    stage.assert_books_equal();
    let review = stage.server.database.value("SELECT id FROM reviews WHERE status = 'OPEN'");
    let resolve =
        ["review", "resolve", &review, "--to", "wallet", "--evidence", "the card was closed"];
    stage.server.kola(&resolve).ok();
    // The payer can be refunded again.
    let again = stage.shop.refund(&paid, "30.00");
    stage.becomes("refund", &again, "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn another_amount_is_reviewed_and_not_settled() {
    let stage = Stage::open();
    stage.fault(&json!({"network": "STRIPE", "kind": "OTHER_AMOUNT", "amount": "90.00"}));
    let paid = stage.charge("pm_card_visa");
    wait_for("the review", || {
        stage.make_due();
        (stage.open_reviews() == ["AMOUNT_MISMATCH"]).then_some(())
    });
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    stage.assert_books_equal();
}

/// An unknown word is no outcome.
#[test]
fn a_word_that_nobody_knows_waits() {
    let stage = Stage::open();
    stage.fault(&json!({"network": "STRIPE", "kind": "WORD", "status": "requires_patience"}));
    stage.fault(&json!({"network": "STRIPE", "kind": "LATE", "seconds": 3_600}));
    let paid = stage.charge("pm_card_visa");
    let intent = stage.intent_of(&paid);
    stage.until_asked(&format!("GET /v1/payment_intents/{}", intent.as_str().expect("an id")), 2);
    assert_eq!(stage.now("collection", &paid)["status"], "PROCESSING");
    stage.fakes.advance(3_600);
    stage.becomes("collection", &paid, "COMPLETED");
    stage.assert_books_equal();
}

/// The API client has no card: the payer's browser confirms the payment with Stripe.js.
#[test]
fn a_payment_without_a_card_is_confirmed_by_the_payers_browser() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let account = stage.card(None);
    for (card, status) in
        [("pm_card_visa", "COMPLETED"), ("pm_card_chargeDeclinedIncorrectCvc", "FAILED")]
    {
        let begun = stage.awaits_payer(&shop.take(account, "USD", "100.00"));
        assert_eq!(begun["publishable_key"], fakes::STRIPE_PUBLISHABLE_KEY, "{begun}");
        let secret = shown(&begun, "client_secret");
        let (intent, _) = secret.split_once("_secret_").expect("an intent's secret");
        let path = format!("/v1/payment-intents/retrieve/{}", begun["payment_intent_id"]);
        assert_eq!(shop.api.get(&path).ok()["publishable_key"], fakes::STRIPE_PUBLISHABLE_KEY);
        let browser = stage.at_stripes_pages(Some(fakes::STRIPE_PUBLISHABLE_KEY));
        browser.post_bytes(
            &format!("/v1/payment_intents/{intent}/confirm"),
            "application/x-www-form-urlencoded",
            format!("client_secret={secret}&payment_method={card}").as_bytes(),
        );
        let ended = stage.becomes("collection", &begun, status);
        assert!(ended["publishable_key"].is_null() && ended["client_secret"].is_null(), "{ended}");
    }
    // The secret is in no record of what was said.
    let said = stage.server.database.rows("SELECT request, answer FROM exchanges");
    assert!(said.iter().flatten().all(|text| !text.contains("_secret_")), "{said:?}");
    stage.assert_books_equal();
}

#[test]
fn the_sandbox_has_no_publishable_key() {
    let (_server, shop) = shop::open();
    let card = shop.account(
        shop.party(),
        "COLLECTION",
        "CREDIT_CARD",
        Some("pm_card_threeDSecure2Required"),
    );
    let begun = shop.take(card, "USD", "100.00");
    assert_eq!(begun["requires_action"], true, "{begun}");
    assert!(begun.get("publishable_key").is_none(), "{begun}");
}

/// Test servers that play Stripe may know only what has been there for years.
#[test]
fn an_account_with_basic_parameters_sends_no_newer_ones() {
    let stage = Stage::open();
    stage.lose_events();
    let url = stage.fakes.stripe_url();
    let which = ["--network", "stripe", "--name", "old", "--base-url", &url];
    let which = [&which[..], &["--parameters", "basic"]].concat();
    add_account(&stage.server.database, &which, &stripe_secrets());
    let listed = stage.server.kola(&["networks", "list"]).ok();
    assert_eq!(listed.matches("basic parameters").count(), 1, "{listed}");
    let bodies = |path: &str| -> Vec<String> {
        let requests = stage.fakes.look("/requests").expect("requests");
        let all = requests["stripe"].as_array().expect("a list");
        let own = all.iter().filter(|asked| asked["method"] == "POST" && asked["path"] == path);
        own.map(|asked| shown(asked, "body")).collect()
    };
    // By the first account, and by the one with basic parameters.
    for is_basic in [false, true] {
        if is_basic {
            let id = stage.stripe.to_string();
            stage.server.kola(&["networks", "drain", "--account", &id]).ok();
            wait_for("the drained account", || {
                let paid = stage.charge("pm_card_visa");
                stage.becomes("collection", &paid, "COMPLETED");
                let created = bodies("/v1/payment_intents");
                (!created.last().expect("a request").contains("description=")).then_some(())
            });
        }
        let (begun, intent) = stage.challenge();
        let created = bodies("/v1/payment_intents");
        assert_eq!(created.last().expect("a request").contains("description="), !is_basic);
        stage.age(HOUR_US / 2);
        stage.becomes("collection", &begun, "FAILED");
        let path = format!("/v1/payment_intents/{}/cancel", intent.as_str().expect("an id"));
        let reason = if is_basic { "" } else { "cancellation_reason=abandoned" };
        assert!(!bodies(&path).is_empty());
        assert!(bodies(&path).iter().all(|body| body == reason), "{:?}", bodies(&path));
    }
    stage.assert_books_equal();
}

const THREE_D_SECURE: &str = "pm_card_threeDSecure2Required";

impl Stage {
    /// A client of Stripe's own addresses: a payer's browser.
    pub(super) fn at_stripes_pages(&self, key: Option<&str>) -> Api {
        let address = self.fakes.stripe_url().trim_start_matches("http://").to_owned();
        Api { address, token: key.map(str::to_owned) }
    }

    /// Charges a card that its payer has to authenticate. Returns the id of the intent, too.
    #[track_caller]
    fn challenge(&self) -> (Value, Value) {
        let begun = self.awaits_payer(&self.charge(THREE_D_SECURE));
        let intent = self.intent_of(&begun);
        (begun, intent)
    }
}

#[test]
fn an_authentication_is_passed_or_failed() {
    let stage = Stage::open();
    for (success, status) in [(true, "COMPLETED"), (false, "FAILED")] {
        let (begun, intent) = stage.challenge();
        stage.control(
            "/stripe/authenticate",
            &json!({"payment_intent": intent, "success": success}),
        );
        stage.becomes("collection", &begun, status);
    }
    stage.assert_books_equal();
}

/// Scenario 23, first half: the payer goes away. After half an hour the payment is cancelled at
/// Stripe, and fails by its word, also where the answer to the cancellation is lost.
#[test]
fn an_abandoned_authentication_is_cancelled_at_its_deadline() {
    let stage = Stage::open();
    stage.lose_events();
    for kind in [None, Some("REQUEST_LOST"), Some("ANSWER_LOST"), Some("SERVER_ERROR")] {
        let (begun, intent) = stage.challenge();
        if let Some(kind) = kind {
            stage.fault(&json!({"network": "STRIPE", "kind": kind,
                "match": {"method": "POST", "path": "*/cancel"}}));
        }
        let intent = intent.as_str().expect("an id").to_owned();
        stage.until_asked(&format!("GET /v1/payment_intents/{intent}"), 1);
        assert_eq!(stage.now("collection", &begun)["status"], "PROCESSING");
        assert_eq!(stage.asked(&format!("POST /v1/payment_intents/{intent}/cancel")), 0);
        stage.age(HOUR_US / 2);
        let failed = stage.becomes("collection", &begun, "FAILED");
        assert!(shown(&failed, "gateway_message").contains("in time"), "{failed}");
    }
    assert!(stage.at_stripe("payment_intents").iter().all(|one| one["status"] == "canceled"));
    stage.assert_books_equal();
}

/// The payer authenticates in the last moment: what Stripe says counts, not the clock.
#[test]
fn an_authentication_just_before_the_cancellation_is_a_payment() {
    let stage = Stage::open();
    stage.lose_events();
    let (begun, intent) = stage.challenge();
    stage.fault(&json!({"network": "STRIPE", "kind": "REFUSED", "status": 500, "times": 10_000,
        "match": {"method": "GET"}}));
    stage.control("/stripe/authenticate", &json!({"payment_intent": intent}));
    stage.age(HOUR_US / 2);
    stage.becomes("collection", &begun, "COMPLETED");
    stage.assert_books_equal();
}

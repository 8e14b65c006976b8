//! Cards through Stripe.

use super::stage::Stage;
use crate::support::shown;

#[test]
fn a_card_is_charged_and_refunded() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", Some("pm_card_visa"));
    let paid = shop.take(card, "USD", "100.00");
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
    let shop = &stage.shop;
    let number = "pm_card_visa_chargeDeclined";
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", Some(number));
    let failed = shop.take(card, "USD", "100.00");
    let failed = stage.becomes("collection", &failed, "FAILED");
    assert!(shown(&failed, "gateway_message").contains("declined"), "{failed}");
    let intents = stage.fakes.books()["stripe"]["payment_intents"].clone();
    assert_eq!(intents[0]["status"], "canceled", "{intents}");
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

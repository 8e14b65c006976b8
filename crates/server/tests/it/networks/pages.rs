//! The page of a payer whose payment goes through a real network.

use super::stage::Stage;
use crate::checkout_pages::{MTN_USD, checkout};
use crate::support::payer::{Browser, Payer, hides, pay, shows, until};

/// A number of MTN in Liberia whose payments succeed.
const PHONE: &str = "0880000001";

#[test]
fn what_was_not_sent_can_be_withdrawn_and_paid_another_way() {
    let stage = Stage::open();
    let account = stage.pawapay.to_string();
    stage.server.kola(&["networks", "hold", "--account", &account]).ok();
    let order = checkout(&stage.shop);
    let mut payer = Payer::at(&stage.server, &order.link);
    pay(&mut payer, &order.link, MTN_USD, PHONE);
    shows(&mut payer, &["Withdraw"]);
    assert!(stage.pawapay_payments().is_empty());
    payer.choose("step", "leave_card");
    until(&mut payer, "MTN");
    hides(&mut payer, &["Withdraw"]);
    stage.server.kola(&["networks", "resume", "--account", &account]).ok();
    pay(&mut payer, &order.link, MTN_USD, PHONE);
    stage.make_due();
    until(&mut payer, "Receipt");
    assert_eq!(stage.pawapay_payments().len(), 1);
    stage.assert_books_equal();
}

#[test]
fn an_operator_that_is_closed_is_told_before() {
    let stage = Stage::open();
    stage.control(
        "/pawapay/operators",
        &serde_json::json!({"provider": "MTN_MOMO_LBR", "status": "CLOSED"}),
    );
    let account = stage.pawapay.to_string();
    stage.server.kola(&["networks", "refresh", "--account", &account]).ok();
    let order = checkout(&stage.shop);
    let mut payer = Payer::at(&stage.server, &order.link);
    assert!(!payer.offers("method", MTN_USD), "{}", payer.text());
    shows(&mut payer, &["Orange Money, Liberia"]);
}

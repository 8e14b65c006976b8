//! Transfers: to another merchant, found by its phone, or to the party's own wallet with the
//! sender.

use crate::support::shop::new_phone;
use crate::support::{
    Database, Merchant, Server, assert_fields, assert_money, id, json, key, open, open_with,
};

/// Two merchants. The second has a phone. The first has 500.00 USD, and a counterparty with that
/// phone.
fn neighbours() -> (Server, Merchant, Merchant, i64) {
    let database = Database::with_schema();
    let phone = new_phone();
    let first = database.merchant("First Shop");
    let second = database.merchant_with("Second Shop", &["--verified", "--phone", &phone]);
    let server = Server::start(database, &[]);
    let (shop, other) = (server.sign_in(&first), server.sign_in(&second));
    server.fund(&shop, "USD", "500.00");
    let counterparty = shop.counterparty(shop.party_with_phone(&phone));
    (server, shop, other, counterparty)
}

#[test]
fn a_transfer_reaches_the_merchant_with_that_phone() {
    let (server, shop, other, counterparty) = neighbours();
    let done = shop.transfer(counterparty, "USD", "120.50");
    assert_fields(
        &done,
        &[
            ("status", "COMPLETED"),
            ("operation_type", "TRANSFER"),
            ("payer_currency", "USD"),
            ("payee_currency", "USD"),
        ],
    );
    assert_money(&done, &[("payer_amount", "120.50"), ("payee_amount", "120.50")]);
    shop.assert_balance("USD", "379.50", "0.00");
    other.assert_balance("USD", "120.50", "0.00");
    server.verify_ledger();
}

#[test]
fn who_receives_a_transfer_is_told_and_learns_nothing_of_the_sender() {
    let (server, shop, other, counterparty) = neighbours();
    shop.transfer(counterparty, "USD", "120.50");
    let told =
        |shop: &Merchant| shop.api.get("/v1/events/list?type=wallet.transfer_received").rows();
    let [event] = &told(&other)[..] else { panic!("one event") };
    assert_eq!(event["subject_type"], "WALLET");
    assert_eq!(event["subject_id"], other.wallet("USD"));
    assert_eq!(event["note"], "120.50 USD");
    assert_eq!(event["actor"], json!({"type": "SYSTEM", "id": null}));
    assert!(told(&shop).is_empty());
    // Within a merchant the transfer's own events tell it.
    let own = shop.counterparty(shop.party());
    shop.transfer(own, "USD", "1.00");
    assert!(told(&shop).is_empty());
    server.verify_ledger();
}

#[test]
fn a_transfer_to_another_party_opens_a_wallet_under_the_sender() {
    let (server, shop) = open();
    server.fund(&shop, "RWF", "5000");
    let party = shop.party();
    let counterparty = shop.counterparty(party);
    assert!(shop.api.get(&format!("/v1/wallets/list?party_id={party}")).rows().is_empty());
    shop.transfer(counterparty, "RWF", "1200");
    let wallet = shop.wallet_of(party, "RWF");
    assert_eq!(shop.money_in(wallet), ("1200".to_owned(), "0".to_owned()));
    shop.transfer(counterparty, "RWF", "300");
    assert_eq!(shop.wallet_of(party, "RWF"), wallet, "one wallet for an owner and a currency");
    assert_eq!(shop.money_in(wallet), ("1500".to_owned(), "0".to_owned()));
    shop.assert_balance("RWF", "3500", "0");
    server.verify_ledger();
}

#[test]
fn who_receives_is_told_when_a_transfer_is_declared() {
    let (_server, shop, _other, counterparty) = neighbours();
    let told =
        [(counterparty, "MERCHANT", "Second Shop"), (shop.customer(), "PARTY", "Amara Kollie")];
    for (counterparty, kind, name) in told {
        let recipient = json!({"type": kind, "name": name});
        let session = shop.open_transfer(counterparty, "USD", "1.00").ok();
        assert_eq!(session["recipient"], recipient);
        let retrieved =
            shop.api.get(&format!("/v1/sessions/transfer/retrieve/{}", session["id"])).ok();
        assert_eq!(retrieved["recipient"], recipient);
        assert_eq!(shop.api.get("/v1/sessions/transfer/list").rows()[0]["recipient"], recipient);
        let canceled = shop
            .api
            .post(&format!("/v1/sessions/transfer/cancel/{}", session["id"]), &json!({}))
            .ok();
        assert_eq!(canceled["recipient"], recipient);
    }
}

#[test]
fn a_merchant_who_is_made_meanwhile_does_not_get_what_was_declared_for_another() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let phone = new_phone();
    let counterparty = shop.counterparty(shop.party_with_phone(&phone));
    let session = id(&shop.open_transfer(counterparty, "USD", "10.00").ok());
    let newcomer = server
        .sign_in(&server.database.merchant_with("Newcomer", &["--verified", "--phone", &phone]));
    let words = "another would receive it than when it was declared: declare the transfer again";
    shop.execute("transfer", session, &key())
        .fault("body.session_id")
        .says(words, "value_error.recipient");
    assert_eq!(shop.session_status("transfer", session), "ACTIVE");
    shop.assert_balance("USD", "100.00", "0.00");
    let again = shop.open_transfer(counterparty, "USD", "10.00").ok();
    assert_eq!(again["recipient"], json!({"type": "MERCHANT", "name": "Newcomer"}));
    assert_eq!(shop.execute("transfer", id(&again), &key()).ok()["status"], "COMPLETED");
    newcomer.assert_balance("USD", "10.00", "0.00");
    server.verify_ledger();
}

#[test]
fn phones_cannot_be_sounded_out() {
    let (_server, shop) = open_with(&[("KOLA_TRANSFER_RECIPIENTS_PER_HOUR", "2")]);
    let [first, second, third] = [(); 3].map(|()| shop.customer());
    shop.open_transfer(first, "USD", "1.00").ok();
    // A refused request tells nothing, so it does not count.
    shop.open_transfer(second, "USD", "0").refused(422);
    shop.open_transfer(second, "USD", "1.00").ok();
    let refused = shop.open_transfer(third, "USD", "1.00");
    let words = refused.refused_in_words(429).to_owned();
    assert!(words.starts_with("transfers to too many new recipients"), "{words}");
    let wait: u64 =
        refused.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=1_800).contains(&wait), "{wait}");
    // Recipients that the merchant already knows do not count again.
    for known in [first, second] {
        shop.open_transfer(known, "USD", "1.00").ok();
    }
}

#[test]
fn a_transfer_to_oneself_is_refused() {
    let database = Database::with_schema();
    let phone = new_phone();
    let credentials = database.merchant_with("Shop", &["--verified", "--phone", &phone]);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "100.00");
    let counterparty = shop.counterparty(shop.party_with_phone(&phone));
    shop.open_transfer(counterparty, "USD", "10.00").refused(422);
    shop.assert_balance("USD", "100.00", "0.00");
}

#[test]
fn a_transfer_into_a_frozen_or_closed_wallet_fails() {
    let (server, shop, other, counterparty) = neighbours();
    for status in ["FROZEN", "CLOSED"] {
        server.set_wallet(other.wallet("USD"), status);
        let failed = shop.transfer(counterparty, "USD", "10.00");
        assert_eq!(failed["status"], "FAILED", "{status}");
        // The message does not tell what an operator did with the wallet: anybody who knows the
        // other merchant's phone could learn it.
        assert_eq!(failed["wallet_message"], "the receiving wallet cannot be credited");
    }
    shop.assert_balance("USD", "500.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_merchant_reads_why_a_wallet_of_its_own_receives_nothing() {
    let (server, shop) = open();
    server.fund(&shop, "RWF", "5000");
    let party = shop.party();
    let counterparty = shop.counterparty(party);
    shop.transfer(counterparty, "RWF", "1200");
    server.set_wallet(shop.wallet_of(party, "RWF"), "FROZEN");
    let failed = shop.transfer(counterparty, "RWF", "1200");
    assert_eq!(failed["wallet_message"], "the receiving wallet is FROZEN");
}

/// A transfer, a payout and a refund into a wallet that accepts nothing all end in the same way.
#[test]
fn whatever_goes_into_a_frozen_wallet_fails() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let (party, _) = shop.party_with_money("USD", "50.00");
    let account = shop.account(party, "PAYOUT", "WALLET", None);
    let spent = shop.take(shop.account(party, "COLLECTION", "WALLET", None), "USD", "10.00");
    server.set_wallet(shop.wallet_of(party, "USD"), "FROZEN");
    let counterparty = shop.counterparty(party);
    for failed in [
        shop.transfer(counterparty, "USD", "1.00"),
        shop.send(account, "USD", "1.00"),
        shop.refund(&spent, "1.00"),
    ] {
        assert_fields(
            &failed,
            &[("status", "FAILED"), ("wallet_message", "the receiving wallet is FROZEN")],
        );
    }
    let session = id(&shop.open_payout(account, "USD", "1.00").ok());
    assert_eq!(shop.execute("payout", session, &key()).ok()["status"], "FAILED");
    assert_ne!(shop.session_status("payout", session), "ACTIVE");
    shop.assert_balance("USD", "460.00", "0.00");
    server.set_wallet(shop.wallet_of(party, "USD"), "ACTIVE");
    assert_eq!(shop.send(account, "USD", "1.00")["status"], "COMPLETED");
    // The failed refund used nothing of the payment's refund capacity.
    assert_eq!(shop.refund(&spent, "10.00")["status"], "COMPLETED");
    server.verify_ledger();
}

#[test]
fn a_restricted_wallet_still_receives() {
    let (server, shop, other, counterparty) = neighbours();
    server.set_wallet(other.wallet("USD"), "RESTRICTED");
    assert_eq!(shop.transfer(counterparty, "USD", "10.00")["status"], "COMPLETED");
    other.assert_balance("USD", "10.00", "0.00");
}

#[test]
fn a_transfer_without_the_money_fails() {
    let (_server, shop, other, counterparty) = neighbours();
    let failed = shop.transfer(counterparty, "USD", "500.01");
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["wallet_message"].as_str().is_some_and(|m| !m.is_empty()), "{failed}");
    other.assert_balance("USD", "0.00", "0.00");
    assert_eq!(shop.transfer(counterparty, "USD", "500.00")["status"], "COMPLETED");
    shop.assert_balance("USD", "0.00", "0.00");
}

#[test]
fn a_transfer_from_a_wallet_that_may_not_be_debited_is_refused() {
    let (server, shop, _other, counterparty) = neighbours();
    let session = id(&shop.open_transfer(counterparty, "USD", "10.00").ok());
    for status in ["RESTRICTED", "FROZEN"] {
        server.set_wallet(shop.wallet("USD"), status);
        shop.open_transfer(counterparty, "USD", "10.00").state_fault("body.from_wallet_id");
        shop.execute("transfer", session, &key()).refused(422);
    }
    server.set_wallet(shop.wallet("USD"), "ACTIVE");
    assert_eq!(shop.execute("transfer", session, &key()).ok()["status"], "COMPLETED");
}

#[test]
fn a_merchants_phone_is_unique() {
    let database = Database::new();
    let phone = new_phone();
    database.merchant_with("First", &["--phone", &phone]);
    let again = [
        "merchant",
        "create",
        "--name",
        "Second",
        "--type",
        "ORGANIZATION",
        "--phone",
        &phone,
        "--json",
    ];
    database.kola(&again).refused();
}

/// The sandbox delay is the provider's. A transfer between wallets has no provider.
#[test]
fn a_transfer_is_final_at_once() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    server.fund(&shop, "USD", "100.00");
    assert_eq!(shop.transfer(shop.customer(), "USD", "10.00")["status"], "COMPLETED");
    shop.assert_balance("USD", "90.00", "0.00");
}

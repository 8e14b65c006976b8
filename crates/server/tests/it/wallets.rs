//! Wallets: the method `WALLET`, the effects of a status, lists and entries.

use crate::support::shop::GOOD;
use crate::support::{Merchant, assert_money, id, json, key, open, open_with, shown, wait_for};

fn checked(shop: &Merchant, wallet: i64, available: &str) {
    assert_eq!(shop.money_in(wallet).0, available, "wallet {wallet}");
}

#[test]
fn wallets_are_listed_by_owner_and_currency() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let (party, theirs) = shop.party_with_money("USD", "25.00");
    let ids = |query: &str| {
        let mut ids: Vec<i64> =
            shop.api.get(&format!("/v1/wallets/list?{query}")).rows().iter().map(id).collect();
        ids.sort_unstable();
        ids
    };
    let mut own: Vec<i64> = shop.credentials.wallets.iter().map(|(_, id)| *id).collect();
    own.sort_unstable();
    assert_eq!(ids("owner_type=MERCHANT"), own);
    assert_eq!(ids("owner_type=PARTY"), [theirs]);
    assert_eq!(ids("owner_type=MERCHANT&currency=USD"), [shop.wallet("USD")]);
    assert_eq!(ids("owner_type=PARTY&currency=LRD"), [0; 0]);
    assert_eq!(ids(&format!("party_id={party}&owner_type=PARTY")), [theirs]);
    assert_eq!(ids(&format!("party_id={party}&owner_type=MERCHANT")), [0; 0]);
    let reply = shop.api.get("/v1/wallets/list?owner_type=BANK");
    assert_eq!(reply.fault("query.owner_type").kind, "type_error.enum");
}

/// Only the platform's 1 % is taken: 50.00 + 0.50.
#[test]
fn a_partys_wallet_pays_an_invoice() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    server.fund(&shop, "USD", "200.00");
    let (party, wallet) = shop.party_with_money("USD", "200.00");
    let account = shop.account(party, "COLLECTION", "WALLET", None);
    let done = shop.take(account, "USD", "50.00");
    assert_eq!(done["status"], "COMPLETED");
    assert_money(&done, &[("payer_amount", "50.50"), ("payee_amount", "50.00")]);
    checked(&shop, wallet, "149.50");
    shop.assert_balance("USD", "50.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_partys_wallet_without_the_money_fails() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "50.00");
    let (party, wallet) = shop.party_with_money("USD", "50.00");
    let account = shop.account(party, "COLLECTION", "WALLET", None);
    let invoice = shop.invoice("USD", "50.00");
    let failed = shop.collect(shop.checkout(invoice), account, "USD", &key()).ok();
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["wallet_message"].as_str().is_some_and(|m| !m.is_empty()), "{failed}");
    checked(&shop, wallet, "50.00");
    assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
}

/// A party with the merchant's phone gets no access to the merchant's own wallet.
#[test]
fn the_wallet_method_never_debits_a_merchants_own_wallet() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let account = shop.account(shop.party(), "COLLECTION", "WALLET", None);
    let reply = shop.collect(shop.checkout(shop.invoice("USD", "5.00")), account, "USD", &key());
    assert!(reply.status == 422 || reply.body["status"] == "FAILED", "{reply:?}");
    shop.assert_balance("USD", "500.00", "0.00");
}

/// The platform takes 0.5 %, and the method `WALLET` costs nothing.
#[test]
fn a_payout_credits_a_partys_wallet() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let (party, wallet) = shop.party_with_money("USD", "1.00");
    let done = shop.send(shop.account(party, "PAYOUT", "WALLET", None), "USD", "100.00");
    assert_eq!(done["status"], "COMPLETED");
    assert_money(&done, &[("payer_amount", "100.50"), ("payee_amount", "100.00")]);
    checked(&shop, wallet, "101.00");
    shop.assert_balance("USD", "398.50", "0.00");
    server.verify_ledger();
}

#[test]
fn a_refund_of_a_wallet_payment_goes_back_to_that_wallet() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "200.00");
    let (party, wallet) = shop.party_with_money("USD", "200.00");
    let paid = shop.take(shop.account(party, "COLLECTION", "WALLET", None), "USD", "50.00");
    let back = shop.refund(&paid, "20.00");
    assert_eq!(back["status"], "COMPLETED");
    assert_money(&back, &[("payer_amount", "20.00"), ("payee_amount", "20.00")]);
    checked(&shop, wallet, "169.50");
    shop.assert_balance("USD", "30.00", "0.00");
    server.verify_ledger();
}

#[test]
fn a_restricted_wallet_still_collects() {
    let (server, shop) = open();
    server.set_wallet(shop.wallet("USD"), "RESTRICTED");
    shop.paid_hundred();
    shop.assert_balance("USD", "100.00", "0.00");
}

#[test]
fn a_frozen_wallet_starts_no_collection() {
    let (server, shop) = open();
    server.set_wallet(shop.wallet("USD"), "FROZEN");
    let invoice = shop.invoice("USD", "5.00");
    let reply = shop.collect(shop.checkout(invoice), shop.momo("COLLECTION", GOOD), "USD", &key());
    assert!(reply.status == 422 || reply.body["status"] == "FAILED", "{reply:?}");
    shop.assert_balance("USD", "0.00", "0.00");
    assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
}

#[test]
fn what_is_in_flight_when_a_wallet_is_frozen_still_ends() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "1000")]);
    server.fund(&shop, "USD", "500.00");
    let out = shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00");
    let taken = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    server.set_wallet(shop.wallet("USD"), "FROZEN");
    for (kind, execution) in [("payout", out), ("collection", taken)] {
        let reference = shown(&execution, "reference_id");
        wait_for("its end", || {
            (shop.status(kind, &reference)["status"] == "COMPLETED").then_some(())
        });
    }
    shop.assert_balance("USD", "408.50", "0.00");
    let wallet = shop.api.get(&format!("/v1/wallets/retrieve/{}", shop.wallet("USD"))).ok();
    assert_eq!(wallet["status"], "FROZEN");
    server.verify_ledger();
}

#[test]
fn only_an_empty_wallet_is_closed() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "0.01");
    let close = |currency| {
        server.kola(&[
            "wallet",
            "status",
            "--wallet",
            &shop.wallet(currency).to_string(),
            "--set",
            "CLOSED",
        ])
    };
    close("USD").refused();
    shop.assert_balance("USD", "0.01", "0.00");
    close("LRD").ok();
    let wallet = shop.api.get(&format!("/v1/wallets/retrieve/{}", shop.wallet("LRD"))).ok();
    assert_eq!(wallet["status"], "CLOSED");
}

#[test]
fn a_wallet_with_money_on_its_way_is_not_closed() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "604800000")]);
    let pending = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    assert_eq!(pending["status"], "PROCESSING");
    server
        .kola(&["wallet", "status", "--wallet", &shop.wallet("USD").to_string(), "--set", "CLOSED"])
        .refused();
    server.verify_ledger();
}

#[test]
fn a_new_merchant_has_an_empty_wallet_in_each_currency() {
    let (_server, shop) = open();
    let rows = shop.api.get("/v1/wallets/list").rows();
    let mut found: Vec<String> = rows.iter().map(|w| shown(w, "currency")).collect();
    found.sort();
    assert_eq!(found, ["LRD", "RWF", "USD"]);
    for row in &rows {
        assert_eq!(row["status"], "ACTIVE");
        assert_eq!(id(row), shop.wallet(&shown(row, "currency")));
        let zero = if row["currency"] == "RWF" { "0" } else { "0.00" };
        assert_money(row, &[("available", zero), ("held", zero)]);
    }
}

#[test]
fn a_wallet_shows_what_moved_through_it() {
    let (server, shop) = open();
    let path = format!("/v1/wallets/{}/entries", shop.wallet("USD"));
    assert!(shop.api.get(&path).rows().is_empty());
    server.fund(&shop, "USD", "500.00");
    let funded = shop.api.get(&path).rows().len();
    assert!(funded >= 1);
    shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    assert!(shop.api.get(&path).rows().len() > funded);
}

#[test]
fn an_unknown_wallet_is_not_found() {
    let (_server, shop) = open();
    shop.api.get("/v1/wallets/retrieve/987654").refused(404);
    shop.api.get("/v1/wallets/987654/entries").refused(404);
}

#[test]
fn a_party_has_one_wallet_a_currency_listed_under_it() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "50.00");
    let (party, wallet) = shop.party_with_money("USD", "20.00");
    let rows = shop.api.get(&format!("/v1/wallets/list?party_id={party}")).rows();
    assert_eq!(rows.iter().map(id).collect::<Vec<_>>(), [wallet]);
    assert_ne!(json!(wallet), json!(shop.wallet("USD")));
}

//! A request with the ids of another merchant's rows neither locks them nor waits for their locks.

use super::estate::{Estate, Own};
use super::{body_probes, path_probes};
use store::workspace::codes::with_codes;

use crate::support::process::Credentials;
use crate::support::shop::GOOD;
use crate::support::{id, key, on_postgres_only, open, open_two, shown, wait_for};

/// The tables whose rows belong to a merchant.
const TABLES: [&str; 14] = [
    "parties",
    "counterparties",
    "payment_accounts",
    "wallets",
    "sources",
    "source_items",
    "counters",
    "checkout_configs",
    "payment_links",
    "payment_link_items",
    "sessions",
    "accounts",
    "api_keys",
    "reviews",
];

#[test]
fn a_strangers_calls_wait_for_no_lock_of_their_owners_rows() {
    on_postgres_only!();
    let (server, shop, stranger) = open_two();
    server.fund(&shop, "USD", "500.00");
    server.fund(&stranger, "USD", "500.00");
    let theirs = Estate::build(&server, &shop);
    let own = Own::build(&stranger);
    let mut holder = server.database.postgres().connect();
    let mut transaction = holder.transaction().expect("a transaction");
    let merchant = shop.credentials.merchant_id;
    for table in TABLES {
        let lock = format!("SELECT id FROM {table} WHERE merchant_id = {merchant} FOR UPDATE");
        transaction.query(&lock, &[]).unwrap_or_else(|error| panic!("{error:?}: {table}"));
    }
    // The open payment is left out: jobs check it, and they would wait for its lock.
    let lock = with_codes(&format!(
        "SELECT id FROM executions WHERE merchant_id = {merchant} \
         AND status IN ({{execution_status COMPLETED}}, {{execution_status FAILED}}) FOR UPDATE"
    ));
    assert!(!transaction.query(&lock, &[]).expect("locks").is_empty());
    for probe in path_probes(&theirs).into_iter().chain(body_probes(&theirs, &own)) {
        let reply = stranger.api.call(probe.method, &probe.path, probe.body.as_ref());
        assert_eq!(
            reply.status, probe.status,
            "{} {} {:?}: {}",
            probe.method, probe.path, probe.body, reply.body
        );
    }
}

/// The permission is checked again when the locks are held.
#[test]
fn a_key_that_is_revoked_while_its_payout_waits_for_a_lock_pays_nothing() {
    on_postgres_only!();
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let made = shop.api.call("POST", "/v1/api-keys/create", None).ok();
    let (client_id, client_secret) = (shown(&made, "client_id"), shown(&made, "client_secret"));
    let other =
        server.sign_in(&Credentials { client_id, client_secret, ..shop.credentials.clone() });
    let session = id(&shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "10.00").ok());
    let (database, api_key, wallet) = (&server.database, id(&made), shop.wallet("USD"));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let reply = loop {
        database.sql(&format!("UPDATE api_keys SET revoked_at = NULL WHERE id = {api_key}"));
        let mut holder = database.postgres().connect();
        let mut transaction = holder.transaction().expect("a transaction");
        transaction
            .query(&format!("SELECT id FROM wallets WHERE id = {wallet} FOR UPDATE"), &[])
            .expect("a lock");
        let reply = std::thread::scope(|scope| {
            let paying = scope.spawn(|| other.execute("payout", session, &key()));
            wait_for("the payout to wait", || (database.value(waiting) != "0").then_some(()));
            database.sql(&format!("UPDATE api_keys SET revoked_at = 1 WHERE id = {api_key}"));
            transaction.rollback().expect("the end of the lock");
            paying.join().expect("an answer")
        });
        // On a machine so slow that the payout timed out, nothing can be checked.
        if reply.status != 503 {
            break reply;
        }
    };
    assert_eq!(reply.refused_in_words(401), "Could not validate credentials");
    shop.assert_balance("USD", "100.00", "0.00");
    assert_eq!(shop.session_status("payout", session), "ACTIVE");
}

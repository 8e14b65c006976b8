//! Naming what belongs to somebody else locks nothing, and waits for nobody's lock.

use super::estate::{Estate, Own};
use super::{body_probes, path_probes};
use crate::support::{on_postgres_only, open_two};

/// Tables whose rows belong to a merchant.
const TABLES: [&str; 12] = [
    "parties",
    "counterparties",
    "payment_accounts",
    "wallets",
    "sources",
    "source_items",
    "counters",
    "checkout_configs",
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
    let theirs = Estate::build(&shop);
    let own = Own::build(&stranger);
    let mut holder = server.database.postgres().connect();
    let mut transaction = holder.transaction().expect("a transaction");
    let merchant = shop.credentials.merchant_id;
    for table in TABLES {
        let lock = format!("SELECT id FROM {table} WHERE merchant_id = {merchant} FOR UPDATE");
        transaction.query(&lock, &[]).unwrap_or_else(|error| panic!("{error:?}: {table}"));
    }
    // A payment that waits for its payer is looked after by workers, who would wait here.
    let lock = format!("SELECT id FROM executions WHERE merchant_id = {merchant} AND status IN ('COMPLETED', 'FAILED') FOR UPDATE");
    assert!(!transaction.query(&lock, &[]).expect("locks").is_empty());
    for probe in path_probes(&theirs).into_iter().chain(body_probes(&theirs, &own)) {
        let reply = stranger.api.call(probe.method, &probe.path, probe.body.as_ref());
        assert_eq!(reply.status, probe.status, "{} {} {:?}: {}", probe.method, probe.path, probe.body, reply.body);
    }
}

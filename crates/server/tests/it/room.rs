//! The capacity of wallets: incoming amounts count, and strangers cannot fill a wallet.

use crate::support::shop::{GOOD, ending, new_phone};
use crate::support::{Database, Server, id, key, open, shown, spawn_with};

#[test]
fn a_wallet_shows_what_is_on_its_way_in() {
    let (server, shop) = open();
    let wallet = |field: &str| {
        shown(&shop.api.get(&format!("/v1/wallets/retrieve/{}", shop.wallet("USD"))).ok(), field)
    };
    assert_eq!(wallet("incoming"), "0.00");
    let waits = shop.take(shop.momo("COLLECTION", &ending("129")), "USD", "100.00");
    assert_eq!((wallet("incoming"), wallet("available")), ("100.00".to_owned(), "0.00".to_owned()));
    let failed = shop.take(shop.momo("COLLECTION", &ending("049")), "USD", "30.00");
    assert_eq!(shop.settled("collection", &failed)["status"], "FAILED");
    assert_eq!(wallet("incoming"), "100.00");
    // A wallet with an incoming amount cannot be closed either.
    let number = shop.wallet("USD").to_string();
    let said = server.kola(&["wallet", "status", "--wallet", &number, "--set", "CLOSED"]).refused();
    assert!(said.contains("closed only at zero"), "{said}");
    let listed = server.kola(&["wallet", "list", "--json"]).ok();
    assert!(listed.contains(r#""incoming":"100.00""#), "{listed}");
    server.verify_ledger();
    shop.advance(16 * 60);
    assert_eq!(shop.settled("collection", &waits)["status"], "COMPLETED");
    assert_eq!((wallet("incoming"), wallet("available")), ("0.00".to_owned(), "100.00".to_owned()));
    server.verify_ledger();
}

#[test]
fn a_transfer_from_another_merchant_fills_a_wallet_only_so_far() {
    let database = Database::with_schema();
    let phone = new_phone();
    let first = database.merchant("First Shop");
    let second = database.merchant_with("Second Shop", &["--verified", "--phone", &phone]);
    let server = Server::start(database, &[("KOLA_TRANSFER_FILL_MAX", "10000")]);
    let (shop, other) = (server.sign_in(&first), server.sign_in(&second));
    server.fund(&shop, "USD", "500.00");
    let counterparty = shop.counterparty(shop.party_with_phone(&phone));
    let no_room = "the wallet to be credited has no room for so much";
    let session = id(&shop.open_transfer(counterparty, "USD", "100.01").ok());
    shop.execute("transfer", session, &key())
        .fault("body.session_id")
        .says(no_room, "value_error.amount");
    // Open collections from the merchant's own payers count, too.
    let waits = other.take(other.momo("COLLECTION", &ending("129")), "USD", "60.00");
    let session = id(&shop.open_transfer(counterparty, "USD", "40.01").ok());
    shop.execute("transfer", session, &key())
        .fault("body.session_id")
        .says(no_room, "value_error.amount");
    assert_eq!(shop.transfer(counterparty, "USD", "40.00")["status"], "COMPLETED");
    // However far strangers have filled the wallet, it can still collect.
    let paid = other.take(other.momo("COLLECTION", GOOD), "USD", "1000.00");
    assert_eq!(other.settled("collection", &paid)["status"], "COMPLETED");
    other.advance(16 * 60);
    assert_eq!(other.settled("collection", &waits)["status"], "COMPLETED");
    other.assert_balance("USD", "1100.00", "0.00");
    shop.assert_balance("USD", "460.00", "0.00");
    // Transfers to the merchant's own parties have no such limit.
    let own = shop.customer();
    assert_eq!(shop.transfer(own, "USD", "100.01")["status"], "COMPLETED");
    server.verify_ledger();
}

/// The largest amounts again and again: the sum of the open payments, and then the balances of the
/// accounts, exceed 64 bits.
#[test]
fn more_than_fits_into_an_account_is_neither_refused_by_it_nor_stuck() {
    let (mut server, shop) = spawn_with(&[("KOLA_SANDBOX_DELAY_MS", "0")]);
    let account = shop.momo("COLLECTION", GOOD);
    let paid = shop.take(account, "USD", "10000000000000.00");
    assert_eq!(shop.settled("collection", &paid)["status"], "COMPLETED");
    assert_eq!(server.terminate(), Some(0));
    server.verify_ledger();
    // As if thousands of such payments had come before: both accounts are nearly full.
    let number = |query: &str| server.database.value(query).parse::<i64>().expect("a number");
    let [clearing, funding] = [
        number(
            "SELECT id FROM accounts WHERE kind = 'CLEARING' AND network_account_id = 1 AND currency = 'USD'",
        ),
        number(
            "SELECT coalesce(max(id), 0) FROM accounts WHERE kind = 'FUNDING' AND currency = 'USD'",
        ),
    ];
    assert_eq!(funding, 0, "nobody has funded it");
    let merchant = shop.credentials.merchant_id;
    let wallet = number("SELECT min(id) FROM wallets");
    let before = number(&format!("SELECT balance_minor FROM accounts WHERE id = {clearing}"));
    server.database.damage(&format!(
        "INSERT INTO accounts (id, merchant_id, kind, currency, balance_minor, created_at, updated_at) \
         VALUES (-1, {merchant}, 'FUNDING', 'USD', 4000000000000000000, 0, 0); \
         UPDATE accounts SET balance_minor = balance_minor - 4000000000000000000 WHERE id = {clearing}; \
         UPDATE event_positions SET last = last + 1 WHERE merchant_id = {merchant}; \
         UPDATE wallets SET event_count = event_count + 1 WHERE id = {wallet}; \
         INSERT INTO events (id, merchant_id, type, subject_type, subject_id, position, sequence, created_at) \
         SELECT -1, {merchant}, {{event_type wallet.funded}}, {{event_entity WALLET}}, id, last, event_count, 0 \
         FROM wallets JOIN event_positions ON event_positions.merchant_id = wallets.merchant_id WHERE id = {wallet}; \
         INSERT INTO entries (id, merchant_id, transaction_id, execution_id, account_id, bucket, amount_minor, currency, balance_minor) \
         SELECT -1, {merchant}, -1, id, -1, {{bucket SYSTEM}}, 4000000000000000000, 'USD', 4000000000000000000 FROM executions \
         UNION ALL SELECT -2, {merchant}, -1, id, {clearing}, {{bucket SYSTEM}}, -4000000000000000000, 'USD', \
         {before} - 4000000000000000000 FROM executions; \
         UPDATE batch_chain SET older_next_id = -10, older_end_id = 0"
    ));
    server.verify_ledger();
    server.restart(&[("KOLA_SANDBOX_DELAY_MS", "0")]);
    let shop = server.sign_in(&shop.credentials);
    for _ in 0..2 {
        let paid = shop.take(account, "USD", "10000000000000.00");
        assert_eq!(shop.settled("collection", &paid)["status"], "COMPLETED");
    }
    let rounds = format!("SELECT balance_rounds FROM accounts WHERE id = {clearing}");
    assert_eq!(server.database.value(&rounds), "-1");
    server.verify_ledger();
    let shifted = format!("UPDATE accounts SET balance_rounds = -2 WHERE id = {clearing}");
    server.database.damage(&shifted);
    assert!(
        server
            .kola(&["ledger", "verify"])
            .refused()
            .contains("account balance differs from its entries")
    );
}

#[test]
fn a_collection_that_its_wallet_has_no_room_for_is_not_begun() {
    let (server, shop) = open();
    let account = shop.momo("COLLECTION", GOOD);
    let session = shop.checkout(shop.invoice("USD", "100.00"));
    // More money than anybody has: the wallet's limit less two cents.
    server.database.damage(
        "UPDATE wallets SET available_minor = 4000000000000000000 - 9999 WHERE currency = 'USD'",
    );
    let fault = shop.collect(session, account, "USD", &key()).fault("body.session_id");
    fault.says("the wallet to be credited has no room for so much", "value_error.amount");
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
    server.database.damage("UPDATE wallets SET available_minor = 0 WHERE currency = 'USD'");
    let paid = shop.collect(session, account, "USD", &key()).ok();
    assert_eq!(shop.settled("collection", &paid)["status"], "COMPLETED");
}

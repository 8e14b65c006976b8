//! `kola db copy`: an installation is copied to another database completely or not at all.

use crate::branding::picture;
use crate::checkout_pages::MTN_LRD;
use crate::support::payer::{Payer, pay};
use crate::support::shop::{GOOD, ending};
use crate::support::{
    Database, Merchant, Server, assert_fields, id, json, key, on_postgres_only, on_sqlite_only,
    shown, wait_for,
};
use image::ImageFormat;
use serde_json::Value;
use tempfile::TempDir;

mod million;

fn copy(from: &Database, to: &Database) -> crate::support::process::Run {
    from.kola(&["db", "copy", "--from", &from.url(), "--to", &to.url()])
}

/// The tables that the command has copied, by its own output.
fn moved(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| line.split_whitespace().count() == 3);
    lines.skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Fails unless both databases have the same rows in every table.
#[track_caller]
fn assert_alike(one: &Database, other: &Database, tables: &[String]) {
    // The columns are named, because their order differs: a column that a migration added comes
    // last in an old database.
    let file = Database::in_a_file();
    file.merchant("Any");
    for table in tables {
        let columns =
            file.rows(&format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"));
        let columns: Vec<&str> = columns.iter().map(|row| row[0].as_str()).collect();
        let query = format!("SELECT {} FROM {table} ORDER BY {}", columns.join(", "), columns[0]);
        assert_eq!(one.rows(&query), other.rows(&query), "{table}");
    }
}

/// Makes payments that leave rows in every table. Returns a completed payment and an open payout.
fn trade(server: &Server, shop: &Merchant) -> (Value, Value) {
    server.fund(shop, "USD", "1000.00");
    let paid = shop.paid_hundred();
    shop.settled("refund", &shop.refund(&paid, "20.00"));
    shop.party_with_money("USD", "25.00");
    // This payout fails and then succeeds after all, which opens a review.
    shop.settled("payout", &shop.send(shop.momo("PAYOUT", &ending("179")), "USD", "10.00"));
    let reviews =
        || shown(&json!({"n": server.database.value("SELECT count(*) FROM reviews")}), "n");
    wait_for("a review", || (reviews() == "1").then_some(()));
    let checkout = json!({"mode": "HOSTED", "source_kind": "ORDER", "party_phone": "231770999990", "currency": "USD",
        "items": [{"name": "Reis, 25 kg – “süß” 🍚", "currency": "USD", "amount": 19, "qty": 1}]});
    let link = shown(&shop.api.post("/v1/checkouts/create", &checkout).ok(), "url");
    pay(&mut Payer::new(server), &link, MTN_LRD, "0880000001");
    crate::payment_links::rice(shop);
    server.kola(&["rates", "set", "USD", "LRD", "193"]).ok();
    let merchant = shop.credentials.merchant_id.to_string();
    let directory = TempDir::new().expect("a directory");
    let logo = picture(&directory, "logo.png", ImageFormat::Png, (20, 20));
    let changes = ["--fee-bearer", "PAYEE", "--display-name", "Ama’s Shop", "--logo", &logo];
    server.kola(&[&["merchant", "set", "--merchant", &merchant][..], &changes].concat()).ok();
    let limits = ["--currency", "USD", "--payment", "15", "--bind-api-keys", "true"];
    server.kola(&[&["merchant", "limits", "--merchant", &merchant][..], &limits].concat()).ok();
    assert_eq!(shop.transfer(shop.customer(), "USD", "15.01")["waiting_for"], "approval");
    crate::people::owner(server, shop, "ama@shop.example");
    let pending = shop.send(shop.momo("PAYOUT", &ending("129")), "USD", "10.00");
    shop.api.post("/v1/merchants/passcode/set", &json!({"passcode": "482913"})).ok();
    (paid, pending)
}

/// Checks a copied installation: completed payments are still completed, open ones end, tokens are
/// valid, and new rows can be written.
#[track_caller]
fn goes_on(server: &Server, shop: &Merchant, (paid, pending): &(Value, Value)) {
    let before = server.database.value("SELECT count(*) FROM executions");
    let again = json!({"session_id": 1, "reference_id": shown(paid, "reference_id")});
    shop.api.post("/v1/executions/refund", &again).refused(422);
    assert_fields(
        &shop.status("collection", &shown(paid, "reference_id")),
        &[("status", "COMPLETED")],
    );
    assert_eq!(server.database.value("SELECT count(*) FROM executions"), before);
    shop.advance(16 * 60);
    shop.settled("payout", pending);
    shop.transfer(shop.customer(), "USD", "1.00");
    for command in [&["rates", "set", "USD", "LRD", "194"][..], &["keys", "rotate"]] {
        server.kola(command).ok();
    }
    server
        .kola(&[
            "fees",
            "set",
            "gateway",
            "--method",
            "MTN_MOMO_LBR",
            "--operation",
            "COLLECTION",
            "--percentage",
            "2.5",
        ])
        .ok();
    let set =
        format!("SELECT fee_bearer FROM merchants WHERE id = {}", shop.credentials.merchant_id);
    assert_eq!(server.database.value(&set), "PAYEE");
    let another = server.database.merchant("Another Shop");
    server.sign_in(&another).api.get("/v1/wallets/list").ok();
    server.verify_ledger();
}

#[test]
fn an_installation_moves_to_postgresql_and_back() {
    on_postgres_only!();
    let (file, postgres, back) = (Database::in_a_file(), Database::new(), Database::in_a_file());
    let credentials = file.merchant("Shop");
    let mut server = Server::spawn(file.clone(), &[]);
    let shop = server.sign_in(&credentials);
    let past = trade(&server, &shop);
    assert_eq!(server.terminate(), Some(0));
    // No test merchant has paid: the sandbox has no secrets, terms and exchanges.
    file.sql(
        "INSERT INTO network_secrets (id, network_account_id, kind, sealed, key_id, created_at, retired_at) \
         VALUES (900001, 1, 'TOKEN', 'AAAA', 'k', 1, 2); \
         INSERT INTO operator_terms (id, network_account_id, operator, currency, operation, availability, decimals, country, \
         prefix, display_name, updated_at) VALUES (900002, 1, 'MTN', 'USD', 'PAYOUT', 'DELAYED', 2, 'LBR', '231', 'MTN', 1); \
         INSERT INTO exchanges (id, merchant_id, execution_id, network_account_id, is_callback, begun_at, duration_us, request, \
         status, answer, digest) SELECT 900003, merchant_id, id, 1, 0, 4000000000000000, 1, 'GET /', 200, '{}', 'd' FROM executions LIMIT 1; \
         INSERT INTO unmatched_callbacks (id, network_account_id, received_at, is_signed, request_id, body) \
         VALUES (900004, 1, 4000000000000000, 0, 'r', '{}'); \
         INSERT INTO webhook_endpoints (id, merchant_id, url, signing, event_count, created_at, updated_at, deleted_at) \
         SELECT 900005, max(id), 'https://shop.example/', 'HMAC', 0, 1, 1, 1 FROM merchants; \
         INSERT INTO webhook_secrets (id, merchant_id, endpoint_id, signing, sealed, key_id, created_at, expires_at) \
         SELECT 900006, merchant_id, id, 'HMAC', 'AAAA', 'k', 1, 2 FROM webhook_endpoints; \
         INSERT INTO webhook_messages (event_id, merchant_id, type, body, created_at, fanned_out_at) \
         SELECT min(id), merchant_id, type, '{}', 4000000000000000, 1 FROM events WHERE merchant_id > 0; \
         INSERT INTO webhook_deliveries (id, merchant_id, endpoint_id, event_id, type, created_at, status, attempts, failures, \
         updated_at) SELECT 900007, webhook_endpoints.merchant_id, id, event_id, type, 4000000000000000, 'DELIVERED', 1, 0, 1 \
         FROM webhook_endpoints, webhook_messages; \
         INSERT INTO webhook_attempts (id, merchant_id, delivery_id, number, begun_at, duration_us, said) \
         SELECT 900008, merchant_id, id, 1, 4000000000000000, 1, 'no connection' FROM webhook_deliveries; \
         INSERT INTO chain_keys (id, key_id, sealed, sealed_key_id) VALUES (900009, 'j', 'AAAA', 'k'); \
         INSERT INTO saved_filters (id, user_id, merchant_id, name, query, created_at, updated_at) \
         SELECT 7, (SELECT max(id) FROM users), max(id), 'Failed', 'state=FAILED', 1, 1 FROM merchants; \
         INSERT INTO reconciliations (id, holder, leased_until) VALUES (1, 0, 0); \
         INSERT INTO statements (id, network_account_id, source, from_at, to_at, status, lines, new_lines, matched, under_way, \
         differences, event_count, begun_at, ended_at) VALUES (10, 1, 'FILE', 1, 2, 'COMPLETE', 1, 1, 0, 0, 1, 0, 3, 4); \
         INSERT INTO statement_lines (id, network_account_id, statement_id, amount_minor, occurred_at, identity, kind, standing, \
         currency) VALUES (11, 1, 10, 5, 1, X'6f1c2f0e5f5a4a578f3d2f1f5d6f7a12', {line_kind TOP_UP}, \
         {line_standing NO_PAYMENT}, 'USD'); \
         INSERT INTO statement_differences (id, network_account_id, statement_id, kind, subject, status, reason, found_at) \
         VALUES (12, 1, 10, 'MISSING_THERE', X'6f1c2f0e5f5a4a578f3d2f1f5d6f7a13', 'OPEN', 'r', 4); \
         INSERT INTO network_balances (id, network_account_id, currency, network_minor, ledger_minor, unposted_minor, read_at) \
         VALUES (13, 1, 'USD', 1, 1, 0, 4); \
         UPDATE provider_attempts SET trace_id = request_id, span_id = -5; \
         UPDATE sources SET idempotency_key = X'6f1c2f0e5f5a4a578f3d2f1f5d6f7a11' WHERE id = (SELECT min(id) FROM sources)",
    );
    let tables = moved(&copy(&file, &postgres).ok());
    assert_alike(&file, &postgres, &tables);
    let there = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' \
                 AND table_name NOT IN ('lanes', 'schema_versions', 'stored_codes') ORDER BY table_name COLLATE \"C\"";
    let mut sorted = tables.clone();
    sorted.sort();
    assert_eq!(postgres.rows(there).concat(), sorted);
    for table in &tables {
        assert_ne!(
            postgres.value(&format!("SELECT count(*) FROM {table}")),
            "0",
            "{table}: the test has no row of it"
        );
    }

    let mut server = Server::spawn(postgres.clone(), &[]);
    let shop = shop.at(&server);
    goes_on(&server, &shop, &past);
    assert_eq!(server.terminate(), Some(0));
    // The server's last batch was a moment ago, but its lanes have signed off.
    let tables = moved(&copy(&postgres, &back).ok());
    assert_alike(&postgres, &back, &tables);
    let server = Server::spawn(back, &[]);
    goes_on(&server, &shop.at(&server), &past);
}

#[test]
fn an_installation_moves_between_two_of_a_kind() {
    let (one, two) = (Database::new(), Database::new());
    let credentials = one.merchant("Shop");
    let mut server = Server::spawn(one.clone(), &[]);
    let shop = server.sign_in(&credentials);
    let past = trade(&server, &shop);
    assert_eq!(server.terminate(), Some(0));
    let tables = moved(&copy(&one, &two).ok());
    assert_alike(&one, &two, &tables);
    let server = Server::spawn(two, &[]);
    goes_on(&server, &shop.at(&server), &past);
}

/// Checks that a copy is refused with this message and leaves the target unchanged.
#[track_caller]
fn refused(from: &Database, to: &Database, why: &str) {
    let said = copy(from, to).refused();
    assert!(said.contains(why), "{said}");
}

#[test]
fn what_cannot_be_copied_is_told_plainly() {
    let one = Database::new();
    one.merchant("Shop");
    refused(&one, &one, "--from and --to are the same database");
    let (nothing, new) = (Database::in_a_file(), Database::in_a_file());
    refused(&nothing, &new, "there is no database at");
    let path = |database: &Database| database.url().trim_start_matches("sqlite:").to_owned();
    assert!(
        ![&nothing, &new]
            .into_iter()
            .any(|database| std::path::Path::new(&path(database)).exists())
    );
}

#[test]
fn a_target_in_use_is_left_alone() {
    let (one, two) = (Database::new(), Database::new());
    one.merchant("Shop");
    two.merchant("Another Shop");
    let uuid = two.value("SELECT uuid FROM installation");
    refused(&one, &two, "the target is in use: it has merchants");
    assert_eq!(two.value("SELECT name FROM merchants"), "Another Shop");
    assert_eq!(two.value("SELECT uuid FROM installation"), uuid);
}

#[test]
fn a_broken_ledger_and_another_schema_are_not_moved() {
    let (one, two) = (Database::new(), Database::new());
    let credentials = one.merchant("Shop");
    let wallet = credentials.wallets[0].1;
    one.damage(&format!("UPDATE wallets SET available_minor = 5 WHERE id = {wallet}"));
    refused(&one, &two, "wallet balance differs from its entries");
    match crate::support::database::postgres() {
        Some(_) => assert_eq!(two.value("SELECT count(*) FROM merchants"), "0"),
        None => assert!(!two.dir.path().join("kola.db").exists()),
    }
    one.damage(&format!("UPDATE wallets SET available_minor = 0 WHERE id = {wallet}"));
    let (newer, older) = match crate::support::database::postgres() {
        Some(_) => {
            let newer = "INSERT INTO schema_versions VALUES (9999, 1, 0)";
            (newer, "DELETE FROM schema_versions WHERE version = 9999".to_owned())
        }
        None => (
            "PRAGMA user_version = 9999",
            format!("PRAGMA user_version = {}", one.value("PRAGMA user_version")),
        ),
    };
    one.sql(newer);
    refused(&one, &two, "9999");
    one.sql(&older);
    // The refusals have left nothing behind.
    copy(&one, &two).ok();
}

#[test]
fn a_file_that_is_in_use_is_not_copied() {
    on_sqlite_only!();
    let (one, two) = (Database::new(), Database::new());
    one.merchant("Shop");
    let writer = rusqlite::Connection::open(one.dir.path().join("kola.db")).expect("the database");
    // The server does nothing now, but could write at any moment.
    writer
        .query_row("SELECT count(*) FROM merchants", [], |row| row.get::<_, i64>(0))
        .expect("a count");
    refused(&one, &two, "in use");
    drop(writer);
    copy(&one, &two).ok();
}

#[test]
fn a_database_whose_server_runs_is_not_copied() {
    on_postgres_only!();
    let (one, two) = (Database::new(), Database::new());
    let credentials = one.merchant("Shop");
    let mut server = Server::spawn(one.clone(), &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "100.00");
    shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    refused(&one, &two, "a server wrote at the source");
    // The refusal has not stopped the server.
    let session = id(&shop.open_transfer(shop.customer(), "USD", "1.00").ok());
    shop.execute("transfer", session, &key()).ok();
    assert_eq!(server.terminate(), Some(0));
    copy(&one, &two).ok();
}

#[test]
fn a_source_that_is_not_there_is_not_made() {
    let target = Database::new();
    let run = target.kola(&["db", "copy", "--from", "sqlite:missing.db", "--to", &target.url()]);
    run.refused();
    assert!(!target.dir.path().join("missing.db").exists());
}

//! Upgrades: an older schema is migrated together with its open payments, and a newer schema can be
//! served as long as its migrations allow that.

use jiff::Timestamp;
use store::schema::recount;
use store::workspace::sql::{Purpose, transaction};

use crate::support::process::Credentials;
use crate::support::shop::{GOOD, ending, new_phone};
use crate::support::{
    Database, Merchant, Server, assert_fields, id, json, key, on_sqlite_only, open, open_two,
    shown, spawn, wait_for,
};
use serde_json::Value;

/// A database as the kola of the first released schema left it. The first line has the credentials
/// of its first merchant.
const FIRST_SCHEMA: &str = include_str!("fixtures/schema-1.sql");
/// A database of schema 14, the last one with enums as texts, and the answers of its kola.
const SCHEMA_14: &str = include_str!("fixtures/schema-14.sql");
const ANSWERS_14: &str = include_str!("fixtures/schema-14.json");
/// How long ago that kola stopped, in seconds: its leases have run out, and its sessions, which
/// last half an hour, have not.
const AGO_S: i64 = 120;

/// A database with the first schema, and the credentials of its first merchant.
fn first_schema() -> (Database, Credentials) {
    schema_of(FIRST_SCHEMA)
}

fn schema_of(dump: &str) -> (Database, Credentials) {
    restored(dump, Timestamp::now().as_microsecond() - AGO_S * 1_000_000)
}

/// The database of a dump whose kola stopped at this time, in microseconds.
fn restored(dump: &str, now: i64) -> (Database, Credentials) {
    let database = Database::new();
    database.sql(&dump.replace("@now", &now.to_string()));
    let line = |name: &str| {
        let found = dump.lines().find_map(|line| line.strip_prefix("-- ")?.strip_prefix(name));
        found.expect("a line with credentials").trim().to_owned()
    };
    let wallets = database
        .rows("SELECT currency, id FROM wallets WHERE owner_type = 'MERCHANT' AND owner_id = 1");
    let wallet = |row: &Vec<String>| (row[0].clone(), row[1].parse().expect("an id"));
    let credentials = Credentials {
        merchant_id: 1,
        client_id: line("client_id"),
        client_secret: line("client_secret"),
        wallets: wallets.iter().map(wallet).collect(),
    };
    (database, credentials)
}

/// An answer as the kola of schema 14 gave it, with points in time as distances from `now`. Leaves
/// out what that kola did not answer yet, and when a network is asked next, which changes by itself.
fn answered_by_14(answer: &Value, now: i64) -> Value {
    match answer {
        Value::Array(rows) => rows.iter().map(|row| answered_by_14(row, now)).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| {
                !["position", "sequence", "actor", "role", "operations", "reviews"]
                    .contains(&name.as_str())
            })
            .map(|(name, value)| match (name.as_str(), value) {
                ("next_check_at", Value::String(_)) => (name.clone(), json!("@due")),
                _ => (name.clone(), answered_by_14(value, now)),
            })
            .collect(),
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(time) => json!(format!("@now{:+}", time.as_microsecond() - now)),
            Err(_) => answer.clone(),
        },
        other => other.clone(),
    }
}

#[test]
fn everything_of_schema_14_is_answered_as_before() {
    on_sqlite_only!();
    // As if that kola had stopped just now: with the delay below, nothing ends during the test.
    let now = Timestamp::now().as_microsecond();
    let (database, credentials) = restored(SCHEMA_14, now);
    let executions = database
        .rows("SELECT lower(operation), reference_id, id, status FROM executions ORDER BY id");
    for operation in ["collection", "payout", "refund"] {
        for status in ["COMPLETED", "FAILED", "PROCESSING"] {
            let found = executions.iter().any(|row| row[0] == operation && row[3] == status);
            assert!(found, "no {operation} is {status}");
        }
    }
    let server = Server::start(database, &[("KOLA_SANDBOX_DELAY_MS", "3600000")]);
    server.verify_ledger();
    let shop = server.sign_in(&credentials);
    let get = |path: &str| answered_by_14(&shop.api.get(path).ok(), now);
    let answers: serde_json::Map<String, Value> =
        serde_json::from_str(ANSWERS_14).expect("an object of answers");
    for (path, before) in &answers {
        assert_eq!(&get(path), before, "{path}");
    }
    // Lists of executions and their status have fields of the details, which were compared.
    let detail = |id: &str| &answers[&format!("/v1/payment-intents/retrieve/{id}")];
    let listed = get("/v1/payment-intents/list?limit=1000");
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), executions.len());
    let with_status =
        executions.iter().map(|row| get(&format!("/v1/status/{}/{}", row[0], row[1])));
    for answer in listed.iter().cloned().chain(with_status) {
        let detail = detail(&shown(&answer, "payment_intent_id"));
        for (name, value) in answer.as_object().expect("an execution") {
            assert_eq!(value, &detail[name], "{name} of {answer}");
        }
    }
    server.verify_ledger();
}

/// The operation, the reference and the status of every execution, oldest first.
fn executions(database: &Database) -> Vec<Vec<String>> {
    database.rows("SELECT lower(operation), reference_id, status, requires_action FROM executions ORDER BY id")
}

/// The sessions of a kind that are not executed yet.
fn waiting(shop: &Merchant, kind: &str) -> Vec<i64> {
    let rows = shop.api.get(&format!("/v1/sessions/{kind}/list")).rows();
    rows.iter().filter(|row| row["status"] == "ACTIVE").map(id).collect()
}

#[test]
fn what_was_under_way_in_the_first_schema_goes_on() {
    on_sqlite_only!();
    let (database, credentials) = first_schema();
    let before = executions(&database);
    for status in ["PENDING", "PROCESSING", "COMPLETED", "FAILED"] {
        assert!(before.iter().any(|row| row[2] == status), "no {status} in {before:?}");
    }
    let server = Server::spawn(database, &[]);
    assert!(!server.printed().contains("client_secret"), "there are merchants: nobody is greeted");
    let fresh = Database::new();
    fresh.merchant("Shop");
    for query in ["SELECT max(version) FROM schema_versions", "PRAGMA user_version"] {
        assert_eq!(server.database.value(query), fresh.value(query));
    }
    let schema = |database: &Database| {
        database.rows("SELECT type, name, sql FROM sqlite_schema ORDER BY name")
    };
    assert_eq!(
        schema(&server.database),
        schema(&fresh),
        "a migration that is released is not edited"
    );
    let shop = server.sign_in(&credentials);
    for row in before.iter().filter(|row| row[3] == "1") {
        shop.api
            .post(
                &format!("/v1/sandbox/executions/{}/authenticate", row[1]),
                &json!({"success": true}),
            )
            .ok();
    }
    for row in &before {
        let (kind, reference, was) = (row[0].as_str(), &row[1], row[2].as_str());
        let now = shop.settled(kind, &json!({ "reference_id": reference }));
        // Final executions have not changed; the others complete.
        assert_eq!(now["status"], if was == "FAILED" { "FAILED" } else { "COMPLETED" }, "{row:?}");
    }
    server.verify_ledger();
    wait_for("held money to be released", || {
        (shop.money_in(shop.wallet("USD")).1 == "0.00").then_some(())
    });
}

#[test]
fn events_of_the_first_schema_are_numbered_in_the_order_of_time() {
    on_sqlite_only!();
    let (database, credentials) = first_schema();
    let before = database
        .rows("SELECT id, type, subject_type, subject_id FROM events WHERE merchant_id = 1 ORDER BY created_at, id");
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    shop.open_transfer(shop.customer(), "USD", "0.01").ok();
    let after = shop.api.get("/v1/events/list?after_position=0&limit=1000").rows();
    let kept = |row: &Value| {
        ["id", "type", "subject_type", "subject_id"].map(|name| shown(row, name)).to_vec()
    };
    let (old, new) = after.split_at(before.len());
    assert_eq!(old.iter().map(kept).collect::<Vec<_>>(), before);
    assert!(old.iter().all(|row| row["actor"] == Value::Null), "{old:?}");
    assert!(!new.is_empty() && new.iter().all(|row| row["actor"] != Value::Null), "{new:?}");
    let positions: Vec<_> = after.iter().map(|row| row["position"].as_u64()).collect();
    assert_eq!(positions, (1..).map(Some).take(after.len()).collect::<Vec<_>>());
    // The sequences are verified.
    server.verify_ledger();
}

#[test]
fn sessions_of_the_first_schema_are_carried_out() {
    on_sqlite_only!();
    let (database, credentials) = first_schema();
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    for kind in ["payout", "transfer", "refund"] {
        let [session] = waiting(&shop, kind)[..] else { panic!("not one {kind}") };
        let reference = key();
        let first = shop.execute(kind, session, &reference).ok();
        assert_eq!(shop.settled(kind, &first)["status"], "COMPLETED", "{kind}");
        // The caller repeats its request, as it would if the upgrade came in between.
        assert_eq!(
            shop.execute(kind, session, &reference).ok()["payment_intent_id"],
            first["payment_intent_id"]
        );
    }
    let good = "SELECT min(id) FROM payment_accounts WHERE operation_type = 'COLLECTION' AND account_number = '231880000001'";
    let good = server.database.value(good).parse().expect("an account");
    for session in waiting(&shop, "checkout") {
        let paid = shop.collect(session, good, "USD", &key()).ok();
        assert_eq!(shop.settled("collection", &paid)["status"], "COMPLETED");
    }
    for kind in ["checkout", "payout", "transfer", "refund"] {
        assert_eq!(waiting(&shop, kind), Vec::<i64>::new(), "{kind}");
    }
    let sessions = shop.api.get("/v1/sessions/payout/list").rows();
    for status in ["CANCELED", "EXPIRED"] {
        assert!(sessions.iter().any(|row| row["status"] == status), "no {status} in {sessions:?}");
    }
    server.verify_ledger();
}

#[test]
fn people_and_prices_of_the_first_schema_are_kept() {
    on_sqlite_only!();
    let (database, credentials) = first_schema();
    let replayed = database.rows(
        "SELECT reference_id, session_id, payment_account_id, id FROM executions WHERE operation = 'COLLECTION' \
         AND status = 'COMPLETED' AND payer_currency = 'USD' ORDER BY id LIMIT 1",
    );
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    // The party's wallet has money, and pays with it.
    let wallet = |shop: &Merchant| {
        let rows = shop.api.get("/v1/wallets/list").rows();
        shown(
            rows.iter().find(|row| row["owner_type"] == "PARTY").expect("the party's wallet"),
            "available",
        )
    };
    assert_eq!(wallet(&shop), "69.95");
    let account = id(&shop.api.get("/v1/payment-accounts/list?method=WALLET").rows()[0]);
    assert_eq!(shop.take(account, "USD", "9.00")["status"], "COMPLETED");
    assert_eq!(wallet(&shop), "60.86");
    // A used key is never free again.
    let [reference, session, payer, intent] = &replayed[0][..] else { panic!("{replayed:?}") };
    let number = |text: &str| text.parse::<i64>().expect("an id");
    let again = shop.collect(number(session), number(payer), "USD", reference).ok();
    assert_eq!(shown(&again, "payment_intent_id"), *intent);
    // The tariff can be changed, and markets that have always been open can be closed.
    let fee =
        shop.api.get("/v1/fees/gateway?payment_method=MTN_MOMO_LBR&operation_type=PAYOUT").ok();
    assert_fields(&fee, &[("percentage", "1.5")]);
    assert!(server.kola(&["rates", "list"]).ok().contains("1 USD = 190 LRD"));
    assert!(server.kola(&["markets", "list"]).ok().contains("ever"));
    server.kola(&["markets", "close", "MTN_MOMO_LBR", "COLLECTION", "USD"]).ok();
    server.kola(&["phones", "end", "23188", "--digits", "12"]).ok();
    // The open review can still be resolved.
    let reviews: Vec<Value> =
        serde_json::from_str(&server.kola(&["review", "list", "--json"]).ok()).expect("JSON");
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    let review = id(&reviews[0]).to_string();
    server
        .kola(&[
            "review",
            "resolve",
            &review,
            "--to",
            "payer",
            "--evidence",
            "returned by the provider",
        ])
        .ok();
    server.verify_ledger();
    for list in [
        "parties",
        "counterparties",
        "payment-accounts",
        "wallets",
        "invoices",
        "orders",
        "payment-intents",
        "events",
        "api-keys",
    ] {
        assert!(!shop.api.get(&format!("/v1/{list}/list")).rows().is_empty(), "{list}");
    }
    server.verify_ledger();
}

#[test]
fn what_is_in_review_in_the_first_schema_is_not_collected_for() {
    on_sqlite_only!();
    let (database, credentials) = first_schema();
    let in_review = "SELECT executions.source_id, type, reviews.id, executions.id FROM reviews \
                     JOIN executions ON executions.id = execution_id JOIN sources ON sources.id = executions.source_id \
                     WHERE reviews.status = 'OPEN' AND sources.status = 'ACTIVE'";
    let [row] = &database.rows(in_review)[..] else { panic!("not one") };
    let [source, kind, review, intent] = &row[..] else { panic!("{row:?}") };
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    server.verify_ledger();
    let fault = shop
        .api
        .post("/v1/sessions/checkout", &json!({"source_id": source, "source_type": kind}))
        .fault("body.source_id");
    assert_eq!(fault.kind, "value_error.review");
    server
        .kola(&[
            "review",
            "resolve",
            review,
            "--to",
            "wallet",
            "--evidence",
            "statement of the provider",
        ])
        .ok();
    let path =
        format!("/v1/{}/retrieve/{source}", if kind == "ORDER" { "orders" } else { "invoices" });
    assert_eq!(shop.api.get(&path).ok()["status"], "PAID");
    let paid: i64 = intent.parse().expect("an id");
    crate::reviews::refund_late(&server, &shop, &json!({ "payment_intent_id": paid }), "1.00");
    server.verify_ledger();
}

/// Operations for which the earlier kola had no fee stay without one, and now have a row that says
/// so.
#[test]
fn fees_that_an_older_database_lacks_are_written_as_zero() {
    on_sqlite_only!();
    let (database, credentials) = first_schema();
    database.sql(
        "DELETE FROM gateway_fees WHERE method = 'ORANGE_MONEY_LBR'; DELETE FROM platform_fees WHERE operation = 'PAYOUT'",
    );
    let count = "SELECT (SELECT count(*) FROM gateway_fees), (SELECT count(*) FROM platform_fees)";
    let before = database.rows(count);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    let number = |row: &[Vec<String>], at: usize| row[0][at].parse::<i64>().expect("a count");
    let after = server.database.rows(count);
    assert_eq!(
        [number(&after, 0) - number(&before, 0), number(&after, 1) - number(&before, 1)],
        [2, 1]
    );
    let zero = shop
        .api
        .get("/v1/fees/gateway?payment_method=ORANGE_MONEY_LBR&operation_type=COLLECTION")
        .ok();
    assert_fields(&zero, &[("percentage", "0"), ("effective_from", "1970-01-01T00:00:00.000000Z")]);
    // The platform takes 1.00 of 100.00, and MTN takes 1.5 % of a payout.
    let orange = shop.account(shop.party(), "COLLECTION", "ORANGE_MONEY_LBR", Some("231770000001"));
    assert_eq!(shown(&shop.take(orange, "USD", "100.00"), "payer_amount"), "101.00");
    server.fund(&shop, "USD", "500.00");
    assert_eq!(
        shown(&shop.send(shop.momo("PAYOUT", GOOD), "USD", "100.00"), "payer_amount"),
        "101.50"
    );
    server.verify_ledger();
}

/// Old rows of the first start began at the time of its clock, which may be tomorrow.
#[test]
fn a_tariff_that_was_to_come_holds_after_an_upgrade() {
    on_sqlite_only!();
    let tables = ["fee_tiers", "platform_fees", "gateway_fees", "rates"]
        .map(|table| format!("INSERT INTO {table} "));
    let ahead = |line: &str| {
        let of_tariff = tables.iter().any(|start| line.starts_with(start));
        if of_tariff { line.replace("@now-5940745", "@now+864000000000") } else { line.to_owned() }
    };
    let ahead = FIRST_SCHEMA.lines().map(ahead).collect::<Vec<_>>().join("\n");
    let (database, credentials) = schema_of(&ahead);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    let paid = shop
        .collect(
            shop.checkout(shop.invoice("USD", "100.00")),
            shop.momo("COLLECTION", GOOD),
            "LRD",
            &key(),
        )
        .ok();
    // 104.00 × 190: the rate that was set later holds.
    assert_eq!(shown(&paid, "payer_amount"), "19760.00");
    server.verify_ledger();
}

/// Makes the database look as if a later kola had migrated it, whose schema may be used by kolas
/// from version `oldest` on.
fn newer(database: &Database, oldest: i64) -> (i64, i64) {
    let known: i64 =
        database.value("SELECT max(version) FROM schema_versions").parse().expect("a version");
    let found = known + 1;
    database.sql(&format!(
        "INSERT INTO schema_versions (version, oldest, applied_at) VALUES ({found}, {oldest}, 0)"
    ));
    if crate::support::database::postgres().is_none() {
        database.sql(&format!("PRAGMA user_version = {found}"));
    }
    (known, found)
}

#[test]
fn a_newer_schema_that_only_has_more_is_served() {
    let (mut server, shop) = spawn();
    assert_eq!(server.terminate(), Some(0));
    let known: i64 = server
        .database
        .value("SELECT max(version) FROM schema_versions")
        .parse()
        .expect("a version");
    newer(&server.database, known);
    server.restart(&[]);
    let shop = server.sign_in(&shop.credentials);
    shop.paid_hundred();
    server.verify_ledger();
    let versions = server.database.value("SELECT count(*) FROM schema_versions WHERE version > 1");
    assert_eq!(versions, known.to_string(), "what the newer one wrote is left as it is");
}

#[test]
fn a_newer_schema_that_is_not_understood_is_refused() {
    let database = Database::new();
    database.merchant("Shop");
    let (known, found) = newer(&database, 1_000);
    let words = format!(
        "the database has schema {found}, this version of kola knows {known}: use the newer kola"
    );
    for arguments in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["ledger", "verify"], &["fees", "list"]]
    {
        let said = database.kola(arguments).refused();
        assert!(said.contains(&words), "{said}");
    }
}

#[test]
fn a_server_goes_on_while_a_newer_kola_adds_to_its_schema() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let account = shop.momo("PAYOUT", "231880000001");
    let paid = shop.paid_hundred();
    let declared = id(&shop.open_payout(account, "USD", "10.00").ok());
    let known: i64 = server
        .database
        .value("SELECT max(version) FROM schema_versions")
        .parse()
        .expect("a version");
    // New columns in every table that the server writes and in the tariff, and a new table.
    let tables = [
        "merchants",
        "parties",
        "payment_accounts",
        "wallets",
        "sources",
        "sessions",
        "executions",
        "events",
        "entries",
    ];
    for table in tables.iter().chain(&["accounts", "markets", "gateway_fees", "installation"]) {
        server
            .database
            .sql(&format!("ALTER TABLE {table} ADD COLUMN motto TEXT NOT NULL DEFAULT 'Always'"));
    }
    server.database.sql("CREATE TABLE mottos (name TEXT NOT NULL)");
    newer(&server.database, known);
    assert_eq!(shop.execute("payout", declared, &key()).ok()["status"], "COMPLETED");
    shop.refund(&paid, "10.00");
    shop.paid_hundred();
    server
        .kola(&[
            "fees",
            "set",
            "gateway",
            "--method",
            "WALLET",
            "--operation",
            "PAYOUT",
            "--percentage",
            "1",
        ])
        .ok();
    server.kola(&["markets", "open", "MTN_MOMO_LBR", "COLLECTION", "EUR"]).ok();
    // A second server of the same version.
    let second = server.spawn_another(&[]);
    let other = shop.at(&second);
    other.paid_hundred();
    assert_eq!(
        other.api.get("/v1/payment-intents/list").rows(),
        shop.api.get("/v1/payment-intents/list").rows()
    );
    assert_eq!(
        server.database.value("SELECT count(*) FROM executions WHERE motto = 'Always'"),
        "5"
    );
    server.verify_ledger();
}

/// A statement of an earlier migration as it would be on today's schema: since migration 16 some
/// enums are codes, and a column has another name.
fn on_todays_schema(statement: &str) -> String {
    let mut text = statement
        .replace(
            "next_check_at IS NOT NULL AND operation",
            "status IN ({execution_status PENDING}, {execution_status PROCESSING}) AND operation",
        )
        .replace("sessions.kind = 'TRANSFER'", "sessions.kind = {session_kind TRANSFER}")
        .replace("sessions.status = 'ACTIVE'", "sessions.status = {session_status ACTIVE}")
        .replace("rounded_once = 0", "rules = 0");
    for operation in ["COLLECTION", "REFUND"] {
        text = text.replace(&format!("'{operation}'"), &format!("{{operation {operation}}}"));
    }
    for status in ["COMPLETED", "FAILED"] {
        text = text.replace(&format!("'{status}'"), &format!("{{execution_status {status}}}"));
    }
    text
}

/// The statements of migration 8 (incoming amounts) from one text up to another.
fn room_between(from: &str, to: &str) -> String {
    let text = match crate::support::database::postgres() {
        Some(_) => include_str!("../../../../migrations/postgres/0008_room.sql"),
        None => include_str!("../../../../migrations/sqlite/0008_room.sql"),
    };
    let begin = text.find(from).unwrap_or_else(|| panic!("{from}"));
    let end = text[begin..].find(to).map_or(text.len(), |end| begin + end);
    on_todays_schema(&text[begin..end])
}

#[test]
fn what_is_on_its_way_in_is_known_in_old_rows_too() {
    let (server, shop) = open();
    shop.paid_hundred();
    shop.take(shop.momo("COLLECTION", &ending("129")), "USD", "100.00");
    shop.take(shop.momo("COLLECTION", &ending("129")), "USD", "20.00");
    shop.take(shop.momo("COLLECTION", &ending("129")), "LRD", "50.00");
    let incoming = "SELECT currency, incoming_minor FROM wallets WHERE owner_type = 'MERCHANT' AND incoming_minor > 0 ORDER BY 1";
    let right = server.database.rows(incoming);
    assert_eq!(right, [["LRD", "5000"], ["USD", "12000"]]);
    // As before the migration: there were no incoming amounts, and the wallet of a currency was
    // opened by the first payment that completed.
    server
        .database
        .sql("UPDATE wallets SET incoming_minor = 0; DELETE FROM wallets WHERE currency = 'LRD'");
    let said = server.kola(&["ledger", "verify"]).refused();
    assert!(said.contains("open collection without the wallet that awaits it"), "{said}");
    server.database.sql(&room_between("INSERT INTO wallets", "-- Of a system account"));
    assert_eq!(server.database.rows(incoming), right);
    server.verify_ledger();
    // The id of the new wallet is not used for anything else.
    let above =
        "SELECT count(*) FROM installation, wallets WHERE wallets.id >= installation.next_id";
    assert_eq!(server.database.value(above), "0");
    shop.paid_hundred();
    server.verify_ledger();
}

#[test]
fn who_receives_and_who_is_found_is_known_in_old_rows_too() {
    let (server, shop, other) = open_two();
    server.fund(&shop, "USD", "100.00");
    let phone = new_phone();
    server.database.merchant_with("Receiver", &["--verified", "--phone", &phone]);
    let to_merchant = shop.counterparty(shop.party_with_phone(&phone));
    let to_party = shop.customer();
    shop.transfer(to_party, "USD", "1.00");
    let waiting = [to_merchant, to_party]
        .map(|counterparty| id(&shop.open_transfer(counterparty, "USD", "1.00").ok()));
    let doubled = new_phone();
    for shop in [&shop, &other, &shop] {
        shop.party_with_phone(&doubled);
    }
    let recipients = "SELECT id, recipient_type, recipient_id, recipient_name FROM sessions WHERE status = {session_status ACTIVE} ORDER BY id";
    let found = "SELECT id, coalesce(found_by, 'not found') FROM parties ORDER BY id";
    let right = (server.database.rows(recipients), server.database.rows(found));
    assert_eq!(right.0.len(), 2);
    assert_eq!(right.1.iter().filter(|row| row[1] == "not found").count(), 1, "{:?}", right.1);
    server.database.sql(
        "UPDATE sessions SET recipient_type = NULL, recipient_id = NULL, recipient_name = NULL; \
         UPDATE parties SET found_by = NULL",
    );
    server.database.sql(&room_between("UPDATE sessions", "-- How many"));
    server.database.sql(&room_between("UPDATE parties", "CREATE UNIQUE"));
    assert_eq!((server.database.rows(recipients), server.database.rows(found)), right);
    // Sessions that were executed before get no recipient.
    let used = "SELECT count(*) FROM sessions WHERE status = {session_status EXECUTED} AND recipient_type IS NOT NULL";
    assert_eq!(server.database.value(used), "0");
    for session in waiting {
        assert_eq!(shop.execute("transfer", session, &key()).ok()["status"], "COMPLETED");
    }
    let old = shop.api.get("/v1/sessions/transfer/list").rows();
    assert!(old.iter().any(|row| row["recipient"].is_null()), "{old:?}");
    server.verify_ledger();
}

#[test]
fn what_is_in_review_is_counted_in_old_rows_too() {
    let migration = match crate::support::database::postgres() {
        Some(_) => include_str!("../../../../migrations/postgres/0014_late_successes.sql"),
        None => include_str!("../../../../migrations/sqlite/0014_late_successes.sql"),
    };
    let count = &migration[migration.find("UPDATE sources").expect("the statement")..];
    let (server, shop) = open();
    shop.paid_hundred();
    let failed = shop.take(shop.momo("COLLECTION", &ending("179")), "USD", "100.00");
    wait_for("the review", || crate::reviews::find(&server, &shown(&failed, "reference_id")));
    let counted = "SELECT open_reviews FROM sources ORDER BY id";
    let right = server.database.rows(counted);
    assert_eq!(right, [["0"], ["1"]]);
    server.database.sql("UPDATE sources SET open_reviews = 0");
    assert!(
        server
            .kola(&["ledger", "verify"])
            .refused()
            .contains("open reviews differ from what their source says")
    );
    server.database.sql(count);
    assert_eq!(server.database.rows(counted), right);
    server.verify_ledger();
}

#[test]
fn a_wallet_that_a_review_could_credit_counts_it_after_an_upgrade() {
    let migration = match crate::support::database::postgres() {
        Some(_) => include_str!("../../../../migrations/postgres/0017_tariff.sql"),
        None => include_str!("../../../../migrations/sqlite/0017_tariff.sql"),
    };
    let count =
        &migration[migration.find("-- A review opens the wallets").expect("the statements")..];
    let (server, shop) = open();
    let failed = shop.take(shop.momo("COLLECTION", &ending("179")), "USD", "100.00");
    wait_for("the review", || crate::reviews::find(&server, &shown(&failed, "reference_id")));
    let counted = "SELECT currency, open_reviews, available_minor FROM wallets ORDER BY currency";
    let right = server.database.rows(counted);
    assert_eq!(right, [["LRD", "0", "0"], ["RWF", "0", "0"], ["USD", "1", "0"]]);
    server.database.sql("UPDATE wallets SET open_reviews = 0");
    let why = "open reviews differ from what their wallet says";
    assert!(server.kola(&["ledger", "verify"]).refused().contains(why));
    server.database.sql(count);
    assert_eq!(server.database.rows(counted), right);
    server.verify_ledger();
    // A wallet that was never opened is opened with an id of its own.
    server.database.damage("DELETE FROM wallets WHERE currency = 'USD'");
    server.database.sql(count);
    assert_eq!(server.database.rows(counted), right);
    server.verify_ledger();
    let above = "SELECT next_id - (SELECT max(id) FROM wallets) FROM installation";
    assert!(server.database.value(above).parse::<i64>().expect("a number") > 0);
}

/// The third migration. Its statement that changes rows is the same on both databases.
const COUNT_APART: &str = include_str!("../../../../migrations/postgres/0003_over_refunds.sql");

/// The statement of a migration that changes rows.
fn update_of(migration: &str) -> String {
    let update =
        migration.find("UPDATE executions").map(|at| &migration[at..]).expect("the statement");
    on_todays_schema(&update[..=update.find(';').expect("its end")])
}

#[test]
fn what_was_given_back_beyond_a_payment_is_counted_in_old_rows_too() {
    let update = update_of(COUNT_APART);
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(shop.refund(&paid, "60.00")["status"], "COMPLETED");
    assert_eq!(shop.refund(&paid, "10.00")["status"], "COMPLETED");
    server.verify_ledger();
    let figures = "SELECT refunded_minor, refunded_total_minor, over_refunded_minor, over_refunded_total_minor FROM executions \
                   WHERE refunded_minor > 0";
    let right = server.database.rows(figures);
    // As if the first refund had failed before it was paid after all, and the refund capacity had
    // not been reduced for it.
    server.database.sql(
        "INSERT INTO reviews (id, merchant_id, execution_id, kind, status, amount_minor, currency, reason, created_at, resolved_at) \
         SELECT -id, merchant_id, id, 'SUCCESS_AFTER_FAILURE', 'RESOLVED', 0, 'USD', 'x', 0, 0 FROM executions \
         WHERE operation = {operation REFUND} AND payee_minor = 6000; \
         UPDATE executions SET refunded_minor = 0, refunded_total_minor = 0 WHERE operation = {operation COLLECTION}",
    );
    server.kola(&["ledger", "verify"]).refused();
    server.database.sql(&update);
    assert_eq!(server.database.rows(figures), right);
    server.verify_ledger();
    // As if more had been given back than was paid.
    server.database.sql("UPDATE executions SET payee_minor = 9500 WHERE operation = {operation REFUND} AND payee_minor = 6000");
    server.database.sql(&update);
    let over = server.database.rows(figures);
    assert_eq!((over[0][0].as_str(), over[0][2].as_str()), ("10300", "200"));
}

#[test]
fn what_a_provider_moved_of_a_refund_is_counted_in_old_rows_too() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    assert_eq!(shop.refund(&paid, "60.00")["status"], "COMPLETED");
    assert_eq!(shop.refund(&paid, "10.00")["status"], "COMPLETED");
    let counted = "SELECT refunded_minor, refunded_total_minor, over_refunded_minor, over_refunded_total_minor FROM executions \
                   WHERE operation = {operation COLLECTION}";
    // As if the provider had reported that it moved 70 for the first refund and 40 for the second.
    for (asked, more) in [(6_000, 1_000), (1_000, 3_000)] {
        server.database.sql(&format!(
            "INSERT INTO reviews (id, merchant_id, execution_id, kind, status, amount_minor, currency, reason, created_at, resolved_at) \
             SELECT -id, merchant_id, id, 'AMOUNT_MISMATCH', 'RESOLVED', -{more}, 'USD', 'x', 0, 0 FROM executions \
             WHERE operation = {{operation REFUND}} AND payee_minor = {asked}"
        ));
    }
    assert!(
        server
            .kola(&["ledger", "verify"])
            .refused()
            .contains("refunds differ from what their payment says")
    );
    recount(&server);
    assert_eq!(server.database.rows(counted), [["10300", "10300", "700", "700"]]);
    server.verify_ledger();
}

/// Recomputes the refund totals as the fourth migration does.
fn recount(server: &Server) {
    let place: store::Database = server.database.url().parse().expect("a URL");
    let mut sql = place.open_as_it_is().expect("the database");
    transaction(sql.as_mut(), Purpose::Write, recount::run).expect("counted");
}

#[test]
fn what_was_taken_back_of_an_exchanged_payment_is_counted_at_its_rate() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    let account = shop.account(shop.party(), "COLLECTION", "MTN_MOMO_RWA", Some("250780000001"));
    let paid =
        shop.collect(shop.checkout(shop.invoice("USD", "100.00")), account, "RWF", &key()).ok();
    let paid = shop.settled("collection", &paid);
    let figures = |what: &str| {
        server.database.value(&format!(
            "SELECT {what} FROM executions WHERE operation = {{operation COLLECTION}}"
        ))
    };
    let payer: i64 = figures("payer_minor").parse().expect("francs");
    // As if the provider had reported later that it moved only three quarters of the payment.
    let back = payer / 4;
    server.database.sql(&format!(
        "INSERT INTO reviews (id, merchant_id, execution_id, kind, status, amount_minor, currency, reason, created_at, resolved_at) \
         SELECT -id, merchant_id, id, 'AMOUNT_MISMATCH', 'RESOLVED', -{back}, 'RWF', 'x', 0, 0 FROM executions"
    ));
    recount(&server);
    assert_eq!(figures("refunded_minor"), back.to_string());
    // 1,440 francs are a dollar, and francs have no hundredths. The cost is rounded up to a cent.
    assert_eq!(figures("refunded_total_minor"), ((back * 100 + 1_439) / 1_440).to_string());
    let refund = shop.refund(&paid, &(payer - back).to_string());
    assert_eq!(refund["status"], "COMPLETED");
    assert_ne!(shown(&refund, "payer_amount"), "0.00");
}

/// The sixth migration, which changes rows.
const ROUNDED_ONCE: &str = include_str!("../../../../migrations/postgres/0006_refunds.sql");

#[test]
fn exchanged_refunds_of_before_keep_what_they_cost_and_one_under_way_takes_what_is_due() {
    let (mut server, shop) = spawn();
    server.fund(&shop, "USD", "10.00");
    let account = shop.account(shop.party(), "COLLECTION", "MTN_MOMO_RWA", Some("250780000001"));
    let paid = shop
        .collect(
            shop.checkout(shop.source("invoices", "USD", "PAYEE", "10.00")),
            account,
            "RWF",
            &key(),
        )
        .ok();
    // A cent is 14.4 francs. Rounded each by itself, these refunds cost the same.
    assert_fields(&shop.refund(&paid, "100"), &[("payer_amount", "0.07")]);
    assert_fields(&shop.refund(&paid, "1"), &[("payer_amount", "0.01")]);
    assert_eq!(server.terminate(), Some(0));
    server.restart(&[("KOLA_SANDBOX_DELAY_MS", "3600000")]);
    let shop = server.sign_in(&shop.credentials);
    let under_way = shop.refund(&paid, "100");
    assert_fields(&under_way, &[("status", "PROCESSING"), ("payer_amount", "0.07")]);
    // As before the migration: the amount given back was not counted, and the total of refunds
    // included what open ones hold.
    server.database.sql("UPDATE executions SET given_back_minor = 0, refunded_total_minor = 15 WHERE operation = {operation COLLECTION}");
    assert!(
        server
            .kola(&["ledger", "verify"])
            .refused()
            .contains("refunds that did not cost their share")
    );
    server.database.sql(&update_of(ROUNDED_ONCE));
    let figures = "SELECT given_back_minor, refunded_total_minor, over_refunded_total_minor, rules FROM executions \
                   WHERE operation = {operation COLLECTION}";
    assert_eq!(server.database.rows(figures), [["101", "8", "0", "0"]]);
    server.verify_ledger();
    shop.advance(3700);
    let done = shop.settled("refund", &under_way);
    // 201 francs are 13.96 cents, of which eight cents have been paid.
    assert_fields(
        &done,
        &[("status", "COMPLETED"), ("payer_amount", "0.06"), ("payee_amount", "100")],
    );
    assert_eq!(server.database.rows(figures), [["201", "14", "0", "0"]]);
    server.verify_ledger();
}

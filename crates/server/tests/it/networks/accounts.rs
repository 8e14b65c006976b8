//! Network accounts: adding, holding, draining, and tokens that change.

use serde_json::{Value, json};

use super::stage::{Stage, add_account, pawapay_secrets};
use crate::support::shop::GOOD;
use crate::support::{Database, on_sqlite_only, shown, wait_for};

fn networks(
    stage: &Stage,
    what: &str,
    account: i64,
    more: &[&str],
) -> crate::support::process::Run {
    let id = account.to_string();
    let mut arguments = vec!["networks", what, "--account", &id];
    arguments.extend(more);
    stage.server.kola(&arguments)
}

/// Nobody's keys.
fn live_stripe_secrets() -> String {
    let secrets = json!({
        "secret_key": "sk_live_none",
        "publishable_key": "pk_live_none",
        "webhook_secret": "whsec_none",
    });
    secrets.to_string()
}

#[test]
fn what_an_account_cannot_be_is_said_and_nothing_is_changed() {
    let database = Database::with_schema();
    database.make_secrets_key();
    let add = |which: &[&str], secrets: &str| {
        let mut arguments = vec!["networks", "add", "--name", "a"];
        arguments.extend(which);
        database.kola_with_input(&arguments, secrets).refused()
    };
    let pawapay = ["--network", "pawapay", "--mode", "test"];
    let stripe = ["--network", "stripe", "--mode", "live"];
    for (which, secrets, message) in [
        (&pawapay[..], "{\"token\": \"abc\\ndefgh\"}", "one line"),
        (&pawapay, "{\"token\": \"\"}", "token is missing"),
        (&pawapay, "{\"secret\": \"x\"}", "secret is none of them"),
        (&pawapay, "token", "must have {\"token\"} as JSON"),
        (
            &[&pawapay[..], &["--base-url", "https://api.example/v2"]].concat(),
            &pawapay_secrets(),
            "no path",
        ),
        (
            &[&pawapay[..], &["--base-url", "http://api.example"]].concat(),
            &pawapay_secrets(),
            "https",
        ),
        (
            &[&stripe[..], &["--base-url", "http://127.0.0.1:1"]].concat(),
            &super::stage::stripe_secrets(),
            "http is for test accounts",
        ),
        (&stripe, &super::stage::stripe_secrets(), "secret_key"),
        (
            &[&pawapay[..], &["--parameters", "basic"]].concat(),
            &pawapay_secrets(),
            "only a test account at Stripe",
        ),
        (
            &[&stripe[..], &["--parameters", "basic"]].concat(),
            &live_stripe_secrets(),
            "only a test account at Stripe",
        ),
        (&[&stripe[..], &["--parameters", "old"]].concat(), "{}", "current or basic"),
        (&["--network", "mpesa", "--mode", "test"], "{}", "pawapay or stripe"),
        (&["--network", "pawapay", "--mode", "sandbox"], "{}", "built in"),
    ] {
        let said = add(which, secrets);
        assert!(said.contains(message), "{which:?}: {said}");
        assert!(!said.contains("fake-pawapay-token") && !said.contains("sk_test"), "{said}");
    }
    let count = "SELECT count(*) FROM network_accounts WHERE mode <> 'SANDBOX'";
    assert_eq!(database.value(count), "0");
    let printed = database.kola(&[
        "merchant",
        "create",
        "--name",
        "M",
        "--type",
        "ORGANIZATION",
        "--mode",
        "test",
    ]);
    assert!(printed.refused().contains("kola networks add --mode test"));
}

#[test]
fn a_secret_is_encrypted_and_shown_to_nobody() {
    let stage = Stage::open();
    let rows = stage.server.database.rows("SELECT sealed FROM network_secrets");
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| !row[0].contains("fake")), "{rows:?}");
    let listed = stage.server.kola(&["networks", "list", "--json"]).ok();
    let secrets = [fakes::PAWAPAY_TOKEN, fakes::STRIPE_SECRET_KEY, fakes::STRIPE_WEBHOOK_SECRET];
    assert!(secrets.iter().all(|secret| !listed.contains(secret)), "{listed}");
}

#[test]
fn without_an_account_a_merchant_is_refused_before_anything_is_made() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let account = shop.momo("COLLECTION", GOOD);
    networks(&stage, "drain", stage.pawapay, &[]).ok();
    let session = shop.checkout(shop.invoice("USD", "10.00"));
    let refused = wait_for("the drained account", || {
        let reply = shop.collect(session, account, "USD", &crate::support::key());
        (reply.status == 422).then_some(reply)
    });
    let said = refused.body.to_string();
    assert!(said.contains("PAWAPAY takes no payments"), "{said}");
    assert_eq!(shop.session_status("checkout", session), "ACTIVE");
    networks(&stage, "activate", stage.pawapay, &[]).ok();
    let paid = shop.collect(session, account, "USD", &crate::support::key()).ok();
    stage.becomes("collection", &paid, "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn what_is_held_waits_and_goes_when_it_is_resumed() {
    let stage = Stage::open();
    networks(&stage, "hold", stage.pawapay, &[]).ok();
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    assert_eq!(paid["status"], "PENDING", "{paid}");
    assert!(shown(&paid, "waiting_for").contains("operator"), "{paid}");
    assert!(stage.pawapay_payments().is_empty());
    let drained = networks(&stage, "close", stage.pawapay, &[]).refused();
    assert!(drained.contains("DRAINING"), "{drained}");
    networks(&stage, "drain", stage.pawapay, &[]).ok();
    let used = networks(&stage, "close", stage.pawapay, &[]).refused();
    assert!(used.contains("under way"), "{used}");
    networks(&stage, "resume", stage.pawapay, &[]).ok();
    stage.becomes("collection", &paid, "COMPLETED");
    networks(&stage, "close", stage.pawapay, &[]).ok();
    stage.assert_books_equal();
}

#[test]
fn requests_are_signed_where_the_account_has_a_key() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let key = rcgen::KeyPair::generate().expect("a key");
    let known = json!({"id": "KOLA:7", "pem": key.public_key_pem()});
    stage
        .control("/pawapay/settings", &json!({"signed_requests_only": true, "request_key": known}));
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    assert_eq!(paid["status"], "PENDING", "{paid}");
    let id = stage.pawapay.to_string();
    let set = ["networks", "set-signing-key", "--account", &id, "--key-id", "KOLA:7"];
    let database = &stage.server.database;
    let refused = database.kola_with_input(&set, "no key").refused();
    assert!(refused.contains("BEGIN PRIVATE KEY"), "{refused}");
    database.kola_with_input(&set, &key.serialize_pem()).ok();
    // What was refused goes on by itself.
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let back = shop.refund(&paid, "3.00");
    stage.becomes("refund", &back, "COMPLETED");
    // The last key may be retired: then requests are not signed any more.
    let listed = stage.server.kola(&["networks", "list", "--json"]).ok();
    assert!(!listed.contains("PRIVATE KEY"), "{listed}");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let account = listed.as_array().expect("a list").iter().find(|row| row["id"] == stage.pawapay);
    let secrets = account.expect("the account")["secrets"].as_array().expect("secrets").clone();
    let signing = secrets.iter().find(|secret| secret["kind"] == "SIGNING_KEY");
    let signing = signing.expect("the key")["id"].to_string();
    stage.control("/pawapay/settings", &json!({"signed_requests_only": false}));
    networks(&stage, "retire", stage.pawapay, &["--secret", &signing]).ok();
    wait_for("a request that is not signed", || {
        let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "1.00");
        stage.becomes("collection", &paid, "COMPLETED");
        let sent = stage.pawapay_requests("POST", "/v2/deposits");
        let last = sent.last().expect("a deposit").to_string();
        (!last.contains("signature-input")).then_some(())
    });
    stage.assert_books_equal();
}

#[test]
fn a_refused_token_fails_nothing_and_a_new_one_goes_on() {
    let stage = Stage::open();
    let shop = &stage.shop;
    stage.control("/pawapay/tokens", &json!({"revoke": fakes::PAWAPAY_TOKEN}));
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    assert_eq!(paid["status"], "PENDING", "{paid}");
    wait_for("the mark", || {
        stage.make_due();
        let listed = stage.server.kola(&["networks", "list"]).ok();
        listed.contains("TOKEN_REFUSED").then_some(())
    });
    stage.control("/pawapay/tokens", &json!({"add": "another-token"}));
    let id = stage.pawapay.to_string();
    let set = ["networks", "set-token", "--account", &id];
    stage.server.database.kola_with_input(&set, "another-token\n").ok();
    stage.becomes("collection", &paid, "COMPLETED");
    let listed: Value =
        serde_json::from_str(&stage.server.kola(&["networks", "list", "--json"]).ok())
            .expect("JSON");
    let account = listed.as_array().expect("a list").iter().find(|row| row["id"] == stage.pawapay);
    let secrets = account.expect("the account")["secrets"].as_array().expect("secrets").clone();
    assert_eq!(secrets.len(), 2);
    let old = secrets[1]["id"].to_string();
    networks(&stage, "retire", stage.pawapay, &["--secret", &old]).ok();
    let newest = secrets[0]["id"].to_string();
    let last = networks(&stage, "retire", stage.pawapay, &["--secret", &newest]).refused();
    assert!(last.contains("cannot be retired"), "{last}");
    let again = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    stage.becomes("collection", &again, "COMPLETED");
    stage.assert_books_equal();
}

#[test]
fn a_merchant_may_be_bound_to_another_account() {
    let stage = Stage::open();
    let (second, path) = add_account(
        &stage.server.database,
        &["--network", "pawapay", "--name", "second", "--base-url", &stage.fakes.pawapay_url()],
        &pawapay_secrets(),
    );
    assert!(path.starts_with("/callbacks/pawapay/"), "{path}");
    let merchant = stage.shop.credentials.merchant_id.to_string();
    let bind = |account: i64| {
        let account = account.to_string();
        stage.server.kola(&[
            "merchant",
            "set",
            "--merchant",
            &merchant,
            "--network-account",
            &account,
        ])
    };
    assert!(bind(987_654).refused().contains("no network account"));
    bind(second).ok();
    let count = format!("SELECT count(*) FROM operator_terms WHERE network_account_id = {second}");
    wait_for("the second account's terms", || {
        (stage.server.database.value(&count) != "0").then_some(())
    });
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let accounts = "SELECT DISTINCT network_account_id FROM provider_attempts";
    assert_eq!(stage.server.database.value(accounts), second.to_string());
    // The refund goes where the payment was made, whatever the merchant is bound to by then.
    bind(stage.pawapay).ok();
    let back = shop.refund(&paid, "5.00");
    stage.becomes("refund", &back, "COMPLETED");
    assert_eq!(stage.server.database.value(accounts), second.to_string());
    stage.assert_books_equal();
}

#[test]
fn a_restored_database_calls_no_network_before_it_is_told_to() {
    on_sqlite_only!();
    let database = Database::with_schema();
    database.make_secrets_key();
    let which = ["--network", "pawapay", "--name", "a", "--base-url", "http://127.0.0.1:1"];
    let (account, _) = add_account(&database, &which, &pawapay_secrets());
    let saved = database.kola(&["db", "backup", "saved.db"]).ok();
    assert!(saved.contains("need the key"), "{saved}");
    let restored = database.kola(&["db", "restore", "saved.db"]).ok();
    assert!(restored.contains("kola networks resume"), "{restored}");
    let held = "SELECT held FROM network_accounts WHERE restored_at IS NOT NULL";
    assert_eq!(database.value(held), "1");
    let resumed = database.kola(&["networks", "resume"]).ok();
    assert!(resumed.contains(&account.to_string()), "{resumed}");
    assert_eq!(database.value(held), "0");
}

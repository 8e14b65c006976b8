//! The server verifies by itself, tells the verdict, and stops what leaves where the books are broken.

use crate::networks::stage::Stage;
use crate::people::person::between;
use crate::people::reviews::of_installation;
use crate::support::shop::GOOD;
use crate::support::{
    Database, Server, id, key, on_postgres_only, on_sqlite_only, open, open_with, spawn_with,
    wait_for,
};

const LAST: &str = "SELECT outcome FROM installation_checks WHERE kind = 'VERIFY'";

/// The last verification is older than any interval.
fn make_due(database: &Database) {
    database.sql(
        "UPDATE installation_checks SET begun_at = 1, ended_at = 1 \
         WHERE kind = 'VERIFY' AND ended_at IS NOT NULL",
    );
}

/// A verification that begins from now on, once it has ended.
#[track_caller]
fn verified(database: &Database) -> String {
    // One that is under way may have read before.
    database.sql(
        "UPDATE installation_checks SET requested_at = 9000000000000000 WHERE kind = 'VERIFY'",
    );
    let ends = "SELECT coalesce(ended_at, 0) FROM installation_checks WHERE kind = 'VERIFY'";
    for _ in 0..2 {
        let before = database.value(ends);
        wait_for("the verification", || (database.value(ends) != before).then_some(()));
    }
    database.sql("UPDATE installation_checks SET requested_at = NULL WHERE kind = 'VERIFY'");
    database.value(LAST)
}

#[track_caller]
fn metric(server: &Server, name: &str) -> f64 {
    let text = server.metrics().get("/metrics").body;
    let text = text.as_str().expect("a text").to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {text}")).parse().expect("a number")
}

#[test]
fn what_is_due_is_verified_and_told() {
    let (server, shop) =
        open_with(&[("KOLA_VERIFY_EVERY", "24h"), ("KOLA_METRICS", "127.0.0.1:0")]);
    let database = &server.database;
    wait_for("the first verification", || (database.value(LAST) == "GOOD").then_some(()));
    shop.paid_hundred();
    make_due(database);
    let good = "SELECT count(*) FROM installation_checks \
                WHERE kind = 'VERIFY' AND ended_at > 1 AND good_at = ended_at AND begun_at <= ended_at";
    wait_for("the next verification", || (database.value(good) == "1").then_some(()));
    let last = "kola_ledger_verify_timestamp_seconds";
    wait_for("the metrics", || (metric(&server, last) > 1_000_000.0).then_some(()));
    assert_eq!(metric(&server, "kola_ledger_verify_violations"), 0.0);
    assert_eq!(metric(&server, "kola_payouts_stopped"), 0.0);
    assert_eq!(metric(&server, "kola_backup_timestamp_seconds"), 0.0);
    assert!(metric(&server, "kola_ledger_verify_duration_seconds") >= 0.0);
}

/// A lock on the file tells other programs that a server has it open. A process loses all its locks on a
/// file as soon as any code of it opens the file by itself and closes it again.
#[test]
fn a_file_is_still_known_to_be_in_use_after_a_verification() {
    on_sqlite_only!();
    let (server, _shop) = spawn_with(&[("KOLA_VERIFY_EVERY", "24h")]);
    let database = &server.database;
    wait_for("the first verification", || (database.value(LAST) == "GOOD").then_some(()));
    let other = format!("sqlite:{}", database.dir.path().join("other.db").display());
    let copied = server.kola(&["db", "copy", "--from", &database.url(), "--to", &other]);
    assert_eq!(copied.code, Some(1), "{}{}", copied.out, copied.err);
    assert!(copied.err.contains("in use"), "{}", copied.err);
}

#[test]
fn nobody_verifies_unless_that_is_set_or_asked_for() {
    let (server, shop) = open();
    shop.paid_hundred();
    assert_eq!(
        server
            .database
            .value(&format!("SELECT count(*) FROM ({LAST} AND outcome IS NOT NULL) AS found")),
        "0"
    );
    let audited = "SELECT count(*) FROM audit";
    let before = server.database.value(audited);
    server.verify_ledger();
    assert_eq!(server.database.value(LAST), "GOOD", "`kola ledger verify` puts its end on record");
    assert_eq!(server.database.value(audited), before, "which is no decision");
}

/// Books that are broken by an amount are put right again in the end, so that all else is compared.
fn break_books(database: &Database, by: &str) {
    database.damage(&format!(
        "UPDATE wallets SET available_minor = available_minor {by} 1 WHERE owner_type = 'MERCHANT' AND currency = 'LRD'"
    ));
}

#[test]
fn a_violation_stops_what_leaves_and_nothing_else() {
    let stage = Stage::open_with(&[
        ("KOLA_VERIFY_EVERY", "24h"),
        ("KOLA_STOP_ON_VIOLATION", "true"),
        ("KOLA_METRICS", "127.0.0.1:0"),
    ]);
    let (server, shop, database) = (&stage.server, &stage.shop, &stage.server.database);
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    // Accepted, and not sent yet.
    let account = stage.pawapay.to_string();
    server.kola(&["networks", "hold", "--account", &account]).ok();
    let payee = shop.momo("PAYOUT", GOOD);
    let waits = shop.send(payee, "USD", "10.00");
    assert_eq!(waits["status"], "PENDING", "{waits}");
    let declared = id(&shop.open_payout(payee, "USD", "5.00").ok());
    break_books(database, "+");
    assert_eq!(verified(database), "BAD");
    wait_for("the stop", || (metric(server, "kola_payouts_stopped") == 1.0).then_some(()));
    assert!(metric(server, "kola_ledger_verify_violations") >= 1.0);
    let detail = database.value("SELECT detail FROM installation_checks WHERE kind = 'VERIFY'");
    assert!(detail.contains("wallet balance differs from its entries"), "{detail}");
    server.kola(&["networks", "resume", "--account", &account]).ok();
    // What was accepted waits, what is new is refused, and its session can be used later.
    stage.waits_for("payout", &waits, "the operator");
    let stopped = |reply: crate::support::Reply| {
        assert_eq!(reply.status, 422, "{}", reply.body);
        assert!(reply.body.to_string().contains("value_error.payouts_stopped"), "{}", reply.body);
    };
    let again = key();
    stopped(shop.execute("payout", declared, &again));
    assert_eq!(shop.session_status("payout", declared), "ACTIVE");
    stopped(shop.open_payout(payee, "USD", "6.00"));
    stopped(shop.open_refund(&paid["payment_intent_id"], "1.00"));
    assert!(stage.pawapay_requests("POST", "/v2/payouts").is_empty());
    // What comes in and what stays within goes on.
    let more = shop.take(shop.momo("COLLECTION", GOOD), "USD", "7.00");
    stage.becomes("collection", &more, "COMPLETED");
    assert_eq!(shop.transfer(shop.customer(), "USD", "1.00")["status"], "COMPLETED");
    // It is put right, by hand here, and goes on.
    break_books(database, "-");
    let resumed = server.kola(&["payouts", "resume", "--evidence", "LRD wallet corrected"]).ok();
    assert!(resumed.contains("go on"), "{resumed}");
    stage.becomes("payout", &waits, "COMPLETED");
    let sent = shop.execute("payout", declared, &again).ok();
    stage.becomes("payout", &sent, "COMPLETED");
    let back = shop.refund(&paid, "1.00");
    stage.becomes("refund", &back, "COMPLETED");
    assert_eq!(verified(database), "GOOD");
    assert_eq!(database.value("SELECT count(*) FROM audit WHERE command IN (70, 71)"), "1");
    let notes = "SELECT count(*) FROM events WHERE note LIKE 'payouts and refunds %'";
    assert_eq!(database.value(notes), "2");
    stage.assert_books_equal();
}

#[test]
fn an_operator_stops_and_resumes_by_hand() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let account = shop.momo("PAYOUT", GOOD);
    let session = id(&shop.open_payout(account, "USD", "5.00").ok());
    let said = server.kola(&["payouts", "stop", "--reason", "we look into it"]).ok();
    assert!(said.contains("we look into it"), "{said}");
    let reply = wait_for("the stop", || {
        let reply = shop.execute("payout", session, &key());
        (reply.status == 422).then_some(reply)
    });
    assert!(reply.body.to_string().contains("stopped for now"), "{}", reply.body);
    // The first reason stays.
    let said = server.kola(&["payouts", "stop", "--reason", "again", "--json"]).ok();
    assert!(said.contains("we look into it"), "{said}");
    assert!(server.kola(&["payouts", "resume"]).code != Some(0), "it takes a reason");
    server.kola(&["payouts", "resume", "--evidence", "all is well"]).ok();
    shop.execute("payout", session, &key()).ok();
    let audited = server.kola(&["audit", "list"]).ok();
    assert!(audited.contains("stop_payouts") && audited.contains("all is well"), "{audited}");
    server.verify_ledger();
}

#[test]
fn the_page_says_what_was_verified_and_asks_for_more() {
    let (server, shop) = open();
    shop.paid_hundred();
    let mut operator = of_installation(&server, "operator");
    let mut auditor = of_installation(&server, "auditor");
    let page = "/app/installation";
    let text = |reply: &crate::support::Reply| reply.body.as_str().expect("a page").to_owned();
    let before = text(&operator.browser.get(page));
    assert!(before.contains("The books were never verified."), "{before}");
    assert!(before.contains("No backup is on record."), "{before}");
    assert!(!text(&auditor.browser.get(page)).contains("Verify now"));
    assert_eq!(auditor.browser.post("/app/installation/verify", &[]).status, 403);
    let led = operator.browser.post("/app/installation/verify", &[]);
    assert_eq!(led.status, 303, "{}", led.body);
    let after = wait_for("the verification", || {
        let shown = text(&operator.browser.get(page));
        shown.contains("The books are right.").then_some(shown)
    });
    assert!(after.contains("Last verified: <time"), "{after}");
    server.kola(&["db", "note-backup"]).ok();
    server.kola(&["payouts", "stop", "--reason", "a <drill>"]).ok();
    let after = text(&operator.browser.get(page));
    let part = between(&after, "<h2>Payouts and refunds are stopped</h2>", "<h2>");
    assert!(part.contains("a &#60;drill&#62;") && part.contains("kola payouts resume"), "{part}");
    assert!(after.contains("The last one on record: <time"), "{after}");
}

#[test]
fn backups_are_on_record() {
    let database = Database::with_schema();
    database.merchant("Shop");
    let good = "SELECT coalesce(good_at, 0) FROM installation_checks WHERE kind = 'BACKUP'";
    assert_eq!(database.value(good), "0");
    database.kola(&["db", "note-backup", "--at", "2026-01-02T03:04:05Z"]).ok();
    let first = database.value(good);
    assert_ne!(first, "0");
    database.kola(&["db", "note-backup", "--failed"]).ok();
    assert_eq!(database.value(good), first);
    let outcome = "SELECT outcome FROM installation_checks WHERE kind = 'BACKUP'";
    assert_eq!(database.value(outcome), "FAILED");
    let said = database.kola(&["db", "note-backup", "--at", "2999-01-01"]).refused();
    assert!(said.contains("still to come"), "{said}");
}

#[test]
fn a_copy_of_the_file_is_on_record() {
    on_sqlite_only!();
    let database = Database::with_schema();
    database.merchant("Shop");
    database.kola(&["db", "backup", "copy.db"]).ok();
    let last = "SELECT outcome FROM installation_checks WHERE kind = 'BACKUP'";
    assert_eq!(database.value(last), "GOOD");
    // It is there already.
    database.kola(&["db", "backup", "copy.db"]).refused();
    assert_eq!(database.value(last), "FAILED");
}

/// Whoever may only read, as at a standby, verifies all the same.
#[test]
fn who_may_only_read_verifies() {
    on_postgres_only!();
    let database = Database::with_schema();
    database.merchant("Shop");
    let role = format!("reader_{}", key().replace('-', ""));
    database.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'"));
    database.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
    let (scheme, rest) =
        database.url().split_once("://").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a URL");
    let host = rest.split_once('@').map_or(rest.clone(), |(_, host)| host.to_owned());
    let run = database.kola_at(&format!("{scheme}://{role}:x@{host}"), &["ledger", "verify"]);
    database.sql(&format!("DROP OWNED BY {role}"));
    database.sql(&format!("DROP ROLE {role}"));
    assert_eq!(run.code, Some(0), "{} {}", run.out, run.err);
    assert!(run.out.contains("0 violations"), "{}", run.out);
    assert!(run.err.contains("not on record"), "{}", run.err);
    let never = format!("SELECT count(*) FROM ({LAST} AND outcome IS NOT NULL) AS found");
    assert_eq!(database.value(&never), "0");
}

/// Two processes verify what is due once, and a stop does not wait for it.
#[test]
fn a_server_that_verifies_stops_at_once() {
    let settings: &[(&str, &str)] = &[("KOLA_VERIFY_EVERY", "1m")];
    let (mut server, shop) = spawn_with(settings);
    shop.paid_hundred();
    let other = (!server.database.is_sqlite()).then(|| server.spawn_another(settings));
    assert_eq!(verified(&server.database), "GOOD");
    if let Some(mut other) = other {
        assert_eq!(other.terminate(), Some(0));
    }
    make_due(&server.database);
    assert_eq!(server.terminate(), Some(0));
    assert!(!server.log().contains("could not be verified"), "{}", server.log());
}

//! A ledger that was changed by hand: the database refuses it, and where it could not, `kola ledger verify` finds it.

use crate::support::open;

/// The ledger of a payment that somebody has changed by hand is not verified; this is the rule that it breaks.
#[track_caller]
fn not_verified(damage: &str, rule: &str) {
    let (mut server, shop) = open();
    shop.paid_hundred();
    assert_eq!(server.terminate(), Some(0));
    server.verify_ledger();
    server.database.damage(damage);
    let run = server.kola(&["ledger", "verify"]);
    assert_eq!(run.code, Some(1), "{} {}", run.out, run.err);
    let said = run.refused();
    assert!(said.contains(rule), "{said}");
}

#[test]
fn a_balance_that_was_tampered_with_is_not_verified() {
    let raise = "UPDATE wallets SET available_minor = available_minor + 1 WHERE available_minor = 10000";
    not_verified(raise, "wallet balance differs from its entries");
}

#[test]
fn an_entry_that_was_tampered_with_is_not_verified() {
    let raise = "UPDATE entries SET amount_minor = amount_minor + 1 WHERE bucket = 'AVAILABLE' AND amount_minor = 10000";
    not_verified(raise, "transaction does not balance");
}

#[test]
fn an_entry_that_was_removed_is_not_verified() {
    not_verified("DELETE FROM entries WHERE bucket = 'AVAILABLE' AND amount_minor = 10000", "transaction does not balance");
}

#[test]
fn an_event_that_was_removed_is_not_verified() {
    not_verified("DELETE FROM events WHERE type = 'execution.completed'", "transaction without its event");
}

#[test]
fn the_database_itself_keeps_the_ledger_append_only() {
    let (server, shop) = open();
    shop.paid_hundred();
    for change in [
        "UPDATE entries SET amount_minor = amount_minor + 1",
        "DELETE FROM entries",
        "UPDATE events SET note = 'x'",
        "DELETE FROM events",
    ] {
        let refused = server.database.try_sql(change).expect_err(change);
        assert!(refused.contains("append-only"), "{change}: {refused}");
    }
    server.verify_ledger();
}

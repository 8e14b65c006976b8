//! Open executions: when they are checked, by which clock, and what a check changes.

use crate::support::shop::ending;
use crate::support::{
    Merchant, Server, after, assert_fields, instant, json, open, shown, wait_for,
};
use serde_json::Value;

fn intent(shop: &Merchant, execution: &Value) -> Value {
    shop.api.get(&format!("/v1/payment-intents/retrieve/{}", execution["payment_intent_id"])).ok()
}

/// A collection that gets no outcome for a quarter of an hour.
fn slow(shop: &Merchant) -> Value {
    let first = shop.take(shop.momo("COLLECTION", &ending("129")), "USD", "10.00");
    assert_fields(&first, &[("status", "PROCESSING")]);
    first
}

/// Waits until a job has checked the execution again.
fn asked(shop: &Merchant, before: &Value) -> Value {
    wait_for("the next look", || {
        Some(intent(shop, before)).filter(|now| now["next_check_at"] != before["next_check_at"])
    })
}

#[test]
fn a_look_that_learns_nothing_changes_nothing_for_the_merchant() {
    let (_server, shop) = open();
    let card = shop.account(
        shop.party(),
        "COLLECTION",
        "CREDIT_CARD",
        Some("pm_card_authenticationRequired"),
    );
    for execution in [slow(&shop), shop.take(card, "USD", "10.00")] {
        let before = intent(&shop, &execution);
        // The first change is the claim, the next one its result.
        let mut now = asked(&shop, &before);
        now = asked(&shop, &now);
        now["next_check_at"] = before["next_check_at"].clone();
        assert_eq!(now, before);
    }
}

#[test]
fn an_answer_shows_one_clock() {
    let (_server, shop) = open();
    let day = 24 * 3600;
    let advance = || {
        instant(&shop.api.post("/v1/sandbox/clock/advance", &json!({"seconds": day})).ok()["now"])
    };
    let before = advance();
    let execution = slow(&shop);
    let near = |now: &Value, from: jiff::Timestamp| {
        let (check, made) = (instant(&now["next_check_at"]), instant(&now["created_at"]));
        assert!(made >= before && check >= from, "{now}");
        assert!(check.as_second() < from.as_second() + 3600, "{now}");
    };
    near(&intent(&shop, &execution), before);
    // The payment waits no longer than merchant time says.
    let after = advance();
    let now = wait_for("its end", || {
        Some(intent(&shop, &execution)).filter(|now| now["status"] == "COMPLETED")
    });
    assert!(instant(&now["completed_at"]) >= after, "{now}");
}

/// Makes the rows look as if a process had written them whose clock was a year ahead.
fn as_if_a_year_ahead(server: &Server) {
    let year: i64 = 366 * 24 * 3600 * 1_000_000;
    server.database.sql(&format!(
        "UPDATE executions SET created_at = created_at + {year}, updated_at = updated_at + {year} \
         WHERE id IN (SELECT execution_id FROM provider_attempts WHERE next_check_at IS NOT NULL); \
         UPDATE provider_attempts SET next_check_at = next_check_at + {year}, lease_until = lease_until + {year}, \
         sent_at = sent_at + {year}, deadline_at = deadline_at + {year} WHERE next_check_at IS NOT NULL; \
         UPDATE wallets SET sent_day = sent_day + 366 WHERE sent_minor > 0"
    ));
}

#[test]
fn what_was_put_off_by_a_clock_that_was_ahead_is_looked_at() {
    // The callback does not come, because the process is killed before.
    let delayed = [("KOLA_SANDBOX_DELAY_MS", "5000")];
    let (mut server, shop) = crate::support::spawn_with(&delayed);
    server.fund(&shop, "USD", "1000.00");
    let sent = shop.send(shop.momo("PAYOUT", &ending("001")), "USD", "100.00");
    let unanswered = shop.send(shop.momo("PAYOUT", &ending("139")), "USD", "100.00");
    server.kill();
    as_if_a_year_ahead(&server);
    server.restart(&delayed);
    let shop = server.sign_in(&shop.credentials);
    for execution in [sent, unanswered] {
        let reference = shown(&execution, "reference_id");
        wait_for("its end", || {
            (shop.status("payout", &reference)["status"] == "COMPLETED").then_some(())
        });
    }
    shop.assert_balance("USD", "797.00", "0.00");
    server.verify_ledger();
}

/// The clock is set back while the server runs, which looks for postponed executions regularly.
#[test]
fn what_is_put_off_while_a_server_runs_is_looked_at_too() {
    let (server, shop) = open();
    let execution = slow(&shop);
    as_if_a_year_ahead(&server);
    wait_for("the next look", || {
        let now = intent(&shop, &execution);
        // A final execution has no next check.
        let is_soon = |at: &str| at < after(30 * 24 * 3600).as_str();
        now["next_check_at"].as_str().is_none_or(is_soon).then_some(())
    });
}

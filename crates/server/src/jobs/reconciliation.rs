//! Asks networks by itself: every night for the statements of the day before yesterday and of
//! yesterday, every hour for what they keep; and books what was accepted.
//!
//! What is due follows from the rows, so a restart changes nothing, and of several processes the one with
//! the lease of an account asks.

use std::time::Duration;

use anyhow::Context as _;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::time::{ServerTime, minutes, seconds};
use domain::network_accounts::account::{AccountStatus, NetworkAccount};
use domain::reconciliation::run::ClaimReconciliation;
use networks::calls::NetworkCalls;
use store::clock;
use tokio::time::Instant;

use crate::app::App;
use crate::callbacks::public_address::callback_url;
use crate::reconciliation::asking::Asker;
use crate::reconciliation::fetching::{self, Asked};
use crate::reconciliation::ledger::{ServerLedger, submit};
use crate::reconciliation::posting;

/// How often it is looked what is due.
const EVERY: Duration = Duration::from_secs(30);
/// How long a network may take for its statements, and to say what it keeps.
const STATEMENT_WITHIN: Duration = Duration::from_secs(2 * 3_600);
const BALANCE_WITHIN: Duration = Duration::from_secs(60);

const DAY_US: i64 = minutes(24 * 60);
/// When a day's statements are asked for, after midnight in UTC: those of pawaPay lag an hour.
const DUE_AFTER_MIDNIGHT_US: i64 = minutes(2 * 60);
/// How often a network is asked what it keeps.
const BALANCE_EVERY_US: i64 = minutes(60);
/// So long after one that failed a night's statements are asked for again.
const AGAIN_US: i64 = minutes(60);

/// Does what is due, for ever.
pub async fn run(app: App, networks: NetworkCalls) {
    let holder = i64::from_be_bytes(clock::random_number().to_be_bytes());
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = posting::post_all(&ServerLedger(&app)).await {
            tracing::warn!("accepted statements could not be booked: {error:#}");
        }
        let accounts = match app.queries.for_system().tariff().await {
            Ok(tariff) => tariff.real_accounts().cloned().collect::<Vec<_>>(),
            Err(error) => {
                tracing::warn!(%error, "the network accounts could not be read");
                continue;
            }
        };
        let open = accounts.iter().filter(|account| account.status != AccountStatus::Closed);
        for account in open.filter(|account| account.base_url.is_some()) {
            if let Err(error) = balances(&app, &networks, account).await {
                let account = &account.name;
                tracing::warn!(account, "what the network keeps is not known: {error:#}");
            }
            if app.config.reconcile_nightly
                && let Err(error) = nightly(&app, &networks, account, holder).await
            {
                let account = &account.name;
                tracing::error!(account, "the night's statement was not compared: {error:#}");
            }
        }
    }
}

/// The beginning of today, and since when the statements of the two days before are due.
const fn due(now: ServerTime) -> (ServerTime, ServerTime) {
    let midnight = now.0 - now.0.rem_euclid(DAY_US);
    let due = midnight + DUE_AFTER_MIDNIGHT_US;
    if due <= now.0 {
        (ServerTime(midnight), ServerTime(due))
    } else {
        (ServerTime(midnight - DAY_US), ServerTime(due - DAY_US))
    }
}

async fn nightly(
    app: &App,
    networks: &NetworkCalls,
    account: &NetworkAccount,
    holder: i64,
) -> anyhow::Result<()> {
    let now = clock::now();
    let (today, due) = due(now);
    // A new account has no yesterday.
    if due.since(account.created_at) < DAY_US {
        return Ok(());
    }
    let known = app.queries.for_system().reconciliation(account.id).await?;
    let begun = known.as_ref().and_then(|known| known.nightly_at);
    let completed = known.and_then(|known| known.completed_at);
    let not_since = match (begun, completed) {
        (Some(begun), Some(completed)) if begun >= due && completed >= begun => return Ok(()),
        // It was begun and did not come to its end.
        (Some(begun), _) if begun >= due => {
            if now.since(begun) < AGAIN_US {
                return Ok(());
            }
            begun.plus(seconds(1))
        }
        _ => due,
    };
    let ledger = ServerLedger(app);
    let claim = ClaimReconciliation { account_id: account.id, holder, not_since: Some(not_since) };
    if !submit(&ledger, claim).await? {
        return Ok(());
    }
    let called = networks.accounts.get(account.id).context("its secrets are not known")?;
    let asker = Asker { networks, called: &called, until: Instant::now() + STATEMENT_WITHIN };
    let callback_url = callback_url(account, &app.config.public_url).unwrap_or_default();
    let asked = Asked {
        from: today.plus(-2 * DAY_US),
        to: today,
        callback_url: &callback_url,
        mapping: &app.config.statement_columns,
        compares_fees: app.config.reconcile_fees,
    };
    let statement = fetching::fetch(&ledger, Some(holder), &asker, &asked).await?;
    let counts = statement.counts;
    tracing::info!(
        account = account.name,
        statement = statement.id.0,
        lines = counts.lines,
        new = counts.new,
        differences = counts.differences,
        "the night's statement was compared"
    );
    Ok(())
}

async fn balances(
    app: &App,
    networks: &NetworkCalls,
    account: &NetworkAccount,
) -> anyhow::Result<()> {
    let read_at = last_read(app, account.id).await?.max(Some(account.created_at));
    let now = clock::now();
    if read_at.is_some_and(|read_at| now.since(read_at) < BALANCE_EVERY_US) {
        return Ok(());
    }
    let called = networks.accounts.get(account.id).context("its secrets are not known")?;
    let until = Instant::now() + BALANCE_WITHIN;
    let asker = Asker { networks, called: &called, until };
    fetching::read_balances(&ServerLedger(app), &asker).await?;
    Ok(())
}

/// When an account was last asked what it has.
async fn last_read(app: &App, account: NetworkAccountId) -> anyhow::Result<Option<ServerTime>> {
    let balances = app.queries.for_system().network_balances().await?;
    let of_account = balances.iter().filter(|balance| balance.network_account_id == account);
    Ok(of_account.map(|balance| balance.read_at).max())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_days_statements_are_due_two_hours_after_its_end() {
        let hours = |hours: i64| ServerTime(minutes(hours * 60));
        for (now, today, since) in [(48, 24, 26), (49, 24, 26), (50, 48, 50), (71, 48, 50)] {
            assert_eq!(due(hours(now)), (hours(today), hours(since)), "{now}");
        }
    }
}

//! `/app/reconciliation`: what networks say beside what the ledger says, for who runs the installation.
//! The operator accepts statements and closes differences; an auditor looks on.

mod booking;
mod difference;
mod differences;
mod export;
mod overview;
mod statement;
mod words;

use std::time::Duration;

use domain::kernel::ids::{DifferenceId, NetworkAccountId, StatementId};
use domain::network_accounts::account::NetworkAccount;

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::reconciliation::ledger::ServerLedger;
use crate::reconciliation::posting;

const PATH: &str = "/app/reconciliation";
const DIFFERENCES: &str = "/app/reconciliation/differences";

/// How many rows stand on a page.
const PAGE: u32 = 50;

/// How long a form waits for what it has had booked. What is left is booked without it.
const BOOKED_WITHIN: Duration = Duration::from_secs(3);

fn path_of(statement: StatementId) -> String {
    format!("{PATH}/{statement}")
}

fn path_of_difference(difference: DifferenceId) -> String {
    format!("{DIFFERENCES}/{difference}")
}

/// The accounts at networks, to name them.
struct Accounts(Vec<NetworkAccount>);

impl Accounts {
    async fn of(app: &App) -> Result<Self, ApiError> {
        let tariff = app.queries.for_system().tariff().await?;
        Ok(Self(tariff.network_accounts.clone()))
    }

    fn name(&self, id: NetworkAccountId) -> String {
        let known = self.0.iter().find(|account| account.id == id);
        known.map_or_else(|| format!("account {id}"), |account| account.name.clone())
    }
}

/// Books what can be booked of a statement, if it was accepted. A long one is still being booked when
/// this returns; whatever ends that, the job that books accepted statements goes on.
async fn post(app: &App, statement: StatementId) {
    let app = app.clone();
    let task = tokio::spawn(async move {
        if let Err(error) = posting::post(&ServerLedger(&app), statement).await {
            tracing::warn!(%statement, error = format!("{error:#}"), "a statement is booked later");
        }
    });
    // Whoever waits too long sees how far it is.
    let _ = tokio::time::timeout(BOOKED_WITHIN, task).await;
}

#[must_use]
pub fn routes() -> Routes {
    overview::routes()
        .and(statement::routes())
        .and(differences::routes())
        .and(difference::routes())
        .and(export::routes())
}

//! `/app/installation`: the last verification and backup, whether payouts are stopped, and the head of
//! the chain over what is committed, for who runs the installation.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::time::ServerTime;
use domain::ledger::installation_check::{
    CheckKind, CheckOutcome, InstallationCheck, RequestCheck,
};

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, INSTALLATION, Moment};
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/installation.html")]
struct InstallationTemplate<'a> {
    app: &'a AppFrame,
    version: &'static str,
    /// How many batches are chained; the head's position.
    position: i64,
    head: String,
    /// Whether links are made with a key.
    has_key: bool,
    /// Whether rows from before the chain are not in it yet.
    has_older: bool,
    verification: Verification,
    /// When the last good backup on record was complete.
    backup: Option<Moment>,
    stop: Option<Stop>,
    may_change: bool,
}

/// The last verification, in words.
struct Verification {
    ended: Option<Moment>,
    verdict: &'static str,
    detail: Option<String>,
    /// When the last one ended that found nothing, if that was an earlier one.
    good: Option<Moment>,
    /// Whether one is under way or has been asked for.
    is_coming: bool,
}

/// That payouts and refunds are stopped.
struct Stop {
    since: Moment,
    reason: String,
}

impl Verification {
    fn new(row: InstallationCheck, now: ServerTime) -> Self {
        let is_good = row.outcome == Some(CheckOutcome::Good);
        Self {
            ended: row.ended_at.map(Moment),
            verdict: match row.outcome {
                Some(CheckOutcome::Good) => "The books are right.",
                Some(CheckOutcome::Bad) => "The books are broken.",
                Some(CheckOutcome::Failed) => "It did not come to its end.",
                None => "The books were never verified.",
            },
            good: row.good_at.filter(|_| !is_good).map(Moment),
            is_coming: row.requested_at.is_some() || row.is_running(now),
            detail: row.detail,
        }
    }
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
) -> Result<Response, ApiError> {
    if let Err(failure) = me.in_installation(Action::ReadInstallation) {
        return me.not_permitted(failure, visitor, INSTALLATION);
    }
    let reads = app.queries.for_system();
    let chain = reads.batch_chain().await?;
    let verification = reads.installation_check(CheckKind::Verify).await?;
    let backup = reads.installation_check(CheckKind::Backup).await?;
    let tariff = reads.tariff().await?;
    let stop = tariff.payouts_stop.clone();
    let frame = me.frame(visitor, "Installation");
    let template = InstallationTemplate {
        app: &frame,
        version: env!("CARGO_PKG_VERSION"),
        position: chain.position,
        head: chain.link.to_string(),
        has_key: chain.link_key_id.is_some(),
        has_older: chain.older_next_id < chain.older_end_id,
        verification: Verification::new(verification, me.now),
        backup: backup.good_at.map(Moment),
        stop: stop.map(|stop| Stop { since: Moment(stop.since), reason: stop.reason }),
        may_change: me.user.role.is_some_and(|role| role.may(Action::ManageInstallation)),
    };
    frame::render(StatusCode::OK, &frame, &template)
}

/// Asks for a verification: a process makes it as soon as it can.
async fn verify(Posted { app, visitor, me, .. }: Posted<0>) -> Result<Response, ApiError> {
    match me.submit(&app, None, RequestCheck { kind: CheckKind::Verify }).await {
        Ok(_) => Ok(frame::lead_to(INSTALLATION)),
        Err(failure) => me.not_permitted(failure, visitor, INSTALLATION),
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/installation", show).form("/app/installation/verify", verify)
}

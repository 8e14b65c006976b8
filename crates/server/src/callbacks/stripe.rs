//! Stripe's events, signed with a secret of the endpoint.

use axum::extract::{Request, State};
use domain::directory::principal::Principal;
use domain::exceptions::dispute::{self, DisputeStanding, OtherDisputeOpen, RecordDispute};
use domain::kernel::names::Provider;
use domain::kernel::time::ServerTime;
use domain::network_accounts::exchange::Said;
use domain::network_accounts::unmatched_callback::KeepUnmatchedCallback;
use networks::accounts::CalledAccount;
use networks::reading::Reading;
use networks::stripe::event::{
    self, Dispute, DisputeChange, DisputeStatus, Event, EventFault, News,
};
use networks::stripe::redaction::redact_event;
use networks::stripe::signature;

use super::{Refused, account_of, ask, body_of, on_record, payment_of, record, unmatched};
use crate::api::extract::PathSegments;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::ClientAddress;
use store::clock;

pub fn routes() -> Routes {
    Routes::new().callback("/callbacks/stripe/{account}/{token}", receive)
}

async fn receive(
    State(app): State<App>,
    PathSegments([id, token]): PathSegments<2>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<&'static str, Refused> {
    let begun_at = clock::now();
    let called = account_of(&app, Provider::Stripe, &id, &token)?;
    let account = called.account.name.as_str();
    let (parts, body) = request.into_parts();
    let header = parts.headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let header = header.unwrap_or_default().to_owned();
    let body = body_of(body).await?;
    let secrets = called.account.credentials.webhook_secrets.iter().map(String::as_str);
    let seconds = begun_at.whole_seconds();
    signature::verify(&header, &body, secrets, seconds).map_err(|fault| {
        called.counters.callbacks_not_signed.add();
        tracing::warn!(account, ?fault, "an event of Stripe was refused");
        Refused::NotSigned(format!("the signature does not hold: {fault:?}"))
    })?;
    let event = event::read(&body).map_err(|fault| {
        called.counters.callbacks_unreadable.add();
        match fault {
            EventFault::Thin => {
                tracing::error!(account, "Stripe sends thin events: set the endpoint to snapshots");
                Refused::Unreadable("a thin event: set the endpoint to snapshots".to_owned())
            }
            EventFault::Unreadable(why) => Refused::Unreadable(why),
        }
    })?;
    if event.livemode != called.account.is_live {
        tracing::error!(account, event = event.id, "an event of the other mode was ignored");
        return Ok("");
    }
    if let News::Dispute(dispute) = &event.news {
        let path = format!("/callbacks/stripe/{id}");
        let said = on_record(&called, &path, &body, redact_event(&body), begun_at);
        record_dispute(&app, &called, &event, dispute, said).await?;
        return Ok("");
    }
    let Some(request_id) = event.request_id else {
        tracing::info!(
            account,
            event = event.id,
            kind = event.kind,
            "an event is about nothing of ours"
        );
        return Ok("");
    };
    if event.news == News::Ignored {
        return Ok("");
    }
    let Some(payment) = payment_of(&app, &called, request_id, begun_at).await? else {
        let callback = KeepUnmatchedCallback {
            network_account_id: called.account.id,
            is_signed: true,
            request_id: request_id.to_string(),
            body: redact_event(&body),
        };
        unmatched::keep(&app, &called, address, callback).await?;
        return Ok("");
    };
    match event.news {
        News::Says(Reading::Word(word)) => {
            let path = format!("/callbacks/stripe/{id}");
            let said = on_record(&called, &path, &body, redact_event(&body), begun_at);
            record(&app, &called, payment, word, said).await?;
        }
        News::Says(_) | News::Ask => ask(&app, &called, payment).await?,
        News::Dispute(_) | News::Ignored => {}
    }
    Ok("")
}

/// A payment that is not known this long after the event was made, in seconds, is none of ours. Before
/// that it may not be booked yet, and Stripe sends the event again.
const BOOKED_WITHIN_SECONDS: i64 = 600;

async fn record_dispute(
    app: &App,
    called: &CalledAccount,
    event: &Event,
    dispute: &Dispute,
    said: Said,
) -> Result<(), Refused> {
    let account = called.account.name.as_str();
    tracing::error!(
        account,
        dispute = dispute.id,
        change = ?dispute.change,
        reason = dispute.reason,
        link = dispute.link,
        "a payer's bank disputes a payment"
    );
    let payment_id = event.payment_id.as_deref().unwrap_or_default();
    let reads = app.queries.for_system();
    let found = reads.card_payment(called.account.id, payment_id).await.map_err(|error| {
        tracing::warn!(%error, "a disputed payment could not be looked up");
        Refused::NotRecorded
    })?;
    let Some((merchant, execution_id)) = found else {
        let age = clock::now().whole_seconds() - event.created;
        tracing::warn!(account, dispute = dispute.id, "the disputed payment is not known");
        let may_be_booked_yet = age < BOOKED_WITHIN_SECONDS;
        return if may_be_booked_yet { Err(Refused::NotRecorded) } else { Ok(()) };
    };
    let command = RecordDispute {
        execution_id,
        dispute: told(dispute, event.created),
        exchanges: vec![said],
    };
    match app.engine.submit_for(merchant, Principal::Network, command).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(OtherDisputeOpen)) => {
            let execution = execution_id.0;
            tracing::error!(
                account,
                execution,
                dispute = dispute.id,
                "another dispute of the payment is open: resolve its review first"
            );
            Err(Refused::NotRecorded)
        }
        Err(failure) => {
            tracing::warn!(%failure, execution = execution_id.0, "a dispute could not be stored");
            Err(Refused::NotRecorded)
        }
    }
}

/// A dispute of Stripe's in the terms of a decision.
fn told(found: &Dispute, said_at: i64) -> dispute::Dispute {
    let size = match &found.amount {
        Ok(amount) => format!("{amount} {}", amount.currency),
        Err(unreadable) => format!("an amount that cannot be read ({})", unreadable.0),
    };
    let at = |seconds: i64| ServerTime(seconds.saturating_mul(1_000_000));
    let due = found.due_at.map(at);
    let standing = match (found.status, due) {
        (DisputeStatus::NeedsResponse, Some(due)) => format!("answer by {due:.0}"),
        (DisputeStatus::NeedsResponse, None) => "answer it".to_owned(),
        (DisputeStatus::UnderReview, _) => "the bank looks at the answer".to_owned(),
        (DisputeStatus::Closed, _) => "closed".to_owned(),
        (DisputeStatus::Won, _) => "won".to_owned(),
        (DisputeStatus::Lost, _) => "lost".to_owned(),
        (DisputeStatus::Prevented, _) => "prevented".to_owned(),
        (DisputeStatus::Unknown, _) => "in a state that is not known here".to_owned(),
    };
    // Stripe names the day also when it is over. Of a state that is not known it may not be.
    let takes_answer =
        matches!(found.status, DisputeStatus::NeedsResponse | DisputeStatus::Unknown);
    let kind = if found.is_inquiry { "an inquiry about" } else { "a dispute of" };
    dispute::Dispute {
        id: found.id.clone(),
        change: match found.change {
            DisputeChange::Created => dispute::DisputeChange::Created,
            DisputeChange::Updated | DisputeChange::Closed => dispute::DisputeChange::Updated,
            DisputeChange::FundsWithdrawn => dispute::DisputeChange::Withdrawn,
            DisputeChange::FundsReinstated => dispute::DisputeChange::Reinstated,
        },
        standing: match found.status {
            DisputeStatus::Closed | DisputeStatus::Won | DisputeStatus::Prevented => {
                DisputeStanding::Over
            }
            DisputeStatus::Lost => DisputeStanding::Lost,
            DisputeStatus::NeedsResponse | DisputeStatus::UnderReview | DisputeStatus::Unknown => {
                DisputeStanding::UnderWay
            }
        },
        told_at: at(said_at),
        status: Some(found.status_word.clone()),
        cause: found.reason_word.clone(),
        due_at: due.filter(|_| takes_answer),
        link: Some(found.link.clone()),
        amount: found.amount.clone().ok(),
        reason: format!("{kind} {size}: {}; {standing}: {}", found.reason, found.link),
    }
}

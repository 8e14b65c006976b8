//! Stripe's events, signed with a secret of the endpoint.

use axum::extract::{Path, Request, State};
use domain::kernel::names::Provider;
use networks::reading::Reading;
use networks::stripe::event::{self, EventFault, News};
use networks::stripe::redaction::redact_event;
use networks::stripe::signature;

use super::{Refused, account_of, ask, body_of, on_record, payment_of, record};
use crate::api::routes::Routes;
use crate::app::App;
use store::clock;

pub fn routes() -> Routes {
    Routes::new().callback("/callbacks/stripe/{account}/{token}", receive)
}

async fn receive(
    State(app): State<App>,
    Path((id, token)): Path<(String, String)>,
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
    let seconds = begun_at.0.div_euclid(1_000_000);
    signature::verify(&header, &body, secrets, seconds).map_err(|fault| {
        tracing::warn!(account, ?fault, "an event of Stripe was refused");
        Refused::NotSigned(format!("the signature does not hold: {fault:?}"))
    })?;
    let event = event::read(&body).map_err(|fault| match fault {
        EventFault::Thin => {
            tracing::error!(account, "Stripe sends thin events: set the endpoint to snapshots");
            Refused::Unreadable("a thin event: set the endpoint to snapshots".to_owned())
        }
        EventFault::Unreadable(why) => Refused::Unreadable(why),
    })?;
    if event.livemode != called.account.is_live {
        tracing::error!(account, event = event.id, "an event of the other mode was ignored");
        return Ok("");
    }
    if let News::Dispute(dispute) = &event.news {
        tracing::error!(
            account,
            dispute = dispute.id,
            change = ?dispute.change,
            reason = dispute.reason,
            link = dispute.link,
            "a payer's bank disputes a payment"
        );
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
    let Some(payment) = payment_of(&app, &called, request_id).await? else { return Ok("") };
    match event.news {
        News::Says(Reading::Word(word)) => {
            let path = format!("/callbacks/stripe/{id}");
            let said = on_record(&called, &path, &body, redact_event(&body), begun_at);
            record(&app, &called, payment, word, said).await?;
        }
        News::Says(_) | News::Ask => ask(&app, payment).await?,
        News::Dispute(_) | News::Ignored => {}
    }
    Ok("")
}

//! pawaPay's callbacks: signed with a key that pawaPay publishes, or, where the account is set so,
//! not signed at all.

use axum::extract::{Request, State};
use domain::kernel::names::Provider;
use domain::kernel::time::seconds;
use domain::network_accounts::unmatched_callback::KeepUnmatchedCallback;
use networks::accounts::CalledAccount;
use networks::pawapay::callback::{is_of_statement, read_callback};
use networks::pawapay::redaction::redact_callback;
use networks::pawapay::requests;
use networks::pawapay::signature::{self, SignatureFault, SignedMessage};

use super::{
    Refused, account_of, ask, body_of, headers_of, on_record, payment_of, public_address, record,
    unmatched,
};
use crate::api::extract::PathSegments;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::ClientAddress;
use store::clock;

/// The keys of callbacks are fetched at most this often, in microseconds: whoever sends callbacks with
/// unknown keys must not make this server ask all the time.
const KEYS_AGAIN_US: i64 = seconds(5);

pub fn routes() -> Routes {
    Routes::new().callback("/callbacks/pawapay/{account}/{token}", receive)
}

async fn receive(
    State(app): State<App>,
    PathSegments([id, token]): PathSegments<2>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<&'static str, Refused> {
    let begun_at = clock::now();
    let called = account_of(&app, Provider::PawaPay, &id, &token)?;
    let (parts, body) = request.into_parts();
    let body = body_of(body).await?;
    let path = format!("/callbacks/pawapay/{id}/{token}");
    let headers = headers_of(&parts.headers);
    let is_signed = headers.iter().any(|(name, _)| name == "signature");
    // An account whose callbacks are signed believes no other; a signature that is there must hold.
    let is_trusted = called.account.signed_callbacks || is_signed;
    if is_trusted {
        let authority = public_address::authority(&app.config.public_url);
        let message = SignedMessage {
            method: "POST",
            authority: &authority,
            path: &path,
            headers: &headers,
            body: &body,
        };
        verify(&app, &called, &message).await?;
    }
    if !is_trusted && !app.unmatched_callbacks.take(address) {
        called.counters.callbacks_only_counted.add();
        return Ok("");
    }
    if is_of_statement(&body) {
        // Whoever wants the statement asks for its status.
        return Ok("");
    }
    let callback = read_callback(&body).map_err(|why| {
        called.counters.callbacks_unreadable.add();
        Refused::Unreadable(why)
    })?;
    let Some(payment) = payment_of(&app, &called, callback.request_id, begun_at).await? else {
        // Answered like any other: the network must not send it again, and whoever guesses learns
        // nothing.
        let callback = KeepUnmatchedCallback {
            network_account_id: called.account.id,
            is_signed: is_trusted,
            request_id: callback.request_id.to_string(),
            body: redact_callback(&body),
        };
        unmatched::keep(&app, &called, address, callback).await?;
        return Ok("");
    };
    if is_trusted {
        // The token of the path stays out of the record.
        let shown = format!("/callbacks/pawapay/{id}");
        let said = on_record(&called, &shown, &body, redact_callback(&body), begun_at);
        record(&app, &called, payment, callback.word, said).await?;
    } else {
        ask(&app, &called, payment).await?;
    }
    Ok("")
}

/// Checks the signature with the keys that are known, and once more with those that pawaPay publishes
/// now, in case they were changed.
async fn verify(
    app: &App,
    called: &CalledAccount,
    message: &SignedMessage<'_>,
) -> Result<(), Refused> {
    let check = || signature::verify(message, &called.callback_keys(), clock::now());
    let mut result = check();
    if matches!(result, Err(SignatureFault::UnknownKey(_))) {
        let mut fetched_at = called.keys_fetched_at().lock().await;
        // Another callback may have fetched them while this one waited.
        result = check();
        let now = clock::now();
        let is_recent = fetched_at.is_some_and(|at| now.since(at) < KEYS_AGAIN_US);
        if matches!(result, Err(SignatureFault::UnknownKey(_))) && !is_recent {
            *fetched_at = Some(now);
            fetch_keys(app, called).await;
            result = check();
        }
    }
    result.map_err(|fault| {
        let account = &called.account.name;
        called.counters.callbacks_not_signed.add();
        tracing::warn!(account, %fault, "a callback of pawaPay was refused");
        Refused::NotSigned(fault.to_string())
    })
}

async fn fetch_keys(app: &App, called: &CalledAccount) {
    let answer = app.dispatcher.networks().ask(called, requests::public_keys()).await;
    match answer.and_then(|response| signature::read_public_keys(&response.body)) {
        Ok(keys) => called.set_callback_keys(keys),
        Err(reason) => {
            let account = &called.account.name;
            tracing::warn!(account, reason, "pawaPay's public keys could not be fetched");
        }
    }
}

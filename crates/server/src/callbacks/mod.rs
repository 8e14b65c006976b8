//! What networks send by themselves: callbacks and events. Each is answered only when what it changes
//! is on disk, and changes something only if its signature holds. What is not signed is a hint, after
//! which the network is asked.

mod pawapay;
pub mod public_address;
mod stripe;
pub mod unmatched;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::directory::principal::Principal;
use domain::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId};
use domain::kernel::names::Provider;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::Uuid;
use domain::network_accounts::exchange::Said;
use domain::payments::check_now::CheckNow;
use domain::payments::outcome::OutcomeSource;
use domain::payments::record_outcome::{RecordOutcome, RecordedOutcome};
use networks::accounts::CalledAccount;
use networks::calls;
use networks::reading::Word;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::api::routes::Routes;
use crate::app::App;
use crate::jobs::settlement;
use crate::request_id;
use crate::telemetry::traces::{Kind, OpenSpan};
use store::clock;

/// A callback has at most so many bytes.
const BODY_MAX_BYTES: usize = 256 * 1_024;

pub fn routes() -> Routes {
    pawapay::routes().and(stripe::routes())
}

/// Why a callback is not taken.
#[derive(Debug)]
enum Refused {
    /// 404: no such account, or not its token.
    NoSuchAccount,
    /// 413.
    TooLarge,
    /// 401: the signature does not hold.
    NotSigned(String),
    /// 400: it cannot be read.
    Unreadable(String),
    /// 503: it could not be recorded. The network sends it again.
    NotRecorded,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::NoSuchAccount => (StatusCode::NOT_FOUND, "Not found".to_owned()),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("more than {BODY_MAX_BYTES} bytes"))
            }
            Self::NotSigned(why) => (StatusCode::UNAUTHORIZED, why),
            Self::Unreadable(why) => (StatusCode::BAD_REQUEST, why),
            Self::NotRecorded => {
                (StatusCode::SERVICE_UNAVAILABLE, "not recorded: send it again".to_owned())
            }
        };
        (status, axum::Json(json!({ "detail": detail }))).into_response()
    }
}

/// The account that a callback's path names, if the path ends in its token.
fn account_of(
    app: &App,
    network: Provider,
    id: &str,
    token: &str,
) -> Result<Arc<CalledAccount>, Refused> {
    let id = id.parse().map_err(|_| Refused::NoSuchAccount)?;
    let called = app.dispatcher.networks().accounts.get(NetworkAccountId(id));
    let called = called.filter(|called| {
        let expected = called.account.callback_token.as_bytes();
        called.account.network == network && bool::from(expected.ct_eq(token.as_bytes()))
    });
    called.ok_or(Refused::NoSuchAccount)
}

async fn body_of(body: Body) -> Result<Vec<u8>, Refused> {
    let bytes = to_bytes(body, BODY_MAX_BYTES).await.map_err(|_| Refused::TooLarge)?;
    Ok(bytes.to_vec())
}

/// Headers with lower-case names, as the adapters take them.
fn headers_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let text =
        |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// The payment of a callback, and the step of its trace that the callback is, if it is traced.
#[derive(Clone, Copy)]
struct OwnPayment {
    merchant_id: MerchantId,
    execution_id: ExecutionId,
    span: Option<OpenSpan>,
}

/// Finds the payment of a callback, if it is known.
async fn payment_of(
    app: &App,
    called: &CalledAccount,
    request_id: Uuid,
    begun_at: ServerTime,
) -> Result<Option<OwnPayment>, Refused> {
    let found = app.queries.for_system().payment_of_request(called.account.id, request_id).await;
    let found = found.map_err(|error| {
        tracing::warn!(%error, "a callback's payment could not be looked up");
        Refused::NotRecorded
    })?;
    Ok(found.map(|(merchant_id, execution_id, trace)| {
        let span = app.engine.traces().open(trace).map(|span| span.since(begun_at));
        OwnPayment { merchant_id, execution_id, span }
    }))
}

/// Ends the step of the trace that a callback is.
fn end_span<T>(app: &App, called: &CalledAccount, payment: OwnPayment, done: &Result<T, Refused>) {
    if let Some(span) = payment.span {
        let attributes = vec![("kola.network", called.account.network.as_str().into())];
        app.engine.traces().close(span, Kind::Server, "callback", done.is_err(), attributes);
    }
}

/// Records what a signed callback says of a payment.
async fn record(
    app: &App,
    called: &CalledAccount,
    payment: OwnPayment,
    word: Word,
    said: Said,
) -> Result<(), Refused> {
    let recorded = record_word(app, called, payment, word, said).await;
    end_span(app, called, payment, &recorded);
    if let Some(call) = recorded?.call {
        app.dispatcher.spawn(call);
    }
    called.counters.callbacks_recorded.add();
    Ok(())
}

async fn record_word(
    app: &App,
    called: &CalledAccount,
    OwnPayment { merchant_id, execution_id, span }: OwnPayment,
    word: Word,
    said: Said,
) -> Result<RecordedOutcome, Refused> {
    let (outcome, mut heard, alarm) = calls::of_word(word);
    if let Some(alarm) = alarm {
        called.counters.words_unknown.add();
        let account = &called.account.name;
        tracing::error!(account, execution = execution_id.0, alarm, "a callback needs a look");
    }
    heard.exchanges.push(said);
    let source = OutcomeSource::Callback;
    let command = RecordOutcome { execution_id, source, outcome, heard };
    let trace = span.map(|span| span.context);
    let recorded = settlement::record(&app.engine, merchant_id, trace, command).await;
    recorded.map_err(|failure| {
        tracing::warn!(%failure, execution = execution_id.0, "a callback could not be stored");
        Refused::NotRecorded
    })
}

/// Asks the network about a payment, since something hints at news. Not awaited: a callback never
/// waits for the network.
async fn ask(app: &App, called: &CalledAccount, payment: OwnPayment) -> Result<(), Refused> {
    let OwnPayment { merchant_id, execution_id, span } = payment;
    let command = CheckNow { merchant_id, execution_id, even_if_final: true };
    let submitted = app.engine.submit_for(merchant_id, Principal::Network, command);
    let call = request_id::continuing(span.map(|span| span.context), submitted).await;
    let call = call.map_err(|failure| {
        tracing::warn!(%failure, execution = execution_id.0, "a hint could not be followed");
        Refused::NotRecorded
    });
    end_span(app, called, payment, &call);
    if let Some(call) = call? {
        app.dispatcher.spawn(call);
    }
    called.counters.callbacks_hinted.add();
    Ok(())
}

/// A callback for the record of exchanges.
fn on_record(
    called: &CalledAccount,
    path: &str,
    body: &[u8],
    redacted: String,
    begun_at: ServerTime,
) -> Said {
    Said {
        network_account_id: called.account.id,
        is_callback: true,
        begun_at,
        duration_us: clock::now().since(begun_at),
        request: format!("POST {path}\n\n{redacted}"),
        status: Some(200),
        answer: String::new(),
        digest: calls::digest(&[path.as_bytes(), body]),
    }
}

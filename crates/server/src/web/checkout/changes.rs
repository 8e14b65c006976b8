//! Tells a page that waits for a payment when to ask again: `/pay/{token}/changes`, for the script of
//! the page. Without it the page asks now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use store::reads::watched::WatchedPayment;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::net::server_sent_events::{HEARTBEAT, response};
use crate::sockets::Place;
use crate::sockets::watches::{Subscriber, Watch, Watched};

/// After so long the browser has to come back. It is told then if there is nothing to wait for.
const OPEN_MAX: Duration = Duration::from_secs(600);

async fn changes(
    State(app): State<App>,
    _: CountPageRequest,
    Path(token): Path<String>,
) -> Result<Response, ApiError> {
    let page = app.queries.for_page(&token).await?.ok_or(ApiError::NotFound)?;
    // A browser that is answered this does not come back.
    let nothing = || Ok(StatusCode::NO_CONTENT.into_response());
    let Some(payment) = page.last.filter(|last| !last.status.is_final()) else { return nothing() };
    let watched = WatchedPayment {
        merchant_id: payment.merchant_id,
        session_id: payment.session_id,
        reference_id: payment.reference_id,
    };
    let Some(place) = app.sockets.take_place_for_page() else { return nothing() };
    let reads = app.queries.for_payment(watched);
    let position = reads.last_event_position().await?;
    let changed = Arc::new(Notify::new());
    let subscriber = Subscriber::Page(Arc::clone(&changed));
    let watched = Watched { payment: watched, source_type: None };
    let Ok(watch) = app.sockets.watches.watch(watched, position, subscriber) else {
        return nothing();
    };
    // What happened before it was watched.
    let now = reads.execution().await?;
    if now.is_none_or(|now| now.execution.event_count != payment.event_count) {
        changed.notify_one();
    }
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(app, changed, sender, (watch, place)));
    Ok(response(receiver))
}

/// Tells of changes until the browser goes, the server stops, or it has been long enough.
async fn tell(app: App, changed: Arc<Notify>, sender: mpsc::Sender<Bytes>, _held: (Watch, Place)) {
    let mut stopping = app.stopping.subscribe();
    let begun = Instant::now();
    let mut next = ": connected\n\n";
    while begun.elapsed() < OPEN_MAX
        && sender.send(Bytes::from_static(next.as_bytes())).await.is_ok()
    {
        next = tokio::select! {
            () = changed.notified() => "data: changed\n\n",
            () = sleep(HEARTBEAT) => ": heartbeat\n\n",
            () = sender.closed() => return,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().live("/pay/{token}/changes", changes)
}

//! Websockets for clients of Supabase Realtime, which watch payments. The protocol itself is in the
//! crate `realtime`; here are the connections, who may join what, and how changes are found.

pub mod changes;
mod connection;
mod public_status;
pub mod watches;

use std::sync::Arc;

use axum::Json;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::http::header::UPGRADE;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::kernel::ids::SigningKeyId;
use realtime::frames::{MAX_FRAME, Vsn};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::realtime as keys;
use crate::net::limits;
use crate::sockets::connection::Connection;
use crate::sockets::watches::Watches;
use store::clock;

/// Most frames of clients have some hundred bytes.
const READ_BUFFER: usize = 2 * 1024;
/// A frame that is a little too large is read and refused by name; the library refuses others by
/// their heads.
const READ_MAX: usize = MAX_FRAME + 1024;
/// What may wait to be written before a socket is given up.
const WRITE_MAX: usize = 256 * 1024;

/// The open sockets and what they watch.
pub struct Sockets {
    max: usize,
    places: Arc<Semaphore>,
    pub watches: Arc<Watches>,
}

/// The place of a socket.
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Sockets {
    /// At most `max` sockets. One merchant's payments take at most half of the places.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let watches = Watches::new(max.div_ceil(2));
        Self { max, places: Arc::new(Semaphore::new(max)), watches: Arc::new(watches) }
    }

    fn take_place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _permit: permit })
    }

    /// A place for a page that waits. Those are had by pages only while half of all are free: pages
    /// can do without.
    #[must_use]
    pub fn take_place_for_page(&self) -> Option<Place> {
        if self.is_crowded() { None } else { self.take_place() }
    }

    /// How many places are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.max.saturating_sub(self.places.available_permits())
    }

    /// Whether more than half of the places are taken. Sockets that watch nothing make room then.
    fn is_crowded(&self) -> bool {
        self.places.available_permits().saturating_mul(2) < self.max
    }

    /// Waits until all sockets are closed.
    pub async fn closed(&self) {
        let all = u32::try_from(self.max).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _all = self.places.acquire_many(all).await;
    }
}

/// Why there is no socket. Nobody but a programmer sees it: a browser only says that the connection
/// failed.
enum Refused {
    Key,
    Version,
    Full,
    NoUpgrade,
    Unavailable(ApiError),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Key => (StatusCode::UNAUTHORIZED, "apikey is missing, or is not in use"),
            Self::Version => (StatusCode::BAD_REQUEST, "vsn is none of 1.0.0, 2.0.0"),
            Self::Full => (StatusCode::TOO_MANY_REQUESTS, "too many sockets"),
            Self::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "this is for websockets"),
            Self::Unavailable(error) => return error.into_response(),
        };
        let mut response = (status, Json(json!({ "error": error }))).into_response();
        if status == StatusCode::UPGRADE_REQUIRED {
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        response
    }
}

/// What a client shows at the handshake.
struct Handshake {
    apikey: String,
    vsn: Vsn,
}

impl Handshake {
    /// Browsers can send no headers with it, so all of it is in the query.
    fn read(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Refused> {
        let (mut apikey, mut vsn) = (None, None);
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "apikey" => apikey = Some(value.into_owned()),
                "vsn" => vsn = Some(value.into_owned()),
                _ => {}
            }
        }
        let header = || Some(headers.get("apikey")?.to_str().ok()?.to_owned());
        let apikey = apikey.or_else(header).ok_or(Refused::Key)?;
        let vsn = Vsn::read(vsn.as_deref()).map_err(|_| Refused::Version)?;
        Ok(Self { apikey, vsn })
    }
}

/// The key that signed the `apikey`.
async fn check(app: &App, apikey: &str, extensions: &Extensions) -> Result<SigningKeyId, Refused> {
    let reads = app.queries.for_system();
    let found = keys::read_anon_key(&app.tokens, apikey, clock::now(), reads).await;
    match found.map_err(|error| Refused::Unavailable(error.into()))? {
        Some(signing_key) => Ok(signing_key),
        None => {
            // Guesses are slowed down.
            if let Some(limits) = &app.limits {
                limits::count_bad_token(limits, extensions).map_err(Refused::Unavailable)?;
            }
            Err(Refused::Key)
        }
    }
}

async fn websocket(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match begin(app, query, &headers, &extensions, upgrade).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn begin(
    app: App,
    query: Option<String>,
    headers: &HeaderMap,
    extensions: &Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let upgrade = upgrade.map_err(|_| Refused::NoUpgrade)?;
    let handshake = Handshake::read(query.as_deref(), headers);
    let Handshake { apikey, vsn } = match handshake {
        Err(Refused::Key) => check(&app, "", extensions).await.and(Err(Refused::Key))?,
        other => other?,
    };
    let signing_key = check(&app, &apikey, extensions).await?;
    let place = app.sockets.take_place().ok_or(Refused::Full)?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_MAX)
        .max_message_size(READ_MAX)
        .max_frame_size(READ_MAX);
    Ok(upgrade.on_upgrade(move |socket| {
        Connection::new(app, socket, vsn, apikey, signing_key, place).run()
    }))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().live("/realtime/v1/websocket", websocket)
}

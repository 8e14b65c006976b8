//! The stream of events: server-sent events for a merchant's own programs. It reads the events by
//! their positions, so that whoever comes back after a break misses none.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use axum::http::header::HeaderName;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use domain::decision::event::{Event, EventEntity, EventType};
use domain::directory::roles::Action;
use domain::kernel::ids::{
    ApiKeyId, EventId, ExecutionId, PaymentLinkId, ReviewId, SessionId, SourceId, WalletId,
    WebhookEndpointId,
};
use domain::payments::session::Intent;
use domain::webhooks::subject::Subject;
use schemars::{Schema, json_schema};
use std::sync::Arc;
use store::StoreError;
use store::reads::events::EventFilter;
use store::reads::scope::MerchantReads;
use tokio::sync::mpsc;

use crate::api::describe::{DescribeInput, DescribeResponse, OperationBuilder, op};
use crate::api::error::ApiError;
use crate::api::events::MAX_POSITION;
use crate::api::extract::Query;
use crate::api::fields::{Fault, FaultKind, FromValue, Id, Int, Part, Schemas};
use crate::api::messages::Message;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::net::response_permits::ResponsePermit;
use crate::net::server_sent_events::{self, EVENT_STREAM, HEARTBEAT};
use crate::payload;

/// How many streams a merchant may have open at each process.
pub const STREAMS_MAX: usize = 100;
/// How many events are read at once, which is the most that waits for a slow reader.
const EVENTS_AT_ONCE: u32 = 50;
/// How often a stream looks for events, which other processes write, too.
const EVERY: Duration = Duration::from_millis(200);
/// How often the token is checked while nothing happens.
const CHECK_EVERY: Duration = Duration::from_secs(1);
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

payload! {
    /// Which events are streamed.
    pub struct StreamEvents {
        /// Only events of these types, separated by commas.
        types: Option<TypeList>,
        /// Begins after the event of this id. Without it, without `after_position` and without the header
        /// `Last-Event-ID`, the stream begins with what happens from now on.
        after_id: Option<Id>,
        /// Begins after the event at this position; 0 begins with the merchant's first event. `after_id`
        /// is not used then.
        after_position: Option<Int<0, MAX_POSITION>>,
    }
}

/// Types of events, separated by commas.
pub struct TypeList(Vec<EventType>);

impl FromValue for TypeList {
    fn read(value: &serde_json::Value) -> Result<Self, FaultKind> {
        let text = value.as_str().ok_or(FaultKind::NotStr)?;
        let types: Option<Vec<EventType>> =
            text.split(',').map(|name| EventType::parse_of_merchant(name.trim())).collect();
        types.map(Self).ok_or_else(|| FaultKind::not_enum(EventType::OF_MERCHANTS))
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "pattern": "^[a-z_.]+(,[a-z_.]+)*$" })
    }
}

/// The header by which a client that was cut off says what it has seen.
pub struct LastEventId(Option<i64>);

/// A place in the stream that names no event of the merchant.
fn no_such_event(part: &'static str, name: &'static str) -> ApiError {
    let kind = FaultKind::UnknownId("an event");
    ApiError::Invalid(vec![Fault::at(&[Part::Name(part), Part::Name(name)], kind)])
}

impl FromRequestParts<App> for LastEventId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        // An `EventSource` that has seen nothing yet may send an empty one.
        let given = parts.headers.get(&LAST_EVENT_ID).filter(|value| !value.is_empty());
        let Some(given) = given else { return Ok(Self(None)) };
        let id = given.to_str().ok().and_then(|text| text.trim().parse().ok());
        id.map(|id| Self(Some(id))).ok_or_else(|| no_such_event("header", "last-event-id"))
    }
}

impl DescribeInput for LastEventId {
    fn describe(_: &mut OperationBuilder, _: &mut Schemas) {}
}

/// A stream that has begun.
pub struct EventStream(Response);

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        self.0
    }
}

impl DescribeResponse for EventStream {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        builder.text_answer(EVENT_STREAM);
    }
}

async fn stream(
    State(app): State<App>,
    tenant: Tenant,
    LastEventId(last): LastEventId,
    Query(query): Query<StreamEvents>,
) -> Result<EventStream, ApiError> {
    let permit = app.streams.acquire(tenant.id()).await.ok_or(ApiError::TooManyStreams)?;
    let reads = tenant.reads(&app, Action::ReadIntegration)?;
    // The header is newer: a browser repeats the address of its first request.
    let position = match (last, query.after_position, query.after_id) {
        (None, Some(Int(position)), _) => {
            // Events that come later would be left out without a word.
            if position > reads.last_event_position().await? {
                return Err(no_such_event("query", "after_position"));
            }
            position
        }
        (Some(id), ..) => {
            let found = reads.event(EventId(id)).await?;
            found.ok_or_else(|| no_such_event("header", "last-event-id"))?.position
        }
        (None, None, Some(Id(id))) => {
            let found = reads.event(EventId(id)).await?;
            found.ok_or_else(|| no_such_event("query", "after_id"))?.position
        }
        (None, None, None) => reads.last_event_position().await?,
    };
    let (sender, receiver) = mpsc::channel(1);
    let types = query.types.map(|types| types.0);
    let running = Running { app, tenant, types, position, sender, _permit: permit };
    tokio::spawn(running.run());
    Ok(EventStream(server_sent_events::response(receiver)))
}

/// A stream under way.
struct Running {
    app: App,
    tenant: Tenant,
    types: Option<Vec<EventType>>,
    position: i64,
    sender: mpsc::Sender<Bytes>,
    _permit: ResponsePermit,
}

/// The reader is gone.
struct Gone;

impl Running {
    /// Streams until the reader goes, the token ends or the server stops.
    async fn run(mut self) {
        let mut stopping = self.app.stopping.subscribe();
        // At once, so that the client knows that it is connected.
        let mut last_sent = Instant::now();
        if self.send(": connected\n\n".to_owned()).await.is_err() {
            return;
        }
        let mut last_check = Instant::now();
        while !*stopping.borrow() {
            let has_events = self.has_events().await;
            // Nothing is sent to whoever may not read it any more.
            if has_events || last_check.elapsed() >= CHECK_EVERY {
                last_check = Instant::now();
                if self.is_over().await {
                    let _gone = self.send("event: token_expired\ndata: {}\n\n".to_owned()).await;
                    return;
                }
            }
            if has_events {
                match self.send_events().await {
                    Ok(true) => {
                        last_sent = Instant::now();
                        continue;
                    }
                    Ok(false) => {}
                    Err(Gone) => return,
                }
            }
            if last_sent.elapsed() >= HEARTBEAT {
                last_sent = Instant::now();
                if self.send(": heartbeat\n\n".to_owned()).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.sender.closed() => return,
                _ = stopping.changed() => return,
            }
        }
    }

    /// Whether there are events that were not looked at yet. It costs less than to list none.
    async fn has_events(&self) -> bool {
        let Ok(reads) = reads_of(&self.tenant, &self.app) else { return false };
        reads.last_event_position().await.is_ok_and(|last| last > self.position)
    }

    /// Whether the token has ended or its key was revoked, as it is for any request.
    async fn is_over(&self) -> bool {
        // Any other error: the database is away for a moment.
        matches!(self.tenant.holds(&self.app).await, Err(ApiError::BadCredentials(_)))
    }

    /// Sends the events that are there. Returns whether there were any.
    async fn send_events(&mut self) -> Result<bool, Gone> {
        let reads = reads_of(&self.tenant, &self.app)?;
        let filter = EventFilter::default();
        let found = match reads.events_after(filter, self.position, EVENTS_AT_ONCE).await {
            Ok(found) => found.rows,
            Err(error) => {
                tracing::warn!(%error, "events could not be read for a stream");
                return Ok(false);
            }
        };
        let any = !found.is_empty();
        for event in found {
            let position = event.position;
            if self.types.as_ref().is_none_or(|types| types.contains(&event.kind)) {
                match self.text_of(&event, reads).await {
                    Ok(text) => self.send(text).await?,
                    Err(error) => {
                        tracing::warn!(%error, "an event could not be read for a stream");
                        return Ok(false);
                    }
                }
            }
            self.position = position;
        }
        Ok(any)
    }

    async fn text_of(&self, event: &Event, reads: MerchantReads<'_>) -> Result<String, StoreError> {
        let Some(subject) = subject_of(event, &self.tenant, reads).await? else {
            return Ok(String::new());
        };
        let body = Message::new(event, &subject, None, &self.app.config.public_url).to_json();
        Ok(format!("id: {}\nevent: {}\ndata: {body}\n\n", event.id, event.kind))
    }

    async fn send(&self, text: String) -> Result<(), Gone> {
        self.sender.send(Bytes::from(text)).await.map_err(|_| Gone)
    }
}

/// What a stream reads. It ends when that is not permitted.
fn reads_of<'a>(tenant: &Tenant, app: &'a App) -> Result<MerchantReads<'a>, Gone> {
    tenant.reads(app, Action::ReadIntegration).map_err(|_| Gone)
}

/// The object of an event, as it is now.
async fn subject_of(
    event: &Event,
    tenant: &Tenant,
    reads: MerchantReads<'_>,
) -> Result<Option<Subject>, StoreError> {
    let id = event.entity_id;
    let time = tenant.merchant.time(event.created_at);
    Ok(match event.entity {
        EventEntity::Session => {
            let Some(session) = reads.session_by_id(SessionId(id)).await? else { return Ok(None) };
            let source_type = match session.intent {
                Intent::Checkout { source_id, .. } => {
                    reads.source_by_id(source_id).await?.map(|source| source.kind)
                }
                _ => None,
            };
            Some(Subject::Session { session: Arc::new(session), source_type, time })
        }
        EventEntity::Execution => match reads.execution(ExecutionId(id)).await? {
            Some(execution) => {
                Some(Subject::Execution(Box::new(reads.with_attempt(execution).await?)))
            }
            None => None,
        },
        EventEntity::Source => {
            let merchant = Arc::new(tenant.merchant.clone());
            let found = reads.source_by_id(SourceId(id)).await?;
            found.map(|source| Subject::Source { source: Arc::new(source), merchant })
        }
        EventEntity::Wallet => {
            reads.wallet(WalletId(id)).await?.map(|row| Subject::Wallet(Arc::new(row)))
        }
        EventEntity::Review => {
            reads.review(ReviewId(id)).await?.map(|row| Subject::Review(Arc::new(row)))
        }
        EventEntity::PaymentLink => {
            let found = reads.payment_link(PaymentLinkId(id)).await?;
            found.map(|link| Subject::PaymentLink { link: Arc::new(link), time })
        }
        EventEntity::WebhookEndpoint => {
            let found = reads.webhook_endpoint_even_deleted(WebhookEndpointId(id)).await?;
            found.map(|row| Subject::WebhookEndpoint(Arc::new(row)))
        }
        EventEntity::ApiKey => {
            reads.api_key(ApiKeyId(id)).await?.map(|row| Subject::ApiKey(Arc::new(row)))
        }
        EventEntity::Tariff | EventEntity::Statement => None,
    })
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().get(
        "/v1/events/stream",
        stream,
        op("stream_events", "Stream events as they happen")
            .details(
                "Server-sent events: `id`, `event` (the type) and `data`, which is what webhooks are told, \
                 with the object as it is when the event is read and without `previous_status`. A line \
                 `: heartbeat` comes every 15 seconds. After a break continue with the header \
                 `Last-Event-ID`, `after_id` or `after_position`: no event is missing and none comes twice. When the token \
                 ends, the last event is `token_expired`. At most 100 streams at once.",
            )
            .or(404),
    )
}

//! What a merchant must be told, in the words that it will be told with.

use crate::decision::event::EventType;
use crate::decision::row::NoAltKey;
use crate::decision::row::Row;
use crate::kernel::ids::{EventId, ExecutionId, MerchantId, WebhookEndpointId};
use crate::kernel::time::ServerTime;

/// The message about an event, written in the event's commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookMessage {
    pub event_id: EventId,
    pub merchant_id: MerchantId,
    pub kind: EventType,
    /// The execution that the event is about, if it is about one.
    pub execution_id: Option<ExecutionId>,
    /// The endpoint that alone is told: a test is for the one that is tested.
    pub only_endpoint_id: Option<WebhookEndpointId>,
    /// The bytes that every attempt sends, those of later releases too.
    pub body: String,
    pub created_at: ServerTime,
    /// When its deliveries were made.
    pub fanned_out_at: Option<ServerTime>,
}

impl Row for WebhookMessage {
    type Id = EventId;
    type AltKey = NoAltKey;

    fn id(&self) -> EventId {
        self.event_id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

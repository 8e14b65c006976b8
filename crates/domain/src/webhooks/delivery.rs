//! A message on its way to an endpoint.

use crate::api_enum;
use crate::decision::event::EventType;
use crate::decision::row::Row;
use crate::kernel::ids::{EventId, ExecutionId, MerchantId, WebhookDeliveryId, WebhookEndpointId};
use crate::kernel::time::{ServerTime, seconds};

/// For how long a claimed delivery is its claimer's: longer than an attempt may take.
pub const LEASE_US: i64 = seconds(60);

api_enum! {
    DeliveryStatus {
        /// Not tried yet.
        Pending = "PENDING",
        /// The endpoint took it.
        Delivered = "DELIVERED",
        /// The last attempt failed; another follows.
        Failed = "FAILED",
        /// No attempt follows by itself.
        Dead = "DEAD",
    }
}

/// A delivery of a message to an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookDelivery {
    pub id: WebhookDeliveryId,
    pub merchant_id: MerchantId,
    pub endpoint_id: WebhookEndpointId,
    pub event_id: EventId,
    pub kind: EventType,
    pub execution_id: Option<ExecutionId>,
    pub created_at: ServerTime,
    pub status: DeliveryStatus,
    /// How many attempts were made.
    pub attempts: i64,
    /// How many of them failed since the first, or since it was sent again by hand: the place in the
    /// schedule.
    pub failures: i64,
    /// When it is tried; `None` when it is not. While it is under way: when somebody else may try it,
    /// because whoever has claimed it is gone.
    pub next_attempt_at: Option<ServerTime>,
    /// Whether somebody has claimed it.
    pub is_under_way: bool,
    pub updated_at: ServerTime,
}

impl Row for WebhookDelivery {
    type Id = WebhookDeliveryId;
    /// An endpoint has one delivery of a message.
    type AltKey = (WebhookEndpointId, EventId);

    fn id(&self) -> WebhookDeliveryId {
        self.id
    }

    fn alt_key(&self) -> Option<Self::AltKey> {
        Some((self.endpoint_id, self.event_id))
    }
}

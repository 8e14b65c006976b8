//! Where a merchant wants to be told.

use crate::api_enum;
use crate::decision::event::{EventPosition, EventType, HasEvents};
use crate::decision::row::rows_without_alt_key;
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{MerchantId, WebhookEndpointId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;

/// A merchant has at most so many endpoints.
pub const ENDPOINTS_MAX: i64 = 16;

api_enum! {
    /// How deliveries are signed.
    Signing {
        /// With a secret that both sides have.
        Hmac = "HMAC",
        /// Also with a key of which the merchant has the public half.
        Ed25519 = "ED25519",
    }
}

api_enum! {
    /// Why nothing is delivered to an endpoint.
    DisabledReason {
        /// The merchant turned it off.
        Merchant = "MERCHANT",
        /// It answered that it is gone (410).
        Gone = "GONE",
        /// Nothing but failures for days.
        Failing = "FAILING",
    }
}

/// Types of events. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventTypes(pub Vec<EventType>);

/// An endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookEndpoint {
    pub id: WebhookEndpointId,
    pub merchant_id: MerchantId,
    pub url: String,
    /// What it is told; `None` for everything, types of later releases included.
    pub event_types: Option<EventTypes>,
    pub description: Option<String>,
    /// `None` while it is enabled.
    pub disabled: Option<DisabledReason>,
    pub signing: Signing,
    /// The public half of its key, as its verifiers take it.
    pub public_key: Option<String>,
    /// Since when every attempt has failed.
    pub failing_since: Option<ServerTime>,
    /// How many events are about it.
    pub event_count: i64,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
    /// The row stays, because deliveries refer to it.
    pub deleted_at: Option<ServerTime>,
}

rows_without_alt_key!(WebhookEndpoint: WebhookEndpointId);

impl HasEvents for WebhookEndpoint {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
}

impl WebhookEndpoint {
    /// Whether something may be delivered to it.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.disabled.is_none() && self.deleted_at.is_none()
    }

    /// Whether it asked for events of that type.
    #[must_use]
    pub fn wants(&self, kind: EventType) -> bool {
        self.event_types.as_ref().is_none_or(|types| types.0.contains(&kind))
    }

    /// The merchant's endpoint of that id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] where there is none, or it was deleted; [`Stop::NotLoaded`].
    pub fn of(merchant: MerchantId, id: WebhookEndpointId, work: &Workspace) -> Result<Self, Stop> {
        let found = work.get::<Self>(id)?;
        let own = found.filter(|row| row.merchant_id == merchant && row.deleted_at.is_none());
        Ok((*own.ok_or(Refusal::NotFound)?).clone())
    }
}

/// Counts an endpoint of the merchant more, or one fewer (-1), in the row that each event of the
/// merchant changes: by it a payment knows whether a message must be written.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Refusal::TooManyEndpoints`].
pub(super) fn count(merchant: MerchantId, by: i64, work: &mut Workspace) -> Result<(), Stop> {
    let known = work.get::<EventPosition>(merchant)?;
    let known = known
        .map_or(EventPosition { merchant_id: merchant, last: 0, endpoints: 0 }, |row| {
            (*row).clone()
        });
    let endpoints = known.endpoints.saturating_add(by);
    if by > 0 && endpoints > ENDPOINTS_MAX {
        return Err(Refusal::TooManyEndpoints { most: ENDPOINTS_MAX }.into());
    }
    work.put(EventPosition { endpoints, ..known });
    Ok(())
}

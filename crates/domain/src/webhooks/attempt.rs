//! What came of an attempt to deliver.

use crate::decision::row::rows_without_alt_key;
use crate::kernel::ids::{MerchantId, WebhookAttemptId, WebhookDeliveryId};
use crate::kernel::time::ServerTime;

/// What an endpoint said, or why it said nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempted {
    pub begun_at: ServerTime,
    pub duration_us: i64,
    /// The status of its answer; `None` where there was none.
    pub status: Option<i64>,
    /// The beginning of its answer, or why there was none.
    pub said: String,
}

impl Attempted {
    /// Whether the endpoint took the message.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether it says that it wants nothing any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.status == Some(410)
    }
}

/// An attempt, on record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookAttempt {
    pub id: WebhookAttemptId,
    pub merchant_id: MerchantId,
    pub delivery_id: WebhookDeliveryId,
    /// From 1.
    pub number: i64,
    pub attempted: Attempted,
}

rows_without_alt_key!(WebhookAttempt: WebhookAttemptId);

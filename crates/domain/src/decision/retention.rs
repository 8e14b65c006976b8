//! Rows that are kept for a time and then deleted. Nothing refers to them, and no decision depends on
//! them any more: they are for people who look into what happened.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::time::minutes;

/// A table whose rows are deleted after a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Retained {
    Exchanges,
    UnmatchedCallbacks,
    /// Those that arrived.
    WebhookDeliveries,
    /// Those that were given up.
    DeadWebhookDeliveries,
    WebhookAttempts,
    WebhookMessages,
    /// By their last use.
    Logins,
    LoginTries,
}

impl Retained {
    pub const ALL: [Self; 8] = [
        Self::Exchanges,
        Self::UnmatchedCallbacks,
        Self::WebhookDeliveries,
        Self::DeadWebhookDeliveries,
        Self::WebhookAttempts,
        Self::WebhookMessages,
        Self::Logins,
        Self::LoginTries,
    ];

    /// For how long a row is kept, in microseconds.
    #[must_use]
    pub const fn kept_for(self) -> i64 {
        let days = match self {
            Self::LoginTries => 1,
            Self::UnmatchedCallbacks | Self::WebhookDeliveries => 30,
            Self::Exchanges
            | Self::DeadWebhookDeliveries
            | Self::WebhookAttempts
            | Self::WebhookMessages
            | Self::Logins => 90,
        };
        days * minutes(24 * 60)
    }
}

/// A row to delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deletion {
    pub table: Retained,
    pub id: i64,
}

/// Deletes rows that were kept long enough, as the caller has found them. Whoever comes second deletes
/// nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteRetained {
    pub table: Retained,
    pub ids: Vec<i64>,
}

impl Decision for DeleteRetained {
    type Output = ();

    fn decide(&self, work: &mut Workspace, _: &Context<'_>) -> Result<(), Stop> {
        let table = self.table;
        work.deletions.extend(self.ids.iter().map(|id| Deletion { table, id: *id }));
        Ok(())
    }
}

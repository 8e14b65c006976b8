//! The statements that delete rows, of the tables whose rows are kept for a time only.

use domain::decision::retention::Retained;

/// The statements of a table.
pub trait DeleteSql {
    /// Deletes a row by its id, on SQLite.
    fn delete_one(self) -> &'static str;
    /// Deletes rows by an array of ids, on PostgreSQL.
    fn delete_many(self) -> &'static str;
    /// Finds the ids of rows that are older than `:before`, the oldest first, at most `:limit`.
    fn find_old(self) -> &'static str;
}

impl DeleteSql for Retained {
    fn delete_one(self) -> &'static str {
        match self {
            Self::Exchanges => "DELETE FROM exchanges WHERE id = ?",
            Self::UnmatchedCallbacks => "DELETE FROM unmatched_callbacks WHERE id = ?",
            Self::WebhookDeliveries | Self::DeadWebhookDeliveries => {
                "DELETE FROM webhook_deliveries WHERE id = ? AND next_attempt_at IS NULL"
            }
            Self::WebhookAttempts => "DELETE FROM webhook_attempts WHERE id = ?",
            Self::WebhookMessages => "DELETE FROM webhook_messages WHERE event_id = ?",
            Self::Logins => "DELETE FROM logins WHERE id = ?",
            Self::LoginTries => "DELETE FROM login_tries WHERE id = ?",
        }
    }

    fn delete_many(self) -> &'static str {
        match self {
            Self::Exchanges => "DELETE FROM exchanges WHERE id = ANY($1::bigint[])",
            Self::UnmatchedCallbacks => {
                "DELETE FROM unmatched_callbacks WHERE id = ANY($1::bigint[])"
            }
            Self::WebhookDeliveries | Self::DeadWebhookDeliveries => {
                "DELETE FROM webhook_deliveries WHERE id = ANY($1::bigint[]) \
                 AND next_attempt_at IS NULL"
            }
            Self::WebhookAttempts => "DELETE FROM webhook_attempts WHERE id = ANY($1::bigint[])",
            Self::WebhookMessages => {
                "DELETE FROM webhook_messages WHERE event_id = ANY($1::bigint[])"
            }
            Self::Logins => "DELETE FROM logins WHERE id = ANY($1::bigint[])",
            Self::LoginTries => "DELETE FROM login_tries WHERE id = ANY($1::bigint[])",
        }
    }

    fn find_old(self) -> &'static str {
        match self {
            Self::Exchanges => {
                "SELECT id FROM exchanges WHERE begun_at < :before ORDER BY begun_at LIMIT :limit"
            }
            Self::UnmatchedCallbacks => {
                "SELECT id FROM unmatched_callbacks WHERE received_at < :before \
                 ORDER BY received_at LIMIT :limit"
            }
            Self::WebhookDeliveries => {
                "SELECT id FROM webhook_deliveries WHERE updated_at < :before AND status = 'DELIVERED' \
                 AND next_attempt_at IS NULL ORDER BY updated_at LIMIT :limit"
            }
            Self::DeadWebhookDeliveries => {
                "SELECT id FROM webhook_deliveries WHERE updated_at < :before AND status = 'DEAD' \
                 AND next_attempt_at IS NULL ORDER BY updated_at LIMIT :limit"
            }
            Self::WebhookAttempts => {
                "SELECT id FROM webhook_attempts WHERE begun_at < :before \
                 ORDER BY begun_at LIMIT :limit"
            }
            Self::WebhookMessages => {
                "SELECT event_id FROM webhook_messages WHERE created_at < :before \
                 AND fanned_out_at IS NOT NULL ORDER BY created_at LIMIT :limit"
            }
            Self::Logins => {
                "SELECT id FROM logins WHERE last_used_at < :before ORDER BY last_used_at LIMIT :limit"
            }
            Self::LoginTries => {
                "SELECT id FROM login_tries WHERE updated_at < :before ORDER BY updated_at LIMIT :limit"
            }
        }
    }
}

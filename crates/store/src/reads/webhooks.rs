//! Webhooks: endpoints, deliveries, and what is to be delivered.

use domain::decision::event::EventType;
use domain::kernel::ids::{
    EventId, ExecutionId, MerchantId, WebhookDeliveryId, WebhookEndpointId, WebhookSecretId,
};
use domain::kernel::time::ServerTime;
use domain::kernel::trace::TraceContext;
use domain::webhooks::attempt::WebhookAttempt;
use domain::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use domain::webhooks::endpoint::WebhookEndpoint;
use domain::webhooks::secret::WebhookSecret;

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows, comma_separated};
use crate::reads::scope::{MerchantReads, SystemReads};
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::integer;
use crate::workspace::sql_value::{ResultRow, params};

/// Which deliveries are listed.
#[derive(Clone, Copy, Default, Debug)]
pub struct DeliveryFilter {
    pub endpoint_id: Option<WebhookEndpointId>,
    pub execution_id: Option<ExecutionId>,
    pub status: Option<DeliveryStatus>,
    pub kind: Option<EventType>,
}

impl MerchantReads<'_> {
    /// An endpoint that was not deleted.
    pub async fn webhook_endpoint(
        &self,
        id: WebhookEndpointId,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        self.one("id = :id AND deleted_at IS NULL", params!["id" = id.0]).await
    }

    /// An endpoint that may have been deleted: events about it remain.
    pub async fn webhook_endpoint_even_deleted(
        &self,
        id: WebhookEndpointId,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    /// The endpoints that were not deleted.
    pub async fn webhook_endpoints(
        &self,
        page: Page,
    ) -> Result<PageOfRows<WebhookEndpoint>, StoreError> {
        self.list(ListQuery::by("deleted_at IS NULL", params![]), page).await
    }

    /// The secrets of an endpoint, those that have ended included.
    pub async fn webhook_secrets(
        &self,
        endpoint: WebhookEndpointId,
    ) -> Result<Vec<WebhookSecretId>, StoreError> {
        let rows: Vec<WebhookSecret> =
            self.many("endpoint_id = :endpoint", "id", params!["endpoint" = endpoint.0]).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    pub async fn webhook_delivery(
        &self,
        id: WebhookDeliveryId,
    ) -> Result<Option<WebhookDelivery>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    pub async fn webhook_deliveries(
        &self,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<PageOfRows<WebhookDelivery>, StoreError> {
        let list = match (filter.endpoint_id, filter.execution_id) {
            (_, Some(id)) => {
                ListQuery::by("execution_id = :execution", params!["execution" = id.0]).filter(
                    "endpoint_id = :endpoint",
                    ":endpoint",
                    filter.endpoint_id.map(|endpoint| endpoint.0),
                )
            }
            (Some(id), None) => {
                ListQuery::by("endpoint_id = :endpoint", params!["endpoint" = id.0])
            }
            (None, None) => ListQuery::all(),
        };
        let list = list
            .filter("status = :status", ":status", filter.status.map(DeliveryStatus::as_str))
            .filter("type = :type", ":type", filter.kind.map(EventType::code));
        self.list(list, page).await
    }

    /// The last 50 attempts of a delivery, the newest one last.
    pub async fn webhook_attempts(
        &self,
        delivery: WebhookDeliveryId,
    ) -> Result<Vec<WebhookAttempt>, StoreError> {
        let params = params!["delivery" = delivery.0];
        let mut found: Vec<WebhookAttempt> =
            self.many("delivery_id = :delivery", "id DESC LIMIT 50", params).await?;
        found.reverse();
        Ok(found)
    }

    /// At most `limit` deliveries to an endpoint that failed, made since a time, in the order of their
    /// ids from above `after`.
    pub async fn failed_deliveries(
        &self,
        endpoint: WebhookEndpointId,
        since: ServerTime,
        after: WebhookDeliveryId,
        limit: u32,
    ) -> Result<Vec<WebhookDeliveryId>, StoreError> {
        let sql = "SELECT id FROM webhook_deliveries WHERE endpoint_id = :endpoint AND created_at >= :since \
                   AND status IN ('FAILED', 'DEAD') AND id > :after AND merchant_id = :merchant \
                   ORDER BY id LIMIT :limit";
        let params =
            params!["endpoint" = endpoint.0, "since" = since.0, "after" = after.0, "limit" = limit];
        self.rows(sql, params, |row| integer(row).map(WebhookDeliveryId)).await
    }
}

/// An endpoint that has a delivery which is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DueEndpoint {
    pub id: WebhookEndpointId,
    pub merchant_id: MerchantId,
    pub is_enabled: bool,
}

/// A message whose deliveries are not made yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewMessage {
    pub event_id: EventId,
    pub merchant_id: MerchantId,
}

impl SystemReads<'_> {
    /// At most `limit` messages after one whose deliveries are not made yet, the oldest first.
    pub async fn messages_to_fan_out(
        &self,
        after: EventId,
        limit: u32,
    ) -> Result<Vec<NewMessage>, StoreError> {
        let sql = "SELECT event_id, merchant_id FROM webhook_messages WHERE fanned_out_at IS NULL \
                   AND event_id > :after ORDER BY event_id LIMIT :limit";
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "webhook_messages", 0);
            let (event_id, merchant_id) = Column::read(&mut reader)?;
            Ok(NewMessage { event_id, merchant_id })
        };
        self.0.rows(sql, &params!["after" = after.0, "limit" = limit], read).await
    }

    /// The endpoints of a merchant that were not deleted.
    pub async fn endpoints_of(
        &self,
        merchant: MerchantId,
    ) -> Result<Vec<WebhookEndpointId>, StoreError> {
        let sql = "SELECT id FROM webhook_endpoints WHERE merchant_id = :of AND deleted_at IS NULL";
        let params = params!["of" = merchant.0];
        self.0.rows(sql, &params, |row| integer(row).map(WebhookEndpointId)).await
    }

    /// The endpoints that have a delivery which is due, in the order of their ids. It skips from one endpoint to the next in an
    /// index, so the number of deliveries of each does not matter.
    pub async fn due_endpoints(&self, now: ServerTime) -> Result<Vec<DueEndpoint>, StoreError> {
        let next = |after: &str| {
            format!(
                "(SELECT endpoint_id FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL \
                 AND endpoint_id > {after} ORDER BY endpoint_id LIMIT 1)"
            )
        };
        let sql = format!(
            "WITH RECURSIVE found(id) AS (SELECT {} UNION ALL SELECT {} FROM found WHERE found.id IS NOT NULL) \
             SELECT found.id, merchant_id, CAST(CASE WHEN disabled IS NULL AND deleted_at IS NULL THEN 1 ELSE 0 END AS BIGINT) \
             FROM found JOIN webhook_endpoints ON webhook_endpoints.id = found.id WHERE EXISTS (SELECT 1 \
             FROM webhook_deliveries WHERE endpoint_id = found.id AND next_attempt_at IS NOT NULL AND next_attempt_at <= :now) \
             ORDER BY found.id",
            next("0"),
            next("found.id")
        );
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "webhook_endpoints", 0);
            let (id, merchant_id, is_enabled) = Column::read(&mut reader)?;
            Ok(DueEndpoint { id, merchant_id, is_enabled })
        };
        self.0.rows(&sql, &params!["now" = now.0], read).await
    }

    /// At most `limit` deliveries to an endpoint that are due, the most overdue first.
    pub async fn due_deliveries(
        &self,
        endpoint: WebhookEndpointId,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<WebhookDeliveryId>, StoreError> {
        let sql = "SELECT id FROM webhook_deliveries WHERE endpoint_id = :endpoint \
                   AND next_attempt_at IS NOT NULL AND next_attempt_at <= :now \
                   ORDER BY next_attempt_at LIMIT :limit";
        let params = params!["endpoint" = endpoint.0, "now" = now.0, "limit" = limit];
        self.0.rows(sql, &params, |row| integer(row).map(WebhookDeliveryId)).await
    }

    /// The secrets of an endpoint that have not ended, the newest first.
    pub async fn secrets_of(
        &self,
        endpoint: WebhookEndpointId,
        now: ServerTime,
    ) -> Result<Vec<WebhookSecret>, StoreError> {
        let params = params!["endpoint" = endpoint.0, "now" = now.0];
        let condition = "endpoint_id = :endpoint AND (expires_at IS NULL OR expires_at > :now)";
        self.0.many(condition, "id DESC", &params).await
    }

    /// The secrets of all endpoints that have not ended.
    pub async fn webhook_secrets_after(
        &self,
        now: ServerTime,
    ) -> Result<Vec<WebhookSecret>, StoreError> {
        let condition = "id > 0 AND (expires_at IS NULL OR expires_at > :now)";
        self.0.many(condition, "id", &params!["now" = now.0]).await
    }

    /// Whether any secret was ever encrypted.
    pub async fn has_sealed_secrets(&self) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM network_secrets WHERE id = (SELECT min(id) FROM network_secrets) \
                   UNION ALL SELECT id FROM webhook_secrets WHERE id = (SELECT min(id) FROM webhook_secrets) \
                   UNION ALL SELECT id FROM users WHERE id = (SELECT min(id) FROM users WHERE totp_sealed IS NOT NULL OR pending_totp_sealed IS NOT NULL)";
        let found = self.0.rows(sql, &vec![], integer).await?;
        Ok(!found.is_empty())
    }

    /// The traces of the payments that messages about these events are about, of those that are traced.
    pub async fn traces_of_messages(
        &self,
        events: &[EventId],
    ) -> Result<Vec<(EventId, TraceContext)>, StoreError> {
        let wanted = self.0.dialect().integers_of();
        let sql = format!(
            "SELECT m.event_id, a.trace_id, a.span_id FROM webhook_messages AS m \
             JOIN provider_attempts AS a ON a.execution_id = m.execution_id \
             WHERE m.event_id IN {wanted} AND a.trace_id IS NOT NULL"
        );
        let read = |row: &dyn ResultRow| {
            <(EventId, TraceContext) as Column>::read(&mut RowReader::new(
                row,
                "webhook_messages",
                0,
            ))
        };
        self.0.rows(&sql, &params!["ids" = comma_separated(events)], read).await
    }

    /// What is sent about these events, as far as it is still kept.
    pub async fn message_bodies(
        &self,
        events: &[EventId],
    ) -> Result<Vec<(EventId, String)>, StoreError> {
        let wanted = self.0.dialect().integers_of();
        let sql = format!("SELECT event_id, body FROM webhook_messages WHERE event_id IN {wanted}");
        let read = |row: &dyn ResultRow| {
            <(EventId, String) as Column>::read(&mut RowReader::new(row, "webhook_messages", 0))
        };
        self.0.rows(&sql, &params!["ids" = comma_separated(events)], read).await
    }
}

//! Events.

use domain::decision::event::{Event, EventEntity, EventType};
use domain::kernel::ids::EventId;

use crate::StoreError;
use crate::reads::pages::{ListQuery, MAX_SCANNED_ROWS, Page, PageOfRows};
use crate::reads::scope::MerchantReads;
use crate::workspace::codes::Coded;
use crate::workspace::record::Record;
use crate::workspace::sql::integer;
use crate::workspace::sql_value::params;

#[derive(Clone, Copy, Default, Debug)]
pub struct EventFilter {
    pub kind: Option<EventType>,
    pub entity: Option<EventEntity>,
    pub entity_id: Option<i64>,
}

impl MerchantReads<'_> {
    pub async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    pub async fn events(
        &self,
        filter: EventFilter,
        page: Page,
    ) -> Result<PageOfRows<Event>, StoreError> {
        let list = match filter.entity_id {
            None => ListQuery::all(),
            Some(id) => ListQuery::by("subject_id = :subject_id", params!["subject_id" = id]),
        };
        let list = list.filter("type = :type", ":type", filter.kind.map(EventType::code)).filter(
            "subject_type = :subject",
            ":subject",
            filter.entity.map(EventEntity::code),
        );
        self.list(list.ordered_by("position"), page).await
    }

    /// At most `limit` events after a position, in the order of their positions. Whoever continues
    /// after the last one misses none, however many processes write.
    ///
    /// With a filter at most [`MAX_SCANNED_ROWS`] events are looked at. If there are more,
    /// `scanned_to` is the last position that was looked at.
    pub async fn events_after(
        &self,
        filter: EventFilter,
        position: i64,
        limit: u32,
    ) -> Result<PageOfRows<Event>, StoreError> {
        let _permit = self.list_permit().await?;
        let mut filters = String::new();
        let mut params = params!["after" = position, "limit" = limit];
        if let Some(kind) = filter.kind {
            filters.push_str(" AND type = :type");
            params.extend(params!["type" = kind.code()]);
        }
        if let Some(entity) = filter.entity {
            filters.push_str(" AND subject_type = :subject");
            params.extend(params!["subject" = entity.code()]);
        }
        if let Some(id) = filter.entity_id {
            // The unary plus keeps SQLite from using the index of the entity's events, which has
            // another order.
            filters.push_str(" AND +subject_id = :subject_id");
            params.extend(params!["subject_id" = id]);
        }
        // Positions have no gaps, so this is the number of events that are looked at.
        let end = position.saturating_add(MAX_SCANNED_ROWS);
        if !filters.is_empty() {
            filters.push_str(" AND position <= :end");
            params.extend(params!["end" = end]);
        }
        let sql = format!(
            "SELECT {} FROM events WHERE merchant_id = :merchant AND position > :after{filters} \
             ORDER BY position LIMIT :limit",
            Event::statements().columns
        );
        let is_filtered = !filters.is_empty();
        let rows = self.list_rows(sql, params, |row| Event::from_row(row, 0)).await?;
        let scanned_to = match is_filtered {
            true if self.last_event_position().await? > end => Some(end),
            _ => None,
        };
        Ok(PageOfRows { rows, scanned_to })
    }

    /// The position of the merchant's last event; 0 if it has none.
    pub async fn last_event_position(&self) -> Result<i64, StoreError> {
        let sql = "SELECT last FROM event_positions WHERE merchant_id = :merchant";
        let found = self.rows(sql, params![], integer).await?;
        Ok(found.first().copied().unwrap_or(0))
    }

    /// The events of a session, execution or source, oldest first.
    pub async fn events_of(&self, subject_id: i64) -> Result<Vec<Event>, StoreError> {
        self.many("subject_id = :subject", "sequence", params!["subject" = subject_id]).await
    }
}

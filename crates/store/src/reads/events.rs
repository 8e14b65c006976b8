//! Events.

use domain::decision::event::{Event, EventEntity, EventType};
use domain::kernel::ids::EventId;

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::MerchantReads;
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
        let list = list.filter("type = :type", ":type", filter.kind.map(EventType::as_str)).filter(
            "subject_type = :subject",
            ":subject",
            filter.entity.map(EventEntity::as_str),
        );
        self.list(list, page).await
    }

    /// The events of a session, execution or source, oldest first.
    pub async fn events_of(&self, subject_id: i64) -> Result<Vec<Event>, StoreError> {
        self.many("subject_id = :subject", "id", params!["subject" = subject_id]).await
    }
}

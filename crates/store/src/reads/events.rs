//! Events.

use domain::decision::event::{Event, EventEntity, EventType};
use domain::kernel::ids::{EventId, MerchantId};

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::workspace::sql_value::params;

#[derive(Clone, Copy, Default, Debug)]
pub struct EventFilter {
    pub kind: Option<EventType>,
    pub entity: Option<EventEntity>,
    pub entity_id: Option<i64>,
}

impl Queries {
    pub async fn event(
        &self,
        merchant: MerchantId,
        id: EventId,
    ) -> Result<Option<Event>, StoreError> {
        self.one(
            "id = :id AND merchant_id = :merchant",
            &params!["id" = id.0, "merchant" = merchant.0],
        )
        .await
    }

    pub async fn events(
        &self,
        merchant: MerchantId,
        filter: EventFilter,
        page: Page,
    ) -> Result<PageOfRows<Event>, StoreError> {
        let list = match filter.entity_id {
            None => ListQuery::new("merchant_id = :merchant", merchant, vec![]),
            // The unary plus keeps SQLite from using the index of all the merchant's events.
            Some(id) => ListQuery::new(
                "subject_id = :subject_id AND +merchant_id = :merchant",
                merchant,
                params!["subject_id" = id],
            ),
        };
        let list = list.filter("type = :type", ":type", filter.kind.map(EventType::as_str)).filter(
            "subject_type = :subject",
            ":subject",
            filter.entity.map(EventEntity::as_str),
        );
        self.list(list, page).await
    }

    /// The events of a session, execution or source, oldest first.
    pub async fn events_of(
        &self,
        merchant: MerchantId,
        subject_id: i64,
    ) -> Result<Vec<Event>, StoreError> {
        let params = params!["subject" = subject_id, "merchant" = merchant.0];
        self.many("subject_id = :subject AND +merchant_id = :merchant", "id", &params).await
    }
}

//! Invoices and orders, with their items.

use domain::kernel::currency::Currency;
use domain::kernel::ids::SourceId;
use domain::sales::source::{Item, Source, SourceStatus, SourceType};

use crate::StoreError;
use crate::reads::of_merchant;
use crate::reads::pages::{ListQuery, Page, PageOfRows, comma_separated};
use crate::reads::scope::MerchantReads;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql_value::params;

#[derive(Clone, Default, Debug)]
pub struct SourceFilter {
    pub currency: Option<Currency>,
    pub status: Option<SourceStatus>,
    /// The merchant's own reference, in full.
    pub reference: Option<String>,
}

impl MerchantReads<'_> {
    /// An invoice or order.
    pub async fn source_by_id(&self, id: SourceId) -> Result<Option<Source>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    pub async fn source(
        &self,
        kind: SourceType,
        id: SourceId,
    ) -> Result<Option<Source>, StoreError> {
        let found: Option<Source> = self.one("id = :id", params!["id" = id.0]).await?;
        Ok(found.filter(|source| source.kind == kind))
    }

    pub async fn source_by_number(
        &self,
        kind: SourceType,
        number: &str,
    ) -> Result<Option<Source>, StoreError> {
        let params = params!["number" = number, "kind" = kind.as_str()];
        // The unique key begins with the merchant.
        self.one("merchant_id = :merchant AND type = :kind AND number = :number", params).await
    }

    pub async fn sources(
        &self,
        kind: SourceType,
        filter: SourceFilter,
        page: Page,
    ) -> Result<PageOfRows<Source>, StoreError> {
        let mut params = params!["kind" = kind.as_str()];
        let condition = match filter.reference {
            None => "type = :kind",
            Some(reference) => {
                params.extend(params!["reference" = reference]);
                "type = :kind AND reference_id = :reference"
            }
        };
        let list = ListQuery::by_merchant_and(condition, params)
            .filter(
                "currency = :currency",
                ":currency",
                filter.currency.map(|currency| currency.code().to_owned()),
            )
            .filter("status = :status", ":status", filter.status.map(SourceStatus::as_str));
        self.list(list, page).await
    }

    /// The types of these sources, as far as they are the merchant's, in no particular order.
    pub async fn source_types(
        &self,
        ids: &[SourceId],
    ) -> Result<Vec<(SourceId, SourceType)>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let condition = of_merchant(&format!("id IN {}", self.dialect().integers_of()));
        let sql = format!("SELECT id, type FROM sources WHERE {condition}");
        let params = params!["ids" = comma_separated(ids)];
        self.related_rows(ids.len(), sql, params, |row| {
            <(SourceId, SourceType) as Column>::read(&mut RowReader::new(row, "sources", 0))
        })
        .await
    }

    /// The items of a source that were not removed, oldest first. With `limit`, since sources of
    /// earlier versions may have any number of items.
    pub async fn items(
        &self,
        source: SourceId,
        limit: Option<u32>,
    ) -> Result<Vec<Item>, StoreError> {
        let params = params!["source" = source.0, "limit" = i64::from(limit.unwrap_or(u32::MAX))];
        self.many("source_id = :source AND removed = 0", "id LIMIT :limit", params).await
    }
}

//! What all lists share: pages, filters and their limits.
//!
//! A list shows the rows of one merchant, newest first. An index gives the rows in that order. A
//! condition that no index supports is a filter: for one page with filters at most
//! [`MAX_SCANNED_ROWS`] rows are scanned. Then the page ends with the rows found so far, even if
//! there are none, and says how far it scanned.
//!
//! A list may take some milliseconds. It is therefore never read on a thread that serves requests,
//! and only a limited number is read at the same time: reads and writes of single rows do not wait
//! for lists.

use std::sync::Arc;
use std::time::Duration;

use domain::kernel::ids::MerchantId;
use tokio::sync::OwnedSemaphorePermit;

use crate::StoreError;
use crate::reads::{Connections, Queries, of_merchant};
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql_value::{IntoSqlValue, Param, Params, ResultRow, params};
use crate::workspace::sqlite;

/// The most rows that are scanned for a page with filters.
pub const MAX_SCANNED_ROWS: i64 = 5_000;
/// A list that gets no permit for so long is refused.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(3);
/// So few related rows are read like a single row, without a permit.
const FEW_ROWS: usize = 16;

/// Which rows of a list: they are ordered by creation time and id, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// 1 to 1000.
    pub limit: u32,
    /// Continue after the row of this id.
    pub after_id: Option<i64>,
}

#[derive(Debug)]
pub struct PageOfRows<T> {
    pub rows: Vec<T>,
    /// The id of the last row that was scanned, if the scan ended at [`MAX_SCANNED_ROWS`]: the next
    /// page continues after it.
    pub scanned_to: Option<i64>,
}

impl<T> PageOfRows<T> {
    /// The id that the next page continues after, where there may be one.
    #[must_use]
    pub fn next_after(&self, limit: u32, id: impl Fn(&T) -> i64) -> Option<i64> {
        let is_full = u32::try_from(self.rows.len()).is_ok_and(|len| len >= limit);
        if is_full { self.rows.last().map(id) } else { self.scanned_to }
    }

    /// Each row as `convert` makes it.
    pub(super) fn map<U>(self, convert: impl Fn(T) -> U) -> PageOfRows<U> {
        PageOfRows {
            rows: self.rows.into_iter().map(convert).collect(),
            scanned_to: self.scanned_to,
        }
    }
}

/// The conditions of a list of one merchant's rows.
pub(super) struct ListQuery {
    /// Selects the rows by an index that has them in the order of the list.
    index: Index,
    index_params: Params<'static>,
    /// Conditions that no index supports.
    filters: Vec<String>,
    filter_params: Params<'static>,
    /// The column that orders the list; the id comes second.
    order: &'static str,
}

/// The index that has the rows of a list in its order.
enum Index {
    /// One that begins with the merchant.
    OfMerchant,
    /// One that begins with the merchant and with the columns of this condition.
    OfMerchantAnd(&'static str),
    /// One of the columns of this condition, without the merchant.
    Other(&'static str),
    /// One of the columns of this condition, for rows of all merchants or of none.
    OfAll(&'static str),
}

impl ListQuery {
    const fn new(index: Index, index_params: Params<'static>) -> Self {
        Self { index, index_params, filters: vec![], filter_params: vec![], order: "created_at" }
    }

    /// All of the merchant's rows.
    pub(super) const fn all() -> Self {
        Self::new(Index::OfMerchant, vec![])
    }

    /// Those of the merchant's rows that the condition selects, by an index on the merchant and the
    /// columns of the condition.
    pub(super) const fn by_merchant_and(condition: &'static str, params: Params<'static>) -> Self {
        Self::new(Index::OfMerchantAnd(condition), params)
    }

    /// Those of the merchant's rows that the condition selects, by an index on the columns of the
    /// condition alone.
    pub(super) const fn by(condition: &'static str, params: Params<'static>) -> Self {
        Self::new(Index::Other(condition), params)
    }

    /// The rows that the condition selects, whoever's they are.
    pub(super) const fn of_all(condition: &'static str, params: Params<'static>) -> Self {
        Self::new(Index::OfAll(condition), params)
    }

    /// Orders the list by another column than the creation time.
    pub(super) const fn ordered_by(mut self, column: &'static str) -> Self {
        self.order = column;
        self
    }

    /// Adds a filter if there is a value; the condition refers to the value by `name`.
    pub(super) fn filter<T: IntoSqlValue<'static>>(
        mut self,
        condition: &str,
        name: &'static str,
        value: Option<T>,
    ) -> Self {
        if let Some(value) = value {
            self.filters.push(condition.to_owned());
            self.filter_params.push(Param::new(name, value));
        }
        self
    }

    /// Adds a filter of several values.
    pub(super) fn filter_by(mut self, condition: String, params: Params<'static>) -> Self {
        self.filters.push(condition);
        self.filter_params.extend(params);
        self
    }

    /// The condition and parameters that select the list's rows after the page's cursor, without
    /// the filters. `merchant_id > 0` is always true; with it the databases may use the partial
    /// indexes that exist for lists only.
    fn after_cursor(
        &self,
        table: &str,
        merchant: MerchantId,
        page: &Page,
    ) -> (String, Params<'static>) {
        let rows = match self.index {
            Index::OfMerchant => format!("{table}.merchant_id = :merchant"),
            Index::OfMerchantAnd(condition) => {
                format!("{table}.merchant_id = :merchant AND {condition}")
            }
            // The unary plus keeps SQLite from using the index of all the merchant's rows.
            Index::Other(condition) => {
                format!("{condition} AND +{table}.merchant_id = :merchant")
            }
            Index::OfAll(condition) => condition.to_owned(),
        };
        let mut params = self.index_params.clone();
        let is_of_all = matches!(self.index, Index::OfAll(_));
        let (own, whose) = if is_of_all {
            (String::new(), "")
        } else {
            params.extend(params!["merchant" = merchant.0]);
            (format!(" AND {table}.merchant_id > 0"), " AND place.merchant_id = :merchant")
        };
        let order = self.order;
        let after = match page.after_id {
            None => String::new(),
            Some(id) => {
                params.extend(params!["after" = id]);
                format!(
                    " AND ({table}.{order}, {table}.id) < (SELECT place.{order}, place.id FROM {table} AS place \
                     WHERE place.id = :after{whose})"
                )
            }
        };
        (format!("{rows}{own}{after}"), params)
    }
}

impl Queries {
    pub(super) async fn list_permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let permit = Arc::clone(&self.list_permits).acquire_owned();
        let permit = tokio::time::timeout(PERMIT_TIMEOUT, permit).await;
        permit
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| StoreError::Pool("too many lists are being read".to_owned()))
    }

    /// Reads rows without blocking a thread that serves requests.
    pub(crate) async fn list_rows<T: Send + 'static>(
        &self,
        sql: String,
        params: Params<'static>,
        read_row: impl Fn(&dyn ResultRow) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        let Connections::Sqlite { lists, .. } = &self.connections else {
            return self.rows(&sql, &params, read_row).await;
        };
        #[cfg(any(test, feature = "testing"))]
        crate::reads::recorder::record(&sql, &params);
        let readers = Arc::clone(lists);
        let read = tokio::task::spawn_blocking(move || {
            let reader = readers.get()?;
            sqlite::read(&reader, &sql, &params, read_row)
        });
        read.await.map_err(|_| StoreError::Panicked)?
    }

    /// Reads what belongs to `count` rows: few are read like a single row, many like a list.
    pub(super) async fn related_rows<T: Send + 'static>(
        &self,
        count: usize,
        sql: String,
        params: Params<'static>,
        read_row: impl Fn(&dyn ResultRow) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        if count <= FEW_ROWS {
            return self.rows(&sql, &params, read_row).await;
        }
        let _permit = self.list_permit().await?;
        self.list_rows(sql, params, read_row).await
    }

    pub(super) async fn list<R: Record + Send + 'static>(
        &self,
        merchant: MerchantId,
        list: ListQuery,
        page: Page,
    ) -> Result<PageOfRows<R>, StoreError> {
        let select = format!("SELECT {} FROM {}", R::statements().columns, R::TABLE);
        self.list_joined::<R, R>(merchant, &select, list, page, |row| R::from_row(row, 0)).await
    }

    /// [`list_joined`](Self::list_joined) for a list [of all](ListQuery::of_all).
    pub(super) async fn list_of_all<R: Record + Send + 'static, T: Send + 'static>(
        &self,
        select: &str,
        list: ListQuery,
        page: Page,
        read_row: fn(&dyn ResultRow) -> Result<T, StoreError>,
    ) -> Result<PageOfRows<T>, StoreError> {
        self.list_joined::<R, T>(MerchantId::INSTALLATION, select, list, page, read_row).await
    }

    /// A page of rows of a table with what `select` joins to them. The cursor is a row and not an
    /// offset, so rows that are created between two pages do not shift the second one.
    pub(super) async fn list_joined<R: Record + Send + 'static, T: Send + 'static>(
        &self,
        merchant: MerchantId,
        select: &str,
        list: ListQuery,
        page: Page,
        read_row: fn(&dyn ResultRow) -> Result<T, StoreError>,
    ) -> Result<PageOfRows<T>, StoreError> {
        let _permit = self.list_permit().await?;
        let (table, order) = (R::TABLE, list.order);
        let end = if list.filters.is_empty() {
            None
        } else {
            self.scan_end::<R>(merchant, &list, &page).await?
        };
        let (mut condition, mut params) = list.after_cursor(table, merchant, &page);
        if let Some((created_at, id)) = end {
            condition
                .push_str(&format!(" AND ({table}.{order}, {table}.id) >= (:end_at, :end_id)"));
            params.extend(params!["end_at" = created_at, "end_id" = id]);
        }
        for filter in &list.filters {
            condition.push_str(&format!(" AND {filter}"));
        }
        params.extend(list.filter_params.iter().cloned());
        params.extend(params!["limit" = page.limit]);
        let sql = format!(
            "{select} WHERE {condition} ORDER BY {table}.{order} DESC, {table}.id DESC LIMIT :limit"
        );
        let rows = self.list_rows(sql, params, read_row).await?;
        if rows.is_empty() && end.is_none() {
            self.check_cursor::<R>(merchant, &list.index, &page).await?;
        }
        Ok(PageOfRows { rows, scanned_to: end.map(|(_, id)| id) })
    }

    /// Creation time and id of the last row that is scanned; `None` if the list ends before it.
    async fn scan_end<R: Record>(
        &self,
        merchant: MerchantId,
        list: &ListQuery,
        page: &Page,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let (table, order) = (R::TABLE, list.order);
        let (condition, mut params) = list.after_cursor(table, merchant, page);
        params.extend(params!["others" = MAX_SCANNED_ROWS - 1]);
        let sql = format!(
            "SELECT {order}, id FROM {table} WHERE {condition} ORDER BY {table}.{order} DESC, {table}.id DESC LIMIT 1 OFFSET :others"
        );
        let read_row = |row: &dyn ResultRow| {
            <(i64, i64) as Column>::read(&mut RowReader::new(row, R::TABLE, 0))
        };
        Ok(self.list_rows(sql, params, read_row).await?.pop())
    }

    /// A page without rows is the end of the list only if the row of its cursor exists.
    async fn check_cursor<R: Record>(
        &self,
        merchant: MerchantId,
        index: &Index,
        page: &Page,
    ) -> Result<(), StoreError> {
        let Some(id) = page.after_id else { return Ok(()) };
        let found: Option<R> = if matches!(index, Index::OfAll(_)) {
            self.one("id = :id", &params!["id" = id]).await?
        } else {
            let params = params!["id" = id, "merchant" = merchant.0];
            self.one(&of_merchant("id = :id"), &params).await?
        };
        found.map(|_| ()).ok_or(StoreError::UnknownCursor)
    }
}

/// Ids as one text, for [`crate::workspace::sql::Dialect::integers_of`].
pub(super) fn comma_separated(ids: &[impl ToString]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

//! Lists: a page of what a merchant has, newest first.
//!
//! Where a list is entered an index has its rows in their order. What no index knows is a filter:
//! for one page at most [`LOOKED_AT`] rows are looked at, then the page ends with what was found,
//! be it nothing, and says how far it looked.
//!
//! A list may take some milliseconds, so it is never read on a thread that serves requests, and
//! only so many at once (`Queries::lists`): whoever reads or writes a single row does not wait for
//! them.

use std::sync::Arc;
use std::time::Duration;

use domain::decision::event::{Event, EventEntity, EventType};
use domain::decision::workspace::IDS_PER_COMMAND;
use domain::directory::merchant::ApiKey;
use domain::directory::party::{Counterparty, Party, Relationship};
use domain::directory::payment_account::PaymentAccount;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{EventId, MerchantId, PartyId, SourceId};
use domain::kernel::names::{Method, Operation};
use domain::ledger::account::{AccountKind, Entry};
use domain::ledger::wallet::{OwnerType, Wallet};
use domain::payments::execution::Execution;
use domain::payments::session::{Session, SessionKind};
use domain::sales::source::{Source, SourceStatus, SourceType};
use tokio::sync::OwnedSemaphorePermit;

use crate::StoreError;
use crate::reads::queries::{Queries, Rows, counterparty_with_party, with_party};
use crate::workspace::record::{Column, Reader, Record};
use crate::workspace::sql::{Dialect, Params, Value, params};
use crate::workspace::sql_value::Found;
use crate::workspace::sqlite;

/// The most rows that are looked at for a page with a filter.
pub const LOOKED_AT: i64 = 5_000;
/// A list that does not come to its turn for so long is refused.
const WAIT: Duration = Duration::from_secs(3);
/// So few rows beside others are read at once.
const FEW: usize = 16;

/// Which part of a list: rows are ordered by creation time and id, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// At most so many rows, 1 to 1000.
    pub limit: u32,
    /// Continue after the row of this id.
    pub after_id: Option<i64>,
}

/// A page as it was found.
#[derive(Debug)]
pub struct Part<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// The last row that was looked at, where there are more behind it that were not.
    pub looked_to: Option<i64>,
}

/// Filters of a list of payment accounts.
#[derive(Clone, Copy, Default, Debug)]
pub struct AccountFilter {
    /// Only of this party.
    pub party: Option<PartyId>,
    /// Only of this method.
    pub method: Option<Method>,
    /// Only made for this.
    pub operation: Option<Operation>,
    /// Only those in use, or only those that are not.
    pub is_active: Option<bool>,
}

/// Filters of a list of wallets.
#[derive(Clone, Copy, Default, Debug)]
pub struct WalletFilter {
    /// Only of this party.
    pub party: Option<PartyId>,
    /// Only of such an owner.
    pub owner: Option<OwnerType>,
    /// Only in this currency.
    pub currency: Option<Currency>,
}

/// Filters of a list of events.
#[derive(Clone, Copy, Default, Debug)]
pub struct EventFilter {
    /// Only those of this type.
    pub kind: Option<EventType>,
    /// Only about this kind of thing.
    pub subject: Option<EventEntity>,
    /// Only about this one.
    pub subject_id: Option<i64>,
}

/// Filters of a list of invoices or orders.
#[derive(Clone, Default, Debug)]
pub struct SourceFilter {
    /// Only in this currency.
    pub currency: Option<Currency>,
    /// Only in this state.
    pub status: Option<SourceStatus>,
    /// Only with this reference of the merchant's own.
    pub reference: Option<String>,
}

/// What a list is of.
struct List {
    /// Where the index is entered.
    of: &'static str,
    /// The values of that.
    params: Params<'static>,
    /// What no index knows.
    filter: Vec<String>,
    /// The values of that.
    filter_params: Params<'static>,
}

impl List {
    fn new(of: &'static str, merchant: MerchantId, mut params: Params<'static>) -> Self {
        params.extend(params!["merchant" = merchant.0]);
        Self { of, params, filter: vec![], filter_params: vec![] }
    }

    /// Only rows for which this holds, where there is a value; its name stands in the condition.
    fn only<T: Into<Value<'static>>>(
        mut self,
        condition: &str,
        name: &'static str,
        value: Option<T>,
    ) -> Self {
        if let Some(value) = value {
            self.filter.push(condition.to_owned());
            self.filter_params.push((name, value.into()));
        }
        self
    }

    /// The condition of a table's rows at which the list is entered, after the row that the page
    /// continues after. That the merchant's id is above zero opens indexes to it that are for lists
    /// only.
    fn entered(&self, table: &str, page: &Page) -> (String, Params<'static>) {
        let mut params = self.params.clone();
        let after = match page.after_id {
            None => String::new(),
            Some(id) => {
                params.extend(params!["after" = id]);
                format!(
                    " AND ({table}.created_at, {table}.id) < (SELECT place.created_at, place.id FROM {table} AS place \
                     WHERE place.id = :after AND place.merchant_id = :merchant)"
                )
            }
        };
        (format!("{} AND {table}.merchant_id > 0{after}", self.of), params)
    }
}

impl Queries {
    /// Waits until a list may be read.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.lists).acquire_owned()).await;
        turn.ok()
            .and_then(Result::ok)
            .ok_or_else(|| StoreError::Pool("too many lists are being read".to_owned()))
    }

    /// Reads rows without keeping a thread that serves requests.
    pub(crate) async fn rows_apart<T: Send + 'static>(
        &self,
        sql: String,
        params: Params<'static>,
        take: impl Fn(&dyn Found) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        let Rows::Sqlite { apart, .. } = &self.rows else {
            return self.rows(&sql, &params, take).await;
        };
        #[cfg(any(test, feature = "testing"))]
        crate::testing::note(&sql, &params);
        let readers = Arc::clone(apart);
        let read = tokio::task::spawn_blocking(move || {
            let reader = readers.get()?;
            sqlite::read(&reader, &sql, &params, take)
        });
        read.await.map_err(|_| StoreError::Panicked)?
    }

    /// Reads what belongs to so many rows: at once, where they are few.
    async fn rows_beside<T: Send + 'static>(
        &self,
        count: usize,
        sql: String,
        params: Params<'static>,
        take: impl Fn(&dyn Found) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        if count <= FEW {
            return self.rows(&sql, &params, take).await;
        }
        let _turn = self.turn().await?;
        self.rows_apart(sql, params, take).await
    }

    async fn list<R: Record + Send + 'static>(
        &self,
        list: List,
        page: Page,
    ) -> Result<Part<R>, StoreError> {
        let select = format!("SELECT {} FROM {}", R::statements().columns, R::TABLE);
        self.list_of::<R, R>(&select, list, page, |row| R::from_row(row, 0)).await
    }

    /// A page of rows of a table with what `select` joins to them. The row to continue after gives
    /// the place, so that rows created meanwhile move nothing.
    async fn list_of<R: Record + Send + 'static, T: Send + 'static>(
        &self,
        select: &str,
        list: List,
        page: Page,
        take: fn(&dyn Found) -> Result<T, StoreError>,
    ) -> Result<Part<T>, StoreError> {
        let _turn = self.turn().await?;
        let table = R::TABLE;
        let end =
            if list.filter.is_empty() { None } else { self.end_of_look::<R>(&list, &page).await? };
        let (mut condition, mut params) = list.entered(table, &page);
        if let Some((created_at, id)) = end {
            condition
                .push_str(&format!(" AND ({table}.created_at, {table}.id) >= (:end_at, :end_id)"));
            params.extend(params!["end_at" = created_at, "end_id" = id]);
        }
        for filter in &list.filter {
            condition.push_str(&format!(" AND {filter}"));
        }
        params.extend(list.filter_params);
        params.extend(params!["limit" = page.limit]);
        let sql = format!(
            "{select} WHERE {condition} ORDER BY {table}.created_at DESC, {table}.id DESC LIMIT :limit"
        );
        let rows = self.rows_apart(sql, params, take).await?;
        if rows.is_empty() && end.is_none() {
            self.ended::<R>(&page, &list.params).await?;
        }
        Ok(Part { rows, looked_to: end.map(|(_, id)| id) })
    }

    /// Time and id of the last row that is looked at; `None` where the list ends before.
    async fn end_of_look<R: Record>(
        &self,
        list: &List,
        page: &Page,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let table = R::TABLE;
        let (condition, mut params) = list.entered(table, page);
        params.extend(params!["others" = LOOKED_AT - 1]);
        let sql = format!(
            "SELECT created_at, id FROM {table} WHERE {condition} ORDER BY {table}.created_at DESC, {table}.id DESC LIMIT 1 OFFSET :others"
        );
        let take =
            |row: &dyn Found| <(i64, i64) as Column>::take(&mut Reader::new(row, R::TABLE, 0));
        Ok(self.rows_apart(sql, params, take).await?.pop())
    }

    /// A page without rows is the end of the list, where the row that it continues after is there.
    async fn ended<R: Record>(&self, page: &Page, of: &Params<'static>) -> Result<(), StoreError> {
        let Some(id) = page.after_id else { return Ok(()) };
        let mut place = params!["id" = id];
        place.extend(of.iter().filter(|(name, _)| *name == ":merchant").cloned());
        let found: Option<R> = self.one("id = :id AND merchant_id = :merchant", &place).await?;
        found.map(|_| ()).ok_or(StoreError::NoPlace)
    }

    /// The condition that a party's name contains the text `:fullname`.
    fn name_filter(&self) -> String {
        format!("parties.fullname {} :fullname ESCAPE '\\'", self.dialect().like())
    }

    /// This merchant's parties whose name contains `fullname`, whatever the case.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn parties(
        &self,
        merchant: MerchantId,
        fullname: Option<&str>,
        page: Page,
    ) -> Result<Part<Party>, StoreError> {
        let list = List::new("merchant_id = :merchant", merchant, vec![]);
        self.list(list.only(&self.name_filter(), ":fullname", fullname.map(contains)), page).await
    }

    /// This merchant's counterparties, with their parties.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn counterparties(
        &self,
        merchant: MerchantId,
        fullname: Option<&str>,
        relationship: Option<Relationship>,
        page: Page,
    ) -> Result<Part<(Counterparty, Option<Party>)>, StoreError> {
        let list = List::new("counterparties.merchant_id = :merchant", merchant, vec![])
            .only(&self.name_filter(), ":fullname", fullname.map(contains))
            .only(
                "relationship_type = :relationship",
                ":relationship",
                relationship.map(Relationship::as_str),
            );
        self.list_of::<Counterparty, _>(&with_party(), list, page, counterparty_with_party).await
    }

    /// This merchant's payment accounts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn payment_accounts(
        &self,
        merchant: MerchantId,
        filter: AccountFilter,
        page: Page,
    ) -> Result<Part<PaymentAccount>, StoreError> {
        let list = match filter.party {
            None => List::new("merchant_id = :merchant", merchant, vec![]),
            // A party's are found by its own index: `+` keeps the merchant's, which gives the same
            // order, from being chosen.
            Some(party) => List::new(
                "party_id = :party AND +merchant_id = :merchant",
                merchant,
                params!["party" = party.0],
            ),
        };
        let list = list
            .only("method = :method", ":method", filter.method.map(Method::as_str))
            .only(
                "operation_type = :operation",
                ":operation",
                filter.operation.map(Operation::as_str),
            )
            .only("is_active = :active", ":active", filter.is_active);
        self.list(list, page).await
    }

    /// This merchant's API keys, revoked ones too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn api_keys(
        &self,
        merchant: MerchantId,
        page: Page,
    ) -> Result<Part<ApiKey>, StoreError> {
        self.list(List::new("merchant_id = :merchant", merchant, vec![]), page).await
    }

    /// This merchant's invoices or orders.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sources(
        &self,
        merchant: MerchantId,
        kind: SourceType,
        filter: SourceFilter,
        page: Page,
    ) -> Result<Part<Source>, StoreError> {
        let mut params = params!["kind" = kind.as_str()];
        let of = match filter.reference {
            None => "merchant_id = :merchant AND type = :kind",
            Some(reference) => {
                params.extend(params!["reference" = reference]);
                "merchant_id = :merchant AND type = :kind AND reference_id = :reference"
            }
        };
        let list = List::new(of, merchant, params)
            .only(
                "currency = :currency",
                ":currency",
                filter.currency.map(|currency| currency.code().to_owned()),
            )
            .only("status = :status", ":status", filter.status.map(SourceStatus::as_str));
        self.list(list, page).await
    }

    /// Which of these sources of this merchant is what, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn source_types(
        &self,
        merchant: MerchantId,
        ids: &[SourceId],
    ) -> Result<Vec<(SourceId, SourceType)>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        // The plus keeps SQLite from walking all sources of the merchant instead of these few.
        let condition =
            format!("id IN {} AND +merchant_id = :merchant", self.dialect().integers_of());
        let sql = format!("SELECT id, type FROM sources WHERE {condition}");
        let params = params!["ids" = joined(ids), "merchant" = merchant.0];
        self.rows_beside(ids.len(), sql, params, |row| {
            <(SourceId, SourceType) as Column>::take(&mut Reader::new(row, "sources", 0))
        })
        .await
    }

    /// This merchant's sessions of that kind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions(
        &self,
        merchant: MerchantId,
        kind: SessionKind,
        page: Page,
    ) -> Result<Part<Session>, StoreError> {
        let kind = params!["kind" = kind.as_str()];
        self.list(List::new("merchant_id = :merchant AND kind = :kind", merchant, kind), page).await
    }

    /// This merchant's executions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn executions(
        &self,
        merchant: MerchantId,
        page: Page,
    ) -> Result<Part<Execution>, StoreError> {
        self.list(List::new("merchant_id = :merchant", merchant, vec![]), page).await
    }

    /// This merchant's events.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(
        &self,
        merchant: MerchantId,
        filter: EventFilter,
        page: Page,
    ) -> Result<Part<Event>, StoreError> {
        let list = match filter.subject_id {
            None => List::new("merchant_id = :merchant", merchant, vec![]),
            // The plus keeps SQLite from walking all events of the merchant instead of the
            // subject's few.
            Some(id) => List::new(
                "subject_id = :subject_id AND +merchant_id = :merchant",
                merchant,
                params!["subject_id" = id],
            ),
        };
        let list = list.only("type = :type", ":type", filter.kind.map(EventType::as_str)).only(
            "subject_type = :subject",
            ":subject",
            filter.subject.map(EventEntity::as_str),
        );
        self.list(list, page).await
    }

    /// The entries of these transactions on this merchant's wallets and accounts, in the order of
    /// their ids, with the kind of a system account. Those of one were written by one command,
    /// whose ids are contiguous, so no index is needed to find them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn entries_of(
        &self,
        merchant: MerchantId,
        transactions: &[EventId],
    ) -> Result<Vec<(Entry, Option<AccountKind>)>, StoreError> {
        if transactions.is_empty() {
            return Ok(vec![]);
        }
        let each = match self.dialect() {
            Dialect::Sqlite => {
                "json_each('[' || :ids || ']') AS wanted CROSS JOIN entries ON entries.id > wanted.value \
                 AND entries.id < wanted.value + :ids_per_command AND entries.transaction_id = wanted.value"
            }
            // The limit keeps the planner from reading all entries and looking for the transactions
            // in them.
            Dialect::Postgres => {
                "unnest(string_to_array(:ids, ',')::bigint[]) AS wanted (value) CROSS JOIN LATERAL \
                 (SELECT * FROM entries WHERE id > wanted.value AND id < wanted.value + :ids_per_command \
                 AND transaction_id = wanted.value ORDER BY id LIMIT :ids_per_command) AS entries"
            }
        };
        let sql = format!(
            "SELECT {}, accounts.kind FROM {each} LEFT JOIN accounts \
             ON entries.bucket = 'SYSTEM' AND accounts.id = entries.account_id WHERE entries.merchant_id = :merchant",
            Entry::statements().columns
        );
        let params = params![
            "ids" = joined(transactions),
            "ids_per_command" = IDS_PER_COMMAND,
            "merchant" = merchant.0
        ];
        let take = |row: &dyn Found| {
            let kind = <Option<AccountKind> as Column>::take(&mut Reader::new(
                row,
                Entry::TABLE,
                Entry::WIDTH,
            ))?;
            Ok((Entry::from_row(row, 0)?, kind))
        };
        let mut found = self.rows_beside(transactions.len(), sql, params, take).await?;
        found.sort_unstable_by_key(|(entry, _)| entry.id);
        Ok(found)
    }

    /// This merchant's wallets, or those of one of its parties.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wallets(
        &self,
        merchant: MerchantId,
        filter: WalletFilter,
        page: Page,
    ) -> Result<Part<Wallet>, StoreError> {
        let all = || List::new("merchant_id = :merchant", merchant, vec![]);
        let owned = |of, id: i64| List::new(of, merchant, params!["owner" = id]);
        let list = match (filter.party, filter.owner) {
            (None, None) => all(),
            // The merchant's own, which these are not, are few.
            (None, Some(owner @ OwnerType::Party)) => {
                all().only("owner_type = :type", ":type", Some(owner.as_str()))
            }
            // It has few, and its parties may have very many.
            (None, Some(OwnerType::Merchant)) => owned(
                "owner_type = 'MERCHANT' AND owner_id = :owner AND merchant_id = :merchant",
                merchant.0,
            ),
            (Some(_), Some(OwnerType::Merchant)) => {
                return Ok(Part { rows: vec![], looked_to: None });
            }
            (Some(party), None | Some(OwnerType::Party)) => owned(
                "owner_type = 'PARTY' AND owner_id = :owner AND merchant_id = :merchant",
                party.0,
            ),
        };
        let currency = filter.currency.map(|currency| currency.code().to_owned());
        self.list(list.only("currency = :currency", ":currency", currency), page).await
    }

    /// A wallet's entries, newest first: each knows the one before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wallet_entries(
        &self,
        wallet: &Wallet,
        page: Page,
    ) -> Result<Part<Entry>, StoreError> {
        let _turn = self.turn().await?;
        let start = match page.after_id {
            None => wallet.last_entry_id,
            Some(id) => {
                let params = params!["id" = id, "wallet" = wallet.id.0];
                let place = self.one::<Entry>("id = :id AND account_id = :wallet", &params).await?;
                place.ok_or(StoreError::NoPlace)?.previous_entry_id
            }
        };
        let sql = format!(
            "WITH RECURSIVE chain(id, depth) AS (SELECT :start, 1 UNION ALL \
             SELECT entries.previous_entry_id, depth + 1 FROM chain JOIN entries ON entries.id = chain.id \
             WHERE depth < :limit AND entries.previous_entry_id IS NOT NULL) \
             SELECT {} FROM chain JOIN entries ON entries.id = chain.id ORDER BY depth",
            Entry::statements().columns
        );
        let params = params!["start" = start.map(|entry| entry.0), "limit" = page.limit];
        Ok(Part {
            rows: self.rows_apart(sql, params, |row| Entry::from_row(row, 0)).await?,
            looked_to: None,
        })
    }
}

/// Ids as one text: what [`Dialect::integers_of`] takes.
fn joined(ids: &[impl ToString]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A LIKE pattern for texts that contain `part` literally.
fn contains(part: &str) -> String {
    let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

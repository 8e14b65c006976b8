//! Reading, for routes that change nothing. A read sees what was committed before it began.
//!
//! On SQLite a read is some microseconds on a connection of the pool, so it is made where it is asked for. A statement is
//! written once, in what both databases understand; its names become places on PostgreSQL.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use domain::account::PaymentAccount;
use domain::book::Book;
use domain::checkout::CheckoutConfig;
use domain::currency::Currency;
use domain::event::{Event, EventType, Subject};
use domain::execution::Execution;
use domain::ids::{ApiKeyId, CounterpartyId, EventId, ExecutionId, MerchantId, PartyId, SessionId, SourceId, WalletId};
use domain::ledger::{AccountKind, Entry};
use domain::merchant::{ApiKey, Merchant};
use domain::names::{Method, Operation};
use domain::party::{Counterparty, Party, Relationship};
use domain::review::Review;
use domain::session::{Session, SessionKind};
use domain::source::{Item, Source, SourceStatus, SourceType};
use domain::time::Timestamp;
use domain::wallet::{OwnerType, Wallet};
use domain::world::IDS_PER_COMMAND;

use super::cell::Found;
use super::installation::SigningKey;
use super::postgres::Address;
use super::postgres::readers::PostgresReaders;
use super::record::{Column, Reader, Record};
use super::sql::{Dialect, OwnedRow, Params, integer, params};
use super::sqlite::{self, Readers};
use super::{StoreError, book, installation};

/// Which part of a list: rows are ordered by creation time and id, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// At most so many rows, 1 to 1000.
    pub limit: u32,
    /// Continue after the row of this id.
    pub after_id: Option<i64>,
}

impl Page {
    /// The parameters that [`after`] and a limit need.
    fn put(&self, params: &mut Params<'_>) {
        if self.after_id.is_some() {
            params.push((":after", self.after_id.into()));
        }
        params.push((":limit", self.limit.into()));
    }
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
    pub subject: Option<Subject>,
    /// Only about this one.
    pub subject_id: Option<i64>,
}

/// Filters of a list of invoices or orders.
#[derive(Clone, Copy, Default, Debug)]
pub struct SourceFilter {
    /// Only in this currency.
    pub currency: Option<Currency>,
    /// Only in this state.
    pub status: Option<SourceStatus>,
}

/// A reader. Cheap to clone.
#[derive(Clone)]
pub struct Queries {
    rows: Rows,
    book: Arc<RwLock<Arc<Book>>>,
}

/// Where rows are read.
#[derive(Clone)]
enum Rows {
    Sqlite(Arc<Readers>),
    Postgres(PostgresReaders),
}

impl Queries {
    /// `count` readers of a database file.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn sqlite(path: &Path, count: usize) -> Result<Self, StoreError> {
        // Version 0 is no book's: the first question reads it.
        Ok(Self { rows: Rows::Sqlite(Arc::new(Readers::open(path, count)?)), book: Arc::default() })
    }

    /// At most `count` connections to a server. Within a runtime.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn postgres(address: &Address, count: usize) -> Result<Self, StoreError> {
        Ok(Self { rows: Rows::Postgres(PostgresReaders::open(address, count)?), book: Arc::default() })
    }

    const fn dialect(&self) -> Dialect {
        match self.rows {
            Rows::Sqlite(_) => Dialect::Sqlite,
            Rows::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn rows<T>(
        &self,
        sql: &str,
        params: &Params<'_>,
        take: impl Fn(&dyn Found) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        #[cfg(test)]
        super::tests::note(sql, params);
        match &self.rows {
            Rows::Sqlite(readers) => sqlite::read(&*readers.get()?, sql, params, take),
            Rows::Postgres(readers) => readers.rows(sql, params).await?.iter().map(|row| take(row)).collect(),
        }
    }

    async fn one<R: Record>(&self, condition: &str, params: &Params<'_>) -> Result<Option<R>, StoreError> {
        let sql = format!("SELECT {} FROM {} WHERE {condition} LIMIT 1", R::statements().columns, R::TABLE);
        Ok(self.rows(&sql, params, |row| R::from_row(row, 0)).await?.pop())
    }

    async fn many<R: Record>(&self, condition: &str, order: &str, params: &Params<'_>) -> Result<Vec<R>, StoreError> {
        let sql = format!("SELECT {} FROM {} WHERE {condition} ORDER BY {order}", R::statements().columns, R::TABLE);
        self.rows(&sql, params, |row| R::from_row(row, 0)).await
    }

    /// A page of a list. The row to continue after gives the place, so that rows created meanwhile move nothing. That the
    /// merchant's id is above zero opens indexes to it that are for lists only.
    async fn page<R: Record>(&self, condition: &str, page: &Page, mut params: Params<'_>) -> Result<Vec<R>, StoreError> {
        let table = R::TABLE;
        let sql = format!(
            "SELECT {columns} FROM {table} WHERE {condition} AND {table}.merchant_id > 0 AND {after} ORDER BY {table}.created_at DESC, {table}.id DESC LIMIT :limit",
            columns = R::statements().columns,
            after = after(table, page),
        );
        page.put(&mut params);
        let rows = self.rows(&sql, &params, |row| R::from_row(row, 0)).await?;
        self.ended::<R>(rows.is_empty(), page, &params).await?;
        Ok(rows)
    }

    /// A page without rows is the end of the list, where the row that it continues after is there.
    async fn ended<R: Record>(&self, is_empty: bool, page: &Page, params: &Params<'_>) -> Result<(), StoreError> {
        let Some(id) = page.after_id.filter(|_| is_empty) else { return Ok(()) };
        let mut place = params!["id" = id];
        place.extend(params.iter().filter(|(name, _)| *name == ":merchant").cloned());
        let found: Option<R> = self.one("id = :id AND merchant_id = :merchant", &place).await?;
        found.map(|_| ()).ok_or(StoreError::NoPlace)
    }

    /// The condition that a name contains a text; it holds for every row when its parameter is null.
    fn name_filter(&self) -> String {
        format!("(:fullname IS NULL OR parties.fullname {} :fullname ESCAPE '\\')", self.dialect().like())
    }

    /// The API key of that client id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn api_key(&self, client_id: &str) -> Result<Option<ApiKey>, StoreError> {
        self.one("client_id = :client", &params!["client" = client_id]).await
    }

    /// The API key of that id with its merchant: one read a request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenant(&self, id: ApiKeyId) -> Result<Option<(ApiKey, Merchant)>, StoreError> {
        if let Rows::Postgres(readers) = &self.rows {
            return readers.tenant(id).await;
        }
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            format!(
                "SELECT {}, {} FROM api_keys JOIN merchants ON merchants.id = api_keys.merchant_id WHERE api_keys.id = :id",
                ApiKey::statements().columns,
                Merchant::statements().columns
            )
        });
        let take = |row: &dyn Found| Ok((ApiKey::from_row(row, 0)?, Merchant::from_row(row, ApiKey::WIDTH)?));
        Ok(self.rows(&SQL, &params!["id" = id.0], take).await?.pop())
    }

    /// The book as it is now: the same rows that executions are decided by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn book(&self) -> Result<Arc<Book>, StoreError> {
        let known = Arc::clone(&self.book.read().unwrap_or_else(PoisonError::into_inner));
        if self.rows(book::VERSION, &vec![], integer).await? == [known.version] {
            return Ok(known);
        }
        let new = Arc::new(self.read_book().await?);
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        Ok(new)
    }

    /// The version is read first: what is changed while the tables are read is read again at the next question.
    async fn read_book(&self) -> Result<Book, StoreError> {
        match &self.rows {
            Rows::Sqlite(readers) => sqlite::read_book(&*readers.get()?),
            Rows::Postgres(readers) => {
                let mut tables = Vec::with_capacity(book::QUERIES.len());
                for sql in book::QUERIES {
                    let rows = readers.rows(sql, &vec![]).await?;
                    tables.push(rows.iter().map(|row| OwnedRow::read(row, row.len())).collect::<Result<_, _>>()?);
                }
                book::build(&tables)
            }
        }
    }

    /// The page of a source.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page_of(&self, source: SourceId) -> Result<Option<CheckoutConfig>, StoreError> {
        self.one("source_id = :source", &params!["source" = source.0]).await
    }

    /// The page under a token, with its merchant and its invoice or order. Who has the token needs no other right.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page_by_token(&self, token: &str) -> Result<Option<(CheckoutConfig, Merchant, Source)>, StoreError> {
        let page: Option<CheckoutConfig> = self.one("token = :token", &params!["token" = token]).await?;
        let Some(page) = page else { return Ok(None) };
        let merchant = self.merchant(page.merchant_id).await?;
        let source: Option<Source> = self.one("id = :id", &params!["id" = page.source_id.0]).await?;
        Ok(merchant.zip(source).map(|(merchant, source)| (page, merchant, source)))
    }

    /// A merchant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn merchant(&self, id: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.one("id = :id", &params!["id" = id.0]).await
    }

    /// This merchant's party.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn party(&self, merchant: MerchantId, id: PartyId) -> Result<Option<Party>, StoreError> {
        self.one("id = :id AND merchant_id = :merchant", &params!["id" = id.0, "merchant" = merchant.0]).await
    }

    /// This merchant's parties whose name contains `fullname`, whatever the case.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn parties(&self, merchant: MerchantId, fullname: Option<&str>, page: Page) -> Result<Vec<Party>, StoreError> {
        let fullname = fullname.map(contains);
        let params = params!["merchant" = merchant.0, "fullname" = fullname];
        self.page(&format!("merchant_id = :merchant AND {}", self.name_filter()), &page, params).await
    }

    /// This merchant's counterparty with its party.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn counterparty(
        &self,
        merchant: MerchantId,
        id: CounterpartyId,
    ) -> Result<Option<(Counterparty, Option<Party>)>, StoreError> {
        let sql = with_party("counterparties.id = :id AND counterparties.merchant_id = :merchant");
        Ok(self.rows(&sql, &params!["id" = id.0, "merchant" = merchant.0], counterparty_with_party).await?.pop())
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
    ) -> Result<Vec<(Counterparty, Option<Party>)>, StoreError> {
        let table = "counterparties";
        let sql = with_party(&format!(
            "{table}.merchant_id = :merchant AND {filter} \
             AND (:relationship IS NULL OR {table}.relationship_type = :relationship) AND {after} \
             ORDER BY {table}.created_at DESC, {table}.id DESC LIMIT :limit",
            filter = self.name_filter(),
            after = after(table, &page),
        ));
        let (fullname, relationship) = (fullname.map(contains), relationship.map(Relationship::as_str));
        let mut params = params!["merchant" = merchant.0, "fullname" = fullname, "relationship" = relationship];
        page.put(&mut params);
        let rows = self.rows(&sql, &params, counterparty_with_party).await?;
        self.ended::<Counterparty>(rows.is_empty(), &page, &params).await?;
        Ok(rows)
    }

    /// This merchant's payment account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn payment_account(&self, merchant: MerchantId, id: i64) -> Result<Option<PaymentAccount>, StoreError> {
        self.one("id = :id AND merchant_id = :merchant", &params!["id" = id, "merchant" = merchant.0]).await
    }

    /// Merchants in the order of their ids, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn merchants_after(&self, last: MerchantId, limit: u32) -> Result<Vec<Merchant>, StoreError> {
        self.many("id > :last", "id LIMIT :limit", &params!["last" = last.0, "limit" = limit]).await
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
    ) -> Result<Vec<PaymentAccount>, StoreError> {
        let party = filter.party.map(|party| party.0);
        let (method, operation) = (filter.method.map(Method::as_str), filter.operation.map(Operation::as_str));
        // A party's are found by its own index: `+` keeps the merchant's, which gives the same order, from being chosen.
        let whose = if party.is_some() { "party_id = :party AND +merchant_id = :merchant" } else { "merchant_id = :merchant" };
        let condition = format!(
            "{whose} AND (:method IS NULL OR method = :method) AND (:operation IS NULL OR operation_type = :operation) \
             AND (:active IS NULL OR is_active = :active)"
        );
        let mut params =
            params!["merchant" = merchant.0, "method" = method, "operation" = operation, "active" = filter.is_active,];
        if let Some(party) = party {
            params.extend(params!["party" = party]);
        }
        self.page(&condition, &page, params).await
    }

    /// This merchant's API keys, revoked ones too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn api_keys(&self, merchant: MerchantId, page: Page) -> Result<Vec<ApiKey>, StoreError> {
        self.page("merchant_id = :merchant", &page, params!["merchant" = merchant.0]).await
    }

    /// This merchant's invoice or order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn source(&self, merchant: MerchantId, kind: SourceType, id: SourceId) -> Result<Option<Source>, StoreError> {
        let params = params!["id" = id.0, "merchant" = merchant.0];
        let found: Option<Source> = self.one("id = :id AND merchant_id = :merchant", &params).await?;
        Ok(found.filter(|source| source.kind == kind))
    }

    /// The same by its number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn source_by_number(
        &self,
        merchant: MerchantId,
        kind: SourceType,
        number: &str,
    ) -> Result<Option<Source>, StoreError> {
        let kind = kind.as_str();
        let params = params!["number" = number, "kind" = kind, "merchant" = merchant.0];
        self.one("merchant_id = :merchant AND type = :kind AND number = :number", &params).await
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
    ) -> Result<Vec<Source>, StoreError> {
        let (kind, status) = (kind.as_str(), filter.status.map(SourceStatus::as_str));
        let currency = filter.currency.map(|currency| currency.code().to_owned());
        let condition = "merchant_id = :merchant AND type = :kind AND (:currency IS NULL OR currency = :currency) \
                         AND (:status IS NULL OR status = :status)";
        let params = params!["merchant" = merchant.0, "kind" = kind, "currency" = currency, "status" = status];
        self.page(condition, &page, params).await
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
        let list: Vec<String> = ids.iter().map(SourceId::to_string).collect();
        // The plus keeps SQLite from walking all sources of the merchant instead of these few.
        let condition = format!("id IN {} AND +merchant_id = :merchant", self.dialect().integers_of());
        let sql = format!("SELECT id, type FROM sources WHERE {condition}");
        self.rows(&sql, &params!["ids" = list.join(","), "merchant" = merchant.0], |row| {
            <(SourceId, SourceType) as Column>::take(&mut Reader::new(row, "sources", 0))
        })
        .await
    }

    /// The items of a source, without those taken out, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn items(&self, source: SourceId) -> Result<Vec<Item>, StoreError> {
        self.many("source_id = :source AND removed = 0", "id", &params!["source" = source.0]).await
    }

    /// The completed collection of a source.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collection_of(&self, source: SourceId) -> Result<Option<Execution>, StoreError> {
        self.one("source_id = :source AND status = 'COMPLETED'", &params!["source" = source.0]).await
    }

    /// This merchant's session of that kind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(&self, merchant: MerchantId, kind: SessionKind, id: SessionId) -> Result<Option<Session>, StoreError> {
        let found: Option<Session> = self.one("id = :id", &params!["id" = id.0]).await?;
        Ok(found.filter(|session| session.merchant_id == merchant && session.kind == kind))
    }

    /// This merchant's sessions of that kind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions(&self, merchant: MerchantId, kind: SessionKind, page: Page) -> Result<Vec<Session>, StoreError> {
        let kind = kind.as_str();
        self.page("merchant_id = :merchant AND kind = :kind", &page, params!["merchant" = merchant.0, "kind" = kind]).await
    }

    /// This merchant's execution of that operation under that reference.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn execution_by_reference(
        &self,
        merchant: MerchantId,
        operation: Operation,
        reference: &str,
    ) -> Result<Option<Execution>, StoreError> {
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            format!(
                "SELECT {} FROM executions WHERE merchant_id = :merchant AND reference_id = :reference",
                Execution::statements().columns
            )
        });
        let params = params!["merchant" = merchant.0, "reference" = reference];
        let found = self.rows(&SQL, &params, |row| Execution::from_row(row, 0)).await?.pop();
        Ok(found.filter(|execution| execution.operation == operation))
    }

    /// This merchant's execution.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn execution(&self, merchant: MerchantId, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
        let found: Option<Execution> = self.one("id = :id", &params!["id" = id.0]).await?;
        Ok(found.filter(|execution| execution.merchant_id == merchant))
    }

    /// This merchant's executions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn executions(&self, merchant: MerchantId, page: Page) -> Result<Vec<Execution>, StoreError> {
        self.page("merchant_id = :merchant", &page, params!["merchant" = merchant.0]).await
    }

    /// The events of a session, execution or source, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events_of(&self, merchant: MerchantId, subject_id: i64) -> Result<Vec<Event>, StoreError> {
        let params = params!["subject" = subject_id, "merchant" = merchant.0];
        self.many("subject_id = :subject AND +merchant_id = :merchant", "id", &params).await
    }

    /// This merchant's event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn event(&self, merchant: MerchantId, id: EventId) -> Result<Option<Event>, StoreError> {
        self.one("id = :id AND merchant_id = :merchant", &params!["id" = id.0, "merchant" = merchant.0]).await
    }

    /// This merchant's events.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(&self, merchant: MerchantId, filter: EventFilter, page: Page) -> Result<Vec<Event>, StoreError> {
        let (kind, subject) = (filter.kind.map(EventType::as_str), filter.subject.map(Subject::as_str));
        let condition = "merchant_id = :merchant AND (:type IS NULL OR type = :type) \
                         AND (:subject IS NULL OR subject_type = :subject)";
        let mut params = params!["merchant" = merchant.0, "type" = kind, "subject" = subject];
        match &filter.subject_id {
            None => self.page(condition, &page, params).await,
            Some(id) => {
                params.push((":subject_id", (*id).into()));
                // The plus keeps SQLite from walking all events of the merchant instead of the subject's few.
                self.page(&format!("subject_id = :subject_id AND +{condition}"), &page, params).await
            }
        }
    }

    /// The entries of a transaction on this merchant's wallets and accounts, with the kind of a system account. They were
    /// written by one command, whose ids are contiguous, so no index is needed to find them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn entries_of(
        &self,
        merchant: MerchantId,
        transaction: EventId,
    ) -> Result<Vec<(Entry, Option<AccountKind>)>, StoreError> {
        let end = transaction.0.saturating_add(IDS_PER_COMMAND);
        let params = params!["event" = transaction.0, "end" = end, "merchant" = merchant.0];
        let sql = format!(
            "SELECT {}, accounts.kind FROM entries LEFT JOIN accounts \
             ON entries.bucket = 'SYSTEM' AND accounts.id = entries.account_id \
             WHERE entries.id > :event AND entries.id < :end AND transaction_id = :event AND entries.merchant_id = :merchant \
             ORDER BY entries.id",
            Entry::statements().columns
        );
        self.rows(&sql, &params, |row| {
            let kind = <Option<AccountKind> as Column>::take(&mut Reader::new(row, Entry::TABLE, Entry::WIDTH))?;
            Ok((Entry::from_row(row, 0)?, kind))
        })
        .await
    }

    /// This merchant's wallet, its own or a party's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wallet(&self, merchant: MerchantId, id: WalletId) -> Result<Option<Wallet>, StoreError> {
        let found: Option<Wallet> = self.one("id = :id", &params!["id" = id.0]).await?;
        Ok(found.filter(|wallet| wallet.merchant_id == merchant))
    }

    /// This merchant's wallets, or those of one of its parties.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wallets(&self, merchant: MerchantId, filter: WalletFilter, page: Page) -> Result<Vec<Wallet>, StoreError> {
        let mut params = params!["merchant" = merchant.0];
        let (owner, condition) = match (filter.party, filter.owner) {
            (None, None) => (None, "merchant_id = :merchant"),
            (None, Some(OwnerType::Party)) => (None, "merchant_id = :merchant AND owner_type = 'PARTY'"),
            // It has few, and its parties may have very many.
            (None, Some(OwnerType::Merchant)) => {
                (Some(merchant.0), "owner_type = 'MERCHANT' AND owner_id = :owner AND merchant_id = :merchant")
            }
            (Some(_), Some(OwnerType::Merchant)) => return Ok(vec![]),
            (Some(party), None | Some(OwnerType::Party)) => {
                (Some(party.0), "owner_type = 'PARTY' AND owner_id = :owner AND merchant_id = :merchant")
            }
        };
        if let Some(owner) = owner {
            params.push((":owner", owner.into()));
        }
        let Some(currency) = filter.currency else { return self.page(condition, &page, params).await };
        params.push((":currency", currency.code().into()));
        self.page(&format!("{condition} AND currency = :currency"), &page, params).await
    }

    /// A wallet's entries, newest first: each knows the one before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wallet_entries(&self, wallet: &Wallet, page: Page) -> Result<Vec<Entry>, StoreError> {
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
        let start = start.map(|entry| entry.0);
        self.rows(&sql, &params!["start" = start, "limit" = page.limit], |row| Entry::from_row(row, 0)).await
    }

    /// Executions whose time to be looked at has come, with their merchants, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_executions(&self, now: Timestamp, limit: u32) -> Result<Vec<(ExecutionId, MerchantId)>, StoreError> {
        let sql = "SELECT id, merchant_id FROM executions WHERE next_check_at <= :now \
                   AND (lease_until IS NULL OR lease_until <= :now) ORDER BY next_check_at LIMIT :limit";
        self.rows(sql, &params!["now" = now.0, "limit" = limit], |row| {
            <(ExecutionId, MerchantId) as Column>::take(&mut Reader::new(row, "executions", 0))
        })
        .await
    }

    /// Sessions whose time is over at their merchant's clock and that are not written down as expired, with their merchants,
    /// at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<(SessionId, MerchantId)>, StoreError> {
        // The furthest sandbox clock bounds the part of the index that is read; without sandbox clocks it is exact.
        let sql = "SELECT sessions.id, sessions.merchant_id FROM sessions JOIN merchants ON merchants.id = sessions.merchant_id \
                   WHERE sessions.status = 'ACTIVE' \
                   AND sessions.expires_at <= :now + (SELECT coalesce(max(clock_offset_us), 0) FROM merchants) \
                   AND sessions.expires_at <= :now + merchants.clock_offset_us ORDER BY sessions.expires_at LIMIT :limit";
        self.rows(sql, &params!["now" = now.0, "limit" = limit], |row| {
            <(SessionId, MerchantId) as Column>::take(&mut Reader::new(row, "sessions", 0))
        })
        .await
    }

    /// Open reviews with their executions, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_reviews(&self) -> Result<Vec<(Review, Execution)>, StoreError> {
        let sql = format!(
            "SELECT {}, {} FROM reviews JOIN executions ON executions.id = reviews.execution_id \
             WHERE reviews.status = 'OPEN' ORDER BY reviews.id",
            Review::statements().columns,
            Execution::statements().columns
        );
        let take = |row: &dyn Found| Ok((Review::from_row(row, 0)?, Execution::from_row(row, Review::WIDTH)?));
        self.rows(&sql, &vec![], take).await
    }

    /// A wallet of any merchant, for the operator.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn any_wallet(&self, id: WalletId) -> Result<Option<Wallet>, StoreError> {
        self.one("id = :id", &params!["id" = id.0]).await
    }

    /// Whether something is under way that could still credit a wallet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_open_credits(&self, wallet: &Wallet) -> Result<bool, StoreError> {
        // A collection credits the merchant's wallet of its currency, whatever goes out may come back to its own, and money
        // in suspense may be given to it.
        let sql = "SELECT 1 FROM executions WHERE merchant_id = :merchant AND next_check_at IS NOT NULL \
                   AND ((operation = 'COLLECTION' AND payee_currency = :currency AND :owner = 'MERCHANT') \
                   OR wallet_id = :wallet) \
                   UNION ALL SELECT 1 FROM reviews JOIN executions ON executions.id = reviews.execution_id \
                   WHERE reviews.merchant_id = :merchant AND reviews.status = 'OPEN' AND reviews.amount_minor <> 0 \
                   AND (executions.wallet_id = :wallet OR (reviews.currency = :currency AND :owner = 'MERCHANT')) LIMIT 1";
        let (currency, owner) = (wallet.currency.code(), wallet.owner_type.as_str());
        let params = params!["merchant" = wallet.merchant_id.0, "currency" = currency, "wallet" = wallet.id.0, "owner" = owner];
        Ok(!self.rows(sql, &params, integer).await?.is_empty())
    }

    /// The signing keys that verify, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows = self.rows(installation::SIGNING_KEYS, &vec![], |row| OwnedRow::read(row, 2)).await?;
        installation::signing_keys(&rows)
    }

    /// Whether the database is where it was opened; elsewhere than in a file it always is.
    ///
    /// # Errors
    /// [`StoreError::Misplaced`].
    pub fn look(&self) -> Result<(), StoreError> {
        match &self.rows {
            Rows::Sqlite(readers) => readers.look(),
            Rows::Postgres(_) => Ok(()),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.rows("SELECT 1", &vec![], integer).await.map(|_| ())
    }
}

/// The condition of rows after the one of `:after` in the order of lists. It is left out where there is none, so that an
/// index is entered at the place instead of being read up to it.
fn after(table: &str, page: &Page) -> String {
    match page.after_id {
        None => "TRUE".to_owned(),
        Some(_) => format!(
            "({table}.created_at, {table}.id) < (SELECT place.created_at, place.id FROM {table} AS place \
             WHERE place.id = :after AND place.merchant_id = :merchant)"
        ),
    }
}

/// A LIKE pattern for texts that contain `part` literally.
fn contains(part: &str) -> String {
    let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

fn with_party(condition: &str) -> String {
    format!(
        "SELECT {}, {} FROM counterparties LEFT JOIN parties ON parties.id = counterparties.party_id WHERE {condition}",
        Counterparty::statements().columns,
        Party::statements().columns
    )
}

fn counterparty_with_party(row: &dyn Found) -> Result<(Counterparty, Option<Party>), StoreError> {
    let counterparty = Counterparty::from_row(row, 0)?;
    let party = match counterparty.party_id {
        Some(_) => Some(Party::from_row(row, Counterparty::WIDTH)?),
        None => None,
    };
    Ok((counterparty, party))
}

//! Reading, for routes that change nothing. A read sees what was committed before it began.
//!
//! On SQLite a read of one row is some microseconds on a connection of the pool, so it is made
//! where it is asked for; what may take longer is made apart (`lists.rs`). A statement is written
//! once, in what both databases understand; its names become places on PostgreSQL.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use domain::decision::event::Event;
use domain::directory::merchant::{ApiKey, Merchant};
use domain::directory::party::{Counterparty, Party};
use domain::directory::payment_account::PaymentAccount;
use domain::exceptions::review::Review;
use domain::kernel::ids::{
    ApiKeyId, CounterpartyId, EventId, ExecutionId, MerchantId, PartyId, SessionId, SourceId,
    WalletId,
};
use domain::kernel::names::Operation;
use domain::kernel::time::Timestamp;
use domain::ledger::wallet::Wallet;
use domain::payments::execution::{
    Execution, LEASE_US, MAX_CLOCK_SKEW_US, MAX_POLL_INTERVAL_SANDBOX_US, MAX_POLL_INTERVAL_US,
    MIN_POLL_INTERVAL_US,
};
use domain::payments::session::{Session, SessionKind};
use domain::sales::checkout::CheckoutConfig;
use domain::sales::source::{Item, Source, SourceType};
use domain::tariff::Tariff;
use tokio::sync::Semaphore;

use crate::StoreError;
use crate::schema::installation::{self, SigningKey};
use crate::schema::tariff;
use crate::workspace::postgres::Address;
use crate::workspace::postgres::readers::PostgresReaders;
use crate::workspace::record::{Column, Reader, Record};
use crate::workspace::sql::{Dialect, OwnedRow, Params, integer, params};
use crate::workspace::sql_value::Found;
use crate::workspace::sqlite::{self, Readers};

/// So many refunds of a payment are read at most: each may be of a minor unit.
const REFUNDS_SHOWN: u32 = 200;

/// Rows that fall due.
struct Falling {
    table: &'static str,
    /// What is true of those that are not over: the condition of the index in which they are found.
    open: &'static str,
    /// That they are due, at their merchant's clock.
    due: &'static str,
    /// By what they are ordered.
    order: &'static str,
}

const EXECUTIONS: Falling = Falling {
    table: "executions",
    open: "next_check_at IS NOT NULL",
    // Nobody holds the lease. A clock that was ahead may have given one for longer than anybody has
    // it now.
    due: "next_check_at <= :now + merchants.clock_offset_us \
          AND (lease_until IS NULL OR lease_until <= :now OR lease_until > :mad)",
    order: "next_check_at",
};

const PUT_OFF: Falling = Falling {
    due: "next_check_at > :now + merchants.clock_offset_us AND CASE WHEN lease_until > :now THEN lease_until > :mad \
          ELSE next_check_at - :now - clock_offset_us > :apart \
          + CASE WHEN :now + clock_offset_us - executions.created_at < 2 * :shortest THEN :shortest \
          WHEN mode = 'SANDBOX' AND :now + clock_offset_us - executions.created_at > 2 * :sandbox THEN :sandbox \
          WHEN :now + clock_offset_us - executions.created_at > 2 * :longest THEN :longest \
          ELSE (:now + clock_offset_us - executions.created_at) / 2 END END",
    ..EXECUTIONS
};

const SESSIONS: Falling = Falling {
    table: "sessions",
    open: "status = 'ACTIVE'",
    due: "expires_at <= :now + merchants.clock_offset_us",
    order: "expires_at",
};

/// No lease that is given now ends as late.
fn mad_lease(now: Timestamp) -> i64 {
    now.plus(LEASE_US + MAX_CLOCK_SKEW_US).0
}

/// The table `found` of the merchants above `:after` that have open rows: from one to the next in
/// an index that begins with the merchant, however many rows each has.
fn found(what: &Falling) -> String {
    let Falling { table, open, .. } = what;
    let next = |after: &str| {
        format!(
            "(SELECT merchant_id FROM {table} WHERE {open} AND merchant_id > {after} ORDER BY merchant_id LIMIT 1)"
        )
    };
    format!(
        "found(id, nth) AS (SELECT {}, 1 UNION ALL SELECT {}, nth + 1 FROM found WHERE found.id IS NOT NULL AND nth < :limit)",
        next(":after"),
        next("found.id")
    )
}

/// A reader. Cheap to clone.
#[derive(Clone)]
pub struct Queries {
    pub(crate) rows: Rows,
    /// Lists that are read at once: whoever reads little never waits for them.
    pub(crate) lists: Arc<Semaphore>,
    tariff: Arc<RwLock<Arc<Tariff>>>,
}

/// Where rows are read.
#[derive(Clone)]
pub(crate) enum Rows {
    Sqlite {
        /// For what takes some microseconds.
        at_once: Arc<Readers>,
        /// For lists.
        apart: Arc<Readers>,
    },
    Postgres(PostgresReaders),
}

impl Queries {
    /// `count` readers of a database file, and `lists` more that read lists.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn sqlite(path: &Path, count: usize, lists: usize) -> Result<Self, StoreError> {
        let open = |count| Readers::open(path, count).map(Arc::new);
        Ok(Self::new(Rows::Sqlite { at_once: open(count)?, apart: open(lists)? }, lists))
    }

    /// At most `count` connections to a server, of which `lists` may read lists. Within a runtime.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn postgres(address: &Address, count: usize, lists: usize) -> Result<Self, StoreError> {
        Ok(Self::new(Rows::Postgres(PostgresReaders::open(address, count)?), lists))
    }

    /// Version 0 is no book's: the first question reads it.
    fn new(rows: Rows, lists: usize) -> Self {
        Self { rows, lists: Arc::new(Semaphore::new(lists)), tariff: Arc::default() }
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        match self.rows {
            Rows::Sqlite { .. } => Dialect::Sqlite,
            Rows::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) async fn rows<T>(
        &self,
        sql: &str,
        params: &Params<'_>,
        take: impl Fn(&dyn Found) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        #[cfg(any(test, feature = "testing"))]
        crate::testing::note(sql, params);
        match &self.rows {
            Rows::Sqlite { at_once, .. } => sqlite::read(&*at_once.get()?, sql, params, take),
            Rows::Postgres(readers) => {
                readers.rows(sql, params).await?.iter().map(|row| take(row)).collect()
            }
        }
    }

    pub(crate) async fn one<R: Record>(
        &self,
        condition: &str,
        params: &Params<'_>,
    ) -> Result<Option<R>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition} LIMIT 1",
            R::statements().columns,
            R::TABLE
        );
        Ok(self.rows(&sql, params, |row| R::from_row(row, 0)).await?.pop())
    }

    async fn many<R: Record>(
        &self,
        condition: &str,
        order: &str,
        params: &Params<'_>,
    ) -> Result<Vec<R>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition} ORDER BY {order}",
            R::statements().columns,
            R::TABLE
        );
        self.rows(&sql, params, |row| R::from_row(row, 0)).await
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
        let take = |row: &dyn Found| {
            Ok((ApiKey::from_row(row, 0)?, Merchant::from_row(row, ApiKey::WIDTH)?))
        };
        Ok(self.rows(&SQL, &params!["id" = id.0], take).await?.pop())
    }

    /// The tariff as it is now: the same rows that executions are decided by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tariff(&self) -> Result<Arc<Tariff>, StoreError> {
        let known = Arc::clone(&self.tariff.read().unwrap_or_else(PoisonError::into_inner));
        if self.rows(tariff::VERSION, &vec![], integer).await? == [known.version] {
            return Ok(known);
        }
        let new = Arc::new(self.read_tariff().await?);
        *self.tariff.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        Ok(new)
    }

    /// The version is read first: what is changed while the tables are read is read again at the
    /// next question.
    async fn read_tariff(&self) -> Result<Tariff, StoreError> {
        match &self.rows {
            Rows::Sqlite { at_once, .. } => sqlite::read_tariff(&*at_once.get()?),
            Rows::Postgres(readers) => {
                let mut tables = Vec::with_capacity(tariff::QUERIES.len());
                for sql in tariff::QUERIES {
                    let rows = readers.rows(sql, &vec![]).await?;
                    tables.push(
                        rows.iter()
                            .map(|row| OwnedRow::read(row, row.len()))
                            .collect::<Result<_, _>>()?,
                    );
                }
                tariff::build(&tables)
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

    /// The page under a token, with its merchant and its invoice or order. Who has the token needs
    /// no other right.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page_by_token(
        &self,
        token: &str,
    ) -> Result<Option<(CheckoutConfig, Merchant, Source)>, StoreError> {
        let params = params!["token" = token];
        // Two statements: of one with two ways PostgreSQL may make a look through the whole table.
        let mut page: Option<CheckoutConfig> = self.one("token = :token", &params).await?;
        if page.is_none() {
            page = self.one("link_token = :token", &params).await?;
        }
        let Some(page) = page.map(|page| page.as_seen_with_token(token)) else { return Ok(None) };
        let merchant = self.merchant(page.merchant_id).await?;
        let source: Option<Source> =
            self.one("id = :id", &params!["id" = page.source_id.0]).await?;
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
    pub async fn party(
        &self,
        merchant: MerchantId,
        id: PartyId,
    ) -> Result<Option<Party>, StoreError> {
        self.one(
            "id = :id AND merchant_id = :merchant",
            &params!["id" = id.0, "merchant" = merchant.0],
        )
        .await
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
        let sql = format!(
            "{} WHERE counterparties.id = :id AND counterparties.merchant_id = :merchant",
            with_party()
        );
        Ok(self
            .rows(&sql, &params!["id" = id.0, "merchant" = merchant.0], counterparty_with_party)
            .await?
            .pop())
    }

    /// This merchant's payment account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn payment_account(
        &self,
        merchant: MerchantId,
        id: i64,
    ) -> Result<Option<PaymentAccount>, StoreError> {
        self.one(
            "id = :id AND merchant_id = :merchant",
            &params!["id" = id, "merchant" = merchant.0],
        )
        .await
    }

    /// Merchants in the order of their ids, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn merchants_after(
        &self,
        last: MerchantId,
        limit: u32,
    ) -> Result<Vec<Merchant>, StoreError> {
        self.many("id > :last", "id LIMIT :limit", &params!["last" = last.0, "limit" = limit]).await
    }

    /// This merchant's invoice or order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn source(
        &self,
        merchant: MerchantId,
        kind: SourceType,
        id: SourceId,
    ) -> Result<Option<Source>, StoreError> {
        let params = params!["id" = id.0, "merchant" = merchant.0];
        let found: Option<Source> =
            self.one("id = :id AND merchant_id = :merchant", &params).await?;
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

    /// The items of a source, without those taken out, oldest first, at most `limit`: there are
    /// sources of before items had a limit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn items(
        &self,
        source: SourceId,
        limit: Option<u32>,
    ) -> Result<Vec<Item>, StoreError> {
        let params = params!["source" = source.0, "limit" = i64::from(limit.unwrap_or(u32::MAX))];
        self.many("source_id = :source AND removed = 0", "id LIMIT :limit", &params).await
    }

    /// The collection that paid a source: it completed, or a review settled it. Later ones are of a
    /// payer who paid twice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collection_of(&self, source: SourceId) -> Result<Option<Execution>, StoreError> {
        let condition =
            "source_id = :source AND (status = 'COMPLETED' OR settled_by_review_at IS NOT NULL)";
        let order = "coalesce(completed_at, settled_by_review_at), id LIMIT 1";
        Ok(self.many(condition, order, &params!["source" = source.0]).await?.pop())
    }

    /// The collection of a source that was begun last, whatever became of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_collection_of(
        &self,
        source: SourceId,
    ) -> Result<Option<Execution>, StoreError> {
        let order = "created_at DESC, id DESC LIMIT 1";
        Ok(self.many("source_id = :source", order, &params!["source" = source.0]).await?.pop())
    }

    /// The refunds of a payment that did not fail, oldest first; of very many the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refunds_of(&self, paid: ExecutionId) -> Result<Vec<Execution>, StoreError> {
        let condition = "original_execution_id = :paid AND status <> 'FAILED'";
        self.many(
            condition,
            &format!("created_at, id LIMIT {REFUNDS_SHOWN}"),
            &params!["paid" = paid.0],
        )
        .await
    }

    /// This merchant's session of that kind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(
        &self,
        merchant: MerchantId,
        kind: SessionKind,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let found: Option<Session> = self.one("id = :id", &params!["id" = id.0]).await?;
        Ok(found.filter(|session| session.merchant_id == merchant && session.kind == kind))
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
    pub async fn execution(
        &self,
        merchant: MerchantId,
        id: ExecutionId,
    ) -> Result<Option<Execution>, StoreError> {
        let found: Option<Execution> = self.one("id = :id", &params!["id" = id.0]).await?;
        Ok(found.filter(|execution| execution.merchant_id == merchant))
    }

    /// The events of a session, execution or source, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events_of(
        &self,
        merchant: MerchantId,
        subject_id: i64,
    ) -> Result<Vec<Event>, StoreError> {
        let params = params!["subject" = subject_id, "merchant" = merchant.0];
        self.many("subject_id = :subject AND +merchant_id = :merchant", "id", &params).await
    }

    /// This merchant's event.
    ///
    /// # Errors
    /// [`StoreError`].
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

    /// This merchant's wallet, its own or a party's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wallet(
        &self,
        merchant: MerchantId,
        id: WalletId,
    ) -> Result<Option<Wallet>, StoreError> {
        let found: Option<Wallet> = self.one("id = :id", &params!["id" = id.0]).await?;
        Ok(found.filter(|wallet| wallet.merchant_id == merchant))
    }

    /// The merchants of the lowest ids above `after` that have executions which are not final, at
    /// most `limit`, each with one that is due, if one is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn merchants_with_executions(
        &self,
        after: MerchantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Option<ExecutionId>)>, StoreError> {
        let params =
            params!["after" = after.0, "now" = now.0, "mad" = mad_lease(now), "limit" = limit];
        self.merchants_with(&EXECUTIONS, &params).await
    }

    /// A merchant's executions that are due, at most `limit`: first those that have been for
    /// longest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_executions(
        &self,
        merchant: MerchantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let params = params![
            "merchant" = merchant.0,
            "now" = now.0,
            "mad" = mad_lease(now),
            "limit" = limit
        ];
        self.due(&EXECUTIONS, &params).await
    }

    /// A merchant's executions that a clock which was ahead has put off for longer than any is now,
    /// at most `limit`: see [`Execution::is_due`]. This reads all of the merchant's that wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn executions_put_off(
        &self,
        merchant: MerchantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let params = params![
            "merchant" = merchant.0,
            "now" = now.0,
            "mad" = mad_lease(now),
            "apart" = MAX_CLOCK_SKEW_US,
            "shortest" = MIN_POLL_INTERVAL_US,
            "sandbox" = MAX_POLL_INTERVAL_SANDBOX_US,
            "longest" = MAX_POLL_INTERVAL_US,
            "limit" = limit
        ];
        self.due(&PUT_OFF, &params).await
    }

    /// The merchants of the lowest ids above `after` that have active sessions, at most `limit`,
    /// each with one whose time is over at the merchant's clock, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn merchants_with_sessions(
        &self,
        after: MerchantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Option<SessionId>)>, StoreError> {
        let params = params!["after" = after.0, "now" = now.0, "limit" = limit];
        self.merchants_with(&SESSIONS, &params).await
    }

    /// A merchant's active sessions whose time is over at its clock, at most `limit`: first those
    /// that ended first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_sessions(
        &self,
        merchant: MerchantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<SessionId>, StoreError> {
        let params = params!["merchant" = merchant.0, "now" = now.0, "limit" = limit];
        self.due(&SESSIONS, &params).await
    }

    /// Merchants with open rows, each with the id of one that is due.
    async fn merchants_with<Id: Column>(
        &self,
        what: &Falling,
        params: &Params<'_>,
    ) -> Result<Vec<(MerchantId, Option<Id>)>, StoreError> {
        let Falling { table, open, due, order } = *what;
        let sql = format!(
            "WITH RECURSIVE {} SELECT found.id, (SELECT {table}.id FROM merchants JOIN {table} ON {table}.merchant_id = merchants.id \
             WHERE merchants.id = found.id AND {open} AND {due} ORDER BY {order} LIMIT 1) \
             FROM found WHERE found.id IS NOT NULL ORDER BY found.nth",
            found(what)
        );
        self.rows(&sql, params, |row| {
            <(MerchantId, Option<Id>) as Column>::take(&mut Reader::new(row, table, 0))
        })
        .await
    }

    /// Rows of a merchant that are open and due, in order.
    async fn due<Id: Column>(
        &self,
        what: &Falling,
        params: &Params<'_>,
    ) -> Result<Vec<Id>, StoreError> {
        let Falling { table, open, due, order } = *what;
        let sql = format!(
            "SELECT {table}.id FROM merchants JOIN {table} ON {table}.merchant_id = merchants.id \
             WHERE merchants.id = :merchant AND {open} AND {due} ORDER BY {order} LIMIT :limit"
        );
        self.rows(&sql, params, |row| Id::take(&mut Reader::new(row, table, 0))).await
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
        let take = |row: &dyn Found| {
            Ok((Review::from_row(row, 0)?, Execution::from_row(row, Review::WIDTH)?))
        };
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
        // A collection credits the merchant's wallet of its currency, whatever goes out may come
        // back to its own, and money in suspense may be given to it.
        let sql = "SELECT 1 FROM executions WHERE merchant_id = :merchant AND next_check_at IS NOT NULL \
                   AND ((operation = 'COLLECTION' AND payee_currency = :currency AND :owner = 'MERCHANT') \
                   OR wallet_id = :wallet) \
                   UNION ALL SELECT 1 FROM reviews JOIN executions ON executions.id = reviews.execution_id \
                   WHERE reviews.merchant_id = :merchant AND reviews.status = 'OPEN' AND reviews.amount_minor <> 0 \
                   AND (executions.wallet_id = :wallet OR (reviews.currency = :currency AND :owner = 'MERCHANT')) LIMIT 1";
        let (currency, owner) = (wallet.currency.code(), wallet.owner_type.as_str());
        let params = params![
            "merchant" = wallet.merchant_id.0,
            "currency" = currency,
            "wallet" = wallet.id.0,
            "owner" = owner
        ];
        Ok(!self.rows(sql, &params, integer).await?.is_empty())
    }

    /// The signing keys that verify, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows =
            self.rows(installation::SIGNING_KEYS, &vec![], |row| OwnedRow::read(row, 2)).await?;
        installation::signing_keys(&rows)
    }

    /// Whether the database is where it was opened; elsewhere than in a file it always is.
    ///
    /// # Errors
    /// [`StoreError::Misplaced`].
    pub fn look(&self) -> Result<(), StoreError> {
        match &self.rows {
            Rows::Sqlite { at_once, apart } => {
                // Each remembers what it saw, so both have to look.
                let (at_once, apart) = (at_once.look(), apart.look());
                at_once.and(apart)
            }
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

/// Reads counterparties with their parties, under a condition that follows.
pub(crate) fn with_party() -> String {
    format!(
        "SELECT {}, {} FROM counterparties LEFT JOIN parties ON parties.id = counterparties.party_id",
        Counterparty::statements().columns,
        Party::statements().columns
    )
}

/// What [`with_party`] reads.
pub(crate) fn counterparty_with_party(
    row: &dyn Found,
) -> Result<(Counterparty, Option<Party>), StoreError> {
    let counterparty = Counterparty::from_row(row, 0)?;
    let party = match counterparty.party_id {
        Some(_) => Some(Party::from_row(row, Counterparty::WIDTH)?),
        None => None,
    };
    Ok((counterparty, party))
}

//! Entries of the ledger.

use domain::decision::event::EventType;
use domain::decision::workspace::IDS_PER_COMMAND;
use domain::kernel::ids::{EntryId, EventId};
use domain::kernel::names::Operation;
use domain::kernel::time::{ServerTime, minutes};
use domain::ledger::account::{AccountKind, Bucket, Entry};
use domain::ledger::wallet::Wallet;

use crate::StoreError;
use crate::reads::pages::{Page, PageOfRows, comma_separated};
use crate::reads::scope::MerchantReads;
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql::{Dialect, integer};
use crate::workspace::sql_value::{ResultRow, params};

/// The most that the clocks of two processes may differ here.
const MAX_CLOCK_SKEW_US: i64 = minutes(10);
/// How many events are looked at in a row for an entry of a wallet.
const EVENTS_AT_ONCE: i64 = 256;
/// How many entries of a wallet are followed at once: at first, and where that was not enough.
const FEW_STEPS: i64 = 600;
const MANY_STEPS: i64 = 20_000;

/// Which entries of a wallet are listed, by the time of their transactions.
///
/// Entries have the order in which they were written, which is that of their balances. Where clocks of
/// two processes differ, their times may not have it. What is before a time ends with the newest entry
/// that is before it: so what is listed has no gap, and of two periods that follow each other every
/// entry is in one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EntryFilter {
    /// Inclusive.
    pub from: Option<ServerTime>,
    /// Exclusive.
    pub until: Option<ServerTime>,
}

/// An entry of a wallet, with what its transaction was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WalletEntry {
    pub entry: Entry,
    /// When the transaction was made.
    pub created_at: ServerTime,
    /// What happened.
    pub kind: EventType,
    /// What its execution is, if that is the merchant's own.
    pub operation: Option<Operation>,
}

/// What a wallet had after one of its entries, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WalletBalances {
    pub available_minor: i64,
    pub held_minor: i64,
}

impl WalletBalances {
    /// The balance of a bucket, to be replaced.
    pub const fn of_mut(&mut self, bucket: Bucket) -> &mut i64 {
        match bucket {
            Bucket::Held => &mut self.held_minor,
            // A wallet has no third one.
            Bucket::Available | Bucket::System => &mut self.available_minor,
        }
    }
}

impl MerchantReads<'_> {
    /// A wallet's entries, newest first. They are found by following `previous_entry_id`.
    pub async fn wallet_entries(
        &self,
        wallet: &Wallet,
        filter: EntryFilter,
        page: Page,
    ) -> Result<PageOfRows<WalletEntry>, StoreError> {
        let _permit = self.list_permit().await?;
        let until = filter.until;
        let start = match (page.after_id, until) {
            (None, None) => wallet.last_entry_id,
            (None, Some(until)) => self.last_before(wallet, until).await?,
            (Some(id), _) => {
                let params = params!["id" = id, "wallet" = wallet.id.0];
                let cursor = self.one::<Entry>("id = :id AND account_id = :wallet", params).await?;
                cursor.ok_or(StoreError::UnknownCursor)?.previous_entry_id
            }
        };
        let mut rows = self.entries_back_from(start, page.limit).await?;
        // The cursor may be of a list without this filter.
        if let (Some(_), Some(until), Some(first)) = (page.after_id, until, rows.first())
            && first.created_at >= until.plus(MAX_CLOCK_SKEW_US)
        {
            let start = self.last_before(wallet, until).await?;
            rows = self.entries_back_from(start, page.limit).await?;
        }
        if let Some(from) = filter.from {
            let end = rows.iter().position(|row| row.created_at < from);
            rows.truncate(end.unwrap_or(rows.len()));
        }
        Ok(PageOfRows { rows, scanned_to: None })
    }

    /// What a wallet had at a time: its balances after the last entry before it. A wallet that was
    /// never debited is followed to its beginning for what it held.
    pub async fn wallet_balances(
        &self,
        wallet: &Wallet,
        time: ServerTime,
    ) -> Result<WalletBalances, StoreError> {
        let _permit = self.list_permit().await?;
        let mut balances = WalletBalances::default();
        let last = self.last_before(wallet, time).await?;
        for bucket in [Bucket::Available, Bucket::Held] {
            let mut next = last;
            while let Some(start) = next {
                let (balance, previous) = self.balance_back_from(start, bucket).await?;
                *balances.of_mut(bucket) = balance;
                next = previous;
            }
        }
        Ok(balances)
    }

    /// So many entries, from this one on, the newest first.
    async fn entries_back_from(
        &self,
        start: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<WalletEntry>, StoreError> {
        let sql = format!(
            "{CHAIN} SELECT {}, events.created_at, events.type, executions.operation FROM chain \
             JOIN entries ON entries.id = chain.id JOIN events ON events.id = entries.transaction_id \
             LEFT JOIN executions ON executions.id = entries.execution_id \
             AND executions.merchant_id = :merchant \
             WHERE entries.merchant_id = :merchant ORDER BY depth",
            Entry::statements().columns
        );
        let params = params!["start" = start.map(|entry| entry.0), "limit" = i64::from(limit)];
        self.list_rows(sql, params, wallet_entry).await
    }

    /// The newest entry of a wallet that is before a time.
    async fn last_before(
        &self,
        wallet: &Wallet,
        time: ServerTime,
    ) -> Result<Option<EntryId>, StoreError> {
        let sql = format!(
            "{CHAIN} SELECT entries.id, entries.previous_entry_id, events.created_at FROM chain \
             JOIN entries ON entries.id = chain.id JOIN events ON events.id = entries.transaction_id \
             WHERE entries.merchant_id = :merchant ORDER BY depth"
        );
        let mut next = match self.any_after(wallet, time.plus(MAX_CLOCK_SKEW_US)).await? {
            Some(entry) => Some(entry),
            None => wallet.last_entry_id,
        };
        let mut limit = FEW_STEPS;
        while let Some(start) = next {
            let params = params!["start" = start.0, "limit" = limit];
            let rows = self.list_rows(sql.clone(), params, placed_entry).await?;
            if let Some((id, ..)) = rows.iter().find(|(_, _, at)| *at < time) {
                return Ok(Some(*id));
            }
            next = rows.last().and_then(|(_, previous, _)| *previous);
            limit = MANY_STEPS;
        }
        Ok(None)
    }

    /// An entry of the wallet, not long after this time, from which all that is before the time is
    /// found by following entries back; `None` if none was found.
    ///
    /// No index has the entries of a wallet by their time. But events have positions without gaps, in
    /// the order of their commits, among which a time is found by halving; and the entries of an event
    /// stand behind it. Where the next events have none of this wallet, later ones are looked at with
    /// growing distance: what lies between has few of them.
    async fn any_after(
        &self,
        wallet: &Wallet,
        time: ServerTime,
    ) -> Result<Option<EntryId>, StoreError> {
        let last = self.last_event_position().await?;
        let (mut first_after, mut end) = (1, last.saturating_add(1));
        while first_after < end {
            let middle = first_after.midpoint(end);
            let sql = "SELECT created_at FROM events WHERE merchant_id = :merchant \
                AND position >= :position ORDER BY position LIMIT 1";
            let found = self.rows(sql, params!["position" = middle], integer).await?;
            match found.first() {
                Some(at) if *at >= time.0 => end = middle,
                _ => first_after = middle + 1,
            }
        }
        let events = "(SELECT id AS value FROM events WHERE merchant_id = :merchant \
            AND position >= :begin AND position < :end) AS wanted";
        let sql = format!(
            "SELECT entries.id FROM {} WHERE entries.account_id = :wallet \
             AND entries.merchant_id = :merchant LIMIT 1",
            entries_behind(events, self.dialect())
        );
        let (mut begin, mut distance) = (first_after, EVENTS_AT_ONCE);
        while begin <= last {
            let params = params![
                "begin" = begin,
                "end" = begin.saturating_add(EVENTS_AT_ONCE),
                "wallet" = wallet.id.0,
                "ids_per_command" = IDS_PER_COMMAND,
            ];
            let found = self.list_rows(sql.clone(), params, integer).await?;
            if let Some(id) = found.first() {
                return Ok(Some(EntryId(*id)));
            }
            begin = begin.saturating_add(distance);
            distance = distance.saturating_mul(2);
        }
        Ok(None)
    }

    /// The balance after the newest entry of a bucket, from this entry on; or else 0, and the entry to
    /// go on from if there is one.
    async fn balance_back_from(
        &self,
        start: EntryId,
        bucket: Bucket,
    ) -> Result<(i64, Option<EntryId>), StoreError> {
        let sql = "WITH RECURSIVE chain(id, previous, bucket, balance, depth) AS (\
             SELECT id, previous_entry_id, bucket, balance_minor, 1 FROM entries \
             WHERE id = :start AND merchant_id = :merchant UNION ALL \
             SELECT entries.id, entries.previous_entry_id, entries.bucket, entries.balance_minor, depth + 1 \
             FROM chain JOIN entries ON entries.id = chain.previous \
             WHERE depth < :limit AND chain.bucket <> :bucket) \
             SELECT previous, balance, CASE WHEN bucket = :bucket THEN 1 ELSE 0 END \
             FROM chain ORDER BY depth DESC LIMIT 1";
        let params = params!["start" = start.0, "limit" = MANY_STEPS, "bucket" = bucket.code()];
        let found = self.list_rows(sql.to_owned(), params, balance_of_entry).await?;
        Ok(match found.first() {
            Some((_, balance, 1)) => (*balance, None),
            Some((previous, _, _)) => (0, *previous),
            None => (0, None),
        })
    }

    /// The entries of these transactions on the merchant's wallets and accounts, in the order of
    /// their ids, each with the kind of its account if that is a system account. No index is
    /// needed: the entries of a transaction are written by one command, whose ids are contiguous.
    pub async fn entries_of(
        &self,
        transactions: &[EventId],
    ) -> Result<Vec<(Entry, Option<AccountKind>)>, StoreError> {
        if transactions.is_empty() {
            return Ok(vec![]);
        }
        let wanted = match self.dialect() {
            Dialect::Sqlite => "json_each('[' || :ids || ']') AS wanted",
            Dialect::Postgres => "unnest(string_to_array(:ids, ',')::bigint[]) AS wanted (value)",
        };
        let joined_entries = entries_behind(wanted, self.dialect());
        let sql = format!(
            "SELECT {}, accounts.kind, accounts.network_account_id FROM {joined_entries} LEFT JOIN accounts \
             ON entries.bucket = {} AND accounts.id = entries.account_id WHERE entries.merchant_id = :merchant",
            Entry::statements().columns,
            Bucket::System.code()
        );
        let params =
            params!["ids" = comma_separated(transactions), "ids_per_command" = IDS_PER_COMMAND];
        let read_row = |row: &dyn ResultRow| {
            let kind = <Option<AccountKind> as Column>::read(&mut RowReader::new(
                row,
                Entry::TABLE,
                Entry::WIDTH,
            ))?;
            Ok((Entry::from_row(row, 0)?, kind))
        };
        let mut found = self.related_rows(transactions.len(), sql, params, read_row).await?;
        found.sort_unstable_by_key(|(entry, _)| entry.id);
        Ok(found)
    }
}

/// Entries of a wallet, from one on, by following those before it: at most so many.
const CHAIN: &str = "WITH RECURSIVE chain(id, depth) AS (SELECT :start, 1 UNION ALL \
     SELECT entries.previous_entry_id, depth + 1 FROM chain JOIN entries ON entries.id = chain.id \
     WHERE depth < :limit AND entries.previous_entry_id IS NOT NULL)";

/// Joins their entries to transactions, whose ids are the `value` of the table `wanted`.
fn entries_behind(wanted: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!(
            "{wanted} CROSS JOIN entries ON entries.id > wanted.value \
             AND entries.id < wanted.value + :ids_per_command AND entries.transaction_id = wanted.value"
        ),
        // The limit keeps the planner from scanning all entries for those of the transactions.
        Dialect::Postgres => format!(
            "{wanted} CROSS JOIN LATERAL \
             (SELECT * FROM entries WHERE id > wanted.value AND id < wanted.value + :ids_per_command \
             AND transaction_id = wanted.value ORDER BY id LIMIT :ids_per_command) AS entries"
        ),
    }
}

fn wallet_entry(row: &dyn ResultRow) -> Result<WalletEntry, StoreError> {
    let mut further = RowReader::new(row, Entry::TABLE, Entry::WIDTH);
    let (created_at, kind) = Column::read(&mut further)?;
    let code = <Option<i64> as Column>::read(&mut further)?;
    let operation = Operation::CODES.iter().find(|(_, other)| Some(*other) == code);
    let operation = operation.map(|(operation, _)| *operation);
    Ok(WalletEntry { entry: Entry::from_row(row, 0)?, created_at, kind, operation })
}

/// An entry, the one before it, and its time.
fn placed_entry(row: &dyn ResultRow) -> Result<(EntryId, Option<EntryId>, ServerTime), StoreError> {
    Column::read(&mut RowReader::new(row, Entry::TABLE, 0))
}

/// The entry before this one, its balance, and 1 if it is of the bucket that was asked for.
fn balance_of_entry(row: &dyn ResultRow) -> Result<(Option<EntryId>, i64, i64), StoreError> {
    Column::read(&mut RowReader::new(row, Entry::TABLE, 0))
}

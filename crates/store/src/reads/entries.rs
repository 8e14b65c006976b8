//! Entries of the ledger.

use domain::decision::workspace::IDS_PER_COMMAND;
use domain::kernel::ids::EventId;
use domain::kernel::time::ServerTime;
use domain::ledger::account::{AccountKind, Bucket, Entry};
use domain::ledger::wallet::Wallet;

use crate::StoreError;
use crate::reads::pages::{Page, PageOfRows, comma_separated};
use crate::reads::scope::MerchantReads;
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql::Dialect;
use crate::workspace::sql_value::{ResultRow, params};

impl MerchantReads<'_> {
    /// A wallet's entries, newest first, each with the time of its transaction. They are found by following `previous_entry_id`.
    pub async fn wallet_entries(
        &self,
        wallet: &Wallet,
        page: Page,
    ) -> Result<PageOfRows<(Entry, ServerTime)>, StoreError> {
        let _permit = self.list_permit().await?;
        let start = match page.after_id {
            None => wallet.last_entry_id,
            Some(id) => {
                let params = params!["id" = id, "wallet" = wallet.id.0];
                let cursor = self.one::<Entry>("id = :id AND account_id = :wallet", params).await?;
                cursor.ok_or(StoreError::UnknownCursor)?.previous_entry_id
            }
        };
        let sql = format!(
            "WITH RECURSIVE chain(id, depth) AS (SELECT :start, 1 UNION ALL \
             SELECT entries.previous_entry_id, depth + 1 FROM chain JOIN entries ON entries.id = chain.id \
             WHERE depth < :limit AND entries.previous_entry_id IS NOT NULL) \
             SELECT {}, events.created_at FROM chain JOIN entries ON entries.id = chain.id \
             LEFT JOIN events ON events.id = entries.transaction_id WHERE entries.merchant_id = :merchant ORDER BY depth",
            Entry::statements().columns
        );
        let params = params!["start" = start.map(|entry| entry.0), "limit" = page.limit];
        Ok(PageOfRows {
            rows: self.list_rows(sql, params, entry_with_time).await?,
            scanned_to: None,
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
        let joined_entries = match self.dialect() {
            Dialect::Sqlite => {
                "json_each('[' || :ids || ']') AS wanted CROSS JOIN entries ON entries.id > wanted.value \
                 AND entries.id < wanted.value + :ids_per_command AND entries.transaction_id = wanted.value"
            }
            // The limit keeps the planner from scanning all entries for those of the transactions.
            Dialect::Postgres => {
                "unnest(string_to_array(:ids, ',')::bigint[]) AS wanted (value) CROSS JOIN LATERAL \
                 (SELECT * FROM entries WHERE id > wanted.value AND id < wanted.value + :ids_per_command \
                 AND transaction_id = wanted.value ORDER BY id LIMIT :ids_per_command) AS entries"
            }
        };
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

/// An entry, and the time of its transaction.
fn entry_with_time(row: &dyn ResultRow) -> Result<(Entry, ServerTime), StoreError> {
    let time = Column::read(&mut RowReader::new(row, Entry::TABLE, Entry::WIDTH))?;
    Ok((Entry::from_row(row, 0)?, time))
}

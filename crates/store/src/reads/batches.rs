//! The batches that are to be chained, and the end of their chain.

use domain::ledger::batch_chain::{Batch, BatchChain, ChainKey, OlderRows};

use crate::StoreError;
use crate::chain::{self, Followed, HASHED, HashedRow};
use crate::reads::scope::SystemReads;
use crate::workspace::sql::OwnedRow;
use crate::workspace::sql_value::params;

impl SystemReads<'_> {
    /// The end of the chain of batches.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`] when it has no row.
    pub async fn batch_chain(&self) -> Result<BatchChain, StoreError> {
        let id = params!["id" = BatchChain::ID.0];
        let found = self.0.one::<BatchChain>("id = :id", &id).await?;
        found.ok_or(StoreError::Unexpected("the chain of batches has no end"))
    }

    /// The keys that links were made with before the secrets key was changed.
    pub async fn chain_keys(&self) -> Result<Vec<ChainKey>, StoreError> {
        self.0.many("chain_keys.id > 0", "chain_keys.id", &vec![]).await
    }

    /// Batches that are not chained, by their ids: each after the one that it follows.
    pub async fn batches_to_chain(&self, limit: u32) -> Result<Vec<Batch>, StoreError> {
        let limit = params!["limit" = limit];
        self.0.many("position IS NULL", "batches.id LIMIT :limit", &limit).await
    }

    /// The next rows that were there before the chain, at most `limit` of each table, as a batch;
    /// `None` when all are in the chain.
    pub async fn older_rows(
        &self,
        chain: &BatchChain,
        limit: u32,
    ) -> Result<Option<OlderRows>, StoreError> {
        let (from, mut end) = (chain.older_next_id, chain.older_end_id);
        if from >= end {
            return Ok(None);
        }
        let mut rows: Vec<HashedRow> = vec![];
        for (place, table) in HASHED.iter().enumerate() {
            let statements = (table.statements)();
            let sql = format!(
                "SELECT {} FROM {} WHERE id >= :from AND id < :end ORDER BY id LIMIT :limit",
                statements.columns, table.name
            );
            let params = params!["from" = from, "end" = end, "limit" = limit];
            let width = statements.all.len();
            let read = self.0.rows(&sql, &params, |row| OwnedRow::read(row, width)).await?;
            let is_cut = u32::try_from(read.len()) == Ok(limit);
            for row in &read {
                rows.push(table.row(place, row.values())?);
            }
            if let Some(last) = rows.last().filter(|_| is_cut) {
                end = last.id.saturating_add(1);
            }
        }
        rows.retain(|row| row.id < end);
        rows.sort_unstable();
        let Some(first) = rows.iter().map(|row| row.id).min() else {
            return Ok(Some(OlderRows { batch: None, next_id: end }));
        };
        let before = params!["before" = first];
        let newest = "SELECT id, digest_1, digest_2 FROM batches WHERE id < :before ORDER BY id DESC LIMIT 1";
        let previous = self.0.rows(newest, &before, Followed::read).await?.pop();
        let batch = chain::batch(first, end, previous, &rows, None);
        Ok(Some(OlderRows { batch: Some(batch), next_id: end }))
    }
}

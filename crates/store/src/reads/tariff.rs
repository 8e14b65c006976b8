//! The tariff.

use std::sync::{Arc, PoisonError};

use domain::tariff::Tariff;

use crate::StoreError;
use crate::reads::scope::SystemReads;
use crate::reads::{Connections, Queries};
use crate::schema::tariff;
use crate::workspace::sql::{OwnedRow, integer};
use crate::workspace::sqlite;

impl SystemReads<'_> {
    /// The current tariff: the same rows that executions are decided by.
    pub async fn tariff(&self) -> Result<Arc<Tariff>, StoreError> {
        let Self(queries) = self;
        let known = self.last_tariff();
        if queries.rows(tariff::VERSION, &vec![], integer).await? == [known.version] {
            return Ok(known);
        }
        let new = Arc::new(queries.read_tariff().await?);
        *queries.tariff.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        Ok(new)
    }

    /// The tariff that was read last. It may have been changed since; before the first read it is
    /// empty.
    #[must_use]
    pub fn last_tariff(&self) -> Arc<Tariff> {
        let Self(queries) = self;
        Arc::clone(&queries.tariff.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Queries {
    /// The tables are read after the version: if the tariff changes meanwhile, the next use finds
    /// another version and reads it again.
    async fn read_tariff(&self) -> Result<Tariff, StoreError> {
        match &self.connections {
            Connections::Sqlite { single_rows, .. } => sqlite::read_tariff(&*single_rows.get()?),
            Connections::Postgres(readers) => {
                let mut tables = Vec::with_capacity(tariff::queries().len());
                for sql in tariff::queries() {
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
}

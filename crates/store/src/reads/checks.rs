//! The last checks of the installation.

use domain::kernel::time::ServerTime;
use domain::ledger::installation_check::{CheckKind, InstallationCheck};

use crate::StoreError;
use crate::reads::scope::SystemReads;
use crate::workspace::sql::{Dialect, integer};
use crate::workspace::sql_value::params;

impl SystemReads<'_> {
    /// The last check of a kind.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`] when it has no row.
    pub async fn installation_check(
        &self,
        kind: CheckKind,
    ) -> Result<InstallationCheck, StoreError> {
        let id = params!["id" = kind.id().0];
        let found = self.0.one::<InstallationCheck>("id = :id", &id).await?;
        found.ok_or(StoreError::Unexpected("a check of the installation has no row"))
    }

    /// When PostgreSQL last archived a piece of its log; `None` where it archives nothing, or does not
    /// say, and on SQLite.
    pub async fn wal_archived_at(&self) -> Result<Option<ServerTime>, StoreError> {
        if self.0.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        let sql = "SELECT CAST(extract(epoch FROM last_archived_time) * 1000000 AS BIGINT) FROM pg_stat_archiver \
                   WHERE last_archived_time IS NOT NULL";
        Ok(self.0.rows(sql, &vec![], integer).await?.pop().map(ServerTime))
    }
}

//! Signing keys.

use crate::StoreError;
use crate::reads::scope::SystemReads;
use crate::schema::installation;
use crate::schema::installation::SigningKey;
use crate::workspace::sql::OwnedRow;

impl SystemReads<'_> {
    /// The signing keys that still verify tokens, oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows =
            self.0.rows(installation::SIGNING_KEYS, &vec![], |row| OwnedRow::read(row, 2)).await?;
        installation::signing_keys(&rows)
    }
}

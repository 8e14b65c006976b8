//! Signing keys.

use crate::StoreError;
use crate::reads::Queries;
use crate::schema::installation;
use crate::schema::installation::SigningKey;
use crate::workspace::sql::OwnedRow;

impl Queries {
    /// The signing keys that still verify tokens, oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows =
            self.rows(installation::SIGNING_KEYS, &vec![], |row| OwnedRow::read(row, 2)).await?;
        installation::signing_keys(&rows)
    }
}

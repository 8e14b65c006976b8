//! API keys, with the merchants that requests act for.

use domain::directory::merchant::{ApiKey, Merchant};
use domain::kernel::ids::ApiKeyId;

use crate::StoreError;
use crate::reads::Connections;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::{AuthenticationReads, MerchantReads};
use crate::workspace::record::Record;
use crate::workspace::sql_value::{ResultRow, params};

impl AuthenticationReads<'_> {
    /// The API key of a client, whose secret is still to be checked.
    pub async fn api_key(&self, client_id: &str) -> Result<Option<ApiKey>, StoreError> {
        self.0.one("client_id = :client", &params!["client" = client_id]).await
    }

    /// The API key that a valid token names, with its merchant: the one read that every request
    /// makes.
    pub async fn tenant(&self, id: ApiKeyId) -> Result<Option<(ApiKey, Merchant)>, StoreError> {
        if let Connections::Postgres(readers) = &self.0.connections {
            return readers.tenant(id).await;
        }
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            format!(
                "SELECT {}, {} FROM api_keys JOIN merchants ON merchants.id = api_keys.merchant_id WHERE api_keys.id = :id",
                ApiKey::statements().columns,
                Merchant::statements().columns
            )
        });
        let read_row = |row: &dyn ResultRow| {
            Ok((ApiKey::from_row(row, 0)?, Merchant::from_row(row, ApiKey::WIDTH)?))
        };
        Ok(self.0.rows(&SQL, &params!["id" = id.0], read_row).await?.pop())
    }
}

impl MerchantReads<'_> {
    /// The merchant's API keys, including revoked ones.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    pub async fn api_keys(&self, page: Page) -> Result<PageOfRows<ApiKey>, StoreError> {
        self.list(ListQuery::all(), page).await
    }
}

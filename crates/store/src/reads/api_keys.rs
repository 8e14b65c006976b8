//! API keys, with the merchants that requests act for.

use domain::directory::merchant::{ApiKey, Merchant};
use domain::kernel::ids::{ApiKeyId, MerchantId};

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::{Connections, Queries};
use crate::workspace::record::Record;
use crate::workspace::sql_value::{ResultRow, params};

impl Queries {
    pub async fn api_key(&self, client_id: &str) -> Result<Option<ApiKey>, StoreError> {
        self.one("client_id = :client", &params!["client" = client_id]).await
    }

    /// The API key of this id with its merchant: the one read that every request makes.
    pub async fn tenant(&self, id: ApiKeyId) -> Result<Option<(ApiKey, Merchant)>, StoreError> {
        if let Connections::Postgres(readers) = &self.connections {
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
        Ok(self.rows(&SQL, &params!["id" = id.0], read_row).await?.pop())
    }

    /// The merchant's API keys, including revoked ones.
    pub async fn api_keys(
        &self,
        merchant: MerchantId,
        page: Page,
    ) -> Result<PageOfRows<ApiKey>, StoreError> {
        self.list(ListQuery::new("merchant_id = :merchant", merchant, vec![]), page).await
    }
}

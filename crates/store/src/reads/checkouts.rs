//! The hosted checkout pages of invoices and orders.

use domain::directory::merchant::Merchant;
use domain::kernel::ids::SourceId;
use domain::sales::checkout::CheckoutConfig;
use domain::sales::source::Source;

use crate::StoreError;
use crate::reads::Queries;
use crate::workspace::sql_value::params;

impl Queries {
    pub async fn checkout_of(
        &self,
        source: SourceId,
    ) -> Result<Option<CheckoutConfig>, StoreError> {
        self.one("source_id = :source", &params!["source" = source.0]).await
    }

    /// The checkout with this token, with its merchant and its invoice or order. The token is the
    /// only authorization that is needed.
    pub async fn checkout_by_token(
        &self,
        token: &str,
    ) -> Result<Option<(CheckoutConfig, Merchant, Source)>, StoreError> {
        let params = params!["token" = token];
        // Two statements: for one with OR PostgreSQL may plan a scan of the whole table.
        let mut checkout: Option<CheckoutConfig> = self.one("token = :token", &params).await?;
        if checkout.is_none() {
            checkout = self.one("link_token = :token", &params).await?;
        }
        let Some(checkout) = checkout.map(|checkout| checkout.as_seen_with_token(token)) else {
            return Ok(None);
        };
        let merchant = self.merchant(checkout.merchant_id).await?;
        let source: Option<Source> =
            self.one("id = :id", &params!["id" = checkout.source_id.0]).await?;
        Ok(merchant.zip(source).map(|(merchant, source)| (checkout, merchant, source)))
    }
}

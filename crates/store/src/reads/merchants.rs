//! Merchants.

use domain::directory::brand::Logo;
use domain::directory::merchant::Merchant;
use domain::directory::merchant_limits::MerchantLimits;
use domain::kernel::ids::MerchantId;
use domain::kernel::uuids::Fingerprint;

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::scope::{InstallationReads, MerchantReads, OperatorReads};
use crate::workspace::record::Record;
use crate::workspace::sql_value::params;

impl Queries {
    /// The logo with this fingerprint, while its merchant uses it. It is public: pages show it.
    pub async fn logo(&self, fingerprint: Fingerprint) -> Result<Option<Logo>, StoreError> {
        let used = "fingerprint = :fingerprint AND EXISTS \
                    (SELECT 1 FROM merchants AS m WHERE m.id = merchant_id AND m.logo = fingerprint)";
        self.one(used, &params!["fingerprint" = fingerprint]).await
    }
}

impl MerchantReads<'_> {
    /// The limits of each currency that has some.
    pub async fn limits(&self) -> Result<Vec<MerchantLimits>, StoreError> {
        let sql = format!(
            "SELECT {} FROM merchant_limits WHERE merchant_id = :merchant ORDER BY currency",
            MerchantLimits::statements().columns
        );
        self.rows(&sql, params![], |row| MerchantLimits::from_row(row, 0)).await
    }
}

impl InstallationReads<'_> {
    /// At most `limit` merchants in the order of their ids, from above `last`.
    pub async fn merchants_from(
        &self,
        last: MerchantId,
        limit: u32,
    ) -> Result<Vec<Merchant>, StoreError> {
        let Self(queries) = self;
        let params = params!["last" = last.0, "limit" = limit];
        queries.many("id > :last", "id LIMIT :limit", &params).await
    }
}

impl OperatorReads {
    pub async fn merchant(&self, id: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.0.one("id = :id", &params!["id" = id.0]).await
    }

    /// At most `limit` merchants in the order of their ids, from above `last`.
    pub async fn merchants_after(
        &self,
        last: MerchantId,
        limit: u32,
    ) -> Result<Vec<Merchant>, StoreError> {
        let params = params!["last" = last.0, "limit" = limit];
        self.0.many("id > :last", "id LIMIT :limit", &params).await
    }
}

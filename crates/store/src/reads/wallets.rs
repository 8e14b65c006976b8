//! Wallets.

use domain::kernel::currency::Currency;
use domain::kernel::ids::{PartyId, WalletId};
use domain::ledger::wallet::{OwnerType, Wallet};

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::{MerchantReads, OperatorReads};
use crate::workspace::sql_value::params;

#[derive(Clone, Copy, Default, Debug)]
pub struct WalletFilter {
    pub party: Option<PartyId>,
    pub owner: Option<OwnerType>,
    pub currency: Option<Currency>,
}

impl OperatorReads {
    /// A wallet of any merchant.
    pub async fn wallet(&self, id: WalletId) -> Result<Option<Wallet>, StoreError> {
        self.0.one("id = :id", &params!["id" = id.0]).await
    }
}

impl MerchantReads<'_> {
    /// A wallet of the merchant, its own or one of its parties'.
    pub async fn wallet(&self, id: WalletId) -> Result<Option<Wallet>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    /// The merchant's own wallet in a currency.
    pub async fn own_wallet(&self, currency: Currency) -> Result<Option<Wallet>, StoreError> {
        self.one(
            "owner_type = 'MERCHANT' AND owner_id = :owner AND currency = :currency",
            params!["owner" = self.merchant().0, "currency" = currency.code().to_owned()],
        )
        .await
    }

    /// The merchant's own wallets and those of its parties.
    pub async fn wallets(
        &self,
        filter: WalletFilter,
        page: Page,
    ) -> Result<PageOfRows<Wallet>, StoreError> {
        let owned = |condition, id: i64| ListQuery::by(condition, params!["owner" = id]);
        let list = match (filter.party, filter.owner) {
            (None, None) => ListQuery::all(),
            // Only few rows are filtered out: the merchant's own wallets.
            (None, Some(owner @ OwnerType::Party)) => {
                ListQuery::all().filter("owner_type = :type", ":type", Some(owner.as_str()))
            }
            // By index: the merchant has few wallets of its own, and its parties may have very many.
            (None, Some(OwnerType::Merchant)) => {
                owned("owner_type = 'MERCHANT' AND owner_id = :owner", self.merchant().0)
            }
            (Some(_), Some(OwnerType::Merchant)) => {
                return Ok(PageOfRows { rows: vec![], scanned_to: None });
            }
            (Some(party), None | Some(OwnerType::Party)) => {
                owned("owner_type = 'PARTY' AND owner_id = :owner", party.0)
            }
        };
        let currency = filter.currency.map(|currency| currency.code().to_owned());
        self.list(list.filter("currency = :currency", ":currency", currency), page).await
    }
}

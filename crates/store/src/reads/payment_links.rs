//! Payment links, with their items, and what a payer may read.

use domain::directory::merchant::Merchant;
use domain::kernel::ids::PaymentLinkId;
use domain::ledger::wallet::Wallet;
use domain::sales::checkout::PageToken;
use domain::sales::payment_link::{PaymentLink, PaymentLinkItem};

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::MerchantReads;
use crate::workspace::sql_value::params;

impl MerchantReads<'_> {
    pub async fn payment_link(&self, id: PaymentLinkId) -> Result<Option<PaymentLink>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    pub async fn payment_links(&self, page: Page) -> Result<PageOfRows<PaymentLink>, StoreError> {
        self.list(ListQuery::all(), page).await
    }

    /// The items of a link, in their order.
    pub async fn payment_link_items(
        &self,
        link: PaymentLinkId,
    ) -> Result<Vec<PaymentLinkItem>, StoreError> {
        self.many("payment_link_id = :link", "position", params!["link" = link.0]).await
    }
}

/// What a payer who has the token of a payment link may read: the link and what it offers.
pub struct PaymentLinkReads<'a> {
    pub link: PaymentLink,
    pub merchant: Merchant,
    /// Of the merchant whose link it is.
    reads: MerchantReads<'a>,
}

impl Queries {
    /// The payment link of this token. The token is the only authorization that is needed.
    pub async fn for_payment_link(
        &self,
        token: &str,
    ) -> Result<Option<PaymentLinkReads<'_>>, StoreError> {
        let params = params!["hash" = PageToken(token.to_owned()).fingerprint()];
        let Some(link) = self.one::<PaymentLink>("token_hash = :hash", &params).await? else {
            return Ok(None);
        };
        let id = params!["id" = link.merchant_id.0];
        let Some(merchant) = self.one::<Merchant>("id = :id", &id).await? else {
            return Ok(None);
        };
        let reads = self.of(&merchant);
        Ok(Some(PaymentLinkReads { link, merchant, reads }))
    }
}

impl PaymentLinkReads<'_> {
    /// The merchant's wallet that payments through the link go to; `None` before the first one.
    pub async fn wallet(&self) -> Result<Option<Wallet>, StoreError> {
        self.reads.own_wallet(self.link.currency).await
    }

    /// The items, in their order; none where the payer chooses the amount.
    pub async fn items(&self) -> Result<Vec<PaymentLinkItem>, StoreError> {
        self.reads.payment_link_items(self.link.id).await
    }
}

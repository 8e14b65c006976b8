//! The hosted checkout pages of invoices and orders, and what a payer may read.

use domain::directory::merchant::Merchant;
use domain::directory::payment_account::PaymentAccount;
use domain::exceptions::review::Review;
use domain::kernel::ids::SourceId;
use domain::payments::attempt::WithAttempt;
use domain::payments::execution::Execution;
use domain::sales::checkout::{CheckoutConfig, PageToken};
use domain::sales::payment_link::PaymentLink;
use domain::sales::source::{Item, Source};

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::scope::MerchantReads;
use crate::workspace::sql_value::params;

impl MerchantReads<'_> {
    pub async fn checkout_of(
        &self,
        source: SourceId,
    ) -> Result<Option<CheckoutConfig>, StoreError> {
        self.one("source_id = :source", params!["source" = source.0]).await
    }
}

/// What a payer who has the token of a page may read: one invoice or order, and what was paid for
/// it.
pub struct PageReads<'a> {
    pub checkout: CheckoutConfig,
    pub merchant: Merchant,
    pub source: Source,
    /// Of the merchant whose source it is.
    reads: MerchantReads<'a>,
}

impl Queries {
    /// The page of this token. The token is the only authorization that is needed.
    pub async fn for_page(&self, token: &str) -> Result<Option<PageReads<'_>>, StoreError> {
        let token = PageToken(token.to_owned());
        let params = params!["hash" = token.fingerprint()];
        // Two statements: for one with OR PostgreSQL may plan a scan of the whole table.
        let mut checkout: Option<CheckoutConfig> = self.one("token_hash = :hash", &params).await?;
        if checkout.is_none() {
            checkout = self.one("link_token_hash = :hash", &params).await?;
        }
        let Some(checkout) = checkout.map(|checkout| checkout.as_seen_with_token(&token)) else {
            return Ok(None);
        };
        let id = params!["id" = checkout.merchant_id.0];
        let Some(merchant) = self.one::<Merchant>("id = :id", &id).await? else {
            return Ok(None);
        };
        let reads = self.of(&merchant);
        let source = reads.one("id = :id", params!["id" = checkout.source_id.0]).await?;
        Ok(source.map(|source| PageReads { checkout, merchant, source, reads }))
    }
}

impl PageReads<'_> {
    /// The items that were not removed, oldest first.
    pub async fn items(&self, limit: Option<u32>) -> Result<Vec<Item>, StoreError> {
        self.reads.items(self.source.id, limit).await
    }

    /// The collection that paid the invoice or order: see [`MerchantReads::collection_of`].
    pub async fn collection(&self) -> Result<Option<Execution>, StoreError> {
        self.reads.collection_of(self.source.id).await
    }

    /// The payment link through which the order was made, if it was.
    pub async fn payment_link(&self) -> Result<Option<PaymentLink>, StoreError> {
        match self.source.payment_link_id {
            Some(id) => self.reads.payment_link(id).await,
            None => Ok(None),
        }
    }

    /// The newest collection, whatever its status.
    pub async fn last_collection(&self) -> Result<Option<WithAttempt>, StoreError> {
        match self.reads.last_collection_of(self.source.id).await? {
            Some(execution) => self.reads.with_attempt(execution).await.map(Some),
            None => Ok(None),
        }
    }

    /// The phone number of the party that is to pay, if it is known.
    pub async fn party_phone(&self) -> Result<Option<String>, StoreError> {
        let counterparty = self.reads.counterparty(self.source.counterparty_id).await?;
        Ok(counterparty.and_then(|(_, party)| party).map(|party| party.phone))
    }

    /// The account that a collection takes from.
    pub async fn account_of(
        &self,
        collection: &Execution,
    ) -> Result<Option<PaymentAccount>, StoreError> {
        match collection.payment_account_id() {
            Some(id) => self.reads.payment_account(id.0).await,
            None => Ok(None),
        }
    }

    /// All reviews, open and resolved, of collections for the invoice or order.
    pub async fn reviews(&self) -> Result<Vec<Review>, StoreError> {
        self.reads.reviews_of(self.source.id).await
    }

    /// The refunds of a collection that did not fail, oldest first.
    pub async fn refunds_of(&self, paid: &Execution) -> Result<Vec<Execution>, StoreError> {
        self.reads.refunds_of(paid.id).await
    }
}

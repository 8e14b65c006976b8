//! The hosted checkout pages of invoices and orders, and what a payer may read.

use std::sync::LazyLock;

use domain::directory::merchant::Merchant;
use domain::directory::payment_account::PaymentAccount;
use domain::exceptions::review::Review;
use domain::kernel::ids::SourceId;
use domain::ledger::wallet::Wallet;
use domain::payments::attempt::WithAttempt;
use domain::payments::execution::Execution;
use domain::sales::checkout::{CheckoutConfig, PageToken};
use domain::sales::payment_link::PaymentLink;
use domain::sales::source::{Item, Source};

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::scope::MerchantReads;
use crate::workspace::record::Record;
use crate::workspace::sql_value::{ResultRow, SqlValue, params};

impl MerchantReads<'_> {
    pub async fn checkout_of(
        &self,
        source: SourceId,
    ) -> Result<Option<CheckoutConfig>, StoreError> {
        self.one("source_id = :source", params!["source" = source.0]).await
    }
}

/// What a payer who has the token of a page may read: one invoice or order, and what was paid for
/// it. The fields are of one moment, as one statement reads them.
pub struct PageReads<'a> {
    pub checkout: CheckoutConfig,
    pub merchant: Merchant,
    pub source: Source,
    /// The newest collection of the source, whatever its status.
    pub last: Option<Execution>,
    /// Of the merchant whose source it is.
    reads: MerchantReads<'a>,
}

/// Selects the page whose column has the value `:hash`: its row, its merchant, its source and the
/// newest collection of it.
///
/// The newest collection is selected by two maxima: for an ORDER BY with LIMIT, SQLite makes a
/// temporary table at each read, even if the source has no collection. The unary plus is explained at
/// [`of_merchant`](crate::reads::of_merchant).
fn select_page(hash_column: &str) -> String {
    format!(
        "SELECT {}, {}, {}, {} FROM checkout_configs \
         JOIN merchants ON merchants.id = checkout_configs.merchant_id \
         JOIN sources ON sources.id = checkout_configs.source_id \
         AND +sources.merchant_id = checkout_configs.merchant_id \
         LEFT JOIN executions ON executions.id = \
         (SELECT max(newest.id) FROM executions AS newest \
         WHERE newest.source_id = sources.id AND +newest.merchant_id = sources.merchant_id \
         AND newest.created_at = (SELECT max(made.created_at) FROM executions AS made \
         WHERE made.source_id = sources.id AND +made.merchant_id = sources.merchant_id)) \
         WHERE checkout_configs.{hash_column} = :hash LIMIT 1",
        CheckoutConfig::statements().columns,
        Merchant::statements().columns,
        Source::statements().columns,
        Execution::statements().columns
    )
}

// Two statements: for one with OR PostgreSQL may plan a scan of the whole table.
static PAGE_BY_TOKEN: LazyLock<String> = LazyLock::new(|| select_page("token_hash"));
static PAGE_BY_LINK_TOKEN: LazyLock<String> = LazyLock::new(|| select_page("link_token_hash"));

impl Queries {
    /// The page of this token. The token is the only authorization that is needed.
    pub async fn for_page(&self, token: &str) -> Result<Option<PageReads<'_>>, StoreError> {
        let token = PageToken(token.to_owned());
        let params = params!["hash" = token.fingerprint()];
        let read_row = |row: &dyn ResultRow| self.page(row, &token);
        let page = self.rows(&PAGE_BY_TOKEN, &params, read_row).await?.pop();
        match page {
            Some(page) => Ok(Some(page)),
            None => Ok(self.rows(&PAGE_BY_LINK_TOKEN, &params, read_row).await?.pop()),
        }
    }

    /// Reads a row of [`select_page`].
    fn page(&self, row: &dyn ResultRow, token: &PageToken) -> Result<PageReads<'_>, StoreError> {
        const MERCHANT: usize = CheckoutConfig::WIDTH;
        const SOURCE: usize = MERCHANT + Merchant::WIDTH;
        const LAST: usize = SOURCE + Source::WIDTH;
        let merchant = Merchant::from_row(row, MERCHANT)?;
        let last = match row.value(LAST)? {
            SqlValue::Null => None,
            _ => Some(Execution::from_row(row, LAST)?),
        };
        Ok(PageReads {
            checkout: CheckoutConfig::from_row(row, 0)?.as_seen_with_token(token),
            source: Source::from_row(row, SOURCE)?,
            last,
            reads: self.of(&merchant),
            merchant,
        })
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

    /// The merchant's wallet that a payment of it goes to; `None` before the first one.
    pub async fn wallet(&self) -> Result<Option<Wallet>, StoreError> {
        self.reads.own_wallet(self.source.currency).await
    }

    /// The payment link through which the order was made, if it was.
    pub async fn payment_link(&self) -> Result<Option<PaymentLink>, StoreError> {
        match self.source.payment_link_id {
            Some(id) => self.reads.payment_link(id).await,
            None => Ok(None),
        }
    }

    /// The newest collection, with its attempt while it is under way.
    pub async fn last_collection(&self) -> Result<Option<WithAttempt>, StoreError> {
        match &self.last {
            Some(execution) => self.reads.with_attempt(execution.clone()).await.map(Some),
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

//! Receipts that are verified by their code, and the key of these codes.

use domain::directory::merchant::Merchant;
use domain::exceptions::review::Review;
use domain::kernel::ids::ExecutionId;
use domain::kernel::money::Money;
use domain::payments::execution::Execution;
use domain::sales::source::Source;

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::scope::SystemReads;
use crate::schema::installation;
use crate::workspace::sql::OwnedRow;
use crate::workspace::sql_value::params;

/// What somebody who has the code of a receipt may read: one payment, to whom it was and for what.
pub struct ReceiptReads {
    /// A collection that was settled.
    pub paid: Execution,
    pub merchant: Merchant,
    pub source: Source,
    /// What the payer's bank has taken back of it.
    pub taken_back: Option<Money>,
}

impl Queries {
    /// The receipt of a payment. Its id must come from a receipt code, which is the only
    /// authorization that is needed. `None` for what is no settled collection.
    pub async fn for_receipt(
        &self,
        payment: ExecutionId,
    ) -> Result<Option<ReceiptReads>, StoreError> {
        let id = params!["id" = payment.0];
        let Some(paid) = self.one::<Execution>("id = :id", &id).await? else { return Ok(None) };
        let Some(source) = paid.source_id().filter(|_| paid.is_settled()) else { return Ok(None) };
        let id = params!["id" = paid.merchant_id.0];
        let Some(merchant) = self.one::<Merchant>("id = :id", &id).await? else {
            return Ok(None);
        };
        let reads = self.of(&merchant);
        let source = reads.one("id = :id", params!["id" = source.0]).await?;
        let reviews = reads.reviews_of_execution(paid.id).await?;
        let taken_back = reviews.iter().find_map(Review::taken_back);
        Ok(source.map(|source| ReceiptReads { paid, merchant, source, taken_back }))
    }
}

impl SystemReads<'_> {
    /// The UUID of the installation, which never changes.
    pub async fn installation(&self) -> Result<[u8; 16], StoreError> {
        let rows = self.0.rows(installation::UUID, &vec![], |row| OwnedRow::read(row, 1)).await?;
        installation::uuid(rows.first())
    }
}

//! Payment accounts.

use domain::directory::payment_account::PaymentAccount;
use domain::kernel::ids::PartyId;
use domain::kernel::names::{Method, Operation};

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::MerchantReads;
use crate::workspace::sql_value::params;

#[derive(Clone, Copy, Default, Debug)]
pub struct PaymentAccountFilter {
    pub party: Option<PartyId>,
    pub method: Option<Method>,
    pub operation: Option<Operation>,
    pub is_active: Option<bool>,
}

impl MerchantReads<'_> {
    pub async fn payment_account(&self, id: i64) -> Result<Option<PaymentAccount>, StoreError> {
        self.one("id = :id", params!["id" = id]).await
    }

    pub async fn payment_accounts(
        &self,
        filter: PaymentAccountFilter,
        page: Page,
    ) -> Result<PageOfRows<PaymentAccount>, StoreError> {
        let list = match filter.party {
            None => ListQuery::all(),
            // The merchant's index gives the same order, but the party's has fewer rows.
            Some(party) => ListQuery::by("party_id = :party", params!["party" = party.0]),
        };
        let list = list
            .filter("method = :method", ":method", filter.method.map(|method| method.to_string()))
            .filter(
                "operation_type = :operation",
                ":operation",
                filter.operation.map(Operation::as_str),
            )
            .filter("is_active = :active", ":active", filter.is_active);
        self.list(list, page).await
    }
}

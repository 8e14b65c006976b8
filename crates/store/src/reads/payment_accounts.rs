//! Payment accounts.

use domain::directory::payment_account::PaymentAccount;
use domain::kernel::ids::{MerchantId, PartyId};
use domain::kernel::names::{Method, Operation};

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::workspace::sql_value::params;

#[derive(Clone, Copy, Default, Debug)]
pub struct PaymentAccountFilter {
    pub party: Option<PartyId>,
    pub method: Option<Method>,
    pub operation: Option<Operation>,
    pub is_active: Option<bool>,
}

impl Queries {
    pub async fn payment_account(
        &self,
        merchant: MerchantId,
        id: i64,
    ) -> Result<Option<PaymentAccount>, StoreError> {
        self.one(
            "id = :id AND merchant_id = :merchant",
            &params!["id" = id, "merchant" = merchant.0],
        )
        .await
    }

    pub async fn payment_accounts(
        &self,
        merchant: MerchantId,
        filter: PaymentAccountFilter,
        page: Page,
    ) -> Result<PageOfRows<PaymentAccount>, StoreError> {
        let list = match filter.party {
            None => ListQuery::new("merchant_id = :merchant", merchant, vec![]),
            // The party's index is the better one. The unary plus keeps SQLite from using the
            // merchant's index, which gives the same order.
            Some(party) => ListQuery::new(
                "party_id = :party AND +merchant_id = :merchant",
                merchant,
                params!["party" = party.0],
            ),
        };
        let list = list
            .filter("method = :method", ":method", filter.method.map(Method::as_str))
            .filter(
                "operation_type = :operation",
                ":operation",
                filter.operation.map(Operation::as_str),
            )
            .filter("is_active = :active", ":active", filter.is_active);
        self.list(list, page).await
    }
}

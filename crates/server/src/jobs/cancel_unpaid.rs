//! Cancels orders of payment links that nobody has paid for a day.

use domain::directory::principal::Principal;
use domain::kernel::ids::{MerchantId, SourceId};
use domain::sales::cancel_unpaid_order::CancelUnpaidOrder;

use crate::app::App;
use crate::jobs::due_work::{self, DueWork, ITEMS_PER_ROUND};
use crate::jobs::round_robin::MERCHANTS_PER_ROUND;
use store::{StoreError, clock};

/// Cancels unpaid orders, for ever.
pub async fn run(app: App) {
    due_work::run(CancelUnpaidOrders(app)).await;
}

struct CancelUnpaidOrders(App);

impl DueWork for CancelUnpaidOrders {
    type Id = SourceId;

    const MERCHANTS: &'static str = "merchants with unpaid orders";
    const ITEMS: &'static str = "unpaid orders";

    fn capacity(&self) -> u32 {
        ITEMS_PER_ROUND
    }

    async fn merchants(
        &self,
        after: MerchantId,
    ) -> Result<Vec<(MerchantId, Option<SourceId>)>, StoreError> {
        self.0
            .queries
            .for_system()
            .merchants_with_unpaid_orders(after, clock::now(), MERCHANTS_PER_ROUND)
            .await
    }

    async fn due(&self, merchant: MerchantId, limit: u32) -> Result<Vec<SourceId>, StoreError> {
        self.0.queries.for_system().due_unpaid_orders(merchant, clock::now(), limit).await
    }

    async fn process(&self, merchant: MerchantId, id: SourceId) -> bool {
        let cancel = CancelUnpaidOrder { source_id: id };
        match self.0.engine.submit_for(merchant, Principal::System, cancel).await {
            Ok(_) => true,
            Err(failure) => {
                tracing::warn!(%failure, "an unpaid order could not be canceled");
                false
            }
        }
    }
}

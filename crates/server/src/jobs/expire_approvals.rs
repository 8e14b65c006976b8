//! Ends requests for approval that nobody answered in time.

use domain::directory::principal::Principal;
use domain::kernel::ids::{ApprovalId, MerchantId};
use domain::payments::decide_approval::ExpireApproval;

use crate::app::App;
use crate::jobs::due_work::{self, DueWork, FirstDue, ITEMS_PER_ROUND};
use crate::jobs::round_robin::MERCHANTS_PER_ROUND;
use store::{StoreError, clock};

/// Ends what is over, for ever.
pub async fn run(app: App) {
    due_work::run(ExpireApprovals(app)).await;
}

struct ExpireApprovals(App);

impl DueWork for ExpireApprovals {
    type Id = ApprovalId;

    const MERCHANTS: &'static str = "merchants with requests for approval";
    const ITEMS: &'static str = "requests for approval";

    fn capacity(&self) -> u32 {
        ITEMS_PER_ROUND
    }

    async fn merchants(&self, after: MerchantId) -> Result<FirstDue<ApprovalId>, StoreError> {
        let reads = self.0.queries.for_system();
        reads.merchants_with_approvals(after, clock::now(), MERCHANTS_PER_ROUND).await
    }

    async fn due(&self, merchant: MerchantId, limit: u32) -> Result<Vec<ApprovalId>, StoreError> {
        self.0.queries.for_system().due_approvals(merchant, clock::now(), limit).await
    }

    async fn process(&self, merchant: MerchantId, id: ApprovalId) -> bool {
        let expire = ExpireApproval { approval_id: id };
        match self.0.engine.submit_for(merchant, Principal::System, expire).await {
            Ok(_) => true,
            Err(failure) => {
                tracing::warn!(%failure, "a request for approval could not be ended");
                false
            }
        }
    }
}

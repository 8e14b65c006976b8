//! Writes `EXPIRED` into sessions that have expired. Only lists depend on it: an expired session is
//! refused whether the state is written or not.

use domain::directory::principal::Principal;
use domain::kernel::ids::{MerchantId, SessionId};
use domain::payments::expire_session::ExpireSession;

use crate::app::App;
use crate::jobs::due_work::{self, DueWork, ITEMS_PER_ROUND};
use crate::jobs::round_robin::MERCHANTS_PER_ROUND;
use store::{StoreError, clock};

/// Expires sessions, for ever.
pub async fn run(app: App) {
    due_work::run(ExpireSessions(app)).await;
}

struct ExpireSessions(App);

impl DueWork for ExpireSessions {
    type Id = SessionId;

    const MERCHANTS: &'static str = "merchants with sessions";
    const ITEMS: &'static str = "due sessions";

    fn capacity(&self) -> u32 {
        ITEMS_PER_ROUND
    }

    async fn merchants(
        &self,
        after: MerchantId,
    ) -> Result<Vec<(MerchantId, Option<SessionId>)>, StoreError> {
        self.0
            .queries
            .for_system()
            .merchants_with_sessions(after, clock::now(), MERCHANTS_PER_ROUND)
            .await
    }

    async fn due(&self, merchant: MerchantId, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        self.0.queries.for_system().due_sessions(merchant, clock::now(), limit).await
    }

    async fn process(&self, merchant: MerchantId, id: SessionId) -> bool {
        let expire = ExpireSession { session_id: id };
        match self.0.engine.submit_for(merchant, Principal::System, expire).await {
            Ok(_) => true,
            Err(failure) => {
                tracing::warn!(%failure, "a session could not be swept");
                false
            }
        }
    }
}

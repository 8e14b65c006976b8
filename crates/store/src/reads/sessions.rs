//! Sessions.

use domain::kernel::ids::SessionId;
use domain::payments::session::{Session, SessionKind};

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::MerchantReads;
use crate::workspace::codes::Coded;
use crate::workspace::sql_value::params;

impl MerchantReads<'_> {
    /// A session of any kind.
    pub async fn session_by_id(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    pub async fn session(
        &self,
        kind: SessionKind,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let found: Option<Session> = self.one("id = :id", params!["id" = id.0]).await?;
        Ok(found.filter(|session| session.kind() == kind))
    }

    pub async fn sessions(
        &self,
        kind: SessionKind,
        page: Page,
    ) -> Result<PageOfRows<Session>, StoreError> {
        let kind = params!["kind" = kind.code()];
        self.list(ListQuery::by_merchant_and("kind = :kind", kind), page).await
    }
}

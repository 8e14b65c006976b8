//! Sessions.

use domain::kernel::ids::{MerchantId, SessionId};
use domain::payments::session::{Session, SessionKind};

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::workspace::sql_value::params;

impl Queries {
    pub async fn session(
        &self,
        merchant: MerchantId,
        kind: SessionKind,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let found: Option<Session> = self.one("id = :id", &params!["id" = id.0]).await?;
        Ok(found.filter(|session| session.merchant_id == merchant && session.kind() == kind))
    }

    pub async fn sessions(
        &self,
        merchant: MerchantId,
        kind: SessionKind,
        page: Page,
    ) -> Result<PageOfRows<Session>, StoreError> {
        let kind = params!["kind" = kind.as_str()];
        self.list(ListQuery::new("merchant_id = :merchant AND kind = :kind", merchant, kind), page)
            .await
    }
}

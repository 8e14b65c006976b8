//! Payments that somebody watches: whoever has a token for one reads that one, and what watches for
//! changes reads which payments changed.

use domain::decision::event::EventEntity;
use domain::kernel::ids::{ExecutionId, MerchantId, SessionId, SourceId};
use domain::kernel::names::Operation;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::ReferenceId;
use domain::payments::attempt::WithAttempt;
use domain::payments::session::Session;
use domain::sales::source::SourceType;

use crate::StoreError;
use crate::reads::Queries;
use crate::reads::pages::comma_separated;
use crate::reads::scope::{MerchantReads, SystemReads};
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql_value::{ResultRow, params};

/// A payment, which need not exist yet: the session and the reference say which one it will be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WatchedPayment {
    pub merchant_id: MerchantId,
    pub session_id: SessionId,
    pub reference_id: ReferenceId,
}

/// What whoever has a token for a payment may read: this payment, and what it is for.
#[derive(Clone, Copy)]
pub struct PaymentReads<'a> {
    reads: MerchantReads<'a>,
    payment: WatchedPayment,
}

/// An event of an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecutionEvent {
    /// The position among the events of the merchant.
    pub position: i64,
    pub execution_id: ExecutionId,
    pub session_id: SessionId,
    pub reference_id: ReferenceId,
    /// The sequence among the events of the execution: the first one recorded it.
    pub sequence: i64,
    pub created_at: ServerTime,
}

impl Queries {
    /// The reads of one payment. It must come from a token for it, which is the only authorization
    /// that is needed.
    #[must_use]
    pub const fn for_payment(&self, payment: WatchedPayment) -> PaymentReads<'_> {
        PaymentReads { reads: MerchantReads::new(self, payment.merchant_id), payment }
    }
}

impl PaymentReads<'_> {
    /// The payment, once there is one.
    pub async fn execution(&self) -> Result<Option<WithAttempt>, StoreError> {
        let reference = self.payment.reference_id;
        let found = self.reads.execution_by_reference(Operation::Collection, reference).await?;
        match found.filter(|execution| execution.session_id == self.payment.session_id) {
            Some(execution) => self.reads.with_attempt(execution).await.map(Some),
            None => Ok(None),
        }
    }

    /// The invoice or order that it pays.
    pub async fn source(&self) -> Result<Option<(SourceId, SourceType)>, StoreError> {
        let session: Option<Session> =
            self.reads.one("id = :id", params!["id" = self.payment.session_id.0]).await?;
        let Some(id) = session.and_then(|session| session.source_id()) else { return Ok(None) };
        Ok(self.reads.source_types(&[id]).await?.pop())
    }

    /// The position of the merchant's last event.
    pub async fn last_event_position(&self) -> Result<i64, StoreError> {
        self.reads.last_event_position().await
    }
}

impl SystemReads<'_> {
    /// The position of the last event of each of these merchants.
    pub async fn last_event_positions(
        &self,
        merchants: &[MerchantId],
    ) -> Result<Vec<(MerchantId, i64)>, StoreError> {
        let sql = format!(
            "SELECT merchant_id, last FROM event_positions WHERE merchant_id IN {}",
            self.0.dialect().integers_of()
        );
        let read =
            |row: &dyn ResultRow| Column::read(&mut RowReader::new(row, "event_positions", 0));
        self.0.rows(&sql, &params!["ids" = comma_separated(merchants)], read).await
    }

    /// At most `limit` events of a merchant after a position, in the order of their positions. Those
    /// that are not about executions are `None`, so that whoever reads goes on after them.
    pub async fn execution_events_after(
        &self,
        merchant: MerchantId,
        position: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Option<ExecutionEvent>)>, StoreError> {
        let sql = format!(
            "SELECT v.position, v.sequence, v.created_at, x.id, x.session_id, x.reference_id \
             FROM events AS v LEFT JOIN executions AS x ON x.id = v.subject_id AND v.subject_type = {} \
             WHERE v.merchant_id = :of AND v.position > :after ORDER BY v.position LIMIT :limit",
            EventEntity::Execution.code()
        );
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, "events", 0);
            let (position, sequence, created_at) = Column::read(&mut reader)?;
            let (id, session_id, reference_id): (
                Option<ExecutionId>,
                Option<SessionId>,
                Option<ReferenceId>,
            ) = Column::read(&mut reader)?;
            let event = match (id, session_id, reference_id) {
                (Some(execution_id), Some(session_id), Some(reference_id)) => {
                    Some(ExecutionEvent {
                        position,
                        execution_id,
                        session_id,
                        reference_id,
                        sequence,
                        created_at,
                    })
                }
                _ => None,
            };
            Ok((position, event))
        };
        let params = params!["of" = merchant.0, "after" = position, "limit" = limit];
        self.0.rows(&sql, &params, read).await
    }
}

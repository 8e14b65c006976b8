//! What was said between kola and a network about a payment, as it was said. For support: no
//! decision reads it.

use crate::decision::row::rows_without_alt_key;
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{ExchangeId, ExecutionId, MerchantId, NetworkAccountId};
use crate::kernel::time::ServerTime;

/// A call to a network, or a callback of it. Secrets, and account numbers but their last three
/// digits, were taken out, and long texts were cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    pub id: ExchangeId,
    pub merchant_id: MerchantId,
    pub execution_id: ExecutionId,
    pub said: Said,
}

/// An exchange before it has an id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    pub network_account_id: NetworkAccountId,
    /// Whether the network called.
    pub is_callback: bool,
    /// When it began, server time.
    pub begun_at: ServerTime,
    /// In microseconds.
    pub duration_us: i64,
    /// The request's line and body.
    pub request: String,
    /// The status of the answer; `None` where there was none.
    pub status: Option<i64>,
    /// The body of the answer, or why there was none.
    pub answer: String,
    /// SHA-256 over all that was said, in hexadecimal, before anything was taken out.
    pub digest: String,
}

rows_without_alt_key!(Exchange: ExchangeId);

/// Puts exchanges on record, in the commit of what they changed.
pub(crate) fn record(
    merchant: MerchantId,
    execution: ExecutionId,
    said: &[Said],
    work: &mut Workspace,
) -> Result<(), Stop> {
    for said in said {
        let id = ExchangeId(work.new_id()?);
        work.put(Exchange {
            id,
            merchant_id: merchant,
            execution_id: execution,
            said: said.clone(),
        });
    }
    Ok(())
}

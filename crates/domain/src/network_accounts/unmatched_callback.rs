//! Callbacks about payments that are not known here. For support: no decision reads them.

use crate::decision::row::rows_without_alt_key;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{NetworkAccountId, UnmatchedCallbackId};
use crate::kernel::time::ServerTime;

/// A callback that was answered like any other and led to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnmatchedCallback {
    pub id: UnmatchedCallbackId,
    pub network_account_id: NetworkAccountId,
    pub received_at: ServerTime,
    /// Whether its signature held.
    pub is_signed: bool,
    /// The id of the request that it names.
    pub request_id: String,
    /// Without secrets and account numbers, and cut where it was long.
    pub body: String,
}

rows_without_alt_key!(UnmatchedCallback: UnmatchedCallbackId);

/// Puts a callback about an unknown payment on record. The fields are those of the row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeepUnmatchedCallback {
    pub network_account_id: NetworkAccountId,
    pub is_signed: bool,
    pub request_id: String,
    pub body: String,
}

impl Decision for KeepUnmatchedCallback {
    type Output = ();

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        let Self { network_account_id, is_signed, request_id, body } = self.clone();
        let id = UnmatchedCallbackId(work.new_id()?);
        work.put(UnmatchedCallback {
            id,
            network_account_id,
            received_at: context.now,
            is_signed,
            request_id,
            body,
        });
        Ok(())
    }
}

//! What a process is told to call a network with.

use domain::payments::provider_call::{CallKind, ProviderCall};

use super::Observed;
use super::model::{Execution, Mismatch, Model};

impl Model {
    /// What a process is told to call its network with: the request as it was sent first, by an id
    /// that never changes. `sends` says whether it is to be sent.
    pub(super) fn check_call(
        &self,
        id: i64,
        own: &Execution,
        call: Option<&ProviderCall>,
        sends: bool,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let Some(call) = call else {
            return if sends && !observed.read_back {
                Err(format!("nobody sends the request of {id}"))
            } else {
                Ok(())
            };
        };
        let ProviderCall { lease_until, kind, request, .. } = call;
        let sends = sends && !(own.sends == 1 && self.is_asked_first(own, observed.now));
        let at = own.network_account.unwrap_or(0);
        let original = own.original.and_then(|id| self.executions.get(&id));
        let account = own.account.and_then(|id| self.accounts.get(&id));
        let seen = (
            (request.merchant_id.0, request.execution_id.0, request.operation),
            (request.amount.minor, request.amount.currency),
            (request.request_id, request.original_request_id),
            (request.send_count, Some(lease_until.0), *kind == CallKind::Send),
            (request.details.network_account_id.0, request.details.body.is_some()),
            (request.account_number.as_ref(), request.from_page, request.cancel_asked),
        );
        let expected = (
            (own.merchant, id, own.operation),
            (own.outside_amount(), own.outside_currency),
            (own.request, original.map(|original| original.request)),
            (own.sends, own.lease, sends),
            (at, own.is_real),
            (
                account.and_then(|account| account.number.as_ref()),
                own.page.is_some(),
                own.cancel_requested,
            ),
        );
        if seen == expected {
            Ok(())
        } else {
            Err(format!("the call for {id} is {call:?}, {expected:?} was expected"))
        }
    }
}

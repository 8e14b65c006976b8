//! What callbacks that change nothing by themselves may cost: unsigned ones, after which the network
//! is asked, and those about unknown payments, which are put on record.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::directory::principal::Principal;
use domain::kernel::ids::{MerchantId, NetworkAccountId};
use domain::network_accounts::unmatched_callback::KeepUnmatchedCallback;
use networks::accounts::CalledAccount;

use super::Refused;
use crate::app::App;
use crate::config::RateLimit;
use crate::net::rate_limits::AddressLimit;

/// How many such callbacks an address may send.
const PER_ADDRESS: RateLimit = RateLimit { requests: 50, seconds: 1 };
/// How many callbacks about unknown payments are on record for an account.
const ROWS_MAX: i64 = 10_000;
/// How long a count of rows is trusted. Other processes add rows, and old ones are deleted.
const COUNT_HOLDS: Duration = Duration::from_secs(60);

/// The limits. Beyond them a callback is only counted.
pub struct UnmatchedLimits {
    addresses: AddressLimit,
    /// The rows of each account, and when they were counted.
    rows: Mutex<HashMap<NetworkAccountId, (i64, Instant)>>,
}

impl Default for UnmatchedLimits {
    fn default() -> Self {
        Self { addresses: AddressLimit::new("callbacks", PER_ADDRESS), rows: Mutex::default() }
    }
}

impl UnmatchedLimits {
    /// Counts a callback of an address. Returns whether more than counting is done with it.
    pub fn take(&self, address: IpAddr) -> bool {
        self.addresses.take(address)
    }

    /// Whether an account has room for another row, as far as it was counted.
    fn has_room(&self, account: NetworkAccountId) -> Option<bool> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, counted_at) = rows.get_mut(&account)?;
        if counted_at.elapsed() > COUNT_HOLDS {
            return None;
        }
        let has_room = *count < ROWS_MAX;
        *count += i64::from(has_room);
        Some(has_room)
    }

    fn set_count(&self, account: NetworkAccountId, count: i64) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert(account, (count, Instant::now()));
    }
}

/// Puts a callback about an unknown payment on record, as far as the limits allow.
pub(super) async fn keep(
    app: &App,
    called: &CalledAccount,
    address: IpAddr,
    callback: KeepUnmatchedCallback,
) -> Result<(), Refused> {
    let (account, request_id) = (called.account.name.as_str(), callback.request_id.as_str());
    called.counters.callbacks_unmatched.add();
    tracing::warn!(account, request_id, "a callback is about a payment that is not known");
    let limits = &app.unmatched_callbacks;
    // Unsigned ones were counted already.
    if callback.is_signed && !limits.take(address) {
        called.counters.callbacks_only_counted.add();
        return Ok(());
    }
    let has_room = match limits.has_room(called.account.id) {
        Some(has_room) => has_room,
        None => {
            let count = app.queries.for_system().unmatched_callbacks(called.account.id).await;
            let count = count.map_err(|error| {
                tracing::warn!(%error, "callbacks could not be counted");
                Refused::NotRecorded
            })?;
            limits.set_count(called.account.id, count);
            limits.has_room(called.account.id).unwrap_or(true)
        }
    };
    if !has_room {
        called.counters.callbacks_only_counted.add();
        return Ok(());
    }
    let kept = app.engine.submit_for(MerchantId::INSTALLATION, Principal::Network, callback).await;
    kept.map_err(|failure| {
        tracing::warn!(%failure, account, "a callback could not be put on record");
        Refused::NotRecorded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_room_until_its_rows_are_many() {
        let limits = UnmatchedLimits::default();
        let account = NetworkAccountId(7);
        assert_eq!(limits.has_room(account), None, "not counted yet");
        limits.set_count(account, ROWS_MAX - 1);
        assert_eq!(limits.has_room(account), Some(true));
        assert_eq!(limits.has_room(account), Some(false));
        assert_eq!(limits.has_room(NetworkAccountId(8)), None, "another account");
    }

    #[test]
    fn an_address_is_taken_from_fifty_times_at_once() {
        let limits = UnmatchedLimits::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        // However slow the machine is: what was taken before the first refusal is at least that.
        let taken = (0..10_000).take_while(|_| limits.take(address)).count();
        assert!(taken >= 50, "{taken}");
        assert!(limits.take(IpAddr::from([192, 0, 2, 2])));
    }
}

//! The network accounts that this process calls: their addresses and credentials, how many calls each
//! makes a second, and whether its network is worth calling.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use domain::kernel::ids::NetworkAccountId;
use domain::kernel::names::Provider;
use domain::kernel::time::ServerTime;
use tokio::sync::Semaphore;

use crate::calls::TURN_WITHIN;
use crate::client::circuit::{Circuit, Permit};
use crate::client::limit::CallLimit;
use crate::client::{self, BaseUrl, CALL_TIMEOUT, CallError};
use crate::counters::Counters;
use crate::exchange::HttpResponse;
use crate::pawapay::signature::{PublicKey, RequestSigner};

/// The fewest and the most calls of an account that may be under way at once.
const AT_ONCE: (u64, u64) = (256, 1_024);

/// The secrets of an account, in the clear. They are in no log and in no answer.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// pawaPay's token or Stripe's secret key, with which calls are made.
    pub bearer: Option<String>,
    /// Stripe: what a payer's browser is given.
    pub publishable_key: Option<String>,
    /// Stripe: with which events are signed.
    pub webhook_secrets: Vec<String>,
    /// pawaPay: the key that requests are signed with; see
    /// [`SigningKey`](domain::network_accounts::secret::SecretKind::SigningKey).
    pub signing_key: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} webhook secrets)", self.webhook_secrets.len())
    }
}

/// An account as it is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub id: NetworkAccountId,
    pub network: Provider,
    /// For log lines.
    pub name: String,
    pub base_url: BaseUrl,
    pub calls_per_second: u32,
    /// See [`NetworkAccount::callback_token`](domain::network_accounts::account::NetworkAccount).
    pub callback_token: String,
    pub signed_callbacks: bool,
    /// Whether real money moves.
    pub is_live: bool,
    /// Whether it takes no payments any more. What its network says of old ones is still heard.
    pub is_closed: bool,
    /// When the account's row was changed last, as far as this process knows.
    pub updated_at: ServerTime,
    pub credentials: Credentials,
}

/// An account with what its calls have shown. Clones of the [`Arc`] share it.
#[derive(Debug)]
pub struct CalledAccount {
    pub account: Account,
    signer: Option<Arc<RequestSigner>>,
    /// What happened so far.
    pub counters: Arc<Counters>,
    calls: Arc<Mutex<Calls>>,
    /// One for each further call that may be begun.
    at_once: Arc<Semaphore>,
    /// pawaPay: the keys that callbacks are signed with, as they were last fetched.
    callback_keys: Arc<RwLock<Vec<PublicKey>>>,
    keys_fetched_at: Arc<tokio::sync::Mutex<Option<ServerTime>>>,
}

#[derive(Debug)]
struct Calls {
    per_second: u32,
    limit: CallLimit,
    circuit: Circuit,
}

/// What a call is for. A payment that cannot be sent now waits; a question can be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Send,
    Ask,
}

/// Why a call is not made now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotNow {
    /// The network does not work.
    Circuit { until: ServerTime },
    /// The account has made its calls of this second, or the network asked for a pause.
    Rate { until: ServerTime },
}

/// What became of a call, for the account's limit and its circuit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The network answered, and did not refuse the call for now.
    Answered,
    /// 429: too many calls. The network works, and the pauses go on getting longer.
    TooMany,
    /// The network failed; see [`client::is_failure`].
    Failed,
}

impl Ended {
    #[must_use]
    pub fn of(answer: &Result<HttpResponse, CallError>) -> Self {
        match answer {
            _ if client::is_failure(answer) => Self::Failed,
            Ok(response) if response.status == 429 => Self::TooMany,
            _ => Self::Answered,
        }
    }
}

/// A call that may be made. What became of it must be reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permitted {
    is_probe: bool,
}

impl CalledAccount {
    fn new(account: Account) -> Self {
        let calls = Calls {
            per_second: account.calls_per_second,
            limit: CallLimit::new(account.calls_per_second),
            circuit: Circuit::default(),
        };
        Self {
            signer: signer(&account),
            counters: Arc::default(),
            calls: Arc::new(Mutex::new(calls)),
            at_once: at_once(account.calls_per_second),
            account,
            callback_keys: Arc::default(),
            keys_fetched_at: Arc::default(),
        }
    }

    /// The same account with other settings. Its limit goes on where it was, unless that was changed.
    fn updated(&self, account: Account) -> Self {
        let mut calls = self.lock();
        let mut calls_at_once = Arc::clone(&self.at_once);
        if calls.per_second != account.calls_per_second {
            calls.per_second = account.calls_per_second;
            calls.limit = CallLimit::new(account.calls_per_second);
            calls_at_once = at_once(account.calls_per_second);
        }
        drop(calls);
        Self {
            signer: signer(&account),
            account,
            counters: Arc::clone(&self.counters),
            calls: Arc::clone(&self.calls),
            at_once: calls_at_once,
            callback_keys: Arc::clone(&self.callback_keys),
            keys_fetched_at: Arc::clone(&self.keys_fetched_at),
        }
    }

    /// pawaPay: what signs requests, if they are to be signed.
    #[must_use]
    pub fn signer(&self) -> Option<&RequestSigner> {
        self.signer.as_deref()
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls may be under way at once: whoever makes one holds a permit until it has ended.
    #[must_use]
    pub const fn at_once(&self) -> &Arc<Semaphore> {
        &self.at_once
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// Until when it has to wait.
    pub fn permit(&self, purpose: Purpose, now: ServerTime) -> Result<Permitted, NotNow> {
        let mut calls = self.lock();
        if purpose == Purpose::Ask {
            let taken = if calls.circuit.is_open() {
                calls.limit.take_slowly(now)
            } else {
                calls.limit.take(now)
            };
            return taken
                .map(|()| Permitted { is_probe: false })
                .map_err(|until| NotNow::Rate { until });
        }
        // The limit first: a probe that is permitted must be made.
        calls.limit.take(now).map_err(|until| NotNow::Rate { until })?;
        match calls.circuit.permit(now) {
            Permit::Send => Ok(Permitted { is_probe: false }),
            Permit::Probe => Ok(Permitted { is_probe: true }),
            Permit::Wait { until } => Err(NotNow::Circuit { until }),
        }
    }

    /// Reports what became of a call that was permitted.
    pub fn report(&self, permitted: Permitted, ended: Ended, now: ServerTime) {
        let counter = match ended {
            Ended::Answered => &self.counters.calls_answered,
            Ended::TooMany => &self.counters.calls_too_many,
            Ended::Failed => &self.counters.calls_failed,
        };
        counter.add();
        let mut calls = self.lock();
        let (opened, closed) = match ended {
            Ended::Answered => {
                calls.limit.answered();
                (false, calls.circuit.succeeded())
            }
            Ended::TooMany => (false, calls.circuit.succeeded()),
            Ended::Failed if permitted.is_probe => (calls.circuit.probe_failed(now), false),
            Ended::Failed => (calls.circuit.failed(now), false),
        };
        drop(calls);
        let account = &self.account.name;
        if opened {
            self.counters.circuits_opened.add();
            tracing::error!(
                account,
                event = "network.unavailable",
                "the network fails: payments wait until it answers again"
            );
        }
        if closed {
            tracing::info!(
                account,
                event = "network.available",
                "the network answers again: payments that waited are sent"
            );
        }
    }

    /// The network refused a call for now.
    pub fn pause(&self, after: Option<Duration>, random: u64, now: ServerTime) {
        self.lock().limit.refused(after, random, now);
    }

    /// Whether payments wait because the network fails.
    #[must_use]
    pub fn circuit_is_open(&self) -> bool {
        self.lock().circuit.is_open()
    }

    /// When the keys of callbacks were fetched last. It is held by who fetches them: of callbacks that
    /// come together one fetches, and the others wait for what it finds.
    #[must_use]
    pub fn keys_fetched_at(&self) -> &tokio::sync::Mutex<Option<ServerTime>> {
        &self.keys_fetched_at
    }

    /// pawaPay: the keys that callbacks are signed with, as they were last fetched.
    #[must_use]
    pub fn callback_keys(&self) -> Vec<PublicKey> {
        self.callback_keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_callback_keys(&self, keys: Vec<PublicKey>) {
        *self.callback_keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

/// A key that cannot be read is a fault of the program: it was read before it was stored. Requests are
/// then not signed, and pawaPay refuses them where it wants them to be.
fn signer(account: &Account) -> Option<Arc<RequestSigner>> {
    let key = account.credentials.signing_key.as_deref()?;
    let signer = RequestSigner::from_text(key).inspect_err(|reason| {
        tracing::error!(account = account.name, reason, "the signing key cannot be used");
    });
    signer.ok().map(Arc::new)
}

/// Enough for all calls that the limit lets begin while the slowest of them is answered. A network
/// that hangs then holds up its own account alone, and not for want of permits.
fn at_once(calls_per_second: u32) -> Arc<Semaphore> {
    let (fewest, most) = AT_ONCE;
    let longest = TURN_WITHIN.saturating_add(CALL_TIMEOUT).as_secs();
    let calls = u64::from(calls_per_second).saturating_mul(longest).clamp(fewest, most);
    Arc::new(Semaphore::new(usize::try_from(calls).unwrap_or(Semaphore::MAX_PERMITS)))
}

/// The accounts of an installation, as this process knows them. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct Accounts(Arc<RwLock<HashMap<NetworkAccountId, Arc<CalledAccount>>>>);

impl Accounts {
    /// The account of that id, if this process knows it.
    #[must_use]
    pub fn get(&self, id: NetworkAccountId) -> Option<Arc<CalledAccount>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    #[must_use]
    pub fn all(&self) -> Vec<Arc<CalledAccount>> {
        let accounts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = accounts.values().cloned().collect();
        all.sort_by_key(|called| called.account.id);
        all
    }

    /// The accounts that could not begin so many more calls now.
    #[must_use]
    pub fn busy(&self, calls: usize) -> Vec<NetworkAccountId> {
        let accounts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let busy = accounts.values().filter(|called| called.at_once.available_permits() < calls);
        busy.map(|called| called.account.id).collect()
    }

    /// Takes the accounts as they are now. Those that were known keep their limits and circuits.
    pub fn replace(&self, accounts: Vec<Account>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let called = |account: Account| {
            let called = match known.get(&account.id) {
                Some(before) if before.account == account => {
                    return (account.id, Arc::clone(before));
                }
                Some(before) => before.updated(account),
                None => CalledAccount::new(account),
            };
            (called.account.id, Arc::new(called))
        };
        let new = accounts.into_iter().map(called).collect();
        *known = new;
    }
}

#[cfg(test)]
mod tests {
    use domain::kernel::time::{millis, seconds};

    use super::*;

    fn account(per_second: u32, bearer: &str) -> Account {
        Account {
            id: NetworkAccountId(7),
            network: Provider::PawaPay,
            name: "a".to_owned(),
            base_url: BaseUrl::parse("http://127.0.0.1:1").unwrap(),
            calls_per_second: per_second,
            callback_token: "t".to_owned(),
            signed_callbacks: false,
            is_live: false,
            is_closed: false,
            updated_at: ServerTime(0),
            credentials: Credentials { bearer: Some(bearer.to_owned()), ..Credentials::default() },
        }
    }

    fn at(second: i64) -> ServerTime {
        ServerTime(seconds(1_780_000_000 + second))
    }

    #[test]
    fn a_new_token_keeps_what_calls_have_shown() {
        let accounts = Accounts::default();
        accounts.replace(vec![account(100, "one")]);
        let called = accounts.get(NetworkAccountId(7)).unwrap();
        for _ in 0..10 {
            let permitted = called.permit(Purpose::Send, at(0)).unwrap();
            called.report(permitted, Ended::Failed, at(0));
        }
        assert!(called.circuit_is_open());
        accounts.replace(vec![account(100, "two")]);
        let called = accounts.get(NetworkAccountId(7)).unwrap();
        assert_eq!(called.account.credentials.bearer.as_deref(), Some("two"));
        assert_eq!(called.permit(Purpose::Send, at(1)), Err(NotNow::Circuit { until: at(5) }));
        // A question goes on, and its success closes the circuit.
        let permitted = called.permit(Purpose::Ask, at(1)).unwrap();
        called.report(permitted, Ended::Answered, at(1));
        assert!(called.permit(Purpose::Send, at(1)).is_ok());
        accounts.replace(vec![]);
        assert!(accounts.get(NetworkAccountId(7)).is_none());
    }

    #[test]
    fn refusals_one_after_the_other_make_the_pauses_longer() {
        let accounts = Accounts::default();
        accounts.replace(vec![account(100, "one")]);
        let called = accounts.get(NetworkAccountId(7)).unwrap();
        let mut now = at(0);
        for expected_ms in [500, 1_000, 2_000, 4_000] {
            let permitted = called.permit(Purpose::Send, now).unwrap();
            let answer = Ok(HttpResponse { status: 429, headers: vec![], body: vec![] });
            called.report(permitted, Ended::of(&answer), now);
            called.pause(None, 0, now);
            let until = now.plus(millis(expected_ms));
            assert_eq!(called.permit(Purpose::Send, now), Err(NotNow::Rate { until }));
            now = until;
        }
        assert!(!called.circuit_is_open());
    }

    #[test]
    fn another_limit_counts_at_once() {
        let accounts = Accounts::default();
        accounts.replace(vec![account(1, "one")]);
        let called = accounts.get(NetworkAccountId(7)).unwrap();
        assert!(called.permit(Purpose::Send, at(0)).is_ok());
        assert!(matches!(called.permit(Purpose::Send, at(0)), Err(NotNow::Rate { .. })));
        accounts.replace(vec![account(5, "one")]);
        let called = accounts.get(NetworkAccountId(7)).unwrap();
        assert!(called.permit(Purpose::Send, at(0)).is_ok());
    }

    #[test]
    fn calls_at_once_are_counted_for_each_account_by_its_limit() {
        let accounts = Accounts::default();
        let other = Account { id: NetworkAccountId(8), ..account(80, "b") };
        accounts.replace(vec![account(1, "a"), other.clone()]);
        let free = |id| accounts.get(NetworkAccountId(id)).unwrap().at_once().available_permits();
        assert_eq!((free(7), free(8)), (256, 960));
        let called = accounts.get(NetworkAccountId(7)).unwrap();
        let held = called.at_once().try_acquire_many(200).unwrap();
        assert_eq!((free(7), free(8)), (56, 960));
        assert_eq!(accounts.busy(57), [NetworkAccountId(7)]);
        assert_eq!(accounts.busy(56), []);
        // Another token changes nothing of it, another limit does.
        accounts.replace(vec![account(1, "c"), other.clone()]);
        assert_eq!(free(7), 56);
        accounts.replace(vec![account(1_000_000, "c"), other]);
        assert_eq!(free(7), 1_024);
        drop(held);
        assert_eq!(free(7), 1_024);
    }

    #[test]
    fn no_log_has_a_secret() {
        let credentials = Credentials {
            bearer: Some("s1".to_owned()),
            publishable_key: None,
            webhook_secrets: vec!["s2".to_owned()],
            signing_key: Some("s3".to_owned()),
        };
        assert_eq!(format!("{credentials:?}"), "Credentials(1 webhook secrets)");
    }
}

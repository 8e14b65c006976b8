//! Payment networks: each translates its answers into [`ProviderOutcome`]s. A provider is called
//! outside any transaction; its outcome comes back as a command.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use domain::kernel::names::Mode;
use domain::kernel::time::ServerTime;
use domain::kernel::trace::TraceContext;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::{CallKind, ProviderCall, ProviderRequest};
use tokio::sync::Semaphore;

use crate::accounts::Accounts;
use crate::calls::{AccountNews, Called, NetworkCalls, Outside};

pub mod accounts;
pub mod calls;
pub mod client;
pub mod counters;
pub mod exchange;
pub mod pawapay;
pub mod prompt;
pub mod reading;
pub mod sandbox;
pub mod stripe;
pub mod webhooks;

/// The most calls to the sandbox that are under way at once.
const SANDBOX_AT_ONCE: usize = 256;

/// The outcome of a call, once the provider has answered.
pub type OutcomeFuture<'a> = Pin<Box<dyn Future<Output = ProviderOutcome> + Send + 'a>>;

/// A network that moves money. Calls have no errors: no answer, a time-out or an unreadable answer
/// is [`ProviderOutcome::Unknown`], because the money may have moved.
pub trait Provider: Send + Sync {
    /// Sends a request. A repeated request with the same id must not move money twice.
    fn start<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a>;

    /// Asks for the status of a request.
    fn status<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a>;

    /// Cancels a request that waits for the payer. The answer is about the cancellation only; the
    /// outcome of the request is its status.
    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a>;
}

/// Routes each call to the provider that it is for.
#[derive(Clone)]
pub struct ProviderRouter {
    sandbox: Arc<dyn Provider>,
    sandbox_at_once: Arc<Semaphore>,
    networks: NetworkCalls,
}

impl ProviderRouter {
    /// A router that knows no other network than the sandbox.
    #[must_use]
    pub fn sandbox_only(sandbox: Arc<dyn Provider>) -> Self {
        let nothing = Outside { now: || ServerTime(0), random: || 0 };
        Self::new(sandbox, NetworkCalls::new(None, Accounts::default(), nothing))
    }

    /// Sandbox merchants never reach another provider than the sandbox.
    #[must_use]
    pub fn new(sandbox: Arc<dyn Provider>, networks: NetworkCalls) -> Self {
        let sandbox_at_once = Arc::new(Semaphore::new(SANDBOX_AT_ONCE));
        Self { sandbox, sandbox_at_once, networks }
    }

    #[must_use]
    pub const fn networks(&self) -> &NetworkCalls {
        &self.networks
    }

    /// How many such calls may be under way at once: each network account has permits of its own, and
    /// so has the sandbox, so that none waits for another's network. `None` for an account that this
    /// process does not know: its call ends at once.
    #[must_use]
    pub fn at_once(&self, call: &ProviderCall) -> Option<Arc<Semaphore>> {
        match call.mode {
            Mode::Sandbox => Some(Arc::clone(&self.sandbox_at_once)),
            Mode::Test | Mode::Live => {
                let called = self.networks.accounts.get(call.request.details.network_account_id)?;
                Some(Arc::clone(called.at_once()))
            }
        }
    }

    /// Makes a call. A real network is told `trace`, which its own spans may continue. The second value
    /// is what the call shows of the network account.
    pub async fn call(
        &self,
        call: &ProviderCall,
        trace: Option<TraceContext>,
    ) -> (Called, Option<AccountNews>) {
        match call.mode {
            Mode::Sandbox => (Called::answered(self.ask_sandbox(call).await), None),
            Mode::Test | Mode::Live => self.networks.call(call, trace).await,
        }
    }

    /// Makes a call to the sandbox.
    pub async fn ask_sandbox(&self, call: &ProviderCall) -> ProviderOutcome {
        let provider = &self.sandbox;
        match call.kind {
            CallKind::Send => provider.start(&call.request).await,
            CallKind::Query => provider.status(&call.request).await,
            CallKind::Cancel => {
                // Whatever the cancellation answers: a payer may have paid just before it, and only
                // the status tells.
                provider.cancel(&call.request).await;
                provider.status(&call.request).await
            }
        }
    }
}

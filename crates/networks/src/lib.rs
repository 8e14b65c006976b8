//! Providers: their words in ours. A provider is asked outside any transaction; what it says comes
//! back as a command.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use domain::kernel::names::Mode;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::{CallKind, ProviderCall, ProviderRequest};

pub mod sandbox;

/// What a provider says, when it has said it.
pub type Reply<'a> = Pin<Box<dyn Future<Output = ProviderOutcome> + Send + 'a>>;

/// A network that moves money. No call fails: silence, time-outs and unreadable answers are
/// [`ProviderOutcome::Unknown`].
pub trait Provider: Send + Sync {
    /// Carries a request out. Called again with the same id, it must not move money twice.
    fn start<'a>(&'a self, request: &'a ProviderRequest) -> Reply<'a>;

    /// Says what became of a request.
    fn status<'a>(&'a self, request: &'a ProviderRequest) -> Reply<'a>;

    /// Cancels a request that waits for the payer. The answer is only the call's: what became of
    /// the request is asked.
    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> Reply<'a>;
}

/// The providers of an installation.
#[derive(Clone)]
pub struct Providers {
    sandbox: Arc<dyn Provider>,
}

impl Providers {
    /// Only the built-in one: sandbox merchants never reach another.
    #[must_use]
    pub fn new(sandbox: Arc<dyn Provider>) -> Self {
        Self { sandbox }
    }

    /// Does a job at the provider that it is for. A live merchant's waits, as long as no live
    /// provider is configured.
    pub async fn call(&self, job: &ProviderCall) -> ProviderOutcome {
        let provider = match job.mode {
            Mode::Sandbox => &self.sandbox,
            Mode::Live => return ProviderOutcome::Unknown,
        };
        match job.kind {
            CallKind::Send => provider.start(&job.request).await,
            CallKind::Query => provider.status(&job.request).await,
            CallKind::Cancel => {
                // Whatever the cancellation answers: only the status is the provider's word on the
                // payment.
                provider.cancel(&job.request).await;
                provider.status(&job.request).await
            }
        }
    }
}

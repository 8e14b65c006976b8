//! What a request handler and a worker have at hand.

use std::ops::Deref;
use std::sync::Arc;

use domain::payments::receipt_code::ReceiptCodes;

use crate::api::error::ApiError;
use crate::callbacks::unmatched::UnmatchedLimits;
use crate::config::Config;
use crate::credentials::hashing::HashingPool;
use crate::credentials::sealing::{SealingKey, another_key};
use crate::credentials::tokens::Tokens;
use crate::engine::Engine;
use crate::figures::Figures;
use crate::jobs::dispatch::Dispatcher;
use crate::jobs::webhooks::Webhooks;
use crate::net::rate_limits::{Limits, ReceiptGuesses};
use crate::net::request_log::RequestLogs;
use crate::net::response_permits::ResponsePermits;
use crate::sockets::Sockets;
use crate::telemetry::metrics::Metrics;
use store::reads::Queries;
use tokio::sync::watch;

/// The parts, shared: the routes of a request clone it about ten times.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

impl App {
    #[must_use]
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The key that new secrets are encrypted with. The first secret makes it; where secrets are there,
    /// a key that is missing must be put back, because a new one would not open them.
    ///
    /// # Errors
    /// [`ApiError::NoSecretsKey`], also for another key than the one of what is there.
    pub async fn key_to_seal_with(&self) -> Result<SealingKey, ApiError> {
        let reads = self.queries.for_system();
        let may_make = !reads.has_sealed_secrets().await?;
        let file = &self.config.secrets_key;
        let key = file.read(may_make).map_err(no_key)?;
        match reads.key_of_codes().await? {
            Some(id) if id != key.id() => Err(no_key(another_key(file, &key, &id))),
            _ => Ok(key),
        }
    }

    /// The key that secrets are decrypted with.
    ///
    /// # Errors
    /// [`ApiError::NoSecretsKey`].
    pub fn key_to_open_with(&self) -> Result<SealingKey, ApiError> {
        self.config.secrets_key.read(false).map_err(no_key)
    }
}

/// The answer where the key is not there, or is another one.
pub fn no_key(error: anyhow::Error) -> ApiError {
    ApiError::NoSecretsKey(format!("{error:#}"))
}

impl Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

pub struct AppParts {
    /// Submits commands to the lanes: the only way to write.
    pub engine: Engine,
    /// Leads to what may be read; a merchant's rows by
    /// [`Tenant::reads`](crate::net::principal::Tenant::reads).
    pub queries: Queries,
    /// Issues and checks access tokens.
    pub tokens: Arc<Tokens>,
    /// Memory to hash passcodes in.
    pub hashing: HashingPool,
    /// Calls providers.
    pub dispatcher: Dispatcher,
    /// Rate limits, when they are on.
    pub limits: Option<Arc<Limits>>,
    /// The codes of receipts.
    pub receipt_codes: ReceiptCodes,
    /// Limits wrong receipt codes.
    pub receipt_guesses: Arc<ReceiptGuesses>,
    /// Limits callbacks that change nothing by themselves.
    pub unmatched_callbacks: Arc<UnmatchedLimits>,
    /// Permits for lists that are being answered.
    pub lists: Arc<ResponsePermits>,
    /// Permits for invoices, orders and receipts with their items.
    pub details: Arc<ResponsePermits>,
    /// Permits for pages that are being answered.
    pub pages: Arc<ResponsePermits>,
    /// Of their own, so that they keep nobody from a page.
    pub pdfs: Arc<ResponsePermits>,
    /// Permits for streams of events.
    pub streams: Arc<ResponsePermits>,
    /// The sockets of realtime clients.
    pub sockets: Sockets,
    /// Becomes true when the server is told to stop: what would never end by itself ends then.
    pub stopping: watch::Sender<bool>,
    /// The last requests of each merchant.
    pub requests: Arc<RequestLogs>,
    /// Sums of merchants' payments.
    pub figures: Arc<Figures>,
    /// What is known of webhooks.
    pub webhooks: Arc<Webhooks>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// The settings.
    pub config: Arc<Config>,
}

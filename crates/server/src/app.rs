//! What a request handler and a worker have at hand.

use std::sync::Arc;

use crate::config::Config;
use crate::credentials::hashing::Hashing;
use crate::credentials::tokens::Tokens;
use crate::engine::Engine;
use crate::jobs::dispatch::Dispatcher;
use crate::net::rate_limits::Limits;
use crate::net::response_permits::Places;
use store::reads::Queries;

/// Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The only door to writing.
    pub engine: Engine,
    /// Reading.
    pub queries: Queries,
    /// Issues and checks access tokens.
    pub tokens: Arc<Tokens>,
    /// Memory to hash passcodes in.
    pub hashing: Hashing,
    /// Calls providers.
    pub dispatcher: Dispatcher,
    /// Rate limits, when they are on.
    pub limits: Option<Arc<Limits>>,
    /// Places for lists that are being answered.
    pub lists: Arc<Places>,
    /// Places for invoices, orders and receipts with their items.
    pub details: Arc<Places>,
    /// Places for pages that are being answered.
    pub pages: Arc<Places>,
    /// The settings.
    pub config: Arc<Config>,
}

//! What request handlers and jobs share.

use std::sync::Arc;

use crate::config::Config;
use crate::credentials::hashing::HashingPool;
use crate::credentials::tokens::Tokens;
use crate::engine::Engine;
use crate::jobs::dispatch::Dispatcher;
use crate::net::rate_limits::Limits;
use crate::net::response_permits::ResponsePermits;
use store::reads::queries::Queries;

/// Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Writing.
    pub engine: Engine,
    /// Reading.
    pub queries: Queries,
    /// Issues and checks access tokens.
    pub tokens: Arc<Tokens>,
    /// The memory in which passcodes are hashed.
    pub hashing: HashingPool,
    /// Calls providers.
    pub dispatcher: Dispatcher,
    /// Rate limits; `None` when they are off.
    pub limits: Option<Arc<Limits>>,
    /// Permits for responses with lists.
    pub lists: Arc<ResponsePermits>,
    /// Permits for responses with an invoice, order or receipt and its items.
    pub details: Arc<ResponsePermits>,
    /// Permits for pages.
    pub pages: Arc<ResponsePermits>,
    pub config: Arc<Config>,
}

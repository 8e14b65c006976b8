//! What reads the ledger and writes into it while statements are compared: a running server's engine,
//! or a lane of the command line's own.

use std::cell::RefCell;

use anyhow::Context as _;
use domain::decision::command::{Command, ListedDecision, Output, Request};
use domain::directory::principal::Principal;
use futures_util::future::join_all;
use store::Store;
use store::reads::Queries;
use store::reads::scope::SystemReads;

use crate::app::App;
use crate::engine::Lane;

/// The ledger, for whoever works through a statement.
pub trait Ledger {
    fn reads(&self) -> SystemReads<'_>;

    /// Carries out commands as the server itself, in their order, as few commits as fit.
    ///
    /// # Errors
    /// The first that failed.
    fn submit_all(
        &self,
        commands: Vec<Command>,
    ) -> impl Future<Output = anyhow::Result<Vec<Output>>>;
}

/// Carries out one command as the server itself.
///
/// # Errors
/// It failed.
pub async fn submit<D: ListedDecision>(
    ledger: &impl Ledger,
    decision: D,
) -> anyhow::Result<D::Output> {
    let output = ledger.submit_all(vec![decision.into()]).await?.pop();
    output.and_then(D::output).context("the ledger gave the output of another decision")
}

/// The ledger of a running server.
pub struct ServerLedger<'a>(pub &'a App);

impl Ledger for ServerLedger<'_> {
    fn reads(&self) -> SystemReads<'_> {
        self.0.queries.for_system()
    }

    async fn submit_all(&self, commands: Vec<Command>) -> anyhow::Result<Vec<Output>> {
        let submitted = commands.into_iter().map(|command| self.0.engine.submit_any(command));
        Ok(join_all(submitted).await.into_iter().collect::<Result<_, _>>()?)
    }
}

/// The ledger of a database on which a server may be running, too.
pub struct OwnLedger<S> {
    queries: Queries,
    lane: RefCell<Lane<S>>,
}

impl<S> OwnLedger<S> {
    #[must_use]
    pub const fn new(queries: Queries, lane: Lane<S>) -> Self {
        Self { queries, lane: RefCell::new(lane) }
    }
}

impl<S: Store> Ledger for OwnLedger<S> {
    fn reads(&self) -> SystemReads<'_> {
        self.queries.for_system()
    }

    async fn submit_all(&self, commands: Vec<Command>) -> anyhow::Result<Vec<Output>> {
        let requests: Vec<Request> =
            commands.into_iter().map(|command| Request::new(Principal::System, command)).collect();
        let outcomes = self.lane.borrow_mut().run(&requests);
        Ok(outcomes.into_iter().collect::<Result<_, _>>()?)
    }
}

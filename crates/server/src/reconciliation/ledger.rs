//! What reads the ledger and writes into it while statements are compared: a running server's engine,
//! or a lane of the command line's own.

use std::sync::mpsc::{Sender, channel};

use anyhow::Context as _;
use domain::decision::command::{Command, ListedDecision, Output, Request};
use domain::directory::principal::Principal;
use futures_util::future::join_all;
use store::Store;
use store::reads::Queries;
use store::reads::scope::SystemReads;
use tokio::sync::oneshot;

use crate::app::App;
use crate::engine::{Lane, Outcome};

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

/// The ledger of a database on which a server may be running, too. Its lane has a thread of its own,
/// which ends with it: a lane waits for the database, and no runtime may wait so.
pub struct OwnLedger {
    queries: Queries,
    batches: Sender<Batch>,
}

struct Batch {
    requests: Vec<Request>,
    answer: oneshot::Sender<Vec<Outcome>>,
}

impl OwnLedger {
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn new<S: Store + Send + 'static>(
        queries: Queries,
        mut lane: Lane<S>,
    ) -> std::io::Result<Self> {
        let (batches, received) = channel::<Batch>();
        std::thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            for Batch { requests, answer } in received {
                // Nobody waits for it any more where the command was broken off.
                let _unheard = answer.send(lane.run(&requests));
            }
        })?;
        Ok(Self { queries, batches })
    }
}

impl Ledger for OwnLedger {
    fn reads(&self) -> SystemReads<'_> {
        self.queries.for_system()
    }

    async fn submit_all(&self, commands: Vec<Command>) -> anyhow::Result<Vec<Output>> {
        let requests = commands.into_iter().map(|it| Request::new(Principal::System, it)).collect();
        let (answer, outcomes) = oneshot::channel();
        self.batches.send(Batch { requests, answer }).context("the lane has ended")?;
        let outcomes = outcomes.await.context("the lane has ended")?;
        Ok(outcomes.into_iter().collect::<Result<_, _>>()?)
    }
}

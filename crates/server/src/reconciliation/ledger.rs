//! What reads the ledger and writes into it while statements are compared: a running server's engine,
//! or a lane of the command line's own.

use std::sync::mpsc::{Sender, channel};

use anyhow::Context as _;
use domain::decision::command::{Command, ListedDecision, Output, Request};
use domain::directory::principal::Principal;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    ExecutionId, MerchantId, NetworkAccountId, StatementId, StatementLineId,
};
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::{Fingerprint, Uuid};
use domain::reconciliation::compare::Booked;
use futures_util::future::join_all;
use store::reads::Queries;
use store::reads::reconciliation::{KnownLine, OpenDifference, PaymentLine};
use store::reads::scope::SystemReads;
use store::{Store, StoreError, clock};
use tokio::sync::oneshot;

use crate::app::App;
use crate::engine::{Lane, Outcome};

/// The ledger, for whoever works through a statement.
pub trait Ledger {
    fn reads(&self) -> impl LedgerReads;

    /// The time of whoever compares.
    fn now(&self) -> ServerTime {
        clock::now()
    }

    /// Carries out commands as the server itself, in their order, as few commits as fit.
    ///
    /// # Errors
    /// The first that failed.
    fn submit_all(
        &self,
        commands: Vec<Command>,
    ) -> impl Future<Output = anyhow::Result<Vec<Output>>>;
}

/// What is read of the ledger while statements are compared and booked; see [`SystemReads`], which
/// reads a database.
pub trait LedgerReads {
    /// Those of these lines that are on record.
    fn known_lines(
        &self,
        account: NetworkAccountId,
        identities: &[Fingerprint],
    ) -> impl Future<Output = Result<Vec<KnownLine>, StoreError>> + Send;

    /// The payments whose requests had these ids.
    fn booked_by_request(
        &self,
        account: NetworkAccountId,
        requests: &[Uuid],
    ) -> impl Future<Output = Result<Vec<Booked>, StoreError>> + Send;

    /// The payment that has this id at its network.
    fn booked_by_reference(
        &self,
        account: NetworkAccountId,
        reference: &str,
    ) -> impl Future<Output = Result<Option<Booked>, StoreError>> + Send;

    /// The lines on record of payments.
    fn lines_of_payments(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> impl Future<Output = Result<Vec<PaymentLine>, StoreError>> + Send;

    /// The open differences of payments.
    fn open_differences_of(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> impl Future<Output = Result<Vec<OpenDifference>, StoreError>> + Send;

    /// The payments that a merchant began in a time and that no line is about, the oldest first, from after
    /// one on.
    fn booked_without_line(
        &self,
        account: NetworkAccountId,
        merchant: MerchantId,
        time: (ServerTime, ServerTime),
        after: Option<(ServerTime, ExecutionId)>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Booked>, StoreError>> + Send;

    /// The merchants whose payments have moved money through an account.
    fn merchants_at(
        &self,
        account: NetworkAccountId,
    ) -> impl Future<Output = Result<Vec<MerchantId>, StoreError>> + Send;

    /// Lines of an accepted statement that are to be booked, from after one on.
    fn lines_to_post(
        &self,
        statement: StatementId,
        after: StatementLineId,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<StatementLineId>, StoreError>> + Send;

    /// The accepted statements that have lines to be booked.
    fn statements_to_post(
        &self,
    ) -> impl Future<Output = Result<Vec<StatementId>, StoreError>> + Send;

    /// What the clearing accounts say that an account holds.
    fn cleared(
        &self,
        account: NetworkAccountId,
    ) -> impl Future<Output = Result<Vec<(Currency, i128)>, StoreError>> + Send;

    /// What the lines that are not booked yet will change of that.
    fn unposted(
        &self,
        account: NetworkAccountId,
    ) -> impl Future<Output = Result<Vec<(Currency, i128)>, StoreError>> + Send;
}

impl LedgerReads for SystemReads<'_> {
    async fn known_lines(
        &self,
        account: NetworkAccountId,
        identities: &[Fingerprint],
    ) -> Result<Vec<KnownLine>, StoreError> {
        SystemReads::known_lines(self, account, identities).await
    }

    async fn booked_by_request(
        &self,
        account: NetworkAccountId,
        requests: &[Uuid],
    ) -> Result<Vec<Booked>, StoreError> {
        SystemReads::booked_by_request(self, account, requests).await
    }

    async fn booked_by_reference(
        &self,
        account: NetworkAccountId,
        reference: &str,
    ) -> Result<Option<Booked>, StoreError> {
        SystemReads::booked_by_reference(self, account, reference).await
    }

    async fn lines_of_payments(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> Result<Vec<PaymentLine>, StoreError> {
        SystemReads::lines_of_payments(self, account, executions).await
    }

    async fn open_differences_of(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> Result<Vec<OpenDifference>, StoreError> {
        SystemReads::open_differences_of(self, account, executions).await
    }

    async fn booked_without_line(
        &self,
        account: NetworkAccountId,
        merchant: MerchantId,
        time: (ServerTime, ServerTime),
        after: Option<(ServerTime, ExecutionId)>,
        limit: u32,
    ) -> Result<Vec<Booked>, StoreError> {
        SystemReads::booked_without_line(self, account, merchant, time, after, limit).await
    }

    async fn merchants_at(&self, account: NetworkAccountId) -> Result<Vec<MerchantId>, StoreError> {
        SystemReads::merchants_at(self, account).await
    }

    async fn lines_to_post(
        &self,
        statement: StatementId,
        after: StatementLineId,
        limit: u32,
    ) -> Result<Vec<StatementLineId>, StoreError> {
        SystemReads::lines_to_post(self, statement, after, limit).await
    }

    async fn statements_to_post(&self) -> Result<Vec<StatementId>, StoreError> {
        SystemReads::statements_to_post(self).await
    }

    async fn cleared(
        &self,
        account: NetworkAccountId,
    ) -> Result<Vec<(Currency, i128)>, StoreError> {
        SystemReads::cleared(self, account).await
    }

    async fn unposted(
        &self,
        account: NetworkAccountId,
    ) -> Result<Vec<(Currency, i128)>, StoreError> {
        SystemReads::unposted(self, account).await
    }
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
    fn reads(&self) -> impl LedgerReads {
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
    fn reads(&self) -> impl LedgerReads {
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

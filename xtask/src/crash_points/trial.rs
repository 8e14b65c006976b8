//! One crash point on one database: the server is ended at the first passing of the point, at the
//! second, and so on until a turn does not pass it so often.
//!
//! At the points of webhooks the merchant has two endpoints, and a turn ends when they were told of
//! everything. There is one turn more, in which another server on the same database goes on.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::server::{Kola, Server};
use crate::common::poll;
use crate::trade::{Order, Shop};
use crate::webhooks::receiver::Receiver;
use crate::webhooks::{self, Listener, left_to_tell};

/// The point of webhooks at which no call of the server ends: the endpoint has the request, and has
/// not answered.
pub const AT_THE_RECEIVER: &str = "during-deliver";
/// What the server prints on its way out.
const MARK: &str = "crash point ";
/// A turn whose payments are not final by then hangs.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than a payer may take to authenticate, and than the interval between two polls.
const ADVANCE_SECONDS: i64 = 1_900;
const REFRESH_EVERY: Duration = Duration::from_millis(20);
const ADVANCE_EVERY: Duration = Duration::from_secs(1);
/// How long the server waits for an endpoint. Each answers at once.
const WEBHOOK_SECONDS: &str = "15";
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is tried to end a server beside another, which may be the first to do everything.
const BESIDE_TRIES: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrialCounts {
    /// How often the server was ended.
    pub kills: u32,
    /// How many executions were done in those turns, each exactly once.
    pub executions: u32,
    /// How often another server on the same database went on, and not a new one.
    pub beside: u32,
    /// How many messages an endpoint was told, each at least once.
    pub told: u64,
    /// How often one was told again.
    pub repeats: u64,
}

/// The merchant's endpoints, and the program behind them.
struct Webhooks {
    receiver: Receiver,
    listener: Listener,
    /// The file of the key that secrets are encrypted with.
    key: String,
}

/// How a turn ended.
struct Turn {
    /// The server that has gone on.
    server: Server,
    /// Whether another was ended at the point.
    passed: bool,
}

pub struct Trial<'a> {
    kola: &'a Kola,
    database: &'a Database,
    runtime: Runtime,
    shop: Shop,
    webhooks: Option<Webhooks>,
    tally: TrialCounts,
    executions_made: i64,
}

impl<'a> Trial<'a> {
    /// `key` is a file with a secrets key, for a point of webhooks.
    pub fn run(
        kola: &'a Kola,
        database: &'a Database,
        point: &str,
        most: u32,
        key: Option<&Path>,
    ) -> anyhow::Result<TrialCounts> {
        database.create()?;
        let shop = Shop::create(kola, database, "Shop")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tally = TrialCounts::default();
        let mut trial =
            Self { kola, database, runtime, shop, webhooks: None, tally, executions_made: 0 };
        let key = key.map(|key| key.display().to_string());
        let mut server = trial.serve(0, None, key.as_deref())?;
        trial.set_up(&server, key)?;
        let mut orders = trial.prepare(&server)?;
        server.kill()?;
        let beside = if trial.webhooks.is_some() { BESIDE_TRIES } else { 0 };
        for _ in 0..beside {
            let mut turn = trial.turn(point, 1, true, &mut orders)?;
            if !turn.passed {
                // Otherwise it would reach its point while the next orders are prepared.
                turn.server.kill()?;
                turn.server = trial.start(0)?;
            }
            orders = trial.prepare(&turn.server)?;
            turn.server.kill()?;
            if turn.passed {
                trial.tally.beside += 1;
                break;
            }
        }
        for nth in 1..=most {
            let mut turn = trial.turn(point, nth, false, &mut orders)?;
            if turn.passed {
                orders = trial.prepare(&turn.server)?;
            }
            turn.server.kill()?;
            if !turn.passed {
                break;
            }
        }
        database.remove()?;
        Ok(trial.tally)
    }

    fn set_up(&mut self, server: &Server, key: Option<String>) -> anyhow::Result<()> {
        let Self { runtime, shop, .. } = self;
        let mut client = runtime.block_on(Client::connect(server.address))?;
        runtime.block_on(shop.set_up(&mut client, 0))?;
        if let Some(key) = key {
            let receiver = Receiver::start(PATIENCE)?;
            let listener =
                runtime.block_on(Listener::create(&mut client, shop, &receiver, "shop"))?;
            self.webhooks = Some(Webhooks { receiver, listener, key });
        }
        Ok(())
    }

    fn serve(
        &self,
        number: usize,
        crash_at: Option<&str>,
        key: Option<&str>,
    ) -> anyhow::Result<Server> {
        let crash_at = crash_at.map(|at| ("KOLA_CRASH_AT", at));
        let webhooks = key.map(|key| webhooks::settings(WEBHOOK_SECONDS, key));
        let settings: Vec<_> = crash_at.into_iter().chain(webhooks.into_iter().flatten()).collect();
        self.kola.serve(self.database, number, &settings)
    }

    /// Starts the server with this number.
    fn start(&self, number: usize) -> anyhow::Result<Server> {
        self.serve(number, None, self.webhooks.as_ref().map(|webhooks| webhooks.key.as_str()))
    }

    /// Starts a server that ends at the point; `None` when it has reached it before it printed its
    /// address.
    fn start_armed(&self, point: &str, nth: u32) -> anyhow::Result<Option<Server>> {
        let key = self.webhooks.as_ref().map(|webhooks| webhooks.key.as_str());
        if point == AT_THE_RECEIVER {
            let server = self.serve(0, None, key)?;
            if let Some(webhooks) = &self.webhooks {
                webhooks.receiver.kill_at(nth, server.pid())?;
            }
            return Ok(Some(server));
        }
        match self.serve(0, Some(&format!("{point}:{nth}")), key) {
            Ok(server) => Ok(Some(server)),
            Err(error) if format!("{error:#}").contains(MARK) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates sessions to be executed: every kind, and every way in which a provider behaves.
    fn prepare(&mut self, server: &Server) -> anyhow::Result<Vec<Order>> {
        let shop = &self.shop;
        let orders = self.runtime.block_on(async {
            let mut client = Client::connect(server.address).await?;
            let mut paid = shop.collection(&mut client, false).await?;
            paid.execute(&mut client, shop).await?;
            let intent = paid
                .intent
                .filter(|_| paid.is_final())
                .context("the collection to be refunded is not final")?;
            anyhow::Ok(vec![
                shop.transfer(&mut client).await?,
                shop.collection(&mut client, false).await?,
                shop.refund(&mut client, intent).await?,
                shop.payout(&mut client, true).await?,
                shop.collection(&mut client, true).await?,
            ])
        })?;
        // The collection that the refund is about.
        self.executions_made += 1;
        Ok(orders)
    }

    /// Executes payments on a server that ends at its crash point, and goes on with one that does
    /// not: a new one, or another that has run all the time.
    fn turn(
        &mut self,
        point: &str,
        nth: u32,
        beside: bool,
        orders: &mut [Order],
    ) -> anyhow::Result<Turn> {
        // What the last turn has left.
        self.end_leases()?;
        let mut other = if beside { Some(self.start(1)?) } else { None };
        let mut armed = self.start_armed(point, nth)?;
        if let Some(server) = &mut armed {
            match self.complete(server, orders) {
                Ok(()) => {}
                Err(_) if has_crashed(server, point)? => armed = None,
                Err(error) => return Err(error.context(server.log())),
            }
        }
        if let Some(webhooks) = &self.webhooks {
            webhooks.receiver.disarm();
        }
        let passed = armed.is_none();
        let server = match armed {
            Some(server) => server,
            None => {
                self.recover_after_crash()?;
                let server = match other.take() {
                    Some(other) => other,
                    None => self.start(0)?,
                };
                self.complete(&server, orders).map_err(|error| error.context(server.log()))?;
                server
            }
        };
        self.check(orders)?;
        if passed {
            self.tally.kills += 1;
            self.tally.executions += u32::try_from(orders.len())?;
        }
        Ok(Turn { server, passed })
    }

    fn complete(&mut self, server: &Server, orders: &mut [Order]) -> anyhow::Result<()> {
        let Self { runtime, shop, webhooks, database, .. } = self;
        runtime.block_on(async {
            complete_orders(server, shop, orders).await?;
            match webhooks {
                Some(webhooks) => complete_telling(server, shop, webhooks, database).await,
                None => Ok(()),
            }
        })
    }

    /// After a crash the ledger must be right. The leases of the dead process are ended at once; by
    /// themselves they would end after fifteen seconds, those of deliveries after a minute.
    fn recover_after_crash(&self) -> anyhow::Result<()> {
        self.kola.ledger_verify(self.database)?;
        self.end_leases()
    }

    fn end_leases(&self) -> anyhow::Result<()> {
        self.database.sql("UPDATE provider_attempts SET next_check_at = 1, lease_until = 1 WHERE lease_until IS NOT NULL")?;
        self.database.sql(
            "UPDATE webhook_deliveries SET next_attempt_at = 1 WHERE next_attempt_at IS NOT NULL",
        )
    }

    /// Every key has one execution with the status that the client was answered, there is no other
    /// execution, and the ledger is right.
    fn check(&mut self, orders: &[Order]) -> anyhow::Result<()> {
        let there = self.database.references()?;
        for order in orders {
            let told = order.status.as_deref().unwrap_or_default();
            let same =
                there.iter().filter(|(key, status)| *key == order.key && status == told).count();
            ensure!(same == 1, "{} was told {told} and is not so", order.key);
        }
        let expected: Vec<&str> =
            orders.iter().filter_map(|order| order.status.as_deref()).collect();
        ensure!(
            expected == ["COMPLETED", "COMPLETED", "COMPLETED", "COMPLETED", "FAILED"],
            "the ends are {expected:?}"
        );
        self.executions_made += i64::try_from(orders.len())?;
        let there = i64::try_from(there.len())?;
        ensure!(
            there == self.executions_made,
            "{there} executions are there, {} were asked for",
            self.executions_made
        );
        if let Some(webhooks) = &self.webhooks {
            let figures = webhooks.listener.check(&webhooks.receiver)?;
            (self.tally.told, self.tally.repeats) = (figures.deliveries, figures.repeats());
            let wrong = webhooks.receiver.wrong();
            ensure!(wrong.is_empty(), "{wrong:?}");
        }
        self.kola.ledger_verify(self.database).map(drop)
    }
}

/// Whether the server is gone, because of its point.
fn has_crashed(server: &mut Server, point: &str) -> anyhow::Result<bool> {
    let ended = poll(TIMEOUT, Duration::from_millis(5), || server.ended())?;
    if let Some(status) = ended {
        let is_at_point = if point == AT_THE_RECEIVER {
            status.signal() == Some(Signal::KILL.as_raw())
        } else {
            server.log().contains(MARK)
        };
        ensure!(
            is_at_point,
            "the server ended with {status}, and not at its point:\n{}",
            server.log()
        );
    }
    Ok(ended.is_some())
}

/// Requests every execution, then polls until all are final. Fails when the server dies; then it is
/// called again with another server.
async fn complete_orders(server: &Server, shop: &Shop, orders: &mut [Order]) -> anyhow::Result<()> {
    let mut client = Client::connect(server.address).await?;
    for order in orders.iter_mut().filter(|order| order.status.is_none()) {
        order.execute(&mut client, shop).await?;
    }
    let begun = Instant::now();
    let mut advanced: Option<Instant> = None;
    while orders.iter().any(|order| !order.is_final()) {
        if advanced.is_none_or(|at| at.elapsed() > ADVANCE_EVERY) {
            shop.advance(&mut client, ADVANCE_SECONDS).await?;
            advanced = Some(Instant::now());
        }
        tokio::time::sleep(REFRESH_EVERY).await;
        for order in orders.iter_mut().filter(|order| !order.is_final()) {
            order.refresh(&mut client, shop).await?;
        }
        if begun.elapsed() > TIMEOUT {
            bail!("payments that do not end: {orders:?}");
        }
    }
    Ok(())
}

/// Waits until the endpoints were told of everything. Fails when the server dies.
async fn complete_telling(
    server: &Server,
    shop: &Shop,
    webhooks: &mut Webhooks,
    database: &Database,
) -> anyhow::Result<()> {
    let mut client = Client::connect(server.address).await?;
    let begun = Instant::now();
    loop {
        // What is settled now has no event that is read later.
        let settled = left_to_tell(database)? == 0;
        webhooks.listener.read_events(&mut client, shop).await?;
        let missing = webhooks.listener.missing(&webhooks.receiver);
        if settled && missing.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > TIMEOUT {
            bail!("{} messages are not told: {:?}", missing.len(), missing.first());
        }
        tokio::time::sleep(REFRESH_EVERY).await;
    }
}

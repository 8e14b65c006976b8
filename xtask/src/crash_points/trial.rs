//! One crash point on one database: the server is ended at the first passing of the point, at the
//! second, and so on until a turn does not pass it so often.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::runtime::Runtime;

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::server::{Kola, Server};
use crate::common::poll;
use crate::trade::{Order, Shop};

/// What the server prints on its way out.
const MARK: &str = "crash point ";
/// A turn whose payments are not final by then hangs.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than a payer may take to authenticate, and than the interval between two polls.
const ADVANCE_SECONDS: i64 = 1_900;
const REFRESH_EVERY: Duration = Duration::from_millis(20);
const ADVANCE_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrialCounts {
    /// How often the server was ended.
    pub kills: u32,
    /// How many executions were done in those turns, each exactly once.
    pub executions: u32,
}

pub struct Trial<'a> {
    kola: &'a Kola,
    database: &'a Database,
    runtime: Runtime,
    shop: Shop,
    tally: TrialCounts,
    executions_made: i64,
}

impl<'a> Trial<'a> {
    pub fn run(
        kola: &'a Kola,
        database: &'a Database,
        point: &str,
        most: u32,
    ) -> anyhow::Result<TrialCounts> {
        database.create()?;
        let shop = Shop::create(kola, database, "Shop")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut trial = Self {
            kola,
            database,
            runtime,
            shop,
            tally: TrialCounts::default(),
            executions_made: 0,
        };
        let mut server = trial.start(None)?.context("a server without a crash point crashed")?;
        trial.runtime.block_on(async {
            let mut client = Client::connect(server.address).await?;
            trial.shop.set_up(&mut client, 0).await
        })?;
        let mut orders = trial.prepare(&server)?;
        server.kill()?;
        for nth in 1..=most {
            let Some(mut server) = trial.turn(&format!("{point}:{nth}"), &mut orders)? else {
                break;
            };
            orders = trial.prepare(&server)?;
            server.kill()?;
        }
        database.remove()?;
        Ok(trial.tally)
    }

    /// Starts a server; `None` when it reached its crash point before it printed its address.
    fn start(&self, crash_at: Option<&str>) -> anyhow::Result<Option<Server>> {
        let settings: Vec<_> = crash_at.map(|at| ("KOLA_CRASH_AT", at)).into_iter().collect();
        match self.kola.serve(self.database, 0, &settings) {
            Ok(server) => Ok(Some(server)),
            Err(error) if crash_at.is_some() && format!("{error:#}").contains(MARK) => Ok(None),
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
    /// not. Returns that server, or `None` when the point was not passed so often.
    fn turn(&mut self, crash_at: &str, orders: &mut [Order]) -> anyhow::Result<Option<Server>> {
        let mut armed = Some(crash_at);
        let mut server = loop {
            let Some(mut server) = self.start(armed)? else {
                self.recover_after_crash()?;
                armed = None;
                continue;
            };
            match self.runtime.block_on(complete_orders(&server, &self.shop, orders)) {
                Ok(()) => break server,
                Err(_) if armed.is_some() && crashed(&mut server)? => {
                    self.recover_after_crash()?;
                    armed = None;
                }
                Err(error) => return Err(error.context(server.log())),
            }
        };
        self.check(orders)?;
        if armed.is_some() {
            server.kill()?;
            return Ok(None);
        }
        self.tally.kills += 1;
        self.tally.executions += u32::try_from(orders.len())?;
        Ok(Some(server))
    }

    /// After a crash the ledger must be right. The leases of the dead process are ended at once; by
    /// themselves they would end after fifteen seconds.
    fn recover_after_crash(&self) -> anyhow::Result<()> {
        self.kola.ledger_verify(self.database)?;
        self.database.sql("UPDATE provider_attempts SET next_check_at = 1, lease_until = 1 WHERE lease_until IS NOT NULL")
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
        self.kola.ledger_verify(self.database).map(drop)
    }
}

/// Whether the server is gone, because of its point.
fn crashed(server: &mut Server) -> anyhow::Result<bool> {
    let ended = poll(TIMEOUT, Duration::from_millis(5), || server.ended())?;
    if let Some(status) = ended {
        ensure!(
            server.log().contains(MARK),
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

//! One point on one database: the server is ended at the first passing, at the second, and so on
//! until a turn never passes it so often.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::runtime::Runtime;

use crate::bench::client::Client;
use crate::bench::place::Place;
use crate::bench::server::{Kola, Server};
use crate::trade::{Order, Shop};

/// What the server prints on its way out.
const MARK: &str = "crash point ";
/// A turn whose payments are not final by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a payer may take to authenticate, and than the wait between two looks.
const AHEAD_SECONDS: i64 = 1_900;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const ADVANCE_EVERY: Duration = Duration::from_secs(1);

/// What the trial of a point came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// How often the server was ended.
    pub kills: u32,
    /// How many executions were carried out in those turns, each exactly once.
    pub executions: u32,
}

pub struct Trial<'a> {
    kola: &'a Kola,
    place: &'a Place,
    runtime: Runtime,
    shop: Shop,
    tally: Tally,
    made: i64,
}

impl<'a> Trial<'a> {
    pub fn run(kola: &'a Kola, place: &'a Place, point: &str, most: u32) -> anyhow::Result<Tally> {
        place.create()?;
        let shop = Shop::create(kola, place, "Shop")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut trial = Self { kola, place, runtime, shop, tally: Tally::default(), made: 0 };
        let mut server = trial.start(None)?.context("a server without a crash point crashed")?;
        trial.runtime.block_on(async {
            let mut client = Client::connect(server.address).await?;
            trial.shop.furnish(&mut client, 0).await
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
        place.remove()?;
        Ok(trial.tally)
    }

    /// Starts a server; none when it came to its point before it could say where it listens.
    fn start(&self, crash_at: Option<&str>) -> anyhow::Result<Option<Server>> {
        let settings: Vec<_> = crash_at.map(|at| ("KOLA_CRASH_AT", at)).into_iter().collect();
        match self.kola.serve(self.place, 0, &settings) {
            Ok(server) => Ok(Some(server)),
            Err(error) if crash_at.is_some() && format!("{error:#}").contains(MARK) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Payments that are ready to be executed: every kind, and each way to deal with a provider.
    fn prepare(&mut self, server: &Server) -> anyhow::Result<Vec<Order>> {
        let shop = &self.shop;
        let orders = self.runtime.block_on(async {
            let mut client = Client::connect(server.address).await?;
            let mut paid = shop.collection(&mut client, false).await?;
            paid.place(&mut client, shop).await?;
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
        // The one that the refund is about.
        self.made += 1;
        Ok(orders)
    }

    /// Carries payments out on a server that ends at its point, and goes on without it. Answers the
    /// server that is left, or none when the point was never passed so often.
    fn turn(&mut self, crash_at: &str, orders: &mut [Order]) -> anyhow::Result<Option<Server>> {
        let mut armed = Some(crash_at);
        let mut server = loop {
            let Some(mut server) = self.start(armed)? else {
                self.bury()?;
                armed = None;
                continue;
            };
            match self.runtime.block_on(drive(&server, &self.shop, orders)) {
                Ok(()) => break server,
                Err(_) if armed.is_some() && crashed(&mut server)? => {
                    self.bury()?;
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

    /// After a crash: the books are right as they were left. The leases of the dead process are
    /// ended at once, as fifteen seconds would do.
    fn bury(&self) -> anyhow::Result<()> {
        self.kola.ledger_verify(self.place)?;
        self.place.sql("UPDATE executions SET next_check_at = 1, lease_until = 1 WHERE lease_until IS NOT NULL")
    }

    /// Every key is one execution, in the state that the client was told; there is no other
    /// execution; the books are right.
    fn check(&mut self, orders: &[Order]) -> anyhow::Result<()> {
        for order in orders {
            let told = order.told.as_deref().unwrap_or_default();
            let same = format!(
                "SELECT count(*) FROM executions WHERE reference_id = '{}' AND status = '{told}'",
                order.key
            );
            ensure!(self.place.number(&same)? == 1, "{} was told {told} and is not so", order.key);
        }
        let expected: Vec<&str> = orders.iter().filter_map(|order| order.told.as_deref()).collect();
        ensure!(
            expected == ["COMPLETED", "COMPLETED", "COMPLETED", "COMPLETED", "FAILED"],
            "the ends are {expected:?}"
        );
        self.made += i64::try_from(orders.len())?;
        let there = self.place.executions()?;
        ensure!(there == self.made, "{there} executions are there, {} were asked for", self.made);
        self.kola.ledger_verify(self.place).map(drop)
    }
}

/// Whether the server is gone, because of its point.
fn crashed(server: &mut Server) -> anyhow::Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = server.ended()? {
            ensure!(
                server.log().contains(MARK),
                "the server ended with {status}, and not at its point:\n{}",
                server.log()
            );
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(false)
}

/// Asks for every payment, then for its end. Fails when the server dies; then it is called again
/// with another.
async fn drive(server: &Server, shop: &Shop, orders: &mut [Order]) -> anyhow::Result<()> {
    let mut client = Client::connect(server.address).await?;
    for order in orders.iter_mut().filter(|order| order.told.is_none()) {
        order.place(&mut client, shop).await?;
    }
    let begun = Instant::now();
    let mut advanced: Option<Instant> = None;
    while orders.iter().any(|order| !order.is_final()) {
        if advanced.is_none_or(|at| at.elapsed() > ADVANCE_EVERY) {
            shop.advance(&mut client, AHEAD_SECONDS).await?;
            advanced = Some(Instant::now());
        }
        tokio::time::sleep(LOOK_EVERY).await;
        for order in orders.iter_mut().filter(|order| !order.is_final()) {
            order.look(&mut client, shop).await?;
        }
        if begun.elapsed() > PATIENCE {
            bail!("payments that do not end: {orders:?}");
        }
    }
    Ok(())
}

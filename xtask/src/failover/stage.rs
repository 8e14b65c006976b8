//! Two clusters, two servers and some merchants.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::bench::place::Place;
use crate::bench::server::{Kola, Server};
use crate::cluster::{Cluster, Options};
use crate::trade::Shop;

/// So many that both lanes of a server have work, and so few that the servers compete for each
/// wallet.
const MERCHANTS: usize = 6;
/// Executions for the provider have their end within so long of the last.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a node that may become the primary is set to, the standby too: so a configuration that all
/// nodes share has it.
const WAIT_FOR_A_STANDBY: &str = "ALTER SYSTEM SET synchronous_standby_names = '*'";
const WAIT_FOR_NOBODY: &str = "ALTER SYSTEM SET synchronous_standby_names = ''";
const RELOAD: &str = "SELECT pg_reload_conf()";

pub struct Stage {
    // Dropped in this order: servers before their databases.
    servers: Vec<Server>,
    kola: Kola,
    pub place: Place,
    primary: Cluster,
    standby: Arc<Cluster>,
}

impl Stage {
    /// Answers the merchants, too.
    pub fn set(binary: &Path, folder: &Path) -> anyhow::Result<(Self, Vec<Shop>)> {
        let options =
            Options::new(folder).with("max_connections", "60").with("synchronous_commit", "on");
        let primary = Cluster::start(&options)?;
        primary.sql("postgres", "CREATE DATABASE kola")?;
        let standby = Arc::new(primary.standby(&options)?);
        for node in [&primary, &*standby] {
            node.sql("postgres", WAIT_FOR_A_STANDBY)?;
            node.sql("postgres", RELOAD)?;
        }
        let place = Place::Postgres {
            cluster: Arc::clone(&standby),
            name: "kola".to_owned(),
            folder: folder.to_owned(),
            primary: Some(primary.port()),
        };
        let kola = Kola { binary: binary.to_owned() };
        let mut stage = Self { servers: Vec::new(), kola, place, primary, standby };
        stage.wait_for_synchronous()?;
        let shops = (0..MERCHANTS)
            .map(|number| Shop::create(&stage.kola, &stage.place, &format!("Shop {number}")));
        let shops = shops.collect::<anyhow::Result<_>>()?;
        for number in 0..2 {
            // So that some payouts are under way when the primary is lost.
            stage.servers.push(stage.kola.serve(
                &stage.place,
                number,
                &[("KOLA_SANDBOX_DELAY_MS", "100")],
            )?);
        }
        Ok((stage, shops))
    }

    /// Else the first commits would wait for nobody, and prove nothing.
    fn wait_for_synchronous(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.primary.sql("postgres", "SELECT sync_state FROM pg_stat_replication")? != "sync"
        {
            ensure!(begun.elapsed() < PATIENCE, "the standby never became synchronous");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub fn servers(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// Its end, or a standstill that looks the same from outside, except that its connections stay
    /// open.
    pub fn lose_primary(&self, freeze: bool) -> anyhow::Result<()> {
        if freeze { self.primary.freeze() } else { self.primary.kill_hard() }
    }

    pub fn promote(&self) -> anyhow::Result<()> {
        self.standby.promote()
    }

    /// The new primary has the setting of the old one: each commit waits for a synchronous standby,
    /// and there is none. Patroni clears the setting when it knows of none, and sets it again when
    /// one is there; so it is done here.
    pub fn stop_waiting_for_a_standby(&self) -> anyhow::Result<()> {
        let set = self.standby.sql("postgres", "SHOW synchronous_standby_names")?;
        ensure!(
            set == "*",
            "the promoted standby was to wait for a standby of its own, and is set to {set:?}"
        );
        self.standby.sql("postgres", WAIT_FOR_NOBODY)?;
        self.standby.sql("postgres", RELOAD).map(drop)
    }

    /// Waits until nothing is under way any more; answers what still is.
    pub fn settle(&self) -> anyhow::Result<i64> {
        let begun = Instant::now();
        loop {
            let open = self.place.number(
                "SELECT count(*) FROM executions WHERE status NOT IN ('COMPLETED', 'FAILED')",
            )?;
            if open == 0 || begun.elapsed() > PATIENCE {
                return Ok(open);
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// A primary that was only frozen: nobody may find it again.
    pub fn bury_primary(&self) -> anyhow::Result<()> {
        self.primary.kill_hard()
    }

    pub fn verify(&self) -> Result<String, String> {
        self.kola.ledger_verify(&self.place).map_err(|error| format!("{error:#}"))
    }

    /// The servers' own words about what must not happen: a crash, or an id that was given twice.
    /// (Two that make the same account at once is no fault: the second tries again.)
    pub fn faults(&self) -> Vec<String> {
        let logs = self.servers.iter().map(Server::whole_log).collect::<Vec<_>>().join("\n");
        let bad = |line: &&str| {
            ["panicked", "fault in kola", "without end", "_pkey"]
                .iter()
                .any(|word| line.contains(word))
        };
        logs.lines().filter(bad).map(str::to_owned).collect()
    }
}

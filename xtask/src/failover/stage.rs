//! Two clusters, two servers and some merchants.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use crate::bench::database::Database;
use crate::bench::server::{Kola, Server};
use crate::cluster::{Cluster, Options};
use crate::common::wait_until;
use crate::trade::Shop;

/// Enough that both lanes of a server have work, and few enough that the servers compete for each
/// wallet.
const MERCHANTS: usize = 6;
/// All executions are final within so long of the last request.
const TIMEOUT: Duration = Duration::from_secs(90);
/// The setting of every node that may become the primary, the standby included, as in a configuration
/// that all nodes share.
const WAIT_FOR_A_STANDBY: &str = "ALTER SYSTEM SET synchronous_standby_names = '*'";
const WAIT_FOR_NOBODY: &str = "ALTER SYSTEM SET synchronous_standby_names = ''";
const RELOAD: &str = "SELECT pg_reload_conf()";

pub struct Stage {
    // Dropped in this order: servers before their databases.
    servers: Vec<Server>,
    kola: Kola,
    pub database: Database,
    primary: Cluster,
    standby: Arc<Cluster>,
}

impl Stage {
    /// Returns the merchants, too.
    pub fn prepare(binary: &Path, folder: &Path) -> anyhow::Result<(Self, Vec<Shop>)> {
        let options =
            Options::new(folder).with("max_connections", "60").with("synchronous_commit", "on");
        let primary = Cluster::start(&options)?;
        primary.sql("postgres", "CREATE DATABASE kola")?;
        let standby = Arc::new(primary.standby(&options)?);
        for node in [&primary, &*standby] {
            node.sql("postgres", WAIT_FOR_A_STANDBY)?;
            node.sql("postgres", RELOAD)?;
        }
        let database = Database::Postgres {
            cluster: Arc::clone(&standby),
            name: "kola".to_owned(),
            folder: folder.to_owned(),
            primary: Some(primary.port()),
        };
        let kola = Kola { binary: binary.to_owned() };
        let mut stage = Self { servers: Vec::new(), kola, database, primary, standby };
        stage.wait_for_synchronous()?;
        let shops = (0..MERCHANTS)
            .map(|number| Shop::create(&stage.kola, &stage.database, &format!("Shop {number}")));
        let shops = shops.collect::<anyhow::Result<_>>()?;
        for number in 0..2 {
            // So that some payouts are under way when the primary is lost.
            stage.servers.push(stage.kola.serve(
                &stage.database,
                number,
                &[("KOLA_SANDBOX_DELAY_MS", "100")],
            )?);
        }
        Ok((stage, shops))
    }

    /// Otherwise the first commits would wait for no standby, and prove nothing.
    fn wait_for_synchronous(&self) -> anyhow::Result<()> {
        let state = "SELECT sync_state FROM pg_stat_replication";
        let synchronous = wait_until(TIMEOUT, Duration::from_millis(50), || {
            Ok(self.primary.sql("postgres", state)? == "sync")
        })?;
        ensure!(synchronous, "the standby never became synchronous");
        Ok(())
    }

    pub fn servers(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// Kills the primary, or freezes it: then its connections stay open and nobody answers.
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

    /// Waits until all executions are final; returns how many are not in the end.
    pub fn wait_until_settled(&self) -> anyhow::Result<i64> {
        let mut open = 0;
        wait_until(TIMEOUT, Duration::from_millis(250), || {
            open = self.database.number(
                "SELECT count(*) FROM executions \
                 WHERE status NOT IN ({execution_status COMPLETED}, {execution_status FAILED})",
            )?;
            Ok(open == 0)
        })?;
        Ok(open)
    }

    /// Kills a primary that was only frozen, so that no server finds it again.
    pub fn kill_primary_for_good(&self) -> anyhow::Result<()> {
        self.primary.kill_hard()
    }

    pub fn verify(&self) -> Result<String, String> {
        self.kola.ledger_verify(&self.database).map_err(|error| format!("{error:#}"))
    }

    /// Lines of the servers' logs about what must not happen: a crash, or an id that was used twice.
    /// (Two servers that create the same account at once is no fault: the second retries.)
    pub fn logged_faults(&self) -> Vec<String> {
        let logs = self.servers.iter().map(Server::whole_log).collect::<Vec<_>>().join("\n");
        let bad = |line: &&str| {
            ["panicked", "fault in kola", "without end", "_pkey"]
                .iter()
                .any(|word| line.contains(word))
        };
        logs.lines().filter(bad).map(str::to_owned).collect()
    }
}

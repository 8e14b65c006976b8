//! Two clusters, two servers and some merchants.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::load::Merchant;
use super::process::{Kola, Server};
use crate::bench::client::Client;
use crate::cluster::{Cluster, Options};

/// More than any run can move.
const FUNDS: &str = "1000000000.00";
/// So many that both lanes of a server have work, and so few that the servers compete for each wallet.
const MERCHANTS: usize = 6;
/// Executions for the provider have their end within so long of the last.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a node that may become the primary is set to, the standby too: so a configuration that all nodes share has it.
const WAIT_FOR_A_STANDBY: &str = "ALTER SYSTEM SET synchronous_standby_names = '*'";
const WAIT_FOR_NOBODY: &str = "ALTER SYSTEM SET synchronous_standby_names = ''";
const RELOAD: &str = "SELECT pg_reload_conf()";

pub struct Stage {
    // Dropped in this order: servers before their databases.
    servers: Vec<Server>,
    kola: Kola,
    credentials: Vec<Value>,
    primary: Mutex<Cluster>,
    standby: Cluster,
}

impl Stage {
    pub fn set(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        let options = Options::new(folder).with("max_connections", "60").with("synchronous_commit", "on");
        let primary = Cluster::start(&options)?;
        primary.sql("postgres", "CREATE DATABASE kola")?;
        let standby = primary.standby(&options)?;
        for node in [&primary, &standby] {
            node.sql("postgres", WAIT_FOR_A_STANDBY)?;
            node.sql("postgres", RELOAD)?;
        }
        let (one, two) = (primary.port(), standby.port());
        let url = format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{two}/kola?target_session_attrs=read-write");
        let kola = Kola { binary: binary.to_owned(), url };
        let mut stage = Self { servers: Vec::new(), kola, credentials: Vec::new(), primary: Mutex::new(primary), standby };
        stage.wait_for_synchronous()?;
        for number in 0..MERCHANTS {
            stage.credentials.push(stage.merchant(number)?);
        }
        for number in 0..2 {
            let log: PathBuf = folder.join(format!("server-{number}.log"));
            stage.servers.push(stage.kola.serve(&log)?);
        }
        Ok(stage)
    }

    /// Else the first commits would wait for nobody, and prove nothing.
    fn wait_for_synchronous(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let primary = self.primary.lock().unwrap_or_else(PoisonError::into_inner);
        while primary.sql("postgres", "SELECT sync_state FROM pg_stat_replication")? != "sync" {
            ensure!(begun.elapsed() < PATIENCE, "the standby never became synchronous");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn merchant(&self, number: usize) -> anyhow::Result<Value> {
        let name = format!("Shop {number}");
        let create = ["merchant", "create", "--name", &name, "--type", "ORGANIZATION", "--verified", "--json"];
        let made: Value = serde_json::from_str(&self.kola.output(&create)?)?;
        let wallet = dollars(&made).context("no USD wallet")?.to_string();
        self.kola.output(&["wallet", "fund", "--wallet", &wallet, "--amount", FUNDS])?;
        Ok(made)
    }

    pub fn servers(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// The merchants, signed in, and somebody whom each can pay.
    pub async fn merchants(&self) -> anyhow::Result<Vec<Merchant>> {
        let mut client = Client::connect(self.servers.first().context("no server")?.address).await?;
        let mut merchants = Vec::new();
        for (number, made) in self.credentials.iter().enumerate() {
            let body = serde_json::json!({"client_id": made.get("client_id"), "client_secret": made.get("client_secret")});
            let answer = client.post("", "/v1/jwt/client/obtain/token", &body.to_string()).await?;
            let token = answer.text("access_token").context("no access_token")?.to_owned();
            // No merchant has this phone: the money of a transfer goes to a wallet of the party.
            let body = format!(r#"{{"fullname":"Party {number}","phone":"{}"}}"#, 231_770_000_000 + number);
            let party = client.post(&token, "/v1/parties/create", &body).await?.id()?;
            let body = format!(r#"{{"relationship_type":"CUSTOMER","party_id":{party}}}"#);
            let counterparty = client.post(&token, "/v1/counterparties/create", &body).await?.id()?;
            let body = serde_json::json!({"account_name": "Mobile", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR",
                "party_id": party, "insensitive_account_number": "231880000001"});
            let path = "/v1/payment-accounts/create?operation_type=PAYOUT";
            let account = client.post(&token, path, &body.to_string()).await?.id()?;
            let wallet = dollars(made).context("no USD wallet")?;
            merchants.push(Merchant { token, wallet, counterparty, account });
        }
        Ok(merchants)
    }

    /// Its end, or a standstill that looks the same from outside, except that its connections stay open.
    pub fn lose_primary(&self, freeze: bool) -> anyhow::Result<()> {
        let mut primary = self.primary.lock().unwrap_or_else(PoisonError::into_inner);
        if freeze { primary.freeze() } else { primary.kill_hard() }
    }

    pub fn promote(&self) -> anyhow::Result<()> {
        self.standby.promote()
    }

    /// The new primary has the setting of the old one: each commit waits for a synchronous standby, and there is none. Patroni
    /// clears the setting when it knows of none, and sets it again when one is there; so it is done here.
    pub fn stop_waiting_for_a_standby(&self) -> anyhow::Result<()> {
        let set = self.standby.sql("postgres", "SHOW synchronous_standby_names")?;
        ensure!(set == "*", "the promoted standby was to wait for a standby of its own, and is set to {set:?}");
        self.standby.sql("postgres", WAIT_FOR_NOBODY)?;
        self.standby.sql("postgres", RELOAD).map(drop)
    }

    /// How many executions there are of each key.
    pub fn executions(&self) -> anyhow::Result<HashMap<String, u64>> {
        let rows = self.standby.sql("kola", "SELECT reference_id || ' ' || count(*) FROM executions GROUP BY reference_id")?;
        rows.lines()
            .map(|line| {
                let (reference, count) = line.split_once(' ').context("a row")?;
                Ok((reference.to_owned(), count.parse()?))
            })
            .collect()
    }

    /// Waits until nothing is under way any more; answers what still is.
    pub fn settle(&self) -> anyhow::Result<u64> {
        let begun = Instant::now();
        loop {
            let open = "SELECT count(*) FROM executions WHERE status NOT IN ('COMPLETED', 'FAILED')";
            let open = self.standby.sql("kola", open)?.parse()?;
            if open == 0 || begun.elapsed() > PATIENCE {
                return Ok(open);
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// A primary that was only frozen: nobody may find it again.
    pub fn bury_primary(&self) -> anyhow::Result<()> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner).kill_hard()
    }

    pub fn verify(&self) -> Result<String, String> {
        self.kola.output(&["ledger", "verify"]).map(|said| said.trim().to_owned()).map_err(|error| format!("{error:#}"))
    }

    /// The servers' own words about what must not happen: a crash, or an id that was given twice. (Two that make the same account at
    /// once is no fault: the second tries again.)
    pub fn faults(&self) -> Vec<String> {
        let logs = self.servers.iter().map(Server::log).collect::<Vec<_>>().join("\n");
        let bad = |line: &&str| ["panicked", "fault in kola", "without end", "_pkey"].iter().any(|word| line.contains(word));
        logs.lines().filter(bad).map(str::to_owned).collect()
    }
}

fn dollars(made: &Value) -> Option<u64> {
    let mut wallets = made.get("wallets")?.as_array()?.iter();
    wallets.find(|wallet| wallet.get("currency").is_some_and(|currency| currency == "USD"))?.get("id")?.as_u64()
}

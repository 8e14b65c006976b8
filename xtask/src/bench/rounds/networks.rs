//! Payments through a real network's connector, against the fakes. The merchant is one of the mode
//! TEST, whose calls go over HTTP to another process as those of a live one go to pawaPay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::{CROWD, Rounds, Site, at_network, hot};
use crate::bench::callbacks::Recorder;
use crate::bench::fakes::Fakes;
use crate::bench::jobs::{Common, Job, Tenant};
use crate::bench::load::{Target, Window};
use crate::bench::{Phase, SITE_WAITING, Sample, setup};
use crate::common::wait_until;

/// The index of the merchant whose payments go to the fakes. The first one has the hot wallet.
pub(super) const TENANT: usize = 1;
/// The connections with which payments through a network are compared with others.
const CONNECTIONS: usize = 64;
/// The connections over which a network is called that is far away.
const FAR_CONNECTIONS: usize = 512;
/// How long a network that is far away takes to answer, in milliseconds.
pub const LATENCY_MS: u64 = 200;
/// So many payments wait at a network.
pub const WAITING: usize = 10_000;
/// The highest limit that an account can have. It is not what is measured.
const NO_LIMIT: u32 = 10_000;
/// The calls a second that an account at pawaPay makes at first.
const USUAL_LIMIT: u32 = 20;
/// When payments that wait become final, in seconds. Nothing takes so long, so the fakes' clock is
/// advanced by as much. Signatures of a clock that is five minutes ahead are not taken.
const FINAL_AFTER: i64 = 240;
/// How long a server may take to learn what the operator has changed.
const LEARNED_WITHIN: Duration = Duration::from_secs(30);

/// The account at the fake pawaPay.
struct Account {
    id: String,
    callback_path: String,
}

impl<'a> Rounds<'a> {
    /// What the fakes take without kola, whose calls they share the machine with.
    pub(super) fn fakes_alone(&mut self, round: u32) -> anyhow::Result<()> {
        let phase = Phase::FakesAlone;
        if !self.options.wants(phase) {
            return Ok(());
        }
        let fakes = Fakes::start(self.fakes_binary()?)?;
        let recorder = Recorder::start()?;
        let url = json!({ "url": format!("http://{}/", recorder.address) }).to_string();
        fakes.control(&self.generator, [("POST", "/pawapay/callback-urls", url)])?;
        let tenants = vec![Tenant { token: fakes.token.clone(), ..Tenant::default() }];
        let common = Common { tenants, expires_at: String::new(), callbacks: Vec::new() };
        let window = Window {
            job: Job::Deposit,
            connections: CONNECTIONS,
            items: Arc::new(hot(usize::MAX)),
            limit: Some(self.options.window()),
        };
        let target = Target { address: fakes.pawapay, pid: fakes.pid() };
        let begun = Instant::now();
        let outcome = self.generator.run(&[target], &Arc::new(common), &window)?;
        // The callbacks are part of the work.
        fakes.control(&self.generator, [("POST", "/flush", String::new())])?;
        let elapsed = begun.elapsed().as_secs_f64();
        ensure!(recorder.take().len() == outcome.turns, "a deposit has no callback");
        self.note(Sample {
            round,
            phase,
            width: CONNECTIONS,
            per_second: outcome.turns as f64 / elapsed,
            p50_ms: outcome.quantile_ms(0.5),
            p99_ms: outcome.quantile_ms(0.99),
            server_cpu: Some(outcome.server_cpu),
            load_cpu: Some(outcome.load_cpu),
            batch: None,
        });
        fakes.stop()
    }

    /// Checkouts through the fakes, beside those in the sandbox of the same server.
    pub(super) fn network(&mut self, round: u32) -> anyhow::Result<()> {
        let phases = [Phase::SandboxCheckout, Phase::NetworkCheckout, Phase::NetworkLatency];
        if !phases.into_iter().any(|phase| self.options.wants(phase)) {
            return Ok(());
        }
        let fakes = Fakes::start(self.fakes_binary()?)?;
        let (mut site, account) = self.open_at(round, "at pawaPay", &fakes, None)?;
        let server = site.servers.first().context("no server")?.address;
        site.send_callbacks_to(&fakes, &format!("http://{server}{}", account.callback_path))?;

        site.measure(Phase::SandboxCheckout, CONNECTIONS)?;
        site.invoices.clear();
        site.measure(Phase::NetworkCheckout, CONNECTIONS)?;
        site.measure(Phase::NetworkCheckout, FAR_CONNECTIONS)?;
        // The answer arrives late, and so does the callback of what was done meanwhile.
        let slow = json!({
            "network": "PAWAPAY", "kind": "SLOW", "milliseconds": LATENCY_MS, "times": u32::MAX,
            "match": { "path": "/v2/*" },
        });
        let settings = json!({ "delay_ms": LATENCY_MS }).to_string();
        let calls =
            [("POST", "/faults", slow.to_string()), ("POST", "/pawapay/settings", settings)];
        fakes.control(&site.rounds.generator, calls)?;
        site.measure(Phase::NetworkLatency, FAR_CONNECTIONS)?;
        site.close()?;
        fakes.stop()
    }

    /// Transfers beside many payments that wait at the fakes, and the callbacks that end these.
    pub(super) fn waiting(&mut self, round: u32) -> anyhow::Result<()> {
        let phases = [Phase::NetworkTransfer, Phase::NetworkWaiting, Phase::Callbacks];
        if !phases.into_iter().any(|phase| self.options.wants(phase)) {
            return Ok(());
        }
        let fakes = Fakes::start(self.fakes_binary()?)?;
        let recorder = Recorder::start()?;
        let recorder_url = format!("http://{}", recorder.address);
        let (mut site, account) = self.open_at(round, SITE_WAITING, &fakes, Some(&recorder_url))?;
        site.send_callbacks_to(&fakes, &format!("{recorder_url}{}", account.callback_path))?;
        site.measure(Phase::NetworkTransfer, CONNECTIONS)?;

        site.make_waiting(&fakes)?;
        // From here on the network is asked as often as an account usually does.
        site.set_limit(&account, USUAL_LIMIT)?;
        site.measure(Phase::NetworkWaiting, CONNECTIONS)?;

        if site.rounds.options.wants(Phase::Callbacks) {
            let advance = json!({ "seconds": FINAL_AFTER }).to_string();
            let calls = [("POST", "/clock/advance", advance), ("POST", "/flush", String::new())];
            fakes.control(&site.rounds.generator, calls)?;
            let callbacks = recorder.take();
            ensure!(callbacks.len() == WAITING, "{} callbacks were sent", callbacks.len());
            let common = Common { callbacks, ..(*site.common).clone() };
            site.common = Arc::new(common);
            site.measure(Phase::Callbacks, CONNECTIONS)?;
            let open = site.database.open_at_networks()?;
            ensure!(open == 0, "{open} payments are still open after their callbacks");
        }
        site.close()?;
        fakes.stop()
    }

    /// The file of the key that secrets are encrypted with. Beside a PostgreSQL server there is none.
    pub(super) fn secrets_key(&self) -> anyhow::Result<PathBuf> {
        let key = self.dir.join("secrets.key");
        if !key.exists() {
            self.kola.secrets_init_key(&key)?;
        }
        Ok(key)
    }

    /// A server with an account at the fakes, and a merchant whose payments go through it.
    fn open_at(
        &mut self,
        round: u32,
        name: &'static str,
        fakes: &Fakes,
        public_url: Option<&str>,
    ) -> anyhow::Result<(Site<'_, 'a>, Account)> {
        let database = self.fresh_database()?;
        let key = self.secrets_key()?;
        let added =
            self.kola.networks_add(&database, &key, &fakes.pawapay_url, &fakes.token, NO_LIMIT)?;
        let id = added.get("id").and_then(serde_json::Value::as_i64).context("no account")?;
        let url = added.get("callback_url").and_then(serde_json::Value::as_str).unwrap_or_default();
        let path = url.find("/callbacks/").and_then(|at| url.get(at..));
        let callback_path = path.with_context(|| format!("no path in {url}"))?.to_owned();
        let account = Account { id: id.to_string(), callback_path };
        let mut tenant = Tenant {
            merchant: setup::network_merchant(&self.kola, &database)?,
            ..Tenant::default()
        };

        let key = key.display().to_string();
        let mut settings = vec![("KOLA_SECRETS_KEY_FILE", key.as_str())];
        settings.extend(public_url.map(|url| ("KOLA_PUBLIC_URL", url)));
        let mut site = self.open_on(round, name, database, 1, &settings)?;
        // A payment is refused before the server knows what the network takes.
        let known = wait_until(LEARNED_WITHIN, Duration::from_millis(50), || {
            Ok(site.database.operator_terms()? > 0)
        })?;
        ensure!(known, "the server does not know the network's terms");
        let server = site.servers.first().context("no server")?;
        let expires_at = &site.common.expires_at;
        setup::prepare_tenant(&site.rounds.generator, server.address, &mut tenant, expires_at)
            .with_context(|| server.log())?;
        let hot = site.common.tenants.first().context("no merchant")?.clone();
        let common = Common { tenants: vec![hot, tenant], ..(*site.common).clone() };
        site.common = Arc::new(common);
        Ok((site, account))
    }
}

impl Site<'_, '_> {
    fn send_callbacks_to(&self, fakes: &Fakes, url: &str) -> anyhow::Result<()> {
        let call = ("POST", "/pawapay/callback-urls", json!({ "url": url }).to_string());
        fakes.control(&self.rounds.generator, [call]).map(drop)
    }

    /// Makes the payments that wait at the network.
    fn make_waiting(&mut self, fakes: &Fakes) -> anyhow::Result<()> {
        let late = json!({
            "network": "PAWAPAY", "kind": "LATE", "seconds": FINAL_AFTER, "times": WAITING,
        });
        fakes.control(&self.rounds.generator, [("POST", "/faults", late.to_string())])?;
        let invoices = self.take_invoices(at_network, WAITING)?;
        self.run(Job::NetworkPayment, CROWD, &Arc::new(invoices), None)?;
        let open = self.database.open_at_networks()?;
        let wanted = i64::try_from(WAITING)?;
        ensure!(open == wanted, "{open} payments wait at the network, not {wanted}");
        Ok(())
    }

    /// Sets how many calls a second the account makes, and waits until the server knows.
    fn set_limit(&self, account: &Account, calls_per_second: u32) -> anyhow::Result<()> {
        self.rounds.kola.networks_set_limit(&self.database, &account.id, calls_per_second)?;
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    }
}

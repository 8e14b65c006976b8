//! The service as its unit describes it, without systemd: its user, its folder, its variables and its
//! command line.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::bare_debian::BareDebian;
use crate::common::poll;
use crate::package::unit::{Unit, variables};

const UNIT: &str = "/usr/lib/systemd/system/kola.service";
/// The first start makes a database, on a machine that may be busy.
const TIMEOUT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(50);

pub struct Service {
    child: Child,
    output: PathBuf,
    pub url: String,
    stop_within: Duration,
}

impl Service {
    pub fn start(debian: &BareDebian) -> anyhow::Result<Self> {
        let unit = Unit::read(std::fs::read_to_string(debian.path(UNIT))?);
        let file = unit.value("EnvironmentFile")?.trim_start_matches('-');
        let environment = std::fs::read_to_string(debian.path(file)).unwrap_or_default();
        let user = unit.value("User")?;
        ensure!(user == unit.value("Group")?, "the unit's group is not that of its user");
        let folder = unit.value("WorkingDirectory")?;
        let mut command = debian.program_as(user, folder, &variables(&environment));
        command.args(unit.command()?);
        let output = debian.path("/tmp/kola.output");
        let log = File::create(&output)?;
        let child = command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log).spawn()?;
        let stop_within = Duration::from_secs(unit.value("TimeoutStopSec")?.parse()?);
        let mut service = Self { child, output, url: String::new(), stop_within };
        service.url = poll(TIMEOUT, INTERVAL, || service.listens())?
            .with_context(|| format!("it does not listen: {}", service.said()))?;
        Ok(service)
    }

    /// The URL, once it says that it listens.
    fn listens(&mut self) -> anyhow::Result<Option<String>> {
        let said = self.said();
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended with {status}: {said}");
        }
        let url = said.lines().find_map(|line| line.strip_prefix("kola listening on "));
        Ok(url.map(str::to_owned))
    }

    /// What the journal would have.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// The name and number of the user that it runs as, as the kernel knows it.
    pub fn user(&self) -> anyhow::Result<u32> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(std::fs::metadata(format!("/proc/{}", self.child.id()))?.uid())
    }

    /// Stops it as systemd does. Answers how long that took.
    pub fn stop(mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let ended = poll(self.stop_within, INTERVAL, || Ok(self.child.try_wait()?))?;
        let ended = ended.context("systemd would have killed it")?;
        ensure!(ended.success(), "it ended with {ended}: {}", self.said());
        Ok(begun.elapsed())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

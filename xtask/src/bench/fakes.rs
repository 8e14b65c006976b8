//! The fake networks, as a process of their own, as a developer starts them.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::client::Client;
use super::load::Generator;
use crate::common::poll;

/// How long they may take to start or to stop.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The running fakes. Dropping this kills the process.
pub struct Fakes {
    child: Child,
    pub pawapay_url: String,
    /// What the fake pawaPay takes as a token.
    pub token: String,
    pub pawapay: SocketAddr,
    control: SocketAddr,
}

impl Fakes {
    /// Starts them on free ports of this machine. Payments are final at once.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        let free = "127.0.0.1:0";
        let mut child = Command::new(program)
            .args(["--pawapay", free, "--stripe", free, "--control", free, "--delay-ms", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let stdout = child.stdout.take().context("the standard output of the fakes")?;
        let (found, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                found.send(line).ok();
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        // From here on dropping this value ends the process, even if the start fails.
        let mut fakes = Self {
            child,
            pawapay_url: String::new(),
            token: String::new(),
            pawapay: nowhere,
            control: nowhere,
        };
        let pawapay = after(&lines, "pawaPay: ")?;
        let (url, token) = pawapay.split_once(" with the token ").context(pawapay.clone())?;
        (fakes.pawapay_url, fakes.token) = (url.to_owned(), token.to_owned());
        let address = url.strip_prefix("http://").context("no address")?;
        fakes.pawapay = address.parse().with_context(|| address.to_owned())?;
        let control = after(&lines, "control: http://")?;
        fakes.control = control.parse().context(control)?;
        Ok(fakes)
    }

    /// Makes calls to the control port: method, path and body of each. Returns the last answer.
    pub fn control<'a>(
        &self,
        generator: &Generator,
        calls: impl IntoIterator<Item = (&'a str, &'a str, String)>,
    ) -> anyhow::Result<Value> {
        generator.block_on(async {
            let mut client = Client::connect(self.control).await?;
            let mut last = Value::Null;
            for (method, path, body) in calls {
                let body = (!body.is_empty()).then_some(body.as_str());
                let (status, answer) = client.ask(method, "", path, body).await?;
                ensure!(status == 200, "{method} {path} was answered {status}: {answer}");
                last = serde_json::from_slice(answer.0)?;
            }
            Ok(last)
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let status = poll(TIMEOUT, Duration::from_millis(5), || Ok(self.child.try_wait()?))?;
        let status = status.context("the fakes did not end after SIGINT")?;
        ensure!(status.success(), "the fakes ended with {status}");
        Ok(())
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        // The process still runs only if an error ended the benchmark.
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// The rest of the line that begins so.
fn after(lines: &Receiver<String>, begin: &str) -> anyhow::Result<String> {
    loop {
        let line = lines.recv_timeout(TIMEOUT);
        let line = line.with_context(|| format!("the fakes did not print {begin:?}"))?;
        if let Some(rest) = line.strip_prefix(begin) {
            return Ok(rest.to_owned());
        }
    }
}

//! Programs that others have made, or that are written in their languages, beside the server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// How long a program may take to say what is expected of it.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A program that runs until this is dropped.
pub struct Program {
    child: Child,
    name: String,
    lines: Receiver<String>,
}

impl Program {
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let name = command.get_program().display().to_string();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| name.clone())?;
        let stdout = child.stdout.take();
        let (said, lines) = std::sync::mpsc::channel();
        // The output is read to its end: otherwise the pipe fills up and the program blocks.
        std::thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|out| BufReader::new(out).lines()) {
                let Ok(line) = line else { break };
                said.send(line).ok();
            }
        });
        Ok(Self { child, name, lines })
    }

    /// What stands behind `head` in the next line that begins with it.
    pub fn says(&self, head: &str) -> anyhow::Result<String> {
        loop {
            let line = self
                .lines
                .recv_timeout(TIMEOUT)
                .with_context(|| format!("{} did not print {head:?}", self.name))?;
            if let Some(rest) = line.trim().strip_prefix(head) {
                return Ok(rest.trim().to_owned());
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whatever proxy leads to other hosts: none of them is called.
pub fn without_proxies(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
}

/// What a command prints, given this input. What it says of errors is passed on.
pub fn output(command: &mut Command, input: Option<&str>) -> anyhow::Result<String> {
    let name = format!("{command:?}");
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| name.clone())?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        std::io::Write::write_all(&mut stdin, input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{name} ended with {}:\n{said}", output.status);
    Ok(said)
}

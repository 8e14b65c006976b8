//! `kola doctor`: looks at the installation and at what it stands on, and says what to do. It changes
//! nothing.
//!
//! What is found is read by [`database`], [`machine`] and [`outside`] into plain facts; [`judge`] says
//! what they mean, and is a function of them alone.

mod database;
mod judge;
mod machine;
mod outside;

pub use outside::NetworkFacts;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::output::{self, NobodyReads};
use crate::cli::public_address::public_url;
use crate::cli::{Target, arguments, fail};

#[derive(Args)]
pub struct Doctor {
    /// Exit with 5 for a warning, too.
    #[arg(long)]
    strict: bool,
    /// Also ask each network whether it takes the token of its account. This calls the networks.
    #[arg(long)]
    networks: bool,
    /// The URL at which people reach the server, as its own --public-url. Without it that is not looked
    /// at.
    #[arg(long, env = "KOLA_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// How many connections the server may have open, as its own --connections-max.
    #[arg(long, env = "KOLA_CONNECTIONS_MAX", default_value_t = 16_384, value_name = "N")]
    connections_max: u64,
    /// How often the server verifies, as its own --verify-every: a verification that is older than
    /// twice that is a warning.
    #[arg(long, env = "KOLA_VERIFY_EVERY", value_name = "TIME", value_parser = arguments::interval)]
    verify_every: Option<Duration>,
    /// A file that nobody else may read, beside the database, its key and the config file. May be
    /// repeated.
    #[arg(long = "private-file", value_name = "FILE")]
    private_files: Vec<PathBuf>,
}

/// What a check comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum State {
    Ok,
    /// It cannot be seen from here, and somebody has to look.
    Unknown,
    Warn,
    Fail,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line: what was looked at, what it is like, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    check: &'static str,
    state: State,
    found: String,
    to_do: Option<&'static str>,
}

impl Line {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), to_do: None }
    }

    fn bad(
        state: State,
        check: &'static str,
        found: impl Into<String>,
        to_do: &'static str,
    ) -> Self {
        Self { check, state, found: found.into(), to_do: Some(to_do) }
    }

    fn warn(check: &'static str, found: impl Into<String>, to_do: &'static str) -> Self {
        Self::bad(State::Warn, check, found, to_do)
    }

    fn fail(check: &'static str, found: impl Into<String>, to_do: &'static str) -> Self {
        Self::bad(State::Fail, check, found, to_do)
    }

    fn unknown(check: &'static str, found: impl Into<String>, to_do: &'static str) -> Self {
        Self::bad(State::Unknown, check, found, to_do)
    }

    fn as_text(&self) -> String {
        let Self { check, state, found, to_do } = self;
        let to_do = to_do.map(|to_do| format!(": {to_do}")).unwrap_or_default();
        format!("{:<8}{check:<20}{found}{to_do}", state.as_str())
    }

    fn as_json(&self) -> Value {
        json!({
            "check": self.check, "state": self.state.as_str(), "found": self.found, "to_do": self.to_do,
        })
    }
}

impl Doctor {
    /// With `--strict` a warning is a failure, too.
    pub fn run(self, target: &Target) -> Exit {
        let lines = self.lines(target);
        let count = |state| lines.iter().filter(|line| line.state == state).count();
        let [fails, warnings, unknown] = [State::Fail, State::Warn, State::Unknown].map(count);
        let json = json!({
            "checks": lines.iter().map(Line::as_json).collect::<Vec<_>>(),
            "failed": fails, "warnings": warnings, "unknown": unknown,
        });
        let mut text: Vec<String> = lines.iter().map(Line::as_text).collect();
        let checks = lines.len();
        text.push(format!(
            "{checks} checks: {fails} failed, {warnings} warnings, {unknown} unknown"
        ));
        match output::tell(&json, &text.join("\n")) {
            Err(error) if !error.is::<NobodyReads>() => fail(&error),
            _ if fails > 0 || (self.strict && warnings > 0) => Exit::Unhealthy,
            _ => Exit::Done,
        }
    }

    fn lines(&self, target: &Target) -> Vec<Line> {
        let database = database::look(target);
        let mut lines = judge::database(&database);
        let machine = machine::look(target, &self.private_files);
        lines.extend(judge::machine(&machine, self.connections_max));
        if let Ok(found) = &database {
            if let Some(installation) = &found.installation {
                lines.extend(judge::installation(installation, self.verify_every));
            }
            lines.push(judge::secrets_key(&found.keys_needed, &database::key(target)));
        }
        lines.extend(judge::public_url(self.public_url.as_deref().map(outside::look)));
        if self.networks && database.is_ok() {
            lines.extend(outside::networks(target).iter().map(judge::network));
        }
        lines
    }
}

//! What several chores need.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Calls `probe` until it returns a value, at least once; `None` when `timeout` is over before.
pub fn poll<T>(
    timeout: Duration,
    interval: Duration,
    mut probe: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe()? {
            return Ok(Some(found));
        }
        if begun.elapsed() >= timeout {
            return Ok(None);
        }
        std::thread::sleep(interval);
    }
}

/// The same for a condition: whether it held in time.
pub fn wait_until(
    timeout: Duration,
    interval: Duration,
    mut holds: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    Ok(poll(timeout, interval, || Ok(holds()?.then_some(())))?.is_some())
}

/// The cargo that runs this program, in the root of the workspace.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(crate::root());
    // What cargo says of this program. A build script that looks at it (ring's does) would run again
    // after each build that was begun by hand, and all that depends on it would be built again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|head| name.starts_with(head)) {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

/// Prints how a chore ended.
pub fn conclude(passed: bool) -> ExitCode {
    println!("{}", if passed { "PASSED" } else { "FAILED" });
    exit_code(passed)
}

pub const fn exit_code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The last 20 lines of a log.
pub fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_called_until_it_returns_a_value_or_the_time_is_over() {
        let (hour, none) = (Duration::from_secs(3_600), Duration::ZERO);
        let mut calls = 0;
        let third = |calls: &mut i32| {
            *calls += 1;
            Ok((*calls == 3).then_some(*calls))
        };
        assert_eq!(poll(hour, none, || third(&mut calls)).unwrap(), Some(3));
        assert_eq!(poll(none, none, || third(&mut calls)).unwrap(), None);
        assert_eq!(calls, 4);
    }

    #[test]
    fn the_end_of_a_log_is_shown() {
        let log: String = (0..30).map(|line| format!("{line}\n")).collect();
        let shown = tail(&log);
        assert!(shown.starts_with("10\n") && shown.ends_with("\n29"), "{shown}");
    }
}

//! The documentation: its examples run, its generated pages are up to date.

use std::process::Command;

use super::support::shop::Merchant;
use super::support::{Database, Server, open_with, straight};

const QUICK_START: &str = include_str!("../../../../docs/quick-start.md");

/// The code of the blocks that follow a marker, in order: they build on each other.
fn blocks(marker: &str) -> String {
    let marker = format!("<!-- {marker} -->");
    let code = |part: &'static str| {
        part.trim_start()
            .strip_prefix("```")?
            .split_once('\n')?
            .1
            .split_once("```")
            .map(|(code, _)| code)
    };
    QUICK_START.split(&marker).skip(1).filter_map(code).collect::<Vec<_>>().join("\n")
}

/// Runs a program on the examples, in a shop with money; answers what it printed.
fn run(program: &str, arguments: &[&str]) -> Option<(Server, Merchant, String)> {
    if Command::new(program).arg("--version").output().is_err() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED quick start: {program} is not installed");
        return None;
    }
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "0")]);
    server.fund(&shop, "USD", "1000.00");
    let output = straight(program)
        .args(arguments)
        .env("BASE", format!("http://{}", server.api.address))
        .env("CLIENT_ID", &shop.credentials.client_id)
        .env("CLIENT_SECRET", &shop.credentials.client_secret)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // 1,000 + 100 + 30 collected - 20.30 paid out - 15 transferred - 40 refunded.
    shop.assert_balance("USD", "1054.70", "0.00");
    server.verify_ledger();
    Some((server, shop, said))
}

#[test]
fn the_quick_start_runs_in_curl() {
    let script = format!("set -eu\n{}", blocks("curl").replace("sleep 2\n", ""));
    if let Some((_, _, said)) = run("sh", &["-c", &script]) {
        assert!(!said.contains("\"detail\""), "{said}");
        assert_eq!(said.matches("\"status\":\"COMPLETED\"").count(), 5, "{said}");
    }
}

#[test]
fn the_quick_start_runs_in_python() {
    if !Command::new("python3")
        .args(["-c", "import requests"])
        .output()
        .is_ok_and(|run| run.status.success())
    {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED quick start: python3 has no requests");
        return;
    }
    if let Some((_, _, said)) = run("python3", &["-c", &blocks("python")]) {
        assert_eq!(said.matches("COMPLETED").count(), 5, "{said}");
    }
}

#[test]
fn the_quick_start_runs_in_node() {
    if let Some((_, _, said)) = run("node", &["--input-type=module", "-e", &blocks("node")]) {
        assert_eq!(said.matches("COMPLETED").count(), 5, "{said}");
    }
}

#[test]
fn the_error_catalogue_is_up_to_date() {
    let catalogue = Database::new().kola(&["errors"]).ok();
    assert!(
        catalogue == include_str!("../../../../docs/errors.md"),
        "run: cargo run -- errors > docs/errors.md"
    );
}

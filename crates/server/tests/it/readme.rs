//! Runs the commands of the README and of the pages for new users.

use super::docs::{blocks, run};
use super::support::{Database, open_with, straight};

const README: &str = include_str!("../../../../README.md");
const SESSIONS: &str = include_str!("../../../../docs/sessions.md");
const COMMANDS: &str = include_str!("../../../../docs/command-line.md");

/// 1,000.00 funded and 2 × 19.50 collected; the payer bears the fees.
const AFTER_ONE_PAYMENT: &str = "1039.00";

#[test]
fn the_readme_is_a_start_page() {
    assert!(README.lines().count() <= 150, "what is more belongs into a page of docs/");
}

#[test]
fn the_payment_of_the_readme_runs_in_curl() {
    let script = format!("set -eu\n{}", blocks(README, "curl").replace("sleep 2\n", ""));
    if let Some((_, _, said)) = run("sh", &["-c", &script], AFTER_ONE_PAYMENT) {
        assert!(!said.contains("\"detail\""), "{said}");
        assert_eq!(said.matches("\"status\":\"COMPLETED\"").count(), 2, "{said}");
    }
}

#[test]
fn the_payment_of_the_readme_runs_in_python() {
    let said = run("python3", &["-c", &blocks(README, "python")], AFTER_ONE_PAYMENT);
    assert!(said.is_none_or(|(_, _, said)| said == "COMPLETED\n"));
}

#[test]
fn the_payment_of_the_readme_runs_in_node() {
    let program = blocks(README, "node");
    let said = run("node", &["--input-type=module", "-e", &program], AFTER_ONE_PAYMENT);
    assert!(said.is_none_or(|(_, _, said)| said == "COMPLETED\n"));
}

#[test]
fn the_examples_of_the_four_sessions_run_as_they_stand_and_run_again() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "0")]);
    server.fund(&shop, "USD", "10000.00");
    assert_eq!(SESSIONS.matches("<!-- example -->").count(), 7, "an example was added or removed");
    let examples = blocks(SESSIONS, "example");
    let script = format!("set -eu\n{}", examples.replace("sleep 2; ", ""));
    // 10,000 funded; each run collects 100, pays out 507.50, transfers 25 and refunds 40.
    for balance in ["9527.50", "9055.00"] {
        let run = straight("sh")
            .args(["-c", &script])
            .env("BASE", format!("http://{}", server.api.address))
            .env("CLIENT_ID", &shop.credentials.client_id)
            .env("CLIENT_SECRET", &shop.credentials.client_secret)
            .output()
            .expect("sh runs");
        let (out, err) =
            (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success() && !out.contains("\"detail\""), "{out}\n{err}");
        // The collection's status, the payout, the transfer and the refund.
        assert_eq!(out.matches("\"status\":\"COMPLETED\"").count(), 4, "{out}\n{err}");
        assert!(
            out.contains("\"payer_amount\":103.00") && out.contains("\"status\":\"PAID\""),
            "{out}"
        );
        shop.assert_balance("USD", balance, "0.00");
    }
    server.verify_ledger();
}

#[test]
fn every_command_of_the_readme_is_there() {
    let help = Database::new().kola(&["--help"]).ok();
    for line in COMMANDS.lines().filter(|line| line.starts_with("kola ")) {
        let command = line.split("  ").next().unwrap_or(line);
        let words: Vec<&str> = command.split_whitespace().skip(1).take(2).collect();
        let group: Vec<&str> = words
            .into_iter()
            .filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
            .collect();
        assert!(help.contains(group[0]), "{line}");
        let mut arguments = group;
        arguments.push("--help");
        Database::new().kola(&arguments).ok();
    }
}

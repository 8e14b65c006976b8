//! What the README tells a new user to type, typed.

use super::support::{Database, open_with, straight};

const README: &str = include_str!("../../../../README.md");

/// The shell blocks that are marked as examples, in order: they build on each other.
fn examples() -> Vec<&'static str> {
    let after = |part: &'static str| {
        part.split_once("```sh\n")
            .and_then(|(_, rest)| rest.split_once("```"))
            .map(|(block, _)| block)
    };
    README.split("<!-- example -->").skip(1).filter_map(after).collect()
}

#[test]
fn the_examples_of_the_four_sessions_run_as_they_stand_and_run_again() {
    let (server, shop) = open_with(&[("KOLA_SANDBOX_DELAY_MS", "0")]);
    server.fund(&shop, "USD", "10000.00");
    let examples = examples();
    assert_eq!(examples.len(), 7, "sessions were added to or taken out of the README");
    let script = format!("set -eu\n{}", examples.concat().replace("sleep 2; ", ""));
    // Funded 10,000; each time +100 collected, -507.50 paid out, -25 transferred, -40 refunded.
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
        // Collection's status, payout, transfer and refund.
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
    for line in README.lines().filter(|line| line.starts_with("kola ")) {
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

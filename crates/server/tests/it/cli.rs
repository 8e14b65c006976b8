//! The command line: output, exit codes and help.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::support::process::Credentials;
use crate::support::{Database, Server, json, open, spawn, straight, wait_for};

fn kola(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_kola"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("kola runs")
}

#[test]
fn a_merchant_is_created_with_credentials_and_three_wallets() {
    let database = Database::new();
    let credentials = database.merchant_with("Shop", &[]);
    assert!(
        !credentials.client_id.is_empty() && credentials.client_secret.len() >= 16,
        "{credentials:?}"
    );
    let mut currencies: Vec<&str> = credentials.wallets.iter().map(|(c, _)| c.as_str()).collect();
    currencies.sort_unstable();
    assert_eq!(currencies, ["LRD", "RWF", "USD"]);
    let another = database.merchant_with("Shop", &[]);
    assert_ne!(another.merchant_id, credentials.merchant_id);
    assert_ne!(another.client_secret, credentials.client_secret);
}

#[test]
fn a_micro_organization_is_a_merchant_too() {
    let database = Database::new();
    let arguments = [
        "merchant",
        "create",
        "--name",
        "Stall",
        "--type",
        "MICRO_ORGANIZATION",
        "--verified",
        "--json",
    ];
    let credentials = Credentials::read(&database.kola(&arguments).ok());
    let server = Server::start(database, &[]);
    let stall = server.sign_in(&credentials);
    let invoice = stall.invoice("USD", "1.00");
    assert_eq!(
        stall.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok()["owner_type"],
        "MICRO_ORGANIZATION"
    );
}

#[test]
fn a_merchant_is_created_beside_a_running_server() {
    let (server, _shop) = open();
    let credentials = server.database.merchant("Late Shop");
    assert_eq!(server.sign_in(&credentials).api.get("/v1/wallets/list").rows().len(), 3);
}

#[test]
fn the_database_may_come_from_the_environment() {
    let database = Database::new();
    let create = ["merchant", "create", "--name", "Shop", "--type", "ORGANIZATION", "--json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_kola"));
    let output =
        command.args(create).env("KOLA_DATABASE", database.url()).output().expect("kola runs");
    assert!(output.status.success(), "{output:?}");
    Credentials::read(&String::from_utf8_lossy(&output.stdout));
    database.kola(&["ledger", "verify"]).ok();
}

#[test]
fn a_wallet_is_funded_exactly() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    server.fund(&shop, "USD", "0.29");
    server.fund(&shop, "RWF", "5000");
    shop.assert_balance("USD", "1000.29", "0.00");
    shop.assert_balance("RWF", "5000", "0");
    server.verify_ledger();
}

#[test]
fn a_wallet_is_not_funded_with_nonsense() {
    let (server, shop) = open();
    let dollars = shop.wallet("USD").to_string();
    let francs = shop.wallet("RWF").to_string();
    for (wallet, amount) in [
        (&dollars, "0"),
        (&dollars, "-5"),
        (&dollars, "1.005"),
        (&dollars, "ten"),
        (&francs, "10.5"),
        (&dollars, "1e30"),
        (&"987654".to_owned(), "1.00"),
    ] {
        server
            .kola(&["wallet", "fund", "--wallet", wallet, &format!("--amount={amount}")])
            .refused();
    }
    shop.assert_balance("USD", "0.00", "0.00");
    shop.assert_balance("RWF", "0", "0");
}

#[test]
fn a_number_below_zero_is_told_to_be_one() {
    let (server, shop) = open();
    let wallet = shop.wallet("USD").to_string();
    let said = server.kola(&["wallet", "fund", "--wallet", &wallet, "--amount", "-5"]).refused();
    assert!(said.contains("--amount must be above zero"), "{said}");
    let said = server.kola(&["rates", "set", "USD", "LRD", "-192"]).refused();
    assert!(said.contains("above zero"), "{said}");
    let said = server
        .kola(&["fees", "set", "platform", "--operation", "PAYOUT", "--percentage", "-1"])
        .refused();
    assert!(said.contains("from 0 to 100"), "{said}");
    let said = server.kola(&["wallet", "fund", "--nonsense", "1"]).refused();
    assert!(said.contains("unexpected argument"), "{said}");
}

#[test]
fn what_is_not_found_is_named() {
    let database = Database::new();
    database.merchant("Shop");
    let resolve = ["review", "resolve", "99", "--to", "wallet", "--evidence", "a call"];
    assert!(database.kola(&resolve).refused().contains("there is no review 99"));
    let passcode =
        database.kola_with_input(&["merchant", "set-passcode", "--merchant", "77"], "4829\n");
    assert!(passcode.refused().contains("there is no merchant 77"));
    assert!(
        database.kola(&["wallet", "list", "--merchant", "77"]).refused().contains("no merchant 77")
    );
}

#[test]
fn an_operator_finds_merchants_and_wallets() {
    let (server, shop) = open();
    let late = server.database.merchant_with("Late Shop", &["--phone", "231770000001"]);
    server.fund(&shop, "USD", "1000.00");
    let (party, wallet) = shop.party_with_money("USD", "25.00");
    let rows = |arguments: &[&str]| -> Vec<serde_json::Value> {
        serde_json::from_str(&server.kola(arguments).ok()).expect("a list in JSON")
    };
    let merchants = rows(&["merchant", "list", "--json"]);
    let ids = [shop.credentials.merchant_id, late.merchant_id];
    assert_eq!(merchants.iter().map(crate::support::id).collect::<Vec<_>>(), ids);
    assert_eq!(
        (&merchants[1]["phone"], &merchants[0]["verified"]),
        (&json!("231770000001"), &json!(true))
    );
    let printed = server.kola(&["merchant", "list"]).ok();
    assert!(printed.contains("Late Shop") && printed.contains("231770000001"), "{printed}");
    let mine = rows(&["wallet", "list", "--merchant", &ids[0].to_string(), "--json"]);
    assert_eq!(mine.len(), 4);
    let of_party = mine.iter().find(|row| row["id"] == wallet).expect("the party's wallet");
    let expected = json!({"id": wallet, "merchant_id": ids[0], "owner_type": "PARTY", "owner_id": party, "currency": "USD",
        "available": "25.00", "held": "0.00", "incoming": "0.00", "status": "ACTIVE"});
    assert_eq!(of_party, &expected);
    assert_eq!(rows(&["wallet", "list", "--json"]).len(), 7);
    let printed = server.kola(&["wallet", "list"]).ok();
    assert!(printed.contains(&format!("PARTY {party}")) && printed.contains("975.00"), "{printed}");
}

#[test]
fn a_wallet_status_is_a_known_one() {
    let (server, shop) = open();
    let wallet = shop.wallet("USD").to_string();
    server.kola(&["wallet", "status", "--wallet", &wallet, "--set", "MELTED"]).refused();
    server.kola(&["wallet", "status", "--wallet", "987654", "--set", "FROZEN"]).refused();
    server.kola(&["wallet", "status", "--wallet", &wallet, "--set", "FROZEN"]).ok();
    assert_eq!(shop.api.get(&format!("/v1/wallets/retrieve/{wallet}")).ok()["status"], "FROZEN");
}

#[test]
fn the_ledger_is_verified_with_a_summary() {
    let (server, shop) = open();
    shop.paid_hundred();
    assert!(!server.kola(&["ledger", "verify"]).ok().trim().is_empty());
}

#[test]
fn a_merchants_particulars_are_checked() {
    let database = Database::new();
    let create = |name: &str, kind: &str, phone: &str| {
        database.kola(&[
            "merchant", "create", "--name", name, "--type", kind, "--phone", phone, "--json",
        ])
    };
    create("Shop", "BANK", "231770000001").refused();
    create("Shop", "ORGANIZATION", "+0").refused();
    create(" ", "ORGANIZATION", "231770000001").refused();
    create("\u{200b}\u{200f}", "ORGANIZATION", "231770000001").refused();
    database.kola(&["merchant", "create"]).refused();
    create("Shop", "ORGANIZATION", "231770000001").ok();
}

#[test]
fn an_unknown_merchant_gets_no_passcode() {
    let database = Database::new();
    database.merchant("Shop");
    database
        .kola_with_input(&["merchant", "set-passcode", "--merchant", "987654"], "1234\n")
        .refused();
}

#[test]
fn help_and_mistakes_are_told() {
    let help = kola(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for command in ["serve", "merchant", "wallet", "ledger", "review", "demo"] {
        assert!(text.contains(command), "help does not name {command}: {text}");
    }
    assert!(kola(&["--version"]).status.success());
    let mistake = kola(&["sevre"]);
    assert!(!mistake.status.success());
    assert!(String::from_utf8_lossy(&mistake.stderr).contains("sevre"), "{mistake:?}");
}

#[test]
fn a_bad_database_is_told() {
    for url in [
        "sqlite:/nonexistent/directory/kola.db",
        "mystery:kola",
        "postgres://nobody@127.0.0.1:1/kola",
    ] {
        let output = kola(&["ledger", "verify", "--database", url]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.trim().is_empty() && !said.contains("panicked at"), "{said}");
    }
}

#[test]
fn a_taken_port_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let database = Database::new();
    database.merchant("Shop");
    let said = database.kola(&["serve", "--listen", &address]).refused();
    assert!(said.contains(&address) || said.to_lowercase().contains("in use"), "{said}");
}

#[test]
fn a_first_server_prints_a_curl_that_works() {
    let server = Server::spawn(Database::new(), &[]);
    let command = wait_for("a curl to copy", || printed_curl(&server.printed()));
    let merchant = server.database.value("SELECT id FROM merchants");
    assert!(
        server.printed().contains(&format!("merchant       {merchant}\n")),
        "{}",
        server.printed()
    );
    let shims = tempfile::TempDir::new().expect("a directory");
    let shim = shims.path().join("curl");
    let path = std::env::var("PATH").expect("a path");
    // A wrapper of curl that also prints the HTTP status on standard error.
    let real = path
        .split(':')
        .map(|d| format!("{d}/curl"))
        .find(|p| std::path::Path::new(p).exists())
        .expect("curl");
    std::fs::write(
        &shim,
        format!("#!/bin/sh\nexec {real} -w '%{{stderr}}HTTP %{{http_code}}\\n' \"$@\"\n"),
    )
    .expect("a file");
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let mut sh = straight("sh");
    sh.args(["-c", &command]).env("PATH", format!("{}:{path}", shims.path().display()));
    let output = sh.output().expect("sh runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answers: Vec<&str> = said.lines().filter(|l| l.starts_with("HTTP ")).collect();
    assert!(output.status.success() && !answers.is_empty(), "{command}\n{output:?}");
    assert!(answers.iter().all(|a| *a == "HTTP 200"), "{command}\n{output:?}");
}

/// The printed lines from the first one with a curl command to the next empty one. `None` while the
/// command is not complete.
fn printed_curl(printed: &str) -> Option<String> {
    let lines = printed.lines().skip_while(|line| !line.contains("curl "));
    let mut command: Vec<&str> = Vec::new();
    for line in lines {
        if line.trim().is_empty() || line.contains("kola listening") {
            break;
        }
        command.push(line);
    }
    let last = command.last()?;
    (!last.trim_end().ends_with('\\')).then(|| command.join("\n").trim().to_owned())
}

#[test]
fn a_first_server_prints_credentials() {
    let server = Server::spawn(Database::new(), &[]);
    wait_for("credentials", || server.printed().to_lowercase().contains("secret").then_some(()));
    server.verify_ledger();
}

/// Nobody could use a first merchant whose secret was not printed.
#[test]
fn a_server_that_cannot_listen_makes_no_merchant() {
    let database = Database::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = database.kola(&["serve", "--listen", &address]).refused();
    assert!(said.contains(&address), "{said}");
    let server = Server::spawn(database, &[]);
    wait_for("credentials", || server.printed().to_lowercase().contains("secret").then_some(()));
}

#[test]
fn a_server_with_merchants_prints_no_secret() {
    let (server, shop) = spawn();
    let printed = server.printed();
    assert!(!printed.contains(&shop.credentials.client_secret), "{printed}");
}

#[test]
fn the_demo_settles_all_four_sessions() {
    let run = Database::new().kola(&["demo"]);
    let printed = run.ok();
    let lower = printed.to_lowercase();
    for kind in ["checkout", "payout", "transfer", "refund"] {
        assert!(lower.contains(kind), "no {kind}: {printed}");
    }
    assert!(printed.matches("COMPLETED").count() >= 4, "{printed}");
}

#[test]
fn a_live_merchant_is_refused_without_a_live_provider() {
    let run = Database::new().kola(&[
        "merchant",
        "create",
        "--name",
        "L",
        "--type",
        "ORGANIZATION",
        "--live",
    ]);
    assert!(run.refused().contains("kola networks add --mode live"));
}

#[test]
fn a_review_of_nothing_is_refused() {
    let (server, _shop) = open();
    server
        .kola(&["review", "resolve", "987654", "--outcome", "completed", "--evidence", "x"])
        .refused();
    let printed = server.kola(&["review", "list", "--json"]).ok();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).expect("JSON"), json!([]));
}

//! The command line for operators: output that cannot be written, JSON, help, addresses, and typing
//! mistakes.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;
use store::workspace::codes::with_codes;

use crate::support::{Database, Server, id, json, spawn, wait_for};

/// Runs a line in a shell, in which `kola` is a command on this database.
fn shell(database: &Database, line: &str) -> std::process::Output {
    let line = format!(
        "kola() {{ {} \"$@\" --database '{}'; }}\n{line}",
        env!("CARGO_BIN_EXE_kola"),
        database.url()
    );
    Command::new("bash")
        .args(["-c", &line])
        .current_dir(database.dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash runs")
}

/// Runs kola with its output into a pipe whose other end is closed.
pub(crate) fn unread(database: &Database, arguments: &[&str]) -> std::process::Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut kola = Command::new(env!("CARGO_BIN_EXE_kola"));
    kola.args(arguments)
        .args(["--database", &database.url()])
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped());
    kola.spawn().expect("kola starts").wait_with_output().expect("kola ends")
}

#[track_caller]
fn said(output: &std::process::Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_secret_that_cannot_be_shown_is_nobodys() {
    let database = Database::new();
    let shop = database.merchant("Shop");
    let create = "kola merchant create --name A --type ORGANIZATION --phone 231770000001";
    for line in [format!("{create} > /dev/full"), format!("{create} --json > /dev/full")] {
        let output = shell(&database, &line);
        assert!(
            !output.status.success() && said(&output).contains("no merchant was made"),
            "{line}: {output:?}"
        );
    }
    let output =
        unread(&database, &["merchant", "create", "--name", "A", "--type", "ORGANIZATION"]);
    assert!(
        !output.status.success() && said(&output).contains("no merchant was made"),
        "{output:?}"
    );
    assert_eq!(database.value("SELECT count(*) FROM merchants"), "1");
    assert_eq!(database.value("SELECT count(*) FROM wallets"), "3");
    // The refused merchant has taken neither the name nor the phone.
    assert!(shell(&database, create).status.success());
    let output = shell(
        &database,
        &format!("kola merchant create-key --merchant {} > /dev/full", shop.merchant_id),
    );
    assert!(!output.status.success() && said(&output).contains("is revoked again"), "{output:?}");
    assert_eq!(database.value("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL"), "2");
    database.kola(&["ledger", "verify"]).ok();
}

/// The standard library takes all of these for a success.
#[test]
fn a_secret_that_nobody_reads_is_not_made() {
    let database = Database::new();
    let shop = database.merchant("Shop");
    std::fs::write(database.dir.path().join("file"), "").expect("a file");
    let before = database.contents(&[]);
    let key = format!("merchant create-key --merchant {}", shop.merchant_id);
    for secret in ["merchant create --name A --type ORGANIZATION", &key, "user invite --operator"] {
        for more in ["", "--json"] {
            for out in [">&-", "> /dev/null", "1< file", "1<> /dev/null"] {
                let line = format!("kola {secret} {more} {out}");
                let output = shell(&database, &line);
                let told = said(&output);
                assert_eq!(output.status.code(), Some(1), "{line}: {told}");
                assert!(told.contains("nothing was made"), "{line}: {told}");
            }
        }
    }
    assert_eq!(database.contents(&[]), before);
    // No other answer that could not be written is called written.
    let output = shell(&database, "kola merchant list 1< file");
    assert!(!output.status.success() && said(&output).contains("cannot be written"), "{output:?}");
    assert!(shell(&database, "kola merchant list > /dev/null").status.success());
}

#[test]
fn a_first_start_whose_output_nobody_reads_makes_no_merchant() {
    let database = Database::new();
    for out in [">&-", "> /dev/null"] {
        let serve = format!(
            "kola serve --listen 127.0.0.1:0 --log info {out} 2> said.log & pid=$!; \
             until grep -q ' listening' said.log || ! kill -0 $pid; do sleep 0.05; done; \
             kill $pid; wait $pid; cat said.log >&2"
        );
        let output = shell(&database, &serve);
        assert!(said(&output).contains(" listening"), "{output:?}");
        assert_eq!(database.value("SELECT count(*) FROM merchants"), "0", "{output:?}");
    }
    let server = Server::spawn(database, &[]);
    assert!(server.printed().contains("client_secret"), "{}", server.printed());
}

#[test]
fn a_first_start_whose_output_is_full_makes_no_merchant() {
    let database = Database::new();
    let output = shell(&database, "kola serve --listen 127.0.0.1:0 > /dev/full");
    assert!(
        !output.status.success() && said(&output).contains("no merchant was made"),
        "{output:?}"
    );
    assert_eq!(database.value("SELECT count(*) FROM merchants"), "0");
    let server = Server::spawn(database, &[]);
    assert!(server.printed().contains("client_secret"), "{}", server.printed());
}

#[test]
fn what_was_done_is_told_where_the_answer_cannot_be() {
    let database = Database::new();
    let shop = database.merchant("Shop");
    let wallet = &shop.wallets[0];
    let output =
        shell(&database, &format!("kola wallet fund --wallet {} --amount 5 > /dev/full", wallet.1));
    let told = said(&output);
    assert!(
        !output.status.success() && told.contains("it was done") && told.contains("available"),
        "{told}"
    );
    for line in [
        "kola keys rotate > /dev/full",
        "kola rates set USD LRD 193 > /dev/full",
        &format!("kola merchant set --merchant {} --verified false > /dev/full", shop.merchant_id),
        &format!("kola wallet status --wallet {} --set FROZEN > /dev/full", wallet.1),
    ] {
        let output = shell(&database, line);
        assert!(
            !output.status.success() && said(&output).contains("it was done"),
            "{line}: {output:?}"
        );
    }
    for line in [
        "kola merchant list > /dev/full",
        "kola errors > /dev/full",
        "kola ledger verify > /dev/full",
    ] {
        let output = shell(&database, line);
        assert!(
            !output.status.success() && said(&output).contains("cannot be written"),
            "{line}: {output:?}"
        );
    }
    // A reader that stops early causes no error.
    for list in [
        &["errors"][..],
        &["openapi"],
        &["markets", "list"],
        &["ledger", "verify"],
        &["demo", "--sandbox-delay-ms", "0"],
    ] {
        let output = unread(&database, list);
        assert!(output.status.success() && said(&output).is_empty(), "{list:?}: {output:?}");
    }
    // Neither standard output nor standard error can be written.
    let output = shell(&database, "kola wallet list --merchant 99 > /dev/full 2>&1; test $? = 1");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_server_serves_though_nobody_reads_what_it_says() {
    let database = Database::new();
    database.merchant("Shop");
    let log = database.dir.path().join("said.log");
    let mut server = Command::new(env!("CARGO_BIN_EXE_kola"))
        .args(["serve", "--listen", "127.0.0.1:0", "--database", &database.url()])
        .stdin(Stdio::null())
        .stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full"))
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("kola starts");
    let address = wait_for("the address in the log", || {
        let said = std::fs::read_to_string(&log).expect("a log");
        said.split("address=")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next().map(str::to_owned))
    });
    let api = crate::support::Api { address, token: None };
    let status = api.get("/healthz").status;
    server.kill().expect("a server");
    server.wait().expect("its end");
    assert_eq!(status, 200);
}

#[test]
fn every_list_has_headings_and_every_answer_is_one_document() {
    let (server, shop) = spawn();
    let (merchant, wallet) =
        (shop.credentials.merchant_id.to_string(), shop.wallet("USD").to_string());
    let document = |arguments: &[&str]| -> Value {
        let printed = server.kola(&[arguments, &["--json"]].concat()).ok();
        serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
    };
    for (list, heading) in [
        ("merchant", "id"),
        ("wallet", "id"),
        ("rates", "rate"),
        ("markets", "method"),
        ("phones", "prefix"),
    ] {
        let printed = server.kola(&[list, "list"]).ok();
        assert!(
            printed.starts_with(heading) || printed.trim_start().starts_with(heading),
            "{printed}"
        );
        assert_eq!(
            document(&[list, "list"]).as_array().expect("an array").len(),
            printed.lines().count() - 1,
            "{list}"
        );
    }
    let printed = server.kola(&["fees", "list"]).ok();
    assert!(
        printed.starts_with("whose") && printed.contains(" UTC") || printed.contains("ever"),
        "{printed}"
    );
    assert!(document(&["fees", "list"])["platform"].is_array());
    assert!(document(&["errors"]).as_array().is_some_and(|rows| rows.len() > 20));
    assert!(!server.kola(&["merchant", "list"]).ok().contains("00Z"), "times are for people");
    for deed in [
        &["wallet", "fund", "--wallet", &wallet, "--amount", "5"][..],
        &["wallet", "status", "--wallet", &wallet, "--set", "RESTRICTED"],
        &["merchant", "set", "--merchant", &merchant, "--fee-bearer", "PAYEE"],
        &["merchant", "create-key", "--merchant", &merchant],
        &["rates", "set", "USD", "LRD", "193"],
        &["fees", "set", "platform", "--operation", "PAYOUT", "--percentage", "1"],
        &[
            "fees",
            "set",
            "gateway",
            "--method",
            "WALLET",
            "--operation",
            "PAYOUT",
            "--percentage",
            "1",
        ],
        &["markets", "close", "CREDIT_CARD", "COLLECTION", "USD"],
        &["markets", "open", "CREDIT_CARD", "COLLECTION", "USD"],
        &[
            "phones",
            "add",
            "231888",
            "--digits",
            "12",
            "--carrier",
            "X",
            "--country",
            "LR",
            "--method",
            "MTN_MOMO_LBR",
        ],
        &["phones", "end", "231888", "--digits", "12"],
        &["keys", "rotate", "--retire"],
        &["ledger", "verify"],
        &["review", "list"],
    ] {
        assert!(document(deed).is_object() || deed[1] == "list", "{deed:?}");
    }
}

#[test]
fn help_has_what_a_command_uses_and_nothing_else() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kola"))
            .args(arguments)
            .arg("--help")
            .output()
            .expect("kola runs");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (command, has) in [
        (&["serve"][..], [true, true, true]),
        (&["merchant", "create"], [true, true, true]),
        (&["merchant", "list"], [true, false, true]),
        (&["ledger", "verify"], [true, false, true]),
        (&["db", "copy"], [false, false, true]),
        (&["db", "backup"], [true, false, true]),
        (&["demo"], [false, false, true]),
        (&["errors"], [false, false, true]),
    ] {
        let text = help(command);
        let found = ["--database", "--market", "--json"].map(|option| {
            text.contains(&format!("{option} ")) || text.contains(&format!("{option}\n"))
        });
        assert_eq!(found, has, "{command:?}: {text}");
    }
}

#[test]
fn empty_variables_are_unset() {
    let database = Database::new();
    let empty = [
        "KOLA_LISTEN",
        "KOLA_PUBLIC_URL",
        "KOLA_SANDBOX_DELAY_MS",
        "KOLA_RATE_LIMIT",
        "KOLA_CONNECTIONS_MAX",
        "KOLA_IDLE_SECONDS",
        "KOLA_EXPIRY_MAX_DAYS",
        "KOLA_MARKET",
        "KOLA_LOG",
        "KOLA_BATCH_MAX",
        "KOLA_BENCH_ROUTES",
    ]
    .map(|name| (name, ""));
    let server = Server::spawn(database, &empty);
    assert_eq!(server.api.get("/healthz").status, 200);
    let demo = server.kola_with(
        "KOLA_CLIENT_SECRET",
        "for another command",
        &["demo", "--sandbox-delay-ms", "0"],
    );
    assert!(demo.ok().contains("no violations"));
    let nowhere = tempfile::TempDir::new().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_kola"))
        .args(["wallet", "list"])
        .env("KOLA_DATABASE", "")
        .current_dir(nowhere.path())
        .output()
        .expect("kola runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("at kola.db"), "{output:?}");
}

#[test]
fn a_server_listens_where_it_is_told_in_every_form() {
    let database = Database::new();
    database.merchant("Shop");
    for (form, begins) in [("localhost:0", "127.0.0.1:"), (":0", "0.0.0.0:"), ("[::1]:0", "[::1]:")]
    {
        let server = Server::spawn_listening(database.clone(), form);
        assert!(server.api.address.starts_with(begins), "{form}: {}", server.api.address);
        let port = server.api.address.rsplit(':').next().expect("a port").to_owned();
        let local = if form.starts_with('[') {
            server.api.address.clone()
        } else {
            format!("127.0.0.1:{port}")
        };
        assert_eq!(
            crate::support::Api { address: local, token: None }.get("/healthz").status,
            200,
            "{form}"
        );
    }
    let wrong = database.kola(&["serve", "--listen", "nowhere"]).refused();
    assert!(wrong.contains("127.0.0.1:8080"), "{wrong}");
}

#[test]
fn a_passcode_is_what_was_typed() {
    let (server, shop) = spawn();
    let merchant = shop.credentials.merchant_id.to_string();
    for input in ["\u{feff}482913\r\n", "482913", "482913\n"] {
        server
            .database
            .kola_with_input(&["merchant", "set-passcode", "--merchant", &merchant], input)
            .ok();
        shop.api
            .post("/v1/merchants/passcode/set", &json!({"passcode": "571204", "current": "482913"}))
            .ok();
    }
}

#[test]
fn a_funding_with_a_key_happens_once() {
    let (server, shop) = spawn();
    let wallet = shop.wallet("USD").to_string();
    let fund = |more: &[&str]| {
        server.kola(&[&["wallet", "fund", "--wallet", &wallet, "--json"], more].concat())
    };
    let first: Value = serde_json::from_str(&fund(&["--amount", "5.00"]).ok()).expect("JSON");
    let key = first["key"].as_str().expect("a key").to_owned();
    let again: Value =
        serde_json::from_str(&fund(&["--amount", "5", "--key", &key]).ok()).expect("JSON");
    assert_eq!((&again["available"], &again["key"]), (&json!("5.00"), &json!(key)));
    let other = fund(&["--amount", "6.00", "--key", &key]).refused();
    assert!(
        other.contains("used before for another wallet or amount")
            && !other.contains("try the same again"),
        "{other}"
    );
    fund(&["--amount", "6.00", "--key", "invoice-7"]).ok();
    fund(&["--amount", "6.00", "--key", "invoice-7"]).ok();
    shop.assert_balance("USD", "11.00", "0.00");
    fund(&["--amount", "6.00", "--key", "two words"]).refused();
    server.verify_ledger();
}

#[test]
fn a_merchant_that_is_made_can_be_used_at_once() {
    let database = Database::new();
    let create = |more: &[&str]| {
        database
            .kola(
                &[&["merchant", "create", "--name", "Shop", "--type", "ORGANIZATION"], more]
                    .concat(),
            )
            .ok()
    };
    let credentials = crate::support::process::Credentials::read(&create(&["--json"]));
    let lacking = create(&["--unverified", "--empty"]);
    assert!(
        lacking.contains("kola merchant set --merchant") && lacking.contains("kola wallet fund"),
        "{lacking}"
    );
    assert!(create(&["--verified"]).contains("10000.00 USD"));
    let server = Server::spawn(database.clone(), &[]);
    let shop = server.sign_in(&credentials);
    shop.assert_balance("USD", "10000.00", "0.00");
    shop.settled(
        "payout",
        &shop.send(shop.momo("PAYOUT", crate::support::shop::GOOD), "USD", "10.00"),
    );
    server.verify_ledger();
}

#[test]
fn a_start_says_where_to_go_on() {
    let mut server = Server::spawn(Database::new(), &[]);
    let first = server.printed();
    let base = format!("http://{}", server.api.address);
    assert!(
        first.contains(&format!("{base}/docs")) && first.contains(env!("CARGO_BIN_EXE_kola")),
        "{first}"
    );
    let page = first
        .lines()
        .find_map(|line| line.split_once("A payment page: "))
        .expect("a page")
        .1
        .trim()
        .to_owned();
    let shown = server.api.get(page.strip_prefix(&base).expect("a path"));
    assert_eq!(shown.status, 200);
    let home = server.api.get("/");
    assert_eq!((home.status, home.header("location")), (307, Some("/docs")));
    server.verify_ledger();
    server.kill();
    server.restart(&[]);
    let later = server.printed();
    assert!(
        later.contains("merchant create-key")
            && later.contains("/docs")
            && !later.contains("client_secret"),
        "{later}"
    );
}

#[test]
fn no_part_of_a_password_is_shown() {
    let database = Database::in_a_file();
    let url = "postgres://kola:se@cret/%x#y@127.0.0.1:1/kola";
    for arguments in [
        &["wallet", "list", "--database", url][..],
        &["db", "copy", "--from", url, "--to", url],
        &["serve", url],
        &["wallet", "list", url],
        &["wallet", "list", &format!("--databse={url}")],
        &["merchant", "set", "--merchant", url],
        &["--help"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_kola"))
            .args(arguments)
            .env("KOLA_COPY_FROM", url)
            .current_dir(database.dir.path())
            .output()
            .expect("kola runs");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        // The help speaks of secrets.
        let said = said.replace("secret", "");
        assert!(!said.contains("cret") && !said.contains("@127"), "{arguments:?}: {said}");
    }
    let said = database.kola_at(url, &["wallet", "list"]).refused();
    assert!(said.contains("percent-encoded") && said.contains("%40"), "{said}");
}

#[test]
fn a_copy_takes_its_urls_from_the_environment() {
    let (from, to) = (Database::in_a_file(), Database::in_a_file());
    let credentials = from.merchant("Shop");
    let mut copy = Command::new(env!("CARGO_BIN_EXE_kola"));
    copy.args(["db", "copy", "--json"])
        .env("KOLA_COPY_FROM", from.url())
        .env("KOLA_COPY_TO", to.url());
    let output = copy.output().expect("kola runs");
    assert!(output.status.success(), "{output:?}");
    let copied: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(
        copied["tables"]
            .as_array()
            .expect("tables")
            .iter()
            .any(|moved| moved["table"] == "merchants" && moved["rows"] == 1)
    );
    let listed: Vec<Value> =
        serde_json::from_str(&to.kola(&["merchant", "list", "--json"]).ok()).expect("JSON");
    assert_eq!(id(&listed[0]), credentials.merchant_id);
}

/// A closing that is interrupted at any moment leaves the wallet as it was, or closed.
#[test]
fn an_interrupted_closing_leaves_no_wallet_frozen() {
    let database = Database::new();
    let shop = database.merchant("Shop");
    let wallet = shop.wallets[0].1;
    let mut closing = Command::new(env!("CARGO_BIN_EXE_kola"))
        .args([
            "wallet",
            "status",
            "--wallet",
            &wallet.to_string(),
            "--set",
            "CLOSED",
            "--database",
            &database.url(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kola starts");
    let status = || database.value(&format!("SELECT status FROM wallets WHERE id = {wallet}"));
    wait_for("a change", || (status() != "ACTIVE").then_some(()));
    closing.kill().expect("a process");
    closing.wait().expect("its end");
    let mut out = String::new();
    closing.stdout.take().expect("a pipe").read_to_string(&mut out).expect("its output");
    assert_eq!(status(), "CLOSED", "{out}");
    let noted = with_codes(
        "SELECT count(*) FROM events WHERE type = {event_type wallet.status} AND note = 'FROZEN'",
    );
    assert_eq!(database.value(&noted), "0", "it was frozen on the way");
}

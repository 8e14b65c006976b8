//! The command line for programs: one document of JSON, exit codes, closed pipes, completions.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Database, json, on_postgres_only};

/// How a command is called: its name, its arguments, its standard input, and whether it has to work.
/// `{merchant}`, `{wallet}`, `{account}`, `{email}`, `{dir}` stand for what is there. What is refused
/// prints nothing, or the one document about it.
type Call = (&'static str, &'static str, &'static str, Outcome);

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Works,
    Refused,
    /// Only where the database is a file.
    OnSqlite,
    /// What it finds decides how it ends.
    Tells,
    /// It does not end, and prints a document in a line for each event.
    ALineEach,
    /// The answer is no, and the document says why.
    SaysNo,
}
use Outcome::{ALineEach, OnSqlite, Refused, SaysNo, Tells, Works};

const UNKNOWN: &str = "5fc3cbb2-09b1-4d6c-8ad8-3b8e7bbd5a1c --merchant {merchant}";
const STRIPE: &str =
    r#"{"secret_key": "sk_test_1", "publishable_key": "pk_test_1", "webhook_secret": "whsec_1"}"#;

const CALLS: &[Call] = &[
    // Tested by `the_start_of_a_server_is_one_document`.
    ("serve", "--listen 127.0.0.1:nowhere", "", Refused),
    ("demo", "--sandbox-delay-ms 0", "", Works),
    ("ready", "--url http://127.0.0.1:1", "", SaysNo),
    ("listen", "--client-id x --url http://127.0.0.1:1", "secret", ALineEach),
    (
        "events resend",
        "1 --forward-to http://127.0.0.1:1 --url http://127.0.0.1:1 --client-id x",
        "secret",
        Refused,
    ),
    ("merchant create", "--name Late --type ORGANIZATION", "", Works),
    ("merchant list", "", "", Works),
    ("merchant set", "--merchant {merchant} --verified true", "", Works),
    ("merchant create-key", "--merchant {merchant}", "", Works),
    ("merchant limits", "--merchant {merchant}", "", Works),
    ("merchant set-passcode", "--merchant {merchant}", "4829", Works),
    ("merchant passcode", "--merchant {merchant} --remove", "", Works),
    ("user invite", "--operator", "", Works),
    ("user invitations", "--merchant {merchant}", "", Works),
    ("user confirm", "1 --merchant {merchant}", "", Refused),
    ("user list", "", "", Works),
    ("user reset", "nobody@shop.example", "", Refused),
    ("user role", "nobody@shop.example --merchant {merchant} --set VIEWER", "", Refused),
    ("user disable", "nobody@shop.example", "", Refused),
    ("user enable", "nobody@shop.example", "", Refused),
    ("audit list", "", "", Works),
    ("wallet list", "", "", Works),
    ("wallet fund", "--wallet {wallet} --amount 5", "", Works),
    ("wallet status", "--wallet {wallet} --set ACTIVE", "", Works),
    ("ledger verify", "", "", Works),
    ("review list", "", "", Works),
    ("review note", "99 --evidence none", "", Refused),
    ("review resolve", "99 --to wallet --evidence none", "", Refused),
    ("fees list", "", "", Works),
    ("fees set platform", "--operation PAYOUT --percentage 1", "", Works),
    ("fees set gateway", "--method WALLET --operation PAYOUT --percentage 1", "", Works),
    ("rates list", "", "", Works),
    ("rates set", "USD LRD 193", "", Works),
    ("markets list", "", "", Works),
    ("markets close", "CREDIT_CARD COLLECTION USD", "", Works),
    ("markets open", "CREDIT_CARD COLLECTION USD", "", Works),
    ("phones list", "", "", Works),
    ("phones add", "231888 --digits 12 --carrier X --country LR --method MTN_MOMO_LBR", "", Works),
    ("phones end", "231888 --digits 12", "", Works),
    (
        "networks add",
        "--network stripe --mode test --name Cards --base-url http://127.0.0.1:1",
        STRIPE,
        Works,
    ),
    ("networks list", "", "", Works),
    ("networks set-token", "--account {account}", "sk_test_2", Works),
    ("networks add-webhook-secret", "--account {account}", "whsec_2", Works),
    ("networks set-signing-key", "--account {account} --key-id one", "none", Refused),
    ("networks unmatched", "--account {account}", "", Works),
    ("networks retire", "--account {account} --secret 1", "", Refused),
    ("networks hold", "--account {account}", "", Works),
    ("networks resume", "--account {account}", "", Works),
    ("networks set-limit", "--account {account} --calls-per-second 7", "", Works),
    ("networks check", "--account {account}", "", Refused),
    ("networks refresh", "--account {account}", "", Refused),
    ("networks exchanges", UNKNOWN, "", Refused),
    ("networks balances", "--known", "", Works),
    ("reconcile run", "--account 99", "", Refused),
    ("reconcile import", "{dir}/no-such.csv --account {account}", "", Refused),
    ("reconcile columns", "", "", Works),
    ("reconcile list", "", "", Works),
    ("reconcile lines", "1", "", Refused),
    ("reconcile differences", "", "", Works),
    ("reconcile accept", "1", "", Refused),
    ("reconcile close", "1 --explained --evidence none", "", Refused),
    ("reconcile month", "2026-11", "", Works),
    ("networks drain", "--account {account}", "", Works),
    ("networks activate", "--account {account}", "", Works),
    ("networks close", "--account {account}", "", Refused),
    ("payouts cancel-enqueued", UNKNOWN, "", Refused),
    ("payouts stop", "--reason drill", "", Works),
    ("payouts resume", "--evidence drilled", "", Works),
    (
        "refunds create",
        "5fc3cbb2-09b1-4d6c-8ad8-3b8e7bbd5a1c --merchant {merchant} --amount 1",
        "",
        Refused,
    ),
    ("secrets init-key", "{dir}/another.key", "", Works),
    ("secrets rekey", "{dir}/no-such.key", "", Refused),
    ("keys rotate", "--retire", "", Works),
    ("keys anon", "", "", Works),
    ("db copy", "--from sqlite:{dir}/none.db --to sqlite:{dir}/other.db", "", Refused),
    ("db restore", "{dir}/no-such-backup.db", "", Refused),
    ("db backup", "{dir}/backup.db", "", OnSqlite),
    ("db note-backup", "", "", Works),
    ("doctor", "", "", Tells),
    ("config show", "", "", Works),
    ("config check", "--config {dir}/kola.toml", "", Works),
    ("config sample", "", "", Works),
    ("errors", "", "", Works),
    ("completions", "bash", "", Works),
    ("manual", "{dir}/manual", "", Works),
    ("openapi", "", "", Works),
];

/// The names of all commands that do something.
fn leaves(command: &clap::Command, path: &str, all: &mut Vec<String>) {
    let mut below = command.get_subcommands().filter(|one| one.get_name() != "help").peekable();
    if below.peek().is_none() {
        all.push(path.trim().to_owned());
    }
    for one in below {
        leaves(one, &format!("{path} {}", one.get_name()), all);
    }
}

#[test]
fn every_command_answers_one_document_of_json() {
    let mut all = vec![];
    leaves(&kola::cli::command(), "", &mut all);
    for name in &all {
        let calls = CALLS.iter().filter(|(called, ..)| called == name).count();
        assert_eq!(calls, 1, "`kola {name}` needs one line in CALLS");
    }
    assert_eq!(all.len(), CALLS.len());

    let database = Database::new();
    database.make_secrets_key();
    let shop = database.merchant_with("Shop", &["--verified"]);
    let dir = database.dir.path().display().to_string();
    std::fs::write(format!("{dir}/kola.toml"), "log = 'warn'\n").expect("a file");
    let mut account = String::new();
    for (name, arguments, input, outcome) in CALLS {
        let line = format!("{name} {arguments} --json")
            .replace("{merchant}", &shop.merchant_id.to_string())
            .replace("{wallet}", &shop.wallets[0].1.to_string())
            .replace("{account}", &account)
            .replace("{dir}", &dir);
        let typed: Vec<&str> = line.split_whitespace().collect();
        let run = database.kola_with_input(&typed, &format!("{input}\n"));
        let documents: Vec<Value> = serde_json::Deserializer::from_str(&run.out)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{line}: {error}: {}", run.out));
        let works =
            *outcome == Works || (*outcome == OnSqlite && database.url().starts_with("sqlite:"));
        if *outcome == Tells {
            assert_eq!(documents.len(), 1, "{line}: {}{}", run.out, run.err);
        } else if works {
            assert_eq!((run.code, documents.len()), (Some(0), 1), "{line}: {}{}", run.out, run.err);
        } else if *outcome == SaysNo {
            assert_eq!((run.code, documents.len()), (Some(1), 1), "{line}: {}{}", run.out, run.err);
            assert!(documents[0]["reason"].is_string(), "{line}: {}", run.out);
        } else {
            assert!(run.code != Some(0) && documents.len() <= 1, "{line}: {}{}", run.out, run.err);
            assert!(!run.err.trim().is_empty(), "{line}: a refusal says why");
        }
        if name.ends_with(" list") {
            let is_list = documents[0].is_array() || *name == "fees list";
            assert!(is_list, "{line}: {}", run.out);
        }
        if *name == "networks add" {
            account = documents[0]["id"].to_string();
        }
    }
}

#[test]
fn the_demo_in_json_has_all_that_people_read() {
    let played: Value = serde_json::from_str(
        &Database::new().kola(&["demo", "--json", "--sandbox-delay-ms", "0"]).ok(),
    )
    .expect("one document");
    let sessions = played["sessions"].as_array().expect("a list");
    let kinds: Vec<&Value> = sessions.iter().map(|session| &session["session"]).collect();
    assert_eq!(kinds, ["checkout", "payout", "transfer", "refund"]);
    assert!(sessions.iter().all(|session| session["status"] == "COMPLETED"), "{played}");
    assert_eq!(played["invoice"]["status"], "PAID");
    assert!(played["ledger"].as_array().is_some_and(|rows| rows.len() > 3), "{played}");
    assert!(played["verified"]["rules"].as_i64() > Some(10), "{played}");
}

/// The table of exit codes stands in the documentation as it is in the code.
#[test]
fn the_table_of_exit_codes_is_up_to_date() {
    use kola::cli::exit::Exit;
    let page = include_str!("../../../../docs/command-line.md");
    let (_, part) = page.split_once("## Exit codes").expect("the table");
    let part = part.split("\n## ").next().expect("a part");
    let rows: Vec<&str> =
        part.lines().filter(|line| line.starts_with("| ") && !line.contains("| code |")).collect();
    let expected: Vec<String> =
        Exit::ALL.iter().map(|exit| format!("| {} | {} |", exit.code(), exit.meaning())).collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_exit_code_is_that_of_its_case() {
    let database = Database::new();
    database.merchant("Shop");
    let code = |arguments: &[&str]| database.kola(arguments).code;
    let other = "0".repeat(64);
    assert_eq!(code(&["ledger", "verify"]), Some(0));
    assert_eq!(code(&["wallet", "list", "--merchant", "77"]), Some(1));
    assert_eq!(code(&["wallet", "lst"]), Some(2));
    assert_eq!(code(&["wallet", "list", "--log", "loud"]), Some(2));
    assert_eq!(code(&["wallet", "list", "--config", "none.toml"]), Some(2));
    assert_eq!(code(&["ledger", "verify", "--head", &other]), Some(4));
}

/// Options that ask for two different things are a mistake, wherever they stand.
#[test]
fn options_that_exclude_each_other_are_refused() {
    let database = Database::new();
    database.merchant("Shop");
    for line in [
        "audit list --csv --json",
        "--json audit list --csv",
        "audit --json list --csv",
        "audit list --all --limit 3",
        "audit list --merchant 1 --installation",
        "ready --url http://127.0.0.1:1 --listen 127.0.0.1:1",
        "demo --url http://127.0.0.1:1 --client-id a --client-secret b --sandbox-delay-ms 5",
        "user invite --operator --auditor",
        "merchant create --name A --type ORGANIZATION --verified --unverified",
        "merchant create --name A --type ORGANIZATION --mode test --live",
        "merchant passcode --merchant 1 --unlock --remove",
        "review resolve 1 --outcome completed --to wallet --evidence none",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let run = database.kola(&words);
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{line}: {}", run.err);
        assert!(run.err.contains("cannot be used with"), "{line}: {}", run.err);
    }
    // A variable is there for other commands, too.
    let mut ready = kola(&["ready", "--listen", "127.0.0.1:1"]);
    let ready = ready.env("KOLA_URL", "http://127.0.0.1:1").output().expect("kola runs");
    assert_eq!(ready.status.code(), Some(1));
}

/// A URL that is none is a mistake of whoever typed it, and no answer.
#[test]
fn a_url_that_is_none_is_a_mistake() {
    for wrong in ["garbage", "ftp://h", "http://", "http://u@h", "http://h/?a=b"] {
        for line in
            ["ready", "listen --client-id x", "events resend 1 --forward-to http://h --client-id x"]
        {
            let words: Vec<&str> = line.split(' ').collect();
            let ended = kola(&words).args(["--url", wrong]).output().expect("kola runs");
            assert_eq!(ended.status.code(), Some(2), "{line} {wrong}: {ended:?}");
        }
    }
}

/// What answers 200 is not kola for that.
#[test]
fn another_program_is_not_ready() {
    for (body, expected) in [
        ("<html>It works!</html>", 1),
        ("", 1),
        ("\"ok\"", 1),
        ("{\"status\":\"up\"}", 1),
        ("{\"status\":\"ok\"}", 0),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a request");
            let _read = stream.read(&mut [0; 4_096]);
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            std::io::Write::write_all(&mut stream, head.as_bytes()).expect("an answer");
        });
        let ready = kola(&["ready", "--url", &url]).output().expect("kola runs");
        server.join().expect("an answer");
        assert_eq!(ready.status.code(), Some(expected), "{body}: {ready:?}");
    }
}

/// Names and notes are of strangers, and a terminal obeys some characters.
#[test]
fn no_name_gives_orders_to_a_terminal() {
    let database = Database::new();
    let shop = database.merchant("Shop");
    let odd = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}b\n9 c";
    let id = shop.merchant_id;
    database.sql(&format!("UPDATE merchants SET name = '{odd}' WHERE id = {id}"));
    let is_order = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    let text = database.kola(&["merchant", "list"]).ok();
    assert_eq!(text.chars().find(is_order), None, "{text:?}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("a\\u{1b}[2J\\u{9b}2J\\u{7f}\\u{202e}b\\n9 c"), "{text}");
    let json = database.kola(&["merchant", "list", "--json"]).ok();
    assert_eq!(json.chars().find(is_order), None, "{json:?}");
    let rows: Vec<Value> = serde_json::from_str(&json).expect("a document");
    assert_eq!(rows[0]["name"], odd);
    // Neither do messages.
    let said = database.kola(&["wallet", "list", "--merchant", "7\u{1b}[2J"]).err;
    assert_eq!(said.chars().find(is_order), None, "{said:?}");
    let missing = database.kola(&["merchant", "list", "--config", "no\u{9b}2J.toml"]).err;
    assert_eq!(missing.chars().find(is_order), None, "{missing:?}");
}

fn kola(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kola"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a command says on standard error whose standard output nobody reads, and its exit code.
fn with_closed_output(mut command: Command) -> (Option<i32>, String) {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("kola runs");
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
    (child.wait().expect("its end").code(), said)
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let database = Database::new();
    database.merchant("Shop");
    let url = database.url();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["help", "wallet"],
        &["--version"],
        &["errors"],
        &["openapi"],
        &["completions", "zsh"],
        &["config", "sample"],
        &["config", "show"],
        &["wallet", "list", "--database", &url],
        &["fees", "list", "--json", "--database", &url],
        &["ledger", "verify", "--database", &url],
    ] {
        let (code, said) = with_closed_output(kola(arguments));
        assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    // Where standard error is closed, too, the exit code is all that is left.
    for (arguments, expected) in [("--help", 0), ("wallet lst", 2), ("errors", 0)] {
        let line = format!("{} {arguments} >&- 2>&-", env!("CARGO_BIN_EXE_kola"));
        let ended = Command::new("sh").args(["-c", &line]).status().expect("sh");
        assert_eq!(ended.code(), Some(expected), "{arguments}");
    }
}

#[test]
fn bash_completes_commands_and_their_options() {
    if Command::new("bash").arg("--version").output().is_err() {
        return crate::support::skipped(module_path!(), "bash");
    }
    let completed = |words: &[&str]| -> Vec<String> {
        let program = format!(
            "source <({} completions bash)\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_kola kola '{}' '{}'\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            env!("CARGO_BIN_EXE_kola"),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let output = Command::new("bash").args(["-c", &program]).output().expect("bash runs");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    assert_eq!(completed(&["kola", "wal"]), ["wallet"]);
    assert_eq!(completed(&["kola", "wallet", "fu"]), ["fund"]);
    assert_eq!(completed(&["kola", "serve", "--page-pay"]).len(), 3);
    assert_eq!(completed(&["kola", "wallet", "list", "--js"]), ["--json"]);
    assert_eq!(completed(&["kola", "wallet", "list", "--database"]), ["--database"]);
    // Options that a command does not use, and what is for benchmarks only, are not offered.
    for absent in [&["kola", "wallet", "list", "--market"][..], &["kola", "serve", "--bench"]] {
        assert!(completed(absent).iter().all(String::is_empty), "{absent:?}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::TempDir::new().expect("a directory");
    let output = kola(&["manual", "--json"])
        .arg(folder.path())
        .env("KOLA_DATABASE", "postgres://kola:hunter2@db/kola")
        .output()
        .expect("kola runs");
    let told: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let pages = told["pages"].as_array().expect("a list");
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a page");
    for name in ["kola.1", "kola-serve.1", "kola-fees-set-platform.1", "kola-config-check.1"] {
        assert!(pages.contains(&json!(name)), "{name}: {pages:?}");
    }
    let list = page("kola-wallet-list.1");
    assert!(list.contains("database") && !list.contains("market"), "{list}");
    assert!(list.contains("KOLA_DATABASE"), "{list}");
    assert!(page("kola.1").contains("wallet"), "{}", page("kola.1"));
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let name = entry.expect("a page").file_name().into_string().expect("UTF-8");
        assert!(!page(&name).contains("hunter2"), "{name}");
        assert!(!name.contains("openapi") && !name.contains("manual"), "{name}");
    }
}

/// What a command writes at a terminal. `None` where there is no program that plays one.
fn at_a_terminal(line: &str, environment: &[(&str, &str)]) -> Option<String> {
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", line, "/dev/null"]).stdin(Stdio::null());
    terminal.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
    let output = terminal.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn colours_are_at_a_terminal_only_and_by_no_color() {
    let database = Database::new();
    database.merchant("Shop");
    // It logs that it starts, and ends because the port is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let serve = format!(
        "{} serve --listen {} --log info --database '{}'",
        env!("CARGO_BIN_EXE_kola"),
        taken.local_addr().expect("an address"),
        database.url()
    );
    for (environment, has_colours) in [
        (&[][..], true),
        (&[("NO_COLOR", "")], true),
        (&[("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
    ] {
        let Some(said) = at_a_terminal(&serve, environment) else {
            return crate::support::skipped(module_path!(), "terminals");
        };
        assert!(said.contains("starting"), "{said}");
        assert_eq!(said.contains("\u{1b}["), has_colours, "{environment:?}: {said}");
    }
}

#[test]
fn help_fits_into_a_narrow_terminal() {
    for command in ["--help", "serve --help", "networks add --help", "markets open --help"] {
        let line = format!("stty cols 80 rows 24; {} {command}", env!("CARGO_BIN_EXE_kola"));
        let Some(said) = at_a_terminal(&line, &[]) else {
            return crate::support::skipped(module_path!(), "terminals");
        };
        assert!(said.contains("Usage: kola"), "{said}");
        // clap wraps no usage, and a word may be longer than the terminal is wide.
        let too_long = said.lines().filter(|line| {
            let is_usage = line.starts_with("Usage: ");
            !is_usage && line.chars().count() > 80 && line.split_whitespace().count() > 1
        });
        let too_long: Vec<&str> = too_long.collect();
        assert!(too_long.is_empty(), "{too_long:#?}");
    }
}

/// A verification that waits for a table shows its line; once it goes on, the line is gone before the
/// answer.
#[test]
fn what_takes_long_says_at_a_terminal_how_far_it_has_come() {
    on_postgres_only!();
    let database = Database::new();
    database.merchant("Shop");
    let mut other = postgres::Client::connect(&database.url(), postgres::NoTls).expect("a client");
    // Ends the lock, and with it the test, if the line does not come.
    let lock = "SET idle_in_transaction_session_timeout = '120s'; BEGIN; \
                LOCK TABLE wallets IN ACCESS EXCLUSIVE MODE";
    other.batch_execute(lock).expect("the lock");
    let line =
        format!("{} ledger verify --database '{}'", env!("CARGO_BIN_EXE_kola"), database.url());
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    terminal.env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::piped());
    let Ok(mut terminal) = terminal.spawn() else {
        return crate::support::skipped(module_path!(), "terminals");
    };
    let mut screen = terminal.stdout.take().expect("a pipe");
    let (mut said, mut bytes) = (String::new(), [0; 4_096]);
    while !said.contains("verifying: 0 of ") {
        let read = screen.read(&mut bytes).expect("bytes");
        assert_ne!(read, 0, "no progress: {said}");
        said.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    other.batch_execute("ROLLBACK").expect("the end of the lock");
    screen.read_to_string(&mut said).expect("the rest");
    assert_eq!(terminal.wait().expect("its end").code(), Some(0), "{said}");
    let answer = said.rsplit("\u{1b}[K").next().expect("the answer");
    assert!(answer.contains("rules checked, 0 violations"), "{said}");
    assert!(!answer.contains("verifying"), "{said}");
}

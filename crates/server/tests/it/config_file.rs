//! The config file: what stands in it holds unless the environment or a flag says otherwise.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Arg;
use serde_json::Value;

use crate::support::{Database, json};

/// Values of every kind of setting. The first ones that a setting takes are tried with it.
const VALUES: [&str; 32] = [
    "sqlite:/one.db",
    "sqlite:/two.db",
    "sqlite:/three.db",
    "https://one.example",
    "https://two.example",
    "https://three.example",
    "http://127.0.0.1:4001",
    "http://127.0.0.1:4002",
    "http://127.0.0.1:4003",
    "127.0.0.1:1001",
    "127.0.0.1:1002",
    "127.0.0.1:1003",
    "1/1",
    "2/2",
    "3/3",
    "en",
    "fr",
    "rw",
    "error",
    "info",
    "debug",
    "text",
    "json",
    "1h",
    "2h",
    "3h",
    "0.25",
    "0.5",
    "0.75",
    "7",
    "8",
    "9",
];

fn settings() -> Vec<Arg> {
    let kola = kola::cli::command();
    let serve = kola.find_subcommand("serve").expect("serve");
    let others = ["config", "json", "help", "version"];
    serve
        .get_arguments()
        .filter(|argument| !others.contains(&argument.get_id().as_str()))
        .cloned()
        .collect()
}

fn name(setting: &Arg) -> String {
    setting.get_long().expect("a long name").to_owned()
}

fn variable(setting: &Arg) -> String {
    setting.get_env().expect("a variable").to_string_lossy().into_owned()
}

fn takes_no_value(setting: &Arg) -> bool {
    !setting.get_action().takes_values()
}

/// Three values of a setting for file, environment and flag; each differs from the one before.
fn three_values(setting: &Arg) -> [String; 3] {
    if setting.get_value_parser().type_id() == std::any::TypeId::of::<bool>() {
        return ["true", "false", "true"].map(str::to_owned);
    }
    let takes = |value: &&str| {
        let alone = setting.clone().env(None::<&str>);
        let typed = ["kola".to_owned(), format!("--{}={value}", name(setting))];
        clap::Command::new("kola").arg(alone).try_get_matches_from(typed).is_ok()
    };
    let values: Vec<&str> = VALUES.iter().filter(|value| takes(value)).copied().collect();
    let two = values.get(1).unwrap_or_else(|| {
        panic!("{} takes none of the values of this test: add three that it takes", name(setting))
    });
    [values[0], two, values.get(2).unwrap_or(&values[0])].map(str::to_owned)
}

fn kola(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kola"));
    command.args(arguments).stdin(Stdio::null());
    command
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Said {
    let output = command.output().expect("kola runs");
    Said {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// The value and the source of each setting.
#[track_caller]
fn shown(command: &mut Command) -> BTreeMap<String, (Value, String)> {
    let said = run(command);
    assert_eq!(said.code, 0, "{}", said.err);
    let rows: Vec<Value> = serde_json::from_str(&said.out).expect("a list");
    let text = |row: &Value, field: &str| row[field].as_str().expect("a text").to_owned();
    rows.iter()
        .map(|row| (text(row, "name"), (row["value"].clone(), text(row, "source"))))
        .collect()
}

#[track_caller]
fn shown_by(arguments: &[&str]) -> BTreeMap<String, (Value, String)> {
    shown(&mut kola(arguments))
}

fn folder() -> tempfile::TempDir {
    tempfile::TempDir::new().expect("a directory")
}

fn written(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("kola.toml");
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn every_setting_stands_in_the_file_and_loses_to_environment_and_flag() {
    let settings = settings();
    let values: Vec<[String; 3]> = settings.iter().map(three_values).collect();
    let folder = folder();
    let mut file = String::new();
    for (setting, [value, ..]) in settings.iter().zip(&values) {
        file.push_str(&format!("{} = {}\n", name(setting), json!(value)));
    }
    let path = written(&folder, &file);
    let show = ["config", "show", "--json", "--config", text(&path)];
    let with_environment = |command: &mut Command| {
        for (setting, [_, value, _]) in settings.iter().zip(&values) {
            command.env(variable(setting), value);
        }
    };
    let of_file = shown(&mut kola(&show));
    let mut command = kola(&show);
    with_environment(&mut command);
    let of_environment = shown(&mut command);
    let mut command = kola(&show);
    with_environment(&mut command);
    for (setting, [.., value]) in settings.iter().zip(&values) {
        command.arg(match takes_no_value(setting) {
            true => format!("--{}", name(setting)),
            false => format!("--{}={value}", name(setting)),
        });
    }
    let of_flags = shown(&mut command);
    for (setting, [file, environment, flag]) in settings.iter().zip(&values) {
        let name = name(setting);
        assert_eq!(of_file[&name], (json!(file), "file".to_owned()), "{name}");
        assert_eq!(of_environment[&name], (json!(environment), "environment".to_owned()), "{name}");
        assert_eq!(of_flags[&name], (json!(flag), "flag".to_owned()), "{name}");
    }
    assert!(settings.len() > 20, "{settings:?}");
}

#[test]
fn what_nobody_sets_is_the_default_and_an_empty_variable_sets_nothing() {
    let folder = folder();
    let path = written(&folder, "idle_seconds = 60\n");
    let mut command = kola(&["config", "show", "--json"]);
    command.env("KOLA_CONFIG", &path).env("KOLA_IDLE_SECONDS", "").env("KOLA_LOG", "");
    let shown = shown(&mut command);
    assert_eq!(shown["idle-seconds"], (json!("60"), "file".to_owned()));
    assert_eq!(shown["log"], (json!("warn"), "default".to_owned()));
    assert_eq!(shown["public-url"], (Value::Null, "default".to_owned()));
    assert!(!shown.contains_key("batch-max"), "a hidden setting that is not set");
}

#[test]
fn the_sample_has_every_setting_at_its_default() {
    let sample = run(&mut kola(&["config", "sample"])).out;
    let kola_at = |folder: &tempfile::TempDir, text_of: &str| {
        let path = written(folder, text_of);
        let mut check = kola(&["config", "check", "--config", text(&path)]);
        let said = run(&mut check);
        assert_eq!(said.code, 0, "{}", said.err);
        shown(&mut kola(&["config", "show", "--json", "--config", text(&path)]))
    };
    let folder = folder();
    let untouched = kola_at(&folder, &sample);
    assert!(untouched.values().all(|(_, source)| source == "default"), "{untouched:?}");
    // Each line that has a default is one that may be put in force as it is.
    let names: Vec<&String> =
        untouched.iter().filter(|(_, (value, _))| !value.is_null()).map(|(name, _)| name).collect();
    let is_one = |line: &str| names.iter().any(|name| line.starts_with(&format!("#{name} = ")));
    let in_force: Vec<&str> = sample
        .lines()
        .map(|line| if is_one(line) { line.trim_start_matches('#') } else { line })
        .collect();
    let set = kola_at(&folder, &in_force.join("\n"));
    for (name, (value, source)) in &set {
        assert_eq!(*value, untouched[name].0, "{name}");
        assert_eq!(source == "file", !value.is_null(), "{name}");
    }
    for setting in settings().iter().filter(|setting| !setting.is_hide_set()) {
        let line = format!("\n#{} = ", name(setting));
        assert_eq!(sample.matches(&line).count(), 1, "{line}");
    }
    let documents: Vec<Value> =
        serde_json::from_str(&run(&mut kola(&["config", "sample", "--json"])).out).expect("a list");
    assert_eq!(documents.len(), untouched.len());
}

#[test]
fn passwords_are_masked() {
    let folder = folder();
    let path = written(
        &folder,
        "database = 'postgres://kola:hunter2@db.example/kola'\nnetwork-proxy = 'http://a:hunter2@b:1'\n",
    );
    for format in [&["--json"][..], &[]] {
        let mut command = kola(&["config", "show", "--config", text(&path)]);
        let out = run(command.args(format)).out;
        assert!(out.contains("kola:***@db.example") && !out.contains("hunter2"), "{out}");
    }
    let mut check = kola(&["config", "check", "--config", text(&path)]);
    let said = run(check.env("KOLA_DATABASE", "postgres://x:hunter2@"));
    assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{}", said.err);
    // Neither does a fault or the help of a command have them.
    let broken = written(&folder, "database = 'postgres://kola:hunter2@'\n");
    for arguments in [&["wallet", "list"][..], &["serve", "--help"], &["config", "check"]] {
        let said = run(kola(arguments).env("KOLA_CONFIG", &broken));
        assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{}", said.err);
    }
}

/// A user alone may be a token, and so may what stands in a query.
#[test]
fn no_url_of_a_setting_is_shown_with_its_secret() {
    let folder = folder();
    for (proxy, shown) in [
        ("http://hunter2@b:1", "http://***@b:1"),
        ("http://b:1?token=hunter2", "http://b:1?***"),
        ("http://a:hunter2@b:1", "http://a:***@b:1"),
    ] {
        let path = written(&folder, &format!("network-proxy = '{proxy}'\n"));
        let values = shown_by(&["config", "show", "--json", "--config", text(&path)]);
        assert_eq!(values["network-proxy"].0, shown);
    }
    // What is refused is quoted.
    for wrong in ["http://hunter2@b", "ftp://a:hunter2@b:1", "a:hunter2@b:1", "http://a:hunter2 @b"]
    {
        for command in ["serve", "config show"] {
            let words: Vec<&str> = command.split(' ').collect();
            let of_flag = run(kola(&words).args(["--network-proxy", wrong]));
            let of_variable = run(kola(&words).env("KOLA_NETWORK_PROXY", wrong));
            let of_typo = run(kola(&words).arg(format!("--network-prxy={wrong}")));
            for said in [of_flag, of_variable, of_typo] {
                assert_eq!((said.code, said.out.as_str()), (2, ""), "{wrong}: {}", said.err);
                assert!(!said.err.contains("hunter2"), "{wrong}: {}", said.err);
            }
        }
    }
    let said = run(&mut kola(&["ready", "--url", "http://a:hunter2@b"]));
    assert!(said.code == 2 && !said.err.contains("hunter2"), "{}", said.err);
}

/// What a server refuses at its start is a fault of the file.
#[test]
fn a_check_judges_the_proxy_as_a_server_does() {
    let folder = folder();
    for wrong in ["https://b:1", "http://b", "b:1", "nonsense"] {
        let path = written(&folder, &format!("log = 'info'\nnetwork-proxy = '{wrong}'\n"));
        for command in [&["config", "check"][..], &["serve"]] {
            let said = run(kola(command).args(["--config", text(&path)]));
            assert_eq!(said.code, 2, "{wrong}: {}", said.err);
            assert!(said.err.contains("kola.toml:2: network-proxy: "), "{wrong}: {}", said.err);
        }
    }
}

/// A pipe that ends is a file: `--config <(sops -d kola.toml)`. What never ends is refused.
#[test]
fn a_file_of_another_kind_is_refused_and_a_pipe_is_read() {
    let folder = folder();
    let big = folder.path().join("big");
    std::fs::File::create(&big).expect("a file").set_len(1 << 36).expect("a size");
    let odd = [text(&big), "/dev/zero", text(folder.path())];
    for path in odd {
        for (command, code) in [
            (format!("config check --config {path}"), 2),
            (format!("wallet list --config {path}"), 2),
            (format!("secrets rekey {path} --database sqlite:a.db"), 1),
            (format!("merchant set --merchant 1 --logo {path} --database sqlite:a.db"), 1),
            (format!("merchant list --market {path} --database sqlite:b.db"), 1),
            (format!("ledger verify --earlier-key-file {path} --database sqlite:a.db"), 1),
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            let made = ["merchant", "create", "--name", "A", "--type", "ORGANIZATION"];
            if !folder.path().join("a.db").exists() {
                let made =
                    run(kola(&made).args(["--database", "sqlite:a.db"]).current_dir(folder.path()));
                assert_eq!(made.code, 0, "{}", made.err);
            }
            let said = run(kola(&words).current_dir(folder.path()));
            assert_eq!(said.code, code, "{command}: {}", said.err);
        }
    }
    let line = format!(
        "{} config show --json --config <(echo \"listen = ':7'\")",
        env!("CARGO_BIN_EXE_kola")
    );
    let said = run(Command::new("bash").args(["-c", &line]));
    assert!(said.code == 0 && said.out.contains("\":7\""), "{}", said.err);
}

#[test]
fn a_wrong_file_is_told_with_its_line_before_anything_is_done() {
    let folder = folder();
    let path = written(&folder, "log = 'info'\nlistne = ':0'\nidle-seconds = 0\n");
    for command in [&["serve"][..], &["wallet", "list"], &[], &["config", "show"]] {
        let said = run(kola(command).args(["--config", text(&path)]).current_dir(folder.path()));
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{command:?}: {}", said.err);
        assert!(said.err.contains("kola.toml:2: listne: ") && said.err.contains("mean listen?"));
        assert!(said.err.contains("kola.toml:3: idle-seconds: "), "{}", said.err);
    }
    assert!(!folder.path().join("kola.db").exists());
    let absent = folder.path().join("none.toml");
    for odd in [absent.as_path(), folder.path()] {
        let said = run(&mut kola(&["wallet", "list", "--config", text(odd)]));
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(
            said.err.contains(text(odd)) && said.err.contains("cannot be read"),
            "{}",
            said.err
        );
    }
    // What needs no settings is not kept from working.
    for command in [&["errors"][..], &["config", "sample"], &["serve", "--help"]] {
        assert_eq!(run(kola(command).env("KOLA_CONFIG", &path)).code, 0, "{command:?}");
    }
}

#[test]
fn a_check_tells_all_faults_and_what_is_dangerous() {
    let folder = folder();
    let check = |text_of: &str| {
        let path = written(&folder, text_of);
        let said = run(&mut kola(&["config", "check", "--json", "--config", text(&path)]));
        let json: Value = serde_json::from_str(&said.out).expect("a document");
        (said.code, json, said.err)
    };
    let (code, json, said) = check("listen = 1\nlog = 'loud'\n\nnone = 1\n");
    let lines: Vec<&Value> =
        json["faults"].as_array().expect("a list").iter().map(|fault| &fault["line"]).collect();
    assert_eq!((code, lines), (2, vec![&json!(1), &json!(2), &json!(4)]));
    assert_eq!(said.lines().filter(|line| line.contains("kola.toml:")).count(), 3, "{said}");

    let whole = "database = 'sqlite:/var/lib/kola/kola.db'\npublic-url = 'https://pay.example'\n";
    let (code, json, said) = check(whole);
    assert_eq!((code, &json["warnings"], &json["faults"]), (0, &json!([]), &json!([])), "{said}");
    for (text_of, warned) in [
        ("database = 'sqlite:kola.db'", "whole path"),
        ("database = 'postgres://kola:pw@db/kola'", "secrets-key-file"),
        ("database = 'sqlite:/kola.db'\npublic-url = 'http://pay.example'", "https"),
    ] {
        let (code, json, _) = check(text_of);
        let warnings = json["warnings"].as_array().expect("a list");
        assert_eq!((code, warnings.len()), (0, 1), "{text_of}: {json}");
        assert!(warnings[0].as_str().is_some_and(|text| text.contains(warned)), "{json}");
    }
    let key = folder.path().join("secrets.key");
    for (named, content, warned) in [
        ("secrets-key-file", None, "cannot read the secrets key"),
        ("secrets-key-file", Some("short"), "64 hexadecimal digits"),
        ("market", None, "No such file"),
        ("market", Some("nonsense"), "cannot be made"),
        ("statement-columns", None, "cannot be read"),
        ("statement-columns", Some("colour = 'red'"), "unknown field"),
    ] {
        let _ = std::fs::remove_file(&key);
        if let Some(content) = content {
            std::fs::write(&key, content).expect("a file");
        }
        let (code, json, _) =
            check(&format!("database = 'sqlite:/kola.db'\n{named} = '{}'", text(&key)));
        let warnings = json["warnings"].as_array().expect("a list");
        assert_eq!((code, warnings.len()), (0, 1), "{named}: {json}");
        assert!(warnings[0].as_str().is_some_and(|text| text.contains(warned)), "{json}");
    }
    std::fs::write(&key, "5a".repeat(32)).expect("a key");
    let named =
        format!("database = 'postgres://kola:pw@db/kola'\nsecrets-key-file = '{}'\n", text(&key));
    let path = written(&folder, &named);
    for (mode, expected) in [(0o644, 1), (0o640, 0)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        let said = run(&mut kola(&["config", "check", "--config", text(&path)]));
        assert_eq!(said.err.lines().count(), expected, "{}", said.err);
    }
    let said = run(&mut kola(&["config", "check"]));
    assert!(said.code == 2 && said.err.contains("--config FILE"), "{}", said.err);
}

/// A server that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Starts a server and reads the first line of its output that `find` takes.
fn started(command: &mut Command, find: impl Fn(&str) -> bool) -> (Running, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kola");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let running = Running(child);
    let line = lines.map_while(Result::ok).find(|line| find(line)).expect("the line");
    (running, line)
}

#[test]
fn a_server_and_the_commands_beside_it_have_their_settings_from_the_file() {
    let database = Database::new();
    database.make_secrets_key();
    let folder = folder();
    let key = database.secrets_key().expect("a key");
    let path = written(
        &folder,
        &format!(
            "listen = '127.0.0.1:0'\npublic-url = 'https://pay.example/'\ndatabase = {}\n\
             secrets-key-file = {}\nsandbox-delay-ms = 0\n",
            json!(database.url()),
            json!(text(&key))
        ),
    );
    // Without its name `serve` is the default, with the settings of the file, too.
    let (_server, line) =
        started(kola(&[]).args(["--config", text(&path)]).current_dir(folder.path()), |line| {
            line.starts_with("kola listening on http://127.0.0.1:")
        });
    assert!(!line.ends_with(":8080"), "{line}");
    let mut beside = kola(&["user", "invite", "--operator", "--json"]);
    let said = run(beside.env("KOLA_CONFIG", &path).current_dir(folder.path()));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("https://pay.example/"), "{}", said.out);
    let merchants = run(kola(&["merchant", "list", "--json"]).env("KOLA_CONFIG", &path));
    let rows: Value = serde_json::from_str(&merchants.out).expect("a list");
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert!(!folder.path().join("kola.db").exists());
}

#[test]
fn the_start_of_a_server_is_one_document() {
    let database = Database::new();
    let serve = |database: &Database| {
        let mut command = kola(&["serve", "--json", "--listen", "127.0.0.1:0"]);
        command.args(["--database", &database.url()]).current_dir(database.dir.path());
        let (server, line) = started(&mut command, |_| true);
        (server, serde_json::from_str::<Value>(&line).expect("a document"))
    };
    let (server, first) = serve(&database);
    let address = first["address"].as_str().expect("an address").to_owned();
    let api = crate::support::Api { address, token: None };
    assert_eq!(api.get("/healthz").status, 200);
    let merchant = &first["merchant"];
    let credentials =
        json!({"client_id": merchant["client_id"], "client_secret": merchant["client_secret"]});
    assert!(api.post("/v1/jwt/client/obtain/token", &credentials).ok()["access_token"].is_string());
    assert!(first["owner_link"].as_str().is_some_and(|link| link.contains("/app/")), "{first}");
    let page = first["payment_page"].as_str().expect("a page");
    let path = page.strip_prefix(first["url"].as_str().expect("a URL")).expect("a path");
    assert_eq!(api.get(path).status, 200);
    drop(server);
    let (_server, second) = serve(&database);
    assert_eq!(second["merchant"], Value::Null);
    assert!(second["address"].is_string() && second["docs"].is_string(), "{second}");
}

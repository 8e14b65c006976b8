//! What packages rely on: how a service starts, how its health is asked, and that the files of
//! `packaging/` say what the program does.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Database, Server, open, straight};

const UNIT: &str = include_str!("../../../../packaging/kola.service");
const CONFIG: &str = include_str!("../../../../packaging/kola.toml");
const POSTINST: &str = include_str!("../../../../packaging/debian/postinst");
const POSTRM: &str = include_str!("../../../../packaging/debian/postrm");

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging")
}

/// The value of a setting of the unit.
#[track_caller]
fn of_unit(name: &str) -> &'static str {
    let value = UNIT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("the unit has no {name}"))
}

#[test]
fn a_service_makes_no_sample_merchant_and_prints_no_secret() {
    let mut server = Server::spawn(Database::new(), &[("KOLA_SAMPLE_MERCHANT", "false")]);
    let printed = server.printed();
    assert!(printed.contains("merchant create"), "{printed}");
    assert!(!printed.contains("client_") && !printed.contains("/pay/"), "{printed}");
    assert_eq!(server.kola(&["merchant", "list", "--json"]).ok().trim(), "[]");
    server.terminate();
    // Whoever starts it without the setting is greeted as before.
    server.restart(&[]);
    assert!(server.printed().contains("client_secret"), "{}", server.printed());
}

#[test]
fn a_server_that_serves_is_ready() {
    let (server, _shop) = open();
    let url = format!("http://{}", server.api.address);
    assert_eq!(server.kola(&["ready", "--url", &url]).ok(), format!("{url} is ready\n"));
    let answer = server.kola(&["ready", "--url", &format!("{url}/"), "--json"]).ok();
    let answer: Value = serde_json::from_str(&answer).expect("one document");
    assert_eq!((&answer["ready"], &answer["reason"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(answer["url"], url);
}

#[test]
fn without_a_url_the_server_is_asked_that_would_listen_here() {
    let (server, _shop) = open();
    server.kola_with("KOLA_LISTEN", &server.api.address, &["ready"]).ok();
}

/// The URL of somebody who answers one request with this.
fn who_answers(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 4_096]);
        let _ = stream.write_all(answer.as_bytes());
    });
    url
}

#[test]
fn a_server_that_cannot_serve_is_not_ready_and_the_reason_is_said() {
    let database = Database::new();
    let away = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let run = database.kola(&["ready", "--url", &who_answers(away)]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("is not ready: GET /readyz is answered with 503"), "{}", run.out);
    let run = database.kola(&["ready", "--url", &who_answers("nonsense\r\n\r\n"), "--json"]);
    let answer: Value = serde_json::from_str(&run.out).expect("one document");
    assert_eq!((run.code, &answer["ready"]), (Some(1), &Value::Bool(false)));
    assert_eq!(answer["reason"], "what it answered is not HTTP/1.1");
    // Bound and not listened to any more: nobody is there.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let run = database.kola(&["ready", "--url", &format!("http://{free}")]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("no connection"), "{}", run.out);
    let run = database.kola(&["ready", "--url", "here"]);
    assert!(run.code == Some(2) && run.err.contains("--url"), "{}", run.err);
    let mut ready = Command::new(env!("CARGO_BIN_EXE_kola"));
    let ready = ready.arg("ready").env("KOLA_URL", "here").output().expect("kola runs");
    assert!(String::from_utf8_lossy(&ready.stderr).contains("KOLA_URL"), "{ready:?}");
}

/// A service that was just started does not listen yet.
#[test]
fn who_waits_is_told_when_the_server_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answers = ["503 Service Unavailable", "200 OK"];
    let server = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a request");
            let _read = stream.read(&mut [0; 4_096]);
            let body = "{\"status\":\"ok\"}";
            let head =
                format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: {}", body.len());
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).expect("an answer");
        }
    });
    let database = Database::new();
    let run = database.kola(&["ready", "--url", &url, "--wait", "60"]);
    assert_eq!(run.ok(), format!("{url} is ready\n"));
    server.join().expect("both answers");
}

#[test]
fn the_unit_the_settings_and_the_scripts_name_the_same_places() {
    let folder = format!("/var/lib/{}", of_unit("StateDirectory"));
    assert_eq!(of_unit("WorkingDirectory"), folder);
    assert!(CONFIG.contains(&format!("database = \"sqlite:{folder}/kola.db\"")));
    let user = of_unit("User");
    assert_eq!(of_unit("Group"), user);
    for made in [
        format!("adduser --system --quiet --group --home {folder} --no-create-home"),
        format!("install -d -o {user} -g {user} -m {} {folder}", of_unit("StateDirectoryMode")),
    ] {
        assert!(POSTINST.contains(&made), "postinst does not say {made:?}");
    }
    assert!(POSTRM.contains(&folder) && !POSTRM.contains("rm -r"), "the books are not removed");
    assert!(CONFIG.contains(of_unit("EnvironmentFile").trim_start_matches('-')));
}

#[test]
fn the_scripts_of_the_package_are_right_for_the_shell() {
    for script in ["postinst", "prerm", "postrm"] {
        let path = packaging().join("debian").join(script);
        let checked = straight("sh").arg("-n").arg(&path).output().expect("sh runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn the_variables_of_the_image_are_settings_of_the_program() {
    let image = std::fs::read_to_string(packaging().join("../xtask/src/package/image.rs"));
    let image = image.expect("the source");
    let names: Vec<&str> = image
        .split('"')
        .filter_map(|text| text.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("KOLA_"))
        .collect();
    let help = Database::new().kola(&["serve", "--help"]).ok();
    let unknown = names.iter().filter(|name| !help.contains(&format!("[env: {name}")));
    let unknown: Vec<_> = unknown.collect();
    assert!(names.len() >= 3 && unknown.is_empty(), "{names:?}: unknown are {unknown:?}");
}

#[test]
fn the_flags_of_the_unit_are_flags_of_the_program() {
    let command: Vec<&str> = of_unit("ExecStart").split_whitespace().collect();
    assert_eq!(command[..2], ["/usr/bin/kola", "serve"]);
    let help = Database::new().kola(&["serve", "--help"]).ok();
    for flag in command.iter().filter(|word| word.starts_with("--")) {
        let name = flag.split('=').next().unwrap_or(flag);
        assert!(help.contains(&format!("{name} ")) || help.contains(&format!("{name}[")), "{flag}");
    }
    assert!(command.contains(&"--sample-merchant=false"), "credentials in the journal");
}

#[test]
fn every_key_of_the_shipped_settings_is_known_the_optional_ones_too() {
    let optional = |line: &str| match line.strip_prefix('#') {
        // A sentence begins with a blank.
        Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    let everything: Vec<String> = CONFIG.lines().map(optional).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kola.toml");
    for (text, settings) in [(CONFIG.to_owned(), 2), (everything.join("\n"), 4)] {
        std::fs::write(&file, text).expect("the file is written");
        let checked = straight(env!("CARGO_BIN_EXE_kola"))
            .args(["config", "check", "--config"])
            .arg(&file)
            .output()
            .expect("kola runs");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        let faults = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{said}{faults}");
        assert!(said.contains(&format!("{settings} settings, 0 faults, ")), "{said}");
        // The key is where the package has it, and not on every machine.
        let warnings = faults.lines().filter(|line| line.contains("warning: "));
        let others: Vec<&str> =
            warnings.filter(|line| !line.contains("secrets-key-file")).collect();
        assert!(others.is_empty(), "{faults}");
    }
}

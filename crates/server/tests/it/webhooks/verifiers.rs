//! The programs of the handbook that verify signatures, on a message that has arrived.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::receiver::Received;
use super::{Stage, secret};
use crate::docs::blocks;

const PAGE: &str = include_str!("../../../../../docs/webhooks.md");

/// A language, the file of its program, what is put before and after the code of the page, and how
/// it is run.
struct Language {
    name: &'static str,
    file: &'static str,
    after: &'static str,
    run: fn(&Path) -> Command,
}

const LANGUAGES: [Language; 4] = [
    Language {
        name: "python",
        file: "verify.py",
        after: "
import os, sys
names = ['webhook-id', 'webhook-timestamp', 'webhook-signature']
headers = {name: os.environ[name] for name in names if os.environ[name]}
try:
    verify(os.environ['SECRET'], headers, sys.stdin.buffer.read())
except ValueError:
    # What the receiver of the page answers with 400; any other error would be no answer.
    sys.exit(1)
except BaseException:
    sys.exit(0)
",
        run: |file| with("python3", &[], file),
    },
    Language {
        name: "node",
        file: "verify.mjs",
        after: "
import { readFileSync } from 'node:fs';
verify(process.env.SECRET, process.env, readFileSync(0, 'utf8'));
",
        run: |file| with("node", &[], file),
    },
    Language {
        name: "php",
        file: "verify.php",
        after: "
$names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
verify(getenv('SECRET'), array_combine($names, array_map('getenv', $names)), file_get_contents('php://stdin'));
",
        run: |file| with("php", &[], file),
    },
    Language {
        name: "go",
        file: "verify.go",
        after: "
func main() {
	body, _ := io.ReadAll(os.Stdin)
	if err := verify(os.Getenv(\"SECRET\"), os.Getenv, body); err != nil {
		panic(err)
	}
}
",
        run: |file| with("go", &["run"], file),
    },
];

fn with(program: &str, arguments: &[&str], file: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(file);
    command
}

/// Whether the program takes the message.
fn takes(language: &Language, file: &Path, secret: &str, message: &Received, body: &str) -> bool {
    let mut command = (language.run)(file);
    command.env("SECRET", secret);
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        command.env(name, message.header(name));
    }
    let cache = file.with_file_name("cache");
    command.env("GOCACHE", &cache).env("GOFLAGS", "-mod=mod");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("an input").write_all(body.as_bytes()).expect("a body");
    child.wait().expect("an end").success()
}

#[test]
fn the_programs_of_the_handbook_verify_what_was_sent() {
    let stage = Stage::open();
    let made = stage.endpoint();
    stage.test(&made);
    let message = stage.receiver.wait_for("webhook.test", 1).remove(0);
    let other = stage.endpoint_with(&json!({"event_types": ["wallet.status"]}));
    let dir = tempfile::tempdir().expect("a folder");
    for language in &LANGUAGES {
        let program = if language.name == "python" { "python3" } else { language.name };
        let version = if program == "go" { "version" } else { "--version" };
        if Command::new(program).arg(version).output().is_err() {
            let _ = writeln!(std::io::stderr(), "SKIPPED example: {program} is not installed");
            continue;
        }
        let mut code = blocks(PAGE, &format!("verify {}", language.name));
        assert!(!code.is_empty(), "{}", language.name);
        if language.name == "go" {
            code = code.replacen("\t\"errors\"\n", "\t\"errors\"\n\t\"io\"\n\t\"os\"\n", 1);
        }
        let file = dir.path().join(language.file);
        std::fs::write(&file, format!("{code}{}", language.after)).expect("a program");
        let name = language.name;
        assert!(takes(language, &file, &secret(&made), &message, &message.body), "{name}");
        let changed = message.body.replacen("webhook.test", "webhook.text", 1);
        assert!(!takes(language, &file, &secret(&made), &message, &changed), "{name}: changed");
        assert!(!takes(language, &file, &secret(&other), &message, &message.body), "{name}: other");
        let mut old = message.clone();
        old.headers.insert("webhook-timestamp".to_owned(), "1700000000".to_owned());
        assert!(!takes(language, &file, &secret(&made), &old, &message.body), "{name}: old");
        for missing in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut without = message.clone();
            without.headers.insert(missing.to_owned(), String::new());
            let taken = takes(language, &file, &secret(&made), &without, &message.body);
            assert!(!taken, "{name}: without {missing}");
        }
    }
}

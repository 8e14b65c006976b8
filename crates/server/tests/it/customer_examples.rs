//! Runs the examples of the API's documentation as they are written there. Only the address, the
//! token, the ids and the date are filled in. Around a fragment there is only what makes it a
//! program: imports, the variables of an earlier fragment, a main function.

use std::io::Write;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::shop::GOOD;
use crate::support::{
    Merchant, Server, assert_fields, assert_money, instant, json, open, soon, straight,
};

/// Fragments of one language, and how to make programs of them.
struct Language {
    name: &'static str,
    /// A command that succeeds if the language can be run, and the message if it does not.
    check: (&'static [&'static str], &'static str),
    run: &'static [&'static str],
    file: &'static str,
    checkout: &'static str,
    payout: &'static str,
    whole_checkout: fn(&str) -> String,
    whole_payout: fn(&str) -> String,
}

const CURL: Language = Language {
    name: "curl",
    check: (&["curl", "--version"], "no curl on PATH"),
    run: &["sh"],
    file: "example.sh",
    checkout: include_str!("examples/checkout.curl"),
    payout: include_str!("examples/payout.curl"),
    whole_checkout: str::to_owned,
    whole_payout: str::to_owned,
};

const PYTHON: Language = Language {
    name: "python",
    check: (&["python3", "-c", "import requests"], "no python3 with requests"),
    run: &["python3"],
    file: "example.py",
    checkout: include_str!("examples/checkout.py"),
    payout: include_str!("examples/payout.py"),
    whole_checkout: str::to_owned,
    whole_payout: |fragment| {
        let first = "import requests\n\nBASE_URL = \"__BASE_URL__\"\n\
            headers  = {\"Authorization\": \"Bearer __TOKEN__\", \"Content-Type\": \"application/json\"}\n\n";
        format!("{first}{fragment}")
    },
};

const NODE: Language = Language {
    name: "node",
    check: (
        &["node", "-e", "process.exit(globalThis.fetch ? 0 : 1)"],
        "no node with fetch on PATH",
    ),
    run: &["node"],
    file: "example.mjs",
    checkout: include_str!("examples/checkout.js"),
    payout: include_str!("examples/payout.js"),
    whole_checkout: str::to_owned,
    whole_payout: |fragment| {
        format!("const BASE_URL = \"__BASE_URL__\";\nconst TOKEN    = \"__TOKEN__\";\n\n{fragment}")
    },
};

const PHP: Language = Language {
    name: "php",
    check: (
        &["php", "-r", "exit(function_exists('curl_init') ? 0 : 1);"],
        "no php with curl on PATH",
    ),
    run: &["php"],
    file: "example.php",
    checkout: include_str!("examples/checkout.php"),
    payout: include_str!("examples/payout.php"),
    whole_checkout: php,
    whole_payout: php,
};

const JAVA: Language = Language {
    name: "java",
    // Text blocks need Java 15.
    check: (&["java", "--source", "15", "--version"], "no java of at least version 15 on PATH"),
    run: &["java"],
    file: "Example.java",
    checkout: include_str!("examples/checkout.java"),
    payout: include_str!("examples/payout.java"),
    whole_checkout: java,
    whole_payout: |fragment| {
        let first = "import java.net.URI;\nimport java.net.http.*;\nimport java.net.http.HttpRequest.BodyPublishers;\n\
            HttpClient client = HttpClient.newHttpClient();\n";
        java(&format!("{first}{fragment}"))
    },
};

const GO: Language = Language {
    name: "go",
    check: (&["go", "version"], "no go on PATH"),
    run: &["go", "run"],
    file: "example.go",
    checkout: include_str!("examples/checkout.go"),
    payout: include_str!("examples/payout.go"),
    whole_checkout: str::to_owned,
    whole_payout: |fragment| {
        let first = "package main\n\nimport (\n\t\"bytes\"\n\t\"encoding/json\"\n\t\"fmt\"\n\t\"io\"\n\t\"net/http\"\n)\n";
        format!("{first}\nfunc main() {{\n{fragment}}}\n")
    },
};

fn php(fragment: &str) -> String {
    format!("<?php\n{fragment}")
}

/// Puts a class around the statements, after the imports.
fn java(fragment: &str) -> String {
    let (imports, statements): (Vec<&str>, Vec<&str>) =
        fragment.lines().partition(|line| line.starts_with("import "));
    let body = statements.join("\n");
    format!(
        "{}\nclass Example {{\npublic static void main(String[] a) throws Exception {{\n{body}\n}}\n}}\n",
        imports.join("\n")
    )
}

/// The values that replace the placeholders of the examples.
struct Values {
    source: i64,
    account: i64,
    expires: String,
}

fn filled(program: &str, server: &Server, shop: &Merchant, values: &Values) -> String {
    program
        .replace("__BASE_URL__", &format!("http://{}", server.api.address))
        .replace("__TOKEN__", shop.api.token.as_deref().expect("a token"))
        .replace("__SOURCE_ID__", &values.source.to_string())
        .replace("__WALLET_ID__", &shop.wallet("USD").to_string())
        .replace("__ACCOUNT_ID__", &values.account.to_string())
        .replace("__EXPIRES_AT__", &values.expires)
}

fn command(line: &[&str]) -> Command {
    let (program, arguments) = line.split_first().expect("a program");
    let mut command = straight(program);
    command.args(arguments).env_remove("JAVA_TOOL_OPTIONS");
    command
}

/// Whether the language is installed. If not, this says so on standard error, past the test
/// runner's capture.
fn is_here(language: &Language) -> bool {
    let (check, missing) = language.check;
    let here = command(check).output().is_ok_and(|output| output.status.success());
    if !here {
        writeln!(std::io::stderr(), "SKIPPED customer example: {} ({missing})", language.name)
            .expect("stderr");
    }
    here
}

/// Runs a program. Returns the id of the session that it printed.
#[track_caller]
fn run(language: &Language, program: &str) -> i64 {
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join(language.file);
    std::fs::write(&file, program).expect("a file");
    let output =
        command(language.run).arg(&file).current_dir(directory.path()).output().expect("it runs");
    assert!(output.status.success(), "{program}\n{output:?}");
    printed_id(&output).unwrap_or_else(|| panic!("printed no id: {program}\n{output:?}"))
}

/// The id that was printed: in the whole answer, or after `ID:`.
fn printed_id(output: &Output) -> Option<i64> {
    let text = String::from_utf8_lossy(&output.stdout);
    if let Ok(answer) = serde_json::from_str::<Value>(&text) {
        return answer["id"].as_i64();
    }
    let rest = text.split_once("ID:")?.1.trim_start();
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Checks that both examples of a language do what they say.
fn work(language: &Language) {
    if !is_here(language) {
        return;
    }
    let (server, shop) = open();
    let values = Values {
        source: shop.invoice("USD", "100.00"),
        account: shop.momo("PAYOUT", GOOD),
        expires: soon(),
    };
    let checkout = (language.whole_checkout)(language.checkout);
    let session = run(language, &filled(&checkout, &server, &shop, &values));
    let made = shop.api.get(&format!("/v1/sessions/checkout/retrieve/{session}")).ok();
    assert_eq!(made["source_id"], json!(values.source));
    assert_fields(&made, &[("source_type", "INVOICE"), ("status", "ACTIVE")]);
    let payout = (language.whole_payout)(language.payout);
    let session = run(language, &filled(&payout, &server, &shop, &values));
    let made = shop.api.get(&format!("/v1/sessions/payout/retrieve/{session}")).ok();
    assert_money(&made, &[("amount", "500.00")]);
    assert_fields(&made, &[("currency", "USD"), ("status", "ACTIVE")]);
    assert_eq!(made["wallet_id"], json!(shop.wallet("USD")));
    assert_eq!(made["payment_account_id"], json!(values.account));
    assert_eq!(instant(&made["expires_at"]), instant(&json!(values.expires)));
}

#[test]
fn the_curl_examples_work() {
    work(&CURL);
}

#[test]
fn the_python_examples_work() {
    work(&PYTHON);
}

#[test]
fn the_node_examples_work() {
    work(&NODE);
}

#[test]
fn the_php_examples_work() {
    work(&PHP);
}

#[test]
fn the_java_examples_work() {
    work(&JAVA);
}

#[test]
fn the_go_examples_work() {
    work(&GO);
}

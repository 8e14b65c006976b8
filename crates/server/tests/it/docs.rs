//! The documentation: its examples run, its generated pages are up to date, and the files and
//! functions that it names exist.

use std::path::{Path, PathBuf};
use std::process::Command;

use domain::decision::event::EventType;
use kola::api::event_types::described;

use super::support::shop::Merchant;
use super::support::{Database, Server, open_with, straight};

const QUICK_START: &str = include_str!("../../../../docs/quick-start.md");

/// 1,000 funded + 100 and 30 collected - 20.30 paid out - 15 transferred - 40 refunded.
const AFTER_QUICK_START: &str = "1054.70";

/// The code blocks of a page that follow a marker, in order: they build on each other.
pub(crate) fn blocks(page: &'static str, marker: &str) -> String {
    let marker = format!("<!-- {marker} -->");
    let code = |part: &'static str| {
        part.trim_start()
            .strip_prefix("```")?
            .split_once('\n')?
            .1
            .split_once("```")
            .map(|(code, _)| code)
    };
    page.split(&marker).skip(1).filter_map(code).collect::<Vec<_>>().join("\n")
}

/// Runs a program on the examples, with a merchant that has 1,000 USD before and must have
/// `balance` afterwards. Returns what it printed.
pub(crate) fn run(
    program: &str,
    arguments: &[&str],
    balance: &str,
) -> Option<(Server, Merchant, String)> {
    if Command::new(program).arg("--version").output().is_err() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED example: {program} is not installed");
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
    shop.assert_balance("USD", balance, "0.00");
    server.verify_ledger();
    Some((server, shop, said))
}

#[test]
fn the_quick_start_runs_in_curl() {
    let script = format!("set -eu\n{}", blocks(QUICK_START, "curl").replace("sleep 2\n", ""));
    if let Some((_, _, said)) = run("sh", &["-c", &script], AFTER_QUICK_START) {
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
    let program = blocks(QUICK_START, "python");
    if let Some((_, _, said)) = run("python3", &["-c", &program], AFTER_QUICK_START) {
        assert_eq!(said.matches("COMPLETED").count(), 5, "{said}");
    }
}

#[test]
fn the_quick_start_runs_in_node() {
    let program = blocks(QUICK_START, "node");
    let arguments = ["--input-type=module", "-e", &program];
    if let Some((_, _, said)) = run("node", &arguments, AFTER_QUICK_START) {
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

#[test]
fn every_type_of_event_is_described() {
    let page = include_str!("../../../../docs/events.md");
    for kind in EventType::OF_MERCHANTS {
        let (subject, when) = described(*kind);
        let line = format!("| `{kind}` | `{subject}` | {when} |");
        assert!(page.contains(&line), "docs/events.md has no line: {line}");
    }
}

/// The table of roles stands in the documentation as it is in the code.
#[test]
fn the_table_of_roles_is_up_to_date() {
    use domain::directory::roles::{Action, Role};
    let page = include_str!("../../../../docs/people.md");
    for action in Action::ALL {
        let cells: Vec<&str> =
            Role::ALL.iter().map(|role| if role.may(*action) { "yes" } else { "" }).collect();
        let row = format!("| {action} | {} |", cells.join(" | "));
        assert!(page.contains(&row), "docs/people.md has no line\n{row}");
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Markdown pages, with their paths in the repository.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec![];
    for folder in ["", "docs/"] {
        for entry in std::fs::read_dir(repository().join(folder)).expect("the folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            if name.ends_with(".md") {
                let path = format!("{folder}{name}");
                let text = std::fs::read_to_string(repository().join(&path)).expect("the page");
                pages.push((path, text));
            }
        }
    }
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// The texts between two marks in a page, outside code blocks.
fn between<'a>(page: &'a str, open: &str, close: char) -> Vec<&'a str> {
    let prose = page.split("```").step_by(2);
    let parts = prose.flat_map(|part| part.lines());
    parts
        .flat_map(|line| line.split(open).skip(1))
        .filter_map(|rest| rest.split_once(close))
        .map(|(inner, _)| inner)
        .collect()
}

/// The anchors that GitHub makes of a page's headings.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let mut dead = vec![];
    for (path, text) in pages() {
        let folder = Path::new(&path).parent().expect("a folder");
        for link in between(&text, "](", ')').into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { PathBuf::from(&path) } else { folder.join(file) };
            let target = repository().join(target);
            let has_anchor = || {
                let page = std::fs::read_to_string(&target).unwrap_or_default();
                anchor.is_empty() || anchors(&page).iter().any(|known| known == anchor)
            };
            if !target.exists() || !has_anchor() {
                dead.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_path_that_the_documentation_names_is_there() {
    const ROOTS: [&str; 6] = ["crates/", "xtask/", "docs/", "migrations/", ".ci/", "config."];
    let mut absent = vec![];
    for (path, text) in pages() {
        let named = text.split('`').skip(1).step_by(2);
        let paths = named.filter(|name| {
            ROOTS.iter().any(|root| name.starts_with(root))
                && name.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c))
        });
        // A name in capitals is a placeholder.
        let paths = paths.filter(|name| !name.contains("NAME") && !name.contains("NNNN"));
        for name in paths.filter(|name| !repository().join(name).exists()) {
            absent.push(format!("{path}: {name}"));
        }
    }
    assert!(absent.is_empty(), "{absent:#?}");
}

#[test]
fn the_guided_tour_names_functions_that_are_there() {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("the page");
    let (_, tour) = text.split_once("## A guided tour").expect("the tour");
    let tour = tour.split("\n## ").next().unwrap_or(tour);
    let mut steps = 0;
    for row in tour.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, _, file, functions, ..] = cells[..] else { panic!("{row}") };
        let Some(file) = file.strip_prefix('`').and_then(|file| file.strip_suffix('`')) else {
            continue;
        };
        let code = std::fs::read_to_string(repository().join(file)).expect(file);
        for function in functions.split('`').skip(1).step_by(2) {
            let name = function.rsplit("::").next().unwrap_or(function);
            assert!(code.contains(&format!("fn {name}")), "{file} has no fn {name}: {row}");
            if let Some((place, _)) = function.rsplit_once("::") {
                let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
                assert!(words.any(|word| word == place), "{file} has no {place}: {row}");
            }
            steps += 1;
        }
    }
    assert!(steps >= 10, "the tour has {steps} steps");
}

#[test]
fn every_setting_is_described() {
    let help = Database::new().kola(&["serve", "--help"]).ok();
    let pages = include_str!("../../../../docs/configuration.md");
    let variables = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
    let silent: Vec<&str> =
        variables.filter(|variable| !pages.contains(&format!("`{variable}`"))).collect();
    assert!(help.contains("[env: KOLA_LISTEN"), "{help}");
    assert!(silent.is_empty(), "docs/configuration.md says nothing of {silent:?}");
}

/// Appends the text of every Rust file below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("the source"));
        }
    }
}

#[test]
fn every_test_that_the_checklists_name_is_there() {
    let page = std::fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("the page");
    let mut code = String::new();
    sources(&repository().join("crates"), &mut code);
    let names = page.split('`').skip(1).step_by(2);
    let names = names.filter(|name| {
        name.matches('_').count() > 2
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    });
    let names: Vec<&str> = names.collect();
    let absent: Vec<&&str> =
        names.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(names.len() > 10, "{names:?}");
    assert!(absent.is_empty(), "{absent:?}");
}

/// Whoever is woken by an alert finds what to do about it, and each alert is tried.
#[test]
fn each_alert_has_a_part_in_the_docs_and_a_test() {
    const ALERTS: &str = include_str!("../../../../ops/prometheus/alerts.yml");
    const TESTS: &str = include_str!("../../../../ops/prometheus/alerts.test.yml");
    const PAGE: &str = include_str!("../../../../docs/operations.md");
    let known = anchors(PAGE);
    let (mut alerts, mut parts) = (0, 0);
    for line in ALERTS.lines().map(str::trim) {
        if let Some(alert) = line.strip_prefix("- alert: ") {
            alerts += 1;
            assert!(TESTS.contains(&format!("- name: {alert}\n")), "{alert} is not tried");
        }
        if let Some(link) = line.strip_prefix("runbook: ") {
            parts += 1;
            let anchor = link.strip_prefix("docs/operations.md#").expect("a part of that page");
            assert!(known.iter().any(|known| known == anchor), "{link}");
        }
    }
    assert!(alerts > 20, "{alerts}");
    assert_eq!(alerts, parts);
}

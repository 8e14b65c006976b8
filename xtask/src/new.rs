//! `cargo xtask new KIND NAME`: prints the checklist of CONTRIBUTING.md for what is added, with its
//! name in the paths. It writes nothing.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};

/// The page that has the checklists.
const PAGE: &str = "CONTRIBUTING.md";

#[derive(clap::Args)]
pub struct Options {
    /// What is added
    kind: Kind,
    /// Its name in snake_case: `close_wallet`, `disputes`
    name: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// A request to change something, which the domain decides
    Decision,
    /// An operation of the HTTP API
    Route,
    /// A row type that decisions load and change
    Row,
    /// A payment network
    Network,
    /// A page for people who pay
    Page,
    /// A step of the schema, such as a column
    Migration,
    /// A setting of the server
    Setting,
}

/// The heading of its checklist.
const fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Decision => "A decision",
        Kind::Route => "A route",
        Kind::Row => "A row type",
        Kind::Network => "A network",
        Kind::Page => "A page",
        Kind::Migration => "A migration",
        Kind::Setting => "A setting",
    }
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(is_snake_case(&options.name), "{:?} is not snake_case", options.name);
    let page = std::fs::read_to_string(crate::root().join(PAGE)).context(PAGE)?;
    print!("{}", checklist(&page, options.kind, &options.name)?);
    Ok(ExitCode::SUCCESS)
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The part of the page below the heading. Each row of its table becomes a place to tick off, and
/// what stands below the table follows.
fn checklist(page: &str, kind: Kind, name: &str) -> anyhow::Result<String> {
    let heading = heading(kind);
    let (_, section) = page
        .split_once(&format!("\n### {heading}\n"))
        .with_context(|| format!("{PAGE} has no checklist {heading:?}"))?;
    let section = section.split("\n##").next().unwrap_or(section);
    let mut text = String::new();
    for line in section.trim().lines() {
        let line = line.replace("NAME", name);
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", "place", ..] | ["", "---", ..] => {}
            ["", place, what, forgotten, ""] => {
                text += &format!("[ ] {place}\n    {what}\n    when forgotten: {forgotten}\n");
            }
            _ => text += &format!("{line}\n"),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_kind_has_a_checklist_and_every_row_of_it_is_printed() {
        let page = std::fs::read_to_string(crate::root().join(PAGE)).unwrap();
        for kind in Kind::value_variants() {
            let text = checklist(&page, *kind, "close_wallet").unwrap();
            let places = text.lines().filter(|line| line.starts_with("[ ] ")).count();
            assert!(places >= 5 && !text.contains("| "), "{text}");
        }
    }

    #[test]
    fn a_checklist_names_what_is_added() {
        let page = std::fs::read_to_string(crate::root().join(PAGE)).unwrap();
        let text = checklist(&page, Kind::Decision, "close_wallet").unwrap();
        assert!(text.contains("close_wallet.rs") && text.contains("`each_decision!`"), "{text}");
        assert!(!text.contains("NAME"), "{text}");
        assert!(is_snake_case("close_wallet") && !is_snake_case("CloseWallet"));
    }
}

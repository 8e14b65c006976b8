//! `cargo xtask new decision|route|row NAME`: prints every place that must be touched, with its
//! path. It writes nothing.

use std::process::ExitCode;

use anyhow::ensure;

#[derive(clap::Args)]
pub struct Options {
    /// What is added
    kind: Kind,
    /// Its name in snake_case: `close_wallet`, `disputes`
    name: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// A command: what a caller or a job asks the domain to decide
    Decision,
    /// An operation of the HTTP API
    Route,
    /// A row type that decisions load and change
    Row,
}

/// One place to touch.
struct Step {
    /// An existing file or folder, from the root of the repository.
    path: &'static str,
    /// `{name}` stands for the name in snake_case, `{Name}` for the same in CamelCase.
    what: &'static str,
}

const fn step(path: &'static str, what: &'static str) -> Step {
    Step { path, what }
}

/// The folders of subjects: the new file of a decision or a row type lies in one of them.
const ROOMS: [&str; 6] = [
    "crates/domain/src/directory",
    "crates/domain/src/exceptions",
    "crates/domain/src/ledger",
    "crates/domain/src/payments",
    "crates/domain/src/sales",
    "crates/domain/src/tariff",
];

const DECISION: &[Step] = &[
    step(
        "crates/domain/src",
        "{name}.rs in the folder of its subject: `struct {Name}` with the input, `impl Decision` \
         with the output, the row to lock, the keys that it reads and the rule, refusals, unit \
         tests; its `mod` line in the folder's mod.rs",
    ),
    step("crates/domain/src/decision/command.rs", "its line in `each_decision!`"),
    step(
        "crates/domain/src/kernel/refusal/mod.rs",
        "each new refusal: its subject and message, without names of HTTP",
    ),
    step(
        "crates/server/src/api/refusals.rs",
        "its status and type, and the usual field of a new subject; then \
         `cargo run -- errors > docs/errors.md`",
    ),
    step(
        "crates/domain/src/decision/event.rs",
        "the event type, where it changes what callers watch",
    ),
    step("crates/domain/tests/decisions", "a test of the rule through `Stage::decide`"),
    step("crates/simulator/src/clients.rs", "how often and with what it is asked for"),
    step("crates/simulator/src/oracle/mod.rs", "what must come of it, by the oracle's own model"),
    step("crates/simulator/src/plan.rs", "the ids in it, so that a history can be replayed"),
    step("crates/simulator/src/describe.rs", "its line in a history, and that of its output"),
    step("crates/simulator/src/compare.rs", "its output: the row that must exist after it"),
    step(
        "crates/domain/src/mutants/mod.rs",
        "a deliberate fault, where money depends on it: the simulator must find it",
    ),
    step("crates/server/src/api", "its route (`cargo xtask new route`), or"),
    step("crates/server/src/cli", "its command of the command line"),
    step("CHANGELOG.md", "a line, where users see it"),
];

const ROUTE: &[Step] = &[
    step(
        "crates/server/src/api",
        "payload, answer, handler and `routes()` in the file of its resource, {name}.rs where it \
         is new; `op(..)` gives operation id, summary and example",
    ),
    step(
        "crates/server/src/api/mod.rs",
        "`pub mod {name};` and `.and({name}::routes())` for a new resource",
    ),
    step(
        "crates/store/src/reads",
        "what it reads, as a method of the narrowest scope: `MerchantReads` for a merchant's rows",
    ),
    step(
        "crates/store/src/tests/statements.rs",
        "each new read: both databases understand it and find its rows by an index",
    ),
    step("openapi.json", "`cargo xtask openapi`; a test fails until it is right"),
    step(
        "crates/server/tests/it/isolation/mod.rs",
        "a probe with another merchant's id; a test fails until every route with an id has one",
    ),
    step("docs/errors.md", "`cargo run -- errors > docs/errors.md`, where it refuses in a new way"),
    step("crates/server/tests/it", "its integration test, on both databases"),
    step("CHANGELOG.md", "a line"),
];

const ROW: &[Step] = &[
    step(
        "crates/domain/src",
        "`struct {Name}` and `impl Row for {Name}` in {name}.rs in the folder of its subject",
    ),
    step("crates/domain/src/kernel/ids.rs", "its id"),
    step(
        "crates/domain/src/decision/workspace.rs",
        "its line in `each_table!`, which also gives both databases their loading and writing",
    ),
    step("crates/domain/tests/decisions/stage.rs", "its arm of `RowKey`, for tests of decisions"),
    step("crates/store/src/workspace/rows.rs", "`record!` with its columns"),
    step("migrations/sqlite", "the next migration: its table and indexes"),
    step("migrations/postgres", "the same migration for PostgreSQL"),
    step(
        "crates/store/src/tests/schema.rs",
        "a difference between the two schemas, where one is meant",
    ),
    step(
        "crates/store/src/schema/copy/tables.rs",
        "its table, so that `kola db copy` takes it along",
    ),
    step("crates/store/src/schema/verify.rs", "a query that finds what breaks its rules"),
    step("crates/store/src/testing.rs", "rows of it, for the tests of plans"),
    step("crates/simulator/src/compare.rs", "its rows against the oracle's model"),
    step("crates/simulator/src/checks.rs", "what must always be true of it"),
];

const fn steps(kind: Kind) -> &'static [Step] {
    match kind {
        Kind::Decision => DECISION,
        Kind::Route => ROUTE,
        Kind::Row => ROW,
    }
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(is_snake_case(&options.name), "{:?} is not snake_case", options.name);
    print!("{}", checklist(options.kind, &options.name));
    Ok(ExitCode::SUCCESS)
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn camel_case(name: &str) -> String {
    let words = name.split('_').filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| first.to_ascii_uppercase() + rest).collect()
}

fn checklist(kind: Kind, name: &str) -> String {
    let mut text = String::new();
    for Step { path, what } in steps(kind) {
        let what = what.replace("{name}", name).replace("{Name}", &camel_case(name));
        text += &format!("[ ] {path}\n    {what}\n");
    }
    if !matches!(kind, Kind::Route) {
        text += &format!("\nThe folders of subjects: {}\n", ROOMS.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_a_checklist_exists() {
        let steps = [DECISION, ROUTE, ROW].into_iter().flatten().map(|step| step.path);
        let missing: Vec<_> =
            steps.chain(ROOMS).filter(|path| !crate::root().join(path).exists()).collect();
        assert!(missing.is_empty(), "moved or removed: {missing:?}");
    }

    #[test]
    fn a_checklist_names_what_is_added() {
        let text = checklist(Kind::Decision, "close_wallet");
        assert!(
            text.contains("close_wallet.rs") && text.contains("`Command::CloseWallet`"),
            "{text}"
        );
        assert!(is_snake_case("close_wallet") && !is_snake_case("CloseWallet"));
    }
}

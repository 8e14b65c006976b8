//! `kola ledger`: proof.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Place, fail, output};
use crate::store::verify::{self, Report};

#[derive(Subcommand)]
pub enum Ledger {
    /// Recompute everything from the entries and name each violation; works beside a running server.
    Verify,
}

impl Ledger {
    /// 0 when all is well, 1 with a list of what is not.
    pub fn run(self, place: &Place) -> ExitCode {
        let Self::Verify = self;
        match place.open_existing().and_then(|mut sql| Ok(verify::verify(sql.as_mut())?)) {
            Ok(report) => tell(&report),
            Err(error) => fail(&error),
        }
    }
}

fn tell(report: &Report) -> ExitCode {
    let violations = report.violations.iter().map(|(name, place)| json!({ "rule": name, "place": place }));
    let json = json!({
        "entries": report.entries,
        "executions": report.executions,
        "wallets": report.wallets,
        "rules": report.checks,
        "open_reviews": report.open_reviews,
        "violations": violations.collect::<Vec<_>>(),
    });
    let open = match report.open_reviews {
        0 => String::new(),
        n => format!("; {n} open reviews"),
    };
    let mut lines: Vec<String> = report.violations.iter().map(|(name, place)| format!("{name}: {place}")).collect();
    lines.push(format!(
        "{} entries, {} executions, {} wallets; {} rules checked, {} violations{open}",
        report.entries,
        report.executions,
        report.wallets,
        report.checks,
        report.violations.len()
    ));
    match output::tell(&json, &lines.join("\n")) {
        Err(error) if report.violations.is_empty() => fail(&error),
        _ if report.violations.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

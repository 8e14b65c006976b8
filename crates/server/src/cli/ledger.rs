//! `kola ledger`: proof.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Place, fail};
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
    for (name, place) in &report.violations {
        println!("{name}: {place}");
    }
    let open = match report.open_reviews {
        0 => String::new(),
        n => format!("; {n} open reviews"),
    };
    println!(
        "{} entries, {} executions, {} wallets; {} rules checked, {} violations{open}",
        report.entries,
        report.executions,
        report.wallets,
        report.checks,
        report.violations.len()
    );
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

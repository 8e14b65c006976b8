//! `cargo xtask pairs`: whether a build is slower than another. The two servers are measured in
//! turns, each pair within the same minute, because a machine's speed changes more between minutes
//! than a change of the code should.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "rates of a measurement; no money"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::Kind;

/// A phase is slower when the whole interval of its difference lies below this.
const TOLERANCE: f64 = -0.05;

#[derive(Clone, clap::Args)]
pub struct Options {
    /// The server before the change, a release build
    #[arg(long, value_name = "PATH")]
    before: PathBuf,
    /// The server after the change, a release build
    #[arg(long, value_name = "PATH")]
    after: PathBuf,
    /// How often both are measured
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(2..))]
    pairs: u32,
    /// Only this phase; may be given several times
    #[arg(long, value_name = "NAME", default_values = ["execute", "payment", "checkout", "status"])]
    only: Vec<String>,
    /// Connections of the load generator
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Length of each measured window
    #[arg(long, default_value = "1")]
    seconds: String,
    /// Where the servers keep their rows
    #[arg(long, default_value = "sqlite")]
    database: Kind,
}

/// The rates of one phase, pair by pair.
struct Pairs {
    phase: String,
    before: Vec<f64>,
    after: Vec<f64>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return super::as_release();
    }
    let report = crate::target_dir()?.join("pairs.json");
    let mut phases: Vec<Pairs> = vec![];
    for pair in 0..options.pairs {
        // Whoever is measured second finds warmer caches: each goes first as often as the other.
        let before_first = pair % 2 == 0;
        let mut one = |is_before: bool| -> anyhow::Result<()> {
            let binary = if is_before { &options.before } else { &options.after };
            for (phase, rate) in measure(options, binary, &report)? {
                let place = phases.iter().position(|known| known.phase == phase);
                let place = place.unwrap_or_else(|| {
                    phases.push(Pairs { phase, before: vec![], after: vec![] });
                    phases.len() - 1
                });
                let known = &mut phases[place];
                if is_before { &mut known.before } else { &mut known.after }.push(rate);
            }
            Ok(())
        };
        one(before_first)?;
        one(!before_first)?;
        eprintln!("xtask: pair {} of {}", pair + 1, options.pairs);
    }
    std::fs::remove_file(&report).ok();
    println!("| what | before, per second | after, per second | difference, 95 % interval | |");
    println!("|---|---|---|---|---|");
    let mut slower = false;
    for pairs in &phases {
        let (low, middle, high) = pairs.difference()?;
        slower |= high < TOLERANCE;
        println!(
            "| {} | {:.0} | {:.0} | {:+.1} % ({:+.1} to {:+.1}) | {} |",
            pairs.phase,
            median(&pairs.before),
            median(&pairs.after),
            middle * 100.0,
            low * 100.0,
            high * 100.0,
            if high < TOLERANCE { "slower" } else { "" },
        );
    }
    Ok(if slower { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Measures one server in a process of its own, as `cargo xtask bench` does.
fn measure(options: &Options, binary: &Path, report: &Path) -> anyhow::Result<Vec<(String, f64)>> {
    let database = match options.database {
        Kind::Sqlite => "sqlite",
        Kind::Postgres => "postgres",
    };
    let status = Command::new(std::env::current_exe()?)
        .args(["bench", "--runs", "1", "--seconds", &options.seconds, "--database", database])
        .args(["--connections", &options.connections.to_string()])
        .args(options.only.iter().flat_map(|phase| ["--only", phase]))
        .arg("--binary")
        .arg(binary)
        .arg("--json")
        .arg(report)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "the measurement of {} ended with {status}", binary.display());
    let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
    let samples = report["samples"].as_array().context("no samples")?;
    samples
        .iter()
        .map(|sample| {
            let phase = sample["phase"].as_str().context("a sample without a phase")?;
            let rate = sample["per_second"].as_f64().context("a sample without a rate")?;
            ensure!(rate > 0.0, "{phase}: nothing was done");
            Ok((phase.to_owned(), rate))
        })
        .collect()
}

impl Pairs {
    /// The relative difference: the lower end of its 95 % interval, its mean and the upper end, by
    /// Student's t over the logarithms of each pair's ratio.
    fn difference(&self) -> anyhow::Result<(f64, f64, f64)> {
        ensure!(
            self.before.len() == self.after.len() && self.before.len() > 1,
            "{}: a measurement is missing",
            self.phase
        );
        let logs: Vec<f64> = self
            .before
            .iter()
            .zip(&self.after)
            .map(|(before, after)| (after / before).ln())
            .collect();
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let half = t_95(logs.len() - 1) * (variance / count).sqrt();
        Ok(((mean - half).exp_m1(), mean.exp_m1(), (mean + half).exp_m1()))
    }
}

/// The 97.5 % quantile of Student's t. Between the listed degrees of freedom the larger value is
/// taken, which widens the interval a little.
fn t_95(degrees: usize) -> f64 {
    const TABLE: [(usize, f64); 12] = [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (7, 2.365),
        (9, 2.262),
        (11, 2.201),
        (14, 2.145),
        (19, 2.093),
        (29, 2.045),
        (60, 2.000),
    ];
    TABLE.iter().rev().find(|(least, _)| *least <= degrees).map_or(12.706, |(_, t)| *t)
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(before: &[f64], after: &[f64]) -> Pairs {
        Pairs { phase: "x".to_owned(), before: before.to_vec(), after: after.to_vec() }
    }

    #[test]
    fn a_tenth_slower_in_every_pair_is_slower_however_much_the_pairs_differ() {
        let before = [100.0, 300.0, 150.0, 220.0];
        let after: Vec<f64> =
            before.iter().zip([0.90, 0.91, 0.89, 0.90]).map(|(rate, by)| rate * by).collect();
        let (low, middle, high) = pairs(&before, &after).difference().unwrap();
        assert!(low < middle && middle < high, "{low} {middle} {high}");
        assert!(high < TOLERANCE, "{high}");
    }

    #[test]
    fn equal_rates_with_noise_are_not_slower() {
        let (low, _, high) =
            pairs(&[100.0, 90.0, 110.0], &[95.0, 96.0, 108.0]).difference().unwrap();
        assert!(low < 0.0 && high > 0.0, "{low} {high}");
        assert!(pairs(&[100.0, 90.0], &[95.0]).difference().is_err());
    }

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }
}

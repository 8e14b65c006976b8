//! The report: the figures as Markdown tables, for documents, and as JSON.

use serde_json::{Value, json};

use super::machine::Machine;
use super::rounds::{ENDPOINTS, LATENCY_MS, PAYMENTS, SITE_SOCKETS, SOCKETS};
use super::{Figures, Kind, Options, Phase, SITE_WAITING, Sample, ServerStats};

/// The phases in the order of the report, which is not that of the measurements.
const PHASES: [Phase; 28] = [
    Phase::Raw,
    Phase::Pgbench,
    Phase::StatementsHot,
    Phase::StatementsSpread,
    Phase::Noop,
    Phase::Status,
    Phase::Prediction,
    Phase::Page,
    Phase::Execute,
    Phase::BatchOne,
    Phase::Spread,
    Phase::Payment,
    Phase::Checkout,
    Phase::PagePayment,
    Phase::TwoHot,
    Phase::TwoSpread,
    Phase::Grown,
    Phase::GrownSpread,
    Phase::FakesAlone,
    Phase::SandboxCheckout,
    Phase::NetworkCheckout,
    Phase::NetworkLatency,
    Phase::NetworkTransfer,
    Phase::NetworkWaiting,
    Phase::Callbacks,
    Phase::Listening,
    Phase::Deliveries,
    Phase::Sockets,
];

pub fn text(options: &Options, figures: &Figures) -> String {
    let runs = options.runs;
    let about = format!(
        "Medians of {runs} runs, windows of {} s; in brackets the lowest and the highest.",
        options.seconds
    );
    let head = words(&["ratio", "target", "measured", ""]);
    let ratios: Vec<_> = std::iter::once(head)
        .chain(ratios(options.database, figures).iter().map(Ratio::row))
        .collect();
    let parts = [
        (about.as_str(), measured(figures)),
        ("The servers, after their last run:", servers(figures)),
        ("Each ratio is taken within a run:", ratios),
    ];
    let mut text = String::new();
    // A part with only a heading was not measured.
    for (title, rows) in parts.iter().filter(|(_, rows)| rows.len() > 1) {
        text += &format!("\n{title}\n\n{}", table(rows));
    }
    text
}

pub fn json(options: &Options, machine: &Machine, figures: &Figures) -> Value {
    let samples: Vec<_> = figures.samples.iter().map(sample_json).collect();
    let servers: Vec<_> = figures.visits.iter().map(visit_json).collect();
    let ratios: Vec<_> = ratios(options.database, figures).iter().map(Ratio::json).collect();
    json!({
        "machine": machine.to_string(),
        "runs": options.runs,
        "seconds": options.seconds,
        "database": if options.database == Kind::Sqlite { "SQLite" } else { "PostgreSQL" },
        "samples": samples,
        "servers": servers,
        "ratios": ratios,
    })
}

fn sample_json(sample: &Sample) -> Value {
    let Sample { round, phase, width, per_second, p50_ms, p99_ms, server_cpu, load_cpu, batch } =
        sample;
    let width_is = match phase {
        Phase::Raw => "executions_a_commit",
        Phase::Grown | Phase::GrownSpread => "executions_there",
        _ => "connections",
    };
    json!({
        "run": round + 1, "phase": phase.name(), width_is: width, "per_second": per_second, "p50_ms": p50_ms, "p99_ms": p99_ms,
        "server_cpu": server_cpu, "load_cpu": load_cpu, "batch": batch,
    })
}

fn visit_json(visit: &ServerStats) -> Value {
    let ServerStats { round, name, executions, peak_memory_mb, database_mb, bytes_per_payment } =
        visit;
    json!({
        "run": round + 1, "server": name, "executions": executions, "peak_memory_mb": peak_memory_mb,
        "database_mb": database_mb, "bytes_per_payment": bytes_per_payment,
    })
}

// Tables
// ------------------------------------------------------------------------------------------------------------------

type Row = Vec<String>;

fn measured(figures: &Figures) -> Vec<Row> {
    let mut rows = vec![words(&[
        "what",
        "connections",
        "per second",
        "p50 ms",
        "p99 ms",
        "CPU server",
        "CPU load",
        "executions a commit",
    ])];
    for phase in PHASES {
        for width in figures.widths(phase) {
            let samples: Vec<_> = figures.of(phase, width).collect();
            let all = |of: fn(&Sample) -> Option<f64>| {
                Spread::of(samples.iter().filter_map(|sample| of(sample)))
            };
            let shown = |of: fn(&Sample) -> Option<f64>, digits: usize, scale: f64, unit: &str| {
                all(of).filter(|spread| spread.median.is_finite()).map_or_else(
                    || "-".to_owned(),
                    |spread| format!("{:.digits$}{unit}", spread.median * scale),
                )
            };
            rows.push(vec![
                phase.name().to_owned(),
                if phase == Phase::Raw { "-".to_owned() } else { width.to_string() },
                all(|sample| Some(sample.per_second))
                    .map_or_else(String::new, |spread| spread.show(0)),
                shown(|sample| Some(sample.p50_ms), 2, 1.0, ""),
                shown(|sample| Some(sample.p99_ms), 2, 1.0, ""),
                shown(|sample| sample.server_cpu, 0, 100.0, " %"),
                shown(|sample| sample.load_cpu, 0, 100.0, " %"),
                shown(|sample| sample.batch, 1, 1.0, ""),
            ]);
        }
    }
    rows
}

fn servers(figures: &Figures) -> Vec<Row> {
    let mut rows = vec![words(&[
        "server",
        "executions",
        "peak memory MB",
        "database MB",
        "database bytes a payment",
    ])];
    let last = figures.visits.iter().map(|visit| visit.round).max();
    for visit in figures.visits.iter().filter(|visit| Some(visit.round) == last) {
        let bytes = figures
            .visits
            .iter()
            .filter(|other| other.name == visit.name)
            .filter_map(|other| other.bytes_per_payment);
        rows.push(vec![
            visit.name.to_owned(),
            visit.executions.to_string(),
            format!("{:.0}", visit.peak_memory_mb),
            format!("{:.0}", visit.database_mb),
            Spread::of(bytes)
                .map_or_else(|| "-".to_owned(), |spread| format!("{:.0}", spread.median)),
        ]);
    }
    rows
}

fn words(words: &[&str]) -> Row {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// A Markdown table. The first row is the heading, the first column is text, the others are
/// numbers.
fn table(rows: &[Row]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let shown = if column == 0 {
                format!("| {cell:<width$} ")
            } else {
                format!("| {cell:>width$} ")
            };
            text += &shown;
        }
        text += "|\n";
        if number == 0 {
            for column in 0..row.len() {
                let dashes = "-".repeat(width(column));
                let shown =
                    if column == 0 { format!("|-{dashes}-") } else { format!("|-{dashes}:") };
                text += &shown;
            }
            text += "|\n";
        }
    }
    text
}

// Statistics
// --------------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy)]
struct Spread {
    lowest: f64,
    median: f64,
    highest: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let (lower, upper) =
            (values.get(values.len().saturating_sub(1) / 2)?, values.get(values.len() / 2)?);
        Some(Self {
            lowest: *values.first()?,
            median: f64::midpoint(*lower, *upper),
            highest: *values.last()?,
        })
    }

    fn show(self, digits: usize) -> String {
        let Self { lowest, median, highest } = self;
        format!("{median:.digits$} ({lowest:.digits$} - {highest:.digits$})")
    }
}

impl Figures {
    fn of(&self, phase: Phase, width: usize) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.phase == phase && sample.width == width)
    }

    fn widths(&self, phase: Phase) -> Vec<usize> {
        let mut widths: Vec<_> = self
            .samples
            .iter()
            .filter(|sample| sample.phase == phase)
            .map(|sample| sample.width)
            .collect();
        widths.sort_unstable();
        widths.dedup();
        widths
    }

    fn in_round(&self, round: u32, phase: Phase, width: usize) -> Option<&Sample> {
        self.of(phase, width).find(|sample| sample.round == round)
    }

    /// The rate of raw SQLite in a round with `batch` executions in a transaction. Between the
    /// measured sizes it is interpolated linearly over the logarithm of the size.
    fn ceiling(&self, round: u32, batch: f64) -> Option<f64> {
        let sizes = self.widths(Phase::Raw);
        let rate =
            |size: usize| self.in_round(round, Phase::Raw, size).map(|sample| sample.per_second);
        let below = sizes.iter().copied().rfind(|size| *size as f64 <= batch);
        let above = sizes.iter().copied().find(|size| *size as f64 >= batch);
        match (below, above) {
            (Some(below), Some(above)) if below < above => {
                let part = (batch / below as f64).ln() / (above as f64 / below as f64).ln();
                Some(rate(below)? + part * (rate(above)? - rate(below)?))
            }
            (Some(size), _) | (None, Some(size)) => rate(size),
            (None, None) => None,
        }
    }
}

// Ratios
// ------------------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
    None,
}

struct Ratio {
    what: String,
    target: Target,
    measured: Spread,
}

impl Ratio {
    fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::AtLeast(bound) => Some(self.measured.median >= bound),
            Target::AtMost(bound) => Some(self.measured.median <= bound),
            Target::None => None,
        }
    }

    fn target(&self) -> String {
        match self.target {
            Target::AtLeast(bound) => format!("at least {bound}"),
            Target::AtMost(bound) => format!("at most {bound}"),
            Target::None => "-".to_owned(),
        }
    }

    fn row(&self) -> Row {
        let met = match self.is_met() {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "-",
        };
        vec![self.what.clone(), self.target(), self.measured.show(2), met.to_owned()]
    }

    fn json(&self) -> Value {
        let Spread { lowest, median, highest } = self.measured;
        json!({
            "what": self.what, "target": self.target(), "median": median, "lowest": lowest, "highest": highest, "met": self.is_met(),
        })
    }
}

/// The ratios of which both sides were measured.
fn ratios(kind: Kind, figures: &Figures) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    let crowds: Vec<_> = figures
        .widths(Phase::Execute)
        .into_iter()
        .filter(|connections| *connections >= 64)
        .collect();
    let mut add = |what: String, target: Target, of: &dyn Fn(u32) -> Option<f64>| {
        let rounds = 0..=figures.samples.iter().map(|sample| sample.round).max().unwrap_or(0);
        if let Some(measured) = Spread::of(rounds.filter_map(of)) {
            ratios.push(Ratio { what, target, measured });
        }
    };
    let rate = |round: u32, phase: Phase, width: usize| {
        figures.in_round(round, phase, width).map(|sample| sample.per_second)
    };
    for &width in &crowds {
        let to_ceiling = |round: u32| {
            let sample = figures.in_round(round, Phase::Execute, width)?;
            Some(sample.per_second / figures.ceiling(round, sample.batch?)?)
        };
        add(
            format!("execute / raw SQLite in batches of that size, {width} connections"),
            Target::AtLeast(0.6),
            &to_ceiling,
        );
    }
    // Most targets are for SQLite, where reads and commits do not go over a network.
    let on = |wanted: Kind, bound: f64| {
        if kind == wanted { Target::AtLeast(bound) } else { Target::None }
    };
    let pairs = [
        (Phase::Payment, Phase::Execute, on(Kind::Sqlite, 0.35)),
        (Phase::Checkout, Phase::Execute, on(Kind::Sqlite, 0.12)),
        (Phase::Execute, Phase::BatchOne, on(Kind::Sqlite, 4.0)),
        (Phase::Spread, Phase::Execute, on(Kind::Sqlite, 0.5)),
        (Phase::Execute, Phase::Noop, Target::None),
        (Phase::Status, Phase::Noop, on(Kind::Sqlite, 0.5)),
        (Phase::Prediction, Phase::Noop, on(Kind::Sqlite, 0.5)),
        (Phase::Page, Phase::Noop, on(Kind::Sqlite, 0.5)),
        (Phase::Execute, Phase::Pgbench, on(Kind::Postgres, 2.0)),
        (Phase::TwoHot, Phase::Execute, on(Kind::Postgres, 0.8)),
        (Phase::TwoSpread, Phase::Spread, Target::None),
        (Phase::Listening, Phase::Execute, Target::AtLeast(0.6)),
    ];
    for (over, under, target) in pairs {
        for &width in &crowds {
            let ratio = |round: u32| Some(rate(round, over, width)? / rate(round, under, width)?);
            add(format!("{} / {}, {width} connections", over.name(), under.name()), target, &ratio);
        }
    }
    // The yardstick is taken at the number of connections at which it is fastest.
    for (over, under, connections, bound) in [
        (Phase::Execute, Phase::StatementsHot, 32, 10.0),
        (Phase::Spread, Phase::StatementsSpread, 16, 4.0),
    ] {
        for &width in &crowds {
            let ratio =
                |round: u32| Some(rate(round, over, width)? / rate(round, under, connections)?);
            let what =
                format!("{}, {width} connections / {}, {connections}", over.name(), under.name());
            add(what, Target::AtLeast(bound), &ratio);
        }
    }
    if kind == Kind::Postgres {
        let rate = |round: u32| rate(round, Phase::Execute, 128);
        add("execute a second, 128 connections".to_owned(), Target::AtLeast(5000.0), &rate);
        let tail =
            |round: u32| figures.in_round(round, Phase::Execute, 128).map(|sample| sample.p99_ms);
        add("p99 of execute in ms, 128 connections".to_owned(), Target::AtMost(60.0), &tail);
    }
    let alone = |round: u32| {
        let server = figures.in_round(round, Phase::Execute, 1)?;
        Some(server.p50_ms / figures.in_round(round, Phase::Raw, 1)?.p50_ms)
    };
    add(
        "p50 of execute over 1 connection / raw SQLite, one execution a commit".to_owned(),
        Target::AtMost(2.0),
        &alone,
    );
    network_ratios(kind, figures, &mut add);
    let told = |round: u32| rate(round, Phase::Deliveries, ENDPOINTS);
    add("messages a second to 64 endpoints".to_owned(), Target::AtLeast(3000.0), &told);
    let late =
        |round: u32| figures.in_round(round, Phase::Sockets, SOCKETS).map(|sample| sample.p99_ms);
    add(
        "p99 in ms from a payment to its socket, 10000 sockets".to_owned(),
        Target::AtMost(250.0),
        &late,
    );
    let memory = |round: u32| {
        let visit = |visit: &&ServerStats| visit.round == round && visit.name == SITE_SOCKETS;
        figures.visits.iter().find(visit).map(|visit| visit.peak_memory_mb)
    };
    add(
        "peak memory in MB of a server with 10000 sockets".to_owned(),
        Target::AtMost(250.0),
        &memory,
    );
    let memory = |round: u32| {
        let visits = figures
            .visits
            .iter()
            .filter(|visit| visit.round == round && visit.executions >= PAYMENTS);
        visits.map(|visit| visit.peak_memory_mb).reduce(f64::max)
    };
    add(
        format!("peak memory in MB after {PAYMENTS} payments or more"),
        Target::AtMost(150.0),
        &memory,
    );
    ratios
}

/// Adds a ratio: what it is of, its target, and what it is in a round.
type AddRatio<'a> = dyn FnMut(String, Target, &dyn Fn(u32) -> Option<f64>) + 'a;

/// What payments through a network are compared with.
fn network_ratios(kind: Kind, figures: &Figures, add: &mut AddRatio<'_>) {
    let rate = |round: u32, phase: Phase, width: usize| {
        figures.in_round(round, phase, width).map(|sample| sample.per_second)
    };
    for (over, under, target) in [
        (Phase::NetworkCheckout, Phase::SandboxCheckout, Target::AtLeast(0.5)),
        (Phase::NetworkCheckout, Phase::FakesAlone, Target::None),
        (Phase::NetworkWaiting, Phase::NetworkTransfer, Target::AtLeast(0.9)),
    ] {
        for width in figures.widths(under) {
            let ratio = |round: u32| Some(rate(round, over, width)? / rate(round, under, width)?);
            let what = format!("{} / {}, {width} connections", over.name(), under.name());
            add(what, target, &ratio);
        }
    }
    for width in figures.widths(Phase::NetworkLatency) {
        // Each connection has one payment under way, which takes at least the latency.
        let possible = width as f64 * 1000.0 / LATENCY_MS as f64;
        let ratio = |round: u32| {
            let near = rate(round, Phase::NetworkCheckout, width)?;
            Some(rate(round, Phase::NetworkLatency, width)? / near.min(possible))
        };
        let what = format!(
            "{} / the lower of {possible:.0} and {}, {width} connections",
            Phase::NetworkLatency.name(),
            Phase::NetworkCheckout.name()
        );
        add(what, Target::AtLeast(0.8), &ratio);
    }
    for width in figures.widths(Phase::Callbacks) {
        // On PostgreSQL there is no target.
        let on_sqlite = |target: Target| if kind == Kind::Sqlite { target } else { Target::None };
        let name = Phase::Callbacks.name();
        let per_second = |round: u32| rate(round, Phase::Callbacks, width);
        let what = format!("{name} settled a second, {width} connections");
        add(what, on_sqlite(Target::AtLeast(2000.0)), &per_second);
        let tail = |round: u32| {
            figures.in_round(round, Phase::Callbacks, width).map(|sample| sample.p99_ms)
        };
        let what = format!("p99 of {name} in ms, {width} connections");
        add(what, on_sqlite(Target::AtMost(100.0)), &tail);
    }
    let memory = |round: u32| {
        let mut visits = figures.visits.iter().filter(|visit| visit.round == round);
        visits.find(|visit| visit.name == SITE_WAITING).map(|visit| visit.peak_memory_mb)
    };
    add(
        "peak memory in MB with 10000 payments at pawaPay".to_owned(),
        Target::AtMost(200.0),
        &memory,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: u32, phase: Phase, width: usize, per_second: f64, batch: f64) -> Sample {
        let (p50_ms, p99_ms) = (1.0, 2.0);
        Sample {
            round,
            phase,
            width,
            per_second,
            p50_ms,
            p99_ms,
            server_cpu: None,
            load_cpu: None,
            batch: Some(batch),
        }
    }

    #[test]
    fn the_ceiling_is_read_between_the_measured_sizes() {
        let samples = vec![
            sample(0, Phase::Raw, 1, 1000.0, 1.0),
            sample(0, Phase::Raw, 32, 8000.0, 32.0),
            sample(0, Phase::Raw, 128, 12_000.0, 128.0),
        ];
        let figures = Figures { samples, visits: Vec::new() };
        let at = |batch: f64| figures.ceiling(0, batch).unwrap().round();
        assert_eq!(
            [at(0.9), at(1.0), at(32.0), at(64.0), at(128.0), at(200.0)],
            [1000.0, 1000.0, 8000.0, 10_000.0, 12_000.0, 12_000.0]
        );
        assert!(figures.ceiling(1, 32.0).is_none());
    }

    #[test]
    fn a_ratio_is_taken_within_a_round_and_its_median_decides() {
        let mut samples = Vec::new();
        // The machine gets three times slower, the ratio stays.
        for (round, speed) in [(0, 3.0), (1, 2.0), (2, 1.0)] {
            samples.push(sample(round, Phase::Raw, 32, 1000.0 * speed, 32.0));
            samples.push(sample(round, Phase::Execute, 64, 700.0 * speed, 32.0));
        }
        let ratios = ratios(Kind::Sqlite, &Figures { samples, visits: Vec::new() });
        assert_eq!(ratios.len(), 1);
        assert!((ratios[0].measured.median - 0.7).abs() < 1e-9);
        assert_eq!(ratios[0].is_met(), Some(true));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter()).unwrap();
        assert_eq!(spread.show(1), "2.5 (1.0 - 4.0)");
        assert!(Spread::of(std::iter::empty()).is_none());
    }
}

//! Plots the figures of `bench --json` as SVG: executions per second by the number of connections,
//! and by the number of executions in the database.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;
/// Colours that people with colour blindness can tell apart, on white and on dark pages.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

#[derive(clap::Args)]
pub struct Options {
    /// Read these files, written by `cargo xtask bench --json`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the plots into this folder
    #[arg(long, default_value = "docs/plots")]
    out: PathBuf,
}

/// A plot: its file, its texts, and which figures it shows.
struct Plot {
    file: &'static str,
    title: &'static str,
    across: &'static str,
    /// The field of a sample that is on the horizontal axis.
    field: &'static str,
    phases: &'static [(&'static str, &'static str)],
}

const PLOTS: [Plot; 2] = [
    Plot {
        file: "concurrency.svg",
        title: "Executions a second",
        across: "connections",
        field: "connections",
        phases: &[("execute", "one wallet")],
    },
    Plot {
        file: "growth.svg",
        title: "Executions a second, 128 connections",
        across: "executions there already",
        field: "executions_there",
        phases: &[
            ("execute, by executions there", "one wallet"),
            ("execute, 100 merchants, by executions there", "100 merchants"),
        ],
    },
];

/// A line: its name and its points.
type Line = (String, Vec<(f64, f64)>);

pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for file in &options.files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        reports.push(serde_json::from_str(&text).with_context(|| file.display().to_string())?);
    }
    fs::create_dir_all(&options.out)?;
    for plot in &PLOTS {
        let lines: Vec<Line> = reports.iter().flat_map(|report| lines(plot, report)).collect();
        if !lines.is_empty() {
            write(&options.out.join(plot.file), &draw(plot, &lines))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())?;
    println!("{}", path.display());
    Ok(())
}

/// The medians of a report's figures, one line for each phase.
fn lines(plot: &Plot, report: &Value) -> Vec<Line> {
    let database = report.get("database").and_then(Value::as_str).unwrap_or_default();
    let samples =
        report.get("samples").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let line = |(phase, name): &(&str, &str)| {
        let of_phase = samples
            .iter()
            .filter(|sample| sample.get("phase").and_then(Value::as_str) == Some(phase));
        let mut all: Vec<(f64, f64)> = of_phase
            .filter_map(|sample| {
                Some((sample.get(plot.field)?.as_f64()?, sample.get("per_second")?.as_f64()?))
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let medians = all
            .chunk_by(|a, b| a.0 == b.0)
            .filter_map(|same| same.get(same.len() / 2).copied())
            .collect::<Vec<_>>();
        (!medians.is_empty()).then(|| (format!("{database}, {name}"), medians))
    };
    plot.phases.iter().filter_map(line).collect()
}

fn draw(plot: &Plot, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let (left, right) =
        points().fold((f64::MAX, 1.0_f64), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
    let step = nice_step(points().fold(1.0, |high: f64, (_, y)| high.max(*y)));
    let top = (points().fold(1.0, |high: f64, (_, y)| high.max(*y)) / step).ceil() * step;
    // The horizontal axis is logarithmic: from 1 to 256, or from ten thousand to a million.
    let x = |value: f64| {
        LEFT + (WIDTH - LEFT - RIGHT) * (value / left).ln() / (right / left).ln().max(1e-9)
    };
    let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{}</text>\n",
        plot.title
    );
    let mut add = |line: std::fmt::Arguments<'_>| {
        svg.write_fmt(line).and_then(|()| svg.write_char('\n')).ok()
    };
    let mut value = 0.0;
    while value <= top {
        let at = y(value);
        add(format_args!("<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - RIGHT));
        add(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
            LEFT - 8.0,
            at + 4.0
        ));
        value += step;
    }
    let mut across: Vec<f64> = points().map(|(x, _)| *x).collect();
    across.sort_by(f64::total_cmp);
    across.dedup();
    for value in across {
        let (at, below) = (x(value), HEIGHT - BOTTOM + 18.0);
        add(format_args!(
            "<text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{value:.0}</text>"
        ));
    }
    let (middle, below) = (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 12.0);
    add(format_args!(
        "<text x=\"{middle:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{}</text>",
        plot.across
    ));
    for (number, ((name, points), colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let path: Vec<String> =
            points.iter().map(|(px, py)| format!("{:.1} {:.1}", x(*px), y(*py))).collect();
        add(format_args!(
            "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join("L")
        ));
        for (px, py) in points {
            add(format_args!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>",
                x(*px),
                y(*py)
            ));
        }
        let at = LEFT + 165.0 * number as f64;
        add(format_args!("<circle cx=\"{:.1}\" cy=\"34\" r=\"4\" fill=\"{colour}\"/>", at + 4.0));
        add(format_args!("<text x=\"{:.1}\" y=\"38\" font-size=\"12\">{name}</text>", at + 12.0));
    }
    svg + "</svg>\n"
}

/// The distance of grid lines: there are four to ten, with round numbers.
fn nice_step(top: f64) -> f64 {
    let power = 10.0_f64.powf((top / 4.0).log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| top / step >= 4.0)
        .unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_becomes_a_line_of_medians() {
        let sample = |connections: u32, rate: f64| json!({"phase": "execute", "connections": connections, "per_second": rate});
        let samples = [sample(8, 300.0), sample(1, 100.0), sample(8, 100.0), sample(8, 200.0)];
        let report = json!({"database": "SQLite", "samples": samples});
        let lines = lines(&PLOTS[0], &report);
        assert_eq!(lines, [("SQLite, one wallet".to_owned(), vec![(1.0, 100.0), (8.0, 200.0)])]);
        let svg = draw(&PLOTS[0], &lines);
        assert!(
            svg.starts_with("<svg ")
                && svg.ends_with("</svg>\n")
                && svg.contains("SQLite, one wallet"),
            "{svg}"
        );
    }

    #[test]
    fn lines_are_at_round_numbers() {
        assert_eq!(
            [nice_step(24_000.0), nice_step(8_600.0), nice_step(100.0)],
            [5_000.0, 2_000.0, 20.0]
        );
    }
}

//! The table of results by crash point.

use std::path::Path;

use anyhow::Context as _;

use super::trial::TrialCounts;

const BEGIN: &str = "<!-- crash-points: written by cargo xtask crash-points --write -->\n";
const END: &str = "<!-- /crash-points -->";

/// A crash point, and its results on SQLite and on PostgreSQL.
pub struct Row {
    point: String,
    outcomes: [Result<TrialCounts, String>; 2],
}

impl From<((String, Result<TrialCounts, String>), Result<TrialCounts, String>)> for Row {
    fn from(
        ((point, sqlite), postgres): (
            (String, Result<TrialCounts, String>),
            Result<TrialCounts, String>,
        ),
    ) -> Self {
        Self { point, outcomes: [sqlite, postgres] }
    }
}

impl Row {
    /// Nothing failed, and a server passes the point at all.
    pub fn is_good(&self) -> bool {
        let kills = self
            .outcomes
            .iter()
            .map(|outcome| outcome.as_ref().map_or(0, |tally| tally.kills))
            .sum::<u32>();
        self.outcomes.iter().all(Result::is_ok) && kills > 0
    }
}

fn cell(outcome: &Result<TrialCounts, String>) -> String {
    match outcome {
        Ok(TrialCounts { kills: 0, .. }) => "not passed".to_owned(),
        Ok(TrialCounts { kills, executions }) => format!("{kills} / {executions}"),
        Err(error) => format!("**FAILED**: {}", error.replace(['\n', '|'], " ")),
    }
}

pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| the server ended | SQLite: kills / executions | PostgreSQL |\n|---|---|---|\n",
    );
    for Row { point, outcomes: [sqlite, postgres] } in rows {
        let point = point.replacen('-', " `", 1);
        text.push_str(&format!("| {point}` | {} | {} |\n", cell(sqlite), cell(postgres)));
    }
    let tallies = || rows.iter().flat_map(|row| &row.outcomes).flatten();
    let (kills, executions): (u32, u32) =
        (tallies().map(|tally| tally.kills).sum(), tallies().map(|tally| tally.executions).sum());
    text.push_str(&format!(
        "\n{kills} kills, {executions} executions: each is there exactly once, in the state that its client was told.\n"
    ));
    text
}

/// Replaces what is between the markers.
pub fn write(file: &Path, table: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parts =
        text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.with_context(|| format!("the markers are missing in {}", file.display()))?;
    Ok(std::fs::write(file, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_put_between_its_markers_again_and_again() {
        let file = std::env::temp_dir().join(format!("kola-table-{}.md", std::process::id()));
        std::fs::write(&file, format!("# A\n{BEGIN}old{END}\nB\n")).unwrap();
        write(&file, "one\n").unwrap();
        write(&file, "two\n").unwrap();
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            format!("# A\n{BEGIN}\ntwo\n\n{END}\nB\n")
        );
        std::fs::write(&file, "no markers").unwrap();
        assert!(write(&file, "three").is_err());
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_point_that_nobody_passes_proves_nothing() {
        let row = |kills| Row {
            point: "before-open".to_owned(),
            outcomes: [Ok(TrialCounts { kills, executions: 5 }), Ok(TrialCounts::default())],
        };
        assert!(row(1).is_good() && !row(0).is_good());
        let failed = Row {
            outcomes: [Ok(TrialCounts { kills: 1, executions: 5 }), Err("a|b\nc".to_owned())],
            ..row(1)
        };
        assert!(!failed.is_good());
        assert!(markdown(&[failed]).contains("| before `open` | 1 / 5 | **FAILED**: a b c |"));
    }
}

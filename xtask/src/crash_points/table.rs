//! The table of results by crash point.

use std::path::Path;

use anyhow::Context as _;

use super::is_of_webhooks;
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
    /// Nothing failed, and a server passes the point at all: one of webhooks on both databases, and
    /// beside another server, too.
    pub fn is_good(&self) -> bool {
        let beside = |outcome: &Result<TrialCounts, String>| {
            outcome.as_ref().is_ok_and(|tally| tally.beside > 0)
        };
        if is_of_webhooks(&self.point) && !self.outcomes.iter().all(beside) {
            return false;
        }
        let kills = self
            .outcomes
            .iter()
            .map(|outcome| outcome.as_ref().map_or(0, |tally| tally.kills))
            .sum::<u32>();
        self.outcomes.iter().all(Result::is_ok) && kills > 0
    }
}

fn cell(outcome: &Result<TrialCounts, String>, of_webhooks: bool) -> String {
    match outcome {
        Ok(TrialCounts { kills: 0, .. }) => "not passed".to_owned(),
        Ok(TrialCounts { kills, executions, told, repeats, .. }) if of_webhooks => {
            format!("{kills} / {executions} / {told} / {repeats}")
        }
        Ok(TrialCounts { kills, executions, .. }) => format!("{kills} / {executions}"),
        Err(error) => format!("**FAILED**: {}", error.replace(['\n', '|'], " ")),
    }
}

pub fn markdown(rows: &[Row]) -> String {
    let (webhooks, others): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| is_of_webhooks(&row.point));
    let mut text = String::new();
    if !others.is_empty() {
        append("kills / executions", &others, false, &mut text);
        let (kills, executions) = (
            sum(&others, |tally| tally.kills.into()),
            sum(&others, |tally| tally.executions.into()),
        );
        text.push_str(&format!(
            "\n{kills} kills, {executions} executions: each is there exactly once, in the state that its client was told.\n"
        ));
    }
    if !webhooks.is_empty() {
        if !others.is_empty() {
            text.push('\n');
        }
        append("kills / executions / messages told / told again", &webhooks, true, &mut text);
        let [kills, executions] = [
            sum(&webhooks, |tally| tally.kills.into()),
            sum(&webhooks, |tally| tally.executions.into()),
        ];
        let [told, repeats] =
            [sum(&webhooks, |tally| tally.told), sum(&webhooks, |tally| tally.repeats)];
        text.push_str(&format!(
            "\n{kills} kills, {executions} executions, {told} messages: each endpoint was told of every event that it wants, \
             {repeats} times once more than needed, always with the same id and body.\n"
        ));
    }
    text
}

fn append(figures: &str, rows: &[&Row], of_webhooks: bool, text: &mut String) {
    text.push_str(&format!(
        "| the server ended | SQLite: {figures} | PostgreSQL |\n|---|---|---|\n"
    ));
    for Row { point, outcomes: [sqlite, postgres] } in rows {
        let point = point.replacen('-', " `", 1);
        let [sqlite, postgres] = [cell(sqlite, of_webhooks), cell(postgres, of_webhooks)];
        text.push_str(&format!("| {point}` | {sqlite} | {postgres} |\n"));
    }
}

fn sum(rows: &[&Row], figure: impl Fn(&TrialCounts) -> u64) -> u64 {
    rows.iter().flat_map(|row| &row.outcomes).flatten().map(figure).sum()
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

    fn counts(kills: u32) -> TrialCounts {
        TrialCounts { kills, executions: 5, beside: 1, told: 9, repeats: 3 }
    }

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
            outcomes: [Ok(counts(kills)), Ok(TrialCounts::default())],
        };
        assert!(row(1).is_good() && !row(0).is_good());
        let failed = Row { outcomes: [Ok(counts(1)), Err("a|b\nc".to_owned())], ..row(1) };
        assert!(!failed.is_good());
        assert!(markdown(&[failed]).contains("| before `open` | 1 / 5 | **FAILED**: a b c |"));
    }

    #[test]
    fn what_was_told_has_a_table_of_its_own() {
        let row =
            |point: &str| Row { point: point.to_owned(), outcomes: [Ok(counts(1)), Ok(counts(2))] };
        let text = markdown(&[row("before-open"), row("after-commit_claim")]);
        assert!(text.contains("| before `open` | 1 / 5 | 2 / 5 |"), "{text}");
        assert!(
            text.contains("| after `commit_claim` | 1 / 5 / 9 / 3 | 2 / 5 / 9 / 3 |"),
            "{text}"
        );
        assert!(text.contains("3 kills, 10 executions, 18 messages:"), "{text}");
        assert!(!markdown(&[row("before-open")]).contains("messages"));
        assert!(row("after-commit_claim").is_good());
        let alone = TrialCounts { beside: 0, ..counts(1) };
        assert!(
            !Row { outcomes: [Ok(counts(1)), Ok(alone)], ..row("after-commit_claim") }.is_good()
        );
        assert!(Row { outcomes: [Ok(counts(1)), Ok(alone)], ..row("after-open") }.is_good());
    }
}

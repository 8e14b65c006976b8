//! The summary of a test run.

#[derive(Debug, Default, PartialEq)]
pub struct Summary {
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
    /// The messages of tests that could not run here. The harness hides what a passing test prints,
    /// so such a test writes a line that begins with `SKIPPED` to the standard error of the
    /// process.
    skipped: Vec<String>,
}

impl Summary {
    pub fn note(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, " passed");
            self.failed += count(counts, " failed");
            self.ignored += count(counts, " ignored");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        } else if line.starts_with("SKIPPED") {
            // All tests of a skipped module write the same line.
            if !self.skipped.iter().any(|skipped| skipped == line) {
                self.skipped.push(line.to_owned());
            }
        }
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; ...`.
fn count(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl std::fmt::Display for Summary {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "{} passed, {} failed, {} ignored", self.passed, self.failed, self.ignored)?;
        for line in &self.skipped {
            writeln!(out, "{line}")?;
        }
        for name in &self.failures {
            writeln!(out, "FAILED {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_adds_up_the_results_of_every_test_program() {
        let mut summary = Summary::default();
        for line in [
            "test money::adds ... ok\n",
            "test money::rounds ... FAILED\n",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
            "SKIPPED go: not installed\n",
            "SKIPPED go: not installed\n",
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        ] {
            summary.note(line);
        }
        let expected = Summary {
            passed: 13,
            failed: 1,
            ignored: 3,
            failures: vec!["money::rounds".to_owned()],
            skipped: vec!["SKIPPED go: not installed".to_owned()],
        };
        assert_eq!(summary, expected);
    }
}

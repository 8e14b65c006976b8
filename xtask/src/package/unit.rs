//! The systemd unit, as far as a trial without systemd follows it.

use anyhow::Context as _;

/// A unit's lines.
pub struct Unit(String);

impl Unit {
    pub const fn read(text: String) -> Self {
        Self(text)
    }

    /// The value of a setting that is given once.
    pub fn value(&self, name: &str) -> anyhow::Result<&str> {
        let mut values =
            self.0.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values.next().with_context(|| format!("the unit has no {name}"))
    }

    /// The words of the command that starts the service. None of them is quoted.
    pub fn command(&self) -> anyhow::Result<Vec<&str>> {
        Ok(self.value("ExecStart")?.split_whitespace().collect())
    }
}

/// The variables of a file that a unit names with `EnvironmentFile`.
pub fn variables(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_by_its_whole_name() {
        let unit = Unit::read(
            "[Service]\nUserX=other\nUser=kola\nExecStart=/usr/bin/kola serve\n".to_owned(),
        );
        assert_eq!(unit.value("User").unwrap(), "kola");
        assert_eq!(unit.command().unwrap(), ["/usr/bin/kola", "serve"]);
        assert!(unit.value("Group").is_err());
        assert_eq!(variables("# a\nKOLA_LISTEN=:1\n"), [("KOLA_LISTEN", ":1")]);
    }
}

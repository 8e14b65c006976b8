//! `kola config`: checks the config file, and prints what holds.

use std::fmt::Write as _;
use std::path::Path;

use axum::http::Uri;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::config_file::{self, ConfigFile, Fault};
use crate::cli::exit::Exit;
use crate::cli::masking::masked;
use crate::cli::{arguments, command, fail, output, serve};
use crate::credentials::sealing::SealingKey;
use store::Database;
use store::schema::migrate;

/// The longest line of a comment of the sample.
const COMMENT_WIDTH: usize = 78;

#[derive(Subcommand)]
pub enum Config {
    /// Print every setting: its value, and where it comes from. Passwords are masked.
    ///
    /// It takes the options of `kola serve`, too, and prints what they would change.
    Show(Everything),
    /// Say whether the config file is right: all of its faults at once. Exit with 2 if it has any.
    ///
    /// What is allowed and dangerous is a warning. No database is opened and nothing is called.
    Check(Everything),
    /// Print a config file with every setting at its default, and what it means.
    Sample,
}

/// The options of the server, which stand beside the config file.
#[derive(Args)]
pub struct Everything {
    #[command(flatten)]
    _serve: serve::Serve,
}

/// What flags, environment and file say together.
pub struct Resolved<'a> {
    /// The path of the file; empty where there is none.
    pub path: &'a Path,
    pub matches: &'a ArgMatches,
    pub file: &'a ConfigFile,
    pub faults: Vec<Fault>,
}

impl Config {
    pub fn run(&self, resolved: &Resolved) -> Exit {
        let told = match self {
            Self::Show(_) if !resolved.faults.is_empty() => {
                resolved.tell_faults();
                return Exit::Mistaken;
            }
            Self::Show(_) => show(&resolved.settings()),
            Self::Check(_) => return check(resolved),
            Self::Sample => sample(),
        };
        told.map_or_else(|error| fail(&error), |()| Exit::Done)
    }
}

/// A setting as it holds.
struct Setting {
    name: String,
    variable: String,
    /// Nothing where it is not set and has no default.
    value: Option<String>,
    /// The file and the line, if the value is of the file.
    place: Option<String>,
    source: Source,
    is_hidden: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Default,
    File,
    Environment,
    Flag,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

impl Setting {
    /// Where the value comes from, for people.
    fn origin(&self) -> String {
        match self.source {
            Source::Default => "default".to_owned(),
            Source::File => self.place.clone().unwrap_or_default(),
            Source::Environment => self.variable.clone(),
            Source::Flag => format!("--{}", self.name),
        }
    }
}

impl Resolved<'_> {
    fn tell_faults(&self) {
        self.faults.iter().for_each(|fault| output::warn(&fault.in_file(self.path)));
    }

    /// The settings in the order of `kola serve --help`.
    fn settings(&self) -> Vec<Setting> {
        let kola = command();
        let matches = self.matches.subcommand().and_then(|(_, config)| config.subcommand());
        let Some((_, matches)) = matches else { return vec![] };
        config_file::settings(&kola).map(|setting| self.setting(setting, matches)).collect()
    }

    fn setting(&self, setting: &Arg, matches: &ArgMatches) -> Setting {
        let variable = setting.get_env().unwrap_or_default().to_string_lossy().into_owned();
        let id = setting.get_id().as_str();
        let place = self.file.place(&variable);
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment,
            _ if place.is_some() => Source::File,
            _ => Source::Default,
        };
        let values = matches.get_raw(id);
        let value = values.map(|values| {
            values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",")
        });
        Setting {
            name: setting.get_long().unwrap_or(id).to_owned(),
            variable,
            value,
            place: place.filter(|_| source == Source::File),
            source,
            is_hidden: setting.is_hide_set(),
        }
    }
}

/// Prints the settings. One that is not offered to people is printed where it was set.
fn show(settings: &[Setting]) -> anyhow::Result<()> {
    let shown = || settings.iter().filter(|one| !one.is_hidden || one.source != Source::Default);
    let json: Vec<Value> = shown()
        .map(|one| {
            json!({
                "name": one.name,
                "value": one.value.as_deref().map(masked),
                "source": one.source.as_str(),
                "place": one.place,
                "variable": one.variable,
            })
        })
        .collect();
    let rows: Vec<[String; 3]> = shown()
        .map(|one| {
            let value = one.value.as_deref().map_or_else(|| "-".to_owned(), masked);
            [one.name.clone(), value, one.origin()]
        })
        .collect();
    output::tell(&Value::Array(json), &output::table(["setting", "value", "from"], &rows))
}

fn check(resolved: &Resolved) -> Exit {
    if resolved.path.as_os_str().is_empty() {
        output::warn("no config file is given: use --config FILE, or KOLA_CONFIG");
        return Exit::Mistaken;
    }
    resolved.tell_faults();
    let warnings = warnings(resolved);
    warnings.iter().for_each(|warning| output::warn(&format!("warning: {warning}")));
    let faults = resolved
        .faults
        .iter()
        .map(|fault| json!({ "line": fault.line, "key": fault.key, "message": fault.message }));
    let path = resolved.path.display();
    let json = json!({
        "file": path.to_string(),
        "faults": faults.collect::<Vec<_>>(),
        "warnings": warnings,
    });
    let text = format!(
        "{path}: {} settings, {} faults, {} warnings",
        resolved.file.values().count(),
        resolved.faults.len(),
        warnings.len()
    );
    match output::tell(&json, &text) {
        _ if !resolved.faults.is_empty() => Exit::Mistaken,
        Ok(()) => Exit::Done,
        Err(error) => fail(&error),
    }
}

/// What is allowed and dangerous.
fn warnings(resolved: &Resolved) -> Vec<String> {
    let settings = resolved.settings();
    let value = |variable: &str| {
        let setting = settings.iter().find(|setting| setting.variable == variable);
        setting.and_then(|setting| setting.value.as_deref())
    };
    let mut all = vec![];
    if resolved.file.values().any(|value| masked(value) != value) && is_public(resolved.path) {
        let path = resolved.path.display();
        all.push(format!(
            "every user of this machine can read the password in {path}: chmod o= {path}"
        ));
    }
    match value("KOLA_DATABASE").and_then(|url| url.parse().ok()) {
        Some(Database::Sqlite(path)) if path.is_relative() => all.push(format!(
            "database: {} is another file in each working directory: give its whole path",
            path.display()
        )),
        Some(Database::Postgres(_)) if value("KOLA_SECRETS_KEY_FILE").is_none() => {
            all.push(
                "secrets-key-file: it is not set, and with PostgreSQL no network account can be added and \
                 no webhook be signed without it: `kola secrets init-key FILE` makes one"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if let Some(file) = value("KOLA_MARKET")
        && let Err(error) = migrate::read_market(Some(Path::new(file)))
    {
        all.push(format!("market: a new database cannot be made with it: {error}"));
    }
    if let Some(file) = value("KOLA_STATEMENT_COLUMNS")
        && let Err(error) = arguments::columns(file)
    {
        all.push(format!("statement-columns: {error}"));
    }
    if let Some(file) = value("KOLA_SECRETS_KEY_FILE")
        && let Err(error) = SealingKey::read(Path::new(file))
    {
        all.push(format!("secrets-key-file: {error:#}"));
    }
    if let Some(url) = value("KOLA_PUBLIC_URL").filter(|url| is_open(url)) {
        all.push(format!(
            "public-url: what people send to {} can be read on its way: use https",
            masked(url)
        ));
    }
    all
}

/// Whether every user of the machine may read a file.
fn is_public(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o004 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Whether a URL leads over the internet without encryption: to a name with a dot, or a public address.
fn is_open(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_public = match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(address)) => !address.is_loopback() && !address.is_private(),
        Ok(std::net::IpAddr::V6(address)) => !address.is_loopback() && !address.is_unique_local(),
        Err(_) => host.contains('.') && !host.ends_with(".localhost"),
    };
    uri.scheme_str() == Some("http") && is_public
}

fn sample() -> anyhow::Result<()> {
    let kola = command();
    let settings: Vec<&Arg> =
        config_file::settings(&kola).filter(|setting| !setting.is_hide_set()).collect();
    let json: Vec<Value> = settings
        .iter()
        .map(|setting| {
            json!({
                "name": setting.get_long(),
                "default": default_of(setting),
                "variable": setting.get_env().map(|name| name.to_string_lossy()),
                "help": help_of(setting),
            })
        })
        .collect();
    let mut text = "\
# The settings of kola. Each line has the default: take its # away and write another value. Variables
# of the environment win over this file, and flags over both. `kola config check` says whether the
# file is right, and `kola config show` what holds. Paths are relative to the working directory.
"
    .to_owned();
    for setting in settings {
        text.push('\n');
        for line in output::wrapped(&help_of(setting), COMMENT_WIDTH) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# {line}");
        }
        let name = setting.get_long().unwrap_or_default();
        let _ = match default_of(setting) {
            Some(default) => writeln!(text, "#{name} = {}", in_toml(setting, &default)),
            None => writeln!(text, "#{name} = {}", placeholder(setting)),
        };
    }
    output::tell(&Value::Array(json), &text)
}

fn default_of(setting: &Arg) -> Option<String> {
    let values = setting.get_default_values();
    let text = values.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",");
    (!values.is_empty()).then_some(text)
}

fn help_of(setting: &Arg) -> String {
    let help = setting.get_long_help().or(setting.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    // clap takes the last full stop away.
    if help.is_empty() || help.ends_with('.') { help } else { format!("{help}.") }
}

/// A value in the file's own types.
fn in_toml(setting: &Arg, value: &str) -> String {
    if config_file::is_bool(setting) {
        // One of the words that mean it.
        let is_set = matches!(value, "true" | "1" | "yes" | "on");
        is_set.to_string()
    } else if config_file::is_integer(setting) {
        value.to_owned()
    } else if config_file::is_list(setting) {
        json!(value.split(',').collect::<Vec<_>>()).to_string().replace("\",\"", "\", \"")
    } else {
        // JSON's text is one of TOML's.
        json!(value).to_string()
    }
}

/// What stands for the value of a setting that has no default.
fn placeholder(setting: &Arg) -> String {
    let names = setting.get_value_names().unwrap_or_default();
    let name = names.first().map_or("VALUE", |name| name.as_str());
    in_toml(setting, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leaves_the_house_unencrypted_is_open() {
        for (url, expected) in [
            ("http://pay.example", true),
            ("http://pay.example:8080/", true),
            ("http://192.0.2.1", true),
            ("http://[2001:db8::1]:80", true),
            ("https://pay.example", false),
            ("http://localhost:8080", false),
            ("http://kola:8080", false),
            ("http://127.0.0.1", false),
            ("http://10.0.0.7:8080", false),
            ("http://[::1]:8080", false),
        ] {
            assert_eq!(is_open(url), expected, "{url}");
        }
    }
}

//! The config file: the settings of `kola serve` in TOML, by the long names of their flags.
//!
//! Which settings there are, and which values they may have, only clap's arguments say. The values of
//! the file become the defaults of the arguments, so that the environment wins over the file, and
//! flags win over both.

use std::any::TypeId;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use toml::de::{DeTable, DeValue};

use crate::web::language::PageLanguages;
use store::{Database, small_file};

/// The largest file that is read. All settings together take some thousands of bytes.
const SIZE_MAX: u64 = 1 << 20;

/// The options of `kola serve` that say something of one call of the program only.
const NO_SETTINGS: [&str; 4] = ["config", "json", "help", "version"];

/// How alike a known key must be to be named, from 0 to 1; clap names flags by the same measure.
const ALIKE: f64 = 0.7;

/// What a config file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    entries: Vec<Entry>,
}

/// A setting in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    key: String,
    /// The environment variable of the setting. An argument with the same variable is the same
    /// setting, whatever its command.
    variable: String,
    line: usize,
    value: String,
}

/// What is wrong with a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fault {
    /// Where it is; nothing where the whole file is wrong.
    pub line: Option<usize>,
    pub key: Option<String>,
    pub message: String,
}

impl Fault {
    fn of_file(message: impl Display) -> Self {
        Self { line: None, key: None, message: message.to_string() }
    }

    fn at(line: usize, message: impl Display) -> Self {
        Self { line: Some(line), key: None, message: message.to_string() }
    }

    /// One line that names the file.
    pub fn in_file(&self, path: &Path) -> String {
        format!("{}{self}", path.display())
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The settings: the arguments of `kola serve`, which has the global ones, too.
pub fn settings(kola: &Command) -> impl Iterator<Item = &Arg> {
    let serve = kola.find_subcommand("serve").into_iter().flat_map(Command::get_arguments);
    serve.filter(|argument| !NO_SETTINGS.contains(&argument.get_id().as_str()))
}

/// Whether a setting is a list, with commas between its members.
pub fn is_list(setting: &Arg) -> bool {
    setting.get_value_delimiter().is_some()
        || matches!(setting.get_action(), ArgAction::Append)
        || has_type::<PageLanguages>(setting)
}

pub fn is_bool(setting: &Arg) -> bool {
    has_type::<bool>(setting)
}

pub fn is_integer(setting: &Arg) -> bool {
    has_type::<u64>(setting)
        || has_type::<i64>(setting)
        || has_type::<u32>(setting)
        || has_type::<u16>(setting)
        || has_type::<usize>(setting)
}

/// Whether any text is a value of the setting, so that only the file's own type tells a number that
/// was meant for another one.
fn takes_any_text(setting: &Arg) -> bool {
    has_type::<String>(setting) || has_type::<PathBuf>(setting)
}

fn has_type<T: 'static>(setting: &Arg) -> bool {
    setting.get_value_parser().type_id() == TypeId::of::<T>()
}

impl ConfigFile {
    /// No file.
    #[must_use]
    pub const fn none() -> Self {
        Self { path: PathBuf::new(), entries: vec![] }
    }

    /// Where it is; `None` where there is none.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        Some(self.path.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// Reads a file. What is right in it is answered together with all that is wrong. `kola` has to
    /// be built.
    pub fn read(path: &Path, kola: &Command) -> (Self, Vec<Fault>) {
        let mut file = Self { path: path.to_owned(), entries: vec![] };
        let mut faults = match text_of(path) {
            Ok(text) => file.read_text(&text, kola),
            Err(fault) => vec![fault],
        };
        faults.sort();
        (file, faults)
    }

    fn read_text(&mut self, text: &str, kola: &Command) -> Vec<Fault> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let (table, errors) = DeTable::parse_recoverable(text);
        // The parser's own text of an error quotes the line, which may have a password.
        let mut faults: Vec<Fault> = errors
            .iter()
            .map(|error| {
                Fault::at(line(error.span().map_or(0, |span| span.start)), error.message())
            })
            .collect();
        for (key, value) in table.get_ref() {
            let at = line(key.span().start);
            if faults.iter().any(|fault| fault.line == Some(at)) {
                continue;
            }
            if let Err(message) = self.add(key.get_ref(), value.get_ref(), at, kola) {
                let key = Some(key.get_ref().to_string());
                faults.push(Fault { line: Some(at), key, message });
            }
        }
        faults
    }

    fn add(
        &mut self,
        key: &str,
        value: &DeValue,
        line: usize,
        kola: &Command,
    ) -> Result<(), String> {
        if value.is_table() {
            return Err(
                "is a table, and the file has none: its settings stand by themselves".to_owned()
            );
        }
        let name = key.replace('_', "-");
        let setting = settings(kola)
            .find(|setting| setting.get_long() == Some(name.as_str()))
            .ok_or_else(|| unknown(&name, kola))?;
        if let Some(first) = self.entries.iter().find(|entry| entry.key == name) {
            return Err(format!("is in line {} already", first.line));
        }
        let value = checked(setting, value)?;
        let variable = setting.get_env().unwrap_or_default().to_string_lossy().into_owned();
        self.entries.push(Entry { key: name, variable, line, value });
        Ok(())
    }

    /// The value of the setting with this environment variable.
    pub fn value(&self, variable: &str) -> Option<&str> {
        self.entry(variable).map(|entry| entry.value.as_str())
    }

    /// The file and the line of a setting.
    pub fn place(&self, variable: &str) -> Option<String> {
        self.entry(variable).map(|entry| format!("{}:{}", self.path.display(), entry.line))
    }

    fn entry(&self, variable: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.variable == variable)
    }

    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.value.as_str())
    }
}

/// The text of a file, or of a pipe that ends.
fn text_of(path: &Path) -> Result<String, Fault> {
    let cannot = |error: std::io::Error| Fault::of_file(format!("cannot be read: {error}"));
    let bytes = small_file::read(path, SIZE_MAX).map_err(cannot)?;
    let line = |at: usize| bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Fault::at(line(at), "there is a NUL byte: save the file as UTF-8"));
    }
    match std::str::from_utf8(&bytes) {
        // What some editors write at the beginning of UTF-8 is no part of the text.
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Err(error) => {
            let message = "there is a character that is not UTF-8: save the file as UTF-8";
            Err(Fault::at(line(error.valid_up_to()), message))
        }
    }
}

/// The message about a key that is no setting.
fn unknown(name: &str, kola: &Command) -> String {
    let known = settings(kola).filter_map(Arg::get_long);
    let rated = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let nearest = rated.max_by(|(one, _), (other, _)| one.total_cmp(other));
    match nearest {
        Some((alike, nearest)) if alike >= ALIKE => {
            format!("is no setting: did you mean {nearest}?")
        }
        _ => "is no setting: `kola config sample` has all of them".to_owned(),
    }
}

/// The value of a setting as its flag would take it.
fn checked(setting: &Arg, value: &DeValue) -> Result<String, String> {
    let text = match value {
        DeValue::Array(members) if is_list(setting) => {
            let members: Option<Vec<String>> =
                members.iter().map(|member| scalar(member.get_ref())).collect();
            members.ok_or("has a member that is neither a text nor a number")?.join(",")
        }
        DeValue::Array(_) => return Err("takes one value and no list".to_owned()),
        DeValue::Boolean(_) if !is_bool(setting) => {
            return Err("takes neither true nor false".to_owned());
        }
        DeValue::Integer(_) | DeValue::Float(_) if takes_any_text(setting) => {
            return Err("takes a text: put it between quotation marks".to_owned());
        }
        value => scalar(value).ok_or("takes no date and no time")?,
    };
    if text.contains('\0') {
        return Err("cannot have a NUL character".to_owned());
    }
    judged(setting, &text)?;
    Ok(text)
}

/// A value that is no list, as text.
fn scalar(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) => {
            // What is no integer of this size is refused as the text that it is.
            let parsed = i128::from_str_radix(integer.as_str(), integer.radix());
            Some(parsed.map_or_else(|_| integer.to_string(), |integer| integer.to_string()))
        }
        DeValue::Float(float) => Some(float.as_str().to_owned()),
        DeValue::Boolean(is_set) => Some(is_set.to_string()),
        _ => None,
    }
}

/// Asks the setting's own parser about a value. The message does not have the value where it may be
/// secret.
fn judged(setting: &Arg, value: &str) -> Result<(), String> {
    if setting.get_id() == "database" {
        // Parsed after clap, as the flag is.
        return value.parse::<Database>().map(drop);
    }
    let alone = setting
        .clone()
        .env(None::<&str>)
        .requires(Resettable::Reset)
        .conflicts_with(Resettable::Reset)
        .required(false)
        .default_value(value.to_owned());
    let judged = Command::new("kola").arg(alone).try_get_matches_from(["kola"]);
    judged.map(drop).map_err(|error| reason(&error))
}

/// What an error of clap says of the value, without the flag, which nobody has typed.
fn reason(error: &clap::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return source.to_string();
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
            format!("use one of {}", valid.join(", "))
        }
        _ => "needs another value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (ConfigFile, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kola.toml");
        std::fs::write(&path, bytes).unwrap();
        let (file, faults) = ConfigFile::read(&path, &crate::cli::command());
        (file, faults.iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn good(text: &str, variable: &str) -> String {
        let (file, faults) = read(text.as_bytes());
        assert_eq!(faults, Vec::<String>::new());
        file.value(variable).unwrap().to_owned()
    }

    /// The only fault of a file.
    #[track_caller]
    fn fault(bytes: impl AsRef<[u8]>) -> String {
        let (_, mut faults) = read(bytes.as_ref());
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults.remove(0)
    }

    #[test]
    fn a_value_has_the_type_of_the_file_or_is_the_text_of_the_flag() {
        assert_eq!(good("idle-seconds = 60", "KOLA_IDLE_SECONDS"), "60");
        assert_eq!(good("idle_seconds = '60'", "KOLA_IDLE_SECONDS"), "60");
        assert_eq!(good("connections-max = 0x1_00", "KOLA_CONNECTIONS_MAX"), "256");
        for value in ["true", "'true'"] {
            let text = format!("webhooks-private-addresses = {value}");
            assert_eq!(good(&text, "KOLA_WEBHOOKS_PRIVATE_ADDRESSES"), "true");
        }
        for value in ["['en', 'rw']", "'en,rw'"] {
            let text = format!("page-languages = {value}");
            assert_eq!(good(&text, "KOLA_PAGE_LANGUAGES"), "en,rw");
        }
        let origins = "cors-origins = ['https://a.example', 'https://b.example']";
        assert_eq!(good(origins, "KOLA_CORS_ORIGINS"), "https://a.example,https://b.example");
        assert_eq!(good("listen = ':0'\r\nlog = 'info'\r\n", "KOLA_LOG"), "info");
        assert_eq!(good("\u{feff}listen = ':0'", "KOLA_LISTEN"), ":0");
    }

    #[test]
    fn a_value_of_another_type_is_a_fault() {
        for text in [
            "listen = 8080",
            "listen = ['127.0.0.1:8080']",
            "network-proxy = true",
            "network-proxy = 1",
            "market = 1.5",
            "idle-seconds = true",
            "idle-seconds = 1.5",
            "idle-seconds = 0",
            "idle-seconds = 99999999999999999999999999",
            "idle-seconds = -1",
            "webhooks-private-addresses = 1",
            "webhooks-private-addresses = 'perhaps'",
            "public-url = 2026-11-30",
            "cors-origins = [['https://a.example']]",
            "cors-origins = [{ a = 1 }]",
            "cors-origins = ['nonsense']",
            "database = 'mystery:kola'",
            "log = 'loud'",
            "network-proxy = \"http://a\\u0000b\"",
            "secrets-key-file = ''",
        ] {
            let key = text.split(' ').next().unwrap();
            let said = fault(format!("\n{text}\n"));
            assert!(said.starts_with(&format!(":2: {key}: ")), "{text}: {said}");
            assert!(!said.contains("--"), "{text}: {said}");
        }
    }

    #[test]
    fn an_unknown_key_is_a_fault_that_names_the_nearest() {
        for (typed, meant) in [
            ("listne", "listen"),
            ("datbase", "database"),
            ("checkout", "checkout-minutes"),
            ("public-URL", "public-url"),
            ("rate_limits", "rate-limit"),
        ] {
            let said = fault(format!("# a comment\n\n{typed} = 1"));
            assert!(said.starts_with(":3: ") && said.contains(&format!("mean {meant}?")), "{said}");
        }
        for other in ["json = true", "config = 'a'", "help = true", "xyzzy = 1", "[a]", "a.b = 1"] {
            let said = fault(other);
            assert!(said.contains("is no setting") || said.contains("is a table"), "{said}");
        }
    }

    #[test]
    fn a_key_that_is_given_twice_is_a_fault() {
        let said = fault("listen = ':0'\nlog = 'info'\nlisten = ':1'");
        assert!(said.starts_with(":3: ") && said.contains("duplicate"), "{said}");
        let said = fault("public-url = 'http://a'\npublic_url = 'http://b'");
        assert!(said.contains("already"), "{said}");
    }

    #[test]
    fn all_faults_are_told_at_once_by_their_lines() {
        let (file, faults) = read(b"listen = \nlog = 'loud'\nidle-seconds = 60\nnone = 1\n");
        let lines: Vec<&str> =
            faults.iter().map(|fault| fault.split(':').nth(1).unwrap()).collect();
        assert_eq!(lines, ["1", "2", "4"], "{faults:?}");
        assert_eq!(file.value("KOLA_IDLE_SECONDS"), Some("60"));
    }

    #[test]
    fn a_file_that_is_no_text_is_a_fault() {
        assert!(fault(b"listen = ':0'\n# caf\xe9\n").starts_with(":2: "));
        assert!(fault("a\0").contains("NUL"));
        let utf_16: Vec<u8> = "log = 'info'".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(fault(utf_16).contains("UTF-8"));
        assert!(fault(vec![b'#'; (1 << 20) + 1]).contains("larger"));
        assert_eq!(read(&[b'#'; 1 << 20]).1, Vec::<String>::new());
        assert_eq!(read(b"").1, Vec::<String>::new());
    }

    #[test]
    fn a_fault_does_not_tell_a_password() {
        for text in [
            "database = 'postgres://kola:hunter2@'",
            "database = 'postgres://kola:hunter2@h/db\n",
            "public-url = 'ftp://kola:hunter2@h'",
            "rate-limit = 'hunter2'",
        ] {
            assert!(!fault(text).contains("hunter2"), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn every_setting_has_a_variable() {
        let kola = crate::cli::command();
        assert!(settings(&kola).count() > 20);
        for setting in settings(&kola) {
            assert!(setting.get_env().is_some(), "{}", setting.get_id());
        }
    }
}

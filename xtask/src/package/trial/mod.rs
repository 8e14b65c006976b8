//! `cargo xtask package-trial`: whether the packages do what users expect of them. They are installed,
//! upgraded and removed in a bare Debian, in a folder of this machine, and what is in them is run as
//! their own files say. Nothing of it touches the machine itself.

mod bare_debian;
mod booted;
mod installed;
mod others;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use super::Options as PackageOptions;
use super::tools::{command, files_below, output};
use crate::common::conclude;
use crate::test::apt_install;
use bare_debian::BareDebian;

/// Programs that the trial uses, with Debian's packages that have them.
const PROGRAMS: [(&str, &str); 8] = [
    ("debootstrap", "debootstrap"),
    ("lintian", "lintian"),
    ("buildah", "buildah"),
    ("man", "man-db"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("systemd-analyze", "systemd"),
    ("systemd-nspawn", "systemd-container"),
];

#[derive(clap::Args)]
pub struct Options {
    /// Package this program instead of building one
    #[arg(long, hide = true, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Try the packages that the last trial has made
    #[arg(long)]
    reuse: bool,
    /// Install nothing on this machine
    #[arg(long)]
    no_install: bool,
}

/// What was checked, and how it ended.
#[derive(Default)]
pub struct Table(Vec<(String, Result<String, String>)>);

impl Table {
    /// Notes what a check found, or why it failed.
    pub fn check(&mut self, what: &str, check: impl FnOnce() -> anyhow::Result<String>) {
        let found = check().map_err(|error| format!("{error:#}"));
        match &found {
            Ok(found) => println!("ok      {what}: {found}"),
            Err(error) => println!("FAILED  {what}: {error}"),
        }
        self.0.push((what.to_owned(), found));
    }

    fn conclude(&self) -> ExitCode {
        println!("\n| checked | | found |\n|---|---|---|");
        for (what, found) in &self.0 {
            let (verdict, words) = match found {
                Ok(words) => ("ok", words),
                Err(words) => ("FAILED", words),
            };
            println!("| {what} | {verdict} | {} |", words.replace('\n', "; "));
        }
        conclude(self.0.iter().all(|(_, found)| found.is_ok()))
    }
}

/// The packages of one version.
struct Packages {
    files: Vec<PathBuf>,
}

impl Packages {
    fn make(options: &Options, version: Option<&str>, folder: &str) -> anyhow::Result<Self> {
        let out = crate::target_dir()?.join("package-trial").join(folder);
        if options.reuse {
            let files = files_below(&out)?.into_iter().map(|(_, path)| path);
            return Ok(Self { files: files.collect() });
        }
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        let options = PackageOptions {
            // An upgrade needs no more than another Debian package.
            deb: version.is_some(),
            out: Some(out),
            binary: options.binary.clone(),
            version: version.map(str::to_owned),
            ..PackageOptions::default()
        };
        Ok(Self { files: super::build(&options, &crate::target_dir()?)? })
    }

    fn with_end(&self, end: &str) -> anyhow::Result<&PathBuf> {
        let mut files = self.files.iter();
        let found = files.find(|file| file.to_string_lossy().ends_with(end));
        found.with_context(|| format!("no {end} was made"))
    }
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(rustix::process::geteuid().is_root(), "only root may install packages in a folder");
    if !options.no_install {
        install();
    }
    let packages = Packages::make(options, None, "first")?;
    let newer = Packages::make(options, Some("99.0.0"), "newer")?;
    let again = Packages::make(options, None, "again")?;
    let mut table = Table::default();
    others::same_bytes(&mut table, &packages, &again);
    let (first, second) = (packages.with_end(".deb")?, newer.with_end(".deb")?);
    installed::trial(&mut table, &BareDebian::make("debian")?, first, second)?;
    booted::trial(&mut table, &BareDebian::make("booted")?, first, second)?;
    others::tarball(&mut table, &packages)?;
    others::components(&mut table, &packages)?;
    others::image(&mut table, &packages)?;
    Ok(table.conclude())
}

/// Installs what is missing, if that is possible; what is still missing then fails its check.
fn install() {
    let is_missing = |program: &str| output(command("which").arg(program)).is_err();
    let missing = PROGRAMS.iter().filter(|(program, _)| is_missing(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if !packages.is_empty() {
        apt_install(&packages);
    }
}

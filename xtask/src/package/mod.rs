//! `cargo xtask package`: what users install. One build of the program becomes a Debian package, a
//! tarball and a container image; beside them lie its symbols, a list of its components and their
//! checksums. The same commit gives the same bytes.

mod binary;
mod components;
mod contents;
mod deb;
mod image;
mod licences;
mod tarball;
mod tools;
pub mod trial;
mod unit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use crate::common::{cargo, conclude};
use contents::Contents;
use tools::output;

#[derive(clap::Args, Clone, Default)]
pub struct Options {
    /// Make the Debian package. Without any of these three options all are made
    #[arg(long)]
    deb: bool,
    /// Make the tarball
    #[arg(long)]
    tarball: bool,
    /// Make the container image; needs buildah, and root
    #[arg(long)]
    image: bool,
    /// Where to put them, instead of target/packages
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build twice, in two folders, and compare what comes of it byte by byte
    #[arg(long)]
    twice: bool,
    /// Package this program instead of building one
    #[arg(long, hide = true, value_name = "FILE", conflicts_with = "twice")]
    binary: Option<PathBuf>,
    /// The version that the packages say
    #[arg(long, hide = true, value_name = "VERSION")]
    version: Option<String>,
}

/// What is packaged, and what the packages say of it.
pub struct Release {
    pub version: String,
    /// The time of the commit, in seconds: every time in a package is this one.
    pub epoch: i64,
    /// As the compiler says it, such as `x86_64`.
    pub machine: String,
    /// Where files are made that packages consist of.
    pub work: PathBuf,
    pub out: PathBuf,
}

impl Release {
    /// The name of a file that is handed out.
    pub fn named(&self, what: &str) -> PathBuf {
        self.out.join(format!("kola-{}-{}{what}", self.version, self.machine))
    }

    /// A new folder for the parts of a package.
    pub fn staging(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.work.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.twice {
        return twice(options);
    }
    for file in build(options, &crate::target_dir()?)? {
        let size = std::fs::metadata(&file)?.len();
        println!(
            "{:>12}  {}",
            format!("{}.{} MB", size / 1_000_000, size / 100_000 % 10),
            file.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the program and makes the packages. Returns their paths.
fn build(options: &Options, target: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let out = match &options.out {
        Some(out) => out.clone(),
        None => crate::target_dir()?.join("packages"),
    };
    let release = release(options, out, target)?;
    std::fs::create_dir_all(&release.out)?;
    let built = match &options.binary {
        Some(given) => given.clone(),
        None => binary::build(target)?,
    };
    let symbols = release.named(".debug");
    let program = binary::split(&built, &release.staging("program")?, &symbols)?;
    let contents = Contents::gather(&release, program)?;
    let listed = release.named(".cdx.json");
    std::fs::copy(&contents.components, &listed)?;
    let mut made = vec![listed];
    made.extend(symbols.exists().then_some(symbols));
    let all = !(options.deb || options.tarball || options.image);
    if all || options.deb {
        made.push(deb::make(&release, &contents)?);
    }
    if all || options.tarball {
        made.push(tarball::make(&release, &contents)?);
    }
    if all || options.image {
        made.push(image::make(&release, &contents)?);
    }
    made.push(tools::checksums(&release.out, &made)?);
    Ok(made)
}

fn release(options: &Options, out: PathBuf, target: &Path) -> anyhow::Result<Release> {
    let epoch = output(tools::command("git").args(["log", "-1", "--format=%ct"]))?;
    let version = match &options.version {
        Some(version) => version.clone(),
        None => {
            let id = output(cargo().args(["pkgid", "--package", "kola"]))?;
            id.rsplit(['#', '@']).next().context("cargo pkgid has no version")?.to_owned()
        }
    };
    Ok(Release {
        version,
        epoch: epoch.parse().context("the time of the commit")?,
        machine: std::env::consts::ARCH.to_owned(),
        work: target.join("package-parts"),
        out,
    })
}

/// Whether two builds of the same commit, in different folders, give the same bytes.
fn twice(options: &Options) -> anyhow::Result<ExitCode> {
    let target = crate::target_dir()?;
    let mut sums = vec![];
    for name in ["first", "second"] {
        let folder = target.join("twice").join(name);
        let out = folder.join("packages");
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        let made = build(&Options { out: Some(out), ..options.clone() }, &folder)?;
        let list = made.last().context("no checksums")?;
        sums.push(std::fs::read_to_string(list)?);
        println!("{name}:\n{}", sums.last().map_or("", String::as_str));
    }
    ensure!(sums.iter().all(|sum| !sum.is_empty()), "nothing was made");
    Ok(conclude(sums.first() == sums.last()))
}

//! The programs that packages are made with, and files and folders of packages.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::Release;

/// A program in the root of the workspace that speaks English and knows no time zone.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::root()).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command
}

/// Runs a program that must succeed.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// What a program prints that must succeed, without the end of its last line.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let said = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let said = said.with_context(|| format!("{command:?}"))?;
    ensure!(said.status.success(), "{command:?} ended with {}", said.status);
    Ok(String::from_utf8(said.stdout)?.trim_end().to_owned())
}

/// A file of a package.
pub struct File {
    pub from: PathBuf,
    /// Its path in the package.
    pub to: String,
    pub mode: u32,
}

impl File {
    pub fn plain(from: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), mode: 0o644 }
    }

    pub fn program(from: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        Self { mode: 0o755, ..Self::plain(from, to) }
    }
}

/// Copies the files below a folder. Their modes do not depend on the umask.
pub fn place(files: &[File], root: &Path) -> anyhow::Result<()> {
    for File { from, to, mode } in files {
        let path = root.join(to);
        let folder = path.parent().context("a file without a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::copy(from, &path).with_context(|| from.display().to_string())?;
        std::fs::set_permissions(&path, Permissions::from_mode(*mode))?;
    }
    open_folders(root)
}

fn open_folders(folder: &Path) -> anyhow::Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}

/// All files below a folder, with their paths in it, in an order that does not depend on the disk. A
/// folder that is absent has none.
pub fn files_below(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = vec![];
    let mut folders = vec![(String::new(), folder.to_owned())];
    while let Some((head, folder)) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{head}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push((format!("{name}/"), entry.path()));
            } else {
                found.push((name, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `tar` that makes an archive in which the names and times of whoever makes it do not stand.
pub fn reproducible_tar(release: &Release) -> Command {
    let mut tar = command("tar");
    tar.arg("--create").args(["--format=gnu", "--sort=name", "--owner=0", "--group=0"]);
    tar.arg("--numeric-owner").arg(format!("--mtime=@{}", release.epoch));
    tar
}

/// Compresses a file. Neither its name nor its time is in the result.
pub fn gzip(from: &Path, to: &Path) -> anyhow::Result<()> {
    let to = std::fs::File::create(to).with_context(|| to.display().to_string())?;
    run(command("gzip").args(["-9", "-n", "-c"]).arg(from).stdout(to))
}

/// Writes SHA256SUMS, which `sha256sum --check` reads, for files of a folder.
pub fn checksums(folder: &Path, files: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let mut names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
    names.sort_unstable();
    let sums = output(command("sha256sum").args(["--"]).args(names).current_dir(folder))?;
    let list = folder.join("SHA256SUMS");
    std::fs::write(&list, sums + "\n")?;
    Ok(list)
}

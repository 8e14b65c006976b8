//! What goes into every package, whatever its form.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::ensure;

use super::components::Components;
use super::tools::{File, files_below, gzip, output};
use super::{Release, licences};

pub struct Contents {
    pub program: PathBuf,
    /// Manual pages, by their names.
    pub manual: Vec<(String, PathBuf)>,
    pub completions: Vec<(&'static Shell, PathBuf)>,
    /// Pages of the documentation, by their paths.
    pub documents: Vec<(String, PathBuf)>,
    /// What a monitoring system reads, by its path below `ops/`.
    pub ops: Vec<(String, PathBuf)>,
    /// The list of components.
    pub components: PathBuf,
    /// The licences of components, compressed.
    pub licences: PathBuf,
}

/// A shell whose command line can complete the program's.
pub struct Shell {
    pub name: &'static str,
    /// Where Debian's package of the shell looks for it.
    pub place: &'static str,
}

pub const SHELLS: [Shell; 3] = [
    Shell { name: "bash", place: "usr/share/bash-completion/completions/kola" },
    Shell { name: "zsh", place: "usr/share/zsh/vendor-completions/_kola" },
    Shell { name: "fish", place: "usr/share/fish/vendor_completions.d/kola.fish" },
];

/// A file of `packaging/`.
pub fn source(name: &str) -> PathBuf {
    crate::root().join("packaging").join(name)
}

impl Contents {
    pub fn gather(release: &Release, program: PathBuf) -> anyhow::Result<Self> {
        let folder = release.staging("contents")?;
        let components = folder.join("components.cdx.json");
        let inside = Components::of_this_build()?;
        std::fs::write(&components, inside.as_cyclonedx(release)?)?;
        let (text, licences) = (folder.join("licences.txt"), folder.join("licences.txt.gz"));
        std::fs::write(&text, licences::texts(&inside)?)?;
        gzip(&text, &licences)?;
        let root = crate::root();
        let mut documents = vec![("README.md".to_owned(), root.join("README.md"))];
        documents.extend(files_below(&root.join("docs"))?);
        // Pages say what pictures and plots show, and these are a third of all documents.
        documents.retain(|(name, _)| Path::new(name).extension().is_some_and(|kind| kind == "md"));
        Ok(Self {
            manual: manual(&program, &release.staging("manual")?)?,
            completions: completions(&program, &release.staging("completions")?)?,
            program,
            documents,
            ops: files_below(&root.join("ops"))?,
            components,
            licences,
        })
    }

    /// The files of a system that the program is installed on, apart from those that only a package
    /// manager needs.
    pub fn installed(&self, release: &Release) -> anyhow::Result<Vec<File>> {
        let mut files = vec![
            File::program(&self.program, "usr/bin/kola"),
            File::plain(source("kola.service"), "usr/lib/systemd/system/kola.service"),
        ];
        let folder = release.staging("compressed")?;
        for (name, page) in &self.manual {
            let compressed = folder.join(format!("{name}.gz"));
            gzip(page, &compressed)?;
            files.push(File::plain(compressed, format!("usr/share/man/man1/{name}.gz")));
        }
        files.extend(
            self.completions.iter().map(|(shell, from)| File::plain(from, shell.place.to_owned())),
        );
        files.extend(self.documents("usr/share/doc/kola/"));
        files.extend(self.ops("usr/share/kola/ops/"));
        Ok(files)
    }

    pub fn documents(&self, head: &str) -> Vec<File> {
        let pages = self.documents.iter().map(|(name, from)| (name.as_str(), from.clone()));
        let others = [
            ("components.cdx.json", self.components.clone()),
            ("third-party-licenses.txt.gz", self.licences.clone()),
            ("examples/market.toml", crate::root().join("config.default.toml")),
        ];
        pages.chain(others).map(|(name, from)| File::plain(from, format!("{head}{name}"))).collect()
    }

    pub fn ops(&self, head: &str) -> Vec<File> {
        self.ops.iter().map(|(name, from)| File::plain(from, format!("{head}{name}"))).collect()
    }
}

fn manual(program: &Path, folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    output(kola(program).arg("manual").arg(folder))?;
    let pages = files_below(folder)?;
    ensure!(pages.iter().any(|(name, _)| name == "kola.1"), "`kola manual` made no kola.1");
    Ok(pages)
}

fn completions(program: &Path, folder: &Path) -> anyhow::Result<Vec<(&'static Shell, PathBuf)>> {
    SHELLS
        .iter()
        .map(|shell| {
            let file = folder.join(shell.name);
            std::fs::write(&file, output(kola(program).args(["completions", shell.name]))? + "\n")?;
            Ok((shell, file))
        })
        .collect()
}

/// The program without any of its variables: what it prints must not depend on who packages it.
fn kola(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

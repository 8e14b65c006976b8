//! `kola completions` and `kola manual`: what a package installs beside the program. Both are made of
//! clap's own commands.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::Resettable;
use clap::{Arg, Command};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::{command, output};

#[derive(clap::Args)]
pub struct Completions {
    /// The shell that reads them.
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

#[derive(clap::Args)]
pub struct Manual {
    /// The folder to write the pages to: kola.1, and one for each command.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Completions {
    pub fn run(&self) -> anyhow::Result<()> {
        let shell: Shell = self.shell.parse().map_err(anyhow::Error::msg)?;
        let mut script = vec![];
        clap_complete::generate(shell, &mut shown(&command()), "kola", &mut script);
        let script = String::from_utf8(script)?;
        output::script(&json!({ "shell": self.shell, "script": script }), &script)
    }
}

impl Manual {
    pub fn run(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let mut kola = shown(&command());
        kola.build();
        let mut pages = vec![];
        write_pages(kola, &self.folder, &mut pages)?;
        let text = format!("{} pages are in {}", pages.len(), self.folder.display());
        output::done(&json!({ "folder": self.folder.display().to_string(), "pages": pages }), &text)
    }
}

/// Writes the page of a command and those of its subcommands.
fn write_pages(command: Command, folder: &Path, pages: &mut Vec<String>) -> anyhow::Result<()> {
    let below: Vec<Command> = command.get_subcommands().cloned().collect();
    let page = clap_mangen::Man::new(command);
    let name = page.get_filename();
    page.generate_to(folder).with_context(|| format!("{name} was not written"))?;
    pages.push(name);
    below.into_iter().try_for_each(|command| write_pages(command, folder, pages))
}

/// A command with what its help shows, and nothing else. The generators know no hidden options, and
/// would hand each global option to commands that do not use it.
fn shown(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| {
        !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version")
    });
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let below = below.filter(|command| command.get_name() != "help");
    let mut shown = Command::new(command.get_name().to_owned())
        .disable_help_subcommand(true)
        .args(arguments.cloned().map(alone))
        .subcommands(below.map(shown_below));
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        shown = shown.long_about(about.clone());
    }
    if let Some(text) = command.get_after_help() {
        shown = shown.after_help(text.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    shown
}

/// An argument without what it says of others, which may not be shown.
fn alone(argument: Arg) -> Arg {
    argument.global(false).requires(Resettable::Reset).conflicts_with(Resettable::Reset)
}

/// A subcommand, which has no version of its own.
fn shown_below(command: &Command) -> Command {
    shown(command).version(Resettable::Reset)
}

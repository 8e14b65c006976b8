//! `cargo xtask screens`: pictures of every state of the payer's pages, to be looked at.

use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Options {
    /// Also write the pictures of the handbook into docs/pictures
    #[arg(long)]
    docs: bool,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let screens = crate::target_dir()?.join("screens");
    let pictures = options.docs.then(|| crate::root().join("docs/pictures"));
    let mut folders = vec![("KOLA_SCREENS", screens.clone())];
    folders.extend(pictures.map(|folder| ("KOLA_DOCS_PICTURES", folder)));
    let passed = crate::test::in_browser("screens::", &folders, &[])?;
    println!("the pictures are in {}", screens.display());
    Ok(crate::common::conclude(passed))
}

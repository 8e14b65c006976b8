//! The texts of the licences of what is in the program, which go with every copy of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::components::{Component, Components};

/// How the names of files with licences and notices begin.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "OFL"];

/// Each text once, after the names of the components that it is about.
pub fn texts(components: &Components) -> anyhow::Result<String> {
    let own = crate::root().canonicalize()?.join("crates");
    let own = |one: &&Component| one.license == "Apache-2.0" && one.source.starts_with(&own);
    let others: Vec<&Component> = components.list.iter().filter(|one| !own(one)).collect();
    let mut about: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut text = String::from("What is in the program kola, and under which licences.\n\n");
    for one in others {
        let title = format!("{} {}", one.name, one.version);
        writeln!(text, "{title}: {}", one.license)?;
        for file in files(&one.source)? {
            let words = std::fs::read_to_string(&file)?.replace("\r\n", "\n");
            let titles = about.entry(words.trim().to_owned()).or_default();
            if titles.last() != Some(&title) {
                titles.push(title.clone());
            }
        }
    }
    let mut about: Vec<_> = about.into_iter().collect();
    about.sort_by(|(_, one), (_, other)| one.cmp(other));
    for (words, titles) in about {
        write!(text, "\n{}\n{}\n\n{words}\n", "=".repeat(80), titles.join(", "))?;
    }
    Ok(text)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        // The compiler's own, beside that of its library.
        let is_of_the_compiler = name == "COPYRIGHT.HTML";
        if entry.file_type()?.is_file()
            && !is_of_the_compiler
            && NAMES.iter().any(|head| name.starts_with(head))
        {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

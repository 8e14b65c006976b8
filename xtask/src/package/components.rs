//! What the program consists of: the crates that are compiled into it, and what those bring along.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Release;
use super::tools::{command, output};
use crate::common::cargo;

/// A crate, or something else that is in the program.
pub struct Component {
    pub name: String,
    pub version: String,
    /// An expression of SPDX.
    pub license: String,
    /// Where its source is, with its licence.
    pub source: PathBuf,
    /// Its name in the language of package URLs.
    purl: String,
    checksum: Option<String>,
    depends_on: BTreeSet<String>,
}

pub struct Components {
    /// The workspace's own crates among them.
    pub list: Vec<Component>,
}

/// A name and a version.
type Key = (String, String);

impl Components {
    /// Those of the program as it is built on this machine.
    pub fn of_this_build() -> anyhow::Result<Self> {
        let machine = host()?;
        let inside = compiled_in(&output(cargo().args([
            "tree",
            "--locked",
            "--package=kola",
            "--edges=normal,no-proc-macro",
            "--prefix=none",
            "--format={p}",
            "--target",
            &machine,
        ]))?)?;
        let metadata = output(cargo().args([
            "metadata",
            "--locked",
            "--format-version=1",
            "--filter-platform",
            &machine,
        ]))?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let lock = std::fs::read_to_string(crate::root().join("Cargo.lock"))?;
        let mut list = crates(&metadata, &inside, &checksums(&lock))?;
        list.extend(brought_along(&list)?);
        Ok(Self { list })
    }

    /// The list in the format of CycloneDX 1.6.
    pub fn as_cyclonedx(&self, release: &Release) -> anyhow::Result<String> {
        let program = self.list.iter().find(|component| component.name == "kola");
        let program = program.context("the program is not among its components")?;
        let others = self.list.iter().filter(|component| component.name != "kola");
        let document = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": Timestamp::from_second(release.epoch)?.to_string(),
                "component": program.as_json("application", &release.version),
            },
            "components": others.map(|one| one.as_json("library", &one.version)).collect::<Vec<_>>(),
            "dependencies": self.list.iter().map(|one| json!({
                "ref": one.purl, "dependsOn": one.depends_on,
            })).collect::<Vec<_>>(),
        });
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }
}

impl Component {
    fn as_json(&self, kind: &str, version: &str) -> Value {
        let mut json = json!({
            "type": kind,
            "bom-ref": self.purl,
            "name": self.name,
            "version": version,
            "licenses": [{ "expression": self.license }],
            "purl": self.purl,
        });
        if let Some(checksum) = &self.checksum {
            json["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        json
    }
}

/// What the compiler calls this kind of machine.
fn host() -> anyhow::Result<String> {
    let said = output(command("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// The crates that `cargo tree` names.
fn compiled_in(tree: &str) -> anyhow::Result<BTreeSet<Key>> {
    tree.lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let (name, version) = (words.next(), words.next().and_then(|v| v.strip_prefix('v')));
            let key = name.zip(version).with_context(|| format!("cargo tree says {line:?}"))?;
            Ok((key.0.to_owned(), key.1.to_owned()))
        })
        .collect()
}

/// The checksums of Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<Key, String> {
    let packages = lock.split("[[package]]").skip(1);
    let field = |package: &str, name: &str| {
        let head = format!("{name} = \"");
        let line = package.lines().find_map(|line| line.strip_prefix(head.as_str()))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    packages
        .filter_map(|package| {
            let key = (field(package, "name")?, field(package, "version")?);
            Some((key, field(package, "checksum")?))
        })
        .collect()
}

fn crates(
    metadata: &Value,
    inside: &BTreeSet<Key>,
    checksums: &BTreeMap<Key, String>,
) -> anyhow::Result<Vec<Component>> {
    let key = |package: &Value| (text(package, "name"), text(package, "version"));
    let packages = array(&metadata["packages"])?;
    let inside: BTreeMap<String, Key> = packages
        .iter()
        .map(|package| (text(package, "id"), key(package)))
        .filter(|(_, key)| inside.contains(key))
        .collect();
    let mut depends_on = BTreeMap::new();
    for node in array(&metadata["resolve"]["nodes"])? {
        let normal = array(&node["deps"])?.iter().filter(|dependency| is_normal(dependency));
        let ids = normal.map(|dependency| text(dependency, "pkg"));
        let purls = ids.filter_map(|id| inside.get(&id).map(purl)).collect::<BTreeSet<_>>();
        depends_on.insert(text(node, "id"), purls);
    }
    let mut list = vec![];
    for package in packages {
        let id = text(package, "id");
        let Some(key) = inside.get(&id) else { continue };
        let license = text(package, "license").replace('/', " OR ");
        ensure!(!license.is_empty(), "the crate {} {} names no licence", key.0, key.1);
        let manifest = PathBuf::from(text(package, "manifest_path"));
        list.push(Component {
            name: key.0.clone(),
            version: key.1.clone(),
            license,
            source: manifest.parent().context("a manifest without a folder")?.to_owned(),
            purl: purl(key),
            checksum: checksums.get(key).cloned(),
            depends_on: depends_on.remove(&id).unwrap_or_default(),
        });
    }
    list.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(list)
}

fn is_normal(dependency: &Value) -> bool {
    array(&dependency["dep_kinds"])
        .is_ok_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

fn purl((name, version): &Key) -> String {
    format!("pkg:cargo/{name}@{version}")
}

/// What is in the program without being a crate: sources in C, fonts, and Rust's own library.
fn brought_along(crates: &[Component]) -> anyhow::Result<Vec<Component>> {
    let folder = |name: &str| {
        let one = crates.iter().find(|component| component.name == name);
        Ok::<_, anyhow::Error>(one.with_context(|| format!("no crate {name}"))?.source.clone())
    };
    let sqlite = folder("libsqlite3-sys")?.join("sqlite3");
    let mimalloc = folder("libmimalloc-sys")?.join("c_src/mimalloc/v2");
    let rust = output(command("rustc").args(["--print", "sysroot"]))?;
    let rust_version = output(command("rustc").arg("--version"))?;
    let number = defined(&mimalloc.join("include/mimalloc.h"), "MI_MALLOC_VERSION")?;
    let number: u32 = number.parse().context("the version of mimalloc")?;
    let mimalloc_version = format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100);
    let sqlite_version = defined(&sqlite.join("sqlite3.h"), "SQLITE_VERSION")?;
    let rust_version = rust_version.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let one = |name: &str, version: String, license: &str, source: PathBuf| Component {
        purl: format!("pkg:generic/{name}@{version}"),
        name: name.to_owned(),
        version,
        license: license.to_owned(),
        source,
        checksum: None,
        depends_on: BTreeSet::new(),
    };
    Ok(vec![
        one("mimalloc", mimalloc_version, "MIT", mimalloc),
        one(
            "noto-sans",
            "2.004".to_owned(),
            "OFL-1.1",
            crate::root().join("crates/server/assets/fonts"),
        ),
        one(
            "rust-std",
            rust_version,
            "MIT OR Apache-2.0",
            PathBuf::from(rust).join("share/doc/rust"),
        ),
        one("sqlite", sqlite_version, "blessing", sqlite),
    ])
}

/// The value of a constant in a header.
fn defined(header: &std::path::Path, name: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(header).with_context(|| header.display().to_string())?;
    let mut values = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next())?
    });
    Ok(values.next().with_context(|| format!("no {name}"))?.trim_matches('"').to_owned())
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn array(value: &Value) -> anyhow::Result<&[Value]> {
    value.as_array().map(Vec::as_slice).context("cargo metadata has another form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_of_a_tree_are_read() {
        let tree = "kola v0.1.0 (/somewhere)\nring v0.17.14\nring v0.17.14 (*)\n";
        let expected = [("kola", "0.1.0"), ("ring", "0.17.14")];
        let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(compiled_in(tree).unwrap(), BTreeSet::from(expected));
        assert!(compiled_in("ring").is_err());
    }

    #[test]
    fn a_crate_of_the_workspace_has_no_checksum() {
        let lock = "version = 4\n\n[[package]]\nname = \"ring\"\nversion = \"0.17.14\"\nchecksum = \"a4\"\n\n\
                    [[package]]\nname = \"kola\"\nversion = \"0.1.0\"\ndependencies = [\n \"ring\",\n]\n";
        let found = checksums(lock);
        assert_eq!(found.get(&("ring".to_owned(), "0.17.14".to_owned())).unwrap(), "a4");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn the_program_has_what_its_dependencies_bring_along_and_no_tools() {
        let list = Components::of_this_build().unwrap().list;
        let names: BTreeSet<&str> = list.iter().map(|one| one.name.as_str()).collect();
        for inside in ["kola", "domain", "rustls", "sqlite", "mimalloc", "rust-std"] {
            assert!(names.contains(inside), "{inside} is missing");
        }
        for outside in ["xtask", "fakes", "simulator", "syn", "serde_derive", "cc", "proptest"] {
            assert!(!names.contains(outside), "{outside} is in the list");
        }
        let expected = ["kola", "domain", "networks", "realtime", "store"];
        let without: Vec<&str> = list
            .iter()
            .filter(|one| one.purl.starts_with("pkg:cargo/") && one.checksum.is_none())
            .map(|one| one.name.as_str())
            .filter(|name| !expected.contains(name))
            .collect();
        assert!(without.is_empty(), "without a checksum: {without:?}");
    }
}

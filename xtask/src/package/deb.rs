//! The Debian package, made by Debian's own dpkg-deb: what it consists of is made by the build (manual
//! pages, completions, the list of components) and is the same as in the other packages.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::Release;
use super::contents::{Contents, source};
use super::tools::{File, command, files_below, gzip, output, place, run};

/// The settings. dpkg keeps what an administrator changes in them.
const CONFIG: &str = "etc/kola/kola.toml";
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
pub const MAINTAINER: &str = "kola maintainers <maintainers@kola.example>";

pub fn make(release: &Release, contents: &Contents) -> anyhow::Result<PathBuf> {
    let root = release.staging("deb")?;
    let version = format!("{}-1", release.version);
    let mut files = contents.installed(release)?;
    files.push(File { mode: 0o640, ..File::plain(source("kola.toml"), CONFIG) });
    files.extend(about_the_package(release, &version)?);
    for script in SCRIPTS {
        files.push(File::program(source("debian").join(script), format!("DEBIAN/{script}")));
    }
    place(&files, &root)?;
    let control = root.join("DEBIAN");
    let machine = output(command("dpkg").arg("--print-architecture"))?;
    write(&control.join("conffiles"), &format!("/{CONFIG}\n"))?;
    write(&control.join("md5sums"), &md5sums(&root)?)?;
    write(&control.join("control"), &description(release, &root, &version, &machine)?)?;
    let made = release.out.join(format!("kola_{version}_{machine}.deb"));
    run(command("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .arg(&root)
        .arg(&made)
        .stdout(std::process::Stdio::null())
        .env("SOURCE_DATE_EPOCH", release.epoch.to_string()))?;
    Ok(made)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok(())
}

/// The files that Debian's policy asks for.
fn about_the_package(release: &Release, version: &str) -> anyhow::Result<Vec<File>> {
    let folder = release.staging("about")?;
    let news = folder.join("changelog.gz");
    gzip(&crate::root().join("CHANGELOG.md"), &news)?;
    let (text, entry) = (folder.join("changelog"), folder.join("changelog.Debian.gz"));
    let date = Timestamp::from_second(release.epoch)?.strftime("%a, %d %b %Y %H:%M:%S +0000");
    let words = format!(
        "kola ({version}) unstable; urgency=medium\n\n  * Release {}. See changelog.gz.\n\n -- {MAINTAINER}  {date}\n",
        release.version
    );
    std::fs::write(&text, words)?;
    gzip(&text, &entry)?;
    Ok(vec![
        File::plain(news, "usr/share/doc/kola/changelog.gz"),
        File::plain(entry, "usr/share/doc/kola/changelog.Debian.gz"),
        File::plain(source("debian/lintian-overrides"), "usr/share/lintian/overrides/kola"),
        File::plain(source("debian/copyright"), "usr/share/doc/kola/copyright"),
    ])
}

/// The files that the package has apart from those for dpkg.
fn shipped(root: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut files = files_below(root)?;
    files.retain(|(name, _)| !name.starts_with("DEBIAN/"));
    Ok(files)
}

fn md5sums(root: &Path) -> anyhow::Result<String> {
    // dpkg keeps the sums of conffiles itself.
    let names = shipped(root)?.into_iter().map(|(name, _)| name).filter(|name| name != CONFIG);
    Ok(output(command("md5sum").args(names).current_dir(root))? + "\n")
}

fn description(
    release: &Release,
    root: &Path,
    version: &str,
    machine: &str,
) -> anyhow::Result<String> {
    let mut bytes = 0;
    for (_, path) in shipped(root)? {
        bytes += std::fs::metadata(path)?.len();
    }
    let mut text = String::new();
    writeln!(text, "Package: kola\nVersion: {version}\nArchitecture: {machine}")?;
    writeln!(text, "Maintainer: {MAINTAINER}\nInstalled-Size: {}", bytes.div_ceil(1024))?;
    writeln!(text, "Depends: {}, adduser, ca-certificates", libraries(release, root)?)?;
    text.push_str(
        "Suggests: postgresql, prometheus
Section: net
Priority: optional
Description: self-hosted server for payments with a double-entry ledger
 kola takes and makes payments over an HTTP API and on pages of its own, and
 books every movement of money in a ledger that can be verified at any time.
 It keeps its books in one SQLite file, or in PostgreSQL.
 .
 The package starts it on 127.0.0.1:8080, with its settings in
 /etc/kola/kola.toml and its books in /var/lib/kola.
",
    );
    Ok(text)
}

/// The packages with the libraries that the program is linked with.
fn libraries(release: &Release, root: &Path) -> anyhow::Result<String> {
    let folder = release.staging("libraries")?;
    // dpkg-shlibdeps looks for a source package.
    std::fs::create_dir(folder.join("debian"))?;
    std::fs::write(
        folder.join("debian/control"),
        "Source: kola\n\nPackage: kola\nArchitecture: any\n",
    )?;
    let found = output(
        command("dpkg-shlibdeps").arg("-O").arg(root.join("usr/bin/kola")).current_dir(folder),
    );
    let found = found.context("dpkg-shlibdeps, of the package dpkg-dev")?;
    Ok(found.strip_prefix("shlibs:Depends=").context("no libraries")?.to_owned())
}

//! The tarball, the list of components and the image.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{Packages, Table};
use crate::package::image::USER;
use crate::package::tools::{command, output, run};
use crate::programs::Program;

/// The most that the image may have as it is handed out.
const IMAGE_MAX: u64 = 40_000_000;
/// It has grown with every release: this much is noticed.
const PROGRAM_MAX: u64 = 42_000_000;

fn empty_folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = crate::target_dir()?.join("package-trial").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The same program packaged twice.
pub fn same_bytes(table: &mut Table, packages: &Packages, again: &Packages) {
    table.check("packaged twice", || {
        let read = |packages: &Packages| -> anyhow::Result<String> {
            Ok(std::fs::read_to_string(packages.with_end("SHA256SUMS")?)?)
        };
        let (one, other) = (read(packages)?, read(again)?);
        ensure!(one == other, "{one}\n{other}");
        Ok(format!("the same bytes in {} files", one.lines().count()))
    });
}

pub fn tarball(table: &mut Table, packages: &Packages) -> anyhow::Result<()> {
    let made = packages.with_end(".tar.gz");
    let list = packages.with_end("SHA256SUMS")?;
    let tarball = packages.files.iter().find(|file| {
        let name = file.to_string_lossy();
        name.ends_with(".tar.gz") && !name.ends_with("-image.tar.gz")
    });
    let tarball = tarball.or(made.ok()).context("no tarball")?;
    table.check("checksums", || {
        let folder = list.parent().context("a folder")?;
        let said = output(
            command("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(folder),
        )?;
        Ok(format!("{} files", said.lines().filter(|line| line.ends_with(": OK")).count()))
    });
    let folder = empty_folder("tarball")?;
    table.check("tarball", || {
        run(command("tar")
            .args(["--extract", "--strip-components=1", "--file"])
            .arg(tarball)
            .arg("--directory")
            .arg(&folder))?;
        for name in [
            "LICENSE",
            "kola.toml",
            "systemd/kola.service",
            "share/man/man1/kola.1",
            "share/doc/kola/README.md",
        ] {
            ensure!(folder.join(name).is_file(), "it has no {name}");
        }
        output(Command::new(folder.join("bin/kola")).arg("--version"))
    });
    table.check("size of the program", || {
        let size = std::fs::metadata(folder.join("bin/kola"))?.len();
        ensure!(size <= PROGRAM_MAX, "{size} bytes, more than {PROGRAM_MAX}");
        Ok(format!("{size} bytes"))
    });
    table.check("symbols apart", || {
        let id = |file: &Path| -> anyhow::Result<String> {
            // It has something to say about a file that has only symbols.
            let ended = command("readelf").arg("--notes").arg(file).output()?;
            let said = String::from_utf8_lossy(&ended.stdout).into_owned();
            let id = said.lines().find_map(|line| line.trim().strip_prefix("Build ID: "));
            Ok(id.context("no build id")?.to_owned())
        };
        let symbols = packages.with_end(".debug")?;
        let (one, other) = (id(&folder.join("bin/kola"))?, id(symbols)?);
        ensure!(one == other, "the program is {one}, the symbols are of {other}");
        Ok(format!("both are of build {one}"))
    });
    Ok(())
}

pub fn components(table: &mut Table, packages: &Packages) -> anyhow::Result<()> {
    let list: Value = serde_json::from_slice(&std::fs::read(packages.with_end(".cdx.json")?)?)?;
    table.check("list of components", || {
        let components = list["components"].as_array().context("no components")?;
        for one in components {
            let licence = one["licenses"][0]["expression"].as_str().unwrap_or_default();
            ensure!(!licence.is_empty(), "{} has no licence", one["name"]);
        }
        Ok(format!("{} components, each with its licence", components.len()))
    });
    Ok(())
}

/// The image's files in a folder that cannot be written, and its command as its user.
pub fn image(table: &mut Table, packages: &Packages) -> anyhow::Result<()> {
    let archive = packages.with_end("-image.tar.gz")?;
    let folder = empty_folder("image")?;
    run(command("tar").args(["--extract", "--file"]).arg(archive).arg("--directory").arg(&folder))?;
    let read = |name: &str| -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join(name))?)?)
    };
    let manifest = read("manifest.json")?;
    let config =
        read(manifest[0]["Config"].as_str().context("no configuration")?)?["config"].clone();
    table.check("size of the image", || {
        let size = std::fs::metadata(archive)?.len();
        ensure!(size <= IMAGE_MAX, "{size} bytes");
        Ok(format!("{size} bytes"))
    });
    table.check("the image's settings", || {
        ensure!(config["User"] == USER, "its user is {}", config["User"]);
        let check = config["Healthcheck"]["Test"].to_string();
        ensure!(check == r#"["CMD","/usr/bin/kola","ready"]"#, "its health check is {check}");
        Ok(format!("user {USER}, health check {check}"))
    });
    let root = empty_folder("image-root")?;
    let layer = manifest[0]["Layers"][0].as_str().context("no layer")?;
    run(command("tar")
        .args(["--extract", "--file"])
        .arg(folder.join(layer))
        .arg("--directory")
        .arg(&root))?;
    table.check("the image runs, read-only and without rights", || runs(&root, &config));
    table.check("the image knows certificates", || {
        // Nobody listens there; without certificates that would not even be tried.
        let mut ready = in_image(&root, &config, &["ready", "--url", "https://127.0.0.1:1"])?;
        let ended = ready.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        ensure!(said.contains("no connection"), "{said}{}", String::from_utf8_lossy(&ended.stderr));
        Ok("https is tried".to_owned())
    });
    Ok(())
}

/// A command in the image: the root cannot be written, apart from the volume, which is new.
fn in_image(root: &Path, config: &Value, arguments: &[&str]) -> anyhow::Result<Command> {
    let script = "set -e; mount --bind \"$0\" \"$0\"; mount -o remount,bind,ro \"$0\"; \
                  mount -t tmpfs -o mode=0750,uid=65532,gid=65532 tmpfs \"$0/var/lib/kola\"; \
                  mount --rbind /proc \"$0/proc\" 2>/dev/null || true; \
                  user=$1; shift; exec chroot --userspec=\"$user\" \"$0\" \"$@\"";
    let mut command = command("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(root).arg(USER).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for variable in config["Env"].as_array().context("no variables")? {
        let pair = variable.as_str().and_then(|text| text.split_once('='));
        let (name, value) = pair.context("a variable")?;
        if name != "PATH" {
            command.env(name, value);
        }
    }
    // A free port of this machine, and of no other.
    command.env("KOLA_LISTEN", "127.0.0.1:0");
    let entry = config["Entrypoint"][0].as_str().context("no entry point")?;
    command.arg(entry).args(arguments);
    Ok(command)
}

fn runs(root: &Path, config: &Value) -> anyhow::Result<String> {
    let serve = config["Cmd"][0].as_str().context("no command")?;
    let server = Program::start(in_image(root, config, &[serve])?)?;
    let url = server.says("kola listening on ")?;
    let said = output(&mut in_image(root, config, &["ready", "--url", &url])?)?;
    drop(server);
    let stopped = output(in_image(root, config, &["ready", "--url", &url])?.stderr(Stdio::null()));
    ensure!(stopped.is_err(), "the health check does not notice that it is stopped");
    Ok(format!("{said}; the health check fails once it is stopped"))
}

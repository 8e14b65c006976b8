//! The container image: the program, the libraries that it is linked with and the certificates of this
//! system, and nothing else. It is made by buildah, without a daemon.
//!
//! It is handed out in Docker's format and not as an OCI archive, because only that one has a health
//! check. `docker load` and `podman load` read it, and registries take it.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Release;
use super::contents::Contents;
use super::tools::{File, command, gzip, output, place, reproducible_tar, run};

/// The user in the image. It has no name outside.
pub const USER: &str = "65532:65532";
const USER_ID: u32 = 65_532;
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Beside a command line and a folder, what makes a container of the program work as a service.
const VARIABLES: [&str; 3] = [
    "KOLA_LISTEN=0.0.0.0:8080",
    "KOLA_DATABASE=sqlite:/var/lib/kola/kola.db",
    // The log of a container is kept, and is no place for a secret.
    "KOLA_SAMPLE_MERCHANT=false",
];

pub fn make(release: &Release, contents: &Contents) -> anyhow::Result<PathBuf> {
    let root = release.staging("image")?;
    place(&files(release, contents)?, &root)?;
    let buildah = Buildah { storage: release.staging("containers")? };
    let container = output(buildah.command().args(["from", "--format", "docker", "scratch"]))
        .context("buildah, of the package of that name, as root")?;
    let built = buildah.fill(&container, &root).and_then(|()| buildah.commit(release, &container));
    // What it has stored is as large as the image.
    run(buildah.command().args(["rm", &container]).stdout(Stdio::null()))?;
    let plain = built?;
    let made = release.named("-image.tar.gz");
    gzip(&plain, &made)?;
    std::fs::remove_file(plain)?;
    std::fs::remove_dir_all(&buildah.storage)?;
    Ok(made)
}

/// buildah with a storage of its own, which needs no special file system.
struct Buildah {
    storage: PathBuf,
}

impl Buildah {
    fn command(&self) -> Command {
        let mut command = command("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.storage.join("root"));
        command.arg("--runroot").arg(self.storage.join("run")).env("BUILDAH_ISOLATION", "chroot");
        command
    }

    fn fill(&self, container: &str, root: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(root.join("var/lib/kola"))?;
        let quietly = |command: &mut Command| run(command.stdout(Stdio::null()));
        quietly(
            self.command()
                .args(["copy", "--quiet", "--chown", "0:0", container])
                .arg(root)
                .arg("/"),
        )?;
        // A volume that is new takes its owner and its mode from the folder.
        let mounted = output(self.command().args(["mount", container]))?;
        let books = Path::new(&mounted).join("var/lib/kola");
        std::fs::set_permissions(&books, Permissions::from_mode(0o750))?;
        chown(&books, Some(USER_ID), Some(USER_ID))?;
        quietly(self.command().args(["umount", container]))?;
        let mut config = self.command();
        config.args(["config", "--user", USER, "--workingdir", "/var/lib/kola"]);
        for variable in VARIABLES {
            config.args(["--env", variable]);
        }
        config.args([
            "--port",
            "8080/tcp",
            "--volume",
            "/var/lib/kola",
            "--stop-signal",
            "SIGTERM",
        ]);
        config.args(["--entrypoint", r#"["/usr/bin/kola"]"#, "--cmd", "serve"]);
        config.args(["--healthcheck", "CMD /usr/bin/kola ready"]);
        config.args(["--healthcheck-interval", "30s", "--healthcheck-timeout", "10s"]);
        config.args(["--healthcheck-start-period", "60s", "--healthcheck-retries", "3"]);
        quietly(config.arg(container))
    }

    /// Writes the image as an archive that is not compressed.
    fn commit(&self, release: &Release, container: &str) -> anyhow::Result<PathBuf> {
        let parts = release.staging("image-archive")?;
        let archive = parts.join("image.tar");
        let name = format!("docker-archive:{}:{}", archive.display(), tag(release));
        run(self
            .command()
            .args(["commit", "--quiet", "--format", "docker", "--omit-history"])
            .args(["--timestamp", &release.epoch.to_string(), container, &name])
            .stdout(Stdio::null()))?;
        run(command("tar").arg("--extract").arg("--file").arg(&archive).current_dir(&parts))?;
        packed_again(release, &parts)
    }
}

/// The image's name once it is loaded. It names no registry.
fn tag(release: &Release) -> String {
    format!("localhost/kola:{}", release.version)
}

/// The archive without what differs from build to build: the number of the container that the image
/// was made in, and the form of archives that Docker had before version 1.10.
fn packed_again(release: &Release, parts: &Path) -> anyhow::Result<PathBuf> {
    let read = |name: &str| -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&std::fs::read(parts.join(name))?)?)
    };
    let manifest = read("manifest.json")?;
    let name_of = |value: &Value| value.as_str().map(str::to_owned).context("buildah's manifest");
    let mut config = read(&name_of(&manifest[0]["Config"])?)?;
    let fields = config.as_object_mut().context("the configuration of the image")?;
    fields.retain(|name, _| !name.starts_with("container"));
    // The same number in short. Whoever runs the image gives a name.
    config["config"].as_object_mut().context("the settings of the image")?.remove("Hostname");
    std::fs::write(parts.join("config"), config.to_string())?;
    let sum = output(command("sha256sum").arg("config").current_dir(parts))?;
    let config_name = format!("{}.json", sum.split_whitespace().next().context("sha256sum")?);
    std::fs::rename(parts.join("config"), parts.join(&config_name))?;
    let layer = name_of(&manifest[0]["Layers"][0])?;
    let manifest =
        json!([{ "Config": config_name, "RepoTags": [tag(release)], "Layers": [layer] }]);
    std::fs::write(parts.join("manifest.json"), manifest.to_string())?;
    let archive = release.work.join("image.tar");
    run(reproducible_tar(release)
        .arg("--file")
        .arg(&archive)
        .args(["--mode=0644", "manifest.json", &config_name, &layer])
        .current_dir(parts))?;
    Ok(archive)
}

fn files(release: &Release, contents: &Contents) -> anyhow::Result<Vec<File>> {
    let folder = release.staging("image-files")?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map(|()| File::plain(path, format!("etc/{name}")))
    };
    let mut files = vec![
        File::program(&contents.program, "usr/bin/kola"),
        write("passwd", "root:x:0:0:root:/:/none\nkola:x:65532:65532:kola:/var/lib/kola:/none\n")?,
        write("group", "root:x:0:\nkola:x:65532:\n")?,
        // Names are looked up as on any other machine.
        write("nsswitch.conf", "hosts: files dns\n")?,
        File::plain(CERTIFICATES, CERTIFICATES.trim_start_matches('/')),
        File::plain(crate::root().join("LICENSE"), "usr/share/doc/kola/copyright"),
        File::plain(&contents.licences, "usr/share/doc/kola/third-party-licenses.txt.gz"),
        File::plain(&contents.components, "usr/share/doc/kola/components.cdx.json"),
    ];
    for path in linked_with(&contents.program)? {
        files.push(File::program(&path, path.trim_start_matches('/')));
    }
    for package in ["libc6", "libgcc-s1"] {
        let copyright = format!("usr/share/doc/{package}/copyright");
        files.push(File::plain(format!("/{copyright}"), copyright.clone()));
    }
    Ok(files)
}

/// The paths of the libraries that the program is linked with, and of the program that loads them.
fn linked_with(program: &Path) -> anyhow::Result<Vec<String>> {
    let said = output(command("ldd").arg(program))?;
    let libraries = libraries(&said);
    ensure!(!libraries.is_empty(), "ldd says {said:?}");
    Ok(libraries)
}

fn libraries(ldd: &str) -> Vec<String> {
    let words =
        ldd.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_have_their_paths() {
        let ldd = "\tlinux-vdso.so.1 (0x00007fc549227000)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007fc549229000)\n";
        assert_eq!(
            libraries(ldd),
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
    }
}

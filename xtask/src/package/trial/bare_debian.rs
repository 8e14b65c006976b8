//! A Debian with nothing in it but what every Debian has, in a folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::package::tools::{command, output, run};

const RELEASE: &str = "bookworm";
/// What the package depends on, so that it can be installed without a network, what bash completes by,
/// and systemd, which a bare Debian has where it is a machine of its own.
const PACKAGES: &str =
    "--include=adduser,ca-certificates,bash-completion,systemd,systemd-sysv,dbus,procps";
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

pub struct BareDebian {
    root: PathBuf,
}

impl BareDebian {
    /// A new one. What is fetched for the first is kept.
    pub fn make(name: &str) -> anyhow::Result<Self> {
        let folder = crate::target_dir()?.join("package-trial");
        std::fs::create_dir_all(&folder)?;
        let (root, kept) = (folder.join(name), folder.join(format!("{RELEASE}.tar")));
        if root.exists() {
            std::fs::remove_dir_all(&root)?;
        }
        if kept.exists() {
            std::fs::create_dir(&root)?;
            run(command("tar")
                .arg("--extract")
                .arg("--file")
                .arg(&kept)
                .arg("--directory")
                .arg(&root))?;
        } else {
            fetch(&root)?;
            run(command("tar")
                .args(["--create", "--file"])
                .arg(&kept)
                .arg("--directory")
                .arg(&root)
                .arg("."))?;
        }
        Ok(Self { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path of its as this machine sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A program in it, as root.
    pub fn program(&self, program: &str) -> Command {
        let mut command = command("chroot");
        command.arg(&self.root).args(["/usr/bin/env", "-i", PATH, "LC_ALL=C.UTF-8"]);
        command.args(["DEBIAN_FRONTEND=noninteractive", program]);
        command
    }

    /// A program in it, in a folder, as a user and with these variables.
    pub fn program_as(&self, user: &str, folder: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = command("chroot");
        command.arg(format!("--userspec={user}:{user}")).arg(&self.root);
        command.args(["/usr/bin/env", "-i", "--chdir", folder, PATH]);
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        command
    }

    /// Runs dpkg, as apt does. Answers all that it and the scripts of the package say.
    pub fn dpkg(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut dpkg = self.program("dpkg");
        dpkg.args(["--force-confdef", "--force-confold"]).args(arguments);
        let ended = dpkg.stdin(Stdio::null()).output().context("chroot")?;
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        ensure!(ended.status.success(), "dpkg {arguments:?}: {said}");
        Ok(said)
    }

    /// Installs a package, or another version of it.
    pub fn install(&self, package: &Path) -> anyhow::Result<String> {
        std::fs::copy(package, self.path("/tmp/kola.deb"))?;
        self.dpkg(&["--install", "/tmp/kola.deb"])
    }

    /// The mode and the owner of a file or folder.
    pub fn mode(&self, path: &str) -> anyhow::Result<String> {
        output(self.program("stat").args(["--format=%a %U:%G", path]))
    }
}

/// Fetches it from where this machine has its own packages.
fn fetch(root: &Path) -> anyhow::Result<()> {
    let mut debootstrap = command("debootstrap");
    debootstrap.args(["--variant=minbase", PACKAGES, RELEASE]).arg(root);
    let codename = format!("Codename: {RELEASE}");
    let filter = ["Created-By: Packages", codename.as_str(), "Component: main"];
    let places =
        output(command("apt-get").args(["indextargets", "--format=$(REPO_URI)"]).args(filter));
    if let Some(place) = places.unwrap_or_default().lines().next() {
        debootstrap.arg(place);
    }
    run(debootstrap.stdout(Stdio::null()))
}

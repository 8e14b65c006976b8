//! The service in a Debian that is started in a container of systemd's own, with all the restrictions
//! of its unit.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};

use super::Table;
use super::bare_debian::BareDebian;
use crate::package::tools::command;

const SCRIPT: &str = include_str!("under_systemd.sh");
const UNIT: &str = "[Unit]
After=kola.service

[Service]
Type=oneshot
ExecStart=/trial/script
ExecStopPost=/usr/bin/systemctl --no-block poweroff
";
/// A machine that is busy may need so long for all of it, in seconds.
const TIMEOUT: &str = "420";

pub fn trial(
    table: &mut Table,
    debian: &BareDebian,
    first: &Path,
    newer: &Path,
) -> anyhow::Result<()> {
    debian.install(first)?;
    std::fs::create_dir(debian.path("/trial"))?;
    std::fs::copy(newer, debian.path("/trial/newer.deb"))?;
    std::fs::write(debian.path("/trial/script"), SCRIPT)?;
    std::fs::set_permissions(debian.path("/trial/script"), Permissions::from_mode(0o755))?;
    std::fs::write(debian.path("/etc/default/kola"), "KOLA_SANDBOX_DELAY_MS=0\n")?;
    let units = debian.path("/etc/systemd/system");
    std::fs::write(units.join("trial.service"), UNIT)?;
    std::os::unix::fs::symlink(
        "/etc/systemd/system/trial.service",
        units.join("multi-user.target.wants/trial.service"),
    )?;
    let log = std::fs::File::create(debian.path("/trial/console"))?;
    let mut boot = command("timeout");
    boot.args([TIMEOUT, "systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]);
    // With a network of its own no port of this machine is in the way.
    boot.args(["--private-network", "--boot", "--directory"]).arg(debian.root());
    let ended = boot.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).status();
    let results = std::fs::read_to_string(debian.path("/trial/result")).unwrap_or_default();
    for line in results.lines().filter(|line| line.contains('\t')) {
        let mut parts = line.splitn(3, '\t');
        let (verdict, what) = (parts.next(), parts.next().context("a line of the result")?);
        let found = parts.next().unwrap_or_default().to_owned();
        table.check(what, || {
            ensure!(verdict == Some("ok"), "{found}");
            Ok(found)
        });
    }
    table.check("under systemd: the trial came to its end", || {
        let ended = ended.context("systemd-nspawn, of the package systemd-container")?;
        ensure!(results.ends_with("end\n"), "it ended with {ended}; see its /trial/console");
        Ok("the machine was started and turned off".to_owned())
    });
    Ok(())
}

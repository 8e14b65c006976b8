//! The Debian package, from its installation to its purge.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::Table;
use super::bare_debian::BareDebian;
use super::service::Service;
use crate::package::contents::SHELLS;
use crate::package::tools::{command, files_below, output};

const CONFIG: &str = "/etc/kola/kola.toml";
const BOOKS: &str = "/var/lib/kola/kola.db";
/// Exposure as `systemd-analyze security` counts it, in tenths: it is at most 2.0.
const EXPOSURE: u32 = 20;
/// Another port than the settings have, so that nothing on this machine is in the way.
const VARIABLES: &str =
    "# As an administrator writes it.\nKOLA_LISTEN=127.0.0.1:0\nKOLA_SANDBOX_DELAY_MS=0\n";
const CHANGE: &str = "\n# An administrator's own.\nidle-seconds = 60\n";
const MODES: [(&str, &str); 8] = [
    ("/usr/bin/kola", "755 root:root"),
    (CONFIG, "640 root:kola"),
    ("/var/lib/kola", "750 kola:kola"),
    ("/usr/lib/systemd/system/kola.service", "644 root:root"),
    ("/usr/share/doc/kola/copyright", "644 root:root"),
    ("/usr/share/doc/kola/components.cdx.json", "644 root:root"),
    ("/usr/share/doc/kola/third-party-licenses.txt.gz", "644 root:root"),
    ("/usr/share/man/man1/kola.1.gz", "644 root:root"),
];

pub fn trial(
    table: &mut Table,
    debian: &BareDebian,
    first: &Path,
    newer: &Path,
) -> anyhow::Result<()> {
    table.check("lintian", || lintian(first));
    // Without it there is nothing to try.
    let said = debian.install(first)?;
    table.check("installation without systemd", || {
        ensure!(!said.contains("rror"), "{said}");
        Ok("dpkg and the scripts of the package end well".to_owned())
    });
    table.check("files and their modes", || modes(debian));
    table.check("the service is enabled", || {
        let link = debian.path("/etc/systemd/system/multi-user.target.wants/kola.service");
        Ok(format!("it is started with the machine: {}", std::fs::read_link(link)?.display()))
    });
    table.check("systemd-analyze verify", || verify_unit(debian));
    table.check("systemd-analyze security", || exposure(debian));
    table.check("manual pages", || manual(debian));
    for shell in &SHELLS {
        table.check(&format!("completions in {}", shell.name), || {
            completes(debian, shell.name, shell.place)
        });
    }
    std::fs::write(debian.path("/etc/default/kola"), VARIABLES)?;
    let balances = first_payments(table, debian)?;
    upgrade(table, debian, newer, &balances)?;
    removal(table, debian, first, &balances)
}

fn lintian(package: &Path) -> anyhow::Result<String> {
    let mut lintian = command("lintian");
    lintian
        .args(["--allow-root", "--no-cfg", "--tag-display-limit=0", "--color=never"])
        .arg(package);
    let ended =
        lintian.stdin(Stdio::null()).output().context("lintian, of the package of that name")?;
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    ensure!(ended.status.success() && !said.lines().any(|line| line.starts_with("E:")), "{said}");
    Ok(if said.trim().is_empty() {
        "neither errors nor warnings".to_owned()
    } else {
        said.trim().to_owned()
    })
}

fn modes(debian: &BareDebian) -> anyhow::Result<String> {
    for (path, expected) in MODES {
        let found = debian.mode(path)?;
        ensure!(found == expected, "{path} has {found}, not {expected}");
    }
    let said = debian.dpkg(&["--verify", "kola"])?;
    ensure!(said.is_empty(), "dpkg --verify: {said}");
    Ok(format!("{} as they should be", MODES.len()))
}

fn verify_unit(debian: &BareDebian) -> anyhow::Result<String> {
    let root = format!("--root={}", debian.root().display());
    let mut verify = command("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no", &root, "kola.service"]);
    let ended = verify.stdin(Stdio::null()).output().context("systemd-analyze")?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.success() && said.trim().is_empty(), "{said}");
    Ok("it says nothing".to_owned())
}

fn exposure(debian: &BareDebian) -> anyhow::Result<String> {
    let said = output(command("systemd-analyze").args([
        "security",
        "--offline=true",
        "--no-pager",
        &format!("--threshold={EXPOSURE}"),
        &debian.path("/usr/lib/systemd/system/kola.service").display().to_string(),
    ]))?;
    let verdict = said.lines().rev().find(|line| line.contains("exposure level"));
    Ok(verdict.context("systemd-analyze has no verdict")?.trim_start_matches(['→', ' ']).to_owned())
}

/// Each page is read by the programs that show it, with all their warnings.
fn manual(debian: &BareDebian) -> anyhow::Result<String> {
    let pages = files_below(&debian.path("/usr/share/man/man1"))?;
    let pages: Vec<_> = pages.into_iter().filter(|(name, _)| name.starts_with("kola")).collect();
    for (name, page) in &pages {
        let mut man = command("man");
        man.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(page)
            .env("MANWIDTH", "80");
        let ended = man.stdin(Stdio::null()).output().context("man")?;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        ensure!(ended.status.success() && said.is_empty(), "{name}: {said}");
        ensure!(ended.stdout.len() > 1_000, "{name} has hardly any text");
    }
    ensure!(pages.iter().any(|(name, _)| name == "kola.1.gz"), "there is no kola.1");
    Ok(format!("{} without a warning", pages.len()))
}

/// What a shell offers for `kola led`.
fn completes(debian: &BareDebian, shell: &str, place: &str) -> anyhow::Result<String> {
    let file = debian.path(place).display().to_string();
    let offered = match shell {
        "bash" => output(debian.program("bash").args([
            "-c",
            "source /usr/share/bash-completion/bash_completion; _completion_loader kola; \
             COMP_WORDS=(kola led) COMP_CWORD=1 COMP_LINE='kola led' COMP_POINT=8; \
             function=$(complete -p kola | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $function kola led kola; \
             printf '%s\\n' \"${COMPREPLY[@]}\"",
        ]))?,
        // Without a terminal zsh completes nothing: it reads the file and names the function.
        "zsh" => output(command("zsh").args([
            "-f",
            "-c",
            "autoload -Uz compinit; compinit -u -D; source \"$1\" && [[ ${_comps[kola]} = _kola ]] && \
             functions _kola_commands",
            "zsh",
            &file,
        ]))?,
        _ => output(command("fish").args([
            "--no-config",
            "-c",
            &format!("source {file}; complete --do-complete 'kola led'"),
        ]))?,
    };
    ensure!(offered.contains("ledger"), "it offers {offered:?}");
    Ok("`kola led` becomes `kola ledger`".to_owned())
}

/// A command of the operator, as the settings tell to run it.
fn operator(debian: &BareDebian, arguments: &[&str]) -> anyhow::Result<String> {
    let mut kola = debian.program_as("kola", "/var/lib/kola", &[]);
    output(kola.args(["/usr/bin/kola", "--config", CONFIG]).args(arguments))
}

/// Starts the service and pays. Answers the balances.
fn first_payments(table: &mut Table, debian: &BareDebian) -> anyhow::Result<String> {
    let service = Service::start(debian)?;
    table.check("the unit's own command line, as its user", || {
        let expected = output(debian.program("id").args(["--user", "kola"]))?;
        ensure!(service.user()?.to_string() == expected, "it runs as user {}", service.user()?);
        Ok(format!("kola listens as user {expected}"))
    });
    table.check("the first start leaves no secret in the journal", || {
        let said = service.said();
        ensure!(!said.contains("secret") && !said.contains("client_id"), "{said}");
        let merchants = operator(debian, &["--json", "merchant", "list"])?;
        ensure!(merchants.trim() == "[]", "there are merchants: {merchants}");
        Ok("no merchant, no credentials".to_owned())
    });
    let ready = ["ready", "--url", &service.url];
    table.check("kola ready", || operator(debian, &ready));
    table.check("payments in the sandbox", || pay(debian, &service.url));
    let balances = operator(debian, &["--json", "wallet", "list"])?;
    table.check("modes of the books", || {
        let found = debian.mode(BOOKS)?;
        ensure!(found == "600 kola:kola", "{BOOKS} has {found}");
        Ok(found)
    });
    let url = service.url.clone();
    table.check("SIGTERM", || Ok(format!("it ends after {} ms", service.stop()?.as_millis())));
    table.check("kola ready, once it is stopped", || {
        let found = operator(debian, &["ready", "--url", &url]);
        ensure!(found.is_err(), "{found:?}");
        Ok("fails, as it should".to_owned())
    });
    Ok(balances)
}

/// A merchant, and a payment of each kind.
fn pay(debian: &BareDebian, url: &str) -> anyhow::Result<String> {
    let create = ["--json", "merchant", "create", "--name", "Trial", "--type", "ORGANIZATION"];
    let merchant: Value = serde_json::from_str(&operator(debian, &create)?)?;
    let field = |name: &str| merchant[name].as_str().with_context(|| format!("no {name}"));
    let secret = [("KOLA_CLIENT_SECRET", field("client_secret")?)];
    let mut demo = debian.program_as("kola", "/var/lib/kola", &secret);
    demo.args(["/usr/bin/kola", "demo", "--url", url, "--client-id", field("client_id")?]);
    let said = output(&mut demo)?;
    let done = said.matches("COMPLETED").count();
    ensure!(done >= 4, "{said}");
    Ok(format!("a checkout, a payout, a transfer and a refund; {}", verified(debian)?))
}

fn verified(debian: &BareDebian) -> anyhow::Result<String> {
    operator(debian, &["ledger", "verify"])?;
    Ok("the ledger is right".to_owned())
}

fn upgrade(
    table: &mut Table,
    debian: &BareDebian,
    newer: &Path,
    balances: &str,
) -> anyhow::Result<()> {
    let config = std::fs::read_to_string(debian.path(CONFIG))? + CHANGE;
    std::fs::write(debian.path(CONFIG), &config)?;
    let running = Service::start(debian)?;
    let said = debian.install(newer)?;
    // systemd would do that.
    running.stop()?;
    table.check("upgrade under a running server", || {
        let version = output(debian.program("dpkg-query").args([
            "--show",
            "--showformat=${Version}",
            "kola",
        ]))?;
        ensure!(version == "99.0.0-1", "{version}: {said}");
        Ok(version)
    });
    table.check("the upgrade keeps changed settings", || {
        ensure!(std::fs::read_to_string(debian.path(CONFIG))? == config, "they were changed");
        debian.mode(CONFIG)
    });
    table.check("the upgrade keeps the books", || {
        let service = Service::start(debian)?;
        same_balances(debian, balances)?;
        service.stop()?;
        verified(debian)
    });
    Ok(())
}

fn same_balances(debian: &BareDebian, expected: &str) -> anyhow::Result<()> {
    let found = operator(debian, &["--json", "wallet", "list"])?;
    ensure!(found == expected, "the balances were {expected}, and are {found}");
    Ok(())
}

fn removal(
    table: &mut Table,
    debian: &BareDebian,
    package: &Path,
    balances: &str,
) -> anyhow::Result<()> {
    debian.dpkg(&["--remove", "kola"])?;
    table.check("removal", || {
        ensure!(!debian.path("/usr/bin/kola").exists(), "the program is still there");
        ensure!(debian.path(CONFIG).exists(), "the settings are gone");
        ensure!(debian.path(BOOKS).exists(), "the books are gone");
        Ok("the program goes; settings and books stay".to_owned())
    });
    let said = debian.dpkg(&["--purge", "kola"])?;
    table.check("purge", || {
        ensure!(!debian.path("/etc/kola").exists(), "the settings are still there");
        ensure!(debian.path(BOOKS).exists(), "the books are gone");
        ensure!(debian.mode(BOOKS)? == "600 kola:kola", "they have another owner");
        ensure!(
            said.contains("/var/lib/kola has the books and stays"),
            "it does not say so: {said}"
        );
        Ok("the settings go; the books stay, and it says so".to_owned())
    });
    debian.install(package)?;
    table.check("installed again after the purge", || {
        same_balances(debian, balances)?;
        verified(debian)
    });
    std::fs::remove_dir_all(debian.path("/var/lib/kola"))?;
    table.check("purge of an installation without books", || {
        debian.dpkg(&["--purge", "kola"])?;
        ensure!(!debian.path("/var/lib/kola").exists(), "its folder is still there");
        Ok("nothing of it is left but its user".to_owned())
    });
    Ok(())
}

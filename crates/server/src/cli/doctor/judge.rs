//! What the facts mean: a function of them alone, one line for each check.

use std::time::Duration;

use domain::kernel::time::{ServerTime, minutes, seconds};
use domain::ledger::installation_check::CheckOutcome;
use store::{POSTGRES_CONNECTIONS, Trouble};

use crate::cli::doctor::database::{Found, InstallationFacts, ServerFacts, Unusable};
use crate::cli::doctor::machine::MachineFacts;
use crate::cli::doctor::outside::{NetworkFacts, UrlFacts};
use crate::cli::doctor::{Line, State};
use crate::cli::ready::is_of_kola;

const HOUR: i64 = minutes(60);
const DAY: i64 = 24 * HOUR;
/// The oldest PostgreSQL that is tested.
const OLDEST_POSTGRES: i64 = 14;
/// How far two clocks may be apart: leases and due times are compared across processes.
const CLOCK_WARN_US: i64 = seconds(1);
const CLOCK_FAIL_US: i64 = seconds(10);
/// How far a standby may be behind, in bytes.
const BEHIND_MAX: i64 = 64 << 20;
/// A certificate that ends sooner is a warning.
const CERTIFICATE_DAYS: i64 = 14;
/// Files that the server has open beside its connections.
const OTHER_FILES: u64 = 256;

/// How long something took or is ago, in words.
fn ago(us: i64) -> String {
    match us {
        ..0 => "in the future".to_owned(),
        0..120_000_000 => format!("{} s", us / 1_000_000),
        120_000_000..7_200_000_000 => format!("{} min", us / minutes(1)),
        _ if us < 2 * DAY => format!("{} h", us / HOUR),
        _ => format!("{} days", us / DAY),
    }
}

pub fn database(looked: &Result<Found, Unusable>) -> Vec<Line> {
    let found = match looked {
        Ok(found) => found,
        Err(unusable) => {
            return vec![Line::fail("database", &unusable.said, what_helps(unusable))];
        }
    };
    let mut lines = vec![Line::ok("database", format!("reached: {}", found.place))];
    if let Some(server) = &found.server {
        lines.extend(postgres(server));
    }
    lines.push(schema(found.schema));
    lines
}

/// What to do about a database that cannot be used.
const fn what_helps(unusable: &Unusable) -> &'static str {
    match (unusable.trouble, unusable.is_file) {
        (Trouble::Away, _) => "start the database, and check --database (KOLA_DATABASE)",
        (Trouble::Absent, _) => {
            "check --database (KOLA_DATABASE); a database that is lost comes back from a backup"
        }
        (Trouble::NoDatabase, _) => {
            "check --database (KOLA_DATABASE); in the place of kola's own file put a backup: stop the server, \
             `kola db restore FILE`"
        }
        (Trouble::Damaged, true) => {
            "it is damaged: stop the server, keep the file for whoever looks into it, and restore the last good \
             backup: `kola db restore FILE`"
        }
        (Trouble::Damaged, false) => {
            "it is damaged: stop the server and restore the last good backup of PostgreSQL"
        }
        (Trouble::NoRights, true) => {
            "run this as the user of the server; the file, its -wal and -shm, and its folder belong to that \
             user, who may write them"
        }
        (Trouble::NoRights, false) => {
            "give the user of --database the rights on kola's schema and tables; a standby takes no writes"
        }
        (Trouble::NotLetIn, _) => {
            "check the user and the password of --database (KOLA_DATABASE), and the server's pg_hba.conf"
        }
        (Trouble::Locked, _) => {
            "another program has it locked: let it finish, or end it; try again then"
        }
        (Trouble::Full, _) => "make room: until then nothing is acknowledged",
        (Trouble::BrokenDisk, _) => {
            "look at the disk and at the system's log; restore a backup on a disk that works"
        }
        (Trouble::Newer, _) => "use the newer kola",
        (Trouble::Other, _) => {
            "check --database (KOLA_DATABASE), and what the database's own log says"
        }
    }
}

fn schema((version, known): (i64, i64)) -> Line {
    match version {
        0 => Line::warn("schema", "there is none yet", "`kola serve` makes it"),
        _ if version < known => Line::warn(
            "schema",
            format!("{version}, and this kola brings {known}; what needs it is not checked"),
            "read what the changelog says under Upgrading, then start this kola",
        ),
        _ if version > known => Line::warn(
            "schema",
            format!("{version}, newer than the {known} of this kola"),
            "use the newer kola",
        ),
        _ => Line::ok("schema", format!("{version}, current")),
    }
}

fn postgres(server: &ServerFacts) -> Vec<Line> {
    let (major, minor) = (server.version / 10_000, server.version % 10_000);
    let version = format!("PostgreSQL {major}.{minor}");
    let mut lines = vec![if major >= OLDEST_POSTGRES {
        Line::ok("version", version)
    } else {
        Line::fail("version", version, "use PostgreSQL 14 or later")
    }];
    lines.push(rights(server));
    lines.push(match server.encoding.as_str() {
        "UTF8" => Line::ok("encoding", "UTF8"),
        other => Line::fail(
            "encoding",
            other,
            "make the database anew with `createdb --encoding UTF8 --template template0`",
        ),
    });
    lines.push(match server.fsync.as_str() {
        "on" => Line::ok("fsync", "on"),
        other => Line::fail("fsync", other, "set fsync = on: a crash loses what was acknowledged"),
    });
    lines.push(match server.full_page_writes.as_str() {
        "on" => Line::ok("full_page_writes", "on"),
        other => Line::fail(
            "full_page_writes",
            other,
            "set full_page_writes = on, unless the file system writes whole pages: a crash damages them",
        ),
    });
    lines.push(synchronous_commit(server));
    lines.extend(replication(server));
    lines.push(archive(server));
    lines.push(clock("clock", "the database's clock", server.clock_ahead_us));
    if let Some(ahead) = server.lanes_ahead_us {
        // Whoever wrote last did so a while ago: only a time that is still to come says something.
        lines.push(clock(
            "clock_of_servers",
            "the clock of the server that wrote last",
            ahead.max(0),
        ));
    }
    lines.push(connections(server));
    lines
}

fn rights(server: &ServerFacts) -> Line {
    let to_do = "give the user of --database the tables: kola brings its schema up to date itself";
    match server {
        ServerFacts { in_recovery: true, .. } => Line::warn(
            "rights",
            "this is a standby, which takes no writes",
            "name all hosts in --database: kola finds the one that takes writes",
        ),
        ServerFacts { may_write: false, .. } => Line::fail("rights", "may not write", to_do),
        ServerFacts { may_migrate: false, .. } => {
            Line::warn("rights", "may write, and is not the owner of the schema", to_do)
        }
        _ => Line::ok("rights", "may write, and owns the schema"),
    }
}

fn synchronous_commit(server: &ServerFacts) -> Line {
    let (check, value) = ("synchronous_commit", server.synchronous_commit.as_str());
    let awaits_standby = !server.standby_names.is_empty();
    match value {
        "off" => Line::ok(check, "off by default; kola's own connections turn it on"),
        "local" if awaits_standby => Line::warn(
            check,
            "local: commits do not wait for the standbys of synchronous_standby_names",
            "set synchronous_commit = on",
        ),
        value => Line::ok(check, value),
    }
}

fn replication(server: &ServerFacts) -> Vec<Line> {
    let check = "replication";
    let is_sync = |state: &str| matches!(state, "sync" | "quorum");
    let mut lines = vec![];
    let is_awaited = !server.standby_names.is_empty();
    if is_awaited && !server.standbys.iter().any(|standby| is_sync(&standby.sync_state)) {
        lines.push(Line::fail(
            check,
            "synchronous_standby_names is set, and no synchronous standby is attached: commits wait for one",
            "start the standby, or take it out of synchronous_standby_names",
        ));
    }
    for standby in &server.standbys {
        let (name, state) = (&standby.name, &standby.sync_state);
        lines.push(match standby.behind_bytes {
            None => Line::unknown(
                check,
                format!("standby {name} ({state}): how far it is behind is not shown to this user"),
                "grant the role pg_monitor to see it",
            ),
            Some(bytes) if bytes > BEHIND_MAX => Line::warn(
                check,
                format!("standby {name} ({state}) is {} MiB behind", bytes >> 20),
                "look at its log and its disk",
            ),
            Some(bytes) => {
                Line::ok(check, format!("standby {name} ({state}), {bytes} bytes behind"))
            }
        });
    }
    if lines.is_empty() {
        lines.push(Line::ok(check, "no standby"));
    }
    lines
}

fn archive(server: &ServerFacts) -> Line {
    match (server.archive_mode.as_str(), server.archive_fails) {
        ("off", _) => Line::ok("archive", "off: backups are those of a moment"),
        (_, true) => Line::fail(
            "archive",
            "the last try to archive the log failed",
            "look at the log of PostgreSQL and at archive_command: the disk runs full otherwise",
        ),
        (mode, false) => Line::ok("archive", mode),
    }
}

fn clock(check: &'static str, whose: &str, ahead_us: i64) -> Line {
    let far = ahead_us.saturating_abs();
    let found =
        format!("{whose} is {} ms {}", far / 1_000, if ahead_us < 0 { "behind" } else { "ahead" });
    let to_do = "let chrony or systemd-timesyncd keep the clocks of all machines";
    match far {
        _ if far >= CLOCK_FAIL_US => Line::fail(check, found, to_do),
        _ if far >= CLOCK_WARN_US => Line::warn(check, found, to_do),
        _ => Line::ok(check, found),
    }
}

fn connections(server: &ServerFacts) -> Line {
    let each = i64::try_from(POSTGRES_CONNECTIONS).unwrap_or(i64::MAX);
    let (used, most) = (server.connections, server.max_connections);
    let processes = server.processes.max(1);
    let found = format!("{used} of {most} connections; {processes} servers need {each} each");
    if processes.saturating_mul(each) > most {
        Line::fail("connections", found, "raise max_connections")
    } else if used.saturating_mul(10) > most.saturating_mul(9) {
        Line::warn("connections", found, "raise max_connections, or find who else uses them")
    } else {
        Line::ok("connections", found)
    }
}

pub fn machine(machine: &MachineFacts, connections_max: u64) -> Vec<Line> {
    let mut lines = vec![];
    match &machine.disk {
        Some(disk) => {
            if let Some(name) = disk.remote {
                lines.push(Line::fail(
                    "file_system",
                    format!("the database is on {name}, whose locks and syncs cannot be trusted"),
                    "move the file to a local disk, or use PostgreSQL",
                ));
            } else {
                lines.push(Line::ok("file_system", "local"));
            }
            lines.push(space(disk.free_bytes, disk.bytes));
        }
        None => lines.push(Line::unknown(
            "disk",
            "the disk of the database is not this machine's to see",
            "watch it where PostgreSQL runs",
        )),
    }
    if let Some(is_writable) = machine.directory_is_writable {
        lines.push(match is_writable {
            true => Line::ok("directory", "can be written"),
            false => Line::fail(
                "directory",
                "the directory of the database cannot be written",
                "give it to the user that kola runs as: the log of SQLite stands there",
            ),
        });
    }
    lines.extend(machine.files.iter().map(|(path, mode)| {
        let found = format!("{} has mode {mode:o}", path.display());
        if mode & 0o007 == 0 {
            Line::ok("file_mode", found)
        } else {
            Line::fail("file_mode", found, "chmod 600: others may read it")
        }
    }));
    lines.push(match machine.open_files {
        None => Line::unknown("open_files", "not known here", "see --connections-max"),
        Some(most) if most < connections_max.saturating_add(OTHER_FILES) => Line::warn(
            "open_files",
            format!("{most}, fewer than --connections-max {connections_max} needs"),
            "raise LimitNOFILE of the service, or ulimit -n: the server takes fewer connections",
        ),
        Some(u64::MAX) => Line::ok("open_files", "no limit"),
        Some(most) => Line::ok("open_files", most.to_string()),
    });
    lines.push(match machine.clock_is_synchronised {
        Some(true) => Line::ok("clock_sync", "systemd-timesyncd keeps the clock"),
        Some(false) => Line::warn(
            "clock_sync",
            "systemd-timesyncd has not set the clock yet",
            "see `timedatectl`",
        ),
        None => Line::unknown(
            "clock_sync",
            "nothing here says whether the clock is kept",
            "see `timedatectl` or `chronyc tracking`",
        ),
    });
    lines
}

fn space(free: u64, all: u64) -> Line {
    let percent = u128::from(free) * 100 / u128::from(all.max(1));
    let found = format!("{} MiB free, {percent} %", free >> 20);
    let to_do = "make room: without it nothing is acknowledged";
    match percent {
        0..2 => Line::fail("disk", found, to_do),
        2..10 => Line::warn("disk", found, to_do),
        _ => Line::ok("disk", found),
    }
}

pub fn secrets_key(needed: &[String], key: &Result<Option<String>, String>) -> Line {
    let check = "secrets_key";
    let to_do = "put the file of the key back (--secrets-key-file); a new key opens nothing";
    match key {
        Err(error) => Line::fail(check, error, to_do),
        Ok(None) if needed.is_empty() => Line::ok(check, "no secret needs one yet"),
        Ok(None) => Line::fail(check, "there is none, and secrets need it", to_do),
        Ok(Some(id)) if needed.iter().all(|needed| needed == id) => {
            Line::ok(check, "the right one")
        }
        Ok(Some(_)) => Line::fail(check, "it is another one than secrets need", to_do),
    }
}

pub fn installation(facts: &InstallationFacts, verify_every: Option<Duration>) -> Vec<Line> {
    let mut lines = vec![
        verification(facts, verify_every),
        backup(facts),
        match &facts.payouts_stop {
            None => Line::ok("payouts", "go out"),
            Some(stop) => Line::warn(
                "payouts",
                format!("stopped since {}: {}", stop.since, stop.reason),
                "`kola payouts resume` once that is put right",
            ),
        },
    ];
    if facts.held.is_empty() && facts.refused.is_empty() {
        lines.push(Line::ok("network_accounts", "none is held, no token is refused"));
    }
    if !facts.held.is_empty() {
        let found = format!("held: {}", facts.held.join(", "));
        lines.push(Line::warn("network_accounts", found, "`kola networks resume`"));
    }
    if !facts.refused.is_empty() {
        let found = format!("token refused: {}", facts.refused.join(", "));
        lines.push(Line::fail("network_accounts", found, "`kola networks set-token`"));
    }
    let waits = |check, what: &str, since: Option<ServerTime>, limit: i64, to_do| {
        let age = since.map_or(0, |since| facts.now.since(since));
        let found = since.map_or_else(
            || format!("no {what} waits"),
            |_| format!("the oldest {what} has waited for {}", ago(age)),
        );
        if age > limit { Line::warn(check, found, to_do) } else { Line::ok(check, found) }
    };
    lines.push(waits("reviews", "review", facts.oldest_review_at, DAY, "`kola review list`"));
    lines.push(waits(
        "due",
        "payment that is due",
        facts.oldest_due_at,
        minutes(5),
        "does a server run? Its log says why it does not go on",
    ));
    let mut webhooks = waits(
        "webhooks",
        "delivery",
        facts.oldest_webhook_at,
        HOUR,
        "nobody has tried to deliver it: the log says why, unless no server runs",
    );
    webhooks.found = format!("{}; {} in all", webhooks.found, facts.webhooks_waiting);
    lines.push(webhooks);
    lines
}

fn verification(facts: &InstallationFacts, every: Option<Duration>) -> Line {
    let check = "verification";
    let row = &facts.verification;
    let limit = every.map_or(2 * DAY, |every| {
        i64::try_from(every.as_micros()).unwrap_or(i64::MAX).saturating_mul(2)
    });
    if row.violations > 0 && row.completed_at().is_some() {
        let rules = row.detail.as_deref().unwrap_or("see `kola ledger verify`");
        return Line::fail(
            check,
            format!("the ledger is broken, {} violations: {rules}", row.violations),
            "`kola ledger verify` names the rows",
        );
    }
    let to_do = "run the server with --verify-every, or `kola ledger verify`";
    match (row.completed_at(), row.outcome) {
        (_, Some(CheckOutcome::Failed)) => {
            Line::warn(check, "the last one did not come to its end", "the server's log says why")
        }
        (None, _) => Line::warn(check, "the ledger was never verified", to_do),
        (Some(at), _) => {
            let age = facts.now.since(at);
            let found = format!("right, {} ago", ago(age));
            if age > limit { Line::warn(check, found, to_do) } else { Line::ok(check, found) }
        }
    }
}

fn backup(facts: &InstallationFacts) -> Line {
    let to_do =
        "`kola db backup`, or `kola db note-backup` at the end of the script that makes them";
    match facts.backup.good_at {
        None => Line::warn("backup", "none is on record", to_do),
        Some(at) => {
            let age = facts.now.since(at);
            let found = format!("the last one on record is {} old", ago(age));
            let state = if age > 25 * HOUR { State::Warn } else { State::Ok };
            Line {
                check: "backup",
                state,
                found,
                to_do: Some(to_do).filter(|_| state != State::Ok),
            }
        }
    }
}

pub fn public_url(looked: Option<UrlFacts>) -> Vec<Line> {
    let check = "public_url";
    let Some(UrlFacts { url, health, certificate, now }) = looked else {
        let to_do = "give --public-url (KOLA_PUBLIC_URL)";
        return vec![Line::unknown(check, "not given", to_do)];
    };
    let mut lines = vec![];
    if !url.starts_with("https:") && !crate::callbacks::public_address::is_loopback(&url) {
        let to_do = "put a proxy with TLS in front, and write https";
        lines.push(Line::fail(check, format!("{url} is not https"), to_do));
    }
    lines.push(match health {
        Ok((200, body)) if is_of_kola(body.as_bytes()) => {
            Line::ok(check, format!("{url}: kola answers"))
        }
        Ok((status @ 300..400, _)) => Line::fail(
            check,
            format!("{url} leads elsewhere ({status})"),
            "give the address itself that answers",
        ),
        Ok((status, _)) => Line::fail(
            check,
            format!("{url}: something else answers ({status})"),
            "let the proxy in front pass all paths on to kola",
        ),
        Err(error) => Line::fail(
            check,
            format!("{url} cannot be reached from here: {error}"),
            "does the server run, does its name resolve, does the proxy pass it on?",
        ),
    });
    lines.extend(certificate.map(|end| match end {
        Err(error) => Line::fail("certificate", error, "renew it, or trust who made it"),
        Ok(end) => {
            let days = end.since(now).div_euclid(DAY);
            let found = format!("good for {days} days");
            match days {
                ..0 => Line::fail("certificate", "it is over", "renew it"),
                0..CERTIFICATE_DAYS => Line::warn("certificate", found, "renew it"),
                _ => Line::ok("certificate", found),
            }
        }
    }));
    lines
}

pub fn network(facts: &NetworkFacts) -> Line {
    let name = &facts.name;
    match &facts.said {
        Ok(said) => Line::ok("network", format!("{name}: {said}")),
        Err(error) => Line::fail(
            "network",
            format!("{name}: {error}"),
            "`kola networks check` once it is put right",
        ),
    }
}

#[cfg(test)]
mod tests;

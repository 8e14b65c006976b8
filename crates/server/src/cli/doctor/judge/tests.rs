//! Each fault is named by its line. The facts are made up here: most of them take root, another
//! machine or a broken disk.

use std::path::PathBuf;

use domain::kernel::time::ServerTime;
use domain::ledger::installation_check::{CheckKind, CheckOutcome, InstallationCheck};
use domain::payments::payouts_stop::PayoutsStop;

use super::*;
use crate::cli::doctor::database::Standby;
use crate::cli::doctor::machine::Disk;

const NOW: ServerTime = ServerTime(1_800_000_000_000_000);

fn check(kind: CheckKind) -> InstallationCheck {
    let at = NOW.plus(-HOUR);
    InstallationCheck {
        id: kind.id(),
        kind,
        begun_at: Some(at),
        ended_at: Some(at),
        outcome: Some(CheckOutcome::Good),
        violations: 0,
        detail: None,
        good_at: Some(at),
        requested_at: None,
        holder: 0,
        leased_until: ServerTime(0),
    }
}

/// All that is looked at.
struct Facts {
    found: Found,
    server: ServerFacts,
    installation: InstallationFacts,
    machine: MachineFacts,
    key: Result<Option<String>, String>,
    url: UrlFacts,
    network: NetworkFacts,
}

fn healthy() -> Facts {
    Facts {
        found: Found {
            place: "PostgreSQL kola on db:5432".to_owned(),
            schema: (37, 37),
            keys_needed: vec!["right".to_owned()],
            ..Found::default()
        },
        server: ServerFacts {
            version: 150_018,
            in_recovery: false,
            may_write: true,
            may_migrate: true,
            encoding: "UTF8".to_owned(),
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_commit: "on".to_owned(),
            standby_names: "ANY 1 (b)".to_owned(),
            standbys: vec![Standby {
                name: "b".to_owned(),
                sync_state: "quorum".to_owned(),
                behind_bytes: Some(4_096),
            }],
            archive_mode: "on".to_owned(),
            archive_fails: false,
            max_connections: 97,
            connections: 24,
            processes: 2,
            lanes_ahead_us: Some(-seconds(1)),
            clock_ahead_us: 3_000,
        },
        installation: InstallationFacts {
            now: NOW,
            verification: check(CheckKind::Verify),
            backup: check(CheckKind::Backup),
            payouts_stop: None,
            held: vec![],
            refused: vec![],
            open_reviews: 1,
            oldest_review_at: Some(NOW.plus(-HOUR)),
            oldest_due_at: Some(NOW.plus(-seconds(1))),
            webhooks_waiting: 3,
            oldest_webhook_at: Some(NOW.plus(-seconds(9))),
        },
        machine: MachineFacts {
            disk: Some(Disk { free_bytes: 50 << 30, bytes: 100 << 30, remote: None }),
            directory_is_writable: Some(true),
            files: vec![("kola.db".into(), 0o600), ("kola.db.key".into(), 0o600)],
            open_files: Some(65_536),
            clock_is_synchronised: Some(true),
        },
        key: Ok(Some("right".to_owned())),
        url: UrlFacts {
            url: "https://pay.example".to_owned(),
            health: Ok((200, "{\"status\":\"ok\"}".to_owned())),
            certificate: Some(Ok(NOW.plus(60 * DAY))),
            now: NOW,
        },
        network: NetworkFacts { name: "momo".to_owned(), said: Ok("it answers".to_owned()) },
    }
}

fn lines(facts: Facts) -> Vec<Line> {
    let Facts { found, server, installation: facts, machine: seen, key, url, network: said } =
        facts;
    let keys = found.keys_needed.clone();
    let mut lines = database(&Ok(Found { server: Some(server), ..found }));
    lines.extend(machine(&seen, 16_384));
    lines.extend(installation(&facts, None));
    lines.push(secrets_key(&keys, &key));
    lines.extend(public_url(Some(url)));
    lines.push(network(&said));
    lines
}

#[test]
fn what_is_in_order_is_ok() {
    for line in lines(healthy()) {
        assert_eq!(line.state, State::Ok, "{line:?}");
    }
}

type Fault = (&'static str, State, fn(&mut Facts));

const FAULTS: &[Fault] = &[
    ("version", State::Fail, |facts| facts.server.version = 130_012),
    ("rights", State::Warn, |facts| facts.server.in_recovery = true),
    ("rights", State::Fail, |facts| facts.server.may_write = false),
    ("rights", State::Warn, |facts| facts.server.may_migrate = false),
    ("encoding", State::Fail, |facts| facts.server.encoding = "LATIN1".to_owned()),
    ("fsync", State::Fail, |facts| facts.server.fsync = "off".to_owned()),
    ("full_page_writes", State::Fail, |facts| facts.server.full_page_writes = "off".to_owned()),
    ("synchronous_commit", State::Warn, |facts| {
        facts.server.synchronous_commit = "local".to_owned();
    }),
    ("replication", State::Fail, |facts| facts.server.standbys.clear()),
    ("replication", State::Warn, |facts| facts.server.standbys[0].behind_bytes = Some(1 << 30)),
    ("replication", State::Unknown, |facts| facts.server.standbys[0].behind_bytes = None),
    ("archive", State::Fail, |facts| facts.server.archive_fails = true),
    ("clock", State::Warn, |facts| facts.server.clock_ahead_us = -seconds(3)),
    ("clock", State::Fail, |facts| facts.server.clock_ahead_us = minutes(9)),
    ("clock_of_servers", State::Fail, |facts| facts.server.lanes_ahead_us = Some(minutes(9))),
    ("connections", State::Fail, |facts| facts.server.processes = 20),
    ("connections", State::Warn, |facts| facts.server.connections = 90),
    ("schema", State::Warn, |facts| facts.found.schema = (30, 37)),
    ("schema", State::Warn, |facts| facts.found.schema = (40, 37)),
    ("file_system", State::Fail, |facts| {
        facts.machine.disk.as_mut().unwrap().remote = Some("NFS");
    }),
    ("disk", State::Warn, |facts| facts.machine.disk.as_mut().unwrap().free_bytes = 5 << 30),
    ("disk", State::Fail, |facts| facts.machine.disk.as_mut().unwrap().free_bytes = 1 << 30),
    ("disk", State::Unknown, |facts| facts.machine.disk = None),
    ("directory", State::Fail, |facts| facts.machine.directory_is_writable = Some(false)),
    ("file_mode", State::Fail, |facts| facts.machine.files[1].1 = 0o644),
    ("file_mode", State::Fail, |facts| {
        facts.machine.files.push((PathBuf::from("kola.toml"), 0o604));
    }),
    ("open_files", State::Warn, |facts| facts.machine.open_files = Some(1_024)),
    ("clock_sync", State::Warn, |facts| facts.machine.clock_is_synchronised = Some(false)),
    ("clock_sync", State::Unknown, |facts| facts.machine.clock_is_synchronised = None),
    ("secrets_key", State::Fail, |facts| facts.key = Ok(None)),
    ("secrets_key", State::Fail, |facts| facts.key = Ok(Some("other".to_owned()))),
    ("secrets_key", State::Fail, |facts| facts.key = Err("it has no key".to_owned())),
    ("verification", State::Fail, |facts| {
        let row = &mut facts.installation.verification;
        (row.outcome, row.violations) = (Some(CheckOutcome::Bad), 2);
    }),
    ("verification", State::Warn, |facts| {
        facts.installation.verification.ended_at = Some(NOW.plus(-3 * DAY));
    }),
    ("verification", State::Warn, |facts| {
        let row = &mut facts.installation.verification;
        (row.outcome, row.ended_at, row.good_at) = (None, None, None);
    }),
    ("verification", State::Warn, |facts| {
        facts.installation.verification.outcome = Some(CheckOutcome::Failed);
    }),
    ("backup", State::Warn, |facts| facts.installation.backup.good_at = None),
    ("backup", State::Warn, |facts| facts.installation.backup.good_at = Some(NOW.plus(-26 * HOUR))),
    ("payouts", State::Warn, |facts| {
        let reason = "books".to_owned();
        facts.installation.payouts_stop = Some(PayoutsStop { since: NOW, reason });
    }),
    ("network_accounts", State::Warn, |facts| facts.installation.held.push("momo".to_owned())),
    ("network_accounts", State::Fail, |facts| facts.installation.refused.push("momo".to_owned())),
    ("reviews", State::Warn, |facts| {
        facts.installation.oldest_review_at = Some(NOW.plus(-2 * DAY));
    }),
    ("due", State::Warn, |facts| facts.installation.oldest_due_at = Some(NOW.plus(-minutes(6)))),
    ("webhooks", State::Warn, |facts| {
        facts.installation.oldest_webhook_at = Some(NOW.plus(-2 * HOUR));
    }),
    ("public_url", State::Fail, |facts| {
        (facts.url.url, facts.url.certificate) = ("http://pay.example".to_owned(), None);
    }),
    ("public_url", State::Fail, |facts| facts.url.health = Err("no address".to_owned())),
    ("public_url", State::Fail, |facts| facts.url.health = Ok((301, String::new()))),
    ("public_url", State::Fail, |facts| facts.url.health = Ok((200, "hello".to_owned()))),
    ("certificate", State::Warn, |facts| facts.url.certificate = Some(Ok(NOW.plus(3 * DAY)))),
    ("certificate", State::Fail, |facts| facts.url.certificate = Some(Ok(NOW.plus(-1)))),
    ("certificate", State::Fail, |facts| {
        facts.url.certificate = Some(Err("unknown issuer".to_owned()));
    }),
    ("network", State::Fail, |facts| facts.network.said = Err("refuses the token".to_owned())),
];

#[test]
fn each_fault_that_facts_are_made_up_of_is_named_by_its_line() {
    for (number, (check, state, plant)) in FAULTS.iter().enumerate() {
        let mut facts = healthy();
        plant(&mut facts);
        let bad: Vec<Line> =
            lines(facts).into_iter().filter(|line| line.state != State::Ok).collect();
        assert_eq!(bad.len(), 1, "{number} {check}: {bad:?}");
        assert_eq!((bad[0].check, bad[0].state), (*check, *state), "{number}: {bad:?}");
        assert!(bad[0].to_do.is_some_and(|to_do| !to_do.is_empty()), "{bad:?}");
    }
}

#[test]
fn what_to_do_about_a_database_follows_from_what_is_wrong() {
    for (trouble, is_file, word) in [
        (Trouble::Away, false, "start the database"),
        (Trouble::Absent, false, "--database"),
        (Trouble::NoDatabase, true, "--database"),
        (Trouble::Damaged, true, "kola db restore"),
        (Trouble::Damaged, false, "backup of PostgreSQL"),
        (Trouble::NoRights, true, "the user of the server"),
        (Trouble::NoRights, false, "the rights"),
        (Trouble::NotLetIn, false, "password"),
        (Trouble::Locked, true, "locked"),
        (Trouble::Full, true, "make room"),
        (Trouble::BrokenDisk, true, "disk"),
        (Trouble::Newer, true, "newer kola"),
    ] {
        let unusable = Unusable { said: "database: it says so".to_owned(), trouble, is_file };
        let found = database(&Err(unusable));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].check, found[0].state), ("database", State::Fail));
        let to_do = found[0].to_do.unwrap_or_default();
        assert!(to_do.contains(word), "{trouble:?}: {to_do}");
        assert_eq!(to_do.contains("start the database"), trouble == Trouble::Away, "{to_do}");
    }
}

/// A certificate that nobody could show is not one that has to be renewed.
#[test]
fn a_url_that_is_not_reached_is_one_line() {
    let url = UrlFacts {
        health: Err("its name has no address".to_owned()),
        certificate: None,
        ..healthy().url
    };
    let lines = public_url(Some(url));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].state == State::Fail && lines[0].check == "public_url", "{lines:?}");
}

#[test]
fn an_interval_of_the_server_shortens_how_old_a_verification_may_be() {
    let mut facts = healthy().installation;
    facts.verification.ended_at = Some(NOW.plus(-3 * HOUR));
    let every = |hours: u64| Some(Duration::from_secs(hours * 3_600));
    let state = |every| verification(&facts, every).state;
    assert_eq!(
        [state(None), state(every(2)), state(every(1))],
        [State::Ok, State::Ok, State::Warn]
    );
}

//! A database that accepts connections and does not answer.

use crate::support::shop::GOOD;
use crate::support::{all_at_once, id, json, key, on_postgres_only};

use super::{Setup, call_once, recovered, retried};

const CROWD: usize = 64;

/// A figure of a process in `/proc`: `VmRSS` in KiB, or `Threads`.
#[track_caller]
fn figure(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {status}"))
}

/// Open files and connections of a process.
fn files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a process").count()
}

#[test]
fn a_database_that_hangs_is_told_in_time_and_survived() {
    on_postgres_only!();
    let setup = Setup::build();
    let shop = &setup.shop;
    let account = shop.momo("PAYOUT", GOOD);
    let open = |_| json!({"session_id": id(&shop.open_payout(account, "USD", "10.00").ok()), "reference_id": key()});
    let calls: Vec<_> = (0..CROWD).map(open).collect();
    let pid = setup.server.pid();
    let before = (figure(pid, "VmRSS"), figure(pid, "Threads"), files(pid));
    setup.proxy.stall();
    for _ in 0..3 {
        let replies = all_at_once(&calls, |body| {
            call_once(&shop.api, "POST", "/v1/executions/payout", Some(body))
        });
        assert!(replies.iter().all(|reply| reply.status == 503), "{replies:?}");
        let reads = all_at_once(&calls, |_| call_once(&shop.api, "GET", "/v1/wallets/list", None));
        assert!(reads.iter().all(|reply| reply.status == 503), "{reads:?}");
        assert_eq!(call_once(&shop.api, "GET", "/healthz", None).status, 200);
    }
    let after = (figure(pid, "VmRSS"), figure(pid, "Threads"), files(pid));
    assert!(after.0 < before.0 + 64 * 1024, "memory grew from {} to {} KiB", before.0, after.0);
    assert!(after.1 < before.1 + 64, "threads grew from {} to {}", before.1, after.1);
    assert!(after.2 < before.2 + 64, "open files grew from {} to {}", before.2, after.2);
    setup.proxy.open();
    recovered(shop);
    for body in &calls {
        let execution = retried(&shop.api, "POST", "/v1/executions/payout", Some(body));
        assert_eq!(shop.settled("payout", &execution)["status"], "COMPLETED");
    }
    assert_eq!(setup.server.database.value("SELECT count(*) FROM executions"), CROWD.to_string());
    // 100,000.00 less 64 payouts of 10.15.
    shop.assert_balance("USD", "99350.40", "0.00");
    setup.server.verify_ledger();
}

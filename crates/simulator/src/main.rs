//! Runs kola's own decisions and lanes on a simulated database, clock, network and providers. A run
//! has one thread and one seed, so that whatever the oracle and the invariants find can be repeated
//! exactly.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::plan::{Id, Plan, Script};
use crate::statistics::Statistics;

mod audit;
mod batch_chain;
mod checks;
mod clients;
mod compare;
mod contracts;
mod db;
mod describe;
mod drain;
mod environment;
mod faults;
#[cfg(feature = "mutants")]
mod mutants;
mod never_sent;
mod of_people;
mod of_statements;
mod oracle;
mod plan;
mod processes;
mod providers;
mod queued_command;
mod real_networks;
mod receivers;
mod reconciling;
mod results;
mod rng;
mod scheduled;
mod shrink;
mod sim;
mod sim_store;
mod statements;
mod statistics;
mod tariff;
mod tries;
mod webhooks;

/// How many characters of a violation's details are shown.
const MAX_DETAILS: usize = 700;

/// Runs kola's decisions and engine on a simulated database, clock, network and providers, with
/// random requests and faults, and checks every step against a second opinion. The same seed is
/// always the same history.
///
/// Exits with 1 when a rule was broken, after it has shown the shortest history that breaks it.
#[derive(Parser)]
#[command(name = "simulator")]
struct Args {
    /// The history to run [default: fresh ones with --seconds, else 1].
    #[arg(long)]
    seed: Option<u64>,
    /// Length of a history: in each step time passes, and every process may run a batch.
    #[arg(long, default_value_t = 2_000)]
    steps: u64,
    /// Runs fresh seeds for so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// With --seconds: the first of them [default: a random one].
    #[arg(long, requires = "seconds", conflicts_with = "seed")]
    first: Option<u64>,
    /// Shows what fails as it was found, without looking for a shorter history.
    #[arg(long)]
    whole: bool,
    /// Looks for a shorter history for so many seconds.
    #[arg(long, default_value_t = 60)]
    shrink_seconds: u64,
    /// Shows at most so many lines of a failing history, its last.
    #[arg(long, default_value_t = 60)]
    history: usize,
    /// Begins only these things, as a failing run prints them: step.number, with commas between.
    #[arg(long, requires = "seed")]
    only: Option<String>,
    /// Runs with a deliberate fault: its number.
    #[cfg(feature = "mutants")]
    #[arg(long, default_value_t = 0)]
    mutant: usize,
    /// Tries every deliberate fault: each must be found. With --seconds it is tried as often as
    /// there is time for, at least once each.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    mutants: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic of the product is an outcome: the lane reports it.
    std::panic::set_hook(Box::new(|_| {}));
    #[cfg(feature = "mutants")]
    {
        if args.mutants {
            return exit_code(mutants::table(args.seconds.map(Duration::from_secs)));
        }
        domain::mutants::choose(args.mutant);
    }
    let passed = match (args.seed, args.seconds) {
        (Some(seed), _) => run_one(seed, &args),
        (None, Some(seconds)) => run_fresh(Duration::from_secs(seconds), &args),
        (None, None) => run_one(1, &args),
    };
    exit_code(passed)
}

fn exit_code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one seed. Returns whether no violation was found.
fn run_one(seed: u64, args: &Args) -> bool {
    let report = match &args.only {
        None => sim::run(seed, args.steps, Script::Draw, true, false),
        Some(only) => {
            let plan = sim::run(seed, args.steps, Script::Record, false, false).plan;
            let kept = parse_ids(only);
            let plan: Plan = plan.into_iter().filter(|(id, _)| kept.contains(id)).collect();
            sim::run(seed, args.steps, Script::Replay(Rc::new(plan)), true, true)
        }
    };
    if report.found.is_none() {
        report.statistics.print();
        return true;
    }
    if args.only.is_some() {
        show_history(&report.history, args.history);
        if let Some(found) = &report.found {
            println!("\n{}: {}", found.violation.check, truncate(&found.violation.what));
        }
        return false;
    }
    report_failure(seed, args);
    false
}

/// The ids that `--only` lists.
fn parse_ids(only: &str) -> Vec<Id> {
    let id = |word: &str| {
        word.split_once('.')
            .and_then(|(step, number)| Some((step.parse().ok()?, number.parse().ok()?)))
    };
    only.split(',').filter_map(id).collect()
}

/// Runs fresh seeds for `time`, or until one finds a violation. Returns whether none did.
fn run_fresh(time: Duration, args: &Args) -> bool {
    let begun = Instant::now();
    let random = || store::clock::random().map(|bytes| u64::from_be_bytes(bytes) >> 16);
    let Some(first) = args.first.or_else(|| random().ok()) else { return false };
    let mut statistics = Statistics::default();
    let mut seed = first;
    while begun.elapsed() < time {
        let report = sim::run(seed, args.steps, Script::Draw, true, false);
        if report.found.is_some() {
            report_failure(seed, args);
            return false;
        }
        statistics.add(&report.statistics);
        seed += 1;
    }
    println!("Seeds {first} to {}", seed - 1);
    statistics.print();
    true
}

/// Shows the shortest history of a failing seed that is found.
fn report_failure(seed: u64, args: &Args) {
    let report = sim::run(seed, args.steps, Script::Record, true, args.whole);
    let Some(found) = &report.found else { return };
    let when = if found.at_end { "when all was quiet after step" } else { "in step" };
    println!(
        "FOUND by seed {seed} {when} {}, after {} commands: {}",
        found.step, found.commands, found.violation.check
    );
    #[cfg(feature = "mutants")]
    let with = if args.mutant > 0 {
        format!("--features mutants -- --mutant {} ", args.mutant)
    } else {
        "-- ".to_owned()
    };
    #[cfg(not(feature = "mutants"))]
    let with = "-- ";
    let again =
        format!("cargo run --release -p simulator {with}--seed {seed} --steps {}", found.step);
    if args.whole {
        show_history(&report.history, args.history);
        println!(
            "\n{}: {}\n\nAgain: {again} --whole",
            found.violation.check,
            truncate(&found.violation.what)
        );
        return;
    }
    let short = shrink::shrink(seed, &report, Duration::from_secs(args.shrink_seconds));
    let Some(short) = short else {
        println!("\n{}: {}", found.violation.check, truncate(&found.violation.what));
        println!("\nNo shorter history was found.\nAgain: {again} --whole");
        return;
    };
    let statistics = &short.report.statistics;
    println!(
        "\nThe shortest history that was found, {} commands of {}:\n",
        statistics.commands, found.commands
    );
    show_history(&short.report.history, args.history);
    if let Some(found) = &short.report.found {
        println!("\n{}: {}", found.violation.check, truncate(&found.violation.what));
    }
    let ids: Vec<String> =
        short.plan.keys().map(|(step, number)| format!("{step}.{number}")).collect();
    println!("\nAgain:             {again}");
    println!("Only what is here: {again} --only {}", ids.join(","));
}

fn truncate(details: &str) -> String {
    if details.chars().count() <= MAX_DETAILS {
        details.to_owned()
    } else {
        details.chars().take(MAX_DETAILS).chain("...".chars()).collect()
    }
}

/// Prints the last lines of a history. Times are simulated ones; `p0` is the first process.
fn show_history(history: &[String], most: usize) {
    let left_out = history.len().saturating_sub(most);
    if left_out > 0 {
        println!("({left_out} lines before; --history {} shows them)", history.len());
    }
    for line in history.iter().skip(left_out) {
        println!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Runs `check` for each element, on as many threads as there are processors. A run itself stays
    /// on one thread.
    fn for_each_in_parallel<T: Sync>(elements: &[T], check: impl Fn(&T) + Sync) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(element) = elements.get(next.fetch_add(1, Ordering::Relaxed)) {
                check(element);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }

    #[test]
    fn what_was_found_before_stays_mended() {
        let is_seed = |line: &&str| !line.starts_with('#') && !line.is_empty();
        let lines: Vec<&str> = include_str!("../seeds.txt").lines().filter(is_seed).collect();
        for_each_in_parallel(&lines, |line| {
            let mut words = line.split_whitespace();
            let (seed, steps) =
                (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap());
            let found = sim::run(seed, steps, Script::Draw, true, false).found;
            assert!(found.is_none(), "{line}: {found:?}");
        });
    }

    #[test]
    fn one_seed_is_one_history_drawn_or_written_down() {
        let seeds: Vec<u64> = (1..=12).collect();
        for_each_in_parallel(&seeds, |&seed| {
            let first = sim::run(seed, 1_000, Script::Record, true, true);
            assert!(first.found.is_none(), "{seed}: {:?}", first.found);
            let second = sim::run(seed, 1_000, Script::Record, true, true);
            assert!(first.history == second.history, "seed {seed} has two histories");
            let replayed = sim::run(seed, 1_000, Script::Replay(Rc::new(first.plan)), true, true);
            let differs = first.history.iter().zip(&replayed.history).find(|(a, b)| a != b);
            assert!(
                differs.is_none() && first.history.len() == replayed.history.len(),
                "seed {seed} replayed: {differs:?}"
            );
        });
    }

    #[test]
    fn every_kind_of_command_is_sent_and_every_fault_happens() {
        let statistics = Mutex::new(Statistics::default());
        let seeds: Vec<u64> = (1..=40).collect();
        for_each_in_parallel(&seeds, |&seed| {
            let report = sim::run(seed, 1_000, Script::Draw, true, false);
            assert!(report.found.is_none(), "{seed}: {:?}", report.found);
            statistics.lock().unwrap().add(&report.statistics);
        });
        let statistics = statistics.into_inner().unwrap();
        let never: Vec<&str> =
            statistics.kinds().filter(|(_, count)| *count == 0).map(|(kind, _)| kind).collect();
        assert_eq!(never, NOT_SENT, "never sent");
        for fault in FAULTS {
            assert!(
                statistics.faults().contains_key(fault),
                "it never happened: {fault}; {:?}",
                statistics.faults()
            );
        }
    }

    /// The commands that nobody sends, in the order of the list of all. The accounts at real networks
    /// are there from the beginning, and nobody disputes a payment; the tests of `networks` try these.
    /// Rows that are kept for a time only, and filters that people keep, are read by no other decision,
    /// and what can be changed of a party decides none: the tests of the domain, the store and the
    /// pages try them.
    const NOT_SENT: &[&str] = &[
        "UpdateParty",
        "RecordDispute",
        "NoteEvidence",
        "AddNetworkAccount",
        "RetireNetworkSecret",
        "ResealSecrets",
        "KeepUnmatchedCallback",
        "StopPayouts",
        "ResumePayouts",
        "ClaimCheck",
        "RecordCheck",
        "RequestCheck",
        "DeleteRetained",
        "SaveFilter",
    ];

    /// A simulation in which one of these never happens proves too little.
    const FAULTS: &[&str] = &[
        "crash before the commit",
        "crash after the commit",
        "commit without an answer, done",
        "commit without an answer, not done",
        "batch of another process in the middle",
        "transaction to be run again",
        "row locked for too long",
        "connection lost",
        "database away for a while",
        "call while the database is away",
        "queue full",
        "clock jumps ahead",
        "clock jumps back",
        "process sleeps before it calls",
        "process sleeps before it hands an answer in",
        "answer handed in after its lease",
        "answer to an earlier sending, nothing known",
        "answer to an earlier sending, refused",
        "answer to an earlier sending, money moved",
        "request refused and not kept",
        "lease run out while the process slept",
        "time-out of a call",
        "time-out, request lost",
        "time-out, request taken",
        "request that arrives late",
        "answer of a provider lost",
        "callback lost",
        "callback twice",
        "callback early",
        "callback late",
        "provider changes its mind",
        "fee or rate changed",
        "success after failure",
        "success after the deadline",
        "answer lost on its way to a client",
        "client asks again",
        "key used again, same body",
        "key used again, another body",
        "request twice at once",
        "session twice at once, two keys",
        "session expired",
        "refund that has no room any more",
        "form of a page twice at once",
        "page paid in two tabs at once",
        "form of a page sent again",
        "form of a page sent again, changed",
        "price of a page changed before it was paid",
        "phone asked too often",
        "page paid too often",
        "address paid too often",
        "form of a payment link sent again",
        "payment link used up",
        "hours pass",
        "limit of an account reached",
        "circuit of an account open",
        "real network away",
        "token refused",
        "too many calls",
        "another refund under way at the network",
        "callback without a signature",
        "payment taken out of the network's queue",
        "payment waits for its account",
        "payment waits for another refund",
        "payment waited too long to be sent",
        "payment taken back before it was sent",
        "days pass",
        "message taken",
        "message taken slowly",
        "message refused",
        "no connection to an endpoint",
        "endpoint hangs",
        "endpoint wants to be left alone",
        "endpoint is gone",
        "message arrives again",
        "process dies before deliveries are made",
        "process dies between claim and attempt",
        "process dies before an attempt is recorded",
        "process dies while it records an attempt",
        "process sleeps before it posts a message",
        "answer of an endpoint after its claim",
        "attempt recorded a moment later",
        "endpoint disabled, gone",
        "endpoint disabled after days of failure",
        "delivery given up",
        "delivery sent once more by hand",
        "change of an endpoint twice at once",
        "done by a person",
        "done by a program with an API key",
        "role may not do this",
        "API key may not do this",
        "API key revoked",
        "signing key retired",
        "access token expired",
        "more rights given than one's own",
        "no role here",
        "link used",
        "link used twice at once",
        "link used or taken back before",
        "link of more than 72 hours ago",
        "link of another kind, or of nobody",
        "link used by who is a member",
        "e-mail address taken",
        "last owner stays",
        "role changed twice at once",
        "login over",
        "too many wrong passwords or codes",
        "password wrong by now",
        "password changed or person disabled at login",
        "process dies while it compares a password",
        "second factor not set up",
        "code to be given again",
        "code given again",
        "first code of another phone",
        "recovery code taken",
        "recovery code given again",
        "statement in another order",
        "statement broken off",
        "line left out of a statement",
        "line in the next statement only",
        "line with another amount",
        "line with another fee",
        "line in another currency",
        "line twice",
        "difference booked",
        "difference explained",
    ];
}

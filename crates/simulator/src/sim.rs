//! One run: a seed, a number of steps, and what was found.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::command::{Answer, Command};
use domain::execute::{Execute, Terms};
use domain::execution::{ExecutionStatus, Word};
use domain::ids::{ExecutionId, MerchantId};
use domain::ledger::AccountKind;
use domain::review::Resolution;
use domain::time::{minutes, seconds};
use kola::engine::{Failure, Outcome};
use kola::workers::dispatch::CALL;
use kola::workers::errand::{Errand, Next};
use kola::workers::{expire, reconcile};

use crate::book;
use crate::checks::{Checked, Checks, Violation, rule};
use crate::clients::{Clients, merchant};
use crate::compare;
use crate::item::{Item, Origin};
use crate::net::{Done, Faults, Net, full};
use crate::networks::{Door, Outside};
use crate::oracle::{Books, Told};
use crate::rng::Rng;
use crate::shrink::Left;

/// When a simulated installation begins: 2026-11-22.
const BEGIN: i64 = 1_795_500_000_000_000;
/// The whole is checked so often, in commands.
const FOLD_EVERY: u64 = 10_000;
/// When all is quiet, everything must be settled after so many rounds.
const QUIET_ROUNDS: usize = 1_000;
/// How many commands of the history are kept to be printed.
const HISTORY: usize = 40_000;

/// What a run may leave out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Choice {
    /// A step, with all that it begins.
    Step(u64),
    /// A client's request: the step, and which of its requests.
    Request(u64, u64),
}

/// Something that happens later.
enum Later {
    Outside(Outside),
    /// A process is about to call a provider.
    Start(usize, u64, Box<Errand>),
    /// A provider's answer is on its way to a process.
    Answer(usize, u64, Box<Errand>, Word),
    /// A command is given (again).
    Give(Box<Item>),
}

/// What a run came to.
pub struct Report {
    pub commands: u64,
    /// Without the checks of the whole.
    pub time: Duration,
    pub steps: u64,
    pub counts: BTreeMap<String, u64>,
    pub violation: Option<(u64, Violation)>,
    pub history: Vec<String>,
    /// The requests that were made.
    pub choices: Vec<Choice>,
}

/// A run under way.
pub struct Sim {
    seed: u64,
    net: Rc<Net>,
    door: Door,
    books: Books,
    checks: Checks,
    later: BTreeMap<(i64, u64), Later>,
    order: u64,
    now: i64,
    faults: Faults,
    rng: Rng,
    merchants: Vec<i64>,
    /// How often each process was started: what an earlier one was about to do is forgotten.
    lives: Vec<u64>,
    commands: u64,
    folded: u64,
    folding: Duration,
    counts: BTreeMap<String, u64>,
    history: Option<Vec<String>>,
    left: Left,
    step: u64,
    choices: Vec<Choice>,
}

/// Runs a seed, but what is left out.
pub fn run(seed: u64, steps: u64, left: &Left, tell: bool) -> Report {
    let begun = Instant::now();
    let mut sim = Sim::new(seed, left.clone(), tell);
    let mut done = 0;
    let mut violation = sim.set_up().err().map(|violation| (0, violation));
    for step in (1..=steps).filter(|step| left.keeps(Choice::Step(*step))) {
        if violation.is_some() {
            break;
        }
        done = step;
        violation = sim.step(step).err().map(|violation| (step, violation));
    }
    if violation.is_none() {
        violation = sim.quiet().err().map(|violation| (steps, violation));
    }
    sim.count_rows();
    sim.net.close();
    Report {
        commands: sim.commands,
        time: begun.elapsed().saturating_sub(sim.folding),
        steps: done,
        counts: sim.counts,
        violation,
        history: sim.history.unwrap_or_default(),
        choices: sim.choices,
    }
}

impl Sim {
    fn new(seed: u64, left: Left, tell: bool) -> Self {
        let mut rng = Rng::new(seed, 0);
        let processes = if rng.chance(150) { 1 } else { 2 + rng.below(2) };
        Self {
            seed,
            net: Net::new(processes, book::shipped()),
            door: Door::new(),
            books: Books::default(),
            checks: Checks::default(),
            later: BTreeMap::new(),
            order: 0,
            now: BEGIN,
            faults: Faults::draw(&mut rng),
            rng,
            merchants: vec![],
            lives: vec![0; processes],
            commands: 0,
            folded: 0,
            folding: Duration::ZERO,
            counts: BTreeMap::new(),
            history: tell.then(Vec::new),
            left,
            step: 0,
            choices: vec![],
        }
    }

    fn set_up(&mut self) -> Checked {
        self.begin();
        let merchants = 2 + self.rng.below(2);
        let items = (0..merchants).map(|index| merchant(index, &mut self.rng));
        let items: Vec<Item> = items.map(|command| Item { command, origin: Origin::Client(9) }).collect();
        self.run(vec![(0, items)])?;
        self.net.faults.set(self.faults);
        Ok(())
    }

    fn begin(&mut self) {
        self.net.set_time(self.now);
        let next = self.rng.next();
        *self.net.rng.borrow_mut() = Rng::new(self.seed, next);
        self.door.begin(self.now, self.faults.provider, Rng::new(self.seed, next ^ 1));
    }

    fn later(&mut self, after: i64, what: Later) {
        self.order += 1;
        self.later.insert((self.now + after, self.order), what);
    }

    fn step(&mut self, step: u64) -> Checked {
        self.rng = Rng::new(self.seed, step);
        self.step = step;
        self.now += match self.rng.below(100) {
            0 => self.rng.between(0, minutes(20)),
            1..=9 => self.rng.between(0, seconds(40)),
            10..=39 => self.rng.between(0, seconds(4)),
            _ => self.rng.between(0, 200_000),
        };
        if self.rng.chance(self.faults.clock) {
            let process = self.rng.below(self.net.processes());
            let skew = if self.rng.chance(400) { 0 } else { self.rng.between(-seconds(90), seconds(90)) };
            self.net.skew(process, skew);
        }
        self.begin();
        let mut batches: Vec<Vec<Item>> = (0..self.net.processes()).map(|_| vec![]).collect();
        self.take_due(&mut batches, self.now);
        self.workers(&mut batches);
        self.clients(&mut batches);
        let batches = batches.into_iter().enumerate().filter(|(_, items)| !items.is_empty()).collect();
        self.run(batches)?;
        if self.commands - self.folded >= FOLD_EVERY {
            self.folded = self.commands;
            self.fold()?;
        }
        Ok(())
    }

    fn fold(&mut self) -> Checked {
        let begun = Instant::now();
        let checked = self.checks.fold(&self.net.db.borrow().rows);
        let checked = checked.and_then(|()| compare::everything(&self.books, &self.net.db.borrow().rows));
        self.folding += begun.elapsed();
        checked
    }

    /// What is due until a time.
    fn take_due(&mut self, batches: &mut [Vec<Item>], until: i64) {
        let due = std::mem::take(&mut self.door.inside().due);
        for (at, what) in due {
            self.order += 1;
            self.later.insert((at, self.order), Later::Outside(what));
        }
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= until) {
            let what = entry.remove();
            let any = self.rng.below(batches.len());
            match what {
                Later::Outside(what) => batches[any].extend(self.outside(what)),
                Later::Start(process, life, errand) => self.call(process, life, *errand),
                Later::Answer(process, life, errand, word) => {
                    if self.lives[process] == life {
                        let (_, command) = errand.report(word);
                        batches[process].push(Item { command, origin: Origin::Errand(*errand) });
                    }
                }
                Later::Give(item) => batches[any].push(*item),
            }
        }
    }

    /// A process calls a provider, if it still may.
    fn call(&mut self, process: usize, life: u64, errand: Errand) {
        if self.lives[process] != life || !errand.may_call(self.net.now(process)) {
            return;
        }
        if self.net.now(process) >= errand.job().lease_until {
            self.door.inside().trouble = Some("a provider was called without a lease".to_owned());
        }
        let word = self.door.call(errand.job());
        let longest = i64::try_from(CALL.as_micros()).unwrap_or(0);
        let slow = self.rng.chance(self.faults.provider / 5);
        let takes = if slow { self.rng.between(0, 2 * longest) } else { self.rng.between(0, 300_000) };
        let word = if takes >= longest { Word::Unknown } else { word };
        self.later(takes.min(longest), Later::Answer(process, life, Box::new(errand), word));
    }

    /// A provider speaks of its own accord.
    fn outside(&mut self, what: Outside) -> Option<Item> {
        let id = match &what {
            Outside::Says(id) | Outside::Turns(id) => id.clone(),
        };
        let request = self.door.inside().requests.get(&id).cloned()?;
        let row = self.net.db.borrow().rows.executions.get(request.execution).cloned()?;
        if matches!(what, Outside::Turns(_)) {
            let verdict = request.decided?;
            let heard = row.status.is_final() && (row.status == ExecutionStatus::Completed) == verdict.moved;
            if !heard || row.disputed || verdict.amount != request.asked {
                // Not what it said before, as far as anybody has heard: perhaps later.
                let wait = self.rng.between(seconds(1), minutes(5));
                if !row.status.is_final() && self.rng.chance(900) {
                    self.later(wait, Later::Outside(what));
                }
                return None;
            }
            self.door.inside().turn(&id);
        }
        let word = self.door.inside().word(&id);
        Some(Item { command: Command::Hear(request.execution, word), origin: Origin::Callback })
    }

    fn workers(&mut self, batches: &mut [Vec<Item>]) {
        for (process, batch) in batches.iter_mut().enumerate() {
            let now = self.net.now(process).0;
            if self.rng.chance(300) {
                let limit = usize::try_from(reconcile::limit(self.rng.below(40))).unwrap_or(0);
                for (id, _) in self.net.db.borrow().due_executions(now, limit) {
                    batch.push(Item { command: reconcile::claim(id), origin: Origin::Claim });
                }
            }
            if self.rng.chance(80) {
                for (id, _) in self.net.db.borrow().due_sessions(now, 20) {
                    batch.push(Item { command: expire::sweep(id), origin: Origin::Sweep });
                }
            }
        }
    }

    fn clients(&mut self, batches: &mut [Vec<Item>]) {
        let mut number = 0;
        for process in 0..batches.len() {
            let most = if self.rng.chance(50) { 40 } else { 8 };
            for _ in 0..self.rng.below(most) {
                number += 1;
                // Each request has numbers of its own, so that it can be left out.
                let mut own = Rng::new(self.seed ^ self.step, 1_000_000 + number);
                let twice = own.chance(60).then(|| own.below(batches.len()));
                let choice = Choice::Request(self.step, number);
                if self.left.keeps(choice)
                    && let Some(item) = self.request(&mut own)
                {
                    if self.history.is_some() {
                        self.choices.push(choice);
                    }
                    // A double-click: at once, in one batch or in two processes.
                    if let (Command::Execute(_), Some(other)) = (&item.command, twice) {
                        batches[other].push(item.clone());
                    }
                    batches[process].push(item);
                }
            }
        }
    }

    fn request(&self, rng: &mut Rng) -> Option<Item> {
        let mut clients = Clients { books: &self.books, rng, now: self.now, merchants: &self.merchants };
        clients.draw().filter(|item| self.is_fair(&item.command))
    }

    /// An operator says of a payment without an answer only what its provider would say.
    fn is_fair(&self, command: &Command) -> bool {
        let Command::ResolveReview(id, how @ (Resolution::Completed | Resolution::Failed), _) = command else { return true };
        let Some((execution, _)) = self.books.review_ids.get(&id.0) else { return true };
        let Some(known) = self.books.executions.get(execution) else { return true };
        let mut networks = self.door.inside();
        networks.word(&known.request);
        match networks.requests.get(&known.request) {
            None => *how == Resolution::Failed,
            Some(request) => match request.decided {
                None => request.is_seen() || *how == Resolution::Failed,
                Some(verdict) => verdict.moved == (*how == Resolution::Completed) && verdict.amount == request.asked,
            },
        }
    }

    /// Runs batches and takes in what came of them.
    fn run(&mut self, mut batches: Vec<(usize, Vec<Item>)>) -> Checked {
        let mut refused = vec![];
        if self.rng.chance(self.faults.full)
            && let Some((process, items)) = batches.pop()
        {
            refused.push((process, items));
        }
        let net = Rc::clone(&self.net);
        let done = net.run(batches);
        let mut soft = vec![];
        for done in done {
            soft.push(self.books.soft);
            let since = soft.len().checked_sub(1 + done.nested).and_then(|at| soft.get(at)).copied();
            self.take_in(done, since.unwrap_or(0))?;
        }
        for (process, items) in refused {
            for item in items {
                self.follow(process, item, full());
            }
        }
        match self.door.inside().trouble.take() {
            Some(what) => Err(Violation { check: "provider", what }),
            None => Ok(()),
        }
    }

    /// Takes in a batch: the oracle is told, the rows are checked, and who waits goes on.
    fn take_in(&mut self, done: Done, soft: u64) -> Checked {
        let Done { process, now, items, mut outcomes, commits, nested, crashed } = done;
        self.commands += u64::try_from(items.len()).unwrap_or(0);
        self.count("batches", 1);
        self.count("batches with others in their middle", u64::from(nested > 0));
        self.count("crashes", u64::from(crashed));
        let acknowledged = outcomes.iter().any(Result::is_ok);
        rule(!acknowledged || !commits.is_empty(), "acknowledged before it was committed", || {
            format!("{:?}", items[0].command)
        })?;
        compare::take_fresh(&mut self.books, &commits);
        compare::take_deadlines(&mut self.books, &commits);
        for (item, outcome) in items.iter().zip(&mut outcomes) {
            let read = *outcome == Err(Failure::Unknown) && !commits.is_empty();
            if read {
                *outcome = compare::find_out(&item.command, &self.net.db.borrow().rows);
            }
            let creates = matches!(item.command, Command::Declare(..) | Command::CreateCheckout(..));
            let overlapped = nested > 0;
            let told =
                Told { outcome, now: now.0, overlapped, lenient: overlapped && (creates || self.books.soft != soft), read };
            self.note(process, nested, item, outcome);
            self.count(kind_of(outcome), 1);
            self.books.told(&item.command, told).map_err(|what| Violation {
                check: oracle_check(&item.command),
                what: format!("{:?}: {what}", item.command),
            })?;
            compare::exists(outcome, &self.net.db.borrow().rows)?;
            if let (Ok(Answer::Merchant(merchant, _)), false) = (&*outcome, self.merchants.len() > 3) {
                self.merchants.push(merchant.id.0);
            }
        }
        compare::rows(&mut self.books, &commits)?;
        for commit in commits {
            self.checks.observe(commit, &self.net.db.borrow().rows)?;
        }
        if crashed {
            self.lives[process] += 1;
        }
        for (item, outcome) in items.into_iter().zip(outcomes) {
            if let (Command::ResolveReview(id, how, _), Ok(_)) = (&item.command, &outcome) {
                self.resolved(id.0, *how);
            }
            let outcome = if crashed { Err(Failure::Unknown) } else { outcome };
            self.follow(process, item, outcome);
        }
        Ok(())
    }

    fn count(&mut self, what: &str, by: u64) {
        match self.counts.get_mut(what) {
            Some(count) => *count += by,
            None => {
                self.counts.insert(what.to_owned(), by);
            }
        }
    }

    /// What there is in the end.
    fn count_rows(&mut self) {
        let net = Rc::clone(&self.net);
        let db = net.db.borrow();
        for row in db.rows.executions.by_id.values() {
            self.count(&format!("{} {}", row.operation, row.status), 1);
        }
        for row in db.rows.reviews.by_id.values() {
            self.count(&format!("review {}", row.kind), 1);
        }
        for row in db.rows.sessions.by_id.values() {
            self.count(&format!("session {} {}", row.kind, row.status), 1);
        }
    }

    fn note(&mut self, process: usize, nested: usize, item: &Item, outcome: &Outcome) {
        let Some(history) = &mut self.history else { return };
        if history.len() >= HISTORY {
            history.remove(0);
        }
        let said = match outcome {
            Ok(answer) => format!("{answer:?}"),
            Err(failure) => format!("{failure:?}"),
        };
        let said: String = said.chars().take(420).collect();
        let at = self.now - BEGIN;
        history
            .push(format!("{at:>12} µs, process {process}, {nested} in its middle: {:?}\n{:>15} {said}", item.command, "=>"));
    }

    /// Money that an operator sends back leaves the provider; what an operator says of a payment holds there too.
    fn resolved(&mut self, review: i64, how: Resolution) {
        let Some(key) = self.books.review_ids.get(&review).copied() else { return };
        let (Some(review), Some(known)) = (self.books.reviews.get(&key), self.books.executions.get(&key.0)) else { return };
        let mut networks = self.door.inside();
        match how {
            Resolution::ToPayer => {
                if let Some(kind) = AccountKind::clearing(known.provider) {
                    let money = domain::money::Money::new(review.amount, review.currency);
                    networks.give_back(ExecutionId(key.0), MerchantId(known.merchant), kind, money);
                }
            }
            Resolution::Completed | Resolution::Failed => {
                let open = networks.requests.get(&known.request).is_some_and(|request| request.decided.is_none());
                if open {
                    networks.force(&known.request, how == Resolution::Completed);
                }
            }
            Resolution::ToWallet => {}
        }
    }

    /// Who waits for an outcome goes on.
    fn follow(&mut self, process: usize, item: Item, outcome: Outcome) {
        let life = self.lives[process];
        let undone = matches!(outcome, Err(Failure::Unavailable(_) | Failure::Overloaded | Failure::Unknown));
        match item.origin {
            Origin::Client(tries) => {
                let lost = self.rng.chance(self.faults.lost_answer);
                let again = undone && self.rng.chance(700) || lost && matches!(item.command, Command::Execute(_));
                // A server draws a new name for each key.
                let drawn = matches!(item.command, Command::CreateKey(..) | Command::CreateMerchant(_));
                if again && tries < 3 && !drawn {
                    let wait = self.rng.between(0, seconds(20));
                    self.later(wait, Later::Give(Box::new(Item { command: item.command, origin: Origin::Client(tries + 1) })));
                }
                if let Ok(Answer::Executed(executed)) = outcome
                    && let Some(job) = executed.job
                {
                    self.start(process, life, Errand::new(job));
                }
            }
            Origin::Errand(errand) => {
                if let Next::Call(next) = errand.after(outcome) {
                    self.start(process, life, next);
                }
            }
            Origin::Claim => {
                if let Ok(Some(job)) = reconcile::granted(outcome) {
                    self.start(process, life, Errand::new(job));
                }
            }
            Origin::Callback => {
                if let (true, Command::Hear(id, _)) = (undone, &item.command) {
                    self.say_again(*id);
                }
            }
            Origin::Sweep => {}
            Origin::Try(request, right) => self.tried(request, right, &outcome),
            Origin::Right(request) => {
                if outcome.is_ok() {
                    self.give(verified(request));
                }
            }
            Origin::Payer(id) => self.acted(id, &outcome),
        }
    }

    fn start(&mut self, process: usize, life: u64, errand: Errand) {
        // Now and then a process sleeps for longer than its lease.
        let sleeps = self.rng.chance(self.faults.crash * 4);
        let wait = if sleeps { self.rng.between(0, seconds(40)) } else { self.rng.between(0, 20_000) };
        self.later(wait, Later::Start(process, life, Box::new(errand)));
    }

    fn give(&mut self, command: Command) {
        self.later(0, Later::Give(Box::new(Item { command, origin: Origin::Client(0) })));
    }

    fn say_again(&mut self, id: ExecutionId) {
        if let Some(known) = self.books.executions.get(&id.0) {
            let request = known.request.clone();
            let wait = self.rng.between(seconds(1), minutes(1));
            self.later(wait, Later::Outside(Outside::Says(request)));
        }
    }

    fn tried(&mut self, request: Execute, right: bool, outcome: &Outcome) {
        match outcome {
            Ok(Answer::Passcode(None)) => self.give(Command::Execute(request)),
            Ok(Answer::Passcode(Some(_))) if right => {
                let command = Command::ConfirmAttempt(request.merchant_id);
                self.later(0, Later::Give(Box::new(Item { command, origin: Origin::Right(request) })));
            }
            _ => {}
        }
    }

    /// What a card's payer did holds at the provider too, unless it had decided before: then it says so.
    fn acted(&mut self, id: ExecutionId, outcome: &Outcome) {
        let row = self.net.db.borrow().rows.executions.get(id).cloned();
        let (Ok(Answer::Settled(_)) | Err(Failure::Unknown), Some(row)) = (outcome, row) else { return };
        let mut networks = self.door.inside();
        let open = networks.requests.get(&row.provider_request_id).is_some_and(|request| request.decided.is_none());
        if open && row.status.is_final() {
            networks.force(&row.provider_request_id, row.status == ExecutionStatus::Completed);
        }
        drop(networks);
        if !open {
            self.say_again(id);
        }
    }

    /// Nobody asks for anything any more and nothing breaks: everything must come to an end, and the money must be where the
    /// books say.
    fn quiet(&mut self) -> Checked {
        self.faults = Faults::default();
        self.net.faults.set(self.faults);
        for process in 0..self.net.processes() {
            self.net.skew(process, 0);
        }
        for round in 0..QUIET_ROUNDS {
            self.rng = Rng::new(self.seed, u64::MAX - u64::try_from(round).unwrap_or(0));
            self.now += seconds(2);
            self.begin();
            self.door.inside().hurry();
            let mut batches: Vec<Vec<Item>> = (0..self.net.processes()).map(|_| vec![]).collect();
            self.take_due(&mut batches, i64::MAX);
            let now = self.net.now(0).0;
            for (id, _) in self.net.db.borrow().due_executions(now, 100) {
                batches[0].push(Item { command: reconcile::claim(id), origin: Origin::Claim });
            }
            batches[0].extend(self.reviews_to_resolve());
            let busy = batches.iter().any(|items| !items.is_empty()) || !self.later.is_empty();
            self.run(batches.into_iter().enumerate().filter(|(_, items)| !items.is_empty()).collect())?;
            if !busy && self.net.db.borrow().due_executions(i64::MAX, 1).is_empty() {
                break;
            }
        }
        self.fold()?;
        compare::settled(&self.net.db.borrow().rows)?;
        let cleared = self.checks.cleared(&self.net.db.borrow().rows);
        for (id, moved) in &self.door.inside().moved {
            let booked = -cleared.get(id).copied().unwrap_or(0);
            rule(booked == *moved, "clearing is not what providers hold", || {
                let row = self.net.db.borrow().rows.executions.get(*id).cloned();
                format!("{moved} is there, {booked} is booked of {row:?}")
            })?;
        }
        compare::outside(&self.net.db.borrow().rows, &self.door.inside().truth)
    }

    fn reviews_to_resolve(&self) -> Vec<Item> {
        let open = self.books.review_ids.iter().filter(|(_, key)| {
            self.books.reviews.get(key).is_some_and(|review| review.open) && key.1 != domain::review::ReviewKind::DeadlinePassed
        });
        let item = |(id, _): (&i64, &_)| {
            let command = Command::ResolveReview(domain::ids::ReviewId(*id), Resolution::ToPayer, "end".to_owned());
            Item { command, origin: Origin::Client(9) }
        };
        open.map(item).collect()
    }
}

/// The payout of a request whose passcode was right.
fn verified(request: Execute) -> Command {
    let terms = match request.terms {
        Terms::Payout { account_id, .. } => Terms::Payout { account_id, passcode_verified: true },
        other => other,
    };
    Command::Execute(Execute { terms, ..request })
}

const fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(Failure::Rejected(_)) => "refused",
        Err(Failure::Unknown) => "unknown",
        Err(Failure::Unavailable(_) | Failure::Overloaded) => "unavailable",
        Err(Failure::Internal(_)) => "faults",
    }
}

const fn oracle_check(command: &Command) -> &'static str {
    match command {
        Command::Execute(_) => "oracle: execute",
        Command::Hear(..) => "oracle: a provider's word",
        Command::Claim(_) => "oracle: claim",
        Command::Declare(..) => "oracle: declare",
        Command::CancelSession(..) | Command::ExpireSession(_) => "oracle: end of a session",
        Command::ResolveReview(..) => "oracle: review",
        Command::Authenticate(..) => "oracle: authenticate",
        Command::FundWallet(..) | Command::SetWalletStatus(..) => "oracle: wallet",
        Command::ReserveAttempt(_) | Command::ConfirmAttempt(_) | Command::ReserveChange(_) => "oracle: passcode",
        Command::ReplacePasscode(..) | Command::SetPasscode(..) => "oracle: passcode",
        _ => "oracle: shop",
    }
}

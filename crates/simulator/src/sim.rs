//! One run: a seed, a number of steps, and what was found.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::decision::command::Command;
use domain::exceptions::review::Resolution;
use domain::kernel::time::{minutes, seconds};
use domain::payments::outcome::ProviderOutcome;
use kola::engine::Outcome;
use kola::jobs::call_sequence::CallSequence;
use kola::jobs::dispatch::CALL;
use kola::jobs::{expire, poll};

use crate::checks::{Checked, Checks, Violation};
use crate::clients::{Clients, first_merchant};
use crate::compare;
use crate::db::Map;
use crate::describe;
use crate::item::{Item, Origin};
use crate::net::{Faults, Net, full};
use crate::networks::{Door, Outside};
use crate::oracle::Books;
use crate::oracle::figures::Prices;
use crate::plan::{Event, Fault, Names, Plan, Script, Spot};
use crate::rng::{Rng, name, name_of};
use crate::tally::Tally;
use crate::tariff;

/// When a simulated installation begins: 2026-11-22.
pub const BEGIN: i64 = 1_795_500_000_000_000;
/// The whole is checked so often, in commands.
const FOLD_EVERY: u64 = 10_000;

/// What numbers are drawn for.
mod part {
    pub const SET_UP: u64 = 0;
    pub const TIME: u64 = 1;
    pub const STORE: u64 = 2;
    pub const WORKERS: u64 = 3;
    pub const CLIENTS: u64 = 4;
    pub const REQUEST: u64 = 5;
    pub const FULL: u64 = 6;
    pub const TAG: u64 = 7;
    pub const EXECUTION: u64 = 8;
    pub const PROVIDER: u64 = 9;
    pub const FOLLOW: u64 = 10;
}

/// Something that happens later.
pub enum Later {
    Outside(Outside),
    /// A process is about to call a provider.
    Start(usize, u64, Box<CallSequence>),
    /// A provider's answer is on its way to a process.
    Output(usize, u64, Box<CallSequence>, ProviderOutcome),
    /// A command is given (again).
    Give(Box<Item>),
}

/// A violation, and when it was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub step: u64,
    /// Commands until then.
    pub commands: u64,
    /// When nobody asked for anything any more.
    pub at_end: bool,
    pub violation: Violation,
}

/// What a run came to.
pub struct Report {
    pub tally: Tally,
    pub found: Option<Found>,
    pub history: Vec<String>,
    /// What it began, where that was written down.
    pub plan: Plan,
}

/// A run under way.
pub struct Sim {
    pub seed: u64,
    pub net: Rc<Net>,
    pub door: Door,
    pub books: Books,
    pub checks: Checks,
    pub later: BTreeMap<(i64, u64), Later>,
    order: u64,
    pub now: i64,
    pub faults: Faults,
    pub merchants: Vec<i64>,
    /// How often each process was started: what an earlier one was about to do is forgotten.
    pub lives: Vec<u64>,
    pub tally: Tally,
    folded: u64,
    folding: Duration,
    pub history: Option<Vec<String>>,
    script: Script,
    plan: Plan,
    pub names: Option<Names>,
    streams: Map<i64, Rng>,
    step: u64,
}

/// Runs a seed. `to_the_end`: until everything has come to its end; `tell`: with a history.
pub fn run(seed: u64, steps: u64, script: Script, to_the_end: bool, tell: bool) -> Report {
    let begun = Instant::now();
    let mut sim = Sim::new(seed, script, tell);
    let mut failed = sim.set_up().err();
    let mut at_end = false;
    while failed.is_none() && sim.step < steps {
        sim.step += 1;
        failed = sim.step().err();
    }
    if failed.is_none() && to_the_end {
        at_end = true;
        failed = sim.quiet().err();
    }
    sim.count_ends();
    sim.net.close();
    let commands = sim.tally.commands;
    let found = failed.map(|violation| Found { step: sim.step, commands, at_end, violation });
    let time = begun.elapsed().saturating_sub(sim.folding);
    (sim.tally.seeds, sim.tally.steps, sim.tally.time) = (1, sim.step, time);
    Report { tally: sim.tally, found, history: sim.history.unwrap_or_default(), plan: sim.plan }
}

impl Sim {
    fn new(seed: u64, script: Script, tell: bool) -> Self {
        let mut rng = Rng::of(seed, &[part::SET_UP]);
        let processes = if rng.chance(150) { 1 } else { 2 + rng.below(2) };
        Self {
            seed,
            net: Net::new(processes, tariff::shipped()),
            door: Door::new(),
            books: Books::default(),
            checks: Checks::default(),
            later: BTreeMap::new(),
            order: 0,
            now: BEGIN,
            faults: Faults::draw(&mut rng),
            merchants: vec![],
            lives: vec![0; processes],
            tally: Tally::default(),
            folded: 0,
            folding: Duration::ZERO,
            history: tell.then(Vec::new),
            names: (!matches!(script, Script::Draw)).then(Names::default),
            script,
            plan: Plan::new(),
            streams: Map::default(),
            step: 0,
        }
    }

    fn set_up(&mut self) -> Checked {
        let mut rng = self.numbers(&[part::SET_UP, 1]);
        self.begin();
        let merchants = 2 + rng.below(2);
        let made = |index| Item {
            tag: name(&[part::SET_UP, u64::try_from(index).unwrap_or(0)]),
            ..first_merchant(index, &mut rng)
        };
        let items: Vec<Item> = (0..merchants).map(made).collect();
        self.run(vec![(0, items)])?;
        self.net.faults.set(self.faults);
        Ok(())
    }

    /// The numbers of one part of this run.
    fn numbers(&self, part: &[u64]) -> Rng {
        Rng::of(self.seed, part)
    }

    /// The numbers of what follows from a request.
    pub fn numbers_after(&self, tag: u64, tries: u32) -> Rng {
        self.numbers(&[part::FOLLOW, tag, u64::from(tries)])
    }

    /// The numbers of what happens to an execution: they follow from its key.
    pub fn numbers_of(&mut self, id: i64) -> &mut Rng {
        let reference = self.books.executions.get(&id).map_or(0, |known| name_of(&known.reference));
        let seed = self.seed;
        self.streams.entry(id).or_insert_with(|| Rng::of(seed, &[part::EXECUTION, reference]))
    }

    /// Prepares for a step.
    pub fn begin(&mut self) {
        self.net.set_time(self.now);
        self.net.numbers.set(name(&[self.seed, part::STORE, self.step]));
        self.door.begin(self.now, self.faults.provider);
    }

    pub fn later(&mut self, after: i64, what: Later) {
        self.order += 1;
        self.later.insert((self.now + after, self.order), what);
    }

    /// Writes down what this step begins.
    fn write(&mut self, event: impl FnOnce() -> Event) {
        if matches!(self.script, Script::Record) {
            let last = self.plan.last_key_value().filter(|((step, _), _)| *step == self.step);
            let next = last.map_or(0, |((_, last), _)| last + 1);
            self.plan.insert((self.step, next), Rc::new(event()));
        }
    }

    /// What this step is to begin, where that was written down.
    fn written(&self) -> Option<Vec<Rc<Event>>> {
        let Script::Replay(plan) = &self.script else { return None };
        Some(
            plan.range((self.step, 0)..=(self.step, u32::MAX))
                .map(|(_, event)| Rc::clone(event))
                .collect(),
        )
    }

    fn step(&mut self) -> Checked {
        let mut rng = self.numbers(&[part::TIME, self.step]);
        self.now += match rng.below(100) {
            0 => rng.between(0, minutes(20)),
            1..=9 => rng.between(0, seconds(40)),
            10..=39 => rng.between(0, seconds(4)),
            _ => rng.between(0, 200_000),
        };
        let written = self.written();
        let events = written
            .clone()
            .unwrap_or_else(|| self.draw_surroundings(&mut rng).into_iter().map(Rc::new).collect());
        self.surroundings(&events);
        self.begin();
        let mut batches: Vec<Vec<Item>> = (0..self.net.processes()).map(|_| vec![]).collect();
        self.take_due(&mut batches, self.now);
        let events = written.unwrap_or_else(|| self.draw_work().into_iter().map(Rc::new).collect());
        self.work(&events, &mut batches);
        let is_full = if matches!(self.script, Script::Replay(_)) {
            events.iter().any(|event| matches!(**event, Event::Full))
        } else {
            self.numbers(&[part::FULL, self.step]).chance(self.faults.full)
        };
        let mut batches: Vec<_> =
            batches.into_iter().enumerate().filter(|(_, items)| !items.is_empty()).collect();
        let refused = if is_full { batches.pop() } else { None };
        if refused.is_some() {
            self.write(|| Event::Full);
        }
        self.run(batches)?;
        self.refuse(refused);
        if self.tally.commands - self.folded >= FOLD_EVERY {
            self.folded = self.tally.commands;
            self.fold()?;
        }
        Ok(())
    }

    /// Clocks that jump, and a database that goes away.
    fn draw_surroundings(&mut self, rng: &mut Rng) -> Vec<Event> {
        let mut events = vec![];
        if rng.chance(self.faults.clock) {
            let process = rng.below(self.net.processes());
            let most = if rng.chance(100) { minutes(90) } else { seconds(90) };
            let skew = if rng.chance(400) { 0 } else { rng.between(-most, most) };
            events.push(Event::Clock(process, skew));
        }
        if rng.chance(self.faults.outage) {
            events.push(Event::Outage(rng.between(seconds(1), seconds(30))));
        }
        if rng.chance(self.faults.prices) {
            events.push(Event::Prices(tariff::changed(&self.books.prices_at(i64::MAX), rng)));
        }
        for event in &events {
            self.write(|| event.clone());
        }
        events
    }

    fn surroundings(&mut self, events: &[Rc<Event>]) {
        let mut faults: Vec<(Spot, Fault)> = vec![];
        for event in events {
            match &**event {
                Event::Clock(process, skew) => {
                    let back = self.net.skew(*process, *skew);
                    self.tally
                        .fault(if back { "clock jumps back" } else { "clock jumps ahead" }, 1);
                    self.tell(|| {
                        format!("p{process} its clock is off by {} ms from now on", skew / 1_000)
                    });
                }
                Event::Outage(time) => {
                    self.net.away_until.set(self.now + time);
                    self.tally.fault("database away for a while", 1);
                    self.tell(|| format!("   the database is away for {} ms", time / 1_000));
                }
                Event::Prices(prices) => self.change_prices(*prices),
                Event::Fault(spot, fault) => faults.push((*spot, *fault)),
                Event::Requests(_) | Event::Claims(..) | Event::Sweep(_) | Event::Full => {}
            }
        }
        if matches!(self.script, Script::Replay(_)) {
            *self.net.script.borrow_mut() = Some(faults);
        }
    }

    /// What workers and clients begin.
    fn draw_work(&mut self) -> Vec<Event> {
        let mut events = vec![];
        for process in 0..self.net.processes() {
            let place = u64::try_from(process).unwrap_or(0);
            let mut rng = self.numbers(&[part::WORKERS, self.step, place]);
            if rng.chance(300) {
                let limit = usize::try_from(poll::limit(rng.below(40))).unwrap_or(0);
                events.push(Event::Claims(process, limit));
            }
            if rng.chance(80) {
                events.push(Event::Sweep(process));
            }
            let mut rng = self.numbers(&[part::CLIENTS, self.step, place]);
            let most = if rng.chance(50) { 40 } else { 8 };
            for number in 0..rng.below(most) {
                let number = u64::try_from(number).unwrap_or(0);
                let mut rng = self.numbers(&[part::REQUEST, self.step, place, number]);
                let tag = name(&[part::TAG, self.step, place, number]);
                if let Some(item) = self.request(&mut rng) {
                    events.push(Event::Requests(self.twice(
                        process,
                        Item { tag, ..item },
                        &mut rng,
                    )));
                }
            }
        }
        if matches!(self.script, Script::Record) {
            for event in &events {
                match event {
                    Event::Requests(items) => {
                        let named = |(process, item): &(usize, Item)| {
                            Some((*process, self.names.as_ref()?.written(item)?))
                        };
                        if let Some(items) = items.iter().map(named).collect() {
                            self.write(|| Event::Requests(items));
                        }
                    }
                    event => self.write(|| event.clone()),
                }
            }
        }
        events
    }

    /// A double-click: a request to execute that is sent twice at once, in one batch or to two
    /// processes, with one key or with two.
    fn twice(&self, process: usize, item: Item, rng: &mut Rng) -> Vec<(usize, Item)> {
        let other = rng.below(self.net.processes());
        let mut items = vec![(process, item.clone())];
        if let (Command::Execute(request), true) = (&item.command, rng.chance(60)) {
            let mut request = request.clone();
            if rng.chance(500) {
                request.reference_id = format!("{:016x}", rng.next());
            }
            items.insert(
                0,
                (
                    other,
                    Item { command: Command::Execute(request), tag: name(&[item.tag]), ..item },
                ),
            );
        }
        items
    }

    fn work(&mut self, events: &[Rc<Event>], batches: &mut [Vec<Item>]) {
        let replayed = matches!(self.script, Script::Replay(_));
        for event in events {
            match &**event {
                Event::Claims(process, limit) => {
                    let now = self.net.now(*process).0;
                    for (id, _) in self.net.db.borrow().due_executions(now, *limit) {
                        batches[*process].push(Item::untagged(poll::claim(id), Origin::Claim));
                    }
                }
                Event::Sweep(process) => {
                    let now = self.net.now(*process).0;
                    for (id, _) in self.net.db.borrow().due_sessions(now, 20) {
                        batches[*process].push(Item::untagged(expire::sweep(id), Origin::Sweep));
                    }
                }
                Event::Requests(items) => {
                    if let [(_, first), (_, second)] = items.as_slice() {
                        let keys = [first, second].map(|item| match &item.command {
                            Command::Execute(request) => request.reference_id.clone(),
                            _ => String::new(),
                        });
                        let same = keys.first() == keys.last();
                        self.tally.fault(
                            if same {
                                "request twice at once"
                            } else {
                                "session twice at once, two keys"
                            },
                            1,
                        );
                    }
                    for (process, item) in items {
                        let item = if replayed {
                            self.names.as_ref().and_then(|names| names.read(item))
                        } else {
                            Some(item.clone())
                        };
                        if let Some(item) = item.filter(|item| self.is_fair(&item.command)) {
                            batches[*process].push(item);
                        }
                    }
                }
                Event::Clock(..)
                | Event::Outage(_)
                | Event::Prices(_)
                | Event::Full
                | Event::Fault(..) => {}
            }
        }
    }

    /// An operator's change of fees or rates, by true time: a process whose clock is behind comes
    /// to it later.
    fn change_prices(&mut self, prices: Prices) {
        let before = self.books.prices_at(i64::MAX);
        let prices = Prices { since: self.now, ..prices };
        let changed = tariff::after(&self.net.tariff.borrow(), &before, &prices);
        *self.net.tariff.borrow_mut() = Arc::new(changed);
        self.books.prices.push(prices);
        self.tally.fault("fee or rate changed", 1);
        self.tell(|| format!("   {prices:?}"));
    }

    pub fn fold(&mut self) -> Checked {
        let begun = Instant::now();
        let checked = self.checks.fold(&self.net.db.borrow().rows);
        let checked =
            checked.and_then(|()| compare::everything(&self.books, &self.net.db.borrow().rows));
        self.folding += begun.elapsed();
        checked
    }

    /// What is due until a time.
    pub fn take_due(&mut self, batches: &mut [Vec<Item>], until: i64) {
        let due = std::mem::take(&mut self.door.inside().due);
        for (at, what) in due {
            self.order += 1;
            self.later.insert((at, self.order), Later::Outside(what));
        }
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= until) {
            match entry.remove() {
                Later::Outside(what) => self.outside(what, batches),
                Later::Start(process, life, calls) => self.call(process, life, *calls),
                Later::Output(process, life, calls, word) => {
                    if self.lives[process] == life {
                        let (_, command) = calls.record(word);
                        batches[process]
                            .push(Item::untagged(command, Origin::CallSequence(*calls)));
                    }
                }
                Later::Give(item) => {
                    let any =
                        self.numbers(&[part::FOLLOW, item.tag, self.step]).below(batches.len());
                    batches[any].push(*item);
                }
            }
        }
    }

    /// A process calls a provider, if it still may.
    fn call(&mut self, process: usize, life: u64, calls: CallSequence) {
        if self.lives[process] != life {
            return;
        }
        if !calls.may_call(self.net.now(process)) {
            self.tally.fault("lease run out while the process slept", 1);
            return;
        }
        let execution = calls.call().request.execution_id.0;
        let reference =
            self.books.executions.get(&execution).map_or(0, |known| name_of(&known.reference));
        let word = self.door.call(calls.call(), self.numbers(&[part::PROVIDER, reference]));
        let longest = i64::try_from(CALL.as_micros()).unwrap_or(0);
        let rate = self.faults;
        let rng = self.numbers_of(execution);
        let slow = rng.chance(rate.provider / 5);
        let takes = if slow { rng.between(0, 2 * longest) } else { rng.between(0, 300_000) };
        let asleep = if rng.chance(rate.sleep) { rng.between(0, seconds(60)) } else { 0 };
        self.tally.fault("time-out of a call", u64::from(takes >= longest));
        self.tally.fault("process sleeps before it hands an answer in", u64::from(asleep > 0));
        let word = if takes >= longest { ProviderOutcome::Unknown } else { word };
        self.later(
            takes.min(longest) + asleep,
            Later::Output(process, life, Box::new(calls), word),
        );
    }

    /// A provider speaks of its own accord.
    fn outside(&mut self, what: Outside, batches: &mut [Vec<Item>]) {
        let id = match &what {
            Outside::Says(id) | Outside::Turns(id) => id.clone(),
        };
        let Some(request) = self.door.inside().requests.get(&id).cloned() else { return };
        let Some(row) = self.net.db.borrow().rows.executions.get(request.execution).cloned() else {
            return;
        };
        if matches!(what, Outside::Turns(_)) {
            let Some(there) = request.stands() else { return };
            if !row.status.is_final() || self.books.heard_of(row.id.0) != Some(there) {
                // Not what it said before, as far as anybody has heard: perhaps later.
                let rng = self.numbers_of(row.id.0);
                let (wait, again) = (rng.between(seconds(1), minutes(5)), rng.chance(900));
                if again {
                    self.later(wait, Later::Outside(what));
                }
                return;
            }
            self.door.inside().turn(&id);
        }
        let word = self.door.inside().word(&id);
        let any = self.numbers_of(row.id.0).below(batches.len());
        batches[any].push(Item::untagged(
            Command::RecordOutcome(request.execution, word),
            Origin::Callback,
        ));
    }

    fn request(&self, rng: &mut Rng) -> Option<Item> {
        let closing = self.step.is_multiple_of(2);
        let mut clients =
            Clients { books: &self.books, rng, now: self.now, merchants: &self.merchants, closing };
        clients.draw().filter(|item| self.is_fair(&item.command))
    }

    /// An operator says of a payment without an answer only what its provider would say, and closes
    /// a wallet only as the command line does.
    fn is_fair(&self, command: &Command) -> bool {
        if let Command::SetWalletStatus(id, domain::ledger::wallet::WalletStatus::Closed, open) =
            command
        {
            return self.books.can_be_credited(id.0) == Some(*open);
        }
        let Command::ResolveReview(id, how @ (Resolution::Completed | Resolution::Failed), _) =
            command
        else {
            return true;
        };
        let Some((execution, _)) = self.books.review_ids.get(&id.0) else { return true };
        let Some(known) = self.books.executions.get(execution) else { return true };
        let mut networks = self.door.inside();
        networks.word(&known.request);
        match networks.requests.get(&known.request) {
            None => *how == Resolution::Failed,
            Some(request) => match request.decided {
                None => request.is_seen() || *how == Resolution::Failed,
                Some(verdict) => {
                    verdict.moved == (*how == Resolution::Completed)
                        && verdict.amount == request.asked
                }
            },
        }
    }

    /// Runs batches and takes in what came of them.
    pub fn run(&mut self, batches: Vec<(usize, Vec<Item>)>) -> Checked {
        let net = Rc::clone(&self.net);
        let mut soft = vec![];
        for done in net.run(batches) {
            for (spot, fault) in &done.faults {
                self.tally.fault(describe::fault(*fault), 1);
                if *fault != Fault::InOutage {
                    self.write(|| Event::Fault(*spot, *fault));
                }
            }
            soft.push(self.books.soft);
            let since =
                soft.len().checked_sub(1 + done.nested).and_then(|at| soft.get(at)).copied();
            self.take_in(done, since.unwrap_or(0))?;
        }
        match self.door.inside().trouble.take() {
            Some(what) => Err(Violation { check: "provider", what }),
            None => Ok(()),
        }
    }

    /// A full queue refuses what a process was to run.
    fn refuse(&mut self, refused: Option<(usize, Vec<Item>)>) {
        let Some((process, items)) = refused else { return };
        for item in items {
            self.tally.fault("queue full", 1);
            self.note(process, &item, &full());
            self.follow(process, item, full());
        }
    }

    /// Adds a line to the history.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(history) = &mut self.history {
            let at = (self.now - BEGIN) / 1_000;
            let line = format!("{:>9}.{:03} s  {}", at / 1_000, at % 1_000, what());
            history.push(line);
        }
    }

    pub fn note(&mut self, process: usize, item: &Item, outcome: &Outcome) {
        self.tell(|| {
            format!(
                "p{process} {}  =>  {}",
                describe::command(&item.command),
                describe::outcome(outcome)
            )
        });
    }

    /// What there is in the end.
    fn count_ends(&mut self) {
        let counts = std::mem::take(&mut self.door.inside().counts);
        for (what, times) in counts {
            self.tally.fault(what, times);
        }
        let db = self.net.db.borrow();
        for row in db.rows.executions.by_id.values() {
            self.tally.end(format!("{} {}", row.operation, row.status));
        }
        for row in db.rows.reviews.by_id.values() {
            self.tally.end(format!("review {}", row.kind));
        }
        for row in db.rows.sessions.by_id.values() {
            self.tally.end(format!("session {} {}", row.kind, row.status));
        }
    }
}

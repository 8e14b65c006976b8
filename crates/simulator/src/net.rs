//! Processes on one database: who runs, who is interrupted by whom, what breaks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::decision::command::Command;
use domain::decision::settings::{Settings, TransferLimits};
use domain::kernel::time::Timestamp;
use domain::tariff::Tariff;
use kola::engine::{Failure, Lane, Outcome, Pause};

use crate::db::{Commit, Database};
use crate::item::Item;
use crate::oracle::FILL;
use crate::plan::{Call, Fault, Spot};
use crate::rng::Rng;
use crate::sim_store::SimStore;

/// How often things go wrong, in thousandths: drawn for each seed, so that some runs are calm and
/// some are not.
#[derive(Clone, Copy, Default, Debug)]
pub struct Faults {
    /// A process dies at a call of its store.
    pub crash: u32,
    /// The database asks for the transaction to be run again.
    pub conflict: u32,
    /// The database keeps a row for too long.
    pub busy: u32,
    /// The connection is lost.
    pub away: u32,
    /// A commit has no answer.
    pub unknown: u32,
    /// Another process runs a batch in the middle of this one.
    pub interleave: u32,
    /// A queue is full.
    pub full: u32,
    /// An answer does not reach its client.
    pub lost_answer: u32,
    /// A clock jumps.
    pub clock: u32,
    /// The database is away for some seconds.
    pub outage: u32,
    /// An operator changes a fee or a rate.
    pub prices: u32,
    /// A process sleeps.
    pub sleep: u32,
    /// A provider misbehaves.
    pub provider: u32,
}

impl Faults {
    pub fn draw(rng: &mut Rng) -> Self {
        let mut rate = |most: i64| {
            if rng.chance(350) { 0 } else { u32::try_from(rng.between(1, most)).unwrap_or(0) }
        };
        Self {
            crash: rate(4),
            conflict: rate(10),
            busy: rate(5),
            away: rate(5),
            unknown: rate(30),
            interleave: 20 + rate(150),
            full: rate(10),
            lost_answer: rate(80),
            clock: rate(20),
            outage: rate(8),
            prices: rate(10),
            sleep: rate(30),
            provider: rate(500),
        }
    }
}

/// What a lane works on now.
#[derive(Clone, Default)]
pub struct Running {
    /// The process is dead: nothing that it does has an effect.
    pub dead: bool,
    /// How often its batch was begun.
    pub opens: usize,
    /// How often its batch was rolled back.
    pub rollbacks: usize,
    /// It has committed.
    pub committed: bool,
    /// What a commit without an answer came to, and how many questions about it have none either.
    pub doubt: (bool, u32),
    /// The calls that were made.
    pub made: Vec<Call>,
    /// What went wrong.
    pub faults: Vec<(Spot, Fault)>,
    /// Whether the outcome of a commit that is never found out about can be read from the rows.
    pub may_stay_unknown: bool,
}

/// A batch that was run, in the order of commits.
pub struct Done {
    pub process: usize,
    /// The process's clock.
    pub now: Timestamp,
    pub items: Vec<Item>,
    pub outcomes: Vec<Outcome>,
    pub commits: Vec<Commit>,
    /// How many batches of others were run in its middle: those before it in the list.
    pub nested: usize,
    /// The process died: nobody has heard the answers.
    pub crashed: bool,
    /// What went wrong.
    pub faults: Vec<(Spot, Fault)>,
}

struct Process {
    lane: Option<Lane<SimStore>>,
    now: Arc<AtomicI64>,
    /// How far its clock is off, in microseconds.
    skew: i64,
}

/// Time that passes where it is told to.
#[derive(Default)]
struct Virtual(AtomicI64);

impl Pause for Virtual {
    fn elapsed(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0))
    }

    fn pause(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap_or(0), Ordering::Relaxed);
    }
}

/// All processes and what they share.
pub struct Net {
    pub db: RefCell<Database>,
    /// The numbers of this step.
    pub numbers: Cell<u64>,
    /// What is to go wrong in this step, where it is not drawn.
    pub script: RefCell<Option<Vec<(Spot, Fault)>>>,
    /// Until when the database is away; true time.
    pub away_until: Cell<i64>,
    pub now: Cell<i64>,
    pub tariff: RefCell<Arc<Tariff>>,
    pub faults: Cell<Faults>,
    pub running: RefCell<Vec<Running>>,
    processes: RefCell<Vec<Process>>,
    waiting: RefCell<Vec<(usize, Vec<Item>)>>,
    done: RefCell<Vec<Done>>,
    depth: Cell<usize>,
}

impl Net {
    pub fn new(processes: usize, tariff: Tariff) -> Rc<Self> {
        let net = Rc::new(Self {
            db: RefCell::new(Database::new()),
            numbers: Cell::new(0),
            script: RefCell::new(None),
            away_until: Cell::new(0),
            now: Cell::new(0),
            tariff: RefCell::new(Arc::new(tariff)),
            faults: Cell::new(Faults::default()),
            running: RefCell::new(vec![Running::default(); processes]),
            processes: RefCell::new(vec![]),
            waiting: RefCell::default(),
            done: RefCell::default(),
            depth: Cell::new(0),
        });
        for process in 0..processes {
            let now = Arc::new(AtomicI64::new(0));
            let lane = Some(net.lane(process, &now));
            net.processes.borrow_mut().push(Process { lane, now, skew: 0 });
        }
        net
    }

    fn lane(self: &Rc<Self>, process: usize, now: &Arc<AtomicI64>) -> Lane<SimStore> {
        let now = Arc::clone(now);
        let clock = Arc::new(move || Timestamp(now.load(Ordering::Relaxed)));
        let settings = Settings {
            transfers: TransferLimits { fill_minor: FILL, ..TransferLimits::default() },
            ..Settings::default()
        };
        Lane::new(SimStore::new(Rc::clone(self), process), settings, clock)
            .pausing(Arc::new(Virtual::default()))
    }

    pub fn processes(&self) -> usize {
        self.processes.borrow().len()
    }

    /// Sets the clocks for true time `now`.
    pub fn set_time(&self, now: i64) {
        self.now.set(now);
        // No two clocks show the same microsecond.
        for (process, after) in self.processes.borrow().iter().zip(0..) {
            process.now.store(now + process.skew + after, Ordering::Relaxed);
        }
    }

    /// Sets how far a process's clock is off; whether it jumps back.
    pub fn skew(&self, process: usize, skew: i64) -> bool {
        let mut processes = self.processes.borrow_mut();
        processes
            .get_mut(process)
            .is_some_and(|process| std::mem::replace(&mut process.skew, skew) > skew)
    }

    /// A process's clock.
    pub fn now(&self, process: usize) -> Timestamp {
        Timestamp(
            self.processes
                .borrow()
                .get(process)
                .map_or(0, |process| process.now.load(Ordering::Relaxed)),
        )
    }

    /// Runs batches of several processes, one after the other or one in the middle of another.
    pub fn run(self: &Rc<Self>, batches: Vec<(usize, Vec<Item>)>) -> Vec<Done> {
        *self.waiting.borrow_mut() = batches;
        loop {
            let Some((process, items)) = self.waiting.borrow_mut().pop() else { break };
            self.run_one(process, items);
        }
        self.done.take()
    }

    /// The next call of this kind in a process's batch.
    pub fn spot(&self, process: usize, call: Call) -> Spot {
        let mut running = self.running.borrow_mut();
        let made = &mut running[process].made;
        made.push(call);
        let nth = made.iter().filter(|other| **other == call).count();
        Spot { process, call, nth: u32::try_from(nth).unwrap_or(u32::MAX) }
    }

    /// What goes wrong at a call: as it was written down, or as it is drawn. `draw` is asked for
    /// one of the `wanted`.
    pub fn fault(
        &self,
        spot: Spot,
        wanted: impl Fn(Fault) -> bool,
        draw: impl FnOnce(&mut Rng, Faults) -> Option<Fault>,
    ) -> Option<Fault> {
        let found = match &*self.script.borrow() {
            Some(script) => script
                .iter()
                .find(|(at, fault)| *at == spot && wanted(*fault))
                .map(|(_, fault)| *fault),
            None => {
                let (first, last) = (wanted(Fault::Interleave), wanted(Fault::CrashAfter));
                let which = u64::from(first) << 1 | u64::from(last);
                let process = u64::try_from(spot.process).unwrap_or(0);
                let part = [which, process, call_number(spot.call), u64::from(spot.nth)];
                draw(&mut Rng::of(self.numbers.get(), &part), self.faults.get())
            }
        };
        if let Some(fault) = found {
            self.running.borrow_mut()[spot.process].faults.push((spot, fault));
        }
        found
    }

    /// In the middle of a process's batch: perhaps another process runs its own now.
    pub fn interleave(self: &Rc<Self>, spot: Spot) {
        let over = self
            .running
            .borrow()
            .get(spot.process)
            .is_none_or(|state| state.committed || state.opens > 3);
        if over || self.waiting.borrow().is_empty() || self.depth.get() > 2 {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        let free = |lane: usize| {
            self.processes.borrow().get(lane).is_some_and(|process| process.lane.is_some())
        };
        let Some(at) = waiting.iter().position(|(other, _)| free(*other)) else { return };
        let drawn = |rng: &mut Rng, faults: Faults| {
            rng.chance(faults.interleave).then_some(Fault::Interleave)
        };
        if self.fault(spot, |fault| fault == Fault::Interleave, drawn).is_none() {
            return;
        }
        let (other, items) = waiting.swap_remove(at);
        drop(waiting);
        self.run_one(other, items);
    }

    fn run_one(self: &Rc<Self>, process: usize, items: Vec<Item>) {
        let taken =
            self.processes.borrow_mut().get_mut(process).and_then(|process| process.lane.take());
        let Some(mut lane) = taken else { return };
        let may_stay_unknown = items
            .iter()
            .all(|item| matches!(item.command, Command::Execute(_) | Command::RecordOutcome(..)));
        self.running.borrow_mut()[process] = Running { may_stay_unknown, ..Running::default() };
        let before = self.done.borrow().len();
        self.depth.set(self.depth.get() + 1);
        let commands: Vec<Command> = items.iter().map(|item| item.command.clone()).collect();
        let outcomes = lane.run(&commands);
        self.depth.set(self.depth.get() - 1);
        let Running { dead: crashed, faults, .. } =
            std::mem::take(&mut self.running.borrow_mut()[process]);
        let all = std::mem::take(&mut self.db.borrow_mut().commits);
        let (commits, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|commit| commit.by == process);
        self.db.borrow_mut().commits = others;
        let now = self.now(process);
        if crashed {
            lane = self.restart(process);
        }
        if let Some(process) = self.processes.borrow_mut().get_mut(process) {
            process.lane = Some(lane);
        }
        let mut done = self.done.borrow_mut();
        let nested = done.len() - before;
        done.push(Done { process, now, items, outcomes, commits, nested, crashed, faults });
    }

    /// A process that starts with nothing in its memory.
    fn restart(self: &Rc<Self>, process: usize) -> Lane<SimStore> {
        self.db.borrow_mut().rollback(process);
        let now = self
            .processes
            .borrow()
            .get(process)
            .map(|process| Arc::clone(&process.now))
            .unwrap_or_default();
        self.lane(process, &now)
    }

    /// Lets go of what the processes share, which knows the processes.
    pub fn close(&self) {
        self.processes.borrow_mut().clear();
    }
}

/// The answer of a queue without room.
pub const fn full() -> Outcome {
    Err(Failure::Overloaded)
}

const fn call_number(call: Call) -> u64 {
    match call {
        Call::Reserve => 0,
        Call::Open => 1,
        Call::Load => 2,
        Call::Confirm => 3,
        Call::Persist => 4,
        Call::Commit => 5,
    }
}

//! Several processes on one database: each runs batches in a lane of the product, and a batch of
//! one may run in the middle of another's.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::decision::command::Request;
use domain::decision::settings::{Settings, TransferLimits};
use domain::kernel::names::Provider;
use domain::kernel::time::ServerTime;
use domain::payments::provider_call::{ProviderRequest, WriteBody};
use kola::engine::{Failure, Lane, Outcome, Timer};

use crate::compare;
use crate::db::Commit;
use crate::environment::{BatchState, Environment};
use crate::faults::FaultRates;
use crate::oracle::{PAGE_LIMITS, TRANSFER_FILL_LIMIT};
use crate::plan::{CallSite, Fault};
use crate::queued_command::QueuedCommand;
use crate::rng::Rng;
use crate::sim_store::{Interleave, SimStore};
use crate::webhooks;

/// A batch that was run, in the order of commits.
pub struct CompletedBatch {
    pub process: usize,
    /// The process's clock.
    pub now: ServerTime,
    pub items: Vec<QueuedCommand>,
    pub outcomes: Vec<Outcome>,
    pub commits: Vec<Commit>,
    /// How many batches of others were run in its middle: those before it in the list.
    pub nested: usize,
    /// The process died: nobody received the answers.
    pub crashed: bool,
    pub faults: Vec<(CallSite, Fault)>,
}

struct Process {
    /// `None` while it runs a batch.
    lane: Option<Lane<SimStore>>,
    now: Arc<AtomicI64>,
    /// How far its clock is off, in microseconds.
    skew: i64,
}

/// Waiting that costs no real time.
#[derive(Default)]
struct VirtualTimer(AtomicI64);

impl Timer for VirtualTimer {
    fn elapsed(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0))
    }

    fn sleep(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap_or(0), Ordering::Relaxed);
    }
}

/// All processes.
pub struct Processes {
    environment: Rc<Environment>,
    /// Itself, for the stores, which ask it at each of their calls whether another process runs
    /// first.
    this: Weak<Self>,
    processes: RefCell<Vec<Process>>,
    waiting: RefCell<Vec<(usize, Vec<QueuedCommand>)>>,
    completed: RefCell<Vec<CompletedBatch>>,
    /// How many batches are in the middle of one another now.
    depth: Cell<usize>,
}

impl Processes {
    pub fn new(count: usize, environment: &Rc<Environment>) -> Rc<Self> {
        let processes = Rc::new_cyclic(|this| Self {
            environment: Rc::clone(environment),
            this: Weak::clone(this),
            processes: RefCell::default(),
            waiting: RefCell::default(),
            completed: RefCell::default(),
            depth: Cell::new(0),
        });
        for process in 0..count {
            let now = Arc::new(AtomicI64::new(0));
            let lane = Some(processes.new_lane(process, &now));
            processes.processes.borrow_mut().push(Process { lane, now, skew: 0 });
        }
        processes
    }

    fn new_lane(&self, process: usize, now: &Arc<AtomicI64>) -> Lane<SimStore> {
        let now = Arc::clone(now);
        let clock = Arc::new(move || ServerTime(now.load(Ordering::Relaxed)));
        let settings = Settings {
            transfers: TransferLimits {
                balance_max_minor: TRANSFER_FILL_LIMIT,
                ..TransferLimits::default()
            },
            page_limits: PAGE_LIMITS,
            write_body: WriteBody(write_body),
            ..Settings::default()
        };
        let interleave: Weak<dyn Interleave> = self.this.clone();
        let store = SimStore::new(Rc::clone(&self.environment), interleave, process);
        Lane::new(store, settings, clock, Arc::new(webhooks::write_message))
            .with_timer(Arc::new(VirtualTimer::default()))
    }

    pub fn count(&self) -> usize {
        self.processes.borrow().len()
    }

    /// Sets true time, and the clock of each process by it.
    pub fn set_time(&self, now: i64) {
        self.environment.now.set(now);
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
    pub fn now(&self, process: usize) -> ServerTime {
        ServerTime(
            self.processes
                .borrow()
                .get(process)
                .map_or(0, |process| process.now.load(Ordering::Relaxed)),
        )
    }

    /// Runs batches of several processes, one after the other or one in the middle of another.
    pub fn run(&self, batches: Vec<(usize, Vec<QueuedCommand>)>) -> Vec<CompletedBatch> {
        *self.waiting.borrow_mut() = batches;
        loop {
            let Some((process, items)) = self.waiting.borrow_mut().pop() else { break };
            self.run_one(process, items);
        }
        self.completed.take()
    }

    fn run_one(&self, process: usize, items: Vec<QueuedCommand>) {
        let taken =
            self.processes.borrow_mut().get_mut(process).and_then(|process| process.lane.take());
        let Some(mut lane) = taken else { return };
        let may_stay_unknown = compare::is_batch_read_back(&items);
        self.environment.batches.borrow_mut()[process] =
            BatchState { may_stay_unknown, ..BatchState::default() };
        let before = self.completed.borrow().len();
        self.depth.set(self.depth.get() + 1);
        let requests: Vec<Request> = items.iter().map(QueuedCommand::request).collect();
        let outcomes = lane.run(&requests);
        self.depth.set(self.depth.get() - 1);
        let BatchState { dead: crashed, faults, .. } =
            std::mem::take(&mut self.environment.batches.borrow_mut()[process]);
        let all = std::mem::take(&mut self.environment.db.borrow_mut().commits);
        let (commits, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|commit| commit.by == process);
        self.environment.db.borrow_mut().commits = others;
        let now = self.now(process);
        if crashed {
            lane = self.restart(process);
        }
        if let Some(process) = self.processes.borrow_mut().get_mut(process) {
            process.lane = Some(lane);
        }
        let mut completed = self.completed.borrow_mut();
        let nested = completed.len() - before;
        completed.push(CompletedBatch {
            process,
            now,
            items,
            outcomes,
            commits,
            nested,
            crashed,
            faults,
        });
    }

    /// A process that starts with nothing in its memory.
    fn restart(&self, process: usize) -> Lane<SimStore> {
        self.environment.db.borrow_mut().rollback(process);
        let now = self
            .processes
            .borrow()
            .get(process)
            .map(|process| Arc::clone(&process.now))
            .unwrap_or_default();
        self.new_lane(process, &now)
    }
}

impl Interleave for Processes {
    fn interleave(&self, site: CallSite) {
        let over = self
            .environment
            .batches
            .borrow()
            .get(site.process)
            .is_none_or(|batch| batch.committed || batch.opens > 3);
        if over || self.waiting.borrow().is_empty() || self.depth.get() > 2 {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        let is_idle = |process: usize| {
            self.processes.borrow().get(process).is_some_and(|process| process.lane.is_some())
        };
        let Some(at) = waiting.iter().position(|(other, _)| is_idle(*other)) else { return };
        let draw = |rng: &mut Rng, rates: FaultRates| {
            rng.chance(rates.interleave).then_some(Fault::Interleave)
        };
        if self.environment.fault(site, |fault| fault == Fault::Interleave, draw).is_none() {
            return;
        }
        let (other, items) = waiting.swap_remove(at);
        drop(waiting);
        self.run_one(other, items);
    }
}

/// The body of a request to a real network. The simulator's networks only see whether it is repeated
/// word by word.
fn write_body(network: Provider, request: &ProviderRequest) -> Result<String, String> {
    let ProviderRequest { request_id, amount, .. } = request;
    Ok(format!("{network} {request_id} {amount} {}", amount.currency))
}

/// The answer of a queue without room.
pub const fn queue_full() -> Outcome {
    Err(Failure::Overloaded)
}

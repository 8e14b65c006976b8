//! One run of the simulation: a seed, a number of steps, and the violation that was found.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use domain::decision::command::Command;
use domain::exceptions::resolve_review::ResolveReview;
use domain::exceptions::review::Resolution;
use domain::kernel::time::{minutes, seconds};
use domain::kernel::uuids::ReferenceId;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::decide_approval::ExpireApproval;
use domain::payments::expire_session::ExpireSession;
use domain::sales::cancel_unpaid_order::CancelUnpaidOrder;
use domain::sales::checkout::PageToken;
use domain::tariff::Tariff;
use kola::engine::Outcome;

use crate::checks::{CheckResult, Checks, Violation};
use crate::clients::{Clients, first_merchant};
use crate::compare;
use crate::contracts;
use crate::db::Map;
use crate::describe;
use crate::environment::Environment;
use crate::faults::FaultRates;
use crate::oracle::Model;
use crate::plan::{CallSite, Event, Fault, Plan, RowNames, Script};
use crate::processes::{Processes, queue_full};
use crate::providers::SimulatedProviders;
use crate::queued_command::{Origin, QueuedCommand};
use crate::real_networks::RealNetworks;
use crate::rng::{Rng, hash, hash_uuid};
use crate::scheduled::Scheduled;
use crate::statistics::Statistics;
use crate::tariff;
use crate::webhooks::{DeliveryJobs, WebhookUse};

/// When a simulated installation begins: 2026-11-22, in microseconds.
pub const BEGIN: i64 = 1_795_500_000_000_000;
/// All rows are checked after so many commands.
const FULL_CHECK_EVERY: u64 = 10_000;

/// The streams of random numbers. Their numbers are part of what a seed means.
pub mod stream {
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
    pub const WEBHOOKS: u64 = 11;
    pub const STATEMENTS: u64 = 12;
}

/// A violation, and when it was found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub step: u64,
    /// Commands until then.
    pub commands: u64,
    /// It was found after the last step, while everything was settled.
    pub at_end: bool,
    pub violation: Violation,
}

pub struct Report {
    pub statistics: Statistics,
    pub found: Option<Finding>,
    pub history: Vec<String>,
    /// Its events, where they were recorded.
    pub plan: Plan,
}

/// A run.
pub struct Sim {
    pub seed: u64,
    pub environment: Rc<Environment>,
    pub processes: Rc<Processes>,
    pub providers: SimulatedProviders,
    pub real_networks: RealNetworks,
    pub webhook_use: WebhookUse,
    pub delivery_jobs: DeliveryJobs,
    pub model: Model,
    pub checks: Checks,
    pub scheduled: BTreeMap<(i64, u64), Scheduled>,
    pub order: u64,
    pub now: i64,
    pub fault_rates: FaultRates,
    pub merchants: Vec<i64>,
    /// How often each process was started. What an earlier incarnation was about to do is dropped.
    pub incarnations: Vec<u64>,
    pub statistics: Statistics,
    last_full_check: u64,
    full_check_time: Duration,
    /// What came of the commands of whoever reads a statement.
    pub answers: Vec<Outcome>,
    pub history: Option<Vec<String>>,
    script: Script,
    plan: Plan,
    pub names: Option<RowNames>,
    streams: Map<i64, Rng>,
    pub step: u64,
}

/// The idempotency key of a payment that is begun.
const fn key_of(command: &mut Command) -> Option<&mut ReferenceId> {
    match command {
        Command::Execute(request) => Some(&mut request.reference_id),
        Command::PayOnPage(request) => Some(&mut request.payment.reference_id),
        Command::PayLink(request) => Some(&mut request.payment.reference_id),
        _ => None,
    }
}

/// Runs a seed. With `drain_at_end` it goes on until everything is settled; with `keep_history` the
/// report has a history.
pub fn run(
    seed: u64,
    steps: u64,
    script: Script,
    drain_at_end: bool,
    keep_history: bool,
) -> Report {
    let begun = Instant::now();
    let mut sim = Sim::new(seed, script, keep_history);
    let mut failed = sim.set_up().err();
    let mut at_end = false;
    while failed.is_none() && sim.step < steps {
        sim.step += 1;
        failed = sim.step().err();
    }
    if failed.is_none() && drain_at_end {
        at_end = true;
        failed = sim.drain().err();
    }
    sim.count_final_states();
    let commands = sim.statistics.commands;
    let found = failed.map(|violation| Finding { step: sim.step, commands, at_end, violation });
    let time = begun.elapsed().saturating_sub(sim.full_check_time);
    (sim.statistics.seeds, sim.statistics.steps, sim.statistics.time) = (1, sim.step, time);
    Report {
        statistics: sim.statistics,
        found,
        history: sim.history.unwrap_or_default(),
        plan: sim.plan,
    }
}

impl Sim {
    fn new(seed: u64, script: Script, keep_history: bool) -> Self {
        let mut rng = Rng::of(seed, &[stream::SET_UP]);
        let processes = if rng.chance(150) { 1 } else { 2 + rng.below(2) };
        let mut contracts = Rng::of(seed, &[stream::SET_UP, 2]);
        let tariff = Tariff {
            network_accounts: contracts::accounts(&mut contracts),
            operator_terms: contracts::all_terms(&mut contracts),
            ..tariff::shipped()
        };
        let model = Model::new(&tariff.network_accounts, &tariff.operator_terms);
        let environment = Rc::new(Environment::new(processes, tariff));
        Self {
            seed,
            processes: Processes::new(processes, &environment),
            environment,
            providers: SimulatedProviders::new(),
            real_networks: RealNetworks::default(),
            webhook_use: WebhookUse::draw(&mut Rng::of(seed, &[stream::WEBHOOKS])),
            delivery_jobs: DeliveryJobs::new(seed, processes),
            model,
            checks: Checks::default(),
            scheduled: BTreeMap::new(),
            order: 0,
            now: BEGIN,
            fault_rates: FaultRates::draw(&mut rng),
            merchants: vec![],
            incarnations: vec![0; processes],
            statistics: Statistics::default(),
            last_full_check: 0,
            full_check_time: Duration::ZERO,
            answers: vec![],
            history: keep_history.then(Vec::new),
            names: (!matches!(script, Script::Draw)).then(RowNames::default),
            script,
            plan: Plan::new(),
            streams: Map::default(),
            step: 0,
        }
    }

    fn set_up(&mut self) -> CheckResult {
        let mut rng = self.rng_for(&[stream::SET_UP, 1]);
        self.begin();
        let merchants = 2 + rng.below(2);
        let made = |index| QueuedCommand {
            tag: hash(&[stream::SET_UP, u64::try_from(index).unwrap_or(0)]),
            ..first_merchant(index, &mut rng)
        };
        let items: Vec<QueuedCommand> = (0..merchants).map(made).collect();
        self.run(vec![(0, items)])?;
        self.environment.fault_rates.set(self.fault_rates);
        Ok(())
    }

    /// The random numbers of one part of this run.
    pub fn rng_for(&self, part: &[u64]) -> Rng {
        Rng::of(self.seed, part)
    }

    /// The random numbers of a part of this step that has to do with webhooks.
    pub fn rng_of_webhooks(&self, part: &[u64]) -> Rng {
        let part = [&[stream::WEBHOOKS, self.step], part].concat();
        Rng::of(self.seed, &part)
    }

    /// The random numbers of what follows from a request.
    pub fn rng_after_request(&self, tag: u64, tries: u32) -> Rng {
        self.rng_for(&[stream::FOLLOW, tag, u64::from(tries)])
    }

    /// The random numbers of what happens to an execution; they follow from its idempotency key.
    pub fn execution_rng(&mut self, id: i64) -> &mut Rng {
        let reference =
            self.model.executions.get(&id).map_or(0, |known| hash_uuid(known.reference.0));
        let seed = self.seed;
        self.streams.entry(id).or_insert_with(|| Rng::of(seed, &[stream::EXECUTION, reference]))
    }

    /// Sets clocks and random numbers for a step.
    pub fn begin(&mut self) {
        self.processes.set_time(self.now);
        self.environment.step_seed.set(hash(&[self.seed, stream::STORE, self.step]));
        self.providers.begin(self.now, self.fault_rates.provider);
    }

    pub fn schedule(&mut self, after: i64, what: Scheduled) {
        self.order += 1;
        self.scheduled.insert((self.now + after, self.order), what);
    }

    /// Records an event of this step.
    fn record_event(&mut self, event: impl FnOnce() -> Event) {
        if matches!(self.script, Script::Record) {
            let last = self.plan.last_key_value().filter(|((step, _), _)| *step == self.step);
            let next = last.map_or(0, |((_, last), _)| last + 1);
            self.plan.insert((self.step, next), Rc::new(event()));
        }
    }

    /// The recorded events of this step, in a replay.
    fn planned_events(&self) -> Option<Vec<Rc<Event>>> {
        let Script::Replay(plan) = &self.script else { return None };
        Some(
            plan.range((self.step, 0)..=(self.step, u32::MAX))
                .map(|(_, event)| Rc::clone(event))
                .collect(),
        )
    }

    fn step(&mut self) -> CheckResult {
        let mut rng = self.rng_for(&[stream::TIME, self.step]);
        self.now += match rng.below(100) {
            _ if rng.chance(self.fault_rates.long_time) => {
                self.statistics.fault("hours pass", 1);
                rng.between(minutes(30), minutes(30 * 60))
            }
            0 => rng.between(0, minutes(20)),
            1..=9 => rng.between(0, seconds(40)),
            10..=39 => rng.between(0, seconds(4)),
            _ => rng.between(0, 200_000),
        };
        if self.rng_of_webhooks(&[3]).below(10_000) < self.webhook_use.days {
            self.statistics.fault("days pass", 1);
            self.now += rng.between(minutes(24 * 60), minutes(3 * 24 * 60));
        }
        let written = self.planned_events();
        let events = written
            .clone()
            .unwrap_or_else(|| self.draw_disturbances(&mut rng).into_iter().map(Rc::new).collect());
        self.apply_disturbances(&events);
        self.begin();
        let mut batches: Vec<Vec<QueuedCommand>> =
            (0..self.processes.count()).map(|_| vec![]).collect();
        self.take_due(&mut batches, self.now);
        let events = written.unwrap_or_else(|| self.draw_work().into_iter().map(Rc::new).collect());
        self.enqueue(&events, &mut batches);
        let is_full = if matches!(self.script, Script::Replay(_)) {
            events.iter().any(|event| matches!(**event, Event::Full))
        } else {
            self.rng_for(&[stream::FULL, self.step]).chance(self.fault_rates.full)
        };
        let mut batches: Vec<_> =
            batches.into_iter().enumerate().filter(|(_, items)| !items.is_empty()).collect();
        let refused = if is_full { batches.pop() } else { None };
        if refused.is_some() {
            self.record_event(|| Event::Full);
        }
        self.run(batches)?;
        self.refuse(refused);
        self.chain_batches(&events)?;
        if self.statistics.commands - self.last_full_check >= FULL_CHECK_EVERY {
            self.last_full_check = self.statistics.commands;
            self.check_everything()?;
        }
        Ok(())
    }

    /// Draws jumps of clocks and outages of the database.
    fn draw_disturbances(&mut self, rng: &mut Rng) -> Vec<Event> {
        let mut events = vec![];
        if rng.chance(self.fault_rates.clock) {
            let process = rng.below(self.processes.count());
            let most = if rng.chance(100) { minutes(90) } else { seconds(90) };
            let skew = if rng.chance(400) { 0 } else { rng.between(-most, most) };
            events.push(Event::Clock(process, skew));
        }
        if rng.chance(self.fault_rates.outage) {
            events.push(Event::Outage(rng.between(seconds(1), seconds(30))));
        }
        if rng.chance(self.fault_rates.network) {
            events.extend(
                RealNetworks::draw(rng).map(|(account, what)| Event::Trouble(account, what)),
            );
        }
        for event in &events {
            self.record_event(|| event.clone());
        }
        events
    }

    fn apply_disturbances(&mut self, events: &[Rc<Event>]) {
        let mut faults: Vec<(CallSite, Fault)> = vec![];
        for event in events {
            match &**event {
                Event::Clock(process, skew) => {
                    let back = self.processes.skew(*process, *skew);
                    self.statistics
                        .fault(if back { "clock jumps back" } else { "clock jumps ahead" }, 1);
                    self.log(|| {
                        format!("p{process} its clock is off by {} ms from now on", skew / 1_000)
                    });
                }
                Event::Outage(time) => {
                    self.environment.away_until.set(self.now + time);
                    self.statistics.fault("database away for a while", 1);
                    self.log(|| format!("   the database is away for {} ms", time / 1_000));
                }
                Event::Trouble(account, trouble) => {
                    self.real_networks.happen(*account, *trouble, self.now);
                    self.log(|| format!("   network account {account}: {trouble:?}"));
                }
                Event::Fault(site, fault) => faults.push((*site, *fault)),
                Event::Requests(_)
                | Event::Claims(..)
                | Event::Sweep(_)
                | Event::FanOut(_)
                | Event::Deliver(_)
                | Event::Full => {}
            }
        }
        if matches!(self.script, Script::Replay(_)) {
            *self.environment.planned_faults.borrow_mut() = Some(faults);
        }
    }

    /// Draws what jobs and clients start.
    fn draw_work(&mut self) -> Vec<Event> {
        let mut events = vec![];
        for process in 0..self.processes.count() {
            let place = u64::try_from(process).unwrap_or(0);
            let mut rng = self.rng_for(&[stream::WORKERS, self.step, place]);
            if rng.chance(300) {
                events.push(Event::Claims(process, rng.below(40)));
            }
            if rng.chance(80) {
                events.push(Event::Sweep(process));
            }
            let mut rng = self.rng_for(&[stream::CLIENTS, self.step, place]);
            let most = if rng.chance(50) { 40 } else { 8 };
            for number in 0..rng.below(most) {
                let number = u64::try_from(number).unwrap_or(0);
                let mut rng = self.rng_for(&[stream::REQUEST, self.step, place, number]);
                let tag = hash(&[stream::TAG, self.step, place, number]);
                if let Some(item) = self.request(&mut rng) {
                    events.push(Event::Requests(self.double_click(
                        process,
                        QueuedCommand { tag, ..item },
                        &mut rng,
                    )));
                }
            }
        }
        self.draw_webhooks(&mut events);
        if matches!(self.script, Script::Record) {
            for event in &events {
                match event {
                    Event::Requests(items) => {
                        let named = |(process, item): &(usize, QueuedCommand)| {
                            Some((*process, self.names.as_ref()?.to_names(item)?))
                        };
                        if let Some(items) = items.iter().map(named).collect() {
                            self.record_event(|| Event::Requests(items));
                        }
                    }
                    event => self.record_event(|| event.clone()),
                }
            }
        }
        events
    }

    /// A double-click: sometimes a request to execute, or a form of a page, is sent twice at once, to
    /// one process or two, with the same idempotency key or another.
    fn double_click(
        &self,
        process: usize,
        item: QueuedCommand,
        rng: &mut Rng,
    ) -> Vec<(usize, QueuedCommand)> {
        let other = rng.below(self.processes.count());
        let is_of_people = matches!(
            item.command,
            Command::AcceptInvitation(_) | Command::ChangeMember(_) | Command::Approve(_)
        );
        let mut items = vec![(process, item.clone())];
        let mut second = QueuedCommand { tag: hash(&[item.tag]), ..item };
        if let Command::PayLink(request) = &mut second.command {
            // Drawn for each request, and used by the one that makes the order.
            request.token = PageToken(format!("order-{}", second.tag));
        }
        if is_of_people && rng.chance(120) {
            items.insert(0, (other, second));
        } else if let (Some(key), true) = (key_of(&mut second.command), rng.chance(60)) {
            if rng.chance(500) {
                *key = rng.reference_id();
            }
            items.insert(0, (other, second));
        }
        items
    }

    fn enqueue(&mut self, events: &[Rc<Event>], batches: &mut [Vec<QueuedCommand>]) {
        let replayed = matches!(self.script, Script::Replay(_));
        for event in events {
            match &**event {
                Event::Claims(process, limit) => {
                    let now = self.processes.now(*process).0;
                    for (id, _) in self.environment.db.borrow().due_executions(now, *limit) {
                        batches[*process].push(QueuedCommand::untagged(
                            ClaimExecution { execution_id: id },
                            Origin::Claim,
                        ));
                    }
                }
                Event::Sweep(process) => {
                    let now = self.processes.now(*process).0;
                    for (id, _) in self.environment.db.borrow().due_sessions(now, 20) {
                        batches[*process].push(QueuedCommand::untagged(
                            ExpireSession { session_id: id },
                            Origin::Sweep,
                        ));
                    }
                    for id in self.environment.db.borrow().due_approvals(now, 20) {
                        batches[*process].push(QueuedCommand::untagged(
                            ExpireApproval { approval_id: id },
                            Origin::Sweep,
                        ));
                    }
                    for id in self.environment.db.borrow().due_unpaid_orders(now, 20) {
                        batches[*process].push(QueuedCommand::untagged(
                            CancelUnpaidOrder { source_id: id },
                            Origin::Sweep,
                        ));
                    }
                }
                Event::FanOut(process) => batches[*process].extend(self.fan_out(*process)),
                Event::Deliver(process) => {
                    let items = self.claim_deliveries(*process);
                    batches[*process].extend(items);
                }
                Event::Requests(items) => {
                    if let [(_, first), (_, second)] = items.as_slice() {
                        let key = |item: &QueuedCommand| key_of(&mut item.command.clone()).copied();
                        let on_page =
                            matches!(first.command, Command::PayOnPage(_) | Command::PayLink(_));
                        let what = match (on_page, key(first) == key(second)) {
                            _ if matches!(first.command, Command::AcceptInvitation(_)) => {
                                "link used twice at once"
                            }
                            _ if matches!(first.command, Command::ChangeMember(_)) => {
                                "role changed twice at once"
                            }
                            _ if matches!(first.command, Command::Approve(_)) => {
                                "payout approved twice at once"
                            }
                            _ if key(first).is_none() => "change of an endpoint twice at once",
                            (false, true) => "request twice at once",
                            (false, false) => "session twice at once, two keys",
                            (true, true) => "form of a page twice at once",
                            (true, false) => "page paid in two tabs at once",
                        };
                        self.statistics.fault(what, 1);
                    }
                    for (process, item) in items {
                        let item = if replayed {
                            self.names.as_ref().and_then(|names| names.to_ids(item))
                        } else {
                            Some(item.clone())
                        };
                        let item = item.filter(|item| self.is_admissible(&item.command));
                        if let Some(mut item) = item {
                            self.read_before(&mut item);
                            batches[*process].push(item);
                        }
                    }
                }
                Event::Clock(..)
                | Event::Outage(_)
                | Event::Full
                | Event::Trouble(..)
                | Event::Fault(..) => {}
            }
        }
    }

    pub fn check_everything(&mut self) -> CheckResult {
        let begun = Instant::now();
        let checked = self.checks.recompute(&self.environment.db.borrow().rows);
        let checked = checked
            .and_then(|()| compare::all_rows(&self.model, &self.environment.db.borrow().rows))
            .and_then(|()| compare::all_people(&self.model, &self.environment.db.borrow().rows))
            .and_then(|()| {
                compare::all_deliveries(&mut self.model, &self.environment.db.borrow().rows)
            });
        self.full_check_time += begun.elapsed();
        checked
    }

    pub fn clients<'a>(&'a self, rng: &'a mut Rng) -> Clients<'a> {
        Clients {
            model: &self.model,
            rng,
            now: self.now,
            merchants: &self.merchants,
            closing: self.step.is_multiple_of(2),
            prices: self.fault_rates.prices,
            contracts: self.fault_rates.contracts,
        }
    }

    fn request(&self, rng: &mut Rng) -> Option<QueuedCommand> {
        self.clients(rng).draw().filter(|item| self.is_admissible(&item.command))
    }

    /// Whether an operator would do this: a payment without an answer is ended only as its provider
    /// says.
    fn is_admissible(&self, command: &Command) -> bool {
        let Command::ResolveReview(ResolveReview {
            review_id: id,
            resolution: how @ (Resolution::Completed | Resolution::Failed),
            ..
        }) = command
        else {
            return true;
        };
        let Some((execution, _)) = self.model.review_ids.get(&id.0) else { return true };
        let Some(known) = self.model.executions.get(execution) else { return true };
        let mut providers = self.providers.state();
        providers.outcome(known.request);
        match providers.requests.get(&known.request) {
            None => *how == Resolution::Failed,
            Some(request) => match request.decided {
                None => request.is_received() || *how == Resolution::Failed,
                Some(decision) => {
                    decision.moved == (*how == Resolution::Completed)
                        && decision.amount == request.asked
                }
            },
        }
    }

    /// Runs batches and processes their results.
    pub fn run(&mut self, batches: Vec<(usize, Vec<QueuedCommand>)>) -> CheckResult {
        let processes = Rc::clone(&self.processes);
        let mut versions = vec![];
        for done in processes.run(batches) {
            for (site, fault) in &done.faults {
                self.statistics.fault(describe::fault(*fault), 1);
                if *fault != Fault::InOutage {
                    self.record_event(|| Event::Fault(*site, *fault));
                }
            }
            versions.push(self.model.dependencies_version);
            let since = versions
                .len()
                .checked_sub(1 + done.nested)
                .and_then(|at| versions.get(at))
                .copied();
            self.process_batch(done, since.unwrap_or(0))?;
        }
        if let Some(what) = self.delivery_jobs.violation.take() {
            return Err(Violation { check: "oracle: receivers", what });
        }
        match self.providers.state().violation.take() {
            Some(what) => Err(Violation { check: "provider", what }),
            None => Ok(()),
        }
    }

    /// A full queue refuses the batch of a process.
    fn refuse(&mut self, refused: Option<(usize, Vec<QueuedCommand>)>) {
        let Some((process, items)) = refused else { return };
        for item in items {
            self.statistics.fault("queue full", 1);
            self.log_outcome(process, &item, &queue_full());
            self.continue_after(process, item, queue_full());
        }
    }

    /// Adds a line to the history.
    pub fn log(&mut self, what: impl FnOnce() -> String) {
        if let Some(history) = &mut self.history {
            let at = (self.now - BEGIN) / 1_000;
            let line = format!("{:>9}.{:03} s  {}", at / 1_000, at % 1_000, what());
            history.push(line);
        }
    }

    pub fn log_outcome(&mut self, process: usize, item: &QueuedCommand, outcome: &Outcome) {
        self.log(|| {
            format!(
                "p{process}{} {}  =>  {}",
                describe::asked_by(item.by),
                describe::command(&item.command),
                describe::outcome(outcome)
            )
        });
    }

    /// Counts the states of all rows at the end.
    fn count_final_states(&mut self) {
        let counts = std::mem::take(&mut self.providers.state().counts);
        for (what, times) in counts {
            self.statistics.fault(what, times);
        }
        let db = self.environment.db.borrow();
        for row in db.rows.executions.by_id.values() {
            self.statistics.final_state(format!("{} {}", row.operation(), row.status));
        }
        for row in db.rows.reviews.by_id.values() {
            self.statistics.final_state(format!("review {}", row.kind));
        }
        for row in db.rows.webhook_deliveries.by_id.values() {
            self.statistics.final_state(format!("delivery {}", row.status));
        }
        for row in db.rows.sessions.by_id.values() {
            self.statistics.final_state(format!("session {} {}", row.kind(), row.status));
        }
    }
}

//! One batch after another: load, decide, persist, commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use domain::decision::command::Command;
use domain::decision::decide::decide;
use domain::decision::prefetch::LockKey;
use domain::decision::settings::Settings;
use domain::decision::workspace::{IDS_PER_COMMAND, IdBlock, RowKey, Stop, Workspace};
use domain::kernel::time::Timestamp;

use crate::engine::pause::{Pause, RealPause};
use crate::engine::{Failure, Outcome};
use store::{Store, StoreError};

/// Ids reserved at a time. What is left of a block when a process ends is never used.
const ID_BLOCK: i64 = 10_000;
/// A batch that the database refuses is run again from nothing so often; then each command by
/// itself.
const BATCH_TRIES: usize = 3;
/// A command that looks like a fault of ours is decided again so often.
const FAULT_TRIES: usize = 2;
/// A decision reads fewer rows than this: more would be a loop.
const MAX_LOADS: usize = 256;
/// What a batch lacks is loaded in fewer rounds than this, and what others changed meanwhile
/// decided again.
const MAX_ROUNDS: usize = 64;
/// A commit whose answer was lost is asked about for so long.
const UNKNOWN_FOR: Duration = Duration::from_secs(3);
/// Between two questions.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(200);
/// Before a database that is away is tried again.
const AWAY_PAUSE: Duration = Duration::from_millis(50);
/// A batch that took longer is not tried again: its callers have waited enough.
const TRY_FOR: Duration = Duration::from_secs(3);

/// Runs batches of commands on a store.
pub struct Lane<S> {
    store: S,
    settings: Settings,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pause: Arc<dyn Pause>,
    ids: IdBlock,
    id_block: i64,
}

/// What became of a batch that did not fail.
enum Done {
    /// It is on disk.
    Committed(Vec<Outcome>),
    /// Its commit had no answer, and none was to be had since.
    Unknown,
}

impl<S: Store> Lane<S> {
    /// A lane on a store.
    pub fn new(
        store: S,
        settings: Settings,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        let pause = Arc::new(RealPause::default());
        Self { store, settings, clock, pause, ids: IdBlock { next: 0, end: 0 }, id_block: ID_BLOCK }
    }

    /// A lane for a few commands: it reserves no more ids than they need.
    #[must_use]
    pub fn short_lived(self) -> Self {
        Self { id_block: IDS_PER_COMMAND, ..self }
    }

    /// A lane that waits otherwise: in a simulation time passes only where it is told to.
    #[must_use]
    pub fn pausing(self, pause: Arc<dyn Pause>) -> Self {
        Self { pause, ..self }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Runs a batch: one transaction, one commit. The outcomes are in the order of the commands,
    /// and on disk.
    pub fn run(&mut self, commands: &[Command]) -> Vec<Outcome> {
        let all = |failure: &Failure| commands.iter().map(|_| Err(failure.clone())).collect();
        let begun = self.pause.elapsed();
        for attempt in 1..=BATCH_TRIES {
            match self.guarded(commands) {
                Ok(Done::Committed(outcomes)) => return self.sure(commands, outcomes),
                Ok(Done::Unknown) => return all(&Failure::Unknown),
                Err(error) => {
                    if matches!(error, StoreError::FileMoved { .. }) {
                        // Whoever looks after the file says so.
                        return all(&Failure::Unavailable(error.to_string()));
                    }
                    tracing::warn!(%error, attempt, commands = commands.len(), "a batch was rolled back");
                    if error.is_busy() {
                        // It waited long already; so would each command by itself.
                        return all(&Failure::Unavailable("the database is busy".to_owned()));
                    }
                    if error.is_unavailable() {
                        if attempt == BATCH_TRIES || self.waited(begun) > TRY_FOR {
                            return all(&Failure::Unavailable(
                                "the database cannot be reached".to_owned(),
                            ));
                        }
                        self.pause.pause(AWAY_PAUSE);
                    }
                }
            }
        }
        // One of them may be the cause: each by itself, so that the others are not refused for it.
        commands.iter().map(|command| self.alone(command)).collect()
    }

    /// What looks broken may be rows that were read at several points in time, while another
    /// process changed them. Nothing was done, and nothing locked that would tell: the command is
    /// decided again from nothing, by itself, before it is called a fault.
    fn sure(&mut self, commands: &[Command], mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
        if self.store.is_local() {
            return outcomes;
        }
        for (command, outcome) in commands.iter().zip(&mut outcomes) {
            for _ in 0..FAULT_TRIES {
                if matches!(outcome, Err(Failure::Internal(_))) {
                    *outcome = self.alone(command);
                }
            }
        }
        outcomes
    }

    fn waited(&self, begun: Duration) -> Duration {
        self.pause.elapsed().saturating_sub(begun)
    }

    fn alone(&mut self, command: &Command) -> Outcome {
        match self.guarded(std::slice::from_ref(command)) {
            Ok(Done::Committed(outcomes)) => first(outcomes),
            Ok(Done::Unknown) => Err(Failure::Unknown),
            Err(error) => Err(Failure::Unavailable(error.to_string())),
        }
    }

    /// A panic is a fault of ours in one command: the lane outlives it.
    fn guarded(&mut self, commands: &[Command]) -> Result<Done, StoreError> {
        let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(commands)));
        attempt.unwrap_or_else(|_| {
            self.store.rollback();
            Err(StoreError::Panicked)
        })
    }

    fn attempt(&mut self, commands: &[Command]) -> Result<Done, StoreError> {
        let done = self.transact(commands);
        if done.is_err() {
            self.store.rollback();
        }
        done
    }

    fn transact(&mut self, commands: &[Command]) -> Result<Done, StoreError> {
        self.reserve(commands.len())?;
        let lock_keys: Vec<LockKey> = commands.iter().filter_map(Command::lock_key).collect();
        let hints: Vec<RowKey> = commands.iter().flat_map(Command::hints).collect();
        let mut work = self.store.open(self.ids, &lock_keys, &hints)?;
        let outcomes = if self.store.is_local() {
            self.one_by_one(commands, &mut work)?
        } else {
            self.in_rounds(commands, &mut work)?
        };
        if domain::mutant!(AnswerBeforeCommit) && commands.len() > 4 {
            self.store.rollback();
            return Ok(Done::Committed(outcomes));
        }
        self.store.persist(&work)?;
        match self.store.commit() {
            Ok(()) => {}
            Err(StoreError::CommitUnknown(_)) if domain::mutant!(UnknownIsDone) => {}
            Err(StoreError::CommitUnknown(error)) if domain::mutant!(UnknownIsUndone) => {
                return Err(*error);
            }
            Err(StoreError::CommitUnknown(error)) => match self.find_out(&error) {
                Some(true) => {}
                Some(false) => return Err(*error),
                None => {
                    // Rows with these ids may be on disk: they are given to no others.
                    self.ids = work.ids;
                    return Ok(Done::Unknown);
                }
            },
            Err(error) => return Err(error),
        }
        // Only now: a block that was reserved in a batch that was rolled back is not ours.
        self.ids = work.ids;
        Ok(Done::Committed(outcomes))
    }

    /// Where ids are reserved outside the transaction, all that a batch may need are reserved
    /// ahead.
    fn reserve(&mut self, commands: usize) -> Result<(), StoreError> {
        let needed = IDS_PER_COMMAND.saturating_mul(i64::try_from(commands).unwrap_or(i64::MAX));
        if !self.store.is_local() && self.ids.end - self.ids.next < needed {
            // Enough for a while: what is left of a block is lost when the next batch needs more.
            let block = if self.id_block == ID_BLOCK {
                needed.max(ID_BLOCK).saturating_mul(8)
            } else {
                needed
            };
            self.ids = self.store.reserve_ids(block)?;
        }
        Ok(())
    }

    /// Whether a commit without an answer was done: asked until there is an answer, but not for
    /// ever.
    fn find_out(&mut self, error: &StoreError) -> Option<bool> {
        tracing::warn!(%error, "a commit has no answer");
        let begun = self.pause.elapsed();
        loop {
            match self.store.is_committed() {
                Ok(committed) => {
                    tracing::warn!(committed, "the commit that had no answer was found out about");
                    return Some(committed);
                }
                Err(error) if self.waited(begun) > UNKNOWN_FOR => {
                    tracing::error!(%error, "a commit stays without an answer");
                    return None;
                }
                Err(_) => self.pause.pause(UNKNOWN_PAUSE),
            }
        }
    }

    /// Decides the commands in order; what one turns out to read is loaded at once, because the
    /// database is at hand.
    fn one_by_one(
        &mut self,
        commands: &[Command],
        work: &mut Workspace,
    ) -> Result<Vec<Outcome>, StoreError> {
        commands.iter().map(|command| self.load_and_decide(command, work)).collect()
    }

    fn load_and_decide(
        &mut self,
        command: &Command,
        work: &mut Workspace,
    ) -> Result<Outcome, StoreError> {
        if work.ids.end - work.ids.next < IDS_PER_COMMAND {
            work.refill_ids(self.store.reserve_ids(self.id_block)?);
        }
        let now = (self.clock)();
        for _ in 0..MAX_LOADS {
            match self.decide(command, work, now) {
                Ok(outcome) => return Ok(outcome),
                Err(key) => self.store.load(&[key], &mut work.tables)?,
            }
        }
        Ok(Err(Failure::Internal("a decision reads without end".to_owned())))
    }

    /// Decides the commands in order, again and again: until nothing that they read is missing, and
    /// what they change is locked and was not changed by anybody else meanwhile.
    fn in_rounds(
        &mut self,
        commands: &[Command],
        work: &mut Workspace,
    ) -> Result<Vec<Outcome>, StoreError> {
        // What the loaded rows point at will be asked for: one round for all of it, instead of one
        // for each.
        let follows = unknown(commands.iter().flat_map(|command| command.likely_keys(work)), work);
        if !follows.is_empty() {
            self.store.load(&follows, &mut work.tables)?;
        }
        for _ in 0..MAX_ROUNDS {
            let mut outcomes = Vec::with_capacity(commands.len());
            let mut missing = vec![];
            for command in commands {
                match self.decide(command, work, (self.clock)()) {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(key) => missing.push(key),
                }
            }
            if !missing.is_empty() {
                work.reset_to_loaded();
                self.store.load(&unknown(missing.into_iter(), work), &mut work.tables)?;
            } else if domain::mutant!(SkipConfirm) || self.store.confirm(&mut work.tables)? {
                return Ok(outcomes);
            } else {
                work.reset_after_conflict();
            }
        }
        Err(StoreError::Unexpected("a batch is not decided after many rounds"))
    }

    /// Decides one command on what is loaded.
    ///
    /// # Errors
    /// The key of a row that is missing.
    fn decide(
        &self,
        command: &Command,
        work: &mut Workspace,
        now: Timestamp,
    ) -> Result<Outcome, RowKey> {
        let decided = catch_unwind(AssertUnwindSafe(|| decide(command, &self.settings, work, now)));
        let stop = match decided {
            Ok(Ok(answer)) => {
                work.accept_draft();
                return Ok(Ok(answer));
            }
            Ok(Err(stop)) => stop,
            Err(_) => Stop::Inconsistent("a decision panicked".to_owned()),
        };
        work.discard_draft();
        match stop {
            Stop::NotLoaded(key) => Err(key),
            Stop::Refused(reasons) => Ok(Err(Failure::Refused(reasons))),
            Stop::Inconsistent(what) => {
                tracing::error!(what, "a decision could not be made");
                Ok(Err(Failure::Internal(what)))
            }
        }
    }
}

/// The keys that are not loaded, each once.
fn unknown(keys: impl Iterator<Item = RowKey>, work: &Workspace) -> Vec<RowKey> {
    let mut keys: Vec<RowKey> = keys.filter(|key| !work.tables.is_loaded(key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn first(outcomes: Vec<Outcome>) -> Outcome {
    outcomes
        .into_iter()
        .next()
        .unwrap_or_else(|| Err(Failure::Internal("a batch without an outcome".to_owned())))
}

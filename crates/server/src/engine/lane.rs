//! One batch after another: load, decide, persist, commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use domain::command::{Command, Settings, decide};
use domain::time::Timestamp;
use domain::world::{Halt, IDS_PER_COMMAND, IdBlock, World};

use super::{Failure, Outcome};
use crate::store::{Store, StoreError};

/// Ids reserved at a time. What is left of a block when a process ends is never used.
const ID_BLOCK: i64 = 10_000;
/// A batch that the database refuses is run again from nothing so often; then each command by itself.
const BATCH_TRIES: usize = 3;
/// A decision reads fewer rows than this: more would be a loop.
const MAX_LOADS: usize = 256;

/// Runs batches of commands on a store.
pub struct Lane<S> {
    store: S,
    settings: Settings,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ids: IdBlock,
    id_block: i64,
}

impl<S: Store> Lane<S> {
    /// A lane on a store.
    pub fn new(store: S, settings: Settings, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self { store, settings, clock, ids: IdBlock { next: 0, end: 0 }, id_block: ID_BLOCK }
    }

    /// A lane for a few commands: it reserves no more ids than they need.
    #[must_use]
    pub fn short_lived(self) -> Self {
        Self { id_block: IDS_PER_COMMAND, ..self }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Runs a batch: one transaction, one commit. The outcomes are in the order of the commands, and on disk.
    pub fn run(&mut self, commands: &[Command]) -> Vec<Outcome> {
        for attempt in 1..=BATCH_TRIES {
            match self.guarded(commands) {
                Ok(outcomes) => return outcomes,
                Err(error) => {
                    tracing::warn!(%error, attempt, commands = commands.len(), "a batch was rolled back");
                    if error.is_busy() {
                        // It waited long already; so would each command by itself.
                        let busy = || Err(Failure::Unavailable("the database is busy".to_owned()));
                        return commands.iter().map(|_| busy()).collect();
                    }
                }
            }
        }
        // One of them may be the cause: each by itself, so that the others are not refused for it.
        let alone = |lane: &mut Self, command: &Command| {
            let outcome = lane.guarded(std::slice::from_ref(command));
            outcome.map_or_else(|error| Err(Failure::Unavailable(error.to_string())), first)
        };
        commands.iter().map(|command| alone(self, command)).collect()
    }

    /// A panic is a fault of ours in one command: the lane outlives it.
    fn guarded(&mut self, commands: &[Command]) -> Result<Vec<Outcome>, StoreError> {
        let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(commands)));
        attempt.unwrap_or_else(|_| {
            self.store.rollback();
            Err(StoreError::Panicked)
        })
    }

    fn attempt(&mut self, commands: &[Command]) -> Result<Vec<Outcome>, StoreError> {
        let done = self.store.begin().and_then(|()| self.transact(commands));
        if done.is_err() {
            self.store.rollback();
        }
        done
    }

    fn transact(&mut self, commands: &[Command]) -> Result<Vec<Outcome>, StoreError> {
        let mut world = self.store.world(self.ids);
        for key in commands.iter().flat_map(Command::hints) {
            self.load(&key, &mut world)?;
        }
        let mut outcomes = Vec::with_capacity(commands.len());
        for command in commands {
            outcomes.push(self.decide(command, &mut world)?);
        }
        self.store.persist(&world)?;
        self.store.commit()?;
        // Only now: a block that was reserved in a batch that was rolled back is not ours.
        self.ids = world.ids;
        Ok(outcomes)
    }

    fn load(&mut self, key: &domain::world::Key, world: &mut World) -> Result<(), StoreError> {
        if world.tables.knows(key) { Ok(()) } else { self.store.load(key, &mut world.tables) }
    }

    /// Decides one command, loading what it turns out to read. The database is at hand, so a row is loaded at once.
    fn decide(&mut self, command: &Command, world: &mut World) -> Result<Outcome, StoreError> {
        if world.ids.end - world.ids.next < IDS_PER_COMMAND {
            world.refill(self.store.reserve_ids(self.id_block)?);
        }
        let now = (self.clock)();
        for _ in 0..MAX_LOADS {
            let decided = catch_unwind(AssertUnwindSafe(|| decide(command, &self.settings, world, now)));
            let halt = match decided {
                Ok(Ok(answer)) => {
                    world.keep();
                    return Ok(Ok(answer));
                }
                Ok(Err(halt)) => halt,
                Err(_) => Halt::Broken("a decision panicked".to_owned()),
            };
            world.forget();
            match halt {
                Halt::Missing(key) => self.load(&key, world)?,
                Halt::Rejected(reasons) => return Ok(Err(Failure::Rejected(reasons))),
                Halt::Broken(what) => {
                    tracing::error!(what, "a decision could not be made");
                    return Ok(Err(Failure::Internal(what)));
                }
            }
        }
        Ok(Err(Failure::Internal("a decision reads without end".to_owned())))
    }
}

fn first(outcomes: Vec<Outcome>) -> Outcome {
    outcomes.into_iter().next().unwrap_or_else(|| Err(Failure::Internal("a batch without an outcome".to_owned())))
}

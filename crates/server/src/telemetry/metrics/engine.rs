//! What the engine does: how long commands wait, and what its batches come to.

use std::time::Duration;

use domain::decision::workspace::Workspace;
use domain::kernel::names::Operation;
use domain::payments::execution::ExecutionStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{OutcomeLabel, SECONDS};

/// The bounds of how many commands a batch has.
const COMMANDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ExecutionLabels {
    operation: &'static str,
    state: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

/// From a fifth of a second to a day: how long payments take, and payers.
const PAYMENT_SECONDS: [f64; 14] =
    [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0];

/// How a batch ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitEnd {
    Committed,
    RolledBack,
    /// The commit had no answer, and whether it was done could not be found out.
    Unknown,
}

impl CommitEnd {
    const ALL: [Self; 3] = [Self::Committed, Self::RolledBack, Self::Unknown];

    const fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a lane did not take a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    Full,
    TimedOut,
}

impl Refused {
    const ALL: [Self; 2] = [Self::Full, Self::TimedOut];

    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TimedOut => "timeout",
        }
    }
}

/// Cheap to clone: the clones count together.
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    wait: Histogram,
    commands: Histogram,
    batch: Histogram,
    commit: Histogram,
    ends: Family<OutcomeLabel, Counter>,
    refused: Family<ReasonLabel, Counter>,
    executions: Family<ExecutionLabels, Counter>,
    duration: Family<OperationLabel, Histogram, fn() -> Histogram>,
}

impl EngineMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            wait: Histogram::new(SECONDS),
            commands: Histogram::new(COMMANDS),
            batch: Histogram::new(SECONDS),
            commit: Histogram::new(SECONDS),
            ends: Family::default(),
            refused: Family::default(),
            executions: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(PAYMENT_SECONDS)),
        };
        // So that each series is there before anything happens, and its first step is seen.
        for end in CommitEnd::ALL {
            drop(metrics.ends.get_or_create(&OutcomeLabel { outcome: end.name() }));
        }
        for why in Refused::ALL {
            drop(metrics.refused.get_or_create(&ReasonLabel { reason: why.name() }));
        }
        for operation in Operation::ALL {
            for state in ExecutionStatus::ALL {
                metrics.execution(*operation, *state, 0);
            }
        }
        registry.register(
            "kola_lane_wait_seconds",
            "How long commands waited for a lane",
            metrics.wait.clone(),
        );
        registry.register(
            "kola_lane_refusals",
            "Commands that no lane took: its queue was full, or they waited too long",
            metrics.refused.clone(),
        );
        registry.register(
            "kola_batch_commands",
            "How many commands the committed batches had",
            metrics.commands.clone(),
        );
        registry.register(
            "kola_batch_duration_seconds",
            "How long committed batches took, from reading to the end of the commit",
            metrics.batch.clone(),
        );
        registry.register(
            "kola_commit_duration_seconds",
            "How long the commits of batches took",
            metrics.commit.clone(),
        );
        registry.register("kola_commits", "Batches by how they ended", metrics.ends.clone());
        registry.register(
            "kola_executions",
            "Executions that came into a state",
            metrics.executions.clone(),
        );
        registry.register(
            "kola_execution_duration_seconds",
            "How long executions took that completed, by the clock of their merchant",
            metrics.duration.clone(),
        );
        metrics
    }

    /// Metrics that nobody reads.
    #[must_use]
    pub fn unread() -> Self {
        Self::register(&mut Registry::default())
    }

    fn execution(&self, operation: Operation, state: ExecutionStatus, count: u64) {
        let labels = ExecutionLabels { operation: operation.as_str(), state: state.as_str() };
        self.executions.get_or_create(&labels).inc_by(count);
    }

    fn completed(&self, operation: Operation, took_us: i64) {
        let took = Duration::from_micros(u64::try_from(took_us).unwrap_or(0));
        let labels = OperationLabel { operation: operation.as_str() };
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub fn waited(&self, wait: Duration) {
        self.wait.observe(wait.as_secs_f64());
    }

    pub fn refused(&self, why: Refused) {
        self.refused.get_or_create(&ReasonLabel { reason: why.name() }).inc();
    }

    pub fn ended(&self, end: CommitEnd) {
        self.ends.get_or_create(&OutcomeLabel { outcome: end.name() }).inc();
    }

    /// Counts a batch that was committed, with what became of its executions.
    pub fn committed(&self, commands: usize, batch: Duration, commit: Duration, work: &Workspace) {
        self.ended(CommitEnd::Committed);
        self.commands.observe(u32::try_from(commands).map_or(f64::MAX, f64::from));
        self.batch.observe(batch.as_secs_f64());
        self.commit.observe(commit.as_secs_f64());
        for (stored, current) in work.tables.executions.versions() {
            if stored.is_none_or(|stored| stored.status != current.status) {
                self.execution(current.operation(), current.status, 1);
                if let Some(completed_at) = current.completed_at {
                    self.completed(current.operation(), completed_at.since(current.created_at));
                }
            }
        }
    }
}

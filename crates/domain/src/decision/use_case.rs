//! What a use case is: a decision about loaded rows.

use crate::decision::settings::Settings;
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::ids::MerchantId;
use crate::kernel::time::{MerchantTime, ServerTime};

/// A use case that changes rows. Its fields are the input; it is decided in one transaction, and
/// listed in [`each_decision!`](crate::each_decision).
pub trait Decision: Clone + PartialEq + Eq + std::fmt::Debug + Send + Sync + 'static {
    /// What it answers when it is accepted.
    type Output: Clone + PartialEq + Eq + std::fmt::Debug + Send + 'static;

    /// The row by which two processes must decide it one after the other, if there is one: it changes
    /// that row, or one beside it. On PostgreSQL it is locked before anything is read, so that of two
    /// processes with the same command the second sees all changes of the first.
    fn lock_key(&self) -> Option<LockKey> {
        None
    }

    /// Keys that it will certainly read. They are loaded first, so that the decision rarely has to
    /// be repeated.
    fn hints(&self) -> Vec<RowKey> {
        vec![]
    }

    /// Keys that it will probably read, derived from the rows that are loaded already.
    fn likely_keys(&self, _work: &Workspace) -> Vec<RowKey> {
        vec![]
    }

    /// What a person or a program must be allowed to do to ask for it; `None` for what only the
    /// server, a network, a payer or the operator asks for.
    fn action(&self) -> Option<Action> {
        None
    }

    /// Decides. Its changes are a draft in the workspace, which the caller accepts, or discards with
    /// [`Workspace::discard_draft`] when it is refused.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] until all rows are loaded that the decision reads; [`Stop::Refused`].
    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Self::Output, Stop>;
}

/// What a decision knows beside its input and the rows.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub now: ServerTime,
    pub settings: &'a Settings,
}

impl Context<'_> {
    /// What the clock of a merchant shows.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`], [`Stop::Inconsistent`] when there is no such merchant.
    pub fn merchant_time(&self, id: MerchantId, work: &Workspace) -> Result<MerchantTime, Stop> {
        Ok(work.require::<Merchant>(id)?.time(self.now))
    }
}

/// The row that is locked for a command before anything is read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LockKey {
    pub key: RowKey,
    /// The merchant that must own the row, where a caller named it. Another merchant's row is not
    /// locked, so that a stranger cannot make its owner wait.
    pub owner: Option<MerchantId>,
}

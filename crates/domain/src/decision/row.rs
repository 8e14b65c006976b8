//! What a row type is to a decision: its keys, and when it is read once more.

use std::hash::Hash;

/// A row type that decisions read and change.
pub trait Row: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// The primary key.
    type Id: Copy + Eq + Ord + Hash + std::fmt::Debug + Send + Sync;
    /// The other key; [`NoAltKey`] where there is none.
    type AltKey: Clone + Eq + Ord + Hash + std::fmt::Debug + Send + Sync;
    /// Whether decisions depend on such rows without changing them, so that they are read again
    /// when another process has interfered with what is changed.
    const REREAD_ON_CONFLICT: bool = false;
    /// Whether such rows permit what is decided: they are looked at once more when all that changes
    /// is locked, so that a permission which was withdrawn while a batch waited for its locks is
    /// seen.
    const AUTHORIZES: bool = false;

    /// The primary key of this row.
    fn id(&self) -> Self::Id;
    /// The other key of this row. It never changes.
    fn alt_key(&self) -> Option<Self::AltKey>;
}

/// The alt_key of rows that have none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NoAltKey {}

/// By which of its keys a row is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lookup<I, A> {
    /// By its primary key.
    Id(I),
    /// By its other key.
    AltKey(A),
}

/// The lookup of a row type.
pub type LookupOf<R> = Lookup<<R as Row>::Id, <R as Row>::AltKey>;

//! Row types: their keys, and when they are read again.

use std::hash::Hash;

/// A row type that decisions read and change.
pub trait Row: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// The type of the primary key.
    type Id: Copy + Eq + Ord + Hash + std::fmt::Debug + Send + Sync;
    /// The type of the second unique key (the natural key); [`NoAltKey`] where there is none.
    type AltKey: Clone + Eq + Ord + Hash + std::fmt::Debug + Send + Sync;
    /// Whether decisions depend on such rows without changing them. Such rows are not locked, so they
    /// are read again when another process changed a row that the batch changes.
    const REREAD_ON_CONFLICT: bool = false;
    /// Whether such rows authorize commands. They are read again once all changed rows are locked, so
    /// that a credential revoked while the batch waited for its locks is noticed.
    const AUTHORIZES: bool = false;

    fn id(&self) -> Self::Id;
    /// Never changes, once it is set.
    fn alt_key(&self) -> Option<Self::AltKey>;

    /// This row, which a batch made of `loaded`, as it would have made it of `locked`, which another
    /// process has written since. `None` for rows on whose content decisions depend: then the batch
    /// is decided again.
    #[must_use]
    fn rebased(&self, _loaded: &Self, _locked: &Self) -> Option<Self> {
        None
    }
}

/// The second key of row types that have none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NoAltKey {}

/// The key that a row is looked up by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lookup<I, A> {
    Id(I),
    AltKey(A),
}

pub type LookupOf<R> = Lookup<<R as Row>::Id, <R as Row>::AltKey>;

/// Row types whose only key is the field `id`.
macro_rules! rows_without_alt_key {
    ($($row:ty: $id:ty),+ $(,)?) => {$(
        impl $crate::decision::row::Row for $row {
            type Id = $id;
            type AltKey = $crate::decision::row::NoAltKey;

            fn id(&self) -> $id {
                self.id
            }

            fn alt_key(&self) -> Option<$crate::decision::row::NoAltKey> {
                None
            }
        }
    )+};
}
pub(crate) use rows_without_alt_key;

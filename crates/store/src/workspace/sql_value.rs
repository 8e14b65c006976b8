//! What databases keep and answer: integers and texts.

use std::borrow::Cow;

use crate::StoreError;

/// A value of a column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// An integer.
    Int(i64),
    /// A text.
    Text(Cow<'a, str>),
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// An integer of 64 bits.
    Int,
    /// A text.
    Text,
}

/// A row that a database has found.
pub trait Found {
    /// The value of the column at `index`.
    ///
    /// # Errors
    /// [`StoreError`] for a column that is not there, or neither integer nor text.
    fn cell(&self, index: usize) -> Result<Cell<'_>, StoreError>;
}

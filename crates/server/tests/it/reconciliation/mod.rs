//! What networks say of their accounts, beside what is in the books.

mod screens;
mod sources;
pub(crate) mod stage;

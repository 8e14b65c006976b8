//! What networks say of their accounts, beside what is in the books.

mod accepting;
mod month;
mod scenario;
mod sources;
pub(crate) mod stage;

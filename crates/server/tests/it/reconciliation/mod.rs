//! What networks say of their accounts, beside what is in the books.

mod accepting;
pub(crate) mod books;
mod month;
mod scenario;
mod screens;
mod sources;
pub(crate) mod stage;

//! Where the lines of statements come from: files of a dashboard, and what networks say of an account
//! when they are asked. Nothing here writes into the database.

pub mod asking;
pub mod balances;
pub mod file;
pub mod mapping;
pub mod pawapay;
mod records;
pub mod stripe;

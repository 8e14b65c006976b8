//! The schema and what is done with a whole database: migrations, copies, backups, verification,
//! and the tariff.

pub mod backup;
pub mod copy;
pub mod installation;
pub mod market;
pub mod migrate;
pub mod networks;
pub mod page_tokens;
pub mod recount;
pub mod tariff;
pub mod verify;

//! Values that every rule uses: money, currencies, the two times, ids, refusals.

pub mod checked;
pub mod country;
pub mod currency;
pub mod digest;
pub mod ids;
pub mod masks;
pub mod money;
pub mod names;
pub mod patch;
pub mod phone;
pub mod refusal;
pub mod time;
pub mod trace;
pub mod uuids;

//! Every rule of kola.
//!
//! Plain values in, decisions out: no SQL, no async, no clock, no randomness, no JSON. What decides here is what runs in
//! production, in the tests and in the simulator.

pub mod currency;
pub mod ids;
pub mod money;
pub mod time;

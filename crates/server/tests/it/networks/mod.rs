//! Payments through networks that are played by the crate `fakes`: real HTTP, with books of their own,
//! which must agree with the ledger at the end of each test.

mod accounts;
mod callbacks;
mod contradictions;
mod disputes;
mod limits;
mod lost;
mod pages;
mod pawapay;
mod queues;
pub(crate) mod stage;
mod stripe;
mod stripe_events;
mod stripe_pages;

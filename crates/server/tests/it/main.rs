//! Black-box tests of the server: they start the binary, speak HTTP to it, and read what it answers.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and it lives by the real clock and real randomness"
)]

mod accounts;
mod amounts;
mod api_keys;
mod authentication;
mod cli;
mod concurrency;
mod crash;
mod customer_examples;
mod errors;
mod events;
mod exchange;
mod execution_refusals;
mod executions;
mod expiry;
mod idempotency;
mod isolation;
mod limits;
mod lists;
mod log;
mod parties;
mod passcode;
mod receipts;
mod refunds;
mod reviews;
mod sandbox;
mod session_refusals;
mod sessions;
mod sources;
mod support;
mod transfers;
mod wallets;

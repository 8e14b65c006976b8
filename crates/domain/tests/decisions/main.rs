//! Tests of decisions on a workspace in memory, without engine and database.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod approvals;
mod batch_chain;
mod checkouts;
mod collections;
mod deferred;
mod disputes;
mod histories;
mod idempotency;
mod installation_checks;
mod late;
mod markets;
mod merchants;
mod page_payments;
mod parties;
mod payment_links;
mod payouts;
mod people;
mod positions;
mod providers;
mod reconciliation;
mod refunds;
mod reviews;
mod room;
mod sources;
mod stage;
mod tariff;
mod transfers;
mod waiting;
mod wallets;

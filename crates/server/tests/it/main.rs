//! Black-box tests of the server: they start it, send HTTP requests, and check the answers.
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
mod backups;
mod branding;
mod browser;
mod checkout_pages;
mod checkouts;
mod cli;
mod clients;
mod concurrency;
mod config_file;
mod conformance;
mod connections;
mod copying;
mod cors;
mod crash;
mod customer_examples;
mod damage;
mod docs;
mod doctor;
mod document;
mod encryption;
mod errors;
mod events;
mod exchange;
mod execution_refusals;
mod executions;
mod expiry;
mod faults;
mod files;
mod fuzz;
mod headers;
mod hostile;
mod idempotency;
mod isolation;
mod limits;
mod links;
mod listen;
mod lists;
mod log;
mod market;
mod markets;
mod merchants;
mod methods;
mod metrics;
mod networks;
mod operator;
mod packaging;
mod pages;
mod parties;
mod passcode;
mod payment_link_pages;
mod payment_links;
mod people;
mod predictions;
mod processes;
mod readme;
mod reads;
mod realtime;
mod receipt_pdfs;
mod receipts;
mod reconciliation;
mod refunds;
mod reviews;
mod room;
mod sandbox;
mod screens;
mod scripts;
mod session_refusals;
mod sessions;
mod settings;
mod signing_keys;
mod sources;
mod sqlite;
mod support;
mod tamper;
mod tariff;
#[cfg(feature = "otlp")]
mod traces;
mod transfers;
mod upgrades;
mod verification;
mod verify;
mod verify_receipts;
mod waiting;
mod wallets;
mod webhooks;

//! Stripe: cards. Requests are made and answers are read here, without a connection and without a
//! clock.
//!
//! A payer's card is charged in one of two ways. A client of the API gets a *PaymentIntent*, which
//! is confirmed at once with a card (`pm_…`) or by Stripe.js in the payer's browser. A payer on a
//! page of ours is led to a *Checkout Session*, a page of Stripe. Money goes back by a *Refund*.
//!
//! [`steps`] says which call comes next, [`requests`] makes it, [`answers`] reads what comes of it,
//! [`event`] reads what Stripe sends by itself, and [`statements`] what
//! moved the account's balance.

pub mod amounts;
pub mod answers;
pub mod declines;
pub mod errors;
pub mod event;
pub mod ids;
pub mod keys;
mod objects;
pub mod redaction;
pub mod requests;
pub mod signature;
pub mod statements;
pub mod steps;

/// The version of Stripe's API that all requests ask for: the last one in which a PaymentIntent
/// takes `payment_method_types`. Events have the version that their endpoint was made with.
pub const API_VERSION: &str = "2026-08-26.dahlia";

#[cfg(test)]
mod samples;

//! Telling merchants what happened: endpoints, messages, and their deliveries.
//!
//! A message is written in the commit of its event, for merchants who have an endpoint. A job then
//! makes a delivery of it for each endpoint that wants it, and another one delivers.

pub mod attempt;
pub mod change_endpoint;
pub mod claim_deliveries;
pub mod create_endpoint;
pub mod delivery;
pub mod endpoint;
pub mod fan_out_messages;
pub mod message;
pub mod record_attempt;
pub mod resend;
pub mod schedule;
pub mod secret;
pub mod subject;

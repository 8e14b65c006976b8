//! What payments cost: fees, exchange rates, markets and phone prefixes, as rows with effective dates.

pub mod fees;
pub mod rates;
mod rows;

pub use rows::{Effective, Fee, GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tariff, Tier};

//! What payments cost: fees, exchange rates, markets and phone prefixes, as rows with effective dates;
//! and how the operator changes them.

pub mod assign_phone_prefix;
pub(crate) mod change;
pub mod close_market;
pub mod end_phone_prefix;
mod fault;
pub mod fees;
pub mod open_market;
pub mod rates;
mod rows;
pub mod set_gateway_fee;
pub mod set_platform_fee;
pub mod set_rate;

pub use fault::{NewMethodNeeds, TariffFault};
pub use rows::{
    Effective, Fee, GatewayFee, Market, MethodDetails, PhonePrefix, PlatformFee, Rate, Tariff,
    TariffVersion, Tier, percent,
};

//! What payments cost: fees, rates, open markets and phone prefixes, as rows with effective dates.

pub mod fees;
pub mod rates;
pub mod tariff;

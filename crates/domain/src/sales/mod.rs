//! Invoices and orders, and the checkouts on which they are paid.

pub mod cancel_source;
pub mod checkout;
pub mod create_checkout;
pub mod create_source;
pub mod edit_items;
pub mod find_source;
pub mod open_checkout_page;
pub mod publish_source;
pub mod source;
pub mod update_source;

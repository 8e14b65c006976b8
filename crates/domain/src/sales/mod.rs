//! Invoices and orders, the checkouts on which they are paid, and payment links.

pub mod cancel_source;
pub mod cancel_unpaid_order;
pub mod checkout;
pub mod create_checkout;
pub mod create_payment_link;
pub mod create_source;
pub mod deactivate_payment_link;
pub mod edit_items;
pub mod find_source;
pub mod open_checkout_page;
pub mod pay_link;
pub mod payment_link;
pub mod publish_source;
pub mod source;
pub mod update_source;

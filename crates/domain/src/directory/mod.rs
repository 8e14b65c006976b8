//! Merchants with their keys and passcodes, and parties with their payment accounts.

pub mod advance_clock;
pub mod api_keys;
pub mod brand;
pub mod counterparties;
pub mod create_merchant;
pub mod create_party;
pub mod create_payment_account;
pub mod merchant;
pub mod merchant_limits;
pub mod party;
pub mod passcode;
pub mod payment_account;
pub mod principal;
pub mod roles;
pub mod set_passcode;
pub mod signing_key;
pub mod try_passcode;
pub mod update_merchant;
pub mod update_party;
pub mod use_payment_account;

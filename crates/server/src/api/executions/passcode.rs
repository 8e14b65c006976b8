//! The passcode of a payout.

use crate::api::fields::{Anything, Given, Secret};
use crate::payload;

payload! {
    /// A passcode, and from where it was given.
    pub struct VerifyPasscode {
        /// The passcode.
        token: PasscodeToken,
        /// The device: nothing here decides by it.
        device: Given<PasscodeDevice>,
    }

    /// The device on which a passcode was typed.
    pub struct PasscodeDevice {
        /// Its name.
        name: Option<Anything>,
        /// What it is.
        r#type: Option<Anything>,
        /// Its system.
        platform: Option<Anything>,
        /// Its browser.
        user_agent: Option<Anything>,
        /// Its address.
        client_ip: Option<Anything>,
    }

    /// A passcode.
    pub struct PasscodeToken {
        /// What was typed.
        code: Secret,
        /// Who typed it: nothing here decides by it.
        user_id: Option<Anything>,
        /// Their phone: nothing here decides by it.
        phone: Option<Anything>,
    }
}

//! The passcode of a payout.

use crate::api::fields::{Deferred, Ignored, Secret};
use crate::payload;

payload! {
    /// A passcode, and from where it was given.
    pub struct VerifyPasscode {
        /// The passcode.
        token: PasscodeToken,
        /// The device: nothing here decides by it.
        device: Deferred<PasscodeDevice>,
    }

    /// The device on which a passcode was typed.
    pub struct PasscodeDevice {
        /// Its name.
        name: Option<Ignored>,
        /// What it is.
        r#type: Option<Ignored>,
        /// Its system.
        platform: Option<Ignored>,
        /// Its browser.
        user_agent: Option<Ignored>,
        /// Its address.
        client_ip: Option<Ignored>,
    }

    /// A passcode.
    pub struct PasscodeToken {
        /// What was typed.
        code: Secret,
        /// Who typed it: nothing here decides by it.
        user_id: Option<Ignored>,
        /// Their phone: nothing here decides by it.
        phone: Option<Ignored>,
    }
}

//! The passcode of a payout.

use crate::api::fields::{Deferred, Ignored, Secret};
use crate::payload;

payload! {
    /// A passcode, and the device on which it was typed.
    pub struct VerifyPasscode {
        /// The passcode.
        token: PasscodeToken,
        /// The device. It is ignored.
        device: Deferred<PasscodeDevice>,
    }

    /// The device on which a passcode was typed.
    pub struct PasscodeDevice {
        /// The device's name.
        name: Option<Ignored>,
        /// The device's type.
        r#type: Option<Ignored>,
        /// The device's operating system.
        platform: Option<Ignored>,
        /// The browser.
        user_agent: Option<Ignored>,
        /// The IP address.
        client_ip: Option<Ignored>,
    }

    /// A passcode.
    pub struct PasscodeToken {
        /// The passcode.
        code: Secret,
        /// The user who typed it. It is ignored.
        user_id: Option<Ignored>,
        /// The user's phone. It is ignored.
        phone: Option<Ignored>,
    }
}

//! What a payer needs to know of a network's request to approve a payment.

use domain::kernel::names::Method;
use domain::kernel::time::minutes;

/// How a network asks its customer to approve a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// What the customer dials to see the request again, where the network has such a code.
    pub revive_code: Option<&'static str>,
    /// How long the network keeps a request that nobody answers, in microseconds.
    pub kept_us: i64,
}

/// How the sandbox plays it for a method; `None` for one that asks nobody on a phone.
#[must_use]
pub fn sandbox(method: Method) -> Option<Prompt> {
    if !method.is_mobile_money() {
        return None;
    }
    let revive_code = match method {
        Method::MTN_MOMO_LBR => Some("*156#"),
        Method::MTN_MOMO_RWA => Some("*182*7*1#"),
        _ => None,
    };
    // The sandbox's request that stays open ends after a quarter of an hour.
    Some(Prompt { revive_code, kept_us: minutes(15) })
}

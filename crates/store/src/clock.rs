//! The only place that reads the clock and draws random numbers: everything else is told.
#![expect(clippy::disallowed_methods, reason = "this is the module that the ban points to")]

use domain::kernel::time::ServerTime;

#[must_use]
pub fn now() -> ServerTime {
    ServerTime(jiff::Timestamp::now().as_microsecond())
}

/// Random bytes from the operating system.
///
/// # Errors
/// When the operating system has none, which it never lacks after it has started.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A random number, for what needs no secret: how long to wait. Zero where the operating system has
/// none.
#[must_use]
pub fn random_number() -> u64 {
    random().map_or(0, u64::from_be_bytes)
}

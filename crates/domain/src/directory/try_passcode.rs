//! A try of a passcode: reserved before it is compared, ended afterwards.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::passcode::{Passcode, PasscodeTry};
use crate::kernel::ids::{ApiKeyId, MerchantId, PasscodeTryId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{Timestamp, seconds};
use crate::mutant;

/// A try that was reserved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasscodeAttempt {
    /// By which it is ended.
    pub id: PasscodeTryId,
    /// What to compare with.
    pub hash: String,
}

/// Reserves a try before the passcode is compared. `None` when none is set.
///
/// # Errors
/// [`Refusal::PasscodeLocked`], [`Refusal::PasscodeLockedForAll`], [`Refusal::PasscodeBusy`].
pub fn reserve(
    id: MerchantId,
    key: ApiKeyId,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<Option<PasscodeAttempt>, Stop> {
    let Some(passcode) = work.get::<Passcode>(id)? else { return Ok(None) };
    let Some(hash) = passcode.hash() else { return Ok(None) };
    let mut tries = passcode.tries.clone();
    if tries.merchant_locked(now) {
        return Err(Refusal::PasscodeLockedForAll.into());
    }
    if let Some(until) = tries.key_locked_until(key, now) {
        // A part of a second is a second, so that the next try is not a moment too early.
        return Err(Refusal::PasscodeLocked {
            seconds: until.plus(seconds(1) - 1).since(now) / seconds(1),
        }
        .into());
    }
    tries.forget(now);
    if tries.full(key, now) {
        return Err(Refusal::PasscodeBusy.into());
    }
    let attempt = PasscodeAttempt { id: PasscodeTryId(work.new_id()?), hash: hash.to_owned() };
    tries.0.push(PasscodeTry { id: attempt.id, key, at: now, wrong: false });
    work.put(passcode.with(tries, now));
    Ok(Some(attempt))
}

/// Ends a try: of a right one nothing stays, a wrong one counts from now on. A command of its own,
/// so that this holds even where the payout is then refused for another reason.
///
/// # Errors
/// None of its own.
pub fn end(
    id: MerchantId,
    which: PasscodeTryId,
    right: bool,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<(), Stop> {
    let Some(passcode) = work.get::<Passcode>(id)? else { return Ok(()) };
    let mut tries = passcode.tries.clone();
    match tries.0.iter_mut().find(|one| one.id == which) {
        // Lifted meanwhile, or ended by the same command before.
        None => return Ok(()),
        Some(_) if right || mutant!(TriesNotCounted) => tries.0.retain(|one| one.id != which),
        Some(one) => (one.at, one.wrong) = (one.wrong_at(now).unwrap_or(now), true),
    }
    work.put(passcode.with(tries, now));
    Ok(())
}

/// Demands that the passcode, where one is set, was compared and found right.
///
/// # Errors
/// [`Refusal::PasscodeRequired`].
pub fn check(id: MerchantId, verified: bool, work: &Workspace) -> Result<(), Stop> {
    let passcode = work.get::<Passcode>(id)?;
    if !verified && passcode.is_some_and(|passcode| passcode.hash().is_some()) {
        return Err(Refusal::PasscodeRequired.into());
    }
    Ok(())
}

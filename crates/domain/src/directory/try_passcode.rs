//! Attempts at a passcode: reserved before the passcode is compared, finished afterwards.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::passcode::{Passcode, PasscodeTry};
use crate::directory::roles::Action;
use crate::kernel::ids::{ApiKeyId, MerchantId, PasscodeTryId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{ServerTime, seconds};
use crate::mutant;

/// A reserved attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasscodeAttempt {
    /// For [`finish`].
    pub id: PasscodeTryId,
    /// The argon2id hash to compare the passcode with.
    pub hash: String,
}

/// Reserves an attempt at the current passcode before it is compared, for a change of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReservePasscodeChange {
    pub merchant_id: MerchantId,
    pub api_key_id: ApiKeyId,
}

impl Decision for ReservePasscodeChange {
    type Output = Option<PasscodeAttempt>;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<PasscodeAttempt>, Stop> {
        reserve(self.merchant_id, self.api_key_id, work, context.now)
    }
}

/// Records whether the passcode of a reserved attempt was right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FinishPasscodeAttempt {
    pub merchant_id: MerchantId,
    pub attempt_id: PasscodeTryId,
    pub right: bool,
}

impl Decision for FinishPasscodeAttempt {
    type Output = ();

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        finish(self.merchant_id, self.attempt_id, self.right, work, context.now)
    }
}

/// Reserves an attempt before the passcode is compared. `None` if the merchant has no passcode.
///
/// # Errors
/// [`Refusal::PasscodeLocked`], [`Refusal::PasscodeLockedForAll`], [`Refusal::TooManyPasscodeChecks`].
pub fn reserve(
    id: MerchantId,
    key: ApiKeyId,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Option<PasscodeAttempt>, Stop> {
    let Some(passcode) = work.get::<Passcode>(id)? else { return Ok(None) };
    let Some(hash) = passcode.hash() else { return Ok(None) };
    let mut tries = passcode.tries.clone();
    if tries.merchant_locked(now) {
        return Err(Refusal::PasscodeLockedForAll.into());
    }
    if let Some(until) = tries.key_locked_until(key, now) {
        // Rounded up to seconds, so that an attempt after this time is not refused again.
        return Err(Refusal::PasscodeLocked {
            seconds: until.plus(seconds(1) - 1).since(now) / seconds(1),
        }
        .into());
    }
    tries.remove_outdated(now);
    if tries.is_full(key, now) {
        return Err(Refusal::TooManyPasscodeChecks.into());
    }
    let attempt = PasscodeAttempt { id: PasscodeTryId(work.new_id()?), hash: hash.to_owned() };
    tries.0.push(PasscodeTry { id: attempt.id, key, at: now, wrong: false });
    work.put(passcode.with(tries, now));
    Ok(Some(attempt))
}

/// Finishes an attempt: a right one is removed, a wrong one counts from now on. This is a command of
/// its own, so that the attempt counts even where the payout is then refused for another reason.
///
/// # Errors
/// None of its own.
fn finish(
    id: MerchantId,
    which: PasscodeTryId,
    right: bool,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let Some(passcode) = work.get::<Passcode>(id)? else { return Ok(()) };
    let mut tries = passcode.tries.clone();
    match tries.0.iter_mut().find(|attempt| attempt.id == which) {
        // Unlocked in the meantime, or this command was repeated.
        None => return Ok(()),
        Some(_) if right || mutant!(TriesNotCounted) => {
            tries.0.retain(|attempt| attempt.id != which)
        }
        // An attempt that was abandoned failed at that time, not now.
        Some(attempt) => {
            (attempt.at, attempt.wrong) = (attempt.failed_at(now).unwrap_or(now), true);
        }
    }
    work.put(passcode.with(tries, now));
    Ok(())
}

/// Requires that the passcode, if one is set, was compared and found right.
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

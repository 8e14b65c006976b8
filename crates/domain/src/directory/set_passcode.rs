//! Setting, replacing, removing and unlocking a passcode.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::passcode::{Passcode, PasscodeTries};
use crate::directory::roles::Action;
use crate::kernel::ids::MerchantId;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;

/// Sets or removes the passcode of a merchant. For the operator only, who need not know the one
/// before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetPasscode {
    pub merchant_id: MerchantId,
    /// An argon2id hash; `None` removes the passcode.
    pub hash: Option<String>,
}

impl Decision for SetPasscode {
    type Output = ();

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        set(self.merchant_id, self.hash.as_deref(), work, context.now)
    }
}

/// Replaces a passcode whose hash was compared by another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplacePasscode {
    pub merchant_id: MerchantId,
    /// The hash that was compared; `None` where there was none.
    pub replaces: Option<String>,
    /// The new hash; `None` removes the passcode.
    pub hash: Option<String>,
}

impl Decision for ReplacePasscode {
    type Output = ();

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        replace(self.merchant_id, self.replaces.as_deref(), self.hash.as_deref(), work, context.now)
    }
}

/// Clears the locks that wrong passcodes caused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnlockPasscode {
    pub merchant_id: MerchantId,
}

impl Decision for UnlockPasscode {
    type Output = ();

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        unlock(self.merchant_id, work, context.now)
    }
}

/// Sets or removes the passcode on behalf of the operator, without knowing the one before. This
/// clears every lock.
///
/// # Errors
/// [`Refusal::NotFound`].
fn set(
    id: MerchantId,
    hash: Option<&str>,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let merchant = work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?;
    let stored = work.get::<Passcode>(merchant.id)?;
    if stored.is_none() && hash.is_none() {
        return Ok(());
    }
    work.put(new_passcode(merchant.id, hash, PasscodeTries::default(), now));
    Ok(())
}

fn new_passcode(
    merchant_id: MerchantId,
    hash: Option<&str>,
    tries: PasscodeTries,
    now: ServerTime,
) -> Passcode {
    let passcode = Passcode {
        merchant_id,
        hash: hash.unwrap_or_default().to_owned(),
        attempts: 0,
        locked_until: None,
        tries: PasscodeTries::default(),
        removed_at: hash.is_none().then_some(now),
        updated_at: now,
    };
    passcode.with(tries, now)
}

/// Sets or removes the passcode in place of the one whose hash was compared (`replaces`; `None` where
/// there was none). A change that was checked against an older passcode must not overwrite a newer
/// one. Failed attempts continue to count.
///
/// # Errors
/// [`Refusal::PasscodeRequired`], [`Refusal::PasscodeInvalid`].
fn replace(
    id: MerchantId,
    replaces: Option<&str>,
    hash: Option<&str>,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let merchant = work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?;
    let stored = work.get::<Passcode>(merchant.id)?;
    let current = stored.as_ref().and_then(|passcode| passcode.hash());
    match (current, replaces) {
        (Some(_), None) => Err(Refusal::PasscodeRequired.into()),
        (current, replaces) if current != replaces => Err(Refusal::PasscodeInvalid.into()),
        (None, _) if hash.is_none() => Ok(()),
        _ => {
            let tries = stored.map(|stored| stored.tries.clone()).unwrap_or_default();
            work.put(new_passcode(merchant.id, hash, tries, now));
            Ok(())
        }
    }
}

/// Clears every lock: failed attempts are dropped, those being compared are kept.
///
/// # Errors
/// [`Refusal::NotFound`].
fn unlock(id: MerchantId, work: &mut Workspace, now: ServerTime) -> Result<(), Stop> {
    let merchant = work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?;
    if let Some(passcode) = work.get::<Passcode>(merchant.id)? {
        let unfinished = passcode.tries.0.iter().filter(|attempt| attempt.failed_at(now).is_none());
        work.put(passcode.with(PasscodeTries(unfinished.copied().collect()), now));
    }
    Ok(())
}

//! The second factor: codes of a phone (TOTP), and recovery codes for who has lost it.
//!
//! Which code belongs to which step of time is computed outside; a decision takes the step, and takes
//! each step once.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::refusal::Refusal;
use crate::kernel::uuids::Fingerprint;
use crate::mutant;
use crate::people::access::Person;
use crate::people::login::Login;
use crate::people::login_tries::{self, Reserved, Tried};
use crate::people::user::{RecoveryCodes, SealedTotp, Totp, User};

/// Reserves a try at a code before it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReserveCode {
    pub by: Person,
    pub address: String,
}

impl Decision for ReserveCode {
    type Output = Reserved;

    fn action(&self) -> Option<Action> {
        Some(Action::LogIn)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Reserved, Stop> {
        let user = work.require::<User>(self.by.user_id)?;
        // Apart from the passwords that strangers try: they keep nobody from giving a code.
        login_tries::reserve(Tried::Code(&user.email), &self.address, work, context.now)
    }
}

/// What was given as a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// The code of this step of 30 seconds.
    Step(i64),
    /// A recovery code.
    Recovery(Fingerprint),
}

/// Ends a try at a code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GiveCode {
    pub by: Person,
    pub reserved: Reserved,
    pub proof: Proof,
}

impl Decision for GiveCode {
    type Output = Login;

    fn action(&self) -> Option<Action> {
        Some(Action::LogIn)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Login, Stop> {
        let mut user = (*work.require::<User>(self.by.user_id)?).clone();
        take(self.proof, &mut user)?;
        login_tries::forgive(self.reserved, work, context.now)?;
        let login = work.require::<Login>(self.by.login_id)?;
        let login = Login {
            second_factor_at: Some(context.now),
            last_used_at: context.now,
            ..(*login).clone()
        };
        user.updated_at = context.now;
        work.put(user);
        work.put(login.clone());
        Ok(login)
    }
}

/// Takes a code, once.
fn take(proof: Proof, user: &mut User) -> Result<(), Refusal> {
    if !user.has_second_factor() {
        return Err(Refusal::SecondFactorNotSetUp);
    }
    match proof {
        Proof::Step(step) if step > user.totp_step || mutant!(CodeTwice) => user.totp_step = step,
        Proof::Recovery(code) => {
            let known = user.recovery_codes.0.iter().position(|known| *known == code);
            let known = known.ok_or(Refusal::WrongCode)?;
            if !mutant!(RecoveryTwice) {
                user.recovery_codes.0.remove(known);
            }
        }
        Proof::Step(_) => return Err(Refusal::WrongCode),
    }
    Ok(())
}

/// Keeps the secret of a phone until its first code is right. The phone before it counts until then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetUpSecondFactor {
    pub by: Person,
    pub secret: SealedTotp,
}

impl Decision for SetUpSecondFactor {
    type Output = User;

    fn action(&self) -> Option<Action> {
        Some(Action::UseOwnLogin)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<User, Stop> {
        let user = work.require::<User>(self.by.user_id)?;
        // A phone is replaced by who has the one before, or a recovery code.
        if user.has_second_factor()
            && !work.require::<Login>(self.by.login_id)?.is_fresh(context.now)
        {
            return Err(Refusal::SecondFactorMissing.into());
        }
        let pending_totp = Some(self.secret.clone());
        let user = User { pending_totp, updated_at: context.now, ..(*user).clone() };
        work.put(user.clone());
        Ok(user)
    }
}

/// Takes the first code of a phone: from now on codes are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfirmSecondFactor {
    pub by: Person,
    pub reserved: Reserved,
    /// The secret that the code was made from, as it is kept.
    pub sealed: String,
    pub step: i64,
    /// Those from before are no longer good.
    pub recovery_codes: RecoveryCodes,
}

impl Decision for ConfirmSecondFactor {
    type Output = Login;

    fn action(&self) -> Option<Action> {
        Some(Action::UseOwnLogin)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Login, Stop> {
        let user = work.require::<User>(self.by.user_id)?;
        let pending = user.pending_totp.clone();
        let secret = pending.filter(|pending| pending.sealed == self.sealed);
        let secret = secret.ok_or(Refusal::WrongCode)?;
        let user = User {
            totp: Some(Totp { secret, confirmed_at: context.now }),
            pending_totp: None,
            totp_step: self.step,
            recovery_codes: self.recovery_codes.clone(),
            updated_at: context.now,
            ..(*user).clone()
        };
        work.put(user);
        login_tries::forgive(self.reserved, work, context.now)?;
        let login = work.require::<Login>(self.by.login_id)?;
        let login = Login { second_factor_at: Some(context.now), ..(*login).clone() };
        work.put(login.clone());
        Ok(login)
    }
}

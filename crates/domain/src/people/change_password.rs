//! Changing one's own password.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::refusal::Refusal;
use crate::mutant;
use crate::people::access::Person;
use crate::people::log_in::{self, Browser};
use crate::people::login::Login;
use crate::people::login_tries::{self, Reserved};
use crate::people::user::User;

/// Replaces a password. All logins end but the one that takes the place of this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangePassword {
    pub by: Person,
    pub reserved: Reserved,
    /// The hash that the password from before was compared with.
    pub from_hash: String,
    pub to_hash: String,
    pub browser: Browser,
}

impl Decision for ChangePassword {
    type Output = Login;

    fn action(&self) -> Option<Action> {
        Some(Action::UseOwnLogin)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Login, Stop> {
        let user = work.require::<User>(self.by.user_id)?;
        if user.password_hash != self.from_hash {
            return Err(Refusal::WrongPassword.into());
        }
        let login = work.require::<Login>(self.by.login_id)?;
        if user.has_second_factor() && login.second_factor_at.is_none() {
            return Err(Refusal::SecondFactorMissing.into());
        }
        login_tries::forgive(self.reserved, work, context.now)?;
        let more = i64::from(!mutant!(PasswordKeepsLogins));
        let generation = user.login_generation.saturating_add(more);
        work.put(User {
            password_hash: self.to_hash.clone(),
            login_generation: generation,
            reset: None,
            updated_at: context.now,
            ..(*user).clone()
        });
        work.put(Login { ended_at: Some(context.now), ..(*login).clone() });
        let whose = (user.id, generation);
        log_in::open(whose, &self.browser, login.second_factor_at, work, context.now)
    }
}

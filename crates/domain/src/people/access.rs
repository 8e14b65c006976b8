//! What somebody who has logged in may do now.

use crate::decision::row::Lookup;
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::{Action, Rights, Role};
use crate::kernel::ids::{LoginId, MerchantId, UserId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::mutant;
use crate::people::login::Login;
use crate::people::membership::Membership;
use crate::people::user::User;

/// Somebody with a login, and the merchant that they act for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Person {
    pub user_id: UserId,
    pub login_id: LoginId,
    /// `None` for what is about nobody but themselves, or about the installation.
    pub merchant_id: Option<MerchantId>,
}

impl Person {
    /// The rows that decide what they may do.
    #[must_use]
    pub fn keys(&self) -> Vec<RowKey> {
        let mut keys =
            vec![RowKey::Login(Lookup::Id(self.login_id)), RowKey::User(Lookup::Id(self.user_id))];
        if let Some(merchant) = self.merchant_id {
            keys.push(RowKey::Membership(Lookup::AltKey((self.user_id, merchant))));
        }
        keys
    }

    /// What they may do, if they may do what they ask for as far as their login goes.
    ///
    /// # Errors
    /// See [`check`].
    pub fn check(&self, action: Action, work: &Workspace, now: ServerTime) -> Result<Rights, Stop> {
        Ok(self.rights_for(action, work, now)??)
    }

    /// The same, for whoever has other reasons to refuse it, too.
    pub(crate) fn rights_for(
        &self,
        action: Action,
        work: &Workspace,
        now: ServerTime,
    ) -> Result<Result<Rights, Refusal>, Stop> {
        let login = work.get::<Login>(self.login_id)?;
        let Some(login) = login.filter(|login| login.user_id == self.user_id) else {
            return Ok(Err(Refusal::LoginEnded));
        };
        let Some(user) = work.get::<User>(self.user_id)? else {
            return Ok(Err(Refusal::LoginEnded));
        };
        let member = match self.merchant_id {
            Some(merchant) => work.find::<Membership>(&(self.user_id, merchant))?,
            None => None,
        };
        let role = role_of(&user, member.as_deref());
        Ok(check(action, &user, &login, role, now))
    }
}

/// The role of somebody: in the merchant, or else in the installation.
#[must_use]
pub fn role_of(user: &User, member: Option<&Membership>) -> Option<Role> {
    let removed = member.and_then(|_| mutant!(RemovedStays).then_some(Role::Manager));
    member.and_then(|member| member.role).or(removed).or(user.role)
}

/// What somebody with a role may do by a login. The role itself is compared with the action
/// afterwards, as it is for an API key.
///
/// # Errors
/// [`Refusal::LoginEnded`], [`Refusal::SecondFactorMissing`], [`Refusal::SecondFactorNotSetUp`],
/// [`Refusal::NotMember`].
pub fn check(
    action: Action,
    user: &User,
    login: &Login,
    role: Option<Role>,
    now: ServerTime,
) -> Result<Rights, Refusal> {
    let is_over = user.disabled_at.is_some() || login.generation != user.login_generation;
    if is_over || !login.is_open(now) {
        return Err(Refusal::LoginEnded);
    }
    let own = Rights { role: role.unwrap_or(Role::Viewer), operations: None };
    match action {
        Action::LogIn => return Ok(own),
        // Whoever knows a password alone does nothing with it where codes are asked for.
        Action::UseOwnLogin if user.has_second_factor() && login.second_factor_at.is_none() => {
            return Err(Refusal::SecondFactorMissing);
        }
        Action::UseOwnLogin => return Ok(own),
        _ => {}
    }
    let role = role.ok_or(Refusal::NotMember)?;
    // Nobody is asked for a code, or sent to set a phone up, for what is refused afterwards.
    let asks_again = action.asks_again() && (role.may(action) || mutant!(RoleIgnored));
    if user.has_second_factor() {
        if login.second_factor_at.is_none()
            || asks_again && !login.is_fresh(now) && !mutant!(OldCodeCounts)
        {
            return Err(Refusal::SecondFactorMissing);
        }
    } else if role.needs_second_factor() || asks_again {
        return Err(Refusal::SecondFactorNotSetUp);
    }
    Ok(Rights { role: if mutant!(RoleIgnored) { Role::Owner } else { role }, operations: None })
}

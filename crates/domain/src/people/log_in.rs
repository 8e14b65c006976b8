//! Logging in by a password.

use crate::decision::event::Actor;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::ids::{LoginId, UserId};
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::Fingerprint;
use crate::people::login::Login;
use crate::people::login_tries::{self, Reserved, Tried};
use crate::people::user::User;

/// Reserves a try at a password before it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReserveLogin {
    pub email: String,
    /// Where the request comes from.
    pub address: String,
}

/// A reserved try at a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginAttempt {
    pub reserved: Reserved,
    /// Who has this name, and the hash to compare with. For who has none another hash is compared, so
    /// that it takes as long.
    pub user: Option<(UserId, String)>,
}

impl Decision for ReserveLogin {
    type Output = LoginAttempt;

    fn hints(&self) -> Vec<RowKey> {
        vec![RowKey::User(Lookup::AltKey(self.email.clone()))]
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<LoginAttempt, Stop> {
        let tried = Tried::Password(&self.email);
        let reserved = login_tries::reserve(tried, &self.address, work, context.now)?;
        let user = work.find::<User>(&self.email)?;
        Ok(LoginAttempt { reserved, user: user.map(|user| (user.id, user.password_hash.clone())) })
    }
}

/// The browser that a login is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Browser {
    pub token: Fingerprint,
    pub address: String,
    pub name: String,
}

/// Ends a try whose password was right, with a login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishLogin {
    pub reserved: Reserved,
    pub user_id: UserId,
    /// The hash that the password was compared with.
    pub password_hash: String,
    pub browser: Browser,
}

impl Decision for FinishLogin {
    /// `None` for who may not log in any more, or whose password was changed meanwhile.
    type Output = Option<Login>;

    fn hints(&self) -> Vec<RowKey> {
        vec![RowKey::User(Lookup::Id(self.user_id))]
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Option<Login>, Stop> {
        let user = work.require::<User>(self.user_id)?;
        if user.disabled_at.is_some() || user.password_hash != self.password_hash {
            return Ok(None);
        }
        login_tries::forgive(self.reserved, work, context.now)?;
        work.set_actor(Actor::User(user.id), None);
        let whose = (user.id, user.login_generation);
        open(whose, &self.browser, None, work, context.now).map(Some)
    }
}

/// Opens a login.
///
/// # Errors
/// [`Stop::Inconsistent`] when its token was drawn before.
pub(super) fn open(
    (user_id, generation): (UserId, i64),
    browser: &Browser,
    second_factor_at: Option<ServerTime>,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Login, Stop> {
    if work.find::<Login>(&browser.token)?.is_some() {
        return Err(Stop::Inconsistent("the token of a login was drawn twice".to_owned()));
    }
    let login = Login {
        id: LoginId(work.new_id()?),
        user_id,
        generation,
        token: browser.token,
        address: browser.address.clone(),
        browser: browser.name.clone(),
        second_factor_at,
        created_at: now,
        last_used_at: now,
        ended_at: None,
    };
    work.put(login.clone());
    Ok(login)
}

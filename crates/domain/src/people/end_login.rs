//! Ending logins, and keeping them alive.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::LoginId;
use crate::kernel::refusal::Refusal;
use crate::people::access::Person;
use crate::people::login::{Login, TOUCHED_EVERY};

/// Ends a login of the person themselves: this one or another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndLogin {
    pub by: Person,
    pub login_id: LoginId,
}

impl Decision for EndLogin {
    type Output = Login;

    fn action(&self) -> Option<Action> {
        let is_this = self.login_id == self.by.login_id;
        Some(if is_this { Action::LogIn } else { Action::UseOwnLogin })
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Login, Stop> {
        let found = work.get::<Login>(self.login_id)?;
        let own = found.filter(|login| login.user_id == self.by.user_id);
        let mut login = (*own.ok_or(Refusal::NotFound)?).clone();
        if login.ended_at.is_none() {
            login.ended_at = Some(context.now);
            work.put(login.clone());
        }
        Ok(login)
    }
}

/// Notes that a login is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TouchLogin {
    pub by: Person,
}

impl Decision for TouchLogin {
    type Output = ();

    fn action(&self) -> Option<Action> {
        Some(Action::LogIn)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        let login = work.require::<Login>(self.by.login_id)?;
        if context.now.since(login.last_used_at) >= TOUCHED_EVERY {
            work.put(Login { last_used_at: context.now, ..(*login).clone() });
        }
        Ok(())
    }
}

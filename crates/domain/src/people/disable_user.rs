//! Keeping somebody out of the whole installation.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::UserId;
use crate::kernel::refusal::Refusal;
use crate::mutant;
use crate::people::invite::check_grant;
use crate::people::user::User;

/// Keeps somebody from logging in, or lets them in again. Their logins end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DisableUser {
    pub user_id: UserId,
    pub disabled: bool,
}

impl Decision for DisableUser {
    type Output = User;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<User, Stop> {
        let user = work.get::<User>(self.user_id)?.ok_or(Refusal::NotFound)?;
        if let Some(role) = user.role {
            check_grant(role, true, work)?;
        }
        if user.disabled_at.is_some() == self.disabled {
            return Ok((*user).clone());
        }
        let more = i64::from(!mutant!(DisabledReturn));
        let user = User {
            disabled_at: self.disabled.then_some(context.now),
            login_generation: user.login_generation.saturating_add(more),
            reset: None,
            updated_at: context.now,
            ..(*user).clone()
        };
        work.put(user.clone());
        Ok(user)
    }
}

//! Using the link of an invitation.

use crate::decision::event::Actor;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::{Action, Role};
use crate::kernel::ids::UserId;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::Fingerprint;
use crate::mutant;
use crate::people::access::Person;
use crate::people::invitation::{Invitation, InvitedTo, Standing};
use crate::people::login::Login;
use crate::people::login_tries;
use crate::people::membership::{self, Membership};
use crate::people::user::{RecoveryCodes, User};

/// Joins by the link of an invitation, which is good once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptInvitation {
    pub token: Fingerprint,
    pub by: Guest,
}

/// Who uses a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Guest {
    /// Somebody who has no login yet.
    New { email: String, name: String, password_hash: String },
    /// Somebody who has logged in.
    Known(Person),
    /// Somebody who begins anew: the link names them.
    Returning { password_hash: String },
}

impl Decision for AcceptInvitation {
    type Output = User;

    fn action(&self) -> Option<Action> {
        // Who has no login yet asks for it as a visitor, whom no role limits.
        Some(Action::UseOwnLogin)
    }

    fn hints(&self) -> Vec<RowKey> {
        let mut keys = vec![RowKey::Invitation(Lookup::AltKey(self.token))];
        if let Guest::New { email, .. } = &self.by {
            keys.push(RowKey::User(Lookup::AltKey(email.clone())));
        }
        keys
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<User, Stop> {
        let now = context.now;
        let invitation = Invitation::open(self.token, work, now)?;
        match invitation.standing(|by| giver_may(by, &invitation, work))? {
            Standing::Usable => {}
            Standing::Waits => return Err(Refusal::InvitationWaits.into()),
            Standing::WaitsAgain | Standing::Void => {
                return Err(Refusal::InvitationEnded.into());
            }
        }
        let user = match (&self.by, invitation.to) {
            (Guest::New { email, name, password_hash }, to) if !is_reset(to) => {
                new_user(email, name, password_hash, work, now)?
            }
            (Guest::Known(person), to) if !is_reset(to) => known_user(*person, work)?,
            (Guest::Returning { password_hash }, InvitedTo::Reset(id)) => {
                let user = work.require::<User>(id)?;
                if user.reset != Some(self.token) {
                    return Err(Refusal::InvitationEnded.into());
                }
                login_tries::forget(&user.email, work, now)?;
                User {
                    password_hash: password_hash.clone(),
                    totp: None,
                    pending_totp: None,
                    recovery_codes: RecoveryCodes::default(),
                    login_generation: user.login_generation.saturating_add(1),
                    reset: None,
                    updated_at: now,
                    ..(*user).clone()
                }
            }
            // A link of another kind than its page was made for.
            _ => return Err(Refusal::InvitationEnded.into()),
        };
        work.set_actor(Actor::User(user.id), None);
        let user = join(user, invitation.to, work, now)?;
        work.put(user.clone());
        if !mutant!(InvitationTwice) {
            work.put(Invitation { ended_at: Some(now), ..(*invitation).clone() });
        }
        Ok(user)
    }
}

/// A link is good as long as whoever made it, and whoever confirmed it, may give what it gives.
pub(super) fn giver_may(
    id: UserId,
    invitation: &Invitation,
    work: &Workspace,
) -> Result<bool, Stop> {
    let giver = work.require::<User>(id)?;
    let (member, to_reset) = match invitation.to {
        InvitedTo::Merchant(merchant, _) => (work.find::<Membership>(&(id, merchant))?, None),
        InvitedTo::Installation(_) => (None, None),
        InvitedTo::Reset(user) => (None, Some(work.require::<User>(user)?)),
    };
    Ok(invitation.may_be_given_by(&giver, member.as_deref(), to_reset.as_deref()))
}

const fn is_reset(to: InvitedTo) -> bool {
    matches!(to, InvitedTo::Reset(_))
}

fn new_user(
    email: &str,
    name: &str,
    password_hash: &str,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<User, Stop> {
    if work.find::<User>(&email.to_owned())?.is_some() {
        return Err(Refusal::EmailTaken.into());
    }
    Ok(User {
        id: UserId(work.new_id()?),
        email: email.to_owned(),
        name: name.to_owned(),
        password_hash: password_hash.to_owned(),
        totp: None,
        pending_totp: None,
        totp_step: 0,
        recovery_codes: RecoveryCodes::default(),
        role: None,
        login_generation: 0,
        reset: None,
        disabled_at: None,
        created_at: now,
        updated_at: now,
    })
}

/// Only who asks joins, and has given a code if codes are asked for: who knows a password alone gets no
/// further role.
fn known_user(person: Person, work: &Workspace) -> Result<User, Stop> {
    let user = work.require::<User>(person.user_id)?;
    let login = work.require::<Login>(person.login_id)?;
    if work.actor() != Actor::User(person.user_id) || login.user_id != person.user_id {
        return Err(Refusal::LoginEnded.into());
    }
    if user.has_second_factor() && login.second_factor_at.is_none() {
        return Err(Refusal::SecondFactorMissing.into());
    }
    Ok((*user).clone())
}

fn join(user: User, to: InvitedTo, work: &mut Workspace, now: ServerTime) -> Result<User, Stop> {
    match to {
        InvitedTo::Merchant(merchant, role) => {
            let known = work.find::<Membership>(&(user.id, merchant))?;
            // Somebody who is there already gets another role by a link only if it allows more.
            if known.and_then(|row| row.role).is_some_and(|own| role.is_within(own)) {
                return Err(Refusal::AlreadyMember.into());
            }
            membership::set_role(user.id, merchant, Some(role), work, now)?;
            Ok(user)
        }
        InvitedTo::Installation(role) => {
            // An operator who is invited as an auditor stays one.
            let role = if user.role == Some(Role::Operator) { Role::Operator } else { role };
            Ok(User { role: Some(role), updated_at: now, ..user })
        }
        InvitedTo::Reset(_) => Ok(user),
    }
}

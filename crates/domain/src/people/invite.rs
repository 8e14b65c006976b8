//! Inviting somebody.

use std::sync::Arc;

use crate::decision::event::Actor;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::{Action, Role};
use crate::kernel::ids::{InvitationId, MerchantId};
use crate::kernel::refusal::Refusal;
use crate::kernel::uuids::Fingerprint;
use crate::mutant;
use crate::people::accept_invitation::giver_may;
use crate::people::invitation::{Invitation, InvitedTo, Standing};
use crate::people::user::User;

/// Makes a link by which somebody joins or begins anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    pub to: InvitedTo,
    /// What the link is found by. A form that makes one carries it, so that it makes one however often it
    /// is sent.
    pub token: Fingerprint,
}

impl Decision for Invite {
    type Output = Invitation;

    fn action(&self) -> Option<Action> {
        Some(match self.to {
            InvitedTo::Merchant(..) => Action::ManageMerchant,
            InvitedTo::Installation(_) | InvitedTo::Reset(_) => Action::ManageInstallation,
        })
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Invitation, Stop> {
        match self.to {
            InvitedTo::Merchant(merchant, role) => {
                work.get::<Merchant>(merchant)?.ok_or(Refusal::NotFound)?;
                check_grant(role, role.is_of_merchant(), work)?;
            }
            InvitedTo::Installation(role) => check_grant(role, !role.is_of_merchant(), work)?,
            InvitedTo::Reset(user) => {
                let user = work.get::<User>(user)?.ok_or(Refusal::NotFound)?;
                // Who begins anew is whoever has the link: it must not lead to a higher role.
                if let Some(role) = user.role {
                    check_grant(role, true, work)?;
                }
                work.put(User { reset: Some(self.token), ..(*user).clone() });
            }
        }
        let invited_by = match work.actor() {
            Actor::User(id) => Some(id),
            _ => None,
        };
        if let Some(made) = work.find::<Invitation>(&self.token)? {
            let same = (made.to, made.invited_by) == (self.to, invited_by);
            if same && made.is_open(context.now) {
                return Ok((*made).clone());
            }
            return Err(Refusal::InvitationEnded.into());
        }
        let invitation = Invitation {
            id: InvitationId(work.new_id()?),
            token: self.token,
            to: self.to,
            invited_by,
            created_at: context.now,
            takes_two: match self.to {
                InvitedTo::Merchant(_, role) => takes_two(role, work),
                InvitedTo::Installation(_) | InvitedTo::Reset(_) => false,
            },
            confirmed_at: None,
            confirmed_by: None,
            ended_at: None,
        };
        work.put(invitation.clone());
        Ok(invitation)
    }
}

/// Refuses to give a role that is not there, or that whoever asks may not give.
///
/// # Errors
/// [`Refusal::MoreThanOwn`].
pub(super) fn check_grant(role: Role, fits: bool, work: &Workspace) -> Result<(), Refusal> {
    let may = work.rights().is_none_or(|own| own.role.may_grant(role));
    if fits && may { Ok(()) } else { Err(Refusal::MoreThanOwn) }
}

/// Whether a second person has to agree to giving this role: not for operators, who are a second
/// person for every merchant.
pub(super) fn takes_two(role: Role, work: &Workspace) -> bool {
    let by_operator = work.rights().is_none_or(|own| own.role == Role::Operator);
    role.takes_two_to_give() && !by_operator
}

/// The second person's word for a link that waits for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfirmInvitation {
    pub merchant_id: MerchantId,
    pub invitation_id: InvitationId,
}

impl Decision for ConfirmInvitation {
    type Output = Invitation;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Invitation, Stop> {
        let row = of_merchant(self.merchant_id, self.invitation_id, work)?;
        if !row.is_open(context.now) {
            return Err(Refusal::InvitationEnded.into());
        }
        match row.standing(|by| giver_may(by, &row, work))? {
            Standing::Void => return Err(Refusal::InvitationEnded.into()),
            Standing::Usable => return Ok((*row).clone()),
            // The word of somebody who may not give the role any more is replaced.
            Standing::Waits | Standing::WaitsAgain => {}
        }
        let by = match work.actor() {
            Actor::User(id) => Some(id),
            _ => None,
        };
        if by.is_some() && by == row.invited_by && !mutant!(OwnInvitationConfirmed) {
            return Err(Refusal::OwnInvitation.into());
        }
        let confirmed_at = Some(context.now);
        let row = Invitation { confirmed_at, confirmed_by: by, ..(*row).clone() };
        work.put(row.clone());
        Ok(row)
    }
}

/// An invitation to this merchant.
fn of_merchant(
    merchant: MerchantId,
    id: InvitationId,
    work: &Workspace,
) -> Result<Arc<Invitation>, Stop> {
    let found = work.get::<Invitation>(id)?;
    let is_own =
        |row: &Arc<Invitation>| matches!(row.to, InvitedTo::Merchant(of, _) if of == merchant);
    found.filter(is_own).ok_or_else(|| Refusal::NotFound.into())
}

/// Takes a link back that was not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CancelInvitation {
    pub merchant_id: MerchantId,
    pub invitation_id: InvitationId,
}

impl Decision for CancelInvitation {
    type Output = Invitation;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Invitation, Stop> {
        let mut row = (*of_merchant(self.merchant_id, self.invitation_id, work)?).clone();
        if row.ended_at.is_none() {
            row.ended_at = Some(context.now);
            work.put(row.clone());
        }
        Ok(row)
    }
}

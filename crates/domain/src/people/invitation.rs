//! Links by which people join, or begin anew: no mail server is needed to have people.

use crate::decision::row::Row;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Role;
use crate::kernel::ids::{InvitationId, MerchantId, UserId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{ServerTime, minutes};
use crate::kernel::uuids::Fingerprint;
use crate::mutant;
use crate::people::access;
use crate::people::membership::Membership;
use crate::people::user::User;
use std::sync::Arc;

/// How long a link is good.
pub const LASTS: i64 = minutes(72 * 60);

/// A link that is good once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    /// The fingerprint of the secret in the link.
    pub token: Fingerprint,
    pub to: InvitedTo,
    /// Who made it; `None` for the operator at the command line.
    pub invited_by: Option<UserId>,
    pub created_at: ServerTime,
    /// Whether a second person has to confirm it before it can be used.
    pub takes_two: bool,
    /// When one did.
    pub confirmed_at: Option<ServerTime>,
    /// Who did; `None` for the operator at the command line.
    pub confirmed_by: Option<UserId>,
    /// When it was used, or taken back.
    pub ended_at: Option<ServerTime>,
}

/// What a link is worth to whoever has it, as long as it is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It can be used.
    Usable,
    /// A second person has to confirm it first.
    Waits,
    /// A second person did, and may not give the role any more: another one has to.
    WaitsAgain,
    /// Nobody can use it: whoever made it may not give what it gives any more.
    Void,
}

impl Standing {
    /// Whether it can be used once somebody confirms it.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::Waits | Self::WaitsAgain)
    }
}

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvitedTo {
    /// To join a merchant.
    Merchant(MerchantId, Role),
    /// To join those who run the installation.
    Installation(Role),
    /// To choose another password and another phone.
    Reset(UserId),
}

impl Invitation {
    #[must_use]
    pub const fn until(&self) -> ServerTime {
        self.created_at.plus(LASTS)
    }

    /// Whether the link is still good.
    #[must_use]
    pub fn is_open(&self, now: ServerTime) -> bool {
        self.ended_at.is_none() && (now < self.until() || mutant!(LinkForEver))
    }

    /// Whether a second person has not confirmed it yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.takes_two && self.confirmed_at.is_none() && !mutant!(RoleByOne)
    }

    /// What the link is worth, where `may_give` says whether somebody may give what it gives: see
    /// [`Self::may_be_given_by`].
    ///
    /// # Errors
    /// Those of `may_give`.
    pub fn standing<E>(&self, may_give: impl Fn(UserId) -> Result<bool, E>) -> Result<Standing, E> {
        if let Some(by) = self.invited_by
            && !may_give(by)?
        {
            return Ok(Standing::Void);
        }
        if let Some(by) = self.confirmed_by
            && !may_give(by)?
        {
            return Ok(Standing::WaitsAgain);
        }
        Ok(if self.waits() { Standing::Waits } else { Standing::Usable })
    }

    /// Whether somebody may give what the link gives. `member` is their place in its merchant, if it
    /// has one; `to_reset` is who begins anew by it, if somebody does.
    #[must_use]
    pub fn may_be_given_by(
        &self,
        giver: &User,
        member: Option<&Membership>,
        to_reset: Option<&User>,
    ) -> bool {
        let given = match self.to {
            InvitedTo::Merchant(_, role) | InvitedTo::Installation(role) => Some(role),
            InvitedTo::Reset(_) => to_reset.and_then(|user| user.role),
        };
        let own = access::role_of(giver, member);
        let may = own.is_some_and(|own| given.is_none_or(|role| own.may_grant(role)));
        may && giver.disabled_at.is_none() || mutant!(InviterForgotten)
    }

    /// The invitation behind a link.
    ///
    /// # Errors
    /// [`Refusal::InvitationEnded`], also for a link that never was: who guesses learns nothing.
    pub(super) fn open(
        token: Fingerprint,
        work: &Workspace,
        now: ServerTime,
    ) -> Result<Arc<Self>, Stop> {
        let found = work.find::<Self>(&token)?.filter(|row| row.is_open(now));
        found.ok_or_else(|| Refusal::InvitationEnded.into())
    }
}

impl Row for Invitation {
    type Id = InvitationId;
    type AltKey = Fingerprint;

    fn id(&self) -> InvitationId {
        self.id
    }

    fn alt_key(&self) -> Option<Fingerprint> {
        Some(self.token)
    }
}

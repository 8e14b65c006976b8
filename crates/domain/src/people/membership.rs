//! Who has which role in which merchant.

use crate::decision::row::Row;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Role;
use crate::kernel::ids::{MembershipId, MerchantId, UserId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::mutant;

/// A person in a merchant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    pub id: MembershipId,
    pub user_id: UserId,
    pub merchant_id: MerchantId,
    /// `None` for who was removed.
    pub role: Option<Role>,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

impl Row for Membership {
    type Id = MembershipId;
    type AltKey = (UserId, MerchantId);
    const AUTHORIZES: bool = true;

    fn id(&self) -> MembershipId {
        self.id
    }

    fn alt_key(&self) -> Option<(UserId, MerchantId)> {
        Some((self.user_id, self.merchant_id))
    }
}

/// Gives a person a role in a merchant, or takes it away.
///
/// # Errors
/// [`Refusal::LastOwner`].
pub(super) fn set_role(
    user_id: UserId,
    merchant_id: MerchantId,
    role: Option<Role>,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Membership, Stop> {
    let found = work.find::<Membership>(&(user_id, merchant_id))?;
    let before = found.as_ref().and_then(|row| row.role);
    let (id, created_at) = match &found {
        Some(row) => (row.id, row.created_at),
        None => (MembershipId(work.new_id()?), now),
    };
    let row = Membership { id, user_id, merchant_id, role, created_at, updated_at: now };
    work.put(row.clone());
    let is_owner = |role: Option<Role>| i64::from(role == Some(Role::Owner));
    let more = is_owner(role) - is_owner(before);
    if more != 0 {
        let mut merchant = (*work.require::<Merchant>(merchant_id)?).clone();
        merchant.owners = merchant.owners.saturating_add(more);
        if merchant.owners == 0 && !mutant!(LastOwnerRemoved) {
            return Err(Refusal::LastOwner.into());
        }
        merchant.updated_at = now;
        work.put(merchant);
    }
    Ok(row)
}

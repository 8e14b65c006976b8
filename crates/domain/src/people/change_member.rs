//! Changing what somebody may do in a merchant.

use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::roles::{Action, Role};
use crate::kernel::ids::{MerchantId, UserId};
use crate::kernel::refusal::Refusal;
use crate::mutant;
use crate::people::invite::{check_grant, takes_two};
use crate::people::membership::{self, Membership};

/// Gives somebody in a merchant another role, or removes them. The last owner stays one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChangeMember {
    pub merchant_id: MerchantId,
    pub user_id: UserId,
    /// `None` to remove them.
    pub role: Option<Role>,
}

impl Decision for ChangeMember {
    type Output = Membership;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageMerchant)
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::Membership(Lookup::AltKey((self.user_id, self.merchant_id))),
        ]
    }

    fn lock_key(&self) -> Option<LockKey> {
        None
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Membership, Stop> {
        let found = work.find::<Membership>(&(self.user_id, self.merchant_id))?;
        let member = found.filter(|row| row.role.is_some()).ok_or(Refusal::NotFound)?;
        for role in [member.role, self.role].into_iter().flatten() {
            check_grant(role, role.is_of_merchant(), work)?;
        }
        if member.role == self.role {
            return Ok((*member).clone());
        }
        if let Some(role) = self.role.filter(|role| takes_two(*role, work))
            && member.role.is_some_and(|own| !role.is_within(own))
            && !mutant!(RoleByOne)
        {
            return Err(Refusal::RoleTakesTwo { role }.into());
        }
        membership::set_role(self.user_id, self.merchant_id, self.role, work, context.now)
    }
}

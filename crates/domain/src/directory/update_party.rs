//! Changing who a party is said to be.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::party::Party;
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, PartyId};
use crate::kernel::patch::Patch;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::MerchantTime;

/// Changes of a party. `None` and [`Patch::Keep`] leave a value as it is.
///
/// The phone is none of them, because parties are known by it: a payer is found by it ([`by_phone`]),
/// an account for mobile money is made with it, a counterparty of a checkout must have it, and a
/// transfer goes to the merchant whose phone it is ([`resolve`]). With another phone the invoices and
/// the balance of one person would become those of another. Who has a new number is a new party.
///
/// [`by_phone`]: crate::directory::create_party::by_phone
/// [`resolve`]: crate::payments::recipient::resolve
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PartyChanges {
    pub fullname: Option<String>,
    pub email: Patch<String>,
    /// ISO 3166, two letters.
    pub country_code: Patch<String>,
}

/// What whoever changes a party was shown of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownParty {
    pub fullname: String,
    pub email: Option<String>,
    pub country_code: Option<String>,
}

/// Changes a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateParty {
    pub merchant_id: MerchantId,
    pub party_id: PartyId,
    pub changes: PartyChanges,
    /// Where it is given, a value is changed only if it is still the one that was shown, so that of two
    /// people who change it neither undoes what the other did without having seen it.
    pub shown: Option<ShownParty>,
}

impl Decision for UpdateParty {
    type Output = Party;

    fn action(&self) -> Option<Action> {
        Some(Action::EditCustomers)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Party, Stop> {
        let time = context.merchant_time(self.merchant_id, work)?;
        self.update(work, time)
    }
}

impl UpdateParty {
    /// Changes it. What stands there already is no change, whatever was shown: a form that is sent
    /// twice changes once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::ChangedMeanwhile`].
    fn update(&self, work: &mut Workspace, time: MerchantTime) -> Result<Party, Stop> {
        let found = work
            .get::<Party>(self.party_id)?
            .filter(|row| row.merchant_id == self.merchant_id)
            .ok_or(Refusal::NotFound)?;
        let changes = &self.changes;
        let after = Party {
            fullname: changes.fullname.clone().unwrap_or_else(|| found.fullname.clone()),
            email: changes.email.clone().apply_to(found.email.clone()),
            country_code: changes.country_code.clone().apply_to(found.country_code.clone()),
            ..(*found).clone()
        };
        if after == *found {
            return Ok(after);
        }
        if self.shown.as_ref().is_some_and(|shown| shown.differs_where_changed(&found, &after)) {
            return Err(
                Refusal::ChangedMeanwhile { subject: Subject::Party, what: "customer" }.into()
            );
        }
        let party = Party { updated_at: time, ..after };
        work.put(party.clone());
        Ok(party)
    }
}

impl ShownParty {
    /// Whether a value that is changed is another by now than was shown.
    fn differs_where_changed(&self, before: &Party, after: &Party) -> bool {
        (before.fullname != after.fullname && before.fullname != self.fullname)
            || (before.email != after.email && before.email != self.email)
            || (before.country_code != after.country_code
                && before.country_code != self.country_code)
    }
}

impl From<&Party> for ShownParty {
    fn from(party: &Party) -> Self {
        Self {
            fullname: party.fullname.clone(),
            email: party.email.clone(),
            country_code: party.country_code.clone(),
        }
    }
}

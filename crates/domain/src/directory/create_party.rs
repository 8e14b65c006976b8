//! Creating and finding parties.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::party::Party;
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, PartyId};
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::MerchantTime;

/// A request to create a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewParty {
    pub fullname: String,
    pub phone: String,
    pub email: Option<String>,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
}

/// Creates a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateParty {
    pub merchant_id: MerchantId,
    pub party: NewParty,
    /// Whether a party that has this phone already is the one that is asked for, so that a form that is
    /// sent twice makes one.
    pub unless_known: bool,
}

impl Decision for CreateParty {
    type Output = Party;

    fn action(&self) -> Option<Action> {
        Some(Action::EditCustomers)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Party, Stop> {
        let time = context.merchant_time(self.merchant_id, work)?;
        if self.unless_known {
            by_phone(self.merchant_id, &self.party, work, time)
        } else {
            create(self.merchant_id, &self.party, work, time)
        }
    }
}

/// Creates a party. The first party with a phone number is the one that is found by it.
///
/// # Errors
/// None of its own.
fn create(
    merchant_id: MerchantId,
    new: &NewParty,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Party, Stop> {
    let first = work.find::<Party>(&(merchant_id, new.phone.clone()))?.is_none();
    let party = Party {
        id: PartyId(work.new_id()?),
        merchant_id,
        fullname: new.fullname.clone(),
        phone: new.phone.clone(),
        found_by: first.then(|| new.phone.clone()),
        email: new.email.clone(),
        country_code: new.country_code.clone(),
        recipient_told_at: None,
        created_at: time,
        updated_at: time,
    };
    work.put(party.clone());
    Ok(party)
}

/// The merchant's first party with the phone of `new`, which is created if there is none.
///
/// # Errors
/// None of its own.
pub fn by_phone(
    merchant_id: MerchantId,
    new: &NewParty,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Party, Stop> {
    match work.find::<Party>(&(merchant_id, new.phone.clone()))? {
        Some(party) => Ok((*party).clone()),
        None => create(merchant_id, new, work, time),
    }
}

/// The merchant's party of that id.
///
/// # Errors
/// [`Refusal::UnknownId`] of the party.
pub fn owned(
    merchant_id: MerchantId,
    id: PartyId,
    work: &Workspace,
) -> Result<Result<Party, Refusal>, Stop> {
    let found = work.get::<Party>(id)?.filter(|party| party.merchant_id == merchant_id);
    Ok(found
        .map(|party| (*party).clone())
        .ok_or(Refusal::UnknownId { subject: Subject::Party, what: "a party" }))
}

//! Creating and changing counterparties.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::create_party;
use crate::directory::create_payment_account;
use crate::directory::party::{Counterparty, Relationship};
use crate::directory::roles::Action;
use crate::kernel::ids::{CounterpartyId, MerchantId, PartyId};
use crate::kernel::patch::Patch;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::MerchantTime;

/// Creates a counterparty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreateCounterparty {
    pub merchant_id: MerchantId,
    pub relationship: Relationship,
    pub party_id: Option<PartyId>,
    /// Where it is given, when the party was changed last as whoever asks saw it. The counterparty is
    /// made only if that still holds, and changes it: a form that is sent twice makes one.
    pub shown: Option<MerchantTime>,
}

impl Decision for CreateCounterparty {
    type Output = Counterparty;

    fn action(&self) -> Option<Action> {
        Some(Action::EditCustomers)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Counterparty, Stop> {
        let time = context.merchant_time(self.merchant_id, work)?;
        let made = create(self.merchant_id, self.relationship, self.party_id, work, time)?;
        if let (Some(party), Some(shown)) = (made.party_id, self.shown) {
            create_payment_account::mark(party, shown, work, time)?;
        }
        Ok(made)
    }
}

/// Changes a counterparty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpdateCounterparty {
    pub merchant_id: MerchantId,
    pub counterparty_id: CounterpartyId,
    /// `None` leaves it as it is.
    pub relationship: Option<Relationship>,
    pub party_id: Patch<PartyId>,
}

impl Decision for UpdateCounterparty {
    type Output = Counterparty;

    fn action(&self) -> Option<Action> {
        Some(Action::EditCustomers)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Counterparty, Stop> {
        let time = context.merchant_time(self.merchant_id, work)?;
        update(self.merchant_id, self.counterparty_id, self.relationship, self.party_id, work, time)
    }
}

/// Creates a counterparty.
///
/// # Errors
/// [`Refusal::UnknownId`] of the party.
pub fn create(
    merchant_id: MerchantId,
    relationship: Relationship,
    party_id: Option<PartyId>,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Counterparty, Stop> {
    if let Some(id) = party_id {
        create_party::owned(merchant_id, id, work)??;
    }
    let counterparty = Counterparty {
        id: CounterpartyId(work.new_id()?),
        merchant_id,
        party_id,
        relationship,
        created_at: time,
        updated_at: time,
    };
    work.put(counterparty.clone());
    Ok(counterparty)
}

/// Changes a counterparty. A `relationship` of `None` leaves it as it is.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::UnknownId`] of the party.
pub fn update(
    merchant_id: MerchantId,
    id: CounterpartyId,
    relationship: Option<Relationship>,
    party_id: Patch<PartyId>,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Counterparty, Stop> {
    let found = work
        .get::<Counterparty>(id)?
        .filter(|row| row.merchant_id == merchant_id)
        .ok_or(Refusal::NotFound)?;
    if let Patch::Set(id) = party_id {
        create_party::owned(merchant_id, id, work)??;
    }
    let counterparty = Counterparty {
        relationship: relationship.unwrap_or(found.relationship),
        party_id: party_id.apply_to(found.party_id),
        updated_at: time,
        ..(*found).clone()
    };
    work.put(counterparty.clone());
    Ok(counterparty)
}

/// The merchant's counterparty of that id.
///
/// # Errors
/// [`Refusal::UnknownId`] of the counterparty.
pub fn owned(
    merchant_id: MerchantId,
    id: CounterpartyId,
    work: &Workspace,
) -> Result<Result<Counterparty, Refusal>, Stop> {
    let found = work.get::<Counterparty>(id)?.filter(|row| row.merchant_id == merchant_id);
    Ok(found
        .map(|row| (*row).clone())
        .ok_or(Refusal::UnknownId { subject: Subject::Counterparty, what: "a counterparty" }))
}

//! Parties, and a merchant's relations to them.

use crate::api_enum;
use crate::change::Patch;
use crate::ids::{CounterpartyId, MerchantId, PartyId};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::workspace::{Stop, NoAltKey, Row, Workspace};

api_enum! {
    /// What a counterparty is to the merchant.
    Relationship {
        /// Buys from it.
        Customer = "CUSTOMER",
        /// A friend.
        Friend = "FRIEND",
        /// Gives to it.
        Donor = "DONOR",
        /// Is given to.
        Donee = "DONEE",
        /// Kin.
        Family = "FAMILY",
        /// Works for it.
        Employee = "EMPLOYEE",
        /// Sells to it.
        Supplier = "SUPPLIER",
        /// Someone known.
        Contact = "CONTACT",
        /// Serves it.
        ServiceProvider = "SERVICE_PROVIDER",
        /// Shares a business.
        Partner = "PARTNER",
        /// Receives a benefit.
        Beneficiary = "BENEFICIARY",
        /// The merchant itself.
        Myself = "SELF",
    }
}

/// A person or firm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Its id.
    pub id: PartyId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its name.
    pub fullname: String,
    /// Its phone: digits with the country code, no plus sign.
    pub phone: String,
    /// The same where it is the one that is found by it: several parties of a merchant may have one phone, but not be found by
    /// one, so that of two processes that find none and make one the second is refused by a key.
    pub found_by: Option<String>,
    /// Its email.
    pub email: Option<String>,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
    /// Server time at which its merchant was first told who receives a transfer to it.
    pub recipient_told_at: Option<Timestamp>,
    /// Merchant time.
    pub created_at: Timestamp,
    /// Merchant time.
    pub updated_at: Timestamp,
}

impl Row for Party {
    type Id = PartyId;
    type AltKey = (MerchantId, String);

    fn id(&self) -> PartyId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, String)> {
        self.found_by.clone().map(|phone| (self.merchant_id, phone))
    }
}

/// The relation of a merchant to a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterparty {
    /// Its id.
    pub id: CounterpartyId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// The party behind it.
    pub party_id: Option<PartyId>,
    /// What it is to the merchant.
    pub relationship: Relationship,
    /// Merchant time.
    pub created_at: Timestamp,
    /// Merchant time.
    pub updated_at: Timestamp,
}

impl Row for Counterparty {
    type Id = CounterpartyId;
    type AltKey = NoAltKey;

    fn id(&self) -> CounterpartyId {
        self.id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

/// What is needed to make a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewParty {
    /// Its name.
    pub fullname: String,
    /// Its phone.
    pub phone: String,
    /// Its email.
    pub email: Option<String>,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
}

/// Makes a party. The first with a phone is the one that is found by it.
///
/// # Errors
/// None of its own.
pub fn create(merchant_id: MerchantId, new: &NewParty, work: &mut Workspace, time: Timestamp) -> Result<Party, Stop> {
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

/// This merchant's first party with the phone of `new`; it is made when there is none.
///
/// # Errors
/// None of its own.
pub fn by_phone(merchant_id: MerchantId, new: &NewParty, work: &mut Workspace, time: Timestamp) -> Result<Party, Stop> {
    match work.find::<Party>(&(merchant_id, new.phone.clone()))? {
        Some(party) => Ok((*party).clone()),
        None => create(merchant_id, new, work, time),
    }
}

/// This merchant's party of that id.
///
/// # Errors
/// [`Refusal::Unknown`] on `field`.
pub fn owned(
    merchant_id: MerchantId,
    id: PartyId,
    field: &'static str,
    work: &Workspace,
) -> Result<Result<Party, Refusal>, Stop> {
    let found = work.get::<Party>(id)?.filter(|party| party.merchant_id == merchant_id);
    Ok(found.map(|party| (*party).clone()).ok_or(Refusal::Unknown { field, what: "a party" }))
}

/// Makes a counterparty.
///
/// # Errors
/// [`Refusal::Unknown`] on `party_id`.
pub fn create_counterparty(
    merchant_id: MerchantId,
    relationship: Relationship,
    party_id: Option<PartyId>,
    work: &mut Workspace,
    time: Timestamp,
) -> Result<Counterparty, Stop> {
    if let Some(id) = party_id {
        owned(merchant_id, id, "party_id", work)??;
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

/// Changes a counterparty; a relationship that is `None` stays.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::Unknown`] on `party_id`.
pub fn update_counterparty(
    merchant_id: MerchantId,
    id: CounterpartyId,
    relationship: Option<Relationship>,
    party_id: Patch<PartyId>,
    work: &mut Workspace,
    time: Timestamp,
) -> Result<Counterparty, Stop> {
    let found = work.get::<Counterparty>(id)?.filter(|row| row.merchant_id == merchant_id).ok_or(Refusal::NotFound)?;
    if let Patch::Set(id) = party_id {
        owned(merchant_id, id, "party_id", work)??;
    }
    let counterparty = Counterparty {
        relationship: relationship.unwrap_or(found.relationship),
        party_id: party_id.of(found.party_id),
        updated_at: time,
        ..(*found).clone()
    };
    work.put(counterparty.clone());
    Ok(counterparty)
}

/// This merchant's counterparty of that id.
///
/// # Errors
/// [`Refusal::Unknown`] on `field`.
pub fn owned_counterparty(
    merchant_id: MerchantId,
    id: CounterpartyId,
    field: &'static str,
    work: &Workspace,
) -> Result<Result<Counterparty, Refusal>, Stop> {
    let found = work.get::<Counterparty>(id)?.filter(|row| row.merchant_id == merchant_id);
    Ok(found.map(|row| (*row).clone()).ok_or(Refusal::Unknown { field, what: "a counterparty" }))
}

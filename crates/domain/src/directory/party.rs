//! Parties, which are people and companies, and counterparties, which are their relationships to a
//! merchant.

use crate::api_enum;
use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::{CounterpartyId, MerchantId, PartyId};
use crate::kernel::masks::{initials, masked};
use crate::kernel::time::{MerchantTime, ServerTime};

api_enum! {
    /// What a counterparty is to the merchant.
    Relationship {
        Customer = "CUSTOMER",
        Friend = "FRIEND",
        Donor = "DONOR",
        Donee = "DONEE",
        Family = "FAMILY",
        Employee = "EMPLOYEE",
        Supplier = "SUPPLIER",
        Contact = "CONTACT",
        ServiceProvider = "SERVICE_PROVIDER",
        Partner = "PARTNER",
        Beneficiary = "BENEFICIARY",
        /// The merchant itself.
        Myself = "SELF",
    }
}

/// A person or company.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    pub id: PartyId,
    pub merchant_id: MerchantId,
    pub fullname: String,
    /// Digits with the country code, without a plus sign.
    pub phone: String,
    /// `phone`, if this is the party that is found by it; `None` for later parties with the same
    /// phone. It is a unique key, so that of two processes that find no party and create one, the
    /// second is refused by the database.
    pub found_by: Option<String>,
    pub email: Option<String>,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
    /// Server time at which the merchant first learned who receives transfers to it.
    pub recipient_told_at: Option<ServerTime>,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

impl Party {
    /// For readers who may not see names, phone numbers and e-mail addresses.
    #[must_use]
    pub fn without_contacts(self) -> Self {
        Self {
            fullname: initials(&self.fullname),
            phone: masked(&self.phone),
            found_by: None,
            email: None,
            ..self
        }
    }
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
    pub id: CounterpartyId,
    pub merchant_id: MerchantId,
    pub party_id: Option<PartyId>,
    /// What it is to the merchant.
    pub relationship: Relationship,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
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

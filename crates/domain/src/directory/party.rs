//! Parties, people and companies known by their phone, and counterparties, what they are to a
//! merchant.

use crate::api_enum;
use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::{CounterpartyId, MerchantId, PartyId};
use crate::kernel::time::Timestamp;

api_enum! {
    /// What a counterparty is to the merchant.
    Relationship {
        /// Buys from it.
        Customer = "CUSTOMER",
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
    pub id: PartyId,
    pub merchant_id: MerchantId,
    pub fullname: String,
    /// Its phone: digits with the country code, no plus sign.
    pub phone: String,
    /// The same where it is the one that is found by it: several parties of a merchant may have one
    /// phone, but not be found by one, so that of two processes that find none and make one the
    /// second is refused by a key.
    pub found_by: Option<String>,
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
    pub id: CounterpartyId,
    pub merchant_id: MerchantId,
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

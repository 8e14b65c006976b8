//! Payment accounts, from which parties pay or to which they are paid.

use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::{MerchantId, PartyId, PaymentAccountId};
use crate::kernel::masks::{initials, masked};
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::time::MerchantTime;

/// A mobile-money account, card or wallet of a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentAccount {
    pub id: PaymentAccountId,
    pub merchant_id: MerchantId,
    pub party_id: PartyId,
    pub account_name: String,
    pub provider: Provider,
    pub method: Method,
    /// It can be used for this operation only.
    pub operation: Operation,
    /// ISO 3166, two letters.
    pub country_code: Option<String>,
    /// The phone number; for a card the provider's token.
    pub account_number: Option<String>,
    /// Whether new payments may use it.
    pub is_active: bool,
    pub created_at: MerchantTime,
    pub updated_at: MerchantTime,
}

impl PaymentAccount {
    /// For readers who may not see names, phone numbers and e-mail addresses.
    #[must_use]
    pub fn without_contacts(self) -> Self {
        Self {
            account_name: initials(&self.account_name),
            account_number: self.account_number.as_deref().map(masked),
            ..self
        }
    }
}

impl Row for PaymentAccount {
    type Id = PaymentAccountId;
    type AltKey = NoAltKey;

    fn id(&self) -> PaymentAccountId {
        self.id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

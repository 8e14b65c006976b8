//! Sandbox money that was put into a wallet under a key.

use crate::decision::row::Row;
use crate::kernel::ids::{FundingId, MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::time::Timestamp;

/// Sandbox money that was put into a wallet under a key. Whoever does not know whether it was does
/// the same again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Funding {
    pub id: FundingId,
    /// Whose wallet it is.
    pub merchant_id: MerchantId,
    pub wallet_id: WalletId,
    /// The key, of an installation's whole life.
    pub key: String,
    pub amount: Money,
    /// Server time.
    pub created_at: Timestamp,
}

impl Row for Funding {
    type Id = FundingId;
    type AltKey = String;

    fn id(&self) -> FundingId {
        self.id
    }

    fn alt_key(&self) -> Option<String> {
        Some(self.key.clone())
    }
}

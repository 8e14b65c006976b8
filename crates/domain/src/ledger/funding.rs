//! Credits of sandbox money under an idempotency key.

use crate::decision::row::Row;
use crate::kernel::ids::{FundingId, MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::time::ServerTime;

/// A credit of sandbox money under an idempotency key. After an unknown outcome the request is repeated
/// with the same key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Funding {
    pub id: FundingId,
    pub merchant_id: MerchantId,
    pub wallet_id: WalletId,
    /// Unique within the installation.
    pub key: String,
    pub amount: Money,
    pub created_at: ServerTime,
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

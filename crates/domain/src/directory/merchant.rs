//! Merchants and their API keys.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::ids::{ApiKeyId, MerchantId};
use crate::kernel::names::{FeeBearer, Mode};
use crate::kernel::time::Timestamp;

api_enum! {
    /// The legal form of a merchant.
    MerchantType {
        /// A firm.
        Organization = "ORGANIZATION",
        /// A small one.
        MicroOrganization = "MICRO_ORGANIZATION",
    }
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merchant {
    pub id: MerchantId,
    pub name: String,
    pub kind: MerchantType,
    /// Whether its money is real.
    pub mode: Mode,
    /// Its phone, unique within its mode: transfers find it by that.
    pub phone: Option<String>,
    pub email: Option<String>,
    /// Whether it may pay out, transfer and refund.
    pub verified: bool,
    pub fee_tier: String,
    /// Server time at which it was given that tier; `None` for the one that it came with.
    pub fee_tier_assigned_at: Option<Timestamp>,
    /// Who bears the fees of its checkouts.
    pub fee_bearer: FeeBearer,
    /// Server time from which it may be told of as many recipients of transfers as ever.
    pub recipients_full_at: Option<Timestamp>,
    /// How far its sandbox clock is ahead, in microseconds; zero for a live merchant.
    pub clock_offset_us: i64,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub updated_at: Timestamp,
}

impl Merchant {
    /// The merchant's own time.
    #[must_use]
    pub const fn time(&self, now: Timestamp) -> Timestamp {
        now.plus(self.clock_offset_us)
    }
}

impl Row for Merchant {
    type Id = MerchantId;
    type AltKey = (Mode, String);

    fn id(&self) -> MerchantId {
        self.id
    }

    fn alt_key(&self) -> Option<(Mode, String)> {
        self.phone.clone().map(|phone| (self.mode, phone))
    }
}

/// A pair of client id and client secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub merchant_id: MerchantId,
    /// The public half.
    pub client_id: String,
    /// SHA-256 of the secret half, in hexadecimal.
    pub secret_hash: String,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time; set once.
    pub revoked_at: Option<Timestamp>,
}

impl Row for ApiKey {
    type Id = ApiKeyId;
    type AltKey = String;
    const AUTHORIZES: bool = true;

    fn id(&self) -> ApiKeyId {
        self.id
    }

    fn alt_key(&self) -> Option<String> {
        Some(self.client_id.clone())
    }
}

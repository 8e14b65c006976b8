//! Merchants and their API keys.

use crate::api_enum;
use crate::decision::event::{Actor, HasEvents};
use crate::decision::row::Row;
use crate::directory::brand::Colour;
use crate::directory::roles::Rights;
use crate::kernel::ids::{ApiKeyId, MerchantId};
use crate::kernel::names::{FeeBearer, Mode};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::kernel::uuids::Fingerprint;
use crate::network_accounts::account::BoundAccounts;

api_enum! {
    MerchantType {
        Organization = "ORGANIZATION",
        MicroOrganization = "MICRO_ORGANIZATION",
    }
}

/// A merchant: the tenant that all other rows belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merchant {
    pub id: MerchantId,
    pub name: String,
    pub kind: MerchantType,
    /// Whether its money is real.
    pub mode: Mode,
    /// Unique within the mode: transfers find their receiver by it.
    pub phone: Option<String>,
    pub email: Option<String>,
    /// Whether it may pay out, transfer and refund.
    pub verified: bool,
    pub fee_tier: String,
    /// Server time at which the tier was assigned; `None` for the default tier of its creation.
    pub fee_tier_assigned_at: Option<ServerTime>,
    /// Who bears the fees of its checkouts.
    pub fee_bearer: FeeBearer,
    /// Server time at which its limit of new transfer recipients is unused again; see
    /// [`recipient`](crate::payments::recipient).
    pub recipients_full_at: Option<ServerTime>,
    /// How far its sandbox clock is ahead, in microseconds; zero for a live merchant.
    pub clock_offset_us: i64,
    /// What payers see instead of the name.
    pub display_name: Option<String>,
    /// The colour of its pages.
    pub colour: Option<Colour>,
    /// The logo of its pages, a row of [`Logo`](crate::directory::brand::Logo).
    pub logo: Option<Fingerprint>,
    /// The network accounts that it is bound to, instead of the oldest of its mode.
    pub network_accounts: BoundAccounts,
    /// How many people are its owners.
    pub owners: i64,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

impl Merchant {
    /// Merchant time at server time `now`.
    #[must_use]
    pub const fn time(&self, now: ServerTime) -> MerchantTime {
        MerchantTime(now.plus(self.clock_offset_us).0)
    }

    /// The seller on a receipt: the name that payers know, and the merchant's own if it is another.
    #[must_use]
    pub fn seller_name(&self) -> String {
        match &self.display_name {
            Some(shown) if *shown != self.name => format!("{shown} ({})", self.name),
            Some(_) | None => self.name.clone(),
        }
    }

    /// The name that payers see.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.name)
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

/// An API key: a client id with a client secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub merchant_id: MerchantId,
    pub client_id: String,
    /// SHA-256 of the client secret, in hexadecimal.
    pub secret_hash: String,
    /// What it may do; never changed.
    pub rights: Rights,
    /// Who it acts for: the person who made it, or the first of the keys that it was made by. `None` for
    /// one of the operator's.
    pub made_by: Option<Actor>,
    pub created_at: ServerTime,
    /// Server time; set once.
    pub revoked_at: Option<ServerTime>,
    /// How many events are about it.
    pub event_count: i64,
}

impl HasEvents for ApiKey {
    fn event_count_mut(&mut self) -> &mut i64 {
        &mut self.event_count
    }
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

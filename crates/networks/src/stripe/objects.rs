//! The objects of Stripe's API, as far as they are read. Fields that are not named here are
//! ignored; Stripe leaves out what has no value, or writes null.

use std::collections::BTreeMap;

use domain::kernel::uuids::Uuid;
use serde::Deserialize;

use super::requests::{METADATA_PAGE, METADATA_REQUEST_ID};

#[derive(Deserialize)]
pub(super) struct Intent {
    pub id: String,
    pub status: String,
    pub amount: Option<i64>,
    pub amount_received: Option<i64>,
    pub currency: Option<String>,
    pub client_secret: Option<String>,
    pub last_payment_error: Option<Error>,
    pub cancellation_reason: Option<String>,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct Session {
    pub id: String,
    pub status: Option<String>,
    pub payment_status: Option<String>,
    pub amount_total: Option<i64>,
    pub currency: Option<String>,
    /// Only while it is open.
    pub url: Option<String>,
    pub payment_intent: Option<Reference>,
    pub client_reference_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    pub id: String,
    pub status: Option<String>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub failure_reason: Option<String>,
    pub pending_reason: Option<String>,
    pub payment_intent: Option<Reference>,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct Charge {
    pub id: String,
    pub payment_intent: Option<Reference>,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct Dispute {
    pub id: String,
    pub status: String,
    pub reason: Option<String>,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub payment_intent: Option<Reference>,
    pub livemode: Option<bool>,
    pub evidence_details: Option<EvidenceDetails>,
}

#[derive(Deserialize)]
pub(super) struct EvidenceDetails {
    pub due_by: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Balance {
    pub available: Vec<BalanceAmount>,
    pub pending: Vec<BalanceAmount>,
}

#[derive(Deserialize)]
pub(super) struct BalanceAmount {
    pub amount: i64,
    pub currency: String,
}

/// A list, or what a search finds.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

/// The body of an answer that is an error.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub error: Error,
}

#[derive(Deserialize)]
pub(super) struct Error {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub code: Option<String>,
    pub decline_code: Option<String>,
    pub message: Option<String>,
    pub param: Option<String>,
    /// The intent as the error has left it.
    pub payment_intent: Option<Box<Intent>>,
}

/// Another object: its id, or where the request asks for it the object itself.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(String),
    Object { id: String },
}

impl Reference {
    pub fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

/// What we wrote beside an object when it was made.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Metadata(Option<BTreeMap<String, String>>);

impl Metadata {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_ref()?.get(key).map(String::as_str)
    }

    /// Our id of the request that made the object; `None` for one that somebody else made.
    pub fn request_id(&self) -> Option<Uuid> {
        Uuid::try_parse(self.get(METADATA_REQUEST_ID)?).ok()
    }

    /// Whether the object belongs to a Checkout Session.
    pub fn is_from_page(&self) -> bool {
        self.get(METADATA_PAGE).is_some()
    }
}

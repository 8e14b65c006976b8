//! Who asks for a decision, and whether its credentials are still valid when it is decided.
//!
//! A token is checked when the head of a request arrives. The body may take half a minute, and a batch
//! may wait for others. A key that is revoked in the meantime must not authorize a payment, so the rows
//! of both keys are part of the decision.

use crate::decision::event::Actor;
use crate::decision::row::Lookup;
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::ApiKey;
use crate::directory::roles::Rights;
use crate::directory::signing_key::SigningKey;
use crate::kernel::ids::{ApiKeyId, MerchantId, SigningKeyId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;

/// Who asks for a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Principal {
    /// A merchant's program, with an access token for one of its API keys.
    ApiKey(Caller),
    /// Whoever runs the installation, at its command line.
    Operator,
    /// A payment network, by an answer or a callback.
    Network,
    /// The server itself, when something falls due.
    System,
    /// A payer, with the token of a page. Who made the request looked the page up by the token; the
    /// decision names the page.
    Payer,
}

impl Principal {
    /// What is kept of it with each event.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        match self {
            Self::ApiKey(caller) => Actor::ApiKey(caller.api_key_id),
            Self::Operator => Actor::Operator,
            Self::Network => Actor::Network,
            Self::System => Actor::System,
            Self::Payer => Actor::Payer,
        }
    }

    /// The rows that decide whether its credentials are valid.
    #[must_use]
    pub fn keys(&self) -> Vec<RowKey> {
        match self {
            Self::ApiKey(caller) => caller.keys().to_vec(),
            Self::Operator | Self::Network | Self::System | Self::Payer => vec![],
        }
    }

    /// Checks that its credentials are valid. Returns what it may do; `None` where nothing limits it.
    ///
    /// # Errors
    /// See [`Caller::check`].
    pub fn check(&self, work: &Workspace, now: ServerTime) -> Result<Option<Rights>, Stop> {
        match self {
            Self::ApiKey(caller) => caller.check(work, now).map(Some),
            Self::Operator | Self::Network | Self::System | Self::Payer => Ok(None),
        }
    }
}

/// The contents of the access token of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    pub merchant_id: MerchantId,
    /// The API key that the token was issued for.
    pub api_key_id: ApiKeyId,
    /// The key that signed the token.
    pub signing_key_id: SigningKeyId,
    /// Server time at which the token expires.
    pub until: ServerTime,
}

impl Caller {
    /// The rows that decide whether the credentials are valid.
    #[must_use]
    pub const fn keys(&self) -> [RowKey; 2] {
        [
            RowKey::ApiKey(Lookup::Id(self.api_key_id)),
            RowKey::SigningKey(Lookup::Id(self.signing_key_id)),
        ]
    }

    /// Checks that the credentials are valid. Returns what they allow.
    ///
    /// # Errors
    /// [`Refusal::KeyRevoked`], [`Refusal::SigningKeyRetired`], [`Refusal::TokenExpired`].
    pub fn check(&self, work: &Workspace, now: ServerTime) -> Result<Rights, Stop> {
        let key = work.get::<ApiKey>(self.api_key_id)?;
        let valid =
            key.filter(|key| key.merchant_id == self.merchant_id && key.revoked_at.is_none());
        let key = valid.ok_or(Refusal::KeyRevoked)?;
        let signed_by = work.get::<SigningKey>(self.signing_key_id)?;
        if signed_by.is_none_or(|key| key.retired_at.is_some()) {
            return Err(Refusal::SigningKeyRetired.into());
        }
        if now >= self.until {
            return Err(Refusal::TokenExpired.into());
        }
        Ok(key.rights.clone())
    }
}

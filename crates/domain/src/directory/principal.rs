//! Who asks for a decision, and whether its credentials are still valid when it is decided.
//!
//! A token is checked when the head of a request arrives. The body may take half a minute, and a batch
//! may wait for others. A key that is revoked in the meantime must not authorize a payment, so the rows
//! of both keys are part of the decision.

use crate::decision::event::Actor;
use crate::decision::row::Lookup;
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::ApiKey;
use crate::directory::roles::{Action, Rights};
use crate::directory::signing_key::SigningKey;
use crate::kernel::ids::{ApiKeyId, MerchantId, SigningKeyId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::people::access::Person;

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
    /// A person who has logged in.
    User(Person),
    /// Somebody who is about to log in or to join.
    Visitor,
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
            // Who they are, the decision finds out.
            Self::System | Self::Visitor => Actor::System,
            Self::User(person) => Actor::User(person.user_id),
            Self::Payer => Actor::Payer,
        }
    }

    /// The rows that decide whether its credentials are valid.
    #[must_use]
    pub fn keys(&self) -> Vec<RowKey> {
        match self {
            Self::ApiKey(caller) => caller.keys().to_vec(),
            Self::User(person) => person.keys(),
            Self::Operator | Self::Network | Self::System | Self::Visitor | Self::Payer => vec![],
        }
    }

    /// Checks that its credentials are valid for an action. Returns what it may do, which is to be
    /// compared with the action; `None` where nothing limits it.
    ///
    /// # Errors
    /// See [`Caller::check`] and [`Person::check`].
    pub fn check(
        &self,
        action: Option<Action>,
        work: &Workspace,
        now: ServerTime,
    ) -> Result<Option<Rights>, Stop> {
        let for_callers =
            || action.ok_or_else(|| Stop::Inconsistent("no caller may ask for this".to_owned()));
        match self {
            Self::ApiKey(caller) => {
                for_callers()?;
                caller.check(work, now).map(Some)
            }
            Self::User(person) => person.check(for_callers()?, work, now).map(Some),
            Self::Operator | Self::Network | Self::System | Self::Visitor | Self::Payer => Ok(None),
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

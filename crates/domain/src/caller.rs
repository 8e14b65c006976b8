//! Who sent a command in, and whether their credentials still hold when it is decided.
//!
//! A token is checked when the head of a request arrives; the body may take half a minute, and a batch may wait for others.
//! A key that is revoked meanwhile must not pay, so the rows of both keys are part of what a decision sees.

use crate::command::Command;
use crate::ids::{ApiKeyId, MerchantId, SigningKeyId};
use crate::merchant::ApiKey;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::workspace::{Stop, RowKey, Lookup, NoAltKey, Row, Workspace};

/// A key that signs access tokens, without its secret, which no decision needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningKey {
    /// Its id: the `kid` of the tokens that it signs.
    pub id: SigningKeyId,
    /// Server time; set once.
    pub retired_at: Option<Timestamp>,
}

impl Row for SigningKey {
    type Id = SigningKeyId;
    type AltKey = NoAltKey;
    const AUTHORIZES: bool = true;

    fn id(&self) -> SigningKeyId {
        self.id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

/// What the access token of a request said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The merchant that calls.
    pub merchant_id: MerchantId,
    /// The API key that the token was issued for.
    pub api_key_id: ApiKeyId,
    /// The key that signed it.
    pub signing_key_id: SigningKeyId,
    /// Server time at which it expires.
    pub until: Timestamp,
}

impl Caller {
    /// The command, to be decided only while these credentials hold.
    #[must_use]
    pub fn asks(self, command: Command) -> Command {
        Command::Authenticated(self, Box::new(command))
    }

    /// The rows that say whether the credentials hold.
    #[must_use]
    pub const fn keys(&self) -> [RowKey; 2] {
        [RowKey::ApiKey(Lookup::Id(self.api_key_id)), RowKey::SigningKey(Lookup::Id(self.signing_key_id))]
    }

    /// Demands that the credentials hold.
    ///
    /// # Errors
    /// [`Refusal::KeyRevoked`], [`Refusal::SigningKeyRetired`], [`Refusal::TokenExpired`].
    pub fn check(&self, work: &Workspace, now: Timestamp) -> Result<(), Stop> {
        let key = work.get::<ApiKey>(self.api_key_id)?;
        if key.is_none_or(|key| key.merchant_id != self.merchant_id || key.revoked_at.is_some()) {
            return Err(Refusal::KeyRevoked.into());
        }
        let signed_by = work.get::<SigningKey>(self.signing_key_id)?;
        if signed_by.is_none_or(|key| key.retired_at.is_some()) {
            return Err(Refusal::SigningKeyRetired.into());
        }
        if now >= self.until {
            return Err(Refusal::TokenExpired.into());
        }
        Ok(())
    }
}

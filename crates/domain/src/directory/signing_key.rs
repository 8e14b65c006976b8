//! Keys that sign access tokens.

use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::SigningKeyId;
use crate::kernel::time::ServerTime;

/// A signing key without its secret, which no decision needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningKey {
    /// The `kid` of the tokens that it signs.
    pub id: SigningKeyId,
    /// Server time; set once.
    pub retired_at: Option<ServerTime>,
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

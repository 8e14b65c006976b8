//! People who log in.

use crate::decision::row::Row;
use crate::directory::roles::Role;
use crate::kernel::ids::UserId;
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::Fingerprint;

/// A person. In each merchant they have a role of its own, a
/// [`Membership`](crate::people::membership::Membership).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub id: UserId,
    /// The name at login, in small letters. Nothing is ever sent to it.
    pub email: String,
    pub name: String,
    /// argon2id.
    pub password_hash: String,
    pub totp: Option<Totp>,
    /// The secret of another phone, until its first code is right. Until then the one before counts.
    pub pending_totp: Option<SealedTotp>,
    /// The last step of 30 seconds whose code was taken, so that none is taken twice.
    pub totp_step: i64,
    /// Codes for who has lost the phone, each good once.
    pub recovery_codes: RecoveryCodes,
    /// The role in the installation, if there is one: `OPERATOR` or `AUDITOR`.
    pub role: Option<Role>,
    /// Which logins are good: those of this generation. Ending all of them begins the next. It is
    /// counted and not told by times, because the clocks of processes differ.
    pub login_generation: i64,
    /// The link to begin anew that was made last, and not used: no other one is good.
    pub reset: Option<Fingerprint>,
    pub disabled_at: Option<ServerTime>,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

/// A phone whose codes are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Totp {
    pub secret: SealedTotp,
    /// Its first code was right then.
    pub confirmed_at: ServerTime,
}

/// The secret that a phone makes codes from, encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedTotp {
    pub sealed: String,
    /// Which key it is encrypted with.
    pub key_id: String,
}

/// Recovery codes by their fingerprints.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RecoveryCodes(pub Vec<Fingerprint>);

impl User {
    /// Whether codes are asked for at login.
    #[must_use]
    pub const fn has_second_factor(&self) -> bool {
        self.totp.is_some()
    }
}

impl Row for User {
    type Id = UserId;
    type AltKey = String;
    const AUTHORIZES: bool = true;

    fn id(&self) -> UserId {
        self.id
    }

    fn alt_key(&self) -> Option<String> {
        Some(self.email.clone())
    }
}

//! What must not be guessed: API keys and passcodes, drawn and hashed in one way for HTTP and the command line.

use std::ops::RangeInclusive;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::hex::hex;

/// How many characters a passcode has.
pub const PASSCODE_CHARS: RangeInclusive<usize> = 4..=128;

/// A new API key. The secret is nowhere else: it has no `Debug`, and only its hash is stored.
pub struct NewKey {
    /// The public half.
    pub client_id: String,
    /// The secret half.
    pub client_secret: String,
    /// SHA-256 of the secret half, in hexadecimal.
    pub secret_hash: String,
}

impl NewKey {
    /// Draws one.
    ///
    /// # Errors
    /// When the operating system has no random numbers.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let client_secret = hex(&clock::random::<32>()?);
        Ok(Self {
            client_id: format!("kola_{}", hex(&clock::random::<8>()?)),
            secret_hash: hex(&Sha256::digest(client_secret.as_bytes())),
            client_secret,
        })
    }
}

/// The argon2id hash of a passcode. It takes 19 MiB and some 20 ms of a core.
///
/// # Errors
/// What the library says.
pub fn hash_passcode(passcode: &str) -> Result<String, String> {
    let hash = Argon2::default().hash_password(passcode.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Whether the hash is that of the passcode; `None` for a hash that is broken. It takes as long as to make one.
#[must_use]
pub fn is_passcode(passcode: &str, hash: &str) -> Option<bool> {
    let hash = PasswordHash::new(hash).ok()?;
    Some(Argon2::default().verify_password(passcode.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passcode_is_known_by_its_hash() {
        let hash = hash_passcode("1234").unwrap();
        // OWASP's least for argon2id: 19 MiB, two passes. A library that lowers its defaults must not do so here.
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hash_passcode("1234").unwrap(), "each hash has its own salt");
        assert_eq!(is_passcode("1234", &hash), Some(true));
        assert_eq!(is_passcode("1235", &hash), Some(false));
        assert_eq!(is_passcode("1234", "nonsense"), None);
    }

    #[test]
    fn no_two_keys_are_alike() {
        let (one, other) = (NewKey::draw().unwrap(), NewKey::draw().unwrap());
        assert!(one.client_id != other.client_id && one.client_secret != other.client_secret);
        assert_eq!((one.client_secret.len(), one.secret_hash.len()), (64, 64));
        assert!(!one.secret_hash.contains(&one.client_secret));
    }
}

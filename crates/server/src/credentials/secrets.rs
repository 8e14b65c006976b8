//! API keys and passcodes: drawn and hashed in the same way for the API and the command line.

use std::ops::RangeInclusive;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use store::clock;
use store::hex::hex;

/// How many characters a passcode has.
pub const PASSCODE_CHARS: RangeInclusive<usize> = 4..=128;

/// A new API key. Only the hash of its secret is stored, and it has no `Debug`, so that the secret
/// does not get into a log.
pub struct NewKey {
    pub client_id: String,
    pub client_secret: String,
    /// SHA-256 of `client_secret`, in hexadecimal.
    pub secret_hash: String,
}

impl NewKey {
    /// Draws an API key.
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

/// The memory of one hash: 19 MiB. The next hash overwrites it.
pub struct HashMemory(Vec<Block>);

impl HashMemory {
    /// Allocates the memory.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![Block::new(); Params::DEFAULT.block_count()])
    }
}

impl Default for HashMemory {
    fn default() -> Self {
        Self::new()
    }
}

/// The argon2id hash of a passcode. It takes about 20 ms of CPU time.
///
/// # Errors
/// From argon2, or when the operating system has no random numbers.
pub fn hash_passcode(passcode: &str, memory: &mut HashMemory) -> Result<String, String> {
    let salt = clock::random::<16>().map_err(|error| error.to_string())?;
    let argon2 = Argon2::default();
    let output =
        digest(&argon2, passcode, &salt, memory).ok_or("the memory is too small for the hash")?;
    let broken = |error: argon2::password_hash::Error| error.to_string();
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params()).map_err(broken)?,
        salt: Some(Salt::new(&salt).map_err(|error| error.to_string())?),
        hash: Some(Output::new(&output).map_err(|error| error.to_string())?),
    };
    Ok(hash.to_string())
}

/// Whether the hash is of the passcode; `None` for a hash that cannot be parsed or needs more memory
/// than [`HashMemory`] has. It takes as long as [`hash_passcode`].
#[must_use]
pub fn is_passcode(passcode: &str, hash: &str, memory: &mut HashMemory) -> Option<bool> {
    let hash = PasswordHash::new(hash).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = Version::try_from(hash.version?).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash).ok()?);
    let output = digest(&argon2, passcode, hash.salt?.as_ref(), memory)?;
    Some(output.as_slice().ct_eq(hash.hash?.as_bytes()).into())
}

/// The raw hash, computed in reused memory.
fn digest(
    argon2: &Argon2<'_>,
    passcode: &str,
    salt: &[u8],
    memory: &mut HashMemory,
) -> Option<[u8; Params::DEFAULT_OUTPUT_LEN]> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2
        .hash_password_into_with_memory(passcode.as_bytes(), salt, &mut output, &mut memory.0)
        .ok()?;
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    #[test]
    fn a_passcode_is_known_by_its_hash() {
        let mut memory = HashMemory::new();
        let hash = hash_passcode("1234", &mut memory).unwrap();
        // OWASP's least for argon2id: 19 MiB, two passes. A library that lowers its defaults must
        // not do so here.
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hash_passcode("1234", &mut memory).unwrap(), "each hash has its own salt");
        // In memory that others have written to, and in fresh memory.
        for memory in [&mut memory, &mut HashMemory::new()] {
            assert_eq!(is_passcode("1234", &hash, memory), Some(true));
            assert_eq!(is_passcode("1235", &hash, memory), Some(false));
            assert_eq!(is_passcode("1234", "nonsense", memory), None);
        }
        let library =
            Argon2::default().verify_password(b"1234", &PasswordHash::new(&hash).unwrap());
        assert_eq!(library, Ok(()), "it is what the library itself makes");
        let theirs = Argon2::default().hash_password(b"1234").unwrap().to_string();
        assert_eq!(
            is_passcode("1234", &theirs, &mut memory),
            Some(true),
            "as hashes of before were made"
        );
        let larger = theirs.replace("m=19456", "m=194560");
        assert_eq!(
            is_passcode("1234", &larger, &mut memory),
            None,
            "no hash takes more than its place"
        );
    }

    #[test]
    fn no_two_keys_are_alike() {
        let (one, other) = (NewKey::draw().unwrap(), NewKey::draw().unwrap());
        assert!(one.client_id != other.client_id && one.client_secret != other.client_secret);
        assert_eq!((one.client_secret.len(), one.secret_hash.len()), (64, 64));
        assert!(!one.secret_hash.contains(&one.client_secret));
    }
}

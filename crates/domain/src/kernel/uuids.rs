//! Keys that are UUIDs. They are kept as 16 bytes and written in lower case.

use sha2::{Digest, Sha256};
pub use uuid::Uuid;

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    )*};
}

uuids! {
    /// The caller's idempotency key of an execution, of version 4. Unique per merchant for ever.
    ReferenceId
    /// Our idempotency key of a payment at its network.
    NetworkRequestId
    /// The first 16 bytes of a SHA-256, by which something is found whose text is secret or private.
    Fingerprint
}

impl Fingerprint {
    /// The fingerprint of some parts, one after the other.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let hash =
            parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
        Self(Uuid::from_bytes(bytes))
    }
}

//! What is known of networks by the published behaviour: the ids of requests, and the accounts of
//! the sandbox.

use domain::kernel::names::{Operation, Provider};
use domain::kernel::uuids::{NetworkRequestId, ReferenceId, Uuid};
use sha2::{Digest, Sha256};

/// The UUID of the simulated installation.
pub const INSTALLATION: [u8; 16] = [7; 16];

/// How long the process that calls a network does so alone, in microseconds.
pub const LEASE: i64 = 15 * 1_000_000;

/// The id of a request at its network: the first 16 bytes of SHA-256 over the installation, the
/// merchant, the idempotency key and the operation, with the bits that make it a UUID of version 4.
pub fn request_id(merchant: i64, reference: ReferenceId, operation: Operation) -> NetworkRequestId {
    let mut text = INSTALLATION.to_vec();
    text.extend(merchant.to_be_bytes());
    text.extend(reference.0.as_u128().to_be_bytes());
    text.extend(operation.as_str().bytes());
    let hash = Sha256::digest(&text);
    let number = hash.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    NetworkRequestId(uuid_v4(number))
}

/// A UUID of version 4 out of these bits.
pub const fn uuid_v4(bits: u128) -> Uuid {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    Uuid::from_u128(bits & !VERSION & !VARIANT | 4 << 76 | 0b10 << 62)
}

/// The account of the sandbox that plays a network; `None` for payments between wallets.
pub const fn sandbox_account(provider: Provider) -> Option<i64> {
    match provider {
        Provider::PawaPay => Some(1),
        Provider::Stripe => Some(2),
        Provider::Platform => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_request_is_the_one_that_was_computed_elsewhere() {
        let reference = ReferenceId(Uuid::from_u128(0x0011_2233_4455_4677_8899_aabb_ccdd_eeff));
        let id = request_id(42, reference, Operation::Payout);
        assert_eq!(id.to_string(), "a275ffda-0bb9-4faf-a48b-892cc93e0fca");
        assert_eq!((id.0.get_version_num(), id.0.get_variant()), (4, uuid_v4(0).get_variant()));
    }
}

//! Random numbers that are the same on every machine: one seed, one history.

use domain::kernel::uuids::{ReferenceId, Uuid};

use crate::oracle::network::uuid_v4;

/// The finalizer of MurmurHash3.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Hashes a sequence of numbers.
pub fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9, |hash, part| mix(hash ^ mix(part.wrapping_add(0x9e37_79b9))))
}

/// Hashes a text.
pub fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte)))
}

/// Hashes a UUID.
pub const fn hash_uuid(uuid: Uuid) -> u64 {
    let (high, low) = uuid.as_u64_pair();
    mix(high ^ mix(low))
}

/// A sequence of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The random numbers of one part of a run. They do not depend on what other parts draw, so
    /// that a part can be left out of a history and the rest stays the same.
    pub fn of(seed: u64, part: &[u64]) -> Self {
        Self(hash(part) ^ mix(seed ^ 0x5851_f42d_4c95_7f2d))
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A new idempotency key.
    pub fn reference_id(&mut self) -> ReferenceId {
        let number = self.next();
        let bits = u128::from(mix(number)) << 64 | u128::from(number);
        ReferenceId(uuid_v4(bits))
    }

    /// From 0 to `end - 1`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(self.next().checked_rem(end).unwrap_or(0)).unwrap_or(0)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0).saturating_add(1);
        low.saturating_add(i64::try_from(self.next() % span).unwrap_or(0))
    }

    /// True in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.next() % 1_000 < u64::from(per_mille)
    }

    /// One of the elements; `None` of an empty slice.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(of.len());
        of.get(at).copied()
    }

    /// Mostly one of the last six elements, so that requests meet on the same rows.
    pub fn recent<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let few = if self.chance(150) { of.len() } else { of.len().min(6) };
        let back = self.below(few) + 1;
        of.len().checked_sub(back).and_then(|at| of.get(at)).copied()
    }

    /// An index, drawn by weight.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = u32::try_from(self.next() % u64::from(total.max(1))).unwrap_or(0);
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }
}

//! How many payments the pages of a merchant may begin: a bucket of tokens for each phone, each invoice
//! or order, and each address. A payment takes a token of each, and tokens come back steadily.

use domain::kernel::ids::{MerchantId, SourceId};
use domain::kernel::uuids::{Fingerprint, Uuid};
use domain::payments::pay_on_page::PagePayment;
use domain::payments::request_limit::{PageLimits, RequestLimitKind};
use sha2::{Digest, Sha256};

use super::network::INSTALLATION;
use crate::db::Map;

/// So low that they are reached in a simulation. An hour is a multiple of the time for a token.
pub const PAGE_LIMITS: PageLimits = PageLimits { per_phone: 3, per_source: 2, per_address: 8 };

/// In microseconds, as all times here.
const HOUR: i64 = 60 * 60 * 1_000_000;
/// By how much the clocks of two processes may differ.
const SKEW: i64 = 30 * 1_000_000;

const fn capacity(kind: RequestLimitKind) -> i64 {
    match kind {
        RequestLimitKind::Phone => PAGE_LIMITS.per_phone,
        RequestLimitKind::Source => PAGE_LIMITS.per_source,
        RequestLimitKind::Address => PAGE_LIMITS.per_address,
    }
}

/// The tokens that a bucket had at a time, in parts of which a token has as many as an hour has
/// microseconds: in each microsecond come as many parts as the bucket holds tokens.
#[derive(Clone, Copy)]
struct Bucket {
    parts: i64,
    at: i64,
}

impl Bucket {
    /// What is in it at a time. A clock that is behind takes back what came in between; a bucket from
    /// a time that is further ahead than clocks differ is forgotten.
    fn parts_at(self, capacity: i64, time: i64) -> i64 {
        let (full, parts) = (capacity * HOUR, self.parts + capacity * (time - self.at));
        if parts < -capacity * SKEW { full } else { parts.min(full) }
    }
}

type Key = (MerchantId, RequestLimitKind, Fingerprint);

/// The buckets of which a token was taken.
#[derive(Default)]
pub struct RequestLimits(Map<Key, Bucket>);

/// What is stored in the place of a phone, a source's id or an address: the first 16 bytes of SHA-256
/// over the installation, the kind and the text.
fn fingerprint(kind: RequestLimitKind, text: &str) -> Fingerprint {
    let mut all = INSTALLATION.to_vec();
    all.extend(kind.as_str().bytes());
    all.extend(text.bytes());
    let hash = Sha256::digest(&all);
    let number = hash.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    Fingerprint(Uuid::from_u128(number))
}

/// The buckets that a payment takes of, in the order in which they are asked.
fn buckets_of(merchant: i64, source: SourceId, payment: &PagePayment) -> Vec<Key> {
    let mut texts = vec![
        (RequestLimitKind::Source, source.to_string()),
        (RequestLimitKind::Address, payment.address.clone()),
    ];
    if let Some(phone) = &payment.choice.phone {
        texts.insert(0, (RequestLimitKind::Phone, phone.clone()));
    }
    let key = |(kind, text): (RequestLimitKind, String)| {
        (MerchantId(merchant), kind, fingerprint(kind, &text))
    };
    texts.into_iter().map(key).collect()
}

impl RequestLimits {
    fn parts_of(&self, key: &Key, time: i64) -> i64 {
        let capacity = capacity(key.1);
        self.0.get(key).map_or(capacity * HOUR, |bucket| bucket.parts_at(capacity, time))
    }

    /// The first limit that stands against a payment, and the seconds until it no longer does.
    pub fn reached(
        &self,
        merchant: i64,
        source: SourceId,
        payment: &PagePayment,
        time: i64,
    ) -> Option<(RequestLimitKind, i64)> {
        let mut lacking = buckets_of(merchant, source, payment)
            .into_iter()
            .map(|key| (key.1, HOUR - self.parts_of(&key, time)));
        let (kind, parts) = lacking.find(|(_, parts)| *parts > 0)?;
        let a_second = capacity(kind) * 1_000_000;
        Some((kind, (parts + a_second - 1) / a_second))
    }

    /// Takes a token of each bucket.
    pub fn count(&mut self, merchant: i64, source: SourceId, payment: &PagePayment, time: i64) {
        for key in buckets_of(merchant, source, payment) {
            let parts = self.parts_of(&key, time) - HOUR;
            self.0.insert(key, Bucket { parts, at: time });
        }
    }

    /// When a bucket is full again, if nothing more is taken of it.
    pub fn full_at(&self, key: &Key) -> Option<i64> {
        let capacity = capacity(key.1);
        let lacking = |bucket: &Bucket| (capacity * HOUR - bucket.parts) / capacity;
        self.0.get(key).map(|bucket| bucket.at + lacking(bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_of_three_gives_three_at_once_and_then_one_each_twenty_minutes() {
        let minute = HOUR / 60;
        let mut bucket = Bucket { parts: 3 * HOUR, at: 0 };
        for _ in 0..3 {
            assert!(bucket.parts_at(3, 0) >= HOUR);
            bucket.parts -= HOUR;
        }
        assert_eq!(bucket.parts_at(3, 0), 0);
        assert!(bucket.parts_at(3, 20 * minute - 1) < HOUR);
        assert_eq!(bucket.parts_at(3, 20 * minute), HOUR);
        assert_eq!(bucket.parts_at(3, 100 * minute), 3 * HOUR);
        // A clock that is a little behind waits longer, one that is far behind does not.
        assert!(bucket.parts_at(3, -SKEW) < 0);
        assert_eq!(bucket.parts_at(3, -SKEW - 1), 3 * HOUR);
    }
}

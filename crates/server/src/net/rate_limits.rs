//! Rate limits: of requests by merchant, and of token requests, invalid tokens, page requests and
//! wrong receipt codes by the client's address.
//!
//! A token bucket is stored as one instant: when it is full again. The table of buckets is bounded,
//! which is why no library is used: their tables grow with the number of addresses that call.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::kernel::ids::MerchantId;

use crate::config::RateLimit;

/// How many callers have a bucket of their own. An entry takes about 50 bytes.
const CALLERS_MAX: usize = 65_536;
/// How often a full table is swept of full buckets, which carry no information.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How many wrong receipt codes an address may send.
const RECEIPT_GUESSES: RateLimit = RateLimit { requests: 20, seconds: 3_600 };

/// The state of a caller's bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitStatus {
    /// The name of the limit, as in the `RateLimit` header.
    pub policy: &'static str,
    /// Requests that the caller may make at once.
    pub remaining: u32,
    /// Seconds until it may make one more than that.
    pub reset_seconds: u64,
}

#[derive(Default)]
struct BucketTable<K> {
    /// When a caller's bucket is full again, as time since the start. One that is not here is full.
    full_at: HashMap<K, Duration>,
    /// The bucket that callers share when the table is full.
    overflow: Duration,
    swept: Duration,
}

/// The buckets of callers under one policy.
struct Buckets<K> {
    policy: &'static str,
    limit: RateLimit,
    callers_max: usize,
    table: Mutex<BucketTable<K>>,
}

impl<K: Eq + Hash + Copy> Buckets<K> {
    fn new(policy: &'static str, limit: RateLimit, callers_max: usize) -> Self {
        let table = BucketTable {
            full_at: HashMap::new(),
            overflow: Duration::ZERO,
            swept: Duration::ZERO,
        };
        Self { policy, limit, callers_max, table: Mutex::new(table) }
    }

    /// The time in which a bucket gains one request.
    fn interval(&self) -> Duration {
        Duration::from_secs(self.limit.seconds.into()) / self.limit.requests.max(1)
    }

    /// The status of a bucket that is full again at `full_at`.
    fn status(&self, full_at: Duration, now: Duration) -> LimitStatus {
        let interval = self.interval();
        let missing = full_at.saturating_sub(now);
        let spare = (interval * self.limit.requests).saturating_sub(missing);
        let left = u32::try_from(spare.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u32::MAX);
        // The bucket holds one request more once no more than this is missing.
        let next = interval * self.limit.requests.saturating_sub(left.saturating_add(1));
        let more_in = if missing.is_zero() { Duration::ZERO } else { missing.saturating_sub(next) };
        let seconds = more_in.as_secs().saturating_add(u64::from(more_in.subsec_nanos() > 0));
        LimitStatus { policy: self.policy, remaining: left, reset_seconds: seconds }
    }

    /// The status of a caller, without counting a request.
    fn status_of(&self, caller: K, now: Duration) -> LimitStatus {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let known = table.full_at.get(&caller).copied();
        let has_room = table.full_at.len() < self.callers_max;
        self.status(known.unwrap_or(if has_room { now } else { table.overflow }), now)
    }

    /// Takes one request out of a caller's bucket. Returns whether the bucket had one, and the status
    /// afterwards.
    fn take(&self, caller: K, now: Duration) -> (bool, LimitStatus) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.full_at.len() >= self.callers_max && now.saturating_sub(table.swept) >= SWEEP_EVERY
        {
            table.swept = now;
            table.full_at.retain(|_, full_at| *full_at > now);
        }
        let has_own = table.full_at.len() < self.callers_max || table.full_at.contains_key(&caller);
        let full_at =
            if has_own { table.full_at.entry(caller).or_insert(now) } else { &mut table.overflow };
        let taken = (*full_at).max(now) + self.interval();
        let fits = taken - now <= self.interval() * self.limit.requests;
        if fits {
            *full_at = taken;
        }
        (fits, self.status(*full_at, now))
    }

    /// Puts back one request that was taken out of a caller's bucket.
    fn give_back(&self, caller: K, now: Duration) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let table = &mut *table;
        // A caller without a bucket took the request out of the shared one, or its own is full.
        let full_at = table.full_at.get_mut(&caller).unwrap_or(&mut table.overflow);
        *full_at = full_at.saturating_sub(self.interval()).max(now);
    }
}

/// Limits how many wrong receipt codes may come from an address, also where requests are not
/// limited: otherwise receipts could be found by guessing.
pub struct ReceiptGuesses {
    start: Instant,
    addresses: Buckets<IpAddr>,
}

impl Default for ReceiptGuesses {
    fn default() -> Self {
        let addresses = Buckets::new("receipt-guesses", RECEIPT_GUESSES, CALLERS_MAX);
        Self { start: Instant::now(), addresses }
    }
}

impl ReceiptGuesses {
    /// Counts a guess before it is known whether it is right, so that many at once cannot exceed the
    /// limit.
    ///
    /// # Errors
    /// The seconds until the address may guess again.
    pub fn take(&self, address: IpAddr) -> Result<(), u64> {
        let (fits, status) = self.addresses.take(address, self.start.elapsed());
        if fits { Ok(()) } else { Err(status.reset_seconds.max(1)) }
    }

    /// Takes back the count of a guess that was right.
    pub fn give_back(&self, address: IpAddr) {
        self.addresses.give_back(address, self.start.elapsed());
    }
}

/// A limit of what may come from an address, also where requests are not limited.
pub struct AddressLimit {
    start: Instant,
    addresses: Buckets<IpAddr>,
}

impl AddressLimit {
    #[must_use]
    pub fn new(policy: &'static str, limit: RateLimit) -> Self {
        Self { start: Instant::now(), addresses: Buckets::new(policy, limit, CALLERS_MAX) }
    }

    /// Counts what came from an address. Returns whether the limit allows it.
    pub fn take(&self, address: IpAddr) -> bool {
        self.addresses.take(address, self.start.elapsed()).0
    }
}

/// The limits of a server.
pub struct Limits {
    start: Instant,
    merchants: Buckets<MerchantId>,
    addresses: Buckets<IpAddr>,
    bad_tokens: Buckets<IpAddr>,
    pages: Buckets<IpAddr>,
}

impl Limits {
    /// The same limit for each merchant, for each address that asks for tokens or sends bad ones,
    /// and for each that reads pages.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        Self {
            start: Instant::now(),
            merchants: Buckets::new("merchant", limit, CALLERS_MAX),
            addresses: Buckets::new("address", limit, CALLERS_MAX),
            bad_tokens: Buckets::new("bad-tokens", limit, CALLERS_MAX),
            pages: Buckets::new("page", limit, CALLERS_MAX),
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The limit, which is the same for merchants and addresses.
    #[must_use]
    pub const fn limit(&self) -> RateLimit {
        self.merchants.limit
    }

    /// Counts a request of a merchant. Returns whether it is allowed, and the status afterwards.
    #[must_use]
    pub fn take(&self, merchant: MerchantId) -> (bool, LimitStatus) {
        self.merchants.take(merchant, self.now())
    }

    /// Counts a request for a token, by the client's address.
    #[must_use]
    pub fn take_token_request(&self, address: IpAddr) -> (bool, LimitStatus) {
        self.addresses.take(address, self.now())
    }

    /// Counts a request with an invalid token, by the client's address. Token requests are counted
    /// separately: a client whose token expires while it sends many requests must get a new one.
    #[must_use]
    pub fn take_bad_token(&self, address: IpAddr) -> (bool, LimitStatus) {
        self.bad_tokens.take(address, self.now())
    }

    /// Counts a request for a page, by the client's address.
    #[must_use]
    pub fn take_page(&self, address: IpAddr) -> (bool, LimitStatus) {
        self.pages.take(address, self.now())
    }

    /// The status of an address.
    #[must_use]
    pub fn status_of(&self, address: IpAddr) -> LimitStatus {
        self.addresses.status_of(address, self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(requests: u32, seconds: u32, callers_max: usize) -> Buckets<u32> {
        Buckets::new("merchant", RateLimit { requests, seconds }, callers_max)
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn taken(buckets: &Buckets<u32>, caller: u32, now: Duration) -> (bool, u32, u64) {
        let (fits, LimitStatus { remaining, reset_seconds, .. }) = buckets.take(caller, now);
        (fits, remaining, reset_seconds)
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let buckets = buckets(3, 6, 10);
        let begin = ms(1_000);
        assert_eq!(taken(&buckets, 7, begin), (true, 2, 2));
        assert_eq!(taken(&buckets, 7, begin), (true, 1, 2));
        assert_eq!(taken(&buckets, 7, begin), (true, 0, 2));
        assert_eq!(taken(&buckets, 7, begin + ms(500)), (false, 0, 2));
        assert_eq!(taken(&buckets, 8, begin), (true, 2, 2), "another caller has another bucket");
        assert_eq!(taken(&buckets, 7, begin + ms(1_999)), (false, 0, 1));
        assert_eq!(
            taken(&buckets, 7, begin + ms(2_000)),
            (true, 0, 2),
            "what was refused was not counted"
        );
        assert_eq!(
            taken(&buckets, 7, begin + ms(60_000)),
            (true, 2, 2),
            "it never holds more than the limit"
        );
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let buckets = buckets(2, 2, 1);
        for _ in 0..10 {
            assert_eq!(taken(&buckets, 7, ms(0)), (true, 1, 1));
            buckets.give_back(7, ms(0));
        }
        buckets.give_back(7, ms(0));
        let full = |caller| buckets.status_of(caller, ms(0)).remaining;
        assert_eq!(full(7), 2, "it never holds more than the limit");
        // The table has no room for a second caller.
        assert!(buckets.take(8, ms(0)).0);
        buckets.give_back(8, ms(0));
        assert_eq!((full(7), full(8)), (2, 2));
    }

    #[test]
    fn to_look_takes_nothing() {
        let buckets = buckets(2, 2, 10);
        let full = LimitStatus { policy: "merchant", remaining: 2, reset_seconds: 0 };
        assert_eq!((buckets.status_of(7, ms(0)), buckets.status_of(7, ms(0))), (full, full));
        buckets.take(7, ms(0));
        assert_eq!(
            buckets.status_of(7, ms(0)),
            LimitStatus { remaining: 1, reset_seconds: 1, ..full }
        );
        assert_eq!(buckets.status_of(7, ms(1_000)), full);
    }

    #[test]
    fn a_limit_is_exact_whatever_its_numbers() {
        for (requests, seconds) in [(1, 1), (7, 3), (1_000_000, 1), (300_000, 1), (3, 86_400)] {
            let buckets = buckets(requests, seconds, 10);
            let fitting = (0..=requests).filter(|_| buckets.take(7, ms(5)).0).count();
            assert_eq!(u32::try_from(fitting).unwrap(), requests, "{requests}/{seconds}");
        }
    }

    #[test]
    fn the_table_has_an_end() {
        let buckets = buckets(2, 2, 3);
        for caller in 0..3 {
            assert!(buckets.take(caller, ms(5_000)).0);
        }
        let newcomers: Vec<bool> = (3..6).map(|caller| buckets.take(caller, ms(5_000)).0).collect();
        assert_eq!(newcomers, [true, true, false], "newcomers share one bucket");
        assert!(buckets.take(0, ms(5_000)).0, "who has a bucket keeps it");
        assert_eq!(buckets.table.lock().unwrap().full_at.len(), 3);
        // A second later the buckets of 1 and 2 are full, and removed.
        assert!(buckets.take(9, ms(6_000)).0);
        assert_eq!(buckets.table.lock().unwrap().full_at.len(), 2);
    }
}

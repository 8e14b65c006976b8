//! The passcode that a merchant's payouts need, and the count of wrong tries.
//!
//! A try is reserved before it is compared and ended afterwards, each in a transaction, so that
//! guesses at the same moment, at any number of processes, cannot outrun the count. Only what was
//! found wrong locks: right ones at the same moment wait for a place. A right one takes away
//! nothing but its own reservation, so that guesses between the owner's payouts add up.

use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::{ApiKeyId, MerchantId, PasscodeTryId};
use crate::kernel::time::{Timestamp, minutes, seconds};

/// So many wrong ones of an API key,
pub const KEY_TRIES: usize = 5;

/// within so long, lock it out for as long.
pub const KEY_WINDOW_US: i64 = minutes(15);

/// So many wrong ones of all its keys,
pub const MERCHANT_TRIES: usize = 20;

/// within so long, lock the merchant out until an operator lifts that.
pub const MERCHANT_WINDOW_US: i64 = minutes(24 * 60);

/// A reservation that is not ended within this time is of a process that died: it may have told a
/// guesser that it was wrong.
pub const ABANDONED_US: i64 = seconds(30);

/// A try of a passcode: of a right one nothing stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasscodeTry {
    /// Its id.
    pub id: PasscodeTryId,
    /// The API key that tries.
    pub key: ApiKeyId,
    /// Server time: when it was found wrong; else when it was reserved.
    pub at: Timestamp,
    /// Whether it was compared, and wrong.
    pub wrong: bool,
}

impl PasscodeTry {
    /// When it became a wrong one, if it is one.
    pub(crate) fn wrong_at(&self, now: Timestamp) -> Option<Timestamp> {
        let abandoned = self.at.plus(ABANDONED_US);
        match self.wrong {
            true => Some(self.at),
            false => Some(abandoned).filter(|abandoned| now >= *abandoned),
        }
    }
}

/// The tries that still count, or are still compared. There are never more than lock the merchant.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PasscodeTries(pub Vec<PasscodeTry>);

impl PasscodeTries {
    /// When the wrong ones became so, in the order of time.
    fn wrong<'a>(
        &'a self,
        now: Timestamp,
        is_one: impl Fn(&PasscodeTry) -> bool + 'a,
    ) -> Vec<Timestamp> {
        let mut times: Vec<Timestamp> =
            self.0.iter().filter(|one| is_one(one)).filter_map(|one| one.wrong_at(now)).collect();
        times.sort_unstable();
        times
    }

    /// Until when a key is locked out.
    #[must_use]
    pub fn key_locked_until(&self, key: ApiKeyId, now: Timestamp) -> Option<Timestamp> {
        let wrong = self.wrong(now, |one| one.key == key);
        last_of_many(&wrong, KEY_TRIES, KEY_WINDOW_US)
            .map(|last| last.plus(KEY_WINDOW_US))
            .filter(|until| now < *until)
    }

    /// Whether all keys are locked out: for good, because what locks is not forgotten.
    #[must_use]
    pub fn merchant_locked(&self, now: Timestamp) -> bool {
        last_of_many(&self.wrong(now, |_| true), MERCHANT_TRIES, MERCHANT_WINDOW_US).is_some()
    }

    /// Whether wrong ones and those that are being compared leave no place for one more.
    pub(crate) fn full(&self, key: ApiKeyId, now: Timestamp) -> bool {
        let counts = |one: &&PasscodeTry, window: i64| {
            one.wrong_at(now).is_none_or(|at| now < at.plus(window))
        };
        let of_key =
            self.0.iter().filter(|one| one.key == key && counts(one, KEY_WINDOW_US)).count();
        of_key >= KEY_TRIES
            || self.0.iter().filter(|one| counts(one, MERCHANT_WINDOW_US)).count() >= MERCHANT_TRIES
    }

    /// How many wrong ones still count.
    #[must_use]
    pub fn wrong_ones(&self, now: Timestamp) -> usize {
        self.wrong(now, |_| true).into_iter().filter(|at| now < at.plus(MERCHANT_WINDOW_US)).count()
    }

    /// Without the wrong ones that do not count any more.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        self.0.retain(|one| one.wrong_at(now).is_none_or(|at| now < at.plus(MERCHANT_WINDOW_US)));
    }
}

/// The last of the latest `count` that are all within `window`.
fn last_of_many(times: &[Timestamp], count: usize, window: i64) -> Option<Timestamp> {
    let within = |many: &&[Timestamp]| matches!((many.first(), many.last()), (Some(a), Some(z)) if z.since(*a) < window);
    times.windows(count).filter(within).filter_map(|many| many.last().copied()).next_back()
}

/// The passcode of a merchant. The row stays when the passcode is removed, and with it the count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passcode {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// An argon2id hash in PHC format; empty when the passcode was removed.
    pub hash: String,
    /// How many wrong ones counted when the row was written: for whoever looks into the table.
    pub attempts: i64,
    /// Server time until which one of its keys was locked out when the row was written: likewise.
    pub locked_until: Option<Timestamp>,
    /// The tries that count.
    pub tries: PasscodeTries,
    /// Server time, where it was removed and not set again.
    pub removed_at: Option<Timestamp>,
    /// Server time.
    pub updated_at: Timestamp,
}

impl Row for Passcode {
    type Id = MerchantId;
    type AltKey = NoAltKey;

    fn id(&self) -> MerchantId {
        self.merchant_id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

impl Passcode {
    /// The hash to compare with, where one is set.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        Some(self.hash.as_str()).filter(|_| self.removed_at.is_none())
    }

    /// This passcode with other tries.
    pub(crate) fn with(&self, tries: PasscodeTries, now: Timestamp) -> Self {
        let locked = |one: &PasscodeTry| tries.key_locked_until(one.key, now);
        Self {
            attempts: i64::try_from(tries.wrong_ones(now)).unwrap_or(i64::MAX),
            locked_until: tries.0.iter().filter_map(locked).max(),
            tries,
            updated_at: now,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn at(second: i64) -> Timestamp {
        NOW.plus(seconds(second))
    }

    /// PasscodeTries of a key: each with its second, and whether it was found wrong.
    fn tries(key: i64, list: &[(i64, bool)]) -> Vec<PasscodeTry> {
        let of = |(index, (second, wrong)): (usize, &(i64, bool))| PasscodeTry {
            id: PasscodeTryId(1_000 * key + i64::try_from(index).unwrap()),
            key: ApiKeyId(key),
            at: at(*second),
            wrong: *wrong,
        };
        list.iter().enumerate().map(of).collect()
    }

    #[test]
    fn five_within_a_quarter_of_an_hour_lock_their_key_for_as_long() {
        let five = PasscodeTries(tries(
            7,
            &[(0, true), (200, true), (400, true), (600, true), (899, true)],
        ));
        assert_eq!(five.key_locked_until(ApiKeyId(7), at(899)), Some(at(1_799)));
        assert_eq!(five.key_locked_until(ApiKeyId(8), at(899)), None);
        assert_eq!(five.key_locked_until(ApiKeyId(7), at(1_799)), None, "the lock has an end");
        let slow = PasscodeTries(tries(
            7,
            &[(0, true), (200, true), (400, true), (600, true), (900, true)],
        ));
        assert_eq!(slow.key_locked_until(ApiKeyId(7), at(900)), None, "a window slides");
        let four =
            PasscodeTries(tries(7, &[(0, true), (1, true), (2, true), (3, true), (20, false)]));
        assert_eq!(
            four.key_locked_until(ApiKeyId(7), at(20)),
            None,
            "what is being compared does not lock"
        );
        assert!(four.full(ApiKeyId(7), at(20)) && !four.full(ApiKeyId(8), at(20)));
        assert_eq!(
            four.key_locked_until(ApiKeyId(7), at(50)),
            Some(at(950)),
            "what nobody ended counts as wrong"
        );
    }

    #[test]
    fn twenty_of_all_keys_lock_until_they_are_lifted() {
        let mut all = PasscodeTries::default();
        for key in 1..=5 {
            all.0.extend(tries(key, &[(0, true), (1_000, true), (2_000, true), (3_000, true)]));
        }
        assert!(
            all.merchant_locked(at(4_000)) && all.merchant_locked(at(40 * 86_400)),
            "it has no end"
        );
        let last = all.0.pop().unwrap();
        assert!(!all.merchant_locked(at(4_000)) && !all.full(ApiKeyId(9), at(4_000)));
        all.0.push(PasscodeTry { wrong: false, at: at(4_000), ..last });
        assert!(!all.merchant_locked(at(4_010)) && all.full(ApiKeyId(9), at(4_010)));
        // A day later the first five do not count any more.
        all.0.pop();
        all.forget(at(86_400));
        assert_eq!((all.0.len(), all.wrong_ones(at(86_400))), (14, 14));
    }
}

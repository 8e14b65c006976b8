//! The passcode that a merchant's payouts require, and the count of failed attempts.
//!
//! An attempt is reserved before the passcode is compared and finished afterwards, each in its own
//! transaction, so that concurrent guesses at any number of processes cannot outrun the count. Only
//! attempts that were found wrong lock; concurrent right ones wait for a free slot. A right attempt
//! removes only its own reservation, so that guesses made between the owner's payouts add up.

use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::{ApiKeyId, MerchantId, PasscodeTryId};
use crate::kernel::time::{ServerTime, minutes, seconds};

/// This many failed attempts of one API key within [`KEY_WINDOW_US`] lock the key.
pub const KEY_TRIES: usize = 5;

/// The window of [`KEY_TRIES`], and for how long the key is locked, in microseconds.
pub const KEY_WINDOW_US: i64 = minutes(15);

/// This many failed attempts of all keys within [`MERCHANT_WINDOW_US`] lock the merchant until an
/// operator unlocks it.
pub const MERCHANT_TRIES: usize = 20;

/// The window of [`MERCHANT_TRIES`], in microseconds.
pub const MERCHANT_WINDOW_US: i64 = minutes(24 * 60);

/// A reservation that is not finished within this time, in microseconds, counts as a failed attempt:
/// its process died, and may have told a guesser before that the passcode was wrong.
pub const ABANDONED_US: i64 = seconds(30);

/// An attempt that is being compared or failed. One with the right passcode is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasscodeTry {
    pub id: PasscodeTryId,
    pub key: ApiKeyId,
    /// Server time at which it was found wrong, or else reserved.
    pub at: ServerTime,
    /// Whether it was compared and found wrong.
    pub wrong: bool,
}

impl PasscodeTry {
    /// When it failed, if it did: found wrong, or abandoned.
    pub(crate) fn failed_at(&self, now: ServerTime) -> Option<ServerTime> {
        let abandoned = self.at.plus(ABANDONED_US);
        match self.wrong {
            true => Some(self.at),
            false => Some(abandoned).filter(|abandoned| now >= *abandoned),
        }
    }
}

/// The failed attempts that still count, and those that are being compared. There are never more than
/// lock the merchant.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PasscodeTries(pub Vec<PasscodeTry>);

impl PasscodeTries {
    /// When the selected attempts failed, in the order of time.
    fn failure_times<'a>(
        &'a self,
        now: ServerTime,
        selected: impl Fn(&PasscodeTry) -> bool + 'a,
    ) -> Vec<ServerTime> {
        let mut times: Vec<ServerTime> = self
            .0
            .iter()
            .filter(|attempt| selected(attempt))
            .filter_map(|attempt| attempt.failed_at(now))
            .collect();
        times.sort_unstable();
        times
    }

    /// Server time until which a key is locked.
    #[must_use]
    pub fn key_locked_until(&self, key: ApiKeyId, now: ServerTime) -> Option<ServerTime> {
        let failed = self.failure_times(now, |attempt| attempt.key == key);
        end_of_latest_burst(&failed, KEY_TRIES, KEY_WINDOW_US)
            .map(|last| last.plus(KEY_WINDOW_US))
            .filter(|until| now < *until)
    }

    /// Whether all keys are locked. This lasts until an operator unlocks the merchant: outdated
    /// attempts are removed only when one is reserved, and a locked merchant reserves none.
    #[must_use]
    pub fn merchant_locked(&self, now: ServerTime) -> bool {
        let failed = self.failure_times(now, |_| true);
        end_of_latest_burst(&failed, MERCHANT_TRIES, MERCHANT_WINDOW_US).is_some()
    }

    /// Whether failed attempts and those being compared leave no slot for one more: if all that are
    /// being compared turned out wrong, they would lock.
    pub(crate) fn is_full(&self, key: ApiKeyId, now: ServerTime) -> bool {
        let counts = |attempt: &&PasscodeTry, window: i64| {
            attempt.failed_at(now).is_none_or(|at| now < at.plus(window))
        };
        let of_key = self
            .0
            .iter()
            .filter(|attempt| attempt.key == key && counts(attempt, KEY_WINDOW_US))
            .count();
        let of_merchant =
            self.0.iter().filter(|attempt| counts(attempt, MERCHANT_WINDOW_US)).count();
        of_key >= KEY_TRIES || of_merchant >= MERCHANT_TRIES
    }

    /// How many failed attempts still count.
    #[must_use]
    pub fn failed_attempt_count(&self, now: ServerTime) -> usize {
        self.failure_times(now, |_| true)
            .into_iter()
            .filter(|at| now < at.plus(MERCHANT_WINDOW_US))
            .count()
    }

    /// Removes the failed attempts that no longer count.
    pub(crate) fn remove_outdated(&mut self, now: ServerTime) {
        self.0.retain(|attempt| {
            attempt.failed_at(now).is_none_or(|at| now < at.plus(MERCHANT_WINDOW_US))
        });
    }
}

/// The last time of the latest `count` consecutive times that lie within `window` microseconds.
fn end_of_latest_burst(times: &[ServerTime], count: usize, window: i64) -> Option<ServerTime> {
    let is_burst = |run: &&[ServerTime]| matches!((run.first(), run.last()), (Some(first), Some(last)) if last.since(*first) < window);
    times.windows(count).filter(is_burst).filter_map(|run| run.last().copied()).next_back()
}

/// The passcode of a merchant. When the passcode is removed, the row stays with its count of attempts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passcode {
    pub merchant_id: MerchantId,
    /// An argon2id hash in PHC format; empty when the passcode was removed.
    pub hash: String,
    /// How many failed attempts counted when the row was written. For people who read the table:
    /// decisions use `tries`.
    pub attempts: i64,
    /// Server time until which one of its keys was locked when the row was written; likewise only
    /// for people.
    pub locked_until: Option<ServerTime>,
    pub tries: PasscodeTries,
    /// Server time of the removal; `None` while a passcode is set.
    pub removed_at: Option<ServerTime>,
    pub updated_at: ServerTime,
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
    /// `None` where the passcode was removed.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        Some(self.hash.as_str()).filter(|_| self.removed_at.is_none())
    }

    pub(crate) fn with(&self, tries: PasscodeTries, now: ServerTime) -> Self {
        let locked = |attempt: &PasscodeTry| tries.key_locked_until(attempt.key, now);
        Self {
            attempts: i64::try_from(tries.failed_attempt_count(now)).unwrap_or(i64::MAX),
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

    const NOW: ServerTime = ServerTime(1_800_000_000_000_000);

    fn at(second: i64) -> ServerTime {
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
        assert!(four.is_full(ApiKeyId(7), at(20)) && !four.is_full(ApiKeyId(8), at(20)));
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
        assert!(!all.merchant_locked(at(4_000)) && !all.is_full(ApiKeyId(9), at(4_000)));
        all.0.push(PasscodeTry { wrong: false, at: at(4_000), ..last });
        assert!(!all.merchant_locked(at(4_010)) && all.is_full(ApiKeyId(9), at(4_010)));
        // A day later the first five do not count any more.
        all.0.pop();
        all.remove_outdated(at(86_400));
        assert_eq!((all.0.len(), all.failed_attempt_count(at(86_400))), (14, 14));
    }
}

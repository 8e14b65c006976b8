//! The passcode that a merchant's payouts need, and the count of wrong tries.
//!
//! A try is reserved before it is compared and ended afterwards, each in a transaction, so that guesses at the same moment,
//! at any number of processes, cannot outrun the count. Only what was found wrong locks: right ones at the same moment wait
//! for a place. A right one takes away nothing but its own reservation, so that guesses between the owner's payouts add up.

use crate::ids::{ApiKeyId, MerchantId, PasscodeTryId};
use crate::merchant::Merchant;
use crate::mutant;
use crate::refusal::Refusal;
use crate::time::{Timestamp, minutes, seconds};
use crate::workspace::{Stop, NoAltKey, Row, Workspace};

/// So many wrong ones of an API key,
pub const KEY_TRIES: usize = 5;
/// within so long, lock it out for as long.
pub const KEY_WINDOW_US: i64 = minutes(15);
/// So many wrong ones of all its keys,
pub const MERCHANT_TRIES: usize = 20;
/// within so long, lock the merchant out until an operator lifts that.
pub const MERCHANT_WINDOW_US: i64 = minutes(24 * 60);
/// A reservation that is not ended within this time is of a process that died: it may have told a guesser that it was wrong.
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
    fn wrong_at(&self, now: Timestamp) -> Option<Timestamp> {
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
    fn wrong<'a>(&'a self, now: Timestamp, is_one: impl Fn(&PasscodeTry) -> bool + 'a) -> Vec<Timestamp> {
        let mut times: Vec<Timestamp> = self.0.iter().filter(|one| is_one(one)).filter_map(|one| one.wrong_at(now)).collect();
        times.sort_unstable();
        times
    }

    /// Until when a key is locked out.
    #[must_use]
    pub fn key_locked_until(&self, key: ApiKeyId, now: Timestamp) -> Option<Timestamp> {
        let wrong = self.wrong(now, |one| one.key == key);
        last_of_many(&wrong, KEY_TRIES, KEY_WINDOW_US).map(|last| last.plus(KEY_WINDOW_US)).filter(|until| now < *until)
    }

    /// Whether all keys are locked out: for good, because what locks is not forgotten.
    #[must_use]
    pub fn merchant_locked(&self, now: Timestamp) -> bool {
        last_of_many(&self.wrong(now, |_| true), MERCHANT_TRIES, MERCHANT_WINDOW_US).is_some()
    }

    /// Whether wrong ones and those that are being compared leave no place for one more.
    fn full(&self, key: ApiKeyId, now: Timestamp) -> bool {
        let counts = |one: &&PasscodeTry, window: i64| one.wrong_at(now).is_none_or(|at| now < at.plus(window));
        let of_key = self.0.iter().filter(|one| one.key == key && counts(one, KEY_WINDOW_US)).count();
        of_key >= KEY_TRIES || self.0.iter().filter(|one| counts(one, MERCHANT_WINDOW_US)).count() >= MERCHANT_TRIES
    }

    /// How many wrong ones still count.
    #[must_use]
    pub fn wrong_ones(&self, now: Timestamp) -> usize {
        self.wrong(now, |_| true).into_iter().filter(|at| now < at.plus(MERCHANT_WINDOW_US)).count()
    }

    /// Without the wrong ones that do not count any more.
    fn forget(&mut self, now: Timestamp) {
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
    fn with(&self, tries: PasscodeTries, now: Timestamp) -> Self {
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

/// A try that was reserved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasscodeAttempt {
    /// By which it is ended.
    pub id: PasscodeTryId,
    /// What to compare with.
    pub hash: String,
}

/// Sets the passcode, or removes it, whatever was there before: the operator may. A lock falls with it.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn set(id: MerchantId, hash: Option<&str>, work: &mut Workspace, now: Timestamp) -> Result<(), Stop> {
    let merchant = work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?;
    let stored = work.get::<Passcode>(merchant.id)?;
    if stored.is_none() && hash.is_none() {
        return Ok(());
    }
    work.put(written(merchant.id, hash, PasscodeTries::default(), now));
    Ok(())
}

fn written(merchant_id: MerchantId, hash: Option<&str>, tries: PasscodeTries, now: Timestamp) -> Passcode {
    let passcode = Passcode {
        merchant_id,
        hash: hash.unwrap_or_default().to_owned(),
        attempts: 0,
        locked_until: None,
        tries: PasscodeTries::default(),
        removed_at: hash.is_none().then_some(now),
        updated_at: now,
    };
    passcode.with(tries, now)
}

/// Sets the passcode, or removes it, in place of the one whose hash was compared, or where there was none: what was decided by
/// an older one must not overwrite a newer. The count goes on.
///
/// # Errors
/// [`Refusal::PasscodeRequired`], [`Refusal::PasscodeInvalid`].
pub fn replace(
    id: MerchantId,
    replaces: Option<&str>,
    hash: Option<&str>,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<(), Stop> {
    let merchant = work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?;
    let stored = work.get::<Passcode>(merchant.id)?;
    let current = stored.as_ref().and_then(|passcode| passcode.hash());
    match (current, replaces) {
        (Some(_), None) => Err(Refusal::PasscodeRequired.into()),
        (current, replaces) if current != replaces => Err(Refusal::PasscodeInvalid.into()),
        (None, _) if hash.is_none() => Ok(()),
        _ => {
            let tries = stored.map(|stored| stored.tries.clone()).unwrap_or_default();
            work.put(written(merchant.id, hash, tries, now));
            Ok(())
        }
    }
}

/// Lifts every lock: the wrong ones are forgotten, those that are being compared are not.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn unlock(id: MerchantId, work: &mut Workspace, now: Timestamp) -> Result<(), Stop> {
    let merchant = work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?;
    if let Some(passcode) = work.get::<Passcode>(merchant.id)? {
        let under_way = passcode.tries.0.iter().filter(|one| one.wrong_at(now).is_none());
        work.put(passcode.with(PasscodeTries(under_way.copied().collect()), now));
    }
    Ok(())
}

/// Reserves a try before the passcode is compared. `None` when none is set.
///
/// # Errors
/// [`Refusal::PasscodeLocked`], [`Refusal::PasscodeLockedForAll`], [`Refusal::PasscodeBusy`].
pub fn reserve(id: MerchantId, key: ApiKeyId, work: &mut Workspace, now: Timestamp) -> Result<Option<PasscodeAttempt>, Stop> {
    let Some(passcode) = work.get::<Passcode>(id)? else { return Ok(None) };
    let Some(hash) = passcode.hash() else { return Ok(None) };
    let mut tries = passcode.tries.clone();
    if tries.merchant_locked(now) {
        return Err(Refusal::PasscodeLockedForAll.into());
    }
    if let Some(until) = tries.key_locked_until(key, now) {
        // A part of a second is a second, so that the next try is not a moment too early.
        return Err(Refusal::PasscodeLocked { seconds: until.plus(seconds(1) - 1).since(now) / seconds(1) }.into());
    }
    tries.forget(now);
    if tries.full(key, now) {
        return Err(Refusal::PasscodeBusy.into());
    }
    let attempt = PasscodeAttempt { id: PasscodeTryId(work.new_id()?), hash: hash.to_owned() };
    tries.0.push(PasscodeTry { id: attempt.id, key, at: now, wrong: false });
    work.put(passcode.with(tries, now));
    Ok(Some(attempt))
}

/// Ends a try: of a right one nothing stays, a wrong one counts from now on. A command of its own, so that this holds even
/// where the payout is then refused for another reason.
///
/// # Errors
/// None of its own.
pub fn end(id: MerchantId, which: PasscodeTryId, right: bool, work: &mut Workspace, now: Timestamp) -> Result<(), Stop> {
    let Some(passcode) = work.get::<Passcode>(id)? else { return Ok(()) };
    let mut tries = passcode.tries.clone();
    match tries.0.iter_mut().find(|one| one.id == which) {
        // Lifted meanwhile, or ended by the same command before.
        None => return Ok(()),
        Some(_) if right || mutant!(TriesNotCounted) => tries.0.retain(|one| one.id != which),
        Some(one) => (one.at, one.wrong) = (one.wrong_at(now).unwrap_or(now), true),
    }
    work.put(passcode.with(tries, now));
    Ok(())
}

/// Demands that the passcode, where one is set, was compared and found right.
///
/// # Errors
/// [`Refusal::PasscodeRequired`].
pub fn check(id: MerchantId, verified: bool, work: &Workspace) -> Result<(), Stop> {
    let passcode = work.get::<Passcode>(id)?;
    if !verified && passcode.is_some_and(|passcode| passcode.hash().is_some()) {
        return Err(Refusal::PasscodeRequired.into());
    }
    Ok(())
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
        let five = PasscodeTries(tries(7, &[(0, true), (200, true), (400, true), (600, true), (899, true)]));
        assert_eq!(five.key_locked_until(ApiKeyId(7), at(899)), Some(at(1_799)));
        assert_eq!(five.key_locked_until(ApiKeyId(8), at(899)), None);
        assert_eq!(five.key_locked_until(ApiKeyId(7), at(1_799)), None, "the lock has an end");
        let slow = PasscodeTries(tries(7, &[(0, true), (200, true), (400, true), (600, true), (900, true)]));
        assert_eq!(slow.key_locked_until(ApiKeyId(7), at(900)), None, "a window slides");
        let four = PasscodeTries(tries(7, &[(0, true), (1, true), (2, true), (3, true), (20, false)]));
        assert_eq!(four.key_locked_until(ApiKeyId(7), at(20)), None, "what is being compared does not lock");
        assert!(four.full(ApiKeyId(7), at(20)) && !four.full(ApiKeyId(8), at(20)));
        assert_eq!(four.key_locked_until(ApiKeyId(7), at(50)), Some(at(950)), "what nobody ended counts as wrong");
    }

    #[test]
    fn twenty_of_all_keys_lock_until_they_are_lifted() {
        let mut all = PasscodeTries::default();
        for key in 1..=5 {
            all.0.extend(tries(key, &[(0, true), (1_000, true), (2_000, true), (3_000, true)]));
        }
        assert!(all.merchant_locked(at(4_000)) && all.merchant_locked(at(40 * 86_400)), "it has no end");
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

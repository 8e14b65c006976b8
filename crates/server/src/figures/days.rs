//! Sums of payments by day, and how an event changes them.

use std::collections::{BTreeMap, VecDeque};

use domain::kernel::time::{MerchantTime, ServerTime, seconds};
use domain::payments::execution::ExecutionStatus;
use store::reads::figures::{CountedGroup, FigureKey, PaymentChange, PaymentGroup, WITHIN_SECONDS};

/// How many days are kept, today included.
pub const DAYS: i64 = 30;
/// A day is counted in pieces, so that no statement takes long.
pub const PIECES: i64 = 24;

const DAY_US: i64 = seconds(86_400);
const PIECE_US: i64 = DAY_US / PIECES;

/// What became of payments that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sums {
    pub count: i64,
    pub completed: i64,
    pub failed: i64,
    /// Of those that completed, in minor units.
    pub amount: i128,
    pub platform_fee: i128,
    pub gateway_fee: i128,
    pub fx_fee: i128,
    /// How many completed within each of [`WITHIN_SECONDS`] and not within a shorter one; the last
    /// number is that of those that took longer.
    pub within: [i64; WITHIN_SECONDS.len() + 1],
}

impl Sums {
    pub const NONE: Self = Self {
        count: 0,
        completed: 0,
        failed: 0,
        amount: 0,
        platform_fee: 0,
        gateway_fee: 0,
        fx_fee: 0,
        within: [0; WITHIN_SECONDS.len() + 1],
    };

    /// Those that are not final yet.
    #[must_use]
    pub const fn open(&self) -> i64 {
        self.count - self.completed - self.failed
    }

    #[must_use]
    pub const fn fees(&self) -> i128 {
        self.platform_fee + self.gateway_fee + self.fx_fee
    }

    /// Adds payments that have reached a final state.
    fn finish(&mut self, outcome: ExecutionStatus, group: &PaymentGroup) {
        match outcome {
            ExecutionStatus::Completed => {
                self.completed += group.count;
                self.amount += group.amount;
                self.platform_fee += group.platform_fee;
                self.gateway_fee += group.gateway_fee;
                self.fx_fee += group.fx_fee;
                if let Some(times) = self.within.get_mut(group.within) {
                    *times += group.count;
                }
            }
            ExecutionStatus::Failed => self.failed += group.count,
            ExecutionStatus::Pending | ExecutionStatus::Processing => {}
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.completed += other.completed;
        self.failed += other.failed;
        self.amount += other.amount;
        self.platform_fee += other.platform_fee;
        self.gateway_fee += other.gateway_fee;
        self.fx_fee += other.fx_fee;
        for (sum, more) in self.within.iter_mut().zip(other.within) {
            *sum += more;
        }
    }

    /// The shortest of [`WITHIN_SECONDS`] within which so many of a hundred completed, counted up.
    #[must_use]
    pub fn within_for(&self, percent: i64) -> Within {
        let all: i64 = self.within.iter().sum();
        if all == 0 {
            return Within::Nothing;
        }
        let mut so_far = 0;
        for (count, bound) in self.within.iter().zip(WITHIN_SECONDS) {
            so_far += count;
            if i128::from(so_far) * 100 >= i128::from(all) * i128::from(percent) {
                return Within::Seconds(bound);
            }
        }
        Within::Longer
    }
}

/// Within which time payments completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Within {
    /// None has.
    Nothing,
    Seconds(i64),
    /// Longer than all of [`WITHIN_SECONDS`].
    Longer,
}

pub type SumsByKey = BTreeMap<FigureKey, Sums>;

/// A day, in pieces.
#[derive(Clone, Debug)]
struct Day {
    /// The position of the last event that each piece was counted with; `None` while a piece is not
    /// counted yet.
    counted: Vec<Option<i64>>,
    sums: SumsByKey,
}

impl Day {
    fn new() -> Self {
        Self { counted: (0..PIECES).map(|_| None).collect(), sums: SumsByKey::new() }
    }
}

/// The sums of the last days of a merchant.
#[derive(Clone, Debug)]
pub struct Days {
    /// The number of the first day, counted from 1970.
    first: i64,
    days: VecDeque<Day>,
}

/// A piece of a day that is to be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    pub from: MerchantTime,
    pub until: MerchantTime,
}

impl Days {
    /// No day is counted yet. `today` is the number of the last one.
    #[must_use]
    pub fn new(today: i64) -> Self {
        Self { first: today - DAYS + 1, days: (0..DAYS).map(|_| Day::new()).collect() }
    }

    /// Lets days go and come, so that the last one is `today`.
    pub fn roll(&mut self, today: i64) {
        let first = today - DAYS + 1;
        // A clock that was put back, or far ahead: nothing of what is there is of use.
        if first < self.first || first >= self.first + DAYS {
            *self = Self::new(today);
            return;
        }
        while self.first < first {
            self.days.pop_front();
            self.days.push_back(Day::new());
            self.first += 1;
        }
    }

    /// The pieces of a day that are not counted yet, if any are: the newest day comes first.
    #[must_use]
    pub fn next_to_count(&self) -> Option<Vec<Piece>> {
        let is_missing = |day: &Day| day.counted.iter().any(Option::is_none);
        let (place, day) = self.days.iter().enumerate().rev().find(|(_, day)| is_missing(day))?;
        let start = (self.first + i64::try_from(place).unwrap_or(0)) * DAY_US;
        let missing = day.counted.iter().zip(0..).filter(|(counted, _)| counted.is_none());
        let piece = |nth: i64| {
            let from = MerchantTime(start + nth * PIECE_US);
            Piece { from, until: from.plus(PIECE_US) }
        };
        Some(missing.map(|(_, nth)| piece(nth)).collect())
    }

    /// The day and the place of the piece that a payment of this time belongs to.
    fn place(&mut self, at: MerchantTime) -> Option<(&mut Day, usize)> {
        let day = usize::try_from(at.0.div_euclid(DAY_US) - self.first).ok()?;
        let piece = usize::try_from(at.0.rem_euclid(DAY_US) / PIECE_US).ok()?;
        self.days.get_mut(day).map(|day| (day, piece))
    }

    /// Takes what was counted of a piece. `known` is the position of an event that was there before
    /// it was counted, for a piece without payments.
    pub fn count(&mut self, piece: Piece, groups: &[CountedGroup], known: i64) {
        let Some((day, place)) = self.place(piece.from) else { return };
        let position = groups.first().map_or(known, |found| found.position);
        if let Some(counted) = day.counted.get_mut(place) {
            *counted = Some(position);
        }
        for CountedGroup { group, .. } in groups {
            let sums = day.sums.entry(group.key).or_insert(Sums::NONE);
            sums.count += group.count;
            sums.finish(group.status, group);
        }
    }

    /// Takes an event at a position. What was counted with it already is left as it is, and so is
    /// what will be counted with it.
    pub fn apply(&mut self, position: i64, change: &PaymentChange) {
        let Some((day, place)) = self.place(change.created_at) else { return };
        let counted = day.counted.get(place).copied().flatten();
        if counted.is_none_or(|counted| position <= counted) {
            return;
        }
        let sums = day.sums.entry(change.payment.key).or_insert(Sums::NONE);
        if change.is_first {
            sums.count += 1;
        }
        if let Some(outcome) = change.outcome {
            sums.finish(outcome, &change.payment);
        }
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self, as_of: ServerTime) -> Snapshot {
        let days = self.days.iter().zip(self.first..).map(|(day, number)| {
            let is_counted = day.counted.iter().all(Option::is_some);
            DayFigures {
                day: MerchantTime(number * DAY_US),
                sums: is_counted.then(|| day.sums.clone()),
            }
        });
        Snapshot { as_of, days: days.collect() }
    }
}

/// A day's figures.
#[derive(Clone, Debug)]
pub struct DayFigures {
    /// Its midnight in UTC.
    pub day: MerchantTime,
    /// `None` while they are not counted yet.
    pub sums: Option<SumsByKey>,
}

/// The figures of the last [`DAYS`] days, the oldest first.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// All that was committed before is in them.
    pub as_of: ServerTime,
    pub days: Vec<DayFigures>,
}

impl Snapshot {
    /// Today's figures; `None` while they are not counted yet.
    #[must_use]
    pub fn today(&self) -> Option<&SumsByKey> {
        self.days.last().and_then(|day| day.sums.as_ref())
    }

    /// Those of all days together; `None` while not all are counted.
    #[must_use]
    pub fn total(&self) -> Option<SumsByKey> {
        let mut total = SumsByKey::new();
        for day in &self.days {
            for (key, sums) in day.sums.as_ref()? {
                total.entry(*key).or_insert(Sums::NONE).add(sums);
            }
        }
        Some(total)
    }
}

/// The sum of those that fit.
#[must_use]
pub fn sum_of(sums: &SumsByKey, fits: impl Fn(&FigureKey) -> bool) -> Sums {
    let mut total = Sums::NONE;
    for (_, found) in sums.iter().filter(|(key, _)| fits(key)) {
        total.add(found);
    }
    total
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;
    use domain::kernel::names::{Method, Operation};

    use super::*;

    const TODAY: i64 = 20_000;
    const NOON: MerchantTime = MerchantTime(TODAY * DAY_US + DAY_US / 2);

    fn one(status: ExecutionStatus) -> PaymentGroup {
        let key = FigureKey {
            operation: Operation::Collection,
            method: Method::MTN_MOMO_LBR,
            currency: Currency::USD,
            fee_currency: Currency::USD,
        };
        let (count, amount, platform_fee) = (1, 10_300, 300);
        let within = if status == ExecutionStatus::Completed { 2 } else { WITHIN_SECONDS.len() };
        let (gateway_fee, fx_fee) = (0, 0);
        PaymentGroup { key, status, within, count, amount, platform_fee, gateway_fee, fx_fee }
    }

    fn change(status: ExecutionStatus, is_first: bool) -> PaymentChange {
        let outcome = Some(status).filter(|status| status.is_final());
        PaymentChange { created_at: NOON, is_first, outcome, payment: one(status) }
    }

    /// All of it counted at this position, with a payment of each of these states at noon.
    fn counted(position: i64, at_noon: &[ExecutionStatus]) -> Days {
        let mut days = Days::new(TODAY);
        while let Some(pieces) = days.next_to_count() {
            for piece in pieces {
                let is_noon = piece.from <= NOON && NOON < piece.until;
                let found = at_noon.iter().filter(|_| is_noon);
                let groups: Vec<_> =
                    found.map(|status| CountedGroup { position, group: one(*status) }).collect();
                days.count(piece, &groups, position);
            }
        }
        days
    }

    fn total(days: &Days) -> Sums {
        sum_of(&days.snapshot(ServerTime(0)).total().unwrap(), |_| true)
    }

    #[test]
    fn the_newest_day_is_counted_first_and_all_of_them_once() {
        let mut days = Days::new(TODAY);
        assert!(days.snapshot(ServerTime(0)).today().is_none());
        let pieces = days.next_to_count().unwrap();
        assert_eq!(pieces.len(), 24);
        assert_eq!(pieces[0].from, MerchantTime(TODAY * DAY_US));
        assert_eq!(pieces[23].until, MerchantTime((TODAY + 1) * DAY_US));
        for piece in pieces {
            days.count(piece, &[], 0);
        }
        let snapshot = days.snapshot(ServerTime(0));
        assert!(snapshot.today().is_some() && snapshot.total().is_none());
        let before = days.next_to_count().unwrap();
        assert_eq!(before[0].from, MerchantTime((TODAY - 1) * DAY_US));
        assert_eq!(counted(0, &[]).next_to_count(), None);
    }

    #[test]
    fn an_event_counts_once() {
        use ExecutionStatus::{Completed, Failed, Processing};
        let mut days = counted(7, &[Processing]);
        // It was counted with these.
        days.apply(6, &change(Completed, true));
        days.apply(7, &change(Completed, false));
        assert_eq!((total(&days).count, total(&days).completed), (1, 0));
        days.apply(8, &change(Completed, false));
        days.apply(9, &change(Processing, true));
        days.apply(10, &change(Failed, true));
        let sums = total(&days);
        assert_eq!((sums.count, sums.completed, sums.failed, sums.open()), (3, 1, 1, 1));
        assert_eq!((sums.amount, sums.fees()), (10_300, 300));
        // The same, counted afterwards.
        assert_eq!(total(&counted(10, &[Completed, Processing, Failed])), sums);
        // A payment of another time is none of these.
        let old = PaymentChange { created_at: MerchantTime(0), ..change(Completed, true) };
        days.apply(11, &old);
        assert_eq!(total(&days), sums);
    }

    #[test]
    fn a_day_that_is_not_counted_yet_takes_no_events() {
        let mut days = counted(7, &[]);
        days.roll(TODAY + 1);
        let tomorrow = NOON.plus(DAY_US);
        let new = |position, days: &mut Days| {
            let change = change(ExecutionStatus::Completed, true);
            days.apply(position, &PaymentChange { created_at: tomorrow, ..change });
        };
        new(8, &mut days);
        for piece in days.next_to_count().unwrap() {
            let is_noon = piece.from <= tomorrow && tomorrow < piece.until;
            let group = CountedGroup { position: 9, group: one(ExecutionStatus::Completed) };
            let groups = if is_noon { vec![group] } else { vec![] };
            days.count(piece, &groups, 8);
        }
        assert_eq!(total(&days).completed, 1);
        new(9, &mut days);
        assert_eq!(total(&days).completed, 1);
        new(10, &mut days);
        assert_eq!(total(&days).completed, 2);
    }

    #[test]
    fn days_go_and_come() {
        let mut days = counted(1, &[ExecutionStatus::Completed]);
        days.roll(TODAY);
        assert_eq!(days.next_to_count(), None);
        days.roll(TODAY + 29);
        let kept = |days: &Days| days.days.iter().filter(|day| !day.sums.is_empty()).count();
        assert_eq!(kept(&days), 1);
        days.roll(TODAY + 30);
        assert_eq!(kept(&days), 0);
        let snapshot = days.snapshot(ServerTime(0));
        assert_eq!(snapshot.days.len(), 30);
        assert_eq!(snapshot.days[29].day, MerchantTime((TODAY + 30) * DAY_US));
        // A clock that was put back: nothing is taken for what it is not.
        let mut back = counted(1, &[ExecutionStatus::Completed]);
        back.roll(TODAY - 1);
        assert!(back.next_to_count().is_some());
        assert_eq!(back.snapshot(ServerTime(0)).days[29].day, MerchantTime((TODAY - 1) * DAY_US));
    }

    #[test]
    fn times_are_told_by_the_first_that_suffices() {
        let mut sums = Sums::NONE;
        assert_eq!(sums.within_for(50), Within::Nothing);
        sums.within[0] = 50;
        sums.within[3] = 45;
        sums.within[36] = 5;
        assert_eq!(sums.within_for(50), Within::Seconds(1));
        assert_eq!(sums.within_for(51), Within::Seconds(5));
        assert_eq!(sums.within_for(95), Within::Seconds(5));
        assert_eq!(sums.within_for(96), Within::Longer);
    }
}

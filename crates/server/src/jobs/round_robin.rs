//! Round robin over merchants: each has its share of a round, so that nobody waits behind another
//! merchant's crowd.

use domain::kernel::ids::MerchantId;

/// How many merchants are read for one round.
pub const MERCHANTS_PER_ROUND: u32 = 1_000;

/// The position from which the next round goes on. It reaches every merchant, however much work the
/// first ones have.
pub struct RoundRobin {
    after: MerchantId,
}

/// Whose work is done in a round.
#[derive(PartialEq, Eq, Debug)]
pub struct Round {
    pub merchants: Vec<MerchantId>,
    /// The most items of each merchant.
    pub share: u32,
}

impl Default for RoundRobin {
    /// Begins with the first merchant.
    fn default() -> Self {
        Self { after: MerchantId(0) }
    }
}

impl RoundRobin {
    /// The next round is over merchants with ids above this one, up to [`MERCHANTS_PER_ROUND`].
    #[must_use]
    pub const fn after(&self) -> MerchantId {
        self.after
    }

    /// Divides `capacity`, in items, among the merchants that were `seen` with something due.
    pub fn next_round<Id>(&mut self, seen: &[(MerchantId, Option<Id>)], capacity: u32) -> Round {
        let due = seen.iter().filter(|(_, first)| first.is_some()).map(|(merchant, _)| *merchant);
        let mut merchants: Vec<MerchantId> = due.collect();
        let wanted = merchants.len();
        merchants.truncate(usize::try_from(capacity).unwrap_or(usize::MAX));
        let is_full = u32::try_from(seen.len()).unwrap_or(u32::MAX) >= MERCHANTS_PER_ROUND;
        self.after = match (merchants.last(), seen.last()) {
            // Nobody is served: the same merchants are tried again.
            _ if capacity == 0 => self.after,
            // Some found no capacity: they are the first of the next round.
            (Some(last), _) if merchants.len() < wanted => *last,
            // There may be more merchants than were read.
            (_, Some((last, _))) if is_full => *last,
            _ => MerchantId(0),
        };
        let share = capacity / u32::try_from(merchants.len()).unwrap_or(u32::MAX).max(1);
        Round { merchants, share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(due: &[bool]) -> Vec<(MerchantId, Option<()>)> {
        (1..).zip(due).map(|(id, due)| (MerchantId(id), due.then_some(()))).collect()
    }

    fn served(ids: impl IntoIterator<Item = i64>, share: u32) -> Round {
        Round { merchants: ids.into_iter().map(MerchantId).collect(), share }
    }

    #[test]
    fn each_has_its_share() {
        let mut turns = RoundRobin::default();
        assert_eq!(turns.next_round(&seen(&[]), 100), served([], 100));
        assert_eq!(turns.next_round(&seen(&[true]), 100), served([1], 100));
        assert_eq!(turns.next_round(&seen(&[true, false, true, true]), 100), served([1, 3, 4], 33));
        assert_eq!(turns.after(), MerchantId(0));
    }

    #[test]
    fn who_finds_no_place_is_served_next() {
        let mut turns = RoundRobin::default();
        let all = [true; 5];
        assert_eq!(turns.next_round(&seen(&all), 2), served([1, 2], 1));
        let mut left = seen(&all);
        left.retain(|(id, _)| *id > turns.after());
        assert_eq!(turns.next_round(&left, 2), served([3, 4], 1));
        left.retain(|(id, _)| *id > turns.after());
        assert_eq!(turns.next_round(&left, 2), served([5], 2));
        assert_eq!(turns.next_round(&seen(&all), 0), served([], 0));
        assert_eq!(turns.after(), MerchantId(0), "without places nobody's turn is over");
    }

    #[test]
    fn a_look_comes_to_all_merchants() {
        let mut turns = RoundRobin::default();
        let many = usize::try_from(MERCHANTS_PER_ROUND).unwrap();
        turns.next_round(&seen(&vec![false; many]), 100);
        assert_eq!(turns.after(), MerchantId(MERCHANTS_PER_ROUND.into()));
        turns.next_round(&seen(&[false, true]), 100);
        assert_eq!(turns.after(), MerchantId(0));
    }
}

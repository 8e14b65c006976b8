//! Whose turn it is. What is due is looked up merchant by merchant and each has its share, so that
//! nobody waits behind another's crowd.

use domain::kernel::ids::MerchantId;

/// So many merchants are looked at in one go.
pub const MERCHANTS: u32 = 1_000;

/// Where the next look begins. It comes round to everybody, however much the first have.
pub struct Turns {
    after: MerchantId,
}

/// Who is served now.
#[derive(PartialEq, Eq, Debug)]
pub struct Served {
    /// Whose turn it is.
    pub merchants: Vec<MerchantId>,
    /// How much of each.
    pub share: u32,
}

impl Default for Turns {
    /// From the first merchant on.
    fn default() -> Self {
        Self { after: MerchantId(0) }
    }
}

impl Turns {
    /// Those above this are to be looked at, [`MERCHANTS`] of them.
    #[must_use]
    pub const fn after(&self) -> MerchantId {
        self.after
    }

    /// Deals out the places there are among those merchants who were `seen` with something due.
    pub fn deal<Id>(&mut self, seen: &[(MerchantId, Option<Id>)], places: u32) -> Served {
        let due = seen.iter().filter(|(_, first)| first.is_some()).map(|(merchant, _)| *merchant);
        let mut merchants: Vec<MerchantId> = due.collect();
        let wanted = merchants.len();
        merchants.truncate(usize::try_from(places).unwrap_or(usize::MAX));
        let full = u32::try_from(seen.len()).unwrap_or(u32::MAX) >= MERCHANTS;
        self.after = match (merchants.last(), seen.last()) {
            _ if places == 0 => self.after,
            (Some(last), _) if merchants.len() < wanted => *last,
            (_, Some((last, _))) if full => *last,
            _ => MerchantId(0),
        };
        let share = places / u32::try_from(merchants.len()).unwrap_or(u32::MAX).max(1);
        Served { merchants, share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(due: &[bool]) -> Vec<(MerchantId, Option<()>)> {
        (1..).zip(due).map(|(id, due)| (MerchantId(id), due.then_some(()))).collect()
    }

    fn served(ids: impl IntoIterator<Item = i64>, share: u32) -> Served {
        Served { merchants: ids.into_iter().map(MerchantId).collect(), share }
    }

    #[test]
    fn each_has_its_share() {
        let mut turns = Turns::default();
        assert_eq!(turns.deal(&seen(&[]), 100), served([], 100));
        assert_eq!(turns.deal(&seen(&[true]), 100), served([1], 100));
        assert_eq!(turns.deal(&seen(&[true, false, true, true]), 100), served([1, 3, 4], 33));
        assert_eq!(turns.after(), MerchantId(0));
    }

    #[test]
    fn who_finds_no_place_is_served_next() {
        let mut turns = Turns::default();
        let all = [true; 5];
        assert_eq!(turns.deal(&seen(&all), 2), served([1, 2], 1));
        let mut left = seen(&all);
        left.retain(|(id, _)| *id > turns.after());
        assert_eq!(turns.deal(&left, 2), served([3, 4], 1));
        left.retain(|(id, _)| *id > turns.after());
        assert_eq!(turns.deal(&left, 2), served([5], 2));
        assert_eq!(turns.deal(&seen(&all), 0), served([], 0));
        assert_eq!(turns.after(), MerchantId(0), "without places nobody's turn is over");
    }

    #[test]
    fn a_look_comes_to_all_merchants() {
        let mut turns = Turns::default();
        let many = usize::try_from(MERCHANTS).unwrap();
        turns.deal(&seen(&vec![false; many]), 100);
        assert_eq!(turns.after(), MerchantId(MERCHANTS.into()));
        turns.deal(&seen(&[false, true]), 100);
        assert_eq!(turns.after(), MerchantId(0));
    }
}

//! Changes of the tariff: what they do to prices, and when they are refused.

use domain::decision::command::Output;
use domain::kernel::names::Operation;
use domain::kernel::refusal::Subject;
use domain::tariff::set_platform_fee::SetPlatformFee;
use domain::tariff::set_rate::SetRate;

use super::figures::Prices;
use super::model::{Mismatch, Model};
use super::{Observed, first, output};

/// A price that an operator changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Price {
    Lrd,
    Rwf,
    Collecting,
    PayingOut,
}

/// Fees and rates with the times from which they hold.
#[derive(Clone, Default)]
pub struct PriceList(Vec<(i64, Price, i128)>);

impl PriceList {
    /// The prices that hold at a time: of each those that began last.
    pub fn at(&self, now: i64) -> Prices {
        Self::of(&self.0, now)
    }

    /// The same without the last changes, the fewest first: for whoever has read the tariff before
    /// them.
    pub fn before_last_changes(&self, now: i64) -> impl Iterator<Item = Prices> {
        (0..self.0.len()).rev().map(move |count| Self::of(self.0.get(..count).unwrap_or(&[]), now))
    }

    fn of(changes: &[(i64, Price, i128)], now: i64) -> Prices {
        let last = |price: Price, first: i128| {
            let begun = changes.iter().filter(|(since, of, _)| *since <= now && *of == price);
            begun.max_by_key(|(since, ..)| *since).map_or(first, |(.., value)| *value)
        };
        let first = Prices::FIRST;
        Prices {
            lrd: last(Price::Lrd, first.lrd),
            rwf: last(Price::Rwf, first.rwf),
            collecting: last(Price::Collecting, first.collecting),
            paying_out: last(Price::PayingOut, first.paying_out),
        }
    }
}

/// When something is open, of which no two periods overlap.
#[derive(Default)]
pub struct Periods(Vec<(i64, Option<i64>)>);

impl Periods {
    fn is_open(&self, now: i64) -> bool {
        self.0.iter().any(|period| holds(*period, now))
    }

    fn next(&self, now: i64) -> Option<i64> {
        self.0.iter().map(|(from, _)| *from).filter(|from| *from > now).min()
    }

    fn end(&mut self, now: i64) {
        self.0.iter_mut().filter(|period| holds(**period, now)).for_each(|(_, to)| *to = Some(now));
    }

    fn begin(&mut self, now: i64) {
        self.end(now);
        self.0.push((now, self.next(now)));
    }
}

fn holds((from, to): (i64, Option<i64>), now: i64) -> bool {
    from <= now && to.is_none_or(|to| now < to)
}

impl Model {
    fn price_changed(&mut self, price: Price, value: i128, now: i64) {
        self.prices.0.push((now, price, value));
        self.dependencies_version += 1;
    }

    pub(super) fn platform_fee_set(
        &mut self,
        new: &SetPlatformFee,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let unknown = new.tier != "default";
        if observed.check_acceptance(first(&[(unknown, (Subject::Tariff, "tariff"))]))? {
            let price = if new.operation == Operation::Collection {
                Price::Collecting
            } else {
                Price::PayingOut
            };
            self.price_changed(price, i128::from(new.fee.percentage_ppm / 100), observed.now);
        }
        Ok(())
    }

    pub(super) fn rate_set(
        &mut self,
        new: &SetRate,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])? {
            let (num, den) = (i128::from(new.rate.num()), i128::from(new.rate.den()));
            let (other, num, den) =
                if new.from.code() == "USD" { (new.to, num, den) } else { (new.from, den, num) };
            // In tenths of the minor units that a US cent is worth: a franc has no cents.
            if other.code() == "LRD" {
                self.price_changed(Price::Lrd, num * 10 / den, observed.now);
            } else {
                self.price_changed(Price::Rwf, num / (den * 10), observed.now);
            }
        }
        Ok(())
    }

    pub(super) fn unused_market_opened(&mut self, observed: Observed<'_>) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])? {
            let was_open = output!(observed, Output::OpenMarket(opened) => opened.was_open);
            if was_open != self.unused_market.is_open(observed.now) {
                return Err(format!("was open: {was_open}"));
            }
            if !was_open {
                self.unused_market.begin(observed.now);
            }
        }
        Ok(())
    }

    pub(super) fn unused_market_closed(&mut self, observed: Observed<'_>) -> Result<(), Mismatch> {
        let closed = !self.unused_market.is_open(observed.now);
        if observed.check_acceptance(first(&[(closed, (Subject::Tariff, "tariff"))]))? {
            self.unused_market.end(observed.now);
            let again = output!(observed, Output::CloseMarket(again) => again);
            return check_again(again.map(|at| at.0), self.unused_market.next(observed.now));
        }
        Ok(())
    }

    pub(super) fn unused_prefix_assigned(
        &mut self,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])? {
            self.unused_prefix.begin(observed.now);
        }
        Ok(())
    }

    pub(super) fn unused_prefix_ended(&mut self, observed: Observed<'_>) -> Result<(), Mismatch> {
        let nobodys = !self.unused_prefix.is_open(observed.now);
        if observed.check_acceptance(first(&[(nobodys, (Subject::Tariff, "tariff"))]))? {
            self.unused_prefix.end(observed.now);
            let again = output!(observed, Output::EndPhonePrefix(again) => again);
            return check_again(again.map(|at| at.0), self.unused_prefix.next(observed.now));
        }
        Ok(())
    }
}

fn check_again(seen: Option<i64>, expected: Option<i64>) -> Result<(), Mismatch> {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("again at {seen:?} instead of {expected:?}"))
    }
}

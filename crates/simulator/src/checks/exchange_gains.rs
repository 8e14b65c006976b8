//! Nobody gains by exchanging currencies inside the platform: not even a merchant and its own party
//! who pay each other back and forth in two currencies, and refund it.

use std::sync::Arc;

use domain::kernel::currency::Currency;
use domain::kernel::ids::MerchantId;
use domain::kernel::money::{Money, Ratio};
use domain::kernel::names::{Operation, Provider};
use domain::payments::execution::{Execution, ExecutionStatus};

use super::{CheckResult, rule};
use crate::db::{Commit, Map};

/// Two currencies, and how many of the second one of the first is worth.
type Pair = (Currency, Currency, Ratio);

/// What each merchant and its parties together have gained with each pair, in fractions of a minor
/// unit.
#[derive(Default)]
pub struct ExchangeGains {
    gained: Map<(MerchantId, Pair), i128>,
}

impl ExchangeGains {
    /// Adds the exchanges that a commit has completed.
    pub fn observe(&mut self, commit: &Commit) -> CheckResult {
        let done = |(before, after): &&(Option<Arc<Execution>>, Arc<Execution>)| {
            let was_done =
                before.as_ref().is_some_and(|row| row.status == ExecutionStatus::Completed);
            let exchanged = after.payer.currency != after.payee.currency
                && after.provider == Provider::Platform;
            exchanged && after.status == ExecutionStatus::Completed && !was_done
        };
        commit.changes.executions.iter().filter(done).try_for_each(|(_, row)| self.completed(row))
    }

    fn completed(&mut self, row: &Execution) -> CheckResult {
        // The merchant and its parties are both payee and payer.
        let (came, left) = (row.payee, row.payer);
        // The rate is from the currency of the merchant's wallet to the other.
        let (inside, outside) = match row.operation() {
            Operation::Collection => (row.payee.currency, row.payer.currency),
            _ => (row.payer.currency, row.payee.currency),
        };
        let Some((first, second, rate)) = pair(inside, outside, row.rate) else { return Ok(()) };
        let worth = |money: Money| {
            let (of, by) =
                if money.currency == first { (second, rate.num()) } else { (first, rate.den()) };
            i128::from(money.minor) * i128::from(by) * i128::from(of.minor_per_major())
        };
        let gained = self.gained.entry((row.merchant_id, (first, second, rate))).or_default();
        *gained += worth(came) - worth(left);
        let gained = *gained;
        rule(gained <= 0, "a circle gains", || format!("{gained} parts with {row:?}"))
    }
}

/// Puts a rate and its inverse into the same order of currencies.
fn pair(from: Currency, to: Currency, rate: Ratio) -> Option<Pair> {
    if from < to { Some((from, to, rate)) } else { rate.inverse().map(|rate| (to, from, rate)) }
}

//! Whether anybody gains by exchange inside the house: a merchant and its own party, who pay each
//! other in two currencies as often as they like, and give it back.

use std::sync::Arc;

use domain::kernel::currency::Currency;
use domain::kernel::ids::MerchantId;
use domain::kernel::money::{Money, Ratio};
use domain::kernel::names::{Operation, Provider};
use domain::payments::execution::{Execution, ExecutionStatus};

use super::{Checked, rule};
use crate::db::{Commit, Map};

/// Two currencies at a rate: one of the first is so many of the second.
type Pair = (Currency, Currency, Ratio);

/// What a merchant and its parties have made of each pair together, in parts of a minor unit.
#[derive(Default)]
pub struct Circles {
    gained: Map<(MerchantId, Pair), i128>,
}

impl Circles {
    /// Takes in what a commit has completed.
    pub fn observe(&mut self, commit: &Commit) -> Checked {
        let done = |(before, after): &&(Option<Arc<Execution>>, Arc<Execution>)| {
            let was_done =
                before.as_ref().is_some_and(|row| row.status == ExecutionStatus::Completed);
            let exchanged = after.payer.currency != after.payee.currency
                && after.provider == Provider::Platform;
            exchanged && after.status == ExecutionStatus::Completed && !was_done
        };
        commit.changes.executions.iter().filter(done).try_for_each(|(_, row)| self.completed(row))
    }

    fn completed(&mut self, row: &Execution) -> Checked {
        // What came into the household's wallets, and what left them: it is both payer and payee.
        let (came, left) = (row.payee, row.payer);
        // The rate is that of what the merchant's wallet has.
        let (inside, outside) = match row.operation {
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

/// A rate and its inverse are one.
fn pair(from: Currency, to: Currency, rate: Ratio) -> Option<Pair> {
    if from < to { Some((from, to, rate)) } else { rate.inverse().map(|rate| (to, from, rate)) }
}

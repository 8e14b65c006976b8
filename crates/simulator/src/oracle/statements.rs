//! What must be found in the statements of networks, and what must be booked of them: from what the
//! networks have moved, and from what their statements tell of it.

use std::collections::{BTreeMap, BTreeSet};

use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::ledger::account::AccountKind;
use domain::reconciliation::difference::DifferenceKind;
use domain::reconciliation::reported::{LineKind, ReportedLine};

use super::model::Model;
use crate::providers::Movement;
use crate::statements::Told;

const DAY: i64 = 86_400_000_000;

/// A difference, as it must be found: with both sides in minor units.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Expected {
    pub account: i64,
    pub kind: &'static str,
    pub execution: Option<i64>,
    pub ours: Option<(Currency, i64)>,
    pub theirs: Option<(Currency, i64)>,
}

/// A payment: what its network has moved, and what it tells of it.
#[derive(Default)]
struct Payment<'a> {
    moved: Vec<&'a Movement>,
    told: Vec<&'a ReportedLine>,
}

/// What the networks have moved, and what they tell, by payment.
pub struct Comparison<'a> {
    model: &'a Model,
    payments: BTreeMap<i64, Payment<'a>>,
    /// Lines of no payment.
    others: Vec<&'a Told>,
}

const fn of(line: &ReportedLine) -> (Currency, i64) {
    (line.amount.currency, line.amount.minor)
}

impl<'a> Comparison<'a> {
    pub fn new(model: &'a Model, movements: &'a [Movement], told: &'a [Told]) -> Self {
        let mut payments: BTreeMap<i64, Payment<'a>> = BTreeMap::new();
        let is_real = |account: NetworkAccountId| model.contracts.contains_key(&account.0);
        for movement in movements.iter().filter(|movement| is_real(movement.account)) {
            payments.entry(movement.execution.0).or_default().moved.push(movement);
        }
        for told in told {
            if let Some(execution) = told.execution {
                payments.entry(execution.0).or_default().told.push(&told.line);
            }
        }
        let others = told.iter().filter(|told| told.execution.is_none()).collect();
        Self { model, payments, others }
    }

    /// Payments of which money of another currency than theirs was moved. The ledger has it booked as
    /// what it is, and whether a line of it is a difference depends on the lines beside it.
    pub fn in_other_currency(&self) -> BTreeSet<i64> {
        let is_other = |(id, payment): &(&i64, &Payment<'_>)| {
            let own = self.model.executions.get(id).map(|known| known.outside_currency);
            payment.moved.iter().any(|movement| Some(movement.amount.currency) != own)
        };
        self.payments.iter().filter(is_other).map(|(id, _)| *id).collect()
    }

    /// Whether any line is about a payment.
    pub fn is_told(&self, execution: i64) -> bool {
        self.payments.get(&execution).is_some_and(|payment| !payment.told.is_empty())
    }

    /// The differences that there are at a time when nothing is under way. `completed` is when a payment
    /// completed.
    pub fn expected(&self, now: i64, completed: impl Fn(i64) -> Option<i64>) -> Vec<Expected> {
        let strange = self.in_other_currency();
        let mut found = vec![];
        for (id, payment) in self.payments.iter().filter(|(id, _)| !strange.contains(id)) {
            found.extend(self.of_payment(*id, payment, now, &completed));
        }
        for other in &self.others {
            let is_young = now - other.line.occurred_at.0 < DAY;
            let is_found = match other.line.kind {
                LineKind::TopUp | LineKind::BankTransfer | LineKind::Fee => false,
                LineKind::Other => true,
                // The payment may still be on its way here.
                _ => !is_young,
            };
            found.extend(is_found.then(|| Expected {
                account: other.account.0,
                kind: DifferenceKind::MissingHere.as_str(),
                execution: None,
                ours: None,
                theirs: Some(of(&other.line)),
            }));
        }
        found
    }

    fn of_payment(
        &self,
        id: i64,
        payment: &Payment<'_>,
        now: i64,
        completed: &impl Fn(i64) -> Option<i64>,
    ) -> Option<Expected> {
        let known = self.model.executions.get(&id)?;
        let currency = known.outside_currency;
        let booked: i64 = payment.moved.iter().map(|movement| movement.amount.minor).sum();
        let found = |kind: DifferenceKind, ours: Option<i64>, theirs| Expected {
            account: known.network_account.unwrap_or(0),
            kind: kind.as_str(),
            execution: Some(id),
            ours: ours.map(|ours| (currency, ours)),
            theirs,
        };
        let expected_fee = known.figures.fees[1];
        match payment.told.as_slice() {
            [] => {
                let at = completed(id).unwrap_or(known.created);
                let is_missing = booked != 0 && now - at >= DAY;
                is_missing.then(|| found(DifferenceKind::MissingThere, Some(booked), None))
            }
            [line] if of(line) != (currency, booked) => {
                Some(found(DifferenceKind::AmountDiffers, Some(booked), Some(of(line))))
            }
            [line] => {
                let fee = line.fee.filter(|fee| {
                    line.kind != LineKind::Reversal
                        && fee.currency == known.wallet_currency
                        && fee.minor != expected_fee
                })?;
                Some(Expected {
                    ours: Some((fee.currency, expected_fee)),
                    theirs: Some((fee.currency, fee.minor)),
                    ..found(DifferenceKind::FeeDiffers, None, None)
                })
            }
            // One movement has two lines.
            [_, line] if payment.moved.len() == 1 => {
                Some(found(DifferenceKind::DuplicateThere, None, Some(of(line))))
            }
            // Back and forth: all of it together is what was booked.
            _ => None,
        }
    }
}

/// Amounts of the installation's own accounts, as credits.
pub type Books = BTreeMap<(AccountKind, Currency), i64>;

/// What is booked for the installation when all lines are: of each line its fee, what was exchanged, and
/// what went to the bank.
pub fn books(told: &[Told]) -> Books {
    let mut books = Books::new();
    let mut credit = |kind, (currency, minor): (Currency, i64)| {
        *books.entry((kind, currency)).or_default() += minor;
    };
    for Told { account, line, .. } in told {
        let clearing = AccountKind::Clearing(*account);
        let settlement = AccountKind::Settlement(*account);
        let (currency, minor) = of(line);
        if let Some(fee) = line.fee {
            credit(clearing, (fee.currency, fee.minor));
            credit(AccountKind::FeeGateway, (fee.currency, -fee.minor));
        }
        if let Some(settled) = line.settled {
            credit(clearing, (currency, minor));
            credit(settlement, (currency, -minor));
            credit(clearing, (settled.currency, -settled.minor));
            credit(settlement, (settled.currency, settled.minor));
        }
        let other = match line.kind {
            LineKind::TopUp | LineKind::BankTransfer => settlement,
            LineKind::Fee => AccountKind::FeeGateway,
            _ => continue,
        };
        credit(clearing, (currency, -minor));
        credit(other, (currency, minor));
    }
    books
}

/// What an account's network says that it holds: all that its statement tells.
pub fn balance(told: &[Told], account: i64) -> BTreeMap<Currency, i64> {
    let mut balance: BTreeMap<Currency, i64> = BTreeMap::new();
    for Told { line, .. } in told.iter().filter(|told| told.account.0 == account) {
        let moved = line.settled.unwrap_or(line.amount);
        *balance.entry(moved.currency).or_default() += moved.minor;
        if let Some(fee) = line.fee {
            *balance.entry(fee.currency).or_default() -= fee.minor;
        }
    }
    balance
}

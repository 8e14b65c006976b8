//! The statements of the simulated networks: what they have moved, with what they took for it. Some of
//! their lines are not what happened.

use std::collections::BTreeMap;

use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, NetworkAccountId};
use domain::kernel::money::Money;
use domain::kernel::names::Provider;
use domain::kernel::time::{ServerTime, minutes};
use domain::kernel::uuids::Uuid;
use domain::reconciliation::reported::{LineKind, ReportedLine};

use crate::contracts::ACCOUNTS;
use crate::oracle::Model;
use crate::oracle::network::uuid_v4;
use crate::providers::Movement;
use crate::rng::{Rng, hash_uuid};
use crate::sim::stream;

/// How a statement tells of a movement otherwise than it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    LeftOut,
    /// Only the next statement has it.
    Late,
    Amount,
    Fee,
    Currency,
    Twice,
}

impl Lie {
    /// What the statistics call it.
    pub const fn what(self) -> &'static str {
        match self {
            Self::LeftOut => "line left out of a statement",
            Self::Late => "line in the next statement only",
            Self::Amount => "line with another amount",
            Self::Fee => "line with another fee",
            Self::Currency => "line in another currency",
            Self::Twice => "line twice",
        }
    }
}

/// When a statement is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Made {
    /// While payments are under way: what is not as it was is kept for the later ones.
    Early,
    First,
    Next,
}

/// A line of a statement, and the payment that it is about.
#[derive(Clone, Debug)]
pub struct Told {
    pub account: NetworkAccountId,
    pub execution: Option<ExecutionId>,
    pub line: ReportedLine,
}

/// What the networks' statements of a run are made of.
pub struct Statements {
    seed: u64,
    /// How many of a thousand movements are told otherwise than they were.
    lies: u32,
    /// Lines of no payment, and of payments that nobody made.
    others: Vec<Told>,
}

const DAY: i64 = minutes(24 * 60);

impl Statements {
    /// `now` is when the first full statement is made.
    pub fn draw(seed: u64, now: i64) -> Self {
        let mut rng = Rng::of(seed, &[stream::STATEMENTS]);
        let lies =
            if rng.chance(150) { 0 } else { u32::try_from(rng.between(20, 400)).unwrap_or(0) };
        let mut others = vec![];
        for (account, _, _) in ACCOUNTS {
            for number in 0..rng.below(5) {
                others.extend(other_line(account, number, now, &mut rng));
            }
        }
        Self { seed, lies, others }
    }

    /// How a movement is told, if not as it was. What a payment moved back and forth is told as it was.
    pub fn lie(&self, movement: &Movement, alone: bool, model: &Model) -> Option<Lie> {
        let mut rng = self.rng_of(movement, 0, model);
        let lie =
            rng.pick(&[Lie::LeftOut, Lie::Late, Lie::Amount, Lie::Fee, Lie::Currency, Lie::Twice]);
        let known = model.executions.get(&movement.execution.0)?;
        let is_own = known.outside_currency == movement.amount.currency;
        lie.filter(|_| alone && is_own && rng.chance(self.lies))
    }

    fn rng_of(&self, movement: &Movement, nth: u64, model: &Model) -> Rng {
        let known = model.executions.get(&movement.execution.0);
        let reference = known.map_or(0, |known| hash_uuid(known.reference.0));
        Rng::of(self.seed, &[stream::STATEMENTS, reference, nth])
    }

    /// The statement of an account: all that it has moved.
    pub fn of(
        &self,
        account: (NetworkAccountId, Provider),
        made: Made,
        movements: &[Movement],
        model: &Model,
    ) -> Vec<Told> {
        let mut times: BTreeMap<ExecutionId, u64> = BTreeMap::new();
        for movement in movements {
            *times.entry(movement.execution).or_default() += 1;
        }
        let mut told = vec![];
        let mut nth: BTreeMap<ExecutionId, u64> = BTreeMap::new();
        for movement in movements {
            let nth = nth.entry(movement.execution).or_default();
            *nth += 1;
            if movement.account != account.0 {
                continue;
            }
            let alone = times.get(&movement.execution) == Some(&1);
            let lie = self.lie(movement, alone || made == Made::Early, model);
            if made == Made::Early && lie.is_some() {
                continue;
            }
            let line =
                |line| Told { account: account.0, execution: Some(movement.execution), line };
            let mut rng = self.rng_of(movement, 1_000, model);
            let honest = self.line(account.1, movement, *nth, model);
            let Some(honest) = honest else { continue };
            match lie {
                Some(Lie::LeftOut) => {}
                Some(Lie::Late) if made < Made::Next => {}
                None | Some(Lie::Late) => told.push(line(honest)),
                Some(Lie::Twice) => {
                    let again = honest.line_id.as_ref().map(|id| format!("{id}_again"));
                    told.push(line(honest.clone()));
                    told.push(line(ReportedLine { line_id: again, ..honest }));
                }
                Some(Lie::Amount) => told.push(line(other_amount(honest, &mut rng))),
                Some(Lie::Fee) => told.push(line(other_fee(honest, &mut rng))),
                Some(Lie::Currency) => told.push(line(other_currency(honest))),
            }
        }
        if made > Made::Early {
            told.extend(self.others.iter().filter(|other| other.account == account.0).cloned());
        }
        told
    }

    /// A line as it should be.
    fn line(
        &self,
        network: Provider,
        movement: &Movement,
        nth: u64,
        model: &Model,
    ) -> Option<ReportedLine> {
        let known = model.executions.get(&movement.execution.0)?;
        let mut rng = self.rng_of(movement, nth, model);
        let amount = movement.amount;
        let exchanged = network == Provider::Stripe && rng.chance(300);
        let settled = exchanged
            .then(|| Currency::parse(if amount.currency.code() == "USD" { "RWF" } else { "USD" }))
            .flatten()
            .map(|currency| Money::new(amount.minor.signum() * rng.between(1, 500), currency));
        let balance = settled.map_or(amount.currency, |settled| settled.currency);
        let expected = known.figures.fees[1];
        let taken = match movement.kind {
            // What was taken back may have its fee given back, too.
            LineKind::Reversal => rng.chance(300).then(|| rng.between(-3, 0)),
            _ if balance == known.wallet_currency => Some(expected),
            _ => Some(rng.between(0, 9)),
        };
        let fee = taken.filter(|_| rng.chance(900)).map(|minor| Money::new(minor, balance));
        let is_stripe = network == Provider::Stripe;
        Some(ReportedLine {
            kind: movement.kind,
            line_id: is_stripe.then(|| format!("txn_{}_{nth}", movement.request)),
            request_id: Some(movement.request.0),
            reference: Some(movement.request.to_string()),
            amount,
            settled,
            fee,
            occurred_at: ServerTime(movement.at),
        })
    }
}

fn other_amount(line: ReportedLine, rng: &mut Rng) -> ReportedLine {
    let minor = line.amount.minor;
    let other = if rng.chance(200) { -minor } else { minor + minor.signum() * rng.between(1, 9) };
    ReportedLine { amount: Money::new(other, line.amount.currency), ..line }
}

fn other_fee(line: ReportedLine, rng: &mut Rng) -> ReportedLine {
    let fee = line.fee.map(|fee| Money::new(fee.minor + rng.between(1, 5), fee.currency));
    ReportedLine { fee, ..line }
}

fn other_currency(line: ReportedLine) -> ReportedLine {
    let code = if line.amount.currency.code() == "LRD" { "USD" } else { "LRD" };
    match Currency::parse(code) {
        Some(currency) => ReportedLine { amount: Money::new(line.amount.minor, currency), ..line },
        None => line,
    }
}

/// A line that no payment explains: some are about none.
fn other_line(account: NetworkAccountId, number: usize, now: i64, rng: &mut Rng) -> Option<Told> {
    let kind = rng.pick(&[
        LineKind::Collection,
        LineKind::Payout,
        LineKind::Refund,
        LineKind::TopUp,
        LineKind::BankTransfer,
        LineKind::Fee,
        LineKind::Other,
    ])?;
    let currency = Currency::parse(rng.pick(&["USD", "LRD", "RWF"])?)?;
    let minor = rng.between(1, 5_000);
    let minor = match kind {
        LineKind::Collection | LineKind::TopUp => minor,
        _ => -minor,
    };
    let request_id = kind.is_of_payment().then(|| uuid_v4(u128::from(rng.next()) << 64 | 1));
    let fee = rng.chance(500).then(|| Money::new(rng.between(0, 20), currency));
    let line = ReportedLine {
        kind,
        line_id: Some(format!("other_{account}_{number}")),
        request_id: request_id.filter(|_| rng.chance(800)),
        reference: request_id.as_ref().map(Uuid::to_string),
        amount: Money::new(minor, currency),
        settled: None,
        fee,
        occurred_at: ServerTime(now - rng.between(0, 2 * DAY)),
    };
    Some(Told { account, execution: None, line })
}

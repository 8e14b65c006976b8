//! What booking the lines of a statement changes, in sums.

use std::collections::BTreeMap;

use domain::kernel::currency::Currency;
use domain::kernel::ids::{StatementId, StatementLineId};
use domain::ledger::account::AccountKind;
use domain::ledger::postings::{Leg, PostingTarget};
use domain::ledger::recipes;
use domain::reconciliation::line::StatementLine;
use domain::reconciliation::reported::LineKind;
use store::StoreError;
use store::reads::scope::InstallationReads;

use crate::web::app::figure_words::amount;

/// How many lines are read at once.
const AT_ONCE: u32 = 1_000;

/// What is booked of a line beside its payment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    Fees,
    Exchange,
    Bank,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Fees, Self::Exchange, Self::Bank];

    pub const fn words(self) -> &'static str {
        match self {
            Self::Fees => "Fees of the network",
            Self::Exchange => "Exchanged by the network",
            Self::Bank => "To and from the bank",
        }
    }
}

/// What lines change of what the ledger says that the network holds, by what it is for.
#[derive(Default)]
pub struct Booking {
    /// How many lines there are to be booked.
    pub lines: i64,
    sums: BTreeMap<(Part, Currency), i128>,
}

/// The parts of a line. Together they are what is booked of it.
fn parts(line: &StatementLine) -> [(Part, Vec<Leg>); 3] {
    let bare = StatementLine {
        kind: LineKind::Collection,
        settled: None,
        fee: None,
        line_id: None,
        reference: None,
        ..line.clone()
    };
    let own = if line.kind == LineKind::Fee { Part::Fees } else { Part::Bank };
    let of = |part: StatementLine| recipes::statement_line(&part);
    [
        (Part::Fees, of(StatementLine { fee: line.fee, ..bare.clone() })),
        (Part::Exchange, of(StatementLine { settled: line.settled, ..bare.clone() })),
        (own, of(StatementLine { kind: line.kind, ..bare })),
    ]
}

impl Booking {
    /// What is to be booked of a statement now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn of(
        reads: InstallationReads<'_>,
        statement: StatementId,
    ) -> Result<Self, StoreError> {
        let (mut booking, mut after) = (Self::default(), StatementLineId(0));
        loop {
            let lines = reads.statement_lines(statement, after, AT_ONCE).await?;
            let Some(last) = lines.last() else { return Ok(booking) };
            after = last.id;
            for line in lines.iter().filter(|line| line.event_id.is_none()) {
                booking.add(line);
            }
        }
    }

    fn add(&mut self, line: &StatementLine) {
        if !line.standing.is_settled() {
            return;
        }
        self.lines += 1;
        let clearing = AccountKind::Clearing(line.network_account_id);
        for (part, legs) in parts(line) {
            for leg in legs {
                // The ledger's account of what the network holds is debited where that rises.
                if matches!(leg.target, PostingTarget::System(_, kind) if kind == clearing) {
                    let sum = self.sums.entry((part, leg.money.currency)).or_default();
                    *sum -= i128::from(leg.money.minor);
                }
            }
        }
    }

    /// The sums of a part, without those that are nothing.
    pub fn sums(&self, part: Part) -> Vec<String> {
        let own = self.sums.iter().filter(|((of, _), sum)| *of == part && **sum != 0);
        own.map(|((_, currency), sum)| signed(*sum, *currency)).collect()
    }

    /// The sums of all parts together.
    pub fn total(&self) -> Vec<String> {
        let mut total: BTreeMap<Currency, i128> = BTreeMap::new();
        for ((_, currency), sum) in &self.sums {
            *total.entry(*currency).or_default() += sum;
        }
        let moved = total.into_iter().filter(|(_, sum)| *sum != 0);
        moved.map(|(currency, sum)| signed(sum, currency)).collect()
    }

    /// All of it as one text, by which the form that accepts it tells whether it is still what was
    /// shown.
    pub fn figures(&self) -> String {
        let mut figures = vec![format!("{} lines", self.lines)];
        for part in Part::ALL {
            let sums = self.sums(part);
            if !sums.is_empty() {
                figures.push(format!("{}: {}", part.words().to_lowercase(), sums.join(", ")));
            }
        }
        figures.join("; ")
    }
}

/// A sum with its sign.
pub fn signed(minor: i128, currency: Currency) -> String {
    let sign = if minor > 0 { "+" } else { "" };
    format!("{sign}{}", amount(minor, currency))
}

#[cfg(test)]
mod tests {
    use domain::kernel::ids::NetworkAccountId;
    use domain::kernel::money::Money;
    use domain::kernel::time::ServerTime;
    use domain::kernel::uuids::{Fingerprint, Uuid};
    use domain::reconciliation::line::LineStanding;

    use super::*;

    fn money(minor: i64, currency: &str) -> Money {
        Money::new(minor, Currency::parse(currency).unwrap())
    }

    fn line(kind: LineKind, amount: Money) -> StatementLine {
        StatementLine {
            id: StatementLineId(1),
            network_account_id: NetworkAccountId(1),
            statement_id: StatementId(1),
            identity: Fingerprint(Uuid::from_u128(1)),
            kind,
            line_id: None,
            request_id: None,
            reference: None,
            amount,
            settled: None,
            fee: None,
            occurred_at: ServerTime(1),
            standing: LineStanding::NoPayment,
            merchant_id: None,
            execution_id: None,
            event_id: None,
        }
    }

    #[test]
    fn the_parts_of_a_line_are_what_is_booked_of_it() {
        for kind in LineKind::ALL {
            for settled in [None, Some(money(-5_400, "USD"))] {
                for fee in [None, Some(money(150, "USD"))] {
                    let line = StatementLine { settled, fee, ..line(*kind, money(-5_000, "EUR")) };
                    let legs = parts(&line).into_iter().flat_map(|(_, legs)| legs);
                    assert_eq!(legs.collect::<Vec<_>>(), recipes::statement_line(&line));
                }
            }
        }
    }

    #[test]
    fn sums_are_told_by_what_they_are_for() {
        let mut booking = Booking::default();
        booking.add(&StatementLine {
            settled: Some(money(10_800, "USD")),
            fee: Some(money(330, "USD")),
            standing: LineStanding::Matched,
            ..line(LineKind::Collection, money(10_000, "EUR"))
        });
        booking.add(&line(LineKind::BankTransfer, money(-500_000, "USD")));
        booking.add(&line(LineKind::Fee, money(-200, "USD")));
        let differs = LineStanding::Differs;
        booking.add(&StatementLine { standing: differs, ..line(LineKind::Fee, money(-9, "USD")) });
        assert_eq!(booking.lines, 3);
        assert_eq!(booking.sums(Part::Fees), ["\u{2212}5.30 USD"]);
        assert_eq!(booking.sums(Part::Exchange), ["\u{2212}100.00 EUR", "+108.00 USD"]);
        assert_eq!(booking.sums(Part::Bank), ["\u{2212}5,000.00 USD"]);
        assert_eq!(booking.total(), ["\u{2212}100.00 EUR", "\u{2212}4,897.30 USD"]);
    }
}

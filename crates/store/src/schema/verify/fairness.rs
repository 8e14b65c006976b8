//! Checks that payments cost what the tariff says: each amount of an execution is computed again
//! from the stored rows of its fees and its rate. The exact arithmetic needs more digits than the
//! integers of a database have, so it is not a query. Like the queries, it shares no code with the
//! decisions.

use std::collections::HashMap;
use std::sync::LazyLock;

use domain::kernel::currency::Currency;
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};

use crate::StoreError;
use crate::progress;
use crate::workspace::codes::{Coded, with_codes};
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::{OwnedRow, Sql};
use crate::workspace::sql_value::params;

/// The rule for the payer's amount of a collection.
pub(crate) const PAYER: &str = "payer's amount is not the total at its rate, rounded up";
/// The rule for platform, gateway and exchange fees.
pub(crate) const FEE: &str = "fee is not what its row comes to";

/// The first version of the fee rules for which these checks hold (`Execution::rules`).
const SINCE: i64 = 2;
/// How many executions are read at a time.
const PAGE: i64 = 5_000;
/// How long after the end of a rate an execution may still use it, in microseconds: the clock of
/// the process that decided may have been behind the clock of the one that ended the rate.
const CLOCK_SKEW_US: i64 = 24 * 3_600_000_000;

/// A fraction: numerator and denominator, the latter above zero.
type Fraction = (i128, i128);

struct FeeRow {
    /// Of a gateway fee, the network and method that it is for. `None` for a platform fee.
    of: Option<(Provider, Method)>,
    operation: Operation,
    ppm: i64,
    fx_ppm: i64,
    fixed: Option<(i64, Currency)>,
}

struct RateRow {
    from: Currency,
    to: Currency,
    num: i64,
    den: i64,
    since: i64,
    until: Option<i64>,
}

/// The rows of the tariff from which amounts are computed. The fees are keyed by id.
struct Tariff {
    platform: HashMap<i64, FeeRow>,
    gateway: HashMap<i64, FeeRow>,
    rates: Vec<RateRow>,
}

/// What the checks need of an execution. Amounts are in minor units.
struct Paid {
    id: i64,
    operation: Operation,
    network: (Provider, Method),
    payer: i64,
    payer_currency: Currency,
    payee: i64,
    payee_currency: Currency,
    total: i64,
    /// The platform, gateway and exchange fees.
    fees: [i64; 3],
    rate: (i64, i64),
    /// The ids of the rows of the platform fee and of the gateway fee.
    platform: Option<i64>,
    gateway: Option<i64>,
    /// The total of the source without fees.
    source: Option<i64>,
    /// Who bears the fees of the source.
    bearer: Option<FeeBearer>,
    /// What its amounts were rounded to, in minor units of the payer's currency.
    unit: i64,
}

/// Lists the executions with wrong amounts, each with the rule that is broken; at most `listed` for
/// a rule.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub(crate) fn check(
    sql: &mut dyn Sql,
    listed: usize,
) -> Result<Vec<(&'static str, String)>, StoreError> {
    let tariff = Tariff::read(sql)?;
    let (mut found, mut after) = (vec![], 0);
    loop {
        let page = sql.rows(
            &with_codes(EXECUTIONS),
            &params!["after" = after, "since" = SINCE, "page" = PAGE],
        )?;
        progress::add(page.len());
        let page = page.iter().map(Paid::read).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.id;
        for paid in &page {
            for rule in tariff.broken_rules(paid, sql)? {
                match found.iter().filter(|(name, _)| *name == rule).count() {
                    count if count < listed => found.push((rule, format!("execution {}", paid.id))),
                    count if count == listed => found.push((rule, "and more".to_owned())),
                    _ => {}
                }
            }
        }
    }
}

/// Reads a page. Each source is looked up by its id: a join would read all sources again for each
/// page.
const EXECUTIONS: &str = "SELECT e.id, e.operation, e.provider, e.method, e.payer_minor, e.payer_currency, e.payee_minor, \
     e.payee_currency, e.total_minor, e.platform_fee_minor, e.gateway_fee_minor, e.fx_fee_minor, e.rate_num, e.rate_den, \
     e.platform_fee_id, e.gateway_fee_id, (SELECT total_minor FROM sources WHERE id = e.source_id), \
     (SELECT fee_bearer FROM sources WHERE id = e.source_id), e.unit_minor FROM executions AS e \
     WHERE e.id > :after AND e.rules >= :since AND e.operation <> {operation REFUND} ORDER BY e.id LIMIT :page";

impl Paid {
    fn read(row: &OwnedRow) -> Result<Self, StoreError> {
        let r = &mut RowReader::new(row, "executions", 0);
        Ok(Self {
            id: Column::read(r)?,
            operation: Operation::read_code(r)?,
            network: (Column::read(r)?, Column::read(r)?),
            payer: Column::read(r)?,
            payer_currency: Column::read(r)?,
            payee: Column::read(r)?,
            payee_currency: Column::read(r)?,
            total: Column::read(r)?,
            fees: [Column::read(r)?, Column::read(r)?, Column::read(r)?],
            rate: (Column::read(r)?, Column::read(r)?),
            platform: Column::read(r)?,
            gateway: Column::read(r)?,
            source: Column::read(r)?,
            bearer: Column::read(r)?,
            unit: Option::<i64>::read(r)?.unwrap_or(1),
        })
    }

    /// The amount of which the fees are a percentage: a collection's source total, or what is sent.
    fn base(&self) -> i64 {
        if self.operation == Operation::Collection { self.source.unwrap_or(0) } else { self.payee }
    }

    /// The total in the payer's currency, rounded up, so that the payer never pays less than it is
    /// worth. `None` on overflow.
    fn converted(&self, total: i128) -> Option<i128> {
        let minor = |currency: Currency| i128::from(currency.minor_per_major());
        let (num, den) = (i128::from(self.rate.0), i128::from(self.rate.1));
        let (num, den) =
            reduced(num * minor(self.payer_currency), den * minor(self.payee_currency));
        let minor = total.checked_mul(num)?.checked_add(den - 1)? / den;
        let unit = i128::from(self.unit);
        Some(minor.checked_add(unit - 1)? / unit * unit)
    }

    /// What its fees were rounded to: paid in another currency, only the conversion is in units.
    fn fee_unit(&self) -> i64 {
        if self.payer_currency == self.payee_currency { self.unit } else { 1 }
    }

    fn payer_amount_is_right(&self) -> bool {
        if self.operation != Operation::Collection {
            return true;
        }
        let fees: i128 = self.fees.iter().map(|fee| i128::from(*fee)).sum();
        let base = i128::from(self.base());
        let total = if self.bearer == Some(FeeBearer::Payer) { base + fees } else { base };
        total == i128::from(self.total) && self.converted(total) == Some(self.payer.into())
    }
}

impl Tariff {
    fn read(sql: &mut dyn Sql) -> Result<Self, StoreError> {
        let platform = sql.rows(
            "SELECT id, operation, percentage_ppm, fx_percentage_ppm, fixed_minor, fixed_currency FROM platform_fees",
            &vec![],
        )?;
        let gateway = sql.rows(
            "SELECT id, operation, percentage_ppm, 0, fixed_minor, fixed_currency, provider, method FROM gateway_fees",
            &vec![],
        )?;
        let rates = sql.rows(
            "SELECT from_currency, to_currency, num, den, effective_from, effective_to FROM rates",
            &vec![],
        )?;
        let fee = |row: &OwnedRow, of_network: bool| {
            let r = &mut RowReader::new(row, "fees", 0);
            let id: i64 = Column::read(r)?;
            let (operation, ppm, fx_ppm) = (Column::read(r)?, Column::read(r)?, Column::read(r)?);
            let (minor, currency): (Option<i64>, Option<Currency>) =
                (Column::read(r)?, Column::read(r)?);
            let of = if of_network { Some((Column::read(r)?, Column::read(r)?)) } else { None };
            Ok::<_, StoreError>((
                id,
                FeeRow { of, operation, ppm, fx_ppm, fixed: minor.zip(currency) },
            ))
        };
        let rate = |row: &OwnedRow| {
            let r = &mut RowReader::new(row, "rates", 0);
            let (from, to, num, den) =
                (Column::read(r)?, Column::read(r)?, Column::read(r)?, Column::read(r)?);
            Ok::<_, StoreError>(RateRow {
                from,
                to,
                num,
                den,
                since: Column::read(r)?,
                until: Column::read(r)?,
            })
        };
        Ok(Self {
            platform: platform.iter().map(|row| fee(row, false)).collect::<Result<_, _>>()?,
            gateway: gateway.iter().map(|row| fee(row, true)).collect::<Result<_, _>>()?,
            rates: rates.iter().map(rate).collect::<Result<_, _>>()?,
        })
    }

    /// The rules that an execution breaks.
    fn broken_rules(
        &self,
        paid: &Paid,
        sql: &mut dyn Sql,
    ) -> Result<Vec<&'static str>, StoreError> {
        let mut broken = vec![];
        if !paid.payer_amount_is_right() {
            broken.push(PAYER);
        }
        let platform = paid.platform.map(|id| self.platform.get(&id));
        let gateway = paid.gateway.map(|id| self.gateway.get(&id));
        let exchange = match platform {
            Some(Some(row)) if paid.payer_currency != paid.payee_currency => row.fx_ppm,
            _ => 0,
        };
        let [of_platform, of_gateway, of_exchange] = paid.fees;
        let fair = self.is_fair(paid, of_platform, platform, sql)?
            && self.is_fair(paid, of_gateway, gateway, sql)?
            && rounded(paid.base(), exchange, (0, 1), 1) == Some(of_exchange.into());
        if !fair {
            broken.push(FEE);
        }
        Ok(broken)
    }

    /// Whether a fee is what its row gives, rounded. Only transfers may have no row, and then no
    /// fee.
    fn is_fair(
        &self,
        paid: &Paid,
        fee: i64,
        row: Option<Option<&FeeRow>>,
        sql: &mut dyn Sql,
    ) -> Result<bool, StoreError> {
        let Some(row) = row else { return Ok(fee == 0 && paid.operation == Operation::Transfer) };
        let Some(row) = row.filter(|row| row.operation == paid.operation) else { return Ok(false) };
        if row.of.is_some_and(|network| network != paid.network) {
            return Ok(false);
        }
        let is = |fixed: Fraction| {
            rounded(paid.base(), row.ppm, fixed, paid.fee_unit()) == Some(fee.into())
        };
        match row.fixed {
            None => Ok(is((0, 1))),
            Some((minor, currency)) if currency == paid.payee_currency => Ok(is((minor.into(), 1))),
            Some((minor, currency)) => {
                let at = decided_at(paid.id, sql)?;
                let rates = self.rates_between(currency, paid.payee_currency, at);
                Ok(rates.into_iter().any(|(num, den)| is((i128::from(minor) * num, den))))
            }
        }
    }

    /// The rates between minor units of two currencies that may have held at `at`: stored rates,
    /// their inverses, and rates crossed through the dollar. There may be several because of
    /// [`CLOCK_SKEW_US`].
    fn rates_between(&self, from: Currency, to: Currency, at: i64) -> Vec<Fraction> {
        let direct = |from: Currency, to: Currency| -> Vec<Fraction> {
            let then = self.rates.iter().filter(|row| {
                row.since <= at && row.until.is_none_or(|until| until > at - CLOCK_SKEW_US)
            });
            let either = then.filter_map(|row| match (row.from, row.to) {
                pair if pair == (from, to) => Some((row.num.into(), row.den.into())),
                pair if pair == (to, from) => Some((row.den.into(), row.num.into())),
                _ => None,
            });
            either.collect()
        };
        let mut rates = direct(from, to);
        // A direct rate that has just ended is among these. But a process with a right clock no
        // longer uses it, and crosses through the dollar: both may be what was used.
        let ended = |row: &RateRow| row.until.is_some_and(|until| until <= at);
        let holds = self.rates.iter().any(|row| {
            row.since <= at && !ended(row) && [(from, to), (to, from)].contains(&(row.from, row.to))
        });
        if let (false, Some(usd)) = (holds, Currency::parse("USD")) {
            let back = direct(usd, to);
            let crossed = |there: Fraction| {
                back.iter().map(move |back| reduced(there.0 * back.0, there.1 * back.1))
            };
            rates.extend(direct(from, usd).into_iter().flat_map(crossed));
        }
        let minor = |currency: Currency| i128::from(currency.minor_per_major());
        let of_minor = |(num, den): Fraction| {
            Some(reduced(num.checked_mul(minor(to))?, den.checked_mul(minor(from))?))
        };
        // A decision keeps a rate as two integers of 64 bits, and has no rate where they do not
        // fit.
        let fits = |rate: &Fraction| i64::try_from(rate.0).is_ok() && i64::try_from(rate.1).is_ok();
        rates.into_iter().filter_map(of_minor).filter(fits).collect()
    }
}

/// When an execution was decided, in server time (microseconds).
fn decided_at(id: i64, sql: &mut dyn Sql) -> Result<i64, StoreError> {
    // An execution that was final at once has only its final event. Otherwise the event of the
    // decision is the pending one. It need not have the lowest id: another process, whose block of
    // ids may be lower, may have ended the execution.
    static EVENTS: LazyLock<String> = LazyLock::new(|| {
        with_codes(
            "SELECT created_at FROM events WHERE subject_id = :id AND type IN ({event_type execution.pending}, \
             {event_type execution.completed}, {event_type execution.failed}) \
             ORDER BY CASE type WHEN {event_type execution.pending} THEN 0 ELSE 1 END, id LIMIT 1",
        )
    });
    sql.rows(&EVENTS, &params!["id" = id])?.first().map_or(Ok(i64::MAX), OwnedRow::integer)
}

/// `base × ppm + fixed`, rounded half up to whole units. A fee above zero is at least one unit. `None`
/// on overflow.
fn rounded(base: i64, ppm: i64, (num, den): Fraction, unit: i64) -> Option<i128> {
    let share = i128::from(base).checked_mul(ppm.into())?;
    let above = share.checked_mul(den)?.checked_add(num.checked_mul(1_000_000)?)?;
    let below = den.checked_mul(1_000_000)?.checked_mul(unit.into())?;
    let half = above.checked_add(below / 2)? / below;
    let units = if above > 0 { half.max(1) } else { half };
    units.checked_mul(unit.into())
}

/// The same fraction in lowest terms.
fn reduced(num: i128, den: i128) -> Fraction {
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let divisor = a.max(1);
    (num / divisor, den / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_rounded_half_up_and_never_to_nothing() {
        let fee = |base, ppm| rounded(base, ppm, (0, 1), 1).unwrap();
        assert_eq!(
            [fee(49, 10_000), fee(149, 10_000), fee(150, 10_000), fee(100, 0), fee(0, 10_000)],
            [1, 1, 2, 0, 0]
        );
        // 2.9 % of 1.00 plus 0.30; a third of a unit; five thirds.
        assert_eq!(
            [rounded(100, 29_000, (30, 1), 1), rounded(0, 0, (1, 3), 1), rounded(0, 0, (5, 3), 1)],
            [Some(33), Some(1), Some(2)]
        );
        // 0.70 and 1.40 of a currency that the network takes without decimals.
        assert_eq!(
            [rounded(7_000, 10_000, (0, 1), 100), rounded(7_000, 20_000, (0, 1), 100)],
            [Some(100), Some(100)]
        );
    }

    #[test]
    fn of_rates_those_count_that_may_have_held() {
        let currency = |code| Currency::parse(code).unwrap();
        let (usd, lrd, rwf) = (currency("USD"), currency("LRD"), currency("RWF"));
        let rate = |from, to, num, den, since, until| RateRow { from, to, num, den, since, until };
        let rates = vec![
            rate(usd, lrd, 192, 1, 0, Some(2 * CLOCK_SKEW_US)),
            rate(lrd, usd, 1, 200, 2 * CLOCK_SKEW_US, None),
            rate(usd, rwf, 1_440, 1, 0, None),
        ];
        let tariff = Tariff { platform: HashMap::new(), gateway: HashMap::new(), rates };
        assert_eq!(tariff.rates_between(usd, lrd, 10), [(192, 1)]);
        assert_eq!(tariff.rates_between(usd, lrd, 2 * CLOCK_SKEW_US + 10), [(192, 1), (200, 1)]);
        assert_eq!(tariff.rates_between(lrd, usd, 4 * CLOCK_SKEW_US), [(1, 200)]);
        // 192 Liberian dollars of 100 cents are worth 1,440 francs, which have no minor unit.
        assert_eq!(tariff.rates_between(lrd, rwf, 10), [(3, 40)]);
    }

    #[test]
    fn a_rate_that_has_just_ended_leaves_the_way_through_the_dollar() {
        let currency = |code| Currency::parse(code).unwrap();
        let (usd, lrd, rwf) = (currency("USD"), currency("LRD"), currency("RWF"));
        let rate = |from, to, num, until| RateRow { from, to, num, den: 1, since: 0, until };
        let rates = vec![
            rate(usd, lrd, 192, None),
            rate(usd, rwf, 1_440, None),
            rate(lrd, rwf, 8, Some(CLOCK_SKEW_US)),
        ];
        let tariff = Tariff { platform: HashMap::new(), gateway: HashMap::new(), rates };
        // Eight francs for 100 cents, then 7.5, which a process with a right clock uses at once.
        assert_eq!(tariff.rates_between(lrd, rwf, CLOCK_SKEW_US - 1), [(2, 25)]);
        assert_eq!(tariff.rates_between(lrd, rwf, CLOCK_SKEW_US), [(2, 25), (3, 40)]);
        assert_eq!(tariff.rates_between(lrd, rwf, 3 * CLOCK_SKEW_US), [(3, 40)]);
    }
}

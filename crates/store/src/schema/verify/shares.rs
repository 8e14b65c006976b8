//! Checks what refunds cost: the wallet has paid the same share of the payment as its payer has
//! back, rounded up once over all refunds. The products do not fit into SQLite's integers.

use domain::kernel::currency::Currency;

use crate::StoreError;
use crate::workspace::codes::with_codes;
use crate::workspace::sql::{OwnedRow, Sql};
use crate::workspace::sql_value::{ResultRow, SqlValue, params};

pub(in crate::schema::verify) const RULE: &str = "refunds that did not cost their share";

/// Reads a page of refunded payments. Payments with exchange count only if they were refunded since
/// refunds are rounded once; within one currency nothing is rounded.
const PAGE: &str = "SELECT id, given_back_minor, refunded_total_minor + over_refunded_total_minor, payer_minor, total_minor, \
     rate_num, rate_den, payer_currency, payee_currency FROM executions WHERE operation = {operation COLLECTION} AND id > :after \
     AND (given_back_minor > 0 OR refunded_total_minor > 0) AND (rules > 0 OR payer_currency = payee_currency) \
     ORDER BY id LIMIT 10000";

/// A refunded payment. Amounts are in minor units.
struct Payment {
    id: i64,
    /// What the payer has back, in the payer's currency.
    given_back: i128,
    /// What the wallet has paid for that, in the wallet's currency.
    cost: i128,
    payer: i128,
    total: i128,
    /// The exchange rate in minor units: `outside` of the payer's currency are worth `inside` of
    /// the wallet's.
    outside: i128,
    inside: i128,
}

impl Payment {
    fn read(row: &OwnedRow) -> Result<Self, StoreError> {
        let integer = |column| match row.value(column)? {
            SqlValue::Int(value) => Ok(i128::from(value)),
            _ => Err(StoreError::Unexpected("an integer was expected")),
        };
        let units = |column| {
            let currency = row.text(column).and_then(Currency::parse);
            currency
                .map(|currency| i128::from(currency.minor_per_major()))
                .ok_or(StoreError::Unexpected("a currency was expected"))
        };
        Ok(Self {
            id: row.integer()?,
            given_back: integer(1)?,
            cost: integer(2)?,
            payer: integer(3)?,
            total: integer(4)?,
            outside: integer(5)?.saturating_mul(units(7)?),
            inside: integer(6)?.saturating_mul(units(8)?),
        })
    }

    /// What `back` is worth in the wallet's currency, rounded up.
    const fn share(&self, back: i128) -> i128 {
        (back.saturating_mul(self.inside).saturating_add(self.outside - 1)) / self.outside
    }

    /// What is wrong with the cost of the refunds, if anything. If the payer has back more than was
    /// paid, the wallet may have paid less than that is worth: nobody takes more from the wallet
    /// than its refunds held.
    fn wrong(&self) -> Option<String> {
        let whole = self.share(self.payer).min(self.total);
        let (least, most) = if self.given_back <= self.payer {
            let share = self.share(self.given_back).min(self.total);
            (share, share)
        } else {
            (whole, whole.saturating_add(self.share(self.given_back) - self.share(self.payer)))
        };
        (self.cost < least || self.cost > most).then(|| {
            format!(
                "execution {}: {} given back cost {} instead of {most}",
                self.id, self.given_back, self.cost
            )
        })
    }
}

/// Describes the payments whose refunds had a wrong cost.
pub(in crate::schema::verify) fn wrong(sql: &mut dyn Sql) -> Result<Vec<String>, StoreError> {
    let mut found = vec![];
    let mut after = 0;
    loop {
        let rows = sql.rows(&with_codes(PAGE), &params!["after" = after])?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = last.integer()?;
        for row in &rows {
            found.extend(Payment::read(row)?.wrong());
        }
    }
}

//! What refunds cost: a wallet has paid the share of what the payer has back, rounded up once over
//! all. It is reckoned with integers that are longer than those of SQLite.

use domain::kernel::currency::Currency;

use crate::StoreError;
use crate::workspace::sql::{OwnedRow, Sql};
use crate::workspace::sql_value::{ResultRow, SqlValue, params};

pub(in crate::schema::verify) const RULE: &str = "refunds that did not cost their share";

/// Of the payments that were refunded since refunds are rounded once, and of those in one currency
/// since ever.
const PAGE: &str = "SELECT id, given_back_minor, refunded_total_minor + over_refunded_total_minor, payer_minor, total_minor, \
     rate_num, rate_den, payer_currency, payee_currency FROM executions WHERE operation = 'COLLECTION' AND id > :after \
     AND (given_back_minor > 0 OR refunded_total_minor > 0) AND (rounded_once = 1 OR payer_currency = payee_currency) \
     ORDER BY id LIMIT 10000";

/// A payment that was refunded.
struct Payment {
    id: i64,
    given_back: i128,
    cost: i128,
    payer: i128,
    total: i128,
    /// So many units of the payer's currency are worth so many of the wallet's.
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

    /// Rounded up.
    const fn share(&self, back: i128) -> i128 {
        (back.saturating_mul(self.inside).saturating_add(self.outside - 1)) / self.outside
    }

    /// What is wrong with what its refunds cost. Where the payer has more than was paid, nobody
    /// takes more of the wallet than refunds held: then it may have cost less.
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

/// The payments whose refunds cost otherwise.
pub(in crate::schema::verify) fn wrong(sql: &mut dyn Sql) -> Result<Vec<String>, StoreError> {
    let mut found = vec![];
    let mut after = 0;
    loop {
        let rows = sql.rows(PAGE, &params!["after" = after])?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = last.integer()?;
        for row in &rows {
            found.extend(Payment::read(row)?.wrong());
        }
    }
}

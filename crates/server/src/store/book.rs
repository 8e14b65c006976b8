//! The book of fees, rates and markets: its tables, and the defaults that a new database gets.

use domain::book::{Book, Effective, Fee, GatewayFee, Market, PlatformFee, Rate, Tier};
use domain::currency::Currency;
use domain::names::{Method, Operation, Provider};
use domain::time::Timestamp;
use rusqlite::Connection;

use super::StoreError;
use super::record::{Column, Reader};

/// The version of the book: raised by each change of it.
///
/// # Errors
/// [`StoreError`].
pub fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT book_version FROM installation")?.query_row([], |row| row.get(0))?)
}

/// Reads the whole book. It is small: some hundred rows.
///
/// # Errors
/// [`StoreError`].
pub fn load(connection: &Connection) -> Result<Book, StoreError> {
    Ok(Book {
        version: version(connection)?,
        tiers: all(connection, "fee_tiers", "id, name, is_default", |r| {
            Ok(Tier { id: Column::take(r)?, name: Column::take(r)?, is_default: Column::take(r)? })
        })?,
        platform_fees: all(
            connection,
            "platform_fees",
            "id, tier, operation, percentage_ppm, fixed_minor, fixed_currency, fx_percentage_ppm, effective_from, effective_to",
            |r| {
                Ok(PlatformFee {
                    id: Column::take(r)?,
                    tier: Column::take(r)?,
                    operation: Column::take(r)?,
                    fee: fee(r)?,
                    fx_percentage_ppm: Column::take(r)?,
                    effective: effective(r)?,
                })
            },
        )?,
        gateway_fees: all(
            connection,
            "gateway_fees",
            "id, provider, method, operation, percentage_ppm, fixed_minor, fixed_currency, effective_from, effective_to",
            |r| {
                Ok(GatewayFee {
                    id: Column::take(r)?,
                    provider: Column::take(r)?,
                    method: Column::take(r)?,
                    operation: Column::take(r)?,
                    fee: fee(r)?,
                    effective: effective(r)?,
                })
            },
        )?,
        rates: all(connection, "rates", "id, from_currency, to_currency, num, den, effective_from, effective_to", |r| {
            Ok(Rate {
                id: Column::take(r)?,
                from: Column::take(r)?,
                to: Column::take(r)?,
                rate: Column::take(r)?,
                effective: effective(r)?,
            })
        })?,
        markets: all(connection, "markets", "id, method, provider, operation, currency, country", |r| {
            let _: i64 = Column::take(r)?;
            Ok(Market {
                method: Column::take(r)?,
                provider: Column::take(r)?,
                operation: Column::take(r)?,
                currency: Column::take(r)?,
                country: Column::take(r)?,
            })
        })?,
    })
}

fn all<T>(
    connection: &Connection,
    table: &'static str,
    columns: &str,
    take: impl Fn(&mut Reader<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {columns} FROM {table} ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(take(&mut Reader::new(row, table, 0))?);
    }
    Ok(found)
}

fn fee(reader: &mut Reader<'_>) -> Result<Fee, StoreError> {
    let percentage_ppm = Column::take(reader)?;
    let (minor, currency): (Option<i64>, Option<Currency>) = (Column::take(reader)?, Column::take(reader)?);
    Ok(Fee { percentage_ppm, fixed: minor.zip(currency) })
}

fn effective(reader: &mut Reader<'_>) -> Result<Effective, StoreError> {
    Ok(Effective { from: Column::take(reader)?, to: Column::take(reader)? })
}

/// A method, its network, what it does, in which currencies, and its country.
type MarketRow = (Method, Provider, &'static [Operation], &'static [&'static str], &'static str);

/// The shipped market: which method does what, in which currencies.
const MARKETS: &[MarketRow] = {
    use Method::{AirtelRwa, CreditCard, MtnMomoLbr, MtnMomoRwa, OrangeMoneyLbr, OrangeMoneyRwa, Wallet};
    use Operation::{Collection, Payout};
    const BOTH: &[Operation] = &[Collection, Payout];
    &[
        (MtnMomoLbr, Provider::PawaPay, BOTH, &["LRD", "USD"], "LR"),
        (OrangeMoneyLbr, Provider::PawaPay, BOTH, &["LRD", "USD"], "LR"),
        (MtnMomoRwa, Provider::PawaPay, BOTH, &["RWF"], "RW"),
        (AirtelRwa, Provider::PawaPay, BOTH, &["RWF"], "RW"),
        (OrangeMoneyRwa, Provider::PawaPay, BOTH, &["RWF"], "RW"),
        (CreditCard, Provider::Stripe, &[Collection], &["USD", "LRD", "RWF", "EUR"], "US"),
        (Wallet, Provider::Platform, BOTH, &["USD", "LRD", "RWF"], "LR"),
    ]
};

/// One US dollar in other currencies.
const RATES: &[(&str, i64)] = &[("LRD", 192), ("RWF", 1_440)];

const PERCENT: i64 = 10_000;

/// Writes the default book: a plain sample, documented in the README, and an operator's to change.
///
/// # Errors
/// [`StoreError`].
pub fn seed(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let from = now.0;
    connection.execute(
        "INSERT INTO fee_tiers (name, is_default, created_at, updated_at) VALUES ('default', 1, ?, ?)",
        [from, from],
    )?;
    for (operation, ppm) in
        [(Operation::Collection, PERCENT), (Operation::Payout, PERCENT / 2), (Operation::Transfer, 0), (Operation::Refund, 0)]
    {
        connection.execute(
            "INSERT INTO platform_fees (tier, operation, percentage_ppm, fx_percentage_ppm, effective_from, created_at) \
             VALUES ('default', ?, ?, ?, ?, ?)",
            (operation.as_str(), ppm, PERCENT, from, from),
        )?;
    }
    for (method, provider, operations, currencies, country) in MARKETS {
        for operation in *operations {
            seed_gateway_fee(connection, *method, *provider, *operation, from)?;
            for currency in *currencies {
                connection.execute(
                    "INSERT INTO markets (method, provider, operation, currency, country) VALUES (?, ?, ?, ?, ?)",
                    (method.as_str(), provider.as_str(), operation.as_str(), currency, country),
                )?;
            }
        }
    }
    for (currency, num) in RATES {
        connection.execute(
            "INSERT INTO rates (from_currency, to_currency, num, den, effective_from, created_at) VALUES ('USD', ?, ?, 1, ?, ?)",
            (currency, num, from, from),
        )?;
    }
    Ok(())
}

fn seed_gateway_fee(
    connection: &Connection,
    method: Method,
    provider: Provider,
    operation: Operation,
    from: i64,
) -> Result<(), StoreError> {
    let (ppm, fixed): (i64, Option<(i64, &str)>) = match (provider, operation) {
        (Provider::PawaPay, Operation::Collection) => (2 * PERCENT, None),
        (Provider::PawaPay, Operation::Payout) => (PERCENT, None),
        (Provider::Stripe, Operation::Collection) => (29_000, Some((30, "USD"))),
        _ => (0, None),
    };
    connection.execute(
        "INSERT INTO gateway_fees (provider, method, operation, percentage_ppm, fixed_minor, fixed_currency, effective_from, \
         created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            provider.as_str(),
            method.as_str(),
            operation.as_str(),
            ppm,
            fixed.map(|(minor, _)| minor),
            fixed.map(|(_, currency)| currency),
            from,
            from,
            from,
        ),
    )?;
    Ok(())
}

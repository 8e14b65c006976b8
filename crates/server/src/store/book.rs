//! The book of fees, rates and markets: its tables, what a new database gets, and how a row is changed.

use domain::book::{Book, Effective, Fee, GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tier};
use domain::currency::Currency;
use domain::money::Ratio;
use domain::names::{Method, Operation, Provider};
use domain::time::Timestamp;
use rusqlite::{Connection, TransactionBehavior, named_params};

use super::StoreError;
use super::record::{Column, Reader};
use crate::market::{Fixed, MarketFile, Percentage, Word};

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
        tiers: all(connection, "fee_tiers", "id, name, is_default, created_at, updated_at", |r| {
            Ok(Tier {
                id: Column::take(r)?,
                name: Column::take(r)?,
                is_default: Column::take(r)?,
                created_at: Column::take(r)?,
                updated_at: Column::take(r)?,
            })
        })?,
        platform_fees: all(
            connection,
            "platform_fees",
            "id, tier, operation, percentage_ppm, fixed_minor, fixed_currency, fx_percentage_ppm, effective_from, \
             effective_to, created_at",
            |r| {
                Ok(PlatformFee {
                    id: Column::take(r)?,
                    tier: Column::take(r)?,
                    operation: Column::take(r)?,
                    fee: fee(r)?,
                    fx_percentage_ppm: Column::take(r)?,
                    effective: effective(r)?,
                    created_at: Column::take(r)?,
                })
            },
        )?,
        gateway_fees: all(
            connection,
            "gateway_fees",
            "id, provider, method, operation, percentage_ppm, fixed_minor, fixed_currency, effective_from, effective_to, \
             created_at, updated_at",
            |r| {
                Ok(GatewayFee {
                    id: Column::take(r)?,
                    provider: Column::take(r)?,
                    method: Column::take(r)?,
                    operation: Column::take(r)?,
                    fee: fee(r)?,
                    effective: effective(r)?,
                    created_at: Column::take(r)?,
                    updated_at: Column::take(r)?,
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
        phone_prefixes: all(connection, "phone_prefixes", "id, prefix, digits, carrier, country, method", |r| {
            let _: i64 = Column::take(r)?;
            Ok(PhonePrefix {
                prefix: Column::take(r)?,
                digits: Column::take(r)?,
                carrier: Column::take(r)?,
                country: Column::take(r)?,
                method: Column::take(r)?,
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

/// Writes a market as the book of a new database.
///
/// # Errors
/// [`StoreError`].
pub fn seed(connection: &Connection, market: &MarketFile, now: Timestamp) -> Result<(), StoreError> {
    let effective = |from: Option<Word<Timestamp>>, to: Option<Word<Timestamp>>| Effective {
        from: from.map_or(now, |from| from.0),
        to: to.map(|to| to.0),
    };
    for tier in &market.tiers {
        connection.execute(
            "INSERT INTO fee_tiers (name, is_default, created_at, updated_at) VALUES (?, ?, ?, ?)",
            (&tier.name, tier.default, now.0, now.0),
        )?;
    }
    for row in &market.platform_fees {
        let new = NewPlatformFee {
            tier: row.tier.clone(),
            operation: row.operation.0,
            fee: fee_of(row.percentage, row.fixed)?,
            fx_percentage_ppm: row.exchange_percentage.0.ppm,
        };
        insert_platform_fee(connection, &new, effective(row.from, row.to), now)?;
    }
    for row in &market.markets {
        let (method, provider, country) = (row.method.0.as_str(), row.provider.0.as_str(), &row.country.0.0);
        for operation in &row.operations {
            for currency in &row.currencies {
                connection.execute(
                    "INSERT INTO markets (method, provider, operation, currency, country) VALUES (?, ?, ?, ?, ?)",
                    (method, provider, operation.0.as_str(), currency.0.code(), country),
                )?;
            }
        }
    }
    for row in &market.gateway_fees {
        for method in &row.methods {
            let broken = || StoreError::Market(format!("{} has no market", method.0));
            let new = NewGatewayFee {
                provider: market.provider_of(method.0).ok_or_else(broken)?,
                method: method.0,
                operation: row.operation.0,
                fee: fee_of(row.percentage, row.fixed)?,
            };
            insert_gateway_fee(connection, &new, effective(row.from, row.to), now)?;
        }
    }
    for row in &market.rates {
        let rate = row.rate.0.to_ratio().ok_or_else(|| StoreError::Market("a rate has too many digits".to_owned()))?;
        let new = NewRate { from: row.from_currency.0, to: row.to_currency.0, rate };
        insert_rate(connection, &new, effective(row.from, row.to), now)?;
    }
    for row in &market.phones {
        for prefix in &row.prefixes {
            connection.execute(
                "INSERT INTO phone_prefixes (prefix, digits, carrier, country, method) VALUES (?, ?, ?, ?, ?)",
                (&prefix.0.0, row.digits, &row.carrier, &row.country.0.0, row.method.0.as_str()),
            )?;
        }
    }
    Ok(())
}

fn fee_of(percentage: Word<Percentage>, fixed: Option<Fixed>) -> Result<Fee, StoreError> {
    let fixed = fixed.map(|fixed| fixed.minor().map_err(StoreError::Market)).transpose()?;
    Ok(Fee { percentage_ppm: percentage.0.ppm, fixed })
}

/// A platform fee to set.
#[derive(Clone, Debug)]
pub struct NewPlatformFee {
    /// Of this tier,
    pub tier: String,
    /// for this operation.
    pub operation: Operation,
    /// The fee.
    pub fee: Fee,
    /// The share for exchange, in millionths.
    pub fx_percentage_ppm: i64,
}

/// A gateway fee to set.
#[derive(Clone, Debug)]
pub struct NewGatewayFee {
    /// The network.
    pub provider: Provider,
    /// The method.
    pub method: Method,
    /// For this operation.
    pub operation: Operation,
    /// The fee.
    pub fee: Fee,
}

/// An exchange rate to set.
#[derive(Clone, Debug)]
pub struct NewRate {
    /// One unit of this currency
    pub from: Currency,
    /// is in this one
    pub to: Currency,
    /// so many units.
    pub rate: Ratio,
}

fn insert_platform_fee(
    connection: &Connection,
    new: &NewPlatformFee,
    effective: Effective,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO platform_fees (tier, operation, percentage_ppm, fixed_minor, fixed_currency, fx_percentage_ppm, \
         effective_from, effective_to, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            &new.tier,
            new.operation.as_str(),
            new.fee.percentage_ppm,
            new.fee.fixed.map(|(minor, _)| minor),
            new.fee.fixed.map(|(_, currency)| currency.code().to_owned()),
            new.fx_percentage_ppm,
            effective.from.0,
            effective.to.map(|to| to.0),
            now.0,
        ),
    )?;
    Ok(())
}

fn insert_gateway_fee(
    connection: &Connection,
    new: &NewGatewayFee,
    effective: Effective,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO gateway_fees (provider, method, operation, percentage_ppm, fixed_minor, fixed_currency, \
         effective_from, effective_to, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.provider.as_str(),
            new.method.as_str(),
            new.operation.as_str(),
            new.fee.percentage_ppm,
            new.fee.fixed.map(|(minor, _)| minor),
            new.fee.fixed.map(|(_, currency)| currency.code().to_owned()),
            effective.from.0,
            effective.to.map(|to| to.0),
            now.0,
            now.0,
        ),
    )?;
    Ok(())
}

fn insert_rate(connection: &Connection, new: &NewRate, effective: Effective, now: Timestamp) -> Result<(), StoreError> {
    let to = effective.to.map(|to| to.0);
    connection.execute(
        "INSERT INTO rates (from_currency, to_currency, num, den, effective_from, effective_to, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        (new.from.code(), new.to.code(), new.rate.num(), new.rate.den(), effective.from.0, to, now.0),
    )?;
    Ok(())
}

/// A row that holds at `:now`.
const HOLDS: &str = "effective_from <= :now AND (effective_to IS NULL OR effective_to > :now)";

const fn from_now_on(now: Timestamp) -> Effective {
    Effective { from: now, to: None }
}

/// Changes the book and raises its version, in one transaction: a running server takes it up at its next batch.
fn change(connection: &mut Connection, change: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change(&transaction)?;
    transaction.execute("UPDATE installation SET book_version = book_version + 1", [])?;
    transaction.commit()?;
    Ok(())
}

/// Sets a platform fee from `now` on. A row that begins later still takes over when its time comes.
///
/// # Errors
/// [`StoreError`].
pub fn set_platform_fee(connection: &mut Connection, new: &NewPlatformFee, now: Timestamp) -> Result<(), StoreError> {
    change(connection, |connection| {
        connection.execute(
            &format!("UPDATE platform_fees SET effective_to = :now WHERE tier = :tier AND operation = :operation AND {HOLDS}"),
            named_params! { ":now": now.0, ":tier": new.tier, ":operation": new.operation.as_str() },
        )?;
        insert_platform_fee(connection, new, from_now_on(now), now)
    })
}

/// Sets a gateway fee from `now` on. A row that begins later still takes over when its time comes.
///
/// # Errors
/// [`StoreError`].
pub fn set_gateway_fee(connection: &mut Connection, new: &NewGatewayFee, now: Timestamp) -> Result<(), StoreError> {
    change(connection, |connection| {
        connection.execute(
            &format!(
                "UPDATE gateway_fees SET effective_to = :now, updated_at = :now \
                 WHERE provider = :provider AND method = :method AND operation = :operation AND {HOLDS}"
            ),
            named_params! {
                ":now": now.0,
                ":provider": new.provider.as_str(),
                ":method": new.method.as_str(),
                ":operation": new.operation.as_str(),
            },
        )?;
        insert_gateway_fee(connection, new, from_now_on(now), now)
    })
}

/// Sets an exchange rate from `now` on, and with it the way back: what held between the two, in either direction, ends.
///
/// # Errors
/// [`StoreError`].
pub fn set_rate(connection: &mut Connection, new: &NewRate, now: Timestamp) -> Result<(), StoreError> {
    change(connection, |connection| {
        connection.execute(
            &format!(
                "UPDATE rates SET effective_to = :now WHERE {HOLDS} AND \
                 ((from_currency = :from AND to_currency = :to) OR (from_currency = :to AND to_currency = :from))"
            ),
            named_params! { ":now": now.0, ":from": new.from.code(), ":to": new.to.code() },
        )?;
        insert_rate(connection, new, from_now_on(now), now)
    })
}

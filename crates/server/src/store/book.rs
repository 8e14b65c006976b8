//! The book of fees, rates and markets: its tables, what a new database gets, and how a row is changed.

use domain::book::{Book, Effective, Fee, GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tier};
use domain::currency::Currency;
use domain::money::Ratio;
use domain::names::{Method, Operation, Provider};
use domain::time::Timestamp;

use super::StoreError;
use super::record::{Column, Reader};
use super::sql::{OwnedRow, Purpose, Sql, params, transaction};
use crate::market::{Fixed, MarketFile, Percentage, Word};

/// The version of the book: raised by each change of it.
pub const VERSION: &str = "SELECT book_version FROM installation";

/// Reads the whole book, which is small: some hundred rows. The rows of each are for [`build`], in this order.
pub const QUERIES: [&str; 7] = [
    VERSION,
    "SELECT id, name, is_default, created_at, updated_at FROM fee_tiers ORDER BY id",
    "SELECT id, tier, operation, percentage_ppm, fixed_minor, fixed_currency, fx_percentage_ppm, effective_from, effective_to, \
     created_at FROM platform_fees ORDER BY id",
    "SELECT id, provider, method, operation, percentage_ppm, fixed_minor, fixed_currency, effective_from, effective_to, \
     created_at, updated_at FROM gateway_fees ORDER BY id",
    "SELECT id, from_currency, to_currency, num, den, effective_from, effective_to FROM rates ORDER BY id",
    "SELECT id, method, provider, operation, currency, country FROM markets ORDER BY id",
    "SELECT id, prefix, digits, carrier, country, method FROM phone_prefixes ORDER BY id",
];

/// The book of the rows that [`QUERIES`] answer.
///
/// # Errors
/// [`StoreError`].
pub fn build(tables: &[Vec<OwnedRow>]) -> Result<Book, StoreError> {
    let [version, tiers, platform_fees, gateway_fees, rates, markets, phone_prefixes] = tables else {
        return Err(StoreError::Odd("the book has a table too few or too many"));
    };
    Ok(Book {
        version: version.first().ok_or(StoreError::Odd("the installation has no row"))?.integer()?,
        tiers: all(tiers, "fee_tiers", |r| {
            Ok(Tier {
                id: Column::take(r)?,
                name: Column::take(r)?,
                is_default: Column::take(r)?,
                created_at: Column::take(r)?,
                updated_at: Column::take(r)?,
            })
        })?,
        platform_fees: all(platform_fees, "platform_fees", |r| {
            Ok(PlatformFee {
                id: Column::take(r)?,
                tier: Column::take(r)?,
                operation: Column::take(r)?,
                fee: fee(r)?,
                fx_percentage_ppm: Column::take(r)?,
                effective: effective(r)?,
                created_at: Column::take(r)?,
            })
        })?,
        gateway_fees: all(gateway_fees, "gateway_fees", |r| {
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
        })?,
        rates: all(rates, "rates", |r| {
            Ok(Rate {
                id: Column::take(r)?,
                from: Column::take(r)?,
                to: Column::take(r)?,
                rate: Column::take(r)?,
                effective: effective(r)?,
            })
        })?,
        markets: all(markets, "markets", |r| {
            let _: i64 = Column::take(r)?;
            Ok(Market {
                method: Column::take(r)?,
                provider: Column::take(r)?,
                operation: Column::take(r)?,
                currency: Column::take(r)?,
                country: Column::take(r)?,
            })
        })?,
        phone_prefixes: all(phone_prefixes, "phone_prefixes", |r| {
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
    rows: &[OwnedRow],
    table: &'static str,
    take: impl Fn(&mut Reader<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| take(&mut Reader::new(row, table, 0))).collect()
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
pub fn seed(sql: &mut dyn Sql, market: &MarketFile, now: Timestamp) -> Result<(), StoreError> {
    let effective = |from: Option<Word<Timestamp>>, to: Option<Word<Timestamp>>| Effective {
        from: from.map_or(now, |from| from.0),
        to: to.map(|to| to.0),
    };
    for tier in &market.tiers {
        sql.execute(
            "INSERT INTO fee_tiers (name, is_default, created_at, updated_at) VALUES (:name, :default, :now, :now)",
            &params!["name" = tier.name.as_str(), "default" = tier.default, "now" = now.0],
        )?;
    }
    for row in &market.platform_fees {
        let new = NewPlatformFee {
            tier: row.tier.clone(),
            operation: row.operation.0,
            fee: fee_of(row.percentage, row.fixed)?,
            fx_percentage_ppm: row.exchange_percentage.0.ppm,
        };
        insert_platform_fee(sql, &new, effective(row.from, row.to), now)?;
    }
    for row in &market.markets {
        let (method, provider, country) = (row.method.0.as_str(), row.provider.0.as_str(), row.country.0.0.as_str());
        for operation in &row.operations {
            for currency in &row.currencies {
                sql.execute(
                    "INSERT INTO markets (method, provider, operation, currency, country) \
                     VALUES (:method, :provider, :operation, :currency, :country)",
                    &params![
                        "method" = method,
                        "provider" = provider,
                        "operation" = operation.0.as_str(),
                        "currency" = currency.0.code(),
                        "country" = country,
                    ],
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
            insert_gateway_fee(sql, &new, effective(row.from, row.to), now)?;
        }
    }
    for row in &market.rates {
        let rate = row.rate.0.to_ratio().ok_or_else(|| StoreError::Market("a rate has too many digits".to_owned()))?;
        let new = NewRate { from: row.from_currency.0, to: row.to_currency.0, rate };
        insert_rate(sql, &new, effective(row.from, row.to), now)?;
    }
    for row in &market.phones {
        for prefix in &row.prefixes {
            sql.execute(
                "INSERT INTO phone_prefixes (prefix, digits, carrier, country, method) \
                 VALUES (:prefix, :digits, :carrier, :country, :method)",
                &params![
                    "prefix" = prefix.0.0.as_str(),
                    "digits" = row.digits,
                    "carrier" = row.carrier.as_str(),
                    "country" = row.country.0.0.as_str(),
                    "method" = row.method.0.as_str(),
                ],
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
    sql: &mut dyn Sql,
    new: &NewPlatformFee,
    effective: Effective,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.execute(
        "INSERT INTO platform_fees (tier, operation, percentage_ppm, fixed_minor, fixed_currency, fx_percentage_ppm, \
         effective_from, effective_to, created_at) \
         VALUES (:tier, :operation, :percentage, :fixed, :currency, :exchange, :from, :to, :now)",
        &params![
            "tier" = new.tier.as_str(),
            "operation" = new.operation.as_str(),
            "percentage" = new.fee.percentage_ppm,
            "fixed" = new.fee.fixed.map(|(minor, _)| minor),
            "currency" = new.fee.fixed.map(|(_, currency)| currency.code().to_owned()),
            "exchange" = new.fx_percentage_ppm,
            "from" = effective.from.0,
            "to" = effective.to.map(|to| to.0),
            "now" = now.0,
        ],
    )?;
    Ok(())
}

fn insert_gateway_fee(sql: &mut dyn Sql, new: &NewGatewayFee, effective: Effective, now: Timestamp) -> Result<(), StoreError> {
    sql.execute(
        "INSERT INTO gateway_fees (provider, method, operation, percentage_ppm, fixed_minor, fixed_currency, \
         effective_from, effective_to, created_at, updated_at) \
         VALUES (:provider, :method, :operation, :percentage, :fixed, :currency, :from, :to, :now, :now)",
        &params![
            "provider" = new.provider.as_str(),
            "method" = new.method.as_str(),
            "operation" = new.operation.as_str(),
            "percentage" = new.fee.percentage_ppm,
            "fixed" = new.fee.fixed.map(|(minor, _)| minor),
            "currency" = new.fee.fixed.map(|(_, currency)| currency.code().to_owned()),
            "from" = effective.from.0,
            "to" = effective.to.map(|to| to.0),
            "now" = now.0,
        ],
    )?;
    Ok(())
}

fn insert_rate(sql: &mut dyn Sql, new: &NewRate, effective: Effective, now: Timestamp) -> Result<(), StoreError> {
    sql.execute(
        "INSERT INTO rates (from_currency, to_currency, num, den, effective_from, effective_to, created_at) \
         VALUES (:from_currency, :to_currency, :num, :den, :from, :to, :now)",
        &params![
            "from_currency" = new.from.code(),
            "to_currency" = new.to.code(),
            "num" = new.rate.num(),
            "den" = new.rate.den(),
            "from" = effective.from.0,
            "to" = effective.to.map(|to| to.0),
            "now" = now.0,
        ],
    )?;
    Ok(())
}

/// A row that holds at `:now`.
const HOLDS: &str = "effective_from <= :now AND (effective_to IS NULL OR effective_to > :now)";

const fn from_now_on(now: Timestamp) -> Effective {
    Effective { from: now, to: None }
}

/// Changes the book and raises its version, in one transaction: a running server takes it up at its next batch. The version
/// is raised first, so that two changes at once wait for each other.
fn change(sql: &mut dyn Sql, change: impl FnOnce(&mut dyn Sql) -> Result<(), StoreError>) -> Result<(), StoreError> {
    transaction(sql, Purpose::Write, |sql| {
        sql.execute("UPDATE installation SET book_version = book_version + 1", &vec![])?;
        change(sql)
    })
}

/// Sets a platform fee from `now` on. A row that begins later still takes over when its time comes.
///
/// # Errors
/// [`StoreError`].
pub fn set_platform_fee(sql: &mut dyn Sql, new: &NewPlatformFee, now: Timestamp) -> Result<(), StoreError> {
    change(sql, |sql| {
        sql.execute(
            &format!("UPDATE platform_fees SET effective_to = :now WHERE tier = :tier AND operation = :operation AND {HOLDS}"),
            &params!["now" = now.0, "tier" = new.tier.as_str(), "operation" = new.operation.as_str()],
        )?;
        insert_platform_fee(sql, new, from_now_on(now), now)
    })
}

/// Sets a gateway fee from `now` on. A row that begins later still takes over when its time comes.
///
/// # Errors
/// [`StoreError`].
pub fn set_gateway_fee(sql: &mut dyn Sql, new: &NewGatewayFee, now: Timestamp) -> Result<(), StoreError> {
    change(sql, |sql| {
        sql.execute(
            &format!(
                "UPDATE gateway_fees SET effective_to = :now, updated_at = :now \
                 WHERE provider = :provider AND method = :method AND operation = :operation AND {HOLDS}"
            ),
            &params![
                "now" = now.0,
                "provider" = new.provider.as_str(),
                "method" = new.method.as_str(),
                "operation" = new.operation.as_str(),
            ],
        )?;
        insert_gateway_fee(sql, new, from_now_on(now), now)
    })
}

/// Sets an exchange rate from `now` on, and with it the way back: what held between the two, in either direction, ends.
///
/// # Errors
/// [`StoreError`].
pub fn set_rate(sql: &mut dyn Sql, new: &NewRate, now: Timestamp) -> Result<(), StoreError> {
    change(sql, |sql| {
        sql.execute(
            &format!(
                "UPDATE rates SET effective_to = :now WHERE {HOLDS} AND \
                 ((from_currency = :from AND to_currency = :to) OR (from_currency = :to AND to_currency = :from))"
            ),
            &params!["now" = now.0, "from" = new.from.code(), "to" = new.to.code()],
        )?;
        insert_rate(sql, new, from_now_on(now), now)
    })
}

//! Changes of fees and rates. A row is never overwritten: the current one ends, and the next one
//! begins.

use domain::kernel::currency::Currency;
use domain::kernel::money::Ratio;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;
use domain::tariff::rates::{self, Quoted};
use domain::tariff::{Effective, Fee, Market, Tariff};

use crate::StoreError;
use crate::schema::tariff::{QUERIES, build};
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::{OwnedRow, Purpose, Sql, transaction};
use crate::workspace::sql_value::params;

/// A platform fee to set.
#[derive(Clone, Debug)]
pub struct NewPlatformFee {
    pub tier: String,
    pub operation: Operation,
    pub fee: Fee,
    /// The further share for exchange, in parts per million.
    pub fx_percentage_ppm: i64,
}

/// A gateway fee to set.
#[derive(Clone, Debug)]
pub struct NewGatewayFee {
    pub provider: Provider,
    pub method: Method,
    pub operation: Operation,
    pub fee: Fee,
}

/// An exchange rate to set: one unit of `from` is worth `rate` units of `to`, in major units.
#[derive(Clone, Debug)]
pub struct NewRate {
    pub from: Currency,
    pub to: Currency,
    pub rate: Ratio,
}

pub(in crate::schema::tariff) fn insert_platform_fee(
    sql: &mut dyn Sql,
    new: &NewPlatformFee,
    effective: Effective,
    now: ServerTime,
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

pub(in crate::schema::tariff) fn insert_gateway_fee(
    sql: &mut dyn Sql,
    new: &NewGatewayFee,
    effective: Effective,
    now: ServerTime,
) -> Result<(), StoreError> {
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

pub(in crate::schema::tariff) fn insert_rate(
    sql: &mut dyn Sql,
    new: &NewRate,
    effective: Effective,
    now: ServerTime,
) -> Result<(), StoreError> {
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

/// The condition of rows that hold at `:now`.
pub(in crate::schema::tariff) const HOLDS: &str =
    "effective_from <= :now AND (effective_to IS NULL OR effective_to > :now)";

const fn from_now_on(now: ServerTime) -> Effective {
    Effective { from: now, to: None }
}

/// Changes the tariff and raises its version in one transaction. A running server sees the new
/// version at its next batch and reads the tariff again.
///
/// The version is raised first: that locks the row, so that of two changes at once the second reads
/// what the first has written.
pub(in crate::schema::tariff) fn change<T>(
    sql: &mut dyn Sql,
    change: impl FnOnce(&mut dyn Sql) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    transaction(sql, Purpose::Write, |sql| {
        sql.execute("UPDATE installation SET book_version = book_version + 1", &vec![])?;
        change(sql)
    })
}

/// The currencies in which an operation is made at `now`, by the open markets that a fee is for.
/// Transfers and refunds need no market of their own: they are made in any currency that is paid in
/// or out.
fn currencies_of(
    tariff: &Tariff,
    operation: Operation,
    is_for: impl Fn(&Market) -> bool,
    now: ServerTime,
) -> Vec<Currency> {
    let is_of = |row: &Market| match operation {
        Operation::Collection | Operation::Payout => row.operation == operation && is_for(row),
        Operation::Transfer | Operation::Refund => true,
    };
    tariff
        .markets
        .iter()
        .filter(|row| row.effective.at(now) && is_of(row))
        .map(|row| row.currency)
        .collect()
}

/// Checks that the fixed part of a fee can be converted into every currency that the fee is taken
/// in. Otherwise every such payment would be refused.
fn check_fixed(fee: Fee, taken_in: &[Currency], rates: &[Quoted]) -> Result<(), StoreError> {
    let Some((_, fixed)) = fee.fixed else { return Ok(()) };
    rates::unconvertible_currency(fixed, taken_in, rates).map_or(Ok(()), |currency| {
        Err(StoreError::Market(format!(
            "there is no rate between {fixed} and {currency}, in which the fee is taken: every such payment would be refused. Set \
             the rate first, with `kola rates set {fixed} {currency} RATE`, or give the fixed part in another currency"
        )))
    })
}

/// Reads the tariff within the transaction that changes it.
fn read_tariff(sql: &mut dyn Sql) -> Result<Tariff, StoreError> {
    build(&QUERIES.iter().map(|query| sql.rows(query, &vec![])).collect::<Result<Vec<_>, _>>()?)
}

fn rates_at(tariff: &Tariff, now: ServerTime) -> Vec<Quoted> {
    let holding = tariff.rates.iter().filter(|row| row.effective.at(now));
    holding.map(|row| Quoted { from: row.from, to: row.to, rate: row.rate }).collect()
}

/// Sets a platform fee from `now` on. A row that begins later still takes over when its time comes.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Market`] where no rate leads from the fixed part to what the fee
/// is taken in.
pub fn set_platform_fee(
    sql: &mut dyn Sql,
    new: &NewPlatformFee,
    now: ServerTime,
) -> Result<(), StoreError> {
    change(sql, |sql| {
        let tariff = read_tariff(sql)?;
        check_fixed(
            new.fee,
            &currencies_of(&tariff, new.operation, |_| true, now),
            &rates_at(&tariff, now),
        )?;
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
/// [`StoreError`]; [`StoreError::Market`] where no rate leads from the fixed part to what the fee
/// is taken in.
pub fn set_gateway_fee(
    sql: &mut dyn Sql,
    new: &NewGatewayFee,
    now: ServerTime,
) -> Result<(), StoreError> {
    change(sql, |sql| {
        let tariff = read_tariff(sql)?;
        let is_for = |row: &Market| (row.method, row.provider) == (new.method, new.provider);
        check_fixed(
            new.fee,
            &currencies_of(&tariff, new.operation, is_for, now),
            &rates_at(&tariff, now),
        )?;
        replace_gateway_fee(sql, new, now)
    })
}

/// Sets the gateway fee that a market in `currency` opens with. Its fixed part must be convertible
/// into that currency.
pub(in crate::schema::tariff) fn open_with_fee(
    sql: &mut dyn Sql,
    new: &NewGatewayFee,
    currency: Currency,
    now: ServerTime,
) -> Result<(), StoreError> {
    check_fixed(new.fee, &[currency], &rates_at(&read_tariff(sql)?, now))?;
    replace_gateway_fee(sql, new, now)
}

fn replace_gateway_fee(
    sql: &mut dyn Sql,
    new: &NewGatewayFee,
    now: ServerTime,
) -> Result<(), StoreError> {
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
}

/// Sets an exchange rate from `now` on. The rate also gives the opposite direction, so the current
/// rates between the two currencies end in both directions.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Market`] for a rate that cannot be used, alone or together with
/// current and later rates.
pub fn set_rate(sql: &mut dyn Sql, new: &NewRate, now: ServerTime) -> Result<(), StoreError> {
    change(sql, |sql| {
        let quoted = Quoted { from: new.from, to: new.to, rate: new.rate };
        rates::check(quoted, &rates_from(sql, now)?)
            .map_err(|fault| StoreError::Market(fault.to_string()))?;
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

/// The rates that hold at `now` or later.
fn rates_from(sql: &mut dyn Sql, now: ServerTime) -> Result<Vec<Quoted>, StoreError> {
    let rows = sql.rows(
        "SELECT from_currency, to_currency, num, den FROM rates WHERE effective_to IS NULL OR effective_to > :now",
        &params!["now" = now.0],
    )?;
    let quoted = |row: &OwnedRow| {
        let mut reader = RowReader::new(row, "rates", 0);
        Ok(Quoted {
            from: Column::read(&mut reader)?,
            to: Column::read(&mut reader)?,
            rate: Column::read(&mut reader)?,
        })
    };
    rows.iter().map(quoted).collect()
}

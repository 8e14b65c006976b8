//! Changes of markets and phone prefixes. As with fees a change is a new row, but no two rows of
//! one market or of one prefix may hold at once.

use domain::kernel::currency::Currency;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::ServerTime;
use domain::tariff::{Effective, Fee};

use crate::StoreError;
use crate::schema::market::{Country, Digits};
use crate::schema::tariff::changes::{HOLDS, NewGatewayFee, change, open_with_fee};
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::{Params, params};

/// A market to open: a method of a network, for an operation in a currency.
#[derive(Clone, Debug)]
pub struct NewMarket {
    pub method: Method,
    pub provider: Provider,
    pub operation: Operation,
    pub currency: Currency,
    pub country: Country,
}

/// A phone prefix to assign to an operator.
#[derive(Clone, Debug)]
pub struct NewPrefix {
    pub prefix: Digits,
    /// How many digits the operator's numbers have, with the prefix.
    pub digits: u8,
    /// The operator's name.
    pub carrier: String,
    pub country: Country,
    pub method: Method,
}

pub(in crate::schema::tariff) fn insert_market(
    sql: &mut dyn Sql,
    new: &NewMarket,
    effective: Effective,
) -> Result<(), StoreError> {
    sql.execute(
        "INSERT INTO markets (method, provider, operation, currency, country, effective_from, effective_to) \
         VALUES (:method, :provider, :operation, :currency, :country, :from, :to)",
        &params![
            "method" = new.method.as_str(),
            "provider" = new.provider.as_str(),
            "operation" = new.operation.as_str(),
            "currency" = new.currency.code(),
            "country" = new.country.0.as_str(),
            "from" = effective.from.0,
            "to" = effective.to.map(|to| to.0),
        ],
    )?;
    Ok(())
}

pub(in crate::schema::tariff) fn insert_prefix(
    sql: &mut dyn Sql,
    new: &NewPrefix,
    effective: Effective,
) -> Result<(), StoreError> {
    sql.execute(
        "INSERT INTO phone_prefixes (prefix, digits, carrier, country, method, effective_from, effective_to) \
         VALUES (:prefix, :digits, :carrier, :country, :method, :from, :to)",
        &params![
            "prefix" = new.prefix.0.as_str(),
            "digits" = new.digits,
            "carrier" = new.carrier.as_str(),
            "country" = new.country.0.as_str(),
            "method" = new.method.as_str(),
            "from" = effective.from.0,
            "to" = effective.to.map(|to| to.0),
        ],
    )?;
    Ok(())
}

/// When the next row begins, by `query`: a new row that may not overlap with it must end there.
fn next_start(
    sql: &mut dyn Sql,
    query: &str,
    params: &Params<'_>,
) -> Result<Option<ServerTime>, StoreError> {
    let rows = sql.rows(query, params)?;
    rows.first().map_or(Ok(None), |row| {
        <Option<ServerTime> as Column>::read(&mut RowReader::new(row, "tariff", 0))
    })
}

/// Opens a market from `now` on, until a later row begins: one of the same market, or one of the
/// method on another network. `fee` is set as the gateway fee from `now` on; without it the method
/// must have one, because no market opens without a fee. Returns when the market is open.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Market`] while the method is on another network, if it has no fee,
/// or if there is no rate from the fee's fixed part to the market's currency.
pub fn open_market(
    sql: &mut dyn Sql,
    new: &NewMarket,
    fee: Option<Fee>,
    now: ServerTime,
) -> Result<Effective, StoreError> {
    let (method, provider) = (new.method.as_str(), new.provider.as_str());
    let (operation, currency) = (new.operation.as_str(), new.currency.code());
    change(sql, |sql| {
        let elsewhere = format!(
            "SELECT provider FROM markets WHERE method = :method AND provider <> :provider AND {HOLDS} LIMIT 1"
        );
        let others = sql
            .rows(&elsewhere, &params!["method" = method, "provider" = provider, "now" = now.0])?;
        if let Some(other) = others.first().and_then(|row| row.text(0)) {
            return Err(StoreError::Market(format!(
                "{method} is carried by {other}, and a method has one network"
            )));
        }
        match fee {
            Some(fee) => {
                let NewMarket { method, provider, operation, currency, .. } = *new;
                open_with_fee(
                    sql,
                    &NewGatewayFee { provider, method, operation, fee },
                    currency,
                    now,
                )?;
            }
            None => check_has_fee(sql, new, now)?,
        }
        close(sql, new.method, new.operation, new.currency, now)?;
        let to = next_start(
            sql,
            "SELECT min(effective_from) FROM markets WHERE effective_from > :now AND method = :method \
             AND (provider <> :provider OR (operation = :operation AND currency = :currency))",
            &params![
                "now" = now.0,
                "method" = method,
                "provider" = provider,
                "operation" = operation,
                "currency" = currency
            ],
        )?;
        let effective = Effective { from: now, to };
        insert_market(sql, new, effective)?;
        Ok(effective)
    })
}

/// Checks that a gateway fee holds now: without one, every payment through the method would be
/// refused.
fn check_has_fee(sql: &mut dyn Sql, new: &NewMarket, now: ServerTime) -> Result<(), StoreError> {
    let (method, provider, operation) =
        (new.method.as_str(), new.provider.as_str(), new.operation.as_str());
    let held = format!(
        "SELECT id FROM gateway_fees WHERE provider = :provider AND method = :method AND operation = :operation AND {HOLDS} LIMIT 1"
    );
    let rows = sql.rows(
        &held,
        &params!["provider" = provider, "method" = method, "operation" = operation, "now" = now.0],
    )?;
    if rows.is_empty() {
        return Err(StoreError::Market(format!(
            "{method} has no fee for {operation} by {provider} yet: say --percentage, 0 where the network takes nothing"
        )));
    }
    Ok(())
}

/// Closes a market from `now` on. A row that begins later still opens it again when its time comes;
/// returns when.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Market`] for one that is not open.
pub fn close_market(
    sql: &mut dyn Sql,
    (method, operation, currency): (Method, Operation, Currency),
    now: ServerTime,
) -> Result<Option<ServerTime>, StoreError> {
    change(sql, |sql| {
        if close(sql, method, operation, currency, now)? == 0 {
            return Err(StoreError::Market(format!("{method} does no {operation} in {currency}")));
        }
        next_start(
            sql,
            "SELECT min(effective_from) FROM markets WHERE effective_from > :now AND method = :method \
             AND operation = :operation AND currency = :currency",
            &params![
                "now" = now.0,
                "method" = method.as_str(),
                "operation" = operation.as_str(),
                "currency" = currency.code()
            ],
        )
    })
}

fn close(
    sql: &mut dyn Sql,
    method: Method,
    operation: Operation,
    currency: Currency,
    now: ServerTime,
) -> Result<u64, StoreError> {
    sql.execute(
        &format!(
            "UPDATE markets SET effective_to = :now \
             WHERE method = :method AND operation = :operation AND currency = :currency AND {HOLDS}"
        ),
        &params![
            "now" = now.0,
            "method" = method.as_str(),
            "operation" = operation.as_str(),
            "currency" = currency.code()
        ],
    )
}

/// Assigns a prefix to an operator from `now` on, until a later row of the same prefix begins.
/// Returns when the prefix is the operator's.
pub fn add_prefix(
    sql: &mut dyn Sql,
    new: &NewPrefix,
    now: ServerTime,
) -> Result<Effective, StoreError> {
    change(sql, |sql| {
        end_current_prefix(sql, &new.prefix, new.digits, now)?;
        let effective =
            Effective { from: now, to: next_prefix(sql, &new.prefix, new.digits, now)? };
        insert_prefix(sql, new, effective)?;
        Ok(effective)
    })
}

/// Takes a prefix from its operator from `now` on. A row that begins later still holds when its
/// time comes; returns when.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Market`] for a prefix that no operator has.
pub fn end_prefix(
    sql: &mut dyn Sql,
    prefix: &Digits,
    digits: u8,
    now: ServerTime,
) -> Result<Option<ServerTime>, StoreError> {
    change(sql, |sql| {
        if end_current_prefix(sql, prefix, digits, now)? == 0 {
            return Err(StoreError::Market(format!(
                "no operator has numbers of {digits} digits that begin with {}",
                prefix.0
            )));
        }
        next_prefix(sql, prefix, digits, now)
    })
}

fn next_prefix(
    sql: &mut dyn Sql,
    prefix: &Digits,
    digits: u8,
    now: ServerTime,
) -> Result<Option<ServerTime>, StoreError> {
    next_start(
        sql,
        "SELECT min(effective_from) FROM phone_prefixes WHERE effective_from > :now AND prefix = :prefix AND digits = :digits",
        &params!["now" = now.0, "prefix" = prefix.0.as_str(), "digits" = digits],
    )
}

fn end_current_prefix(
    sql: &mut dyn Sql,
    prefix: &Digits,
    digits: u8,
    now: ServerTime,
) -> Result<u64, StoreError> {
    sql.execute(
        &format!("UPDATE phone_prefixes SET effective_to = :now WHERE prefix = :prefix AND digits = :digits AND {HOLDS}"),
        &params!["now" = now.0, "prefix" = prefix.0.as_str(), "digits" = digits],
    )
}

//! Writes the tariff of a new database from a market file.

use domain::kernel::ids::{GatewayFeeId, MarketId, PhonePrefixId, PlatformFeeId, RateId};
use domain::kernel::time::ServerTime;
use domain::tariff::{
    Effective, Fee, GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tariff, TariffVersion, Tier,
};

use crate::StoreError;
use crate::schema::market::{Fixed, MarketFile, Parsed, Percentage};
use crate::workspace::record::Record;
use crate::workspace::sql::{OwnedRow, Sql};
use crate::workspace::sql_value::{ColumnType, SqlValue, params};

/// When a row without `from` begins to hold. It is not the time of the first start: a clock that is
/// ahead at that moment would leave the database without fees and markets until then.
const ALWAYS: ServerTime = ServerTime(0);

/// Creates the row of the tariff's version.
pub fn create_version(sql: &mut dyn Sql) -> Result<(), StoreError> {
    insert(sql, &[TariffVersion::new(1)])
}

/// Writes a market file as the tariff of a new database.
pub fn seed(sql: &mut dyn Sql, market: &MarketFile, now: ServerTime) -> Result<(), StoreError> {
    let mut next = next_id(sql)?;
    // The database is new, so nobody else draws from the installation's ids.
    let mut new_id = || {
        next += 1;
        next - 1
    };
    let tariff = first_tariff(market, &mut new_id, now)?;
    insert(sql, &tariff.tiers)?;
    insert(sql, &tariff.platform_fees)?;
    insert(sql, &tariff.markets)?;
    insert(sql, &tariff.gateway_fees)?;
    insert(sql, &tariff.rates)?;
    insert(sql, &tariff.phone_prefixes)?;
    sql.execute("UPDATE installation SET next_id = :next", &params!["next" = next])?;
    Ok(())
}

/// The tariff of a market file, with ids by `new_id`.
///
/// # Errors
/// [`StoreError::Market`] for a file that was not checked.
pub fn first_tariff(
    market: &MarketFile,
    new_id: &mut dyn FnMut() -> i64,
    now: ServerTime,
) -> Result<Tariff, StoreError> {
    let effective = |from: Option<Parsed<ServerTime>>, to: Option<Parsed<ServerTime>>| Effective {
        from: from.map_or(ALWAYS, |from| from.0),
        to: to.map(|to| to.0),
    };
    let tiers = market.tiers.iter().map(|tier| Tier {
        id: new_id(),
        name: tier.name.clone(),
        is_default: tier.default,
        created_at: now,
        updated_at: now,
    });
    let tiers = tiers.collect();
    let mut platform_fees = vec![];
    for row in &market.platform_fees {
        platform_fees.push(PlatformFee {
            id: PlatformFeeId(new_id()),
            tier: row.tier.clone(),
            operation: row.operation.0,
            fee: fee_of(row.percentage, row.fixed)?,
            fx_percentage_ppm: row.exchange_percentage.0.ppm,
            effective: effective(row.from, row.to),
            created_at: now,
        });
    }
    let mut markets = vec![];
    for row in &market.markets {
        let incomplete = || StoreError::Market(format!("{} has no details", row.method.0));
        let details = row.details().ok_or_else(incomplete)?;
        for (operation, currency) in row.pairs() {
            markets.push(Market {
                id: MarketId(new_id()),
                method: row.method.0,
                provider: row.provider.0,
                operation,
                currency,
                decimals: row.decimals(currency),
                country: row.country.0.0.clone(),
                dial_prefix: row.dial_prefix().map(str::to_owned),
                details: details.clone(),
                effective: effective(row.from, row.to),
            });
        }
    }
    let mut gateway_fees = vec![];
    for row in &market.gateway_fees {
        let fee = fee_of(row.percentage, row.fixed)?;
        for method in &row.methods {
            // The fee is for every network that ever carries the method.
            for provider in market.providers_of(method.0) {
                gateway_fees.push(GatewayFee {
                    id: GatewayFeeId(new_id()),
                    provider,
                    method: method.0,
                    operation: row.operation.0,
                    fee,
                    effective: effective(row.from, row.to),
                    created_at: now,
                    updated_at: now,
                });
            }
        }
    }
    let mut rates = vec![];
    for row in &market.rates {
        let rate = row.rate.0.to_ratio();
        rates.push(Rate {
            id: RateId(new_id()),
            from: row.from_currency.0,
            to: row.to_currency.0,
            rate: rate
                .ok_or_else(|| StoreError::Market("a rate has too many digits".to_owned()))?,
            effective: effective(row.from, row.to),
            created_at: now,
        });
    }
    let mut phone_prefixes = vec![];
    for row in &market.phones {
        for prefix in &row.prefixes {
            phone_prefixes.push(PhonePrefix {
                id: PhonePrefixId(new_id()),
                prefix: prefix.0.0.clone(),
                digits: row.digits.into(),
                carrier: row.carrier.clone(),
                country: row.country.0.0.clone(),
                method: row.method.0,
                effective: effective(row.from, row.to),
            });
        }
    }
    let version = 1;
    // Accounts at networks are an operator's own.
    Ok(Tariff {
        version,
        tiers,
        platform_fees,
        gateway_fees,
        rates,
        markets,
        phone_prefixes,
        ..Tariff::default()
    })
}

fn fee_of(percentage: Parsed<Percentage>, fixed: Option<Fixed>) -> Result<Fee, StoreError> {
    let fixed = fixed.map(|fixed| fixed.minor().map_err(StoreError::Market)).transpose()?;
    Ok(Fee { percentage_ppm: percentage.0.ppm, fixed })
}

fn next_id(sql: &mut dyn Sql) -> Result<i64, StoreError> {
    let rows = sql.rows("SELECT next_id FROM installation", &vec![])?;
    rows.first().ok_or(StoreError::Unexpected("the installation has no row"))?.integer()
}

fn insert<R: Record>(sql: &mut dyn Sql, rows: &[R]) -> Result<(), StoreError> {
    let columns: Vec<(String, ColumnType)> =
        R::statements().all.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    let values = |row: &R| {
        let mut values = vec![];
        row.write(&mut values);
        OwnedRow::new(values.into_iter().map(SqlValue::into_owned).collect())
    };
    sql.append(R::TABLE, &columns, &rows.iter().map(values).collect::<Vec<_>>())
}

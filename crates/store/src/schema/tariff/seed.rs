//! Writes the tariff of a new database from a market file.

use domain::kernel::time::ServerTime;
use domain::tariff::{Effective, Fee};

use crate::StoreError;
use crate::schema::market::{Fixed, MarketFile, Parsed, Percentage};
use crate::schema::tariff::changes::{insert_gateway_fee, insert_platform_fee, insert_rate};
use crate::schema::tariff::markets::{insert_market, insert_prefix};
use crate::schema::tariff::{NewGatewayFee, NewMarket, NewPlatformFee, NewPrefix, NewRate};
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::params;

/// When a row without `from` begins to hold. It is not the time of the first start: a clock that is
/// ahead at that moment would leave the database without fees and markets until then.
const ALWAYS: ServerTime = ServerTime(0);

/// Writes a market file as the tariff of a new database.
pub fn seed(sql: &mut dyn Sql, market: &MarketFile, now: ServerTime) -> Result<(), StoreError> {
    let effective = |from: Option<Parsed<ServerTime>>, to: Option<Parsed<ServerTime>>| Effective {
        from: from.map_or(ALWAYS, |from| from.0),
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
        let (method, provider) = (row.method.0, row.provider.0);
        for (operation, currency) in row.pairs() {
            let new =
                NewMarket { method, provider, operation, currency, country: row.country.0.clone() };
            insert_market(sql, &new, effective(row.from, row.to))?;
        }
    }
    for row in &market.gateway_fees {
        let fee = fee_of(row.percentage, row.fixed)?;
        for method in &row.methods {
            // The fee is for every network that ever carries the method.
            for provider in market.providers_of(method.0) {
                let new =
                    NewGatewayFee { provider, method: method.0, operation: row.operation.0, fee };
                insert_gateway_fee(sql, &new, effective(row.from, row.to), now)?;
            }
        }
    }
    for row in &market.rates {
        let rate = row
            .rate
            .0
            .to_ratio()
            .ok_or_else(|| StoreError::Market("a rate has too many digits".to_owned()))?;
        let new = NewRate { from: row.from_currency.0, to: row.to_currency.0, rate };
        insert_rate(sql, &new, effective(row.from, row.to), now)?;
    }
    for row in &market.phones {
        for prefix in &row.prefixes {
            let new = NewPrefix {
                prefix: prefix.0.clone(),
                digits: row.digits,
                carrier: row.carrier.clone(),
                country: row.country.0.clone(),
                method: row.method.0,
            };
            insert_prefix(sql, &new, effective(row.from, row.to))?;
        }
    }
    Ok(())
}

fn fee_of(percentage: Parsed<Percentage>, fixed: Option<Fixed>) -> Result<Fee, StoreError> {
    let fixed = fixed.map(|fixed| fixed.minor().map_err(StoreError::Market)).transpose()?;
    Ok(Fee { percentage_ppm: percentage.0.ppm, fixed })
}

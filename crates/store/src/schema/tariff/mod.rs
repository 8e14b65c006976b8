//! The tariff of fees, rates and markets: its tables, and how they are read.

pub(crate) mod changes;
pub(crate) mod markets;
pub(crate) mod seed;

use domain::kernel::currency::Currency;
use domain::tariff::{
    Effective, Fee, GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tariff, Tier,
};

use crate::StoreError;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::OwnedRow;

pub use changes::*;
pub use markets::*;
pub use seed::seed;

/// The version of the tariff: raised by each change of it.
pub const VERSION: &str = "SELECT book_version FROM installation";

/// Reads the whole tariff, which is small: some hundred rows. The rows of each are for [`build`],
/// in this order.
pub const QUERIES: [&str; 7] = [
    VERSION,
    "SELECT id, name, is_default, created_at, updated_at FROM fee_tiers ORDER BY id",
    "SELECT id, tier, operation, percentage_ppm, fixed_minor, fixed_currency, fx_percentage_ppm, effective_from, effective_to, \
     created_at FROM platform_fees ORDER BY id",
    "SELECT id, provider, method, operation, percentage_ppm, fixed_minor, fixed_currency, effective_from, effective_to, \
     created_at, updated_at FROM gateway_fees ORDER BY id",
    "SELECT id, from_currency, to_currency, num, den, effective_from, effective_to FROM rates ORDER BY id",
    "SELECT id, method, provider, operation, currency, country, effective_from, effective_to FROM markets ORDER BY id",
    "SELECT id, prefix, digits, carrier, country, method, effective_from, effective_to FROM phone_prefixes ORDER BY id",
];

/// The tariff of the rows that [`QUERIES`] answer.
pub fn build(tables: &[Vec<OwnedRow>]) -> Result<Tariff, StoreError> {
    let [version, tiers, platform_fees, gateway_fees, rates, markets, phone_prefixes] = tables
    else {
        return Err(StoreError::Unexpected("the book has a table too few or too many"));
    };
    Ok(Tariff {
        version: version
            .first()
            .ok_or(StoreError::Unexpected("the installation has no row"))?
            .integer()?,
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
                effective: effective(r)?,
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
                effective: effective(r)?,
            })
        })?,
    })
}

fn all<T>(
    rows: &[OwnedRow],
    table: &'static str,
    take: impl Fn(&mut RowReader<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| take(&mut RowReader::new(row, table, 0))).collect()
}

fn fee(reader: &mut RowReader<'_>) -> Result<Fee, StoreError> {
    let percentage_ppm = Column::take(reader)?;
    let (minor, currency): (Option<i64>, Option<Currency>) =
        (Column::take(reader)?, Column::take(reader)?);
    Ok(Fee { percentage_ppm, fixed: minor.zip(currency) })
}

fn effective(reader: &mut RowReader<'_>) -> Result<Effective, StoreError> {
    Ok(Effective { from: Column::take(reader)?, to: Column::take(reader)? })
}

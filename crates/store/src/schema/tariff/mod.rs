//! The tables of the tariff (fees, rates, markets, phone prefixes), and how they are read.

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

/// Reads the version of the tariff, which each change raises.
pub const VERSION: &str = "SELECT book_version FROM installation";

/// The queries that read the whole tariff, some hundred rows. [`build`] takes their rows in this
/// order.
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

/// Builds the tariff from the rows of [`QUERIES`].
pub fn build(tables: &[Vec<OwnedRow>]) -> Result<Tariff, StoreError> {
    let [version, tiers, platform_fees, gateway_fees, rates, markets, phone_prefixes] = tables
    else {
        return Err(StoreError::Unexpected("the tariff has a table too few or too many"));
    };
    Ok(Tariff {
        version: version
            .first()
            .ok_or(StoreError::Unexpected("the installation has no row"))?
            .integer()?,
        tiers: all(tiers, "fee_tiers", |r| {
            Ok(Tier {
                id: Column::read(r)?,
                name: Column::read(r)?,
                is_default: Column::read(r)?,
                created_at: Column::read(r)?,
                updated_at: Column::read(r)?,
            })
        })?,
        platform_fees: all(platform_fees, "platform_fees", |r| {
            Ok(PlatformFee {
                id: Column::read(r)?,
                tier: Column::read(r)?,
                operation: Column::read(r)?,
                fee: fee(r)?,
                fx_percentage_ppm: Column::read(r)?,
                effective: effective(r)?,
                created_at: Column::read(r)?,
            })
        })?,
        gateway_fees: all(gateway_fees, "gateway_fees", |r| {
            Ok(GatewayFee {
                id: Column::read(r)?,
                provider: Column::read(r)?,
                method: Column::read(r)?,
                operation: Column::read(r)?,
                fee: fee(r)?,
                effective: effective(r)?,
                created_at: Column::read(r)?,
                updated_at: Column::read(r)?,
            })
        })?,
        rates: all(rates, "rates", |r| {
            Ok(Rate {
                id: Column::read(r)?,
                from: Column::read(r)?,
                to: Column::read(r)?,
                rate: Column::read(r)?,
                effective: effective(r)?,
            })
        })?,
        markets: all(markets, "markets", |r| {
            let _: i64 = Column::read(r)?;
            Ok(Market {
                method: Column::read(r)?,
                provider: Column::read(r)?,
                operation: Column::read(r)?,
                currency: Column::read(r)?,
                country: Column::read(r)?,
                effective: effective(r)?,
            })
        })?,
        phone_prefixes: all(phone_prefixes, "phone_prefixes", |r| {
            let _: i64 = Column::read(r)?;
            Ok(PhonePrefix {
                prefix: Column::read(r)?,
                digits: Column::read(r)?,
                carrier: Column::read(r)?,
                country: Column::read(r)?,
                method: Column::read(r)?,
                effective: effective(r)?,
            })
        })?,
    })
}

fn all<T>(
    rows: &[OwnedRow],
    table: &'static str,
    read: impl Fn(&mut RowReader<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| read(&mut RowReader::new(row, table, 0))).collect()
}

fn fee(reader: &mut RowReader<'_>) -> Result<Fee, StoreError> {
    let percentage_ppm = Column::read(reader)?;
    let (minor, currency): (Option<i64>, Option<Currency>) =
        (Column::read(reader)?, Column::read(reader)?);
    Ok(Fee { percentage_ppm, fixed: minor.zip(currency) })
}

fn effective(reader: &mut RowReader<'_>) -> Result<Effective, StoreError> {
    Ok(Effective { from: Column::read(reader)?, to: Column::read(reader)? })
}

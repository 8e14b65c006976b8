//! The tables of the tariff (fees, rates, markets, phone prefixes): how they are read as a whole, and
//! how a new database gets its first rows. Decisions change them.

mod seed;

use std::sync::LazyLock;

use domain::network_accounts::account::NetworkAccount;
use domain::network_accounts::operator_terms::OperatorTerms;
use domain::tariff::{
    GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tariff, TariffVersion, Tier,
};

use crate::StoreError;
use crate::workspace::record::Record;
use crate::workspace::sql::OwnedRow;

pub use seed::{create_version, first_tariff, seed};

/// Reads the version of the tariff, which each change raises.
pub const VERSION: &str = "SELECT version FROM tariff WHERE id = 1";

/// The queries that read the whole tariff, some hundred rows. [`build`] takes their rows in this
/// order.
pub fn queries() -> &'static [String; 9] {
    static QUERIES: LazyLock<[String; 9]> = LazyLock::new(|| {
        [
            all::<TariffVersion>(),
            all::<Tier>(),
            all::<PlatformFee>(),
            all::<GatewayFee>(),
            all::<Rate>(),
            all::<Market>(),
            all::<PhonePrefix>(),
            all::<NetworkAccount>(),
            all::<OperatorTerms>(),
        ]
    });
    &QUERIES
}

fn all<R: Record>() -> String {
    format!("SELECT {} FROM {} ORDER BY id", R::statements().columns, R::TABLE)
}

/// Builds the tariff from the rows of [`queries`].
pub fn build(tables: &[Vec<OwnedRow>]) -> Result<Tariff, StoreError> {
    let [
        version,
        tiers,
        platform_fees,
        gateway_fees,
        rates,
        markets,
        phone_prefixes,
        network_accounts,
        operator_terms,
    ] = tables
    else {
        return Err(StoreError::Unexpected("the tariff has a table too few or too many"));
    };
    let version = version.first().ok_or(StoreError::Unexpected("the tariff has no version"))?;
    let version = TariffVersion::from_row(version, 0)?;
    Ok(Tariff {
        version: version.version,
        payouts_stop: version.payouts_stop(),
        tiers: rows(tiers)?,
        platform_fees: rows(platform_fees)?,
        gateway_fees: rows(gateway_fees)?,
        rates: rows(rates)?,
        markets: rows(markets)?,
        phone_prefixes: rows(phone_prefixes)?,
        network_accounts: rows(network_accounts)?,
        operator_terms: rows(operator_terms)?,
    })
}

fn rows<R: Record>(table: &[OwnedRow]) -> Result<Vec<R>, StoreError> {
    table.iter().map(|row| R::from_row(row, 0)).collect()
}

//! Opening a market.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::country::Country;
use crate::kernel::currency::Currency;
use crate::kernel::ids::MarketId;
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::refusal::Refusal;
use crate::tariff::change::{self, Change};
use crate::tariff::rates;
use crate::tariff::set_gateway_fee::{self, SetGatewayFee};
use crate::tariff::{Effective, Fee, Market, NewMethodNeeds, TariffFault};

/// Opens a market from now on, until a later row begins: one of the same market, or one of the
/// method on another network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenMarket {
    pub method: Method,
    pub operation: Operation,
    pub currency: Currency,
    /// `None` for the network of the method's latest market.
    pub provider: Option<Provider>,
    /// `None` for the country of the market when it was last open, or of the method's latest market.
    pub country: Option<Country>,
    /// The gateway fee of the operation from now on. `None` keeps the one in effect, and there must
    /// be one.
    pub fee: Option<Fee>,
}

/// A market that is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedMarket {
    pub market: Market,
    /// It was open before, and nothing was changed.
    pub was_open: bool,
}

impl OpenMarket {
    fn is(&self, row: &Market) -> bool {
        (row.method, row.operation, row.currency) == (self.method, self.operation, self.currency)
    }

    /// The network and the country, from earlier markets where the command leaves them out.
    fn place(&self, change: &Change<'_>) -> Result<(Provider, String), Refusal> {
        let is_new = |needs| Refusal::Tariff(TariffFault::NewMethod { method: self.method, needs });
        let latest = change.tariff.latest_market(self.method, change.now);
        let provider = self.provider.or(latest.map(|row| row.provider));
        let provider = provider.ok_or(is_new(NewMethodNeeds::Network))?;
        let same = change.tariff.markets.iter().filter(|row| self.is(row));
        let before = same.max_by_key(|row| row.effective.from).or(latest);
        let given = self.country.as_ref().map(|country| country.0.clone());
        let country = given.or(before.map(|row| row.country.clone()));
        Ok((provider, country.ok_or(is_new(NewMethodNeeds::Country))?))
    }
}

impl Decision for OpenMarket {
    type Output = OpenedMarket;

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<OpenedMarket, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let (method, operation, currency) = (self.method, self.operation, self.currency);
        if !matches!(operation, Operation::Collection | Operation::Payout) {
            return Err(Refusal::Tariff(TariffFault::OperationWithoutMarket).into());
        }
        let (provider, country) = self.place(&change)?;
        if self.fee.is_none() {
            let is_same = |row: &&Market| {
                self.is(row) && (row.provider, &row.country) == (provider, &country)
            };
            let mut open = change.tariff.markets.iter().filter(|row| row.effective.at(change.now));
            if let Some(row) = open.find(is_same) {
                return Ok(OpenedMarket { market: row.clone(), was_open: true });
            }
        }
        if let Some(network) = other_network(method, provider, &change) {
            return Err(Refusal::Tariff(TariffFault::OtherNetwork { method, network }).into());
        }
        match self.fee {
            Some(fee) => {
                rates::check_convertible(fee, &[currency], &change.tariff, change.now)?;
                let new = SetGatewayFee { method, operation, fee };
                set_gateway_fee::replace(provider, new, &mut change)?;
            }
            None => check_has_fee(method, operation, provider, &change)?,
        }
        change.end(|row| self.is(row))?;
        let to = change.next_start(|row: &Market| {
            row.method == method && (row.provider != provider || self.is(row))
        });
        let market = Market {
            id: MarketId(change.new_id()?),
            method,
            provider,
            operation,
            currency,
            country,
            effective: Effective { from: change.now, to },
        };
        change.add(market.clone());
        let fee = self.fee.map(|fee| format!(", gateway fee {fee}")).unwrap_or_default();
        let country = &market.country;
        change.finish(format!(
            "market opened: {method} {operation} {currency} on {provider} in {country}{fee}"
        ))?;
        Ok(OpenedMarket { market, was_open: false })
    }
}

/// Another network on which the method is open now.
fn other_network(method: Method, provider: Provider, change: &Change<'_>) -> Option<Provider> {
    let open = change.tariff.markets.iter().filter(|row| row.effective.at(change.now));
    open.filter(|row| row.method == method)
        .map(|row| row.provider)
        .find(|network| *network != provider)
}

fn check_has_fee(
    method: Method,
    operation: Operation,
    network: Provider,
    change: &Change<'_>,
) -> Result<(), Refusal> {
    match change.tariff.gateway_fee(network, method, operation, change.now) {
        Some(_) => Ok(()),
        None => Err(Refusal::Tariff(TariffFault::NoGatewayFee { method, operation, network })),
    }
}

//! Opening a market.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::country::{self, Country};
use crate::kernel::currency::Currency;
use crate::kernel::ids::MarketId;
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::refusal::Refusal;
use crate::tariff::change::{self, Change};
use crate::tariff::rates;
use crate::tariff::set_gateway_fee::{self, SetGatewayFee};
use crate::tariff::{Effective, Fee, Market, MethodDetails, NewMethodNeeds, TariffFault};

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
    /// What the numbers of its customers begin with: digits. `None` for what that market says, if it
    /// is of this country, or the country's calling code.
    pub dial_prefix: Option<String>,
    /// What the network calls the method; `None` for what its latest market says.
    pub network_code: Option<String>,
    /// What payers see; `None` for what its latest market says.
    pub display_name: Option<String>,
    /// How many decimals the network takes; `None` for what the market said when it was last open, or
    /// another of the method in the currency, or as many as the currency has.
    pub decimals: Option<i64>,
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
    /// As earlier markets of the method say, with the fee in effect.
    #[must_use]
    pub const fn as_before(method: Method, operation: Operation, currency: Currency) -> Self {
        Self {
            method,
            operation,
            currency,
            provider: None,
            country: None,
            network_code: None,
            dial_prefix: None,
            display_name: None,
            decimals: None,
            fee: None,
        }
    }

    fn is(&self, row: &Market) -> bool {
        (row.method, row.operation, row.currency) == (self.method, self.operation, self.currency)
    }

    /// The market that the command describes, with what it leaves out from earlier ones.
    fn terms(&self, change: &Change<'_>) -> Result<Terms, Refusal> {
        let Change { tariff, now, .. } = change;
        let latest = tariff.latest_market(self.method, *now);
        let same = tariff.markets.iter().filter(|row| self.is(row));
        let same = same.max_by_key(|row| row.effective.from);
        let before = same.or(latest);
        let said = latest.map(|row| row.details.clone());
        let mut needs = vec![];
        let mut need = |is_missing: bool, what| needs.extend(is_missing.then_some(what));

        let provider = self.provider.or(latest.map(|row| row.provider));
        need(provider.is_none(), NewMethodNeeds::Network);
        let network_code =
            self.network_code.clone().or(said.as_ref().map(|said| said.network_code.clone()));
        need(network_code.is_none(), NewMethodNeeds::NetworkCode);
        let country = self.country.as_ref().map(|country| country.0.clone());
        let country = country.or(before.map(|row| row.country.clone()));
        need(country.is_none(), NewMethodNeeds::Country);
        let of_country = before.filter(|row| country.as_ref() == Some(&row.country));
        let dial_prefix =
            self.dial_prefix.clone().or(of_country.and_then(|row| row.dial_prefix.clone()));
        let is_new = latest.is_none() && self.method.is_mobile_money();
        need(is_new && dial_prefix.is_none(), NewMethodNeeds::DialPrefix);
        let known_decimals = latest.map(|_| i64::from(self.currency.exponent()));
        // A network takes a currency with the same decimals in both directions.
        let in_currency = tariff
            .markets
            .iter()
            .filter(|row| (row.method, row.currency) == (self.method, self.currency))
            .max_by_key(|row| row.effective.from);
        let before_decimals = same.or(in_currency).map(|row| row.decimals);
        let decimals = self.decimals.or(before_decimals).or(known_decimals);
        need(decimals.is_none(), NewMethodNeeds::Decimals);
        let display_name = self.display_name.clone().or(said.map(|said| said.display_name));
        need(display_name.is_none(), NewMethodNeeds::DisplayName);

        match (provider, network_code, country, display_name, decimals) {
            (
                Some(provider),
                Some(network_code),
                Some(country),
                Some(display_name),
                Some(decimals),
            ) if needs.is_empty() => {
                let details = MethodDetails { network_code, display_name };
                Ok(Terms { provider, country, dial_prefix, details, decimals })
            }
            _ => Err(Refusal::Tariff(TariffFault::NewMethod { method: self.method, needs })),
        }
    }

    fn check(&self, terms: &Terms, change: &Change<'_>) -> Result<(), TariffFault> {
        let Terms { provider, country, dial_prefix, details, decimals } = terms;
        let method = self.method;
        if let Some(network) = other_network(method, *provider, change) {
            return Err(TariffFault::OtherNetwork { method, network });
        }
        check_prefix(method, country, dial_prefix.as_deref())?;
        if *decimals > i64::from(self.currency.exponent()) {
            return Err(TariffFault::TooManyDecimals(self.currency));
        }
        let mut open = change.tariff.markets.iter().filter(|row| row.effective.at(change.now));
        let contradicts = |row: &&Market| row.method == method && !self.is(row);
        if let Some(row) = open.clone().filter(contradicts).find(|row| row.details != *details) {
            return Err(TariffFault::OtherDetails { method, says: row.details.clone() });
        }
        let code = &details.network_code;
        let is_taken = |row: &&Market| {
            row.method != method && (row.provider, &row.details.network_code) == (*provider, code)
        };
        if let Some(row) = open.find(is_taken) {
            let (code, network) = (code.clone(), *provider);
            return Err(TariffFault::NetworkCodeTaken { code, network, by: row.method });
        }
        Ok(())
    }
}

/// What a market says beside its method, operation and currency.
struct Terms {
    provider: Provider,
    country: String,
    dial_prefix: Option<String>,
    details: MethodDetails,
    decimals: i64,
}

/// Checks that a dial prefix fits the country, and that only a method with phone numbers has one.
///
/// # Errors
/// [`TariffFault::NoPhoneNumbers`], [`TariffFault::PrefixOfOtherCountry`].
pub fn check_prefix(
    method: Method,
    country: &str,
    prefix: Option<&str>,
) -> Result<(), TariffFault> {
    let Some(prefix) = prefix else { return Ok(()) };
    if !method.is_mobile_money() {
        return Err(TariffFault::NoPhoneNumbers(method));
    }
    match country::calling_code(country) {
        Some(code) if !prefix.starts_with(code) => Err(TariffFault::PrefixOfOtherCountry {
            prefix: prefix.to_owned(),
            country: country.to_owned(),
            code,
        }),
        _ => Ok(()),
    }
}

impl Decision for OpenMarket {
    type Output = OpenedMarket;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<OpenedMarket, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let (method, operation, currency) = (self.method, self.operation, self.currency);
        if !matches!(operation, Operation::Collection | Operation::Payout) {
            return Err(Refusal::Tariff(TariffFault::OperationWithoutMarket).into());
        }
        let terms = self.terms(&change)?;
        if self.fee.is_none() {
            let is_same = |row: &&Market| {
                let Terms { provider, country, dial_prefix, details, decimals } = &terms;
                self.is(row)
                    && (row.provider, row.decimals) == (*provider, *decimals)
                    && (&row.country, &row.dial_prefix) == (country, dial_prefix)
                    && row.details == *details
            };
            let mut open = change.tariff.markets.iter().filter(|row| row.effective.at(change.now));
            if let Some(row) = open.find(is_same) {
                return Ok(OpenedMarket { market: row.clone(), was_open: true });
            }
        }
        self.check(&terms, &change).map_err(Refusal::Tariff)?;
        let Terms { provider, country, dial_prefix, details, decimals } = terms;
        match self.fee {
            Some(fee) => {
                rates::check_convertible(fee, &[currency], &change.tariff, change.now)?;
                let new = SetGatewayFee { method, operation, fee, from: None };
                set_gateway_fee::replace(provider, new, &mut change)?;
            }
            None => check_has_fee(method, operation, provider, &change)?,
        }
        change.end(|row| self.is(row))?;
        let to = change.next_start(|row: &Market| {
            let is_another = row.provider != provider || row.details != details;
            row.method == method && (is_another || self.is(row))
        });
        let market = Market {
            id: MarketId(change.new_id()?),
            method,
            provider,
            operation,
            currency,
            decimals,
            country,
            dial_prefix,
            details,
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

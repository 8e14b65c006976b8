//! The checks of a market file that concern several of its rows.

use domain::kernel::currency::Currency;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::phone;
use domain::kernel::time::ServerTime;
use domain::tariff::TariffFault;
use domain::tariff::open_market;
use domain::tariff::rates::{self, Quoted};

use crate::schema::market::{Fixed, GatewayEntry, MarketEntry, MarketFile, Parsed, RateEntry};

impl MarketFile {
    /// Checks the rows of the file against each other.
    pub(in crate::schema::market) fn check(&self) -> Result<(), String> {
        let defaults = self.tiers.iter().filter(|tier| tier.default).count();
        if defaults != 1 {
            return Err(format!("{defaults} tiers say `default = true`; one must"));
        }
        distinct("tier", self.tiers.iter().map(|tier| &tier.name))?;
        if let Some(fee) = self
            .platform_fees
            .iter()
            .find(|fee| self.tiers.iter().all(|tier| tier.name != fee.tier))
        {
            return Err(format!("a platform fee is of tier \"{}\", which is not there", fee.tier));
        }
        self.check_markets()?;
        let is_refund_fee = |operation: Operation, ppm: i64, fixed: &Option<Fixed>| {
            operation == Operation::Refund && (ppm != 0 || fixed.is_some())
        };
        if self
            .platform_fees
            .iter()
            .any(|fee| is_refund_fee(fee.operation.0, fee.percentage.0.ppm, &fee.fixed))
            || self
                .gateway_fees
                .iter()
                .any(|fee| is_refund_fee(fee.operation.0, fee.percentage.0.ppm, &fee.fixed))
        {
            return Err(TariffFault::FeeOnRefund.to_string());
        }
        for fee in &self.gateway_fees {
            if let Some(method) =
                fee.methods.iter().find(|method| self.providers_of(method.0).is_empty())
            {
                return Err(format!("a gateway fee is of {}, which has no market", method.0));
            }
        }
        let fixed = self.platform_fees.iter().filter_map(|fee| fee.fixed);
        for fixed in fixed.chain(self.gateway_fees.iter().filter_map(|fee| fee.fixed)) {
            fixed.minor()?;
        }
        let rates = self.check_rates()?;
        self.check_fixed(&rates)?;
        if self.phones.iter().any(|row| !phone::DIGITS.contains(&row.digits.into())) {
            return Err("a phone number has 8 to 15 digits".to_owned());
        }
        let has_market = |method| !self.providers_of(method).is_empty();
        let unknown = self.phones.iter().map(|row| row.method.0);
        if let Some(method) =
            unknown.filter(|method| !Method::SHIPPED.contains(method)).find(|of| !has_market(*of))
        {
            return Err(format!("phone numbers are of {method}, which has no market"));
        }
        self.check_phones()
    }

    /// Checks that a fixed fee can be converted into every currency that it is taken in.
    fn check_fixed(&self, rates: &[Quoted]) -> Result<(), String> {
        let currencies_of = |operation: Operation, method: Option<Method>| -> Vec<Currency> {
            // Transfers and refunds need no market of their own: they are made in any currency that
            // is paid in or out.
            let needs_no_market = matches!(operation, Operation::Transfer | Operation::Refund);
            let of_method = |entry: &&MarketEntry| {
                needs_no_market || method.is_none_or(|method| entry.method.0 == method)
            };
            let pairs = self.markets.iter().filter(of_method).flat_map(MarketEntry::pairs);
            pairs
                .filter(|(does, _)| needs_no_market || *does == operation)
                .map(|(_, currency)| currency)
                .collect()
        };
        let platform = self.platform_fees.iter().map(|fee| (fee.fixed, fee.operation.0, None));
        let of_methods = |fee: &GatewayEntry| {
            let (fixed, operation) = (fee.fixed, fee.operation.0);
            fee.methods
                .iter()
                .map(move |method| (fixed, operation, Some(method.0)))
                .collect::<Vec<_>>()
        };
        for (fixed, operation, method) in
            platform.chain(self.gateway_fees.iter().flat_map(of_methods))
        {
            let Some((_, currency)) = fixed.map(Fixed::minor).transpose()? else { continue };
            if let Some(to) =
                rates::unconvertible_currency(currency, &currencies_of(operation, method), rates)
            {
                return Err(format!(
                    "a fixed fee in {currency} needs a rate between {currency} and {to}, in which it is taken"
                ));
            }
        }
        Ok(())
    }

    fn check_rates(&self) -> Result<Vec<Quoted>, String> {
        let quoted = |entry: &RateEntry| {
            let rate = entry.rate.0.to_ratio().filter(|ratio| ratio.num() > 0);
            let rate = rate.ok_or("a rate is above zero and has at most 18 digits")?;
            Ok::<_, String>(Quoted { from: entry.from_currency.0, to: entry.to_currency.0, rate })
        };
        let all = self.rates.iter().map(quoted).collect::<Result<Vec<_>, _>>()?;
        all.iter()
            .try_for_each(|new| rates::check(*new, &all))
            .map_err(|fault| fault.to_string())?;
        Ok(all)
    }

    fn check_markets(&self) -> Result<(), String> {
        // A method has one network at a time: what a payment costs and where it is sent are looked
        // up by the method.
        let networks = |entry: &MarketEntry| (entry.method.0, entry.provider.0);
        for (index, entry) in self.markets.iter().enumerate() {
            let others =
                self.markets.iter().skip(index + 1).filter(|other| other.method == entry.method);
            if others
                .filter(|other| networks(other) != networks(entry))
                .any(|other| overlap(period(entry), period(other)))
            {
                return Err(format!("the method {} has two providers at one time", entry.method.0));
            }
        }
        self.check_details()?;
        let rows = self.markets.iter().flat_map(|entry| {
            entry.pairs().map(|(operation, currency)| {
                (format!("{} {operation} {currency}", entry.method.0), period(entry))
            })
        });
        check_periods("market", &rows.collect::<Vec<_>>())
    }

    /// Checks what the rows say of their methods: all that, and the same wherever they hold at once.
    fn check_details(&self) -> Result<(), String> {
        for (index, entry) in self.markets.iter().enumerate() {
            let method = entry.method.0;
            let is_new = !Method::SHIPPED.contains(&method);
            let details = entry.details().filter(|_| !is_new || entry.dial_prefix.is_some());
            let Some(details) = details else {
                return Err(format!(
                    "{method} is new: its market says network_code, dial_prefix and display_name"
                ));
            };
            open_market::check_prefix(method, &entry.country.0.0, entry.dial_prefix())
                .map_err(|fault| fault.to_string())?;
            let too_many =
                |currency: &Currency| entry.decimals(*currency) > currency.exponent().into();
            if let Some(currency) = entry.currencies.iter().map(|row| row.0).find(too_many) {
                return Err(TariffFault::TooManyDecimals(currency).to_string());
            }
            let others = self.markets.iter().skip(index + 1);
            for other in others.filter(|other| overlap(period(entry), period(other))) {
                let Some(says) = other.details() else { continue };
                if other.method == entry.method && says != details {
                    return Err(format!("{method} has two codes or names at one time"));
                }
                if other.method != entry.method
                    && (other.provider, &says.network_code)
                        == (entry.provider, &details.network_code)
                {
                    let (code, network) = (says.network_code, other.provider.0);
                    return Err(
                        TariffFault::NetworkCodeTaken { code, network, by: method }.to_string()
                    );
                }
            }
        }
        Ok(())
    }

    fn check_phones(&self) -> Result<(), String> {
        let rows = self.phones.iter().flat_map(|row| {
            row.prefixes.iter().map(|prefix| {
                (format!("{} of {} digits", prefix.0.0, row.digits), (row.from, row.to))
            })
        });
        check_periods("phone prefix", &rows.collect::<Vec<_>>())
    }

    /// All networks that a method has at any time.
    #[must_use]
    pub fn providers_of(&self, method: Method) -> Vec<Provider> {
        let mut providers: Vec<Provider> = self
            .markets
            .iter()
            .filter(|market| market.method.0 == method)
            .map(|market| market.provider.0)
            .collect();
        providers.sort_unstable();
        providers.dedup();
        providers
    }
}

/// From (inclusive) and to (exclusive). A row without `from` has always held.
type Period = (Option<Parsed<ServerTime>>, Option<Parsed<ServerTime>>);

const fn period(entry: &MarketEntry) -> Period {
    (entry.from, entry.to)
}

fn overlap(one: Period, other: Period) -> bool {
    let begins_before_end =
        |(from, _): Period, (_, to): Period| from.zip(to).is_none_or(|(from, to)| from.0 < to.0);
    begins_before_end(one, other) && begins_before_end(other, one)
}

/// Checks that no two rows of one name hold at once, and that none ends before it begins.
fn check_periods(what: &str, rows: &[(String, Period)]) -> Result<(), String> {
    for (index, (name, period)) in rows.iter().enumerate() {
        if !overlap(*period, *period) {
            return Err(format!("the {what} {name} ends before it begins"));
        }
        if rows.iter().skip(index + 1).any(|(other, when)| other == name && overlap(*period, *when))
        {
            return Err(format!(
                "the {what} {name} is there twice at one time: `from` and `to` tell rows apart"
            ));
        }
    }
    Ok(())
}

fn distinct<T: Ord + std::fmt::Debug>(
    what: &str,
    values: impl Iterator<Item = T>,
) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for value in values {
        if seen.contains(&value) {
            return Err(format!("the {what} {value:?} is there twice"));
        }
        seen.insert(value);
    }
    Ok(())
}

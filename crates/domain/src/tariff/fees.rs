//! Fees and currency exchange. The arithmetic is in exact rationals; each fee and each conversion is
//! rounded once. Nothing is rounded in favour of the payer, or many small payments would cost less
//! than one large one.

use crate::directory::merchant::Merchant;
use crate::kernel::currency::Currency;
use crate::kernel::money::{MAX_MINOR, Money, Ratio};
use crate::kernel::names::{FeeBearer, Method, Operation, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::ServerTime;
use crate::mutant;
use crate::tariff::{Fee, GatewayFee, PlatformFee, Tariff};

const MILLION: i64 = 1_000_000;

/// The largest result of an exchange, in minor units. Without it, amounts in a currency of small units
/// would soon exceed what fits into an account.
const MAX_CONVERTED_MINOR: i64 = 2 * MAX_MINOR;

/// The version of the rounding rules, which each execution stores. Version 1 rounded an exchange
/// half up, charged no fee of less than half a minor unit, and none where the tariff had no row.
pub const ROUNDING_RULES: i64 = 2;

/// What the fees of a payment depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route<'a> {
    /// The merchant's fee tier.
    pub tier: &'a str,
    pub operation: Operation,
    pub provider: Provider,
    pub method: Method,
    /// The smallest amount that the network takes of the payer's currency, in minor units; see
    /// [`Tariff::network_unit`].
    pub unit_minor: i64,
}

impl<'a> Route<'a> {
    /// The route of a merchant's collection in the payer's currency.
    #[must_use]
    pub fn of_collection(
        merchant: &'a Merchant,
        (provider, method): (Provider, Method),
        payer_currency: Currency,
        tariff: &Tariff,
        now: ServerTime,
    ) -> Self {
        let account = tariff.account_for(merchant, provider);
        let operation = Operation::Collection;
        let network = (provider, method);
        let unit_minor = tariff.network_unit(account, network, operation, payer_currency, now);
        Self { tier: &merchant.fee_tier, operation, provider, method, unit_minor }
    }
}

/// The amounts of a payment. Fees and total are in the currency of the source or wallet (S), `payer`
/// is in the payer's currency (P).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quote {
    /// In P.
    pub payer: Money,
    /// In S; for payouts and transfers, S and P are the same.
    pub payee: Money,
    /// The payer's amount in S: payee plus fees.
    pub total: i64,
    /// In S.
    pub platform_fee: i64,
    /// In S.
    pub gateway_fee: i64,
    /// In S.
    pub fx_fee: i64,
    /// Units of P for one unit of S.
    pub rate: Ratio,
    /// The tariff's row of the platform fee.
    pub platform_fee_id: Option<i64>,
    /// The tariff's row of the gateway fee.
    pub gateway_fee_id: Option<i64>,
    /// What the amounts were rounded to, in minor units: above one where a network takes a currency
    /// without its decimals.
    pub unit_minor: i64,
}

impl Quote {
    /// All fees, in S.
    #[must_use]
    pub const fn fees(&self) -> i64 {
        self.platform_fee.saturating_add(self.gateway_fee).saturating_add(self.fx_fee)
    }
}

/// `rate`, which is in major units, as minor units of `to` for one minor unit of `from`.
#[must_use]
pub fn minor_rate(rate: Ratio, from: Currency, to: Currency) -> Option<Ratio> {
    rate.times(Ratio::new(to.minor_per_major(), from.minor_per_major())?)
}

/// `money` in another currency at `rate` (in major units). Rounded up, so that converting forth and
/// back never leaves the payer with more than before.
#[must_use]
pub fn convert(money: Money, rate: Ratio, to: Currency) -> Option<Money> {
    let rate = minor_rate(rate, money.currency, to)?;
    let minor = if mutant!(HalfRounding) {
        rate.mul_rounded(money.minor)
    } else {
        rate.mul_rounded_up(money.minor)
    };
    minor.map(|minor| Money::new(minor, to))
}

/// An amount above zero in whole units, rounded up.
fn up_to_unit(money: Money, unit_minor: i64) -> Option<Money> {
    let units = money.minor.checked_add(unit_minor.checked_sub(1)?)? / unit_minor;
    Some(Money::new(units.checked_mul(unit_minor)?, money.currency))
}

/// `base × percentage + fixed` in the base's currency, rounded half up once, to whole units of
/// `unit_minor`. A fee above zero is at least one unit, or a payment could be split into parts that
/// are free.
fn fee_on(
    base: Money,
    fee: Fee,
    unit_minor: i64,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<i64, Refusal> {
    let too_large = Refusal::AmountTooLarge;
    let (fixed_num, fixed_den) = match fee.fixed {
        None => (0, 1),
        Some((minor, currency)) => {
            let no_rate = Refusal::NoRate { from: currency, to: base.currency };
            let rate = tariff.rate(currency, base.currency, now).ok_or(no_rate)?;
            let rate = minor_rate(rate, currency, base.currency).ok_or(too_large.clone())?;
            (i128::from(minor) * i128::from(rate.num()), i128::from(rate.den()))
        }
    };
    // base × ppm / 10⁶ + num / den = (base × ppm × den + num × 10⁶) / (10⁶ × den): one fraction, so
    // that the share and the fixed part are not rounded separately. Half up is (2 × sum + whole) /
    // (2 × whole) in integers; nothing here is negative.
    let share = i128::from(base.minor) * i128::from(fee.percentage_ppm);
    let round = || {
        let minor = i128::from(MILLION).checked_mul(fixed_den)?;
        let whole = minor.checked_mul(unit_minor.into())?;
        let sum =
            share.checked_mul(fixed_den)?.checked_add(fixed_num.checked_mul(MILLION.into())?)?;
        let half = if mutant!(WrongRounding) { 0 } else { whole };
        let least = i128::from(sum > 0 && !mutant!(FreeFee));
        let units = (sum.checked_mul(2)?.checked_add(half)? / whole.checked_mul(2)?).max(least);
        i64::try_from(units.checked_mul(unit_minor.into())?).ok()
    };
    round().ok_or(too_large)
}

/// The tariff's fee rows for a payment.
struct FeeRows<'a> {
    platform: Option<&'a PlatformFee>,
    gateway: Option<&'a GatewayFee>,
}

impl<'a> FeeRows<'a> {
    /// The rows in effect. A collection or payout needs both, even if they are of zero: a missing
    /// row must not make it free.
    fn find(route: Route<'_>, tariff: &'a Tariff, now: ServerTime) -> Result<Self, Refusal> {
        let Route { tier, operation, provider, method, .. } = route;
        let platform = tariff.platform_fee(tier, operation, now);
        let gateway = tariff.gateway_fee(provider, method, operation, now);
        if matches!(operation, Operation::Transfer | Operation::Refund) {
            return Ok(Self { platform, gateway });
        }
        let missing = |what, of: &str| Refusal::NoFee {
            what,
            of: of.to_owned(),
            operation: operation.as_str(),
        };
        if platform.is_none() {
            return Err(missing("platform", tier));
        }
        if gateway.is_none() {
            return Err(missing("gateway", method.as_str()));
        }
        Ok(Self { platform, gateway })
    }

    /// The platform fee and the gateway fee.
    fn fees(
        &self,
        base: Money,
        unit_minor: i64,
        tariff: &Tariff,
        now: ServerTime,
    ) -> Result<(i64, i64), Refusal> {
        let platform = self.platform.map_or(Fee::NONE, |row| row.fee);
        let gateway = self.gateway.map_or(Fee::NONE, |row| row.fee);
        let times = if mutant!(DoubleFee) { 2 } else { 1 };
        let platform = fee_on(base, platform, unit_minor, tariff, now)? * times;
        Ok((platform, fee_on(base, gateway, unit_minor, tariff, now)?))
    }
}

/// The amounts of a collection of `base` (in S), paid in `payer_currency`.
///
/// What the payer pays is in whole units of the network. In the source's currency its total must be,
/// and each fee is rounded to whole units; in another the conversion is rounded up to them.
///
/// # Errors
/// [`Refusal::NoRate`], [`Refusal::NoFee`], [`Refusal::AmountTooSmall`],
/// [`Refusal::AmountTooLarge`], [`Refusal::NetworkDecimals`].
pub fn quote_collection(
    base: Money,
    payer_currency: Currency,
    bearer: FeeBearer,
    route: Route<'_>,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<Quote, Refusal> {
    let rows = FeeRows::find(route, tariff, now)?;
    let unit_minor = route.unit_minor;
    let fee_unit = if payer_currency == base.currency { unit_minor } else { 1 };
    if base.minor % fee_unit != 0 {
        let allowed = allowed_decimals(base.currency, fee_unit);
        return Err(Refusal::NetworkDecimals { subject: Subject::Account, allowed });
    }
    let (platform_fee, gateway_fee) = rows.fees(base, fee_unit, tariff, now)?;
    let rate = tariff
        .rate(base.currency, payer_currency, now)
        .ok_or(Refusal::NoRate { from: base.currency, to: payer_currency })?;
    let fx_ppm = rows.platform.map_or(0, |row| row.fx_percentage_ppm);
    let fx = Fee {
        percentage_ppm: if payer_currency == base.currency { 0 } else { fx_ppm },
        fixed: None,
    };
    let fx_fee = fee_on(base, fx, 1, tariff, now)?;

    let too_large = Refusal::AmountTooLarge;
    let fees = platform_fee
        .checked_add(gateway_fee)
        .and_then(|sum| sum.checked_add(fx_fee))
        .ok_or(too_large.clone())?;
    let (total, payee) = match bearer {
        FeeBearer::Payer => (base.minor.checked_add(fees).ok_or(too_large.clone())?, base.minor),
        FeeBearer::Payee => (base.minor, base.minor - fees),
    };
    let payer = convert(Money::new(total, base.currency), rate, payer_currency)
        .and_then(|payer| up_to_unit(payer, unit_minor))
        .filter(|payer| payer.minor <= MAX_CONVERTED_MINOR)
        .ok_or(too_large)?;
    if payer.minor <= 0 || payee <= 0 {
        return Err(Refusal::AmountTooSmall);
    }
    Ok(Quote {
        payer,
        payee: Money::new(payee, base.currency),
        total,
        platform_fee,
        gateway_fee,
        fx_fee,
        rate,
        platform_fee_id: rows.platform.map(|row| row.id.0),
        gateway_fee_id: rows.gateway.map(|row| row.id.0),
        unit_minor,
    })
}

/// How many decimals a currency has in amounts of whole units.
#[must_use]
pub const fn allowed_decimals(currency: Currency, unit_minor: i64) -> u32 {
    currency.exponent().saturating_sub(unit_minor.ilog10())
}

/// The amounts of a payout or transfer of `amount`: the merchant pays the fees on top, and there is
/// no exchange.
///
/// # Errors
/// [`Refusal::NoFee`] of a payout, [`Refusal::NoRate`], [`Refusal::AmountTooLarge`].
pub fn quote_outgoing(
    amount: Money,
    route: Route<'_>,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<Quote, Refusal> {
    let rows = FeeRows::find(route, tariff, now)?;
    let (platform_fee, gateway_fee) = rows.fees(amount, 1, tariff, now)?;
    let total = platform_fee
        .checked_add(gateway_fee)
        .and_then(|fees| fees.checked_add(amount.minor))
        .ok_or(Refusal::AmountTooLarge)?;
    let payer = Money::new(total, amount.currency);
    Ok(Quote {
        payer,
        payee: amount,
        total,
        platform_fee,
        gateway_fee,
        fx_fee: 0,
        rate: Ratio::ONE,
        platform_fee_id: rows.platform.map(|row| row.id.0),
        gateway_fee_id: rows.gateway.map(|row| row.id.0),
        unit_minor: 1,
    })
}

/// A request to predict the amounts of a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuoteRequest<'a> {
    /// The source's total, or the amount to send or refund.
    pub base: Money,
    /// The payer's currency.
    pub target: Currency,
    /// Used for collections only.
    pub bearer: FeeBearer,
    pub route: Route<'a>,
}

/// The currencies in which a method supports an operation at `now`. A refund needs no market of its
/// own: it returns the way of its collection, even where new collections are no longer accepted.
#[must_use]
pub fn currencies(
    tariff: &Tariff,
    method: Method,
    provider: Provider,
    operation: Operation,
    now: ServerTime,
) -> Vec<Currency> {
    match operation {
        Operation::Refund => tariff.refund_currencies(method, provider, now),
        other => tariff.currencies(method, provider, other, now),
    }
}

/// The amounts that an execution would have at `now`, from the functions that executions use. Only
/// collections exchange currencies; a refund has no fees.
///
/// # Errors
/// [`Refusal::NoMarket`], [`Refusal::CurrencyNotSupported`], [`Refusal::CurrencyMismatch`], and those
/// of [`quote_collection`].
pub fn predict(
    question: QuoteRequest<'_>,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<Quote, Refusal> {
    let QuoteRequest { base, target, bearer, route } = question;
    let Route { operation, provider, method, .. } = route;
    let (open, takes) = match operation {
        // Between wallets, no market is needed.
        Operation::Transfer => {
            let is_internal = (provider, method) == (Provider::Platform, Method::WALLET);
            (is_internal, is_internal)
        }
        _ => {
            let currencies = currencies(tariff, method, provider, operation, now);
            (!currencies.is_empty(), currencies.contains(&target))
        }
    };
    if !open {
        let (provider, operation) = (provider.as_str(), operation.as_str());
        return Err(Refusal::NoMarket { method, provider, operation });
    }
    if operation != Operation::Collection && target != base.currency {
        return Err(Refusal::CurrencyMismatch { what: "payment", has: base.currency });
    }
    if !takes {
        return Err(Refusal::CurrencyNotSupported { currency: target, method });
    }
    match operation {
        Operation::Collection => quote_collection(base, target, bearer, route, tariff, now),
        Operation::Payout | Operation::Transfer => quote_outgoing(base, route, tariff, now),
        Operation::Refund => Ok(Quote {
            payer: base,
            payee: base,
            total: base.minor,
            platform_fee: 0,
            gateway_fee: 0,
            fx_fee: 0,
            rate: Ratio::ONE,
            platform_fee_id: None,
            gateway_fee_id: None,
            unit_minor: 1,
        }),
    }
}

/// An amount in P, the payer's currency, in the wallet's currency S: `amount ÷ rate`, rounded up.
#[must_use]
pub fn to_wallet_rounded_up(amount: Money, rate: Ratio, wallet_currency: Currency) -> Option<i64> {
    let back = minor_rate(rate.inverse()?, amount.currency, wallet_currency)?;
    if mutant!(RefundRoundedDown) {
        back.mul_rounded(amount.minor)
    } else {
        back.mul_rounded_up(amount.minor)
    }
}

/// [`to_wallet_rounded_up`], but rounded down.
#[must_use]
pub fn to_wallet_rounded_down(
    amount: Money,
    rate: Ratio,
    wallet_currency: Currency,
) -> Option<i64> {
    minor_rate(rate.inverse()?, amount.currency, wallet_currency)?.mul_rounded_down(amount.minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::{GatewayFeeId, PlatformFeeId, RateId};
    use crate::tariff::{Effective, GatewayFee, PlatformFee, Rate};
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn tariff() -> Tariff {
        let effective = Effective { from: ServerTime(0), to: None };
        let platform = |operation, ppm| PlatformFee {
            id: PlatformFeeId(1),
            tier: "default".into(),
            operation,
            fee: Fee { percentage_ppm: ppm, fixed: None },
            fx_percentage_ppm: 10_000,
            effective,
            created_at: ServerTime(0),
        };
        let gateway = |provider, method, operation, ppm, fixed| GatewayFee {
            id: GatewayFeeId(2),
            provider,
            method,
            operation,
            fee: Fee { percentage_ppm: ppm, fixed },
            effective,
            created_at: ServerTime(0),
            updated_at: ServerTime(0),
        };
        let rate = |to, num| Rate {
            id: RateId(1),
            from: currency("USD"),
            to: currency(to),
            rate: Ratio::new(num, 1).unwrap(),
            effective,
            created_at: ServerTime(0),
        };
        Tariff {
            version: 1,
            tiers: vec![],
            platform_fees: vec![
                platform(Operation::Collection, 10_000),
                platform(Operation::Payout, 5_000),
            ],
            gateway_fees: vec![
                gateway(
                    Provider::PawaPay,
                    Method::MTN_MOMO_LBR,
                    Operation::Collection,
                    20_000,
                    None,
                ),
                gateway(Provider::PawaPay, Method::MTN_MOMO_LBR, Operation::Payout, 10_000, None),
                gateway(
                    Provider::Stripe,
                    Method::CREDIT_CARD,
                    Operation::Collection,
                    29_000,
                    Some((30, currency("USD"))),
                ),
                gateway(Provider::Platform, Method::WALLET, Operation::Collection, 0, None),
            ],
            rates: vec![rate("LRD", 192), rate("RWF", 1_440)],
            ..Tariff::default()
        }
    }

    const MOMO: Route<'_> = Route {
        tier: "default",
        operation: Operation::Collection,
        provider: Provider::PawaPay,
        method: Method::MTN_MOMO_LBR,
        unit_minor: 1,
    };
    const CARD: Route<'_> =
        Route { provider: Provider::Stripe, method: Method::CREDIT_CARD, ..MOMO };
    const PAYOUT: Route<'_> = Route { operation: Operation::Payout, ..MOMO };
    const WALLET: Route<'_> =
        Route { provider: Provider::Platform, method: Method::WALLET, ..MOMO };
    const NOW: ServerTime = ServerTime(1);

    fn usd(minor: i64) -> Money {
        Money::new(minor, currency("USD"))
    }

    #[test]
    fn the_payer_bears_the_fees_on_top() {
        let quote =
            quote_collection(usd(10_000), currency("USD"), FeeBearer::Payer, MOMO, &tariff(), NOW)
                .unwrap();
        assert_eq!((quote.payer, quote.payee), (usd(10_300), usd(10_000)));
        assert_eq!((quote.platform_fee, quote.gateway_fee, quote.fx_fee), (100, 200, 0));
    }

    #[test]
    fn the_payee_bears_the_fees_out_of_the_total() {
        let quote =
            quote_collection(usd(10_000), currency("USD"), FeeBearer::Payee, MOMO, &tariff(), NOW)
                .unwrap();
        assert_eq!((quote.payer, quote.payee, quote.total), (usd(10_000), usd(9_700), 10_000));
    }

    #[test]
    fn exchange_converts_the_total_once_and_costs_a_share() {
        let quote =
            quote_collection(usd(10_000), currency("LRD"), FeeBearer::Payer, MOMO, &tariff(), NOW)
                .unwrap();
        assert_eq!(quote.fx_fee, 100);
        assert_eq!(quote.payer, Money::new(10_400 * 192, currency("LRD")));
    }

    #[test]
    fn cross_rates_go_through_usd_and_decimals_differ() {
        let lrd = Money::new(19_200, currency("LRD"));
        let quote =
            quote_collection(lrd, currency("RWF"), FeeBearer::Payee, MOMO, &tariff(), NOW).unwrap();
        assert_eq!(quote.payer, Money::new(1_440, currency("RWF")));
        assert_eq!(quote.rate, Ratio::new(15, 2).unwrap());
    }

    #[test]
    fn a_fixed_part_in_another_currency_is_converted_and_rounded_with_the_rest() {
        let lrd = Money::new(100_000, currency("LRD"));
        let quote =
            quote_collection(lrd, currency("LRD"), FeeBearer::Payee, CARD, &tariff(), NOW).unwrap();
        // 2.9 % of 1000.00 LRD is 29.00; 0.30 USD is 57.60 LRD.
        assert_eq!(quote.gateway_fee, 2_900 + 5_760);
        // 2.9 % of 1.00 USD is 0.029, with 0.30 it is 0.329: rounded once, 0.33.
        assert_eq!(
            fee_on(
                usd(100),
                Fee { percentage_ppm: 29_000, fixed: Some((30, currency("USD"))) },
                1,
                &tariff(),
                NOW
            ),
            Ok(33)
        );
    }

    #[test]
    fn where_a_network_takes_no_decimals_all_amounts_are_whole() {
        let whole = Route { unit_minor: 100, ..MOMO };
        let quote = |minor, payer, bearer| {
            quote_collection(usd(minor), currency(payer), bearer, whole, &tariff(), NOW)
        };
        // 1 % and 2 % of 70.00 are 0.70 and 1.40: 1 and 1.
        let of_payer = quote(7_000, "USD", FeeBearer::Payer).unwrap();
        assert_eq!((of_payer.platform_fee, of_payer.gateway_fee), (100, 100));
        assert_eq!((of_payer.payer, of_payer.payee), (usd(7_200), usd(7_000)));
        // Out of 20.00: 0.20 and 0.40 are nothing, and a fee above zero is at least one unit.
        let of_payee = quote(2_000, "USD", FeeBearer::Payee).unwrap();
        assert_eq!((of_payee.platform_fee, of_payee.gateway_fee), (100, 100));
        assert_eq!((of_payee.payer, of_payee.payee), (usd(2_000), usd(1_800)));
        let refused = Refusal::NetworkDecimals { subject: Subject::Account, allowed: 0 };
        assert_eq!(quote(7_050, "USD", FeeBearer::Payer), Err(refused));
        // 1.01 with 3 fees of 0.01, 0.02 and 0.01 is 1.05 USD, 201.60 LRD: 202.
        let exchanged = quote(101, "LRD", FeeBearer::Payer).unwrap();
        assert_eq!((exchanged.platform_fee, exchanged.gateway_fee, exchanged.fx_fee), (1, 2, 1));
        assert_eq!(exchanged.payer, Money::new(20_200, currency("LRD")));
        let plain =
            quote_collection(usd(101), currency("LRD"), FeeBearer::Payer, MOMO, &tariff(), NOW);
        assert_eq!(plain.unwrap().payer, Money::new(20_160, currency("LRD")));
    }

    #[test]
    fn nothing_left_is_refused() {
        let refused =
            quote_collection(usd(30), currency("USD"), FeeBearer::Payee, CARD, &tariff(), NOW);
        assert_eq!(refused, Err(Refusal::AmountTooSmall));
        let refused = quote_collection(
            Money::new(1, currency("RWF")),
            currency("USD"),
            FeeBearer::Payee,
            MOMO,
            &tariff(),
            NOW,
        );
        assert_eq!(refused, Err(Refusal::AmountTooSmall));
    }

    #[test]
    fn an_exchange_that_comes_to_too_much_is_refused() {
        let dollars = |minor| {
            quote_collection(usd(minor), currency("RWF"), FeeBearer::Payee, MOMO, &tariff(), NOW)
        };
        assert!(dollars(100_000_000_000_000).is_ok());
        assert_eq!(dollars(MAX_MINOR), Err(Refusal::AmountTooLarge));
        assert!(
            quote_collection(
                usd(MAX_MINOR),
                currency("USD"),
                FeeBearer::Payer,
                MOMO,
                &tariff(),
                NOW
            )
            .is_ok()
        );
    }

    #[test]
    fn payouts_cost_the_merchant_on_top() {
        let quote = quote_outgoing(usd(50_000), PAYOUT, &tariff(), NOW).unwrap();
        assert_eq!((quote.payer, quote.payee, quote.fees()), (usd(50_750), usd(50_000), 750));
    }

    #[test]
    fn an_order_of_a_cents_worth_is_no_bargain() {
        let order = |minor, code| Money::new(minor, currency(code));
        let pays = |order, code| {
            quote_collection(order, currency(code), FeeBearer::Payer, WALLET, &tariff(), NOW)
                .unwrap()
        };
        // 21 RWF and two fees of 0.21, each a franc: 23 are 0.01597 USD. A cent and two fees of a
        // cent: 43.2 RWF.
        let francs = pays(order(21, "RWF"), "USD");
        assert_eq!((francs.platform_fee, francs.gateway_fee, francs.fx_fee), (1, 0, 1));
        assert_eq!(francs.payer, usd(2));
        assert_eq!(pays(usd(1), "RWF").payer, order(44, "RWF"));
        assert_eq!((francs.platform_fee_id, francs.gateway_fee_id), (Some(1), Some(2)));
    }

    #[test]
    fn a_fee_above_zero_is_a_minor_unit_at_least() {
        let fee = |ppm, fixed: Option<i64>| Fee {
            percentage_ppm: ppm,
            fixed: fixed.map(|minor| (minor, currency("LRD"))),
        };
        let on = |fee| fee_on(usd(1), fee, 1, &tariff(), NOW).unwrap();
        assert_eq!(
            [on(fee(1, None)), on(fee(0, Some(1))), on(fee(0, Some(0))), on(fee(0, None))],
            [1, 1, 0, 0]
        );
    }

    #[test]
    fn a_missing_row_is_no_fee_of_zero() {
        let refused = |tariff: &Tariff, route: Route<'_>| match route.operation {
            Operation::Collection => {
                quote_collection(usd(100), currency("USD"), FeeBearer::Payer, route, tariff, NOW)
            }
            _ => quote_outgoing(usd(100), route, tariff, NOW),
        };
        let missing =
            |what, of: &str, operation| Err(Refusal::NoFee { what, of: of.to_owned(), operation });
        let (both, tierless) = (tariff(), Route { tier: "gold", ..MOMO });
        assert_eq!(refused(&both, tierless), missing("platform", "gold", "COLLECTION"));
        let later = |mut tariff: Tariff| {
            tariff.platform_fees.iter_mut().for_each(|row| row.effective.from = ServerTime(2));
            tariff
        };
        assert_eq!(refused(&later(tariff()), MOMO), missing("platform", "default", "COLLECTION"));
        assert_eq!(refused(&later(tariff()), PAYOUT), missing("platform", "default", "PAYOUT"));
        let bare = Tariff { gateway_fees: vec![], ..tariff() };
        assert_eq!(refused(&bare, MOMO), missing("gateway", "MTN_MOMO_LBR", "COLLECTION"));
        assert_eq!(refused(&bare, PAYOUT), missing("gateway", "MTN_MOMO_LBR", "PAYOUT"));
        // What stays in the house needs no row, and has its fee where there is one.
        let transfer = Route { operation: Operation::Transfer, ..WALLET };
        let free = refused(&Tariff::default(), transfer).unwrap();
        assert_eq!((free.payer, free.platform_fee_id, free.gateway_fee_id), (usd(100), None, None));
    }

    proptest! {
        #[test]
        fn there_and_back_leaves_no_more_than_there_was(
            minor in 1..=1_000_000_000_i64,
            num in 1..=1_000_000_i64,
            den in 1..=1_000_000_i64,
            codes in prop::sample::select(vec![("USD", "RWF"), ("RWF", "USD"), ("USD", "LRD"), ("KWD", "RWF")]),
        ) {
            let (rate, from, to) = (Ratio::new(num, den).unwrap(), currency(codes.0), currency(codes.1));
            let paid = convert(Money::new(minor, from), rate, to).unwrap();
            let back = convert(paid, rate.inverse().unwrap(), from).unwrap();
            prop_assert!(back.minor >= minor, "{} for {}, which is {} for {}", paid, minor, back, paid);
        }

        #[test]
        fn payments_in_parts_cost_no_less_than_one(
            parts in prop::collection::vec(1..=10_000_i64, 2..8),
            payer in any::<bool>(),
            route in prop::sample::select(vec![MOMO, CARD, WALLET]),
            fx in any::<bool>(),
        ) {
            let bearer = if payer { FeeBearer::Payer } else { FeeBearer::Payee };
            let paid_in = currency(if fx { "RWF" } else { "USD" });
            let figures = |minor| quote_collection(usd(minor), paid_in, bearer, route, &tariff(), NOW);
            let quotes: Result<Vec<Quote>, _> = parts.iter().map(|part| figures(*part)).collect();
            let (Ok(quotes), Ok(whole)) = (quotes, figures(parts.iter().sum())) else { return Ok(()) };
            let slack = i64::try_from(parts.len()).unwrap();
            let all = |of: fn(&Quote) -> i64| quotes.iter().map(of).sum::<i64>();
            prop_assert!(all(|quote| quote.fees()) + 3 * slack >= whole.fees());
            // No part is worth more than is paid for it.
            for quote in &quotes {
                prop_assert!(minor_rate(quote.rate, currency("USD"), paid_in).unwrap().mul_rounded_down(quote.total).unwrap() <= quote.payer.minor);
                prop_assert!(quote.platform_fee >= 1 && (!fx || quote.fx_fee >= 1));
            }
        }

        #[test]
        fn total_is_payee_plus_fees(minor in 1_000..=1_000_000_000_000_i64, payer in any::<bool>(), fx in any::<bool>(), card in any::<bool>()) {
            let bearer = if payer { FeeBearer::Payer } else { FeeBearer::Payee };
            let paid_in = currency(if fx { "RWF" } else { "USD" });
            let quote = quote_collection(usd(minor), paid_in, bearer, if card { CARD } else { MOMO }, &tariff(), NOW).unwrap();
            prop_assert_eq!(quote.total, quote.payee.minor + quote.fees());
            prop_assert_eq!(if payer { quote.payee.minor } else { quote.total }, minor);
        }
    }
}

//! Why a change of the tariff is refused.

use crate::kernel::currency::Currency;
use crate::kernel::names::{Method, Operation, Provider};
use crate::tariff::MethodDetails;
use crate::tariff::rates::RateFault;
use std::fmt;

/// Why a change of the tariff is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TariffFault {
    /// No fee tier has this name.
    UnknownTier(String),
    /// A fee was set for refunds.
    FeeOnRefund,
    /// A change was to begin before it was made.
    BeginsInPast,
    /// The fixed part of a fee cannot be converted into a currency that the fee is taken in.
    NoRateForFixedPart {
        fixed: Currency,
        taken_in: Currency,
    },
    Rate(RateFault),
    /// A market was opened for transfers or refunds.
    OperationWithoutMarket,
    /// The method never had a market, so its network is not known.
    MethodWithoutMarket(Method),
    /// The method never had a market, and the command leaves out what is taken from the last one.
    NewMethod {
        method: Method,
        needs: Vec<NewMethodNeeds>,
    },
    /// A card or wallet has no phone numbers.
    NoPhoneNumbers(Method),
    /// The dial prefix is not one of the country, whose numbers begin with `code`.
    PrefixOfOtherCountry {
        prefix: String,
        country: String,
        code: &'static str,
    },
    /// The network was said to take more decimals than the currency has.
    TooManyDecimals(Currency),
    /// The method is open with other details.
    OtherDetails {
        method: Method,
        says: MethodDetails,
    },
    /// Another method has this code of the network.
    NetworkCodeTaken {
        code: String,
        network: Provider,
        by: Method,
    },
    /// The method is open on another network.
    OtherNetwork {
        method: Method,
        network: Provider,
    },
    /// A market without a gateway fee would refuse every payment.
    NoGatewayFee {
        method: Method,
        operation: Operation,
        network: Provider,
    },
    MarketNotOpen {
        method: Method,
        operation: Operation,
        currency: Currency,
    },
    /// The prefix is longer than the numbers.
    PrefixTooLong {
        prefix: String,
        digits: i64,
    },
    PrefixNotAssigned {
        prefix: String,
        digits: i64,
    },
}

/// What the first market of a method must say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewMethodNeeds {
    Network,
    NetworkCode,
    Country,
    DialPrefix,
    Decimals,
    DisplayName,
}

impl fmt::Display for TariffFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTier(tier) => write!(f, "there is no tier {tier}"),
            Self::FeeOnRefund => {
                f.write_str("a refund has no fees: those of its collection stay spent")
            }
            Self::BeginsInPast => f.write_str("a change begins now or later"),
            Self::NoRateForFixedPart { fixed, taken_in } => write!(
                f,
                "there is no rate between {fixed} and {taken_in}, in which the fee is taken: every such payment would be refused. Set \
                 the rate first, with `kola rates set {fixed} {taken_in} RATE`, or give the fixed part in another currency"
            ),
            Self::Rate(fault) => fault.fmt(f),
            Self::OperationWithoutMarket => f.write_str(
                "transfers and refunds have no market: a transfer reaches no network, and a refund uses that of its collection",
            ),
            Self::MethodWithoutMarket(method) => write!(f, "{method} has no market"),
            Self::NewMethod { method, .. } => write!(f, "{method} is new"),
            Self::NoPhoneNumbers(method) => write!(f, "{method} has no phone numbers"),
            Self::PrefixOfOtherCountry { prefix, country, code } => {
                write!(f, "numbers in {country} begin with {code}, not with {prefix}")
            }
            Self::TooManyDecimals(currency) => {
                write!(f, "{currency} has {} decimals", currency.exponent())
            }
            Self::OtherDetails { method, says } => {
                let MethodDetails { network_code, display_name } = says;
                write!(
                    f,
                    "{method} is open with the network's code {network_code} and the name \"{display_name}\": \
                     close its markets to change that"
                )
            }
            Self::NetworkCodeTaken { code, network, by } => {
                write!(f, "{code} of {network} is {by} already")
            }
            Self::OtherNetwork { method, network } => {
                write!(f, "{method} is carried by {network}, and a method has one network")
            }
            Self::NoGatewayFee { method, operation, network } => {
                write!(f, "{method} has no fee for {operation} by {network} yet")
            }
            Self::MarketNotOpen { method, operation, currency } => {
                write!(f, "{method} does no {operation} in {currency}")
            }
            Self::PrefixTooLong { prefix, digits } => {
                write!(f, "numbers of {digits} digits cannot begin with {prefix}")
            }
            Self::PrefixNotAssigned { prefix, digits } => {
                write!(f, "no operator has numbers of {digits} digits that begin with {prefix}")
            }
        }
    }
}

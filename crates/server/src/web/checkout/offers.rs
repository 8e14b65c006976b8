//! The ways to pay a sum, and what each costs.

use domain::directory::merchant::Merchant;
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::ServerTime;
use domain::payments::checks;
use domain::tariff::fees::{self, Route};
use domain::tariff::{Market, Tariff};

use crate::web::checkout::view::{Choices, MethodPrice, PayWith, Price, Unavailable};

/// A sum that a payer of a merchant is to pay.
#[derive(Clone, Copy)]
pub struct Offers<'a> {
    pub total: Money,
    pub bearer: FeeBearer,
    pub merchant: &'a Merchant,
    pub tariff: &'a Tariff,
    pub now: ServerTime,
}

impl Offers<'_> {
    /// Every method that the market offers, with its price.
    #[must_use]
    pub fn choices(&self) -> Choices {
        let is_offered = |market: &&Market| {
            market.operation == Operation::Collection
                && market.method != Method::WALLET
                && market.effective.at(self.now)
        };
        let mut methods: Vec<MethodPrice> = self
            .tariff
            .markets
            .iter()
            .filter(is_offered)
            .map(|market| {
                let pay_with = PayWith { method: market.method, currency: market.currency };
                let price = self.price(pay_with, market.provider);
                MethodPrice { pay_with, provider: market.provider, price }
            })
            .collect();
        // A payer can do nothing about a price that nobody has set.
        if methods.iter().any(|method| method.price.is_ok()) {
            methods.retain(|method| method.price != Err(Unavailable::NoPrice));
        }
        // The first button of a form goes forward, so it must be one that works.
        methods.sort_by_key(|method| method.price.is_err());
        Choices { methods }
    }

    /// What it costs now to pay by a method in a currency that the market offers.
    fn price(&self, pay_with: PayWith, provider: Provider) -> Result<Price, Unavailable> {
        let Self { total, bearer, tariff, now, .. } = *self;
        let network = (provider, pay_with.method);
        let route = Route::of_collection(self.merchant, network, pay_with.currency, tariff, now);
        match fees::quote_collection(total, pay_with.currency, bearer, route, tariff, now) {
            Ok(quote) => {
                self.check_network((provider, pay_with.method), quote.payer)?;
                Ok(Price::new(&quote, self.bearer))
            }
            Err(Refusal::AmountTooSmall) => Err(Unavailable::AmountTooSmall),
            Err(Refusal::AmountTooLarge) => Err(Unavailable::AmountTooLarge),
            Err(_) => Err(Unavailable::NoPrice),
        }
    }

    /// Whether a real network takes such a payment now.
    fn check_network(&self, route: (Provider, Method), amount: Money) -> Result<(), Unavailable> {
        let operation = (Operation::Collection, amount);
        let checked = checks::check_network(
            self.merchant,
            route,
            operation,
            Subject::Account,
            None,
            self.tariff,
            self.now,
        );
        checked.map_err(|refusal| match refusal {
            Refusal::NoNetworkAccount { .. } => Unavailable::NoPrice,
            Refusal::OutsideNetworkBounds { bound: "least", .. } => Unavailable::AmountTooSmall,
            Refusal::OutsideNetworkBounds { .. } => Unavailable::AmountTooLarge,
            _ => Unavailable::NetworkDown,
        })
    }
}

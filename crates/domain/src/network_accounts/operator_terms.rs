//! What a network says that can be done for an account: for each operator, currency and operation
//! whether it works now, between which bounds, and how the payer is asked.

use crate::api_enum;
use crate::decision::row::rows_without_alt_key;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{NetworkAccountId, OperatorTermsId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::time::ServerTime;
use crate::tariff::Tariff;

api_enum! {
    /// Whether an operator works.
    Availability {
        Operational = "OPERATIONAL",
        /// Collections are refused; payouts and refunds wait in the network's queue.
        Delayed = "DELAYED",
        /// Nothing is taken.
        Closed = "CLOSED",
    }
}

/// What an account can do with one operator in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperatorTerms {
    pub id: OperatorTermsId,
    pub network_account_id: NetworkAccountId,
    pub terms: Terms,
    pub updated_at: ServerTime,
}

/// The terms as the network says them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The network's code of the operator.
    pub operator: String,
    pub currency: Currency,
    pub operation: Operation,
    pub availability: Availability,
    /// In minor units; `None` without a bound.
    pub min_minor: Option<i64>,
    /// In minor units; `None` without a bound.
    pub max_minor: Option<i64>,
    /// How many decimals an amount may have.
    pub decimals: i64,
    /// Three letters.
    pub country: String,
    /// The calling code.
    pub prefix: String,
    pub display_name: String,
    /// How the payer is asked for the PIN, as JSON; `None` where the network does not say.
    pub pin_prompt: Option<String>,
}

rows_without_alt_key!(OperatorTerms: OperatorTermsId);

/// Why an account does not take a payment now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotTaken {
    /// The network has said nothing of this operator, or that it is closed.
    Unavailable,
    BelowMinimum(Money),
    AboveMaximum(Money),
    Decimals(u32),
}

impl Terms {
    /// Whether `amount` is taken now. A payout or refund to an operator that is delayed is: it waits
    /// at the network.
    ///
    /// # Errors
    /// [`NotTaken`]
    pub fn check(&self, amount: Money) -> Result<(), NotTaken> {
        let works = match self.availability {
            Availability::Operational => true,
            Availability::Delayed => self.operation != Operation::Collection,
            Availability::Closed => false,
        };
        if !works {
            return Err(NotTaken::Unavailable);
        }
        let bound = |minor| Money::new(minor, self.currency);
        if let Some(min) = self.min_minor.filter(|min| amount.minor < *min) {
            return Err(NotTaken::BelowMinimum(bound(min)));
        }
        if let Some(max) = self.max_minor.filter(|max| amount.minor > *max) {
            return Err(NotTaken::AboveMaximum(bound(max)));
        }
        let decimals = u32::try_from(self.decimals).unwrap_or(0);
        let unused = self.currency.exponent().saturating_sub(decimals);
        if amount.minor % 10_i64.pow(unused) != 0 {
            return Err(NotTaken::Decimals(decimals));
        }
        Ok(())
    }
}

impl Tariff {
    /// The network's own code of a method's operator, as the method's newest market says; `None` for a
    /// card and a wallet.
    #[must_use]
    pub fn network_code(&self, method: Method) -> Option<&str> {
        let rows = self.markets.iter().filter(|row| row.method == method);
        let newest = rows.max_by_key(|row| row.effective.from);
        newest.filter(|_| method.is_mobile_money()).map(|row| row.details.network_code.as_str())
    }

    /// The smallest amount that a network takes of a currency, in minor units: 100 where it takes a
    /// currency of two decimals without any. The market says so, and what the network says of the
    /// account, if it says less.
    #[must_use]
    pub fn network_unit(
        &self,
        account: Option<NetworkAccountId>,
        (provider, method): (Provider, Method),
        operation: Operation,
        currency: Currency,
        now: ServerTime,
    ) -> i64 {
        // A refund goes the way of its collection, also where the market was closed since.
        let of_market =
            if operation == Operation::Refund { Operation::Collection } else { operation };
        let rows = self.markets.iter().filter(|row| {
            (row.provider, row.method, row.operation, row.currency)
                == (provider, method, of_market, currency)
                && row.effective.from <= now
        });
        let market = rows.max_by_key(|row| row.effective.from).map(|row| row.decimals);
        let terms = self.network_code(method).zip(account).and_then(|(code, account)| {
            let terms = self.operator_terms(account, code, currency, operation)?;
            Some(terms.decimals)
        });
        let exponent = currency.exponent();
        let said = [market, terms].into_iter().flatten().min();
        let decimals = said.map_or(exponent, |said| u32::try_from(said).unwrap_or(0));
        10_i64.pow(exponent.saturating_sub(decimals))
    }

    /// How an operator asks its customers to approve a payment, as its network told.
    #[must_use]
    pub fn pin_prompt(&self, account: NetworkAccountId, operator: &str) -> Option<&str> {
        let mut rows = self.operator_terms.iter().filter(|row| row.network_account_id == account);
        rows.find_map(|row| {
            row.terms.pin_prompt.as_deref().filter(|_| row.terms.operator == operator)
        })
    }

    /// What an account can do with an operator.
    #[must_use]
    pub fn operator_terms(
        &self,
        account: NetworkAccountId,
        operator: &str,
        currency: Currency,
        operation: Operation,
    ) -> Option<&Terms> {
        let mut rows = self.operator_terms.iter().filter(|row| row.network_account_id == account);
        rows.find(|row| {
            let terms = &row.terms;
            terms.operator == operator && (terms.currency, terms.operation) == (currency, operation)
        })
        .map(|row| &row.terms)
    }
}

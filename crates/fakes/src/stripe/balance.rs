//! The balance at Stripe: what moved it, and its payouts to the bank.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Stripe;
use super::objects::{BalanceTransaction, Payout};
use crate::money::{exponent, fee_of};

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// What Stripe takes of a charge: hundredths of a percent, and an amount in currencies with cents.
const FEE_BASIS_POINTS: i64 = 290;
const FEE_FIXED: i64 = 30;

/// The exchange into the currency of the balance.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    pub currency: String,
    /// As it was written: `0.00071`.
    pub rate: String,
}

impl Settlement {
    /// The minor units of another currency in minor units of the balance, rounded half away from
    /// zero. `None` where the rate is no plain decimal number or the amount does not fit.
    pub(crate) fn exchange(&self, minor: i64, currency: &str) -> Option<i64> {
        let (whole, fraction) = self.rate.split_once('.').unwrap_or((&self.rate, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let decimals = u32::try_from(fraction.len()).ok()? + exponent(currency);
        let divisor = 10_i128.checked_pow(decimals)?;
        let product = i128::from(minor)
            .checked_mul(digits)?
            .checked_mul(10_i128.checked_pow(exponent(&self.currency))?)?;
        let half = if product < 0 { -divisor / 2 } else { divisor / 2 };
        i64::try_from((product + half) / divisor).ok()
    }
}

impl Stripe {
    /// Books a movement of the balance. Only charges cost a fee.
    pub(crate) fn post(
        &mut self,
        kind: &'static str,
        category: &'static str,
        source: &str,
        amount: i64,
        currency: &str,
    ) -> String {
        let (moved, settled, _) = self.settled(amount, currency);
        let fixed = if exponent(&settled) == 0 { 0 } else { FEE_FIXED };
        let fee = if kind == "charge" { fee_of(moved, FEE_BASIS_POINTS) + fixed } else { 0 };
        self.post_with_fee((kind, category), source, amount, fee, currency)
    }

    /// What an amount is in the currency of the balance, and the rate by which it was exchanged.
    fn settled(&self, amount: i64, currency: &str) -> (i64, String, Option<String>) {
        let exchanged = self
            .settlement
            .as_ref()
            .filter(|settlement| settlement.currency != currency)
            .and_then(|settlement| Some((settlement, settlement.exchange(amount, currency)?)));
        match exchanged {
            None => (amount, currency.to_owned(), None),
            Some((settlement, moved)) => {
                (moved, settlement.currency.clone(), Some(settlement.rate.clone()))
            }
        }
    }

    /// Books a movement in the currency of the payment, with a fee in that of the balance.
    pub(crate) fn post_with_fee(
        &mut self,
        (kind, category): (&'static str, &'static str),
        source: &str,
        amount: i64,
        fee: i64,
        currency: &str,
    ) -> String {
        let id = format!("txn_3{}", self.common.random.letters(23));
        let (amount, currency, rate) = self.settled(amount, currency);
        let transaction = BalanceTransaction {
            number: self.next_number(),
            id: id.clone(),
            kind,
            category,
            source: source.to_owned(),
            amount,
            fee,
            currency,
            rate,
            created: self.now,
            // What was taken in is on its way for two days.
            available_on: if kind == "charge" { self.now + 2 * DAY } else { self.now },
            payout: None,
        };
        self.transactions.insert(id.clone(), transaction);
        id
    }

    /// What is available and what is pending in each currency.
    fn balances(&self) -> BTreeMap<&str, (i64, i64)> {
        let mut balances: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for transaction in self.transactions.values() {
            let (available, pending) = balances.entry(&transaction.currency).or_default();
            let part = if transaction.available_on <= self.now { available } else { pending };
            *part += transaction.net();
        }
        balances
    }

    pub(crate) fn show_balance(&self) -> Value {
        let balances = self.balances();
        let list = |part: fn(&(i64, i64)) -> i64| -> Value {
            let of = |(currency, balance): (&&str, &(i64, i64))| {
                json!({
                    "amount": part(balance),
                    "currency": currency,
                    "source_types": { "card": part(balance) },
                })
            };
            balances.iter().map(of).collect()
        };
        json!({
            "object": "balance",
            "available": list(|(available, _)| *available),
            "livemode": false,
            "pending": list(|(_, pending)| *pending),
        })
    }

    /// Pays to the bank what is available in a currency. `None` where there is nothing to pay.
    pub(crate) fn pay_out(&mut self, currency: &str) -> Option<String> {
        let now = self.now;
        let id = format!("po_1{}", self.common.random.letters(23));
        let mut amount = 0;
        for transaction in self.transactions.values_mut() {
            if transaction.currency == currency
                && transaction.payout.is_none()
                && transaction.available_on <= now
            {
                amount += transaction.net();
                transaction.payout = Some(id.clone());
            }
        }
        if amount <= 0 {
            self.transactions
                .values_mut()
                .filter(|transaction| transaction.payout.as_ref() == Some(&id))
                .for_each(|transaction| transaction.payout = None);
            return None;
        }
        let transaction = self.post("payout", "payout", &id, -amount, currency);
        if let Some(transaction) = self.transactions.get_mut(&transaction) {
            transaction.payout = Some(id.clone());
        }
        let payout = Payout {
            number: self.next_number(),
            id: id.clone(),
            amount,
            currency: currency.to_owned(),
            created: now,
            balance_transaction: transaction,
        };
        let shown = payout.show();
        self.payouts.insert(id.clone(), payout);
        for event in ["payout.created", "payout.paid", "payout.reconciliation_completed"] {
            self.emit(event, shown.clone());
        }
        Some(id)
    }

    pub(crate) fn balance_entries(&self) -> Value {
        let of = |(currency, (available, pending)): (&str, (i64, i64))| {
            json!({
                "currency": currency,
                "available_minor": available,
                "pending_minor": pending,
            })
        };
        self.balances().into_iter().map(of).collect()
    }
}

//! Balanced postings: the only way to change a balance.

use crate::decision::workspace::Stop;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, WalletId};
use crate::kernel::money::Money;
use crate::ledger::account::{AccountKind, Bucket};

/// The balance that a leg changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PostingTarget {
    Wallet(WalletId, Bucket),
    System(MerchantId, AccountKind),
}

/// One leg of a posting: credit above zero, debit below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leg {
    pub target: PostingTarget,
    pub money: Money,
}

impl Leg {
    #[must_use]
    pub const fn available(wallet: WalletId, minor: i64, currency: Currency) -> Self {
        Self {
            target: PostingTarget::Wallet(wallet, Bucket::Available),
            money: Money::new(minor, currency),
        }
    }

    #[must_use]
    pub const fn held(wallet: WalletId, minor: i64, currency: Currency) -> Self {
        Self {
            target: PostingTarget::Wallet(wallet, Bucket::Held),
            money: Money::new(minor, currency),
        }
    }

    #[must_use]
    pub const fn system(
        kind: AccountKind,
        merchant: MerchantId,
        minor: i64,
        currency: Currency,
    ) -> Self {
        Self { target: PostingTarget::System(merchant, kind), money: Money::new(minor, currency) }
    }
}

/// Legs that sum to zero in each currency. [`Postings::balanced`] is the only constructor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Postings(Vec<Leg>);

impl Postings {
    /// Postings of these legs, without those of zero.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] when a currency does not sum to zero.
    pub fn balanced(legs: Vec<Leg>) -> Result<Self, Stop> {
        let legs: Vec<Leg> = legs.into_iter().filter(|leg| leg.money.minor != 0).collect();
        for leg in &legs {
            let same = legs.iter().filter(|other| other.money.currency == leg.money.currency);
            // Summed in 128 bits: a sum of 64 bits could overflow and look like zero.
            let total: i128 = same.map(|other| i128::from(other.money.minor)).sum();
            if total != 0 {
                return Err(Stop::Inconsistent(format!("postings do not balance: {legs:?}")));
            }
        }
        Ok(Self(legs))
    }

    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.0
    }
}

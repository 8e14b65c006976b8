//! The oracle's own books: plain maps of what clients and providers were told.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use domain::exceptions::review::ReviewKind;
use domain::kernel::currency::Currency;
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::payments::execution::ExecutionStatus;
use domain::payments::session::{SessionKind, SessionStatus};
use domain::sales::source::{SourceStatus, SourceType};

use super::figures::{Figures, Prices, Worth, cost_of, whole};
use crate::db::Map;

/// A merchant.
#[derive(Clone, Default)]
pub struct Merchant {
    pub verified: bool,
    /// Of the fees of its checkouts.
    pub payee_bears: bool,
    pub phone: String,
    pub offset: i64,
    pub passcode: Option<Passcode>,
    pub parties: Vec<i64>,
    pub counterparties: Vec<i64>,
    pub accounts: Vec<i64>,
    pub sources: Vec<i64>,
    pub sessions: Vec<i64>,
    pub executions: Vec<i64>,
    pub wallets: Vec<i64>,
    pub keys: Vec<i64>,
}

impl Merchant {
    /// What payouts are compared with, where a passcode is set.
    pub fn passcode_hash(&self) -> Option<String> {
        self.passcode.as_ref().and_then(|passcode| passcode.hash.clone())
    }
}

/// A passcode that is set or was, and its tries.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Passcode {
    pub hash: Option<String>,
    /// The id of each, its API key, its time, and whether it was found wrong.
    pub tries: Vec<(i64, i64, i64, bool)>,
}

/// A payment account.
#[derive(Clone, Copy)]
pub struct Account {
    pub merchant: i64,
    pub party: i64,
    pub provider: Provider,
    pub method: Method,
    pub operation: Operation,
    pub active: bool,
}

/// An invoice or order.
#[derive(Clone)]
pub struct Source {
    pub merchant: i64,
    pub kind: SourceType,
    pub currency: Currency,
    pub total: i64,
    pub status: SourceStatus,
    pub bearer: FeeBearer,
    pub items: Vec<i64>,
}

/// A line.
#[derive(Clone, Copy)]
pub struct Item {
    pub source: i64,
    pub qty: i64,
    pub amount: i64,
    pub removed: bool,
}

/// Who receives a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recipient {
    Merchant(i64),
    Party(i64),
}

/// A session.
#[derive(Clone, Copy)]
pub struct Session {
    pub merchant: i64,
    pub kind: SessionKind,
    pub status: SessionStatus,
    pub expires: i64,
    pub source: Option<i64>,
    pub wallet: Option<i64>,
    pub account: Option<i64>,
    pub party: Option<i64>,
    /// Who receives a transfer: a merchant, or the party.
    pub recipient: Option<Recipient>,
    pub original: Option<i64>,
    pub amount: i64,
    pub currency: Option<Currency>,
}

/// An execution.
#[derive(Clone)]
pub struct Execution {
    pub merchant: i64,
    pub reference: String,
    pub operation: Operation,
    pub session: i64,
    pub status: ExecutionStatus,
    pub figures: Figures,
    /// The currency of the wallet, and of what crosses to the outside.
    pub inside: Currency,
    pub outside: Currency,
    pub worth: Worth,
    pub provider: Provider,
    pub source: Option<i64>,
    pub account: Option<i64>,
    pub wallet: Option<i64>,
    pub other: Option<i64>,
    pub original: Option<i64>,
    /// A payment: what its payer has of it, or is to have.
    pub refunded: i64,
    /// A payment: what its payer has of it for good, and what that has cost the wallet.
    pub back: i64,
    pub cost: i64,
    /// What its payer has of a payment for good because of this; below zero what was paid in beyond
    /// it.
    pub gone: i64,
    /// A refund: what it held and did not need.
    pub spare: i64,
    /// What its provider holds for us because of it, as far as its words were taken in: by
    /// currency, its own first.
    pub said: Vec<(Currency, i64)>,
    /// Of that what went back, or was recovered, outside.
    pub undone: Vec<(Currency, i64)>,
    pub disputed: bool,
    /// A collection that failed, and whose money a review gave to the wallet as if it had not.
    pub late: bool,
    pub acts: bool,
    /// Its provider was asked to cancel it.
    pub canceled: bool,
    pub created: i64,
    pub sent: i64,
    pub request: String,
}

impl Execution {
    /// What crosses to the outside.
    pub const fn crossing(&self) -> i64 {
        match self.operation {
            Operation::Collection => self.figures.payer,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.figures.payee,
        }
    }

    /// What of a payment is with its payer because of this: of a refund what the payer has, and no
    /// less than was asked for while that is open, or in another currency; of the payment itself
    /// what its provider took back.
    pub fn counts(&self) -> i64 {
        let completed = self.status == ExecutionStatus::Completed;
        let net = |currency: Currency| self.kept(currency);
        let has = match self.operation {
            Operation::Collection if self.stands() && self.provider != Provider::Platform => {
                self.figures.payer - net(self.outside)
            }
            Operation::Refund if completed && self.provider == Provider::Platform => {
                self.figures.payee
            }
            Operation::Refund => -net(self.outside),
            Operation::Collection | Operation::Payout | Operation::Transfer => return 0,
        };
        let elsewhere =
            self.said.iter().any(|(currency, _)| *currency != self.outside && net(*currency) != 0);
        let open = !self.is_final() || completed && self.disputed;
        let least = if self.operation == Operation::Refund && (open || elsewhere) {
            self.figures.payee
        } else {
            0
        };
        has.max(least)
    }

    /// What its provider holds for us because of it, without what went back outside.
    pub fn kept(&self, currency: Currency) -> i64 {
        sum_of(&self.said, currency) - sum_of(&self.undone, currency)
    }

    /// Whether the payee has its money: it went through, at once or by a review.
    pub const fn stands(&self) -> bool {
        self.late || matches!(self.status, ExecutionStatus::Completed)
    }

    /// Whether what reviews decide about it is about what a payer has of a payment.
    pub const fn gives_back(&self) -> bool {
        match self.operation {
            Operation::Refund => true,
            Operation::Collection => self.stands(),
            Operation::Payout | Operation::Transfer => false,
        }
    }

    /// A payment of which so much is back for good: what that costs.
    pub fn cost_of(&self, back: i64) -> i64 {
        cost_of(back, self.figures.payer, self.figures.total, self.worth)
    }

    /// A payment: what a refund of `r` that holds `held` takes.
    pub fn takes(&self, r: i64, held: i64) -> i64 {
        (self.cost_of(self.back + r) - self.cost).clamp(0, held)
    }

    /// A payment, once `gone` of it is with the payer because of one execution, instead of
    /// `before`: how much is back then, what that has cost, and what the wallet gets.
    pub fn corrected(&self, before: i64, gone: i64) -> (i64, i64, i64) {
        let back = self.back + gone.max(0) - before.max(0);
        let cost = match back.cmp(&self.back) {
            Ordering::Greater => self.cost.max(self.cost_of(back)),
            Ordering::Less => self.cost.min(self.cost_of(back)),
            Ordering::Equal => self.cost,
        };
        let beyond = |gone: i64| whole((-gone).max(0), self.worth);
        (back, cost, beyond(gone) - beyond(before) + self.cost - cost)
    }

    /// Whether it is money that a network brings in.
    pub fn comes_in(&self) -> bool {
        self.operation == Operation::Collection && self.provider != Provider::Platform
    }

    pub const fn is_final(&self) -> bool {
        matches!(self.status, ExecutionStatus::Completed | ExecutionStatus::Failed)
    }
}

/// A wallet.
#[derive(Clone, Copy)]
pub struct Wallet {
    pub merchant: i64,
    pub party: Option<i64>,
    pub currency: Currency,
    pub available: i64,
    pub held: i64,
    /// What collections under way will bring.
    pub incoming: i64,
    pub status: WalletStatus,
}

impl Wallet {
    /// Whether a payment of so much that is about to begin would fill it beyond `most`.
    pub const fn is_filled_by(&self, amount: i64, most: i64) -> bool {
        self.available + self.held + self.incoming + amount > most
    }
}

/// A review.
#[derive(Clone, Copy, Debug)]
pub struct Review {
    pub amount: i64,
    pub currency: Currency,
    pub open: bool,
}

/// Everything.
#[derive(Default)]
pub struct Books {
    pub merchants: Map<i64, Merchant>,
    pub phones: Map<String, i64>,
    pub parties: Map<i64, (i64, String)>,
    pub first_party: Map<(i64, String), i64>,
    pub counterparties: Map<i64, (i64, Option<i64>)>,
    pub accounts: Map<i64, Account>,
    pub sources: Map<i64, Source>,
    pub items: Map<i64, Item>,
    pub numbers: Map<(i64, SourceType, i64), i64>,
    pub pages: Map<i64, i64>,
    /// When the time of a source's checkout is over, as long as that binds.
    pub page_ends: Map<i64, i64>,
    pub sessions: Map<i64, Session>,
    pub executions: Map<i64, Execution>,
    pub references: Map<(i64, String), i64>,
    pub wallets: Map<i64, Wallet>,
    /// By merchant's or party's id and currency.
    pub wallet_of: Map<(bool, i64, Currency), i64>,
    pub system: Map<(i64, AccountKind, Currency), i64>,
    pub reviews: Map<(i64, ReviewKind), Review>,
    pub review_ids: Map<i64, (i64, ReviewKind)>,
    /// Reviews as they were opened.
    pub review_list: Vec<i64>,
    /// Wallets that a batch has made, and that must have been asked for.
    pub fresh: Map<(bool, i64, Currency), i64>,
    /// Executions whose passed deadline a batch has written down.
    pub fresh_deadlines: BTreeSet<i64>,
    /// Raised with each change of what decisions read without changing it.
    pub soft: u64,
    /// Changes of fees and rates.
    pub prices: Vec<Prices>,
}

/// What a list has of a currency.
pub fn sum_of(list: &[(Currency, i64)], currency: Currency) -> i64 {
    list.iter().filter(|(other, _)| *other == currency).map(|(_, amount)| amount).sum()
}

/// What is wrong.
pub type Wrong = String;

impl Books {
    pub fn merchant(&mut self, id: i64) -> &mut Merchant {
        self.merchants.entry(id).or_default()
    }

    /// The fees and rates that hold: those that began last.
    pub fn prices_at(&self, now: i64) -> Prices {
        let begun = self.prices.iter().rev().find(|prices| prices.since <= now);
        begun.copied().unwrap_or(Prices::FIRST)
    }

    /// Merchant time.
    pub fn time(&self, merchant: i64, now: i64) -> i64 {
        now + self.merchants.get(&merchant).map_or(0, |merchant| merchant.offset)
    }

    /// Whether something under way could still credit a wallet; `None` for no wallet. What a wallet
    /// holds may come back to it, too, but that is known from the wallet itself.
    pub fn can_be_credited(&self, id: i64) -> Option<bool> {
        let wallet = self.wallets.get(&id)?;
        let credits = |own: &Execution| {
            let collects = own.operation == Operation::Collection && wallet.party.is_none();
            collects
                && own.merchant == wallet.merchant
                && own.inside == wallet.currency
                && !own.is_final()
        };
        Some(self.executions.values().any(credits))
    }

    pub fn own_wallet(&self, merchant: i64, currency: Currency) -> Option<(i64, Wallet)> {
        self.wallet_at(false, merchant, currency)
    }

    pub fn party_wallet(&self, party: i64, currency: Currency) -> Option<(i64, Wallet)> {
        self.wallet_at(true, party, currency)
    }

    fn wallet_at(&self, party: bool, owner: i64, currency: Currency) -> Option<(i64, Wallet)> {
        let id = *self.wallet_of.get(&(party, owner, currency))?;
        Some((id, *self.wallets.get(&id)?))
    }

    pub fn add_wallet(&mut self, id: i64, merchant: i64, party: Option<i64>, currency: Currency) {
        let wallet = Wallet {
            merchant,
            party,
            currency,
            available: 0,
            held: 0,
            incoming: 0,
            status: WalletStatus::Active,
        };
        self.wallets.insert(id, wallet);
        self.wallet_of.insert((party.is_some(), party.unwrap_or(merchant), currency), id);
        self.merchant(merchant).wallets.push(id);
        self.soft += 1;
    }

    /// The wallet of a merchant or party; it is opened where there is none.
    pub fn open_wallet(
        &mut self,
        merchant: i64,
        party: Option<i64>,
        currency: Currency,
    ) -> Result<i64, Wrong> {
        let key = (party.is_some(), party.unwrap_or(merchant), currency);
        if let Some(id) = self.wallet_of.get(&key) {
            return Ok(*id);
        }
        let id =
            self.fresh.remove(&key).ok_or_else(|| format!("no wallet was opened for {key:?}"))?;
        self.add_wallet(id, merchant, party, currency);
        Ok(id)
    }

    /// How many reviews are open of the money of a source's collections.
    pub fn in_review(&self, source: i64) -> usize {
        let Some(merchant) =
            self.sources.get(&source).and_then(|source| self.merchants.get(&source.merchant))
        else {
            return 0;
        };
        let of_source = |id: &&i64| {
            self.executions.get(id).is_some_and(|own| own.disputed && own.source == Some(source))
        };
        let open = |id: &i64| {
            let kinds = ReviewKind::ALL.iter().filter(|kind| **kind != ReviewKind::DeadlinePassed);
            kinds
                .filter(|kind| self.reviews.get(&(*id, **kind)).is_some_and(|review| review.open))
                .count()
        };
        merchant.executions.iter().filter(of_source).map(open).sum()
    }

    /// Adds to what a wallet can spend and to what it holds.
    pub fn add(&mut self, wallet: i64, available: i64, held: i64) -> Result<(), Wrong> {
        let found =
            self.wallets.get_mut(&wallet).ok_or_else(|| format!("wallet {wallet} is not known"))?;
        found.available += available;
        found.held += held;
        if found.available < 0 || found.held < 0 {
            return Err(format!(
                "wallet {wallet} fell to {} and {} held",
                found.available, found.held
            ));
        }
        Ok(())
    }

    /// Adds to what is on its way to the wallet of a collection's merchant.
    pub fn await_more(&mut self, own: &Execution, amount: i64) -> Result<(), Wrong> {
        let wallet = self.open_wallet(own.merchant, None, own.inside)?;
        self.wallets.entry(wallet).and_modify(|wallet| wallet.incoming += amount);
        Ok(())
    }

    /// What was taken in of what a provider said of an execution; nothing while a review of that is
    /// open.
    pub fn heard_of(&self, id: i64) -> Option<Vec<(Currency, i64)>> {
        let own = self.executions.get(&id).filter(|own| !own.disputed)?;
        Some(own.said.iter().copied().filter(|(_, amount)| *amount != 0).collect())
    }

    /// Changes an execution; what counts of its payment follows.
    pub fn change(&mut self, id: i64, change: impl FnOnce(&mut Execution)) {
        let Some(own) = self.executions.get_mut(&id) else { return };
        let before = own.counts();
        change(own);
        let (after, payment) = (own.counts(), own.original.unwrap_or(id));
        if let Some(payment) = self.executions.get_mut(&payment) {
            payment.refunded += after - before;
        }
    }

    /// Credits a system account.
    pub fn credit(&mut self, merchant: i64, kind: AccountKind, currency: Currency, amount: i64) {
        if amount != 0 {
            *self.system.entry((merchant, kind, currency)).or_default() += amount;
        }
    }
}

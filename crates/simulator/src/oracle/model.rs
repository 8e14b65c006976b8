//! The oracle's own model of the state: plain maps, filled from what clients and providers were
//! answered.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use domain::directory::brand::Colour;
use domain::exceptions::review::ReviewKind;
use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::names::{FeeBearer, Method, Mode, Operation, Provider};
use domain::kernel::uuids::{NetworkRequestId, ReferenceId};
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::network_accounts::account::NetworkAccount;
use domain::network_accounts::operator_terms::OperatorTerms;
use domain::payments::attempt::Gate;
use domain::payments::execution::ExecutionStatus;
use domain::payments::pay_on_page::PayOnPage;
use domain::payments::session::{SessionKind, SessionStatus};
use domain::sales::pay_link::PayLink;
use domain::sales::source::{SourceStatus, SourceType};

use super::approvals::Approval;
use super::figures::{ExchangeRate, Figures, cost_of, inside_rounded_down};
use super::gates::Noted;
use super::network_accounts::Contract;
use super::people::People;
use super::request_limits::RequestLimits;
use super::tariff::{Periods, PriceList};
use super::webhooks::Webhooks;
use crate::db::Map;

#[derive(Clone, Default)]
pub struct Merchant {
    pub verified: bool,
    /// The mode of a merchant whose payments go to real networks; `None` for the sandbox.
    pub real_mode: Option<Mode>,
    /// The network accounts that it is bound to.
    pub bound: Vec<(Provider, i64)>,
    /// Whether it bears the fees of its checkouts.
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
    pub links: Vec<i64>,
    pub brand: Brand,
}

/// How payers see a merchant.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Brand {
    pub name: Option<String>,
    pub colour: Option<Colour>,
    pub has_logo: bool,
    /// The logo that was set last.
    pub picture: Option<String>,
}

impl Merchant {
    /// The hash that payouts are compared with, where a passcode is set.
    pub fn passcode_hash(&self) -> Option<String> {
        self.passcode.as_ref().and_then(|passcode| passcode.hash.clone())
    }
}

/// A passcode that is set or was set before, and the attempts that were counted.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Passcode {
    pub hash: Option<String>,
    /// Of each attempt: id, API key, time, and whether it was found wrong.
    pub attempts: Vec<(i64, i64, i64, bool)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub merchant: i64,
    pub party: i64,
    pub provider: Provider,
    pub method: Method,
    pub operation: Operation,
    /// A phone, or what a card is known by.
    pub number: Option<String>,
    pub active: bool,
}

/// An invoice or an order.
#[derive(Clone)]
pub struct Source {
    pub merchant: i64,
    pub kind: SourceType,
    pub counterparty: i64,
    pub currency: Currency,
    pub total: i64,
    pub status: SourceStatus,
    pub bearer: FeeBearer,
    pub items: Vec<i64>,
    /// The payment link that it is an order of, and when it is canceled if it is not paid.
    pub link: Option<i64>,
    pub cancel_at: Option<i64>,
}

/// A link that many payers can pay.
#[derive(Clone)]
pub struct Link {
    pub merchant: i64,
    pub currency: Currency,
    /// What a payer pays, in minor units: anything in between, if the payer chooses.
    pub least: i64,
    pub most: i64,
    pub is_open: bool,
    pub bearer: FeeBearer,
    pub max_uses: Option<usize>,
    pub end: Option<i64>,
    pub deactivated: bool,
    pub orders: Vec<i64>,
}

/// A line of an invoice or an order.
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
    /// Of a transfer.
    pub recipient: Option<Recipient>,
    pub original: Option<i64>,
    pub amount: i64,
    pub currency: Option<Currency>,
}

#[derive(Clone)]
pub struct Execution {
    pub merchant: i64,
    pub reference: ReferenceId,
    pub operation: Operation,
    pub session: i64,
    pub status: ExecutionStatus,
    pub figures: Figures,
    /// The currency of the merchant's wallet, and the one in which the network moves money.
    pub wallet_currency: Currency,
    pub outside_currency: Currency,
    pub rate: ExchangeRate,
    pub provider: Provider,
    /// The account at the network that it goes through, for ever, and whether the network is real.
    pub network_account: Option<i64>,
    pub is_real: bool,
    pub source: Option<i64>,
    pub account: Option<i64>,
    pub wallet: Option<i64>,
    pub other_wallet: Option<i64>,
    pub original: Option<i64>,
    /// Of a payment: how much its payer has back or is to have back, in minor units.
    pub refunded: i64,
    /// Of a payment: how much its payer has back for good, and what that has cost the wallet.
    pub given_back_minor: i64,
    pub cost: i64,
    /// How much its payer has back for good because of this execution; negative where more was
    /// paid in than the payment.
    pub with_payer: i64,
    /// Of a refund: what it held and did not need.
    pub released: i64,
    /// What its provider holds for us because of it by the outcomes that were recorded: by
    /// currency, its own first.
    pub reported: Vec<(Currency, i64)>,
    /// How much of that an operator sent back or recovered outside of the ledger.
    pub returned: Vec<(Currency, i64)>,
    pub in_review: bool,
    /// A failed collection that a review settled in the wallet as if it had completed.
    pub settled_by_review: bool,
    pub requires_action: bool,
    /// The provider was asked to cancel it.
    pub cancel_requested: bool,
    /// The page on which its payer began it.
    pub page: Option<i64>,
    pub created: i64,
    /// How often its request was sent to its network, and when it was sent last.
    pub sends: i64,
    pub sent: i64,
    /// Why it may not be sent yet, and when that is looked at again.
    pub gate: Option<Gate>,
    pub look_at: i64,
    /// Since when it waits to be sent, the wait for an approval not counted.
    pub unsent_since: i64,
    /// When it goes to review.
    pub deadline: i64,
    /// Of a payment: the refund of it that was sent last.
    pub last_refund: Option<i64>,
    /// When its network was asked last.
    pub asked: Option<i64>,
    /// Until when the process that asks its network does so alone.
    pub lease: Option<i64>,
    /// The id of its request at its network.
    pub request: NetworkRequestId,
}

impl Execution {
    /// What the network moves, in minor units of `outside_currency`.
    pub const fn outside_amount(&self) -> i64 {
        match self.operation {
            Operation::Collection => self.figures.payer,
            Operation::Payout | Operation::Transfer | Operation::Refund => self.figures.payee,
        }
    }

    /// How much of a payment counts as refunded because of this execution. Of a refund it is what
    /// the payer has, and at least what was asked for while the refund is open or where money
    /// moved in another currency. Of the payment itself it is what its provider took back.
    pub fn refunded_by_this(&self) -> i64 {
        let completed = self.status == ExecutionStatus::Completed;
        let net = |currency: Currency| self.held_by_provider(currency);
        let has = match self.operation {
            Operation::Collection if self.is_settled() && self.provider != Provider::Platform => {
                self.figures.payer - net(self.outside_currency)
            }
            Operation::Refund if completed && self.provider == Provider::Platform => {
                self.figures.payee
            }
            Operation::Refund => -net(self.outside_currency),
            Operation::Collection | Operation::Payout | Operation::Transfer => return 0,
        };
        let elsewhere = self
            .reported
            .iter()
            .any(|(currency, _)| *currency != self.outside_currency && net(*currency) != 0);
        let open = !self.is_final() || completed && self.in_review;
        let least = if self.operation == Operation::Refund && (open || elsewhere) {
            self.figures.payee
        } else {
            0
        };
        has.max(least)
    }

    /// What its provider holds for us because of it, without what was sent back outside of the
    /// ledger.
    pub fn held_by_provider(&self, currency: Currency) -> i64 {
        sum_of(&self.reported, currency) - sum_of(&self.returned, currency)
    }

    /// Whether the payee has its money: the execution completed, or a review settled it.
    pub const fn is_settled(&self) -> bool {
        self.settled_by_review || matches!(self.status, ExecutionStatus::Completed)
    }

    /// Whether a review of it decides how much of a payment its payer has back.
    pub const fn affects_payer(&self) -> bool {
        match self.operation {
            Operation::Refund => true,
            Operation::Collection => self.is_settled(),
            Operation::Payout | Operation::Transfer => false,
        }
    }

    /// Of a payment: what it costs the wallet that `back` is given back for good.
    pub fn cost_of(&self, back: i64) -> i64 {
        cost_of(back, self.figures.payer, self.figures.total, self.rate)
    }

    /// Of a payment: what a refund of `r` takes of the `held` amount that it reserved.
    pub fn cost_of_refund(&self, r: i64, held: i64) -> i64 {
        (self.cost_of(self.given_back_minor + r) - self.cost).clamp(0, held)
    }

    /// Of a payment, when the payer has `gone` of it because of one execution, instead of `before`:
    /// how much is given back then, what that has cost, and what the wallet gets.
    pub fn after_correction(&self, before: i64, gone: i64) -> (i64, i64, i64) {
        let back = self.given_back_minor + gone.max(0) - before.max(0);
        let cost = match back.cmp(&self.given_back_minor) {
            Ordering::Greater => self.cost.max(self.cost_of(back)),
            Ordering::Less => self.cost.min(self.cost_of(back)),
            Ordering::Equal => self.cost,
        };
        let beyond = |gone: i64| inside_rounded_down((-gone).max(0), self.rate);
        (back, cost, beyond(gone) - beyond(before) + self.cost - cost)
    }

    /// The account on which the money is booked that its network holds.
    pub fn clearing(&self) -> Option<AccountKind> {
        self.network_account.map(|id| AccountKind::Clearing(NetworkAccountId(id)))
    }

    /// Whether a network brings the money in.
    pub fn is_incoming(&self) -> bool {
        self.operation == Operation::Collection && self.provider != Provider::Platform
    }

    pub const fn is_final(&self) -> bool {
        matches!(self.status, ExecutionStatus::Completed | ExecutionStatus::Failed)
    }
}

#[derive(Clone, Copy)]
pub struct Wallet {
    pub merchant: i64,
    pub party: Option<i64>,
    pub currency: Currency,
    pub available: i64,
    pub held: i64,
    /// What open collections will bring.
    pub incoming: i64,
    /// Open reviews that could credit it.
    pub open_reviews: i64,
    pub status: WalletStatus,
    /// The day of its latest payout or transfer.
    pub sent_day: i64,
}

impl Wallet {
    /// Whether a payment of `amount` that is about to begin could fill it beyond `most`.
    pub const fn is_filled_by(&self, amount: i64, most: i64) -> bool {
        self.available + self.held + self.incoming + amount > most
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Review {
    pub amount: i64,
    pub currency: Currency,
    pub open: bool,
}

/// The state that the product should be in.
#[derive(Default)]
pub struct Model {
    pub merchants: Map<i64, Merchant>,
    /// Merchants of a mode by their phones.
    pub phones: Map<(Option<Mode>, String), i64>,
    pub parties: Map<i64, (i64, String)>,
    pub first_party: Map<(i64, String), i64>,
    pub counterparties: Map<i64, (i64, Option<i64>)>,
    pub accounts: Map<i64, Account>,
    pub sources: Map<i64, Source>,
    pub items: Map<i64, Item>,
    pub links: Map<i64, Link>,
    pub numbers: Map<(i64, SourceType, i64), i64>,
    pub pages: Map<i64, i64>,
    /// When the checkout of a source expires, while that binds the source.
    pub page_ends: Map<i64, i64>,
    pub sessions: Map<i64, Session>,
    pub executions: Map<i64, Execution>,
    /// What payers sent from pages and from links, by the execution that was begun.
    pub page_forms: Map<i64, PayOnPage>,
    pub link_forms: Map<i64, PayLink>,
    pub request_limits: RequestLimits,
    pub references: Map<(i64, ReferenceId), i64>,
    pub wallets: Map<i64, Wallet>,
    /// What the payouts and transfers of a wallet's day take to their receivers, without those that failed.
    pub sent: Map<(i64, i64), i64>,
    pub approvals: Map<i64, Approval>,
    /// Ids of approvals in the order in which they were asked for.
    pub approval_list: Vec<i64>,
    /// The approvals that a batch has asked for, by execution; each must have been needed.
    pub noted_approvals: Map<i64, i64>,
    /// By whether the owner is a party, the owner's id and the currency.
    pub wallet_of: Map<(bool, i64, Currency), i64>,
    pub system: Map<(i64, AccountKind, Currency), i64>,
    pub reviews: Map<(i64, ReviewKind), Review>,
    pub review_ids: Map<i64, (i64, ReviewKind)>,
    /// Ids of reviews in the order in which they were opened.
    pub review_list: Vec<i64>,
    /// Wallets that a batch has opened; each must have been needed by a command.
    pub opened_wallets: Map<(bool, i64, Currency), i64>,
    /// Payment accounts that a batch has made, with their parties; each must have been needed by a
    /// command.
    pub made_accounts: Map<i64, i64>,
    /// Executions for which a batch has opened the review of a passed deadline.
    pub passed_deadlines: BTreeSet<i64>,
    /// Raised with each change of rows that decisions read without changing them.
    pub dependencies_version: u64,
    /// The accounts at real networks.
    pub contracts: Map<i64, Contract>,
    /// The attempts that a batch has changed.
    pub noted_attempts: Map<i64, Noted>,
    pub prices: PriceList,
    pub webhooks: Webhooks,
    pub people: People,
    /// The market and the phone prefix that operators open and close, and no payment uses.
    pub unused_market: Periods,
    pub unused_prefix: Periods,
}

/// The sum of the amounts in a currency.
pub fn sum_of(list: &[(Currency, i64)], currency: Currency) -> i64 {
    list.iter().filter(|(other, _)| *other == currency).map(|(_, amount)| amount).sum()
}

/// How the product differs from the model.
pub type Mismatch = String;

impl Model {
    /// The state before anything has happened, with the accounts at real networks.
    pub fn new(accounts: &[NetworkAccount], terms: &[OperatorTerms]) -> Self {
        let contracts = accounts.iter().map(|row| (row.id.0, Contract::new(row, terms))).collect();
        Self { contracts, ..Self::default() }
    }

    pub fn merchant(&mut self, id: i64) -> &mut Merchant {
        self.merchants.entry(id).or_default()
    }

    pub fn time(&self, merchant: i64, now: i64) -> i64 {
        now + self.merchants.get(&merchant).map_or(0, |merchant| merchant.offset)
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
            open_reviews: 0,
            status: WalletStatus::Active,
            sent_day: 0,
        };
        self.wallets.insert(id, wallet);
        self.wallet_of.insert((party.is_some(), party.unwrap_or(merchant), currency), id);
        self.merchant(merchant).wallets.push(id);
        self.dependencies_version += 1;
    }

    /// The wallet of a merchant or a party; where there is none, the batch must have opened it.
    pub fn open_wallet(
        &mut self,
        merchant: i64,
        party: Option<i64>,
        currency: Currency,
    ) -> Result<i64, Mismatch> {
        let key = (party.is_some(), party.unwrap_or(merchant), currency);
        if let Some(id) = self.wallet_of.get(&key) {
            return Ok(*id);
        }
        let id = self
            .opened_wallets
            .remove(&key)
            .ok_or_else(|| format!("no wallet was opened for {key:?}"))?;
        self.add_wallet(id, merchant, party, currency);
        Ok(id)
    }

    /// How many reviews of money are open for a source's collections.
    pub fn open_reviews_of(&self, source: i64) -> usize {
        let Some(merchant) =
            self.sources.get(&source).and_then(|source| self.merchants.get(&source.merchant))
        else {
            return 0;
        };
        let of_source = |id: &&i64| {
            self.executions.get(id).is_some_and(|own| own.in_review && own.source == Some(source))
        };
        let open = |id: &i64| {
            let kinds = ReviewKind::ALL.iter().filter(|kind| **kind != ReviewKind::DeadlinePassed);
            kinds
                .filter(|kind| self.reviews.get(&(*id, **kind)).is_some_and(|review| review.open))
                .count()
        };
        merchant.executions.iter().filter(of_source).map(open).sum()
    }

    /// Counts a review of money, that is opened or resolved, on the wallets that it could credit: the
    /// merchant's in the currency of the money, and the one of the payment.
    pub fn count_review(
        &mut self,
        own: &Execution,
        currency: Currency,
        by: i64,
    ) -> Result<(), Mismatch> {
        let mut credited = vec![self.open_wallet(own.merchant, None, currency)?];
        credited.extend(match own.operation {
            Operation::Collection => {
                Some(self.open_wallet(own.merchant, None, own.wallet_currency)?)
            }
            Operation::Payout | Operation::Transfer | Operation::Refund => own.wallet,
        });
        credited.dedup();
        for wallet in credited {
            self.wallets.entry(wallet).and_modify(|wallet| wallet.open_reviews += by);
        }
        Ok(())
    }

    /// Adds to what a wallet can spend and to what it holds.
    pub fn add(&mut self, wallet: i64, available: i64, held: i64) -> Result<(), Mismatch> {
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
    pub fn add_incoming(&mut self, own: &Execution, amount: i64) -> Result<(), Mismatch> {
        let wallet = self.open_wallet(own.merchant, None, own.wallet_currency)?;
        self.wallets.entry(wallet).and_modify(|wallet| wallet.incoming += amount);
        Ok(())
    }

    /// What the provider holds because of an execution, by the outcomes that were recorded; `None`
    /// while a review of it is open.
    pub fn recorded_movements(&self, id: i64) -> Option<Vec<(Currency, i64)>> {
        let own = self.executions.get(&id).filter(|own| !own.in_review)?;
        Some(own.reported.iter().copied().filter(|(_, amount)| *amount != 0).collect())
    }

    /// Changes an execution, and with it how much of its payment counts as refunded.
    pub fn change(&mut self, id: i64, change: impl FnOnce(&mut Execution)) {
        let Some(own) = self.executions.get_mut(&id) else { return };
        let before = own.refunded_by_this();
        change(own);
        let (after, payment) = (own.refunded_by_this(), own.original.unwrap_or(id));
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

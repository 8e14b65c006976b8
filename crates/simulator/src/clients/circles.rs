//! A merchant that looks for a circle: with a party of its own it pays orders of some minor units
//! from wallet to wallet, each in another currency than the order's, and hopes that roundings leave
//! it more than it had.

use domain::decision::command::Command;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::party::Relationship;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    CounterpartyId, MerchantId, PartyId, PaymentAccountId, SessionId, SourceId, WalletId,
};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation, Provider};
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::session::{SessionKind, SessionStatus};
use domain::sales::create_checkout::NewCheckout;
use domain::sales::edit_items::NewItem;
use domain::sales::source::SourceStatus;

use super::Clients;
use crate::item::Item;

/// So little that a rounding is a good part of it.
const MOST: i64 = 40;
/// So much a party has at least, to pay with.
const PURSE: i64 = 200;

impl Clients<'_> {
    /// The next step of a circle.
    pub(super) fn circle(&mut self, id: i64) -> Option<Item> {
        let merchant = MerchantId(id);
        let Some((account, party)) = self.pocket(id) else {
            let party_id = self.recent_party(id)?;
            let (account_name, method, provider) =
                ("A".to_owned(), Method::Wallet, Provider::Platform);
            let operation = Operation::Collection;
            let new = NewAccount {
                party_id,
                account_name,
                provider,
                method,
                operation,
                country_code: None,
                account_number: None,
            };
            return Some(Item::asked(Command::CreateAccount(merchant, new)));
        };
        let Some((source, currency)) = self.small_order(id) else {
            return Some(Item::asked(Command::CreateCheckout(merchant, self.small_checkout(id)?)));
        };
        let other = super::currency(self.rng).filter(|other| *other != currency)?;
        if let Some(command) = self.purse(id, party, other) {
            return Some(Item::asked(command));
        }
        let session =
            self.books.merchants.get(&id)?.sessions.iter().rev().take(20).find(|session| {
                let found = self.books.sessions.get(session);
                found.is_some_and(|found| {
                    found.source == Some(source) && found.status == SessionStatus::Active
                })
            });
        let Some(session) = session else {
            let kind = self.books.sources.get(&source)?.kind;
            return Some(Item::asked(Command::CreateSession(
                merchant,
                NewSession::Checkout { kind, source_id: SourceId(source) },
            )));
        };
        let request = Execute {
            merchant_id: merchant,
            session_id: SessionId(*session),
            details: OperationDetails::Collection {
                account_id: PaymentAccountId(account),
                currency: other,
            },
            reference_id: format!("{:016x}", self.rng.next()),
        };
        Some(Item::asked(Command::Execute(request)))
    }

    /// An account that pays from a party's wallet, and the party.
    fn pocket(&self, id: i64) -> Option<(i64, i64)> {
        let accounts = &self.books.merchants.get(&id)?.accounts;
        accounts.iter().rev().find_map(|account| {
            let found = self.books.accounts.get(account)?;
            let pays = found.method == Method::Wallet
                && found.operation == Operation::Collection
                && found.active;
            (pays && found.merchant == id).then_some((*account, found.party))
        })
    }

    /// An order of the merchant's that waits, of a few minor units.
    fn small_order(&self, id: i64) -> Option<(i64, Currency)> {
        let sources = &self.books.merchants.get(&id)?.sources;
        sources.iter().rev().take(20).find_map(|source| {
            let found = self.books.sources.get(source)?;
            let small = found.merchant == id
                && found.status == SourceStatus::Active
                && (1..=MOST).contains(&found.total);
            small.then_some((*source, found.currency))
        })
    }

    fn small_checkout(&mut self, id: i64) -> Option<NewCheckout> {
        let mut checkout = self.checkout(id)?;
        let amount = Money::new(self.rng.between(1, MOST), checkout.currency);
        checkout.items =
            vec![NewItem { name: "I".to_owned(), currency: checkout.currency, qty: 1, amount }];
        Some(checkout)
    }

    /// What brings money in this currency to a party that has too little.
    fn purse(&mut self, id: i64, party: i64, currency: Currency) -> Option<Command> {
        let merchant = MerchantId(id);
        match self.books.party_wallet(party, currency) {
            Some((_, wallet)) if wallet.available >= PURSE => None,
            Some((wallet, _)) => {
                Some(Command::FundWallet(WalletId(wallet), Money::new(PURSE, currency), None))
            }
            None => {
                let (wallet, _) = self.books.own_wallet(id, currency)?;
                let known = &self.books.merchants.get(&id)?.counterparties;
                let to = known.iter().find(|row| {
                    self.books.counterparties.get(row).is_some_and(|row| row.1 == Some(party))
                });
                let Some(to) = to.copied() else {
                    return Some(Command::CreateCounterparty(
                        merchant,
                        Relationship::Customer,
                        Some(PartyId(party)),
                    ));
                };
                Some(self.first_money(id, wallet, to, Money::new(1, currency)))
            }
        }
    }

    /// A transfer that opens a party's wallet: declared, or carried out where that was done.
    fn first_money(&mut self, id: i64, wallet: i64, to: i64, amount: Money) -> Command {
        let merchant_id = MerchantId(id);
        let sessions = self.books.merchants.get(&id).map(|merchant| &merchant.sessions);
        let declared = sessions.into_iter().flatten().rev().take(20).find(|session| {
            let found = self
                .books
                .sessions
                .get(session)
                .filter(|found| found.kind == SessionKind::Transfer);
            found.is_some_and(|found| {
                found.wallet == Some(wallet) && found.status == SessionStatus::Active
            })
        });
        match declared.copied() {
            Some(session) => Command::Execute(Execute {
                merchant_id,
                reference_id: format!("{:016x}", self.rng.next()),
                session_id: SessionId(session),
                details: OperationDetails::Transfer,
            }),
            None => {
                let (wallet_id, counterparty_id) = (WalletId(wallet), CounterpartyId(to));
                Command::CreateSession(
                    merchant_id,
                    NewSession::Transfer {
                        wallet_id,
                        counterparty_id,
                        amount,
                        expires_at: self.expiry(id),
                    },
                )
            }
        }
    }
}

//! A merchant that tries to gain by rounding: a party of its own pays its orders of a few minor
//! units from wallet to wallet, each in another currency than the order's.

use domain::decision::command::Command;
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::party::Relationship;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    CounterpartyId, MerchantId, PartyId, PaymentAccountId, SessionId, SourceId, WalletId,
};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation, Provider};
use domain::ledger::fund_wallet::FundWallet;
use domain::payments::create_session::CreateSession;
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::session::{SessionKind, SessionStatus};
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_checkout::NewCheckout;
use domain::sales::edit_items::NewItem;
use domain::sales::source::SourceStatus;

use super::Clients;
use crate::queued_command::QueuedCommand;

/// In minor units: so little that rounding is a large share of it.
const MAX_ORDER: i64 = 40;
/// What a party has at least to pay with, in minor units.
const PARTY_FUNDS: i64 = 200;

impl Clients<'_> {
    /// The next step of such a round trip.
    pub(super) fn exchange_round_trip(&mut self, id: i64) -> Option<QueuedCommand> {
        let merchant = MerchantId(id);
        let Some((account, party)) = self.wallet_account(id) else {
            let party_id = self.recent_party(id)?;
            let (account_name, method, provider) =
                ("A".to_owned(), Method::WALLET, Provider::Platform);
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
            return Some(QueuedCommand::from_client(Command::CreateAccount(CreateAccount {
                merchant_id: merchant,
                account: new,
                shown: None,
            })));
        };
        let Some((source, currency)) = self.small_order(id) else {
            return Some(QueuedCommand::from_client(Command::CreateCheckout(CreateCheckout {
                merchant_id: merchant,
                checkout: self.small_checkout(id)?,
            })));
        };
        let other = super::currency(self.rng).filter(|other| *other != currency)?;
        if let Some(command) = self.fund_party(id, party, other) {
            return Some(QueuedCommand::from_client(command));
        }
        let session =
            self.model.merchants.get(&id)?.sessions.iter().rev().take(20).find(|session| {
                let found = self.model.sessions.get(session);
                found.is_some_and(|found| {
                    found.source == Some(source) && found.status == SessionStatus::Active
                })
            });
        let Some(session) = session else {
            let kind = self.model.sources.get(&source)?.kind;
            return Some(QueuedCommand::from_client(Command::CreateSession(CreateSession {
                merchant_id: merchant,
                session: NewSession::Checkout { kind, source_id: SourceId(source) },
            })));
        };
        let request = Execute {
            merchant_id: merchant,
            session_id: SessionId(*session),
            details: OperationDetails::Collection {
                account_id: PaymentAccountId(account),
                currency: other,
            },
            reference_id: self.rng.reference_id(),
            shown: None,
        };
        Some(QueuedCommand::from_client(Command::Execute(request)))
    }

    /// A payment account that pays from a party's wallet, and the party.
    fn wallet_account(&self, id: i64) -> Option<(i64, i64)> {
        let accounts = &self.model.merchants.get(&id)?.accounts;
        accounts.iter().rev().find_map(|account| {
            let found = self.model.accounts.get(account)?;
            let pays = found.method == Method::WALLET
                && found.operation == Operation::Collection
                && found.active;
            (pays && found.merchant == id).then_some((*account, found.party))
        })
    }

    /// A published order of the merchant for a few minor units.
    fn small_order(&self, id: i64) -> Option<(i64, Currency)> {
        let sources = &self.model.merchants.get(&id)?.sources;
        sources.iter().rev().take(20).find_map(|source| {
            let found = self.model.sources.get(source)?;
            let small = found.merchant == id
                && found.status == SourceStatus::Active
                && (1..=MAX_ORDER).contains(&found.total);
            small.then_some((*source, found.currency))
        })
    }

    fn small_checkout(&mut self, id: i64) -> Option<NewCheckout> {
        let mut checkout = self.checkout(id)?;
        let amount = Money::new(self.rng.between(1, MAX_ORDER), checkout.currency);
        checkout.items =
            vec![NewItem { name: "I".to_owned(), currency: checkout.currency, qty: 1, amount }];
        Some(checkout)
    }

    /// The next command that brings money in this currency to a party that has too little.
    fn fund_party(&mut self, id: i64, party: i64, currency: Currency) -> Option<Command> {
        let merchant = MerchantId(id);
        match self.model.party_wallet(party, currency) {
            Some((_, wallet)) if wallet.available >= PARTY_FUNDS => None,
            Some((wallet, _)) => Some(Command::FundWallet(FundWallet {
                wallet_id: WalletId(wallet),
                amount: Money::new(PARTY_FUNDS, currency),
                key: None,
            })),
            None => {
                let (wallet, _) = self.model.own_wallet(id, currency)?;
                let known = &self.model.merchants.get(&id)?.counterparties;
                let to = known.iter().find(|row| {
                    self.model.counterparties.get(row).is_some_and(|row| row.1 == Some(party))
                });
                let Some(to) = to.copied() else {
                    return Some(Command::CreateCounterparty(CreateCounterparty {
                        merchant_id: merchant,
                        relationship: Relationship::Customer,
                        party_id: Some(PartyId(party)),
                        shown: None,
                    }));
                };
                Some(self.open_party_wallet(id, wallet, to, Money::new(1, currency)))
            }
        }
    }

    /// The next command of a transfer that opens a party's wallet: its session, or its execution.
    fn open_party_wallet(&mut self, id: i64, wallet: i64, to: i64, amount: Money) -> Command {
        let merchant_id = MerchantId(id);
        let sessions = self.model.merchants.get(&id).map(|merchant| &merchant.sessions);
        let declared = sessions.into_iter().flatten().rev().take(20).find(|session| {
            let found = self
                .model
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
                reference_id: self.rng.reference_id(),
                session_id: SessionId(session),
                details: OperationDetails::Transfer,
                shown: None,
            }),
            None => {
                let (wallet_id, counterparty_id) = (WalletId(wallet), CounterpartyId(to));
                Command::CreateSession(CreateSession {
                    merchant_id,
                    session: NewSession::Transfer {
                        wallet_id,
                        counterparty_id,
                        amount,
                        expires_at: self.expiry(id),
                    },
                })
            }
        }
    }
}

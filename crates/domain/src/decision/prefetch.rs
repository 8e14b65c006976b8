//! Which rows a command will want, so that they are loaded together and not one after the other.

use crate::decision::command::Command;
use crate::decision::row::Lookup;
use crate::decision::workspace::{RowKey, Workspace};
use crate::exceptions::review::{self, ReviewKind};
use crate::kernel::ids::MerchantId;
use crate::kernel::money::Money;
use crate::ledger::wallet::Owner;
use crate::payments::create_session::NewSession;
use crate::payments::execution::Execution;
use crate::payments::session::Session;

/// The row that a command is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LockKey {
    /// Where it is to be found.
    pub key: RowKey,
    /// Whose it must be, where a caller named it: another's row is left alone, and not kept from
    /// its owner for a moment.
    pub owner: Option<MerchantId>,
}

impl Command {
    /// The row that the command is about, when it changes that row whenever it is accepted. Where
    /// rows are locked it is locked before anything is read, so that of two processes with one
    /// command the second sees all that the first did.
    #[must_use]
    pub fn lock_key(&self) -> Option<LockKey> {
        let (key, owner) = match self {
            Self::Authenticated(_, command) => return command.lock_key(),
            Self::Execute(request) => {
                (RowKey::Session(Lookup::Id(request.session_id)), Some(request.merchant_id))
            }
            Self::CancelSession(owner, _, id) => (RowKey::Session(Lookup::Id(*id)), Some(*owner)),
            Self::ExpireSession(id) => (RowKey::Session(Lookup::Id(*id)), None),
            Self::ClaimExecution(id) | Self::RecordOutcome(id, _) => {
                (RowKey::Execution(Lookup::Id(*id)), None)
            }
            _ => return None,
        };
        Some(LockKey { key, owner })
    }

    /// Keys that the decision will likely ask for, as far as the rows that are loaded tell.
    #[must_use]
    pub fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        match self {
            Self::Authenticated(_, command) => command.likely_keys(work),
            Self::Execute(request) => match work.get::<Session>(request.session_id) {
                Ok(Some(session)) => of_session(&session),
                _ => vec![],
            },
            Self::ClaimExecution(id) | Self::RecordOutcome(id, _) => {
                match work.get::<Execution>(*id) {
                    Ok(Some(execution)) => {
                        // A word to what is final may contradict an earlier one; what it makes
                        // final may be past its deadline.
                        let kinds: &[ReviewKind] = match self {
                            Self::RecordOutcome(..) if execution.status.is_final() => {
                                &review::MONEY_KINDS
                            }
                            Self::RecordOutcome(..) => &[ReviewKind::DeadlinePassed],
                            _ => &[],
                        };
                        let mut keys = of_execution(&execution);
                        keys.extend(
                            kinds.iter().map(|kind| RowKey::Review(Lookup::AltKey((*id, *kind)))),
                        );
                        keys
                    }
                    _ => vec![],
                }
            }
            _ => vec![],
        }
    }

    /// Keys that the decision will certainly ask for: loaded ahead, so that it rarely has to be
    /// made twice.
    #[must_use]
    pub fn hints(&self) -> Vec<RowKey> {
        match self {
            Self::Authenticated(caller, command) => {
                let mut keys = command.hints();
                keys.extend(caller.keys());
                keys
            }
            Self::Execute(request) | Self::ReservePasscodeAttempt(request, _) => {
                let mut keys = vec![
                    RowKey::Execution(Lookup::AltKey((
                        request.merchant_id,
                        request.reference_id.clone(),
                    ))),
                    RowKey::Merchant(Lookup::Id(request.merchant_id)),
                    RowKey::Session(Lookup::Id(request.session_id)),
                ];
                keys.extend(
                    request.details.account().map(|id| RowKey::PaymentAccount(Lookup::Id(id))),
                );
                keys
            }
            Self::ClaimExecution(id) | Self::RecordOutcome(id, _) => {
                vec![RowKey::Execution(Lookup::Id(*id))]
            }
            Self::CreateSession(merchant, request) => {
                let mut keys = vec![RowKey::Merchant(Lookup::Id(*merchant))];
                match request {
                    NewSession::Checkout { source_id, .. } => {
                        keys.extend([
                            RowKey::Source(Lookup::Id(*source_id)),
                            RowKey::CheckoutConfig(Lookup::AltKey(*source_id)),
                        ]);
                    }
                    NewSession::Payout { account_id, .. } => {
                        keys.push(RowKey::PaymentAccount(Lookup::Id(*account_id)))
                    }
                    NewSession::Transfer { counterparty_id, .. } => {
                        keys.push(RowKey::Counterparty(Lookup::Id(*counterparty_id)))
                    }
                    NewSession::Refund { original_id, .. } => {
                        keys.push(RowKey::Execution(Lookup::Id(*original_id)))
                    }
                }
                keys
            }
            Self::CreateCheckout(merchant, new) => {
                vec![
                    RowKey::Merchant(Lookup::Id(*merchant)),
                    RowKey::Party(Lookup::AltKey((*merchant, new.party.phone.clone()))),
                ]
            }
            _ => vec![],
        }
    }
}

/// The rows that an execution refers to, and that a provider's word on it is about.
fn of_execution(execution: &Execution) -> Vec<RowKey> {
    let mut keys = vec![RowKey::Merchant(Lookup::Id(execution.merchant_id))];
    keys.extend(execution.source_id.map(|id| RowKey::Source(Lookup::Id(id))));
    keys.extend(execution.wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
    let awaiting = |money: Money| (Owner::Merchant(execution.merchant_id), money.currency);
    keys.extend(execution.incoming().map(|money| RowKey::Wallet(Lookup::AltKey(awaiting(money)))));
    keys.extend(execution.other_wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
    keys.extend(execution.payment_account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
    keys.extend(execution.original_execution_id.map(|id| RowKey::Execution(Lookup::Id(id))));
    keys
}

/// The rows that a session refers to, and that carrying it out is about.
fn of_session(session: &Session) -> Vec<RowKey> {
    let mut keys = vec![];
    keys.extend(session.source_id.map(|id| RowKey::Source(Lookup::Id(id))));
    keys.extend(session.wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
    keys.extend(session.payment_account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
    keys.extend(session.party_id.map(|id| RowKey::Party(Lookup::Id(id))));
    keys.extend(session.original_execution_id.map(|id| RowKey::Execution(Lookup::Id(id))));
    keys
}

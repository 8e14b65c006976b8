//! The rows that a command will probably need, so that they are loaded together and not one after the
//! other.

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

/// The row that is locked for a command before anything is read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LockKey {
    pub key: RowKey,
    /// The merchant that must own the row, where a caller named it. Another merchant's row is not
    /// locked, so that a stranger cannot make its owner wait.
    pub owner: Option<MerchantId>,
}

impl Command {
    /// The row that the command changes whenever it is accepted, if there is one. On PostgreSQL it is
    /// locked before anything is read, so that of two processes with the same command the second
    /// sees all changes of the first.
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

    /// Keys that the decision will probably read, derived from the rows that are loaded already.
    #[must_use]
    pub fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        match self {
            Self::Authenticated(_, command) => command.likely_keys(work),
            Self::Execute(request) => match work.get::<Session>(request.session_id) {
                Ok(Some(session)) => keys_of_session(&session),
                _ => vec![],
            },
            Self::ClaimExecution(id) | Self::RecordOutcome(id, _) => {
                match work.get::<Execution>(*id) {
                    Ok(Some(execution)) => {
                        // An outcome of a final execution may contradict the books; one that makes
                        // an execution final may close the review of its deadline.
                        let kinds: &[ReviewKind] = match self {
                            Self::RecordOutcome(..) if execution.status.is_final() => {
                                &review::MONEY_KINDS
                            }
                            Self::RecordOutcome(..) => &[ReviewKind::DeadlinePassed],
                            _ => &[],
                        };
                        let mut keys = keys_of_execution(&execution);
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

    /// Keys that the decision will certainly read. They are loaded first, so that the decision rarely
    /// has to be repeated.
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

/// The rows that an execution refers to, which an outcome may change.
fn keys_of_execution(execution: &Execution) -> Vec<RowKey> {
    let mut keys = vec![RowKey::Merchant(Lookup::Id(execution.merchant_id))];
    keys.extend(execution.source_id.map(|id| RowKey::Source(Lookup::Id(id))));
    keys.extend(execution.wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
    let credited = |money: Money| (Owner::Merchant(execution.merchant_id), money.currency);
    keys.extend(execution.incoming().map(|money| RowKey::Wallet(Lookup::AltKey(credited(money)))));
    keys.extend(execution.other_wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
    keys.extend(execution.payment_account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
    keys.extend(execution.original_execution_id.map(|id| RowKey::Execution(Lookup::Id(id))));
    keys
}

/// The rows that a session refers to, which its execution reads.
fn keys_of_session(session: &Session) -> Vec<RowKey> {
    let mut keys = vec![];
    keys.extend(session.source_id.map(|id| RowKey::Source(Lookup::Id(id))));
    keys.extend(session.wallet_id.map(|id| RowKey::Wallet(Lookup::Id(id))));
    keys.extend(session.payment_account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
    keys.extend(session.party_id.map(|id| RowKey::Party(Lookup::Id(id))));
    keys.extend(session.original_execution_id.map(|id| RowKey::Execution(Lookup::Id(id))));
    keys
}

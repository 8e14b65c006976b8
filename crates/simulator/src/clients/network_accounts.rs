//! What operators do with accounts at real networks, and with the payments that wait there.

use domain::decision::command::Command;
use domain::directory::update_merchant::{MerchantChanges, UpdateMerchant};
use domain::kernel::ids::{MerchantId, NetworkAccountId};
use domain::kernel::names::{Mode, Operation, Provider};
use domain::network_accounts::account::AccountStatus;
use domain::network_accounts::change_account::{AccountChange, ChangeNetworkAccount};
use domain::network_accounts::record_terms::RecordTerms;
use domain::network_accounts::secret::{AddNetworkSecret, SealedSecret, SecretKind};
use domain::payments::cancel_enqueued::CancelEnqueued;

use super::Clients;
use crate::contracts::{self, ACCOUNTS, MAY_BE_CLOSED};
use crate::oracle::model::Execution;
use crate::queued_command::QueuedCommand;

/// How often an operator does each: hold or resume, drain or activate, close, change the limit, give a
/// new token, read the terms, bind a merchant, take a payout back.
const WEIGHTS: &[u32] = &[10, 5, 1, 1, 4, 3, 4, 8];

/// A new token or key of an account, sealed. Nobody here looks inside.
pub fn new_secret(account_id: NetworkAccountId, network: Provider) -> Command {
    let kind = match network {
        Provider::Stripe => SecretKind::SecretKey,
        Provider::PawaPay | Provider::Platform => SecretKind::Token,
    };
    let secret = SealedSecret { kind, sealed: "sealed".to_owned(), key_id: "key".to_owned() };
    Command::AddNetworkSecret(AddNetworkSecret { account_id, secret, active: vec![] })
}

impl Clients<'_> {
    /// Something that an operator does about real networks.
    pub(super) fn network_operator(&mut self, id: i64) -> Option<QueuedCommand> {
        let (account_id, network, _) = self.rng.pick(&ACCOUNTS)?;
        let known = self.model.contracts.get(&account_id.0)?;
        let change =
            |change| Command::ChangeNetworkAccount(ChangeNetworkAccount { account_id, change });
        let command = match self.rng.weighted(WEIGHTS) {
            // What is held is resumed sooner or later: most of the time payments go.
            0 if known.held || self.rng.chance(600) => change(AccountChange::Resume),
            0 => change(AccountChange::Hold),
            1 if known.status == AccountStatus::Active && self.rng.chance(300) => {
                change(AccountChange::Drain)
            }
            1 => change(AccountChange::Activate),
            2 => {
                let open_payments = self.model.open_payments_at(account_id.0);
                // An account that others use is closed only where that is refused.
                let close = account_id == MAY_BE_CLOSED || open_payments > 0;
                let close = close || known.status == AccountStatus::Active;
                change(close.then_some(AccountChange::Close { open_payments })?)
            }
            3 => change(AccountChange::CallsPerSecond(self.rng.between(1, 20))),
            4 => new_secret(account_id, network),
            5 if network == Provider::PawaPay => {
                let odd = self.rng.pick(&[0, 0, 200])?;
                let terms = contracts::terms(odd, self.rng);
                let signed_callbacks = known.signed;
                Command::RecordTerms(RecordTerms { account_id, signed_callbacks, terms })
            }
            5 => return None,
            6 => self.bind(id, account_id, network),
            _ => self.cancel_enqueued(id)?,
        };
        Some(QueuedCommand::from_client(command))
    }

    /// A merchant is bound to an account, mostly to one of its own mode, or no longer to any.
    fn bind(&mut self, id: i64, account: NetworkAccountId, network: Provider) -> Command {
        let mode = self.model.merchants.get(&id).and_then(|merchant| merchant.real_mode);
        let fits = ACCOUNTS.iter().any(|(other, _, of)| *other == account && Some(*of) == mode);
        let account = if fits || mode != Some(Mode::Test) || self.rng.chance(100) {
            account
        } else {
            MAY_BE_CLOSED
        };
        let bound = self.rng.chance(600);
        Command::UpdateMerchant(UpdateMerchant {
            merchant_id: MerchantId(id),
            changes: MerchantChanges {
                network_accounts: if bound { vec![account] } else { vec![] },
                unbound_networks: if bound { vec![] } else { vec![network] },
                ..MerchantChanges::default()
            },
        })
    }

    /// A payout or refund that waits is taken back.
    fn cancel_enqueued(&mut self, id: i64) -> Option<Command> {
        let waits = |own: &Execution| {
            !own.is_final()
                && own.provider == Provider::PawaPay
                && matches!(own.operation, Operation::Payout | Operation::Refund)
        };
        let execution = self.pick_execution(id, waits)?;
        let known = self.model.executions.get(&execution.0)?;
        let reference_id = known.reference;
        let merchant_id = MerchantId(known.merchant);
        Some(Command::CancelEnqueued(CancelEnqueued { merchant_id, reference_id }))
    }
}

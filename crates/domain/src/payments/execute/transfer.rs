//! Executing a transfer session: moving money to the wallet of a counterparty.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{PartyId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::ledger::open_wallet;
use crate::ledger::wallet;
use crate::payments::approval;
use crate::payments::checks;
use crate::payments::execute::Executed;
use crate::payments::execute::context::{
    ExecutionContext, check_capacity, wallet_with_funds, with_insufficient_balance,
};
use crate::payments::execution_intent::ExecutionIntent;
use crate::payments::recipient;
use crate::payments::session::Recipient;
use crate::payments::settle;
use crate::tariff::fees;

impl ExecutionContext<'_> {
    pub(super) fn execute_transfer(
        &self,
        wallet_id: WalletId,
        party_id: PartyId,
        declared: Option<&Recipient>,
        amount: Money,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let wallet = checks::recheck_wallet(wallet_id, amount, work)?;
        let destination =
            recipient::destination(self.merchant, party_id, declared, amount.currency, work)?;
        if destination.owner == wallet.owner() {
            return Err(Refusal::WalletState {
                subject: Subject::Wallet,
                state: "the receiver's own",
            }
            .into());
        }
        let network = (Provider::Platform, Method::WALLET);
        let quote =
            fees::quote_outgoing(amount, self.route(network.0, network.1), &work.tariff, self.now)?;
        let above = approval::limit_exceeded(&wallet, amount, self.time, work)?;
        // Before anything is recorded, be it as failed.
        self.check_shown(&quote, above)?;
        let intent = ExecutionIntent::Transfer { wallet_id, receiver_wallet_id: None };
        let execution = self.new_execution(intent, &quote, network, work)?;
        if let Some(receiver) =
            destination.wallet.as_ref().filter(|wallet| !wallet.status.allows_credit())
        {
            return self.fail(self.with_closed_wallet(execution, receiver), work);
        }
        if wallet_with_funds(Some(&wallet), execution.payer).is_none() {
            return self.fail(with_insufficient_balance(execution, Some(&wallet)), work);
        }
        let receiver = open_wallet::open(
            destination.merchant_id,
            destination.owner,
            amount.currency,
            work,
            self.now,
        )?;
        // A transfer from another merchant may fill a wallet only to a lower limit, so that strangers
        // cannot use up the capacity for its own collections.
        let from_outside = destination.merchant_id != self.merchant.id;
        check_capacity(
            &receiver,
            amount,
            if from_outside {
                self.settings.transfers.balance_max_minor
            } else {
                wallet::WALLET_LIMIT_MINOR
            },
        )?;
        let execution = execution.with_counter_wallet(receiver.id);
        if let Some(above) = above {
            return self.hold_for_approval(execution, above, work);
        }
        let executed = self.complete(execution, work)?;
        settle::tell_receiver(&executed.execution, &receiver, work, self.now)?;
        Ok(executed)
    }
}

//! Executing a refund session: giving back a collection, in full or in part.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant_limits;
use crate::kernel::ids::ExecutionId;
use crate::kernel::money::Money;
use crate::kernel::names::{Operation, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::ledger::wallet::{self, Wallet};
use crate::mutant;
use crate::payments::attempt::ProviderAttempt;
use crate::payments::checks;
use crate::payments::execute::Executed;
use crate::payments::execute::context::{
    ExecutionContext, check_capacity, wallet_with_funds, with_insufficient_balance,
};
use crate::payments::execution::Execution;
use crate::payments::execution_intent::ExecutionIntent;
use crate::payments::refund;
use crate::tariff::fees::Quote;

impl ExecutionContext<'_> {
    pub(super) fn execute_refund(
        &self,
        original_id: ExecutionId,
        amount: Money,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let original = work.require::<Execution>(original_id)?;
        checks::recheck_original(&original)?;
        let limits = self.settings.refunds;
        checks::check_refund_age(&original, self.time, limits, work.actor())?;
        merchant_limits::check_refund(&original, amount, work, self.now)??;
        if original.has_network() {
            let account = work.require::<ProviderAttempt>(original_id)?.network_account_id;
            checks::check_network(
                self.merchant,
                (original.provider, original.method),
                (Operation::Refund, amount),
                Subject::Amount,
                Some(account),
                &work.tariff,
                self.now,
            )?;
        }
        let wallet_id = original.credited_wallet()?;
        let wallet = work.require::<Wallet>(wallet_id)?;
        if !wallet.status.allows_debit() {
            return Err(Refusal::WalletState {
                subject: Subject::Wallet,
                state: wallet.status.as_str(),
            }
            .into());
        }
        let capacity = checks::check_refund_capacity(&original, amount);
        let hold = refund::hold_amount(&original, amount).ok_or(Refusal::AmountTooLarge)?;
        // Between wallets a refund is final at once: it holds nothing and is charged what is due.
        let is_immediate = original.provider == Provider::Platform && capacity.is_ok();
        let charge = if is_immediate {
            refund::charge_on_completion(&original, amount, hold)?
        } else {
            hold
        };
        // A refund has no fees, and those of its payment are not given back. Its rate is that of
        // the payment: a rate that has changed since must not cost either side anything.
        let quote = Quote {
            payer: Money::new(charge, wallet.currency),
            payee: amount,
            total: charge,
            platform_fee: 0,
            gateway_fee: 0,
            fx_fee: 0,
            rate: original.rate,
            platform_fee_id: None,
            gateway_fee_id: None,
            unit_minor: 1,
        };
        let payer_account_id = original.payment_account_id().ok_or_else(|| {
            Stop::Inconsistent(format!("collection {original_id} has no payment account"))
        })?;
        let intent = ExecutionIntent::Refund {
            original_execution_id: original_id,
            wallet_id,
            payer_account_id,
            payer_wallet_id: None,
            released_minor: 0,
        };
        let mut execution =
            self.new_execution(intent, &quote, (original.provider, original.method), work)?;
        if let Err(refusal) = capacity {
            execution.gateway_message = Some(refusal.to_string());
            return self.fail(execution, work);
        }
        if wallet_with_funds(Some(&wallet), execution.payer).is_none() {
            return self.fail(with_insufficient_balance(execution, Some(&wallet)), work);
        }
        if original.provider == Provider::Platform {
            let payer_id = original.counter_wallet_id().ok_or_else(|| {
                Stop::Inconsistent(format!("collection {original_id} has no payer"))
            })?;
            let payer = work.require::<Wallet>(payer_id)?;
            if !payer.status.allows_credit() {
                return self.fail(self.with_closed_wallet(execution, &payer), work);
            }
            check_capacity(&payer, amount, wallet::WALLET_LIMIT_MINOR)?;
            execution = execution.with_counter_wallet(payer_id);
        }
        // The refund uses capacity from its start, so that refunds under way at the same time
        // cannot exceed the payment together.
        let minor = if mutant!(ForgetRefundSum) { 0 } else { amount.minor };
        work.put(original.with_refund_capacity_change(0, minor)?);
        if original.provider == Provider::Platform {
            return self.complete(execution, work);
        }
        self.dispatch(execution, None, None, work)
    }
}

//! Executing a payout session: sending money from a wallet to a payment account.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::use_payment_account;
use crate::kernel::ids::{PaymentAccountId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::names::{Operation, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::ledger::open_wallet;
use crate::ledger::wallet::{self, Owner};
use crate::payments::approval;
use crate::payments::checks;
use crate::payments::execute::Executed;
use crate::payments::execute::context::{
    ExecutionContext, check_capacity, wallet_with_funds, with_insufficient_balance,
};
use crate::payments::execution_intent::ExecutionIntent;
use crate::tariff::fees;

impl ExecutionContext<'_> {
    pub(super) fn execute_payout(
        &self,
        wallet_id: WalletId,
        payee_account_id: PaymentAccountId,
        amount: Money,
        requested_account_id: Option<PaymentAccountId>,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        if requested_account_id.is_some_and(|id| id != payee_account_id) {
            return Err(Refusal::AccountMismatch.into());
        }
        let account = use_payment_account::usable(
            self.merchant.id,
            payee_account_id,
            Operation::Payout,
            work,
        )??;
        if !work.tariff.accepts_currency(
            account.method,
            account.provider,
            Operation::Payout,
            amount.currency,
            self.now,
        ) {
            return Err(Refusal::CurrencyNotSupported {
                currency: amount.currency,
                method: account.method,
            }
            .into());
        }
        let wallet = checks::recheck_wallet(wallet_id, amount, work)?;
        let quote = fees::quote_outgoing(
            amount,
            self.route(account.provider, account.method),
            &work.tariff,
            self.now,
        )?;
        let above = approval::limit_exceeded(&wallet, amount, self.time, work)?;
        // Before anything is recorded, be it as failed.
        self.check_shown(&quote, above)?;
        checks::check_network(
            self.merchant,
            (account.provider, account.method),
            (Operation::Payout, amount),
            Subject::Amount,
            None,
            &work.tariff,
            self.now,
        )?;
        let intent = ExecutionIntent::Payout { wallet_id, payee_account_id, payee_wallet_id: None };
        let execution =
            self.new_execution(intent, &quote, (account.provider, account.method), work)?;
        if wallet_with_funds(Some(&wallet), execution.payer).is_none() {
            return self.fail(with_insufficient_balance(execution, Some(&wallet)), work);
        }
        if account.provider == Provider::Platform {
            let payee = open_wallet::open(
                self.merchant.id,
                Owner::Party(account.party_id),
                amount.currency,
                work,
                self.now,
            )?;
            // Debit and credit of one wallet would cancel out, and only the fees would be taken.
            if payee.id == wallet.id {
                return Err(Refusal::WalletState {
                    subject: Subject::Wallet,
                    state: "the payee's own",
                }
                .into());
            }
            if !payee.status.allows_credit() {
                return self.fail(self.with_closed_wallet(execution, &payee), work);
            }
            check_capacity(&payee, amount, wallet::WALLET_LIMIT_MINOR)?;
            let execution = execution.with_counter_wallet(payee.id);
            return match above {
                Some(above) => self.hold_for_approval(execution, above, work),
                None => self.complete(execution, work),
            };
        }
        self.dispatch(execution, Some(&account), above, work)
    }
}

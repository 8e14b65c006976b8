//! Executing a checkout session: collecting for an invoice or order.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::use_payment_account;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{PaymentAccountId, SourceId};
use crate::kernel::names::{Operation, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::ledger::wallet::{self, Owner, Wallet};
use crate::payments::checks;
use crate::payments::execute::Executed;
use crate::payments::execute::context::{
    ExecutionContext, check_capacity, wallet_with_funds, with_insufficient_balance,
};
use crate::payments::execution_intent::{Collection, ExecutionIntent};
use crate::sales::payment_link;
use crate::sales::source::{Source, SourceInput};
use crate::tariff::fees::{self, Route};

impl ExecutionContext<'_> {
    pub(super) fn execute_collection(
        &self,
        source_id: SourceId,
        account_id: PaymentAccountId,
        currency: Currency,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let source = work.require::<Source>(source_id)?;
        let processing = source.after(SourceInput::Collect, self.time)?;
        payment_link::check_use(&source, work)?;
        let account = use_payment_account::usable(
            self.merchant.id,
            account_id,
            Operation::Collection,
            work,
        )??;
        if !work.tariff.accepts_currency(
            account.method,
            account.provider,
            Operation::Collection,
            currency,
            self.now,
        ) {
            return Err(Refusal::CurrencyNotSupported { currency, method: account.method }.into());
        }
        let wallet = work.find::<Wallet>(&(Owner::Merchant(self.merchant.id), source.currency))?;
        if let Some(wallet) = wallet.as_ref().filter(|wallet| !wallet.status.allows_credit()) {
            return Err(Refusal::WalletState {
                subject: Subject::Wallet,
                state: wallet.status.as_str(),
            }
            .into());
        }
        let network = (account.provider, account.method);
        let route = Route::of_collection(self.merchant, network, currency, &work.tariff, self.now);
        let quote = fees::quote_collection(
            source.total(),
            currency,
            source.fee_bearer,
            route,
            &work.tariff,
            self.now,
        )?;
        checks::check_network(
            self.merchant,
            network,
            (Operation::Collection, quote.payer),
            Subject::Account,
            None,
            &work.tariff,
            self.now,
        )?;
        let intent = ExecutionIntent::Collection(Collection::new(source_id, account_id));
        let execution = self.new_execution(intent, &quote, network, work)?;

        if account.provider == Provider::Platform {
            // A collection through a network reserves its capacity in `dispatch` instead.
            if let Some(wallet) = &wallet {
                check_capacity(wallet, execution.payee, wallet::WALLET_LIMIT_MINOR)?;
            }
            let payer = work.find::<Wallet>(&(Owner::Party(account.party_id), currency))?;
            if let Some(payer) = payer.as_deref().filter(|payer| !payer.status.allows_debit()) {
                return Err(Refusal::WalletState {
                    subject: Subject::AccountWallet,
                    state: payer.status.as_str(),
                }
                .into());
            }
            let Some(payer) = wallet_with_funds(payer.as_deref(), execution.payer) else {
                return self.fail(with_insufficient_balance(execution, payer.as_deref()), work);
            };
            work.put(processing);
            payment_link::reserve(&source, self.time, work)?;
            return self.complete(execution.with_counter_wallet(payer), work);
        }
        // From here on no other collection of the source can start, until this one fails.
        work.put(processing);
        payment_link::reserve(&source, self.time, work)?;
        let entity = (EventEntity::Source, source_id.0);
        events::record(
            self.merchant.id,
            EventType::SourceProcessing,
            entity,
            None,
            work,
            self.now,
        )?;
        self.dispatch(execution, Some(&account), None, work)
    }
}

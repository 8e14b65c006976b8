//! What the executions of all operations have in common.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::settings::Settings;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::payment_account::PaymentAccount;
use crate::kernel::ids::{ExecutionId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Mode, Provider};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::incoming;
use crate::ledger::post;
use crate::ledger::recipes::{self, DebitFrom};
use crate::ledger::wallet::Wallet;
use crate::mutant;
use crate::payments::approval::{self, ApprovalLimit};
use crate::payments::attempt::{GATE_CHECK_US, Gate, NetworkPayment, ProviderAttempt};
use crate::payments::execute::{Execute, Executed, PaysOn, ShownPrice};
use crate::payments::execution::{Execution, ExecutionStatus, WAITING_FOR_ANSWER};
use crate::payments::execution_intent::ExecutionIntent;
use crate::payments::gate;
use crate::payments::provider_call::{self, CallKind, WriteBody};
use crate::payments::session::Session;
use crate::payments::settle;
use crate::tariff::fees::{self, Quote, Route};

/// The rows and settings that the execution of any operation needs, and the steps that they share.
pub(super) struct ExecutionContext<'a> {
    pub(super) request: &'a Execute,
    /// The page on which the payer pays; `None` for a request of the merchant's program.
    pub(super) page: Option<&'a PaysOn>,
    pub(super) merchant: &'a Merchant,
    pub(super) session: &'a Session,
    pub(super) settings: &'a Settings,
    pub(super) time: MerchantTime,
    pub(super) now: ServerTime,
}

impl ExecutionContext<'_> {
    /// A new execution with the amounts of `quote`, through `provider`.
    pub(super) fn new_execution(
        &self,
        intent: ExecutionIntent,
        quote: &Quote,
        (provider, method): (Provider, Method),
        work: &mut Workspace,
    ) -> Result<Execution, Stop> {
        Ok(Execution {
            id: ExecutionId(work.new_id()?),
            merchant_id: self.merchant.id,
            reference_id: self.request.reference_id,
            session_id: self.session.id,
            status: ExecutionStatus::Pending,
            intent,
            payer: quote.payer,
            payee: quote.payee,
            total_minor: quote.total,
            platform_fee_minor: quote.platform_fee,
            gateway_fee_minor: quote.gateway_fee,
            fx_fee_minor: quote.fx_fee,
            rate: quote.rate,
            rules: fees::ROUNDING_RULES,
            unit_minor: Some(quote.unit_minor).filter(|unit| *unit > 1),
            platform_fee_id: quote.platform_fee_id,
            gateway_fee_id: quote.gateway_fee_id,
            provider,
            method,
            provider_transaction_id: None,
            gateway_message: None,
            wallet_message: None,
            in_review: false,
            waiting_for: None,
            completed_at: None,
            event_count: 0,
            created_at: self.time,
            updated_at: self.time,
        })
    }

    /// The attempt at the network, which has not been sent.
    fn new_attempt(
        &self,
        execution: &Execution,
        work: &Workspace,
    ) -> Result<ProviderAttempt, Stop> {
        // A refund goes to the account that its payment came through.
        let account = match execution.original_execution_id() {
            Some(original) if !mutant!(RefundElsewhere) => {
                Some(work.require::<ProviderAttempt>(original)?.network_account_id)
            }
            _ => work.tariff.account_for(self.merchant, execution.provider),
        };
        Ok(ProviderAttempt {
            execution_id: execution.id,
            merchant_id: execution.merchant_id,
            network_account_id: account
                .ok_or(Refusal::NoNetworkAccount { network: execution.provider })?,
            request_id: provider_call::network_request_id(
                &work.installation,
                execution.merchant_id,
                execution.reference_id,
                execution.operation(),
            ),
            network_reference: None,
            gate: None,
            send_count: 0,
            sent_at: None,
            asked_at: None,
            body: None,
            next_check_at: None,
            lease_until: None,
            deadline_at: self.time.plus(self.settings.deadlines.deadline_us),
            cancel_asked: false,
            requires_action: false,
            client_secret: None,
            page_id: self.page.map(|page| page.id),
            last_refund_id: None,
            trace: work.trace(),
        })
    }

    pub(super) fn route(&self, provider: Provider, method: Method) -> Route<'_> {
        Route {
            tier: &self.merchant.fee_tier,
            operation: self.request.details.operation(),
            provider,
            method,
            unit_minor: 1,
        }
    }

    /// Refuses another price than the one that whoever asks for it was shown, if any was.
    pub(super) fn check_shown(
        &self,
        quote: &Quote,
        above: Option<ApprovalLimit>,
    ) -> Result<(), Refusal> {
        match self.request.shown {
            Some(shown) if shown != ShownPrice::new(quote, above) => Err(Refusal::QuoteChanged),
            _ => Ok(()),
        }
    }

    /// The execution with the message that the receiving wallet cannot be credited. The status of
    /// another merchant's wallet is not disclosed.
    pub(super) fn with_closed_wallet(&self, execution: Execution, receiver: &Wallet) -> Execution {
        let message = if receiver.merchant_id == self.merchant.id {
            format!("the receiving wallet is {}", receiver.status)
        } else {
            "the receiving wallet cannot be credited".to_owned()
        };
        Execution { wallet_message: Some(message), ..execution }
    }

    /// Records an execution that is final at once, debited from the available balance.
    pub(super) fn complete(
        &self,
        execution: Execution,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        approval::count(&execution, work)?;
        let execution =
            settle::complete(execution, DebitFrom::Available, None, self.time, work, self.now)?;
        Ok(Executed { execution, attempt: None, replayed: false, call: None })
    }

    /// Records an execution as `FAILED` from the start.
    pub(super) fn fail(
        &self,
        execution: Execution,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let execution = Execution { status: ExecutionStatus::Failed, ..execution };
        let note = execution.wallet_message.clone().or_else(|| execution.gateway_message.clone());
        let entity = (EventEntity::Execution, execution.id.0);
        events::record(self.merchant.id, EventType::ExecutionFailed, entity, note, work, self.now)?;
        // It is never sent. Its network may still report a payment under its id: one that a database
        // which lost its last moments has forgotten.
        if execution.has_network() {
            work.put(self.new_attempt(&execution, work)?);
        }
        work.put(execution.clone());
        Ok(Executed { execution, attempt: None, replayed: false, call: None })
    }

    /// Records an execution for its provider, posts its hold, and leases the first call to this
    /// process. The call is made after the commit: if the process dies before, the lease runs out
    /// and a poll of any process finds the execution.
    pub(super) fn dispatch(
        &self,
        execution: Execution,
        account: Option<&PaymentAccount>,
        above: Option<ApprovalLimit>,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let waiting_for = Some(WAITING_FOR_ANSWER.to_owned());
        let execution = Execution { waiting_for, ..execution };
        self.record_pending(&execution, work)?;
        let attempt = self.new_attempt(&execution, work)?;
        let mut payment = self.with_body(NetworkPayment { execution, attempt }, account, work)?;
        if let Some(above) = above {
            approval::request(&payment.execution, above, work)?;
            payment.attempt.gate = Some(Gate::Approval);
        }
        if let Some(gate) = gate::closed_gate(&payment.execution, &payment.attempt, work)? {
            mutant!(RefundIdOverwritten => note_waiting_refund(&payment, work)?);
            let held = payment.behind(gate, self.time.plus(GATE_CHECK_US));
            held.put(work);
            let NetworkPayment { execution, attempt } = held;
            return Ok(Executed { execution, attempt: Some(attempt), replayed: false, call: None });
        }
        let NetworkPayment { execution, attempt } = payment;
        gate::note_refund(&execution, &attempt, work)?;
        let attempt = attempt.first_sent(self.settings.deadlines, self.time, self.now);
        let payment = NetworkPayment { execution, attempt };
        let kind = gate::first_call(&payment.execution, &payment.attempt, work, self.now);
        let call = provider_call::build(&payment, account, kind, work, self.now)?;
        payment.put(work);
        let NetworkPayment { execution, attempt } = payment;
        Ok(Executed { execution, attempt: Some(attempt), replayed: false, call: Some(call) })
    }

    /// Records a payment between wallets that somebody has to approve, and posts its hold.
    pub(super) fn hold_for_approval(
        &self,
        execution: Execution,
        above: ApprovalLimit,
        work: &mut Workspace,
    ) -> Result<Executed, Stop> {
        let waiting_for = Some(Gate::Approval.waiting_for().to_owned());
        let execution = Execution { waiting_for, ..execution };
        self.record_pending(&execution, work)?;
        approval::request(&execution, above, work)?;
        work.put(execution.clone());
        Ok(Executed { execution, attempt: None, replayed: false, call: None })
    }

    /// Records that an execution is under way, and takes what it holds or awaits.
    fn record_pending(&self, execution: &Execution, work: &mut Workspace) -> Result<(), Stop> {
        let entity = (EventEntity::Execution, execution.id.0);
        let merchant = self.merchant.id;
        let event =
            events::record(merchant, EventType::ExecutionPending, entity, None, work, self.now)?;
        if let Some(money) = execution.incoming() {
            incoming::begin(merchant, money, work, self.now)?;
        }
        if let Some((wallet, money)) = execution.hold().filter(|_| !mutant!(HoldNotTaken)) {
            post::post(event, Some(execution.id), &recipes::hold(wallet, money)?, work, self.now)?;
        }
        approval::count(execution, work)
    }

    /// The payment with the body of its request, for a real network.
    fn with_body(
        &self,
        payment: NetworkPayment,
        account: Option<&PaymentAccount>,
        work: &Workspace,
    ) -> Result<NetworkPayment, Stop> {
        if self.merchant.mode == Mode::Sandbox {
            return Ok(payment);
        }
        let mut call = provider_call::build(&payment, account, CallKind::Send, work, self.now)?;
        call.request.details.page = self.page.map(|page| page.return_page.clone());
        let WriteBody(write) = self.settings.write_body;
        let body = write(call.provider, &call.request);
        let body = Some(body.map_err(|reason| Refusal::Unsendable { reason })?);
        let NetworkPayment { execution, attempt } = payment;
        Ok(NetworkPayment { execution, attempt: ProviderAttempt { body, ..attempt } })
    }
}

/// The wallet's id, if it can be debited by `amount`.
pub(super) fn wallet_with_funds(wallet: Option<&Wallet>, amount: Money) -> Option<WalletId> {
    wallet
        .filter(|wallet| wallet.status.allows_debit() || mutant!(FrozenPays))
        .filter(|wallet| wallet.available_minor >= amount.minor || mutant!(BelowZero))
        .map(|wallet| wallet.id)
}

pub(super) fn check_capacity(wallet: &Wallet, amount: Money, limit: i64) -> Result<(), Refusal> {
    if wallet.has_capacity_for(amount.minor, limit) {
        Ok(())
    } else {
        Err(Refusal::WalletLimitExceeded)
    }
}

pub(super) fn with_insufficient_balance(
    execution: Execution,
    wallet: Option<&Wallet>,
) -> Execution {
    let need = execution.payer;
    let has = Money::new(wallet.map_or(0, |wallet| wallet.available_minor), need.currency);
    let message = format!(
        "insufficient balance: {need} {cur} needed, {has} {cur} available",
        cur = need.currency
    );
    Execution { wallet_message: Some(message), ..execution }
}

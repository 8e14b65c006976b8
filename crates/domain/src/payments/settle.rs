//! Settling an execution: posts its recipe or releases its hold, and updates its source.

use crate::decision::event::{Actor, EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::exceptions::open_review;
use crate::kernel::names::Operation;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::incoming;
use crate::ledger::open_wallet;
use crate::ledger::post;
use crate::ledger::recipes::{self, DebitFrom};
use crate::ledger::wallet::{Owner, Wallet};
use crate::mutant;
use crate::payments::approval;
use crate::payments::attempt::{self, NetworkPayment, ProviderAttempt};
use crate::payments::execution::{Execution, ExecutionStatus};
use crate::payments::execution_intent::{Collection, ExecutionIntent};
use crate::payments::refund;
use crate::sales::payment_link;
use crate::sales::source::{Source, SourceInput, SourceStatus};

/// The payment with its network, which is asked again later. Records the event when it was `PENDING`.
pub(crate) fn processing(
    payment: &NetworkPayment,
    waiting_for: &str,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<NetworkPayment, Stop> {
    let NetworkPayment { execution, attempt } = payment;
    if execution.status == ExecutionStatus::Pending {
        let entity = (EventEntity::Execution, execution.id.0);
        let note = Some(waiting_for.to_owned());
        events::record(
            execution.merchant_id,
            EventType::ExecutionProcessing,
            entity,
            note,
            work,
            now,
        )?;
    }
    let mode = work.require::<Merchant>(execution.merchant_id)?.mode;
    let after = NetworkPayment {
        execution: Execution {
            status: ExecutionStatus::Processing,
            waiting_for: Some(waiting_for.to_owned()),
            ..execution.clone()
        },
        attempt: ProviderAttempt {
            next_check_at: Some(payment.next_check(mode, time)),
            // An outcome was recorded, so the lease is over: from now on the next check says when
            // the network is asked.
            lease_until: None,
            ..attempt.clone()
        },
    };
    Ok(after.with_updated_at(payment, time))
}

/// Completes an execution: posts its recipe and marks its source as paid. `from` says whether an
/// outgoing payment was held before.
///
/// # Errors
/// [`Stop::Inconsistent`] when rows contradict each other.
pub fn complete(
    mut execution: Execution,
    from: DebitFrom,
    transaction_id: Option<String>,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Execution, Stop> {
    let merchant = execution.merchant_id;
    end_attempt(&execution, work)?;
    if execution.operation() == Operation::Collection {
        // Opened here because a collection between wallets has reserved nothing before, and may be
        // the first money in its currency.
        let wallet = open_wallet::open(
            merchant,
            Owner::Merchant(merchant),
            execution.payee.currency,
            work,
            now,
        )?;
        execution = execution.with_collection(|collection| Collection {
            credited_wallet_id: Some(wallet.id),
            ..collection
        })?;
    }
    // Before the amounts are computed: a refund may be charged less than it held, and the same
    // posting releases the rest.
    if let Some(payment) = execution.original_execution_id() {
        let released = refund::record_completion(&execution, payment, work)?;
        if let ExecutionIntent::Refund { released_minor, .. } = &mut execution.intent {
            *released_minor = released;
        }
    }
    // The capacity that was reserved for this collection is given up before it is credited, or the
    // wallet would count the same money twice.
    if let Some(money) = execution.incoming() {
        incoming::end(merchant, money, work, now)?;
    }
    let amounts = execution.payment_amounts(attempt::clearing(&execution, work)?)?;
    let postings = match execution.operation() {
        Operation::Collection => recipes::collection_completes(&amounts)?,
        Operation::Payout | Operation::Transfer | Operation::Refund => {
            recipes::outgoing_completes(&amounts, from)?
        }
    };
    let event = events::record(
        merchant,
        EventType::ExecutionCompleted,
        (EventEntity::Execution, execution.id.0),
        None,
        work,
        now,
    )?;
    post::post(event, Some(execution.id), &postings, work, now)?;

    let execution = Execution {
        status: ExecutionStatus::Completed,
        completed_at: Some(time),
        provider_transaction_id: transaction_id
            .or_else(|| execution.provider_transaction_id.clone()),
        waiting_for: None,
        updated_at: time,
        ..execution
    };
    if let Some(source) = execution.source_id() {
        let before = work.require::<Source>(source)?;
        let paid = before.after(SourceInput::Collected, time)?;
        work.put(Source { paid_at: Some(time), ..paid });
        payment_link::consume(&before, time, work, now)?;
        events::record(
            merchant,
            EventType::SourcePaid,
            (EventEntity::Source, source.0),
            None,
            work,
            now,
        )?;
    }
    open_review::close_deadline(&execution, work, now)?;
    work.put(execution.clone());
    Ok(execution)
}

/// Tells another merchant of a transfer to one of its wallets. It does not learn by whom: no merchant
/// sees the API keys and people of another.
///
/// # Errors
/// None of its own.
pub(crate) fn tell_receiver(
    execution: &Execution,
    receiver: &Wallet,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    if receiver.merchant_id != execution.merchant_id {
        let amount = execution.payee;
        events::record_by(
            Actor::System,
            receiver.merchant_id,
            EventType::WalletTransferReceived,
            (EventEntity::Wallet, receiver.id.0),
            Some(format!("{amount} {}", amount.currency)),
            work,
            now,
        )?;
    }
    Ok(())
}

/// Fails an execution that was with a provider: releases its hold, makes its source payable again,
/// and returns the refund capacity that it used.
///
/// # Errors
/// [`Stop::Inconsistent`] when rows contradict each other.
pub fn fail(
    execution: Execution,
    message: String,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Execution, Stop> {
    let merchant = execution.merchant_id;
    end_attempt(&execution, work)?;
    let entity = (EventEntity::Execution, execution.id.0);
    let event = events::record(
        merchant,
        EventType::ExecutionFailed,
        entity,
        Some(message.clone()),
        work,
        now,
    )?;
    approval::uncount(&execution, work)?;
    if let Some((wallet, money)) = execution.hold() {
        post::post(event, Some(execution.id), &recipes::release(wallet, money)?, work, now)?;
        mutant!(ReleaseTwice => release_again(&execution, event, work, now)?);
    }
    if let Some(money) = execution.incoming().filter(|_| !mutant!(IncomingKept)) {
        incoming::end(merchant, money, work, now)?;
    }
    if let Some(source) = execution.source_id() {
        let source = work.require::<Source>(source)?;
        if source.status == SourceStatus::Processing && !mutant!(ForgetReopen) {
            work.put(source.after(SourceInput::CollectionFailed, time)?);
            payment_link::release(&source, time, work)?;
            events::record(
                merchant,
                EventType::SourceReopened,
                (EventEntity::Source, source.id.0),
                None,
                work,
                now,
            )?;
        }
    }
    // The capacity that a refund in review uses is updated when its review is resolved.
    if let Some(original) =
        execution.original_execution_id().filter(|_| !execution.in_review && !mutant!(RoomKept))
    {
        let original = work.require::<Execution>(original)?;
        work.put(original.with_refund_capacity_change(execution.payee.minor, 0)?);
    }
    let execution = Execution {
        status: ExecutionStatus::Failed,
        gateway_message: Some(message),
        waiting_for: None,
        updated_at: time,
        ..execution
    };
    open_review::close_deadline(&execution, work, now)?;
    work.put(execution.clone());
    Ok(execution)
}

/// Ends the attempt at the network, if there is one. Guards against settling a final execution
/// again, whichever path leads here.
fn end_attempt(execution: &Execution, work: &mut Workspace) -> Result<(), Stop> {
    if execution.status.is_final() {
        return Err(Stop::Inconsistent(format!(
            "execution {} is {} already",
            execution.id, execution.status
        )));
    }
    if let Some(attempt) = attempt::open_attempt(execution, work)? {
        work.put(attempt.ended());
    }
    Ok(())
}

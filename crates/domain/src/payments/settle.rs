//! Settling an execution: posts its recipe or releases its hold, and updates its source.

use crate::decision::event::{EventEntity, EventType};
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
use crate::ledger::wallet::Owner;
use crate::mutant;
use crate::payments::execution::{Execution, ExecutionStatus};
use crate::payments::refund;
use crate::sales::source::{Source, SourceInput, SourceStatus};

/// The execution with the provider, to be polled later. Records the event when it was `PENDING`.
pub(crate) fn processing(
    execution: Execution,
    waiting_for: &str,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Execution, Stop> {
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
    let next_check_at = Some(execution.next_check(mode, time));
    let after = Execution {
        status: ExecutionStatus::Processing,
        waiting_for: Some(waiting_for.to_owned()),
        next_check_at,
        // An outcome was recorded, so the lease is over: from now on the next check says when the
        // execution is due.
        lease_until: None,
        ..execution.clone()
    };
    Ok(after.with_updated_at(&execution, time))
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
    check_not_final(&execution)?;
    if execution.operation == Operation::Collection {
        // Opened here because a collection between wallets has reserved nothing before, and may be
        // the first money in its currency.
        let wallet = open_wallet::open(
            merchant,
            Owner::Merchant(merchant),
            execution.payee.currency,
            work,
            now,
        )?;
        execution.wallet_id = Some(wallet.id);
    }
    // Before the amounts are computed: a refund may be charged less than it held, and the same
    // posting releases the rest.
    if let Some(payment) = execution.original_execution_id {
        execution.released_minor = refund::record_completion(&execution, payment, work)?;
    }
    // The capacity that was reserved for this collection is given up before it is credited, or the
    // wallet would count the same money twice.
    if let Some(money) = execution.incoming() {
        incoming::end(merchant, money, work, now)?;
    }
    let amounts = execution.payment_amounts()?;
    let postings = match execution.operation {
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
        ..without_open_state(execution, time)
    };
    if let Some(source) = execution.source_id {
        let paid = work.require::<Source>(source)?.after(SourceInput::Collected, time)?;
        work.put(Source { paid_at: Some(time), ..paid });
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
    check_not_final(&execution)?;
    let entity = (EventEntity::Execution, execution.id.0);
    let event = events::record(
        merchant,
        EventType::ExecutionFailed,
        entity,
        Some(message.clone()),
        work,
        now,
    )?;
    if let Some((wallet, money)) = execution.hold() {
        post::post(event, Some(execution.id), &recipes::release(wallet, money)?, work, now)?;
        mutant!(ReleaseTwice => release_again(&execution, event, work, now)?);
    }
    if let Some(money) = execution.incoming().filter(|_| !mutant!(IncomingKept)) {
        incoming::end(merchant, money, work, now)?;
    }
    if let Some(source) = execution.source_id {
        let source = work.require::<Source>(source)?;
        if source.status == SourceStatus::Processing && !mutant!(ForgetReopen) {
            work.put(source.after(SourceInput::CollectionFailed, time)?);
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
        execution.original_execution_id.filter(|_| !execution.in_review && !mutant!(RoomKept))
    {
        let original = work.require::<Execution>(original)?;
        work.put(original.with_refund_capacity_change(execution.payee.minor, 0)?);
    }
    let execution = Execution {
        status: ExecutionStatus::Failed,
        gateway_message: Some(message),
        ..without_open_state(execution, time)
    };
    open_review::close_deadline(&execution, work, now)?;
    work.put(execution.clone());
    Ok(execution)
}

/// Guards against settling a final execution again, whichever path leads here.
fn check_not_final(execution: &Execution) -> Result<(), Stop> {
    if execution.status.is_final() {
        return Err(Stop::Inconsistent(format!(
            "execution {} is {} already",
            execution.id, execution.status
        )));
    }
    Ok(())
}

/// The execution without the fields that only an execution under way has.
fn without_open_state(execution: Execution, time: MerchantTime) -> Execution {
    Execution {
        waiting_for: None,
        next_check_at: None,
        lease_until: None,
        client_secret: None,
        requires_action: false,
        updated_at: time,
        ..execution
    }
}

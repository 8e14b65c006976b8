//! Late successes: a collection failed, then its provider reported that the payer paid it in full,
//! and an operator decides that the money is the merchant's. It is settled like a completed
//! collection, with the suspense account in place of clearing. Its status stays `FAILED`, since a
//! final status never changes.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::workspace::{Stop, Workspace};
use crate::exceptions::contradiction;
use crate::exceptions::review::Review;
use crate::kernel::checked::sum;
use crate::kernel::names::Operation;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::account::AccountKind;
use crate::ledger::open_wallet;
use crate::ledger::post;
use crate::ledger::recipes::{self, PaymentAmounts};
use crate::ledger::wallet::{Owner, Wallet, WalletStatus};
use crate::mutant;
use crate::payments::execution::{Execution, ExecutionStatus};
use crate::payments::execution_intent::Collection;
use crate::sales::payment_link;
use crate::sales::source::{Source, SourceInput, SourceStatus};

/// Whether a review found the full amount of a failed collection, and no part of it was credited to
/// a wallet, or debited from one, before.
pub(crate) fn covers_full_payment(
    review: &Review,
    execution: &Execution,
    work: &Workspace,
) -> Result<bool, Stop> {
    let failed = execution.operation() == Operation::Collection
        && execution.status == ExecutionStatus::Failed;
    let requested = execution.outside_amount();
    if !failed || execution.is_settled() || review.amount != requested {
        return Ok(false);
    }
    // Other reviews of the collection may have found a part of the same money before.
    let mut kept = 0;
    for other in contradiction::reviews(execution.id, work)?
        .iter()
        .filter(|other| other.amount.currency == requested.currency)
    {
        kept = sum(kept, other.kept_minor()?)?;
    }
    Ok(kept == requested.minor)
}

/// Settles the collection: posts the recipe of a completed collection from suspense, and marks the
/// source as paid unless it is paid or canceled already.
///
/// # Errors
/// [`Refusal::ReviewNotResolvable`] while another collection of the source is under way, which
/// could pay it too; [`Refusal::WalletState`].
pub(crate) fn settle(
    execution: Execution,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let merchant = execution.merchant_id;
    let source = execution
        .source_id()
        .ok_or_else(|| Stop::Inconsistent(format!("collection {} has no source", execution.id)))?;
    let source = work.require::<Source>(source)?;
    if source.status == SourceStatus::Processing {
        let needs = "another payment of the same invoice or order is under way; wait for its end, or say --to payer";
        return Err(Refusal::ReviewNotResolvable { needs }.into());
    }
    let wallet = open_wallet::open(
        merchant,
        Owner::Merchant(merchant),
        execution.payee.currency,
        work,
        now,
    )?;
    check_wallet(&wallet, execution.payee.minor)?;
    let execution = execution.with_collection(|collection| Collection {
        credited_wallet_id: Some(wallet.id),
        settled_by_review_at: Some(time),
        ..collection
    })?;
    let execution = Execution { updated_at: time, ..execution };
    let entity = (EventEntity::Execution, execution.id.0);
    let event = events::record(merchant, EventType::ExecutionSettled, entity, None, work, now)?;
    let postings = recipes::collection_completes(&amounts_from_suspense(&execution)?)?;
    post::post(event, Some(execution.id), &postings, work, now)?;
    // A source that was paid in the meantime stays paid, and a canceled one stays canceled: the
    // merchant then has to give the money back.
    if source.status == SourceStatus::Active && !mutant!(SettledUnpaid) {
        let paid = source.after(SourceInput::Settled, time)?;
        work.put(Source { paid_at: Some(time), ..paid });
        payment_link::consume(&source, time, work, now)?;
        events::record(
            merchant,
            EventType::SourcePaid,
            (EventEntity::Source, source.id.0),
            None,
            work,
            now,
        )?;
    }
    work.put(execution);
    Ok(())
}

fn amounts_from_suspense(execution: &Execution) -> Result<PaymentAmounts, Stop> {
    // Clearing was debited when the outcome came in, and the money has been in suspense since.
    let amounts = execution.payment_amounts(Some(AccountKind::Suspense))?;
    mutant!(SettledWithoutFees => return settle_without_fees(amounts));
    Ok(amounts)
}

/// Checks that a wallet can be credited `minor`, or debited where it is below zero.
///
/// # Errors
/// [`Refusal::WalletState`], [`Refusal::ReviewFundsInsufficient`], [`Refusal::ReviewNotResolvable`].
pub(crate) fn check_wallet(wallet: &Wallet, minor: i64) -> Result<(), Refusal> {
    if wallet.status == WalletStatus::Closed {
        return Err(Refusal::WalletState {
            subject: Subject::Wallet,
            state: wallet.status.as_str(),
        });
    }
    if wallet.available_minor.saturating_add(minor) < 0 {
        return Err(Refusal::ReviewFundsInsufficient);
    }
    // The limit for new payments is lower than this, so that a review can still be credited. But
    // what is held and under way must fit into the balance together with it.
    if minor > 0 && !wallet.has_capacity_for(minor, i64::MAX) {
        return Err(Refusal::ReviewNotResolvable {
            needs: "the wallet has no room for it; say --to payer",
        });
    }
    Ok(())
}

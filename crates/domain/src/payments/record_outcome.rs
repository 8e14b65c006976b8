//! Recording the outcome that a provider reports: settle, release, wait, send again, or open a
//! review.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::exceptions::contradiction;
use crate::exceptions::open_review;
use crate::exceptions::review::{self, ReviewKind};
use crate::kernel::ids::ExecutionId;
use crate::kernel::names::Provider;
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::recipes::DebitFrom;
use crate::mutant;
use crate::payments::execution::{Execution, LEASE_US, NEVER_SEEN_US, STRIPE_RESEND_US};
use crate::payments::outcome::{OutcomeKind, ProviderOutcome, Transition};
use crate::payments::provider_call::{self, CallKind, ProviderCall};
use crate::payments::settle;

/// The execution after an outcome, and the provider call that is due next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedOutcome {
    pub execution: Execution,
    /// This process holds the lease for it.
    pub call: Option<ProviderCall>,
}

/// Records the outcome that a provider reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordOutcome {
    pub execution_id: ExecutionId,
    pub outcome: ProviderOutcome,
}

impl Decision for RecordOutcome {
    type Output = RecordedOutcome;

    fn lock_key(&self) -> Option<LockKey> {
        Some(LockKey { key: RowKey::Execution(Lookup::Id(self.execution_id)), owner: None })
    }

    fn hints(&self) -> Vec<RowKey> {
        vec![RowKey::Execution(Lookup::Id(self.execution_id))]
    }

    fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
        let Ok(Some(execution)) = work.get::<Execution>(self.execution_id) else { return vec![] };
        // An outcome of a final execution may contradict the books; one that makes an execution
        // final may close the review of its deadline.
        let kinds: &[ReviewKind] = if execution.status.is_final() {
            &review::MONEY_KINDS
        } else {
            &[ReviewKind::DeadlinePassed]
        };
        let mut keys = execution.referenced_keys();
        keys.extend(kinds.iter().map(|kind| RowKey::Review(Lookup::AltKey((execution.id, *kind)))));
        keys
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<RecordedOutcome, Stop> {
        record(self.execution_id, &self.outcome, work, context.now)
    }
}

/// Records what a provider reports of an execution: an answer, a callback or a polled status.
///
/// # Errors
/// [`Stop::Inconsistent`] when the execution is not there.
pub fn record(
    id: ExecutionId,
    outcome: &ProviderOutcome,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<RecordedOutcome, Stop> {
    let execution = (*work.require::<Execution>(id)?).clone();
    let time = work.require::<Merchant>(execution.merchant_id)?.time(now);
    let input = outcome_kind(outcome, &execution);
    let no_call = |execution| RecordedOutcome { execution, call: None };
    // While an operator decides, no outcome moves money: it would be booked twice.
    if execution.in_review {
        let execution = contradiction::record_during_review(execution, outcome, time, work, now)?;
        return Ok(no_call(execution));
    }
    mutant!(FailedCompletes => return complete_failed(&execution, input, work));
    Ok(match execution.status.on(input) {
        Transition::Wait => no_call(wait(execution, input, time, work, now)?),
        Transition::WaitForAction => no_call(wait_for_action(execution, outcome, time, work, now)?),
        Transition::Complete => {
            let transaction_id = match outcome {
                ProviderOutcome::Succeeded { transaction_id, .. } => Some(transaction_id.clone()),
                _ => None,
            };
            no_call(settle::complete(execution, DebitFrom::Held, transaction_id, time, work, now)?)
        }
        Transition::Fail => no_call(settle::fail(execution, message_of(outcome), time, work, now)?),
        Transition::Resend => resend(execution, time, work, now)?,
        // An outcome that repeats the status may be news too: the provider may have reported
        // something else in between.
        Transition::Unchanged | Transition::Review => {
            no_call(contradiction::compare_with_books(execution, outcome, time, work, now)?)
        }
    })
}

fn outcome_kind(outcome: &ProviderOutcome, execution: &Execution) -> OutcomeKind {
    match outcome {
        ProviderOutcome::Accepted => OutcomeKind::Accepted,
        ProviderOutcome::NeedsAction { .. } => OutcomeKind::NeedsAction,
        ProviderOutcome::Succeeded { amount: Some(amount), .. }
            if *amount != execution.outside_amount() && !mutant!(SettleWrongAmount) =>
        {
            OutcomeKind::Mismatch
        }
        ProviderOutcome::Unknown if mutant!(TimeoutFails) => OutcomeKind::Declined,
        ProviderOutcome::Succeeded { .. } => OutcomeKind::Succeeded,
        ProviderOutcome::Declined { .. } => OutcomeKind::Declined,
        ProviderOutcome::Unknown => OutcomeKind::Unknown,
        ProviderOutcome::NeverSeen => OutcomeKind::NeverSeen,
    }
}

fn message_of(outcome: &ProviderOutcome) -> String {
    match outcome {
        ProviderOutcome::Declined { message } => message.clone(),
        _ => String::new(),
    }
}

fn wait(
    execution: Execution,
    input: OutcomeKind,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Execution, Stop> {
    let waiting_for = match input {
        OutcomeKind::Unknown => "the provider did not answer; it is asked again",
        _ => "the provider's result",
    };
    let before = execution.clone();
    let execution = match input {
        // The provider needs nothing more: the payer has acted.
        OutcomeKind::Accepted => {
            Execution { requires_action: false, client_secret: None, ..execution }
        }
        _ => execution,
    };
    let execution =
        settle::processing(execution, waiting_for, time, work, now)?.with_updated_at(&before, time);
    work.put(execution.clone());
    Ok(execution)
}

fn wait_for_action(
    execution: Execution,
    outcome: &ProviderOutcome,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Execution, Stop> {
    let ProviderOutcome::NeedsAction { client_secret } = outcome else {
        return Err(Stop::Inconsistent("an action without a secret".to_owned()));
    };
    let before = execution.clone();
    let execution = settle::processing(execution, "the payer's authentication", time, work, now)?;
    if !before.requires_action {
        let entity = (EventEntity::Execution, execution.id.0);
        events::record(
            execution.merchant_id,
            EventType::ExecutionRequiresAction,
            entity,
            None,
            work,
            now,
        )?;
    }
    let execution = Execution {
        requires_action: true,
        client_secret: Some(client_secret.clone()),
        ..execution
    };
    let execution = execution.with_updated_at(&before, time);
    work.put(execution.clone());
    Ok(execution)
}

/// The provider does not know the request: it is sent again with the same id, or failed when it is
/// long past its deadline.
fn resend(
    execution: Execution,
    time: MerchantTime,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<RecordedOutcome, Stop> {
    let sent_at = execution.sent_at.unwrap_or(execution.created_at);
    let past_deadline = time >= execution.deadline_at;
    // The last sending may still be on its way: it is failed only when no provider would take it
    // that late.
    if past_deadline && time.since(sent_at) >= NEVER_SEEN_US {
        let execution = settle::fail(
            execution,
            "the provider never received the request".to_owned(),
            time,
            work,
            now,
        )?;
        return Ok(RecordedOutcome { execution, call: None });
    }
    let too_old = execution.provider == Provider::Stripe
        && time.since(execution.created_at) > STRIPE_RESEND_US;
    // Stripe would take a request under a forgotten idempotency key for a new one and charge again.
    if past_deadline || too_old {
        let waiting_for = if too_old {
            "a review: a Stripe request older than 23 hours is not sent again"
        } else {
            "the provider's result"
        };
        let execution = settle::processing(execution, waiting_for, time, work, now)?;
        if too_old {
            open_review::open_deadline(&execution, waiting_for, work, now)?;
        }
        work.put(execution.clone());
        return Ok(RecordedOutcome { execution, call: None });
    }
    let sent = Execution {
        attempts: execution.attempts.saturating_add(1),
        sent_at: Some(time),
        waiting_for: Some("the provider's answer; it was sent again".to_owned()),
        // This process makes the call. If it dies, the execution is due again when the lease ends.
        next_check_at: Some(time.plus(LEASE_US)),
        lease_until: Some(now.plus(LEASE_US)),
        ..execution.clone()
    };
    let execution = sent.with_updated_at(&execution, time);
    work.put(execution.clone());
    let call = provider_call::build(&execution, None, CallKind::Send, work, now)?;
    mutant!(ResendAsNew => return resend_with_new_id(&execution, &call));
    Ok(RecordedOutcome { execution, call: Some(call) })
}

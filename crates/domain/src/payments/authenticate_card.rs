//! Authentication of a sandbox card payment by its payer.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::payment_account::PaymentAccount;
use crate::directory::roles::Action;
use crate::kernel::ids::MerchantId;
use crate::kernel::names::Mode;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::ReferenceId;
use crate::payments::attempt;
use crate::payments::execution::Execution;
use crate::payments::outcome::{Heard, OutcomeSource, ProviderOutcome};
use crate::payments::record_outcome::{self, RecordOutcome, RecordedOutcome};

/// What the payer of a sandbox card payment did, or the bank said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CardResult {
    Authenticated,
    NotAuthenticated,
    /// The bank declined, with the network's code, such as `insufficient_funds`.
    Declined(&'static str),
}

/// Records what the payer of a sandbox card payment did. In the place of a real network's page and
/// its report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthenticateCard {
    pub merchant_id: MerchantId,
    /// The idempotency key of the execution.
    pub reference_id: ReferenceId,
    pub result: CardResult,
}

impl Decision for AuthenticateCard {
    type Output = RecordedOutcome;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<RecordedOutcome, Stop> {
        authenticate(self.merchant_id, self.reference_id, self.result, work, context.now)
    }
}

/// Records the outcome of a sandbox card payment whose payer has to act.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::NotAwaitingAuthentication`].
fn authenticate(
    merchant_id: MerchantId,
    reference_id: ReferenceId,
    result: CardResult,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<RecordedOutcome, Stop> {
    let merchant = work.require::<Merchant>(merchant_id)?;
    let found = work.find::<Execution>(&(merchant_id, reference_id))?;
    let execution = found.filter(|_| merchant.mode == Mode::Sandbox).ok_or(Refusal::NotFound)?;
    // A payer must not pay while the cancellation is under way: the provider would report both.
    let Some(attempt) = attempt::open_attempt(&execution, work)?
        .filter(|attempt| attempt.requires_action && !attempt.cancel_asked)
    else {
        return Err(Refusal::NotAwaitingAuthentication.into());
    };
    let account = match execution.payment_account_id() {
        Some(id) => work.require::<PaymentAccount>(id)?.account_number.clone(),
        None => None,
    };
    let declined_after = account.as_deref() == Some("pm_card_threeDSecureRequiredChargeDeclined");
    let outcome = match result {
        CardResult::Authenticated if !declined_after => ProviderOutcome::Succeeded {
            transaction_id: format!("sandbox-{}", attempt.request_id),
            amount: None,
        },
        CardResult::Authenticated => declined("card_declined"),
        CardResult::Declined(code) => declined(code),
        CardResult::NotAuthenticated => ProviderOutcome::Declined {
            message: "authentication_required: the payer did not authenticate".to_owned(),
        },
    };
    let recorded = RecordOutcome {
        execution_id: execution.id,
        source: OutcomeSource::Callback,
        outcome,
        heard: Heard::default(),
    };
    record_outcome::record(&recorded, work, now)
}

fn declined(code: &str) -> ProviderOutcome {
    ProviderOutcome::Declined { message: format!("{code}: the card was declined") }
}

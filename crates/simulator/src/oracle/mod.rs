//! The oracle, a second opinion: what must come of each command by the published behaviour. It sees
//! only what clients and providers see, and uses none of the product's decisions.

mod directory;
pub mod figures;
pub mod model;
mod outcomes;
mod payments;
mod sales;
mod sessions;

use domain::decision::command::{Command, Output};
use domain::kernel::ids::SourceId;
use domain::kernel::refusal::{Refusal, Subject};
use kola::api::refusals::error_type;
use kola::engine::{Failure, Outcome};

pub use model::{Mismatch, Model};
pub use payments::TRANSFER_FILL_LIMIT;

/// Why a command must be refused: the object, and the published type of the error without the
/// prefix that most have.
type Reason = (Subject, &'static str);

/// The outcome of a command, and how strictly it is compared with the model.
#[derive(Clone, Copy)]
pub struct Observed<'a> {
    pub outcome: &'a Outcome,
    /// The clock of the process that decided.
    pub now: i64,
    /// Other batches were committed in the middle of this one. It may have read the rows before
    /// them: then it may be refused or fail for a reason that no longer holds, or answer what was
    /// true a moment ago.
    pub overlapped: bool,
    /// Those batches changed rows that decisions read without changing them: then it may have been
    /// accepted by the rows before.
    pub lenient: bool,
    /// Its answer was lost and was read from the rows later.
    pub read_back: bool,
}

impl Observed<'_> {
    /// Whether it was accepted; an error where it should have been refused for `reasons`, or where
    /// it was refused without them.
    fn check_acceptance(self, mut reasons: Vec<Reason>) -> Result<bool, Mismatch> {
        reasons.sort_unstable();
        reasons.dedup();
        match self.outcome {
            Ok(_) if reasons.is_empty() || self.lenient => Ok(true),
            Ok(answer) => Err(format!("accepted, against {reasons:?}: {answer:?}")),
            Err(Failure::Refused(refusals)) => {
                let mut given: Vec<_> = refusals.iter().map(reason).collect();
                given.sort_unstable();
                given.dedup();
                let right = given == reasons || self.overlapped;
                if right {
                    Ok(false)
                } else {
                    Err(format!("refused for {given:?} instead of {reasons:?}: {refusals:?}"))
                }
            }
            Err(Failure::Internal(what)) => Err(format!("a fault: {what}")),
            Err(Failure::Unavailable(what)) if what.contains("fault") || what.contains("odd") => {
                Err(what.clone())
            }
            Err(Failure::Unavailable(_) | Failure::Overloaded | Failure::Unknown) => Ok(false),
        }
    }

    fn output(self) -> Result<Output, Mismatch> {
        self.outcome.clone().map_err(|failure| format!("no answer: {failure}"))
    }
}

fn reason(refusal: &Refusal) -> Reason {
    let error_type = error_type(refusal);
    (refusal.subject(), error_type.strip_prefix("value_error.").unwrap_or(error_type))
}

/// The reasons that hold.
fn reasons(list: &[(bool, Reason)]) -> Vec<Reason> {
    list.iter().filter(|(holds, _)| *holds).map(|(_, reason)| *reason).collect()
}

/// The first reason that holds, where the product checks no further.
fn first(list: &[(bool, Reason)]) -> Vec<Reason> {
    let mut all = reasons(list);
    all.truncate(1);
    all
}

macro_rules! output {
    ($observed:expr, $answer:pat => $value:expr) => {
        match $observed.output()? {
            $answer => $value,
            other => return Err(format!("an answer of another kind: {other:?}")),
        }
    };
}
use output;

impl Model {
    /// Compares the outcome of a command with what it should be, and updates the model.
    pub fn record(&mut self, command: &Command, observed: Observed<'_>) -> Result<(), Mismatch> {
        match command {
            Command::CreateMerchant(new) => self.merchant_created(new, observed),
            Command::UpdateMerchant(id, changes) => self.merchant_updated(id.0, changes, observed),
            Command::CreateApiKey(id, ..) => self.key_created(id.0, observed),
            Command::RevokeApiKey(id, which) => self.key_revoked(id.0, which.0, observed),
            Command::Authenticated(_, command) => self.record(command, observed),
            Command::SetPasscode(id, hash) => self.passcode_set(id.0, hash.as_deref(), observed),
            Command::UnlockPasscode(id) => self.passcode_unlocked(id.0, observed),
            Command::ReservePasscodeChange(id, key) => self.attempt_reserved(id.0, key.0, observed),
            Command::ReplacePasscode(id, replaces, hash) => {
                self.passcode_replaced(id.0, replaces.as_deref(), hash.as_deref(), observed)
            }
            Command::ReservePasscodeAttempt(request, key) => {
                self.attempt_reserved_for(request, key.0, observed)
            }
            Command::FinishPasscodeAttempt(id, which, right) => {
                self.attempt_ended(id.0, which.0, *right, observed)
            }
            Command::AdvanceClock(id, by) => self.clock_advanced(id.0, *by, observed),
            Command::FundWallet(id, amount, _) => {
                self.wallet_funded(id.0, amount.minor, amount.currency, observed)
            }
            Command::SetWalletStatus(id, status, open) => {
                self.wallet_status(id.0, *status, *open, observed)
            }
            Command::CreateParty(id, new) => self.party_created(id.0, new, observed),
            Command::CreateCounterparty(id, _, party) => {
                self.counterparty_created(id.0, party.map(|id| id.0), observed)
            }
            Command::UpdateCounterparty(id, which, _, party) => {
                self.counterparty_updated(id.0, which.0, party.map(|id| id.0), observed)
            }
            Command::CreateAccount(id, new) => self.account_created(id.0, new, observed),
            Command::DeactivateAccount(id, which) => {
                self.account_deactivated(id.0, which.0, observed)
            }
            Command::CreateSource(id, new) => self.source_created(id.0, new, observed),
            Command::UpdateSource(which, changes) => self.source_updated(*which, changes, observed),
            Command::PublishSource(which) => self.source_published(*which, observed),
            Command::CancelSource(which) => self.source_canceled(*which, observed),
            Command::AddItem(which, new) => self.item_added(*which, new, observed),
            Command::UpdateItem(which, id, changes) => {
                self.item_updated(*which, id.0, changes, observed)
            }
            Command::RemoveItem(which, id) => self.item_removed(*which, id.0, observed),
            Command::CreateCheckout(id, new) => self.checkout_created(id.0, new, observed),
            Command::OpenCheckoutPage(which, _) => self.page_opened(*which, observed),
            Command::CreateSession(id, request) => self.session_created(id.0, request, observed),
            Command::CancelSession(id, kind, which) => {
                self.session_canceled(id.0, *kind, which.0, observed)
            }
            Command::ExpireSession(id) => self.session_expired(id.0, observed),
            Command::Execute(request) => self.executed(request, observed),
            Command::ClaimExecution(id) => self.claimed(id.0, observed),
            Command::RecordOutcome(id, outcome) => self.outcome_recorded(id.0, outcome, observed),
            Command::AuthenticateCard(id, reference, success) => {
                self.authenticated(id.0, reference, *success, observed)
            }
            Command::ResolveReview(id, how, _) => self.resolved(id.0, *how, observed),
        }
    }

    /// A source has one page for ever.
    fn page(&mut self, source: SourceId, page: i64) -> Result<(), Mismatch> {
        let first = *self.pages.entry(source.0).or_insert(page);
        if first == page {
            Ok(())
        } else {
            Err(format!("source {source} has the pages {first} and {page}"))
        }
    }
}

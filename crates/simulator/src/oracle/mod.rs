//! A second opinion: what must come of each command, from the published behaviour, told only what
//! clients and providers are told. None of the product's decisions is used here.

pub mod books;
pub mod figures;
mod payments;
mod sessions;
mod shop;
mod words;

use domain::decision::command::{Command, Output};
use domain::kernel::ids::SourceId;
use kola::engine::{Failure, Outcome};

pub use books::{Books, Wrong};
pub use payments::FILL;

/// How a command's outcome is held against the books.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    pub outcome: &'a Outcome,
    /// The clock of the process that decided.
    pub now: i64,
    /// Other batches were committed in the middle of this one: it may have read, without changing
    /// it, what was there before. Then it may be refused, or fail, for what is over, or answer what
    /// was true a moment ago.
    pub overlapped: bool,
    /// Those changed what decisions read without changing it: then it may have been accepted on
    /// what was there before.
    pub lenient: bool,
    /// Its answer was lost and read from the rows later.
    pub read: bool,
}

impl Told<'_> {
    /// Whether it was accepted; wrong, when it should not have been, or should have been.
    fn accepted(self, mut reasons: Vec<&'static str>) -> Result<bool, Wrong> {
        reasons.sort_unstable();
        reasons.dedup();
        match self.outcome {
            Ok(_) if reasons.is_empty() || self.lenient => Ok(true),
            Ok(answer) => Err(format!("accepted, against {reasons:?}: {answer:?}")),
            Err(Failure::Refused(refusals)) => {
                let mut kinds: Vec<_> =
                    refusals.iter().map(|refusal| short(refusal.kind())).collect();
                kinds.sort_unstable();
                kinds.dedup();
                let right = kinds == reasons || self.overlapped;
                if right {
                    Ok(false)
                } else {
                    Err(format!("refused for {kinds:?} instead of {reasons:?}: {refusals:?}"))
                }
            }
            Err(Failure::Internal(what)) => Err(format!("a fault: {what}")),
            Err(Failure::Unavailable(what)) if what.contains("fault") || what.contains("odd") => {
                Err(what.clone())
            }
            Err(Failure::Unavailable(_) | Failure::Overloaded | Failure::Unknown) => Ok(false),
        }
    }

    fn answer(self) -> Result<Output, Wrong> {
        self.outcome.clone().map_err(|failure| format!("no answer: {failure}"))
    }
}

/// The part of a refusal's type that tells it from others.
fn short(kind: &'static str) -> &'static str {
    kind.strip_prefix("value_error.").unwrap_or(kind)
}

/// A list of reasons, each where it holds.
fn reasons(list: &[(bool, &'static str)]) -> Vec<&'static str> {
    list.iter().filter(|(holds, _)| *holds).map(|(_, reason)| *reason).collect()
}

/// The first reason that holds.
fn first(list: &[(bool, &'static str)]) -> Vec<&'static str> {
    let mut all = reasons(list);
    all.truncate(1);
    all
}

macro_rules! taken {
    ($told:expr, $answer:pat => $value:expr) => {
        match $told.answer()? {
            $answer => $value,
            other => return Err(format!("an answer of another kind: {other:?}")),
        }
    };
}
use taken;

impl Books {
    /// Books what a command came to.
    pub fn told(&mut self, command: &Command, told: Told<'_>) -> Result<(), Wrong> {
        match command {
            Command::CreateMerchant(new) => self.merchant_created(new, told),
            Command::UpdateMerchant(id, changes) => self.merchant_updated(id.0, changes, told),
            Command::CreateApiKey(id, ..) => self.key_created(id.0, told),
            Command::RevokeApiKey(id, which) => self.key_revoked(id.0, which.0, told),
            Command::Authenticated(_, command) => self.told(command, told),
            Command::SetPasscode(id, hash) => self.passcode_set(id.0, hash.as_deref(), told),
            Command::UnlockPasscode(id) => self.passcode_unlocked(id.0, told),
            Command::ReservePasscodeChange(id, key) => self.attempt_reserved(id.0, key.0, told),
            Command::ReplacePasscode(id, replaces, hash) => {
                self.passcode_replaced(id.0, replaces.as_deref(), hash.as_deref(), told)
            }
            Command::ReservePasscodeAttempt(request, key) => self.attempt_of(request, key.0, told),
            Command::FinishPasscodeAttempt(id, which, right) => {
                self.attempt_ended(id.0, which.0, *right, told)
            }
            Command::AdvanceClock(id, by) => self.clock_advanced(id.0, *by, told),
            Command::FundWallet(id, amount, _) => {
                self.wallet_funded(id.0, amount.minor, amount.currency, told)
            }
            Command::SetWalletStatus(id, status, open) => {
                self.wallet_status(id.0, *status, *open, told)
            }
            Command::CreateParty(id, new) => self.party_created(id.0, new, told),
            Command::CreateCounterparty(id, _, party) => {
                self.counterparty_created(id.0, party.map(|id| id.0), told)
            }
            Command::UpdateCounterparty(id, which, _, party) => {
                self.counterparty_updated(id.0, which.0, party.map(|id| id.0), told)
            }
            Command::CreateAccount(id, new) => self.account_created(id.0, new, told),
            Command::DeactivateAccount(id, which) => self.account_deactivated(id.0, which.0, told),
            Command::CreateSource(id, new) => self.source_created(id.0, new, told),
            Command::UpdateSource(which, changes) => self.source_updated(*which, changes, told),
            Command::PublishSource(which) => self.source_published(*which, told),
            Command::CancelSource(which) => self.source_canceled(*which, told),
            Command::AddItem(which, new) => self.item_added(*which, new, told),
            Command::UpdateItem(which, id, changes) => {
                self.item_updated(*which, id.0, changes, told)
            }
            Command::RemoveItem(which, id) => self.item_removed(*which, id.0, told),
            Command::CreateCheckout(id, new) => self.checkout_created(id.0, new, told),
            Command::OpenCheckoutPage(which, _) => self.page_opened(*which, told),
            Command::CreateSession(id, request) => self.declared(id.0, request, told),
            Command::CancelSession(id, kind, which) => {
                self.session_canceled(id.0, *kind, which.0, told)
            }
            Command::ExpireSession(id) => self.session_expired(id.0, told),
            Command::Execute(request) => self.executed(request, told),
            Command::ClaimExecution(id) => self.claimed(id.0, told),
            Command::RecordOutcome(id, word) => self.heard(id.0, word, told),
            Command::AuthenticateCard(id, reference, success) => {
                self.authenticated(id.0, reference, *success, told)
            }
            Command::ResolveReview(id, how, _) => self.resolved(id.0, *how, told),
        }
    }

    /// A page is one for each source, for ever.
    fn page(&mut self, source: SourceId, page: i64) -> Result<(), Wrong> {
        let first = *self.pages.entry(source.0).or_insert(page);
        if first == page {
            Ok(())
        } else {
            Err(format!("source {source} has the pages {first} and {page}"))
        }
    }
}

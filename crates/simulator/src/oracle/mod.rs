//! The oracle, a second opinion: what must come of each command by the published behaviour. It sees
//! only what clients and providers see, and uses none of the product's decisions.

mod approvals;
mod calls;
pub mod deliveries;
mod directory;
pub mod figures;
pub mod gates;
mod links;
pub mod model;
pub mod network;
pub mod network_accounts;
mod outcomes;
mod page_payments;
mod payer_steps;
mod payments;
pub mod people;
mod request_limits;
mod sales;
mod sessions;
pub mod statements;
mod tariff;
pub mod webhooks;

use domain::decision::command::{Command, Output};
use domain::directory::advance_clock::AdvanceClock;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::counterparties::UpdateCounterparty;
use domain::directory::create_party::CreateParty;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::principal::Principal;
use domain::directory::set_passcode::ReplacePasscode;
use domain::directory::set_passcode::SetPasscode;
use domain::directory::set_passcode::UnlockPasscode;
use domain::directory::try_passcode::FinishPasscodeAttempt;
use domain::directory::try_passcode::ReservePasscodeChange;
use domain::directory::update_merchant::UpdateMerchant;
use domain::directory::use_payment_account::DeactivateAccount;
use domain::exceptions::resolve_review::ResolveReview;
use domain::kernel::ids::SourceId;
use domain::kernel::refusal::{Refusal, Subject};
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::set_wallet_status::SetWalletStatus;
use domain::network_accounts::secret::AddNetworkSecret;
use domain::payments::authenticate_card::AuthenticateCard;
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::cancel_session::CancelSession;
use domain::payments::check_now::CheckNow;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::create_session::CreateSession;
use domain::payments::decide_approval::ExpireApproval;
use domain::payments::expire_session::ExpireSession;
use domain::payments::leave_card_page::LeaveCardPage;
use domain::payments::reserve_passcode_attempt::ReservePasscodeAttempt;
use domain::people::end_login::TouchLogin;
use domain::sales::cancel_source::CancelSource;
use domain::sales::cancel_unpaid_order::CancelUnpaidOrder;
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_payment_link::CreatePaymentLink;
use domain::sales::create_source::CreateSource;
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::edit_items::AddItem;
use domain::sales::edit_items::RemoveItem;
use domain::sales::edit_items::UpdateItem;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::publish_source::PublishSource;
use domain::sales::update_source::UpdateSource;
use kola::api::refusals::error_type;
use kola::engine::{Failure, Outcome};

use crate::never_sent::never_sent;
use crate::of_statements::of_statements;

pub use model::{Mismatch, Model};
pub use payments::TRANSFER_FILL_LIMIT;
pub use request_limits::PAGE_LIMITS;

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

    /// Whether whoever asks may not, and nothing else is wrong.
    fn is_refused_for_the_caller(self) -> bool {
        matches!(self.outcome, Err(Failure::Refused(refusals))
            if refusals.iter().all(|refusal| refusal.subject() == Subject::Caller))
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
    ($observed:expr, $($answer:pat => $value:expr $(,)?)+) => {
        match $observed.output()? {
            $($answer => $value,)+
            other => return Err(format!("an answer of another kind: {other:?}")),
        }
    };
}
use output;

impl Model {
    /// Compares the outcome of a command with what it should be, and updates the model.
    pub fn record(
        &mut self,
        by: Principal,
        command: &Command,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        self.people.asking = self.people.rights(by);
        self.people.asking_person = match by {
            Principal::User(person) => Some((person, observed.now)),
            _ => None,
        };
        self.people.actor = Some(by.actor());
        let denied = self.people.reason_against(by, command, observed.now);
        if let Some(reason) = denied
            && !observed.check_acceptance(vec![reason])?
        {
            return Ok(());
        }
        match command {
            Command::CreateMerchant(new) => self.merchant_created(new, observed),
            Command::UpdateMerchant(UpdateMerchant { merchant_id: id, changes }) => {
                self.merchant_updated(id.0, changes, observed)
            }
            Command::CreateApiKey(new) => self.key_created(new, by, observed),
            Command::RevokeApiKey(RevokeApiKey { merchant_id: id, api_key_id: which }) => {
                self.key_revoked(id.0, which.0, observed)
            }
            Command::SetPasscode(SetPasscode { merchant_id: id, hash }) => {
                self.passcode_set(id.0, hash.as_deref(), observed)
            }
            Command::UnlockPasscode(UnlockPasscode { merchant_id: id }) => {
                self.passcode_unlocked(id.0, observed)
            }
            Command::ReservePasscodeChange(ReservePasscodeChange {
                merchant_id: id,
                api_key_id: key,
            }) => self.attempt_reserved(id.0, key.0, observed),
            Command::ReplacePasscode(ReplacePasscode { merchant_id: id, replaces, hash }) => {
                self.passcode_replaced(id.0, replaces.as_deref(), hash.as_deref(), observed)
            }
            Command::ReservePasscodeAttempt(ReservePasscodeAttempt {
                execute: request,
                api_key_id: key,
            }) => self.attempt_reserved_for(request, key.0, observed),
            Command::FinishPasscodeAttempt(FinishPasscodeAttempt {
                merchant_id: id,
                attempt_id: which,
                right,
            }) => self.attempt_ended(id.0, which.0, *right, observed),
            Command::AdvanceClock(AdvanceClock { merchant_id: id, by_seconds: by }) => {
                self.clock_advanced(id.0, *by, observed)
            }
            Command::FundWallet(FundWallet { wallet_id: id, amount, .. }) => {
                self.wallet_funded(id.0, amount.minor, amount.currency, observed)
            }
            Command::SetWalletStatus(SetWalletStatus { wallet_id: id, status }) => {
                self.wallet_status(id.0, *status, observed)
            }
            Command::CreateParty(CreateParty { merchant_id: id, party: new, .. }) => {
                self.party_created(id.0, new, observed)
            }
            Command::CreateCounterparty(CreateCounterparty {
                merchant_id: id,
                party_id: party,
                ..
            }) => self.counterparty_created(id.0, party.map(|id| id.0), observed),
            Command::UpdateCounterparty(UpdateCounterparty {
                merchant_id: id,
                counterparty_id: which,
                party_id: party,
                ..
            }) => self.counterparty_updated(id.0, which.0, party.map(|id| id.0), observed),
            Command::CreateAccount(CreateAccount { merchant_id: id, account: new, .. }) => {
                self.account_created(id.0, new, observed)
            }
            Command::DeactivateAccount(DeactivateAccount {
                merchant_id: id,
                account_id: which,
            }) => self.account_deactivated(id.0, which.0, observed),
            Command::CreateSource(CreateSource { merchant_id: id, source: new }) => {
                self.source_created(id.0, new, observed)
            }
            Command::UpdateSource(UpdateSource { source: which, changes, .. }) => {
                self.source_updated(*which, changes, observed)
            }
            Command::PublishSource(PublishSource { source: which, .. }) => {
                self.source_published(*which, observed)
            }
            Command::CancelSource(CancelSource { source: which, .. }) => {
                self.source_canceled(*which, observed)
            }
            Command::AddItem(AddItem { source: which, item: new, .. }) => {
                self.item_added(*which, new, observed)
            }
            Command::UpdateItem(UpdateItem { source: which, item_id: id, changes }) => {
                self.item_updated(*which, id.0, changes, observed)
            }
            Command::RemoveItem(RemoveItem { source: which, item_id: id }) => {
                self.item_removed(*which, id.0, observed)
            }
            Command::CreateCheckout(CreateCheckout { merchant_id: id, checkout: new }) => {
                self.checkout_created(id.0, new, observed)
            }
            Command::CreatePaymentLink(CreatePaymentLink { merchant_id: id, link: new }) => {
                self.link_created(id.0, new, observed)
            }
            Command::DeactivatePaymentLink(DeactivatePaymentLink {
                merchant_id: id,
                link_id: which,
            }) => self.link_deactivated(id.0, which.0, observed),
            Command::PayLink(request) => self.link_paid(request, observed),
            Command::CancelUnpaidOrder(CancelUnpaidOrder { source_id: id }) => {
                self.unpaid_canceled(id.0, observed)
            }
            Command::OpenCheckoutPage(OpenCheckoutPage { source: which, .. }) => {
                self.page_opened(*which, observed)
            }
            Command::CreateSession(CreateSession { merchant_id: id, session: request }) => {
                self.session_created(id.0, request, observed)
            }
            Command::CancelSession(CancelSession { merchant_id: id, kind, session_id: which }) => {
                self.session_canceled(id.0, *kind, which.0, observed)
            }
            Command::ExpireSession(ExpireSession { session_id: id }) => {
                self.session_expired(id.0, observed)
            }
            Command::Execute(request) => self.executed(request, observed),
            Command::PayOnPage(request) => self.paid_on_page(request, observed),
            Command::LeaveCardPage(LeaveCardPage { merchant_id: id, execution_id: which }) => {
                self.card_page_left(id.0, which.0, observed)
            }
            Command::CheckNow(CheckNow { merchant_id: id, execution_id: which, even_if_final }) => {
                self.checked_now(id.0, which.0, *even_if_final, observed)
            }
            Command::ClaimExecution(ClaimExecution { execution_id: id }) => {
                self.claimed(id.0, observed)
            }
            Command::RecordOutcome(recorded) => self.outcome_recorded(recorded, observed),
            Command::AuthenticateCard(AuthenticateCard {
                merchant_id: id,
                reference_id: reference,
                result,
            }) => self.authenticated(id.0, *reference, *result, observed),
            Command::ResolveReview(ResolveReview { review_id: id, resolution: how, .. }) => {
                self.resolved(id.0, *how, observed)
            }
            Command::SetPlatformFee(new) => self.platform_fee_set(new, observed),
            Command::SetGatewayFee(_) => observed.check_acceptance(vec![]).map(|_| ()),
            Command::SetRate(new) => self.rate_set(new, observed),
            Command::OpenMarket(_) => self.unused_market_opened(observed),
            Command::CloseMarket(_) => self.unused_market_closed(observed),
            Command::AssignPhonePrefix(_) => self.unused_prefix_assigned(observed),
            Command::EndPhonePrefix(_) => self.unused_prefix_ended(observed),
            Command::DeferSend(request) => self.deferred(request, observed),
            Command::Approve(request) => self.approved(request, by, observed),
            Command::Refuse(request) => self.approval_refused(request, by, observed),
            Command::ExpireApproval(ExpireApproval { approval_id: id }) => {
                self.approval_expired(id.0, observed)
            }
            Command::CancelEnqueued(CancelEnqueued {
                merchant_id: id,
                reference_id: reference,
            }) => self.enqueued_canceled(id.0, *reference, observed),
            Command::ChangeNetworkAccount(request) => {
                self.network_account_changed(request, observed)
            }
            Command::AddNetworkSecret(AddNetworkSecret { account_id: id, .. }) => {
                self.network_secret_added(*id, observed)
            }
            Command::RecordTerms(request) => self.terms_recorded(request, observed),
            Command::CreateWebhookEndpoint(new) => self.endpoint_created(new, observed),
            Command::UpdateWebhookEndpoint(request) => self.endpoint_updated(request, observed),
            Command::DeleteWebhookEndpoint(request) => self.endpoint_deleted(request, observed),
            Command::RotateWebhookSecret(request) => self.secret_rotated(request, observed),
            Command::TestWebhookEndpoint(request) => self.endpoint_tested(request, observed),
            // Who is told of which message is compared with the rows, and so is what is chained.
            Command::FanOutMessages(_) | Command::ChainBatches(_) => {
                observed.check_acceptance(vec![]).map(drop)
            }
            Command::ClaimDeliveries(request) => self.deliveries_claimed(request, observed),
            Command::RecordDeliveryAttempt(request) => self.delivery_attempted(request, observed),
            Command::ResendDeliveries(request) => self.deliveries_resent(request, observed),
            Command::Invite(new) => self.invited(new, by, observed),
            Command::ConfirmInvitation(request) => self.invitation_confirmed(request, by, observed),
            Command::CancelInvitation(request) => self.invitation_canceled(request, observed),
            Command::AcceptInvitation(request) => self.invitation_accepted(request, by, observed),
            Command::ReserveLogin(request) => self.login_reserved(request, observed),
            Command::FinishLogin(request) => self.login_finished(request, observed),
            Command::ReserveCode(request) => self.code_reserved(request, observed),
            Command::GiveCode(request) => self.code_given(request, observed),
            Command::SetUpSecondFactor(request) => self.second_factor_set_up(request, observed),
            Command::ConfirmSecondFactor(request) => {
                self.second_factor_confirmed(request, observed)
            }
            Command::ChangePassword(request) => self.password_changed(request, observed),
            Command::EndLogin(request) => self.login_ended(request, observed),
            Command::TouchLogin(TouchLogin { by: person }) => self.login_touched(*person, observed),
            Command::SetMerchantLimits(request) => self.limits_set(request, observed),
            Command::ChangeMember(request) => self.member_changed(request, by, observed),
            Command::DisableUser(request) => self.user_disabled(request, by, observed),
            // What is found and booked is compared with what the networks have told.
            of_statements!() => observed.check_acceptance(vec![]).map(drop),
            never_sent!() => Err("a command that nobody sends".to_owned()),
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

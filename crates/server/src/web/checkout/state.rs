//! Rows become the state of a page. What is shown goes by rank: a payment in review, then one that
//! is under way, then one that was made, then that the page is closed, and only then that it is
//! open. So a payment that is under way is never hidden by an expiry.

use std::sync::Arc;

use domain::directory::merchant::Merchant;
use domain::directory::payment_account::PaymentAccount;
use domain::exceptions::dispute::DisputeStanding;
use domain::exceptions::review::{Review as MoneyReview, ReviewKind, ReviewStatus};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Mode, Operation};
use domain::kernel::time::{MerchantTime, ServerTime, minutes, seconds};
use domain::ledger::wallet::WalletStatus;
use domain::payments::attempt::{ProviderAttempt, WithAttempt};
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::pay_on_page;
use domain::payments::receipt_code::ReceiptCode;
use domain::sales::checkout::CheckoutConfig;
use domain::sales::payment_link::PaymentLink;
use domain::sales::source::{Item, Source, SourceStatus};
use domain::tariff::Tariff;
use networks::pawapay::active_conf::PinPrompt;
use networks::prompt::{self, Prompt};

use crate::api::sources::{rate_text, refundable};
use crate::web::checkout::offers::Offers;
use crate::web::checkout::view::{
    CardPayment, CardPlace, Choices, ClosedReason, Closing, Failure, FailureReason, NotSentYet,
    PageState, PaidRate, PayWith, Payment, RefundLine, Revive, TakenBack, TryAgain, UnderReview,
    Waiting,
};
use crate::web::text::PhoneNumber;

/// A network that has not answered for so long is slow, in microseconds.
const LONG_US: i64 = minutes(10);
/// When a request that is still unanswered may have gone from the phone, in microseconds.
const REVIVE_AFTER_US: i64 = seconds(15);

/// What a page is made from.
pub struct Rows {
    pub checkout: CheckoutConfig,
    pub merchant: Merchant,
    pub source: Source,
    /// The payment link through which the order was made.
    pub link: Option<PaymentLink>,
    pub items: Vec<Item>,
    /// Of the merchant's wallet that is to be paid into; `None` where there is none yet, or where nothing
    /// is to be paid any more.
    pub wallet_status: Option<WalletStatus>,
    /// The newest collection, whatever its status.
    pub last: Option<WithAttempt>,
    /// The account of the newest collection.
    pub account: Option<PaymentAccount>,
    /// The collection that paid the source.
    pub paid: Option<Execution>,
    /// The code of its receipt.
    pub receipt_code: Option<ReceiptCode>,
    /// Its refunds that did not fail.
    pub refunds: Vec<Execution>,
    /// All reviews of collections for the source.
    pub reviews: Vec<MoneyReview>,
    /// The number of the party that is to pay.
    pub party_phone: Option<String>,
    pub tariff: Arc<Tariff>,
    /// How long a payer may take to confirm a card payment, in microseconds.
    pub action_us: i64,
    pub now: ServerTime,
}

/// What a payer is told of the network's request.
struct ShownPrompt {
    revive: Option<Revive>,
    /// How long the network keeps a request that nobody answers, in microseconds.
    kept_us: Option<i64>,
}

impl Rows {
    #[must_use]
    pub const fn time(&self) -> MerchantTime {
        self.merchant.time(self.now)
    }

    /// The state of the page.
    #[must_use]
    pub fn state(&self) -> PageState {
        // What a bank took back is known: nobody has to look into that.
        if self.source.status == SourceStatus::Paid && self.is_taken_back() {
            return self.paid();
        }
        if let Some(state) = self.in_review() {
            return PageState::InReview(state);
        }
        if let Some(state) = self.under_way() {
            return state;
        }
        match self.source.status {
            SourceStatus::Paid => self.paid(),
            SourceStatus::Canceled => self.closed(ClosedReason::Canceled(self.source.updated_at)),
            SourceStatus::Idle => self.closed(ClosedReason::NotPublished),
            SourceStatus::Active | SourceStatus::Processing => match self.checkout.expires_at {
                Some(at) if at <= self.time() => self.closed(ClosedReason::Expired(at)),
                Some(_) | None => {
                    let link = self.link.as_ref();
                    let end = link.and_then(|link| ClosedReason::of_link(link, self.time()));
                    let end = end.or_else(|| ClosedReason::of_wallet(self.wallet_status));
                    end.map_or_else(|| self.open(), |end| self.closed(end))
                }
            },
        }
    }

    /// The dispute of the payment that paid it.
    fn dispute(&self) -> Option<&MoneyReview> {
        let paid = self.paid.as_ref()?;
        let is_its = |review: &&MoneyReview| {
            review.execution_id == paid.id && review.kind == ReviewKind::Dispute
        };
        self.reviews.iter().find(is_its)
    }

    /// What the payer's bank has taken back.
    fn taken_back(&self) -> Option<TakenBack> {
        let dispute = self.dispute()?;
        let is_undecided = dispute.status == ReviewStatus::Open
            && dispute.dispute_standing != Some(DisputeStanding::Lost);
        dispute.taken_back().map(|amount| TakenBack { amount, is_undecided })
    }

    /// Whether something was taken back, and no other question is open.
    fn is_taken_back(&self) -> bool {
        let is_other = |review: &MoneyReview| {
            review.status == ReviewStatus::Open && review.kind != ReviewKind::Dispute
        };
        self.taken_back().is_some() && !self.reviews.iter().any(is_other)
    }

    fn in_review(&self) -> Option<UnderReview> {
        let open = self.reviews.iter().find(|review| review.status == ReviewStatus::Open);
        if open.is_none() && self.source.open_reviews == 0 {
            return None;
        }
        let execution = open
            .map(|review| review.execution_id)
            .or_else(|| self.last.as_ref().map(|last| last.execution.id));
        let number = &self.source.number;
        Some(UnderReview {
            reference: execution.map_or_else(|| number.clone(), |id| format!("{number}/{id}")),
            since: open.map(|review| self.merchant.time(review.created_at)),
        })
    }

    /// The state of the payment that is under way, if one is.
    fn under_way(&self) -> Option<PageState> {
        let WithAttempt { execution, attempt } = self.last.as_ref()?;
        if execution.status.is_final() {
            return None;
        }
        let Some(attempt) = attempt else {
            return Some(PageState::Waiting(self.waiting(execution, None)));
        };
        if let Some(gate) = attempt.gate {
            return Some(PageState::NotSentYet(NotSentYet {
                method: execution.method,
                payer: execution.payer,
                gate,
                next_try_at: attempt.next_check_at,
                can_withdraw: pay_on_page::can_withdraw(attempt),
            }));
        }
        // While a card payment is being ended, the network's word is waited for.
        if attempt.requires_action && !attempt.cancel_asked {
            let place = match (attempt.page_id, self.merchant.mode) {
                (None, _) => CardPlace::Merchant,
                (Some(_), Mode::Sandbox) => CardPlace::Sandbox,
                // The secret of a page of the network is its address.
                (Some(_), Mode::Test | Mode::Live) => {
                    CardPlace::Network { url: attempt.client_secret.clone().unwrap_or_default() }
                }
            };
            let until = execution.created_at.plus(self.action_us);
            // The network's page is closed when this one ends.
            let page_end = self
                .checkout
                .payable_until()
                .filter(|_| matches!(place, CardPlace::Network { .. }));
            return Some(PageState::Card(CardPayment {
                payer: execution.payer,
                since: execution.created_at,
                until: page_end.map_or(until, |end| until.min(end)),
                place,
            }));
        }
        let waiting = self.waiting(execution, Some(attempt));
        Some(if self.time().since(waiting.since) >= LONG_US {
            PageState::WaitingLong(waiting)
        } else {
            PageState::Waiting(waiting)
        })
    }

    fn waiting(&self, execution: &Execution, attempt: Option<&ProviderAttempt>) -> Waiting {
        let since = attempt.and_then(|attempt| attempt.sent_at).unwrap_or(execution.created_at);
        let prompt = self.prompt(execution, attempt);
        let number = self.account.as_ref().and_then(|account| account.account_number.as_deref());
        let phone = number.filter(|_| execution.method.is_mobile_money());
        let shows_revive = self.time().since(since) >= REVIVE_AFTER_US;
        Waiting {
            method: execution.method,
            payer: execution.payer,
            phone: phone.map(|digits| PhoneNumber(digits).masked()),
            since,
            asked_at: attempt.and_then(|attempt| attempt.asked_at),
            ask_at: attempt.and_then(|attempt| attempt.next_check_at),
            closes_at: prompt.as_ref().and_then(|prompt| Some(since.plus(prompt.kept_us?))),
            asked_until: attempt.map_or(since, |attempt| attempt.deadline_at),
            revive: prompt.and_then(|prompt| prompt.revive).filter(|_| shows_revive),
        }
    }

    /// How the network asks the payer; `None` where it does not say.
    fn prompt(
        &self,
        execution: &Execution,
        attempt: Option<&ProviderAttempt>,
    ) -> Option<ShownPrompt> {
        if self.merchant.mode == Mode::Sandbox {
            let Prompt { revive_code, kept_us } = prompt::sandbox(execution.method)?;
            let revive = revive_code.map(|code| Revive::Dial(code.to_owned()));
            return Some(ShownPrompt { revive, kept_us: Some(kept_us) });
        }
        let code = self.tariff.network_code(execution.method)?;
        let terms = self.tariff.operator_terms(
            attempt?.network_account_id,
            code,
            execution.outside_amount().currency,
            Operation::Collection,
        )?;
        let prompt: PinPrompt = serde_json::from_str(terms.pin_prompt.as_deref()?).ok()?;
        let channel = prompt.channels.into_iter().find(|_| prompt.revivable)?;
        let revive = match channel.quick_link {
            Some(code) => Revive::Dial(code),
            None => Revive::Follow { en: channel.steps.en, fr: channel.steps.fr },
        };
        // How long the operator keeps its request is not told.
        Some(ShownPrompt { revive: Some(revive), kept_us: None })
    }

    fn paid(&self) -> PageState {
        let Some(paid) = &self.paid else {
            // The row of the source says that it is paid, so that it must not be paid again.
            return PageState::InReview(UnderReview {
                reference: self.source.number.clone(),
                since: self.source.paid_at,
            });
        };
        let fee = |minor| Money::new(minor, paid.wallet_currency());
        let exchanged = paid.payer.currency != paid.wallet_currency();
        let rate = || PaidRate {
            one: paid.wallet_currency(),
            rate: rate_text(paid),
            many: paid.payer.currency,
        };
        let line = |refund: &Execution| RefundLine {
            amount: refund.payee,
            begun_at: refund.created_at,
            completed_at: refund.completed_at,
        };
        let any_refund = !self.refunds.is_empty() || paid.refunds().refunded_minor > 0;
        PageState::Paid(Payment {
            payer: paid.payer,
            at: paid.settled_at().or(self.source.paid_at).unwrap_or(paid.updated_at),
            method: paid.method,
            platform_fee: fee(paid.platform_fee_minor),
            gateway_fee: fee(paid.gateway_fee_minor),
            fx_fee: fee(paid.fx_fee_minor),
            rate: exchanged.then(rate),
            transaction_id: paid.provider_transaction_id.clone(),
            receipt_code: self.receipt_code.map(|code| code.to_string()),
            refunds: self.refunds.iter().map(line).collect(),
            taken_back: self.taken_back(),
            left: any_refund.then(|| refundable(paid)),
            success_url: self.checkout.success_url.clone(),
        })
    }

    fn closed(&self, reason: ClosedReason) -> PageState {
        PageState::Closed(Closing { reason, nothing_taken: self.reviews.is_empty() })
    }

    fn open(&self) -> PageState {
        let choices = self.choices();
        match &self.last {
            Some(WithAttempt { execution, .. }) if execution.status == ExecutionStatus::Failed => {
                PageState::Failed(self.failure(execution, &choices), choices)
            }
            // What is settled has paid the source: this must never lead to a second payment.
            Some(WithAttempt { execution, .. }) if execution.is_settled() => {
                PageState::Waiting(self.waiting(execution, None))
            }
            Some(_) | None => PageState::Open(choices),
        }
    }

    /// The ways to pay it.
    #[must_use]
    pub fn offers(&self) -> Offers<'_> {
        Offers {
            total: self.source.total(),
            bearer: self.source.fee_bearer,
            merchant: &self.merchant,
            tariff: &self.tariff,
            now: self.now,
        }
    }

    /// Every method that the market offers, with its price.
    #[must_use]
    pub fn choices(&self) -> Choices {
        self.offers().choices()
    }

    fn failure(&self, failed: &Execution, choices: &Choices) -> Failure {
        let pay_with = PayWith { method: failed.method, currency: failed.payer.currency };
        let is_offered =
            choices.methods.iter().any(|offer| offer.pay_with == pay_with && offer.price.is_ok());
        let number = self.account.as_ref().and_then(|account| account.account_number.clone());
        let own_number = number.filter(|number| {
            failed.method.is_mobile_money() && self.party_phone.as_ref() == Some(number)
        });
        let reviewed = self.reviews.iter().any(|review| review.execution_id == failed.id);
        Failure {
            reason: failure_reason(failed),
            at: failed.completed_at.unwrap_or(failed.updated_at),
            method: failed.method,
            payer: failed.payer,
            nothing_taken: failed.has_network() && !reviewed,
            again: is_offered.then_some(TryAgain { pay_with, phone: own_number }),
        }
    }
}

/// Why a collection failed. The network's code stands before its sentence; a wallet's message is not
/// told, because it could reveal a balance to everybody who has the link.
fn failure_reason(failed: &Execution) -> FailureReason {
    if failed.wallet_message.is_some() {
        return FailureReason::WalletNotEnoughMoney;
    }
    let said = failed.gateway_message.as_deref().unwrap_or_default();
    let code = said.split(':').next().unwrap_or_default();
    match code {
        "PAYMENT_NOT_APPROVED" => FailureReason::NotApproved,
        "INSUFFICIENT_BALANCE" => FailureReason::NotEnoughMoney,
        "PAYER_LIMIT_REACHED" | "WALLET_LIMIT_REACHED" => FailureReason::LimitReached,
        "PAYER_NOT_FOUND" => FailureReason::UnknownNumber,
        "PROVIDER_TEMPORARILY_UNAVAILABLE" => FailureReason::NetworkDown,
        "the provider never received the request" => FailureReason::NeverSent,
        "insufficient_funds" => FailureReason::CardNotEnoughMoney,
        "expired_card" => FailureReason::CardExpired,
        "incorrect_cvc" => FailureReason::CardCodeWrong,
        "canceled" => FailureReason::CardLeft,
        // A bank's other reasons, such as a lost or stolen card, are not for whoever holds it.
        _ if failed.method == Method::CREDIT_CARD => FailureReason::CardDeclined,
        _ => FailureReason::NoReason,
    }
}

//! What Stripe's answers say, word by word.
//!
//! Two states end a payment at Stripe: `succeeded` and `canceled` (for a session `complete` and
//! `expired`). A decline is none: the intent goes back to `requires_payment_method` and could be
//! paid with another card. So a declined intent is cancelled, and only when `canceled` was read the
//! payment has failed.

use domain::kernel::money::Money;
use domain::kernel::uuids::Uuid;
use domain::payments::outcome::ProviderOutcome;
use serde::de::DeserializeOwned;

use super::errors::{self, Meaning};
use super::ids::{Kind, StripeId};
use super::objects::{Balance, Error, ErrorBody, Intent, List, Refund, Session};
use super::requests::kind_of;
use super::steps::{Answer, Step};
use super::{amounts, declines, redaction};
use crate::exchange::{HttpResponse, Payment};
use crate::reading::{self, Reading, UnreadableAmount, Word, retry_after};

/// What the payment waits for while the payer is at Stripe.
const PAYER_ON_PAGE: &str = "the payer, on the card page";

/// Reads the answer to a step.
#[must_use]
pub fn read(step: &Step, payment: &Payment, response: &HttpResponse) -> Answer {
    if let Some(reading) = reading::of_status(response) {
        return read_status(reading, step, response);
    }
    let is_replayed = is_replayed(response);
    let context = Context { payment: Some(payment), step: Some(step), is_replayed };
    match response.status {
        200..=299 => read_object(step, payment, context, response),
        _ => match serde_json::from_slice::<ErrorBody>(&response.body) {
            Ok(body) => read_error(step, payment, context, &body.error, response),
            Err(fault) => unreadable(format!(
                "Stripe answered {} with a body that is no error of its: {fault}",
                response.status
            )),
        },
    }
}

/// What is in the account at Stripe, in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountBalance {
    /// Can be paid out, and serves refunds.
    pub available: Money,
    /// Is not paid out yet.
    pub pending: Money,
}

/// Reads the balance of an account. Currencies that nobody here knows are left out.
///
/// # Errors
/// What the answer says instead.
pub fn read_balance(response: &HttpResponse) -> Result<Vec<AccountBalance>, Box<Reading>> {
    let balance: Balance = read_other(response)?;
    let mut balances: Vec<AccountBalance> = vec![];
    let available = balance.available.iter().map(|entry| (entry, true));
    let pending = balance.pending.iter().map(|entry| (entry, false));
    for (entry, is_available) in available.chain(pending) {
        let Ok(money) = amounts::from_stripe(entry.amount, &entry.currency) else { continue };
        let index = match balances.iter().position(|b| b.available.currency == money.currency) {
            Some(index) => index,
            None => {
                let none = Money::new(0, money.currency);
                balances.push(AccountBalance { available: none, pending: none });
                balances.len() - 1
            }
        };
        if let Some(found) = balances.get_mut(index) {
            let part = if is_available { &mut found.available } else { &mut found.pending };
            *part = part.checked_add(money).unwrap_or(*part);
        }
    }
    Ok(balances)
}

/// Reads a list.
pub(super) fn read_list<T: DeserializeOwned>(
    response: &HttpResponse,
) -> Result<List<T>, Box<Reading>> {
    read_other(response)
}

/// Reads an answer that is about no single payment.
fn read_other<T: DeserializeOwned>(response: &HttpResponse) -> Result<T, Box<Reading>> {
    if let Some(reading) = reading::of_status(response) {
        return Err(Box::new(with_stripes_message(reading, response)));
    }
    let read = match response.status {
        200..=299 => parse(response),
        status => Err(match serde_json::from_slice::<ErrorBody>(&response.body) {
            Ok(body) => describe(&body.error, status),
            Err(_) => format!("Stripe answered {status}"),
        }),
    };
    read.map_err(|alarm| Box::new(Reading::Word(Word::unreadable(alarm))))
}

/// Where an object comes from.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// `None` for an event: only the object itself says what it belongs to.
    payment: Option<&'a Payment>,
    /// The call that it answers; `None` for an event.
    step: Option<&'a Step>,
    /// It is what Stripe answered the first time: how the object stood then.
    is_replayed: bool,
}

impl Context<'_> {
    pub const EVENT: Self = Self { payment: None, step: None, is_replayed: false };

    const fn is_cancelling(&self) -> bool {
        matches!(self.step, Some(Step::Cancel { .. }))
    }

    /// Why the card was declined, where the call cancels the intent for that.
    fn decline(&self) -> Option<&str> {
        match self.step {
            Some(Step::Cancel { decline, .. }) => decline.as_deref(),
            _ => None,
        }
    }

    /// Whether an object is not the one that was asked for.
    fn is_another(&self, id: &StripeId, request_id: Option<Uuid>) -> bool {
        let asked = self.step.and_then(Step::id);
        asked.is_some_and(|asked| asked != id)
            || request_id
                .zip(self.payment)
                .is_some_and(|(found, payment)| found != payment.request_id)
    }

    /// Whether the call is about this very object.
    fn asks_about(&self, id: &StripeId) -> bool {
        self.step.and_then(Step::id) == Some(id)
    }

    /// Whether the card is known and the intent was not just confirmed.
    fn may_confirm(&self) -> bool {
        self.payment.is_some_and(|payment| payment.card.is_some())
            && !matches!(self.step, Some(Step::Confirm(_)))
    }

    /// Asks again for what is not final and was answered from Stripe's memory.
    fn ask_if_replayed(&self, id: StripeId) -> Option<Step> {
        self.is_replayed.then_some(Step::Get(id))
    }
}

fn read_object(
    step: &Step,
    payment: &Payment,
    context: Context<'_>,
    response: &HttpResponse,
) -> Answer {
    let kind = match step.id() {
        Some(id) => id.kind(),
        None => match kind_of(payment) {
            Ok(kind) => kind,
            Err(unsendable) => return unreadable(unsendable.reason),
        },
    };
    let read = match (step, kind) {
        (Step::Find, Kind::Refund) => {
            parse(response).map(|list| found_refund(list, payment, context))
        }
        (Step::Find, _) => parse(response).map(|list| found_intent(list, payment, context)),
        (_, Kind::Intent) => parse(response).map(|intent| read_intent(&intent, None, context)),
        (_, Kind::Session) => parse(response).map(|session| read_session(&session, context)),
        (_, Kind::Refund) => parse(response).map(|refund| read_refund(&refund, context)),
    };
    read.unwrap_or_else(unreadable)
}

/// Reads an intent. `error` is that of the answer in which it stands.
pub(super) fn read_intent(intent: &Intent, error: Option<&Error>, context: Context<'_>) -> Answer {
    let Some(id) = StripeId::parse(&intent.id).filter(|id| id.kind() == Kind::Intent) else {
        return unreadable(format!("Stripe names an intent {:?}", intent.id));
    };
    if context.is_another(&id, intent.metadata.request_id()) {
        return unreadable(format!("Stripe answered with another intent, {id}"));
    }
    let is_from_page = intent.metadata.is_from_page()
        || context.payment.is_some_and(|payment| payment.page_url.is_some());
    let (word, then) = match intent.status.as_str() {
        "succeeded" => {
            let received = intent.amount_received.or(intent.amount);
            let amount = amounts::moved(received, intent.currency.as_deref());
            (Word::succeeded(&intent.id, amount), None)
        }
        // A payer on Stripe's page may try one card after the other: only the session says that this
        // is over. When it does, the intent is asked about by its id.
        _ if is_from_page && !context.asks_about(&id) => (Word::waits_for(PAYER_ON_PAGE), None),
        "canceled" => {
            let known = context.decline().map(str::to_owned).or_else(|| decline(intent, error));
            (Word::declined(known.unwrap_or_else(|| canceled(intent))), None)
        }
        status if context.is_cancelling() => {
            (Word::unreadable(format!("Stripe did not cancel {id}: it is {status}")), None)
        }
        status => read_open_intent(intent, &id, status, decline(intent, error), context),
    };
    // The reference of a payment on Stripe's page is that of its session.
    let word = if is_from_page { word } else { word.with_reference(&intent.id) };
    Answer { reading: Reading::Word(word), then }
}

/// Reads an intent that has not ended, and what is to be done about it.
fn read_open_intent(
    intent: &Intent,
    id: &StripeId,
    status: &str,
    decline: Option<String>,
    context: Context<'_>,
) -> (Word, Option<Step>) {
    let ask = context.ask_if_replayed(id.clone());
    match (status, decline) {
        ("requires_payment_method", Some(message)) => (
            Word::waits_for(format!("the cancellation of the payment ({message})")),
            Some(Step::Cancel { id: id.clone(), decline: Some(message) }),
        ),
        ("requires_payment_method", None) => (needs_payer(intent, "the payer's card"), ask),
        // What has no card, or was just confirmed, is left to the payer's browser.
        ("requires_confirmation", _) if !context.may_confirm() => {
            (needs_payer(intent, "the payer's card"), None)
        }
        ("requires_confirmation", _) => {
            let word = Word::waits_for("the confirmation of the payment");
            (word, Some(Step::Confirm(id.clone())))
        }
        ("requires_action", _) => (needs_payer(intent, "the payer's authentication"), ask),
        ("processing", _) => (Word::waits_for("the payer's bank"), ask),
        ("requires_capture", _) => {
            let word = Word::waits_for("the operator, who has to capture the payment at Stripe");
            let alarm =
                format!("{id} is authorized and not charged: capture or cancel it at Stripe");
            (Word { alarm: Some(alarm), ..word }, None)
        }
        _ => (Word::unreadable(format!("Stripe gives {id} an unknown status {status:?}")), None),
    }
}

/// Why the card of an intent was declined, for the merchant; `None` where none was.
fn decline(intent: &Intent, error: Option<&Error>) -> Option<String> {
    let error = error.filter(|error| is_card_error(error));
    let error = error.or(intent.last_payment_error.as_ref())?;
    Some(declines::message(error.code.as_deref(), error.decline_code.as_deref()))
}

fn needs_payer(intent: &Intent, waits_for: &str) -> Word {
    match &intent.client_secret {
        Some(secret) => Word {
            waits_for: Some(waits_for.to_owned()),
            ..Word::new(ProviderOutcome::NeedsAction { client_secret: secret.clone() })
        },
        None => Word::unreadable(format!("Stripe gives {} no client secret", intent.id)),
    }
}

/// Why an intent was cancelled whose card was not declined.
fn canceled(intent: &Intent) -> String {
    let words = match intent.cancellation_reason.as_deref() {
        Some("abandoned") => "the payer did not complete the payment in time",
        Some("duplicate") => "the payment was cancelled as a duplicate",
        Some("fraudulent") => "the payment was cancelled",
        Some("requested_by_customer") => "the payment was cancelled for the payer",
        Some("automatic" | "expired") => "the payment was not completed in time",
        // Stripe's words for invoices, which we do not make there, and unknown ones.
        _ => "the payment was cancelled",
    };
    format!("canceled: {words}")
}

/// Reads a Checkout Session.
pub(super) fn read_session(session: &Session, context: Context<'_>) -> Answer {
    let Some(id) = StripeId::parse(&session.id).filter(|id| id.kind() == Kind::Session) else {
        return unreadable(format!("Stripe names a session {:?}", session.id));
    };
    let found = session.client_reference_id.as_deref();
    let found = found.and_then(|text| Uuid::try_parse(text).ok());
    if context.is_another(&id, found) {
        return unreadable(format!("Stripe answered with another session, {id}"));
    }
    let intent = session.payment_intent.as_ref().map(|intent| intent.id().to_owned());
    let (word, then) = match (session.status.as_deref(), session.payment_status.as_deref()) {
        (Some("complete"), Some("paid")) => match intent {
            Some(intent) => {
                let amount = amounts::moved(session.amount_total, session.currency.as_deref());
                (Word::succeeded(intent, amount), None)
            }
            None => {
                let nameless = UnreadableAmount(format!("{id} is paid and has no payment"));
                (Word::succeeded(id.as_str(), Err(nameless)), None)
            }
        },
        // The page is done and the bank is not. Nobody can try another card any more, so that now
        // the intent says how the payment ends.
        (Some("complete"), Some("unpaid")) => {
            let intent = intent.as_deref().and_then(StripeId::parse);
            (Word::waits_for("the payer's bank"), intent.map(Step::Get))
        }
        (Some("expired"), _) => {
            let message = "expired: the payer did not pay on the card page in time";
            (Word::declined(context.decline().unwrap_or(message)), None)
        }
        (Some("open"), _) if context.is_cancelling() => {
            (Word::unreadable(format!("Stripe did not expire {id}: it is open")), None)
        }
        (Some("open"), _) => match &session.url {
            // Whoever has the address can pay, as with a client secret: it is kept like one.
            Some(url) => {
                let outcome = ProviderOutcome::NeedsAction { client_secret: url.clone() };
                let waits_for = Some(PAYER_ON_PAGE.to_owned());
                (Word { waits_for, ..Word::new(outcome) }, context.ask_if_replayed(id.clone()))
            }
            None => (Word::unreadable(format!("Stripe gives {id} no address")), None),
        },
        (status, payment_status) => {
            let said = format!(
                "Stripe gives {id} an unknown status {status:?}, payment status {payment_status:?}"
            );
            (Word::unreadable(said), None)
        }
    };
    Answer { reading: Reading::Word(word.with_reference(&session.id)), then }
}

/// Reads a refund.
pub(super) fn read_refund(refund: &Refund, context: Context<'_>) -> Answer {
    let Some(id) = StripeId::parse(&refund.id).filter(|id| id.kind() == Kind::Refund) else {
        return unreadable(format!("Stripe names a refund {:?}", refund.id));
    };
    let found = refund.metadata.request_id();
    if context.is_another(&id, found) {
        return unreadable(format!("Stripe answered with another refund, {id}"));
    }
    let (word, is_final) = match refund.status.as_deref() {
        // It succeeded when it was first asked for, and may have failed since.
        Some("succeeded") if context.is_replayed => (Word::waits_for("the payer's bank"), false),
        Some("succeeded") => {
            let amount = amounts::moved(refund.amount, refund.currency.as_deref());
            (Word::succeeded(&refund.id, amount), true)
        }
        Some("failed") => (Word::declined(failed(refund)), true),
        Some("canceled") => (Word::declined("canceled: the refund was cancelled"), true),
        Some("pending") => {
            let reason = match refund.pending_reason.as_deref() {
                Some("charge_pending") => "the payment, which has to be settled first",
                Some("insufficient_funds") => "money in the operator's account at Stripe",
                _ => "the payer's bank",
            };
            (Word::waits_for(reason), false)
        }
        Some("requires_action") => {
            (Word::waits_for("the payer, who has to say where the refund goes"), false)
        }
        status => {
            let said = format!("Stripe gives {id} an unknown status {status:?}");
            (Word::unreadable(said), false)
        }
    };
    let then = if is_final { None } else { context.ask_if_replayed(id) };
    Answer { reading: Reading::Word(word.with_reference(&refund.id)), then }
}

/// Why a refund failed. Nobody learns from it that a card is known as lost or stolen.
fn failed(refund: &Refund) -> String {
    let (code, words) = match refund.failure_reason.as_deref() {
        Some("expired_or_canceled_card") => {
            ("expired_or_canceled_card", "the card has expired or was closed")
        }
        Some("lost_or_stolen_card") => ("refund_failed", "the card cannot take the refund"),
        Some("charge_for_pending_refund_disputed") => (
            "charge_for_pending_refund_disputed",
            "the payer's bank disputed the payment while the refund was under way",
        ),
        Some("insufficient_funds") => {
            ("insufficient_funds", "the operator's account at Stripe has too little money")
        }
        Some("declined") => ("declined", "the payer's bank declined the refund"),
        Some("merchant_request") => ("merchant_request", "the refund was stopped at Stripe"),
        _ => ("unknown", "the payer's bank did not take the refund, and gave no reason"),
    };
    format!("{code}: {words}")
}

/// What a search found. That it found nothing proves nothing: Stripe's index lags behind.
fn found_intent(list: List<Intent>, payment: &Payment, context: Context<'_>) -> Answer {
    let ours = |intent: &&Intent| intent.metadata.request_id() == Some(payment.request_id);
    let found: Vec<_> = list.data.iter().filter(ours).collect();
    match found.as_slice() {
        [] => not_found(),
        [intent] => read_intent(intent, None, context),
        several => {
            let alarm = format!("Stripe has {} intents of one request", several.len());
            let paid = several.iter().find(|intent| intent.status == "succeeded");
            match paid.map(|intent| read_intent(intent, None, context)) {
                Some(Answer { reading: Reading::Word(word), then }) => {
                    Answer { reading: Reading::Word(Word { alarm: Some(alarm), ..word }), then }
                }
                _ => unreadable(alarm),
            }
        }
    }
}

fn found_refund(list: List<Refund>, payment: &Payment, context: Context<'_>) -> Answer {
    let ours = |refund: &&Refund| refund.metadata.request_id() == Some(payment.request_id);
    let found: Vec<_> = list.data.iter().filter(ours).collect();
    match found.as_slice() {
        [] if list.has_more => unreadable("Stripe has more refunds of the payment than are read"),
        [] => not_found(),
        [refund] => read_refund(refund, context),
        several => unreadable(format!("Stripe has {} refunds of one request", several.len())),
    }
}

/// Not "never seen", which would lead to another sending or to a failure.
fn not_found() -> Answer {
    let waits_for = "Stripe, which does not find the payment; after 23 hours it is not sent again";
    said(Word { waits_for: Some(waits_for.to_owned()), ..Word::unknown() })
}

/// Reads an error of Stripe with a status below 500.
fn read_error(
    step: &Step,
    payment: &Payment,
    context: Context<'_>,
    error: &Error,
    response: &HttpResponse,
) -> Answer {
    let code = error.code.as_deref();
    let is_about_key = error.kind.as_deref() == Some("idempotency_error");
    let meaning = match code.and_then(errors::meaning) {
        None if is_about_key && response.status == 409 => Some(Meaning::Busy),
        meaning => meaning,
    };
    match meaning {
        Some(Meaning::Busy) => {
            let waits_for = Some("another call about it at Stripe".to_owned());
            return said(Word { waits_for, ..Word::unknown() });
        }
        Some(Meaning::RateLimited) => {
            let reading = Reading::Later { after: retry_after(response) };
            return Answer { reading, then: None };
        }
        Some(Meaning::AccountRefused) => {
            let reading = Reading::AccountRefused { reason: describe(error, response.status) };
            return Answer { reading, then: None };
        }
        _ => {}
    }
    if is_about_key {
        let alarm = format!(
            "{}: it was sent before with another body, and which of them counts is unknown",
            describe(error, response.status)
        );
        return unreadable(alarm);
    }
    // Whatever the error is about: the intent says how the payment stands.
    let is_refund = kind_of(payment) == Ok(Kind::Refund);
    if let Some(intent) = error.payment_intent.as_ref().filter(|_| !is_refund) {
        return of_errors_intent(intent, error, step, context);
    }
    let alarm = describe(error, response.status);
    match (step, meaning) {
        (Step::Create, Some(Meaning::Refused { words, alarm: is_alarm })) => {
            let message = format!("{}: {words}", code.unwrap_or_default());
            said(Word { alarm: is_alarm.then_some(alarm), ..Word::declined(message) })
        }
        (Step::Create, Some(Meaning::OtherState)) if is_refund => {
            said(Word::declined("charge_not_refundable: the payment cannot be refunded"))
        }
        // An intent was made, and its id is not in the answer.
        (Step::Create, Some(Meaning::Declined)) if !is_refund => {
            Answer { reading: Reading::Word(Word::unreadable(alarm)), then: Some(Step::Find) }
        }
        // Most faults of parameters have no code.
        (Step::Create, None)
            if code.is_none()
                && matches!(response.status, 400 | 404)
                && is_invalid_request(error) =>
        {
            let message = "invalid_request: the card network did not take the request";
            said(Word { alarm: Some(alarm), ..Word::declined(message) })
        }
        (Step::Confirm(id), Some(Meaning::Declined)) => {
            let message = declines::message(code, error.decline_code.as_deref());
            let word = Word::waits_for(format!("the cancellation of the payment ({message})"));
            let then = Some(Step::Cancel { id: id.clone(), decline: Some(message) });
            Answer { reading: Reading::Word(word), then }
        }
        // What cannot be confirmed or cancelled is in another state by now.
        (Step::Confirm(id) | Step::Cancel { id, .. }, _)
            if response.status != 404 && is_invalid_request(error) =>
        {
            Answer { reading: Reading::Word(Word::unknown()), then: Some(Step::Get(id.clone())) }
        }
        _ => unreadable(alarm),
    }
}

/// Reads the intent of an error's body.
fn of_errors_intent(intent: &Intent, error: &Error, step: &Step, context: Context<'_>) -> Answer {
    let answer = read_intent(intent, Some(error), context);
    match (step, StripeId::parse(&intent.id)) {
        // The error may be what was answered to this key hours ago.
        (Step::Cancel { .. }, Some(id)) if !is_final(&answer.reading) => {
            Answer { reading: Reading::Word(Word::unknown()), then: Some(Step::Get(id)) }
        }
        _ => answer,
    }
}

pub(super) const fn is_final(reading: &Reading) -> bool {
    matches!(
        reading,
        Reading::Word(Word {
            outcome: ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. },
            ..
        })
    )
}

fn is_card_error(error: &Error) -> bool {
    error.kind.as_deref() == Some("card_error")
        || error.code.as_deref().is_some_and(declines::is_decline)
}

fn is_invalid_request(error: &Error) -> bool {
    error.kind.as_deref() == Some("invalid_request_error")
}

/// What a status says that speaks for itself.
fn read_status(reading: Reading, step: &Step, response: &HttpResponse) -> Answer {
    // Stripe stores an error of its own, too, and repeats it to every request with the key. Only
    // what is found in the account then says what became of the first one.
    let is_stored = response.status >= 500
        && (is_replayed(response) || response.header("stripe-should-retry") == Some("false"));
    let then = match step {
        Step::Create if is_stored => Some(Step::Find),
        Step::Confirm(id) | Step::Cancel { id, .. } if is_stored => Some(Step::Get(id.clone())),
        _ => None,
    };
    Answer { reading: with_stripes_message(reading, response), then }
}

/// The reason for which an account is refused, in Stripe's words.
fn with_stripes_message(reading: Reading, response: &HttpResponse) -> Reading {
    match (reading, serde_json::from_slice::<ErrorBody>(&response.body)) {
        (Reading::AccountRefused { .. }, Ok(body)) => {
            Reading::AccountRefused { reason: describe(&body.error, response.status) }
        }
        (reading, _) => reading,
    }
}

/// Whether Stripe answered from its memory.
fn is_replayed(response: &HttpResponse) -> bool {
    response.header("idempotent-replayed") == Some("true")
}

/// An error in Stripe's words, for the operator.
fn describe(error: &Error, status: u16) -> String {
    let mut text = format!("Stripe answered {status}");
    for part in [&error.kind, &error.code, &error.param].into_iter().flatten() {
        text.push(' ');
        text.push_str(part);
    }
    if let Some(message) = &error.message {
        text.push_str(": ");
        text.push_str(message);
    }
    redaction::without_secrets(&text)
}

/// The object of an answer, or what to tell the operator of a body that has none.
fn parse<T: DeserializeOwned>(response: &HttpResponse) -> Result<T, String> {
    serde_json::from_slice(&response.body)
        .map_err(|fault| format!("Stripe's answer {} cannot be read: {fault}", response.status))
}

fn said(word: Word) -> Answer {
    Answer { reading: Reading::Word(word), then: None }
}

fn unreadable(alarm: impl Into<String>) -> Answer {
    said(Word::unreadable(alarm))
}

#[cfg(test)]
mod tests;

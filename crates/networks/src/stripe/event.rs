//! What Stripe sends by itself: events, whose signature was checked before.
//!
//! An event says how an object stood when the event was made. Events come late, more than once and
//! in any order, so that only those about an end are taken at their word; the others say that it is
//! time to ask.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use domain::kernel::money::Money;
use domain::kernel::uuids::Uuid;
use domain::payments::outcome::ProviderOutcome;

use super::answers::{Context, is_final, read_intent, read_refund, read_session};
use super::ids::is_id;
use super::objects::{self, Charge, Intent, Reference, Refund, Session};
use super::{amounts, redaction};
use crate::reading::{Reading, UnreadableAmount, Word};

/// An event about something that may be ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// `evt_…`: a repeated event has the same.
    pub id: String,
    /// `payment_intent.succeeded` and so on.
    pub kind: String,
    /// Whether real money is meant. An account of the other mode must not believe it.
    pub livemode: bool,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Our id of the request that made the object, where the object has it. A charge, and so a
    /// refund of somebody else's making, has that of the payment or none.
    pub request_id: Option<Uuid>,
    /// The id of the object that it is about.
    pub object_id: String,
    /// The id of the payment (`pi_…`) that it is about, where it is known.
    pub payment_id: Option<String>,
    pub news: News,
}

/// What an event says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum News {
    /// A collection or a refund has ended so.
    Says(Reading),
    /// Something has changed: ask Stripe how the payment and its refunds stand.
    Ask,
    /// The payer's bank disputes a payment.
    Dispute(Dispute),
    /// Nothing that is of use here.
    #[default]
    Ignored,
}

/// A dispute, as it stood when the event was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    /// `du_…`, `dp_…`
    pub id: String,
    pub change: DisputeChange,
    pub status: DisputeStatus,
    /// Stripe's own word for the status.
    pub status_word: String,
    /// Stripe's own word for the reason.
    pub reason_word: Option<String>,
    /// The bank only asks: no money has been withdrawn.
    pub is_inquiry: bool,
    /// How much is disputed, in the currency of the payment.
    pub amount: Result<Money, UnreadableAmount>,
    /// In words for the operator.
    pub reason: String,
    /// Until when evidence is taken, in seconds since 1970; `None` where none is.
    pub due_at: Option<i64>,
    /// Where the operator answers it.
    pub link: String,
}

/// What happened to a dispute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisputeChange {
    Created,
    Updated,
    /// The bank has decided, or it has ended otherwise.
    Closed,
    /// The money was taken from the account at Stripe.
    FundsWithdrawn,
    /// The money was given back to the account at Stripe.
    FundsReinstated,
}

/// How a dispute stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisputeStatus {
    NeedsResponse,
    UnderReview,
    /// It ended without a decision: an inquiry that led to nothing.
    Closed,
    Won,
    Lost,
    /// It was settled before it became a dispute.
    Prevented,
    /// A word that nobody here knows.
    Unknown,
}

/// Why an event is not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventFault {
    /// A thin event, which names its object and does not have it. The endpoint at Stripe has to be
    /// set to snapshots.
    Thin,
    /// Not what an event looks like.
    Unreadable(String),
}

#[derive(Deserialize)]
struct Envelope {
    object: String,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    livemode: bool,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// Reads an event.
///
/// # Errors
/// [`EventFault`].
pub fn read(body: &[u8]) -> Result<Event, EventFault> {
    let text: Value = serde_json::from_slice(body).map_err(unreadable)?;
    if text.get("object").and_then(Value::as_str) == Some("v2.core.event") {
        return Err(EventFault::Thin);
    }
    let envelope: Envelope = serde_json::from_value(text).map_err(unreadable)?;
    if envelope.object != "event" || !envelope.id.starts_with("evt_") || !is_id(&envelope.id) {
        return Err(EventFault::Unreadable("this is no event of Stripe".to_owned()));
    }
    let about = read_object(&envelope.kind, envelope.data.object, envelope.livemode)?;
    Ok(Event {
        id: envelope.id,
        kind: envelope.kind,
        livemode: envelope.livemode,
        created: envelope.created,
        request_id: about.request_id,
        object_id: about.object_id,
        payment_id: about.payment_id,
        news: about.news,
    })
}

/// What an event is about.
#[derive(Default)]
struct About {
    request_id: Option<Uuid>,
    object_id: String,
    payment_id: Option<String>,
    news: News,
}

fn read_object(kind: &str, object: Value, livemode: bool) -> Result<About, EventFault> {
    match kind {
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.requires_action"
        | "payment_intent.processing"
        | "payment_intent.canceled"
        | "payment_intent.amount_capturable_updated"
        | "payment_intent.partially_funded" => Ok(about_intent(&parse(object)?)),
        "checkout.session.completed"
        | "checkout.session.expired"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed" => Ok(about_session(&parse(object)?)),
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            Ok(about_refund(&parse(object)?))
        }
        "charge.refunded" => Ok(about_charge(parse(object)?)),
        "charge.dispute.created" => about_dispute(object, DisputeChange::Created, livemode),
        "charge.dispute.updated" => about_dispute(object, DisputeChange::Updated, livemode),
        "charge.dispute.closed" => about_dispute(object, DisputeChange::Closed, livemode),
        "charge.dispute.funds_withdrawn" => {
            about_dispute(object, DisputeChange::FundsWithdrawn, livemode)
        }
        "charge.dispute.funds_reinstated" => {
            about_dispute(object, DisputeChange::FundsReinstated, livemode)
        }
        // Whoever made the intent has the answer; of charges the intent tells.
        _ => Ok(About::default()),
    }
}

fn about_intent(intent: &Intent) -> About {
    let reading = read_intent(intent, None, Context::EVENT).reading;
    About {
        request_id: intent.metadata.request_id(),
        object_id: intent.id.clone(),
        payment_id: Some(intent.id.clone()),
        news: news(reading),
    }
}

fn about_session(session: &Session) -> About {
    let reading = read_session(session, Context::EVENT).reading;
    let request_id = session.client_reference_id.as_deref();
    About {
        request_id: request_id.and_then(|text| Uuid::try_parse(text).ok()),
        object_id: session.id.clone(),
        payment_id: id_of(session.payment_intent.as_ref()),
        news: news(reading),
    }
}

fn about_refund(refund: &Refund) -> About {
    let reading = read_refund(refund, Context::EVENT).reading;
    let news = match news(reading) {
        // A refund that has succeeded may fail days later, and the older event come last.
        News::Says(Reading::Word(Word { outcome: ProviderOutcome::Succeeded { .. }, .. })) => {
            News::Ask
        }
        news => news,
    };
    About {
        request_id: refund.metadata.request_id(),
        object_id: refund.id.clone(),
        payment_id: id_of(refund.payment_intent.as_ref()),
        news,
    }
}

fn about_charge(charge: Charge) -> About {
    About {
        request_id: charge.metadata.request_id(),
        object_id: charge.id,
        payment_id: id_of(charge.payment_intent.as_ref()),
        news: News::Ask,
    }
}

fn about_dispute(
    object: Value,
    change: DisputeChange,
    livemode: bool,
) -> Result<About, EventFault> {
    let dispute: objects::Dispute = parse(object)?;
    if !is_id(&dispute.id) {
        return Err(EventFault::Unreadable(format!("Stripe names a dispute {:?}", dispute.id)));
    }
    let (status, is_inquiry) = dispute_status(&dispute.status);
    let folder = if dispute.livemode.unwrap_or(livemode) { "" } else { "test/" };
    let due_at = dispute.evidence_details.and_then(|details| details.due_by);
    Ok(About {
        request_id: None,
        object_id: dispute.id.clone(),
        payment_id: id_of(dispute.payment_intent.as_ref()),
        news: News::Dispute(Dispute {
            change,
            status,
            status_word: own_word(&dispute.status),
            reason_word: dispute.reason.as_deref().map(own_word),
            is_inquiry,
            amount: amounts::moved(dispute.amount, dispute.currency.as_deref()),
            reason: dispute_reason(dispute.reason.as_deref()),
            due_at: due_at.filter(|due| *due > 0),
            link: format!("https://dashboard.stripe.com/{folder}disputes/{}", dispute.id),
            id: dispute.id,
        }),
    })
}

/// The status, and whether it is that of an inquiry.
fn dispute_status(word: &str) -> (DisputeStatus, bool) {
    match word {
        "needs_response" | "appeal_needs_response" => (DisputeStatus::NeedsResponse, false),
        "under_review" | "appeal_under_review" => (DisputeStatus::UnderReview, false),
        "won" => (DisputeStatus::Won, false),
        "lost" => (DisputeStatus::Lost, false),
        "prevented" => (DisputeStatus::Prevented, false),
        // Of older versions of the API.
        "charge_refunded" => (DisputeStatus::Closed, false),
        "warning_needs_response" => (DisputeStatus::NeedsResponse, true),
        "warning_under_review" => (DisputeStatus::UnderReview, true),
        "warning_closed" => (DisputeStatus::Closed, true),
        _ => (DisputeStatus::Unknown, false),
    }
}

/// The longest word of Stripe's own that is kept.
const WORD_MAX: usize = 100;

/// A word of Stripe's own as it is kept.
fn own_word(word: &str) -> String {
    let word = redaction::without_secrets(word);
    word.chars().filter(|c| !c.is_control()).take(WORD_MAX).collect()
}

fn dispute_reason(word: Option<&str>) -> String {
    let words = match word {
        Some("bank_cannot_process") => "the bank cannot process the payment",
        Some("check_returned") => "a cheque was returned",
        Some("credit_not_processed") => "the payer says that a refund was promised and not made",
        Some("customer_initiated") => "the payer asked the bank for the money back",
        Some("debit_not_authorized") => "the payer says not to have authorized the payment",
        Some("duplicate") => "the payer says to have been charged twice",
        Some("fraudulent") => "the card's holder says not to have made the payment",
        Some("general") => "the payer's bank gives no closer reason",
        Some("incorrect_account_details") => "the account's details are wrong",
        Some("insufficient_funds") => "the payer's account has too little money",
        Some("noncompliant") => "the payment broke a rule of the card network",
        Some("product_not_received") => "the payer says not to have got what was paid for",
        Some("product_unacceptable") => "the payer says that what was paid for is not as described",
        Some("subscription_canceled") => "the payer was charged after cancelling a subscription",
        Some("unrecognized") => "the payer does not recognize the payment",
        Some(word) => return redaction::without_secrets(word),
        None => "Stripe gives no reason",
    };
    words.to_owned()
}

/// What ends a payment is taken at its word, and so is what cannot be understood.
fn news(reading: Reading) -> News {
    let has_alarm = matches!(&reading, Reading::Word(Word { alarm: Some(_), .. }));
    if is_final(&reading) || has_alarm { News::Says(reading) } else { News::Ask }
}

fn id_of(reference: Option<&Reference>) -> Option<String> {
    reference.map(|reference| reference.id().to_owned())
}

fn parse<T: DeserializeOwned>(object: Value) -> Result<T, EventFault> {
    serde_json::from_value(object).map_err(unreadable)
}

fn unreadable(fault: serde_json::Error) -> EventFault {
    EventFault::Unreadable(fault.to_string())
}

#[cfg(test)]
mod tests;

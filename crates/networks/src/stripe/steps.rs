//! The calls that a payment takes at Stripe, one after the other: each answer says which call, if
//! any, is due at once. Nothing is remembered between calls, so that a process that dies in between
//! costs nothing: the next question leads to the same calls.

use domain::network_accounts::account::Parameters;

use super::ids::{Kind, StripeId};
use super::requests;
use crate::exchange::{HttpRequest, Payment, Unsendable};
use crate::reading::Reading;

/// A call about a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Make the intent, the session or the refund. While its id is not known, to repeat this within
    /// 23 hours is to ask.
    Create,
    /// Confirm an intent.
    Confirm(StripeId),
    /// Ask how it stands.
    Get(StripeId),
    /// Cancel an intent or a refund, or expire a session.
    Cancel {
        id: StripeId,
        /// Why the card was declined, if that is the reason: what the merchant reads once the
        /// cancellation is certain.
        decline: Option<String>,
    },
    /// Look for the intent or the refund among those of the account.
    Find,
}

impl Step {
    /// How to ask. `may_repeat`: the request was first sent less than 23 hours ago, and no database
    /// was restored since. Later Stripe may have forgotten its key, and would charge again.
    #[must_use]
    pub fn to_ask(payment: &Payment, may_repeat: bool) -> Self {
        match known_id(payment) {
            Some(id) => Self::Get(id),
            None if may_repeat => Self::Create,
            None => Self::Find,
        }
    }

    /// How to cancel. What has no known id is asked about first.
    #[must_use]
    pub fn to_cancel(payment: &Payment, may_repeat: bool) -> Self {
        match known_id(payment) {
            Some(id) => Self::Cancel { id, decline: None },
            None => Self::to_ask(payment, may_repeat),
        }
    }

    /// The object that the call is about; `None` where its id is not known.
    #[must_use]
    pub const fn id(&self) -> Option<&StripeId> {
        match self {
            Self::Confirm(id) | Self::Get(id) | Self::Cancel { id, .. } => Some(id),
            Self::Create | Self::Find => None,
        }
    }

    /// The request. `stored_body` is what [`requests::create_body`] gave when the payment was first
    /// sent.
    ///
    /// # Errors
    /// The payment cannot be said in Stripe's terms.
    pub fn request(
        &self,
        payment: &Payment,
        stored_body: Option<&[u8]>,
        parameters: Parameters,
    ) -> Result<HttpRequest, Unsendable> {
        Ok(match self {
            Self::Create => {
                let body = match stored_body {
                    Some(body) => body.to_vec(),
                    None => requests::create_body(payment, parameters)?,
                };
                requests::create(payment, body)?
            }
            Self::Confirm(id) => requests::confirm(payment, id),
            Self::Get(id) => requests::get(id),
            Self::Cancel { id, .. } => requests::cancel(payment, id, parameters),
            Self::Find if requests::kind_of(payment)? == Kind::Refund => {
                requests::list_refunds(payment.original_reference.as_deref().unwrap_or_default())?
            }
            Self::Find => requests::search_intents(payment.request_id),
        })
    }
}

/// The id under which a payment is known at Stripe, if it is one that its calls are made with.
fn known_id(payment: &Payment) -> Option<StripeId> {
    StripeId::parse(payment.reference.as_deref()?)
}

/// What an answer says, and the call that is due at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Complete in itself: it may be recorded whether or not the next call is made.
    pub reading: Reading,
    pub then: Option<Step>,
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn what_has_no_known_id_is_asked_for_by_its_key() {
        let id = StripeId::parse("pi_1").unwrap();
        let unknown = samples::card_payment();
        let known = Payment { reference: Some("pi_1".to_owned()), ..unknown.clone() };
        for (payment, may_repeat, ask, cancel) in [
            (&known, true, Step::Get(id.clone()), Step::Cancel { id: id.clone(), decline: None }),
            (&known, false, Step::Get(id.clone()), Step::Cancel { id: id.clone(), decline: None }),
            (&unknown, true, Step::Create, Step::Create),
            (&unknown, false, Step::Find, Step::Find),
        ] {
            assert_eq!(Step::to_ask(payment, may_repeat), ask);
            assert_eq!(Step::to_cancel(payment, may_repeat), cancel);
        }
    }

    #[test]
    fn a_stored_body_is_sent_as_it_is() {
        let payment = samples::card_payment();
        let request =
            Step::Create.request(&payment, Some(b"amount=1"), Parameters::Current).unwrap();
        assert_eq!(request.body, b"amount=1");
        let fresh = Step::Create.request(&payment, None, Parameters::Current).unwrap();
        assert_eq!(fresh.body, requests::create_body(&payment, Parameters::Current).unwrap());
        assert_eq!(fresh.headers, request.headers);
    }

    #[test]
    fn intents_are_searched_for_and_refunds_are_listed() {
        let path = |payment: &Payment| {
            Step::Find.request(payment, None, Parameters::Current).map(|request| request.path)
        };
        let found = path(&samples::card_payment()).unwrap();
        assert!(found.starts_with("/v1/payment_intents/search?"), "{found}");
        let found = path(&samples::page_payment()).unwrap();
        assert!(found.starts_with("/v1/payment_intents/search?"), "{found}");
        let found = path(&samples::refund()).unwrap();
        assert_eq!(found, "/v1/refunds?payment_intent=pi_orig&limit=100");
    }
}

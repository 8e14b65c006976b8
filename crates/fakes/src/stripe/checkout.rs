//! Checkout Sessions, and the pages that payers see at Stripe.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use super::cards::{Behaviour, CARDS, by_number};
use super::error::ApiError;
use super::form::Params;
use super::intents::{NewIntent, check_amount};
use super::objects::{IntentStatus, Session};
use super::{Job, Stripe};
use crate::fake::Fake;
use crate::money::{exponent, text_of};

const MINUTE: i64 = 60_000;

impl Stripe {
    pub(crate) fn create_session(&mut self, mut params: Params) -> Result<Value, ApiError> {
        if params.required("mode")? != "payment" {
            let message = "This fake knows the mode payment only";
            return Err(ApiError::parameter("parameter_invalid", "mode", message));
        }
        let mut total = 0_i64;
        let (mut currency, mut product) = (String::new(), String::new());
        let items = params.list("line_items")?;
        if items.is_empty() {
            return Err(params.missing("line_items"));
        }
        for mut item in items {
            let quantity = item.required_integer("quantity")?;
            let mut price = item.nested("price_data")?.ok_or_else(|| item.missing("price_data"))?;
            let unit = price.required_integer("unit_amount")?;
            let of_item = price.required("currency")?.to_ascii_lowercase();
            let mut data =
                price.nested("product_data")?.ok_or_else(|| price.missing("product_data"))?;
            product = data.required("name")?;
            data.text("description")?;
            data.end()?;
            price.end()?;
            item.end()?;
            if !currency.is_empty() && currency != of_item {
                let message = "All line items have one currency";
                return Err(ApiError::parameter("parameter_invalid", "line_items", message));
            }
            currency = of_item;
            total = unit
                .checked_mul(quantity)
                .and_then(|price| total.checked_add(price))
                .ok_or_else(|| ApiError::parameter("amount_too_large", "line_items", "Too much"))?;
        }
        check_amount(total, &currency, "line_items")?;
        let success_url = params.required("success_url")?;
        let cancel_url = params.text("cancel_url")?;
        let (soonest, latest) = (self.now + 30 * MINUTE, self.now + 24 * 60 * MINUTE);
        let expires_at =
            params.integer("expires_at")?.map_or(latest, |at| at.saturating_mul(1_000));
        if expires_at < soonest / 1_000 * 1_000 {
            let message =
                "The timestamp must be at least 30 minutes from Checkout Session creation";
            return Err(ApiError::parameter("parameter_invalid", "expires_at", message));
        }
        if expires_at > latest {
            let message = "The timestamp must be less than 24 hours from Checkout Session creation";
            return Err(ApiError::parameter("parameter_invalid", "expires_at", message));
        }
        let (mut intent_metadata, mut intent_description) = Default::default();
        if let Some(mut data) = params.nested("payment_intent_data")? {
            intent_metadata = data.metadata()?;
            intent_description = data.text("description")?;
            for name in ["statement_descriptor", "statement_descriptor_suffix", "receipt_email"] {
                data.text(name)?;
            }
            data.end()?;
        }
        let metadata = params.metadata()?;
        let client_reference_id = params.text("client_reference_id")?;
        let customer_email = params.text("customer_email")?;
        for name in ["locale", "submit_type"] {
            params.text(name)?;
        }
        let types = params.texts("payment_method_types")?;
        if types.iter().any(|kind| kind != "card") {
            let message = "This fake takes cards only";
            return Err(ApiError::parameter("parameter_invalid", "payment_method_types", message));
        }
        params.end()?;
        if client_reference_id.as_ref().is_some_and(|id| id.len() > 200) {
            let message = "Up to 200 characters";
            return Err(ApiError::parameter("parameter_invalid", "client_reference_id", message));
        }

        let id = format!("cs_test_{}", self.common.random.letters(58));
        let session = Session {
            number: self.next_number(),
            id: id.clone(),
            amount: total,
            currency,
            product,
            client_reference_id,
            customer_email,
            success_url,
            cancel_url,
            url: format!("{}/c/pay/{id}", self.base_url),
            created: self.now,
            expires_at,
            metadata,
            intent_metadata,
            intent_description,
            intent: None,
            status: "open",
            paid: false,
        };
        let shown = session.show();
        self.sessions.insert(id.clone(), session);
        self.common.at(expires_at, Job::ExpireSession(id));
        Ok(shown)
    }

    pub(crate) fn expire_session(&mut self, id: &str, params: &Params) -> Result<Value, ApiError> {
        params.end()?;
        let session = self
            .sessions
            .get(id)
            .ok_or_else(|| ApiError::missing("checkout.session", id, "session"))?;
        if session.status != "open" {
            let message = format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout \
                 Session has a status of {}.",
                session.status
            );
            return Err(ApiError::invalid("", &message));
        }
        self.end_session(id);
        Ok(self.sessions.get(id).map(Session::show).unwrap_or_default())
    }

    /// The time of an open session is over.
    pub(crate) fn end_session(&mut self, id: &str) {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.status == "open")
        else {
            return;
        };
        session.status = "expired";
        let (shown, intent) = (session.show(), session.intent.clone());
        if let Some(intent) = intent {
            self.cancel(&intent, Some("automatic".to_owned()));
        }
        self.emit("checkout.session.expired", shown);
    }

    pub(crate) fn complete_session(&mut self, id: &str) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.status = "complete";
        session.paid = true;
        let shown = session.show();
        self.emit("checkout.session.completed", shown);
    }

    /// The payer has given a card on the page of a session.
    fn pay_session(&mut self, id: &str, number: &str) -> Page {
        let Some(session) = self.sessions.get(id).cloned() else { return Page::NotFound };
        if session.status != "open" {
            return self.session_page(id, "");
        }
        let Some(card) = by_number(number) else {
            return self.session_page(id, "Your card number is invalid.");
        };
        let intent = match session.intent {
            Some(intent) => intent,
            None => {
                let intent = self.add_intent(NewIntent {
                    amount: session.amount,
                    currency: session.currency.clone(),
                    metadata: session.intent_metadata.clone(),
                    description: session.intent_description.clone(),
                    receipt_email: session.customer_email.clone(),
                    automatic: None,
                    session: Some(id.to_owned()),
                });
                if let Some(session) = self.sessions.get_mut(id) {
                    session.intent = Some(intent.clone());
                }
                if let Ok(shown) = self.show_intent(&intent) {
                    self.emit("payment_intent.created", shown);
                }
                intent
            }
        };
        let method = self.new_method(card);
        let challenge = format!("{}/3ds/{intent}", self.base_url);
        if let Some(intent) = self.intents.get_mut(&intent) {
            // Somebody pays on another tab.
            if !matches!(
                intent.status,
                IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresAction
            ) {
                return self.session_page(id, "The payment is being processed.");
            }
            intent.method = Some(method);
            intent.redirect_to = Some(challenge.clone());
        }
        if matches!(card.behaviour, Behaviour::Challenges | Behaviour::ChallengesAndDeclines) {
            self.require_action(&intent);
            return Page::Redirect(challenge);
        }
        match self.charge(&intent) {
            Ok(()) => self.after_payment(id),
            Err(error) => self.session_page(id, message_of(&error)),
        }
    }

    /// Where the payer goes after the card was charged.
    fn after_payment(&self, id: &str) -> Page {
        match self.sessions.get(id) {
            Some(session) if session.paid => {
                Page::Redirect(session.success_url.replace("{CHECKOUT_SESSION_ID}", id))
            }
            _ => self.session_page(id, "The payment is being processed."),
        }
    }

    /// The payer has answered the challenge of the card's bank.
    fn answer_challenge(&mut self, intent_id: &str, success: bool) -> Page {
        let Some(intent) = self.intents.get(intent_id).cloned() else { return Page::NotFound };
        let result = self.authenticate(intent_id, success);
        if let Some(session) = &intent.session {
            return match result {
                Ok(()) => self.after_payment(session),
                Err(error) => self.session_page(session, message_of(&error)),
            };
        }
        let Some(return_url) = intent.return_url else {
            return Page::Html(page("Thank you", "<p>You can close this page.</p>"));
        };
        // The page that the payer comes back to cannot know whether this is true.
        let status = if result.is_ok() { "succeeded" } else { "failed" };
        let separator = if return_url.contains('?') { '&' } else { '?' };
        Page::Redirect(format!(
            "{return_url}{separator}payment_intent={intent_id}&payment_intent_client_secret={}\
             &redirect_status={status}",
            intent.client_secret
        ))
    }

    fn session_page(&self, id: &str, notice: &str) -> Page {
        let Some(session) = self.sessions.get(id) else { return Page::NotFound };
        if session.status != "open" {
            let text = if session.paid { "This was paid." } else { "This link has expired." };
            return Page::Html(page("Checkout", &format!("<p>{text}</p>")));
        }
        let amount = text_of(session.amount, &session.currency, exponent(&session.currency));
        let cards: String = CARDS
            .iter()
            .map(|card| {
                format!(
                    "<button name=\"card\" value=\"{0}\">{0}</button> {1}<br>",
                    card.number, card.description
                )
            })
            .collect();
        let back = session.cancel_url.as_ref().map_or_else(String::new, |url| {
            format!("<p><a id=\"cancel\" href=\"{}\">Back</a></p>", escape(url))
        });
        Page::Html(page(
            "Checkout",
            &format!(
                "<p id=\"notice\">{}</p><p>{}: {} {amount}</p><form method=\"post\"><p><label>Card \
                 <input name=\"number\" autocomplete=\"cc-number\"></label> <button \
                 id=\"pay\">Pay</button></p><p>{cards}</p></form>{back}",
                escape(notice),
                escape(&session.product),
                session.currency.to_ascii_uppercase()
            ),
        ))
    }

    fn challenge_page(&self, intent_id: &str) -> Page {
        match self.intents.get(intent_id) {
            None => Page::NotFound,
            Some(intent) if intent.status != IntentStatus::RequiresAction => {
                Page::Html(page("3D Secure", "<p>There is nothing to authenticate.</p>"))
            }
            Some(_) => Page::Html(page(
                "3D Secure",
                "<p>The bank asks whether this is you.</p><form method=\"post\"><button \
                 name=\"success\" value=\"true\">Complete</button> <button name=\"success\" \
                 value=\"false\">Fail</button></form>",
            )),
        }
    }
}

fn message_of(error: &ApiError) -> &'static str {
    let body = error.body();
    match body["error"]["code"].as_str() {
        Some("payment_intent_authentication_failure") => {
            "We are unable to authenticate your payment method."
        }
        Some(code) => super::cards::decline_message(code),
        None => "Your card was declined.",
    }
}

/// What a payer's browser gets.
enum Page {
    Html(String),
    Redirect(String),
    NotFound,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        match self {
            Self::Html(html) => Html(html).into_response(),
            Self::Redirect(url) => {
                (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response()
            }
            Self::NotFound => (StatusCode::NOT_FOUND, Html(page("Not found", ""))).into_response(),
        }
    }
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         </head><body><h1>{title}</h1>{body}<p>A fake Stripe. No money moves.</p></body></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

type Shared = State<Arc<Fake<Stripe>>>;

pub(crate) async fn get_session(State(fake): Shared, Path(id): Path<String>) -> Response {
    fake.with(|stripe, now| stripe.at(now).session_page(&id, "")).into_response()
}

pub(crate) async fn post_session(
    State(fake): Shared,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    // A button of a card beside the field for its number: the button counts.
    let field = |wanted: &str| {
        form_urlencoded::parse(&body)
            .find(|(name, value)| name == wanted && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    };
    let number = field("card").or_else(|| field("number")).unwrap_or_default();
    let (page, first) = fake.with(|stripe, now| {
        let page = stripe.at(now).pay_session(&id, &number);
        (page, stripe.hasten)
    });
    if first {
        fake.flush().await;
    }
    page.into_response()
}

pub(crate) async fn get_challenge(State(fake): Shared, Path(id): Path<String>) -> Response {
    fake.with(|stripe, now| stripe.at(now).challenge_page(&id)).into_response()
}

pub(crate) async fn post_challenge(
    State(fake): Shared,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let success =
        form_urlencoded::parse(&body).any(|(name, value)| name == "success" && value == "true");
    fake.with(|stripe, now| stripe.at(now).answer_challenge(&id, success)).into_response()
}

/// The least `expires_at` of a session that is made at `now`, in seconds.
#[cfg(test)]
pub(crate) const fn soonest_end(now: i64) -> i64 {
    crate::clock::seconds(now) + 30 * 60
}

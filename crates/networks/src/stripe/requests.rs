//! Requests to Stripe. Bodies are forms; every POST has an idempotency key, by which Stripe
//! recognizes it for at least 24 hours and answers a repeated one with what it answered first.

use domain::kernel::names::Operation;
use domain::kernel::uuids::Uuid;
use domain::network_accounts::account::Parameters;
use form_urlencoded::Serializer;

use super::ids::{Kind, StripeId, is_id};
use super::{API_VERSION, amounts};
use crate::exchange::{HttpRequest, Payment, Unsendable};

/// The metadata by which an object is found again: our id of the request that made it.
pub(super) const METADATA_REQUEST_ID: &str = "kola_request_id";
const METADATA_MERCHANT_ID: &str = "kola_merchant_id";
const METADATA_EXECUTION_ID: &str = "kola_execution_id";
const METADATA_REFERENCE_ID: &str = "kola_reference_id";
/// Says of an intent that it belongs to a Checkout Session.
pub(super) const METADATA_PAGE: &str = "kola_page";

/// Why every intent is cancelled. It is always the same: a repeated request with another reason
/// would be refused, since its idempotency key is the same.
const CANCELLATION_REASON: &str = "abandoned";

/// The shortest and the longest that a session is open, in seconds. Stripe asks for 30 minutes to
/// 24 hours by its own clock, which may differ from ours; and as long as a session is open, it can
/// be asked for by its key.
const SESSION_SECONDS: std::ops::RangeInclusive<i64> = 31 * 60..=23 * 3_600;

/// Stripe takes at least so many characters as a description and as the name of what is sold.
const NAME_MAX_CHARS: usize = 200;

/// When a session ends that is made at `now` for a page of ours, in seconds since 1970.
#[must_use]
pub fn session_end(page_ends_at: Option<i64>, now: i64) -> i64 {
    let earliest = now.saturating_add(*SESSION_SECONDS.start());
    let latest = now.saturating_add(*SESSION_SECONDS.end());
    page_ends_at.unwrap_or(latest).clamp(earliest, latest)
}

/// What a payment becomes at Stripe.
///
/// # Errors
/// It is none of a card's.
pub fn kind_of(payment: &Payment) -> Result<Kind, Unsendable> {
    match payment.operation {
        Operation::Collection if payment.page_url.is_some() => Ok(Kind::Session),
        Operation::Collection => Ok(Kind::Intent),
        Operation::Refund => Ok(Kind::Refund),
        Operation::Payout | Operation::Transfer => {
            Err(Unsendable::new("money cannot be sent to a card, only refunded to it"))
        }
    }
}

/// The body of the request that makes the intent, the session or the refund. It is stored before it
/// is first sent, so that it is repeated word by word.
///
/// # Errors
/// The payment cannot be said in Stripe's terms.
pub fn create_body(payment: &Payment, parameters: Parameters) -> Result<Vec<u8>, Unsendable> {
    match kind_of(payment)? {
        Kind::Intent => intent_body(payment, parameters),
        Kind::Session => session_body(payment),
        Kind::Refund => refund_body(payment),
    }
}

/// The request that makes the intent, the session or the refund, with the `body` of
/// [`create_body`]. Repeated within 23 hours it is a question: Stripe answers as it did first.
///
/// # Errors
/// The payment is none of a card's.
pub fn create(payment: &Payment, body: Vec<u8>) -> Result<HttpRequest, Unsendable> {
    let (path, step) = match kind_of(payment)? {
        Kind::Intent => ("/v1/payment_intents", "create"),
        Kind::Session => ("/v1/checkout/sessions", "create"),
        Kind::Refund => ("/v1/refunds", "refund"),
    };
    Ok(post(path, body, payment.request_id, step))
}

/// Confirms an intent that was made with a card and not confirmed.
#[must_use]
pub fn confirm(payment: &Payment, intent: &StripeId) -> HttpRequest {
    post(&format!("{}/confirm", path_of(intent)), vec![], payment.request_id, "confirm")
}

/// Ends what the payer has not paid: cancels an intent, expires a session, cancels a refund that
/// waits for the payer's bank details.
#[must_use]
pub fn cancel(payment: &Payment, id: &StripeId, parameters: Parameters) -> HttpRequest {
    let (verb, body) = match (id.kind(), parameters) {
        (Kind::Session, _) => ("expire", vec![]),
        (Kind::Intent, Parameters::Current) => {
            let mut form = Form::new();
            form.add("cancellation_reason", CANCELLATION_REASON);
            ("cancel", form.finish())
        }
        (Kind::Intent | Kind::Refund, _) => ("cancel", vec![]),
    };
    post(&format!("{}/{verb}", path_of(id)), body, payment.request_id, verb)
}

/// Asks how an intent, a session or a refund stands.
#[must_use]
pub fn get(id: &StripeId) -> HttpRequest {
    versioned(HttpRequest::get(path_of(id)))
}

/// Looks for the intent of a request whose id at Stripe is not known. Stripe finds a new object
/// only after a minute or so: that nothing is found proves nothing.
#[must_use]
pub fn search_intents(request_id: Uuid) -> HttpRequest {
    let query = format!("metadata['{METADATA_REQUEST_ID}']:'{request_id}'");
    let mut form = Form::new();
    form.add("query", &query);
    form.add("limit", "10");
    versioned(HttpRequest::get(format!("/v1/payment_intents/search?{}", form.finish_text())))
}

/// Lists the refunds of a payment, the newest first.
///
/// # Errors
/// `original` is no id of a payment at Stripe.
pub fn list_refunds(original: &str) -> Result<HttpRequest, Unsendable> {
    let mut form = Form::new();
    form.add(original_parameter(original)?, original);
    form.add("limit", "100");
    Ok(versioned(HttpRequest::get(format!("/v1/refunds?{}", form.finish_text()))))
}

/// Asks for the balance of the account: harmless, so that it also serves to check a key.
#[must_use]
pub fn balance() -> HttpRequest {
    versioned(HttpRequest::get("/v1/balance"))
}

fn intent_body(payment: &Payment, parameters: Parameters) -> Result<Vec<u8>, Unsendable> {
    let (amount, currency) = amounts::to_stripe(payment.amount)?;
    let mut form = Form::new();
    form.add("amount", &amount.to_string());
    form.add("currency", &currency);
    form.add("payment_method_types[]", "card");
    // Without a card, Stripe.js confirms the intent in the payer's browser.
    if let Some(card) = &payment.card {
        form.add("payment_method", payment_method(card)?);
        form.add("confirm", "true");
    }
    form.add_metadata("metadata", payment);
    if parameters == Parameters::Current {
        form.add("description", &shortened(&payment.merchant_name));
    }
    Ok(form.finish())
}

fn session_body(payment: &Payment) -> Result<Vec<u8>, Unsendable> {
    let (amount, currency) = amounts::to_stripe(payment.amount)?;
    let page = payment.page_url.as_deref().unwrap_or_default();
    let mut form = Form::new();
    form.add("mode", "payment");
    form.add("payment_method_types[]", "card");
    form.add("client_reference_id", &payment.request_id.to_string());
    form.add("line_items[0][price_data][currency]", &currency);
    form.add("line_items[0][price_data][unit_amount]", &amount.to_string());
    form.add("line_items[0][price_data][product_data][name]", &shortened(&payment.merchant_name));
    form.add("line_items[0][quantity]", "1");
    // The payer's browser says nothing of the payment: our page looks at what Stripe has answered.
    form.add("success_url", page);
    form.add("cancel_url", page);
    if let Some(ends_at) = payment.page_ends_at {
        form.add("expires_at", &ends_at.to_string());
    }
    form.add_metadata("payment_intent_data[metadata]", payment);
    form.add(&format!("payment_intent_data[metadata][{METADATA_PAGE}]"), "hosted");
    Ok(form.finish())
}

fn refund_body(payment: &Payment) -> Result<Vec<u8>, Unsendable> {
    let (amount, _) = amounts::to_stripe(payment.amount)?;
    let original = payment.original_reference.as_deref().unwrap_or_default();
    let mut form = Form::new();
    form.add(original_parameter(original)?, original);
    form.add("amount", &amount.to_string());
    form.add_metadata("metadata", payment);
    Ok(form.finish())
}

/// The parameter that names what is refunded.
fn original_parameter(original: &str) -> Result<&'static str, Unsendable> {
    match original.split_once('_') {
        Some(("pi", _)) if is_id(original) => Ok("payment_intent"),
        Some(("ch" | "py", _)) if is_id(original) => Ok("charge"),
        _ => Err(Unsendable::new("the payment to refund has no id at Stripe")),
    }
}

/// A card's id. A card's number never reaches Stripe through us: it would have to stay out of our
/// database, logs and backups, too.
fn payment_method(card: &str) -> Result<&str, Unsendable> {
    Some(card)
        .filter(|card| card.starts_with("pm_") && is_id(card))
        .ok_or_else(|| Unsendable::new("a card is given by its id at Stripe (pm_…)"))
}

fn shortened(name: &str) -> String {
    name.chars().take(NAME_MAX_CHARS).collect()
}

fn path_of(id: &StripeId) -> String {
    let collection = match id.kind() {
        Kind::Intent => "payment_intents",
        Kind::Session => "checkout/sessions",
        Kind::Refund => "refunds",
    };
    format!("/v1/{collection}/{id}")
}

fn post(path: &str, body: Vec<u8>, request_id: Uuid, step: &str) -> HttpRequest {
    versioned(HttpRequest::post(path, "application/x-www-form-urlencoded", body))
        .with_header("idempotency-key", format!("{request_id}:{step}"))
}

pub(super) fn versioned(request: HttpRequest) -> HttpRequest {
    request.with_header("stripe-version", API_VERSION)
}

/// A form in the order in which its fields are added.
pub(super) struct Form(Serializer<'static, String>);

impl Form {
    pub fn new() -> Self {
        Self(Serializer::new(String::new()))
    }

    pub fn add(&mut self, name: &str, value: &str) {
        self.0.append_pair(name, value);
    }

    /// By what the object is found again. Nothing of it is personal.
    fn add_metadata(&mut self, name: &str, payment: &Payment) {
        for (key, value) in [
            (METADATA_REQUEST_ID, payment.request_id.to_string()),
            (METADATA_MERCHANT_ID, payment.merchant_id.to_string()),
            (METADATA_EXECUTION_ID, payment.execution_id.to_string()),
            (METADATA_REFERENCE_ID, payment.reference_id.to_string()),
        ] {
            self.add(&format!("{name}[{key}]"), &value);
        }
    }

    pub fn finish_text(mut self) -> String {
        self.0.finish()
    }

    fn finish(self) -> Vec<u8> {
        self.finish_text().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, REQUEST_ID};
    use super::*;
    use domain::kernel::currency::Currency;
    use domain::kernel::money::Money;

    /// The fields of a body, decoded, one in each line.
    fn fields(body: &[u8]) -> String {
        let pairs = form_urlencoded::parse(body).map(|(name, value)| format!("{name}={value}\n"));
        pairs.collect()
    }

    fn body(payment: &Payment, parameters: Parameters) -> String {
        fields(&create_body(payment, parameters).unwrap())
    }

    fn refused(payment: &Payment) -> String {
        create_body(payment, Parameters::Current).unwrap_err().reason
    }

    fn metadata(name: &str) -> String {
        format!(
            "{name}[kola_request_id]={REQUEST_ID}\n\
             {name}[kola_merchant_id]=7\n\
             {name}[kola_execution_id]=42\n\
             {name}[kola_reference_id]=0d9b1ad2-5a7c-4e5c-8a41-6f3f2b7c9d11\n"
        )
    }

    fn headers(request: &HttpRequest) -> [Option<&str>; 3] {
        ["content-type", "idempotency-key", "stripe-version"].map(|name| request.header(name))
    }

    #[test]
    fn a_known_card_is_charged_at_once() {
        let payment = samples::card_payment();
        let request =
            create(&payment, create_body(&payment, Parameters::Current).unwrap()).unwrap();
        assert_eq!((request.method, request.path.as_str()), ("POST", "/v1/payment_intents"));
        assert_eq!(
            headers(&request),
            [
                Some("application/x-www-form-urlencoded"),
                Some("6f0c1a52-3b1e-4a7d-9c55-0b8f6f1f2a10:create"),
                Some("2026-08-26.dahlia"),
            ]
        );
        let expected = format!(
            "amount=1000\n\
             currency=usd\n\
             payment_method_types[]=card\n\
             payment_method=pm_card_visa\n\
             confirm=true\n\
             {}description=Fruit & Veg\n",
            metadata("metadata")
        );
        assert_eq!(fields(&request.body), expected);
    }

    #[test]
    fn an_unknown_card_is_left_to_the_browser() {
        let expected = format!(
            "amount=1000\ncurrency=usd\npayment_method_types[]=card\n{}",
            metadata("metadata")
        );
        assert_eq!(body(&samples::client_payment(), Parameters::Basic), expected);
    }

    #[test]
    fn basic_parameters_leave_out_what_old_servers_refuse() {
        let basic = body(&samples::card_payment(), Parameters::Basic);
        let current = body(&samples::card_payment(), Parameters::Current);
        assert_eq!(format!("{basic}description=Fruit & Veg\n"), current);
        let id = StripeId::parse("pi_1").unwrap();
        let cancelled =
            |parameters| fields(&cancel(&samples::card_payment(), &id, parameters).body);
        assert_eq!(cancelled(Parameters::Current), "cancellation_reason=abandoned\n");
        assert_eq!(cancelled(Parameters::Basic), "");
    }

    #[test]
    fn a_page_of_stripe_leads_back_to_ours() {
        let payment = samples::page_payment();
        let request =
            create(&payment, create_body(&payment, Parameters::Current).unwrap()).unwrap();
        assert_eq!((request.method, request.path.as_str()), ("POST", "/v1/checkout/sessions"));
        let key = format!("{REQUEST_ID}:create");
        assert_eq!(request.header("idempotency-key"), Some(key.as_str()));
        let expected = format!(
            "mode=payment\n\
             payment_method_types[]=card\n\
             client_reference_id={REQUEST_ID}\n\
             line_items[0][price_data][currency]=usd\n\
             line_items[0][price_data][unit_amount]=1000\n\
             line_items[0][price_data][product_data][name]=Fruit & Veg\n\
             line_items[0][quantity]=1\n\
             success_url=https://pay.example/p/abc?x=1&y=2\n\
             cancel_url=https://pay.example/p/abc?x=1&y=2\n\
             expires_at=1790003600\n\
             {}payment_intent_data[metadata][kola_page]=hosted\n",
            metadata("payment_intent_data[metadata]")
        );
        assert_eq!(fields(&request.body), expected);
        let endless = Payment { page_ends_at: None, ..payment };
        assert!(!body(&endless, Parameters::Current).contains("expires_at"));
    }

    #[test]
    fn a_session_ends_with_its_page_if_stripe_lets_it() {
        let now = 1_790_000_000;
        for (page, expected) in [
            (Some(now + 3_600), now + 3_600),
            (Some(now + 60), now + 31 * 60),
            (Some(now - 60), now + 31 * 60),
            (Some(now + 7 * 86_400), now + 23 * 3_600),
            (None, now + 23 * 3_600),
        ] {
            assert_eq!(session_end(page, now), expected, "{page:?}");
        }
        assert_eq!(session_end(None, i64::MAX), i64::MAX);
    }

    #[test]
    fn a_refund_names_its_payment_and_amount() {
        let payment = samples::refund();
        let request =
            create(&payment, create_body(&payment, Parameters::Current).unwrap()).unwrap();
        assert_eq!((request.method, request.path.as_str()), ("POST", "/v1/refunds"));
        let key = format!("{REQUEST_ID}:refund");
        assert_eq!(request.header("idempotency-key"), Some(key.as_str()));
        let expected = format!("payment_intent=pi_orig\namount=1000\n{}", metadata("metadata"));
        assert_eq!(fields(&request.body), expected);
        let of_charge = Payment { original_reference: Some("ch_1".to_owned()), ..payment };
        assert!(body(&of_charge, Parameters::Current).starts_with("charge=ch_1\n"));
    }

    #[test]
    fn amounts_are_in_the_smallest_unit_of_stripe() {
        for (minor, code, expected) in [
            (1_000, "RWF", "amount=1000\ncurrency=rwf\n"),
            (1_000, "LRD", "amount=1000\ncurrency=lrd\n"),
            (5_120, "KWD", "amount=5120\ncurrency=kwd\n"),
            (300, "MGA", "amount=3\ncurrency=mga\n"),
        ] {
            let amount = Money::new(minor, Currency::parse(code).unwrap());
            let payment = Payment { amount, ..samples::client_payment() };
            assert!(body(&payment, Parameters::Current).starts_with(expected), "{code}");
        }
    }

    #[test]
    fn what_stripe_cannot_do_is_said_before_anything_is_sent() {
        let card = samples::card_payment();
        let payout = Payment { operation: Operation::Payout, ..card.clone() };
        assert_eq!(refused(&payout), "money cannot be sent to a card, only refunded to it");
        let amount = Money::new(5_124, Currency::parse("KWD").unwrap());
        let odd = Payment { amount, ..card.clone() };
        assert_eq!(refused(&odd), "cards cannot be charged 5.124 KWD exactly");
        for number in ["4242424242424242", "", "pm_", "pm_1&confirm=false", "card_1"] {
            let payment = Payment { card: Some(number.to_owned()), ..card.clone() };
            assert_eq!(refused(&payment), "a card is given by its id at Stripe (pm_…)", "{number}");
        }
        for reference in [None, Some("cs_test_1"), Some("pi_"), Some("pi_1/x"), Some("")] {
            let original_reference = reference.map(str::to_owned);
            let payment = Payment { original_reference, ..samples::refund() };
            assert_eq!(refused(&payment), "the payment to refund has no id at Stripe");
        }
    }

    #[test]
    fn a_long_name_is_shortened() {
        let payment = Payment { merchant_name: "é".repeat(255), ..samples::client_payment() };
        let name = format!("description={}\n", "é".repeat(200));
        assert!(body(&payment, Parameters::Current).ends_with(&name));
    }

    #[test]
    fn every_step_has_its_own_key() {
        let payment = samples::card_payment();
        for (id, path, step) in [
            ("pi_1", "/v1/payment_intents/pi_1/cancel", "cancel"),
            ("cs_test_1", "/v1/checkout/sessions/cs_test_1/expire", "expire"),
            ("re_1", "/v1/refunds/re_1/cancel", "cancel"),
        ] {
            let id = StripeId::parse(id).unwrap();
            let request = cancel(&payment, &id, Parameters::Current);
            assert_eq!((request.method, request.path.as_str()), ("POST", path));
            let key = format!("{REQUEST_ID}:{step}");
            assert_eq!(request.header("idempotency-key"), Some(key.as_str()));
        }
        let request = confirm(&payment, &StripeId::parse("pi_1").unwrap());
        assert_eq!(request.path, "/v1/payment_intents/pi_1/confirm");
        assert_eq!(request.body, b"");
        let key = format!("{REQUEST_ID}:confirm");
        assert_eq!(request.header("idempotency-key"), Some(key.as_str()));
    }

    #[test]
    fn questions_change_nothing() {
        let id = |text| StripeId::parse(text).unwrap();
        let query = format!("metadata%5B%27kola_request_id%27%5D%3A%27{REQUEST_ID}%27");
        let search = format!("/v1/payment_intents/search?query={query}&limit=10");
        for (request, path) in [
            (get(&id("pi_1")), "/v1/payment_intents/pi_1"),
            (get(&id("cs_live_1")), "/v1/checkout/sessions/cs_live_1"),
            (get(&id("re_1")), "/v1/refunds/re_1"),
            (search_intents(samples::card_payment().request_id), search.as_str()),
            (list_refunds("pi_1").unwrap(), "/v1/refunds?payment_intent=pi_1&limit=100"),
            (balance(), "/v1/balance"),
        ] {
            assert_eq!((request.method, request.path.as_str()), ("GET", path));
            assert_eq!(headers(&request), [None, None, Some(API_VERSION)]);
            assert!(request.body.is_empty());
        }
        assert!(list_refunds("cs_test_1").is_err());
    }
}

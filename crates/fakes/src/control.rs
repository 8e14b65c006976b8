//! The control port: what goes wrong, what time it is, and what the books say.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use crate::clock::{Clock, iso};
use crate::fake::{Fake, Network};
use crate::fields::{Fault, Fields};
use crate::pawapay::Pawapay;
use crate::serve::answer;
use crate::stripe::Stripe;

/// Why the control port does not do what it is asked to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlError {
    /// There is no such path, payment or operator.
    NotFound,
    /// The request is wrong; in words.
    Wrong(String),
}

impl ControlError {
    pub(crate) fn of(message: &str) -> Self {
        Self::Wrong(message.to_owned())
    }
}

impl From<Fault> for ControlError {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault.to_string())
    }
}

impl std::fmt::Display for ControlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is nothing of that name"),
            Self::Wrong(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ControlError {}

/// Both fakes and their clock.
pub(crate) struct Controlled {
    pub clock: Arc<Clock>,
    pub pawapay: Arc<Fake<Pawapay>>,
    pub stripe: Arc<Fake<Stripe>>,
}

impl Controlled {
    /// Does what a request to the control port asks for, but for waiting.
    pub(crate) fn handle(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Value, ControlError> {
        let fields = || {
            let body = if body.is_empty() { b"{}".as_slice() } else { body };
            Fields::parse(body).ok_or_else(|| ControlError::of("the body is no JSON object"))
        };
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, segments.as_slice()) {
            ("POST", ["faults"]) => self.add_fault(fields()?),
            ("GET", ["faults"]) => Ok(json!({
                "pawapay": self.pawapay.with(|network, _| network.common().faults.list()),
                "stripe": self.stripe.with(|network, _| network.common().faults.list()),
            })),
            ("DELETE", ["faults"]) => {
                self.pawapay.with(|network, _| network.common().faults.clear());
                self.stripe.with(|network, _| network.common().faults.clear());
                Ok(json!({}))
            }
            ("GET", ["clock"]) => Ok(self.time()),
            ("POST", ["clock", "advance"]) => {
                let mut fields = fields()?;
                let seconds = fields.required_integer("seconds")?;
                fields.end()?;
                self.advance(seconds);
                Ok(self.time())
            }
            ("GET", ["books"]) => Ok(self.books()),
            ("GET", ["requests"]) => Ok(json!({
                "pawapay": self.pawapay.with(|network, _| network.common().requests()),
                "stripe": self.stripe.with(|network, _| network.common().requests()),
            })),
            ("GET", ["deliveries"]) => Ok(json!({
                "pawapay": self.pawapay.with(|network, _| network.common().deliveries()),
                "stripe": self.stripe.with(|network, _| network.common().deliveries()),
            })),
            ("POST", ["pawapay", action]) => {
                let fields = fields()?;
                self.pawapay.with(|pawapay, now| pawapay.control(action, fields, now))
            }
            ("POST", ["stripe", action]) => {
                let fields = fields()?;
                self.stripe.with(|stripe, now| stripe.control(action, fields, now))
            }
            _ => Err(ControlError::NotFound),
        }
    }

    /// The time is moved for both, and all that became due by it is done.
    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(seconds.saturating_mul(1_000));
        self.pawapay.clock_moved();
        self.stripe.clock_moved();
    }

    pub(crate) fn books(&self) -> Value {
        json!({
            "pawapay": self.pawapay.with(|pawapay, _| pawapay.books()),
            "stripe": self.stripe.with(|stripe, now| stripe.books(now)),
        })
    }

    fn time(&self) -> Value {
        json!({
            "now": iso(self.clock.now()),
            "offset_seconds": self.clock.offset().div_euclid(1_000),
        })
    }

    fn add_fault(&self, mut fields: Fields) -> Result<Value, ControlError> {
        let written = fields.to_value();
        let network = fields.required_text("network")?;
        let id = match network.as_str() {
            "PAWAPAY" => self.pawapay.with(|n, _| n.common().faults.add(fields, written))?,
            "STRIPE" => self.stripe.with(|n, _| n.common().faults.add(fields, written))?,
            _ => return Err(Fault::Invalid("network".to_owned()).into()),
        };
        Ok(json!({ "id": id }))
    }

    pub(crate) async fn flush(&self) {
        self.pawapay.flush().await;
        self.stripe.flush().await;
    }
}

pub(crate) fn router(controlled: Arc<Controlled>) -> Router {
    Router::new().fallback(handle).with_state(controlled)
}

async fn handle(
    State(controlled): State<Arc<Controlled>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    if method == Method::POST && uri.path() == "/flush" {
        controlled.flush().await;
        return answer(200, &json!({}));
    }
    match controlled.handle(method.as_str(), uri.path(), &body) {
        Ok(done) => answer(200, &done),
        Err(error) => {
            let status = if error == ControlError::NotFound { 404 } else { 400 };
            answer(status, &json!({ "error": error.to_string() }))
        }
    }
}

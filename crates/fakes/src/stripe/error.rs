//! Stripe's errors.

use serde_json::{Map, Value, json};

#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub status: u16,
    /// Whether the request was carried out, so that its answer is kept for its idempotency key.
    pub executed: bool,
    fields: Map<String, Value>,
}

impl ApiError {
    fn new(status: u16, kind: &str, code: &str, message: &str) -> Self {
        let mut error = Self { status, executed: true, fields: Map::new() };
        if !code.is_empty() {
            error.put("code", json!(code));
            let page = code.replace('_', "-");
            error.put("doc_url", json!(format!("https://stripe.com/docs/error-codes/{page}")));
        }
        error.put("message", json!(message));
        error.put("type", json!(kind));
        error
    }

    fn put(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    /// A parameter that is wrong: nothing was carried out.
    pub(crate) fn parameter(code: &str, param: &str, message: &str) -> Self {
        let message = format!("{message}: {param}");
        let mut error = Self::new(400, "invalid_request_error", code, &message);
        error.put("param", json!(param));
        error.executed = false;
        error
    }

    /// A request that is not possible as things are.
    pub(crate) fn invalid(code: &str, message: &str) -> Self {
        Self::new(400, "invalid_request_error", code, message)
    }

    pub(crate) fn missing(kind: &str, id: &str, param: &str) -> Self {
        let message = format!("No such {kind}: '{id}'");
        let mut error = Self::new(404, "invalid_request_error", "resource_missing", &message);
        error.put("param", json!(param));
        error.executed = false;
        error
    }

    pub(crate) fn unauthorised(message: &str) -> Self {
        let mut error = Self::new(401, "invalid_request_error", "", message);
        error.executed = false;
        error
    }

    pub(crate) fn unknown_path(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        let mut error = Self::new(404, "invalid_request_error", "", &message);
        error.executed = false;
        error
    }

    pub(crate) fn card(code: &str, message: &str) -> Self {
        Self::new(402, "card_error", code, message)
    }

    pub(crate) fn other_parameters(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were \
             first used with. Try using a key other than '{key}' if you meant to execute a \
             different request."
        );
        let mut error = Self::new(400, "idempotency_error", "", &message);
        error.executed = false;
        error
    }

    /// What a fault answers with this status.
    pub(crate) fn of_status(status: u16) -> Self {
        let (kind, code, message) = match status {
            401 => ("invalid_request_error", "", "Invalid API Key provided: sk_test_****"),
            403 => ("invalid_request_error", "", "The provided key does not have access."),
            409 => (
                "invalid_request_error",
                "idempotency_key_in_use",
                "There is currently another in-progress request using this Idempotent Key.",
            ),
            413 => ("invalid_request_error", "", "The request is too large."),
            429 => ("invalid_request_error", "rate_limit", "Too many requests."),
            400..500 => ("invalid_request_error", "", "Invalid request."),
            _ => ("api_error", "", "An error occurred on Stripe's side."),
        };
        Self::new(status, kind, code, message)
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.put(name, value);
        self
    }

    /// The request was refused before anything was done.
    #[must_use]
    pub(crate) fn not_executed(mut self) -> Self {
        self.executed = false;
        self
    }

    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.fields })
    }
}

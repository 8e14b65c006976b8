//! Error responses: always JSON, always with `detail`. Requests for HTML pages get a page instead
//! ([`crate::web`]).

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::kernel::refusal::Refusal;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::fields::{Fault, FaultKind, Part, Schemas};
use crate::api::refusals::{self, FieldOf};
use crate::credentials::tokens::SigningError;
use crate::engine::Failure;
use crate::net::challenge::Challenge;
use crate::request_id;
use store::StoreError;

/// `Retry-After` in seconds when the server is overloaded or the database is unavailable.
const RETRY_AFTER_S: u64 = 1;
/// `Retry-After` in seconds for a lock that only an operator can lift.
const DAY_S: u64 = 86_400;
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApiError {
    /// 400: the body broke off, or its chunks are none.
    BrokenBody,
    /// 401: no token.
    NotAuthenticated,
    /// 401: a token or secret that is not right, or not any more.
    BadCredentials(Challenge),
    /// 403.
    Forbidden(String),
    /// 403 until these seconds have passed.
    Locked(String, u64),
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    TooSlow,
    /// 413.
    TooLarge,
    /// 415.
    NotJson,
    /// 422: these fields.
    Invalid(Vec<Fault>),
    /// 429, with the seconds to wait.
    TooMany(u64),
    /// The same of one thing, and why.
    TooManyOf(String, u64),
    /// 429: as many lists of the merchant as may be are being answered.
    TooManyLists,
    /// 429: the merchant has as many streams of events as it may have.
    TooManyStreams,
    /// 500, with what the log is to say.
    Internal(String),
    /// 503: the queue is full.
    Overloaded,
    /// 503, with what the log is to say.
    Unavailable(String),
    /// 503 until the operator puts the secrets key back, with what the log is to say.
    NoSecretsKey(String),
}

/// What is said to people and programs where the secrets key is missing.
pub const NO_SECRETS_KEY: &str = "This server cannot use its secrets: the key that they are encrypted with is missing. \
     Tell who runs it.";
/// `Retry-After` in seconds for what waits for the operator.
const OPERATOR_S: u64 = 60;

/// What a page says of an error in the place of the words that its status has.
#[derive(Clone, Copy)]
pub struct Sentence(pub &'static str);

impl ApiError {
    /// `after_id` is not the id of a row of the list.
    #[must_use]
    pub fn unknown_cursor() -> Self {
        Self::Invalid(vec![Fault::at(
            &[Part::Name("query"), Part::Name("after_id")],
            FaultKind::UnknownId("a row of this list"),
        )])
    }

    /// 500; `what` goes to the log only.
    #[must_use]
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal(what.into())
    }

    /// The error for refusals where the parameter `id` of the path, if any, names what no field
    /// names.
    pub fn on_fields(field_of: FieldOf) -> impl Fn(Failure) -> Self {
        Self::on_fields_or_path(field_of, ID)
    }

    /// The same for a path that names it by another `parameter`.
    pub fn on_fields_or_path(
        field_of: FieldOf,
        parameter: &'static str,
    ) -> impl Fn(Failure) -> Self {
        move |failure| Self::from_failure(failure, field_of, parameter)
    }

    /// The error for refusals of what the path names by `parameter`: no field of a body is to
    /// blame.
    pub fn on_path(parameter: &'static str) -> impl Fn(Failure) -> Self {
        Self::on_fields_or_path(|_| None, parameter)
    }

    fn from_failure(failure: Failure, field_of: FieldOf, parameter: &'static str) -> Self {
        match failure {
            Failure::Refused(refused) => Self::from_refusals(refused, field_of, parameter),
            Failure::Overloaded => Self::Overloaded,
            Failure::Unavailable(what) => Self::Unavailable(what),
            Failure::Unknown => Self::Unavailable(failure.to_string()),
            Failure::Internal(what) => Self::Internal(what),
        }
    }

    /// Bad credentials hide all other refusals, not found hides forbidden, and forbidden hides the
    /// rest: a caller without the right must not learn more.
    fn from_refusals(refused: Vec<Refusal>, field_of: FieldOf, parameter: &'static str) -> Self {
        let first =
            |status: StatusCode| refused.iter().find(|refusal| refusals::status(refusal) == status);
        if let Some(refusal) = first(StatusCode::UNAUTHORIZED) {
            return Self::BadCredentials(refusal.into());
        }
        if first(StatusCode::NOT_FOUND).is_some() {
            return Self::NotFound;
        }
        if let Some(refusal) = first(StatusCode::FORBIDDEN) {
            let message = refusals::message(refusal);
            return match refusal {
                Refusal::PasscodeLocked { seconds } => {
                    Self::Locked(message, seconds.unsigned_abs())
                }
                // Such a lock does not end by itself: the caller may ask again tomorrow.
                Refusal::PasscodeLockedForAll => Self::Locked(message, DAY_S),
                _ => Self::Forbidden(message),
            };
        }
        if let Some(refusal) = first(StatusCode::TOO_MANY_REQUESTS) {
            return match refusal {
                Refusal::TooManyRecipients { seconds }
                | Refusal::TooManyPayments { seconds, .. } => {
                    Self::TooManyOf(refusals::message(refusal), seconds.unsigned_abs())
                }
                _ => Self::TooMany(RETRY_AFTER_S),
            };
        }
        let fault = |refusal: Refusal| {
            let loc = match field_of(&refusal) {
                Some(field) => [Part::Name("body"), Part::Name(field)],
                None => [Part::Name("path"), Part::Name(parameter)],
            };
            Fault::at(&loc, FaultKind::Refused(refusal))
        };
        Self::Invalid(refused.into_iter().map(fault).collect())
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::NotAuthenticated | Self::BadCredentials(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Locked(..) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany(_) | Self::TooManyOf(..) | Self::TooManyLists | Self::TooManyStreams => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded | Self::Unavailable(_) | Self::NoSecretsKey(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn detail(&self) -> Detail<'_> {
        Detail::Text(match self {
            Self::BrokenBody => {
                "The request body is broken: it ended early, or its chunks are not in their format"
            }
            Self::NotAuthenticated => "Not authenticated",
            Self::BadCredentials(_) => "Could not validate credentials",
            Self::Forbidden(text) | Self::Locked(text, _) | Self::TooManyOf(text, _) => text,
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::TooSlow => "The request body did not arrive in time",
            Self::TooLarge => "The request body is larger than 64 KiB",
            Self::NotJson => "The request body must be application/json",
            Self::Invalid(faults) => return Detail::Faults(faults),
            Self::TooMany(_) => "Too many requests",
            Self::TooManyLists => "Too many lists of this merchant are being answered",
            Self::TooManyStreams => "Too many streams of this merchant are open",
            Self::Internal(_) => "Internal server error",
            Self::Overloaded => "The server is overloaded, try again",
            Self::Unavailable(_) => "The service is unavailable, try again",
            Self::NoSecretsKey(_) => NO_SECRETS_KEY,
        })
    }

    /// What the log says about a failure on our side.
    fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal(what) | Self::Unavailable(what) | Self::NoSecretsKey(what) => Some(what),
            Self::Overloaded => Some("the queue is full"),
            _ => None,
        }
    }

    /// Writes a failure on our side into the log; answers the id of the request, by which it is found
    /// there.
    pub fn log(&self) -> Option<String> {
        self.cause().map(|cause| {
            let request_id = request_id::current().map(|id| id.to_string()).unwrap_or_default();
            let status = self.status().as_u16();
            tracing::error!(request_id, status, cause, "a request failed");
            request_id
        })
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::NotAuthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::BadCredentials(challenge) => {
                headers.insert(WWW_AUTHENTICATE, challenge.header());
            }
            Self::TooMany(seconds) | Self::TooManyOf(_, seconds) | Self::Locked(_, seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::Overloaded | Self::Unavailable(_) | Self::TooManyLists | Self::TooManyStreams => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            Self::NoSecretsKey(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(OPERATOR_S));
            }
            _ => {}
        }
        headers
    }
}

/// The parameter by which nearly all paths name their object.
const ID: &str = "id";

#[derive(Serialize)]
#[serde(untagged)]
enum Detail<'a> {
    Text(&'a str),
    Faults(&'a [Fault]),
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    detail: Detail<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// The schema of an error with one message.
struct ErrorDetail;

impl JsonSchema for ErrorDetail {
    fn schema_name() -> Cow<'static, str> {
        "ErrorDetail".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "detail": { "type": "string", "description": "What is wrong" },
                "request_id": { "type": "string", "description": "The id of a server error, which is in the log, too" },
            },
            "required": ["detail"],
        })
    }
}

/// The schema of an error with a list of faults.
struct Refused;

impl JsonSchema for Refused {
    fn schema_name() -> Cow<'static, str> {
        "HTTPValidationError".into()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        json_schema!({
            "type": "object",
            "properties": { "detail": {
                "type": "array", "minItems": 1, "items": schemas.subschema_for::<Fault>(),
                "description": "All faults of the request",
            } },
            "required": ["detail"],
        })
    }
}

/// The error responses of the document.
const ERRORS: [(u16, &str); 12] = [
    (400, "The body ended early, or its chunks are malformed"),
    (401, "No token, or an invalid one"),
    (403, "The merchant may not do this, or the passcode is missing, wrong or locked"),
    (404, "It does not exist, or belongs to another merchant"),
    (405, "The path does not have this method"),
    (408, "The body did not arrive in time"),
    (413, "The body is larger than 64 KiB"),
    (415, "The body is not `application/json`"),
    (422, "Faulty fields, or a state that does not allow the call"),
    (429, "Too many requests"),
    (500, "An error of the server, which is in the log"),
    (
        503,
        "The server is overloaded, or the database cannot be reached: send the same request again, which tells what was done",
    ),
];

/// The error responses as components of the document.
pub(crate) fn responses(schemas: &mut Schemas) -> Value {
    let mut responses = json!({});
    for (status, description) in ERRORS {
        let schema = if status == 422 {
            schemas.subschema_for::<Refused>()
        } else {
            schemas.subschema_for::<ErrorDetail>()
        };
        let mut response = json!({ "description": description, "content": { "application/json": { "schema": schema } } });
        let header = |description: &str, kind: &str| json!({ "description": description, "schema": { "type": kind } });
        match status {
            401 => {
                let description =
                    "`Bearer`, with `error` and `error_description` where credentials were given";
                response["headers"] = json!({ "WWW-Authenticate": header(description, "string") });
            }
            403 => {
                response["headers"] = json!({ "Retry-After": header("Seconds to wait, if the passcode is locked", "integer") })
            }
            429 => {
                response["headers"] = json!({ "Retry-After": header("Seconds to wait", "integer") })
            }
            500 => {
                response["headers"] =
                    json!({ "X-Request-Id": header("The id of the error in the log", "string") })
            }
            503 => {
                response["headers"] = json!({
                    "Retry-After": header("Seconds to wait", "integer"),
                    "X-Request-Id": header("The id of the error in the log", "string"),
                });
            }
            _ => {}
        }
        responses[format!("E{status}")] = response;
    }
    responses
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, mut headers) = (self.status(), self.headers());
        if let Self::BadCredentials(challenge) = &self {
            tracing::info!(
                error = challenge.error(),
                cause = challenge.description(),
                "credentials were refused"
            );
        }
        let request_id = self.log();
        if let Some(value) = request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(REQUEST_ID.clone(), value);
        }
        let body = Json(ErrorBody { detail: self.detail(), request_id: request_id.as_deref() });
        let mut response = (status, headers, body).into_response();
        if matches!(self, Self::NoSecretsKey(_)) {
            response.extensions_mut().insert(Sentence(NO_SECRETS_KEY));
        }
        response
    }
}

impl From<Vec<Fault>> for ApiError {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Invalid(faults)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        Self::from_failure(failure, refusals::usual_field, ID)
    }
}

impl From<SigningError> for ApiError {
    fn from(error: SigningError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownCursor => Self::unknown_cursor(),
            StoreError::Sqlite(_)
            | StoreError::Postgres { .. }
            | StoreError::NoAnswer
            | StoreError::Interrupted
            | StoreError::Pool(_)
            | StoreError::CommitUnknown(_)
            | StoreError::FileMoved { .. }
            | StoreError::Open { .. } => Self::Unavailable(error.to_string()),
            StoreError::Inconsistent { .. }
            | StoreError::Newer { .. }
            | StoreError::Market(_)
            | StoreError::Refused(_)
            | StoreError::RowsAffected { .. }
            | StoreError::Script { .. }
            | StoreError::Unexpected(_)
            | StoreError::Runtime(_)
            | StoreError::Panicked
            | StoreError::Random(_) => Self::Internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::refusal::Subject;
    use domain::kernel::time::MerchantTime;
    use serde_json::{Value, json};

    async fn answer(error: ApiError) -> (u16, HeaderMap, Value) {
        let response =
            request_id::answering(request_id::draw(), None, None, async { error.into_response() })
                .await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn every_error_is_json_with_a_detail() {
        let text = |text: &str| json!({ "detail": text });
        for (error, status, body) in [
            (
                ApiError::BrokenBody,
                400,
                text(
                    "The request body is broken: it ended early, or its chunks are not in their format",
                ),
            ),
            (ApiError::NotAuthenticated, 401, text("Not authenticated")),
            (
                ApiError::BadCredentials(Challenge::Expired),
                401,
                text("Could not validate credentials"),
            ),
            (
                ApiError::Forbidden("merchant not verified".to_owned()),
                403,
                text("merchant not verified"),
            ),
            (ApiError::NotFound, 404, text("Not found")),
            (ApiError::MethodNotAllowed, 405, text("Method not allowed")),
            (ApiError::TooSlow, 408, text("The request body did not arrive in time")),
            (ApiError::TooLarge, 413, text("The request body is larger than 64 KiB")),
            (ApiError::NotJson, 415, text("The request body must be application/json")),
            (ApiError::Locked("passcode locked".to_owned(), 7), 403, text("passcode locked")),
            (ApiError::TooMany(7), 429, text("Too many requests")),
            (
                ApiError::TooManyLists,
                429,
                text("Too many lists of this merchant are being answered"),
            ),
        ] {
            let (got, headers, value) = answer(error).await;
            let waits = status == 429 || value["detail"] == "passcode locked";
            assert_eq!((got, value), (status, body));
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(headers.contains_key("www-authenticate"), status == 401);
            assert_eq!(headers.contains_key("retry-after"), waits);
        }
    }

    #[tokio::test]
    async fn our_own_faults_have_an_id_and_no_cause() {
        for (error, status) in [
            (ApiError::internal("a secret"), 500),
            (ApiError::Overloaded, 503),
            (ApiError::Unavailable("a secret".to_owned()), 503),
            (ApiError::NoSecretsKey("/a/secret/file".to_owned()), 503),
        ] {
            let (got, headers, value) = answer(error).await;
            assert_eq!(got, status);
            assert_eq!(headers.contains_key("retry-after"), status == 503);
            assert_eq!(
                headers["x-request-id"].to_str().unwrap(),
                value["request_id"].as_str().unwrap()
            );
            assert!(
                !value.to_string().contains("a secret") && !value.to_string().contains("/file")
            );
        }
    }

    fn refused(refusals: Vec<Refusal>) -> ApiError {
        Failure::Refused(refusals).into()
    }

    #[tokio::test]
    async fn refusals_stand_on_their_fields_all_at_once() {
        let now = MerchantTime::parse("2026-11-22T12:00:00Z").unwrap();
        let unknown = Refusal::UnknownId { subject: Subject::Wallet, what: "a wallet" };
        let (status, _, body) = answer(refused(vec![unknown, Refusal::ExpiryInPast { now }])).await;
        assert_eq!(status, 422);
        assert_eq!(
            body,
            json!({"detail": [
                {"loc": ["body", "wallet_id"], "msg": "not the id of a wallet of this merchant", "type": "value_error.not_found"},
                {"loc": ["body", "expires_at"], "msg": "expires_at is in the past: it is 2026-11-22T12:00:00Z now",
                 "type": "value_error.expires_at"},
            ]})
        );
    }

    #[tokio::test]
    async fn what_the_path_names_is_a_fault_of_the_path() {
        let paid = |subject| Refusal::InvalidState {
            subject,
            what: "invoice",
            state: "PAID",
            needs: "IDLE",
        };
        let fault = |loc: &[&str]| json!({"loc": loc, "msg": "the invoice is PAID and must be IDLE", "type": "value_error.state"});
        let source_in_path: FieldOf = |refusal| match refusal.subject() {
            Subject::Source => None,
            _ => refusals::usual_field(refusal),
        };
        let alone = Failure::Refused(vec![paid(Subject::Source)]);
        let (status, _, body) = answer(ApiError::on_fields(source_in_path)(alone)).await;
        assert_eq!((status, body), (422, json!({"detail": [fault(&["path", "id"])]})));
        let session = Failure::Refused(vec![paid(Subject::Session)]);
        let (_, _, body) = answer(ApiError::on_path("id")(session)).await;
        assert_eq!(body, json!({"detail": [fault(&["path", "id"])]}));
        let both = Failure::Refused(vec![paid(Subject::Source), Refusal::AmountTooLarge]);
        let error = ApiError::on_fields_or_path(source_in_path, "invoice_id")(both);
        let (_, _, body) = answer(error).await;
        assert_eq!(body["detail"][0], fault(&["path", "invoice_id"]));
        assert_eq!(body["detail"][1]["loc"], json!(["body", "amount"]));
        assert_eq!(ApiError::on_path("id")(Failure::Overloaded), ApiError::Overloaded);
    }

    #[test]
    fn who_may_not_know_learns_nothing_more() {
        let unknown = Refusal::UnknownId { subject: Subject::Party, what: "a party" };
        assert_eq!(refused(vec![unknown.clone(), Refusal::NotFound]), ApiError::NotFound);
        assert_eq!(
            refused(vec![unknown, Refusal::NotVerified]),
            ApiError::Forbidden(Refusal::NotVerified.to_string())
        );
    }
}

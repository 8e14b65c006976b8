//! Extractors: path segments, query and body of a request.

use std::error::Error;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Query as Pairs, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Uri};
use domain::kernel::time::MerchantTime;
use domain::payments::session::SessionKind;
use domain::tariff::Tariff;
use http_body_util::LengthLimitError;
use schemars::{Schema, json_schema};
use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::api::fields::{
    self, Fault, FaultKind, FromValue, Part, Payload, ReadContext, Reference,
};
use crate::app::App;

/// The maximum size of a body, in bytes.
const BODY_MAX: usize = 64 * 1024;
/// A body must arrive completely within this time.
const BODY_WITHIN: Duration = Duration::from_secs(30);

pub struct Body<P>(pub P);

/// A body that may be left out, which is the same as an empty object.
pub struct OptionalBody<P>(pub P);

pub struct Query<P>(pub P);

/// Query and body together, so that the faults of both are reported at once.
pub struct QueryAndBody<Q, P>(pub Q, pub P);

/// The ids in the path, in order. Anything but a positive integer is answered with 404.
pub struct Ids<const N: usize>(pub [i64; N]);

/// The parameters of the path as texts, in order.
pub struct PathSegments<const N: usize>(pub [String; N]);

/// A parameter of the path with a fixed form. Anything else is answered with 404.
pub struct PathSegment<T>(pub T);

/// A parameter of the path and the id after it.
pub struct PathSegmentAndId<T>(pub T, pub i64);

/// A type that a parameter of the path can be parsed into.
pub trait PathParameter: Sized {
    fn read(word: &str) -> Option<Self>;

    /// Its schema in the OpenAPI document.
    fn schema() -> Schema;
}

fn context(extensions: &Extensions, app: &App) -> Option<ReadContext> {
    // The tenant extractor left it there.
    let time: MerchantTime = *extensions.get()?;
    Some(ReadContext { time, lifetimes: app.config.settings.lifetimes })
}

/// Reads the whole body, within the limits of size and time.
pub(crate) async fn bytes_of(body: axum::body::Body) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_MAX)).await;
    read.map_err(|_| ApiError::TooSlow)?.map_err(|error| {
        let is_too_large = error.source().is_some_and(<dyn Error>::is::<LengthLimitError>);
        if is_too_large { ApiError::TooLarge } else { ApiError::BrokenBody }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let name = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    name.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn on_body(kind: FaultKind) -> Vec<Fault> {
    vec![Fault::at(&[Part::Name("body")], kind)]
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Vec<Fault>> {
    if bytes.is_empty() {
        return Err(on_body(FaultKind::Missing));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) => Err(on_body(FaultKind::Missing)),
        Ok(_) => Err(on_body(FaultKind::NotDict)),
        Err(error) => Err(vec![not_json(bytes, &error)]),
    }
}

/// Error messages of serde's JSON parser, and what Python's decoder says in the same case: clients
/// of the public API match on the latter.
const DECODER_WORDS: [(&str, &str); 12] = [
    ("expected value", "Expecting value"),
    ("expected ident", "Expecting value"),
    ("invalid number", "Expecting value"),
    ("EOF while parsing a value", "Expecting value"),
    ("EOF while parsing a string", "Unterminated string starting at"),
    ("EOF while parsing", "Expecting ',' delimiter"),
    ("expected `:`", "Expecting ':' delimiter"),
    ("expected `,`", "Expecting ',' delimiter"),
    ("key must be a string", "Expecting property name enclosed in double quotes"),
    ("trailing comma", "Illegal trailing comma before end of object"),
    ("trailing characters", "Extra data"),
    ("control character", "Invalid control character at"),
];

/// A syntax error, located by characters, not by bytes.
fn not_json(bytes: &[u8], error: &serde_json::Error) -> Fault {
    let text = String::from_utf8_lossy(bytes);
    let message = error.to_string();
    let known =
        DECODER_WORDS.iter().find(|(start, _)| message.starts_with(start)).map(|(_, words)| *words);
    let words = known.unwrap_or_else(|| message.split(" at line ").next().unwrap_or_default());
    let (line, column, place) = if error.is_eof() {
        let last = text.rsplit('\n').next().unwrap_or_default();
        (text.matches('\n').count() + 1, last.chars().count() + 1, text.chars().count())
    } else {
        let line = error.line().max(1);
        let before: usize =
            text.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
        let bytes_into = error.column().saturating_sub(1);
        let here = text.split('\n').nth(line - 1).unwrap_or_default();
        let into = here.char_indices().take_while(|(at, _)| *at < bytes_into).count();
        (line, into + 1, before + into)
    };
    let msg = format!("{words}: line {line} column {column} (char {place})");
    Fault::at(&[Part::Name("body"), Part::Index(place)], FaultKind::NotJson { msg, line, column })
}

fn under(root: &'static str, faults: Vec<Fault>) -> Vec<Fault> {
    faults.into_iter().map(|fault| fault.under(Part::Name(root))).collect()
}

fn read_body<P: Payload>(
    bytes: &[u8],
    context: Option<ReadContext>,
    tariff: &Tariff,
) -> Result<P, Vec<Fault>> {
    fields::read_with(&object(bytes)?, context, tariff).map_err(|faults| under("body", faults))
}

/// Reads the query. All its values are texts; an empty one counts as absent.
fn read_query<P: Payload>(uri: &Uri, tariff: &Tariff) -> Result<P, Vec<Fault>> {
    let pairs: Vec<(String, String)> =
        Pairs::try_from_uri(uri).map(|pairs| pairs.0).unwrap_or_default();
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let object: Map<String, Value> =
        given.map(|(name, value)| (name, Value::String(value))).collect();
    fields::read_with(&object, None, tariff).map_err(|faults| under("query", faults))
}

/// Reads a request by the tariff that was read last, which says what methods there are. A method may
/// have been opened since: before a name is refused, the current tariff is looked at.
async fn by_tariff<T>(
    app: &App,
    read: impl Fn(&Tariff) -> Result<T, Vec<Fault>>,
) -> Result<T, ApiError> {
    let known = app.queries.for_system().last_tariff();
    let faults = match read(&known) {
        Ok(payload) => return Ok(payload),
        Err(faults) => faults,
    };
    if faults.iter().any(|fault| matches!(fault.kind, FaultKind::NotEnum(_))) {
        let current = app.queries.for_system().tariff().await?;
        if current.version != known.version {
            return Ok(read(&current)?);
        }
    }
    Err(faults.into())
}

async fn json_bytes(headers: &HeaderMap, body: axum::body::Body) -> Result<Bytes, ApiError> {
    let bytes = bytes_of(body).await?;
    if bytes.is_empty() || is_json(headers) { Ok(bytes) } else { Err(ApiError::NotJson) }
}

impl<P: Payload> FromRequest<App> for Body<P> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = json_bytes(&parts.headers, body).await?;
        let context = context(&parts.extensions, app);
        by_tariff(app, |tariff| read_body(&bytes, context, tariff)).await.map(Self)
    }
}

impl<P: Payload> FromRequest<App> for OptionalBody<P> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut bytes = json_bytes(&parts.headers, body).await?;
        if bytes.is_empty() {
            bytes = Bytes::from_static(b"{}");
        }
        let context = context(&parts.extensions, app);
        by_tariff(app, |tariff| read_body(&bytes, context, tariff)).await.map(Self)
    }
}

impl<P: Payload> FromRequestParts<App> for Query<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        by_tariff(app, |tariff| read_query(&parts.uri, tariff)).await.map(Self)
    }
}

impl<Q: Payload, P: Payload> FromRequest<App> for QueryAndBody<Q, P> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = json_bytes(&parts.headers, body).await?;
        let context = context(&parts.extensions, app);
        let read = |tariff: &Tariff| match (
            read_query(&parts.uri, tariff),
            read_body(&bytes, context, tariff),
        ) {
            (Ok(query), Ok(body)) => Ok(Self(query, body)),
            (query, body) => {
                let of_query = query.err().unwrap_or_default();
                Err(of_query.into_iter().chain(body.err().unwrap_or_default()).collect())
            }
        };
        by_tariff(app, read).await
    }
}

impl PathParameter for Reference {
    /// No execution has a key of another form.
    fn read(word: &str) -> Option<Self> {
        FromValue::read(&Value::String(word.to_owned())).ok()
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

impl PathParameter for SessionKind {
    /// In small letters.
    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str().to_ascii_lowercase() == word)
    }

    fn schema() -> Schema {
        let words: Vec<String> =
            Self::ALL.iter().map(|kind| kind.as_str().to_ascii_lowercase()).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

async fn words<const N: usize>(parts: &mut Parts) -> Result<[String; N], ApiError> {
    let params =
        RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NotFound)?;
    let words: Vec<String> = params.iter().map(|(_, word)| word.to_owned()).collect();
    // Nothing has such a name, and PostgreSQL rejects texts with a zero byte.
    if words.iter().any(|word| word.contains(char::is_control)) {
        return Err(ApiError::NotFound);
    }
    words.try_into().map_err(|_| ApiError::NotFound)
}

fn id(word: &str) -> Result<i64, ApiError> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|id| digits && *id > 0).ok_or(ApiError::NotFound)
}

impl<const N: usize, S: Send + Sync> FromRequestParts<S> for Ids<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut ids = [0; N];
        for (place, word) in ids.iter_mut().zip(words::<N>(parts).await?) {
            *place = id(&word)?;
        }
        Ok(Self(ids))
    }
}

impl<const N: usize, S: Send + Sync> FromRequestParts<S> for PathSegments<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        words(parts).await.map(Self)
    }
}

impl<T: PathParameter, S: Send + Sync> FromRequestParts<S> for PathSegment<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let [word] = words(parts).await?;
        T::read(&word).map(Self).ok_or(ApiError::NotFound)
    }
}

impl<T: PathParameter, S: Send + Sync> FromRequestParts<S> for PathSegmentAndId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let [word, number] = words(parts).await?;
        Ok(Self(T::read(&word).ok_or(ApiError::NotFound)?, id(&number)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::describe::op;
    use crate::api::fields::{Id, Text};
    use crate::api::routes::{Finishing, Routes};
    use axum::body::HttpBody;
    use hyper::body::Frame;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tower::ServiceExt;

    crate::payload! { struct Sample { id: Id, name: Text<5> } }

    fn syntax(text: &str) -> String {
        let faults = object(text.as_bytes()).unwrap_err();
        assert_eq!(faults.len(), 1);
        let place = match faults[0].loc.as_slice() {
            [Part::Name("body")] => "-".to_owned(),
            [Part::Name("body"), Part::Index(place)] => place.to_string(),
            other => panic!("{other:?}"),
        };
        format!("{place} {} {}", faults[0].kind.kind(), faults[0].kind.msg())
    }

    #[test]
    fn a_body_is_one_json_object() {
        assert_eq!(syntax(""), "- value_error.missing field required");
        assert_eq!(syntax("null"), "- value_error.missing field required");
        assert_eq!(syntax("[1]"), "- type_error.dict value is not a valid dict");
        assert_eq!(syntax("\"x\""), "- type_error.dict value is not a valid dict");
        assert!(object(b" {\"a\": 1} ").is_ok());
    }

    #[test]
    fn broken_json_is_answered_as_python_would() {
        for (text, expected) in [
            (r#"{"a": }"#, "6 value_error.jsondecode Expecting value: line 1 column 7 (char 6)"),
            (
                r#"{"a": 1"#,
                "7 value_error.jsondecode Expecting ',' delimiter: line 1 column 8 (char 7)",
            ),
            (
                r#"{"a" 1}"#,
                "5 value_error.jsondecode Expecting ':' delimiter: line 1 column 6 (char 5)",
            ),
            (
                "{\"ä\": 1,\n \"b\": x}",
                "15 value_error.jsondecode Expecting value: line 2 column 7 (char 15)",
            ),
            ("{} x", "3 value_error.jsondecode Extra data: line 1 column 4 (char 3)"),
        ] {
            assert_eq!(syntax(text), expected, "{text}");
        }
        assert!(syntax("{a: 1}").contains("Expecting property name enclosed in double quotes"));
        assert!(syntax("{\"a\": NaN}").contains("Expecting value"));
    }

    #[test]
    fn a_body_nested_too_deeply_is_refused() {
        let deep = "[".repeat(BODY_MAX);
        assert!(syntax(&deep).contains("recursion limit exceeded"));
    }

    #[test]
    fn a_repeated_field_counts_once_and_bytes_that_are_no_text_are_refused() {
        assert_eq!(
            read_body::<Sample>(br#"{"id":1,"id":2,"name":"x"}"#, None, &Tariff::default())
                .ok()
                .map(|sample| sample.id.0),
            Some(2)
        );
        assert!(object(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn the_content_type_is_json_with_any_charset() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        assert!(with("application/json") && with("Application/JSON; charset=utf-8"));
        assert!(
            !with("text/plain")
                && !with("application/x-www-form-urlencoded")
                && !is_json(&HeaderMap::new())
        );
    }

    #[tokio::test]
    async fn a_body_has_a_largest_size() {
        assert_eq!(
            bytes_of(vec![b' '; BODY_MAX].into()).await.map(|bytes| bytes.len()),
            Ok(BODY_MAX)
        );
        assert_eq!(bytes_of(vec![b' '; BODY_MAX + 1].into()).await, Err(ApiError::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_large_one() {
        struct Broken;
        impl HttpBody for Broken {
            type Data = Bytes;
            type Error = std::io::Error;

            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
                Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())))
            }
        }
        assert_eq!(bytes_of(axum::body::Body::new(Broken)).await, Err(ApiError::BrokenBody));
    }

    #[test]
    fn the_query_is_read_like_a_body() {
        let read = |uri: &str| read_query::<Sample>(&uri.parse().unwrap(), &Tariff::default());
        let sample = read("/x?id=7&name=a%20b&other=1").ok().unwrap();
        assert_eq!((sample.id.0, sample.name.0.as_str()), (7, "a b"));
        let faults = read("/x?id=seven&name=").err().unwrap();
        assert_eq!(
            faults,
            [
                Fault::at(&[Part::Name("query"), Part::Name("id")], FaultKind::NotInteger),
                Fault::at(&[Part::Name("query"), Part::Name("name")], FaultKind::Missing),
            ]
        );
    }

    #[tokio::test]
    async fn the_path_is_read_in_its_order() {
        let operation = || op("sample", "A sample");
        let routes = Routes::<()>::new()
            .get("/a/{a}/items/{id}", async |Ids([a, id]): Ids<2>| format!("{a} {id}"), operation())
            .get(
                "/b/{kind}/x/{id}",
                async |PathSegmentAndId(kind, id): PathSegmentAndId<SessionKind>| {
                    format!("{kind} {id}")
                },
                operation(),
            )
            .get(
                "/c/{number}",
                async |PathSegments([number]): PathSegments<1>| number,
                operation(),
            );
        let router = routes.build((), Finishing::unread());
        for (path, status, expected) in [
            ("/a/7/items/9", 200, "7 9"),
            ("/a/7/items/x", 404, "{\"detail\":\"Not found\"}\n"),
            ("/b/payout/x/9", 200, "PAYOUT 9"),
            ("/b/PAYOUT/x/9", 404, "{\"detail\":\"Not found\"}\n"),
            ("/b/payout/x/0", 404, "{\"detail\":\"Not found\"}\n"),
            ("/c/INV%2D2026", 200, "INV-2026"),
            ("/c/INV%00", 404, "{\"detail\":\"Not found\"}\n"),
            ("/c/%FF", 404, "{\"detail\":\"Not found\"}\n"),
        ] {
            let request = Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(to_bytes(response.into_body(), 1_000).await.unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn only_positive_integers_are_ids() {
        assert_eq!(id("7"), Ok(7));
        for word in ["", "0", "-1", "+1", "1.0", "x", "9223372036854775808"] {
            assert_eq!(id(word), Err(ApiError::NotFound), "{word}");
        }
    }
}

//! How answers are written, and how a command's answer comes to a handler.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::Json;
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use domain::money::Money;
use domain::time::Timestamp;
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Number;

use super::fields::{Id, Int, Schemas};
use crate::store::queries::Page;

/// What a handler answers.
pub type Answered<T> = Result<Json<T>, super::error::ApiError>;

/// What a handler of a list answers.
pub type Listed<T> = Result<Rows<T>, super::error::ApiError>;

/// A page of a list, written.
pub struct Rows<T> {
    response: Response,
    of: PhantomData<fn() -> T>,
}

impl<T> IntoResponse for Rows<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

/// Submits a command and takes out the one kind of answer that it gives. `$refused` says where refusals stand, if not on a field
/// or on the path's `id`.
macro_rules! submit {
    ($app:expr, $command:expr, $variant:path) => {
        submit!($app, $command, $variant, $crate::http::error::ApiError::from)
    };
    ($app:expr, $command:expr, $variant:path, $refused:expr) => {
        match $app.engine.submit($command).await.map_err($refused)? {
            $variant(answer) => answer,
            _ => return Err($crate::http::error::ApiError::another_answer()),
        }
    };
}
pub(super) use submit;

/// A time, in ISO 8601 with its microseconds, be they zero: texts of one length, in the order of time.
#[derive(Clone, Copy)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// An amount: a JSON number with the currency's decimals, `500.00`, whose text is kept on its way.
#[derive(Clone, Copy)]
pub struct Amount(pub Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number: Number = self.0.to_string().parse().map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "number", "description": "An amount in major units, with its currency's decimals: `500.00`, `1200`" })
    }
}

/// The most rows of a page.
const PAGE_MAX: i64 = 1_000;
/// The rows of a page where the caller does not say.
const PAGE_DEFAULT: u32 = 100;

/// How many rows of a list.
pub type Limit = Int<1, PAGE_MAX>;

/// The page that a query asks for.
#[must_use]
pub fn page(limit: Option<Limit>, after_id: Option<Id>) -> Page {
    let limit = limit.and_then(|limit| u32::try_from(limit.0).ok()).unwrap_or(PAGE_DEFAULT);
    Page { limit, after_id: after_id.map(|id| id.0) }
}

/// A list: a bare array, with a link to the next page when this one is full.
pub fn list<T: Serialize>(uri: &Uri, page: Page, rows: &[T], id: impl Fn(&T) -> i64) -> Rows<T> {
    let last = rows.last().filter(|_| u32::try_from(rows.len()).is_ok_and(|len| len >= page.limit));
    let link = last.and_then(|row| HeaderValue::try_from(next_link(uri, id(row))).ok());
    let response = match link {
        Some(link) => ([(LINK, link)], Json(rows)).into_response(),
        None => Json(rows).into_response(),
    };
    Rows { response, of: PhantomData }
}

fn next_link(uri: &Uri, after_id: i64) -> String {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after_id="));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("after_id={after_id}")]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::currency::Currency;

    #[test]
    fn amounts_keep_their_decimals() {
        let text = |minor, code| {
            let amount = Amount(Money::new(minor, Currency::parse(code).unwrap()));
            (serde_json::to_string(&amount).unwrap(), serde_json::to_value(amount).unwrap().to_string())
        };
        for (minor, code, expected) in [
            (50_000, "USD", "500.00"),
            (1_200, "RWF", "1200"),
            (1, "KWD", "0.001"),
            (-5, "USD", "-0.05"),
            (i64::MAX, "USD", "92233720368547758.07"),
        ] {
            assert_eq!(text(minor, code), (expected.to_owned(), expected.to_owned()));
        }
    }

    #[test]
    fn a_full_page_links_to_the_next() {
        let uri = Uri::from_static("/v1/parties/list?limit=2&after_id=9&fullname=a%20b");
        let page = page(Some(Int(2)), Some(Id(9)));
        let list = |rows: &[i64]| list(&uri, page, rows, |id| *id).into_response();
        let full = list(&[8, 7]);
        assert_eq!(full.headers()[LINK], "</v1/parties/list?limit=2&fullname=a%20b&after_id=7>; rel=\"next\"");
        assert!(!list(&[8]).headers().contains_key(LINK));
        assert!(!list(&[]).headers().contains_key(LINK));
    }
}

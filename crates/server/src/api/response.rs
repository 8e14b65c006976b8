//! The shapes of responses, and how a handler gets the output of a command.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::Json;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use domain::kernel::money::Money;
use domain::kernel::time::{MerchantTime, ServerTime};
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Number;

use crate::api::error::ApiError;
use crate::api::fields::{Id, Int, Schemas};
use crate::figures::Total;
use crate::net::response_permits::ResponsePermit;
use store::reads::pages::Page;

pub type JsonResult<T> = Result<Json<T>, ApiError>;

pub type ListResult<T> = Result<JsonList<T>, ApiError>;

/// A page of a list, already serialized; `T` is the type of its rows.
pub struct JsonList<T> {
    response: Response,
    of: PhantomData<fn() -> T>,
}

impl<T> JsonList<T> {
    #[must_use]
    pub const fn new(response: Response) -> Self {
        Self { response, of: PhantomData }
    }
}

impl<T> IntoResponse for JsonList<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

/// An already serialized object with all its parts, which may be large.
pub struct LargeJson<T> {
    response: Response,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize> LargeJson<T> {
    /// Serializes the object. A large body keeps the merchant's `permit` until it is sent.
    ///
    /// # Errors
    /// [`ApiError`] when it cannot be serialized.
    pub fn new(permit: ResponsePermit, thing: &T) -> Result<Self, ApiError> {
        let mut text =
            serde_json::to_vec(thing).map_err(|error| ApiError::internal(error.to_string()))?;
        text.push(b'\n');
        let mut response = Response::new(Body::from(permit.attach_if_large(text)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { response, of: PhantomData })
    }
}

impl<T> IntoResponse for LargeJson<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

/// An SVG image.
pub struct Svg(pub String);

impl IntoResponse for Svg {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, HeaderValue::from_static(SVG))], self.0).into_response()
    }
}

/// The media type of SVG images.
pub const SVG: &str = "image/svg+xml";

/// A time in ISO 8601, always with six decimals of a second: all texts have one length and sort by
/// time.
#[derive(Clone, Copy)]
pub struct Time(MerchantTime);

impl From<MerchantTime> for Time {
    fn from(time: MerchantTime) -> Self {
        Self(time)
    }
}

impl From<ServerTime> for Time {
    fn from(ServerTime(micros): ServerTime) -> Self {
        // In a document a time is a text, whichever clock it is from.
        Self(MerchantTime(micros))
    }
}

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

/// An amount: a JSON number with the currency's decimals, `500.00`. It is written from its exact
/// text, never through a float.
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
        // Without the format generators for Go and others take four bytes, which do not hold an
        // amount.
        json_schema!({
            "type": "number", "format": "double",
            "description": "An amount in major units, with its currency's decimals: `500.00`, `1200`",
        })
    }
}

/// A sum of amounts, written like one.
#[derive(Clone, Copy)]
pub struct TotalAmount(pub Total);

impl Serialize for TotalAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number: Number = self.0.to_string().parse().map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl JsonSchema for TotalAmount {
    fn schema_name() -> Cow<'static, str> {
        Amount::schema_name()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        Amount::json_schema(schemas)
    }
}

const PAGE_MAX: i64 = 1_000;
const PAGE_DEFAULT: u32 = 100;

/// The maximum number of rows in a page.
pub type Limit = Int<1, PAGE_MAX>;

#[must_use]
pub fn page(limit: Option<Limit>, after_id: Option<Id>) -> Page {
    let limit = limit.and_then(|limit| u32::try_from(limit.0).ok()).unwrap_or(PAGE_DEFAULT);
    Page { limit, after_id: after_id.map(|id| id.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::currency::Currency;

    #[test]
    fn amounts_keep_their_decimals() {
        let text = |minor, code| {
            let amount = Amount(Money::new(minor, Currency::parse(code).unwrap()));
            (
                serde_json::to_string(&amount).unwrap(),
                serde_json::to_value(amount).unwrap().to_string(),
            )
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
}

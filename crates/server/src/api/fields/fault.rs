//! Faults of a request, with the messages and types of pydantic v1: clients of the public API match
//! on these texts.

use std::borrow::Cow;

use domain::kernel::refusal::Refusal;
use networks::webhooks::url::UrlRefused;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::api::refusals;

/// One element of a fault's location (`loc`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The name of a field, or `body`, `query`.
    Name(&'static str),
    /// A position in a list or text, from zero.
    Index(usize),
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Index(index) => index.serialize(serializer),
        }
    }
}

/// The digits of a phone number.
const PHONE: &str = r"^[1-9]\d{7,14}$";

/// What is wrong with a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// It is not there.
    Missing,
    /// `null` in a list.
    NoneNotAllowed,
    /// Not an integer.
    NotInteger,
    /// Not a number.
    NotFloat,
    /// Not a truth value.
    NotBool,
    /// Not a text.
    NotStr,
    /// Not an ISO 8601 time.
    NotDatetime,
    /// Not a list.
    NotList,
    /// Not an object.
    NotDict,
    /// Not one of these names.
    NotEnum(Vec<String>),
    /// A text of fewer characters.
    TooShort(usize),
    /// A text of more characters.
    TooLong(usize),
    /// A list of fewer items.
    TooFewItems(usize),
    /// A list of more items.
    TooManyItems(usize),
    /// Not greater than this.
    NotGreater(i64),
    /// Less than this.
    NotAtLeast(i64),
    /// More than this.
    NotAtMost(i64),
    /// More decimals than this.
    TooManyDecimals(u32),
    /// It does not match this pattern.
    Pattern(&'static str),
    /// Not the digits of a phone number.
    NotPhone,
    /// A text with control characters.
    ControlCharacter,
    /// Not an email address.
    NotEmail,
    /// Not a UUID of version 4.
    NotUuid,
    /// Three letters that ISO 4217 does not list.
    NotCurrency,
    /// Letters of no country of ISO 3166.
    NotCountry,
    /// None or several of these fields, of which exactly one is required.
    NotOneOf(&'static str),
    /// The body is not JSON.
    NotJson {
        /// Why, with the place.
        msg: String,
        /// The line, from one.
        line: usize,
        /// The column, from one.
        column: usize,
    },
    /// An id of nothing that this merchant has; with its article, what it should be the id of.
    UnknownId(&'static str),
    /// Webhooks are not sent there.
    EndpointUrl(UrlRefused),
    /// The decision refuses it.
    Refused(Refusal),
    /// Faults inside an object or list.
    Inside(Vec<Fault>),
}

impl FaultKind {
    /// None of these names.
    pub fn not_enum<T: ToString>(names: impl IntoIterator<Item = T>) -> Self {
        Self::NotEnum(names.into_iter().map(|name| name.to_string()).collect())
    }

    /// The message (`msg`).
    #[must_use]
    pub fn msg(&self) -> String {
        match self {
            Self::Missing => "field required".to_owned(),
            Self::NoneNotAllowed => "none is not an allowed value".to_owned(),
            Self::NotInteger => "value is not a valid integer".to_owned(),
            Self::NotFloat => "value is not a valid float".to_owned(),
            Self::NotBool => "value could not be parsed to a boolean".to_owned(),
            Self::NotStr => "str type expected".to_owned(),
            Self::NotDatetime => "invalid datetime format".to_owned(),
            Self::NotList => "value is not a valid list".to_owned(),
            Self::NotDict => "value is not a valid dict".to_owned(),
            Self::NotEnum(names) => {
                format!(
                    "value is not a valid enumeration member; permitted: '{}'",
                    names.join("', '")
                )
            }
            Self::TooShort(n) => format!("ensure this value has at least {n} characters"),
            Self::TooLong(n) => format!("ensure this value has at most {n} characters"),
            Self::TooFewItems(n) => format!("ensure this value has at least {n} items"),
            Self::TooManyItems(n) => format!("ensure this value has at most {n} items"),
            Self::NotGreater(n) => format!("ensure this value is greater than {n}"),
            Self::NotAtLeast(n) => format!("ensure this value is greater than or equal to {n}"),
            Self::NotAtMost(n) => format!("ensure this value is less than or equal to {n}"),
            Self::TooManyDecimals(n) => {
                format!("ensure that there are no more than {n} decimal places")
            }
            Self::Pattern(pattern) => format!("string does not match regex \"{pattern}\""),
            Self::NotPhone => {
                format!(
                    "string does not match regex \"{PHONE}\": digits with the country code, such as 231770000001"
                )
            }
            Self::ControlCharacter => "control characters are not allowed".to_owned(),
            Self::NotEmail => "value is not a valid email address".to_owned(),
            Self::NotUuid => "invalid uuid".to_owned(),
            Self::NotCurrency => "not a currency of ISO 4217".to_owned(),
            Self::NotCountry => "not a country of ISO 3166: two letters or three".to_owned(),
            Self::NotOneOf(fields) => format!("exactly one of these fields is required: {fields}"),
            Self::NotJson { msg, .. } => msg.clone(),
            Self::UnknownId(what) => format!("not the id of {what} of this merchant"),
            Self::EndpointUrl(refused) => refused.to_string(),
            Self::Refused(refusal) => refusals::message(refusal),
            Self::Inside(_) => String::new(),
        }
    }

    /// The machine-readable type (`type`).
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "value_error.missing",
            Self::NoneNotAllowed => "type_error.none.not_allowed",
            Self::NotInteger => "type_error.integer",
            Self::NotFloat => "type_error.float",
            Self::NotBool => "type_error.bool",
            Self::NotStr => "type_error.str",
            Self::NotDatetime => "value_error.datetime",
            Self::NotList => "type_error.list",
            Self::NotDict => "type_error.dict",
            Self::NotEnum(_) => "type_error.enum",
            Self::TooShort(_) => "value_error.any_str.min_length",
            Self::TooLong(_) => "value_error.any_str.max_length",
            Self::TooFewItems(_) => "value_error.list.min_items",
            Self::TooManyItems(_) => "value_error.list.max_items",
            Self::NotGreater(_) => "value_error.number.not_gt",
            Self::NotAtLeast(_) => "value_error.number.not_ge",
            Self::NotAtMost(_) => "value_error.number.not_le",
            Self::TooManyDecimals(_) => "value_error.decimal.max_places",
            Self::Pattern(_) | Self::NotPhone => "value_error.str.regex",
            Self::ControlCharacter => "value_error.str.control",
            Self::NotEmail => "value_error.email",
            Self::NotUuid => "value_error.uuid",
            Self::NotCurrency => "value_error.currency",
            Self::NotCountry => "value_error.country",
            Self::NotOneOf(_) => "value_error.one_of",
            Self::NotJson { .. } => "value_error.jsondecode",
            Self::UnknownId(_) => "value_error.not_found",
            Self::EndpointUrl(_) => "value_error.url",
            Self::Refused(refusal) => refusals::error_type(refusal),
            Self::Inside(_) => "value_error",
        }
    }

    /// The limits behind the message, where pydantic gives them. Never the value that the client
    /// sent: it may be a secret.
    fn ctx(&self) -> Option<Value> {
        match self {
            Self::NotEnum(names) => Some(json!({ "enum_values": names })),
            Self::TooShort(n) | Self::TooLong(n) | Self::TooFewItems(n) | Self::TooManyItems(n) => {
                Some(json!({ "limit_value": n }))
            }
            Self::NotGreater(n) | Self::NotAtLeast(n) | Self::NotAtMost(n) => {
                Some(json!({ "limit_value": n }))
            }
            Self::TooManyDecimals(n) => Some(json!({ "decimal_places": n })),
            Self::Pattern(pattern) => Some(json!({ "pattern": pattern })),
            Self::NotPhone => Some(json!({ "pattern": PHONE })),
            Self::NotJson { line, column, .. } => Some(json!({ "lineno": line, "colno": column })),
            _ => None,
        }
    }
}

impl JsonSchema for Fault {
    fn schema_name() -> Cow<'static, str> {
        "ValidationError".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "loc": {
                    "type": "array", "items": {},
                    "description": "The way to the field, of names and of places in a list: `body`, `items`, 0, `name`",
                },
                "msg": { "type": "string", "description": "What is wrong" },
                "type": { "type": "string", "description": "The same for a machine: `value_error.missing`" },
                "ctx": { "type": "object", "description": "The limits behind the message" },
            },
            "required": ["loc", "msg", "type"],
        })
    }
}

/// A fault of a request and its location.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its location: `body`, `items`, `0`, `name`.
    pub loc: Vec<Part>,
    pub kind: FaultKind,
}

impl Fault {
    #[must_use]
    pub fn at(loc: &[Part], kind: FaultKind) -> Self {
        Self { loc: loc.to_vec(), kind }
    }

    /// This fault with `part` in front of its location.
    #[must_use]
    pub fn under(mut self, part: Part) -> Self {
        self.loc.insert(0, part);
        self
    }

    /// The faults that `kind` at `part` stands for: one, or those of the object or list inside.
    #[must_use]
    pub fn spread(part: Part, kind: FaultKind) -> Vec<Self> {
        match kind {
            FaultKind::Inside(faults) => {
                faults.into_iter().map(|fault| fault.under(part)).collect()
            }
            kind => vec![Self::at(&[part], kind)],
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("loc", &self.loc)?;
        map.serialize_entry("msg", &self.kind.msg())?;
        map.serialize_entry("type", self.kind.kind())?;
        if let Some(ctx) = self.kind.ctx() {
            map.serialize_entry("ctx", &ctx)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: FaultKind) -> String {
        serde_json::to_string(&Fault::at(&[Part::Name("body"), Part::Name("x")], kind)).unwrap()
    }

    #[test]
    fn faults_are_written_as_pydantic_v1_writes_them() {
        assert_eq!(
            text(FaultKind::Missing),
            r#"{"loc":["body","x"],"msg":"field required","type":"value_error.missing"}"#
        );
        assert_eq!(
            text(FaultKind::not_enum(["INVOICE", "ORDER"])),
            r#"{"loc":["body","x"],"msg":"value is not a valid enumeration member; permitted: 'INVOICE', 'ORDER'","type":"type_error.enum","ctx":{"enum_values":["INVOICE","ORDER"]}}"#
        );
        assert_eq!(
            text(FaultKind::NotGreater(0)),
            r#"{"loc":["body","x"],"msg":"ensure this value is greater than 0","type":"value_error.number.not_gt","ctx":{"limit_value":0}}"#
        );
        assert_eq!(
            text(FaultKind::TooManyDecimals(2)),
            r#"{"loc":["body","x"],"msg":"ensure that there are no more than 2 decimal places","type":"value_error.decimal.max_places","ctx":{"decimal_places":2}}"#
        );
    }

    #[test]
    fn faults_inside_are_spread_with_their_way() {
        let inside = FaultKind::Inside(vec![Fault::at(
            &[Part::Index(0), Part::Name("name")],
            FaultKind::Missing,
        )]);
        let spread = Fault::spread(Part::Name("items"), inside);
        assert_eq!(spread.len(), 1);
        assert_eq!(spread[0].loc, [Part::Name("items"), Part::Index(0), Part::Name("name")]);
    }
}

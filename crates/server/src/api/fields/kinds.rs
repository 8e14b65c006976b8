//! The types of request fields: what each accepts, and its fault for anything else.

use std::borrow::Cow;

use domain::api_enum;
use domain::decision::settings::check_expiry;
use domain::kernel::currency::Currency;
use domain::kernel::money::{AmountFault, Decimal, MAX_MINOR, Money};
use domain::kernel::phone::is_phone;
use domain::kernel::time::{MerchantTime, ServerTime, is_at_the_end};
use domain::kernel::uuids::ReferenceId;
use domain::sales::source::SourceType;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value;
use uuid::{Uuid, Variant, Version};

use crate::api::fields::{
    ApiName, Code, Fault, FaultKind, Field, Fields, FromValue, Name, Part, ReadContext, Schemas,
};

/// An integer, as a JSON number or a string of digits; never `true`. Languages with one number type
/// write an integer as `55.0`, so decimals that are all zeros are accepted.
fn integer(value: &Value) -> Result<i64, FaultKind> {
    let text = match value {
        Value::Number(number) => without_zero_decimals(number.as_str()),
        Value::String(text) => text.trim(),
        _ => return Err(FaultKind::NotInteger),
    };
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FaultKind::NotInteger);
    }
    let beyond =
        if negative { FaultKind::NotAtLeast(i64::MIN) } else { FaultKind::NotAtMost(i64::MAX) };
    text.parse().map_err(|_| beyond)
}

/// A number without its decimals, if they are all zeros.
fn without_zero_decimals(number: &str) -> &str {
    number
        .split_once('.')
        .filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0'))
        .map_or(number, |(integer, _)| integer)
}

pub(crate) fn string(value: &Value) -> Result<&str, FaultKind> {
    value.as_str().ok_or(FaultKind::NotStr)
}

/// An id: an integer above zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id(pub i64);

impl FromValue for Id {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let id = integer(value)?;
        if id > 0 { Ok(Self(id)) } else { Err(FaultKind::NotGreater(0)) }
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "integer", "format": "int64", "minimum": 1 })
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Int<const MIN: i64, const MAX: i64>(pub i64);

impl<const MIN: i64, const MAX: i64> FromValue for Int<MIN, MAX> {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        match integer(value)? {
            n if n < MIN => Err(FaultKind::NotAtLeast(MIN)),
            n if n > MAX => Err(FaultKind::NotAtMost(MAX)),
            n => Ok(Self(n)),
        }
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "integer", "format": "int64", "minimum": MIN, "maximum": MAX })
    }
}

impl FromValue for bool {
    /// `true`, `false`, and the words for them that pydantic v1 knows.
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let word = match value {
            Value::Bool(word) => return Ok(*word),
            Value::Number(number) => number.as_str().to_owned(),
            Value::String(text) => text.to_ascii_lowercase(),
            _ => return Err(FaultKind::NotBool),
        };
        match word.as_str() {
            "1" | "true" | "t" | "on" | "yes" | "y" => Ok(true),
            "0" | "false" | "f" | "off" | "no" | "n" => Ok(false),
            _ => Err(FaultKind::NotBool),
        }
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

/// Whether a text is `LEN` upper-case letters.
fn is_code<const LEN: usize>(text: &str) -> bool {
    text.len() == LEN && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl FromValue for Currency {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?;
        if !is_code::<3>(text) {
            return Err(FaultKind::Pattern("^[A-Z]{3}$"));
        }
        Self::parse(text).ok_or(FaultKind::NotCurrency)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<Code>()
    }
}

/// A phone number: digits with the country code, no plus sign.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(pub String);

impl FromValue for Phone {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?;
        if is_phone(text) { Ok(Self(text.to_owned())) } else { Err(FaultKind::NotPhone) }
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "minLength": 8, "maxLength": 15, "pattern": "^[1-9][0-9]{7,14}$" })
    }
}

/// An email address without quotes or comments. The check is light: only a delivered message
/// proves an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(pub String);

impl Email {
    fn is_user(text: &str) -> bool {
        let known =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
        text.len() <= 64 && text.split('.').all(|word| !word.is_empty() && word.bytes().all(known))
    }

    fn is_host(text: &str) -> bool {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        text.contains('.') && text.split('.').all(label)
    }
}

impl FromValue for Email {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?.trim();
        let fine = text.len() <= 254
            && text
                .split_once('@')
                .is_some_and(|(user, host)| Self::is_user(user) && Self::is_host(host));
        if fine { Ok(Self(text.to_owned())) } else { Err(FaultKind::NotEmail) }
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "format": "email", "maxLength": 254 })
    }
}

/// The schema of an amount in a request.
struct RequestAmount;

impl JsonSchema for RequestAmount {
    fn schema_name() -> Cow<'static, str> {
        "RequestAmount".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({
            "description": "An amount above zero in major units, with at most as many decimals as its currency has. \
                            It is read exactly as it is written. At most 10^15 minor units.",
            "type": "number", "format": "double", "exclusiveMinimum": 0, "maximum": MAX_MINOR,
        })
    }
}

impl FromValue for Decimal {
    /// A number above zero, read from its text: never through a float.
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = match value {
            Value::Number(number) => number.as_str(),
            Value::String(text) => text.as_str(),
            _ => return Err(FaultKind::NotFloat),
        };
        let decimal = Self::parse_any(text).ok_or(FaultKind::NotFloat)?;
        // Any currency will do here: the sign of an amount does not depend on it.
        let zero_or_less = Currency::parse("USD")
            .is_some_and(|any| decimal.to_money(any) == Err(AmountFault::NotPositive));
        if zero_or_less { Err(FaultKind::NotGreater(0)) } else { Ok(decimal) }
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<RequestAmount>()
    }
}

/// An amount that rows are filtered by, in whichever currency.
pub struct FilterAmount(pub Decimal);

impl FromValue for FilterAmount {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let amount = Decimal::read(value)?;
        // No currency has fewer decimals: what is too large in this one is so in each.
        let is_too_large = Currency::parse("RWF")
            .is_some_and(|whole| amount.to_money(whole) == Err(AmountFault::TooLarge));
        if is_too_large { Err(FaultKind::NotAtMost(MAX_MINOR)) } else { Ok(Self(amount)) }
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        <Decimal as FromValue>::schema(schemas)
    }
}

/// An amount of a request in its currency.
///
/// # Errors
/// Why it is none.
pub fn to_money(amount: Decimal, currency: Currency) -> Result<Money, FaultKind> {
    amount.to_money(currency).map_err(|fault| match fault {
        AmountFault::NotPositive => FaultKind::NotGreater(0),
        AmountFault::TooManyDecimals { allowed } => FaultKind::TooManyDecimals(allowed),
        AmountFault::TooLarge => FaultKind::NotAtMost(MAX_MINOR / currency.minor_per_major()),
    })
}

impl Field for Money {
    const REQUIRED: bool = true;

    /// The currency of `amount` is the field `currency`, that of `base_amount` the field
    /// `base_currency`.
    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let currency = fields.peek::<Currency>(&name.replace("amount", "currency"));
        let decimal = Decimal::take(fields, name)?;
        let money = to_money(decimal, currency?);
        fields.record(name, money)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        <Decimal as FromValue>::schema(schemas)
    }
}

impl FromValue for MerchantTime {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        value.as_str().and_then(Self::parse).ok_or(FaultKind::NotDatetime)
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A day, as a date or as a time on it. The date as written counts, whatever its UTC offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Day(pub MerchantTime);

impl FromValue for Day {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        value.as_str().and_then(MerchantTime::parse_day).map(Self).ok_or(FaultKind::NotDatetime)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        <MerchantTime as FromValue>::schema(schemas)
    }
}

/// A calendar month in UTC, by which the days of limits and filters go, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Month {
    /// Its first moment.
    pub begin: ServerTime,
    /// The first moment of the next one.
    pub end: ServerTime,
}

impl Month {
    /// A year of this millennium, or of the last one since 1970: times begin there.
    const PATTERN: &'static str = "^(19[7-9]|2[0-9][0-9])[0-9]-(0[1-9]|1[0-2])$";

    /// Reads a month such as `2026-11`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_digits = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_digits(year, 4) || !is_digits(month, 2) {
            return None;
        }
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        if !(1970..=2999).contains(&year) {
            return None;
        }
        let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        let first = |year, month| ServerTime::parse(&format!("{year:04}-{month:02}-01"));
        Some(Self { begin: first(year, month)?, end: first(next_year, next_month)? })
    }
}

impl FromValue for Month {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        value.as_str().and_then(Self::parse).ok_or(FaultKind::Pattern(Self::PATTERN))
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "pattern": Self::PATTERN })
    }
}

/// When a session expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expiry(pub MerchantTime);

impl FromValue for Expiry {
    /// The end of the calendar may lie beyond what a timestamp can hold: it is read as the latest
    /// time, so that the decision refuses it as too far ahead.
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let far = || value.as_str().is_some_and(is_at_the_end).then_some(MerchantTime(i64::MAX));
        MerchantTime::read(value).or_else(|fault| far().ok_or(fault)).map(Self)
    }

    fn refused_by_decision(&self, context: ReadContext) -> Option<FaultKind> {
        check_expiry(self.0, context.time, context.lifetimes).err().map(FaultKind::Refused)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        <MerchantTime as FromValue>::schema(schemas)
    }
}

/// The idempotency key of an execution: a UUID of version 4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference(pub ReferenceId);

impl FromValue for Reference {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        value
            .as_str()
            .filter(|text| text.len() == 36)
            .and_then(|text| Uuid::parse_str(text).ok())
            .filter(|uuid| {
                uuid.get_version() == Some(Version::Random)
                    && uuid.get_variant() == Variant::RFC4122
            })
            .map(|uuid| Self(ReferenceId(uuid)))
            .ok_or(FaultKind::NotUuid)
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

impl<T: ApiName> FromValue for T {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let member = |text: &str| T::MEMBERS.iter().copied().find(|member| member.text() == text);
        value.as_str().and_then(member).ok_or_else(|| FaultKind::not_enum(T::names()))
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<Name<T>>()
    }
}

api_enum! {
    /// What can be paid, as the public API has it.
    PaymentSource {
        /// An invoice.
        Invoice = "INVOICE",
        /// An order.
        Order = "ORDER",
        /// A subscription: there are none here.
        Subscription = "SUBSCRIPTION",
    }
}
crate::api_names! { PaymentSource }

impl PaymentSource {
    /// The type of source; `None` for subscriptions, which do not exist here.
    #[must_use]
    pub const fn source_type(self) -> Option<SourceType> {
        match self {
            Self::Invoice => Some(SourceType::Invoice),
            Self::Order => Some(SourceType::Order),
            Self::Subscription => None,
        }
    }
}

/// A list of `MIN` to `MAX` items.
pub struct List<T, const MIN: usize, const MAX: usize>(pub Vec<T>);

impl<T: FromValue, const MIN: usize, const MAX: usize> FromValue for List<T, MIN, MAX> {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let values = value.as_array().ok_or(FaultKind::NotList)?;
        if values.len() < MIN {
            return Err(FaultKind::TooFewItems(MIN));
        }
        if values.len() > MAX {
            return Err(FaultKind::TooManyItems(MAX));
        }
        let mut faults = vec![];
        let mut items = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            match if value.is_null() { Err(FaultKind::NoneNotAllowed) } else { T::read(value) } {
                Ok(item) => items.push(item),
                Err(kind) => faults.extend(Fault::spread(Part::Index(index), kind)),
            }
        }
        if faults.is_empty() { Ok(Self(items)) } else { Err(FaultKind::Inside(faults)) }
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        json_schema!({ "type": "array", "minItems": MIN, "maxItems": MAX, "items": T::schema(schemas) })
    }
}

/// A value whose faults are kept, not recorded: the handler reports them only if it needs the
/// value.
pub struct Deferred<T>(pub Result<Option<T>, FaultKind>);

impl<T: FromValue> Field for Deferred<T> {
    const REQUIRED: bool = false;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        Some(Self(fields.get(name).map(T::read).transpose()))
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        T::schema(schemas)
    }
}

/// A field of the published API whose value is ignored.
pub struct Ignored;

impl FromValue for Ignored {
    fn read(_: &Value) -> Result<Self, FaultKind> {
        Ok(Self)
    }

    /// A string is what callers send there.
    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests;

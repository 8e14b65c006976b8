//! What fields can be: each type with what it accepts and what it answers to anything else.

use domain::currency::Currency;
use domain::event::{EventType, Subject};
use domain::execution::ExecutionStatus;
use domain::money::{AmountFault, Decimal, MAX_MINOR, Money};
use domain::names::{FeeBearer, Method, Operation, Provider};
use domain::party::Relationship;
use domain::session::{SessionKind, check_expiry};
use domain::source::{SourceStatus, SourceType};
use domain::time::Timestamp;
use serde_json::Value;
use uuid::{Uuid, Variant, Version};

use super::{FaultKind, Field, Fields, Foresight, FromValue, Part};
use crate::http::fields::Fault;

/// A whole number, as a JSON integer or a string of digits; never `55.0` or `true`.
fn integer(value: &Value) -> Result<i64, FaultKind> {
    let text = match value {
        Value::Number(number) => number.as_str(),
        Value::String(text) => text.trim(),
        _ => return Err(FaultKind::NotInteger),
    };
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FaultKind::NotInteger);
    }
    let beyond = if negative { FaultKind::NotAtLeast(i64::MIN) } else { FaultKind::NotAtMost(i64::MAX) };
    text.parse().map_err(|_| beyond)
}

fn string(value: &Value) -> Result<&str, FaultKind> {
    value.as_str().ok_or(FaultKind::NotStr)
}

/// The id of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id(pub i64);

impl FromValue for Id {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let id = integer(value)?;
        if id > 0 { Ok(Self(id)) } else { Err(FaultKind::NotGreater(0)) }
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
}

/// A text of `MIN` to `MAX` characters, without the blanks around it and without control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<const MAX: usize, const MIN: usize = 1>(pub String);

impl<const MAX: usize, const MIN: usize> FromValue for Text<MAX, MIN> {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?.trim();
        if text.chars().take(MIN).count() < MIN {
            Err(FaultKind::TooShort(MIN))
        } else if text.chars().nth(MAX).is_some() {
            Err(FaultKind::TooLong(MAX))
        } else if text.chars().any(char::is_control) {
            Err(FaultKind::ControlCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
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
}

/// A country: two letters of ISO 3166.
#[derive(Clone, PartialEq, Eq)]
pub struct CountryCode(pub String);

impl FromValue for CountryCode {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?;
        if is_code::<2>(text) { Ok(Self(text.to_owned())) } else { Err(FaultKind::Pattern("^[A-Z]{2}$")) }
    }
}

/// A phone number: digits with the country code, no plus sign.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(pub String);

impl FromValue for Phone {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?;
        let digits = (8..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits && !text.starts_with('0') { Ok(Self(text.to_owned())) } else { Err(FaultKind::Pattern(r"^[1-9]\d{7,14}$")) }
    }
}

/// An email address. The check is light: only a letter that arrives proves one.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(pub String);

impl FromValue for Email {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = string(value)?.trim();
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
        let fine = text.len() <= 254
            && text.split_once('@').is_some_and(|(user, host)| {
                !user.is_empty()
                    && user.chars().all(plain)
                    && host.chars().all(plain)
                    && host.contains('.')
                    && host.split('.').all(|label| !label.is_empty())
            });
        if fine { Ok(Self(text.to_owned())) } else { Err(FaultKind::NotEmail) }
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
        let decimal = Self::parse(text).ok_or(FaultKind::NotFloat)?;
        // Whether it is above zero is the same in every currency.
        let zero_or_less = Currency::parse("USD").is_some_and(|any| decimal.to_money(any) == Err(AmountFault::NotPositive));
        if zero_or_less { Err(FaultKind::NotGreater(0)) } else { Ok(decimal) }
    }
}

impl Field for Money {
    const REQUIRED: bool = true;

    /// The currency of `amount` is the field `currency`, that of `base_amount` the field `base_currency`.
    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let currency = fields.peek::<Currency>(&name.replace("amount", "currency"));
        let decimal = Decimal::take(fields, name)?;
        let money = decimal.to_money(currency?).map_err(|fault| match fault {
            AmountFault::NotPositive => FaultKind::NotGreater(0),
            AmountFault::TooManyDecimals { allowed } => FaultKind::TooManyDecimals(allowed),
            AmountFault::TooLarge => FaultKind::NotAtMost(MAX_MINOR / currency.map_or(1, |c| c.minor_per_major())),
        });
        fields.note(name, money)
    }
}

impl FromValue for Timestamp {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        value.as_str().and_then(Self::parse).ok_or(FaultKind::NotDatetime)
    }
}

/// When a session expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expiry(pub Timestamp);

impl FromValue for Expiry {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        Timestamp::read(value).map(Self)
    }

    fn foresee(&self, foresight: Foresight) -> Option<FaultKind> {
        check_expiry(self.0, foresight.time, foresight.lifetimes).err().map(FaultKind::Refused)
    }
}

/// The caller's key of an execution: a UUID of version 4, in lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference(pub String);

impl FromValue for Reference {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        value
            .as_str()
            .filter(|text| text.len() == 36)
            .and_then(|text| Uuid::parse_str(text).ok())
            .filter(|uuid| uuid.get_version() == Some(Version::Random) && uuid.get_variant() == Variant::RFC4122)
            .map(|uuid| Self(uuid.to_string()))
            .ok_or(FaultKind::NotUuid)
    }
}

macro_rules! enums { ($($name:ty)*) => {$(
    impl FromValue for $name {
        fn read(value: &Value) -> Result<Self, FaultKind> {
            let known = value.as_str().and_then(Self::parse);
            known.ok_or_else(|| FaultKind::NotEnum(Self::ALL.iter().map(|member| member.as_str()).collect()))
        }
    }
)*}}
enums! { EventType ExecutionStatus FeeBearer Method Operation Provider Relationship SessionKind SourceStatus SourceType Subject }

/// The network of a payment account, by its own name or, for mobile money, by that of the field `method`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network(pub Provider);

impl Network {
    fn of(value: &Value, methods: &[Method]) -> Result<Self, FaultKind> {
        let text = value.as_str().unwrap_or_default();
        let found = methods.iter().find_map(|method| method.network(text)).map(Self);
        found.ok_or_else(|| {
            let networks = Provider::ALL.iter().map(|provider| provider.as_str());
            let mobile = methods.iter().filter(|method| method.is_mobile_money()).map(|method| method.as_str());
            FaultKind::NotEnum(networks.chain(mobile).collect())
        })
    }
}

impl Field for Network {
    const REQUIRED: bool = true;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let method = fields.peek::<Method>("method");
        // Without a method that is right, a name that would do for any is no fault.
        let methods = method.as_ref().map_or(Method::ALL, std::slice::from_ref);
        let network = fields.get(name).ok_or(FaultKind::Missing).and_then(|value| Self::of(value, methods));
        fields.note(name, network)
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
}

/// A value where it is well formed; a malformed one counts as not given.
pub struct Given<T>(pub Option<T>);

impl<T: FromValue> Field for Given<T> {
    const REQUIRED: bool = false;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        Some(Self(fields.peek(name)))
    }
}

/// Part of the published shape, whatever it says: nothing here decides by it.
pub struct Anything;

impl FromValue for Anything {
    fn read(_: &Value) -> Result<Self, FaultKind> {
        Ok(Self)
    }
}

#[cfg(test)]
mod tests;

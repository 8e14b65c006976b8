//! Validation of requests: payloads declared as structs of typed fields.
//!
//! [`payload!`](crate::payload) declares a payload. The types of its fields say what is accepted.
//! All faults of a request are collected, in the order of declaration, so that a client sees all of
//! them at once.

pub(crate) mod fault;
pub(crate) mod kinds;
pub(crate) mod method;
pub(crate) mod network;
pub(crate) mod schema;
pub(crate) mod text;

pub use fault::{Fault, FaultKind, Part};
pub use kinds::{
    Day, Deferred, Email, Expiry, FilterAmount, Id, Ignored, Int, List, Month, PaymentSource,
    Phone, Reference, to_money,
};
pub use network::{AccountNetwork, Network};
pub use schema::{
    ApiName, Code, FieldSchema, Name, NeverNull, Schemas, nullable, object, one_object,
};
pub(crate) use text::is_refused_in_line;
pub use text::{Lines, NameFault, Note, OptionalCountry, Secret, Text, hidden_in_text, typed_name};

use domain::decision::settings::Lifetimes;
use domain::kernel::names::Method;
use domain::kernel::patch::Patch;
use domain::kernel::time::MerchantTime;
use domain::tariff::Tariff;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

/// What is known about the caller while its request is validated.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext {
    /// The merchant's time.
    pub time: MerchantTime,
    /// The permitted lifetimes of sessions.
    pub lifetimes: Lifetimes,
}

/// The fields of an object of a request, and the faults found in them.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    context: Option<ReadContext>,
    /// What says which methods there are; `None` for those that are shipped.
    tariff: Option<&'a Tariff>,
    faults: Vec<Fault>,
}

impl Fields<'_> {
    /// The value of a field; an explicit `null` counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is an explicit `null`.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    /// The value of another field, if it is valid. Its faults are recorded when it is read itself.
    #[must_use]
    pub fn peek<T: FromValue>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|value| T::read(value).ok())
    }

    /// The methods that may be named.
    #[must_use]
    pub fn methods(&self) -> Vec<Method> {
        self.tariff.map_or_else(|| Method::SHIPPED.to_vec(), Tariff::methods)
    }

    /// Returns the value, or records the fault of the field.
    pub fn record<T>(&mut self, name: &'static str, result: Result<T, FaultKind>) -> Option<T> {
        result.map_err(|kind| self.faults.extend(Fault::spread(Part::Name(name), kind))).ok()
    }
}

/// A type that a single JSON value can be read as.
pub trait FromValue: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(value: &Value) -> Result<Self, FaultKind>;

    /// Why the decision would refuse the value. It is recorded only beside other faults of the
    /// request: if it is the only one, the decision reports it, with everything else it refuses.
    fn refused_by_decision(&self, context: ReadContext) -> Option<FaultKind> {
        let _ = context;
        None
    }

    /// The schema in the OpenAPI document.
    fn schema(schemas: &mut Schemas) -> Schema;
}

/// A type that a field of a payload can have.
pub trait Field: Sized {
    /// Whether absence is a fault.
    const REQUIRED: bool;

    /// Reads the field; `None` when a fault was recorded.
    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self>;

    /// The schema in the OpenAPI document.
    fn schema(schemas: &mut Schemas) -> Schema;
}

impl<T: FromValue> Field for T {
    const REQUIRED: bool = true;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let result = fields.get(name).ok_or(FaultKind::Missing).and_then(T::read);
        let value = fields.record(name, result)?;
        if let Some(kind) = fields.context.and_then(|context| value.refused_by_decision(context)) {
            fields.record::<()>(name, Err(kind));
        }
        Some(value)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        T::schema(schemas)
    }
}

impl<T: Field> Field for Option<T> {
    const REQUIRED: bool = false;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        if fields.get(name).is_none() { Some(None) } else { T::take(fields, name).map(Some) }
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        nullable(T::schema(schemas))
    }
}

impl<T: Field> Field for Patch<T> {
    const REQUIRED: bool = false;

    /// In an update, an absent field stays as it is and `null` clears it.
    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        if fields.is_null(name) {
            return Some(Self::Clear);
        }
        let given = <Option<T> as Field>::take(fields, name)?;
        Some(given.map_or(Self::Keep, Self::Set))
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        nullable(T::schema(schemas))
    }
}

/// The body or query of a request.
pub trait Payload: Sized + JsonSchema {
    /// Reads all fields; `None` when a fault was recorded.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// Reads the payload of an object.
///
/// # Errors
/// Every fault, in the order of declaration.
pub fn read<P: Payload>(
    object: &Map<String, Value>,
    context: Option<ReadContext>,
) -> Result<P, Vec<Fault>> {
    let mut fields = Fields { object, context, tariff: None, faults: vec![] };
    P::read(&mut fields).ok_or(fields.faults)
}

/// Like [`read`], where the methods of the tariff may be named.
///
/// # Errors
/// Every fault, in the order of declaration.
pub fn read_with<P: Payload>(
    object: &Map<String, Value>,
    context: Option<ReadContext>,
    tariff: &Tariff,
) -> Result<P, Vec<Fault>> {
    let mut fields = Fields { object, context, tariff: Some(tariff), faults: vec![] };
    P::read(&mut fields).ok_or(fields.faults)
}

/// The name of a field without the prefix of a raw identifier: `r#type` is `type`.
#[must_use]
pub fn field_name(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// Declares a payload: a struct whose fields are read, and described, by their names, types and
/// comments.
#[macro_export]
macro_rules! payload {
    ($($(#[doc = $doc:literal])* $vis:vis struct $name:ident {
        $($(#[doc = $field_doc:literal])* $field:ident: $ty:ty),* $(,)?
    })*) => {$(
        $(#[doc = $doc])*
        $vis struct $name { $($(#[doc = $field_doc])* pub $field: $ty),* }

        impl $crate::api::fields::Payload for $name {
            fn read(fields: &mut $crate::api::fields::Fields<'_>) -> Option<Self> {
                // All fields are read before the first `?`, so that every fault is recorded.
                $(let $field = <$ty as $crate::api::fields::Field>::take(
                    fields,
                    $crate::api::fields::field_name(stringify!($field)),
                );)*
                Some(Self { $($field: $field?),* })
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(schemas: &mut $crate::api::fields::Schemas) -> schemars::Schema {
                $crate::api::fields::object(concat!($($doc),*), [$($crate::api::fields::FieldSchema {
                    name: $crate::api::fields::field_name(stringify!($field)),
                    doc: concat!($($field_doc),*),
                    required: <$ty as $crate::api::fields::Field>::REQUIRED,
                    schema: <$ty as $crate::api::fields::Field>::schema(schemas),
                }),*])
            }
        }

        impl $crate::api::fields::FromValue for $name {
            fn read(value: &serde_json::Value) -> Result<Self, $crate::api::fields::FaultKind> {
                let object = value.as_object().ok_or($crate::api::fields::FaultKind::NotDict)?;
                $crate::api::fields::read(object, None).map_err($crate::api::fields::FaultKind::Inside)
            }

            fn schema(schemas: &mut $crate::api::fields::Schemas) -> schemars::Schema {
                schemas.subschema_for::<Self>()
            }
        }
    )*};
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::currency::Currency;
    use domain::kernel::money::Money;
    use domain::kernel::names::FeeBearer;
    use domain::kernel::time::seconds;
    use serde_json::json;

    payload! {
        struct Line { name: Text<5>, qty: Option<Int<1, 9>> }
        struct Sample {
            id: Id,
            amount: Money,
            currency: Currency,
            fee_bearer: Option<FeeBearer>,
            items: Option<List<Line, 1, 2>>,
            expires_at: Option<Expiry>,
        }
    }

    fn faults_of(value: &Value, context: Option<ReadContext>) -> Vec<String> {
        let faults = read::<Sample>(value.as_object().unwrap(), context)
            .map(|_| vec![])
            .unwrap_or_else(|faults| faults);
        let text = |part: &Part| match part {
            Part::Name(name) => (*name).to_owned(),
            Part::Index(index) => index.to_string(),
        };
        let line = |f: &Fault| {
            format!("{} {}", f.loc.iter().map(text).collect::<Vec<_>>().join("."), f.kind.kind())
        };
        faults.iter().map(line).collect()
    }

    #[test]
    fn every_fault_is_found_in_the_order_of_declaration() {
        let value = json!({
            "fee_bearer": "ME", "currency": "usd", "id": "x", "unknown": 1,
            "items": [{"name": "abc", "qty": 0}, {"qty": 1}],
        });
        assert_eq!(
            faults_of(&value, None),
            [
                "id type_error.integer",
                "amount value_error.missing",
                "currency value_error.str.regex",
                "fee_bearer type_error.enum",
                "items.0.qty value_error.number.not_ge",
                "items.1.name value_error.missing",
            ]
        );
        assert_eq!(
            faults_of(
                &json!({"id": null, "amount": 1, "currency": "USD", "fee_bearer": null}),
                None
            ),
            ["id value_error.missing"]
        );
    }

    #[test]
    fn what_is_right_is_read() {
        let value =
            json!({"id": "55", "amount": "5e2", "currency": "USD", "items": [{"name": " abc "}]});
        let sample = read::<Sample>(value.as_object().unwrap(), None).ok().unwrap();
        assert_eq!((sample.id.0, sample.amount.minor, sample.currency.code()), (55, 50_000, "USD"));
        assert!(sample.fee_bearer.is_none() && sample.expires_at.is_none());
        let lines = sample.items.unwrap().0;
        assert_eq!((lines[0].name.0.as_str(), lines[0].qty), ("abc", None));
    }

    #[test]
    fn an_expiry_in_the_past_is_told_beside_other_faults_and_otherwise_left_to_the_decision() {
        let time = MerchantTime::parse("2026-11-22T12:00:00Z").unwrap();
        let context = Some(ReadContext { time, lifetimes: Lifetimes::default() });
        let mut value =
            json!({"id": 1, "amount": 1, "currency": "USD", "expires_at": "2025-06-15T18:00:00Z"});
        assert!(faults_of(&value, context).is_empty());
        value["id"] = json!(0);
        assert_eq!(
            faults_of(&value, context),
            ["id value_error.number.not_gt", "expires_at value_error.expires_at"]
        );
        value["expires_at"] = json!(time.plus(seconds(1)).to_string());
        assert_eq!(faults_of(&value, context), ["id value_error.number.not_gt"]);
    }

    #[test]
    fn the_amount_is_checked_against_its_currency() {
        let with = |amount: Value, currency: &str| {
            faults_of(&json!({"id": 1, "amount": amount, "currency": currency}), None)
        };
        assert!(with(json!(12.50), "USD").is_empty());
        assert_eq!(with(json!(12.505), "USD"), ["amount value_error.decimal.max_places"]);
        assert_eq!(with(json!("0.5"), "RWF"), ["amount value_error.decimal.max_places"]);
        assert_eq!(with(json!(0), "USD"), ["amount value_error.number.not_gt"]);
        assert_eq!(with(json!("1e14"), "USD"), ["amount value_error.number.not_le"]);
        assert_eq!(
            with(json!(-1), "nix"),
            ["amount value_error.number.not_gt", "currency value_error.str.regex"]
        );
        assert_eq!(with(json!(1), "ABC"), ["currency value_error.currency"]);
    }
}

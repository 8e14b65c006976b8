//! Schemas of the OpenAPI document, and enumerations and currencies in responses.

use std::borrow::Cow;

use domain::decision::event::{ActorKind, EventEntity, EventType};
use domain::directory::merchant::MerchantType;
use domain::directory::party::Relationship;
use domain::directory::roles::Role;
use domain::kernel::currency::Currency;
use domain::kernel::names::{FeeBearer, Operation, Provider};
use domain::ledger::account::Bucket;
use domain::ledger::wallet::{OwnerType, WalletStatus};
use domain::payments::execution::ExecutionStatus;
use domain::payments::session::{SessionKind, SessionStatus};
use domain::sales::source::{SourceStatus, SourceType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// Collects the schemas of the document.
pub type Schemas = SchemaGenerator;

/// The description of one field of a payload.
pub struct FieldSchema {
    pub name: &'static str,
    /// The doc comment of its declaration.
    pub doc: &'static str,
    pub required: bool,
    pub schema: Schema,
}

/// The schema of an object with these fields. Unknown fields are ignored, so that no schema forbids
/// them.
#[must_use]
pub fn object<const N: usize>(doc: &'static str, fields: [FieldSchema; N]) -> Schema {
    let mut properties = Map::new();
    let mut required = vec![];
    for mut field in fields {
        if !field.doc.trim().is_empty() {
            field.schema.insert("description".to_owned(), field.doc.trim().into());
        }
        if field.required {
            required.push(field.name);
        }
        properties.insert(field.name.to_owned(), field.schema.into());
    }
    let mut schema = json_schema!({ "type": "object" });
    if !doc.trim().is_empty() {
        schema.insert("description".to_owned(), doc.trim().into());
    }
    schema.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

/// One object with the fields of all forms. A field is required if all forms require it.
#[must_use]
pub fn one_object(doc: &str, forms: &[Schema]) -> Schema {
    let mut properties = Map::new();
    let mut required: Option<Vec<Value>> = None;
    for form in forms {
        for (name, field) in form.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            properties.entry(name.clone()).or_insert_with(|| field.clone());
        }
        let of_form = form.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        required = Some(match required {
            Some(names) => names.into_iter().filter(|name| of_form.contains(name)).collect(),
            None => of_form,
        });
    }
    json_schema!({ "type": "object", "description": doc, "properties": properties, "required": required })
}

/// The schema, extended by `null`.
#[must_use]
pub fn nullable(mut schema: Schema) -> Schema {
    let nothing = json!({ "type": "null" });
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        if !choices.contains(&nothing) {
            choices.push(nothing);
        }
        return schema;
    }
    if schema.get("$ref").is_some() || schema.get("enum").is_some() {
        return json_schema!({ "anyOf": [schema, nothing] });
    }
    if let Some(Value::String(name)) = schema.get("type").cloned() {
        schema.insert("type".to_owned(), json!([name, "null"]));
    }
    schema
}

/// An enumeration of the API, in requests and responses.
pub trait ApiName: Copy + 'static {
    /// The name of its schema.
    const NAME: &'static str;

    const MEMBERS: &'static [Self];

    fn text(self) -> &'static str;

    fn names() -> Vec<&'static str> {
        Self::MEMBERS.iter().map(|member| member.text()).collect()
    }
}

/// Implements [`ApiName`] for enums. `Enum = "Name"` sets the name of the schema, and `Enum [MEMBERS]`
/// the members that the API has.
#[macro_export]
macro_rules! api_names { ($($name:ident $(= $title:literal)? $([$members:expr])?)*) => {$(
    impl $crate::api::fields::ApiName for $name {
        const NAME: &'static str = [$($title,)? stringify!($name)][0];
        const MEMBERS: &'static [Self] = [$($members,)? Self::ALL][0];

        fn text(self) -> &'static str {
            self.as_str()
        }
    }
)*}}
api_names! {
    Bucket ExecutionStatus FeeBearer MerchantType Operation OwnerType Provider Relationship SessionKind
    SessionStatus SourceStatus SourceType WalletStatus
    ActorKind = "ActorType"
    EventEntity = "Subject" [EventEntity::OF_MERCHANTS]
    EventType [EventType::OF_MERCHANTS]
    Role [Role::OF_MERCHANTS]
}

/// The names of the members in generated clients. They begin with the enumeration's name, because
/// all names of a Go package share one scope.
fn variables<T: ApiName>() -> Vec<String> {
    let word = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        format!("{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase())
    };
    let words = |name: &str| name.split(['_', '.', '-']).map(word).collect::<String>();
    T::names().iter().map(|name| format!("{}{}", T::NAME, words(name))).collect()
}

/// A member of an enumeration in a response.
#[derive(Clone, Copy, Debug)]
pub struct Name<T>(pub T);

impl<T: ApiName> Serialize for Name<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text())
    }
}

impl<T: ApiName> JsonSchema for Name<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "enum": T::names(), "x-enum-varnames": variables::<T>() })
    }
}

/// A currency in a response.
#[derive(Clone, Copy, Debug)]
pub struct Code(pub Currency);

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.code())
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        let codes: Vec<&str> = Currency::codes().collect();
        json_schema!({
            "type": "string", "description": "ISO 4217, three letters", "minLength": 3, "maxLength": 3,
            "pattern": "^[A-Z]{3}$", "enum": codes,
        })
    }
}

/// A field that is optional in the domain type but never null in this response, because every row
/// of this kind has it. Checks of the database guarantee it.
#[derive(Clone, Copy, Debug)]
pub struct NeverNull<T>(pub Option<T>);

impl<T: Serialize> Serialize for NeverNull<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for NeverNull<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fields::{Field, Id, Int, Text};

    fn of<T: Field>() -> Value {
        T::schema(&mut Schemas::default()).into()
    }

    #[test]
    fn what_is_optional_may_be_null() {
        assert_eq!(of::<Option<Int<1, 9>>>()["type"], json!(["integer", "null"]));
        assert_eq!(of::<Option<Text<5>>>()["type"], json!(["string", "null"]));
        let relationship = of::<Option<Relationship>>();
        assert_eq!(relationship["anyOf"][1], json!({ "type": "null" }));
        assert_eq!(of::<Id>()["minimum"], json!(1));
    }

    #[test]
    fn an_object_knows_what_it_needs() {
        let field = |name, required| FieldSchema {
            name,
            doc: " A word.",
            required,
            schema: json_schema!({}),
        };
        let value: Value = object("", [field("a", true), field("b", false)]).into();
        assert_eq!(value["required"], json!(["a"]));
        assert_eq!(value["properties"]["b"]["description"], "A word.");
    }
}

//! A method of payment in requests and responses.

use std::borrow::Cow;

use domain::kernel::names::Method;
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::api::fields::{FaultKind, Field, Fields, Name, Schemas};

/// The one of `methods` that a value names.
///
/// # Errors
/// [`FaultKind::NotEnum`] with their names.
pub(super) fn read(value: &Value, methods: &[Method]) -> Result<Method, FaultKind> {
    let named = value.as_str().and_then(Method::parse).filter(|method| methods.contains(method));
    named.ok_or_else(|| FaultKind::not_enum(methods))
}

impl Field for Method {
    const REQUIRED: bool = true;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let value = fields.get(name).ok_or(FaultKind::Missing);
        let method = value.and_then(|value| read(value, &fields.methods()));
        fields.record(name, method)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<Name<Self>>()
    }
}

impl Serialize for Name<Method> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl JsonSchema for Name<Method> {
    fn schema_name() -> Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        let shipped: Vec<&str> = Method::SHIPPED.iter().map(Method::as_str).collect();
        json_schema!({
            "description": "How a payer pays or a payee is paid. The operator may open others than those that are shipped.",
            "type": "string", "pattern": Method::PATTERN, "examples": shipped,
        })
    }
}

//! What a route takes and answers, read off its handler's own signature: the document cannot say
//! anything else.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::header::HeaderName;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::api::answer::{Rows, Whole};
use crate::api::error::ApiError;
use crate::api::extract::{
    Body, Ids, PathParameter, PathSegment, PathSegmentAndId, PathSegments, Query, QueryAndBody,
};
use crate::api::fields::{self, Fault, Payload, Schemas};
use crate::api::listing::Listing;
use crate::net::limits::CountTokenRequest;
use crate::net::principal::Tenant;

/// What a person says of a route; all the rest is in its handler's types.
#[derive(Clone, Debug)]
pub struct Op {
    id: String,
    summary: String,
    details: Option<String>,
    example: Option<Value>,
    errors: Vec<u16>,
}

/// An operation by its id, in the reference's words where it is one of theirs, and a summary.
pub fn op(id: impl Into<String>, summary: impl Into<String>) -> Op {
    Op { id: id.into(), summary: summary.into(), details: None, example: None, errors: vec![] }
}

impl Op {
    /// What the summary has no room for.
    #[must_use]
    pub fn details(mut self, text: impl Into<String>) -> Self {
        self.details = Some(text.into());
        self
    }

    /// A body that would do.
    #[must_use]
    pub fn example(mut self, body: Value) -> Self {
        self.example = Some(body);
        self
    }

    /// It may also answer this error, which its types do not tell.
    #[must_use]
    pub fn or(mut self, status: u16) -> Self {
        self.errors.push(status);
        self
    }
}

/// Reads a body and says what is wrong with it.
type Check = fn(&Map<String, Value>) -> Result<(), Vec<Fault>>;

/// An operation under construction.
pub struct Draft {
    /// The names of the path's parameters that are not described yet.
    names: std::vec::IntoIter<String>,
    parameters: Vec<Value>,
    body: Option<Schema>,
    check: Option<Check>,
    needs_token: bool,
    errors: BTreeSet<u16>,
    headers: Map<String, Value>,
    answer: Schema,
}

/// What describes a handler.
pub type Describe = fn(&mut Draft, &mut Schemas);

impl Draft {
    fn in_path(&mut self, schema: Schema) {
        if let Some(name) = self.names.next() {
            self.parameters
                .push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
        self.errors.insert(404);
    }

    fn in_query<P: Payload>(&mut self, schemas: &mut Schemas) {
        let payload = P::json_schema(schemas);
        let required: Vec<&str> = names_in(payload.get("required"));
        let properties = payload.get("properties").and_then(Value::as_object);
        for (name, field) in properties.into_iter().flatten() {
            let mut schema = as_text(field.clone());
            let description =
                schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter = json!({ "name": name, "in": "query", "required": required.contains(&name.as_str()) });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameter["schema"] = schema;
            self.parameters.push(parameter);
        }
        self.errors.insert(422);
    }

    fn in_body<P: Payload>(&mut self, schemas: &mut Schemas) {
        self.body = Some(schemas.subschema_for::<P>());
        self.check = Some(|object| fields::read::<P>(object, None).map(|_| ()));
        self.errors.extend([400, 408, 413, 415, 422]);
    }
}

fn names_in(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a field is in a query, where everything is a text and nothing is `null`: of several ways
/// the first.
fn as_text(mut field: Value) -> Value {
    let description = field.get("description").cloned();
    let first = field.get("anyOf").and_then(|choices| choices.get(0)).cloned();
    if let Some(first) = first {
        field = as_text(first);
    } else if let Some(name) = field.get("type").and_then(|types| types.get(0)).cloned() {
        field["type"] = name;
    }
    if let (Some(object), Some(description)) = (field.as_object_mut(), description) {
        object.insert("description".to_owned(), description);
    }
    field
}

/// Something that a handler takes from a request.
pub trait Takes {
    /// Says so.
    fn describe(draft: &mut Draft, schemas: &mut Schemas);
}

/// Something that a handler answers.
pub trait Gives {
    /// Says so.
    fn describe(draft: &mut Draft, schemas: &mut Schemas);
}

/// A handler, described by what it takes and answers.
pub trait Described<T> {
    /// Says so.
    fn describe(draft: &mut Draft, schemas: &mut Schemas);
}

macro_rules! described { ($($($taken:ident)*;)*) => {$(
    impl<F, Fut, R, $($taken),*> Described<($($taken,)*)> for F
    where
        F: Fn($($taken),*) -> Fut,
        Fut: Future<Output = R>,
        R: Gives,
        $($taken: Takes,)*
    {
        fn describe(draft: &mut Draft, schemas: &mut Schemas) {
            $($taken::describe(draft, schemas);)*
            R::describe(draft, schemas);
        }
    }
)*}}
described! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E G;
}

impl<S> Takes for State<S> {
    fn describe(_: &mut Draft, _: &mut Schemas) {}
}

impl Takes for CountTokenRequest {
    fn describe(_: &mut Draft, _: &mut Schemas) {}
}

impl Takes for Tenant {
    fn describe(draft: &mut Draft, _: &mut Schemas) {
        draft.needs_token = true;
        draft.errors.insert(401);
    }
}

impl Takes for Listing {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        Tenant::describe(draft, schemas);
    }
}

impl<P: Payload> Takes for Body<P> {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        draft.in_body::<P>(schemas);
    }
}

impl<P: Payload> Takes for Query<P> {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        draft.in_query::<P>(schemas);
    }
}

impl<Q: Payload, P: Payload> Takes for QueryAndBody<Q, P> {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        draft.in_query::<Q>(schemas);
        draft.in_body::<P>(schemas);
    }
}

fn id_in_path() -> Schema {
    schemars::json_schema!({ "type": "integer", "format": "int64", "minimum": 1 })
}

impl<const N: usize> Takes for Ids<N> {
    fn describe(draft: &mut Draft, _: &mut Schemas) {
        for _ in 0..N {
            draft.in_path(id_in_path());
        }
    }
}

impl<const N: usize> Takes for PathSegments<N> {
    fn describe(draft: &mut Draft, _: &mut Schemas) {
        for _ in 0..N {
            draft.in_path(schemars::json_schema!({ "type": "string" }));
        }
    }
}

impl<T: PathParameter> Takes for PathSegment<T> {
    fn describe(draft: &mut Draft, _: &mut Schemas) {
        draft.in_path(T::schema());
    }
}

impl<T: PathParameter> Takes for PathSegmentAndId<T> {
    fn describe(draft: &mut Draft, _: &mut Schemas) {
        draft.in_path(T::schema());
        draft.in_path(id_in_path());
    }
}

impl<T: JsonSchema> Gives for Json<T> {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        draft.answer = schemas.subschema_for::<T>();
    }
}

impl<T: JsonSchema> Gives for Whole<T> {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        draft.answer = schemas.subschema_for::<T>();
    }
}

impl<T: JsonSchema> Gives for Rows<T> {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        draft.answer = schemas.subschema_for::<Vec<T>>();
        let link = "Where there may be more: the next page, with `rel=\"next\"`.";
        draft.headers.insert(
            "Link".to_owned(),
            json!({ "description": link, "schema": { "type": "string" } }),
        );
    }
}

impl<R: Gives, const N: usize> Gives for ([(HeaderName, &'static str); N], R) {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        R::describe(draft, schemas);
    }
}

impl<R: Gives> Gives for Result<R, ApiError> {
    fn describe(draft: &mut Draft, schemas: &mut Schemas) {
        R::describe(draft, schemas);
        draft.errors.extend([429, 500, 503]);
    }
}

#[cfg(test)]
mod texts {
    use super::{Draft, Gives, Schemas};

    impl Gives for &'static str {
        fn describe(_: &mut Draft, _: &mut Schemas) {}
    }

    impl Gives for String {
        fn describe(_: &mut Draft, _: &mut Schemas) {}
    }
}

/// What the document has of one route.
#[derive(Clone)]
pub struct Route {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: String,
    /// What is said of it; `None` for pages, which are no operations of the API.
    pub(super) said: Option<(Op, Describe)>,
}

/// The resource that a path begins with: `payment-accounts`.
pub fn resource(path: &str) -> &str {
    let mut words = path.split('/').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    if first == "v1" { words.next().unwrap_or_default() } else { first }
}

impl Route {
    /// The operation as the document has it.
    pub fn operation(&self, schemas: &mut Schemas) -> Option<Value> {
        let (said, describe) = self.said.as_ref()?;
        let names: Vec<String> = self
            .path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .map(str::to_owned)
            .collect();
        let mut draft = Draft {
            names: names.into_iter(),
            parameters: vec![],
            body: None,
            check: None,
            needs_token: false,
            errors: said.errors.iter().copied().collect(),
            headers: Map::new(),
            answer: Schema::default(),
        };
        describe(&mut draft, schemas);
        // What writes may find the object in a state that does not allow it.
        if self.method != "GET" {
            draft.errors.insert(422);
        }
        Some(written(said, draft, self))
    }

    /// What is wrong with the example, by the payload that it is an example of.
    ///
    /// # Errors
    /// A sentence.
    pub fn check_example(&self, schemas: &mut Schemas) -> Result<(), String> {
        let Some((said, describe)) = &self.said else { return Ok(()) };
        let mut draft = Draft {
            names: vec![].into_iter(),
            parameters: vec![],
            body: None,
            check: None,
            needs_token: false,
            errors: BTreeSet::new(),
            headers: Map::new(),
            answer: Schema::default(),
        };
        describe(&mut draft, schemas);
        match (draft.check, said.example.as_ref().map(Value::as_object)) {
            (None, None) => Ok(()),
            (Some(check), Some(Some(example))) => {
                check(example).map_err(|faults| format!("{}: {faults:?}", self.path))
            }
            _ => Err(format!("{} {}: a body and its example go together", self.method, self.path)),
        }
    }
}

fn written(said: &Op, draft: Draft, route: &Route) -> Value {
    let mut operation = json!({
        "operationId": said.id,
        "summary": said.summary,
        "tags": [resource(&route.path)],
        "security": if draft.needs_token { json!([{ "HTTPBearer": [] }]) } else { json!([]) },
    });
    if let Some(details) = &said.details {
        operation["description"] = details.as_str().into();
    }
    if !draft.parameters.is_empty() {
        operation["parameters"] = draft.parameters.into();
    }
    if let Some(schema) = draft.body {
        let mut content = json!({ "schema": schema });
        if let Some(example) = &said.example {
            content["example"] = example.clone();
        }
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": content } });
    }
    let mut success = json!({ "description": "Done", "content": { "application/json": { "schema": draft.answer } } });
    if !draft.headers.is_empty() {
        success["headers"] = draft.headers.into();
    }
    let mut responses = json!({ "200": success });
    for status in draft.errors {
        responses[status.to_string()] =
            json!({ "$ref": format!("#/components/responses/E{status}") });
    }
    operation["responses"] = responses;
    operation
}

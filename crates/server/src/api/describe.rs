//! The documentation of a route, derived from its handler's signature, so that the document cannot
//! contradict the code.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::header::HeaderName;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::api::extract::{
    Body, Ids, OptionalBody, PathParameter, PathSegment, PathSegmentAndId, PathSegments, Query,
    QueryAndBody,
};
use crate::api::fields::{self, Fault, Payload, Schemas};
use crate::api::listing::Listing;
use crate::api::response::{JsonList, LargeJson, SVG, Svg};
use crate::net::limits::CountTokenRequest;
use crate::net::principal::Tenant;

/// The part of a route's documentation that is written by hand. The rest follows from the types of
/// its handler.
#[derive(Clone, Debug)]
pub struct OperationDoc {
    id: &'static str,
    summary: &'static str,
    details: Option<&'static str>,
    example: Option<Value>,
    errors: Vec<u16>,
}

/// An operation with its `operationId` and summary.
pub const fn op(id: &'static str, summary: &'static str) -> OperationDoc {
    OperationDoc { id, summary, details: None, example: None, errors: vec![] }
}

impl OperationDoc {
    /// Adds the longer description.
    #[must_use]
    pub const fn details(mut self, text: &'static str) -> Self {
        self.details = Some(text);
        self
    }

    /// Adds an example of the request body.
    #[must_use]
    pub fn example(mut self, body: Value) -> Self {
        self.example = Some(body);
        self
    }

    /// Adds an error status that does not follow from the handler's types.
    #[must_use]
    pub fn or(mut self, status: u16) -> Self {
        self.errors.push(status);
        self
    }
}

/// Validates an example of a body.
type Check = fn(&Map<String, Value>) -> Result<(), Vec<Fault>>;

/// An operation of the document under construction.
pub struct OperationBuilder {
    /// The path parameters that no extractor has described yet, in order.
    names: std::vec::IntoIter<String>,
    parameters: Vec<Value>,
    body: Option<Schema>,
    body_is_optional: bool,
    check: Option<Check>,
    needs_token: bool,
    errors: BTreeSet<u16>,
    headers: Map<String, Value>,
    /// The media type of the answer.
    media_type: &'static str,
    answer: Schema,
}

/// The media type of nearly all answers.
const JSON: &str = "application/json";

/// Adds what a handler's types say to an operation.
pub type Describe = fn(&mut OperationBuilder, &mut Schemas);

impl OperationBuilder {
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

/// The schema of a field in a query, where values are texts and never `null`: of alternatives, the
/// first.
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

/// An extractor that describes itself in the document.
pub trait DescribeInput {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas);
}

/// A response type that describes itself in the document.
pub trait DescribeResponse {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas);
}

/// A handler, described by its extractors and its response type.
pub trait DescribeHandler<T> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas);
}

macro_rules! described { ($($($taken:ident)*;)*) => {$(
    impl<F, Fut, R, $($taken),*> DescribeHandler<($($taken,)*)> for F
    where
        F: Fn($($taken),*) -> Fut,
        Fut: Future<Output = R>,
        R: DescribeResponse,
        $($taken: DescribeInput,)*
    {
        fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
            $($taken::describe(builder, schemas);)*
            R::describe(builder, schemas);
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

impl<S> DescribeInput for State<S> {
    fn describe(_: &mut OperationBuilder, _: &mut Schemas) {}
}

impl DescribeInput for CountTokenRequest {
    fn describe(_: &mut OperationBuilder, _: &mut Schemas) {}
}

impl DescribeInput for Tenant {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        builder.needs_token = true;
        // An API key may be limited to some operations or a role.
        builder.errors.extend([401, 403]);
    }
}

impl DescribeInput for Listing {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        Tenant::describe(builder, schemas);
    }
}

impl<P: Payload> DescribeInput for Body<P> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        builder.in_body::<P>(schemas);
    }
}

impl<P: Payload> DescribeInput for OptionalBody<P> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        builder.in_body::<P>(schemas);
        builder.body_is_optional = true;
    }
}

impl<P: Payload> DescribeInput for Query<P> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        builder.in_query::<P>(schemas);
    }
}

impl<Q: Payload, P: Payload> DescribeInput for QueryAndBody<Q, P> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        builder.in_query::<Q>(schemas);
        builder.in_body::<P>(schemas);
    }
}

fn id_in_path() -> Schema {
    schemars::json_schema!({ "type": "integer", "format": "int64", "minimum": 1 })
}

impl<const N: usize> DescribeInput for Ids<N> {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        for _ in 0..N {
            builder.in_path(id_in_path());
        }
    }
}

impl<const N: usize> DescribeInput for PathSegments<N> {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        for _ in 0..N {
            builder.in_path(schemars::json_schema!({ "type": "string" }));
        }
    }
}

impl<T: PathParameter> DescribeInput for PathSegment<T> {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        builder.in_path(T::schema());
    }
}

impl<T: PathParameter> DescribeInput for PathSegmentAndId<T> {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        builder.in_path(T::schema());
        builder.in_path(id_in_path());
    }
}

impl<T: JsonSchema> DescribeResponse for Json<T> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        builder.answer = schemas.subschema_for::<T>();
    }
}

impl<T: JsonSchema> DescribeResponse for LargeJson<T> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        builder.answer = schemas.subschema_for::<T>();
    }
}

impl<T: JsonSchema> DescribeResponse for JsonList<T> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        builder.answer = schemas.subschema_for::<Vec<T>>();
        let link = "The next page, with `rel=\"next\"`, if there may be more entries.";
        builder.headers.insert(
            "Link".to_owned(),
            json!({ "description": link, "schema": { "type": "string" } }),
        );
    }
}

impl OperationBuilder {
    /// The answer is a text of this type.
    pub fn text_answer(&mut self, media_type: &'static str) {
        self.media_type = media_type;
        self.answer = schemars::json_schema!({ "type": "string" });
    }

    /// The answer is a file of this type.
    pub fn file_answer(&mut self, media_type: &'static str) {
        self.media_type = media_type;
        self.answer = schemars::json_schema!({ "type": "string", "format": "binary" });
    }
}

impl DescribeResponse for Svg {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        builder.text_answer(SVG);
    }
}

impl<R: DescribeResponse, const N: usize> DescribeResponse
    for ([(HeaderName, &'static str); N], R)
{
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        R::describe(builder, schemas);
    }
}

impl<R: DescribeResponse> DescribeResponse for Result<R, ApiError> {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        R::describe(builder, schemas);
        builder.errors.extend([429, 500, 503]);
    }
}

#[cfg(test)]
mod texts {
    use super::{DescribeResponse, OperationBuilder, Schemas};

    impl DescribeResponse for &'static str {
        fn describe(_: &mut OperationBuilder, _: &mut Schemas) {}
    }

    impl DescribeResponse for String {
        fn describe(_: &mut OperationBuilder, _: &mut Schemas) {}
    }
}

/// One route and its documentation.
#[derive(Clone)]
pub struct Route {
    /// The method, in upper case.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// `None` for HTML pages, which are not operations of the API.
    pub(super) doc: Option<(OperationDoc, Describe)>,
}

impl Route {
    /// The name of its operation.
    #[must_use]
    pub fn operation_id(&self) -> Option<&'static str> {
        self.doc.as_ref().map(|(doc, _)| doc.id)
    }
}

/// The resource that a path begins with: `payment-accounts`.
pub fn resource(path: &str) -> &str {
    let mut words = path.split('/').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    if first == "v1" { words.next().unwrap_or_default() } else { first }
}

impl Route {
    /// The operation object of the document; `None` for HTML pages.
    pub fn operation(&self, schemas: &mut Schemas) -> Option<Value> {
        let (doc, describe) = self.doc.as_ref()?;
        let names: Vec<String> = self
            .path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .map(str::to_owned)
            .collect();
        let mut builder = OperationBuilder {
            names: names.into_iter(),
            parameters: vec![],
            body: None,
            body_is_optional: false,
            check: None,
            needs_token: false,
            errors: doc.errors.iter().copied().collect(),
            headers: Map::new(),
            media_type: JSON,
            answer: Schema::default(),
        };
        describe(&mut builder, schemas);
        // Every write may find its object in a state that does not allow it.
        if self.method != "GET" {
            builder.errors.insert(422);
        }
        Some(render(doc, builder, self))
    }

    /// Validates the example of the body against the payload type.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check_example(&self, schemas: &mut Schemas) -> Result<(), String> {
        let Some((doc, describe)) = &self.doc else { return Ok(()) };
        let mut builder = OperationBuilder {
            names: vec![].into_iter(),
            parameters: vec![],
            body: None,
            body_is_optional: false,
            check: None,
            needs_token: false,
            errors: BTreeSet::new(),
            headers: Map::new(),
            media_type: JSON,
            answer: Schema::default(),
        };
        describe(&mut builder, schemas);
        match (builder.check, doc.example.as_ref().map(Value::as_object)) {
            (None, None) => Ok(()),
            (Some(check), Some(Some(example))) => {
                check(example).map_err(|faults| format!("{}: {faults:?}", self.path))
            }
            _ => Err(format!("{} {}: a body and its example go together", self.method, self.path)),
        }
    }
}

fn render(doc: &OperationDoc, builder: OperationBuilder, route: &Route) -> Value {
    let mut operation = json!({
        "operationId": doc.id,
        "summary": doc.summary,
        "tags": [resource(route.path)],
        "security": if builder.needs_token { json!([{ "HTTPBearer": [] }]) } else { json!([]) },
    });
    if let Some(details) = &doc.details {
        operation["description"] = (*details).into();
    }
    if !builder.parameters.is_empty() {
        operation["parameters"] = builder.parameters.into();
    }
    if let Some(schema) = builder.body {
        let mut content = json!({ "schema": schema });
        if let Some(example) = &doc.example {
            content["example"] = example.clone();
        }
        operation["requestBody"] = json!({ "required": !builder.body_is_optional, "content": { "application/json": content } });
    }
    let mut success = json!({ "description": "Done", "content": { builder.media_type: { "schema": builder.answer } } });
    if !builder.headers.is_empty() {
        success["headers"] = builder.headers.into();
    }
    let mut responses = json!({ "200": success });
    for status in builder.errors {
        responses[status.to_string()] =
            json!({ "$ref": format!("#/components/responses/E{status}") });
    }
    operation["responses"] = responses;
    operation
}

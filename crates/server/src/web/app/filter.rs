//! Filters of lists, which stand in the address of the page.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;

use crate::web::app::frame::Fault;

/// The longest text of a filter that is read.
const TYPED_MAX: usize = 40;

/// An option of a select.
pub struct Choice {
    pub name: String,
    pub words: String,
    pub is_chosen: bool,
}

/// All members of an enumeration as options, in the words of their names.
pub fn choices<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, chosen: &str) -> Vec<Choice> {
    let choice = |one: &T| {
        let name = name(*one);
        Choice { name: name.to_owned(), words: plain(name), is_chosen: name == chosen }
    };
    all.iter().map(choice).collect()
}

/// A name of the API in words.
pub fn plain(name: &str) -> String {
    name.replace('_', " ").to_lowercase()
}

/// What a text is read as; nothing for an empty one. `fault` is the id of its field, and what is
/// said there.
pub fn read<T>(
    text: &str,
    of: impl Fn(&str) -> Option<T>,
    (id, sentence): (&str, &str),
) -> Result<Option<T>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    of(text).map(Some).ok_or_else(|| Fault::of_field(id, sentence))
}

/// What was typed into a field, as far as it is read.
pub fn typed(value: &str) -> String {
    value.trim().chars().take(TYPED_MAX).collect()
}

/// The place in a list that was typed, after which the page begins.
pub fn place(text: &str, fault: &mut Fault) -> Option<i64> {
    let place = text.parse().ok();
    if place.is_none() && !text.is_empty() && fault.sentence().is_none() {
        *fault = Fault::of_page("There is no such place.");
    }
    place
}

/// Places in lists, as the address has them.
#[derive(Default)]
pub struct Places(BTreeMap<&'static str, String>);

impl Places {
    pub fn of(uri: &Uri, names: &[&'static str]) -> Self {
        let mut places = Self::default();
        let query = uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(known) = names.iter().find(|known| **known == name) {
                places.0.insert(known, typed(&value));
            }
        }
        places
    }

    pub fn get(&self, name: &str, fault: &mut Fault) -> Option<i64> {
        place(self.0.get(name).map(String::as_str).unwrap_or_default(), fault)
    }
}

/// The texts that the address of a page may have.
pub trait FromQuery: Default {
    /// Where the value of a field goes; nowhere if the page has no such field.
    fn field(&mut self, name: &str) -> Option<&mut String>;

    fn from_query(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(field) = asked.field(&name) {
                *field = typed(&value);
            }
        }
        asked
    }
}

/// What the address of a page asks for.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: FromQuery> FromRequestParts<S> for Query<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(T::from_query(parts.uri.query().unwrap_or_default())))
    }
}

/// The query of an address with those of these fields that are not empty.
pub fn query(fields: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

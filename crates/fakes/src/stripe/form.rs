//! Form-encoded parameters with brackets, read strictly.

use serde_json::{Map, Value, json};

use super::error::ApiError;

/// Parameters that were not read yet.
#[derive(Clone, Default, Debug)]
pub(crate) struct Params {
    /// Where these stand in the request, for messages: `payment_intent_data`.
    path: String,
    entries: Vec<(String, Node)>,
}

#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Nested(Vec<(String, Node)>),
}

impl Params {
    /// Reads `a=1&b[c]=2&d[]=3&e[0][f]=4`.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, ApiError> {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            let (head, rest) = name.split_once('[').map_or((&*name, None), |(h, r)| (h, Some(r)));
            let mut keys = vec![head.to_owned()];
            if let Some(rest) = rest {
                let inner = rest.strip_suffix(']').ok_or_else(|| {
                    ApiError::parameter("parameter_invalid", &name, "Invalid parameter name")
                })?;
                keys.extend(inner.split("][").map(str::to_owned));
            }
            insert(&mut params.entries, &keys, value.into_owned());
        }
        Ok(params)
    }

    fn name_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.path) }
    }

    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.remove(at).1)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(Node::Nested(_)) => {
                Err(ApiError::parameter("parameter_invalid", &self.name_of(name), "Invalid string"))
            }
        }
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<String, ApiError> {
        match self.text(name)? {
            None => Err(self.missing(name)),
            Some(text) if text.is_empty() => Err(ApiError::parameter(
                "parameter_invalid_empty",
                &self.name_of(name),
                "You passed an empty string",
            )),
            Some(text) => Ok(text),
        }
    }

    pub(crate) fn missing(&self, name: &str) -> ApiError {
        ApiError::parameter("parameter_missing", &self.name_of(name), "Missing required param")
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                ApiError::parameter(
                    "parameter_invalid_integer",
                    &self.name_of(name),
                    "Invalid integer",
                )
            }),
        }
    }

    pub(crate) fn required_integer(&mut self, name: &str) -> Result<i64, ApiError> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::parameter(
                "parameter_invalid",
                &self.name_of(name),
                "Invalid boolean",
            )),
        }
    }

    pub(crate) fn nested(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Nested(entries)) => Ok(Some(Self { path: self.name_of(name), entries })),
            Some(Node::Text(_)) => {
                Err(ApiError::parameter("parameter_invalid", &self.name_of(name), "Invalid object"))
            }
        }
    }

    /// The elements of a list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        let Some(nested) = self.nested(name)? else { return Ok(Vec::new()) };
        let element = |(_, node): &(String, Node)| match node {
            Node::Text(text) => Ok(text.clone()),
            Node::Nested(_) => {
                Err(ApiError::parameter("parameter_invalid", &nested.path, "Invalid array"))
            }
        };
        nested.entries.iter().map(element).collect()
    }

    /// The elements of a list of objects.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Self>, ApiError> {
        let Some(mut nested) = self.nested(name)? else { return Ok(Vec::new()) };
        let names: Vec<String> = nested.entries.iter().map(|(name, _)| name.clone()).collect();
        let mut list = Vec::new();
        for name in names {
            list.extend(nested.nested(&name)?);
        }
        Ok(list)
    }

    /// Metadata: at most 50 texts, with names of at most 40 characters and values of at most 500.
    pub(crate) fn metadata(&mut self) -> Result<Map<String, Value>, ApiError> {
        let Some(nested) = self.nested("metadata")? else { return Ok(Map::new()) };
        let mut metadata = Map::new();
        for (name, node) in nested.entries {
            let wrong = |message: &str| {
                ApiError::parameter("parameter_invalid", &format!("metadata[{name}]"), message)
            };
            let Node::Text(text) = node else { return Err(wrong("Invalid string")) };
            if name.chars().count() > 40 || text.chars().count() > 500 {
                return Err(wrong("Metadata names have up to 40 characters, values up to 500"));
            }
            metadata.insert(name, json!(text));
        }
        if metadata.len() > 50 {
            return Err(ApiError::parameter("parameter_invalid", "metadata", "More than 50 keys"));
        }
        Ok(metadata)
    }

    /// Refuses what was not read.
    pub(crate) fn end(&self) -> Result<(), ApiError> {
        match self.entries.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name = self.name_of(name);
                let message = "Received unknown parameter";
                Err(ApiError::parameter("parameter_unknown", &name, message))
            }
        }
    }
}

fn insert(entries: &mut Vec<(String, Node)>, keys: &[String], value: String) {
    let Some((key, rest)) = keys.split_first() else { return };
    // `a[]` is the next element of a list.
    let key = if key.is_empty() { entries.len().to_string() } else { key.clone() };
    if rest.is_empty() {
        entries.push((key, Node::Text(value)));
        return;
    }
    if let Some((_, Node::Nested(nested))) = entries.iter_mut().find(|(known, _)| *known == key) {
        insert(nested, rest, value);
        return;
    }
    let mut nested = Vec::new();
    insert(&mut nested, rest, value);
    entries.push((key, Node::Nested(nested)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_make_objects_and_lists() {
        let encoded = b"a=1&b[c]=x+y&b[d]=true&list[]=p&list[]=q&items[0][q]=2&items[1][q]=3";
        let mut params = Params::parse(encoded).unwrap();
        assert_eq!(params.integer("a").unwrap(), Some(1));
        let mut b = params.nested("b").unwrap().unwrap();
        assert_eq!(b.text("c").unwrap().as_deref(), Some("x y"));
        assert_eq!(params.texts("list").unwrap(), ["p", "q"]);
        let mut items = params.list("items").unwrap();
        let quantities = items.iter_mut().map(|item| item.integer("q").unwrap().unwrap());
        assert_eq!(quantities.collect::<Vec<_>>(), [2, 3]);
        assert!(params.end().is_ok());
        let left = b.end().unwrap_err();
        assert_eq!(left.body()["error"]["code"], "parameter_unknown");
        assert_eq!(left.body()["error"]["param"], "b[d]");
    }
}

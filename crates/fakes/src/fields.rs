//! JSON objects that are read strictly: whoever has read all the fields it knows asks what is left.

use serde_json::{Map, Value};

/// The fields of an object that were not read yet.
#[derive(Clone, Debug)]
pub(crate) struct Fields(Map<String, Value>);

/// What is wrong with a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Missing(String),
    Invalid(String),
    Unknown(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "'{name}' is missing"),
            Self::Invalid(name) => write!(f, "'{name}' has an invalid value"),
            Self::Unknown(name) => write!(f, "'{name}' is not supported"),
        }
    }
}

impl Fields {
    /// `None` where it is no JSON object.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Some(Self(map)),
            _ => None,
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// `null` counts as a field that is not there.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::Invalid(name.to_owned())),
        }
    }

    pub(crate) fn required_text(&mut self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| Fault::Missing(name.to_owned()))
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| Fault::Invalid(name.to_owned())),
        }
    }

    pub(crate) fn required_integer(&mut self, name: &str) -> Result<i64, Fault> {
        self.integer(name)?.ok_or_else(|| Fault::Missing(name.to_owned()))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Fault::Invalid(name.to_owned())),
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self(map))),
            Some(_) => Err(Fault::Invalid(name.to_owned())),
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(Fault::Invalid(name.to_owned())),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let texts: Option<Vec<String>> =
            list.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        texts.map(Some).ok_or_else(|| Fault::Invalid(name.to_owned()))
    }

    /// Refuses what was not read.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Fault::Unknown(name.clone())),
        }
    }
}

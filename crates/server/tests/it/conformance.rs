//! Compares our OpenAPI document with facts about the published reference: ours has each of its
//! operations, fields, types and enumerations.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::LazyLock;

use serde_json::{Map, Value};

const FACTS: &str = include_str!("conformance.txt");

/// Operations of the reference that are not implemented yet. The test fails for one that is
/// implemented, so that the list shrinks.
const TO_COME: [&str; 0] = [];

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&kola::api::DOCUMENT).expect("the document is JSON"));

/// A line of the facts: a parameter or a field of an operation.
struct Fact {
    place: &'static str,
    name: &'static str,
    required: bool,
    types: BTreeSet<&'static str>,
    members: BTreeSet<&'static str>,
}

/// An operation of the reference, with its facts.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    facts: Vec<Fact>,
}

fn words(text: Option<&'static str>) -> BTreeSet<&'static str> {
    text.into_iter().flat_map(|text| text.split('|')).collect()
}

fn facts() -> Vec<Operation> {
    let mut operations: Vec<Operation> = vec![];
    for line in FACTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut rest = line.split_whitespace();
        let mut next = || rest.next().unwrap_or_else(|| panic!("a short line: {line}"));
        if line.starts_with(' ') {
            let (place, name, required, types) =
                (next(), next(), next() == "required", words(Some(next())));
            let fact = Fact { place, name, required, types, members: words(rest.next()) };
            operations.last_mut().expect("an operation before its fields").facts.push(fact);
        } else {
            operations.push(Operation { method: next(), path: next(), id: next(), facts: vec![] });
        }
    }
    operations
}

/// The merged content of one of our schemas: references are resolved, branches are united.
#[derive(Default, Clone)]
struct MergedSchema {
    types: BTreeSet<String>,
    /// The values of the enumeration; `None` if any value of the types is allowed.
    members: Option<BTreeSet<String>>,
    properties: Map<String, Value>,
    /// The fields that every branch requires.
    required: BTreeSet<String>,
    items: Option<Value>,
}

fn follow(schema: &Value) -> &Value {
    let target = schema.get("$ref").and_then(Value::as_str);
    target.map_or(schema, |target| {
        DOCUMENT.pointer(target.trim_start_matches('#')).expect("a target")
    })
}

fn texts(value: Option<&Value>) -> BTreeSet<String> {
    let list = match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => vec![],
    };
    list.into_iter().collect()
}

/// The content of one schema without its branches. A schema without a type allows every type.
fn plain(schema: &Value) -> MergedSchema {
    let mut types = texts(schema.get("type"));
    if types.is_empty() {
        types = ["string", "number", "integer", "boolean", "object", "array", "null"]
            .map(str::to_owned)
            .into();
    }
    if types.contains("number") {
        types.insert("integer".to_owned());
    }
    if types.contains("string") && schema.get("format").is_some_and(|format| format == "date-time")
    {
        types.insert("date-time".to_owned());
    }
    MergedSchema {
        types,
        members: schema.get("enum").map(|members| texts(Some(members))),
        properties: schema
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
        required: texts(schema.get("required")),
        items: schema.get("items").cloned(),
    }
}

fn merged(schema: &Value) -> MergedSchema {
    let schema = follow(schema);
    let Some(branches) = schema.get("anyOf").and_then(Value::as_array) else {
        return plain(schema);
    };
    let mut whole: Option<MergedSchema> = None;
    for branch in branches.iter().map(merged) {
        let only_null = branch.types.iter().eq(["null"]);
        whole = Some(match whole {
            None => branch,
            Some(mut whole) => {
                whole.types.extend(branch.types);
                whole.properties.extend(branch.properties);
                if !only_null {
                    whole.required =
                        whole.required.intersection(&branch.required).cloned().collect();
                    whole.members = whole.members.zip(branch.members).map(|(mut all, more)| {
                        all.extend(more);
                        all
                    });
                }
                whole.items = whole.items.or(branch.items);
                whole
            }
        });
    }
    whole.unwrap_or_default()
}

/// Our field of the name that the facts have, and whether it is required.
fn field(schema: &Value, name: &str) -> Option<(MergedSchema, bool)> {
    let mut here = merged(schema);
    let mut required = true;
    for step in name.split('.') {
        let step =
            if let Some(rest) = step.strip_prefix("[]") { (true, rest) } else { (false, step) };
        if step.0 {
            here = merged(here.items.as_ref()?);
        }
        let (name, listed) = step.1.strip_suffix("[]").map_or((step.1, false), |name| (name, true));
        if !name.is_empty() {
            required = here.required.contains(name);
            here = merged(here.properties.get(name)?);
        }
        if listed {
            here = merged(here.items.as_ref()?);
        }
    }
    Some((here, required))
}

fn ours(operation: &Value, fact: &Fact) -> Option<(MergedSchema, bool)> {
    match fact.place {
        "path" | "query" => {
            let list = operation.get("parameters")?.as_array()?;
            let found = list.iter().find(|parameter| {
                parameter["in"] == fact.place && parameter["name"] == fact.name
            })?;
            Some((merged(&found["schema"]), found["required"] == true))
        }
        "body" => {
            field(&operation["requestBody"]["content"]["application/json"]["schema"], fact.name)
        }
        _ => field(
            &operation["responses"]["200"]["content"]["application/json"]["schema"],
            fact.name,
        ),
    }
}

/// The differences between a fact and our document.
fn complaints(operation: &Value, fact: &Fact) -> Vec<String> {
    let Some((schema, required)) = ours(operation, fact) else {
        return vec!["is not there".to_owned()];
    };
    let mut complaints = vec![];
    let mut complain = |what: String| complaints.push(what);
    let theirs: BTreeSet<&str> = fact.types.iter().copied().collect();
    match fact.place {
        // In a path or query everything is text: our document may call an id a number.
        "path" | "query" => {
            if required && !fact.required {
                complain("is required".to_owned());
            }
            let text = schema.types.contains("string") || schema.types.contains("integer");
            if theirs.contains("string") && !text {
                complain(format!("is {:?} and not a string", schema.types));
            }
            for name in theirs.iter().filter(|name| !["string", "null"].contains(name)) {
                if !schema.types.contains(*name) {
                    complain(format!("does not take {name}"));
                }
            }
        }
        "body" => {
            if required && !fact.required {
                complain("is required".to_owned());
            }
            // Our document says only in its description that an id may also be a string: generators
            // cannot make a type of such a choice.
            let in_words = |name: &str| name == "string" && schema.types.contains("integer");
            let missing =
                |name: &&&str| **name != "any" && !schema.types.contains(**name) && !in_words(name);
            for name in theirs.iter().filter(missing) {
                complain(format!("does not take {name}"));
            }
        }
        _ => {
            if fact.required && !required {
                complain("may be absent".to_owned());
            }
            for name in &schema.types {
                let known = theirs.contains(name.as_str())
                    || (name == "integer" && theirs.contains("number"))
                    || (name == "string"
                        && theirs.contains("date-time")
                        && schema.types.contains("date-time"))
                    || (name == "date-time" && theirs.contains("string"))
                    || (name == "null" && !fact.required)
                    || theirs.contains("any");
                if !known {
                    complain(format!("may be {name}"));
                }
            }
        }
    }
    if let Some(members) = schema.members {
        for member in fact.members.iter().filter(|member| !members.contains(**member)) {
            complain(format!("does not know {member}"));
        }
    }
    complaints
}

#[test]
fn whatever_the_reference_says_is_in_our_document() {
    let operations = facts();
    assert_eq!(operations.len(), 59);
    let mut faults = vec![];
    let mut there = 0;
    for reference in &operations {
        let method = reference.method.to_ascii_lowercase();
        let found = DOCUMENT["paths"].get(reference.path).and_then(|path| path.get(method));
        let to_come = TO_COME.contains(&reference.id);
        let Some(operation) = found else {
            if !to_come {
                faults.push(format!("{} {} is not there", reference.method, reference.path));
            }
            continue;
        };
        if to_come {
            faults.push(format!("{} is there: take it off the list", reference.id));
        }
        there += 1;
        for fact in &reference.facts {
            let of =
                |what: String| format!("{}: {} {} {what}", reference.id, fact.place, fact.name);
            faults.extend(complaints(operation, fact).into_iter().map(of));
        }
    }
    // Written directly to standard error: the test runner hides what a passing test prints.
    let _ = writeln!(
        std::io::stderr(),
        "conformance: {there} of {} operations of the reference",
        operations.len()
    );
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

//! `kola errors`: the catalogue of errors, from the refusals themselves.

use std::fmt::Write;

use domain::rejection::{Class, Rejection};
use serde_json::{Value, json};

const HEAD: &str = "\
# Errors

Every answer that is not a 200 is JSON with a `detail`, but for what the HTTP layer refuses before it is a request (400 and
431 below). `detail` is a sentence, or for a 422 a list with one entry for each fault of the request: `loc` says where, `msg`
why, `type` what kind for a program. All faults of a request come at once.

```json
{\"detail\": [{\"loc\": [\"body\", \"currency\"], \"msg\": \"field required\", \"type\": \"value_error.missing\"}]}
```

Some 422 have a sentence, too: those about the state of what the path names, for which no field of the body is to blame.

```json
{\"detail\": \"the invoice is PAID and must be IDLE\"}
```

They are: an invoice or order, or its items, changed, published or canceled in a state that does not allow it; an empty one
published; a session canceled that is not active any more; an execution authenticated that does not wait for it.

A call that is refused with a 4xx records nothing: session and `reference_id` are as they were.

| HTTP | when | what to do |
|---|---|---|
| 400, 431 | what is no HTTP; a head over 16 KiB or of more than 100 lines; the body is empty | mend the client |
| 401 | no token, or one that is bad, expired or of a revoked key; a wrong client secret | obtain a token |
| 403 | the merchant is not verified, or the passcode is missing, wrong or locked | see below; a lock ends after `Retry-After`, \
or when the operator sets a passcode with `kola merchant set-passcode` |
| 404 | an unknown path, or an id in the path that is not yours | |
| 405, 413, 415 | another method; a body over 64 KiB; a body that is not JSON | |
| 408 | the body did not arrive within 30 seconds | send the same again |
| 422 | the request is at fault, or the state of what it names | see below |
| 429 | too many requests | wait as long as `Retry-After` says |
| 500 | a fault of ours; the detail has a request id that the log has too | tell the operator |
| 503 | overload, or the database is away; where it went away in the middle of a commit, the call may have been done | \
wait as long as `Retry-After` says, send the same again: an execution with the same `reference_id` then tells what was done and does nothing twice; what has no such key, look up first |

## Faults of a body or query

| `type` | `msg` |
|---|---|
| `value_error.missing` | field required |
| `type_error.integer`, `.float`, `.bool`, `.str`, `.list`, `.dict` | value is not a valid integer, ... |
| `type_error.none.not_allowed` | none is not an allowed value |
| `type_error.enum` | value is not a valid enumeration member; permitted: ... |
| `value_error.datetime` | invalid datetime format |
| `value_error.uuid` | invalid uuid |
| `value_error.email` | value is not a valid email address |
| `value_error.currency` | not a currency of ISO 4217 |
| `value_error.number.not_gt`, `.not_ge`, `.not_le` | ensure this value is greater than 0, ... |
| `value_error.decimal.max_places` | ensure that there are no more than 2 decimal places |
| `value_error.any_str.min_length`, `.max_length` | ensure this value has at least 1 characters, ... |
| `value_error.list.min_items`, `.max_items` | ensure this value has at least 1 items, ... |
| `value_error.str.regex` | string does not match regex ... |
| `value_error.str.control` | control characters are not allowed |
| `value_error.jsondecode` | where the JSON is broken |

## Refusals

The field is that of the usual call; the same refusal stands on the field that names the object in others.

| HTTP | field | `type` | example of `msg` |
|---|---|---|---|
";

fn status(rejection: &Rejection) -> u16 {
    match rejection.class() {
        Class::Forbidden => 403,
        Class::NotFound => 404,
        Class::Invalid => 422,
    }
}

/// The refusals, for a program.
pub fn as_json() -> Value {
    let row = |rejection: Rejection| {
        let (status, msg) = (status(&rejection), rejection.to_string());
        json!({ "status": status, "field": rejection.field(), "type": rejection.kind(), "msg": msg })
    };
    Rejection::catalogue().into_iter().map(row).collect()
}

/// The catalogue in Markdown.
pub fn catalogue() -> String {
    let mut text = HEAD.to_owned();
    for rejection in Rejection::catalogue() {
        let status = status(&rejection);
        let field = match rejection.field() {
            "" => String::new(),
            field => format!("`{field}`"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {status} | {field} | `{}` | {rejection} |", rejection.kind());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fields::FaultKind;

    #[test]
    fn the_catalogue_has_every_fault_of_a_field() {
        for kind in [
            FaultKind::Missing,
            FaultKind::NoneNotAllowed,
            FaultKind::NotInteger,
            FaultKind::NotFloat,
            FaultKind::NotBool,
            FaultKind::NotStr,
            FaultKind::NotDatetime,
            FaultKind::NotList,
            FaultKind::NotDict,
            FaultKind::NotEnum(vec![]),
            FaultKind::TooShort(1),
            FaultKind::TooLong(1),
            FaultKind::TooFewItems(1),
            FaultKind::TooManyItems(1),
            FaultKind::NotGreater(0),
            FaultKind::NotAtLeast(0),
            FaultKind::NotAtMost(0),
            FaultKind::TooManyDecimals(2),
            FaultKind::Pattern(""),
            FaultKind::ControlCharacter,
            FaultKind::NotEmail,
            FaultKind::NotUuid,
            FaultKind::NotCurrency,
            FaultKind::NotJson { msg: String::new(), line: 1, column: 1 },
        ] {
            let (group, last) = kind.kind().rsplit_once('.').unwrap_or_default();
            let said = |line: &str| {
                line.contains(&format!("`{group}.{last}`")) || (line.contains(group) && line.contains(&format!("`.{last}`")))
            };
            assert!(HEAD.lines().any(said), "{}", kind.kind());
        }
    }
}

//! `kola errors`: the catalogue of errors, from the refusals themselves.

use std::fmt::Write;

use domain::rejection::{Class, Rejection};

const HEAD: &str = "\
# Errors

Every answer that is not a 200 is JSON with a `detail`. It is a sentence, or for a 422 a list with one entry for each fault of
the request: `loc` says where, `msg` why, `type` what kind for a program. All faults of a request come at once.

```json
{\"detail\": [{\"loc\": [\"body\", \"currency\"], \"msg\": \"field required\", \"type\": \"value_error.missing\"}]}
```

A call that is refused with a 4xx records nothing: session and `reference_id` are as they were.

| HTTP | when | what to do |
|---|---|---|
| 401 | no token, or one that is bad, expired or of a revoked key; a wrong client secret | obtain a token |
| 403 | the merchant is not verified, or the passcode is missing, wrong or locked | see below |
| 404 | an unknown path, or an id in the path that is not yours | |
| 405, 413, 415 | another method; a body over 64 KiB; a body that is not JSON | |
| 422 | the request is at fault, or the state of what it names | see below |
| 429 | too many requests | wait as long as `Retry-After` says |
| 500 | a fault of ours; the detail has a request id that the log has too | tell the operator |
| 503 | overload, or the database is away; nothing was done | wait as long as `Retry-After` says, send the same again |

## Faults of a body or query

| `type` | `msg` |
|---|---|
| `value_error.missing` | field required |
| `type_error.integer`, `.float`, `.bool`, `.str`, `.list`, `.dict` | value is not a valid integer, ... |
| `type_error.enum` | value is not a valid enumeration member; permitted: ... |
| `value_error.datetime` | invalid datetime format |
| `value_error.uuid` | invalid uuid |
| `value_error.number.not_gt`, `.not_ge`, `.not_le` | ensure this value is greater than 0, ... |
| `value_error.decimal.max_places` | ensure that there are no more than 2 decimal places |
| `value_error.any_str.min_length`, `.max_length` | ensure this value has at least 1 characters, ... |
| `value_error.str.regex` | string does not match regex ... |
| `value_error.jsondecode` | where the JSON is broken |

## Refusals

The field is that of the usual call; the same refusal stands on the field that names the object in others.

| HTTP | field | `type` | example of `msg` |
|---|---|---|---|
";

/// The catalogue in Markdown.
pub fn catalogue() -> String {
    let mut text = HEAD.to_owned();
    for rejection in Rejection::catalogue() {
        let status = match rejection.class() {
            Class::Forbidden => 403,
            Class::NotFound => 404,
            Class::Invalid => 422,
        };
        let field = match rejection.field() {
            "" => String::new(),
            field => format!("`{field}`"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {status} | {field} | `{}` | {rejection} |", rejection.kind());
    }
    text
}

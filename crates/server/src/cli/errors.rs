//! `kola errors`: the catalogue of errors. Its list of refusals comes from the code.

use std::fmt::Write;

use domain::kernel::refusal::Refusal;
use serde_json::{Value, json};

use crate::api::refusals::{self, usual_field};
use crate::api::{executions, sessions, sources};

const HEAD: &str = "\
# Errors

Every answer that is not a 200 is JSON with a `detail`. There are two exceptions: what the HTTP layer refuses before there is a
request has no body (400 and 431), and below `/pay`, `/l`, `/receipt`, `/verify` and `/app` the answer is a page for people. `detail` is a sentence. For
a 422 it is a list with one entry for each fault of the request: `loc` says where the fault is, `msg` says what is wrong, and
`type` is the kind of fault, for a program. All faults of a
request's form are reported at once, and then all of its content.

```json
{\"detail\": [{\"loc\": [\"body\", \"currency\"], \"msg\": \"field required\", \"type\": \"value_error.missing\"}]}
```

If the object that the path names is in a state that does not allow the call, `loc` is that parameter of the path.

```json
{\"detail\": [{\"loc\": [\"path\", \"id\"], \"msg\": \"the invoice is PAID and must be IDLE\", \"type\": \"value_error.state\"}]}
```

A call that is refused with a 4xx records nothing: its session and its `reference_id` can be used again.

| HTTP | when | what to do |
|---|---|---|
| 400 | a body that ended early, or whose chunks are malformed | send the whole request again |
| 400, 431 | not HTTP, or a head over 16 KiB or of more than 100 lines; the answer has no body | correct the client |
| 401 | no token, or one that is bad, expired or of a revoked key; a wrong client secret | see below: `WWW-Authenticate` says which |
| 403 | the merchant is not verified, or the passcode is missing, wrong or locked | see below; a lock ends after `Retry-After`, \
or when the operator lifts it with `kola merchant passcode --merchant ID --unlock` |
| 404 | an unknown path, or an id in the path that is not yours | |
| 405, 413, 415 | a method that the path does not have; a body over 64 KiB; a body that is not JSON | |
| 408 | the body did not arrive within 30 seconds | send the same request again |
| 422 | a fault of the request, or of the state of an object that it names | see below |
| 429 | too many requests, too many bad tokens from one address, transfers to too many new recipients, too many lists, pages, or invoices, orders and receipts of one merchant that are being answered, more than 100 streams of events, or too many passcodes that are being compared | wait as long as `Retry-After` says; read the answers that you asked for |
| 500 | a fault of the server; the detail has a request id, which is in the log, too | tell the operator |
| 503 | overload, or the database cannot be reached; if its connection broke during a commit, the call may have been done | \
wait as long as `Retry-After` says, then send the same request again: an execution with the same `reference_id` answers what was done and does nothing twice; if the call has no such key, look up first whether it was done |

## Credentials

A 401 answers `{\"detail\": \"Not authenticated\"}` if there is no `Authorization`, and `{\"detail\": \"Could not validate \
credentials\"}` otherwise. `WWW-Authenticate` says what is wrong and what helps, with the error codes of RFC 6750; so does the log
at `info`. Credentials must hold when the call is decided: a call is refused if its key is revoked or its token expires while
the body is still arriving.

| `error` | when | what to do |
|---|---|---|
| none | no `Authorization` | `POST /v1/jwt/client/obtain/token`, then `Authorization: Bearer <access_token>` |
| `invalid_request` | `Authorization` without `Bearer` | put `Bearer` before the token |
| `invalid_token`, \"... expired ...\" | the token is older than an hour | obtain another |
| `invalid_token`, \"... revoked ...\" | its API key was revoked | use another key; `kola merchant create-key` creates one |
| `invalid_token`, \"... is not one of this server ...\" | a token of another server, a broken one, or signed by a key that was retired | obtain another |
| `invalid_client` | an unknown `client_id` or a wrong `client_secret` | both were shown once; `kola merchant create-key` creates new ones |

## Passcodes

If a merchant has set a passcode, its payouts need it (`passcode.token.code`), and so does a call that replaces or removes it
(`current`). Each try is reserved before it is compared. Wrong tries are counted in a window: 5 of an API key in 15 minutes lock
the payouts and passcode changes of that key for 15 minutes (403 with `Retry-After`), and 20 of all keys in a day lock those of
the merchant until an operator lifts the lock. A right try only removes its own reservation. If the tries that are being
compared would cause a lock together with the wrong ones, a call waits up to 2 seconds for its turn, and then gets a 429. A try
that was left behind by a process that died counts as wrong after 30 seconds.

| to | the merchant | the operator |
|---|---|---|
| set it | `POST /v1/merchants/passcode/set {\"passcode\": \"482913\"}` | `kola merchant set-passcode --merchant ID` |
| replace it | the same with `\"current\": \"...\"` | the same, without the current one; this lifts locks, too |
| remove it | `POST /v1/merchants/passcode/remove {\"current\": \"...\"}` | `kola merchant passcode --merchant ID --remove` |
| lift a lock | | `kola merchant passcode --merchant ID --unlock` |

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
| `value_error.url` | where webhooks are not sent, and why |
| `value_error.currency` | not a currency of ISO 4217 |
| `value_error.country` | not a country of ISO 3166: two letters or three |
| `value_error.number.not_gt`, `.not_ge`, `.not_le` | ensure this value is greater than 0, ... |
| `value_error.decimal.max_places` | ensure that there are no more than 2 decimal places |
| `value_error.any_str.min_length`, `.max_length` | ensure this value has at least 1 characters, ... |
| `value_error.list.min_items`, `.max_items` | ensure this value has at least 1 items, ... |
| `value_error.str.regex` | string does not match regex ...; for a phone with an example |
| `value_error.str.control` | control characters are not allowed |
| `value_error.one_of` | exactly one of these fields is required: ... |
| `value_error.jsondecode` | where the JSON is broken |

## Refusals

The field is that of the most common call. In other calls the same refusal is on the field that names the object there.

| HTTP | field | `type` | example of `msg` |
|---|---|---|---|
";

/// The field of the call in which the refusal is most usual; empty where there is none.
fn field(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::InvalidState { .. }
        | Refusal::AmountTooSmall
        | Refusal::NoFee { .. }
        | Refusal::WalletLimitExceeded => executions::collection_field(refusal),
        Refusal::AccountMismatch => executions::payout_field(refusal),
        Refusal::WalletState { .. }
        | Refusal::CounterpartyWithoutParty
        | Refusal::TransferToSelf => sessions::payloads::transfer_field(refusal),
        Refusal::NoItems { .. } | Refusal::TooManyItems { .. } => {
            sources::payloads::field_of(refusal)
        }
        _ => usual_field(refusal),
    }
    .unwrap_or_default()
}

/// The refusals as JSON.
pub fn as_json() -> Value {
    let row = |refusal: Refusal| {
        json!({
            "status": refusals::status(&refusal).as_u16(),
            "field": field(&refusal),
            "type": refusals::error_type(&refusal),
            "msg": refusals::message(&refusal),
        })
    };
    Refusal::catalogue().into_iter().map(row).collect()
}

/// The catalogue in Markdown.
pub fn catalogue() -> String {
    let mut text = HEAD.to_owned();
    for refusal in Refusal::catalogue() {
        let status = refusals::status(&refusal).as_u16();
        let field = match field(&refusal) {
            "" => String::new(),
            field => format!("`{field}`"),
        };
        let (error_type, message) = (refusals::error_type(&refusal), refusals::message(&refusal));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {status} | {field} | `{error_type}` | {message} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use networks::webhooks::url::UrlRefused;

    use crate::api::fields::FaultKind;

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
            FaultKind::NotPhone,
            FaultKind::ControlCharacter,
            FaultKind::NotEmail,
            FaultKind::EndpointUrl(UrlRefused::NotHttps),
            FaultKind::NotUuid,
            FaultKind::NotCurrency,
            FaultKind::NotCountry,
            FaultKind::NotOneOf(""),
            FaultKind::NotJson { msg: String::new(), line: 1, column: 1 },
        ] {
            let (group, last) = kind.kind().rsplit_once('.').unwrap_or_default();
            let said = |line: &str| {
                line.contains(&format!("`{group}.{last}`"))
                    || (line.contains(group) && line.contains(&format!("`.{last}`")))
            };
            assert!(HEAD.lines().any(said), "{}", kind.kind());
        }
    }
}

//! `kola errors`: the catalogue of errors, from the refusals themselves.

use std::fmt::Write;

use domain::kernel::refusal::Refusal;
use serde_json::{Value, json};

use crate::api::refusals::{self, usual_field};
use crate::api::{executions, sessions, sources};

const HEAD: &str = "\
# Errors

Every answer that is not a 200 is JSON with a `detail`, but for what the HTTP layer refuses before it is a request (400 and
431 without a body), and below `/pay` and `/receipt`, where who follows a link reads a page. `detail` is a sentence, but for a 422 always a list with one entry for each fault of the request: `loc` says where,
`msg` why, `type` what kind for a program. All faults of a request come at once.

```json
{\"detail\": [{\"loc\": [\"body\", \"currency\"], \"msg\": \"field required\", \"type\": \"value_error.missing\"}]}
```

Where the path names what is in a state that does not allow the call, `loc` is that parameter of the path.

```json
{\"detail\": [{\"loc\": [\"path\", \"id\"], \"msg\": \"the invoice is PAID and must be IDLE\", \"type\": \"value_error.state\"}]}
```

A call that is refused with a 4xx records nothing: session and `reference_id` are as they were.

| HTTP | when | what to do |
|---|---|---|
| 400 | a body that ended early, or whose chunks are not in their format | send the same again, whole |
| 400, 431 | what is no HTTP; a head over 16 KiB or of more than 100 lines; the answer has no body | mend the client |
| 401 | no token, or one that is bad, expired or of a revoked key; a wrong client secret | see below: `WWW-Authenticate` says which |
| 403 | the merchant is not verified, or the passcode is missing, wrong or locked | see below; a lock ends after `Retry-After`, \
or when the operator lifts it with `kola merchant passcode --merchant ID --unlock` |
| 404 | an unknown path, or an id in the path that is not yours | |
| 405, 413, 415 | another method; a body over 64 KiB; a body that is not JSON | |
| 408 | the body did not arrive within 30 seconds | send the same again |
| 422 | the request is at fault, or the state of what it names | see below |
| 429 | too many requests, too many bad tokens from one address, transfers to too many new recipients, too many lists, pages, or invoices, orders and receipts of one merchant that are being answered, or too many passcodes that are being compared | wait as long as `Retry-After` says; read the answers that you asked for |
| 500 | a fault of ours; the detail has a request id that the log has too | tell the operator |
| 503 | overload, or the database is away; where it went away in the middle of a commit, the call may have been done | \
wait as long as `Retry-After` says, send the same again: an execution with the same `reference_id` then tells what was done and does nothing twice; what has no such key, look up first |

## Credentials

A 401 answers `{\"detail\": \"Not authenticated\"}` where there is no `Authorization`, and `{\"detail\": \"Could not validate \
credentials\"}` otherwise. `WWW-Authenticate` tells which it is and what helps, in the words of RFC 6750; so does the log at `info`.
What counts is the moment in which a call is decided: a key that is revoked, or a token that expires, while the body is still
on its way pays no more.

| `error` | when | what to do |
|---|---|---|
| none | no `Authorization` | `POST /v1/jwt/client/obtain/token`, then `Authorization: Bearer <access_token>` |
| `invalid_request` | `Authorization` without `Bearer` | put it before the token |
| `invalid_token`, \"... expired ...\" | the token is older than an hour | obtain another |
| `invalid_token`, \"... revoked ...\" | its API key was revoked | use another key; `kola merchant create-key` makes one |
| `invalid_token`, \"... is not one of this server ...\" | a token of another server, a broken one, or signed by a key that was retired | obtain another |
| `invalid_client` | an unknown `client_id` or a wrong `client_secret` | both were shown once; `kola merchant create-key` makes others |

## Passcodes

Where a merchant has set a passcode, its payouts need it (`passcode.token.code`), and so does to replace or remove it (`current`).
Each try is reserved before it is compared. Wrong ones are counted in a window: 5 of an API key in 15 minutes lock the key's
payouts and changes for 15 minutes (403 with `Retry-After`), 20 of all keys in a day lock the merchant's until an operator lifts
it. A right one takes back nothing but itself. Where those that are being compared would lock together with the wrong ones, a
call waits up to 2 seconds for its turn, and then gets a 429. A try that a process which died left behind counts as wrong after
30 seconds.

| to | the merchant | the operator |
|---|---|---|
| set it | `POST /v1/merchants/passcode/set {\"passcode\": \"482913\"}` | `kola merchant set-passcode --merchant ID` |
| replace it | the same with `\"current\": \"...\"` | the same, without knowing it; locks fall |
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
| `value_error.currency` | not a currency of ISO 4217 |
| `value_error.country` | not a country of ISO 3166: two letters or three |
| `value_error.number.not_gt`, `.not_ge`, `.not_le` | ensure this value is greater than 0, ... |
| `value_error.decimal.max_places` | ensure that there are no more than 2 decimal places |
| `value_error.any_str.min_length`, `.max_length` | ensure this value has at least 1 characters, ... |
| `value_error.list.min_items`, `.max_items` | ensure this value has at least 1 items, ... |
| `value_error.str.regex` | string does not match regex ...; for a phone with an example |
| `value_error.str.control` | control characters are not allowed |
| `value_error.jsondecode` | where the JSON is broken |

## Refusals

The field is that of the usual call; the same refusal stands on the field that names the object in others.

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

/// The refusals, for a program.
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
            FaultKind::NotUuid,
            FaultKind::NotCurrency,
            FaultKind::NotCountry,
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

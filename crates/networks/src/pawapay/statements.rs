//! Statements: every movement of the money that pawaPay keeps in one wallet, as a CSV file that it
//! makes on request and offers for a day.

use domain::kernel::currency::Currency;
use domain::kernel::time::{ServerTime, seconds};
use domain::kernel::uuids::Uuid;
use serde::Serialize;
use serde_json::Value;

use super::answers::{body, failure_code, failure_detail, not_successful};
use super::{failures, text_at};
use crate::exchange::{HttpRequest, HttpResponse, Unsendable};
use crate::reading::{Reading, Word};

/// The longest time of one statement: 31 days.
const LONGEST_US: i64 = seconds(31 * 86_400);

/// What a statement is wanted of. The wallets of an account are those of its balances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementOf {
    /// ISO 3166 in three letters.
    pub country: String,
    pub currency: Currency,
    /// The code of the operator, for a wallet of one operator.
    pub provider: Option<String>,
    /// From when, in whole seconds.
    pub from: ServerTime,
    /// Until when, in whole seconds.
    pub to: ServerTime,
    /// Where pawaPay says that the statement is made. It must be there, and the status tells the same.
    pub callback_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initiation<'a> {
    wallet: Wallet<'a>,
    callback_url: &'a str,
    start_date: String,
    end_date: String,
    compressed: bool,
}

#[derive(Serialize)]
struct Wallet<'a> {
    country: &'a str,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
}

/// Asks pawaPay to make a statement. pawaPay draws its id, so that a repeated request makes another
/// one: that costs nothing.
///
/// # Errors
/// The times are more than 31 days apart, or in the wrong order.
pub fn statement(of: &StatementOf) -> Result<HttpRequest, Unsendable> {
    let long = of.to.since(of.from);
    if long <= 0 || long > LONGEST_US {
        return Err(Unsendable::new("a statement is of at most 31 days"));
    }
    let initiation = Initiation {
        wallet: Wallet {
            country: &of.country,
            currency: of.currency.code(),
            provider: of.provider.as_deref(),
        },
        callback_url: &of.callback_url,
        start_date: date_time(of.from),
        end_date: date_time(of.to),
        compressed: false,
    };
    let body = serde_json::to_vec(&initiation).map_err(|it| Unsendable::new(it.to_string()))?;
    Ok(HttpRequest::post("/v2/statements", "application/json", body))
}

/// The question whether a statement is made.
#[must_use]
pub fn statement_status(statement_id: Uuid) -> HttpRequest {
    HttpRequest::get(format!("/v2/statements/{}", statement_id.as_hyphenated()))
}

/// As pawaPay writes it: in UTC, without saying so.
fn date_time(time: ServerTime) -> String {
    let whole = ServerTime(time.0 - time.0.rem_euclid(seconds(1)));
    whole.to_string().trim_end_matches('Z').to_owned()
}

/// Why there is no statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoStatement {
    /// pawaPay will not make it.
    Refused {
        /// For the operator.
        reason: String,
    },
    /// pawaPay does not know it.
    NotFound,
    /// The answer says neither: refused credentials, too many calls, no usable answer.
    Other(Box<Reading>),
}

/// How far a statement is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Statement {
    UnderWay,
    Made {
        /// Where the file is, for a day. Whoever knows it can read the file.
        download_url: String,
        size_bytes: Option<u64>,
    },
}

/// Reads the answer to a request for a statement: the id that pawaPay gave it.
///
/// # Errors
/// [`NoStatement`]
pub fn read_statement(response: &HttpResponse) -> Result<Uuid, NoStatement> {
    let answer = answer(response)?;
    let id = text_at(&answer, "/statementId").and_then(|id| Uuid::try_parse(&id).ok());
    match (text_at(&answer, "/status").as_deref(), id) {
        (Some("ACCEPTED"), Some(id)) => Ok(id),
        (Some("REJECTED"), _) => Err(refused(&answer)),
        _ => Err(unreadable("pawaPay answered a request for a statement with neither yes nor no")),
    }
}

/// Reads the answer to the question whether a statement is made.
///
/// # Errors
/// [`NoStatement`]
pub fn read_statement_status(response: &HttpResponse) -> Result<Statement, NoStatement> {
    let answer = answer(response)?;
    match (text_at(&answer, "/status").as_deref(), answer.get("data")) {
        (Some("NOT_FOUND"), _) => Err(NoStatement::NotFound),
        (Some("FOUND"), Some(data)) => read_data(data),
        _ => Err(unreadable("pawaPay answered a question about a statement without its status")),
    }
}

fn read_data(data: &Value) -> Result<Statement, NoStatement> {
    match text_at(data, "/status").as_deref() {
        Some("ACCEPTED" | "PROCESSING") => Ok(Statement::UnderWay),
        Some("COMPLETED") => {
            let download_url = text_at(data, "/downloadUrl")
                .ok_or_else(|| unreadable("pawaPay does not say where a statement is"))?;
            // pawaPay's own example spells it with a capital I.
            let size = text_at(data, "/fileSize").or_else(|| text_at(data, "/fileSIze"));
            let size_bytes = size.and_then(|size| size.parse().ok());
            Ok(Statement::Made { download_url, size_bytes })
        }
        Some("FAILED") => Err(refused(data)),
        _ => Err(unreadable("pawaPay's status of a statement is not known here")),
    }
}

fn answer(response: &HttpResponse) -> Result<Value, NoStatement> {
    let answer = body(response).map_err(NoStatement::Other)?;
    if response.status == 400 && failure_code(&answer).is_some() {
        return Err(refused(&answer));
    }
    match not_successful(response, "a request for a statement") {
        Some(alarm) => Err(unreadable(&alarm)),
        None => Ok(answer),
    }
}

fn refused(data: &Value) -> NoStatement {
    let code = failure_code(data).unwrap_or_else(|| "no code".to_owned());
    let detail = failures::staff_text(failure_detail(data).as_deref());
    NoStatement::Refused { reason: format!("pawaPay makes no statement: {code}, {detail}") }
}

fn unreadable(alarm: &str) -> NoStatement {
    NoStatement::Other(Box::new(Reading::Word(Word::unreadable(alarm))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x8917_c345_4791_4285_a416_62f2_4b69_82db);

    fn of() -> StatementOf {
        StatementOf {
            country: "ZMB".to_owned(),
            currency: Currency::parse("ZMW").unwrap(),
            provider: None,
            from: ServerTime(seconds(1_780_000_000)),
            to: ServerTime(seconds(1_780_086_400)),
            callback_url: "https://pay.kola.example/callbacks/pawapay/3/token".to_owned(),
        }
    }

    fn response(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() }
    }

    fn found(data: &str) -> Result<Statement, NoStatement> {
        read_statement_status(&response(200, &format!(r#"{{"status":"FOUND","data":{data}}}"#)))
    }

    #[test]
    fn what_is_asked() {
        let request = statement(&of()).unwrap();
        assert_eq!((request.method, request.path.as_str()), ("POST", "/v2/statements"));
        assert_eq!(
            std::str::from_utf8(&request.body).unwrap(),
            r#"{"wallet":{"country":"ZMB","currency":"ZMW"},"callbackUrl":"https://pay.kola.example/callbacks/pawapay/3/token","startDate":"2026-05-28T20:26:40","endDate":"2026-05-29T20:26:40","compressed":false}"#
        );
        let one = StatementOf { provider: Some("MTN_MOMO_ZMB".to_owned()), ..of() };
        let body = String::from_utf8(statement(&one).unwrap().body).unwrap();
        assert!(body.starts_with(
            r#"{"wallet":{"country":"ZMB","currency":"ZMW","provider":"MTN_MOMO_ZMB"}"#
        ));
        assert_eq!(
            statement_status(ID),
            HttpRequest::get("/v2/statements/8917c345-4791-4285-a416-62f24b6982db")
        );
    }

    #[test]
    fn a_statement_is_of_at_most_a_month() {
        let from = of().from;
        for (days, fits) in [(1, true), (31, true), (32, false), (0, false), (-1, false)] {
            let to = from.plus(seconds(days * 86_400));
            assert_eq!(statement(&StatementOf { to, ..of() }).is_ok(), fits, "{days}");
        }
    }

    #[test]
    fn whether_it_will_be_made() {
        let accepted = format!(r#"{{"statementId":"{ID}","status":"ACCEPTED"}}"#);
        assert_eq!(read_statement(&response(200, &accepted)), Ok(ID));
        let why = r#""failureReason":{"failureCode":"INVALID_INPUT","failureMessage":"no wallet"}"#;
        let reason = r#"pawaPay makes no statement: INVALID_INPUT, "no wallet""#.to_owned();
        for (status, body) in
            [(200, format!(r#"{{"status":"REJECTED",{why}}}"#)), (400, format!("{{{why}}}"))]
        {
            let refused = Err(NoStatement::Refused { reason: reason.clone() });
            assert_eq!(read_statement(&response(status, &body)), refused);
        }
        for (status, body) in [
            (200, r#"{"status":"ACCEPTED"}"#),
            (200, r#"{"status":"MAYBE"}"#),
            (200, ""),
            (400, "{}"),
            (401, "{}"),
            (404, "{}"),
            (500, "{}"),
        ] {
            let read = read_statement(&response(status, body));
            assert!(matches!(read, Err(NoStatement::Other(_))), "{status} {body}");
        }
    }

    #[test]
    fn whether_it_is_made() {
        assert_eq!(found(r#"{"status":"PROCESSING"}"#), Ok(Statement::UnderWay));
        let download_url = "https://files.pawapay.example/1".to_owned();
        for (size, size_bytes) in [
            (r#","fileSize":12"#, Some(12)),
            (r#","fileSIze":12"#, Some(12)),
            (r#","fileSize":null"#, None),
            ("", None),
        ] {
            let data = format!(r#"{{"status":"COMPLETED","downloadUrl":"{download_url}"{size}}}"#);
            let made = Statement::Made { download_url: download_url.clone(), size_bytes };
            assert_eq!(found(&data), Ok(made));
        }
        assert!(matches!(found(r#"{"status":"FAILED"}"#), Err(NoStatement::Refused { .. })));
        for data in [r#"{"status":"COMPLETED"}"#, r#"{"status":"LOST"}"#, "{}", "null"] {
            assert!(matches!(found(data), Err(NoStatement::Other(_))), "{data}");
        }
        let unknown = response(200, r#"{"status":"NOT_FOUND"}"#);
        assert_eq!(read_statement_status(&unknown), Err(NoStatement::NotFound));
    }
}

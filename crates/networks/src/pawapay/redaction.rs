//! What the record of exchanges keeps of a message: no secret, and of a number its last three digits.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::exchange::{HttpRequest, HttpResponse, cut_for_record, mask_account_number};

/// Fields that are replaced whole: a code that approves a payment, and pages that are open to whoever
/// knows their address.
const SECRET_FIELDS: [&str; 4] =
    ["preAuthorisationCode", "authorizationUrl", "successfulUrl", "failedUrl"];
/// Where a number stands.
const NUMBER_FIELD: &str = "phoneNumber";
/// The shortest run of digits that may be a number, where fields cannot be told apart.
const NUMBER_MIN_DIGITS: usize = 9;

/// A request and its response for the record of exchanges. Headers are left out: they have the token.
#[must_use]
pub fn redact(request: &HttpRequest, response: &HttpResponse) -> (String, String) {
    let bodies = [&request.body, &response.body];
    let mut numbers = BTreeSet::new();
    for body in bodies {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            collect_numbers(&value, &mut numbers);
        }
    }
    let [asked, answered] = bodies.map(|body| redact_body(body, &numbers));
    (
        cut_for_record(format!("{} {}\n\n{asked}", request.method, request.path).trim_end()),
        cut_for_record(format!("{}\n\n{answered}", response.status).trim_end()),
    )
}

/// The body of a callback for the record of exchanges.
#[must_use]
pub fn redact_callback(body: &[u8]) -> String {
    let mut numbers = BTreeSet::new();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        collect_numbers(&value, &mut numbers);
    }
    cut_for_record(&redact_body(body, &numbers))
}

fn collect_numbers(value: &Value, numbers: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(number) if name == NUMBER_FIELD && !number.is_empty() => {
                        numbers.insert(number.clone());
                    }
                    Value::Number(number) if name == NUMBER_FIELD => {
                        numbers.insert(number.to_string());
                    }
                    _ => collect_numbers(value, numbers),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_numbers(value, numbers)),
        _ => {}
    }
}

fn redact_body(body: &[u8], numbers: &BTreeSet<String>) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            hide_in(&mut value, numbers);
            value.to_string()
        }
        // An error page, or half of an answer.
        Err(_) => hide_digits(&String::from_utf8_lossy(body)),
    }
}

fn hide_in(value: &mut Value, numbers: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value {
                    Value::Null => {}
                    _ if SECRET_FIELDS.contains(&name.as_str()) => {
                        *value = Value::String("***".to_owned());
                    }
                    Value::Number(number) if name == NUMBER_FIELD => {
                        *value = Value::String(mask_account_number(&number.to_string()));
                    }
                    _ => hide_in(value, numbers),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| hide_in(value, numbers)),
        // A message may repeat the number.
        Value::String(text) => {
            for number in numbers {
                if text.contains(number.as_str()) {
                    *text = text.replace(number.as_str(), &mask_account_number(number));
                }
            }
        }
        _ => {}
    }
}

/// Masks every run of digits that is long enough to be a number.
fn hide_digits(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(digit) = c.filter(char::is_ascii_digit) {
            run.push(digit);
            continue;
        }
        if run.len() < NUMBER_MIN_DIGITS {
            hidden.push_str(&run);
        } else {
            hidden.push_str(&mask_account_number(&run));
        }
        run.clear();
        hidden.extend(c);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::RECORD_MAX_BYTES;

    fn response(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_record_has_no_token_and_no_number() {
        let body = r#"{"depositId":"7","payer":{"accountDetails":{"phoneNumber":"250783456789"}}}"#;
        let request =
            HttpRequest::post("/v2/deposits", "application/json", body).with_bearer("secret");
        let answer = r#"{"status":"REJECTED","failureReason":{"failureCode":"INVALID_PHONE_NUMBER","failureMessage":"250783456789 is wrong"}}"#;
        assert_eq!(
            redact(&request, &response(200, answer)),
            (
                "POST /v2/deposits\n\n{\"depositId\":\"7\",\"payer\":{\"accountDetails\":\
                 {\"phoneNumber\":\"*********789\"}}}"
                    .to_owned(),
                "200\n\n{\"status\":\"REJECTED\",\"failureReason\":{\"failureCode\":\
                 \"INVALID_PHONE_NUMBER\",\"failureMessage\":\"*********789 is wrong\"}}"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_record_has_no_page_that_approves_a_payment() {
        let answer = r#"{"status":"PROCESSING","authorizationUrl":"https://operator.example/?t=1","failedUrl":null}"#;
        let (asked, answered) = redact(&HttpRequest::get("/v2/deposits/7"), &response(200, answer));
        assert_eq!(asked, "GET /v2/deposits/7");
        assert_eq!(
            answered,
            "200\n\n{\"status\":\"PROCESSING\",\"authorizationUrl\":\"***\",\"failedUrl\":null}"
        );
    }

    #[test]
    fn a_number_without_quotes_is_a_number_too() {
        let body = br#"{"depositId":"7","payer":{"phoneNumber":250783456789},"of":"250783456789"}"#;
        assert_eq!(
            redact_callback(body),
            "{\"depositId\":\"7\",\"payer\":{\"phoneNumber\":\"*********789\"},\
             \"of\":\"*********789\"}"
        );
    }

    #[test]
    fn half_an_answer_has_no_number_either() {
        let (_, answered) = redact(
            &HttpRequest::get("/v2/deposits/7"),
            &response(502, r#"{"amount":"1500","phoneNumber":"250783456789"#),
        );
        assert_eq!(answered, "502\n\n{\"amount\":\"1500\",\"phoneNumber\":\"*********789");
        assert_eq!(redact(&HttpRequest::get("/"), &response(204, "")).1, "204");
    }

    #[test]
    fn a_callback_is_kept_without_its_number() {
        let body =
            br#"{"payoutId":"7","recipient":{"accountDetails":{"phoneNumber":"231880000001"}}}"#;
        assert_eq!(
            redact_callback(body),
            "{\"payoutId\":\"7\",\"recipient\":{\"accountDetails\":{\"phoneNumber\":\
             \"*********001\"}}}"
        );
        let long = "x".repeat(2 * RECORD_MAX_BYTES);
        assert!(redact_callback(long.as_bytes()).len() <= RECORD_MAX_BYTES);
    }
}

//! What the record of exchanges keeps of a call: without secrets, and without what would identify
//! the payer.

use crate::exchange::{HttpRequest, HttpResponse, cut_for_record, mask_account_number};

const REMOVED: &str = "[removed]";

/// Fields whose values are secrets, addresses that are as good as secrets, or personal data.
const SECRET_FIELDS: &[&str] = &[
    "cancel_url",
    "city",
    "client_secret",
    "customer_email",
    "email",
    "fingerprint",
    "hosted_instructions_url",
    "ip",
    "line1",
    "line2",
    "name",
    "phone",
    "postal_code",
    "receipt_email",
    "receipt_url",
    "return_url",
    "secret",
    "state",
    "success_url",
    "tax_id",
    "url",
    "verified_email",
    "verified_name",
];

/// Fields whose last three characters are kept.
const ACCOUNT_FIELDS: &[&str] = &[
    "account_number",
    "dynamic_last4",
    "iban",
    "iin",
    "last4",
    "number",
    "payment_method",
    "routing_number",
];

/// A call for the record: the request line with the body, and the answer. The account's key is in
/// neither.
#[must_use]
pub fn redact(request: &HttpRequest, response: &HttpResponse) -> (String, String) {
    let sent = format!("{} {}\n\n{}", request.method, request.path, form(&request.body));
    // By this, Stripe's support finds the call.
    let id = response.header("request-id").map(|id| format!(" {id}")).unwrap_or_default();
    let answered = format!("{}{id}\n\n{}", response.status, json(&response.body));
    (for_record(&sent), for_record(&answered))
}

/// The body of an event for the record of exchanges.
#[must_use]
pub fn redact_event(body: &[u8]) -> String {
    for_record(&json(body))
}

fn for_record(text: &str) -> String {
    cut_for_record(without_secrets(text).trim_end())
}

/// A text without keys of an account, secrets of endpoints, client secrets and ids of cards, whatever
/// it says.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '*';
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let gap = rest.find(is_word).unwrap_or(rest.len());
        let (between, after) = rest.split_at(gap);
        kept.push_str(between);
        let end = after.find(|c| !is_word(c)).unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        kept.push_str(&without_secret(word));
        rest = after;
    }
    kept
}

/// A word, or what may be known of it.
fn without_secret(word: &str) -> String {
    const CLIENT: &str = "_secret_";
    const KEYS: &[&str] = &["sk_test_", "sk_live_", "rk_test_", "rk_live_", "whsec_"];
    if let Some(start) = word.find(CLIENT) {
        let shown = word.get(..start + CLIENT.len()).unwrap_or_default();
        return format!("{shown}{REMOVED}");
    }
    if word.starts_with("pm_") {
        return mask_account_number(word);
    }
    match KEYS.iter().find(|prefix| word.starts_with(**prefix)) {
        Some(prefix) => format!("{prefix}{REMOVED}"),
        None => word.to_owned(),
    }
}

/// What may be known of a field's value; `None` for all of it.
fn shown(field: &str, value: &str) -> Option<String> {
    if SECRET_FIELDS.contains(&field) {
        Some(REMOVED.to_owned())
    } else if ACCOUNT_FIELDS.contains(&field) {
        Some(mask_account_number(value))
    } else {
        None
    }
}

/// The body of a request, decoded for reading.
fn form(body: &[u8]) -> String {
    let pairs = form_urlencoded::parse(body).map(|(name, value)| {
        // `payment_intent_data[metadata][key]` has the field `key`. The name of what is sold is the
        // merchant's, not the payer's.
        let field = name.trim_end_matches(']').rsplit('[').next().unwrap_or_default();
        let shown = if field == "name" { None } else { shown(field, &value) };
        format!("{name}={}", shown.as_deref().unwrap_or(&value))
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// The body of an answer. It is not parsed, so that half a body, which may have secrets as well, is
/// treated alike.
fn json(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut kept = String::with_capacity(text.len());
    let mut rest: &str = &text;
    let mut field = "";
    while let Some(start) = rest.find('"') {
        let (before, string) = rest.split_at(start + 1);
        kept.push_str(before);
        let end = end_of_string(string);
        let (content, after) = string.split_at(end);
        let is_name =
            after.strip_prefix('"').is_some_and(|after| after.trim_start().starts_with(':'));
        if is_name {
            field = content;
            kept.push_str(content);
        } else {
            kept.push_str(shown(field, content).as_deref().unwrap_or(content));
        }
        // Past the closing quotation mark, where the body was not cut before it.
        let closing = after.len().min(1);
        kept.push_str(after.get(..closing).unwrap_or_default());
        rest = after.get(closing..).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

/// Where the string ends that begins at the start of `text`, behind its quotation mark.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return at,
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::RECORD_MAX_BYTES;

    fn response(body: &str) -> HttpResponse {
        HttpResponse {
            status: 200,
            headers: vec![("request-id".to_owned(), "req_1".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    fn answered(body: &str) -> String {
        redact(&HttpRequest::get("/v1/payment_intents/pi_1"), &response(body)).1
    }

    #[test]
    fn requests_are_kept_without_cards_and_pages() {
        let request = HttpRequest::post(
            "/v1/payment_intents",
            "application/x-www-form-urlencoded",
            "amount=1000&currency=usd&payment_method=pm_card_visa&metadata%5Bkola_request_id%5D=r1",
        )
        .with_bearer("sk_test_123");
        assert_eq!(
            redact(&request, &response("{}")).0,
            "POST /v1/payment_intents\n\n\
             amount=1000&currency=usd&payment_method=*********isa&metadata[kola_request_id]=r1"
        );
        let request = HttpRequest::post(
            "/v1/checkout/sessions",
            "application/x-www-form-urlencoded",
            "success_url=https%3A%2F%2Fpay.example%2Fp%2Ftoken&\
             line_items%5B0%5D%5Bprice_data%5D%5Bproduct_data%5D%5Bname%5D=Shop",
        );
        assert_eq!(
            redact(&request, &response("{}")).0,
            "POST /v1/checkout/sessions\n\n\
             success_url=[removed]&line_items[0][price_data][product_data][name]=Shop"
        );
    }

    #[test]
    fn answers_are_kept_without_secrets_and_people() {
        for (body, expected) in [
            (
                r#"{"id":"pi_1","client_secret":"pi_1_secret_abc","amount":1000}"#,
                r#"{"id":"pi_1","client_secret":"[removed]","amount":1000}"#,
            ),
            (
                r#"{ "url" : "https://checkout.stripe.com/c/pay/cs_1#f", "status":"open" }"#,
                r#"{ "url" : "[removed]", "status":"open" }"#,
            ),
            (
                r#"{"billing_details":{"email":"a@b.c","name":"A \"B\" C","phone":null}}"#,
                r#"{"billing_details":{"email":"[removed]","name":"[removed]","phone":null}}"#,
            ),
            (
                r#"{"card":{"last4":"4242","exp_year":2030}}"#,
                r#"{"card":{"last4":"*242","exp_year":2030}}"#,
            ),
            (r#"{"payment_method":"pm_1Abc"}"#, r#"{"payment_method":"****Abc"}"#),
            (r#"{"payment_method":{"id":"pm_1Abc"}}"#, r#"{"payment_method":{"id":"****Abc"}}"#),
            (r#"{"decline_code":"lost_card"}"#, r#"{"decline_code":"lost_card"}"#),
            (r#"{"email":["a@b.c","d@e.f"]}"#, r#"{"email":["[removed]","[removed]"]}"#),
        ] {
            assert_eq!(answered(body), format!("200 req_1\n\n{expected}").trim_end());
        }
    }

    #[test]
    fn half_an_answer_is_treated_alike() {
        for (body, expected) in [
            (
                r#"{"id":"pi_1","client_secret":"pi_1_sec"#,
                r#"{"id":"pi_1","client_secret":"[removed]"#,
            ),
            (r#"{"email":"a@b"#, r#"{"email":"[removed]"#),
            (r#"{"email"#, r#"{"email"#),
            (r#"{"name":"A \"#, r#"{"name":"[removed]"#),
            ("<html>\"502\" Bad", "<html>\"502\" Bad"),
            ("", ""),
        ] {
            assert_eq!(answered(body), format!("200 req_1\n\n{expected}").trim_end());
        }
    }

    #[test]
    fn keys_are_taken_out_of_any_text() {
        for (text, expected) in [
            (
                "Invalid API Key provided: sk_test_****1234",
                "Invalid API Key provided: sk_test_[removed]",
            ),
            ("no such key rk_live_51Abc.", "no such key rk_live_[removed]."),
            ("whsec_abc/x", "whsec_[removed]/x"),
            ("pi_1_secret_abc, pi_2", "pi_1_secret_[removed], pi_2"),
            ("No such PaymentMethod: 'pm_1Abc'", "No such PaymentMethod: '****Abc'"),
            ("naïve sk_test", "naïve sk_test"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
    }

    #[test]
    fn events_are_kept_like_answers() {
        let event = br#"{"type":"charge.failed","data":{"object":{"client_secret":"a","id":"b"}}}"#;
        assert_eq!(
            redact_event(event),
            r#"{"type":"charge.failed","data":{"object":{"client_secret":"[removed]","id":"b"}}}"#
        );
    }

    #[test]
    fn a_record_has_an_end() {
        let (_, answered) =
            redact(&HttpRequest::get("/"), &response(&"é".repeat(RECORD_MAX_BYTES)));
        assert!(answered.len() <= RECORD_MAX_BYTES);
    }
}

//! What pawaPay's answers say of a payment. Whatever is not understood is unknown, because the money
//! may have moved.

use domain::kernel::names::Operation;
use domain::kernel::uuids::Uuid;
use domain::payments::outcome::ENQUEUED;
use serde_json::Value;

use super::{Kind, failures, text_at};
use crate::exchange::HttpResponse;
use crate::reading::{self, Reading, UnreadableAmount, Word, money_of_decimal};

const IN_RECONCILIATION: &str =
    "the network is finding out from the mobile operator what became of it";
const DUPLICATE: &str = "the network already has it; its status is asked";
/// Operators that send the payer to a page of their own; kola opens no market of theirs.
const NEEDS_PAGE: &str = "the mobile operator wants to send the payer to a page of its own, which is not supported: \
     it ends when the network gives it up";

/// Reads the answer to an initiation.
#[must_use]
pub fn read_initiation(operation: Operation, request_id: Uuid, response: &HttpResponse) -> Reading {
    let answer = match body(response) {
        Ok(answer) => answer,
        Err(reading) => return *reading,
    };
    if let Some(alarm) = other_id(operation, request_id, &answer) {
        return Reading::Word(Word::unreadable(alarm));
    }
    let code = failure_code(&answer);
    if response.status == 400 {
        return Reading::Word(match code.filter(|code| failures::is_bad_request(code)) {
            // Repeating it would give the same answer.
            Some(_) => refused(&answer),
            None => Word::unreadable("pawaPay answered 400 without a code that is known here"),
        });
    }
    if let Some(alarm) = not_successful(response, "a request") {
        return Reading::Word(Word::unreadable(alarm));
    }
    let status = text_at(&answer, "/status");
    Reading::Word(match status.as_deref() {
        Some("ACCEPTED") => accepted(&answer),
        Some("REJECTED")
            if code.as_deref().map(failures::current_name)
                == Some(failures::REFUND_IN_PROGRESS) =>
        {
            return Reading::RefundInProgress;
        }
        // Final: no callback follows.
        Some("REJECTED") => refused(&answer),
        // Something was already done with this id, and the answer does not say what.
        Some("DUPLICATE_IGNORED") => {
            Word { waits_for: Some(DUPLICATE.to_owned()), ..Word::unknown() }
        }
        Some("ENQUEUED") => Word::waits_for(ENQUEUED),
        Some(other) => unknown_status("to a request", other),
        None => Word::unreadable("pawaPay answered a request without a status"),
    })
}

/// Reads the answer to the question how a payment stands.
#[must_use]
pub fn read_status(operation: Operation, request_id: Uuid, response: &HttpResponse) -> Reading {
    let answer = match body(response) {
        Ok(answer) => answer,
        Err(reading) => return *reading,
    };
    if let Some(alarm) = not_successful(response, "a question") {
        return Reading::Word(Word::unreadable(alarm));
    }
    let data = answer.get("data");
    if let Some(alarm) = other_id(operation, request_id, data.unwrap_or(&Value::Null)) {
        return Reading::Word(Word::unreadable(alarm));
    }
    let status = text_at(&answer, "/status");
    Reading::Word(match (status.as_deref(), data) {
        (Some("FOUND"), Some(data)) => word_of_payment(data, request_id),
        (Some("FOUND"), None) => Word::unreadable("pawaPay found a payment and says nothing of it"),
        (Some("NOT_FOUND"), _) => Word::never_seen(),
        (Some(other), _) => unknown_status("to a question", other),
        (None, _) => Word::unreadable("pawaPay answered a question without a status"),
    })
}

/// What pawaPay says to a request to take a payment out of its queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cancellation {
    /// It will fail. Its status says so when it has.
    Taken,
    /// It is not in the queue.
    NotTaken {
        /// In words for who asked.
        reason: String,
    },
    /// The answer says neither: refused credentials, too many calls, no usable answer.
    Other(Reading),
}

/// Reads the answer to a request to take a payment out of pawaPay's queue.
#[must_use]
pub fn read_fail_enqueued(
    operation: Operation,
    request_id: Uuid,
    response: &HttpResponse,
) -> Cancellation {
    let answer = match body(response) {
        Ok(answer) => answer,
        Err(reading) => return Cancellation::Other(*reading),
    };
    let unreadable = |alarm: String| Cancellation::Other(Reading::Word(Word::unreadable(alarm)));
    let odd = not_successful(response, "a cancellation");
    if let Some(alarm) = odd.or_else(|| other_id(operation, request_id, &answer)) {
        return unreadable(alarm);
    }
    match text_at(&answer, "/status").as_deref() {
        Some("ACCEPTED") => Cancellation::Taken,
        Some("REJECTED") => Cancellation::NotTaken {
            reason: match failure_code(&answer).as_deref() {
                Some("NOT_FOUND") => "NOT_FOUND: the network does not know the payment".to_owned(),
                Some("INVALID_STATE") => {
                    "INVALID_STATE: the payment is not in the network's queue".to_owned()
                }
                code => failures::explain(code, None).message,
            },
        },
        Some(other) => unreadable(unknown_status_text("to a cancellation", other)),
        None => unreadable("pawaPay answered a cancellation without a status".to_owned()),
    }
}

/// How a payment stands, as the data of a status or a callback tells it.
pub(super) fn word_of_payment(data: &Value, request_id: Uuid) -> Word {
    let word = match text_at(data, "/status").as_deref() {
        Some("ACCEPTED" | "PROCESSING" | "SUBMITTED") => accepted(data),
        Some("ENQUEUED") => Word::waits_for(ENQUEUED),
        Some("IN_RECONCILIATION") => Word::waits_for(IN_RECONCILIATION),
        Some("COMPLETED") => completed(data, request_id),
        Some("FAILED") => refused(data),
        Some(other) => unknown_status("of a payment", other),
        None => Word::unreadable("pawaPay tells of a payment without its status"),
    };
    let number = ["/payer", "/recipient"]
        .iter()
        .find_map(|side| text_at(data, &format!("{side}/accountDetails/phoneNumber")));
    Word { account_number: number, ..word }
}

/// The body of an answer, or what the answer says without one.
pub(super) fn body(response: &HttpResponse) -> Result<Value, Box<Reading>> {
    let parsed = serde_json::from_slice::<Value>(&response.body).ok().filter(Value::is_object);
    match reading::of_status(response) {
        Some(Reading::AccountRefused { reason }) => {
            let code = parsed.as_ref().and_then(failure_code);
            let detail = parsed.as_ref().and_then(failure_detail);
            let said = match code {
                Some(code) => format!("{code}, {}", failures::staff_text(detail.as_deref())),
                None => "without a code".to_owned(),
            };
            Err(Box::new(Reading::AccountRefused { reason: format!("{reason}: {said}") }))
        }
        Some(reading) => Err(Box::new(reading)),
        None => parsed.ok_or_else(|| {
            let alarm = format!("pawaPay answered {} with an unreadable body", response.status);
            Box::new(Reading::Word(Word::unreadable(alarm)))
        }),
    }
}

/// What to tell the operator of an HTTP status that pawaPay's answers do not have: a proxy's, whose
/// body may look like pawaPay's.
pub(super) fn not_successful(response: &HttpResponse, to: &str) -> Option<String> {
    (!(200..300).contains(&response.status))
        .then(|| format!("pawaPay answered {} to {to}", response.status))
}

/// What to tell the operator of an answer about another payment than the one that was asked about.
fn other_id(operation: Operation, request_id: Uuid, data: &Value) -> Option<String> {
    let Some(kind) = Kind::of(operation) else {
        return Some("pawaPay was asked about a transfer".to_owned());
    };
    let field = kind.id_field();
    let id = text_at(data, &format!("/{field}"))?;
    (Uuid::try_parse(&id) != Ok(request_id))
        .then(|| format!("pawaPay answered about another payment: {field} {id:?}"))
}

fn accepted(data: &Value) -> Word {
    if text_at(data, "/nextStep").is_some_and(|step| step != "FINAL_STATUS")
        || data.get("authorizationUrl").is_some_and(Value::is_string)
    {
        let alarm = "pawaPay wants to send a payer to a page of the operator: close this market";
        return Word { alarm: Some(alarm.to_owned()), ..Word::waits_for(NEEDS_PAGE) };
    }
    Word::accepted()
}

fn completed(data: &Value, request_id: Uuid) -> Word {
    let amount = text_at(data, "/amount").zip(text_at(data, "/currency"));
    let amount = amount
        .ok_or_else(|| UnreadableAmount("no amount".to_owned()))
        .and_then(|(amount, currency)| money_of_decimal(&amount, &currency));
    // The operator's id is what a payer finds in a message; some operators give none.
    let transaction_id = text_at(data, "/providerTransactionId").filter(|id| !id.is_empty());
    Word::succeeded(transaction_id.unwrap_or_else(|| request_id.to_string()), amount)
}

fn refused(data: &Value) -> Word {
    let explained =
        failures::explain(failure_code(data).as_deref(), failure_detail(data).as_deref());
    Word { alarm: explained.alarm, ..Word::declined(explained.message) }
}

fn unknown_status(of: &str, status: &str) -> Word {
    Word::unreadable(unknown_status_text(of, status))
}

fn unknown_status_text(of: &str, status: &str) -> String {
    format!("pawaPay's status {of} is not known here: {}", failures::staff_text(Some(status)))
}

/// The failure's code. The guide of refunds still spells it as version 1 did.
pub(super) fn failure_code(data: &Value) -> Option<String> {
    text_at(data, "/failureReason/failureCode")
        .or_else(|| text_at(data, "/rejectionReason/rejectionCode"))
}

/// pawaPay's message to staff.
pub(super) fn failure_detail(data: &Value) -> Option<String> {
    text_at(data, "/failureReason/failureMessage")
        .or_else(|| text_at(data, "/rejectionReason/rejectionMessage"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::kernel::currency::Currency;
    use domain::kernel::money::Money;
    use domain::payments::outcome::ProviderOutcome;

    use super::*;

    const ID: Uuid = Uuid::from_u128(0xafb5_7b93_7849_49aa_babb_4c3c_cbfe_3d79);
    const NETWORK_OPERATIONS: [Operation; 3] =
        [Operation::Collection, Operation::Payout, Operation::Refund];

    fn response(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() }
    }

    fn id_field(operation: Operation) -> &'static str {
        match operation {
            Operation::Payout => "payoutId",
            Operation::Refund => "refundId",
            _ => "depositId",
        }
    }

    /// The answer with the id of the operation in front.
    fn with_id(operation: Operation, fields: &str) -> String {
        format!(r#"{{"{}":"{ID}",{fields}}}"#, id_field(operation))
    }

    fn initiated(operation: Operation, fields: &str) -> Reading {
        read_initiation(operation, ID, &response(200, &with_id(operation, fields)))
    }

    fn found(operation: Operation, fields: &str) -> Word {
        let data = with_id(operation, fields);
        let body = format!(r#"{{"status":"FOUND","data":{data}}}"#);
        match read_status(operation, ID, &response(200, &body)) {
            Reading::Word(word) => word,
            other => panic!("{other:?}"),
        }
    }

    fn succeeded(transaction_id: &str, minor: i64, currency: &str) -> ProviderOutcome {
        ProviderOutcome::Succeeded {
            transaction_id: transaction_id.to_owned(),
            amount: Some(Money::new(minor, Currency::parse(currency).unwrap())),
        }
    }

    fn declined(message: &str) -> ProviderOutcome {
        ProviderOutcome::Declined { message: message.to_owned() }
    }

    fn alarm_of(reading: Reading) -> String {
        match reading {
            Reading::Word(word) if word.outcome == ProviderOutcome::Unknown => {
                word.alarm.unwrap_or_default()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_status_of_an_initiation() {
        for operation in NETWORK_OPERATIONS {
            for (fields, expected) in [
                (r#""status":"ACCEPTED","created":"2026-05-15T07:38:56Z""#, Word::accepted()),
                (r#""status":"ACCEPTED","nextStep":"FINAL_STATUS""#, Word::accepted()),
                (r#""status":"ACCEPTED","aNewField":{"of":["pawaPay"]}"#, Word::accepted()),
                (
                    r#""status":"DUPLICATE_IGNORED""#,
                    Word { waits_for: Some(DUPLICATE.to_owned()), ..Word::unknown() },
                ),
                (r#""status":"ENQUEUED""#, Word::waits_for(ENQUEUED)),
                (
                    r#""status":"REJECTED","failureReason":{"failureCode":"AMOUNT_OUT_OF_BOUNDS","failureMessage":"m"}"#,
                    Word::declined(
                        "AMOUNT_OUT_OF_BOUNDS: the mobile operator does not take amounts of this size",
                    ),
                ),
                (
                    r#""status":"REJECTED","rejectionReason":{"rejectionCode":"INVALID_PAYER_FORMAT","rejectionMessage":"m"}"#,
                    Word::declined("INVALID_PHONE_NUMBER: the number is not one of this country"),
                ),
            ] {
                assert_eq!(initiated(operation, fields), Reading::Word(expected), "{fields}");
            }
        }
    }

    #[test]
    fn a_rejection_is_final_whatever_its_code() {
        for fields in [
            r#""status":"REJECTED""#,
            r#""status":"REJECTED","failureReason":{}"#,
            r#""status":"REJECTED","failureReason":{"failureCode":"NEVER_HEARD_OF"}"#,
        ] {
            let Reading::Word(word) = initiated(Operation::Payout, fields) else { panic!() };
            assert!(matches!(word.outcome, ProviderOutcome::Declined { .. }), "{fields}");
            assert!(word.alarm.is_some(), "{fields}");
        }
    }

    #[test]
    fn a_refund_behind_another_one_is_no_failure() {
        for reason in [
            r#""failureReason":{"failureCode":"REFUND_IN_PROGRESS"}"#,
            r#""rejectionReason":{"rejectionCode":"IN_PROGRESS"}"#,
        ] {
            let fields = format!(r#""status":"REJECTED",{reason}"#);
            assert_eq!(initiated(Operation::Refund, &fields), Reading::RefundInProgress);
        }
    }

    #[test]
    fn a_payment_that_needs_a_page_of_the_operator_waits_loudly() {
        for word in [
            match initiated(
                Operation::Collection,
                r#""status":"ACCEPTED","nextStep":"GET_AUTH_URL""#,
            ) {
                Reading::Word(word) => word,
                other => panic!("{other:?}"),
            },
            found(
                Operation::Collection,
                r#""status":"PROCESSING","authorizationUrl":"https://operator.example/pay""#,
            ),
        ] {
            assert_eq!(word.outcome, ProviderOutcome::Accepted);
            assert!(word.alarm.is_some() && word.waits_for.is_some());
        }
    }

    #[test]
    fn every_status_of_a_payment() {
        for operation in NETWORK_OPERATIONS {
            for (fields, expected) in [
                (r#""status":"ACCEPTED""#, Word::accepted()),
                (r#""status":"PROCESSING""#, Word::accepted()),
                (r#""status":"SUBMITTED""#, Word::accepted()),
                (r#""status":"ENQUEUED""#, Word::waits_for(ENQUEUED)),
                (r#""status":"IN_RECONCILIATION""#, Word::waits_for(IN_RECONCILIATION)),
                (
                    r#""status":"COMPLETED","amount":"100.00","currency":"RWF","country":"RWA","providerTransactionId":"12356789""#,
                    Word::new(succeeded("12356789", 100, "RWF")),
                ),
                (
                    r#""status":"COMPLETED","amount":"100","currency":"USD","providerTransactionId":null"#,
                    Word::new(succeeded("afb57b93-7849-49aa-babb-4c3ccbfe3d79", 10_000, "USD")),
                ),
                (
                    r#""status":"COMPLETED","amount":10.5,"currency":"ZMW","providerTransactionId":"""#,
                    Word::new(succeeded("afb57b93-7849-49aa-babb-4c3ccbfe3d79", 1_050, "ZMW")),
                ),
                (
                    r#""status":"FAILED","failureReason":{"failureCode":"PAYMENT_NOT_APPROVED","failureMessage":"m"}"#,
                    Word::declined("PAYMENT_NOT_APPROVED: the payer did not approve the payment"),
                ),
                (
                    r#""status":"FAILED","failureReason":{"failureCode":"OTHER_ERROR","failureMessage":"m"}"#,
                    Word::declined("UNSPECIFIED_FAILURE: the mobile operator gave no reason"),
                ),
            ] {
                assert_eq!(found(operation, fields), expected, "{operation} {fields}");
            }
        }
    }

    #[test]
    fn what_is_not_known_says_nothing_and_is_told() {
        for status in ["REJECTED", "PAUSED", "completed", "FOUND"] {
            let word = found(Operation::Payout, &format!(r#""status":"{status}""#));
            assert_eq!(word.outcome, ProviderOutcome::Unknown);
            assert!(word.alarm.unwrap().contains(status));
        }
        for fields in [r#""status":"PAUSED""#, r#""status":"COMPLETED""#, r#""status":"FAILED""#] {
            assert!(alarm_of(initiated(Operation::Payout, fields)).contains("is not known here"));
        }
    }

    #[test]
    fn a_success_without_a_bookable_amount_waits_loudly() {
        for fields in [
            r#""status":"COMPLETED""#,
            r#""status":"COMPLETED","amount":"100""#,
            r#""status":"COMPLETED","amount":"100","currency":"ABC""#,
            r#""status":"COMPLETED","amount":"100.5","currency":"RWF""#,
            r#""status":"COMPLETED","amount":"","currency":"RWF""#,
            r#""status":"COMPLETED","amount":null,"currency":"RWF""#,
        ] {
            let word = found(Operation::Collection, fields);
            assert_eq!(word.outcome, ProviderOutcome::Unknown, "{fields}");
            assert!(word.alarm.unwrap().starts_with("money moved"), "{fields}");
        }
    }

    #[test]
    fn the_number_that_was_charged_is_read() {
        for (operation, side) in
            [(Operation::Collection, "payer"), (Operation::Payout, "recipient")]
        {
            let fields = format!(
                r#""status":"PROCESSING","{side}":{{"type":"MMO","accountDetails":{{"phoneNumber":"250783456789","provider":"MTN_MOMO_RWA"}}}}"#
            );
            assert_eq!(found(operation, &fields).account_number.as_deref(), Some("250783456789"));
        }
    }

    #[test]
    fn a_request_that_never_arrived() {
        let reading =
            read_status(Operation::Payout, ID, &response(200, r#"{"status":"NOT_FOUND"}"#));
        assert_eq!(reading, Reading::Word(Word::never_seen()));
        // A proxy that does not know the path is not pawaPay.
        for body in [r#"{"status":"NOT_FOUND"}"#, r#"{"error":"Not Found"}"#] {
            assert!(
                alarm_of(read_status(Operation::Payout, ID, &response(404, body))).contains("404")
            );
        }
    }

    #[test]
    fn an_answer_of_something_else_than_pawapay_is_not_believed() {
        for status in [302, 404, 405, 409, 418] {
            let body = with_id(Operation::Payout, r#""status":"REJECTED""#);
            let odd = response(status, &body);
            let alarm = alarm_of(read_initiation(Operation::Payout, ID, &odd));
            assert_eq!(alarm, format!("pawaPay answered {status} to a request"));
            assert!(matches!(
                read_fail_enqueued(Operation::Payout, ID, &odd),
                Cancellation::Other(Reading::Word(_))
            ));
        }
    }

    #[test]
    fn an_answer_about_another_payment_is_not_believed() {
        let other = r#"{"payoutId":"11111111-1111-4111-8111-111111111111","status":"ACCEPTED"}"#;
        let alarm = alarm_of(read_initiation(Operation::Payout, ID, &response(200, other)));
        assert!(alarm.contains("another payment"));
        let found = format!(r#"{{"status":"FOUND","data":{other}}}"#);
        let alarm = alarm_of(read_status(Operation::Payout, ID, &response(200, &found)));
        assert!(alarm.contains("another payment"));
        assert!(matches!(
            read_fail_enqueued(Operation::Payout, ID, &response(200, other)),
            Cancellation::Other(_)
        ));
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        for body in [
            "",
            "<html>Bad Gateway</html>",
            r#"{"depositId":"#,
            "[]",
            "null",
            "\"ACCEPTED\"",
            "{}",
            r#"{"status":null}"#,
            r#"{"status":["ACCEPTED"]}"#,
        ] {
            for operation in NETWORK_OPERATIONS {
                alarm_of(read_initiation(operation, ID, &response(200, body)));
                alarm_of(read_status(operation, ID, &response(200, body)));
            }
        }
        alarm_of(read_status(Operation::Payout, ID, &response(200, r#"{"status":"FOUND"}"#)));
        let empty = r#"{"status":"FOUND","data":null}"#;
        alarm_of(read_status(Operation::Payout, ID, &response(200, empty)));
    }

    #[test]
    fn an_error_of_the_network_is_unknown_whatever_it_says() {
        for (status, body) in [
            (500, r#"{"failureReason":{"failureCode":"UNKNOWN_ERROR","failureMessage":"m"}}"#),
            (500, r#"{"status":"REJECTED"}"#),
            (502, "<html>"),
            (503, ""),
            (504, r#"{"status":"NOT_FOUND"}"#),
        ] {
            let response = response(status, body);
            let unknown = Reading::Word(Word::unknown());
            assert_eq!(read_initiation(Operation::Payout, ID, &response), unknown);
            assert_eq!(read_status(Operation::Payout, ID, &response), unknown);
        }
    }

    #[test]
    fn a_request_that_could_not_be_read_is_final_and_told() {
        for code in [
            "INVALID_INPUT",
            "MISSING_PARAMETER",
            "UNSUPPORTED_PARAMETER",
            "INVALID_PARAMETER",
            "DUPLICATE_METADATA_FIELD",
        ] {
            let body = format!(r#"{{"failureReason":{{"failureCode":"{code}"}}}}"#);
            let reading = read_initiation(Operation::Payout, ID, &response(400, &body));
            let Reading::Word(word) = reading else { panic!() };
            let message = format!("{code}: the network could not read the request");
            assert_eq!(word.outcome, declined(&message));
            assert!(word.alarm.is_some());
        }
        for body in [r#"{"failureReason":{"failureCode":"SOMETHING"}}"#, "{}", "", "<html>"] {
            alarm_of(read_initiation(Operation::Payout, ID, &response(400, body)));
        }
        // A question that could not be read says nothing of the payment.
        let body = r#"{"failureReason":{"failureCode":"INVALID_PARAMETER"}}"#;
        alarm_of(read_status(Operation::Payout, ID, &response(400, body)));
    }

    #[test]
    fn refused_credentials_say_nothing_of_the_payment() {
        for (status, code) in [
            (401, "NO_AUTHENTICATION"),
            (403, "AUTHENTICATION_ERROR"),
            (403, "AUTHORISATION_ERROR"),
            (403, "HTTP_SIGNATURE_ERROR"),
            (403, "DEPOSITS_NOT_ALLOWED"),
            (403, "PAYOUTS_NOT_ALLOWED"),
            (403, "REFUNDS_NOT_ALLOWED"),
        ] {
            let body = format!(
                r#"{{"failureReason":{{"failureCode":"{code}","failureMessage":"The token"}}}}"#
            );
            let reason = format!(
                "the network answered {status} to the account's token: {code}, \"The token\""
            );
            let refused = Reading::AccountRefused { reason };
            let response = response(status, &body);
            assert_eq!(read_initiation(Operation::Payout, ID, &response), refused);
            assert_eq!(read_status(Operation::Payout, ID, &response), refused);
            assert_eq!(
                read_fail_enqueued(Operation::Payout, ID, &response),
                Cancellation::Other(refused)
            );
        }
        assert!(matches!(
            read_status(Operation::Payout, ID, &response(403, "<html>")),
            Reading::AccountRefused { reason } if reason.ends_with("without a code")
        ));
    }

    #[test]
    fn too_many_calls_say_nothing_of_the_payment() {
        let slow = HttpResponse {
            headers: vec![("retry-after".to_owned(), "4".to_owned())],
            ..response(429, "{}")
        };
        assert_eq!(
            read_initiation(Operation::Payout, ID, &slow),
            Reading::Later { after: Some(Duration::from_secs(4)) }
        );
    }

    #[test]
    fn a_cancellation_is_about_the_queue_only() {
        let read = |fields: &str| {
            let body = with_id(Operation::Refund, fields);
            read_fail_enqueued(Operation::Refund, ID, &response(200, &body))
        };
        assert_eq!(read(r#""status":"ACCEPTED""#), Cancellation::Taken);
        for (code, reason) in [
            ("INVALID_STATE", "INVALID_STATE: the payment is not in the network's queue"),
            ("NOT_FOUND", "NOT_FOUND: the network does not know the payment"),
            ("ODD", "ODD: the network refused the payment"),
        ] {
            let fields =
                format!(r#""status":"REJECTED","failureReason":{{"failureCode":"{code}"}}"#);
            assert_eq!(read(&fields), Cancellation::NotTaken { reason: reason.to_owned() });
        }
        for fields in [r#""status":"MAYBE""#, r#""x":1"#] {
            assert!(matches!(read(fields), Cancellation::Other(Reading::Word(_))));
        }
        let failing = response(500, "");
        assert_eq!(
            read_fail_enqueued(Operation::Refund, ID, &failing),
            Cancellation::Other(Reading::Word(Word::unknown()))
        );
    }

    #[test]
    fn transfers_are_never_asked_about() {
        let word = alarm_of(read_status(
            Operation::Transfer,
            ID,
            &response(200, r#"{"status":"NOT_FOUND"}"#),
        ));
        assert!(word.contains("transfer"));
    }
}

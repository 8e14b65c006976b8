//! pawaPay's callbacks: a status without being asked. One that is not signed is only a hint.

use domain::kernel::names::Operation;
use domain::kernel::uuids::Uuid;
use serde_json::Value;

use super::answers::word_of_payment;
use super::{Kind, text_at};
use crate::reading::Word;

/// What a callback tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    pub operation: Operation,
    /// The request id of the attempt.
    pub request_id: Uuid,
    pub word: Word,
}

/// Reads the body of a callback.
///
/// # Errors
/// Why it cannot be read, for the operator.
pub fn read_callback(body: &[u8]) -> Result<Callback, String> {
    let data: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    // A refund may name its deposit, too.
    let found = [Kind::Refund, Kind::Payout, Kind::Deposit]
        .into_iter()
        .find_map(|kind| Some((kind, text_at(&data, &format!("/{}", kind.id_field()))?)));
    let (kind, id) = found.ok_or("it names no deposit, payout or refund")?;
    let request_id = Uuid::try_parse(&id).map_err(|_| format!("{} is no UUID", kind.id_field()))?;
    Ok(Callback {
        operation: kind.operation(),
        request_id,
        word: word_of_payment(&data, request_id),
    })
}

/// Whether a callback says that a statement is made, and nothing of a payment. It has the address of
/// the file, which nobody else may learn.
#[must_use]
pub fn is_of_statement(body: &[u8]) -> bool {
    let Ok(data) = serde_json::from_slice::<Value>(body) else { return false };
    let has = |field: &str| text_at(&data, &format!("/{field}")).is_some();
    let kinds = [Kind::Refund, Kind::Payout, Kind::Deposit];
    has("statementId") && !kinds.into_iter().any(|kind| has(kind.id_field()))
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;
    use domain::kernel::money::Money;
    use domain::payments::outcome::ProviderOutcome;

    use super::*;

    const ID: Uuid = Uuid::from_u128(0xafb5_7b93_7849_49aa_babb_4c3c_cbfe_3d79);

    #[test]
    fn a_completed_deposit() {
        let body = format!(
            r#"{{"depositId":"{ID}","status":"COMPLETED","amount":"1500.00","currency":"RWF","country":"RWA","payer":{{"type":"MMO","accountDetails":{{"phoneNumber":"250783456789","provider":"MTN_MOMO_RWA"}}}},"customerMessage":"Kigali Books","created":"2026-05-15T07:38:56Z","providerTransactionId":"12356789","metadata":{{"merchantId":"7"}}}}"#
        );
        let amount = Some(Money::new(1_500, Currency::parse("RWF").unwrap()));
        let outcome = ProviderOutcome::Succeeded { transaction_id: "12356789".to_owned(), amount };
        let word = Word { account_number: Some("250783456789".to_owned()), ..Word::new(outcome) };
        let callback = Callback { operation: Operation::Collection, request_id: ID, word };
        assert_eq!(read_callback(body.as_bytes()), Ok(callback));
    }

    #[test]
    fn the_id_says_what_it_is_about() {
        for (ids, operation) in [
            (format!(r#""depositId":"{ID}""#), Operation::Collection),
            (format!(r#""payoutId":"{ID}""#), Operation::Payout),
            (format!(r#""refundId":"{ID}""#), Operation::Refund),
            (
                format!(r#""depositId":"11111111-1111-4111-8111-111111111111","refundId":"{ID}""#),
                Operation::Refund,
            ),
        ] {
            let body = format!(
                r#"{{{ids},"status":"FAILED","failureReason":{{"failureCode":"UNSPECIFIED_FAILURE"}}}}"#
            );
            let callback = read_callback(body.as_bytes()).unwrap();
            assert_eq!((callback.operation, callback.request_id), (operation, ID));
            assert_eq!(
                callback.word,
                Word::declined("UNSPECIFIED_FAILURE: the mobile operator gave no reason")
            );
        }
    }

    #[test]
    fn a_redirected_deposit_is_still_open() {
        let body = format!(r#"{{"depositId":"{ID}","status":"PROCESSING"}}"#);
        assert_eq!(read_callback(body.as_bytes()).unwrap().word, Word::accepted());
    }

    #[test]
    fn an_unknown_status_is_told() {
        let body = format!(r#"{{"depositId":"{ID}","status":"PAUSED"}}"#);
        let word = read_callback(body.as_bytes()).unwrap().word;
        assert_eq!(word.outcome, ProviderOutcome::Unknown);
        assert!(word.alarm.unwrap().contains("PAUSED"));
    }

    #[test]
    fn what_is_no_callback_is_refused() {
        for (body, reason) in [
            ("", "no JSON"),
            ("<xml/>", "no JSON"),
            ("[]", "it names no deposit, payout or refund"),
            (r#"{"status":"COMPLETED"}"#, "it names no deposit, payout or refund"),
            (r#"{"depositId":"7"}"#, "depositId is no UUID"),
            (r#"{"refundId":null,"payoutId":"x"}"#, "payoutId is no UUID"),
        ] {
            assert!(read_callback(body.as_bytes()).unwrap_err().starts_with(reason), "{body}");
        }
    }

    #[test]
    fn a_statement_is_no_payment() {
        for (body, expected) in [
            (r#"{"statementId":"1","status":"COMPLETED"}"#, true),
            (r#"{"statementId":"1","depositId":"2"}"#, false),
            (r#"{"statementId":"1","payoutId":"2"}"#, false),
            (r#"{"statementId":"1","refundId":"2"}"#, false),
            (r#"{"depositId":"2"}"#, false),
            (r#"{"statementId":null}"#, false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(is_of_statement(body.as_bytes()), expected, "{body}");
        }
    }
}

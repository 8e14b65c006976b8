use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::money::{Money, Ratio};
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::MerchantTime;
use domain::payments::execution::ExecutionStatus;

use crate::api::executions::*;

fn execution(status: ExecutionStatus) -> Execution {
    let at = MerchantTime(1_795_348_800_000_000);
    let usd = Currency::parse("USD").unwrap();
    Execution {
        id: ExecutionId(9),
        merchant_id: MerchantId(1),
        reference_id: "7f3d2a10-9c4b-4e8a-b1c2-0123456789ab".to_owned(),
        operation: Operation::Payout,
        session_id: SessionId(7),
        status,
        source_id: None,
        payment_account_id: None,
        original_execution_id: None,
        wallet_id: None,
        other_wallet_id: None,
        payer: Money::new(50_750, usd),
        payee: Money::new(50_000, usd),
        total_minor: 50_750,
        platform_fee_minor: 250,
        gateway_fee_minor: 500,
        fx_fee_minor: 0,
        rate: Ratio::ONE,
        rules: 2,
        platform_fee_id: None,
        gateway_fee_id: None,
        refunded_minor: 0,
        over_refunded_minor: 0,
        given_back_minor: 0,
        refunded_total_minor: 0,
        over_refunded_total_minor: 0,
        released_minor: 0,
        provider: Provider::PawaPay,
        method: Method::MtnMomoLbr,
        provider_request_id: String::new(),
        provider_transaction_id: None,
        gateway_message: None,
        wallet_message: None,
        client_secret: None,
        requires_action: false,
        cancel_asked: false,
        in_review: false,
        attempts: 1,
        sent_at: None,
        waiting_for: Some("the provider's answer".to_owned()),
        next_check_at: Some(at),
        lease_until: None,
        deadline_at: at,
        completed_at: None,
        settled_by_review_at: None,
        created_at: at,
        event_count: 0,
        updated_at: at,
    }
}

const COMMON: &str = concat!(
    r#""payer_amount":507.50,"payer_currency":"USD","payee_currency":"USD","payee_amount":500.00,"#,
    r#""operation_type":"PAYOUT","provider_transaction_id":null,"gateway_message":null,"wallet_message":null,"#,
    r#""client_secret":null,"requires_action":false,"payment_intent_id":9"#
);

#[test]
fn an_execution_says_what_it_waits_for_while_it_is_not_final() {
    let written =
        |status| serde_json::to_string(&ExecutionResponse::from(execution(status))).unwrap();
    let start = r#"{"reference_id":"7f3d2a10-9c4b-4e8a-b1c2-0123456789ab","status":"#;
    assert_eq!(written(ExecutionStatus::Completed), format!("{start}\"COMPLETED\",{COMMON}}}"));
    let waiting = r#""waiting_for":"the provider's answer","next_check_at":"2026-11-22T12:00:00.000000Z","deadline_at":"2026-11-22T12:00:00.000000Z"}"#;
    assert_eq!(
        written(ExecutionStatus::Processing),
        format!("{start}\"PROCESSING\",{COMMON},{waiting}")
    );
}

#[test]
fn an_execution_that_a_review_settled_says_so() {
    let settled = Execution {
        settled_by_review_at: Some(MerchantTime(1)),
        ..execution(ExecutionStatus::Failed)
    };
    let written = serde_json::to_value(ExecutionResponse::from(settled)).unwrap();
    assert_eq!(
        (&written["status"], &written["settled_by_review"]),
        (&json!("FAILED"), &json!(true))
    );
}

#[test]
fn a_refusal_is_reported_on_the_field_that_names_its_object() {
    let usd = Currency::parse("USD").unwrap();
    let no_fee =
        || Refusal::NoFee { what: "gateway", of: "MTN".to_owned(), operation: "COLLECTION" };
    let wallet = |subject| Refusal::WalletState { subject, state: "FROZEN" };
    let collection =
        OperationDetails::Collection { account_id: PaymentAccountId(1), currency: usd };
    let payout = OperationDetails::Payout { account_id: None, passcode_verified: false };
    for (refusal, of_collection, of_payout, of_transfer) in [
        (Refusal::DuplicateReference, "reference_id", "reference_id", "reference_id"),
        (Refusal::AccountInactive, "payment_account_id", "session_id", "session_id"),
        (Refusal::AccountMismatch, "payment_account_id", "payout_account_id", "session_id"),
        (no_fee(), "payment_account_id", "session_id", "session_id"),
        (wallet(Subject::AccountWallet), "payment_account_id", "session_id", "session_id"),
        (wallet(Subject::Wallet), "session_id", "session_id", "session_id"),
        (Refusal::WalletLimitExceeded, "session_id", "session_id", "session_id"),
        (Refusal::InReview { what: "order" }, "session_id", "session_id", "session_id"),
        (
            Refusal::CurrencyNotSupported { currency: usd, method: "MTN" },
            "currency",
            "session_id",
            "session_id",
        ),
        (Refusal::NoRate { from: usd, to: usd }, "currency", "currency", "currency"),
    ] {
        for (details, field) in [
            (collection, of_collection),
            (payout, of_payout),
            (OperationDetails::Transfer, of_transfer),
            (OperationDetails::Refund, of_transfer),
        ] {
            assert_eq!(field_of(details)(&refusal), Some(field), "{refusal:?} {details:?}");
        }
    }
}

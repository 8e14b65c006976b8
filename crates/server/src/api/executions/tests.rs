use domain::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId, SourceId, WalletId};
use domain::kernel::money::{Money, Ratio};
use domain::kernel::names::{Method, Provider};
use domain::kernel::time::MerchantTime;
use domain::kernel::uuids::{NetworkRequestId, ReferenceId};
use domain::payments::attempt::ProviderAttempt;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::execution_intent::{Collection, ExecutionIntent};

use crate::api::executions::*;

fn payout() -> ExecutionIntent {
    ExecutionIntent::Payout {
        wallet_id: WalletId(3),
        payee_account_id: PaymentAccountId(4),
        payee_wallet_id: None,
    }
}

/// An execution, with its attempt unless it is final.
fn execution(status: ExecutionStatus, intent: ExecutionIntent) -> WithAttempt {
    let at = MerchantTime(1_795_348_800_000_000);
    let usd = Currency::parse("USD").unwrap();
    let execution = Execution {
        id: ExecutionId(9),
        merchant_id: MerchantId(1),
        reference_id: ReferenceId(uuid::uuid!("7f3d2a10-9c4b-4e8a-b1c2-0123456789ab")),
        session_id: SessionId(7),
        status,
        intent,
        payer: Money::new(50_750, usd),
        payee: Money::new(50_000, usd),
        total_minor: 50_750,
        platform_fee_minor: 250,
        gateway_fee_minor: 500,
        fx_fee_minor: 0,
        rate: Ratio::ONE,
        rules: 2,
        unit_minor: None,
        platform_fee_id: None,
        gateway_fee_id: None,
        provider: Provider::PawaPay,
        method: Method::MTN_MOMO_LBR,
        provider_transaction_id: None,
        gateway_message: None,
        wallet_message: None,
        in_review: false,
        waiting_for: Some("the provider's answer".to_owned()),
        completed_at: None,
        created_at: at,
        event_count: 0,
        updated_at: at,
    };
    let attempt = ProviderAttempt {
        execution_id: execution.id,
        merchant_id: execution.merchant_id,
        network_account_id: NetworkAccountId(1),
        request_id: NetworkRequestId(uuid::Uuid::nil()),
        network_reference: None,
        gate: None,
        send_count: 1,
        sent_at: None,
        body: None,
        next_check_at: Some(at),
        lease_until: None,
        deadline_at: at,
        cancel_asked: false,
        asked_at: None,
        page_id: None,
        last_refund_id: None,
        trace: None,
        requires_action: false,
        client_secret: None,
    };
    WithAttempt { execution, attempt: Some(attempt).filter(|_| !status.is_final()) }
}

const COMMON: &str = concat!(
    r#""payer_amount":507.50,"payer_currency":"USD","payee_currency":"USD","payee_amount":500.00,"#,
    r#""operation_type":"PAYOUT","provider_transaction_id":null,"gateway_message":null,"wallet_message":null,"#,
    r#""client_secret":null,"requires_action":false,"payment_intent_id":9"#
);

#[test]
fn an_execution_says_what_it_waits_for_while_it_is_not_final() {
    let written = |status| {
        serde_json::to_string(&ExecutionResponse::from(execution(status, payout()))).unwrap()
    };
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
    let collection = Collection {
        settled_by_review_at: Some(MerchantTime(1)),
        ..Collection::new(SourceId(2), PaymentAccountId(4))
    };
    let settled = execution(ExecutionStatus::Failed, ExecutionIntent::Collection(collection));
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
            Refusal::CurrencyNotSupported { currency: usd, method: Method::MTN_MOMO_LBR },
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

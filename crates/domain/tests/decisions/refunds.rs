//! Refunds: never more than was paid, at the rate of the payment.

use crate::stage::{Stage, currency, declined, paid, usd};
use domain::execute::Terms;
use domain::execution::ExecutionStatus;
use domain::ledger::AccountKind;
use domain::money::{Decimal, Money};
use domain::names::{FeeBearer, Method, Operation};
use domain::rejection::Rejection;
use domain::session::Declare;
use domain::time::minutes;

#[test]
fn refunds_never_exceed_their_payment() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    stage.hear(execution.id, paid("t"));
    stage.fund(1_000_000);

    let amount = Decimal::parse("100").unwrap();
    let expires_at = stage.now.plus(minutes(5));
    let request = Declare::Refund { original_id: execution.id, amount, expires_at, reason: None };
    let sessions = [stage.declare(request.clone()).unwrap(), stage.declare(request).unwrap()];
    let (first, _) = stage.execute(sessions[0], Terms::Refund).unwrap();
    let (second, _) = stage.execute(sessions[1], Terms::Refund).unwrap();
    assert_eq!((first.status, second.status), (ExecutionStatus::Pending, ExecutionStatus::Failed));
    assert!(second.gateway_message.unwrap().contains("3.00 USD"));
    assert!(matches!(stage.refund(execution.id, "3.01").unwrap_err()[0], Rejection::RefundExceeds { .. }));

    stage.hear(first.id, declined());
    assert_eq!(
        stage.refund(execution.id, "103").unwrap().status,
        ExecutionStatus::Pending,
        "a failed refund gives its room back"
    );
    stage.check_books();
}

#[test]
fn a_refund_of_an_exchanged_payment_takes_the_stored_rate() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
    let execution = stage.collect(source, account, "RWF").unwrap();
    assert_eq!((execution.payer.minor, execution.payee.minor), (144_000, 9_600));
    stage.hear(execution.id, paid("t"));
    stage.fund(100_000);
    let refund = stage.refund(execution.id, "1000").unwrap();
    // 1000 / 1440 USD is 0.6944…, rounded up.
    assert_eq!((refund.payer, refund.payee), (usd(70), Money::new(1_000, currency("RWF"))));
    stage.hear(refund.id, paid("r"));
    let rest = stage.refund(execution.id, "143000").unwrap();
    assert_eq!(rest.payer, usd(9_930), "all refunds together take T");
    stage.hear(rest.id, paid("r2"));
    assert_eq!(stage.system(AccountKind::ClearingPawaPay, "RWF"), 0);
    assert_eq!(stage.system(AccountKind::Position, "RWF"), 0);
    assert_eq!(stage.system(AccountKind::Position, "USD"), 0);
    stage.check_books();
}

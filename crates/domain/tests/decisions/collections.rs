//! Collections: a payer pays for a source.

use crate::stage::{CLEARING, Stage, answered, currency, declined, paid, usd};
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::payments::create_session::NewSession;
use domain::payments::execute::OperationDetails;
use domain::payments::execution::ExecutionStatus;
use domain::payments::outcome::ProviderOutcome;
use domain::sales::source::{SourceStatus, SourceType};

#[test]
fn a_collection_pays_its_source_and_credits_the_wallet() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    assert_eq!(
        (execution.status, stage.source(source)),
        (ExecutionStatus::Pending, SourceStatus::Processing)
    );
    assert_eq!((execution.payer, execution.payee), (usd(10_300), usd(10_000)));

    let execution = stage.hear(execution.id, ProviderOutcome::Accepted);
    assert_eq!(execution.status, ExecutionStatus::Processing);
    let execution = stage.hear(execution.id, paid("t1"));
    assert_eq!(
        (execution.status, stage.source(source)),
        (ExecutionStatus::Completed, SourceStatus::Paid)
    );
    assert_eq!(stage.mine("USD"), (10_000, 0));
    assert_eq!(stage.system(CLEARING, "USD"), -10_300);

    let entries = stage.work.entries.len();
    assert_eq!(answered(stage.hear(execution.id, paid("t1"))), answered(execution));
    assert_eq!(stage.work.entries.len(), entries, "a repeated word moves nothing");
    stage.check_books();
}

#[test]
fn a_failed_collection_opens_its_source_again() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let first = stage
        .declare(NewSession::Checkout { kind: SourceType::Invoice, source_id: source })
        .unwrap();
    let second = stage
        .declare(NewSession::Checkout { kind: SourceType::Invoice, source_id: source })
        .unwrap();
    let details = OperationDetails::Collection { account_id: account, currency: currency("USD") };
    let (execution, _) = stage.execute(first, details).unwrap();
    let refused = stage.execute(second, details).unwrap_err();
    assert!(matches!(refused[0], Refusal::InvalidState { state: "PROCESSING", .. }), "{refused:?}");
    stage.hear(execution.id, declined());
    assert_eq!(stage.source(source), SourceStatus::Active);
    assert!(stage.execute(second, details).is_ok(), "the second session was left as it was");
    stage.check_books();
}

//! Payouts: money is held, and then settled or released.

use crate::stage::{Stage, declined, paid, usd};
use domain::kernel::names::{Method, Operation};
use domain::payments::execution::ExecutionStatus;

#[test]
fn a_payout_holds_then_settles_or_releases() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let execution = stage.payout(account, usd(50_000)).unwrap();
    // 500.00 and fees of 0.5 % (platform) and 2 % (gateway).
    assert_eq!(stage.mine("USD"), (48_750, 51_250));
    stage.hear(execution.id, declined());
    assert_eq!(stage.mine("USD"), (100_000, 0));
    let execution = stage.payout(account, usd(50_000)).unwrap();
    stage.hear(execution.id, paid("t"));
    assert_eq!(stage.mine("USD"), (48_750, 0));
    let too_much = stage.payout(account, usd(50_000)).unwrap();
    assert_eq!(too_much.status, ExecutionStatus::Failed);
    assert!(too_much.wallet_message.unwrap().contains("insufficient balance"));
    stage.check_books();
}

//! Transfers, and wallets of parties.

use crate::stage::{Stage, usd};
use domain::command::Command;
use domain::execute::Terms;
use domain::execution::ExecutionStatus;
use domain::names::{FeeBearer, Method, Operation};
use domain::rejection::Rejection;
use domain::session::Declare;
use domain::source::SourceStatus;
use domain::time::minutes;
use domain::wallet::{Owner, Wallet};

#[test]
fn a_transfer_reaches_the_merchant_with_the_partys_phone_else_the_party() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let other = stage.new_merchant("231770000002");
    let expires_at = stage.now.plus(minutes(5));
    for (phone, owner) in [("231770000002", None), ("231880000009", Some(()))] {
        let party = stage.party(phone);
        let counterparty_id = stage.counterparty(party);
        let session = stage.declare(Declare::Transfer { wallet_id, counterparty_id, amount: usd(1_000), expires_at }).unwrap();
        let (execution, job) = stage.execute(session, Terms::Transfer).unwrap();
        assert_eq!((execution.status, job), (ExecutionStatus::Completed, None));
        let owner = owner.map_or(Owner::Merchant(other), |()| Owner::Party(party));
        assert_eq!(stage.wallet(owner, "USD").available_minor, 1_000);
    }
    let party = stage.party("231770000001");
    let counterparty_id = stage.counterparty(party);
    let refused = stage.declare(Declare::Transfer { wallet_id, counterparty_id, amount: usd(1), expires_at }).unwrap_err();
    assert_eq!(refused, [Rejection::TransferToSelf]);
    stage.check_books();
}

#[test]
fn a_full_wallet_takes_no_more() {
    let mut stage = Stage::new();
    let wallet_id = stage.fund(10_000);
    let other = stage.new_merchant("231770000002");
    let theirs = stage.wallet(Owner::Merchant(other), "USD");
    // Nobody has so much; but what was sent must be taken in, so what cannot be is refused before.
    stage.world.put(Wallet { available_minor: i64::MAX / 2, ..theirs.clone() });
    stage.world.keep();
    let party = stage.party("231770000002");
    let counterparty_id = stage.counterparty(party);
    let expires_at = stage.now.plus(minutes(5));
    let session = stage.declare(Declare::Transfer { wallet_id, counterparty_id, amount: usd(1_000), expires_at }).unwrap();
    let too_large = |field| vec![Rejection::AmountTooLarge { field }];
    assert_eq!(stage.execute(session, Terms::Transfer).unwrap_err(), too_large("session_id"));
    assert_eq!(stage.decide(&Command::FundWallet(theirs.id, usd(1), None)).unwrap_err(), too_large("wallet_id"));
}

#[test]
fn wallets_of_parties_pay_and_are_paid_without_a_network() {
    let mut stage = Stage::new();
    stage.fund(50_000);
    let party = stage.party("231880000002");
    let out = stage.account(party, Method::Wallet, Operation::Payout);
    let into = stage.account(party, Method::Wallet, Operation::Collection);
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let failed = stage.collect(source, into, "USD").unwrap();
    assert_eq!((failed.status, stage.source(source)), (ExecutionStatus::Failed, SourceStatus::Active));

    assert_eq!(stage.payout(out, usd(20_000)).unwrap().status, ExecutionStatus::Completed);
    let collected = stage.collect(source, into, "USD").unwrap();
    assert_eq!((collected.status, stage.source(source)), (ExecutionStatus::Completed, SourceStatus::Paid));
    assert_eq!(stage.wallet(Owner::Party(party), "USD").available_minor, 20_000 - 10_100);
    let refund = stage.refund(collected.id, "101").unwrap();
    assert_eq!(refund.status, ExecutionStatus::Completed);
    assert_eq!(stage.wallet(Owner::Party(party), "USD").available_minor, 20_000);
    stage.check_books();
}

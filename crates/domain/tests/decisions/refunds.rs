//! Refunds: never more than was paid, and at the rate of the payment.

use std::collections::BTreeMap;

use crate::approvals::key_of;
use crate::stage::{CLEARING, Stage, currency, declined, paid, reference, usd};
use domain::decision::command::Output;
use domain::directory::merchant_limits::SetMerchantLimits;
use domain::directory::principal::Principal;
use domain::directory::roles::Role;
use domain::exceptions::review::{Resolution, ReviewKind, ReviewStatus};
use domain::kernel::ids::{ExecutionId, PartyId, SessionId};
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::patch::Patch;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::minutes;
use domain::ledger::account::AccountKind;
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::wallet::{Owner, Wallet};
use domain::payments::create_session::{CreateSession, NewSession};
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::ProviderOutcome;
use proptest::prelude::*;

#[test]
fn refunds_never_exceed_their_payment() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let execution = stage.collect(source, account, "USD").unwrap();
    stage.hear(execution.id, paid("t"));
    stage.fund(1_000_000);

    let amount = Decimal::parse("100").unwrap();
    let expires_at = stage.time().plus(minutes(5));
    let request =
        NewSession::Refund { original_id: execution.id, amount, expires_at, reason: None };
    let sessions = [stage.declare(request.clone()).unwrap(), stage.declare(request).unwrap()];
    let (first, _) = stage.execute(sessions[0], OperationDetails::Refund).unwrap();
    let (second, _) = stage.execute(sessions[1], OperationDetails::Refund).unwrap();
    assert_eq!((first.status, second.status), (ExecutionStatus::Pending, ExecutionStatus::Failed));
    assert!(second.gateway_message.unwrap().contains("3.00 USD"));
    assert!(matches!(
        stage.refund(execution.id, "3.01").unwrap_err()[0],
        Refusal::RefundExceeds { .. }
    ));

    stage.hear(first.id, declined());
    assert_eq!(
        stage.refund(execution.id, "103").unwrap().status,
        ExecutionStatus::Pending,
        "a failed refund gives its room back"
    );
    stage.check_books();
}

/// What comes of declaring a refund, and its session.
fn declare(
    stage: &mut Stage,
    by: Principal,
    original_id: ExecutionId,
    amount: &str,
) -> Result<SessionId, Vec<Refusal>> {
    let amount = Decimal::parse(amount).unwrap();
    let expires_at = stage.time().plus(minutes(50));
    let session = NewSession::Refund { original_id, amount, expires_at, reason: None };
    match stage.decide_for(by, CreateSession { merchant_id: stage.merchant, session })? {
        Output::CreateSession(session) => Ok(session.id),
        other => panic!("{other:?}"),
    }
}

/// What comes of executing a declared refund.
fn execute(stage: &mut Stage, by: Principal, session_id: SessionId) -> Result<(), Vec<Refusal>> {
    let request = Execute {
        merchant_id: stage.merchant,
        reference_id: reference(9_000 + u128::try_from(session_id.0).unwrap()),
        session_id,
        details: OperationDetails::Refund,
        shown: None,
    };
    stage.decide_for(by, request).map(|_| ())
}

#[test]
fn a_refund_above_the_support_limit_asks_a_person_for_a_code_again() {
    let mut stage = Stage::new();
    let source = stage.invoice(10_000, FeeBearer::Payer);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let payment = stage.collect(source, account, "USD").unwrap().id;
    stage.hear(payment, paid("t"));
    stage.fund(1_000_000);
    let people = [
        stage.member(1, Role::Finance),
        stage.member(2, Role::Owner),
        stage.member(3, Role::Manager),
    ];
    let plain = stage.member(4, Role::Manager);
    let support = stage.member(5, Role::Support);
    for person in people.iter().chain([&support]) {
        person.confirm(&mut stage, 1);
    }
    let missing = Err(vec![Refusal::SecondFactorMissing]);
    let mut step = 1;
    let mut give_codes = |stage: &mut Stage| {
        step += 1;
        people.iter().chain([&support]).for_each(|person| person.give_step(stage, step));
    };

    // Without limits of the merchant every amount is above.
    stage.now = stage.now.plus(minutes(5));
    for person in &people {
        let by = Principal::User(person.person);
        assert_eq!(declare(&mut stage, by, payment, "0.01"), missing);
    }
    let limits = SetMerchantLimits {
        merchant_id: stage.merchant,
        currency: currency("USD"),
        support_refund_minor: Some(1_000),
        payment_minor: Patch::Keep,
        day_minor: Patch::Keep,
        bind_api_keys: None,
    };
    stage.decide(&limits).unwrap();
    for person in &people {
        let by = Principal::User(person.person);
        assert_eq!(declare(&mut stage, by, payment, "10.01"), missing);
        let within = declare(&mut stage, by, payment, "1").unwrap();
        assert_eq!(execute(&mut stage, by, within), Ok(()), "within the limit nothing is asked");
    }
    // With what was given back already, a small one is above, too.
    let by = Principal::User(people[0].person);
    assert_eq!(declare(&mut stage, by, payment, "7.01"), missing);
    give_codes(&mut stage);
    for person in &people {
        let by = Principal::User(person.person);
        let above = declare(&mut stage, by, payment, "10.01").unwrap();
        stage.now = stage.now.plus(minutes(5) - 1);
        assert_eq!(declare(&mut stage, by, payment, "10.01").map(|_| ()), Ok(()));
        // Whoever declares it in time and executes it later is asked then.
        stage.now = stage.now.plus(1);
        assert_eq!(execute(&mut stage, by, above), Err(vec![Refusal::SecondFactorMissing]));
        give_codes(&mut stage);
        assert_eq!(execute(&mut stage, by, above), Ok(()));
    }

    let by = Principal::User(plain.person);
    assert_eq!(
        declare(&mut stage, by, payment, "10.01"),
        Err(vec![Refusal::SecondFactorNotSetUp]),
        "who has no phone sets one up"
    );
    let by = Principal::User(support.person);
    assert!(matches!(
        declare(&mut stage, by, payment, "10.01").unwrap_err()[..],
        [Refusal::AboveSupportLimit { .. }]
    ));
    // Programs and the operator at the command line have no phone.
    let owner = Principal::User(people[1].person);
    let key = key_of(&mut stage, owner, "k");
    for by in [Principal::ApiKey(key), Principal::Operator] {
        let above = declare(&mut stage, by, payment, "10.01").unwrap();
        assert_eq!(execute(&mut stage, by, above), Ok(()));
    }
    stage.check_books();
}

/// A collection of `total` cents that was paid in francs, at 14.4 francs for a cent, and a wallet
/// with enough money for refunds.
fn exchanged(total: i64) -> (Stage, Execution) {
    let mut stage = Stage::new();
    let source = stage.invoice(total, FeeBearer::Payee);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let execution = stage.collect(source, account, "RWF").unwrap();
    let execution = stage.hear(execution.id, paid("t"));
    stage.fund(100_000);
    (stage, execution)
}

/// How much less the wallet has available than `before`, and how much it holds.
fn spent(stage: &Stage, before: i64) -> (i64, i64) {
    let (available, held) = stage.mine("USD");
    (before - available, held)
}

#[test]
fn a_refund_of_an_exchanged_payment_takes_the_stored_rate() {
    let (mut stage, execution) = exchanged(10_000);
    assert_eq!((execution.payer.minor, execution.payee.minor), (144_000, 9_600));
    let refund = stage.refund(execution.id, "1000").unwrap();
    // 1000 / 1440 USD = 0.6944…, rounded up.
    assert_eq!((refund.payer, refund.payee), (usd(70), Money::new(1_000, currency("RWF"))));
    stage.hear(refund.id, paid("r"));
    let rest = stage.refund(execution.id, "143000").unwrap();
    assert_eq!(rest.payer, usd(9_931), "it holds its own share");
    let rest = stage.hear(rest.id, paid("r2"));
    assert_eq!(rest.paid(), usd(9_930), "all refunds together take T");
    assert_eq!(stage.system(CLEARING, "RWF"), 0);
    assert_eq!(stage.system(AccountKind::Position, "RWF"), 0);
    assert_eq!(stage.system(AccountKind::Position, "USD"), 0);
    assert_eq!(stage.mine("USD").1, 0, "what was held and not due is released");
    stage.check_books();
}

#[test]
fn a_large_refund_costs_its_share_however_many_small_ones_are_under_way() {
    let (mut stage, execution) = exchanged(1_000);
    let before = stage.mine("USD").0;
    let small: Vec<_> = (0..1_000).map(|_| stage.refund(execution.id, "1").unwrap().id).collect();
    assert_eq!(spent(&stage, before), (1_000, 1_000), "each holds its own cent");
    let large = stage.refund(execution.id, "13400").unwrap();
    // 13,400 / 14.4 = 930.5…
    assert_eq!(large.payer, usd(931));
    let large = stage.hear(large.id, paid("large"));
    assert_eq!(large.paid(), usd(931));
    for id in small {
        stage.hear(id, declined());
    }
    assert_eq!(spent(&stage, before), (931, 0));
    let rest = stage.refund(execution.id, "1000").unwrap();
    stage.hear(rest.id, paid("rest"));
    assert_eq!(spent(&stage, before), (1_000, 0), "the whole payment costs its total");
    assert_eq!(stage.system(AccountKind::Position, "USD"), 0);
    stage.check_books();
}

#[test]
fn many_small_refunds_are_rounded_once_over_all() {
    let (mut stage, execution) = exchanged(1_000);
    let before = stage.mine("USD").0;
    // A franc is worth 0.0694 cents. So the first refund costs a cent, and then every fourteenth or
    // fifteenth one.
    for (count, cost) in [(14, 1), (1, 2), (13, 2), (1, 3), (71, 7)] {
        for _ in 0..count {
            let refund = stage.refund(execution.id, "1").unwrap();
            assert_eq!(refund.payer, usd(1));
            let refund = stage.hear(refund.id, paid("small"));
            assert!(refund.paid().minor <= 1);
        }
        assert_eq!(spent(&stage, before), (cost, 0));
    }
    stage.check_books();
}

#[test]
fn a_refund_that_bounces_gives_back_what_it_cost_less_the_rounding_of_the_rest() {
    let (mut stage, execution) = exchanged(1_000);
    let before = stage.mine("USD").0;
    // 100 francs are worth 6.94 cents, 105 are worth 7.29.
    let (first, second) =
        (stage.refund(execution.id, "100").unwrap(), stage.refund(execution.id, "5").unwrap());
    stage.hear(first.id, paid("r"));
    assert_eq!(stage.hear(second.id, paid("r")).paid(), usd(1));
    stage.hear(first.id, declined());
    assert_eq!(spent(&stage, before), (8, 0));
    let review = stage.review(first.id, ReviewKind::FailureAfterSuccess);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!(spent(&stage, before), (1, 0), "5 francs cost a cent");
    // The first refund was paid after all, for good.
    stage.hear(first.id, paid("r"));
    let review = stage.review(first.id, ReviewKind::SuccessAfterFailure);
    stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!(spent(&stage, before), (8, 0));
    stage.check_books();
}

#[test]
fn what_was_held_and_paid_by_another_rule_ends_under_this_one() {
    let (mut stage, execution) = exchanged(1_000);
    // A refund that holds nothing, because others held everything when it began, takes nothing.
    let refund = stage.refund(execution.id, "1000").unwrap();
    let wallet = stage.wallet(Owner::Merchant(stage.merchant), "USD");
    stage.work.put(Execution { payer: usd(0), total_minor: 0, ..refund.clone() });
    stage.work.put(Wallet {
        available_minor: wallet.available_minor + 70,
        held_minor: 0,
        ..wallet
    });
    stage.work.accept_draft(&|_, _, _| String::new()).unwrap();
    assert_eq!(stage.hear(refund.id, paid("r")).paid(), usd(0));
    let payment = stage.work.require::<Execution>(execution.id).unwrap();
    assert_eq!(
        (payment.refunds().given_back_minor, payment.refund_cost_charged().unwrap()),
        (1_000, 0)
    );
    // The next one takes what is missing, as far as it holds enough.
    let next = stage.refund(execution.id, "10").unwrap();
    assert_eq!((next.payer, stage.hear(next.id, paid("r")).paid()), (usd(1), usd(1)));
    // If the wallet has paid more than the returned amount is worth, the next refund takes less.
    let payment = stage.work.require::<Execution>(execution.id).unwrap();
    stage.work.put(payment.with_refund_totals(1_010, 100).unwrap());
    stage.work.accept_draft(&|_, _, _| String::new()).unwrap();
    for (francs, holds, takes) in [("100", 7, 0), ("1000", 70, 47)] {
        let refund = stage.refund(execution.id, francs).unwrap();
        assert_eq!(
            (refund.payer, stage.hear(refund.id, paid("r")).paid()),
            (usd(holds), usd(takes))
        );
    }
    assert_eq!(stage.mine("USD").1, 0);
}

/// Sends a party money from the merchant's wallet, which is funded for it.
fn send(stage: &mut Stage, party: PartyId, amount: Money) {
    let wallet_id = stage.wallet(Owner::Merchant(stage.merchant), amount.currency.code()).id;
    if amount.currency != currency("USD") {
        stage.decide(&FundWallet { wallet_id, amount, key: None }).unwrap();
    }
    let counterparty_id = stage.counterparty(party);
    let expires_at = stage.time().plus(minutes(5));
    let session = stage
        .declare(NewSession::Transfer { wallet_id, counterparty_id, amount, expires_at })
        .unwrap();
    assert_eq!(
        stage.execute(session, OperationDetails::Transfer).unwrap().0.status,
        ExecutionStatus::Completed
    );
}

#[test]
fn a_refund_without_a_network_needs_what_it_takes_and_no_more() {
    let mut stage = Stage::new();
    let party = stage.party("231880000003");
    let wallet = stage.account(party, Method::WALLET, Operation::Collection);
    send(&mut stage, party, Money::new(100_000, currency("RWF")));
    let source = stage.invoice(1_000, FeeBearer::Payee);
    let execution = stage.collect(source, wallet, "RWF").unwrap();
    assert_eq!((execution.status, execution.payer.minor), (ExecutionStatus::Completed, 14_400));
    let first = stage.refund(execution.id, "1").unwrap();
    assert_eq!((first.status, first.paid()), (ExecutionStatus::Completed, usd(1)));
    let rest = stage.mine("USD").0;
    send(&mut stage, party, usd(rest));
    let second = stage.refund(execution.id, "1").unwrap();
    assert_eq!(
        (second.status, second.payer),
        (ExecutionStatus::Completed, usd(0)),
        "the first cent pays for 14 francs"
    );
    let third = stage.refund(execution.id, "13").unwrap();
    assert_eq!((third.status, third.payer), (ExecutionStatus::Failed, usd(1)));
    stage.check_books();
}

/// The refunds of a payment in the test's own books.
#[derive(Default)]
struct Model {
    /// For each refund the requested amount, and what the payer has back for good.
    refunds: BTreeMap<ExecutionId, (i64, i64)>,
    /// What the provider took back of the payment itself.
    taken_back: i64,
}

impl Model {
    /// The expected amount that was given back, and its cost, at 14.4 francs for a cent.
    fn expected(&self, payment: &Execution) -> (i64, i64) {
        let back = self.taken_back + self.refunds.values().map(|(_, back)| back).sum::<i64>();
        let share = |francs: i64| (francs * 10 + 143) / 144;
        let (paid, total) = (payment.payer.minor, payment.total_minor);
        let within = share(back.min(paid)).min(total);
        (back, within + if back > paid { share(back) - share(paid) } else { 0 })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Refunds of one payment may begin, complete, fail, bounce and be reviewed in any order. The
    /// wallet has always paid the share of what the payer really has back, rounded up once, and
    /// never more than the payment's total.
    #[test]
    fn what_was_really_given_back_costs_its_share(
        // Each of the three fees is at least a cent, so a smaller total would leave nothing.
        total in 4..=2_000_i64,
        steps in prop::collection::vec((0..10_u8, 0..8_usize, 1..=100_i64), 1..80),
    ) {
        let (mut stage, payment) = exchanged(total);
        let before = stage.mine("USD").0;
        let mut model = Model::default();
        let mut began = vec![];
        for (step, pick, percent) in steps {
            let picked: Option<ExecutionId> = began.get(pick % began.len().max(1)).copied();
            match (step, picked) {
                (0..=3, _) => {
                    // Most refunds are small.
                    let asked = if percent > 90 { payment.payer.minor * percent / 200 } else { percent };
                    let Ok(refund) = stage.refund(payment.id, &asked.max(1).to_string()) else { continue };
                    if refund.status == ExecutionStatus::Pending {
                        model.refunds.insert(refund.id, (asked.max(1), 0));
                        began.push(refund.id);
                    }
                }
                (4..=8, Some(id)) => {
                    let amount = Money::new((model.refunds[&id].0 * percent / 50).max(1), currency("RWF"));
                    let word = match step {
                        7 => declined(),
                        8 => ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(amount) },
                        _ => paid("r"),
                    };
                    let before = stage.work.require::<Execution>(id).unwrap().status;
                    let after = stage.hear(id, word).status;
                    if before != after && after == ExecutionStatus::Completed {
                        let refund = model.refunds.get_mut(&id).unwrap();
                        refund.1 = refund.0;
                    }
                }
                (9, _) => {
                    stage.hear(payment.id, if percent > 50 { paid("t") } else { declined() });
                }
                _ => {}
            }
            for id in began.iter().chain([&payment.id]) {
                for review in stage.reviews(*id).into_iter().filter(|review| review.status == ReviewStatus::Open) {
                    let how = if percent % 4 == 0 { Resolution::ToPayer } else { Resolution::ToWallet };
                    prop_assert!(stage.resolve(review.id, how).is_ok());
                    if how == Resolution::ToWallet && *id == payment.id {
                        model.taken_back -= review.amount.minor;
                    } else if how == Resolution::ToWallet {
                        model.refunds.get_mut(id).unwrap().1 -= review.amount.minor;
                    }
                }
            }
            let row = stage.work.require::<Execution>(payment.id).unwrap();
            let usual = model.taken_back >= 0 && model.refunds.values().all(|(_, back)| *back >= 0);
            let (back, cost) = model.expected(&payment);
            if !usual {
                // The money was recovered outside, and then came again.
                break;
            }
            prop_assert_eq!(row.refunds().given_back_minor, back);
            let paid_so_far = row.refund_cost_charged().unwrap();
            if back <= payment.payer.minor {
                prop_assert_eq!(paid_so_far, cost);
                prop_assert!(paid_so_far <= payment.total_minor);
            } else {
                prop_assert!(paid_so_far <= cost, "more than its share");
            }
            let (available, held) = stage.mine("USD");
            prop_assert_eq!(before - available - held, paid_so_far, "the wallet paid what the payment says");
        }
        stage.check_books();
    }
}

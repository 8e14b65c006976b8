//! Late successes: a collection failed, and afterwards its provider reports that the payer has
//! paid.

use crate::stage::{CLEARING, Stage, currency, declined, paid, usd};
use domain::exceptions::review::{Resolution, ReviewKind, ReviewStatus};
use domain::kernel::ids::{PaymentAccountId, SourceId};
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::{Refusal, Subject};
use domain::ledger::account::AccountKind;
use domain::payments::create_session::NewSession;
use domain::payments::execute::OperationDetails;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::ProviderOutcome;
use domain::sales::cancel_source::CancelSource;
use domain::sales::find_source::SourceRef;
use domain::sales::source::{SourceStatus, SourceType};

/// Creates an invoice, and the account that pays it.
fn shop(stage: &mut Stage, bearer: FeeBearer) -> (SourceId, PaymentAccountId) {
    let source = stage.invoice(10_000, bearer);
    let party = stage.party("231880000179");
    (source, stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection))
}

/// Makes a collection that fails and succeeds afterwards.
fn late(stage: &mut Stage, source: SourceId, account: PaymentAccountId, code: &str) -> Execution {
    let execution = stage.collect(source, account, code).unwrap();
    stage.hear(execution.id, declined());
    stage.hear(execution.id, paid("late"))
}

/// Resolves the only open review of an execution.
fn resolve(stage: &mut Stage, execution: &Execution, how: Resolution) -> Result<(), Vec<Refusal>> {
    let open = stage
        .reviews(execution.id)
        .into_iter()
        .find(|review| review.status == ReviewStatus::Open)
        .unwrap();
    stage.resolve(open.id, how).map(|_| ())
}

fn refusal(refused: Result<impl std::fmt::Debug, Vec<Refusal>>) -> Refusal {
    let refusals = refused.unwrap_err();
    let [one] = &refusals[..] else { panic!("{refusals:?}") };
    one.clone()
}

const IN_REVIEW: Refusal = Refusal::InReview { what: "invoice" };

#[test]
fn it_is_settled_with_its_fees_and_pays_the_invoice() {
    for (bearer, code, gets, fees, clearing) in [
        (FeeBearer::Payer, "USD", 10_000, [100, 200, 0], -10_300),
        (FeeBearer::Payee, "USD", 9_700, [100, 200, 0], -10_000),
        // One cent is worth 14.4 francs, and the exchange fee is one percent.
        (FeeBearer::Payer, "RWF", 10_000, [100, 200, 100], -149_760),
    ] {
        let mut stage = Stage::new();
        let (source, account) = shop(&mut stage, bearer);
        let execution = late(&mut stage, source, account, code);
        resolve(&mut stage, &execution, Resolution::ToWallet).unwrap();
        let kinds = [AccountKind::FeePlatform, AccountKind::FeeGateway, AccountKind::FeeFx];
        assert_eq!(kinds.map(|kind| stage.system(kind, "USD")), fees);
        assert_eq!((stage.mine("USD"), stage.mine("RWF")), ((gets, 0), (0, 0)));
        assert_eq!(
            (stage.system(AccountKind::Suspense, code), stage.system(CLEARING, code)),
            (0, clearing)
        );
        let after = stage.work.require::<Execution>(execution.id).unwrap();
        assert_eq!(
            (after.status, stage.source(source)),
            (ExecutionStatus::Failed, SourceStatus::Paid)
        );
        assert_eq!(
            refusal(stage.collect(source, account, code)),
            Refusal::InvalidState {
                subject: Subject::Source,
                what: "invoice",
                state: "PAID",
                needs: "ACTIVE"
            },
            "it is paid"
        );
        stage.check_books();
    }
}

#[test]
fn nothing_is_collected_while_it_is_in_review() {
    for (how, then) in [
        (Resolution::ToPayer, SourceStatus::Processing),
        (Resolution::ToWallet, SourceStatus::Paid),
    ] {
        let mut stage = Stage::new();
        let (source, account) = shop(&mut stage, FeeBearer::Payer);
        let declare = NewSession::Checkout { kind: SourceType::Invoice, source_id: source };
        let execution = stage.collect(source, account, "USD").unwrap();
        stage.hear(execution.id, declined());
        let declared = stage.declare(declare.clone()).unwrap();
        stage.hear(execution.id, paid("late"));
        let details =
            OperationDetails::Collection { account_id: account, currency: currency("USD") };
        assert_eq!(refusal(stage.declare(declare)), IN_REVIEW);
        assert_eq!(refusal(stage.execute(declared, details)), IN_REVIEW);
        assert_eq!(stage.source(source), SourceStatus::Active);
        resolve(&mut stage, &execution, how).unwrap();
        assert_eq!(
            stage.execute(declared, details).is_ok(),
            how == Resolution::ToPayer,
            "the session is as it was"
        );
        assert_eq!(stage.source(source), then);
    }
}

#[test]
fn each_review_of_an_invoice_counts() {
    let mut stage = Stage::new();
    let (source, account) = shop(&mut stage, FeeBearer::Payer);
    let [first, second] = [(); 2].map(|()| {
        let execution = stage.collect(source, account, "USD").unwrap();
        stage.hear(execution.id, declined());
        execution
    });
    // The second late success has another amount. Somebody has paid then, too.
    stage.hear(first.id, paid("late"));
    stage.hear(
        second.id,
        ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: Some(usd(9_000)) },
    );
    resolve(&mut stage, &first, Resolution::ToPayer).unwrap();
    assert_eq!(refusal(stage.collect(source, account, "USD")), IN_REVIEW);
    resolve(&mut stage, &second, Resolution::ToPayer).unwrap();
    assert!(stage.collect(source, account, "USD").is_ok());
}

#[test]
fn it_is_not_settled_while_another_collection_is_under_way() {
    let mut stage = Stage::new();
    let (source, account) = shop(&mut stage, FeeBearer::Payer);
    let first = stage.collect(source, account, "USD").unwrap();
    stage.hear(first.id, declined());
    let second = stage.collect(source, account, "USD").unwrap();
    stage.hear(first.id, paid("late"));
    assert!(matches!(
        refusal(resolve(&mut stage, &first, Resolution::ToWallet)),
        Refusal::ReviewNotResolvable { .. }
    ));
    stage.hear(second.id, paid("t"));
    // The invoice was paid twice. It stays paid, and the merchant has to give the first payment
    // back.
    resolve(&mut stage, &first, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.source(source)), (20_000, SourceStatus::Paid));
    assert!(stage.refund(first.id, "103.01").is_err());
    let refund = stage.refund(first.id, "103").unwrap();
    stage.hear(refund.id, paid("r"));
    assert_eq!(stage.mine("USD").0, 9_700);
    stage.check_books();
}

#[test]
fn a_late_success_of_a_canceled_invoice_can_be_given_back() {
    let mut stage = Stage::new();
    let (source, account) = shop(&mut stage, FeeBearer::Payer);
    let execution = late(&mut stage, source, account, "USD");
    let which = SourceRef { merchant_id: stage.merchant, kind: SourceType::Invoice, id: source };
    stage.decide(&CancelSource { source: which, shown: None }).unwrap();
    assert!(stage.refund(execution.id, "1").is_err(), "nobody has said yet whose it is");
    resolve(&mut stage, &execution, Resolution::ToWallet).unwrap();
    assert_eq!((stage.mine("USD").0, stage.source(source)), (10_000, SourceStatus::Canceled));
    assert!(stage.refund(execution.id, "50").is_ok());
}

#[test]
fn what_is_not_in_full_goes_to_the_wallet_as_it_is_and_pays_nothing() {
    let word = |minor, code| ProviderOutcome::Succeeded {
        transaction_id: "t".into(),
        amount: Some(Money::new(minor, currency(code))),
    };
    for (words, dollars, francs) in [
        (vec![declined(), word(9_000, "USD")], 9_000, 0),
        (vec![declined(), word(11_000, "USD")], 11_000, 0),
        (vec![declined(), word(10_300, "RWF")], 0, 10_300),
        // 50 dollars were reported first, then 153: 103 are left to review.
        (vec![declined(), word(5_000, "USD"), word(15_300, "USD")], 15_300, 0),
    ] {
        let mut stage = Stage::new();
        let (source, account) = shop(&mut stage, FeeBearer::Payer);
        let execution = stage.collect(source, account, "USD").unwrap();
        for word in &words {
            stage.hear(execution.id, word.clone());
            if stage.work.require::<Execution>(execution.id).unwrap().in_review {
                resolve(&mut stage, &execution, Resolution::ToWallet).unwrap();
            }
        }
        assert_eq!((stage.mine("USD").0, stage.mine("RWF").0), (dollars, francs), "{words:?}");
        assert_eq!(stage.source(source), SourceStatus::Active, "{words:?}");
        assert!(stage.refund(execution.id, "1").is_err(), "{words:?}");
        stage.check_books();
    }
}

#[test]
fn what_was_settled_can_be_taken_back_like_what_completed() {
    for code in ["USD", "RWF"] {
        let mut stage = Stage::new();
        let (source, account) = shop(&mut stage, FeeBearer::Payer);
        stage.fund(1_000);
        let execution = late(&mut stage, source, account, code);
        resolve(&mut stage, &execution, Resolution::ToWallet).unwrap();
        let (before, total) = (stage.mine("USD").0, execution.total_minor);
        for _ in 0..2 {
            // The provider takes the payment back, and reports it again.
            stage.hear(execution.id, declined());
            let review = stage.review(execution.id, ReviewKind::FailureAfterSuccess);
            assert_eq!(review.amount, Money::new(-execution.payer.minor, execution.payer.currency));
            assert!(stage.refund(execution.id, "1").is_err(), "its provider disputes it");
            resolve(&mut stage, &execution, Resolution::ToWallet).unwrap();
            assert_eq!(stage.mine("USD").0, before - total, "{code}");
            assert!(stage.refund(execution.id, "1").is_err(), "the payer has it all");
            stage.hear(execution.id, paid("again"));
            resolve(&mut stage, &execution, Resolution::ToWallet).unwrap();
            assert_eq!(
                (stage.mine("USD").0, stage.source(source)),
                (before, SourceStatus::Paid),
                "{code}"
            );
        }
        assert!(stage.refund(execution.id, "1").is_ok());
        stage.check_books();
    }
}

#[test]
fn it_is_settled_once_it_came_back_and_was_found_again() {
    for first in [Resolution::ToPayer, Resolution::ToWallet] {
        let mut stage = Stage::new();
        let (source, account) = shop(&mut stage, FeeBearer::Payer);
        stage.fund(1_000);
        let execution = late(&mut stage, source, account, "USD");
        resolve(&mut stage, &execution, first).unwrap();
        stage.hear(execution.id, declined());
        resolve(&mut stage, &execution, first).unwrap();
        stage.hear(execution.id, paid("again"));
        resolve(&mut stage, &execution, Resolution::ToWallet).unwrap();
        assert_eq!(
            (stage.mine("USD").0, stage.source(source)),
            (11_000, SourceStatus::Paid),
            "{first:?}"
        );
        assert!(stage.refund(execution.id, "103").is_ok());
    }
}

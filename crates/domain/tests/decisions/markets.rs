//! A closed market: new sessions and executions are refused; open executions and refunds go on.

use crate::stage::{Stage, currency, declined, paid, usd};
use domain::directory::advance_clock::AdvanceClock;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::create_payment_account::NewAccount;
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{ServerTime, minutes};
use domain::payments::create_session::NewSession;
use domain::payments::execute::OperationDetails;
use domain::payments::execution::ExecutionStatus;
use domain::sales::source::SourceType;
use domain::tariff::close_market::CloseMarket;
use domain::tariff::fees::{self, QuoteRequest, Route};

impl Stage {
    /// Closes the mobile-money market of this operation from now on.
    fn close(&mut self, operation: Operation) {
        for code in ["USD", "RWF"] {
            let (method, currency) = (Method::MTN_MOMO_LBR, currency(code));
            self.decide(&CloseMarket { method, operation, currency }).unwrap();
        }
    }

    /// A prediction for a payment by mobile money.
    fn predicted(&self, operation: Operation) -> Result<i64, Refusal> {
        let route = Route {
            tier: "default",
            operation,
            provider: Provider::PawaPay,
            method: Method::MTN_MOMO_LBR,
            unit_minor: 1,
        };
        let question = QuoteRequest {
            base: usd(10_000),
            target: currency("USD"),
            bearer: FeeBearer::Payer,
            route,
        };
        fees::predict(question, &self.work.tariff, self.now).map(|quote| quote.payer.minor)
    }
}

fn no_market(operation: &'static str) -> Refusal {
    Refusal::NoMarket { method: Method::MTN_MOMO_LBR, provider: "PAWAPAY", operation }
}

fn not_supported() -> Vec<Refusal> {
    vec![Refusal::CurrencyNotSupported { currency: currency("USD"), method: Method::MTN_MOMO_LBR }]
}

#[test]
fn a_closed_market_collects_no_more() {
    let mut stage = Stage::new();
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let (open, declared) =
        (stage.invoice(10_000, FeeBearer::Payer), stage.invoice(10_000, FeeBearer::Payer));
    let under_way = stage.collect(open, account, "USD").unwrap();
    assert_eq!(stage.predicted(Operation::Collection), Ok(under_way.payer.minor));
    let session = stage
        .declare(NewSession::Checkout { kind: SourceType::Invoice, source_id: declared })
        .unwrap();

    stage.close(Operation::Collection);
    assert_eq!(stage.predicted(Operation::Collection), Err(no_market("COLLECTION")));
    let details = OperationDetails::Collection { account_id: account, currency: currency("USD") };
    assert_eq!(
        stage.execute(session, details).unwrap_err(),
        not_supported(),
        "a session keeps no market open"
    );
    let new = NewAccount {
        party_id: party,
        account_name: "A".into(),
        provider: Provider::PawaPay,
        method: Method::MTN_MOMO_LBR,
        operation: Operation::Collection,
        country_code: None,
        account_number: None,
    };
    let command = CreateAccount { merchant_id: stage.merchant, account: new, shown: None };
    assert_eq!(stage.decide(&command).unwrap_err(), [no_market("COLLECTION")]);

    assert_eq!(
        stage.hear(under_way.id, paid("t")).status,
        ExecutionStatus::Completed,
        "what was sent is settled"
    );
    assert_eq!(stage.predicted(Operation::Refund), Ok(10_000), "and can be given back");
    assert_eq!(stage.refund(under_way.id, "100").unwrap().payee, usd(10_000));
    stage.check_books();
}

#[test]
fn a_closed_market_pays_out_no_more() {
    let mut stage = Stage::new();
    stage.fund(100_000);
    let party = stage.party("231880000002");
    let account = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
    let under_way = stage.payout(account, usd(10_000)).unwrap();
    assert_eq!(stage.predicted(Operation::Payout), Ok(under_way.payer.minor));
    let amount = usd(10_000);
    let request =
        NewSession::Payout { wallet_id: None, account_id: account, amount, expires_at: None };
    let session = stage.declare(request.clone()).unwrap();

    stage.close(Operation::Payout);
    assert_eq!(stage.predicted(Operation::Payout), Err(no_market("PAYOUT")));
    assert_eq!(stage.declare(request).unwrap_err(), not_supported());
    let details = OperationDetails::Payout { account_id: None, passcode_verified: false };
    assert_eq!(stage.execute(session, details).unwrap_err(), not_supported());
    assert_eq!(stage.hear(under_way.id, declined()).status, ExecutionStatus::Failed);
    assert_eq!(stage.mine("USD"), (100_000, 0));
}

#[test]
fn server_time_rules_markets_and_not_the_sandbox_clock() {
    let mut stage = Stage::new();
    let party = stage.party("231880000002");
    let mut tariff = (*stage.work.tariff).clone();
    let closes = stage.now.plus(minutes(60));
    tariff.markets.iter_mut().for_each(|row| row.effective.to = Some(closes));
    stage.work.put_tariff(tariff);
    stage.work.accept_draft(&|_, _, _| String::new()).unwrap();
    stage.decide(&AdvanceClock { merchant_id: stage.merchant, by_seconds: 7_200 }).unwrap();
    stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    stage.now = ServerTime(closes.0 - 1);
    stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    stage.now = closes;
    assert_eq!(stage.predicted(Operation::Collection), Err(no_market("COLLECTION")));
}

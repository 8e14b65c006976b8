//! Payments on pages: one decision, one payment, limits, and what a payer does at the card page.

use crate::stage::{Stage, currency, paid, reference, usd};
use domain::directory::payment_account::PaymentAccount;
use domain::kernel::ids::{CheckoutConfigId, SourceId};
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{minutes, seconds};
use domain::payments::authenticate_card::{AuthenticateCard, CardResult};
use domain::payments::check_now::CheckNow;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::execute::Executed;
use domain::payments::execution::ExecutionStatus;
use domain::payments::leave_card_page::LeaveCardPage;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::pay_on_page::{PagePayment, PayOnPage, PayerChoice};
use domain::payments::provider_call::CallKind;
use domain::payments::request_limit::RequestLimitKind;
use domain::sales::checkout::PageToken;
use domain::sales::find_source::SourceRef;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::source::{SourceStatus, SourceType};

/// What an invoice of 100.00 USD costs its payer.
const COST: i64 = 10_300;
const PHONE: &str = "231880000001";

struct Page {
    stage: Stage,
    source: SourceId,
    page: CheckoutConfigId,
    references: u128,
}

impl Page {
    fn new() -> Self {
        let mut stage = Stage::new();
        let source = stage.invoice(10_000, FeeBearer::Payer);
        let mut page = Self { stage, source, page: CheckoutConfigId(0), references: 1_000 };
        page.page = page.page_of(source);
        page
    }

    fn page_of(&mut self, source: SourceId) -> CheckoutConfigId {
        let merchant_id = self.stage.merchant;
        let which = SourceRef { merchant_id, kind: SourceType::Invoice, id: source };
        let token = PageToken(format!("token-{source}"));
        self.stage.decide(&OpenCheckoutPage { source: which, token }).unwrap().id
    }

    fn decision(&mut self, phone: Option<&str>) -> PayOnPage {
        self.references += 1;
        let (method, provider) = match phone {
            Some(_) => (Method::MTN_MOMO_LBR, Provider::PawaPay),
            None => (Method::CREDIT_CARD, Provider::Stripe),
        };
        let choice = PayerChoice {
            method,
            provider,
            currency: currency("USD"),
            phone: phone.map(str::to_owned),
        };
        PayOnPage {
            merchant_id: self.stage.merchant,
            page_id: self.page,
            source_id: self.source,
            payment: PagePayment {
                reference_id: reference(self.references),
                choice,
                quoted: usd(COST),
                account_id: None,
                address: "192.0.2.1".into(),
                page_url: String::new(),
            },
        }
    }

    fn pay(&mut self, phone: Option<&str>) -> Result<Executed, Vec<Refusal>> {
        let decision = self.decision(phone);
        self.stage.decide(&decision)
    }

    fn fail(&mut self, executed: &Executed) {
        let failed = self.stage.hear(executed.execution.id, crate::stage::declined());
        assert_eq!(failed.status, ExecutionStatus::Failed);
    }

    fn decline_card(&mut self, executed: &Executed, code: &'static str) -> String {
        let recorded = self.stage.decide(&AuthenticateCard {
            merchant_id: self.stage.merchant,
            reference_id: executed.execution.reference_id,
            result: CardResult::Declined(code),
        });
        recorded.unwrap().execution.gateway_message.unwrap()
    }
}

fn needs_action() -> ProviderOutcome {
    ProviderOutcome::NeedsAction { client_secret: "s".into() }
}

#[test]
fn one_decision_makes_account_session_and_payment() {
    let mut page = Page::new();
    let executed = page.pay(Some(PHONE)).unwrap();
    let execution = &executed.execution;
    assert_eq!(
        (execution.status, execution.payer, execution.source_id()),
        (ExecutionStatus::Pending, usd(COST), Some(page.source))
    );
    assert_eq!(page.stage.source(page.source), SourceStatus::Processing);
    let call = executed.call.unwrap();
    assert_eq!(
        (call.kind, call.request.account_number.as_deref(), call.request.from_page),
        (CallKind::Send, Some(PHONE), true)
    );
    let id = execution.payment_account_id().unwrap();
    let account = page.stage.work.require::<PaymentAccount>(id).unwrap();
    assert_eq!(
        (account.operation, account.account_number.as_deref(), account.country_code.as_deref()),
        (Operation::Collection, Some(PHONE), Some("LR"))
    );
    page.stage.hear(execution.id, paid("t"));
    assert_eq!(page.stage.source(page.source), SourceStatus::Paid);
    page.stage.check_books();
}

#[test]
fn whatever_is_sent_twice_pays_once() {
    let mut page = Page::new();
    let decision = page.decision(Some(PHONE));
    let first = page.stage.decide(&decision).unwrap();
    let again = page.stage.decide(&decision).unwrap();
    assert_eq!((again.execution.id, again.replayed), (first.execution.id, true));
    assert_eq!(again.call, None);
    // Another tab has another key.
    let other = page.pay(Some("231880000002"));
    assert!(
        matches!(other.unwrap_err()[..], [Refusal::InvalidState { state: "PROCESSING", .. }]),
        "the first tab's payment is under way"
    );
    // The same key with another choice is another payment.
    let mut changed = decision.clone();
    changed.payment.choice.currency = currency("RWF");
    assert_eq!(page.stage.decide(&changed), Err(vec![Refusal::DuplicateReference]));
    let mut changed = decision;
    changed.payment.choice.phone = Some("231880000002".to_owned());
    assert_eq!(page.stage.decide(&changed), Err(vec![Refusal::DuplicateReference]));
}

#[test]
fn another_price_than_was_shown_sends_nothing() {
    let mut page = Page::new();
    for quoted in [usd(COST - 1), usd(COST + 1), Money::new(COST, currency("RWF"))] {
        let mut decision = page.decision(Some(PHONE));
        decision.payment.quoted = quoted;
        assert_eq!(page.stage.decide(&decision), Err(vec![Refusal::QuoteChanged]));
    }
    assert_eq!(page.stage.source(page.source), SourceStatus::Active);
    // What was refused counts against no limit.
    for _ in 0..3 {
        let executed = page.pay(Some(PHONE)).unwrap();
        page.fail(&executed);
    }
}

#[test]
fn a_phone_is_asked_three_times_an_hour() {
    let mut page = Page::new();
    for _ in 0..3 {
        let executed = page.pay(Some(PHONE)).unwrap();
        page.fail(&executed);
    }
    let limited = |kind, seconds| Err(vec![Refusal::TooManyPayments { kind, seconds }]);
    assert_eq!(page.pay(Some(PHONE)), limited(RequestLimitKind::Phone, 20 * 60));
    assert_eq!(page.stage.source(page.source), SourceStatus::Active);
    // Another phone is not affected.
    let executed = page.pay(Some("231880000002")).unwrap();
    page.fail(&executed);
    page.stage.now = page.stage.now.plus(minutes(20) - 1);
    assert_eq!(page.pay(Some(PHONE)), limited(RequestLimitKind::Phone, 1));
    page.stage.now = page.stage.now.plus(1);
    let executed = page.pay(Some(PHONE)).unwrap();
    page.fail(&executed);
}

#[test]
fn an_invoice_and_an_address_have_limits_too() {
    let mut page = Page::new();
    for number in 0..10 {
        let executed = page.pay(Some(&format!("2318800001{number:02}"))).unwrap();
        page.fail(&executed);
    }
    let refused = page.pay(None).unwrap_err();
    assert!(
        matches!(refused[..], [Refusal::TooManyPayments { kind: RequestLimitKind::Source, .. }]),
        "{refused:?}"
    );
    for _ in 0..2 {
        page.source = page.stage.invoice(10_000, FeeBearer::Payer);
        page.page = page.page_of(page.source);
        for _ in 0..10 {
            let executed = page.pay(None).unwrap();
            page.fail(&executed);
        }
    }
    page.source = page.stage.invoice(10_000, FeeBearer::Payer);
    page.page = page.page_of(page.source);
    let refused = page.pay(None).unwrap_err();
    assert!(
        matches!(refused[..], [Refusal::TooManyPayments { kind: RequestLimitKind::Address, .. }]),
        "{refused:?}"
    );
    let mut elsewhere = page.decision(None);
    elsewhere.payment.address = "192.0.2.2".into();
    assert!(page.stage.decide(&elsewhere).is_ok());
}

#[test]
fn an_account_is_used_again_if_it_is_the_same() {
    let mut page = Page::new();
    let first = page.pay(Some(PHONE)).unwrap();
    page.fail(&first);
    let account = first.execution.payment_account_id();
    let mut again = page.decision(Some(PHONE));
    again.payment.account_id = account;
    let executed = page.stage.decide(&again).unwrap();
    assert_eq!(executed.execution.payment_account_id(), account);
    page.fail(&executed);
    let mut other = page.decision(Some("231880000002"));
    other.payment.account_id = account;
    let executed = page.stage.decide(&other).unwrap();
    assert_ne!(executed.execution.payment_account_id(), account);
}

#[test]
fn a_page_pays_for_its_own_invoice_only_and_never_from_a_wallet() {
    let mut page = Page::new();
    let mut decision = page.decision(Some(PHONE));
    decision.source_id = page.stage.invoice(10_000, FeeBearer::Payer);
    assert_eq!(page.stage.decide(&decision), Err(vec![Refusal::NotFound]));
    let mut decision = page.decision(Some(PHONE));
    (decision.payment.choice.method, decision.payment.choice.provider) =
        (Method::WALLET, Provider::Platform);
    let refused = page.stage.decide(&decision).unwrap_err();
    assert!(matches!(refused[..], [Refusal::UnknownId { .. }]), "{refused:?}");
    let mut decision = page.decision(Some("250880000001"));
    decision.payment.choice.phone = Some("250880000001".into());
    let refused = page.stage.decide(&decision).unwrap_err();
    assert!(matches!(refused[..], [Refusal::PhoneOfOtherCountry { .. }]), "{refused:?}");
}

#[test]
fn a_card_is_declined_by_name_and_tried_again() {
    let mut page = Page::new();
    let executed = page.pay(None).unwrap();
    page.stage.hear(executed.execution.id, needs_action());
    assert_eq!(
        page.decline_card(&executed, "insufficient_funds"),
        "insufficient_funds: the card was declined"
    );
    assert_eq!(page.stage.source(page.source), SourceStatus::Active);
    let again = page.pay(None).unwrap();
    page.stage.hear(again.execution.id, needs_action());
    let recorded = page.stage.decide(&AuthenticateCard {
        merchant_id: page.stage.merchant,
        reference_id: again.execution.reference_id,
        result: CardResult::Authenticated,
    });
    assert_eq!(recorded.unwrap().execution.status, ExecutionStatus::Completed);
    page.stage.check_books();
}

#[test]
fn who_leaves_the_card_page_waits_for_the_networks_word() {
    let mut page = Page::new();
    let executed = page.pay(None).unwrap();
    let id = executed.execution.id;
    let leave = LeaveCardPage { merchant_id: page.stage.merchant, execution_id: id };
    assert_eq!(
        page.stage.decide(&leave),
        Err(vec![Refusal::NotAwaitingAuthentication]),
        "it is not known yet whether the payer has to do anything"
    );
    page.stage.hear(id, needs_action());
    let call = page.stage.decide(&leave).unwrap().unwrap();
    assert_eq!((call.kind, call.request.cancel_asked), (CallKind::Cancel, true));
    assert_eq!(page.stage.source(page.source), SourceStatus::Processing);
    assert_eq!(page.stage.decide(&leave), Err(vec![Refusal::NotAwaitingAuthentication]));
    // The cancellation was lost: it is asked for again.
    page.stage.now = page.stage.now.plus(minutes(1));
    let again = page.stage.decide(&ClaimExecution { execution_id: id }).unwrap().unwrap();
    assert_eq!(again.kind, CallKind::Cancel);
    // The payer had paid in the meantime: that counts.
    assert_eq!(page.stage.hear(id, paid("t")).status, ExecutionStatus::Completed);
}

#[test]
fn a_payer_may_ask_how_it_stands_but_not_too_often() {
    let mut page = Page::new();
    let executed = page.pay(Some(PHONE)).unwrap();
    let id = executed.execution.id;
    let check =
        CheckNow { merchant_id: page.stage.merchant, execution_id: id, even_if_final: false };
    page.stage.hear(id, ProviderOutcome::Accepted);
    page.stage.now = page.stage.now.plus(seconds(9));
    assert_eq!(page.stage.decide(&check), Ok(None), "it was sent a moment ago");
    page.stage.now = page.stage.now.plus(seconds(1));
    let call = page.stage.decide(&check).unwrap().unwrap();
    assert_eq!(call.kind, CallKind::Query);
    page.stage.hear(id, ProviderOutcome::Accepted);
    page.stage.now = page.stage.now.plus(seconds(9));
    assert_eq!(page.stage.decide(&check), Ok(None), "it was asked about a moment ago");
    page.stage.hear(id, paid("t"));
    page.stage.now = page.stage.now.plus(minutes(1));
    assert_eq!(page.stage.decide(&check), Ok(None), "it is final");
    let stranger = CheckNow { merchant_id: page.stage.new_merchant("231770000002"), ..check };
    assert_eq!(page.stage.decide(&stranger), Err(vec![Refusal::NotFound]));
}

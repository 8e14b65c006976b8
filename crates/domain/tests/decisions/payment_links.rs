//! Payment links: orders of many payers, and how the uses of a link are counted.

use domain::decision::event::{EventEntity, EventType};
use domain::directory::create_party::NewParty;
use domain::directory::party::{Counterparty, Party, Relationship};
use domain::directory::update_merchant::{MerchantChanges, UpdateMerchant};
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::ids::PaymentLinkId;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{MerchantTime, minutes};
use domain::kernel::uuids::ReferenceId;
use domain::payments::create_session::NewSession;
use domain::payments::execute::OperationDetails;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::pay_on_page::{PagePayment, PayOnPage, PayerChoice};
use domain::sales::cancel_source::CancelSource;
use domain::sales::cancel_unpaid_order::CancelUnpaidOrder;
use domain::sales::checkout::PageToken;
use domain::sales::create_payment_link::{CreatePaymentLink, NewLinkPrice, NewPaymentLink};
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::edit_items::NewItem;
use domain::sales::find_source::SourceRef;
use domain::sales::pay_link::{PaidLink, PayLink};
use domain::sales::payment_link::{LinkPrice, LinkStatus, MAX_LINK_ITEMS, PaymentLink};
use domain::sales::source::{Source, SourceStatus, SourceType};

use crate::stage::{Stage, currency, declined, paid, reference, usd};

fn item(name: &str, qty: i64, minor: i64) -> NewItem {
    NewItem { name: name.into(), currency: currency("USD"), qty, amount: usd(minor) }
}

fn rice() -> NewPaymentLink {
    NewPaymentLink {
        title: "Rice and beans".into(),
        currency: currency("USD"),
        price: NewLinkPrice::Items(vec![item("Rice", 2, 1_000), item("Beans", 1, 250)]),
        max_uses: None,
        fee_bearer: Some(FeeBearer::Payee),
        expires_at: None,
        success_url: Some("https://shop.example/thanks".into()),
        token: PageToken("secret".into()),
        idempotency_key: None,
    }
}

fn donation() -> NewPaymentLink {
    NewPaymentLink {
        title: "Roof".into(),
        price: NewLinkPrice::Open { min: usd(100), max: usd(50_000) },
        ..rice()
    }
}

const CLOSED: fn(&'static str) -> Vec<Refusal> = |state| vec![Refusal::PaymentLinkClosed { state }];

/// A merchant's link and its payers.
struct Links {
    stage: Stage,
    link: PaymentLinkId,
    payers: u128,
}

impl Links {
    fn new(link: NewPaymentLink) -> Self {
        let mut stage = Stage::new();
        let merchant_id = stage.merchant;
        let link = stage.decide(&CreatePaymentLink { merchant_id, link }).unwrap().link.id;
        Self { stage, link, payers: 0 }
    }

    fn with_uses(max_uses: i64) -> Self {
        Self::new(NewPaymentLink { max_uses: Some(max_uses), ..rice() })
    }

    fn link(&self) -> PaymentLink {
        (*self.stage.work.require::<PaymentLink>(self.link).unwrap()).clone()
    }

    /// What is reserved and paid.
    fn uses(&self) -> (i64, i64) {
        let link = self.link();
        (link.uses_reserved, link.uses_paid)
    }

    /// What another payer sends, who was told that it costs `minor`.
    fn form(&mut self, amount: Option<&str>, minor: i64) -> PayLink {
        self.payers += 1;
        let phone = format!("23188{:07}", self.payers);
        PayLink {
            merchant_id: self.stage.merchant,
            link_id: self.link,
            payer: NewParty {
                fullname: "Ama".into(),
                phone: phone.clone(),
                email: None,
                country_code: None,
            },
            amount: amount.map(|text| Decimal::parse(text).unwrap()),
            token: PageToken(format!("order {}", self.payers)),
            payment: payment(reference(1_000 + self.payers), &phone, minor),
        }
    }

    fn try_pay(&mut self) -> Result<PaidLink, Vec<Refusal>> {
        let form = self.form(None, 2_250);
        self.stage.decide(&form)
    }

    /// Another payer begins to pay.
    fn pay(&mut self) -> PaidLink {
        self.try_pay().unwrap()
    }

    /// The order of a payer whose payment has failed.
    fn unpaid(&mut self) -> PaidLink {
        let made = self.pay();
        self.stage.hear(made.executed.execution.id, declined());
        made
    }

    /// The payer of an order tries again on its page.
    fn pay_again(&mut self, made: &PaidLink) -> Result<Execution, Vec<Refusal>> {
        self.payers += 1;
        let phone = format!("23177{:07}", self.payers);
        let again = PayOnPage {
            merchant_id: self.stage.merchant,
            page_id: made.page.id,
            source_id: made.order.id,
            payment: payment(reference(1_000 + self.payers), &phone, 2_250),
        };
        self.stage.decide(&again).map(|executed| executed.execution)
    }

    fn complete(&mut self, execution: &Execution) {
        assert_eq!(self.stage.hear(execution.id, paid("t")).status, ExecutionStatus::Completed);
    }

    fn deactivate(&mut self) -> PaymentLink {
        let (merchant_id, link_id) = (self.stage.merchant, self.link);
        self.stage.decide(&DeactivatePaymentLink { merchant_id, link_id }).unwrap()
    }

    fn cancel_unpaid(&mut self, order: &Source) -> bool {
        self.stage.decide(&CancelUnpaidOrder { source_id: order.id }).unwrap()
    }

    fn stored(&self, order: &Source) -> Source {
        (*self.stage.work.require::<Source>(order.id).unwrap()).clone()
    }

    fn events(&self) -> Vec<EventType> {
        let of_links =
            self.stage.work.events.iter().filter(|one| one.entity == EventEntity::PaymentLink);
        of_links.map(|event| event.kind).collect()
    }
}

fn payment(reference_id: ReferenceId, phone: &str, minor: i64) -> PagePayment {
    let choice = PayerChoice {
        method: Method::MTN_MOMO_LBR,
        provider: Provider::PawaPay,
        currency: currency("USD"),
        phone: Some(phone.to_owned()),
    };
    // Payers come from many addresses.
    let address = phone.to_owned();
    PagePayment {
        reference_id,
        choice,
        quoted: usd(minor),
        account_id: None,
        address,
        page_url: String::new(),
    }
}

#[test]
fn a_payer_of_a_link_gets_an_order_with_its_items_its_page_and_its_payment() {
    let mut links = Links::new(rice());
    assert_eq!(links.link().price, LinkPrice::Items { count: 2, total_minor: 2_250 });
    let form = links.form(None, 2_250);
    let PaidLink { order, page, executed } = links.stage.decide(&form).unwrap();
    assert_eq!((order.kind, order.status), (SourceType::Order, SourceStatus::Processing));
    assert_eq!((order.total(), order.note.as_str()), (usd(2_250), "Rice and beans"));
    assert_eq!(order.fee_bearer, FeeBearer::Payee, "the link says who bears the fees");
    assert_eq!(order.payment_link_id, Some(links.link));
    assert_eq!(order.cancel_at, Some(links.stage.time().plus(minutes(24 * 60))));
    assert_eq!(page.success_url.as_deref(), Some("https://shop.example/thanks"));
    assert_eq!((page.token.0.as_str(), page.source_id), ("order 1", order.id));
    let work = &links.stage.work;
    let counterparty = work.require::<Counterparty>(order.counterparty_id).unwrap();
    assert_eq!(counterparty.relationship, Relationship::Customer);
    let party = work.require::<Party>(counterparty.party_id.unwrap()).unwrap();
    assert_eq!((party.phone.as_str(), party.fullname.as_str()), ("231880000001", "Ama"));
    let call = executed.call.unwrap();
    assert_eq!(call.request.account_number.as_deref(), Some("231880000001"));
    assert_eq!((executed.execution.payer, links.uses()), (usd(2_250), (1, 0)));
    assert_eq!(links.stored(&order).event_count, 2, "published and being paid");
    assert_eq!(links.events(), [EventType::PaymentLinkCreated]);
    links.stage.check_books();
}

#[test]
fn a_party_is_found_by_its_phone_and_each_payment_has_an_order() {
    let mut links = Links::new(rice());
    let first = links.form(None, 2_250);
    let second = PayLink { payer: first.payer.clone(), ..links.form(None, 2_250) };
    let [first, second] = [first, second].map(|form| links.stage.decide(&form).unwrap().order);
    assert_ne!(first.number, second.number);
    let party = |order: &Source| {
        let work = &links.stage.work;
        work.require::<Counterparty>(order.counterparty_id).unwrap().party_id
    };
    assert_eq!(party(&first), party(&second));
}

#[test]
fn a_form_that_is_sent_twice_pays_once() {
    let mut links = Links::with_uses(1);
    let form = links.form(None, 2_250);
    let first = links.stage.decide(&form).unwrap();
    // The page that was answered first is the page: the second has drawn another token.
    let again = PayLink { token: PageToken("another".into()), ..form.clone() };
    let second = links.stage.decide(&again).unwrap();
    assert!(second.executed.replayed && second.executed.call.is_none());
    assert_eq!((second.page.token, second.order.id), (first.page.token, first.order.id));
    assert_eq!(links.uses(), (1, 0));
    // The same key for another method, or of a payment that is not the link's.
    let mut other = form.clone();
    other.payment.choice.currency = currency("RWF");
    assert_eq!(links.stage.decide(&other).unwrap_err(), [Refusal::DuplicateReference]);
    let made =
        links.stage.decide(&CreatePaymentLink { merchant_id: links.stage.merchant, link: rice() });
    let other = PayLink { link_id: made.unwrap().link.id, ..form };
    assert_eq!(links.stage.decide(&other).unwrap_err(), [Refusal::DuplicateReference]);
}

#[test]
fn what_cannot_be_paid_makes_no_order() {
    let mut links = Links::new(rice());
    let before = links.stage.work.ids.next;
    let form = links.form(None, 2_251);
    assert_eq!(links.stage.decide(&form).unwrap_err(), [Refusal::QuoteChanged]);
    let mut form = links.form(None, 2_250);
    form.payment.choice.phone = Some("250780000001".into());
    let refused = links.stage.decide(&form).unwrap_err();
    assert!(matches!(refused[..], [Refusal::PhoneOfOtherCountry { .. }]), "{refused:?}");
    assert_eq!(links.stage.work.ids.next, before, "nothing is left of it");
    assert_eq!(links.uses(), (0, 0));
}

#[test]
fn an_order_with_as_many_items_as_may_be_fits_into_one_command() {
    let items = (0..MAX_LINK_ITEMS).map(|n| item(&format!("Item {n}"), 1, 100)).collect();
    let mut links = Links::new(NewPaymentLink { price: NewLinkPrice::Items(items), ..rice() });
    let before = links.stage.work.ids.next;
    let form = links.form(None, 4_000);
    links.stage.decide(&form).unwrap();
    let used = links.stage.work.ids.next - before;
    // A wallet may have to be opened, too.
    assert!(used + 1 < domain::decision::workspace::IDS_PER_COMMAND, "{used} ids");
}

#[test]
fn the_merchants_setting_says_who_bears_the_fees_of_a_link_that_does_not() {
    let mut links = Links::new(NewPaymentLink { fee_bearer: None, ..rice() });
    assert_eq!(links.link().fee_bearer, FeeBearer::Payer);
    let changes = MerchantChanges { fee_bearer: Some(FeeBearer::Payee), ..Default::default() };
    let merchant_id = links.stage.merchant;
    links.stage.decide(&UpdateMerchant { merchant_id, changes }).unwrap();
    // One per cent for the platform and two for the network, each rounded up.
    let form = links.form(None, 2_250 + 23 + 45);
    let order = links.stage.decide(&form).unwrap().order;
    assert_eq!(order.fee_bearer, FeeBearer::Payer, "a link keeps what it was made with");
}

#[test]
fn an_open_amount_is_chosen_between_its_limits() {
    let mut links = Links::new(donation());
    let limits = Refusal::AmountOutOfRange { least: "1.00 USD".into(), most: "500.00 USD".into() };
    for amount in [None, Some("0.99"), Some("500.01"), Some("0"), Some("1e20")] {
        let form = links.form(amount, 100);
        assert_eq!(
            links.stage.decide(&form).unwrap_err(),
            std::slice::from_ref(&limits),
            "{amount:?}"
        );
    }
    let form = links.form(Some("1.005"), 100);
    let decimals = Refusal::TooManyDecimals { allowed: 2 };
    assert_eq!(links.stage.decide(&form).unwrap_err(), [decimals]);
    for (amount, minor) in [("1", 100), ("500.00", 50_000)] {
        let form = links.form(Some(amount), minor);
        let order = links.stage.decide(&form).unwrap().order;
        assert_eq!((order.total(), order.note.as_str()), (usd(minor), "Roof"));
    }
}

#[test]
fn the_price_of_a_link_must_be_one() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let mut refused = |price| {
        let link = NewPaymentLink { price, ..rice() };
        stage.decide(&CreatePaymentLink { merchant_id, link }).unwrap_err()
    };
    let francs = Money::new(5, currency("RWF"));
    let of_other = Refusal::CurrencyMismatch { what: "payment link", has: currency("USD") };
    let other = NewItem { amount: francs, currency: currency("RWF"), ..item("x", 1, 1) };
    assert_eq!(refused(NewLinkPrice::Items(vec![other])), std::slice::from_ref(&of_other));
    assert_eq!(refused(NewLinkPrice::Open { min: usd(1), max: francs }), [of_other]);
    let most = domain::kernel::money::MAX_MINOR;
    for items in [vec![item("x", 2, most)], vec![item("x", 1, most), item("y", 1, 1)]] {
        assert_eq!(refused(NewLinkPrice::Items(items)), [Refusal::AmountTooLarge]);
    }
    let nothing = NewLinkPrice::Open { min: usd(2), max: usd(1) };
    assert_eq!(refused(nothing), [Refusal::AmountRangeEmpty]);
}

#[test]
fn only_a_verified_merchant_makes_links() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let changes = MerchantChanges { verified: Some(false), ..Default::default() };
    stage.decide(&UpdateMerchant { merchant_id, changes }).unwrap();
    let made = stage.decide(&CreatePaymentLink { merchant_id, link: rice() });
    assert_eq!(made.unwrap_err(), [Refusal::NotVerified]);
}

#[test]
fn a_use_is_reserved_while_its_payment_is_under_way_and_kept_when_it_is_paid() {
    let mut links = Links::with_uses(2);
    let paying = links.pay();
    assert_eq!(links.uses(), (1, 0));
    let failing = links.pay();
    assert_eq!(links.uses(), (2, 0));
    assert_eq!(links.try_pay().unwrap_err(), CLOSED("USED_UP"));

    links.complete(&paying.executed.execution);
    assert_eq!(links.uses(), (1, 1));
    links.stage.hear(failing.executed.execution.id, declined());
    assert_eq!(links.uses(), (0, 1), "what failed gives its use back");
    assert_eq!(links.stored(&failing.order).status, SourceStatus::Active);

    let last = links.pay();
    assert_eq!(links.pay_again(&failing).unwrap_err(), CLOSED("USED_UP"));
    links.complete(&last.executed.execution);
    assert_eq!(links.uses(), (0, 2));
    let events = [EventType::PaymentLinkCreated, EventType::PaymentLinkUsedUp];
    assert_eq!(links.events(), events);
    assert_eq!(links.stored(&last.order).cancel_at, None, "what is paid is not canceled");
    links.stage.check_books();
}

#[test]
fn who_tries_again_on_the_page_of_the_order_reserves_a_use_again() {
    let mut links = Links::with_uses(1);
    let made = links.unpaid();
    assert_eq!(links.uses(), (0, 0));
    let again = links.pay_again(&made).unwrap();
    assert_eq!(links.uses(), (1, 0));
    assert_eq!(links.try_pay().unwrap_err(), CLOSED("USED_UP"));
    links.complete(&again);
    assert_eq!(links.uses(), (0, 1));
}

/// Sessions that were created while there was a use left are executed too late.
#[test]
fn of_two_payers_of_the_last_use_the_second_is_refused() {
    let mut links = Links::with_uses(1);
    let orders = [links.unpaid().order, links.unpaid().order];
    let party = links.stage.party("231880000001");
    let account_id = links.stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
    let sessions = orders.clone().map(|order| {
        let request = NewSession::Checkout { kind: SourceType::Order, source_id: order.id };
        links.stage.declare(request).unwrap()
    });
    let details = OperationDetails::Collection { account_id, currency: currency("USD") };
    links.stage.execute(sessions[0], details).unwrap();
    assert_eq!(links.stage.execute(sessions[1], details).unwrap_err(), CLOSED("USED_UP"));
    assert_eq!(links.stored(&orders[1]).status, SourceStatus::Active);
    assert_eq!(links.uses(), (1, 0));
}

#[test]
fn a_link_without_a_limit_counts_too() {
    let mut links = Links::new(rice());
    for expected in 1..4 {
        let made = links.pay();
        links.complete(&made.executed.execution);
        assert_eq!(links.uses(), (0, expected));
    }
    assert_eq!(links.events(), [EventType::PaymentLinkCreated]);
}

/// A form that is sent twice creates one link, whatever else it says the second time.
#[test]
fn a_link_is_created_once_for_its_key() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let keyed = |key, link| NewPaymentLink { idempotency_key: Some(reference(key)), ..link };
    let mut create = |link| stage.decide(&CreatePaymentLink { merchant_id, link }).unwrap();
    let first = create(keyed(1, rice()));
    assert_eq!(first.items.len(), 2);
    let again = create(keyed(1, donation()));
    assert_eq!((again.link.id, &again.link.title), (first.link.id, &first.link.title));
    assert_eq!(again.items, first.items);
    assert_ne!(create(keyed(2, rice())).link.id, first.link.id);
}

#[test]
fn an_expired_link_makes_no_orders_and_its_orders_expire_with_it() {
    let mut stage = Stage::new();
    let end = stage.time().plus(minutes(60));
    let merchant_id = stage.merchant;
    let past = NewPaymentLink { expires_at: Some(stage.time()), ..rice() };
    let refused = stage.decide(&CreatePaymentLink { merchant_id, link: past }).unwrap_err();
    assert!(matches!(refused[..], [Refusal::ExpiryInPast { .. }]), "{refused:?}");

    let mut links = Links::new(NewPaymentLink { expires_at: Some(end), ..rice() });
    let made = links.unpaid();
    links.stage.set_time(end);
    assert_eq!(links.try_pay().unwrap_err(), CLOSED("EXPIRED"));
    assert_eq!(links.pay_again(&made).unwrap_err(), [Refusal::CheckoutExpired { at: end }]);
}

#[test]
fn a_deactivated_link_begins_no_payment_and_ends_none() {
    let mut links = Links::new(rice());
    let (other, under_way) = (links.unpaid(), links.pay());
    let link = links.deactivate();
    assert_eq!(link.status, LinkStatus::Deactivated);
    assert_eq!(links.deactivate().updated_at, link.updated_at, "once more changes nothing");
    assert_eq!(links.try_pay().unwrap_err(), CLOSED("DEACTIVATED"));
    assert_eq!(links.pay_again(&other).unwrap_err(), CLOSED("DEACTIVATED"));
    links.complete(&under_way.executed.execution);
    assert_eq!(links.uses(), (0, 1));
    let events = [EventType::PaymentLinkCreated, EventType::PaymentLinkDeactivated];
    assert_eq!(links.events(), events);
}

#[test]
fn another_merchants_link_is_not_found() {
    let mut links = Links::new(rice());
    links.stage.merchant = links.stage.new_merchant("231770000002");
    assert_eq!(links.try_pay().unwrap_err(), [Refusal::NotFound]);
    let (merchant_id, link_id) = (links.stage.merchant, links.link);
    let refused = links.stage.decide(&DeactivatePaymentLink { merchant_id, link_id });
    assert_eq!(refused.unwrap_err(), [Refusal::NotFound]);
}

#[test]
fn a_late_success_beyond_the_limit_is_a_review_that_says_so() {
    let mut links = Links::with_uses(1);
    let late = links.unpaid();
    let failed = late.executed.execution.id;
    let other = links.pay();
    links.complete(&other.executed.execution);

    links.stage.hear(failed, paid("late"));
    assert_eq!(links.uses(), (0, 1), "a review counts nothing before it is resolved");
    let review = links.stage.review(failed, ReviewKind::SuccessAfterFailure);
    assert!(review.reason.ends_with("the payment link of its order is used up"), "{review:?}");
    links.stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!(links.uses(), (0, 2), "an operator may go beyond the limit");
    assert_eq!(links.stored(&late.order).status, SourceStatus::Paid);
    let events = [EventType::PaymentLinkCreated, EventType::PaymentLinkUsedUp];
    assert_eq!(links.events(), events, "it was used up before");
    links.stage.check_books();
}

#[test]
fn a_late_success_within_the_limit_takes_a_use_when_its_review_is_resolved() {
    for (how, uses) in [(Resolution::ToWallet, (0, 1)), (Resolution::ToPayer, (0, 0))] {
        let mut links = Links::with_uses(1);
        let failed = links.unpaid().executed.execution.id;
        links.stage.hear(failed, paid("late"));
        let review = links.stage.review(failed, ReviewKind::SuccessAfterFailure);
        assert!(!review.reason.contains("link"), "{review:?}");
        links.stage.resolve(review.id, how).unwrap();
        assert_eq!(links.uses(), uses);
    }
}

#[test]
fn an_unpaid_order_is_canceled_after_a_day() {
    let mut links = Links::new(rice());
    let (idle, in_review) = (links.unpaid(), links.unpaid());
    let failed = in_review.executed.execution.id;
    links.stage.hear(failed, paid("late"));
    let paying = links.pay();
    let end: MerchantTime = idle.order.cancel_at.unwrap();
    links.stage.set_time(end.plus(-1));
    assert!(!links.cancel_unpaid(&idle.order), "not yet");
    links.stage.set_time(end);
    assert!(links.cancel_unpaid(&idle.order));
    let canceled = links.stored(&idle.order);
    assert_eq!((canceled.status, canceled.cancel_at), (SourceStatus::Canceled, None));
    assert!(!links.cancel_unpaid(&idle.order), "once more changes nothing");
    assert!(!links.cancel_unpaid(&paying.order), "its payment is under way");
    assert!(!links.cancel_unpaid(&in_review.order), "it may have been paid");

    links.stage.hear(paying.executed.execution.id, declined());
    assert!(links.cancel_unpaid(&paying.order), "its payment has failed");
    let review = links.stage.review(failed, ReviewKind::SuccessAfterFailure);
    links.stage.resolve(review.id, Resolution::ToPayer).unwrap();
    assert!(links.cancel_unpaid(&in_review.order));
    assert_eq!(links.uses(), (0, 0));
    let kinds: Vec<EventType> = links.stage.work.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == EventType::SourceCanceled).count(), 3);
    links.stage.check_books();
}

#[test]
fn an_order_that_the_merchant_canceled_or_made_itself_is_left_alone() {
    let mut links = Links::new(rice());
    let made = links.unpaid();
    let merchant_id = links.stage.merchant;
    let which = SourceRef { merchant_id, kind: SourceType::Order, id: made.order.id };
    links.stage.decide(&CancelSource { source: which, shown: None }).unwrap();
    let invoice = links.stage.invoice(500, FeeBearer::Payer);
    let invoice = (*links.stage.work.require::<Source>(invoice).unwrap()).clone();
    links.stage.set_time(links.stage.time().plus(minutes(60 * 24 * 30)));
    for source in [&made.order, &invoice] {
        assert!(!links.cancel_unpaid(source));
    }
    assert_eq!(links.stored(&invoice).status, SourceStatus::Active);
    assert_eq!(links.pay_again(&made).unwrap_err().len(), 1);
    assert_eq!(links.uses(), (0, 0));
}

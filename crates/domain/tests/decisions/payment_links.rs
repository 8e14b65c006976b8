//! Payment links: orders of many payers, and how the uses of a link are counted.

use domain::decision::event::{EventEntity, EventType};
use domain::directory::create_party::NewParty;
use domain::directory::party::{Counterparty, Party, Relationship};
use domain::directory::update_merchant::{MerchantChanges, UpdateMerchant};
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::ids::PaymentLinkId;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{MerchantTime, minutes};
use domain::payments::create_session::NewSession;
use domain::payments::execute::OperationDetails;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::sales::cancel_source::CancelSource;
use domain::sales::cancel_unpaid_order::CancelUnpaidOrder;
use domain::sales::create_checkout::Checkout;
use domain::sales::create_payment_link::{CreatePaymentLink, NewLinkPrice, NewPaymentLink};
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::edit_items::NewItem;
use domain::sales::find_source::SourceRef;
use domain::sales::pay_link::PayLink;
use domain::sales::payment_link::{LinkPrice, LinkStatus, MAX_LINK_ITEMS, PaymentLink};
use domain::sales::source::{Source, SourceStatus, SourceType};

use crate::stage::{Stage, currency, declined, paid, usd};

const PHONE: &str = "231880000001";

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
        token: "secret".into(),
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

/// A merchant's link and the account of its payers.
struct Links {
    stage: Stage,
    link: PaymentLinkId,
    account: domain::kernel::ids::PaymentAccountId,
    orders: u32,
}

impl Links {
    fn new(link: NewPaymentLink) -> Self {
        let mut stage = Stage::new();
        let merchant_id = stage.merchant;
        let link = stage.decide(&CreatePaymentLink { merchant_id, link }).unwrap().link.id;
        let party = stage.party(PHONE);
        let account = stage.account(party, Method::MtnMomoLbr, Operation::Collection);
        Self { stage, link, account, orders: 0 }
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

    fn pay(&mut self, amount: Option<&str>) -> Result<Checkout, Vec<Refusal>> {
        self.orders += 1;
        let payer = NewParty {
            fullname: "Ama".into(),
            phone: PHONE.into(),
            email: None,
            country_code: None,
        };
        self.stage.decide(&PayLink {
            merchant_id: self.stage.merchant,
            link_id: self.link,
            payer,
            amount: amount.map(|text| Decimal::parse(text).unwrap()),
            token: format!("order {}", self.orders),
        })
    }

    fn order(&mut self) -> Source {
        self.pay(None).unwrap().source
    }

    /// Begins a collection for an order.
    fn collect(&mut self, order: &Source) -> Result<Execution, Vec<Refusal>> {
        let request = NewSession::Checkout { kind: SourceType::Order, source_id: order.id };
        let session = self.stage.declare(request)?;
        let details =
            OperationDetails::Collection { account_id: self.account, currency: currency("USD") };
        self.stage.execute(session, details).map(|(execution, _)| execution)
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

#[test]
fn a_payer_of_a_link_gets_an_order_with_its_items_and_its_page() {
    let mut links = Links::new(rice());
    assert_eq!(links.link().price, LinkPrice::Items { count: 2, total_minor: 2_250 });
    let Checkout { config, source, counterparty, party } = links.pay(None).unwrap();
    assert_eq!((source.kind, source.status), (SourceType::Order, SourceStatus::Active));
    assert_eq!((source.total(), source.note.as_str()), (usd(2_250), "Rice and beans"));
    assert_eq!(source.fee_bearer, FeeBearer::Payee, "the link says who bears the fees");
    assert_eq!(source.payment_link_id, Some(links.link));
    assert_eq!(source.cancel_at, Some(links.stage.time().plus(minutes(24 * 60))));
    assert_eq!(config.success_url.as_deref(), Some("https://shop.example/thanks"));
    assert_eq!((config.token.as_str(), config.source_id), ("order 1", source.id));
    assert_eq!(counterparty.relationship, Relationship::Customer);
    assert_eq!((counterparty.party_id, party.phone.as_str()), (Some(party.id), PHONE));
    let again = links.pay(None).unwrap();
    assert_eq!(again.party.id, party.id, "a party is found by its phone");
    assert_ne!(again.source.number, source.number);
    assert_eq!(links.events(), [EventType::PaymentLinkCreated]);
    links.stage.check_books();
}

#[test]
fn an_order_with_as_many_items_as_may_be_fits_into_one_command() {
    let items = (0..MAX_LINK_ITEMS).map(|n| item(&format!("Item {n}"), 1, 100)).collect();
    let mut links = Links::new(NewPaymentLink { price: NewLinkPrice::Items(items), ..rice() });
    let before = links.stage.work.ids.next;
    let order = links.order();
    let used = links.stage.work.ids.next - before;
    assert!(used + 12 < domain::decision::workspace::IDS_PER_COMMAND, "{used} ids");
    assert_eq!(order.total(), usd(4_000));
}

#[test]
fn the_merchants_setting_says_who_bears_the_fees_of_a_link_that_does_not() {
    let mut links = Links::new(NewPaymentLink { fee_bearer: None, ..rice() });
    assert_eq!(links.link().fee_bearer, FeeBearer::Payer);
    let changes = MerchantChanges { fee_bearer: Some(FeeBearer::Payee), ..Default::default() };
    let merchant_id = links.stage.merchant;
    links.stage.decide(&UpdateMerchant { merchant_id, changes }).unwrap();
    assert_eq!(links.order().fee_bearer, FeeBearer::Payer, "a link keeps what it was made with");
}

#[test]
fn an_open_amount_is_chosen_between_its_limits() {
    let mut links = Links::new(donation());
    let limits = Refusal::AmountOutOfRange { least: "1.00 USD".into(), most: "500.00 USD".into() };
    for amount in [None, Some("0.99"), Some("500.01"), Some("0"), Some("1e20")] {
        assert_eq!(links.pay(amount).unwrap_err(), [limits.clone()], "{amount:?}");
    }
    let decimals = Refusal::TooManyDecimals { allowed: 2 };
    assert_eq!(links.pay(Some("1.005")).unwrap_err(), [decimals]);
    for (amount, minor) in [("1", 100), ("500.00", 50_000)] {
        let order = links.pay(Some(amount)).unwrap().source;
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
    assert_eq!(refused(NewLinkPrice::Items(vec![other])), [of_other.clone()]);
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
    let (first, second, third) = (links.order(), links.order(), links.order());
    assert_eq!(links.uses(), (0, 0), "an order alone takes no use");
    let paying = links.collect(&first).unwrap();
    assert_eq!(links.uses(), (1, 0));
    let failing = links.collect(&second).unwrap();
    assert_eq!(links.uses(), (2, 0));
    assert_eq!(links.collect(&third).unwrap_err(), CLOSED("USED_UP"));
    assert_eq!(links.pay(None).unwrap_err(), CLOSED("USED_UP"));

    assert_eq!(links.stage.hear(paying.id, paid("t")).status, ExecutionStatus::Completed);
    assert_eq!(links.uses(), (1, 1));
    links.stage.hear(failing.id, declined());
    assert_eq!(links.uses(), (0, 1), "what failed gives its use back");
    assert_eq!(links.stored(&second).status, SourceStatus::Active);

    let last = links.collect(&third).unwrap();
    assert_eq!(links.collect(&second).unwrap_err(), CLOSED("USED_UP"));
    links.stage.hear(last.id, paid("u"));
    assert_eq!(links.uses(), (0, 2));
    let events = [EventType::PaymentLinkCreated, EventType::PaymentLinkUsedUp];
    assert_eq!(links.events(), events);
    assert_eq!(links.stored(&third).cancel_at, None, "what is paid is not canceled");
    links.stage.check_books();
}

/// A session that was created while there was a use left is executed too late.
#[test]
fn of_two_payers_of_the_last_use_the_second_is_refused() {
    let mut links = Links::with_uses(1);
    let orders = [links.order(), links.order()];
    let sessions = orders.clone().map(|order| {
        let request = NewSession::Checkout { kind: SourceType::Order, source_id: order.id };
        links.stage.declare(request).unwrap()
    });
    let details =
        OperationDetails::Collection { account_id: links.account, currency: currency("USD") };
    links.stage.execute(sessions[0], details).unwrap();
    assert_eq!(links.stage.execute(sessions[1], details).unwrap_err(), CLOSED("USED_UP"));
    assert_eq!(links.stored(&orders[1]).status, SourceStatus::Active);
    assert_eq!(links.uses(), (1, 0));
}

#[test]
fn a_link_without_a_limit_counts_too() {
    let mut links = Links::new(rice());
    for expected in 1..4 {
        let order = links.order();
        let paying = links.collect(&order).unwrap();
        links.stage.hear(paying.id, paid("t"));
        assert_eq!(links.uses(), (0, expected));
    }
    assert_eq!(links.events(), [EventType::PaymentLinkCreated]);
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
    let order = links.order();
    links.stage.set_time(end);
    assert_eq!(links.pay(None).unwrap_err(), CLOSED("EXPIRED"));
    assert_eq!(links.collect(&order).unwrap_err(), [Refusal::CheckoutExpired { at: end }]);
}

#[test]
fn a_deactivated_link_begins_no_payment_and_ends_none() {
    let mut links = Links::new(rice());
    let (under_way, other) = (links.order(), links.order());
    let paying = links.collect(&under_way).unwrap();
    let link = links.deactivate();
    assert_eq!(link.status, LinkStatus::Deactivated);
    assert_eq!(links.deactivate().updated_at, link.updated_at, "once more changes nothing");
    assert_eq!(links.pay(None).unwrap_err(), CLOSED("DEACTIVATED"));
    assert_eq!(links.collect(&other).unwrap_err(), CLOSED("DEACTIVATED"));
    links.stage.hear(paying.id, paid("t"));
    assert_eq!(links.uses(), (0, 1));
    let events = [EventType::PaymentLinkCreated, EventType::PaymentLinkDeactivated];
    assert_eq!(links.events(), events);
}

#[test]
fn another_merchants_link_is_not_found() {
    let mut links = Links::new(rice());
    links.stage.merchant = links.stage.new_merchant("231770000002");
    assert_eq!(links.pay(None).unwrap_err(), [Refusal::NotFound]);
    let (merchant_id, link_id) = (links.stage.merchant, links.link);
    let refused = links.stage.decide(&DeactivatePaymentLink { merchant_id, link_id });
    assert_eq!(refused.unwrap_err(), [Refusal::NotFound]);
}

#[test]
fn a_late_success_beyond_the_limit_is_a_review_that_says_so() {
    let mut links = Links::with_uses(1);
    let (late, other) = (links.order(), links.order());
    let failed = links.collect(&late).unwrap();
    links.stage.hear(failed.id, declined());
    let paying = links.collect(&other).unwrap();
    links.stage.hear(paying.id, paid("t"));

    links.stage.hear(failed.id, paid("late"));
    assert_eq!(links.uses(), (0, 1), "a review counts nothing before it is resolved");
    let review = links.stage.review(failed.id, ReviewKind::SuccessAfterFailure);
    assert!(review.reason.ends_with("the payment link of its order is used up"), "{review:?}");
    links.stage.resolve(review.id, Resolution::ToWallet).unwrap();
    assert_eq!(links.uses(), (0, 2), "an operator may go beyond the limit");
    assert_eq!(links.stored(&late).status, SourceStatus::Paid);
    let events = [EventType::PaymentLinkCreated, EventType::PaymentLinkUsedUp];
    assert_eq!(links.events(), events, "it was used up before");
    links.stage.check_books();
}

#[test]
fn a_late_success_within_the_limit_takes_a_use_when_its_review_is_resolved() {
    for (how, uses) in [(Resolution::ToWallet, (0, 1)), (Resolution::ToPayer, (0, 0))] {
        let mut links = Links::with_uses(1);
        let order = links.order();
        let failed = links.collect(&order).unwrap();
        links.stage.hear(failed.id, declined());
        links.stage.hear(failed.id, paid("late"));
        let review = links.stage.review(failed.id, ReviewKind::SuccessAfterFailure);
        assert!(!review.reason.contains("link"), "{review:?}");
        links.stage.resolve(review.id, how).unwrap();
        assert_eq!(links.uses(), uses);
    }
}

#[test]
fn an_unpaid_order_is_canceled_after_a_day() {
    let mut links = Links::with_uses(1);
    let (idle, paying, in_review) = (links.order(), links.order(), links.order());
    let failed = links.collect(&in_review).unwrap();
    links.stage.hear(failed.id, declined());
    links.stage.hear(failed.id, paid("late"));
    let under_way = links.collect(&paying).unwrap();
    let end: MerchantTime = idle.cancel_at.unwrap();
    links.stage.set_time(end.plus(-1));
    assert!(!links.cancel_unpaid(&idle), "not yet");
    links.stage.set_time(end);
    assert!(links.cancel_unpaid(&idle));
    let canceled = links.stored(&idle);
    assert_eq!((canceled.status, canceled.cancel_at), (SourceStatus::Canceled, None));
    assert!(!links.cancel_unpaid(&idle), "once more changes nothing");
    assert!(!links.cancel_unpaid(&paying), "its payment is under way");
    assert!(!links.cancel_unpaid(&in_review), "it may have been paid");

    links.stage.hear(under_way.id, declined());
    assert!(links.cancel_unpaid(&paying), "its payment has failed");
    let review = links.stage.review(failed.id, ReviewKind::SuccessAfterFailure);
    links.stage.resolve(review.id, Resolution::ToPayer).unwrap();
    assert!(links.cancel_unpaid(&in_review));
    assert_eq!(links.uses(), (0, 0));
    let kinds: Vec<EventType> = links.stage.work.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == EventType::SourceCanceled).count(), 3);
    links.stage.check_books();
}

#[test]
fn an_order_that_the_merchant_canceled_or_made_alone_is_left_alone() {
    let mut links = Links::new(rice());
    let order = links.order();
    let which =
        SourceRef { merchant_id: links.stage.merchant, kind: SourceType::Order, id: order.id };
    links.stage.decide(&CancelSource { source: which }).unwrap();
    let invoice = links.stage.invoice(500, FeeBearer::Payer);
    let invoice = (*links.stage.work.require::<Source>(invoice).unwrap()).clone();
    links.stage.set_time(links.stage.time().plus(minutes(60 * 24 * 30)));
    for source in [&order, &invoice] {
        assert!(!links.cancel_unpaid(source));
    }
    assert_eq!(links.stored(&invoice).status, SourceStatus::Active);
    assert_eq!(links.collect(&order).unwrap_err().len(), 1);
    assert_eq!(links.uses(), (0, 0));
}

/// Rows of the payer that the decision answers are those that are stored.
#[test]
fn what_is_answered_is_stored() {
    let mut links = Links::new(rice());
    let made = links.pay(None).unwrap();
    let work = &links.stage.work;
    assert_eq!(*work.require::<Party>(made.party.id).unwrap(), made.party);
    assert_eq!(*work.require::<Counterparty>(made.counterparty.id).unwrap(), made.counterparty);
    let source = links.stored(&made.source);
    assert_eq!(Source { event_count: 0, ..source }, Source { event_count: 0, ..made.source });
}

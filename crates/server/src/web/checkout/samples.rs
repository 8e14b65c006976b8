//! A page in every state, for tests.

use axum::http::HeaderMap;
use domain::directory::merchant::Merchant;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{ItemId, MerchantId, SourceId};
use domain::kernel::money::{Money, Ratio};
use domain::kernel::names::{FeeBearer, Method, Provider};
use domain::kernel::time::{MerchantTime, minutes, seconds};
use domain::kernel::uuids::Uuid;
use domain::payments::attempt::Gate;
use domain::sales::source::{Item, SourceType};

use crate::api::sources::responses::samples;
use crate::web::checkout::view::{
    CardPayment, CardPlace, CheckoutPage, Choices, ClosedReason, Closing, Contact, Failure,
    FailureReason, ItemList, MethodPrice, NotSentYet, PageState, PaidRate, PayWith, Payment,
    PhoneFault, PhoneForm, Price, RefundLine, Review, Revive, TakenBack, TryAgain, Unavailable,
    UnderReview, Waiting,
};
use crate::web::language::{Language, PageLanguages, Visitor};
use crate::web::methods::samples::methods;
use crate::web::page::Frame;

/// 22 November 2026, noon.
pub const AT: MerchantTime = MerchantTime(1_795_348_800_000_000);
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub const MERCHANT: &str = "AMA SHOP";

pub fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, Currency::parse(code).unwrap())
}

pub fn pay_with(method: Method, code: &str) -> PayWith {
    PayWith { method, currency: Currency::parse(code).unwrap() }
}

pub fn visitor(language: Language) -> Visitor {
    let offered: PageLanguages = "en,fr,rw".parse().unwrap();
    let uri = format!("/pay/{TOKEN}?lang={}", language.code()).parse().unwrap();
    Visitor::new(&uri, &HeaderMap::new(), offered)
}

pub fn item(name: &str) -> Item {
    Item {
        id: ItemId(1),
        merchant_id: MerchantId(1),
        source_id: SourceId(101),
        name: name.to_owned(),
        qty: 2,
        amount_minor: 1_950,
        currency: Currency::parse("USD").unwrap(),
        removed: false,
        created_at: AT,
        updated_at: AT,
    }
}

/// The page of an order of 39.00 USD.
pub fn page(state: PageState, language: Language) -> CheckoutPage {
    let merchant = Merchant { name: MERCHANT.to_owned(), ..samples::merchant() };
    let mut page = CheckoutPage {
        frame: Frame::of(&merchant, visitor(language), ""),
        token: TOKEN.to_owned(),
        kind: SourceType::Order,
        number: "ORD-2026-00007".to_owned(),
        note: "Delivered on Friday".to_owned(),
        contact: Some(Contact::Phone("231770000009".to_owned())),
        items: ItemList { shown: vec![item("Rice, 25 kg")], part: 1, count: 1, has_more: false },
        total: money(3_900, "USD"),
        fee_bearer: FeeBearer::Payer,
        due_date: Some(AT),
        until: Some(AT.plus(minutes(30))),
        cancel_url: Some("https://shop.example/basket".to_owned()),
        notice: None,
        state,
        methods: methods(),
        link: None,
        permit: None,
    };
    page.frame.title = page.title();
    page
}

/// What the order costs by MTN in Liberian dollars.
pub fn price() -> Price {
    Price { payer: money(778_752, "LRD"), fees: money(29_952, "LRD"), rate: Ratio::new(192, 1) }
}

pub fn choices() -> Choices {
    let offer = |method, code, provider, price| MethodPrice {
        pay_with: pay_with(method, code),
        provider,
        price,
    };
    let in_dollars =
        |minor| Price { payer: money(minor, "USD"), fees: money(minor - 3_900, "USD"), rate: None };
    Choices {
        methods: vec![
            offer(Method::MTN_MOMO_LBR, "LRD", Provider::PawaPay, Ok(price())),
            offer(Method::MTN_MOMO_LBR, "USD", Provider::PawaPay, Ok(in_dollars(4_017))),
            offer(Method::CREDIT_CARD, "USD", Provider::Stripe, Ok(in_dollars(4_082))),
            offer(Method::MTN_MOMO_RWA, "RWF", Provider::PawaPay, Err(Unavailable::NetworkDown)),
        ],
    }
}

pub fn phone_form() -> PhoneForm {
    PhoneForm {
        pay_with: pay_with(Method::MTN_MOMO_LBR, "LRD"),
        price: price(),
        phone: "0880000001".to_owned(),
        fault: None,
    }
}

pub fn review() -> Review {
    Review {
        pay_with: pay_with(Method::MTN_MOMO_LBR, "LRD"),
        price: price(),
        phone: Some("231880000001".to_owned()),
        looks_like: None,
        price_before: None,
        key: Uuid::from_u128(7),
    }
}

pub fn waiting() -> Waiting {
    Waiting {
        method: Method::MTN_MOMO_LBR,
        payer: money(778_752, "LRD"),
        phone: Some("231 88 ••• 0001".to_owned()),
        since: AT,
        asked_at: Some(AT.plus(seconds(20))),
        ask_at: Some(AT.plus(seconds(30))),
        closes_at: Some(AT.plus(minutes(15))),
        asked_until: AT.plus(minutes(24 * 60)),
        revive: Some(Revive::Dial("*156#".to_owned())),
    }
}

pub fn failure(reason: FailureReason, method: Method) -> Failure {
    Failure {
        reason,
        at: AT,
        method,
        payer: money(778_752, "LRD"),
        nothing_taken: true,
        again: Some(TryAgain {
            pay_with: pay_with(method, "LRD"),
            phone: Some("231880000001".to_owned()),
        }),
    }
}

pub fn payment() -> Payment {
    Payment {
        payer: money(778_752, "LRD"),
        at: AT,
        method: Method::MTN_MOMO_LBR,
        platform_fee: money(39, "USD"),
        gateway_fee: money(78, "USD"),
        fx_fee: money(39, "USD"),
        rate: Some(PaidRate {
            one: money(0, "USD").currency,
            rate: "192".to_owned(),
            many: money(0, "LRD").currency,
        }),
        transaction_id: Some("sandbox-7".to_owned()),
        receipt_code: Some("7KQ2-9M4X".to_owned()),
        refunds: vec![],
        left: None,
        taken_back: None,
        success_url: Some("https://shop.example/thanks".to_owned()),
    }
}

/// Every state, some of them in two forms, with a name for each.
pub fn states() -> Vec<(&'static str, PageState)> {
    let card = |place| {
        let (payer, until) = (money(4_082, "USD"), AT.plus(minutes(30)));
        PageState::Card(CardPayment { payer, since: AT, until, place })
    };
    let closed = |reason| PageState::Closed(Closing { reason, nothing_taken: true });
    let refund =
        |completed_at| RefundLine { amount: money(100, "LRD"), begun_at: AT, completed_at };
    vec![
        ("open", PageState::Open(choices())),
        ("nothing offered", PageState::Open(Choices { methods: vec![] })),
        ("phone", PageState::Phone(phone_form())),
        (
            "phone with a fault",
            PageState::Phone(PhoneForm { fault: Some(PhoneFault::TooShort), ..phone_form() }),
        ),
        ("review", PageState::Review(review())),
        (
            "review of another network's number",
            PageState::Review(Review {
                looks_like: Some(pay_with(Method::ORANGE_MONEY_LBR, "LRD")),
                ..review()
            }),
        ),
        (
            "review with another price",
            PageState::Review(Review { price_before: Some(money(770_000, "LRD")), ..review() }),
        ),
        (
            "review of a card",
            PageState::Review(Review {
                pay_with: pay_with(Method::CREDIT_CARD, "USD"),
                phone: None,
                ..review()
            }),
        ),
        ("waiting", PageState::Waiting(waiting())),
        (
            "waiting for a card",
            PageState::Waiting(Waiting {
                method: Method::CREDIT_CARD,
                phone: None,
                revive: None,
                ..waiting()
            }),
        ),
        ("waiting long", PageState::WaitingLong(waiting())),
        (
            "not sent yet",
            PageState::NotSentYet(NotSentYet {
                method: Method::MTN_MOMO_LBR,
                payer: money(778_752, "LRD"),
                gate: Gate::Circuit,
                next_try_at: Some(AT),
                can_withdraw: true,
            }),
        ),
        ("card", card(CardPlace::Sandbox)),
        ("card to confirm", card(CardPlace::SandboxConfirmation)),
        ("card elsewhere", card(CardPlace::Merchant)),
        (
            "failed",
            PageState::Failed(failure(FailureReason::NotApproved, Method::MTN_MOMO_LBR), choices()),
        ),
        ("paid", PageState::Paid(payment())),
        (
            "paid and refunded",
            PageState::Paid(Payment {
                refunds: vec![refund(Some(AT)), refund(None)],
                left: Some(money(778_552, "LRD")),
                ..payment()
            }),
        ),
        (
            "taken back",
            PageState::Paid(Payment {
                taken_back: Some(TakenBack { amount: money(778_752, "LRD"), is_undecided: true }),
                left: Some(money(0, "LRD")),
                ..payment()
            }),
        ),
        ("draft", closed(ClosedReason::NotPublished)),
        ("expired", closed(ClosedReason::Expired(AT))),
        ("canceled", closed(ClosedReason::Canceled(AT))),
        ("takes none", closed(ClosedReason::TakesNone)),
        (
            "in review",
            PageState::InReview(UnderReview {
                reference: "ORD-2026-00007/9".to_owned(),
                since: Some(AT),
            }),
        ),
    ]
}

//! Rows become states: each row of the table of states, and which of two goes first.

use std::sync::Arc;

use domain::directory::payment_account::PaymentAccount;
use domain::exceptions::review::{Review as MoneyReview, ReviewKind, ReviewStatus};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    CheckoutConfigId, ExecutionId, GatewayFeeId, MarketId, MerchantId, NetworkAccountId, PartyId,
    PaymentAccountId, PlatformFeeId, RateId, ReviewId, SessionId, SourceId, WalletId,
};
use domain::kernel::money::Ratio;
use domain::kernel::names::{Method, Mode, Operation, Provider};
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::{MerchantTime, ServerTime, minutes, seconds};
use domain::kernel::uuids::{NetworkRequestId, ReferenceId, Uuid};
use domain::ledger::wallet::WalletStatus;
use domain::payments::attempt::{Gate, ProviderAttempt, WithAttempt};
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::execution_intent::{Collection, ExecutionIntent};
use domain::sales::checkout::{CheckoutConfig, PageToken};
use domain::sales::source::{Source, SourceStatus, SourceType};
use domain::tariff::{
    Effective, Fee, GatewayFee, Market, MethodDetails, PlatformFee, Rate, Tariff,
};

use crate::api::sources::responses::samples;
use crate::web::checkout::samples::{AT, TOKEN, money};
use crate::web::checkout::state::Rows;
use crate::web::checkout::view::{
    CardPlace, ClosedReason, FailureReason, MethodPrice, PageState, Revive, TakenBack, Unavailable,
};

const PHONE: &str = "231880000001";

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

/// MTN in two currencies, cards, and Rwandan francs without a rate.
fn tariff() -> Tariff {
    let effective = Effective { from: ServerTime(0), to: None };
    let market = |method: Method, provider, code| Market {
        id: MarketId(1),
        method,
        provider,
        operation: Operation::Collection,
        currency: currency(code),
        decimals: currency(code).exponent().into(),
        country: "LR".to_owned(),
        dial_prefix: None,
        details: MethodDetails {
            network_code: method.to_string(),
            display_name: method.to_string(),
        },
        effective,
    };
    let gateway = |method, provider| GatewayFee {
        id: GatewayFeeId(1),
        provider,
        method,
        operation: Operation::Collection,
        fee: Fee { percentage_ppm: 20_000, fixed: None },
        effective,
        created_at: ServerTime(0),
        updated_at: ServerTime(0),
    };
    Tariff {
        version: 1,
        markets: vec![
            market(Method::MTN_MOMO_RWA, Provider::PawaPay, "RWF"),
            market(Method::WALLET, Provider::Platform, "USD"),
            market(Method::MTN_MOMO_LBR, Provider::PawaPay, "LRD"),
            market(Method::MTN_MOMO_LBR, Provider::PawaPay, "USD"),
            market(Method::CREDIT_CARD, Provider::Stripe, "USD"),
            Market {
                effective: Effective { from: ServerTime(0), to: Some(ServerTime(1)) },
                ..market(Method::ORANGE_MONEY_LBR, Provider::PawaPay, "LRD")
            },
            Market {
                operation: Operation::Payout,
                ..market(Method::AIRTEL_RWA, Provider::PawaPay, "USD")
            },
        ],
        platform_fees: vec![PlatformFee {
            id: PlatformFeeId(1),
            tier: "default".to_owned(),
            operation: Operation::Collection,
            fee: Fee { percentage_ppm: 10_000, fixed: None },
            fx_percentage_ppm: 10_000,
            effective,
            created_at: ServerTime(0),
        }],
        gateway_fees: vec![
            gateway(Method::MTN_MOMO_LBR, Provider::PawaPay),
            gateway(Method::MTN_MOMO_RWA, Provider::PawaPay),
            gateway(Method::CREDIT_CARD, Provider::Stripe),
        ],
        rates: vec![Rate {
            id: RateId(1),
            from: currency("USD"),
            to: currency("LRD"),
            rate: Ratio::new(192, 1).unwrap(),
            effective,
            created_at: ServerTime(0),
        }],
        ..Tariff::default()
    }
}

/// An order of 39.00 USD in this status, that nobody has tried to pay.
fn rows(status: SourceStatus) -> Rows {
    Rows {
        link: None,
        checkout: CheckoutConfig {
            id: CheckoutConfigId(1),
            merchant_id: MerchantId(1),
            source_id: SourceId(101),
            mode: "HOSTED".to_owned(),
            success_url: Some("https://shop.example/thanks".to_owned()),
            cancel_url: None,
            expires_at: Some(AT.plus(minutes(30))),
            token: PageToken(TOKEN.to_owned()),
            created_at: AT,
            link_token: None,
            linked_at: None,
        },
        merchant: samples::merchant(),
        source: Source { status, total_minor: 3_900, ..samples::source(SourceType::Order) },
        items: vec![],
        wallet_status: None,
        last: None,
        account: None,
        paid: None,
        receipt_code: None,
        refunds: vec![],
        reviews: vec![],
        party_phone: None,
        tariff: Arc::new(tariff()),
        action_us: minutes(30),
        now: ServerTime(AT.0),
    }
}

fn execution(status: ExecutionStatus) -> Execution {
    Execution {
        id: ExecutionId(9),
        merchant_id: MerchantId(1),
        reference_id: ReferenceId(Uuid::from_u128(7)),
        session_id: SessionId(7),
        status,
        intent: ExecutionIntent::Collection(Collection::new(SourceId(101), PaymentAccountId(4))),
        payer: money(778_752, "LRD"),
        payee: money(3_900, "USD"),
        total_minor: 4_056,
        platform_fee_minor: 39,
        gateway_fee_minor: 78,
        fx_fee_minor: 39,
        rate: Ratio::new(192, 1).unwrap(),
        rules: 2,
        unit_minor: None,
        platform_fee_id: None,
        gateway_fee_id: None,
        provider: Provider::PawaPay,
        method: Method::MTN_MOMO_LBR,
        provider_transaction_id: None,
        gateway_message: None,
        wallet_message: None,
        in_review: false,
        waiting_for: None,
        completed_at: status.is_final().then_some(AT),
        created_at: AT,
        event_count: 0,
        updated_at: AT,
    }
}

fn attempt() -> ProviderAttempt {
    ProviderAttempt {
        execution_id: ExecutionId(9),
        merchant_id: MerchantId(1),
        network_account_id: NetworkAccountId(1),
        request_id: NetworkRequestId(Uuid::nil()),
        network_reference: None,
        gate: None,
        send_count: 1,
        sent_at: Some(AT),
        asked_at: None,
        body: None,
        next_check_at: Some(AT.plus(seconds(10))),
        lease_until: None,
        deadline_at: AT.plus(minutes(24 * 60)),
        cancel_asked: false,
        requires_action: false,
        client_secret: None,
        page_id: None,
        last_refund_id: None,
        trace: None,
    }
}

fn account() -> PaymentAccount {
    PaymentAccount {
        id: PaymentAccountId(4),
        merchant_id: MerchantId(1),
        party_id: PartyId(1),
        account_name: "Ama".to_owned(),
        provider: Provider::PawaPay,
        method: Method::MTN_MOMO_LBR,
        operation: Operation::Collection,
        country_code: None,
        account_number: Some(PHONE.to_owned()),
        is_active: true,
        created_at: AT,
        updated_at: AT,
    }
}

fn review_of(execution_id: ExecutionId, status: ReviewStatus) -> MoneyReview {
    MoneyReview {
        id: ReviewId(1),
        merchant_id: MerchantId(1),
        execution_id,
        kind: ReviewKind::SuccessAfterFailure,
        status,
        amount: money(778_752, "LRD"),
        earlier_minor: 0,
        earlier_returned_minor: 0,
        reason: "r".to_owned(),
        resolution: None,
        evidence: None,
        dispute_id: None,
        dispute_withdrawn: false,
        dispute_reinstated: false,
        dispute_told_at: None,
        dispute_standing: None,
        dispute_status: None,
        dispute_reason: None,
        dispute_amount_minor: None,
        dispute_due_at: None,
        dispute_link: None,
        dispute_notes: 0,
        event_count: 0,
        created_at: ServerTime(AT.0),
        resolved_at: None,
    }
}

/// A payment is under way.
fn under_way(attempt: ProviderAttempt) -> Rows {
    let execution = execution(ExecutionStatus::Processing);
    Rows {
        last: Some(WithAttempt { execution, attempt: Some(attempt) }),
        account: Some(account()),
        ..rows(SourceStatus::Processing)
    }
}

/// The last payment failed with this message.
fn failed(message: &str) -> Rows {
    let execution = Execution {
        gateway_message: Some(message.to_owned()),
        ..execution(ExecutionStatus::Failed)
    };
    Rows {
        last: Some(WithAttempt { execution, attempt: None }),
        account: Some(account()),
        ..rows(SourceStatus::Active)
    }
}

fn paid() -> Rows {
    let execution = execution(ExecutionStatus::Completed);
    Rows {
        paid: Some(execution.clone()),
        last: Some(WithAttempt { execution, attempt: None }),
        ..rows(SourceStatus::Paid)
    }
}

/// The same rows, later.
fn later(rows: Rows, micros: i64) -> Rows {
    Rows { now: rows.now.plus(micros), ..rows }
}

#[test]
fn every_status_has_its_state() {
    let name = |rows: Rows| rows.state().name();
    assert_eq!(name(rows(SourceStatus::Idle)), "closed");
    assert_eq!(name(rows(SourceStatus::Active)), "open");
    assert_eq!(name(rows(SourceStatus::Canceled)), "closed");
    assert_eq!(name(under_way(attempt())), "waiting");
    assert_eq!(name(later(under_way(attempt()), minutes(10))), "waiting-long");
    let gated = ProviderAttempt { gate: Some(Gate::Held), ..attempt() };
    assert_eq!(name(under_way(gated)), "not-sent-yet");
    let with_action = ProviderAttempt { requires_action: true, ..attempt() };
    assert_eq!(name(under_way(with_action.clone())), "card");
    let left = ProviderAttempt { cancel_asked: true, ..with_action };
    assert_eq!(name(under_way(left)), "waiting", "the card payment is being ended");
    assert_eq!(name(failed("x")), "failed");
    assert_eq!(name(paid()), "paid");
}

#[test]
fn a_wallet_that_takes_no_money_closes_the_page_before_anything_is_chosen() {
    let with = |status, rows| Rows { wallet_status: Some(status), ..rows };
    for status in [WalletStatus::Active, WalletStatus::Restricted] {
        assert_eq!(with(status, rows(SourceStatus::Active)).state().name(), "open", "{status}");
    }
    for status in [WalletStatus::Frozen, WalletStatus::Closed] {
        for open in [rows(SourceStatus::Active), failed("x")] {
            let PageState::Closed(closing) = with(status, open).state() else {
                panic!("{status}: something can be chosen")
            };
            assert_eq!(closing.reason, ClosedReason::TakesNone, "{status}");
        }
        // What is under way or was paid is shown, whatever the wallet takes now.
        assert_eq!(with(status, under_way(attempt())).state().name(), "waiting", "{status}");
        assert_eq!(with(status, paid()).state().name(), "paid", "{status}");
    }
}

/// What the bank has taken back is told, whether the dispute is open or not; of anything else a person
/// has to look into, that comes first.
#[test]
fn a_payment_that_the_bank_took_back_is_told_as_such() {
    let paid_id = paid().paid.expect("a payment").id;
    let dispute = |status, minor| MoneyReview {
        kind: ReviewKind::Dispute,
        amount: money(minor, "LRD"),
        ..review_of(paid_id, status)
    };
    let of = |reviews| Rows { reviews, ..paid() }.state();
    for (status, minor, expected) in [
        (ReviewStatus::Open, 0, "in-review"),
        (ReviewStatus::Open, -778_752, "taken-back"),
        (ReviewStatus::Resolved, -778_752, "taken-back"),
        (ReviewStatus::Resolved, 0, "paid"),
    ] {
        assert_eq!(of(vec![dispute(status, minor)]).name(), expected, "{status} {minor}");
    }
    let PageState::Paid(payment) = of(vec![dispute(ReviewStatus::Open, -500)]) else {
        panic!("another state")
    };
    let taken = TakenBack { amount: money(500, "LRD"), is_undecided: true };
    assert_eq!(payment.taken_back, Some(taken));
    let other = review_of(paid_id, ReviewStatus::Open);
    assert_eq!(of(vec![dispute(ReviewStatus::Open, -778_752), other]).name(), "in-review");
    let recovered = MoneyReview {
        resolution: Some("to payer".to_owned()),
        ..dispute(ReviewStatus::Resolved, -778_752)
    };
    assert_eq!(of(vec![recovered]).name(), "paid", "the network has it back");
}

#[test]
fn a_refusal_that_is_not_of_the_method_closes_the_page() {
    let of = |refusal| ClosedReason::of_refusal(&refusal);
    let of_wallet = |subject| of(Refusal::WalletState { subject, state: "FROZEN" });
    assert_eq!(of_wallet(Subject::Wallet), Some(ClosedReason::TakesNone));
    assert_eq!(of(Refusal::WalletLimitExceeded), Some(ClosedReason::TakesNone));
    // Another method may be taken after these.
    assert_eq!(of_wallet(Subject::AccountWallet), None);
    assert_eq!(of(Refusal::OperatorUnavailable { method: Method::MTN_MOMO_LBR }), None);
    assert_eq!(of(Refusal::CounterpartyWithoutParty), None);
}

#[test]
fn a_review_goes_before_everything() {
    for (what, rows) in [
        ("waiting", under_way(attempt())),
        ("failed", failed("x")),
        ("paid", paid()),
        ("canceled", rows(SourceStatus::Canceled)),
        ("expired", later(rows(SourceStatus::Active), minutes(60))),
    ] {
        let by_row = Rows { reviews: vec![review_of(ExecutionId(8), ReviewStatus::Open)], ..rows };
        let PageState::InReview(review) = by_row.state() else { panic!("{what}") };
        // The payment that is looked into, which need not be the last one.
        assert_eq!((review.reference.as_str(), review.since), ("INV-2026-00042/8", Some(AT)));
        let source = Source { open_reviews: 1, ..by_row.source.clone() };
        let by_source = Rows { reviews: vec![], source, ..by_row };
        assert_eq!(by_source.state().name(), "in-review", "{what}");
    }
    let resolved =
        Rows { reviews: vec![review_of(ExecutionId(9), ReviewStatus::Resolved)], ..failed("x") };
    let PageState::Failed(failure, _) = resolved.state() else { panic!("in review for ever") };
    assert!(!failure.nothing_taken, "money was taken once");
}

#[test]
fn a_payment_under_way_is_not_hidden_by_an_expiry() {
    for attempt in [
        attempt(),
        ProviderAttempt { gate: Some(Gate::Rate), ..attempt() },
        ProviderAttempt { requires_action: true, ..attempt() },
    ] {
        let name = under_way(attempt.clone()).state().name();
        let expired = under_way(attempt);
        let expired = Rows {
            checkout: CheckoutConfig { expires_at: Some(AT), ..expired.checkout.clone() },
            ..expired
        };
        assert_eq!(expired.state().name(), name);
        // Nor by a status that was read a moment before it.
        for status in [SourceStatus::Active, SourceStatus::Canceled, SourceStatus::Idle] {
            let source = Source { status, ..expired.source.clone() };
            let rows = Rows { source, ..under_way(self::attempt()) };
            assert_eq!(rows.state().name(), "waiting");
        }
    }
}

#[test]
fn a_page_is_closed_from_its_expiry_on() {
    let until = minutes(30);
    let kinds: [fn(SourceStatus) -> Rows; 2] = [rows, |_| failed("x")];
    for rows in kinds {
        let at = |micros| later(rows(SourceStatus::Active), micros).state();
        assert!(at(until - 1).is_open());
        let PageState::Closed(closing) = at(until) else { panic!("open") };
        assert_eq!(closing.reason, ClosedReason::Expired(AT.plus(until)));
        assert!(closing.nothing_taken);
    }
    // What is paid stays paid.
    assert_eq!(later(paid(), until).state().name(), "paid");
    let unlimited = rows(SourceStatus::Active);
    let unlimited = Rows {
        checkout: CheckoutConfig { expires_at: None, ..unlimited.checkout.clone() },
        ..unlimited
    };
    assert_eq!(later(unlimited, minutes(100_000)).state().name(), "open");
}

#[test]
fn a_closed_page_says_what_ended_it() {
    let reason = |rows: Rows| match rows.state() {
        PageState::Closed(closing) => (closing.reason, closing.nothing_taken),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(rows(SourceStatus::Idle)), (ClosedReason::NotPublished, true));
    let canceled = rows(SourceStatus::Canceled);
    assert_eq!(reason(canceled), (ClosedReason::Canceled(AT), true));
    let reviewed = Rows {
        reviews: vec![review_of(ExecutionId(9), ReviewStatus::Resolved)],
        ..rows(SourceStatus::Canceled)
    };
    assert!(!reason(reviewed).1, "money was taken once");
}

#[test]
fn a_waiting_payment_says_since_when_and_until_when() {
    let state = |rows: Rows| match rows.state() {
        PageState::Waiting(waiting) | PageState::WaitingLong(waiting) => waiting,
        other => panic!("{other:?}"),
    };
    let asked = ProviderAttempt { asked_at: Some(AT.plus(seconds(5))), ..attempt() };
    let waiting = state(under_way(asked));
    assert_eq!(
        (waiting.phone.as_deref(), waiting.since, waiting.asked_at, waiting.ask_at),
        (Some("231 88 ••• 0001"), AT, Some(AT.plus(seconds(5))), Some(AT.plus(seconds(10))))
    );
    assert_eq!(waiting.closes_at, Some(AT.plus(minutes(15))));
    assert_eq!(waiting.asked_until, AT.plus(minutes(24 * 60)));
    // The way to see the request again is shown when it may have gone.
    let revive = |micros| state(later(under_way(attempt()), micros)).revive;
    assert_eq!(revive(seconds(15) - 1), None);
    assert_eq!(revive(seconds(15)), Some(Revive::Dial("*156#".to_owned())));
    // Of a live network nothing is known, and a card has no number.
    let mut live = under_way(attempt());
    live.merchant.mode = Mode::Live;
    assert_eq!((state(live).closes_at, revive(0)), (None, None));
    let mut card = under_way(attempt());
    card.last.as_mut().unwrap().execution.method = Method::CREDIT_CARD;
    let waiting = state(card);
    assert_eq!((waiting.phone, waiting.closes_at), (None, None));
}

#[test]
fn a_card_is_confirmed_where_it_was_begun() {
    let place = |page_id| {
        let attempt = ProviderAttempt { requires_action: true, page_id, ..attempt() };
        match under_way(attempt).state() {
            PageState::Card(card) => (card.place, card.until),
            other => panic!("{other:?}"),
        }
    };
    let until = AT.plus(minutes(30));
    assert_eq!(place(None), (CardPlace::Merchant, until));
    assert_eq!(place(Some(CheckoutConfigId(1))), (CardPlace::Sandbox, until));
}

#[test]
fn every_code_has_its_reason() {
    for (message, reason) in [
        ("PAYMENT_NOT_APPROVED: the payer did not approve", FailureReason::NotApproved),
        ("INSUFFICIENT_BALANCE: the payer has not enough", FailureReason::NotEnoughMoney),
        ("PAYER_LIMIT_REACHED: the payer has reached a limit", FailureReason::LimitReached),
        ("PAYER_NOT_FOUND: the number has no account", FailureReason::UnknownNumber),
        ("PROVIDER_TEMPORARILY_UNAVAILABLE: x", FailureReason::NetworkDown),
        ("UNSPECIFIED_FAILURE: the mobile operator gave no reason", FailureReason::NoReason),
        ("the provider never received the request", FailureReason::NeverSent),
        ("", FailureReason::NoReason),
    ] {
        let PageState::Failed(failure, choices) = failed(message).state() else {
            panic!("{message}")
        };
        assert_eq!(failure.reason, reason, "{message}");
        assert!(failure.nothing_taken && !choices.methods.is_empty());
    }
    for (code, reason) in [
        ("insufficient_funds: the card was declined", FailureReason::CardNotEnoughMoney),
        ("expired_card: the card was declined", FailureReason::CardExpired),
        ("incorrect_cvc: the card was declined", FailureReason::CardCodeWrong),
        ("stolen_card: the card was declined", FailureReason::CardDeclined),
        ("canceled: the payer did not authenticate in time", FailureReason::CardLeft),
    ] {
        let mut rows = failed(code);
        rows.last.as_mut().unwrap().execution.method = Method::CREDIT_CARD;
        let PageState::Failed(failure, _) = rows.state() else { panic!("{code}") };
        assert_eq!(failure.reason, reason, "{code}");
    }
    let mut wallet = failed("x");
    wallet.last.as_mut().unwrap().execution.wallet_message = Some("3.00 are available".into());
    let PageState::Failed(failure, _) = wallet.state() else { panic!() };
    assert_eq!(failure.reason, FailureReason::WalletNotEnoughMoney);
}

/// Whoever has the link learns no number but the party's.
#[test]
fn only_the_partys_own_number_is_tried_again() {
    let phone = |party_phone: Option<&str>| {
        let rows = Rows { party_phone: party_phone.map(str::to_owned), ..failed("x") };
        match rows.state() {
            PageState::Failed(failure, _) => failure.again.unwrap().phone,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(phone(Some(PHONE)).as_deref(), Some(PHONE));
    assert_eq!([phone(Some("231880000002")), phone(None)], [None, None]);
    // A method that is not offered any more cannot be tried again.
    let mut closed = failed("x");
    closed.last.as_mut().unwrap().execution.method = Method::ORANGE_MONEY_LBR;
    let PageState::Failed(failure, _) = closed.state() else { panic!() };
    assert_eq!(failure.again, None);
}

#[test]
fn every_offered_method_has_its_price_or_a_reason() {
    let choices = rows(SourceStatus::Active).choices();
    let told: Vec<_> = choices
        .methods
        .iter()
        .map(|offer| (offer.pay_with.to_string(), offer.price.map(|price| price.payer)))
        .collect();
    assert_eq!(
        told,
        [
            ("MTN_MOMO_LBR:LRD".to_owned(), Ok(money(778_752, "LRD"))),
            ("MTN_MOMO_LBR:USD".to_owned(), Ok(money(4_017, "USD"))),
            ("CREDIT_CARD:USD".to_owned(), Ok(money(4_017, "USD"))),
            // There is no rate to francs, about which a payer can do nothing.
        ]
    );
    // Where nothing can be chosen, the payer is told so.
    let mut unpriced = rows(SourceStatus::Active);
    unpriced.source.currency = currency("EUR");
    let methods = unpriced.choices().methods;
    assert_eq!(methods.len(), 4);
    assert!(methods.iter().all(|offer| offer.price == Err(Unavailable::NoPrice)));
    let price = choices.methods[0].price.unwrap();
    assert_eq!((price.fees, price.rate), (money(29_952, "LRD"), Ratio::new(192, 1)));
    let mut small = rows(SourceStatus::Active);
    small.source.total_minor = 0;
    let is_too_small = |offer: &MethodPrice| offer.price == Err(Unavailable::AmountTooSmall);
    assert_eq!(small.choices().methods.iter().filter(|offer| is_too_small(offer)).count(), 3);
    let mut borne = rows(SourceStatus::Active);
    borne.source.fee_bearer = domain::kernel::names::FeeBearer::Payee;
    let price = borne.choices().methods[1].price.unwrap();
    assert_eq!((price.payer, price.fees), (money(3_900, "USD"), money(0, "USD")));
}

#[test]
fn a_paid_page_has_what_the_receipt_has() {
    let PageState::Paid(payment) = paid().state() else { panic!() };
    assert_eq!((payment.payer, payment.at), (money(778_752, "LRD"), AT));
    let rate = payment.rate.as_ref().unwrap();
    assert_eq!(
        (rate.one, rate.rate.as_str(), rate.many),
        (currency("USD"), "192", currency("LRD"))
    );
    assert_eq!(payment.success_url.as_deref(), Some("https://shop.example/thanks"));
    assert_eq!((payment.refunds.len(), payment.left), (0, None));
    let refund = Execution {
        intent: ExecutionIntent::Refund {
            original_execution_id: ExecutionId(9),
            wallet_id: WalletId(1),
            payer_account_id: PaymentAccountId(4),
            payer_wallet_id: None,
            released_minor: 0,
        },
        payee: money(100, "LRD"),
        ..execution(ExecutionStatus::Processing)
    };
    let refunded = Rows { refunds: vec![refund], ..paid() };
    let PageState::Paid(payment) = refunded.state() else { panic!() };
    assert_eq!(
        (payment.refunds[0].amount, payment.refunds[0].completed_at),
        (money(100, "LRD"), None)
    );
    assert!(payment.left.is_some());
}

/// The source and its payments are read one after the other.
#[test]
fn what_was_read_while_it_changed_is_never_open() {
    let completed = execution(ExecutionStatus::Completed);
    let rows = Rows {
        last: Some(WithAttempt { execution: completed, attempt: None }),
        ..rows(SourceStatus::Active)
    };
    assert_eq!(rows.state().name(), "waiting");
    let lost = Rows { paid: None, ..paid() };
    assert_eq!(lost.state().name(), "in-review");
    let _: MerchantTime = lost.time();
}

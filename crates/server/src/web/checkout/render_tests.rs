//! What pages say in each state and language, and what becomes of texts of strangers.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE};
use domain::kernel::names::{FeeBearer, Method};
use domain::payments::attempt::Gate;
use scraper::{Html, Selector};

use crate::web::checkout::samples::{
    AT, MERCHANT, TOKEN, choices, failure, item, money, page, phone_form, review, states,
};
use crate::web::checkout::show::{ITEMS_SHOWN, render, render_items};
use crate::web::checkout::view::{
    CheckoutPage, Contact, FailureReason, ItemList, NotSentYet, Notice, PageState, PhoneFault,
    PhoneForm, Review, Unavailable,
};
use crate::web::language::Language;

/// A page of more bytes, or of more compressed bytes, would be slow on a cheap phone.
const PAGE_MAX: usize = 30 * 1024;

async fn text_of(response: axum::response::Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn html(page: CheckoutPage) -> String {
    text_of(render(page, StatusCode::OK).unwrap()).await
}

/// The text of a page as it is read, with single spaces.
fn words(html: &str) -> String {
    let document = Html::parse_document(html);
    let main = document.select(&Selector::parse("body").unwrap()).next().unwrap();
    main.text().collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn english(state: PageState) -> String {
    words(&html(page(state, Language::English)).await)
}

fn count(html: &str, css: &str) -> usize {
    Html::parse_document(html).select(&Selector::parse(css).unwrap()).count()
}

#[tokio::test]
async fn every_state_says_in_english_what_the_payer_must_know() {
    let expected: &[(&str, &[&str])] = &[
        (
            "open",
            &[
                MERCHANT,
                "Order ORD-2026-00007",
                "39.00 USD",
                "To be paid by 22 November 2026, 12:30 UTC",
                "Due on 22 November 2026",
                "Delivered on Friday",
                "Rice, 25 kg",
                "How do you want to pay?",
                "7,787.52 LRD fees of 299.52 LRD included",
                "1 USD = 192 LRD",
                "40.17 USD",
                "MTN Mobile Money, Liberia",
                "RWF Cannot be chosen now: the network is not working.",
                "Back to the shop without paying",
                "Call AMA SHOP : +231 77 000 0009",
                "Sandbox: no real money moves here.",
                "Go on on your phone",
            ],
        ),
        ("nothing offered", &["No way to pay is offered at present."]),
        (
            "phone",
            &["Your MTN Mobile Money number", "For example 088 000 0001", "You pay 7,787.52 LRD"],
        ),
        ("phone with a fault", &["There is a problem", "This phone number is too short."]),
        (
            "review",
            &[
                "MTN will ask 231 88 ••• 0001 to pay 7,787.52 LRD to AMA SHOP .",
                "1 USD = 192 LRD",
                "You approve with your PIN on that phone. We never ask for your PIN.",
                "Send the request to my phone",
                "Change the number",
            ],
        ),
        (
            "review of another network's number",
            &[
                "This looks like an Orange number. Change the network, or go on if you moved your number.",
                "Change to Orange",
            ],
        ),
        (
            "review with another price",
            &["it was 7,700.00 LRD and is 7,787.52 LRD now. Nothing was sent yet."],
        ),
        ("review of a card", &["to AMA SHOP by card.", "Go on to the card page"]),
        (
            "waiting",
            &[
                "Check your phone and approve with your PIN.",
                "MTN asks 231 88 ••• 0001 to pay 7,787.52 LRD .",
                "You can close this page: the payment goes on, and this link shows the result.",
                "Sent on 22 November 2026, 12:00 GMT.",
                "We last asked MTN at 12:00:20 GMT .",
                "We ask again at 12:00:30 GMT .",
                "MTN closes an unanswered request at 12:15:00 GMT .",
                "Dial *156# to see the request.",
                "Check now",
            ],
        ),
        ("waiting for a card", &["Checking with Stripe…", "Do not pay again."]),
        (
            "waiting long",
            &[
                "MTN has not told us yet.",
                "Do not pay again.",
                "You may have been charged: your network’s SMS is proof.",
                "We keep asking until 23 November 2026, 12:00 GMT.",
                "Keep this link",
                "Call AMA SHOP",
            ],
        ),
        (
            "not sent yet",
            &[
                "Not sent yet",
                "MTN is not working at present.",
                "Next try: 22 November 2026, 12:00 GMT.",
                "Withdraw it",
            ],
        ),
        ("card", &["Pay 40.82 USD by card", "Not enough money", "Ask the bank first (3-D Secure)"]),
        ("card to confirm", &["Your bank asks you to confirm", "Do not confirm"]),
        ("card elsewhere", &["Your bank asks you to confirm it: go back to where you began"]),
        (
            "failed",
            &[
                "The payment was not approved on the phone.",
                "No money was taken, says MTN.",
                "Try again",
                "Use another number",
                "How do you want to pay?",
            ],
        ),
        (
            "paid",
            &[
                "7,787.52 LRD on 22 November 2026, 12:00 GMT. Receipt 7KQ2-9M4X",
                "MTN Mobile Money, Liberia",
                "Platform fee 0.39 USD",
                "Exchange rate 1 USD = 192 LRD",
                "Transaction sandbox-7",
                "The fees were added to the total.",
                "Back to the shop",
            ],
        ),
        (
            "paid and refunded",
            &[
                "Refunded on 22 November 2026, 12:00 GMT 1.00 LRD",
                "Refund under way since 22 November 2026, 12:00 GMT 1.00 LRD",
                "Left of the payment 7,785.52 LRD",
            ],
        ),
        (
            "taken back",
            &[
                "The payer’s bank has taken 7,787.52 LRD of this payment back.",
                "It has not decided for good yet.",
                "7,787.52 LRD was paid on 22 November 2026, 12:00 GMT. Receipt 7KQ2-9M4X",
                "Taken back by the payer’s bank 7,787.52 LRD",
            ],
        ),
        ("draft", &["Not open for payment yet"]),
        (
            "expired",
            &[
                "This link expired on 22 November 2026, 12:00 UTC",
                "no payment was taken through it",
                "Back to the shop",
            ],
        ),
        ("canceled", &["Canceled: nothing is to be paid", "no payment was taken through it"]),
        ("takes none", &["AMA SHOP cannot take payments now.", "Call AMA SHOP"]),
        (
            "in review",
            &[
                "Your payment needs a check by a person.",
                "Do not pay again.",
                "Reference ORD-2026-00007/9",
            ],
        ),
    ];
    let states = states();
    assert_eq!(states.len(), expected.len());
    for ((name, state), (expected_name, parts)) in states.into_iter().zip(expected) {
        assert_eq!(name, *expected_name);
        let text = english(state).await;
        for part in *parts {
            assert!(text.contains(part), "{name}: no {part:?} in {text}");
        }
    }
}

/// What must not stand on a page: a way to pay again, or a way out that belongs to another end.
#[tokio::test]
async fn no_state_offers_what_belongs_to_another() {
    for (name, state) in states() {
        let (is_open, is_paid) = (state.is_open(), matches!(state, PageState::Paid(_)));
        let html = html(page(state, Language::English)).await;
        assert_eq!(html.contains("How do you want to pay?"), is_open, "{name}");
        assert_eq!(html.contains("https://shop.example/thanks"), is_paid, "{name}");
        assert!(!(is_paid && html.contains("/basket")), "{name}");
        assert_eq!(html.contains("/receipt/"), is_paid, "{name}");
        assert_eq!(words(&html).contains("Check your phone"), name == "waiting", "{name}");
    }
}

#[tokio::test]
async fn every_state_is_a_whole_page_in_every_language() {
    for language in Language::ALL {
        for (name, state) in states() {
            let response = render(page(state, language), StatusCode::OK).unwrap();
            let headers = response.headers().clone();
            assert_eq!(headers[CONTENT_LANGUAGE], language.code());
            assert_eq!(headers[REFERRER_POLICY], "same-origin");
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.contains("form-action 'self'") && !policy.contains("unsafe"));
            let cookie = headers[SET_COOKIE].to_str().unwrap();
            assert!(cookie.starts_with(&format!("lang={};", language.code())), "{cookie}");
            let html = text_of(response).await;
            let place = format!("{name} in {language:?}: {html}");
            assert!(
                html.starts_with(&format!("<!doctype html>\n<html lang=\"{}\">", language.code())),
                "{place}"
            );
            assert_eq!(count(&html, "h1"), 1, "{place}");
            assert_eq!(count(&html, "main"), 1, "{place}");
            assert_eq!(count(&html, "[style], style, b, i"), 0, "{place}");
            assert_eq!(count(&html, "nav a[hreflang]"), 2, "{place}");
            assert!(html.len() < PAGE_MAX / 3, "{} bytes: {place}", html.len());
            // Every text was filled in.
            assert!(!html.contains('{') && !html.contains('}'), "{place}");
            for form in Html::parse_document(&html).select(&Selector::parse("form").unwrap()) {
                assert_eq!(form.attr("method"), Some("post"), "{place}");
                assert_eq!(form.attr("action"), Some(format!("/pay/{TOKEN}").as_str()), "{place}");
                let step = Selector::parse("input[type=hidden][name=step]").unwrap();
                assert_eq!(form.select(&step).count(), 1, "{place}");
            }
        }
    }
}

/// The first button of the first form goes forward.
#[tokio::test]
async fn forms_send_what_the_steps_need() {
    for (name, fields) in [
        ("open", &[("step", "method"), ("method", "MTN_MOMO_LBR:LRD")][..]),
        ("phone", &[("step", "phone"), ("method", "MTN_MOMO_LBR:LRD"), ("phone", "0880000001")]),
        (
            "review",
            &[
                ("step", "pay"),
                ("method", "MTN_MOMO_LBR:LRD"),
                ("phone", "231880000001"),
                ("quote", "778752"),
                ("key", "00000000-0000-0000-0000-000000000007"),
            ],
        ),
        (
            "review of a card",
            &[
                ("step", "pay"),
                ("method", "CREDIT_CARD:USD"),
                ("quote", "778752"),
                ("key", "00000000-0000-0000-0000-000000000007"),
            ],
        ),
        ("waiting", &[("step", "check")]),
        ("waiting long", &[("step", "check")]),
        ("not sent yet", &[("step", "check")]),
        ("card", &[("step", "card"), ("result", "succeed")]),
        ("card to confirm", &[("step", "card"), ("result", "succeed")]),
        ("failed", &[("step", "phone"), ("method", "MTN_MOMO_LBR:LRD"), ("phone", "231880000001")]),
    ] {
        let (_, state) = states().into_iter().find(|(known, _)| *known == name).unwrap();
        let html = html(page(state, Language::French)).await;
        let document = Html::parse_document(&html);
        let form = document.select(&Selector::parse("form").unwrap()).next().unwrap();
        let inputs = Selector::parse("input").unwrap();
        let button = form.select(&Selector::parse("button").unwrap()).next().unwrap();
        let sent = form.select(&inputs).chain([button]).filter_map(|field| {
            Some((field.attr("name")?.to_owned(), field.attr("value")?.to_owned()))
        });
        let sent: Vec<_> = sent.collect();
        let expected: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(sent, expected, "{name}");
        assert_eq!(button.attr("disabled"), None, "{name}");
    }
}

#[tokio::test]
async fn a_fault_stands_beside_its_field_and_above_the_form() {
    for (fault, sentence) in [
        (PhoneFault::Missing, "Enter the phone number that pays."),
        (PhoneFault::NotANumber, "A phone number has only digits"),
        (PhoneFault::TooShort, "too short"),
        (PhoneFault::TooLong, "too long"),
        (PhoneFault::OtherCountry, "This is not a number of Liberia."),
        (
            PhoneFault::TooManyRequests { again_at: AT },
            "Try again after 22 November 2026, 12:00 GMT",
        ),
    ] {
        let form = PhoneForm { fault: Some(fault), ..phone_form() };
        let html = html(page(PageState::Phone(form), Language::English)).await;
        assert_eq!(html.matches(sentence).count(), 2, "{sentence}: {html}");
        assert_eq!(count(&html, "[role=alert] a[href='#phone']"), 1);
        assert_eq!(
            count(&html, "#phone[aria-invalid=true][aria-describedby='phone-hint phone-fault']"),
            1,
            "{html}"
        );
    }
}

#[tokio::test]
async fn a_notice_stands_above_the_state() {
    for (notice, sentence) in [
        (Notice::FormIncomplete, "so nothing was done"),
        (Notice::MethodNotOffered, "is not offered any more"),
        (Notice::TooManyPayments { again_at: AT }, "Try again after 22 November 2026"),
    ] {
        let page = page(PageState::Open(choices()), Language::English);
        let html = html(CheckoutPage { notice: Some(notice), ..page }).await;
        let before = html.find(sentence).unwrap_or_else(|| panic!("{html}"));
        assert!(before < html.find("data-state").unwrap());
    }
}

#[tokio::test]
async fn every_reason_has_its_sentence() {
    let reasons = [
        (FailureReason::NotApproved, "not approved"),
        (FailureReason::NotEnoughMoney, "not enough money in the account"),
        (FailureReason::LimitReached, "a limit"),
        (FailureReason::UnknownNumber, "no account with MTN"),
        (FailureReason::NetworkDown, "MTN was not working"),
        (FailureReason::NeverSent, "did not reach MTN"),
        (FailureReason::CardDeclined, "declined the card"),
        (FailureReason::CardExpired, "has expired"),
        (FailureReason::CardCodeWrong, "security code"),
        (FailureReason::CardNotEnoughMoney, "not enough money on the card"),
        (FailureReason::CardLeft, "No card payment was made."),
        (FailureReason::WalletNotEnoughMoney, "not enough money in the wallet"),
        (FailureReason::NoReason, "MTN gave no reason"),
    ];
    for (reason, sentence) in reasons {
        let state = PageState::Failed(failure(reason, Method::MTN_MOMO_LBR), choices());
        let text = english(state).await;
        assert!(text.contains(sentence), "{text}");
    }
    for (gate, sentence) in [
        (Gate::Circuit, "MTN is not working at present."),
        (Gate::Rate, "Yours is in the queue."),
        (Gate::RefundQueue, "Another one is sent first."),
        (Gate::Approval, "The seller has to approve it first."),
        (Gate::Held, "Payments by MTN are paused"),
    ] {
        let method = Method::MTN_MOMO_LBR;
        let payer = money(1, "LRD");
        let held = NotSentYet { method, payer, gate, next_try_at: None, can_withdraw: false };
        let text = english(PageState::NotSentYet(held)).await;
        assert!(text.contains(sentence) && !text.contains("Withdraw"), "{text}");
    }
    for (why, sentence) in [
        (Unavailable::NetworkDown, "the network is not working"),
        (Unavailable::AmountTooSmall, "too small"),
        (Unavailable::AmountTooLarge, "too large"),
        (Unavailable::NoPrice, "no price"),
    ] {
        let mut choices = choices();
        choices.methods[0].price = Err(why);
        let html = html(page(PageState::Open(choices), Language::English)).await;
        assert!(html.contains(sentence), "{html}");
        assert_eq!(count(&html, "button[disabled]"), 2, "{html}");
    }
}

/// Markup, right-to-left with its controls, beyond the first plane, of no width, and long.
fn strange() -> Vec<String> {
    vec![
        "<script>alert(1)</script><img src=x onerror=alert(2)>".to_owned(),
        "\" autofocus onfocus=alert(3) x=\"'><b>".to_owned(),
        "متجر أما للأرز".to_owned(),
        "\u{202e}gnp.live\u{202c} x".to_owned(),
        "𝔄𝔪𝔞 🛒🧺 𠮷野家".to_owned(),
        "A\u{200b}m\u{200d}a\u{feff}".to_owned(),
        "{{7*7}} {amount} &lt;i&gt; ]]> <!--".to_owned(),
        "W".repeat(255),
        "<".repeat(255),
    ]
}

#[tokio::test]
async fn texts_of_strangers_stay_texts() {
    for text in strange() {
        for (name, state) in states() {
            let mut page = page(state, Language::English);
            page.frame.brand.as_mut().unwrap().name.clone_from(&text);
            page.note.clone_from(&text);
            page.number.clone_from(&text);
            page.contact = Some(Contact::Email(text.clone()));
            page.items.shown[0].name.clone_from(&text);
            page.frame.title = page.title();
            let html = html(page).await;
            let document = Html::parse_document(&html);
            let injected = "img[onerror], b, i, script:not([src]), [autofocus], [onfocus]";
            assert_eq!(count(&html, injected), 0, "{name}: {html}");
            let isolated: String = document
                .select(&Selector::parse("[dir=auto]").unwrap())
                .map(|element| element.text().collect::<String>() + "\n")
                .collect();
            // The brand, the note and the item.
            assert_eq!(isolated.matches(&text).count(), 3, "{name}: {text:?} in {isolated}");
        }
    }
}

#[tokio::test]
async fn many_long_items_are_shown_in_parts() {
    let names: Vec<String> = (1..=200).map(|n| format!("{n:03} {}", "𝔄".repeat(251))).collect();
    let items: Vec<_> = names.iter().map(|name| item(name)).collect();
    let mut seen = String::new();
    for part in 1..=10 {
        let shown = items.iter().skip((part - 1) * ITEMS_SHOWN).take(ITEMS_SHOWN).cloned();
        let list = ItemList { shown: shown.collect(), part, count: items.len(), has_more: false };
        let page = page(PageState::Open(choices()), Language::English);
        let html =
            text_of(render_items(CheckoutPage { items: list.clone(), ..page }).unwrap()).await;
        assert!(html.len() < PAGE_MAX, "{} bytes", html.len());
        assert_eq!(html.contains("Next items"), part < 10);
        assert_eq!(html.contains("Items before"), part > 1);
        assert!(html.contains(&format!("Items {} to {} of 200", part * 20 - 19, part * 20)));
        seen.push_str(&html);
        if part == 1 {
            let page = self::page(PageState::Open(choices()), Language::English);
            let whole = self::html(CheckoutPage { items: list, ..page }).await;
            assert!(whole.len() < PAGE_MAX, "{} bytes", whole.len());
            assert!(whole.contains("See all 200 items") && !whole.contains("021 "), "{whole}");
        }
    }
    assert!((1..=200).all(|n| seen.contains(&format!("{n:03} "))));
}

#[tokio::test]
async fn amounts_are_written_as_the_language_does() {
    for (language, expected) in [
        (Language::English, "7,787.52 LRD"),
        (Language::French, "7\u{a0}787,52 LRD"),
        (Language::Kinyarwanda, "7.787,52 LRD"),
    ] {
        let html = html(page(PageState::Review(review()), language)).await;
        assert!(html.contains(expected), "{html}");
    }
}

#[tokio::test]
async fn a_seller_who_bears_the_fees_is_told() {
    let price = crate::web::checkout::view::Price { fees: money(0, "LRD"), ..review().price };
    let state = PageState::Review(Review { price, ..review() });
    assert!(english(state).await.contains("no fees added"));
    let paid = states().into_iter().find(|(name, _)| *name == "paid").unwrap().1;
    let page = page(paid, Language::English);
    let html = html(CheckoutPage { fee_bearer: FeeBearer::Payee, ..page }).await;
    assert!(html.contains("The seller bears the fees"), "{html}");
}

//! The pages in Chromium. These tests need it and its driver, and run by `cargo xtask test
//! --browser`; they are about the browser, so that they run on SQLite alone.

mod app;
pub(crate) mod app_stage;
pub(crate) mod chromium;
pub(crate) mod stage;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::prelude::Key;

use crate::checkout_pages::{
    CARD_USD, IN_LRD, MTN_LRD, WITHIN_AN_HOUR, assert_executions, checkout, executions, is_open,
    until_open,
};
use crate::support::page_rules::{PAGE_COMPRESSED_MAX, SCRIPT_MAX};
use crate::support::payer::{Browser as _, Payer, hides, pay, review, shows, until};
use crate::support::{open, open_with, wait_for};
use chromium::{Chromium, DESKTOP, FORWARD, NARROW, PHONE};
use stage::Stage;

/// The file with axe-core, which `cargo xtask test --browser` fetches.
const AXE: &str = "KOLA_TEST_AXE";

/// The rules of WCAG 2.2 to level AA, and those that axe-core adds.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// What axe-core finds on the page: each rule with the elements that break it.
#[track_caller]
fn faults_of_access(browser: &Chromium, axe: &str) -> Vec<String> {
    if browser.evaluate("return !window.axe", vec![]) == json!(true) {
        browser.evaluate(axe, vec![]);
    }
    let found = browser.evaluate_later(
        "const done = arguments[arguments.length - 1];
         axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}, resultTypes: ['violations']})
            .then(found => done(found.violations.map(rule =>
                rule.id + ': ' + rule.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | '))))
            .catch(error => done(['axe: ' + error]));",
        vec![json!(RULES)],
    );
    let found = found.as_array().expect("a list");
    found.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
}

/// The same at these widths, in light and in dark colours.
#[track_caller]
fn faults_at(browser: &Chromium, axe: &str, widths: [u32; 2]) -> Vec<String> {
    let mut found = vec![];
    for width in widths {
        for scheme in ["light", "dark"] {
            browser.resize(width, 800, 1.0);
            browser.prefer(scheme);
            let faults = faults_of_access(browser, axe);
            found.extend(faults.into_iter().map(|fault| format!("{width} {scheme}: {fault}")));
        }
    }
    found
}

/// The source of axe-core.
#[track_caller]
fn axe() -> String {
    let path = std::env::var(AXE).unwrap_or_else(|_| panic!("{AXE} names the file of axe-core"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn axe_finds_nothing_in_any_state() {
    let axe = axe();
    let stage = Stage::new();
    let mut browser = Chromium::start(&stage.server);
    let mut found = vec![];
    stage.each(&mut browser, |browser, state| {
        let faults = faults_at(browser, &axe, [NARROW, DESKTOP]);
        found.extend(faults.into_iter().map(|fault| format!("{state} {fault}")));
    });
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

/// What reaches beyond the side of a narrow screen: of 320 pixels, which is a desktop at 400 %, and
/// with text twice as large.
#[track_caller]
fn beyond_the_side(browser: &Chromium) -> Vec<String> {
    let mut found = vec![];
    for (what, width, scale, text) in [
        ("320 px", NARROW, 1.0, "100%"),
        ("400 %", NARROW, 4.0, "100%"),
        ("large text", PHONE, 1.0, "200%"),
    ] {
        browser.resize(width, 256, scale);
        let wider = browser.evaluate(
            "const root = document.documentElement;
             root.style.fontSize = arguments[0];
             const wide = [...document.querySelectorAll('body *')]
                .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
                .map(one => one.outerHTML.slice(0, 100));
             const wider = root.scrollWidth > innerWidth ? [root.scrollWidth, innerWidth, ...wide] : [];
             root.style.fontSize = '';
             return wider;",
            vec![json!(text)],
        );
        if wider != json!([]) {
            found.push(format!("{what}: {wider}"));
        }
    }
    found
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn nothing_is_cut_off_on_a_narrow_screen() {
    let stage = Stage::new();
    let mut browser = Chromium::start(&stage.server);
    let mut found = vec![];
    stage.each(&mut browser, |browser, state| {
        found.extend(beyond_the_side(browser).into_iter().map(|wide| format!("{state} {wide}")));
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The words that a phone breaks. Its lines break between words: a table that is too narrow for its
/// words is told.
#[track_caller]
fn broken_words(browser: &Chromium) -> Vec<String> {
    browser.resize(PHONE, 640, 1.0);
    let broken = browser.evaluate(
        "const broken = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
         while (texts.nextNode()) {
            // A secret or an address is no text of words.
            if (texts.currentNode.parentElement.closest('code')) continue;
            for (const word of texts.currentNode.data.matchAll(/\\p{L}{2,20}/gu)) {
                const range = document.createRange();
                range.setStart(texts.currentNode, word.index);
                range.setEnd(texts.currentNode, word.index + word[0].length);
                const lines = new Set([...range.getClientRects()].map(line => line.top));
                if (lines.size > 1) broken.push(word[0]);
            }
         }
         return broken;",
        vec![],
    );
    let broken = broken.as_array().expect("a list");
    broken.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn no_word_is_broken_on_a_phone() {
    let stage = Stage::new();
    let mut browser = Chromium::start(&stage.server);
    let mut found = vec![];
    stage.each(&mut browser, |browser, state| {
        found.extend(broken_words(browser).into_iter().map(|word| format!("{state}: {word}")));
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What pages complained of, asked of others, or loaded beyond what they may, since this was last
/// asked.
#[track_caller]
fn unwanted(browser: &Chromium) -> Vec<String> {
    let mut found = browser.complaints();
    for request in browser.requests() {
        let path = request.url.split('/').skip(3).collect::<Vec<_>>().join("/");
        let own = request.url.starts_with("http://127.0.0.1:") || request.url.starts_with("data:");
        let limit = if path.ends_with(".js") { SCRIPT_MAX } else { PAGE_COMPRESSED_MAX };
        if !own || request.received > u64::try_from(limit + 1024).expect("a limit") {
            found.push(format!("{request:?}"));
        }
    }
    found
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn every_page_is_small_quiet_and_alone() {
    let stage = Stage::new();
    let mut browser = Chromium::start(&stage.server);
    let mut found = vec![];
    stage.each(&mut browser, |browser, state| {
        found.extend(unwanted(browser).into_iter().map(|fault| format!("{state}: {fault}")));
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// 400 ms and 400 kbit/s: what counts is how often and how much is asked for.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn a_slow_network_is_asked_little() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    browser.slow_down(400, 50_000);
    let _start = browser.requests();
    browser.open(&checkout.link);
    let first = browser.requests();
    assert!(first.len() <= 5, "{first:?}");
    let bytes: u64 = first.iter().map(|request| request.received).sum();
    assert!(bytes <= 30 * 1024, "{bytes} bytes: {first:?}");
    browser.choose("method", MTN_LRD);
    browser.fill("phone", "0880000001");
    browser.go_on();
    let steps = browser.requests();
    let path = checkout.link.as_str();
    let pages = steps.iter().filter(|request| request.url == path);
    assert_eq!(pages.count(), 2, "a page for each step: {steps:?}");
    let again: u64 = steps
        .iter()
        .filter(|request| request.url.contains("/assets/"))
        .map(|request| request.received)
        .sum();
    assert_eq!(again, 0, "files are kept: {steps:?}");
    browser.go_on();
    shows(&mut browser, &["Check your phone"]);
    shop.advance(3_600);
    until(&mut browser, "Paid");
    assert_executions(&shop, &["COMPLETED"]);
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn everything_works_without_scripts() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let (by_phone, by_card) = (checkout(&shop), checkout(&shop));
    let mut browser = Chromium::start(&server);
    browser.without_scripts();
    browser.resize(PHONE, 640, 1.0);
    pay(&mut browser, &by_phone.link, MTN_LRD, "0880000001");
    shows(&mut browser, &["Check your phone"]);
    browser.go_on();
    shows(&mut browser, &["Check your phone"]);
    shop.advance(3_600);
    until(&mut browser, "Paid");
    browser.follow("Receipt");
    shows(&mut browser, &[IN_LRD]);
    pay(&mut browser, &by_card.link, CARD_USD, "");
    browser.choose("result", "insufficient_funds");
    until_open(&mut browser);
    pay(&mut browser, &by_card.link, CARD_USD, "");
    browser.choose("result", "succeed");
    until(&mut browser, "Paid");
    assert_executions(&shop, &["COMPLETED", "FAILED", "COMPLETED"]);
}

/// The script saves the payer waiting: the result comes without a touch, and is announced.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn the_result_comes_by_itself() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    pay(&mut browser, &checkout.link, MTN_LRD, "0880000001");
    shows(&mut browser, &["Check your phone"]);
    let announced = browser.evaluate("return !!document.querySelector('[role=status]')", vec![]);
    assert_eq!(announced, json!(true));
    shop.advance(3_600);
    wait_for("the result", || browser.text().contains("Paid").then_some(()));
    shows(&mut browser, &["Receipt"]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    asks_no_more(&browser);
    assert_executions(&shop, &["COMPLETED"]);
}

/// A page that has its result asks no more.
#[track_caller]
fn asks_no_more(browser: &Chromium) {
    let _before = browser.requests();
    std::thread::sleep(Duration::from_secs(6));
    assert!(browser.requests().is_empty(), "it still asks");
}

/// A page that cannot reach the server says so, and goes on by itself once it can.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn a_page_without_a_connection_says_so() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    pay(&mut browser, &checkout.link, MTN_LRD, "0880000001");
    shows(&mut browser, &["This page checks by itself."]);
    browser.go_offline(true);
    wait_for("the word", || browser.text().contains("cannot reach the server").then_some(()));
    browser.go_offline(false);
    wait_for("the connection", || browser.text().contains("checks by itself").then_some(()));
}

/// Moves the focus by the tabulator until it is on this element; fails where it cannot be seen.
#[track_caller]
fn tab_to(browser: &Chromium, css: &str) {
    for _ in 0..60 {
        browser.press(Key::Tab);
        let focus = browser.evaluate(
            "const one = document.activeElement, style = getComputedStyle(one);
             const seen = one === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
                || style.boxShadow !== 'none';
             return {on: one.matches(arguments[0]), seen, html: one.outerHTML.slice(0, 200)};",
            vec![json!(css)],
        );
        assert_eq!(focus["seen"], json!(true), "the focus cannot be seen: {focus}");
        if focus["on"] == json!(true) {
            return;
        }
    }
    panic!("the keyboard does not reach {css}");
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn the_keyboard_alone_pays() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    browser.open(&checkout.link);
    let by_button = browser
        .evaluate("return !!document.querySelector('button[name=method]')", vec![])
        == json!(true);
    if by_button {
        tab_to(&browser, &format!("button[value=\"{MTN_LRD}\"]"));
    } else {
        tab_to(&browser, "input[type=radio][name=method]");
        for _ in 0..20 {
            let chosen = browser.evaluate("return document.activeElement.value", vec![]);
            if chosen == json!(MTN_LRD) {
                break;
            }
            browser.press(Key::Down);
        }
        browser.press(Key::Space);
    }
    browser.press(Key::Enter);
    wait_for("the field", || {
        (browser.evaluate(
            "return !!document.querySelector('input[name=phone]:not([type=hidden])')",
            vec![],
        ) == json!(true))
        .then_some(())
    });
    let focused = browser.evaluate("return document.activeElement.name", vec![]);
    if focused != json!("phone") {
        tab_to(&browser, "[name=phone]");
    }
    browser.evaluate("document.activeElement.select()", vec![]);
    browser.type_keys("12");
    browser.press(Key::Enter);
    wait_for("the fault", || {
        (browser.evaluate("return !!document.querySelector('[aria-invalid=true]')", vec![])
            == json!(true))
        .then_some(())
    });
    if browser.evaluate("return document.activeElement.name", vec![]) != json!("phone") {
        tab_to(&browser, "[name=phone]");
    }
    browser.evaluate("document.activeElement.select()", vec![]);
    browser.type_keys("0880000001");
    browser.press(Key::Enter);
    wait_for("the review", || browser.text().contains("PIN").then_some(()));
    tab_to(&browser, FORWARD);
    browser.press(Key::Enter);
    wait_for("the request", || browser.text().contains("Check your phone").then_some(()));
    shop.advance(3_600);
    until(&mut browser, "Paid");
    tab_to(&browser, "a[href*=\"/receipt/\"]");
    browser.press(Key::Enter);
    wait_for("the receipt", || browser.url().contains("/receipt/").then_some(()));
    assert_executions(&shop, &["COMPLETED"]);
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn a_double_click_and_a_second_tab_pay_once() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    let first = browser.tab();
    review(&mut browser, &checkout.link, MTN_LRD, "0880000001");
    let second = browser.new_tab();
    review(&mut browser, &checkout.link, MTN_LRD, "0880000002");
    browser.go_to(&first);
    browser.double_click(FORWARD);
    wait_for("the request", || browser.text().contains("Check your phone").then_some(()));
    browser.go_to(&second);
    browser.go_on();
    wait_for("the first payment", || browser.text().contains("Check your phone").then_some(()));
    assert_executions(&shop, &["PROCESSING"]);
    shop.advance(3_600);
    for tab in [&first, &second] {
        browser.go_to(tab);
        until(&mut browser, "Paid");
    }
    assert_executions(&shop, &["COMPLETED"]);
}

/// Back, forward and a reload tell the truth, and a tab that was closed is opened again.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn back_and_forward_tell_the_truth() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    browser.open(&checkout.link);
    shows(&mut browser, &["How do you want to pay?"]);
    browser.choose("method", MTN_LRD);
    browser.fill("phone", "0880000001");
    browser.go_on();
    // From the review back to the phone, and on.
    browser.back();
    hides(&mut browser, &["ERR_"]);
    browser.forward();
    hides(&mut browser, &["ERR_"]);
    review(&mut browser, &checkout.link, MTN_LRD, "0880000001");
    browser.go_on();
    shows(&mut browser, &["Check your phone"]);
    for _ in 0..3 {
        browser.back();
        hides(&mut browser, &["ERR_"]);
        // What could be sent again is the same decision, or is answered by what is under way.
        assert!(!is_open(&mut browser), "an open page while a payment waits");
    }
    browser.open(&checkout.link);
    shows(&mut browser, &["Check your phone"]);
    shop.advance(3_600);
    until(&mut browser, "Paid");
    browser.follow("Receipt");
    browser.back();
    shows(&mut browser, &["Paid"]);
    drop(browser);
    let mut again = Chromium::start(&server);
    again.open(&checkout.link);
    shows(&mut again, &["Paid", "Receipt"]);
    assert_executions(&shop, &["COMPLETED"]);
}

/// A page that lay in the back/forward cache while the payment ended.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn a_page_from_the_cache_is_not_believed() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    browser.open(&checkout.link);
    browser.open("/pay/nothing");
    let mut elsewhere = Payer::new(&server);
    pay(&mut elsewhere, &checkout.link, MTN_LRD, "0880000001");
    browser.back();
    wait_for("the truth", || browser.text().contains("Check your phone").then_some(()));
    browser.open("/pay/nothing");
    shop.advance(3_600);
    until(&mut elsewhere, "Paid");
    browser.back();
    wait_for("the truth", || browser.text().contains("Paid").then_some(()));
}

/// No other site shows a page in a frame.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn a_page_stands_in_nobodys_frame() {
    let (server, shop) = open();
    let checkout = checkout(&shop);
    let mut browser = Chromium::start(&server);
    let frame = format!("data:text/html,<iframe src=\"{}\"></iframe>", checkout.link);
    browser.open(&frame);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) && browser.complaints().is_empty() {
        std::thread::sleep(Duration::from_millis(100));
    }
    let seen = browser.evaluate("return window.frames.length", vec![]);
    assert_eq!(seen, json!(1));
    let tree = browser.devtools("Page.getFrameTree", json!({}));
    let inner = tree["frameTree"]["childFrames"][0]["frame"].clone();
    assert!(is_refused(&inner), "{inner}");
    assert!(executions(&shop).is_empty());
}

fn is_refused(frame: &Value) -> bool {
    let url = frame["url"].as_str().unwrap_or_default();
    url.starts_with("chrome-error:") || frame["unreachableUrl"].is_string() || url.is_empty()
}

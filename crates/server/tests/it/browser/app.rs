//! The pages of `/app` in Chromium.

use serde_json::json;

use super::app_stage::{AppStage, button, code_now, secret, show_details, wrong_code};
use super::chromium::{Chromium, DESKTOP, PHONE};
use super::{asks_no_more, axe, beyond_the_side, broken_words, faults_at, unwanted};
use crate::checkout_pages::{MTN_LRD, WITHIN_AN_HOUR};
use crate::people::person::PASSWORD;
use crate::people::{fresh, path_of, to_merchant};
use crate::support::payer::{Browser as _, hides, pay, shows, until};
use crate::support::process::Credentials;
use crate::support::shop::GOOD;
use crate::support::{Merchant, Server, id, open_with, shown, wait_for};

/// Each state once, since it takes longer to get there than to look at it.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn the_pages_of_people_can_be_used_by_everybody() {
    let axe = axe();
    let stage = AppStage::new();
    let mut browser = Chromium::start(&stage.server);
    let mut found = vec![];
    stage.each(&mut browser, |browser, state| {
        let mut see = |what: &str, faults: Vec<String>| {
            found.extend(faults.into_iter().map(|fault| format!("{state}: {what} {fault}")));
        };
        see("unwanted", unwanted(browser));
        see("axe", faults_at(browser, &axe, [PHONE, DESKTOP]));
        see("too wide", beyond_the_side(browser));
        see("broken", broken_words(browser));
    });
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

/// The merchant of a first start, as a client of its API.
#[track_caller]
fn first_merchant(server: &Server) -> Merchant {
    let printed = server.printed();
    let word = |name: &str| {
        let mut words = printed.split_whitespace();
        words.find(|word| *word == name);
        words.next().unwrap_or_else(|| panic!("no {name} in {printed}")).to_owned()
    };
    let merchant_id = server.database.value("SELECT max(id) FROM merchants");
    let merchant_id = merchant_id.parse().expect("a number");
    let (client_id, client_secret) = (word("client_id"), word("client_secret"));
    let credentials = Credentials { merchant_id, client_id, client_secret, wallets: vec![] };
    let mut shop = server.sign_in(&credentials);
    let wallets = shop.api.get("/v1/wallets/list?owner_type=MERCHANT&currency=USD").rows();
    shop.credentials.wallets = vec![("USD".to_owned(), id(&wallets[0]))];
    shop
}

/// Somebody with a browser, who runs scripts or not.
struct Somebody {
    browser: Chromium,
    scripts: bool,
}

impl Somebody {
    /// Joins by a link, after a password that is too short.
    #[track_caller]
    fn join(&mut self, link: &str, email: &str, name: &str) {
        let browser = &mut self.browser;
        browser.open(link);
        browser.fill("email", email);
        browser.fill("name", name);
        browser.fill("password", "short");
        browser.go_on();
        assert!(browser.has("#password[aria-invalid=true]"));
        assert_eq!((browser.written("#email"), browser.written("#name")), both(email, name));
        assert_eq!(browser.written("#password"), "");
        browser.fill("password", PASSWORD);
        browser.go_on();
        shows(browser, &["Profile", email]);
    }

    /// Sets codes up, after a wrong one. Returns the recovery codes.
    #[track_caller]
    fn set_up_codes(&mut self) -> Vec<String> {
        let browser = &mut self.browser;
        browser.click(&button("/second-factor"));
        let secret = secret(browser);
        browser.fill("code", wrong_code(&secret));
        browser.click(&button("/confirm"));
        shows(browser, &["The code is wrong"]);
        assert!(browser.has("#code[aria-invalid=true]"));
        if self.scripts {
            // The address of the form opens nothing: the page is loaded again.
            browser.reload();
            shows(browser, &["Codes of your phone"]);
            hides(browser, &["The code is wrong"]);
        }
        browser.fill("code", &code_now(&secret));
        browser.click(&button("/confirm"));
        shows(browser, &["shown only now"]);
        let codes = browser.evaluate(
            "return [...document.querySelectorAll('main li code')].map(code => code.textContent)",
            vec![],
        );
        let codes = codes.as_array().expect("a list").iter();
        let codes: Vec<String> =
            codes.map(|code| code.as_str().expect("a code").to_owned()).collect();
        assert_eq!(codes.len(), 10);
        browser.follow("I have kept them");
        for page in ["/app", "/app/profile"] {
            browser.open(page);
            hides(browser, &[&codes[0]]);
        }
        codes
    }

    /// Logs out. What was there is not shown again by going back.
    #[track_caller]
    fn log_out(&mut self, seen: &str) {
        let browser = &mut self.browser;
        shows(browser, &[seen]);
        browser.click(&button("/logout"));
        shows(browser, &["Log in"]);
        browser.back();
        hides(browser, &[seen]);
        shows(browser, &["Log in", "Password"]);
        browser.open("/app");
        shows(browser, &["Log in", "Password"]);
    }

    /// Logs in, after a wrong password and a wrong code.
    #[track_caller]
    fn log_in(&mut self, email: &str, recovery_code: &str) {
        let browser = &mut self.browser;
        browser.open("/app/login");
        browser.fill("email", email);
        browser.fill("password", "not the password");
        browser.go_on();
        shows(browser, &["The e-mail address or the password is wrong."]);
        assert_eq!((browser.written("#email"), browser.written("#password")), both(email, ""));
        browser.fill("password", PASSWORD);
        browser.go_on();
        shows(browser, &["Code of your phone"]);
        browser.fill("code", "12345");
        browser.click(&button("/second-factor"));
        shows(browser, &["The code is wrong"]);
        browser.fill("code", recovery_code);
        browser.click(&button("/second-factor"));
        shows(browser, &["Your merchants"]);
    }
}

fn both(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

/// From the link of a first start to a payout that a second person approves.
#[track_caller]
fn from_the_first_link_to_an_approved_payout(scripts: bool) {
    let server = fresh();
    let shop = first_merchant(&server);
    server.fund(&shop, "USD", "500.00");
    let browser = Chromium::start(&server);
    browser.resize(PHONE, 640, 1.0);
    if !scripts {
        browser.without_scripts();
    }
    let mut somebody = Somebody { browser, scripts };
    somebody.join(&path_of(&server.printed()), "ama@shop.example", "Ama Kollie");
    somebody.set_up_codes();
    let browser = &mut somebody.browser;
    browser.open("/app");
    browser.follow("Team");
    shows(browser, &["Ama Kollie", "(you)", "ama@shop.example"]);
    browser.select("form[action$=\"/invite\"]", "FINANCE");
    browser.click(&button("/invite"));
    shows(browser, &["shown only now", "Links that were not used"]);
    let link = path_of(&browser.written("#link"));
    // What was typed stays beside what is wrong with it.
    browser.write("#currency-new", "usd");
    browser.write("#payment-new", "100");
    browser.write("#day-new", "many");
    browser.click("form:has(#currency-new) button");
    assert!(browser.has("#day-new[aria-invalid=true]"), "{}", browser.text());
    assert_eq!(browser.written("#payment-new"), "100");
    browser.write("#day-new", "");
    browser.select("#bind-new", "yes");
    browser.click("form:has(#currency-new) button");
    assert_eq!(browser.written("#payment-USD"), "100.00");
    assert_eq!(browser.written("#bind-USD"), "yes");
    hides(browser, &["shown only now"]);
    somebody.log_out("ama@shop.example");
    // A role by which money leaves takes two to give: the operator is the second.
    somebody.browser.open(&link);
    shows(&mut somebody.browser, &["This link cannot be used yet"]);
    let invitation = server.database.value("SELECT id FROM invitations WHERE takes_two = 1");
    let merchant = shop.credentials.merchant_id.to_string();
    server.kola(&["user", "confirm", &invitation, "--merchant", &merchant]).ok();

    somebody.join(&link, "kofi@shop.example", "Kofi Mensah");
    let codes = somebody.set_up_codes();
    let browser = &mut somebody.browser;
    browser.open("/app");
    browser.follow("Approvals");
    shows(browser, &["Nothing waits"]);
    let held = shop.send(shop.momo("PAYOUT", GOOD), "USD", "120.00");
    assert_eq!(shown(&held, "waiting_for"), "approval");
    browser.reload();
    shows(browser, &["Payout of 120.00 USD"]);
    browser.click(&button("/approve"));
    shows(browser, &["Nothing waits", "Payout of 120.00 USD", "answered by Kofi Mensah"]);
    assert_eq!(shown(&shop.settled("payout", &held), "status"), "COMPLETED");
    browser.reload();
    shows(browser, &["approved and paid"]);
    somebody.log_out("Kofi Mensah");
    somebody.log_in("kofi@shop.example", &codes[0]);
    let browser = &mut somebody.browser;
    browser.follow("Audit");
    shows(browser, &["Decisions, newest first", "Kofi Mensah – approve", "Ama Kollie – "]);
    // The filter stands in the address, and is shown as it was asked for.
    let before = browser.text();
    browser.evaluate("document.querySelector('details').open = true", vec![]);
    browser.select("#command", "approve");
    browser.click("form[method=get] button");
    shows(browser, &["Kofi Mensah – approve"]);
    hides(browser, &["Ama Kollie – "]);
    assert!(browser.text().len() < before.len());
    assert_eq!(browser.written("#command"), "approve");
    somebody.log_out("Decisions, newest first");
    if scripts {
        assert_eq!(somebody.browser.complaints(), Vec::<String>::new());
    }
    let held = json!(server.database.value("SELECT count(*) FROM approvals"));
    assert_eq!(held, json!("1"));
    server.verify_ledger();
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn people_get_from_the_first_link_to_an_approved_payout() {
    from_the_first_link_to_an_approved_payout(true);
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn people_need_no_scripts() {
    from_the_first_link_to_an_approved_payout(false);
}

/// From an invoice to its payment by whoever scans its code, a refund, and the list of both.
#[track_caller]
fn from_an_invoice_to_its_refund(scripts: bool) {
    let server = fresh();
    let browser = Chromium::start(&server);
    browser.resize(PHONE, 640, 1.0);
    if !scripts {
        browser.without_scripts();
    }
    let mut somebody = Somebody { browser, scripts };
    somebody.join(&path_of(&server.printed()), "ama@shop.example", "Ama Kollie");
    somebody.set_up_codes();
    let browser = &mut somebody.browser;
    browser.open("/app");
    browser.follow("Invoices");
    browser.follow("New invoice");
    browser.fill("phone", "231770000500");
    browser.fill("name", "Amara Kollie");
    browser.fill("item-1", "Rice, 25 kg");
    browser.fill("qty-1", "2");
    browser.fill("price-1", "19,50");
    browser.click("button[value=publish]");
    // Nothing is made of what can be read in two ways, and nothing has to be typed again.
    assert!(browser.has("#price-1[aria-invalid=true]"), "{}", browser.text());
    assert_eq!(browser.written("#item-1"), "Rice, 25 kg");
    browser.fill("price-1", "1,019.50");
    browser.click("button[value=publish]");
    shows(browser, &["2,039.00 USD", "to be paid", "Amara Kollie"]);
    let width = "return document.querySelector('.code-image').naturalWidth";
    wait_for("the code", || (browser.evaluate(width, vec![]).as_i64() > Some(0)).then_some(()));
    let invoice = browser.url();
    let link = browser.written("#link");
    let at = link.find("/pay/").expect("a link of a page");
    pay(browser, &link[at..], MTN_LRD, "0880000001");
    until(browser, "Paid");
    browser.open(&invoice);
    shows(browser, &["paid", "It was paid on"]);
    browser.follow("The payment");
    shows(browser, &["What happened", "Nothing was given back", "Net +2,039.00 USD"]);
    browser.follow("Refund");
    browser.fill("amount", "39");
    browser.click(&button("/refund"));
    until(browser, "refunded");
    browser.follow("Payments");
    shows(browser, &["Amara Kollie", "39.00 LRD", "refunded", "All of this list as CSV"]);
    // A filter stands in the address, and is there again after a look at a payment.
    show_details(browser);
    browser.select("#operation", "REFUND");
    browser.click("form[method=get] button");
    let of_refunds = browser.url();
    assert!(of_refunds.contains("operation=REFUND"), "{of_refunds}");
    shows(browser, &["39.00 LRD"]);
    assert!(!browser.text().contains("2,039.00"), "{}", browser.text());
    browser.follow("39.00 LRD");
    browser.back();
    until(browser, "39.00 LRD");
    assert_eq!(browser.url(), of_refunds);
    browser.reload();
    assert_eq!(browser.url(), of_refunds);
    if scripts {
        browser.live_in("Africa/Kigali");
        browser.reload();
        let said = "Times are in Africa/Kigali. Days, and what you type, are in UTC.";
        shows(browser, &["GMT+2", said]);
        browser.live_in("Asia/Kathmandu");
        browser.reload();
        shows(browser, &["GMT+5:45"]);
        browser.live_in("UTC");
        browser.reload();
    }
    shows(browser, &["Days, and what you type, are in UTC."]);
    browser.follow("Overview");
    until(browser, "Refunded, LRD");
    if scripts {
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
    server.verify_ledger();
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn people_get_from_an_invoice_to_its_refund() {
    from_an_invoice_to_its_refund(true);
}

#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn selling_needs_no_scripts() {
    from_an_invoice_to_its_refund(false);
}

/// The page of a payment under way shows how it ended, without a touch.
#[test]
#[ignore = "needs Chromium: cargo xtask test --browser"]
fn the_end_of_a_payment_comes_by_itself() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    server.database.give_secrets_key();
    let mut somebody = Somebody { browser: Chromium::start(&server), scripts: true };
    somebody.join(&to_merchant(&server, &shop, "OWNER"), "yaa@shop.example", "Yaa Asantewaa");
    somebody.set_up_codes();
    let browser = &mut somebody.browser;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "10.00");
    browser.open(&format!(
        "/app/payments/{}/{}",
        shop.credentials.merchant_id, paid["payment_intent_id"]
    ));
    shows(browser, &["under way", "This page checks by itself."]);
    // It stops when it is told to, and goes on when it is told to.
    let press = "document.querySelector('#auto button').click()";
    browser.evaluate(press, vec![]);
    shows(browser, &["Check by itself again"]);
    hides(browser, &["This page checks by itself."]);
    browser.evaluate(press, vec![]);
    shop.advance(3_600);
    wait_for("the end", || browser.text().contains("has arrived").then_some(()));
    hides(browser, &["under way", "checks by itself"]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    asks_no_more(browser);
}

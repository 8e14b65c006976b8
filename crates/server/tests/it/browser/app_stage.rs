//! Every state of the pages of `/app`, one after the other.

use domain::reconciliation::statement::Counts;
use jiff::Timestamp;
use serde_json::Value;

use super::chromium::Chromium;
use crate::people::approvals::set_limits;
use crate::people::home::overview;
use crate::people::person::{PASSWORD, Person, code_at};
use crate::people::{link, member, team, to_merchant};
use crate::reconciliation::stage::Reader;
use crate::reviews::late_success;
use crate::support::payer::Browser as _;
use crate::support::shop::GOOD;
use crate::support::{Merchant, Server, id, spawn, wait_for};

/// A name and an address that are long, and have no place to break.
const EMAIL: &str = "josephine.wleh-sirleaf.accounts-payable@wholesale.monrovia-waterside.example";
const NAME: &str = "Josephine Nyemadeh Wleh-Sirleaf";

/// The button of the form that is sent to an address with this end.
pub(crate) fn button(end: &str) -> String {
    format!("form[action$=\"{end}\"] button")
}

/// The secret of a phone that is being set up, as the page shows it.
#[track_caller]
pub(crate) fn secret(browser: &Chromium) -> String {
    let shown = browser.evaluate(
        "return [...document.querySelectorAll('p')]
            .find(line => line.textContent.startsWith('Secret: '))
            .querySelector('code').textContent",
        vec![],
    );
    shown.as_str().expect("a secret").replace(' ', "")
}

/// The code that a phone with this secret shows now.
pub(crate) fn code_now(secret: &str) -> String {
    code_at(secret, Timestamp::now().as_second())
}

/// A code of the right form that is none of now. One in a million is, so it is compared.
pub(crate) fn wrong_code(secret: &str) -> &'static str {
    let now = Timestamp::now().as_second();
    let near: Vec<String> = (-4..=4).map(|steps| code_at(secret, now + 30 * steps)).collect();
    let mut codes = ["123456", "234567", "345678", "456789"].into_iter();
    codes.find(|code| !near.iter().any(|other| other == code)).expect("a wrong code")
}

/// A server with a merchant whose people are about to join.
pub(crate) struct AppStage {
    pub(crate) server: Server,
    shop: Merchant,
}

impl AppStage {
    #[track_caller]
    pub(crate) fn new() -> Self {
        // A process, beside which statements are read.
        let (server, shop) = spawn();
        Self { server, shop }
    }

    /// Brings the browser to each state, and calls `see` there with the state's name.
    #[track_caller]
    pub(crate) fn each(&self, browser: &mut Chromium, mut see: impl FnMut(&mut Chromium, &str)) {
        let see = &mut see;
        self.joining(browser, see);
        let secret = self.profile(browser, see);
        self.team(browser, see);
        self.approvals(browser, see);
        self.developers(browser, see);
        self.audit(browser, see);
        self.selling(browser, see);
        self.payments(browser, see);
        self.wallets(browser, see);
        self.payouts(browser, see);
        self.second_factor(browser, see, &secret);
        self.others(browser, see);
        self.installation(browser, see);
    }

    fn joining(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        browser.open("/app/login");
        see(browser, "app-login");
        browser.fill("email", EMAIL);
        browser.fill("password", "not the password");
        browser.go_on();
        see(browser, "app-login-fault");
        let link = to_merchant(&self.server, &self.shop, "OWNER");
        browser.open(&link);
        see(browser, "app-invitation");
        browser.fill("email", EMAIL);
        browser.fill("name", NAME);
        browser.fill("password", "too short");
        browser.go_on();
        see(browser, "app-invitation-fault");
        browser.fill("password", PASSWORD);
        browser.go_on();
        see(browser, "app-profile-new");
        browser.open("/app");
        see(browser, "app-home-new");
        browser.open(&link);
        see(browser, "app-link-over");
    }

    /// The owner sets codes up, whose secret is answered.
    fn profile(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) -> String {
        browser.open("/app/profile");
        browser.click(&button("/second-factor"));
        see(browser, "app-profile-secret");
        let secret = secret(browser);
        browser.fill("code", wrong_code(&secret));
        browser.click(&button("/confirm"));
        see(browser, "app-profile-code-fault");
        browser.fill("code", &code_now(&secret));
        browser.click(&button("/confirm"));
        see(browser, "app-recovery-codes");
        browser.open("/app/profile");
        browser.fill("current", "not the password");
        browser.fill("password", "another long password");
        browser.click(&button("/password"));
        see(browser, "app-profile-password-fault");
        browser.open("/app");
        see(browser, "app-home");
        secret
    }

    fn team(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        browser.open(&team(shop));
        see(browser, "app-team-alone");
        browser.select("form[action$=\"/invite\"]", "FINANCE");
        browser.click(&button("/invite"));
        see(browser, "app-team-link");
        member(server, shop, "FINANCE", "kofi@shop.example");
        let mut away = member(server, shop, "VIEWER", &format!("second-{EMAIL}"));
        assert!(away.browser.is_in());
        server.kola(&["user", "disable", &away.email]).ok();
        browser.open(&team(shop));
        browser.write("[id=currency-new]", "usd");
        browser.write("[id=payment-new]", "a hundred");
        browser.click("form:has([id=currency-new]) button");
        see(browser, "app-team-fault");
        set_limits(server, shop, &["--payment", "100", "--bind-api-keys", "true"]);
        browser.open(&team(shop));
        see(browser, "app-team");
    }

    fn approvals(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        let page = format!("/app/approvals/{}", shop.credentials.merchant_id);
        browser.open(&page);
        see(browser, "app-approvals-empty");
        server.fund(shop, "USD", "1000.00");
        let account = shop.momo("PAYOUT", GOOD);
        for amount in ["120.00", "130.00", "140.00"] {
            shop.send(account, "USD", amount);
        }
        browser.open(&page);
        see(browser, "app-approvals");
        // A character that turns the direction of text, which nobody sees.
        browser.fill("note", "paid \u{202e}twice");
        browser.click(&button("/refuse"));
        see(browser, "app-approvals-fault");
        browser.fill("note", "The same invoice was paid in cash last week.");
        browser.click(&button("/refuse"));
        browser.click(&button("/approve"));
        see(browser, "app-approvals-answered");
    }

    fn audit(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let page = format!("/app/audit/{}", self.shop.credentials.merchant_id);
        browser.open(&page);
        see(browser, "app-audit");
        browser.open(&format!("{page}?from=2001-01-01&until=2001-01-02"));
        see(browser, "app-audit-empty");
        browser.open(&format!("{page}?from=yesterday"));
        see(browser, "app-audit-fault");
    }

    /// Invoices, payment links and customers, from the first of them on.
    fn selling(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        let merchant = shop.credentials.merchant_id;
        let of = |part: &str| format!("/app/{part}/{merchant}");
        browser.open(&of("invoices"));
        see(browser, "app-invoices-empty");
        browser.open(&of("links"));
        see(browser, "app-links-empty");
        browser.open(&format!("{}/new", of("invoices")));
        see(browser, "app-invoice-new");
        browser.fill("who", "Amara");
        browser.click("button[value=find]");
        see(browser, "app-invoice-found");
        browser.evaluate("document.getElementById('party-new').click(); return null", vec![]);
        let amara = "SELECT phone FROM parties WHERE fullname = 'Amara Kollie' LIMIT 1";
        browser.fill("phone", &server.database.value(amara));
        browser.fill("name", "Kweku Mensah");
        browser.click("button[value=publish]");
        see(browser, "app-invoice-known-number");
        browser.fill("phone", GOOD);
        browser.fill("item-1", "Consulting, October");
        browser.fill("price-1", "a hundred");
        browser.click("button[value=publish]");
        see(browser, "app-invoice-new-fault");
        browser.fill("price-1", "100");
        browser.click("button[value=draft]");
        see(browser, "app-invoice-draft");
        browser.fill("item", "Travel");
        browser.fill("price", "a lot");
        browser.click(&button("/items/add"));
        see(browser, "app-invoice-draft-fault");
        browser.click(&button("/publish"));
        see(browser, "app-invoice");
        browser.click(&button("/cancel"));
        see(browser, "app-invoice-canceled");
        shop.paid_hundred();
        let paid = server.database.value("SELECT id FROM sources WHERE status = 'PAID' LIMIT 1");
        browser.open(&format!("{}/{paid}", of("invoices")));
        see(browser, "app-invoice-paid");
        browser.open(&of("invoices"));
        see(browser, "app-invoices");
        browser.open(&format!("{}?state=SOLD", of("invoices")));
        see(browser, "app-invoices-fault");
        let order = shop.source("orders", "USD", "PAYER", "40.00");
        browser.open(&format!("{}/{order}", of("orders")));
        see(browser, "app-order");
        browser.click(&button("/link"));
        see(browser, "app-order-link");
        browser.open(&of("orders"));
        see(browser, "app-orders");
        browser.open(&format!("{}/new", of("links")));
        see(browser, "app-link-new");
        browser.fill("title", "A new roof for the school");
        browser.fill("min", "1");
        browser.fill("max", "nothing");
        browser.click("button[value=create]:not(.vh)");
        see(browser, "app-link-new-fault");
        browser.fill("max", "1,000");
        browser.click("button[value=create]:not(.vh)");
        see(browser, "app-link");
        browser.open(&of("links"));
        see(browser, "app-links");
        browser.open(&of("customers"));
        see(browser, "app-customers");
        let payer = server.database.value(
            "SELECT party_id FROM payment_accounts WHERE operation_type = 'COLLECTION' LIMIT 1",
        );
        browser.open(&format!("{}/{payer}", of("customers")));
        see(browser, "app-customer");
        let alone = shop.party();
        browser.open(&format!("{}/{alone}", of("customers")));
        see(browser, "app-customer-new");
        show_details(browser);
        browser.fill("email", "nowhere");
        browser.click(&button("/update"));
        see(browser, "app-customer-fault");
    }

    fn payments(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        let merchant = shop.credentials.merchant_id;
        let page = format!("/app/payments/{merchant}");
        browser.open(&format!("{page}?from=2100-01-01"));
        see(browser, "app-payments-empty");
        browser.open(&format!("{page}?amount=much"));
        see(browser, "app-payments-fault");
        browser.open(&format!("{page}?state=FAILED"));
        show_details(browser);
        browser.fill("filter_name", "Failed in Monrovia");
        browser.click(&button("/filters/save"));
        show_details(browser);
        browser.click(&button("/filters/save"));
        see(browser, "app-payments-filters");
        let paid = shop.paid_hundred();
        shop.refund(&paid, "3.00");
        shop.take(shop.momo("COLLECTION", "231880000129"), "USD", "12.50");
        let late = shop.take(shop.momo("COLLECTION", "231880000179"), "USD", "40.00");
        wait_for("the review", || {
            let open = server.database.value("SELECT count(*) FROM reviews");
            (open == "1").then_some(())
        });
        browser.open(&page);
        see(browser, "app-payments");
        self.overview(browser, see);
        let of = |payment: &Value| format!("{page}/{}", payment["payment_intent_id"]);
        browser.open(&of(&late));
        see(browser, "app-payment-in-review");
        browser.open(&of(&paid));
        see(browser, "app-payment");
        browser.click(&button("/receipt"));
        see(browser, "app-payment-receipt");
        browser.open(&format!("{}/refund", of(&paid)));
        see(browser, "app-refund");
        browser.write("[id=amount]", "500");
        browser.click(&button("/refund"));
        see(browser, "app-refund-fault");
        let search = format!("/app/search/{merchant}");
        browser.open(&search);
        see(browser, "app-search");
        browser.open(&format!("{search}?q=amara"));
        see(browser, "app-search-found");
        browser.open(&format!("{search}?q=nobody"));
        see(browser, "app-search-nothing");
    }

    fn wallets(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        let page = format!("/app/wallets/{}", shop.credentials.merchant_id);
        browser.open(&page);
        see(browser, "app-wallets-own");
        let (_, of_party) = shop.party_with_money("USD", "20.00");
        server.set_wallet(of_party, "RESTRICTED");
        browser.open(&page);
        see(browser, "app-wallets");
        let wallet = format!("{page}/{}", shop.wallet("USD"));
        browser.open(&wallet);
        see(browser, "app-wallet");
        browser.open(&format!("{wallet}?until=2001-01-01"));
        see(browser, "app-wallet-empty");
        browser.open(&format!("{wallet}?from=yesterday"));
        see(browser, "app-wallet-fault");
        browser.open(&wallet);
        browser.write("[id=month]", "2999-01");
        browser.click("form[action$=\"/statement\"] button");
        see(browser, "app-wallet-month-fault");
    }

    fn payouts(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { shop, .. } = self;
        let page = format!("/app/payouts/{}", shop.credentials.merchant_id);
        browser.open(&page);
        see(browser, "app-payouts");
        browser.open(&format!("{page}?kind=transfers"));
        see(browser, "app-payouts-transfers");
        let account = shop.momo("PAYOUT", GOOD);
        let customer = shop.customer();
        browser.open(&format!("{page}/new"));
        see(browser, "app-payout-to");
        browser.open(&format!("{page}/new?q=nobody"));
        see(browser, "app-payout-to-nobody");
        browser.open(&format!("{page}/account/{account}"));
        see(browser, "app-payout-form");
        browser.select("#wallet", &shop.wallet("USD").to_string());
        browser.write("[id=amount]", "100000");
        browser.click("form[method=get] button");
        see(browser, "app-payout-fault");
        browser.write("[id=amount]", "120");
        browser.click("form[method=get] button");
        see(browser, "app-payout-price");
        browser.click(&button("/12000"));
        browser.open(&page);
        see(browser, "app-payouts-waiting");
        browser.open(&format!("{page}/customer/{customer}/{}/500", shop.wallet("USD")));
        see(browser, "app-transfer-price");
    }

    fn second_factor(
        &self,
        browser: &mut Chromium,
        see: &mut impl FnMut(&mut Chromium, &str),
        secret: &str,
    ) {
        browser.click(&button("/logout"));
        browser.fill("email", EMAIL);
        browser.fill("password", PASSWORD);
        browser.go_on();
        see(browser, "app-second-factor");
        browser.fill("code", wrong_code(secret));
        browser.click(&button("/second-factor"));
        see(browser, "app-second-factor-fault");
    }

    fn others(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        let mut viewer = member(server, shop, "VIEWER", "yaa@shop.example");
        viewer.set_up_codes(server);
        become_one(browser, &viewer);
        browser.open(&team(shop));
        see(browser, "app-not-permitted");
        browser.open("/app/nothing");
        see(browser, "app-no-such-page");
        browser.open(&to_merchant(server, shop, "SUPPORT"));
        see(browser, "app-invitation-known");
        let id = shop.credentials.merchant_id.to_string();
        server.kola(&["user", "role", &viewer.email, "--merchant", &id, "--remove"]).ok();
        browser.open("/app");
        see(browser, "app-home-nowhere");
    }

    fn installation(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let server = &self.server;
        let link = link(server, &["--operator"]);
        let mut operator = Person::join(server, &link, "op@host.example");
        operator.set_up_codes(server);
        become_one(browser, &operator);
        browser.open("/app");
        see(browser, "app-home-operator");
        browser.open("/app/audit");
        see(browser, "app-audit-installation");
        browser.open("/app/installation");
        see(browser, "app-installation");
        self.reviews(browser, see);
        browser.open("/app/networks");
        show_details(browser);
        see(browser, "app-networks");
        self.reconciliation(browser, see);
        Self::tariff(browser, see);
        self.merchants(browser, see);
    }
}

/// What the operator does with what a network says.
impl AppStage {
    fn reconciliation(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        const PATH: &str = "/app/reconciliation";
        browser.open(PATH);
        see(browser, "app-reconciliation-empty");
        let mut reader = Reader::of(&self.server);
        let statement = format!("{PATH}/{}", reader.full(&self.shop));
        reader.read_balances();
        let failed = reader.begin("a-file-of-november-that-has-a-long-name-without-a-break.csv");
        reader.end(failed, Counts::default(), Some("line 2 has no amount"));
        browser.open(PATH);
        see(browser, "app-reconciliation");
        browser.open(&format!("{PATH}/{failed}"));
        see(browser, "app-statement-failed");
        browser.open(&statement);
        see(browser, "app-statement");
        browser.open(&format!("{statement}/accepting"));
        see(browser, "app-statement-accepting");
        browser.click(&button("/accept"));
        see(browser, "app-statement-accepted");
        browser.open(&format!("{PATH}/differences?status=OPEN"));
        see(browser, "app-differences");
        let kinds = "SELECT kind, id FROM statement_differences ORDER BY kind";
        for row in self.server.database.rows(kinds) {
            browser.open(&format!("{PATH}/differences/{}", row[1]));
            see(browser, &format!("app-difference-{}", row[0].to_lowercase()));
            browser.click(&button("/preview"));
            see(browser, &format!("app-difference-{}-preview", row[0].to_lowercase()));
        }
        browser.fill("evidence", "paid \u{202e}twice");
        browser.click(&button("/close"));
        see(browser, "app-difference-fault");
        browser.fill("evidence", "Their ticket 1047 of 29 November");
        browser.click(&button("/close"));
        see(browser, "app-difference-closed");
    }
}

/// What the operator does with a payment that was made after it had failed.
impl AppStage {
    fn reviews(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        browser.open("/app/reviews");
        see(browser, "app-reviews-empty");
        let (_, review) = late_success(server, shop);
        let of_shop = format!("/app/reviews/{}", shop.credentials.merchant_id);
        let page = format!("{of_shop}/{}", id(&review));
        browser.open("/app/reviews");
        see(browser, "app-reviews");
        browser.open(&page);
        see(browser, "app-review");
        browser.click(&button("/preview"));
        see(browser, "app-review-preview");
        browser.fill("evidence", "paid \u{202e}twice");
        browser.click(&button("/resolve"));
        see(browser, "app-review-fault");
        browser.fill("evidence", "Line 7 of the statement of 29 November");
        browser.click(&button("/resolve"));
        see(browser, "app-review-resolved");
        browser.open(&of_shop);
        see(browser, "app-reviews-of-merchant");
        self.disputes(browser, see);
    }

    /// Nobody disputes a payment of the sandbox: the open review is made what a network's would be.
    fn disputes(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        browser.open("/app/disputes");
        see(browser, "app-disputes-empty");
        let open = server.database.value("SELECT min(id) FROM reviews WHERE status = 'OPEN'");
        let due = (Timestamp::now().as_second() + 75 * 3_600) * 1_000_000;
        server.database.sql(&format!(
            "UPDATE reviews SET kind = 'DISPUTE', amount_minor = -4000, dispute_id = 'du_1', dispute_withdrawn = 1, \
             dispute_standing = 'UNDER_WAY', dispute_status = 'needs_response', dispute_reason = 'product_not_received', \
             dispute_amount_minor = 4000, dispute_due_at = {due}, \
             dispute_link = 'https://dashboard.stripe.com/test/disputes/du_1TMJfztAH3bI5enkcjCJ2LbB' WHERE id = {open}"
        ));
        browser.open("/app/disputes");
        see(browser, "app-disputes");
        browser.open(&format!("/app/reviews/{}/{open}", shop.credentials.merchant_id));
        see(browser, "app-dispute");
        browser.write("[id=note]", "Signed for by Josephine\nWleh-Sirleaf on Monday");
        browser.click(&button("/evidence"));
        see(browser, "app-dispute-noted");
    }

    fn tariff(browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let asked = "operation=COLLECTION&method=MTN_MOMO_LBR&amount=100.00&currency=USD&target=LRD&tier=default&bearer=PAYER";
        browser.open(&format!("/app/tariff?{asked}"));
        see(browser, "app-tariff");
        browser.write("[id=p_percentage]", "2.9");
        browser.write("[id=p_from]", "next year");
        browser.click(&button("/platform-fee"));
        see(browser, "app-tariff-fault");
        for part in ["rates", "markets", "phones"] {
            browser.open(&format!("/app/tariff/{part}"));
            see(browser, &format!("app-tariff-{part}"));
        }
    }

    fn merchants(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        browser.open("/app/merchants");
        see(browser, "app-merchants");
        let merchant = self.shop.credentials.merchant_id;
        browser.open(&format!("/app/merchants/{merchant}"));
        see(browser, "app-merchant");
        show_details(browser);
        browser.write("[id^=amount-]", "a lot");
        browser.click(&button("/fund"));
        see(browser, "app-merchant-fault");
    }

    /// Figures of payments by different ways, with plots and their tables.
    fn overview(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        shop.take(shop.momo("COLLECTION", GOOD), "LRD", "5000");
        shop.take(shop.momo("COLLECTION", "231880000049"), "USD", "40.00");
        server.fund(shop, "USD", "20.00");
        browser.open(&overview(shop));
        wait_for("figures", || {
            browser.open(&overview(shop));
            browser.has("svg.plot").then_some(())
        });
        see(browser, "app-overview");
        show_details(browser);
        see(browser, "app-overview-tables");
    }

    /// What an owner connects programs with.
    fn developers(&self, browser: &mut Chromium, see: &mut impl FnMut(&mut Chromium, &str)) {
        let Self { server, shop } = self;
        let home = format!("/app/developers/{}", shop.credentials.merchant_id);
        let (endpoint, delivery) = shop.told();
        wait_for("an attempt", || {
            let count = server.database.value("SELECT count(*) FROM webhook_attempts");
            (count != "0").then_some(())
        });
        browser.open(&home);
        see(browser, "app-developers");
        browser.open(&format!("{home}/sandbox"));
        see(browser, "app-sandbox");
        browser.open(&home);
        browser.fill("operations", "no_such_operation");
        browser.click(&button("/keys/create"));
        see(browser, "app-developers-fault");
        browser.fill("operations", "");
        browser.click(&button("/keys/create"));
        see(browser, "app-developers-secret");
        browser.open(&format!("{home}/webhooks/{endpoint}"));
        see(browser, "app-webhook");
        browser.click(&button("/rotate"));
        see(browser, "app-webhook-secret");
        browser.open(&format!("{home}/deliveries/{delivery}"));
        see(browser, "app-delivery");
        browser.open(&format!("{home}/events"));
        see(browser, "app-events");
        browser.open(&format!("{home}/requests"));
        see(browser, "app-requests");
        browser.open(&format!("{home}/requests?status=failed&after=1"));
        see(browser, "app-requests-empty");
    }
}

/// Opens all that is folded.
pub(crate) fn show_details(browser: &Chromium) {
    browser.evaluate(
        "document.querySelectorAll('details').forEach(part => { part.open = true }); return null",
        vec![],
    );
}

/// Gives the browser the login of somebody.
fn become_one(browser: &Chromium, person: &Person) {
    let (name, value) = person.browser.cookies.first_key_value().expect("a login");
    browser.give_cookie(name, value);
}

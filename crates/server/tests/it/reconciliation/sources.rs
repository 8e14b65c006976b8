//! Statements and balances as they are fetched from the fakes, which lie as they are told to.

use std::time::Duration;

use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::money::Money;
use domain::kernel::names::Provider;
use domain::kernel::time::{ServerTime, millis, seconds};
use domain::reconciliation::reported::{LineKind, ReportedLine};
use fakes::{Fakes, Settings};
use kola::reconciliation::asking::{Asker, SourceFault};
use kola::reconciliation::balances::own_balance;
use kola::reconciliation::mapping::Mapping;
use kola::reconciliation::pawapay::{How, WalletStatement, statements, windows};
use kola::reconciliation::stripe::{StripeLines, payouts};
use networks::accounts::{Account, Accounts, Credentials};
use networks::calls::{NetworkCalls, Outside};
use networks::client::BaseUrl;
use serde_json::{Value, json};

use crate::networks::stage::Stage;
use crate::support::shop::GOOD;
use crate::support::shown;

const PAWAPAY: NetworkAccountId = NetworkAccountId(1);
const STRIPE: NetworkAccountId = NetworkAccountId(2);
/// Nobody listens there, and nobody needs to.
const CALLBACK: &str = "http://127.0.0.1:1/callbacks/pawapay/1/token";
/// Longer than any machine needs.
const LONG: Duration = Duration::from_secs(120);

/// Both networks, as their accounts are called.
struct Called {
    networks: NetworkCalls,
    runtime: tokio::runtime::Runtime,
}

impl Called {
    fn at(fakes: &Fakes) -> Self {
        let account = |id, network, base_url: &str, bearer: &str| Account {
            id,
            network,
            name: format!("{network}"),
            base_url: BaseUrl::parse(base_url).expect("an address"),
            calls_per_second: 10_000,
            callback_token: String::new(),
            signed_callbacks: false,
            is_live: false,
            is_closed: false,
            updated_at: ServerTime(0),
            credentials: Credentials { bearer: Some(bearer.to_owned()), ..Credentials::default() },
        };
        let accounts = Accounts::default();
        accounts.replace(vec![
            account(PAWAPAY, Provider::PawaPay, &fakes.pawapay_url(), fakes::PAWAPAY_TOKEN),
            account(STRIPE, Provider::Stripe, &fakes.stripe_url(), fakes::STRIPE_SECRET_KEY),
        ]);
        let outside = Outside { now: store::clock::now, random: store::clock::random_number };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            networks: NetworkCalls::new(None, accounts, outside),
            runtime: runtime.expect("a runtime"),
        }
    }

    /// What comes of questions to the network of an account.
    fn ask<T>(
        &self,
        id: NetworkAccountId,
        within: Duration,
        question: impl AsyncFnOnce(Asker<'_>) -> T,
    ) -> T {
        let called = self.networks.accounts.get(id).expect("the account");
        self.runtime.block_on(async {
            let until = tokio::time::Instant::now() + within;
            question(Asker { networks: &self.networks, called: &called, until }).await
        })
    }

    fn pawapay(&self, days: Days) -> Result<Vec<ReportedLine>, SourceFault> {
        self.pawapay_with(days, CALLBACK)
    }

    fn pawapay_with(
        &self,
        (from, to): Days,
        callback_url: &str,
    ) -> Result<Vec<ReportedLine>, SourceFault> {
        let mapping = Mapping::default();
        let how = How { callback_url, mapping: &mapping };
        let fetched =
            self.ask(PAWAPAY, LONG, async |asker| statements(&asker, from, to, how).await)?;
        Ok(fetched.into_iter().flat_map(lines_of).collect())
    }

    fn stripe(&self, (from, to): Days) -> Result<Vec<ReportedLine>, SourceFault> {
        self.ask(STRIPE, LONG, async |asker| StripeLines::of_days(asker, from, to).all().await)
    }
}

type Days = (ServerTime, ServerTime);

fn lines_of(mut statement: WalletStatement) -> Vec<ReportedLine> {
    let lines = statement.lines().expect("lines");
    lines.map(|line| line.expect("a line")).collect()
}

/// The day until now, on the clock of the fakes.
fn last_day(fakes: &Fakes) -> Days {
    let now = ServerTime(millis(fakes.now()));
    (now.plus(-seconds(86_400)), now)
}

fn alone() -> (Fakes, Called) {
    let fakes = Fakes::start_on_threads(Settings { delay_ms: 0, ..Settings::default() });
    let fakes = fakes.expect("the fakes");
    let called = Called::at(&fakes);
    (fakes, called)
}

fn control(fakes: &Fakes, path: &str, body: &Value) {
    fakes.control(path, body).unwrap_or_else(|error| panic!("{path}: {error:?}"));
}

/// Lines of the statements of pawaPay, which are old enough to be in a file.
fn add_lines(fakes: &Fakes, count: i64) {
    for number in 1..=count {
        let line = json!({
            "id": format!("8917c345-4791-4285-a416-{number:012}"),
            "change": "ADD", "type": if number % 2 == 0 { "PAYOUT" } else { "DEPOSIT" },
            "minor": if number % 2 == 0 { -number } else { number }, "fee_minor": 1,
            "currency": "RWF", "country": "RWA", "phone": GOOD,
        });
        control(fakes, "/pawapay/statement-lines", &line);
    }
    fakes.advance(3_600);
}

fn sorted(mut lines: Vec<ReportedLine>) -> Vec<ReportedLine> {
    lines.sort_by_key(|line| (line.request_id, line.amount.minor));
    lines
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::parse("USD").expect("a currency"))
}

#[test]
fn a_statement_of_pawapay_has_the_payments_of_a_shop() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let paid = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    stage.becomes("payout", &sent, "COMPLETED");
    let back = shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    stage.fakes.flush_on_threads();
    let before = stage.callback_answers().len();
    let callback = format!("http://{}{}", stage.server.api.address, stage.pawapay_path);
    let called = Called::at(&stage.fakes);
    let none = called.pawapay_with(last_day(&stage.fakes), &callback);
    assert_eq!(none, Ok(vec![]), "statements lag behind");
    // That a statement is made is heard, and is no news of a payment.
    stage.fakes.flush_on_threads();
    let answers = stage.callback_answers().split_off(before);
    assert!(!answers.is_empty() && answers.iter().all(|answer| *answer == 200), "{answers:?}");
    let unmatched = stage.server.database.value("SELECT count(*) FROM unmatched_callbacks");
    assert_eq!(unmatched, "0");
    stage.fakes.advance(3_600);
    let lines = called.pawapay(last_day(&stage.fakes)).expect("statements");
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (execution, kind, sign) in [
        (&paid, LineKind::Collection, 1),
        (&sent, LineKind::Payout, -1),
        (&back, LineKind::Refund, -1),
    ] {
        let payment = stage.at_pawapay(execution);
        let id = shown(&payment, "id");
        let line = lines.iter().find(|it| it.request_id.is_some_and(|own| own.to_string() == id));
        let line = line.unwrap_or_else(|| panic!("no line of {payment}"));
        let moved = payment["moved_minor"].as_i64().expect("an amount");
        assert_eq!((line.kind, line.amount), (kind, usd(sign * moved)));
        assert!(line.fee.is_some() && line.settled.is_none() && line.reference.is_none());
    }
}

#[test]
fn the_form_of_a_file_makes_no_difference() {
    let (fakes, called) = alone();
    add_lines(&fakes, 7);
    let days = last_day(&fakes);
    let plain = called.pawapay(days).expect("statements");
    assert_eq!(plain.len(), 7);
    let columns = json!(["Fee", "Type", "Currency", "Amount", "Transaction ID", "Creation Date"]);
    for how in [
        json!({ "reordered": true }),
        json!({ "columns": columns }),
        json!({ "encoding": "UTF-16LE" }),
        json!({ "encoding": "UTF-16BE", "columns": columns }),
    ] {
        control(&fakes, "/pawapay/statement-files", &how);
        let read = called.pawapay(days).expect("statements");
        assert_eq!(sorted(read), sorted(plain.clone()), "{how}");
    }
    // What is there twice is told twice.
    control(&fakes, "/pawapay/statement-files", &json!({ "doubled": true }));
    let doubled = called.pawapay(days).expect("statements");
    assert_eq!(sorted(doubled), sorted([plain.clone(), plain].concat()));
}

#[test]
fn a_file_that_is_not_whole_is_no_statement() {
    let (fakes, called) = alone();
    add_lines(&fakes, 7);
    let days = last_day(&fakes);
    let fault = |how: Value| {
        control(&fakes, "/pawapay/statement-files", &how);
        called.pawapay(days).expect_err("a fault")
    };
    let cut = fault(json!({ "cut": "LINES" }));
    assert!(matches!(&cut, SourceFault::Incomplete(why) if why.contains("4 times")), "{cut}");
    let without =
        fault(json!({ "columns": ["Creation Date", "Transaction ID", "Type", "Currency"] }));
    assert!(
        matches!(&without, SourceFault::File(why) if why.0.contains("\"Amount\"")),
        "{without}"
    );
    let twice = fault(json!({ "columns": ["Amount", "Amount"] }));
    assert!(matches!(&twice, SourceFault::File(why) if why.0.contains("two columns")), "{twice}");
    // The middle of the file of every wallet is that of a line: of most of them, of the first one.
    let middle = fault(json!({ "cut": "MIDDLE" }));
    assert!(matches!(&middle, SourceFault::File(_)), "{middle}");
}

#[test]
fn a_network_that_fails_for_a_while_is_asked_again() {
    let (fakes, called) = alone();
    add_lines(&fakes, 3);
    for (kind, method, path) in [
        ("REFUSED", "GET", "/v2/wallet-balances"),
        ("REFUSED", "POST", "/v2/statements"),
        ("RESET", "POST", "/v2/statements"),
        ("BAD_GATEWAY", "GET", "/v2/statements/*"),
        ("REFUSED", "GET", "/files/*"),
        ("CUT_ANSWER", "GET", "/files/*"),
    ] {
        let fault = json!({"network": "PAWAPAY", "kind": kind, "status": 503,
            "match": {"method": method, "path": path}});
        let fault = match kind {
            "REFUSED" => fault,
            _ => json!({"network": "PAWAPAY", "kind": kind, "match": fault["match"]}),
        };
        control(&fakes, "/faults", &fault);
    }
    assert_eq!(called.pawapay(last_day(&fakes)).expect("statements").len(), 3);
    let left = fakes.look("/faults").expect("faults");
    assert_eq!(left["pawapay"].as_array().map(Vec::len), Some(0), "{left}");
}

#[test]
fn what_a_network_will_not_say_is_not_asked_again() {
    let (fakes, called) = alone();
    add_lines(&fakes, 1);
    let days = last_day(&fakes);
    let refuse = |status: u16, path: &str| {
        let fault = json!({"network": "PAWAPAY", "kind": "REFUSED", "status": status,
            "match": {"path": path}});
        control(&fakes, "/faults", &fault);
        called.pawapay(days).expect_err("a fault").to_string()
    };
    assert!(refuse(401, "/v2/wallet-balances").contains("kola networks set-token"));
    assert!(refuse(404, "/v2/statements").contains("pawaPay"));
    let moved = refuse(302, "/files/*");
    assert!(moved.contains("redirects are not followed"), "{moved}");
    let gone = refuse(403, "/files/*");
    assert!(gone.contains("403") && !gone.contains("/files/"), "{gone}");
    // A statement that is never made.
    control(&fakes, "/pawapay/settings", &json!({ "delay_ms": 86_400_000 }));
    let (from, to) = days;
    let mapping = Mapping::default();
    let how = How { callback_url: CALLBACK, mapping: &mapping };
    let soon = Duration::from_millis(1_500);
    let late = called.ask(PAWAPAY, soon, async |asker| statements(&asker, from, to, how).await);
    assert!(matches!(late, Err(SourceFault::Late(_))), "{late:?}");
}

#[test]
fn a_long_time_is_asked_for_in_windows_and_no_line_comes_twice() {
    let begins =
        Settings { delay_ms: 0, clock_stands_at: Some(1_790_000_000_000), ..Settings::default() };
    let fakes = Fakes::start_on_threads(begins).expect("the fakes");
    let called = Called::at(&fakes);
    let lines_at = ServerTime(millis(fakes.now()));
    add_lines(&fakes, 5);
    // The lines are at the border of two windows, and belong to both by pawaPay.
    control(&fakes, "/pawapay/statement-files", &json!({ "with_end": true }));
    let days = (lines_at.plus(-seconds(31 * 86_400)), lines_at.plus(seconds(9 * 86_400)));
    let asked = called.ask(PAWAPAY, LONG, async |asker| windows(&asker, days.0, days.1).await);
    let asked = asked.expect("windows");
    let wallets = fakes.books()["pawapay"]["wallets"].as_array().map(Vec::len);
    assert_eq!(Some(asked.len()), wallets.map(|count| count * 2));
    assert!(asked.iter().all(|it| it.to.since(it.from) <= seconds(31 * 86_400)));
    assert_eq!(called.pawapay(days).expect("statements").len(), 5);
    let requests = fakes.look("/requests").expect("requests");
    let requests = requests["pawapay"].as_array().cloned().unwrap_or_default();
    let posts = requests.iter().filter(|request| request["method"] == "POST");
    assert_eq!(posts.count(), asked.len());
}

#[test]
fn a_statement_of_stripe_has_the_payments_of_a_shop() {
    let stage = Stage::open();
    let shop = &stage.shop;
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", Some("pm_card_visa"));
    let paid = shop.take(card, "USD", "100.00");
    let paid = stage.becomes("collection", &paid, "COMPLETED");
    let back = shop.refund(&paid, "30.00");
    stage.becomes("refund", &back, "COMPLETED");
    // What was taken in is available after two days.
    stage.fakes.advance(3 * 86_400);
    let paid_out = stage.control("/stripe/payouts", &json!({ "currency": "usd" }));
    let now = ServerTime(millis(stage.fakes.now()));
    let days = (now.plus(-seconds(5 * 86_400)), now.plus(seconds(1)));
    let called = Called::at(&stage.fakes);
    let lines = called.stripe(days).expect("lines");
    let kinds: Vec<LineKind> = lines.iter().map(|line| line.kind).collect();
    // The newest first.
    assert_eq!(kinds, [LineKind::BankTransfer, LineKind::Refund, LineKind::Collection]);
    let books = stage.fakes.books();
    let intent = &books["stripe"]["payment_intents"][0];
    let payment = &lines[2];
    assert_eq!(payment.amount, usd(intent["received_minor"].as_i64().expect("an amount")));
    assert_eq!(payment.reference.as_deref(), intent["id"].as_str());
    assert!(payment.fee.is_some_and(|fee| fee.minor > 0) && payment.line_id.is_some());
    let request_ids = stage.server.database.rows("SELECT request_id FROM provider_attempts");
    for line in &lines[1..] {
        let id = line.request_id.expect("our id").to_string();
        assert!(request_ids.iter().any(|row| row[0].contains(&id)), "{id}: {request_ids:?}");
    }
    assert_eq!(lines[1].amount, usd(-3_000));
    // The same by the payout, and Stripe lists it.
    let payout = shown(&paid_out, "payout");
    let of_payout = called
        .ask(STRIPE, LONG, async |asker| StripeLines::of_payout(asker, payout.clone()).all().await);
    assert_eq!(of_payout, Ok(lines));
    let listed = called.ask(STRIPE, LONG, async |asker| payouts(&asker, days.0, days.1).await);
    let ids: Vec<String> = listed.expect("payouts").into_iter().map(|it| it.id).collect();
    assert_eq!(ids, [payout]);
}

#[test]
fn a_list_of_stripe_is_read_to_its_end() {
    let (fakes, called) = alone();
    let change = |source: &str, change: &str, more: &Value| {
        let mut body = more.clone();
        body["source"] = json!(source);
        body["change"] = json!(change);
        control(&fakes, "/stripe/balance-transactions", &body);
    };
    let source = |number: i64| format!("ch_{number}");
    for number in 1..=250 {
        let more = json!({ "amount": number * 100, "fee": 30, "currency": "usd" });
        change(&source(number), "ADD", &more);
    }
    fakes.advance(1);
    let days = last_day(&fakes);
    let lines = called.stripe(days).expect("lines");
    let read: Vec<(Option<String>, i64)> =
        lines.into_iter().map(|line| (line.reference, line.amount.minor)).collect();
    let all: Vec<_> = (1..=250).rev().map(|number| (Some(source(number)), number * 100)).collect();
    assert_eq!(read, all);

    change("ch_1", "REMOVE", &json!({}));
    change("ch_2", "REPEAT", &json!({}));
    change("ch_3", "CHANGE", &json!({ "amount": 7, "fee": 1 }));
    fakes.advance(1);
    let days = last_day(&fakes);
    let lines = called.stripe(days).expect("lines");
    let of = |number: i64| -> Vec<&ReportedLine> {
        let id = source(number);
        lines.iter().filter(|line| line.reference.as_ref() == Some(&id)).collect()
    };
    assert_eq!((lines.len(), of(1).len(), of(2).len()), (250, 0, 2));
    assert_ne!(of(2)[0].line_id, of(2)[1].line_id);
    assert_eq!((of(3)[0].amount, of(3)[0].fee), (usd(7), Some(usd(1))));

    change("ch_odd", "ADD", &json!({ "amount": 1, "currency": "xyz" }));
    fakes.advance(1);
    let fault = called.stripe(last_day(&fakes)).expect_err("a fault");
    let SourceFault::Incomplete(why) = fault else { panic!("{fault}") };
    assert!(why.contains("txn_") && why.contains("xyz"), "{why}");
}

#[test]
fn the_networks_tell_what_they_keep() {
    let (fakes, called) = alone();
    let wallet = |currency: &str, country: &str, minor: i64| {
        let wallet = json!({ "country": country, "currency": currency, "minor": minor });
        control(&fakes, "/pawapay/wallets", &wallet);
    };
    wallet("USD", "LBR", -1_250);
    wallet("USD", "ZMB", 1_000);
    wallet("RWF", "RWA", 21_798);
    let ask = |id| called.ask(id, LONG, async |asker| own_balance(&asker).await);
    let balances = ask(PAWAPAY).expect("balances");
    let of = |code: &str| {
        let mut found = balances.iter().filter(|money| money.currency.code() == code);
        (found.next().map(|money| money.minor), found.next())
    };
    assert_eq!((of("USD"), of("RWF")), ((Some(-250), None), (Some(21_798), None)));

    assert_eq!(ask(STRIPE), Ok(vec![]));
    let add = |amount: i64, currency: &str| {
        let line = json!({"source": "ch_1", "change": "ADD", "amount": amount, "fee": 10,
            "currency": currency});
        control(&fakes, "/stripe/balance-transactions", &line);
    };
    add(1_000, "usd");
    fakes.advance(3 * 86_400);
    // What is available, and what is pending.
    add(500, "usd");
    add(-70, "rwf");
    let rwf = Money::new(-80, Currency::parse("RWF").expect("a currency"));
    assert_eq!(ask(STRIPE), Ok(vec![rwf, usd(1_480)]));
}

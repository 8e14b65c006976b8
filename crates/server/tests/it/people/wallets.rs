//! Wallets at `/app`: their entries by day, and the same entries as CSV.

use std::collections::BTreeSet;

use super::invoices::SEE_CONTACTS;
use super::payments::everybody;
use super::person::{Person, between, text};
use super::{member, open_with_key};
use crate::support::papers::Paper;
use crate::support::shop::{GOOD, ending, new_phone};
use crate::support::{Merchant, Reply, Server, open_two, shown};

pub(super) fn wallets(shop: &Merchant) -> String {
    format!("/app/wallets/{}", shop.credentials.merchant_id)
}

pub(super) fn wallet(shop: &Merchant, currency: &str) -> String {
    format!("{}/{}", wallets(shop), shop.wallet(currency))
}

/// Who may read wallets.
const READERS: [&str; 5] = ["OWNER", "FINANCE", "MANAGER", "OPERATOR", "AUDITOR"];

/// The numbers of the entries on a page.
fn entries(page: &Reply) -> Vec<i64> {
    let parts = text(page).split(", entry ").skip(1);
    let numbers = parts.filter_map(|rest| rest.split('<').next()?.parse().ok());
    numbers.collect()
}

/// The cells of a CSV without its head.
pub(super) fn cells(csv: &Reply) -> Vec<Vec<String>> {
    let lines = text(csv).lines().skip(1);
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// Where a page of older ones is.
fn older(page: &Reply) -> Option<String> {
    let (before, _) = text(page).split_once("\">Older")?;
    Some(before.rsplit_once("href=\"")?.1.replace("&#38;", "&"))
}

/// The days of a page, each with the number of its entries.
fn days(page: &Reply) -> Vec<(String, usize)> {
    let parts = text(page).split("<h3>").skip(1);
    let day = |part: &str| {
        (part.split('<').next().unwrap_or_default().to_owned(), part.matches("<li>").count())
    };
    parts.map(day).collect()
}

/// Dates the events that fit.
pub(super) fn date(server: &Server, condition: &str, time: &str) {
    let at = time.parse::<jiff::Timestamp>().expect("a time").as_microsecond();
    server.database.damage(&format!("UPDATE events SET created_at = {at} WHERE {condition}"));
}

#[test]
fn each_role_reads_wallets_as_it_may() {
    let (server, shop, other) = open_two();
    server.fund(&shop, "USD", "500.00");
    let (customer, of_party) = shop.party_with_money("USD", "20.00");
    let paid = shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    let payment =
        format!("/app/payments/{}/{}", shop.credentials.merchant_id, paid["payment_intent_id"]);
    let theirs = format!("{}/{}", wallets(&shop), other.wallet("USD"));
    for (role, person) in &mut everybody(&server, &shop) {
        let may = READERS.contains(role);
        let status = if may { 200 } else { 403 };
        let list = person.browser.get(&wallets(&shop));
        assert_eq!(list.status, status, "{role}: {}", text(&list));
        let (own, party) = (wallet(&shop, "USD"), format!("{}/{of_party}", wallets(&shop)));
        for path in [&own, &party] {
            let page = person.browser.get(path);
            assert_eq!(page.status, status, "{role} {path}: {}", text(&page));
            let csv = person.browser.get(&format!("{path}/csv"));
            assert_eq!(csv.status, status, "{role} {path}");
        }
        let home =
            text(&person.browser.get(&format!("/app/payments/{}", shop.credentials.merchant_id)))
                .contains(&format!("href=\"{}\"", wallets(&shop)));
        assert_eq!(home, may, "{role} is shown the screen if it may see it");
        if may {
            // 500.00, less 20.00, and 10.15 with the fees of the payout.
            for part in
                ["469.85 USD</strong> available", "20.00 USD</strong> available", &own, &party]
            {
                assert!(text(&list).contains(part), "{role} {part}: {}", text(&list));
            }
            // Whose it is, by a name that may be seen.
            let name = if SEE_CONTACTS.contains(role) { "Amara Kollie" } else { "A. K." };
            let merchant = shop.credentials.merchant_id;
            let link = format!(
                "of <a href=\"/app/customers/{merchant}/{customer}\"><bdi>{name}</bdi></a>"
            );
            let page = person.browser.get(&party);
            for page in [&list, &page] {
                assert!(text(page).contains(&link), "{role}: {}", text(page));
                assert_eq!(text(page).matches(name).count(), 1, "{role}: {}", text(page));
            }
            let page = person.browser.get(&own);
            assert!(text(&page).contains(", the merchant's own</h1>"), "{role}: {}", text(&page));
            for part in [
                "469.85 USD",
                "Test money added",
                "Held for a payout",
                "\u{2212}10.15 USD</strong> available",
                "+10.15 USD</strong> held",
                "Then <span class=\"n\">469.85 USD</span> available",
                &format!("href=\"{payment}\""),
            ] {
                assert!(text(&page).contains(part), "{role} {part}: {}", text(&page));
            }
            let pays = ["OWNER", "FINANCE", "MANAGER"].contains(role);
            assert_eq!(text(&page).contains("Pay out or transfer"), pays, "{role}");
            let received = person.browser.get(&party);
            assert!(text(&received).contains("Transfer received"), "{}", text(&received));
        }
        // Another merchant's wallet is not there, neither in its name nor in one's own.
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        for end in ["", "/csv"] {
            let status = if may { 404 } else { 403 };
            assert_eq!(person.browser.get(&format!("{theirs}{end}")).status, status, "{role}");
            let elsewhere = person.browser.get(&format!("{}{end}", wallet(&other, "USD"))).status;
            assert_eq!(elsewhere, if of_installation { 200 } else { 404 }, "{role}");
        }
        let nowhere = format!("{}/987654", wallets(&shop));
        assert_eq!(person.browser.get(&nowhere).status, if may { 404 } else { 403 }, "{role}");
    }
    server.verify_ledger();
}

#[test]
fn entries_stand_under_their_days_page_by_page() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let path = wallet(&shop, "USD");
    let page = ama.browser.get(&path);
    assert!(text(&page).contains("No entry yet."), "{}", text(&page));
    server.fund(&shop, "USD", "900.00");
    let account = shop.momo("COLLECTION", GOOD);
    for _ in 0..51 {
        shop.take(account, "USD", "1.00");
    }
    // As if the oldest twelve were of the day before.
    date(&server, "true", "2026-07-02T10:00:00Z");
    let id = shop.wallet("USD");
    let twelfth = server.database.value(&format!(
        "SELECT position FROM entries JOIN events ON events.id = transaction_id \
         WHERE account_id = {id} ORDER BY position LIMIT 1 OFFSET 11"
    ));
    date(&server, &format!("position <= {twelfth}"), "2026-07-01T23:59:59Z");
    let first = ama.browser.get(&path);
    assert_eq!(entries(&first).len(), 50, "{}", text(&first));
    assert_eq!(days(&first), [("2 July 2026".to_owned(), 40), ("1 July 2026".to_owned(), 10)]);
    assert!(text(&first).contains(">23:59:59 UTC<"), "{}", text(&first));
    let second = ama.browser.get(&older(&first).expect("older ones"));
    assert_eq!(older(&second), None);
    assert_eq!(days(&second), [("1 July 2026".to_owned(), 2)]);
    let all: Vec<i64> = entries(&first).into_iter().chain(entries(&second)).collect();
    assert_eq!(all.len(), 52);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 52, "each once");
    // The balances run: each is the one below it and the amount.
    let csv = ama.browser.get(&format!("{path}/csv"));
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let rows = cells(&csv);
    let ids: Vec<i64> = rows.iter().map(|row| row[0].parse().expect("an id")).collect();
    assert_eq!(ids, all, "exactly what the pages list");
    let minor = |text: &str| text.replace('.', "").parse::<i64>().unwrap_or(0);
    for two in rows.windows(2) {
        assert_eq!(minor(&two[0][9]) - minor(&two[0][7]), minor(&two[1][9]), "{two:?}");
    }
    assert_eq!((rows[0][4].as_str(), rows[0][5].as_str()), ("execution.completed", "COLLECTION"));
    assert_eq!(rows[51][4], "wallet.funded");
    // The day is what the address says.
    let day = ama.browser.get(&format!("{path}?from=2026-07-01&until=2026-07-02"));
    assert_eq!(days(&day), [("1 July 2026".to_owned(), 12)]);
    let csv = ama.browser.get(&format!("{path}/csv?from=2026-07-02"));
    assert_eq!(cells(&csv).len(), 40);
}

#[test]
fn entries_are_filtered_by_dates_in_the_address_and_the_csv_with_them() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let path = wallet(&shop, "USD");
    server.fund(&shop, "USD", "100.00");
    let funded = shop.api.get(&format!("/v1/wallets/{}/entries", shop.wallet("USD"))).rows();
    let at = shown(&funded[0], "created_at");
    shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    // The payout holds two entries and ends with one.
    for (filter, found) in [
        (String::new(), 4),
        ("from=2000-01-01".to_owned(), 4),
        ("from=2100-01-01".to_owned(), 0),
        ("until=2000-01-01".to_owned(), 0),
        ("from=2000-01-01&until=2100-01-01".to_owned(), 4),
        (format!("until={at}"), 0),
        (format!("from={at}"), 4),
    ] {
        let page = ama.browser.get(&format!("{path}?{filter}"));
        assert_eq!((page.status, entries(&page).len()), (200, found), "{filter}: {}", text(&page));
        assert_eq!(text(&page).contains("No entry of this time."), found == 0, "{filter}");
        let csv = ama.browser.get(&format!("{path}/csv?{filter}"));
        assert_eq!(cells(&csv).len(), found, "{filter}: {}", text(&csv));
        let id = shop.wallet("USD");
        let rows = shop.api.get(&format!("/v1/wallets/{id}/entries?{filter}")).rows();
        assert_eq!(rows.len(), found, "{filter}");
        let exported = shop.api.get(&format!("/v1/wallets/{id}/entries/export?{filter}"));
        assert_eq!(text(&exported), text(&csv), "{filter}");
    }
    for (filter, field) in [("from=yesterday", "from"), ("until=x", "until")] {
        let page = ama.browser.get(&format!("{path}?{filter}"));
        assert_eq!(page.status, 422, "{filter}");
        assert!(text(&page).contains(&format!("id=\"{field}-fault\"")), "{}", text(&page));
        // The CSV is asked for by the same address, and says what is wrong as the list does.
        for csv in ["", "/csv"] {
            let page = ama.browser.get(&format!("{path}{csv}?{filter}"));
            assert_eq!(page.status, 422, "{csv} {filter}");
            assert!(text(&page).contains("-fault\""), "{csv} {filter}: {}", text(&page));
        }
        let id = shop.wallet("USD");
        shop.api.get(&format!("/v1/wallets/{id}/entries/export?{filter}")).refused(422);
    }
    assert!(text(&ama.browser.get(&format!("{path}?after=x"))).contains("There is no such place."));
}

/// What another merchant sent has its entry here, but its payment is theirs.
#[test]
fn a_transfer_of_another_merchant_links_to_nothing() {
    let (server, shop, other) = open_two();
    server.fund(&other, "USD", "50.00");
    let phone = new_phone();
    server.database.sql(&format!(
        "UPDATE merchants SET phone = '{phone}' WHERE id = {}",
        shop.credentials.merchant_id
    ));
    let sent = other.transfer(other.counterparty(other.party_with_phone(&phone)), "USD", "5.00");
    assert_eq!(shown(&sent, "status"), "COMPLETED");
    shop.assert_balance("USD", "5.00", "0.00");
    let mut ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    let page = ama.browser.get(&wallet(&shop, "USD"));
    assert_eq!(entries(&page).len(), 1);
    for part in
        ["Transfer received: <strong class=\"n\">+5.00 USD", "Then <span class=\"n\">5.00 USD"]
    {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    let theirs = format!("/{}\"", sent["payment_intent_id"]);
    assert!(!text(&page).contains(&theirs), "{}", text(&page));
    server.verify_ledger();
}

/// What a PDF says, without spaces. Every character of it can be shown.
fn words(pdf: &Paper) -> Option<String> {
    let words = pdf.pdf_words();
    assert!(!words.as_ref().is_some_and(|words| words.contains('\u{fffd}')), "{words:?}");
    words
}

/// The statement of the merchant's wallet of dollars, as its program gets it.
fn statement(server: &Server, shop: &Merchant, month: &str) -> Paper {
    let path = format!("/v1/wallets/{}/statement?month={month}", shop.wallet("USD"));
    let token = format!("Bearer {}", shop.api.token.as_deref().expect("a token"));
    server.paper_for(&path, ("Authorization", &token))
}

/// The same for somebody who has logged in.
fn statement_for(server: &Server, person: &Person, path: &str) -> Paper {
    let (name, value) = person.browser.cookies.first_key_value().expect("a login");
    server.paper_for(path, ("Cookie", &format!("{name}={value}")))
}

/// The amount that stands between two texts, in minor units.
#[track_caller]
fn amount(words: &str, before: &str, after: &str) -> i64 {
    let text = between(words, before, after).replace([',', '.', '+'], "");
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// July has a payment, a refund, a payout that fails and one that is held over the end of the month;
/// August has the rest.
#[test]
fn statements_sum_exactly_to_the_ledger() {
    let (server, shop) = open_with_key();
    let ama = member(&server, &shop, "FINANCE", "ama@shop.example");
    server.fund(&shop, "USD", "500.00");
    let paid = shop.paid_hundred();
    shop.refund(&paid, "10.30");
    shop.send(shop.momo("PAYOUT", &ending("089")), "USD", "7.00");
    let late = shop.send(shop.momo("PAYOUT", &ending("129")), "USD", "50.00");
    assert_eq!(shown(&late, "status"), "PROCESSING");
    shop.assert_balance("USD", "538.95", "50.75");
    date(&server, "true", "2026-07-31T23:59:59.999999Z");
    let july = server.database.value("SELECT max(position) FROM events");
    shop.advance(15 * 60);
    shop.settled("payout", &late);
    shop.transfer(shop.customer(), "USD", "20.00");
    shop.assert_balance("USD", "518.95", "0.00");
    date(&server, &format!("position > {july}"), "2026-08-01T00:00:00Z");
    let wallet_path = wallet(&shop, "USD");
    for month in ["2026-06", "2026-07", "2026-08", "2026-09"] {
        let pdf = statement(&server, &shop, month);
        assert_eq!((pdf.status, pdf.header("content-type")), (200, "application/pdf"), "{month}");
        let name = format!("inline; filename=\"statement-{}-{month}.pdf\"", shop.wallet("USD"));
        assert_eq!(pdf.header("content-disposition"), name);
        assert_eq!(pdf.header("cache-control"), "no-store");
        let page = statement_for(&server, &ama, &format!("{wallet_path}/statement?month={month}"));
        assert_eq!(page.bytes.len(), pdf.bytes.len(), "the page's is the same");
        let Some(words) = words(&pdf) else { continue };
        let (available, held) = words.split_once("HeldKindSum").expect("two balances");
        let balances = |part: &str| {
            let end = if part.contains("Now") { "Now" } else { "Attheend" };
            (amount(part, "Atthebeginning", "USD"), amount(part, end, "USD"))
        };
        let expected = match month {
            "2026-06" => [(0, 0), (0, 0)],
            "2026-07" => [(0, 53_895), (0, 5_075)],
            "2026-08" => [(53_895, 51_895), (5_075, 0)],
            _ => [(51_895, 51_895), (0, 0)],
        };
        assert_eq!([balances(available), balances(held)], expected, "{month}: {words}");
        // The sums by kind lead from one to the other, and so do the entries that the API lists.
        let next = match month {
            "2026-06" => "2026-07",
            "2026-07" => "2026-08",
            "2026-08" => "2026-09",
            _ => "2026-10",
        };
        let filter = format!("from={month}-01&until={next}-01&limit=1000");
        let path = format!("/v1/wallets/{}/entries?{filter}", shop.wallet("USD"));
        let rows = shop.api.get(&path).rows();
        let of = |bucket: &str| -> i64 {
            let rows = rows.iter().filter(|row| row["bucket"] == bucket);
            rows.map(|row| shown(row, "amount").replace('.', "").parse::<i64>().expect("minor"))
                .sum()
        };
        let moved = |(opening, closing): (i64, i64)| closing - opening;
        assert_eq!(of("AVAILABLE"), moved(expected[0]), "{month}");
        assert_eq!(of("HELD"), moved(expected[1]), "{month}");
        for row in &rows {
            assert!(words.contains(&format!("Entry{}.", row["id"])), "{month} {row}: {words}");
        }
    }
    let Some(july) = words(&statement(&server, &shop, "2026-07")) else { return };
    for part in [
        "StatementofwalletX".replace('X', &shop.wallet("USD").to_string()).as_str(),
        "forJuly2026",
        "FirstShop",
        "norealmoney",
        "Paymentsreceived1entry+100.00USD",
        "Testmoneyadded1entry+500.00USD",
        "Heldforpayouts2entries-57.86USD",
        "Heldforrefunds1entry-10.30USD",
        "Releasedbypayoutsthatfailed1entry+7.11USD",
        "31July2026",
        "23:59:59UTC",
    ] {
        assert!(july.contains(part), "{part}: {july}");
    }
    let august = words(&statement(&server, &shop, "2026-08")).expect("read before");
    for part in ["Transfers1entry-20.00USD", "Payouts1entry-50.75USD", "1August2026"] {
        assert!(august.contains(part), "{part}: {august}");
    }
    let june = words(&statement(&server, &shop, "2026-06")).expect("read before");
    assert!(june.contains("Nothingmovedinthismonth."), "{june}");
}

#[test]
fn a_statement_is_of_a_month_that_has_begun_and_for_who_may_read_wallets() {
    let (server, shop, other) = open_two();
    server.fund(&shop, "USD", "500.00");
    let path = format!("{}/statement", wallet(&shop, "USD"));
    let id = shop.wallet("USD");
    for month in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "november", "9999-12"] {
        shop.api.get(&format!("/v1/wallets/{id}/statement?month={month}")).refused(422);
    }
    shop.api.get(&format!("/v1/wallets/{id}/statement")).refused(422);
    shop.api.get(&format!("/v1/wallets/{id}/statement?month=2999-01")).refused(404);
    shop.api.get("/v1/wallets/987654/statement?month=2026-01").refused(404);
    for (role, person) in &mut everybody(&server, &shop) {
        let may = READERS.contains(role);
        let this_month = jiff::Timestamp::now().to_string()[..7].to_owned();
        let pdf = statement_for(&server, person, &format!("{path}?month={this_month}"));
        assert_eq!(pdf.status, if may { 200 } else { 403 }, "{role}");
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        let theirs = format!("{}/statement?month={this_month}", wallet(&other, "USD"));
        let status = if of_installation { 200 } else { 404 };
        assert_eq!(statement_for(&server, person, &theirs).status, status, "{role}");
        if !may {
            continue;
        }
        if let Some(words) = words(&pdf) {
            assert!(
                words.contains("Themonthisnotover") && words.contains("Now500.00USD"),
                "{words}"
            );
        }
        for month in ["", "yesterday", "2999-01"] {
            let page = person.browser.get(&format!("{path}?month={month}"));
            assert_eq!(page.status, 422, "{role} {month}");
            assert!(text(&page).contains("id=\"month-fault\""), "{}", text(&page));
            assert!(text(&page).contains("Test money added"), "the entries stay: {}", text(&page));
        }
    }
}

/// A month with as many entries as a statement lists, and one with one more.
#[test]
fn a_statement_of_many_entries_has_many_pages_or_says_where_they_are() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "1.00");
    let (merchant, wallet) = (shop.credentials.merchant_id, shop.wallet("USD"));
    date(&server, "true", "2026-07-01T00:00:00Z");
    let at = "2026-07-05T08:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_microsecond();
    let more = |from: i64, to: i64| {
        let numbers = format!(
            "WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})"
        );
        let last: i64 = server
            .database
            .value(&format!("SELECT last FROM event_positions WHERE merchant_id = {merchant}"))
            .parse()
            .expect("a position");
        let first = server
            .database
            .value(&format!("SELECT last_entry_id FROM wallets WHERE id = {wallet}"));
        let base = 10_000_000;
        server.database.damage(&format!(
            "INSERT INTO events (id, merchant_id, subject_id, position, sequence, created_at, type, subject_type) \
             {numbers} SELECT {base} + 2 * i, {merchant}, {wallet}, {last} + 1 + i - {from}, 1000 + i, \
             {at} + i, {{event_type wallet.funded}}, {{event_entity WALLET}} FROM n; \
             INSERT INTO entries (id, merchant_id, transaction_id, account_id, amount_minor, balance_minor, \
             previous_entry_id, bucket, currency) {numbers} SELECT {base} + 2 * i + 1, {merchant}, \
             {base} + 2 * i, {wallet}, 1, 100 + i, CASE WHEN i = {from} THEN {first} ELSE {base} + 2 * i - 1 END, \
             {{bucket AVAILABLE}}, 'USD' FROM n; \
             UPDATE wallets SET last_entry_id = {base} + 2 * {to} + 1, available_minor = 100 + {to} WHERE id = {wallet}; \
             UPDATE event_positions SET last = {last} + {to} - {from} + 1 WHERE merchant_id = {merchant}"
        ));
    };
    // The first entry is the funding.
    more(1, 1_999);
    let pdf = statement(&server, &shop, "2026-07");
    let words_of = words(&pdf);
    assert_eq!(pdf.status, 200);
    assert!(pdf.bytes.len() < 1024 * 1024, "{}", pdf.bytes.len());
    if let Some(words) = words_of {
        assert!(words.contains("Testmoneyadded2000entries+20.99USD"), "{words}");
        assert!(words.contains("Attheend20.99USD"));
        let (_, pages) = words.split_once("Page1of").expect("a number of pages");
        let pages: String = pages.chars().take_while(char::is_ascii_digit).collect();
        let pages: usize = pages.parse().expect("a number");
        assert!(pages > 50, "{pages}");
        assert_eq!(words.matches("USDavailable.Entry").count(), 2_000);
    }
    more(2_000, 2_000);
    let pdf = statement(&server, &shop, "2026-07");
    assert_eq!(pdf.status, 200);
    if let Some(words) = words(&pdf) {
        assert!(words.contains("Testmoneyadded2001entries+21.00USD"), "{words}");
        assert!(words.contains("The2001entriesofthismontharetoomany"), "{words}");
        assert!(words.contains("Page1of1"), "{words}");
    }
    // The list and the CSV have them all.
    let csv = shop
        .api
        .get(&format!("/v1/wallets/{wallet}/entries/export?from=2026-07-01&until=2026-08-01"));
    assert_eq!(cells(&csv).len(), 2_001);
}

//! The tariff on pages: what it shows, what a payment would cost, and who changes it.

use std::collections::BTreeMap;

use super::reviews::of_installation;
use super::*;
use crate::support::json;

/// The rows that hold, as the command line lists them.
fn held(server: &Server, what: &str) -> Value {
    serde_json::from_str(&server.kola(&[what, "list", "--json"]).ok()).expect("JSON")
}

/// The figures of a price, by what they are.
fn price(page: &str) -> BTreeMap<String, String> {
    let table = between(page, "<caption>The price", "</table>");
    let rows = table.split("<th scope=\"row\">").skip(1);
    let figures = rows.map(|row| {
        let (name, rest) = row.split_once("</th>").expect("a name");
        (name.to_owned(), between(rest, "<td class=\"n\">", "<").to_owned())
    });
    figures.collect()
}

#[test]
fn an_operator_sees_and_changes_the_tariff() {
    let (server, shop) = open();
    let mut operator = of_installation(&server, "operator");
    let browser = &mut operator.browser;
    let asked = "/app/tariff?operation=COLLECTION&method=MTN_MOMO_LBR&amount=100.00&currency=USD&tier=default\
                 &bearer=PAYER&target=";
    let shown = price(text(&browser.get(asked)));
    let predicted = |shop: &Merchant| {
        let path = "/v1/predictions/amount-and-fees?target_currency=USD&payment_method=MTN_MOMO_LBR\
                    &provider=MTN_MOMO_LBR&base_amount=100&base_currency=USD&operation_type=COLLECTION&fee_bearer=PAYER";
        let told = shop.api.get(path).ok();
        let usd = |name: &str| format!("{} USD", told[name].as_str().expect("an amount"));
        [("The payer pays", "payer_amount"), ("Platform fee", "platform_fee")]
            .map(|(words, name)| (words, usd(name)))
    };
    for (words, amount) in predicted(&shop) {
        assert_eq!(shown[words], amount, "{words}");
    }
    // A fee from now on.
    let fields = [
        ("tier", "default"),
        ("operation", "COLLECTION"),
        ("percentage", "2.5"),
        ("fixed", "0.10"),
        ("fixed_currency", "usd"),
        ("exchange", ""),
        ("from", ""),
    ];
    let done = browser.post("/app/tariff/platform-fee", &fields);
    assert_eq!(leads(&done), "/app/tariff", "{}", text(&done));
    assert!(text(&browser.get("/app/tariff")).contains("2.5 % + 0.10 USD"));
    let shown = price(text(&browser.get(asked)));
    assert_eq!(shown["Platform fee"], "2.60 USD");
    for (words, amount) in predicted(&shop) {
        assert_eq!(shown[words], amount, "{words}");
    }
    // One from a later time on.
    let fields = [
        ("method", "mtn_momo_lbr"),
        ("operation", "COLLECTION"),
        ("percentage", "9"),
        ("fixed", ""),
        ("fixed_currency", ""),
        ("from", "2126-01-01"),
    ];
    assert_eq!(leads(&browser.post("/app/tariff/gateway-fee", &fields)), "/app/tariff");
    let page = browser.get("/app/tariff");
    assert!(text(&page).contains("from 2126-01-01 00:00 UTC"), "{}", text(&page));
    assert!(text(&page).contains("until 2126-01-01 00:00 UTC"), "{}", text(&page));
    let network = "Fee of the network";
    assert_eq!(price(text(&browser.get(asked)))[network], shown[network]);
    // What it costs then is said for then, to the microsecond before which the old fee holds.
    let on = |browser: &mut Browser, time: &str| {
        let page = browser.get(&format!("{asked}&on={time}"));
        assert_eq!(page.status, 200, "{time}: {}", text(&page));
        price(text(&page))[network].clone()
    };
    assert_eq!(on(browser, "2126-01-01"), "9.00 USD");
    assert_eq!(on(browser, "2125-12-31T23:59:59.999999Z"), shown[network]);
    assert!(
        text(&browser.get(&format!("{asked}&on=2126-01-01")))
            .contains("2126-01-01 00:00 UTC</time>")
    );
    assert_eq!(browser.get(&format!("{asked}&on=soon")).status, 422);
    // A planned row is taken back by another one from the same time.
    let back: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, if *name == "percentage" { "1.25" } else { *value }))
        .collect();
    assert_eq!(leads(&browser.post("/app/tariff/gateway-fee", &back)), "/app/tariff");
    assert_eq!(on(browser, "2126-01-01"), "1.25 USD");
    let page = browser.get("/app/tariff");
    assert!(!text(&page).contains("<bdi>9 %</bdi>"), "it never begins: {}", text(&page));
    assert!(text(&browser.get("/app/tariff?all=1")).contains("<bdi>9 %</bdi>"));
    // The method is chosen from a list, of those that have a price.
    for id in ["method", "g_method"] {
        let list = between(text(&page), &format!("<select id=\"{id}\""), "</select>");
        assert!(
            list.contains("value=\"MTN_MOMO_LBR\"") && list.contains("MTN Mobile Money, Liberia"),
            "{list}"
        );
    }
    // Rates, markets and prefixes.
    let rate = [("from", "USD"), ("to", "LRD"), ("rate", "201.5"), ("since", "")];
    assert_eq!(leads(&browser.post("/app/tariff/rates/set", &rate)), "/app/tariff/rates");
    assert!(text(&browser.get("/app/tariff/rates")).contains("1 USD = 201.5 LRD"));
    let market = [("method", "MTN_MOMO_LBR"), ("operation", "COLLECTION"), ("currency", "USD")];
    let markets = "/app/tariff/markets";
    assert_eq!(leads(&browser.post("/app/tariff/markets/close", &market)), markets);
    let is_open = || {
        let rows = held(&server, "markets");
        let is_it = |row: &&Value| {
            row["payment_method"] == json!("MTN_MOMO_LBR")
                && row["operation_type"] == json!("COLLECTION")
                && row["currency"] == json!("USD")
        };
        rows.as_array().expect("rows").iter().any(|row| is_it(&row))
    };
    assert!(!is_open());
    let twice = browser.post("/app/tariff/markets/close", &market);
    assert_eq!(twice.status, 422, "{}", text(&twice));
    assert!(text(&browser.get("/app/tariff/markets?all=1")).contains("MTN_MOMO_LBR, COLLECTION"));
    assert_eq!(leads(&browser.post("/app/tariff/markets/open", &market)), markets);
    assert!(is_open());
    let prefix = [
        ("prefix", "23177"),
        ("digits", "12"),
        ("carrier", "Orange & Co"),
        ("country", "LR"),
        ("method", "ORANGE_MONEY_LBR"),
    ];
    let phones = "/app/tariff/phones";
    assert_eq!(leads(&browser.post("/app/tariff/phones/assign", &prefix)), phones);
    assert!(text(&browser.get(phones)).contains("Orange &#38; Co"), "it stays a text");
    let end = [("prefix", "23177"), ("digits", "12")];
    assert_eq!(leads(&browser.post("/app/tariff/phones/end", &end)), phones);
    assert_eq!(browser.post("/app/tariff/phones/end", &end).status, 422);
    // Each of them is in the audit of the installation.
    let audit = browser.get("/app/audit");
    for what in ["set platform fee", "set gateway fee", "set rate", "close market", "open market"] {
        assert!(text(&audit).contains(what), "{what}");
    }
    server.verify_ledger();
}

/// A row that is set now holds until the one that was planned before it, and the page says so as what
/// a payment would cost does.
#[test]
fn the_page_says_which_row_holds_when() {
    let (server, _) = open();
    let mut operator = of_installation(&server, "operator");
    let browser = &mut operator.browser;
    let mut set = |percentage: &str, from: &str| {
        let fields = [
            ("tier", "default"),
            ("operation", "TRANSFER"),
            ("percentage", percentage),
            ("fixed", ""),
            ("fixed_currency", ""),
            ("exchange", ""),
            ("from", from),
        ];
        let done = browser.post("/app/tariff/platform-fee", &fields);
        assert_eq!(leads(&done), "/app/tariff", "{}", text(&done));
    };
    set("7", "2126-12-10");
    set("9", "2126-12-20");
    set("2", "");
    // Replaced before it began.
    set("5", "2126-12-31");
    set("6", "2126-12-31");
    let period = |page: &str, fee: &str| {
        let row = between(page, &format!("<bdi>{fee} %, exchange"), "</small>").to_owned();
        row.rsplit("<small>").next().expect("its time").to_owned()
    };
    let page = browser.get("/app/tariff");
    let page = text(&page);
    let ends = |fee: &str, words: &str| {
        let period = period(page, fee);
        assert!(period.ends_with(words), "{fee}: {period}");
    };
    ends("2", ", until 2126-12-10 00:00 UTC");
    ends("7", "from 2126-12-10 00:00 UTC, until 2126-12-20 00:00 UTC");
    ends("9", "from 2126-12-20 00:00 UTC, until 2126-12-31 00:00 UTC");
    ends("6", "from 2126-12-31 00:00 UTC");
    assert!(!page.contains("<bdi>5 %, exchange"), "{page}");
    let all = browser.get("/app/tariff?all=1");
    assert_eq!(period(text(&all), "5"), "never: another one took its place");
    // So does the command line.
    let fees = held(&server, "fees");
    let of = |percentage: &str| {
        let rows = fees["platform"].as_array().expect("rows").iter();
        let mut found = rows.filter(|row| {
            row["operation_type"] == json!("TRANSFER") && row["percentage"] == json!(percentage)
        });
        found.next().map(|row| row["effective_to"].clone())
    };
    assert_eq!(of("2"), Some(json!("2126-12-10T00:00:00.000000Z")), "{fees}");
    assert_eq!((of("6"), of("5")), (Some(Value::Null), None), "{fees}");
    for (on, fee) in [("2126-12-09", "2.00"), ("2126-12-10", "7.00"), ("2126-12-21", "9.00")] {
        let asked = format!(
            "/app/tariff?operation=TRANSFER&method=WALLET&amount=100.00&currency=USD\
             &tier=default&bearer=PAYER&target=&on={on}"
        );
        let shown = price(text(&browser.get(&asked)));
        assert_eq!(shown["Platform fee"], format!("{fee} USD"), "{on}");
    }
}

#[test]
fn what_is_not_understood_stays_in_its_form() {
    let (server, _) = open();
    let mut operator = of_installation(&server, "operator");
    let browser = &mut operator.browser;
    let version = || server.database.value("SELECT version FROM tariff");
    let before = version();
    for (path, fields, said) in [
        (
            "platform-fee",
            vec![("operation", "REFUND"), ("percentage", "1")],
            "A refund has no fees",
        ),
        ("platform-fee", vec![("operation", "COLLECTION"), ("percentage", "101")], "0 to 100"),
        (
            "platform-fee",
            vec![("operation", "COLLECTION"), ("percentage", "1"), ("from", "2001-01-01")],
            "begins now or later",
        ),
        (
            "gateway-fee",
            vec![
                ("method", "MTN_MOMO_LBR"),
                ("operation", "PAYOUT"),
                ("percentage", "1"),
                ("from", "soon"),
            ],
            "Give a day",
        ),
        ("rates/set", vec![("from", "USD"), ("to", "LRD"), ("rate", "0")], "above zero"),
        ("rates/set", vec![("from", "XXXX"), ("to", "LRD"), ("rate", "1")], "ISO 4217"),
        (
            "markets/open",
            vec![("method", "NEW_MOMO"), ("operation", "PAYOUT"), ("currency", "USD")],
            "Say its network",
        ),
        ("markets/close", vec![("method", "")], "Say which market"),
        (
            "phones/assign",
            vec![
                ("prefix", "x"),
                ("digits", "12"),
                ("carrier", "C"),
                ("country", "LR"),
                ("method", "A_B"),
            ],
            "A prefix is",
        ),
        ("phones/end", vec![("prefix", "23188"), ("digits", "99")], "Say which prefix"),
    ] {
        let mut fields = fields;
        if path == "platform-fee" {
            fields.push(("tier", "default"));
        }
        let page = browser.post(&format!("/app/tariff/{path}"), &fields);
        assert_eq!(page.status, 422, "{path} {fields:?}: {}", text(&page));
        assert!(text(&page).contains(said), "{path} {said}: {}", text(&page));
    }
    for asked in [
        "amount=1&currency=EURO",
        "amount=x&currency=USD",
        "amount=1&currency=USD&method=NO_SUCH&operation=PAYOUT",
    ] {
        assert_eq!(browser.get(&format!("/app/tariff?{asked}")).status, 422, "{asked}");
    }
    assert_eq!(version(), before);
}

#[test]
fn only_the_operator_changes_the_tariff() {
    let (server, shop) = open();
    let mut auditor = of_installation(&server, "auditor");
    let version = || server.database.value("SELECT version FROM tariff");
    let before = version();
    let forms = [
        "platform-fee",
        "gateway-fee",
        "rates/set",
        "markets/open",
        "markets/close",
        "phones/assign",
        "phones/end",
    ];
    let good = [("from", "USD"), ("to", "LRD"), ("rate", "3")];
    for page in ["", "/rates", "/markets", "/phones"] {
        let path = format!("/app/tariff{page}");
        let seen = auditor.browser.get(&path);
        assert_eq!(seen.status, 200, "{path}");
        // The form that logs out is everybody's.
        assert_eq!(text(&seen).matches("method=\"post\"").count(), 1, "{path}");
    }
    for form in forms {
        let reply = auditor.browser.post(&format!("/app/tariff/{form}"), &good);
        assert_eq!(reply.status, 403, "{form}: {}", text(&reply));
    }
    for role in ["VIEWER", "SUPPORT", "DEVELOPER", "FINANCE", "MANAGER", "OWNER"] {
        let mut person = member(&server, &shop, role, &format!("{role}@shop.example"));
        for page in ["", "/rates", "/markets", "/phones"] {
            assert_eq!(person.browser.get(&format!("/app/tariff{page}")).status, 404, "{role}");
        }
        for form in forms {
            let path = format!("/app/tariff/{form}");
            assert_eq!(person.browser.post(&path, &good).status, 404, "{role} {form}");
        }
    }
    assert_eq!(version(), before);
    // A change asks for the code again after a while.
    let mut operator = of_installation(&server, "operator");
    server.database.sql("UPDATE logins SET second_factor_at = 1");
    let reply = operator.browser.post("/app/tariff/rates/set", &good);
    assert!(leads(&reply).starts_with("/app/second-factor"), "{}", leads(&reply));
    assert_eq!(version(), before);
}

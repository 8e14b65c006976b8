//! Names that people type: what nobody sees in them is refused, with the reason. What programs send,
//! and what is there already, is shown so that it turns nothing around it.

use super::invoices::{RICE, list, send_new};
use super::payments::payments;
use super::person::{Browser, PASSWORD, Person, leads, text};
use super::{id_of, member, open_with_key, team, to_merchant};
use crate::support::shop::GOOD;
use crate::support::{Database, id, json};

/// Marks and changes of direction, and what has no width.
const HIDDEN: [char; 16] = [
    '\u{200e}', '\u{200f}', '\u{61c}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}',
    '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{200b}', '\u{feff}', '\u{ad}', '\u{2060}',
];

#[test]
fn a_name_with_what_nobody_sees_is_refused_with_the_reason() {
    let (server, shop) = open_with_key();
    let link = to_merchant(&server, &shop, "VIEWER");
    for hidden in HIDDEN {
        let name = format!("Am{hidden}a Kollie");
        let fields = [("email", "ama@shop.example"), ("name", &name), ("password", PASSWORD)];
        let page = Browser::new(&server).post_bare(&link, &fields);
        let said = format!("Your name has an invisible character, U+{:04X}", u32::from(hidden));
        assert_eq!(page.status, 422, "{name:?}");
        assert!(text(&page).contains(&said), "{said}: {}", text(&page));
        assert!(text(&page).contains("id=\"name-fault\""), "{}", text(&page));
    }
    assert_eq!(server.database.value("SELECT count(*) FROM users"), "0");
    // Joiners that a script needs are no such characters.
    let name = "نرگس می\u{200c}خواهم";
    let fields = [("email", "ama@shop.example"), ("name", name), ("password", PASSWORD)];
    assert_eq!(Browser::new(&server).post_bare(&link, &fields).status, 303);
    assert_eq!(server.database.value("SELECT name FROM users"), name);

    // Each form by which a name or a title comes that others read.
    let mut sells = member(&server, &shop, "MANAGER", "kofi@shop.example");
    sells.set_up_codes(&server);
    let hidden = "Rice\u{200f} 25";
    let invoices = list(&shop, "invoices");
    for field in ["name", "item-1"] {
        let page = send_new(&mut sells, &invoices, &RICE, &[(field, hidden)]);
        assert_eq!(page.status, 422, "{field}");
        assert!(text(&page).contains("invisible character, U+200F"), "{field}: {}", text(&page));
        assert!(text(&page).contains(&format!("id=\"{field}-fault\"")), "{field}: {}", text(&page));
    }
    let new = [
        ("step", "create"),
        ("title", "Rice"),
        ("currency", "USD"),
        ("item-1", "Rice"),
        ("price-1", "30"),
    ];
    for field in ["title", "item-1"] {
        let page = send_new(&mut sells, &list(&shop, "links"), &new, &[(field, hidden)]);
        assert_eq!(page.status, 422, "{field}");
        assert!(text(&page).contains("invisible character, U+200F"), "{field}: {}", text(&page));
    }
    let fields = [("query", "?state=FAILED"), ("filter_name", hidden)];
    let page = sells.browser.post(&format!("{}/filters/save", payments(&shop)), &fields);
    assert!(text(&page).contains("invisible character, U+200F"), "{}", text(&page));
    let mut owner = member(&server, &shop, "OWNER", "esi@shop.example");
    let fields = [("url", "http://127.0.0.1:9/hooks"), ("description", hidden)];
    let hooks = format!("/app/developers/{}/webhooks/create", shop.credentials.merchant_id);
    let page = owner.browser.post(&hooks, &fields);
    assert!(text(&page).contains("invisible character, U+200F"), "{}", text(&page));
    for (table, count) in [
        ("parties", "0"),
        ("payment_links", "0"),
        ("saved_filters", "0"),
        ("webhook_endpoints", "0"),
    ] {
        assert_eq!(
            server.database.value(&format!("SELECT count(*) FROM {table}")),
            count,
            "{table}"
        );
    }
}

/// Payers see the name of a market, and colleagues the others.
#[test]
fn the_name_of_a_market_is_seen_as_it_is_stored() {
    let (server, _) = open_with_key();
    let mut operator = super::reviews::of_installation(&server, "operator");
    let market = |name: &str| {
        let fields = [
            ("method", "NEW_MOMO"),
            ("operation", "COLLECTION"),
            ("currency", "USD"),
            ("provider", "PAWAPAY"),
            ("country", "LR"),
            ("prefix", "231"),
            ("code", "NEW_MOMO"),
            ("decimals", "2"),
            ("percentage", "1"),
        ];
        let mut all: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        all.push(("name".into(), name.into()));
        all
    };
    let long = "x".repeat(41);
    let hidden = "invisible character, U+202E";
    for (name, said) in [
        ("A\u{202e}B", hidden),
        ("\u{301}", "invisible character, U+0301"),
        ("\u{e000}", "invisible character, U+E000"),
        (&long, "1 to 40 characters"),
    ] {
        let fields = market(name);
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let page = operator.browser.post("/app/tariff/markets/open", &fields);
        assert_eq!(page.status, 422, "{name:?}: {}", text(&page));
        assert!(text(&page).contains(said), "{name:?} {said}: {}", text(&page));
        assert!(text(&page).contains("id=\"m_name-fault\""), "{name:?}: {}", text(&page));
    }
    let open = ["markets", "open", "NEW_MOMO", "COLLECTION", "USD"];
    let named = ["--display-name", "A\u{202e}B"];
    let refused = server.kola(&[&open[..], &named[..]].concat()).refused();
    assert!(refused.contains("it has an invisible character, U+202E"), "{refused}");
    let named = "SELECT count(*) FROM markets WHERE method = 'NEW_MOMO'";
    assert_eq!(server.database.value(named), "0");
}

/// No form takes a number as programs write it, and what is too large is told as such.
#[test]
fn numbers_are_typed_without_exponents() {
    let (server, shop) = open_with_key();
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut operator = super::reviews::of_installation(&server, "operator");
    let version = || server.database.value("SELECT version FROM tariff");
    let before = version();
    let large = "99999999999999";
    let most = "This is too large: the most is 10,000,000,000,000.00 USD.";
    for (amount, said) in [("1e1", "Give an amount in this currency"), (large, most)] {
        for field in ["payment", "day", "amount"] {
            let fields = [("currency", "USD"), (field, amount)];
            let page = owner.browser.post(&format!("{}/limits", team(&shop)), &fields);
            assert_eq!(page.status, 422, "{field} {amount}: {}", text(&page));
            assert!(text(&page).contains(said), "{field} {said}: {}", text(&page));
        }
    }
    assert_eq!(server.database.value("SELECT count(*) FROM merchant_limits"), "0");
    let merchant = shop.credentials.merchant_id;
    let fund = format!("/app/merchants/{merchant}/wallets/{}/fund", shop.wallet("USD"));
    for (amount, said) in [("1e3", "An amount is above zero"), (large, most)] {
        let key = crate::support::key();
        let fields = [("reference_id", key.as_str()), ("amount", amount)];
        let page = operator.browser.post(&fund, &fields);
        assert_eq!(page.status, 422, "{amount}: {}", text(&page));
        assert!(text(&page).contains(said), "{said}: {}", text(&page));
    }
    shop.assert_balance("USD", "0.00", "0.00");
    let fee = [("tier", "default"), ("operation", "COLLECTION")];
    let fixed = [("percentage", "1"), ("fixed_currency", "USD")];
    for (path, fields, said) in [
        ("platform-fee", [&fee[..], &[("percentage", "1e1")]].concat(), "from 0 to 100"),
        ("platform-fee", [&fee[..], &fixed, &[("fixed", "1e1")]].concat(), "such as 0.30"),
        ("platform-fee", [&fee[..], &fixed, &[("fixed", large)]].concat(), most),
        ("rates/set", vec![("from", "USD"), ("to", "LRD"), ("rate", "1e2")], "such as 192.5"),
    ] {
        let page = operator.browser.post(&format!("/app/tariff/{path}"), &fields);
        assert_eq!(page.status, 422, "{path} {fields:?}: {}", text(&page));
        assert!(text(&page).contains(said), "{path} {said}: {}", text(&page));
    }
    assert_eq!(version(), before);
    let price = "/app/tariff?currency=USD&method=MTN_MOMO_LBR&operation=COLLECTION&amount=";
    for (amount, said) in [("1e3", "such as 1250.50"), (large, most)] {
        let page = operator.browser.get(&format!("{price}{amount}"));
        assert_eq!(page.status, 422, "{amount}: {}", text(&page));
        assert!(text(&page).contains(said), "{said}: {}", text(&page));
    }
    // Prices, payouts and refunds.
    let mut sells = member(&server, &shop, "FINANCE", "kofi@shop.example");
    let account = shop.momo("PAYOUT", GOOD);
    let (payouts, wallet) = (format!("/app/payouts/{merchant}"), shop.wallet("USD"));
    let asked = format!("{payouts}/account/{account}?wallet={wallet}&amount={large}");
    let page = sells.browser.get(&asked);
    assert!(text(&page).contains(most), "{}", text(&page));
    let mut manager = member(&server, &shop, "MANAGER", "esi@shop.example");
    manager.set_up_codes(&server);
    let page = send_new(&mut manager, &list(&shop, "invoices"), &RICE, &[("price-1", large)]);
    assert!(text(&page).contains(most), "{}", text(&page));
}

#[test]
fn a_name_that_the_command_line_is_given_is_read_alike() {
    let database = Database::with_schema();
    for (name, said) in [
        ("Shop\u{200e}", "it has an invisible character, U+200E"),
        ("\u{202e}pohS", "it has an invisible character, U+202E"),
        ("", "1 to 255 characters"),
    ] {
        let create = [
            "merchant",
            "create",
            "--name",
            name,
            "--type",
            "ORGANIZATION",
            "--phone",
            "231770000001",
        ];
        let refused = database.kola(&create).refused();
        assert!(refused.contains(said), "{name:?}: {refused}");
    }
    assert_eq!(database.value("SELECT count(*) FROM merchants"), "0");
}

/// Programs send names with marks of direction, which real names have. They are taken, and stand
/// apart from what is beside them: the number of an account above all.
#[test]
fn what_programs_send_and_what_was_stored_is_shown_apart() {
    let (server, shop) = open_with_key();
    server.fund(&shop, "USD", "500.00");
    let name = "\u{200f}عمرو دياب\u{200f}";
    let party = json!({ "fullname": name, "phone": "231880000042" });
    let party = id(&shop.api.post("/v1/parties/create", &party).ok());
    let account = json!({
        "account_name": name, "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": party,
        "insensitive_account_number": GOOD,
    });
    let create = "/v1/payment-accounts/create?operation_type=PAYOUT";
    let account = id(&shop.api.post(create, &account).ok());
    let mut finance = member(&server, &shop, "FINANCE", "kofi@shop.example");
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    super::approvals::set_limits(&server, &shop, &["--payment", "0"]);
    super::payouts::request_to(&shop, &mut finance, account);
    // Names from before there was a rule.
    let kofi = id_of(&server, "kofi@shop.example");
    let stored = "Kofi \u{202e}hasneM";
    server.database.sql(&format!("UPDATE users SET name = '{stored}' WHERE id = {kofi}"));
    let merchant = shop.credentials.merchant_id;
    let page = owner.browser.get(&format!("/app/approvals/{merchant}"));
    let apart = format!("to <bdi>{name}</bdi>, <bdi dir=\"ltr\">{GOOD}</bdi>");
    let by = format!("Requested by <bdi>{stored}</bdi>");
    for part in [&apart, &by] {
        assert!(text(&page).contains(part.as_str()), "{part:?}: {}", text(&page));
    }
    let page = owner.browser.get(&format!("/app/payouts/{merchant}"));
    assert!(text(&page).contains(&by), "{}", text(&page));
    let page = owner.browser.get(&team(&shop));
    assert!(text(&page).contains(&format!("<bdi>{stored}</bdi>")), "{}", text(&page));
    let page = owner.browser.get(&format!("/app/audit/{merchant}"));
    assert!(text(&page).contains(&format!("<bdi>{stored}</bdi>")), "{}", text(&page));
}

/// A field with two answers takes these two, and nothing else as one of them.
#[test]
fn what_is_neither_yes_nor_no_is_refused() {
    let (server, shop) = open_with_key();
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    let limits = format!("{}/limits", team(&shop));
    let bound = [("currency", "USD"), ("payment", "100"), ("bind_api_keys", "yes")];
    let set = format!("{}?limits=USD", team(&shop));
    assert_eq!(leads(&owner.browser.post(&limits, &bound)), set);
    let stored = "SELECT bind_api_keys FROM merchant_limits";
    for other in ["maybe", "", "YES", "true", "1", "on"] {
        let fields = [("currency", "USD"), ("payment", "90"), ("bind_api_keys", other)];
        let page = owner.browser.post(&limits, &fields);
        assert_eq!(page.status, 422, "{other}: {}", text(&page));
        for part in ["Choose one of the two.", "id=\"bind-USD-fault\""] {
            assert!(text(&page).contains(part), "{other} {part}: {}", text(&page));
        }
        assert_eq!(server.database.value(stored), "1", "{other}");
    }
    // A form without the field keeps what is there.
    let fields = [("currency", "USD"), ("payment", "90")];
    assert_eq!(leads(&owner.browser.post(&limits, &fields)), set);
    let row = "SELECT payment_minor, bind_api_keys FROM merchant_limits";
    assert_eq!(server.database.rows(row), [["9000", "1"]]);

    let hooks = format!("/app/developers/{}/webhooks/create", shop.credentials.merchant_id);
    for other in ["maybe", "1", "on"] {
        let fields = [("url", "http://127.0.0.1:9/hooks"), ("public_key", other)];
        let page = owner.browser.post(&hooks, &fields);
        assert_eq!(page.status, 422, "{other}: {}", text(&page));
        assert!(text(&page).contains("id=\"public_key-fault\""), "{}", text(&page));
    }
    assert_eq!(server.database.value("SELECT count(*) FROM webhook_endpoints"), "0");

    let mut operator = super::reviews::of_installation(&server, "operator");
    let change = format!("/app/merchants/{}/change", shop.credentials.merchant_id);
    for other in ["maybe", "", "true"] {
        let fields = [("verified", other), ("tier", "default")];
        let page = operator.browser.post(&change, &fields);
        assert_eq!(page.status, 422, "{other}: {}", text(&page));
        assert!(text(&page).contains("id=\"verified-fault\""), "{}", text(&page));
    }
    assert_eq!(server.database.value("SELECT verified FROM merchants"), "1");
}

/// A place, a list or a filter that there is not is told, and not read as the first or as all.
#[test]
fn an_address_that_names_nothing_is_told() {
    let (server, shop) = open_with_key();
    let mut owner: Person = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut operator = super::reviews::of_installation(&server, "operator");
    let of = |page: &str| format!("/app/{page}/{}", shop.credentials.merchant_id);
    let made = json!({ "url": "http://127.0.0.1:9/hooks" });
    let hook = id(&shop.api.post("/v1/webhook-endpoints/create", &made).ok());
    let developers = of("developers");
    for path in [
        format!("{developers}?after=x"),
        format!("{developers}/events?type=maybe"),
        format!("{developers}/events?after=x"),
        format!("{developers}/requests?status=maybe"),
        format!("{developers}/requests?after=x"),
        format!("{developers}/webhooks/{hook}?status=maybe"),
        format!("{developers}/webhooks/{hook}?after=x"),
        format!("{}?kind=maybe", of("payouts")),
        format!("{}?after=x", of("payouts")),
    ] {
        let page = owner.browser.get(&path);
        assert_eq!(page.status, 422, "{path}: {}", text(&page));
        assert!(text(&page).contains("There is no such"), "{path}: {}", text(&page));
    }
    let one = format!("{}?after=x", of("merchants"));
    let price = "/app/tariff?amount=100&currency=USD&method=MTN_MOMO_LBR&operation=COLLECTION";
    for (path, said) in [
        ("/app/merchants?after=x", "There is no such place."),
        (&one, "There is no such place."),
        ("/app/tariff?all=maybe", "There is no such list."),
        ("/app/tariff/rates?after=x", "There is no such place."),
        ("/app/tariff/phones?after=999999999", "There is no such place."),
        (&format!("{price}&bearer=maybe"), "Choose who bears the fees."),
    ] {
        let page = operator.browser.get(path);
        assert_eq!(page.status, 422, "{path}: {}", text(&page));
        assert!(text(&page).contains(said), "{path}: {}", text(&page));
    }
    for path in ["/app/tariff?all=1", "/app/tariff/markets", &format!("{price}&bearer=PAYEE")] {
        assert_eq!(operator.browser.get(path).status, 200, "{path}");
    }
    for path in [
        format!("{developers}/events?type=execution.completed"),
        format!("{developers}/requests?status=failed"),
        format!("{developers}/webhooks/{hook}?status=DELIVERED"),
        format!("{}?kind=transfers", of("payouts")),
    ] {
        assert_eq!(owner.browser.get(&path).status, 200, "{path}");
    }
}

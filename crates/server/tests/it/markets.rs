//! `kola markets` and `kola phones`: changes by new rows, while a server is running.

use serde_json::Value;

use crate::support::shop::GOOD;
use crate::support::{
    Database, Merchant, Reply, Server, assert_fields, assert_money, id, json, key, open, shown,
};

fn ask(shop: &Merchant, operation: &str, currency: &str) -> Reply {
    shop.api.get(&format!(
        "/v1/predictions/amount-and-fees?base_amount=100&base_currency={currency}&target_currency={currency}\
         &payment_method=MTN_MOMO_LBR&provider=PAWAPAY&operation_type={operation}&fee_bearer=PAYER"
    ))
}

fn operator(shop: &Merchant, phone: &str, operation: &str) -> Reply {
    shop.api
        .get(&format!("/v1/predictions/mmo-provider-info?phone={phone}&operation_type={operation}"))
}

fn list(database: &Database, more: &[&str]) -> Vec<Value> {
    let printed = database.kola(more).ok();
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("not JSON: {error}: {printed}"))
}

fn markets(database: &Database, operation: &str, currency: &str) -> Vec<Value> {
    let mut rows = list(database, &["markets", "list", "--all", "--json"]);
    rows.retain(|row| {
        row["payment_method"] == "MTN_MOMO_LBR"
            && row["operation_type"] == operation
            && row["currency"] == currency
    });
    rows
}

const CLOSE: [&str; 5] = ["markets", "close", "MTN_MOMO_LBR", "COLLECTION", "USD"];
const OPEN: [&str; 5] = ["markets", "open", "MTN_MOMO_LBR", "COLLECTION", "USD"];

#[test]
fn a_market_that_is_closed_collects_no_more_at_once() {
    let (server, shop) = open();
    let account = shop.momo("COLLECTION", GOOD);
    let paid = shop.take(account, "USD", "100.00");
    let declared = shop.checkout(shop.invoice("USD", "100.00"));
    server.kola(&CLOSE).ok();
    // The market was closed in one currency only.
    ask(&shop, "COLLECTION", "LRD").ok();
    assert_eq!(
        ask(&shop, "COLLECTION", "USD").state_fault("query.target_currency").kind,
        "value_error.currency"
    );
    shop.collect(declared, account, "USD", &key()).state_fault("body.currency");
    server.kola(&["markets", "close", "MTN_MOMO_LBR", "COLLECTION", "LRD"]).ok();
    assert_eq!(
        ask(&shop, "COLLECTION", "USD").state_fault("query.payment_method").kind,
        "value_error.market"
    );
    operator(&shop, GOOD, "COLLECTION").state_fault("query.operation_type");
    let refused = shop.create_account(shop.party(), "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
    assert_eq!(refused.state_fault("body.method").kind, "value_error.market");
    // Payouts have their own markets, and collected payments can still be refunded.
    operator(&shop, GOOD, "PAYOUT").ok();
    let predicted = ask(&shop, "REFUND", "USD").ok();
    let refunded = shop.refund(&paid, "100.00");
    assert_eq!(shown(&refunded, "payee_amount"), shown(&predicted, "payee_amount"));
    assert_eq!(operator(&shop, GOOD, "REFUND").ok()["currencies"], json!(["LRD", "USD"]));
    server.kola(&OPEN).ok();
    let predicted = ask(&shop, "COLLECTION", "USD").ok();
    let collected = shop.collect(declared, account, "USD", &key()).ok();
    assert_eq!(shown(&collected, "payer_amount"), shown(&predicted, "payer_amount"));
    assert_eq!(operator(&shop, GOOD, "COLLECTION").ok()["currencies"], json!(["USD"]));
    server.verify_ledger();
}

#[test]
fn a_market_that_is_closed_pays_out_no_more_at_once() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let account = shop.momo("PAYOUT", GOOD);
    let declared = id(&shop.open_payout(account, "USD", "100.00").ok());
    server.kola(&["markets", "close", "MTN_MOMO_LBR", "PAYOUT", "USD"]).ok();
    ask(&shop, "PAYOUT", "USD").state_fault("query.target_currency");
    shop.open_payout(account, "USD", "100.00").state_fault("body.currency");
    shop.execute("payout", declared, &key()).state_fault("body.session_id");
    shop.assert_balance("USD", "500.00", "0.00");
    server.kola(&["markets", "open", "MTN_MOMO_LBR", "PAYOUT", "USD"]).ok();
    let predicted = ask(&shop, "PAYOUT", "USD").ok();
    let sent = shop.execute("payout", declared, &key()).ok();
    assert_eq!(shown(&sent, "payer_amount"), shown(&predicted, "payer_amount"));
    server.verify_ledger();
}

#[test]
fn a_change_of_a_market_is_a_new_row() {
    let (server, shop) = open();
    let database = &server.database;
    let only = markets(database, "COLLECTION", "USD");
    assert_fields(
        &only[0],
        &[("provider", "PAWAPAY"), ("country", "LR"), ("effective_to", "null")],
    );
    assert!(server.kola(&OPEN).ok().contains("open already"));
    assert_eq!(markets(database, "COLLECTION", "USD"), only);
    server.kola(&[&OPEN[..], &["--country", "GH"]].concat()).ok();
    server.kola(&CLOSE).ok();
    server.kola(&OPEN).ok();
    let rows = markets(database, "COLLECTION", "USD");
    assert_eq!(
        rows.iter().map(|row| shown(row, "country")).collect::<Vec<_>>(),
        ["LR", "GH", "GH"]
    );
    assert_eq!(
        rows[0]["effective_to"], rows[1]["effective_from"],
        "one ends where the next begins"
    );
    assert!(rows[1]["effective_to"].is_string() && rows[2]["effective_to"].is_null(), "{rows:?}");
    // Past rows are only listed with `--all`.
    let printed = |more: &[&str]| server.kola(&[&["markets", "list"], more].concat()).ok();
    assert_eq!(printed(&["--all"]).lines().count(), printed(&[]).lines().count() + 2);
    // A new currency of an existing method, and a fee that is set before its market opens again.
    server.kola(&["markets", "open", "MTN_MOMO_LBR", "COLLECTION", "EUR"]).ok();
    server.kola(&["rates", "set", "EUR", "USD", "1.25"]).ok();
    assert_money(&ask(&shop, "COLLECTION", "EUR").ok(), &[]);
    for currency in ["RWF", "USD", "LRD", "EUR"] {
        server.kola(&["markets", "close", "CREDIT_CARD", "COLLECTION", currency]).ok();
    }
    shop.api
        .get("/v1/fees/gateway?payment_method=CREDIT_CARD&operation_type=COLLECTION")
        .refused(404);
    server
        .kola(&[
            "fees",
            "set",
            "gateway",
            "--method",
            "CREDIT_CARD",
            "--operation",
            "COLLECTION",
            "--percentage",
            "3",
        ])
        .ok();
    server.kola(&["markets", "open", "CREDIT_CARD", "COLLECTION", "USD"]).ok();
    let fee =
        shop.api.get("/v1/fees/gateway?payment_method=CREDIT_CARD&operation_type=COLLECTION").ok();
    assert_money(&fee, &[("percentage", "3")]);
    server.verify_ledger();
}

#[test]
fn a_market_that_contradicts_others_is_refused_in_words() {
    let (server, _shop) = open();
    let said = server.kola(&[&OPEN[..], &["--provider", "STRIPE"]].concat()).refused();
    assert!(said.contains("MTN_MOMO_LBR is carried by PAWAPAY"), "{said}");
    let said = server.kola(&["markets", "close", "MTN_MOMO_LBR", "COLLECTION", "RWF"]).refused();
    assert!(said.contains("MTN_MOMO_LBR does no COLLECTION in RWF"), "{said}");
    for operation in ["REFUND", "TRANSFER"] {
        assert!(
            server
                .kola(&["markets", "open", "WALLET", operation, "USD"])
                .refused()
                .contains("transfers and refunds have no market")
        );
    }
    server.kola(&["markets", "open", "CASH", "PAYOUT", "USD"]).refused();
    server.kola(&["markets", "open", "WALLET", "PAYOUT", "DOLLAR"]).refused();
    server.kola(&["markets", "open", "WALLET", "PAYOUT", "USD", "--country", "Liberia"]).refused();
    server.verify_ledger();
}

#[test]
fn a_market_opens_with_a_fee() {
    let (server, shop) = open();
    let card = |more: &[&str]| {
        server.kola(&[&["markets", "open", "CREDIT_CARD", "PAYOUT", "USD"], more].concat())
    };
    let said = card(&[]).refused();
    assert!(
        said.contains("CREDIT_CARD has no fee for PAYOUT by STRIPE yet: say --percentage"),
        "{said}"
    );
    card(&["--fixed", "0.10", "--fixed-currency", "USD"]).refused();
    let fee = || {
        let path = "/v1/predictions/amount-and-fees?base_amount=100&base_currency=USD&target_currency=USD\
                    &payment_method=CREDIT_CARD&provider=STRIPE&operation_type=PAYOUT&fee_bearer=PAYER";
        shown(&shop.api.get(path).ok(), "gateway_fee")
    };
    shop.api.get("/v1/fees/gateway?payment_method=CREDIT_CARD&operation_type=PAYOUT").refused(404);
    card(&["--percentage", "0"]).ok();
    assert_eq!(fee(), "0.00");
    card(&["--percentage", "1.5", "--fixed", "0.10", "--fixed-currency", "USD"]).ok();
    assert_eq!(fee(), "1.60");
    // A market that is opened again without a fee keeps the one that it had.
    server.kola(&["markets", "close", "CREDIT_CARD", "PAYOUT", "USD"]).ok();
    card(&[]).ok();
    assert_eq!(fee(), "1.60");
    server.verify_ledger();
}

#[test]
fn rows_of_a_market_follow_each_other_in_time() {
    let (server, shop) = open();
    // From 2099 on the card belongs to another network and takes euros.
    server.database.sql(
        "UPDATE markets SET effective_to = 4070908800000000 WHERE method = 'CREDIT_CARD';
        INSERT INTO markets (id, method, provider, operation, currency, country, effective_from, network_code, display_name,
            decimals)
            SELECT id + 1000000, method, 'PAWAPAY', operation, currency, country, 4070908800000000, network_code,
            display_name, decimals FROM markets
            WHERE method = 'CREDIT_CARD' AND currency = 'EUR';
        UPDATE installation SET next_id = next_id + 2000000",
    );
    server.verify_ledger();
    server.kola(&["markets", "close", "CREDIT_CARD", "COLLECTION", "USD"]).ok();
    let printed = server.kola(&["markets", "open", "CREDIT_CARD", "COLLECTION", "USD"]).ok();
    assert!(
        printed.contains("STRIPE") && printed.contains("until 2099-01-01 00:00:00 UTC"),
        "{printed}"
    );
    let printed = server.kola(&["markets", "close", "CREDIT_CARD", "COLLECTION", "EUR"]).ok();
    assert!(printed.contains("closed until 2099-01-01 00:00:00 UTC"), "{printed}");
    shop.api.get("/v1/fees/gateway?payment_method=CREDIT_CARD&operation_type=COLLECTION").ok();
    server.verify_ledger();
}

#[test]
fn first_digits_change_hands_at_once() {
    let (server, shop) = open();
    let carrier = |phone: &str| operator(&shop, phone, "PAYOUT").ok()["carrier"].clone();
    assert_eq!(carrier("231880000001"), "Lonestar Cell MTN");
    let add = |prefix: &str, more: &[&str]| {
        let method =
            ["--carrier", "Orange Liberia", "--country", "LR", "--method", "ORANGE_MONEY_LBR"];
        server.kola(&[&["phones", "add", prefix], &method[..], more].concat())
    };
    add("231880", &["--digits", "12"]).ok();
    assert_eq!(
        [carrier("231880000001"), carrier("231881000001")],
        ["Orange Liberia", "Lonestar Cell MTN"]
    );
    add("23188", &["--digits", "12"]).ok();
    assert_eq!(carrier("231881000001"), "Orange Liberia");
    server.kola(&["phones", "end", "23188", "--digits", "12"]).ok();
    operator(&shop, "231881000001", "PAYOUT").state_fault("query.phone");
    assert_eq!(carrier("231880000001"), "Orange Liberia");
    let mut rows = list(&server.database, &["phones", "list", "--all", "--json"]);
    rows.retain(|row| row["prefix"] == "23188");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["effective_to"], rows[1]["effective_from"]);
    let printed = server.kola(&["phones", "list"]).ok();
    let words = |line: &str| line.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert!(
        printed.lines().any(|line| words(line) == ["231880", "12", "ORANGE_MONEY_LBR"]),
        "{printed}"
    );
    for (prefix, more) in [
        ("023", &["--digits", "12"][..]),
        ("23188", &["--digits", "16"]),
        ("231880000001", &["--digits", "8"]),
        ("23188", &[]),
        ("23188", &["--digits", "12", "--carrier", ""]),
    ] {
        add(prefix, more).refused();
    }
    assert!(
        server
            .kola(&["phones", "end", "23188", "--digits", "12"])
            .refused()
            .contains("no operator")
    );
    server.verify_ledger();
}

#[test]
fn rows_that_hold_at_once_are_not_verified() {
    let database = Database::new();
    database.merchant("Shop");
    let again = |table: &str, columns: &str, values: &str, row: &str| {
        database.sql(&format!(
            "INSERT INTO {table} (id, {columns}, effective_from) \
             SELECT (SELECT max(id) FROM {table}) + 1000000 + id, {values}, 5000000000000000 FROM {table} {row}"
        ));
    };
    let row = "WHERE method = 'WALLET' AND currency = 'USD' AND operation = 'PAYOUT'";
    again(
        "markets",
        "method, provider, operation, currency, country, network_code, display_name, decimals",
        "method, provider, operation, currency, 'GH', network_code, display_name, decimals",
        row,
    );
    again(
        "markets",
        "method, provider, operation, currency, country, network_code, display_name, decimals",
        "method, 'STRIPE', operation, 'EUR', country, network_code, 'Purse', decimals",
        row,
    );
    again(
        "phone_prefixes",
        "prefix, digits, carrier, country, method",
        "prefix, digits, 'New', country, method",
        "LIMIT 1",
    );
    let said = database.kola(&["ledger", "verify"]).refused();
    for rule in [
        "market with two rows at once",
        "method with two networks at once",
        "method with two codes or names at once",
        "phone prefix with two rows at once",
    ] {
        assert!(said.contains(rule), "{rule}: {said}");
    }
}

#[test]
fn a_market_of_the_file_may_say_when_it_holds() {
    let database = Database::new();
    let shipped =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.default.toml"))
            .expect("the file");
    let mtn = "method = \"MTN_MOMO_LBR\"\nprovider = \"PAWAPAY\"\n";
    let over =
        shipped.replacen(mtn, &format!("{mtn}from = \"2020-01-01\"\nto = \"2021-01-01\"\n"), 1);
    let over = over.replacen("digits = 10\n", "digits = 10\nfrom = \"2099-01-01\"\n", 1);
    assert_ne!(over.len(), shipped.len());
    let file = database.dir.path().join("market.toml");
    let path = file.to_str().expect("a path").to_owned();
    let twice = format!(
        "{over}\n[[market]]\n{mtn}country = \"LR\"\noperations = [\"PAYOUT\"]\ncurrencies = [\"USD\"]\n"
    );
    std::fs::write(&file, twice).expect("a file");
    let create = ["merchant", "create", "--name", "A", "--type", "ORGANIZATION", "--market", &path];
    let said = database.kola(&create).refused();
    assert!(
        said.contains("market.toml")
            && said.contains("MTN_MOMO_LBR PAYOUT USD is there twice at one time"),
        "{said}"
    );
    std::fs::write(&file, over).expect("a file");
    let credentials = database.merchant_with("A", &["--verified", "--market", &path]);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    ask(&shop, "COLLECTION", "USD").state_fault("query.payment_method");
    operator(&shop, "2316123456", "PAYOUT").state_fault("query.phone");
    server.kola(&OPEN).ok();
    ask(&shop, "COLLECTION", "USD").ok();
    server.verify_ledger();
}

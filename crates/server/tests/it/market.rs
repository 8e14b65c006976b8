//! Fees and rates are rows of the tariff: routes show them, the command line changes them while a
//! server is running, and the first start reads them from a file.

use serde_json::Value;

use crate::support::shop::GOOD;
use crate::support::{
    Database, Merchant, Server, assert_fields, assert_money, instant, json, key, open, open_two,
    shown,
};

fn gateway(shop: &Merchant, method: &str, operation: &str) -> Value {
    shop.api
        .get(&format!("/v1/fees/gateway?payment_method={method}&operation_type={operation}"))
        .ok()
}

fn platform(shop: &Merchant, operation: &str) -> Value {
    shop.api
        .get(&format!("/v1/fees/platform?operation_type={operation}&fee_tier_name=default"))
        .ok()
}

#[test]
fn fees_are_shown_as_published() {
    let (_server, shop) = open();
    let momo = gateway(&shop, "MTN_MOMO_LBR", "COLLECTION");
    assert_money(&momo, &[("percentage", "2")]);
    assert_fields(
        &momo,
        &[
            ("payment_method", "MTN_MOMO_LBR"),
            ("operation_type", "COLLECTION"),
            ("provider_id", "1"),
            ("fixed_fee", "null"),
            ("fixed_fee_currency", "null"),
            ("effective_to", "null"),
        ],
    );
    for field in ["effective_from", "created_at", "updated_at"] {
        instant(&momo[field]);
    }
    let card = gateway(&shop, "CREDIT_CARD", "COLLECTION");
    assert_money(&card, &[("percentage", "2.9"), ("fixed_fee", "0.30")]);
    assert_eq!(card["fixed_fee_currency"], "USD");
    assert_money(&gateway(&shop, "CREDIT_CARD", "REFUND"), &[("percentage", "0")]);
    shop.api.get("/v1/fees/gateway?payment_method=CREDIT_CARD&operation_type=PAYOUT").refused(404);
    let fee = platform(&shop, "PAYOUT");
    assert_eq!([&fee["percentage"], &fee["fx_percentage"]], [&json!("0.5"), &json!("1")]);
    assert_fields(&fee["tier"], &[("name", "default"), ("is_default", "true")]);
    assert_fields(
        &fee,
        &[("payment_method", "null"), ("fixed_fee", "null"), ("effective_to", "null")],
    );
    shop.api.get("/v1/fees/platform?operation_type=PAYOUT&fee_tier_name=gold").refused(404);
    shop.api
        .get("/v1/fees/gateway")
        .faults_are_at(&["query.payment_method", "query.operation_type"]);
    shop.api
        .get("/v1/fees/platform")
        .faults_are_at(&["query.operation_type", "query.fee_tier_name"]);
}

#[test]
fn a_merchant_sees_its_tier() {
    let (_server, shop, other) = open_two();
    let tiers = shop.api.get("/v1/fees/tiers").rows();
    assert_eq!(tiers.len(), 1);
    assert_fields(&tiers[0], &[("name", "default"), ("is_default", "true")]);
    assert!(shop.api.get(&format!("/v1/fees/tiers?after_id={}", tiers[0]["id"])).rows().is_empty());
    let id = shop.credentials.merchant_id;
    let path = |kind: &str| format!("/v1/fees/merchant-tier?owner_type={kind}&owner_id={id}");
    let mine = shop.api.get(&path("ORGANIZATION")).ok();
    assert_eq!(
        [&mine["owner_id"], &mine["owner_type"], &mine["tier"]],
        [&json!(id), &json!("ORGANIZATION"), &tiers[0]]
    );
    instant(&mine["assigned_at"]);
    shop.api.get(&path("USER")).refused(404);
    shop.api.get(&path("MICRO_ORGANIZATION")).refused(404);
    other.api.get(&path("ORGANIZATION")).refused(404);
}

fn predicted(shop: &Merchant, method: (&str, &str), target: &str) -> Value {
    let (method, provider) = method;
    shop.api
        .get(&format!(
            "/v1/predictions/amount-and-fees?base_amount=100&base_currency=USD&target_currency={target}\
             &payment_method={method}&provider={provider}&operation_type=COLLECTION&fee_bearer=PAYER"
        ))
        .ok()
}

#[test]
fn a_fee_that_is_set_holds_at_once_in_a_running_server() {
    let (server, shop) = open();
    let momo = ("MTN_MOMO_LBR", "PAWAPAY");
    let account = shop.momo("COLLECTION", GOOD);
    shop.paid_hundred();
    let old = gateway(&shop, "MTN_MOMO_LBR", "COLLECTION");
    let set = [
        "fees",
        "set",
        "gateway",
        "--method",
        "MTN_MOMO_LBR",
        "--operation",
        "COLLECTION",
        "--percentage",
    ];
    server.kola(&[&set[..], &["3.5", "--fixed", "0.25", "--fixed-currency", "USD"]].concat()).ok();
    let new = gateway(&shop, "MTN_MOMO_LBR", "COLLECTION");
    assert_money(&new, &[("percentage", "3.5"), ("fixed_fee", "0.25")]);
    assert_ne!(new["id"], old["id"], "a change is a new row");
    assert_fields(
        &predicted(&shop, momo, "USD"),
        &[("gateway_fee", "3.75"), ("payer_amount", "104.75")],
    );
    assert_money(&shop.take(account, "USD", "100"), &[("payer_amount", "104.75")]);
    let tier = ["fees", "set", "platform", "--operation", "COLLECTION", "--percentage"];
    server.kola(&[&tier[..], &["0.25"]].concat()).ok();
    assert_eq!(
        [
            &platform(&shop, "COLLECTION")["percentage"],
            &platform(&shop, "COLLECTION")["fx_percentage"]
        ],
        ["0.25", "1"]
    );
    server.kola(&[&tier[..], &["0.25", "--exchange-percentage", "2"]].concat()).ok();
    let quote = predicted(&shop, momo, "LRD");
    assert_fields(&quote, &[("platform_fee", "0.25"), ("fx_fee", "2.00")]);
    let paid = shop.collect(shop.checkout(shop.invoice("USD", "100")), account, "LRD", &key()).ok();
    assert_eq!(shown(&paid, "payer_amount"), shown(&quote, "payer_amount"));
    let listed: Value =
        serde_json::from_str(&server.kola(&["fees", "list", "--json", "--all"]).ok())
            .expect("JSON");
    let rows = listed["gateway"].as_array().expect("rows").iter();
    let of_method: Vec<&Value> = rows
        .filter(|row| {
            row["payment_method"] == "MTN_MOMO_LBR" && row["operation_type"] == "COLLECTION"
        })
        .collect();
    assert_eq!(of_method.len(), 2);
    assert_eq!(
        of_method[0]["effective_to"], of_method[1]["effective_from"],
        "one ends where the next begins"
    );
    assert!(server.kola(&["fees", "list"]).ok().contains("3.5 % + 0.25 USD"));
    server.verify_ledger();
}

#[test]
fn a_rate_that_is_set_holds_both_ways() {
    let (server, shop) = open();
    let momo = ("MTN_MOMO_LBR", "PAWAPAY");
    server.kola(&["rates", "set", "USD", "LRD", "200.5"]).ok();
    // 104.00 × 200.5
    assert_fields(&predicted(&shop, momo, "LRD"), &[("payer_amount", "20852.00")]);
    // A rate for the opposite direction: the earlier rate ends in both directions.
    server.kola(&["rates", "set", "LRD", "USD", "0.01"]).ok();
    assert_fields(&predicted(&shop, momo, "LRD"), &[("payer_amount", "10400.00")]);
    let paid = shop
        .collect(
            shop.checkout(shop.invoice("USD", "100")),
            shop.momo("COLLECTION", GOOD),
            "LRD",
            &key(),
        )
        .ok();
    assert_money(&paid, &[("payer_amount", "10400.00")]);
    let listed: Value =
        serde_json::from_str(&server.kola(&["rates", "list", "--json"]).ok()).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let printed = server.kola(&["rates", "list", "--all"]).ok();
    assert!(
        printed.contains("1 USD = 192 LRD") && printed.contains("1 LRD = 0.01 USD"),
        "{printed}"
    );
    // A currency without a rate so far.
    server.kola(&["rates", "set", "EUR", "USD", "1.25"]).ok();
    assert_fields(
        &predicted(&shop, ("CREDIT_CARD", "STRIPE"), "EUR"),
        &[("payer_currency", "EUR"), ("payer_amount", "84.16")],
    );
    server.verify_ledger();
}

#[test]
fn what_cannot_be_set_is_refused_in_words() {
    let (server, _shop) = open();
    let fee = |more: &[&str]| server.kola(&[&["fees", "set"][..], more].concat()).refused();
    assert!(
        fee(&["gateway", "--method", "WALLET", "--operation", "REFUND", "--percentage", "1"])
            .contains("refund")
    );
    fee(&["gateway", "--method", "CASH", "--operation", "PAYOUT", "--percentage", "1"]);
    fee(&["gateway", "--method", "WALLET", "--operation", "PAYOUT", "--percentage", "101"]);
    fee(&["platform", "--tier", "gold", "--operation", "PAYOUT", "--percentage", "1"]);
    fee(&[
        "platform",
        "--operation",
        "PAYOUT",
        "--percentage",
        "1",
        "--fixed",
        "0.005",
        "--fixed-currency",
        "USD",
    ]);
    fee(&["platform", "--operation", "PAYOUT", "--percentage", "1", "--fixed", "1"]);
    let rate = |words: [&str; 3]| server.kola(&[&["rates", "set"][..], &words].concat());
    let said = rate(["USD", "LRD", "1e18"]).refused();
    assert!(
        said.contains(
            "1 USD = 1000000000000000000 LRD is out of bounds: a rate is from 0.000000001 to"
        ),
        "{said}"
    );
    rate(["USD", "LRD", "0.0000000009"]).refused();
    // Crossed with the franc's rate of 1,440 this rate can be computed. With a rate of as many
    // digits it could not.
    rate(["USD", "LRD", "192.123456789012345"]).ok();
    let said = rate(["RWF", "USD", "0.000694444444444441"]).refused();
    assert!(said.contains("between RWF and LRD, which goes through USD"), "{said}");
    rate(["USD", "LRD", "0.000000001"]).ok();
    assert!(server.kola(&["rates", "list"]).ok().contains("1 USD = 0.000000001 LRD"));
    for rate in [["USD", "USD", "1"], ["USD", "LRD", "0"], ["USD", "LRD", "x"], ["USD", "XXX", "1"]]
    {
        server.kola(&[&["rates", "set"][..], &rate[..]].concat()).refused();
    }
}

#[test]
fn a_fixed_part_that_no_rate_leads_from_is_refused_when_it_is_set() {
    let (server, shop) = open();
    let set = |whose: &[&str], operation: &str, currency: &str| {
        let fee = [
            "--operation",
            operation,
            "--percentage",
            "1",
            "--fixed",
            "1",
            "--fixed-currency",
            currency,
        ];
        server.kola(&[&["fees", "set"], whose, &fee].concat())
    };
    let [platform, momo, card] = [
        &["platform"][..],
        &["gateway", "--method", "MTN_MOMO_LBR"],
        &["gateway", "--method", "CREDIT_CARD"],
    ];
    let rwandan = ["gateway", "--method", "MTN_MOMO_RWA"];
    for whose in [platform, momo, card] {
        let said = set(whose, "COLLECTION", "EUR").refused();
        assert!(
            said.contains("no rate between EUR and USD")
                && said.contains("`kola rates set EUR USD RATE`"),
            "{said}"
        );
    }
    for operation in ["PAYOUT", "TRANSFER"] {
        assert!(
            set(platform, operation, "EUR").refused().contains("`kola rates set EUR USD RATE`")
        );
    }
    assert!(set(&rwandan, "PAYOUT", "EUR").refused().contains("`kola rates set EUR RWF RATE`"));
    let opened = [
        "markets",
        "open",
        "MTN_MOMO_RWA",
        "PAYOUT",
        "RWF",
        "--percentage",
        "1",
        "--fixed",
        "1",
        "--fixed-currency",
        "EUR",
    ];
    assert!(server.kola(&opened).refused().contains("`kola rates set EUR RWF RATE`"));
    // Nothing was written.
    assert_fields(
        &predicted(&shop, ("MTN_MOMO_LBR", "PAWAPAY"), "USD"),
        &[("payer_amount", "103.00")],
    );
    // A rate through the dollar is enough. A currency without any rate is no reason to refuse the
    // others.
    set(&rwandan, "PAYOUT", "LRD").ok();
    set(card, "COLLECTION", "RWF").ok();
    server.kola(&["rates", "set", "EUR", "USD", "1.25"]).ok();
    for whose in [platform, momo, card] {
        set(whose, "COLLECTION", "EUR").ok();
    }
    server.kola(&opened).ok();
    // 100.00 and fees of 1.00 + 1.25 + 1.00 + 1.25.
    assert_fields(
        &predicted(&shop, ("MTN_MOMO_LBR", "PAWAPAY"), "USD"),
        &[("payer_amount", "104.50")],
    );
    server.verify_ledger();
}

/// The shipped market file with one line changed.
fn market(from: &str, to: &str) -> String {
    let shipped =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.default.toml"))
            .expect("the file");
    assert!(shipped.contains(from), "{from}");
    shipped.replacen(from, to, 1)
}

#[test]
fn an_operators_own_market_is_read_at_the_first_start() {
    let database = Database::new();
    let file = database.dir.path().join("market.toml");
    let path = file.to_str().expect("a path").to_owned();
    std::fs::write(&file, market("rate = \"192\"", "rate = \"about 192\"")).expect("a file");
    let said = database
        .kola(&["merchant", "create", "--name", "A", "--type", "ORGANIZATION", "--market", &path])
        .refused();
    assert!(
        said.contains("market.toml") && said.contains("about 192") && said.contains("line"),
        "{said}"
    );
    std::fs::write(&file, market("rate = \"192\"", "rate = \"180.25\"")).expect("a file");
    let credentials = database.merchant_with("A", &["--verified", "--market", &path]);
    // The file is not read again later: only the rows count.
    std::fs::remove_file(&file).expect("a file");
    let server = Server::spawn(database, &[("KOLA_MARKET", &path)]);
    assert!(server.log().contains("--market is for a new database"), "{}", server.log());
    let shop = server.sign_in(&credentials);
    // 104.00 × 180.25
    assert_fields(
        &predicted(&shop, ("MTN_MOMO_LBR", "PAWAPAY"), "LRD"),
        &[("payer_amount", "18746.00")],
    );
}

//! Payments never cost less than the tariff says: not by rounding, not because a row is missing,
//! not because of a clock.

use crate::operator::unread;
use crate::support::shop::GOOD;
use crate::support::{
    Database, Merchant, Reply, Server, all_at_once, assert_fields, assert_money, id, json, key,
    open, shown,
};

/// The sum of all wallets in a currency.
fn in_wallets(server: &Server, currency: &str) -> i64 {
    let sum = format!(
        "SELECT CAST(sum(available_minor + held_minor) AS BIGINT) FROM wallets WHERE currency = '{currency}'"
    );
    server.database.value(&sum).parse().expect("an amount")
}

/// A merchant and its own party pay each other small orders, each in the other currency. With half
/// rounding 21 RWF would become a cent, and a cent 14 RWF.
#[test]
fn a_circle_of_small_orders_gains_nothing() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "10.00");
    server.fund(&shop, "RWF", "10000");
    let (party, _) = shop.party_with_money("USD", "5.00");
    shop.transfer(shop.counterparty(party), "RWF", "5000");
    // As if payments by wallet had no fees.
    let free = [
        "fees",
        "set",
        "platform",
        "--operation",
        "COLLECTION",
        "--exchange-percentage",
        "0",
        "--percentage",
        "0",
    ];
    for (fees, [dollars, francs]) in [("with fees", ["0.02", "44"]), ("without", ["0.02", "15"])] {
        if fees == "without" {
            server.kola(&free).ok();
        }
        let account = shop.account(party, "COLLECTION", "WALLET", None);
        // In a unit of which a franc has ten and a cent 144.
        let worth = || 10 * in_wallets(&server, "RWF") + 144 * in_wallets(&server, "USD");
        let before = worth();
        for _ in 0..3 {
            for (currency, amount, payer, pays) in
                [("RWF", "21", "USD", dollars), ("USD", "0.01", "RWF", francs)]
            {
                let session = shop.checkout(shop.invoice(currency, amount));
                let paid = shop.collect(session, account, payer, &key()).ok();
                assert_eq!(paid["status"], "COMPLETED", "{paid}");
                assert_money(&paid, &[("payer_amount", pays)]);
            }
            assert!(worth() <= before, "{fees}: {} after {before}", worth());
        }
    }
    server.verify_ledger();
}

#[test]
fn positions_are_told_and_may_have_a_limit() {
    let (server, shop) = open();
    assert!(!server.kola(&["ledger", "verify"]).ok().contains("exchange position"));
    let paid = shop
        .collect(
            shop.checkout(shop.invoice("USD", "100.00")),
            shop.momo("COLLECTION", GOOD),
            "LRD",
            &key(),
        )
        .ok();
    assert_eq!(paid["status"], "COMPLETED");
    let verify = |limits: &[&str]| {
        let limits = limits.iter().flat_map(|limit| ["--position-limit", limit]);
        server.kola(&["ledger", "verify"].into_iter().chain(limits).collect::<Vec<_>>())
    };
    assert!(verify(&[]).ok().contains("exchange positions: 19968.00 LRD, -104.00 USD"));
    verify(&["USD=104.00", "LRD=19968", "RWF=0"]).ok();
    let run = verify(&["USD=103.99,LRD=20000"]);
    assert_eq!(
        (run.code, run.out.contains(" 0 violations")),
        (Some(3), true),
        "{} {}",
        run.out,
        run.err
    );
    assert_eq!(
        run.err,
        "kola: the exchange position is -104.00 USD, beyond its limit of 103.99 USD\n"
    );
    assert_eq!(verify(&["LRD=0"]).code, Some(3));
    let nobody_reads = unread(&server.database, &["ledger", "verify", "--position-limit", "LRD=0"]);
    assert_eq!(nobody_reads.status.code(), Some(3), "{nobody_reads:?}");
    assert_eq!(verify(&["USD"]).code, Some(2));
    // A violation takes precedence over a position.
    server.database.damage(
        "UPDATE wallets SET available_minor = available_minor + 1 WHERE available_minor > 0",
    );
    assert_eq!(verify(&["USD=1"]).code, Some(1));
}

#[test]
fn a_market_that_is_opened_tells_the_fee_that_was_set_with_it() {
    let (server, _shop) = open();
    let market = ["markets", "open", "CREDIT_CARD", "COLLECTION", "EUR"];
    let told = |more: &[&str]| server.kola(&[&market, more].concat()).ok();
    let fee = ["--percentage", "2.5", "--fixed", "0.20", "--fixed-currency", "EUR"];
    assert!(told(&fee).contains("fee 2.5 % + 0.20 EUR"));
    let answer: serde_json::Value =
        serde_json::from_str(&told(&["--percentage", "3", "--json"])).expect("JSON");
    assert_fields(
        &answer,
        &[
            ("currency", "EUR"),
            ("percentage", "3"),
            ("fixed_fee", "null"),
            ("fixed_fee_currency", "null"),
        ],
    );
    // Without `--percentage` the answer has no fee.
    let answer: serde_json::Value = serde_json::from_str(&told(&["--json"])).expect("JSON");
    assert_eq!(answer["percentage"], json!(null));
}

fn predicted(shop: &Merchant, operation: &str) -> Reply {
    shop.api.get(&format!(
        "/v1/predictions/amount-and-fees?base_amount=100&base_currency=USD&target_currency=USD&payment_method=MTN_MOMO_LBR\
         &provider=PAWAPAY&operation_type={operation}&fee_bearer=PAYER"
    ))
}

/// Makes rows of the tariff end long ago, which no command does.
fn over(server: &Server, table: &str, which: &str) {
    let end = format!("UPDATE {table} SET effective_to = 1 WHERE {which}");
    server.database.sql(&format!("{end}; UPDATE tariff SET version = version + 1"));
}

#[test]
fn a_payment_whose_fee_has_no_row_is_refused() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "500.00");
    let paid = shop.paid_hundred();
    let (payer, payee) = (shop.momo("COLLECTION", GOOD), shop.momo("PAYOUT", GOOD));
    let invoice = shop.invoice("USD", "100.00");
    let (checkout, payout) =
        (shop.checkout(invoice), id(&shop.open_payout(payee, "USD", "100.00").ok()));
    let refused = |words: &str| {
        for (reply, loc) in [
            (shop.collect(checkout, payer, "USD", &key()), "body.payment_account_id"),
            (shop.execute("payout", payout, &key()), "body.session_id"),
            (predicted(&shop, "COLLECTION"), "query.payment_method"),
            (predicted(&shop, "PAYOUT"), "query.payment_method"),
        ] {
            let fault = reply.state_fault(loc);
            assert!(fault.kind == "value_error.fee" && fault.msg.contains(words), "{reply:?}");
        }
        let of_source = shop.api.get(&format!(
            "/v1/predictions/payment-source/amount-and-fees?target_currency=USD&payment_method=MTN_MOMO_LBR&provider=PAWAPAY\
             &source_type=INVOICE&source_id={invoice}"
        ));
        assert_eq!(of_source.state_fault("query.payment_method").kind, "value_error.fee");
        assert_eq!(
            [shop.session_status("checkout", checkout), shop.session_status("payout", payout)],
            ["ACTIVE", "ACTIVE"]
        );
        assert_eq!(shop.source_status("invoices", invoice), "ACTIVE");
    };
    over(&server, "gateway_fees", "method = 'MTN_MOMO_LBR'");
    refused("no gateway fee is set for");
    let set = |what: &[&str]| {
        server.kola(&[&["fees", "set"][..], what, &["--percentage", "0"]].concat()).ok()
    };
    for operation in ["COLLECTION", "PAYOUT"] {
        set(&["gateway", "--method", "MTN_MOMO_LBR", "--operation", operation]);
    }
    over(&server, "platform_fees", "tier = 'default'");
    refused("no platform fee is set for");
    // Transfers and refunds need no such row.
    assert_eq!(shop.transfer(shop.customer(), "USD", "1.00")["status"], "COMPLETED");
    assert_eq!(shop.refund(&paid, "1.00")["status"], "COMPLETED");
    for operation in ["COLLECTION", "PAYOUT"] {
        set(&["platform", "--operation", operation]);
    }
    assert_eq!(shown(&shop.collect(checkout, payer, "USD", &key()).ok(), "payer_amount"), "100.00");
    assert_eq!(shown(&shop.execute("payout", payout, &key()).ok(), "payer_amount"), "100.00");
    assert_fields(
        &predicted(&shop, "PAYOUT").ok(),
        &[("payer_amount", "100.00"), ("gateway_fee", "0.00")],
    );
    server.verify_ledger();
}

/// A new tariff does not begin at the time of the first start, whose clock may be ahead.
#[test]
fn the_tariff_of_a_new_database_has_always_held() {
    let database = Database::new();
    database.merchant("Shop");
    for table in ["platform_fees", "gateway_fees", "rates", "markets", "phone_prefixes"] {
        let row = database.rows(&format!(
            "SELECT min(effective_from), max(effective_from), count(*) > 1 FROM {table}"
        ));
        assert_eq!(row[0][..2], ["0", "0"], "{table}");
    }
}

#[test]
fn a_fee_of_less_than_half_a_cent_is_a_cent() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1.00");
    // Of a cent the platform takes 0.0001 and the network 0.0002: each fee is rounded up to a cent.
    assert_money(
        &shop.take(shop.momo("COLLECTION", GOOD), "USD", "0.01"),
        &[("payer_amount", "0.03")],
    );
    assert_money(&shop.send(shop.momo("PAYOUT", GOOD), "USD", "0.01"), &[("payer_amount", "0.03")]);
    // A fee of zero stays zero.
    assert_money(&shop.transfer(shop.customer(), "USD", "0.01"), &[("payer_amount", "0.01")]);
    server.verify_ledger();
}

/// Several processes set the same fee at the same moment: one after the other, each on what the one
/// before has left.
#[test]
fn changes_at_once_are_made_one_after_the_other() {
    let (server, shop) = open();
    let version =
        || server.database.value("SELECT version FROM tariff").parse::<i64>().expect("one");
    let before = version();
    let percentages: Vec<String> = (1..=6).map(|percent| percent.to_string()).collect();
    all_at_once(&percentages, |percentage| {
        let set = ["fees", "set", "platform", "--operation", "COLLECTION", "--percentage"];
        server.kola(&[&set[..], &[percentage.as_str()]].concat()).ok()
    });
    assert_eq!(version(), before + 6);
    let rows = server.database.rows(
        "SELECT effective_from, coalesce(effective_to, -1) FROM platform_fees \
         WHERE operation = 'COLLECTION' ORDER BY effective_from, id",
    );
    assert_eq!(rows.len(), 7, "{rows:?}");
    for pair in rows.windows(2) {
        assert_eq!(pair[0][1], pair[1][0], "each ends where the next begins: {rows:?}");
    }
    assert_eq!(rows[6][1], "-1");
    let events = server.database.rows(
        "SELECT note FROM events WHERE merchant_id = 0 AND type = {event_type tariff.changed} \
         AND subject_type = {event_entity TARIFF} AND subject_id = 1 ORDER BY created_at",
    );
    let last = server.database.value(
        "SELECT percentage_ppm / 10000 FROM platform_fees WHERE operation = 'COLLECTION' AND effective_to IS NULL",
    );
    assert_eq!(events.len(), 6, "{events:?}");
    let note = format!("platform fee of COLLECTION in tier default: {last} %, exchange 1 %");
    assert_eq!(events[5][0], note);
    // The server uses the last one, and no merchant reads the events of the installation.
    assert_eq!(predicted(&shop, "COLLECTION").ok()["platform_fee"], json!(format!("{last}.00")));
    let listed = shop.api.get("/v1/events/list").rows();
    assert!(listed.iter().all(|row| row["type"] != "tariff.changed"), "{listed:?}");
    shop.api.get("/v1/events/list?type=tariff.changed").refused(422);
}

#[test]
fn a_refused_change_leaves_no_trace() {
    let server = Server::start(Database::new(), &[]);
    let fee = ["fees", "set", "platform", "--operation", "PAYOUT", "--percentage", "1"];
    for (command, why) in [
        ([&fee[..], &["--tier", "gold"]].concat(), "there is no tier gold"),
        (
            vec!["phones", "end", "999", "--digits", "12"],
            "no operator has numbers of 12 digits that begin with 999",
        ),
        (
            vec!["markets", "close", "CREDIT_CARD", "PAYOUT", "USD"],
            "CREDIT_CARD does no PAYOUT in USD",
        ),
        (
            vec!["markets", "open", "CREDIT_CARD", "PAYOUT", "USD"],
            "CREDIT_CARD has no fee for PAYOUT by STRIPE yet: say --percentage, 0 where the network takes nothing",
        ),
        (
            vec!["markets", "open", "CREDIT_CARD", "COLLECTION", "EUR", "--provider", "PAWAPAY"],
            "CREDIT_CARD is carried by STRIPE, and a method has one network",
        ),
    ] {
        assert_eq!(server.kola(&command).refused(), format!("kola: {why}\n"));
    }
    let changed = "SELECT count(*) FROM events WHERE merchant_id = 0";
    assert_eq!(server.database.value(changed), "0");
    assert_eq!(server.database.value("SELECT version FROM tariff"), "1");
}

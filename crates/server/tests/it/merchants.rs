//! `kola merchant set`: a running server uses the changes at once.

use serde_json::Value;

use crate::support::process::Run;
use crate::support::shop::{GOOD, new_phone};
use crate::support::{
    Database, Merchant, Server, assert_fields, assert_money, id, instant, json, key, open,
};

const MARKET: &str = include_str!("../../../../config.default.toml");

fn set(server: &Server, shop: &Merchant, what: &[&str]) -> Run {
    let merchant = shop.credentials.merchant_id.to_string();
    server.kola(&[&["merchant", "set", "--merchant", &merchant], what].concat())
}

/// The first merchant in the JSON of `kola merchant list`.
#[track_caller]
fn listed(server: &Server) -> Value {
    let printed = server.kola(&["merchant", "list", "--json"]).ok();
    serde_json::from_str::<Value>(&printed).expect("JSON")[0].take()
}

#[test]
fn a_merchant_is_verified_and_later_not_any_more() {
    let database = Database::with_schema();
    let credentials = database.merchant_with("New Shop", &[]);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "500.00");
    let account = shop.momo("PAYOUT", GOOD);
    shop.open_payout(account, "USD", "10.00").refused_in_words(403);
    assert!(set(&server, &shop, &["--verified", "true"]).ok().contains("verified    yes"));
    let session = id(&shop.open_payout(account, "USD", "10.00").ok());
    set(&server, &shop, &["--verified", "false"]).ok();
    assert_eq!(listed(&server)["verified"], json!(false));
    let refused = shop.execute("payout", session, &key());
    assert!(refused.refused_in_words(403).starts_with("merchant not verified: "), "{refused:?}");
    assert_eq!(shop.session_status("payout", session), "ACTIVE");
    shop.assert_balance("USD", "500.00", "0.00");
    shop.paid_hundred();
    set(&server, &shop, &["--verified", "true"]).ok();
    assert_eq!(shop.execute("payout", session, &key()).ok()["status"], "COMPLETED");
    server.verify_ledger();
}

/// Makes a checkout of 100.00 USD and pays it. Returns its invoice and the execution.
#[track_caller]
fn paid_checkout(shop: &Merchant) -> (Value, Value) {
    let body = json!({"mode": "HOSTED", "source_kind": "INVOICE", "party_phone": new_phone(), "currency": "USD",
        "items": [{"name": "Rice", "currency": "USD", "amount": 100}]});
    let made = shop.api.post("/v1/checkouts/create", &body).ok();
    let source = made["source_id"].as_i64().expect("an id");
    let paid =
        shop.collect(shop.checkout(source), shop.momo("COLLECTION", GOOD), "USD", &key()).ok();
    (shop.api.get(&format!("/v1/invoices/retrieve/{source}")).ok(), paid)
}

#[test]
fn who_bears_the_fees_of_checkouts_is_set_for_a_merchant() {
    let (server, shop) = open();
    assert_eq!(listed(&server)["fee_bearer"], "PAYER");
    for (bearer, payer, payee) in [("PAYEE", "100.00", "97.00"), ("PAYER", "103.00", "100.00")] {
        assert!(
            set(&server, &shop, &["--fee-bearer", bearer])
                .ok()
                .contains(&format!("fee bearer  {bearer}"))
        );
        let row = listed(&server);
        assert_eq!(
            [&row["fee_bearer"], &row["fee_tier"], &row["verified"]],
            [&json!(bearer), &json!("default"), &json!(true)]
        );
        let (invoice, paid) = paid_checkout(&shop);
        assert_fields(&invoice, &[("fee_bearer", bearer)]);
        assert_money(&paid, &[("payer_amount", payer), ("payee_amount", payee)]);
        // An invoice itself says who bears its fees.
        shop.paid_hundred();
    }
    assert!(server.kola(&["merchant", "list"]).ok().contains("default  PAYER"));
    server.verify_ledger();
}

#[test]
fn a_merchant_is_given_another_fee_tier() {
    let database = Database::new();
    let file = database.dir.path().join("market.toml");
    let gold = "[[tier]]\nname = \"gold\"\n\n[[platform_fee]]\ntier = \"gold\"\noperation = \"COLLECTION\"\npercentage = \"0.25\"\nexchange_percentage = \"1\"\n";
    std::fs::write(&file, format!("{MARKET}\n{gold}")).expect("a file");
    let credentials =
        database.merchant_with("Shop", &["--verified", "--market", file.to_str().expect("a path")]);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    let path = format!(
        "/v1/fees/merchant-tier?owner_type=ORGANIZATION&owner_id={}",
        credentials.merchant_id
    );
    let before = shop.api.get(&path).ok();
    assert_fields(&before["tier"], &[("name", "default")]);
    assert!(set(&server, &shop, &["--fee-tier", "gold"]).ok().contains("fee tier    gold"));
    let after = shop.api.get(&path).ok();
    assert_fields(&after["tier"], &[("name", "gold")]);
    assert!(instant(&after["assigned_at"]) > instant(&before["assigned_at"]), "{after}");
    assert_money(
        &shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00"),
        &[("payer_amount", "102.25")],
    );
    // The same command again changes nothing.
    set(&server, &shop, &["--fee-tier", "gold", "--fee-bearer", "PAYEE"]).ok();
    assert_eq!(shop.api.get(&path).ok(), after);
    server.verify_ledger();
}

#[test]
fn what_cannot_be_set_of_a_merchant_is_told() {
    let (server, shop) = open();
    let before = listed(&server);
    for (what, why) in [
        (&[][..], "--verified"),
        (&["--verified", "perhaps"], "perhaps"),
        (&["--fee-bearer", "BANK"], "use PAYER or PAYEE"),
        (&["--fee-tier", "gold", "--verified", "false"], "no fee tier has this name"),
    ] {
        let said = set(&server, &shop, what).refused();
        assert!(said.contains(why), "{said}");
    }
    let unknown = server.kola(&["merchant", "set", "--merchant", "987654", "--verified", "true"]);
    assert!(
        unknown
            .refused()
            .contains("there is no merchant 987654: `kola merchant list` has their ids")
    );
    assert_eq!(listed(&server), before);
}

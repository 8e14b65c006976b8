//! Methods are rows: an operator opens another country by the command line, and merchants use it at
//! once.

use crate::checkout_pages::{checkout_of, order};
use crate::support::payer::{Browser as _, Payer, pay, shows, until};
use crate::support::{Server, assert_fields, id, json, key, open, shown};

const PHONE: &str = "260960000001";
/// What a market says of a method that is new.
const DETAILS: [[&str; 2]; 6] = [
    ["--provider", "PAWAPAY"],
    ["--network-code", "MTN_MOMO_ZMB"],
    ["--country", "ZMB"],
    ["--dial-prefix", "260"],
    ["--decimals", "2"],
    ["--display-name", "MTN Mobile Money"],
];

/// `kola markets open MTN_MOMO_ZMB`, with its details, these arguments, and a fee of 2 %.
fn arguments<'a>(details: &[[&'a str; 2]], more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["markets", "open", "MTN_MOMO_ZMB", "COLLECTION", "ZMW", "--percentage", "2"];
    all.extend(details.iter().flatten());
    all.extend(more);
    all
}

#[track_caller]
fn open_zambia(server: &Server) {
    server.kola(&arguments(&DETAILS, &[])).ok();
    // What the method is was said once.
    server.kola(&["markets", "open", "MTN_MOMO_ZMB", "PAYOUT", "ZMW", "--percentage", "1"]).ok();
    let carrier = ["--carrier", "MTN Zambia", "--country", "ZM", "--method", "MTN_MOMO_ZMB"];
    server.kola(&[&["phones", "add", "26096", "--digits", "12"], &carrier[..]].concat()).ok();
}

#[test]
fn a_country_is_opened_without_a_release() {
    let (server, shop) = open();
    let names = |method: &str| {
        let reply = shop.create_account(shop.party(), "COLLECTION", method, Some(PHONE));
        reply.fault("body.method").msg
    };
    let before = names("MTN_MOMO_ZMB");
    assert_eq!(
        before,
        "value is not a valid enumeration member; permitted: 'MTN_MOMO_LBR', 'ORANGE_MONEY_LBR', \
         'AIRTEL_RWA', 'MTN_MOMO_RWA', 'ORANGE_MONEY_RWA', 'CREDIT_CARD', 'WALLET'"
    );
    open_zambia(&server);
    assert_eq!(names("CASH"), before.replace("'CREDIT_CARD'", "'MTN_MOMO_ZMB', 'CREDIT_CARD'"));

    // Predictions, by the method's own name as the network, too.
    let phone = shop
        .api
        .get(&format!(
            "/v1/predictions/mmo-provider-info?phone=%2B{PHONE}&operation_type=COLLECTION"
        ))
        .ok();
    assert_fields(
        &phone,
        &[("carrier", "MTN Zambia"), ("country", "ZM"), ("gateway_provider", "MTN_MOMO_ZMB")],
    );
    assert_eq!(phone["currencies"], json!(["ZMW"]));
    for provider in ["PAWAPAY", "MTN_MOMO_ZMB"] {
        let path = format!(
            "/v1/predictions/amount-and-fees?base_amount=100.50&base_currency=ZMW&target_currency=ZMW\
             &payment_method=MTN_MOMO_ZMB&provider={provider}&operation_type=COLLECTION&fee_bearer=PAYER"
        );
        // 1 % of the platform and 2 % of the network.
        let predicted = shop.api.get(&path).ok();
        assert_fields(&predicted, &[("payer_amount", "103.52"), ("gateway_fee", "2.01")]);
    }

    let party = shop.party_with_phone(PHONE);
    let account = |operation: &str| {
        let body = json!({"account_name": "Mwila Banda", "provider": "MTN_MOMO_ZMB",
            "method": "MTN_MOMO_ZMB", "party_id": party, "country_code": "ZMB"});
        let path = format!("/v1/payment-accounts/create?operation_type={operation}");
        let made = shop.api.post(&path, &body).ok();
        assert_fields(&made, &[("provider", "PAWAPAY"), ("method", "MTN_MOMO_ZMB")]);
        assert_eq!(made["country_code"], "ZM");
        id(&made)
    };
    let (payer, payee) = (account("COLLECTION"), account("PAYOUT"));
    assert_eq!(
        shop.api.get("/v1/payment-accounts/list?method=MTN_MOMO_ZMB").rows().len(),
        2,
        "a filter may name it"
    );

    let collected = shop.take(payer, "ZMW", "100.50");
    let collected = shop.settled("collection", &collected);
    assert_fields(&collected, &[("status", "COMPLETED"), ("payer_amount", "103.52")]);
    let wallets = shop.api.get("/v1/wallets/list").rows();
    let wallet = wallets.iter().find(|row| row["currency"] == "ZMW").expect("a wallet in kwacha");
    assert_fields(wallet, &[("available", "100.50")]);
    let body = json!({"wallet_id": id(wallet), "payment_account_id": payee, "amount": 50.25,
        "currency": "ZMW", "expires_at": crate::support::soon()});
    let session = id(&shop.api.post("/v1/sessions/payout", &body).ok());
    let sent = shop.execute("payout", session, &key()).ok();
    let sent = shop.settled("payout", &sent);
    assert_fields(&sent, &[("status", "COMPLETED"), ("payee_amount", "50.25")]);
    server.verify_ledger();
}

/// Opens Vodacom of Tanzania, which takes shillings without cents.
#[track_caller]
fn open_tanzania(server: &Server) {
    let details = [
        "--provider",
        "PAWAPAY",
        "--network-code",
        "VODACOM_TZA",
        "--country",
        "TZA",
        "--dial-prefix",
        "255",
        "--decimals",
        "0",
        "--display-name",
        "M-Pesa",
    ];
    let open = ["markets", "open", "VODACOM_TZA", "COLLECTION", "TZS", "--percentage", "2"];
    server.kola(&[&open[..], &details].concat()).ok();
    server.kola(&["markets", "open", "VODACOM_TZA", "PAYOUT", "TZS", "--percentage", "1"]).ok();
    server.kola(&["rates", "set", "USD", "TZS", "2543.21"]).ok();
    let carrier = ["--carrier", "Vodacom", "--country", "TZ", "--method", "VODACOM_TZA"];
    server.kola(&[&["phones", "add", "25574", "--digits", "12"], &carrier[..]].concat()).ok();
}

#[test]
fn where_a_network_takes_no_decimals_amounts_are_whole() {
    let (server, shop) = open();
    open_tanzania(&server);
    let party = shop.party_with_phone("255740000001");
    let account = |operation: &str| {
        let body = json!({"account_name": "Neema Juma", "provider": "PAWAPAY",
            "method": "VODACOM_TZA", "party_id": party, "country_code": "TZ"});
        let path = format!("/v1/payment-accounts/create?operation_type={operation}");
        id(&shop.api.post(&path, &body).ok())
    };
    let (payer, payee) = (account("COLLECTION"), account("PAYOUT"));

    // 1 % and 2 % of 7,070 are 70.70 and 141.40: 71 and 141, whoever bears them.
    let predicted = shop.api.get(
        "/v1/predictions/amount-and-fees?base_amount=7070&base_currency=TZS&target_currency=TZS\
         &payment_method=VODACOM_TZA&provider=PAWAPAY&operation_type=COLLECTION&fee_bearer=PAYER",
    );
    assert_fields(
        &predicted.ok(),
        &[("payer_amount", "7282.00"), ("platform_fee", "71.00"), ("gateway_fee", "141.00")],
    );
    for (bearer, payer_amount, payee_amount) in
        [("PAYER", "7282.00", "7070.00"), ("PAYEE", "7070.00", "6858.00")]
    {
        let invoice = shop.source("invoices", "TZS", bearer, "7070");
        let paid = shop.collect(shop.checkout(invoice), payer, "TZS", &key()).ok();
        let paid = shop.settled("collection", &paid);
        assert_fields(
            &paid,
            &[
                ("status", "COMPLETED"),
                ("payer_amount", payer_amount),
                ("payee_amount", payee_amount),
            ],
        );
    }
    // A total with cents cannot be paid so.
    let invoice = shop.source("invoices", "TZS", "PAYEE", "70.50");
    let refused = shop.collect(shop.checkout(invoice), payer, "TZS", &key());
    let fault = refused.fault("body.payment_account_id");
    assert!(fault.msg.contains("whole amounts only"), "{}", fault.msg);
    // 0.05 USD and three fees of a cent are 203.46 TZS, which are rounded up: 204.
    let invoice = shop.source("invoices", "USD", "PAYER", "0.05");
    let paid = shop.collect(shop.checkout(invoice), payer, "TZS", &key()).ok();
    let paid = shop.settled("collection", &paid);
    assert_fields(&paid, &[("status", "COMPLETED"), ("payer_amount", "204.00")]);
    // What goes back, and what is paid out, must fit.
    let fault = shop.open_refund(&paid["payment_intent_id"], "3.50").fault("body.amount");
    assert!(fault.msg.contains("whole amounts only"), "{}", fault.msg);
    let back = shop.refund(&paid, "102");
    assert_fields(&shop.settled("refund", &back), &[("status", "COMPLETED")]);
    let wallets = shop.api.get("/v1/wallets/list").rows();
    let wallet = wallets.iter().find(|row| row["currency"] == "TZS").expect("a wallet");
    let payout = |amount: &str| {
        let body = json!({"wallet_id": id(wallet), "payment_account_id": payee, "amount": amount,
            "currency": "TZS", "expires_at": crate::support::soon()});
        shop.api.post("/v1/sessions/payout", &body)
    };
    let fault = payout("10.50").fault("body.amount");
    assert!(fault.msg.contains("whole amounts only"), "{}", fault.msg);
    let sent = shop.execute("payout", id(&payout("1000").ok()), &key()).ok();
    assert_fields(&shop.settled("payout", &sent), &[("status", "COMPLETED")]);
    server.verify_ledger();
    // The verification knows what the amounts were rounded to.
    server.database.damage("UPDATE executions SET unit_minor = NULL WHERE unit_minor IS NOT NULL");
    let found = server.kola(&["ledger", "verify"]).refused();
    assert!(found.contains("fee is not what its row comes to"), "{found}");
    assert!(found.contains("payer's amount is not the total at its rate"), "{found}");
}

#[test]
fn the_page_offers_an_opened_method_and_says_what_its_row_says() {
    let (server, shop) = open();
    open_zambia(&server);
    let mut body = order();
    body["currency"] = json!("ZMW");
    body["items"][0]["currency"] = json!("ZMW");
    let checkout = checkout_of(&shop, &body);
    let mut payer = Payer::at(&server, &checkout.link);
    shows(&mut payer, &["MTN Mobile Money, Zambia", "40.17 ZMW"]);
    payer.choose("method", "MTN_MOMO_ZMB:ZMW");
    shows(&mut payer, &["For example 096 000 0001"]);
    payer.fill("phone", "+231 88 000 0001");
    payer.go_on();
    shows(&mut payer, &["This is not a number of Zambia"]);
    pay(&mut payer, &checkout.link, "MTN_MOMO_ZMB:ZMW", "096 000 0001");
    until(&mut payer, "Paid");
    // Zambia is two hours ahead of UTC.
    shows(&mut payer, &["MTN Mobile Money, Zambia", "CAT"]);
    let token = checkout.link.rsplit('/').next().expect("a token");
    payer.open(&format!("/receipt/{token}"));
    shows(&mut payer, &["MTN Mobile Money, Zambia", "CAT"]);
    server.verify_ledger();
}

#[test]
fn what_is_wrong_with_a_new_method_is_said() {
    let (server, shop) = open();
    let said =
        |details: &[[&str; 2]], more: &[&str]| server.kola(&arguments(details, more)).refused();
    // Each flag that is left out is named, and all of them at once.
    for (index, [flag, _]) in DETAILS.iter().enumerate() {
        let mut details = DETAILS.to_vec();
        details.remove(index);
        let said = said(&details, &[]);
        assert!(said.contains(&format!("MTN_MOMO_ZMB is new: say {flag}\n")), "{said}");
    }
    let all = DETAILS.map(|[flag, _]| flag).join(", ");
    let nothing = said(&[], &[]);
    assert!(nothing.contains(&format!("MTN_MOMO_ZMB is new: say {all}\n")), "{nothing}");

    let with = |flag: &str, value: &'static str| {
        let details =
            DETAILS.map(|[known, said]| [known, if known == flag { value } else { said }]);
        said(&details, &[])
    };
    for (flag, value, message) in [
        ("--provider", "MPESA", "use one of PAWAPAY, STRIPE, PLATFORM"),
        ("--network-code", "mtn", "use a code of 3 to 40 capital letters, digits and underscores"),
        ("--network-code", "ORANGE_LBR", "ORANGE_LBR of PAWAPAY is ORANGE_MONEY_LBR already"),
        ("--country", "Zambia", "use a country of ISO 3166, two letters or three"),
        ("--dial-prefix", "+260", "use the first digits of a number, without plus sign"),
        ("--dial-prefix", "231", "numbers in ZM begin with 260, not with 231"),
        ("--decimals", "3", "ZMW has 2 decimals"),
        ("--decimals", "-1", "invalid"),
        ("--display-name", " ", "use a name of 1 to 40 characters"),
    ] {
        let said = with(flag, value);
        assert!(said.contains(message), "{flag} {value}: {said}");
    }
    let card = ["markets", "open", "CREDIT_CARD", "COLLECTION", "USD", "--dial-prefix", "1"];
    let said = server.kola(&card).refused();
    assert!(said.contains("CREDIT_CARD has no phone numbers"), "{said}");
    let named = server.kola(&["markets", "open", "mtn_zmb", "COLLECTION", "ZMW"]).refused();
    assert!(named.contains("use 3 to 40 capital letters, digits and underscores"), "{named}");
    let prefix = ["--digits", "12", "--carrier", "MTN", "--country", "ZM", "--method"];
    let add = |method| server.kola(&[&["phones", "add", "26096"], &prefix[..], &[method]].concat());
    let said = add("MTN_MOMO_ZMB").refused();
    assert!(said.contains("MTN_MOMO_ZMB has no market"), "{said}");
    // Nothing of all that was written.
    shop.api
        .get("/v1/fees/gateway?payment_method=MTN_MOMO_ZMB&operation_type=COLLECTION")
        .fault("query.payment_method");

    open_zambia(&server);
    let printed = server.kola(&arguments(&[], &[])).ok();
    assert!(printed.contains("MTN_MOMO_ZMB"), "{printed}");
    let other = server.kola(&arguments(&[["--display-name", "MoMo"]], &[])).refused();
    assert!(
        other.contains("MTN_MOMO_ZMB is open with the network's code MTN_MOMO_ZMB and the name \"MTN Mobile Money\""),
        "{other}"
    );
    let listed = server.kola(&["markets", "list"]).ok();
    let line = listed
        .lines()
        .find(|line| line.contains("MTN_MOMO_ZMB") && line.contains("COLLECTION"))
        .expect("a row");
    assert!(line.contains("260") && line.contains("MTN Mobile Money"), "{line}");
    let json = server.kola(&["markets", "list", "--json"]).ok();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
    let row =
        |method: &str| rows.iter().find(|row| row["payment_method"] == method).expect("a row");
    assert_fields(
        row("MTN_MOMO_ZMB"),
        &[("network_code", "MTN_MOMO_ZMB"), ("dial_prefix", "260"), ("decimals", "2")],
    );
    assert_eq!(shown(row("ORANGE_MONEY_LBR"), "network_code"), "ORANGE_LBR");
    assert_eq!(row("CREDIT_CARD")["dial_prefix"], json!(null));

    // Closed everywhere, the method may say something else.
    for operation in ["COLLECTION", "PAYOUT"] {
        server.kola(&["markets", "close", "MTN_MOMO_ZMB", operation, "ZMW"]).ok();
    }
    server.kola(&arguments(&[["--display-name", "MoMo"]], &[])).ok();
    server.verify_ledger();
}

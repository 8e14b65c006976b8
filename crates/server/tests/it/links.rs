//! Links to the pages of an invoice or order.

use crate::support::{Database, Server, json, open, open_two, shown};

#[test]
fn a_link_is_made_once_and_leads_to_the_page() {
    let (server, shop) = open();
    for (kind, source_type, field) in
        [("invoices", "INVOICE", "invoice_number"), ("orders", "ORDER", "order_number")]
    {
        let source = shop.source(kind, "USD", "PAYER", "7.00");
        let number = shown(&shop.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok(), field);
        let link = |what: &str| {
            let asked =
                format!("/v1/links/{what}?source_type={source_type}&source_number={number}");
            shown(&shop.api.get(&asked).ok(), "url")
        };
        let (pay, receipt) = (link("pay"), link("receipt"));
        assert_eq!(
            (link("pay"), link("receipt")),
            (pay.clone(), receipt.clone()),
            "the same when asked again"
        );
        for url in [pay, receipt] {
            let path = url
                .strip_prefix(&format!("http://{}", server.api.address))
                .expect("our own address")
                .to_owned();
            let page = server.api.get(&path);
            assert_eq!(page.status, 200);
            let text = page.body.as_str().expect("a page").to_owned();
            assert!(text.contains(&number) && text.contains("7.00 USD"), "{text}");
        }
        shop.api
            .get(&format!("/v1/links/pay?source_type=SUBSCRIPTION&source_number={number}"))
            .refused(404);
    }
}

#[test]
fn a_crowd_that_asks_for_a_link_gets_one() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "7.00");
    let number =
        shown(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(), "invoice_number");
    let asked = format!("/v1/links/pay?source_type=INVOICE&source_number={number}");
    let urls: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..16).map(|_| scope.spawn(|| shown(&shop.api.get(&asked).ok(), "url"))).collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    });
    assert_eq!(urls.len(), 1, "{urls:?}");
}

#[test]
fn a_subscription_is_a_name_for_what_is_never_found() {
    let (_server, shop) = open();
    let invoice = shop.invoice("USD", "7.00");
    for path in [
        "/v1/links/pay?source_type=SUBSCRIPTION&source_number=SUB-1".to_owned(),
        "/v1/links/receipt?source_type=SUBSCRIPTION&source_number=SUB-1".to_owned(),
        format!("/v1/status/source?source_type=SUBSCRIPTION&source_id={invoice}"),
        format!(
            "/v1/predictions/payment-source/amount-and-fees?target_currency=USD&payment_method=CREDIT_CARD&provider=STRIPE\
             &source_type=SUBSCRIPTION&source_id={invoice}"
        ),
    ] {
        shop.api.get(&path).refused(404);
    }
    let reply = shop.api.get("/v1/links/pay?source_type=GIFT");
    reply.faults_are_at(&["query.source_type", "query.source_number"]);
    assert!(reply.fault("query.source_type").msg.contains("'SUBSCRIPTION'"));
}

#[test]
fn links_are_for_verified_merchants() {
    let database = Database::with_schema();
    let credentials = database.merchant_with("Newcomer", &[]);
    let server = Server::start(database, &[]);
    let shop = server.sign_in(&credentials);
    for what in ["pay", "receipt"] {
        let words = shop
            .api
            .get(&format!("/v1/links/{what}?source_type=INVOICE&source_number=INV-2026-00001"));
        assert!(words.refused_in_words(403).contains("kola merchant set"), "{words:?}");
        shop.api.get(&format!("/v1/links/{what}")).refused(422);
    }
}

#[test]
fn a_merchant_knows_itself_and_nobody_else() {
    let (_server, shop, other) = open_two();
    let path = |id: i64, kind: &str| {
        format!("/v1/merchants/merchant-info?merchant_id={id}&merchant_type={kind}")
    };
    let id = shop.credentials.merchant_id;
    let info = shop.api.get(&path(id, "ORGANIZATION")).ok();
    assert_eq!(
        info,
        json!({"id": id, "name": "First Shop", "type": "ORGANIZATION", "email": null, "phone": null})
    );
    shop.api.get(&path(id, "MICRO_ORGANIZATION")).refused(404);
    other.api.get(&path(id, "ORGANIZATION")).refused(404);
    shop.api
        .get("/v1/merchants/merchant-info?merchant_type=USER")
        .faults_are_at(&["query.merchant_id", "query.merchant_type"]);
}

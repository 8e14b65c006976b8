//! Faulty requests: every fault is reported, nothing is written, and nothing breaks.

use crate::support::http::raw;
use crate::support::{Api, Merchant, json, key, number, open, soon};

const CHECKOUT: &str = "/v1/sessions/checkout";
const PARTY: &str = "/v1/parties/create";

fn post(shop: &Merchant, body: &[u8]) -> crate::support::Reply {
    shop.api.post_bytes(PARTY, "application/json", body)
}

/// Checks that the server still works, and that refused requests left nothing behind.
#[track_caller]
fn unharmed(shop: &Merchant) {
    assert!(shop.api.get("/v1/parties/list").rows().is_empty());
    shop.party();
}

#[test]
fn an_unknown_path_is_not_found() {
    let (_server, shop) = open();
    for path in
        ["/v1/nothing", "/v2/parties/list", "/v1/sessions/gift/list", "/v1/parties/list/", "/v1"]
    {
        let reply = shop.api.get(path);
        assert_eq!(reply.refused(404), &json!("Not found"), "{path}");
        assert_eq!(reply.body, json!({"detail": "Not found"}));
    }
}

#[test]
fn a_path_id_of_nothing_is_not_found() {
    let (_server, shop) = open();
    for path in [
        "/v1/invoices/retrieve/987654",
        "/v1/orders/retrieve/987654",
        "/v1/wallets/retrieve/987654",
    ] {
        assert_eq!(shop.api.get(path).refused_in_words(404), "Not found");
    }
    for odd in ["0", "-1", "abc", "99999999999999999999999", "1.5", "%00"] {
        shop.api.get(&format!("/v1/invoices/retrieve/{odd}")).refused_as_unknown();
    }
}

#[test]
fn another_method_is_not_allowed() {
    let (_server, shop) = open();
    for (method, path) in
        [("GET", CHECKOUT), ("DELETE", PARTY), ("POST", "/v1/parties/list"), ("PATCH", CHECKOUT)]
    {
        shop.api.call(method, path, None).refused_in_words(405);
    }
}

#[test]
fn a_body_may_have_64_kib_and_no_more() {
    let (_server, shop) = open();
    let body = |size: usize| {
        let json = json!({"fullname": "Amara", "phone": "231770000000"}).to_string();
        format!("{json}{}", " ".repeat(size - json.len()))
    };
    post(&shop, body(65_537).as_bytes()).refused_in_words(413);
    post(&shop, body(200_000).as_bytes()).refused_in_words(413);
    unharmed(&shop);
    let exactly = json!({"relationship_type": "CUSTOMER"}).to_string();
    let padded = format!("{exactly}{}", " ".repeat(65_536 - exactly.len()));
    shop.api.post_bytes("/v1/counterparties/create", "application/json", padded.as_bytes()).ok();
}

#[test]
fn a_body_of_unsaid_length_is_measured_too() {
    let (server, shop) = open();
    let token = shop.api.token.as_deref().expect("a token");
    let head = format!(
        "POST {PARTY} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
        Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
        server.api.address
    );
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", 70_000, " ".repeat(70_000));
    raw(&server.api.address, head.as_bytes(), body.as_bytes())
        .expect("an answer")
        .refused_in_words(413);
    unharmed(&shop);
}

#[test]
fn only_json_is_read() {
    let (_server, shop) = open();
    let body = json!({"fullname": "Amara", "phone": "231770000000"}).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data; boundary=x",
    ] {
        shop.api.post_bytes(PARTY, kind, body.as_bytes()).refused_in_words(415);
    }
    unharmed(&shop);
    shop.api
        .post_bytes(
            "/v1/counterparties/create",
            "application/json; charset=utf-8",
            br#"{"relationship_type": "CUSTOMER"}"#,
        )
        .ok();
}

#[test]
fn broken_json_is_told_as_such() {
    let (_server, shop) = open();
    for body in [
        "{",
        "{\"fullname\": ",
        "{'fullname': 'x'}",
        "{\"fullname\": \"x\",}",
        "fullname",
        "{\"a\": 1} {",
        "{\"a\": NaN}",
        "{\"a\": 01}",
        "{\"fullname\": \"\u{1}\"}",
        "{\"fullname\": \"\\ud800\"}",
        "[1, 2",
    ] {
        let faults = post(&shop, body.as_bytes()).faults();
        assert_eq!(faults.len(), 1, "{body}");
        assert_eq!(faults[0].kind, "value_error.jsondecode", "{body}");
        assert!(faults[0].loc.starts_with("body"), "{body}: {}", faults[0].loc);
    }
    unharmed(&shop);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let (_server, shop) = open();
    let reply = post(&shop, b"{\"fullname\": \"\xff\xfe\", \"phone\": \"231770000000\"}");
    assert_eq!(reply.faults()[0].kind, "value_error.jsondecode");
    unharmed(&shop);
}

#[test]
fn a_body_is_an_object() {
    let (_server, shop) = open();
    post(&shop, b"null").fault("body").is_missing();
    post(&shop, b"").fault("body").is_missing();
    for body in ["[]", "[{\"fullname\": \"x\"}]", "\"text\"", "1", "true"] {
        post(&shop, body.as_bytes())
            .fault("body")
            .says("value is not a valid dict", "type_error.dict");
    }
    unharmed(&shop);
}

#[test]
fn deep_nesting_is_no_way_to_end_the_server() {
    let (_server, shop) = open();
    for depth in [200, 30_000] {
        post(&shop, "[".repeat(depth).as_bytes()).refused(422);
        post(&shop, format!("{}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes()).refused(422);
        post(
            &shop,
            format!("{{\"fullname\": {}1{}}}", "[".repeat(depth), "]".repeat(depth)).as_bytes(),
        )
        .refused(422);
    }
    post(&shop, "{\"a\":".repeat(10_000).as_bytes()).refused(422);
    unharmed(&shop);
}

#[test]
fn every_fault_of_a_body_is_told_at_once() {
    let (_server, shop) = open();
    let body = json!({"wallet_id": "x", "payment_account_id": true, "amount": "abc", "currency": "ZZZ", "expires_at": "soon"});
    let reply = shop.api.post("/v1/sessions/payout", &body);
    reply.faults_are_at(&[
        "body.wallet_id",
        "body.payment_account_id",
        "body.amount",
        "body.currency",
        "body.expires_at",
    ]);
    reply.fault("body.wallet_id").says("value is not a valid integer", "type_error.integer");
    reply
        .fault("body.payment_account_id")
        .says("value is not a valid integer", "type_error.integer");
    reply.fault("body.amount").says("value is not a valid float", "type_error.float");
    reply.fault("body.expires_at").says("invalid datetime format", "value_error.datetime");
    let body = json!({"session_id": [], "reference_id": "x", "currency": "US"});
    let reply = shop.api.post("/v1/executions/collection", &body);
    reply.faults_are_at(&[
        "body.session_id",
        "body.payment_account_id",
        "body.currency",
        "body.reference_id",
    ]);
}

#[test]
fn faults_are_in_the_order_of_the_fields() {
    let (_server, shop) = open();
    let order: Vec<String> = shop
        .api
        .post("/v1/sessions/payout", &json!({}))
        .faults()
        .into_iter()
        .map(|f| f.loc)
        .collect();
    assert_eq!(
        order,
        [
            "body.wallet_id",
            "body.payment_account_id",
            "body.amount",
            "body.currency",
            "body.expires_at"
        ]
    );
}

#[test]
fn an_id_is_a_whole_number_within_reach() {
    let (_server, shop) = open();
    for text in
        ["1.5", "true", "\"1.5\"", "\"abc\"", "\"\"", "[1]", "{}", "99999999999999999999", "1e3000"]
    {
        let body = format!("{{\"source_id\": {text}, \"source_type\": \"INVOICE\"}}");
        shop.api
            .post_bytes(CHECKOUT, "application/json", body.as_bytes())
            .faults_are_at(&["body.source_id"]);
    }
    for text in ["0", "-1", "9223372036854775807", "\"9223372036854775808\""] {
        let body = format!("{{\"source_id\": {text}, \"source_type\": \"INVOICE\"}}");
        shop.api
            .post_bytes(CHECKOUT, "application/json", body.as_bytes())
            .faults_are_at(&["body.source_id"]);
    }
}

#[test]
fn an_enumeration_tells_what_is_permitted() {
    let (_server, shop) = open();
    let permitted = "value is not a valid enumeration member; permitted: 'INVOICE', 'ORDER'";
    for value in [json!("GIFT"), json!("invoice"), json!(1), json!(true), json!([])] {
        let reply = shop.api.post(CHECKOUT, &json!({"source_id": 1, "source_type": value}));
        reply.fault("body.source_type").says(permitted, "type_error.enum");
    }
}

#[test]
fn texts_and_dates_have_their_types() {
    let (_server, shop) = open();
    for value in [json!([]), json!({"a": 1})] {
        let reply = shop.api.post(PARTY, &json!({"fullname": value, "phone": "231770000000"}));
        reply.fault("body.fullname").says("str type expected", "type_error.str");
    }
    let mut body = json!({"from_wallet_id": 1, "to_counterparty_id": 1, "amount": 1, "currency": "USD", "expires_at": []});
    assert!(!shop.api.post("/v1/sessions/transfer", &body).fault("body.expires_at").msg.is_empty());
    body["expires_at"] = json!("never");
    shop.api
        .post("/v1/sessions/transfer", &body)
        .fault("body.expires_at")
        .says("invalid datetime format", "value_error.datetime");
    unharmed(&shop);
}

#[test]
fn a_refused_request_moves_nothing() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let session = json!({"from_wallet_id": shop.wallet("USD"), "to_counterparty_id": shop.customer(), "amount": number("1e30"),
        "currency": "USD", "expires_at": soon()});
    shop.api.post("/v1/sessions/transfer", &session).refused(422);
    shop.execute("transfer", 1, "nonsense").refused(422);
    shop.execute("transfer", 1, &key()).refused(422);
    assert!(shop.api.get("/v1/sessions/transfer/list").rows().is_empty());
    assert!(shop.api.get("/v1/payment-intents/list").rows().is_empty());
    shop.assert_balance("USD", "100.00", "0.00");
    server.verify_ledger();
}

#[test]
fn half_a_request_does_not_hold_up_the_next() {
    use std::io::Write;
    let (server, shop) = open();
    let mut open_ended: Vec<std::net::TcpStream> = Vec::new();
    for _ in 0..20 {
        let mut stream = std::net::TcpStream::connect(&server.api.address).expect("a connection");
        stream.write_all(b"POST /v1/parties/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"full").expect("sent");
        open_ended.push(stream);
    }
    unharmed(&shop);
}

#[test]
fn what_is_no_http_is_refused() {
    let (server, shop) = open();
    for head in ["HELLO\r\n", "GET /v1/parties/list\r\n", "GET  HTTP/9.9\r\n"] {
        // Any answer or none is right, as long as the server goes on running.
        let _answer = raw(&server.api.address, head.as_bytes(), b"");
    }
    unharmed(&shop);
}

#[test]
fn the_server_says_nothing_of_its_insides() {
    let (_server, shop) = open();
    let anonymous: Api = shop.api.with_token(None);
    for reply in [
        shop.api.get("/v1/parties/retrieve/%27%20OR%201=1--"),
        anonymous.get("/v1/wallets/list"),
        post(&shop, b"{"),
    ] {
        let text = reply.body.to_string().to_lowercase();
        for word in ["sqlite", "postgres", "panicked", "src/", "select "] {
            assert!(!text.contains(word), "{text}");
        }
    }
}

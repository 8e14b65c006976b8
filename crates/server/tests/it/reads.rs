//! Expensive reads: lists that are long, whose answers nobody reads, or that find nothing. Others
//! are served meanwhile.

use std::io::Write;
use std::net::TcpStream;

use crate::support::{Merchant, Server, id, json, open, open_with, shown, spawn_two, wait_for};

/// Inserts active orders of this merchant into the database, with ids from 900000001 on. `note` is
/// a SQL expression.
fn orders(server: &Server, shop: &Merchant, count: u32, note: &str) {
    let counterparty = shop.customer();
    let merchant = shop.credentials.merchant_id;
    server.database.sql(&format!(
        "INSERT INTO sources (id, merchant_id, type, number, counterparty_id, currency, total_minor, status, note, fee_bearer, \
         as_payment_link, reference_id, created_at, updated_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         SELECT 900000000 + i, {merchant}, 'ORDER', 'ORD-1999-' || i, {counterparty}, 'USD', 100, 'ACTIVE', {note}, 'PAYER', 0, \
         'cart ' || (i % 1000), i, i FROM n"
    ));
}

/// The path of the next page, if there is one.
fn next(link: Option<&str>) -> Option<String> {
    let target =
        link?.split_once('<').and_then(|(_, rest)| rest.split_once('>')).expect("a target").0;
    Some(target.to_owned())
}

/// Reads a list to its end. Returns its ids and the lengths of its pages.
#[track_caller]
fn all(shop: &Merchant, path: &str) -> (Vec<i64>, Vec<usize>) {
    let (mut ids, mut pages, mut path) = (vec![], vec![], path.to_owned());
    loop {
        let reply = shop.api.get(&path);
        let link = next(reply.header("link"));
        let rows = reply.rows();
        pages.push(rows.len());
        ids.extend(rows.iter().map(id));
        match link {
            Some(link) => path = link,
            None => return (ids, pages),
        }
    }
}

#[test]
fn a_page_that_finds_nothing_says_where_to_go_on() {
    let (server, shop) = open();
    orders(&server, &shop, 5_100, "''");
    server.database.sql("UPDATE sources SET status = 'PROCESSING' WHERE id = 900000005");
    let (ids, pages) = all(&shop, "/v1/orders/list?status=PROCESSING&limit=7");
    assert_eq!((ids, pages), (vec![900_000_005], vec![0, 1]));
    let (ids, pages) = all(&shop, "/v1/orders/list?status=CANCELED");
    assert_eq!((ids, pages), (vec![], vec![0, 0]));
    let (ids, _) = all(&shop, "/v1/orders/list?status=ACTIVE&limit=1000");
    assert_eq!(ids.len(), 5_099);
    assert!(ids.is_sorted_by(|one, next| one > next), "each once, newest first");
}

#[test]
fn sources_are_found_by_their_reference() {
    let (server, shop) = open();
    orders(&server, &shop, 2_500, "''");
    let (ids, pages) = all(&shop, "/v1/orders/list?reference_id=cart%207");
    assert_eq!((ids, pages), (vec![900_002_007, 900_001_007, 900_000_007], vec![3]));
    assert!(shop.api.get("/v1/orders/list?reference_id=cart").rows().is_empty());
    assert!(shop.api.get("/v1/invoices/list?reference_id=cart%207").rows().is_empty());
    assert!(shop.api.get("/v1/orders/list?reference_id=cart%207&status=PAID").rows().is_empty());
    assert_eq!(
        shop.api.get("/v1/orders/list?reference_id=cart%207&status=ACTIVE&limit=2").rows().len(),
        2
    );
}

/// A SQL expression for a text of 2,000 characters of three bytes each.
fn long() -> String {
    format!("'{}'", "\u{20ac}".repeat(2_000))
}

#[test]
fn a_page_ends_before_it_is_too_large() {
    let (server, shop) = open();
    orders(&server, &shop, 300, &long());
    let first = shop.api.get("/v1/orders/list?limit=1000");
    assert!(
        first
            .header("content-length")
            .is_some_and(|length| length.parse().is_ok_and(|length: u32| length <= 1 << 20))
    );
    let (ids, pages) = all(&shop, "/v1/orders/list?limit=1000");
    assert_eq!(ids, (900_000_001..=900_000_300).rev().collect::<Vec<i64>>());
    assert!(pages.len() == 2 && pages[0] > 150, "{pages:?}");
}

/// The memory of the server's process in MiB.
fn memory(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") / 1024
}

#[test]
fn answers_that_nobody_reads_are_few_and_are_nobody_elses() {
    let (server, shop, other) = spawn_two();
    orders(&server, &shop, 300, &long());
    let before = memory(&server);
    let token = shop.api.token.clone().expect("a token");
    let request = format!(
        "GET /v1/orders/list?limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    // The answers are more than the buffers of both sides hold.
    let unread: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.api.address).expect("a connection");
            stream.write_all(request.repeat(12).as_bytes()).expect("requests");
            stream
        })
        .collect();
    let refused = wait_for("a list that has no place", || {
        let reply = shop.api.get("/v1/orders/list?limit=1");
        (reply.status == 429).then_some(reply)
    });
    assert_eq!(refused.header("retry-after"), Some("1"));
    other.api.get("/v1/orders/list?limit=1").ok();
    // A request for a single row needs no permit.
    shop.api.get("/v1/orders/retrieve/900000001").ok();
    shop.party();
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 64, "{grown} MiB");
    drop(unread);
    wait_for("its places", || {
        (shop.api.get("/v1/orders/list?limit=1").status == 200).then_some(())
    });
}

#[test]
fn pages_are_counted_by_the_address_that_reads_them() {
    let (server, shop) = open_with(&[("KOLA_RATE_LIMIT", "9/50000")]);
    let checkout = json!({"mode": "HOSTED", "source_kind": "ORDER", "party_phone": "231880000001", "currency": "USD",
        "items": [{"name": "Rice", "currency": "USD", "amount": 30}]});
    let made = shop.api.post("/v1/checkouts/create", &checkout).ok();
    let path = shown(&made, "hosted_path_or_token");
    for n in (4..9).rev() {
        let reply = server.api.get(&path);
        assert_eq!(
            (reply.status, reply.header("ratelimit-policy")),
            (200, Some("\"page\";q=9;w=50000"))
        );
        assert!(
            reply
                .header("ratelimit")
                .is_some_and(|left| left.starts_with(&format!("\"page\";r={n};")))
        );
    }
    for _ in 0..4 {
        assert_eq!(server.api.get("/receipt/none").status, 404);
    }
    let reply = server.api.get(&path);
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").is_some());
    // Token requests are counted separately.
    server.sign_in(&shop.credentials);
}

#[test]
fn a_page_shows_two_hundred_items_of_those_that_were_there_before() {
    let (server, shop) = open();
    let order = shop.source("orders", "USD", "PAYER", "1.00");
    let merchant = shop.credentials.merchant_id;
    server.database.sql(&format!(
        "INSERT INTO source_items (id, merchant_id, source_id, name, qty, amount_minor, currency, removed, created_at, updated_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         SELECT 800000000 + i, {merchant}, {order}, 'Rice', 1, 1, 'USD', 0, 0, 0 FROM n"
    ));
    let number = shown(&shop.api.get(&format!("/v1/orders/retrieve/{order}")).ok(), "order_number");
    let link = shown(
        &shop.api.get(&format!("/v1/links/pay?source_type=ORDER&source_number={number}")).ok(),
        "url",
    );
    let path =
        link.strip_prefix(&format!("http://{}", server.api.address)).expect("our own address");
    let page = |part: usize| server.api.get(&format!("{path}?items={part}")).body.to_string();
    let (first, whole) = (page(1), server.api.get(path).body.to_string());
    assert!(first.len() < 30 * 1024 && whole.len() < 30 * 1024, "{} {}", first.len(), whole.len());
    let mut shown = 0;
    for part in 1..=10 {
        let text = page(part);
        shown += text.matches(">Rice").count();
        let ends = text.contains("There are more items than are shown here.");
        assert_eq!(ends, part == 10, "{part}");
    }
    assert_eq!(shown, 200);
}

#[test]
fn answers_end_with_a_newline() {
    let (server, shop) = open();
    let ends = |path: &str, token: Option<&str>| {
        use std::io::Read;
        let token =
            token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let mut stream = TcpStream::connect(&server.api.address).expect("a connection");
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}\r\n");
        stream.write_all(head.as_bytes()).expect("a request");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an answer");
        let (head, body) = said.split_once("\r\n\r\n").expect("a body");
        assert!(
            head.to_ascii_lowercase().contains(&format!("content-length: {}", body.len())),
            "{path}: {head}"
        );
        assert!(body.ends_with('\n') && !body.ends_with("\n\n"), "{path}: {body}");
    };
    let token = shop.api.token.as_deref();
    let party = shop.party();
    for path in [
        "/v1/parties/list",
        "/v1/orders/list",
        &format!("/v1/parties/retrieve/{party}"),
        "/v1/parties/retrieve/x",
        "/nowhere",
    ] {
        ends(path, token);
        ends(path, None);
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs", "/pay/none"] {
        ends(path, None);
    }
}

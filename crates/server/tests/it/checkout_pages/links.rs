//! The link itself: what only looks at it changes nothing, and what is nearly the link is a page for
//! people.

use super::{
    CARD_USD, MTN_LRD, WITHIN_AN_HOUR, assert_executions, checkout, checkout_of, order, pay,
    review, stage,
};
use crate::support::page_rules::{PAGE_COMPRESSED_MAX, SCRIPT_MAX};
use crate::support::payer::{Browser as _, Payer, shows, until};
use crate::support::shop::ending;
use crate::support::{Database, after, json, open, open_with, spawn_with};

/// What the server writes about a payment that waits, without anybody looking.
const BACKGROUND: [&str; 2] = ["lanes", "provider_attempts"];

const ROBOT: &str = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)";

/// All ways to look at a link: a browser, a preview, a HEAD, another language.
#[track_caller]
fn look(payer: &mut Payer, link: &str) {
    let path = payer.path_of(link);
    let robot = Payer::clone(payer).with_header("User-Agent", ROBOT);
    for (method, path, headers) in [
        ("GET", path.clone(), vec![("Sec-Fetch-Site", "none")]),
        ("GET", path.clone(), vec![]),
        ("HEAD", path.clone(), vec![]),
        ("GET", format!("{path}?lang=fr"), vec![]),
        ("GET", format!("{path}?step=pay&method=MTN_MOMO_LBR:LRD&phone=231880000001"), vec![]),
        ("GET", format!("{path}?utm_source=sms&fbclid=x"), vec![]),
        ("GET", path.clone(), vec![("Sec-Fetch-Site", "cross-site")]),
        ("GET", path, vec![("Purpose", "prefetch"), ("Sec-Purpose", "prefetch")]),
    ] {
        let reply = robot.send(method, &path, &headers, "");
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        if method == "HEAD" {
            assert_eq!(reply.size, 0, "{path}");
        }
    }
    payer.open(link);
    payer.reload();
}

#[track_caller]
fn writes_nothing(database: &Database, except: &[&str], what: &str, act: impl FnOnce()) {
    // A job chains what was written before.
    let except = [except, &["batches", "batch_chain", "lanes"]].concat();
    let before = database.contents(&except);
    act();
    let after = database.contents(&except);
    for (table, rows) in &after {
        assert_eq!(Some(rows), before.get(table), "{what} wrote {table}");
    }
}

#[test]
fn whoever_looks_at_a_page_changes_nothing_in_any_state() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let database = &server.database;
    let mut payer = Payer::new(&server);
    let open = checkout(&shop);
    writes_nothing(database, &[], "open", || look(&mut payer, &open.link));
    // Neither do the steps before the decision.
    writes_nothing(database, &[], "phone and review", || {
        review(&mut payer, &open.link, MTN_LRD, "0880000001");
    });
    payer.go_on();
    shows(&mut payer, &["Check your phone"]);
    writes_nothing(database, &BACKGROUND, "waiting", || look(&mut payer, &open.link));
    shop.advance(3600);
    until(&mut payer, "Paid");
    writes_nothing(database, &[], "paid", || look(&mut payer, &open.link));
    let receipt = open.link.replace("/pay/", "/receipt/");
    writes_nothing(database, &[], "receipt", || look(&mut payer, &receipt));

    let failed = checkout(&shop);
    pay(&mut payer, &failed.link, MTN_LRD, &ending("039"));
    shop.advance(3600);
    until(&mut payer, "not approved");
    writes_nothing(database, &[], "failed", || look(&mut payer, &failed.link));

    let card = checkout(&shop);
    pay(&mut payer, &card.link, CARD_USD, "");
    writes_nothing(database, &BACKGROUND, "card", || look(&mut payer, &card.link));
    // It stays open for half an hour; its end is written by whoever waits for it.
    payer.choose("result", "succeed");
    until(&mut payer, "Paid");

    let canceled = checkout(&shop);
    shop.api.call("DELETE", &format!("/v1/orders/cancel/{}", canceled.source), None).ok();
    writes_nothing(database, &[], "canceled", || look(&mut payer, &canceled.link));

    let mut body = order();
    body["expires_at"] = json!(after(7 * 3600));
    let expired = checkout_of(&shop, &body);
    shop.advance(8 * 3600);
    writes_nothing(database, &[], "expired", || look(&mut payer, &expired.link));
}

#[test]
fn a_link_that_is_not_quite_right_is_a_page_for_people() {
    let (server, _shop, checkout) = stage(&[]);
    let payer = Payer::at(&server, &checkout.link);
    let path = payer.path().to_owned();
    let token = path.rsplit('/').next().expect("a token").to_owned();
    let last = token.chars().last().expect("a letter");
    let other = if last == 'a' { 'b' } else { 'a' };
    let cut = &token[..token.len() - 1];
    let swapped = format!("{cut}{other}");
    for (path, statuses) in [
        (format!("/pay/{cut}"), &[404][..]),
        (format!("/pay/{swapped}"), &[404]),
        (format!("/pay/{token}{token}"), &[404]),
        (format!("/pay/{token}x"), &[404]),
        (format!("/pay/{token}."), &[200, 303, 308, 404]),
        (format!("/pay/{token}%20"), &[200, 303, 308, 404]),
        (format!("/pay/{token}/"), &[200, 301, 303, 308, 404]),
        (format!("/pay/{token}//"), &[200, 301, 303, 308, 404]),
        (format!("/PAY/{token}"), &[200, 301, 303, 308, 404]),
        (format!("/Pay/{token}/"), &[200, 301, 303, 308, 404]),
        (format!("/pay/{}", token.to_uppercase()), &[200, 404]),
        ("/pay/".to_owned(), &[404]),
        ("/pay".to_owned(), &[404]),
        ("/PAY".to_owned(), &[404]),
        ("/pay/%00".to_owned(), &[404]),
        ("/pay/%FF".to_owned(), &[400, 404]),
        (format!("/pay/{}", "a".repeat(4_000)), &[404]),
        (format!("/receipt/{cut}"), &[404]),
        (format!("/Receipt/{token}/"), &[200, 301, 303, 308, 404]),
    ] {
        let reply = payer.send("GET", &path, &[], "");
        assert!(statuses.contains(&reply.status), "{path}: {} {}", reply.status, reply.body);
        if reply.header("location").is_none() {
            let kind = reply.header("content-type");
            assert_eq!(kind, Some("text/html; charset=utf-8"), "{path}: {}", reply.body);
            assert!(reply.body.as_str().is_some_and(|text| text.contains("<h1")), "{path}");
        }
        // Neither is what is sent there.
        let own = format!("http://{}", server.api.address);
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Origin", own.as_str()),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        let reply = payer.send("POST", &path, &headers, "step=check");
        assert!(matches!(reply.status, 200..=499), "{path}: {}", reply.status);
        assert!(
            reply.status == 303
                || reply.status == 308
                || reply.header("content-type") == Some("text/html; charset=utf-8"),
            "{path}: {reply:?}"
        );
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let reply = payer.send(method, &path, &[], "");
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{method}");
    }
}

/// What a slash or upper case leads to is the page itself, where it leads anywhere.
#[test]
fn a_slash_or_upper_case_leads_to_the_page_or_says_what_to_do() {
    let (server, _shop, checkout) = stage(&[]);
    let mut payer = Payer::at(&server, &checkout.link);
    let path = payer.path().to_owned();
    for near in [format!("{path}/"), path.replacen("/pay/", "/PAY/", 1)] {
        payer.open(&near);
        let told = payer.text().contains("How do you want to pay?") || payer.status() == 404;
        assert!(told, "{near}: {}", payer.text());
    }
}

#[test]
fn no_token_is_in_a_log() {
    let (mut server, shop) = spawn_with(&[("KOLA_LOG", "trace")]);
    let checkout = checkout(&shop);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &checkout.link, MTN_LRD, "0880000001");
    until(&mut payer, "Paid");
    payer.follow("Receipt");
    let token = payer.path().rsplit('/').next().expect("a token").to_owned();
    payer.send("PUT", &format!("/pay/{token}"), &[], "");
    payer.send("GET", &format!("/pay/{token}x"), &[], "");
    payer.send("GET", &format!("/PAY/{token}/"), &[], "");
    assert_eq!(server.terminate(), Some(0));
    let log = server.log();
    assert!(log.contains("/pay/{token}"), "{log}");
    assert!(!log.contains(&token) && !log.contains("880000001"), "{log}");
}

/// The receipt is there from the first payment on, and before it says that nothing was paid.
#[test]
fn a_receipt_before_the_payment_is_a_page_too() {
    let (server, shop) = open();
    let checkout = checkout(&shop);
    let receipt = checkout.link.replace("/pay/", "/receipt/");
    let mut payer = Payer::new(&server);
    payer.open(&receipt);
    assert!(!payer.text().contains("Paid on"), "{}", payer.text());
    assert_executions(&shop, &[]);
}

/// Style, script and icon are small, kept for a year, and the same for all pages.
#[test]
fn the_files_of_a_page_are_small_and_kept() {
    let (server, _shop, checkout) = stage(&[]);
    let payer = Payer::at(&server, &checkout.link);
    let source = payer.source();
    let assets: std::collections::BTreeSet<&str> =
        source.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(assets.len() >= 2, "{source}");
    for path in assets {
        let reply = payer.send("GET", path, &[], "");
        assert_eq!(reply.status, 200, "{path}");
        let kept = reply.header("cache-control").unwrap_or_default();
        assert!(kept.contains("max-age=31536000") && kept.contains("immutable"), "{path}: {kept}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        let kind = reply.header("content-type").unwrap_or_default().to_owned();
        let (expected, limit) = match path.rsplit('.').next() {
            Some("css") => ("text/css", 14 * 1024),
            Some("js") => ("text/javascript", SCRIPT_MAX),
            _ => ("image/svg+xml", 4 * 1024),
        };
        assert!(kind.starts_with(expected), "{path}: {kind}");
        assert!(reply.size <= limit, "{path} has {} bytes", reply.size);
        // Another hash is another file, which is not there.
        let other = path.replace(['0', '1', '2', '3'], "4");
        if other != path {
            assert_eq!(payer.send("GET", &other, &[], "").status, 404, "{other}");
        }
    }
}

/// A browser that asks for it gets pages compressed: few bytes on a slow network.
#[test]
fn pages_are_compressed_for_whoever_asks() {
    let (server, _shop, checkout) = stage(&[]);
    let payer = Payer::at(&server, &checkout.link);
    let zipped = payer.send("GET", payer.path(), &[("Accept-Encoding", "gzip, deflate, br")], "");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(zipped.size <= PAGE_COMPRESSED_MAX, "{} bytes", zipped.size);
    assert!(zipped.size * 2 < payer.page().size, "{} of {}", zipped.size, payer.page().size);
    let plain = payer.send("GET", payer.path(), &[("Accept-Encoding", "identity")], "");
    assert_eq!(plain.header("content-encoding"), None);
}

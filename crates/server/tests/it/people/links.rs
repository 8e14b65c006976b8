//! Payment links at `/app`.

use super::invoices::{SELLERS, drawn, hides, list, make, payer_path, send_new, sent_before, sold};
use super::payments::everybody;
use super::person::{between, leads, text};
use super::{member, open_with_key};
use crate::support::{Merchant, all_at_once, id, json, key, number, open_two};

const RICE: [(&str, &str); 5] = [
    ("step", "create"),
    ("title", "Rice, 25 kg"),
    ("currency", "USD"),
    ("item-1", "Rice, 25 kg"),
    ("price-1", "30"),
];

const DONATION: [(&str, &str); 5] = [
    ("step", "create"),
    ("title", "A new roof"),
    ("currency", "USD"),
    ("min", "1"),
    ("max", "1,000"),
];

fn links(shop: &Merchant) -> String {
    list(shop, "links")
}

fn by_api(shop: &Merchant) -> i64 {
    let body = json!({
        "title": "Beans", "currency": "USD", "max_uses": 3,
        "items": [{"name": "Beans", "currency": "USD", "amount": number("7.50")}],
    });
    id(&shop.api.post("/v1/payment-links/create", &body).ok())
}

#[test]
fn each_role_sees_links_and_only_sellers_change_them() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let (mine, theirs) = (by_api(&shop), by_api(&other));
    let one = format!("{}/{mine}", links(&shop));
    let mut people = everybody(&server, &shop);
    let before = sold(&server);
    for (role, person) in &mut people {
        let sells = SELLERS.contains(role);
        let page = person.browser.get(&links(&shop));
        assert_eq!(page.status, 200, "{role}: {}", text(&page));
        assert!(text(&page).contains("Beans") && text(&page).contains("7.50 USD"), "{role}");
        assert_eq!(text(&page).contains("New payment link"), sells, "{role}: {}", text(&page));
        let page = person.browser.get(&one);
        for part in ["Beans", "0 of at most 3", "can be paid", "QR code of the link"] {
            assert!(text(&page).contains(part), "{role} {part}: {}", text(&page));
        }
        assert_eq!(text(&page).contains("/deactivate\""), sells, "{role}: {}", text(&page));
        let form = person.browser.get(&format!("{}/new", links(&shop)));
        assert_eq!(form.status, if sells { 200 } else { 403 }, "{role}");
        let one_key = key();
        let mut new = vec![("key", one_key.as_str())];
        new.extend(RICE);
        for (path, fields) in
            [(format!("{}/new", links(&shop)), &new), (format!("{one}/deactivate"), &vec![])]
        {
            assert_eq!(person.browser.post_bare(&path, fields).status, 403, "{role} {path}");
            if !sells {
                let reply = person.browser.post(&path, fields);
                assert_eq!(reply.status, 403, "{role} {path}: {}", text(&reply));
            }
        }
        let elsewhere = format!("{}/{theirs}", links(&shop));
        assert_eq!(person.browser.get(&elsewhere).status, 404, "{role}");
        let reply = person.browser.post(&format!("{elsewhere}/deactivate"), &[]);
        assert!(hides(reply.status, sells), "{role}: {}", text(&reply));
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        let reply = person.browser.get(&format!("{}/{theirs}", links(&other)));
        assert_eq!(reply.status, if of_installation { 200 } else { 404 }, "{role}");
    }
    assert_eq!(sold(&server), before);
}

#[test]
fn a_double_click_makes_one_link() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let page = kofi.browser.get(&links(&shop));
    assert!(text(&page).contains("No payment link yet. Make one"), "{}", text(&page));
    let form = kofi.browser.get(&format!("{}/new", links(&shop)));
    let (token, key) = (kofi.browser.form_token(), drawn(&form));
    let mut fields = vec![("form_token", token.as_str()), ("key", key.as_str())];
    fields.extend(RICE);
    let clicks: Vec<u32> = (0..6).collect();
    let path = format!("{}/new", links(&shop));
    let made = all_at_once(&clicks, |_| {
        let reply = kofi.browser.clone().post_bare(&path, &fields);
        leads(&reply).to_owned()
    });
    assert!(made.iter().all(|to| *to == made[0]), "{made:?}");
    assert_eq!(leads(&kofi.browser.post_bare(&path, &fields)), made[0]);
    let count = |table: &str| server.database.value(&format!("SELECT count(*) FROM {table}"));
    assert_eq!(["payment_links", "payment_link_items"].map(count), ["1", "1"]);
    let events = "SELECT count(*) FROM events WHERE type = (SELECT code FROM stored_codes \
        WHERE type = 'event_type' AND name = 'payment_link.created')";
    assert_eq!(server.database.value(events), "1");
    // With other things typed it is told what it made.
    let others = [("price-1", "99.00"), ("title", "Roof"), ("uses", "3")];
    sent_before(&kofi.browser, &path, &fields, &others, &made[0]);
    assert_eq!(count("payment_links"), "1");
    assert_ne!(make(&mut kofi, &links(&shop), &RICE, &[]), made[0]);
    assert_eq!(count("payment_links"), "2");
    server.verify_ledger();
}

#[test]
fn links_are_made_passed_on_and_deactivated() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "MANAGER", "kofi@shop.example");
    let soon = jiff::Timestamp::now().as_second() + 30 * 86_400;
    let soon = jiff::Timestamp::from_second(soon).expect("a time").to_string()[..10].to_owned();
    let more = [("uses", "2"), ("until", soon.as_str()), ("success_url", "https://shop.example/")];
    let rice = make(&mut kofi, &links(&shop), &RICE, &more);
    let page = kofi.browser.get(&rice);
    for part in ["Rice, 25 kg", "30.00 USD", "0 of at most 2", &soon, "https://shop.example/"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    let url = between(text(&page), "readonly dir=\"ltr\" value=\"", "\"");
    let path = payer_path(url);
    assert_eq!(kofi.browser.get(&path).status, 200, "{url}");
    let image = kofi.browser.get(&format!("{path}/qr.svg"));
    assert_eq!((image.status, image.header("content-type")), (200, Some("image/svg+xml")));
    let roof = make(&mut kofi, &links(&shop), &DONATION, &[]);
    let page = kofi.browser.get(&roof);
    assert!(text(&page).contains("1.00 USD to 1,000.00 USD"), "{}", text(&page));
    for _ in 0..2 {
        assert_eq!(leads(&kofi.browser.post(&format!("{rice}/deactivate"), &[])), rice);
    }
    let page = kofi.browser.get(&rice);
    assert!(text(&page).contains("<strong>deactivated</strong>"), "{}", text(&page));
    assert!(!text(&page).contains(" readonly ") && !text(&page).contains("/deactivate\""));
    server.verify_ledger();
}

#[test]
fn what_is_typed_into_a_link_is_checked_and_kept() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let before = sold(&server);
    let long = "x".repeat(256);
    for (fields, field) in [
        (vec![("title", "")], "title"),
        (vec![("title", long.as_str())], "title"),
        (vec![("currency", "XXX")], "currency"),
        (vec![("item-1", ""), ("price-1", "")], "item-1"),
        (vec![("price-1", "19,50")], "price-1"),
        (vec![("min", "1"), ("max", "2")], "min"),
        (vec![("item-1", ""), ("price-1", ""), ("min", "5")], "max"),
        (vec![("item-1", ""), ("price-1", ""), ("min", "5"), ("max", "4")], "max"),
        (vec![("uses", "0")], "uses"),
        (vec![("uses", "many")], "uses"),
        (vec![("until", "2001-01-01")], "until"),
        (vec![("success_url", "javascript:alert(1)")], "success_url"),
    ] {
        let reply = send_new(&mut kofi, &links(&shop), &RICE, &fields);
        assert_eq!(reply.status, 422, "{fields:?}: {}", text(&reply));
        let page = text(&reply);
        assert!(page.contains(&format!("id=\"{field}-fault\"")), "{fields:?}: {page}");
        if !fields.iter().any(|(name, _)| *name == "title") {
            assert!(page.contains("name=\"title\" type=\"text\" maxlength=\"255\" autocomplete=\"off\" dir=\"auto\" value=\"Rice, 25 kg\""), "{page}");
        }
    }
    let page = send_new(&mut kofi, &links(&shop), &RICE, &[("step", "more")]);
    assert_eq!(page.status, 200, "{}", text(&page));
    let mut all = vec![("key", "nonsense")];
    all.extend(RICE);
    let reply = kofi.browser.post(&format!("{}/new", links(&shop)), &all);
    assert_eq!(reply.status, 422, "{}", text(&reply));
    assert_eq!(sold(&server), before);
    let hostile = "\"><script>alert(1)</script>";
    let link = make(&mut kofi, &links(&shop), &RICE, &[("title", hostile), ("item-1", hostile)]);
    for path in [&link, &links(&shop)] {
        let page = kofi.browser.get(path);
        assert!(!text(&page).contains("<script>alert"), "{}", text(&page));
    }
}

#[test]
fn the_list_of_links_is_read_by_pages() {
    let (server, shop) = open_with_key();
    let mut yaa = member(&server, &shop, "VIEWER", "yaa@shop.example");
    for _ in 0..51 {
        by_api(&shop);
    }
    let first = yaa.browser.get(&links(&shop));
    assert_eq!(text(&first).matches("<bdi>Beans</bdi>").count(), 50, "{}", text(&first));
    let after = between(text(&first), "?after=", "\"").to_owned();
    let second = yaa.browser.get(&format!("{}?after={after}", links(&shop)));
    assert_eq!(text(&second).matches("<bdi>Beans</bdi>").count(), 1, "{}", text(&second));
    let wrong = yaa.browser.get(&format!("{}?after=x", links(&shop)));
    assert_eq!(wrong.status, 422, "{}", text(&wrong));
}

#[test]
fn a_limit_that_is_missing_is_named() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    for (missing, other) in [("max", "min"), ("min", "max")] {
        let page = send_new(&mut kofi, &links(&shop), &DONATION, &[(missing, "")]);
        assert_eq!(page.status, 422, "{}", text(&page));
        assert!(text(&page).contains("Give both: the least and the most"), "{}", text(&page));
        assert!(text(&page).contains(&format!("id=\"{missing}-fault\"")), "{}", text(&page));
        assert!(!text(&page).contains(&format!("id=\"{other}-fault\"")), "{}", text(&page));
    }
    let page = send_new(&mut kofi, &links(&shop), &DONATION, &[("until", "2001-01-01")]);
    assert!(text(&page).contains("Choose a later day"), "{}", text(&page));
}

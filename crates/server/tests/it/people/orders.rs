//! Orders at `/app`: the pages of invoices, without a due date.

use super::invoices::{RICE, SEE_CONTACTS, SELLERS, hides, list, make, send_new, shown, sold};
use super::payments::everybody;
use super::person::{between, leads, text};
use super::{member, open_with_key};
use crate::support::payer::{Payer, pay, until};
use crate::support::shop::GOOD;
use crate::support::{Merchant, key, open_two};

fn orders(shop: &Merchant) -> String {
    list(shop, "orders")
}

#[test]
fn each_role_sees_orders_as_it_may_and_only_sellers_change_them() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let order = shop.source("orders", "USD", "PAYER", "40.00");
    let theirs = other.source("orders", "USD", "PAYER", "70.00");
    let one = format!("{}/{order}", orders(&shop));
    let mut people = everybody(&server, &shop);
    let before = sold(&server);
    for (role, person) in &mut people {
        let (sells, sees) = (SELLERS.contains(role), SEE_CONTACTS.contains(role));
        for path in [&orders(&shop), &one] {
            let page = person.browser.get(path);
            assert_eq!(page.status, 200, "{role}: {}", text(&page));
            let page = text(&page);
            assert!(page.contains("40.00 USD") && page.contains("ORD-"), "{role}: {page}");
            assert_eq!(page.contains("Amara Kollie"), sees, "{role}: {page}");
        }
        let form = person.browser.get(&format!("{}/new", orders(&shop)));
        assert_eq!(form.status, if sells { 200 } else { 403 }, "{role}");
        assert!(!text(&form).contains("name=\"due\""), "{role}: {}", text(&form));
        let one_key = key();
        let mut new = vec![("key", one_key.as_str())];
        new.extend(RICE);
        for (path, fields) in [
            (format!("{}/new", orders(&shop)), &new),
            (format!("{one}/publish"), &vec![]),
            (format!("{one}/cancel"), &vec![]),
            (format!("{one}/update"), &vec![("bearer", "PAYEE")]),
            (format!("{one}/items/add"), &vec![("item", "Oil"), ("price", "1")]),
        ] {
            assert_eq!(person.browser.post_bare(&path, fields).status, 403, "{role} {path}");
            if !sells {
                let reply = person.browser.post(&path, fields);
                assert_eq!(reply.status, 403, "{role} {path}: {}", text(&reply));
            }
        }
        let elsewhere = format!("{}/{theirs}", orders(&shop));
        assert_eq!(person.browser.get(&elsewhere).status, 404, "{role}");
        let reply = person.browser.post(&format!("{elsewhere}/cancel"), &[]);
        assert!(hides(reply.status, sells), "{role}: {}", text(&reply));
        // An order is no invoice.
        let as_invoice = format!("{}/{order}", list(&shop, "invoices"));
        assert_eq!(person.browser.get(&as_invoice).status, 404, "{role}");
        let reply = person.browser.post(&format!("{as_invoice}/cancel"), &[]);
        assert!(hides(reply.status, sells), "{role}: {}", text(&reply));
    }
    assert_eq!(sold(&server), before);
}

#[test]
fn an_order_is_made_paid_and_told_from_one_that_is_not() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "MANAGER", "kofi@shop.example");
    let page = kofi.browser.get(&orders(&shop));
    assert!(text(&page).contains("No order yet. Make one"), "{}", text(&page));
    // A day that only invoices have is not taken for one.
    let order = make(&mut kofi, &orders(&shop), &RICE, &[("due", "2100-01-01")]);
    assert!(order.starts_with(&orders(&shop)));
    let page = kofi.browser.get(&order);
    assert!(!text(&page).contains("2100-01-01"), "{}", text(&page));
    let seen = shown(&page);
    let url = between(text(&page), "readonly dir=\"ltr\" value=\"", "\"").to_owned();
    let second = make(&mut kofi, &orders(&shop), &RICE, &[]);
    let mut payer = Payer::new(&server);
    pay(&mut payer, &url, "MTN_MOMO_LBR:USD", GOOD);
    until(&mut payer, "Paid");
    let page = kofi.browser.get(&order);
    assert!(text(&page).contains("It was paid on"), "{}", text(&page));
    let reply = kofi.browser.post(&format!("{order}/cancel"), &[("shown", &seen)]);
    assert_eq!(reply.status, 422, "{}", text(&reply));
    assert!(text(&reply).contains("role=\"alert\""), "{}", text(&reply));
    let seen = shown(&kofi.browser.get(&second));
    let canceled = kofi.browser.post(&format!("{second}/cancel"), &[("shown", &seen)]);
    assert_eq!(leads(&canceled), second);
    let refused = send_new(&mut kofi, &orders(&shop), &RICE, &[("price-1", "")]);
    assert_eq!(refused.status, 422, "{}", text(&refused));
    server.verify_ledger();
}

//! Invoices at `/app`: making, publishing, passing on and canceling them, by who may.

use super::payments::{everybody, payments};
use super::person::{Browser, Person, between, leads, text};
use super::{member, open_with_key};
use crate::support::payer::{Payer, pay, shows, until};
use crate::support::shop::GOOD;
use crate::support::{
    Merchant, Reply, Server, all_at_once, id, json, key, on_postgres_only, open_two, spawn,
};

/// Who makes, publishes and cancels invoices, orders and links.
pub(crate) const SELLERS: [&str; 3] = ["OWNER", "MANAGER", "SUPPORT"];
/// Who may pass links on.
const PASS_ON: [&str; 5] = ["OWNER", "FINANCE", "MANAGER", "SUPPORT", "OPERATOR"];
/// Who sees names and phone numbers.
pub(crate) const SEE_CONTACTS: [&str; 5] = ["OWNER", "FINANCE", "MANAGER", "SUPPORT", "OPERATOR"];
const OF_INSTALLATION: [&str; 2] = ["OPERATOR", "AUDITOR"];

/// What is typed for an invoice of 50.00 USD.
pub(crate) const RICE: [(&str, &str); 7] = [
    ("step", "publish"),
    ("phone", "+231 88 000 0001"),
    ("name", "Ama Kollie"),
    ("currency", "USD"),
    ("item-1", "Rice, 25 kg"),
    ("qty-1", "2"),
    ("price-1", "25.00"),
];

/// The list of invoices or of orders.
pub(crate) fn list(shop: &Merchant, kind: &str) -> String {
    format!("/app/{kind}/{}", shop.credentials.merchant_id)
}

fn invoices(shop: &Merchant) -> String {
    list(shop, "invoices")
}

/// A form whose key was used, sent with each of these fields in place of its own, is told what it made
/// then, and has another key.
#[track_caller]
pub(crate) fn sent_before(
    browser: &Browser,
    path: &str,
    fields: &[(&str, &str)],
    others: &[(&str, &str)],
    made: &str,
) {
    let key = fields.iter().find(|(name, _)| *name == "key").expect("a key").1;
    for (name, other) in others {
        let mut fields: Vec<_> = fields.iter().copied().filter(|(of, _)| of != name).collect();
        fields.push((name, other));
        let again = browser.clone().post_bare(path, &fields);
        assert_eq!(again.status, 422, "{name}: {}", text(&again));
        for part in ["This form was sent before", &format!("href=\"{made}\""), other] {
            assert!(text(&again).contains(part), "{name} {part}: {}", text(&again));
        }
        assert_ne!(drawn(&again), key, "another form makes it");
    }
}

/// The key in a form that makes something.
#[track_caller]
pub(crate) fn drawn(page: &Reply) -> String {
    between(text(page), "name=\"key\" value=\"", "\"").to_owned()
}

/// What the form that adds an item carries of what its page shows.
#[track_caller]
pub(super) fn shown(page: &Reply) -> String {
    between(text(page), "name=\"shown\" value=\"", "\"").to_owned()
}

/// Opens a draft and adds an item.
#[track_caller]
fn add(person: &mut Person, source: &str, fields: &[(&str, &str)]) -> Reply {
    let seen = shown(&person.browser.get(source));
    let mut all = vec![("shown", seen.as_str())];
    all.extend_from_slice(fields);
    person.browser.post(&format!("{source}/items/add"), &all)
}

/// The address of the link with these words.
#[track_caller]
pub(crate) fn href(page: &Reply, words: &str) -> String {
    let (before, _) = text(page).split_once(&format!("\">{words}")).expect("the link");
    before.rsplit_once("href=\"").expect("its address").1.replace("&amp;", "&")
}

/// Sends the form of something new, which was just opened, with these fields in the place of those
/// of the same name.
#[track_caller]
pub(crate) fn send_new(
    person: &mut Person,
    list: &str,
    fields: &[(&str, &str)],
    others: &[(&str, &str)],
) -> Reply {
    let form = person.browser.get(&format!("{list}/new"));
    assert_eq!(form.status, 200, "{}", text(&form));
    let key = drawn(&form);
    let mut all = vec![("key", key.as_str())];
    all.extend(fields.iter().filter(|(name, _)| !others.iter().any(|(other, _)| other == name)));
    all.extend_from_slice(others);
    person.browser.post(&format!("{list}/new"), &all)
}

/// Makes something new. Answers its page.
#[track_caller]
pub(crate) fn make(
    person: &mut Person,
    list: &str,
    fields: &[(&str, &str)],
    others: &[(&str, &str)],
) -> String {
    leads(&send_new(person, list, fields, others)).to_owned()
}

/// Whether what is another's stays hidden from who may change what is theirs, and is not changed by
/// who may not.
pub(crate) fn hides(status: u16, may: bool) -> bool {
    status == 404 || status == 403 && !may
}

/// The rows that selling changes.
pub(crate) fn sold(server: &Server) -> String {
    let tables = [
        "sources",
        "source_items",
        "checkout_configs",
        "payment_links",
        "parties",
        "counterparties",
        "audit",
        "events",
    ];
    let mut counts = vec![];
    for table in tables {
        counts.push(server.database.value(&format!("SELECT count(*) FROM {table}")));
    }
    let statuses = server.database.rows("SELECT id, status FROM sources ORDER BY id");
    format!("{counts:?} {statuses:?}")
}

#[test]
fn each_role_sees_invoices_as_it_may() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let paid = shop.paid_hundred();
    let invoice = shop.invoice("USD", "40.00");
    let theirs = other.invoice("USD", "70.00");
    let one = format!("{}/{invoice}", invoices(&shop));
    for (role, person) in &mut everybody(&server, &shop) {
        let page = person.browser.get(&invoices(&shop));
        assert_eq!(page.status, 200, "{role}: {}", text(&page));
        let sells = SELLERS.contains(role);
        let sees = SEE_CONTACTS.contains(role);
        for page in [&page, &person.browser.get(&one)] {
            let page = text(page);
            assert!(page.contains("40.00 USD") && page.contains("to be paid"), "{role}: {page}");
            assert_eq!(page.contains("Amara Kollie"), sees, "{role}: {page}");
            assert_eq!(page.contains("A. K."), !sees, "{role}: {page}");
        }
        let page = text(&page);
        assert!(page.contains("100.00 USD") && page.contains("paid <time"), "{role}: {page}");
        assert_eq!(page.contains("New invoice"), sells, "{role}: {page}");
        let page = person.browser.get(&one);
        let page = text(&page);
        assert_eq!(page.contains(&format!("{one}/cancel")), sells, "{role}: {page}");
        // The page of the payer tells names and numbers.
        let passes = PASS_ON.contains(role);
        assert_eq!(page.contains(&format!("{one}/link")), passes, "{role}: {page}");
        let form = person.browser.get(&format!("{}/new", invoices(&shop)));
        assert_eq!(form.status, if sells { 200 } else { 403 }, "{role}: {}", text(&form));
        // A payment's invoice leads there, and the invoice to its payment.
        let payment = format!("{}/{}", payments(&shop), paid["payment_intent_id"]);
        let page = person.browser.get(&payment);
        let source = format!("{}/", invoices(&shop));
        let of_paid = format!("{source}{}", between(text(&page), &source, "\""));
        let page = person.browser.get(&of_paid);
        assert!(text(&page).contains("It was paid on"), "{role}: {}", text(&page));
        assert!(text(&page).contains(&format!("href=\"{payment}\">The payment")), "{role}");
        // What is another merchant's is not there.
        let unknown = [
            format!("{}/{theirs}", invoices(&shop)),
            format!("{}/{invoice}", list(&shop, "orders")),
            format!("{}/{invoice}", invoices(&other)),
            format!("{}/999999", invoices(&shop)),
        ];
        for path in unknown {
            assert_eq!(person.browser.get(&path).status, 404, "{role} {path}");
        }
        let status = person.browser.get(&invoices(&other)).status;
        let expected = if OF_INSTALLATION.contains(role) { 200 } else { 404 };
        assert_eq!(status, expected, "{role}");
    }
}

#[test]
fn who_may_not_sell_changes_nothing_and_nobody_changes_anothers() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let mine = [shop.invoice("USD", "40.00"), shop.draft("invoices", "USD", "PAYER")];
    let item = id(&shop.add_item("invoices", mine[1], "USD", 1, "5.00"));
    let theirs = [other.invoice("USD", "70.00"), other.draft("invoices", "USD", "PAYER")];
    let their_item = id(&other.add_item("invoices", theirs[1], "USD", 1, "5.00"));
    let their_party = other.party();
    let mut people = everybody(&server, &shop);
    let before = sold(&server);
    for (role, person) in &mut people {
        let new = format!("{}/new", invoices(&shop));
        let one = key();
        let mut form = vec![("key", one.as_str())];
        form.extend(RICE);
        let bare = person.browser.post_bare(&new, &form);
        assert_eq!(bare.status, 403, "{role}: without the token of a page");
        let sells = SELLERS.contains(role);
        if !sells {
            let reply = person.browser.post(&new, &form);
            assert_eq!(reply.status, 403, "{role}: {}", text(&reply));
        }
        let of_item = |item: i64| format!("items/{item}/remove");
        let added = [("item", "Oil"), ("price", "1.00"), ("bearer", "PAYEE")];
        for (source, item) in [(mine[0], item), (mine[1], item)] {
            for what in ["publish", "cancel", "update", "items/add", &of_item(item)] {
                let path = format!("{}/{source}/{what}", invoices(&shop));
                assert_eq!(person.browser.post_bare(&path, &added).status, 403, "{role} {path}");
                if !sells {
                    let reply = person.browser.post(&path, &added);
                    assert_eq!(reply.status, 403, "{role} {path}: {}", text(&reply));
                }
            }
            if !PASS_ON.contains(role) {
                let path = format!("{}/{source}/link", invoices(&shop));
                assert_eq!(person.browser.post(&path, &[]).status, 403, "{role}");
            }
        }
        // Of another merchant: in its name, and in one's own.
        for source in theirs {
            let ours = format!("{}/{source}", invoices(&shop));
            for what in ["publish", "cancel", "update", "items/add", &of_item(their_item)] {
                let reply = person.browser.post(&format!("{ours}/{what}"), &added);
                assert!(hides(reply.status, sells), "{role} {what}: {}", text(&reply));
                let path = format!("{}/{source}/{what}", invoices(&other));
                let reply = person.browser.post(&path, &added);
                let expected = if OF_INSTALLATION.contains(role) { 403 } else { 404 };
                assert_eq!(reply.status, expected, "{role} {path}: {}", text(&reply));
            }
            let link = person.browser.post(&format!("{ours}/link"), &[]);
            assert!(hides(link.status, PASS_ON.contains(role)), "{role}: {}", text(&link));
        }
        // An item of another invoice is no item of this one.
        if sells {
            let path = format!("{}/{}/{}", invoices(&shop), mine[0], of_item(item));
            assert_eq!(person.browser.post(&path, &[]).status, 404, "{role}");
            // Nor is another merchant's customer one of this one.
            let party = their_party.to_string();
            let fields = [("party", party.as_str()), ("phone", ""), ("name", "")];
            let reply = send_new(person, &invoices(&shop), &RICE, &fields);
            assert_eq!(reply.status, 422, "{role}: {}", text(&reply));
            assert!(text(&reply).contains("There is no such customer."), "{}", text(&reply));
        }
    }
    assert_eq!(sold(&server), before);
    server.verify_ledger();
}

#[test]
fn from_a_new_invoice_to_its_refund() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let home = ama.browser.get("/app");
    assert_eq!(home.status, 200);
    let page = ama.browser.get(&payments(&shop));
    assert!(text(&page).contains(&format!("href=\"{}\"", invoices(&shop))), "{}", text(&page));
    let page = ama.browser.get(&invoices(&shop));
    assert!(text(&page).contains("No invoice yet. Make one"), "{}", text(&page));
    // The first one is in the currency of the first wallet.
    let form = ama.browser.get(&format!("{}/new", invoices(&shop)));
    assert!(text(&form).contains("<option value=\"USD\" selected>"), "{}", text(&form));
    let due = [("due", "2100-12-24"), ("note", "October\r\nand November"), ("reference", "A-17")];
    let invoice = make(&mut ama, &invoices(&shop), &RICE, &due);
    let page = ama.browser.get(&invoice);
    for part in [
        "INV-",
        "50.00 USD",
        "to be paid",
        "Ama Kollie",
        "231880000001",
        "2100-12-24",
        "A-17",
        "October\nand November",
        "Rice, 25 kg",
        "2 × <span class=\"n\">25.00 USD",
        "alt=\"QR code of the link\"",
        "Invoice as PDF",
    ] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    // The link, its code and its PDF are there.
    let url = between(text(&page), "readonly dir=\"ltr\" value=\"", "\"").to_owned();
    let pdf = href(&page, "Invoice as PDF");
    let image = between(text(&page), "src=\"/pay/", "\"").to_owned();
    let pdf = ama.browser.get(&pdf);
    assert_eq!((pdf.status, pdf.header("content-type")), (200, Some("application/pdf")));
    let image = ama.browser.get(&format!("/pay/{image}"));
    assert_eq!((image.status, image.header("content-type")), (200, Some("image/svg+xml")));
    // Somebody pays by it.
    let mut payer = Payer::new(&server);
    pay(&mut payer, &url, "MTN_MOMO_LBR:USD", GOOD);
    until(&mut payer, "Paid");
    let page = ama.browser.get(&invoice);
    assert!(text(&page).contains("It was paid on"), "{}", text(&page));
    let receipt = payer_path(&href(&page, "The receipt"));
    assert_eq!(ama.browser.get(&receipt).status, 200, "{receipt}");
    assert!(!text(&page).contains("/cancel\""), "{}", text(&page));
    let payment = href(&page, "The payment");
    // And is given it back.
    let form = ama.browser.get(&format!("{payment}/refund"));
    let key = drawn(&form);
    let fields = [("key", key.as_str()), ("amount", "5.00")];
    let refund = ama.browser.post(&format!("{payment}/refund"), &fields);
    assert!(leads(&refund).starts_with(&payments(&shop)), "{}", text(&refund));
    let csv = ama.browser.get(&format!("{}/csv", payments(&shop)));
    assert_eq!(text(&csv).lines().count(), 3, "{}", text(&csv));
    server.verify_ledger();
}

/// The path of an address of this server.
pub(crate) fn payer_path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or(String::new(), |at| rest[at..].to_owned())
}

#[test]
fn a_double_click_makes_one_invoice() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let form = kofi.browser.get(&format!("{}/new", invoices(&shop)));
    let (token, key) = (kofi.browser.form_token(), drawn(&form));
    let mut fields = vec![("form_token", token.as_str()), ("key", key.as_str())];
    fields.extend(RICE);
    let clicks: Vec<u32> = (0..6).collect();
    let path = format!("{}/new", invoices(&shop));
    let made = all_at_once(&clicks, |_| {
        let reply = kofi.browser.clone().post_bare(&path, &fields);
        leads(&reply).to_owned()
    });
    assert!(made.iter().all(|to| *to == made[0]), "{made:?}");
    let count = |table: &str| server.database.value(&format!("SELECT count(*) FROM {table}"));
    let tables = ["sources", "source_items", "checkout_configs", "parties", "counterparties"];
    assert_eq!(tables.map(count), ["1"; 5]);
    // Later it is still the same form. With other things typed it is told what it made.
    assert_eq!(leads(&kofi.browser.post_bare(&path, &fields)), made[0]);
    let others = [("price-1", "99.00"), ("note", "Another"), ("phone", "231880000055")];
    sent_before(&kofi.browser, &path, &fields, &others, &made[0]);
    assert_eq!(tables.map(count), ["1"; 5]);
    let page = kofi.browser.get(&made[0]);
    assert!(text(&page).contains("50.00 USD"), "{}", text(&page));
    // A new form makes another one, with the next number.
    let second = make(&mut kofi, &invoices(&shop), &RICE, &[]);
    assert_ne!(second, made[0]);
    assert_eq!(tables.map(count), ["2", "2", "2", "1", "2"]);
    // The key of one merchant's form means nothing to another.
    let mut theirs = member(&server, &other, "SUPPORT", "yaa@shop.example");
    let same = [("key", key.as_str())];
    let reply = {
        let mut all = same.to_vec();
        all.extend(RICE);
        theirs.browser.post(&format!("{}/new", invoices(&other)), &all)
    };
    assert!(leads(&reply).starts_with(&invoices(&other)));
    assert_eq!(count("sources"), "3");
    let by_person = server.database.value(
        "SELECT count(*) FROM audit WHERE command = (SELECT code FROM stored_codes \
         WHERE type = 'audited_command' AND name = 'create_checkout')",
    );
    assert_eq!(by_person, "3");
    server.verify_ledger();
}

/// Each process knows nothing of what the other one is about to write.
#[test]
fn a_double_click_at_two_processes_makes_one_invoice_and_one_link() {
    on_postgres_only!();
    let (server, shop) = spawn();
    server.database.give_secrets_key();
    let second = server.spawn_another(&[]);
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let token = kofi.browser.form_token();
    let browsers = [kofi.browser.clone(), kofi.browser.moved_to(&second)];
    let link =
        [("step", "create"), ("title", "Roof"), ("currency", "USD"), ("min", "1"), ("max", "9")];
    for (kind, typed) in [("invoices", RICE.as_slice()), ("orders", &RICE), ("links", &link)] {
        let path = format!("{}/new", list(&shop, kind));
        for _ in 0..5 {
            let one = key();
            let mut fields = vec![("form_token", token.as_str()), ("key", one.as_str())];
            fields.extend(typed);
            let clicks = [0, 1, 0, 1];
            let made = all_at_once(&clicks, |turn: &usize| {
                let reply = browsers[*turn].clone().post_bare(&path, &fields);
                leads(&reply).to_owned()
            });
            assert!(made.iter().all(|to| *to == made[0]), "{made:?}");
        }
    }
    let count = |table: &str| server.database.value(&format!("SELECT count(*) FROM {table}"));
    let tables = ["sources", "source_items", "checkout_configs", "counterparties"];
    assert_eq!(tables.map(count), ["10"; 4]);
    assert_eq!(["parties", "payment_links"].map(count), ["1", "5"]);
    server.verify_ledger();
}

#[test]
fn a_draft_is_changed_published_and_canceled() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let nothing = [("step", "draft"), ("item-1", ""), ("qty-1", ""), ("price-1", "")];
    let invoice = make(&mut kofi, &invoices(&shop), &RICE, &nothing);
    let page = kofi.browser.get(&invoice);
    assert!(text(&page).contains("Add what is to be paid below"), "{}", text(&page));
    assert!(!text(&page).contains(" readonly "), "nobody can pay it: {}", text(&page));
    // The page of the payer says so, too.
    let token = server.database.value("SELECT token FROM checkout_configs");
    let mut payer = Payer::at(&server, &format!("/pay/{token}"));
    let before = payer.source().to_owned();
    assert!(!before.contains("name=\"method\""), "{before}");
    let seen = shown(&page);
    let refused = kofi.browser.post(&format!("{invoice}/publish"), &[("shown", &seen)]);
    assert_eq!(refused.status, 422, "{}", text(&refused));
    for (item, qty, price) in [("Rice", "2", "25"), ("Oil", "", "1,000.50")] {
        let fields = [("item", item), ("qty", qty), ("price", price)];
        assert_eq!(leads(&add(&mut kofi, &invoice, &fields)), invoice);
    }
    for (fields, field) in [
        ([("item", ""), ("qty", "1"), ("price", "1")], "item"),
        ([("item", "Oil"), ("qty", "0"), ("price", "1")], "qty"),
        ([("item", "Oil"), ("qty", "1"), ("price", "19,50")], "price"),
        ([("item", "Oil"), ("qty", "1000000000"), ("price", "1000000000")], "price"),
    ] {
        let reply = add(&mut kofi, &invoice, &fields);
        assert_eq!(reply.status, 422, "{fields:?}: {}", text(&reply));
        assert!(text(&reply).contains(&format!("id=\"{field}-fault\"")), "{}", text(&reply));
        assert!(text(&reply).contains(&format!("value=\"{}\"", fields[2].1)), "{}", text(&reply));
    }
    let page = kofi.browser.get(&invoice);
    assert!(text(&page).contains("1,050.50 USD"), "{}", text(&page));
    let item = between(text(&page), &format!("{invoice}/items/"), "/remove").to_owned();
    let remove = format!("{invoice}/items/{item}/remove");
    assert_eq!(leads(&kofi.browser.post(&remove, &[])), invoice);
    // It was the first one, and is gone.
    assert_eq!(kofi.browser.post(&remove, &[]).status, 404);
    let page = kofi.browser.get(&invoice);
    assert!(text(&page).contains("1,000.50 USD"), "{}", text(&page));
    let change = |bearer, due| [("bearer", bearer), ("due", due), ("note", "For Ama")];
    let update = format!("{invoice}/update");
    for (fields, field) in [(change("NOBODY", ""), "bearer"), (change("PAYEE", "soon"), "due")] {
        let reply = kofi.browser.post(&update, &fields);
        assert_eq!(reply.status, 422, "{}", text(&reply));
        assert!(text(&reply).contains(&format!("id=\"{field}-fault\"")), "{}", text(&reply));
        assert!(text(&reply).contains("For Ama</textarea>"), "{}", text(&reply));
    }
    let seen = shown(&page);
    let mut fields = change("PAYEE", "2100-01-02").to_vec();
    fields.push(("shown", &seen));
    // Sent twice it is changed once.
    for _ in 0..2 {
        assert_eq!(leads(&kofi.browser.post(&update, &fields)), invoice);
    }
    let page = kofi.browser.get(&invoice);
    for part in ["the merchant, out of the total", "2100-01-02", "For Ama"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    let seen = shown(&page);
    // Published twice is published once.
    for _ in 0..2 {
        let published = kofi.browser.post(&format!("{invoice}/publish"), &[("shown", &seen)]);
        assert_eq!(leads(&published), invoice);
    }
    let page = kofi.browser.get(&invoice);
    assert!(text(&page).contains("to be paid") && text(&page).contains(" readonly "));
    payer = Payer::at(&server, &format!("/pay/{token}"));
    shows(&mut payer, &["1,000.50"]);
    let add = [("item", "Oil"), ("qty", "1"), ("price", "1"), ("shown", seen.as_str())];
    let reply = kofi.browser.post(&format!("{invoice}/items/add"), &add);
    assert_eq!(reply.status, 422, "{}", text(&reply));
    assert!(text(&reply).contains("The invoice was published already."), "{}", text(&reply));
    let now = shown(&page);
    for _ in 0..2 {
        let canceled = kofi.browser.post(&format!("{invoice}/cancel"), &[("shown", &now)]);
        assert_eq!(leads(&canceled), invoice);
    }
    let page = kofi.browser.get(&invoice);
    assert!(text(&page).contains("<strong>canceled</strong>"), "{}", text(&page));
    assert!(!text(&page).contains(" readonly ") && !text(&page).contains("/cancel\""));
    let reply = kofi.browser.post(&format!("{invoice}/publish"), &[("shown", &now)]);
    assert_eq!(reply.status, 422, "{}", text(&reply));
    let events = "SELECT count(*) FROM audit WHERE command IN (SELECT code FROM stored_codes \
        WHERE type = 'audited_command' AND name IN ('publish_source', 'cancel_source'))";
    assert_eq!(server.database.value(events), "2");
    server.verify_ledger();
}

#[test]
fn an_item_is_added_once_and_to_what_was_shown() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let mut yaa = member(&server, &shop, "MANAGER", "yaa@shop.example");
    let draft = shop.draft("invoices", "USD", "PAYER");
    let invoice = format!("{}/{draft}", invoices(&shop));
    let path = format!("{invoice}/items/add");
    let names = || -> Vec<String> {
        let rows =
            server.database.rows("SELECT name, qty FROM source_items ORDER BY created_at, id");
        rows.into_iter().map(|row| row.join(" ")).collect()
    };
    let rice = [("item", "Rice"), ("qty", "2"), ("price", "25.00")];
    let oil = [("item", "Oil"), ("qty", ""), ("price", "4.50")];
    let (of_kofi, of_yaa) = (kofi.browser.get(&invoice), yaa.browser.get(&invoice));
    let (of_kofi, of_yaa) = (shown(&of_kofi), shown(&of_yaa));
    let token = kofi.browser.form_token();
    let mut fields = vec![("form_token", token.as_str()), ("shown", of_kofi.as_str())];
    fields.extend(rice);
    let clicks: Vec<u32> = (0..6).collect();
    let added = all_at_once(&clicks, |_| {
        let reply = kofi.browser.clone().post_bare(&path, &fields);
        leads(&reply).to_owned()
    });
    assert!(added.iter().all(|to| *to == invoice), "{added:?}");
    assert_eq!(names(), ["Rice 2"]);
    // Somebody else has not seen it: their page says so, shows it and keeps what was typed.
    let mut all = vec![("shown", of_yaa.as_str())];
    all.extend(oil);
    let reply = yaa.browser.post(&path, &all);
    assert_eq!(reply.status, 422, "{}", text(&reply));
    for part in ["The invoice was changed meanwhile", "<bdi>Rice</bdi>", "value=\"Oil\""] {
        assert!(text(&reply).contains(part), "{part}: {}", text(&reply));
    }
    assert_eq!(names(), ["Rice 2"]);
    let seen = shown(&reply);
    all.retain(|(name, _)| *name != "shown");
    all.push(("shown", seen.as_str()));
    assert_eq!(leads(&yaa.browser.post(&path, &all)), invoice);
    assert_eq!(names(), ["Rice 2", "Oil 1"]);
    // The first form once more, after that.
    assert_eq!(leads(&kofi.browser.post_bare(&path, &fields)), invoice);
    assert_eq!(names(), ["Rice 2", "Oil 1"]);
    // With something else typed it is another one, of what is out of date.
    fields.retain(|(name, _)| *name != "qty");
    fields.push(("qty", "3"));
    assert_eq!(kofi.browser.post_bare(&path, &fields).status, 422);
    for broken in [None, Some(""), Some("1-2"), Some("1-2-x"), Some("1-2-3-4")] {
        let mut all = rice.to_vec();
        all.extend(broken.map(|text| ("shown", text)));
        let reply = kofi.browser.post(&path, &all);
        assert_eq!(reply.status, 422, "{broken:?}");
        assert!(text(&reply).contains("Open this page again"), "{broken:?}: {}", text(&reply));
    }
    // The same thing is added twice by who asks for it twice.
    assert_eq!(leads(&add(&mut kofi, &invoice, &rice)), invoice);
    assert_eq!(names(), ["Rice 2", "Oil 1", "Rice 2"]);
    let by_people = "SELECT count(*) FROM audit WHERE command IN (SELECT code FROM stored_codes \
        WHERE type = 'audited_command' AND name = 'add_item')";
    assert_eq!(server.database.value(by_people), "3");
    server.verify_ledger();
}

#[test]
fn an_item_is_added_once_at_two_processes() {
    on_postgres_only!();
    let (server, shop) = spawn();
    server.database.give_secrets_key();
    let second = server.spawn_another(&[]);
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let draft = shop.draft("orders", "USD", "PAYER");
    let order = format!("{}/{draft}", list(&shop, "orders"));
    let browsers = [kofi.browser.clone(), kofi.browser.moved_to(&second)];
    for number in 1..=5_i64 {
        let (token, seen) = (kofi.browser.form_token(), shown(&kofi.browser.get(&order)));
        let fields = [
            ("form_token", token.as_str()),
            ("shown", seen.as_str()),
            ("item", "Rice"),
            ("price", "5.00"),
        ];
        let to = all_at_once(&[0, 1, 0, 1], |turn: &usize| {
            let reply = browsers[*turn].clone().post_bare(&format!("{order}/items/add"), &fields);
            leads(&reply).to_owned()
        });
        assert!(to.iter().all(|to| *to == order), "{to:?}");
        let count = server.database.value("SELECT count(*) FROM source_items");
        assert_eq!(count, number.to_string());
    }
    server.verify_ledger();
}

#[test]
fn what_is_typed_into_an_invoice_is_checked_and_kept() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let long = "x".repeat(256);
    let known = shop.party().to_string();
    let before = sold(&server);
    for (fields, field) in [
        (vec![("phone", "")], "phone"),
        (vec![("phone", "12345")], "phone"),
        (vec![("phone", "call me")], "phone"),
        (vec![("name", long.as_str())], "name"),
        (vec![("name", "a\u{202e}b")], "name"),
        (vec![("currency", "")], "currency"),
        (vec![("currency", "XXX")], "currency"),
        (vec![("currency", "ISK")], "currency"),
        (vec![("item-1", "")], "item-1"),
        (vec![("item-1", long.as_str())], "item-1"),
        (vec![("qty-1", "0")], "qty-1"),
        (vec![("qty-1", "1.5")], "qty-1"),
        (vec![("price-1", "")], "price-1"),
        (vec![("price-1", "0")], "price-1"),
        (vec![("price-1", "-5")], "price-1"),
        (vec![("price-1", "25.001")], "price-1"),
        (vec![("price-1", "25 LRD")], "price-1"),
        (vec![("price-1", "19,50")], "price-1"),
        (vec![("qty-1", "1000000000"), ("price-1", "10000000")], "price-1"),
        (vec![("item-1", ""), ("qty-1", ""), ("price-1", "")], "item-1"),
        (vec![("due", "tomorrow")], "due"),
        (vec![("until", "tomorrow")], "until"),
        (vec![("until", "2001-01-01")], "until"),
        (vec![("until", "2999-01-01")], "until"),
        (vec![("reference", long.as_str())], "reference"),
        (vec![("party", known.as_str())], "party-new"),
        (vec![("party", "1")], "who"),
        (vec![("party", "1"), ("phone", ""), ("name", "")], "who"),
        (vec![("party", "nobody"), ("phone", ""), ("name", "")], "who"),
    ] {
        let reply = send_new(&mut kofi, &invoices(&shop), &RICE, &fields);
        assert_eq!(reply.status, 422, "{fields:?}: {}", text(&reply));
        let page = text(&reply);
        assert!(page.contains(&format!("<a href=\"#{field}\">")), "{fields:?}: {page}");
        if field != "party-new" {
            assert!(page.contains(&format!("id=\"{field}-fault\"")), "{fields:?}: {page}");
        }
        // The rest is still there.
        if !fields.iter().any(|(name, _)| *name == "item-1") {
            assert!(page.contains("value=\"Rice, 25 kg\""), "{fields:?}: {page}");
        }
    }
    // A form without its key, or with nonsense in its place, makes nothing.
    for one in ["", "nonsense", "00000000-0000-0000-0000-000000000000"] {
        let mut all = vec![("key", one)];
        all.extend(RICE);
        let reply = kofi.browser.post(&format!("{}/new", invoices(&shop)), &all);
        assert_eq!(reply.status, 422, "{one}: {}", text(&reply));
    }
    // Nor does one without a step.
    let reply = send_new(&mut kofi, &invoices(&shop), &RICE, &[("step", "buy")]);
    assert_eq!(reply.status, 200, "{}", text(&reply));
    assert_eq!(sold(&server), before);
    // A whole one is made after all that.
    make(&mut kofi, &invoices(&shop), &RICE, &[]);
}

#[test]
fn a_customer_is_found_and_rows_are_added_without_script() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let new = |shop: &Merchant, name: &str, phone: &str| {
        let body = json!({"fullname": name, "phone": phone});
        id(&shop.api.post("/v1/parties/create", &body).ok())
    };
    let ama = new(&shop, "Ama Kollie", "231880000071");
    let twin = new(&shop, "Ama Kollie-Weah", "231880000071");
    new(&other, "Ama Kollie of elsewhere", "231880000071");
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let find = |person: &mut Person, who: &str| {
        let fields = [("step", "find"), ("who", who), ("phone", ""), ("name", "")];
        send_new(person, &invoices(&shop), &RICE, &fields)
    };
    for who in ["ama", "Kollie", "0880000071", "+231 880 000 071"] {
        let page = find(&mut kofi, who);
        assert_eq!(page.status, 200, "{who}: {}", text(&page));
        for party in [ama, twin] {
            let choice = format!("name=\"party\" value=\"{party}\"");
            assert!(text(&page).contains(&choice), "{who}: {}", text(&page));
        }
        assert!(!text(&page).contains("elsewhere"), "{who}: {}", text(&page));
        assert!(text(&page).contains("value=\"25.00\""), "what was typed stays: {}", text(&page));
    }
    // One who is found alone is chosen.
    let kweku = new(&shop, "Kweku Mensah", "231880000072");
    let page = find(&mut kofi, "kweku");
    let choice = format!("name=\"party\" value=\"{kweku}\" checked");
    assert!(text(&page).contains(&choice), "{}", text(&page));
    let page = find(&mut kofi, "nobody of this name");
    assert!(text(&page).contains("Nobody is known by that"), "{}", text(&page));
    // More rows, with the same key and what was typed.
    let rows = [("item-2", ""), ("item-3", ""), ("step", "more")];
    let page = send_new(&mut kofi, &invoices(&shop), &RICE, &rows);
    assert!(text(&page).contains("name=\"item-6\"") && text(&page).contains("Rice, 25 kg"));
    assert!(!text(&page).contains("name=\"item-7\""), "{}", text(&page));
    // Of two with one number the one that was chosen pays.
    let party = twin.to_string();
    let chosen = [("party", party.as_str()), ("phone", ""), ("name", "")];
    let invoice = make(&mut kofi, &invoices(&shop), &RICE, &chosen);
    let page = kofi.browser.get(&invoice);
    assert!(text(&page).contains("Ama Kollie-Weah"), "{}", text(&page));
    // Opened from the page of a customer, the customer is chosen.
    let form = kofi.browser.get(&format!("{}/new?party={ama}", invoices(&shop)));
    let choice = format!("name=\"party\" value=\"{ama}\" checked");
    assert!(text(&form).contains(&choice), "{}", text(&form));
    // A new one with a known number is the known one, if that is the name.
    for (name, found) in [
        ("", "Ama Kollie<"),
        (" ama  KOLLIE", "Ama Kollie<"),
        ("AmaKollie-Weah", "Ama Kollie-Weah<"),
    ] {
        let known = [("phone", "231880000071"), ("name", name)];
        let invoice = make(&mut kofi, &invoices(&shop), &RICE, &known);
        let page = kofi.browser.get(&invoice);
        assert!(text(&page).contains(found), "{name}: {}", text(&page));
    }
    assert_eq!(server.database.value("SELECT count(*) FROM parties"), "4");
}

/// A slip in a number must not send somebody's invoice to somebody else.
#[test]
fn a_known_number_with_another_name_is_asked_about() {
    let (server, shop) = open_with_key();
    let body = json!({"fullname": "Ama Kollie", "phone": "231880000071"});
    let ama = id(&shop.api.post("/v1/parties/create", &body).ok());
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    for (kind, step) in [("invoices", "publish"), ("orders", "publish"), ("invoices", "draft")] {
        let before = sold(&server);
        let typed = [("step", step), ("phone", "+231 88 000 0071"), ("name", "Kweku Mensah")];
        let asked = send_new(&mut kofi, &list(&shop, kind), &RICE, &typed);
        assert_eq!(asked.status, 422, "{kind}: {}", text(&asked));
        for part in [
            "This number is of \u{2068}Ama Kollie\u{2069}.",
            "id=\"party-new-fault\"",
            &format!("name=\"party\" value=\"{ama}\""),
            "value=\"Kweku Mensah\"",
            "value=\"25.00\"",
        ] {
            assert!(text(&asked).contains(part), "{kind} {part}: {}", text(&asked));
        }
        assert_eq!(sold(&server), before, "{kind}");
        // Whoever goes on with the customer says so, and leaves what was typed.
        let party = ama.to_string();
        let mut all = typed.to_vec();
        all.push(("party", &party));
        let source = make(&mut kofi, &list(&shop, kind), &RICE, &all);
        let page = kofi.browser.get(&source);
        assert!(text(&page).contains("<bdi>Ama Kollie</bdi>"), "{kind}: {}", text(&page));
        // Not with a customer of another number.
        all[1] = ("phone", "231880000072");
        let refused = send_new(&mut kofi, &list(&shop, kind), &RICE, &all);
        assert_eq!(refused.status, 422, "{kind}: {}", text(&refused));
    }
    assert_eq!(server.database.value("SELECT count(*) FROM parties"), "1");
    server.verify_ledger();
}

/// Two people at one draft.
#[test]
fn nobody_publishes_cancels_or_sets_back_what_they_have_not_seen() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let mut yaa = member(&server, &shop, "MANAGER", "yaa@shop.example");
    for kind in ["invoices", "orders"] {
        let source = format!("{}/{}", list(&shop, kind), shop.draft(kind, "USD", "PAYER"));
        let rice = [("item", "Rice"), ("price", "25.00")];
        assert_eq!(leads(&add(&mut kofi, &source, &rice)), source);
        let seen = shown(&yaa.browser.get(&source));
        assert_eq!(leads(&add(&mut kofi, &source, &[("item", "Oil"), ("price", "900")])), source);
        let before = sold(&server);
        let note = [
            ("bearer", "PAYEE"),
            ("note", "typed by Yaa"),
            ("reference", "Y-1"),
            ("shown", seen.as_str()),
        ];
        for (what, fields) in
            [("publish", &note[3..]), ("cancel", &note[3..]), ("update", &note[..])]
        {
            let page = yaa.browser.post(&format!("{source}/{what}"), fields);
            assert_eq!(page.status, 422, "{what}: {}", text(&page));
            for part in ["was changed meanwhile", "<bdi>Oil</bdi>", "925.00 USD"] {
                assert!(text(&page).contains(part), "{what} {part}: {}", text(&page));
            }
            let keeps = text(&page).contains("typed by Yaa</textarea>")
                && text(&page).contains("value=\"PAYEE\" selected");
            assert_eq!(keeps, what == "update", "{what}: {}", text(&page));
            // Without what its page showed it does nothing, either.
            let page = yaa.browser.post(&format!("{source}/{what}"), &note[..3]);
            assert_eq!(page.status, 422, "{what}: {}", text(&page));
            assert!(text(&page).contains("Open this page again"), "{what}: {}", text(&page));
        }
        assert_eq!(sold(&server), before, "{kind}");
        // What somebody else has written is not set back by an older form.
        let seen = shown(&kofi.browser.get(&source));
        let mine = [("bearer", "PAYER"), ("note", "by Kofi"), ("shown", seen.as_str())];
        assert_eq!(leads(&kofi.browser.post(&format!("{source}/update"), &mine)), source);
        let theirs = [("bearer", "PAYER"), ("note", "by Yaa"), ("shown", seen.as_str())];
        let page = yaa.browser.post(&format!("{source}/update"), &theirs);
        assert_eq!(page.status, 422, "{}", text(&page));
        assert!(
            text(&page).contains("<p class=\"note\" dir=\"auto\">by Kofi</p>"),
            "{}",
            text(&page)
        );
        // Of what the page shows now it is all done.
        let seen = shown(&page);
        let published = yaa.browser.post(&format!("{source}/publish"), &[("shown", &seen)]);
        assert_eq!(leads(&published), source);
    }
    server.verify_ledger();
}

#[test]
fn the_list_is_read_by_pages_and_states() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let customer = shop.customer();
    for _ in 0..51 {
        let body = json!({"counterparty_id": customer, "currency": "USD", "fee_bearer": "PAYER", "as_payment_link": false});
        shop.api.post("/v1/invoices/create", &body).ok();
    }
    shop.paid_hundred();
    let count = |page: &Reply| text(page).matches("<bdi>INV-").count();
    let page = kofi.browser.get(&invoices(&shop));
    assert_eq!(count(&page), 50, "{}", text(&page));
    let page = kofi.browser.get(&href(&page, "Older"));
    assert_eq!(count(&page), 2, "{}", text(&page));
    for (state, found) in [("PAID", 1), ("CANCELED", 0), ("IDLE", 50)] {
        let page = kofi.browser.get(&format!("{}?state={state}", invoices(&shop)));
        assert_eq!((page.status, count(&page)), (200, found), "{state}: {}", text(&page));
    }
    let page = kofi.browser.get(&format!("{}?state=CANCELED", invoices(&shop)));
    assert!(text(&page).contains("No invoice is in this state."), "{}", text(&page));
    for wrong in ["state=SOLD", "after=x"] {
        let page = kofi.browser.get(&format!("{}?{wrong}", invoices(&shop)));
        assert_eq!(page.status, 422, "{wrong}: {}", text(&page));
    }
}

#[test]
fn texts_of_strangers_stay_texts() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let hostile = "\"><script>alert(1)</script><b title='";
    let fields =
        [("name", hostile), ("item-1", hostile), ("note", hostile), ("reference", hostile)];
    let invoice = make(&mut kofi, &invoices(&shop), &RICE, &fields);
    let party = server.database.value("SELECT id FROM parties");
    let customer = format!("{}/{party}", list(&shop, "customers"));
    let mut again = fields.to_vec();
    again.extend([("price-1", hostile), ("who", hostile), ("due", hostile), ("until", hostile)]);
    let refused = send_new(&mut kofi, &invoices(&shop), &RICE, &again);
    assert_eq!(refused.status, 422);
    let mut pages = vec![refused];
    for path in [&invoice, &customer, &invoices(&shop), &list(&shop, "customers")] {
        pages.push(kofi.browser.get(path));
    }
    for page in &pages {
        let page = text(page);
        assert!(!page.contains("<script>alert") && !page.contains("<b title"), "{page}");
    }
    assert!(
        text(&pages[1]).contains("&lt;script&gt;alert(1)")
            || text(&pages[1]).contains("&#60;script")
    );
}

#[test]
fn an_invoice_of_the_api_gets_its_link_when_it_is_asked_for() {
    let (server, shop) = open_with_key();
    let mut finance = member(&server, &shop, "FINANCE", "ama@shop.example");
    let invoice = format!("{}/{}", invoices(&shop), shop.invoice("USD", "40.00"));
    let pages = || server.database.value("SELECT count(*) FROM checkout_configs");
    let page = finance.browser.get(&invoice);
    assert!(text(&page).contains("Make a link to pay"), "{}", text(&page));
    assert_eq!(pages(), "0", "looking makes none");
    for _ in 0..2 {
        assert_eq!(leads(&finance.browser.post(&format!("{invoice}/link"), &[])), invoice);
        assert_eq!(pages(), "1");
    }
    let page = finance.browser.get(&invoice);
    let url = between(text(&page), "readonly dir=\"ltr\" value=\"", "\"");
    assert_eq!(finance.browser.get(&payer_path(url)).status, 200, "{url}");
    // Links are for merchants that are verified.
    let merchant = shop.credentials.merchant_id.to_string();
    server.kola(&["merchant", "set", "--merchant", &merchant, "--verified", "false"]).ok();
    let page = finance.browser.get(&invoice);
    assert!(!text(&page).contains(" readonly "), "{}", text(&page));
    assert!(text(&page).contains("the operator verifies this one"), "{}", text(&page));
    let reply = finance.browser.post(&format!("{invoice}/link"), &[]);
    assert_eq!(reply.status, 403, "{}", text(&reply));
}

/// The first button of a form is the one that Enter in a field presses.
#[test]
fn enter_looks_for_who_was_typed_and_else_keeps_a_draft() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let invoices = list(&shop, "invoices");
    let new = format!("{invoices}/new");
    let first = |page: &Reply| {
        let form = between(text(page), "<form method=\"post\"", "</form>");
        between(form, "<button", ">").to_owned()
    };
    let page = kofi.browser.get(&new);
    assert!(first(&page).contains("value=\"enter\""), "{}", text(&page));
    let of_links = kofi.browser.get(&format!("{}/new", list(&shop, "links")));
    assert!(first(&of_links).contains("value=\"create\""), "{}", text(&of_links));
    let drafts = || server.database.value("SELECT count(*) FROM sources WHERE status = 'IDLE'");
    let key = drawn(&page);
    let fields = |who, looked| {
        let mut fields =
            vec![("step", "enter"), ("key", key.as_str()), ("who", who), ("looked", looked)];
        let typed = RICE.iter().filter(|(name, _)| !["step", "key", "who"].contains(name));
        fields.extend(typed);
        fields
    };
    let page = kofi.browser.post(&new, &fields("ama", ""));
    assert_eq!(page.status, 200, "{}", text(&page));
    assert!(text(&page).contains("name=\"looked\" value=\"ama\""), "{}", text(&page));
    assert_eq!(drafts(), "0");
    let reply = kofi.browser.post(&new, &fields("ama", "ama"));
    assert!(leads(&reply).starts_with(&invoices), "{}", text(&reply));
    assert_eq!(drafts(), "1");
}

#[test]
fn all_that_is_wrong_with_a_new_invoice_is_said_at_once() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let wrong = [
        ("phone", "x"),
        ("item-1", "Rice"),
        ("price-1", "19,50"),
        ("item-2", ""),
        ("qty-2", "2"),
        ("due", "soon"),
    ];
    let page = send_new(&mut kofi, &list(&shop, "invoices"), &RICE, &wrong);
    assert_eq!(page.status, 422, "{}", text(&page));
    for field in ["phone", "price-1", "item-2", "due"] {
        assert!(text(&page).contains(&format!("id=\"{field}-fault\"")), "{field}: {}", text(&page));
        assert!(
            text(&page).contains(&format!("<a href=\"#{field}\">")),
            "{field}: {}",
            text(&page)
        );
    }
    assert!(text(&page).contains("such as 1250.50, with a point"), "{}", text(&page));
    // What the decision refuses is said in the words of the field.
    let past = [("until", "2001-01-01")];
    let page = send_new(&mut kofi, &list(&shop, "invoices"), &RICE, &past);
    assert!(text(&page).contains("Choose a later day"), "{}", text(&page));
    assert!(text(&page).contains("id=\"until-fault\""), "{}", text(&page));
}

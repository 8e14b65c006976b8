//! Customers at `/app`.

use super::invoices::{RICE, SEE_CONTACTS, SELLERS, list, make, sold};
use super::payments::everybody;
use super::person::{Person, between, leads, text};
use super::{all_at_once, member, open_with_key};
use crate::support::shop::GOOD;
use crate::support::{Merchant, Reply, id, json, key, open_two};

/// Who edits customers and their accounts.
const EDIT: [&str; 4] = ["OWNER", "FINANCE", "MANAGER", "SUPPORT"];
const READ_WALLETS: [&str; 5] = ["OWNER", "FINANCE", "MANAGER", "OPERATOR", "AUDITOR"];

fn customers(shop: &Merchant) -> String {
    list(shop, "customers")
}

#[track_caller]
fn party(shop: &Merchant, name: &str, phone: &str) -> i64 {
    let body = json!({"fullname": name, "phone": phone});
    id(&shop.api.post("/v1/parties/create", &body).ok())
}

/// Pays an invoice from an account.
#[track_caller]
fn paid_from(shop: &Merchant, account: i64, amount: &str) {
    shop.take(account, "USD", amount);
}

#[test]
fn each_role_sees_a_customer_as_it_may() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    server.fund(&shop, "USD", "50.00");
    let ama = party(&shop, "Amara Kollie", "231880000001");
    shop.transfer(shop.counterparty(ama), "USD", "5.00");
    let account = shop.account(ama, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
    paid_from(&shop, account, "40.00");
    let theirs = party(&other, "Somebody Else", "231880000099");
    let one = format!("{}/{ama}", customers(&shop));
    for (role, person) in &mut everybody(&server, &shop) {
        let (sees, sells) = (SEE_CONTACTS.contains(role), SELLERS.contains(role));
        let listed = person.browser.get(&customers(&shop));
        let page = person.browser.get(&one);
        for page in [&listed, &page] {
            assert_eq!(page.status, 200, "{role}: {}", text(page));
            let page = text(page);
            assert_eq!(page.contains("Amara Kollie"), sees, "{role}: {page}");
            assert_eq!(page.contains("A. K."), !sees, "{role}: {page}");
            assert_eq!(page.contains("231880000001"), sees, "{role}: {page}");
            assert!(!page.contains("Somebody Else"), "{role}: {page}");
        }
        assert_eq!(text(&listed).contains("Find a customer"), sees, "{role}");
        let page = text(&page);
        assert!(page.contains("MTN Mobile Money, Liberia; pays from it"), "{role}: {page}");
        assert!(page.contains("Net <span class=\"n\">+40.00 USD"), "{role}: {page}");
        let balance = READ_WALLETS.contains(role);
        assert_eq!(page.contains("<h2>Balance</h2>"), balance, "{role}: {page}");
        assert_eq!(page.contains("<strong class=\"n\">5.00 USD</strong>"), balance, "{role}");
        let edits = EDIT.contains(role);
        let deactivate = format!("{one}/accounts/{account}/deactivate");
        assert_eq!(page.contains(&deactivate), edits, "{role}: {page}");
        let new = format!("{}/new?party={ama}", list(&shop, "invoices"));
        assert_eq!(page.contains(&new), sells, "{role}: {page}");
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        let expected = if of_installation { 200 } else { 404 };
        for (path, expected) in [
            (customers(&other), expected),
            (format!("{}/{theirs}", customers(&other)), expected),
            (format!("{}/{theirs}", customers(&shop)), 404),
            (format!("{}/{ama}", customers(&other)), 404),
        ] {
            assert_eq!(person.browser.get(&path).status, expected, "{role} {path}");
        }
    }
}

#[test]
fn only_who_edits_customers_deactivates_their_accounts() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let (ama, kofi) = (party(&shop, "Ama", "231880000001"), party(&shop, "Kofi", "231880000002"));
    let of = |shop: &Merchant, party| shop.account(party, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD));
    let (account, of_kofi) = (of(&shop, ama), of(&shop, kofi));
    let their_party = party(&other, "Yaa", "231880000003");
    let theirs = of(&other, their_party);
    let mut people = everybody(&server, &shop);
    let active =
        || server.database.value("SELECT count(*) FROM payment_accounts WHERE is_active = 1");
    let before = sold(&server);
    let path = |shop: &Merchant, party: i64, account: i64| {
        format!("{}/{party}/accounts/{account}/deactivate", customers(shop))
    };
    for (role, person) in &mut people {
        let own = path(&shop, ama, account);
        assert_eq!(person.browser.post_bare(&own, &[]).status, 403, "{role}");
        let edits = EDIT.contains(role);
        if !edits {
            assert_eq!(person.browser.post(&own, &[]).status, 403, "{role}");
        }
        // Of another merchant, or of another customer than the page is about.
        for elsewhere in [
            path(&shop, ama, theirs),
            path(&shop, their_party, theirs),
            path(&shop, ama, of_kofi),
            path(&shop, ama, 999_999),
        ] {
            let reply = person.browser.post(&elsewhere, &[]);
            assert_eq!(reply.status, if edits { 404 } else { 403 }, "{role}: {elsewhere}");
        }
        let reply = person.browser.post(&path(&other, their_party, theirs), &[]);
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        assert_eq!(reply.status, if of_installation { 403 } else { 404 }, "{role}");
    }
    assert_eq!((active().as_str(), sold(&server)), ("3", before));
    let finance = people.get_mut("FINANCE").expect("somebody");
    let page = format!("{}/{ama}", customers(&shop));
    for _ in 0..2 {
        assert_eq!(leads(&finance.browser.post(&path(&shop, ama, account), &[])), page);
    }
    assert_eq!(active(), "2");
    let shown = finance.browser.get(&page);
    assert!(text(&shown).contains("<strong>deactivated</strong>"), "{}", text(&shown));
    assert!(!text(&shown).contains("/deactivate\""), "{}", text(&shown));
    // It is used no more.
    let session = shop.checkout(shop.invoice("USD", "5.00"));
    assert_eq!(shop.collect(session, account, "USD", &key()).status, 422);
    server.verify_ledger();
}

/// What the form that changes a customer was filled with, as it carries it.
#[track_caller]
fn filled(page: &Reply) -> [(&'static str, String); 3] {
    ["shown-name", "shown-email", "shown-country"].map(|name| {
        let value = between(text(page), &format!("name=\"{name}\" value=\""), "\"");
        (name, value.to_owned())
    })
}

/// Sends the form that changes a customer, as it was filled.
#[track_caller]
fn change(
    person: &mut Person,
    customer: &str,
    shown: &[(&'static str, String); 3],
    typed: [&str; 3],
) -> Reply {
    let [name, email, country] = typed;
    let mut fields: Vec<(&str, &str)> =
        shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend([("name", name), ("email", email), ("country", country)]);
    person.browser.post(&format!("{customer}/update"), &fields)
}

#[test]
fn only_who_edits_customers_changes_their_names() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let ama = party(&shop, "Ama Kollie", "231880000001");
    let theirs = party(&other, "Yaa", "231880000003");
    let one = format!("{}/{ama}", customers(&shop));
    let mut people = everybody(&server, &shop);
    let stored = || {
        let parties = "SELECT fullname, phone, coalesce(email, '-'), coalesce(country_code, '-'), updated_at \
            FROM parties ORDER BY id";
        (server.database.rows(parties), sold(&server))
    };
    let before = stored();
    let shown = |name: &str| {
        [("shown-name", name), ("shown-email", ""), ("shown-country", "")]
            .map(|(field, value)| (field, value.to_owned()))
    };
    let typed = ["Efua", "efua@example.com", "GH"];
    for (role, person) in &mut people {
        let update = format!("{one}/update");
        let fields = [("shown-name", "Ama Kollie"), ("name", "Efua")];
        assert_eq!(person.browser.post_bare(&update, &fields).status, 403, "{role}");
        let edits = EDIT.contains(role);
        let page = person.browser.get(&one);
        assert_eq!(text(&page).contains(&update), edits, "{role}: {}", text(&page));
        if !edits {
            let reply = change(person, &one, &shown("Ama Kollie"), typed);
            assert_eq!(reply.status, 403, "{role}: {}", text(&reply));
        }
        // Of another merchant: in its name, and in one's own.
        let in_ours = format!("{}/{theirs}", customers(&shop));
        let reply = change(person, &in_ours, &shown("Yaa"), typed);
        assert_eq!(reply.status, if edits { 404 } else { 403 }, "{role}: {}", text(&reply));
        let reply =
            change(person, &format!("{}/{theirs}", customers(&other)), &shown("Yaa"), typed);
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        assert_eq!(reply.status, if of_installation { 403 } else { 404 }, "{role}");
    }
    assert_eq!(stored(), before);
    for (role, person) in &mut people {
        if !EDIT.contains(role) {
            continue;
        }
        let form = filled(&person.browser.get(&one));
        let name = format!("Efua of {role}");
        let reply = change(person, &one, &form, [&name, "efua@example.com", "gh"]);
        assert_eq!(leads(&reply), one, "{role}");
        let page = person.browser.get(&one);
        for part in [&format!("<h1><bdi>{name}</bdi></h1>"), "efua@example.com", "<td>GH</td>"] {
            assert!(text(&page).contains(part), "{role} {part}: {}", text(&page));
        }
    }
    let by_people = "SELECT count(*) FROM audit WHERE command IN (SELECT code FROM stored_codes \
        WHERE type = 'audited_command' AND name = 'update_party')";
    assert_eq!(server.database.value(by_people), EDIT.len().to_string());
    server.verify_ledger();
}

#[test]
fn of_two_who_change_a_customer_nobody_undoes_the_other() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "MANAGER", "ama@shop.example");
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let one = format!("{}/{}", customers(&shop), party(&shop, "Yaa & Sons", "231880000001"));
    let stored = || {
        let row = "SELECT fullname, coalesce(email, '-'), coalesce(country_code, '-') FROM parties";
        server.database.rows(row).remove(0).join(", ")
    };
    let audited = || {
        server.database.value(
            "SELECT count(*) FROM audit WHERE command IN (SELECT code FROM stored_codes \
             WHERE type = 'audited_command' AND name = 'update_party')",
        )
    };
    let unescaped = |[name, email, country]: [(&'static str, String); 3]| {
        [(name.0, name.1.replace("&#38;", "&")), email, country]
    };
    let (of_ama, of_kofi) = (ama.browser.get(&one), kofi.browser.get(&one));
    let (of_ama, of_kofi) = (unescaped(filled(&of_ama)), unescaped(filled(&of_kofi)));
    assert_eq!(of_ama[0].1, "Yaa & Sons");
    // Sent as it was filled it changes nothing, and sent twice it changes once.
    assert_eq!(leads(&change(&mut ama, &one, &of_ama, ["Yaa & Sons", "", ""])), one);
    assert_eq!(audited(), "0");
    for _ in 0..2 {
        assert_eq!(leads(&change(&mut ama, &one, &of_ama, ["Yaa Mensah", "", ""])), one);
        assert_eq!((stored().as_str(), audited().as_str()), ("Yaa Mensah, -, -", "1"));
    }
    // Another field is another matter: both changes hold.
    let reply = change(&mut kofi, &one, &of_kofi, ["Yaa & Sons", "yaa@example.com", ""]);
    assert_eq!(leads(&reply), one);
    assert_eq!(stored(), "Yaa Mensah, yaa@example.com, -");
    // The same field was changed meanwhile: the page says so, has what is there now, keeps what was
    // typed, and does not bring the old e-mail address back.
    let reply = change(&mut kofi, &one, &of_kofi, ["Yaa Owusu", "", "GH"]);
    assert_eq!(reply.status, 422, "{}", text(&reply));
    for part in [
        "The customer was changed meanwhile",
        "<h1><bdi>Yaa Mensah</bdi></h1>",
        "value=\"Yaa Owusu\"",
        "name=\"shown-name\" value=\"Yaa Mensah\"",
        "name=\"email\" type=\"text\" inputmode=\"email\" maxlength=\"254\" autocomplete=\"off\" dir=\"ltr\" value=\"yaa@example.com\"",
        "value=\"GH\"",
    ] {
        assert!(text(&reply).contains(part), "{part}: {}", text(&reply));
    }
    assert_eq!(stored(), "Yaa Mensah, yaa@example.com, -");
    let seen = filled(&reply);
    let again = change(&mut kofi, &one, &seen, ["Yaa Owusu", "yaa@example.com", "GH"]);
    assert_eq!(leads(&again), one);
    assert_eq!(stored(), "Yaa Owusu, yaa@example.com, GH");
    // What is wrong is said beside its field, and the form still knows what it was filled with.
    let old = of_ama;
    let long = "x".repeat(256);
    for (typed, field) in [
        (["", "", ""], "name"),
        ([long.as_str(), "", ""], "name"),
        (["a\u{202e}b", "", ""], "name"),
        (["Yaa", "yaa", ""], "email"),
        (["Yaa", "", "Ghana"], "country"),
        (["Yaa", "", "ZZZ"], "country"),
    ] {
        let reply = change(&mut ama, &one, &old, typed);
        assert_eq!(reply.status, 422, "{typed:?}: {}", text(&reply));
        let page = text(&reply);
        assert!(page.contains(&format!("id=\"{field}-fault\"")), "{typed:?}: {page}");
        assert!(page.contains("name=\"shown-name\" value=\"Yaa &#38; Sons\""), "{page}");
    }
    let bare = ama.browser.post(&format!("{one}/update"), &[("name", "Yaa")]);
    assert_eq!(bare.status, 422, "{}", text(&bare));
    assert!(text(&bare).contains("Open this page again"), "{}", text(&bare));
    assert_eq!((stored().as_str(), audited().as_str()), ("Yaa Owusu, yaa@example.com, GH", "3"));
    // An e-mail address is taken away.
    let seen = filled(&ama.browser.get(&one));
    assert_eq!(leads(&change(&mut ama, &one, &seen, ["Yaa Owusu", "", "GH"])), one);
    assert_eq!(stored(), "Yaa Owusu, -, GH");
}

#[test]
fn customers_and_their_payments_are_read_by_pages() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "MANAGER", "ama@shop.example");
    let page = ama.browser.get(&customers(&shop));
    assert!(text(&page).contains("No customer yet."), "{}", text(&page));
    let one = party(&shop, "Kofi Boateng", "231880000071");
    let (first, second) = (
        shop.account(one, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD)),
        shop.account(one, "COLLECTION", "MTN_MOMO_LBR", Some(GOOD)),
    );
    for number in 0..52 {
        let account = if number % 2 == 0 { first } else { second };
        paid_from(&shop, account, &format!("{}.00", number + 1));
    }
    let customer = format!("{}/{one}", customers(&shop));
    let rows = |page: &Reply| -> Vec<String> {
        let parts = text(page).split("Net <span class=\"n\">+").skip(1);
        parts.map(|part| part.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    let page = ama.browser.get(&customer);
    let newest = rows(&page);
    assert_eq!(newest.len(), 50, "{}", text(&page));
    assert_eq!((newest[0].as_str(), newest[49].as_str()), ("52.00", "3.00"));
    let after = between(text(&page), "?after=", "\"").to_owned();
    let page = ama.browser.get(&format!("{customer}?after={after}"));
    assert_eq!(rows(&page), ["2.00", "1.00"], "{}", text(&page));
    assert!(!text(&page).contains("Older payments"), "{}", text(&page));
    for (query, status) in [("after=x", 422), ("accounts=x", 422), ("after=999999", 404)] {
        let page = ama.browser.get(&format!("{customer}?{query}"));
        assert_eq!(page.status, status, "{query}: {}", text(&page));
    }
    // The payer of each of the invoices is a customer, too.
    let page = ama.browser.get(&customers(&shop));
    let count = |page: &Reply| text(page).matches("<strong><bdi>").count();
    assert_eq!(count(&page), 50, "{}", text(&page));
    let after = between(text(&page), "?after=", "\"").to_owned();
    let page = ama.browser.get(&format!("{}?after={after}", customers(&shop)));
    assert_eq!(count(&page), 3, "{}", text(&page));
}

#[test]
fn a_customer_without_payments_is_found() {
    let (server, shop) = open_with_key();
    let mut kofi = member(&server, &shop, "SUPPORT", "kofi@shop.example");
    let mut yaa = member(&server, &shop, "VIEWER", "yaa@shop.example");
    let invoice = make(&mut kofi, &list(&shop, "invoices"), &RICE, &[]);
    let party = server.database.value("SELECT id FROM parties");
    let customer = format!("href=\"{}/{party}\"", customers(&shop));
    let search = format!("/app/search/{}", shop.credentials.merchant_id);
    for asked in ["kollie", "ama", "0880000001", "%2B231880000001"] {
        let page = kofi.browser.get(&format!("{search}?q={asked}"));
        assert!(text(&page).contains(&customer), "{asked}: {}", text(&page));
        let page = yaa.browser.get(&format!("{search}?q={asked}"));
        assert!(!text(&page).contains(&customer), "{asked}: {}", text(&page));
    }
    let number = server.database.value("SELECT number FROM sources");
    let page = yaa.browser.get(&format!("{search}?q={number}"));
    assert!(text(&page).contains(&format!("href=\"{invoice}\"")), "{}", text(&page));
}

/// Sends the form of a new account on a customer's page.
fn add_account(person: &mut Person, customer: &str, shown: &str, typed: [&str; 3]) -> Reply {
    let [method, number, name] = typed;
    let fields = [("shown", shown), ("method", method), ("number", number), ("name", name)];
    person.browser.post(&format!("{customer}/accounts"), &fields)
}

#[test]
fn whoever_edits_customers_makes_one_and_pays_out_to_them() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    server.fund(&shop, "USD", "50.00");
    let theirs = party(&other, "Yaa", "231880000003");
    let stored = || {
        let parties = "SELECT fullname, phone FROM parties ORDER BY id";
        let accounts = "SELECT account_name, account_number, operation_type FROM payment_accounts";
        (server.database.rows(parties), server.database.rows(accounts))
    };
    let before = stored();
    let mut people = everybody(&server, &shop);
    let ama = [("name", "Ama Kollie"), ("phone", "+231 880 000 001")];
    for (role, person) in &mut people {
        let edits = EDIT.contains(role);
        let page = person.browser.get(&customers(&shop));
        assert_eq!(text(&page).contains("<summary>New customer"), edits, "{role}");
        assert_eq!(person.browser.post_bare(&customers(&shop), &ama).status, 403, "{role}");
        let accounts = format!("{}/{theirs}", customers(&shop));
        let reply = add_account(person, &accounts, "1", ["MTN_MOMO_LBR", "231880000001", "A"]);
        assert_eq!(reply.status, if edits { 404 } else { 403 }, "{role}: {}", text(&reply));
        if !edits {
            let reply = person.browser.post(&customers(&shop), &ama);
            assert_eq!(reply.status, 403, "{role}: {}", text(&reply));
        }
    }
    assert_eq!(stored(), before);
    let (_, finance) = people.iter_mut().find(|(role, _)| **role == "FINANCE").expect("one");
    // What is wrong is said beside its field, with what was typed.
    for (name, phone, field) in
        [("", "231880000001", "name"), ("A<b>", "", "phone"), ("A<b>", "088x", "phone")]
    {
        let page = finance.browser.post(&customers(&shop), &[("name", name), ("phone", phone)]);
        assert_eq!(page.status, 422, "{name} {phone}: {}", text(&page));
        assert!(text(&page).contains(&format!("id=\"{field}-fault\"")), "{}", text(&page));
        assert!(text(&page).contains("<details open>"), "{}", text(&page));
    }
    // Sent twice, even at once, it makes one, and both lead to it.
    let twice = all_at_once(&[finance.clone(), finance.clone()], |person| {
        leads(&person.clone().browser.post(&customers(&shop), &ama)).to_owned()
    });
    let third = leads(&finance.browser.post(&customers(&shop), &ama)).to_owned();
    assert_eq!((&twice[0], &twice[1]), (&third, &third));
    let count = || server.database.value("SELECT count(*) FROM parties WHERE fullname LIKE 'Ama%'");
    assert_eq!(count(), "1");
    // Who has this phone is named, with a link.
    let page = finance.browser.post(&customers(&shop), &[("name", "Amadou"), ama[1]]);
    assert_eq!(page.status, 422, "{}", text(&page));
    let link = format!("It is the number of <a href=\"{third}\"><bdi>Ama Kollie</bdi></a>");
    assert!(text(&page).contains(&link), "{}", text(&page));
    assert_eq!(count(), "1");
    // The number of another merchant's customer is free here.
    let yaa = [("name", "Yaa"), ("phone", "231880000003")];
    assert_ne!(leads(&finance.browser.post(&customers(&shop), &yaa)), third);

    // An account: the form is filled with the number and the name.
    let shown = |page: &Reply| between(text(page), "name=\"shown\" value=\"", "\"").to_owned();
    let page = finance.browser.get(&third);
    let methods = between(text(&page), "<select id=\"method\"", "</select>");
    assert!(methods.contains("MTN Mobile Money, Liberia"), "{methods}");
    assert!(!methods.contains("CREDIT_CARD"), "{methods}");
    assert!(text(&page).contains("value=\"231880000001\""), "{}", text(&page));
    let first = shown(&page);
    let good = ["MTN_MOMO_LBR", "231880000001", "Ama Kollie"];
    for (typed, field) in [
        (["CREDIT_CARD", good[1], good[2]], "method"),
        (["", good[1], good[2]], "method"),
        ([good[0], "12", good[2]], "phone"),
        ([good[0], "250780000001", good[2]], "phone"),
        ([good[0], good[1], ""], "account-name"),
    ] {
        let page = add_account(finance, &third, &first, typed);
        assert_eq!(page.status, 422, "{typed:?}: {}", text(&page));
        assert!(text(&page).contains(&format!("id=\"{field}-fault\"")), "{}", text(&page));
        assert_eq!(shown(&page), first);
    }
    let accounts = || server.database.value("SELECT count(*) FROM payment_accounts");
    assert_eq!(accounts(), "0");
    let twice = all_at_once(&[finance.clone(), finance.clone()], |person| {
        leads(&add_account(&mut person.clone(), &third, &first, good)).to_owned()
    });
    assert_eq!((&twice[0], &twice[1]), (&third, &third));
    assert_eq!(
        (leads(&add_account(finance, &third, &first, good)).to_owned(), accounts()),
        (third.clone(), "1".to_owned())
    );
    // Another account from a page that does not show the first one asks again, with what was typed.
    let another = ["ORANGE_MONEY_LBR", "231770000001", "Ama K."];
    let page = add_account(finance, &third, &first, another);
    assert_eq!(page.status, 422, "{}", text(&page));
    assert!(text(&page).contains("changed meanwhile") && text(&page).contains("value=\"Ama K.\""));
    assert_eq!(leads(&add_account(finance, &third, &shown(&page), another)), third);
    assert_eq!(accounts(), "2");
    // And it is paid out to.
    let account = server.database.value(
        "SELECT id FROM payment_accounts WHERE method = 'MTN_MOMO_LBR' AND operation_type = 'PAYOUT' \
         AND country_code = 'LR' AND account_number = '231880000001'",
    );
    let page = finance.browser.get(&format!("{}/new?q=kollie", list(&shop, "payouts")));
    assert!(text(&page).contains(&format!("/{account}\"><bdi>Ama Kollie")), "{}", text(&page));
    server.verify_ledger();
}

//! Filters of the list of payments that people keep under a name.

use super::payments::{everybody, payments};
use super::*;
use crate::support::Reply;

fn save(shop: &Merchant) -> String {
    format!("{}/filters/save", payments(shop))
}

fn remove(shop: &Merchant) -> String {
    format!("{}/filters/remove", payments(shop))
}

/// The filters that a page lists: their names with where they lead.
fn kept(page: &Reply) -> Vec<(String, String)> {
    let Some((_, list)) = text(page).split_once("<h2>Your filters</h2>") else { return vec![] };
    let list = list.split("</ul>").next().expect("a list");
    let links = list.split("<p><a href=\"").skip(1);
    let filters = links.map(|link| {
        let path = link.split('"').next().expect("a path").replace("&#38;", "&");
        (between(link, "<bdi>", "</bdi>").to_owned(), path)
    });
    filters.collect()
}

#[test]
fn a_filter_is_kept_replaced_and_removed() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "SUPPORT", "ama@shop.example");
    let page = payments(&shop);
    assert!(kept(&ama.browser.get(&page)).is_empty());
    assert!(!text(&ama.browser.get(&page)).contains("Keep this filter"));
    let query = "?state=FAILED&operation=COLLECTION";
    let shown = ama.browser.get(&format!("{page}{query}"));
    assert!(text(&shown).contains("Keep this filter"), "{}", text(&shown));
    let name = "Failed \u{2013} <payments>";
    let fields = [("query", query), ("filter_name", name)];
    for _ in 0..2 {
        let reply = ama.browser.post(&save(&shop), &fields);
        assert_eq!(leads(&reply), format!("{page}{query}"));
    }
    let escaped = "Failed \u{2013} &#60;payments&#62;".to_owned();
    let listed = kept(&ama.browser.get(&page));
    assert_eq!(listed, [(escaped.clone(), format!("{page}{query}"))]);
    assert_eq!(ama.browser.get(&listed[0].1).status, 200);
    // The same name again is another filter in its place. What is no filter of the list is left out.
    let other = [("query", "?amount=5&amount_currency=usd&x=1&after=7"), ("filter_name", name)];
    leads(&ama.browser.post(&save(&shop), &other));
    let other = format!("{page}?amount=5&amount_currency=usd");
    assert_eq!(kept(&ama.browser.get(&page)), [(escaped, other)]);
    let second = [("query", "?is_final=false"), ("filter_name", "A first one")];
    leads(&ama.browser.post(&save(&shop), &second));
    let names: Vec<String> =
        kept(&ama.browser.get(&page)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], "A first one");
    for _ in 0..2 {
        assert_eq!(leads(&ama.browser.post(&remove(&shop), &[("filter_name", name)])), page);
    }
    assert_eq!(kept(&ama.browser.get(&page)).len(), 1);
    assert_eq!(ama.browser.post(&remove(&shop), &[("filter_name", "No such")]).status, 404);
    // It can be kept again, and all of it is in the audit.
    leads(&ama.browser.post(&save(&shop), &fields));
    assert_eq!(kept(&ama.browser.get(&page)).len(), 2);
    let rows = shop.api.get("/v1/audit/list?command=save_filter").rows();
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert!(rows.iter().all(|row| row["subject_type"] == "SAVED_FILTER"), "{rows:?}");
    server.verify_ledger();
}

#[test]
fn what_is_no_filter_or_has_no_name_is_not_kept() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let long = "n".repeat(41);
    for (query, name, said) in [
        ("?state=FAILED", "", "id=\"filter_name-fault\""),
        ("?state=FAILED", " \t", "id=\"filter_name-fault\""),
        ("?state=FAILED", long.as_str(), "id=\"filter_name-fault\""),
        ("?state=FAILED", "a\u{202e}b", "id=\"filter_name-fault\""),
        ("", "All", "There is no filter to keep."),
        ("?x=1", "All", "There is no filter to keep."),
        ("?amount=much", "All", "id=\"amount-fault\""),
    ] {
        let fields = [("query", query), ("filter_name", name)];
        let reply = ama.browser.post(&save(&shop), &fields);
        assert_eq!(reply.status, 422, "{query} {name}");
        assert!(text(&reply).contains(said), "{said}: {}", text(&reply));
    }
    let fields = [("query", "?state=FAILED"), ("filter_name", "Failed")];
    assert_eq!(ama.browser.post_bare(&save(&shop), &fields).status, 403);
    assert_eq!(server.database.value("SELECT count(*) FROM saved_filters"), "0");
}

#[test]
fn one_person_keeps_so_many_filters_and_no_more() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let mut keep = |name: &str| {
        ama.browser.post(&save(&shop), &[("query", "?state=FAILED"), ("filter_name", name)])
    };
    for n in 0..50 {
        leads(&keep(&format!("Filter {n}")));
    }
    let reply = keep("One more");
    assert_eq!(reply.status, 422, "{}", text(&reply));
    assert!(text(&reply).contains("remove one first"), "{}", text(&reply));
    // In the place of one that is kept, and after one was removed.
    leads(&keep("Filter 7"));
    leads(&ama.browser.post(&remove(&shop), &[("filter_name", "Filter 7")]));
    let fields = [("query", "?state=FAILED"), ("filter_name", "One more")];
    leads(&ama.browser.post(&save(&shop), &fields));
    let stored = "SELECT count(*) FROM saved_filters WHERE query IS NOT NULL";
    assert_eq!(server.database.value(stored), "50");
}

#[test]
fn nobody_sees_anothers_filters() {
    let (server, shop, other) = open_two();
    server.database.give_secrets_key();
    let mut people = everybody(&server, &shop);
    for (role, person) in &mut people {
        let fields = [("query", "?state=FAILED"), ("filter_name", *role)];
        leads(&person.browser.post(&save(&shop), &fields));
        let of_installation = ["OPERATOR", "AUDITOR"].contains(role);
        for path in [save(&other), remove(&other)] {
            let status = person.browser.post(&path, &fields).status;
            let expected = if of_installation { 303 } else { 404 };
            assert_eq!(status, expected, "{role} {path}");
        }
    }
    for (role, person) in &mut people {
        let names: Vec<String> =
            kept(&person.browser.get(&payments(&shop))).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [*role]);
    }
    // In another merchant the same person has others.
    let operator = people.get_mut("OPERATOR").expect("an operator");
    assert!(kept(&operator.browser.get(&payments(&other))).is_empty());
    server.verify_ledger();
}

/// One vocabulary: the filter says what the list says.
#[test]
fn the_filter_has_the_words_of_the_list() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let page = ama.browser.get(&payments(&shop));
    let words =
        |id: &str| between(text(&page), &format!("<select id=\"{id}\""), "</select>").to_owned();
    for word in [">Payments<", ">Payouts<", ">Transfers<", ">Refunds<"] {
        assert!(words("operation").contains(word), "{word}: {}", words("operation"));
    }
    for word in
        [">not sent yet<", ">under way<", ">paid, paid out, transferred or refunded<", ">failed<"]
    {
        assert!(words("state").contains(word), "{word}: {}", words("state"));
    }
    assert!(text(&page).contains("<a class=\"skip\" href=\"#content\">"), "{}", text(&page));
    assert!(text(&page).contains("<main id=\"content\""), "{}", text(&page));
}

//! Links whose giver lost the right, and lists of people and links that are longer than a page.

use std::collections::BTreeSet;

use serde_json::Value;

use super::person::{Browser, PASSWORD, Person, leads, text};
use super::{id_of, link, member, open_with_key, path_of, team, to_merchant};
use crate::support::{Merchant, Server};

/// The links of a merchant as the command line lists them: who made each, and what it is worth. In
/// the order of these words: ids come in blocks, one for each process.
fn standings(server: &Server, shop: &Merchant) -> Vec<(String, String)> {
    let id = shop.credentials.merchant_id.to_string();
    let listed = server.kola(&["user", "invitations", "--merchant", &id, "--json"]).ok();
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or("operator").to_owned();
    let of = |row: &Value| (text(&row["invited_by"]), text(&row["standing"]));
    let mut found: Vec<(String, String)> = listed.iter().map(of).collect();
    found.sort();
    found
}

fn made(browser: &mut Browser, team: &str, role: &str) -> String {
    let page = browser.post(&format!("{team}/invite"), &[("role", role)]);
    assert_eq!(page.status, 200, "{}", text(&page));
    path_of(text(&page))
}

/// A link is worth nothing while whoever made it may not give its role. It is listed and says so: the
/// right may come back, and then the link would be good for somebody whom nobody expected.
#[test]
fn a_link_of_who_lost_the_right_says_so_where_it_is_listed() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut kofi = member(&server, &shop, "OWNER", "kofi@shop.example");
    let (team, id) = (team(&shop), shop.credentials.merchant_id.to_string());
    let of_operator = to_merchant(&server, &shop, "VIEWER");
    let of_kofi = made(&mut kofi.browser, &team, "VIEWER");
    let waiting = made(&mut kofi.browser, &team, "FINANCE");
    let of_both = made(&mut ama.browser, &team, "MANAGER");
    let form = |role: &str, what: &str| {
        let id = format!("SELECT id FROM invitations WHERE ended_at IS NULL AND role = '{role}'");
        format!("{team}/invitations/{}/{what}", server.database.value(&id))
    };
    assert_eq!(leads(&kofi.browser.post(&form("MANAGER", "confirm"), &[])), team);
    let confirm = form("FINANCE", "confirm");

    let (lost, again) = ("Cannot be used: whoever made it", "Waits for a second person again");
    let page = ama.browser.get(&team);
    for part in ["made by the operator", "Waits for a second person.", &confirm] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    assert!(!text(&page).contains(lost) && !text(&page).contains(again), "{}", text(&page));
    let by = |email: &str, standing: &str| (email.to_owned(), standing.to_owned());
    let (mine, his) = ("ama@shop.example", "kofi@shop.example");
    assert_eq!(
        standings(&server, &shop),
        [by(mine, "usable"), by(his, "usable"), by(his, "waits"), by("operator", "usable")]
    );

    // By another role, by being kept out, and by none.
    let role = ["user", "role", his, "--merchant", &id];
    let lower = [&role[..], &["--set", "VIEWER"]].concat();
    let remove = [&role[..], &["--remove"]].concat();
    for lost_by in [&lower[..], &["user", "disable", his], &remove] {
        server.kola(lost_by).ok();
        assert_eq!(
            standings(&server, &shop),
            [by(mine, "waits_again"), by(his, "void"), by(his, "void"), by("operator", "usable")],
            "{lost_by:?}"
        );
        let page = ama.browser.get(&team);
        let count = |part: &str| text(&page).matches(part).count();
        assert_eq!((count(lost), count(again)), (2, 1), "{lost_by:?}: {}", text(&page));
        // Nobody is asked to confirm what can only be refused.
        assert_eq!(count(&confirm), 0, "{}", text(&page));
        // Their own pages say it, before anybody has typed anything.
        let fields = [("email", "new@shop.example"), ("name", "N"), ("password", PASSWORD)];
        for (link, status) in [(&of_operator, 200), (&of_kofi, 404), (&waiting, 404)] {
            assert_eq!(Browser::new(&server).get(link).status, status, "{lost_by:?} {link}");
        }
        assert_eq!(Browser::new(&server).post_bare(&of_kofi, &fields).status, 404);
        let page = Browser::new(&server).get(&of_both);
        assert!(text(&page).contains("This link cannot be used yet"), "{}", text(&page));
        let early = Browser::new(&server).post_bare(&of_both, &fields);
        assert_eq!(early.status, 422, "{}", text(&early));
        if lost_by == lower {
            server.kola(&[&role[..], &["--set", "OWNER"]].concat()).ok();
        } else if lost_by == remove {
            kofi = kofi.log_in_anew(&server);
            kofi.give_code(&server);
            let back = to_merchant(&server, &shop, "OWNER");
            assert_eq!(leads(&kofi.browser.post(&back, &[])), "/app");
        } else {
            server.kola(&["user", "enable", his]).ok();
        }
    }

    // With the right the links come back: that is why they stay in the list.
    assert_eq!(
        standings(&server, &shop),
        [by(mine, "usable"), by(his, "usable"), by(his, "waits"), by("operator", "usable")]
    );
    Person::join(&server, &of_kofi, "new@shop.example");
    server.kola(&remove).ok();
    assert_eq!(leads(&ama.browser.post(&form("FINANCE", "cancel"), &[])), team);
    assert_eq!(
        standings(&server, &shop),
        [by(mine, "waits_again"), by("operator", "usable")],
        "what was used and what was taken back is over"
    );
    server.verify_ledger();
}

/// Of several links to begin anew only the last one is shown as one.
#[test]
fn a_link_to_begin_anew_that_another_replaced_is_over() {
    let (server, shop) = open_with_key();
    member(&server, &shop, "VIEWER", "ama@shop.example");
    let reset = || path_of(&server.kola(&["user", "reset", "ama@shop.example"]).ok());
    let (first, second) = (reset(), reset());
    assert_eq!(Browser::new(&server).get(&first).status, 404);
    assert_eq!(Browser::new(&server).get(&second).status, 200);
}

/// Names of people of the installation are not for merchants.
#[test]
fn a_link_of_the_operator_is_the_operators() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut browser = Browser::new(&server);
    let fields = [("email", "op@host.example"), ("name", "Olu Operator"), ("password", PASSWORD)];
    let joined = browser.post_bare(&link(&server, &["--operator"]), &fields);
    assert_eq!(joined.status, 303, "{}", text(&joined));
    let email = "op@host.example".to_owned();
    let mut operator = Person { browser, email, secret: None };
    operator.set_up_codes(&server);
    made(&mut operator.browser, &team(&shop), "OWNER");
    let page = ama.browser.get(&team(&shop));
    assert!(text(&page).contains("made by the operator"), "{}", text(&page));
    assert!(!text(&page).contains("Olu Operator"), "{}", text(&page));
    assert!(text(&operator.browser.get(&team(&shop))).contains("made by <bdi>Olu Operator</bdi>"));
}

/// More people and links than any limit of a statement.
const MANY: usize = 1_203;

/// Gives a merchant many people and links, of whom the last has the number `MANY`.
fn fill(server: &Server, merchant: i64, by: &str) {
    let uuid = if server.database.is_sqlite() {
        "unhex(printf('%032x', i))"
    } else {
        "lpad(to_hex(i), 32, '0')::uuid"
    };
    let n = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})"
    );
    let first = 9_000_000;
    server.database.sql(&format!(
        "INSERT INTO users (id, email, name, password_hash, totp_step, recovery_codes, login_generation, created_at, updated_at) \
         {n} SELECT {first} + i, 'p' || i || '@shop.example', 'Person ' || i, '', 0, '', 0, 1, 1 FROM n; \
         INSERT INTO memberships (id, user_id, merchant_id, role, created_at, updated_at) \
         {n} SELECT 2 * {first} + i, {first} + i, {merchant}, 'VIEWER', 1, 1 FROM n; \
         INSERT INTO invitations (id, token, merchant_id, role, invited_by, created_at) \
         {n} SELECT 3 * {first} + i, {uuid}, {merchant}, 'VIEWER', {by}, {} FROM n",
        jiff::Timestamp::now().as_microsecond()
    ));
}

/// All pages of a list, by the links that lead from one to the next.
fn walk(browser: &mut Browser, from: &str, words: &str) -> Vec<String> {
    let (mut pages, mut path) = (vec![], from.to_owned());
    loop {
        let page = browser.get(&path);
        assert_eq!(page.status, 200, "{path}: {}", text(&page));
        let end = format!("\">{words}</a>");
        let next = text(&page).split_once(&end).map(|(before, _)| before.to_owned());
        pages.push(text(&page).to_owned());
        let Some(before) = next else { return pages };
        before.rsplit("href=\"").next().expect("a path").clone_into(&mut path);
        assert!(pages.len() < 100, "the pages go round");
    }
}

/// What stands in the pages between `before` and a quote, each once.
fn found<'a>(pages: &'a [String], before: &'a str) -> Vec<&'a str> {
    let parts = pages.iter().flat_map(|page| page.split(before).skip(1));
    parts.map(|rest| rest.split(['<', '/', '"']).next().unwrap_or_default()).collect()
}

#[test]
fn nobody_is_invisible_in_a_long_list() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let (merchant, team) = (shop.credentials.merchant_id, team(&shop));
    fill(&server, merchant, &id_of(&server, "ama@shop.example"));

    let people = walk(&mut ama.browser, &team, "More people");
    let seen = found(&people, "<bdi dir=\"ltr\">");
    assert_eq!(seen.len(), MANY + 1, "everybody once");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), MANY + 1);
    assert!(seen.contains(&format!("p{MANY}@shop.example").as_str()));
    // A page is a page, and the last one leads back.
    assert!(people.iter().all(|page| page.matches("<select id=\"role-").count() <= 50));
    let last = people.last().expect("a page");
    assert!(last.contains(&format!("<a href=\"{team}\">The first people</a>")), "{last}");

    let links = walk(&mut ama.browser, &team, "More links");
    let cancels = format!("{team}/invitations/");
    let seen = found(&links, &cancels);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), MANY);
    assert_eq!(standings(&server, &shop).len(), MANY);
    // Those who made what is on a page are named, whichever page of people they stand on.
    let id = merchant.to_string();
    let late = format!("p{MANY}@shop.example");
    server.kola(&["user", "role", &late, "--merchant", &id, "--set", "OWNER"]).ok();
    let late = id_of(&server, &late);
    server.database.sql(&format!("UPDATE invitations SET invited_by = {late}"));
    let page = ama.browser.get(&team);
    let by = format!("made by <bdi>Person {MANY}</bdi>");
    assert_eq!(text(&page).matches(&by).count(), 50, "{}", text(&page));

    // A place that is none is told; one after the end is an empty page, not the first.
    assert_eq!(ama.browser.get(&format!("{team}?after=abc")).status, 422);
    assert_eq!(ama.browser.get(&format!("{team}?links=abc")).status, 422);
    let end = ama.browser.get(&format!("{team}?after={}&links={}", i64::MAX, i64::MAX));
    for part in ["Nobody further", "No further link", "The first people", "The first links"] {
        assert!(text(&end).contains(part), "{part}: {}", text(&end));
    }
}

/// Who has roles in many merchants finds all of them.
#[test]
fn no_merchant_of_a_person_is_invisible() {
    const MERCHANTS: usize = 203;
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let first = 9_000_000;
    let columns = server.database.columns("merchants");
    let value = |column: &str| match column {
        "id" => format!("{first} + i"),
        "name" => "'Shop number ' || i".to_owned(),
        "phone" => "NULL".to_owned(),
        other => format!("m.{other}"),
    };
    let values: Vec<String> = columns.iter().map(|column| value(column)).collect();
    let n = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MERCHANTS})"
    );
    server.database.sql(&format!(
        "INSERT INTO merchants ({}) {n} SELECT {} FROM n CROSS JOIN merchants AS m WHERE m.id = {}; \
         INSERT INTO memberships (id, user_id, merchant_id, role, created_at, updated_at) \
         {n} SELECT {first} + i, {}, {first} + i, 'VIEWER', 1, 1 FROM n",
        columns.join(", "),
        values.join(", "),
        shop.credentials.merchant_id,
        id_of(&server, "ama@shop.example")
    ));
    let pages = walk(&mut ama.browser, "/app", "More merchants");
    let seen = found(&pages, "<strong><bdi>");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), MERCHANTS + 1);
    assert_eq!(seen.len(), MERCHANTS + 1, "each once");
    assert_eq!(ama.browser.get("/app?after=x").status, 422);
}

/// Requests and payments name whoever asked, also if they have left or stand late in a long list.
#[test]
fn who_asked_is_named_wherever_they_stand() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    super::approvals::set_limits(&server, &shop, &["--payment", "0"]);
    let merchant = shop.credentials.merchant_id;
    fill(&server, merchant, &id_of(&server, "ama@shop.example"));
    let mut late = member(&server, &shop, "FINANCE", "late@shop.example");
    server.database.sql("UPDATE users SET name = 'Esi Late' WHERE email = 'late@shop.example'");
    super::payouts::request_one(&server, &shop, &mut late);
    let paths = [format!("/app/approvals/{merchant}"), format!("/app/payouts/{merchant}")];
    for path in &paths {
        let page = ama.browser.get(path);
        assert!(text(&page).contains("Esi Late"), "{path}: {}", text(&page));
    }
    let id = merchant.to_string();
    server.kola(&["user", "role", "late@shop.example", "--merchant", &id, "--remove"]).ok();
    for path in &paths {
        let page = ama.browser.get(path);
        assert!(text(&page).contains("Esi Late"), "{path}: {}", text(&page));
    }
}

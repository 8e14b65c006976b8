//! People who log in at `/app`: invitations, passwords, codes of a phone, roles, and what is tried to
//! get around them.

mod addresses;
pub(crate) mod approvals;
mod audit;
mod customers;
mod developers;
mod filters;
pub(crate) mod home;
mod invitations;
pub(crate) mod invoices;
mod links;
mod merchants;
mod names;
mod networks;
mod orders;
mod payment;
pub(crate) mod payments;
mod payouts;
pub(crate) mod person;
pub(crate) mod reviews;
mod sandbox;
mod search;
mod secrets_key;
mod tariff;
mod wallets;

use std::time::Instant;

use serde_json::Value;

use crate::support::{Database, Merchant, Server, all_at_once, open, open_two};
use person::{Browser, PASSWORD, Person, between, code_at, leads, log_in, text};

/// The path of a link that the command line prints.
#[track_caller]
pub(crate) fn link(server: &Server, arguments: &[&str]) -> String {
    let mut all = vec!["user", "invite"];
    all.extend_from_slice(arguments);
    path_of(&server.kola(&all).ok())
}

#[track_caller]
pub(crate) fn path_of(printed: &str) -> String {
    let at = printed.find("/app/invitation/").unwrap_or_else(|| panic!("no link in {printed}"));
    printed[at..]
        .split(|c: char| c.is_whitespace() || c == '<' || c == '"')
        .next()
        .expect("a path")
        .to_owned()
}

pub(crate) fn to_merchant(server: &Server, shop: &Merchant, role: &str) -> String {
    let id = shop.credentials.merchant_id.to_string();
    link(server, &["--merchant", &id, "--role", role])
}

/// Somebody with a role in the merchant, who has codes where the role needs them.
#[track_caller]
pub(crate) fn member(server: &Server, shop: &Merchant, role: &str, email: &str) -> Person {
    let mut person = Person::join(server, &to_merchant(server, shop, role), email);
    if ["OWNER", "FINANCE"].contains(&role) {
        person.set_up_codes(server);
    }
    person
}

/// Somebody who owns the merchant, without codes of a phone yet.
#[track_caller]
pub(crate) fn owner(server: &Server, shop: &Merchant, email: &str) {
    Person::join(server, &to_merchant(server, shop, "OWNER"), email);
}

pub(crate) fn team(shop: &Merchant) -> String {
    format!("/app/team/{}", shop.credentials.merchant_id)
}

/// The id of a person.
fn id_of(server: &Server, email: &str) -> String {
    server.database.value(&format!("SELECT id FROM users WHERE email = '{email}'"))
}

/// A server that has found an empty database.
pub(crate) fn fresh() -> Server {
    let database = Database::new();
    database.give_secrets_key();
    Server::spawn(database, &[])
}

fn open_with_key() -> (Server, Merchant) {
    let (server, shop) = open();
    server.database.give_secrets_key();
    (server, shop)
}

#[test]
fn from_the_first_start_to_a_second_person() {
    let server = fresh();
    let printed = server.printed();
    let first = path_of(&printed);
    // Opening the link changes nothing.
    for _ in 0..2 {
        assert_eq!(Browser::new(&server).get(&first).status, 200);
    }
    let mut owner = Person::join(&server, &first, "Ama@Shop.Example");
    let codes = owner.set_up_codes(&server);
    assert_eq!(codes.len(), 10);
    let home = owner.browser.get("/app");
    let team = format!("/app/team/{}", between(text(&home), "/app/team/", "\""));
    let page = owner.browser.post(&format!("{team}/invite"), &[("role", "FINANCE")]);
    assert_eq!(page.status, 200, "{}", text(&page));
    // Who approves payouts is let in by two: alone, the owner would be both.
    let link = path_of(text(&page));
    assert!(text(&page).contains("the link cannot be used before"), "{}", text(&page));
    assert!(text(&Browser::new(&server).get(&link)).contains("This link cannot be used yet"));
    let merchant = team.rsplit('/').next().expect("an id").to_owned();
    let listed = server.kola(&["user", "invitations", "--merchant", &merchant, "--json"]).ok();
    let listed: Value = serde_json::from_str(&listed).expect("a list");
    assert_eq!(
        (listed[0]["role"].as_str(), listed[0]["waits_for_second_person"].as_bool()),
        (Some("FINANCE"), Some(true))
    );
    let id = listed[0]["id"].to_string();
    server.kola(&["user", "confirm", &id, "--merchant", &merchant]).ok();
    let mut second = Person::join(&server, &link, "kofi@shop.example");
    let home = second.browser.get("/app");
    assert!(text(&home).contains("FINANCE") && text(&home).contains("Set them up"));
    let page = owner.browser.get(&team);
    for part in ["ama@shop.example", "kofi@shop.example", "OWNER", "no codes of a phone yet"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    // Both links were good once.
    assert_eq!(Browser::new(&server).get(&first).status, 404);
    server.verify_ledger();
}

#[test]
fn a_link_is_good_once_and_for_three_days() {
    let (server, shop) = open_with_key();
    let used = to_merchant(&server, &shop, "VIEWER");
    Person::join(&server, &used, "one@shop.example");
    let old = to_merchant(&server, &shop, "VIEWER");
    server.database.sql(
        "UPDATE invitations SET created_at = created_at - 259200000000 WHERE ended_at IS NULL",
    );
    let fields = [("email", "two@shop.example"), ("name", "Two"), ("password", PASSWORD)];
    for link in
        [used.as_str(), &old, "/app/invitation/abc", &format!("/app/invitation/{}", "0".repeat(64))]
    {
        let mut browser = Browser::new(&server);
        assert_eq!(browser.get(link).status, 404, "{link}");
        assert_eq!(browser.post_bare(link, &fields).status, 404, "{link}");
    }
    assert_eq!(server.database.value("SELECT count(*) FROM users"), "1");
}

/// A double click on the button, without script: whichever answer the browser shows, they are in.
#[test]
fn a_form_that_joins_and_is_sent_twice_logs_in() {
    let (server, shop) = open_with_key();
    let link = to_merchant(&server, &shop, "SUPPORT");
    let fields = [("email", "ama@shop.example"), ("name", "Ama"), ("password", PASSWORD)];
    let twice = all_at_once(&[(), ()], |()| {
        let mut browser = Browser::new(&server);
        let reply = browser.post_bare(&link, &fields);
        (reply.status, browser.is_in())
    });
    assert_eq!(twice, [(303, true), (303, true)]);
    let mut third = Browser::new(&server);
    assert_eq!(leads(&third.post_bare(&link, &fields)), "/app");
    assert!(third.is_in());
    for wrong in [
        [fields[0], fields[1], ("password", "another password")],
        [("email", "kofi@shop.example"), fields[1], fields[2]],
        [("email", ""), fields[1], fields[2]],
    ] {
        let mut other = Browser::new(&server);
        let page = other.post_bare(&link, &wrong);
        assert_eq!(page.status, 404, "{wrong:?}");
        assert!(text(&page).contains("If you have just joined by it, log in"), "{}", text(&page));
        assert!(!other.is_in());
    }
    assert_eq!(server.database.value("SELECT count(*) FROM users"), "1");
    // A minute or two later it is a link that is over.
    server.database.sql("UPDATE invitations SET ended_at = ended_at - 120000000");
    assert_eq!(third.post_bare(&link, &fields).status, 404);
}

#[test]
fn of_many_who_use_one_link_at_once_one_joins() {
    let (server, shop) = open_with_key();
    let link = to_merchant(&server, &shop, "SUPPORT");
    let emails: Vec<String> = (0..6).map(|n| format!("p{n}@shop.example")).collect();
    let statuses = all_at_once(&emails, |email| {
        let fields = [("email", email.as_str()), ("name", "P"), ("password", PASSWORD)];
        Browser::new(&server).post_bare(&link, &fields).status
    });
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert_eq!(server.database.value("SELECT count(*) FROM memberships"), "1");
}

#[test]
fn what_is_typed_into_an_invitation_is_checked() {
    let (server, shop) = open_with_key();
    let link = to_merchant(&server, &shop, "VIEWER");
    Person::join(&server, &to_merchant(&server, &shop, "VIEWER"), "known@shop.example");
    for (email, name, password, why) in [
        ("", "Ama", PASSWORD, "e-mail address"),
        ("ama", "Ama", PASSWORD, "e-mail address"),
        ("ama@shop", "Ama", PASSWORD, "ends too early"),
        ("ама@shop.example", "Ama", PASSWORD, "e-mail address"),
        ("ama@shop.example", "", PASSWORD, "your name"),
        ("ama@shop.example", "\u{200b}", PASSWORD, "Your name has an invisible character"),
        ("ama@shop.example", "a\u{202e}b", PASSWORD, "Your name has an invisible character"),
        ("ama@shop.example", "Ama", "short", "at least 12"),
        ("ama@shop.example", "Ama", "1qaz2wsx3edc", "tried first"),
        ("kollie@shop.example", "Ama", "my kollie is good", "must not contain"),
        ("known@shop.example", "Ama", PASSWORD, "log in and open the link again"),
    ] {
        let fields = [("email", email), ("name", name), ("password", password)];
        let page = Browser::new(&server).post_bare(&link, &fields);
        assert_eq!(page.status, 422, "{email} {password}");
        assert!(text(&page).contains(why), "{why}: {}", text(&page));
        assert!(!text(&page).contains(password) || password.is_empty(), "a password is shown");
    }
    // The link is still good.
    Person::join(&server, &link, "ama@shop.example");
}

#[test]
fn one_person_has_several_merchants() {
    let (server, shop, other) = open_two();
    let mut ama =
        Person::join(&server, &to_merchant(&server, &shop, "SUPPORT"), "ama@shop.example");
    let link = to_merchant(&server, &other, "VIEWER");
    let page = ama.browser.get(&link);
    assert!(text(&page).contains("logged in as") && text(&page).contains("Second Shop"));
    assert_eq!(leads(&ama.browser.post(&link, &[])), "/app");
    let home = ama.browser.get("/app");
    assert!(text(&home).contains("SUPPORT") && text(&home).contains("VIEWER"));
    // A second link to the same merchant changes nothing if it adds nothing.
    let again = to_merchant(&server, &other, "VIEWER");
    let page = ama.browser.post(&again, &[]);
    assert_eq!(page.status, 422);
    assert!(text(&page).contains("already"), "{}", text(&page));
    let more = to_merchant(&server, &other, "MANAGER");
    assert_eq!(leads(&ama.browser.post(&more, &[])), "/app");
    assert!(text(&ama.browser.get("/app")).contains("MANAGER"));
}

#[test]
fn wrong_passwords_are_slowed_down_and_tell_nothing() {
    let (server, shop) = open_with_key();
    let ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let mut guesser = Browser::new(&server);
    let mut answers = vec![];
    for email in ["ama@shop.example", "nobody@shop.example"] {
        let said: Vec<(u16, String)> = (0..6)
            .map(|_| {
                let page = log_in(&mut guesser, email, "a wrong password");
                let words = between(text(&page), "role=\"alert\"><p>", "</p>").to_owned();
                (page.status, words)
            })
            .collect();
        assert!(said[..5].iter().all(|(status, _)| *status == 403), "{said:?}");
        assert_eq!(said[5].0, 429, "{said:?}");
        answers.push(said);
    }
    assert_eq!(answers[0], answers[1], "an account that is not there is answered alike");
    // The right one is refused, too, from there, and says how long.
    let page = log_in(&mut guesser, "ama@shop.example", PASSWORD);
    assert_eq!(page.status, 429);
    let wait: i64 = page.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=900).contains(&wait), "{wait}");
    // Another address is not.
    let mut elsewhere = Browser::new(&server);
    elsewhere.headers.push(("X-Forwarded-For", "198.51.100.7".to_owned()));
    assert_eq!(leads(&log_in(&mut elsewhere, "ama@shop.example", PASSWORD)), "/app");
    // After a quarter of an hour it is over.
    server.database.sql("UPDATE login_tries SET tries = ''");
    assert!(ama.log_in_anew(&server).browser.is_in());
}

/// Many guesses at once are no way around the limit.
#[test]
fn guesses_at_once_are_counted() {
    let (server, shop) = open_with_key();
    member(&server, &shop, "VIEWER", "ama@shop.example");
    let guesses: Vec<u32> = (0..24).collect();
    let statuses = all_at_once(&guesses, |n| {
        log_in(&mut Browser::new(&server), "ama@shop.example", &format!("a wrong password {n}"))
            .status
    });
    let compared = statuses.iter().filter(|status| **status == 403).count();
    assert!(compared <= 5, "{statuses:?}");
    assert!(statuses.iter().all(|status| [403, 429].contains(status)), "{statuses:?}");
}

/// The answer takes as long where there is no such account. Other tests run beside it, so one pair of
/// several has to be alike; without a comparison none would be.
#[test]
fn an_unknown_account_takes_as_long() {
    let (server, shop) = open_with_key();
    member(&server, &shop, "VIEWER", "ama@shop.example");
    let pairs: Vec<(u128, u128)> = (0..5)
        .map(|n| {
            let took = |email: &str| {
                // Each from an address of its own, so that none is refused before it is compared.
                let mut browser = Browser::new(&server);
                browser.headers.push(("X-Forwarded-For", format!("198.51.100.{n}")));
                let begun = Instant::now();
                assert_eq!(log_in(&mut browser, email, "a wrong password").status, 403);
                begun.elapsed().as_micros()
            };
            (took("ama@shop.example"), took("nobody@shop.example"))
        })
        .collect();
    let is_alike = |(known, unknown): &(u128, u128)| unknown * 3 > *known;
    assert!(pairs.iter().any(is_alike), "µs for a known one and for another: {pairs:?}");
}

#[test]
fn codes_are_asked_for_and_taken_once() {
    let (server, shop) = open_with_key();
    let mut ama = Person::join(&server, &to_merchant(&server, &shop, "OWNER"), "ama@shop.example");
    let team = team(&shop);
    // Without a phone an owner may do nothing but set one up.
    assert_eq!(leads(&ama.browser.get(&team)), "/app/profile");
    let recovery = ama.set_up_codes(&server);
    assert_eq!(ama.browser.get(&team).status, 200);

    let mut anew = ama.log_in_anew(&server);
    // Whoever knows the password alone sees nothing, and sets no other phone up.
    for path in [&team, "/app/profile"] {
        let asked = format!("/app/second-factor?next={path}");
        assert_eq!(leads(&anew.browser.get(path)), asked);
    }
    let set_up = anew.browser.post("/app/profile/second-factor", &[]);
    assert_eq!(leads(&set_up), "/app/second-factor");
    let code = anew.code(&server);
    let give = |browser: &mut Browser, code: &str| {
        browser.post("/app/second-factor", &[("code", code), ("next", &team)])
    };
    assert_eq!(leads(&give(&mut anew.browser, &code)), team);
    assert_eq!(anew.browser.get(&team).status, 200);
    // The same code once more, in another login, is refused: it was seen on its way.
    let mut thief = ama.log_in_anew(&server);
    assert_eq!(give(&mut thief.browser, &code).status, 403);
    // An old one, and nonsense.
    let old = code_at(ama.secret.as_deref().unwrap(), jiff::Timestamp::now().as_second() - 120);
    for wrong in [old.as_str(), "000000", "", "12345", "abcdef"] {
        server.database.sql("UPDATE login_tries SET tries = ''");
        assert_eq!(give(&mut thief.browser, wrong).status, 403, "{wrong}");
    }
    assert_eq!(leads(&thief.browser.get(&team)), format!("/app/second-factor?next={team}"));
    // A recovery code helps once, however it is typed.
    server.database.sql("UPDATE login_tries SET tries = ''");
    let typed = recovery[3].to_uppercase().replace('-', " ");
    assert_eq!(leads(&give(&mut thief.browser, &typed)), team);
    let mut again = ama.log_in_anew(&server);
    assert_eq!(give(&mut again.browser, &recovery[3]).status, 403);
    let page = ama.browser.get("/app/profile");
    assert!(text(&page).contains("9 recovery codes left"), "{}", text(&page));
}

/// Until the first code of another phone is right, the one before counts.
#[test]
fn another_phone_counts_when_it_is_confirmed() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    assert_eq!(leads(&ama.browser.post("/app/profile/second-factor", &[])), "/app/profile");
    let mut thief = ama.log_in_anew(&server);
    assert_eq!(leads(&thief.browser.get("/app")), "/app/second-factor");
    let code = ama.code(&server);
    let confirm = "/app/profile/second-factor/confirm";
    assert_eq!(leads(&thief.browser.post(confirm, &[("code", &code)])), "/app/second-factor");
    thief.give_code(&server);
    assert_eq!(thief.browser.get("/app").status, 200);
    // The new secret is another one, and takes over with its first code.
    let page = ama.browser.get("/app/profile");
    let secret = between(text(&page), "Secret: <code dir=\"ltr\">", "<").replace(' ', "");
    assert_ne!(Some(&secret), ama.secret.as_ref());
    let old = ama.clone();
    ama.secret = Some(secret);
    let code = ama.code(&server);
    assert_eq!(ama.browser.post(confirm, &[("code", &code)]).status, 200);
    let mut anew = ama.log_in_anew(&server);
    let code = old.code(&server);
    assert_eq!(anew.browser.post("/app/second-factor", &[("code", &code)]).status, 403);
    anew.give_code(&server);
}

/// What strangers try keeps nobody who has logged in from giving a code, and the operator's link helps.
#[test]
fn strangers_keep_nobody_out() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    for n in 0..10 {
        let mut stranger = Browser::new(&server);
        stranger.headers.push(("X-Forwarded-For", format!("198.51.100.{n}")));
        for _ in 0..5 {
            log_in(&mut stranger, "ama@shop.example", "a wrong password");
        }
    }
    let mut elsewhere = Browser::new(&server);
    assert_eq!(log_in(&mut elsewhere, "ama@shop.example", PASSWORD).status, 429);
    ama.give_code(&server);
    let printed = server.kola(&["user", "reset", "ama@shop.example"]).ok();
    let mut browser = Browser::new(&server);
    let reply = browser.post_bare(&path_of(&printed), &[("password", "a new password of mine")]);
    assert_eq!(leads(&reply), "/app/profile");
    assert!(browser.is_in());
}

/// Neither do those who try other accounts from the same address: the office, or the network of a phone.
#[test]
fn strangers_of_the_same_address_keep_nobody_from_giving_a_code() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut stranger = Browser::new(&server);
    for n in 0..20 {
        let page = log_in(&mut stranger, &format!("nobody{n}@shop.example"), "a wrong password");
        assert_eq!(page.status, 403, "{n}");
    }
    assert_eq!(log_in(&mut stranger, "somebody@shop.example", PASSWORD).status, 429);
    ama.give_code(&server);
    let fields = [("current", PASSWORD), ("password", "another good password")];
    assert_eq!(leads(&ama.browser.post("/app/profile/password", &fields)), "/app/profile");
    // The own wrong ones are counted.
    let statuses: Vec<u16> = (0..6)
        .map(|_| ama.browser.post("/app/second-factor", &[("code", "000000")]).status)
        .collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429]);
}

/// Whoever begins anew has a name and an address, though the form asks for neither.
#[test]
fn a_password_that_begins_anew_is_not_the_own_name() {
    let (server, shop) = open_with_key();
    let link = to_merchant(&server, &shop, "VIEWER");
    let fields =
        [("email", "kollie@shop.example"), ("name", "Ama Johnson"), ("password", PASSWORD)];
    assert_eq!(Browser::new(&server).post_bare(&link, &fields).status, 303);
    let reset = path_of(&server.kola(&["user", "reset", "kollie@shop.example"]).ok());
    for password in ["johnson x7 q!v", "kollie@shop.example", "my Kollie w9 z#"] {
        let page = Browser::new(&server).post_bare(&reset, &[("password", password)]);
        assert_eq!(page.status, 422, "{password}");
        assert!(text(&page).contains("must not contain the name"), "{}", text(&page));
        assert!(!text(&page).contains(password), "a password is shown");
    }
    let fields = [("password", "a new password of mine")];
    assert_eq!(leads(&Browser::new(&server).post_bare(&reset, &fields)), "/app/profile");
}

#[test]
fn a_form_that_is_sent_twice_makes_one_link() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut kofi = member(&server, &shop, "OWNER", "kofi@shop.example");
    let invite = format!("{}/invite", team(&shop));
    let token = |page: &crate::support::Reply| {
        between(text(page), "name=\"token\" value=\"", "\"").to_owned()
    };
    let drawn = token(&ama.browser.get(&team(&shop)));
    let open = || server.database.value("SELECT count(*) FROM invitations WHERE ended_at IS NULL");
    let fields = [("token", drawn.as_str()), ("role", "VIEWER")];
    let pages = all_at_once(&[ama.clone(), ama.clone()], |person| {
        person.clone().browser.post(&invite, &fields)
    });
    let again = ama.browser.post(&invite, &fields);
    let link = path_of(text(&again));
    assert!(pages.iter().all(|page| path_of(text(page)) == link), "{link}");
    assert!(text(&again).contains("data-copies=\"link\""), "{}", text(&again));
    assert_eq!(open(), "1");
    // Its page has another one for the next link.
    assert_ne!(token(&again), drawn);
    // The same token is no other link, and no one else's.
    for (person, role) in [(&mut ama, "SUPPORT"), (&mut kofi, "VIEWER")] {
        let page = person.browser.post(&invite, &[("token", &drawn), ("role", role)]);
        assert_eq!(page.status, 422, "{}", text(&page));
        assert!(!text(&page).contains(&drawn), "{}", text(&page));
    }
    // A link that was used is not given again.
    Person::join(&server, &link, "esi@shop.example");
    assert_eq!(ama.browser.post(&invite, &fields).status, 422);
    assert_eq!(open(), "0");
}

#[test]
fn the_page_of_the_team_says_what_roles_may_do_and_what_was_set() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let page = ama.browser.get(&team(&shop));
    let said = between(text(&page), "What each role may do", "</details>");
    assert!(said.contains("<strong>VIEWER</strong>: read payments."), "{said}");
    assert!(said.contains("<strong>FINANCE</strong>") && said.contains("pay out and transfer"));
    assert!(!text(&page).contains("are set"), "{}", text(&page));
    let fields = [("currency", "USD"), ("payment", "50"), ("day", ""), ("amount", "")];
    let reply = ama.browser.post(&format!("{}/limits", team(&shop)), &fields);
    let to = leads(&reply).to_owned();
    assert!(text(&ama.browser.get(&to)).contains("The limits of USD are set"), "{to}");
    let wrong = [("currency", "USD"), ("payment", "19,50")];
    let page = ama.browser.post(&format!("{}/limits", team(&shop)), &wrong);
    assert!(text(&page).contains("with a point"), "{}", text(&page));
}

/// An invitation or a page for which the role is not enough is refused before a code is asked for, and
/// the page of the code says what it is for.
#[test]
fn a_code_is_asked_for_by_who_may() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut kofi = member(&server, &shop, "FINANCE", "kofi@shop.example");
    server.database.sql("UPDATE logins SET second_factor_at = 1");
    let team = team(&shop);
    assert_eq!(kofi.browser.get(&team).status, 403);
    assert_eq!(kofi.browser.post(&format!("{team}/invite"), &[("role", "VIEWER")]).status, 403);
    let asked = leads(&ama.browser.get(&team)).to_owned();
    assert_eq!(asked, format!("/app/second-factor?next={team}&opens=1"));
    let page = ama.browser.get(&asked);
    assert!(text(&page).contains("The page that you open is for"), "{}", text(&page));
    assert!(!text(&page).contains("was not done yet"), "{}", text(&page));
    let wrong = [("code", "000000"), ("next", team.as_str()), ("opens", "1")];
    let page = ama.browser.post("/app/second-factor", &wrong);
    assert!(text(&page).contains("The page that you open is for"), "{}", text(&page));
    let page = ama.browser.get(&format!("/app/second-factor?next={team}"));
    assert!(text(&page).contains("was not done yet"), "{}", text(&page));
}

#[test]
fn who_may_not_see_the_installation_is_told_who_can() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let page = ama.browser.get(&format!("/app/merchants/{}", shop.credentials.merchant_id));
    assert_eq!(page.status, 403, "{}", text(&page));
    assert!(text(&page).contains("it is for who runs the installation"), "{}", text(&page));
    assert!(!text(&page).contains("an owner can"), "{}", text(&page));
}

#[test]
fn a_printed_link_says_where_its_address_is_from() {
    let (server, _) = open_with_key();
    let mut invite = vec!["user", "invite", "--operator"];
    let run = server.kola(&invite);
    assert!(run.err.contains("--public-url") && run.err.contains("127.0.0.1:8080"), "{}", run.err);
    invite.extend(["--public-url", "https://pay.example"]);
    let run = server.kola(&invite);
    assert_eq!(run.err, "");
    assert!(run.ok().contains("https://pay.example/app/invitation/"));
}

#[test]
fn another_owner_is_the_second_person_for_a_role() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut kofi = member(&server, &shop, "OWNER", "kofi@shop.example");
    let mut viewer = member(&server, &shop, "VIEWER", "esi@shop.example");
    let team = team(&shop);
    // Nobody is raised by one, by a forged form either.
    let esi = format!("{team}/members/{}", id_of(&server, "esi@shop.example"));
    for role in ["MANAGER", "FINANCE", "OWNER"] {
        let page = ama.browser.post(&esi, &[("role", role)]);
        assert_eq!(page.status, 403, "{role}");
        assert!(text(&page).contains("takes a second person"), "{}", text(&page));
    }
    let page = ama.browser.post(&format!("{team}/invite"), &[("role", "FINANCE")]);
    let link = path_of(text(&page));
    // Who comes too early is told so, however often: that is no wrong password.
    for _ in 0..7 {
        let fields = [("email", "new@shop.example"), ("name", "N"), ("password", PASSWORD)];
        let early = Browser::new(&server).post_bare(&link, &fields);
        assert_eq!(early.status, 422, "{}", text(&early));
        assert!(text(&early).contains("cannot be used yet"), "{}", text(&early));
    }
    let page = viewer.browser.post(&link, &[]);
    assert_eq!(page.status, 422);
    assert!(text(&page).contains("cannot be used yet"), "{}", text(&page));
    let confirm = "SELECT id FROM invitations WHERE takes_two = 1";
    let confirm = format!("{team}/invitations/{}/confirm", server.database.value(confirm));
    assert!(!text(&ama.browser.get(&team)).contains(&confirm));
    assert_eq!(ama.browser.post(&confirm, &[]).status, 403);
    viewer.set_up_codes(&server);
    assert_eq!(viewer.browser.post(&confirm, &[]).status, 403);
    assert!(text(&kofi.browser.get(&team)).contains(&confirm));
    // A second press changes nothing.
    for _ in 0..2 {
        assert_eq!(leads(&kofi.browser.post(&confirm, &[])), team);
    }
    assert_eq!(viewer.browser.post(&link, &[]).status, 303);
    let role = "SELECT role FROM memberships WHERE role = 'FINANCE'";
    assert_eq!(server.database.value(role), "FINANCE");
    let id = shop.credentials.merchant_id.to_string();
    let audit = server
        .kola(&["audit", "list", "--merchant", &id, "--command", "confirm_invitation", "--json"])
        .ok();
    let audit: Value = serde_json::from_str(&audit).expect("a list");
    assert_eq!(audit.as_array().map(Vec::len), Some(1), "{audit}");
    server.verify_ledger();
}

/// A link is as good as whoever made it, and of those to begin anew the last one counts.
#[test]
fn old_links_bring_nobody_back() {
    let (server, shop) = open_with_key();
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut other = member(&server, &shop, "OWNER", "kofi@shop.example");
    let team = team(&shop);
    let page = other.browser.post(&format!("{team}/invite"), &[("role", "OWNER")]);
    let link = path_of(text(&page));
    let member = format!("{team}/members/{}", id_of(&server, "kofi@shop.example"));
    assert_eq!(leads(&owner.browser.post(&member, &[("role", "REMOVE")])), team);
    let page = other.browser.post(&link, &[]);
    assert_eq!(page.status, 404, "{}", text(&page));
    assert!(text(&page).contains("This link is over"), "{}", text(&page));
    let reset = || path_of(&server.kola(&["user", "reset", "ama@shop.example"]).ok());
    let (first, second) = (reset(), reset());
    for (link, status) in [(&first, 404), (&second, 303), (&first, 404), (&second, 404)] {
        let fields = [("password", "a new password of mine")];
        assert_eq!(Browser::new(&server).post_bare(link, &fields).status, status);
    }
}

/// A link tells who logs in here no more often than a login does, and hashes nothing for it.
#[test]
fn a_link_is_no_way_to_try_names() {
    let (server, shop) = open_with_key();
    member(&server, &shop, "VIEWER", "ama@shop.example");
    let link = to_merchant(&server, &shop, "VIEWER");
    let fields = [("email", "ama@shop.example"), ("name", "A"), ("password", PASSWORD)];
    let statuses: Vec<u16> =
        (0..7).map(|_| Browser::new(&server).post_bare(&link, &fields).status).collect();
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429, 429]);
}

#[test]
fn wrong_codes_are_slowed_down() {
    let (server, shop) = open_with_key();
    let ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut browser = ama.log_in_anew(&server).browser;
    let statuses: Vec<u16> =
        (0..7).map(|_| browser.post("/app/second-factor", &[("code", "000000")]).status).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429]);
    let code = ama.code(&server);
    assert_eq!(browser.post("/app/second-factor", &[("code", &code)]).status, 429);
}

#[test]
fn what_gives_rights_asks_for_a_code_again() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let team = team(&shop);
    assert_eq!(ama.browser.get(&team).status, 200);
    server.database.sql("UPDATE logins SET second_factor_at = second_factor_at - 300000000");
    let asked = format!("/app/second-factor?next={team}");
    assert_eq!(leads(&ama.browser.get(&team)), format!("{asked}&opens=1"));
    let invite = format!("{team}/invite");
    let reply = ama.browser.post(&invite, &[("role", "VIEWER")]);
    assert_eq!(leads(&reply), format!("{asked}&to={invite}"));
    assert_eq!(
        server.database.value("SELECT count(*) FROM invitations WHERE ended_at IS NULL"),
        "0"
    );
    ama.give_code(&server);
    assert_eq!(ama.browser.post(&invite, &[("role", "VIEWER")]).status, 200);
}

#[test]
fn a_login_ends_after_an_hour_without_use_and_after_twelve() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    for change in
        ["last_used_at = last_used_at - 3600000000", "created_at = created_at - 43200000000"]
    {
        assert!(ama.browser.is_in());
        server.database.sql(&format!("UPDATE logins SET {change}"));
        assert_eq!(leads(&ama.browser.get("/app")), "/app/login", "{change}");
        ama = ama.log_in_anew(&server);
    }
}

#[test]
fn logins_are_listed_and_ended() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let mut other = ama.log_in_anew(&server);
    let kofi = member(&server, &shop, "VIEWER", "kofi@shop.example");
    let page = ama.browser.get("/app/profile");
    assert_eq!(text(&page).matches("End this login").count(), 2);
    assert!(text(&page).contains("a browser of the tests"));
    let ids = server.database.rows(&format!(
        "SELECT id FROM logins WHERE user_id = {} ORDER BY id",
        id_of(&server, "ama@shop.example")
    ));
    let end = |browser: &mut Browser, id: &str| {
        browser.post(&format!("/app/profile/logins/{id}/end"), &[])
    };
    // Nobody ends another's.
    assert_eq!(end(&mut kofi.browser.clone(), &ids[1][0]).status, 404);
    assert!(other.browser.is_in());
    assert_eq!(leads(&end(&mut ama.browser, &ids[1][0])), "/app/profile");
    assert!(!other.browser.is_in() && ama.browser.is_in());
    // Logging out ends the login itself, not only the cookie.
    let kept = ama.browser.clone();
    assert_eq!(leads(&ama.browser.post("/app/logout", &[])), "/app/login");
    assert!(ama.browser.cookies.is_empty());
    assert!(!kept.clone().is_in());
}

#[test]
fn another_password_ends_all_other_logins() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "VIEWER", "ama@shop.example");
    let mut other = ama.log_in_anew(&server);
    let before = ama.browser.clone();
    let change = |browser: &mut Browser, current: &str, new: &str| {
        browser.post("/app/profile/password", &[("current", current), ("password", new)])
    };
    assert_eq!(change(&mut ama.browser, "not this one", "another good password").status, 403);
    assert_eq!(change(&mut ama.browser, PASSWORD, "short").status, 422);
    let reply = change(&mut ama.browser, PASSWORD, "another good password");
    assert_eq!(leads(&reply), "/app/profile");
    assert!(ama.browser.is_in(), "whoever changed it stays");
    assert!(!other.browser.is_in() && !before.clone().is_in());
    let mut browser = Browser::new(&server);
    assert_eq!(log_in(&mut browser, "ama@shop.example", PASSWORD).status, 403);
    assert_eq!(leads(&log_in(&mut browser, "ama@shop.example", "another good password")), "/app");
}

#[test]
fn a_form_of_elsewhere_is_refused() {
    let (server, shop) = open_with_key();
    let ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let team = team(&shop);
    let kofi = member(&server, &shop, "VIEWER", "kofi@shop.example").browser.form_token();
    for path in [
        format!("{team}/invite"),
        "/app/logout".to_owned(),
        "/app/profile/password".to_owned(),
        "/app/profile/second-factor".to_owned(),
        "/app/second-factor".to_owned(),
        format!("{team}/members/{}", id_of(&server, "kofi@shop.example")),
    ] {
        let mut browser = ama.browser.clone();
        for token in ["", "abc", &kofi] {
            let fields = [("form_token", token), ("role", "OWNER")];
            assert_eq!(browser.post_bare(&path, &fields).status, 403, "{path} {token}");
        }
        // A page of another site, with the right token even.
        let token = browser.form_token();
        for header in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
            browser.headers = vec![(header.0, header.1.to_owned())];
            let fields = [("form_token", token.as_str()), ("role", "OWNER")];
            assert_eq!(browser.post_bare(&path, &fields).status, 403, "{path} {header:?}");
        }
        browser.headers.clear();
        assert!(browser.is_in());
    }
    let roles = server.database.rows("SELECT role FROM memberships ORDER BY id");
    assert_eq!(roles, [["OWNER"], ["VIEWER"]]);
}

#[test]
fn a_login_cannot_be_chosen_by_somebody_else() {
    let (server, shop) = open_with_key();
    member(&server, &shop, "VIEWER", "ama@shop.example");
    let planted = "a".repeat(64);
    let mut browser = Browser::new(&server);
    browser.cookies.insert("kola_login".to_owned(), planted.clone());
    log_in(&mut browser, "ama@shop.example", PASSWORD);
    assert_ne!(browser.cookies["kola_login"], planted);
    let mut attacker = Browser::new(&server);
    attacker.cookies.insert("kola_login".to_owned(), planted);
    assert!(!attacker.is_in());
    // The cookie is for this server's requests alone, and no script reads it.
    let reply = log_in(&mut Browser::new(&server), "ama@shop.example", PASSWORD);
    let cookie = reply.header("set-cookie").expect("a cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "without TLS a browser would not keep it");
}

#[test]
fn over_tls_the_cookie_is_for_this_host_alone() {
    let (server, shop) = open_with_key();
    let link = to_merchant(&server, &shop, "VIEWER");
    let tls = server.spawn_another(&[("KOLA_PUBLIC_URL", "https://pay.example")]);
    let fields = [("email", "ama@shop.example"), ("name", "Ama"), ("password", PASSWORD)];
    let mut browser = Browser::new(&tls);
    let reply = browser.post_bare(&link, &fields);
    let cookie = reply.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-kola_login=") && cookie.contains("; Secure"), "{cookie}");
    assert!(browser.is_in());
}

#[test]
fn a_login_leads_to_no_other_host() {
    let (server, shop) = open_with_key();
    member(&server, &shop, "VIEWER", "ama@shop.example");
    for next in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/app/../..//evil",
        "javascript:x",
    ] {
        let fields = [("email", "ama@shop.example"), ("password", PASSWORD), ("next", next)];
        let reply = Browser::new(&server).post_bare("/app/login", &fields);
        assert_eq!(leads(&reply), "/app", "{next}");
    }
    let fields = [("email", "ama@shop.example"), ("password", PASSWORD), ("next", "/app/profile")];
    assert_eq!(leads(&Browser::new(&server).post_bare("/app/login", &fields)), "/app/profile");
    // Nor to an address that opens no page.
    let fields = [("email", "ama@shop.example"), ("password", PASSWORD), ("next", "/app/logout")];
    let mut browser = Browser::new(&server);
    assert_eq!(leads(&browser.post_bare("/app/login", &fields)), "/app");
    assert_eq!(leads(&browser.get("/app/login?next=/app/logout")), "/app");
}

#[test]
fn a_form_that_is_too_big_is_told_so() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let long = "x".repeat(2_000_000);
    let page = ama.browser.post(&format!("{}/limits", team(&shop)), &[("currency", &long)]);
    assert_eq!(page.status, 413);
    assert!(text(&page).contains("This form is too big"), "{}", text(&page));
}

/// A CSV that is asked for with a filter that there is not says so as its list does.
#[test]
fn a_csv_with_a_wrong_filter_is_told_why() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let mut operator = reviews::of_installation(&server, "operator");
    let merchant = shop.credentials.merchant_id;
    for path in [
        format!("/app/payments/{merchant}/csv?state=x"),
        format!("/app/audit/{merchant}/csv?actor=x"),
        "/app/audit/csv?command=x".to_owned(),
    ] {
        let person = if path.starts_with("/app/audit/csv") { &mut operator } else { &mut ama };
        let csv = person.browser.get(&path);
        let list = person.browser.get(&path.replace("/csv", ""));
        assert_eq!((csv.status, list.status), (422, 422), "{path}");
        let said = |page: &crate::support::Reply| {
            between(text(page), "role=\"alert\"><p>", "</p>").to_owned()
        };
        assert_eq!(said(&csv), said(&list), "{path}");
    }
    // Who may not read it is told that, whatever is asked for.
    let mut viewer = member(&server, &shop, "VIEWER", "kofi@shop.example");
    let audit = viewer.browser.get(&format!("/app/audit/{merchant}/csv?actor=x"));
    assert_eq!(audit.status, 403, "{}", text(&audit));
}

#[test]
fn only_owners_change_the_team_and_the_last_one_stays() {
    let (server, shop, other) = open_two();
    let mut owner = member(&server, &shop, "OWNER", "ama@shop.example");
    let team = team(&shop);
    for role in ["VIEWER", "SUPPORT", "DEVELOPER", "FINANCE", "MANAGER"] {
        let email = format!("{}@shop.example", role.to_lowercase());
        let mut person = member(&server, &shop, role, &email);
        person.set_up_codes(&server);
        let refused = person.browser.get(&team);
        assert_eq!(refused.status, 403, "{role}");
        assert!(text(&refused).contains(&format!("The role {role} may not manage the team")));
        let mine = format!("{team}/members/{}", id_of(&server, &email));
        for (path, fields) in
            [(format!("{team}/invite"), [("role", "OWNER")]), (mine, [("role", "OWNER")])]
        {
            assert_eq!(person.browser.post(&path, &fields).status, 403, "{role} {path}");
        }
    }
    let owners = "SELECT count(*) FROM memberships WHERE role = 'OWNER'";
    assert_eq!(server.database.value(owners), "1");
    // Forged roles.
    let kept = format!("{team}/members/{}", id_of(&server, "viewer@shop.example"));
    for role in ["OPERATOR", "AUDITOR", "KING", ""] {
        assert_eq!(owner.browser.post(&kept, &[("role", role)]).status, 403, "{role}");
        let path = format!("{team}/invite");
        assert_eq!(owner.browser.post(&path, &[("role", role)]).status, 403, "{role}");
    }
    // The last owner stays.
    let me = format!("{team}/members/{}", id_of(&server, "ama@shop.example"));
    for role in ["VIEWER", "REMOVE"] {
        let page = owner.browser.post(&me, &[("role", role)]);
        assert_eq!(page.status, 422);
        assert!(text(&page).contains("at least one owner"), "{}", text(&page));
    }
    let second = format!("{team}/members/{}", id_of(&server, "manager@shop.example"));
    assert_eq!(owner.browser.post(&second, &[("role", "OWNER")]).status, 403, "it takes two");
    let id = shop.credentials.merchant_id.to_string();
    let second = ["user", "role", "manager@shop.example", "--merchant", &id, "--set", "OWNER"];
    server.kola(&second).ok();
    assert_eq!(leads(&owner.browser.post(&me, &[("role", "REMOVE")])), team);
    // Who was removed sees nothing any more.
    assert_eq!(owner.browser.get(&team).status, 404);
    // And nobody sees another merchant's team, whether it is there or not.
    let mut stranger = member(&server, &other, "OWNER", "eve@other.example");
    assert_eq!(stranger.browser.get(&team).status, 404);
    assert_eq!(stranger.browser.get("/app/team/999999").status, 404);
    assert_eq!(stranger.browser.post(&kept, &[("role", "REMOVE")]).status, 404);
    let still = server.database.rows("SELECT role FROM memberships WHERE role IS NULL");
    assert_eq!(still.len(), 1, "only the owner who left");
    server.verify_ledger();
}

#[test]
fn of_two_owners_who_remove_each_other_one_stays() {
    let (server, shop) = open_with_key();
    let people = [
        member(&server, &shop, "OWNER", "ama@shop.example"),
        member(&server, &shop, "OWNER", "kofi@shop.example"),
    ];
    let ids = people.each_ref().map(|person| id_of(&server, &person.email));
    let each = [(0, &ids[1]), (1, &ids[0])];
    let team = team(&shop);
    all_at_once(&each, |(who, whom)| {
        let mut browser = people[*who].browser.clone();
        browser.post(&format!("{team}/members/{whom}"), &[("role", "REMOVE")]).status
    });
    assert_eq!(server.database.value("SELECT count(*) FROM memberships WHERE role = 'OWNER'"), "1");
    server.verify_ledger();
}

#[test]
fn the_operator_helps_who_lost_the_phone() {
    let (server, shop) = open_with_key();
    let ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let printed = server.kola(&["user", "reset", "AMA@shop.example"]).ok();
    let link = path_of(&printed);
    assert!(ama.browser.clone().is_in(), "the link alone changes nothing");
    let mut browser = Browser::new(&server);
    let page = browser.get(&link);
    assert!(text(&page).contains("Choose another password"));
    let reply = browser.post_bare(&link, &[("password", "a new password of mine")]);
    assert_eq!(leads(&reply), "/app/profile");
    assert!(!ama.browser.clone().is_in(), "what was open before is over");
    assert_eq!(log_in(&mut Browser::new(&server), "ama@shop.example", PASSWORD).status, 403);
    // The role is kept, and needs codes again.
    assert_eq!(leads(&browser.get(&team(&shop))), "/app/profile");
    let listed = server.kola(&["user", "list"]).ok();
    assert!(listed.contains("ama@shop.example") && listed.contains("OWNER of"), "{listed}");
}

#[test]
fn who_is_kept_out_is_out_at_once() {
    let (server, shop) = open_with_key();
    let ama = member(&server, &shop, "SUPPORT", "ama@shop.example");
    server.kola(&["user", "disable", "ama@shop.example"]).ok();
    assert!(!ama.browser.clone().is_in());
    let page = log_in(&mut Browser::new(&server), "ama@shop.example", PASSWORD);
    assert_eq!(page.status, 403);
    assert!(text(&page).contains("The e-mail address or the password is wrong"));
    server.kola(&["user", "enable", "ama@shop.example"]).ok();
    server.database.sql("UPDATE login_tries SET tries = ''");
    assert!(!ama.browser.clone().is_in(), "the logins of before stay over");
    assert!(ama.log_in_anew(&server).browser.is_in());
    let id = shop.credentials.merchant_id.to_string();
    server.kola(&["user", "role", "ama@shop.example", "--merchant", &id, "--set", "MANAGER"]).ok();
    server.kola(&["user", "role", "ama@shop.example", "--merchant", &id, "--remove"]).ok();
    server.kola(&["user", "role", "ama@shop.example", "--merchant", &id, "--remove"]).refused();
    server.kola(&["user", "reset", "nobody@shop.example"]).refused();
    server.kola(&["user", "invite", "--merchant", "987654"]).refused();
}

#[test]
fn an_operator_manages_every_team() {
    let (server, shop) = open_with_key();
    let mut operator = Person::join(&server, &link(&server, &["--operator"]), "op@host.example");
    let team = team(&shop);
    assert_eq!(leads(&operator.browser.get(&team)), "/app/profile");
    operator.set_up_codes(&server);
    let page = operator.browser.get(&team);
    assert_eq!(page.status, 200, "{}", text(&page));
    assert_eq!(operator.browser.post(&format!("{team}/invite"), &[("role", "OWNER")]).status, 200);
    let mut auditor = Person::join(&server, &link(&server, &["--auditor"]), "aud@host.example");
    auditor.set_up_codes(&server);
    assert_eq!(auditor.browser.get(&team).status, 403);
}

/// No secret of a person is in the database as it is, or in the log.
#[test]
fn what_people_know_is_not_kept_as_it_is() {
    let server = fresh();
    let link = path_of(&server.printed());
    let mut ama = Person::join(&server, &link, "ama@shop.example");
    let recovery = ama.set_up_codes(&server);
    let page = {
        let home = ama.browser.get("/app");
        let team = format!("/app/team/{}", between(text(&home), "/app/team/", "\""));
        ama.browser.post(&format!("{team}/invite"), &[("role", "VIEWER")])
    };
    let invited = path_of(text(&page)).rsplit('/').next().unwrap().to_owned();
    let secrets = [
        PASSWORD,
        ama.secret.as_deref().unwrap(),
        recovery[0].as_str(),
        ama.browser.cookies["kola_login"].as_str(),
        invited.as_str(),
    ];
    let stored = format!("{:?}", server.database.contents(&[]));
    let log = server.log();
    for secret in secrets {
        assert!(!stored.contains(secret), "{secret} is stored");
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    // The rows outlive the server.
    let mut server = server;
    server.restart(&[]);
    let mut browser = Browser::new(&server);
    browser.cookies = ama.browser.cookies.clone();
    assert!(browser.is_in());
}

#[test]
fn pages_of_people_are_closed_to_frames_and_caches() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    for path in ["/app", "/app/profile", &team(&shop), "/app/second-factor"] {
        let page = ama.browser.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
        assert_eq!(page.header("x-robots-tag"), Some("noindex"));
        // Without a login every page leads to it, and back.
        let next = if path == "/app" { String::new() } else { format!("?next={path}") };
        assert_eq!(leads(&Browser::new(&server).get(path)), format!("/app/login{next}"));
    }
    for path in ["/app/nothing", "/app/team/abc"] {
        let page = ama.browser.get(path);
        assert_eq!(page.status, 404, "{path}");
        assert!(text(&page).starts_with("<!doctype html>"), "{path}");
    }
}

#[test]
fn an_owner_sets_what_support_may_refund() {
    let (server, shop) = open_with_key();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let team = team(&shop);
    let path = format!("{team}/limits");
    for (currency, amount) in
        [("USD", "-1"), ("XXX", "1"), ("USD", "1.001"), ("", ""), ("RWF", "1.5")]
    {
        let page = ama.browser.post(&path, &[("currency", currency), ("amount", amount)]);
        assert_eq!(page.status, 422, "{currency} {amount}");
    }
    let reply = ama.browser.post(&path, &[("currency", "usd"), ("amount", "50")]);
    assert_eq!(leads(&reply), format!("{team}?limits=USD"));
    let page = ama.browser.get(&team);
    assert!(text(&page).contains("50.00"), "{}", text(&page));
    let shown = server
        .kola(&["merchant", "limits", "--merchant", &shop.credentials.merchant_id.to_string()])
        .ok();
    assert!(shown.contains("USD") && shown.contains("50.00"), "{shown}");
    let mut manager = member(&server, &shop, "MANAGER", "kofi@shop.example");
    manager.set_up_codes(&server);
    assert_eq!(manager.browser.post(&path, &[("currency", "USD"), ("amount", "9")]).status, 403);
}

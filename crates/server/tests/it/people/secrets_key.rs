//! A database that was restored without the key of its secrets: what the operator is told, and what
//! people are.

use serde_json::json;

use super::person::{Browser, PASSWORD, leads, log_in, text};
use super::{member, to_merchant};
use crate::support::{Server, on_sqlite_only, spawn};

/// Lines of the log about refused logins.
fn refused(server: &Server) -> usize {
    let log = server.log();
    log.lines().filter(|line| line.contains("a request failed")).count()
}

#[test]
fn a_missing_secrets_key_is_told_to_whom_it_concerns() {
    let (mut server, shop) = spawn();
    let ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let recovery = {
        let mut kofi = super::Person::join(
            &server,
            &to_merchant(&server, &shop, "SUPPORT"),
            "kofi@shop.example",
        );
        let codes = kofi.set_up_codes(&server);
        kofi.browser.post("/app/logout", &[]);
        codes
    };
    member(&server, &shop, "VIEWER", "esi@shop.example");
    let team = super::team(&shop);
    let endpoint = json!({ "url": "https://shop.example/" });
    assert_eq!(server.log().matches("the secrets key is missing").count(), 0);

    // The database comes back without its key.
    let key = server.database.secrets_key().expect("a key");
    let aside = key.with_file_name("aside");
    std::fs::rename(&key, &aside).expect("a rename");
    server.terminate();
    server.restart(&[]);
    let log = server.log();
    let expected =
        if server.database.is_sqlite() { "kola.db.key" } else { "KOLA_SECRETS_KEY_FILE" };
    let line = log.lines().find(|line| line.contains("the secrets key is missing"));
    let line = line.unwrap_or_else(|| panic!("nothing is said at the start: {log}"));
    assert!(line.contains(expected) && line.contains("ERROR"), "{line}");
    assert_eq!(refused(&server), 0);

    // Whoever has a phone is told why, each time, and that is no wrong code.
    let mut anew = ama.log_in_anew(&server);
    assert_eq!(leads(&anew.browser.get(&team)), format!("/app/second-factor?next={team}"));
    let tries = "SELECT count(*) FROM login_tries WHERE tries <> ''";
    let before = server.database.value(tries);
    for n in 1..=7 {
        let code = anew.code(&server);
        let page = anew.browser.post("/app/second-factor", &[("code", &code)]);
        assert_eq!(page.status, 503, "{}", text(&page));
        for part in ["its secrets key is missing", "Tell who runs it", "id=\"code\""] {
            assert!(text(&page).contains(part), "{part}: {}", text(&page));
        }
        assert!(
            !text(&page).contains(expected),
            "where it was expected is the operator's business"
        );
        assert_eq!(refused(&server), n);
    }
    assert!(
        server
            .log()
            .lines()
            .any(|line| line.contains("a request failed") && line.contains(expected))
    );
    assert_eq!(server.database.value(tries), before, "no try was counted");

    // A recovery code needs no key, nor does who has no phone.
    let mut kofi = Browser::new(&server);
    assert_eq!(log_in(&mut kofi, "kofi@shop.example", PASSWORD).status, 303);
    let used = kofi.post("/app/second-factor", &[("code", &recovery[0])]);
    assert_eq!(leads(&used), "/app");
    let mut esi = Browser::new(&server);
    assert_eq!(leads(&log_in(&mut esi, "esi@shop.example", PASSWORD)), "/app");

    // Nothing is encrypted with a new key, and pages and programs are told the same.
    let page = kofi.post("/app/profile/second-factor", &[]);
    assert_eq!(page.status, 503);
    assert!(text(&page).contains("Tell who runs it"), "{}", text(&page));
    let shop = server.sign_in(&shop.credentials);
    let reply = shop.api.post("/v1/webhook-endpoints/create", &endpoint);
    let said = reply.refused_in_words(503);
    assert!(said.contains("Tell who runs it") && !said.contains(expected), "{said}");
    assert!(!key.with_file_name("kola.db.key").exists() && !key.exists(), "no other key was made");

    // Put back, it works without another start where the server knows its place.
    server.terminate();
    let named = key.display().to_string();
    server.restart(&[("KOLA_SECRETS_KEY_FILE", &named)]);
    assert!(server.log().contains(&named), "{}", server.log());
    std::fs::rename(&aside, &key).expect("a rename");
    ama.log_in_anew(&server).give_code(&server);
}

#[test]
fn another_secrets_key_is_as_good_as_none() {
    let (mut server, shop) = spawn();
    let mut ama = member(&server, &shop, "OWNER", "ama@shop.example");
    let key = server.database.secrets_key().expect("a key");
    std::fs::write(&key, "6b".repeat(32)).expect("another key");
    let page = ama.browser.post("/app/profile/second-factor", &[]);
    assert_eq!(
        page.status,
        503,
        "no phone is kept with a key that opens no other: {}",
        text(&page)
    );
    server.terminate();
    server.restart(&[]);
    let log = server.log();
    let line = log.lines().find(|line| line.contains("the secrets key is missing"));
    assert!(line.is_some_and(|line| line.contains("are encrypted with the key")), "{log}");
    let mut anew = ama.log_in_anew(&server);
    let code = anew.code(&server);
    let page = anew.browser.post("/app/second-factor", &[("code", &code)]);
    assert_eq!(page.status, 503, "{}", text(&page));
    assert!(text(&page).contains("its secrets key is missing"), "{}", text(&page));
}

/// A phone that is being set up is lost with the key; the rest of the profile is not.
#[test]
fn a_profile_is_shown_without_the_key() {
    let (server, shop) = super::open_with_key();
    let mut ama =
        super::Person::join(&server, &to_merchant(&server, &shop, "OWNER"), "ama@shop.example");
    assert_eq!(leads(&ama.browser.post("/app/profile/second-factor", &[])), "/app/profile");
    let key = server.database.secrets_key().expect("a key");
    let aside = key.with_file_name("aside");
    std::fs::rename(&key, &aside).expect("a rename");
    let page = ama.browser.get("/app/profile");
    assert_eq!(page.status, 503, "{}", text(&page));
    for part in ["its secrets key is missing", "End this login", "Change the password"] {
        assert!(text(&page).contains(part), "{part}: {}", text(&page));
    }
    for _ in 0..7 {
        let page = ama.browser.post("/app/profile/second-factor/confirm", &[("code", "123456")]);
        assert_eq!(page.status, 503, "{}", text(&page));
    }
    std::fs::rename(&aside, &key).expect("a rename");
    let page = ama.browser.get("/app/profile");
    assert!(page.status == 200 && text(&page).contains("Secret: "), "{}", text(&page));
}

#[test]
fn a_restore_says_which_key_is_missing() {
    on_sqlite_only!();
    let (mut server, shop) = spawn();
    member(&server, &shop, "OWNER", "ama@shop.example");
    let saved = server.kola(&["db", "backup", "saved.db"]).ok();
    assert!(saved.contains("keep the key file, too"), "{saved}");
    server.terminate();
    let restore = ["db", "restore", "saved.db"];
    let said = server.kola(&restore).ok();
    assert!(!said.contains("its secrets need the key"), "it is there: {said}");
    let key = server.database.secrets_key().expect("a key");
    std::fs::rename(&key, key.with_file_name("aside")).expect("a rename");
    let said = server.kola(&restore).ok();
    for part in ["its secrets need the key", "which is not at", "kola.db.key"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

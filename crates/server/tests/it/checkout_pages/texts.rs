//! Languages, and texts of strangers: in every script, with markup, long, and many.

use super::{
    CARD_USD, MTN_LRD, MTN_USD, WITHIN_AN_HOUR, assert_executions, checkout, checkout_of, order,
    pay, stage,
};
use crate::support::payer::{Browser as _, Payer, shows, until};
use crate::support::shop::ending;
use crate::support::{Database, Server, json, number, open, open_with, shown};

/// Texts that break pages: right-to-left with its marks, beyond the first plane, of no width,
/// combined, and markup.
const STRANGE: [&str; 8] = [
    "متجر أما للأرز",
    "\u{200f}חנות\u{200e} (x) 12",
    "𝔄𝔪𝔞 🛒🧺 𠮷野家",
    "A\u{200b}m\u{200d}a\u{feff}",
    "Z̸̢͎a̴͜l̵͔g̶̟o",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\" autofocus onfocus=alert(3) x=\"'><b>",
    "{{7*7}} ${7*7} &lt;i&gt; %3Cb%3E ]]> <!--",
];

/// Elements that only markup of strangers would make.
const INJECTED: &str = "img[onerror], i, b b, [onfocus], script:not([src])";

#[test]
fn texts_of_strangers_stand_on_the_page_as_they_are() {
    for text in STRANGE {
        let database = Database::with_schema();
        let credentials = database.merchant_with("First Shop", &["--verified"]);
        // Some of these names were taken once, and are there.
        let name = text.replace('\'', "''");
        database.sql(&format!("UPDATE merchants SET name = '{name}'"));
        let server = Server::start(database, &WITHIN_AN_HOUR);
        let shop = server.sign_in(&credentials);
        let mut body = order();
        body["party_name"] = json!(text);
        body["note"] = json!(format!("{text}\n{text}"));
        body["items"][0]["name"] = json!(text);
        let checkout = checkout_of(&shop, &body);
        let mut payer = Payer::at(&server, &checkout.link);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let checked = |payer: &Payer, what: &str| {
            assert!(payer.words(INJECTED).is_empty(), "{what}: {}", payer.source());
            let isolated = payer.words("[dir=auto]").join(" ");
            assert!(isolated.contains(&words), "{what}: {text:?} in {isolated:?}");
        };
        checked(&payer, "open");
        payer.choose("method", MTN_LRD);
        checked(&payer, "phone");
        payer.fill("phone", "0880000001");
        payer.go_on();
        checked(&payer, "review");
        payer.go_on();
        checked(&payer, "waiting");
        shop.advance(3600);
        until(&mut payer, "Paid");
        checked(&payer, "paid");
        payer.follow("Receipt");
        checked(&payer, "receipt");
    }
}

#[test]
fn a_page_of_the_longest_texts_stays_small() {
    let (server, shop) = open();
    let long = "W".repeat(255);
    let invoice = shop.draft("invoices", "USD", "PAYER");
    for place in 0..200 {
        let name = format!("{place:03} {}", &long[..251]);
        let body = json!({"name": name, "currency": "USD", "qty": 1, "amount": number("1.00")});
        shop.api.post(&format!("/v1/invoices/{invoice}/items/add"), &body).ok();
    }
    let path = format!("/v1/invoices/update/{invoice}");
    shop.api.put(&path, &json!({"note": "n".repeat(2_000)})).ok();
    shop.api.call("PUT", &format!("/v1/invoices/publish/{invoice}"), None).ok();
    let number =
        shown(&shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok(), "invoice_number");
    let asked = format!("/v1/links/pay?source_type=INVOICE&source_number={number}");
    let link = shown(&shop.api.get(&asked).ok(), "url");
    let mut payer = Payer::at(&server, &link);
    shows(&mut payer, &["000 W", "019 W", "200.00 USD"]);
    let text = payer.text();
    assert!(!text.contains("020 W"), "more than twenty items: {text}");
    let more = payer.link("180").or_else(|| payer.link("200")).or_else(|| payer.link("tems"));
    let more = more.unwrap_or_else(|| panic!("no way to the other items: {text}"));
    assert!(!more.is_empty());
    // The other items, as far as they go on.
    let mut seen = String::new();
    let mut next = Some(more);
    while let Some(path) = next.take() {
        let path = match path.strip_prefix('?') {
            Some(query) => format!("{}?{query}", payer.path_of(&link)),
            None => path,
        };
        payer.open(&path);
        seen.push_str(&payer.text());
        next = payer.link("Next").or_else(|| payer.link("next")).filter(|further| *further != path);
    }
    assert!(seen.contains("199 W"), "{seen}");
    pay(&mut payer, &link, MTN_USD, "0880000001");
    until(&mut payer, "Paid");
}

#[test]
fn every_language_says_everything() {
    let (server, shop) =
        open_with(&[("KOLA_SANDBOX_DELAY_MS", "3600000"), ("KOLA_PAGE_LANGUAGES", "en,fr,rw")]);
    let mut texts = std::collections::BTreeMap::new();
    for lang in ["en", "fr", "rw"] {
        let mut pages = vec![];
        let mut see = |payer: &mut Payer, what: &str| {
            let found = payer.attribute("html", "lang");
            assert_eq!(found.as_deref(), Some(lang), "{what}: {}", payer.text());
            pages.push(payer.text());
        };
        let checkout = checkout(&shop);
        let mut payer = Payer::new(&server).with_header("Accept-Language", lang);
        payer.open(&checkout.link);
        see(&mut payer, "open");
        payer.choose("method", MTN_LRD);
        see(&mut payer, "phone");
        payer.fill("phone", "12");
        payer.go_on();
        see(&mut payer, "a fault");
        payer.fill("phone", &ending("039"));
        payer.go_on();
        see(&mut payer, "review");
        payer.go_on();
        see(&mut payer, "waiting");
        shop.advance(3600);
        crate::support::wait_for("a failure", || {
            payer.reload();
            payer.offers("method", MTN_LRD).then_some(())
        });
        see(&mut payer, "failed");
        pay(&mut payer, &checkout.link, CARD_USD, "");
        see(&mut payer, "card");
        payer.choose("result", "succeed");
        crate::support::wait_for("the payment", || {
            payer.reload();
            payer.source().contains("/receipt/").then_some(())
        });
        see(&mut payer, "paid");
        payer.open(&checkout.link.replace("/pay/", "/receipt/"));
        see(&mut payer, "receipt");
        payer.open("/pay/nothing");
        see(&mut payer, "no such page");
        texts.insert(lang, pages);
    }
    // None of them repeats another.
    for (one, other) in [("en", "fr"), ("en", "rw"), ("fr", "rw")] {
        for (a, b) in texts[one].iter().zip(&texts[other]) {
            assert_ne!(a, b);
        }
    }
}

#[test]
fn a_language_is_chosen_by_link_and_kept() {
    let (server, _shop, checkout) = stage(&[]);
    let lang = |payer: &Payer| payer.attribute("html", "lang").unwrap_or_default();
    let mut payer = Payer::at(&server, &checkout.link);
    assert_eq!(lang(&payer), "en");
    payer.follow("Français");
    assert_eq!(lang(&payer), "fr");
    payer.open(&checkout.link);
    assert_eq!(lang(&payer), "fr", "kept");
    payer.choose("method", MTN_LRD);
    assert_eq!(lang(&payer), "fr");
    payer.fill("phone", "0880000001");
    payer.go_on();
    // 7,787.52 in French.
    shows(&mut payer, &["7 787,52"]);
    payer.go_on();
    assert_eq!(lang(&payer), "fr");
    payer.open(&checkout.link);
    payer.follow("English");
    assert_eq!(lang(&payer), "en");
}

#[test]
fn a_language_that_does_not_exist_is_english() {
    let (server, _shop, checkout) = stage(&[]);
    let lang = |payer: &Payer| payer.attribute("html", "lang").unwrap_or_default();
    for header in [
        "",
        "xx",
        "tlh, *;q=0.5",
        "en;q=0",
        "fr;q=abc",
        ";;;,,,=",
        "x-klingon",
        "rw",
        "\u{e9}",
        &"fr-".repeat(2_000),
    ] {
        let mut payer = Payer::new(&server).with_header("Accept-Language", header);
        payer.open(&checkout.link);
        assert!(["en", "fr"].contains(&lang(&payer).as_str()), "{header}");
        if !header.starts_with("fr") {
            assert_eq!(lang(&payer), "en", "{header}");
        }
    }
    for (header, expected) in [
        ("fr", "fr"),
        ("fr-CA", "fr"),
        ("FR", "fr"),
        ("de, fr;q=0.8, en;q=0.7", "fr"),
        ("en;q=0.2, fr;q=0.9", "fr"),
        ("en, fr", "en"),
    ] {
        let mut payer = Payer::new(&server).with_header("Accept-Language", header);
        payer.open(&checkout.link);
        assert_eq!(lang(&payer), expected, "{header}");
    }
    for asked in ["xx", "", "rw", "../../etc/passwd", "%00", "%FF", "en&lang=fr", "%3Cb%3E", "FR"] {
        let mut payer = Payer::new(&server);
        payer.open(&format!("{}?lang={asked}", payer.path_of(&checkout.link)));
        assert_eq!(payer.status(), 200, "{asked}");
        assert!(["en", "fr"].contains(&lang(&payer).as_str()), "{asked}");
        for cookie in payer.page().all("set-cookie") {
            assert!(cookie.contains("HttpOnly") || cookie.contains("SameSite"), "{cookie}");
            assert!(!cookie.contains('<') && !cookie.contains(".."), "{cookie}");
        }
    }
    for cookie in ["lang=xx", "lang=", "lang=fr; lang=en", "lang=\"fr\"", "LANG=%00", "=;=;=;;"] {
        let mut payer = Payer::new(&server).with_header("Cookie", cookie);
        payer.open(&checkout.link);
        assert_eq!(payer.status(), 200, "{cookie}");
    }
}

/// Sums of a currency without decimals, and times in the country of the method.
#[test]
fn rwandan_francs_have_no_decimals_and_kigali_its_time() {
    let (server, shop) = open_with(&WITHIN_AN_HOUR);
    let checkout = checkout(&shop);
    let mut payer = Payer::at(&server, &checkout.link);
    // 40.56 USD at 1,440.
    shows(&mut payer, &["58,407 RWF"]);
    pay(&mut payer, &checkout.link, "MTN_MOMO_RWA:RWF", "0780000001");
    shows(&mut payer, &["Check your phone", "CAT"]);
    shop.advance(3600);
    until(&mut payer, "Paid");
    shows(&mut payer, &["58,407 RWF", "CAT"]);
    let other = super::checkout(&shop);
    pay(&mut payer, &other.link, MTN_LRD, "0880000001");
    shows(&mut payer, &["GMT"]);
    assert_executions(&shop, &["COMPLETED", "PROCESSING"]);
}

/// "Contact" is the merchant's phone, else left out.
#[test]
fn the_merchants_phone_is_how_to_reach_it() {
    let database = Database::with_schema();
    let (reached, bare) = (
        database.merchant_with("Reached", &["--verified", "--phone", "231880000777"]),
        database.merchant_with("Bare", &["--verified"]),
    );
    let server = Server::start(database, &[]);
    for (credentials, told) in [(&reached, true), (&bare, false)] {
        let shop = server.sign_in(credentials);
        let checkout = checkout(&shop);
        let payer = Payer::at(&server, &checkout.link);
        assert_eq!(payer.source().contains("231880000777"), told, "{}", payer.source());
        assert_eq!(payer.source().contains("tel:"), told);
    }
}

/// The party's number is offered, and nobody else's.
#[test]
fn the_number_of_the_party_is_filled_in() {
    let (server, shop) = open();
    let phone = format!("23188{:07}", 1_234_567);
    let mut body = order();
    body["party_phone"] = json!(phone);
    let checkout = checkout_of(&shop, &body);
    let mut payer = Payer::at(&server, &checkout.link);
    payer.choose("method", MTN_LRD);
    let filled = payer.attribute("[name=phone]", "value").unwrap_or_default();
    let digits: String = filled.chars().filter(char::is_ascii_digit).collect();
    assert!(digits.ends_with("881234567"), "{filled:?}: {}", payer.source());
    payer.go_on();
    shows(&mut payer, &["•••", "4567"]);
}

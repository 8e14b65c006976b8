//! Each token opens what it is for and nothing else: access tokens, payments' tokens, everybody's
//! key, and what stands in links of pages and in cookies.

use jsonwebtoken::{EncodingKey, Header};
use ring::hmac;
use serde_json::{Value, json};

use super::client::{Client, handshake_status};
use super::{Payment, anon};
use crate::people::person::{Browser, Person};
use crate::people::to_merchant;
use crate::support::{Merchant, Server, all_at_once, open, shown};

/// What a token may open.
const PLACES: [&str; 6] = ["api", "channel", "websocket", "page", "login", "invitation"];

struct Stage {
    server: Server,
    shop: Merchant,
    payment: Payment,
    anon: String,
    secret: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        let (server, shop) = open();
        let payment = Payment::of(&shop);
        let anon = anon(&server);
        let secret = server.database.value("SELECT secret FROM signing_keys WHERE id = 1");
        let digit = |n: usize| u8::from_str_radix(&secret[2 * n..2 * n + 2], 16).expect("a byte");
        let secret = (0..32).map(digit).collect();
        Self { server, shop, payment, anon, secret }
    }

    /// The key of a use, by its label.
    fn key_of(&self, label: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        hmac::sign(&key, format!("kola token {label}\u{1}").as_bytes()).as_ref().to_vec()
    }

    /// A token of these claims, signed by this key under the name of the stored one.
    fn forged(claims: &Value, key: &[u8]) -> String {
        let header = Header { kid: Some("1".to_owned()), ..Header::default() };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(key)).expect("a token")
    }

    /// What a token opens.
    fn opened_by(&self, token: &str) -> Vec<&'static str> {
        let (server, payment) = (&self.server, &self.payment);
        let is_open = |place: &str| match place {
            "api" => self.shop.api.with_token(Some(token)).get("/v1/parties/list").status == 200,
            "channel" => {
                let mut client = Client::open(server, &self.anon, "2.0.0");
                client.send(&payment.topic(), "phx_join", &payment.join(Some(token)));
                client.next().payload["status"] == "ok"
            }
            "websocket" => handshake_status(server, &format!("apikey={token}")) == 101,
            "page" => server.api.with_token(None).get(&format!("/pay/{token}")).status == 200,
            "login" => {
                let mut browser = Browser::new(server);
                browser.cookies.insert("kola_login".to_owned(), token.to_owned());
                browser.is_in()
            }
            _ => Browser::new(server).get(&format!("/app/invitation/{token}")).status == 200,
        };
        PLACES.into_iter().filter(|place| is_open(place)).collect()
    }

    /// Fails unless each of these tokens opens what stands beside it. At once, because a channel
    /// refuses after a second.
    #[track_caller]
    fn assert_open(&self, tokens: &[(String, Vec<&'static str>)], names: &[String]) {
        let opened = all_at_once(tokens, |(token, _)| self.opened_by(token));
        for ((opened, (_, expected)), name) in opened.iter().zip(tokens).zip(names) {
            assert_eq!(opened, expected, "{name}");
        }
        assert_eq!(opened.len(), names.len());
    }

    /// The claims of each use, all of which are good now, without those that say what they are for.
    fn claims(&self) -> [(&'static str, &'static str, Value); 3] {
        let key = self.shop.api.get("/v1/api-keys/list").rows()[0]["id"].to_string();
        let now = jiff::Timestamp::now().as_second();
        let channel = self.payment.topic().replacen("realtime:", "", 1);
        let payment = json!({"sub": channel, "role": "authenticated", "channel": channel,
            "merchant_id": self.shop.credentials.merchant_id, "session_id": self.payment.session,
            "reference_id": self.payment.reference, "iat": now, "exp": now + 3_600});
        [
            ("access", "api", json!({"sub": key, "iat": now, "exp": now + 3_600})),
            ("realtime", "realtime", payment),
            ("anon", "websocket", json!({"role": "anon", "iat": now})),
        ]
    }
}

const OPENS: [(&str, &str); 3] =
    [("access", "api"), ("realtime", "channel"), ("anon", "websocket")];

#[test]
fn each_token_opens_what_it_is_for_and_nothing_else() {
    let stage = Stage::new();
    let (server, shop) = (&stage.server, &stage.shop);
    let invoice = shop.invoice("USD", "5.00");
    let known = shop.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok();
    let number = shown(&known, "invoice_number");
    let asked = format!("/v1/links/pay?source_type=INVOICE&source_number={number}");
    let link = shown(&shop.api.get(&asked).ok(), "url");
    let page = link.rsplit('/').next().expect("a token").to_owned();
    let person = Person::join(server, &to_merchant(server, shop, "VIEWER"), "viewer@shop.example");
    let invitation = to_merchant(server, shop, "VIEWER").replacen("/app/invitation/", "", 1);
    let issued = [
        (shop.api.token.clone().expect("a token"), "api"),
        (stage.payment.token.clone(), "channel"),
        (stage.anon.clone(), "websocket"),
        (page, "page"),
        (person.browser.cookies["kola_login"].clone(), "login"),
        (invitation, "invitation"),
    ];
    assert_eq!(issued.each_ref().map(|(_, place)| *place), PLACES);
    let (tokens, names): (Vec<_>, Vec<_>) =
        issued.into_iter().map(|(token, place)| ((token, vec![place]), place.to_owned())).unzip();
    stage.assert_open(&tokens, &names);
}

#[test]
fn no_key_of_one_use_makes_a_token_of_another() {
    let stage = Stage::new();
    let place_of = |name: &str| OPENS.iter().find(|(of, _)| *of == name).expect("a use").1;
    // Everything that any use asks for is in the claims: only what they are for is in the way.
    let mut all = serde_json::Map::new();
    for (_, _, claims) in stage.claims().into_iter().rev() {
        all.append(&mut claims.as_object().expect("claims").clone());
    }
    let (mut tokens, mut names) = (vec![], vec![]);
    let mut add = |claims: &Value, key: &[u8], expected: Vec<&'static str>, by: &str| {
        tokens.push((Stage::forged(claims, key), expected));
        names.push(format!("{claims} by the key of {by}"));
    };
    for (name, audience, claims) in stage.claims() {
        let mut all = Value::Object(all.clone());
        // The uses differ in what this has to be.
        all["role"] = json!(if name == "anon" { "anon" } else { "authenticated" });
        for body in [claims, all] {
            let mut labelled = body.clone();
            labelled["iss"] = json!("kola");
            labelled["aud"] = json!(audience);
            labelled["typ"] = json!(name);
            for (signed, _) in OPENS {
                let expected = if signed == name { vec![place_of(name)] } else { vec![] };
                add(&labelled, &stage.key_of(signed), expected, signed);
                add(&body, &stage.key_of(signed), vec![], signed);
            }
            add(&labelled, &stage.secret, vec![], "all uses before");
        }
    }
    stage.assert_open(&tokens, &names);
}

/// As they were signed before they said what they are for. Everybody's key has no end: it is in
/// programs that nobody changes.
#[test]
fn what_was_issued_before_opens_what_it_did() {
    let stage = Stage::new();
    let (mut tokens, mut names) = (vec![], vec![]);
    let mut add = |claims: &Value, expected: Vec<&'static str>| {
        tokens.push((Stage::forged(claims, &stage.secret), expected));
        names.push(claims.to_string());
    };
    for (name, _, mut claims) in stage.claims() {
        if name == "realtime" {
            claims["aud"] = json!("realtime");
        }
        if name == "anon" {
            claims["iat"] = json!(1_700_000_000);
        }
        let place = OPENS.iter().find(|(of, _)| *of == name).expect("a use").1;
        add(&claims, vec![place]);
        for (more, value) in [("iss", "kola"), ("typ", "access"), ("role", "owner")] {
            let mut mixed = claims.clone();
            if mixed.get(more).is_none() {
                mixed[more] = json!(value);
                add(&mixed, vec![]);
            }
        }
    }
    stage.assert_open(&tokens, &names);
}

//! Events, and the webhook endpoints that are told of them.

use axum::body::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Signer, Stripe};
use crate::clock::seconds;
use crate::fake::{Callback, Signature, Signing};
use crate::faults::Kind;
use crate::money::minor_of;

/// The version that events are made in.
pub(crate) const API_VERSION: &str = "2026-08-26.dahlia";

#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub url: String,
    /// While a secret is rolled, each delivery is signed by all of them.
    pub secrets: Vec<String>,
    /// The types that it wants; none stands for all.
    pub types: Vec<String>,
}

/// What happened, as `GET /v1/events` lists it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub number: u64,
    pub id: String,
    pub kind: String,
    /// Its JSON.
    pub text: String,
}

impl Event {
    pub(crate) fn show(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// How many events are kept.
const KEPT: usize = 20_000;

impl Stripe {
    /// Records that something happened, and tells the endpoints.
    pub(crate) fn emit(&mut self, kind: &str, object: Value) {
        let id = format!("evt_1{}", self.common.random.letters(23));
        let shown = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": seconds(self.now),
            "data": { "object": object },
            "livemode": false,
            "pending_webhooks": self.endpoints.len(),
            "request": { "id": self.request_id, "idempotency_key": self.idempotency_key },
            "type": kind,
        });
        let text = shown.to_string();
        let faults = self.common.callback_faults(kind, text.as_bytes());
        let mut body = text.clone();
        if !faults.is_empty() {
            let mut changed = shown;
            for fault in &faults {
                change_money(&mut changed, fault);
            }
            body = changed.to_string();
        }
        self.deliver(&id, kind, body, Signature::Good, &faults);
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        let number = self.next_number();
        self.events.push_back(Event { number, id, kind: kind.to_owned(), text });
    }

    /// Delivers any body as an event.
    pub(crate) fn deliver(
        &mut self,
        id: &str,
        kind: &str,
        body: String,
        signature: Signature,
        faults: &[Kind],
    ) {
        let body = Bytes::from(body);
        let at = if self.hasten { self.now } else { self.now + self.delay };
        let wanted = |endpoint: &&Endpoint| {
            endpoint.types.is_empty() || endpoint.types.iter().any(|wanted| wanted == kind)
        };
        for endpoint in self.endpoints.iter().filter(wanted) {
            let callback = Callback {
                url: endpoint.url.clone(),
                event: kind.to_owned(),
                subject: id.to_owned(),
                body: body.clone(),
                signer: Signer { secrets: endpoint.secrets.clone() },
                signature,
                failed: 0,
            };
            self.common.send(callback, faults, at);
        }
    }
}

/// An event that tells of other money than there is.
fn change_money(body: &mut Value, fault: &Kind) {
    let Some(object) = body.pointer_mut("/data/object").and_then(Value::as_object_mut) else {
        return;
    };
    match fault {
        Kind::CallbackAmount { amount } => {
            let currency = object.get("currency").and_then(Value::as_str).unwrap_or_default();
            if let Some(minor) = minor_of(amount, currency) {
                for name in ["amount", "amount_received", "amount_total"] {
                    if let Some(value) = object.get_mut(name) {
                        *value = json!(minor);
                    }
                }
            }
        }
        Kind::CallbackCurrency { currency } => {
            object.insert("currency".to_owned(), json!(currency));
        }
        _ => {}
    }
}

/// `Stripe-Signature`: the time and a signature by each secret, with one of a retired scheme.
pub(crate) fn sign(signer: &Signer, callback: &Signing<'_>) -> Vec<(&'static str, String)> {
    let time = seconds(callback.now);
    let mut header = format!("t={time}");
    for secret in &signer.secrets {
        let secret = if callback.forged { "whsec_forged" } else { secret };
        header.push_str(&format!(",v1={}", signature(secret, time, callback.body)));
    }
    header.push_str(",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39");
    vec![("stripe-signature", header)]
}

/// The whole secret is the key, as text.
fn signature(secret: &str, time: i64, body: &[u8]) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_signs() {
        let signer = Signer { secrets: vec!["whsec_a".to_owned(), "whsec_b".to_owned()] };
        let url = "http://shop.example/".parse().unwrap();
        let at = |forged| Signing { url: &url, body: b"{}", now: 1_700_000_000_000, forged };
        let headers = sign(&signer, &at(false));
        let [(name, value)] = headers.as_slice() else { panic!("one header") };
        assert_eq!(*name, "stripe-signature");
        let parts: Vec<&str> = value.split(',').collect();
        assert_eq!(parts[0], "t=1700000000");
        // openssl: printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_a
        assert_eq!(parts[1], format!("v1={}", signature("whsec_a", 1_700_000_000, b"{}")));
        assert_ne!(parts[1], parts[2]);
        assert_ne!(sign(&signer, &at(true)), headers);
    }
}

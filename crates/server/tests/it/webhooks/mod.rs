//! Webhooks: endpoints, what they are told, and what becomes of deliveries.

mod deliveries;
mod endpoints;
mod guarantees;
pub(crate) mod receiver;
mod schemas;
mod stream;
mod verifiers;

use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::support::{Merchant, Server, id, open_with, shown, wait_for};

/// A server whose merchants may be told on this machine, and a receiver.
pub(crate) struct Stage {
    server: Server,
    shop: Merchant,
    receiver: Receiver,
}

impl Stage {
    #[track_caller]
    fn open() -> Self {
        Self::open_with(&[])
    }

    #[track_caller]
    fn open_with(settings: &[(&str, &str)]) -> Self {
        let (server, shop) = open_with(settings);
        Self { server, shop, receiver: Receiver::open() }
    }

    /// An endpoint for everything at the receiver.
    #[track_caller]
    fn endpoint(&self) -> Value {
        self.endpoint_with(&json!({}))
    }

    #[track_caller]
    fn endpoint_with(&self, more: &Value) -> Value {
        let mut body = json!({ "url": self.receiver.url() });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.shop.api.post("/v1/webhook-endpoints/create", &body).ok()
    }

    #[track_caller]
    fn read(&self, endpoint: &Value) -> Value {
        self.shop.api.get(&format!("/v1/webhook-endpoints/retrieve/{}", id(endpoint))).ok()
    }

    /// The deliveries that a filter finds.
    #[track_caller]
    fn deliveries(&self, filter: &str) -> Vec<Value> {
        self.shop.api.get(&format!("/v1/webhook-deliveries/list?limit=100&{filter}")).rows()
    }

    /// The only delivery that a filter finds, once it is in that state.
    #[track_caller]
    fn becomes(&self, filter: &str, status: &str) -> Value {
        wait_for(&format!("a delivery that is {status}"), || {
            let found = self.deliveries(filter);
            found.into_iter().find(|row| row["status"] == status)
        })
    }

    /// Makes a test delivery, and the only attempt of it so far.
    #[track_caller]
    fn test(&self, endpoint: &Value) -> i64 {
        let path = format!("/v1/webhook-endpoints/test/{}", id(endpoint));
        let answer = self.shop.api.post(&path, &json!({})).ok();
        answer["event_id"].as_i64().expect("an event")
    }

    /// Whatever is scheduled is due now.
    fn make_due(&self) {
        make_due(&self.server);
    }
}

/// Whatever is scheduled, and what a process that died had claimed, is due now.
fn make_due(server: &Server) {
    server
        .database
        .sql("UPDATE webhook_deliveries SET next_attempt_at = 1 WHERE next_attempt_at IS NOT NULL");
}

fn secret(endpoint: &Value) -> String {
    shown(endpoint, "secret")
}

//! A database that goes away, comes back, hangs or dies in the middle of a commit: every caller is
//! told the truth, and who tries again with the same key pays once.

mod commit;
mod restart;
mod slow;

use std::time::{Duration, Instant};

use crate::support::proxy::Proxy;
use crate::support::{Api, Database, Merchant, PATIENCE, Reply, Server, wait_for};
use serde_json::Value;

/// Nobody waits longer for an answer, whatever the database does: fifteen seconds, and what a slow
/// machine needs beside them.
const LIMIT: Duration = Duration::from_secs(45);

/// A server that reaches its database through a door, while its command line reaches it directly.
struct House {
    server: Server,
    shop: Merchant,
    proxy: Proxy,
}

impl House {
    #[track_caller]
    fn build() -> Self {
        let database = Database::new();
        let credentials = database.merchant("Shop");
        let proxy = Proxy::to(database.postgres().address());
        let url = database.postgres().url_at(&proxy.address);
        let server = Server::spawn_at(database, url, &[]);
        let shop = server.sign_in(&credentials);
        server.fund(&shop, "USD", "100000.00");
        Self { server, shop, proxy }
    }

    /// How many executions have this key.
    #[track_caller]
    fn executions(&self, reference: &str) -> String {
        self.server
            .database
            .value(&format!("SELECT count(*) FROM executions WHERE reference_id = '{reference}'"))
    }
}

/// One call: it is answered in time, with 200 or with 503 and when to come back.
#[track_caller]
fn once(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let start = Instant::now();
    let reply = api.call(method, path, body);
    assert!(start.elapsed() < LIMIT, "{method} {path} was answered after {:?}", start.elapsed());
    if reply.status != 200 {
        reply.refused(503);
        assert!(reply.header("retry-after").is_some(), "503 without Retry-After: {}", reply.body);
    }
    reply
}

/// What a client does that was told to come back: the same call again, until it is answered.
#[track_caller]
fn patiently(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Value {
    let start = Instant::now();
    loop {
        let reply = once(api, method, path, body);
        if reply.status == 200 {
            return reply.ok();
        }
        assert!(start.elapsed() < PATIENCE * 3, "{method} {path} is never answered");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until the server works as if nothing had been: connections that broke are found broken and
/// made anew.
#[track_caller]
fn recovered(shop: &Merchant) {
    wait_for("a server that has recovered", || {
        (0..20)
            .all(|_| once(&shop.api, "GET", "/v1/wallets/list", None).status == 200)
            .then_some(())
    });
    patiently(
        &shop.api,
        "POST",
        "/v1/sandbox/clock/advance",
        Some(&crate::support::json!({"seconds": 1})),
    );
}

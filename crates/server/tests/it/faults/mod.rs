//! A database that goes away, comes back, hangs, or dies in the middle of a commit: every answer is
//! true, and a repeated request with the same key pays once.

mod commit;
mod restart;
mod slow;

use std::time::{Duration, Instant};

use crate::support::proxy::Proxy;
use crate::support::{Api, Database, Merchant, Reply, Server, WAIT_MAX, wait_for};
use serde_json::Value;

/// The longest that a caller waits for an answer, whatever the database does: fifteen seconds, and
/// more on a slow machine.
const LIMIT: Duration = Duration::from_secs(45);

/// A server that reaches its database through a proxy. Commands of the test reach it directly.
struct Setup {
    server: Server,
    shop: Merchant,
    proxy: Proxy,
}

impl Setup {
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

    /// How many executions have this reference.
    #[track_caller]
    fn executions(&self, reference: &str) -> String {
        self.server
            .database
            .value(&format!("SELECT count(*) FROM executions WHERE reference_id = '{reference}'"))
    }
}

/// Makes one call. It must be answered in time, with 200, or with 503 and `Retry-After`.
#[track_caller]
fn call_once(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let start = Instant::now();
    let reply = api.call(method, path, body);
    assert!(start.elapsed() < LIMIT, "{method} {path} was answered after {:?}", start.elapsed());
    if reply.status != 200 {
        reply.refused(503);
        assert!(reply.header("retry-after").is_some(), "503 without Retry-After: {}", reply.body);
    }
    reply
}

/// Repeats a call as a client does that gets a 503, until it is answered.
#[track_caller]
fn retried(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Value {
    let start = Instant::now();
    loop {
        let reply = call_once(api, method, path, body);
        if reply.status == 200 {
            return reply.ok();
        }
        assert!(start.elapsed() < WAIT_MAX * 3, "{method} {path} is never answered");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until the server works again: it has noticed the broken connections and has opened new
/// ones.
#[track_caller]
fn recovered(shop: &Merchant) {
    wait_for("a server that has recovered", || {
        (0..20)
            .all(|_| call_once(&shop.api, "GET", "/v1/wallets/list", None).status == 200)
            .then_some(())
    });
    retried(
        &shop.api,
        "POST",
        "/v1/sandbox/clock/advance",
        Some(&crate::support::json!({"seconds": 1})),
    );
}

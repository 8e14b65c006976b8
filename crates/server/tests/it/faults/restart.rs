//! The database is restarted: every connection ends, and new ones are accepted at once or after a
//! while.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::shop::GOOD;
use crate::support::{
    Database, Server, cents, id, json, key, number, on_postgres_only, soon, spawn, wait_for,
};

use super::{Merchant, Setup, call_once, recovered, retried};

/// Ends the load when the test ends, also by a failure.
struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Makes payouts of 10.00 until `enough` is set. Each is tried until it is answered. Returns their
/// references.
fn pay_out(shop: &Merchant, account: i64, enough: &AtomicBool) -> Vec<String> {
    let session = json!({"wallet_id": shop.wallet("USD"), "payment_account_id": account, "amount": number("10.00"),
        "currency": "USD", "expires_at": soon()});
    let mut references = Vec::new();
    while !enough.load(Ordering::SeqCst) {
        let reference = key();
        let session = id(&retried(&shop.api, "POST", "/v1/sessions/payout", Some(&session)));
        let body = json!({"session_id": session, "reference_id": reference});
        retried(&shop.api, "POST", "/v1/executions/payout", Some(&body));
        references.push(reference);
    }
    references
}

#[test]
fn connections_that_end_under_load_lose_nothing_and_double_nothing() {
    on_postgres_only!();
    let (server, shop) = spawn();
    server.fund(&shop, "USD", "100000.00");
    let account = shop.momo("PAYOUT", GOOD);
    let (enough, paid) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let _end = AtTheEnd(&enough);
        for _ in 0..8 {
            scope.spawn(|| {
                let references = pay_out(&shop, account, &enough);
                paid.lock().expect("a lock").extend(references);
            });
        }
        for _ in 0..40 {
            std::thread::sleep(Duration::from_millis(100));
            server.database.postgres().end_all_connections();
        }
    });
    recovered(&shop);
    let paid = paid.into_inner().expect("a lock");
    assert!(paid.len() >= 8, "too little was paid to prove anything: {}", paid.len());
    for reference in &paid {
        let execution = shop.status("payout", reference);
        assert_eq!(shop.settled("payout", &execution)["status"], "COMPLETED");
    }
    assert_eq!(server.database.value("SELECT count(*) FROM executions"), paid.len().to_string());
    let (available, held) = shop.money_in(shop.wallet("USD"));
    let count = i64::try_from(paid.len()).expect("a count");
    assert_eq!((cents(&available), held.as_str()), (10_000_000 - 1_015 * count, "0.00"));
    server.verify_ledger();
}

/// A frozen host accepts connections and answers nothing.
#[test]
fn a_host_that_hangs_keeps_nobody_from_the_other() {
    on_postgres_only!();
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let frozen = (frozen.local_addr().expect("an address"), frozen);
    let database = Database::new();
    let credentials = database.merchant("Shop");
    let address = database.postgres().address();
    let url = database.postgres().url_at(&format!("{},{address}", frozen.0));
    let server = Server::spawn_at(database, url.clone(), &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "100.00");
    assert_eq!(shop.transfer(shop.customer(), "USD", "1.00")["status"], "COMPLETED");
    server.database.postgres().end_all_connections();
    recovered(&shop);
    assert_eq!(shop.transfer(shop.customer(), "USD", "1.00")["status"], "COMPLETED");
    server.database.kola_at(&url, &["ledger", "verify"]).ok();
}

#[test]
fn a_server_says_whether_it_is_ready() {
    on_postgres_only!();
    let setup = Setup::build();
    let api = setup.shop.api.with_token(None);
    for away in [super::Proxy::close, super::Proxy::stall] {
        assert_eq!(call_once(&api, "GET", "/readyz", None).status, 200);
        away(&setup.proxy);
        wait_for("503 while the database is away", || {
            (call_once(&api, "GET", "/readyz", None).status == 503).then_some(())
        });
        // The process is healthy while its database is away: a supervisor must not kill it.
        assert_eq!(call_once(&api, "GET", "/healthz", None).status, 200);
        call_once(&setup.shop.api, "GET", "/v1/wallets/list", None).refused(503);
        call_once(
            &setup.shop.api,
            "POST",
            "/v1/parties/create",
            Some(&json!({"fullname": "A", "phone": "231770000001"})),
        )
        .refused(503);
        setup.proxy.open();
        wait_for("200 when it is back", || {
            (call_once(&api, "GET", "/readyz", None).status == 200).then_some(())
        });
        recovered(&setup.shop);
    }
    setup.server.verify_ledger();
}

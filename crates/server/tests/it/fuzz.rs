//! Fuzzing: mutated requests of every operation, against the router in this process. There must be
//! no panic, no 5xx, and no status that the document does not have. Requests that once went wrong,
//! here or elsewhere, are kept in `corpus/` and tried first.

mod request;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use kola::config::Config;
use kola::credentials::sealing::KeyFile;
use kola::server::Server as InProcess;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::support::shop::GOOD;
use crate::support::{Database, Merchant, Server, id, json, key, soon};
use request::{Operations, Request};

/// How long a run takes. It goes on if it has not made enough requests by then.
const LENGTH: Duration = Duration::from_secs(15);
const REQUESTS: u32 = 500;
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/corpus");

/// A router with a merchant that has rows of every kind.
struct Target {
    runtime: Runtime,
    router: Router,
    token: String,
    operations: Operations,
    _server: InProcess,
    _database: Database,
}

/// Creates rows of every kind through the API. Returns their ids.
fn stocked(shop: &Merchant) -> Vec<i64> {
    let (party, counterparty) = (shop.party(), shop.customer());
    let (payer, payee) = (shop.momo("COLLECTION", GOOD), shop.momo("PAYOUT", GOOD));
    let collected = shop.take(payer, "USD", "100.00");
    let session = id(&shop.open_payout(payee, "USD", "5.00").ok());
    let transfer = id(&shop.open_transfer(counterparty, "USD", "5.00").ok());
    let refund = id(&shop.open_refund(&collected["payment_intent_id"], "5.00").ok());
    let (draft, invoice) = (shop.draft("orders", "USD", "PAYER"), shop.invoice("USD", "10.00"));
    let item = id(&shop.add_item("orders", draft, "USD", 2, "3.00"));
    let checkout = shop.checkout(shop.invoice("USD", "7.00"));
    let intent = collected["payment_intent_id"].as_i64().expect("an intent");
    vec![
        party,
        counterparty,
        payer,
        payee,
        session,
        transfer,
        refund,
        draft,
        item,
        invoice,
        checkout,
        intent,
        shop.wallet("USD"),
    ]
}

impl Target {
    fn open() -> Self {
        let database = Database::new();
        let credentials = database.merchant("First Shop");
        let mut server = Server::spawn(database.clone(), &[]);
        let shop = server.sign_in(&credentials);
        let ids = stocked(&shop);
        server.terminate();
        let place: store::Database = database.url().parse().expect("a database");
        let stores = place.stores().expect("stores");
        let runtime = Runtime::new().expect("a runtime");
        database.give_secrets_key();
        let secrets_key = database.secrets_key().map_or(KeyFile::Unknown, KeyFile::Given);
        let config = Config { sandbox_delay: Duration::ZERO, secrets_key, ..Config::default() };
        let inner = runtime.block_on(InProcess::start(&place, stores, config)).expect("a server");
        Self {
            router: kola::api::router(inner.app().clone()),
            runtime,
            token: shop.api.token.expect("a token"),
            operations: Operations::read(ids, &[key(), soon()]),
            _server: inner,
            _database: database,
        }
    }

    /// The status, if the document has it for such a request; otherwise what is wrong.
    fn try_request(&self, request: &Request) -> Result<u16, String> {
        // Nobody can send a request that cannot be written as HTTP.
        let Some(sent) = request.to_http(&self.token) else { return Ok(0) };
        let (status, kind, body) = self.runtime.block_on(async {
            let answer = self
                .router
                .clone()
                .oneshot(sent.map(Body::from))
                .await
                .expect("a router does not fail");
            let kind = answer.headers().get(CONTENT_TYPE).cloned();
            (
                answer.status().as_u16(),
                kind,
                to_bytes(answer.into_body(), 10_000_000).await.expect("a body"),
            )
        });
        let said = String::from_utf8_lossy(&body);
        if status >= 500 {
            return Err(format!("{status}: {said}"));
        }
        if !self.operations.allows(request, status) {
            return Err(format!("{status} is not in the document: {said}"));
        }
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_so = match kind.split(';').next() {
            Some("text/csv") => true,
            Some("application/pdf") => body.starts_with(b"%PDF-"),
            _ => serde_json::from_slice::<serde_json::Value>(&body).is_ok(),
        };
        if !is_so {
            return Err(format!("{status}, and no {kind}: {said}"));
        }
        Ok(status)
    }
}

#[test]
fn no_request_breaks_the_router() {
    let target = Target::open();
    for (name, request) in request::corpus(Path::new(CORPUS)) {
        target.try_request(&request).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let runs =
        Runs { cases: 100, failure_persistence: None, max_shrink_time: 5_000, ..Runs::default() };
    let requests = target.operations.requests();
    let seen = RefCell::new(BTreeMap::<u16, u32>::new());
    let enough = |seen: &BTreeMap<u16, u32>| {
        let each =
            [200, 404, 422].iter().all(|status| seen.get(status).is_some_and(|count| *count >= 20));
        each && seen.values().sum::<u32>() >= REQUESTS
    };
    let start = Instant::now();
    // A slow machine may take longer.
    while start.elapsed() < LENGTH || (start.elapsed() < 20 * LENGTH && !enough(&seen.borrow())) {
        // Each run makes other requests. A request that fails is printed in the form of the corpus.
        let mut runner = TestRunner::new_with_rng(
            runs.clone(),
            TestRng::from_seed(RngAlgorithm::ChaCha, &seed()),
        );
        let outcome = runner.run(&requests, |request| {
            let tried = target.try_request(&request);
            let status = tried
                .map_err(|error| TestCaseError::fail(format!("{error}\n{}", json!(request))))?;
            *seen.borrow_mut().entry(status).or_default() += 1;
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("keep this in {CORPUS}: {error}"));
    }
    let seen = seen.into_inner();
    writeln!(std::io::stderr(), "requests by their answers: {seen:?}").expect("stderr");
    // If nearly all requests were refused by the first checks, the run would find nothing.
    assert!(enough(&seen), "too few: {seen:?}");
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("randomness");
    seed
}

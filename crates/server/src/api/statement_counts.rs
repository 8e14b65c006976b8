//! The number of SQL statements of a list must not depend on the length of its page.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use domain::kernel::ids::ApiKeyId;
use domain::payments::receipt_code::ReceiptCodes;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::api::DOCUMENT;
use crate::app::{App, AppParts};
use crate::config::Config;
use crate::credentials::hashing::HashingPool;
use crate::credentials::tokens::Tokens;
use crate::engine::{Engine, Options};
use crate::jobs::dispatch::Dispatcher;
use crate::net::response_permits::ResponsePermits;
use crate::sockets::Sockets;
use crate::telemetry::metrics::{EngineMetrics, NetworkMetrics};
use networks::ProviderRouter;
use networks::sandbox::Sandbox;
use store::clock;
use store::testing::{Stage, fill, take_reads};

/// The API without workers, who would ask for things of their own; and a token of the first
/// merchant's.
fn api(stage: &Stage) -> (Router, String) {
    let stores = stage.database.stores().unwrap();
    let keys = stage.ask(async |q| q.for_system().signing_keys().await.unwrap());
    let _within = stage.runtime.enter();
    let config = Config::default();
    let options = Options {
        settings: config.settings,
        batch_max: config.batch_max,
        clock: Arc::new(clock::now),
        write_message: Arc::new(|_, _, _| String::new()),
        metrics: EngineMetrics::unread(),
        traces: crate::telemetry::traces::Traces::default(),
    };
    let (engine, _lanes) = Engine::start(stores, &options).unwrap();
    let (callbacks, _inbox) = mpsc::channel(1);
    let tokens = Arc::new(Tokens::new(&keys));
    let token = tokens.issue(ApiKeyId(10), clock::now()).unwrap();
    let permits = || ResponsePermits::new(1, Duration::ZERO);
    let dispatcher = Dispatcher::new(
        engine.clone(),
        ProviderRouter::sandbox_only(Arc::new(Sandbox::new(Duration::ZERO, callbacks))),
        NetworkMetrics::unread(),
    );
    let queries = stage.queries.clone();
    let config = Arc::new(config);
    let app = App::new(AppParts {
        engine,
        queries,
        tokens,
        hashing: HashingPool::new(),
        dispatcher,
        limits: None,
        receipt_codes: ReceiptCodes::new(&[0; 16]),
        receipt_guesses: Arc::default(),
        unmatched_callbacks: Arc::default(),
        requests: Arc::default(),
        figures: Arc::default(),
        lists: permits(),
        details: permits(),
        pages: permits(),
        pdfs: permits(),
        streams: permits(),
        sockets: Sockets::new(1),
        stopping: tokio::sync::watch::Sender::new(false),
        webhooks: Arc::default(),
        metrics: Arc::default(),
        config,
    });
    (crate::api::router(app), token)
}

/// How many rows a path answers, and with how many statements.
fn asked(stage: &Stage, router: &Router, token: &str, path: &str) -> (usize, usize) {
    take_reads();
    let request = Request::builder()
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let body = stage.ask(async |_| {
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        to_bytes(response.into_body(), usize::MAX).await.unwrap()
    });
    let Ok(Value::Array(rows)) = serde_json::from_slice(&body) else { panic!("{path}: no list") };
    (rows.len(), take_reads().len())
}

#[test]
fn no_list_asks_for_each_of_its_rows() {
    let document: Value = serde_json::from_str(&DOCUMENT).unwrap();
    let is_list = |path: &Value| !path["get"]["responses"]["200"]["headers"]["Link"].is_null();
    let paths = document["paths"].as_object().unwrap().iter().filter(|(_, path)| is_list(path));
    // The last requests are no rows: the database is not asked for them.
    let paths = paths.filter(|(name, _)| *name != "/v1/requests/list");
    let paths: Vec<String> =
        paths.map(|(path, _)| path.replace("{kind}", "checkout").replace("{id}", "10")).collect();
    assert!(paths.len() >= 11, "{paths:?}");
    for mut stage in Stage::both() {
        fill(&mut stage);
        // Checkouts say what they are for; events have entries, and a wallet has, too.
        stage.fill(
            "UPDATE sessions SET kind = {session_kind CHECKOUT}, source_id = id, wallet_id = NULL, amount_minor = NULL, currency = NULL",
        );
        // What is under way has an attempt.
        stage.fill(
            "UPDATE executions SET status = {execution_status PROCESSING}, completed_at = NULL",
        );
        stage.fill("UPDATE sources SET type = 'ORDER' WHERE id % 16 < 8");
        stage.fill("UPDATE wallets SET last_entry_id = 2010 WHERE id = 10");
        let (router, token) = api(&stage);
        for path in &paths {
            let [(few, for_few), (many, for_many)] = [2, 200]
                .map(|limit| asked(&stage, &router, &token, &format!("{path}?limit={limit}")));
            assert!(path.ends_with("/tiers") || (few, many) == (2, 200), "{path}: {few}, {many}");
            assert_eq!(for_many, for_few, "{path}");
            assert!((1..=5).contains(&for_many), "{path}: {for_many}");
        }
    }
}

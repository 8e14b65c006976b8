//! The HTTP API: the only place that knows JSON and status codes.
//!
//! One file a resource: payloads, responses, handlers, routes, in this order. The types of request
//! fields are in [`fields`]. The caller is a [`Tenant`](crate::net::principal::Tenant); every read
//! and every command of a handler is limited to it.

pub mod api_keys;
pub mod approvals;
pub mod audit;
pub mod auth;
pub mod checkouts;
pub mod counterparties;
pub mod describe;
pub mod docs;
pub mod error;
pub mod event_stream;
pub mod event_types;
pub mod events;
pub mod executions;
pub mod extract;
pub mod fees;
pub mod fields;
pub mod figures;
pub mod health;
pub mod links;
pub mod listing;
pub mod merchants;
pub mod messages;
pub mod names;
pub mod openapi;
pub mod parties;
pub mod passcode;
pub mod payment_accounts;
pub mod payment_intents;
pub mod payment_links;
pub mod payments;
pub mod predictions;
pub mod realtime_keys;
pub mod refusals;
pub mod requests;
pub mod response;
pub mod reviews;
pub mod routes;
pub mod sandbox;
pub mod search;
pub mod sessions;
pub mod sources;
pub mod status;
pub mod wallets;
pub mod webhook_deliveries;
pub mod webhook_endpoints;

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::middleware::{from_fn, from_fn_with_state};

use crate::app::App;
use crate::callbacks;
use crate::net::{cors, limits, unread};
use crate::sockets;
use crate::web;
use describe::Route;
use routes::{Finishing, Routes};

/// The operations of the API.
fn api() -> Routes {
    auth::routes()
        .and(parties::routes())
        .and(counterparties::routes())
        .and(sources::routes())
        .and(checkouts::routes())
        .and(links::routes())
        .and(payment_links::routes())
        .and(web::routes())
        .and(sessions::routes())
        .and(executions::routes())
        .and(approvals::routes())
        .and(reviews::routes())
        .and(status::routes())
        .and(payment_accounts::routes())
        .and(payment_intents::routes())
        .and(search::routes())
        .and(figures::routes())
        .and(wallets::routes())
        .and(event_stream::routes())
        .and(event_types::routes())
        .and(webhook_endpoints::routes())
        .and(webhook_deliveries::routes())
        .and(events::routes())
        .and(api_keys::routes())
        .and(audit::routes())
        .and(requests::routes())
        .and(passcode::routes())
        .and(predictions::routes())
        .and(fees::routes())
        .and(merchants::routes())
        .and(realtime_keys::routes())
        .and(sandbox::routes())
        .and(callbacks::routes())
        .and(sockets::routes())
        .and(health::routes())
}

/// The OpenAPI document of the whole API, as it is checked in and served.
pub static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| format!("{:#}\n", openapi::document(&api())));

fn all() -> Routes {
    api().and(openapi::routes(&DOCUMENT)).and(docs::routes())
}

/// The names of the operations, by method and path.
static OPERATIONS: LazyLock<HashMap<(&'static str, &'static str), &'static str>> =
    LazyLock::new(|| {
        let named = |route: &Route| Some(((route.method, route.path), route.operation_id()?));
        api().list().iter().filter_map(named).collect()
    });

/// The operation, by its method and the path with its parameters.
#[must_use]
pub fn operation_id(method: &str, path: &str) -> Option<&'static str> {
    OPERATIONS.get(&(method, path)).copied()
}

/// The names of all operations, in order.
pub static OPERATION_IDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names: Vec<&'static str> = OPERATIONS.values().copied().collect();
    names.sort_unstable();
    names
});

/// Every route, as method and path.
#[must_use]
pub fn route_list() -> Vec<(String, String)> {
    all().list().iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect()
}

/// The API of a server.
pub fn router(app: App) -> axum::Router {
    let routes = if app.config.bench_routes { all().and(health::bench_routes()) } else { all() };
    let (limits, origins) = (app.limits.clone(), app.config.cors_origins.clone());
    let finishing = Finishing {
        languages: app.config.page_languages,
        metrics: app.metrics.http.clone(),
        traces: app.engine.traces().clone(),
    };
    let mut router = routes.build(app, finishing);
    if let Some(limits) = limits {
        router = router.layer(from_fn_with_state(limits, limits::add_headers));
    }
    if !origins.is_empty() {
        router = router.layer(cors::layer(&origins));
    }
    router.layer(from_fn(unread::discard_unread))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;

    fn sources_below(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources_below(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                text.push_str(source.split("#[cfg(test)]\nmod tests {").next().unwrap());
            }
        }
    }

    /// A search of the sources for a path finds its handler.
    #[test]
    fn every_path_stands_literally_in_the_sources() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = String::new();
        for part in ["api", "callbacks", "sockets", "web"] {
            sources_below(&folder.join(part), &mut sources);
        }
        for (method, path) in route_list() {
            assert!(sources.contains(&format!("\"{path}\"")), "{method} {path} is composed");
        }
    }

    #[test]
    fn no_route_is_there_twice() {
        let list = route_list();
        let distinct: HashSet<_> = list.iter().collect();
        assert_eq!(distinct.len(), list.len());
        assert!(
            list.contains(&(
                "PUT".to_owned(),
                "/v1/orders/{order_id}/items/{id}/update".to_owned()
            ))
        );
        assert!(list.iter().all(|(_, path)| {
            path.starts_with("/v1/")
                || path == "/app"
                || path.starts_with("/app/")
                || [
                    "/",
                    "/healthz",
                    "/readyz",
                    "/openapi.json",
                    "/docs",
                    "/l/{token}",
                    "/l/{token}/qr.svg",
                    "/pay/{token}",
                    "/pay/{token}/qr.svg",
                    "/pay/{token}/changes",
                    "/assets/{name}",
                    "/receipt/{token}",
                    "/verify",
                    "/realtime/v1/websocket",
                    "/callbacks/pawapay/{account}/{token}",
                    "/callbacks/stripe/{account}/{token}",
                ]
                .contains(&path.as_str())
        }));
    }
}

#[cfg(test)]
mod statement_counts;

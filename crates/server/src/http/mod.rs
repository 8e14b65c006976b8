//! The HTTP API: the only place that knows JSON and status codes.
//!
//! One file a resource: what it takes, what it answers, its handlers, its routes. What a request may say is declared in
//! [`fields`]; who calls comes from [`auth::Tenant`], without which a handler cannot read a row.

pub mod answer;
pub mod api_keys;
pub mod auth;
pub mod counterparties;
pub mod error;
pub mod events;
pub mod executions;
pub mod extract;
pub mod fields;
pub mod health;
pub mod limits;
pub mod parties;
pub mod passcode;
pub mod payment_accounts;
pub mod payment_intents;
pub mod routes;
pub mod sandbox;
pub mod sessions;
pub mod sources;
pub mod status;
pub mod wallets;

use axum::middleware::from_fn_with_state;

use crate::app::App;
use routes::Routes;

fn all() -> Routes {
    auth::routes()
        .and(parties::routes())
        .and(counterparties::routes())
        .and(sources::routes::<sources::Invoices>())
        .and(sources::routes::<sources::Orders>())
        .and(sessions::routes())
        .and(executions::routes())
        .and(status::routes())
        .and(payment_accounts::routes())
        .and(payment_intents::routes())
        .and(wallets::routes())
        .and(events::routes())
        .and(api_keys::routes())
        .and(passcode::routes())
        .and(sandbox::routes())
        .and(health::routes())
}

/// Every route, as method and path.
#[must_use]
pub fn route_list() -> Vec<(String, String)> {
    all().list()
}

/// The API of a server.
pub fn router(app: App) -> axum::Router {
    let routes = if app.config.bench_routes { all().and(health::bench_routes()) } else { all() };
    match app.limits.clone() {
        Some(limits) => routes.build(app).layer(from_fn_with_state(limits, limits::show)),
        None => routes.build(app),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_route_is_there_twice() {
        let list = all().and(health::bench_routes()).list();
        let distinct: HashSet<_> = list.iter().collect();
        assert_eq!(distinct.len(), list.len());
        assert_eq!(list.len(), 67);
        assert!(list.contains(&("PUT".to_owned(), "/v1/orders/{order_id}/items/{id}/update".to_owned())));
        assert!(list.iter().all(|(_, path)| path == "/healthz" || path.starts_with("/v1/")));
    }
}

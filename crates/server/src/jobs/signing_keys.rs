//! Reloads the signing keys, which may be rotated while the server runs.

use std::sync::Arc;
use std::time::Duration;

use crate::credentials::tokens::Tokens;
use store::reads::Queries;

/// How often the keys are read. For so long a request that only reads may be served with a token of
/// a retired key. Obtaining a token reads the keys, too.
const EVERY: Duration = Duration::from_secs(2);

/// Reads the keys, for ever.
pub async fn run(queries: Queries, tokens: Arc<Tokens>) {
    loop {
        tokio::time::sleep(EVERY).await;
        match queries.for_system().signing_keys().await {
            Ok(keys) => tokens.replace(&keys),
            Err(error) => tracing::warn!(%error, "signing keys could not be read"),
        }
    }
}

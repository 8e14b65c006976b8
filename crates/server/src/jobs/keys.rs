//! Takes up signing keys that were rotated while the server runs.

use std::sync::Arc;
use std::time::Duration;

use crate::credentials::tokens::Tokens;
use store::reads::Queries;

/// How often the keys are read: for so long a retired key may still be honoured by what only reads.
/// Whoever obtains a token has them read, too.
const EVERY: Duration = Duration::from_secs(2);

/// Reads the keys now and then, for ever.
pub async fn run(queries: Queries, tokens: Arc<Tokens>) {
    loop {
        tokio::time::sleep(EVERY).await;
        match queries.signing_keys().await {
            Ok(keys) => tokens.replace(&keys),
            Err(error) => tracing::warn!(%error, "signing keys could not be read"),
        }
    }
}

//! Takes up signing keys that were rotated while the server runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::app::signing_keys;
use crate::http::auth::Tokens;
use crate::store::sqlite;

/// How often the keys are read.
const EVERY: Duration = Duration::from_secs(30);

/// Reads the keys now and then, for ever.
pub async fn run(database: PathBuf, tokens: Arc<Tokens>) {
    loop {
        tokio::time::sleep(EVERY).await;
        match sqlite::open(&database).and_then(|connection| signing_keys(&connection)) {
            Ok(keys) => tokens.replace(&keys),
            Err(error) => tracing::warn!(%error, "signing keys could not be read"),
        }
    }
}

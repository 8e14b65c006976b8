//! Gives the batches of all lanes one order and links each to the one before, a moment after they are
//! committed: see [`ChainBatches`]. Also brings the rows into the chain that were there before it.

use std::time::{Duration, Instant};

use domain::directory::principal::Principal;
use domain::kernel::ids::MerchantId;
use domain::ledger::batch_chain::{Batch, BatchChain, ChainBatches, NewLink};

use crate::app::App;
use crate::credentials::sealing::SealingKey;
use store::{chain, clock};

/// How often batches are looked for that are not chained.
const EVERY: Duration = Duration::from_millis(500);
/// How many batches are chained in one commit, so that no payment waits long for it.
const BATCHES_AT_ONCE: u32 = 250;
/// How many older rows of each table come into the chain in one commit.
const OLDER_ROWS_AT_ONCE: u32 = 2_000;
/// The pause between two commits, in which payments go on.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is logged that nothing can be chained.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Chains batches, for ever.
pub async fn run(app: App) {
    let holder = i64::from_be_bytes(clock::random_number().to_be_bytes());
    let mut logged: Option<Instant> = None;
    loop {
        let pause = match chain_once(&app, holder).await {
            Ok(true) => PAUSE,
            Ok(false) => EVERY,
            Err(error) => {
                if logged.is_none_or(|logged| logged.elapsed() > LOG_EVERY) {
                    logged = Some(Instant::now());
                    tracing::warn!("batches could not be chained: {error:#}");
                }
                EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Chains what is there, up to a limit. Returns whether there may be more.
async fn chain_once(app: &App, holder: i64) -> anyhow::Result<bool> {
    let reads = app.queries.for_system();
    let end = reads.batch_chain().await?;
    if end.is_leased(holder, clock::now()) {
        return Ok(false);
    }
    // Read after the end: what another process chains in between is refused, since the end has moved.
    let batches = reads.batches_to_chain(BATCHES_AT_ONCE).await?;
    let older = reads.older_rows(&end, OLDER_ROWS_AT_ONCE).await?;
    if batches.is_empty() && older.is_none() {
        return Ok(false);
    }
    let key = app.config.secrets_key.read_if_there()?;
    let may_be_more = older.is_some() || u32::try_from(batches.len()) == Ok(BATCHES_AT_ONCE);
    let links = links(&end, &batches, key.as_ref())?;
    let chain = ChainBatches { holder, after: (end.position, end.link), older, links };
    let done = app.engine.submit_for(MerchantId::INSTALLATION, Principal::System, chain).await?;
    Ok(done && may_be_more)
}

/// The links of these batches after the end of the chain.
///
/// # Errors
/// There is no key, and the chain has links that were made with one: a link without a key could be
/// anybody's.
fn links(
    end: &BatchChain,
    batches: &[Batch],
    key: Option<&SealingKey>,
) -> anyhow::Result<Vec<NewLink>> {
    if let (Some(id), None) = (&end.link_key_id, key) {
        anyhow::bail!(
            "the last link was made with the secrets key {id}: they wait until its file is put back"
        );
    }
    let (mut before, mut links) = (end.link, Vec::with_capacity(batches.len()));
    for (position, batch) in (end.position.saturating_add(1)..).zip(batches) {
        before = chain::link(key.map(SealingKey::link_key), before, position, batch);
        let key_id = key.map(|key| key.id().to_owned());
        links.push(NewLink { batch_id: batch.id, link: before, key_id });
    }
    Ok(links)
}

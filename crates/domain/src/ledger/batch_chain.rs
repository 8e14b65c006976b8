//! The chain of batches, by which a change of what was committed is noticed.
//!
//! Each commit that inserts ledger entries or events inserts one batch, too: the range of their ids
//! and a digest of all of them and of its lane's batch before. The store computes both; a decision
//! never sees them. Somewhat later a job gives the batches of all lanes one order and links each to
//! the one before: [`ChainBatches`].

use crate::decision::row::{Lookup, rows_without_alt_key};
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::digest::Digest;
use crate::kernel::ids::{BatchChainId, BatchId, ChainKeyId};
use crate::kernel::time::{ServerTime, seconds};
use crate::mutant;
use crate::payments::attempt::MAX_CLOCK_SKEW_US;

/// For how long one process alone chains batches, in microseconds. It extends its lease each time.
pub const LEASE_US: i64 = seconds(5);

/// What one commit inserted, of the ids that it took from one block. A commit that went on with
/// another block has a batch for each, because another process may have the ids between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// The first id of its range.
    pub id: BatchId,
    /// The first id after its range.
    pub end_id: i64,
    /// The batch before of the same lane. A lane's first one follows the newest batch that was there
    /// when the lane began. `None` only while there are no others.
    pub previous_id: Option<BatchId>,
    /// The server's time of the last of its rows that has one.
    pub created_at: ServerTime,
    /// Of its range, of all rows in it, and of the digest of the batch before.
    pub digest: Digest,
    /// Four characters for each row, which tell which of them was changed. `None` for rows that
    /// were there before the chain.
    pub marks: Option<String>,
    /// Its place in the order of all lanes, from 1; `None` until it is chained.
    pub position: Option<i64>,
    /// Of the link before, of the position and of the batch.
    pub link: Option<Digest>,
    /// Names the key that the link was made with; `None` for one that was made without.
    pub link_key_id: Option<String>,
}

/// The end of the chain: one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchChain {
    pub id: BatchChainId,
    /// How many batches are chained: the position of the last one.
    pub position: i64,
    /// Its link; [`Digest::ZERO`] while there is none.
    pub link: Digest,
    /// Names the key of the last link.
    pub link_key_id: Option<String>,
    /// Rows with ids below `older_end_id` were there before the chain. Those from `older_next_id` on
    /// are not in it yet.
    pub older_next_id: i64,
    pub older_end_id: i64,
    /// The process that chains until `leased_until`.
    pub holder: i64,
    pub leased_until: ServerTime,
}

impl BatchChain {
    /// The id of the only row.
    pub const ID: BatchChainId = BatchChainId(1);

    /// Whether another process than `holder` has the lease. One that ends later than any that is
    /// given now was given by a clock that has been set back since.
    #[must_use]
    pub fn is_leased(&self, holder: i64, now: ServerTime) -> bool {
        let left = self.leased_until.since(now);
        self.holder != holder && left > 0 && left <= LEASE_US + MAX_CLOCK_SKEW_US
    }
}

/// A key that links were made with before the secrets key was changed: encrypted with the one of now,
/// so that these links can still be checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainKey {
    pub id: ChainKeyId,
    /// Names the secrets key that it was derived from.
    pub key_id: String,
    /// Encrypted, in Base64.
    pub sealed: String,
    /// Names the key that it is encrypted with.
    pub sealed_key_id: String,
}

/// A key of links that was encrypted by the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedLinkKey {
    pub key_id: String,
    pub sealed: String,
    pub sealed_key_id: String,
}

rows_without_alt_key!(Batch: BatchId, BatchChain: BatchChainId, ChainKey: ChainKeyId);

/// Rows that were there before the chain, up to `next_id`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OlderRows {
    /// `None` where there are none of them.
    pub batch: Option<Batch>,
    pub next_id: i64,
}

/// The next link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLink {
    pub batch_id: BatchId,
    pub link: Digest,
    pub key_id: Option<String>,
}

/// Appends batches to the chain. The caller has read the chain's end and computed the links; it is
/// accepted while that is still the end and no other process has the lease.
///
/// Its output is whether it was accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainBatches {
    /// The process that asks.
    pub holder: i64,
    /// The position and the link that the first new link follows.
    pub after: (i64, Digest),
    pub older: Option<OlderRows>,
    pub links: Vec<NewLink>,
}

impl Decision for ChainBatches {
    type Output = bool;

    fn lock_key(&self) -> Option<LockKey> {
        Some(LockKey { key: RowKey::BatchChain(Lookup::Id(BatchChain::ID)), owner: None })
    }

    fn hints(&self) -> Vec<RowKey> {
        let batch = |new: &NewLink| RowKey::Batch(Lookup::Id(new.batch_id));
        self.links.iter().map(batch).collect()
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<bool, Stop> {
        let mut chain = (*work.require::<BatchChain>(BatchChain::ID)?).clone();
        if chain.is_leased(self.holder, context.now) {
            return Ok(false);
        }
        if (chain.position, chain.link) != self.after && !mutant!(ChainedTwice) {
            return Ok(false);
        }
        if let Some(OlderRows { batch, next_id }) = &self.older {
            if let Some(batch) = batch {
                if chain.older_next_id > batch.id.0 {
                    return Ok(false);
                }
                // That it is not there yet is loaded, too.
                work.get::<Batch>(batch.id)?;
                work.put(batch.clone());
            }
            chain.older_next_id = chain.older_next_id.max(*next_id);
        }
        for new in &self.links {
            let batch = work.require::<Batch>(new.batch_id)?;
            chain.position += 1;
            chain.link = new.link;
            chain.link_key_id.clone_from(&new.key_id);
            if mutant!(LinkSkipped) && chain.position % 8 == 0 {
                continue;
            }
            work.put(Batch {
                position: Some(chain.position),
                link: Some(new.link),
                link_key_id: new.key_id.clone(),
                ..(*batch).clone()
            });
        }
        chain.holder = self.holder;
        chain.leased_until = context.now.plus(LEASE_US);
        work.put(chain);
        Ok(true)
    }
}

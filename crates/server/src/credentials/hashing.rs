//! A small pool of memory for passcode hashes, shared fairly among merchants.
//!
//! A hash needs 19 MiB. If each took them from the allocator, many hashes at once would leave the
//! process with a block for each thread that ever hashed. So there are a few blocks, allocated when
//! they are first needed and used again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::kernel::ids::MerchantId;
use tokio::sync::oneshot;

use crate::credentials::secrets::HashMemory;

/// The most blocks: 57 MiB. More would hash no faster than there are cores.
const BLOCKS_MAX: usize = 3;
/// At least two, so that one merchant never has all of them.
const BLOCKS_MIN: usize = 2;
/// How long a request waits for a block.
const WAIT: Duration = Duration::from_secs(10);

/// The blocks of the process. Clones share them.
#[derive(Clone)]
pub struct HashingPool(Arc<Mutex<Pool>>);

/// A merchant's use of a block. Dropping it passes the block on to whoever waits.
pub struct HashingPermit {
    pool: HashingPool,
    merchant: MerchantId,
    /// `None` only while a hash is computed, or the block is passed on.
    memory: Option<HashMemory>,
}

struct Pool {
    free: Vec<HashMemory>,
    /// How many blocks are not allocated yet.
    unallocated: usize,
    /// How many blocks a merchant may hold at once.
    share: usize,
    held: HashMap<MerchantId, usize>,
    /// The waiting merchants in the order of their turns, each with its callers in the order of
    /// arrival.
    waiting: VecDeque<(MerchantId, VecDeque<oneshot::Sender<HashingPermit>>)>,
}

impl Pool {
    fn has_share_left(&self, merchant: MerchantId) -> bool {
        self.held.get(&merchant).is_none_or(|held| *held < self.share)
    }

    /// A block for the merchant, if one is free and the merchant does not hold its share already.
    fn take(&mut self, merchant: MerchantId) -> Option<HashMemory> {
        if !self.has_share_left(merchant) {
            return None;
        }
        let memory = match self.free.pop() {
            Some(memory) => memory,
            None => {
                self.unallocated = self.unallocated.checked_sub(1)?;
                HashMemory::new()
            }
        };
        *self.held.entry(merchant).or_default() += 1;
        Some(memory)
    }

    fn give_back(&mut self, merchant: MerchantId, memory: HashMemory) {
        self.free.push(memory);
        if let Some(held) = self.held.get_mut(&merchant) {
            *held -= 1;
        }
        self.held.retain(|_, held| *held > 0);
    }

    /// Takes a free block for the next caller. Its merchant's other callers then queue behind all
    /// other merchants.
    fn next(&mut self) -> Option<(oneshot::Sender<HashingPermit>, MerchantId, HashMemory)> {
        let turn = self.waiting.iter().position(|(merchant, _)| self.has_share_left(*merchant))?;
        let merchant = self.waiting.get(turn)?.0;
        let memory = self.take(merchant)?;
        let (_, mut callers) = self.waiting.remove(turn)?;
        let caller = callers.pop_front();
        if !callers.is_empty() {
            self.waiting.push_back((merchant, callers));
        }
        match caller {
            Some(caller) => Some((caller, merchant, memory)),
            None => {
                self.give_back(merchant, memory);
                None
            }
        }
    }
}

impl HashingPool {
    /// A pool of one block for each core, within bounds.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_blocks(cores.clamp(BLOCKS_MIN, BLOCKS_MAX))
    }

    fn with_blocks(blocks: usize) -> Self {
        Self(Arc::new(Mutex::new(Pool {
            free: vec![],
            unallocated: blocks,
            share: blocks.saturating_sub(1).max(1),
            held: HashMap::new(),
            waiting: VecDeque::new(),
        })))
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the merchant's turn; `None` when it does not come in time.
    pub async fn acquire(&self, merchant: MerchantId) -> Option<HashingPermit> {
        let turn = match self.take_or_queue(merchant) {
            Ok(permit) => return Some(permit),
            Err(turn) => turn,
        };
        tokio::time::timeout(WAIT, turn).await.ok()?.ok()
    }

    fn take_or_queue(
        &self,
        merchant: MerchantId,
    ) -> Result<HashingPermit, oneshot::Receiver<HashingPermit>> {
        let mut pool = self.pool();
        if let Some(memory) = pool.take(merchant) {
            return Ok(HashingPermit { pool: self.clone(), merchant, memory: Some(memory) });
        }
        let (caller, turn) = oneshot::channel();
        match pool.waiting.iter_mut().find(|(other, _)| *other == merchant) {
            Some((_, callers)) => {
                // Callers that gave up would make the queue grow.
                callers.retain(|caller| !caller.is_closed());
                callers.push_back(caller);
            }
            None => pool.waiting.push_back((merchant, VecDeque::from([caller]))),
        }
        Err(turn)
    }

    /// Passes free blocks on to waiting callers.
    fn pass_on(&self) {
        loop {
            let Some((caller, merchant, memory)) = self.pool().next() else { return };
            let permit = HashingPermit { pool: self.clone(), merchant, memory: Some(memory) };
            if let Err(mut refused) = caller.send(permit) {
                // The caller went away: the block goes to the next one. Not by dropping the permit,
                // which would call this function again.
                if let Some(memory) = refused.memory.take() {
                    self.pool().give_back(merchant, memory);
                }
            }
        }
    }
}

impl Default for HashingPool {
    fn default() -> Self {
        Self::new()
    }
}

impl HashingPermit {
    /// Computes a hash on a thread that serves no requests. `None` when `work` panicked.
    pub async fn run_blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Option<T> {
        // The block moves to the thread: if it stayed here, a caller that goes away would pass it on
        // while it is being written to.
        let mut permit =
            Self { pool: self.pool.clone(), merchant: self.merchant, memory: self.memory.take() };
        let worked = tokio::task::spawn_blocking(move || {
            let done = permit.memory.as_mut().map(work);
            (done, permit)
        });
        let (done, mut permit) = worked.await.ok()?;
        self.memory = permit.memory.take();
        done
    }
}

impl Drop for HashingPermit {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.pool.pool().give_back(self.merchant, memory);
            self.pool.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: MerchantId = MerchantId(1);
    const OTHER: MerchantId = MerchantId(2);

    fn waiting(hashing: &HashingPool, merchant: MerchantId) -> oneshot::Receiver<HashingPermit> {
        hashing.take_or_queue(merchant).err().expect("a turn to wait for")
    }

    #[tokio::test]
    async fn one_merchant_never_has_all_blocks() {
        let hashing = HashingPool::with_blocks(3);
        let held = [hashing.acquire(ONE).await.unwrap(), hashing.acquire(ONE).await.unwrap()];
        let mut turn = waiting(&hashing, ONE);
        let other = hashing.take_or_queue(OTHER).ok().expect("at once");
        assert!(turn.try_recv().is_err());
        drop(other);
        assert!(turn.try_recv().is_err(), "a free block is left to others");
        drop(held);
        assert!(turn.try_recv().is_ok());
    }

    #[tokio::test]
    async fn who_waits_has_turns_by_merchant() {
        let hashing = HashingPool::with_blocks(1);
        let first = hashing.acquire(ONE).await.unwrap();
        let mut of_one: Vec<_> = (0..3).map(|_| waiting(&hashing, ONE)).collect();
        let mut of_other = waiting(&hashing, OTHER);
        drop(first);
        let second = of_one[0].try_recv().unwrap();
        drop(second);
        let third = of_other.try_recv().expect("its turn, before the crowd that came earlier");
        // Who went away is passed over, however many.
        of_one.remove(1);
        drop(third);
        assert!(of_one[1].try_recv().is_ok());
    }

    #[tokio::test]
    async fn a_block_comes_back_from_a_caller_that_goes_away() {
        let hashing = HashingPool::with_blocks(1);
        let mut permit = hashing.acquire(ONE).await.unwrap();
        let (begun, started) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = tokio::spawn(async move {
            permit
                .run_blocking(move |_| {
                    begun.send(()).unwrap();
                    let _ = ended.recv();
                })
                .await
        });
        tokio::task::spawn_blocking(move || started.recv().unwrap()).await.unwrap();
        let mut turn = waiting(&hashing, OTHER);
        work.abort();
        assert!(work.await.is_err());
        assert!(turn.try_recv().is_err(), "it is written to");
        end.send(()).unwrap();
        assert!(turn.await.is_ok());
    }

    #[tokio::test]
    async fn blocks_are_made_once_and_used_again() {
        let hashing = HashingPool::with_blocks(2);
        for n in 0..6 {
            let mut permit = hashing.acquire(MerchantId(n)).await.unwrap();
            assert_eq!(permit.run_blocking(move |_| n).await, Some(n));
        }
        let pool = hashing.pool();
        assert_eq!(
            (pool.free.len(), pool.unallocated, pool.held.len(), pool.waiting.len()),
            (1, 1, 0, 0)
        );
    }
}

//! One small pool of memory for passcode hashes, shared fairly.
//!
//! A hash takes 19 MiB. Where each takes them from the allocator, a crowd of them leaves them with
//! the process for good, a block for each thread that ever hashed; so there are a few blocks, made
//! when they are first needed and used again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::kernel::ids::MerchantId;
use tokio::sync::oneshot;

use crate::credentials::secrets::Scratch;

/// The most blocks: 57 MiB. More would hash no faster than there are cores.
const BLOCKS_MAX: usize = 3;
/// At least two, so that one merchant never has all of them.
const BLOCKS_MIN: usize = 2;
/// Whoever waits longer for a block is told to come back.
const WAIT: Duration = Duration::from_secs(10);

/// The blocks of a process. Clones share them.
#[derive(Clone)]
pub struct Hashing(Arc<Mutex<Pool>>);

/// A place to hash in. It is given on when it is dropped, also by a caller that went away.
pub struct Place {
    pool: Hashing,
    merchant: MerchantId,
    /// `None` only when the place is being given on.
    scratch: Option<Scratch>,
}

struct Pool {
    free: Vec<Scratch>,
    /// Blocks that were never needed so far.
    unmade: usize,
    /// So many a merchant may have at once.
    share: usize,
    held: HashMap<MerchantId, usize>,
    /// Merchants that wait, in the order of their turns, each with its callers in the order in
    /// which they came.
    waiting: VecDeque<(MerchantId, VecDeque<oneshot::Sender<Place>>)>,
}

impl Pool {
    fn has_share_left(&self, merchant: MerchantId) -> bool {
        self.held.get(&merchant).is_none_or(|held| *held < self.share)
    }

    /// A block for this merchant, if one is free and it has not its share of them already.
    fn take(&mut self, merchant: MerchantId) -> Option<Scratch> {
        if !self.has_share_left(merchant) {
            return None;
        }
        let scratch = match self.free.pop() {
            Some(scratch) => scratch,
            None => {
                self.unmade = self.unmade.checked_sub(1)?;
                Scratch::new()
            }
        };
        *self.held.entry(merchant).or_default() += 1;
        Some(scratch)
    }

    fn give_back(&mut self, merchant: MerchantId, scratch: Scratch) {
        self.free.push(scratch);
        if let Some(held) = self.held.get_mut(&merchant) {
            *held -= 1;
        }
        self.held.retain(|_, held| *held > 0);
    }

    /// The next who gets a block. Its merchant then waits for another turn behind all others.
    fn next(&mut self) -> Option<(oneshot::Sender<Place>, MerchantId, Scratch)> {
        let place = self.waiting.iter().position(|(merchant, _)| self.has_share_left(*merchant))?;
        let merchant = self.waiting.get(place)?.0;
        let scratch = self.take(merchant)?;
        let (_, mut callers) = self.waiting.remove(place)?;
        let caller = callers.pop_front();
        if !callers.is_empty() {
            self.waiting.push_back((merchant, callers));
        }
        match caller {
            Some(caller) => Some((caller, merchant, scratch)),
            None => {
                self.give_back(merchant, scratch);
                None
            }
        }
    }
}

impl Hashing {
    /// As many blocks as there are cores, within bounds.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_blocks(cores.clamp(BLOCKS_MIN, BLOCKS_MAX))
    }

    fn with_blocks(blocks: usize) -> Self {
        Self(Arc::new(Mutex::new(Pool {
            free: vec![],
            unmade: blocks,
            share: blocks.saturating_sub(1).max(1),
            held: HashMap::new(),
            waiting: VecDeque::new(),
        })))
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place to hash in, when it is this merchant's turn; `None` when that takes too long.
    pub async fn place(&self, merchant: MerchantId) -> Option<Place> {
        let place = match self.take_or_queue(merchant) {
            Ok(place) => return Some(place),
            Err(turn) => turn,
        };
        tokio::time::timeout(WAIT, place).await.ok()?.ok()
    }

    fn take_or_queue(&self, merchant: MerchantId) -> Result<Place, oneshot::Receiver<Place>> {
        let mut pool = self.pool();
        if let Some(scratch) = pool.take(merchant) {
            return Ok(Place { pool: self.clone(), merchant, scratch: Some(scratch) });
        }
        let (caller, turn) = oneshot::channel();
        match pool.waiting.iter_mut().find(|(other, _)| *other == merchant) {
            Some((_, callers)) => {
                // Who gave up while it waited is not kept.
                callers.retain(|caller| !caller.is_closed());
                callers.push_back(caller);
            }
            None => pool.waiting.push_back((merchant, VecDeque::from([caller]))),
        }
        Err(turn)
    }

    /// Gives free blocks to those who wait.
    fn give_on(&self) {
        loop {
            let Some((caller, merchant, scratch)) = self.pool().next() else { return };
            let place = Place { pool: self.clone(), merchant, scratch: Some(scratch) };
            if let Err(mut refused) = caller.send(place) {
                // It went away: the block goes to the next, here and not in the drop of the place,
                // which would come here again.
                if let Some(scratch) = refused.scratch.take() {
                    self.pool().give_back(merchant, scratch);
                }
            }
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// Hashes on a thread that serves no requests. `None` when it broke off.
    pub async fn apart<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Scratch) -> T + Send + 'static,
    ) -> Option<T> {
        // The place moves with the workspace: were it left here, a caller that goes away would give
        // it on while it is written to.
        let mut place =
            Self { pool: self.pool.clone(), merchant: self.merchant, scratch: self.scratch.take() };
        let worked = tokio::task::spawn_blocking(move || {
            let done = place.scratch.as_mut().map(work);
            (done, place)
        });
        let (done, mut place) = worked.await.ok()?;
        self.scratch = place.scratch.take();
        done
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            self.pool.pool().give_back(self.merchant, scratch);
            self.pool.give_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: MerchantId = MerchantId(1);
    const OTHER: MerchantId = MerchantId(2);

    fn waiting(hashing: &Hashing, merchant: MerchantId) -> oneshot::Receiver<Place> {
        hashing.take_or_queue(merchant).err().expect("a turn to wait for")
    }

    #[tokio::test]
    async fn one_merchant_never_has_all_blocks() {
        let hashing = Hashing::with_blocks(3);
        let held = [hashing.place(ONE).await.unwrap(), hashing.place(ONE).await.unwrap()];
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
        let hashing = Hashing::with_blocks(1);
        let first = hashing.place(ONE).await.unwrap();
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
        let hashing = Hashing::with_blocks(1);
        let mut place = hashing.place(ONE).await.unwrap();
        let (begun, started) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = tokio::spawn(async move {
            place
                .apart(move |_| {
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
        let hashing = Hashing::with_blocks(2);
        for n in 0..6 {
            let mut place = hashing.place(MerchantId(n)).await.unwrap();
            assert_eq!(place.apart(move |_| n).await, Some(n));
        }
        let pool = hashing.pool();
        assert_eq!(
            (pool.free.len(), pool.unmade, pool.held.len(), pool.waiting.len()),
            (1, 1, 0, 0)
        );
    }
}

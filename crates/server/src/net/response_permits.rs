//! Permits for responses that may be large: a merchant has a fixed number of them. A permit is held
//! from before the rows are read until the last byte is with the kernel or the connection is gone.
//! So the memory of such responses is bounded, and a client that reads slowly uses up only its own
//! merchant's permits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use domain::kernel::ids::MerchantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A response of at most this many bytes releases its permit at once: a connection may hold as much
/// memory for the body of a request.
const SMALL: usize = 64 * 1024;
/// How long a request waits for a permit.
pub const WAIT: Duration = Duration::from_secs(2);

/// The permits of all merchants that hold some or wait for one.
pub struct ResponsePermits {
    per_merchant: usize,
    wait: Duration,
    merchants: Mutex<HashMap<MerchantId, Arc<Semaphore>>>,
}

impl ResponsePermits {
    /// `per_merchant` permits for each merchant; a request waits for one at most `wait`.
    #[must_use]
    pub fn new(per_merchant: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self { per_merchant, wait, merchants: Mutex::default() })
    }

    /// Waits for a permit of the merchant; `None` when none becomes free in time.
    pub async fn acquire(self: &Arc<Self>, merchant: MerchantId) -> Option<ResponsePermit> {
        let mut pending = self.pending(merchant);
        let acquired = Arc::clone(&pending.semaphore).acquire_owned();
        let permit = tokio::time::timeout(self.wait, acquired).await;
        pending.permit = Some(permit.ok()?.ok()?);
        Some(pending)
    }

    /// How many permits are held, of all merchants together.
    #[must_use]
    pub fn taken(&self) -> usize {
        let merchants = self.merchants.lock().unwrap_or_else(PoisonError::into_inner);
        let held = |semaphore: &Arc<Semaphore>| self.per_merchant - semaphore.available_permits();
        merchants.values().map(held).sum()
    }

    /// A permit that is not acquired yet. It keeps the merchant's semaphore in the table.
    fn pending(self: &Arc<Self>, merchant: MerchantId) -> ResponsePermit {
        let mut merchants = self.merchants.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore = Arc::clone(
            merchants
                .entry(merchant)
                .or_insert_with(|| Arc::new(Semaphore::new(self.per_merchant))),
        );
        ResponsePermit { merchant, semaphore, permit: None, permits: Arc::clone(self) }
    }
}

/// A merchant's permit for one response. Dropping the merchant's last one removes the merchant from
/// the table.
pub struct ResponsePermit {
    merchant: MerchantId,
    semaphore: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    permits: Arc<ResponsePermits>,
}

impl Drop for ResponsePermit {
    fn drop(&mut self) {
        // The semaphore's permit holds a reference to it, too, which must not be counted below.
        drop(self.permit.take());
        let mut merchants = self.permits.merchants.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's reference and this one: nobody else holds or awaits a permit. A later request
        // makes a new semaphore under the same lock.
        if Arc::strong_count(&self.semaphore) == 2 {
            merchants.remove(&self.merchant);
        }
    }
}

/// Bytes that hold a permit: it is released when the last of them is written or given up.
struct BytesWithPermit {
    bytes: Vec<u8>,
    _permit: ResponsePermit,
}

impl AsRef<[u8]> for BytesWithPermit {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl ResponsePermit {
    /// The bytes, holding the permit. The body must not hold it: a body ends when its bytes are
    /// queued, long before they are written.
    #[must_use]
    pub fn attach(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(BytesWithPermit { bytes, _permit: self })
    }

    /// The bytes, holding the permit if they are large.
    #[must_use]
    pub fn attach_if_large(self, bytes: Vec<u8>) -> Bytes {
        if bytes.len() > SMALL { self.attach(bytes) } else { bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: MerchantId = MerchantId(1);

    #[tokio::test]
    async fn a_merchant_has_so_many_places_and_others_have_theirs() {
        let permits = ResponsePermits::new(2, Duration::ZERO);
        let first = permits.acquire(ONE).await.unwrap();
        let mut bytes = permits.acquire(ONE).await.unwrap().attach(vec![1, 2, 3]);
        assert!(permits.acquire(ONE).await.is_none());
        assert!(permits.acquire(MerchantId(2)).await.is_some());
        // Bytes that are written in parts hold the permit until the last part is written.
        let part = bytes.split_to(1);
        drop(bytes);
        assert!(permits.acquire(ONE).await.is_none());
        drop(part);
        let again = permits.acquire(ONE).await.unwrap();
        drop((first, again));
        let small = permits.acquire(ONE).await.unwrap().attach_if_large(vec![0; SMALL]);
        assert!(permits.merchants.lock().unwrap().is_empty());
        let large = permits.acquire(ONE).await.unwrap().attach_if_large(vec![0; SMALL + 1]);
        assert!(permits.merchants.lock().unwrap().contains_key(&ONE));
        drop((small, large));
        assert!(permits.merchants.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_next() {
        let permits = ResponsePermits::new(1, Duration::from_secs(60));
        let first = permits.acquire(ONE).await.unwrap();
        let waiting = tokio::spawn({
            let permits = Arc::clone(&permits);
            async move { permits.acquire(ONE).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(permits.merchants.lock().unwrap().is_empty());
    }
}

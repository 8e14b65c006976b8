//! Places for answers that may be large: so many of one merchant's are under way at once, from when
//! their rows are read until the last byte is with the kernel or the connection is gone. Who reads
//! its answers slowly keeps its own places, and the memory that such answers take is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use domain::kernel::ids::MerchantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is no larger gives its place back at once: a connection may hold as much of a request's
/// body.
const SMALL: usize = 64 * 1024;
/// A place that does not become free for so long is not waited for.
pub const WAIT: Duration = Duration::from_secs(2);

/// The places of every merchant that has something under way.
pub struct Places {
    each: usize,
    wait: Duration,
    merchants: Mutex<HashMap<MerchantId, Arc<Semaphore>>>,
}

impl Places {
    /// So many places for each merchant, for each of which is waited so long.
    #[must_use]
    pub fn new(each: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self { each, wait, merchants: Mutex::default() })
    }

    /// A place of this merchant, once there is one; `None` when there is none for too long.
    pub async fn take(self: &Arc<Self>, merchant: MerchantId) -> Option<Place> {
        let mut place = self.line_up(merchant);
        let permit = tokio::time::timeout(self.wait, Arc::clone(&place.of).acquire_owned()).await;
        place.permit = Some(permit.ok()?.ok()?);
        Some(place)
    }

    fn line_up(self: &Arc<Self>, merchant: MerchantId) -> Place {
        let mut merchants = self.merchants.lock().unwrap_or_else(PoisonError::into_inner);
        let of = Arc::clone(
            merchants.entry(merchant).or_insert_with(|| Arc::new(Semaphore::new(self.each))),
        );
        Place { merchant, of, permit: None, places: Arc::clone(self) }
    }
}

/// A place of a merchant. The last to go takes the merchant out of the table.
pub struct Place {
    merchant: MerchantId,
    of: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // The permit refers to the semaphore, too.
        drop(self.permit.take());
        let mut merchants = self.places.merchants.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one: whoever comes next makes a new one under the same lock.
        if Arc::strong_count(&self.of) == 2 {
            merchants.remove(&self.merchant);
        }
    }
}

/// Bytes with the place that they keep: it is free when the last of them is written, or nobody will
/// ever write it.
struct Kept {
    bytes: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Place {
    /// These bytes, which keep the place. A body that ended would give it back while its bytes
    /// still wait to be written.
    #[must_use]
    pub fn keep(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Kept { bytes, _place: self })
    }

    /// These bytes, which keep the place where they are many.
    #[must_use]
    pub fn keep_if_large(self, bytes: Vec<u8>) -> Bytes {
        if bytes.len() > SMALL { self.keep(bytes) } else { bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: MerchantId = MerchantId(1);

    #[tokio::test]
    async fn a_merchant_has_so_many_places_and_others_have_theirs() {
        let places = Places::new(2, Duration::ZERO);
        let first = places.take(ONE).await.unwrap();
        let mut bytes = places.take(ONE).await.unwrap().keep(vec![1, 2, 3]);
        assert!(places.take(ONE).await.is_none());
        assert!(places.take(MerchantId(2)).await.is_some());
        // What is written in parts keeps its place until the last of them is.
        let part = bytes.split_to(1);
        drop(bytes);
        assert!(places.take(ONE).await.is_none());
        drop(part);
        let again = places.take(ONE).await.unwrap();
        drop((first, again));
        let small = places.take(ONE).await.unwrap().keep_if_large(vec![0; SMALL]);
        assert!(places.merchants.lock().unwrap().is_empty());
        let large = places.take(ONE).await.unwrap().keep_if_large(vec![0; SMALL + 1]);
        assert!(places.merchants.lock().unwrap().contains_key(&ONE));
        drop((small, large));
        assert!(places.merchants.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_next() {
        let places = Places::new(1, Duration::from_secs(60));
        let first = places.take(ONE).await.unwrap();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take(ONE).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(places.merchants.lock().unwrap().is_empty());
    }
}

//! Who watches which payment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::kernel::ids::{MerchantId, SessionId};
use domain::kernel::uuids::ReferenceId;
use domain::sales::source::SourceType;
use realtime::record::Change;
use realtime::socket::ChannelId;
use store::reads::watched::WatchedPayment;
use tokio::sync::{Notify, mpsc};

/// How many changes may wait for a socket. One that has more is too slow and is closed: its client
/// comes back and is told the present state.
const MAILBOX: usize = 512;

/// How many channels may watch one payment, and how many pages beside them: whoever has only the link
/// of the page keeps nobody from a channel.
const MAX_PER_PAYMENT: usize = 100;

/// Brings changes to a socket.
#[derive(Clone)]
pub struct Mailbox {
    sender: mpsc::Sender<(ChannelId, Arc<Change>)>,
    is_full: Arc<AtomicBool>,
}

impl Mailbox {
    pub fn new() -> (Self, mpsc::Receiver<(ChannelId, Arc<Change>)>) {
        let (sender, receiver) = mpsc::channel(MAILBOX);
        (Self { sender, is_full: Arc::default() }, receiver)
    }

    /// Whether a change found no room.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    fn put(&self, channel: ChannelId, change: Arc<Change>) {
        if self.sender.try_send((channel, change)).is_err() {
            self.is_full.store(true, Ordering::Relaxed);
        }
    }
}

/// What is watched of a payment, with what does not change.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    pub payment: WatchedPayment,
    pub source_type: Option<SourceType>,
}

/// Who is told of a payment.
pub enum Subscriber {
    /// A channel of a socket.
    Channel(Mailbox, ChannelId),
    /// A page, which looks by itself what has changed.
    Page(Arc<Notify>),
}

impl Subscriber {
    const fn is_page(&self) -> bool {
        matches!(self, Self::Page(_))
    }
}

struct Watcher {
    id: u64,
    subscriber: Subscriber,
    watched: Watched,
}

#[derive(Default)]
struct OfMerchant {
    /// Events up to this position are told.
    position: i64,
    count: usize,
    payments: HashMap<(SessionId, ReferenceId), Vec<Watcher>>,
}

#[derive(Default)]
struct All {
    last_id: u64,
    merchants: HashMap<MerchantId, OfMerchant>,
}

/// All watches of this process.
pub struct Watches {
    max_per_merchant: usize,
    all: Mutex<All>,
}

/// A watch, which ends when it is dropped.
pub struct Watch {
    id: u64,
    payment: WatchedPayment,
    watches: Arc<Watches>,
}

/// The payment, or the payments of its merchant, are watched as often as they may be.
#[derive(Debug)]
pub struct TooMany;

impl Watches {
    #[must_use]
    pub fn new(max_per_merchant: usize) -> Self {
        Self { max_per_merchant, all: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a payment from the event after `position` on, or from an earlier one if the merchant
    /// is watched already.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn watch(
        self: &Arc<Self>,
        watched: Watched,
        position: i64,
        subscriber: Subscriber,
    ) -> Result<Watch, TooMany> {
        let payment = watched.payment;
        let mut all = self.all();
        all.last_id = all.last_id.wrapping_add(1);
        let id = all.last_id;
        let merchant = all
            .merchants
            .entry(payment.merchant_id)
            .or_insert_with(|| OfMerchant { position, ..OfMerchant::default() });
        let key = (payment.session_id, payment.reference_id);
        let is_alike = |watcher: &&Watcher| watcher.subscriber.is_page() == subscriber.is_page();
        let watchers = merchant.payments.get(&key).into_iter().flatten();
        let is_full = watchers.filter(is_alike).count() >= MAX_PER_PAYMENT;
        if merchant.count >= self.max_per_merchant || is_full {
            return Err(TooMany);
        }
        merchant.count += 1;
        merchant.payments.entry(key).or_default().push(Watcher { id, subscriber, watched });
        drop(all);
        Ok(Watch { id, payment, watches: Arc::clone(self) })
    }

    /// The merchants whose payments are watched, and up to which position their events are told.
    #[must_use]
    pub fn positions(&self) -> Vec<(MerchantId, i64)> {
        self.all().merchants.iter().map(|(id, merchant)| (*id, merchant.position)).collect()
    }

    /// The events of a merchant are told up to this position.
    pub fn told(&self, merchant: MerchantId, position: i64) {
        if let Some(merchant) = self.all().merchants.get_mut(&merchant) {
            merchant.position = merchant.position.max(position);
        }
    }

    /// What is known of a payment, if somebody watches it.
    #[must_use]
    pub fn get(&self, payment: WatchedPayment) -> Option<Watched> {
        let all = self.all();
        let merchant = all.merchants.get(&payment.merchant_id)?;
        let watchers = merchant.payments.get(&(payment.session_id, payment.reference_id))?;
        watchers.first().map(|watcher| watcher.watched)
    }

    /// Tells all who watch a payment.
    pub fn tell(&self, payment: WatchedPayment, change: &Arc<Change>) {
        let all = self.all();
        let merchant = all.merchants.get(&payment.merchant_id);
        let watchers =
            merchant.and_then(|m| m.payments.get(&(payment.session_id, payment.reference_id)));
        for watcher in watchers.into_iter().flatten() {
            match &watcher.subscriber {
                Subscriber::Channel(mailbox, channel) => mailbox.put(*channel, Arc::clone(change)),
                Subscriber::Page(changed) => changed.notify_one(),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let WatchedPayment { merchant_id, session_id, reference_id } = self.payment;
        let mut all = self.watches.all();
        let Some(merchant) = all.merchants.get_mut(&merchant_id) else { return };
        if let Some(watchers) = merchant.payments.get_mut(&(session_id, reference_id)) {
            watchers.retain(|watcher| watcher.id != self.id);
            if watchers.is_empty() {
                merchant.payments.remove(&(session_id, reference_id));
            }
        }
        merchant.count = merchant.count.saturating_sub(1);
        if merchant.count == 0 {
            all.merchants.remove(&merchant_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use realtime::frames::Vsn;
    use realtime::socket::{Action, Socket};

    use super::*;
    use domain::kernel::uuids::Uuid;

    fn channel() -> ChannelId {
        let mut socket = Socket::new(Vsn::V2, 0);
        let join = r#"["1","1","realtime:payment-intent:1:x","phx_join",{}]"#;
        match socket.receive(join, 0).pop() {
            Some(Action::Authorize { channel, .. }) => channel,
            other => panic!("{other:?}"),
        }
    }

    fn watched(merchant: i64, reference: u128) -> Watched {
        let payment = WatchedPayment {
            merchant_id: MerchantId(merchant),
            session_id: SessionId(1),
            reference_id: ReferenceId(Uuid::from_u128(reference)),
        };
        Watched { payment, source_type: None }
    }

    #[test]
    fn who_watches_is_told_and_nobody_else() {
        let watches = Arc::new(Watches::new(10));
        let (mailbox, mut mine) = Mailbox::new();
        let (other_mailbox, mut others) = Mailbox::new();
        let first =
            watches.watch(watched(1, 1), 5, Subscriber::Channel(mailbox, channel())).unwrap();
        let other =
            watches.watch(watched(1, 2), 9, Subscriber::Channel(other_mailbox, channel())).unwrap();
        assert_eq!(watches.positions(), [(MerchantId(1), 5)], "the earlier position holds");
        watches.tell(watched(1, 1).payment, &Arc::new(Change::deleted(1, "")));
        assert!(mine.try_recv().is_ok() && others.try_recv().is_err());
        watches.tell(watched(2, 2).payment, &Arc::new(Change::deleted(1, "")));
        assert!(others.try_recv().is_err(), "another merchant's payment of the same reference");
        watches.told(MerchantId(1), 7);
        watches.told(MerchantId(1), 6);
        assert_eq!(watches.positions(), [(MerchantId(1), 7)]);
        drop(first);
        assert!(watches.get(watched(1, 1).payment).is_none());
        assert!(watches.get(watched(1, 2).payment).is_some());
        drop(other);
        assert!(watches.positions().is_empty());
    }

    #[test]
    fn a_merchant_has_a_share() {
        let watches = Arc::new(Watches::new(2));
        let watch = |of| watches.watch(watched(of, 1), 0, Subscriber::Page(Arc::default()));
        let first = watch(1).unwrap();
        let _second = watch(1).unwrap();
        assert!(watch(1).is_err());
        let _other = watch(2).unwrap();
        drop(first);
        assert!(watch(1).is_ok());
    }

    #[test]
    fn pages_keep_nobody_from_a_channel() {
        let watches = Arc::new(Watches::new(1_000));
        let page = || watches.watch(watched(1, 1), 0, Subscriber::Page(Arc::default()));
        let pages: Vec<_> = (0..MAX_PER_PAYMENT).map(|_| page().unwrap()).collect();
        assert!(page().is_err());
        let mailbox = || Subscriber::Channel(Mailbox::new().0, channel());
        let _channel = watches.watch(watched(1, 1), 0, mailbox()).unwrap();
        drop(pages);
        assert!(page().is_ok());
        // Whoever is refused leaves nothing behind.
        let full = Arc::new(Watches::new(1));
        let _only = full.watch(watched(1, 1), 0, mailbox()).unwrap();
        assert!(full.watch(watched(1, 2), 0, mailbox()).is_err());
        assert!(full.get(watched(1, 2).payment).is_none());
        assert_eq!(full.all().merchants[&MerchantId(1)].payments.len(), 1);
    }

    #[test]
    fn a_full_mailbox_is_noticed_and_holds_up_nobody() {
        let watches = Arc::new(Watches::new(2));
        let (slow, _unread) = Mailbox::new();
        let (quick, mut read) = Mailbox::new();
        let _slow =
            watches.watch(watched(1, 1), 0, Subscriber::Channel(slow.clone(), channel())).unwrap();
        let _quick =
            watches.watch(watched(1, 1), 0, Subscriber::Channel(quick.clone(), channel())).unwrap();
        for _ in 0..=MAILBOX {
            watches.tell(watched(1, 1).payment, &Arc::new(Change::deleted(1, "")));
            assert!(read.try_recv().is_ok());
        }
        assert!(slow.is_full() && !quick.is_full());
    }
}

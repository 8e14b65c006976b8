//! The traders: each creates a session, requests its execution with a key until it is answered, and
//! goes on to the next.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::client::Client;
use crate::bench::jobs::Random;
use crate::trade::{Kind, Order, Shop};

const TRADERS: usize = 64;
/// The wait before a server that is away is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// At most so much of the time in which the server was away is caught up with.
const BEHIND: Duration = Duration::from_secs(1);
/// The most collections that a trader keeps for refunds.
const PAID: usize = 50;
/// Part of every error that is an answer of the server, and not a broken connection.
const ANSWERED: &str = "was answered ";

/// What a client knows of an execution.
pub struct KnownExecution {
    pub key: String,
    pub status: String,
    pub is_final: bool,
}

struct Shared {
    shops: Vec<Shop>,
    /// Of each server; None while it is away.
    addresses: Vec<Option<SocketAddr>>,
    /// When the next turn begins, and the interval between two.
    pace: Option<(Instant, Duration)>,
    known: Vec<KnownExecution>,
    unexpected: Vec<String>,
}

impl Shared {
    /// The server of a trader, or another while that is away. The traders of a shop are spread over
    /// all servers.
    fn address_for(&self, trader: usize) -> Option<SocketAddr> {
        let number = trader / self.shops.len().max(1) % self.addresses.len().max(1);
        let own = self.addresses.get(number).copied().flatten();
        own.or_else(|| self.addresses.iter().flatten().next().copied())
    }
}

pub struct TraderPool {
    shared: Mutex<Shared>,
    answered: AtomicUsize,
    given_up: AtomicUsize,
    stopped: AtomicBool,
}

impl TraderPool {
    pub fn new(shops: Vec<Shop>) -> Self {
        let shared = Shared {
            shops,
            addresses: Vec::new(),
            pace: None,
            known: Vec::new(),
            unexpected: Vec::new(),
        };
        Self {
            shared: Mutex::new(shared),
            answered: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn shops(&self) -> Vec<Shop> {
        self.shared().shops.clone()
    }

    /// The server with that number is at this address, and takes these tokens.
    pub fn open(&self, shops: Vec<Shop>, number: usize, address: SocketAddr) {
        let mut shared = self.shared();
        shared.shops = shops;
        if shared.addresses.len() <= number {
            shared.addresses.resize(number + 1, None);
        }
        if let Some(of_server) = shared.addresses.get_mut(number) {
            *of_server = Some(address);
        }
    }

    /// The server with that number goes away.
    pub fn close(&self, number: usize) {
        if let Some(address) = self.shared().addresses.get_mut(number) {
            *address = None;
        }
    }

    pub fn set_pace(&self, per_second: f64) {
        self.shared().pace =
            Some((Instant::now(), Duration::from_secs_f64(1.0 / per_second.max(1.0))));
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Acquire)
    }

    pub fn given_up(&self) -> usize {
        self.given_up.load(Ordering::Acquire)
    }

    pub fn known(&self) -> Vec<KnownExecution> {
        std::mem::take(&mut self.shared().known)
    }

    pub fn unexpected(&self) -> Vec<String> {
        std::mem::take(&mut self.shared().unexpected)
    }

    /// Starts the traders; the future ends when all have stopped.
    pub fn start(
        self: &Arc<Self>,
        runtime: &Runtime,
    ) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let mut traders = JoinSet::new();
        for number in 0..TRADERS {
            let trader = Trader {
                pool: Arc::clone(self),
                number,
                client: None,
                random: Random::seeded(),
                paid: VecDeque::new(),
            };
            traders.spawn_on(trader.run(), runtime.handle());
        }
        async move {
            while let Some(ended) = traders.join_next().await {
                ended?;
            }
            Ok(())
        }
    }

    async fn turn_begins(&self) {
        let at = {
            let mut shared = self.shared();
            let Some((next, interval)) = shared.pace.as_mut() else { return };
            let at =
                Instant::now().checked_sub(BEHIND).map_or(*next, |earliest| (*next).max(earliest));
            *next = at + *interval;
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

struct Trader {
    pool: Arc<TraderPool>,
    number: usize,
    client: Option<Client>,
    random: Random,
    /// Collections that may be refunded.
    paid: VecDeque<u64>,
}

impl Trader {
    async fn run(mut self) {
        while !self.pool.stopped.load(Ordering::Acquire) {
            self.pool.turn_begins().await;
            self.turn().await;
        }
    }

    async fn turn(&mut self) {
        let (mut client, shop) = self.connected().await;
        let kind = self.choose();
        match self.prepare(kind, &mut client, &shop).await {
            Ok(order) => {
                self.client = Some(client);
                self.execute(order).await;
            }
            Err(error) => {
                // No execution was requested, so that nothing has to be retried.
                let refused = format!("{error:#}");
                let expected = !refused.contains(ANSWERED)
                    || refused.contains("was answered 503")
                    // Its collection is not completed yet.
                    || (kind == Kind::Refund && refused.contains("was answered 422"));
                if !expected {
                    self.pool.shared().unexpected.push(refused);
                }
                self.pool.given_up.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Repeats the request with the same key until there is an answer.
    async fn execute(&mut self, mut order: Order) {
        loop {
            let (mut client, shop) = self.connected().await;
            match order.execute(&mut client, &shop).await {
                Ok(()) => {
                    self.client = Some(client);
                    break;
                }
                Err(error) if format!("{error:#}").contains(ANSWERED) => {
                    self.pool.shared().unexpected.push(format!("{error:#}"));
                    return;
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        self.pool.answered.fetch_add(1, Ordering::AcqRel);
        if order.kind == Kind::Collection
            && let Some(intent) = order.intent
            && self.paid.len() < PAID
        {
            self.paid.push_back(intent);
        }
        let known = KnownExecution {
            is_final: order.is_final(),
            status: order.status.unwrap_or_default(),
            key: order.key,
        };
        self.pool.shared().known.push(known);
    }

    fn choose(&mut self) -> Kind {
        let index = usize::try_from(self.random.next() % 4).unwrap_or_default();
        match Kind::ALL.get(index) {
            // The oldest of a long list were completed long ago.
            Some(Kind::Refund) if self.paid.len() < PAID / 5 => Kind::Collection,
            Some(kind) => *kind,
            None => Kind::Transfer,
        }
    }

    async fn prepare(
        &mut self,
        kind: Kind,
        client: &mut Client,
        shop: &Shop,
    ) -> anyhow::Result<Order> {
        match kind {
            Kind::Transfer => shop.transfer(client).await,
            Kind::Payout => shop.payout(client, false).await,
            Kind::Collection => shop.collection(client, false).await,
            Kind::Refund => {
                let collected = self.paid.pop_front().unwrap_or_default();
                shop.refund(client, collected).await
            }
        }
    }

    /// A connection to the running server, and the shop with a token of it.
    async fn connected(&mut self) -> (Client, Shop) {
        loop {
            let found = {
                let shared = self.pool.shared();
                let shop = shared.shops.get(self.number % shared.shops.len().max(1)).cloned();
                shared.address_for(self.number).zip(shop)
            };
            if let Some((address, shop)) = found {
                if let Some(client) = self.client.take() {
                    return (client, shop);
                }
                if let Ok(client) = Client::connect(address).await {
                    return (client, shop);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

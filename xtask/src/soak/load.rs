//! The crowd: each trader makes a payment ready, asks for it with a key until it is answered, and
//! takes the next.

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
/// Before a server that is away is looked for again.
const PAUSE: Duration = Duration::from_millis(20);
/// What could not be asked for while the server was away is caught up with for so long.
const BEHIND: Duration = Duration::from_secs(1);
/// Collections that a trader may refund.
const PAID: usize = 50;
/// How a client error begins that the server has answered.
const ANSWERED: &str = "was answered ";

/// What a client knows of an execution.
pub struct Told {
    pub key: String,
    pub status: String,
    pub is_final: bool,
}

struct Shared {
    shops: Vec<Shop>,
    /// None while no server runs.
    address: Option<SocketAddr>,
    /// The next turn begins then, and the one after it so much later.
    pace: Option<(Instant, Duration)>,
    told: Vec<Told>,
    odd: Vec<String>,
}

pub struct Crowd {
    shared: Mutex<Shared>,
    answered: AtomicUsize,
    given_up: AtomicUsize,
    stopped: AtomicBool,
}

impl Crowd {
    pub fn new(shops: Vec<Shop>) -> Self {
        let shared = Shared { shops, address: None, pace: None, told: Vec::new(), odd: Vec::new() };
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

    pub fn open(&self, shops: Vec<Shop>, address: SocketAddr) {
        let mut shared = self.shared();
        shared.shops = shops;
        shared.address = Some(address);
    }

    pub fn close(&self) {
        self.shared().address = None;
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

    pub fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.shared().told)
    }

    pub fn odd(&self) -> Vec<String> {
        std::mem::take(&mut self.shared().odd)
    }

    /// Starts the traders; the answer ends when they have all stopped.
    pub fn start(
        self: &Arc<Self>,
        runtime: &Runtime,
    ) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let mut traders = JoinSet::new();
        for number in 0..TRADERS {
            let trader = Trader {
                crowd: Arc::clone(self),
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
    crowd: Arc<Crowd>,
    number: usize,
    client: Option<Client>,
    random: Random,
    /// What was collected and may be refunded.
    paid: VecDeque<u64>,
}

impl Trader {
    async fn run(mut self) {
        while !self.crowd.stopped.load(Ordering::Acquire) {
            self.crowd.turn_begins().await;
            self.turn().await;
        }
    }

    async fn turn(&mut self) {
        let (mut client, shop) = self.connected().await;
        let kind = self.choose();
        match self.prepare(kind, &mut client, &shop).await {
            Ok(order) => {
                self.client = Some(client);
                self.carry_out(order).await;
            }
            Err(error) => {
                // Nothing was asked for that has a key.
                let refused = format!("{error:#}");
                let expected = !refused.contains(ANSWERED)
                    || refused.contains("was answered 503")
                    // Its collection is not completed yet.
                    || (kind == Kind::Refund && refused.contains("was answered 422"));
                if !expected {
                    self.crowd.shared().odd.push(refused);
                }
                self.crowd.given_up.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// The same request with the same key, until there is an answer.
    async fn carry_out(&mut self, mut order: Order) {
        loop {
            let (mut client, shop) = self.connected().await;
            match order.place(&mut client, &shop).await {
                Ok(()) => {
                    self.client = Some(client);
                    break;
                }
                Err(error) if format!("{error:#}").contains(ANSWERED) => {
                    self.crowd.shared().odd.push(format!("{error:#}"));
                    return;
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        self.crowd.answered.fetch_add(1, Ordering::AcqRel);
        if order.kind == Kind::Collection
            && let Some(intent) = order.intent
            && self.paid.len() < PAID
        {
            self.paid.push_back(intent);
        }
        let told = Told {
            is_final: order.is_final(),
            status: order.told.unwrap_or_default(),
            key: order.key,
        };
        self.crowd.shared().told.push(told);
    }

    fn choose(&mut self) -> Kind {
        let index = usize::try_from(self.random.next() % 4).unwrap_or_default();
        match Kind::ALL.get(index) {
            // Those at the end of a full list were completed long ago.
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

    /// A connection to the server that runs, and the shop with a token that is good there.
    async fn connected(&mut self) -> (Client, Shop) {
        loop {
            let found = {
                let shared = self.crowd.shared();
                let shop = shared.shops.get(self.number % shared.shops.len().max(1)).cloned();
                shared.address.zip(shop)
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

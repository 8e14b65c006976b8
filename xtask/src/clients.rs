//! Clients that trade while something is done to the database: each declares a payment, executes
//! it, and goes on to the next, whatever it was answered.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::bench::client::Client;
use crate::bench::jobs::Random;
use crate::bench::place::Place;
use crate::trade::{Kind, Shop};

/// Who is told to come back later waits so long.
const PAUSE: Duration = Duration::from_millis(100);
/// No request may stay without an answer for longer.
const LIMIT: Duration = Duration::from_secs(20);
/// What was not acknowledged is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// An execution that was asked for and not acknowledged.
#[derive(Clone)]
pub struct Open {
    pub reference: String,
    kind: Kind,
    shop: usize,
    session: u64,
    /// The server that was asked.
    server: usize,
}

/// What became of a client's requests.
#[derive(Default)]
pub struct Tally {
    pub acknowledged: Vec<String>,
    pub open: Vec<Open>,
    /// When a request was answered 503.
    pub refused: Vec<Instant>,
    /// When a request found nobody, or its connection broke.
    pub broken: Vec<Instant>,
    /// Answers that should not be.
    pub odd: Vec<String>,
    pub slowest: Duration,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.open.extend(other.open);
        self.refused.extend(other.refused);
        self.broken.extend(other.broken);
        self.odd.extend(other.odd);
        self.slowest = self.slowest.max(other.slowest);
    }

    /// Holds what the clients know against what is in the database.
    pub fn compare(&self, place: &Place) -> anyhow::Result<Difference> {
        let rows = place.lines(
            "SELECT reference_id || ' ' || count(*) FROM executions GROUP BY reference_id",
        )?;
        let rows = rows.iter().map(|row| {
            let (reference, count) = row.split_once(' ').context("a row")?;
            Ok((reference, count.parse()?))
        });
        Ok(self.difference(&rows.collect::<anyhow::Result<_>>()?))
    }

    fn difference(&self, there: &HashMap<&str, u64>) -> Difference {
        let count = |reference: &str| there.get(reference).copied().unwrap_or(0);
        let known = self.acknowledged.iter().chain(self.open.iter().map(|open| &open.reference));
        let known: HashSet<&str> = known.map(String::as_str).collect();
        Difference {
            missing: self.acknowledged.iter().filter(|reference| count(reference) == 0).count(),
            not_once: known.iter().filter(|reference| count(reference) != 1).count(),
            strangers: there.keys().filter(|reference| !known.contains(*reference)).count(),
        }
    }
}

/// Between what the clients know and what is there, once all that was not acknowledged has been
/// tried again.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Acknowledged, and not there.
    pub missing: usize,
    /// Keys that have not exactly one execution.
    pub not_once: usize,
    /// Executions that nobody asked for.
    pub strangers: usize,
}

pub struct Load {
    servers: Vec<SocketAddr>,
    shops: Vec<Shop>,
    stop: AtomicBool,
    pub acknowledged: AtomicU64,
    after: Mutex<Option<Instant>>,
    /// By server: the first execution that was asked for after the mark and acknowledged.
    first: Vec<Mutex<Option<Instant>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    pub fn new(servers: Vec<SocketAddr>, shops: Vec<Shop>) -> Self {
        let first = servers.iter().map(|_| Mutex::new(None)).collect();
        let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { servers, shops, stop, acknowledged, after: Mutex::new(None), first }
    }

    pub fn mark(&self, now: Instant) {
        *locked(&self.after) = Some(now);
    }

    pub fn first_after(&self) -> Vec<Option<Instant>> {
        self.first.iter().map(|first| *locked(first)).collect()
    }

    pub fn all_went_on(&self) -> bool {
        self.first_after().iter().all(Option::is_some)
    }

    /// So many clients at each server, until they are told to stop.
    async fn run(self: &Arc<Self>, connections: usize) -> anyhow::Result<Tally> {
        let places = (0..connections)
            .flat_map(|number| (0..self.servers.len()).map(move |server| (number, server)));
        let mut clients = JoinSet::new();
        for (number, server) in places {
            let kind = if number % 2 == 0 { Kind::Transfer } else { Kind::Payout };
            let shop = (number / 2) % self.shops.len();
            let caller =
                Caller { load: Arc::clone(self), server, client: None, tally: Tally::default() };
            clients.spawn(caller.run(kind, shop));
        }
        let mut all = Tally::default();
        while let Some(tally) = clients.join_next().await {
            all.add(tally?);
        }
        Ok(all)
    }

    /// The same beside what happens meanwhile, at the end of which they are told to stop.
    pub fn beside<T: Send>(
        self: &Arc<Self>,
        runtime: &Runtime,
        connections: usize,
        play: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Tally)> {
        let (played, tally) = std::thread::scope(|scope| {
            let clients = scope.spawn(|| runtime.block_on(self.run(connections)));
            let played = play();
            self.stop.store(true, Ordering::SeqCst);
            (played, clients.join())
        });
        Ok((played?, tally.map_err(|_| anyhow::anyhow!("the load panicked"))??))
    }

    fn note(&self, server: usize, begun: Instant) {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        if locked(&self.after).is_some_and(|mark| begun > mark)
            && let Some(first) = self.first.get(server)
        {
            locked(first).get_or_insert_with(Instant::now);
        }
    }

    /// Asks for each once more, with the same key and at another server than before, until it is
    /// acknowledged or nobody would wait any longer. Answers how many were.
    pub async fn try_again(self: &Arc<Self>, open: &[Open]) -> anyhow::Result<usize> {
        let begun = Instant::now();
        let mut callers: Vec<Caller> = (0..self.servers.len())
            .map(|server| Caller {
                load: Arc::clone(self),
                server,
                client: None,
                tally: Tally::default(),
            })
            .collect();
        let mut done = 0;
        for one in open {
            let caller =
                callers.get_mut((one.server + 1) % self.servers.len()).context("no such server")?;
            let mut acknowledged = caller.execute(one).await;
            while !acknowledged && begun.elapsed() < PATIENCE {
                tokio::time::sleep(PAUSE).await;
                acknowledged = caller.execute(one).await;
            }
            done += usize::from(acknowledged);
        }
        Ok(done)
    }
}

/// One client, with its connection.
struct Caller {
    load: Arc<Load>,
    server: usize,
    client: Option<Client>,
    tally: Tally,
}

impl Caller {
    async fn run(mut self, kind: Kind, shop: usize) -> Tally {
        let mut random = Random::seeded();
        while !self.load.stop.load(Ordering::SeqCst) {
            let Some(session) = self.session(kind, shop).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let one = Open { reference: random.uuid(), kind, shop, session, server: self.server };
            let begun = Instant::now();
            if self.execute(&one).await {
                self.load.note(self.server, begun);
                self.tally.acknowledged.push(one.reference);
            } else {
                self.tally.open.push(one);
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.tally
    }

    async fn session(&mut self, kind: Kind, shop: usize) -> Option<u64> {
        let declarer = self.load.shops.get(shop)?;
        let body = if kind == Kind::Payout {
            declarer.payout_session(false)
        } else {
            declarer.transfer_session()
        };
        let answer =
            self.ask(shop, &format!("/v1/sessions/{}", kind.word()), &body.to_string()).await?;
        answer.parse().ok()
    }

    /// Whether it was acknowledged.
    async fn execute(&mut self, one: &Open) -> bool {
        let body =
            format!(r#"{{"session_id":{},"reference_id":"{}"}}"#, one.session, one.reference);
        self.ask(one.shop, &format!("/v1/executions/{}", one.kind.word()), &body).await.is_some()
    }

    /// The id in an answer with status 200; anything else is noted.
    async fn ask(&mut self, shop: usize, path: &str, body: &str) -> Option<String> {
        let begun = Instant::now();
        let asked = tokio::time::timeout(LIMIT, self.exchange(shop, path, body)).await;
        self.tally.slowest = self.tally.slowest.max(begun.elapsed());
        match asked {
            Ok(Ok((200, id))) => return Some(id),
            Ok(Ok((503, _))) => self.tally.refused.push(Instant::now()),
            Ok(Ok((status, text))) => {
                self.tally.odd.push(format!("{path} was answered {status}: {text}"))
            }
            Ok(Err(_)) => {
                self.client = None;
                self.tally.broken.push(Instant::now());
            }
            Err(_) => {
                self.client = None;
                self.tally.odd.push(format!("{path} was not answered within {LIMIT:?}"));
            }
        }
        None
    }

    async fn exchange(
        &mut self,
        shop: usize,
        path: &str,
        body: &str,
    ) -> anyhow::Result<(u16, String)> {
        let address = *self.load.servers.get(self.server).context("no such server")?;
        let token = &self.load.shops.get(shop).context("no such shop")?.token;
        if self.client.is_none() {
            self.client = Some(Client::connect(address).await?);
        }
        let client = self.client.as_mut().context("no connection")?;
        let (status, answer) = client.ask("POST", token, path, Some(body)).await?;
        let id = answer.text("id").or_else(|| answer.text("payment_intent_id"));
        Ok((
            status,
            if status == 200 {
                id.context("an answer without an id")?.to_owned()
            } else {
                answer.to_string()
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_doubled_is_found() {
        let acknowledged = ["kept", "lost", "twice"].map(str::to_owned).into();
        let tally = Tally { acknowledged, ..Tally::default() };
        let difference = tally.difference(&[("kept", 1), ("twice", 2), ("stranger", 1)].into());
        assert_eq!(difference, Difference { missing: 1, not_once: 2, strangers: 1 });
    }
}

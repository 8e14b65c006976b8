//! Clients that make payments while something is done to the database: each creates a session,
//! executes it, and goes on to the next, whatever the answer.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::jobs::Random;
use crate::common::wait_until;
use crate::trade::{Kind, Shop};

/// The wait after a 503.
const PAUSE: Duration = Duration::from_millis(100);
/// No request may stay without an answer for longer.
const LIMIT: Duration = Duration::from_secs(20);
/// How long all that was not acknowledged is retried.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An execution that was requested and not acknowledged.
#[derive(Clone)]
pub struct Unacknowledged {
    pub reference: String,
    kind: Kind,
    shop: usize,
    session: u64,
    /// The server that was asked.
    server: usize,
}

/// The outcomes of a client's requests.
#[derive(Default)]
pub struct ClientResults {
    pub acknowledged: Vec<String>,
    pub open: Vec<Unacknowledged>,
    /// When a request was answered 503.
    pub refused: Vec<Instant>,
    /// When no server could be reached, or the connection broke.
    pub unanswered: Vec<Instant>,
    /// Answers that should not happen.
    pub unexpected: Vec<String>,
    pub slowest: Duration,
}

impl ClientResults {
    pub fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.open.extend(other.open);
        self.refused.extend(other.refused);
        self.unanswered.extend(other.unanswered);
        self.unexpected.extend(other.unexpected);
        self.slowest = self.slowest.max(other.slowest);
    }

    /// Compares what the clients know with what is in the database.
    pub fn compare(&self, database: &Database) -> anyhow::Result<Difference> {
        let rows = database.references()?;
        let mut there = HashMap::new();
        for (reference, _) in &rows {
            *there.entry(reference.as_str()).or_default() += 1;
        }
        Ok(self.difference(&there))
    }

    fn difference(&self, there: &HashMap<&str, u64>) -> Difference {
        let count = |reference: &str| there.get(reference).copied().unwrap_or(0);
        let known = self.acknowledged.iter().chain(self.open.iter().map(|open| &open.reference));
        let known: HashSet<&str> = known.map(String::as_str).collect();
        Difference {
            missing: self.acknowledged.iter().filter(|reference| count(reference) == 0).count(),
            not_once: known.iter().filter(|reference| count(reference) != 1).count(),
            unrequested: there.keys().filter(|reference| !known.contains(*reference)).count(),
        }
    }
}

/// Differences between what the clients know and what is in the database, once all that was not
/// acknowledged has been retried.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Acknowledged, and not in the database.
    pub missing: usize,
    /// Keys without exactly one execution.
    pub not_once: usize,
    /// Executions that nobody requested.
    pub unrequested: usize,
}

pub struct PaymentLoad {
    servers: Vec<SocketAddr>,
    shops: Vec<Shop>,
    stop: AtomicBool,
    pub acknowledged: AtomicU64,
    after: Mutex<Option<Instant>>,
    /// By server: when the first execution that was requested after the mark was acknowledged.
    first: Vec<Mutex<Option<Instant>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PaymentLoad {
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

    /// Waits until each server has acknowledged an execution that was asked for after the mark;
    /// whether all did in time.
    pub fn wait_for_recovery(&self, timeout: Duration) -> anyhow::Result<bool> {
        wait_until(timeout, Duration::from_millis(50), || {
            Ok(self.first_after().iter().all(Option::is_some))
        })
    }

    /// Runs `connections` clients at each server until they are told to stop.
    async fn run(self: &Arc<Self>, connections: usize) -> anyhow::Result<ClientResults> {
        let places = (0..connections)
            .flat_map(|number| (0..self.servers.len()).map(move |server| (number, server)));
        let mut clients = JoinSet::new();
        for (number, server) in places {
            let kind = if number % 2 == 0 { Kind::Transfer } else { Kind::Payout };
            let shop = (number / 2) % self.shops.len();
            let caller = Caller {
                load: Arc::clone(self),
                server,
                client: None,
                results: ClientResults::default(),
            };
            clients.spawn(caller.run(kind, shop));
        }
        let mut all = ClientResults::default();
        while let Some(results) = clients.join_next().await {
            all.add(results?);
        }
        Ok(all)
    }

    /// Runs clients while `play` runs, and stops them when it ends.
    pub fn run_while<T: Send>(
        self: &Arc<Self>,
        runtime: &Runtime,
        connections: usize,
        play: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, ClientResults)> {
        let (played, results) = std::thread::scope(|scope| {
            let clients = scope.spawn(|| runtime.block_on(self.run(connections)));
            let played = play();
            self.stop.store(true, Ordering::SeqCst);
            (played, clients.join())
        });
        Ok((played?, results.map_err(|_| anyhow::anyhow!("the load panicked"))??))
    }

    fn note(&self, server: usize, begun: Instant) {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        if locked(&self.after).is_some_and(|mark| begun > mark)
            && let Some(first) = self.first.get(server)
        {
            locked(first).get_or_insert_with(Instant::now);
        }
    }

    /// Retries each with the same key at another server than before, until it is acknowledged or the
    /// time is over. Returns how many were acknowledged.
    pub async fn retry(self: &Arc<Self>, open: &[Unacknowledged]) -> anyhow::Result<usize> {
        let begun = Instant::now();
        let mut callers: Vec<Caller> = (0..self.servers.len())
            .map(|server| Caller {
                load: Arc::clone(self),
                server,
                client: None,
                results: ClientResults::default(),
            })
            .collect();
        let mut done = 0;
        for one in open {
            let caller =
                callers.get_mut((one.server + 1) % self.servers.len()).context("no such server")?;
            let mut acknowledged = caller.execute(one).await;
            while !acknowledged && begun.elapsed() < TIMEOUT {
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
    load: Arc<PaymentLoad>,
    server: usize,
    client: Option<Client>,
    results: ClientResults,
}

impl Caller {
    async fn run(mut self, kind: Kind, shop: usize) -> ClientResults {
        let mut random = Random::seeded();
        while !self.load.stop.load(Ordering::SeqCst) {
            let Some(session) = self.session(kind, shop).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let one = Unacknowledged {
                reference: random.uuid(),
                kind,
                shop,
                session,
                server: self.server,
            };
            let begun = Instant::now();
            if self.execute(&one).await {
                self.load.note(self.server, begun);
                self.results.acknowledged.push(one.reference);
            } else {
                self.results.open.push(one);
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.results
    }

    async fn session(&mut self, kind: Kind, shop: usize) -> Option<u64> {
        let declarer = self.load.shops.get(shop)?;
        let body = if kind == Kind::Payout {
            declarer.payout_session(false)
        } else {
            declarer.transfer_session()
        };
        let answer =
            self.ask(shop, &format!("/v1/sessions/{}", kind.name()), &body.to_string()).await?;
        answer.parse().ok()
    }

    /// Whether it was acknowledged.
    async fn execute(&mut self, one: &Unacknowledged) -> bool {
        let body =
            format!(r#"{{"session_id":{},"reference_id":"{}"}}"#, one.session, one.reference);
        self.ask(one.shop, &format!("/v1/executions/{}", one.kind.name()), &body).await.is_some()
    }

    /// The id in an answer with status 200; anything else is noted.
    async fn ask(&mut self, shop: usize, path: &str, body: &str) -> Option<String> {
        let begun = Instant::now();
        let asked = tokio::time::timeout(LIMIT, self.exchange(shop, path, body)).await;
        self.results.slowest = self.results.slowest.max(begun.elapsed());
        match asked {
            Ok(Ok((200, id))) => return Some(id),
            Ok(Ok((503, _))) => self.results.refused.push(Instant::now()),
            Ok(Ok((status, text))) => {
                self.results.unexpected.push(format!("{path} was answered {status}: {text}"))
            }
            Ok(Err(_)) => {
                self.client = None;
                self.results.unanswered.push(Instant::now());
            }
            Err(_) => {
                self.client = None;
                self.results.unexpected.push(format!("{path} was not answered within {LIMIT:?}"));
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
        let results = ClientResults { acknowledged, ..ClientResults::default() };
        let difference = results.difference(&[("kept", 1), ("twice", 2), ("stranger", 1)].into());
        assert_eq!(difference, Difference { missing: 1, not_once: 2, unrequested: 1 });
    }
}

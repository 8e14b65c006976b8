//! The outside: providers that keep their own books, and that are slow, silent, late, forgetful and
//! contradictory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{minutes, seconds};
use domain::ledger::account::AccountKind;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::{ProviderCall, ProviderRequest};
use networks::{OutcomeFuture, Provider, ProviderRouter};

use crate::db::Map;
use crate::rng::Rng;

/// What a provider has decided on a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub moved: bool,
    pub amount: Money,
}

/// A request as its provider knows it, and how it will be played.
#[derive(Clone, Debug)]
pub struct Request {
    pub id: String,
    pub merchant: MerchantId,
    pub execution: ExecutionId,
    operation: Operation,
    kind: AccountKind,
    pub asked: Money,
    /// So many sendings are lost, and whether one got through.
    lost: u32,
    seen: bool,
    /// When it is known, decided; true time.
    arrives: i64,
    decides: i64,
    /// The payer has to act first.
    acts: bool,
    silent: bool,
    plan: Verdict,
    pub decided: Option<Verdict>,
    /// How often it is to change its mind.
    turns: u32,
    /// It does not say how much it moved, where that is what was asked for.
    terse: bool,
    /// Its own random numbers.
    rng: Rng,
}

/// Something that the outside does of its own accord.
#[derive(Clone, Debug)]
pub enum Outside {
    /// It says what became of a request.
    Says(String),
    /// It changes its mind.
    Turns(String),
}

/// All providers.
#[derive(Default)]
pub struct Networks {
    pub requests: Map<String, Request>,
    of_execution: Map<ExecutionId, String>,
    /// What providers hold for us, as they see it: of each execution,
    pub moved: Map<(ExecutionId, Currency), i64>,
    /// and together.
    pub truth: Map<(MerchantId, AccountKind, Currency), i64>,
    pub due: Vec<(i64, Outside)>,
    pub trouble: Option<String>,
    pub now: i64,
    /// How often they misbehave, in thousandths.
    pub mischief: u32,
    /// What they did, by what is counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// The numbers of the next request.
    next: Option<Rng>,
}

/// On which clearing account it is booked.
const fn kind_of(request: &ProviderRequest) -> AccountKind {
    match request.method {
        Method::CreditCard => AccountKind::ClearingStripe,
        _ => AccountKind::ClearingPawaPay,
    }
}

impl Request {
    /// What is there because of it, once that is decided.
    pub fn stands(&self) -> Option<Vec<(Currency, i64)>> {
        let sign = if self.operation == Operation::Collection { 1 } else { -1 };
        let there = |verdict: Verdict| {
            verdict.moved.then(|| (verdict.amount.currency, sign * verdict.amount.minor))
        };
        self.decided.map(|verdict| there(verdict).into_iter().collect())
    }

    /// Whether it has got through.
    pub const fn is_seen(&self) -> bool {
        self.seen
    }
}

impl Networks {
    /// Everything that waits is decided now.
    pub fn hurry(&mut self) {
        let now = self.now;
        for request in self.requests.values_mut().filter(|request| request.decided.is_none()) {
            (request.arrives, request.decides) =
                (request.arrives.min(now), request.decides.min(now));
            (request.lost, request.acts, request.silent) = (0, false, false);
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// How a new request will be played.
    fn draw(&mut self, request: &ProviderRequest) -> Request {
        let p = self.mischief;
        let mut rng = self.next.take().unwrap_or_else(|| Rng::of(0, &[]));
        let late = rng.chance(p / 20);
        let arrives =
            if late { self.now + rng.between(seconds(20), minutes(40 * 60)) } else { self.now };
        let wait = match rng.below(10) {
            0..=4 => 0,
            5..=7 => rng.between(1, seconds(6)),
            8 => rng.between(1, minutes(20)),
            _ if rng.chance(p) => rng.between(1, minutes(3 * 24 * 60)),
            _ => rng.between(1, seconds(60)),
        };
        let asked = request.amount;
        let mut plan = Verdict { moved: rng.chance(720), amount: asked };
        if plan.moved && rng.chance(p / 6) {
            let other = if rng.chance(300) {
                rng.pick(&["USD", "LRD", "RWF"]).and_then(Currency::parse)
            } else {
                None
            };
            let currency = other.unwrap_or(asked.currency);
            plan.amount = Money::new((asked.minor + rng.between(-3, 5)).max(1), currency);
        }
        let card =
            request.method == Method::CreditCard && request.operation == Operation::Collection;
        let lost = if rng.chance(p / 4) { 1 + u32::from(rng.chance(300)) } else { 0 };
        let silent = rng.chance(p / 3);
        for (happens, what) in
            [(late, "request that arrives late"), (silent, "time-out, request taken")]
        {
            if happens {
                self.count(what);
            }
        }
        Request {
            id: request.request_id.clone(),
            merchant: request.merchant_id,
            execution: request.execution_id,
            operation: request.operation,
            kind: kind_of(request),
            asked,
            seen: false,
            lost,
            arrives,
            decides: arrives + wait,
            acts: card && rng.chance(350),
            silent,
            plan,
            decided: None,
            // A refund that pays after all, or not, concerns a second payment too.
            turns: match rng.chance(if request.operation == Operation::Refund {
                p / 2
            } else {
                p / 4
            }) {
                true if rng.chance(250) => 2 + u32::from(rng.chance(300)),
                turns => u32::from(turns),
            },
            terse: rng.chance(250),
            rng,
        }
    }

    /// Decides what is due, and moves the money.
    fn settle(&mut self, id: &str) {
        let now = self.now;
        let Some(request) = self.requests.get_mut(id) else { return };
        if request.decided.is_some() || request.acts || !request.seen || now < request.decides {
            return;
        }
        self.decide(id, None);
    }

    fn decide(&mut self, id: &str, verdict: Option<Verdict>) {
        let Some(request) = self.requests.get_mut(id) else { return };
        let verdict = verdict.unwrap_or(request.plan);
        let before = request.decided.replace(verdict);
        request.acts = false;
        request.seen = true;
        let longest = if request.rng.chance(700) { seconds(20) } else { minutes(60) };
        let turns_at = self.now + request.rng.between(seconds(1), longest);
        let turns = request.turns > 0;
        request.turns = request.turns.saturating_sub(1);
        let request = request.clone();
        let sign = if request.operation == Operation::Collection { 1 } else { -1 };
        for (verdict, sign) in
            before.map(|before| (before, -sign)).into_iter().chain([(verdict, sign)])
        {
            if verdict.moved {
                *self.moved.entry((request.execution, verdict.amount.currency)).or_default() +=
                    sign * verdict.amount.minor;
                *self
                    .truth
                    .entry((request.merchant, request.kind, verdict.amount.currency))
                    .or_default() += sign * verdict.amount.minor;
            }
        }
        if turns {
            self.due.push((turns_at, Outside::Turns(request.id.clone())));
        }
    }

    /// The operator or the payer sees to it that a request ends so.
    pub fn force(&mut self, id: &str, moved: bool) {
        if let Some(request) = self.requests.get(id) {
            let verdict = Verdict { moved, amount: request.asked };
            self.decide(id, Some(verdict));
        }
    }

    /// It says the contrary of what it said before.
    pub fn turn(&mut self, id: &str) {
        if let Some(request) = self.requests.get(id)
            && let Some(verdict) = request.decided
        {
            let contrary = Verdict { moved: !verdict.moved, amount: request.asked };
            self.count("provider changes its mind");
            self.decide(id, Some(contrary));
        }
    }

    /// Money that a provider held for us without our books went back to who had paid it.
    pub fn give_back(
        &mut self,
        execution: ExecutionId,
        merchant: MerchantId,
        kind: AccountKind,
        money: Money,
    ) {
        *self.moved.entry((execution, money.currency)).or_default() -= money.minor;
        *self.truth.entry((merchant, kind, money.currency)).or_default() -= money.minor;
    }

    /// What became of a request, as its provider sees it now.
    pub fn word(&mut self, id: &str) -> ProviderOutcome {
        self.settle(id);
        let Some(request) = self.requests.get(id) else { return ProviderOutcome::NeverSeen };
        if !request.seen || (self.now < request.arrives && request.decided.is_none()) {
            return ProviderOutcome::NeverSeen;
        }
        match request.decided {
            None if request.acts => {
                ProviderOutcome::NeedsAction { client_secret: request.id.clone() }
            }
            None => ProviderOutcome::Accepted,
            Some(Verdict { moved: false, .. }) => {
                ProviderOutcome::Declined { message: "declined".to_owned() }
            }
            Some(Verdict { amount, .. }) => {
                let quiet = amount == request.asked && request.terse;
                ProviderOutcome::Succeeded {
                    transaction_id: request.id.clone(),
                    amount: Some(amount).filter(|_| !quiet),
                }
            }
        }
    }

    /// Takes a request in; what it says at once.
    fn take(&mut self, request: &ProviderRequest) -> ProviderOutcome {
        let id = &request.request_id;
        let of = self.of_execution.entry(request.execution_id).or_insert_with(|| id.clone());
        if of != id {
            self.trouble =
                Some(format!("execution {} was sent under two ids", request.execution_id));
        }
        if let Some(known) = self.requests.get(id) {
            if (known.asked, known.operation, known.execution)
                != (request.amount, request.operation, request.execution_id)
            {
                self.trouble = Some(format!("request {id} was sent again with other contents"));
            }
        } else {
            let known = self.draw(request);
            self.requests.insert(id.clone(), known);
        }
        let Some(known) = self.requests.get_mut(id) else { return ProviderOutcome::Unknown };
        if known.lost > 0 {
            known.lost -= 1;
            self.count("time-out, request lost");
            return ProviderOutcome::Unknown;
        }
        let first = !std::mem::replace(&mut known.seen, true);
        let known = known.clone();
        if first {
            self.call_back(&known);
        }
        if known.silent || self.now < known.arrives {
            return ProviderOutcome::Unknown;
        }
        self.word(id)
    }

    /// Callbacks: none, one, several, early and late.
    fn call_back(&mut self, request: &Request) {
        let p = self.mischief;
        let mut rng = Rng::of(request.rng.clone().next(), &[]);
        let copies = if rng.chance(p / 2) { 0 } else { 1 + usize::from(rng.chance(p / 2)) };
        match copies {
            0 => self.count("callback lost"),
            1 => {}
            _ => self.count("callback twice"),
        }
        for _ in 0..copies {
            let late = rng.chance(p);
            let jitter = if late { rng.between(0, minutes(2)) } else { 0 };
            if late {
                self.count("callback late");
            }
            self.due.push((request.decides + jitter, Outside::Says(request.id.clone())));
        }
        if rng.chance(p / 3) {
            self.count("callback early");
            let at = rng.between(self.now, request.decides.max(self.now));
            self.due.push((at, Outside::Says(request.id.clone())));
        }
    }

    /// A word on its way, which may get lost.
    fn garble(&mut self, id: &str, word: ProviderOutcome) -> ProviderOutcome {
        let p = self.mischief;
        let lost = self.requests.get_mut(id).is_some_and(|request| request.rng.chance(p / 10));
        if lost {
            self.count("answer of a provider lost");
            return ProviderOutcome::Unknown;
        }
        word
    }

    /// What a provider has decided otherwise than the books say, by request: `booked` says of an
    /// execution what was taken in of its words, and nothing while that is open.
    pub fn unheard(
        &self,
        booked: impl Fn(ExecutionId) -> Option<Vec<(Currency, i64)>>,
    ) -> Vec<String> {
        let differs = |request: &&Request| {
            request.stands().is_some_and(|there| {
                booked(request.execution).is_some_and(|booked| booked != there)
            })
        };
        let mut ids: Vec<String> =
            self.requests.values().filter(differs).map(|request| request.id.clone()).collect();
        ids.sort_unstable();
        ids
    }
}

/// The providers behind the product's own door to them.
#[derive(Clone)]
pub struct Door {
    networks: Arc<Mutex<Networks>>,
    providers: ProviderRouter,
}

struct Wire(Arc<Mutex<Networks>>);

fn open(networks: &Mutex<Networks>) -> MutexGuard<'_, Networks> {
    networks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider for Wire {
    fn start<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        let mut networks = open(&self.0);
        let word = networks.take(request);
        Box::pin(std::future::ready(networks.garble(&request.request_id, word)))
    }

    fn status<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        let mut networks = open(&self.0);
        let word = networks.word(&request.request_id);
        Box::pin(std::future::ready(networks.garble(&request.request_id, word)))
    }

    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        let mut networks = open(&self.0);
        let waits = networks
            .requests
            .get(&request.request_id)
            .is_some_and(|known| known.acts && known.decided.is_none());
        if waits {
            networks.force(&request.request_id, false);
        }
        Box::pin(std::future::ready(ProviderOutcome::Accepted))
    }
}

impl Door {
    pub fn new() -> Self {
        let networks = Arc::new(Mutex::new(Networks::default()));
        let providers = ProviderRouter::new(Arc::new(Wire(Arc::clone(&networks))));
        Self { networks, providers }
    }

    pub fn inside(&self) -> MutexGuard<'_, Networks> {
        open(&self.networks)
    }

    /// Prepares for a step.
    pub fn begin(&self, now: i64, mischief: u32) {
        let mut networks = self.inside();
        networks.now = now;
        networks.mischief = mischief;
    }

    /// A call as the product makes it; a request that is new is played by these numbers.
    pub fn call(&self, job: &ProviderCall, numbers: Rng) -> ProviderOutcome {
        self.inside().next = Some(numbers);
        let mut call = Box::pin(self.providers.call(job));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(word) => word,
            Poll::Pending => ProviderOutcome::Unknown,
        }
    }
}

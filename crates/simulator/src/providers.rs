//! Simulated providers: they keep accounts of their own, and are slow, silent, late, forgetful and
//! contradictory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{minutes, seconds};
use domain::kernel::uuids::NetworkRequestId;
use domain::ledger::account::AccountKind;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::{ProviderCall, ProviderRequest};
use domain::reconciliation::reported::LineKind;
use networks::{OutcomeFuture, Provider, ProviderRouter};

use crate::db::Map;
use crate::rng::Rng;

/// What a provider has decided about a request: whether it moved money, and how much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProviderDecision {
    pub moved: bool,
    pub amount: Money,
}

/// Money that a provider moved, as its statements will tell it.
#[derive(Clone, Debug)]
pub struct Movement {
    pub request: NetworkRequestId,
    pub execution: ExecutionId,
    pub account: NetworkAccountId,
    pub kind: LineKind,
    /// Above zero where the provider holds more for us.
    pub amount: Money,
    pub at: i64,
}

/// A request as its provider knows it, and how the provider will behave.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    pub id: NetworkRequestId,
    pub merchant: MerchantId,
    pub execution: ExecutionId,
    operation: Operation,
    /// The account that it was sent to, and the payment that it gives back.
    account: NetworkAccountId,
    original: Option<NetworkRequestId>,
    /// Its body, which only requests to real networks have.
    body: Option<String>,
    /// What a real network says that it waits for.
    waits_for: Option<&'static str>,
    pub asked: Money,
    /// How many sendings will still be lost, how many of the others refused without being kept, and
    /// whether one was received.
    lost: u32,
    refused: u32,
    received: bool,
    /// When it is known to the provider, and when it is decided; true time.
    arrives_at: i64,
    decides_at: i64,
    /// The payer has to authenticate first.
    needs_payer: bool,
    silent: bool,
    planned: ProviderDecision,
    pub decided: Option<ProviderDecision>,
    /// How often the provider will still reverse its decision.
    reversals: u32,
    /// The provider leaves the amount out of its outcome where it moved exactly what was asked for.
    omits_amount: bool,
    /// The random numbers of this request alone.
    rng: Rng,
}

/// Something that a provider does unasked, with the id of the request.
#[derive(Clone, Debug)]
pub enum ProviderEvent {
    /// It reports the outcome of a request.
    Callback(NetworkRequestId),
    /// It reverses its decision.
    Reversal(NetworkRequestId),
    /// The payer enters a card on its page, or gives up.
    PayerActs(NetworkRequestId, bool),
}

/// The state of all providers.
#[derive(Default)]
pub struct ProvidersState {
    pub requests: Map<NetworkRequestId, ReceivedRequest>,
    of_execution: Map<ExecutionId, NetworkRequestId>,
    /// What providers hold for us by their own accounts: of each execution,
    pub moved: Map<(ExecutionId, Currency), i64>,
    /// and by clearing account.
    pub held: Map<(MerchantId, AccountKind, Currency), i64>,
    /// What has changed that, in its order.
    pub movements: Vec<Movement>,
    pub due: Vec<(i64, ProviderEvent)>,
    pub now: i64,
    /// A breach of the providers' protocol by the product.
    pub violation: Option<String>,
    /// How often providers misbehave, in thousandths.
    pub misbehaviour: u32,
    /// How often each of their faults happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// The random numbers of the next new request.
    next: Option<Rng>,
}

/// What a real network says of a payment that takes long: its operator does not work, or it has to
/// look for the payment itself.
pub const ENQUEUED: &str = "the operator, which is delayed; it is in the network's queue";
pub const IN_RECONCILIATION: &str = "the network, which is reconciling it with its operator";

impl ReceivedRequest {
    /// What the provider holds because of it; `None` until it is decided.
    pub fn moved_money(&self) -> Option<Vec<(Currency, i64)>> {
        let sign = if self.operation == Operation::Collection { 1 } else { -1 };
        let there = |decision: ProviderDecision| {
            decision.moved.then(|| (decision.amount.currency, sign * decision.amount.minor))
        };
        self.decided.map(|decision| there(decision).into_iter().collect())
    }

    /// Whether one of its sendings was received.
    pub const fn is_received(&self) -> bool {
        self.received
    }

    /// What it waits for, as its network says while it is not decided.
    pub fn waits_for(&self) -> Option<&'static str> {
        self.waits_for.filter(|_| self.decided.is_none())
    }
}

impl ProvidersState {
    /// Makes all open requests ready to be decided now.
    pub fn decide_everything(&mut self) {
        let now = self.now;
        for request in self.requests.values_mut().filter(|request| request.decided.is_none()) {
            (request.arrives_at, request.decides_at) =
                (request.arrives_at.min(now), request.decides_at.min(now));
            (request.lost, request.refused) = (0, 0);
            (request.needs_payer, request.silent) = (false, false);
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Draws how the provider will behave for a new request.
    fn draw_behaviour(&mut self, request: &ProviderRequest) -> ReceivedRequest {
        let p = self.misbehaviour;
        let mut rng = self.next.take().unwrap_or_else(|| Rng::of(0, &[]));
        let late = rng.chance(p / 20);
        let arrives_at =
            if late { self.now + rng.between(seconds(20), minutes(40 * 60)) } else { self.now };
        let wait = match rng.below(10) {
            0..=4 => 0,
            5..=7 => rng.between(1, seconds(6)),
            8 => rng.between(1, minutes(20)),
            _ if rng.chance(p) => rng.between(1, minutes(3 * 24 * 60)),
            _ => rng.between(1, seconds(60)),
        };
        let is_real = request.details.body.is_some();
        let (waits_for, wait) = match rng.below(12) {
            0 if is_real => (Some(ENQUEUED), wait.max(rng.between(1, minutes(6 * 60)))),
            1 if is_real => {
                (Some(IN_RECONCILIATION), wait.max(rng.between(1, minutes(3 * 24 * 60))))
            }
            _ => (None, wait),
        };
        let asked = request.amount;
        let mut planned = ProviderDecision { moved: rng.chance(720), amount: asked };
        if planned.moved && rng.chance(p / 6) {
            let other = if rng.chance(300) {
                rng.pick(&["USD", "LRD", "RWF"]).and_then(Currency::parse)
            } else {
                None
            };
            let currency = other.unwrap_or(asked.currency);
            planned.amount = Money::new((asked.minor + rng.between(-3, 5)).max(1), currency);
        }
        let card =
            request.method == Method::CREDIT_CARD && request.operation == Operation::Collection;
        let lost = if rng.chance(p / 4) { 1 + u32::from(rng.chance(300)) } else { 0 };
        let silent = rng.chance(p / 3);
        // A refusal is final if it is heard. If not, the network knows nothing of the request, and
        // takes it when it is sent again.
        let refused = u32::from(rng.chance(p / 8));
        for (happens, what) in
            [(late, "request that arrives late"), (silent, "time-out, request taken")]
        {
            if happens {
                self.count(what);
            }
        }
        ReceivedRequest {
            id: request.request_id,
            merchant: request.merchant_id,
            execution: request.execution_id,
            operation: request.operation,
            account: request.details.network_account_id,
            original: request.original_request_id,
            body: request.details.body.clone(),
            waits_for,
            asked,
            received: false,
            lost,
            refused,
            arrives_at,
            decides_at: arrives_at + wait,
            // Who pays on a page of ours enters the card on the network's.
            needs_payer: card && (rng.chance(350) || request.from_page),
            silent,
            planned,
            decided: None,
            // More often for refunds: a reversed refund concerns a second payment too.
            reversals: match rng.chance(if request.operation == Operation::Refund {
                p / 2
            } else {
                p / 4
            }) {
                true if rng.chance(250) => 2 + u32::from(rng.chance(300)),
                reversals => u32::from(reversals),
            },
            omits_amount: rng.chance(250),
            rng,
        }
    }

    /// Decides a request that is due, and moves its money.
    fn decide_if_due(&mut self, id: NetworkRequestId) {
        let now = self.now;
        let Some(request) = self.requests.get_mut(&id) else { return };
        if request.decided.is_some()
            || request.needs_payer
            || !request.received
            || now < request.decides_at
        {
            return;
        }
        self.decide(id, None);
    }

    fn decide(&mut self, id: NetworkRequestId, decision: Option<ProviderDecision>) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let decision = decision.unwrap_or(request.planned);
        let before = request.decided.replace(decision);
        request.needs_payer = false;
        request.received = true;
        let longest = match request.rng.below(10) {
            0..=6 => seconds(20),
            7 if request.body.is_some() => minutes(5 * 24 * 60),
            _ => minutes(60),
        };
        let reverses_at = self.now + request.rng.between(seconds(1), longest);
        let reversals = request.reversals > 0;
        request.reversals = request.reversals.saturating_sub(1);
        let request = request.clone();
        let sign = if request.operation == Operation::Collection { 1 } else { -1 };
        let kind = match request.operation {
            Operation::Collection => LineKind::Collection,
            Operation::Payout | Operation::Transfer => LineKind::Payout,
            Operation::Refund => LineKind::Refund,
        };
        let taken_back = before.map(|before| (before, -sign, LineKind::Reversal));
        for (decision, sign, kind) in taken_back.into_iter().chain([(decision, sign, kind)]) {
            if decision.moved {
                let amount = Money::new(sign * decision.amount.minor, decision.amount.currency);
                self.movements.push(Movement {
                    request: request.id,
                    execution: request.execution,
                    account: request.account,
                    kind,
                    amount,
                    at: self.now,
                });
                *self.moved.entry((request.execution, decision.amount.currency)).or_default() +=
                    sign * decision.amount.minor;
                let clearing = AccountKind::Clearing(request.account);
                *self
                    .held
                    .entry((request.merchant, clearing, decision.amount.currency))
                    .or_default() += sign * decision.amount.minor;
            }
        }
        if reversals {
            self.due.push((reverses_at, ProviderEvent::Reversal(request.id)));
        }
    }

    /// Ends a request as an operator or the payer has decided.
    pub fn force(&mut self, id: NetworkRequestId, moved: bool) {
        if let Some(request) = self.requests.get(&id) {
            let decision = ProviderDecision { moved, amount: request.asked };
            self.decide(id, Some(decision));
        }
    }

    /// Reverses the provider's decision.
    pub fn reverse(&mut self, id: NetworkRequestId) {
        if let Some(request) = self.requests.get(&id)
            && let Some(decision) = request.decided
        {
            let contrary = ProviderDecision { moved: !decision.moved, amount: request.asked };
            self.count("provider changes its mind");
            self.decide(id, Some(contrary));
        }
    }

    /// Returns money to its payer that the provider held beyond what the execution says.
    pub fn return_to_payer(
        &mut self,
        execution: ExecutionId,
        merchant: MerchantId,
        kind: AccountKind,
        money: Money,
    ) {
        if let (Some(request), AccountKind::Clearing(account)) =
            (self.of_execution.get(&execution), kind)
        {
            self.movements.push(Movement {
                request: *request,
                execution,
                account,
                kind: LineKind::Reversal,
                amount: Money::new(-money.minor, money.currency),
                at: self.now,
            });
        }
        *self.moved.entry((execution, money.currency)).or_default() -= money.minor;
        *self.held.entry((merchant, kind, money.currency)).or_default() -= money.minor;
    }

    /// The outcome of a request, as its provider sees it now.
    pub fn outcome(&mut self, id: NetworkRequestId) -> ProviderOutcome {
        self.decide_if_due(id);
        let Some(request) = self.requests.get(&id) else { return ProviderOutcome::NeverSeen };
        if !request.received || (self.now < request.arrives_at && request.decided.is_none()) {
            return ProviderOutcome::NeverSeen;
        }
        match request.decided {
            None if request.needs_payer => {
                ProviderOutcome::NeedsAction { client_secret: request.id.to_string() }
            }
            None => ProviderOutcome::Accepted,
            Some(ProviderDecision { moved: false, .. }) => {
                ProviderOutcome::Declined { message: "declined".to_owned() }
            }
            Some(ProviderDecision { amount, .. }) => {
                let quiet = amount == request.asked && request.omits_amount;
                ProviderOutcome::Succeeded {
                    transaction_id: request.id.to_string(),
                    amount: Some(amount).filter(|_| !quiet),
                }
            }
        }
    }

    /// Receives a request; returns the provider's immediate answer.
    pub fn receive(&mut self, request: &ProviderRequest) -> ProviderOutcome {
        let id = request.request_id;
        let of = self.of_execution.entry(request.execution_id).or_insert(id);
        if *of != id {
            self.violation =
                Some(format!("execution {} was sent under two ids", request.execution_id));
        }
        self.check_account(request);
        if let Some(known) = self.requests.get(&id) {
            if known.body != request.details.body {
                self.violation = Some(format!("request {id} was sent again with another body"));
            }
            if (known.asked, known.operation, known.execution)
                != (request.amount, request.operation, request.execution_id)
            {
                self.violation = Some(format!("request {id} was sent again with other contents"));
            }
        } else {
            let known = self.draw_behaviour(request);
            self.requests.insert(id, known);
        }
        let Some(known) = self.requests.get_mut(&id) else { return ProviderOutcome::Unknown };
        if known.lost > 0 {
            known.lost -= 1;
            self.count("time-out, request lost");
            return ProviderOutcome::Unknown;
        }
        if known.refused > 0 && !known.received {
            known.refused -= 1;
            self.count("request refused and not kept");
            return ProviderOutcome::Declined { message: "refused".to_owned() };
        }
        let first = !std::mem::replace(&mut known.received, true);
        let known = known.clone();
        if first {
            self.schedule_callbacks(&known);
            if known.needs_payer && known.body.is_some() {
                self.schedule_payer(&known);
            }
        }
        if known.silent || self.now < known.arrives_at {
            return ProviderOutcome::Unknown;
        }
        self.outcome(id)
    }

    /// Schedules callbacks: none, one or several, early or late.
    fn schedule_callbacks(&mut self, request: &ReceivedRequest) {
        let p = self.misbehaviour;
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
            self.due.push((request.decides_at + jitter, ProviderEvent::Callback(request.id)));
        }
        if rng.chance(p / 3) {
            self.count("callback early");
            let at = rng.between(self.now, request.decides_at.max(self.now));
            self.due.push((at, ProviderEvent::Callback(request.id)));
        }
    }

    /// A real network's payer acts on the network's own page, or never.
    fn schedule_payer(&mut self, request: &ReceivedRequest) {
        let mut rng = Rng::of(request.rng.clone().next(), &[1]);
        if rng.chance(800) {
            let at = self.now + rng.between(seconds(1), minutes(20));
            self.due.push((at, ProviderEvent::PayerActs(request.id, rng.chance(700))));
        }
    }

    /// A payment and its refunds stay with one account, whoever asks.
    fn check_account(&mut self, request: &ProviderRequest) {
        let account = request.details.network_account_id;
        let payment = request.original_request_id.unwrap_or(request.request_id);
        for id in [request.request_id, payment] {
            if let Some(known) = self.requests.get(&id).filter(|known| known.account != account) {
                let other = known.account;
                self.violation =
                    Some(format!("account {account} was called about {id}, which {other} has"));
            }
        }
    }

    /// Whether another refund of the same payment is under way.
    pub fn has_refund_in_progress(&self, request: &ProviderRequest) -> bool {
        let Some(original) = request.original_request_id else { return false };
        self.requests.values().any(|other| {
            other.original == Some(original)
                && other.id != request.request_id
                && other.received
                && other.decided.is_none()
        })
    }

    /// The outcome of a request at the account that is asked.
    pub fn status(&mut self, request: &ProviderRequest) -> ProviderOutcome {
        self.check_account(request);
        self.outcome(request.request_id)
    }

    /// Ends a request that waits for its payer, or in the queue of a real network.
    pub fn cancel(&mut self, id: NetworkRequestId) {
        let waits = self.requests.get(&id).is_some_and(|known| {
            known.received
                && known.decided.is_none()
                && (known.needs_payer || known.waits_for == Some(ENQUEUED))
        });
        let is_queued =
            self.requests.get(&id).is_some_and(|known| known.waits_for() == Some(ENQUEUED));
        if waits && is_queued {
            self.count("payment taken out of the network's queue");
        }
        if waits {
            self.force(id, false);
        }
    }

    /// Delivers an answer, which may get lost on its way.
    pub fn deliver_answer(
        &mut self,
        id: NetworkRequestId,
        outcome: ProviderOutcome,
    ) -> ProviderOutcome {
        let p = self.misbehaviour;
        let lost = self.requests.get_mut(&id).is_some_and(|request| request.rng.chance(p / 10));
        if lost {
            self.count("answer of a provider lost");
            return ProviderOutcome::Unknown;
        }
        outcome
    }

    /// The requests that a provider has decided otherwise than the product has booked. `booked` is
    /// what the product has recorded of an execution; `None` while that is open.
    pub fn unreported(
        &self,
        booked: impl Fn(ExecutionId) -> Option<Vec<(Currency, i64)>>,
    ) -> Vec<NetworkRequestId> {
        let differs = |request: &&ReceivedRequest| {
            request.moved_money().is_some_and(|there| {
                booked(request.execution).is_some_and(|booked| booked != there)
            })
        };
        let mut ids: Vec<NetworkRequestId> =
            self.requests.values().filter(differs).map(|request| request.id).collect();
        ids.sort_unstable();
        ids
    }
}

/// The simulated providers behind the product's own interface to providers.
#[derive(Clone)]
pub struct SimulatedProviders {
    state: Arc<Mutex<ProvidersState>>,
    interface: ProviderRouter,
}

struct Adapter(Arc<Mutex<ProvidersState>>);

fn open(state: &Mutex<ProvidersState>) -> MutexGuard<'_, ProvidersState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider for Adapter {
    fn start<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        let mut state = open(&self.0);
        let outcome = state.receive(request);
        Box::pin(std::future::ready(state.deliver_answer(request.request_id, outcome)))
    }

    fn status<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        let mut state = open(&self.0);
        let outcome = state.status(request);
        Box::pin(std::future::ready(state.deliver_answer(request.request_id, outcome)))
    }

    fn cancel<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        open(&self.0).cancel(request.request_id);
        Box::pin(std::future::ready(ProviderOutcome::Accepted))
    }
}

impl SimulatedProviders {
    pub fn new() -> Self {
        let state = Arc::new(Mutex::new(ProvidersState::default()));
        let interface = ProviderRouter::sandbox_only(Arc::new(Adapter(Arc::clone(&state))));
        Self { state, interface }
    }

    pub fn state(&self) -> MutexGuard<'_, ProvidersState> {
        open(&self.state)
    }

    /// Prepares for a step.
    pub fn begin(&self, now: i64, misbehaviour: u32) {
        let mut state = self.state();
        state.now = now;
        state.misbehaviour = misbehaviour;
    }

    /// The random numbers of the request that is sent next, if it is new.
    pub fn expect_new(&self, numbers: Rng) {
        self.state().next = Some(numbers);
    }

    /// A call as the product makes it; `numbers` decide how the provider behaves if the request is
    /// new.
    pub fn call(&self, job: &ProviderCall, numbers: Rng) -> ProviderOutcome {
        self.expect_new(numbers);
        let mut call = Box::pin(self.interface.ask_sandbox(job));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => ProviderOutcome::Unknown,
        }
    }
}

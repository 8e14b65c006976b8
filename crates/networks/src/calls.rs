//! Calls to real networks about a payment: the adapter's requests, carried by the client, within the
//! account's limit and circuit, and on record.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::kernel::names::Provider;
use domain::kernel::time::{MerchantTime, ServerTime, seconds};
use domain::kernel::trace::TraceContext;
use domain::network_accounts::exchange::Said;
use domain::payments::attempt::{Gate, STRIPE_RESEND_US};
use domain::payments::outcome::{Heard, ProviderOutcome};
use domain::payments::provider_call::{CallKind, ProviderCall, ProviderRequest};

use crate::accounts::{Accounts, CalledAccount, Ended, NotNow, Purpose};
use crate::client::{CALL_TIMEOUT, CallError, Client, Opened, download_request};
use crate::exchange::{HttpRequest, HttpResponse, Payment, Unsendable};
use crate::pawapay;
use crate::reading::{self, Reading, Word};
use crate::stripe::{self, steps::Step};

/// How long a call may wait for its turn.
pub(crate) const TURN_WITHIN: Duration = Duration::from_secs(2);
/// The most calls that one payment leads to at Stripe: create, confirm, cancel, ask.
const STEPS_MAX: usize = 4;

/// So long before the lease ends the last call has ended, in microseconds: its answer is recorded under
/// the lease.
const LEASE_MARGIN_US: i64 = seconds(2);

/// The clock, and random numbers: this crate reads none itself.
#[derive(Clone, Copy, Debug)]
pub struct Outside {
    pub now: fn() -> ServerTime,
    pub random: fn() -> u64,
}

/// What came of a call about a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Called {
    /// The network said how the payment stands, or may know it and said nothing.
    Answered { outcome: ProviderOutcome, heard: Heard },
    /// The request certainly was not taken.
    NotSent {
        gate: Gate,
        /// When it is worth trying again.
        after: Duration,
        exchanges: Vec<Said>,
    },
    /// The network was not asked, because its account makes no calls now.
    NotAsked,
}

impl Called {
    /// An outcome of the sandbox, or none.
    #[must_use]
    pub fn answered(outcome: ProviderOutcome) -> Self {
        Self::Answered { outcome, heard: Heard::default() }
    }
}

/// What a call shows of its account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountNews {
    /// The network refuses its token or key.
    TokenRefused {
        reason: String,
        /// [`Account::updated_at`](crate::accounts::Account), as it was when the call was made.
        known_at: ServerTime,
    },
}

/// Makes calls about payments to real networks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NetworkCalls {
    proxy: Option<String>,
    /// Made when it is first needed: without network accounts there is nobody to call, and nobody must
    /// have to install certificates.
    client: Arc<OnceLock<Result<Client, String>>>,
    pub accounts: Accounts,
    outside: Outside,
}

/// The calls about one payment, one after the other.
struct Conversation<'a> {
    calls: &'a NetworkCalls,
    called: Arc<CalledAccount>,
    payment: Payment,
    request: &'a ProviderRequest,
    /// When the last call must have ended.
    until: ServerTime,
    trace: Option<TraceContext>,
    said: Vec<Said>,
    refused: Option<String>,
}

/// Why a call has no answer.
enum NoAnswer {
    NotNow(NotNow),
    NotSent,
    Silence,
}

impl NetworkCalls {
    /// `proxy` is what networks are called through; see [`Client::new`].
    #[must_use]
    pub fn new(proxy: Option<String>, accounts: Accounts, outside: Outside) -> Self {
        Self { proxy, client: Arc::default(), accounts, outside }
    }

    /// Sends a request with the account's token, and signed where it has a key for that.
    async fn send(
        &self,
        called: &CalledAccount,
        request: HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, CallError> {
        // Only what moves money is signed; see pawaPay's list of calls.
        let request = match called.signer() {
            Some(signer) if request.method == "POST" => signer
                .sign(request, called.account.base_url.authority(), (self.outside.now)())
                .map_err(|reason| CallError::NotSent { reason })?,
            _ => request,
        };
        let bearer = called.account.credentials.bearer.as_deref().unwrap_or_default();
        let request = request.with_bearer(bearer);
        match self.client() {
            Ok(client) => client.call(&called.account.base_url, &request, timeout).await,
            Err(reason) => Err(CallError::NotSent { reason: reason.clone() }),
        }
    }

    fn client(&self) -> &Result<Client, String> {
        self.client.get_or_init(|| {
            Client::new(self.proxy.as_deref())
                .inspect_err(|reason| tracing::error!(reason, "networks cannot be called"))
        })
    }

    /// Makes a call about a payment, and those that follow from its answer. The network is told `trace`.
    pub async fn call(
        &self,
        call: &ProviderCall,
        trace: Option<TraceContext>,
    ) -> (Called, Option<AccountNews>) {
        let request = &call.request;
        let Some(called) = self.accounts.get(request.details.network_account_id) else {
            // Its secrets have not been read yet, or cannot be.
            let not_sent = Called::NotSent {
                gate: Gate::Held,
                after: Duration::from_secs(5),
                exchanges: vec![],
            };
            return (if call.kind == CallKind::Send { not_sent } else { Called::NotAsked }, None);
        };
        let mut conversation = Conversation {
            calls: self,
            called,
            payment: payment(request),
            request,
            until: call.lease_until.plus(-LEASE_MARGIN_US),
            trace,
            said: vec![],
            refused: None,
        };
        let result = match call.provider {
            Provider::PawaPay => conversation.pawapay(call.kind).await,
            Provider::Stripe => conversation.stripe(call.kind).await,
            Provider::Platform => Ok(Called::NotAsked),
        };
        // A body that was written before can be sent, so this is a fault of the program.
        let result = result.unwrap_or_else(|unsendable| {
            tracing::error!(execution = request.execution_id.0, %unsendable, "a payment cannot be sent");
            Called::answered(ProviderOutcome::Unknown)
        });
        let known_at = conversation.called.account.updated_at;
        let refused = conversation.refused.take();
        let news = refused.map(|reason| AccountNews::TokenRefused { reason, known_at });
        (result, news)
    }

    /// Makes a call of the account itself, which is about no payment.
    ///
    /// # Errors
    /// In words for the operator.
    pub async fn ask(
        &self,
        called: &CalledAccount,
        request: HttpRequest,
    ) -> Result<HttpResponse, String> {
        let permitted = self.permit(called, Purpose::Ask).await.map_err(|_| {
            "the account makes no calls now: its limit is reached, or the network fails".to_owned()
        })?;
        let answer = self.send(called, request, CALL_TIMEOUT).await;
        let now = (self.outside.now)();
        called.report(permitted, Ended::of(&answer), now);
        self.pause_if_busy(called, &answer, now);
        answer.map_err(|error| error.to_string())
    }

    /// Opens a file that a network offers at an address of its own, for as long as that holds: whoever
    /// knows the address can read the file, so that it is in no message. The account's token is not
    /// sent, and redirects are not followed. It counts as a call of the account; the host of files is
    /// not that of the API, so that the account's circuit learns nothing of it.
    ///
    /// # Errors
    /// In words for the operator.
    pub async fn open(&self, called: &CalledAccount, address: &str) -> Result<Opened, String> {
        let request = download_request(address, &called.account.base_url)?;
        let client = self.client().as_ref().map_err(Clone::clone)?;
        self.permit(called, Purpose::Ask).await.map_err(|_| {
            "the account makes no calls now: its limit is reached, or the network fails".to_owned()
        })?;
        match tokio::time::timeout(CALL_TIMEOUT, client.open(request)).await {
            Ok(opened) => opened.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
        }
    }

    /// Makes no calls for a while where the network asks for that: 429 and 503, with `Retry-After` or
    /// without.
    fn pause_if_busy(
        &self,
        called: &CalledAccount,
        answer: &Result<HttpResponse, CallError>,
        now: ServerTime,
    ) {
        if let Ok(response) = answer
            && matches!(response.status, 429 | 503)
        {
            called.pause(reading::retry_after(response), (self.outside.random)(), now);
        }
    }

    /// Waits for the account's turn to make a call, at most [`TURN_WITHIN`].
    async fn permit(
        &self,
        called: &CalledAccount,
        purpose: Purpose,
    ) -> Result<crate::accounts::Permitted, NotNow> {
        let latest = (self.outside.now)().plus(micros(TURN_WITHIN));
        loop {
            let now = (self.outside.now)();
            match called.permit(purpose, now) {
                Err(NotNow::Rate { until }) if until < latest => {
                    let wait = u64::try_from(until.since(now)).unwrap_or(0);
                    tokio::time::sleep(Duration::from_micros(wait)).await;
                }
                Err(NotNow::Rate { until }) => {
                    called.counters.calls_behind_rate.add();
                    return Err(NotNow::Rate { until });
                }
                Err(NotNow::Circuit { until }) => {
                    called.counters.calls_behind_circuit.add();
                    return Err(NotNow::Circuit { until });
                }
                permitted @ Ok(_) => return permitted,
            }
        }
    }
}

impl Conversation<'_> {
    fn now(&self) -> ServerTime {
        (self.calls.outside.now)()
    }

    /// Makes one call, and puts it on record.
    async fn exchange(
        &mut self,
        request: HttpRequest,
        purpose: Purpose,
    ) -> Result<HttpResponse, NoAnswer> {
        let called = Arc::clone(&self.called);
        let left = u64::try_from(self.until.since(self.now())).unwrap_or(0);
        if left == 0 {
            return Err(NoAnswer::NotNow(NotNow::Rate { until: self.now() }));
        }
        let timeout = CALL_TIMEOUT.min(Duration::from_micros(left));
        let permitted = self.calls.permit(&called, purpose).await.map_err(NoAnswer::NotNow)?;
        let begun_at = self.now();
        let sent = match self.trace {
            Some(trace) => request.clone().with_header("traceparent", trace.to_string()),
            None => request.clone(),
        };
        let answer = self.calls.send(&called, sent, timeout).await;
        let now = self.now();
        called.report(permitted, Ended::of(&answer), now);
        self.calls.pause_if_busy(&called, &answer, now);
        self.said.push(on_record(&called, &request, &answer, begun_at, now));
        match answer {
            Ok(response) => Ok(response),
            Err(CallError::NotSent { .. }) => Err(NoAnswer::NotSent),
            Err(CallError::Unanswered { .. }) => Err(NoAnswer::Silence),
        }
    }

    async fn pawapay(&mut self, kind: CallKind) -> Result<Called, Unsendable> {
        let (operation, id) = (self.payment.operation, self.payment.request_id);
        if kind == CallKind::Send {
            let body = self.request.details.body.clone().unwrap_or_default();
            let request = pawapay::requests::initiation_with_body(operation, body.into_bytes())?;
            let answer = self.exchange(request, Purpose::Send).await;
            return Ok(match answer {
                Ok(response) => {
                    let reading = pawapay::answers::read_initiation(operation, id, &response);
                    self.answer_to_send(reading)
                }
                Err(none) => self.no_answer_to_send(none),
            });
        }
        if kind == CallKind::Cancel
            && let Ok(request) = pawapay::requests::fail_enqueued(operation, id)
        {
            // Whatever it answers: only the status says how the payment ended.
            let _ = self.exchange(request, Purpose::Ask).await;
        }
        let request = pawapay::requests::status(operation, id)?;
        let answer = self.exchange(request, Purpose::Ask).await;
        Ok(match answer {
            Ok(response) => {
                let reading = pawapay::answers::read_status(operation, id, &response);
                self.answer_to_question(reading)
            }
            Err(none) => self.no_answer_to_question(&none),
        })
    }

    async fn stripe(&mut self, kind: CallKind) -> Result<Called, Unsendable> {
        let body = self.request.details.body.clone().unwrap_or_default();
        let age = self.request.time.since(self.request.details.created_at);
        let may_repeat = age < STRIPE_RESEND_US;
        let mut step = match kind {
            CallKind::Send => Step::Create,
            CallKind::Query => Step::to_ask(&self.payment, may_repeat),
            CallKind::Cancel => Step::to_cancel(&self.payment, may_repeat),
        };
        let mut last: Option<Reading> = None;
        for _ in 0..STEPS_MAX {
            let is_first_send = kind == CallKind::Send && last.is_none();
            let purpose = if is_first_send { Purpose::Send } else { Purpose::Ask };
            let request = step.request(
                &self.payment,
                Some(body.as_bytes()),
                self.request.details.parameters,
            )?;
            let response = match self.exchange(request, purpose).await {
                Ok(response) => response,
                Err(none) if is_first_send => return Ok(self.no_answer_to_send(none)),
                // What was read before stays true.
                Err(none) => match last.take() {
                    Some(reading) => return Ok(self.answer_to_question(reading)),
                    None => return Ok(self.no_answer_to_question(&none)),
                },
            };
            let answer = stripe::answers::read(&step, &self.payment, &response);
            if is_first_send && !matches!(answer.reading, Reading::Word(_)) {
                return Ok(self.answer_to_send(answer.reading));
            }
            if let Reading::Word(Word { reference: Some(reference), .. }) = &answer.reading {
                self.payment.reference = Some(reference.clone());
            }
            // A refusal of a later call says nothing of the payment, and what was read does.
            let reading = match (answer.reading, last.take()) {
                (reading @ Reading::Word(_), _) | (reading, None) => reading,
                (other, Some(before)) => {
                    self.note(&other);
                    before
                }
            };
            match answer.then {
                Some(next) => (step, last) = (next, Some(reading)),
                None => return Ok(self.answer_to_question(reading)),
            }
        }
        Ok(match last {
            Some(reading) => self.answer_to_question(reading),
            None => Called::NotAsked,
        })
    }

    /// What a reading shows of the account, whatever it says of the payment.
    fn note(&mut self, reading: &Reading) {
        match reading {
            Reading::AccountRefused { reason } => {
                self.called.counters.calls_token_refused.add();
                self.refused = Some(reason.clone());
            }
            // Some say so in the body of an answer with another status.
            Reading::Later { after } => {
                self.called.pause(*after, (self.calls.outside.random)(), self.now());
            }
            Reading::Word(_) | Reading::RefundInProgress => {}
        }
    }

    fn answer_to_send(&mut self, reading: Reading) -> Called {
        self.note(&reading);
        let (gate, after) = match reading {
            Reading::Word(word) => return self.heard(word),
            Reading::AccountRefused { .. } => (Gate::Held, Duration::from_secs(5)),
            Reading::Later { after } => (Gate::Rate, after.unwrap_or(Duration::from_secs(1))),
            Reading::RefundInProgress => (Gate::RefundQueue, Duration::from_secs(5)),
        };
        Called::NotSent { gate, after, exchanges: std::mem::take(&mut self.said) }
    }

    fn no_answer_to_send(&mut self, none: NoAnswer) -> Called {
        let (gate, until) = match none {
            NoAnswer::Silence => return self.heard(Word::unknown()),
            NoAnswer::NotSent => (Gate::Circuit, self.now().plus(seconds(2))),
            NoAnswer::NotNow(NotNow::Circuit { until }) => (Gate::Circuit, until),
            NoAnswer::NotNow(NotNow::Rate { until }) => (Gate::Rate, until),
        };
        let after = u64::try_from(until.since(self.now())).unwrap_or(0);
        let after = Duration::from_micros(after);
        Called::NotSent { gate, after, exchanges: std::mem::take(&mut self.said) }
    }

    fn answer_to_question(&mut self, reading: Reading) -> Called {
        self.note(&reading);
        match reading {
            Reading::Word(word) => self.heard(word),
            // None of these says anything of a payment that was sent before.
            Reading::AccountRefused { .. } => self.heard(Word {
                waits_for: Some(
                    "the network, which refuses the operator's token; it is asked again".to_owned(),
                ),
                ..Word::unknown()
            }),
            Reading::Later { .. } | Reading::RefundInProgress => self.heard(Word::unknown()),
        }
    }

    fn no_answer_to_question(&mut self, none: &NoAnswer) -> Called {
        match none {
            NoAnswer::NotNow(_) => Called::NotAsked,
            NoAnswer::NotSent | NoAnswer::Silence => self.heard(Word::unknown()),
        }
    }

    fn heard(&mut self, word: Word) -> Called {
        let (outcome, mut heard, alarm) = of_word(word);
        if let Some(alarm) = alarm {
            self.called.counters.words_unknown.add();
            tracing::error!(
                account = self.called.account.name,
                execution = self.request.execution_id.0,
                alarm,
                "an answer of a network needs a look"
            );
        }
        heard.exchanges = std::mem::take(&mut self.said);
        Called::Answered { outcome, heard }
    }
}

/// A word in the terms of a decision, and what to tell the operator.
#[must_use]
pub fn of_word(word: Word) -> (ProviderOutcome, Heard, Option<String>) {
    let Word { outcome, waits_for: waiting_for, reference, account_number, alarm } = word;
    (outcome, Heard { reference, waiting_for, account_number, exchanges: vec![] }, alarm)
}

/// A payment in the terms of adapters.
fn payment(request: &ProviderRequest) -> Payment {
    let details = &request.details;
    let is_card = details.network_code.is_none();
    let number = request.account_number.clone();
    // Whether there is a page is known as long as the payment; its address only when it begins.
    let page_url = match &details.page {
        Some(page) => is_card.then(|| page.url.clone()),
        None => (is_card && request.from_page).then(String::new),
    };
    let seconds_now = request.time.whole_seconds();
    let ends_at = details.page.as_ref().map(|page| {
        let page_end = page.ends_at.map(MerchantTime::whole_seconds);
        stripe::requests::session_end(page_end, seconds_now)
    });
    Payment {
        request_id: request.request_id.0,
        original_request_id: request.original_request_id.map(|id| id.0),
        original_reference: details.original_reference.clone(),
        reference: details.reference.clone(),
        operation: request.operation,
        amount: request.amount,
        decimals: details.decimals,
        phone: number.clone().filter(|_| !is_card),
        network_code: details.network_code.clone(),
        card: number.filter(|_| is_card),
        merchant_id: request.merchant_id.0,
        execution_id: request.execution_id.0,
        reference_id: details.reference_id.0,
        merchant_name: details.merchant_name.clone(),
        page_url,
        page_ends_at: ends_at,
    }
}

/// The body of the request with which a payment is first sent; see
/// [`WriteBody`](domain::payments::provider_call::WriteBody).
///
/// # Errors
/// Why the network cannot be asked, in words for the merchant.
pub fn write_body(network: Provider, request: &ProviderRequest) -> Result<String, String> {
    let payment = payment(request);
    let body = match network {
        Provider::PawaPay => pawapay::requests::initiation(&payment).map(|request| request.body),
        Provider::Stripe => stripe::requests::create_body(&payment, request.details.parameters),
        Provider::Platform => Err(Unsendable::new("it leaves no wallet")),
    };
    let body = body.map_err(|unsendable| unsendable.reason)?;
    String::from_utf8(body).map_err(|error| error.to_string())
}

fn on_record(
    called: &CalledAccount,
    request: &HttpRequest,
    answer: &Result<HttpResponse, CallError>,
    begun_at: ServerTime,
    now: ServerTime,
) -> Said {
    let empty = HttpResponse { status: 0, headers: vec![], body: vec![] };
    let response = answer.as_ref().unwrap_or(&empty);
    let (asked, answered) = match called.account.network {
        Provider::Stripe => stripe::redaction::redact(request, response),
        Provider::PawaPay | Provider::Platform => pawapay::redaction::redact(request, response),
    };
    let line = format!("{} {}", request.method, request.path);
    let digest = digest(&[line.as_bytes(), &request.body, &response.body]);
    Said {
        network_account_id: called.account.id,
        is_callback: false,
        begun_at,
        duration_us: now.since(begun_at),
        request: asked,
        status: answer.as_ref().ok().map(|response| i64::from(response.status)),
        answer: answer.as_ref().map_or_else(ToString::to_string, |_| answered),
        digest,
    }
}

/// SHA-256 over parts that are told apart by their lengths, in hexadecimal.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

//! pawaPay and Stripe as HTTP servers on this machine, with books of their own. They are as strict
//! as the real ones (unknown parameters are refused, repeated requests are recognized), and they
//! lie as they are told to. What they do follows from the seed, from the requests and from their
//! clock.
//!
//! They share no code with kola: they are another reading of the networks' documentation, so that a
//! misreading shows.
//!
//! ```sh
//! cargo run --release -p fakes -- --callback http://127.0.0.1:8080/callbacks/pawapay/1/TOKEN
//! ```
//!
//! A test starts them in its own process, on free ports, with [`Fakes::start`] or
//! [`Fakes::start_on_threads`].
//!
//! # What decides a payment
//!
//! - **pawaPay**: the last three digits of the number. Deposits: `019` PAYER_LIMIT_REACHED, `029`
//!   PAYER_NOT_FOUND, `039` PAYMENT_NOT_APPROVED, `049` INSUFFICIENT_BALANCE, `059`
//!   PAYMENT_IN_PROGRESS, `069` UNSPECIFIED_FAILURE. Payouts and refunds: `089`
//!   RECIPIENT_NOT_FOUND, `099` WALLET_LIMIT_REACHED, `109` RECIPIENT_LIMIT_REACHED, `119`
//!   UNSPECIFIED_FAILURE. `129` is never final by itself. Every other number completes. Operators:
//!   MTN_MOMO_LBR and ORANGE_LBR (LRD and USD), MTN_MOMO_RWA and AIRTEL_RWA (RWF, without
//!   decimals), MTN_MOMO_ZMB (ZMW).
//! - **Stripe**: the test card, by its alias (`pm_card_visa`, `pm_card_visa_chargeDeclined`,
//!   `pm_card_threeDSecure2Required` and so on) or by its number on the page of a Checkout Session.
//!   `pm_card_createDispute` is disputed, refunds of `pm_card_refundFail` fail after they
//!   succeeded.
//!
//! # The control port
//!
//! JSON in and out; unknown fields are refused with 400 and `{"error": "..."}`, unknown paths and
//! ids with 404. In a process [`Fakes::control`] is the same without a connection.
//!
//! | call | what it does |
//! |---|---|
//! | `POST /faults` | adds a fault, see below; answers `{"id"}` |
//! | `GET /faults`, `DELETE /faults` | those that are left, by network; removes all |
//! | `GET /clock` | `{"now", "offset_seconds"}` |
//! | `POST /clock/advance {"seconds"}` | moves the clock of both and does all that falls due, in its order. May be negative |
//! | `GET /books` | `{"pawapay": {"payments", "wallets", "statement_lines"}, "stripe": {"payment_intents", "charges", "refunds", "disputes", "sessions", "balances"}}`, amounts in minor units |
//! | `GET /requests` | the last requests by network: `{"at", "at_ms", "method", "path", "idempotency_key", "traceparent", "body", "status", "fault"}` |
//! | `GET /deliveries` | the last deliveries of callbacks: `{"at", "at_ms", "event", "subject", "url", "attempt", "answer"}` |
//! | `POST /flush` | answers when each callback that is due was delivered or has failed |
//!
//! ## Faults
//!
//! ```json
//! {"network": "PAWAPAY", "kind": "ANSWER_LOST", "times": 2,
//!  "match": {"method": "POST", "path": "/v2/deposits", "body": "250783456789"}}
//! ```
//!
//! `network` is PAWAPAY or STRIPE. `times` is 1 unless given; `percent` lets chance (by the seed)
//! decide at each match. In `match` what is left out matches everything; `method`, `path` and
//! `event` may have `*`; `body` is a part of the body.
//!
//! *To requests.* Of those that match, the first happens.
//!
//! | kind | fields | what happens |
//! |---|---|---|
//! | `REQUEST_LOST` | | the connection closes, nothing is taken |
//! | `REFUSED` | `status`, `retry_after`? | nothing is taken; 429, 503, 500, 401, 409 and so on, also 302, which says not where to |
//! | `ANSWER_LOST` | | taken, no answer |
//! | `RESET` | | taken, the connection is reset |
//! | `BAD_GATEWAY` | | taken, answered 502 with HTML |
//! | `CUT_ANSWER` | | taken, half an answer |
//! | `EMPTY_ANSWER` | | taken, 200 without a body |
//! | `SERVER_ERROR` | | taken, 500; Stripe keeps and replays it for the idempotency key |
//! | `SLOW` | `milliseconds` | taken, answered so much later (real time); until then Stripe answers 409 to the same idempotency key |
//!
//! *To payments*, when they are taken (pawaPay) or charged or refunded (Stripe). All that match
//! happen. `path` is `/v2/deposits` and so on, `/v1/payment_intents` or `/v1/refunds`; `body` is
//! the request at pawaPay and the object, with its metadata, at Stripe.
//!
//! | kind | fields | what happens |
//! |---|---|---|
//! | `STUCK` | | it is not final by itself |
//! | `LATE` | `seconds` | it is final so much later |
//! | `FAILS` | `code` | it fails: a failure code, a decline code, the reason of a refund's failure |
//! | `REVERSED` | `seconds` | so long after its end it has the opposite one (Stripe: refunds only) |
//! | `OTHER_AMOUNT` | `amount` | another amount moves; a decimal text |
//! | `OTHER_CURRENCY` | `currency` | it moves in another currency |
//! | `OTHER_NUMBER` | `phone` | pawaPay: another number pays or is paid |
//! | `WORD` | `status` | until it is final its status is this word |
//! | `IN_RECONCILIATION` | `seconds` | pawaPay: for so long, before it is final |
//! | `HIDDEN` | `seconds` | pawaPay: for so long its status is NOT_FOUND |
//! | `SAYS_DUPLICATE` | | pawaPay: taken, answered DUPLICATE_IGNORED without `created` |
//! | `CALLBACK_FIRST` | | final at once; the answer waits until the callbacks were delivered |
//!
//! *To callbacks*, when they are made. All that match happen. `event` is DEPOSIT, PAYOUT, REFUND or
//! STATEMENT at pawaPay and the event's type at Stripe.
//!
//! | kind | fields | what happens |
//! |---|---|---|
//! | `CALLBACK_LOST` | | it is never sent |
//! | `CALLBACK_LATE` | `seconds` | it is sent so much later |
//! | `CALLBACK_REPEATED` | `copies` | so many copies at once |
//! | `CALLBACK_UNSIGNED`, `CALLBACK_FORGED`, `CALLBACK_EXPIRED`, `CALLBACK_TAMPERED` | | no signature, one of another key, one of an hour ago, a body that was changed afterwards |
//! | `CALLBACK_AMOUNT` | `amount` | it tells of another amount than the status |
//! | `CALLBACK_CURRENCY` | `currency` | it tells of another currency than the status |
//!
//! A callback that is not answered with 2xx is sent again: by pawaPay for a quarter of an hour, by
//! Stripe three times in seven hours, on the clock of the fakes.
//!
//! ## pawaPay
//!
//! | call | what it does |
//! |---|---|
//! | `POST /pawapay/callback-urls {"url"?, "deposits"?, "payouts"?, "refunds"?}` | where callbacks go: `url` for all three |
//! | `POST /pawapay/tokens {"add"?, "revoke"?}` | at most two tokens are active |
//! | `POST /pawapay/rotate-key` | signs with a new key from now on, and publishes only that; answers `{"id"}` |
//! | `POST /pawapay/settings {"signed_callbacks"?, "signed_requests_only"?, "request_key": {"id", "pem"}?, "digest"?, "delay_ms"?}` | `digest` is `sha-256` or `sha-512` |
//! | `POST /pawapay/operators {"provider", "currency"?, "operation"?, "status"?, "min"?, "max"?, "fee_basis_points"?}` | status is OPERATIONAL, DELAYED or CLOSED; what was enqueued goes on when its operator is operational again |
//! | `POST /pawapay/payments {"id", "status"?, "failure_code"?, "amount"?, "word"?, "callback"?}` | brings a payment into another state, also out of a final one, and sends its callback |
//! | `POST /pawapay/callbacks {"id", "set"?, "signature"?, "copies"?}` | sends a callback of a payment with any field changed (also its id and status); signature is GOOD, UNSIGNED, FORGED, EXPIRED or TAMPERED |
//! | `POST /pawapay/statement-lines {"id", "change", "minor"?, "fee_minor"?, ...}` | REMOVE, REPEAT or CHANGE the lines of a payment, or ADD one (with `currency`, `country`, `type`?, `phone`?, `provider`?) |
//! | `POST /pawapay/statement-files {"cut"?, "doubled"?, "reordered"?, "columns"?, "encoding"?, "with_end"?}` | how the files of statements are written from now on; what is left out is as it should be. `cut` is MIDDLE (the file ends in its middle, and that is its size) or LINES (the second half of its lines is missing, and its size is that of all); `reordered` puts the newest line first; `columns` are the names of the columns in another order, or fewer; `encoding` is UTF-8, or UTF-16LE or UTF-16BE with a byte-order mark; `with_end` takes a line at the very end of the time, too |
//! | `POST /pawapay/wallets {"country", "currency", "minor"}` | sets a balance |
//!
//! ## Stripe
//!
//! | call | what it does |
//! |---|---|
//! | `POST /stripe/webhooks {"url", "secrets"?, "types"?}` | adds an endpoint or changes it; with several secrets each delivery has a signature by each |
//! | `POST /stripe/keys {"add"?, "revoke"?}` | secret keys |
//! | `POST /stripe/settings {"delay_ms"?, "search_lag_ms"?, "settlement"?}` | how long events take, and how long search does not find what is new (a minute at first); with `{"currency": "usd", "rate": "0.00071"}` balance transactions are in that currency |
//! | `POST /stripe/authenticate {"payment_intent", "success"?}` | the payer's answer to 3D Secure |
//! | `POST /stripe/intents {"payment_intent", "status", "decline_code"?}` | `succeeded`, `failed` or `canceled` for one that is not final |
//! | `POST /stripe/refunds {"refund", "status", "failure_reason"?}` | for example `failed` after `succeeded` |
//! | `POST /stripe/disputes {"payment_intent", "amount"?, "reason"?, "due_in_hours"?}` | opens a dispute, which can be answered for nine days or for so many hours; answers `{"dispute"}` |
//! | `POST /stripe/disputes {"dispute", "status"}` | `won`, `lost`, `under_review` and so on |
//! | `POST /stripe/payouts {"currency"}` | pays to the bank what is available; answers `{"payout"}` |
//! | `POST /stripe/events {"event", "set"?, "set_object"?, "signature"?, "copies"?}` | sends an event again, with any field changed |
//! | `POST /stripe/balance-transactions {"source", "change", "amount"?, "fee"?, "currency"?}` | REMOVE, REPEAT, CHANGE or ADD |
//! | `POST /stripe/forget-idempotency-keys` | as if a day had passed |

mod clock;
mod control;
mod fake;
mod faults;
mod fields;
mod money;
mod pawapay;
mod random;
mod serve;
mod stripe;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::Clock;
pub use crate::control::ControlError;
use crate::control::Controlled;
use crate::fake::Fake;
use crate::pawapay::Pawapay;
pub use crate::pawapay::TOKEN as PAWAPAY_TOKEN;
use crate::stripe::Stripe;
pub use crate::stripe::{
    PUBLISHABLE_KEY as STRIPE_PUBLISHABLE_KEY, SECRET_KEY as STRIPE_SECRET_KEY,
    WEBHOOK_SECRET as STRIPE_WEBHOOK_SECRET,
};

/// Where the fakes listen, and how they begin.
#[derive(Clone, Debug)]
pub struct Settings {
    pub pawapay: SocketAddr,
    pub stripe: SocketAddr,
    pub control: SocketAddr,
    pub seed: u64,
    /// How long payments at pawaPay, events at Stripe and the like take, in milliseconds.
    pub delay_ms: i64,
    /// Where pawaPay's callbacks go.
    pub pawapay_callback: Option<String>,
    /// Where Stripe's events go.
    pub stripe_webhook: Option<String>,
    /// The time (milliseconds since 1970) at which the clock stands until it is advanced; `None`
    /// follows the system's clock.
    pub clock_stands_at: Option<i64>,
}

impl Default for Settings {
    /// Free ports of loopback, seed 1, no callbacks, and a delay of half a second.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            pawapay: free,
            stripe: free,
            control: free,
            seed: 1,
            delay_ms: 500,
            pawapay_callback: None,
            stripe_webhook: None,
            clock_stands_at: None,
        }
    }
}

/// Both fakes and their control port. They end when this is dropped.
pub struct Fakes {
    controlled: Arc<Controlled>,
    pawapay: SocketAddr,
    stripe: SocketAddr,
    control: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Fakes {
    /// Starts them on the runtime that this is called on.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let pawapay_listener = TcpListener::bind(settings.pawapay).await?;
        let stripe_listener = TcpListener::bind(settings.stripe).await?;
        let control_listener = TcpListener::bind(settings.control).await?;
        let pawapay = pawapay_listener.local_addr()?;
        let stripe = stripe_listener.local_addr()?;
        let control = control_listener.local_addr()?;
        let clock = Arc::new(
            settings.clock_stands_at.map_or_else(Clock::of_the_system, Clock::standing_at),
        );
        let controlled = Arc::new(Controlled {
            pawapay: Fake::new(
                Pawapay::new(&settings, format!("http://{pawapay}")),
                Arc::clone(&clock),
            ),
            stripe: Fake::new(
                Stripe::new(&settings, format!("http://{stripe}")),
                Arc::clone(&clock),
            ),
            clock,
        });
        let tasks = vec![
            tokio::spawn(Arc::clone(&controlled.pawapay).keep_time()),
            tokio::spawn(Arc::clone(&controlled.stripe).keep_time()),
            tokio::spawn(serve::serve(pawapay_listener, pawapay::router(&controlled.pawapay))),
            tokio::spawn(serve::serve(stripe_listener, stripe::router(&controlled.stripe))),
            tokio::spawn(serve::serve(control_listener, control::router(Arc::clone(&controlled)))),
        ];
        Ok(Self { controlled, pawapay, stripe, control, tasks, runtime: None })
    }

    /// Starts them on threads of their own, for tests that are not async. Must not be called on a
    /// runtime.
    ///
    /// # Errors
    /// If an address cannot be listened on, or there are no threads.
    pub fn start_on_threads(settings: Settings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fakes")
            .enable_all()
            .build()?;
        let mut fakes = runtime.block_on(Self::start(settings))?;
        fakes.runtime = Some(runtime);
        Ok(fakes)
    }

    /// The base URL of the fake pawaPay: `http://127.0.0.1:4101`.
    #[must_use]
    pub fn pawapay_url(&self) -> String {
        format!("http://{}", self.pawapay)
    }

    /// The base URL of the fake Stripe.
    #[must_use]
    pub fn stripe_url(&self) -> String {
        format!("http://{}", self.stripe)
    }

    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// The clock of the fakes, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.controlled.clock.now()
    }

    /// What a POST to this path of the control port does. `/flush` is [`Self::flush`].
    ///
    /// # Errors
    /// If there is no such path or thing, or the body is wrong.
    pub fn control(&self, path: &str, body: &Value) -> Result<Value, ControlError> {
        self.controlled.handle("POST", path, body.to_string().as_bytes())
    }

    /// What a GET of this path of the control port answers.
    ///
    /// # Errors
    /// If there is no such path.
    pub fn look(&self, path: &str) -> Result<Value, ControlError> {
        self.controlled.handle("GET", path, b"")
    }

    /// `GET /books`.
    #[must_use]
    pub fn books(&self) -> Value {
        self.controlled.books()
    }

    /// Moves the clock and does all that falls due.
    pub fn advance(&self, seconds: i64) {
        self.controlled.advance(seconds);
    }

    /// Waits until each callback that is due was delivered or has failed.
    pub async fn flush(&self) {
        self.controlled.flush().await;
    }

    /// [`Self::flush`] for fakes on threads of their own; does nothing for others.
    pub fn flush_on_threads(&self) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(self.controlled.flush());
        }
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

//! The sandbox provider: it simulates pawaPay and Stripe, and never moves money.
//!
//! An outcome depends on the operator of the number according to the tariff, on the last three
//! digits of the number (or the test name of the card), on how often the request was sent, and on
//! how long ago that was by the merchant's sandbox clock. The sandbox keeps no state, so that a
//! crash changes nothing.

use std::time::Duration;

use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::minutes;
use domain::kernel::trace::TraceContext;
use domain::payments::attempt::MAX_CLOCK_SKEW_US;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::ProviderRequest;
use tokio::sync::mpsc;

use super::{OutcomeFuture, Provider};

/// A callback that the sandbox sends after a delay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    pub execution_id: ExecutionId,
    pub merchant_id: MerchantId,
    /// The trace of the payment.
    pub trace: Option<TraceContext>,
    pub after: Duration,
    pub outcome: ProviderOutcome,
}

/// Where the sandbox puts callbacks; `jobs::callbacks` of the server delivers them.
pub type Callbacks = mpsc::Sender<Callback>;

pub struct Sandbox {
    delay: Duration,
    callbacks: Callbacks,
}

impl Sandbox {
    /// A sandbox whose requests are final after `delay`; without a delay they are final in the
    /// answer to the request.
    #[must_use]
    pub const fn new(delay: Duration, callbacks: Callbacks) -> Self {
        Self { delay, callbacks }
    }

    fn call_back(&self, request: &ProviderRequest, after: Duration, outcome: &ProviderOutcome) {
        let callback = Callback {
            execution_id: request.execution_id,
            merchant_id: request.merchant_id,
            trace: request.trace,
            after,
            outcome: outcome.clone(),
        };
        // A callback that finds the queue full is lost, as callbacks may be: the server polls.
        if self.callbacks.try_send(callback).is_err() {
            tracing::debug!(execution = request.execution_id.0, "a sandbox callback was lost");
        }
    }

    /// Whether the delay is over on the merchant's clock.
    fn is_due(&self, request: &ProviderRequest) -> bool {
        age(request) >= i64::try_from(self.delay.as_micros()).unwrap_or(i64::MAX)
    }

    fn start_outcome(&self, request: &ProviderRequest) -> ProviderOutcome {
        let (scenario, end) = scenario(request);
        let at_once = self.delay.is_zero();
        match scenario {
            Scenario::Stuck => return ProviderOutcome::Accepted,
            Scenario::UnansweredButAccepted => return ProviderOutcome::Unknown,
            Scenario::UnansweredAndLost if request.send_count <= 1 => {
                return ProviderOutcome::Unknown;
            }
            Scenario::Authentication => {
                return ProviderOutcome::NeedsAction { client_secret: client_secret(request) };
            }
            Scenario::CallbackTwice => self.call_back(request, self.delay, &end),
            Scenario::CallbackFirst => {
                self.call_back(request, Duration::ZERO, &end);
                return ProviderOutcome::Accepted;
            }
            Scenario::SuccessAfterFailure => {
                self.call_back(request, self.delay + Duration::from_secs(1), &success(request))
            }
            Scenario::Plain | Scenario::UnansweredAndLost => {}
        }
        if at_once {
            return end;
        }
        self.call_back(request, self.delay, &end);
        ProviderOutcome::Accepted
    }

    fn status_outcome(&self, request: &ProviderRequest) -> ProviderOutcome {
        let (scenario, end) = scenario(request);
        match scenario {
            Scenario::Stuck if age(request) < minutes(15) => ProviderOutcome::Accepted,
            Scenario::UnansweredAndLost if request.send_count <= 1 => ProviderOutcome::NeverSeen,
            Scenario::UnansweredButAccepted | Scenario::Stuck => end,
            Scenario::Authentication if request.cancel_asked => ProviderOutcome::Declined {
                message: "canceled: the payer did not authenticate in time".to_owned(),
            },
            Scenario::Authentication => {
                ProviderOutcome::NeedsAction { client_secret: client_secret(request) }
            }
            _ if self.is_due(request) => end,
            _ => ProviderOutcome::Accepted,
        }
    }
}

impl Provider for Sandbox {
    fn start<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        Box::pin(async move {
            let outcome = self.start_outcome(request);
            if scenario(request).0 == Scenario::CallbackFirst {
                // The callback overtakes the answer.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome
        })
    }

    fn status<'a>(&'a self, request: &'a ProviderRequest) -> OutcomeFuture<'a> {
        Box::pin(std::future::ready(self.status_outcome(request)))
    }

    fn cancel<'a>(&'a self, _: &'a ProviderRequest) -> OutcomeFuture<'a> {
        Box::pin(std::future::ready(ProviderOutcome::Accepted))
    }
}

/// How long ago a request was sent, in microseconds. A request that was sent far in the future was
/// sent by a clock that was ahead: it counts as old, so that nobody waits for that time to come.
fn age(request: &ProviderRequest) -> i64 {
    let age = request.time.since(request.sent_at);
    if age < -MAX_CLOCK_SKEW_US { i64::MAX } else { age }
}

/// How the sandbox treats a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scenario {
    /// Accepted, and final after the delay.
    Plain,
    /// Accepted, and not final for a quarter of an hour.
    Stuck,
    /// No answer, but accepted.
    UnansweredButAccepted,
    /// No answer, and never seen. The second try is accepted.
    UnansweredAndLost,
    /// The callback comes twice.
    CallbackTwice,
    /// The callback comes before the answer.
    CallbackFirst,
    /// Fails, and a second later succeeds after all.
    SuccessAfterFailure,
    /// Waits until the payer has authenticated the payment.
    Authentication,
}

const PAYER_NOT_FOUND: &str =
    "PAYER_NOT_FOUND: the number has no account with this mobile operator";
const RECIPIENT_NOT_FOUND: &str =
    "RECIPIENT_NOT_FOUND: the number has no account with this mobile operator";

/// Whether the number belongs to another operator than the one that is called. A refund is never
/// refused for it: it goes back to where the money came from.
fn is_another_operators(request: &ProviderRequest) -> bool {
    let known = request
        .operator
        .filter(|_| request.method.is_mobile_money() && request.operation != Operation::Refund);
    known.is_some_and(|operator| operator != request.method)
}

/// The scenario of a request, and its final outcome.
fn scenario(request: &ProviderRequest) -> (Scenario, ProviderOutcome) {
    let number = request.account_number.as_deref().unwrap_or("");
    if request.method == Method::CREDIT_CARD {
        return card_scenario(request, number);
    }
    let suffix = number.len().checked_sub(3).and_then(|start| number.get(start..)).unwrap_or("");
    let collection = request.operation == Operation::Collection;
    let declined = |message: &str| {
        (Scenario::Plain, ProviderOutcome::Declined { message: message.to_owned() })
    };
    if is_another_operators(request) {
        return declined(if collection { PAYER_NOT_FOUND } else { RECIPIENT_NOT_FOUND });
    }
    match (suffix, collection) {
        ("019", true) => declined("PAYER_LIMIT_REACHED: the payer has reached a limit"),
        ("029", true) => declined(PAYER_NOT_FOUND),
        ("039", true) => declined("PAYMENT_NOT_APPROVED: the payer did not approve the payment"),
        ("049", true) => declined("INSUFFICIENT_BALANCE: the payer has not enough money"),
        ("069", true) => declined("UNSPECIFIED_FAILURE: the mobile operator gave no reason"),
        ("089", false) => declined(RECIPIENT_NOT_FOUND),
        ("099", false) => {
            declined("WALLET_LIMIT_REACHED: the recipient's account cannot take the amount")
        }
        ("119", false) => declined("UNSPECIFIED_FAILURE: the mobile operator gave no reason"),
        ("129", _) => (Scenario::Stuck, success(request)),
        ("139", _) => (Scenario::UnansweredButAccepted, success(request)),
        ("149", _) => (Scenario::UnansweredAndLost, success(request)),
        ("159", _) => (Scenario::CallbackTwice, success(request)),
        ("169", _) => (Scenario::CallbackFirst, success(request)),
        ("179", _) => (
            Scenario::SuccessAfterFailure,
            ProviderOutcome::Declined {
                message: "UNSPECIFIED_FAILURE: the mobile operator gave no reason".to_owned(),
            },
        ),
        _ => (Scenario::Plain, success(request)),
    }
}

/// The scenario of a card, by the names of Stripe's public test payment methods.
fn card_scenario(request: &ProviderRequest, name: &str) -> (Scenario, ProviderOutcome) {
    if request.operation != Operation::Collection {
        return (Scenario::Plain, success(request));
    }
    let declined = |code: &str| {
        (
            Scenario::Plain,
            ProviderOutcome::Declined { message: format!("{code}: the card was declined") },
        )
    };
    // The payer chooses on a page of ours, which plays Stripe's, what becomes of it.
    if request.from_page {
        return (Scenario::Authentication, success(request));
    }
    match name {
        "pm_card_authenticationRequired"
        | "pm_card_threeDSecure2Required"
        | "pm_card_threeDSecureRequired"
        | "pm_card_threeDSecureRequiredChargeDeclined" => {
            (Scenario::Authentication, success(request))
        }
        _ if name.ends_with("InsufficientFunds") => declined("insufficient_funds"),
        _ if name.ends_with("LostCard") => declined("lost_card"),
        _ if name.ends_with("StolenCard") => declined("stolen_card"),
        _ if name.ends_with("ExpiredCard") => declined("expired_card"),
        _ if name.ends_with("IncorrectCvc") => declined("incorrect_cvc"),
        _ if name.ends_with("ProcessingError") => declined("processing_error"),
        _ if name.contains("chargeDeclined") || name == "pm_card_chargeCustomerFail" => {
            declined("card_declined")
        }
        _ => (Scenario::Plain, success(request)),
    }
}

fn success(request: &ProviderRequest) -> ProviderOutcome {
    ProviderOutcome::Succeeded {
        transaction_id: format!("sandbox-{}", request.request_id),
        amount: Some(request.amount),
    }
}

fn client_secret(request: &ProviderRequest) -> String {
    let id = request.request_id.0.as_simple().to_string();
    format!("pi_{id}_secret_sandbox")
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;
    use domain::kernel::ids::NetworkAccountId;
    use domain::kernel::money::Money;
    use domain::kernel::time::{MerchantTime, seconds};
    use domain::kernel::uuids::{NetworkRequestId, ReferenceId, Uuid};
    use domain::network_accounts::account::Parameters;
    use domain::payments::provider_call::RequestDetails;

    use super::*;

    fn request(number: &str, operation: Operation) -> ProviderRequest {
        ProviderRequest {
            merchant_id: MerchantId(1),
            execution_id: ExecutionId(7),
            operation,
            request_id: NetworkRequestId(Uuid::from_u128(1)),
            original_request_id: None,
            trace: None,
            method: if number.starts_with("pm_") {
                Method::CREDIT_CARD
            } else {
                Method::MTN_MOMO_LBR
            },
            account_number: Some(number.to_owned()),
            operator: None,
            amount: Money::new(100, Currency::parse("USD").unwrap()),
            send_count: 1,
            sent_at: MerchantTime(0),
            requires_action: false,
            cancel_asked: false,
            from_page: false,
            details: Box::new(RequestDetails {
                network_account_id: NetworkAccountId(1),
                reference_id: ReferenceId(Uuid::from_u128(2)),
                merchant_name: "Shop".to_owned(),
                parameters: Parameters::Current,
                network_code: None,
                decimals: 2,
                reference: None,
                original_reference: None,
                body: None,
                page: None,
                created_at: MerchantTime(0),
            }),
            time: MerchantTime(0),
        }
    }

    fn sandbox(delay_ms: u64) -> (Sandbox, mpsc::Receiver<Callback>) {
        let (callbacks, inbox) = mpsc::channel(8);
        (Sandbox::new(Duration::from_millis(delay_ms), callbacks), inbox)
    }

    fn kind(outcome: &ProviderOutcome) -> &'static str {
        match outcome {
            ProviderOutcome::Accepted => "accepted",
            ProviderOutcome::NeedsAction { .. } => "action",
            ProviderOutcome::Succeeded { .. } => "ok",
            ProviderOutcome::Declined { .. } => "no",
            ProviderOutcome::Unknown => "unknown",
            ProviderOutcome::NeverSeen => "unseen",
        }
    }

    /// Number, operation, answer without delay, status a second later.
    #[test]
    fn every_number_plays_its_part() {
        use Operation::{Collection, Payout, Refund};
        let (sandbox, _inbox) = sandbox(0);
        for (number, operation, answer, status) in [
            ("231880000000", Collection, "ok", "ok"),
            ("231880000019", Collection, "no", "no"),
            ("231880000029", Collection, "no", "no"),
            ("231880000039", Collection, "no", "no"),
            ("231880000049", Collection, "no", "no"),
            ("231880000069", Collection, "no", "no"),
            ("231880000019", Payout, "ok", "ok"),
            ("231880000089", Payout, "no", "no"),
            ("231880000099", Refund, "no", "no"),
            ("231880000119", Payout, "no", "no"),
            ("231880000119", Collection, "ok", "ok"),
            ("231880000129", Collection, "accepted", "accepted"),
            ("231880000139", Payout, "unknown", "ok"),
            ("231880000149", Payout, "unknown", "unseen"),
            ("231880000159", Collection, "ok", "ok"),
            ("231880000169", Collection, "accepted", "ok"),
            ("231880000179", Collection, "no", "no"),
            ("pm_card_visa", Collection, "ok", "ok"),
            ("pm_card_chargeDeclined", Collection, "no", "no"),
            ("pm_card_authenticationRequired", Collection, "action", "action"),
        ] {
            let mut request = request(number, operation);
            assert_eq!(kind(&sandbox.start_outcome(&request)), answer, "{number} {operation}");
            request.time = MerchantTime(seconds(1));
            assert_eq!(
                kind(&sandbox.status_outcome(&request)),
                status,
                "{number} {operation}, asked"
            );
        }
    }

    #[test]
    fn a_number_of_another_operator_has_no_account() {
        let (sandbox, _inbox) = sandbox(0);
        let with = |operator, operation| {
            let request = ProviderRequest { operator, ..request("231770000001", operation) };
            match sandbox.start_outcome(&request) {
                ProviderOutcome::Declined { message } => {
                    message.split(':').next().unwrap_or_default().to_owned()
                }
                other => kind(&other).to_owned(),
            }
        };
        let orange = Some(Method::ORANGE_MONEY_LBR);
        assert_eq!(with(orange, Operation::Collection), "PAYER_NOT_FOUND");
        assert_eq!(with(orange, Operation::Payout), "RECIPIENT_NOT_FOUND");
        assert_eq!(with(orange, Operation::Refund), "ok");
        assert_eq!(
            [
                with(None, Operation::Collection),
                with(Some(Method::MTN_MOMO_LBR), Operation::Payout)
            ],
            ["ok", "ok"]
        );
    }

    #[test]
    fn a_stuck_payment_ends_after_a_quarter_of_an_hour_on_the_merchants_clock() {
        let (sandbox, _inbox) = sandbox(0);
        let mut request = request("231880000129", Operation::Payout);
        request.time = MerchantTime(minutes(15) - 1);
        assert_eq!(kind(&sandbox.status_outcome(&request)), "accepted");
        request.time = MerchantTime(minutes(15));
        assert_eq!(kind(&sandbox.status_outcome(&request)), "ok");
    }

    #[test]
    fn what_was_lost_goes_through_the_second_time() {
        let (sandbox, _inbox) = sandbox(0);
        let request =
            ProviderRequest { send_count: 2, ..request("231880000149", Operation::Payout) };
        assert_eq!(
            (kind(&sandbox.start_outcome(&request)), kind(&sandbox.status_outcome(&request))),
            ("ok", "ok")
        );
    }

    #[test]
    fn callbacks_come_as_the_number_says() {
        for (number, delay_ms, expected) in [
            ("231880000001", 1_000, vec![("ok", 1_000)]),
            ("231880000001", 0, vec![]),
            ("231880000159", 1_000, vec![("ok", 1_000), ("ok", 1_000)]),
            ("231880000169", 1_000, vec![("ok", 0)]),
            ("231880000179", 0, vec![("ok", 1_000)]),
            ("231880000129", 0, vec![]),
        ] {
            let (sandbox, mut inbox) = sandbox(delay_ms);
            sandbox.start_outcome(&request(number, Operation::Collection));
            let mut got = vec![];
            while let Ok(callback) = inbox.try_recv() {
                got.push((kind(&callback.outcome), callback.after.as_millis()));
            }
            assert_eq!(got, expected, "{number}");
        }
    }
}

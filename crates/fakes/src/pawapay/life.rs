//! What becomes of a payment after it was taken, and who is told.

use serde_json::{Value, json};

use super::operators::OperatorStatus;
use super::payment::{Operation, Outcome, Payment, Status, failure_reason};
use super::statements::Line;
use super::{Job, Pawapay, PaymentKey, Reply};
use crate::fake::{Callback, Signature};
use crate::faults::Kind;
use crate::money::{fee_of, minor_of};

impl Pawapay {
    /// The balance of a wallet.
    pub(crate) fn wallet(&mut self, country: &str, currency: &str) -> &mut i64 {
        self.wallets.entry((country.to_owned(), currency.to_owned())).or_default()
    }

    /// The time of a payment is over: it is final, or in reconciliation for a while.
    pub(crate) fn proceed(&mut self, key: &PaymentKey, now: i64) {
        let Some(payment) = self.payments.get_mut(key) else { return };
        match payment.status {
            Status::Processing if payment.reconciling > 0 => {
                payment.status = Status::InReconciliation;
                let lasting = payment.reconciling;
                self.common.at(now + lasting, Job::Proceed(key.clone()));
            }
            Status::Processing | Status::InReconciliation => {
                let outcome = payment.outcome.clone();
                self.finish(key, &outcome, now);
                self.call_back(key, now);
            }
            // Cancelled or decided by hand meanwhile.
            Status::Enqueued | Status::Completed | Status::Failed => {}
        }
    }

    /// Brings a payment into a final state, from whichever it was in, and moves the money.
    pub(crate) fn finish(&mut self, key: &PaymentKey, outcome: &Outcome, now: i64) {
        let Some(payment) = self.payments.get(key) else { return };
        let before = payment.status;
        let status = match outcome {
            Outcome::Completed => Status::Completed,
            Outcome::Failed(_) => Status::Failed,
            Outcome::Stuck => return,
        };
        if before == status {
            return;
        }
        let transaction_id = self.common.random.digits(11);
        let rate = self
            .operators
            .iter()
            .find(|operator| {
                operator.provider == payment.provider && operator.currency == payment.asked.currency
            })
            .map_or(0, |operator| operator.terms(payment.operation).fee);
        let Some(payment) = self.payments.get_mut(key) else { return };
        payment.status = status;
        payment.failure_code = match outcome {
            Outcome::Failed(code) => Some(code.clone()),
            Outcome::Completed | Outcome::Stuck => None,
        };
        if status == Status::Completed {
            payment.fee = fee_of(payment.moved.minor, rate);
        }
        payment.transaction_id.get_or_insert(transaction_id);
        let reversed_after = payment.reversed_after.take();

        let payment = payment.clone();
        let (minor, fee) = (payment.moved.minor, payment.fee);
        // Of payouts and refunds the amount is reserved from the beginning.
        let change = match (payment.operation, before, status) {
            (Operation::Deposit, _, Status::Completed) => minor - fee,
            (Operation::Deposit, Status::Completed, _) => fee - minor,
            (Operation::Deposit, ..) => 0,
            (_, Status::Failed, Status::Completed) => -minor - fee,
            (_, _, Status::Completed) => -fee,
            (_, Status::Completed, _) => minor + fee,
            _ => minor,
        };
        *self.wallet(payment.country, &payment.moved.currency) += change;
        if status == Status::Completed {
            self.lines.push(Line::of(&payment, now, 1));
        } else if before == Status::Completed {
            self.lines.push(Line::of(&payment, now, -1));
        }
        if let Some(after) = reversed_after {
            self.common.at(now + after, Job::Reverse(key.clone()));
        }
    }

    pub(crate) fn reverse(&mut self, key: &PaymentKey, now: i64) {
        let opposite = match self.payments.get(key).map(|payment| payment.status) {
            Some(Status::Completed) => Outcome::Failed("UNSPECIFIED_FAILURE".to_owned()),
            Some(Status::Failed) => Outcome::Completed,
            _ => return,
        };
        self.finish(key, &opposite, now);
        self.call_back(key, now);
    }

    pub(crate) fn cancel(&mut self, key: &PaymentKey, now: i64) {
        if self.payments.get(key).is_some_and(|payment| payment.status == Status::Enqueued) {
            self.finish(key, &Outcome::Failed("MANUALLY_CANCELLED".to_owned()), now);
            self.call_back(key, now);
        }
    }

    /// Sends the callback of a payment as it stands.
    pub(crate) fn call_back(&mut self, key: &PaymentKey, now: i64) {
        let Some(payment) = self.payments.get(key) else { return };
        let mut body = payment.callback_data();
        let mut text = body.to_string();
        let faults = self.common.callback_faults(payment.operation.name(), text.as_bytes());
        if !faults.is_empty() {
            for fault in &faults {
                change_money(&mut body, payment, fault);
            }
            text = body.to_string();
        }
        self.send_callback(key, text, Signature::Good, &faults, now);
    }

    /// Sends any body as the callback of a payment.
    pub(crate) fn send_callback(
        &mut self,
        (operation, id): &PaymentKey,
        body: String,
        signature: Signature,
        faults: &[Kind],
        now: i64,
    ) {
        let Some(url) = self.callback_urls.get(operation).cloned() else { return };
        let unsigned = !self.signed_callbacks && signature == Signature::Good;
        let callback = Callback {
            url,
            event: operation.name().to_owned(),
            subject: id.clone(),
            body: body.into(),
            signer: self.signer(),
            signature: if unsigned { Signature::Unsigned } else { signature },
            failed: 0,
        };
        self.common.send(callback, faults, now);
    }

    pub(crate) fn status(&self, operation: Operation, id: &str, now: i64) -> Reply {
        match self.payments.get(&(operation, id.to_owned())) {
            Some(payment) if payment.hidden_until <= now => {
                Reply::ok(json!({ "status": "FOUND", "data": payment.data() }))
            }
            _ => Reply::ok(json!({ "status": "NOT_FOUND" })),
        }
    }

    /// Cancels a payment that waits for its operator.
    pub(crate) fn fail_enqueued(&mut self, operation: Operation, id: &str, now: i64) -> Reply {
        let key = (operation, id.to_owned());
        match self.payments.get(&key).map(|payment| payment.status) {
            None => rejected_action(operation, id, "NOT_FOUND"),
            Some(Status::Enqueued) => {
                self.common.at(now + self.delay, Job::Cancel(key));
                Reply::ok(json!({ operation.id_field(): id, "status": "ACCEPTED" }))
            }
            Some(_) => rejected_action(operation, id, "INVALID_STATE"),
        }
    }

    pub(crate) fn resend_callback(&mut self, operation: Operation, id: &str, now: i64) -> Reply {
        let key = (operation, id.to_owned());
        match self.payments.get(&key).map(|payment| payment.status) {
            None => rejected_action(operation, id, "NOT_FOUND"),
            Some(status) if status.is_final() => {
                self.call_back(&key, now);
                Reply::ok(json!({ operation.id_field(): id, "status": "ACCEPTED" }))
            }
            Some(_) => rejected_action(operation, id, "INVALID_STATE"),
        }
    }

    /// Goes on with what waited for operators that are operational again.
    pub(crate) fn release_enqueued(&mut self, now: i64) {
        let operators = &self.operators;
        let is_operational = |payment: &Payment| {
            operators.iter().any(|operator| {
                operator.provider == payment.provider
                    && operator.currency == payment.asked.currency
                    && operator.terms(payment.operation).status == OperatorStatus::Operational
            })
        };
        for (key, payment) in &mut self.payments {
            if payment.status == Status::Enqueued && is_operational(payment) {
                payment.status = Status::Processing;
                if payment.outcome != Outcome::Stuck {
                    self.common.at(now + payment.takes, Job::Proceed(key.clone()));
                }
            }
        }
    }
}

/// A callback that tells of other money than there is.
fn change_money(body: &mut Value, payment: &Payment, fault: &Kind) {
    let Some(object) = body.as_object_mut() else { return };
    match fault {
        Kind::CallbackAmount { amount } => {
            let known = minor_of(amount, &payment.moved.currency).is_some();
            if known {
                object.insert("amount".to_owned(), json!(amount));
            }
        }
        Kind::CallbackCurrency { currency } => {
            object.insert("currency".to_owned(), json!(currency));
        }
        _ => {}
    }
}

fn rejected_action(operation: Operation, id: &str, code: &str) -> Reply {
    Reply::ok(json!({
        operation.id_field(): id,
        "status": "REJECTED",
        "failureReason": failure_reason(code),
    }))
}

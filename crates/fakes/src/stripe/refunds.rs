//! Refunds and disputes.

use serde_json::Value;

use super::cards::Behaviour;
use super::error::ApiError;
use super::form::Params;
use super::objects::{Dispute, Refund};
use super::{Job, Stripe};
use crate::faults::Kind;

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// What Stripe takes for a dispute, in minor units.
const DISPUTE_FEE: i64 = 1_500;

impl Stripe {
    pub(crate) fn create_refund(&mut self, mut params: Params) -> Result<Value, ApiError> {
        let intent = params.text("payment_intent")?;
        let charge = params.text("charge")?;
        let amount = params.integer("amount")?;
        let reason = params.text("reason")?;
        let metadata = params.metadata()?;
        params.end()?;
        let reasons = ["duplicate", "fraudulent", "requested_by_customer"];
        if reason.as_deref().is_some_and(|reason| !reasons.contains(&reason)) {
            let message = "Invalid reason";
            return Err(ApiError::parameter("parameter_invalid", "reason", message));
        }
        let charge_id = match (&intent, &charge) {
            (Some(_), Some(_)) | (None, None) => {
                return Err(ApiError::invalid(
                    "parameter_missing",
                    "One of the following params should be provided for this request: \
                     payment_intent or charge.",
                ));
            }
            (None, Some(charge)) => charge.clone(),
            (Some(id), None) => {
                let intent = self
                    .intents
                    .get(id)
                    .ok_or_else(|| ApiError::missing("payment_intent", id, "payment_intent"))?;
                let paid = intent.latest_charge.clone().filter(|_| intent.received > 0);
                paid.ok_or_else(|| {
                    let message =
                        format!("This PaymentIntent ({id}) does not have a successful charge.");
                    ApiError::invalid("payment_intent_unexpected_state", &message)
                })?
            }
        };
        let charge = self
            .charges
            .get(&charge_id)
            .ok_or_else(|| ApiError::missing("charge", &charge_id, "charge"))?
            .clone();
        if charge.failure.is_some() {
            return Err(ApiError::invalid("charge_not_refundable", "The charge has failed."));
        }
        if charge.disputed {
            let message = format!("Charge {charge_id} has been charged back.");
            return Err(ApiError::invalid("charge_disputed", &message));
        }
        let left = charge.amount - charge.refunded;
        if left <= 0 {
            let message = format!("Charge {charge_id} has already been refunded.");
            return Err(ApiError::invalid("charge_already_refunded", &message));
        }
        let amount = amount.unwrap_or(left);
        if amount < 1 || amount > left {
            let message = format!(
                "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            );
            return Err(ApiError::invalid("", &message).with("param", "amount".into()));
        }

        let mut refund = Refund {
            number: self.next_number(),
            id: format!("re_3{}", self.common.random.letters(23)),
            charge: charge_id,
            intent: charge.intent,
            amount,
            currency: charge.currency,
            reason,
            status: "succeeded".to_owned(),
            failure_reason: None,
            metadata,
            created: self.now,
            balance_transaction: None,
            failure_balance_transaction: None,
        };
        let id = refund.id.clone();
        let shown = refund.show().to_string();
        let faults = self.common.payment_faults("/v1/refunds", shown.as_bytes());
        self.hasten |= faults.contains(&Kind::CallbackFirst);
        let mut fails_after = charge
            .method
            .filter(|method| method.card.behaviour == Behaviour::RefundsFail)
            .map(|_| (self.delay, "expired_or_canceled_card".to_owned()));
        for fault in faults {
            match fault {
                Kind::Stuck => refund.status = "pending".to_owned(),
                Kind::Late { by } => {
                    refund.status = "pending".to_owned();
                    self.common.at(self.now + by, Job::Refund(id.clone(), "succeeded", None));
                }
                Kind::Fails { code } => {
                    refund.status = "pending".to_owned();
                    fails_after = Some((self.delay, code));
                }
                Kind::Reversed { after } => {
                    fails_after = Some((after, "expired_or_canceled_card".to_owned()));
                }
                Kind::Word { status } => refund.status = status,
                _ => {}
            }
        }
        if let Some((after, reason)) = fails_after {
            self.common.at(self.now + after, Job::Refund(id.clone(), "failed", Some(reason)));
        }
        // The money leaves the balance at once, also while the refund is pending.
        let transaction = self.post("refund", "refund", &id, -amount, &refund.currency);
        refund.balance_transaction = Some(transaction);
        if let Some(charge) = self.charges.get_mut(&refund.charge) {
            charge.refunded += amount;
        }
        let shown = refund.show();
        self.refunds.insert(id, refund.clone());
        self.emit("refund.created", shown.clone());
        if let Some(charge) = self.charges.get(&refund.charge) {
            let charge = charge.show();
            self.emit("charge.refunded", charge);
        }
        Ok(shown)
    }

    /// A refund ends, or ends otherwise than before.
    pub(crate) fn end_refund(&mut self, id: &str, status: &str, reason: Option<String>) {
        let Some(refund) = self.refunds.get_mut(id).filter(|refund| refund.status != status) else {
            return;
        };
        let has_ended_without = |status: &str| matches!(status, "failed" | "canceled");
        let (before, now) = (has_ended_without(&refund.status), has_ended_without(status));
        status.clone_into(&mut refund.status);
        refund.failure_reason = now.then(|| reason.unwrap_or_else(|| "unknown".to_owned()));
        let (amount, currency) = (refund.amount, refund.currency.clone());
        let charge = refund.charge.clone();
        // A refund that succeeds after it failed, which Stripe does not do, takes the money again.
        let (kind, back) = match (before, now) {
            (false, true) => ("refund_failure", amount),
            (true, false) => ("refund", -amount),
            _ => ("", 0),
        };
        if back != 0 {
            let transaction = self.post(kind, kind, id, back, &currency);
            if let Some(refund) = self.refunds.get_mut(id).filter(|_| now) {
                refund.failure_balance_transaction = Some(transaction);
            }
            if let Some(charge) = self.charges.get_mut(&charge) {
                charge.refunded -= back;
            }
        }
        let shown = self.refunds.get(id).map(Refund::show).unwrap_or_default();
        self.emit("refund.updated", shown.clone());
        self.emit("charge.refund.updated", shown.clone());
        if status == "failed" {
            self.emit("refund.failed", shown);
        }
    }

    pub(crate) fn cancel_refund(&self, id: &str) -> ApiError {
        match self.refunds.get(id) {
            None => ApiError::missing("refund", id, "refund"),
            Some(_) => ApiError::invalid(
                "",
                "Only refunds with a status of requires_action can be canceled.",
            ),
        }
    }

    pub(crate) fn update_refund(
        &mut self,
        id: &str,
        mut params: Params,
    ) -> Result<Value, ApiError> {
        let metadata = params.metadata()?;
        params.end()?;
        let refund =
            self.refunds.get_mut(id).ok_or_else(|| ApiError::missing("refund", id, "refund"))?;
        refund.metadata.extend(metadata);
        Ok(refund.show())
    }

    /// The payer's bank takes the money back.
    pub(crate) fn open_dispute(
        &mut self,
        intent_id: &str,
        amount: Option<i64>,
        reason: &str,
        due_in_hours: Option<i64>,
    ) -> Option<String> {
        let charge_id = self.intents.get(intent_id)?.latest_charge.clone()?;
        let charge = self.charges.get_mut(&charge_id).filter(|charge| charge.failure.is_none())?;
        charge.disputed = true;
        let amount = amount.unwrap_or(charge.amount);
        let currency = charge.currency.clone();
        let id = format!("du_1{}", self.common.random.letters(23));
        let transaction =
            self.post_with_fee(("adjustment", "dispute"), &id, -amount, DISPUTE_FEE, &currency);
        let dispute = Dispute {
            number: self.next_number(),
            id: id.clone(),
            charge: charge_id,
            intent: intent_id.to_owned(),
            amount,
            currency,
            reason: reason.to_owned(),
            status: "needs_response".to_owned(),
            created: self.now,
            due_by: self.now + due_in_hours.unwrap_or(9 * 24) * (DAY / 24),
            balance_transactions: vec![transaction],
        };
        let shown = dispute.show();
        self.disputes.insert(id.clone(), dispute);
        self.emit("charge.dispute.created", shown.clone());
        self.emit("charge.dispute.funds_withdrawn", shown);
        Some(id)
    }

    /// A dispute goes on, or is over: `won` and `lost`.
    pub(crate) fn change_dispute(&mut self, id: &str, status: &str) -> Option<Value> {
        let dispute = self.disputes.get_mut(id)?;
        dispute.status = status.to_owned();
        let (amount, currency) = (dispute.amount, dispute.currency.clone());
        let charge = dispute.charge.clone();
        if status == "won" {
            let transaction = self.post("adjustment", "dispute_reversal", id, amount, &currency);
            if let Some(dispute) = self.disputes.get_mut(id) {
                dispute.balance_transactions.push(transaction);
            }
            if let Some(charge) = self.charges.get_mut(&charge) {
                charge.disputed = false;
            }
        }
        let shown = self.disputes.get(id).map(Dispute::show)?;
        match status {
            "won" => {
                self.emit("charge.dispute.funds_reinstated", shown.clone());
                self.emit("charge.dispute.closed", shown.clone());
            }
            "lost" => self.emit("charge.dispute.closed", shown.clone()),
            _ => self.emit("charge.dispute.updated", shown.clone()),
        }
        Some(shown)
    }
}

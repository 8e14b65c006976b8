//! What the control port changes at the fake Stripe.

use serde_json::{Map, Value, json};

use super::Stripe;
use super::balance::Settlement;
use super::events::Endpoint;
use super::objects::IntentStatus;
use crate::control::ControlError;
use crate::fake::Signature;
use crate::faults::Kind;
use crate::fields::{Fault, Fields};

impl Stripe {
    /// Does what `POST /stripe/{action}` asks for.
    pub(crate) fn control(
        &mut self,
        action: &str,
        mut fields: Fields,
        now: i64,
    ) -> Result<Value, ControlError> {
        self.at(now);
        let answer = match action {
            "webhooks" => self.set_webhook(&mut fields)?,
            "keys" => self.change_keys(&mut fields)?,
            "settings" => self.change_settings(&mut fields)?,
            "intents" => self.change_intent(&mut fields)?,
            "authenticate" => {
                let id = fields.required_text("payment_intent")?;
                let success = fields.flag("success")?.unwrap_or(true);
                if !self.intents.contains_key(&id) {
                    return Err(ControlError::NotFound);
                }
                // A refusal by the bank is what was asked for; only a wrong state is an error.
                let waits = |stripe: &Self| {
                    stripe
                        .intents
                        .get(&id)
                        .is_some_and(|intent| intent.status == IntentStatus::RequiresAction)
                };
                if !waits(self) {
                    return Err(ControlError::of("the payment waits for no authentication"));
                }
                let _ = self.authenticate(&id, success);
                self.show_intent(&id).unwrap_or_default()
            }
            "refunds" => {
                let id = fields.required_text("refund")?;
                let status = fields.required_text("status")?;
                let reason = fields.text("failure_reason")?;
                self.end_refund(&id, &status, reason);
                self.refunds.get(&id).ok_or(ControlError::NotFound)?.show()
            }
            "disputes" => self.change_disputes(&mut fields)?,
            "payouts" => {
                let currency = fields.required_text("currency")?;
                json!({ "payout": self.pay_out(&currency) })
            }
            "events" => self.send_any_event(&mut fields)?,
            "forget-idempotency-keys" => {
                self.answers.clear();
                json!({})
            }
            "balance-transactions" => self.change_transactions(&mut fields)?,
            _ => return Err(ControlError::NotFound),
        };
        fields.end()?;
        Ok(answer)
    }

    /// Adds an endpoint, or changes the one with this URL.
    fn set_webhook(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        let url = fields.required_text("url")?;
        let secrets = fields.texts("secrets")?;
        let types = fields.texts("types")?;
        let at = self.endpoints.iter().position(|endpoint| endpoint.url == url);
        let mut endpoint = match at {
            Some(at) => self.endpoints.remove(at),
            None => {
                Endpoint { url, secrets: vec![super::WEBHOOK_SECRET.to_owned()], types: Vec::new() }
            }
        };
        endpoint.secrets = secrets.unwrap_or(endpoint.secrets);
        endpoint.types = types.unwrap_or(endpoint.types);
        let answer = json!({ "url": endpoint.url, "secrets": endpoint.secrets });
        self.endpoints.push(endpoint);
        Ok(answer)
    }

    fn change_keys(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        if let Some(key) = fields.text("revoke")? {
            self.keys.retain(|known| *known != key);
        }
        self.keys.extend(fields.text("add")?);
        Ok(json!({ "keys": self.keys }))
    }

    fn change_settings(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        self.delay = fields.integer("delay_ms")?.unwrap_or(self.delay);
        self.search_lag = fields.integer("search_lag_ms")?.unwrap_or(self.search_lag);
        if let Some(mut settlement) = fields.object("settlement")? {
            let read = Settlement {
                currency: settlement.required_text("currency")?.to_ascii_lowercase(),
                rate: settlement.required_text("rate")?,
            };
            settlement.end()?;
            if read.exchange(1, &read.currency).is_none() {
                return Err(Fault::Invalid("rate".to_owned()).into());
            }
            self.settlement = Some(read);
        }
        Ok(json!({ "delay_ms": self.delay, "search_lag_ms": self.search_lag }))
    }

    /// The bank answers for a payment that is being processed.
    fn change_intent(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        let id = fields.required_text("payment_intent")?;
        let status = fields.required_text("status")?;
        let code = fields.text("decline_code")?.unwrap_or_else(|| "generic_decline".to_owned());
        let intent = self.intents.get(&id).ok_or(ControlError::NotFound)?;
        if matches!(intent.status, IntentStatus::Succeeded | IntentStatus::Canceled) {
            return Err(ControlError::of("the payment is final"));
        }
        match status.as_str() {
            "succeeded" => self.succeed(&id),
            "failed" => {
                self.decline(&id, "card_declined", &code);
            }
            "canceled" => self.cancel(&id, None),
            _ => return Err(Fault::Invalid("status".to_owned()).into()),
        }
        Ok(self.show_intent(&id).unwrap_or_default())
    }

    /// Opens a dispute of a payment, or changes one.
    fn change_disputes(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        if let Some(id) = fields.text("dispute")? {
            let status = fields.required_text("status")?;
            return self.change_dispute(&id, &status).ok_or(ControlError::NotFound);
        }
        let intent = fields.required_text("payment_intent")?;
        let amount = fields.integer("amount")?;
        let reason = fields.text("reason")?.unwrap_or_else(|| "fraudulent".to_owned());
        let due = fields.integer("due_in_hours")?;
        let id = self.open_dispute(&intent, amount, &reason, due).ok_or(ControlError::NotFound)?;
        Ok(json!({ "dispute": id }))
    }

    /// Sends an event again, or one that was never there, with any content.
    fn send_any_event(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        let object = |name: &str, fields: &mut Fields| match fields.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(Fault::Invalid(name.to_owned())),
        };
        let id = fields.required_text("event")?;
        let changes = object("set", fields)?;
        let object_changes = object("set_object", fields)?;
        let signature = match fields.text("signature")? {
            None => Signature::Good,
            Some(name) => {
                Signature::named(&name).ok_or_else(|| Fault::Invalid("signature".to_owned()))?
            }
        };
        let copies = u32::try_from(fields.integer("copies")?.unwrap_or(1))
            .map_err(|_| Fault::Invalid("copies".to_owned()))?;
        let event = self.event(&id).ok_or(ControlError::NotFound)?.clone();
        let mut body = event.show();
        if let Some(of_event) = body.as_object_mut() {
            of_event.extend(changes);
        }
        if let Some(of_object) = body.pointer_mut("/data/object").and_then(Value::as_object_mut) {
            of_object.extend(object_changes);
        }
        self.hasten = true;
        let faults = [Kind::CallbackRepeated { copies }];
        self.deliver(&event.id, &event.kind, body.to_string(), signature, &faults);
        Ok(body)
    }

    /// Changes what balance transactions say, and with them the balance.
    fn change_transactions(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        let source = fields.required_text("source")?;
        let change = fields.required_text("change")?;
        let (amount, fee) = (fields.integer("amount")?, fields.integer("fee")?);
        let of_source: Vec<String> = self
            .transactions
            .values()
            .filter(|transaction| transaction.source == source)
            .map(|transaction| transaction.id.clone())
            .collect();
        match change.as_str() {
            "REMOVE" => self.transactions.retain(|_, of| of.source != source),
            "REPEAT" => {
                for id in of_source {
                    if let Some(mut again) = self.transactions.get(&id).cloned() {
                        again.number = self.next_number();
                        again.id = format!("txn_3{}", self.common.random.letters(23));
                        self.transactions.insert(again.id.clone(), again);
                    }
                }
            }
            "ADD" => {
                let currency = fields.required_text("currency")?;
                let moved = amount.unwrap_or_default();
                let fee = fee.unwrap_or_default();
                self.post_with_fee(("charge", "charge"), &source, moved, fee, &currency);
            }
            "CHANGE" => {
                for id in of_source {
                    if let Some(transaction) = self.transactions.get_mut(&id) {
                        transaction.amount = amount.unwrap_or(transaction.amount);
                        transaction.fee = fee.unwrap_or(transaction.fee);
                    }
                }
            }
            _ => return Err(Fault::Invalid("change".to_owned()).into()),
        }
        Ok(json!({}))
    }
}

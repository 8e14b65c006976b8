//! What the control port changes at the fake pawaPay.

use serde_json::{Value, json};

use super::operators::OperatorStatus;
use super::payment::{Operation, Outcome, Status};
use super::signature::{BodyDigest, public_key};
use super::statements::{Files, Line};
use super::{Pawapay, PaymentKey};
use crate::control::ControlError;
use crate::fake::Signature;
use crate::faults::Kind;
use crate::fields::{Fault, Fields};
use crate::money::minor_of;

impl Pawapay {
    /// Does what `POST /pawapay/{action}` asks for.
    pub(crate) fn control(
        &mut self,
        action: &str,
        mut fields: Fields,
        now: i64,
    ) -> Result<Value, ControlError> {
        let answer = match action {
            "callback-urls" => self.set_callback_urls(&mut fields)?,
            "tokens" => self.change_tokens(&mut fields)?,
            "rotate-key" => json!({ "id": self.rotate_key() }),
            "settings" => self.change_settings(&mut fields)?,
            "operators" => self.change_operators(&mut fields, now)?,
            "payments" => self.change_payment(&mut fields, now)?,
            "callbacks" => self.send_any_callback(&mut fields, now)?,
            "statement-lines" => self.change_lines(&mut fields, now)?,
            "statement-files" => {
                self.statement_files = Files::read(&mut fields)?;
                json!({})
            }
            "wallets" => self.set_wallet(&mut fields)?,
            _ => return Err(ControlError::NotFound),
        };
        fields.end()?;
        Ok(answer)
    }

    fn set_callback_urls(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        if let Some(url) = fields.text("url")? {
            for operation in Operation::ALL {
                self.callback_urls.insert(operation, url.clone());
            }
        }
        for operation in Operation::ALL {
            if let Some(url) = fields.text(operation.path())? {
                self.callback_urls.insert(operation, url);
            }
        }
        let url_of =
            |(operation, url): (&Operation, &String)| (operation.path().to_owned(), json!(url));
        Ok(Value::Object(self.callback_urls.iter().map(url_of).collect()))
    }

    fn change_tokens(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        if let Some(token) = fields.text("revoke")? {
            self.tokens.retain(|known| *known != token);
        }
        if let Some(token) = fields.text("add")? {
            if self.tokens.len() >= 2 {
                return Err(ControlError::of("at most two tokens are active at once"));
            }
            self.tokens.push(token);
        }
        Ok(json!({ "tokens": self.tokens }))
    }

    fn change_settings(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        if let Some(flag) = fields.flag("signed_callbacks")? {
            self.signed_callbacks = flag;
        }
        if let Some(flag) = fields.flag("signed_requests_only")? {
            self.signed_requests_only = flag;
        }
        if let Some(delay) = fields.integer("delay_ms")? {
            self.delay = delay;
        }
        if let Some(digest) = fields.text("digest")? {
            self.digest = match digest.as_str() {
                "sha-256" => BodyDigest::Sha256,
                "sha-512" => BodyDigest::Sha512,
                _ => return Err(Fault::Invalid("digest".to_owned()).into()),
            };
        }
        if let Some(mut key) = fields.object("request_key")? {
            let id = key.required_text("id")?;
            let pem = key.required_text("pem")?;
            key.end()?;
            let key = public_key(&pem).ok_or_else(|| ControlError::of("no P-256 key in PEM"))?;
            self.request_keys.insert(id, key);
        }
        Ok(json!({
            "signed_callbacks": self.signed_callbacks,
            "signed_requests_only": self.signed_requests_only,
            "delay_ms": self.delay,
            "request_keys": self.request_keys.keys().collect::<Vec<_>>(),
        }))
    }

    /// Changes the terms of an operator, in all its currencies and for all operations unless one of
    /// them is named.
    fn change_operators(&mut self, fields: &mut Fields, now: i64) -> Result<Value, ControlError> {
        let provider = fields.required_text("provider")?;
        let currency = fields.text("currency")?;
        let operation = named(fields, "operation", Operation::named)?;
        let status = named(fields, "status", OperatorStatus::named)?;
        let (min, max) = (fields.text("min")?, fields.text("max")?);
        let fee = fields.integer("fee_basis_points")?;
        let mut changed = 0;
        for operator in &mut self.operators {
            if operator.provider != provider
                || currency.as_ref().is_some_and(|currency| currency != operator.currency)
            {
                continue;
            }
            let bound = |name: &str, text: &Option<String>| match text {
                None => Ok(None),
                Some(text) => minor_of(text, operator.currency)
                    .map(Some)
                    .ok_or_else(|| Fault::Invalid(name.to_owned())),
            };
            let (min, max) = (bound("min", &min)?, bound("max", &max)?);
            for of in Operation::ALL {
                if operation.is_some_and(|operation| operation != of) {
                    continue;
                }
                let terms = operator.terms_mut(of);
                terms.status = status.unwrap_or(terms.status);
                terms.min = min.unwrap_or(terms.min);
                terms.max = max.unwrap_or(terms.max);
                terms.fee = fee.unwrap_or(terms.fee);
                changed += 1;
            }
        }
        if changed == 0 {
            return Err(ControlError::NotFound);
        }
        self.release_enqueued(now);
        Ok(json!({ "changed": changed }))
    }

    fn key_of(&self, id: &str) -> Result<PaymentKey, ControlError> {
        Operation::ALL
            .into_iter()
            .map(|operation| (operation, id.to_owned()))
            .find(|key| self.payments.contains_key(key))
            .ok_or(ControlError::NotFound)
    }

    /// Brings a payment into another state, also out of a final one.
    fn change_payment(&mut self, fields: &mut Fields, now: i64) -> Result<Value, ControlError> {
        let key = self.key_of(&fields.required_text("id")?)?;
        let status = named(fields, "status", Status::named)?;
        let amount = fields.text("amount")?;
        let word = fields.text("word")?;
        let code = fields.text("failure_code")?;
        let callback = fields.flag("callback")?.unwrap_or(true);
        let Some(payment) = self.payments.get_mut(&key) else {
            return Err(ControlError::NotFound);
        };
        if let Some(amount) = amount {
            if payment.status.is_final() {
                return Err(ControlError::of("the amount of a final payment has moved already"));
            }
            let minor = minor_of(&amount, &payment.moved.currency)
                .ok_or_else(|| Fault::Invalid("amount".to_owned()))?;
            let more = minor - payment.moved.minor;
            payment.moved.minor = minor;
            let (country, currency) = (payment.country, payment.moved.currency.clone());
            if key.0 != Operation::Deposit {
                *self.wallet(country, &currency) -= more;
            }
        }
        if let Some(payment) = self.payments.get_mut(&key)
            && word.is_some()
        {
            payment.word = word;
        }
        match status {
            None => {}
            Some(Status::Completed) => self.finish(&key, &Outcome::Completed, now),
            Some(Status::Failed) => {
                let code = code.unwrap_or_else(|| "UNSPECIFIED_FAILURE".to_owned());
                self.finish(&key, &Outcome::Failed(code), now);
            }
            Some(open) => match self.payments.get_mut(&key) {
                Some(payment) if !payment.status.is_final() => payment.status = open,
                _ => return Err(ControlError::of("a final payment is never open again")),
            },
        }
        if callback && status.is_some_and(Status::is_final) {
            self.call_back(&key, now);
        }
        Ok(self.payments.get(&key).map_or(Value::Null, |payment| payment.data()))
    }

    /// Sends a callback of a payment, or one of no payment at all, with any content.
    fn send_any_callback(&mut self, fields: &mut Fields, now: i64) -> Result<Value, ControlError> {
        let key = self.key_of(&fields.required_text("id")?)?;
        let changes = match fields.take("set") {
            None => serde_json::Map::new(),
            Some(Value::Object(changes)) => changes,
            Some(_) => return Err(Fault::Invalid("set".to_owned()).into()),
        };
        let signature = named(fields, "signature", Signature::named)?.unwrap_or(Signature::Good);
        let copies = fields.integer("copies")?.unwrap_or(1);
        let copies = u32::try_from(copies).map_err(|_| Fault::Invalid("copies".to_owned()))?;
        let payment = self.payments.get(&key).ok_or(ControlError::NotFound)?;
        let mut body = payment.callback_data();
        if let Some(object) = body.as_object_mut() {
            for (name, value) in changes {
                object.insert(name, value);
            }
        }
        let faults = [Kind::CallbackRepeated { copies }];
        self.send_callback(&key, body.to_string(), signature, &faults, now);
        Ok(body)
    }

    /// Changes what statements say, and nothing else.
    fn change_lines(&mut self, fields: &mut Fields, now: i64) -> Result<Value, ControlError> {
        let id = fields.required_text("id")?;
        let change = fields.text("change")?;
        let (minor, fee) = (fields.integer("minor")?, fields.integer("fee_minor")?);
        match change.as_deref() {
            Some("REMOVE") => self.lines.retain(|line| line.id != id),
            Some("REPEAT") => {
                let again: Vec<Line> =
                    self.lines.iter().filter(|line| line.id == id).cloned().collect();
                self.lines.extend(again);
            }
            Some("ADD") => self.lines.push(Line {
                at: now,
                id,
                kind: fields.text("type")?.unwrap_or_else(|| "DEPOSIT".to_owned()),
                phone: fields.text("phone")?.unwrap_or_default(),
                minor: minor.unwrap_or_default(),
                fee: fee.unwrap_or_default(),
                currency: fields.required_text("currency")?,
                country: fields.required_text("country")?,
                provider: fields.text("provider")?.unwrap_or_default(),
            }),
            Some("CHANGE") => {
                for line in self.lines.iter_mut().filter(|line| line.id == id) {
                    line.minor = minor.unwrap_or(line.minor);
                    line.fee = fee.unwrap_or(line.fee);
                }
            }
            _ => return Err(Fault::Invalid("change".to_owned()).into()),
        }
        Ok(self.lines.iter().map(Line::entry).collect())
    }

    fn set_wallet(&mut self, fields: &mut Fields) -> Result<Value, ControlError> {
        let (country, currency) =
            (fields.required_text("country")?, fields.required_text("currency")?);
        let minor = fields.required_integer("minor")?;
        *self.wallet(&country, &currency) = minor;
        Ok(json!({ "country": country, "currency": currency, "minor": minor }))
    }
}

/// A field that is one of several words.
fn named<T>(
    fields: &mut Fields,
    field: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    match fields.text(field)? {
        None => Ok(None),
        Some(name) => find(&name).map(Some).ok_or_else(|| Fault::Invalid(field.to_owned())),
    }
}

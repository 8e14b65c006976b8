//! Reading requests for payments, as strictly as pawaPay does, and taking them.

use serde_json::{Map, Value, json};

use super::operators::{Operator, OperatorStatus};
use super::payment::{Money, Operation, Outcome, Payment, Status, failure_reason};
use super::{Job, Pawapay, Reply};
use crate::clock::iso;
use crate::faults::Kind;
use crate::fields::{Fault, Fields};
use crate::money::minor_of;

/// Why a payment is not taken.
pub(crate) enum Refusal {
    /// The request is wrong: HTTP 400.
    Malformed(&'static str, String),
    /// The payment is rejected: HTTP 200.
    Rejected(&'static str),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let code = match fault {
            Fault::Missing(_) => "MISSING_PARAMETER",
            Fault::Invalid(_) => "INVALID_PARAMETER",
            Fault::Unknown(_) => "UNSUPPORTED_PARAMETER",
        };
        Self::Malformed(code, fault.to_string())
    }
}

/// A payment as it was asked for.
struct Asked {
    id: String,
    deposit_id: Option<String>,
    /// A refund of all that is left has none.
    amount: Option<(String, String)>,
    account: Option<Account>,
    customer_message: Option<String>,
    client_reference: Option<String>,
    metadata: Map<String, Value>,
}

struct Account {
    phone: String,
    provider: String,
}

impl Pawapay {
    /// Takes a payment or says why not.
    pub(crate) fn initiate(&mut self, operation: Operation, body: &[u8], now: i64) -> Reply {
        let Some(fields) = Fields::parse(body) else {
            let reason = "We were unable to parse the body of the request.";
            return refused(
                operation,
                None,
                &Refusal::Malformed("INVALID_INPUT", reason.to_owned()),
            );
        };
        let id = fields.clone().text(operation.id_field()).ok().flatten();
        match self.take(operation, fields, body, now) {
            Ok(reply) => reply,
            Err(refusal) => refused(operation, id, &refusal),
        }
    }

    fn take(
        &mut self,
        operation: Operation,
        fields: Fields,
        body: &[u8],
        now: i64,
    ) -> Result<Reply, Refusal> {
        let asked = read(operation, fields)?;
        let key = (operation, asked.id.clone());
        if let Some(known) = self.payments.get(&key) {
            return Ok(Reply::ok(json!({
                operation.id_field(): asked.id,
                "status": "DUPLICATE_IGNORED",
                "created": iso(known.created),
            })));
        }
        let mut payment = match operation {
            Operation::Refund => self.refund_of(asked, now)?,
            Operation::Deposit | Operation::Payout => self.payment_of(operation, asked, now)?,
        };
        let path = format!("/v2/{}", operation.path());
        let faults = self.common.payment_faults(&path, body);
        apply(&mut payment, &faults);
        if operation != Operation::Deposit {
            // Reserved now, so that no two payouts have the same money.
            let wallet = self.wallet(payment.country, &payment.moved.currency);
            if *wallet < payment.moved.minor {
                return Err(Refusal::Rejected("PAWAPAY_WALLET_OUT_OF_FUNDS"));
            }
            *wallet -= payment.moved.minor;
        }
        let mut reply = Reply::ok(json!({
            operation.id_field(): payment.id,
            "status": "ACCEPTED",
            "created": iso(now),
        }));
        if let (Operation::Deposit, Some(object)) = (operation, reply.body.as_object_mut()) {
            object.insert("nextStep".to_owned(), json!("FINAL_STATUS"));
        }
        if faults.contains(&Kind::SaysDuplicate) {
            reply.body = json!({ operation.id_field(): payment.id, "status": "DUPLICATE_IGNORED" });
        }
        reply.callbacks_first = faults.contains(&Kind::CallbackFirst);
        if payment.status == Status::Processing && payment.outcome != Outcome::Stuck {
            self.common.at(now + payment.takes, Job::Proceed(key.clone()));
        }
        self.payments.insert(key, payment);
        Ok(reply)
    }

    fn payment_of(&self, operation: Operation, asked: Asked, now: i64) -> Result<Payment, Refusal> {
        let missing = |name: &str| Refusal::from(Fault::Missing(name.to_owned()));
        let account = asked.account.ok_or_else(|| missing("accountDetails"))?;
        let (amount, currency) = asked.amount.ok_or_else(|| missing("amount"))?;
        let mut of_provider =
            self.operators.iter().filter(|operator| operator.provider == account.provider);
        if of_provider.clone().next().is_none() {
            return Err(Refusal::Rejected("INVALID_PROVIDER"));
        }
        let operator = of_provider
            .find(|operator| operator.currency == currency)
            .ok_or(Refusal::Rejected("INVALID_CURRENCY"))?;
        if !operator.country.has_number(&account.phone) {
            return Err(Refusal::Rejected("INVALID_PHONE_NUMBER"));
        }
        let minor = checked_amount(operator, operation, &amount)?;
        let money = Money { minor, currency };
        let place = (operator.country.code, operator.provider);
        let status = begin(operator, operation)?;
        Ok(Payment {
            customer_message: asked.customer_message,
            client_reference: asked.client_reference,
            metadata: asked.metadata,
            created: now,
            takes: self.delay,
            ..Payment::taken(operation, asked.id, money, place, account.phone, status)
        })
    }

    fn refund_of(&self, asked: Asked, now: i64) -> Result<Payment, Refusal> {
        let deposit_id = asked
            .deposit_id
            .ok_or_else(|| Refusal::from(Fault::Missing("depositId".to_owned())))?;
        let deposit = self
            .payments
            .get(&(Operation::Deposit, deposit_id.clone()))
            .ok_or(Refusal::Rejected("NOT_FOUND"))?;
        if deposit.status != Status::Completed {
            return Err(Refusal::Rejected("INVALID_STATE"));
        }
        // Refunds are the last in the order of operations.
        let of_deposit = || {
            let refunds = self.payments.range((Operation::Refund, String::new())..);
            refunds.map(|(_, refund)| refund).filter(|r| r.deposit_id.as_ref() == Some(&deposit_id))
        };
        if of_deposit().any(|refund| !refund.status.is_final()) {
            return Err(Refusal::Rejected("REFUND_IN_PROGRESS"));
        }
        let refunded: i64 = of_deposit()
            .filter(|refund| refund.status == Status::Completed)
            .map(|refund| refund.moved.minor)
            .sum();
        let left = deposit.moved.minor - refunded;
        if left <= 0 {
            return Err(Refusal::Rejected("DEPOSIT_ALREADY_REFUNDED"));
        }
        let operator = self
            .operators
            .iter()
            .find(|operator| {
                operator.provider == deposit.provider && operator.currency == deposit.asked.currency
            })
            .ok_or(Refusal::Rejected("INVALID_PROVIDER"))?;
        let minor = match &asked.amount {
            None => left,
            Some((_, currency)) if *currency != deposit.moved.currency => {
                return Err(Refusal::Rejected("INVALID_CURRENCY"));
            }
            Some((amount, _)) => checked_amount(operator, Operation::Refund, amount)?,
        };
        if minor > left {
            return Err(Refusal::Rejected("AMOUNT_TOO_LARGE"));
        }
        let money = Money { minor, currency: deposit.moved.currency.clone() };
        let place = (deposit.country, deposit.provider);
        let status = begin(operator, Operation::Refund)?;
        let phone = deposit.phone.clone();
        Ok(Payment {
            deposit_id: Some(deposit_id),
            client_reference: asked.client_reference,
            metadata: asked.metadata,
            created: now,
            takes: self.delay,
            ..Payment::taken(Operation::Refund, asked.id, money, place, phone, status)
        })
    }
}

/// What faults make of a payment before it is taken.
fn apply(payment: &mut Payment, faults: &[Kind]) {
    for fault in faults {
        match fault {
            Kind::Stuck => payment.outcome = Outcome::Stuck,
            Kind::Late { by } => payment.takes += by,
            Kind::Fails { code } => payment.outcome = Outcome::Failed(code.clone()),
            Kind::Reversed { after } => payment.reversed_after = Some(*after),
            Kind::OtherAmount { amount } => {
                if let Some(minor) = minor_of(amount, &payment.moved.currency) {
                    payment.moved.minor = minor;
                }
            }
            Kind::OtherCurrency { currency } => {
                // The same number in the other currency.
                let text = payment.moved.text();
                payment.moved = Money {
                    minor: minor_of(&text, currency).unwrap_or(payment.moved.minor),
                    currency: currency.clone(),
                };
            }
            Kind::OtherNumber { phone } => payment.phone.clone_from(phone),
            Kind::InReconciliation { lasting } => payment.reconciling = *lasting,
            Kind::Word { status } => payment.word = Some(status.clone()),
            Kind::Hidden { lasting } => payment.hidden_until = payment.created + lasting,
            Kind::CallbackFirst => payment.takes = 0,
            _ => {}
        }
    }
}

/// The first status of a payment, as its operator is at the moment.
fn begin(operator: &Operator, operation: Operation) -> Result<Status, Refusal> {
    match (operator.terms(operation).status, operation) {
        (OperatorStatus::Operational, _) => Ok(Status::Processing),
        (OperatorStatus::Delayed, Operation::Payout | Operation::Refund) => Ok(Status::Enqueued),
        (OperatorStatus::Delayed | OperatorStatus::Closed, _) => {
            Err(Refusal::Rejected("PROVIDER_TEMPORARILY_UNAVAILABLE"))
        }
    }
}

/// The minor units of an amount that an operator takes.
fn checked_amount(operator: &Operator, operation: Operation, amount: &str) -> Result<i64, Refusal> {
    let decimals = amount.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if u32::try_from(decimals).is_ok_and(|decimals| decimals > operator.decimals) {
        return Err(Refusal::Rejected("INVALID_AMOUNT"));
    }
    let minor = minor_of(amount, operator.currency).ok_or(Refusal::Rejected("INVALID_AMOUNT"))?;
    let terms = operator.terms(operation);
    if minor < terms.min || minor > terms.max {
        return Err(Refusal::Rejected("AMOUNT_OUT_OF_BOUNDS"));
    }
    Ok(minor)
}

fn read(operation: Operation, mut fields: Fields) -> Result<Asked, Refusal> {
    let invalid = |name: &str| Fault::Invalid(name.to_owned());
    let id = fields.required_text(operation.id_field())?;
    if !is_uuid_v4(&id) {
        return Err(invalid(operation.id_field()).into());
    }
    let deposit_id = match operation {
        Operation::Refund => Some(fields.required_text("depositId")?),
        Operation::Deposit | Operation::Payout => None,
    };
    let amount = match (fields.text("amount")?, fields.text("currency")?) {
        (None, None) if operation == Operation::Refund => None,
        (None, _) => return Err(Fault::Missing("amount".to_owned()).into()),
        (_, None) => return Err(Fault::Missing("currency".to_owned()).into()),
        (Some(amount), Some(currency)) => {
            if !is_canonical_amount(&amount) {
                return Err(invalid("amount").into());
            }
            if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(invalid("currency").into());
            }
            Some((amount, currency))
        }
    };
    let account = match operation {
        Operation::Refund => None,
        Operation::Deposit => Some(read_account(&mut fields, "payer")?),
        Operation::Payout => Some(read_account(&mut fields, "recipient")?),
    };
    let mut customer_message = None;
    if operation != Operation::Refund {
        customer_message = fields.text("customerMessage")?;
    }
    if customer_message.as_deref().is_some_and(|message| !is_customer_message(message)) {
        return Err(invalid("customerMessage").into());
    }
    if operation == Operation::Deposit {
        // Of operators with another way of approval, which no operator here has.
        for name in ["preAuthorisationCode", "successfulUrl", "failedUrl"] {
            fields.text(name)?;
        }
    }
    let client_reference = fields.text("clientReferenceId")?;
    let metadata = read_metadata(fields.list("metadata")?.unwrap_or_default())?;
    fields.end()?;
    Ok(Asked { id, deposit_id, amount, account, customer_message, client_reference, metadata })
}

fn read_account(fields: &mut Fields, name: &str) -> Result<Account, Refusal> {
    let missing = |name: &str| Fault::Missing(name.to_owned());
    let mut party = fields.object(name)?.ok_or_else(|| missing(name))?;
    if party.required_text("type")? != "MMO" {
        return Err(Fault::Invalid("type".to_owned()).into());
    }
    let mut details = party.object("accountDetails")?.ok_or_else(|| missing("accountDetails"))?;
    let account = Account {
        phone: details.required_text("phoneNumber")?,
        provider: details.required_text("provider")?,
    };
    details.end()?;
    party.end()?;
    Ok(account)
}

/// At most ten objects, each with one field and perhaps `isPII`.
fn read_metadata(list: Vec<Value>) -> Result<Map<String, Value>, Refusal> {
    let invalid = || Refusal::from(Fault::Invalid("metadata".to_owned()));
    if list.len() > 10 {
        return Err(invalid());
    }
    let mut metadata = Map::new();
    for item in list {
        let Value::Object(mut item) = item else { return Err(invalid()) };
        if item.shift_remove("isPII").is_some_and(|flag| !flag.is_boolean()) || item.len() != 1 {
            return Err(invalid());
        }
        for (name, value) in item {
            if metadata.insert(name.clone(), value).is_some() {
                return Err(Refusal::Malformed(
                    "DUPLICATE_METADATA_FIELD",
                    format!("'{name}' is there twice"),
                ));
            }
        }
    }
    Ok(metadata)
}

pub(crate) fn is_uuid_v4(text: &str) -> bool {
    text.len() == 36
        && uuid::Uuid::parse_str(text)
            .is_ok_and(|uuid| uuid.get_version() == Some(uuid::Version::Random))
}

/// As the published pattern has it: no leading zeros, and no trailing ones behind the point.
fn is_canonical_amount(text: &str) -> bool {
    let (whole, fraction) = match text.split_once('.') {
        None => (text, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && whole.len() <= 18
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|fraction| {
            digits(fraction) && fraction.len() <= 4 && !fraction.ends_with('0')
        })
}

fn is_customer_message(text: &str) -> bool {
    (4..=22).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
}

fn refused(operation: Operation, id: Option<String>, refusal: &Refusal) -> Reply {
    let (status, reason) = match refusal {
        Refusal::Malformed(code, message) => {
            (400, json!({ "failureCode": code, "failureMessage": message }))
        }
        Refusal::Rejected(code) => (200, failure_reason(code)),
    };
    let mut body = Map::new();
    if let Some(id) = id {
        body.insert(operation.id_field().to_owned(), json!(id));
    }
    body.insert("status".to_owned(), json!("REJECTED"));
    body.insert("failureReason".to_owned(), reason);
    Reply::of(status, Value::Object(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_canonical() {
        for right in ["5", "5.5", "5.55", "0.5", "0", "100", "999999999999999999"] {
            assert!(is_canonical_amount(right), "{right}");
        }
        for wrong in
            ["5.", ".5", "-5.5", "00.5", "00001.32", "5.0", "5.50", "", "1,5", "1e3", "5.12345"]
        {
            assert!(!is_canonical_amount(wrong), "{wrong}");
        }
        assert!(!is_canonical_amount("1234567890123456789"));
    }
}

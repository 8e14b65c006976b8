//! PaymentIntents: created, confirmed, authenticated, charged, cancelled.

use serde_json::{Map, Value, json};

use super::cards::{Behaviour, Card, by_alias, decline_message};
use super::error::ApiError;
use super::form::Params;
use super::objects::{Charge, Intent, IntentStatus, Method};
use super::{Job, Stripe};
use crate::faults::Kind;
use crate::money::{exponent, minor_of};

/// The first version that knows `payment_method_types` no more.
const WITHOUT_METHOD_TYPES: &str = "2026-10-28";

/// What confirms an intent, in its creation or afterwards.
#[derive(Default)]
struct Confirmation {
    return_url: Option<String>,
    error_on_requires_action: bool,
}

impl Confirmation {
    /// Refuses what would leave the payer nowhere.
    fn check(&self, automatic: Option<&Value>) -> Result<(), ApiError> {
        let may_redirect = automatic.is_some_and(|of| of["allow_redirects"] == "always");
        if may_redirect && self.return_url.is_none() {
            let message = "This PaymentIntent is configured to accept payment methods that might \
                           redirect your customer: provide a `return_url`, or set \
                           automatic_payment_methods[allow_redirects] to never.";
            return Err(ApiError::invalid("", message).not_executed());
        }
        Ok(())
    }

    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let read = Self {
            return_url: params.text("return_url")?,
            error_on_requires_action: params.flag("error_on_requires_action")?.unwrap_or(false),
        };
        params.flag("use_stripe_sdk")?;
        params.flag("off_session")?;
        Ok(read)
    }
}

/// What a new intent is made of.
pub(crate) struct NewIntent {
    pub amount: i64,
    pub currency: String,
    pub metadata: Map<String, Value>,
    pub description: Option<String>,
    pub receipt_email: Option<String>,
    pub automatic: Option<Value>,
    pub session: Option<String>,
}

impl Stripe {
    pub(crate) fn create_intent(&mut self, mut params: Params) -> Result<Value, ApiError> {
        let amount = params.required_integer("amount")?;
        let currency = params.required("currency")?;
        check_amount(amount, &currency, "amount")?;
        let metadata = params.metadata()?;
        let alias = params.text("payment_method")?;
        let automatic = self.read_method_types(&mut params)?;
        let confirm = params.flag("confirm")?.unwrap_or(false);
        let confirmation = Confirmation::read(&mut params)?;
        let description = params.text("description")?;
        let receipt_email = params.text("receipt_email")?;
        if params.text("capture_method")?.is_some_and(|method| method == "manual") {
            let message = "This fake captures automatically only";
            return Err(ApiError::parameter("parameter_invalid", "capture_method", message));
        }
        for name in [
            "statement_descriptor",
            "statement_descriptor_suffix",
            "confirmation_method",
            "setup_future_usage",
        ] {
            params.text(name)?;
        }
        params.end()?;
        if confirmation.return_url.is_some() && !confirm {
            let message = "You cannot pass `return_url` unless you set `confirm` to true";
            return Err(ApiError::parameter("parameter_invalid", "return_url", message));
        }
        if confirm {
            confirmation.check(automatic.as_ref())?;
        }
        if confirm && alias.is_none() {
            let message = "You cannot confirm a PaymentIntent without a payment method";
            return Err(ApiError::parameter("parameter_missing", "payment_method", message));
        }
        let method = self.method_of(alias.as_deref())?;
        let id = self.add_intent(NewIntent {
            amount,
            currency: currency.to_ascii_lowercase(),
            metadata,
            description,
            receipt_email,
            automatic,
            session: None,
        });
        if let Some(intent) = self.intents.get_mut(&id)
            && method.is_some()
        {
            intent.method = method;
            intent.status = IntentStatus::RequiresConfirmation;
        }
        let shown = self.show_intent(&id)?;
        self.emit("payment_intent.created", shown);
        if confirm {
            self.confirm(&id, confirmation)?;
        }
        self.show_intent(&id)
    }

    /// `automatic_payment_methods`, or `None` where the types are listed.
    fn read_method_types(&self, params: &mut Params) -> Result<Option<Value>, ApiError> {
        let known = self.version.as_str() < WITHOUT_METHOD_TYPES;
        let types = if known { params.texts("payment_method_types")? } else { Vec::new() };
        if types.iter().any(|kind| kind != "card") {
            let message = "This fake takes cards only";
            return Err(ApiError::parameter("parameter_invalid", "payment_method_types", message));
        }
        let automatic = params.nested("automatic_payment_methods")?;
        match automatic {
            Some(_) if !types.is_empty() => Err(ApiError::invalid(
                "",
                "You may only specify one of these parameters: automatic_payment_methods, \
                 payment_method_types.",
            )),
            Some(mut automatic) => {
                let enabled = automatic.flag("enabled")?.unwrap_or(false);
                let redirects =
                    automatic.text("allow_redirects")?.unwrap_or_else(|| "always".to_owned());
                automatic.end()?;
                Ok(Some(json!({ "enabled": enabled, "allow_redirects": redirects })))
            }
            None if types.is_empty() => {
                Ok(Some(json!({ "enabled": true, "allow_redirects": "always" })))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn add_intent(&mut self, new: NewIntent) -> String {
        let id = format!("pi_3{}", self.common.random.letters(23));
        let secret = format!("{id}_secret_{}", self.common.random.letters(25));
        let intent = Intent {
            number: self.next_number(),
            id: id.clone(),
            client_secret: secret,
            amount: new.amount,
            received: 0,
            currency: new.currency,
            status: IntentStatus::RequiresPaymentMethod,
            word: None,
            method: None,
            metadata: new.metadata,
            description: new.description,
            receipt_email: new.receipt_email,
            return_url: None,
            automatic: new.automatic,
            created: self.now,
            canceled_at: None,
            cancellation_reason: None,
            latest_charge: None,
            last_error: None,
            redirect_to: None,
            session: new.session,
            other_amount: None,
        };
        self.intents.insert(id.clone(), intent);
        id
    }

    /// The PaymentMethod that a test alias stands for.
    fn method_of(&mut self, alias: Option<&str>) -> Result<Option<Method>, ApiError> {
        let Some(alias) = alias else { return Ok(None) };
        if let Some(card) = by_alias(alias) {
            return Ok(Some(self.new_method(card)));
        }
        let known = self.methods.get(alias).cloned();
        known.map(Some).ok_or_else(|| ApiError::missing("PaymentMethod", alias, "payment_method"))
    }

    pub(crate) fn new_method(&mut self, card: &'static Card) -> Method {
        let method = Method { id: format!("pm_1{}", self.common.random.letters(23)), card };
        self.methods.insert(method.id.clone(), method.clone());
        method
    }

    pub(crate) fn show_intent(&self, id: &str) -> Result<Value, ApiError> {
        self.intent(id).map(Intent::show)
    }

    fn intent(&self, id: &str) -> Result<&Intent, ApiError> {
        self.intents.get(id).ok_or_else(|| ApiError::missing("payment_intent", id, "intent"))
    }

    pub(crate) fn update_intent(
        &mut self,
        id: &str,
        mut params: Params,
    ) -> Result<Value, ApiError> {
        let metadata = params.metadata()?;
        let description = params.text("description")?;
        let alias = params.text("payment_method")?;
        params.end()?;
        let status = self.intent(id)?.status;
        let open = matches!(
            status,
            IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation
        );
        if alias.is_some() && !open {
            return Err(self.unexpected_state(id, "update"));
        }
        let method = self.method_of(alias.as_deref())?;
        if let Some(intent) = self.intents.get_mut(id) {
            intent.metadata.extend(metadata);
            intent.description = description.or(intent.description.take());
            if method.is_some() {
                intent.method = method;
                intent.status = IntentStatus::RequiresConfirmation;
            }
        }
        self.show_intent(id)
    }

    pub(crate) fn confirm_intent(
        &mut self,
        id: &str,
        mut params: Params,
    ) -> Result<Value, ApiError> {
        let alias = params.text("payment_method")?;
        let confirmation = Confirmation::read(&mut params)?;
        params.text("client_secret")?;
        params.end()?;
        let status = self.intent(id)?.status;
        if !matches!(
            status,
            IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation
        ) {
            return Err(self.unexpected_state(id, "confirm"));
        }
        let method = self.method_of(alias.as_deref())?;
        if let Some(intent) = self.intents.get_mut(id)
            && method.is_some()
        {
            intent.method = method;
        }
        self.confirm(id, confirmation)?;
        self.show_intent(id)
    }

    fn unexpected_state(&self, id: &str, verb: &str) -> ApiError {
        let intent = self.intents.get(id).map(Intent::show).unwrap_or_default();
        let status = intent["status"].as_str().unwrap_or_default();
        let message =
            format!("You cannot {verb} this PaymentIntent because it has a status of {status}.");
        ApiError::invalid("payment_intent_unexpected_state", &message)
            .with("payment_intent", intent)
    }

    fn confirm(&mut self, id: &str, confirmation: Confirmation) -> Result<(), ApiError> {
        let base_url = self.base_url.clone();
        let Some(intent) = self.intents.get_mut(id) else { return Ok(()) };
        confirmation.check(intent.automatic.as_ref())?;
        let Some(method) = intent.method.clone() else {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment \
                           method.";
            return Err(ApiError::invalid("payment_intent_unexpected_state", message)
                .with("payment_intent", intent.show()));
        };
        intent.redirect_to =
            confirmation.return_url.is_some().then(|| format!("{base_url}/3ds/{id}"));
        intent.return_url = confirmation.return_url.or(intent.return_url.take());
        let challenged = matches!(
            method.card.behaviour,
            Behaviour::Challenges | Behaviour::ChallengesAndDeclines
        );
        if challenged && confirmation.error_on_requires_action {
            return Err(self.decline(id, "authentication_required", "authentication_required"));
        }
        if challenged {
            self.require_action(id);
            return Ok(());
        }
        self.charge(id)
    }

    pub(crate) fn require_action(&mut self, id: &str) {
        let Some(intent) = self.intents.get_mut(id) else { return };
        intent.status = IntentStatus::RequiresAction;
        let shown = intent.show();
        self.emit("payment_intent.requires_action", shown);
    }

    /// The payer has authenticated, or has failed to.
    pub(crate) fn authenticate(&mut self, id: &str, success: bool) -> Result<(), ApiError> {
        let intent = self.intent(id)?;
        if intent.status != IntentStatus::RequiresAction {
            return Err(self.unexpected_state(id, "authenticate"));
        }
        if success {
            return self.charge(id);
        }
        Err(self.decline(id, "payment_intent_authentication_failure", ""))
    }

    /// Charges the card of an intent, once it needs no authentication any more.
    pub(crate) fn charge(&mut self, id: &str) -> Result<(), ApiError> {
        let intent = self.intent(id)?;
        let Some(method) = intent.method.clone() else { return Ok(()) };
        let shown = intent.show().to_string();
        let faults = self.common.payment_faults("/v1/payment_intents", shown.as_bytes());
        self.hasten |= faults.contains(&Kind::CallbackFirst);
        let (mut later, mut stuck, mut declined) = (None, false, None);
        let Some(intent) = self.intents.get_mut(id) else { return Ok(()) };
        for fault in faults {
            match fault {
                Kind::Stuck => stuck = true,
                Kind::Late { by } => later = Some(by),
                Kind::Fails { code } => declined = Some(("card_declined".to_owned(), code)),
                Kind::OtherAmount { amount } => {
                    intent.other_amount = minor_of(&amount, &intent.currency);
                }
                Kind::OtherCurrency { currency } => intent.currency = currency,
                Kind::Word { status } => intent.word = Some(status),
                _ => {}
            }
        }
        let declined = match (declined, method.card.behaviour) {
            (Some(declined), _) => Some(declined),
            (None, Behaviour::Declines(code, decline)) => {
                Some((code.to_owned(), decline.to_owned()))
            }
            (None, Behaviour::ChallengesAndDeclines) => {
                Some(("card_declined".to_owned(), "generic_decline".to_owned()))
            }
            (None, _) => None,
        };
        if stuck || later.is_some() {
            intent.status = IntentStatus::Processing;
            let shown = intent.show();
            self.emit("payment_intent.processing", shown);
            if let (Some(by), false) = (later, stuck) {
                self.common.at(self.now + by, Job::Charge(id.to_owned(), declined));
            }
            return Ok(());
        }
        self.end_charge(id, declined)
    }

    /// The card's bank has answered.
    pub(crate) fn end_charge(
        &mut self,
        id: &str,
        declined: Option<(String, String)>,
    ) -> Result<(), ApiError> {
        match declined {
            Some((code, decline)) => Err(self.decline(id, &code, &decline)),
            None => {
                self.succeed(id);
                Ok(())
            }
        }
    }

    fn add_charge(&mut self, id: &str, failure: Option<(String, String)>) -> Option<Charge> {
        let charge_id = format!("ch_3{}", self.common.random.letters(23));
        let number = self.next_number();
        let created = self.now;
        let intent = self.intents.get_mut(id)?;
        intent.latest_charge = Some(charge_id.clone());
        Some(Charge {
            number,
            id: charge_id,
            intent: id.to_owned(),
            method: intent.method.clone(),
            amount: intent.other_amount.unwrap_or(intent.amount),
            refunded: 0,
            currency: intent.currency.clone(),
            metadata: intent.metadata.clone(),
            failure,
            disputed: false,
            created,
            balance_transaction: None,
        })
    }

    pub(crate) fn decline(&mut self, id: &str, code: &str, decline: &str) -> ApiError {
        let authentication = code == "payment_intent_authentication_failure";
        let message = match code {
            "payment_intent_authentication_failure" => {
                "The provided PaymentMethod has failed authentication. You can provide a new \
                 PaymentMethod to attempt to fulfill this PaymentIntent again."
            }
            code => decline_message(code),
        };
        // Where the payer fails to authenticate, no bank is asked.
        let charge = if authentication {
            None
        } else {
            self.add_charge(id, Some((code.to_owned(), decline.to_owned())))
        };
        let mut error = ApiError::card(code, message);
        if authentication {
            error.status = 400;
        }
        let charge_id = charge.as_ref().map(|charge| charge.id.clone());
        if !decline.is_empty() {
            error = error.with("decline_code", json!(decline));
            error = error.with("advice_code", json!("try_again_later"));
            error = error.with("network_decline_code", json!("05"));
        }
        if let Some(charge_id) = &charge_id {
            error = error.with("charge", json!(charge_id));
        }
        let Some(intent) = self.intents.get_mut(id) else { return error };
        let method = intent
            .method
            .take()
            .map(|method| json!({ "id": method.id, "object": "payment_method", "type": "card" }));
        error = error.with("payment_method", json!(method));
        intent.last_error = error.body().get("error").cloned();
        intent.status = IntentStatus::RequiresPaymentMethod;
        let shown = intent.show();
        if let Some(charge) = charge {
            let shown = charge.show();
            self.charges.insert(charge.id.clone(), charge);
            self.emit("charge.failed", shown);
        }
        self.emit("payment_intent.payment_failed", shown.clone());
        error.with("payment_intent", shown)
    }

    /// The money moves.
    pub(crate) fn succeed(&mut self, id: &str) {
        let Some(mut charge) = self.add_charge(id, None) else { return };
        let (amount, currency) = (charge.amount, charge.currency.clone());
        let transaction = self.post("charge", "charge", &charge.id, amount, &currency);
        charge.balance_transaction = Some(transaction);
        let charge_shown = charge.show();
        let behaviour = charge.method.as_ref().map(|method| method.card.behaviour);
        self.charges.insert(charge.id.clone(), charge);
        let Some(intent) = self.intents.get_mut(id) else { return };
        intent.status = IntentStatus::Succeeded;
        intent.received = amount;
        intent.last_error = None;
        let (shown, session) = (intent.show(), intent.session.clone());
        self.emit("charge.succeeded", charge_shown);
        self.emit("payment_intent.succeeded", shown);
        if let Some(session) = session {
            self.complete_session(&session);
        }
        if behaviour == Some(Behaviour::IsDisputed) {
            self.common.at(self.now + self.delay, Job::Dispute(id.to_owned()));
        }
    }

    pub(crate) fn cancel_intent(
        &mut self,
        id: &str,
        mut params: Params,
    ) -> Result<Value, ApiError> {
        let reason = params.text("cancellation_reason")?;
        params.end()?;
        let reasons = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];
        if reason.as_deref().is_some_and(|reason| !reasons.contains(&reason)) {
            let message = "Invalid cancellation_reason";
            return Err(ApiError::parameter("parameter_invalid", "cancellation_reason", message));
        }
        let intent = self.intent(id)?;
        if intent.session.is_some() {
            let message = "You cannot cancel a PaymentIntent created by a Checkout Session. Expire \
                           the session instead.";
            return Err(ApiError::invalid("payment_intent_unexpected_state", message)
                .with("payment_intent", intent.show()));
        }
        if matches!(
            intent.status,
            IntentStatus::Canceled | IntentStatus::Succeeded | IntentStatus::Processing
        ) {
            return Err(self.unexpected_state(id, "cancel"));
        }
        self.cancel(id, reason);
        self.show_intent(id)
    }

    pub(crate) fn cancel(&mut self, id: &str, reason: Option<String>) {
        let now = self.now;
        let Some(intent) = self.intents.get_mut(id) else { return };
        intent.status = IntentStatus::Canceled;
        intent.canceled_at = Some(now);
        intent.cancellation_reason = reason;
        let shown = intent.show();
        self.emit("payment_intent.canceled", shown);
    }

    /// `metadata['name']:'value'`, and the words `AND` between several of them. As at Stripe, what
    /// was created a moment ago is not found yet.
    pub(crate) fn search_intents(&self, mut params: Params) -> Result<Value, ApiError> {
        let query = params.required("query")?;
        let limit = params.integer("limit")?.unwrap_or(10).clamp(1, 100);
        params.text("page")?;
        params.end()?;
        let mut wanted = Vec::new();
        for clause in query.split(" AND ") {
            let parsed = clause.split_once(':').and_then(|(field, value)| {
                let name = field.trim().strip_prefix("metadata[")?.strip_suffix(']')?;
                let quotes: &[char] = &['\'', '"'];
                Some((name.trim_matches(quotes), value.trim().trim_matches(quotes)))
            });
            wanted.push(parsed.ok_or_else(|| {
                ApiError::parameter("parameter_invalid", "query", "We were unable to parse")
            })?);
        }
        let fits = |intent: &&Intent| {
            intent.created + self.search_lag <= self.now
                && wanted.iter().all(|(name, value)| {
                    intent.metadata.get(*name).and_then(Value::as_str) == Some(*value)
                })
        };
        let mut found: Vec<&Intent> = self.intents.values().filter(fits).collect();
        found.sort_by_key(|intent| std::cmp::Reverse(intent.number));
        let limit = usize::try_from(limit).unwrap_or(10);
        Ok(json!({
            "object": "search_result",
            "url": "/v1/payment_intents/search",
            "has_more": found.len() > limit,
            "next_page": null,
            "data": found.into_iter().take(limit).map(Intent::show).collect::<Value>(),
        }))
    }
}

/// Refuses amounts that Stripe does not take.
pub(crate) fn check_amount(amount: i64, currency: &str, param: &str) -> Result<(), ApiError> {
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(ApiError::parameter("parameter_invalid", "currency", "Invalid currency"));
    }
    if amount < 1 {
        let message = "This value must be greater than or equal to 1";
        return Err(ApiError::parameter("parameter_invalid_integer", param, message));
    }
    // The rules for the least amount of other currencies follow the rate of the day.
    let least = match currency.to_ascii_lowercase().as_str() {
        "usd" | "eur" => 50,
        "gbp" => 30,
        _ => 1,
    };
    if amount < least {
        let message = "Amount must be at least 50 cents";
        return Err(ApiError::parameter("amount_too_small", param, message));
    }
    if amount > 99_999_999 {
        let message = "Amount must be no more than 99999999";
        return Err(ApiError::parameter("amount_too_large", param, message));
    }
    if exponent(currency) == 3 && amount % 10 != 0 {
        let message = "The last digit of a three-decimal amount must be 0";
        return Err(ApiError::parameter("parameter_invalid_integer", param, message));
    }
    Ok(())
}

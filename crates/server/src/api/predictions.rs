//! Predictions: what a payment would cost now, and what a phone number or card supports. They use
//! the tariff and the functions of executions.

use axum::Json;
use axum::extract::State;
use domain::directory::merchant::Merchant;
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::SourceId;
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method, Mode, Operation, Provider};
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::ServerTime;
use domain::payments::checks;
use domain::tariff::Tariff;
use domain::tariff::fees::{self, Quote, QuoteRequest, Route};
use networks::pawapay::active_conf::PinPrompt;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use serde_json::Value;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{
    Code, Fault, FaultKind, FromValue, Id, Name, Network, Part, PaymentSource, Phone, Schemas, Text,
};
use crate::api::names::OwnerKind;
use crate::api::response::JsonResult;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// The payment to predict.
    pub struct PredictAmount {
        /// The amount of the invoice, payout, transfer or refund.
        base_amount: Money,
        /// The currency of the amount.
        base_currency: Currency,
        /// The payer's currency.
        target_currency: Currency,
        /// The method.
        payment_method: Method,
        /// The operation.
        operation_type: Operation,
        /// The network, or for mobile money the method's own name.
        provider: Network,
        /// The bearer of a collection's fees.
        fee_bearer: FeeBearer,
        /// The type of the fee tier's owner; by default the caller.
        owner_type: Option<OwnerKind>,
        /// The owner's id. Only the caller is found.
        owner_id: Option<Id>,
    }

    /// The invoice or order whose payment to predict.
    pub struct PredictSource {
        /// The payer's currency.
        target_currency: Currency,
        /// The method.
        payment_method: Method,
        /// The network, or for mobile money the method's own name.
        provider: Network,
        /// The type: invoice or order. A subscription is never found.
        source_type: PaymentSource,
        /// The id of the invoice or order.
        source_id: Id,
    }

    /// A phone number, and the operation for which it is used.
    pub struct PredictPhone {
        /// The number.
        phone: AnyPhone,
        /// The operation.
        operation_type: Operation,
    }

    /// A card, and the operation for which it is used.
    pub struct PredictCard {
        /// The provider's name for the card.
        payment_method_id: Text<255>,
        /// The operation.
        operation_type: Operation,
        /// The network. Cards have only one.
        provider: Option<Network>,
    }
}

/// A phone number that may have a plus sign, blanks, hyphens and brackets.
pub struct AnyPhone(pub String);

impl FromValue for AnyPhone {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = Text::<40>::read(value)?.0;
        let text = text.strip_prefix('+').unwrap_or(&text);
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
        Phone::read(&Value::String(digits)).map(|phone| Self(phone.0))
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "minLength": 8, "maxLength": 40, "pattern": r"^\+?[ ()-]*[1-9]([ ()-]*[0-9]){7,14}[ ()-]*$" })
    }
}

/// The predicted amounts of a payment. They are texts, as in the public API.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PredictionAnswer")]
pub struct PredictionResponse {
    payer_amount: String,
    payer_currency: Code,
    payee_amount: String,
    payee_currency: Code,
    platform_fee: String,
    platform_currency: Code,
    fx_fee: Option<String>,
    gateway_fee: String,
    gateway_currency: Code,
}

impl From<Quote> for PredictionResponse {
    fn from(quote: Quote) -> Self {
        // Fees are in the currency of invoice or wallet, which is the payee's.
        let currency = quote.payee.currency;
        let fee = |minor| Money::new(minor, currency).to_string();
        Self {
            payer_amount: quote.payer.to_string(),
            payer_currency: Code(quote.payer.currency),
            payee_amount: quote.payee.to_string(),
            payee_currency: Code(currency),
            platform_fee: fee(quote.platform_fee),
            platform_currency: Code(currency),
            fx_fee: (quote.payer.currency != currency).then(|| fee(quote.fx_fee)),
            gateway_fee: fee(quote.gateway_fee),
            gateway_currency: Code(currency),
        }
    }
}

/// The operator of a phone number, and what it supports.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PhoneAnswer")]
pub struct PhoneResponse {
    carrier: String,
    country: String,
    currencies: Vec<Code>,
    phone: String,
    payment_method: Name<Method>,
    #[schemars(
        description = "The method's own name: clients send it back as `method` and as `provider`, and both calls take \
                       it."
    )]
    gateway_provider: Name<Method>,
    operation_type: Name<Operation>,
    #[schemars(
        description = "How the operator asks its customer to approve a payment, where that is known."
    )]
    pin_prompt: Option<PromptResponse>,
}

/// How an operator asks its customer to approve a payment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PinPromptAnswer")]
pub struct PromptResponse {
    /// Whether the request appears on the phone by itself. If not, the payer follows the steps.
    automatic: bool,
    /// Whether the steps show a request again that was missed.
    revivable: bool,
    channels: Vec<PromptChannelResponse>,
}

/// A way to the request.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PinPromptChannelAnswer")]
pub struct PromptChannelResponse {
    /// `USSD`, for example.
    #[serde(rename = "type")]
    kind: String,
    /// What may be dialled to be there at once.
    quick_link: Option<String>,
    /// The steps in English, one after the other.
    steps_en: Vec<String>,
    /// The same in French.
    steps_fr: Vec<String>,
}

impl PromptResponse {
    /// What the network says of the merchant's account. The sandbox has codes of its own.
    fn find(
        merchant: &Merchant,
        (provider, method): (Provider, Method),
        tariff: &Tariff,
    ) -> Option<Self> {
        if merchant.mode == Mode::Sandbox {
            let code = networks::prompt::sandbox(method)?.revive_code?;
            let channel = PromptChannelResponse {
                kind: "USSD".to_owned(),
                quick_link: Some(code.to_owned()),
                steps_en: vec![],
                steps_fr: vec![],
            };
            return Some(Self { automatic: true, revivable: true, channels: vec![channel] });
        }
        let account = tariff.account_for(merchant, provider)?;
        let code = tariff.network_code(method)?;
        let prompt: PinPrompt = serde_json::from_str(tariff.pin_prompt(account, code)?).ok()?;
        let channels = prompt.channels.into_iter().map(|channel| PromptChannelResponse {
            kind: channel.kind,
            quick_link: channel.quick_link,
            steps_en: channel.steps.en,
            steps_fr: channel.steps.fr,
        });
        Some(Self {
            automatic: prompt.automatic,
            revivable: prompt.revivable,
            channels: channels.collect(),
        })
    }
}

/// A card, and what it supports.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CardAnswer")]
pub struct CardResponse {
    brand: &'static str,
    country: String,
    currencies: Vec<Code>,
    payment_method: Name<Method>,
    gateway_provider: Name<Provider>,
}

fn on_query(field: &'static str, kind: FaultKind) -> ApiError {
    ApiError::Invalid(vec![Fault::at(&[Part::Name("query"), Part::Name(field)], kind)])
}

/// Locates a refusal at the field of the query that it is about; `amount` is the field of the
/// amount.
fn refused(refusal: Refusal, amount: &'static str) -> ApiError {
    let field = match refusal.subject() {
        Subject::Method => "payment_method",
        Subject::Amount => amount,
        _ => "target_currency",
    };
    on_query(field, FaultKind::Refused(refusal))
}

fn network(network: Network, method: Method) -> Result<Provider, ApiError> {
    network
        .for_method(method)
        .ok_or_else(|| on_query("provider", FaultKind::not_enum(Network::names(&[method]))))
}

/// Whether a real network takes the payment now, as its execution would find it.
fn check_network(
    merchant: &Merchant,
    route: Route<'_>,
    moved: Money,
    tariff: &Tariff,
    now: ServerTime,
    amount: &'static str,
) -> Result<(), ApiError> {
    checks::check_network(
        merchant,
        (route.provider, route.method),
        (route.operation, moved),
        Subject::Amount,
        None,
        tariff,
        now,
    )
    .map_err(|refusal| refused(refusal, amount))
}

async fn amount(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<PredictAmount>,
) -> JsonResult<PredictionResponse> {
    let merchant = &tenant.merchant;
    // A caller must not learn another merchant's tier.
    let of_caller = query.owner_type.is_none_or(|kind| kind.merchant() == Some(merchant.kind))
        && query.owner_id.is_none_or(|id| id.0 == merchant.id.0);
    if !of_caller {
        return Err(ApiError::NotFound);
    }
    let (operation, method) = (query.operation_type, query.payment_method);
    let tariff = app.queries.for_system().tariff().await?;
    let provider = network(query.provider, method)?;
    let unit_minor = tariff.network_unit(
        tariff.account_for(merchant, provider),
        (provider, method),
        operation,
        query.target_currency,
        tenant.now,
    );
    let route = Route { tier: &merchant.fee_tier, operation, provider, method, unit_minor };
    let question = QuoteRequest {
        base: query.base_amount,
        target: query.target_currency,
        bearer: query.fee_bearer,
        route,
    };
    let quote = fees::predict(question, &tariff, tenant.now)
        .map_err(|refusal| refused(refusal, "base_amount"))?;
    let moved = if operation == Operation::Collection { quote.payer } else { quote.payee };
    check_network(merchant, route, moved, &tariff, tenant.now, "base_amount")?;
    Ok(Json(quote.into()))
}

async fn source(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<PredictSource>,
) -> JsonResult<PredictionResponse> {
    let method = query.payment_method;
    let provider = network(query.provider, method)?;
    let kind = query.source_type.source_type().ok_or(ApiError::NotFound)?;
    let found =
        tenant.reads(&app, Action::ReadPayments)?.source(kind, SourceId(query.source_id.0)).await?;
    let source = found.ok_or(ApiError::NotFound)?;
    let tariff = app.queries.for_system().tariff().await?;
    let merchant = &tenant.merchant;
    let network = (provider, method);
    let route = Route::of_collection(merchant, network, query.target_currency, &tariff, tenant.now);
    let question = QuoteRequest {
        base: source.total(),
        target: query.target_currency,
        bearer: source.fee_bearer,
        route,
    };
    let quote = fees::predict(question, &tariff, tenant.now)
        .map_err(|refusal| refused(refusal, "source_id"))?;
    check_network(merchant, route, quote.payer, &tariff, tenant.now, "source_id")?;
    Ok(Json(quote.into()))
}

/// The currencies in which a method supports an operation at `now`; at least one.
async fn currencies(
    app: &App,
    (method, provider): (Method, Provider),
    operation: Operation,
    now: ServerTime,
) -> Result<Vec<Code>, ApiError> {
    let tariff = app.queries.for_system().tariff().await?;
    let found = fees::currencies(&tariff, method, provider, operation, now);
    if found.is_empty() {
        let (provider, operation) = (provider.as_str(), operation.as_str());
        return Err(on_query(
            "operation_type",
            FaultKind::Refused(Refusal::NoMarket { method, provider, operation }),
        ));
    }
    Ok(found.into_iter().map(Code).collect())
}

async fn phone(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<PredictPhone>,
) -> JsonResult<PhoneResponse> {
    let tariff = app.queries.for_system().tariff().await?;
    let unknown = || on_query("phone", FaultKind::Refused(Refusal::UnknownOperator));
    let operator = tariff.operator(&query.phone.0, tenant.now).ok_or_else(unknown)?;
    let provider = tariff.provider_of(operator.method, tenant.now).ok_or_else(unknown)?;
    Ok(Json(PhoneResponse {
        carrier: operator.carrier.clone(),
        country: operator.country.clone(),
        currencies: currencies(&app, (operator.method, provider), query.operation_type, tenant.now)
            .await?,
        phone: query.phone.0,
        payment_method: Name(operator.method),
        gateway_provider: Name(operator.method),
        operation_type: Name(query.operation_type),
        pin_prompt: PromptResponse::find(&tenant.merchant, (provider, operator.method), &tariff)
            .filter(|_| query.operation_type == Operation::Collection),
    }))
}

/// Brands of the test cards. A suffix after the brand says how the card behaves.
const BRANDS: [&str; 7] = ["visa", "mastercard", "amex", "discover", "diners", "jcb", "unionpay"];
/// Test cards that are named for what they do: each is a Visa card.
const BEHAVIOURS: [&str; 4] =
    ["chargeDeclined", "chargeCustomerFail", "authenticationRequired", "threeDSecure"];
/// Test cards that are named for their country: each is a Visa card.
const COUNTRIES: [&str; 16] = [
    "us", "ca", "br", "mx", "gb", "ie", "fr", "de", "es", "it", "nl", "in", "jp", "sg", "au", "hk",
];

/// Brand and country of a test card.
pub(crate) fn test_card(name: &str) -> Option<(&'static str, String)> {
    let rest = name.strip_prefix("pm_card_")?;
    let is_of = |brand: &str| {
        rest.strip_prefix(brand).is_some_and(|more| more.is_empty() || more.starts_with('_'))
    };
    let us = || "US".to_owned();
    if let Some(brand) = BRANDS.iter().find(|brand| is_of(brand)) {
        Some((brand, us()))
    } else if BEHAVIOURS.iter().any(|behaviour| rest.starts_with(behaviour)) {
        Some(("visa", us()))
    } else {
        COUNTRIES.contains(&rest).then(|| ("visa", rest.to_ascii_uppercase()))
    }
}

async fn card(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<PredictCard>,
) -> JsonResult<CardResponse> {
    let method = Method::CREDIT_CARD;
    let provider = Provider::Stripe;
    if query.provider.is_some_and(|network| network.for_method(method) != Some(provider)) {
        return Err(on_query("provider", FaultKind::not_enum([provider.as_str()])));
    }
    let unknown = || on_query("payment_method_id", FaultKind::Refused(Refusal::UnknownCard));
    let name = &query.payment_method_id.0;
    // Of a real card only Stripe knows more, and it is not asked for a prediction.
    let of_real = || {
        let is_real = tenant.merchant.mode != Mode::Sandbox && name.starts_with("pm_");
        is_real.then(|| ("unknown", String::new()))
    };
    let (brand, country) = test_card(name).or_else(of_real).ok_or_else(unknown)?;
    Ok(Json(CardResponse {
        brand,
        country,
        currencies: currencies(&app, (method, provider), query.operation_type, tenant.now).await?,
        payment_method: Name(method),
        gateway_provider: Name(provider),
    }))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/predictions/amount-and-fees",
            amount,
            op("predict_amount_and_fees", "Predict what a payment would cost").or(404),
        )
        .get(
            "/v1/predictions/payment-source/amount-and-fees",
            source,
            op(
                "predict_payment_source_amount_and_fees",
                "Predict the payment of an invoice or order",
            )
            .or(404),
        )
        .get(
            "/v1/predictions/mmo-provider-info",
            phone,
            op("predict_mmo_provider_info", "Find the operator of a phone number").or(404),
        )
        .get(
            "/v1/predictions/card-provider-info",
            card,
            op("predict_card_provider_info", "Describe a card").or(404),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for text in ["231880000001", "+231880000001", " 231 88 000-0001", "+231 (88) 0000001"] {
            assert_eq!(
                AnyPhone::read(&json!(text)).ok().map(|phone| phone.0),
                Some("231880000001".to_owned()),
                "{text}"
            );
        }
        for text in ["0880000001", "++231880000001", "231", "x31880000001"] {
            assert!(AnyPhone::read(&json!(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn test_cards_have_a_brand_and_a_country() {
        let card = |name| test_card(name).map(|(brand, country)| format!("{brand} {country}"));
        for (name, expected) in [
            ("pm_card_visa", "visa US"),
            ("pm_card_visa_chargeDeclinedLostCard", "visa US"),
            ("pm_card_mastercard_prepaid", "mastercard US"),
            ("pm_card_threeDSecure2Required", "visa US"),
            ("pm_card_gb", "visa GB"),
        ] {
            assert_eq!(card(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!([card("pm_card_visas"), card("pm_1"), card("visa")], [None, None, None]);
    }

    #[test]
    fn the_cards_that_a_refusal_names_are_known() {
        let said = Refusal::UnknownCard.to_string();
        let mut named = said.split([' ', ',']).filter(|word| word.starts_with("pm_"));
        assert!(named.clone().count() > 2 && named.all(|name| test_card(name).is_some()), "{said}");
    }
}

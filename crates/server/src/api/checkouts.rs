//! Checkouts: an invoice or order with its payer and its payment page, in one request.

use axum::Json;
use axum::extract::State;
use domain::directory::create_party::NewParty;
use domain::directory::party::Relationship;
use domain::kernel::currency::Currency;
use domain::kernel::ids::CounterpartyId;
use domain::kernel::money::Money;
use domain::kernel::refusal::{Refusal, Subject};
use domain::sales::checkout::{HOSTED_PAGE, PageMode, PageToken};
use domain::sales::create_checkout::{self, Checkout, MAX_CHECKOUT_ITEMS, NewCheckout};
use domain::sales::edit_items::NewItem;
use domain::sales::source::{SourceStatus, SourceType};
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::fields::{
    ApiName, Code, Day, Email, Expiry, Fault, FaultKind, FromValue, Id, Int, List, Name, Note,
    Part, Phone, Schemas, Text,
};
use crate::api::links::{draw_token, pay_path};
use crate::api::refusals::usual_field;
use crate::api::response::{Amount, JsonResult, Time};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

/// An `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(pub String);

const URL_MAX: usize = 2_000;
/// A URL with a host, without blanks, control characters and characters that change the direction
/// of text.
const URL: &str = concat!(
    r"^https?://[^\s/?#\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb]",
    r"[^\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb]*$"
);

impl FromValue for WebUrl {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let text = Text::<URL_MAX>::read(value)?.0;
        let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let fine = host.is_some_and(|host| !host.is_empty()) && !text.contains(char::is_whitespace);
        if fine { Ok(Self(text)) } else { Err(FaultKind::Pattern(URL)) }
    }

    fn schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": URL_MAX, "pattern": URL })
    }
}

crate::api_names! { PageMode }

/// Who shows the checkout. Upper and lower case are accepted, because clients use both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode(pub PageMode);

impl FromValue for Mode {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let known =
            value.as_str().and_then(|text| PageMode::parse(&text.trim().to_ascii_uppercase()));
        known.map(Self).ok_or_else(|| FaultKind::not_enum(PageMode::names()))
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        <PageMode as FromValue>::schema(schemas)
    }
}

payload! {
    /// An item of a checkout.
    pub struct CheckoutItem {
        /// The name of the item.
        name: Text<255>,
        /// The checkout's currency.
        currency: Currency,
        /// The price of one piece.
        amount: Money,
        /// The quantity; 1 by default.
        qty: Option<Int<1, 1_000_000_000>>,
    }

    /// Creates an invoice or order together with its payer and its page.
    pub struct CreateCheckout {
        /// `HOSTED` for a page of this server to which the payer is sent; `DIRECT` for a page of
        /// the caller. In upper or lower case.
        mode: Mode,
        /// The type: invoice or order.
        source_kind: SourceType,
        /// The payer's phone. The party with this phone is used, or created if there is none.
        party_phone: Phone,
        /// The currency.
        currency: Currency,
        /// The items.
        items: List<CheckoutItem, 1, MAX_CHECKOUT_ITEMS>,
        /// The name for a new party.
        party_name: Option<Text<255>>,
        /// The email address.
        party_email: Option<Email>,
        /// The payer's relationship to the merchant; `CUSTOMER` by default.
        party_relationship: Option<Relationship>,
        /// The merchant's own reference.
        reference_id: Option<Text<255>>,
        /// What it is for.
        note: Option<Note>,
        /// The due date: a date, or any time of that day.
        due_date: Option<Day>,
        /// Where the payer's browser goes after the payment.
        success_url: Option<WebUrl>,
        /// Where the payer's browser goes if the payer gives up.
        cancel_url: Option<WebUrl>,
        /// When the page and its sessions stop accepting payments.
        expires_at: Option<Expiry>,
        /// An existing counterparty as the payer.
        counterparty_id: Option<Id>,
    }
}

/// A checkout. It has the fields of both published formats.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckoutAnswer")]
pub struct CheckoutResponse {
    /// The id of the page, like `source_checkout_config_id`.
    id: i64,
    mode: String,
    source_type: Name<SourceType>,
    source_id: i64,
    source_number: String,
    source_status: Name<SourceStatus>,
    counterparty_id: i64,
    party_id: i64,
    currency: Code,
    total_amount: Amount,
    source_checkout_config_id: i64,
    url: String,
    hosted_path_or_token: String,
    reference_id: Option<String>,
    due_date: Option<Time>,
    expires_at: Option<Time>,
    success_url: Option<String>,
    cancel_url: Option<String>,
    created_at: Time,
}

impl CheckoutResponse {
    fn new(checkout: Checkout, public_url: &str) -> Self {
        let Checkout { config, source, counterparty, party } = checkout;
        let path = pay_path(&config.token.0);
        Self {
            id: config.id.0,
            source_type: Name(source.kind),
            source_id: source.id.0,
            total_amount: Amount(source.total()),
            source_number: source.number,
            source_status: Name(source.status),
            counterparty_id: counterparty.id.0,
            party_id: party.id.0,
            currency: Code(source.currency),
            source_checkout_config_id: config.id.0,
            url: format!("{public_url}{path}"),
            hosted_path_or_token: if config.mode == HOSTED_PAGE { path } else { config.token.0 },
            mode: config.mode,
            reference_id: source.reference_id,
            due_date: source.due_date.map(|at| Time::from(at.day())),
            expires_at: config.expires_at.map(Time::from),
            success_url: config.success_url,
            cancel_url: config.cancel_url,
            created_at: Time::from(config.created_at),
        }
    }
}

/// The faults of items in another currency than `has`, which is that of `what`.
pub fn items_in_other_currencies(
    items: &[CheckoutItem],
    has: Currency,
    what: &'static str,
) -> Vec<Fault> {
    let other = items.iter().enumerate().filter(|(_, item)| item.currency != has);
    let refused = || FaultKind::Refused(Refusal::CurrencyMismatch { what, has });
    other
        .map(|(index, _)| {
            Fault::at(
                &[
                    Part::Name("body"),
                    Part::Name("items"),
                    Part::Index(index),
                    Part::Name("currency"),
                ],
                refused(),
            )
        })
        .collect()
}

pub fn new_item(item: CheckoutItem) -> NewItem {
    NewItem {
        name: item.name.0,
        currency: item.currency,
        qty: item.qty.map_or(1, |qty| qty.0),
        amount: item.amount,
    }
}

fn new_checkout(payload: CreateCheckout, token: PageToken) -> NewCheckout {
    let phone = payload.party_phone.0;
    NewCheckout {
        party: NewParty {
            // A party must have a name: without one its phone is used.
            fullname: payload.party_name.map_or_else(|| phone.clone(), |name| name.0),
            phone,
            email: payload.party_email.map(|email| email.0),
            country_code: None,
        },
        relationship: payload.party_relationship.unwrap_or(Relationship::Customer),
        counterparty_id: payload.counterparty_id.map(|id| CounterpartyId(id.0)),
        party_id: None,
        kind: payload.source_kind,
        currency: payload.currency,
        note: payload.note.map(|note| note.0).unwrap_or_default(),
        reference_id: payload.reference_id.map(|text| text.0),
        due_date: payload.due_date.map(|day| day.0),
        items: payload.items.0.into_iter().map(new_item).collect(),
        mode: payload.mode.0,
        success_url: payload.success_url.map(|url| url.0),
        cancel_url: payload.cancel_url.map(|url| url.0),
        expires_at: payload.expires_at.map(|at| at.0),
        token,
        idempotency_key: None,
        as_draft: false,
    }
}

/// The amount of a checkout is that of its items.
const fn field_of(refusal: &Refusal) -> Option<&'static str> {
    match refusal.subject() {
        Subject::Amount => Some("items"),
        _ => usual_field(refusal),
    }
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    Body(payload): Body<CreateCheckout>,
) -> JsonResult<CheckoutResponse> {
    let faults = items_in_other_currencies(&payload.items.0, payload.currency, "checkout");
    if !faults.is_empty() {
        return Err(ApiError::Invalid(faults));
    }
    let command = create_checkout::CreateCheckout {
        merchant_id: tenant.id(),
        checkout: new_checkout(payload, draw_token()?),
    };
    let checkout =
        app.engine.submit(tenant.caller, command).await.map_err(ApiError::on_fields(field_of))?;
    Ok(Json(CheckoutResponse::new(checkout, &app.config.public_url)))
}

#[must_use]
pub fn routes() -> Routes {
    let example = json!({
        "mode": "HOSTED", "source_kind": "ORDER", "party_phone": "231880000001", "currency": "USD",
        "items": [{ "name": "Rice, 25 kg", "currency": "USD", "amount": 30.00 }],
    });
    let bearer = "The payer bears the fees, unless the operator has set the merchant to bear them.";
    let operation =
        op("create_checkout", "Create a published invoice or order, with its payer and its page")
            .details(bearer);
    Routes::new().post("/v1/checkouts/create", create, operation.example(example))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_one_of_two_in_any_case() {
        for text in ["HOSTED", "hosted", "Hosted"] {
            assert_eq!(Mode::read(&json!(text)), Ok(Mode(PageMode::Hosted)), "{text}");
        }
        assert_eq!(Mode::read(&json!("direct")), Ok(Mode(PageMode::Direct)));
        for value in [json!("online"), json!(""), json!(1)] {
            assert_eq!(
                Mode::read(&value),
                Err(FaultKind::not_enum(["HOSTED", "DIRECT"])),
                "{value}"
            );
        }
    }

    #[test]
    fn only_the_web_is_an_address() {
        for text in ["https://shop.example/thanks?x=1#y", "http://localhost:3000"] {
            assert!(WebUrl::read(&json!(text)).is_ok(), "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "ftp://x",
            "shop.example",
            "https://a b",
            "",
        ] {
            assert!(WebUrl::read(&json!(text)).is_err(), "{text}");
        }
    }
}

//! Payment accounts: where money is taken from or sent to.

use axum::Json;
use axum::extract::State;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::payment_account::PaymentAccount;
use domain::directory::roles::Action;
use domain::directory::use_payment_account::DeactivateAccount;
use domain::kernel::ids::{PartyId, PaymentAccountId};
use domain::kernel::masks::masked;
use domain::kernel::names::{Method, Mode, Operation, Provider};
use domain::kernel::phone::is_phone;
use domain::kernel::refusal::Refusal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Ids, Query, QueryAndBody};
use crate::api::fields::{AccountNetwork, Fault, FaultKind, Id, Name, OptionalCountry, Part, Text};
use crate::api::listing::Listing;
use crate::api::predictions::test_card;
use crate::api::response::{JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use store::reads::payment_accounts::PaymentAccountFilter;

payload! {
    /// Creates a payment account.
    pub struct CreatePaymentAccount {
        /// The account holder's name.
        account_name: Text<255>,
        /// The network, or for mobile money the method's own name.
        provider: AccountNetwork,
        /// The method.
        method: Method,
        /// The party that holds the account.
        party_id: Id,
        /// The country by two or three letters of ISO 3166, in upper or lower case. Answers have
        /// two letters.
        country_code: OptionalCountry,
        /// The phone number, without a plus sign. For a card the provider's name of the card; in
        /// the sandbox that of a test card.
        insensitive_account_number: Option<Text<255>>,
    }

    /// What the account is for.
    pub struct AccountPurpose {
        /// The operation.
        operation_type: Operation,
    }

    /// The filter of payment accounts.
    pub struct ListPaymentAccounts {
        /// Only accounts of this party.
        party_id: Option<Id>,
        /// Only accounts of this method.
        method: Option<Method>,
        /// Only accounts for this operation.
        operation_type: Option<Operation>,
        /// Only active or only inactive accounts.
        is_active: Option<bool>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

/// A payment account. Its number is masked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PaymentAccountAnswer")]
pub struct PaymentAccountResponse {
    id: i64,
    account_name: String,
    provider: Name<Provider>,
    method: Name<Method>,
    operation_type: Name<Operation>,
    party_id: i64,
    is_active: bool,
    country_code: Option<String>,
    masked_account_number: Option<String>,
    created_at: Time,
    updated_at: Time,
}

impl From<PaymentAccount> for PaymentAccountResponse {
    fn from(account: PaymentAccount) -> Self {
        Self {
            id: account.id.0,
            masked_account_number: account.account_number.as_deref().map(masked),
            account_name: account.account_name,
            provider: Name(account.provider),
            method: Name(account.method),
            operation_type: Name(account.operation),
            party_id: account.party_id.0,
            is_active: account.is_active,
            country_code: account.country_code,
            created_at: Time::from(account.created_at),
            updated_at: Time::from(account.updated_at),
        }
    }
}

/// The fault of an account number that is not a phone number or, in the sandbox, not a test card.
fn wrong_number(payload: &CreatePaymentAccount, mode: Mode) -> Option<FaultKind> {
    let number = &payload.insensitive_account_number.as_ref()?.0;
    match payload.method {
        Method::CREDIT_CARD
            if mode == Mode::Sandbox
                && payload.provider.0 == Provider::Stripe
                && test_card(number).is_none() =>
        {
            Some(FaultKind::Refused(Refusal::UnknownCard))
        }
        // The number of a card is not for kola: a real network gives its cards ids.
        Method::CREDIT_CARD if mode != Mode::Sandbox && !number.starts_with("pm_") => {
            Some(FaultKind::Refused(Refusal::UnknownCard))
        }
        // Checked here and not by the field's type, because the rule depends on the method.
        method if method.is_mobile_money() => {
            (!is_phone(number)).then_some(FaultKind::Refused(Refusal::InvalidPhoneNumber))
        }
        _ => None,
    }
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    QueryAndBody(purpose, payload): QueryAndBody<AccountPurpose, CreatePaymentAccount>,
) -> JsonResult<PaymentAccountResponse> {
    if let Some(kind) = wrong_number(&payload, tenant.merchant.mode) {
        return Err(vec![Fault::at(
            &[Part::Name("body"), Part::Name("insensitive_account_number")],
            kind,
        )]
        .into());
    }
    let new = NewAccount {
        party_id: PartyId(payload.party_id.0),
        account_name: payload.account_name.0,
        provider: payload.provider.0,
        method: payload.method,
        operation: purpose.operation_type,
        country_code: payload.country_code.0.map(|country| country.0),
        account_number: payload.insensitive_account_number.map(|number| number.0),
    };
    let account = app
        .engine
        .submit(
            tenant.caller,
            CreateAccount { merchant_id: tenant.id(), account: new, shown: None },
        )
        .await?;
    Ok(Json(account.into()))
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListPaymentAccounts>,
) -> ListResult<PaymentAccountResponse> {
    let page = page(query.limit, query.after_id);
    let filter = PaymentAccountFilter {
        party: query.party_id.map(|id| PartyId(id.0)),
        method: query.method,
        operation: query.operation_type,
        is_active: query.is_active,
    };
    let found =
        listing.tenant.reads(&app, Action::ReadPayments)?.payment_accounts(filter, page).await?;
    listing.respond(page, found, PaymentAccountResponse::from, |row| row.id)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PaymentAccountResponse> {
    let account = tenant
        .reads(&app, Action::ReadPayments)?
        .payment_account(id)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(Json(account.into()))
}

async fn deactivate(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PaymentAccountResponse> {
    let command = DeactivateAccount { merchant_id: tenant.id(), account_id: PaymentAccountId(id) };
    Ok(Json(app.engine.submit(tenant.caller, command).await?.into()))
}

#[must_use]
pub fn routes() -> Routes {
    let example = json!({
        "account_name": "Ama Kollie", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": 1,
        "insensitive_account_number": "231880000001",
    });
    let operation = op("create_payment_account", "Create a payment account").example(example);
    Routes::new()
        .post("/v1/payment-accounts/create", create, operation)
        .get(
            "/v1/payment-accounts/list",
            list_all,
            op("list_payment_accounts", "List payment accounts"),
        )
        .get(
            "/v1/payment-accounts/retrieve/{id}",
            retrieve,
            op("retrieve_payment_account", "Read a payment account"),
        )
        .post(
            "/v1/payment-accounts/deactivate/{id}",
            deactivate,
            op("deactivate_payment_account", "Deactivate a payment account")
                .details("Sessions and executions refuse the account from then on."),
        )
}

//! Payment accounts: where money is taken from or sent to.

use axum::Json;
use axum::extract::State;
use domain::account::{NewAccount, PaymentAccount};
use domain::command::{Answer, Command};
use domain::ids::PartyId;
use domain::names::{Method, Operation, Provider};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::answer::{Answered, Time, submit};
use super::auth::Tenant;
use super::describe::op;
use super::extract::QueryAndBody;
use super::fields::{CountryCode, Id, Name, Network, Text};
use super::routes::Routes;
use crate::app::App;
use crate::payload;

payload! {
    /// A payment account to make.
    pub struct CreatePaymentAccount {
        /// The holder's name on it.
        account_name: Text<255>,
        /// The network, or for mobile money the method's own name.
        provider: Network,
        /// The method.
        method: Method,
        /// The party that holds it.
        party_id: Id,
        /// ISO 3166, two letters.
        country_code: Option<CountryCode>,
        /// The number; for a card the provider's name for it.
        insensitive_account_number: Option<Text<255>>,
    }

    /// What the account is for.
    pub struct AccountPurpose {
        /// The operation.
        operation_type: Operation,
    }
}

/// A payment account. Its number is never written whole.
#[derive(Serialize, JsonSchema)]
pub struct PaymentAccountAnswer {
    id: i64,
    account_name: String,
    provider: Name<Provider>,
    method: Name<Method>,
    party_id: i64,
    is_active: bool,
    country_code: Option<String>,
    masked_account_number: Option<String>,
    created_at: Time,
    updated_at: Time,
}

/// The last four characters, and a star for each before them.
fn mask(number: &str) -> String {
    let hidden = number.chars().count().saturating_sub(4);
    // A number so short that four characters were all of it is hidden whole.
    let hidden = if hidden == 0 { number.chars().count() } else { hidden };
    number.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }).collect()
}

impl From<PaymentAccount> for PaymentAccountAnswer {
    fn from(account: PaymentAccount) -> Self {
        Self {
            id: account.id.0,
            masked_account_number: account.account_number.as_deref().map(mask),
            account_name: account.account_name,
            provider: Name(account.provider),
            method: Name(account.method),
            party_id: account.party_id.0,
            is_active: account.is_active,
            country_code: account.country_code,
            created_at: Time(account.created_at),
            updated_at: Time(account.updated_at),
        }
    }
}

async fn create(
    State(app): State<App>,
    tenant: Tenant,
    QueryAndBody(purpose, payload): QueryAndBody<AccountPurpose, CreatePaymentAccount>,
) -> Answered<PaymentAccountAnswer> {
    let new = NewAccount {
        party_id: PartyId(payload.party_id.0),
        account_name: payload.account_name.0,
        provider: payload.provider.0,
        method: payload.method,
        operation: purpose.operation_type,
        country_code: payload.country_code.map(|code| code.0),
        account_number: payload.insensitive_account_number.map(|number| number.0),
    };
    let account = submit!(app, Command::CreateAccount(tenant.id(), new), Answer::Account);
    Ok(Json(account.into()))
}

/// Making payment accounts.
#[must_use]
pub fn routes() -> Routes {
    let example = json!({
        "account_name": "Ama Kollie", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": 1,
        "insensitive_account_number": "231880000001",
    });
    let said = op("create_payment_account", "Make a payment account").example(example);
    Routes::new().post("/v1/payment-accounts/create", create, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_shown_whole() {
        for (number, shown) in [("231770000001", "********0001"), ("12345", "*2345"), ("1234", "****"), ("", "")] {
            assert_eq!(mask(number), shown);
        }
    }
}

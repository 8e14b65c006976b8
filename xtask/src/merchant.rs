//! Merchants that a chore makes on the command line, and that sign in over HTTP.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::server::Kola;

/// A merchant's first API key, and its wallet in USD.
#[derive(Clone, Debug, Default)]
pub struct Merchant {
    client_id: String,
    client_secret: String,
    pub id: u64,
    pub wallet: u64,
}

impl Merchant {
    /// A merchant with `funds` in its wallet; no server is needed for that.
    pub fn create(
        kola: &Kola,
        database: &Database,
        name: &str,
        funds: &str,
    ) -> anyhow::Result<Self> {
        Self::create_with(kola, database, name, funds, &[])
    }

    /// The same with further arguments of `kola merchant create`.
    pub fn create_with(
        kola: &Kola,
        database: &Database,
        name: &str,
        funds: &str,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let printed = kola.merchant_create_with(database, name, more)?;
        let text = |field: &str| Some(printed.get(field)?.as_str()?.to_owned());
        let merchant = Self {
            client_id: text("client_id").context("no client_id")?,
            client_secret: text("client_secret").context("no client_secret")?,
            id: printed.get("merchant_id").and_then(Value::as_u64).context("no merchant_id")?,
            wallet: usd_wallet(&printed)?,
        };
        kola.wallet_fund(database, merchant.wallet, funds)?;
        Ok(merchant)
    }

    /// An access token, good for an hour.
    pub async fn obtain_token(&self, client: &mut Client) -> anyhow::Result<String> {
        let body =
            json!({"client_id": self.client_id, "client_secret": self.client_secret}).to_string();
        let answer = client.post("", "/v1/jwt/client/obtain/token", &body).await?;
        Ok(answer.text("access_token").context("no access_token")?.to_owned())
    }
}

/// The wallet in USD of a merchant, as the command line prints the merchant.
pub fn usd_wallet(printed: &Value) -> anyhow::Result<u64> {
    let wallets = printed.get("wallets").and_then(Value::as_array);
    let usd = wallets
        .into_iter()
        .flatten()
        .find(|wallet| wallet.get("currency").is_some_and(|currency| currency == "USD"));
    usd.and_then(|wallet| wallet.get("id")?.as_u64()).context("no USD wallet")
}

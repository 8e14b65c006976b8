//! A merchant that makes payments over HTTP with a server that may die at any moment: a request is
//! sent with the same key until its outcome is known.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::bench::client::{Answer, Client};
use crate::bench::database::Database;
use crate::bench::jobs::Random;
use crate::bench::server::Kola;
use crate::merchant::Merchant;

/// More than any run can move.
const FUNDS: &str = "100000000.00";
/// Before a request is sent again that the server was not able to take.
const PAUSE: Duration = Duration::from_millis(20);
/// The text of invoices and their items.
const NOTE: &str = "Rice";

/// A merchant, with the rows that its payments need.
#[derive(Clone, Debug)]
pub struct Shop {
    merchant: Merchant,
    pub token: String,
    counterparty: u64,
    /// A payment account that pays at once.
    payer: u64,
    /// Waits for an authentication that never happens: its payments are cancelled in the end.
    card: u64,
    /// Is paid at once.
    payee: u64,
    /// The provider takes its payouts and does not answer: it has to be polled.
    silent: u64,
    expires_at: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Transfer,
    Payout,
    Collection,
    Refund,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Transfer, Self::Payout, Self::Collection, Self::Refund];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Payout => "payout",
            Self::Collection => "collection",
            Self::Refund => "refund",
        }
    }
}

/// An execution that is requested with its key, and its last known status.
#[derive(Clone, Debug)]
pub struct Order {
    pub kind: Kind,
    pub key: String,
    body: String,
    pub status: Option<String>,
    /// The payment intent's id, once it is known.
    pub intent: Option<u64>,
}

impl Order {
    fn new(kind: Kind, mut body: Value) -> Self {
        let key = Random::seeded().uuid();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("reference_id".to_owned(), json!(key));
        }
        Self { kind, key, body: body.to_string(), status: None, intent: None }
    }

    pub fn is_final(&self) -> bool {
        self.status.as_deref().is_some_and(|status| rank(status) == FINAL)
    }

    /// Requests the execution until there is an answer.
    pub async fn execute(&mut self, client: &mut Client, shop: &Shop) -> anyhow::Result<()> {
        let path = format!("/v1/executions/{}", self.kind.name());
        let body = self.body.clone();
        self.ask(client, shop, "POST", &path, Some(&body)).await
    }

    /// Reads its status.
    pub async fn refresh(&mut self, client: &mut Client, shop: &Shop) -> anyhow::Result<()> {
        let path = format!("/v1/status/{}/{}", self.kind.name(), self.key);
        self.ask(client, shop, "GET", &path, None).await
    }

    async fn ask(
        &mut self,
        client: &mut Client,
        shop: &Shop,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> anyhow::Result<()> {
        loop {
            match client.ask(method, &shop.token, path, body).await? {
                (200, answer) => return self.update(answer),
                (503, _) => tokio::time::sleep(PAUSE).await,
                (status, answer) => bail!("{method} {path} was answered {status}: {answer}"),
            }
        }
    }

    /// A status only goes forward, and a final one stays.
    fn update(&mut self, answer: Answer<'_>) -> anyhow::Result<()> {
        let now = answer.text("status").with_context(|| format!("no status in {answer}"))?;
        let was = self.status.as_deref();
        let forward = was.is_none_or(|was| rank(now) > rank(was) || now == was);
        ensure!(forward, "{} went from {} to {now}", self.key, was.unwrap_or_default());
        self.status = Some(now.to_owned());
        self.intent = answer.text("payment_intent_id").and_then(|id| id.parse().ok());
        Ok(())
    }
}

const FINAL: u8 = 2;

fn rank(status: &str) -> u8 {
    match status {
        "PENDING" => 0,
        "PROCESSING" => 1,
        _ => FINAL,
    }
}

impl Shop {
    /// A merchant with money; no server is needed for that.
    pub fn create(kola: &Kola, database: &Database, name: &str) -> anyhow::Result<Self> {
        Ok(Self {
            merchant: Merchant::create(kola, database, name, FUNDS)?,
            token: String::new(),
            counterparty: 0,
            payer: 0,
            card: 0,
            payee: 0,
            silent: 0,
            expires_at: in_days(300)?,
        })
    }

    pub const fn merchant_id(&self) -> u64 {
        self.merchant.id
    }

    pub const fn wallet(&self) -> u64 {
        self.merchant.wallet
    }

    /// Signs in, and creates the rows that its payments need.
    pub async fn set_up(&mut self, client: &mut Client, number: usize) -> anyhow::Result<()> {
        self.sign_in(client).await?;
        let body =
            json!({"fullname": "Amara Kollie", "phone": format!("{}", 231_770_000_000 + number)});
        let party = self.post(client, "/v1/parties/create", &body).await?;
        let body = json!({"relationship_type": "CUSTOMER", "party_id": party});
        self.counterparty = self.post(client, "/v1/counterparties/create", &body).await?;
        self.payer = self
            .account(client, party, "COLLECTION", "PAWAPAY", "MTN_MOMO_LBR", "231880000001")
            .await?;
        self.payee = self
            .account(client, party, "PAYOUT", "PAWAPAY", "MTN_MOMO_LBR", "231880000001")
            .await?;
        self.silent = self
            .account(client, party, "PAYOUT", "PAWAPAY", "MTN_MOMO_LBR", "231880000139")
            .await?;
        let card = "pm_card_authenticationRequired";
        self.card =
            self.account(client, party, "COLLECTION", "STRIPE", "CREDIT_CARD", card).await?;
        Ok(())
    }

    /// The same for several.
    pub async fn set_up_all(shops: &mut [Self], server: SocketAddr) -> anyhow::Result<()> {
        let mut client = Client::connect(server).await?;
        for (number, shop) in shops.iter_mut().enumerate() {
            shop.set_up(&mut client, number).await?;
        }
        Ok(())
    }

    pub async fn sign_in(&mut self, client: &mut Client) -> anyhow::Result<()> {
        self.token = self.merchant.obtain_token(client).await?;
        Ok(())
    }

    async fn account(
        &self,
        client: &mut Client,
        party: u64,
        operation: &str,
        provider: &str,
        method: &str,
        number: &str,
    ) -> anyhow::Result<u64> {
        let body = json!({"account_name": "Amara Kollie", "provider": provider, "method": method, "party_id": party,
            "insensitive_account_number": number});
        self.post(client, &format!("/v1/payment-accounts/create?operation_type={operation}"), &body)
            .await
    }

    /// Creates a row; returns its id.
    async fn post(&self, client: &mut Client, path: &str, body: &Value) -> anyhow::Result<u64> {
        client.post(&self.token, path, &body.to_string()).await?.id()
    }

    /// Advances the merchant's sandbox clock.
    pub async fn advance(&self, client: &mut Client, seconds: i64) -> anyhow::Result<()> {
        let body = json!({ "seconds": seconds }).to_string();
        client.post(&self.token, "/v1/sandbox/clock/advance", &body).await.map(drop)
    }

    /// The body of a transfer session.
    pub fn transfer_session(&self) -> Value {
        json!({"from_wallet_id": self.merchant.wallet, "to_counterparty_id": self.counterparty, "amount": 1, "currency": "USD",
            "expires_at": self.expires_at})
    }

    /// The body of a payout session; the provider answers at once, or never.
    pub fn payout_session(&self, silent: bool) -> Value {
        let account = if silent { self.silent } else { self.payee };
        json!({"wallet_id": self.merchant.wallet, "payment_account_id": account, "amount": 10, "currency": "USD",
            "expires_at": self.expires_at})
    }

    pub async fn transfer(&self, client: &mut Client) -> anyhow::Result<Order> {
        let session = self.post(client, "/v1/sessions/transfer", &self.transfer_session()).await?;
        Ok(Order::new(Kind::Transfer, json!({ "session_id": session })))
    }

    pub async fn payout(&self, client: &mut Client, silent: bool) -> anyhow::Result<Order> {
        let session =
            self.post(client, "/v1/sessions/payout", &self.payout_session(silent)).await?;
        Ok(Order::new(Kind::Payout, json!({ "session_id": session })))
    }

    /// The collection of an invoice, from mobile money or from a card.
    pub async fn collection(&self, client: &mut Client, card: bool) -> anyhow::Result<Order> {
        let invoice = self.invoice(client, 1).await?;
        self.collection_of(client, invoice, card).await
    }

    /// An open invoice with so many items.
    async fn invoice(&self, client: &mut Client, items: usize) -> anyhow::Result<u64> {
        let body = json!({"counterparty_id": self.counterparty, "currency": "USD", "note": NOTE, "fee_bearer": "PAYER",
            "as_payment_link": false});
        let invoice = self.post(client, "/v1/invoices/create", &body).await?;
        let item = json!({"name": NOTE, "currency": "USD", "qty": 1, "amount": 10});
        for _ in 0..items {
            self.post(client, &format!("/v1/invoices/{invoice}/items/add"), &item).await?;
        }
        client.put(&self.token, &format!("/v1/invoices/publish/{invoice}"), "{}").await?;
        Ok(invoice)
    }

    async fn collection_of(
        &self,
        client: &mut Client,
        invoice: u64,
        card: bool,
    ) -> anyhow::Result<Order> {
        let body = json!({"source_id": invoice, "source_type": "INVOICE"});
        let session = self.post(client, "/v1/sessions/checkout", &body).await?;
        let account = if card { self.card } else { self.payer };
        Ok(Order::new(
            Kind::Collection,
            json!({"session_id": session, "payment_account_id": account, "currency": "USD"}),
        ))
    }

    /// The path of the receipt as PDF of a paid invoice with so many items.
    pub async fn paid_receipt(&self, client: &mut Client, items: usize) -> anyhow::Result<String> {
        let invoice = self.invoice(client, items).await?;
        self.collection_of(client, invoice, false).await?.execute(client, self).await?;
        let answer = client.get(&self.token, &format!("/v1/invoices/receipt/{invoice}")).await?;
        let number = answer.text("invoice_number").context("an invoice without a number")?;
        let asked = format!("/v1/links/receipt?source_type=INVOICE&source_number={number}");
        let answer = client.get(&self.token, &asked).await?;
        let url = answer.text("url").context("no link of a receipt")?;
        let (_, token) = url.split_once("/receipt/").context("a link that leads elsewhere")?;
        Ok(format!("/receipt/{token}.pdf"))
    }

    /// A refund of a part of a collection that is completed.
    pub async fn refund(&self, client: &mut Client, collected: u64) -> anyhow::Result<Order> {
        let body = json!({"original_payment_intent_id": collected, "amount": 1, "expires_at": self.expires_at,
            "reason": "Returned"});
        let session = self.post(client, "/v1/sessions/refund", &body).await?;
        Ok(Order::new(Kind::Refund, json!({ "session_id": session })))
    }
}

pub fn in_days(days: i64) -> anyhow::Result<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server under test has a clock of its own, and it is the real one"
    )]
    let now = jiff::Timestamp::now();
    Ok(jiff::Timestamp::from_second(now.as_second() + days * 86_400)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_only_goes_forward() {
        let mut order = Order::new(Kind::Payout, json!({"session_id": 7}));
        assert!(order.body.contains(&order.key) && !order.is_final());
        for status in ["PENDING", "PENDING", "PROCESSING", "COMPLETED", "COMPLETED"] {
            order
                .update(Answer(
                    format!(r#"{{"status":"{status}","payment_intent_id":9}}"#).as_bytes(),
                ))
                .unwrap();
        }
        assert!(order.is_final() && order.intent == Some(9));
        for status in ["PENDING", "PROCESSING", "FAILED"] {
            assert!(
                order.update(Answer(format!(r#"{{"status":"{status}"}}"#).as_bytes())).is_err(),
                "{status}"
            );
        }
    }
}

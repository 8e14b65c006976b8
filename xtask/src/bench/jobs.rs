//! The calls that a connection repeats: those that are measured, and those that prepare them.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::callbacks::Callback;
use super::client::{Answer, Client};
use crate::merchant::Merchant;

/// How soon a client asks again whether a payment at a network has become final. It asks for the first
/// time after what the payments before it took, and later waits for half as long as it has waited
/// already: it must not be the questions that are measured.
const ASK_AGAIN: Duration = Duration::from_millis(4);
/// A payment at a network that is not final by then will not be.
const FINAL_WITHIN: Duration = Duration::from_secs(30);

/// A merchant with the objects that its payments refer to.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    pub merchant: Merchant,
    pub token: String,
    pub counterparty: u64,
    pub payment_account: u64,
    /// The reference of an earlier execution.
    pub reference: String,
    /// The path of the payment page of an open order.
    pub page: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Checks the token, parses the body and answers: the cost of HTTP alone.
    Noop,
    /// Reads the status of an earlier execution.
    Status,
    /// Predicts what a payment would cost.
    Prediction,
    /// Reads the payment page of an open order, with the price of each method.
    Page,
    /// Creates a checkout, opens its page, and pays there by mobile money.
    PagePayment,
    /// Creates a transfer session.
    Session,
    /// Executes a prepared session.
    Execute,
    /// Creates a transfer session, executes it, and reads its status.
    Payment,
    /// Creates and publishes an invoice.
    Invoice,
    /// Creates a session for a prepared invoice, executes it, and reads the invoice's status.
    Checkout,
    /// The same through a network, which says later that it was paid: the invoice's status is read
    /// until it is.
    NetworkCheckout,
    /// Creates a session for a prepared invoice and executes it. The payment stays at the network.
    NetworkPayment,
    /// Sends a callback of a network that was recorded before.
    Callback,
    /// Asks the fake pawaPay for a deposit, as kola does.
    Deposit,
}

/// The input of one turn of a job: a merchant by its index, and the id of a session or an invoice
/// if the job needs one.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub tenant: usize,
    pub id: u64,
}

impl Job {
    /// Does the job once. Returns the id of the created object, if the job creates one.
    pub async fn turn(
        self,
        client: &mut Client,
        common: &Common,
        item: Item,
        random: &mut Random,
    ) -> anyhow::Result<u64> {
        let Some(tenant) = common.tenants.get(item.tenant) else {
            return Ok(0);
        };
        match self {
            Self::Noop => noop(client, tenant, item.id, random).await.map(|()| 0),
            Self::Status => {
                let path = format!("/v1/status/transfer/{}", tenant.reference);
                client.get(&tenant.token, &path).await?.expect_status("COMPLETED").map(|()| 0)
            }
            Self::Prediction => {
                let answer = client.get(&tenant.token, PREDICTION).await?;
                ensure!(answer.text("payer_amount") == Some("103.00"), "not the amount: {answer}");
                Ok(0)
            }
            Self::Page => {
                let answer = client.get("", &tenant.page).await?;
                ensure!(answer.0.starts_with(b"<!doctype html>"), "not a page: {answer}");
                Ok(0)
            }
            Self::PagePayment => page_payment(client, tenant, random).await.map(|()| 0),
            Self::Session => session(client, tenant, &common.expires_at).await,
            Self::Execute => execute(client, tenant, item.id, &random.uuid()).await.map(|()| 0),
            Self::Payment => {
                let session = session(client, tenant, &common.expires_at).await?;
                let reference = random.uuid();
                execute(client, tenant, session, &reference).await?;
                let status =
                    client.get(&tenant.token, &format!("/v1/status/transfer/{reference}")).await?;
                status.expect_status("COMPLETED").map(|()| 0)
            }
            Self::Invoice => invoice(client, tenant).await,
            Self::Checkout => checkout(client, tenant, item.id, &random.uuid()).await.map(|()| 0),
            Self::NetworkCheckout => {
                network_checkout(client, tenant, item.id, &random.uuid()).await.map(|()| 0)
            }
            Self::NetworkPayment => {
                network_payment(client, tenant, item.id, &random.uuid()).await.map(|()| 0)
            }
            Self::Callback => {
                let at = usize::try_from(item.id)?;
                let callback = common.callbacks.get(at).context("no callback is left")?;
                client.deliver(callback).await.map(|()| 0)
            }
            Self::Deposit => deposit(client, tenant, random).await.map(|()| 0),
        }
    }
}

/// What all connections of a measurement share.
#[derive(Clone, Debug)]
pub struct Common {
    pub tenants: Vec<Tenant>,
    pub expires_at: String,
    /// Recorded callbacks of a network; see [`Job::Callback`].
    pub callbacks: Vec<Callback>,
}

async fn noop(
    client: &mut Client,
    tenant: &Tenant,
    id: u64,
    random: &mut Random,
) -> anyhow::Result<()> {
    let reference = random.uuid();
    let body = format!(r#"{{"session_id":{id},"reference_id":"{reference}"}}"#);
    let answer = client.post(&tenant.token, "/v1/noop", &body).await?;
    ensure!(answer.0.starts_with(b"{"), "not an object: {answer}");
    Ok(())
}

const PREDICTION: &str = "/v1/predictions/amount-and-fees?base_amount=100&base_currency=USD&target_currency=USD\
                          &payment_method=MTN_MOMO_LBR&operation_type=COLLECTION&provider=PAWAPAY&fee_bearer=PAYER";

/// Creates a transfer session.
pub async fn session(
    client: &mut Client,
    tenant: &Tenant,
    expires_at: &str,
) -> anyhow::Result<u64> {
    let body = format!(
        r#"{{"from_wallet_id":{},"to_counterparty_id":{},"amount":0.01,"currency":"USD","expires_at":"{expires_at}"}}"#,
        tenant.merchant.wallet, tenant.counterparty
    );
    let answer = client.post(&tenant.token, "/v1/sessions/transfer", &body).await?;
    answer.expect_status("ACTIVE")?;
    answer.id()
}

/// Executes a transfer session.
pub async fn execute(
    client: &mut Client,
    tenant: &Tenant,
    session: u64,
    reference: &str,
) -> anyhow::Result<()> {
    let body = format!(r#"{{"session_id":{session},"reference_id":"{reference}"}}"#);
    client.post(&tenant.token, "/v1/executions/transfer", &body).await?.expect_status("COMPLETED")
}

async fn invoice(client: &mut Client, tenant: &Tenant) -> anyhow::Result<u64> {
    let body = format!(
        r#"{{"counterparty_id":{},"currency":"USD","note":"bench","fee_bearer":"PAYER","as_payment_link":false}}"#,
        tenant.counterparty
    );
    let id = client.post(&tenant.token, "/v1/invoices/create", &body).await?.id()?;
    let item = r#"{"name":"item","currency":"USD","qty":1,"amount":10.00}"#;
    client.post(&tenant.token, &format!("/v1/invoices/{id}/items/add"), item).await?;
    client.put(&tenant.token, &format!("/v1/invoices/publish/{id}"), "{}").await?;
    Ok(id)
}

/// Creates a session for an invoice and executes it. Returns the execution's status.
async fn collect(
    client: &mut Client,
    tenant: &Tenant,
    invoice: u64,
    reference: &str,
) -> anyhow::Result<String> {
    let body = format!(r#"{{"source_id":{invoice},"source_type":"INVOICE"}}"#);
    let session = client.post(&tenant.token, "/v1/sessions/checkout", &body).await?.id()?;
    let body = format!(
        r#"{{"session_id":{session},"payment_account_id":{},"currency":"USD","reference_id":"{reference}"}}"#,
        tenant.payment_account
    );
    let answer = client.post(&tenant.token, "/v1/executions/collection", &body).await?;
    Ok(answer.text("status").with_context(|| format!("no status in {answer}"))?.to_owned())
}

/// The status of an invoice.
async fn source_status(
    client: &mut Client,
    tenant: &Tenant,
    invoice: u64,
) -> anyhow::Result<String> {
    let path = format!("/v1/status/source?source_type=INVOICE&source_id={invoice}");
    let answer = client.get(&tenant.token, &path).await?;
    Ok(answer.text("status").with_context(|| format!("no status in {answer}"))?.to_owned())
}

async fn checkout(
    client: &mut Client,
    tenant: &Tenant,
    invoice: u64,
    reference: &str,
) -> anyhow::Result<()> {
    let status = collect(client, tenant, invoice, reference).await?;
    ensure!(status == "COMPLETED", "the payment is {status}");
    let status = source_status(client, tenant, invoice).await?;
    ensure!(status == "PAID", "the invoice is {status}");
    Ok(())
}

async fn network_checkout(
    client: &mut Client,
    tenant: &Tenant,
    invoice: u64,
    reference: &str,
) -> anyhow::Result<()> {
    let status = collect(client, tenant, invoice, reference).await?;
    ensure!(status != "FAILED", "the payment is {status}");
    let begun = Instant::now();
    let mut pause = client.usual_wait;
    let mut is_first = true;
    loop {
        tokio::time::sleep(pause).await;
        let waited = begun.elapsed();
        let status = source_status(client, tenant, invoice).await?;
        if status == "PAID" {
            // What was final at the first question may have been so for a while.
            client.usual_wait =
                if is_first { waited * 7 / 8 } else { (client.usual_wait + waited) / 2 };
            return Ok(());
        }
        if waited >= FINAL_WITHIN {
            bail!("the invoice is still {status} after {} s", FINAL_WITHIN.as_secs());
        }
        pause = ASK_AGAIN.max(waited / 2);
        is_first = false;
    }
}

async fn deposit(client: &mut Client, tenant: &Tenant, random: &mut Random) -> anyhow::Result<()> {
    let (id, reference) = (random.uuid(), random.uuid());
    let body = format!(
        r#"{{"depositId":"{id}","amount":"10","currency":"USD","payer":{{"type":"MMO","accountDetails":{{"phoneNumber":"231880000001","provider":"MTN_MOMO_LBR"}}}},"customerMessage":"Bench","clientReferenceId":"{reference}","metadata":[{{"merchant":"1"}},{{"execution":"2"}}]}}"#
    );
    client.post(&tenant.token, "/v2/deposits", &body).await?.expect_status("ACCEPTED")
}

async fn network_payment(
    client: &mut Client,
    tenant: &Tenant,
    invoice: u64,
    reference: &str,
) -> anyhow::Result<()> {
    let status = collect(client, tenant, invoice, reference).await?;
    ensure!(status == "PROCESSING", "the payment is {status}");
    Ok(())
}

async fn page_payment(
    client: &mut Client,
    tenant: &Tenant,
    random: &mut Random,
) -> anyhow::Result<()> {
    // Each payer has a phone and an address of its own, because both are limited. In the sandbox a
    // payment from a number that ends in 1 succeeds.
    let [first, second, phone] = [random.next(), random.next(), random.next() % 1_000_000];
    let phone = format!("23188{phone:06}1");
    client.forwarded_for = Some(Ipv4Addr::from_bits(0x0a00_0000 | (first & 0x00ff_ffff) as u32));
    let party = 231_770_000_000 + second % 1_000_000;
    let body = format!(
        r#"{{"mode":"HOSTED","source_kind":"ORDER","party_phone":"{party}","currency":"USD",
        "items":[{{"name":"Rice, 25 kg","currency":"USD","amount":19.50,"qty":2}}]}}"#
    );
    let made = client.post(&tenant.token, "/v1/checkouts/create", &body).await?;
    let page = made.text("hosted_path_or_token").context("a page")?.to_owned();
    let shown = |(status, answer): (u16, Answer<'_>), words: &str| {
        let text = String::from_utf8_lossy(answer.0).into_owned();
        ensure!(status == 200 && text.contains(words), "{status}, no {words}: {text}");
        Ok(text)
    };
    let method = "MTN_MOMO_LBR%3ALRD";
    shown(client.ask("GET", "", &page, None).await?, "MTN")?;
    let form = format!("step=method&method={method}");
    shown(client.form(&page, &form).await?, "name=\"phone\"")?;
    let form = format!("step=phone&method={method}&phone={phone}");
    let review = shown(client.form(&page, &form).await?, "name=\"quote\"")?;
    let field = |name: &str| {
        let (_, rest) = review.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let (quote, key) = field("quote").zip(field("key")).context("no quote and key")?;
    let form = format!("step=pay&method={method}&phone={phone}&quote={quote}&key={key}");
    let (status, answer) = client.form(&page, &form).await?;
    ensure!(status == 303, "{status}: {answer}");
    shown(client.ask("GET", "", &page, None).await?, "Paid").map(|_| ())
}

/// SplitMix64. Reference ids must be spread like random ones, but need not be secret.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A generator with a new seed, so that no reference id repeats that of another run.
    pub fn seeded() -> Self {
        use std::hash::{BuildHasher as _, Hasher as _};
        Self(std::hash::RandomState::new().build_hasher().finish())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The bytes of a UUID of version 4.
    pub fn uuid_bytes(&mut self) -> [u8; 16] {
        let high = self.next() & !0xf000 | 0x4000;
        let low = self.next() >> 2 | 0x8000_0000_0000_0000;
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// A UUID of version 4.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_id_has_the_shape_of_a_uuid_of_version_4() {
        let mut random = Random(7);
        for _ in 0..1000 {
            let uuid = random.uuid();
            let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.bytes().all(|byte| byte == b'-'
                || byte.is_ascii_digit()
                || (b'a'..=b'f').contains(&byte)));
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
        assert_ne!(random.uuid(), random.uuid());
    }
}

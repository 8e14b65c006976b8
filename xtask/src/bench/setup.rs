//! The database with which every server of a run begins: merchants with money, and the objects that
//! their payments refer to.

use std::net::SocketAddr;

use anyhow::Context as _;

use super::client::Client;
use super::database::Database;
use super::jobs::{self, Random, Tenant};
use super::load::Generator;
use super::server::Kola;
use crate::merchant::Merchant;

/// The money of a merchant: more than any run can transfer, one cent at a time.
const FUNDS: &str = "1000000000.00";

/// Creates the database and its merchants. The first one has the hot wallet.
pub fn template(
    kola: &Kola,
    generator: &Generator,
    database: &Database,
    merchants: usize,
    expires_at: &str,
) -> anyhow::Result<Vec<Tenant>> {
    database.create()?;
    let mut tenants = Vec::new();
    for number in 0..merchants {
        let merchant = Merchant::create(kola, database, &format!("Bench {number}"), FUNDS)?;
        tenants.push(Tenant { merchant, ..Tenant::default() });
    }
    let server = kola.serve(database, 0, &[])?;
    let counterparties = async {
        let mut client = Client::connect(server.address).await?;
        for (number, tenant) in tenants.iter_mut().enumerate() {
            log_in(&mut client, tenant).await?;
            create_payment_rows(&mut client, tenant, number, expires_at).await?;
        }
        Ok(())
    };
    generator.block_on(counterparties).with_context(|| server.log())?;
    server.stop()?;
    database.checkpoint()?;
    Ok(tenants)
}

/// Creates a merchant whose payments go to a network's test system.
pub fn network_merchant(kola: &Kola, database: &Database) -> anyhow::Result<Merchant> {
    Merchant::create_with(kola, database, "Bench at a network", FUNDS, &["--mode", "test"])
}

/// Obtains a token for a merchant, and creates what its payments refer to.
pub fn prepare_tenant(
    generator: &Generator,
    address: SocketAddr,
    tenant: &mut Tenant,
    expires_at: &str,
) -> anyhow::Result<()> {
    generator.block_on(async {
        let mut client = Client::connect(address).await?;
        log_in(&mut client, tenant).await?;
        create_payment_rows(&mut client, tenant, 0, expires_at).await
    })
}

/// Obtains a token for each merchant from a server that has just started.
pub fn log_in_all(
    generator: &Generator,
    address: SocketAddr,
    tenants: &mut [Tenant],
) -> anyhow::Result<()> {
    generator.block_on(async {
        let mut client = Client::connect(address).await?;
        for tenant in tenants {
            log_in(&mut client, tenant).await?;
        }
        Ok(())
    })
}

async fn log_in(client: &mut Client, tenant: &mut Tenant) -> anyhow::Result<()> {
    tenant.token = tenant.merchant.obtain_token(client).await?;
    Ok(())
}

async fn create_payment_rows(
    client: &mut Client,
    tenant: &mut Tenant,
    number: usize,
    expires_at: &str,
) -> anyhow::Result<()> {
    // No merchant has this phone, so transfers go to a wallet of the party.
    let phone = 231_770_000_000 + number;
    let body = format!(r#"{{"fullname":"Party {number}","phone":"{phone}"}}"#);
    let party = client.post(&tenant.token, "/v1/parties/create", &body).await?.id()?;
    let body = format!(r#"{{"relationship_type":"CUSTOMER","party_id":{party}}}"#);
    tenant.counterparty =
        client.post(&tenant.token, "/v1/counterparties/create", &body).await?.id()?;
    let body = serde_json::json!({
        "account_name": "Mobile",
        "provider": "PAWAPAY",
        "method": "MTN_MOMO_LBR",
        "party_id": party,
        // In the sandbox and at the fakes every payment from this number succeeds.
        "insensitive_account_number": "231880000001",
    });
    let path = "/v1/payment-accounts/create?operation_type=COLLECTION";
    tenant.payment_account = client.post(&tenant.token, path, &body.to_string()).await?.id()?;
    let body = serde_json::json!({
        "mode": "HOSTED", "source_kind": "ORDER", "party_phone": phone.to_string(), "currency": "USD",
        "items": [{ "name": "Rice, 25 kg", "currency": "USD", "amount": 19.50, "qty": 2 }],
    });
    let checkout = client.post(&tenant.token, "/v1/checkouts/create", &body.to_string()).await?;
    tenant.page = checkout.text("hosted_path_or_token").context("a page")?.to_owned();
    // The execution whose status the phase `Status` reads.
    tenant.reference = Random::seeded().uuid();
    let session = jobs::session(client, tenant, expires_at).await?;
    jobs::execute(client, tenant, session, &tenant.reference).await?;
    Ok(())
}

//! Keeps what this process knows of the network accounts up to date: who they are, their secrets, and
//! what their networks say that can be done with them.

use std::time::Duration;

use anyhow::Context;
use domain::directory::principal::Principal;
use domain::kernel::ids::MerchantId;
use domain::kernel::names::{Mode, Provider};
use domain::network_accounts::account::{AccountStatus, NetworkAccount};
use domain::network_accounts::operator_terms::Terms;
use domain::network_accounts::record_terms::RecordTerms;
use domain::network_accounts::secret::{NetworkSecret, SecretKind};
use domain::tariff::Tariff;
use networks::accounts::{Account, Accounts, CalledAccount, Credentials};
use networks::client::BaseUrl;
use networks::{pawapay, stripe};

use crate::app::App;
use crate::credentials::sealing::{KeyFile, SealingKey};
use store::reads::Queries;

/// How often a change of the accounts is looked for.
const EVERY: Duration = Duration::from_secs(1);
/// How often the terms of an account are asked for.
const TERMS_EVERY: Duration = Duration::from_secs(3_600);
/// How often the counters of the accounts are written into the log.
const COUNTERS_EVERY: Duration = Duration::from_secs(300);
/// How soon they are asked for again after the network gave none.
const TERMS_AGAIN: Duration = Duration::from_secs(30);

/// Reads the accounts with their secrets.
///
/// # Errors
/// The database cannot be read, or the key of a secret is missing: which one, and what to do.
pub async fn read(queries: &Queries, key_file: &KeyFile) -> anyhow::Result<(i64, Vec<Account>)> {
    let tariff = queries.for_system().tariff().await?;
    let secrets = queries.for_system().network_secrets().await?;
    let key = if secrets.is_empty() { None } else { Some(key_file.read(false)?) };
    let accounts = accounts_of(&tariff, &secrets, key.as_ref())?;
    Ok((tariff.version, accounts))
}

fn accounts_of(
    tariff: &Tariff,
    secrets: &[NetworkSecret],
    key: Option<&SealingKey>,
) -> anyhow::Result<Vec<Account>> {
    // Also those that are closed: a network may take a payment back after the last one has ended.
    // What stood for a live network before there were accounts has no address.
    let has_address = |account: &&NetworkAccount| account.base_url.is_some();
    let accounts = tariff.real_accounts().filter(has_address);
    accounts
        .map(|account| {
            let own = secrets.iter().filter(|secret| secret.network_account_id == account.id);
            let mut credentials = Credentials::default();
            // The newest first: of a token or key that one is used.
            for secret in own {
                let text = key.context("there is no secrets key")?.open(account, secret)?;
                match secret.kind {
                    SecretKind::Token | SecretKind::SecretKey => {
                        credentials.bearer.get_or_insert(text);
                    }
                    SecretKind::PublishableKey => {
                        credentials.publishable_key.get_or_insert(text);
                    }
                    SecretKind::SigningKey => {
                        credentials.signing_key.get_or_insert(text);
                    }
                    SecretKind::WebhookSecret => credentials.webhook_secrets.push(text),
                }
            }
            let base_url = account.base_url.as_deref().unwrap_or_default();
            let base_url = BaseUrl::parse(base_url).map_err(|error| {
                anyhow::anyhow!("the address of the network account {}: {error}", account.name)
            })?;
            Ok(Account {
                id: account.id,
                network: account.network,
                name: account.name.clone(),
                base_url,
                calls_per_second: u32::try_from(account.calls_per_second).unwrap_or(1),
                callback_token: account.callback_token.clone().unwrap_or_default(),
                signed_callbacks: account.signed_callbacks,
                is_live: account.mode == Mode::Live,
                is_closed: account.status == AccountStatus::Closed,
                updated_at: account.updated_at,
                credentials,
            })
        })
        .collect()
}

/// Takes up changes of the accounts, for ever. `known` is the version of the tariff that was read.
pub async fn refresh(queries: Queries, accounts: Accounts, key_file: KeyFile, mut known: i64) {
    loop {
        tokio::time::sleep(EVERY).await;
        match queries.for_system().tariff().await {
            Ok(tariff) if tariff.version == known => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the network accounts could not be read");
                continue;
            }
        }
        match read(&queries, &key_file).await {
            Ok((version, read)) => {
                accounts.replace(read);
                known = version;
            }
            // What was known stays in use.
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "a change of the network accounts could not be taken up"
            ),
        }
    }
}

/// Asks each account at pawaPay for its terms: at once when it is new, then every hour.
pub async fn ask_for_terms(app: App) {
    let mut next = std::collections::HashMap::new();
    loop {
        for called in app.dispatcher.networks().accounts.all() {
            let (id, network) = (called.account.id, called.account.network);
            let now = tokio::time::Instant::now();
            if network != Provider::PawaPay
                || called.account.is_closed
                || next.get(&id).is_some_and(|at| *at > now)
            {
                continue;
            }
            let wait = match record_terms(&app, &called).await {
                Ok(()) => TERMS_EVERY,
                Err(reason) => {
                    let account = &called.account.name;
                    tracing::warn!(account, reason, "pawaPay's terms could not be read");
                    TERMS_AGAIN
                }
            };
            next.insert(id, now + wait);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Writes into the log what happened with each account, whenever something has.
pub async fn log_counters(app: App) {
    let mut known = std::collections::HashMap::new();
    loop {
        tokio::time::sleep(COUNTERS_EVERY).await;
        for called in app.dispatcher.networks().accounts.all() {
            let line = called.counters.to_string();
            if !line.is_empty() && known.get(&called.account.id) != Some(&line) {
                let account = &called.account.name;
                tracing::info!(account, counters = line, "what happened since the start");
                known.insert(called.account.id, line);
            }
        }
    }
}

/// Asks an account at pawaPay for its terms, and records them.
async fn record_terms(app: &App, called: &CalledAccount) -> Result<(), String> {
    let request = pawapay::requests::active_conf();
    let response = app.dispatcher.networks().ask(called, request).await?;
    let command = terms_of(called, response.status, &response.body)?;
    let recorded = app.engine.submit_for(MerchantId::INSTALLATION, Principal::Network, command);
    recorded.await.map(drop).map_err(|failure| failure.to_string())
}

/// The command that records what an account's active configuration says.
///
/// # Errors
/// In words for the operator.
pub fn terms_of(called: &CalledAccount, status: u16, body: &[u8]) -> Result<RecordTerms, String> {
    if status != 200 {
        return Err(format!("pawaPay answered {status}"));
    }
    let conf = pawapay::active_conf::read_active_conf(body)?;
    for what in &conf.left_out {
        tracing::info!(account = called.account.name, what, "left out of pawaPay's terms");
    }
    let terms: Result<Vec<Terms>, String> = conf.operations.into_iter().map(terms).collect();
    Ok(RecordTerms {
        account_id: called.account.id,
        signed_callbacks: conf.signed_callbacks,
        terms: terms?,
    })
}

fn terms(conf: pawapay::active_conf::OperationConf) -> Result<Terms, String> {
    use domain::network_accounts::operator_terms::Availability as Known;
    use pawapay::active_conf::Availability;
    let takes = conf.takes_payments();
    let availability = match conf.availability {
        Availability::Operational if takes => Known::Operational,
        Availability::Delayed => Known::Delayed,
        // Also where the payer would have to be asked in a way that is not supported.
        Availability::Operational | Availability::Closed => Known::Closed,
    };
    let pin_prompt = conf.pin_prompt.as_ref().map(serde_json::to_string).transpose();
    Ok(Terms {
        operator: conf.provider,
        currency: conf.currency,
        operation: conf.operation,
        availability,
        min_minor: conf.min_minor,
        max_minor: conf.max_minor,
        decimals: i64::from(conf.decimals),
        country: conf.country,
        prefix: conf.prefix,
        display_name: conf.display_name,
        pin_prompt: pin_prompt.map_err(|error| error.to_string())?,
    })
}

/// Asks the account something harmless. The answer is what is wrong, in words for the operator.
///
/// # Errors
/// What is wrong.
pub async fn check(
    networks: &networks::calls::NetworkCalls,
    called: &CalledAccount,
) -> Result<String, String> {
    let request = match called.account.network {
        Provider::Stripe => stripe::requests::balance(),
        Provider::PawaPay | Provider::Platform => pawapay::requests::active_conf(),
    };
    let response = networks.ask(called, request).await?;
    match response.status {
        200 => Ok("the network answers, and takes the token".to_owned()),
        401 | 403 => Err(format!(
            "the network refuses the token ({}): `kola networks set-token` gives another",
            response.status
        )),
        status => Err(format!("the network answered {status}")),
    }
}

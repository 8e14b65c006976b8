//! `kola networks`: accounts at payment networks, their tokens and keys.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use domain::kernel::ids::{MerchantId, NetworkAccountId, NetworkSecretId};
use domain::kernel::money::Money;
use domain::kernel::names::{Mode, Operation, Provider};
use domain::kernel::uuids::ReferenceId;
use domain::network_accounts::account::{AccountStatus, NetworkAccount, Parameters};
use domain::network_accounts::add_account::AddNetworkAccount;
use domain::network_accounts::change_account::{AccountChange, ChangeNetworkAccount};
use domain::network_accounts::exchange::Exchange;
use domain::network_accounts::secret::{
    AddNetworkSecret, NetworkSecret, RetireNetworkSecret, SealedSecret, SecretKind,
};
use networks::accounts::Accounts;
use networks::calls::{NetworkCalls, Outside};
use networks::client::{BaseUrl, Client};
use networks::pawapay;
use networks::pawapay::signature::RequestSigner;
use networks::stripe::keys;
use serde_json::{Map, Value, json};

use crate::api::fields::typed_name;
use crate::callbacks::public_address::callback_url;
use crate::cli::doctor::NetworkFacts;
use crate::cli::output::{self, moment};
use crate::cli::payouts::reference;
use crate::cli::public_address::{OF_THIS_MACHINE, PublicAddress};
use crate::cli::{Target, input};
use crate::jobs::network_accounts;
use crate::reconciliation::asking::Asker;
use crate::reconciliation::fetching;
use store::clock;
use store::hex::hex;

/// How many calls a second a process makes of a new account.
const PAWAPAY_CALLS: i64 = 20;
const STRIPE_CALLS: i64 = 80;

/// How long a network may take to say what it keeps.
const BALANCES_WITHIN: Duration = Duration::from_secs(60);

/// How many callbacks about unknown payments are listed.
const UNMATCHED_LISTED: u32 = 100;

#[derive(Subcommand)]
pub enum Networks {
    /// Add an account. Its secrets are read from standard input as one JSON object: {"token"} for
    /// pawaPay, {"secret_key", "publishable_key", "webhook_secret"} for Stripe. A running server uses
    /// it within two seconds.
    Add {
        /// The network: pawapay or stripe.
        #[arg(long, value_parser = network)]
        network: Provider,
        /// test for the network's own test system, live for real money.
        #[arg(long, value_parser = mode)]
        mode: Mode,
        /// A name for the account, as you know it.
        #[arg(long, value_parser = account_name)]
        name: String,
        /// Where the network is called. Without it the network's own address for the mode. http is
        /// for test accounts on this machine only.
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// How many calls a second each process of kola makes at most.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=10_000))]
        calls_per_second: Option<i64>,
        /// Which parameters requests to Stripe have: current, or basic for a test server that plays
        /// Stripe and refuses what is newer. Only for test accounts at Stripe.
        #[arg(long, value_parser = parameters, default_value = "current", value_name = "SET")]
        parameters: Parameters,
        #[command(flatten)]
        address: PublicAddress,
    },
    /// List the accounts, their secrets (not what they are) and where callbacks go.
    List {
        #[command(flatten)]
        address: PublicAddress,
    },
    /// Give an account another token (pawaPay) or secret key (Stripe), read from standard input. It
    /// is used from now on; the older one stays until it is retired.
    SetToken {
        /// The account's id.
        #[arg(long)]
        account: i64,
    },
    /// Give a Stripe account another webhook secret, read from standard input. Events signed with any
    /// of its secrets are taken.
    AddWebhookSecret {
        /// The account's id.
        #[arg(long)]
        account: i64,
    },
    /// Give a pawaPay account a private key that requests are signed with, as PEM on standard input.
    /// Without one they are not signed. The older one stays until it is retired.
    SetSigningKey {
        /// The account's id.
        #[arg(long)]
        account: i64,
        /// The id that pawaPay's dashboard gives the public half.
        #[arg(long)]
        key_id: String,
    },
    /// List the last callbacks about payments that are not known here.
    Unmatched {
        /// The account's id.
        #[arg(long)]
        account: i64,
    },
    /// Retire a secret: it is no longer used.
    Retire {
        /// The account's id.
        #[arg(long)]
        account: i64,
        /// The secret's id, from `kola networks list`.
        #[arg(long)]
        secret: i64,
    },
    /// Take no new payments through an account. Those under way and their refunds go on.
    Drain {
        #[arg(long)]
        account: i64,
    },
    /// Take payments again through an account that was drained.
    Activate {
        #[arg(long)]
        account: i64,
    },
    /// Close a drained account. Refused while a payment of it is under way.
    Close {
        #[arg(long)]
        account: i64,
    },
    /// Ask the network something harmless, and say what is wrong.
    Check {
        #[arg(long)]
        account: i64,
    },
    /// Ask the networks what they keep for each account, and print it beside what the ledger says.
    Balances {
        /// Only this account.
        #[arg(long, value_name = "ID")]
        account: Option<i64>,
        /// Ask nobody: print what was last read.
        #[arg(long)]
        known: bool,
    },
    /// Send nothing through an account until it is resumed. What was sent is still asked about.
    Hold {
        #[arg(long)]
        account: i64,
    },
    /// Send through an account again. Without an account: through all of them.
    Resume {
        #[arg(long)]
        account: Option<i64>,
    },
    /// Ask pawaPay now what an account can do, and list the operators that no method names.
    Refresh {
        #[arg(long)]
        account: i64,
    },
    /// Print what was said to a network about a payment, and what it said: without secrets, and of
    /// numbers the last three digits.
    Exchanges {
        /// The reference_id of the execution.
        #[arg(value_parser = reference)]
        reference: ReferenceId,
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
    },
    /// Change how many calls a second each process of kola makes at most.
    SetLimit {
        #[arg(long)]
        account: i64,
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=10_000))]
        calls_per_second: i64,
    },
}

/// The address that a network sends what happens to, at the server of this installation.
pub(super) fn callback_url_of(target: &Target, id: NetworkAccountId) -> anyhow::Result<String> {
    let account = find(target, id.0)?;
    let base = target.setting("KOLA_PUBLIC_URL").unwrap_or_else(|| OF_THIS_MACHINE.to_owned());
    Ok(callback_url(&account, base.trim_end_matches('/')).unwrap_or_default())
}

pub(super) fn network(text: &str) -> Result<Provider, String> {
    match text.to_ascii_lowercase().as_str() {
        "pawapay" => Ok(Provider::PawaPay),
        "stripe" => Ok(Provider::Stripe),
        _ => Err("use pawapay or stripe".to_owned()),
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    match text.to_ascii_lowercase().as_str() {
        "test" => Ok(Mode::Test),
        "live" => Ok(Mode::Live),
        _ => Err("use test or live; the sandbox's accounts are built in".to_owned()),
    }
}

fn parameters(text: &str) -> Result<Parameters, String> {
    match text.to_ascii_lowercase().as_str() {
        "current" => Ok(Parameters::Current),
        "basic" => Ok(Parameters::Basic),
        _ => Err("use current or basic".to_owned()),
    }
}

fn account_name(text: &str) -> Result<String, String> {
    let wrong = "a name has 1 to 100 characters, without blanks around it";
    let name = typed_name(text, 100).map_err(|fault| fault.sentence("it", wrong))?;
    if name == text { Ok(name) } else { Err(wrong.to_owned()) }
}

/// The network's own address.
const fn own_base_url(network: Provider, mode: Mode) -> &'static str {
    match (network, mode) {
        (Provider::Stripe, _) => "https://api.stripe.com",
        (_, Mode::Live) => "https://api.pawapay.io",
        (_, Mode::Test | Mode::Sandbox) => "https://api.sandbox.pawapay.io",
    }
}

impl Networks {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Add { network, mode, name, base_url, calls_per_second, parameters, address } => {
                let new = New { network, mode, name, base_url, calls_per_second, parameters };
                add(target, new, &address)
            }
            Self::List { address } => list(target, &address),
            Self::SetToken { account } => set_token(target, account),
            Self::Unmatched { account } => unmatched(target, account),
            Self::SetSigningKey { account, key_id } => set_signing_key(target, account, &key_id),
            Self::AddWebhookSecret { account } => {
                let secret = input::secret("webhook secret")?;
                keys::check_webhook_secret(&secret)
                    .map_err(|fault| anyhow::Error::msg(fault.message()))?;
                add_secret(target, account, SecretKind::WebhookSecret, &secret)
            }
            Self::Retire { account, secret } => retire(target, account, secret),
            Self::Drain { account } => change(target, account, AccountChange::Drain),
            Self::Activate { account } => change(target, account, AccountChange::Activate),
            Self::Close { account } => {
                let id = NetworkAccountId(account);
                drop(target.open_existing()?);
                let open_payments = target.read(async |reads| reads.open_payments(id).await)?;
                change(target, account, AccountChange::Close { open_payments })
            }
            Self::Check { account } => check(target, account),
            Self::Balances { account, known } => balances(target, account, known),
            Self::Hold { account } => change(target, account, AccountChange::Hold),
            Self::Resume { account: Some(account) } => {
                change(target, account, AccountChange::Resume)
            }
            Self::Resume { account: None } => resume_all(target),
            Self::Refresh { account } => refresh(target, account),
            Self::Exchanges { reference, merchant } => exchanges(target, merchant, reference),
            Self::SetLimit { account, calls_per_second } => {
                change(target, account, AccountChange::CallsPerSecond(calls_per_second))
            }
        }
    }
}

struct New {
    network: Provider,
    mode: Mode,
    name: String,
    base_url: Option<String>,
    calls_per_second: Option<i64>,
    parameters: Parameters,
}

fn add(target: &Target, new: New, address: &PublicAddress) -> anyhow::Result<()> {
    let New { network, mode, name, base_url, calls_per_second, parameters } = new;
    let base_url = base_url.unwrap_or_else(|| own_base_url(network, mode).to_owned());
    let base_url = BaseUrl::parse(&base_url).map_err(anyhow::Error::msg).context("--base-url")?;
    if base_url.is_plain() && mode == Mode::Live {
        bail!("--base-url: http is for test accounts on this machine: write https");
    }
    let secrets = read_secrets(network, mode)?;
    drop(target.open()?);
    let key = target.secrets_key().read(true)?;
    let callback_token = hex(&clock::random::<16>()?);
    let sealed: anyhow::Result<Vec<SealedSecret>> =
        secrets.iter().map(|(kind, secret)| key.seal(&callback_token, *kind, secret)).collect();
    let calls = if network == Provider::Stripe { STRIPE_CALLS } else { PAWAPAY_CALLS };
    let account = target.run_once(AddNetworkAccount {
        network,
        mode,
        name,
        base_url: base_url.to_string(),
        calls_per_second: calls_per_second.unwrap_or(calls),
        parameters,
        callback_token,
        secrets: sealed?,
    })?;
    let callback_url = callback_url(&account, address.said()).unwrap_or_default();
    let json = json!({ "id": account.id.0, "callback_url": callback_url });
    let text = format!(
        "network account  {}\ncallback URL     {callback_url}\n\
         Enter the callback URL in the dashboard of {network}, with the host that it reaches this server by.\n\
         A running server takes payments through the account within two seconds.",
        account.id
    );
    output::done(&json, &text)
}

/// Reads the secrets of a new account: a JSON object on standard input.
fn read_secrets(network: Provider, mode: Mode) -> anyhow::Result<Vec<(SecretKind, String)>> {
    let fields = match network {
        Provider::Stripe => [
            ("secret_key", SecretKind::SecretKey),
            ("publishable_key", SecretKind::PublishableKey),
            ("webhook_secret", SecretKind::WebhookSecret),
        ]
        .as_slice(),
        Provider::PawaPay | Provider::Platform => &[("token", SecretKind::Token)],
    };
    let names: Vec<String> = fields.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let expected = format!("standard input must have {{{}}} as JSON", names.join(", "));
    let text = input::secret("JSON object of secrets")?;
    let given: Map<String, Value> =
        serde_json::from_str(&text).map_err(|_| anyhow::anyhow!(expected.clone()))?;
    if let Some(other) = given.keys().find(|name| !fields.iter().any(|(known, _)| known == name)) {
        bail!("{expected}: {other} is none of them");
    }
    let mut secrets = vec![];
    for (name, kind) in fields {
        let secret = given.get(*name).and_then(Value::as_str).map(str::trim);
        let secret = secret.filter(|secret| !secret.is_empty());
        let Some(secret) = secret else { bail!("{expected}: {name} is missing") };
        check_secret(*kind, secret, mode).context(*name)?;
        secrets.push((*kind, secret.to_owned()));
    }
    Ok(secrets)
}

/// Whether a secret can be one of its kind, as far as its form tells.
fn check_secret(kind: SecretKind, secret: &str, mode: Mode) -> anyhow::Result<()> {
    let is_live = mode == Mode::Live;
    let checked = match kind {
        SecretKind::Token => {
            let fits = secret.len() >= 8 && secret.bytes().all(|byte| byte.is_ascii_graphic());
            if fits {
                return Ok(());
            }
            bail!(
                "a token is one line of at least 8 letters, digits and signs, as pawaPay's dashboard shows it"
            );
        }
        SecretKind::SigningKey => {
            RequestSigner::from_text(secret).map_err(anyhow::Error::msg)?;
            return Ok(());
        }
        SecretKind::SecretKey => keys::check_secret_key(secret, is_live),
        SecretKind::PublishableKey => keys::check_publishable_key(secret, is_live),
        SecretKind::WebhookSecret => keys::check_webhook_secret(secret),
    };
    checked.map_err(|fault| anyhow::Error::msg(fault.message()))
}

/// The account of this id.
pub(super) fn find(target: &Target, id: i64) -> anyhow::Result<NetworkAccount> {
    let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
    let found = tariff.network_account(NetworkAccountId(id));
    found
        .cloned()
        .with_context(|| format!("there is no network account {id}: see `kola networks list`"))
}

fn secrets_of(target: &Target, account: NetworkAccountId) -> anyhow::Result<Vec<NetworkSecret>> {
    let mut secrets =
        target.read_existing(async |reads| reads.for_system().network_secrets().await)?;
    secrets.retain(|secret| secret.network_account_id == account);
    Ok(secrets)
}

fn set_token(target: &Target, id: i64) -> anyhow::Result<()> {
    let account = find(target, id)?;
    let kind =
        if account.network == Provider::Stripe { SecretKind::SecretKey } else { SecretKind::Token };
    let secret = input::secret("token")?;
    check_secret(kind, &secret, account.mode)?;
    add_secret(target, id, kind, &secret)
}

fn set_signing_key(target: &Target, id: i64, key_id: &str) -> anyhow::Result<()> {
    let account = find(target, id)?;
    let secret = format!("{key_id}\n{}", input::secret("private key as PEM")?);
    check_secret(SecretKind::SigningKey, &secret, account.mode)?;
    add_secret(target, id, SecretKind::SigningKey, &secret)
}

fn add_secret(target: &Target, id: i64, kind: SecretKind, secret: &str) -> anyhow::Result<()> {
    let account = find(target, id)?;
    let key = target.secrets_key().read(true)?;
    let token = account.callback_token.as_deref().unwrap_or_default();
    let sealed = key.seal(token, kind, secret)?;
    let active = secrets_of(target, account.id)?;
    let active = active.iter().filter(|secret| secret.kind == kind).map(|secret| secret.id);
    target.run_once(AddNetworkSecret {
        account_id: account.id,
        secret: sealed,
        active: active.collect(),
    })?;
    let text =
        format!("the network account {} has a new {kind}, which is used from now on", account.name);
    output::done(&json!({ "id": account.id.0, "kind": kind.as_str() }), &text)
}

fn retire(target: &Target, id: i64, secret: i64) -> anyhow::Result<()> {
    let account = find(target, id)?;
    let secrets = secrets_of(target, account.id)?;
    let retired = secrets.iter().find(|row| row.id.0 == secret);
    let remaining = secrets
        .iter()
        .find(|row| row.id.0 != secret && retired.is_some_and(|retired| retired.kind == row.kind));
    target.run_once(RetireNetworkSecret {
        account_id: account.id,
        secret_id: NetworkSecretId(secret),
        remaining: remaining.map(|row| row.id),
    })?;
    output::done(
        &json!({ "id": account.id.0, "secret": secret, "retired": true }),
        &format!("secret {secret} of the network account {} is no longer used", account.name),
    )
}

fn change(target: &Target, id: i64, change: AccountChange) -> anyhow::Result<()> {
    let account = find(target, id)?;
    let account = target.run_once(ChangeNetworkAccount { account_id: account.id, change })?;
    output::done(&as_json(&account, &[], None), &one_line(&account))
}

fn resume_all(target: &Target) -> anyhow::Result<()> {
    let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
    let held = tariff.network_accounts.iter().filter(|account| account.held);
    let mut resumed = vec![];
    for account in held {
        let change = ChangeNetworkAccount { account_id: account.id, change: AccountChange::Resume };
        resumed.push(target.run_once(change)?);
    }
    let lines: Vec<String> = resumed.iter().map(one_line).collect();
    let text =
        if lines.is_empty() { "no network account is held".to_owned() } else { lines.join("\n") };
    output::done(&resumed.iter().map(|account| as_json(account, &[], None)).collect(), &text)
}

/// A runtime, and the account as a server would call it.
pub(super) fn account_with_calls(
    target: &Target,
    id: i64,
) -> anyhow::Result<(tokio::runtime::Runtime, NetworkCalls, NetworkAccountId)> {
    let account = find(target, id)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let accounts = Accounts::default();
    let queries = runtime.block_on(async { target.database.queries() })?;
    let (_, read) = runtime.block_on(network_accounts::read(&queries, &target.secrets_key()))?;
    accounts.replace(read);
    let proxy = target.setting("KOLA_NETWORK_PROXY");
    if let Some(proxy) = &proxy {
        Client::check_proxy(proxy).map_err(anyhow::Error::msg).context("KOLA_NETWORK_PROXY")?;
    }
    let outside = Outside { now: clock::now, random: clock::random_number };
    Ok((runtime, NetworkCalls::new(proxy, accounts, outside), account.id))
}

/// What each network says of its accounts, for `kola doctor`.
pub(super) fn check_all(target: &Target) -> anyhow::Result<Vec<NetworkFacts>> {
    let tariff = target.read(async |reads| reads.for_system().tariff().await)?;
    let of_account = |account: &NetworkAccount| {
        let said = account_with_calls(target, account.id.0)
            .map_err(|error| format!("{error:#}"))
            .and_then(|(runtime, networks, id)| {
                let called = networks.accounts.get(id).ok_or("its secrets cannot be read")?;
                runtime.block_on(network_accounts::check(&networks, &called))
            });
        NetworkFacts { name: account.name.clone(), said }
    };
    let open = tariff.real_accounts().filter(|account| account.status != AccountStatus::Closed);
    Ok(open.map(of_account).collect())
}

fn check(target: &Target, id: i64) -> anyhow::Result<()> {
    let (runtime, networks, id) = account_with_calls(target, id)?;
    let called = networks.accounts.get(id).context("the network account is closed")?;
    let said = runtime.block_on(network_accounts::check(&networks, &called));
    let said = said.map_err(anyhow::Error::msg)?;
    output::tell(&json!({ "id": id.0, "ok": true, "said": said }), &said)
}

/// Asks what networks keep, unless only what is known is wanted, and prints it beside the ledger.
fn balances(target: &Target, account: Option<i64>, known: bool) -> anyhow::Result<()> {
    let wanted = account.map(|id| find(target, id)).transpose()?.map(|account| account.id);
    let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
    let is_wanted = |id: NetworkAccountId| wanted.is_none_or(|wanted| wanted == id);
    let mut unasked = vec![];
    if !known {
        let open = tariff.real_accounts().filter(|account| account.status != AccountStatus::Closed);
        for account in open.filter(|account| is_wanted(account.id)) {
            if let Err(error) = ask_balances(target, account.id) {
                unasked.push(format!("{}: {error:#}", account.name));
            }
        }
    }
    let found = target
        .read(async |reads| reads.of_installation().network_balances().await)?
        .into_iter()
        .filter(|balance| is_wanted(balance.network_account_id))
        .collect::<Vec<_>>();
    let name = |id: NetworkAccountId| {
        tariff.network_account(id).map_or_else(|| id.to_string(), |account| account.name.clone())
    };
    let json = found.iter().map(|balance| {
        let difference = i64::try_from(balance.difference()).ok();
        let money = |minor: i64| Money::new(minor, balance.currency).to_string();
        json!({
            "account": balance.network_account_id.0,
            "name": name(balance.network_account_id),
            "currency": balance.currency.code(),
            "network": money(balance.network_minor),
            "ledger": money(balance.ledger_minor),
            "not_booked": money(balance.unposted_minor),
            "difference": difference.map(money),
            "read_at": format!("{:.6}", balance.read_at),
            "differs_since": balance.differs_since.map(|time| format!("{time:.6}")),
        })
    });
    let rows = found.iter().map(|balance| {
        let money = |minor: i64| Money::new(minor, balance.currency).to_string();
        let difference = i64::try_from(balance.difference()).map_or("-".to_owned(), money);
        [
            name(balance.network_account_id),
            balance.currency.code().to_owned(),
            money(balance.network_minor),
            money(balance.ledger_minor),
            money(balance.unposted_minor),
            difference,
            moment(balance.read_at),
            balance.differs_since.map_or_else(|| "-".to_owned(), moment),
        ]
    });
    let head = [
        "account",
        "currency",
        "at the network",
        "in the ledger",
        "not booked yet",
        "difference",
        "asked at",
        "differs since",
    ];
    let text = output::table(head, &rows.collect::<Vec<_>>());
    let text = if found.is_empty() { "no balance was read" } else { &text };
    output::tell(&json.collect(), text)?;
    if !unasked.is_empty() {
        bail!("not all networks have answered: {}", unasked.join("; "));
    }
    Ok(())
}

fn ask_balances(target: &Target, id: NetworkAccountId) -> anyhow::Result<()> {
    let (runtime, networks, id) = account_with_calls(target, id.0)?;
    let called = networks.accounts.get(id).context("the network account is closed")?;
    let ledger = target.ledger(&runtime)?;
    let until = tokio::time::Instant::now() + BALANCES_WITHIN;
    let asker = Asker { networks: &networks, called: &called, until };
    runtime.block_on(fetching::read_balances(&ledger, &asker))?;
    Ok(())
}

fn refresh(target: &Target, id: i64) -> anyhow::Result<()> {
    let (runtime, networks, id) = account_with_calls(target, id)?;
    let called = networks.accounts.get(id).context("the network account is closed")?;
    if called.account.network != Provider::PawaPay {
        bail!("only pawaPay says which operators there are");
    }
    let request = pawapay::requests::active_conf();
    let response = runtime.block_on(networks.ask(&called, request)).map_err(anyhow::Error::msg)?;
    let command = network_accounts::terms_of(&called, response.status, &response.body)
        .map_err(anyhow::Error::msg)?;
    let said = command.terms.clone();
    let changed = target.run_once(command)?;
    let tariff = target.read(async |reads| reads.for_system().tariff().await)?;
    let codes = tariff.markets.iter().map(|market| market.details.network_code.as_str());
    let known: BTreeSet<&str> = codes.collect();
    let mut new: Vec<String> = said
        .iter()
        .filter(|terms| !known.contains(terms.operator.as_str()))
        .map(|terms| format!("{}  {}  {}", terms.operator, terms.country, terms.currency))
        .collect();
    new.sort_unstable();
    new.dedup();
    let mut lines = vec![format!("{} terms, of which {changed} have changed", said.len())];
    if !new.is_empty() {
        lines.push("No method names these operators yet (`kola markets open`):".to_owned());
        lines.extend(new.iter().cloned());
    }
    output::done(
        &json!({ "terms": said.len(), "changed": changed, "unnamed": new }),
        &lines.join("\n"),
    )
}

fn exchanges(target: &Target, merchant: i64, reference: ReferenceId) -> anyhow::Result<()> {
    let said = target.read_existing(async |reads| {
        let reads = reads.of(MerchantId(merchant));
        let mut found = None;
        for operation in [Operation::Collection, Operation::Payout, Operation::Refund] {
            if found.is_none() {
                found = reads.execution_by_reference(operation, reference).await?;
            }
        }
        match found {
            Some(execution) => Ok(Some(reads.exchanges(execution.id).await?)),
            None => Ok(None),
        }
    })?;
    let said =
        said.context("this merchant has no payment through a network with that reference_id")?;
    let json = said.iter().map(exchange_as_json).collect();
    let text = said.iter().map(exchange_as_text).collect::<Vec<_>>().join("\n\n");
    output::tell(&json, if text.is_empty() { "nothing was said" } else { &text })
}

fn unmatched(target: &Target, account: i64) -> anyhow::Result<()> {
    let account = find(target, account)?;
    let found = target
        .read(async |reads| reads.list_unmatched_callbacks(account.id, UNMATCHED_LISTED).await)?;
    let json = found.iter().map(|row| {
        json!({
            "received_at": moment(row.received_at),
            "is_signed": row.is_signed,
            "request_id": row.request_id,
            "body": row.body,
        })
    });
    let text = found.iter().map(|row| {
        let signed = if row.is_signed { "signed" } else { "not signed" };
        let at = moment(row.received_at);
        format!("== {at} {signed}, about {}\n{}", row.request_id, row.body)
    });
    let text = text.collect::<Vec<_>>().join("\n\n");
    let none = "no callback was about an unknown payment in the last 30 days";
    output::tell(&json.collect(), if text.is_empty() { none } else { &text })
}

fn exchange_as_json(exchange: &Exchange) -> Value {
    let said = &exchange.said;
    json!({
        "at": format!("{:.6}", said.begun_at),
        "network_account_id": said.network_account_id.0,
        "is_callback": said.is_callback,
        "request": said.request,
        "status": said.status,
        "answer": said.answer,
        "milliseconds": said.duration_us / 1_000,
        "sha256": said.digest,
    })
}

fn exchange_as_text(exchange: &Exchange) -> String {
    let said = &exchange.said;
    let who = if said.is_callback { "the network called" } else { "kola called" };
    let ms = said.duration_us / 1_000;
    format!("== {} {who}, {ms} ms\n{}\n-- {}", moment(said.begun_at), said.request, said.answer)
}

fn list(target: &Target, address: &PublicAddress) -> anyhow::Result<()> {
    let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
    let secrets = target.read(async |reads| reads.for_system().network_secrets().await)?;
    let accounts: Vec<&NetworkAccount> = tariff.real_accounts().collect();
    let has_callback = accounts.iter().any(|account| account.callback_token.is_some());
    let base = has_callback.then(|| address.said());
    let mut cells = vec![];
    let mut json = vec![];
    for account in accounts {
        let own: Vec<&NetworkSecret> =
            secrets.iter().filter(|secret| secret.network_account_id == account.id).collect();
        let names = own.iter().map(|secret| format!("{} {}", secret.kind, secret.id));
        let names = names.collect::<Vec<_>>().join(", ");
        let callback_url = base.and_then(|base| callback_url(account, base));
        json.push(as_json(account, &own, callback_url.clone()));
        cells.push([
            account.id.to_string(),
            account.network.to_string(),
            account.mode.to_string(),
            account.name.clone(),
            state(account),
            names,
            callback_url.unwrap_or_default(),
        ]);
    }
    let head = ["id", "network", "mode", "name", "state", "secrets", "callback URL"];
    output::tell(&Value::Array(json), &output::table(head, &cells))
}

/// The status in a word or two.
fn state(account: &NetworkAccount) -> String {
    let mut state = account.status.to_string();
    if account.held {
        state.push_str(", held");
    }
    if account.token_refused_at.is_some() {
        state.push_str(", TOKEN_REFUSED");
    }
    if account.parameters == Parameters::Basic {
        state.push_str(", basic parameters");
    }
    state
}

fn one_line(account: &NetworkAccount) -> String {
    format!("network account {} ({}): {}", account.id, account.name, state(account))
}

fn as_json(
    account: &NetworkAccount,
    secrets: &[&NetworkSecret],
    callback_url: Option<String>,
) -> Value {
    let secret = |row: &&NetworkSecret| {
        json!({
            "id": row.id.0,
            "kind": row.kind.as_str(),
            "created_at": format!("{:.6}", row.created_at),
        })
    };
    json!({
        "id": account.id.0,
        "network": account.network.as_str(),
        "mode": account.mode.as_str(),
        "name": account.name,
        "base_url": account.base_url,
        "status": account.status.as_str(),
        "held": account.held,
        "token_refused_at": account.token_refused_at.map(moment),
        "signed_callbacks": account.signed_callbacks,
        "calls_per_second": account.calls_per_second,
        "parameters": account.parameters.as_str(),
        "callback_url": callback_url,
        "secrets": secrets.iter().map(secret).collect::<Vec<_>>(),
    })
}

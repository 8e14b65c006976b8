//! `kola demo`: plays all four kinds of session over HTTP, from declared to settled, and shows the
//! resulting ledger.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::time::minutes;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cli::listen::server_url;
use crate::cli::serve::first_merchant;
use crate::cli::{Target, output};
use crate::config::Config;
use crate::server::Server;
use store::clock;

/// How long the demo waits for a request or a payment.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Demo {
    /// The URL of a running server: http://127.0.0.1:8080. Without it the demo starts its own server
    /// on a temporary database.
    #[arg(long, requires_all = ["client_id", "client_secret"], value_parser = server_url)]
    url: Option<String>,
    /// The client id that the server printed.
    #[arg(long, requires = "url")]
    client_id: Option<String>,
    /// The client secret that the server printed.
    // It does not require a URL: the environment may have the variable for other commands.
    #[arg(long, env = "KOLA_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
    /// How long the sandbox provider of the demo's own server takes, in milliseconds.
    #[arg(long, env = "KOLA_SANDBOX_DELAY_MS", default_value_t = 1_000, value_name = "MS")]
    sandbox_delay_ms: u64,
}

impl Demo {
    pub fn run(self) -> anyhow::Result<()> {
        if let (Some(url), Some(id), Some(secret)) =
            (&self.url, &self.client_id, &self.client_secret)
        {
            let played = play(&Client::new(url, id, secret)?)?;
            return tell(url, played, None);
        }
        let folder = OwnFolder::new()?;
        let target = Target::file(folder.0.join("demo.db"));
        let merchant = first_merchant(&target)?.context("the demo's database is not empty")?;
        merchant.fund(&target)?;
        let config = Config {
            sandbox_delay: Duration::from_millis(self.sandbox_delay_ms),
            ..Config::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server =
            runtime.block_on(Server::start(&target.database, target.database.stores()?, config))?;
        let serving = runtime.spawn(server.run(
            listener,
            async { drop(stopped.await) },
            Duration::from_secs(1),
        ));
        let said = output::part(&format!("a server of its own on {url}"));
        let client =
            said.and_then(|()| Client::new(&url, &merchant.client_id, &merchant.client_secret));
        let played = client.and_then(|client| play(&client));
        let _ = stop.send(());
        runtime.block_on(serving)??;
        let played = played?;
        let report = store::schema::verify::verify(target.open()?.as_mut())?;
        if let Some((name, place)) = report.violations.first() {
            bail!("the ledger is broken: {name}: {place}");
        }
        output::part(&format!(
            "ledger verify: {} rules checked on {} entries, no violations",
            report.checks, report.entries
        ))?;
        let verified = json!({ "rules": report.checks, "entries": report.entries });
        tell(&url, played, Some(verified))
    }
}

/// Prints the whole answer for a program. People have read its parts by then.
fn tell(url: &str, mut played: Value, verified: Option<Value>) -> anyhow::Result<()> {
    if output::is_json() {
        played["url"] = url.into();
        played["verified"] = verified.into();
        output::whole_document(&played.to_string())?;
    }
    Ok(())
}

/// A temporary folder for the demo's database. It is removed when this value is dropped.
struct OwnFolder(std::path::PathBuf);

impl OwnFolder {
    fn new() -> anyhow::Result<Self> {
        let name = format!("kola-demo-{}", store::hex::hex(&clock::random::<8>()?));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A client of the API.
struct Client {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Client {
    fn new(url: &str, client_id: &str, client_secret: &str) -> anyhow::Result<Self> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        let mut client =
            Self { agent: config.new_agent(), url: url.to_owned(), token: String::new() };
        let credentials = json!({"client_id": client_id, "client_secret": client_secret});
        let answer = client.post("/jwt/client/obtain/token", &credentials)?;
        client.token = text(&answer, "access_token")?.to_owned();
        Ok(client)
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request =
            self.agent.post(format!("{}/v1{path}", self.url)).content_type("application/json");
        let sent = request
            .header("Authorization", format!("Bearer {}", self.token))
            .send(body.to_string());
        read(path, sent)
    }

    fn put(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.agent.put(format!("{}/v1{path}", self.url));
        read(path, request.header("Authorization", format!("Bearer {}", self.token)).send_empty())
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.agent.get(format!("{}/v1{path}", self.url));
        read(path, request.header("Authorization", format!("Bearer {}", self.token)).call())
    }
}

fn read(
    path: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> anyhow::Result<Value> {
    let mut answer = answer.with_context(|| format!("{path}: the server did not answer"))?;
    let status = answer.status();
    let body = answer.body_mut().read_to_string()?;
    if !status.is_success() {
        bail!("{path} answered {status}: {body}");
    }
    Ok(serde_json::from_str(&body)?)
}

fn text<'a>(value: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    value[field].as_str().with_context(|| format!("{field} is missing in {value}"))
}

fn id(value: &Value) -> anyhow::Result<i64> {
    value["id"].as_i64().with_context(|| format!("id is missing in {value}"))
}

fn reference() -> anyhow::Result<String> {
    Ok(uuid::Builder::from_random_bytes(clock::random()?).into_uuid().to_string())
}

/// Plays a checkout, a payout, a transfer and a refund, and prints the ledger. Answers all of it.
fn play(client: &Client) -> anyhow::Result<Value> {
    let expires_at = clock::now().plus(minutes(60)).to_string();
    let party = id(&client
        .post("/parties/create", &json!({"fullname": "Ama Kollie", "phone": "231880000001"}))?)?;
    let counterparty = json!({"relationship_type": "CUSTOMER", "party_id": party});
    let counterparty = id(&client.post("/counterparties/create", &counterparty)?)?;
    let account = json!({"account_name": "Ama Kollie", "provider": "PAWAPAY", "method": "MTN_MOMO_LBR", "party_id": party});
    let pays_from =
        id(&client.post("/payment-accounts/create?operation_type=COLLECTION", &account)?)?;
    let paid_to = id(&client.post("/payment-accounts/create?operation_type=PAYOUT", &account)?)?;
    let wallets = client.get("/wallets/list?owner_type=MERCHANT&currency=USD")?;
    let wallet = id(wallets.get(0).context("this merchant has no USD wallet")?)?;
    let invoice = invoice(client, counterparty)?;

    let mut table = Steps::begin()?;
    let session = json!({"source_id": invoice, "source_type": "INVOICE"});
    let mut body = json!({"payment_account_id": pays_from, "currency": "USD"});
    let collection = table.session(client, ("checkout", "collection"), &session, &mut body)?;

    let session = json!({"wallet_id": wallet, "payment_account_id": paid_to, "amount": "20.00", "currency": "USD", "expires_at": expires_at});
    table.session(client, ("payout", "payout"), &session, &mut json!({}))?;

    let session = json!({"from_wallet_id": wallet, "to_counterparty_id": counterparty, "amount": "15.00", "currency": "USD", "expires_at": expires_at});
    table.session(client, ("transfer", "transfer"), &session, &mut json!({}))?;

    let session = json!({"original_payment_intent_id": collection, "amount": "40.00", "expires_at": expires_at, "reason": "one item returned"});
    table.session(client, ("refund", "refund"), &session, &mut json!({}))?;

    let source = client.get(&format!("/status/source?source_type=INVOICE&source_id={invoice}"))?;
    let (number, status) = (text(&source, "source_number")?, text(&source, "status")?);
    output::part(&format!("\ninvoice {number} is {status}"))?;
    let ledger = table.ledger(client)?;
    Ok(json!({
        "sessions": table.played,
        "invoice": { "source_number": number, "status": status },
        "ledger": ledger,
    }))
}

/// Creates and publishes an invoice of 100.00 USD, and returns its id.
fn invoice(client: &Client, counterparty: i64) -> anyhow::Result<i64> {
    let invoice = json!({"counterparty_id": counterparty, "currency": "USD", "note": "kola demo", "fee_bearer": "PAYER", "as_payment_link": false});
    let invoice = id(&client.post("/invoices/create", &invoice)?)?;
    let item = json!({"name": "Consulting", "currency": "USD", "qty": 2, "amount": "50.00"});
    client.post(&format!("/invoices/{invoice}/items/add"), &item)?;
    client.put(&format!("/invoices/publish/{invoice}"))?;
    Ok(invoice)
}

/// The steps played so far.
struct Steps {
    intents: Vec<i64>,
    played: Vec<Value>,
}

impl Steps {
    fn begin() -> anyhow::Result<Self> {
        output::part(&format!(
            "\n{:<10} {:>8}  {:<36}  {:<10} {:>10} {:>10} {:>8}",
            "session", "id", "reference_id", "status", "paid", "received", "fees"
        ))?;
        Ok(Self { intents: vec![], played: vec![] })
    }

    /// Declares a session, executes it, waits until it is settled and prints a line. Returns the id
    /// of the payment intent.
    fn session(
        &mut self,
        client: &Client,
        (kind, operation): (&str, &str),
        session: &Value,
        body: &mut Value,
    ) -> anyhow::Result<i64> {
        let session = id(&client.post(&format!("/sessions/{kind}"), session)?)?;
        let reference = reference()?;
        body["session_id"] = session.into();
        body["reference_id"] = reference.as_str().into();
        let mut execution = client.post(&format!("/executions/{operation}"), body)?;
        let start = Instant::now();
        while !matches!(text(&execution, "status")?, "COMPLETED" | "FAILED") {
            if start.elapsed() > TIMEOUT {
                bail!("the {operation} {reference} is still {}", execution["status"]);
            }
            std::thread::sleep(Duration::from_millis(100));
            execution = client.get(&format!("/status/{operation}/{reference}"))?;
        }
        let (paid, received) = (money(&execution, "payer")?, money(&execution, "payee")?);
        let fees =
            paid.minor.checked_sub(received.minor).filter(|_| paid.currency == received.currency);
        let fees = fees
            .map_or_else(|| "-".to_owned(), |minor| Money::new(minor, paid.currency).to_string());
        output::part(&format!(
            "{kind:<10} {session:>8}  {reference}  {:<10} {:>10} {:>10} {fees:>8}",
            text(&execution, "status")?,
            paid.to_string(),
            received.to_string(),
        ))?;
        self.played.push(json!({
            "session": kind, "id": session, "reference_id": reference, "status": execution["status"],
            "paid": paid.to_string(), "paid_currency": paid.currency.code(),
            "received": received.to_string(), "received_currency": received.currency.code(),
            "fees": (fees != "-").then_some(fees),
        }));
        if execution["status"] != "COMPLETED" {
            bail!(
                "the {operation} failed: {} {}",
                execution["gateway_message"],
                execution["wallet_message"]
            );
        }
        let intent =
            execution["payment_intent_id"].as_i64().context("payment_intent_id is missing")?;
        self.intents.push(intent);
        Ok(intent)
    }

    /// Prints what the payments moved on each ledger account, and checks that debits and credits
    /// are equal. Answers a row for each account.
    fn ledger(&self, client: &Client) -> anyhow::Result<Vec<Value>> {
        let mut accounts: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
        for intent in &self.intents {
            let intent = client.get(&format!("/payment-intents/retrieve/{intent}"))?;
            for entry in intent["timeline"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|event| event["entries"].as_array())
                .flatten()
            {
                let amount = number(entry, "amount", "currency")?;
                let (debits, credits) = accounts
                    .entry((
                        text(entry, "currency")?.to_owned(),
                        text(entry, "account")?.to_owned(),
                    ))
                    .or_default();
                if amount < 0 { *debits -= amount } else { *credits += amount }
            }
        }
        let head = ["ledger account", "currency", "debits", "credits", "balance"];
        output::part(&format!(
            "\n{:<34} {:<8} {:>12} {:>12} {:>12}",
            head[0], head[1], head[2], head[3], head[4]
        ))?;
        let mut total = (0, 0);
        let mut rows = vec![];
        for ((code, account), (debits, credits)) in &accounts {
            let show = |minor: i64| {
                Currency::parse(code)
                    .map(|currency| Money::new(minor, currency).to_string())
                    .unwrap_or_default()
            };
            let (paid_in, paid_out, left) = (show(*debits), show(*credits), show(credits - debits));
            output::part(&format!(
                "{account:<34} {code:<8} {paid_in:>12} {paid_out:>12} {left:>12}"
            ))?;
            rows.push(json!({
                "account": account, "currency": code, "debits": paid_in, "credits": paid_out, "balance": left,
            }));
            total = (total.0 + debits, total.1 + credits);
        }
        if total.0 != total.1 {
            bail!("debits and credits differ");
        }
        output::part("debits and credits are equal")?;
        Ok(rows)
    }
}

fn money(execution: &Value, who: &str) -> anyhow::Result<Money> {
    let currency = Currency::parse(text(execution, &format!("{who}_currency"))?)
        .context("an unknown currency")?;
    let minor = number(execution, &format!("{who}_amount"), &format!("{who}_currency"))?;
    Ok(Money::new(minor, currency))
}

/// An amount of an answer in minor units, without rounding. Amounts of entries may be negative.
fn number(value: &Value, amount: &str, currency: &str) -> anyhow::Result<i64> {
    let currency = Currency::parse(text(value, currency)?).context("an unknown currency")?;
    let written = value[amount]
        .as_number()
        .map(ToString::to_string)
        .with_context(|| format!("{amount} is missing"))?;
    let (sign, size) = written.strip_prefix('-').map_or((1, written.as_str()), |size| (-1, size));
    let decimal = Decimal::parse(size).with_context(|| format!("{written} is not a number"))?;
    Ok(sign * decimal.to_money(currency).map_or(0, |money| money.minor))
}

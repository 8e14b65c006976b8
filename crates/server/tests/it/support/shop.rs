//! A signed-in merchant, and the common steps of its payments.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::process::Credentials;
use super::{Api, Database, Reply, Server, id, key, number, shown, soon, wait_for};

/// A phone number whose payments succeed in the sandbox.
pub(crate) const GOOD: &str = "231880000001";

/// A merchant with a token.
pub(crate) struct Merchant {
    pub(crate) credentials: Credentials,
    pub(crate) api: Api,
}

/// A server inside the test process, with one verified merchant.
#[track_caller]
pub(crate) fn open() -> (Server, Merchant) {
    open_with(&[])
}

/// The same with these settings, by the names of their environment variables.
#[track_caller]
pub(crate) fn open_with(settings: &[(&str, &str)]) -> (Server, Merchant) {
    open_by(|database| Server::start(database, settings))
}

/// A server as a process, with one verified merchant: for tests that are about the process.
#[track_caller]
pub(crate) fn spawn() -> (Server, Merchant) {
    spawn_with(&[])
}

/// The same with these environment variables.
#[track_caller]
pub(crate) fn spawn_with(environment: &[(&str, &str)]) -> (Server, Merchant) {
    open_by(|database| Server::spawn(database, environment))
}

#[track_caller]
fn open_by(start: impl FnOnce(Database) -> Server) -> (Server, Merchant) {
    let database = Database::with_schema();
    database.give_secrets_key();
    let credentials = database.merchant("First Shop");
    let server = start(database);
    let shop = server.sign_in(&credentials);
    (server, shop)
}

/// A server inside the test process, with two verified merchants.
#[track_caller]
pub(crate) fn open_two() -> (Server, Merchant, Merchant) {
    open_two_by(|database| Server::start(database, &[]))
}

/// A server as a process, with two verified merchants.
#[track_caller]
pub(crate) fn spawn_two() -> (Server, Merchant, Merchant) {
    open_two_by(|database| Server::spawn(database, &[]))
}

#[track_caller]
fn open_two_by(start: impl FnOnce(Database) -> Server) -> (Server, Merchant, Merchant) {
    let database = Database::with_schema();
    database.give_secrets_key();
    let (first, second) = (database.merchant("First Shop"), database.merchant("Second Shop"));
    let server = start(database);
    let (shop, other) = (server.sign_in(&first), server.sign_in(&second));
    (server, shop, other)
}

/// A phone number that no other party of this run has, and whose ending the sandbox gives no
/// meaning.
pub(crate) fn new_phone() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("23177{:06}0", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A number that ends in these three digits.
pub(crate) fn ending(digits: &str) -> String {
    format!("231880000{digits}")
}

/// An invoice or order in US dollars, without items.
pub(crate) fn source_for(counterparty: i64) -> Value {
    json!({"counterparty_id": counterparty, "currency": "USD", "note": "Rice", "fee_bearer": "PAYER", "as_payment_link": false})
}

impl Server {
    #[track_caller]
    pub(crate) fn sign_in(&self, credentials: &Credentials) -> Merchant {
        let body =
            json!({"client_id": credentials.client_id, "client_secret": credentials.client_secret});
        let answer = self.api.post("/v1/jwt/client/obtain/token", &body).ok();
        let token =
            answer["access_token"].as_str().unwrap_or_else(|| panic!("no token in {answer}"));
        Merchant { credentials: credentials.clone(), api: self.api.with_token(Some(token)) }
    }

    /// Puts sandbox money into the merchant's own wallet.
    #[track_caller]
    pub(crate) fn fund(&self, shop: &Merchant, currency: &str, amount: &str) {
        let wallet = shop.wallet(currency).to_string();
        self.kola(&["wallet", "fund", "--wallet", &wallet, "--amount", amount]).ok();
    }
}

impl Merchant {
    /// The same merchant with the same token, as a client of another server.
    pub(crate) fn at(&self, server: &Server) -> Self {
        let api = Api { address: server.api.address.clone(), token: self.api.token.clone() };
        Self { credentials: self.credentials.clone(), api }
    }

    /// The id of its own wallet in this currency.
    #[track_caller]
    pub(crate) fn wallet(&self, currency: &str) -> i64 {
        let found = self.credentials.wallets.iter().find(|(c, _)| c == currency);
        found.unwrap_or_else(|| panic!("no {currency} wallet in {:?}", self.credentials)).1
    }

    /// `available` and `held` of a wallet, as they are written.
    #[track_caller]
    pub(crate) fn money_in(&self, wallet: i64) -> (String, String) {
        let answer = self.api.get(&format!("/v1/wallets/retrieve/{wallet}")).ok();
        assert!(
            answer["available"].is_number() && answer["held"].is_number(),
            "not numbers: {answer}"
        );
        (shown(&answer, "available"), shown(&answer, "held"))
    }

    #[track_caller]
    pub(crate) fn assert_balance(&self, currency: &str, available: &str, held: &str) {
        assert_eq!(
            self.money_in(self.wallet(currency)),
            (available.to_owned(), held.to_owned()),
            "{currency} wallet"
        );
    }

    #[track_caller]
    pub(crate) fn party(&self) -> i64 {
        self.party_with_phone(&new_phone())
    }

    #[track_caller]
    pub(crate) fn party_with_phone(&self, phone: &str) -> i64 {
        id(&self
            .api
            .post("/v1/parties/create", &json!({"fullname": "Amara Kollie", "phone": phone}))
            .ok())
    }

    #[track_caller]
    pub(crate) fn counterparty(&self, party: i64) -> i64 {
        let body = json!({"relationship_type": "CUSTOMER", "party_id": party});
        id(&self.api.post("/v1/counterparties/create", &body).ok())
    }

    /// A counterparty of a new party.
    #[track_caller]
    pub(crate) fn customer(&self) -> i64 {
        self.counterparty(self.party())
    }

    #[track_caller]
    pub(crate) fn account(
        &self,
        party: i64,
        operation: &str,
        method: &str,
        number: Option<&str>,
    ) -> i64 {
        id(&self.create_account(party, operation, method, number).ok())
    }

    pub(crate) fn create_account(
        &self,
        party: i64,
        operation: &str,
        method: &str,
        number: Option<&str>,
    ) -> Reply {
        let provider = match method {
            "CREDIT_CARD" => "STRIPE",
            "WALLET" => "PLATFORM",
            _ => "PAWAPAY",
        };
        let mut body = json!({"account_name": "Amara Kollie", "provider": provider, "method": method, "party_id": party});
        if let Some(number) = number {
            body["insensitive_account_number"] = json!(number);
        }
        self.api.post(&format!("/v1/payment-accounts/create?operation_type={operation}"), &body)
    }

    /// A Liberian mobile-money account of a new party.
    #[track_caller]
    pub(crate) fn momo(&self, operation: &str, number: &str) -> i64 {
        self.account(self.party(), operation, "MTN_MOMO_LBR", Some(number))
    }

    /// An invoice or order without items, `IDLE`.
    #[track_caller]
    pub(crate) fn draft(&self, kind: &str, currency: &str, bearer: &str) -> i64 {
        let mut body = source_for(self.customer());
        body["currency"] = json!(currency);
        body["fee_bearer"] = json!(bearer);
        id(&self.api.post(&format!("/v1/{kind}/create"), &body).ok())
    }

    #[track_caller]
    pub(crate) fn add_item(
        &self,
        kind: &str,
        source: i64,
        currency: &str,
        qty: u32,
        amount: &str,
    ) -> Value {
        let body = json!({"name": "Rice, 25 kg", "currency": currency, "qty": qty, "amount": number(amount)});
        self.api.post(&format!("/v1/{kind}/{source}/items/add"), &body).ok()
    }

    /// A published invoice or order with one item.
    #[track_caller]
    pub(crate) fn source(&self, kind: &str, currency: &str, bearer: &str, amount: &str) -> i64 {
        let source = self.draft(kind, currency, bearer);
        self.add_item(kind, source, currency, 1, amount);
        self.api.call("PUT", &format!("/v1/{kind}/publish/{source}"), None).ok();
        source
    }

    /// A published invoice whose payer bears the fees.
    #[track_caller]
    pub(crate) fn invoice(&self, currency: &str, amount: &str) -> i64 {
        self.source("invoices", currency, "PAYER", amount)
    }

    #[track_caller]
    pub(crate) fn source_status(&self, kind: &str, source: i64) -> String {
        shown(&self.api.get(&format!("/v1/{kind}/retrieve/{source}")).ok(), "status")
    }

    #[track_caller]
    pub(crate) fn checkout(&self, invoice: i64) -> i64 {
        let body = json!({"source_id": invoice, "source_type": "INVOICE"});
        id(&self.api.post("/v1/sessions/checkout", &body).ok())
    }

    pub(crate) fn collect(&self, session: i64, account: i64, currency: &str, key: &str) -> Reply {
        let body = json!({"session_id": session, "payment_account_id": account, "currency": currency, "reference_id": key});
        self.api.post("/v1/executions/collection", &body)
    }

    /// Collects an invoice of this amount, in its currency, from this account.
    #[track_caller]
    pub(crate) fn take(&self, account: i64, currency: &str, amount: &str) -> Value {
        let session = self.checkout(self.invoice(currency, amount));
        self.collect(session, account, currency, &key()).ok()
    }

    /// A completed mobile-money collection of an invoice of 100.00 USD: the payer paid 103.00.
    #[track_caller]
    pub(crate) fn paid_hundred(&self) -> Value {
        let execution = self.take(self.momo("COLLECTION", GOOD), "USD", "100.00");
        assert_eq!(execution["status"], "COMPLETED", "{execution}");
        execution
    }

    /// A payout session with the field names of the customer's document.
    pub(crate) fn open_payout(&self, account: i64, currency: &str, amount: &str) -> Reply {
        let body = json!({"wallet_id": self.wallet(currency), "payment_account_id": account, "amount": number(amount),
            "currency": currency, "expires_at": soon()});
        self.api.post("/v1/sessions/payout", &body)
    }

    /// A payout of this amount from the merchant's wallet.
    #[track_caller]
    pub(crate) fn send(&self, account: i64, currency: &str, amount: &str) -> Value {
        let session = id(&self.open_payout(account, currency, amount).ok());
        self.execute("payout", session, &key()).ok()
    }

    pub(crate) fn open_transfer(&self, counterparty: i64, currency: &str, amount: &str) -> Reply {
        let body = json!({"from_wallet_id": self.wallet(currency), "to_counterparty_id": counterparty,
            "amount": number(amount), "currency": currency, "expires_at": soon()});
        self.api.post("/v1/sessions/transfer", &body)
    }

    #[track_caller]
    pub(crate) fn transfer(&self, counterparty: i64, currency: &str, amount: &str) -> Value {
        let session = id(&self.open_transfer(counterparty, currency, amount).ok());
        self.execute("transfer", session, &key()).ok()
    }

    /// A party of this merchant whose wallet has this much. Returns the ids of party and wallet.
    #[track_caller]
    pub(crate) fn party_with_money(&self, currency: &str, amount: &str) -> (i64, i64) {
        let party = self.party();
        let moved = self.transfer(self.counterparty(party), currency, amount);
        assert_eq!(moved["status"], "COMPLETED", "{moved}");
        (party, self.wallet_of(party, currency))
    }

    #[track_caller]
    pub(crate) fn wallet_of(&self, party: i64, currency: &str) -> i64 {
        let rows = self.api.get(&format!("/v1/wallets/list?party_id={party}")).rows();
        id(rows
            .iter()
            .find(|w| w["currency"] == currency)
            .unwrap_or_else(|| panic!("no {currency} wallet in {rows:?}")))
    }

    pub(crate) fn open_refund(&self, intent: &Value, amount: &str) -> Reply {
        let body = json!({"original_payment_intent_id": intent, "amount": number(amount), "expires_at": soon(),
            "reason": "Returned"});
        self.api.post("/v1/sessions/refund", &body)
    }

    /// Refunds this much of a collection.
    #[track_caller]
    pub(crate) fn refund(&self, collection: &Value, amount: &str) -> Value {
        let session = id(&self.open_refund(&collection["payment_intent_id"], amount).ok());
        self.execute("refund", session, &key()).ok()
    }

    /// Executes a payout, transfer or refund session.
    pub(crate) fn execute(&self, kind: &str, session: i64, key: &str) -> Reply {
        self.api.post(
            &format!("/v1/executions/{kind}"),
            &json!({"session_id": session, "reference_id": key}),
        )
    }

    /// A webhook endpoint where nobody listens, and a delivery to it.
    #[track_caller]
    pub(crate) fn told(&self) -> (i64, i64) {
        let body = json!({"url": "http://127.0.0.1:9/", "event_types": ["wallet.status"]});
        let endpoint = id(&self.api.post("/v1/webhook-endpoints/create", &body).ok());
        self.api.post(&format!("/v1/webhook-endpoints/test/{endpoint}"), &json!({})).ok();
        let path = format!("/v1/webhook-deliveries/list?endpoint_id={endpoint}");
        let delivery = wait_for("a delivery", || self.api.get(&path).rows().first().map(id));
        (endpoint, delivery)
    }

    #[track_caller]
    pub(crate) fn session_status(&self, kind: &str, session: i64) -> String {
        shown(&self.api.get(&format!("/v1/sessions/{kind}/retrieve/{session}")).ok(), "status")
    }

    #[track_caller]
    pub(crate) fn status(&self, kind: &str, key: &str) -> Value {
        self.api.get(&format!("/v1/status/{kind}/{key}")).ok()
    }

    /// Moves the sandbox clock forward.
    #[track_caller]
    pub(crate) fn advance(&self, seconds: i64) {
        self.api.post("/v1/sandbox/clock/advance", &json!({"seconds": seconds})).ok();
    }

    /// The calendar year of its numbers. A new year that is near is begun at once, so that none
    /// begins in the middle of a test.
    #[track_caller]
    pub(crate) fn year(&self) -> i16 {
        let year = |time: Timestamp| time.to_zoned(TimeZone::UTC).year();
        let later = Timestamp::now().checked_add(SignedDuration::from_hours(1)).expect("a date");
        if year(Timestamp::now()) != year(later) {
            self.advance(3600);
        }
        year(later)
    }

    /// The final status of an execution. The clock is advanced a few times, so that its next check is
    /// due; not so far that sessions expire on a slow machine.
    #[track_caller]
    pub(crate) fn settled(&self, kind: &str, execution: &Value) -> Value {
        let key = shown(execution, "reference_id");
        let mut looks = 0;
        wait_for("a final status", || {
            let now = self.status(kind, &key);
            if now["status"] == "COMPLETED" || now["status"] == "FAILED" {
                return Some(now);
            }
            looks += 1;
            if looks % 20 == 0 && looks <= 200 {
                self.advance(30);
            }
            None
        })
    }
}

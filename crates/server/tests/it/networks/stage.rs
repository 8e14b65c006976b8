//! A server whose test merchant pays through the fakes.

use std::collections::BTreeMap;

use fakes::{Fakes, Settings};
use serde_json::{Value, json};

use crate::reviews;
use crate::support::{Api, Database, Merchant, Server, shown, wait_for};

/// A server with a test merchant, and both networks.
pub(crate) struct Stage {
    pub(crate) fakes: Fakes,
    pub(crate) server: Server,
    pub(crate) shop: Merchant,
    /// The ids of the network accounts.
    pub(crate) pawapay: i64,
    pub(crate) stripe: i64,
    /// The path of pawaPay's callbacks.
    pub(crate) pawapay_path: String,
    /// The path of Stripe's events.
    stripe_path: String,
}

/// What the fakes take at first.
pub(crate) fn pawapay_secrets() -> String {
    json!({ "token": fakes::PAWAPAY_TOKEN }).to_string()
}

pub(crate) fn stripe_secrets() -> String {
    json!({
        "secret_key": fakes::STRIPE_SECRET_KEY,
        "publishable_key": fakes::STRIPE_PUBLISHABLE_KEY,
        "webhook_secret": fakes::STRIPE_WEBHOOK_SECRET,
    })
    .to_string()
}

impl Stage {
    #[track_caller]
    pub(crate) fn open() -> Self {
        Self::open_with(&[])
    }

    /// With these settings of the server, by the names of their environment variables.
    #[track_caller]
    pub(crate) fn open_with(settings: &[(&str, &str)]) -> Self {
        Self::open_by(|database| Server::start(database, settings))
    }

    /// With accounts whose calls have no limit to speak of.
    #[track_caller]
    pub(crate) fn open_without_limits() -> Self {
        Self::open_by(|database| {
            database
                .sql("UPDATE network_accounts SET calls_per_second = 10000 WHERE mode = 'TEST'");
            Server::start(database, &[])
        })
    }

    /// With a server that is a process, whose log can be read.
    #[track_caller]
    pub(crate) fn spawn() -> Self {
        Self::spawn_with(&[])
    }

    /// The same with these environment variables.
    #[track_caller]
    pub(crate) fn spawn_with(environment: &[(&str, &str)]) -> Self {
        Self::open_by(|database| Server::spawn(database, environment))
    }

    #[track_caller]
    fn open_by(start: impl FnOnce(Database) -> Server) -> Self {
        let fakes = Fakes::start_on_threads(Settings { delay_ms: 0, ..Settings::default() });
        let fakes = fakes.unwrap_or_else(|error| panic!("no fakes: {error}"));
        let database = Database::with_schema();
        database.make_secrets_key();
        let (pawapay, pawapay_path) = add_account(
            &database,
            &["--network", "pawapay", "--name", "pawapay", "--base-url", &fakes.pawapay_url()],
            &pawapay_secrets(),
        );
        let (stripe, stripe_path) = add_account(
            &database,
            &["--network", "stripe", "--name", "stripe", "--base-url", &fakes.stripe_url()],
            &stripe_secrets(),
        );
        let credentials = database.merchant_with("Test Shop", &["--verified", "--mode", "test"]);
        let server = start(database);
        let shop = server.sign_in(&credentials);
        let address = format!("http://{}", server.api.address);
        let url = format!("{address}{pawapay_path}");
        let stage = Self { fakes, server, shop, pawapay, stripe, pawapay_path, stripe_path };
        stage.control("/pawapay/callback-urls", &json!({ "url": url }));
        stage.control("/stripe/webhooks", &json!({ "url": stage.stripe_webhook() }));
        wait_for("pawaPay's terms", || {
            let known = stage.server.database.value("SELECT count(*) FROM operator_terms");
            (known != "0").then_some(())
        });
        stage
    }

    /// A POST to the control port of the fakes.
    #[track_caller]
    pub(crate) fn control(&self, path: &str, body: &Value) -> Value {
        let done = self.fakes.control(path, body);
        done.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Adds a fault of a network; see the documentation of `fakes`.
    #[track_caller]
    pub(crate) fn fault(&self, fault: &Value) {
        self.control("/faults", fault);
    }

    /// Where Stripe's events go.
    pub(crate) fn stripe_webhook(&self) -> String {
        format!("http://{}{}", self.server.api.address, self.stripe_path)
    }

    /// Makes due what kola would look at later: time does not pass in a test.
    pub(crate) fn make_due(&self) {
        self.server.database.sql(
            "UPDATE provider_attempts SET next_check_at = 1, lease_until = NULL, asked_at = asked_at - 60000000 \
             WHERE next_check_at IS NOT NULL",
        );
    }

    /// The execution once it has this status. Its checks are made due again and again.
    #[track_caller]
    pub(crate) fn becomes(&self, kind: &str, execution: &Value, status: &str) -> Value {
        let reference = shown(execution, "reference_id");
        let mut looks = 0;
        wait_for(&format!("{kind} {reference} {status}"), || {
            let now = self.shop.status(kind, &reference);
            looks += 1;
            if looks % 8 == 0 {
                self.make_due();
            }
            (now["status"] == status).then_some(now)
        })
    }

    /// Adds a fault of pawaPay to what a POST to this path brings.
    #[track_caller]
    pub(crate) fn pawapay_fault(&self, path: &str, kind: &str, more: &Value) {
        let mut fault =
            json!({"network": "PAWAPAY", "kind": kind, "match": {"method": "POST", "path": path}});
        for (name, value) in more.as_object().into_iter().flatten() {
            fault[name] = value.clone();
        }
        self.fault(&fault);
    }

    /// pawaPay sends no callbacks: what kola learns it has asked for.
    #[track_caller]
    pub(crate) fn lose_pawapay_callbacks(&self) {
        self.fault(&json!({"network": "PAWAPAY", "kind": "CALLBACK_LOST", "times": 1_000}));
    }

    /// The networks do as they should from now on.
    #[track_caller]
    pub(crate) fn end_faults(&self) {
        let address = self.fakes.control_url().trim_start_matches("http://").to_owned();
        Api { address, token: None }.call("DELETE", "/faults", None).ok();
    }

    /// The deadlines of all payments that are under way have passed: time does not pass in a test.
    pub(crate) fn pass_deadlines(&self) {
        self.server
            .database
            .sql("UPDATE provider_attempts SET deadline_at = 1 WHERE next_check_at IS NOT NULL");
        self.make_due();
    }

    /// The open review of an execution, once there is one.
    #[track_caller]
    pub(crate) fn review_of(&self, execution: &Value) -> Value {
        let reference = shown(execution, "reference_id");
        wait_for("the review", || {
            self.make_due();
            reviews::find(&self.server, &reference)
        })
    }

    #[track_caller]
    pub(crate) fn assert_no_review(&self, execution: &Value) {
        let found = reviews::find(&self.server, &shown(execution, "reference_id"));
        assert_eq!(found, None);
    }

    /// The execution as it is now.
    #[track_caller]
    pub(crate) fn now(&self, kind: &str, execution: &Value) -> Value {
        self.shop.status(kind, &shown(execution, "reference_id"))
    }

    /// The execution once it says that it waits for this. Its checks are made due again and again.
    #[track_caller]
    pub(crate) fn waits_for(&self, kind: &str, execution: &Value, what: &str) -> Value {
        wait_for(what, || {
            self.make_due();
            let now = self.now(kind, execution);
            shown(&now, "waiting_for").contains(what).then_some(now)
        })
    }

    /// Reads pawaPay's terms again.
    #[track_caller]
    pub(crate) fn refresh_terms(&self) {
        self.server.kola(&["networks", "refresh", "--account", &self.pawapay.to_string()]).ok();
    }

    /// The payment at pawaPay that carries out an execution.
    #[track_caller]
    pub(crate) fn at_pawapay(&self, execution: &Value) -> Value {
        let found = self
            .pawapay_payments()
            .into_iter()
            .find(|payment| payment["client_reference"] == execution["reference_id"]);
        found.unwrap_or_else(|| panic!("not at pawaPay: {execution}"))
    }

    /// Brings the payment of an execution into another state at pawaPay. `change` is the body of
    /// `POST /pawapay/payments` of the fakes, without the id. Callbacks have been answered when this
    /// returns.
    #[track_caller]
    pub(crate) fn change_at_pawapay(&self, execution: &Value, change: &Value) {
        let mut body = change.clone();
        body["id"] = self.at_pawapay(execution)["id"].clone();
        self.control("/pawapay/payments", &body);
        self.fakes.flush_on_threads();
    }

    /// Sends a callback of the payment of an execution. `how` is the body of `POST /pawapay/callbacks`
    /// of the fakes, without the id. Returns what kola answered, to each copy.
    #[track_caller]
    pub(crate) fn call_back(&self, execution: &Value, how: &Value) -> Vec<Value> {
        let mut body = how.clone();
        body["id"] = self.at_pawapay(execution)["id"].clone();
        let before = self.callback_answers().len();
        self.control("/pawapay/callbacks", &body);
        self.fakes.flush_on_threads();
        self.callback_answers().split_off(before)
    }

    /// What kola answered to pawaPay's callbacks when they came for the first time.
    pub(crate) fn callback_answers(&self) -> Vec<Value> {
        let deliveries = self.fakes.look("/deliveries").expect("deliveries");
        let all = deliveries["pawapay"].as_array().cloned().unwrap_or_default();
        let first = all.into_iter().filter(|delivery| delivery["attempt"] == 1);
        first.map(|delivery| delivery["answer"].clone()).collect()
    }

    /// The requests that pawaPay has had, the oldest first, whose method this is and whose path begins
    /// so. All, if both are empty.
    pub(crate) fn pawapay_requests(&self, method: &str, path: &str) -> Vec<Value> {
        let requests = self.fakes.look("/requests").expect("requests");
        let all = requests["pawapay"].as_array().cloned().unwrap_or_default();
        let fits = |request: &Value| {
            (method.is_empty() || request["method"] == method)
                && shown(request, "path").starts_with(path)
        };
        all.into_iter().filter(fits).collect()
    }

    /// The payments at pawaPay.
    pub(crate) fn pawapay_payments(&self) -> Vec<Value> {
        self.fakes.books()["pawapay"]["payments"].as_array().cloned().unwrap_or_default()
    }

    /// What each network holds for the merchants, by currency, as the networks say.
    fn at_networks(&self) -> BTreeMap<(String, String), i64> {
        let books = self.fakes.books();
        let mut sums = BTreeMap::new();
        let mut add = |network: &str, currency: &Value, minor: i64| {
            let currency = currency.as_str().unwrap_or_default().to_ascii_uppercase();
            *sums.entry((network.to_owned(), currency)).or_insert(0) += minor;
        };
        for payment in books["pawapay"]["payments"].as_array().into_iter().flatten() {
            let minor = payment["moved_minor"].as_i64().unwrap_or(0);
            let sign = if payment["operation"] == "DEPOSIT" { 1 } else { -1 };
            if payment["status"] == "COMPLETED" {
                add("PAWAPAY", &payment["moved_currency"], sign * minor);
            }
        }
        for intent in books["stripe"]["payment_intents"].as_array().into_iter().flatten() {
            add("STRIPE", &intent["currency"], intent["received_minor"].as_i64().unwrap_or(0));
        }
        for refund in books["stripe"]["refunds"].as_array().into_iter().flatten() {
            if refund["status"] == "succeeded" {
                add("STRIPE", &refund["currency"], -refund["minor"].as_i64().unwrap_or(0));
            }
        }
        // Stripe takes what is disputed, and gives it back when it is won.
        for dispute in books["stripe"]["disputes"].as_array().into_iter().flatten() {
            if dispute["status"] != "won" {
                add("STRIPE", &dispute["currency"], -dispute["minor"].as_i64().unwrap_or(0));
            }
        }
        sums.retain(|_, minor| *minor != 0);
        sums
    }

    /// The same as the ledger says.
    fn in_ledger(&self) -> BTreeMap<(String, String), i64> {
        // A clearing account is debited for what the network holds.
        let rows = self.server.database.rows(
            "SELECT n.network, a.currency, CAST(-sum(a.balance_minor) AS TEXT) FROM accounts AS a \
             JOIN network_accounts AS n ON n.id = a.network_account_id \
             WHERE a.kind = 'CLEARING' AND n.mode = 'TEST' GROUP BY n.network, a.currency",
        );
        let mut sums = BTreeMap::new();
        for row in rows {
            let minor: i64 = row[2].parse().unwrap_or_else(|_| panic!("no sum: {row:?}"));
            if minor != 0 {
                sums.insert((row[0].clone(), row[1].clone()), minor);
            }
        }
        sums
    }

    /// The books of both networks agree with the ledger, which is in order.
    #[track_caller]
    pub(crate) fn assert_books_equal(&self) {
        assert_eq!(self.in_ledger(), self.at_networks(), "left: the ledger, right: the networks");
        self.server.verify_ledger();
    }
}

/// Adds an account. Returns its id and the path of its callbacks.
#[track_caller]
pub(crate) fn add_account(database: &Database, which: &[&str], secrets: &str) -> (i64, String) {
    let mut arguments = vec!["networks", "add", "--mode", "test", "--json"];
    arguments.extend(which);
    let printed = database.kola_with_input(&arguments, secrets).ok();
    let added: Value = serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}"));
    let url = shown(&added, "callback_url");
    let path = url.find("/callbacks/").map(|at| url[at..].to_owned());
    (added["id"].as_i64().unwrap_or_default(), path.unwrap_or_else(|| panic!("no path in {url}")))
}

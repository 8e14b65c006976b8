//! A shop whose payments were made some days ago, so that none of them may still be under way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::networks::stage::Stage;
use crate::support::{Database, shown};

pub(super) const DAY: i64 = 86_400;

/// A CSV file by the default mapping.
pub(crate) const HEAD: &str = "Creation Date,Transaction ID,Type,Amount,Currency,Fee";

/// The days around now, as the command line takes them: from `before` days ago.
pub(super) fn days_ago(days: i64) -> String {
    let time = store::clock::now().plus(-days * DAY * 1_000_000);
    format!("{time:.6}")[..10].to_owned()
}

/// What `kola ARGUMENTS --json` prints, which has to work.
#[track_caller]
pub(crate) fn told(database: &Database, arguments: &[&str]) -> Value {
    let printed = database.kola(&[arguments, &["--json"]].concat()).ok();
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// The open differences, by kind and reason.
#[track_caller]
pub(crate) fn open_differences(database: &Database) -> Vec<Value> {
    told(database, &["reconcile", "differences"]).as_array().cloned().unwrap_or_default()
}

#[track_caller]
pub(super) fn verified(database: &Database) {
    database.kola(&["ledger", "verify"]).ok();
}

/// The stage with the clock of the networks three days ago.
pub(super) struct Past {
    pub(super) stage: Stage,
}

impl Past {
    #[track_caller]
    pub(super) fn open() -> Self {
        let stage = Stage::open_without_limits();
        stage.control("/pawapay/settings", &json!({ "delay_ms": 0 }));
        // A callback of the past is refused, and payments are asked for.
        stage.lose_pawapay_callbacks();
        stage.fakes.advance(-3 * DAY);
        Self { stage }
    }

    pub(super) fn database(&self) -> &Database {
        &self.stage.server.database
    }

    /// Now it is today, and all payments are of three days ago, here and there.
    pub(super) fn today(&self) {
        self.stage.fakes.advance(3 * DAY);
        let back = 3 * DAY * 1_000_000;
        // What a payout counts for its wallet's day stays as it is.
        self.database().sql(&format!(
            "UPDATE executions SET created_at = created_at - {back}, completed_at = completed_at - {back} \
             WHERE operation = {{operation COLLECTION}}"
        ));
    }

    /// The networks take the fees that were expected, in the statements of what was paid until now.
    pub(super) fn take_expected_fees(&self) {
        let expected = self.database().rows(
            "SELECT a.request_id, e.gateway_fee_minor, e.provider_transaction_id FROM executions AS e \
             JOIN provider_attempts AS a ON a.execution_id = e.id",
        );
        let books = self.stage.fakes.books();
        for line in books["pawapay"]["statement_lines"].as_array().into_iter().flatten() {
            let id = shown(line, "id");
            let Some(row) = expected.iter().find(|row| row[0].contains(&id)) else { continue };
            let fee: i64 = row[1].parse().expect("a fee");
            let change = json!({"id": id, "change": "CHANGE", "fee_minor": fee});
            self.stage.control("/pawapay/statement-lines", &change);
        }
        for charge in books["stripe"]["charges"].as_array().into_iter().flatten() {
            let intent = shown(charge, "payment_intent");
            let Some(row) = expected.iter().find(|row| row[2] == intent) else { continue };
            let fee: i64 = row[1].parse().expect("a fee");
            let change = json!({"source": charge["id"], "change": "CHANGE", "fee": fee});
            self.stage.control("/stripe/balance-transactions", &change);
        }
    }

    /// What the statements of pawaPay say of a payment.
    pub(super) fn line_at_pawapay(&self, id: &str) -> Value {
        let books = self.stage.fakes.books();
        let lines = books["pawapay"]["statement_lines"].as_array().cloned().unwrap_or_default();
        let found = lines.into_iter().find(|line| line["id"] == json!(id));
        found.unwrap_or_else(|| panic!("no line of {id}"))
    }

    /// Reads the statement of an account of the days until yesterday.
    #[track_caller]
    pub(super) fn run(&self, account: i64) -> Value {
        let (account, from) = (account.to_string(), days_ago(4));
        told(self.database(), &["reconcile", "run", "--account", &account, "--from", &from])
    }

    #[track_caller]
    pub(super) fn accept(&self, statement: &Value) -> Value {
        told(self.database(), &["reconcile", "accept", &shown(statement, "id")])
    }

    /// Closes a difference: `--book` or `--explained`.
    #[track_caller]
    pub(super) fn close(&self, difference: &Value, how: &str) -> Value {
        let id = shown(difference, "id");
        told(self.database(), &["reconcile", "close", &id, how, "--evidence", "ticket 7"])
    }

    /// pawaPay's wallets have what its statements say.
    pub(super) fn fill_wallets(&self) {
        let books = self.stage.fakes.books();
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for line in books["pawapay"]["statement_lines"].as_array().into_iter().flatten() {
            let moved =
                line["minor"].as_i64().unwrap_or(0) - line["fee_minor"].as_i64().unwrap_or(0);
            *sums.entry(shown(line, "currency")).or_default() += moved;
        }
        for wallet in books["pawapay"]["wallets"].as_array().into_iter().flatten() {
            let currency = shown(wallet, "currency");
            // The first wallet of a currency has all of it.
            let minor = sums.remove(&currency).unwrap_or(0);
            let set = json!({ "country": wallet["country"], "currency": currency, "minor": minor });
            self.stage.control("/pawapay/wallets", &set);
        }
    }

    /// What the network has and what the ledger says it has are the same.
    #[track_caller]
    pub(super) fn assert_balances_agree(&self, account: i64) {
        let balances =
            told(self.database(), &["networks", "balances", "--account", &account.to_string()]);
        let rows = balances.as_array().cloned().unwrap_or_default();
        assert!(!rows.is_empty());
        for row in rows {
            let difference: f64 = shown(&row, "difference").parse().expect("an amount");
            assert!(difference == 0.0, "{row}");
            let open: f64 = shown(&row, "not_booked").parse().expect("an amount");
            assert!(open == 0.0, "{row}");
            assert!(row["differs_since"].is_null(), "{row}");
        }
    }

    /// The balance of an account of the ledger, all merchants and networks together.
    pub(super) fn balance(&self, kind: &str, currency: &str) -> i64 {
        let sql = format!(
            "SELECT CAST(coalesce(sum(balance_minor), 0) AS TEXT) FROM accounts \
             WHERE kind = '{kind}' AND currency = '{currency}'"
        );
        self.database().value(&sql).parse().expect("a sum")
    }
}

//! The OpenAPI document: it is served, the checked-in one is up to date, and it is right about
//! every operation.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::payment_links;
use crate::support::shop::{GOOD, ending};
use crate::support::{Database, Merchant, Reply, id, json, key, open, wait_for};

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");

#[test]
fn the_checked_in_document_is_what_the_code_generates() {
    let generated = Database::new().kola(&["openapi"]).ok();
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
    assert!(
        generated == checked_in,
        "openapi.json is out of date: run `cargo xtask openapi` and commit what it writes"
    );
}

#[test]
fn the_document_is_served_without_a_token() {
    let (server, shop) = open();
    let anonymous = shop.api.with_token(None);
    let served = anonymous.get("/openapi.json").ok();
    assert_eq!(served["openapi"], "3.1.0");
    assert!(
        served["paths"]["/v1/parties/create"]["post"]["requestBody"]["content"]["application/json"]
            ["example"]
            .is_object()
    );
    drop(server);
}

struct Operation {
    method: String,
    path: String,
    query: Vec<Value>,
    /// The schemas of its body; several if the body has several forms.
    bodies: Vec<Value>,
    lists: bool,
}

fn document() -> Value {
    serde_json::from_str(&std::fs::read_to_string(CHECKED_IN).expect("openapi.json")).expect("JSON")
}

fn follow<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target =
        schema["$ref"].as_str().and_then(|target| document.pointer(target.trim_start_matches('#')));
    target.map_or(schema, |target| follow(document, target))
}

impl Operation {
    fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let body =
            follow(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
        let forms = body["anyOf"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
        let answer = follow(
            document,
            &operation["responses"]["200"]["content"]["application/json"]["schema"],
        );
        Self {
            method: method.to_uppercase(),
            path: path.replace("{kind}", "checkout").replace("{reference_id}", &key()),
            query: parameters.into_iter().filter(|parameter| parameter["in"] == "query").collect(),
            bodies: forms
                .iter()
                .map(|form| follow(document, form).clone())
                .filter(Value::is_object)
                .collect(),
            lists: answer["type"] == "array",
        }
    }

    fn all() -> Vec<Self> {
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let of_path = |(path, operations): (&String, &Value)| -> Vec<Self> {
            let operations = operations.as_object().expect("operations");
            operations
                .iter()
                .map(|(method, operation)| Self::read(&document, path, method, operation))
                .collect()
        };
        paths.iter().flat_map(of_path).collect()
    }

    /// Calls the operation with the id 1 in its path, and this query and body.
    fn call(&self, shop: &Merchant, query: &str, body: &Value) -> Reply {
        let words = self.path.split('/').map(|word| if word.starts_with('{') { "1" } else { word });
        let path = words.collect::<Vec<_>>().join("/");
        shop.api.call(
            &self.method,
            &format!("{path}?{query}"),
            Some(body).filter(|_| !self.bodies.is_empty()),
        )
    }

    fn parameters(&self, which: impl Fn(&Value) -> bool) -> Vec<&str> {
        self.query
            .iter()
            .filter(|parameter| which(parameter))
            .filter_map(|parameter| parameter["name"].as_str())
            .collect()
    }
}

/// Fails unless the answer has faults at all of these fields of query and body.
#[track_caller]
fn assert_faults(reply: &Reply, query: &[&str], body: &[&str]) {
    let expected = query
        .iter()
        .map(|name| format!("query.{name}"))
        .chain(body.iter().map(|name| format!("body.{name}")));
    let expected: BTreeSet<String> = expected.collect();
    reply.faults_are_at(&expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let (_server, shop) = open();
    let mut told = 0;
    for operation in Operation::all() {
        let query = operation.parameters(|parameter| parameter["required"] == true);
        let first = operation.bodies.first().and_then(|body| body["required"].as_array());
        let mut body: Vec<&str> = first.into_iter().flatten().filter_map(Value::as_str).collect();
        if operation.path == PAYOUT {
            body.extend(OF_ITS_OTHER_FORM);
        }
        if query.len() + body.len() > 0 {
            assert_faults(&operation.call(&shop, "", &json!({})), &query, &body);
            told += 1;
        }
    }
    assert!(told > 30, "{told}");
}

/// A body of two forms. The document describes one form, which requires what both require.
const PAYOUT: &str = "/v1/sessions/payout";
/// The further fields that a body without a `payout_account_id` needs.
const OF_ITS_OTHER_FORM: [&str; 3] = ["wallet_id", "payment_account_id", "expires_at"];

/// Whether a call reads a field: a payout's passcode only if the merchant has set one, and only one
/// of the two names of an account.
fn is_looked_at(path: &str, field: &str) -> bool {
    !matches!((path, field), ("/v1/executions/payout", "passcode") | (PAYOUT, "payment_account_id"))
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let (_server, shop) = open();
    let mut told = 0;
    for operation in Operation::all() {
        let query = operation.parameters(|_| true);
        // A control character is not allowed in numbers, names and texts.
        let asked: Vec<String> = query.iter().map(|name| format!("{name}=%01")).collect();
        // If there are several forms, a field of the last one selects it.
        let properties = operation.bodies.last().and_then(|body| body["properties"].as_object());
        let wrong = |schema: &Value| {
            if schema["type"].to_string().contains("array") { json!(5) } else { json!([]) }
        };
        let fields: Vec<(&String, &Value)> = properties
            .into_iter()
            .flatten()
            .filter(|(name, _)| is_looked_at(&operation.path, name))
            .collect();
        let body: Value =
            fields.iter().map(|(name, schema)| ((*name).clone(), wrong(schema))).collect();
        if query.len() + fields.len() > 0 {
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_faults(&operation.call(&shop, &asked.join("&"), &body), &query, &names);
            told += 1;
        }
    }
    assert!(told > 40, "{told}");
}

/// The target of the link to the next page.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.header("link")?;
    let target = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"");
    Some(target.unwrap_or_else(|| panic!("not a link to a next page: {link}")).to_owned())
}

/// Reads a list with pages of one row. Returns the ids.
fn walk(shop: &Merchant, path: &str) -> Vec<i64> {
    let mut ids = vec![];
    let mut page = Some(format!("{path}?limit=1"));
    while let Some(path) = page {
        let reply = shop.api.get(&path);
        page = next(&reply);
        let rows = reply.rows();
        assert_eq!(
            rows.len(),
            usize::from(page.is_some()),
            "{path}: a row and a link to what follows, or neither"
        );
        ids.extend(rows.iter().map(id));
    }
    ids
}

/// Gives the merchant some rows of everything.
fn trade(shop: &Merchant) {
    let (party, _) = shop.party_with_money("USD", "50.00");
    shop.counterparty(party);
    let payment = shop.take(shop.momo("COLLECTION", GOOD), "USD", "100.00");
    shop.send(shop.momo("PAYOUT", GOOD), "USD", "5.00");
    shop.refund(&payment, "5.00");
    shop.refund(&payment, "4.00");
    shop.draft("orders", "USD", "PAYER");
    shop.api.post("/v1/payment-links/create", &payment_links::donation()).ok();
    shop.told();
    shop.told();
    for _ in 0..2 {
        shop.take(shop.momo("COLLECTION", &ending("179")), "USD", "7.00");
    }
    let open = || shop.api.get("/v1/reviews/list").rows().len();
    wait_for("the reviews", || (open() == 2).then_some(()));
}

#[test]
fn every_list_is_read_to_its_end_by_its_links() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1000.00");
    trade(&shop);
    let merchant = shop.credentials.merchant_id.to_string();
    let limits = ["merchant", "limits", "--merchant", &merchant, "--currency", "USD"];
    server.kola(&[&limits[..], &["--payment", "0", "--bind-api-keys", "true"]].concat()).ok();
    for _ in 0..2 {
        shop.send(shop.momo("PAYOUT", GOOD), "USD", "1.00");
    }
    let lists: Vec<Operation> =
        Operation::all().into_iter().filter(|operation| operation.lists).collect();
    assert!(lists.len() >= 12, "{}", lists.len());
    for list in lists {
        let known = list.parameters(|_| true);
        assert!(
            known.contains(&"limit") && known.contains(&"after_id"),
            "{}: {known:?}",
            list.path
        );
        let path = list.path.replace("{id}", &shop.wallet("USD").to_string());
        let whole: Vec<i64> =
            shop.api.get(&format!("{path}?limit=1000")).rows().iter().map(id).collect();
        assert!(!whole.is_empty(), "{path}");
        let mut walked = walk(&shop, &path);
        if path == "/v1/requests/list" {
            // The calls of this test are among them.
            walked.retain(|id| *id <= whole[0]);
        }
        assert_eq!(walked, whole, "{path}");
    }
}

//! The list of events, newest first.

use serde_json::Value;

use crate::support::{Merchant, id, instant, json, key, open, shown};

fn list(shop: &Merchant, query: &str) -> Vec<Value> {
    shop.api.get(&format!("/v1/events/list{query}")).rows()
}

fn types(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| shown(row, "type")).collect()
}

#[test]
fn a_transfer_leaves_its_events() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let session = id(&shop.open_transfer(shop.customer(), "USD", "10.00").ok());
    let intent = shop.execute("transfer", session, &key()).ok()["payment_intent_id"]
        .as_i64()
        .expect("an id");
    let rows = list(&shop, "");
    assert_eq!(types(&rows), ["execution.completed", "session.created", "wallet.funded"]);
    for row in &rows {
        instant(&row["created_at"]);
        assert_eq!(shop.api.get(&format!("/v1/events/retrieve/{}", id(row))).ok(), *row);
    }
    assert_eq!(
        (&rows[0]["subject_type"], &rows[0]["subject_id"]),
        (&json!("EXECUTION"), &json!(intent))
    );
    assert_eq!(rows[0]["entries"].as_array().map(Vec::len), Some(2), "{}", rows[0]);
    assert_eq!(rows[1]["entries"], json!([]));
    let timeline =
        shop.api.get(&format!("/v1/payment-intents/retrieve/{intent}")).ok()["timeline"].clone();
    assert_eq!(timeline, json!([rows[1], rows[0]]), "an event looks the same wherever it is");
    shop.api.get("/v1/events/retrieve/987654").refused(404);
}

#[test]
fn events_are_listed_by_what_they_are_about() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let customer = shop.customer();
    let sessions: Vec<i64> =
        (0..3).map(|_| id(&shop.open_transfer(customer, "USD", "1.00").ok())).collect();
    let about = |rows: &[Value]| -> Vec<i64> {
        rows.iter().filter_map(|row| row["subject_id"].as_i64()).collect()
    };
    assert_eq!(
        about(&list(&shop, "?type=session.created")),
        [sessions[2], sessions[1], sessions[0]]
    );
    assert_eq!(about(&list(&shop, "?subject_type=WALLET")), [shop.wallet("USD")]);
    assert_eq!(about(&list(&shop, &format!("?subject_id={}", sessions[1]))), [sessions[1]]);
    assert!(list(&shop, &format!("?subject_id={}&subject_type=WALLET", sessions[1])).is_empty());
    let faults = shop.api.get("/v1/events/list?type=gift&subject_type=PARTY&subject_id=x");
    faults.faults_are_at(&["query.type", "query.subject_type", "query.subject_id"]);
}

#[test]
fn events_are_read_page_by_page() {
    let (_server, shop) = open();
    for _ in 0..5 {
        shop.invoice("USD", "1.00");
    }
    let all = list(&shop, "");
    assert_eq!(all.len(), 5);
    let first = shop.api.get("/v1/events/list?type=source.published&limit=2");
    assert!(
        first
            .header("link")
            .is_some_and(|link| link.contains("type=source.published&limit=2&after_id="))
    );
    assert_eq!(first.rows(), all[..2]);
    assert_eq!(list(&shop, &format!("?limit=2&after_id={}", id(&all[1]))), all[2..4]);
    assert_eq!(list(&shop, &format!("?after_id={}", id(&all[3]))), all[4..]);
}

#[test]
fn events_go_forward_by_position() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let customer = shop.customer();
    for _ in 0..3 {
        shop.open_transfer(customer, "USD", "1.00").ok();
    }
    let newest_first = list(&shop, "");
    let mut oldest_first = newest_first.clone();
    oldest_first.reverse();
    let positions: Vec<i64> =
        oldest_first.iter().filter_map(|row| row["position"].as_i64()).collect();
    assert_eq!(positions, [1, 2, 3, 4], "{oldest_first:?}");
    assert_eq!(list(&shop, "?after_position=0"), oldest_first);
    assert_eq!(list(&shop, "?after_position=2"), oldest_first[2..]);
    assert_eq!(list(&shop, "?after_position=4"), Vec::<Value>::new());
    let page = shop.api.get("/v1/events/list?after_position=0&limit=3");
    assert!(page.header("link").is_some_and(|link| link.contains("limit=3&after_position=3")));
    assert_eq!(page.rows(), oldest_first[..3]);
    let declared = list(&shop, "?after_position=0&type=session.created");
    assert_eq!(declared, oldest_first[1..]);
    shop.api.get("/v1/events/list?after_position=-1").faults_are_at(&["query.after_position"]);
}

#[test]
fn an_event_says_who_asked_and_counts_for_its_subject() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "100.00");
    let session = id(&shop.open_transfer(shop.customer(), "USD", "10.00").ok());
    shop.execute("transfer", session, &key()).ok();
    let rows = list(&shop, "?after_position=0");
    let actors: Vec<&Value> = rows.iter().map(|row| &row["actor"]["type"]).collect();
    assert_eq!(actors, [&json!("OPERATOR"), &json!("API_KEY"), &json!("API_KEY")]);
    let keys = shop.api.get("/v1/api-keys/list").rows();
    assert_eq!(rows[1]["actor"]["id"], keys[0]["id"]);
    assert!(rows.iter().all(|row| row["sequence"] == json!(1)), "{rows:?}");
}

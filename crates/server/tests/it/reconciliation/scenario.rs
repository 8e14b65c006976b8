//! Statements that differ from the ledger in each way that there is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::reconciliation::books::{Past, days_ago, open_differences, told, verified};
use crate::support::shop::{GOOD, ending};
use crate::support::shown;

const UNKNOWN: &str = "8917c345-4791-4285-a416-62f24b6982db";

/// How many differences are open of each kind and reason.
fn counted(differences: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for one in differences {
        *counts.entry((shown(one, "kind"), shown(one, "reason"))).or_insert(0) += 1;
    }
    counts
}

fn change(past: &Past, id: &str, change: &str, more: &Value) {
    let mut body = more.clone();
    body["id"] = json!(id);
    body["change"] = json!(change);
    past.stage.control("/pawapay/statement-lines", &body);
}

/// Payments of a shop three days ago, each with its id at pawaPay. The last one has failed.
fn trade(past: &Past) -> Vec<String> {
    let (stage, shop) = (&past.stage, &past.stage.shop);
    let account = shop.momo("COLLECTION", GOOD);
    let mut ids: Vec<String> = (0..9)
        .map(|number| {
            let paid = shop.take(account, "USD", &format!("1{number}.00"));
            let paid = stage.becomes("collection", &paid, "COMPLETED");
            shown(&stage.at_pawapay(&paid), "id")
        })
        .collect();
    let sent = shop.send(shop.momo("PAYOUT", GOOD), "USD", "20.00");
    let sent = stage.becomes("payout", &sent, "COMPLETED");
    ids.push(shown(&stage.at_pawapay(&sent), "id"));
    let failed = shop.take(shop.momo("COLLECTION", &ending("049")), "USD", "7.00");
    let failed = stage.becomes("collection", &failed, "FAILED");
    ids.push(shown(&stage.at_pawapay(&failed), "id"));
    past.take_expected_fees();
    ids
}

/// One difference of each kind and reason that a line can have, and no other.
const EACH: [(&str, &str); 9] = [
    ("MISSING_HERE", "no payment here was sent with this id"),
    ("MISSING_HERE", "the payment failed here, and the network booked it"),
    ("MISSING_THERE", "the payment moved money here and is not in the statement of its day"),
    ("AMOUNT_DIFFERS", "the amount is not that of the payment here"),
    ("AMOUNT_DIFFERS", "the money went the other way than here"),
    ("AMOUNT_DIFFERS", "the currency is not that of the payment here"),
    ("FEE_DIFFERS", "the network took another fee than was expected"),
    ("DUPLICATE_THERE", "the statement has this movement of the payment more than once"),
    ("MISSING_HERE", "kola does not know what this kind of line is"),
];

fn differ_in_each_way(past: &Past, ids: &[String]) {
    let line = |more: &Value| {
        let mut line = json!({"currency": "USD", "country": "LBR", "minor": 700});
        for (name, value) in more.as_object().into_iter().flatten() {
            line[name] = value.clone();
        }
        line
    };
    past.stage.fakes.advance(60);
    change(past, UNKNOWN, "ADD", &line(&json!({})));
    change(past, &ids[10], "ADD", &line(&json!({})));
    change(past, &ids[0], "REMOVE", &json!({}));
    change(past, &ids[1], "CHANGE", &json!({ "minor": 1_099 }));
    change(past, &ids[2], "CHANGE", &json!({ "minor": -1_200 }));
    change(past, &ids[3], "REMOVE", &json!({}));
    change(past, &ids[3], "ADD", &line(&json!({"currency": "LRD", "minor": 1_300})));
    change(past, &ids[4], "CHANGE", &json!({ "fee_minor": 99 }));
    change(past, &ids[5], "REPEAT", &json!({}));
    let odd = "11111111-4791-4285-a416-62f24b6982db";
    change(past, odd, "ADD", &line(&json!({"type": "MYSTERY", "minor": 5})));
}

#[test]
fn a_statement_that_agrees_has_no_difference() {
    let past = Past::open();
    trade(&past);
    past.today();
    let read = past.run(past.stage.pawapay);
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
    assert_eq!((&read["lines"], &read["matched"]), (&json!(10), &json!(10)), "{read}");
    past.accept(&read);
    past.fill_wallets();
    past.assert_balances_agree(past.stage.pawapay);
    verified(past.database());
}

#[test]
fn each_kind_of_difference_is_found_once_and_booked_once() {
    let past = Past::open();
    let ids = trade(&past);
    differ_in_each_way(&past, &ids);
    past.today();
    let first = past.run(past.stage.pawapay);
    verified(past.database());
    let found = open_differences(past.database());
    let expected: BTreeMap<_, _> =
        EACH.iter().map(|(kind, why)| (((*kind).to_owned(), (*why).to_owned()), 1)).collect();
    assert_eq!(counted(&found), expected);
    assert_eq!(first["differences"], json!(9), "{first}");
    // A second run has the same to say, and adds nothing.
    let second = past.run(past.stage.pawapay);
    assert_eq!(second["new"], json!(0), "{second}");
    assert_eq!(open_differences(past.database()), found);
    verified(past.database());

    past.accept(&first);
    past.accept(&second);
    verified(past.database());
    for difference in &found {
        let how = if difference["kind"] == "FEE_DIFFERS" { "--explained" } else { "--book" };
        past.close(difference, how);
        verified(past.database());
    }
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
    past.fill_wallets();
    past.assert_balances_agree(past.stage.pawapay);
    // All of it is known now.
    let third = past.run(past.stage.pawapay);
    assert_eq!((&third["new"], &third["differences"]), (&json!(0), &json!(0)), "{third}");
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
    past.assert_balances_agree(past.stage.pawapay);
}

#[test]
fn what_agrees_later_closes_by_itself() {
    let past = Past::open();
    let ids = trade(&past);
    let whole = |id: &str| past.line_at_pawapay(id);
    let (first, second, fifth) = (whole(&ids[0]), whole(&ids[1]), whole(&ids[4]));
    change(&past, &ids[0], "REMOVE", &json!({}));
    change(&past, &ids[1], "CHANGE", &json!({ "minor": 1_099 }));
    change(&past, &ids[4], "CHANGE", &json!({ "fee_minor": 99 }));
    past.today();
    past.run(past.stage.pawapay);
    assert_eq!(open_differences(past.database()).len(), 3);
    // The network corrects its statement.
    past.stage.fakes.advance(-3 * 86_400);
    let again = json!({"currency": "USD", "country": "LBR", "minor": first["minor"],
        "fee_minor": first["fee_minor"]});
    change(&past, &ids[0], "ADD", &again);
    change(&past, &ids[1], "CHANGE", &json!({ "minor": second["minor"] }));
    change(&past, &ids[4], "CHANGE", &json!({ "fee_minor": fifth["fee_minor"] }));
    past.stage.fakes.advance(3 * 86_400);
    past.run(past.stage.pawapay);
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
    let closed = told(past.database(), &["reconcile", "differences", "--closed"]);
    for one in closed.as_array().into_iter().flatten() {
        assert_eq!(one["resolution"], "AGREED", "{one}");
    }
    verified(past.database());
}

#[test]
fn what_differs_anew_is_open_again_and_says_what_was_read_last() {
    let past = Past::open();
    let ids = trade(&past);
    let right = past.line_at_pawapay(&ids[1]);
    past.today();
    let differs = |minor: i64, expected: &[&str]| {
        change(&past, &ids[1], "CHANGE", &json!({ "minor": minor }));
        past.run(past.stage.pawapay);
        let found = open_differences(past.database());
        let theirs: Vec<String> = found.iter().map(|one| shown(one, "theirs")).collect();
        assert_eq!(theirs, expected, "{found:?}");
        verified(past.database());
    };
    let agreed = right["minor"].as_i64().expect("an amount");
    differs(1_000, &["10.00"]);
    differs(1_050, &["10.50"]);
    differs(agreed, &[]);
    // What agreed is looked at again where the network changes it.
    differs(1_000, &["10.00"]);
    past.accept(&json!({ "id": newest(&past) }));
    differs(agreed, &[]);
}

fn newest(past: &Past) -> i64 {
    let list = told(past.database(), &["reconcile", "list"]);
    list[0]["id"].as_i64().expect("an id")
}

#[test]
fn what_a_difference_has_booked_counts_when_the_network_says_more() {
    let past = Past::open();
    let ids = trade(&past);
    let (missing, failed) = (past.line_at_pawapay(&ids[0]), &ids[10]);
    change(&past, &ids[0], "REMOVE", &json!({}));
    let failed_line = json!({"currency": "USD", "country": "LBR", "minor": 700});
    change(&past, failed, "ADD", &failed_line);
    past.today();
    let read = past.run(past.stage.pawapay);
    past.accept(&read);
    for difference in open_differences(past.database()) {
        past.close(&difference, "--book");
    }
    verified(past.database());
    past.fill_wallets();
    past.assert_balances_agree(past.stage.pawapay);
    // The one comes after all, and the other is taken back.
    past.stage.fakes.advance(-2 * 86_400);
    let late = json!({"currency": "USD", "country": "LBR", "minor": missing["minor"],
        "fee_minor": missing["fee_minor"]});
    change(&past, &ids[0], "ADD", &late);
    let back = json!({"currency": "USD", "country": "LBR", "minor": -700});
    change(&past, failed, "ADD", &back);
    past.stage.fakes.advance(2 * 86_400);
    let second = past.run(past.stage.pawapay);
    past.accept(&second);
    let found = open_differences(past.database());
    assert_eq!(found.len(), 2, "{found:?}");
    for difference in found {
        past.close(&difference, "--book");
    }
    verified(past.database());
    past.fill_wallets();
    past.assert_balances_agree(past.stage.pawapay);
}

#[test]
fn what_is_explained_books_nothing_but_the_fee() {
    let past = Past::open();
    let ids = trade(&past);
    change(&past, &ids[5], "REPEAT", &json!({}));
    past.today();
    let read = past.run(past.stage.pawapay);
    let found = open_differences(past.database());
    assert_eq!(found.len(), 1, "{found:?}");
    let closed = past.close(&found[0], "--explained");
    assert_eq!(
        (&closed["resolution"], &closed["evidence"]),
        (&json!("EXPLAINED"), &json!("ticket 7"))
    );
    verified(past.database());
    past.accept(&read);
    verified(past.database());
    assert_eq!(past.balance("DIFFERENCE", "USD"), 0);
    past.run(past.stage.pawapay);
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
}

fn card_payments(past: &Past, currency: &str, amounts: &[&str]) {
    let (stage, shop) = (&past.stage, &past.stage.shop);
    let card = shop.account(shop.party(), "COLLECTION", "CREDIT_CARD", Some("pm_card_visa"));
    for amount in amounts {
        let paid = shop.take(card, currency, amount);
        stage.becomes("collection", &paid, "COMPLETED");
    }
}

fn change_at_stripe(past: &Past, source: &Value, change: &str, more: &Value) {
    let mut body = more.clone();
    body["source"] = source.clone();
    body["change"] = json!(change);
    past.stage.control("/stripe/balance-transactions", &body);
}

#[test]
fn a_statement_of_stripe_differs_in_each_way() {
    let past = Past::open();
    card_payments(&past, "USD", &["10.00", "20.00", "30.00", "40.00", "50.00"]);
    past.take_expected_fees();
    let books = past.stage.fakes.books();
    let charges = books["stripe"]["charges"].as_array().cloned().unwrap_or_default();
    assert_eq!(charges.len(), 5);
    let charge = |number: usize| &charges[number]["id"];
    change_at_stripe(&past, charge(0), "REMOVE", &json!({}));
    change_at_stripe(&past, charge(1), "REPEAT", &json!({}));
    change_at_stripe(&past, charge(2), "CHANGE", &json!({ "amount": 2_900 }));
    change_at_stripe(&past, charge(3), "CHANGE", &json!({ "fee": 999 }));
    let unknown = json!({"amount": 500, "fee": 10, "currency": "usd"});
    change_at_stripe(&past, &json!("ch_unknown"), "ADD", &unknown);
    past.today();
    let first = past.run(past.stage.stripe);
    let found = open_differences(past.database());
    let mut kinds: Vec<String> = found.iter().map(|one| shown(one, "kind")).collect();
    kinds.sort();
    let each =
        ["AMOUNT_DIFFERS", "DUPLICATE_THERE", "FEE_DIFFERS", "MISSING_HERE", "MISSING_THERE"];
    assert_eq!(kinds, each, "{found:?}");
    past.run(past.stage.stripe);
    assert_eq!(open_differences(past.database()), found);
    verified(past.database());
    past.accept(&first);
    for difference in &found {
        let how = if difference["kind"] == "FEE_DIFFERS" { "--explained" } else { "--book" };
        past.close(difference, how);
        verified(past.database());
    }
    past.assert_balances_agree(past.stage.stripe);
}

#[test]
fn a_balance_in_another_currency_is_compared_in_that_of_the_charge() {
    let past = Past::open();
    let settlement = json!({ "settlement": { "currency": "rwf", "rate": "1400" } });
    past.stage.control("/stripe/settings", &settlement);
    card_payments(&past, "USD", &["10.00", "20.00"]);
    past.today();
    let read = past.run(past.stage.stripe);
    assert_eq!(open_differences(past.database()), Vec::<Value>::new(), "{read}");
    assert_eq!(read["matched"], json!(2), "{read}");
    past.accept(&read);
    verified(past.database());
    past.assert_balances_agree(past.stage.stripe);
    // Nothing is left of the currency of the charges at the network; it is exchanged.
    assert_eq!(past.balance("CLEARING", "USD"), 0);
    assert!(past.balance("SETTLEMENT", "USD") != 0 && past.balance("SETTLEMENT", "RWF") != 0);
    // Money goes to the bank.
    past.stage.control("/stripe/payouts", &json!({ "currency": "rwf" }));
    let (account, from) = (past.stage.stripe.to_string(), days_ago(4));
    let to = days_ago(0);
    let run = ["reconcile", "run", "--account", &account, "--from", &from, "--to", &to];
    past.stage.fakes.advance(60);
    let read = told(past.database(), &run);
    assert_eq!(open_differences(past.database()), Vec::<Value>::new(), "{read}");
    past.accept(&read);
    verified(past.database());
    past.assert_balances_agree(past.stage.stripe);
}

#[test]
fn what_is_under_way_for_less_than_a_day_is_no_difference() {
    let past = Past::open();
    // Half an hour ago on the clock of pawaPay, which has it in a statement already.
    past.stage.fakes.advance(3 * 86_400 - 1_800);
    let line = json!({"currency": "USD", "country": "LBR", "minor": 700});
    change(&past, UNKNOWN, "ADD", &line);
    past.stage.fakes.advance(7_200);
    let (account, from) = (past.stage.pawapay.to_string(), days_ago(1));
    let to = days_ago(0);
    let run = ["reconcile", "run", "--account", &account, "--from", &from, "--to", &to];
    let read = told(past.database(), &run);
    assert_eq!((&read["under_way"], &read["differences"]), (&json!(1), &json!(0)), "{read}");
    assert_eq!(open_differences(past.database()), Vec::<Value>::new());
    verified(past.database());
}

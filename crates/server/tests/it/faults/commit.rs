//! The connection is lost at a commit. The broken connection alone does not tell whether the commit
//! was done.

use crate::support::proxy::{Cut, Proxy};
use crate::support::shop::GOOD;
use crate::support::{Database, id, json, key, number, on_postgres_only};
use crate::tamper::chained;
use serde_json::Value;

use super::{Setup, call_once, recovered, retried};

/// Tests the proxy itself: a transaction that was cut before its COMMIT is not in the database, one
/// that was cut after it is.
#[test]
fn the_door_cuts_where_it_says() {
    on_postgres_only!();
    let database = Database::new();
    database.sql("CREATE TABLE kept (n INTEGER)");
    let own = database.postgres();
    let proxy = Proxy::to(own.address());
    let connect = || {
        postgres::Client::connect(&own.url_at(&proxy.address), postgres::NoTls)
            .expect("a connection")
    };
    for (cut, rows) in [(None, "1"), (Some(Cut::BeforeCommit), "1"), (Some(Cut::AfterCommit), "2")]
    {
        let mut client = connect();
        if let Some(cut) = cut {
            proxy.cut_next(cut);
        }
        let mut reading = client.transaction().expect("a transaction");
        reading.query("SELECT n FROM kept", &[]).expect("rows");
        reading.commit().expect("nothing was written: nothing is cut");
        let mut writing = client.transaction().expect("a transaction");
        writing.execute("INSERT INTO kept VALUES ($1)", &[&1]).expect("a row");
        assert_eq!(writing.commit().is_ok(), cut.is_none());
        assert_eq!(database.value("SELECT count(*) FROM kept"), rows, "{cut:?}");
    }
    assert_eq!(proxy.cuts(), 2);
}

/// Executes a session while the connection is cut at the commit, and then again with the same key.
fn assert_truthful(kind: &str, cut: Cut) {
    let setup = Setup::build();
    let shop = &setup.shop;
    let session = match kind {
        "payout" => shop.open_payout(shop.momo("PAYOUT", GOOD), "USD", "100.00"),
        _ => shop.open_transfer(shop.customer(), "USD", "100.00"),
    };
    let reference = key();
    let body = json!({"session_id": id(&session.ok()), "reference_id": reference});
    let path = format!("/v1/executions/{kind}");
    setup.proxy.cut_next(cut);
    let first = call_once(&shop.api, "POST", &path, Some(&body));
    assert_eq!(setup.proxy.cuts(), 1, "no COMMIT was seen on its way: {}", first.body);
    // The server may have looked the commit up: then it answers 200, and the row is there.
    let kept = if first.status == 200 || cut == Cut::AfterCommit { "1" } else { "0" };
    assert_eq!(setup.executions(&reference), kept, "{cut:?}: {} {}", first.status, first.body);
    let second = retried(&shop.api, "POST", &path, Some(&body));
    recovered(shop);
    assert_eq!(shop.settled(kind, &second)["status"], "COMPLETED");
    assert_eq!(setup.executions(&reference), "1");
    shop.assert_balance("USD", if kind == "payout" { "99898.50" } else { "99900.00" }, "0.00");
    setup.server.verify_ledger();
}

#[test]
fn a_payout_whose_commit_did_not_arrive_is_made_once() {
    on_postgres_only!();
    assert_truthful("payout", Cut::BeforeCommit);
}

#[test]
fn a_payout_whose_commit_was_not_confirmed_is_made_once() {
    on_postgres_only!();
    assert_truthful("payout", Cut::AfterCommit);
}

#[test]
fn a_transfer_whose_commit_did_not_arrive_is_made_once() {
    on_postgres_only!();
    assert_truthful("transfer", Cut::BeforeCommit);
}

#[test]
fn a_transfer_whose_commit_was_not_confirmed_is_made_once() {
    on_postgres_only!();
    assert_truthful("transfer", Cut::AfterCommit);
}

/// The database cannot be asked about the commit for longer than the caller waits. The next request
/// with the same key finds out what happened. Meanwhile the server goes on, and does not give the
/// ids of that commit to other rows.
#[test]
fn a_commit_that_stays_without_an_answer_is_left_behind() {
    on_postgres_only!();
    let setup = Setup::build();
    let shop = &setup.shop;
    let customer = shop.customer();
    let open = || id(&shop.open_transfer(customer, "USD", "100.00").ok());
    let (body, next) = (
        json!({"session_id": open(), "reference_id": key()}),
        json!({"session_id": open(), "reference_id": key()}),
    );
    setup.proxy.cut_next(Cut::AfterCommitUntilOpened);
    call_once(&shop.api, "POST", "/v1/executions/transfer", Some(&body)).refused(503);
    assert_eq!(setup.proxy.cuts(), 1);
    setup.proxy.open();
    for body in [&next, &body, &body] {
        assert_eq!(
            retried(&shop.api, "POST", "/v1/executions/transfer", Some(body))["status"],
            "COMPLETED"
        );
    }
    recovered(shop);
    assert_eq!(setup.server.database.value("SELECT count(*) FROM executions"), "2");
    shop.assert_balance("USD", "99800.00", "0.00");
    setup.server.verify_ledger();
}

/// A lane does not know whether its last batch is there, and goes on from the one before it. The
/// chain is whole in both cases: with two batches that follow the same one, and with one that is
/// not there.
#[test]
fn a_commit_that_stays_without_an_answer_leaves_a_whole_chain() {
    on_postgres_only!();
    for cut in [Cut::BeforeCommitUntilOpened, Cut::AfterCommitUntilOpened] {
        let setup = Setup::build();
        let (shop, database) = (&setup.shop, &setup.server.database);
        let customer = shop.customer();
        let transfers: Vec<_> = (0..3)
            .map(|_| id(&shop.open_transfer(customer, "USD", "100.00").ok()))
            .map(|session| json!({"session_id": session, "reference_id": key()}))
            .collect();
        let path = "/v1/executions/transfer";
        let batches = || {
            let rows =
                database.rows("SELECT id, coalesce(previous_id, 0) FROM batches ORDER BY id");
            let number = |text: &String| text.parse::<i64>().expect("an id");
            rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect::<Vec<_>>()
        };
        let kept = |body: &Value| setup.executions(body["reference_id"].as_str().expect("a key"));
        retried(&shop.api, "POST", path, Some(&transfers[0]));
        chained(database);
        let before = batches();
        setup.proxy.cut_next(cut);
        call_once(&shop.api, "POST", path, Some(&transfers[1])).refused(503);
        assert_eq!(setup.proxy.cuts(), 1, "no COMMIT was seen on its way");
        let is_there = cut == Cut::AfterCommitUntilOpened;
        assert_eq!(kept(&transfers[1]), if is_there { "1" } else { "0" }, "{cut:?}");
        let unknown: Vec<_> =
            batches().into_iter().filter(|batch| !before.contains(batch)).collect();
        assert_eq!(unknown.len(), usize::from(is_there), "{cut:?}: {unknown:?}");
        setup.proxy.open();
        retried(&shop.api, "POST", path, Some(&transfers[2]));
        recovered(shop);
        if let Some((id, previous)) = unknown.first() {
            let all = batches();
            let beside = all.iter().filter(|(other, after)| other > id && after == previous);
            assert_eq!(beside.count(), 1, "{unknown:?} in {all:?}");
        }
        for body in &transfers {
            assert_eq!(retried(&shop.api, "POST", path, Some(body))["status"], "COMPLETED");
            assert_eq!(kept(body), "1");
        }
        shop.assert_balance("USD", "99700.00", "0.00");
        chained(database);
        let printed = setup.server.kola(&["ledger", "verify", "--json"]).ok();
        let report: Value = serde_json::from_str(&printed).expect("a document");
        let position = database.value("SELECT position FROM batch_chain");
        assert_eq!(report["chain"]["head"]["position"].to_string(), position, "{report}");
        assert_eq!(position, database.value("SELECT count(*) FROM batches"), "{cut:?}: {report}");
    }
}

/// The program itself must not repeat a command without a key that may have been done.
#[test]
fn money_is_added_at_most_once_however_the_commit_ends() {
    on_postgres_only!();
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let database = Database::new();
        let credentials = database.merchant("Shop");
        let wallet =
            credentials.wallets.iter().find(|(currency, _)| currency == "USD").expect("a wallet").1;
        let proxy = Proxy::to(database.postgres().address());
        let url = database.postgres().url_at(&proxy.address);
        proxy.cut_next(cut);
        let run = database.kola_at(
            &url,
            &["wallet", "fund", "--wallet", &wallet.to_string(), "--amount", "5.00"],
        );
        assert_eq!(proxy.cuts(), 1, "no COMMIT was seen on its way: {} {}", run.out, run.err);
        let held =
            database.value(&format!("SELECT available_minor FROM wallets WHERE id = {wallet}"));
        let expected = if run.code == Some(0) || cut == Cut::AfterCommit { "500" } else { "0" };
        assert_eq!(held, expected, "{cut:?}: {:?} {} {}", run.code, run.out, run.err);
        // Repeating the command with the printed key funds the wallet once.
        let key = run
            .err
            .split("the key of this funding is ")
            .nth(1)
            .and_then(|rest| rest.lines().next())
            .expect("a key");
        database
            .kola(&[
                "wallet",
                "fund",
                "--wallet",
                &wallet.to_string(),
                "--amount",
                "5.00",
                "--key",
                key,
            ])
            .ok();
        assert_eq!(
            database.value(&format!("SELECT available_minor FROM wallets WHERE id = {wallet}")),
            "500",
            "{cut:?}"
        );
        database.kola(&["ledger", "verify"]).ok();
    }
}

/// An invoice number that was given in an unconfirmed commit is not given again, and no number is
/// left out.
#[test]
fn numbers_have_no_gap_and_no_repeat_however_the_commit_ends() {
    on_postgres_only!();
    let setup = Setup::build();
    let year = setup.shop.year();
    let body = crate::support::shop::source_for(setup.shop.customer());
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        setup.proxy.cut_next(cut);
        let created = retried(&setup.shop.api, "POST", "/v1/invoices/create", Some(&body));
        let item = json!({"name": "x", "currency": "USD", "qty": 1, "amount": number("10.00")});
        retried(
            &setup.shop.api,
            "POST",
            &format!("/v1/invoices/{}/items/add", id(&created)),
            Some(&item),
        );
    }
    assert_eq!(setup.proxy.cuts(), 2);
    let rows = setup
        .server
        .database
        .rows("SELECT number FROM sources WHERE type = 'INVOICE' ORDER BY number");
    let expected: Vec<Vec<String>> =
        (1..=rows.len()).map(|n| vec![format!("INV-{year}-{n:05}")]).collect();
    assert!(rows.len() >= 2 && rows == expected, "{rows:?}");
    setup.server.verify_ledger();
}

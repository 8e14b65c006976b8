//! A ledger that was changed by hand: the database refuses the change, or `kola ledger verify`
//! finds it.

use store::schema::verify;
use store::workspace::codes::with_codes;
use store::workspace::sql::{Dialect, Sql};

use crate::networks::stage::{add_account, pawapay_secrets};
use crate::payment_link_pages::{link_with, pay};
use crate::people;
use crate::reconciliation::books::{HEAD, open_differences, told};
use crate::reviews;
use crate::support::payer::{Payer, until};
use crate::support::shop::{GOOD, ending};
use crate::support::{Server, json, key, open, shown, spawn, wait_for};

/// For each rule the SQL that breaks it.
const DAMAGE: &[(&str, &str)] = &[
    (
        "transaction does not balance",
        "UPDATE entries SET amount_minor = amount_minor + 1 WHERE bucket = {bucket AVAILABLE} AND amount_minor = 10000",
    ),
    ("transaction does not balance", "DELETE FROM entries WHERE bucket = {bucket AVAILABLE} AND amount_minor = 10000"),
    ("event positions have a gap", "DELETE FROM events WHERE position = 2"),
    ("event positions have a gap", "UPDATE event_positions SET last = last + 1"),
    ("events differ from what their subject counts", "UPDATE sessions SET event_count = event_count + 1"),
    ("events differ from what their subject counts", "UPDATE events SET sequence = sequence + 1000 WHERE subject_type = {event_entity EXECUTION}"),
    ("events differ from what their subject counts", "UPDATE executions SET event_count = 0"),
    ("events differ from what their subject counts", "UPDATE sources SET event_count = event_count - 1 WHERE event_count > 0"),
    ("events differ from what their subject counts", "UPDATE wallets SET event_count = event_count + 1"),
    ("events differ from what their subject counts", "UPDATE reviews SET event_count = event_count + 1"),
    ("events differ from what their subject counts", "UPDATE payment_links SET event_count = event_count + 1"),
    ("events differ from what their subject counts", "UPDATE webhook_endpoints SET event_count = event_count + 1"),
    ("events differ from what their subject counts", "DELETE FROM reviews"),
    ("webhook endpoints differ from what their merchant counts", "UPDATE event_positions SET endpoints = 0"),
    ("webhook endpoints differ from what their merchant counts", "UPDATE webhook_endpoints SET deleted_at = 1"),
    ("webhook endpoints differ from what their merchant counts", "DELETE FROM webhook_endpoints"),
    ("owners differ from what their merchant counts", "UPDATE merchants SET owners = owners + 1"),
    ("owners differ from what their merchant counts", "UPDATE memberships SET role = 'VIEWER'"),
    ("owners differ from what their merchant counts", "DELETE FROM memberships"),
    ("role or login of a person who is not there", "DELETE FROM users"),
    ("role or login of a person who is not there", "UPDATE logins SET user_id = -1"),
    ("row that cannot be read", "UPDATE memberships SET role = 'KING'"),
    ("row that cannot be read", "UPDATE users SET recovery_codes = 'x'"),
    ("delivery of a webhook to an endpoint that its merchant has not", "UPDATE webhook_deliveries SET endpoint_id = -1"),
    ("delivery of a webhook to an endpoint that its merchant has not", "UPDATE webhook_deliveries SET merchant_id = -1"),
    ("request for approval of a payment that is not waiting for it", "UPDATE executions SET status = {execution_status PROCESSING} WHERE waiting_for = 'approval'"),
    ("request for approval of a payment that is not waiting for it", "UPDATE provider_attempts SET gate = NULL WHERE gate = {gate APPROVAL}"),
    ("request for approval of a payment that is not waiting for it", "UPDATE approvals SET execution_id = (SELECT min(id) FROM executions) WHERE status = 'REQUESTED' AND id = (SELECT max(id) FROM approvals)"),
    ("payment that waits for approval and nobody was asked", "DELETE FROM approvals WHERE status = 'REQUESTED'"),
    ("open execution without a reason and a due time", "DELETE FROM approvals WHERE status = 'REQUESTED'"),
    ("payment that was refused and is not failed", "UPDATE approvals SET status = 'REFUSED' WHERE status = 'REQUESTED'"),
    ("approval by who requested it, or by nobody", "UPDATE approvals SET decided_by_kind = requested_by_kind, decided_by_id = requested_by_id, status = 'APPROVED'"),
    ("approval by who requested it, or by nobody", "UPDATE approvals SET decided_by_kind = NULL, decided_by_id = NULL, status = 'APPROVED'"),
    ("wallet with another sum of its last day's payouts and transfers", "UPDATE wallets SET sent_minor = sent_minor + 1"),
    ("wallet with another sum of its last day's payouts and transfers", "UPDATE wallets SET sent_day = 1 WHERE sent_minor > 0"),
    ("events differ from what their subject counts", "UPDATE events SET subject_type = {event_entity REVIEW} WHERE subject_type = {event_entity EXECUTION}"),
    (
        "events of a subject are in another order than their positions",
        "UPDATE events SET position = -position WHERE subject_type = {event_entity EXECUTION}",
    ),
    ("event of an API key that its merchant has not", "UPDATE events SET actor_id = 0 WHERE actor_id IS NOT NULL"),
    ("event of an API key that its merchant has not", "DELETE FROM api_keys"),
    ("event without its row in the audit", "DELETE FROM audit"),
    ("event without its row in the audit", "UPDATE audit SET actor_id = -1 WHERE actor_kind = {actor_kind API_KEY}"),
    ("audit of an API key that its merchant has not", "UPDATE audit SET actor_id = -1 WHERE actor_kind = {actor_kind API_KEY}"),
    ("audit of a person who was not there", "UPDATE audit SET actor_id = -1 WHERE actor_kind = {actor_kind USER}"),
    ("audit of a merchant that is not there", "UPDATE audit SET merchant_id = 99999999 WHERE merchant_id > 0"),
    ("row that cannot be read", "UPDATE audit SET changes = 'a\tb' WHERE changes IS NOT NULL"),
    ("row that cannot be read", "UPDATE audit SET address = 'nowhere' WHERE actor_kind = {actor_kind API_KEY}"),
    ("counter of ids below an id that is used", "UPDATE installation SET next_id = 1"),
    ("installation without its tariff", "DELETE FROM tariff"),
    ("row that cannot be read", "UPDATE events SET type = 77 WHERE type = {event_type execution.completed}"),
    ("row that cannot be read", "UPDATE events SET actor_kind = 77"),
    ("row that cannot be read", "UPDATE sessions SET recipient_type = 'PARTY' WHERE kind = {session_kind CHECKOUT}"),
    ("row that cannot be read", "UPDATE executions SET over_refunded_minor = NULL WHERE operation = {operation COLLECTION}"),
    ("row that cannot be read", "UPDATE executions SET payment_account_id = NULL WHERE operation = {operation COLLECTION}"),
    ("transaction without its event", "DELETE FROM events WHERE type = {event_type execution.completed}"),
    ("wallet balance differs from its entries", "UPDATE wallets SET available_minor = available_minor + 1"),
    ("wallet below zero", "UPDATE wallets SET available_minor = -1"),
    ("account balance differs from its entries", "UPDATE accounts SET balance_minor = balance_minor + 1"),
    ("account balance differs from its entries", "UPDATE accounts SET balance_rounds = balance_rounds - 1"),
    ("entry on an account that is not there", "UPDATE entries SET account_id = -1 WHERE bucket = {bucket SYSTEM}"),
    (
        "balances after the entries do not lead to the last one",
        "UPDATE entries SET balance_minor = balance_minor + 1 WHERE bucket = {bucket HELD}",
    ),
    (
        "balances after the entries do not lead to the last one",
        "UPDATE entries SET balance_minor = balance_minor + 1 WHERE id = (SELECT max(id) FROM entries WHERE bucket = {bucket SYSTEM})",
    ),
    ("broken chain of a wallet's entries", "UPDATE entries SET previous_entry_id = -1 WHERE previous_entry_id IS NOT NULL"),
    (
        "entries that the chain of their wallet does not reach",
        "UPDATE entries SET previous_entry_id = NULL WHERE bucket <> {bucket SYSTEM}",
    ),
    (
        "held money that no open execution holds",
        "UPDATE executions SET status = {execution_status FAILED} WHERE status = {execution_status PROCESSING} AND operation = {operation PAYOUT}",
    ),
    ("money on its way in that no open collection brings", "UPDATE wallets SET incoming_minor = incoming_minor + 1"),
    (
        "money on its way in that no open collection brings",
        "UPDATE executions SET status = {execution_status FAILED} WHERE status = {execution_status PROCESSING} AND operation = {operation COLLECTION}",
    ),
    (
        "open collection without the wallet that awaits it",
        "UPDATE wallets SET currency = 'EUR' WHERE incoming_minor > 0 AND owner_type = 'MERCHANT'",
    ),
    ("suspense differs from the open reviews", "UPDATE reviews SET amount_minor = amount_minor + 1"),
    ("suspense differs from the open reviews", "UPDATE accounts SET balance_rounds = 1 WHERE kind = 'SUSPENSE'"),
    ("open review without its suspense account", "DELETE FROM accounts WHERE kind = 'SUSPENSE'"),
    (
        "refunds differ from what their payment says",
        "UPDATE executions SET refunded_minor = refunded_minor - 1 WHERE refunded_minor > 0",
    ),
    (
        "what was given back differs from what its payment says",
        "UPDATE executions SET given_back_minor = given_back_minor + 1 WHERE given_back_minor > 0",
    ),
    (
        "what refunds took differs from what their payment says",
        "UPDATE executions SET released_minor = released_minor + 1 WHERE operation = {operation REFUND} AND payer_currency <> payee_currency",
    ),
    (
        "refunds that did not cost their share",
        "UPDATE executions SET refunded_total_minor = refunded_total_minor + 1
            WHERE refunded_total_minor > 0 AND payer_currency <> payee_currency",
    ),
    (
        "refunds that did not cost their share",
        "UPDATE executions SET refunded_total_minor = refunded_total_minor - 1
            WHERE refunded_total_minor > 0 AND payer_currency = payee_currency",
    ),
    ("figures of an execution that do not add up", "UPDATE executions SET released_minor = 1 WHERE operation = {operation PAYOUT}"),
    (
        "figures of an execution that do not add up",
        "UPDATE executions SET platform_fee_minor = platform_fee_minor + 1 WHERE operation = {operation PAYOUT}",
    ),
    (
        "fees settled differ from the execution",
        "DELETE FROM entries WHERE account_id IN (SELECT id FROM accounts WHERE kind = 'FEE_PLATFORM')",
    ),
    (
        "fees settled differ from the execution",
        "UPDATE entries SET amount_minor = amount_minor + 1
            WHERE execution_id = (SELECT id FROM executions WHERE settled_by_review_at IS NOT NULL)
            AND account_id IN (SELECT id FROM accounts WHERE kind = 'FEE_GATEWAY' AND currency = 'USD')",
    ),
    (
        "settled amount differs from the execution",
        "UPDATE executions SET payee_minor = payee_minor - 1 WHERE settled_by_review_at IS NOT NULL",
    ),
    (
        "refunds differ from what their payment says",
        "UPDATE executions SET refunded_minor = 1 WHERE settled_by_review_at IS NOT NULL",
    ),
    (
        "what was given back differs from what its payment says",
        "UPDATE executions SET given_back_minor = 1 WHERE settled_by_review_at IS NOT NULL",
    ),
    (
        "amount at the provider differs from the execution",
        "UPDATE entries SET amount_minor = amount_minor - 1
            WHERE account_id IN (SELECT id FROM accounts WHERE kind = 'CLEARING')",
    ),
    ("failed execution without its event", "DELETE FROM events WHERE type = {event_type execution.failed}"),
    (
        "review of a passed deadline on a final execution",
        "UPDATE reviews SET kind = 'DEADLINE_PASSED' WHERE kind = 'SUCCESS_AFTER_FAILURE'",
    ),
    ("open dispute without its mark", "UPDATE executions SET in_review = 0"),
    ("dispute without an open review", "UPDATE executions SET in_review = 1 WHERE status = {execution_status COMPLETED}"),
    ("total of a source differs from its items", "UPDATE source_items SET qty = qty + 1"),
    ("closed wallet with money", "UPDATE wallets SET status = 'CLOSED' WHERE available_minor > 0"),
    (
        "last entry of a wallet is not the end of its chain",
        "UPDATE wallets SET last_entry_id =
            (SELECT min(id) FROM entries WHERE bucket <> {bucket SYSTEM} AND account_id = wallets.id)",
    ),
    ("refunds exceed their payment", "UPDATE executions SET refunded_minor = payer_minor + 1 WHERE operation = {operation COLLECTION}"),
    (
        "paid source without the collection that paid it",
        "UPDATE sources SET status = 'ACTIVE', paid_at = NULL WHERE status = 'PAID'",
    ),
    (
        "paid source without the collection that paid it",
        "UPDATE sources SET status = 'ACTIVE', paid_at = NULL
            WHERE id = (SELECT source_id FROM executions WHERE settled_by_review_at IS NOT NULL)",
    ),
    (
        "paid source without the collection that paid it",
        "UPDATE executions SET settled_by_review_at = NULL WHERE settled_by_review_at IS NOT NULL",
    ),
    ("paid source without the collection that paid it", "UPDATE sources SET status = 'PAID' WHERE status = 'ACTIVE'"),
    ("open reviews differ from what their wallet says", "UPDATE wallets SET open_reviews = open_reviews + 1"),
    ("open reviews differ from what their source says", "UPDATE sources SET open_reviews = 0 WHERE open_reviews = 1"),
    (
        "collection settled by a review without exactly one settlement",
        "DELETE FROM events WHERE type = {event_type execution.settled_by_review}",
    ),
    (
        "collection settled by a review without exactly one settlement",
        "UPDATE executions SET settled_by_review_at = updated_at WHERE operation = {operation PAYOUT}",
    ),
    (
        "amount from suspense differs from the execution",
        "UPDATE entries SET amount_minor = amount_minor + 1 WHERE amount_minor = -4120",
    ),
    (
        "source in PROCESSING without exactly one open collection",
        "UPDATE sources SET status = 'ACTIVE' WHERE status = 'PROCESSING'",
    ),
    ("uses of a payment link differ from its orders", "UPDATE payment_links SET uses_paid = uses_paid + 1"),
    ("uses of a payment link differ from its orders", "UPDATE payment_links SET uses_reserved = 0 WHERE uses_reserved = 1"),
    (
        "uses of a payment link differ from its orders",
        "UPDATE sources SET payment_link_id = NULL WHERE payment_link_id IS NOT NULL AND status = 'PAID'",
    ),
    ("payment link with more uses than it may have", "UPDATE payment_links SET max_uses = 1"),
    ("order that does not fit its payment link", "UPDATE sources SET fee_bearer = 'PAYER' WHERE payment_link_id IS NOT NULL"),
    ("order that does not fit its payment link", "UPDATE sources SET type = 'INVOICE' WHERE payment_link_id IS NOT NULL"),
    ("order that does not fit its payment link", "UPDATE payment_links SET currency = 'LRD'"),
    ("order that does not fit its payment link", "UPDATE payment_links SET total_minor = total_minor + 1"),
    ("order that does not fit its payment link", "UPDATE sources SET payment_link_id = -1 WHERE payment_link_id IS NOT NULL"),
    ("open order of a payment link without its end", "UPDATE sources SET cancel_at = NULL WHERE cancel_at IS NOT NULL"),
    ("open order of a payment link without its end", "UPDATE sources SET cancel_at = updated_at WHERE status = 'PAID'"),
    ("total of a payment link differs from its items", "UPDATE payment_link_items SET qty = qty + 1"),
    ("total of a payment link differs from its items", "DELETE FROM payment_link_items WHERE position = 0"),
    ("total of a payment link differs from its items", "UPDATE payment_links SET item_count = item_count + 1"),
    ("session and execution contradict each other", "UPDATE sessions SET status = {session_status EXPIRED} WHERE status = {session_status EXECUTED}"),
    ("execution without its session", "DELETE FROM sessions WHERE status = {session_status EXECUTED}"),
    (
        "completed execution without exactly one settlement",
        "UPDATE executions SET status = {execution_status FAILED}, completed_at = NULL WHERE status = {execution_status COMPLETED}",
    ),
    (
        "execution with two finals",
        "INSERT INTO events (id, merchant_id, type, subject_type, subject_id, position, sequence, created_at)
            SELECT -id, merchant_id, {event_type execution.failed}, subject_type, subject_id, position + 1000, sequence + 1000,
            created_at FROM events
            WHERE type = {event_type execution.completed}",
    ),
    (
        "settled amount differs from the execution",
        "UPDATE executions SET payee_minor = payee_minor - 1 WHERE operation = {operation COLLECTION} AND status = {execution_status COMPLETED}",
    ),
    (
        "settled amount differs from the execution",
        "UPDATE executions SET released_minor = released_minor + 1 WHERE operation = {operation REFUND} AND payer_currency <> payee_currency",
    ),
    (
        "amount on the second wallet differs from the execution",
        "UPDATE entries SET account_id = (SELECT id FROM wallets WHERE owner_type = 'MERCHANT' AND currency = 'USD')
            WHERE bucket = {bucket AVAILABLE} AND account_id = (SELECT counter_wallet_id FROM executions WHERE operation = {operation TRANSFER} AND status = {execution_status COMPLETED})",
    ),
    (
        "amount on the second wallet differs from the execution",
        "UPDATE executions SET counter_wallet_id = (SELECT id FROM wallets WHERE owner_type = 'MERCHANT' AND currency = 'LRD')
            WHERE operation = {operation TRANSFER}",
    ),
    ("open execution without a reason and a due time", "UPDATE executions SET waiting_for = NULL WHERE status = {execution_status PROCESSING}"),
    ("final execution whose network is asked", "UPDATE provider_attempts SET next_check_at = 1 WHERE next_check_at IS NULL"),
    ("final execution whose network is asked", "UPDATE provider_attempts SET client_secret = 's' WHERE next_check_at IS NULL"),
    ("execution through a network without its attempt", "DELETE FROM provider_attempts"),
    ("execution through a network without its attempt", "UPDATE provider_attempts SET merchant_id = 0"),
    ("attempt that waits at a gate and was sent, or is over", "UPDATE provider_attempts SET gate = {gate RATE}"),
    ("completed execution that was never sent", "UPDATE provider_attempts SET send_count = 0"),
    ("completed execution that was never sent", "UPDATE provider_attempts SET sent_at = NULL"),
    ("request at a network with the id of another", "UPDATE provider_attempts SET request_id = (SELECT min_id FROM (SELECT request_id AS min_id FROM provider_attempts ORDER BY execution_id LIMIT 1) AS first)"),
    ("attempt at an account that is not its network's", "DELETE FROM network_accounts"),
    ("attempt at an account that is not its network's", "UPDATE provider_attempts SET network_account_id = 5 - network_account_id"),
    ("attempt at an account that is not its network's", "UPDATE provider_attempts SET network_account_id = network_account_id + 2"),
    (
        "money at a network is booked at another account than its attempt's",
        "UPDATE accounts SET network_account_id = network_account_id + 2 WHERE kind = 'CLEARING'",
    ),
    ("money at a network is booked at another account than its attempt's", "UPDATE entries SET execution_id = NULL"),
    ("attempt without its execution", "UPDATE provider_attempts SET execution_id = -execution_id"),
    ("open execution without a reason and a due time", "UPDATE provider_attempts SET next_check_at = NULL"),
    ("invoice or order numbers with a gap", "UPDATE counters SET last = last + 1"),
    (
        "market with two rows at once",
        "INSERT INTO markets (id, method, provider, operation, currency, country, network_code, display_name, decimals)
            SELECT id + 1000, method, provider, operation, currency, country, network_code, display_name, decimals
            FROM markets",
    ),
    (
        "method with two networks at once",
        "UPDATE markets SET provider = 'STRIPE' WHERE id = (SELECT min(id) FROM markets WHERE method = 'MTN_MOMO_LBR')",
    ),
    (
        "method with two codes or names at once",
        "UPDATE markets SET network_code = 'MTN' WHERE id = (SELECT min(id) FROM markets WHERE method = 'MTN_MOMO_LBR')",
    ),
    (
        "phone prefix with two rows at once",
        "INSERT INTO phone_prefixes (id, prefix, digits, carrier, country, method)
            SELECT id + 1000, prefix, digits, carrier, country, method FROM phone_prefixes",
    ),
    (
        "payer's amount is not the total at its rate, rounded up",
        "UPDATE executions SET rate_num = 101, rate_den = 100 WHERE operation = {operation COLLECTION}",
    ),
    (
        "payer's amount is not the total at its rate, rounded up",
        "UPDATE sources SET fee_bearer = 'PAYEE' WHERE status = 'PAID'",
    ),
    (
        "fee is not what its row comes to",
        "UPDATE executions SET gateway_fee_minor = gateway_fee_minor + 1, platform_fee_minor = platform_fee_minor - 1
            WHERE operation = {operation PAYOUT}",
    ),
    (
        "fee is not what its row comes to",
        "UPDATE executions SET fx_fee_minor = fx_fee_minor + 1 WHERE operation = {operation COLLECTION}",
    ),
    ("fee is not what its row comes to", "UPDATE executions SET gateway_fee_id = NULL WHERE operation = {operation COLLECTION}"),
    ("fee is not what its row comes to", "UPDATE executions SET gateway_fee_id = (SELECT min(id) FROM gateway_fees) WHERE operation = {operation PAYOUT}"),
    ("rows differ from the batch that inserted them", "UPDATE events SET note = 'x' WHERE type = {event_type execution.completed}"),
    ("row that no batch inserted", "DELETE FROM batches"),
    ("batch does not follow the one before of its lane", "UPDATE batches SET created_at = created_at + 1"),
    ("batch does not follow the one before of its lane", "UPDATE batches SET digest_1 = digest_2"),
    ("chain of batches is broken", "UPDATE batch_chain SET position = position + 1"),
    (
        "accounts of the installation differ from its statements",
        "UPDATE statement_lines SET fee_minor = fee_minor + 1 WHERE event_id IS NOT NULL AND fee_minor > 0",
    ),
    (
        "accounts of the installation differ from its statements",
        "UPDATE statement_lines SET amount_minor = amount_minor + 1 WHERE kind = {line_kind TOP_UP}",
    ),
    (
        "accounts of the installation differ from its statements",
        "UPDATE statement_differences SET theirs_minor = theirs_minor + 1 WHERE resolution = 'BOOKED'",
    ),
    (
        "accounts of the installation differ from its statements",
        "UPDATE accounts SET balance_minor = balance_minor + 1 WHERE kind = 'DIFFERENCE'",
    ),
    ("account of the installation at a merchant", "UPDATE accounts SET merchant_id = 1 WHERE kind = 'SETTLEMENT'"),
    (
        "line of a statement booked without being accepted",
        "UPDATE statements SET accepted_at = NULL WHERE accepted_at IS NOT NULL",
    ),
    (
        "line of a statement booked without being accepted",
        "UPDATE statement_lines SET standing = {line_standing UNDER_WAY} WHERE event_id IS NOT NULL",
    ),
    ("line of a statement booked without being accepted", "UPDATE statement_lines SET event_id = -1 WHERE event_id IS NOT NULL"),
    ("line of a statement booked without being accepted", "DELETE FROM statements"),
    (
        "line of a statement about a payment that is not there",
        "UPDATE statement_lines SET execution_id = -1, merchant_id = 1 WHERE id = (SELECT min(id) FROM statement_lines)",
    ),
    (
        "line of a statement that differs without its difference",
        "UPDATE statement_differences SET status = 'CLOSED', resolution = 'AGREED', evidence = 'x', closed_at = 1 WHERE status = 'OPEN'",
    ),
    (
        "line of a statement that differs without its difference",
        "UPDATE statement_lines SET standing = {line_standing MATCHED} WHERE standing = {line_standing DIFFERS}",
    ),
    ("difference of a statement without what it is about", "UPDATE statement_differences SET statement_id = -1"),
    ("difference of a statement without what it is about", "UPDATE statement_differences SET line_id = NULL"),
    ("difference of a statement without what it is about", "UPDATE statement_differences SET kind = 'MISSING_THERE'"),
    ("difference of a statement without what it is about", "UPDATE statement_differences SET event_id = -1 WHERE event_id IS NOT NULL"),
    ("installation without the rows of its checks", "DELETE FROM installation_checks WHERE kind = 'BACKUP'"),
    ("fee is not what its row comes to", "UPDATE platform_fees SET percentage_ppm = 20000 WHERE operation = 'COLLECTION'"),
];

/// Disables triggers, foreign keys and checks until the end of the transaction.
pub(crate) const DEFENCELESS: &str = "SET LOCAL session_replication_role = replica;
    DO $$ DECLARE defence record; BEGIN
        FOR defence IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
            WHERE contype = 'c' AND connamespace = 'public'::regnamespace
        LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', defence.place, defence.conname); END LOOP;
    END $$";
pub(crate) const DEFENCELESS_SQLITE: &str =
    "DROP TRIGGER entries_are_not_changed; DROP TRIGGER entries_are_not_removed;
    DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed;
    DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_removed";

/// A server with executions of every kind: paid and refunded, open, failed, and failed but paid
/// after all; and with a payment link.
fn traded() -> Server {
    let (mut server, shop) = spawn();
    let paid = shop.paid_hundred();
    shop.refund(&paid, "10.00");
    let rwandan = shop.account(shop.party(), "COLLECTION", "MTN_MOMO_RWA", Some("250780000001"));
    let exchanged =
        shop.collect(shop.checkout(shop.invoice("USD", "10.00")), rwandan, "RWF", &key()).ok();
    shop.refund(&exchanged, "100");
    shop.refund(&exchanged, "5");
    shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    assert_eq!(shop.transfer(shop.customer(), "USD", "5.00")["status"], "COMPLETED");
    assert_eq!(
        shop.send(shop.momo("PAYOUT", &ending("129")), "USD", "10.00")["status"],
        "PROCESSING"
    );
    let card = shop.account(
        shop.party(),
        "COLLECTION",
        "CREDIT_CARD",
        Some("pm_card_authenticationRequired"),
    );
    assert_eq!(shop.take(card, "USD", "20.00")["status"], "PROCESSING");
    // A payment link with an order that is paid and one that is being paid.
    let link = link_with(&shop, &json!({"max_uses": 2}));
    for (digits, state) in [("100", "Paid"), ("129", "Check your phone")] {
        let mut payer = Payer::new(&server);
        pay(&mut payer, &link, &ending(digits));
        until(&mut payer, state);
    }
    // A collection that a review has settled, and one with an open review.
    for amount in ["40.00", "30.00"] {
        let failed = shop.take(shop.momo("COLLECTION", &ending("179")), "USD", amount);
        assert_eq!(failed["status"], "FAILED");
        let review =
            wait_for("the review", || reviews::find(&server, &shown(&failed, "reference_id")));
        if amount == "40.00" {
            reviews::resolve(&server, &review, &["--to", "wallet", "--evidence", "statement"]).ok();
        }
    }
    // A payout and a transfer that wait for a second person.
    let merchant = shop.credentials.merchant_id.to_string();
    let limits = ["merchant", "limits", "--merchant", &merchant, "--currency", "USD"];
    server.kola(&[&limits[..], &["--payment", "0", "--bind-api-keys", "true"]].concat()).ok();
    let payout = shop.send(shop.momo("PAYOUT", GOOD), "USD", "1.00");
    let transfer = shop.transfer(shop.customer(), "USD", "1.00");
    for held in [payout, transfer] {
        assert_eq!(held["waiting_for"], "approval");
    }
    reconciled(&server);
    shop.told();
    people::owner(&server, &shop, "ama@shop.example");
    assert_eq!(server.terminate(), Some(0));
    server.verify_ledger();
    server
}

/// A statement of an account at a network that is accepted, with a difference that is booked and one that
/// is open.
fn reconciled(server: &Server) {
    let database = &server.database;
    if database.secrets_key().is_none() {
        database.make_secrets_key();
    }
    let which = ["--network", "pawapay", "--name", "mobile", "--base-url", "http://127.0.0.1:1"];
    let (account, _) = add_account(database, &which, &pawapay_secrets());
    let lines = [
        HEAD,
        "2026-10-01T10:00:00Z,,TOP UP,1000.00,USD,0.50",
        "2026-10-02T10:00:00Z,8917c345-4791-4285-a416-62f24b6982db,DEPOSIT,10.00,USD,0.10",
        "2026-10-03T10:00:00Z,9917c345-4791-4285-a416-62f24b6982db,DEPOSIT,10.00,USD,0.10",
    ];
    let path = database.dir.path().join("statement.csv");
    std::fs::write(&path, lines.join("\n")).expect("a file");
    let (path, account) = (path.display().to_string(), account.to_string());
    let read = told(database, &["reconcile", "import", &path, "--account", &account]);
    told(database, &["reconcile", "accept", &shown(&read, "id")]);
    let difference = shown(&open_differences(database)[0], "id");
    told(database, &["reconcile", "close", &difference, "--book", "--evidence", "a mail"]);
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let server = traded();
    let place: store::Database = server.database.url().parse().expect("a URL");
    let mut sql = place.open_as_it_is().expect("the database");
    let sql: &mut dyn Sql = sql.as_mut();
    let defenceless = match sql.dialect() {
        Dialect::Sqlite => {
            sql.script("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
                .expect("no checks");
            DEFENCELESS_SQLITE
        }
        Dialect::Postgres => DEFENCELESS,
    };
    for (rule, damage) in DAMAGE {
        sql.script(&format!("BEGIN; {defenceless}")).expect("no defence");
        let changed = sql
            .execute(&with_codes(damage), &vec![])
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert!(changed > 0, "{rule}: nothing was damaged");
        let report = verify::check_all(sql).unwrap_or_else(|error| panic!("{rule}: {error}"));
        let broken: Vec<&str> = report.violations.iter().map(|(rule, _)| *rule).collect();
        assert!(broken.contains(rule), "{damage}: {broken:?}");
        sql.script("ROLLBACK").expect("all as before");
    }
    assert_eq!(verify::check_all(sql).expect("a report").violations, []);
    let untried: Vec<&str> =
        verify::rules().filter(|rule| DAMAGE.iter().all(|(tried, _)| tried != rule)).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

#[test]
fn what_was_found_is_told_with_its_place() {
    let server = traded();
    server.database.damage(
        "UPDATE wallets SET available_minor = available_minor + 1 WHERE available_minor > 1000",
    );
    let run = server.kola(&["ledger", "verify"]);
    assert_eq!(run.code, Some(1), "{} {}", run.out, run.err);
    let said = run.refused();
    assert!(
        said.contains("wallet balance differs from its entries")
            && said.contains("its entries say"),
        "{said}"
    );
}

#[test]
fn the_database_itself_keeps_the_ledger_append_only() {
    let (server, shop) = open();
    shop.paid_hundred();
    for change in [
        "UPDATE entries SET amount_minor = amount_minor + 1",
        "DELETE FROM entries",
        "UPDATE events SET note = 'x'",
        "UPDATE audit SET changes = NULL",
        "DELETE FROM audit",
        "DELETE FROM events",
    ] {
        let refused = server.database.try_sql(change).expect_err(change);
        assert!(refused.contains("append-only"), "{change}: {refused}");
    }
    server.verify_ledger();
}

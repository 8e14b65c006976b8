//! `kola ledger verify`: recomputes balances and totals from the ledger's entries and compares them
//! with what is stored.
//!
//! Each check is one query that finds violations. None of them shares code with the decisions, so
//! that verification is a second opinion. Each sees a live database at one point in time; they may be
//! made over several connections at once. Fees and the cost of refunds need longer integers than SQL has:
//! [`fairness`] and [`shares`] check them. What no query could compare is found by [`readable`].

pub mod chain;
pub(crate) mod fairness;
pub(crate) mod readable;
pub(crate) mod shares;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;
use domain::ledger::account::ROUND;

use crate::StoreError;
use crate::progress::{self, Unit};
use crate::schema::verify::chain::{ChainCheck, ChainReport};
use crate::workspace::codes::with_codes;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::{Dialect, OwnedRow, Purpose, Sql, transaction};

/// A rule, and the query that finds the rows that break it, with codes in the form of
/// [`with_codes`]. The first column of its result is a text that names the row.
struct Check {
    name: &'static str,
    sql: &'static str,
}

const CHECKS: &[Check] = &[
    Check {
        name: "transaction does not balance",
        sql: "SELECT 'transaction ' || transaction_id || ' ' || currency || ' sums to ' || sum(amount_minor) FROM entries \
              GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0",
    },
    Check {
        name: "transaction without its event",
        sql: "SELECT 'entry ' || entries.id FROM entries LEFT JOIN events ON events.id = entries.transaction_id WHERE events.id IS NULL",
    },
    Check {
        name: "wallet balance differs from its entries",
        sql: "SELECT 'wallet ' || wallets.id || ' has ' || available_minor || ' and ' || held_minor || ', its entries say ' \
              || coalesce(a, 0) || ' and ' || coalesce(h, 0) FROM wallets LEFT JOIN (SELECT account_id, \
              sum(CASE bucket WHEN {bucket AVAILABLE} THEN amount_minor ELSE 0 END) AS a, \
              sum(CASE bucket WHEN {bucket HELD} THEN amount_minor ELSE 0 END) AS h \
              FROM entries WHERE bucket <> {bucket SYSTEM} GROUP BY account_id) AS f ON f.account_id = wallets.id \
              WHERE available_minor <> coalesce(a, 0) OR held_minor <> coalesce(h, 0)",
    },
    Check {
        name: "wallet below zero",
        sql: "SELECT 'wallet ' || id FROM wallets WHERE available_minor < 0 OR held_minor < 0",
    },
    Check {
        name: "account balance differs from its entries",
        // A balance is counted in rounds of 4,000,012,000 × 10^9 minor units, and the sum of all
        // entries may not fit into 64 bits. So the multiples of 10^9 and the remainders are summed
        // separately.
        sql: "SELECT 'account ' || accounts.id || ' ' || kind || ' ' || accounts.currency || ' has ' || balance_minor \
              || ' and ' || balance_rounds || ' rounds, its entries say ' || coalesce(h, 0) || ' milliards and ' || coalesce(l, 0) \
              FROM accounts LEFT JOIN (SELECT account_id, sum(amount_minor / 1000000000) AS h, sum(amount_minor % 1000000000) AS l \
              FROM entries WHERE bucket = {bucket SYSTEM} GROUP BY account_id) AS f ON f.account_id = accounts.id \
              WHERE (coalesce(h, 0) - balance_minor / 1000000000 - balance_rounds * 4000012000) * 1000000000 \
              + coalesce(l, 0) - balance_minor % 1000000000 <> 0",
    },
    Check {
        name: "entry on an account that is not there",
        sql: "SELECT 'entry ' || e.id FROM entries AS e LEFT JOIN wallets AS w ON e.bucket <> {bucket SYSTEM} AND w.id = e.account_id \
              LEFT JOIN accounts AS a ON e.bucket = {bucket SYSTEM} AND a.id = e.account_id \
              WHERE coalesce(w.id, a.id) IS NULL OR coalesce(w.currency, a.currency) <> e.currency \
              OR coalesce(w.merchant_id, a.merchant_id) <> e.merchant_id",
    },
    Check {
        // Each entry stores the balance after it. The entries cannot be compared one after the
        // other: on PostgreSQL each process has its own block of ids, so ids do not tell the order.
        // But in any order the steps f(after) - f(before) must add up to f(last balance). A linear
        // f would only repeat the check of the sum above, so f is a square. The squares are of
        // remainders, which fit into 64 bits; about one in half a million wrong balances has the
        // same square. ROUND is a multiple of the divisor, so that a round more or less does not
        // change them.
        name: "balances after the entries do not lead to the last one",
        sql: "SELECT CASE s.bucket WHEN {bucket SYSTEM} THEN 'account ' ELSE 'wallet ' END || s.account_id || ' ' || s.bucket \
              FROM (SELECT account_id, bucket, sum(after * after - before * before) AS steps FROM (SELECT account_id, bucket, \
              (balance_minor % 1000003 + 1000003) % 1000003 AS after, \
              ((balance_minor - amount_minor) % 1000003 + 1000003) % 1000003 AS before FROM entries) AS e \
              GROUP BY account_id, bucket) AS s \
              LEFT JOIN wallets AS w ON s.bucket <> {bucket SYSTEM} AND w.id = s.account_id \
              LEFT JOIN accounts AS a ON s.bucket = {bucket SYSTEM} AND a.id = s.account_id \
              WHERE s.steps <> CASE s.bucket WHEN {bucket AVAILABLE} THEN (w.available_minor % 1000003) * (w.available_minor % 1000003) \
              WHEN {bucket HELD} THEN (w.held_minor % 1000003) * (w.held_minor % 1000003) \
              ELSE ((a.balance_minor % 1000003 + 1000003) % 1000003) * ((a.balance_minor % 1000003 + 1000003) % 1000003) END",
    },
    Check {
        name: "broken chain of a wallet's entries",
        sql: "SELECT 'entry ' || e.id FROM entries AS e LEFT JOIN entries AS p ON p.id = e.previous_entry_id \
              WHERE e.bucket <> {bucket SYSTEM} AND e.previous_entry_id IS NOT NULL \
              AND (p.id IS NULL OR p.account_id <> e.account_id OR p.bucket = {bucket SYSTEM})",
    },
    Check {
        name: "entries that the chain of their wallet does not reach",
        sql: "SELECT 'wallet ' || account_id || ' has ' || count(*) || ' entries, ' || count(previous_entry_id) || ' links' \
              FROM entries WHERE bucket <> {bucket SYSTEM} GROUP BY account_id \
              HAVING count(*) <> count(DISTINCT previous_entry_id) + 1",
    },
    Check {
        name: "held money that no open execution holds",
        sql: "SELECT 'wallet ' || w.id || ' holds ' || w.held_minor || ', open executions ' || coalesce(o.s, 0) FROM wallets AS w \
              LEFT JOIN (SELECT wallet_id, sum(payer_minor) AS s FROM executions \
              WHERE status IN ({execution_status PENDING}, {execution_status PROCESSING}) AND operation <> {operation COLLECTION} GROUP BY wallet_id) AS o \
              ON o.wallet_id = w.id WHERE w.held_minor <> coalesce(o.s, 0)",
    },
    Check {
        name: "money on its way in that no open collection brings",
        sql: "SELECT 'wallet ' || w.id || ' awaits ' || w.incoming_minor || ', open collections ' || coalesce(o.s, 0) \
              FROM wallets AS w LEFT JOIN (SELECT merchant_id, payee_currency, sum(payee_minor) AS s FROM executions \
              WHERE status IN ({execution_status PENDING}, {execution_status PROCESSING}) AND operation = {operation COLLECTION} AND provider <> 'PLATFORM' \
              GROUP BY merchant_id, payee_currency) AS o ON w.owner_type = 'MERCHANT' AND o.merchant_id = w.owner_id \
              AND o.payee_currency = w.currency WHERE w.incoming_minor <> coalesce(o.s, 0)",
    },
    Check {
        name: "open collection without the wallet that awaits it",
        sql: "SELECT 'execution ' || e.id FROM executions AS e LEFT JOIN wallets AS w ON w.owner_type = 'MERCHANT' \
              AND w.owner_id = e.merchant_id AND w.currency = e.payee_currency \
              WHERE e.status IN ({execution_status PENDING}, {execution_status PROCESSING}) AND e.operation = {operation COLLECTION} AND e.provider <> 'PLATFORM' AND w.id IS NULL",
    },
    Check {
        // Summed in multiples of 10^9 and remainders, as above.
        name: "suspense differs from the open reviews",
        sql: "SELECT 'merchant ' || a.merchant_id || ' ' || a.currency || ' has ' || a.balance_minor || ' and ' || a.balance_rounds \
              || ' rounds in suspense, open reviews say ' || coalesce(r.h, 0) || ' milliards and ' || coalesce(r.l, 0) \
              FROM accounts AS a LEFT JOIN (SELECT merchant_id, currency, sum(amount_minor / 1000000000) AS h, \
              sum(amount_minor % 1000000000) AS l FROM reviews WHERE status = 'OPEN' GROUP BY merchant_id, currency) AS r \
              ON r.merchant_id = a.merchant_id AND r.currency = a.currency WHERE a.kind = 'SUSPENSE' \
              AND (coalesce(r.h, 0) - a.balance_minor / 1000000000 - a.balance_rounds * 4000012000) * 1000000000 \
              + coalesce(r.l, 0) - a.balance_minor % 1000000000 <> 0",
    },
    Check {
        name: "open review without its suspense account",
        sql: "SELECT 'review ' || r.id FROM reviews AS r LEFT JOIN accounts AS a \
              ON a.kind = 'SUSPENSE' AND a.merchant_id = r.merchant_id AND a.currency = r.currency \
              WHERE r.status = 'OPEN' AND r.amount_minor <> 0 AND a.id IS NULL",
    },
    Check {
        // A refund counts with what its payer has of it, and while it is open with no less than was
        // asked for. The payment itself counts with what its provider took back. What a review
        // settled is the review's money. The CAST gives the id a type: without one SQLite scans all
        // rows instead of looking the id up.
        name: "refunds differ from what their payment says",
        sql: "SELECT 'execution ' || c.id || ' says ' || c.refunded_minor || ', its refunds ' || coalesce(r.p, 0) FROM executions AS c \
              LEFT JOIN (SELECT id, sum(CASE WHEN has > at_least THEN has ELSE at_least END) AS p FROM ( \
              SELECT CAST(coalesce(e.original_execution_id, e.id) AS BIGINT) AS id, \
              CASE WHEN e.operation = {operation REFUND} AND e.status = {execution_status COMPLETED} THEN e.payee_minor \
              WHEN e.settled_by_review_at IS NOT NULL THEN e.payer_minor ELSE 0 END \
              - CASE WHEN e.operation = {operation REFUND} OR e.settled_by_review_at IS NOT NULL \
              OR (e.operation = {operation COLLECTION} AND e.status = {execution_status COMPLETED}) THEN coalesce(sum(CASE WHEN v.currency = CASE e.operation WHEN {operation REFUND} THEN e.payee_currency \
              ELSE e.payer_currency END THEN v.kept ELSE 0 END), 0) ELSE 0 END AS has, \
              max(CASE WHEN e.operation = {operation REFUND} AND (e.status IN ({execution_status PENDING}, {execution_status PROCESSING}) \
              OR (e.status = {execution_status COMPLETED} AND v.open = 1) OR (v.currency <> e.payee_currency AND v.kept <> 0)) \
              THEN e.payee_minor ELSE 0 END) AS at_least \
              FROM executions AS e LEFT JOIN ( \
              SELECT execution_id, currency, max(CASE status WHEN 'OPEN' THEN 1 ELSE 0 END) AS open, \
              sum(earlier_minor - earlier_returned_minor + CASE WHEN resolution = 'to payer' THEN 0 ELSE amount_minor END) AS kept \
              FROM reviews WHERE kind <> 'DEADLINE_PASSED' GROUP BY execution_id, currency \
              ) AS v ON v.execution_id = e.id \
              WHERE e.operation = {operation REFUND} OR e.id IN (SELECT execution_id FROM reviews) GROUP BY e.id) AS one GROUP BY id) \
              AS r ON r.id = c.id \
              WHERE c.refunded_minor <> CASE WHEN coalesce(r.p, 0) < c.payer_minor THEN coalesce(r.p, 0) ELSE c.payer_minor END \
              OR c.refunded_minor + c.over_refunded_minor <> coalesce(r.p, 0)",
    },
    Check {
        // Given back for good: by completed refunds, and by what resolved reviews took from the
        // wallet or gave to it.
        name: "what was given back differs from what its payment says",
        sql: "SELECT 'execution ' || c.id || ' says ' || c.given_back_minor || ', its refunds ' || coalesce(r.back, 0) \
              FROM executions AS c LEFT JOIN (SELECT id, sum(CASE WHEN has > 0 THEN has ELSE 0 END) AS back FROM ( \
              SELECT CAST(coalesce(e.original_execution_id, e.id) AS BIGINT) AS id, \
              CASE WHEN e.operation = {operation REFUND} AND e.status = {execution_status COMPLETED} THEN e.payee_minor \
              WHEN e.settled_by_review_at IS NOT NULL THEN e.payer_minor ELSE 0 END \
              - coalesce(sum(CASE WHEN v.currency = CASE e.operation WHEN {operation REFUND} THEN e.payee_currency \
              ELSE e.payer_currency END THEN v.booked ELSE 0 END), 0) AS has \
              FROM executions AS e LEFT JOIN (SELECT execution_id, currency, sum(earlier_minor - earlier_returned_minor \
              + CASE WHEN status = 'OPEN' OR resolution = 'to payer' THEN 0 ELSE amount_minor END) AS booked \
              FROM reviews WHERE kind <> 'DEADLINE_PASSED' GROUP BY execution_id, currency) AS v ON v.execution_id = e.id \
              WHERE e.operation = {operation REFUND} OR (e.operation = {operation COLLECTION} \
              AND (e.status = {execution_status COMPLETED} OR e.settled_by_review_at IS NOT NULL) AND e.id IN (SELECT execution_id FROM reviews)) GROUP BY e.id) AS one GROUP BY id) AS r ON r.id = c.id \
              WHERE c.given_back_minor <> coalesce(r.back, 0)",
    },
    Check {
        // Payments with reviews are left out: what reviews took and gave is checked by `shares`.
        name: "what refunds took differs from what their payment says",
        sql: "SELECT 'execution ' || c.id || ' says ' || (c.refunded_total_minor + c.over_refunded_total_minor) || ', its refunds ' \
              || coalesce(r.took, 0) FROM executions AS c LEFT JOIN (SELECT original_execution_id AS id, \
              sum(CASE status WHEN {execution_status COMPLETED} THEN payer_minor - released_minor ELSE 0 END) AS took \
              FROM executions WHERE operation = {operation REFUND} GROUP BY original_execution_id) AS r ON r.id = c.id \
              WHERE c.refunded_total_minor + c.over_refunded_total_minor <> coalesce(r.took, 0) AND c.id NOT IN ( \
              SELECT coalesce(e.original_execution_id, e.id) FROM reviews AS v JOIN executions AS e ON e.id = v.execution_id \
              WHERE v.kind <> 'DEADLINE_PASSED')",
    },
    Check {
        name: "figures of an execution that do not add up",
        sql: "SELECT 'execution ' || id FROM executions WHERE platform_fee_minor + gateway_fee_minor + fx_fee_minor <> \
              CASE operation WHEN {operation COLLECTION} THEN total_minor - payee_minor WHEN {operation REFUND} THEN 0 ELSE payer_minor - payee_minor END \
              OR (released_minor <> 0 AND NOT (operation = {operation REFUND} AND status = {execution_status COMPLETED}))",
    },
    Check {
        name: "fees settled differ from the execution",
        sql: "SELECT 'execution ' || e.id FROM executions AS e LEFT JOIN (SELECT n.execution_id, sum(n.amount_minor) AS s \
              FROM entries AS n JOIN accounts AS a ON n.bucket = {bucket SYSTEM} AND a.id = n.account_id \
              WHERE a.kind IN ('FEE_PLATFORM', 'FEE_GATEWAY', 'FEE_FX') GROUP BY n.execution_id) AS f ON f.execution_id = e.id \
              WHERE coalesce(f.s, 0) <> CASE WHEN e.status = {execution_status COMPLETED} OR e.settled_by_review_at IS NOT NULL \
              THEN e.platform_fee_minor + e.gateway_fee_minor + e.fx_fee_minor ELSE 0 END",
    },
    Check {
        name: "amount at the provider differs from the execution",
        sql: "SELECT 'execution ' || e.id FROM executions AS e JOIN events AS v ON v.subject_id = e.id \
              AND v.type = {event_type execution.completed} LEFT JOIN (SELECT n.transaction_id, sum(n.amount_minor) AS s FROM entries AS n \
              JOIN accounts AS a ON n.bucket = {bucket SYSTEM} AND a.id = n.account_id \
              WHERE a.kind = 'CLEARING' GROUP BY n.transaction_id) AS c ON c.transaction_id = v.id \
              WHERE e.provider <> 'PLATFORM' AND coalesce(c.s, 0) <> \
              CASE e.operation WHEN {operation COLLECTION} THEN -e.payer_minor ELSE e.payee_minor END",
    },
    Check {
        name: "failed execution without its event",
        sql: "SELECT 'execution ' || e.id FROM executions AS e LEFT JOIN events AS v ON v.subject_id = e.id \
              AND v.type = {event_type execution.failed} WHERE (e.status = {execution_status FAILED}) <> (v.id IS NOT NULL)",
    },
    Check {
        name: "review of a passed deadline on a final execution",
        sql: "SELECT 'review ' || r.id FROM reviews AS r JOIN executions AS e ON e.id = r.execution_id \
              WHERE r.status = 'OPEN' AND r.kind = 'DEADLINE_PASSED' AND e.status IN ({execution_status COMPLETED}, {execution_status FAILED})",
    },
    Check {
        name: "open dispute without its mark",
        sql: "SELECT 'review ' || r.id FROM reviews AS r JOIN executions AS e ON e.id = r.execution_id \
              WHERE r.status = 'OPEN' AND r.kind <> 'DEADLINE_PASSED' AND e.in_review = 0",
    },
    Check {
        name: "dispute without an open review",
        sql: "SELECT 'execution ' || e.id FROM executions AS e LEFT JOIN reviews AS r \
              ON r.execution_id = e.id AND r.status = 'OPEN' AND r.kind <> 'DEADLINE_PASSED' \
              WHERE e.in_review = 1 AND r.id IS NULL",
    },
    Check {
        name: "total of a source differs from its items",
        sql: "SELECT 'source ' || s.id FROM sources AS s LEFT JOIN (SELECT source_id, sum(qty * amount_minor) AS t FROM source_items \
              WHERE removed = 0 GROUP BY source_id) AS i ON i.source_id = s.id WHERE s.total_minor <> coalesce(i.t, 0)",
    },
    Check {
        name: "closed wallet with money",
        sql: "SELECT 'wallet ' || id FROM wallets WHERE status = 'CLOSED' \
              AND (available_minor <> 0 OR held_minor <> 0 OR incoming_minor <> 0)",
    },
    Check {
        name: "last entry of a wallet is not the end of its chain",
        sql: "SELECT 'wallet ' || w.id FROM wallets AS w LEFT JOIN entries AS l ON l.id = w.last_entry_id \
              LEFT JOIN entries AS n ON n.previous_entry_id = w.last_entry_id AND n.bucket <> {bucket SYSTEM} \
              WHERE (w.last_entry_id IS NOT NULL AND (l.id IS NULL OR l.account_id <> w.id)) OR n.id IS NOT NULL",
    },
    Check {
        name: "refunds exceed their payment",
        sql: "SELECT 'execution ' || id FROM executions WHERE refunded_minor > payer_minor OR refunded_total_minor > total_minor",
    },
    Check {
        // A collection that a review settled also pays its source, unless the source was canceled
        // or paid before. So a source may have several of those.
        name: "paid source without the collection that paid it",
        sql: "SELECT 'source ' || s.id FROM sources AS s LEFT JOIN (SELECT source_id, \
              sum(CASE status WHEN {execution_status COMPLETED} THEN 1 ELSE 0 END) AS n, count(settled_by_review_at) AS late FROM executions \
              WHERE operation = {operation COLLECTION} AND (status = {execution_status COMPLETED} OR settled_by_review_at IS NOT NULL) \
              GROUP BY source_id) AS c ON c.source_id = s.id \
              WHERE (s.status = 'PAID' AND c.source_id IS NULL) OR (s.status <> 'PAID' AND c.n > 0) OR c.n > 1 \
              OR (s.status NOT IN ('PAID', 'CANCELED') AND c.late > 0)",
    },
    Check {
        name: "open reviews differ from what their source says",
        sql: "SELECT 'source ' || s.id || ' says ' || s.open_reviews || ', its collections ' || coalesce(r.n, 0) \
              FROM sources AS s LEFT JOIN (SELECT e.source_id, count(*) AS n FROM reviews AS v \
              JOIN executions AS e ON e.id = v.execution_id WHERE v.status = 'OPEN' AND v.kind <> 'DEADLINE_PASSED' \
              GROUP BY e.source_id) AS r ON r.source_id = s.id WHERE s.open_reviews <> coalesce(r.n, 0)",
    },
    Check {
        // Those in its currency, if it is the merchant's own, and those of executions that it is or
        // will be the wallet of: a collection gets its wallet when it is settled.
        name: "open reviews differ from what their wallet says",
        sql: "SELECT 'wallet ' || w.id || ' says ' || w.open_reviews || ', its reviews ' || coalesce(c.n, 0) \
              FROM wallets AS w LEFT JOIN (SELECT wallet_id, count(*) AS n FROM ( \
              SELECT v.id AS review_id, o.id AS wallet_id FROM reviews AS v JOIN executions AS e ON e.id = v.execution_id \
              JOIN wallets AS o ON o.owner_type = 'MERCHANT' AND o.owner_id = v.merchant_id \
              AND (o.currency = v.currency OR (e.operation = {operation COLLECTION} AND o.currency = e.payee_currency)) \
              WHERE v.status = 'OPEN' AND v.kind <> 'DEADLINE_PASSED' \
              UNION SELECT v.id, e.wallet_id FROM reviews AS v JOIN executions AS e ON e.id = v.execution_id \
              WHERE v.status = 'OPEN' AND v.kind <> 'DEADLINE_PASSED' AND e.operation <> {operation COLLECTION} \
              ) AS credited GROUP BY wallet_id) AS c ON c.wallet_id = w.id WHERE w.open_reviews <> coalesce(c.n, 0)",
    },
    Check {
        name: "source in PROCESSING without exactly one open collection",
        sql: "SELECT 'source ' || s.id FROM sources AS s LEFT JOIN (SELECT source_id, count(*) AS n FROM executions \
              WHERE operation = {operation COLLECTION} AND status IN ({execution_status PENDING}, {execution_status PROCESSING}) GROUP BY source_id) AS c ON c.source_id = s.id \
              WHERE (s.status = 'PROCESSING') <> (coalesce(c.n, 0) = 1) OR coalesce(c.n, 0) > 1",
    },
    Check {
        name: "uses of a payment link differ from its orders",
        sql: "SELECT 'payment link ' || l.id || ' says ' || l.uses_reserved || ' and ' || l.uses_paid || ', its orders ' \
              || coalesce(o.reserved, 0) || ' and ' || coalesce(o.paid, 0) FROM payment_links AS l LEFT JOIN ( \
              SELECT payment_link_id, sum(CASE status WHEN 'PROCESSING' THEN 1 ELSE 0 END) AS reserved, \
              sum(CASE status WHEN 'PAID' THEN 1 ELSE 0 END) AS paid FROM sources WHERE payment_link_id IS NOT NULL \
              GROUP BY payment_link_id) AS o ON o.payment_link_id = l.id \
              WHERE l.uses_reserved <> coalesce(o.reserved, 0) OR l.uses_paid <> coalesce(o.paid, 0)",
    },
    Check {
        // Only a person who resolves a review may go beyond the limit.
        name: "payment link with more uses than it may have",
        sql: "SELECT 'payment link ' || l.id || ' has ' || l.max_uses || ' uses, reserved or paid ' || (l.uses_reserved + l.uses_paid) \
              FROM payment_links AS l LEFT JOIN (SELECT payment_link_id, count(*) AS late FROM sources \
              WHERE payment_link_id IS NOT NULL AND status = 'PAID' AND id IN (SELECT source_id FROM executions \
              WHERE settled_by_review_at IS NOT NULL) GROUP BY payment_link_id) AS o ON o.payment_link_id = l.id \
              WHERE l.uses_reserved + l.uses_paid - coalesce(o.late, 0) > l.max_uses",
    },
    Check {
        name: "order that does not fit its payment link",
        sql: "SELECT 'source ' || s.id FROM sources AS s LEFT JOIN payment_links AS l ON l.id = s.payment_link_id \
              AND l.merchant_id = s.merchant_id AND l.currency = s.currency AND l.fee_bearer = s.fee_bearer \
              WHERE s.payment_link_id IS NOT NULL AND (s.type <> 'ORDER' OR l.id IS NULL \
              OR NOT coalesce(s.total_minor = l.total_minor, s.total_minor BETWEEN l.min_minor AND l.max_minor))",
    },
    Check {
        name: "open order of a payment link without its end",
        sql: "SELECT 'source ' || id FROM sources \
              WHERE (cancel_at IS NOT NULL) <> (payment_link_id IS NOT NULL AND status NOT IN ('PAID', 'CANCELED'))",
    },
    Check {
        name: "total of a payment link differs from its items",
        sql: "SELECT 'payment link ' || l.id FROM payment_links AS l LEFT JOIN (SELECT payment_link_id, count(*) AS n, \
              max(position) AS last, sum(qty * amount_minor) AS t FROM payment_link_items GROUP BY payment_link_id) AS i \
              ON i.payment_link_id = l.id WHERE coalesce(l.item_count, 0) <> coalesce(i.n, 0) \
              OR coalesce(l.total_minor, 0) <> coalesce(i.t, 0) OR i.last >= i.n",
    },
    Check {
        name: "session and execution contradict each other",
        sql: "SELECT 'session ' || s.id FROM sessions AS s LEFT JOIN executions AS e ON e.session_id = s.id \
              WHERE (s.status = {session_status EXECUTED}) <> (e.id IS NOT NULL)",
    },
    Check {
        name: "execution without its session",
        sql: "SELECT 'execution ' || e.id FROM executions AS e LEFT JOIN sessions AS s \
              ON s.id = e.session_id AND s.merchant_id = e.merchant_id WHERE s.id IS NULL",
    },
    Check {
        name: "completed execution without exactly one settlement",
        sql: "SELECT 'execution ' || e.id || ' has ' || coalesce(v.n, 0) FROM executions AS e LEFT JOIN (SELECT subject_id, count(*) AS n \
              FROM events WHERE type = {event_type execution.completed} GROUP BY subject_id) AS v ON v.subject_id = e.id \
              WHERE (e.status = {execution_status COMPLETED}) <> (coalesce(v.n, 0) = 1) OR coalesce(v.n, 0) > 1",
    },
    Check {
        name: "collection settled by a review without exactly one settlement",
        sql: "SELECT 'execution ' || e.id || ' has ' || coalesce(v.n, 0) FROM executions AS e LEFT JOIN (SELECT subject_id, count(*) AS n \
              FROM events WHERE type = {event_type execution.settled_by_review} GROUP BY subject_id) AS v ON v.subject_id = e.id \
              WHERE coalesce(v.n, 0) <> CASE WHEN e.settled_by_review_at IS NULL THEN 0 ELSE 1 END \
              OR (e.settled_by_review_at IS NOT NULL AND (e.operation <> {operation COLLECTION} OR e.status <> {execution_status FAILED}))",
    },
    Check {
        name: "amount from suspense differs from the execution",
        sql: "SELECT 'execution ' || e.id FROM executions AS e JOIN events AS v ON v.subject_id = e.id \
              AND v.type = {event_type execution.settled_by_review} LEFT JOIN (SELECT n.transaction_id, n.currency, sum(n.amount_minor) AS s \
              FROM entries AS n JOIN accounts AS a ON n.bucket = {bucket SYSTEM} AND a.id = n.account_id WHERE a.kind = 'SUSPENSE' \
              GROUP BY n.transaction_id, n.currency) AS c ON c.transaction_id = v.id AND c.currency = e.payer_currency \
              WHERE coalesce(c.s, 0) <> -e.payer_minor",
    },
    Check {
        name: "execution with two finals",
        sql: "SELECT 'execution ' || subject_id FROM events WHERE type IN ({event_type execution.completed}, {event_type execution.failed}) \
              GROUP BY subject_id HAVING count(*) > 1",
    },
    Check {
        // The part that a refund held but did not take is released in the same transaction, and its
        // two entries cancel out.
        name: "settled amount differs from the execution",
        sql: "SELECT 'execution ' || e.id FROM executions AS e JOIN events AS v ON v.subject_id = e.id \
              AND v.type IN ({event_type execution.completed}, {event_type execution.settled_by_review}) \
              LEFT JOIN entries AS n ON n.transaction_id = v.id AND n.account_id = e.wallet_id \
              AND n.bucket <> {bucket SYSTEM} GROUP BY e.id HAVING coalesce(sum(n.amount_minor), 0) <> \
              CASE e.operation WHEN {operation COLLECTION} THEN e.payee_minor ELSE e.released_minor - e.payer_minor END",
    },
    Check {
        name: "amount on the second wallet differs from the execution",
        sql: "SELECT 'execution ' || e.id FROM executions AS e JOIN events AS v ON v.subject_id = e.id \
              AND v.type = {event_type execution.completed} LEFT JOIN entries AS n ON n.transaction_id = v.id \
              AND n.account_id = e.counter_wallet_id AND n.bucket = {bucket AVAILABLE} \
              WHERE e.provider = 'PLATFORM' AND coalesce(n.amount_minor, 0) <> \
              CASE e.operation WHEN {operation COLLECTION} THEN -e.payer_minor ELSE e.payee_minor END",
    },
    Check {
        name: "open execution without a reason and a due time",
        sql: "SELECT 'execution ' || e.id FROM executions AS e LEFT JOIN provider_attempts AS a ON a.execution_id = e.id \
              WHERE e.status IN ({execution_status PENDING}, {execution_status PROCESSING}) \
              AND (e.waiting_for IS NULL OR a.next_check_at IS NULL AND NOT EXISTS ( \
              SELECT 1 FROM approvals AS p WHERE p.execution_id = e.id AND p.status = 'REQUESTED'))",
    },
    Check {
        name: "request for approval of a payment that is not waiting for it",
        sql: "SELECT 'approval ' || p.id FROM approvals AS p LEFT JOIN executions AS e ON e.id = p.execution_id AND e.merchant_id = p.merchant_id \
              LEFT JOIN provider_attempts AS a ON a.execution_id = e.id \
              WHERE e.id IS NULL OR e.operation NOT IN ({operation PAYOUT}, {operation TRANSFER}) OR p.created_at <> e.created_at \
              OR p.status = 'REQUESTED' AND (e.status <> {execution_status PENDING} OR e.waiting_for <> 'approval' \
              OR e.provider <> 'PLATFORM' AND (coalesce(a.gate, 0) <> {gate APPROVAL} OR a.next_check_at IS NOT NULL))",
    },
    Check {
        name: "payment that waits for approval and nobody was asked",
        sql: "SELECT 'execution ' || a.execution_id FROM provider_attempts AS a LEFT JOIN approvals AS p \
              ON p.execution_id = a.execution_id AND p.status = 'REQUESTED' WHERE a.gate = {gate APPROVAL} AND p.id IS NULL",
    },
    Check {
        name: "payment that was refused and is not failed",
        sql: "SELECT 'execution ' || e.id FROM approvals AS p JOIN executions AS e ON e.id = p.execution_id \
              LEFT JOIN provider_attempts AS a ON a.execution_id = e.id WHERE p.status IN ('REFUSED', 'EXPIRED') \
              AND e.status <> {execution_status FAILED} AND coalesce(a.cancel_asked, 0) = 0",
    },
    Check {
        name: "approval by who requested it, or by nobody",
        sql: "SELECT 'approval ' || p.id FROM approvals AS p LEFT JOIN api_keys AS r ON p.requested_by_kind = {actor_kind API_KEY} AND r.id = p.requested_by_id \
              LEFT JOIN api_keys AS d ON p.decided_by_kind = {actor_kind API_KEY} AND d.id = p.decided_by_id \
              WHERE p.status = 'APPROVED' AND (p.decided_by_kind IS NULL \
              OR coalesce(r.made_by_kind, p.requested_by_kind) = coalesce(d.made_by_kind, p.decided_by_kind) \
              AND coalesce(r.made_by_id, p.requested_by_id) = coalesce(d.made_by_id, p.decided_by_id))",
    },
    Check {
        name: "wallet with another sum of its last day's payouts and transfers",
        sql: "SELECT 'wallet ' || w.id FROM wallets AS w LEFT JOIN (SELECT wallet_id, created_at / 86400000000 AS day, sum(payee_minor) AS minor \
              FROM executions WHERE operation IN ({operation PAYOUT}, {operation TRANSFER}) AND status <> {execution_status FAILED} \
              GROUP BY wallet_id, created_at / 86400000000) AS e ON e.wallet_id = w.id AND e.day = w.sent_day \
              WHERE w.sent_minor <> coalesce(e.minor, 0)",
    },
    Check {
        name: "final execution whose network is asked",
        sql: "SELECT 'execution ' || e.id FROM provider_attempts AS a JOIN executions AS e ON e.id = a.execution_id \
              WHERE e.status IN ({execution_status COMPLETED}, {execution_status FAILED}) \
              AND (a.next_check_at IS NOT NULL OR a.client_secret IS NOT NULL OR a.requires_action <> 0)",
    },
    Check {
        name: "execution through a network without its attempt",
        sql: "SELECT 'execution ' || e.id FROM executions AS e LEFT JOIN provider_attempts AS a \
              ON a.execution_id = e.id AND a.merchant_id = e.merchant_id \
              WHERE (e.provider <> 'PLATFORM') <> (a.execution_id IS NOT NULL)",
    },
    Check {
        name: "attempt that waits at a gate and was sent, or is over",
        sql: "SELECT 'execution ' || e.id FROM provider_attempts AS a JOIN executions AS e ON e.id = a.execution_id \
              WHERE a.gate IS NOT NULL AND (a.sent_at IS NOT NULL OR e.status IN ({execution_status COMPLETED}, {execution_status FAILED}))",
    },
    Check {
        name: "completed execution that was never sent",
        sql: "SELECT 'execution ' || e.id FROM provider_attempts AS a JOIN executions AS e ON e.id = a.execution_id \
              WHERE e.status = {execution_status COMPLETED} AND (a.send_count = 0 OR a.sent_at IS NULL)",
    },
    Check {
        name: "request at a network with the id of another",
        sql: "SELECT 'executions ' || min(execution_id) || ' and ' || max(execution_id) FROM provider_attempts \
              GROUP BY request_id HAVING count(*) > 1",
    },
    Check {
        name: "attempt at an account that is not its network's",
        sql: "SELECT 'execution ' || e.id FROM provider_attempts AS a JOIN executions AS e ON e.id = a.execution_id \
              JOIN merchants AS m ON m.id = e.merchant_id LEFT JOIN network_accounts AS n ON n.id = a.network_account_id \
              WHERE n.id IS NULL OR n.network <> e.provider OR n.mode <> m.mode",
    },
    Check {
        name: "money at a network is booked at another account than its attempt's",
        sql: "SELECT 'entry ' || n.id FROM accounts AS c JOIN entries AS n ON n.bucket = {bucket SYSTEM} AND n.account_id = c.id \
              LEFT JOIN provider_attempts AS a ON a.execution_id = n.execution_id \
              WHERE c.kind = 'CLEARING' AND c.merchant_id > 0 \
              AND (a.execution_id IS NULL OR a.network_account_id <> c.network_account_id)",
    },
    Check {
        // What the installation has in its accounts is what the lines of accepted statements and the
        // differences that were booked say: nothing else is booked there. Summed in multiples of 10^9
        // and remainders, as above.
        name: "accounts of the installation differ from its statements",
        sql: "SELECT kind || ' ' || account || ' ' || currency || ' differs by ' || sum(h) || ' milliards and ' || sum(l) FROM (\
              SELECT kind, account, currency, minor / 1000000000 AS h, minor % 1000000000 AS l FROM (\
              SELECT 'FEE_GATEWAY' AS kind, 0 AS account, fee_currency AS currency, -fee_minor AS minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND fee_minor IS NOT NULL \
              UNION ALL SELECT 'CLEARING', network_account_id, fee_currency, fee_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND fee_minor IS NOT NULL \
              UNION ALL SELECT 'CLEARING', network_account_id, currency, amount_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND settled_minor IS NOT NULL \
              UNION ALL SELECT 'SETTLEMENT', network_account_id, currency, -amount_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND settled_minor IS NOT NULL \
              UNION ALL SELECT 'CLEARING', network_account_id, settled_currency, -settled_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND settled_minor IS NOT NULL \
              UNION ALL SELECT 'SETTLEMENT', network_account_id, settled_currency, settled_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND settled_minor IS NOT NULL \
              UNION ALL SELECT 'CLEARING', network_account_id, currency, -amount_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND kind IN ({line_kind TOP_UP}, {line_kind BANK_TRANSFER}, {line_kind FEE}) \
              UNION ALL SELECT 'SETTLEMENT', network_account_id, currency, amount_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND kind IN ({line_kind TOP_UP}, {line_kind BANK_TRANSFER}) \
              UNION ALL SELECT 'FEE_GATEWAY', 0, currency, amount_minor FROM statement_lines \
              WHERE event_id IS NOT NULL AND kind = {line_kind FEE} \
              UNION ALL SELECT 'CLEARING', network_account_id, theirs_currency, -theirs_minor FROM statement_differences \
              WHERE resolution = 'BOOKED' AND theirs_minor IS NOT NULL \
              UNION ALL SELECT 'DIFFERENCE', network_account_id, theirs_currency, theirs_minor FROM statement_differences \
              WHERE resolution = 'BOOKED' AND theirs_minor IS NOT NULL \
              UNION ALL SELECT 'CLEARING', network_account_id, ours_currency, ours_minor FROM statement_differences \
              WHERE resolution = 'BOOKED' AND ours_minor IS NOT NULL \
              UNION ALL SELECT 'DIFFERENCE', network_account_id, ours_currency, -ours_minor FROM statement_differences \
              WHERE resolution = 'BOOKED' AND ours_minor IS NOT NULL) AS said \
              UNION ALL SELECT kind, network_account_id, currency, -balance_minor / 1000000000 - balance_rounds * 4000012000, \
              -(balance_minor % 1000000000) FROM accounts WHERE merchant_id = 0) AS both_sides \
              GROUP BY kind, account, currency HAVING sum(h) * 1000000000 + sum(l) <> 0",
    },
    Check {
        name: "account of the installation at a merchant",
        sql: "SELECT 'account ' || id FROM accounts WHERE kind IN ('SETTLEMENT', 'DIFFERENCE') AND merchant_id <> 0",
    },
    Check {
        name: "line of a statement booked without being accepted",
        sql: "SELECT 'line ' || l.id FROM statement_lines AS l LEFT JOIN statements AS s ON s.id = l.statement_id \
              LEFT JOIN events AS v ON v.id = l.event_id AND v.type = {event_type statement.posted} AND v.subject_id = l.statement_id \
              WHERE s.id IS NULL OR s.network_account_id <> l.network_account_id \
              OR (l.event_id IS NOT NULL AND (v.id IS NULL OR s.accepted_at IS NULL \
              OR l.standing NOT IN ({line_standing MATCHED}, {line_standing EXPLAINED}, {line_standing NO_PAYMENT})))",
    },
    Check {
        name: "line of a statement about a payment that is not there",
        sql: "SELECT 'line ' || l.id FROM statement_lines AS l LEFT JOIN executions AS e ON e.id = l.execution_id \
              AND e.merchant_id = l.merchant_id LEFT JOIN provider_attempts AS a ON a.execution_id = l.execution_id \
              AND a.network_account_id = l.network_account_id \
              WHERE l.execution_id IS NOT NULL AND (e.id IS NULL OR a.execution_id IS NULL)",
    },
    Check {
        name: "line of a statement that differs without its difference",
        sql: "SELECT 'line ' || l.id FROM statement_lines AS l LEFT JOIN (SELECT line_id, count(*) AS n FROM statement_differences \
              WHERE status = 'OPEN' AND line_id IS NOT NULL GROUP BY line_id) AS d ON d.line_id = l.id \
              WHERE coalesce(d.n, 0) <> CASE l.standing WHEN {line_standing DIFFERS} THEN 1 ELSE 0 END",
    },
    Check {
        name: "difference of a statement without what it is about",
        sql: "SELECT 'difference ' || d.id FROM statement_differences AS d LEFT JOIN statement_lines AS l ON l.id = d.line_id \
              LEFT JOIN statements AS s ON s.id = d.statement_id \
              LEFT JOIN events AS v ON v.id = d.event_id AND v.type = {event_type statement.difference_closed} \
              WHERE s.id IS NULL OR (d.line_id IS NULL) <> (d.kind = 'MISSING_THERE') \
              OR (d.line_id IS NOT NULL AND (l.id IS NULL OR l.identity <> d.subject)) OR (d.event_id IS NOT NULL AND v.id IS NULL)",
    },
    Check {
        name: "attempt without its execution",
        sql: "SELECT 'attempt of execution ' || a.execution_id FROM provider_attempts AS a LEFT JOIN executions AS e \
              ON e.id = a.execution_id WHERE e.id IS NULL",
    },
    Check {
        name: "invoice or order numbers with a gap",
        sql: "SELECT 'merchant ' || c.merchant_id || ' ' || c.type || ' ' || c.year FROM counters AS c LEFT JOIN \
              (SELECT merchant_id, type, substr(number, 5, 4) AS year, count(*) AS n FROM sources GROUP BY 1, 2, 3) AS s \
              ON s.merchant_id = c.merchant_id AND s.type = c.type AND s.year = CAST(c.year AS TEXT) WHERE coalesce(s.n, 0) <> c.last",
    },
    Check {
        name: "market with two rows at once",
        sql: "SELECT 'market ' || a.method || ' ' || a.operation || ' ' || a.currency || ', rows ' || a.id || ' and ' || b.id \
              FROM markets AS a JOIN markets AS b ON b.method = a.method AND b.provider = a.provider \
              AND b.operation = a.operation AND b.currency = a.currency AND b.id > a.id \
              WHERE (a.effective_to IS NULL OR (a.effective_to > a.effective_from AND a.effective_to > b.effective_from)) \
              AND (b.effective_to IS NULL OR (b.effective_to > b.effective_from AND b.effective_to > a.effective_from))",
    },
    Check {
        name: "method with two networks at once",
        sql: "SELECT 'method ' || a.method || ', rows ' || a.id || ' and ' || b.id \
              FROM markets AS a JOIN markets AS b ON b.method = a.method AND b.provider <> a.provider AND b.id > a.id \
              WHERE (a.effective_to IS NULL OR (a.effective_to > a.effective_from AND a.effective_to > b.effective_from)) \
              AND (b.effective_to IS NULL OR (b.effective_to > b.effective_from AND b.effective_to > a.effective_from))",
    },
    Check {
        name: "method with two codes or names at once",
        sql: "SELECT 'method ' || a.method || ', rows ' || a.id || ' and ' || b.id \
              FROM markets AS a JOIN markets AS b ON b.method = a.method AND b.id > a.id \
              AND (b.network_code <> a.network_code OR b.display_name <> a.display_name) \
              WHERE (a.effective_to IS NULL OR (a.effective_to > a.effective_from AND a.effective_to > b.effective_from)) \
              AND (b.effective_to IS NULL OR (b.effective_to > b.effective_from AND b.effective_to > a.effective_from))",
    },
    Check {
        name: "phone prefix with two rows at once",
        sql: "SELECT 'prefix ' || a.prefix || ' of ' || a.digits || ' digits, rows ' || a.id || ' and ' || b.id \
              FROM phone_prefixes AS a JOIN phone_prefixes AS b ON b.prefix = a.prefix AND b.digits = a.digits AND b.id > a.id \
              WHERE (a.effective_to IS NULL OR (a.effective_to > a.effective_from AND a.effective_to > b.effective_from)) \
              AND (b.effective_to IS NULL OR (b.effective_to > b.effective_from AND b.effective_to > a.effective_from))",
    },
    Check {
        // Counts and events are added up in one list. A FULL JOIN has no index on SQLite.
        name: "event positions have a gap",
        sql: "SELECT 'merchant ' || merchant_id || ' counts ' || sum(counted) || ' events and has ' || sum(n) || ', up to position ' \
              || max(most) FROM (SELECT merchant_id, last AS counted, 0 AS n, 0 AS most, 1 AS least FROM event_positions \
              UNION ALL SELECT merchant_id, 0, count(*), max(position), min(position) FROM events GROUP BY merchant_id) AS numbers \
              GROUP BY merchant_id HAVING sum(counted) <> sum(n) OR max(most) <> sum(n) OR min(least) <> 1",
    },
    Check {
        // By this count a payment knows whether a message must be written.
        name: "webhook endpoints differ from what their merchant counts",
        sql: "SELECT 'merchant ' || merchant_id || ' counts ' || sum(counted) || ' endpoints and has ' || sum(n) FROM (\
              SELECT merchant_id, endpoints AS counted, 0 AS n FROM event_positions \
              UNION ALL SELECT merchant_id, 0, 1 FROM webhook_endpoints WHERE deleted_at IS NULL) AS numbers \
              GROUP BY merchant_id HAVING sum(counted) <> sum(n)",
    },
    Check {
        // By this count a merchant keeps its last owner.
        name: "owners differ from what their merchant counts",
        sql: "SELECT 'merchant ' || merchant_id || ' counts ' || sum(counted) || ' owners and has ' || sum(n) FROM (\
              SELECT id AS merchant_id, owners AS counted, 0 AS n FROM merchants \
              UNION ALL SELECT merchant_id, 0, 1 FROM memberships WHERE role = 'OWNER') AS numbers \
              GROUP BY merchant_id HAVING sum(counted) <> sum(n)",
    },
    Check {
        name: "role or login of a person who is not there",
        sql: "SELECT 'membership ' || m.id FROM memberships AS m LEFT JOIN users AS u ON u.id = m.user_id WHERE u.id IS NULL \
              UNION ALL SELECT 'login ' || l.id FROM logins AS l LEFT JOIN users AS u ON u.id = l.user_id WHERE u.id IS NULL",
    },
    Check {
        name: "delivery of a webhook to an endpoint that its merchant has not",
        sql: "SELECT 'delivery ' || webhook_deliveries.id || ' to endpoint ' || endpoint_id FROM webhook_deliveries \
              LEFT JOIN webhook_endpoints ON webhook_endpoints.id = endpoint_id \
              WHERE webhook_endpoints.id IS NULL OR webhook_endpoints.merchant_id <> webhook_deliveries.merchant_id",
    },
    Check {
        // One and the same id may be that of subjects of two kinds only in a damaged database.
        name: "events differ from what their subject counts",
        sql: "SELECT (SELECT name FROM stored_codes WHERE type = 'event_entity' AND code = kind) || ' ' || id || ' counts ' \
              || sum(counted) || ' events and has ' || sum(n) || ', up to number ' || max(most) FROM (\
              SELECT {event_entity SESSION} AS kind, id, event_count AS counted, 0 AS n, 0 AS most, 1 AS least FROM sessions \
              UNION ALL SELECT {event_entity EXECUTION}, id, event_count, 0, 0, 1 FROM executions \
              UNION ALL SELECT {event_entity SOURCE}, id, event_count, 0, 0, 1 FROM sources \
              UNION ALL SELECT {event_entity WALLET}, id, event_count, 0, 0, 1 FROM wallets \
              UNION ALL SELECT {event_entity REVIEW}, id, event_count, 0, 0, 1 FROM reviews \
              UNION ALL SELECT {event_entity PAYMENT_LINK}, id, event_count, 0, 0, 1 FROM payment_links \
              UNION ALL SELECT {event_entity WEBHOOK_ENDPOINT}, id, event_count, 0, 0, 1 FROM webhook_endpoints \
              UNION ALL SELECT {event_entity API_KEY}, id, event_count, 0, 0, 1 FROM api_keys \
              UNION ALL SELECT {event_entity TARIFF}, id, event_count, 0, 0, 1 FROM tariff \
              UNION ALL SELECT {event_entity STATEMENT}, id, event_count, 0, 0, 1 FROM statements \
              UNION ALL SELECT subject_type, subject_id, 0, count(*), max(sequence), min(sequence) FROM events \
              GROUP BY subject_type, subject_id) \
              AS numbers GROUP BY kind, id HAVING sum(counted) <> sum(n) OR max(most) <> sum(n) OR min(least) <> 1",
    },
    Check {
        name: "events of a subject are in another order than their positions",
        sql: "SELECT 'event ' || id FROM (SELECT id, position, lag(position) OVER (PARTITION BY subject_id ORDER BY sequence) \
              AS earlier FROM events) AS ordered WHERE position <= earlier",
    },
    Check {
        name: "event of an API key that its merchant has not",
        sql: "SELECT 'event ' || v.id FROM events AS v LEFT JOIN api_keys AS k ON k.id = v.actor_id AND k.merchant_id = v.merchant_id \
              WHERE v.actor_kind = {actor_kind API_KEY} AND k.id IS NULL",
    },
    Check {
        // The ids of a command follow each other, and its row in the audit comes last.
        name: "event without its row in the audit",
        sql: "SELECT 'event ' || v.id FROM events AS v JOIN installation AS i ON v.id >= i.audited_from \
              WHERE v.actor_kind IN ({actor_kind API_KEY}, {actor_kind OPERATOR}, {actor_kind USER}) AND NOT EXISTS (\
              SELECT 1 FROM audit AS a WHERE a.id > v.id AND a.id < v.id + 64 AND a.actor_kind = v.actor_kind \
              AND coalesce(a.actor_id, 0) = coalesce(v.actor_id, 0) AND a.merchant_id = v.merchant_id AND a.created_at = v.created_at)",
    },
    Check {
        name: "audit of an API key that its merchant has not",
        sql: "SELECT 'row ' || a.id || ' of the audit' FROM audit AS a \
              LEFT JOIN api_keys AS k ON k.id = a.actor_id AND k.merchant_id = a.merchant_id \
              WHERE a.actor_kind = {actor_kind API_KEY} AND k.id IS NULL",
    },
    Check {
        // In a merchant somebody has or had a role, or one in the installation.
        name: "audit of a person who was not there",
        sql: "SELECT 'row ' || a.id || ' of the audit' FROM audit AS a LEFT JOIN users AS u ON u.id = a.actor_id \
              LEFT JOIN memberships AS m ON m.user_id = a.actor_id AND m.merchant_id = a.merchant_id \
              WHERE a.actor_kind = {actor_kind USER} AND (u.id IS NULL OR (a.merchant_id > 0 AND m.id IS NULL AND u.role IS NULL))",
    },
    Check {
        // One whose secret nobody could be shown is deleted again, and that it was made stays.
        name: "audit of a merchant that is not there",
        sql: "SELECT 'row ' || a.id || ' of the audit' FROM audit AS a LEFT JOIN merchants AS m ON m.id = a.merchant_id \
              WHERE a.merchant_id > 0 AND m.id IS NULL AND a.command <> {audited_command create_merchant}",
    },
    Check {
        name: "counter of ids below an id that is used",
        sql: "SELECT 'the next id is ' || i.next_id || ', and ' || used.most || ' is used' FROM installation AS i \
              JOIN (SELECT max(most) AS most FROM (SELECT max(id) AS most FROM merchants UNION ALL SELECT max(id) FROM parties \
              UNION ALL SELECT max(id) FROM wallets UNION ALL SELECT max(id) FROM sources UNION ALL SELECT max(id) FROM sessions \
              UNION ALL SELECT max(id) FROM executions UNION ALL SELECT max(id) FROM entries UNION ALL SELECT max(id) FROM events \
              UNION ALL SELECT max(id) FROM audit UNION ALL SELECT max(id) FROM statements UNION ALL SELECT max(id) FROM statement_lines \
              UNION ALL SELECT max(id) FROM statement_differences UNION ALL SELECT max(id) FROM network_balances \
              UNION ALL SELECT max(id) FROM users UNION ALL SELECT max(id) FROM memberships UNION ALL SELECT max(id) FROM saved_filters \
              UNION ALL SELECT max(id) FROM logins UNION ALL SELECT max(id) FROM markets UNION ALL SELECT max(id) FROM rates) AS tables) AS used ON used.most >= i.next_id",
    },
    Check {
        name: "installation without the rows of its checks",
        sql: "SELECT 'table installation_checks has ' || c.n || ' rows' FROM installation, \
              (SELECT count(*) AS n FROM installation_checks WHERE kind IN ('VERIFY', 'BACKUP')) AS c WHERE c.n <> 2",
    },
    Check {
        name: "installation without its tariff",
        sql: "SELECT 'table tariff' FROM installation WHERE NOT EXISTS (SELECT 1 FROM tariff)",
    },
];

/// The names of the rules, in the order in which they are checked.
pub fn rules() -> impl Iterator<Item = &'static str> {
    CHECKS
        .iter()
        .map(|check| check.name)
        .chain([fairness::PAYER, fairness::FEE, shares::RULE, readable::RULE])
        .chain(chain::RULES)
}

/// How many violations of one rule are listed at most.
const LISTED: usize = 20;

/// The result of a verification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The number of ledger entries.
    pub entries: i64,
    /// The number of executions.
    pub executions: i64,
    /// The number of wallets.
    pub wallets: i64,
    /// The number of reviews that wait for a person.
    pub open_reviews: i64,
    /// The exchange position of each currency: above zero where more of it came in than is owed,
    /// below zero where more is owed.
    pub positions: Vec<Money>,
    /// The chain of batches.
    pub chain: ChainReport,
    /// How many rules were checked.
    pub checks: usize,
    /// The violations: the rule that is broken, and the row that breaks it.
    pub violations: Vec<(&'static str, String)>,
}

impl Report {
    fn add(&mut self, found: Found) {
        self.violations.extend(found.violations);
        if let Some(chain) = found.chain {
            self.chain = chain;
        }
    }
}

/// Checks every rule on one snapshot of the database. Links of the chain that were made with a key
/// are not checked.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub fn verify(sql: &mut dyn Sql) -> Result<Report, StoreError> {
    on_snapshot(sql, check_all)
}

/// The same over several connections at once, with the keys of the chain's links. Each rule is checked
/// on one snapshot of the database, and different rules may be on different ones.
///
/// # Errors
/// A connection cannot be opened, or the database cannot be read.
pub fn verify_over<E: From<StoreError> + Send>(
    open: impl Fn() -> Result<Box<dyn Sql>, E> + Sync,
    connections: NonZeroUsize,
    with: &ChainCheck,
) -> Result<Report, E> {
    // The chain takes longest, so it is begun first.
    let parts: Vec<Part> = Part::all().rev().collect();
    let next = AtomicUsize::new(0);
    let check = || {
        let mut sql = open()?;
        let checked = on_snapshot(sql.as_mut(), |sql| {
            let mut all = vec![];
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                all.push((*part, part.check(sql, with)?));
            }
            Ok(all)
        })?;
        Ok::<_, E>(checked)
    };
    let mut report = on_snapshot(open()?.as_mut(), counted)?;
    let mut checked = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections.get()).map(|_| scope.spawn(check)).collect();
        let mut checked = vec![];
        for thread in threads {
            match thread.join() {
                Ok(done) => checked.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, E>(checked)
    })?;
    checked.sort_by_key(|(part, _)| *part);
    for (_, found) in checked {
        report.add(found);
    }
    Ok(report)
}

/// The same over one connection, one rule after the other, each on a snapshot of its own, so that no
/// snapshot is kept for long. After each of them `rest` is told how long it took; it rests, and says
/// whether to go on.
///
/// # Errors
/// The database cannot be read; [`StoreError::Interrupted`] where `rest` does not want to go on.
pub fn verify_slowly(
    sql: &mut dyn Sql,
    with: &ChainCheck,
    mut rest: impl FnMut(Duration) -> bool,
) -> Result<Report, StoreError> {
    if sql.dialect() == Dialect::Postgres {
        // Where the server knows it, a query ends soon after the process that asked. PostgreSQL before
        // version 14, and some systems, do not.
        let _unknown = sql.script("SET client_connection_check_interval = 1000");
    }
    let begun = Instant::now();
    // Nobody at a terminal waits for it.
    let mut report = on_snapshot(sql, counted_unseen)?;
    let mut took = begun.elapsed();
    for part in Part::all() {
        if !rest(took) {
            return Err(StoreError::Interrupted);
        }
        let begun = Instant::now();
        report.add(on_snapshot(sql, |sql| part.check(sql, with))?);
        took = begun.elapsed();
    }
    Ok(report)
}

fn on_snapshot<T>(
    sql: &mut dyn Sql,
    check: impl FnMut(&mut dyn Sql) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    sql.script(match sql.dialect() {
        Dialect::Sqlite => "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY",
        Dialect::Postgres => {
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
        }
    })?;
    transaction(sql, Purpose::Snapshot, check)
}

/// Checks every rule within the transaction that the caller has opened. Links of the chain that were
/// made with a key are not checked.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub fn check_all(sql: &mut dyn Sql) -> Result<Report, StoreError> {
    check_all_with(sql, &ChainCheck::default())
}

/// The same, with the keys of the chain's links.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub fn check_all_with(sql: &mut dyn Sql, with: &ChainCheck) -> Result<Report, StoreError> {
    let mut report = counted(sql)?;
    for part in Part::all() {
        report.add(part.check(sql, with)?);
    }
    Ok(report)
}

/// What is counted and not checked; from then on it is shown how far the rest has come.
fn counted(sql: &mut dyn Sql) -> Result<Report, StoreError> {
    if progress::is_watched() {
        progress::begin("verifying", Unit::Rows, Some(rows_to_read(sql)?));
    }
    counted_unseen(sql)
}

fn counted_unseen(sql: &mut dyn Sql) -> Result<Report, StoreError> {
    let mut count = |table: &str| {
        let rows = sql.rows(&format!("SELECT count(*) FROM {table}"), &vec![])?;
        rows.first().map_or(Ok(0), OwnedRow::integer)
    };
    Ok(Report {
        entries: count("entries")?,
        executions: count("executions")?,
        wallets: count("wallets")?,
        open_reviews: count("reviews WHERE status = 'OPEN'")?,
        positions: positions(sql)?,
        chain: ChainReport::default(),
        checks: rules().count(),
        violations: vec![],
    })
}

/// About how many rows a verification reads: those of the large tables, each as often as it is read
/// from its beginning to its end.
fn rows_to_read(sql: &mut dyn Sql) -> Result<u64, StoreError> {
    const TWICE: [&str; 5] = ["audit", "batches", "entries", "events", "executions"];
    let mut all = 0;
    for table in TWICE {
        let rows = sql.rows(&format!("SELECT count(*) FROM {table}"), &vec![])?;
        all += 2 * rows.first().map_or(Ok(0), OwnedRow::integer)?.unsigned_abs();
    }
    Ok(all)
}

/// A part of a verification, in the order in which violations are listed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// One of [`CHECKS`].
    Query(usize),
    Fairness,
    Shares,
    Readable,
    Chain,
}

/// What a part has found.
#[derive(Default)]
struct Found {
    violations: Vec<(&'static str, String)>,
    chain: Option<ChainReport>,
}

impl Part {
    fn all() -> impl DoubleEndedIterator<Item = Self> {
        let others = [Self::Fairness, Self::Shares, Self::Readable, Self::Chain];
        (0..CHECKS.len()).map(Self::Query).chain(others)
    }

    fn check(self, sql: &mut dyn Sql, with: &ChainCheck) -> Result<Found, StoreError> {
        let begun = Instant::now();
        let mut found = Found::default();
        let name = match self {
            Self::Query(number) => {
                let Some(check) = CHECKS.get(number) else { return Ok(found) };
                let text = format!("{} LIMIT {}", with_codes(check.sql), LISTED + 1);
                let rows = sql.rows(&text, &vec![])?;
                let rows = rows.iter().map(|row| row.text(0).unwrap_or_default().to_owned());
                found.violations = listed(check.name, rows);
                check.name
            }
            Self::Fairness => {
                found.violations = fairness::check(sql, LISTED)?;
                fairness::PAYER
            }
            Self::Shares => {
                found.violations = listed(shares::RULE, shares::wrong(sql)?.into_iter());
                shares::RULE
            }
            Self::Readable => {
                found.violations = listed(readable::RULE, readable::unreadable(sql)?.into_iter());
                readable::RULE
            }
            Self::Chain => {
                let (chain, violations) = chain::check(sql, with)?;
                found = Found { violations, chain: Some(chain) };
                "chain"
            }
        };
        tracing::debug!(check = name, ms = begun.elapsed().as_millis(), "checked");
        Ok(found)
    }
}

/// The violations of a rule, at most [`LISTED`] of them.
fn listed(
    rule: &'static str,
    rows: impl ExactSizeIterator<Item = String>,
) -> Vec<(&'static str, String)> {
    let more = rows.len() > LISTED;
    let mut listed: Vec<_> = rows.take(LISTED).map(|row| (rule, row)).collect();
    if more {
        listed.push((rule, "and more".to_owned()));
    }
    listed
}

/// The exchange position of each currency, summed over the accounts of all merchants.
fn positions(sql: &mut dyn Sql) -> Result<Vec<Money>, StoreError> {
    let accounts = "SELECT currency, balance_rounds, balance_minor FROM accounts WHERE kind = 'POSITION' \
                    AND (balance_minor <> 0 OR balance_rounds <> 0)";
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    for row in sql.rows(accounts, &vec![])? {
        let mut reader = RowReader::new(&row, "accounts", 0);
        let (currency, rounds): (Currency, i64) =
            (Column::read(&mut reader)?, Column::read(&mut reader)?);
        let minor: i64 = Column::read(&mut reader)?;
        *sums.entry(currency).or_default() +=
            i128::from(rounds) * i128::from(ROUND) + i128::from(minor);
    }
    let clamped =
        |sum: i128| i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });
    Ok(sums.into_iter().map(|(currency, sum)| Money::new(clamped(sum), currency)).collect())
}

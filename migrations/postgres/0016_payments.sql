-- What has rows for each payment is made again, and smaller: enums as codes, the keys of requests as 16 bytes. What belongs to
-- the dealings with a network gets a table of its own, so that a question to it does not write an execution again.
INSERT INTO stored_codes (type, code, name) VALUES
    ('session_kind', 0, 'CHECKOUT'),
    ('session_kind', 1, 'TRANSFER'),
    ('session_kind', 2, 'PAYOUT'),
    ('session_kind', 3, 'REFUND'),
    ('session_status', 0, 'ACTIVE'),
    ('session_status', 1, 'EXECUTED'),
    ('session_status', 2, 'EXPIRED'),
    ('session_status', 3, 'CANCELED'),
    ('operation', 0, 'COLLECTION'),
    ('operation', 1, 'TRANSFER'),
    ('operation', 2, 'PAYOUT'),
    ('operation', 3, 'REFUND'),
    ('execution_status', 0, 'PENDING'),
    ('execution_status', 1, 'COMPLETED'),
    ('execution_status', 2, 'PROCESSING'),
    ('execution_status', 3, 'FAILED'),
    ('gate', 1, 'CIRCUIT'),
    ('gate', 2, 'RATE'),
    ('gate', 3, 'REFUND_QUEUE'),
    ('gate', 4, 'APPROVAL'),
    ('gate', 5, 'HELD'),
    ('bucket', 0, 'SYSTEM'),
    ('bucket', 1, 'AVAILABLE'),
    ('bucket', 2, 'HELD');

-- An account at a network: one contract with it. So far each network has one for each mode, and the sandbox plays its part.
CREATE TABLE network_accounts (
    id      BIGINT PRIMARY KEY,
    network TEXT   NOT NULL CHECK (network IN ('PAWAPAY', 'STRIPE')),
    mode    TEXT   NOT NULL CHECK (mode IN ('SANDBOX', 'LIVE')),
    name    TEXT   NOT NULL UNIQUE
);
INSERT INTO network_accounts (id, network, mode, name) VALUES
    (1, 'PAWAPAY', 'SANDBOX', 'pawapay-sandbox'),
    (2, 'STRIPE', 'SANDBOX', 'stripe-sandbox'),
    (3, 'PAWAPAY', 'LIVE', 'pawapay-live'),
    (4, 'STRIPE', 'LIVE', 'stripe-live');


-- Sessions ---------------------------------------------------------------------------------------------------------------

CREATE TABLE new_sessions (
    id                    BIGINT   PRIMARY KEY,
    merchant_id           BIGINT   NOT NULL,
    source_id             BIGINT,
    wallet_id             BIGINT,
    payment_account_id    BIGINT,
    counterparty_id       BIGINT,
    party_id              BIGINT,
    recipient_id          BIGINT,
    original_execution_id BIGINT,
    amount_minor          BIGINT   CHECK (amount_minor > 0),
    event_count           BIGINT   NOT NULL DEFAULT 0 CHECK (event_count >= 0),
    expires_at            BIGINT   NOT NULL,
    created_at            BIGINT   NOT NULL,
    updated_at            BIGINT   NOT NULL,
    kind                  SMALLINT NOT NULL CHECK (kind BETWEEN 0 AND 3),
    status                SMALLINT NOT NULL CHECK (status BETWEEN 0 AND 3),
    recipient_type        TEXT     CHECK (recipient_type IN ('MERCHANT', 'PARTY')),
    recipient_name        TEXT,
    currency              TEXT,
    reason                TEXT,
    CHECK ((kind = 0) = (source_id IS NOT NULL)),
    CHECK ((kind = 3) = (original_execution_id IS NOT NULL)),
    CHECK ((kind = 1) = (counterparty_id IS NOT NULL)),
    CHECK (kind = 0 OR (amount_minor IS NOT NULL AND currency IS NOT NULL))
);
INSERT INTO new_sessions (id, merchant_id, kind, status, source_id, wallet_id, payment_account_id, counterparty_id, party_id, recipient_type, recipient_id, recipient_name, original_execution_id, amount_minor, currency, reason, event_count, expires_at, created_at, updated_at)
    SELECT s.id,
        s.merchant_id,
        CASE s.kind WHEN 'CHECKOUT' THEN 0 WHEN 'TRANSFER' THEN 1 WHEN 'PAYOUT' THEN 2 WHEN 'REFUND' THEN 3 END,
        CASE s.status WHEN 'ACTIVE' THEN 0 WHEN 'EXECUTED' THEN 1 WHEN 'EXPIRED' THEN 2 WHEN 'CANCELED' THEN 3 END,
        s.source_id,
        s.wallet_id,
        s.payment_account_id,
        s.counterparty_id,
        s.party_id,
        s.recipient_type,
        s.recipient_id,
        s.recipient_name,
        s.original_execution_id,
        s.amount_minor,
        s.currency,
        s.reason,
        coalesce(c.n, 0),
        s.expires_at,
        s.created_at,
        s.updated_at
    FROM sessions AS s LEFT JOIN (SELECT subject_id, count(*) AS n FROM events WHERE subject_type = 1 GROUP BY subject_id) AS c
    ON c.subject_id = s.id ORDER BY s.id;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
ALTER INDEX new_sessions_pkey RENAME TO sessions_pkey;
ALTER TABLE sessions SET (fillfactor = 85);
CREATE INDEX sessions_of_merchant ON sessions (merchant_id, kind, created_at);
CREATE INDEX sessions_active ON sessions (merchant_id, expires_at) WHERE status = 0;

-- Executions and their attempts ----------------------------------------------------------------------------------------

-- The dealings with a network, one row for an execution. What is asked next is due at next_check_at, which is in the
-- merchant's time. What has a gate may not be sent yet.
CREATE TABLE provider_attempts (
    execution_id       BIGINT   PRIMARY KEY,
    merchant_id        BIGINT   NOT NULL,
    network_account_id BIGINT   NOT NULL,
    send_count         BIGINT   NOT NULL CHECK (send_count >= 0),
    sent_at            BIGINT,
    next_check_at      BIGINT,
    lease_until        BIGINT,
    deadline_at        BIGINT   NOT NULL,
    request_id         UUID     NOT NULL,
    gate               SMALLINT CHECK (gate BETWEEN 1 AND 5),
    cancel_asked       SMALLINT NOT NULL CHECK (cancel_asked IN (0, 1)),
    requires_action    SMALLINT NOT NULL CHECK (requires_action IN (0, 1)),
    network_reference  TEXT,
    body               TEXT,
    client_secret      TEXT
);
INSERT INTO provider_attempts (execution_id, merchant_id, network_account_id, request_id, network_reference, gate, send_count, sent_at, body, next_check_at, lease_until, deadline_at, cancel_asked, requires_action, client_secret)
    SELECT e.id,
        e.merchant_id,
        CASE e.provider WHEN 'STRIPE' THEN 2 ELSE 1 END + CASE m.mode WHEN 'LIVE' THEN 2 ELSE 0 END,
        e.provider_request_id::uuid,
        NULL,
        NULL,
        e.attempts,
        e.sent_at,
        NULL,
        e.next_check_at,
        e.lease_until,
        e.deadline_at,
        e.cancel_asked,
        e.requires_action,
        e.client_secret
    FROM executions AS e JOIN merchants AS m ON m.id = e.merchant_id WHERE e.provider <> 'PLATFORM' ORDER BY e.id;
CREATE INDEX provider_attempts_waiting ON provider_attempts (merchant_id, next_check_at) WHERE next_check_at IS NOT NULL;

-- The totals of refunds are those of a collection; released_minor is that of a refund. rules is 0 for payments that were
-- refunded before refunds were rounded once.
CREATE TABLE new_executions (
    id                        BIGINT   PRIMARY KEY,
    merchant_id               BIGINT   NOT NULL,
    session_id                BIGINT   NOT NULL,
    source_id                 BIGINT,
    payment_account_id        BIGINT,
    original_execution_id     BIGINT,
    wallet_id                 BIGINT,
    counter_wallet_id         BIGINT,
    payer_minor               BIGINT   NOT NULL CHECK (payer_minor >= 0),
    payee_minor               BIGINT   NOT NULL CHECK (payee_minor >= 0),
    total_minor               BIGINT   NOT NULL CHECK (total_minor >= 0),
    platform_fee_minor        BIGINT   NOT NULL CHECK (platform_fee_minor >= 0),
    gateway_fee_minor         BIGINT   NOT NULL CHECK (gateway_fee_minor >= 0),
    fx_fee_minor              BIGINT   NOT NULL CHECK (fx_fee_minor >= 0),
    rate_num                  BIGINT   NOT NULL CHECK (rate_num > 0),
    rate_den                  BIGINT   NOT NULL CHECK (rate_den > 0),
    platform_fee_id           BIGINT,
    gateway_fee_id            BIGINT,
    refunded_minor            BIGINT   CHECK (refunded_minor >= 0 AND refunded_minor <= payer_minor),
    over_refunded_minor       BIGINT   CHECK (over_refunded_minor >= 0),
    given_back_minor          BIGINT   CHECK (given_back_minor >= 0),
    refunded_total_minor      BIGINT   CHECK (refunded_total_minor >= 0 AND refunded_total_minor <= total_minor),
    over_refunded_total_minor BIGINT   CHECK (over_refunded_total_minor >= 0),
    released_minor            BIGINT   CHECK (released_minor >= 0 AND released_minor <= payer_minor),
    settled_by_review_at      BIGINT,
    event_count               BIGINT   NOT NULL DEFAULT 0 CHECK (event_count >= 0),
    completed_at              BIGINT,
    created_at                BIGINT   NOT NULL,
    updated_at                BIGINT   NOT NULL,
    reference_id              UUID     NOT NULL,
    operation                 SMALLINT NOT NULL CHECK (operation BETWEEN 0 AND 3),
    status                    SMALLINT NOT NULL CHECK (status BETWEEN 0 AND 3),
    rules                     SMALLINT NOT NULL CHECK (rules >= 0),
    in_review                 SMALLINT NOT NULL CHECK (in_review IN (0, 1)),
    payer_currency            TEXT     NOT NULL,
    payee_currency            TEXT     NOT NULL,
    provider                  TEXT     NOT NULL CHECK (provider IN ('PAWAPAY', 'STRIPE', 'PLATFORM')),
    method                    TEXT     NOT NULL,
    provider_transaction_id   TEXT,
    gateway_message           TEXT,
    wallet_message            TEXT,
    waiting_for               TEXT,
    CHECK ((status = 1) = (completed_at IS NOT NULL)),
    CHECK ((operation = 0) = (source_id IS NOT NULL)),
    CHECK ((operation = 3) = (original_execution_id IS NOT NULL)),
    CHECK ((operation = 0) = (refunded_minor IS NOT NULL)),
    CHECK ((operation = 3) = (released_minor IS NOT NULL)),
    CHECK (operation = 0 OR wallet_id IS NOT NULL)
);
INSERT INTO new_executions (id, merchant_id, reference_id, operation, session_id, status, source_id, payment_account_id, original_execution_id, wallet_id, counter_wallet_id, payer_minor, payer_currency, payee_minor, payee_currency, total_minor, platform_fee_minor, gateway_fee_minor, fx_fee_minor, rate_num, rate_den, rules, platform_fee_id, gateway_fee_id, refunded_minor, over_refunded_minor, given_back_minor, refunded_total_minor, over_refunded_total_minor, released_minor, settled_by_review_at, provider, method, provider_transaction_id, gateway_message, wallet_message, in_review, waiting_for, event_count, completed_at, created_at, updated_at)
    SELECT e.id,
        e.merchant_id,
        e.reference_id::uuid,
        CASE e.operation WHEN 'COLLECTION' THEN 0 WHEN 'TRANSFER' THEN 1 WHEN 'PAYOUT' THEN 2 WHEN 'REFUND' THEN 3 END,
        e.session_id,
        CASE e.status WHEN 'PENDING' THEN 0 WHEN 'COMPLETED' THEN 1 WHEN 'PROCESSING' THEN 2 WHEN 'FAILED' THEN 3 END,
        e.source_id,
        e.payment_account_id,
        e.original_execution_id,
        e.wallet_id,
        e.other_wallet_id,
        e.payer_minor,
        e.payer_currency,
        e.payee_minor,
        e.payee_currency,
        e.total_minor,
        e.platform_fee_minor,
        e.gateway_fee_minor,
        e.fx_fee_minor,
        e.rate_num,
        e.rate_den,
        CASE e.rounded_once WHEN 0 THEN 0 ELSE e.rules END,
        e.platform_fee_id,
        e.gateway_fee_id,
        CASE e.operation WHEN 'COLLECTION' THEN e.refunded_minor END,
        CASE e.operation WHEN 'COLLECTION' THEN e.over_refunded_minor END,
        CASE e.operation WHEN 'COLLECTION' THEN e.given_back_minor END,
        CASE e.operation WHEN 'COLLECTION' THEN e.refunded_total_minor END,
        CASE e.operation WHEN 'COLLECTION' THEN e.over_refunded_total_minor END,
        CASE e.operation WHEN 'REFUND' THEN e.released_minor END,
        e.settled_by_review_at,
        e.provider,
        e.method,
        e.provider_transaction_id,
        e.gateway_message,
        e.wallet_message,
        e.disputed,
        e.waiting_for,
        coalesce(c.n, 0),
        e.completed_at,
        e.created_at,
        e.updated_at
    FROM executions AS e LEFT JOIN (SELECT subject_id, count(*) AS n FROM events WHERE subject_type = 2 GROUP BY subject_id) AS c
    ON c.subject_id = e.id ORDER BY e.id;
DROP TABLE executions;
ALTER TABLE new_executions RENAME TO executions;
ALTER INDEX new_executions_pkey RENAME TO executions_pkey;
CREATE UNIQUE INDEX executions_by_reference ON executions (merchant_id, reference_id);
CREATE UNIQUE INDEX executions_by_session ON executions (session_id);
CREATE INDEX executions_of_source ON executions (source_id, id) WHERE source_id IS NOT NULL;
CREATE INDEX executions_of_original ON executions (original_execution_id, id) WHERE original_execution_id IS NOT NULL;
CREATE INDEX executions_of_merchant ON executions (merchant_id, created_at) WHERE merchant_id > 0;

-- The ledger -----------------------------------------------------------------------------------------------------------

-- Clearing is by the account at the network; network_account_id is 0 for all other kinds.
CREATE TABLE new_accounts (
    id                 BIGINT PRIMARY KEY,
    merchant_id        BIGINT NOT NULL,
    network_account_id BIGINT NOT NULL DEFAULT 0 CHECK ((kind = 'CLEARING') = (network_account_id <> 0)),
    balance_minor      BIGINT NOT NULL,
    balance_rounds     BIGINT NOT NULL DEFAULT 0,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    kind               TEXT   NOT NULL,
    currency           TEXT   NOT NULL
);
INSERT INTO new_accounts (id, merchant_id, kind, network_account_id, currency, balance_minor, balance_rounds, created_at, updated_at)
    SELECT a.id,
        a.merchant_id,
        CASE WHEN a.kind IN ('CLEARING_PAWAPAY', 'CLEARING_STRIPE') THEN 'CLEARING' ELSE a.kind END,
        CASE a.kind WHEN 'CLEARING_PAWAPAY' THEN 1 WHEN 'CLEARING_STRIPE' THEN 2 ELSE 0 END
            + CASE WHEN m.mode = 'LIVE' AND a.kind IN ('CLEARING_PAWAPAY', 'CLEARING_STRIPE') THEN 2 ELSE 0 END,
        a.currency,
        a.balance_minor,
        a.balance_rounds,
        a.created_at,
        a.updated_at
    FROM accounts AS a JOIN merchants AS m ON m.id = a.merchant_id ORDER BY a.id;
DROP TABLE accounts;
ALTER TABLE new_accounts RENAME TO accounts;
ALTER INDEX new_accounts_pkey RENAME TO accounts_pkey;
ALTER TABLE accounts SET (fillfactor = 50);
CREATE UNIQUE INDEX accounts_by_kind ON accounts (merchant_id, kind, network_account_id, currency);

-- An entry has the time of its transaction's event.
CREATE TABLE new_entries (
    id                BIGINT   PRIMARY KEY,
    merchant_id       BIGINT   NOT NULL,
    transaction_id    BIGINT   NOT NULL,
    execution_id      BIGINT,
    account_id        BIGINT   NOT NULL,
    amount_minor      BIGINT   NOT NULL CHECK (amount_minor <> 0),
    balance_minor     BIGINT   NOT NULL,
    previous_entry_id BIGINT,
    bucket            SMALLINT NOT NULL CHECK (bucket BETWEEN 0 AND 2),
    currency          TEXT     NOT NULL
);
INSERT INTO new_entries (id, merchant_id, transaction_id, execution_id, account_id, bucket, amount_minor, currency, balance_minor, previous_entry_id)
    SELECT n.id,
        n.merchant_id,
        n.transaction_id,
        n.execution_id,
        n.account_id,
        CASE n.bucket WHEN 'SYSTEM' THEN 0 WHEN 'AVAILABLE' THEN 1 WHEN 'HELD' THEN 2 END,
        n.amount_minor,
        n.currency,
        n.balance_minor,
        n.previous_entry_id
    FROM entries AS n ORDER BY n.id;
DROP TABLE entries;
ALTER TABLE new_entries RENAME TO entries;
ALTER INDEX new_entries_pkey RENAME TO entries_pkey;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_are_not_removed BEFORE DELETE OR TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Merchants of a network's own test system have the mode TEST, and reviews of disputes the kind DISPUTE. SQLite cannot change a CHECK, and the table cannot be made anew
-- while others refer to it, so its text is changed as SQLite's documentation of ALTER TABLE describes.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'mode IN (''SANDBOX'', ''LIVE'')', 'mode IN (''SANDBOX'', ''TEST'', ''LIVE'')')
WHERE type = 'table' AND name = 'merchants';
UPDATE sqlite_schema SET sql = replace(sql, '''AMOUNT_MISMATCH'', ''DEADLINE_PASSED''', '''AMOUNT_MISMATCH'', ''DEADLINE_PASSED'', ''DISPUTE''')
WHERE type = 'table' AND name = 'reviews';
PRAGMA writable_schema = RESET;

-- Accounts at networks are the operator's. Those of the sandbox are built in; those that stood for live networks are no longer
-- needed, except where something was booked at one.
CREATE TABLE new_network_accounts (
    id               INTEGER PRIMARY KEY,
    network          TEXT    NOT NULL CHECK (network IN ('PAWAPAY', 'STRIPE')),
    mode             TEXT    NOT NULL CHECK (mode IN ('SANDBOX', 'TEST', 'LIVE')),
    name             TEXT    NOT NULL UNIQUE,
    base_url         TEXT,
    status           TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'DRAINING', 'CLOSED')),
    held             INTEGER NOT NULL CHECK (held IN (0, 1)),
    token_refused_at INTEGER,
    restored_at      INTEGER,
    signed_callbacks INTEGER NOT NULL CHECK (signed_callbacks IN (0, 1)),
    calls_per_second INTEGER NOT NULL CHECK (calls_per_second > 0),
    callback_token   TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;
INSERT INTO new_network_accounts (id, network, mode, name, base_url, status, held, token_refused_at, restored_at,
    signed_callbacks, calls_per_second, callback_token, created_at, updated_at)
SELECT id, network, mode, name, NULL, CASE mode WHEN 'SANDBOX' THEN 'ACTIVE' ELSE 'CLOSED' END, 0, NULL, NULL, 0, 1000, NULL, 0, 0
FROM network_accounts
WHERE mode = 'SANDBOX' OR id IN (SELECT network_account_id FROM provider_attempts)
    OR id IN (SELECT network_account_id FROM accounts);
DROP TABLE network_accounts;
ALTER TABLE new_network_accounts RENAME TO network_accounts;

ALTER TABLE merchants ADD COLUMN pawapay_account_id INTEGER REFERENCES network_accounts (id);
ALTER TABLE merchants ADD COLUMN stripe_account_id INTEGER REFERENCES network_accounts (id);

-- Encrypted with a key that is not in the database.
CREATE TABLE network_secrets (
    id                 INTEGER PRIMARY KEY,
    network_account_id INTEGER NOT NULL REFERENCES network_accounts (id),
    kind               TEXT    NOT NULL CHECK (kind IN ('TOKEN', 'SECRET_KEY', 'PUBLISHABLE_KEY', 'WEBHOOK_SECRET')),
    sealed             TEXT    NOT NULL,
    key_id             TEXT    NOT NULL,
    created_at         INTEGER NOT NULL,
    retired_at         INTEGER
) STRICT;

-- What a network says that can be done for an account.
CREATE TABLE operator_terms (
    id                 INTEGER PRIMARY KEY,
    network_account_id INTEGER NOT NULL REFERENCES network_accounts (id),
    operator           TEXT    NOT NULL,
    currency           TEXT    NOT NULL,
    operation          TEXT    NOT NULL CHECK (operation IN ('COLLECTION', 'PAYOUT', 'REFUND')),
    availability       TEXT    NOT NULL CHECK (availability IN ('OPERATIONAL', 'DELAYED', 'CLOSED')),
    min_minor          INTEGER,
    max_minor          INTEGER,
    decimals           INTEGER NOT NULL CHECK (decimals >= 0),
    country            TEXT    NOT NULL,
    prefix             TEXT    NOT NULL,
    display_name       TEXT    NOT NULL,
    pin_prompt         TEXT,
    updated_at         INTEGER NOT NULL,
    UNIQUE (network_account_id, operator, currency, operation)
) STRICT;

-- What was said between kola and a network about a payment. Kept for 90 days.
CREATE TABLE exchanges (
    id                 INTEGER PRIMARY KEY,
    merchant_id        INTEGER NOT NULL,
    execution_id       INTEGER NOT NULL,
    network_account_id INTEGER NOT NULL,
    is_callback        INTEGER NOT NULL CHECK (is_callback IN (0, 1)),
    begun_at           INTEGER NOT NULL,
    duration_us        INTEGER NOT NULL,
    request            TEXT    NOT NULL,
    status             INTEGER,
    answer             TEXT    NOT NULL,
    digest             TEXT    NOT NULL
) STRICT;
CREATE INDEX exchanges_of_execution ON exchanges (execution_id, id);
CREATE INDEX exchanges_by_time ON exchanges (begun_at);

-- The refund of a payment that was sent last: a network takes one at a time.
ALTER TABLE provider_attempts ADD COLUMN last_refund_id INTEGER;

-- A callback names a request by its id at the network. Only payments at real networks have a body.
CREATE INDEX attempts_by_request ON provider_attempts (request_id) WHERE body IS NOT NULL;

-- What is known of the dispute that a review is about: its id at the network, and which movements of its money were told.
ALTER TABLE reviews ADD COLUMN dispute_id TEXT;
ALTER TABLE reviews ADD COLUMN dispute_withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (dispute_withdrawn IN (0, 1));
ALTER TABLE reviews ADD COLUMN dispute_reinstated INTEGER NOT NULL DEFAULT 0 CHECK (dispute_reinstated IN (0, 1));

-- A dispute names a payment by its id at the network.
CREATE INDEX executions_of_cards ON executions (provider_transaction_id)
    WHERE method = 'CREDIT_CARD' AND provider_transaction_id IS NOT NULL;

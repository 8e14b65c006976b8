-- What an account at a network has exchanged or moved to the bank, and what it moved beyond what payments explain, is booked by
-- account, as clearing is.
CREATE TABLE new_accounts (
    id                 INTEGER PRIMARY KEY,
    merchant_id        INTEGER NOT NULL,
    network_account_id INTEGER NOT NULL DEFAULT 0 CHECK (((kind = 'CLEARING' OR kind = 'SETTLEMENT' OR kind = 'DIFFERENCE')) = (network_account_id <> 0)),
    balance_minor      INTEGER NOT NULL,
    balance_rounds     INTEGER NOT NULL DEFAULT 0,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    kind               TEXT    NOT NULL,
    currency           TEXT    NOT NULL
) STRICT;
INSERT INTO new_accounts (id, merchant_id, kind, network_account_id, currency, balance_minor, balance_rounds, created_at, updated_at)
    SELECT id, merchant_id, kind, network_account_id, currency, balance_minor, balance_rounds, created_at, updated_at
    FROM accounts ORDER BY id;
DROP TABLE accounts;
ALTER TABLE new_accounts RENAME TO accounts;
CREATE UNIQUE INDEX accounts_by_kind ON accounts (merchant_id, kind, network_account_id, currency);

-- What all merchants have at a network together.
CREATE INDEX accounts_of_network ON accounts (network_account_id, kind, currency, merchant_id);

-- How each account at a network is reconciled. Its id is the account's.
CREATE TABLE reconciliations (
    id           INTEGER PRIMARY KEY,
    holder       INTEGER NOT NULL,
    leased_until INTEGER NOT NULL,
    nightly_at   INTEGER,
    completed_at INTEGER
) STRICT;

-- Statements that were read.
CREATE TABLE statements (
    id                 INTEGER PRIMARY KEY,
    network_account_id INTEGER NOT NULL,
    source             TEXT NOT NULL CHECK ((source = 'NETWORK' OR source = 'FILE')),
    name               TEXT,
    digest             TEXT,
    from_at            INTEGER NOT NULL,
    to_at              INTEGER NOT NULL,
    status             TEXT NOT NULL CHECK ((status = 'READING' OR status = 'COMPLETE' OR status = 'FAILED')),
    lines              INTEGER NOT NULL,
    new_lines          INTEGER NOT NULL,
    matched            INTEGER NOT NULL,
    under_way          INTEGER NOT NULL,
    differences        INTEGER NOT NULL,
    problem            TEXT,
    accepted_at        INTEGER,
    event_count        INTEGER NOT NULL,
    begun_at           INTEGER NOT NULL,
    ended_at           INTEGER,
    CHECK ((status = 'READING') = (ended_at IS NULL)),
    CHECK ((status = 'FAILED') = (problem IS NOT NULL)),
    CHECK (accepted_at IS NULL OR status = 'COMPLETE')
) STRICT;
CREATE INDEX statements_of_account ON statements (network_account_id, begun_at);
CREATE INDEX statements_by_time ON statements (begun_at);
-- What is to be booked.
CREATE INDEX statements_accepted ON statements (id) WHERE accepted_at IS NOT NULL;

-- The lines of statements, each with the first that has it. An identity begins with the line's time. Amounts are above zero where
-- the balance at the network rose; `settled_minor` is the amount in the currency of the balance, where that is another one.
CREATE TABLE statement_lines (
    id                 INTEGER PRIMARY KEY,
    network_account_id INTEGER NOT NULL,
    statement_id       INTEGER NOT NULL,
    merchant_id        INTEGER,
    execution_id       INTEGER,
    event_id           INTEGER,
    amount_minor       INTEGER NOT NULL,
    settled_minor      INTEGER,
    fee_minor          INTEGER,
    occurred_at        INTEGER NOT NULL,
    identity           BLOB NOT NULL CHECK (length(identity) = 16),
    request_id         BLOB CHECK (length(request_id) = 16),
    kind               INT NOT NULL,
    standing           INT NOT NULL,
    currency           TEXT NOT NULL,
    settled_currency   TEXT,
    fee_currency       TEXT,
    line_id            TEXT,
    reference          TEXT,
    CHECK ((merchant_id IS NULL) = (execution_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX statement_lines_by_identity ON statement_lines (network_account_id, identity);
CREATE INDEX statement_lines_of_execution ON statement_lines (execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX statement_lines_of_statement ON statement_lines (statement_id, id);
-- What is to be booked.
CREATE INDEX statement_lines_unposted ON statement_lines (network_account_id, id) WHERE event_id IS NULL;

-- What a statement and the ledger do not agree on. The subject is the identity of a line, or the id of the request of a payment
-- that is missing there.
CREATE TABLE statement_differences (
    id                 INTEGER PRIMARY KEY,
    network_account_id INTEGER NOT NULL,
    statement_id       INTEGER NOT NULL,
    line_id            INTEGER,
    merchant_id        INTEGER,
    execution_id       INTEGER,
    event_id           INTEGER,
    kind               TEXT NOT NULL CHECK ((kind = 'MISSING_HERE' OR kind = 'MISSING_THERE' OR kind = 'AMOUNT_DIFFERS' OR kind = 'FEE_DIFFERS' OR kind = 'DUPLICATE_THERE')),
    subject            BLOB NOT NULL CHECK (length(subject) = 16),
    status             TEXT NOT NULL CHECK ((status = 'OPEN' OR status = 'CLOSED')),
    ours_minor         INTEGER,
    ours_currency      TEXT,
    theirs_minor       INTEGER,
    theirs_currency    TEXT,
    reason             TEXT NOT NULL,
    resolution         TEXT CHECK ((resolution = 'EXPLAINED' OR resolution = 'BOOKED' OR resolution = 'AGREED')),
    evidence           TEXT,
    found_at           INTEGER NOT NULL,
    closed_at          INTEGER,
    CHECK ((status = 'OPEN') = (closed_at IS NULL)),
    CHECK ((status = 'OPEN') = (resolution IS NULL)),
    CHECK ((event_id IS NOT NULL) = (resolution IS NOT NULL AND resolution = 'BOOKED'))
) STRICT;
CREATE UNIQUE INDEX statement_differences_by_subject ON statement_differences (network_account_id, kind, subject);
CREATE INDEX statement_differences_open ON statement_differences (network_account_id, found_at) WHERE status = 'OPEN';
CREATE INDEX statement_differences_by_time ON statement_differences (found_at);
CREATE INDEX statement_differences_of_statement ON statement_differences (statement_id, id);
CREATE INDEX statement_differences_of_execution ON statement_differences (execution_id) WHERE execution_id IS NOT NULL;

-- What networks say that they hold, when they were last asked, beside what the ledger says.
CREATE TABLE network_balances (
    id                 INTEGER PRIMARY KEY,
    network_account_id INTEGER NOT NULL,
    currency           TEXT NOT NULL,
    network_minor      INTEGER NOT NULL,
    ledger_minor       INTEGER NOT NULL,
    unposted_minor     INTEGER NOT NULL,
    read_at            INTEGER NOT NULL,
    differs_since      INTEGER
) STRICT;
CREATE UNIQUE INDEX network_balances_by_currency ON network_balances (network_account_id, currency);

INSERT INTO stored_codes (type, code, name) VALUES
    ('event_entity', 10, 'STATEMENT'),
    ('event_type', 30, 'statement.posted'),
    ('event_type', 31, 'statement.difference_closed'),
    ('audit_entity', 25, 'STATEMENT'),
    ('audited_command', 73, 'accept_statement'),
    ('audited_command', 74, 'close_difference'),
    ('line_kind', 0, 'COLLECTION'),
    ('line_kind', 1, 'PAYOUT'),
    ('line_kind', 2, 'REFUND'),
    ('line_kind', 3, 'REVERSAL'),
    ('line_kind', 4, 'DISPUTE_WITHDRAWN'),
    ('line_kind', 5, 'DISPUTE_REINSTATED'),
    ('line_kind', 6, 'TOP_UP'),
    ('line_kind', 7, 'BANK_TRANSFER'),
    ('line_kind', 8, 'FEE'),
    ('line_kind', 9, 'OTHER'),
    ('line_standing', 0, 'MATCHED'),
    ('line_standing', 1, 'UNDER_WAY'),
    ('line_standing', 2, 'DIFFERS'),
    ('line_standing', 3, 'EXPLAINED'),
    ('line_standing', 4, 'NO_PAYMENT');

-- Integers and text only. Money is in minor units, time in microseconds since 1970 UTC, a truth value is 0 or 1,
-- an enum is spelt as the API spells it.

CREATE TABLE installation (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    uuid         TEXT    NOT NULL,
    next_id      INTEGER NOT NULL CHECK (next_id > 0),
    book_version INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
    id         INTEGER PRIMARY KEY,
    secret     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;

-- Merchants -----------------------------------------------------------------------------------------------------------

CREATE TABLE merchants (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL,
    type            TEXT    NOT NULL CHECK (type IN ('ORGANIZATION', 'MICRO_ORGANIZATION')),
    mode            TEXT    NOT NULL CHECK (mode IN ('SANDBOX', 'LIVE')),
    phone           TEXT,
    email           TEXT,
    verified        INTEGER NOT NULL CHECK (verified IN (0, 1)),
    fee_tier        TEXT    NOT NULL,
    clock_offset_us INTEGER NOT NULL CHECK (clock_offset_us >= 0),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (mode, phone)
) STRICT;

CREATE TABLE api_keys (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL REFERENCES merchants (id),
    client_id   TEXT    NOT NULL UNIQUE,
    secret_hash TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;
CREATE INDEX api_keys_of_merchant ON api_keys (merchant_id, id);

CREATE TABLE passcodes (
    merchant_id  INTEGER PRIMARY KEY REFERENCES merchants (id),
    hash         TEXT    NOT NULL,
    attempts     INTEGER NOT NULL CHECK (attempts >= 0),
    locked_until INTEGER,
    updated_at   INTEGER NOT NULL
) STRICT;

-- What a session points at ----------------------------------------------------------------------------------------------

CREATE TABLE parties (
    id           INTEGER PRIMARY KEY,
    merchant_id  INTEGER NOT NULL REFERENCES merchants (id),
    fullname     TEXT    NOT NULL,
    phone        TEXT    NOT NULL,
    email        TEXT,
    country_code TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX parties_of_merchant ON parties (merchant_id, created_at, id);
CREATE INDEX parties_by_phone ON parties (merchant_id, phone, id);

CREATE TABLE counterparties (
    id                INTEGER PRIMARY KEY,
    merchant_id       INTEGER NOT NULL REFERENCES merchants (id),
    party_id          INTEGER REFERENCES parties (id),
    relationship_type TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
) STRICT;
CREATE INDEX counterparties_of_merchant ON counterparties (merchant_id, created_at, id);

CREATE TABLE payment_accounts (
    id             INTEGER PRIMARY KEY,
    merchant_id    INTEGER NOT NULL REFERENCES merchants (id),
    party_id       INTEGER NOT NULL REFERENCES parties (id),
    account_name   TEXT    NOT NULL,
    provider       TEXT    NOT NULL CHECK (provider IN ('PAWAPAY', 'STRIPE', 'PLATFORM')),
    method         TEXT    NOT NULL,
    operation_type TEXT    NOT NULL CHECK (operation_type IN ('COLLECTION', 'PAYOUT', 'TRANSFER', 'REFUND')),
    country_code   TEXT,
    account_number TEXT,
    is_active      INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX payment_accounts_of_merchant ON payment_accounts (merchant_id, created_at, id);

CREATE TABLE wallets (
    id              INTEGER PRIMARY KEY,
    merchant_id     INTEGER NOT NULL REFERENCES merchants (id),
    owner_type      TEXT    NOT NULL CHECK (owner_type IN ('MERCHANT', 'PARTY')),
    owner_id        INTEGER NOT NULL,
    currency        TEXT    NOT NULL,
    available_minor INTEGER NOT NULL CHECK (available_minor >= 0),
    held_minor      INTEGER NOT NULL CHECK (held_minor >= 0),
    status          TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'RESTRICTED', 'FROZEN', 'CLOSED')),
    last_entry_id   INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (owner_type, owner_id, currency)
) STRICT;
CREATE INDEX wallets_of_merchant ON wallets (merchant_id, created_at, id);

-- Invoices and orders.
CREATE TABLE sources (
    id              INTEGER PRIMARY KEY,
    merchant_id     INTEGER NOT NULL REFERENCES merchants (id),
    type            TEXT    NOT NULL CHECK (type IN ('INVOICE', 'ORDER')),
    number          TEXT    NOT NULL,
    counterparty_id INTEGER NOT NULL REFERENCES counterparties (id),
    currency        TEXT    NOT NULL,
    total_minor     INTEGER NOT NULL CHECK (total_minor >= 0),
    status          TEXT    NOT NULL CHECK (status IN ('IDLE', 'ACTIVE', 'PROCESSING', 'PAID', 'CANCELED')),
    note            TEXT    NOT NULL,
    fee_bearer      TEXT    NOT NULL CHECK (fee_bearer IN ('PAYER', 'PAYEE')),
    as_payment_link INTEGER NOT NULL CHECK (as_payment_link IN (0, 1)),
    reference_id    TEXT,
    due_date        INTEGER,
    paid_at         INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    CHECK ((status = 'PAID') = (paid_at IS NOT NULL)),
    UNIQUE (merchant_id, type, number)
) STRICT;
CREATE INDEX sources_of_merchant ON sources (merchant_id, type, created_at, id);

CREATE TABLE source_items (
    id           INTEGER PRIMARY KEY,
    merchant_id  INTEGER NOT NULL REFERENCES merchants (id),
    source_id    INTEGER NOT NULL REFERENCES sources (id),
    name         TEXT    NOT NULL,
    qty          INTEGER NOT NULL CHECK (qty >= 1),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency     TEXT    NOT NULL,
    removed      INTEGER NOT NULL CHECK (removed IN (0, 1)),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX source_items_of_source ON source_items (source_id, id);

-- The last number given: invoices and orders are numbered per merchant and year, without gaps.
CREATE TABLE counters (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL REFERENCES merchants (id),
    type        TEXT    NOT NULL CHECK (type IN ('INVOICE', 'ORDER')),
    year        INTEGER NOT NULL,
    last        INTEGER NOT NULL CHECK (last >= 1),
    UNIQUE (merchant_id, type, year)
) STRICT;

-- The page on which an invoice or order is shown and paid. Who has the token may see it.
CREATE TABLE checkout_configs (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL REFERENCES merchants (id),
    source_id   INTEGER NOT NULL UNIQUE REFERENCES sources (id),
    mode        TEXT    NOT NULL,
    success_url TEXT,
    cancel_url  TEXT,
    expires_at  INTEGER,
    token       TEXT    NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL
) STRICT;

-- Sessions and executions -------------------------------------------------------------------------------------------------

CREATE TABLE sessions (
    id                    INTEGER PRIMARY KEY,
    merchant_id           INTEGER NOT NULL,
    kind                  TEXT    NOT NULL CHECK (kind IN ('CHECKOUT', 'PAYOUT', 'TRANSFER', 'REFUND')),
    status                TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'EXECUTED', 'EXPIRED', 'CANCELED')),
    source_id             INTEGER,
    wallet_id             INTEGER,
    payment_account_id    INTEGER,
    counterparty_id       INTEGER,
    party_id              INTEGER,
    original_execution_id INTEGER,
    amount_minor          INTEGER CHECK (amount_minor > 0),
    currency              TEXT,
    reason                TEXT,
    expires_at            INTEGER NOT NULL,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    CHECK ((kind = 'CHECKOUT') = (source_id IS NOT NULL)),
    CHECK ((kind = 'REFUND') = (original_execution_id IS NOT NULL)),
    CHECK ((kind = 'TRANSFER') = (counterparty_id IS NOT NULL)),
    CHECK (kind = 'CHECKOUT' OR (amount_minor IS NOT NULL AND currency IS NOT NULL))
) STRICT;
CREATE INDEX sessions_to_expire ON sessions (expires_at) WHERE status = 'ACTIVE';
CREATE INDEX sessions_of_merchant ON sessions (merchant_id, kind, created_at);

-- Executed intents: what the API calls executions and payment intents.
CREATE TABLE executions (
    id                      INTEGER PRIMARY KEY,
    merchant_id             INTEGER NOT NULL,
    reference_id            TEXT    NOT NULL,
    operation               TEXT    NOT NULL CHECK (operation IN ('COLLECTION', 'PAYOUT', 'TRANSFER', 'REFUND')),
    session_id              INTEGER NOT NULL UNIQUE,
    status                  TEXT    NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED')),
    source_id               INTEGER,
    payment_account_id      INTEGER,
    original_execution_id   INTEGER,
    wallet_id               INTEGER,
    other_wallet_id         INTEGER,
    payer_minor             INTEGER NOT NULL CHECK (payer_minor >= 0),
    payer_currency          TEXT    NOT NULL,
    payee_minor             INTEGER NOT NULL CHECK (payee_minor >= 0),
    payee_currency          TEXT    NOT NULL,
    total_minor             INTEGER NOT NULL CHECK (total_minor >= 0),
    platform_fee_minor      INTEGER NOT NULL CHECK (platform_fee_minor >= 0),
    gateway_fee_minor       INTEGER NOT NULL CHECK (gateway_fee_minor >= 0),
    fx_fee_minor            INTEGER NOT NULL CHECK (fx_fee_minor >= 0),
    rate_num                INTEGER NOT NULL CHECK (rate_num > 0),
    rate_den                INTEGER NOT NULL CHECK (rate_den > 0),
    refunded_minor          INTEGER NOT NULL CHECK (refunded_minor >= 0 AND refunded_minor <= payer_minor),
    refunded_total_minor    INTEGER NOT NULL CHECK (refunded_total_minor >= 0 AND refunded_total_minor <= total_minor),
    provider                TEXT    NOT NULL CHECK (provider IN ('PAWAPAY', 'STRIPE', 'PLATFORM')),
    method                  TEXT    NOT NULL,
    provider_request_id     TEXT    NOT NULL,
    provider_transaction_id TEXT,
    gateway_message         TEXT,
    wallet_message          TEXT,
    client_secret           TEXT,
    requires_action         INTEGER NOT NULL CHECK (requires_action IN (0, 1)),
    cancel_asked            INTEGER NOT NULL CHECK (cancel_asked IN (0, 1)),
    disputed                INTEGER NOT NULL CHECK (disputed IN (0, 1)),
    attempts                INTEGER NOT NULL CHECK (attempts >= 0),
    sent_at                 INTEGER,
    waiting_for             TEXT,
    next_check_at           INTEGER,
    lease_until             INTEGER,
    deadline_at             INTEGER NOT NULL,
    completed_at            INTEGER,
    created_at              INTEGER NOT NULL,
    updated_at              INTEGER NOT NULL,
    CHECK ((status IN ('PENDING', 'PROCESSING')) = (next_check_at IS NOT NULL)),
    CHECK ((status = 'COMPLETED') = (completed_at IS NOT NULL)),
    UNIQUE (merchant_id, reference_id)
) STRICT;
CREATE INDEX executions_due ON executions (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX executions_of_source ON executions (source_id, id) WHERE source_id IS NOT NULL;
CREATE INDEX executions_of_merchant ON executions (merchant_id, created_at);

-- A provider contradicted itself, or never answered: a human decides.
CREATE TABLE reviews (
    id           INTEGER PRIMARY KEY,
    merchant_id  INTEGER NOT NULL,
    execution_id INTEGER NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('SUCCESS_AFTER_FAILURE', 'FAILURE_AFTER_SUCCESS', 'AMOUNT_MISMATCH', 'DEADLINE_PASSED')),
    status       TEXT    NOT NULL CHECK (status IN ('OPEN', 'RESOLVED')),
    amount_minor INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    resolution   TEXT,
    evidence     TEXT,
    created_at   INTEGER NOT NULL,
    resolved_at  INTEGER,
    CHECK ((status = 'RESOLVED') = (resolved_at IS NOT NULL)),
    UNIQUE (execution_id, kind)
) STRICT;
CREATE INDEX reviews_open ON reviews (id) WHERE status = 'OPEN';

-- The ledger ----------------------------------------------------------------------------------------------------------

-- System accounts, per merchant and currency. Clearing is also by provider: its kind is spelt CLEARING_PAWAPAY.
CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY,
    merchant_id   INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    currency      TEXT    NOT NULL,
    balance_minor INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (merchant_id, kind, currency)
) STRICT;

-- What happened, in words that clients and the ledger share.
CREATE TABLE events (
    id           INTEGER PRIMARY KEY,
    merchant_id  INTEGER NOT NULL,
    type         TEXT    NOT NULL,
    subject_type TEXT    NOT NULL,
    subject_id   INTEGER NOT NULL,
    note         TEXT,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX events_of_subject ON events (subject_id, id);
CREATE INDEX events_of_merchant ON events (merchant_id, created_at);

-- Credits are positive, debits negative. The entries of a transaction, which has the id of its event, sum to zero in each
-- currency. A wallet has two balances, AVAILABLE and HELD; a system account has one, SYSTEM.
CREATE TABLE entries (
    id                INTEGER PRIMARY KEY,
    merchant_id       INTEGER NOT NULL,
    transaction_id    INTEGER NOT NULL,
    execution_id      INTEGER,
    account_id        INTEGER NOT NULL,
    bucket            TEXT    NOT NULL CHECK (bucket IN ('AVAILABLE', 'HELD', 'SYSTEM')),
    amount_minor      INTEGER NOT NULL CHECK (amount_minor <> 0),
    currency          TEXT    NOT NULL,
    balance_minor     INTEGER NOT NULL,
    previous_entry_id INTEGER,
    created_at        INTEGER NOT NULL
) STRICT;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries BEGIN SELECT RAISE (ABORT, 'entries are append-only'); END;
CREATE TRIGGER entries_are_not_removed BEFORE DELETE ON entries BEGIN SELECT RAISE (ABORT, 'entries are append-only'); END;
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;

-- The book: what is allowed and what it costs. A change raises installation.book_version. ---------------------------------

CREATE TABLE fee_tiers (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Percentages are in millionths: 1 % is 10000.
CREATE TABLE platform_fees (
    id                  INTEGER PRIMARY KEY,
    tier                TEXT    NOT NULL,
    operation           TEXT    NOT NULL,
    percentage_ppm      INTEGER NOT NULL CHECK (percentage_ppm >= 0),
    fx_percentage_ppm   INTEGER NOT NULL CHECK (fx_percentage_ppm >= 0),
    fixed_minor         INTEGER CHECK (fixed_minor >= 0),
    fixed_currency      TEXT,
    effective_from      INTEGER NOT NULL,
    effective_to        INTEGER,
    created_at          INTEGER NOT NULL,
    CHECK ((fixed_minor IS NULL) = (fixed_currency IS NULL))
) STRICT;

CREATE TABLE gateway_fees (
    id             INTEGER PRIMARY KEY,
    provider       TEXT    NOT NULL,
    method         TEXT    NOT NULL,
    operation      TEXT    NOT NULL,
    percentage_ppm INTEGER NOT NULL CHECK (percentage_ppm >= 0),
    fixed_minor    INTEGER CHECK (fixed_minor >= 0),
    fixed_currency TEXT,
    effective_from INTEGER NOT NULL,
    effective_to   INTEGER,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    CHECK ((fixed_minor IS NULL) = (fixed_currency IS NULL))
) STRICT;

-- One unit of from_currency is num / den units of to_currency.
CREATE TABLE rates (
    id             INTEGER PRIMARY KEY,
    from_currency  TEXT    NOT NULL,
    to_currency    TEXT    NOT NULL,
    num            INTEGER NOT NULL CHECK (num > 0),
    den            INTEGER NOT NULL CHECK (den > 0),
    effective_from INTEGER NOT NULL,
    effective_to   INTEGER,
    created_at     INTEGER NOT NULL
) STRICT;

-- Which method, through which provider, does which operation in which currency.
CREATE TABLE markets (
    id        INTEGER PRIMARY KEY,
    method    TEXT NOT NULL,
    provider  TEXT NOT NULL,
    operation TEXT NOT NULL,
    currency  TEXT NOT NULL,
    country   TEXT NOT NULL,
    UNIQUE (method, provider, operation, currency)
) STRICT;

-- Whose numbers begin so: country code and all, with so many digits together.
CREATE TABLE phone_prefixes (
    id      INTEGER PRIMARY KEY,
    prefix  TEXT    NOT NULL,
    digits  INTEGER NOT NULL CHECK (digits BETWEEN 8 AND 15),
    carrier TEXT    NOT NULL,
    country TEXT    NOT NULL,
    method  TEXT    NOT NULL,
    UNIQUE (prefix, digits)
) STRICT;

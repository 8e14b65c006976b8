-- Integers and text only. Money is in minor units, time in microseconds since 1970 UTC, a truth value is 0 or 1,
-- an enum is spelt as the API spells it. The same tables as on SQLite; a test compares them.

CREATE TABLE installation (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    uuid         TEXT    NOT NULL,
    next_id      BIGINT NOT NULL CHECK (next_id > 0),
    book_version BIGINT NOT NULL
);

CREATE TABLE signing_keys (
    id         BIGINT PRIMARY KEY,
    secret     TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);

-- Merchants -----------------------------------------------------------------------------------------------------------

CREATE TABLE merchants (
    id              BIGINT PRIMARY KEY,
    name            TEXT    NOT NULL,
    type            TEXT    NOT NULL CHECK (type IN ('ORGANIZATION', 'MICRO_ORGANIZATION')),
    mode            TEXT    NOT NULL CHECK (mode IN ('SANDBOX', 'LIVE')),
    phone           TEXT,
    email           TEXT,
    verified        BIGINT NOT NULL CHECK (verified IN (0, 1)),
    fee_tier        TEXT    NOT NULL,
    clock_offset_us BIGINT NOT NULL CHECK (clock_offset_us >= 0),
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (mode, phone)
);

CREATE TABLE api_keys (
    id          BIGINT PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    client_id   TEXT    NOT NULL UNIQUE,
    secret_hash TEXT    NOT NULL,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX api_keys_of_merchant ON api_keys (merchant_id, id);

CREATE TABLE passcodes (
    merchant_id  BIGINT PRIMARY KEY REFERENCES merchants (id),
    hash         TEXT    NOT NULL,
    attempts     BIGINT NOT NULL CHECK (attempts >= 0),
    locked_until BIGINT,
    updated_at   BIGINT NOT NULL
);

-- What a session points at ----------------------------------------------------------------------------------------------

CREATE TABLE parties (
    id           BIGINT PRIMARY KEY,
    merchant_id  BIGINT NOT NULL REFERENCES merchants (id),
    fullname     TEXT    NOT NULL,
    phone        TEXT    NOT NULL,
    email        TEXT,
    country_code TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
-- The condition holds always, and only lists state it: else a plan made while the table is small would look a phone up in this
-- index, through all of the merchant's rows, and keep to it when the table has grown.
CREATE INDEX parties_of_merchant ON parties (merchant_id, created_at, id) WHERE merchant_id > 0;
CREATE INDEX parties_by_phone ON parties (merchant_id, phone, id);

CREATE TABLE counterparties (
    id                BIGINT PRIMARY KEY,
    merchant_id       BIGINT NOT NULL REFERENCES merchants (id),
    party_id          BIGINT REFERENCES parties (id),
    relationship_type TEXT    NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
);
CREATE INDEX counterparties_of_merchant ON counterparties (merchant_id, created_at, id);

CREATE TABLE payment_accounts (
    id             BIGINT PRIMARY KEY,
    merchant_id    BIGINT NOT NULL REFERENCES merchants (id),
    party_id       BIGINT NOT NULL REFERENCES parties (id),
    account_name   TEXT    NOT NULL,
    provider       TEXT    NOT NULL CHECK (provider IN ('PAWAPAY', 'STRIPE', 'PLATFORM')),
    method         TEXT    NOT NULL,
    operation_type TEXT    NOT NULL CHECK (operation_type IN ('COLLECTION', 'PAYOUT', 'TRANSFER', 'REFUND')),
    country_code   TEXT,
    account_number TEXT,
    is_active      BIGINT NOT NULL CHECK (is_active IN (0, 1)),
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
CREATE INDEX payment_accounts_of_merchant ON payment_accounts (merchant_id, created_at, id);

CREATE TABLE wallets (
    id              BIGINT PRIMARY KEY,
    merchant_id     BIGINT NOT NULL REFERENCES merchants (id),
    owner_type      TEXT    NOT NULL CHECK (owner_type IN ('MERCHANT', 'PARTY')),
    owner_id        BIGINT NOT NULL,
    currency        TEXT    NOT NULL,
    available_minor BIGINT NOT NULL CHECK (available_minor >= 0),
    held_minor      BIGINT NOT NULL CHECK (held_minor >= 0),
    status          TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'RESTRICTED', 'FROZEN', 'CLOSED')),
    last_entry_id   BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (owner_type, owner_id, currency)
);
CREATE INDEX wallets_of_merchant ON wallets (merchant_id, created_at, id);

-- Invoices and orders.
CREATE TABLE sources (
    id              BIGINT PRIMARY KEY,
    merchant_id     BIGINT NOT NULL REFERENCES merchants (id),
    type            TEXT    NOT NULL CHECK (type IN ('INVOICE', 'ORDER')),
    number          TEXT    NOT NULL,
    counterparty_id BIGINT NOT NULL REFERENCES counterparties (id),
    currency        TEXT    NOT NULL,
    total_minor     BIGINT NOT NULL CHECK (total_minor >= 0),
    status          TEXT    NOT NULL CHECK (status IN ('IDLE', 'ACTIVE', 'PROCESSING', 'PAID', 'CANCELED')),
    note            TEXT    NOT NULL,
    fee_bearer      TEXT    NOT NULL CHECK (fee_bearer IN ('PAYER', 'PAYEE')),
    as_payment_link BIGINT NOT NULL CHECK (as_payment_link IN (0, 1)),
    reference_id    TEXT,
    due_date        BIGINT,
    paid_at         BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    CHECK ((status = 'PAID') = (paid_at IS NOT NULL)),
    UNIQUE (merchant_id, type, number)
);
CREATE INDEX sources_of_merchant ON sources (merchant_id, type, created_at, id);

CREATE TABLE source_items (
    id           BIGINT PRIMARY KEY,
    merchant_id  BIGINT NOT NULL REFERENCES merchants (id),
    source_id    BIGINT NOT NULL REFERENCES sources (id),
    name         TEXT    NOT NULL,
    qty          BIGINT NOT NULL CHECK (qty >= 1),
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    currency     TEXT    NOT NULL,
    removed      BIGINT NOT NULL CHECK (removed IN (0, 1)),
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX source_items_of_source ON source_items (source_id, id);

-- The last number given: invoices and orders are numbered per merchant and year, without gaps.
CREATE TABLE counters (
    id          BIGINT PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    type        TEXT    NOT NULL CHECK (type IN ('INVOICE', 'ORDER')),
    year        BIGINT NOT NULL,
    last        BIGINT NOT NULL CHECK (last >= 1),
    UNIQUE (merchant_id, type, year)
);

-- The page on which an invoice or order is shown and paid. Who has the token may see it.
CREATE TABLE checkout_configs (
    id          BIGINT PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    source_id   BIGINT NOT NULL UNIQUE REFERENCES sources (id),
    mode        TEXT    NOT NULL,
    success_url TEXT,
    cancel_url  TEXT,
    expires_at  BIGINT,
    token       TEXT    NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL
);

-- Sessions and executions -------------------------------------------------------------------------------------------------

CREATE TABLE sessions (
    id                    BIGINT PRIMARY KEY,
    merchant_id           BIGINT NOT NULL,
    kind                  TEXT    NOT NULL CHECK (kind IN ('CHECKOUT', 'PAYOUT', 'TRANSFER', 'REFUND')),
    status                TEXT    NOT NULL CHECK (status IN ('ACTIVE', 'EXECUTED', 'EXPIRED', 'CANCELED')),
    source_id             BIGINT,
    wallet_id             BIGINT,
    payment_account_id    BIGINT,
    counterparty_id       BIGINT,
    party_id              BIGINT,
    original_execution_id BIGINT,
    amount_minor          BIGINT CHECK (amount_minor > 0),
    currency              TEXT,
    reason                TEXT,
    expires_at            BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL,
    CHECK ((kind = 'CHECKOUT') = (source_id IS NOT NULL)),
    CHECK ((kind = 'REFUND') = (original_execution_id IS NOT NULL)),
    CHECK ((kind = 'TRANSFER') = (counterparty_id IS NOT NULL)),
    CHECK (kind = 'CHECKOUT' OR (amount_minor IS NOT NULL AND currency IS NOT NULL))
);
CREATE INDEX sessions_to_expire ON sessions (expires_at) WHERE status = 'ACTIVE';
CREATE INDEX sessions_of_merchant ON sessions (merchant_id, kind, created_at);

-- Executed intents: what the API calls executions and payment intents.
CREATE TABLE executions (
    id                      BIGINT PRIMARY KEY,
    merchant_id             BIGINT NOT NULL,
    reference_id            TEXT    NOT NULL,
    operation               TEXT    NOT NULL CHECK (operation IN ('COLLECTION', 'PAYOUT', 'TRANSFER', 'REFUND')),
    session_id              BIGINT NOT NULL UNIQUE,
    status                  TEXT    NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED')),
    source_id               BIGINT,
    payment_account_id      BIGINT,
    original_execution_id   BIGINT,
    wallet_id               BIGINT,
    other_wallet_id         BIGINT,
    payer_minor             BIGINT NOT NULL CHECK (payer_minor >= 0),
    payer_currency          TEXT    NOT NULL,
    payee_minor             BIGINT NOT NULL CHECK (payee_minor >= 0),
    payee_currency          TEXT    NOT NULL,
    total_minor             BIGINT NOT NULL CHECK (total_minor >= 0),
    platform_fee_minor      BIGINT NOT NULL CHECK (platform_fee_minor >= 0),
    gateway_fee_minor       BIGINT NOT NULL CHECK (gateway_fee_minor >= 0),
    fx_fee_minor            BIGINT NOT NULL CHECK (fx_fee_minor >= 0),
    rate_num                BIGINT NOT NULL CHECK (rate_num > 0),
    rate_den                BIGINT NOT NULL CHECK (rate_den > 0),
    refunded_minor          BIGINT NOT NULL CHECK (refunded_minor >= 0 AND refunded_minor <= payer_minor),
    refunded_total_minor    BIGINT NOT NULL CHECK (refunded_total_minor >= 0 AND refunded_total_minor <= total_minor),
    provider                TEXT    NOT NULL CHECK (provider IN ('PAWAPAY', 'STRIPE', 'PLATFORM')),
    method                  TEXT    NOT NULL,
    provider_request_id     TEXT    NOT NULL,
    provider_transaction_id TEXT,
    gateway_message         TEXT,
    wallet_message          TEXT,
    client_secret           TEXT,
    requires_action         BIGINT NOT NULL CHECK (requires_action IN (0, 1)),
    cancel_asked            BIGINT NOT NULL CHECK (cancel_asked IN (0, 1)),
    disputed                BIGINT NOT NULL CHECK (disputed IN (0, 1)),
    attempts                BIGINT NOT NULL CHECK (attempts >= 0),
    sent_at                 BIGINT,
    waiting_for             TEXT,
    next_check_at           BIGINT,
    lease_until             BIGINT,
    deadline_at             BIGINT NOT NULL,
    completed_at            BIGINT,
    created_at              BIGINT NOT NULL,
    updated_at              BIGINT NOT NULL,
    CHECK ((status IN ('PENDING', 'PROCESSING')) = (next_check_at IS NOT NULL)),
    CHECK ((status = 'COMPLETED') = (completed_at IS NOT NULL)),
    UNIQUE (merchant_id, reference_id)
);
CREATE INDEX executions_due ON executions (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX executions_of_source ON executions (source_id, id) WHERE source_id IS NOT NULL;
-- The condition holds always, and only lists state it: a reference is never looked up in this index.
CREATE INDEX executions_of_merchant ON executions (merchant_id, created_at) WHERE merchant_id > 0;

-- A provider contradicted itself, or never answered: a human decides.
CREATE TABLE reviews (
    id           BIGINT PRIMARY KEY,
    merchant_id  BIGINT NOT NULL,
    execution_id BIGINT NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('SUCCESS_AFTER_FAILURE', 'FAILURE_AFTER_SUCCESS', 'AMOUNT_MISMATCH', 'DEADLINE_PASSED')),
    status       TEXT    NOT NULL CHECK (status IN ('OPEN', 'RESOLVED')),
    amount_minor BIGINT NOT NULL,
    currency     TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    resolution   TEXT,
    evidence     TEXT,
    created_at   BIGINT NOT NULL,
    resolved_at  BIGINT,
    CHECK ((status = 'RESOLVED') = (resolved_at IS NOT NULL)),
    UNIQUE (execution_id, kind)
);
CREATE INDEX reviews_open ON reviews (id) WHERE status = 'OPEN';

-- The ledger ----------------------------------------------------------------------------------------------------------

-- System accounts, per merchant and currency. Clearing is also by provider: its kind is spelt CLEARING_PAWAPAY.
CREATE TABLE accounts (
    id            BIGINT PRIMARY KEY,
    merchant_id   BIGINT NOT NULL,
    kind          TEXT    NOT NULL,
    currency      TEXT    NOT NULL,
    balance_minor BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    UNIQUE (merchant_id, kind, currency)
);

-- What happened, in words that clients and the ledger share.
CREATE TABLE events (
    id           BIGINT PRIMARY KEY,
    merchant_id  BIGINT NOT NULL,
    type         TEXT    NOT NULL,
    subject_type TEXT    NOT NULL,
    subject_id   BIGINT NOT NULL,
    note         TEXT,
    created_at   BIGINT NOT NULL
);
CREATE INDEX events_of_subject ON events (subject_id, id);
CREATE INDEX events_of_merchant ON events (merchant_id, created_at);

-- Credits are positive, debits negative. The entries of a transaction, which has the id of its event, sum to zero in each
-- currency. A wallet has two balances, AVAILABLE and HELD; a system account has one, SYSTEM.
CREATE TABLE entries (
    id                BIGINT PRIMARY KEY,
    merchant_id       BIGINT NOT NULL,
    transaction_id    BIGINT NOT NULL,
    execution_id      BIGINT,
    account_id        BIGINT NOT NULL,
    bucket            TEXT    NOT NULL CHECK (bucket IN ('AVAILABLE', 'HELD', 'SYSTEM')),
    amount_minor      BIGINT NOT NULL CHECK (amount_minor <> 0),
    currency          TEXT    NOT NULL,
    balance_minor     BIGINT NOT NULL,
    previous_entry_id BIGINT,
    created_at        BIGINT NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are append-only', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_are_not_removed BEFORE DELETE OR TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_are_not_removed BEFORE DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The book: what is allowed and what it costs. A change raises installation.book_version. ---------------------------------

CREATE TABLE fee_tiers (
    id         BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    is_default BIGINT NOT NULL CHECK (is_default IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Percentages are in millionths: 1 % is 10000.
CREATE TABLE platform_fees (
    id                  BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    tier                TEXT    NOT NULL,
    operation           TEXT    NOT NULL,
    percentage_ppm      BIGINT NOT NULL CHECK (percentage_ppm >= 0),
    fx_percentage_ppm   BIGINT NOT NULL CHECK (fx_percentage_ppm >= 0),
    fixed_minor         BIGINT CHECK (fixed_minor >= 0),
    fixed_currency      TEXT,
    effective_from      BIGINT NOT NULL,
    effective_to        BIGINT,
    created_at          BIGINT NOT NULL,
    CHECK ((fixed_minor IS NULL) = (fixed_currency IS NULL))
);

CREATE TABLE gateway_fees (
    id             BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    provider       TEXT    NOT NULL,
    method         TEXT    NOT NULL,
    operation      TEXT    NOT NULL,
    percentage_ppm BIGINT NOT NULL CHECK (percentage_ppm >= 0),
    fixed_minor    BIGINT CHECK (fixed_minor >= 0),
    fixed_currency TEXT,
    effective_from BIGINT NOT NULL,
    effective_to   BIGINT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    CHECK ((fixed_minor IS NULL) = (fixed_currency IS NULL))
);

-- One unit of from_currency is num / den units of to_currency.
CREATE TABLE rates (
    id             BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    from_currency  TEXT    NOT NULL,
    to_currency    TEXT    NOT NULL,
    num            BIGINT NOT NULL CHECK (num > 0),
    den            BIGINT NOT NULL CHECK (den > 0),
    effective_from BIGINT NOT NULL,
    effective_to   BIGINT,
    created_at     BIGINT NOT NULL
);

-- Which method, through which provider, does which operation in which currency.
CREATE TABLE markets (
    id        BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    method    TEXT NOT NULL,
    provider  TEXT NOT NULL,
    operation TEXT NOT NULL,
    currency  TEXT NOT NULL,
    country   TEXT NOT NULL,
    UNIQUE (method, provider, operation, currency)
);

-- Whose numbers begin so: country code and all, with so many digits together.
CREATE TABLE phone_prefixes (
    id      BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    prefix  TEXT    NOT NULL,
    digits  BIGINT NOT NULL CHECK (digits BETWEEN 8 AND 15),
    carrier TEXT    NOT NULL,
    country TEXT    NOT NULL,
    method  TEXT    NOT NULL,
    UNIQUE (prefix, digits)
);

-- Rows that are written over and over: room on their pages keeps a new version beside the old one, without its indexes.
ALTER TABLE wallets SET (fillfactor = 50);
ALTER TABLE accounts SET (fillfactor = 50);
ALTER TABLE counters SET (fillfactor = 50);
ALTER TABLE sessions SET (fillfactor = 85);
ALTER TABLE sources SET (fillfactor = 85);

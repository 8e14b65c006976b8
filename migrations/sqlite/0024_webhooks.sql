-- Webhooks: where merchants are told what happened to them, and what they were told.

-- Each event of a merchant changes this row, so a payment knows by it whether a message must be written. A merchant may have an
-- endpoint before the first event. SQLite cannot change a CHECK: see 0022.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'last >= 1', 'last >= 0') WHERE type = 'table' AND name = 'event_positions';
PRAGMA writable_schema = RESET;
ALTER TABLE event_positions ADD COLUMN endpoints INTEGER NOT NULL DEFAULT 0 CHECK (endpoints >= 0);

CREATE TABLE webhook_endpoints (
    id            INTEGER PRIMARY KEY,
    merchant_id   INTEGER NOT NULL REFERENCES merchants (id),
    url           TEXT NOT NULL,
    event_types   TEXT,
    description   TEXT,
    disabled      TEXT CHECK (disabled IN ('MERCHANT', 'GONE', 'FAILING')),
    signing       TEXT NOT NULL CHECK (signing IN ('HMAC', 'ED25519')),
    public_key    TEXT,
    failing_since INTEGER,
    event_count   INTEGER NOT NULL CHECK (event_count >= 0),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    deleted_at    INTEGER
) STRICT;
CREATE INDEX webhook_endpoints_of_merchant ON webhook_endpoints (merchant_id, created_at, id);
CREATE INDEX webhook_endpoints_there ON webhook_endpoints (merchant_id) WHERE deleted_at IS NULL;

CREATE TABLE webhook_secrets (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL,
    endpoint_id INTEGER NOT NULL REFERENCES webhook_endpoints (id),
    signing     TEXT NOT NULL CHECK (signing IN ('HMAC', 'ED25519')),
    sealed      TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER
) STRICT;
CREATE INDEX webhook_secrets_of_endpoint ON webhook_secrets (endpoint_id, id);

-- A message is written in the commit of its event. Kept for 90 days.
CREATE TABLE webhook_messages (
    event_id         INTEGER PRIMARY KEY,
    merchant_id      INTEGER NOT NULL,
    type             INT NOT NULL,
    execution_id     INTEGER,
    only_endpoint_id INTEGER,
    body             TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    fanned_out_at    INTEGER
) STRICT;
CREATE INDEX webhook_messages_to_fan_out ON webhook_messages (event_id) WHERE fanned_out_at IS NULL;
CREATE INDEX webhook_messages_by_time ON webhook_messages (created_at);

-- Kept for 30 days, those that were given up for 90.
CREATE TABLE webhook_deliveries (
    id              INTEGER PRIMARY KEY,
    merchant_id     INTEGER NOT NULL,
    endpoint_id     INTEGER NOT NULL,
    event_id        INTEGER NOT NULL,
    type            INT NOT NULL,
    execution_id    INTEGER,
    created_at      INTEGER NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED', 'DEAD')),
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    failures        INTEGER NOT NULL CHECK (failures BETWEEN 0 AND attempts),
    next_attempt_at INTEGER,
    is_under_way    INTEGER NOT NULL DEFAULT 0 CHECK (is_under_way IN (0, 1)),
    updated_at      INTEGER NOT NULL,
    UNIQUE (endpoint_id, event_id),
    CHECK ((next_attempt_at IS NULL) = (status IN ('DELIVERED', 'DEAD')))
) STRICT;
CREATE INDEX webhook_deliveries_of_merchant ON webhook_deliveries (merchant_id, created_at, id);
CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, created_at, id);
CREATE INDEX webhook_deliveries_of_execution ON webhook_deliveries (execution_id, created_at, id) WHERE execution_id IS NOT NULL;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (endpoint_id, id) WHERE status IN ('FAILED', 'DEAD');
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (status, updated_at) WHERE next_attempt_at IS NULL;

-- Kept for 90 days.
CREATE TABLE webhook_attempts (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL,
    delivery_id INTEGER NOT NULL,
    number      INTEGER NOT NULL CHECK (number >= 1),
    begun_at    INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    status      INTEGER,
    said        TEXT NOT NULL
) STRICT;
CREATE INDEX webhook_attempts_of_delivery ON webhook_attempts (delivery_id, id);
CREATE INDEX webhook_attempts_by_time ON webhook_attempts (begun_at);

INSERT INTO stored_codes (type, code, name) VALUES
    ('event_entity', 8, 'WEBHOOK_ENDPOINT'),
    ('event_type', 24, 'webhook_endpoint.disabled'),
    ('event_type', 25, 'webhook.test');

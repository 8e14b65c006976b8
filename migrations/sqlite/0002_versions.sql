-- Which schema this is, and how old a kola still understands it: a new one may run beside the one before it.
CREATE TABLE schema_versions (
    version    INTEGER PRIMARY KEY,
    oldest     INTEGER NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- Of several processes that start on an empty database one makes the first merchant.
ALTER TABLE installation ADD COLUMN greeted INTEGER NOT NULL DEFAULT 0 CHECK (greeted IN (0, 1));

-- What refunds gave back beyond their payment: those that failed and then paid after all.
ALTER TABLE executions ADD COLUMN over_refunded_minor INTEGER NOT NULL DEFAULT 0 CHECK (over_refunded_minor >= 0);
ALTER TABLE executions ADD COLUMN over_refunded_total_minor INTEGER NOT NULL DEFAULT 0 CHECK (over_refunded_total_minor >= 0);

-- Markets and phone prefixes have effective dates, as fees and rates have. SQLite cannot drop a UNIQUE constraint, so the
-- tables are made anew.
CREATE TABLE new_markets (
    id             INTEGER PRIMARY KEY,
    method         TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    operation      TEXT    NOT NULL,
    currency       TEXT    NOT NULL,
    country        TEXT    NOT NULL,
    effective_from INTEGER NOT NULL DEFAULT 0,
    effective_to   INTEGER
) STRICT;
INSERT INTO new_markets (id, method, provider, operation, currency, country)
    SELECT id, method, provider, operation, currency, country FROM markets;
DROP TABLE markets;
ALTER TABLE new_markets RENAME TO markets;

CREATE TABLE new_phone_prefixes (
    id             INTEGER PRIMARY KEY,
    prefix         TEXT    NOT NULL,
    digits         INTEGER NOT NULL CHECK (digits BETWEEN 8 AND 15),
    carrier        TEXT    NOT NULL,
    country        TEXT    NOT NULL,
    method         TEXT    NOT NULL,
    effective_from INTEGER NOT NULL DEFAULT 0,
    effective_to   INTEGER
) STRICT;
INSERT INTO new_phone_prefixes (id, prefix, digits, carrier, country, method)
    SELECT id, prefix, digits, carrier, country, method FROM phone_prefixes;
DROP TABLE phone_prefixes;
ALTER TABLE new_phone_prefixes RENAME TO phone_prefixes;

-- Several times a second the furthest sandbox clock is asked for, as the bound of what may have expired.
CREATE INDEX merchants_by_clock ON merchants (clock_offset_us);

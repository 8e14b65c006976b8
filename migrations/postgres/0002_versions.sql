-- The table schema_versions is there already: processes that start together wait for each other at it.

-- What a lane wrote last: after a commit whose answer was lost it tells whether the batch is on disk.
CREATE TABLE lanes (
    id      BIGINT PRIMARY KEY,
    batch   BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
) WITH (fillfactor = 50);

-- Of several processes that start on an empty database one makes the first merchant.
ALTER TABLE installation ADD COLUMN greeted BIGINT NOT NULL DEFAULT 0 CHECK (greeted IN (0, 1));

-- What refunds gave back beyond their payment: those that failed and then paid after all.
ALTER TABLE executions ADD COLUMN over_refunded_minor BIGINT NOT NULL DEFAULT 0 CHECK (over_refunded_minor >= 0);
ALTER TABLE executions ADD COLUMN over_refunded_total_minor BIGINT NOT NULL DEFAULT 0 CHECK (over_refunded_total_minor >= 0);

-- Markets and phone prefixes have effective dates, as fees and rates have.
ALTER TABLE markets ADD COLUMN effective_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE markets ADD COLUMN effective_to BIGINT;
ALTER TABLE markets DROP CONSTRAINT markets_method_provider_operation_currency_key;
ALTER TABLE phone_prefixes ADD COLUMN effective_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE phone_prefixes ADD COLUMN effective_to BIGINT;
ALTER TABLE phone_prefixes DROP CONSTRAINT phone_prefixes_prefix_digits_key;

-- Several times a second the furthest sandbox clock is asked for, as the bound of what may have expired.
CREATE INDEX merchants_by_clock ON merchants (clock_offset_us);

-- A secret may be the key that requests to pawaPay are signed with.
ALTER TABLE network_secrets DROP CONSTRAINT network_secrets_kind_check;
ALTER TABLE network_secrets ADD CONSTRAINT network_secrets_kind_check
    CHECK (kind IN ('TOKEN', 'SECRET_KEY', 'PUBLISHABLE_KEY', 'WEBHOOK_SECRET', 'SIGNING_KEY'));

-- Callbacks about payments that are not known. Kept for 30 days.
CREATE TABLE unmatched_callbacks (
    id                 BIGINT PRIMARY KEY,
    network_account_id BIGINT NOT NULL,
    received_at        BIGINT NOT NULL,
    is_signed          BIGINT NOT NULL CHECK (is_signed IN (0, 1)),
    request_id         TEXT NOT NULL,
    body               TEXT NOT NULL
);
CREATE INDEX unmatched_callbacks_by_time ON unmatched_callbacks (received_at);
CREATE INDEX unmatched_callbacks_of_account ON unmatched_callbacks (network_account_id, id);

-- What the amounts of a payment were rounded to, in minor units of the payer's currency, where its network takes the currency
-- without its decimals.
ALTER TABLE executions ADD COLUMN unit_minor BIGINT CHECK (unit_minor > 1);

-- Which parameters requests to a server that plays Stripe may have. Stripe itself takes the current ones.
ALTER TABLE network_accounts ADD COLUMN parameters TEXT NOT NULL DEFAULT 'CURRENT'
    CHECK (parameters = 'CURRENT' OR (parameters = 'BASIC' AND network = 'STRIPE' AND mode = 'TEST'));

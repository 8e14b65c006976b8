-- The page of an invoice or order is found by the fingerprint of its token. The columns are filled by code: SQL has no SHA-256
-- of 16 bytes that is the same on both databases.
ALTER TABLE checkout_configs ADD COLUMN token_hash UUID;
ALTER TABLE checkout_configs ADD COLUMN link_token_hash UUID;
CREATE UNIQUE INDEX checkout_configs_by_token_hash ON checkout_configs (token_hash);
CREATE UNIQUE INDEX checkout_configs_by_link_token_hash ON checkout_configs (link_token_hash) WHERE link_token_hash IS NOT NULL;
DROP INDEX checkout_configs_by_link;

-- The page on which a payer began a payment, and when the network was last asked how it stands.
ALTER TABLE provider_attempts ADD COLUMN page_id BIGINT;
ALTER TABLE provider_attempts ADD COLUMN asked_at BIGINT;

-- How many payments are begun on pages. full_at is in the merchant's time.
CREATE TABLE request_limits (
    id          BIGINT PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    kind        TEXT   NOT NULL CHECK (kind IN ('PHONE', 'SOURCE', 'ADDRESS')),
    subject     UUID   NOT NULL,
    full_at     BIGINT NOT NULL,
    UNIQUE (merchant_id, kind, subject)
);

INSERT INTO stored_codes (type, code, name) VALUES ('actor_kind', 5, 'PAYER');

-- The page of an invoice or order is found by the fingerprint of its token. The columns are filled by code: SQL has no SHA-256
-- here.
ALTER TABLE checkout_configs ADD COLUMN token_hash BLOB CHECK (length(token_hash) = 16);
ALTER TABLE checkout_configs ADD COLUMN link_token_hash BLOB CHECK (length(link_token_hash) = 16);
CREATE UNIQUE INDEX checkout_configs_by_token_hash ON checkout_configs (token_hash);
CREATE UNIQUE INDEX checkout_configs_by_link_token_hash ON checkout_configs (link_token_hash) WHERE link_token_hash IS NOT NULL;
DROP INDEX checkout_configs_by_link;

-- The page on which a payer began a payment, and when the network was last asked how it stands.
ALTER TABLE provider_attempts ADD COLUMN page_id INTEGER;
ALTER TABLE provider_attempts ADD COLUMN asked_at INTEGER;

-- How many payments are begun on pages. full_at is in the merchant's time.
CREATE TABLE request_limits (
    id          INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL REFERENCES merchants (id),
    kind        TEXT    NOT NULL CHECK (kind IN ('PHONE', 'SOURCE', 'ADDRESS')),
    subject     BLOB    NOT NULL CHECK (length(subject) = 16),
    full_at     INTEGER NOT NULL,
    UNIQUE (merchant_id, kind, subject)
) STRICT;

INSERT INTO stored_codes (type, code, name) VALUES ('actor_kind', 5, 'PAYER');

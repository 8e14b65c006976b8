-- Payment links: what many payers can pay, each with an order of its own. A link has items, or limits of the amount that its
-- payer chooses. It counts its orders that are PROCESSING and those that are PAID.
CREATE TABLE payment_links (
    id            BIGINT PRIMARY KEY,
    merchant_id   BIGINT NOT NULL,
    item_count    BIGINT CHECK (item_count > 0),
    total_minor   BIGINT CHECK (total_minor > 0),
    min_minor     BIGINT CHECK (min_minor > 0),
    max_minor     BIGINT CHECK (max_minor >= min_minor),
    max_uses      BIGINT CHECK (max_uses > 0),
    uses_reserved BIGINT NOT NULL CHECK (uses_reserved >= 0),
    uses_paid     BIGINT NOT NULL CHECK (uses_paid >= 0),
    expires_at    BIGINT,
    event_count   BIGINT NOT NULL CHECK (event_count >= 0),
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    title         TEXT   NOT NULL,
    currency      TEXT   NOT NULL,
    fee_bearer    TEXT   NOT NULL CHECK (fee_bearer IN ('PAYER', 'PAYEE')),
    success_url   TEXT,
    token         TEXT   NOT NULL,
    token_hash    UUID   NOT NULL UNIQUE,
    status        TEXT   NOT NULL CHECK (status IN ('ACTIVE', 'DEACTIVATED')),
    CHECK ((item_count IS NULL) = (total_minor IS NULL)),
    CHECK ((item_count IS NULL) = (min_minor IS NOT NULL)),
    CHECK ((min_minor IS NULL) = (max_minor IS NULL))
);
CREATE INDEX payment_links_of_merchant ON payment_links (merchant_id, created_at, id);

CREATE TABLE payment_link_items (
    id              BIGINT PRIMARY KEY,
    merchant_id     BIGINT NOT NULL,
    payment_link_id BIGINT NOT NULL REFERENCES payment_links (id),
    position        BIGINT NOT NULL CHECK (position >= 0),
    qty             BIGINT NOT NULL CHECK (qty >= 1),
    amount_minor    BIGINT NOT NULL CHECK (amount_minor > 0),
    name            TEXT   NOT NULL,
    UNIQUE (payment_link_id, position)
);

-- An order of a link is canceled at cancel_at, which is in the merchant's time, if it is not paid. The condition of the index
-- names no status: on PostgreSQL it would have to be written with each change of an invoice's.
ALTER TABLE sources ADD COLUMN payment_link_id BIGINT REFERENCES payment_links (id);
ALTER TABLE sources ADD COLUMN cancel_at BIGINT;
CREATE INDEX sources_to_cancel ON sources (merchant_id, cancel_at) WHERE cancel_at IS NOT NULL;

INSERT INTO stored_codes (type, code, name) VALUES
    ('event_entity', 7, 'PAYMENT_LINK'),
    ('event_type', 21, 'payment_link.created'),
    ('event_type', 22, 'payment_link.deactivated'),
    ('event_type', 23, 'payment_link.used_up');

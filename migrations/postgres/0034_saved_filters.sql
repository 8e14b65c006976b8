-- Filters of a merchant's payments that people keep under a name. One that was removed has no query.
CREATE TABLE saved_filters (
    id          BIGINT PRIMARY KEY,
    user_id     BIGINT NOT NULL REFERENCES users (id),
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    name        TEXT NOT NULL,
    query       TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (user_id, merchant_id, name)
);
INSERT INTO stored_codes (type, code, name) VALUES
    ('audited_command', 68, 'save_filter'),
    ('audit_entity', 24, 'SAVED_FILTER');

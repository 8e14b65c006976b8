-- Filters of a merchant's payments that people keep under a name. One that was removed has no query.
CREATE TABLE saved_filters (
    id          INTEGER PRIMARY KEY,
    user_id     INTEGER NOT NULL REFERENCES users (id),
    merchant_id INTEGER NOT NULL REFERENCES merchants (id),
    name        TEXT NOT NULL,
    query       TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (user_id, merchant_id, name)
) STRICT;
INSERT INTO stored_codes (type, code, name) VALUES
    ('audited_command', 68, 'save_filter'),
    ('audit_entity', 24, 'SAVED_FILTER');

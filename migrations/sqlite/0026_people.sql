-- An API key may be narrowed to a role and to some operations of the API, whose names stand separated by commas. Those that are
-- there keep all rights of their merchant.
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'OWNER' CHECK (role IN ('VIEWER', 'SUPPORT', 'DEVELOPER', 'FINANCE', 'MANAGER', 'OWNER'));
ALTER TABLE api_keys ADD COLUMN operations TEXT CHECK (operations <> '');

-- Limits that a merchant sets, by currency.
CREATE TABLE merchant_limits (
    id                   INTEGER PRIMARY KEY,
    merchant_id          INTEGER NOT NULL REFERENCES merchants (id),
    currency             TEXT NOT NULL,
    support_refund_minor INTEGER NOT NULL CHECK (support_refund_minor >= 0),
    updated_at           INTEGER NOT NULL,
    UNIQUE (merchant_id, currency)
) STRICT;

-- People who log in.
CREATE TABLE users (
    id                  INTEGER PRIMARY KEY,
    email               TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL,
    password_hash       TEXT NOT NULL,
    totp_sealed         TEXT,
    totp_key_id         TEXT,
    totp_confirmed_at   INTEGER,
    pending_totp_sealed TEXT,
    pending_totp_key_id TEXT,
    totp_step           INTEGER NOT NULL,
    recovery_codes      TEXT NOT NULL,
    role                TEXT CHECK (role IN ('OPERATOR', 'AUDITOR')),
    login_generation    INTEGER NOT NULL CHECK (login_generation >= 0),
    reset_token         BLOB CHECK (length(reset_token) = 16),
    disabled_at         INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    CHECK ((totp_sealed IS NULL) = (totp_key_id IS NULL)),
    CHECK ((totp_sealed IS NULL) = (totp_confirmed_at IS NULL)),
    CHECK ((pending_totp_sealed IS NULL) = (pending_totp_key_id IS NULL))
) STRICT;
CREATE INDEX users_with_codes ON users (id) WHERE totp_sealed IS NOT NULL OR pending_totp_sealed IS NOT NULL;

-- Their roles in merchants; no role for who was removed.
CREATE TABLE memberships (
    id          INTEGER PRIMARY KEY,
    user_id     INTEGER NOT NULL REFERENCES users (id),
    merchant_id INTEGER NOT NULL REFERENCES merchants (id),
    role        TEXT CHECK (role IN ('VIEWER', 'SUPPORT', 'DEVELOPER', 'FINANCE', 'MANAGER', 'OWNER')),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (user_id, merchant_id)
) STRICT;
CREATE INDEX memberships_of_merchant ON memberships (merchant_id, id);
-- A merchant that once has an owner keeps one.
ALTER TABLE merchants ADD COLUMN owners INTEGER NOT NULL DEFAULT 0 CHECK (owners >= 0);

-- Browsers that somebody has logged in with, kept for 90 days.
CREATE TABLE logins (
    id               INTEGER PRIMARY KEY,
    user_id          INTEGER NOT NULL REFERENCES users (id),
    generation       INTEGER NOT NULL,
    token            BLOB NOT NULL CHECK (length(token) = 16) UNIQUE,
    address          TEXT NOT NULL,
    browser          TEXT NOT NULL,
    second_factor_at INTEGER,
    created_at       INTEGER NOT NULL,
    last_used_at     INTEGER NOT NULL,
    ended_at         INTEGER
) STRICT;
CREATE INDEX logins_of_user ON logins (user_id, id);
CREATE INDEX logins_by_time ON logins (last_used_at);

-- Links that are good once: to join a merchant or the installation in a role, or for somebody to begin anew.
CREATE TABLE invitations (
    id          INTEGER PRIMARY KEY,
    token       BLOB NOT NULL CHECK (length(token) = 16) UNIQUE,
    merchant_id INTEGER REFERENCES merchants (id),
    role        TEXT CHECK (role IN ('VIEWER', 'SUPPORT', 'DEVELOPER', 'FINANCE', 'MANAGER', 'OWNER', 'OPERATOR', 'AUDITOR')),
    user_id     INTEGER REFERENCES users (id),
    invited_by  INTEGER REFERENCES users (id),
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    CHECK ((role IS NULL) = (user_id IS NOT NULL))
) STRICT;
CREATE INDEX invitations_of_merchant ON invitations (merchant_id, id) WHERE ended_at IS NULL;

-- Wrong passwords and codes, by account and address, and those that are being compared. Kept for a day.
CREATE TABLE login_tries (
    id         INTEGER PRIMARY KEY,
    subject    BLOB NOT NULL CHECK (length(subject) = 16) UNIQUE,
    tries      TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX login_tries_by_time ON login_tries (updated_at);

-- People are actors, too, and have ids as API keys do.
-- SQLite cannot change a CHECK: see 0022.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '(coalesce(actor_kind, 0) = 1)', '(coalesce(actor_kind, 0) IN (1, 6))')
    WHERE type = 'table' AND name = 'events';
PRAGMA writable_schema = RESET;
INSERT INTO stored_codes (type, code, name) VALUES ('actor_kind', 6, 'USER');

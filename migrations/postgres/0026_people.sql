-- An API key may be narrowed to a role and to some operations of the API, whose names stand separated by commas. Those that are
-- there keep all rights of their merchant.
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'OWNER' CHECK (role IN ('VIEWER', 'SUPPORT', 'DEVELOPER', 'FINANCE', 'MANAGER', 'OWNER'));
ALTER TABLE api_keys ADD COLUMN operations TEXT CHECK (operations <> '');

-- Limits that a merchant sets, by currency.
CREATE TABLE merchant_limits (
    id                   BIGINT PRIMARY KEY,
    merchant_id          BIGINT NOT NULL REFERENCES merchants (id),
    currency             TEXT NOT NULL,
    support_refund_minor BIGINT NOT NULL CHECK (support_refund_minor >= 0),
    updated_at           BIGINT NOT NULL,
    UNIQUE (merchant_id, currency)
);

-- People who log in.
CREATE TABLE users (
    id                  BIGINT PRIMARY KEY,
    email               TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL,
    password_hash       TEXT NOT NULL,
    totp_sealed         TEXT,
    totp_key_id         TEXT,
    totp_confirmed_at   BIGINT,
    pending_totp_sealed TEXT,
    pending_totp_key_id TEXT,
    totp_step           BIGINT NOT NULL,
    recovery_codes      TEXT NOT NULL,
    role                TEXT CHECK (role IN ('OPERATOR', 'AUDITOR')),
    login_generation    BIGINT NOT NULL CHECK (login_generation >= 0),
    reset_token         UUID,
    disabled_at         BIGINT,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL,
    CHECK ((totp_sealed IS NULL) = (totp_key_id IS NULL)),
    CHECK ((totp_sealed IS NULL) = (totp_confirmed_at IS NULL)),
    CHECK ((pending_totp_sealed IS NULL) = (pending_totp_key_id IS NULL))
);
CREATE INDEX users_with_codes ON users (id) WHERE totp_sealed IS NOT NULL OR pending_totp_sealed IS NOT NULL;

-- Their roles in merchants; no role for who was removed.
CREATE TABLE memberships (
    id          BIGINT PRIMARY KEY,
    user_id     BIGINT NOT NULL REFERENCES users (id),
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    role        TEXT CHECK (role IN ('VIEWER', 'SUPPORT', 'DEVELOPER', 'FINANCE', 'MANAGER', 'OWNER')),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (user_id, merchant_id)
);
CREATE INDEX memberships_of_merchant ON memberships (merchant_id, id);
-- A merchant that once has an owner keeps one.
ALTER TABLE merchants ADD COLUMN owners BIGINT NOT NULL DEFAULT 0 CHECK (owners >= 0);

-- Browsers that somebody has logged in with, kept for 90 days.
CREATE TABLE logins (
    id               BIGINT PRIMARY KEY,
    user_id          BIGINT NOT NULL REFERENCES users (id),
    generation       BIGINT NOT NULL,
    token            UUID NOT NULL UNIQUE,
    address          TEXT NOT NULL,
    browser          TEXT NOT NULL,
    second_factor_at BIGINT,
    created_at       BIGINT NOT NULL,
    last_used_at     BIGINT NOT NULL,
    ended_at         BIGINT
);
CREATE INDEX logins_of_user ON logins (user_id, id);
CREATE INDEX logins_by_time ON logins (last_used_at);

-- Links that are good once: to join a merchant or the installation in a role, or for somebody to begin anew.
CREATE TABLE invitations (
    id          BIGINT PRIMARY KEY,
    token       UUID NOT NULL UNIQUE,
    merchant_id BIGINT REFERENCES merchants (id),
    role        TEXT CHECK (role IN ('VIEWER', 'SUPPORT', 'DEVELOPER', 'FINANCE', 'MANAGER', 'OWNER', 'OPERATOR', 'AUDITOR')),
    user_id     BIGINT REFERENCES users (id),
    invited_by  BIGINT REFERENCES users (id),
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    CHECK ((role IS NULL) = (user_id IS NOT NULL))
);
CREATE INDEX invitations_of_merchant ON invitations (merchant_id, id) WHERE ended_at IS NULL;

-- Wrong passwords and codes, by account and address, and those that are being compared. Kept for a day.
CREATE TABLE login_tries (
    id         BIGINT PRIMARY KEY,
    subject    UUID NOT NULL UNIQUE,
    tries      TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX login_tries_by_time ON login_tries (updated_at);

-- People are actors, too, and have ids as API keys do.
ALTER TABLE events DROP CONSTRAINT numbered_events_check;
ALTER TABLE events ADD CONSTRAINT events_actor_check CHECK ((coalesce(actor_kind, 0) IN (1, 6)) = (actor_id IS NOT NULL));
INSERT INTO stored_codes (type, code, name) VALUES ('actor_kind', 6, 'USER');

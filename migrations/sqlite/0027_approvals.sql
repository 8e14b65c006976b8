-- Limits above which a payout or transfer needs a second person: of one payment, and of a wallet in a day.
ALTER TABLE merchant_limits ADD COLUMN payment_minor INTEGER CHECK (payment_minor >= 0);
ALTER TABLE merchant_limits ADD COLUMN day_minor INTEGER CHECK (day_minor >= 0);
ALTER TABLE merchant_limits ADD COLUMN bind_api_keys INTEGER NOT NULL DEFAULT 0 CHECK (bind_api_keys IN (0, 1));

-- Who an API key acts for: a person, or the first of the keys that it was made by.
ALTER TABLE api_keys ADD COLUMN made_by_kind INT CHECK (made_by_kind IN (1, 6));
ALTER TABLE api_keys ADD COLUMN made_by_id INTEGER CHECK ((made_by_kind IS NULL) = (made_by_id IS NULL));

CREATE TABLE approvals (
    id                INTEGER PRIMARY KEY,
    merchant_id       INTEGER NOT NULL REFERENCES merchants (id),
    execution_id      INTEGER NOT NULL UNIQUE REFERENCES executions (id),
    above             TEXT NOT NULL CHECK (above IN ('PAYMENT', 'DAY')),
    requested_by_kind INT NOT NULL CHECK (requested_by_kind IN (1, 6)),
    requested_by_id   INTEGER NOT NULL,
    status            TEXT NOT NULL CHECK (status IN ('REQUESTED', 'APPROVED', 'REFUSED', 'EXPIRED')),
    decided_by_kind   INT,
    decided_by_id     INTEGER,
    note              TEXT,
    decided_at        INTEGER,
    created_at        INTEGER NOT NULL,
    CHECK ((status = 'REQUESTED') = (decided_at IS NULL)),
    CHECK ((status IN ('APPROVED', 'REFUSED')) = (decided_by_kind IS NOT NULL))
) STRICT;
CREATE INDEX approvals_of_merchant ON approvals (merchant_id, created_at, id);
CREATE INDEX approvals_by_status ON approvals (merchant_id, status, created_at, id);
CREATE INDEX approvals_open ON approvals (merchant_id, created_at) WHERE status = 'REQUESTED';

-- What the payouts and transfers of a wallet's last day, at its merchant's clock, take to their receivers, without those that
-- failed. 86,400,000,000 microseconds are a day.
ALTER TABLE wallets ADD COLUMN sent_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wallets ADD COLUMN sent_minor INTEGER NOT NULL DEFAULT 0 CHECK (sent_minor >= 0);
UPDATE wallets SET sent_day = sent.day, sent_minor = sent.minor FROM (
    SELECT wallet_id, day, minor, row_number() OVER (PARTITION BY wallet_id ORDER BY day DESC) AS nth FROM (
        SELECT wallet_id, created_at / 86400000000 AS day, sum(payee_minor) AS minor FROM executions
        WHERE operation IN (1, 2) AND status <> 3 GROUP BY wallet_id, created_at / 86400000000
    ) AS days
) AS sent WHERE sent.nth = 1 AND sent.wallet_id = wallets.id;

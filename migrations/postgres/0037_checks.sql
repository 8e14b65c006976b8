-- The last check of each kind: a verification of the ledger, a backup. `requested_at` is when somebody asked for one that has not
-- been made yet.
CREATE TABLE installation_checks (
    id           BIGINT PRIMARY KEY,
    kind         TEXT NOT NULL UNIQUE,
    begun_at     BIGINT,
    ended_at     BIGINT,
    outcome      TEXT CHECK (outcome IN ('GOOD', 'BAD', 'FAILED')),
    violations   BIGINT NOT NULL CHECK (violations >= 0),
    detail       TEXT,
    good_at      BIGINT,
    requested_at BIGINT,
    holder       BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CHECK ((begun_at IS NULL) = (ended_at IS NULL))
);
INSERT INTO installation_checks (id, kind, violations, holder, leased_until) VALUES (1, 'VERIFY', 0, 0, 0), (2, 'BACKUP', 0, 0, 0);

-- Since when payouts and refunds are stopped, and why.
ALTER TABLE tariff ADD COLUMN payouts_stopped_at BIGINT;
ALTER TABLE tariff ADD COLUMN payouts_stopped_for TEXT;

INSERT INTO stored_codes (type, code, name) VALUES
    ('audited_command', 70, 'stop_payouts'),
    ('audited_command', 71, 'resume_payouts'),
    ('audited_command', 72, 'request_check');

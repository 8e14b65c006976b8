-- Sandbox money that an operator gave under a key: whoever does not know whether it was done does the same again.
CREATE TABLE fundings (
    id           BIGINT PRIMARY KEY,
    merchant_id  BIGINT NOT NULL REFERENCES merchants (id),
    wallet_id    BIGINT NOT NULL REFERENCES wallets (id),
    funding_key  TEXT NOT NULL UNIQUE,
    amount_minor BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);

-- Sandbox money that an operator gave under a key: whoever does not know whether it was done does the same again.
CREATE TABLE fundings (
    id           INTEGER PRIMARY KEY,
    merchant_id  INTEGER NOT NULL REFERENCES merchants (id),
    wallet_id    INTEGER NOT NULL REFERENCES wallets (id),
    funding_key  TEXT NOT NULL UNIQUE,
    amount_minor INTEGER NOT NULL,
    currency     TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

-- Which methods there are is said by the rows of the market, with what was known to the code alone: what the network calls
-- the method, what its numbers begin with, what payers see, and how many decimals the network takes. Payments and accounts
-- name their method as before. Without a dial prefix the calling code of the country counts.
CREATE TABLE new_markets (
    id             INTEGER PRIMARY KEY,
    method         TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    operation      TEXT    NOT NULL,
    currency       TEXT    NOT NULL,
    country        TEXT    NOT NULL,
    effective_from INTEGER NOT NULL DEFAULT 0,
    effective_to   INTEGER,
    network_code   TEXT    NOT NULL,
    dial_prefix    TEXT,
    display_name   TEXT    NOT NULL,
    decimals       INTEGER NOT NULL CHECK (decimals BETWEEN 0 AND 4)
) STRICT;
INSERT INTO new_markets
SELECT id, method, provider, operation, currency, country, effective_from, effective_to,
    CASE method WHEN 'ORANGE_MONEY_LBR' THEN 'ORANGE_LBR' ELSE method END,
    CASE WHEN method IN ('CREDIT_CARD', 'WALLET') THEN NULL
    WHEN country = 'LR' THEN '231' WHEN country = 'RW' THEN '250' END,
    CASE WHEN method IN ('MTN_MOMO_LBR', 'MTN_MOMO_RWA') THEN 'MTN Mobile Money'
    WHEN method IN ('ORANGE_MONEY_LBR', 'ORANGE_MONEY_RWA') THEN 'Orange Money' WHEN method = 'AIRTEL_RWA' THEN 'Airtel Money'
    WHEN method = 'CREDIT_CARD' THEN 'Card' ELSE 'Wallet' END,
    CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF',
    'XPF') THEN 0 WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3 ELSE 2 END
FROM markets;
DROP TABLE markets;
ALTER TABLE new_markets RENAME TO markets;

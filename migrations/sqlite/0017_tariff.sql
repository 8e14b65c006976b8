-- The version of the tariff has a row of its own: a change locks it, and the row of the installation is every lane's.
CREATE TABLE tariff (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL CHECK (version > 0),
    event_count INTEGER NOT NULL DEFAULT 0 CHECK (event_count >= 0)
) STRICT;
INSERT INTO tariff (id, version) SELECT 1, book_version FROM installation;
ALTER TABLE installation DROP COLUMN book_version;
INSERT INTO stored_codes (type, code, name) VALUES ('event_entity', 6, 'TARIFF'), ('event_type', 20, 'tariff.changed');

-- The database has numbered the rows of the tariff so far: the counter goes on above all of them.
UPDATE installation SET next_id = (SELECT max(id) + 1 FROM (SELECT id FROM fee_tiers UNION ALL SELECT id FROM platform_fees UNION ALL
    SELECT id FROM gateway_fees UNION ALL SELECT id FROM rates UNION ALL SELECT id FROM markets UNION ALL
    SELECT id FROM phone_prefixes) AS numbered)
WHERE next_id <= (SELECT max(id) FROM (SELECT id FROM fee_tiers UNION ALL SELECT id FROM platform_fees UNION ALL
    SELECT id FROM gateway_fees UNION ALL SELECT id FROM rates UNION ALL SELECT id FROM markets UNION ALL
    SELECT id FROM phone_prefixes) AS numbered);

-- A wallet counts the open reviews that could credit it: those in its currency, if it is the merchant's own, and those of
-- executions that it is or will be the wallet of. It is not closed before they are resolved.
ALTER TABLE wallets ADD COLUMN open_reviews INTEGER NOT NULL DEFAULT 0 CHECK (open_reviews >= 0);

-- A review opens the wallets that it could credit.
INSERT INTO wallets (id, merchant_id, owner_type, owner_id, currency, available_minor, held_minor, status, created_at, updated_at)
SELECT (SELECT next_id FROM installation) - 1 + row_number() OVER (ORDER BY merchant_id, currency),
    merchant_id, 'MERCHANT', merchant_id, currency, 0, 0, 'ACTIVE', CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000
FROM (
    SELECT merchant_id, currency FROM reviews WHERE status = 'OPEN' AND kind <> 'DEADLINE_PASSED'
    UNION SELECT r.merchant_id, e.payee_currency FROM reviews AS r JOIN executions AS e ON e.id = r.execution_id
    WHERE r.status = 'OPEN' AND r.kind <> 'DEADLINE_PASSED' AND e.operation = 0
) AS credited
WHERE NOT EXISTS (
    SELECT 1 FROM wallets WHERE wallets.owner_type = 'MERCHANT' AND wallets.owner_id = credited.merchant_id
    AND wallets.currency = credited.currency);
UPDATE installation SET next_id = (SELECT max(id) + 1 FROM wallets) WHERE next_id <= (SELECT max(id) FROM wallets);

UPDATE wallets SET open_reviews = counted.reviews
FROM (SELECT wallet_id, count(*) AS reviews FROM (
    SELECT r.id AS review_id, w.id AS wallet_id FROM reviews AS r JOIN executions AS e ON e.id = r.execution_id
    JOIN wallets AS w ON w.owner_type = 'MERCHANT' AND w.owner_id = r.merchant_id
    AND (w.currency = r.currency OR (e.operation = 0 AND w.currency = e.payee_currency))
    WHERE r.status = 'OPEN' AND r.kind <> 'DEADLINE_PASSED'
    UNION SELECT r.id, e.wallet_id FROM reviews AS r JOIN executions AS e ON e.id = r.execution_id
    WHERE r.status = 'OPEN' AND r.kind <> 'DEADLINE_PASSED' AND e.operation <> 0 AND e.wallet_id IS NOT NULL
) AS credited GROUP BY wallet_id) AS counted
WHERE wallets.id = counted.wallet_id;

-- An execution knows by which rules it was rounded, and which rows its fees are of: so it can be computed once more.
ALTER TABLE executions ADD COLUMN rules INTEGER NOT NULL DEFAULT 1 CHECK (rules > 0);
ALTER TABLE executions ADD COLUMN platform_fee_id INTEGER;
ALTER TABLE executions ADD COLUMN gateway_fee_id INTEGER;

-- What a database began with has always held: the clock of its first start may have been ahead.
UPDATE platform_fees SET effective_from = 0 WHERE effective_from = (SELECT min(created_at) FROM fee_tiers);
UPDATE gateway_fees SET effective_from = 0 WHERE effective_from = (SELECT min(created_at) FROM fee_tiers);
UPDATE rates SET effective_from = 0 WHERE effective_from = (SELECT min(created_at) FROM fee_tiers);
-- Of a market or prefix no two rows hold at once: where one was made before, they stay as they are.
UPDATE markets SET effective_from = 0 WHERE effective_from = (SELECT min(created_at) FROM fee_tiers) AND NOT EXISTS (
    SELECT 1 FROM markets AS earlier WHERE earlier.method = markets.method AND earlier.effective_from < markets.effective_from
    AND (earlier.provider <> markets.provider
    OR (earlier.operation = markets.operation AND earlier.currency = markets.currency)));
UPDATE phone_prefixes SET effective_from = 0 WHERE effective_from = (SELECT min(created_at) FROM fee_tiers) AND NOT EXISTS (
    SELECT 1 FROM phone_prefixes AS earlier WHERE earlier.prefix = phone_prefixes.prefix
    AND earlier.digits = phone_prefixes.digits AND earlier.effective_from < phone_prefixes.effective_from);

-- A payment whose fee has no row is refused from now on. What cost nothing so far says that it costs nothing; where another row
-- holds, that one counts, because it begins later.
INSERT INTO platform_fees (tier, operation, percentage_ppm, fx_percentage_ppm, effective_from, created_at)
    SELECT t.name, o.name, 0, 0, 0, n.at FROM fee_tiers AS t
    CROSS JOIN (SELECT 'COLLECTION' AS name UNION ALL SELECT 'PAYOUT') AS o
    CROSS JOIN (SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000 AS at) AS n
    WHERE NOT EXISTS (SELECT 1 FROM platform_fees AS f WHERE f.tier = t.name AND f.operation = o.name
    AND f.effective_from <= n.at AND f.effective_to IS NULL);
INSERT INTO gateway_fees (provider, method, operation, percentage_ppm, effective_from, created_at, updated_at)
    SELECT DISTINCT m.provider, m.method, m.operation, 0, 0, n.at, n.at FROM markets AS m
    CROSS JOIN (SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000 AS at) AS n
    WHERE m.operation IN ('COLLECTION', 'PAYOUT') AND NOT EXISTS (SELECT 1 FROM gateway_fees AS f
    WHERE f.provider = m.provider AND f.method = m.method AND f.operation = m.operation
    AND f.effective_from <= n.at AND f.effective_to IS NULL);
UPDATE installation SET book_version = book_version + 1;

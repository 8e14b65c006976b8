-- The version of the tariff has a row of its own: a change locks it, and the row of the installation is every lane's.
CREATE TABLE tariff (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL CHECK (version > 0)
) STRICT;
INSERT INTO tariff (id, version) SELECT 1, book_version FROM installation;
ALTER TABLE installation DROP COLUMN book_version;

-- The database has numbered the rows of the tariff so far: the counter goes on above all of them.
UPDATE installation SET next_id = (SELECT max(id) + 1 FROM (SELECT id FROM fee_tiers UNION ALL SELECT id FROM platform_fees UNION ALL
    SELECT id FROM gateway_fees UNION ALL SELECT id FROM rates UNION ALL SELECT id FROM markets UNION ALL
    SELECT id FROM phone_prefixes) AS numbered)
WHERE next_id <= (SELECT max(id) FROM (SELECT id FROM fee_tiers UNION ALL SELECT id FROM platform_fees UNION ALL
    SELECT id FROM gateway_fees UNION ALL SELECT id FROM rates UNION ALL SELECT id FROM markets UNION ALL
    SELECT id FROM phone_prefixes) AS numbered);

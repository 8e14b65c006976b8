-- What collections under way will credit a wallet with.
ALTER TABLE wallets ADD COLUMN incoming_minor INTEGER NOT NULL DEFAULT 0 CHECK (incoming_minor >= 0);

-- A wallet opens when the first collection in its currency begins.
INSERT INTO wallets (id, merchant_id, owner_type, owner_id, currency, available_minor, held_minor, status, created_at, updated_at)
SELECT (SELECT next_id FROM installation) - 1 + row_number() OVER (ORDER BY merchant_id, payee_currency),
    merchant_id, 'MERCHANT', merchant_id, payee_currency, 0, 0, 'ACTIVE', CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000
FROM executions
WHERE next_check_at IS NOT NULL AND operation = 'COLLECTION' AND provider <> 'PLATFORM' AND NOT EXISTS (
    SELECT 1 FROM wallets WHERE wallets.owner_type = 'MERCHANT' AND wallets.owner_id = executions.merchant_id
    AND wallets.currency = executions.payee_currency)
GROUP BY merchant_id, payee_currency;
UPDATE installation SET next_id = (SELECT max(id) + 1 FROM wallets) WHERE next_id <= (SELECT max(id) FROM wallets);

UPDATE wallets SET incoming_minor = awaited.minor
FROM (
    SELECT merchant_id, payee_currency, sum(payee_minor) AS minor FROM executions
    WHERE next_check_at IS NOT NULL AND operation = 'COLLECTION' AND provider <> 'PLATFORM'
    GROUP BY merchant_id, payee_currency
) AS awaited
WHERE wallets.owner_type = 'MERCHANT' AND wallets.owner_id = awaited.merchant_id
AND wallets.currency = awaited.payee_currency;

-- Of a system account's balance: how many times 4,000,012,000,000,000,000, which 64 bits alone cannot hold for ever.
ALTER TABLE accounts ADD COLUMN balance_rounds INTEGER NOT NULL DEFAULT 0;

-- Who receives a transfer, as its merchant was told when it was declared. Of those that wait it is written down now.
ALTER TABLE sessions ADD COLUMN recipient_type TEXT CHECK (recipient_type IN ('MERCHANT', 'PARTY'));
ALTER TABLE sessions ADD COLUMN recipient_id INTEGER;
ALTER TABLE sessions ADD COLUMN recipient_name TEXT;
UPDATE sessions SET recipient_type = CASE WHEN receiver.id IS NULL THEN 'PARTY' ELSE 'MERCHANT' END,
    recipient_id = coalesce(receiver.id, parties.id), recipient_name = coalesce(receiver.name, parties.fullname)
FROM parties JOIN merchants AS sender ON sender.id = parties.merchant_id
LEFT JOIN merchants AS receiver ON receiver.mode = sender.mode AND receiver.phone = parties.phone
WHERE parties.id = sessions.party_id AND sessions.kind = 'TRANSFER' AND sessions.status = 'ACTIVE';

-- How many recipients a merchant is told of has a limit; those whom it was told of before do not count.
ALTER TABLE merchants ADD COLUMN recipients_full_at INTEGER;
ALTER TABLE parties ADD COLUMN recipient_told_at INTEGER;

-- Of the parties with one phone one is found by it, and a key sees to that: two processes that find none make one between them.
ALTER TABLE parties ADD COLUMN found_by TEXT;
UPDATE parties SET found_by = phone WHERE id = (
    SELECT min(other.id) FROM parties AS other WHERE other.merchant_id = parties.merchant_id AND other.phone = parties.phone);
CREATE UNIQUE INDEX parties_by_what_finds ON parties (merchant_id, found_by);

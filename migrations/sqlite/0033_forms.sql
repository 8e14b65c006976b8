-- A form that is sent twice creates one invoice, order or payment link: what it creates has its key.
ALTER TABLE sources ADD COLUMN idempotency_key BLOB CHECK (length(idempotency_key) = 16);
CREATE UNIQUE INDEX sources_by_idempotency_key ON sources (merchant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
ALTER TABLE payment_links ADD COLUMN idempotency_key BLOB CHECK (length(idempotency_key) = 16);
CREATE UNIQUE INDEX payment_links_by_idempotency_key ON payment_links (merchant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- How many items an invoice or order has, for as long as it gets more of them.
ALTER TABLE sources ADD COLUMN item_count BIGINT NOT NULL DEFAULT 0 CHECK (item_count >= 0);
UPDATE sources SET item_count = (SELECT count(*) FROM source_items WHERE source_items.source_id = sources.id AND removed = 0)
    WHERE status = 'IDLE';

-- Whoever reads items does not walk over those that were taken out.
CREATE INDEX source_items_left ON source_items (source_id, id) WHERE removed = 0;

-- Lists: invoices and orders by the merchant's own reference, and API keys in the order in which they are listed.
CREATE INDEX sources_by_reference ON sources (merchant_id, type, reference_id, created_at, id) WHERE reference_id IS NOT NULL;
CREATE INDEX api_keys_listed ON api_keys (merchant_id, created_at, id);

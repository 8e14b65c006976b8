-- Who asks for a link when a checkout's time is over gets a page that has no end, beside the checkout's own.
ALTER TABLE checkout_configs ADD COLUMN link_token TEXT;
ALTER TABLE checkout_configs ADD COLUMN linked_at INTEGER;
CREATE UNIQUE INDEX checkout_configs_by_link ON checkout_configs (link_token) WHERE link_token IS NOT NULL;
-- The refunds of a payment, which its receipt tells.
CREATE INDEX executions_of_original ON executions (original_execution_id, id) WHERE original_execution_id IS NOT NULL;

-- What waits of a sandbox merchant is looked at by that merchant's clock, so that an advance of the clock writes nothing else.
UPDATE executions SET next_check_at = next_check_at
    + (SELECT merchants.clock_offset_us FROM merchants WHERE merchants.id = executions.merchant_id)
WHERE next_check_at IS NOT NULL
    AND EXISTS (SELECT 1 FROM merchants WHERE merchants.id = executions.merchant_id AND merchants.clock_offset_us > 0);

-- What is due is looked up merchant by merchant. The indexes in which it was looked up among all merchants' are for processes of
-- before that are still running: a later migration takes executions_due, sessions_to_expire and merchants_by_clock away.
CREATE INDEX executions_waiting ON executions (merchant_id, next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX sessions_active ON sessions (merchant_id, expires_at) WHERE status = 'ACTIVE';

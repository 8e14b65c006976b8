-- What refunds gave back beyond their payment: those that failed and then paid after all.
ALTER TABLE executions ADD COLUMN over_refunded_minor BIGINT NOT NULL DEFAULT 0 CHECK (over_refunded_minor >= 0);
ALTER TABLE executions ADD COLUMN over_refunded_total_minor BIGINT NOT NULL DEFAULT 0 CHECK (over_refunded_total_minor >= 0);

-- Until now it was forgotten, and with it the room that it had taken.
UPDATE executions SET
    refunded_minor = CASE WHEN back.taken < executions.payer_minor THEN back.taken ELSE executions.payer_minor END,
    refunded_total_minor = CASE WHEN back.total < executions.total_minor THEN back.total ELSE executions.total_minor END,
    over_refunded_minor = CASE WHEN back.taken > executions.payer_minor THEN back.taken - executions.payer_minor ELSE 0 END,
    over_refunded_total_minor = CASE WHEN back.total > executions.total_minor THEN back.total - executions.total_minor ELSE 0 END
FROM (
    SELECT refund.original_execution_id AS id, sum(refund.payee_minor) AS taken, sum(refund.total_minor) AS total
    FROM executions AS refund
    WHERE refund.original_execution_id IN (
        SELECT late.original_execution_id FROM reviews JOIN executions AS late ON late.id = reviews.execution_id
        WHERE reviews.kind = 'SUCCESS_AFTER_FAILURE' AND late.operation = 'REFUND')
    AND (refund.status <> 'FAILED' OR EXISTS (
        SELECT 1 FROM reviews WHERE reviews.execution_id = refund.id AND reviews.kind = 'SUCCESS_AFTER_FAILURE'))
    GROUP BY refund.original_execution_id
) AS back WHERE back.id = executions.id;

-- A party's payment accounts were looked for among all of its merchant's.
CREATE INDEX payment_accounts_of_party ON payment_accounts (party_id, created_at, id);

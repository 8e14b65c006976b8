-- What refunds cost is rounded up once over all of a payment: what its payer has back for good, beside what the wallet has paid for
-- that (refunded_total_minor, from now on without what refunds under way hold), and what a refund held more than it took.
ALTER TABLE executions ADD COLUMN given_back_minor BIGINT NOT NULL DEFAULT 0 CHECK (given_back_minor >= 0);
ALTER TABLE executions ADD COLUMN released_minor BIGINT NOT NULL DEFAULT 0
    CHECK (released_minor >= 0 AND released_minor <= payer_minor);
-- Of earlier refunds each was rounded by itself: of their payments nobody expects otherwise.
ALTER TABLE executions ADD COLUMN rounded_once BIGINT NOT NULL DEFAULT 1 CHECK (rounded_once IN (0, 1));

-- Payments whose provider, or that of a refund, contradicted itself are counted by the program (store/recount.rs).
UPDATE executions SET
    rounded_once = 0,
    given_back_minor = back.given,
    refunded_total_minor = CASE WHEN back.paid < executions.total_minor THEN back.paid ELSE executions.total_minor END,
    over_refunded_total_minor = CASE WHEN back.paid > executions.total_minor THEN back.paid - executions.total_minor ELSE 0 END
FROM (
    SELECT refund.original_execution_id AS id,
        sum(CASE refund.status WHEN 'COMPLETED' THEN refund.payee_minor ELSE 0 END) AS given,
        sum(CASE refund.status WHEN 'COMPLETED' THEN refund.payer_minor ELSE 0 END) AS paid
    FROM executions AS refund WHERE refund.operation = 'REFUND' GROUP BY refund.original_execution_id
) AS back WHERE back.id = executions.id AND executions.refunded_minor > 0;

-- A review can be opened again: what it was about before, and what of that went back to the payer.
ALTER TABLE reviews ADD COLUMN earlier_minor BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reviews ADD COLUMN earlier_returned_minor BIGINT NOT NULL DEFAULT 0;

-- What a provider took back of a payment counts against its room for refunds, and what a provider moved of a refund instead of
-- what was asked for. The wallet's side is taken as asked for where it has another currency.
UPDATE executions SET
    refunded_minor = CASE WHEN back.taken < executions.payer_minor THEN back.taken ELSE executions.payer_minor END,
    refunded_total_minor = CASE WHEN back.total < executions.total_minor THEN back.total ELSE executions.total_minor END,
    over_refunded_minor = CASE WHEN back.taken > executions.payer_minor THEN back.taken - executions.payer_minor ELSE 0 END,
    over_refunded_total_minor = CASE WHEN back.total > executions.total_minor THEN back.total - executions.total_minor ELSE 0 END
FROM (
    SELECT counted.id, sum(counted.taken) AS taken,
        sum(CASE WHEN counted.taken = 0 THEN 0 WHEN counted.same = 1 THEN counted.taken ELSE counted.total END) AS total
    FROM (
        SELECT one.id, one.total, one.same, CASE WHEN one.has > one.at_least THEN one.has ELSE one.at_least END AS taken
        FROM (
            SELECT coalesce(e.original_execution_id, e.id) AS id, e.total_minor AS total,
                CASE e.operation WHEN 'REFUND' THEN e.payee_minor ELSE e.payer_minor END AS asked,
                CASE WHEN e.payer_currency = e.payee_currency THEN 1 ELSE 0 END AS same,
                CASE WHEN e.operation = 'REFUND' AND e.status = 'COMPLETED' THEN e.payee_minor ELSE 0 END
                    - CASE WHEN e.operation = 'REFUND' OR (e.operation = 'COLLECTION' AND e.status = 'COMPLETED')
                        THEN coalesce(sum(CASE WHEN v.currency = CASE e.operation WHEN 'REFUND' THEN e.payee_currency
                            ELSE e.payer_currency END THEN v.kept ELSE 0 END), 0) ELSE 0 END AS has,
                max(CASE WHEN e.operation = 'REFUND' AND (e.status IN ('PENDING', 'PROCESSING')
                    OR (e.status = 'COMPLETED' AND v.open = 1) OR (v.currency <> e.payee_currency AND v.kept <> 0))
                    THEN e.payee_minor ELSE 0 END) AS at_least
            FROM executions AS e LEFT JOIN (
                SELECT execution_id, currency, max(CASE status WHEN 'OPEN' THEN 1 ELSE 0 END) AS open,
                    sum(earlier_minor - earlier_returned_minor
                        + CASE WHEN resolution = 'to payer' THEN 0 ELSE amount_minor END) AS kept
                FROM reviews WHERE kind <> 'DEADLINE_PASSED' GROUP BY execution_id, currency
            ) AS v ON v.execution_id = e.id
            WHERE (e.operation = 'REFUND' AND e.original_execution_id IN (
                SELECT coalesce(odd.original_execution_id, odd.id) FROM reviews JOIN executions AS odd
                ON odd.id = reviews.execution_id WHERE reviews.kind <> 'DEADLINE_PASSED'))
            OR (e.operation = 'COLLECTION' AND e.id IN (SELECT execution_id FROM reviews WHERE kind <> 'DEADLINE_PASSED'))
            GROUP BY e.id
        ) AS one
    ) AS counted GROUP BY counted.id
) AS back WHERE back.id = executions.id AND executions.operation = 'COLLECTION';

-- Only while a review is open a payment is disputed.
UPDATE executions SET disputed = 0 WHERE disputed = 1 AND NOT EXISTS (
    SELECT 1 FROM reviews WHERE reviews.execution_id = executions.id AND reviews.status = 'OPEN'
    AND reviews.kind <> 'DEADLINE_PASSED');

-- A review can be opened again: what it was about before, and what of that went back to the payer.
ALTER TABLE reviews ADD COLUMN earlier_minor BIGINT NOT NULL DEFAULT 0;
ALTER TABLE reviews ADD COLUMN earlier_returned_minor BIGINT NOT NULL DEFAULT 0;

-- Only while a review is open a payment is disputed. What counts against a payment's room for refunds is counted anew, too, by
-- the program (store/recount.rs).
UPDATE executions SET disputed = 0 WHERE disputed = 1 AND NOT EXISTS (
    SELECT 1 FROM reviews WHERE reviews.execution_id = executions.id AND reviews.status = 'OPEN'
    AND reviews.kind <> 'DEADLINE_PASSED');

-- When a review settled a collection that had failed: its provider had the money all the same.
ALTER TABLE executions ADD COLUMN settled_by_review_at BIGINT;

-- How many open reviews there are of money of an invoice's or order's collections: nothing is collected for it meanwhile.
ALTER TABLE sources ADD COLUMN open_reviews BIGINT NOT NULL DEFAULT 0 CHECK (open_reviews >= 0);
UPDATE sources SET open_reviews = (SELECT count(*) FROM reviews JOIN executions ON executions.id = reviews.execution_id
        WHERE executions.source_id = sources.id AND reviews.status = 'OPEN' AND reviews.kind <> 'DEADLINE_PASSED')
    WHERE id IN (SELECT executions.source_id FROM reviews JOIN executions ON executions.id = reviews.execution_id
        WHERE reviews.status = 'OPEN' AND reviews.kind <> 'DEADLINE_PASSED');

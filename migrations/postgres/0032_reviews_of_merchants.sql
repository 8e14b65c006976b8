-- A merchant's reviews are listed, newest first. The condition is always true: only lists state it.
CREATE INDEX reviews_of_merchant ON reviews (merchant_id, created_at, id) WHERE merchant_id > 0;

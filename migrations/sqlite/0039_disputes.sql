-- What a network said last of a dispute, and when it said so: how it stands, its own words for its state and for why, how much is disputed,
-- until when it can be answered and where. How many pieces of evidence were noted, each of which is an event.
ALTER TABLE reviews ADD COLUMN dispute_told_at INTEGER;
ALTER TABLE reviews ADD COLUMN dispute_standing TEXT CHECK ((dispute_standing = 'UNDER_WAY' OR dispute_standing = 'OVER' OR dispute_standing = 'LOST'));
ALTER TABLE reviews ADD COLUMN dispute_status TEXT;
ALTER TABLE reviews ADD COLUMN dispute_reason TEXT;
ALTER TABLE reviews ADD COLUMN dispute_amount_minor INTEGER CHECK (dispute_amount_minor > 0);
ALTER TABLE reviews ADD COLUMN dispute_due_at INTEGER;
ALTER TABLE reviews ADD COLUMN dispute_link TEXT;
ALTER TABLE reviews ADD COLUMN dispute_notes INTEGER NOT NULL DEFAULT 0 CHECK (dispute_notes >= 0);

-- The open disputes of a merchant, the first due first; and all disputes, the newest first.
CREATE INDEX reviews_disputes_open ON reviews (merchant_id, dispute_due_at, id) WHERE kind = 'DISPUTE' AND status = 'OPEN';
CREATE INDEX reviews_disputes ON reviews (id) WHERE kind = 'DISPUTE';

INSERT INTO stored_codes (type, code, name) VALUES
    ('event_type', 32, 'review.evidence_noted'),
    ('audited_command', 75, 'note_evidence');

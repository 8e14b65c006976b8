-- Enums that are stored as codes, for people who read the tables. A code is never changed and never used again.
CREATE TABLE stored_codes (
    type TEXT NOT NULL,
    code INT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (type, code)
) STRICT;
INSERT INTO stored_codes (type, code, name) VALUES
    ('event_type', 1, 'session.created'),
    ('event_type', 2, 'session.expired'),
    ('event_type', 3, 'session.canceled'),
    ('event_type', 4, 'execution.pending'),
    ('event_type', 5, 'execution.processing'),
    ('event_type', 6, 'execution.requires_action'),
    ('event_type', 7, 'execution.completed'),
    ('event_type', 8, 'execution.failed'),
    ('event_type', 9, 'execution.settled_by_review'),
    ('event_type', 10, 'source.published'),
    ('event_type', 11, 'source.processing'),
    ('event_type', 12, 'source.paid'),
    ('event_type', 13, 'source.reopened'),
    ('event_type', 14, 'source.canceled'),
    ('event_type', 15, 'wallet.funded'),
    ('event_type', 16, 'wallet.status'),
    ('event_type', 17, 'review.opened'),
    ('event_type', 18, 'review.heard'),
    ('event_type', 19, 'review.resolved'),
    ('event_entity', 1, 'SESSION'),
    ('event_entity', 2, 'EXECUTION'),
    ('event_entity', 3, 'SOURCE'),
    ('event_entity', 4, 'WALLET'),
    ('event_entity', 5, 'REVIEW'),
    ('actor_kind', 1, 'API_KEY'),
    ('actor_kind', 2, 'OPERATOR'),
    ('actor_kind', 3, 'NETWORK'),
    ('actor_kind', 4, 'SYSTEM');

-- Each event has a position among its merchant's events and a sequence among its subject's events, both from 1 and without
-- gaps, and keeps who asked for it, which is not known for events from before. Type and subject are codes now. The table
-- is made again, since all of its rows change.
CREATE TABLE numbered_events (
    id           INTEGER PRIMARY KEY,
    merchant_id  INTEGER NOT NULL,
    subject_id   INTEGER NOT NULL,
    position     INTEGER NOT NULL CHECK (position >= 1),
    sequence     INTEGER NOT NULL CHECK (sequence >= 1),
    created_at   INTEGER NOT NULL,
    actor_id     INTEGER,
    type         INT     NOT NULL,
    subject_type INT     NOT NULL,
    actor_kind   INT,
    note         TEXT,
    -- Only an API key (1) has an id.
    CHECK ((coalesce(actor_kind, 0) = 1) = (actor_id IS NOT NULL))
) STRICT;
INSERT INTO numbered_events (id, merchant_id, subject_id, position, sequence, created_at, type, subject_type, note)
    SELECT id, merchant_id, subject_id,
        row_number() OVER (PARTITION BY merchant_id ORDER BY created_at, id),
        row_number() OVER (PARTITION BY subject_id ORDER BY created_at, id),
        created_at,
        CASE type
            WHEN 'session.created' THEN 1
            WHEN 'session.expired' THEN 2
            WHEN 'session.canceled' THEN 3
            WHEN 'execution.pending' THEN 4
            WHEN 'execution.processing' THEN 5
            WHEN 'execution.requires_action' THEN 6
            WHEN 'execution.completed' THEN 7
            WHEN 'execution.failed' THEN 8
            WHEN 'execution.settled_by_review' THEN 9
            WHEN 'source.published' THEN 10
            WHEN 'source.processing' THEN 11
            WHEN 'source.paid' THEN 12
            WHEN 'source.reopened' THEN 13
            WHEN 'source.canceled' THEN 14
            WHEN 'wallet.funded' THEN 15
            WHEN 'wallet.status' THEN 16
            WHEN 'review.opened' THEN 17
            WHEN 'review.heard' THEN 18
            WHEN 'review.resolved' THEN 19
        END,
        CASE subject_type
            WHEN 'SESSION' THEN 1
            WHEN 'EXECUTION' THEN 2
            WHEN 'SOURCE' THEN 3
            WHEN 'WALLET' THEN 4
            WHEN 'REVIEW' THEN 5
        END,
        note
    FROM events ORDER BY id;
DROP TABLE events;
ALTER TABLE numbered_events RENAME TO events;
CREATE UNIQUE INDEX events_by_position ON events (merchant_id, position);
CREATE UNIQUE INDEX events_by_sequence ON events (subject_id, sequence);
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;

-- The position of each merchant's last event.
CREATE TABLE event_positions (
    merchant_id INTEGER PRIMARY KEY,
    last        INTEGER NOT NULL CHECK (last >= 1)
) STRICT;
INSERT INTO event_positions (merchant_id, last) SELECT merchant_id, count(*) FROM events GROUP BY merchant_id;

-- What has events counts them: the count is the sequence of its last event. Sessions and executions get theirs in the next step,
-- which makes their tables again.
ALTER TABLE sources ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0 CHECK (event_count >= 0);
ALTER TABLE wallets ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0 CHECK (event_count >= 0);
ALTER TABLE reviews ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0 CHECK (event_count >= 0);
UPDATE sources SET event_count = counted.events
    FROM (SELECT subject_id, count(*) AS events FROM events WHERE subject_type = 3 GROUP BY subject_id) AS counted
    WHERE counted.subject_id = sources.id;
UPDATE wallets SET event_count = counted.events
    FROM (SELECT subject_id, count(*) AS events FROM events WHERE subject_type = 4 GROUP BY subject_id) AS counted
    WHERE counted.subject_id = wallets.id;
UPDATE reviews SET event_count = counted.events
    FROM (SELECT subject_id, count(*) AS events FROM events WHERE subject_type = 5 GROUP BY subject_id) AS counted
    WHERE counted.subject_id = reviews.id;

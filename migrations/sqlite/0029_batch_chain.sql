-- What each commit inserted into the tables of events and ledger entries: the range of their ids, and a SHA-256 of these rows and
-- of the batch before of the same lane. A SHA-256 is stored in two columns of 16 bytes. A job gives the batches of all lanes one
-- order, and links each to the one before.
CREATE TABLE batches (
    id          INTEGER PRIMARY KEY,
    end_id      INTEGER NOT NULL,
    previous_id INTEGER,
    created_at  INTEGER NOT NULL,
    digest_1    BLOB NOT NULL CHECK (length(digest_1) = 16),
    digest_2    BLOB NOT NULL CHECK (length(digest_2) = 16),
    marks       TEXT,
    position    INTEGER CHECK (position >= 1),
    link_1      BLOB CHECK (length(link_1) = 16),
    link_2      BLOB CHECK (length(link_2) = 16),
    link_key_id TEXT,
    CHECK (end_id > id),
    CHECK (previous_id < id),
    CHECK ((link_1 IS NULL) = (position IS NULL)),
    CHECK ((link_2 IS NULL) = (position IS NULL))
) STRICT;
CREATE UNIQUE INDEX batches_by_position ON batches (position) WHERE position IS NOT NULL;
CREATE INDEX batches_to_chain ON batches (id) WHERE position IS NULL;

-- The end of the chain. Rows with ids below older_end_id were there before it; a job hashes them in pieces, too.
CREATE TABLE batch_chain (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    position      INTEGER NOT NULL CHECK (position >= 0),
    link_1        BLOB NOT NULL CHECK (length(link_1) = 16),
    link_2        BLOB NOT NULL CHECK (length(link_2) = 16),
    link_key_id   TEXT,
    older_next_id INTEGER NOT NULL,
    older_end_id  INTEGER NOT NULL,
    holder        INTEGER NOT NULL,
    leased_until  INTEGER NOT NULL
) STRICT;
INSERT INTO batch_chain (id, position, link_1, link_2, older_next_id, older_end_id, holder, leased_until)
    SELECT 1, 0, zeroblob(16), zeroblob(16), 1, next_id, 0, 0 FROM installation;

-- Keys of links that were made before the secrets key was changed, encrypted with the one of now.
CREATE TABLE chain_keys (
    id            INTEGER PRIMARY KEY,
    key_id        TEXT NOT NULL UNIQUE,
    sealed        TEXT NOT NULL,
    sealed_key_id TEXT NOT NULL
) STRICT;

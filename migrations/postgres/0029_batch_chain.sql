-- What each commit inserted into the tables of events and ledger entries: the range of their ids, and a SHA-256 of these rows and
-- of the batch before of the same lane. A SHA-256 is stored in two columns of 16 bytes. A job gives the batches of all lanes one
-- order, and links each to the one before.
CREATE TABLE batches (
    id          BIGINT PRIMARY KEY,
    end_id      BIGINT NOT NULL,
    previous_id BIGINT,
    created_at  BIGINT NOT NULL,
    digest_1    UUID NOT NULL,
    digest_2    UUID NOT NULL,
    marks       TEXT,
    position    BIGINT CHECK (position >= 1),
    link_1      UUID,
    link_2      UUID,
    link_key_id TEXT,
    CHECK (end_id > id),
    CHECK (previous_id < id),
    CHECK ((link_1 IS NULL) = (position IS NULL)),
    CHECK ((link_2 IS NULL) = (position IS NULL))
);
CREATE UNIQUE INDEX batches_by_position ON batches (position) WHERE position IS NOT NULL;
CREATE INDEX batches_to_chain ON batches (id) WHERE position IS NULL;

-- The end of the chain. Rows with ids below older_end_id were there before it; a job hashes them in pieces, too.
CREATE TABLE batch_chain (
    id            BIGINT PRIMARY KEY CHECK (id = 1),
    position      BIGINT NOT NULL CHECK (position >= 0),
    link_1        UUID NOT NULL,
    link_2        UUID NOT NULL,
    link_key_id   TEXT,
    older_next_id BIGINT NOT NULL,
    older_end_id  BIGINT NOT NULL,
    holder        BIGINT NOT NULL,
    leased_until  BIGINT NOT NULL
);
INSERT INTO batch_chain (id, position, link_1, link_2, older_next_id, older_end_id, holder, leased_until)
    SELECT 1, 0, '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', 1, next_id, 0, 0 FROM installation;

-- Keys of links that were made before the secrets key was changed, encrypted with the one of now.
CREATE TABLE chain_keys (
    id            BIGINT PRIMARY KEY,
    key_id        TEXT NOT NULL UNIQUE,
    sealed        TEXT NOT NULL,
    sealed_key_id TEXT NOT NULL
);

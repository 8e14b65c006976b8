-- How a merchant appears to payers on its pages.
ALTER TABLE merchants ADD COLUMN display_name TEXT;
ALTER TABLE merchants ADD COLUMN colour INTEGER CHECK (colour BETWEEN 0 AND 16777215);
ALTER TABLE merchants ADD COLUMN logo BLOB CHECK (length(logo) = 16);

-- The picture itself, a PNG in Base64. A logo that the merchant uses no longer stays until there is another.
CREATE TABLE logos (
    merchant_id INTEGER PRIMARY KEY REFERENCES merchants (id),
    fingerprint BLOB    NOT NULL UNIQUE CHECK (length(fingerprint) = 16),
    png         TEXT    NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

-- How a merchant appears to payers on its pages.
ALTER TABLE merchants ADD COLUMN display_name TEXT;
ALTER TABLE merchants ADD COLUMN colour BIGINT CHECK (colour BETWEEN 0 AND 16777215);
ALTER TABLE merchants ADD COLUMN logo UUID;

-- The picture itself, a PNG in Base64. A logo that the merchant uses no longer stays until there is another.
CREATE TABLE logos (
    merchant_id BIGINT PRIMARY KEY REFERENCES merchants (id),
    fingerprint UUID   NOT NULL UNIQUE,
    png         TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL
);

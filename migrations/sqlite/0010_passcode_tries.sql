-- Wrong passcodes are counted in a window, by API key and by merchant, and a passcode can be removed. What the older count knows
-- is the number of wrong ones and the lock of a key.
ALTER TABLE passcodes ADD COLUMN tries TEXT NOT NULL DEFAULT '';
ALTER TABLE passcodes ADD COLUMN removed_at INTEGER;

-- An API key may be narrowed to a role and to some operations of the API, whose names stand separated by commas. Those that are
-- there keep all rights of their merchant.
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'OWNER'
    CHECK (role IN ('VIEWER', 'SUPPORT', 'DEVELOPER', 'FINANCE', 'MANAGER', 'OWNER'));
ALTER TABLE api_keys ADD COLUMN operations TEXT CHECK (operations <> '');

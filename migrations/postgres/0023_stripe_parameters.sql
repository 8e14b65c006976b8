-- Which parameters requests to a server that plays Stripe may have. Stripe itself takes the current ones.
ALTER TABLE network_accounts ADD COLUMN parameters TEXT NOT NULL DEFAULT 'CURRENT'
    CHECK (parameters = 'CURRENT' OR (parameters = 'BASIC' AND network = 'STRIPE' AND mode = 'TEST'));

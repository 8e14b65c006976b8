-- Which parameters requests to a server that plays Stripe may have.
ALTER TABLE network_accounts ADD COLUMN parameters TEXT NOT NULL DEFAULT 'CURRENT' CHECK (parameters IN ('CURRENT', 'BASIC'));

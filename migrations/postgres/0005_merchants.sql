-- A merchant says who bears the fees of its checkouts, and an operator gives it another fee tier.
ALTER TABLE merchants ADD COLUMN fee_bearer TEXT NOT NULL DEFAULT 'PAYER' CHECK (fee_bearer IN ('PAYER', 'PAYEE'));
ALTER TABLE merchants ADD COLUMN fee_tier_assigned_at BIGINT;

-- Parties are changed, and the audit says so. Whom a transfer can go to is found by who they are: a customer may have a
-- counterparty of each checkout, of which the oldest is read.
INSERT INTO stored_codes (type, code, name) VALUES ('audited_command', 69, 'update_party');
CREATE INDEX counterparties_of_party ON counterparties (party_id, id) WHERE party_id IS NOT NULL;

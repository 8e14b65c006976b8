-- A role by which money leaves takes two people to give: whether the invitation does, and who confirmed it when.
ALTER TABLE invitations ADD COLUMN takes_two BIGINT NOT NULL DEFAULT 0 CHECK (takes_two IN (0, 1));
ALTER TABLE invitations ADD COLUMN confirmed_at BIGINT;
ALTER TABLE invitations ADD COLUMN confirmed_by BIGINT REFERENCES users (id);
-- Links that owners made before need the second person, too.
UPDATE invitations SET takes_two = 1
    WHERE merchant_id IS NOT NULL AND role IN ('MANAGER', 'FINANCE', 'OWNER') AND ended_at IS NULL AND invited_by IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM users WHERE users.id = invitations.invited_by AND users.role = 'OPERATOR');
INSERT INTO stored_codes (type, code, name) VALUES ('audited_command', 67, 'confirm_invitation');

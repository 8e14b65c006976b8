-- A role by which money leaves takes two people to give: whether the invitation does, and who confirmed it when.
ALTER TABLE invitations ADD COLUMN takes_two BIGINT NOT NULL DEFAULT 0 CHECK (takes_two IN (0, 1));
ALTER TABLE invitations ADD COLUMN confirmed_at BIGINT;
ALTER TABLE invitations ADD COLUMN confirmed_by BIGINT REFERENCES users (id);
INSERT INTO stored_codes (type, code, name) VALUES ('audited_command', 67, 'confirm_invitation');

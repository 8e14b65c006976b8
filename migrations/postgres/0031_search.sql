-- Finding payments by what people know of them. Only the two indexes of executions are written with each payment: the
-- number that a network has given it, in place of the index of card payments alone, and whose account it is with.
CREATE INDEX executions_by_network_id ON executions (provider_transaction_id) WHERE provider_transaction_id IS NOT NULL;
DROP INDEX executions_of_cards;
CREATE INDEX executions_of_account ON executions (payment_account_id, created_at) WHERE payment_account_id IS NOT NULL;
CREATE INDEX payment_accounts_by_number ON payment_accounts (merchant_id, account_number) WHERE account_number IS NOT NULL;
-- The name, and what of it follows the first word.
CREATE INDEX parties_by_name ON parties (merchant_id, lower(fullname) COLLATE "C");
CREATE INDEX parties_by_further_name ON parties (merchant_id, lower(substr(fullname, strpos(fullname, ' ') + 1)) COLLATE "C");

-- A role by which money leaves takes two people to give: whether the invitation does, and who confirmed it when.
ALTER TABLE invitations ADD COLUMN takes_two INTEGER NOT NULL DEFAULT 0 CHECK (takes_two IN (0, 1));
ALTER TABLE invitations ADD COLUMN confirmed_at INTEGER;
ALTER TABLE invitations ADD COLUMN confirmed_by INTEGER REFERENCES users (id);
-- Links that owners made before need the second person, too.
UPDATE invitations SET takes_two = 1
    WHERE merchant_id IS NOT NULL AND role IN ('MANAGER', 'FINANCE', 'OWNER') AND ended_at IS NULL AND invited_by IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM users WHERE users.id = invitations.invited_by AND users.role = 'OPERATOR');
INSERT INTO stored_codes (type, code, name) VALUES ('audited_command', 67, 'confirm_invitation');

-- SQLite looks values up in a table that it makes for a list of more than two, at each INSERT and UPDATE again: comparing is
-- quicker. It cannot change a CHECK: see 0022.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'mode IN (''SANDBOX'', ''TEST'', ''LIVE'')',
    '(mode = ''SANDBOX'' OR mode = ''TEST'' OR mode = ''LIVE'')')
    WHERE type = 'table' AND name = 'merchants';
UPDATE sqlite_schema SET sql = replace(sql, 'role IN (''VIEWER'', ''SUPPORT'', ''DEVELOPER'', ''FINANCE'', ''MANAGER'', ''OWNER'')',
    '(role = ''VIEWER'' OR role = ''SUPPORT'' OR role = ''DEVELOPER'' OR role = ''FINANCE'' OR role = ''MANAGER'' OR role = ''OWNER'')')
    WHERE type = 'table' AND name = 'api_keys';
UPDATE sqlite_schema SET sql = replace(sql, 'provider IN (''PAWAPAY'', ''STRIPE'', ''PLATFORM'')',
    '(provider = ''PAWAPAY'' OR provider = ''STRIPE'' OR provider = ''PLATFORM'')')
    WHERE type = 'table' AND name = 'payment_accounts';
UPDATE sqlite_schema SET sql = replace(sql, 'operation_type IN (''COLLECTION'', ''PAYOUT'', ''TRANSFER'', ''REFUND'')',
    '(operation_type = ''COLLECTION'' OR operation_type = ''PAYOUT'' OR operation_type = ''TRANSFER'' OR operation_type = ''REFUND'')')
    WHERE type = 'table' AND name = 'payment_accounts';
UPDATE sqlite_schema SET sql = replace(sql, 'status IN (''ACTIVE'', ''RESTRICTED'', ''FROZEN'', ''CLOSED'')',
    '(status = ''ACTIVE'' OR status = ''RESTRICTED'' OR status = ''FROZEN'' OR status = ''CLOSED'')')
    WHERE type = 'table' AND name = 'wallets';
UPDATE sqlite_schema SET sql = replace(sql, 'status IN (''IDLE'', ''ACTIVE'', ''PROCESSING'', ''PAID'', ''CANCELED'')',
    '(status = ''IDLE'' OR status = ''ACTIVE'' OR status = ''PROCESSING'' OR status = ''PAID'' OR status = ''CANCELED'')')
    WHERE type = 'table' AND name = 'sources';
UPDATE sqlite_schema SET sql = replace(sql, 'kind IN (''SUCCESS_AFTER_FAILURE'', ''FAILURE_AFTER_SUCCESS'', ''AMOUNT_MISMATCH'', ''DEADLINE_PASSED'', ''DISPUTE'')',
    '(kind = ''SUCCESS_AFTER_FAILURE'' OR kind = ''FAILURE_AFTER_SUCCESS'' OR kind = ''AMOUNT_MISMATCH'' OR kind = ''DEADLINE_PASSED'' OR kind = ''DISPUTE'')')
    WHERE type = 'table' AND name = 'reviews';
UPDATE sqlite_schema SET sql = replace(sql, 'provider IN (''PAWAPAY'', ''STRIPE'', ''PLATFORM'')',
    '(provider = ''PAWAPAY'' OR provider = ''STRIPE'' OR provider = ''PLATFORM'')')
    WHERE type = 'table' AND name = 'executions';
UPDATE sqlite_schema SET sql = replace(sql, 'kind IN (''PHONE'', ''SOURCE'', ''ADDRESS'')',
    '(kind = ''PHONE'' OR kind = ''SOURCE'' OR kind = ''ADDRESS'')')
    WHERE type = 'table' AND name = 'request_limits';
UPDATE sqlite_schema SET sql = replace(sql, 'mode IN (''SANDBOX'', ''TEST'', ''LIVE'')',
    '(mode = ''SANDBOX'' OR mode = ''TEST'' OR mode = ''LIVE'')')
    WHERE type = 'table' AND name = 'network_accounts';
UPDATE sqlite_schema SET sql = replace(sql, 'status IN (''ACTIVE'', ''DRAINING'', ''CLOSED'')',
    '(status = ''ACTIVE'' OR status = ''DRAINING'' OR status = ''CLOSED'')')
    WHERE type = 'table' AND name = 'network_accounts';
UPDATE sqlite_schema SET sql = replace(sql, 'kind IN (''TOKEN'', ''SECRET_KEY'', ''PUBLISHABLE_KEY'', ''WEBHOOK_SECRET'', ''SIGNING_KEY'')',
    '(kind = ''TOKEN'' OR kind = ''SECRET_KEY'' OR kind = ''PUBLISHABLE_KEY'' OR kind = ''WEBHOOK_SECRET'' OR kind = ''SIGNING_KEY'')')
    WHERE type = 'table' AND name = 'network_secrets';
UPDATE sqlite_schema SET sql = replace(sql, 'operation IN (''COLLECTION'', ''PAYOUT'', ''REFUND'')',
    '(operation = ''COLLECTION'' OR operation = ''PAYOUT'' OR operation = ''REFUND'')')
    WHERE type = 'table' AND name = 'operator_terms';
UPDATE sqlite_schema SET sql = replace(sql, 'availability IN (''OPERATIONAL'', ''DELAYED'', ''CLOSED'')',
    '(availability = ''OPERATIONAL'' OR availability = ''DELAYED'' OR availability = ''CLOSED'')')
    WHERE type = 'table' AND name = 'operator_terms';
UPDATE sqlite_schema SET sql = replace(sql, 'disabled IN (''MERCHANT'', ''GONE'', ''FAILING'')',
    '(disabled = ''MERCHANT'' OR disabled = ''GONE'' OR disabled = ''FAILING'')')
    WHERE type = 'table' AND name = 'webhook_endpoints';
UPDATE sqlite_schema SET sql = replace(sql, 'status IN (''PENDING'', ''DELIVERED'', ''FAILED'', ''DEAD'')',
    '(status = ''PENDING'' OR status = ''DELIVERED'' OR status = ''FAILED'' OR status = ''DEAD'')')
    WHERE type = 'table' AND name = 'webhook_deliveries';
UPDATE sqlite_schema SET sql = replace(sql, 'role IN (''VIEWER'', ''SUPPORT'', ''DEVELOPER'', ''FINANCE'', ''MANAGER'', ''OWNER'')',
    '(role = ''VIEWER'' OR role = ''SUPPORT'' OR role = ''DEVELOPER'' OR role = ''FINANCE'' OR role = ''MANAGER'' OR role = ''OWNER'')')
    WHERE type = 'table' AND name = 'memberships';
UPDATE sqlite_schema SET sql = replace(sql, 'role IN (''VIEWER'', ''SUPPORT'', ''DEVELOPER'', ''FINANCE'', ''MANAGER'', ''OWNER'', ''OPERATOR'', ''AUDITOR'')',
    '(role = ''VIEWER'' OR role = ''SUPPORT'' OR role = ''DEVELOPER'' OR role = ''FINANCE'' OR role = ''MANAGER'' OR role = ''OWNER'' OR role = ''OPERATOR'' OR role = ''AUDITOR'')')
    WHERE type = 'table' AND name = 'invitations';
UPDATE sqlite_schema SET sql = replace(sql, 'status IN (''REQUESTED'', ''APPROVED'', ''REFUSED'', ''EXPIRED'')',
    '(status = ''REQUESTED'' OR status = ''APPROVED'' OR status = ''REFUSED'' OR status = ''EXPIRED'')')
    WHERE type = 'table' AND name = 'approvals';
UPDATE sqlite_schema SET sql = replace(sql, 'actor_kind IN (1, 2, 6)',
    '(actor_kind = 1 OR actor_kind = 2 OR actor_kind = 6)')
    WHERE type = 'table' AND name = 'audit';
PRAGMA writable_schema = RESET;

-- API keys have events, and merchants are told of transfers that arrive and of payouts that wait in the network's queue.
ALTER TABLE api_keys ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0 CHECK (event_count >= 0);

INSERT INTO stored_codes (type, code, name) VALUES
    ('event_entity', 9, 'API_KEY'),
    ('event_type', 26, 'payout.enqueued'),
    ('event_type', 27, 'wallet.transfer_received'),
    ('event_type', 28, 'api_key.created'),
    ('event_type', 29, 'api_key.revoked');

-- Which methods there are is said by the rows of the market, with what was known to the code alone: what the network calls
-- the method, what its numbers begin with, what payers see, and how many decimals the network takes. Payments and accounts
-- name their method as before. Without a dial prefix the calling code of the country counts.
ALTER TABLE markets ADD COLUMN network_code TEXT;
ALTER TABLE markets ADD COLUMN dial_prefix TEXT;
ALTER TABLE markets ADD COLUMN display_name TEXT;
ALTER TABLE markets ADD COLUMN decimals BIGINT CHECK (decimals BETWEEN 0 AND 4);
UPDATE markets SET network_code = CASE method WHEN 'ORANGE_MONEY_LBR' THEN 'ORANGE_LBR' ELSE method END,
    dial_prefix = CASE WHEN method IN ('CREDIT_CARD', 'WALLET') THEN NULL
    WHEN country = 'LR' THEN '231' WHEN country = 'RW' THEN '250' END,
    display_name = CASE WHEN method IN ('MTN_MOMO_LBR', 'MTN_MOMO_RWA') THEN 'MTN Mobile Money'
    WHEN method IN ('ORANGE_MONEY_LBR', 'ORANGE_MONEY_RWA') THEN 'Orange Money' WHEN method = 'AIRTEL_RWA' THEN 'Airtel Money'
    WHEN method = 'CREDIT_CARD' THEN 'Card' ELSE 'Wallet' END,
    decimals = CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF',
    'XPF') THEN 0 WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3 ELSE 2 END;
ALTER TABLE markets ALTER COLUMN network_code SET NOT NULL;
ALTER TABLE markets ALTER COLUMN display_name SET NOT NULL;
ALTER TABLE markets ALTER COLUMN decimals SET NOT NULL;

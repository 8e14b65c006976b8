//! What exists once in an installation: its UUID, the keys that sign its access tokens, and the
//! first merchant.

use domain::kernel::uuids::Fingerprint;
use uuid::{Builder, Uuid};

use crate::hex::{hex, unhex};
use crate::workspace::sql::{Dialect, OwnedRow, Purpose, Sql, transaction};
use crate::workspace::sql_value::params;
use crate::{StoreError, clock};

/// A key that signs access tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// The `kid` of the tokens that it signs.
    pub id: i64,
    pub secret: [u8; 32],
}

/// Creates the row of the installation, with a random UUID, and the first signing key.
pub fn create(sql: &mut dyn Sql, now: i64) -> Result<(), StoreError> {
    let uuid = Builder::from_random_bytes(clock::random()?).into_uuid();
    let row = params!["uuid" = uuid.to_string()];
    sql.execute("INSERT INTO installation (id, uuid, next_id) VALUES (1, :uuid, 1)", &row)?;
    add_signing_key(sql, now).map(drop)
}

/// Creates the end of the chain of batches, which has none yet and no older rows either.
pub fn begin_chain(sql: &mut dyn Sql) -> Result<(), StoreError> {
    let (zero, first) = (Fingerprint(Uuid::nil()), 1_i64);
    let row = params!["zero" = zero, "first" = first];
    sql.execute(
        "INSERT INTO batch_chain (id, position, link_1, link_2, older_next_id, older_end_id, holder, leased_until) \
         VALUES (1, 0, :zero, :zero, :first, :first, 0, 0)",
        &row,
    )?;
    Ok(())
}

/// Adds a random signing key and returns its id. The newest key signs; all keys that are not
/// retired verify.
pub fn add_signing_key(sql: &mut dyn Sql, now: i64) -> Result<i64, StoreError> {
    let secret = hex(&clock::random::<32>()?);
    let next = sql.rows("SELECT coalesce(max(id), 0) + 1 FROM signing_keys", &vec![])?;
    let id = next.first().map_or(Ok(1), OwnedRow::integer)?;
    let row = params!["id" = id, "secret" = secret, "now" = now];
    sql.execute(
        "INSERT INTO signing_keys (id, secret, created_at) VALUES (:id, :secret, :now)",
        &row,
    )?;
    Ok(id)
}

/// Adds a signing key, and retires the older ones if `retire` is set. Returns the new key's id, and
/// how many keys were retired.
///
/// # Errors
/// [`StoreError`]: then nothing was changed.
pub fn rotate_signing_keys(
    sql: &mut dyn Sql,
    retire: bool,
    now: i64,
) -> Result<(i64, u64), StoreError> {
    transaction(sql, Purpose::Write, |sql| {
        if sql.dialect() == Dialect::Postgres {
            // The next id is read, then written: two rotations at once would read the same.
            sql.script("LOCK TABLE signing_keys IN EXCLUSIVE MODE")?;
        }
        let id = add_signing_key(sql, now)?;
        let retired = if retire { retire_signing_keys_before(sql, id, now)? } else { 0 };
        Ok((id, retired))
    })
}

/// Retires all keys before this one. Tokens that they signed are refused from then on.
fn retire_signing_keys_before(sql: &mut dyn Sql, id: i64, now: i64) -> Result<u64, StoreError> {
    let retire = "UPDATE signing_keys SET retired_at = :now WHERE id < :id AND retired_at IS NULL";
    sql.execute(retire, &params!["id" = id, "now" = now])
}

/// Claims the right to create the first merchant. Only one process ever gets `true`, and only while
/// there is no merchant.
pub fn claim_first_merchant(sql: &mut dyn Sql) -> Result<bool, StoreError> {
    let claim = "UPDATE installation SET greeted = 1 WHERE greeted = 0 AND NOT EXISTS (SELECT 1 FROM merchants)";
    Ok(sql.execute(claim, &vec![])? == 1)
}

/// Releases the claim of [`claim_first_merchant`] after the merchant could not be created.
pub fn release_first_merchant(sql: &mut dyn Sql) -> Result<(), StoreError> {
    sql.execute("UPDATE installation SET greeted = 0", &vec![]).map(|_| ())
}

/// Deletes a new merchant whose secret nobody has seen, unless something has already happened to
/// it. Returns whether it was deleted.
///
/// # Errors
/// [`StoreError`]: then nothing was changed.
pub fn delete_unused_merchant(sql: &mut dyn Sql, id: i64) -> Result<bool, StoreError> {
    let mine = |id| params!["id" = id];
    let untouched = "SELECT 1 FROM wallets WHERE merchant_id = :id AND last_entry_id IS NOT NULL \
                     UNION ALL SELECT 1 FROM events WHERE merchant_id = :id \
                     UNION ALL SELECT 1 FROM parties WHERE merchant_id = :id LIMIT 1";
    transaction(sql, Purpose::Write, |sql| {
        // This locks the wallets. A payment to the merchant at this moment either commits before,
        // and is seen below, or waits and then finds no wallet.
        sql.execute(
            "UPDATE wallets SET updated_at = updated_at WHERE merchant_id = :id",
            &mine(id),
        )?;
        if !sql.rows(untouched, &mine(id))?.is_empty() {
            return Ok(false);
        }
        for table in ["wallets", "api_keys"] {
            sql.execute(&format!("DELETE FROM {table} WHERE merchant_id = :id"), &mine(id))?;
        }
        Ok(sql.execute("DELETE FROM merchants WHERE id = :id", &mine(id))? == 1)
    })
}

/// The query for [`signing_keys`]: the keys that are not retired, oldest first.
pub const SIGNING_KEYS: &str =
    "SELECT id, secret FROM signing_keys WHERE retired_at IS NULL ORDER BY id";

/// The keys in the rows of [`SIGNING_KEYS`].
///
/// # Errors
/// [`StoreError::Inconsistent`] for a secret that is not 32 bytes in hexadecimal.
pub fn signing_keys(rows: &[OwnedRow]) -> Result<Vec<SigningKey>, StoreError> {
    let key = |row: &OwnedRow| {
        let id = row.integer()?;
        let broken = || StoreError::Inconsistent {
            table: "signing_keys",
            id,
            what: "the secret is not 32 bytes".to_owned(),
        };
        Ok(SigningKey { id, secret: row.text(1).and_then(unhex).ok_or_else(broken)? })
    };
    rows.iter().map(key).collect()
}

/// The keys that are not retired, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn read_signing_keys(sql: &mut dyn Sql) -> Result<Vec<SigningKey>, StoreError> {
    signing_keys(&sql.rows(SIGNING_KEYS, &vec![])?)
}

/// The query for [`uuid`].
pub const UUID: &str = "SELECT uuid FROM installation";

/// The installation's UUID, from the row of [`UUID`].
///
/// # Errors
/// [`StoreError::Inconsistent`] when it is missing or no UUID.
pub fn uuid(row: Option<&OwnedRow>) -> Result<[u8; 16], StoreError> {
    let broken = |what: &str| StoreError::Inconsistent {
        table: "installation",
        id: 1,
        what: what.to_owned(),
    };
    let text = row.and_then(|row| row.text(0)).ok_or_else(|| broken("no row"))?;
    Ok(Uuid::parse_str(text).map_err(|_| broken("not a UUID"))?.into_bytes())
}

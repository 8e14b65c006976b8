//! What an installation has once: its UUID, the keys that sign its access tokens, and a first
//! merchant.

use uuid::{Builder, Uuid};

use crate::hex::{hex, unhex};
use crate::workspace::sql::{Dialect, OwnedRow, Purpose, Sql, transaction};
use crate::workspace::sql_value::params;
use crate::{StoreError, clock};

/// A secret that signs access tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// Its id: the `kid` of the tokens that it signs.
    pub id: i64,
    /// The secret.
    pub secret: [u8; 32],
}

/// Draws the UUID and the first signing key.
pub fn create(sql: &mut dyn Sql, now: i64) -> Result<(), StoreError> {
    let uuid = Builder::from_random_bytes(clock::random()?).into_uuid();
    let row = params!["uuid" = uuid.to_string()];
    sql.execute(
        "INSERT INTO installation (id, uuid, next_id, book_version) VALUES (1, :uuid, 1, 1)",
        &row,
    )?;
    add_signing_key(sql, now).map(drop)
}

/// Draws a new signing key; the newest signs, all that are not retired verify.
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

/// Draws a new signing key and retires the older ones, if that is asked for. Answers its id, and
/// how many were retired.
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
            // Two at once would draw one number.
            sql.script("LOCK TABLE signing_keys IN EXCLUSIVE MODE")?;
        }
        let id = add_signing_key(sql, now)?;
        let retired = if retire { retire_signing_keys_before(sql, id, now)? } else { 0 };
        Ok((id, retired))
    })
}

/// Tokens that the older keys signed are refused from then on.
fn retire_signing_keys_before(sql: &mut dyn Sql, id: i64, now: i64) -> Result<u64, StoreError> {
    let retire = "UPDATE signing_keys SET retired_at = :now WHERE id < :id AND retired_at IS NULL";
    sql.execute(retire, &params!["id" = id, "now" = now])
}

/// The first process that finds no merchant makes one, and no other.
pub fn claim_first_merchant(sql: &mut dyn Sql) -> Result<bool, StoreError> {
    let claim = "UPDATE installation SET greeted = 1 WHERE greeted = 0 AND NOT EXISTS (SELECT 1 FROM merchants)";
    Ok(sql.execute(claim, &vec![])? == 1)
}

/// Where the merchant could not be made.
pub fn give_back_first_merchant(sql: &mut dyn Sql) -> Result<(), StoreError> {
    sql.execute("UPDATE installation SET greeted = 0", &vec![]).map(|_| ())
}

/// Takes a merchant back whose secret nobody has seen, as long as nothing has happened to it.
/// Answers whether it is gone.
///
/// # Errors
/// [`StoreError`]: then nothing was changed.
pub fn take_back_merchant(sql: &mut dyn Sql, id: i64) -> Result<bool, StoreError> {
    let mine = |id| params!["id" = id];
    let untouched = "SELECT 1 FROM wallets WHERE merchant_id = :id AND last_entry_id IS NOT NULL \
                     UNION ALL SELECT 1 FROM events WHERE merchant_id = :id \
                     UNION ALL SELECT 1 FROM parties WHERE merchant_id = :id LIMIT 1";
    transaction(sql, Purpose::Write, |sql| {
        // Whoever pays to it at this moment waits for its wallets, or is waited for.
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

/// Reads the signing keys that verify, oldest first: for [`signing_keys`].
pub const SIGNING_KEYS: &str =
    "SELECT id, secret FROM signing_keys WHERE retired_at IS NULL ORDER BY id";

/// The keys of the rows of [`SIGNING_KEYS`].
///
/// # Errors
/// [`StoreError::Inconsistent`].
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

/// Reads the UUID drawn at the first migration: for [`uuid`].
pub const UUID: &str = "SELECT uuid FROM installation";

/// The UUID of the row of [`UUID`].
///
/// # Errors
/// [`StoreError::Inconsistent`] when it is not there.
pub fn uuid(row: Option<&OwnedRow>) -> Result<[u8; 16], StoreError> {
    let broken = |what: &str| StoreError::Inconsistent {
        table: "installation",
        id: 1,
        what: what.to_owned(),
    };
    let text = row.and_then(|row| row.text(0)).ok_or_else(|| broken("no row"))?;
    Ok(Uuid::parse_str(text).map_err(|_| broken("not a UUID"))?.into_bytes())
}

//! What a copy of an installation has to do with real networks. It must not call them before an
//! operator says so: the original may still be running, or may have made payments that the copy does
//! not know. And it needs the key of its secrets, which is not in it.

use domain::kernel::time::ServerTime;

use crate::StoreError;
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::params;

/// Holds all accounts at real networks. Returns how many there are. `restored_at` is given for a copy
/// that lacks what was made after it. The server that reads it next takes it up, because the version
/// of the tariff is raised.
///
/// # Errors
/// [`StoreError`]
pub fn hold(sql: &mut dyn Sql, restored_at: Option<ServerTime>) -> Result<u64, StoreError> {
    let held = sql.execute(
        "UPDATE network_accounts SET held = 1, restored_at = coalesce(:restored_at, restored_at) \
         WHERE mode <> 'SANDBOX' AND status <> 'CLOSED'",
        &params!["restored_at" = restored_at.map(|at| at.0)],
    )?;
    if held > 0 {
        sql.execute("UPDATE tariff SET version = version + 1", &vec![])?;
    }
    Ok(held)
}

/// The ids of the keys that the secrets in this database are encrypted with.
///
/// # Errors
/// [`StoreError`]
pub fn secrets_keys(sql: &mut dyn Sql) -> Result<Vec<String>, StoreError> {
    let ids = "SELECT key_id FROM network_secrets WHERE retired_at IS NULL \
         UNION SELECT key_id FROM webhook_secrets WHERE expires_at IS NULL \
         UNION SELECT totp_key_id FROM users WHERE totp_key_id IS NOT NULL \
         UNION SELECT pending_totp_key_id FROM users WHERE pending_totp_key_id IS NOT NULL ORDER BY key_id";
    let rows = sql.rows(ids, &vec![])?;
    Ok(rows.iter().filter_map(|row| row.text(0)).map(str::to_owned).collect())
}

//! A step of a migration that SQL cannot do: the fingerprints of the tokens of pages that were made
//! before pages were found by them.

use domain::sales::checkout::PageToken;

use crate::StoreError;
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::params;

/// How many pages are read at once.
const PAGE: i64 = 1_000;

/// Writes the fingerprints within the caller's transaction.
pub fn run(sql: &mut dyn Sql) -> Result<(), StoreError> {
    let mut after = i64::MIN;
    loop {
        let rows = sql.rows(
            "SELECT id, token, link_token FROM checkout_configs WHERE id > :after ORDER BY id LIMIT :page",
            &params!["after" = after, "page" = PAGE],
        )?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.integer()?;
        for row in &rows {
            let fingerprint =
                |column| row.text(column).map(|text| PageToken(text.to_owned()).fingerprint());
            sql.execute(
                "UPDATE checkout_configs SET token_hash = :token, link_token_hash = :link WHERE id = :id",
                &params!["token" = fingerprint(1), "link" = fingerprint(2), "id" = row.integer()?],
            )?;
        }
    }
}

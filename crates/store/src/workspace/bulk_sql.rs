//! PostgreSQL's statements for many rows at a time. The values of a column are one array parameter,
//! so the text does not depend on the number of rows and is prepared once on a connection.

use crate::workspace::sql_value::ColumnType;

/// The statements of one table.
#[derive(Debug)]
pub struct BulkSql {
    /// Inserts rows: one array for each column.
    pub insert: String,
    /// Updates rows: one array for each changing column, then the ids.
    pub update: String,
    /// Finds rows by their ids.
    pub by_ids: String,
    /// Finds rows by their ids and locks them until the transaction ends. In the order of the ids,
    /// so that two transactions do not deadlock.
    pub lock: String,
    /// Locks rows by their ids and owners. If an owner is given, a row of another owner is neither
    /// returned nor locked.
    pub lock_owned: String,
    /// Finds rows by their alternate key: one array for each column.
    pub by_alt_keys: String,
}

impl BulkSql {
    /// The texts for a table of these columns, the id first and the changing ones from `fixed` on.
    #[must_use]
    pub fn new(
        table: &str,
        all: &[(&'static str, ColumnType)],
        fixed: usize,
        alt_key: &[&str],
    ) -> Self {
        let names: Vec<&str> = all.iter().map(|(column, _)| *column).collect();
        let id = names.first().copied().unwrap_or("id");
        let list = names.join(", ");
        let qualified = prefixed(table, &names);
        let changing = all.get(fixed..).unwrap_or_default();
        let set: Vec<String> =
            changing.iter().map(|(column, _)| format!("{column} = new.{column}")).collect();
        let changes = || changing.iter().chain(all.first());
        let key = || all.iter().filter(|(column, _)| alt_key.contains(column));
        let matches: Vec<String> =
            alt_key.iter().map(|column| format!("{table}.{column} = wanted.{column}")).collect();
        let matches = matches.join(" AND ");
        // A table without merchants: a row counts as its own owner.
        let owner = if names.contains(&"merchant_id") { "merchant_id" } else { id };
        let asked = format!(
            "{} AS wanted ({})",
            arrays(alt_key.iter().filter_map(|name| key().find(|(column, _)| column == name))),
            alt_key.join(", ")
        );
        Self {
            insert: format!("INSERT INTO {table} ({list}) SELECT * FROM {}", arrays(all.iter())),
            update: format!(
                "UPDATE {table} SET {} FROM {} AS new ({}) WHERE {table}.{id} = new.{id}",
                set.join(", "),
                arrays(changes()),
                changes().map(|(column, _)| *column).collect::<Vec<_>>().join(", "),
            ),
            by_ids: format!("SELECT {list} FROM {table} WHERE {id} = ANY($1::bigint[])"),
            // NO KEY: ids never change, so inserting a row that refers to a locked one need not
            // wait for the lock.
            lock: format!(
                "SELECT {list} FROM {table} WHERE {id} = ANY($1::bigint[]) ORDER BY {id} FOR NO KEY UPDATE"
            ),
            lock_owned: format!(
                "SELECT {qualified} FROM UNNEST($1::bigint[], $2::bigint[]) AS wanted (id, owner) \
                 JOIN {table} ON {table}.{id} = wanted.id AND coalesce(wanted.owner, {table}.{owner}) = {table}.{owner} \
                 ORDER BY {table}.{id} FOR NO KEY UPDATE OF {table}"
            ),
            by_alt_keys: format!("SELECT {qualified} FROM {asked} JOIN {table} ON {matches}"),
        }
    }
}

/// Columns as a list, each prefixed by the table's name.
pub fn prefixed(table: &str, columns: &[&str]) -> String {
    columns.iter().map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
}

/// A statement that inserts rows into a table of which only the columns are known. Each column has
/// one array.
pub fn append(table: &str, columns: &[(String, ColumnType)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    format!("INSERT INTO {table} ({}) SELECT * FROM {}", names.join(", "), arrays(columns.iter()))
}

/// The rows of array parameters, one array for each column.
fn arrays<'a, N: 'a>(columns: impl Iterator<Item = &'a (N, ColumnType)>) -> String {
    let kind = |kind: ColumnType| match kind {
        ColumnType::Int => "bigint",
        ColumnType::Code => "smallint",
        ColumnType::Text => "text",
        ColumnType::Uuid => "uuid",
    };
    let arrays: Vec<String> =
        columns.enumerate().map(|(i, (_, t))| format!("${}::{}[]", i + 1, kind(*t))).collect();
    format!("UNNEST({})", arrays.join(", "))
}

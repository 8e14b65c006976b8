//! PostgreSQL's statements for many rows at a time: one text a table and operation, whatever the
//! number of rows, so that each is prepared once on a connection.

use crate::workspace::sql_value::ColumnType;

/// Of one table.
#[derive(Debug)]
pub struct BulkSql {
    /// Writes new rows: an array a column.
    pub insert: String,
    /// Changes rows: an array a changing column, then the ids.
    pub update: String,
    /// Finds rows by their ids.
    pub by_ids: String,
    /// The same, and keeps others from changing them until the transaction ends; in the order of
    /// the ids, so that two transactions never wait for each other in a circle.
    pub lock: String,
    /// The same for rows that somebody named: only those that are their owner's, where one is given
    /// beside the id. Another's row is neither answered nor locked.
    pub lock_owned: String,
    /// Finds rows by their other key: an array a column.
    pub by_alt_keys: String,
}

impl BulkSql {
    /// The texts for a table of these columns, the id first and the changing ones from `fixed` on.
    #[must_use]
    pub fn new(
        table: &str,
        all: &[(&'static str, ColumnType)],
        fixed: usize,
        name: &[&str],
    ) -> Self {
        let names: Vec<&str> = all.iter().map(|(column, _)| *column).collect();
        let id = names.first().copied().unwrap_or("id");
        let list = names.join(", ");
        let qualified = prefixed(table, &names);
        let changing = all.get(fixed..).unwrap_or_default();
        let set: Vec<String> =
            changing.iter().map(|(column, _)| format!("{column} = new.{column}")).collect();
        let changes = || changing.iter().chain(all.first());
        let key = || all.iter().filter(|(column, _)| name.contains(column));
        let wanted: Vec<&str> = name.to_vec();
        let matches: Vec<String> =
            name.iter().map(|column| format!("{table}.{column} = wanted.{column}")).collect();
        let matches = matches.join(" AND ");
        // A row without the column belongs to nobody but itself.
        let owner = if names.contains(&"merchant_id") { "merchant_id" } else { id };
        let asked = format!(
            "{} AS wanted ({})",
            arrays(name.iter().filter_map(|n| key().find(|(c, _)| c == n))),
            wanted.join(", ")
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
            // Ids are for ever: whoever writes a row that points at a locked one does not wait for
            // it, nor it for them.
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

/// Writes new rows of a table that is known by its columns only: an array a column.
pub fn append(table: &str, columns: &[(String, ColumnType)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    format!("INSERT INTO {table} ({}) SELECT * FROM {}", names.join(", "), arrays(columns.iter()))
}

/// Parameters of array types, one a column, as rows.
fn arrays<'a, N: 'a>(columns: impl Iterator<Item = &'a (N, ColumnType)>) -> String {
    let kind = |kind: ColumnType| match kind {
        ColumnType::Int => "bigint",
        ColumnType::Text => "text",
    };
    let arrays: Vec<String> =
        columns.enumerate().map(|(i, (_, t))| format!("${}::{}[]", i + 1, kind(*t))).collect();
    format!("UNNEST({})", arrays.join(", "))
}

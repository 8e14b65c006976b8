//! How a lane writes what a batch changed: one INSERT and one UPDATE a table.

use domain::decision::retention::{Deletion, Retained};
use domain::decision::workspace::{Loaded, RowChange, Table, Tables};
use domain::each_table;

use crate::StoreError;
use crate::workspace::deleting::DeleteSql as _;
use crate::workspace::postgres::lane::connection::{Statement, column_arrays};
use crate::workspace::record::{KeyedRecord, Record};
use crate::workspace::sql_value::{ColumnType, SqlValue};

/// Adds the statements that write the changes of a table.
fn write<'a, R: Loaded + KeyedRecord>(
    table: &'a Table<R>,
    statements: &mut Vec<Statement<'a>>,
) -> Result<(), StoreError> {
    let (mut inserts, mut updates) = (vec![], vec![]);
    for change in table.changes() {
        let mut values = Vec::with_capacity(R::WIDTH);
        match change {
            RowChange::Insert(row) => {
                row.write(&mut values);
                inserts.push(values);
            }
            RowChange::Update(row) => {
                row.write_changes(&mut values);
                updates.push(values);
            }
        }
    }
    insert::<R>(&inserts, statements)?;
    if !updates.is_empty() {
        let sql = R::statements();
        let changing = sql.all.get(sql.fixed..).unwrap_or_default().iter().chain(sql.all.first());
        let params = column_arrays(changing.map(|(_, kind)| *kind), &updates)?;
        statements.push(Statement {
            sql: &sql.many.update,
            params,
            changes: Some((R::TABLE, updates.len())),
        });
    }
    Ok(())
}

fn insert<'a, R: Record>(
    rows: &[Vec<SqlValue<'a>>],
    statements: &mut Vec<Statement<'a>>,
) -> Result<(), StoreError> {
    if !rows.is_empty() {
        let sql = R::statements();
        let params = column_arrays(sql.all.iter().map(|(_, kind)| *kind), rows)?;
        statements.push(Statement {
            sql: &sql.many.insert,
            params,
            changes: Some((R::TABLE, rows.len())),
        });
    }
    Ok(())
}

pub(super) fn append<'a, R: Record>(
    rows: &'a [R],
    statements: &mut Vec<Statement<'a>>,
) -> Result<(), StoreError> {
    let all = |row: &'a R| {
        let mut values = Vec::with_capacity(R::WIDTH);
        row.write(&mut values);
        values
    };
    insert::<R>(&rows.iter().map(all).collect::<Vec<_>>(), statements)
}

/// Adds the statements that delete rows. Another process may have deleted some of them.
pub(super) fn delete<'a>(
    deletions: &[Deletion],
    statements: &mut Vec<Statement<'a>>,
) -> Result<(), StoreError> {
    for table in Retained::ALL {
        let of_table = deletions.iter().filter(|deletion| deletion.table == table);
        let ids: Vec<_> = of_table.map(|deletion| vec![SqlValue::Int(deletion.id)]).collect();
        if !ids.is_empty() {
            let params = column_arrays([ColumnType::Int].into_iter(), &ids)?;
            statements.push(Statement::new(table.delete_many(), params));
        }
    }
    Ok(())
}

macro_rules! by_table {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        pub(super) fn write_all<'a>(tables: &'a Tables, statements: &mut Vec<Statement<'a>>) -> Result<(), StoreError> {
            $(write(&tables.$field, statements)?;)+
            Ok(())
        }
    };
}
each_table!(by_table);

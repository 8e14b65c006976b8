//! How a lane locks rows, and how it finds out whether they changed since it loaded them.
//!
//! Rows are always locked in the same order, table by table and by ascending ids within a table, so
//! transactions do not wait for each other in a circle.

use std::collections::HashSet;

use domain::decision::row::{Lookup, Row as DomainRow};
use domain::decision::use_case::LockKey;
use domain::decision::workspace::{Loaded, RowChange, RowKey, Table, Tables};
use domain::each_table;
use domain::kernel::ids::MerchantId;

use crate::StoreError;
use crate::workspace::postgres::lane::connection::{BulkParam, Statement, StatementResult};
use crate::workspace::postgres::lane::loading::{Lookups, RowLookups, ids};
use crate::workspace::postgres::sql_array::SqlArray;
use crate::workspace::record::{KeyedRecord, Record};

/// Locks the rows of commands' lock keys, as far as they belong to the given owners.
fn lock_statement<R: KeyedRecord>(
    lock_keys: &[(R::Id, Option<MerchantId>)],
) -> Option<Statement<'static>> {
    let owners = lock_keys.iter().map(|(_, owner)| owner.map(|owner| owner.0)).collect();
    let mut params = ids::<R>(lock_keys.iter().map(|(id, _)| *id));
    params.push(BulkParam::Array(SqlArray::Ints(owners)));
    (!lock_keys.is_empty()).then(|| Statement::new(&R::statements().many.lock_owned, params))
}

/// Loads the locked rows. A row that was not found is not loaded as absent: it may exist and belong
/// to another merchant.
fn load_locked<R: Loaded + KeyedRecord>(
    lock_keys: &[(R::Id, Option<MerchantId>)],
    results: &mut impl Iterator<Item = StatementResult>,
    table: &mut Table<R>,
    locked: &mut HashSet<RowKey>,
) -> Result<(), StoreError> {
    if lock_keys.is_empty() {
        return Ok(());
    }
    for row in &results.next().map(|result| result.rows).unwrap_or_default() {
        let row = R::from_row(row, 0)?;
        let id = Lookup::Id(DomainRow::id(&row));
        locked.insert(R::key(id.clone()));
        table.load(id, Some(row));
    }
    Ok(())
}

/// The ids of stored rows that a batch changed and its transaction has not locked.
fn unlocked<R: Loaded + KeyedRecord>(table: &Table<R>, locked: &HashSet<RowKey>) -> Vec<R::Id> {
    let changed = table.changes().into_iter().filter_map(|change| match change {
        RowChange::Update(row) => Some(row.id()),
        // A new row is not in the database yet. If another process inserts one with the same key
        // first, the unique index refuses the second.
        RowChange::Insert(_) => None,
    });
    changed.filter(|id| !locked.contains(&R::key(Lookup::Id(*id)))).collect()
}

macro_rules! by_table {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        /// The rows that the batch changed and its transaction has not locked yet.
        pub(super) fn changed_rows(tables: &Tables, locked: &HashSet<RowKey>) -> Lookups {
            Lookups { $($field: RowLookups::of(unlocked(&tables.$field, locked))),+ }
        }

        /// The rows that authorized the decisions, for example API keys. A decision must not stand
        /// on one that was revoked meanwhile.
        pub(super) fn authorizing_rows(tables: &Tables) -> Lookups {
            Lookups { $($field: RowLookups::of(
                if <$row as DomainRow>::AUTHORIZES { tables.$field.stored_ids().collect() } else { vec![] }
            )),+ }
        }

        /// The lock keys of all commands, table by table.
        pub(super) struct LockKeys { $(pub(super) $field: Vec<(<$row as DomainRow>::Id, Option<MerchantId>)>),+ }

        impl LockKeys {
            pub(super) fn new(lock_keys: &[LockKey]) -> Self {
                let mut all = Self { $($field: vec![]),+ };
                for LockKey { key, owner } in lock_keys {
                    match key {
                        $(RowKey::$variant(Lookup::Id(id)) => all.$field.push((*id, *owner)),)+
                        // A command knows the row that it locks by its id.
                        $(RowKey::$variant(Lookup::AltKey(_)) => {})+
                    }
                }
                $(all.$field.sort_unstable();
                all.$field.dedup();)+
                all
            }

            pub(super) fn statements(&self) -> Vec<Statement<'static>> {
                let mut statements = vec![];
                $(statements.extend(lock_statement::<$row>(&self.$field));)+
                statements
            }

            pub(super) fn load(
                &self,
                results: &mut impl Iterator<Item = StatementResult>,
                tables: &mut Tables,
                locked: &mut HashSet<RowKey>,
            ) -> Result<(), StoreError> {
                $(load_locked(&self.$field, results, &mut tables.$field, locked)?;)+
                Ok(())
            }
        }

        impl Lookups {
            /// Loads rows that were read again. The result is whether all are as they were first
            /// loaded.
            pub(super) fn confirm(
                &self,
                results: &mut impl Iterator<Item = StatementResult>,
                tables: &mut Tables,
            ) -> Result<bool, StoreError> {
                let mut same = true;
                $(if !self.$field.ids.is_empty() {
                    let rows = results.next().map(|result| result.rows).unwrap_or_default();
                    // A loaded row was deleted meanwhile: the batch fails and is run again.
                    if rows.len() != self.$field.ids.len() {
                        let (count, expected) = (rows.len(), self.$field.ids.len());
                        return Err(StoreError::RowsAffected { table: <$row as Record>::TABLE, count, expected });
                    }
                    for row in &rows {
                        same &= tables.$field.confirm(<$row as Record>::from_row(row, 0)?);
                    }
                })+
                Ok(same)
            }

            pub(super) fn keys(&self) -> Vec<RowKey> {
                let mut keys = vec![];
                $(keys.extend(self.$field.ids.iter().map(|id| RowKey::$variant(Lookup::Id(*id))));)+
                keys
            }
        }
    };
}
each_table!(by_table);

//! How a lane loads rows: by id and by alternate key, with one statement for each a table.

use std::collections::HashMap;

use domain::decision::row::{Lookup, LookupOf, Row as DomainRow};
use domain::decision::workspace::{Loaded, RowKey, Table, Tables};
use domain::each_table;

use crate::StoreError;
use crate::workspace::postgres::lane::connection::{
    BulkParam, Statement, StatementResult, column_arrays,
};
use crate::workspace::postgres::sql_array::SqlArray;
use crate::workspace::record::{Column, KeyedRecord};
use crate::workspace::sql_value::SqlValue;

fn values<'a, C: Column>(value: &'a C) -> Vec<SqlValue<'a>> {
    let mut values = Vec::with_capacity(C::WIDTH);
    value.write(&mut values);
    values
}

pub(super) fn ids<R: KeyedRecord>(ids: impl Iterator<Item = R::Id>) -> Vec<BulkParam<'static>> {
    let number = |id: R::Id| match values(&id).first() {
        Some(SqlValue::Int(id)) => Some(*id),
        _ => None,
    };
    vec![BulkParam::Array(SqlArray::Ints(ids.map(number).collect()))]
}

/// The rows of one table to load or to lock.
pub(super) struct RowLookups<R: Loaded> {
    pub(super) ids: Vec<R::Id>,
    pub(super) alt_keys: Vec<R::AltKey>,
}

impl<R: Loaded + KeyedRecord> RowLookups<R> {
    pub(super) const fn of(ids: Vec<R::Id>) -> Self {
        Self { ids, alt_keys: vec![] }
    }

    pub(super) fn new(lookups: impl Iterator<Item = LookupOf<R>>) -> Self {
        let mut all = Self { ids: vec![], alt_keys: vec![] };
        for lookup in lookups {
            match lookup {
                Lookup::Id(id) => all.ids.push(id),
                Lookup::AltKey(key) => all.alt_keys.push(key),
            }
        }
        // Many commands of one batch often need the same row: each row is read once.
        all.ids.sort_unstable();
        all.ids.dedup();
        all.alt_keys.sort_unstable();
        all.alt_keys.dedup();
        all
    }

    pub(super) fn statements(&self, lock: bool) -> Result<Vec<Statement<'static>>, StoreError> {
        let sql = R::statements();
        let mut statements = vec![];
        if !self.ids.is_empty() {
            let sql = if lock { &sql.many.lock } else { &sql.many.by_ids };
            statements.push(Statement::new(sql, ids::<R>(self.ids.iter().copied())));
        }
        if !self.alt_keys.is_empty() {
            let mut types = vec![];
            R::AltKey::types(&mut types);
            let rows: Vec<Vec<SqlValue<'static>>> = self
                .alt_keys
                .iter()
                .map(|key| values(key).into_iter().map(SqlValue::into_owned).collect())
                .collect();
            statements.push(Statement::new(
                &sql.many.by_alt_keys,
                column_arrays(types.into_iter(), &rows)?,
            ));
        }
        Ok(statements)
    }

    /// Loads the rows of the results into the table. A row that was not found is loaded as absent.
    pub(super) fn load(
        self,
        results: &mut impl Iterator<Item = StatementResult>,
        table: &mut Table<R>,
    ) -> Result<(), StoreError> {
        let mut read = || -> Result<Vec<R>, StoreError> {
            let rows = results.next().map(|result| result.rows).unwrap_or_default();
            rows.iter().map(|row| R::from_row(row, 0)).collect()
        };
        if !self.ids.is_empty() {
            let mut found: HashMap<R::Id, R> =
                read()?.into_iter().map(|row| (DomainRow::id(&row), row)).collect();
            for id in self.ids {
                table.load(Lookup::Id(id), found.remove(&id));
            }
        }
        if !self.alt_keys.is_empty() {
            let mut found: HashMap<R::AltKey, R> = read()?
                .into_iter()
                .filter_map(|row| Some((DomainRow::alt_key(&row)?, row)))
                .collect();
            for key in self.alt_keys {
                let row = found.remove(&key);
                table.load(Lookup::AltKey(key), row);
            }
        }
        Ok(())
    }
}

macro_rules! by_table {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        /// The rows of all tables to load or to lock.
        pub(super) struct Lookups { $(pub(super) $field: RowLookups<$row>),+ }

        impl Lookups {
            pub(super) fn new(keys: &[RowKey]) -> Self {
                Self { $($field: RowLookups::new(keys.iter().filter_map(|key| match key {
                    RowKey::$variant(lookup) => Some(lookup.clone()),
                    _ => None,
                }))),+ }
            }

            pub(super) fn statements(&self, lock: bool) -> Result<Vec<Statement<'static>>, StoreError> {
                let mut statements = vec![];
                $(statements.extend(self.$field.statements(lock)?);)+
                Ok(statements)
            }

            pub(super) fn load(self, results: &mut impl Iterator<Item = StatementResult>, tables: &mut Tables) -> Result<(), StoreError> {
                $(self.$field.load(results, &mut tables.$field)?;)+
                Ok(())
            }
        }
    };
}
each_table!(by_table);

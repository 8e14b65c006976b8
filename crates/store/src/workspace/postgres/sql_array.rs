//! The values of one column of many rows, as an array parameter of PostgreSQL.

use std::borrow::Cow;

use domain::kernel::uuids::Uuid;
use tokio_postgres::types::ToSql;

use crate::StoreError;
use crate::workspace::sql_value::{ColumnType, SqlValue};

/// An array parameter: `bigint[]`, `smallint[]`, `text[]` or `uuid[]`.
#[derive(Debug)]
pub(super) enum SqlArray<'a> {
    Ints(Vec<Option<i64>>),
    Codes(Vec<Option<i16>>),
    Texts(Vec<Option<Cow<'a, str>>>),
    Uuids(Vec<Option<Uuid>>),
}

impl<'a> SqlArray<'a> {
    /// The array of a column's values; `None` stands for a value that a row lacks, which is an
    /// error like a value of another type.
    pub(super) fn of_column<'r>(
        column_type: ColumnType,
        values: impl Iterator<Item = Option<&'r SqlValue<'a>>>,
    ) -> Result<Self, StoreError>
    where
        'a: 'r,
    {
        let mismatch = || StoreError::Unexpected("a value is not of its column's type");
        Ok(match column_type {
            ColumnType::Int => Self::Ints(
                values
                    .map(|value| match value {
                        Some(SqlValue::Int(value)) => Ok(Some(*value)),
                        Some(SqlValue::Null) => Ok(None),
                        _ => Err(mismatch()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            ColumnType::Code => Self::Codes(
                values
                    .map(|value| match value {
                        Some(SqlValue::Int(code)) => {
                            i16::try_from(*code).map(Some).map_err(|_| mismatch())
                        }
                        Some(SqlValue::Null) => Ok(None),
                        _ => Err(mismatch()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            ColumnType::Text => Self::Texts(
                values
                    .map(|value| match value {
                        Some(SqlValue::Text(text)) => Ok(Some(text.clone())),
                        Some(SqlValue::Null) => Ok(None),
                        _ => Err(mismatch()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            ColumnType::Uuid => Self::Uuids(
                values
                    .map(|value| match value {
                        Some(SqlValue::Uuid(uuid)) => Ok(Some(*uuid)),
                        Some(SqlValue::Null) => Ok(None),
                        _ => Err(mismatch()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    pub(super) fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Ints(values) => values,
            Self::Codes(values) => values,
            Self::Texts(values) => values,
            Self::Uuids(values) => values,
        }
    }
}

//! The values that the databases store: 64-bit integers, texts and
//! UUIDs. Times are microseconds since
//! 1970, amounts are minor units of their currency, truth values are 0 and 1. Codes of enums are
//! integers, too, in columns of 16 bits on PostgreSQL.

use std::borrow::Cow;

use domain::kernel::uuids::{Fingerprint, NetworkRequestId, ReferenceId, Uuid};

use crate::StoreError;

/// A value of a column or of a parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SqlValue<'a> {
    Null,
    Int(i64),
    Text(Cow<'a, str>),
    Uuid(Uuid),
}

impl SqlValue<'_> {
    #[must_use]
    pub fn into_owned(self) -> SqlValue<'static> {
        match self {
            Self::Null => SqlValue::Null,
            Self::Int(value) => SqlValue::Int(value),
            Self::Text(text) => SqlValue::Text(Cow::Owned(text.into_owned())),
            Self::Uuid(uuid) => SqlValue::Uuid(uuid),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColumnType {
    /// An integer of 64 bits.
    Int,
    /// The code of an enum's member: `SMALLINT` on PostgreSQL, and `INT` on SQLite, which stores
    /// it like `INTEGER`, so that the type of the column tells the two apart.
    Code,
    Text,
    /// 16 bytes.
    Uuid,
}

/// A row of a statement's result.
pub trait ResultRow {
    /// The value of the column at `index`.
    ///
    /// # Errors
    /// [`StoreError`] for a column that is not there, or that is none of these types.
    fn value(&self, index: usize) -> Result<SqlValue<'_>, StoreError>;
}

/// A named parameter of a statement. It has a type of its own, since PostgreSQL cannot tell the type
/// of a null.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// With its colon: `:name`.
    pub name: &'static str,
    pub column_type: ColumnType,
    pub value: SqlValue<'a>,
}

impl<'a> Param<'a> {
    pub fn new<T: IntoSqlValue<'a>>(name: &'static str, value: T) -> Self {
        Self { name, column_type: T::TYPE, value: value.into_sql_value() }
    }
}

pub type Params<'a> = Vec<Param<'a>>;

/// The parameters of a statement: `params!["name" = value, ...]`.
macro_rules! params {
    ($($name:literal = $value:expr),* $(,)?) => {
        vec![$($crate::workspace::sql_value::Param::new(concat!(":", $name), $value)),*]
    };
}
pub(crate) use params;

/// A Rust value that is given as a parameter.
pub trait IntoSqlValue<'a> {
    const TYPE: ColumnType;

    fn into_sql_value(self) -> SqlValue<'a>;
}

macro_rules! integers {
    ($($integer:ty),+) => {$(
        impl<'a> IntoSqlValue<'a> for $integer {
            const TYPE: ColumnType = ColumnType::Int;

            fn into_sql_value(self) -> SqlValue<'a> {
                SqlValue::Int(self.into())
            }
        }
    )+};
}
integers!(i64, u32, u8, bool);

impl<'a> IntoSqlValue<'a> for &'a str {
    const TYPE: ColumnType = ColumnType::Text;

    fn into_sql_value(self) -> SqlValue<'a> {
        SqlValue::Text(self.into())
    }
}

macro_rules! uuids {
    ($($uuid:ty),+) => {$(
        impl<'a> IntoSqlValue<'a> for $uuid {
            const TYPE: ColumnType = ColumnType::Uuid;

            fn into_sql_value(self) -> SqlValue<'a> {
                SqlValue::Uuid(self.0)
            }
        }
    )+};
}
uuids!(ReferenceId, Fingerprint, NetworkRequestId);

impl<'a> IntoSqlValue<'a> for String {
    const TYPE: ColumnType = ColumnType::Text;

    fn into_sql_value(self) -> SqlValue<'a> {
        SqlValue::Text(self.into())
    }
}

impl<'a, T: IntoSqlValue<'a>> IntoSqlValue<'a> for Option<T> {
    const TYPE: ColumnType = T::TYPE;

    fn into_sql_value(self) -> SqlValue<'a> {
        self.map_or(SqlValue::Null, T::into_sql_value)
    }
}

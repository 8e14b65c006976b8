//! The mapping of row types to columns. The statements for both databases are made from it.

use std::borrow::Cow;

use domain::decision::row::{NoAltKey, Row};
use domain::kernel::currency::Currency;
use domain::kernel::digest::Digest;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::money::{Money, Ratio};
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::kernel::trace::TraceContext;
use domain::kernel::uuids::{Fingerprint, Uuid};
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::{Owner, OwnerType};
use domain::payments::session::Recipient;
use domain::sales::checkout::PageToken;
use domain::tariff::{Effective, Fee, MethodDetails};

use crate::StoreError;
use crate::workspace::bulk_sql::{BulkSql, prefixed};
use crate::workspace::sql_value::{ColumnType, ResultRow, SqlValue};

/// Reads a row's columns from left to right.
pub struct RowReader<'a> {
    row: &'a dyn ResultRow,
    table: &'static str,
    /// The column of the row's id: a statement may give the rows of two tables side by side.
    first: usize,
    next: usize,
}

impl<'a> RowReader<'a> {
    /// A reader that starts at column `first`.
    #[must_use]
    pub fn new(row: &'a dyn ResultRow, table: &'static str, first: usize) -> Self {
        Self { row, table, first, next: first }
    }

    fn value(&mut self) -> Result<SqlValue<'a>, StoreError> {
        self.next += 1;
        self.row.value(self.next - 1)
    }

    fn broken(&self, what: String) -> StoreError {
        self.inconsistent(format!("column {}: {what}", self.next))
    }

    /// The error about a row whose columns contradict each other.
    pub fn inconsistent(&self, what: String) -> StoreError {
        let id = match self.row.value(self.first) {
            Ok(SqlValue::Int(id)) => id,
            _ => 0,
        };
        StoreError::Inconsistent { table: self.table, id, what }
    }

    fn int(&mut self) -> Result<i64, StoreError> {
        match self.value()? {
            SqlValue::Int(value) => Ok(value),
            other => Err(self.broken(format!("{other:?} is not an integer"))),
        }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, StoreError> {
        match self.value()? {
            SqlValue::Text(value) => Ok(value),
            other => Err(self.broken(format!("{other:?} is not a text"))),
        }
    }
}

/// A value that is stored in one or more columns.
pub trait Column: Sized {
    /// The number of columns.
    const WIDTH: usize = 1;

    /// Appends the types of the columns.
    fn types(types: &mut Vec<ColumnType>);

    /// Appends the values of the columns.
    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>);

    /// Appends the values of the columns, which are null for `None`.
    fn write_option<'a>(value: Option<&'a Self>, values: &mut Vec<SqlValue<'a>>) {
        match value {
            Some(value) => value.write(values),
            None => values.extend(std::iter::repeat_n(SqlValue::Null, Self::WIDTH)),
        }
    }

    /// Reads the value.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] for what it cannot be.
    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError>;
}

/// A value whose last columns change while the others are fixed. A type whose variants have
/// different fields may need a fixed column for one and a changing column for another.
pub trait PartlyChanging: Column {
    /// Appends the values of the changing columns: the last ones of [`Column::write`].
    fn write_changing<'a>(&'a self, values: &mut Vec<SqlValue<'a>>);
}

/// The value of a column that the variant of a row has.
pub fn required<T>(value: Option<T>, column: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("{column} is null"))
}

/// Refuses a row with a column that no field of its variant was made of: each column with whether
/// its value is left.
pub fn none_left(columns: &[(bool, &str)]) -> Result<(), String> {
    match columns.iter().find(|(is_left, _)| *is_left) {
        None => Ok(()),
        Some((_, column)) => Err(format!("{column} is not null")),
    }
}

impl Column for i64 {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Int);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Int(*self));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        reader.int()
    }
}

impl Column for bool {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Int);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Int((*self).into()));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        match reader.int()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(reader.broken(format!("{other} is not a truth value"))),
        }
    }
}

impl Column for String {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Text);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Text(Cow::Borrowed(self)));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        reader.text().map(Cow::into_owned)
    }
}

impl Column for Currency {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Text);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Text(Cow::Borrowed(self.code())));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let code = reader.text()?;
        Self::parse(&code).ok_or_else(|| reader.broken(format!("{code} is not a currency")))
    }
}

impl Column for Money {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        i64::types(types);
        Currency::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.minor.write(values);
        self.currency.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self::new(i64::read(reader)?, Currency::read(reader)?))
    }
}

impl Column for Ratio {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int, ColumnType::Int]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Int(self.num()));
        values.push(SqlValue::Int(self.den()));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (num, den) = (reader.int()?, reader.int()?);
        Self::new(num, den).ok_or_else(|| reader.broken(format!("{num}/{den} is not a ratio")))
    }
}

impl Column for MethodDetails {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Text; 2]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.network_code.write(values);
        self.display_name.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self { network_code: Column::read(reader)?, display_name: Column::read(reader)? })
    }
}

/// Keys that are UUIDs.
macro_rules! uuid_columns {
    ($($path:path),+ $(,)?) => {$(
        impl Column for $path {
            fn types(types: &mut Vec<ColumnType>) {
                types.push(ColumnType::Uuid);
            }

            fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
                values.push(SqlValue::Uuid(self.0));
            }

            fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
                match reader.value()? {
                    SqlValue::Uuid(uuid) => Ok(Self(uuid)),
                    other => Err(reader.broken(format!("{other:?} is not a UUID"))),
                }
            }
        }
    )+};
}
uuid_columns!(
    domain::kernel::uuids::ReferenceId,
    domain::kernel::uuids::NetworkRequestId,
    Fingerprint,
);

/// Two halves, each in a column for 16 bytes.
impl Column for Digest {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Uuid; 2]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let (first, second) = (&self.0[..16], &self.0[16..]);
        values.extend([first, second].into_iter().map(|half| {
            SqlValue::Uuid(half.try_into().map_or_else(|_| Uuid::nil(), Uuid::from_bytes))
        }));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (first, second) = <(Fingerprint, Fingerprint)>::read(reader)?;
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(first.0.as_bytes());
        bytes[16..].copy_from_slice(second.0.as_bytes());
        Ok(Self(bytes))
    }
}

/// The trace's 16 bytes, and the span's eight as an integer.
impl Column for TraceContext {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Uuid, ColumnType::Int]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Uuid(Uuid::from_u128(self.trace_id)));
        values.push(SqlValue::Int(self.span_id.cast_signed()));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (Fingerprint(trace), span) = <(Fingerprint, i64)>::read(reader)?;
        Ok(Self { trace_id: trace.as_u128(), span_id: span.cast_unsigned() })
    }
}

/// The token and its fingerprint, by which it is found.
impl Column for PageToken {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Text, ColumnType::Uuid]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.0.write(values);
        values.push(SqlValue::Uuid(self.fingerprint().0));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        <(String, Fingerprint)>::read(reader).map(|(token, _)| Self(token))
    }
}

/// A name, and for what is kept by account at a network that account, else zero: a key has no nulls.
impl Column for AccountKind {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Text, ColumnType::Int]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let (name, network_account) = match self {
            Self::Clearing(NetworkAccountId(id)) => ("CLEARING", *id),
            Self::FeePlatform => ("FEE_PLATFORM", 0),
            Self::FeeGateway => ("FEE_GATEWAY", 0),
            Self::FeeFx => ("FEE_FX", 0),
            Self::Position => ("POSITION", 0),
            Self::Suspense => ("SUSPENSE", 0),
            Self::Funding => ("FUNDING", 0),
            Self::Settlement(NetworkAccountId(id)) => ("SETTLEMENT", *id),
            Self::Difference(NetworkAccountId(id)) => ("DIFFERENCE", *id),
        };
        values.push(SqlValue::Text(Cow::Borrowed(name)));
        values.push(SqlValue::Int(network_account));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (name, network_account) = (reader.text()?, reader.int()?);
        match (&*name, network_account) {
            ("CLEARING", 1..) => Ok(Self::Clearing(NetworkAccountId(network_account))),
            ("FEE_PLATFORM", 0) => Ok(Self::FeePlatform),
            ("FEE_GATEWAY", 0) => Ok(Self::FeeGateway),
            ("FEE_FX", 0) => Ok(Self::FeeFx),
            ("POSITION", 0) => Ok(Self::Position),
            ("SUSPENSE", 0) => Ok(Self::Suspense),
            ("FUNDING", 0) => Ok(Self::Funding),
            ("SETTLEMENT", 1..) => Ok(Self::Settlement(NetworkAccountId(network_account))),
            ("DIFFERENCE", 1..) => Ok(Self::Difference(NetworkAccountId(network_account))),
            _ => Err(reader.broken(format!("{name} of {network_account} is no kind of account"))),
        }
    }
}

impl Column for Owner {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Text, ColumnType::Int]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let (kind, id) = self.parts();
        values.push(SqlValue::Text(Cow::Borrowed(kind.as_str())));
        values.push(SqlValue::Int(id));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self::from_parts(OwnerType::read(reader)?, reader.int()?))
    }
}

impl Column for Recipient {
    const WIDTH: usize = 3;

    fn types(types: &mut Vec<ColumnType>) {
        Owner::types(types);
        String::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.owner.write(values);
        self.name.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self { owner: Owner::read(reader)?, name: String::read(reader)? })
    }
}

impl Column for Fee {
    const WIDTH: usize = 3;

    fn types(types: &mut Vec<ColumnType>) {
        i64::types(types);
        Money::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.percentage_ppm.write(values);
        let fixed = self.fixed.as_ref();
        i64::write_option(fixed.map(|(minor, _)| minor), values);
        Currency::write_option(fixed.map(|(_, currency)| currency), values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let percentage_ppm = i64::read(reader)?;
        let fixed = Option::<Money>::read(reader)?;
        Ok(Self { percentage_ppm, fixed: fixed.map(|money| (money.minor, money.currency)) })
    }
}

impl Column for Effective {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int, ColumnType::Int]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.from.write(values);
        self.write_changing(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self { from: Column::read(reader)?, to: Column::read(reader)? })
    }
}

/// A row of the tariff ends when another takes its place; its beginning never changes.
impl PartlyChanging for Effective {
    fn write_changing<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.to.write(values);
    }
}

impl<T: Column> Column for Option<T> {
    const WIDTH: usize = T::WIDTH;

    fn types(types: &mut Vec<ColumnType>) {
        T::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        T::write_option(self.as_ref(), values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        if reader.row.value(reader.next)? == SqlValue::Null {
            reader.next += T::WIDTH;
            return Ok(None);
        }
        T::read(reader).map(Some)
    }
}

impl Column for NoAltKey {
    const WIDTH: usize = 0;

    fn types(_: &mut Vec<ColumnType>) {}

    fn write<'a>(&'a self, _: &mut Vec<SqlValue<'a>>) {
        match *self {}
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Err(reader.broken("an alternate key of a row type that has none".to_owned()))
    }
}

impl<A: Column, B: Column> Column for (A, B) {
    const WIDTH: usize = A::WIDTH + B::WIDTH;

    fn types(types: &mut Vec<ColumnType>) {
        A::types(types);
        B::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.0.write(values);
        self.1.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok((A::read(reader)?, B::read(reader)?))
    }
}

impl<A: Column, B: Column, C: Column> Column for (A, B, C) {
    const WIDTH: usize = A::WIDTH + B::WIDTH + C::WIDTH;

    fn types(types: &mut Vec<ColumnType>) {
        A::types(types);
        B::types(types);
        C::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.0.write(values);
        self.1.write(values);
        self.2.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok((A::read(reader)?, B::read(reader)?, C::read(reader)?))
    }
}

/// Types of one integer.
macro_rules! integer_columns {
    ($($path:path),+ $(,)?) => {$(
        impl Column for $path {
            fn types(types: &mut Vec<ColumnType>) {
                types.push(ColumnType::Int);
            }

            fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
                values.push(SqlValue::Int(self.0));
            }

            fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
                reader.int().map(Self)
            }
        }
    )+};
}
integer_columns!(
    ServerTime,
    MerchantTime,
    domain::directory::brand::Colour,
    domain::kernel::ids::MerchantId,
    domain::kernel::ids::ApiKeyId,
    domain::kernel::ids::SigningKeyId,
    domain::kernel::ids::PartyId,
    domain::kernel::ids::CounterpartyId,
    domain::kernel::ids::PaymentAccountId,
    domain::kernel::ids::SourceId,
    domain::kernel::ids::CheckoutConfigId,
    domain::kernel::ids::RequestLimitId,
    domain::kernel::ids::FundingId,
    domain::kernel::ids::ItemId,
    domain::kernel::ids::PaymentLinkId,
    domain::kernel::ids::PaymentLinkItemId,
    domain::kernel::ids::SessionId,
    domain::kernel::ids::ExecutionId,
    NetworkAccountId,
    domain::kernel::ids::NetworkSecretId,
    domain::kernel::ids::ExchangeId,
    domain::kernel::ids::UnmatchedCallbackId,
    domain::kernel::ids::OperatorTermsId,
    domain::kernel::ids::WalletId,
    domain::kernel::ids::AccountId,
    domain::kernel::ids::EntryId,
    domain::kernel::ids::EventId,
    domain::kernel::ids::AuditId,
    domain::kernel::ids::ReviewId,
    domain::kernel::ids::TariffId,
    domain::kernel::ids::PlatformFeeId,
    domain::kernel::ids::GatewayFeeId,
    domain::kernel::ids::RateId,
    domain::kernel::ids::MarketId,
    domain::kernel::ids::PhonePrefixId,
    domain::kernel::ids::WebhookEndpointId,
    domain::kernel::ids::WebhookSecretId,
    domain::kernel::ids::WebhookDeliveryId,
    domain::kernel::ids::WebhookAttemptId,
    domain::kernel::ids::MerchantLimitsId,
    domain::kernel::ids::ApprovalId,
    domain::kernel::ids::UserId,
    domain::kernel::ids::MembershipId,
    domain::kernel::ids::SavedFilterId,
    domain::kernel::ids::LoginId,
    domain::kernel::ids::InvitationId,
    domain::kernel::ids::LoginTriesId,
    domain::kernel::ids::BatchId,
    domain::kernel::ids::BatchChainId,
    domain::kernel::ids::ChainKeyId,
    domain::kernel::ids::InstallationCheckId,
    domain::kernel::ids::StatementId,
    domain::kernel::ids::StatementLineId,
    domain::kernel::ids::DifferenceId,
    domain::kernel::ids::NetworkBalanceId,
);

/// Enums are stored as texts, spelt as in the API.
macro_rules! enum_columns {
    ($($path:path),+ $(,)?) => {$(
        impl Column for $path {
            fn types(types: &mut Vec<ColumnType>) {
                types.push(ColumnType::Text);
            }

            fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
                values.push(SqlValue::Text(Cow::Borrowed(self.as_str())));
            }

            fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
                let text = reader.text()?;
                Self::parse(&text).ok_or_else(|| reader.broken(format!("{text} is not a member of the enum")))
            }
        }
    )+};
}
enum_columns!(
    domain::kernel::names::Operation,
    domain::kernel::names::Provider,
    domain::kernel::names::Method,
    domain::kernel::names::FeeBearer,
    domain::kernel::names::Mode,
    domain::directory::merchant::MerchantType,
    domain::directory::roles::Role,
    domain::directory::party::Relationship,
    domain::sales::source::SourceType,
    domain::payments::request_limit::RequestLimitKind,
    domain::sales::source::SourceStatus,
    domain::sales::payment_link::LinkStatus,
    OwnerType,
    domain::ledger::wallet::WalletStatus,
    domain::exceptions::dispute::DisputeStanding,
    domain::exceptions::review::ReviewKind,
    domain::exceptions::review::ReviewStatus,
    domain::payments::approval::ApprovalLimit,
    domain::payments::approval::ApprovalStatus,
    domain::ledger::installation_check::CheckKind,
    domain::ledger::installation_check::CheckOutcome,
    domain::reconciliation::statement::StatementSource,
    domain::reconciliation::statement::StatementStatus,
    domain::reconciliation::difference::DifferenceKind,
    domain::reconciliation::difference::DifferenceStatus,
    domain::reconciliation::difference::DifferenceResolution,
    domain::network_accounts::account::AccountStatus,
    domain::network_accounts::account::Parameters,
    domain::network_accounts::secret::SecretKind,
    domain::network_accounts::operator_terms::Availability,
    domain::webhooks::endpoint::Signing,
    domain::webhooks::endpoint::DisabledReason,
    domain::webhooks::delivery::DeliveryStatus,
);

/// A table's columns, and its statements for one row at a time, with `?` for a value.
#[derive(Debug)]
pub struct Statements {
    pub table: &'static str,
    /// All columns with their types, the id first: the order of [`Record::write`].
    pub all: Vec<(&'static str, ColumnType)>,
    /// The number of columns that never change. They come first.
    pub fixed: usize,
    /// The columns of the alternate key.
    pub alt_key: &'static [&'static str],
    /// Writes a new row: all columns.
    pub insert: String,
    /// Changes a row: the changing columns, then the id.
    pub update: String,
    /// Finds a row by its id.
    pub by_id: String,
    /// Finds a row by its alternate key.
    pub by_alt_key: String,
    /// All columns, as a list, prefixed by the table's name.
    pub columns: String,
    /// For many rows at a time.
    pub many: BulkSql,
}

impl Statements {
    #[must_use]
    pub fn new(
        table: &'static str,
        fixed: &[&'static str],
        changing: &[&'static str],
        alt_key: &'static [&'static str],
        types: Vec<ColumnType>,
    ) -> Self {
        let columns: Vec<&'static str> = fixed.iter().chain(changing).copied().collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let set: Vec<String> = changing.iter().map(|column| format!("{column} = ?")).collect();
        let by: Vec<String> = alt_key.iter().map(|column| format!("{column} = ?")).collect();
        let id = fixed.first().copied().unwrap_or("id");
        let list = columns.join(", ");
        let all: Vec<_> = columns.iter().copied().zip(types).collect();
        Self {
            table,
            many: BulkSql::new(table, &all, fixed.len(), alt_key),
            all,
            fixed: fixed.len(),
            alt_key,
            insert: format!("INSERT INTO {table} ({list}) VALUES ({marks})"),
            update: format!("UPDATE {table} SET {} WHERE {id} = ?", set.join(", ")),
            by_id: format!("SELECT {list} FROM {table} WHERE {id} = ?"),
            by_alt_key: format!("SELECT {list} FROM {table} WHERE {}", by.join(" AND ")),
            columns: prefixed(table, &columns),
        }
    }
}

/// Appends the types of a field's columns. The closure only names the field, so that its type is
/// inferred.
pub fn types_of<R, C: Column>(_: impl Fn(&R) -> &C, types: &mut Vec<ColumnType>) {
    C::types(types);
}

/// A type whose values are rows of a table.
pub trait Record: Sized {
    const TABLE: &'static str;

    /// How many columns a row has.
    const WIDTH: usize;

    /// Its columns, and the texts of its statements.
    fn statements() -> &'static Statements;

    /// The values of all columns, in the order of [`Statements::insert`].
    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>);

    /// The values of the changing columns, then the id: the order of [`Statements::update`].
    fn write_changes<'a>(&'a self, values: &mut Vec<SqlValue<'a>>);

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] for a row that contradicts its type.
    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError>;

    /// The row for readers who may not see the names, phone numbers and e-mail addresses of people.
    #[must_use]
    fn without_contacts(self) -> Self {
        self
    }

    /// Reads a row whose columns start at `first`.
    fn from_row(row: &dyn ResultRow, first: usize) -> Result<Self, StoreError> {
        Self::read(&mut RowReader::new(row, Self::TABLE, first))
    }
}

/// A record that decisions read and change, so that its keys are columns too.
pub trait KeyedRecord: Record + Row<Id: Column, AltKey: Column> {}
impl<R: Record + Row<Id: Column, AltKey: Column>> KeyedRecord for R {}

/// Declares the columns of a row type: which never change, which may change, and which are the
/// alternate key. One field may be [`PartlyChanging`]: its columns stand between the fixed and the
/// changing ones. A row with the contacts of people says how they are `masked`.
macro_rules! record {
    ($row:path, $table:literal,
     fixed { $($field:ident: $($column:literal)+),+ $(,)? }
     $(partly_changing { $pfield:ident: fixed { $($pfixed:literal)+ } changing { $($pchanging:literal)+ } })?
     changing { $($cfield:ident: $($ccolumn:literal)+),* $(,)? }
     alt_key { $($alt_key:literal)* }
     $(masked $masked:path)?) => {
        impl Record for $row {
            const TABLE: &'static str = $table;
            const WIDTH: usize =
                [$($($column,)+)+ $($($pfixed,)+ $($pchanging,)+)? $($($ccolumn,)+)*].len();

            fn statements() -> &'static Statements {
                static STATEMENTS: std::sync::LazyLock<Statements> = std::sync::LazyLock::new(|| {
                    let mut types = Vec::new();
                    $(types_of(|row: &$row| &row.$field, &mut types);)+
                    $(types_of(|row: &$row| &row.$pfield, &mut types);)?
                    $(types_of(|row: &$row| &row.$cfield, &mut types);)*
                    let fixed = &[$($($column,)+)+ $($($pfixed,)+)?];
                    let changing = &[$($($pchanging,)+)? $($($ccolumn,)+)*];
                    Statements::new($table, fixed, changing, &[$($alt_key),*], types)
                });
                &STATEMENTS
            }

            fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
                $(self.$field.write(values);)+
                $(self.$pfield.write(values);)?
                $(self.$cfield.write(values);)*
            }

            fn write_changes<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
                $(self.$pfield.write_changing(values);)?
                $(self.$cfield.write(values);)*
                record!(@first self values $($field)+);
            }

            $(fn without_contacts(self) -> Self {
                $masked(self)
            })?

            fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
                Ok(Self {
                    $($field: Column::read(reader)?,)+
                    $($pfield: Column::read(reader)?,)?
                    $($cfield: Column::read(reader)?,)*
                })
            }
        }
    };
    (@first $self:ident $values:ident $id:ident $($rest:ident)*) => { $self.$id.write($values) };
}
pub(crate) use record;

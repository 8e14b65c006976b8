//! The table that clients watch: the public status of a checkout's payment.

use serde_json::{Map, Value, json};

/// The schema of the table.
pub const SCHEMA: &str = "public";
/// The name of the table.
pub const TABLE: &str = "checkout_payment_intent_public_status";

/// The columns in their order, with the names of their types in PostgreSQL.
///
/// The JavaScript client converts texts by these types. `payer_amount` is text, because it would
/// make a float of a numeric one.
pub const COLUMNS: [(&str, &str); 12] = [
    ("id", "int8"),
    ("session_id", "int8"),
    ("reference_id", "uuid"),
    ("status", "text"),
    ("source_type", "text"),
    ("source_id", "int8"),
    ("payer_amount", "text"),
    ("payer_currency", "text"),
    ("gateway_message", "text"),
    ("requires_action", "bool"),
    ("created_at", "timestamptz"),
    ("updated_at", "timestamptz"),
];

/// A row of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicStatus {
    pub id: i64,
    pub session_id: i64,
    pub reference_id: String,
    pub status: String,
    pub source_type: Option<String>,
    pub source_id: Option<i64>,
    /// The amount in decimals, as it is shown.
    pub payer_amount: Option<String>,
    pub payer_currency: Option<String>,
    pub gateway_message: Option<String>,
    pub requires_action: bool,
    /// ISO 8601 with an offset, as PostgreSQL writes it: `2026-01-02T03:04:05+00:00`.
    pub created_at: String,
    /// Like `created_at`.
    pub updated_at: String,
}

/// What happened to a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    Insert,
    Update,
    Delete,
}

/// A change of a row. It is written as JSON once, however many channels it goes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    kind: ChangeKind,
    /// The member `data` of the payload.
    data: String,
}

impl ChangeKind {
    /// The name of it in the protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

impl PublicStatus {
    /// The row, with its columns in their order.
    #[must_use]
    pub fn record(&self) -> Map<String, Value> {
        let values: [Value; 12] = [
            self.id.into(),
            self.session_id.into(),
            self.reference_id.as_str().into(),
            self.status.as_str().into(),
            self.source_type.as_deref().into(),
            self.source_id.into(),
            self.payer_amount.as_deref().into(),
            self.payer_currency.as_deref().into(),
            self.gateway_message.as_deref().into(),
            self.requires_action.into(),
            self.created_at.as_str().into(),
            self.updated_at.as_str().into(),
        ];
        COLUMNS.iter().map(|(name, _)| (*name).to_owned()).zip(values).collect()
    }

    /// The row was recorded. The time is in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
    #[must_use]
    pub fn inserted(&self, commit_timestamp: &str) -> Change {
        Change::new(ChangeKind::Insert, commit_timestamp, Some(self.record()), None)
    }

    /// The row changed to this. The time is like that of [`inserted`](Self::inserted).
    #[must_use]
    pub fn updated(&self, commit_timestamp: &str) -> Change {
        let (kind, record) = (ChangeKind::Update, Some(self.record()));
        Change::new(kind, commit_timestamp, record, Some(primary_key(self.id)))
    }
}

impl Change {
    /// The row is gone. The time is like that of [`PublicStatus::inserted`].
    #[must_use]
    pub fn deleted(id: i64, commit_timestamp: &str) -> Self {
        Self::new(ChangeKind::Delete, commit_timestamp, None, Some(primary_key(id)))
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> ChangeKind {
        self.kind
    }

    pub(crate) fn data(&self) -> &str {
        &self.data
    }

    fn new(
        kind: ChangeKind,
        commit_timestamp: &str,
        record: Option<Map<String, Value>>,
        old_record: Option<Map<String, Value>>,
    ) -> Self {
        let columns: Vec<Value> =
            COLUMNS.iter().map(|(name, of)| json!({"name": name, "type": of})).collect();
        let mut data = Map::new();
        data.insert("type".to_owned(), kind.name().into());
        data.insert("schema".to_owned(), SCHEMA.into());
        data.insert("table".to_owned(), TABLE.into());
        data.insert("commit_timestamp".to_owned(), commit_timestamp.into());
        data.insert("columns".to_owned(), columns.into());
        // An insertion has no old record, and a deletion no new one: not even null.
        for (name, record) in [("record", record), ("old_record", old_record)] {
            if let Some(record) = record {
                data.insert(name.to_owned(), record.into());
            }
        }
        data.insert("errors".to_owned(), Value::Null);
        Self { kind, data: Value::Object(data).to_string() }
    }
}

/// What is told of a former row: the columns by which it is found.
fn primary_key(id: i64) -> Map<String, Value> {
    Map::from_iter([("id".to_owned(), id.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> PublicStatus {
        PublicStatus {
            id: 55,
            session_id: 7,
            reference_id: "3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f".to_owned(),
            status: "PENDING".to_owned(),
            source_type: Some("INVOICE".to_owned()),
            source_id: Some(9_007_199_254_740_993),
            payer_amount: Some("10.50".to_owned()),
            payer_currency: Some("RWF".to_owned()),
            gateway_message: None,
            requires_action: false,
            created_at: "2026-01-02T03:04:05+00:00".to_owned(),
            updated_at: "2026-01-02T03:04:06+00:00".to_owned(),
        }
    }

    fn columns() -> String {
        let columns: Vec<String> =
            COLUMNS.iter().map(|(n, t)| format!(r#"{{"name":"{n}","type":"{t}"}}"#)).collect();
        columns.join(",")
    }

    const RECORD: &str = concat!(
        r#"{"id":55,"session_id":7,"reference_id":"3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f","#,
        r#""status":"PENDING","source_type":"INVOICE","source_id":9007199254740993,"#,
        r#""payer_amount":"10.50","payer_currency":"RWF","gateway_message":null,"#,
        r#""requires_action":false,"created_at":"2026-01-02T03:04:05+00:00","#,
        r#""updated_at":"2026-01-02T03:04:06+00:00"}"#
    );

    #[test]
    fn each_kind_has_the_records_that_it_must() {
        let at = "2026-01-02T03:04:05.678Z";
        for (change, kind, records) in [
            (row().inserted(at), "INSERT", format!(r#""record":{RECORD}"#)),
            (row().updated(at), "UPDATE", format!(r#""record":{RECORD},"old_record":{{"id":55}}"#)),
            (Change::deleted(55, at), "DELETE", r#""old_record":{"id":55}"#.to_owned()),
        ] {
            let expected = format!(
                concat!(
                    r#"{{"type":"{}","schema":"public","#,
                    r#""table":"checkout_payment_intent_public_status","#,
                    r#""commit_timestamp":"2026-01-02T03:04:05.678Z","columns":[{}],{},"#,
                    r#""errors":null}}"#
                ),
                kind,
                columns(),
                records
            );
            assert_eq!(change.data(), expected);
            assert_eq!(change.kind().name(), kind);
        }
    }
}

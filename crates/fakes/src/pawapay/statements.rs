//! The wallets' statements.
//!
//! pawaPay's documentation names the columns (Creation Date, MSISDN, Transaction ID, Amount,
//! Currency, Country, MNO, Type) and shows no file. How fees stand in it is not known: here they
//! have a column, `Fee`.

use std::io::Write as _;

use serde_json::{Value, json};

use super::payment::{Operation, Payment};
use super::{Job, Pawapay, Reply, Signer};
use crate::clock::iso;
use crate::fake::{Callback, Signature};
use crate::fields::{Fault, Fields};
use crate::money::{exponent, text_of};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// How far a statement lags behind.
const LAG: i64 = 20 * MINUTE;

const COLUMNS: [&str; 9] = [
    "Creation Date",
    "MSISDN",
    "Transaction ID",
    "Amount",
    "Currency",
    "Country",
    "MNO",
    "Type",
    "Fee",
];

/// How the files of statements are written from now on, and what is wrong with them.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    cut: Option<Cut>,
    /// Every line comes twice.
    doubled: bool,
    /// The newest line comes first.
    reordered: bool,
    /// Indexes of [`COLUMNS`].
    columns: Vec<usize>,
    encoding: Encoding,
    /// Whether a line at the end of the time belongs to it.
    with_end: bool,
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The file ends in its middle, and that is said to be its size.
    Middle,
    /// The second half of its lines is not there, and its size is said to be that of all.
    Lines,
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Default for Files {
    fn default() -> Self {
        let columns = (0..COLUMNS.len()).collect();
        Self {
            cut: None,
            doubled: false,
            reordered: false,
            columns,
            encoding: Encoding::Utf8,
            with_end: false,
        }
    }
}

impl Files {
    /// What is left out is as it should be.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Fault> {
        let invalid = |name: &str| Fault::Invalid(name.to_owned());
        let files = Self::default();
        let cut = match fields.text("cut")?.as_deref() {
            None => None,
            Some("MIDDLE") => Some(Cut::Middle),
            Some("LINES") => Some(Cut::Lines),
            Some(_) => return Err(invalid("cut")),
        };
        let encoding = match fields.text("encoding")?.as_deref() {
            None | Some("UTF-8") => Encoding::Utf8,
            Some("UTF-16LE") => Encoding::Utf16Le,
            Some("UTF-16BE") => Encoding::Utf16Be,
            Some(_) => return Err(invalid("encoding")),
        };
        let columns = match fields.texts("columns")? {
            None => files.columns,
            Some(names) => {
                let index = |name: &String| COLUMNS.iter().position(|known| known == name);
                let indexes: Option<Vec<usize>> = names.iter().map(index).collect();
                indexes.ok_or_else(|| invalid("columns"))?
            }
        };
        Ok(Self {
            cut,
            doubled: fields.flag("doubled")?.unwrap_or(false),
            reordered: fields.flag("reordered")?.unwrap_or(false),
            columns,
            encoding,
            with_end: fields.flag("with_end")?.unwrap_or(false),
        })
    }

    /// The file, and what is said of its size.
    fn write(&self, mut lines: Vec<&Line>, compressed: bool) -> (Vec<u8>, usize) {
        if self.doubled {
            lines = lines.into_iter().flat_map(|line| [line, line]).collect();
        }
        if self.reordered {
            lines.reverse();
        }
        let whole = self.bytes(&lines, compressed);
        let whole_size = whole.len();
        match self.cut {
            None => (whole, whole_size),
            Some(Cut::Middle) => {
                let half = whole.get(..whole_size / 2).unwrap_or_default().to_vec();
                let size = half.len();
                (half, size)
            }
            Some(Cut::Lines) => {
                let first = lines.get(..lines.len() / 2).unwrap_or_default();
                (self.bytes(first, compressed), whole_size)
            }
        }
    }

    fn bytes(&self, lines: &[&Line], compressed: bool) -> Vec<u8> {
        let row = |fields: &[String]| {
            let ordered = self.columns.iter().filter_map(|index| fields.get(*index));
            ordered.cloned().collect::<Vec<_>>().join(",") + "\n"
        };
        let mut text = row(&COLUMNS.map(str::to_owned));
        text.extend(lines.iter().map(|line| row(&line.fields())));
        let bytes = self.encoding.bytes(&text);
        if compressed { gzip(&bytes) } else { bytes }
    }
}

impl Encoding {
    /// UTF-16 has a byte-order mark.
    fn bytes(self, text: &str) -> Vec<u8> {
        let units = || std::iter::once(0xfeff).chain(text.encode_utf16());
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16Le => units().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => units().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

/// A line of the statements: money that moved, seen from the wallet.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub at: i64,
    pub id: String,
    pub kind: String,
    pub phone: String,
    /// What came into the wallet; what left it is negative. In minor units.
    pub minor: i64,
    pub fee: i64,
    pub currency: String,
    pub country: String,
    pub provider: String,
}

impl Line {
    /// The line of a payment that was completed (`sign` is 1) or taken back (-1).
    pub(crate) fn of(payment: &Payment, at: i64, sign: i64) -> Self {
        let direction = if payment.operation == Operation::Deposit { sign } else { -sign };
        Self {
            at,
            id: payment.id.clone(),
            kind: payment.operation.name().to_owned(),
            phone: payment.phone.clone(),
            minor: direction * payment.moved.minor,
            fee: sign * payment.fee,
            currency: payment.moved.currency.clone(),
            country: payment.country.to_owned(),
            provider: payment.provider.to_owned(),
        }
    }

    /// In the order of [`COLUMNS`].
    fn fields(&self) -> [String; COLUMNS.len()] {
        let text = |minor| text_of(minor, &self.currency, exponent(&self.currency));
        [
            iso(self.at),
            self.phone.clone(),
            self.id.clone(),
            text(self.minor),
            self.currency.clone(),
            self.country.clone(),
            self.provider.clone(),
            self.kind.clone(),
            text(self.fee),
        ]
    }

    pub(crate) fn entry(&self) -> Value {
        json!({
            "at": iso(self.at),
            "id": self.id,
            "type": self.kind,
            "minor": self.minor,
            "fee_minor": self.fee,
            "currency": self.currency,
        })
    }
}

pub(crate) struct Statement {
    country: String,
    currency: String,
    provider: Option<String>,
    callback_url: String,
    from: i64,
    /// Exclusive.
    to: i64,
    compressed: bool,
    created: i64,
    file: Option<StatementFile>,
}

struct StatementFile {
    completed: i64,
    bytes: Vec<u8>,
    /// What is said of it.
    size: usize,
}

impl Statement {
    fn data(&self, id: &str, base_url: &str) -> Value {
        let mut wallet = json!({ "country": self.country, "currency": self.currency });
        if let (Some(provider), Some(object)) = (&self.provider, wallet.as_object_mut()) {
            object.insert("provider".to_owned(), json!(provider));
        }
        let mut data = json!({
            "statementId": id,
            "status": if self.file.is_some() { "COMPLETED" } else { "PROCESSING" },
            "wallet": wallet,
            "created": iso(self.created),
            "startDate": iso(self.from),
            "endDate": iso(self.to),
        });
        if let (Some(file), Some(object)) = (&self.file, data.as_object_mut()) {
            let completed = file.completed;
            let ending = if self.compressed { "csv.gz" } else { "csv" };
            // Spelled as in the documentation's example.
            object.insert("fileSIze".to_owned(), json!(file.size));
            object
                .insert("downloadUrl".to_owned(), json!(format!("{base_url}/files/{id}.{ending}")));
            object.insert("downloadUrlExpiresAt".to_owned(), json!(iso(completed + DAY)));
            object.insert("completed".to_owned(), json!(iso(completed)));
        }
        data
    }
}

impl Pawapay {
    pub(crate) fn request_statement(&mut self, body: &[u8], now: i64) -> Reply {
        let read = Fields::parse(body).map_or_else(
            || Err(("INVALID_INPUT", "We were unable to parse the body.".to_owned())),
            |fields| read(fields, now),
        );
        let statement = match read {
            Ok(statement) => statement,
            Err((code, message)) => {
                return Reply::of(
                    400,
                    json!({
                        "status": "REJECTED",
                        "failureReason": { "failureCode": code, "failureMessage": message },
                    }),
                );
            }
        };
        let wallet = (statement.country.clone(), statement.currency.clone());
        if !self.wallets.contains_key(&wallet) {
            let reason = json!({ "failureCode": "NOT_FOUND", "failureMessage": "No such wallet." });
            return Reply::ok(json!({ "status": "REJECTED", "failureReason": reason }));
        }
        let id = self.common.random.uuid();
        self.common.at(now + self.delay, Job::Statement(id.clone()));
        self.statements.insert(id.clone(), statement);
        Reply::ok(json!({ "statementId": id, "status": "ACCEPTED", "created": iso(now) }))
    }

    pub(crate) fn complete_statement(&mut self, id: &str, now: i64) {
        let Some(statement) = self.statements.get_mut(id) else { return };
        let end = statement.to.saturating_add(self.statement_files.with_end.into());
        let end = end.min(now - LAG);
        let lines = self.lines.iter().filter(|line| {
            line.country == statement.country
                && line.currency == statement.currency
                && statement.provider.as_ref().is_none_or(|provider| *provider == line.provider)
                && (statement.from..end).contains(&line.at)
        });
        let (bytes, size) = self.statement_files.write(lines.collect(), statement.compressed);
        statement.file = Some(StatementFile { completed: now, bytes, size });
        let body = statement.data(id, &self.base_url);
        let url = statement.callback_url.clone();
        let faults = self.common.callback_faults("STATEMENT", body.to_string().as_bytes());
        let signed = self.signed_callbacks;
        let callback = Callback {
            url,
            event: "STATEMENT".to_owned(),
            subject: id.to_owned(),
            body: body.to_string().into(),
            signer: Signer { key: self.key.clone(), digest: self.digest },
            signature: if signed { Signature::Good } else { Signature::Unsigned },
            failed: 0,
        };
        self.common.send(callback, &faults, now);
    }

    pub(crate) fn statement_status(&self, id: &str) -> Reply {
        match self.statements.get(id) {
            None => Reply::ok(json!({ "status": "NOT_FOUND" })),
            Some(statement) => Reply::ok(json!({
                "status": "FOUND",
                "data": statement.data(id, &self.base_url),
            })),
        }
    }

    /// The file at a download address, which needs no token and holds for a day.
    pub(crate) fn file(&self, name: &str, now: i64) -> Result<Vec<u8>, u16> {
        let id = name.split('.').next().unwrap_or_default();
        match self.statements.get(id).and_then(|statement| statement.file.as_ref()) {
            None => Err(404),
            Some(file) if file.completed + DAY < now => Err(403),
            Some(file) => Ok(file.bytes.clone()),
        }
    }
}

fn read(mut fields: Fields, now: i64) -> Result<Statement, (&'static str, String)> {
    let fault = |fault: Fault| {
        let code = match fault {
            Fault::Missing(_) => "MISSING_PARAMETER",
            Fault::Invalid(_) => "INVALID_PARAMETER",
            Fault::Unknown(_) => "UNSUPPORTED_PARAMETER",
        };
        (code, fault.to_string())
    };
    let invalid = |name: &str| fault(Fault::Invalid(name.to_owned()));
    let mut wallet = fields
        .object("wallet")
        .map_err(fault)?
        .ok_or_else(|| fault(Fault::Missing("wallet".to_owned())))?;
    let mut date = |name: &str| {
        let text = fields.required_text(name).map_err(fault)?;
        milliseconds(&text).ok_or_else(|| invalid(name))
    };
    let (from, to) = (date("startDate")?, date("endDate")?);
    if to < from || to - from > 31 * DAY {
        return Err(invalid("endDate"));
    }
    let statement = Statement {
        country: wallet.required_text("country").map_err(fault)?,
        currency: wallet.required_text("currency").map_err(fault)?,
        provider: wallet.text("provider").map_err(fault)?.filter(|text| !text.is_empty()),
        callback_url: fields.required_text("callbackUrl").map_err(fault)?,
        from,
        to,
        compressed: fields.flag("compressed").map_err(fault)?.unwrap_or(false),
        created: now,
        file: None,
    };
    wallet.end().map_err(fault)?;
    fields.end().map_err(fault)?;
    Ok(statement)
}

/// A date with or without an offset; without one it is UTC.
fn milliseconds(text: &str) -> Option<i64> {
    let timestamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let date = text.parse::<jiff::civil::DateTime>().ok()?;
        date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    Some(timestamp.as_millisecond())
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory does not fail.
    let _ = encoder.write_all(data);
    encoder.finish().unwrap_or_default()
}

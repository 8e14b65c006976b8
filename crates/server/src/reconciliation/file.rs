//! A statement in CSV: from a dashboard, or as a network gives it. It is read twice. The first time
//! says whether it can be read at all and what is in it; only then lines are taken from it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::Uuid;
use domain::reconciliation::reported::{LineKind, ReportedLine};
use sha2::{Digest, Sha256};

use super::mapping::{Column, Mapping, header, moved, shown};
use super::records::{Record, Records};

/// How many lines a summary shows as they were understood.
const SAMPLE: usize = 5;
/// How many faults and unknown words a summary tells; it counts them all.
const TOLD: usize = 20;

/// Why a file is not read at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FileRefused(pub String);

/// Why a line cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineFault {
    /// From 1, which is the line of the names of the columns.
    pub line: u64,
    pub reason: String,
}

/// What is in a file, before anything of it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Of the file's bytes, as they are.
    pub sha256: [u8; 32],
    /// The lines that can be read.
    pub lines: u64,
    /// The lines that cannot.
    pub faults: u64,
    /// The first of them.
    pub first_faults: Vec<LineFault>,
    pub first: Option<ServerTime>,
    pub last: Option<ServerTime>,
    /// By code.
    pub currencies: BTreeSet<String>,
    pub kinds: BTreeMap<LineKind, u64>,
    /// Words for kinds that are not known, with how many lines have them.
    pub unknown_words: BTreeMap<String, u64>,
    /// The names of the columns that are not read.
    pub unread_columns: Vec<String>,
    /// The first lines, as they were understood.
    pub sample: Vec<ReportedLine>,
    /// What may be a mistake, in words for the operator.
    pub warnings: Vec<String>,
}

/// A file that can be read.
#[derive(Debug)]
pub struct StatementFile {
    file: File,
    mapping: Mapping,
    summary: Summary,
}

impl StatementFile {
    /// Opens a file and looks through it.
    ///
    /// # Errors
    /// [`FileRefused`]: what is wrong with the file, and what to do.
    pub fn open(path: &Path, mapping: Mapping) -> Result<Self, FileRefused> {
        let file = File::open(path).map_err(|error| {
            FileRefused(format!("{} cannot be opened: {error}", path.display()))
        })?;
        Self::check(file, mapping)
    }

    /// Looks through a file.
    ///
    /// # Errors
    /// [`FileRefused`]
    pub fn check(mut file: File, mapping: Mapping) -> Result<Self, FileRefused> {
        let sha256 = digest(&mut file)?;
        let mut summary = Summary::new(sha256);
        let mut read = Reading::begin(&mut file, &mapping)?;
        summary.unread_columns = std::mem::take(&mut read.unread_columns);
        while let Some(line) = read.next_line()? {
            summary.add(line);
        }
        if read.has_no_end {
            summary.warnings.push(
                "the last line has no end of line: look whether the file is whole".to_owned(),
            );
        }
        drop(read);
        summary.warn(&mapping);
        Ok(Self { file, mapping, summary })
    }

    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The lines from the first one. At the end it is made sure that the file is still the one that was
    /// looked through.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn lines(&mut self) -> Result<Lines<'_>, FileRefused> {
        let again = self.file.try_clone().map_err(|error| unreadable(&error))?;
        let reading = Reading::begin(&mut self.file, &self.mapping)?;
        Ok(Lines { reading: Some(reading), again, sha256: self.summary.sha256 })
    }
}

/// The lines of a file, one after the other.
pub struct Lines<'a> {
    /// `None` after the end.
    reading: Option<Reading<'a>>,
    again: File,
    sha256: [u8; 32],
}

impl Lines<'_> {
    /// The line of the file that was read last.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.reading.as_ref().map_or(0, |reading| reading.line)
    }

    /// What is wrong after the last line.
    fn end(&mut self) -> Option<LineFault> {
        let line = self.reading.take().map_or(0, |reading| reading.line);
        let reason = match digest(&mut self.again) {
            Ok(sha256) if sha256 == self.sha256 => return None,
            Ok(_) => "the file was changed while it was read: read it again".to_owned(),
            Err(refused) => refused.0,
        };
        Some(LineFault { line, reason })
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<ReportedLine, LineFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let reading = self.reading.as_mut()?;
        match reading.next_line() {
            Ok(Some(line)) => Some(line.map(|read| read.line)),
            Ok(None) => self.end().map(Err),
            Err(refused) => {
                let line = reading.line;
                self.reading = None;
                Some(Err(LineFault { line, reason: refused.0 }))
            }
        }
    }
}

/// A line with what the summary tells of it.
struct ReadLine {
    line: ReportedLine,
    /// The word for its kind, where it is not known.
    unknown_word: Option<String>,
}

struct Reading<'a> {
    records: Records<'a>,
    mapping: &'a Mapping,
    layout: Layout,
    unread_columns: Vec<String>,
    line: u64,
    has_no_end: bool,
}

impl<'a> Reading<'a> {
    fn begin(file: &'a mut File, mapping: &'a Mapping) -> Result<Self, FileRefused> {
        file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
        Self::of(file, mapping)
    }

    fn of(file: impl Read + Send + 'a, mapping: &'a Mapping) -> Result<Self, FileRefused> {
        let mut records = Records::open(file, mapping.delimiter).map_err(FileRefused)?;
        let head = records.next().map_err(FileRefused)?;
        let head = head.ok_or_else(|| {
            FileRefused(
                "the file has no line with the names of the columns: fetch it again".to_owned(),
            )
        })?;
        let line = head.line;
        let (layout, unread_columns) = Layout::find(&head, mapping)?;
        Ok(Self { records, mapping, layout, unread_columns, line, has_no_end: false })
    }

    fn next_line(&mut self) -> Result<Option<Result<ReadLine, LineFault>>, FileRefused> {
        let Some(record) = self.records.next().map_err(FileRefused)? else { return Ok(None) };
        self.line = record.line;
        self.has_no_end = record.has_no_end;
        if record.has_no_end && record.count() < self.layout.count {
            return Err(FileRefused(format!(
                "the file ends in the middle of line {}, after {} of {} columns: fetch it again",
                record.line,
                record.count(),
                self.layout.count
            )));
        }
        let read = self.layout.read(&record, self.mapping);
        Ok(Some(read.map_err(|reason| LineFault { line: record.line, reason })))
    }
}

/// Where the columns are.
struct Layout {
    count: usize,
    date: usize,
    kind: usize,
    amount: usize,
    request_id: Option<usize>,
    reference: Option<usize>,
    line_id: Option<usize>,
    currency: Option<usize>,
    fee: Option<usize>,
    payment_amount: Option<usize>,
    payment_currency: Option<usize>,
}

impl Layout {
    /// Finds the columns, and names those that are not read.
    fn find(head: &Record<'_>, mapping: &Mapping) -> Result<(Self, Vec<String>), FileRefused> {
        let names: Vec<String> = head.fields().map(header).collect();
        let mut seen = HashSet::new();
        let named = names.iter().filter(|name| !name.is_empty());
        if let Some(name) = named.clone().find(|name| !seen.insert(name.as_str())) {
            return Err(FileRefused(format!(
                "two columns are named {}: which of them is meant? Rename or remove one",
                name_shown(name)
            )));
        }
        let columns = &mapping.columns;
        let find = |column: &Column| -> Result<Option<usize>, FileRefused> {
            let Some(name) = &column.name else { return Ok(None) };
            let found = names.iter().position(|known| *known == header(name));
            if found.is_none() && column.is_needed {
                return Err(FileRefused(missing(column.key, name, head, mapping.delimiter)));
            }
            Ok(found)
        };
        let needed = |column: &Column| -> Result<usize, FileRefused> {
            let none = || FileRefused(format!("the mapping has no column {}", column.key));
            find(column)?.ok_or_else(none)
        };
        let layout = Self {
            count: names.len(),
            date: needed(&columns.date)?,
            kind: needed(&columns.kind)?,
            amount: needed(&columns.amount)?,
            request_id: find(&columns.request_id)?,
            reference: find(&columns.reference)?,
            line_id: find(&columns.line_id)?,
            currency: find(&columns.currency)?,
            fee: find(&columns.fee)?,
            payment_amount: find(&columns.payment_amount)?,
            payment_currency: find(&columns.payment_currency)?,
        };
        let is_read = |name: &str| {
            columns.all().iter().any(|column| {
                column.name.as_ref().is_some_and(|wanted| header(wanted) == header(name))
            })
        };
        let unread = head.fields().filter(|name| !name.trim().is_empty() && !is_read(name));
        let unread = unread.map(|name| name.trim().to_owned()).collect();
        Ok((layout, unread))
    }

    fn read(&self, record: &Record<'_>, mapping: &Mapping) -> Result<ReadLine, String> {
        self.check_count(record)?;
        let text = |index: usize| record.get(index).unwrap_or_default().trim();
        let given = |index: Option<usize>| index.map(text).filter(|text| !text.is_empty());
        let word = text(self.kind);
        let kind = mapping.kind(word);
        let currency = match (self.currency, mapping.currency) {
            (Some(index), _) => currency(text(index))?,
            (None, Some(currency)) => currency,
            (None, None) => return Err("it has no currency".to_owned()),
        };
        let amount = mapping.amount(text(self.amount), currency)?;
        let (kind, amount) = moved(kind, amount, mapping.is_signed())?;
        let (amount, settled) = match given(self.payment_amount).zip(given(self.payment_currency)) {
            None => (amount, None),
            Some((payment, code)) => exchanged(amount, payment, code, mapping)?,
        };
        let fee = given(self.fee).map(|fee| mapping.fee(fee, currency)).transpose()?;
        let (request_id, reference) = ids(given(self.request_id), given(self.reference));
        let line = ReportedLine {
            kind,
            line_id: given(self.line_id).map(str::to_owned),
            request_id,
            reference,
            amount,
            settled,
            fee,
            occurred_at: mapping.time(text(self.date))?,
        };
        let unknown_word = (kind == LineKind::Other).then(|| word.to_owned());
        Ok(ReadLine { line, unknown_word })
    }

    /// Also a column too many makes it doubtful what the others are: `1,000` without quotes is two.
    fn check_count(&self, record: &Record<'_>) -> Result<(), String> {
        let count = record.count();
        if count == self.count {
            return Ok(());
        }
        Err(format!("it has {count} columns, and the first line names {}", self.count))
    }
}

fn missing(key: &str, name: &str, head: &Record<'_>, delimiter: u8) -> String {
    let there: Vec<String> = head.fields().map(name_shown).collect();
    let mut text = format!(
        "the file has no column {name:?}; it has {}. Is its first line there? Else name the column in \
         the mapping: [columns] {key} = \"...\"",
        there.join(", ")
    );
    let is_one = head.count() == 1;
    let only = head.get(0).filter(|_| is_one).unwrap_or_default();
    let other = [',', ';', '\t', '|'].into_iter().find(|other| only.contains(*other));
    if let Some(other) = other.filter(|other| *other != char::from(delimiter)) {
        text.push_str(&format!(", or set delimiter = {:?}", String::from(other)));
    }
    text
}

/// A name of a column for a message. Where the names are missing it is the number of a payer.
fn name_shown(name: &str) -> String {
    let digits = name.chars().filter(char::is_ascii_digit).count();
    if digits > 4 { "…".to_owned() } else { shown(name.trim()) }
}

fn currency(text: &str) -> Result<Currency, String> {
    let known = Currency::parse(&text.to_uppercase());
    known.ok_or_else(|| format!("{} is no currency of ISO 4217", shown(text)))
}

/// The amount in the currency of the payment, with the sign of the line, and what it was settled in.
fn exchanged(
    moved: Money,
    payment: &str,
    code: &str,
    mapping: &Mapping,
) -> Result<(Money, Option<Money>), String> {
    let currency = currency(code)?;
    if currency == moved.currency {
        return Ok((moved, None));
    }
    let size = mapping.amount(payment, currency)?.minor.abs();
    let minor = if moved.minor < 0 { -size } else { size };
    Ok((Money::new(minor, currency), Some(moved)))
}

/// What is no UUID is not ours: it is the network's reference, unless there is another.
fn ids(request_id: Option<&str>, reference: Option<&str>) -> (Option<Uuid>, Option<String>) {
    let uuid = request_id.and_then(|text| Uuid::try_parse(text).ok());
    let reference = reference.or(request_id.filter(|_| uuid.is_none()));
    (uuid, reference.map(str::to_owned))
}

impl Summary {
    const fn new(sha256: [u8; 32]) -> Self {
        Self {
            sha256,
            lines: 0,
            faults: 0,
            first_faults: vec![],
            first: None,
            last: None,
            currencies: BTreeSet::new(),
            kinds: BTreeMap::new(),
            unknown_words: BTreeMap::new(),
            unread_columns: vec![],
            sample: vec![],
            warnings: vec![],
        }
    }

    fn add(&mut self, line: Result<ReadLine, LineFault>) {
        let ReadLine { line, unknown_word } = match line {
            Ok(read) => read,
            Err(fault) => {
                self.faults += 1;
                if self.first_faults.len() < TOLD {
                    self.first_faults.push(fault);
                }
                return;
            }
        };
        self.lines += 1;
        let at = line.occurred_at;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        let code = line.amount.currency.code();
        if !self.currencies.contains(code) {
            self.currencies.insert(code.to_owned());
        }
        *self.kinds.entry(line.kind).or_default() += 1;
        if let Some(word) = unknown_word
            && (self.unknown_words.len() < TOLD || self.unknown_words.contains_key(&word))
        {
            *self.unknown_words.entry(word).or_default() += 1;
        }
        if self.sample.len() < SAMPLE {
            self.sample.push(line);
        }
    }

    fn warn(&mut self, mapping: &Mapping) {
        let count = |kind| self.kinds.get(&kind).copied().unwrap_or(0);
        let outgoing = count(LineKind::Payout) + count(LineKind::Refund);
        let came_back = count(LineKind::Reversal);
        if mapping.is_signed() && outgoing == 0 && came_back > 0 {
            self.warnings.push(format!(
                "all payouts and refunds ({came_back}) are above zero, as if each had come back: \
                 where amounts have no sign, set amounts = \"by-kind\""
            ));
        }
        if !self.unknown_words.is_empty() {
            self.warnings.push(
                "some kinds of lines are not known and count as OTHER: \
                 add their words to [kinds] of the mapping"
                    .to_owned(),
            );
        }
    }
}

fn digest(file: &mut File) -> Result<[u8; 32], FileRefused> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
}

fn unreadable(error: &io::Error) -> FileRefused {
    FileRefused(format!("the file cannot be read: {error}"))
}

#[cfg(test)]
mod tests;

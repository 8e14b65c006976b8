//! How a statement in CSV is read: which column has what, and how dates, amounts and kinds are
//! written. It is a file in TOML, in which everything has a default.
//!
//! The default reads the columns that pawaPay's documentation names: `Creation Date`, `MSISDN`,
//! `Transaction ID`, `Amount`, `Currency`, `Country`, `MNO`, `Type`, and `Fee` where it is there.

use std::collections::HashMap;

use domain::kernel::currency::Currency;
use domain::kernel::money::{AmountFault, Decimal, MAX_MINOR, Money};
use domain::kernel::time::ServerTime;
use domain::reconciliation::reported::LineKind;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The most of a value that is repeated in a message, in characters.
const SHOWN: usize = 40;

/// The default with what each key means, for whoever writes a mapping.
pub const DEFAULT_TEXT: &str = include_str!("mapping.default.toml");

/// Words that are known without a mapping, as [`word`] writes them.
const WORDS: &[(&str, LineKind)] = &[
    ("deposit", LineKind::Collection),
    ("collection", LineKind::Collection),
    ("charge", LineKind::Collection),
    ("payment", LineKind::Collection),
    ("payout", LineKind::Payout),
    ("disbursement", LineKind::Payout),
    ("refund", LineKind::Refund),
    ("reversal", LineKind::Reversal),
    ("refund failure", LineKind::Reversal),
    ("dispute", LineKind::DisputeWithdrawn),
    ("dispute reversal", LineKind::DisputeReinstated),
    ("top up", LineKind::TopUp),
    ("topup", LineKind::TopUp),
    ("settlement", LineKind::BankTransfer),
    ("bank transfer", LineKind::BankTransfer),
    ("fee", LineKind::Fee),
    ("fees", LineKind::Fee),
];

/// How a statement in CSV is read.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) delimiter: u8,
    /// The currency of every line, for a file without a column of currencies.
    pub(super) currency: Option<Currency>,
    pub(super) columns: Columns,
    dates: Dates,
    numbers: Numbers,
    signs: Signs,
    are_fees_below_zero: bool,
    kinds: HashMap<String, LineKind>,
}

/// The columns by name.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) date: Column,
    pub(super) request_id: Column,
    pub(super) reference: Column,
    pub(super) line_id: Column,
    pub(super) kind: Column,
    pub(super) amount: Column,
    pub(super) currency: Column,
    pub(super) fee: Column,
    pub(super) payment_amount: Column,
    pub(super) payment_currency: Column,
}

/// A column, by the key of the mapping and the name in the file.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) key: &'static str,
    /// `None` where it is not read.
    pub(super) name: Option<String>,
    /// Whether a file without it is refused.
    pub(super) is_needed: bool,
}

#[derive(Clone, Debug)]
struct Dates {
    /// `None` for ISO 8601.
    pattern: Option<String>,
    zone: TimeZone,
    zone_name: String,
}

#[derive(Clone, Copy, Debug)]
struct Numbers {
    decimal: char,
    thousands: Option<char>,
}

/// What says whether a balance rose or fell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Signs {
    /// The sign of the amount.
    #[default]
    Signed,
    /// The kind of the line; amounts have no sign.
    ByKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fees {
    #[default]
    Positive,
    Negative,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MappingFile {
    delimiter: Delimiter,
    currency: Option<CurrencyEntry>,
    date_format: Pattern,
    time_zone: Zone,
    decimal_separator: Separator,
    thousands_separator: Separator,
    amounts: Signs,
    fees: Fees,
    columns: ColumnNames,
    kinds: HashMap<String, KindEntry>,
}

impl Default for MappingFile {
    fn default() -> Self {
        Self {
            delimiter: Delimiter(b','),
            currency: None,
            date_format: Pattern(None),
            time_zone: Zone(TimeZone::UTC, "UTC".to_owned()),
            decimal_separator: Separator(Some('.')),
            thousands_separator: Separator(None),
            amounts: Signs::default(),
            fees: Fees::default(),
            columns: ColumnNames::default(),
            kinds: HashMap::new(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ColumnNames {
    date: Option<String>,
    request_id: Option<String>,
    reference: Option<String>,
    line_id: Option<String>,
    kind: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    fee: Option<String>,
    payment_amount: Option<String>,
    payment_currency: Option<String>,
}

/// A text of the file that is read by a function, so that a fault is told with its line.
macro_rules! texts { ($($name:ident($($type:ty),+) = $read:expr;)*) => {$(
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct $name($($type),+);

    impl TryFrom<String> for $name {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            $read(text)
        }
    }
)*}}

texts! {
    Delimiter(u8) = |text: String| match text.as_bytes() {
        [byte @ (b',' | b';' | b'|' | b'\t')] => Ok(Self(*byte)),
        _ => Err(format!("{text:?} is no delimiter: write \",\", \";\", \"|\" or \"\\t\"")),
    };
    CurrencyEntry(Currency) = |text: String| {
        let known = Currency::parse(&text).map(Self);
        known.ok_or_else(|| format!("{text:?} is no currency of ISO 4217"))
    };
    KindEntry(LineKind) = |text: String| LineKind::parse(&text).map(Self).ok_or_else(|| {
        let kinds: Vec<&str> = LineKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("{text:?} is no kind of line: write one of {}", kinds.join(", "))
    });
    Separator(Option<char>) = |text: String| {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (None, _) => Ok(Self(None)),
            (Some(one), None) if !one.is_ascii_alphanumeric() && one != '-' && one != '+' => {
                Ok(Self(Some(one)))
            }
            _ => Err(format!("{text:?} is no separator: write one character such as \".\" or \",\"")),
        }
    };
    Pattern(Option<String>) = |text: String| {
        if text.eq_ignore_ascii_case("iso") {
            return Ok(Self(None));
        }
        check_pattern(&text).map(|()| Self(Some(text)))
    };
    Zone(TimeZone, String) = |text: String| {
        let zone = match text.as_str() {
            "UTC" | "Z" => Ok(TimeZone::UTC),
            name => DateTimeParser::new().parse_time_zone(name),
        };
        zone.map(|zone| Self(zone, text.clone())).map_err(|_| {
            format!("{text:?} is no time zone: write a name such as \"Africa/Kigali\" or an offset such as \"+02:00\"")
        })
    };
}

/// A pattern must give a whole date of what it has written itself.
fn check_pattern(pattern: &str) -> Result<(), String> {
    let wrong = |why: String| {
        format!("{pattern:?} is no pattern of dates: {why}; write it like \"%d/%m/%Y %H:%M:%S\"")
    };
    let sample = DateTime::constant(2026, 11, 28, 23, 59, 58, 0);
    let zoned = sample.to_zoned(TimeZone::UTC).map_err(|error| wrong(error.to_string()))?;
    let written = strtime::format(pattern, &zoned).map_err(|error| wrong(error.to_string()))?;
    let read = strtime::parse(pattern, &written).map_err(|error| wrong(error.to_string()))?;
    match read.to_date() {
        Ok(date) if date == sample.date() => Ok(()),
        _ => Err(wrong("it has no day, month and year".to_owned())),
    }
}

impl Default for Mapping {
    /// What [`DEFAULT_TEXT`] says.
    fn default() -> Self {
        // The default of every key agrees with that of the others.
        Self::of(MappingFile::default())
    }
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// What is wrong, with its line and key, and what to write instead.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: MappingFile = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.decimal_separator.0.is_none() {
            return Err("decimal_separator is empty: write \".\" or \",\"".to_owned());
        }
        if file.decimal_separator.0 == file.thousands_separator.0 {
            return Err("decimal_separator and thousands_separator are the same".to_owned());
        }
        let mut known: HashMap<String, LineKind> = HashMap::new();
        for (text, kind) in &file.kinds {
            if known.insert(word(text), kind.0).is_some_and(|other| other != kind.0) {
                return Err(format!("[kinds] has two meanings of {text:?}: leave one of them"));
            }
        }
        let mapping = Self::of(file);
        mapping.columns.check(mapping.currency.is_some())?;
        Ok(mapping)
    }

    fn of(file: MappingFile) -> Self {
        let mut kinds: HashMap<String, LineKind> =
            WORDS.iter().map(|(text, kind)| ((*text).to_owned(), *kind)).collect();
        kinds.extend(file.kinds.into_iter().map(|(text, kind)| (word(&text), kind.0)));
        let currency = file.currency.map(|entry| entry.0);
        Self {
            delimiter: file.delimiter.0,
            currency,
            columns: Columns::of(file.columns, currency.is_some()),
            dates: Dates {
                pattern: file.date_format.0,
                zone: file.time_zone.0,
                zone_name: file.time_zone.1,
            },
            numbers: Numbers {
                decimal: file.decimal_separator.0.unwrap_or('.'),
                thousands: file.thousands_separator.0,
            },
            signs: file.amounts,
            are_fees_below_zero: file.fees == Fees::Negative,
            kinds,
        }
    }

    /// What a word of the column of kinds means. A word that is not known is
    /// [`Other`](LineKind::Other).
    pub(super) fn kind(&self, text: &str) -> LineKind {
        self.kinds.get(&word(text)).copied().unwrap_or(LineKind::Other)
    }

    /// Whether the sign of an amount says in which direction it went.
    pub(super) fn is_signed(&self) -> bool {
        self.signs == Signs::Signed
    }

    pub(super) fn time(&self, text: &str) -> Result<ServerTime, String> {
        self.dates.read(text)
    }

    /// An amount with the sign that it has in the file.
    pub(super) fn amount(&self, text: &str, currency: Currency) -> Result<Money, String> {
        self.numbers.read(text, currency)
    }

    /// A fee, above zero where it was taken.
    pub(super) fn fee(&self, text: &str, currency: Currency) -> Result<Money, String> {
        let fee = self.numbers.read(text, currency)?;
        let sign = if self.are_fees_below_zero { -1 } else { 1 };
        Ok(Money::new(fee.minor * sign, currency))
    }
}

/// The kind of a line with its amount, as the balance moved.
///
/// With signs, a payout or refund above zero is one that came back. Without them the kind says the
/// direction.
pub(super) fn moved(
    kind: LineKind,
    amount: Money,
    is_signed: bool,
) -> Result<(LineKind, Money), String> {
    if is_signed {
        let came_back = matches!(kind, LineKind::Payout | LineKind::Refund) && amount.minor > 0;
        return Ok((if came_back { LineKind::Reversal } else { kind }, amount));
    }
    if amount.minor < 0 {
        return Err(format!(
            "the amount {amount} is below zero, and by the mapping amounts have no sign: \
             set amounts = \"signed\""
        ));
    }
    let sign = match kind {
        LineKind::Collection
        | LineKind::Reversal
        | LineKind::DisputeReinstated
        | LineKind::TopUp => 1,
        LineKind::Payout
        | LineKind::Refund
        | LineKind::DisputeWithdrawn
        | LineKind::BankTransfer
        | LineKind::Fee => -1,
        LineKind::Other => {
            return Err(
                "the kind of the line is not known, so that its direction is not, either: \
                        add its word to [kinds] of the mapping"
                    .to_owned(),
            );
        }
    };
    Ok((kind, Money::new(amount.minor * sign, amount.currency)))
}

impl Columns {
    fn of(names: ColumnNames, has_currency: bool) -> Self {
        // What a mapping names must be there.
        let column = |key, name: Option<String>, default: &str, is_needed: bool| {
            let is_named = name.is_some();
            let name = name.unwrap_or_else(|| default.to_owned());
            let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
            Column { key, name, is_needed: is_named || is_needed }
        };
        let has_reference = names.reference.as_ref().is_some_and(|name| !name.trim().is_empty());
        Self {
            date: column("date", names.date, "Creation Date", true),
            request_id: column("request_id", names.request_id, "Transaction ID", !has_reference),
            reference: column("reference", names.reference, "", false),
            line_id: column("line_id", names.line_id, "", false),
            kind: column("kind", names.kind, "Type", true),
            amount: column("amount", names.amount, "Amount", true),
            currency: column(
                "currency",
                names.currency,
                if has_currency { "" } else { "Currency" },
                !has_currency,
            ),
            fee: column("fee", names.fee, "Fee", false),
            payment_amount: column("payment_amount", names.payment_amount, "", false),
            payment_currency: column("payment_currency", names.payment_currency, "", false),
        }
    }

    pub(super) const fn all(&self) -> [&Column; 10] {
        [
            &self.date,
            &self.request_id,
            &self.reference,
            &self.line_id,
            &self.kind,
            &self.amount,
            &self.currency,
            &self.fee,
            &self.payment_amount,
            &self.payment_currency,
        ]
    }

    fn check(&self, has_currency: bool) -> Result<(), String> {
        for column in [&self.date, &self.kind, &self.amount] {
            if column.name.is_none() {
                return Err(format!("[columns] {} is empty: it is needed", column.key));
            }
        }
        if self.request_id.name.is_none() && self.reference.name.is_none() {
            return Err("[columns] has neither request_id nor reference: \
                        no line could be found among the payments"
                .to_owned());
        }
        match (self.currency.name.is_some(), has_currency) {
            (true, true) => {
                return Err(
                    "the mapping has a currency and a column of currencies: leave one of them"
                        .to_owned(),
                );
            }
            (false, false) => {
                return Err("the mapping has no column of currencies: \
                            set currency to that of every line"
                    .to_owned());
            }
            _ => {}
        }
        if self.payment_amount.name.is_some() != self.payment_currency.name.is_some() {
            return Err("[columns] has one of payment_amount and payment_currency: \
                        name both or neither"
                .to_owned());
        }
        let mut seen: HashMap<String, &str> = HashMap::new();
        for column in self.all() {
            let Some(name) = &column.name else { continue };
            if let Some(other) = seen.insert(header(name), column.key) {
                return Err(format!(
                    "[columns] {other} and {} are both {name:?}: a column has one meaning",
                    column.key
                ));
            }
        }
        Ok(())
    }
}

impl Dates {
    fn read(&self, text: &str) -> Result<ServerTime, String> {
        let text = text.trim();
        let read = match &self.pattern {
            None => self.iso(text),
            Some(pattern) => self.by_pattern(pattern, text),
        };
        let as_written = || match &self.pattern {
            None => "of ISO 8601 (2026-11-28T23:59:58Z): set date_format".to_owned(),
            Some(pattern) => format!("by date_format {pattern:?}"),
        };
        read.map(|instant| ServerTime(instant.as_microsecond()))
            .filter(|time| time.0 >= 0)
            .ok_or_else(|| {
                let zone = &self.zone_name;
                format!("{} is no date {} (time_zone {zone})", shown(text), as_written())
            })
    }

    fn iso(&self, text: &str) -> Option<jiff::Timestamp> {
        static PARSER: DateTimeParser = DateTimeParser::new();
        if let Ok(instant) = PARSER.parse_timestamp(text) {
            return Some(instant);
        }
        // A date alone is its midnight.
        let civil = PARSER.parse_datetime(text).ok()?;
        civil.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp())
    }

    fn by_pattern(&self, pattern: &str, text: &str) -> Option<jiff::Timestamp> {
        let read = strtime::parse(pattern, text).ok()?;
        if read.offset().is_some() {
            return read.to_timestamp().ok();
        }
        let civil = read.to_datetime().or_else(|_| read.to_date().map(DateTime::from)).ok()?;
        civil.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp())
    }
}

impl Numbers {
    fn read(self, text: &str, currency: Currency) -> Result<Money, String> {
        let text = text.trim();
        let no_number = || {
            let thousands = self.thousands.map_or_else(String::new, String::from);
            format!(
                "{} is no amount with decimal_separator {:?} and thousands_separator {thousands:?}",
                shown(text),
                String::from(self.decimal)
            )
        };
        let (is_below_zero, size) = match text.strip_prefix(['-', '\u{2212}']) {
            Some(size) => (true, size),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match size.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (size, None),
        };
        let whole = self.without_groups(whole).ok_or_else(no_number)?;
        let plain = match fraction {
            Some(fraction) => format!("{whole}.{fraction}"),
            None => whole,
        };
        // Its exponents and signs are none of a statement.
        let is_plain = plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let decimal = Decimal::parse_any(&plain).filter(|_| is_plain).ok_or_else(no_number)?;
        let code = currency.code();
        match decimal.to_money(currency) {
            Ok(money) => {
                Ok(Money::new(if is_below_zero { -money.minor } else { money.minor }, currency))
            }
            Err(AmountFault::NotPositive) => Ok(Money::new(0, currency)),
            Err(AmountFault::TooManyDecimals { allowed }) => {
                Err(format!("{} has more decimals than {code}, which has {allowed}", shown(text)))
            }
            Err(AmountFault::TooLarge) => Err(format!(
                "{} is larger than any amount: at most {} {code}",
                shown(text),
                Money::new(MAX_MINOR, currency)
            )),
        }
    }

    /// Groups have three digits: `12,50` is no `1250` where the thousands are separated by a comma.
    fn without_groups(self, whole: &str) -> Option<String> {
        let Some(separator) = self.thousands.filter(|separator| whole.contains(*separator)) else {
            return Some(whole.to_owned());
        };
        let mut groups = whole.split(separator);
        let first = groups.next().filter(|group| (1..=3).contains(&group.len()))?;
        let rest: Vec<&str> = groups.collect();
        rest.iter().all(|group| group.len() == 3).then(|| format!("{first}{}", rest.concat()))
    }
}

/// The name of a column, without what does not count.
pub(super) fn header(name: &str) -> String {
    name.trim().to_lowercase()
}

/// A word of the column of kinds, without what does not count.
fn word(text: &str) -> String {
    let text = text.trim().to_lowercase();
    text.replace(['_', '-'], " ")
}

/// A value of the file for a message.
pub(super) fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    let begin: String = text.chars().take(SHOWN).collect();
    format!("{begin:?}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn mapping(text: &str) -> Mapping {
        Mapping::read(text).unwrap()
    }

    #[test]
    fn the_default_is_what_its_text_says() {
        let (read, default) = (mapping(DEFAULT_TEXT), Mapping::default());
        // That a mapping names a column makes it needed.
        let names = |of: &Mapping| of.columns.all().map(|column| column.name.clone());
        assert_eq!(names(&read), names(&default));
        let rest = |of: &Mapping| {
            let dates = format!("{:?}", of.dates);
            let signs = (of.signs, of.are_fees_below_zero);
            (of.delimiter, of.currency, dates, format!("{:?}", of.numbers), signs)
        };
        assert_eq!(rest(&read), rest(&default));
        assert_eq!(read.kinds, default.kinds);
        let uncommented = DEFAULT_TEXT.replace("# \"Wallet", "\"Wallet");
        assert_eq!(mapping(&uncommented).kind("wallet funding"), LineKind::TopUp);
        for (text, _) in WORDS.iter().filter(|(text, _)| !["fees", "topup"].contains(text)) {
            assert!(DEFAULT_TEXT.contains(&text.to_uppercase()), "{text}");
        }
        for kind in LineKind::ALL {
            assert!(DEFAULT_TEXT.contains(kind.as_str()), "{kind}");
        }
        assert!(Mapping::read("").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_key() {
        for (text, said) in [
            ("delimiter = \",\"\nseparator = \";\"", &["line 2", "separator", "delimiter"][..]),
            ("[columns]\ndate = \"a\"\nfees = \"b\"", &["line 3", "fees", "payment_amount"]),
            ("delimiter = \"x\"", &["line 1", "no delimiter"]),
            ("currency = \"XXX\"", &["line 1", "no currency of ISO 4217"]),
            ("[kinds]\nA = \"SALE\"", &["line 2", "COLLECTION, PAYOUT"]),
            ("decimal_separator = \"..\"", &["line 1", "one character"]),
            ("decimal_separator = \"\"", &["decimal_separator is empty"]),
            ("thousands_separator = \".\"", &["are the same"]),
            ("time_zone = \"Mars/Olympus\"", &["line 1", "Africa/Kigali"]),
            ("date_format = \"%H:%M\"", &["line 1", "no day, month and year"]),
            ("date_format = \"%d/%m/%Y %!\"", &["line 1", "no pattern of dates"]),
            ("amounts = \"both\"", &["line 1", "signed", "by-kind"]),
            ("fees = \"none\"", &["line 1", "positive", "negative"]),
            ("[columns]\namount = \"\"", &["amount is empty"]),
            ("[columns]\nrequest_id = \"\"", &["neither request_id nor reference"]),
            ("[columns]\ncurrency = \"\"", &["set currency"]),
            ("currency = \"RWF\"\n[columns]\ncurrency = \"C\"", &["leave one"]),
            ("[columns]\npayment_amount = \"P\"", &["both or neither"]),
            ("[columns]\nfee = \" amount\"", &["amount and fee", "one meaning"]),
            ("[kinds]\n\"Top Up\" = \"TOP_UP\"\ntop_up = \"OTHER\"", &["two meanings"]),
            ("[columns", &["line 1"]),
        ] {
            let error = Mapping::read(text).unwrap_err();
            assert!(said.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }

    #[test]
    fn dates() {
        let at = |mapping: &str, text: &str| {
            Mapping::read(mapping).unwrap().time(text).map(|time| time.to_string())
        };
        let kigali = "time_zone = \"Africa/Kigali\"";
        let new_york = "time_zone = \"America/New_York\"";
        let days = "date_format = \"%d/%m/%Y %H:%M\"\ntime_zone = \"+02:00\"";
        let offsets = "date_format = \"%Y%m%d%H%M%S %z\"";
        for (mapping, text, expected) in [
            ("", "2026-11-28T23:00:01Z", "2026-11-28T23:00:01Z"),
            ("", " 2026-11-28 23:00:01.25 ", "2026-11-28T23:00:01.25Z"),
            ("", "2026-11-28", "2026-11-28T00:00:00Z"),
            (kigali, "2026-11-28T23:00:01", "2026-11-28T21:00:01Z"),
            (kigali, "2026-11-28T23:00:01Z", "2026-11-28T23:00:01Z"),
            (kigali, "2026-11-28T23:00:01-05:00", "2026-11-29T04:00:01Z"),
            // Before and after the clocks are put back; the hour that comes twice; the one that is left out.
            (new_york, "2026-07-01T12:00", "2026-07-01T16:00:00Z"),
            (new_york, "2026-12-01T12:00", "2026-12-01T17:00:00Z"),
            (new_york, "2026-11-01T01:30", "2026-11-01T05:30:00Z"),
            (new_york, "2026-03-08T02:30", "2026-03-08T07:30:00Z"),
            (days, "28/11/2026 23:00", "2026-11-28T21:00:00Z"),
            ("date_format = \"%d.%m.%Y\"", "28.11.2026", "2026-11-28T00:00:00Z"),
            (offsets, "20261128230001 +0200", "2026-11-28T21:00:01Z"),
        ] {
            assert_eq!(at(mapping, text).as_deref(), Ok(expected), "{mapping} {text}");
        }
        for (mapping, text, said) in [
            ("", "28/11/2026", "\"28/11/2026\" is no date of ISO 8601"),
            ("", "", "\"\" is no date"),
            ("", "2026-02-30", "no date"),
            ("", "1969-12-31T23:59:59Z", "no date"),
            (days, "11/28/2026 23:00", "date_format \"%d/%m/%Y %H:%M\""),
            (days, "2026-11-28T23:00:01Z", "time_zone +02:00"),
        ] {
            let error = at(mapping, text).unwrap_err();
            assert!(error.contains(said), "{mapping} {text}: {error}");
        }
    }

    #[test]
    fn amounts() {
        let read = |mapping: &str, text: &str, code: &str| {
            Mapping::read(mapping).unwrap().amount(text, currency(code)).map(|it| it.minor)
        };
        let english = "thousands_separator = \",\"";
        let german = "decimal_separator = \",\"\nthousands_separator = \".\"";
        let french = "decimal_separator = \",\"\nthousands_separator = \"\u{a0}\"";
        for (mapping, text, code, minor) in [
            ("", "12.50", "USD", 1_250),
            ("", "-12.5", "USD", -1_250),
            ("", "\u{2212}12", "USD", -1_200),
            ("", "+1", "USD", 100),
            ("", " 0.00 ", "USD", 0),
            ("", "-0", "USD", 0),
            ("", "1000.00", "RWF", 1_000),
            ("", "0.005", "KWD", 5),
            (english, "1,234,567.89", "USD", 123_456_789),
            (english, "1234567.89", "USD", 123_456_789),
            (german, "-1.234,5", "USD", -123_450),
            (french, "12\u{a0}345,67", "USD", 1_234_567),
        ] {
            assert_eq!(read(mapping, text, code), Ok(minor), "{mapping} {text}");
        }
        for (mapping, text, code, said) in [
            ("", "", "USD", "is no amount"),
            ("", "1,234.00", "USD", "is no amount with decimal_separator \".\""),
            ("", "1e3", "USD", "is no amount"),
            ("", "--1", "USD", "is no amount"),
            ("", "1.", "USD", "is no amount"),
            ("", ".5", "USD", "is no amount"),
            ("", "1.2.3", "USD", "is no amount"),
            ("", "12 USD", "USD", "is no amount"),
            ("", "12.505", "USD", "\"12.505\" has more decimals than USD, which has 2"),
            ("", "0.5", "RWF", "more decimals than RWF, which has 0"),
            ("", "10000000000000000", "USD", "larger than any amount"),
            ("", &"9".repeat(60), "USD", "larger than any amount"),
            (english, "12,50", "USD", "is no amount"),
            (english, "1,2345", "USD", "is no amount"),
            (english, ",123", "USD", "is no amount"),
            (german, "12.50", "USD", "is no amount"),
        ] {
            let error = read(mapping, text, code).unwrap_err();
            assert!(error.contains(said), "{mapping} {text}: {error}");
        }
        let fee =
            |mapping: &str, text: &str| Mapping::read(mapping).unwrap().fee(text, currency("USD"));
        assert_eq!(fee("", "0.30").unwrap().minor, 30);
        assert_eq!(fee("fees = \"negative\"", "-0.30").unwrap().minor, 30);
    }

    #[test]
    fn words_of_kinds() {
        let own = mapping("[kinds]\n\"Wallet Funding\" = \"TOP_UP\"\nPAYMENT = \"PAYOUT\"");
        for (text, kind) in [
            ("DEPOSIT", LineKind::Collection),
            (" deposit ", LineKind::Collection),
            ("TOP_UP", LineKind::TopUp),
            ("top-up", LineKind::TopUp),
            ("wallet_funding", LineKind::TopUp),
            ("Payment", LineKind::Payout),
            ("Something", LineKind::Other),
            ("", LineKind::Other),
        ] {
            assert_eq!(own.kind(text), kind, "{text}");
        }
        assert_eq!(Mapping::default().kind("payment"), LineKind::Collection);
    }

    #[test]
    fn the_direction_of_each_kind() {
        let usd = |minor| Money::new(minor, currency("USD"));
        for (kind, sign) in [
            (LineKind::Collection, 1),
            (LineKind::Payout, -1),
            (LineKind::Refund, -1),
            (LineKind::Reversal, 1),
            (LineKind::DisputeWithdrawn, -1),
            (LineKind::DisputeReinstated, 1),
            (LineKind::TopUp, 1),
            (LineKind::BankTransfer, -1),
            (LineKind::Fee, -1),
        ] {
            assert_eq!(moved(kind, usd(5), false), Ok((kind, usd(5 * sign))));
            assert!(moved(kind, usd(-5), false).unwrap_err().contains("amounts = \"signed\""));
            assert_eq!(moved(kind, usd(-5), true), Ok((kind, usd(-5))));
        }
        assert!(moved(LineKind::Other, usd(5), false).unwrap_err().contains("[kinds]"));
        assert_eq!(moved(LineKind::Other, usd(5), true), Ok((LineKind::Other, usd(5))));
        assert_eq!(moved(LineKind::Payout, usd(5), true), Ok((LineKind::Reversal, usd(5))));
        assert_eq!(moved(LineKind::Collection, usd(-5), true), Ok((LineKind::Collection, usd(-5))));
    }
}

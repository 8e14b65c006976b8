//! Points in time, in microseconds since 1970 UTC, on one of two clocks.
//!
//! A sandbox merchant can advance its own clock. The two types keep its time apart from the
//! server's: one is made from the other only by
//! [`Merchant::time`](crate::directory::merchant::Merchant::time).

use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::{DateTimeParser, Pieces};
use jiff::tz::TimeZone;

const MICROS_PER_SECOND: i64 = 1_000_000;

const DAY_SECONDS: i32 = 86_400;

/// Seconds in microseconds.
#[must_use]
pub const fn seconds(n: i64) -> i64 {
    n.saturating_mul(MICROS_PER_SECOND)
}

/// Minutes in microseconds.
#[must_use]
pub const fn minutes(n: i64) -> i64 {
    seconds(n.saturating_mul(60))
}

/// Milliseconds in microseconds.
#[must_use]
pub const fn millis(n: i64) -> i64 {
    n.saturating_mul(1_000)
}

macro_rules! clocks {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub i64);

        impl $name {
            /// This time plus `micros` microseconds; saturates instead of overflowing.
            #[must_use]
            pub const fn plus(self, micros: i64) -> Self {
                Self(self.0.saturating_add(micros))
            }

            /// The microseconds from `earlier` to this time.
            #[must_use]
            pub const fn since(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }

            /// The whole seconds since 1970.
            #[must_use]
            pub const fn whole_seconds(self) -> i64 {
                self.0.div_euclid(1_000_000)
            }

            /// The day in UTC, counted from 1970.
            #[must_use]
            pub const fn day_number(self) -> i64 {
                self.whole_seconds().div_euclid(86_400)
            }

            /// Parses ISO 8601. A time without an offset is UTC; a date is its midnight in UTC. A
            /// time zone in brackets is accepted only if it has the written offset at that time.
            ///
            /// # Errors
            /// `None` for anything else, and for years outside 1970 to 9999.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse(text).map(Self)
            }

            /// The calendar year in UTC.
            #[must_use]
            pub fn year(self) -> i64 {
                instant(self.0).to_zoned(TimeZone::UTC).year().into()
            }
        }

        impl std::fmt::Display for $name {
            /// ISO 8601 in UTC with as many decimals as needed: `2026-11-22T18:00:00Z`,
            /// `2026-11-22T18:00:00.25Z`; with `{:.6}` always in microseconds.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                instant(self.0).fmt(f)
            }
        }
    )*};
}

clocks! {
    /// The clock of the process. Leases, credentials, the tariff and the ledger go by it.
    ServerTime
    /// Server time plus what the sandbox merchant has advanced its clock by. Sessions, deadlines,
    /// checks and numbers go by it. For a live merchant it equals server time.
    MerchantTime
}

impl MerchantTime {
    /// Parses a date, or the date of a time as it is written, whatever its offset: midnight of that
    /// date in UTC.
    ///
    /// # Errors
    /// `None` for what is not a time.
    #[must_use]
    pub fn parse_day(text: &str) -> Option<Self> {
        Self::parse(text)?;
        let midnight = utc(pieces(text.trim())?.date().into()).ok()?.as_microsecond();
        (midnight >= 0).then_some(Self(midnight))
    }

    /// The midnight in UTC before this time.
    #[must_use]
    pub const fn day(self) -> Self {
        Self(self.0 - self.0.rem_euclid(seconds(86_400)))
    }
}

fn instant(micros: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX)
}

/// Parses ISO 8601 to microseconds. A time without an offset is UTC; a date is its midnight in UTC.
/// A time zone in brackets is accepted only if it has the written offset at that time.
fn parse(text: &str) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let text = text.trim();
    let pieces = pieces(text)?;
    let instant = PARSER
        .parse_timestamp(text)
        .or_else(|_| PARSER.parse_datetime(text).and_then(utc))
        .or_else(|_| PARSER.parse_date(text).and_then(|date: Date| utc(date.into())))
        .ok()
        .filter(|instant| zone_agrees(&pieces, *instant))?;
    (instant.as_microsecond() >= 0).then(|| instant.as_microsecond())
}

/// Whether a text is a time on one of the calendar's last two days. With an offset such a time may
/// not be representable, so that it is not parsed though the text is a valid time.
#[must_use]
pub fn is_at_the_end(text: &str) -> bool {
    let last_days = |date: Date| date.year() == 9999 && date.month() == 12 && date.day() >= 30;
    pieces(text.trim())
        .is_some_and(|pieces| pieces.time_zone_annotation().is_none() && last_days(pieces.date()))
}

/// The parsed components; `None` also for an offset of a day or more.
fn pieces(text: &str) -> Option<Pieces<'_>> {
    let offset =
        |pieces: &Pieces<'_>| pieces.to_numeric_offset().map_or(0, |offset| offset.seconds());
    Pieces::parse(text).ok().filter(|pieces| offset(pieces).abs() < DAY_SECONDS)
}

/// Whether the time zone in brackets, if there is one, has the written offset at that time. `Z` is the
/// offset zero.
fn zone_agrees(pieces: &Pieces<'_>, instant: jiff::Timestamp) -> bool {
    if pieces.time_zone_annotation().is_none() {
        return true;
    }
    let zone = pieces.to_time_zone().ok().flatten();
    zone.is_some_and(|zone| pieces.to_numeric_offset() == Some(zone.to_offset(instant)))
}

fn utc(civil: DateTime) -> Result<jiff::Timestamp, jiff::Error> {
    civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offsets_naive_times_and_dates() {
        let noon = MerchantTime::parse("2026-11-22T12:00:00Z");
        assert!(noon.is_some());
        assert_eq!(MerchantTime::parse("2026-11-22T14:00:00+02:00"), noon);
        assert_eq!(MerchantTime::parse("2026-11-22T12:00:00"), noon);
        assert_eq!(MerchantTime::parse("2026-11-22 12:00:00"), noon);
        assert_eq!(MerchantTime::parse("2026-11-22"), noon.map(|t| t.plus(-seconds(12 * 3600))));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "2026-11-22T12:00:00+24:00",
            "2026-11-22T12:00:00-25:59",
            "",
            "tomorrow",
            "12",
            "2026-13-01T00:00:00Z",
            "2026-02-30",
            "1969-12-31T23:59:59Z",
            "99999-01-01",
        ] {
            assert_eq!(MerchantTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_zone_must_have_the_offset_that_is_written() {
        let plain = MerchantTime::parse("2026-11-22T12:00:00Z");
        for text in [
            "2026-11-22T14:00:00+02:00[Africa/Kigali]",
            "2026-11-22T12:00:00Z[UTC]",
            "2026-11-22T12:00:00Z[Africa/Monrovia]",
            "2026-11-22T12:00:00+00:00[!Etc/UTC]",
            "2026-11-22T14:00:00+02:00[+02:00]",
            "2026-11-22T12:00:00Z[u-ca=iso8601]",
        ] {
            assert_eq!(MerchantTime::parse(text), plain, "{text}");
        }
        for text in [
            "2026-11-22T12:00:00Z[Africa/Kigali]",
            "2026-11-22T12:00:00+01:00[Africa/Kigali]",
            "2026-11-22T12:00:00[Africa/Kigali]",
            "2026-11-22T12:00:00[UTC]",
            "2026-11-22[Africa/Kigali]",
            "2026-11-22T12:00:00Z[Nowhere/City]",
            "2026-11-22T12:00:00+02:00[Europe/Berlin]",
            "9999-12-31T23:59:59Z[Africa/Kigali]",
        ] {
            assert_eq!(MerchantTime::parse(text), None, "{text}");
            assert!(!is_at_the_end(text), "{text}");
        }
    }

    #[test]
    fn a_day_is_the_one_that_is_written() {
        let day = MerchantTime::parse("2026-12-31");
        for text in [
            "2026-12-31",
            "2026-12-31T00:00:00+02:00",
            "2026-12-31T23:59:00-05:00",
            "2026-12-31T12:00:00",
        ] {
            assert_eq!(MerchantTime::parse_day(text), day, "{text}");
        }
        assert_eq!(
            [
                MerchantTime::parse_day("2026-02-30"),
                MerchantTime::parse_day("1969-12-31T23:59:00-05:00")
            ],
            [None, None]
        );
        assert_eq!(day.map(|day| day.plus(seconds(86_400) - 1).day()), day);
    }

    #[test]
    fn knows_the_end_of_the_calendar() {
        for text in [
            "9999-12-31",
            "9999-12-31T23:59:59Z",
            "9999-12-30T23:00:00-05:00",
            "9999-12-31 10:00:00",
        ] {
            assert!(is_at_the_end(text), "{text}");
        }
        for text in ["9999-12-32", "9999-12-29", "9999-12-31T25:00:00Z", "tomorrow", "99999-12-31"]
        {
            assert!(!is_at_the_end(text), "{text}");
        }
        assert!(MerchantTime::parse("2026-11-22T12:00:00+23:59").is_some());
    }

    #[test]
    fn writes_iso_8601_and_knows_the_year() {
        let t = MerchantTime::parse("2026-12-31T23:59:59.25Z").unwrap();
        assert_eq!(t.to_string(), "2026-12-31T23:59:59.25Z");
        assert_eq!(format!("{t:.6}"), "2026-12-31T23:59:59.250000Z");
        assert_eq!((t.year(), t.plus(seconds(1)).year()), (2026, 2027));
    }
}

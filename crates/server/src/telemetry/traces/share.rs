//! A share of all requests.

use std::fmt;
use std::str::FromStr;

const MILLION: u32 = 1_000_000;

/// From none to all, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share(u32);

impl Share {
    pub const ALL: Self = Self(MILLION);
    /// One of a hundred. Each traced request is some dozen spans: a hundredth is enough to see where time
    /// goes on a busy server, and costs it nothing that is noticed.
    pub const DEFAULT: Self = Self(MILLION / 100);

    /// Whether the share has what drew this number.
    #[must_use]
    pub fn has(self, drawn: u64) -> bool {
        drawn % u64::from(MILLION) < u64::from(self.0)
    }
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a share from 0 to 1 with at most six decimals, as 0.01";
        let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || whole.is_empty() || !is_number(decimals) || decimals.len() > 6 {
            return Err(wrong);
        }
        let millionths = format!("{whole}{decimals:0<6}").parse().map_err(|_| wrong)?;
        Some(Self(millionths)).filter(|share| share.0 <= MILLION).ok_or(wrong)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / MILLION, self.0 % MILLION);
        let decimals = format!("{rest:06}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            decimals => write!(f, "{whole}.{decimals}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_from_0_to_1() {
        for (text, millionths, shown) in [
            ("0", 0, "0"),
            ("1", MILLION, "1"),
            ("1.0", MILLION, "1"),
            ("0.01", 10_000, "0.01"),
            (" 0.000001 ", 1, "0.000001"),
            ("0.250000", 250_000, "0.25"),
        ] {
            let share: Share = text.parse().unwrap();
            assert_eq!((share, share.to_string().as_str()), (Share(millionths), shown), "{text}");
        }
        for text in ["", ".", ".5", "1.000001", "2", "-0.1", "0.0000001", "1e-2", "half", "0,5"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_of_what_is_drawn_is_in_it() {
        let in_share = |share: Share| (0..2_000_000).filter(|drawn| share.has(*drawn)).count();
        assert_eq!([Share(0), Share::DEFAULT, Share::ALL].map(in_share), [0, 20_000, 2_000_000]);
    }
}

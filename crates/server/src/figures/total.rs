//! Sums of amounts, which may be larger than any amount.

use domain::kernel::currency::Currency;

/// A sum in minor units, with its currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Total {
    pub minor: i128,
    pub currency: Currency,
}

impl std::fmt::Display for Total {
    /// The sum with the currency's decimals, without its code: `500.00`, `1200`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimals = usize::try_from(self.currency.exponent()).unwrap_or(0);
        let digits = format!("{:0width$}", self.minor.unsigned_abs(), width = decimals + 1);
        let (whole, rest) = digits.split_at(digits.len() - decimals);
        let sign = if self.minor < 0 { "-" } else { "" };
        let point = if decimals == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use domain::kernel::money::Money;

    use super::*;

    #[test]
    fn a_total_is_written_as_an_amount_is() {
        for code in ["USD", "RWF", "KWD"] {
            let currency = Currency::parse(code).unwrap();
            for minor in [0, 1, 9, 10, 99, 100, 999, 1_000, 123_456, -1, -100, i64::MAX, i64::MIN] {
                let total = Total { minor: minor.into(), currency };
                assert_eq!(total.to_string(), Money::new(minor, currency).to_string());
            }
        }
        let large = Total { minor: i128::from(i64::MAX) * 100, currency: Currency::USD };
        assert_eq!(large.to_string(), "9223372036854775807.00");
    }
}

//! Exact amounts: integers in minor units, and their texts.

/// How many decimals a currency has.
pub(crate) fn exponent(currency: &str) -> u32 {
    match currency.to_ascii_uppercase().as_str() {
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// The minor units of a decimal text. `None` where it is no plain decimal number of the currency:
/// a sign, an exponent, or a digit other than zero behind the currency's last decimal.
pub(crate) fn minor_of(text: &str, currency: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let decimals = usize::try_from(exponent(currency)).ok()?;
    let (kept, beyond) = fraction.split_at(fraction.len().min(decimals));
    if beyond.bytes().any(|byte| byte != b'0') {
        return None;
    }
    format!("{whole}{kept:0<decimals$}").parse().ok()
}

/// The amount with `decimals` decimals, at least those of its currency: `100.00`.
pub(crate) fn text_of(minor: i64, currency: &str, decimals: u32) -> String {
    let exponent = exponent(currency);
    let unit = 10_u64.pow(exponent);
    let sign = if minor < 0 { "-" } else { "" };
    let size = minor.unsigned_abs();
    let (whole, fraction) = (size / unit, size % unit);
    let width = usize::try_from(exponent).unwrap_or(0);
    let mut fraction = if width == 0 { String::new() } else { format!("{fraction:0width$}") };
    while fraction.len() < usize::try_from(decimals).unwrap_or(0) {
        fraction.push('0');
    }
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A fee of so many hundredths of a percent, rounded up.
pub(crate) const fn fee_of(minor: i64, basis_points: i64) -> i64 {
    minor.saturating_mul(basis_points).saturating_add(9_999).div_euclid(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_exact_minor_units_and_back() {
        assert_eq!(minor_of("100", "RWF"), Some(100));
        assert_eq!(minor_of("100.00", "RWF"), Some(100));
        assert_eq!(minor_of("100.5", "RWF"), None);
        assert_eq!(minor_of("5.5", "LRD"), Some(550));
        assert_eq!(minor_of("0.05", "USD"), Some(5));
        assert_eq!(minor_of("0.005", "USD"), None);
        assert_eq!(minor_of("1.234", "KWD"), Some(1_234));
        for wrong in ["", ".5", "-1", "1e3", "+1", "1,5", "99999999999999999999"] {
            assert_eq!(minor_of(wrong, "USD"), None, "{wrong}");
        }
        assert_eq!(text_of(100, "RWF", 0), "100");
        assert_eq!(text_of(100, "RWF", 2), "100.00");
        assert_eq!(text_of(5, "USD", 0), "0.05");
        assert_eq!(text_of(-550, "LRD", 2), "-5.50");
    }

    #[test]
    fn fees_are_rounded_up() {
        assert_eq!(fee_of(1_000, 100), 10);
        assert_eq!(fee_of(1_001, 100), 11);
        assert_eq!(fee_of(0, 100), 0);
    }
}

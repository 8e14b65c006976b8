//! Currencies, by ISO 4217.

/// An ISO 4217 currency with its number of decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    exponent: u32,
}

/// Codes by number of decimals, each with one space after it: ISO 4217 list one of 2026-01-01, without
/// funds, metals and testing codes.
const ZERO: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";

const TWO: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC \
CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR \
KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK \
PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH \
USD UYU UZS VES WST XCD XCG YER ZAR ZMW ZWG";

const THREE: &str = "BHD IQD JOD KWD LYD OMR TND";

impl Currency {
    pub const USD: Self = Self { code: *b"USD", exponent: 2 };

    /// The currency of an upper-case code; `None` when ISO 4217 does not list it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 3] = text.as_bytes().try_into().ok()?;
        let listed =
            |list: &str| list.as_bytes().chunks(4).any(|entry| entry.first_chunk() == Some(&code));
        // Two decimals first: nearly every currency has them.
        let exponent = if listed(TWO) {
            2
        } else if listed(ZERO) {
            0
        } else if listed(THREE) {
            3
        } else {
            return None;
        };
        Some(Self { code, exponent })
    }

    /// Every code that ISO 4217 lists.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        [TWO, ZERO, THREE].into_iter().flat_map(|list| list.split(' '))
    }

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("???")
    }

    /// How many decimals an amount has: 2 for USD and LRD, 0 for RWF.
    #[must_use]
    pub const fn exponent(&self) -> u32 {
        self.exponent
    }

    /// How many minor units make one: 100 for USD, 1 for RWF.
    #[must_use]
    pub const fn minor_per_major(&self) -> i64 {
        10_i64.pow(self.exponent())
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_decimals_of_iso_4217() {
        assert_eq!(Currency::parse("USD"), Some(Currency::USD));
        let decimals = |code| Currency::parse(code).map(|c| c.exponent());
        for (code, expected) in [
            ("USD", 2),
            ("LRD", 2),
            ("RWF", 0),
            ("XOF", 0),
            ("UGX", 0),
            ("KWD", 3),
            ("JPY", 0),
            ("ZMW", 2),
        ] {
            assert_eq!(decimals(code), Some(expected), "{code}");
        }
        for code in ["", "usd", "US", "USDX", "XXX", "ABC", "U D", "€uro"] {
            assert_eq!(decimals(code), None, "{code}");
        }
        assert!(
            Currency::codes().all(|code| decimals(code).is_some())
                && Currency::codes().count() > 150
        );
    }
}

//! How a merchant appears to payers on its pages: a name, a colour and a logo.

use std::fmt;

use crate::decision::row::{NoAltKey, Row};
use crate::kernel::ids::MerchantId;
use crate::kernel::time::ServerTime;
use crate::kernel::uuids::Fingerprint;

/// A name for payers has at most this many characters.
pub const NAME_CHARACTERS: usize = 100;

/// A colour of 24 bits: red, green and blue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Colour(pub i64);

impl Colour {
    /// Reads `#RRGGBB`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let is_hex = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        i64::from_str_radix(digits, 16).ok().filter(|_| is_hex).map(Self)
    }

    /// Red, green and blue.
    #[must_use]
    pub const fn channels(self) -> [u8; 3] {
        let [.., red, green, blue] = self.0.to_be_bytes();
        [red, green, blue]
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:06X}", self.0)
    }
}

/// The logo of a merchant. Its bytes are in a row of their own, because nearly every decision reads
/// the merchant's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logo {
    pub merchant_id: MerchantId,
    /// Of the merchant and the picture. A page names the picture by it.
    pub fingerprint: Fingerprint,
    /// A PNG, in Base64.
    pub png: String,
    /// Server time.
    pub updated_at: ServerTime,
}

impl Logo {
    #[must_use]
    pub fn new(merchant_id: MerchantId, png: String, now: ServerTime) -> Self {
        let fingerprint = Fingerprint::of(&[&merchant_id.0.to_be_bytes(), png.as_bytes()]);
        Self { merchant_id, fingerprint, png, updated_at: now }
    }
}

impl Row for Logo {
    type Id = MerchantId;
    type AltKey = NoAltKey;

    fn id(&self) -> MerchantId {
        self.merchant_id
    }

    fn alt_key(&self) -> Option<NoAltKey> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_read_and_written() {
        let colour = Colour::parse("#0b5C4b").unwrap();
        assert_eq!((colour.channels(), colour.to_string().as_str()), ([11, 92, 75], "#0B5C4B"));
        assert_eq!(Colour::parse("#000001").unwrap().to_string(), "#000001");
        for no_colour in ["", "#", "0B5C4B", "#0B5C4", "#0B5C4BFF", "#+B5C4B", "#0B5C4é", "red"] {
            assert_eq!(Colour::parse(no_colour), None, "{no_colour}");
        }
    }
}

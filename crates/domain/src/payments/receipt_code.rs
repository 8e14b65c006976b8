//! Receipt codes: the short name of a payment, which stands on its receipt and by which anybody can
//! verify it.
//!
//! A code is the id of an execution, permuted under a key of the installation and written in
//! Crockford's base 32, such as `7KQ2-9M4X`. Nothing is stored for it. Neighbouring payments have
//! unlike codes, and a code does not tell how many payments there are.

use crate::kernel::ids::ExecutionId;
use sha2::{Digest, Sha256};

/// Crockford's base 32: without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: u32 = 8;
const BITS_PER_CHARACTER: u32 = 5;
const HALF_BITS: u32 = CHARACTERS * BITS_PER_CHARACTER / 2;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
/// Ids from here on have no code.
const END: u64 = 1 << (2 * HALF_BITS);
/// Four rounds are the fewest that make a Feistel network a good permutation; more cost nothing.
const ROUNDS: u8 = 8;
/// Keeps the key apart from other hashes of the installation.
const LABEL: &[u8] = b"receipt code";

/// A code of eight characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReceiptCode(u64);

impl ReceiptCode {
    /// Reads a code as people write it: in small letters, with or without dashes and blanks, and with
    /// an O for the zero or an I or L for the one. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut value = 0;
        let mut characters = 0;
        for character in text.chars().filter(|c| !is_separator(*c)) {
            characters += 1;
            if characters > CHARACTERS {
                return None;
            }
            value = value << BITS_PER_CHARACTER | digit(character)?;
        }
        (characters == CHARACTERS).then_some(Self(value))
    }
}

impl std::fmt::Display for ReceiptCode {
    /// In two groups of four capital letters and digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for place in (0..CHARACTERS).rev() {
            let digit = self.0 >> (place * BITS_PER_CHARACTER) & 0x1f;
            let character =
                usize::try_from(digit).ok().and_then(|digit| ALPHABET.get(digit)).unwrap_or(&b'0');
            write!(f, "{}", char::from(*character))?;
            if place == CHARACTERS / 2 {
                f.write_str("-")?;
            }
        }
        Ok(())
    }
}

/// Blanks, and the dashes that a phone or a text program may put in place of the hyphen.
const fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The value of a character, or of the one that it looks like.
fn digit(character: char) -> Option<u64> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = ALPHABET.iter().position(|known| char::from(*known) == character)?;
    u64::try_from(place).ok()
}

/// The codes of an installation's payments.
#[derive(Clone)]
pub struct ReceiptCodes {
    key: [u8; 32],
}

impl ReceiptCodes {
    /// `installation` is the UUID of the installation.
    #[must_use]
    pub fn new(installation: &[u8; 16]) -> Self {
        let key = Sha256::new().chain_update(LABEL).chain_update(installation).finalize();
        Self { key: key.into() }
    }

    /// The code of an execution. `None` for ids that do not fit into 40 bits.
    #[must_use]
    pub fn code(&self, id: ExecutionId) -> Option<ReceiptCode> {
        let id = u64::try_from(id.0).ok().filter(|id| *id < END)?;
        let (mut left, mut right) = (id >> HALF_BITS, id & HALF_MASK);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(round, right));
        }
        Some(ReceiptCode(left << HALF_BITS | right))
    }

    /// The execution that has this code, if there is such an execution.
    #[must_use]
    pub fn execution(&self, code: ReceiptCode) -> ExecutionId {
        let (mut left, mut right) = (code.0 >> HALF_BITS, code.0 & HALF_MASK);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.round(round, left), left);
        }
        // 40 bits always fit.
        ExecutionId(i64::try_from(left << HALF_BITS | right).unwrap_or_default())
    }

    /// The function of a Feistel round: half as many bits as a code has.
    fn round(&self, round: u8, half: u64) -> u64 {
        let hash = Sha256::new()
            .chain_update(self.key)
            .chain_update([round])
            .chain_update(half.to_be_bytes())
            .finalize();
        hash.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte)) & HALF_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn codes(installation: u8) -> ReceiptCodes {
        ReceiptCodes::new(&[installation; 16])
    }

    #[test]
    fn each_id_has_a_code_of_its_own_that_leads_back_to_it() {
        let codes = codes(7);
        let last = i64::try_from(END).unwrap() - 1;
        let ids = (0..3_000).chain(1_000_000..1_000_500).chain(last - 500..=last);
        let mut seen = HashSet::new();
        for id in ids.map(ExecutionId) {
            let code = codes.code(id).unwrap();
            assert!(seen.insert(code.to_string()), "{id} has the code of another id");
            assert_eq!(codes.execution(code), id);
            assert_eq!(ReceiptCode::parse(&code.to_string()), Some(code));
        }
    }

    #[test]
    fn every_code_leads_to_an_id_whose_code_it_is() {
        let codes = codes(7);
        for text in ["0000-0000", "ZZZZ-ZZZZ", "7KQ2-9M4X", "0000-0001", "GGGG-GGGG"] {
            let code = ReceiptCode::parse(text).unwrap();
            assert_eq!(code.to_string(), text);
            assert_eq!(codes.code(codes.execution(code)), Some(code));
        }
    }

    #[test]
    fn ids_that_do_not_fit_have_no_code() {
        let codes = codes(7);
        for id in [-1, i64::try_from(END).unwrap(), i64::MAX, i64::MIN] {
            assert_eq!(codes.code(ExecutionId(id)), None, "{id}");
        }
    }

    #[test]
    fn neighbours_and_other_installations_have_unlike_codes() {
        let text =
            |installation, id| codes(installation).code(ExecutionId(id)).unwrap().to_string();
        let same = |a: &str, b: &str| a.chars().zip(b.chars()).filter(|(a, b)| a == b).count();
        // The dash is always the same, and now and then a character.
        for id in 1..50 {
            assert!(same(&text(7, id), &text(7, id + 1)) <= 5, "{}", text(7, id));
            assert!(same(&text(7, id), &text(8, id)) <= 5, "{}", text(7, id));
        }
    }

    /// What was printed must stay valid for ever.
    #[test]
    fn a_code_never_changes() {
        let text = |id| codes(7).code(ExecutionId(id)).unwrap().to_string();
        assert_eq!([1, 2, 123_456_789].map(text), ["GV1R-D0N5", "M7KT-7ZSH", "YF1K-DA1P"]);
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = ReceiptCode::parse("7K10-9M1X").unwrap();
        for text in [
            "7k10-9m1x",
            "7K109M1X",
            " 7K 10 9M 1X ",
            "7K1O-9MLX",
            "7kiO-9mlx",
            "7-K-1-0-9-M-1-X",
            "7K10\u{2013}9M1X",
            "7K10\u{a0}9M1X\n",
        ] {
            assert_eq!(ReceiptCode::parse(text), Some(code), "{text}");
        }
        for text in
            ["", "-", "7K10-9M1", "7K10-9M1X0", "7K10-9M1U", "7K10_9M1X", "7K10-9M1é", "٧K10-9M1X"]
        {
            assert_eq!(ReceiptCode::parse(text), None, "{text}");
        }
        assert_eq!(ReceiptCode::parse(&"0".repeat(100_000)), None);
    }
}

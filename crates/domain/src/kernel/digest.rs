//! SHA-256 digests, as values. The domain computes none of them.

/// The 32 bytes of a SHA-256 or an HMAC-SHA256. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands for the digest before the first one.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads 64 hexadecimal digits, in lower or upper case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest(std::array::from_fn(|index| u8::try_from(index * 8 % 256).unwrap()));
        let text = digest.to_string();
        assert_eq!((text.len(), Digest::parse(&text)), (64, Some(digest)));
        assert_eq!(Digest::parse(&text.to_uppercase()), Some(digest));
        for wrong in [&text[1..], &format!("{text}0"), &text.replacen('0', "+", 1), "é"] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }
}

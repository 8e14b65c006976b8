//! The ids that Stripe gives to its objects.

use std::fmt;

/// What a payment is at Stripe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `pi_…`
    Intent,
    /// `cs_…`
    Session,
    /// `re_…`, `pyr_…`
    Refund,
}

/// The id of an object at Stripe. It has only letters, digits and underscores, so that it may stand
/// in a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StripeId {
    kind: Kind,
    text: String,
}

impl StripeId {
    /// `None` for an id of another kind, and for what is no id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let kind = match text.split_once('_')?.0 {
            "pi" => Kind::Intent,
            "cs" => Kind::Session,
            "re" | "pyr" => Kind::Refund,
            _ => return None,
        };
        is_id(text).then(|| Self { kind, text: text.to_owned() })
    }

    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for StripeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a text can be the id of any object: `prefix_…`, at most 255 characters.
pub(super) fn is_id(text: &str) -> bool {
    let has_prefix = text.split_once('_').is_some_and(|(prefix, rest)| {
        !prefix.is_empty() && rest.bytes().any(|byte| byte.is_ascii_alphanumeric())
    });
    has_prefix
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_it_is_of() {
        for (text, kind) in [
            ("pi_3PbGd2KZ", Some(Kind::Intent)),
            ("cs_test_a1B2", Some(Kind::Session)),
            ("cs_live_a1B2", Some(Kind::Session)),
            ("re_3PbGd2KZ", Some(Kind::Refund)),
            ("pyr_1Abc", Some(Kind::Refund)),
            ("ch_3PbGd2KZ", None),
            ("pm_card_visa", None),
            ("pi_", None),
            ("pi", None),
            ("", None),
            ("pi_1/../charges", None),
            ("pi_1?expand[]=x", None),
            ("pi_1 2", None),
            ("pi_é", None),
        ] {
            assert_eq!(StripeId::parse(text).map(|id| id.kind()), kind, "{text}");
        }
        assert_eq!(StripeId::parse(&format!("pi_{}", "a".repeat(253))), None);
    }
}

//! The secrets of a Stripe account: what they look like, so that a wrong one is refused when it is
//! given and not when a payment fails.

/// Why a secret is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFault {
    /// It has white space, control characters or nothing.
    Malformed,
    /// It begins with none of the known prefixes.
    WrongPrefix,
    /// A key for real money where none moves, or the other way round.
    WrongMode,
}

impl KeyFault {
    /// In words for the operator.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "the key must not be empty or have spaces or line breaks in it",
            Self::WrongPrefix => {
                "this is another kind of key: a secret key begins with sk_ or rk_, a publishable \
                 key with pk_, a webhook secret with whsec_"
            }
            Self::WrongMode => {
                "the key is of the other mode: TEST accounts take keys with _test_, LIVE accounts \
                 those with _live_"
            }
        }
    }
}

/// Checks a secret key, or a restricted key (`rk_…`), for an account that is live or not.
///
/// # Errors
/// [`KeyFault`].
pub fn check_secret_key(key: &str, live: bool) -> Result<(), KeyFault> {
    check_mode(key, &["sk_", "rk_"], live)
}

/// Checks a publishable key.
///
/// # Errors
/// [`KeyFault`].
pub fn check_publishable_key(key: &str, live: bool) -> Result<(), KeyFault> {
    check_mode(key, &["pk_"], live)
}

/// Checks the secret of a webhook endpoint, which is the same in both modes.
///
/// # Errors
/// [`KeyFault`].
pub fn check_webhook_secret(secret: &str) -> Result<(), KeyFault> {
    without_prefix(secret, &["whsec_"]).map(|_| ())
}

fn check_mode(key: &str, prefixes: &[&str], live: bool) -> Result<(), KeyFault> {
    let rest = without_prefix(key, prefixes)?;
    match (rest.starts_with("live_"), rest.starts_with("test_")) {
        (true, _) if live => Ok(()),
        (_, true) if !live => Ok(()),
        (false, false) => Err(KeyFault::WrongPrefix),
        _ => Err(KeyFault::WrongMode),
    }
}

fn without_prefix<'a>(key: &'a str, prefixes: &[&str]) -> Result<&'a str, KeyFault> {
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(KeyFault::Malformed);
    }
    let rest = prefixes.iter().find_map(|prefix| key.strip_prefix(prefix));
    rest.filter(|rest| !rest.is_empty()).ok_or(KeyFault::WrongPrefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeyFault::{Malformed, WrongMode, WrongPrefix};

    #[test]
    fn keys_fit_their_mode() {
        for (key, test, live) in [
            ("sk_test_51Abc", Ok(()), Err(WrongMode)),
            ("sk_live_51Abc", Err(WrongMode), Ok(())),
            ("rk_test_51Abc", Ok(()), Err(WrongMode)),
            ("rk_live_51Abc", Err(WrongMode), Ok(())),
            ("sk_51Abc", Err(WrongPrefix), Err(WrongPrefix)),
            ("pk_test_51Abc", Err(WrongPrefix), Err(WrongPrefix)),
            ("whsec_abc", Err(WrongPrefix), Err(WrongPrefix)),
            ("sk_", Err(WrongPrefix), Err(WrongPrefix)),
            ("", Err(Malformed), Err(Malformed)),
            ("sk_test_51Abc\n", Err(Malformed), Err(Malformed)),
            (" sk_test_51Abc", Err(Malformed), Err(Malformed)),
            ("sk_test_51 Abc", Err(Malformed), Err(Malformed)),
        ] {
            assert_eq!(check_secret_key(key, false), test, "{key:?}");
            assert_eq!(check_secret_key(key, true), live, "{key:?}");
        }
        assert_eq!(check_publishable_key("pk_test_1", false), Ok(()));
        assert_eq!(check_publishable_key("pk_test_1", true), Err(WrongMode));
        assert_eq!(check_publishable_key("sk_test_1", false), Err(WrongPrefix));
    }

    #[test]
    fn a_webhook_secret_has_no_white_space() {
        assert_eq!(check_webhook_secret("whsec_5f3e"), Ok(()));
        for (secret, fault) in [
            ("whsec_", WrongPrefix),
            ("sk_test_1", WrongPrefix),
            ("whsec_5f3e ", Malformed),
            ("whsec_5f\t3e", Malformed),
            ("", Malformed),
        ] {
            assert_eq!(check_webhook_secret(secret), Err(fault), "{secret:?}");
        }
    }
}

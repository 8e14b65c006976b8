//! What people log in with: passwords, codes of a phone, recovery codes, and the secrets in cookies
//! and links.

use std::collections::HashSet;
use std::sync::LazyLock;

use domain::kernel::ids::{MerchantId, UserId};
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::Fingerprint;
use domain::people::user::RecoveryCodes;
use store::clock;
use store::hex::hex;
use totp_rs::{Builder, Secret};
use zxcvbn::{Score, zxcvbn};

use crate::credentials::hashing::{HashingPermit, HashingPool};
use crate::credentials::secrets::{hash_passcode, is_passcode};

/// The fewest characters of a password.
pub const PASSWORD_MIN: usize = 12;
/// The most: a hash of more would take longer than anybody gains.
pub const PASSWORD_MAX: usize = 256;
/// How much of a password is looked at to say how soon it is guessed: longer ones take long to look at.
const ESTIMATED_MAX: usize = 64;
/// How many recovery codes somebody gets.
const RECOVERY_CODES: usize = 10;
/// How many bytes a phone's secret has (RFC 4226 asks for 20).
const TOTP_BYTES: usize = 20;
/// By which an authenticator app names what its codes are for.
const ISSUER: &str = "kola";

/// The passwords of twelve characters and more among the 20,000 that are used most, as Django ships
/// them. Shorter ones are refused by their length.
static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// A hash that no password has, compared with where nobody has the name: it takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGxvZ3MgaW4hIQ$\
                       W2dIP2nFE0QGGEBvDvhy3cM4PTMzW2rZ3wRyVzWe4Ig";

/// Why a password is not taken.
///
/// # Errors
/// A sentence for whoever chose it.
pub fn check_password(password: &str, email: &str, own_name: &str) -> Result<(), String> {
    let characters = password.chars().count();
    if characters < PASSWORD_MIN {
        return Err(format!("A password has at least {PASSWORD_MIN} characters"));
    }
    if characters > PASSWORD_MAX {
        return Err(format!("A password has at most {PASSWORD_MAX} characters"));
    }
    let small = password.to_lowercase();
    let name = email.split('@').next().unwrap_or_default();
    let mut different: Vec<char> = small.chars().collect();
    different.sort_unstable();
    different.dedup();
    if COMMON.contains(small.as_str()) || different.len() < 4 {
        return Err("This password is one of those that are tried first: choose another".to_owned());
    }
    let contains = |word: &str| word.chars().count() > 3 && small.contains(&word.to_lowercase());
    let mut own_words = own_name.split_whitespace().chain([name]);
    if small == email.to_lowercase() || own_words.any(contains) {
        return Err("A password must not contain the name that it belongs to".to_owned());
    }
    let inputs: Vec<&str> =
        own_name.split_whitespace().chain([own_name, email, name, "kola"]).collect();
    let begin: String = password.chars().take(ESTIMATED_MAX).collect();
    if zxcvbn(&begin, &inputs).score() < Score::Three {
        return Err("This password is guessed soon: choose another, such as four words that nobody would put together".to_owned());
    }
    Ok(())
}

/// A place for a hash. Whoever has one is not kept waiting after a try was written: a try that was not
/// compared would count as wrong. Places are shared by addresses, so that a crowd from one of them
/// keeps nobody else waiting long.
pub struct PasswordPlace(HashingPermit);

impl PasswordPlace {
    /// Waits for one; `None` when there is none in time.
    pub async fn acquire(hashing: &HashingPool, address: &str) -> Option<Self> {
        let bytes = *Fingerprint::of(&[address.as_bytes()]).0.as_bytes();
        let [.., a, b, c, d, e, f] = bytes;
        let share = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        // Below zero, where no merchant is.
        hashing.acquire(MerchantId(-1 - share)).await.map(Self)
    }

    /// Hashes a password, on a thread that serves no requests.
    ///
    /// # Errors
    /// What failed, for the log.
    pub async fn hash(&mut self, password: String) -> Result<String, String> {
        let hashed = self.0.run_blocking(move |memory| hash_passcode(&password, memory)).await;
        hashed.unwrap_or_else(|| Err("a hash was not finished".to_owned()))
    }

    /// Whether a password is the one of a hash; without a hash it is never, and takes as long.
    pub async fn is_right(&mut self, password: String, hash: Option<String>) -> bool {
        let compared = self.0.run_blocking(move |memory| {
            let same = is_passcode(&password, hash.as_deref().unwrap_or(NOBODYS), memory);
            same.unwrap_or(false) && hash.is_some()
        });
        compared.await.unwrap_or(false)
    }
}

/// The secret in a cookie or a link, of 256 bits. It has no `Debug`.
pub struct Token(String);

impl Token {
    /// Draws one.
    ///
    /// # Errors
    /// When the operating system has no random numbers.
    pub fn draw() -> Result<Self, getrandom::Error> {
        Ok(Self(hex(&clock::random::<32>()?)))
    }

    /// One that was sent; `None` for what none is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is found by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&[b"kola login ", self.0.as_bytes()])
    }

    /// What stands in the forms of this login's pages: another site cannot know it.
    #[must_use]
    pub fn form_token(&self) -> String {
        Fingerprint::of(&[b"kola form ", self.0.as_bytes()]).to_string()
    }
}

/// The secret that a phone makes codes from.
pub struct TotpSecret(Vec<u8>);

impl TotpSecret {
    /// Draws one.
    ///
    /// # Errors
    /// When the operating system has no random numbers.
    pub fn draw() -> Result<Self, getrandom::Error> {
        Ok(Self(clock::random::<TOTP_BYTES>()?.to_vec()))
    }

    /// One that was kept as text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Secret::try_from_base32(text).ok().map(|secret| Self(secret.as_ref().to_vec()))
    }

    /// For people who type it into their phone.
    #[must_use]
    pub fn text(&self) -> String {
        Secret::from(self.0.clone()).to_base32()
    }

    /// For the camera of the phone.
    #[must_use]
    pub fn url(&self, email: &str) -> String {
        let name: String = form_urlencoded::byte_serialize(email.as_bytes()).collect();
        format!("otpauth://totp/{ISSUER}:{name}?secret={}&issuer={ISSUER}", self.text())
    }

    /// The step of 30 seconds that a code is of: the present one, or the one before or after.
    #[must_use]
    pub fn step_of(&self, code: &str, now: ServerTime) -> Option<i64> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let totp = Builder::new().with_secret(self.0.clone()).build().ok()?;
        let seconds = u64::try_from(now.whole_seconds()).ok()?;
        totp.check(&digits, seconds).and_then(|step| i64::try_from(step).ok())
    }
}

/// Recovery codes as they are shown once, and what is kept of them.
///
/// # Errors
/// When the operating system has no random numbers.
pub fn draw_recovery_codes(user: UserId) -> Result<(Vec<String>, RecoveryCodes), getrandom::Error> {
    let mut shown = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let code = hex(&clock::random::<10>()?);
        let parts: Vec<&str> =
            code.as_bytes().chunks(5).filter_map(|part| std::str::from_utf8(part).ok()).collect();
        shown.push(parts.join("-"));
    }
    let kept = shown.iter().filter_map(|code| recovery_code(user, code)).collect();
    Ok((shown, RecoveryCodes(kept)))
}

/// What is kept of a recovery code, however it is typed; `None` for what none is.
#[must_use]
pub fn recovery_code(user: UserId, code: &str) -> Option<Fingerprint> {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let is_one = plain.len() == 20 && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
    let user = user.to_string();
    is_one.then(|| Fingerprint::of(&[b"kola recovery ", user.as_bytes(), b" ", plain.as_bytes()]))
}

/// A name at login, in the one form in which it is kept; `None` for what is no e-mail address.
#[must_use]
pub fn email(text: &str) -> Option<String> {
    let text = text.trim();
    let (name, host) = text.split_once('@')?;
    // Others look alike, and have several forms.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"<>\\".contains(&byte));
    let fits = (3..=255).contains(&text.len())
        && !name.is_empty()
        && host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !host.contains('@')
        && is_plain;
    fits.then(|| text.to_ascii_lowercase())
}

/// What is wrong with what is no e-mail address, in a sentence.
#[must_use]
pub fn wrong_email(text: &str) -> &'static str {
    let text = text.trim();
    match text.split_once('@') {
        _ if text.is_empty() => {
            "Give an e-mail address such as ama@example.com: it is your name at login."
        }
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            "Give an e-mail address in plain Latin letters, without spaces, such as ama@example.com."
        }
        Some((name, host)) if !name.is_empty() && !host.contains(['.', '@']) => {
            "This e-mail address ends too early: give all of what follows the @, such as \
             ama@example.com."
        }
        Some(_) => "This is no e-mail address. Give one such as ama@example.com.",
        None => "This e-mail address has no @. Give one such as ama@example.com.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::secrets::HashMemory;

    #[test]
    fn what_is_no_email_address_is_told_why() {
        for (text, why) in [
            ("", "name at login"),
            ("ama", "no @"),
            ("ama@shop", "ends too early"),
            ("ama@", "ends too early"),
            ("@shop.example", "no e-mail address"),
            ("ama@@shop.example", "no e-mail address"),
            ("ama@shop.", "no e-mail address"),
            ("ам@shop.example", "plain Latin"),
            ("ama kollie@shop.example", "without spaces"),
        ] {
            assert_eq!(email(text), None, "{text}");
            assert!(wrong_email(text).contains(why), "{text}: {}", wrong_email(text));
        }
    }

    #[test]
    fn a_password_is_long_and_not_one_that_is_tried_first() {
        for (password, why) in [
            ("short", "at least 12"),
            ("elevenchars", "at least 12"),
            ("1qaz2wsx3edc", "tried first"),
            ("1QAZ2wsx3EDC", "tried first"),
            ("aaaaaaaaaaaaaa", "tried first"),
            ("abababababab", "tried first"),
            ("ama.kollie-2026", "the name"),
            ("Ama.Kollie@shop.example", "the name"),
        ] {
            let said = check_password(password, "ama.kollie@shop.example", "Ama").unwrap_err();
            assert!(said.contains(why), "{password}: {said}");
        }
        let long = check_password(&"x1y2".repeat(80), "a@b.cd", "A");
        assert!(long.unwrap_err().contains("at most"));
        for password in ["correct horse battery", "Ñandú-viaja-lejos", "12 monkeys & a key"] {
            assert_eq!(check_password(password, "ama@shop.example", "Ama"), Ok(()), "{password}");
        }
    }

    #[test]
    fn a_password_of_names_words_and_numbers_in_a_row_is_guessed_soon() {
        for password in [
            "ama kollie 12",
            "Kollie 123456",
            "123456789012",
            "passwordpassword",
            "iloveyou1234",
            "qwertyuiopas",
            "Password2026!",
            "kolakolakola",
        ] {
            let said = check_password(password, "ama@shop.example", "Ama Kollie");
            assert!(said.is_err(), "{password}");
        }
        // However long: the rest is not looked at.
        let begun = std::time::Instant::now();
        let long = "aB3$".repeat(64);
        let _ = check_password(&long, "ama@shop.example", "Ama Kollie");
        assert!(begun.elapsed().as_secs() < 10);
    }

    #[test]
    fn the_hash_of_nobody_can_be_compared_with() {
        let mut memory = HashMemory::new();
        assert_eq!(is_passcode("correct horse battery", NOBODYS, &mut memory), Some(false));
    }

    /// The examples of RFC 6238, appendix B, with its secret for SHA-1, in six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = TotpSecret(b"12345678901234567890".to_vec());
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")]
        {
            let now = ServerTime(seconds * 1_000_000);
            assert_eq!(secret.step_of(code, now), Some(seconds / 30), "{seconds}");
            let spaced = format!("{} {}", &code[..3], &code[3..]);
            assert_eq!(secret.step_of(&spaced, now), Some(seconds / 30), "{seconds}");
            // A step earlier and later it is still taken, and not after that.
            for (by, taken) in [(-30, true), (30, true), (-61, false), (61, false)] {
                let then = ServerTime((seconds + by) * 1_000_000);
                assert_eq!(secret.step_of(code, then).is_some(), taken, "{seconds} {by}");
            }
        }
        for none in ["", "28708", "2870821", "28708a", "２８７０８２"] {
            assert_eq!(secret.step_of(none, ServerTime(59_000_000)), None, "{none}");
        }
        let again = TotpSecret::from_text(&secret.text()).unwrap();
        assert_eq!(again.0, secret.0);
        assert_eq!(
            secret.url("ama+1@shop.example"),
            "otpauth://totp/kola:ama%2B1%40shop.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=kola"
        );
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let (shown, kept) = draw_recovery_codes(UserId(7)).unwrap();
        assert_eq!((shown.len(), kept.0.len()), (10, 10));
        for (code, known) in shown.iter().zip(&kept.0) {
            assert_eq!(code.len(), 23);
            for typed in [code.clone(), code.to_uppercase(), code.replace('-', " ")] {
                assert_eq!(recovery_code(UserId(7), &typed), Some(*known));
            }
            assert_ne!(recovery_code(UserId(8), code), Some(*known));
        }
        assert_eq!(recovery_code(UserId(7), "123456"), None);
    }

    #[test]
    fn an_email_address_has_one_form() {
        assert_eq!(email(" Ama@Shop.Example ").as_deref(), Some("ama@shop.example"));
        for none in
            ["", "ama", "ama@", "@shop.example", "a@b", "a b@c.de", "a@b@c.de", "a@.de", "a,b@c.de"]
        {
            assert_eq!(email(none), None, "{none}");
        }
    }

    #[test]
    fn a_token_tells_nothing_of_itself() {
        let token = Token::draw().unwrap();
        assert!(Token::parse(token.as_str()).is_some());
        assert_ne!(token.form_token(), token.fingerprint().to_string());
        for none in ["", "abc", &"g".repeat(64), &"a".repeat(63)] {
            assert!(Token::parse(none).is_none(), "{none}");
        }
    }
}

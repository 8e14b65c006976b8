//! What people type and choose in forms, read in one way.

use domain::kernel::currency::Currency;
use domain::kernel::money::{AmountFault, Decimal, MAX_MINOR, Money};

use crate::api::fields::{NameFault, hidden_in_text, typed_name};
use crate::api::search::typed_amount;
use crate::web::app::frame::Fault;
use crate::web::app::payment_words;
use crate::web::form::Form;

/// A field of a form for a name or title that other people read.
pub struct NameField<'a> {
    /// The field's id.
    pub id: &'a str,
    /// The most characters.
    pub max: usize,
    /// How a sentence about it begins, such as "A name".
    pub what: &'a str,
    /// What is said of a text that is none.
    pub wrong: &'a str,
}

impl NameField<'_> {
    /// The name that was typed.
    ///
    /// # Errors
    /// What is said beside the field.
    pub fn read(&self, text: &str) -> Result<String, Fault> {
        let refused =
            |fault: NameFault| Fault::of_field(self.id, fault.sentence(self.what, self.wrong));
        typed_name(text, self.max).map_err(refused)
    }
}

/// What is said of a text that is not taken: `other`, but that it has an invisible character where it is
/// for that; `what` is how it is called.
pub fn wrong_text(text: &str, what: &str, other: &str) -> String {
    hidden_in_text(text).map_or(NameFault::Invalid, NameFault::Hidden).sentence(what, other)
}

/// A number as people write it: digits, and a point before the decimals. Programs write `1e3`, too; who
/// types that in a form meant something else, or would not see what it is.
pub fn number(text: &str) -> Option<Decimal> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    Decimal::parse(text).filter(|_| is_plain)
}

/// What is said of an amount that is one, but more than is taken; `None` for any other text.
pub fn too_large(text: &str, currency: Currency) -> Option<String> {
    let number = typed_amount(text).map(|(number, _)| number).or_else(|| Decimal::parse_any(text));
    let is_large = |number: Decimal| number.to_money(currency) == Err(AmountFault::TooLarge);
    let most = Money::new(MAX_MINOR, currency);
    let said = || format!("This is too large: the most is {}.", payment_words::amount(most));
    number.filter(|_| !text.contains(['e', 'E'])).is_some_and(is_large).then(said)
}

/// What is said of an answer that is neither yes nor no.
pub const WRONG_ANSWER: &str = "Choose one of the two.";

/// The answer of a field that is `yes` or `no`; `None` for a form without the field, which a checkbox
/// that is not checked leaves out.
///
/// # Errors
/// [`WRONG_ANSWER`] for any other value: it is not read as no.
pub fn answer(form: &Form, name: &str) -> Result<Option<bool>, &'static str> {
    match form.field(name) {
        Some("yes") => Ok(Some(true)),
        Some("no") => Ok(Some(false)),
        None if !form.has(name) => Ok(None),
        _ => Err(WRONG_ANSWER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_yes_nor_no_is_no_answer() {
        let asked = |body: &str| answer(&Form::of(body), "bind");
        assert_eq!(asked("bind=yes"), Ok(Some(true)));
        assert_eq!(asked("bind=no"), Ok(Some(false)));
        assert_eq!(asked("other=yes"), Ok(None));
        for other in ["bind=maybe", "bind=", "bind=YES", "bind=1", "bind=on", "bind=yes&bind=no"] {
            assert_eq!(asked(other), Err(WRONG_ANSWER), "{other}");
        }
    }

    #[test]
    fn a_number_has_no_exponent() {
        for text in ["0", "10", "2.5", "0.0001"] {
            assert_eq!(number(text), Decimal::parse(text), "{text}");
            assert!(number(text).is_some(), "{text}");
        }
        for text in ["", "1e1", "1E3", "-1", "+1", "1,5", ".", "ten"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_told_as_such() {
        let usd = |text: &str| too_large(text, Currency::USD);
        let long = "9".repeat(40);
        for text in ["99999999999999", "99,999,999,999,999 USD", "10000000000000.01", &long] {
            let said = usd(text).expect("too large");
            assert_eq!(said, "This is too large: the most is 10,000,000,000,000.00 USD.", "{text}");
        }
        for text in ["10000000000000", "1", "0", "", "abc", "1.001", "1e40"] {
            assert_eq!(usd(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_is_refused_with_its_reason_beside_its_field() {
        let field = NameField { id: "name", max: 5, what: "A name", wrong: "Give a name." };
        assert_eq!(field.read(" Ama ").ok().as_deref(), Some("Ama"));
        for (text, said) in [
            ("", "Give a name."),
            ("abcdef", "Give a name."),
            ("A\u{200e}", "A name has an invisible"),
        ] {
            let fault = field.read(text).expect_err("a fault");
            assert_eq!(fault.field(), Some("name"));
            assert!(fault.sentence().is_some_and(|words| words.contains(said)), "{text:?}");
        }
    }
}

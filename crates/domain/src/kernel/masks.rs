//! What is shown of names and numbers where they are not to be read.

/// Replaces all but the last four characters with stars; all of them where there are no more than
/// four.
#[must_use]
pub fn masked(number: &str) -> String {
    let hidden = number.chars().count().saturating_sub(4);
    let hidden = if hidden == 0 { number.chars().count() } else { hidden };
    number.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }).collect()
}

/// The first letter of each word, with a full stop.
#[must_use]
pub fn initials(name: &str) -> String {
    let letters = name.split_whitespace().filter_map(|word| word.chars().next());
    letters.map(|letter| format!("{letter}.")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_last_four_digits() {
        assert_eq!(masked("231880000001"), "********0001");
        assert_eq!(masked("12345"), "*2345");
        assert_eq!(
            (masked("1234"), masked("12"), masked("")),
            ("****".into(), "**".into(), String::new())
        );
    }

    #[test]
    fn names_keep_their_first_letters() {
        assert_eq!(initials("Ama  Kollie"), "A. K.");
        assert_eq!((initials("Élodie"), initials("  ")), ("É.".to_owned(), String::new()));
    }
}

//! What an update does to a field that may be empty.

/// A change of a field that may be empty.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Patch<T> {
    /// It stays.
    #[default]
    Keep,
    /// It is empty afterwards.
    Clear,
    /// It is this afterwards.
    Set(T),
}

impl<T> Patch<T> {
    /// The field afterwards.
    #[must_use]
    pub fn of(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// What is set, if anything is.
    #[must_use]
    pub fn set(self) -> Option<T> {
        self.of(None)
    }

    /// The same change with another kind of value.
    #[must_use]
    pub fn map<U>(self, value: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(old) => Patch::Set(value(old)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stays_is_emptied_or_set() {
        assert_eq!(
            [Patch::Keep.of(Some(1)), Patch::Clear.of(Some(1)), Patch::Set(2).of(Some(1))],
            [Some(1), None, Some(2)]
        );
        assert_eq!(
            [Patch::Keep.set(), Patch::Clear.set(), Patch::Set(2).set()],
            [None, None, Some(2)]
        );
        assert_eq!(Patch::Set(2).map(|n: i32| n.to_string()), Patch::Set("2".to_owned()));
    }
}

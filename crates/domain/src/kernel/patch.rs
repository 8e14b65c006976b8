//! Updates of optional fields.

/// A change of an optional field: with JSON, absent, `null` or a value.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Patch<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Patch<T> {
    /// The field after the change.
    #[must_use]
    pub fn apply_to(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The value that is set, if one is.
    #[must_use]
    pub fn set(self) -> Option<T> {
        self.apply_to(None)
    }

    /// The same change, whose value stays where it is.
    #[must_use]
    pub const fn as_ref(&self) -> Patch<&T> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(value),
        }
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
            [
                Patch::Keep.apply_to(Some(1)),
                Patch::Clear.apply_to(Some(1)),
                Patch::Set(2).apply_to(Some(1))
            ],
            [Some(1), None, Some(2)]
        );
        assert_eq!(
            [Patch::Keep.set(), Patch::Clear.set(), Patch::Set(2).set()],
            [None, None, Some(2)]
        );
        assert_eq!(Patch::Set(2).map(|n: i32| n.to_string()), Patch::Set("2".to_owned()));
    }
}

//! What happened between this process and a network account, counted since the process started.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The counters of an account.
        #[derive(Default, Debug)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter),+ }

        impl Counters {
            /// The counters with their names.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.get())),+].into_iter()
            }
        }
    };
}

counters! {
    /// Calls that were answered, whatever the answer said.
    calls_answered,
    /// Calls that were answered with 429.
    calls_too_many,
    /// Calls that failed: no connection, no answer, 5xx.
    calls_failed,
    /// Calls that the network refused the token or key of.
    calls_token_refused,
    /// Calls that were not made, because the network failed.
    calls_behind_circuit,
    /// Calls that were not made, because the account had made its calls of the second.
    calls_behind_rate,
    /// How often the network was found to fail, so that payments waited.
    circuits_opened,
    /// Words of the network that are not known here, or need a look.
    words_unknown,
    /// Callbacks that changed a payment, or were already known.
    callbacks_recorded,
    /// Callbacks that were not signed, after which the network was asked.
    callbacks_hinted,
    /// Callbacks whose signature did not hold.
    callbacks_not_signed,
    /// Callbacks that could not be read.
    callbacks_unreadable,
    /// Callbacks about payments that are not known.
    callbacks_unmatched,
    /// Callbacks that nothing was done with, since there were too many.
    callbacks_only_counted,
}

/// What is not zero, as words of a log line.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, count) in self.all().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{name}={count}")?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_happened() {
        let counters = Counters::default();
        assert_eq!(counters.to_string(), "");
        counters.calls_failed.add();
        counters.calls_failed.add();
        counters.callbacks_recorded.add();
        assert_eq!(counters.to_string(), "calls_failed=2 callbacks_recorded=1");
    }
}

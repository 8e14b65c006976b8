//! Keys that are UUIDs. They are kept as 16 bytes and written in lower case.

pub use uuid::Uuid;

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    )*};
}

uuids! {
    /// The caller's idempotency key of an execution, of version 4. Unique per merchant for ever.
    ReferenceId
    /// Our idempotency key of a payment at its network.
    NetworkRequestId
}

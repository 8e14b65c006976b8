//! Messages to the webhook endpoints of merchants: how they are signed, where they may go, and how
//! they are sent.
//!
//! The address of an endpoint is written by a merchant, so that nothing about it is trusted: not
//! its text, not what its name means from one moment to the next, and not what it answers.

pub mod address;
pub mod sender;
pub mod signature;
pub mod url;

pub use address::{AddressRefused, Reach};
pub use sender::{Answered, Attempt, Failed, FailureKind, Sender};
pub use signature::SigningSecret;
pub use url::{EndpointUrl, UrlRefused};

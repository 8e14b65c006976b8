//! Access tokens.

/// Issues and checks access tokens.
pub struct Tokens {}

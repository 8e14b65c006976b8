//! The server's side of the Supabase Realtime protocol, for clients that nobody changed: the
//! JavaScript `@supabase/supabase-js` and the Python `realtime`.
//!
//! Nothing here opens a socket, looks at a clock, checks a token or reads a database. A host does
//! that: it gives frames and the time to a [`Socket`](socket::Socket) and carries out the
//! [`Action`](socket::Action)s that it is answered.
//!
//! 1. At the handshake the host reads the parameter `vsn` by [`Vsn::read`](frames::Vsn::read) and
//!    checks the `apikey`. It tells its library of websockets to refuse messages above
//!    [`MAX_FRAME`](frames::MAX_FRAME).
//! 2. It answers each `Authorize` by `authorized`, each `TokenChanged` by `token_ok` or
//!    `token_refused`, and calls `tick` at the `deadline`.
//! 3. It gives each [`Change`](record::Change) of a payment to the channels that watch it.

pub mod frames;
pub mod record;
pub mod refusal;
pub mod socket;
pub mod topic;

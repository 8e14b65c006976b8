//! Logins: a browser that somebody has proved to be theirs.

use crate::decision::row::Row;
use crate::kernel::ids::{LoginId, UserId};
use crate::kernel::time::{ServerTime, minutes};
use crate::kernel::uuids::Fingerprint;
use crate::mutant;

/// How long a login lasts.
pub const LASTS: i64 = minutes(12 * 60);
/// A login that was not used for so long is over.
pub const IDLE_MAX: i64 = minutes(60);
/// How long a code is good for what asks for one again.
pub const FRESH_FOR: i64 = minutes(5);
/// Its last use is written no more often.
pub const TOUCHED_EVERY: i64 = minutes(1);

/// A login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    pub id: LoginId,
    pub user_id: UserId,
    /// That of its user when it was opened.
    pub generation: i64,
    /// The fingerprint of the secret in the browser's cookie.
    pub token: Fingerprint,
    /// Where it came from, as the server saw it.
    pub address: String,
    /// What the browser calls itself.
    pub browser: String,
    /// When a code was given last.
    pub second_factor_at: Option<ServerTime>,
    pub created_at: ServerTime,
    pub last_used_at: ServerTime,
    pub ended_at: Option<ServerTime>,
}

impl Login {
    /// Whether it is still good, apart from its user's own limits.
    #[must_use]
    pub fn is_open(&self, now: ServerTime) -> bool {
        self.ended_at.is_none()
            && now < self.until()
            // After the clock was set back the last use is ahead.
            && (now.since(self.last_used_at) < IDLE_MAX || mutant!(IdleGoesOn))
    }

    /// When it is over at the latest.
    #[must_use]
    pub const fn until(&self) -> ServerTime {
        self.created_at.plus(LASTS)
    }

    /// Whether a code was given a moment ago.
    #[must_use]
    pub fn is_fresh(&self, now: ServerTime) -> bool {
        self.second_factor_at.is_some_and(|at| (0..FRESH_FOR).contains(&now.since(at)))
    }
}

impl Row for Login {
    type Id = LoginId;
    type AltKey = Fingerprint;
    const AUTHORIZES: bool = true;

    fn id(&self) -> LoginId {
        self.id
    }

    fn alt_key(&self) -> Option<Fingerprint> {
        Some(self.token)
    }
}

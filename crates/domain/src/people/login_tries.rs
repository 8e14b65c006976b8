//! Limits of wrong passwords and codes.
//!
//! A try is written before the password or code is compared, and taken away when it was right. So no
//! number of guesses at once, over any number of processes, is more than the limit.

use crate::decision::row::Row;
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{LoginTriesId, LoginTryId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{ServerTime, minutes, seconds};
use crate::kernel::uuids::Fingerprint;
use crate::mutant;

/// How long a try counts.
pub const WINDOW: i64 = minutes(15);
/// Wrong tries at one account from one address.
pub const PER_ACCOUNT_AND_ADDRESS: usize = 5;
/// Wrong passwords from one address, whatever the accounts.
pub const PER_ADDRESS: usize = 20;
/// Wrong tries at one account, wherever they come from. More than for one address, so that a stranger
/// does not shut somebody out with a few requests.
pub const PER_ACCOUNT: usize = 50;

/// What was tried in vain lately, or is being tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginTries {
    pub id: LoginTriesId,
    /// The account, the address, or both, by their fingerprint.
    pub subject: Fingerprint,
    pub tries: Tries,
    pub updated_at: ServerTime,
}

/// The tries of the window, oldest first.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tries(pub Vec<LoginTry>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginTry {
    pub id: LoginTryId,
    pub at: ServerTime,
}

impl Row for LoginTries {
    type Id = LoginTriesId;
    type AltKey = Fingerprint;

    fn id(&self) -> LoginTriesId {
        self.id
    }

    fn alt_key(&self) -> Option<Fingerprint> {
        Some(self.subject)
    }
}

/// A reserved try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reserved {
    pub id: LoginTryId,
    subjects: [Option<Fingerprint>; 3],
}

/// What is tried, at the account with this e-mail address.
#[derive(Clone, Copy)]
pub(super) enum Tried<'a> {
    /// The password, by anybody.
    Password(&'a str),
    /// A code, or the password once more, by somebody who has given the password. It counts for the
    /// person alone: what strangers try from the same address keeps nobody from it.
    Code(&'a str),
}

/// The subjects that a try counts against, and how many may be wrong.
fn subjects(
    tried: Tried<'_>,
    address: &str,
    work: &Workspace,
) -> [Option<(Fingerprint, usize)>; 3] {
    let (account, is_strangers) = match tried {
        Tried::Password(email) => (email.to_owned(), true),
        Tried::Code(email) => (format!("code {email}"), false),
    };
    let of = |kind: &str, account: &str, address: &str| {
        // With the installation, so that no list of addresses can be made from the rows elsewhere.
        let parts: [&[u8]; 5] =
            [&work.installation, kind.as_bytes(), account.as_bytes(), b"\n", address.as_bytes()];
        Fingerprint::of(&parts)
    };
    [
        Some((of("BOTH", &account, address), PER_ACCOUNT_AND_ADDRESS)),
        is_strangers.then(|| (of("ADDRESS", "", address), PER_ADDRESS)),
        Some((of("ACCOUNT", &account, ""), PER_ACCOUNT)),
    ]
}

/// The tries that still count.
fn counted(row: &LoginTries, now: ServerTime) -> Vec<LoginTry> {
    // One that is ahead was written before the clock was set back.
    let counts = |one: &&LoginTry| now.since(one.at) < WINDOW;
    row.tries.0.iter().filter(counts).copied().collect()
}

/// Reserves a try.
///
/// # Errors
/// [`Refusal::TooManyLogins`], in the same words for an account that is not there.
pub(super) fn reserve(
    tried: Tried<'_>,
    address: &str,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Reserved, Stop> {
    let id = LoginTryId(work.new_id()?);
    let subjects = subjects(tried, address, work);
    for (subject, most) in subjects.into_iter().flatten() {
        let found = work.find::<LoginTries>(&subject)?;
        let mut tries = found.as_ref().map(|row| counted(row, now)).unwrap_or_default();
        if tries.len() >= most && !mutant!(LoginTriesForgotten) {
            let oldest = tries.iter().map(|one| one.at).min().unwrap_or(now);
            let left = oldest.plus(WINDOW).since(now).max(1);
            return Err(Refusal::TooManyLogins {
                seconds: left.saturating_add(seconds(1) - 1) / seconds(1),
            }
            .into());
        }
        tries.push(LoginTry { id, at: now });
        let row_id = match &found {
            Some(row) => row.id,
            None => LoginTriesId(work.new_id()?),
        };
        work.put(LoginTries { id: row_id, subject, tries: Tries(tries), updated_at: now });
    }
    Ok(Reserved { id, subjects: subjects.map(|counted| counted.map(|(subject, _)| subject)) })
}

/// Forgets the tries at the password of an account, wherever they came from.
pub(super) fn forget(email: &str, work: &mut Workspace, now: ServerTime) -> Result<(), Stop> {
    let [_, _, of_account] = subjects(Tried::Password(email), "", work);
    let Some((subject, _)) = of_account else { return Ok(()) };
    if let Some(row) = work.find::<LoginTries>(&subject)? {
        let tries = Tries::default();
        work.put(LoginTries { tries, updated_at: now, ..(*row).clone() });
    }
    Ok(())
}

/// Takes a try away that was right.
pub(super) fn forgive(
    reserved: Reserved,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    for subject in reserved.subjects.into_iter().flatten() {
        if let Some(row) = work.find::<LoginTries>(&subject)? {
            let mut tries = counted(&row, now);
            tries.retain(|one| one.id != reserved.id || mutant!(RightTryKept));
            work.put(LoginTries { tries: Tries(tries), updated_at: now, ..(*row).clone() });
        }
    }
    Ok(())
}

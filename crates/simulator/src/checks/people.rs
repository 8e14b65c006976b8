//! What is always true of people: who owns a merchant is counted, a merchant that had an owner
//! keeps one, and what people are found by leads to one of them.

use std::collections::BTreeSet;

use domain::directory::roles::Role;
use domain::kernel::ids::{LoginId, MerchantId, UserId};
use domain::kernel::uuids::Fingerprint;
use domain::people::membership::Membership;

use super::{CheckResult, rule};
use crate::db::{Commit, Map};

/// Counts of all commits so far.
#[derive(Default)]
pub struct PeopleChecks {
    owners: Map<MerchantId, i64>,
    /// How many each merchant's row counts, as of the last commit observed.
    counted: Map<MerchantId, i64>,
    /// The merchants that have ever had an owner.
    had_owner: BTreeSet<MerchantId>,
    /// The login of each token, and the person of each e-mail address.
    tokens: Map<Fingerprint, LoginId>,
    emails: Map<String, UserId>,
}

impl PeopleChecks {
    /// Checks a commit.
    pub fn observe(&mut self, commit: &Commit) -> CheckResult {
        let is_owner = |row: &Membership| i64::from(row.role == Some(Role::Owner));
        let mut touched = BTreeSet::new();
        for (_, row) in &commit.changes.merchants {
            self.counted.insert(row.id, row.owners);
            touched.insert(row.id);
        }
        for (before, after) in &commit.changes.memberships {
            let less = before.as_ref().map_or(0, |row| is_owner(row));
            *self.owners.entry(after.merchant_id).or_default() += is_owner(after) - less;
            touched.insert(after.merchant_id);
        }
        for id in touched {
            let owners = self.owners.get(&id).copied().unwrap_or(0);
            let counted = self.counted.get(&id).copied().unwrap_or(0);
            rule(counted == owners, "the owners of a merchant are miscounted", || {
                format!("{owners} and not {counted} of merchant {id}")
            })?;
            if owners > 0 {
                self.had_owner.insert(id);
            }
            rule(
                owners > 0 || !self.had_owner.contains(&id),
                "a merchant has lost its last owner",
                || format!("merchant {id}"),
            )?;
        }
        for (_, row) in &commit.changes.logins {
            let known = *self.tokens.entry(row.token).or_insert(row.id);
            rule(known == row.id, "a token of two logins", || format!("{known} and {row:?}"))?;
        }
        for (_, row) in &commit.changes.users {
            let known = *self.emails.entry(row.email.clone()).or_insert(row.id);
            rule(known == row.id, "an e-mail address of two people", || {
                format!("{known} and {row:?}")
            })?;
        }
        Ok(())
    }
}

//! Compares people, their roles, logins, links and tries with the oracle's model.

use domain::people::invitation::Invitation;
use domain::people::login::Login;
use domain::people::login_tries::LoginTries;
use domain::people::membership::Membership;
use domain::people::user::User;

use super::last;
use crate::checks::{CheckResult, rule};
use crate::db::{Commit, Committed};
use crate::oracle::Model;

const PEOPLE: &str = "oracle: rows of people";

/// Notes the last use of the logins that a batch has changed.
pub fn note_uses(model: &mut Model, commits: &[Commit]) {
    model.people.noted_uses.clear();
    for (_, row) in commits.iter().flat_map(|commit| &commit.changes.logins) {
        model.people.noted_uses.insert(row.id.0, row.last_used_at.0);
    }
}

/// Compares what a batch has changed.
pub fn people(model: &Model, commits: &[Commit]) -> CheckResult {
    for row in last(commits, |commit| &commit.changes.users, |row| row.id.0) {
        user(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.memberships, |row| row.id.0) {
        membership(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.logins, |row| row.id.0) {
        login(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.invitations, |row| row.id.0) {
        invitation(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.login_tries, |row| row.id.0) {
        tries(model, &row)?;
    }
    Ok(())
}

fn user(model: &Model, row: &User) -> CheckResult {
    let known = model.people.users.get(&row.id.0);
    let phones = |row: &User| {
        let secret = row.totp.as_ref().map(|totp| totp.secret.sealed.clone());
        (secret, row.pending_totp.as_ref().map(|pending| pending.sealed.clone()), row.reset)
    };
    let same = known.is_some_and(|known| {
        let known_phones = (known.phone.clone(), known.pending.clone(), known.reset);
        let proofs = (&known.password, known_phones, known.step, &known.recovery);
        let is_disabled = row.disabled_at.is_some();
        (&known.email, known.role, known.is_disabled) == (&row.email, row.role, is_disabled)
            && proofs == (&row.password_hash, phones(row), row.totp_step, &row.recovery_codes.0)
    });
    rule(same, PEOPLE, || format!("{row:?}, {known:?} was expected"))
}

fn membership(model: &Model, row: &Membership) -> CheckResult {
    let known = model.people.members.get(&(row.user_id.0, row.merchant_id.0));
    rule(known == Some(&row.role), PEOPLE, || format!("{row:?}, {known:?} was expected"))
}

fn login(model: &Model, row: &Login) -> CheckResult {
    let known = model.people.logins.get(&row.id.0);
    let same = known.is_some_and(|known| {
        let times = (known.created, known.used, known.code);
        let code = row.second_factor_at.map(|at| at.0);
        (known.user, known.is_ended) == (row.user_id.0, row.ended_at.is_some())
            && times == (row.created_at.0, row.last_used_at.0, code)
    });
    rule(same, PEOPLE, || format!("{row:?}, {known:?} was expected"))
}

fn invitation(model: &Model, row: &Invitation) -> CheckResult {
    let known = model.people.invitations.get(&row.id.0);
    let same = known.is_some_and(|known| {
        (known.token, known.to, known.created, known.is_ended)
            == (row.token, row.to, row.created_at.0, row.ended_at.is_some())
            && known.invited_by == row.invited_by.map(|id| id.0)
    });
    rule(same, PEOPLE, || format!("{row:?}, {known:?} was expected"))
}

fn tries(model: &Model, row: &LoginTries) -> CheckResult {
    let stored: Vec<(i64, i64)> = row.tries.0.iter().map(|one| (one.id.0, one.at.0)).collect();
    rule(model.people.knows_tries(&stored), PEOPLE, || {
        format!("{row:?} was not expected for any account or address")
    })
}

/// Compares all people.
pub fn all_people(model: &Model, rows: &Committed) -> CheckResult {
    for row in rows.users.by_id.values() {
        user(model, row)?;
    }
    for row in rows.memberships.by_id.values() {
        membership(model, row)?;
    }
    for row in rows.logins.by_id.values() {
        login(model, row)?;
    }
    for row in rows.invitations.by_id.values() {
        invitation(model, row)?;
    }
    for row in rows.merchants.by_id.values() {
        let owners = model.people.owners(row.id.0);
        rule(row.owners == owners, PEOPLE, || format!("{row:?}, {owners} owners were expected"))?;
    }
    let people = &model.people;
    let counts = (
        rows.users.by_id.len(),
        rows.memberships.by_id.len(),
        rows.logins.by_id.len(),
        rows.invitations.by_id.len(),
    );
    let known =
        (people.users.len(), people.members.len(), people.logins.len(), people.invitations.len());
    rule(counts == known, PEOPLE, || {
        format!("users, memberships, logins, invitations: {counts:?} and not {known:?}")
    })
}

//! The rows against the oracle's books.

use std::sync::Arc;

use domain::decision::command::{Command, Output};
use domain::exceptions::review::ReviewKind;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::names::FeeBearer;
use domain::ledger::account::{Account, AccountKind};
use domain::ledger::wallet::{Owner, Wallet};
use domain::payments::execute::Executed;
use domain::payments::execution::Execution;
use domain::payments::record_outcome::RecordedOutcome;
use kola::engine::{Failure, Outcome};

use crate::checks::{Checked, rule};
use crate::db::{Changed, Commit, Committed, Map};
use crate::oracle::Books;
use crate::oracle::books::Passcode;

const STORED: &str = "oracle: rows";

/// Wallets that a batch has opened: the oracle must ask for each.
pub fn take_fresh(books: &mut Books, commits: &[Commit]) {
    for (before, wallet) in commits.iter().flat_map(|commit| &commit.changes.wallets) {
        if before.is_none() {
            let party = matches!(wallet.owner(), Owner::Party(_));
            books.fresh.insert((party, wallet.owner_id, wallet.currency), wallet.id.0);
        }
    }
}

/// Deadlines that a batch has found passed.
pub fn take_deadlines(books: &mut Books, commits: &[Commit]) {
    books.fresh_deadlines.clear();
    for (before, review) in commits.iter().flat_map(|commit| &commit.changes.reviews) {
        if before.is_none() && review.kind == ReviewKind::DeadlinePassed {
            books.fresh_deadlines.insert(review.execution_id.0);
        }
    }
}

/// The last state of each row.
fn last<R>(
    commits: &[Commit],
    of: fn(&Commit) -> &Changed<R>,
    id: impl Fn(&R) -> i64,
) -> Vec<Arc<R>> {
    let mut seen: Map<i64, Arc<R>> = Map::default();
    for (_, row) in commits.iter().flat_map(of) {
        seen.insert(id(row), Arc::clone(row));
    }
    seen.into_values().collect()
}

/// What a batch has changed is what the oracle expects.
pub fn rows(books: &mut Books, commits: &[Commit]) -> Checked {
    for (_, review) in commits.iter().flat_map(|commit| &commit.changes.reviews) {
        if books.review_ids.insert(review.id.0, (review.execution_id.0, review.kind)).is_none() {
            books.review_list.push(review.id.0);
        }
    }
    for row in last(commits, |commit| &commit.changes.wallets, |row| row.id.0) {
        books
            .fresh
            .remove(&(matches!(row.owner(), Owner::Party(_)), row.owner_id, row.currency))
            .map_or(Ok(()), |id| {
            let made = books.wallets.contains_key(&id);
            rule(made, STORED, || format!("a wallet was opened without a reason: {row:?}"))
        })?;
        wallet(books, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.accounts, |row| row.id.0) {
        account(books, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.executions, |row| row.id.0) {
        let known = books.executions.get(&row.id.0);
        let refunded = row.refunded_minor + row.over_refunded_minor;
        let cost = row.refunded_total_minor + row.over_refunded_total_minor;
        let stored = (refunded, row.given_back_minor, cost, row.released_minor);
        let same = known.is_some_and(|known| {
            let late = row.settled_by_review_at.is_some();
            let status =
                (known.status, known.disputed, known.late) == (row.status, row.in_review, late);
            let refunds = (known.refunded, known.back, known.cost, known.spare) == stored;
            status
                && refunds
                && known.acts == row.requires_action
                && known.reference == row.reference_id
        });
        let expected = known.map(|known| {
            (
                known.status,
                known.disputed,
                known.acts,
                (known.refunded, known.back, known.cost, known.spare),
            )
        });
        rule(same, STORED, || format!("{expected:?} was expected: {row:?}"))?;
    }
    for row in last(commits, |commit| &commit.changes.sessions, |row| row.id.0) {
        let same = books
            .sessions
            .get(&row.id.0)
            .is_some_and(|known| known.status == row.status && known.kind == row.kind);
        rule(same, STORED, || format!("{row:?}"))?;
    }
    for row in last(commits, |commit| &commit.changes.sources, |row| row.id.0) {
        let known = books.sources.get(&row.id.0);
        let same = known.is_some_and(|known| {
            (known.status, known.total, known.bearer)
                == (row.status, row.total_minor, row.fee_bearer)
        });
        let same = same && usize::try_from(row.open_reviews) == Ok(books.in_review(row.id.0));
        rule(same, STORED, || {
            format!("{row:?}, {:?} was expected", known.map(|known| (known.status, known.total)))
        })?;
    }
    for row in last(commits, |commit| &commit.changes.reviews, |row| row.id.0) {
        let known = books.reviews.get(&(row.execution_id.0, row.kind));
        let open = row.status == domain::exceptions::review::ReviewStatus::Open;
        let same = known.is_some_and(|known| {
            (known.amount, known.currency, known.open)
                == (row.amount.minor, row.amount.currency, open)
        });
        rule(same, STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.merchants, |row| row.id.0) {
        let known = books
            .merchants
            .get(&row.id.0)
            .map(|known| (known.verified, known.payee_bears, known.offset));
        let stored = (row.verified, row.fee_bearer == FeeBearer::Payee, row.clock_offset_us);
        rule(known == Some(stored), STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.passcodes, |row| row.merchant_id.0) {
        let known =
            books.merchants.get(&row.merchant_id.0).and_then(|known| known.passcode.clone());
        let tries =
            row.tries.0.iter().map(|one| (one.id.0, one.key.0, one.at.0, one.wrong)).collect();
        let stored = Passcode { hash: row.hash().map(str::to_owned), tries };
        rule(known.as_ref() == Some(&stored), STORED, || {
            format!("{row:?}, {known:?} was expected")
        })?;
    }
    Ok(())
}

fn wallet(books: &Books, row: &Wallet) -> Checked {
    let known = books.wallets.get(&row.id.0);
    let stored =
        (row.available_minor, row.held_minor, row.incoming_minor, row.status, row.currency);
    let own = |known: &crate::oracle::books::Wallet| {
        (known.available, known.held, known.incoming, known.status, known.currency)
    };
    let expected = known.map(own);
    let same = expected == Some(stored);
    rule(same, STORED, || format!("{row:?}, {expected:?} was expected"))
}

fn account(books: &Books, row: &Account) -> Checked {
    let known =
        books.system.get(&(row.merchant_id.0, row.kind, row.currency)).copied().unwrap_or(0);
    rule(known == row.balance_minor, STORED, || format!("{row:?}, {known} was expected"))
}

/// Everything that is stored is what the oracle expects.
pub fn everything(books: &Books, rows: &Committed) -> Checked {
    for row in rows.wallets.by_id.values() {
        wallet(books, row)?;
    }
    for row in rows.accounts.by_id.values() {
        account(books, row)?;
    }
    for (id, known) in &books.executions {
        let row = rows.executions.by_id.get(&ExecutionId(*id));
        let same = row.is_some_and(|row| {
            row.status == known.status && row.settled_by_review_at.is_some() == known.late
        });
        rule(same, STORED, || format!("execution {id} is {row:?}, {} was expected", known.status))?;
    }
    let counts = (
        rows.executions.by_id.len(),
        rows.sessions.by_id.len(),
        rows.wallets.by_id.len(),
        rows.reviews.by_id.len(),
    );
    let known =
        (books.executions.len(), books.sessions.len(), books.wallets.len(), books.reviews.len());
    rule(counts == known, STORED, || {
        format!("executions, sessions, wallets, reviews: {counts:?}, {known:?} were expected")
    })
}

/// What was acknowledged is there.
pub fn exists(outcome: &Outcome, rows: &Committed) -> Checked {
    let Ok(answer) = outcome else { return Ok(()) };
    let there = match answer {
        Output::Executed(done) => rows.executions.get(done.execution.id).is_some(),
        Output::OutcomeRecorded(done) => rows.executions.get(done.execution.id).is_some(),
        Output::Session(row) => rows.sessions.get(row.id).is_some(),
        Output::Source(row) => rows.sources.get(row.id).is_some(),
        Output::Item(row) => rows.items.get(row.id).is_some(),
        Output::Party(row) => rows.parties.get(row.id).is_some(),
        Output::Counterparty(row) => rows.counterparties.get(row.id).is_some(),
        Output::Account(row) => rows.payment_accounts.get(row.id).is_some(),
        Output::Wallet(row) => rows.wallets.get(row.id).is_some(),
        Output::Merchant(row, _) | Output::UpdatedMerchant(row) => {
            rows.merchants.get(row.id).is_some()
        }
        Output::ApiKey(row) => rows.api_keys.get(row.id).is_some(),
        Output::Checkout(made) => rows.sources.get(made.source.id).is_some(),
        Output::Page(row) => rows.checkout_configs.get(row.id).is_some(),
        Output::Review(row) => rows.reviews.get(row.id).is_some(),
        Output::Done
        | Output::Changed(_)
        | Output::Passcode(_)
        | Output::Time(_)
        | Output::Claimed(_) => true,
    };
    rule(there, "what was acknowledged is not there", || format!("{answer:?}"))
}

/// What a client reads who was not told whether its request was carried out, as far as this batch's
/// commits did it.
pub fn find_out(command: &Command, commits: &[Commit], rows: &Committed) -> Outcome {
    match command {
        Command::Execute(request) => {
            let found = rows.executions.named(&(request.merchant_id, request.reference_id.clone()));
            // One that another process has recorded since is told with that process's batch.
            let changes = || commits.iter().flat_map(|commit| &commit.changes.executions);
            let own = |id: ExecutionId| {
                changes().any(|(before, after)| before.is_none() && after.id == id)
            };
            let fits = found.filter(|row| row.session_id == request.session_id && own(row.id));
            let done = |row: &Arc<Execution>| Executed {
                execution: (**row).clone(),
                replayed: false,
                call: None,
            };
            fits.map(|row| Output::Executed(Box::new(done(row)))).ok_or(Failure::Unknown)
        }
        Command::RecordOutcome(id, _) => {
            let done =
                |row: &Arc<Execution>| RecordedOutcome { execution: (**row).clone(), call: None };
            rows.executions
                .get(*id)
                .map(|row| Output::OutcomeRecorded(Box::new(done(row))))
                .ok_or(Failure::Unknown)
        }
        _ => Err(Failure::Unknown),
    }
}

/// Nothing is under way any more.
pub fn settled(rows: &Committed) -> Checked {
    for row in rows.executions.by_id.values() {
        rule(row.status.is_final(), "an execution that never ends", || format!("{row:?}"))?;
    }
    for row in rows.wallets.by_id.values() {
        rule(row.held_minor == 0, "a hold that is never settled", || format!("{row:?}"))?;
        rule(row.incoming_minor == 0, "a wallet that waits for ever", || format!("{row:?}"))?;
    }
    for row in rows.accounts.by_id.values() {
        let fine = row.kind != AccountKind::Suspense || row.balance_minor == 0;
        rule(fine, "suspense without a review", || format!("{row:?}"))?;
    }
    Ok(())
}

/// What providers hold is what the clearing accounts say.
pub fn outside(rows: &Committed, truth: &Map<(MerchantId, AccountKind, Currency), i64>) -> Checked {
    let clearing = [AccountKind::ClearingPawaPay, AccountKind::ClearingStripe];
    let mut differences: Map<(MerchantId, AccountKind, Currency), i64> = truth.clone();
    for row in rows.accounts.by_id.values().filter(|row| clearing.contains(&row.kind)) {
        *differences.entry((row.merchant_id, row.kind, row.currency)).or_default() +=
            row.balance_minor;
    }
    for (place, difference) in differences {
        rule(difference == 0, "clearing is not what providers hold", || {
            format!("{place:?}: {difference}")
        })?;
    }
    Ok(())
}

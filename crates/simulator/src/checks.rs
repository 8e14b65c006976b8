//! Invariants of the rows, checked with every change, and recomputed from the beginning from time to
//! time.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::decision::event::{Actor, EventEntity, EventType};
use domain::exceptions::review::{Review, ReviewKind, ReviewStatus};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    AccountId, ExecutionId, MerchantId, PaymentLinkId, SessionId, SourceId, WalletId,
};
use domain::kernel::names::{Operation, Provider};
use domain::ledger::account::{Account, AccountKind, Bucket, Entry};
use domain::ledger::wallet::{Owner, Wallet};
use domain::payments::attempt::ProviderAttempt;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::session::SessionStatus;
use domain::sales::payment_link::{LinkStatus, PaymentLink};
use domain::sales::source::SourceStatus;

use crate::db::{Commit, Committed, Map};

mod attempts;
mod batches;
mod exchange_gains;
mod page_payments;
mod people;

/// A broken rule, and the rows that break it.
#[derive(Clone, Default, Debug)]
pub struct Violation {
    pub check: &'static str,
    pub what: String,
}

pub type CheckResult = Result<(), Violation>;

/// A violation, unless the rule `holds`.
pub fn rule(holds: bool, check: &'static str, what: impl FnOnce() -> String) -> CheckResult {
    if holds { Ok(()) } else { Err(Violation { check, what: what() }) }
}

/// Sums and indexes of all entries and rows so far.
#[derive(Default)]
pub struct Checks {
    entries: Vec<Entry>,
    balances: Map<(i64, Bucket), i64>,
    last: Map<i64, i64>,
    session_of: Map<SessionId, ExecutionId>,
    held: Map<WalletId, i64>,
    /// What open collections will bring, by merchant and currency.
    incoming: Map<(MerchantId, Currency), i64>,
    /// The reviews that are about money.
    reviews: Map<(ExecutionId, ReviewKind), Arc<Review>>,
    /// How much each refund takes of its payment, for refunds without reviews of money; and their
    /// sums by payment.
    plain: Map<ExecutionId, i64>,
    refunded: Map<ExecutionId, i64>,
    /// Of each source the number of collections that are open, completed, and settled by a review.
    collections: Map<SourceId, (i64, i64, i64)>,
    /// Of each payment link the number of orders that are being collected for, that are paid, and of
    /// the latter those that only a review has settled.
    uses: Map<PaymentLinkId, (i64, i64, i64)>,
    /// The payment links as of the last commit observed.
    links: Map<PaymentLinkId, Arc<PaymentLink>>,
    open_suspense: Map<(MerchantId, Currency), i64>,
    exchange_gains: exchange_gains::ExchangeGains,
    /// The executions, and the attempts at networks, as of the last commit observed.
    executions: Map<ExecutionId, Arc<Execution>>,
    attempts: Map<ExecutionId, Arc<ProviderAttempt>>,
    /// Of each merchant the position of the last event.
    positions: Map<MerchantId, i64>,
    /// Of each entity the sequence of the last event.
    sequences: Map<i64, i64>,
    people: people::PeopleChecks,
    batches: batches::BatchChecks,
}

const fn is_open(status: ExecutionStatus) -> bool {
    matches!(status, ExecutionStatus::Pending | ExecutionStatus::Processing)
}

impl Checks {
    /// Checks a commit. Of the executions in `heard` it may have recorded an outcome; `actors`
    /// asked for what is in it.
    pub fn observe(
        &mut self,
        commit: Commit,
        rows: &Committed,
        heard: &BTreeSet<ExecutionId>,
        actors: &[Actor],
    ) -> CheckResult {
        self.batches.observe(&commit, rows)?;
        self.entries_balance(&commit.entries)?;
        self.exchange_gains.observe(&commit)?;
        for (before, after) in &commit.changes.reviews {
            self.review(before.as_deref(), after);
        }
        for (before, after) in &commit.changes.executions {
            self.execution(before.as_deref(), after, &commit, rows)?;
        }
        self.attempts(&commit, rows, heard)?;
        page_payments::observe(&commit, rows)?;
        for (before, after) in &commit.changes.executions {
            self.room(before.is_none(), after, rows)?;
        }
        for (_, wallet) in &commit.changes.wallets {
            self.wallet(wallet)?;
        }
        for (_, account) in &commit.changes.accounts {
            self.account(account)?;
            Self::clearing_account(account, rows)?;
        }
        self.cleared_at_network(&commit.entries, rows)?;
        for (before, after) in &commit.changes.sessions {
            let moved = before.as_ref().is_none_or(|row| {
                row.status == SessionStatus::Active || row.status == after.status
            });
            rule(moved, "a session's final state changed", || format!("{before:?} -> {after:?}"))?;
            let executed = after.status == SessionStatus::Executed;
            rule(
                executed == self.session_of.contains_key(&after.id),
                "session and execution contradict each other",
                || format!("{after:?}"),
            )?;
            let kind = match (before, after.status) {
                (None, _) => Some(EventType::SessionCreated),
                (Some(row), status) if row.status == status => None,
                (_, SessionStatus::Expired) => Some(EventType::SessionExpired),
                (_, SessionStatus::Canceled) => Some(EventType::SessionCanceled),
                _ => None,
            };
            has_event(&commit, kind, EventEntity::Session, after.id.0)?;
        }
        self.sources(&commit)?;
        self.payment_links(&commit)?;
        self.people.observe(&commit)?;
        self.events(&commit, actors)?;
        self.entries.extend(commit.entries);
        Ok(())
    }

    /// Commits are observed in their order. So a reader that goes forward by positions misses no
    /// event if each has the position after the merchant's last one.
    fn events(&mut self, commit: &Commit, actors: &[Actor]) -> CheckResult {
        for event in &commit.events {
            let position = self.positions.entry(event.merchant_id).or_default();
            *position += 1;
            rule(event.position == *position, "an event is not at the next position", || {
                format!("{position} and not {event:?}")
            })?;
            let sequence = self.sequences.entry(event.entity_id).or_default();
            *sequence += 1;
            rule(event.sequence == *sequence, "an event is not the next of its entity", || {
                format!("{sequence} and not {event:?}")
            })?;
            // Other kinds may have several actors.
            let expected = match event.kind {
                EventType::SessionCreated | EventType::ExecutionPending => {
                    Some(page_payments::who_begins(commit, event))
                }
                EventType::SessionCanceled => Some(Actor::Operator),
                EventType::SessionExpired => Some(Actor::System),
                // At the sandbox's card page it is the payer from whom the outcome is heard.
                EventType::ReviewUpdated if event.actor == Some(Actor::Payer) => event.actor,
                EventType::ExecutionProcessing
                | EventType::ExecutionRequiresAction
                | EventType::ReviewUpdated => Some(Actor::Network),
                _ => event.actor,
            };
            // People and programs stand for merchants, if they have asked.
            let is_named = matches!(event.actor, Some(Actor::User(_) | Actor::ApiKey(_)));
            let has_asked = event.actor.as_ref().is_some_and(|actor| actors.contains(actor));
            let stands_for = is_named && expected == Some(Actor::Operator);
            rule(
                event.actor.is_some()
                    && (event.actor == expected || stands_for)
                    && (has_asked || !is_named),
                "an event has another actor than who asked for it",
                || format!("{event:?}"),
            )?;
        }
        Ok(())
    }

    fn sources(&self, commit: &Commit) -> CheckResult {
        for (before, after) in &commit.changes.sources {
            let (open, done, late) = self.collections.get(&after.id).copied().unwrap_or_default();
            let paid = after.status == SourceStatus::Paid;
            // A source that was canceled or already paid may have late successes too.
            let pays = if paid { done + late > 0 } else { done == 0 };
            let is_told = late == 0 || paid || after.status == SourceStatus::Canceled;
            rule(
                pays && is_told && done <= 1,
                "paid without a collection, or a collection that does not pay",
                || format!("{done} and {late} of {after:?}"),
            )?;
            let fits = (after.status == SourceStatus::Processing) == (open == 1) && open <= 1;
            rule(fits, "in process without exactly one open collection", || {
                format!("{open} of {after:?}")
            })?;
            let same = before.as_ref().is_some_and(|row| row.status == after.status);
            let kind = match after.status {
                _ if same => None,
                SourceStatus::Paid => Some(EventType::SourcePaid),
                SourceStatus::Canceled => Some(EventType::SourceCanceled),
                _ => None,
            };
            has_event(commit, kind, EventEntity::Source, after.id.0)?;
        }
        for (_, execution) in &commit.changes.executions {
            if let Some(source) = execution.source_id() {
                let (open, done, late) = self.collections.get(&source).copied().unwrap_or_default();
                let once = open + done <= 1 && (open == 0 || late == 0);
                rule(once, "a source is collected for twice", || {
                    format!("{open} + {done}, {late} of {source}")
                })?;
            }
        }
        Ok(())
    }

    /// A link is never paid more often than it may be, except by what an operator has settled.
    fn payment_links(&mut self, commit: &Commit) -> CheckResult {
        let changed = commit.changes.payment_links.iter().map(|(_, link)| (link.id, link));
        self.links.extend(changed.clone().map(|(id, link)| (id, Arc::clone(link))));
        let mut used: Vec<PaymentLinkId> = changed.map(|(id, _)| id).collect();
        for (before, after) in &commit.changes.sources {
            let Some(link) = after.payment_link_id else { continue };
            let (_, done, _) = self.collections.get(&after.id).copied().unwrap_or_default();
            let counts = self.uses.entry(link).or_default();
            let old = before.as_ref().map(|row| row.status);
            counts.0 -= i64::from(old == Some(SourceStatus::Processing));
            counts.0 += i64::from(after.status == SourceStatus::Processing);
            if after.status == SourceStatus::Paid && old != Some(SourceStatus::Paid) {
                counts.1 += 1;
                counts.2 += i64::from(done == 0);
            }
            used.push(link);
        }
        for id in used {
            let (reserved, paid, late) = self.uses.get(&id).copied().unwrap_or_default();
            let row = self.links.get(&id);
            let counted =
                row.is_some_and(|row| (row.uses_reserved, row.uses_paid) == (reserved, paid));
            rule(counted, "the uses of a payment link differ from its orders", || {
                format!("{reserved} and {paid}: {row:?}")
            })?;
            let most = row.and_then(|row| row.max_uses).unwrap_or(i64::MAX);
            rule(reserved + paid - late <= most, "a payment link is used too often", || {
                format!("{reserved} and {paid}, {late} late: {row:?}")
            })?;
        }
        for (before, after) in &commit.changes.payment_links {
            let is_new = before.is_none();
            let ended = after.status == LinkStatus::Deactivated
                && before.as_ref().is_some_and(|row| row.status == LinkStatus::Active);
            let paid = |row: &PaymentLink| row.max_uses.is_some_and(|most| row.uses_paid >= most);
            let used_up = paid(after) && before.as_ref().is_some_and(|row| !paid(row));
            for (happened, kind) in [
                (is_new, EventType::PaymentLinkCreated),
                (ended, EventType::PaymentLinkDeactivated),
                (used_up, EventType::PaymentLinkUsedUp),
            ] {
                let kind = Some(kind).filter(|_| happened);
                has_event(commit, kind, EventEntity::PaymentLink, after.id.0)?;
            }
        }
        Ok(())
    }

    fn entries_balance(&mut self, entries: &[Entry]) -> CheckResult {
        for transaction in entries.chunk_by(|a, b| a.transaction_id == b.transaction_id) {
            for entry in transaction {
                let same = transaction.iter().filter(|other| other.currency == entry.currency);
                let sum: i64 = same.map(|other| other.amount_minor).sum();
                rule(sum == 0, "a transaction does not balance", || {
                    format!("{sum} {}: {transaction:?}", entry.currency)
                })?;
            }
        }
        for entry in entries {
            let balance = self.balances.entry((entry.account_id, entry.bucket)).or_default();
            *balance += entry.amount_minor;
            rule(*balance == entry.balance_minor, "an entry's balance is not the sum", || {
                format!("{balance}: {entry:?}")
            })?;
            if entry.bucket != Bucket::System {
                let last = self.last.insert(entry.account_id, entry.id.0);
                rule(
                    last == entry.previous_entry_id.map(|id| id.0),
                    "a wallet's chain is broken",
                    || format!("{entry:?}"),
                )?;
            }
        }
        Ok(())
    }

    fn balance(&self, id: i64, bucket: Bucket) -> i64 {
        self.balances.get(&(id, bucket)).copied().unwrap_or(0)
    }

    fn wallet(&self, wallet: &Wallet) -> CheckResult {
        let fold =
            (self.balance(wallet.id.0, Bucket::Available), self.balance(wallet.id.0, Bucket::Held));
        let stored = (wallet.available_minor, wallet.held_minor);
        rule(fold == stored, "a wallet is not the sum of its entries", || {
            format!("{fold:?}: {wallet:?}")
        })?;
        rule(stored.0 >= 0 && stored.1 >= 0, "a wallet below zero", || format!("{wallet:?}"))?;
        let held = self.held.get(&wallet.id).copied().unwrap_or(0);
        rule(held == stored.1, "held money that no open execution holds", || {
            format!("{held}: {wallet:?}")
        })?;
        let brought = match wallet.owner() {
            Owner::Merchant(merchant) => {
                self.incoming.get(&(merchant, wallet.currency)).copied().unwrap_or(0)
            }
            Owner::Party(_) => 0,
        };
        let awaits = wallet.incoming_minor;
        rule(brought == awaits, "money on its way in that no open collection brings", || {
            format!("{brought}: {wallet:?}")
        })?;
        let closed = wallet.status == domain::ledger::wallet::WalletStatus::Closed;
        rule(!closed || stored == (0, 0), "a closed wallet with money", || format!("{wallet:?}"))
    }

    fn account(&self, account: &Account) -> CheckResult {
        let fold = self.balance(account.id.0, Bucket::System);
        rule(fold == account.balance_minor, "an account is not the sum of its entries", || {
            format!("{fold}: {account:?}")
        })?;
        let open =
            self.open_suspense.get(&(account.merchant_id, account.currency)).copied().unwrap_or(0);
        let fits = account.kind != AccountKind::Suspense || open == account.balance_minor;
        rule(fits, "suspense is not what open reviews say", || format!("{open}: {account:?}"))
    }

    /// The money of a merchant's payments is with the network accounts of its mode.
    fn clearing_account(account: &Account, rows: &Committed) -> CheckResult {
        let AccountKind::Clearing(id) = account.kind else { return Ok(()) };
        // What its statements say beyond the payments belongs to no merchant.
        if account.merchant_id == MerchantId::INSTALLATION {
            return Ok(());
        }
        let mode = rows.merchants.get(account.merchant_id).map(|merchant| merchant.mode);
        let fits = mode.is_some_and(|mode| {
            [Provider::PawaPay, Provider::Stripe]
                .into_iter()
                .any(|provider| attempts::is_account_of(id, provider, mode, rows))
        });
        rule(fits, "a clearing account of another mode's network account", || {
            format!("{account:?} of a {mode:?} merchant")
        })
    }

    /// What is booked of an execution on a clearing account is booked on that of its attempt.
    fn cleared_at_network(&self, entries: &[Entry], rows: &Committed) -> CheckResult {
        for entry in entries.iter().filter(|entry| entry.bucket == Bucket::System) {
            let account = rows.accounts.get(AccountId(entry.account_id));
            let account = account.filter(|account| account.merchant_id != MerchantId::INSTALLATION);
            let Some(AccountKind::Clearing(id)) = account.map(|account| account.kind) else {
                continue;
            };
            let attempt = entry.execution_id.and_then(|id| self.attempts.get(&id));
            rule(
                attempt.is_some_and(|attempt| attempt.network_account_id == id),
                "cleared with another network account than the attempt's",
                || format!("{entry:?} of {attempt:?}"),
            )?;
        }
        Ok(())
    }

    fn execution(
        &mut self,
        before: Option<&Execution>,
        after: &Execution,
        commit: &Commit,
        rows: &Committed,
    ) -> CheckResult {
        if let Some(before) = before {
            let last = before.status.is_final();
            rule(!last || before.status == after.status, "a final state changed", || {
                format!("{before:?} -> {after:?}")
            })?;
            let fixed = |row: &Execution| {
                (row.payer, row.payee, row.total_minor, row.session_id, row.rate, row.provider)
            };
            rule(fixed(before) == fixed(after), "an execution's figures changed", || {
                format!("{before:?} -> {after:?}")
            })?;
        } else {
            let other = self.session_of.insert(after.session_id, after.id);
            rule(other.is_none(), "a session was executed twice", || {
                format!("{other:?} and {after:?}")
            })?;
            if let Some(session) = rows.sessions.get(after.session_id) {
                let used = session.status == SessionStatus::Executed;
                rule(used, "session and execution contradict each other", || {
                    format!("{session:?} {after:?}")
                })?;
                let in_time = after.created_at < session.expires_at;
                rule(in_time, "an expired session was executed", || {
                    format!("{session:?} {after:?}")
                })?;
            }
        }
        rule(
            after.waiting_for.is_some() == is_open(after.status),
            "open without a reason and a due time, or final with one",
            || format!("{after:?}"),
        )?;
        rule(
            after.refunds().refunded_minor <= after.payer.minor,
            "refunds exceed their payment",
            || format!("{after:?}"),
        )?;
        self.count(before, -1);
        self.count(Some(after), 1);
        if let Some(payment) = after.original_execution_id() {
            let plain = after.status != ExecutionStatus::Failed
                && self.reviews_of(after.id).next().is_none();
            let takes = if plain { after.payee.minor } else { 0 };
            let before = self.plain.insert(after.id, takes).unwrap_or(0);
            *self.refunded.entry(payment).or_default() += takes - before;
        }
        let changed = before.is_none_or(|before| before.status != after.status);
        let kind = match after.status {
            _ if !changed => None,
            ExecutionStatus::Pending => Some(EventType::ExecutionPending),
            ExecutionStatus::Processing => Some(EventType::ExecutionProcessing),
            ExecutionStatus::Completed => Some(EventType::ExecutionCompleted),
            ExecutionStatus::Failed => Some(EventType::ExecutionFailed),
        };
        let settled = after.settled_by_review_at();
        let was_settled = before.and_then(Execution::settled_by_review_at);
        rule(
            was_settled.is_none() || settled == was_settled,
            "a settlement was taken back",
            || format!("{after:?}"),
        )?;
        if settled != was_settled {
            let fits = after.operation() == Operation::Collection
                && after.status == ExecutionStatus::Failed;
            rule(fits, "settled by a review, and no collection that failed", || {
                format!("{after:?}")
            })?;
            has_event(
                commit,
                Some(EventType::ExecutionSettled),
                EventEntity::Execution,
                after.id.0,
            )?;
        }
        has_event(commit, kind, EventEntity::Execution, after.id.0)
    }

    /// A refund may begin only where all refunds of its payment together do not exceed it.
    fn room(&self, begins: bool, refund: &Execution, rows: &Committed) -> CheckResult {
        let Some(id) = refund
            .original_execution_id()
            .filter(|_| begins && refund.status != ExecutionStatus::Failed)
        else {
            return Ok(());
        };
        let sum = self.refunded.get(&id).copied().unwrap_or(0);
        let paid = rows.executions.get(id).map_or(0, |row| row.payer.minor);
        rule(sum <= paid, "refunds exceed their payment", || format!("{sum} of {paid}: {refund:?}"))
    }

    /// The reviews of an execution that are about money.
    fn reviews_of(&self, id: ExecutionId) -> impl Iterator<Item = &Arc<Review>> {
        let kinds = [
            ReviewKind::SuccessAfterFailure,
            ReviewKind::FailureAfterSuccess,
            ReviewKind::AmountMismatch,
            ReviewKind::Dispute,
        ];
        kinds.into_iter().filter_map(move |kind| self.reviews.get(&(id, kind)))
    }

    /// How much the payer of a payment has back because of this refund, or because the provider took
    /// the payment back.
    fn refunded_by(&self, row: &Execution) -> i64 {
        let reviews: Vec<_> = self.reviews_of(row.id).collect();
        let is_refund = row.operation() == Operation::Refund;
        let completed = row.status == ExecutionStatus::Completed;
        let late = row.settled_by_review_at().is_some();
        let was_paid = (completed || late) && row.operation() == Operation::Collection;
        if !is_refund && !was_paid {
            return 0;
        }
        let asked = if is_refund { row.payee } else { row.payer };
        let kept = |review: &Arc<Review>| {
            let again = review.earlier_minor - review.earlier_returned_minor;
            again
                + if review.resolution.as_deref() == Some("to payer") {
                    0
                } else {
                    review.amount.minor
                }
        };
        let mut sums: Map<Currency, i64> = Map::default();
        for review in &reviews {
            *sums.entry(review.amount.currency).or_default() += kept(review);
        }
        let own = sums.remove(&asked.currency).unwrap_or(0);
        let has = if (is_refund && completed) || late { asked.minor } else { 0 } - own;
        let open = completed && reviews.iter().any(|review| review.status == ReviewStatus::Open);
        let fixed =
            is_refund && (open || is_open(row.status) || sums.values().any(|sum| *sum != 0));
        let least = if fixed { asked.minor } else { 0 };
        has.max(least)
    }

    /// Adds (`sign` 1) or subtracts (-1) what an execution holds and collects.
    fn count(&mut self, row: Option<&Execution>, sign: i64) {
        let Some(row) = row else { return };
        let open = is_open(row.status);
        if let (true, Operation::Payout | Operation::Refund | Operation::Transfer, Some(wallet)) =
            (open, row.operation(), row.wallet_id())
        {
            *self.held.entry(wallet).or_default() += sign * row.payer.minor;
        }
        if let (true, Operation::Collection, Provider::PawaPay | Provider::Stripe) =
            (open, row.operation(), row.provider)
        {
            *self.incoming.entry((row.merchant_id, row.payee.currency)).or_default() +=
                sign * row.payee.minor;
        }
        if let (Some(source), Operation::Collection) = (row.source_id(), row.operation()) {
            let counts = self.collections.entry(source).or_default();
            counts.0 += if open { sign } else { 0 };
            counts.1 += if row.status == ExecutionStatus::Completed { sign } else { 0 };
            counts.2 += if row.settled_by_review_at().is_some() { sign } else { 0 };
        }
    }

    fn review(&mut self, before: Option<&Review>, after: &Arc<Review>) {
        if after.kind != ReviewKind::DeadlinePassed {
            self.reviews.insert((after.execution_id, after.kind), Arc::clone(after));
        }
        for (row, sign) in before.map(|row| (row, -1)).into_iter().chain([(&**after, 1)]) {
            if row.status == ReviewStatus::Open {
                *self.open_suspense.entry((row.merchant_id, row.amount.currency)).or_default() +=
                    sign * row.amount.minor;
            }
        }
    }

    /// What was booked on clearing accounts for each execution.
    pub fn cleared(&self, rows: &Committed) -> Map<(ExecutionId, Currency), i64> {
        let is_clearing = |entry: &&Entry| {
            let account = rows.accounts.get(AccountId(entry.account_id));
            entry.bucket == Bucket::System
                && account.is_some_and(|account| matches!(account.kind, AccountKind::Clearing(_)))
        };
        let mut sums: Map<(ExecutionId, Currency), i64> = Map::default();
        for entry in self.entries.iter().filter(is_clearing) {
            if let Some(id) = entry.execution_id {
                *sums.entry((id, entry.currency)).or_default() += entry.amount_minor;
            }
        }
        sums
    }

    /// Checks at the end of a run that every batch is chained.
    pub fn all_chained(&self, rows: &Committed) -> CheckResult {
        self.batches.all_chained(rows)
    }

    /// Recomputes everything from the beginning.
    pub fn recompute(&self, rows: &Committed) -> CheckResult {
        let mut balances: Map<(i64, Bucket), i64> = Map::default();
        for entry in &self.entries {
            *balances.entry((entry.account_id, entry.bucket)).or_default() += entry.amount_minor;
        }
        rule(balances == self.balances, "the fold of all entries is another", || {
            "balances differ".to_owned()
        })?;
        for wallet in rows.wallets.by_id.values() {
            self.wallet(wallet)?;
        }
        for account in rows.accounts.by_id.values() {
            self.account(account)?;
        }
        for review in rows.reviews.by_id.values() {
            let execution = rows.executions.get(review.execution_id);
            let open = review.status == ReviewStatus::Open;
            let over = execution.is_some_and(|row| row.status.is_final());
            let fine = !open || review.kind != ReviewKind::DeadlinePassed || !over;
            rule(fine, "a passed deadline of what is final", || {
                format!("{review:?} of {execution:?}")
            })?;
            let in_review = execution.is_some_and(|row| row.in_review)
                || review.kind == ReviewKind::DeadlinePassed;
            rule(!open || in_review, "an open dispute without its mark", || {
                format!("{review:?} of {execution:?}")
            })?;
        }
        self.totals(rows)
    }

    fn totals(&self, rows: &Committed) -> CheckResult {
        let mut totals: Map<SourceId, i64> = Map::default();
        for item in rows.items.by_id.values().filter(|item| !item.removed) {
            *totals.entry(item.source_id).or_default() += item.qty * item.amount_minor;
        }
        let mut numbers: Map<_, i64> = Map::default();
        for source in rows.sources.by_id.values() {
            let total = totals.get(&source.id).copied().unwrap_or(0);
            rule(total == source.total_minor, "a total is not the sum of the items", || {
                format!("{total}: {source:?}")
            })?;
            *numbers
                .entry((
                    source.merchant_id,
                    source.kind,
                    source.number.get(4..8).unwrap_or("").to_owned(),
                ))
                .or_default() += 1;
        }
        for counter in rows.counters.by_id.values() {
            let made = numbers
                .get(&(counter.merchant_id, counter.kind, counter.year.to_string()))
                .copied()
                .unwrap_or(0);
            rule(made == counter.last, "numbers with a gap", || format!("{made}: {counter:?}"))?;
        }
        let mut taken: Map<ExecutionId, i64> = Map::default();
        for execution in rows.executions.by_id.values() {
            self.figures(execution)?;
            Self::share(execution)?;
            let payment = execution.original_execution_id().unwrap_or(execution.id);
            *taken.entry(payment).or_default() += self.refunded_by(execution);
        }
        for (id, taken) in taken {
            let row = rows.executions.get(id);
            let said = row.is_some_and(|row| {
                let totals = row.refunds();
                totals.refunded_minor == taken.min(row.payer.minor)
                    && totals.refunded_minor + totals.over_refunded_minor == taken
            });
            rule(said, "refunds differ from what their payment says", || {
                format!("{taken}: {row:?}")
            })?;
        }
        Ok(())
    }

    /// However many refunds a payment has had, its wallet has paid the share of what is given back,
    /// rounded up once.
    fn share(row: &Execution) -> CheckResult {
        let totals = row.refunds();
        let inside =
            i128::from(row.rate.den()) * i128::from(row.wallet_currency().minor_per_major());
        let outside = i128::from(row.rate.num()) * i128::from(row.payer.currency.minor_per_major());
        let share = (i128::from(totals.given_back_minor) * inside + outside - 1) / outside;
        let cost =
            i128::from(totals.refunded_total_minor) + i128::from(totals.over_refunded_total_minor);
        let usual =
            row.operation() == Operation::Collection && totals.given_back_minor <= row.payer.minor;
        let fair = !usual || cost == share.min(row.total_minor.into());
        rule(fair, "refunds that did not cost their share", || format!("{share}: {row:?}"))
    }

    fn figures(&self, row: &Arc<Execution>) -> CheckResult {
        let fees = row.platform_fee_minor + row.gateway_fee_minor + row.fx_fee_minor;
        let between = match row.operation() {
            Operation::Collection => row.total_minor - row.payee.minor,
            Operation::Refund => 0,
            Operation::Payout | Operation::Transfer => row.payer.minor - row.payee.minor,
        };
        let released =
            row.operation() == Operation::Refund && row.status == ExecutionStatus::Completed;
        rule(
            fees == between && (released || row.released_minor() == 0),
            "figures that do not add up",
            || format!("{row:?}"),
        )?;
        let recorded = self.session_of.get(&row.session_id) == Some(&row.id);
        rule(recorded, "a session was executed twice", || format!("{row:?}"))
    }
}

fn has_event(
    commit: &Commit,
    kind: Option<EventType>,
    subject: EventEntity,
    id: i64,
) -> CheckResult {
    let Some(kind) = kind else { return Ok(()) };
    let found = commit
        .events
        .iter()
        .any(|event| event.kind == kind && event.entity == subject && event.entity_id == id);
    rule(found, "an event is missing", || format!("{kind} of {id}"))
}

//! What providers and operators say, and what it does.

use domain::decision::command::Output;
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::currency::Currency;
use domain::kernel::names::{Operation, Provider};
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::payments::execution::ExecutionStatus;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::provider_call::CallKind;
use domain::sales::source::SourceStatus;

use super::books::{Books, Execution, Review, Wrong, sum_of};
use super::{Told, figures, first, taken};

const MINUTE: i64 = 60_000_000;
const DEADLINE: i64 = 24 * 60 * MINUTE;
/// The reviews that are about money.
const KINDS: [ReviewKind; 3] =
    [ReviewKind::SuccessAfterFailure, ReviewKind::FailureAfterSuccess, ReviewKind::AmountMismatch];

impl Books {
    pub(super) fn heard(
        &mut self,
        id: i64,
        word: &ProviderOutcome,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if !told.accepted(vec![])? {
            return Ok(());
        }
        let seen = taken!(told, Output::OutcomeRecorded(settled) => settled);
        let resent = self.hear(id, word, told)?;
        // What was read later may show what was heard after it, too: the rows of the whole batch
        // are compared.
        if told.read {
            return Ok(());
        }
        let known =
            self.executions.get(&id).ok_or_else(|| format!("execution {id} is not known"))?;
        if known.status != seen.execution.status || known.disputed != seen.execution.in_review {
            let (status, disputed) = (known.status, known.disputed);
            return Err(format!(
                "{status}, disputed {disputed}, was expected after {word:?}: {:?}",
                seen.execution
            ));
        }
        if resent != seen.call.is_some() {
            return Err(format!("sent again: {resent} was expected after {word:?}: {seen:?}"));
        }
        Ok(())
    }

    /// Books a word; whether the request is sent again.
    fn hear(&mut self, id: i64, word: &ProviderOutcome, told: Told<'_>) -> Result<bool, Wrong> {
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let other = match word {
            ProviderOutcome::Succeeded { amount: Some(amount), .. } => {
                (amount.minor, amount.currency) != (own.crossing(), own.outside)
            }
            _ => false,
        };
        if own.disputed {
            self.stays_open(id);
            return Ok(false);
        }
        match (word, own.status) {
            (
                ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. },
                ExecutionStatus::Completed | ExecutionStatus::Failed,
            ) => {
                self.contradict(id, &own, word)?;
            }
            (_, ExecutionStatus::Completed | ExecutionStatus::Failed) => {}
            (ProviderOutcome::Succeeded { .. }, _) if other => self.contradict(id, &own, word)?,
            (ProviderOutcome::Succeeded { .. }, _) => {
                self.complete(id, true)?;
                self.close_deadline(id);
            }
            (ProviderOutcome::Declined { .. }, _) => {
                self.fall_through(id)?;
                self.close_deadline(id);
            }
            (ProviderOutcome::Accepted, _) => {
                self.stays_open(id);
                self.executions.entry(id).and_modify(|known| known.acts = false);
            }
            (ProviderOutcome::Unknown, _) => self.stays_open(id),
            (ProviderOutcome::NeedsAction { .. }, _) => {
                self.stays_open(id);
                self.executions.entry(id).and_modify(|known| known.acts = true);
            }
            (ProviderOutcome::NeverSeen, _) => return self.never_seen(id, &own, told),
        }
        Ok(false)
    }

    fn stays_open(&mut self, id: i64) {
        self.executions.entry(id).and_modify(|known| {
            if !known.is_final() {
                known.status = ExecutionStatus::Processing;
            }
        });
    }

    /// Given up only a quarter of an hour after it was last sent and past its deadline; else sent
    /// again, but not to Stripe after 23 hours.
    fn never_seen(&mut self, id: i64, own: &Execution, told: Told<'_>) -> Result<bool, Wrong> {
        let time = match told.outcome {
            // The merchant's clock may have been advanced in the middle of it: the answer says when
            // it was decided,
            Ok(Output::OutcomeRecorded(seen)) if told.overlapped => {
                match (&seen.call, seen.execution.sent_at) {
                    (Some(_), Some(sent)) => sent.0,
                    _ if seen.execution.status == ExecutionStatus::Failed => {
                        seen.execution.updated_at.0
                    }
                    // or only what: that one which no provider had is sent again and waits as
                    // before,
                    _ if seen.execution.status == ExecutionStatus::Pending => {
                        let sent = seen.execution.sent_at.map_or(own.sent, |sent| sent.0);
                        self.executions.entry(id).and_modify(|known| known.sent = sent);
                        return Ok(false);
                    }
                    // or that it waits for something else.
                    _ => {
                        self.stays_open(id);
                        if seen
                            .execution
                            .waiting_for
                            .as_ref()
                            .is_some_and(|why| why.contains("older than 23 hours"))
                        {
                            self.open_deadline(id, own);
                        }
                        return Ok(false);
                    }
                }
            }
            _ => self.time(own.merchant, told.now),
        };
        let late = time >= own.created + DEADLINE;
        let old = own.provider == Provider::Stripe && time - own.created > 23 * 60 * MINUTE;
        if late && time - own.sent >= 15 * MINUTE {
            self.fall_through(id)?;
            self.close_deadline(id);
            return Ok(false);
        }
        if late || old {
            self.stays_open(id);
            if old {
                self.open_deadline(id, own);
            }
            return Ok(false);
        }
        self.executions.entry(id).and_modify(|known| known.sent = time);
        Ok(true)
    }

    fn open_deadline(&mut self, id: i64, own: &Execution) {
        let review = Review { amount: 0, currency: own.inside, open: true };
        self.reviews.entry((id, ReviewKind::DeadlinePassed)).or_insert(review);
    }

    fn close_deadline(&mut self, id: i64) {
        self.reviews
            .entry((id, ReviewKind::DeadlinePassed))
            .and_modify(|review| review.open = false);
    }

    /// A provider says otherwise than it did before: what it holds for us more, or less, is in
    /// suspense until somebody decides.
    fn contradict(
        &mut self,
        id: i64,
        own: &Execution,
        word: &ProviderOutcome,
    ) -> Result<(), Wrong> {
        let asked = (own.outside, direction(own) * own.crossing());
        let now = match word {
            ProviderOutcome::Succeeded { amount: Some(amount), .. } => {
                Some((amount.currency, direction(own) * amount.minor))
            }
            ProviderOutcome::Succeeded { amount: None, .. }
                if own.said.iter().any(|(_, amount)| *amount != 0) =>
            {
                return Ok(());
            }
            ProviderOutcome::Succeeded { amount: None, .. } => Some(asked),
            _ => None,
        };
        let mut found = vec![];
        if let Some((currency, amount)) = now {
            let before = sum_of(&own.said, currency);
            let anew = before == 0 && now == Some(asked);
            let kind =
                if anew { ReviewKind::SuccessAfterFailure } else { ReviewKind::AmountMismatch };
            found.push((kind, currency, amount - before));
        }
        let elsewhere =
            own.said.iter().filter(|(currency, _)| now.is_none_or(|(other, _)| other != *currency));
        found.extend(
            elsewhere
                .map(|(currency, amount)| (ReviewKind::FailureAfterSuccess, *currency, -amount)),
        );
        let mut opened = vec![];
        for (kind, currency, amount) in found.into_iter().filter(|(.., amount)| *amount != 0) {
            let more = amount * direction(own) > 0;
            let spare = if more {
                ReviewKind::SuccessAfterFailure
            } else {
                ReviewKind::FailureAfterSuccess
            };
            let fits = |kind: &ReviewKind| {
                let known = self.reviews.get(&(id, *kind));
                !opened.contains(kind) && known.is_none_or(|review| review.currency == currency)
            };
            let Some(kind) = [kind, spare].into_iter().chain(KINDS).find(fits) else { continue };
            opened.push(kind);
            self.suspend(id, own, kind, (currency, amount))?;
        }
        if !opened.is_empty() {
            self.soft += 1;
            self.stays_open(id);
        }
        Ok(())
    }

    fn suspend(
        &mut self,
        id: i64,
        own: &Execution,
        kind: ReviewKind,
        (currency, found): (Currency, i64),
    ) -> Result<(), Wrong> {
        let clearing =
            AccountKind::clearing(own.provider).ok_or("a contradiction without a provider")?;
        self.reviews.insert((id, kind), Review { amount: found, currency, open: true });
        self.credit(own.merchant, clearing, currency, -found);
        self.credit(own.merchant, AccountKind::Suspense, currency, found);
        self.change(id, |known| {
            known.disputed = true;
            match known.said.iter_mut().find(|(other, _)| *other == currency) {
                Some((_, amount)) => *amount += found,
                None if currency == own.outside => known.said.insert(0, (currency, found)),
                None => known.said.push((currency, found)),
            }
        });
        Ok(())
    }

    pub(super) fn claimed(&mut self, id: i64, told: Told<'_>) -> Result<(), Wrong> {
        if !told.accepted(vec![])? {
            return Ok(());
        }
        let job = taken!(told, Output::Claimed(job) => job);
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let Some(job) = job else { return Ok(()) };
        if own.is_final() {
            return Err(format!("execution {id} is final and was claimed"));
        }
        if (job.request.amount.minor, job.request.amount.currency) != (own.crossing(), own.outside)
        {
            return Err(format!("the job of {id} is about {:?}", job.request.amount));
        }
        if job.kind == CallKind::Cancel {
            self.executions.entry(id).and_modify(|known| known.canceled = true);
        }
        let late = self.time(own.merchant, told.now) >= own.created + DEADLINE;
        // Its deadline may have passed in the middle of it, when the merchant's clock was advanced.
        if if told.overlapped { self.fresh_deadlines.contains(&id) } else { late } {
            self.open_deadline(id, &own);
        }
        Ok(())
    }

    pub(super) fn authenticated(
        &mut self,
        merchant: i64,
        reference: &str,
        success: bool,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let id = self.references.get(&(merchant, reference.to_owned())).copied();
        let own = id.and_then(|id| self.executions.get(&id));
        let idle = own.is_some_and(|own| own.is_final() || !own.acts || own.canceled);
        if !told.accepted(first(&[(own.is_none(), "not_found"), (idle, "state")]))? {
            return Ok(());
        }
        let word = if success {
            ProviderOutcome::Succeeded { transaction_id: String::new(), amount: None }
        } else {
            ProviderOutcome::Declined { message: String::new() }
        };
        self.hear(id.unwrap_or(0), &word, told).map(|_| ())
    }

    pub(super) fn resolved(
        &mut self,
        review: i64,
        how: Resolution,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let key = self.review_ids.get(&review).copied();
        let found = key.and_then(|key| Some((key, *self.reviews.get(&key)?)));
        let Some(((id, kind), review)) = found else {
            return told.accepted(vec!["not_found"]).map(|_| ());
        };
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let of_money = matches!(how, Resolution::ToWallet | Resolution::ToPayer);
        let about_money = kind != ReviewKind::DeadlinePassed;
        let wrong_way = of_money != about_money || (!about_money && own.disputed);
        let mut refused = first(&[(!review.open || wrong_way, "state")]);
        if refused.is_empty() && how == Resolution::ToWallet {
            refused.extend(self.against_taking(id, &own, review));
        }
        if !told.accepted(refused)? {
            return Ok(());
        }
        self.reviews.entry((id, kind)).and_modify(|review| review.open = false);
        if about_money {
            return self.take_out(id, &own, review, how);
        }
        match how {
            _ if own.is_final() => Ok(()),
            Resolution::Completed => self.complete(id, true),
            _ => self.fall_through(id),
        }
    }

    /// The wallet that takes what is in suspense, and its share.
    fn share(&self, id: i64, own: &Execution, review: Review) -> (Option<i64>, i64) {
        let known = own.wallet.and_then(|id| Some((id, *self.wallets.get(&id)?)));
        // There is a rate only between the payment's own two currencies.
        let has_rate = review.currency == own.outside;
        let own_wallet = known.filter(|(_, wallet)| wallet.currency == review.currency || has_rate);
        let found = own_wallet.or_else(|| self.own_wallet(own.merchant, review.currency));
        let same = found.is_none_or(|(_, wallet)| wallet.currency == review.currency);
        let share = if let Some((_, _, share)) = self.given_back(id, own, review) {
            share
        } else if same {
            review.amount
        } else if review.amount.abs() == own.crossing() {
            own.figures.total * review.amount.signum()
        } else if review.amount < 0 {
            -figures::giving_back(-review.amount, own.worth)
        } else {
            figures::whole(review.amount, own.worth)
        };
        (found.map(|(id, _)| id), share)
    }

    /// What the payment's payer has back once it is decided that this is the wallet's, what that
    /// has cost, and what the wallet gets.
    fn given_back(&self, id: i64, own: &Execution, review: Review) -> Option<(i64, i64, i64)> {
        let payment = self.executions.get(&own.original.unwrap_or(id))?;
        let counts = own.gives_back() && review.currency == own.outside;
        counts.then(|| payment.corrected(own.gone, own.gone - review.amount))
    }

    fn against_taking(&self, id: i64, own: &Execution, review: Review) -> Vec<&'static str> {
        if paid_late(own, review) {
            let source = own.source.and_then(|id| self.sources.get(&id));
            let another = source.is_none_or(|source| source.status == SourceStatus::Processing);
            let wallet = self.own_wallet(own.merchant, own.inside);
            let closed = wallet.is_some_and(|(_, wallet)| wallet.status == WalletStatus::Closed);
            return first(&[(another, "state"), (closed, "wallet")]);
        }
        let (taker, share) = self.share(id, own, review);
        let Some(wallet) = taker.and_then(|id| self.wallets.get(&id)) else {
            return first(&[(share < 0, "balance")]);
        };
        let released =
            if own.is_final() || own.operation == Operation::Collection || own.wallet != taker {
                0
            } else {
                own.figures.payer
            };
        first(&[
            (wallet.status == WalletStatus::Closed, "wallet"),
            (wallet.available + released + share < 0, "balance"),
        ])
    }

    /// Books a collection that failed as if it had gone through, but for what its provider holds,
    /// which is known.
    fn settle_late(&mut self, id: i64, own: &Execution) -> Result<(), Wrong> {
        let (s, p, f) = (own.inside, own.outside, own.figures);
        if s != p {
            self.credit(own.merchant, AccountKind::Position, p, f.payer);
            self.credit(own.merchant, AccountKind::Position, s, -f.total);
        }
        let wallet = self.open_wallet(own.merchant, None, s)?;
        self.add(wallet, f.payee, 0)?;
        for (kind, fee) in [AccountKind::FeePlatform, AccountKind::FeeGateway, AccountKind::FeeFx]
            .into_iter()
            .zip(f.fees)
        {
            self.credit(own.merchant, kind, s, fee);
        }
        let source = own.source.and_then(|id| self.sources.get(&id)).map(|source| source.status);
        if source == Some(SourceStatus::Active) {
            self.set_source_status(own.source, SourceStatus::Paid);
        }
        self.change(id, |known| (known.late, known.wallet) = (true, Some(wallet)));
        Ok(())
    }

    fn take_out(
        &mut self,
        id: i64,
        own: &Execution,
        review: Review,
        how: Resolution,
    ) -> Result<(), Wrong> {
        if !own.is_final() {
            self.fall_through(id)?;
            self.close_deadline(id);
        }
        let (amount, currency) = (review.amount, review.currency);
        self.credit(own.merchant, AccountKind::Suspense, currency, -amount);
        if how == Resolution::ToWallet && paid_late(own, review) {
            self.settle_late(id, own)?;
        } else if how == Resolution::ToPayer {
            let clearing = AccountKind::clearing(own.provider).ok_or("no clearing account")?;
            self.credit(own.merchant, clearing, currency, amount);
        } else {
            let (wallet, share) = self.share(id, own, review);
            if let Some((back, cost, _)) = self.given_back(id, own, review) {
                self.executions
                    .entry(own.original.unwrap_or(id))
                    .and_modify(|payment| (payment.back, payment.cost) = (back, cost));
                self.executions.entry(id).and_modify(|known| known.gone -= amount);
            }
            let wallet = match wallet {
                Some(wallet) => wallet,
                None => self.open_wallet(own.merchant, None, currency)?,
            };
            self.add(wallet, share, 0)?;
            let inside = self.wallets.get(&wallet).map_or(currency, |wallet| wallet.currency);
            if inside != currency {
                self.credit(own.merchant, AccountKind::Position, currency, amount);
                self.credit(own.merchant, AccountKind::Position, inside, -share);
            }
        }
        let open = KINDS
            .iter()
            .any(|kind| self.reviews.get(&(id, *kind)).is_some_and(|review| review.open));
        self.change(id, |known| {
            known.disputed = open;
            if how == Resolution::ToPayer {
                known.undone.push((currency, amount));
            }
        });
        self.soft += 1;
        Ok(())
    }
}

/// Whether a review has found all that was asked for by a collection that failed, and nothing else
/// is left of its money.
fn paid_late(own: &Execution, review: Review) -> bool {
    let failed = own.operation == Operation::Collection
        && own.status == ExecutionStatus::Failed
        && !own.late;
    let asked = (own.crossing(), own.outside);
    failed
        && (review.amount, review.currency) == asked
        && (own.kept(own.outside), own.outside) == asked
}

/// Whether money comes in or goes out.
const fn direction(own: &Execution) -> i64 {
    match own.operation {
        Operation::Collection => 1,
        Operation::Payout | Operation::Transfer | Operation::Refund => -1,
    }
}

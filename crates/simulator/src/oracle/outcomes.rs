//! Outcomes that providers report, and what operators decide in reviews.

use domain::decision::command::Output;
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::currency::Currency;
use domain::kernel::names::{Operation, Provider};
use domain::kernel::refusal::Subject;
use domain::kernel::uuids::ReferenceId;
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::payments::attempt::ProviderAttempt;
use domain::payments::authenticate_card::CardResult;
use domain::payments::execution::ExecutionStatus;
use domain::payments::outcome::{OutcomeSource, ProviderOutcome};
use domain::payments::provider_call::{CallKind, ProviderCall};
use domain::payments::record_outcome::RecordOutcome;
use domain::sales::source::SourceStatus;

use super::model::{Execution, Mismatch, Model, Review, sum_of};
use super::{Observed, Reason, figures, first, network, output};

const MINUTE: i64 = 60_000_000;
/// The reviews that are about money.
const KINDS: [ReviewKind; 3] =
    [ReviewKind::SuccessAfterFailure, ReviewKind::FailureAfterSuccess, ReviewKind::AmountMismatch];

impl Model {
    pub(super) fn outcome_recorded(
        &mut self,
        recorded: &RecordOutcome,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let RecordOutcome { execution_id, source, outcome, heard } = recorded;
        let (id, source) = (execution_id.0, *source);
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let seen = output!(observed, Output::RecordOutcome(settled) | Output::AuthenticateCard(settled) => settled);
        // Such an answer says nothing of what was sent since, except that money moved.
        let moved = matches!(outcome, ProviderOutcome::Succeeded { .. });
        // And of what was never sent a network cannot know anything.
        let unsent = self.executions.get(&id).is_some_and(Execution::is_unsent);
        let is_ignored = (unsent || self.was_sent_since(id, source)) && !moved;
        let resent = if is_ignored { false } else { self.apply_outcome(id, outcome, observed)? };
        // A row that was read back may show later outcomes of the batch, too. The rows of the whole
        // batch are compared elsewhere.
        if observed.read_back {
            return Ok(());
        }
        let known =
            self.executions.get(&id).ok_or_else(|| format!("execution {id} is not known"))?;
        if known.status != seen.execution.status || known.in_review != seen.execution.in_review {
            let (status, in_review) = (known.status, known.in_review);
            return Err(format!(
                "{status}, in review {in_review}, was expected after {outcome:?}: {:?}",
                seen.execution
            ));
        }
        let waits = matches!(outcome, ProviderOutcome::Accepted)
            && !is_ignored
            && !known.is_final()
            && !known.in_review;
        if let Some(why) = heard.waiting_for.as_ref().filter(|_| waits)
            && seen.execution.waiting_for.as_ref() != Some(why)
        {
            return Err(format!("it waits for {why}: {:?}", seen.execution));
        }
        if resent != seen.call.is_some() {
            return Err(format!("sent again: {resent} was expected after {outcome:?}: {seen:?}"));
        }
        self.check_call(id, known, seen.call.as_ref(), resent, observed)
    }

    /// Whether an outcome is the answer to a call from before the request was sent again.
    pub fn was_sent_since(&self, id: i64, source: OutcomeSource) -> bool {
        match source {
            OutcomeSource::Answer { send_count } => {
                self.executions.get(&id).is_some_and(|own| send_count < own.sends)
            }
            OutcomeSource::Callback => false,
        }
    }

    /// Updates the model by an outcome; whether the request is to be sent again.
    fn apply_outcome(
        &mut self,
        id: i64,
        outcome: &ProviderOutcome,
        observed: Observed<'_>,
    ) -> Result<bool, Mismatch> {
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let other = match outcome {
            ProviderOutcome::Succeeded { amount: Some(amount), .. } => {
                (amount.minor, amount.currency) != (own.outside_amount(), own.outside_currency)
            }
            _ => false,
        };
        // Whoever asked has its answer, and a callback tells the same: the lease is over.
        self.executions.entry(id).and_modify(|known| known.lease = None);
        if own.in_review {
            self.stays_open(id);
            return Ok(false);
        }
        match (outcome, own.status) {
            (
                ProviderOutcome::Succeeded { .. } | ProviderOutcome::Declined { .. },
                ExecutionStatus::Completed | ExecutionStatus::Failed,
            ) => {
                self.contradict(id, &own, outcome)?;
            }
            (_, ExecutionStatus::Completed | ExecutionStatus::Failed) => {}
            (ProviderOutcome::Succeeded { .. }, _) if other => {
                self.contradict(id, &own, outcome)?
            }
            (ProviderOutcome::Succeeded { .. }, _) => {
                self.complete(id, true)?;
                self.close_deadline(id);
            }
            (ProviderOutcome::Declined { .. }, _) => {
                self.fail(id)?;
                self.close_deadline(id);
            }
            (ProviderOutcome::Accepted, _) => {
                self.stays_open(id);
                self.executions.entry(id).and_modify(|known| known.requires_action = false);
            }
            (ProviderOutcome::Unknown, _) => self.stays_open(id),
            (ProviderOutcome::NeedsAction { .. }, _) => {
                self.stays_open(id);
                self.executions.entry(id).and_modify(|known| known.requires_action = true);
            }
            (ProviderOutcome::NeverSeen, _) => return self.never_seen(id, &own, observed),
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

    /// A request that the provider has never seen fails only after its deadline and a quarter of an
    /// hour after it was last sent. Until then it is sent again, but not to Stripe after 23 hours,
    /// whose idempotency keys end after a day.
    fn never_seen(
        &mut self,
        id: i64,
        own: &Execution,
        observed: Observed<'_>,
    ) -> Result<bool, Mismatch> {
        let time = match observed.outcome {
            // The merchant's clock may have been advanced in the middle of the batch. The answer
            // tells when it was decided,
            Ok(Output::RecordOutcome(seen) | Output::AuthenticateCard(seen))
                if observed.overlapped =>
            {
                // A row that was read back has no call, but counts the sendings.
                let is_sent_again = |attempt: &&ProviderAttempt| {
                    seen.call.is_some() || observed.read_back && attempt.send_count > own.sends
                };
                match seen.attempt.as_ref().filter(is_sent_again).map(|attempt| attempt.sent_at) {
                    Some(sent) => sent.map_or(own.sent, |sent| sent.0),
                    _ if seen.execution.status == ExecutionStatus::Failed => {
                        seen.execution.updated_at.0
                    }
                    // or only that it waits for something else.
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
            _ => self.time(own.merchant, observed.now),
        };
        let late = time >= own.deadline;
        let old = own.provider == Provider::Stripe && time - own.created > 23 * 60 * MINUTE;
        if late && time - own.sent >= 15 * MINUTE {
            self.fail(id)?;
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
        // What is stopped is not sent again either.
        if self.is_stopped(own) && !observed.lenient {
            self.stays_open(id);
            return Ok(false);
        }
        let lease = Some(observed.now + network::LEASE);
        self.executions.entry(id).and_modify(|known| {
            known.sends += 1;
            (known.sent, known.lease) = (time, lease);
        });
        Ok(true)
    }

    fn open_deadline(&mut self, id: i64, own: &Execution) {
        let review = Review { amount: 0, currency: own.wallet_currency, open: true };
        self.reviews.entry((id, ReviewKind::DeadlinePassed)).or_insert(review);
    }

    pub(super) fn close_deadline(&mut self, id: i64) {
        self.reviews
            .entry((id, ReviewKind::DeadlinePassed))
            .and_modify(|review| review.open = false);
    }

    /// A provider contradicts what it reported before: what it holds for us more, or less, is in
    /// suspense until an operator decides.
    fn contradict(
        &mut self,
        id: i64,
        own: &Execution,
        outcome: &ProviderOutcome,
    ) -> Result<(), Mismatch> {
        let asked = (own.outside_currency, direction(own) * own.outside_amount());
        let now = match outcome {
            ProviderOutcome::Succeeded { amount: Some(amount), .. } => {
                Some((amount.currency, direction(own) * amount.minor))
            }
            ProviderOutcome::Succeeded { amount: None, .. }
                if own.reported.iter().any(|(_, amount)| *amount != 0) =>
            {
                return Ok(());
            }
            ProviderOutcome::Succeeded { amount: None, .. } => Some(asked),
            _ => None,
        };
        let mut found = vec![];
        if let Some((currency, amount)) = now {
            let before = sum_of(&own.reported, currency);
            let anew = before == 0 && now == Some(asked);
            let kind =
                if anew { ReviewKind::SuccessAfterFailure } else { ReviewKind::AmountMismatch };
            found.push((kind, currency, amount - before));
        }
        let elsewhere = own
            .reported
            .iter()
            .filter(|(currency, _)| now.is_none_or(|(other, _)| other != *currency));
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
            self.dependencies_version += 1;
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
    ) -> Result<(), Mismatch> {
        let clearing = own.clearing().ok_or("a contradiction without a provider")?;
        self.reviews.insert((id, kind), Review { amount: found, currency, open: true });
        self.count_review(own, currency, 1)?;
        self.credit(own.merchant, clearing, currency, -found);
        self.credit(own.merchant, AccountKind::Suspense, currency, found);
        self.change(id, |known| {
            known.in_review = true;
            match known.reported.iter_mut().find(|(other, _)| *other == currency) {
                Some((_, amount)) => *amount += found,
                None if currency == own.outside_currency => {
                    known.reported.insert(0, (currency, found))
                }
                None => known.reported.push((currency, found)),
            }
        });
        Ok(())
    }

    pub(super) fn claimed(&mut self, id: i64, observed: Observed<'_>) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let job = output!(observed, Output::ClaimExecution(job) => job);
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        if own.is_unsent() {
            return self.gate_looked_at(id, &own, job.as_ref(), observed);
        }
        let Some(job) = job else { return Ok(()) };
        if own.is_final() {
            return Err(format!("execution {id} is final and was claimed"));
        }
        // A payer who does not act is given up after half an hour. A cancellation is asked for again
        // until the provider says how the payment ended.
        let unanswered = |time| {
            let page_ended = own.is_real
                && own.page.is_some()
                && own
                    .source
                    .is_some_and(|id| self.page_ends.get(&id).is_some_and(|end| *end <= time));
            let given_up = page_ended || time >= own.sent + 30 * MINUTE;
            own.requires_action && given_up || own.cancel_requested
        };
        let gives_up = unanswered(job.request.time.0);
        self.asked(id, &job, |_| gives_up, observed)?;
        let late = self.time(own.merchant, observed.now) >= own.deadline;
        // The deadline may have passed in the middle of the batch, when the merchant's clock was
        // advanced.
        if if observed.overlapped { self.passed_deadlines.contains(&id) } else { late } {
            self.open_deadline(id, &own);
        }
        Ok(())
    }

    /// Notes that a process asks a provider how a payment stands. `cancels` says, by the merchant's
    /// time, whether it is to be canceled first.
    pub(super) fn asked(
        &mut self,
        id: i64,
        call: &ProviderCall,
        cancels: impl Fn(i64) -> bool,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let seen = call.request.time.0;
        // The merchant's clock may have been advanced in the middle of the batch.
        let time = if observed.overlapped { seen } else { self.time(own.merchant, observed.now) };
        let kind = if cancels(time) { CallKind::Cancel } else { CallKind::Query };
        if (call.kind, seen) != (kind, time) {
            return Err(format!("{kind:?} at {time} was expected for {id}: {call:?}"));
        }
        let own = Execution {
            lease: Some(observed.now + network::LEASE),
            asked: Some(time),
            cancel_requested: kind == CallKind::Cancel,
            ..own
        };
        self.check_call(id, &own, Some(call), false, observed)?;
        self.executions.insert(id, own);
        Ok(())
    }

    pub(super) fn authenticated(
        &mut self,
        merchant: i64,
        reference: ReferenceId,
        result: CardResult,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let id = self.references.get(&(merchant, reference)).copied();
        let own = id.and_then(|id| self.executions.get(&id));
        let idle =
            own.is_some_and(|own| own.is_final() || !own.requires_action || own.cancel_requested);
        if !observed.check_acceptance(first(&[
            (own.is_none() || self.is_real(merchant), (Subject::Target, "not_found")),
            (idle, (Subject::Execution, "state")),
        ]))? {
            return Ok(());
        }
        let in_review = own.is_some_and(|own| own.in_review);
        let code = match result {
            CardResult::Authenticated => None,
            CardResult::NotAuthenticated => Some("authentication_required"),
            CardResult::Declined(code) => Some(code),
        };
        let outcome = match code {
            None => ProviderOutcome::Succeeded { transaction_id: String::new(), amount: None },
            Some(_) => ProviderOutcome::Declined { message: String::new() },
        };
        self.apply_outcome(id.unwrap_or(0), &outcome, observed)?;
        let seen = output!(observed, Output::AuthenticateCard(done) => done.execution);
        let message = seen.gateway_message.unwrap_or_default();
        match code.filter(|_| !in_review) {
            Some(code) if !message.starts_with(&format!("{code}: ")) => {
                Err(format!("execution {} does not say {code}: {message}", seen.id))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn resolved(
        &mut self,
        review: i64,
        how: Resolution,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let key = self.review_ids.get(&review).copied();
        let found = key.and_then(|key| Some((key, *self.reviews.get(&key)?)));
        let Some(((id, kind), review)) = found else {
            return observed.check_acceptance(vec![(Subject::Target, "not_found")]).map(|_| ());
        };
        let Some(own) = self.executions.get(&id).cloned() else {
            return Err(format!("execution {id} is not known"));
        };
        let of_money = matches!(how, Resolution::ToWallet | Resolution::ToPayer);
        let about_money = kind != ReviewKind::DeadlinePassed;
        let wrong_way = of_money != about_money || (!about_money && own.in_review);
        let mut refused = first(&[(!review.open || wrong_way, (Subject::Review, "state"))]);
        if refused.is_empty() && how == Resolution::ToWallet {
            refused.extend(self.reasons_against_taking(id, &own, review));
        }
        if !observed.check_acceptance(refused)? {
            return Ok(());
        }
        self.reviews.entry((id, kind)).and_modify(|review| review.open = false);
        if about_money {
            self.count_review(&own, review.currency, -1)?;
            return self.resolve_suspense(id, &own, review, how);
        }
        match how {
            _ if own.is_final() => Ok(()),
            Resolution::Completed => self.complete(id, true),
            _ => self.fail(id),
        }
    }

    /// The wallet that gets what is in suspense, and how much in the wallet's currency.
    fn share(&self, id: i64, own: &Execution, review: Review) -> (Option<i64>, i64) {
        let known = own.wallet.and_then(|id| Some((id, *self.wallets.get(&id)?)));
        // There is a rate only between the payment's own two currencies.
        let has_rate = review.currency == own.outside_currency;
        let own_wallet = known.filter(|(_, wallet)| wallet.currency == review.currency || has_rate);
        let found = own_wallet.or_else(|| self.own_wallet(own.merchant, review.currency));
        let same = found.is_none_or(|(_, wallet)| wallet.currency == review.currency);
        let share = if let Some((_, _, share)) = self.given_back(id, own, review) {
            share
        } else if same {
            review.amount
        } else if review.amount.abs() == own.outside_amount() {
            own.figures.total * review.amount.signum()
        } else if review.amount < 0 {
            -figures::inside_rounded_up(-review.amount, own.rate)
        } else {
            figures::inside_rounded_down(review.amount, own.rate)
        };
        (found.map(|(id, _)| id), share)
    }

    /// When the money of a review goes to the wallet: how much the payment's payer has back then,
    /// what that has cost, and what the wallet gets. `None` where the review is not about that.
    fn given_back(&self, id: i64, own: &Execution, review: Review) -> Option<(i64, i64, i64)> {
        let payment = self.executions.get(&own.original.unwrap_or(id))?;
        let counts = own.affects_payer() && review.currency == own.outside_currency;
        counts.then(|| payment.after_correction(own.with_payer, own.with_payer - review.amount))
    }

    fn reasons_against_taking(&self, id: i64, own: &Execution, review: Review) -> Vec<Reason> {
        if paid_late(own, review) {
            let source = own.source.and_then(|id| self.sources.get(&id));
            let another = source.is_none_or(|source| source.status == SourceStatus::Processing);
            let wallet = self.own_wallet(own.merchant, own.wallet_currency);
            let closed = wallet.is_some_and(|(_, wallet)| wallet.status == WalletStatus::Closed);
            return first(&[
                (another, (Subject::Review, "state")),
                (closed, (Subject::Wallet, "wallet")),
            ]);
        }
        let (taker, share) = self.share(id, own, review);
        let Some(wallet) = taker.and_then(|id| self.wallets.get(&id)) else {
            return first(&[(share < 0, (Subject::Review, "balance"))]);
        };
        let released =
            if own.is_final() || own.operation == Operation::Collection || own.wallet != taker {
                0
            } else {
                own.figures.payer
            };
        first(&[
            (wallet.status == WalletStatus::Closed, (Subject::Wallet, "wallet")),
            (wallet.available + released + share < 0, (Subject::Review, "balance")),
        ])
    }

    /// Settles a failed collection as if it had completed. What the provider holds was booked when
    /// the review was opened.
    fn settle_by_review(&mut self, id: i64, own: &Execution) -> Result<(), Mismatch> {
        let (s, p, f) = (own.wallet_currency, own.outside_currency, own.figures);
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
        self.change(id, |known| (known.settled_by_review, known.wallet) = (true, Some(wallet)));
        Ok(())
    }

    fn resolve_suspense(
        &mut self,
        id: i64,
        own: &Execution,
        review: Review,
        how: Resolution,
    ) -> Result<(), Mismatch> {
        if !own.is_final() {
            self.fail(id)?;
            self.close_deadline(id);
        }
        let (amount, currency) = (review.amount, review.currency);
        self.credit(own.merchant, AccountKind::Suspense, currency, -amount);
        if how == Resolution::ToWallet && paid_late(own, review) {
            self.settle_by_review(id, own)?;
        } else if how == Resolution::ToPayer {
            let clearing = own.clearing().ok_or("no clearing account")?;
            self.credit(own.merchant, clearing, currency, amount);
        } else {
            let (wallet, share) = self.share(id, own, review);
            if let Some((back, cost, _)) = self.given_back(id, own, review) {
                self.executions
                    .entry(own.original.unwrap_or(id))
                    .and_modify(|payment| (payment.given_back_minor, payment.cost) = (back, cost));
                self.executions.entry(id).and_modify(|known| known.with_payer -= amount);
            }
            let wallet = match wallet {
                Some(wallet) => wallet,
                None => self.open_wallet(own.merchant, None, currency)?,
            };
            self.add(wallet, share, 0)?;
            let wallet_currency =
                self.wallets.get(&wallet).map_or(currency, |wallet| wallet.currency);
            if wallet_currency != currency {
                self.credit(own.merchant, AccountKind::Position, currency, amount);
                self.credit(own.merchant, AccountKind::Position, wallet_currency, -share);
            }
        }
        let open = KINDS
            .iter()
            .any(|kind| self.reviews.get(&(id, *kind)).is_some_and(|review| review.open));
        self.change(id, |known| {
            known.in_review = open;
            if how == Resolution::ToPayer {
                known.returned.push((currency, amount));
            }
        });
        self.dependencies_version += 1;
        Ok(())
    }
}

/// Whether the review of a failed collection found exactly the amount that was asked for, and
/// nothing else of the collection is with the provider.
fn paid_late(own: &Execution, review: Review) -> bool {
    let failed = own.operation == Operation::Collection
        && own.status == ExecutionStatus::Failed
        && !own.settled_by_review;
    let asked = (own.outside_amount(), own.outside_currency);
    failed
        && (review.amount, review.currency) == asked
        && (own.held_by_provider(own.outside_currency), own.outside_currency) == asked
}

/// 1 where money comes in, -1 where it goes out.
const fn direction(own: &Execution) -> i64 {
    match own.operation {
        Operation::Collection => 1,
        Operation::Payout | Operation::Transfer | Operation::Refund => -1,
    }
}

//! What follows from a completed batch: the oracle compares it, the rows are checked, and whoever
//! waits for an answer goes on.

use domain::decision::command::{Command, ListedDecision, Output};
use domain::decision::event::Actor;
use domain::directory::principal::Principal;
use domain::directory::try_passcode::FinishPasscodeAttempt;
use domain::exceptions::resolve_review::ResolveReview;
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::names::Operation;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{minutes, seconds};
use domain::network_accounts::secret::AddNetworkSecret;
use domain::payments::approval::ApprovalStatus;
use domain::payments::attempt::Gate;
use domain::payments::authenticate_card::AuthenticateCard;
use domain::payments::defer_send::DeferSend;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::execution::ExecutionStatus;
use domain::payments::outcome::ProviderOutcome;
use domain::payments::record_outcome::RecordOutcome;
use domain::payments::request_limit::RequestLimitKind;
use domain::payments::reserve_passcode_attempt::PasscodeReservation;
use domain::people::accept_invitation::AcceptInvitation;
use domain::people::second_factor::{GiveCode, Proof};
use domain::sales::payment_link::LinkState;
use kola::engine::{Failure, Outcome};
use kola::jobs::call_sequence::{CallSequence, Next};

use crate::audit;
use crate::checks::{CheckResult, Violation, rule};
use crate::compare;
use crate::db::Commit;
use crate::describe;
use crate::of_people::of_people;
use crate::oracle::Observed;
use crate::plan::Fault;
use crate::processes::CompletedBatch;
use crate::providers::ProviderEvent;
use crate::queued_command::{Origin, QueuedCommand};
use crate::rng::hash_uuid;
use crate::scheduled::Scheduled;
use crate::sim::Sim;

impl Sim {
    /// Compares a batch with the oracle, checks the rows, and continues whoever waits for an answer.
    /// `version` is the model's version of dependencies before the batch.
    pub fn process_batch(&mut self, done: CompletedBatch, version: u64) -> CheckResult {
        let CompletedBatch { process, now, items, mut outcomes, commits, nested, crashed, faults } =
            done;
        for (site, fault) in faults.iter().filter(|(_, fault)| *fault != Fault::InOutage) {
            self.log(|| {
                format!(
                    "p{process} {} ({} {})",
                    describe::fault(*fault),
                    describe::store_call(site.call),
                    site.nth
                )
            });
        }
        self.model.webhooks.batch += 1;
        let acknowledged = outcomes.iter().any(Result::is_ok);
        rule(!acknowledged || !commits.is_empty(), "acknowledged before it was committed", || {
            format!("{:?}", items[0].command)
        })?;
        compare::note_opened_wallets(&mut self.model, &commits);
        compare::note_made_accounts(&mut self.model, &commits);
        compare::note_passed_deadlines(&mut self.model, &commits);
        compare::note_attempts(&mut self.model, &commits);
        compare::note_approvals(&mut self.model, &commits);
        compare::note_uses(&mut self.model, &commits);
        let mut is_lost = vec![];
        for (item, outcome) in items.iter().zip(&mut outcomes) {
            // Whoever has tried to deliver reads nothing back.
            let is_attempt = matches!(item.origin, Origin::DeliveryAttempt(_));
            is_lost.push(is_attempt && *outcome == Err(Failure::Unknown));
            let read_back = *outcome == Err(Failure::Unknown) && !commits.is_empty();
            if read_back {
                *outcome = compare::read_back_outcome(
                    &item.command,
                    &commits,
                    &self.environment.db.borrow().rows,
                );
            }
            let creates = matches!(
                item.command,
                Command::CreateSession(..)
                    | Command::CreateCheckout(..)
                    | Command::CreatePaymentLink(..)
                    | Command::PayLink(..)
            );
            let overlapped = nested > 0;
            let observed = Observed {
                outcome,
                now: now.0,
                overlapped,
                lenient: overlapped && (creates || self.model.dependencies_version != version),
                read_back,
            };
            self.log_outcome(process, item, outcome);
            self.statistics.command(&item.command, kind_of(outcome));
            self.count_earlier_sending(&item.command, outcome);
            let by = item.principal();
            self.model.record(by, &item.command, observed).map_err(|what| Violation {
                check: oracle_check(&item.command),
                what: format!("{}: {what}", describe::command(&item.command)),
            })?;
            self.count_special_cases(&item.command, outcome);
            self.count_people(item, outcome);
            if let (Some(names), Ok(answer)) = (&mut self.names, &*outcome) {
                names.record_created(item.tag, answer);
            }
            compare::exists(outcome, &self.environment.db.borrow().rows)?;
            if let (Ok(Output::CreateMerchant(made)), false) = (&*outcome, self.merchants.len() > 4)
            {
                self.merchants.push(made.merchant.id.0);
            }
        }
        if let Some(names) = &mut self.names {
            names.record_derived(&commits);
            names.record_deliveries(&commits);
        }
        compare::changed_rows(&mut self.model, &commits)?;
        compare::people(&self.model, &commits)?;
        audit::check(&items, &outcomes, &commits, &self.environment.db.borrow().rows)?;
        compare::webhooks(&mut self.model, &commits, nested, &self.environment.db.borrow().rows)?;
        let heard = items.iter().filter_map(|item| match &item.command {
            Command::RecordOutcome(RecordOutcome { execution_id, .. })
            | Command::DeferSend(DeferSend { execution_id, .. }) => Some(*execution_id),
            Command::AuthenticateCard(AuthenticateCard { merchant_id, reference_id, .. }) => {
                let id = self.model.references.get(&(merchant_id.0, *reference_id));
                id.copied().map(ExecutionId)
            }
            _ => None,
        });
        let heard = heard.collect();
        // Who stands for merchants and for the installation in this batch.
        let actors: Vec<Actor> = items.iter().map(|item| item.principal().actor()).collect();
        self.nothing_behind_a_gate_is_known(&commits)?;
        self.count_gates(&commits);
        for commit in commits {
            self.checks.observe(commit, &self.environment.db.borrow().rows, &heard, &actors)?;
        }
        if crashed {
            self.incarnations[process] += 1;
            self.delivery_jobs.forget(process);
            let has_new = self.environment.db.borrow().has_new_messages();
            self.statistics.fault("process dies before deliveries are made", u64::from(has_new));
        }
        for ((item, outcome), is_lost) in items.into_iter().zip(outcomes).zip(is_lost) {
            if let (
                Command::ResolveReview(ResolveReview { review_id: id, resolution: how, .. }),
                Ok(_),
            ) = (&item.command, &outcome)
            {
                self.apply_resolution(id.0, *how);
            }
            if let (Command::AddNetworkSecret(AddNetworkSecret { account_id, .. }), Ok(_)) =
                (&item.command, &outcome)
            {
                self.real_networks.add_token(*account_id);
            }
            if crashed && matches!(item.origin, Origin::DeliveryAttempt(_)) {
                self.statistics.fault("process dies while it records an attempt", 1);
                continue;
            }
            let outcome = if crashed || is_lost { Err(Failure::Unknown) } else { outcome };
            self.continue_after(process, item, outcome);
        }
        Ok(())
    }

    /// Counts payments that wait behind gates, and how they end there.
    fn count_gates(&mut self, commits: &[Commit]) {
        for (before, row) in commits.iter().flat_map(|commit| &commit.changes.provider_attempts) {
            match row.gate.filter(|gate| before.as_ref().and_then(|row| row.gate) != Some(*gate)) {
                Some(Gate::Held) => self.statistics.fault("payment waits for its account", 1),
                Some(Gate::RefundQueue) => {
                    self.statistics.fault("payment waits for another refund", 1);
                }
                Some(Gate::Circuit | Gate::Rate | Gate::Approval) | None => {}
            }
        }
        for (_, row) in commits.iter().flat_map(|commit| &commit.changes.executions) {
            let message = row.gateway_message.as_deref().unwrap_or_default();
            if message.contains("could not be sent in time") {
                self.statistics.fault("payment waited too long to be sent", 1);
            } else if message.ends_with("before it was sent") {
                self.statistics.fault("payment taken back before it was sent", 1);
            }
        }
        for (_, row) in commits.iter().flat_map(|commit| &commit.changes.approvals) {
            let what = match row.status {
                ApprovalStatus::Requested => "payment needs a second person",
                ApprovalStatus::Approved => "second person approves",
                ApprovalStatus::Refused => "second person refuses",
                ApprovalStatus::Expired => "nobody approves in time",
            };
            self.statistics.fault(what, 1);
        }
    }

    /// A network knows nothing of what was never sent to it.
    fn nothing_behind_a_gate_is_known(&self, commits: &[Commit]) -> CheckResult {
        let providers = self.providers.state();
        for (_, row) in commits.iter().flat_map(|commit| &commit.changes.provider_attempts) {
            let known = row.gate.is_some()
                && providers.requests.get(&row.request_id).is_some_and(|known| known.is_received());
            rule(!known, "a network knows what is behind a gate", || format!("{row:?}"))?;
        }
        Ok(())
    }

    /// Applies an operator's resolution at the provider: money that is sent back leaves it, and a
    /// decided payment ends there in the same way.
    fn apply_resolution(&mut self, review: i64, how: Resolution) {
        let Some(key) = self.model.review_ids.get(&review).copied() else { return };
        let (Some(review), Some(known)) =
            (self.model.reviews.get(&key), self.model.executions.get(&key.0))
        else {
            return;
        };
        let mut providers = self.providers.state();
        match how {
            Resolution::ToPayer => {
                if let Some(kind) = known.clearing() {
                    let money = domain::kernel::money::Money::new(review.amount, review.currency);
                    providers.return_to_payer(
                        ExecutionId(key.0),
                        MerchantId(known.merchant),
                        kind,
                        money,
                    );
                }
            }
            Resolution::Completed | Resolution::Failed => {
                let open = providers
                    .requests
                    .get(&known.request)
                    .is_some_and(|request| request.decided.is_none());
                if open {
                    providers.force(known.request, how == Resolution::Completed);
                }
            }
            Resolution::ToWallet => {}
        }
    }

    /// Continues whoever waits for an outcome.
    pub fn continue_after(&mut self, process: usize, item: QueuedCommand, outcome: Outcome) {
        let incarnation = self.incarnations[process];
        let undone = matches!(
            outcome,
            Err(Failure::Unavailable(_) | Failure::Overloaded | Failure::Unknown)
        );
        match item.origin {
            Origin::Client(tries) => {
                self.wake_endpoint(process, &item.command, &outcome);
                self.retry_request(item, tries, undone);
                let call = match outcome {
                    Ok(Output::Execute(done) | Output::PayOnPage(done)) => done.call,
                    Ok(Output::PayLink(paid)) => paid.executed.call.clone(),
                    Ok(Output::LeaveCardPage(call) | Output::CheckNow(call)) => call,
                    Ok(Output::Approve(decided)) => decided.call,
                    _ => None,
                };
                if let Some(call) = call {
                    self.schedule_call(process, incarnation, CallSequence::new(call));
                }
            }
            Origin::CallSequence(calls) => {
                let recorded = outcome.map(RecordOutcome::output).and_then(|output| {
                    output.ok_or_else(|| Failure::Internal("another output".to_owned()))
                });
                if let Next::Call(next) = calls.next(recorded) {
                    self.schedule_call(process, incarnation, *next);
                }
            }
            Origin::Hint => {
                if let Ok(Output::CheckNow(Some(call))) = outcome {
                    self.schedule_call(process, incarnation, CallSequence::new(call));
                }
            }
            Origin::Claim => {
                if let Ok(Output::ClaimExecution(Some(job))) = outcome {
                    self.schedule_call(process, incarnation, CallSequence::new(job));
                }
            }
            Origin::Callback => {
                if let (true, Command::RecordOutcome(RecordOutcome { execution_id: id, .. })) =
                    (undone, &item.command)
                {
                    self.schedule_callback(*id);
                }
            }
            Origin::Statement => self.answers.push(outcome),
            Origin::Sweep | Origin::FanOut => {}
            Origin::DeliveryClaim => self.deliveries_claimed(process, outcome),
            Origin::DeliveryAttempt(tries) => {
                self.attempt_recorded(process, item, tries, &outcome);
            }
            Origin::PasscodeAttempt(request, right) => {
                self.passcode_attempt_reserved(request, right, item.tag, &outcome)
            }
            Origin::PasscodeVerified(request) => {
                if outcome.is_ok() {
                    self.submit(payout_with_passcode(request), item.tag);
                }
            }
            Origin::CardPayer(id) => self.card_payer_acted(id, &outcome),
            Origin::Try(tried) => self.try_reserved(tried, item.tag, &outcome),
        }
    }

    /// A client without an answer may retry.
    fn retry_request(&mut self, item: QueuedCommand, tries: u32, undone: bool) {
        let mut rng = self.rng_after_request(item.tag, tries);
        let begins = matches!(
            item.command,
            Command::Execute(_) | Command::PayOnPage(_) | Command::PayLink(_)
        );
        let lost = begins && rng.chance(self.fault_rates.lost_answer);
        // Not repeatable: each API key gets a new name, each login and link a new token, and an
        // operator reads the wallet again first.
        let once = matches!(
            item.command,
            Command::CreateApiKey(..)
                | Command::CreateMerchant(_)
                | Command::SetWalletStatus(..)
                | Command::RotateWebhookSecret(_)
                | Command::Invite(_)
                | Command::FinishLogin(_)
                | Command::ChangePassword(_)
        );
        self.statistics.fault("answer lost on its way to a client", u64::from(lost));
        if (lost || undone && rng.chance(700)) && tries < 3 && !once {
            self.statistics.fault("client asks again", 1);
            let wait = rng.between(0, seconds(20));
            self.schedule(
                wait,
                Scheduled::Submit(Box::new(QueuedCommand {
                    origin: Origin::Client(tries + 1),
                    ..item
                })),
            );
        }
    }

    /// Schedules a call to the provider; sometimes the process sleeps for longer than its lease.
    fn schedule_call(&mut self, process: usize, incarnation: u64, calls: CallSequence) {
        let rate = self.fault_rates.sleep;
        let rng = self.execution_rng(calls.call().request.execution_id.0);
        let sleeps = rng.chance(rate);
        let wait = if sleeps { rng.between(0, seconds(40)) } else { rng.between(0, 20_000) };
        self.statistics.fault("process sleeps before it calls", u64::from(sleeps));
        self.schedule(wait, Scheduled::CallProvider(process, incarnation, Box::new(calls)));
    }

    fn submit(&mut self, command: Command, tag: u64) {
        self.schedule(
            0,
            Scheduled::Submit(Box::new(QueuedCommand {
                tag,
                ..QueuedCommand::from_client(command)
            })),
        );
    }

    fn schedule_callback(&mut self, id: ExecutionId) {
        if let Some(known) = self.model.executions.get(&id.0) {
            let request = known.request;
            let wait = self.execution_rng(id.0).between(seconds(1), minutes(1));
            self.schedule(wait, Scheduled::ProviderEvent(ProviderEvent::Callback(request)));
        }
    }

    /// A passcode attempt was reserved: the passcode is compared and the attempt finished, unless the
    /// process dies before.
    fn passcode_attempt_reserved(
        &mut self,
        request: Execute,
        right: bool,
        tag: u64,
        outcome: &Outcome,
    ) {
        match outcome {
            Ok(Output::ReservePasscodeAttempt(PasscodeReservation::Reserved(None))) => {
                self.submit(Command::Execute(request), tag)
            }
            Ok(Output::ReservePasscodeAttempt(PasscodeReservation::Reserved(Some(attempt)))) => {
                if self.rng_after_request(hash_uuid(request.reference_id.0), 0).chance(50) {
                    self.statistics.fault("process dies while it compares a passcode", 1);
                    return;
                }
                let command = Command::FinishPasscodeAttempt(FinishPasscodeAttempt {
                    merchant_id: request.merchant_id,
                    attempt_id: attempt.id,
                    right,
                });
                let origin =
                    if right { Origin::PasscodeVerified(request) } else { Origin::Client(0) };
                self.schedule(
                    0,
                    Scheduled::Submit(Box::new(QueuedCommand {
                        tag,
                        ..QueuedCommand::untagged(command, origin)
                    })),
                );
            }
            _ => {}
        }
    }

    /// Counts the answers to calls from before a request was sent again.
    fn count_earlier_sending(&mut self, command: &Command, outcome: &Outcome) {
        if let (
            Command::RecordOutcome(RecordOutcome { execution_id: id, source, outcome, .. }),
            Ok(_),
        ) = (command, outcome)
            && self.model.was_sent_since(id.0, *source)
        {
            let what = match outcome {
                ProviderOutcome::Succeeded { .. } => "answer to an earlier sending, money moved",
                ProviderOutcome::Declined { .. } => "answer to an earlier sending, refused",
                _ => "answer to an earlier sending, nothing known",
            };
            self.statistics.fault(what, 1);
        }
    }

    /// Counts special cases: reused keys, late outcomes.
    fn count_special_cases(&mut self, command: &Command, outcome: &Outcome) {
        let what = match (command, outcome) {
            (_, Ok(Output::SetRate(_) | Output::SetPlatformFee(_))) => "fee or rate changed",
            (Command::Execute(_), Ok(Output::Execute(done))) if done.replayed => {
                "key used again, same body"
            }
            (Command::Execute(_), Ok(Output::Execute(done)))
                if done.execution.operation() == Operation::Refund
                    && done.execution.gateway_message.is_some() =>
            {
                "refund that has no room any more"
            }
            (Command::PayOnPage(_), _) => return self.count_page_payment(outcome),
            (Command::PayLink(_), Ok(Output::PayLink(paid))) if paid.executed.replayed => {
                "form of a payment link sent again"
            }
            (Command::PayLink(_), Err(Failure::Refused(reasons))) => match reasons.as_slice() {
                [Refusal::PaymentLinkClosed { state }] if *state == LinkState::UsedUp.as_str() => {
                    "payment link used up"
                }
                _ => return,
            },
            (Command::Execute(_), Err(Failure::Refused(reasons))) => {
                let is_expired =
                    |reason: &Refusal| matches!(reason, Refusal::SessionExpired { .. });
                match (
                    reasons.contains(&Refusal::DuplicateReference),
                    reasons.iter().any(is_expired),
                ) {
                    (true, _) => "key used again, another body",
                    (false, true) => "session expired",
                    (false, false) => return,
                }
            }
            (
                Command::RecordOutcome(RecordOutcome {
                    execution_id: id,
                    outcome: ProviderOutcome::Succeeded { .. },
                    ..
                }),
                Ok(Output::RecordOutcome(done) | Output::AuthenticateCard(done)),
            ) => {
                let db = self.environment.db.borrow();
                let deadline = db.rows.provider_attempts.get(*id).map(|row| row.deadline_at);
                let after = deadline.is_some() && done.execution.completed_at >= deadline;
                match (
                    after,
                    self.model.reviews.contains_key(&(id.0, ReviewKind::SuccessAfterFailure)),
                ) {
                    (true, _) => "success after the deadline",
                    (false, true) => "success after failure",
                    (false, false) => return,
                }
            }
            _ => return,
        };
        self.statistics.fault(what, 1);
    }

    /// Counts what may happen to people and to programs with API keys.
    fn count_people(&mut self, item: &QueuedCommand, outcome: &Outcome) {
        let asks = matches!(item.by, Some(Principal::User(_) | Principal::ApiKey(_)));
        let is_key = matches!(item.by, Some(Principal::ApiKey(_)));
        let is_ordinary = !is_of_people(&item.command);
        let what = match (&item.command, outcome) {
            (_, Ok(_)) if asks && is_ordinary => match is_key {
                true => "done by a program with an API key",
                false => "done by a person",
            },
            (_, Ok(Output::AcceptInvitation(_))) => "link used",
            (_, Ok(Output::FinishLogin(None))) => "password changed or person disabled at login",
            (Command::GiveCode(GiveCode { proof: Proof::Recovery(_), .. }), Ok(_)) => {
                "recovery code taken"
            }
            (command, Err(Failure::Refused(reasons))) => match reasons.as_slice() {
                [Refusal::InvitationEnded] => {
                    let token = match command {
                        Command::AcceptInvitation(AcceptInvitation { token, .. }) => *token,
                        _ => return,
                    };
                    let id = self.model.people.by_token.get(&token);
                    let found = id.and_then(|id| self.model.people.invitations.get(id));
                    match found {
                        Some(found) if found.is_ended => "link used or taken back before",
                        Some(found) if !found.is_open(self.now) => "link of more than 72 hours ago",
                        _ => "link of another kind, or of nobody",
                    }
                }
                [Refusal::InvitationWaits] => "link used before it was confirmed",
                [Refusal::OwnInvitation] => "own link confirmed",
                [Refusal::RoleTakesTwo { .. }] => "role of money given by one",
                [Refusal::LastOwner] => "last owner stays",
                [Refusal::AlreadyMember] => "link used by who is a member",
                [Refusal::EmailTaken] => "e-mail address taken",
                [Refusal::TooManyLogins { .. }] => "too many wrong passwords or codes",
                [Refusal::WrongPassword] => "password wrong by now",
                [Refusal::WrongCode] => match command {
                    Command::GiveCode(GiveCode { proof: Proof::Step(_), .. }) => "code given again",
                    Command::GiveCode(_) => "recovery code given again",
                    _ => "first code of another phone",
                },
                [Refusal::NotPermitted { .. }] if is_key => "API key may not do this",
                [Refusal::NotPermitted { .. }] => "role may not do this",
                [Refusal::MoreThanOwn] => "more rights given than one's own",
                [Refusal::NotMember] => "no role here",
                [Refusal::LoginEnded] => "login over",
                [Refusal::SecondFactorMissing] => "code to be given again",
                [Refusal::SecondFactorNotSetUp] => "second factor not set up",
                [Refusal::KeyRevoked] => "API key revoked",
                [Refusal::SigningKeyRetired] => "signing key retired",
                [Refusal::TokenExpired] => "access token expired",
                _ => return,
            },
            _ => return,
        };
        self.statistics.fault(what, 1);
    }

    /// Counts what may happen to a payer who sends a form.
    fn count_page_payment(&mut self, outcome: &Outcome) {
        let what = match outcome {
            Ok(Output::PayOnPage(done)) if done.replayed => "form of a page sent again",
            Err(Failure::Refused(reasons)) => match reasons.as_slice() {
                [Refusal::QuoteChanged] => "price of a page changed before it was paid",
                [Refusal::TooManyPayments { kind: RequestLimitKind::Phone, .. }] => {
                    "phone asked too often"
                }
                [Refusal::TooManyPayments { kind: RequestLimitKind::Source, .. }] => {
                    "page paid too often"
                }
                [Refusal::TooManyPayments { kind: RequestLimitKind::Address, .. }] => {
                    "address paid too often"
                }
                [Refusal::DuplicateReference] => "form of a page sent again, changed",
                _ => return,
            },
            _ => return,
        };
        self.statistics.fault(what, 1);
    }

    /// The authentication of a card's payer ends the request at the provider too, unless the provider
    /// had decided before: then it reports that.
    fn card_payer_acted(&mut self, id: ExecutionId, outcome: &Outcome) {
        let row = self.environment.db.borrow().rows.executions.get(id).cloned();
        let request = self.model.executions.get(&id.0).map(|known| known.request);
        let (
            Ok(Output::RecordOutcome(_) | Output::AuthenticateCard(_)) | Err(Failure::Unknown),
            Some(row),
            Some(request),
        ) = (outcome, row, request)
        else {
            return;
        };
        let mut providers = self.providers.state();
        let open =
            providers.requests.get(&request).is_some_and(|request| request.decided.is_none());
        if open && row.status.is_final() {
            providers.force(request, row.status == ExecutionStatus::Completed);
        }
        drop(providers);
        if !open {
            self.schedule_callback(id);
        }
    }
}

/// The payout after its passcode was found right.
fn payout_with_passcode(request: Execute) -> Command {
    let details = match request.details {
        OperationDetails::Payout { account_id, .. } => {
            OperationDetails::Payout { account_id, passcode_verified: true }
        }
        other => other,
    };
    Command::Execute(Execute { details, ..request })
}

const fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(Failure::Refused(_)) => "refused",
        Err(Failure::Unknown) => "unknown",
        Err(Failure::Unavailable(_) | Failure::Overloaded) => "unavailable",
        Err(Failure::Internal(_)) => "faults",
    }
}

/// Whether a command is about people and nothing else.
const fn is_of_people(command: &Command) -> bool {
    matches!(command, of_people!())
}

const fn oracle_check(command: &Command) -> &'static str {
    match command {
        Command::Execute(_) => "oracle: execute",
        Command::PayOnPage(_) => "oracle: payment on a page",
        Command::LeaveCardPage(_) | Command::CheckNow(_) => "oracle: a payer's step",
        Command::RecordOutcome(..) => "oracle: a provider's word",
        Command::ClaimExecution(_) => "oracle: claim",
        Command::CreateSession(..) => "oracle: declare",
        Command::CreatePaymentLink(..)
        | Command::DeactivatePaymentLink(..)
        | Command::PayLink(..)
        | Command::CancelUnpaidOrder(..) => "oracle: payment link",
        Command::CancelSession(..) | Command::ExpireSession(_) => "oracle: end of a session",
        Command::ResolveReview(..) => "oracle: review",
        Command::AuthenticateCard(..) => "oracle: authenticate",
        Command::FundWallet(..) | Command::SetWalletStatus(..) => "oracle: wallet",
        Command::SetPlatformFee(_)
        | Command::SetGatewayFee(_)
        | Command::SetRate(_)
        | Command::OpenMarket(_)
        | Command::CloseMarket(_)
        | Command::AssignPhonePrefix(_)
        | Command::EndPhonePrefix(_) => "oracle: tariff",
        Command::DeferSend(_) | Command::CancelEnqueued(_) => "oracle: gate",
        Command::Approve(_) | Command::Refuse(_) | Command::ExpireApproval(_) => "oracle: approval",
        Command::ChangeNetworkAccount(_)
        | Command::AddNetworkSecret(_)
        | Command::RecordTerms(_) => "oracle: network account",
        Command::ReservePasscodeAttempt(..)
        | Command::FinishPasscodeAttempt(..)
        | Command::ReservePasscodeChange(..) => "oracle: passcode",
        Command::CreateWebhookEndpoint(_)
        | Command::UpdateWebhookEndpoint(_)
        | Command::DeleteWebhookEndpoint(_)
        | Command::RotateWebhookSecret(_)
        | Command::TestWebhookEndpoint(_) => "oracle: webhook endpoint",
        Command::ChainBatches(_) => "oracle: chain of batches",
        Command::FanOutMessages(_)
        | Command::ClaimDeliveries(_)
        | Command::RecordDeliveryAttempt(_)
        | Command::ResendDeliveries(_) => "oracle: delivery",
        Command::Invite(_)
        | Command::ConfirmInvitation(_)
        | Command::CancelInvitation(_)
        | Command::AcceptInvitation(_) => "oracle: invitation",
        Command::ReserveLogin(_)
        | Command::FinishLogin(_)
        | Command::ChangePassword(_)
        | Command::EndLogin(_)
        | Command::TouchLogin(_) => "oracle: login",
        Command::ReserveCode(_)
        | Command::GiveCode(_)
        | Command::SetUpSecondFactor(_)
        | Command::ConfirmSecondFactor(_) => "oracle: second factor",
        Command::ChangeMember(_) | Command::SetMerchantLimits(_) | Command::DisableUser(_) => {
            "oracle: member"
        }
        Command::ReplacePasscode(..) | Command::SetPasscode(..) | Command::UnlockPasscode(_) => {
            "oracle: passcode"
        }
        _ => "oracle: shop",
    }
}

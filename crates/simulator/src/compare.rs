//! Compares the rows with the oracle's model.

use std::sync::Arc;

use domain::decision::command::{Command, Output};
use domain::exceptions::review::ReviewKind;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::names::FeeBearer;
use domain::ledger::account::{Account as SystemAccount, AccountKind};
use domain::ledger::wallet::{Owner, Wallet};
use domain::payments::attempt::Gate;
use domain::payments::attempt::ProviderAttempt;
use domain::payments::execute::Executed;
use domain::payments::execution::Execution;
use domain::payments::pay_on_page::PayOnPage;
use domain::payments::record_outcome::RecordOutcome;
use domain::payments::record_outcome::RecordedOutcome;
use domain::sales::pay_link::{PaidLink, PayLink};
use domain::sales::payment_link::{LinkStatus, PaymentLink};
use kola::engine::{Failure, Outcome};

use crate::checks::{CheckResult, rule};
use crate::db::{Changed, Commit, Committed, Map};
use crate::oracle::Model;
use crate::oracle::gates::Noted;
use crate::oracle::model::{Account, Passcode};
use crate::queued_command::QueuedCommand;

mod people;
mod webhooks;

pub use people::{all_people, note_uses, people};
pub use webhooks::{all_deliveries, webhooks};

const STORED: &str = "oracle: rows";

/// Notes the wallets that a batch has opened: the model must need each.
pub fn note_opened_wallets(model: &mut Model, commits: &[Commit]) {
    for (before, wallet) in commits.iter().flat_map(|commit| &commit.changes.wallets) {
        if before.is_none() {
            let party = matches!(wallet.owner(), Owner::Party(_));
            model.opened_wallets.insert((party, wallet.owner_id, wallet.currency), wallet.id.0);
        }
    }
}

/// Notes the payment accounts that a batch has made: the model must need each.
pub fn note_made_accounts(model: &mut Model, commits: &[Commit]) {
    for (before, account) in commits.iter().flat_map(|commit| &commit.changes.payment_accounts) {
        if before.is_none() {
            model.made_accounts.insert(account.id.0, account.party_id.0);
        }
    }
}

/// Notes the executions whose deadline a batch has found passed.
pub fn note_passed_deadlines(model: &mut Model, commits: &[Commit]) {
    model.passed_deadlines.clear();
    for (before, review) in commits.iter().flat_map(|commit| &commit.changes.reviews) {
        if before.is_none() && review.kind == ReviewKind::DeadlinePassed {
            model.passed_deadlines.insert(review.execution_id.0);
        }
    }
}

/// Notes the approvals that a batch has asked for.
pub fn note_approvals(model: &mut Model, commits: &[Commit]) {
    model.noted_approvals.clear();
    for (before, row) in commits.iter().flat_map(|commit| &commit.changes.approvals) {
        if before.is_none() {
            model.noted_approvals.insert(row.execution_id.0, row.id.0);
        }
    }
}

/// Notes the attempts that a batch has changed: its decisions may have read the accounts as they were
/// before another batch in its middle.
pub fn note_attempts(model: &mut Model, commits: &[Commit]) {
    model.noted_attempts.clear();
    for (_, row) in commits.iter().flat_map(|commit| &commit.changes.provider_attempts) {
        model.noted_attempts.insert(row.execution_id.0, Noted::new(row));
    }
}

/// The last state of each changed row.
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

/// Compares the rows that a batch has changed.
pub fn changed_rows(model: &mut Model, commits: &[Commit]) -> CheckResult {
    for (_, review) in commits.iter().flat_map(|commit| &commit.changes.reviews) {
        if model.review_ids.insert(review.id.0, (review.execution_id.0, review.kind)).is_none() {
            model.review_list.push(review.id.0);
        }
    }
    for row in last(commits, |commit| &commit.changes.wallets, |row| row.id.0) {
        model
            .opened_wallets
            .remove(&(matches!(row.owner(), Owner::Party(_)), row.owner_id, row.currency))
            .map_or(Ok(()), |id| {
                let made = model.wallets.contains_key(&id);
                rule(made, STORED, || format!("a wallet was opened without a reason: {row:?}"))
            })?;
        wallet(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.accounts, |row| row.id.0) {
        account(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.executions, |row| row.id.0) {
        let known = model.executions.get(&row.id.0);
        let totals = row.refunds();
        let refunded = totals.refunded_minor + totals.over_refunded_minor;
        let cost = totals.refunded_total_minor + totals.over_refunded_total_minor;
        let stored = (refunded, totals.given_back_minor, cost, row.released_minor());
        let same = known.is_some_and(|known| {
            let late = row.settled_by_review_at().is_some();
            let status = (known.status, known.in_review, known.settled_by_review)
                == (row.status, row.in_review, late);
            let refunds =
                (known.refunded, known.given_back_minor, known.cost, known.released) == stored;
            status && refunds && known.reference == row.reference_id
        });
        let expected = known.map(|known| {
            (
                known.status,
                known.in_review,
                (known.refunded, known.given_back_minor, known.cost, known.released),
            )
        });
        rule(same, STORED, || format!("{expected:?} was expected: {row:?}"))?;
    }
    for row in last(commits, |commit| &commit.changes.provider_attempts, |row| row.execution_id.0) {
        attempt(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.network_accounts, |row| row.id.0) {
        let known = model.contracts.get(&row.id.0);
        rule(known.is_some_and(|known| known.is_as(&row)), STORED, || {
            format!("{row:?}, {known:?} was expected")
        })?;
    }
    for row in last(commits, |commit| &commit.changes.parties, |row| row.id.0) {
        let known = model.parties.get(&row.id.0);
        let first = model.first_party.get(&(row.merchant_id.0, row.phone.clone()));
        let same = known == Some(&(row.merchant_id.0, row.phone.clone()))
            && row.found_by.is_some() == (first == Some(&row.id.0));
        rule(same, STORED, || format!("{row:?}, {known:?} was expected, the first is {first:?}"))?;
    }
    for row in last(commits, |commit| &commit.changes.payment_accounts, |row| row.id.0) {
        model.made_accounts.remove(&row.id.0);
        let stored = Account {
            merchant: row.merchant_id.0,
            party: row.party_id.0,
            provider: row.provider,
            method: row.method,
            operation: row.operation,
            number: row.account_number.clone(),
            active: row.is_active,
        };
        let known = model.accounts.get(&row.id.0);
        rule(known == Some(&stored), STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.request_limits, |row| row.id.0) {
        let known = model.request_limits.full_at(&(row.merchant_id, row.kind, row.subject));
        rule(known == Some(row.full_at.0), STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.sessions, |row| row.id.0) {
        let same = model
            .sessions
            .get(&row.id.0)
            .is_some_and(|known| known.status == row.status && known.kind == row.kind());
        rule(same, STORED, || format!("{row:?}"))?;
    }
    for row in last(commits, |commit| &commit.changes.sources, |row| row.id.0) {
        let known = model.sources.get(&row.id.0);
        let same = known.is_some_and(|known| {
            (known.status, known.total, known.bearer)
                == (row.status, row.total_minor, row.fee_bearer)
        });
        let same = same
            && known.is_some_and(|known| {
                let cancel_at = known.cancel_at.filter(|_| !known.status.is_final());
                (known.link, cancel_at)
                    == (row.payment_link_id.map(|id| id.0), row.cancel_at.map(|at| at.0))
            });
        let same = same && usize::try_from(row.open_reviews) == Ok(model.open_reviews_of(row.id.0));
        rule(same, STORED, || {
            format!("{row:?}, {:?} was expected", known.map(|known| (known.status, known.total)))
        })?;
    }
    for row in last(commits, |commit| &commit.changes.payment_links, |row| row.id.0) {
        payment_link(model, &row)?;
    }
    for row in last(commits, |commit| &commit.changes.approvals, |row| row.id.0) {
        let known = model.approvals.get(&row.id.0);
        let same = known.is_some_and(|known| {
            (known.execution, known.requested_by, known.status, known.decided_by)
                == (row.execution_id.0, row.requested_by, row.status, row.decided_by)
        });
        rule(same, STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.reviews, |row| row.id.0) {
        let known = model.reviews.get(&(row.execution_id.0, row.kind));
        let open = row.status == domain::exceptions::review::ReviewStatus::Open;
        let same = known.is_some_and(|known| {
            (known.amount, known.currency, known.open)
                == (row.amount.minor, row.amount.currency, open)
        });
        rule(same, STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.merchants, |row| row.id.0) {
        let known = model.merchants.get(&row.id.0).map(|known| {
            let brand = (&known.brand.name, known.brand.colour, known.brand.has_logo);
            let owners = model.people.owners(row.id.0);
            (known.verified, known.payee_bears, known.offset, owners, brand)
        });
        let brand = (&row.display_name, row.colour, row.logo.is_some());
        let payee_bears = row.fee_bearer == FeeBearer::Payee;
        let stored = (row.verified, payee_bears, row.clock_offset_us, row.owners, brand);
        rule(known == Some(stored), STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.logos, |row| row.merchant_id.0) {
        let known =
            model.merchants.get(&row.merchant_id.0).and_then(|known| known.brand.picture.as_ref());
        rule(known == Some(&row.png), STORED, || format!("{row:?}, {known:?} was expected"))?;
    }
    for row in last(commits, |commit| &commit.changes.passcodes, |row| row.merchant_id.0) {
        let known =
            model.merchants.get(&row.merchant_id.0).and_then(|known| known.passcode.clone());
        let attempts =
            row.tries.0.iter().map(|one| (one.id.0, one.key.0, one.at.0, one.wrong)).collect();
        let stored = Passcode { hash: row.hash().map(str::to_owned), attempts };
        rule(known.as_ref() == Some(&stored), STORED, || {
            format!("{row:?}, {known:?} was expected")
        })?;
    }
    Ok(())
}

fn wallet(model: &Model, row: &Wallet) -> CheckResult {
    let known = model.wallets.get(&row.id.0);
    let amounts = (row.available_minor, row.held_minor, row.incoming_minor);
    let sent = (row.sent_day, row.sent_minor);
    let stored = (amounts, row.open_reviews, row.status, row.currency, sent);
    let own = |known: &crate::oracle::model::Wallet| {
        let amounts = (known.available, known.held, known.incoming);
        let sent = (known.sent_day, model.sent_on(row.id.0, known.sent_day));
        (amounts, known.open_reviews, known.status, known.currency, sent)
    };
    let expected = known.map(own);
    let same = expected == Some(stored);
    rule(same, STORED, || format!("{row:?}, {expected:?} was expected"))
}

fn attempt(model: &Model, row: &ProviderAttempt) -> CheckResult {
    let known = model.executions.get(&row.execution_id.0);
    let expected = known.map(|known| {
        let asked = (known.requires_action, known.cancel_requested, known.asked, known.page);
        let look_at = known.gate.filter(|gate| *gate != Gate::Approval).map(|_| known.look_at);
        let gate = (known.gate, look_at, known.last_refund);
        (known.request, known.sends, known.lease, asked, gate, known.deadline)
    });
    let (asked_at, page) = (row.asked_at.map(|at| at.0), row.page_id.map(|id| id.0));
    let asked = (row.requires_action, row.cancel_asked, asked_at, page);
    let look_at = row.next_check_at.map(|at| at.0).filter(|_| row.gate.is_some());
    let gate = (row.gate, look_at, row.last_refund_id.map(|id| id.0));
    let lease = row.lease_until.map(|until| until.0);
    let stored = (row.request_id, row.send_count, lease, asked, gate, row.deadline_at.0);
    rule(expected == Some(stored), STORED, || format!("{row:?}, {expected:?} was expected"))
}

fn payment_link(model: &Model, row: &PaymentLink) -> CheckResult {
    let known = model.links.get(&row.id.0);
    let (reserved, paid) = model.link_uses(row.id.0);
    let same = known.is_some_and(|known| {
        let deactivated = row.status == LinkStatus::Deactivated;
        let uses = (usize::try_from(row.uses_reserved), usize::try_from(row.uses_paid));
        known.deactivated == deactivated && uses == (Ok(reserved), Ok(paid))
    });
    rule(same, STORED, || format!("{row:?}, {reserved} and {paid} were expected"))
}

fn account(model: &Model, row: &SystemAccount) -> CheckResult {
    // The installation's own are compared with its networks' statements, once all are booked.
    if row.merchant_id == MerchantId::INSTALLATION {
        return Ok(());
    }
    let known =
        model.system.get(&(row.merchant_id.0, row.kind, row.currency)).copied().unwrap_or(0);
    rule(known == row.balance_minor, STORED, || format!("{row:?}, {known} was expected"))
}

/// Compares all rows.
pub fn all_rows(model: &Model, rows: &Committed) -> CheckResult {
    for row in rows.wallets.by_id.values() {
        wallet(model, row)?;
    }
    for row in rows.accounts.by_id.values() {
        account(model, row)?;
    }
    for row in rows.payment_links.by_id.values() {
        payment_link(model, row)?;
    }
    for (id, known) in &model.executions {
        let row = rows.executions.by_id.get(&ExecutionId(*id));
        let same = row.is_some_and(|row| {
            row.status == known.status
                && row.settled_by_review_at().is_some() == known.settled_by_review
        });
        rule(same, STORED, || format!("execution {id} is {row:?}, {} was expected", known.status))?;
    }
    for row in rows.provider_attempts.by_id.values() {
        attempt(model, row)?;
    }
    let counts = (
        rows.executions.by_id.len(),
        rows.sessions.by_id.len(),
        rows.wallets.by_id.len(),
        rows.reviews.by_id.len(),
    );
    let known =
        (model.executions.len(), model.sessions.len(), model.wallets.len(), model.reviews.len());
    rule(counts == known, STORED, || {
        format!("executions, sessions, wallets, reviews: {counts:?}, {known:?} were expected")
    })
}

/// Checks that the row of an acknowledged command exists.
pub fn exists(outcome: &Outcome, rows: &Committed) -> CheckResult {
    let Ok(answer) = outcome else { return Ok(()) };
    let there = match answer {
        Output::Execute(done) => rows.executions.get(done.execution.id).is_some(),
        Output::PayOnPage(done) => {
            let account = done.execution.payment_account_id();
            rows.executions.get(done.execution.id).is_some()
                && rows.sessions.get(done.execution.session_id).is_some()
                && account.is_some_and(|id| rows.payment_accounts.get(id).is_some())
        }
        Output::RecordOutcome(done) | Output::AuthenticateCard(done) => {
            rows.executions.get(done.execution.id).is_some()
        }
        Output::CreateSession(row) | Output::CancelSession(row) => {
            rows.sessions.get(row.id).is_some()
        }
        Output::CreateSource(row)
        | Output::UpdateSource(row)
        | Output::PublishSource(row)
        | Output::CancelSource(row) => rows.sources.get(row.id).is_some(),
        Output::AddItem(row) | Output::UpdateItem(row) => rows.items.get(row.id).is_some(),
        Output::CreateParty(row) => rows.parties.get(row.id).is_some(),
        Output::CreateCounterparty(row) | Output::UpdateCounterparty(row) => {
            rows.counterparties.get(row.id).is_some()
        }
        Output::CreateAccount(row) | Output::DeactivateAccount(row) => {
            rows.payment_accounts.get(row.id).is_some()
        }
        Output::FundWallet(row) | Output::SetWalletStatus(row) => {
            rows.wallets.get(row.id).is_some()
        }
        Output::CreateMerchant(made) => rows.merchants.get(made.merchant.id).is_some(),
        Output::UpdateMerchant(row) => rows.merchants.get(row.id).is_some(),
        Output::CreateApiKey(row) | Output::RevokeApiKey(row) => {
            rows.api_keys.get(row.id).is_some()
        }
        Output::CreateCheckout(made) => rows.sources.get(made.source.id).is_some(),
        Output::CreatePaymentLink(made) => rows.payment_links.get(made.link.id).is_some(),
        Output::DeactivatePaymentLink(row) => rows.payment_links.get(row.id).is_some(),
        Output::PayLink(paid) => {
            rows.sources.get(paid.order.id).is_some()
                && rows.checkout_configs.get(paid.page.id).is_some()
                && rows.executions.get(paid.executed.execution.id).is_some()
        }
        Output::OpenCheckoutPage(row) => rows.checkout_configs.get(row.id).is_some(),
        Output::CreateWebhookEndpoint(row)
        | Output::UpdateWebhookEndpoint(row)
        | Output::DeleteWebhookEndpoint(row)
        | Output::RotateWebhookSecret(row) => rows.webhook_endpoints.get(row.id).is_some(),
        Output::RecordDeliveryAttempt(recorded) => {
            rows.webhook_deliveries.get(recorded.delivery.id).is_some()
        }
        Output::ResolveReview(row) => rows.reviews.get(row.id).is_some(),
        Output::SetPlatformFee(row) => rows.platform_fees.get(row.id).is_some(),
        Output::SetGatewayFee(row) => rows.gateway_fees.get(row.id).is_some(),
        Output::SetRate(row) => rows.rates.get(row.id).is_some(),
        Output::OpenMarket(opened) => rows.markets.get(opened.market.id).is_some(),
        Output::AssignPhonePrefix(row) => rows.phone_prefixes.get(row.id).is_some(),
        Output::Invite(row) | Output::ConfirmInvitation(row) | Output::CancelInvitation(row) => {
            rows.invitations.get(row.id).is_some()
        }
        Output::AcceptInvitation(row)
        | Output::SetUpSecondFactor(row)
        | Output::DisableUser(row) => rows.users.get(row.id).is_some(),
        Output::FinishLogin(row) => {
            row.as_ref().is_none_or(|row| rows.logins.get(row.id).is_some())
        }
        Output::GiveCode(row)
        | Output::ConfirmSecondFactor(row)
        | Output::ChangePassword(row)
        | Output::EndLogin(row) => rows.logins.get(row.id).is_some(),
        Output::Approve(decided) | Output::Refuse(decided) => {
            rows.approvals.get(decided.approval.id).is_some()
        }
        Output::SetMerchantLimits(row) => rows.merchant_limits.get(row.id).is_some(),
        Output::ChangeMember(row) => rows.memberships.get(row.id).is_some(),
        Output::SetPasscode(())
        | Output::UnlockPasscode(())
        | Output::ReserveLogin(_)
        | Output::ReserveCode(_)
        | Output::TouchLogin(())
        | Output::ReservePasscodeChange(_)
        | Output::ReplacePasscode(())
        | Output::ReservePasscodeAttempt(_)
        | Output::FinishPasscodeAttempt(())
        | Output::RemoveItem(())
        | Output::ExpireSession(_)
        | Output::CancelUnpaidOrder(_)
        | Output::AdvanceClock(_)
        | Output::CloseMarket(_)
        | Output::EndPhonePrefix(_)
        | Output::LeaveCardPage(_)
        | Output::CheckNow(_)
        | Output::ClaimExecution(_)
        | Output::DeferSend(_)
        | Output::CancelEnqueued(_)
        | Output::ExpireApproval(_)
        | Output::RecordDispute(_)
        | Output::NoteEvidence(_)
        | Output::AddNetworkAccount(_)
        | Output::ChangeNetworkAccount(_)
        | Output::AddNetworkSecret(())
        | Output::RetireNetworkSecret(())
        | Output::ResealSecrets(())
        | Output::KeepUnmatchedCallback(())
        | Output::DeleteRetained(())
        | Output::SaveFilter(_)
        | Output::StopPayouts(_)
        | Output::ResumePayouts(_)
        | Output::ClaimCheck(_)
        | Output::RecordCheck(_)
        | Output::RequestCheck(_)
        | Output::ClaimReconciliation(_)
        | Output::BeginStatement(_)
        | Output::RecordLines(_)
        | Output::RecordMissing(_)
        | Output::EndStatement(_)
        | Output::AcceptStatement(_)
        | Output::PostLines(_)
        | Output::CloseDifference(_)
        | Output::RecordBalances(_)
        | Output::UpdateParty(_)
        | Output::TestWebhookEndpoint(_)
        | Output::FanOutMessages(_)
        | Output::ChainBatches(_)
        | Output::ClaimDeliveries(_)
        | Output::ResendDeliveries(_)
        | Output::RecordTerms(_)
        | Output::Preview(_) => true,
    };
    rule(there, "what was acknowledged is not there", || format!("{answer:?}"))
}

/// Whether the rows tell what became of a command whose answer was lost.
const fn is_read_back(command: &Command) -> bool {
    matches!(
        command,
        Command::Execute(_)
            | Command::PayOnPage(_)
            | Command::PayLink(_)
            | Command::RecordOutcome(_)
            | Command::RecordDeliveryAttempt(_)
    )
}

/// Whether the rows tell what became of a batch whose answer was lost. Of several attempts to deliver
/// they tell only what became of all of them.
pub fn is_batch_read_back(items: &[QueuedCommand]) -> bool {
    let is_attempt =
        |item: &&QueuedCommand| matches!(item.command, Command::RecordDeliveryAttempt(_));
    items.iter().all(|item| is_read_back(&item.command))
        && items.iter().filter(is_attempt).count() <= 1
}

/// What a client reads afterwards whose answer was lost, as far as this batch's commits tell.
pub fn read_back_outcome(command: &Command, commits: &[Commit], rows: &Committed) -> Outcome {
    // An execution of another process's batch is compared with that batch.
    let changes = || commits.iter().flat_map(|commit| &commit.changes.executions);
    let own = |id: ExecutionId| changes().any(|(before, after)| before.is_none() && after.id == id);
    let done = |row: &Arc<Execution>| Executed {
        execution: (**row).clone(),
        attempt: open_attempt(row, rows),
        replayed: false,
        call: None,
    };
    match command {
        Command::Execute(request) => {
            let found = rows.executions.by_alt_key(&(request.merchant_id, request.reference_id));
            let fits = found.filter(|row| row.session_id == request.session_id && own(row.id));
            fits.map(|row| Output::Execute(done(row))).ok_or(Failure::Unknown)
        }
        Command::PayOnPage(PayOnPage { merchant_id, source_id, payment, .. }) => {
            let found = rows.executions.by_alt_key(&(*merchant_id, payment.reference_id));
            let fits = found.filter(|row| row.source_id() == Some(*source_id) && own(row.id));
            fits.map(|row| Output::PayOnPage(done(row))).ok_or(Failure::Unknown)
        }
        Command::PayLink(PayLink { merchant_id, link_id, payment, .. }) => {
            let found = rows.executions.by_alt_key(&(*merchant_id, payment.reference_id));
            let fits = found.filter(|row| own(row.id)).and_then(|row| {
                let order = row.source_id().and_then(|id| rows.sources.get(id))?;
                let page = rows.checkout_configs.by_alt_key(&order.id)?;
                let (order, page) = ((**order).clone(), (**page).clone());
                Some(PaidLink { order, page, executed: Box::new(done(row)) })
            });
            let fits = fits.filter(|paid| paid.order.payment_link_id == Some(*link_id));
            fits.map(Output::PayLink).ok_or(Failure::Unknown)
        }
        Command::RecordOutcome(RecordOutcome { execution_id: id, .. }) => {
            let done = |row: &Arc<Execution>| RecordedOutcome {
                execution: (**row).clone(),
                attempt: open_attempt(row, rows),
                call: None,
            };
            rows.executions
                .get(*id)
                .map(|row| Output::RecordOutcome(done(row)))
                .ok_or(Failure::Unknown)
        }
        Command::RecordDeliveryAttempt(request) => webhooks::recorded_attempt(request, commits)
            .map(Output::RecordDeliveryAttempt)
            .ok_or(Failure::Unknown),
        _ => Err(Failure::Unknown),
    }
}

/// The attempt of an execution that is under way.
fn open_attempt(row: &Execution, rows: &Committed) -> Option<ProviderAttempt> {
    let found = rows.provider_attempts.get(row.id).filter(|_| !row.status.is_final());
    found.map(|attempt| (**attempt).clone())
}

/// Checks that nothing is open any more.
pub fn all_settled(rows: &Committed) -> CheckResult {
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

/// Checks that the clearing accounts say what the providers hold.
pub fn clearing(
    rows: &Committed,
    truth: &Map<(MerchantId, AccountKind, Currency), i64>,
) -> CheckResult {
    let mut differences: Map<(MerchantId, AccountKind, Currency), i64> = truth.clone();
    for row in rows.accounts.by_id.values() {
        // What their statements say beyond the payments is the installation's.
        let is_of_merchant = row.merchant_id != MerchantId::INSTALLATION;
        if !is_of_merchant || !matches!(row.kind, AccountKind::Clearing(_)) {
            continue;
        }
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

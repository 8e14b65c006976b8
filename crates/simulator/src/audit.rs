//! What must be in the audit after a batch, by what its commands are said to do: who, what, on what
//! object of which merchant. A command that changed its object leaves a row; nothing else leaves one.

use domain::audit::{AuditEntity, AuditRow, AuditedCommand};
use domain::decision::command::{Command, Output};
use domain::decision::event::Actor;
use domain::kernel::ids::{MerchantId, UserId};
use domain::payments::execution::ExecutionStatus;
use domain::payments::session::SessionStatus;
use domain::people::invitation::{Invitation, InvitedTo};
use kola::engine::{Failure, Outcome};

use crate::checks::{CheckResult, rule};
use crate::db::{Commit, Committed};
use crate::queued_command::QueuedCommand;

const NOBODY: i64 = 0;

/// A row that there must be, or may be.
struct Expected {
    actor: Actor,
    command: AuditedCommand,
    entity: AuditEntity,
    id: i64,
    /// Other objects of which each may stand for all.
    or: Vec<i64>,
    merchant: i64,
    is_certain: Certainty,
}

/// Whether the command changed something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Yes,
    /// It, or another of its kind in the batch.
    OneOfItsKind,
    /// It may have been a repeated one.
    Unknown,
}

impl From<bool> for Certainty {
    fn from(certain: bool) -> Self {
        if certain { Self::Yes } else { Self::Unknown }
    }
}

impl Certainty {
    const fn one_of_its_kind(changed: bool) -> Self {
        if changed { Self::OneOfItsKind } else { Self::Unknown }
    }
}

impl Expected {
    fn is(&self, row: &AuditRow) -> bool {
        row.actor == self.actor
            && row.command == self.command
            && row.entity == self.entity
            && (row.entity_id == self.id || self.or.contains(&row.entity_id))
            && row.merchant_id == MerchantId(self.merchant)
    }
}

/// Compares the rows of a batch with its commands.
pub fn check(
    items: &[QueuedCommand],
    outcomes: &[Outcome],
    commits: &[Commit],
    rows: &Committed,
) -> CheckResult {
    let all: Vec<&AuditRow> = commits.iter().flat_map(|commit| &commit.audit).collect();
    let mut left = all.clone();
    for row in &left {
        let plausible = row.address.is_none() && row.request_id.is_none();
        rule(plausible, "a row of the audit has the request of nobody", || format!("{row:?}"))?;
        says_what_became(row, commits)?;
    }
    let mut all_expected = vec![];
    for (item, outcome) in items.iter().zip(outcomes) {
        let Ok(output) = outcome else { continue };
        let actor = match (item.principal().actor(), output) {
            (Actor::System, Output::FinishLogin(Some(login))) => Actor::User(login.user_id),
            (Actor::System, Output::AcceptInvitation(user)) => Actor::User(user.id),
            (actor, _) => actor,
        };
        if matches!(actor, Actor::Network | Actor::System | Actor::Payer) {
            continue;
        }
        if let Some(expected) = expected(actor, &item.command, output, commits, rows) {
            all_expected.push((actor, &item.command, expected));
        }
    }
    // Whoever certainly leaves a row comes first: two commands of a batch may be about one object, and
    // only one of them change it.
    all_expected.sort_by_key(|(_, _, expected)| !matches!(expected.is_certain, Certainty::Yes));
    for (actor, command, expected) in all_expected {
        match left.iter().position(|row| expected.is(row)) {
            Some(found) => drop(left.swap_remove(found)),
            None => {
                let of_its_kind = |row: &&AuditRow| {
                    row.command == expected.command && row.entity_id == expected.id
                };
                let fine = match expected.is_certain {
                    Certainty::Yes => false,
                    Certainty::OneOfItsKind => all.iter().any(of_its_kind),
                    Certainty::Unknown => true,
                };
                rule(fine, "a decision is not in the audit", || format!("{actor:?} {command:?}"))?;
            }
        }
    }
    // Of a commit without an answer nobody knows which commands it had.
    let unknown: Vec<&str> = items
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| **outcome == Err(Failure::Unknown))
        .map(|(item, _)| item.command.name())
        .collect();
    left.retain(|row| !unknown.iter().any(|name| snake(name) == row.command.as_str()));
    rule(left.is_empty(), "a row of the audit that no decision leaves", || format!("{left:?}"))
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// A payment's row says what became of it, and no more.
fn says_what_became(row: &AuditRow, commits: &[Commit]) -> CheckResult {
    let status = match row.command {
        AuditedCommand::CreateSession => (None, SessionStatus::Active.as_str()),
        AuditedCommand::CancelSession => {
            (Some(SessionStatus::Active.as_str()), SessionStatus::Canceled.as_str())
        }
        AuditedCommand::Execute => {
            let mut executions = commits.iter().flat_map(|commit| &commit.changes.executions);
            let made =
                executions.any(|(before, after)| before.is_none() && after.id.0 == row.entity_id);
            let told = row.changes.0.first().and_then(|change| change.values.as_ref());
            // A later command of the batch may have changed its status.
            let fine = told.is_some_and(|values| {
                let known = values.after.as_deref().and_then(ExecutionStatus::parse);
                values.before.is_none() && known.is_some()
            });
            return rule(made && fine, "the audit tells something else of a payment", || {
                format!("{row:?}")
            });
        }
        _ => return Ok(()),
    };
    let change = row.changes.0.first();
    let values = change.and_then(|change| change.values.as_ref());
    let told = values.map(|values| (values.before.as_deref(), values.after.as_deref()));
    let fine = row.changes.0.len() == 1 && told == Some((status.0, Some(status.1)));
    rule(fine, "the audit tells something else of a payment", || format!("{row:?}"))
}

/// What an accepted command leaves; `None` for one that leaves nothing.
fn expected(
    actor: Actor,
    command: &Command,
    output: &Output,
    commits: &[Commit],
    rows: &Committed,
) -> Option<Expected> {
    use AuditEntity as On;
    use AuditedCommand as Did;
    let changes = || commits.iter().map(|commit| &commit.changes);
    let row_if = |did, (entity, id), merchant, is_certain| {
        Some(Expected { actor, command: did, entity, id, or: vec![], merchant, is_certain })
    };
    let row = |did, on, merchant, certain: bool| row_if(did, on, merchant, certain.into());
    match (command, output) {
        (_, Output::CreateMerchant(made)) => {
            let id = made.merchant.id.0;
            row(Did::CreateMerchant, (On::Merchant, id), id, true)
        }
        (Command::UpdateMerchant(asked), _) => {
            let id = asked.merchant_id.0;
            row(Did::UpdateMerchant, (On::Merchant, id), id, false)
        }
        (Command::AdvanceClock(asked), _) => {
            let id = asked.merchant_id.0;
            row(Did::AdvanceClock, (On::Merchant, id), id, asked.by_seconds > 0)
        }
        (_, Output::CreateApiKey(key)) => {
            row(Did::CreateApiKey, (On::ApiKey, key.id.0), key.merchant_id.0, true)
        }
        (_, Output::RevokeApiKey(key)) => {
            let mut keys = changes().flat_map(|changes| &changes.api_keys);
            let revoked = keys.any(|(before, after)| {
                let was_good = before.as_ref().is_none_or(|row| row.revoked_at.is_none());
                after.id == key.id && was_good
            });
            let is_certain = Certainty::one_of_its_kind(revoked);
            row_if(Did::RevokeApiKey, (On::ApiKey, key.id.0), key.merchant_id.0, is_certain)
        }
        (Command::SetPasscode(asked), _) => {
            let id = asked.merchant_id.0;
            row(Did::SetPasscode, (On::Passcode, id), id, false)
        }
        (Command::UnlockPasscode(asked), _) => {
            let id = asked.merchant_id.0;
            row(Did::UnlockPasscode, (On::Passcode, id), id, false)
        }
        (Command::ReplacePasscode(asked), _) => {
            let id = asked.merchant_id.0;
            row(Did::ReplacePasscode, (On::Passcode, id), id, false)
        }
        (_, Output::SetMerchantLimits(limits)) => {
            row(Did::SetMerchantLimits, (On::Limits, limits.id.0), limits.merchant_id.0, false)
        }
        (_, Output::CreateParty(party)) => {
            row(Did::CreateParty, (On::Party, party.id.0), party.merchant_id.0, false)
        }
        (_, Output::CreateCounterparty(made)) => {
            row(Did::CreateCounterparty, (On::Counterparty, made.id.0), made.merchant_id.0, true)
        }
        (_, Output::UpdateCounterparty(made)) => {
            row(Did::UpdateCounterparty, (On::Counterparty, made.id.0), made.merchant_id.0, false)
        }
        (_, Output::CreateAccount(made)) => {
            row(Did::CreateAccount, (On::PaymentAccount, made.id.0), made.merchant_id.0, true)
        }
        (_, Output::DeactivateAccount(made)) => {
            row(Did::DeactivateAccount, (On::PaymentAccount, made.id.0), made.merchant_id.0, false)
        }
        (Command::FundWallet(asked), Output::FundWallet(wallet)) => {
            let on = (On::Wallet, wallet.id.0);
            row(Did::FundWallet, on, wallet.merchant_id.0, asked.key.is_none())
        }
        (_, Output::SetWalletStatus(wallet)) => {
            let mut wallets = changes().flat_map(|changes| &changes.wallets);
            let changed = wallets.any(|(before, after)| {
                after.id == wallet.id
                    && before.as_ref().is_some_and(|row| row.status != after.status)
            });
            let is_certain = Certainty::one_of_its_kind(changed);
            row_if(
                Did::SetWalletStatus,
                (On::Wallet, wallet.id.0),
                wallet.merchant_id.0,
                is_certain,
            )
        }
        (_, Output::CreateSource(source)) => {
            row(Did::CreateSource, (On::Source, source.id.0), source.merchant_id.0, true)
        }
        (_, Output::UpdateSource(source)) => {
            row(Did::UpdateSource, (On::Source, source.id.0), source.merchant_id.0, false)
        }
        (_, Output::PublishSource(source)) => {
            row(Did::PublishSource, (On::Source, source.id.0), source.merchant_id.0, false)
        }
        (_, Output::CancelSource(source)) => {
            row(Did::CancelSource, (On::Source, source.id.0), source.merchant_id.0, false)
        }
        (_, Output::CreateCheckout(made)) => {
            let source = &made.source;
            row(Did::CreateCheckout, (On::Source, source.id.0), source.merchant_id.0, true)
        }
        (_, Output::OpenCheckoutPage(page)) => {
            row(Did::OpenCheckoutPage, (On::Source, page.source_id.0), page.merchant_id.0, false)
        }
        (_, Output::AddItem(item)) => {
            row(Did::AddItem, (On::Item, item.id.0), item.merchant_id.0, true)
        }
        (_, Output::UpdateItem(item)) => {
            row(Did::UpdateItem, (On::Item, item.id.0), item.merchant_id.0, false)
        }
        (Command::RemoveItem(asked), _) => {
            let merchant = asked.source.merchant_id.0;
            row(Did::RemoveItem, (On::Item, asked.item_id.0), merchant, true)
        }
        (_, Output::CreatePaymentLink(made)) => {
            let link = &made.link;
            row(Did::CreatePaymentLink, (On::PaymentLink, link.id.0), link.merchant_id.0, true)
        }
        (_, Output::DeactivatePaymentLink(link)) => {
            row(Did::DeactivatePaymentLink, (On::PaymentLink, link.id.0), link.merchant_id.0, false)
        }
        (_, Output::CreateSession(session)) => {
            row(Did::CreateSession, (On::Session, session.id.0), session.merchant_id.0, true)
        }
        (_, Output::CancelSession(session)) => {
            row(Did::CancelSession, (On::Session, session.id.0), session.merchant_id.0, false)
        }
        (_, Output::Execute(done)) if !done.replayed => {
            let execution = &done.execution;
            row(Did::Execute, (On::Execution, execution.id.0), execution.merchant_id.0, true)
        }
        (Command::CheckNow(asked), Output::CheckNow(Some(_))) => {
            let on = (On::Execution, asked.execution_id.0);
            row(Did::CheckNow, on, asked.merchant_id.0, true)
        }
        (_, Output::CancelEnqueued(with)) => {
            let execution = &with.execution;
            row(
                Did::CancelEnqueued,
                (On::Execution, execution.id.0),
                execution.merchant_id.0,
                false,
            )
        }
        (_, Output::Approve(decided)) => {
            let row_of = &decided.approval;
            row(Did::Approve, (On::Approval, row_of.id.0), row_of.merchant_id.0, false)
        }
        (_, Output::Refuse(decided)) => {
            let row_of = &decided.approval;
            row(Did::Refuse, (On::Approval, row_of.id.0), row_of.merchant_id.0, false)
        }
        (_, Output::AuthenticateCard(with)) => {
            let execution = &with.execution;
            let on = (On::Execution, execution.id.0);
            row(Did::AuthenticateCard, on, execution.merchant_id.0, true)
        }
        (_, Output::ResolveReview(review)) => {
            row(Did::ResolveReview, (On::Review, review.id.0), review.merchant_id.0, false)
        }
        (_, Output::SetPlatformFee(_)) => row(Did::SetPlatformFee, (On::Tariff, 1), NOBODY, true),
        (_, Output::SetGatewayFee(_)) => row(Did::SetGatewayFee, (On::Tariff, 1), NOBODY, true),
        (_, Output::SetRate(_)) => row(Did::SetRate, (On::Tariff, 1), NOBODY, true),
        (_, Output::OpenMarket(opened)) => {
            row(Did::OpenMarket, (On::Tariff, 1), NOBODY, !opened.was_open)
        }
        (_, Output::CloseMarket(_)) => row(Did::CloseMarket, (On::Tariff, 1), NOBODY, false),
        (_, Output::AssignPhonePrefix(_)) => {
            row(Did::AssignPhonePrefix, (On::Tariff, 1), NOBODY, false)
        }
        (_, Output::EndPhonePrefix(_)) => row(Did::EndPhonePrefix, (On::Tariff, 1), NOBODY, false),
        (Command::ChangeNetworkAccount(asked), _) => {
            let on = (On::NetworkAccount, asked.account_id.0);
            row(Did::ChangeNetworkAccount, on, NOBODY, false)
        }
        (Command::AddNetworkSecret(asked), _) => {
            row(Did::AddNetworkSecret, (On::NetworkAccount, asked.account_id.0), NOBODY, true)
        }
        (Command::RecordTerms(asked), Output::RecordTerms(changed)) => {
            let on = (On::NetworkAccount, asked.account_id.0);
            row(Did::RecordTerms, on, NOBODY, *changed > 0)
        }
        (_, Output::AcceptStatement(made)) => {
            row(Did::AcceptStatement, (On::Statement, made.id.0), NOBODY, false)
        }
        (_, Output::CloseDifference(made)) => {
            row(Did::CloseDifference, (On::Statement, made.statement_id.0), NOBODY, true)
        }
        (_, Output::CreateWebhookEndpoint(made)) => {
            let on = (On::WebhookEndpoint, made.id.0);
            row(Did::CreateWebhookEndpoint, on, made.merchant_id.0, true)
        }
        (_, Output::UpdateWebhookEndpoint(made)) => {
            let on = (On::WebhookEndpoint, made.id.0);
            row(Did::UpdateWebhookEndpoint, on, made.merchant_id.0, false)
        }
        (_, Output::DeleteWebhookEndpoint(made)) => {
            let on = (On::WebhookEndpoint, made.id.0);
            row(Did::DeleteWebhookEndpoint, on, made.merchant_id.0, true)
        }
        (_, Output::RotateWebhookSecret(made)) => {
            let on = (On::WebhookEndpoint, made.id.0);
            row(Did::RotateWebhookSecret, on, made.merchant_id.0, true)
        }
        (Command::TestWebhookEndpoint(asked), _) => {
            let on = (On::WebhookEndpoint, asked.endpoint_id.0);
            row(Did::TestWebhookEndpoint, on, asked.merchant_id.0, true)
        }
        (Command::ResendDeliveries(asked), _) => {
            // The first of those that were sent again stands for all of them.
            let or = asked.ids.iter().map(|id| id.0).collect();
            let on = (On::WebhookDelivery, 0);
            let one = row(Did::ResendDeliveries, on, asked.merchant_id.0, false);
            one.map(|one| Expected { or, ..one })
        }
        (_, Output::Invite(made)) => {
            row(Did::Invite, (On::Invitation, made.id.0), team_of(made), true)
        }
        (_, Output::ConfirmInvitation(made)) => {
            row(Did::ConfirmInvitation, (On::Invitation, made.id.0), team_of(made), false)
        }
        (_, Output::CancelInvitation(made)) => {
            row(Did::CancelInvitation, (On::Invitation, made.id.0), team_of(made), false)
        }
        (Command::AcceptInvitation(asked), Output::AcceptInvitation(user)) => {
            let invitation = rows.invitations.by_alt_key(&asked.token)?;
            row(Did::AcceptInvitation, (On::User, user.id.0), team_of(invitation), true)
        }
        (_, Output::FinishLogin(Some(login))) => {
            row(Did::FinishLogin, (On::Login, login.id.0), NOBODY, true)
        }
        (_, Output::GiveCode(login)) => row(Did::GiveCode, (On::Login, login.id.0), NOBODY, true),
        (_, Output::EndLogin(login)) => row(Did::EndLogin, (On::Login, login.id.0), NOBODY, false),
        (_, Output::SetUpSecondFactor(user)) => {
            row(Did::SetUpSecondFactor, (On::User, user.id.0), NOBODY, false)
        }
        (Command::ConfirmSecondFactor(asked), _) => {
            of_user(asked.by.user_id).and_then(|on| row(Did::ConfirmSecondFactor, on, NOBODY, true))
        }
        (Command::ChangePassword(asked), _) => {
            of_user(asked.by.user_id).and_then(|on| row(Did::ChangePassword, on, NOBODY, false))
        }
        (Command::DisableUser(asked), _) => {
            of_user(asked.user_id).and_then(|on| row(Did::DisableUser, on, NOBODY, false))
        }
        (Command::ChangeMember(asked), _) => {
            let mut members = changes().flat_map(|changes| &changes.memberships);
            let changed = members.any(|(before, after)| {
                (after.user_id, after.merchant_id) == (asked.user_id, asked.merchant_id)
                    && before.as_ref().is_some_and(|row| row.role != after.role)
            });
            // Whoever accepts an invitation meanwhile changes the role, too.
            let is_by_invitation = commits.iter().flat_map(|commit| &commit.audit).any(|row| {
                (row.command, row.entity_id) == (Did::AcceptInvitation, asked.user_id.0)
            });
            let is_certain = Certainty::one_of_its_kind(changed && !is_by_invitation);
            let on = of_user(asked.user_id)?;
            row_if(Did::ChangeMember, on, asked.merchant_id.0, is_certain)
        }
        _ => None,
    }
}

const fn of_user(UserId(id): UserId) -> Option<(AuditEntity, i64)> {
    Some((AuditEntity::User, id))
}

const fn team_of(invitation: &Invitation) -> i64 {
    match invitation.to {
        InvitedTo::Merchant(MerchantId(id), _) => id,
        InvitedTo::Installation(_) | InvitedTo::Reset(_) => NOBODY,
    }
}

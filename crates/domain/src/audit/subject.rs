//! What each command is about: the one table of what is audited and what is not.

use crate::audit::fields::{changes, done, hidden};
use crate::audit::{AuditEntity, AuditedCommand, FieldChange};
use crate::decision::command::{Command, Output};
use crate::decision::event::EventType;
use crate::decision::workspace::Workspace;
use crate::directory::merchant::{ApiKey, Merchant};
use crate::directory::merchant_limits::MerchantLimits;
use crate::directory::party::{Counterparty, Party};
use crate::directory::passcode::Passcode;
use crate::directory::payment_account::PaymentAccount;
use crate::exceptions::review::Review;
use crate::kernel::ids::{MerchantId, NetworkAccountId, UserId};
use crate::ledger::installation_check::InstallationCheck;
use crate::ledger::wallet::Wallet;
use crate::network_accounts::account::NetworkAccount;
use crate::payments::approval::Approval;
use crate::payments::authenticate_card::CardResult;
use crate::payments::execution::Execution;
use crate::payments::session::Session;
use crate::people::invitation::{Invitation, InvitedTo};
use crate::people::login::Login;
use crate::people::membership::Membership;
use crate::people::saved_filter::SavedFilter;
use crate::people::second_factor::Proof;
use crate::people::user::User;
use crate::reconciliation::difference::Difference;
use crate::reconciliation::statement::Statement;
use crate::sales::payment_link::PaymentLink;
use crate::sales::source::{Item, Source};
use crate::tariff::TariffVersion;
use crate::webhooks::delivery::WebhookDelivery;
use crate::webhooks::endpoint::WebhookEndpoint;

/// What a command was about, and what it changed of that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditSubject {
    pub command: AuditedCommand,
    pub entity: AuditEntity,
    pub id: i64,
    /// Whose auditors see it.
    pub merchant_id: MerchantId,
    pub changes: Vec<FieldChange>,
}

/// What a command that was decided is about; `None` for one that is not audited. Its changes are still
/// the draft.
#[must_use]
pub fn of(command: &Command, output: &Output, work: &Workspace) -> Option<AuditSubject> {
    use AuditEntity as On;
    use AuditedCommand as Did;
    let about = |command, (entity, id), merchant_id, changes| {
        Some(AuditSubject { command, entity, id, merchant_id, changes })
    };
    let of_tariff = |command| {
        let on = (On::Tariff, TariffVersion::ID.0);
        about(command, on, MerchantId::INSTALLATION, tariff_note(work))
    };
    let of_account = |command, NetworkAccountId(id)| {
        about(command, (On::NetworkAccount, id), MerchantId::INSTALLATION, tariff_note(work))
    };
    match (command, output) {
        (Command::CreateMerchant(_), Output::CreateMerchant(made)) => {
            merchant(Did::CreateMerchant, made.merchant.id, work)
        }
        (Command::UpdateMerchant(asked), _) => {
            merchant(Did::UpdateMerchant, asked.merchant_id, work)
        }
        (Command::AdvanceClock(asked), _) => merchant(Did::AdvanceClock, asked.merchant_id, work),
        (Command::CreateApiKey(_), Output::CreateApiKey(key)) => about(
            Did::CreateApiKey,
            (On::ApiKey, key.id.0),
            key.merchant_id,
            changes::<ApiKey>(key.id, work),
        ),
        (Command::RevokeApiKey(_), Output::RevokeApiKey(key)) => about(
            Did::RevokeApiKey,
            (On::ApiKey, key.id.0),
            key.merchant_id,
            changes::<ApiKey>(key.id, work),
        ),
        (Command::SetPasscode(asked), _) => passcode(Did::SetPasscode, asked.merchant_id, work),
        (Command::UnlockPasscode(asked), _) => {
            passcode(Did::UnlockPasscode, asked.merchant_id, work)
        }
        (Command::ReplacePasscode(asked), _) => {
            passcode(Did::ReplacePasscode, asked.merchant_id, work)
        }
        (Command::SetMerchantLimits(_), Output::SetMerchantLimits(row)) => about(
            Did::SetMerchantLimits,
            (On::Limits, row.id.0),
            row.merchant_id,
            changes::<MerchantLimits>(row.id, work),
        ),
        (Command::CreateParty(_), Output::CreateParty(row)) => about(
            Did::CreateParty,
            (On::Party, row.id.0),
            row.merchant_id,
            changes::<Party>(row.id, work),
        ),
        (Command::UpdateParty(_), Output::UpdateParty(row)) => about(
            Did::UpdateParty,
            (On::Party, row.id.0),
            row.merchant_id,
            changes::<Party>(row.id, work),
        ),
        (Command::CreateCounterparty(_), Output::CreateCounterparty(row)) => about(
            Did::CreateCounterparty,
            (On::Counterparty, row.id.0),
            row.merchant_id,
            changes::<Counterparty>(row.id, work),
        ),
        (Command::UpdateCounterparty(_), Output::UpdateCounterparty(row)) => about(
            Did::UpdateCounterparty,
            (On::Counterparty, row.id.0),
            row.merchant_id,
            changes::<Counterparty>(row.id, work),
        ),
        (Command::CreateAccount(_), Output::CreateAccount(row)) => about(
            Did::CreateAccount,
            (On::PaymentAccount, row.id.0),
            row.merchant_id,
            changes::<PaymentAccount>(row.id, work),
        ),
        (Command::DeactivateAccount(_), Output::DeactivateAccount(row)) => about(
            Did::DeactivateAccount,
            (On::PaymentAccount, row.id.0),
            row.merchant_id,
            changes::<PaymentAccount>(row.id, work),
        ),
        (Command::FundWallet(asked), Output::FundWallet(row)) => about(
            Did::FundWallet,
            (On::Wallet, row.id.0),
            row.merchant_id,
            vec![done("funded", format!("{} {}", asked.amount, asked.amount.currency))],
        ),
        (Command::SetWalletStatus(_), Output::SetWalletStatus(row)) => about(
            Did::SetWalletStatus,
            (On::Wallet, row.id.0),
            row.merchant_id,
            changes::<Wallet>(row.id, work),
        ),
        (Command::CreateSource(_), Output::CreateSource(row)) => {
            source(Did::CreateSource, row, work)
        }
        (Command::UpdateSource(_), Output::UpdateSource(row)) => {
            source(Did::UpdateSource, row, work)
        }
        (Command::PublishSource(_), Output::PublishSource(row)) => {
            source(Did::PublishSource, row, work)
        }
        (Command::CancelSource(_), Output::CancelSource(row)) => {
            source(Did::CancelSource, row, work)
        }
        (Command::CreateCheckout(_), Output::CreateCheckout(made)) => {
            source(Did::CreateCheckout, &made.source, work)
        }
        (Command::OpenCheckoutPage(_), Output::OpenCheckoutPage(page)) => about(
            Did::OpenCheckoutPage,
            (On::Source, page.source_id.0),
            page.merchant_id,
            vec![done("page", page.id)],
        ),
        (Command::AddItem(_), Output::AddItem(row)) => about(
            Did::AddItem,
            (On::Item, row.id.0),
            row.merchant_id,
            changes::<Item>(row.id, work),
        ),
        (Command::UpdateItem(_), Output::UpdateItem(row)) => about(
            Did::UpdateItem,
            (On::Item, row.id.0),
            row.merchant_id,
            changes::<Item>(row.id, work),
        ),
        (Command::RemoveItem(asked), _) => about(
            Did::RemoveItem,
            (On::Item, asked.item_id.0),
            asked.source.merchant_id,
            changes::<Item>(asked.item_id, work),
        ),
        (Command::CreatePaymentLink(_), Output::CreatePaymentLink(made)) => {
            link(Did::CreatePaymentLink, &made.link, work)
        }
        (Command::DeactivatePaymentLink(_), Output::DeactivatePaymentLink(row)) => {
            link(Did::DeactivatePaymentLink, row, work)
        }
        (Command::CreateSession(_), Output::CreateSession(row)) => {
            session(Did::CreateSession, row, work)
        }
        (Command::CancelSession(_), Output::CancelSession(row)) => {
            session(Did::CancelSession, row, work)
        }
        (Command::Execute(_), Output::Execute(done)) => about(
            Did::Execute,
            (On::Execution, done.execution.id.0),
            done.execution.merchant_id,
            changes::<Execution>(done.execution.id, work),
        ),
        (Command::CheckNow(asked), _) => about(
            Did::CheckNow,
            (On::Execution, asked.execution_id.0),
            asked.merchant_id,
            vec![hidden("asked_at")],
        ),
        (Command::CancelEnqueued(_), Output::CancelEnqueued(with)) => {
            let mut changed = changes::<Execution>(with.execution.id, work);
            changed.push(done("cancel_asked", true));
            let on = (On::Execution, with.execution.id.0);
            about(Did::CancelEnqueued, on, with.execution.merchant_id, changed)
        }
        (Command::Approve(_), Output::Approve(decided)) => {
            approval(Did::Approve, &decided.approval, work)
        }
        (Command::Refuse(_), Output::Refuse(decided)) => {
            approval(Did::Refuse, &decided.approval, work)
        }
        (Command::AuthenticateCard(asked), Output::AuthenticateCard(with)) => {
            let mut changed = changes::<Execution>(with.execution.id, work);
            changed.push(done("result", result_of(asked.result)));
            let on = (On::Execution, with.execution.id.0);
            about(Did::AuthenticateCard, on, with.execution.merchant_id, changed)
        }
        (Command::ResolveReview(_), Output::ResolveReview(row)) => about(
            Did::ResolveReview,
            (On::Review, row.id.0),
            row.merchant_id,
            changes::<Review>(row.id, work),
        ),
        (Command::NoteEvidence(_), Output::NoteEvidence(row)) => {
            let mut changed = changes::<Review>(row.id, work);
            changed.push(hidden("dispute_evidence"));
            about(Did::NoteEvidence, (On::Review, row.id.0), row.merchant_id, changed)
        }
        (Command::SetPlatformFee(_), _) => of_tariff(Did::SetPlatformFee),
        (Command::SetGatewayFee(_), _) => of_tariff(Did::SetGatewayFee),
        (Command::SetRate(_), _) => of_tariff(Did::SetRate),
        (Command::OpenMarket(_), _) => of_tariff(Did::OpenMarket),
        (Command::CloseMarket(_), _) => of_tariff(Did::CloseMarket),
        (Command::AssignPhonePrefix(_), _) => of_tariff(Did::AssignPhonePrefix),
        (Command::EndPhonePrefix(_), _) => of_tariff(Did::EndPhonePrefix),
        (Command::AddNetworkAccount(_), Output::AddNetworkAccount(row)) => about(
            Did::AddNetworkAccount,
            (On::NetworkAccount, row.id.0),
            MerchantId::INSTALLATION,
            changes::<NetworkAccount>(row.id, work),
        ),
        (Command::ChangeNetworkAccount(asked), _) => about(
            Did::ChangeNetworkAccount,
            (On::NetworkAccount, asked.account_id.0),
            MerchantId::INSTALLATION,
            changes::<NetworkAccount>(asked.account_id, work),
        ),
        (Command::AddNetworkSecret(asked), _) => {
            of_account(Did::AddNetworkSecret, asked.account_id)
        }
        (Command::RetireNetworkSecret(asked), _) => {
            of_account(Did::RetireNetworkSecret, asked.account_id)
        }
        (Command::RecordTerms(asked), _) => of_account(Did::RecordTerms, asked.account_id),
        (Command::ResealSecrets(_), _) => about(
            Did::ResealSecrets,
            (On::Installation, 0),
            MerchantId::INSTALLATION,
            tariff_note(work),
        ),
        (Command::StopPayouts(_), _) => of_tariff(Did::StopPayouts),
        (Command::ResumePayouts(_), _) => of_tariff(Did::ResumePayouts),
        (Command::RequestCheck(asked), _) => about(
            Did::RequestCheck,
            (On::Installation, 0),
            MerchantId::INSTALLATION,
            changes::<InstallationCheck>(asked.kind.id(), work),
        ),
        (Command::AcceptStatement(_), Output::AcceptStatement(row)) => about(
            Did::AcceptStatement,
            (On::Statement, row.id.0),
            MerchantId::INSTALLATION,
            changes::<Statement>(row.id, work),
        ),
        (Command::CloseDifference(_), Output::CloseDifference(row)) => about(
            Did::CloseDifference,
            (On::Statement, row.statement_id.0),
            MerchantId::INSTALLATION,
            changes::<Difference>(row.id, work),
        ),
        (Command::CreateWebhookEndpoint(_), Output::CreateWebhookEndpoint(row)) => {
            endpoint(Did::CreateWebhookEndpoint, row, vec![hidden("secret")], work)
        }
        (Command::UpdateWebhookEndpoint(_), Output::UpdateWebhookEndpoint(row)) => {
            endpoint(Did::UpdateWebhookEndpoint, row, vec![], work)
        }
        (Command::DeleteWebhookEndpoint(_), Output::DeleteWebhookEndpoint(row)) => {
            endpoint(Did::DeleteWebhookEndpoint, row, vec![], work)
        }
        (Command::RotateWebhookSecret(_), Output::RotateWebhookSecret(row)) => {
            endpoint(Did::RotateWebhookSecret, row, vec![hidden("secret")], work)
        }
        (Command::TestWebhookEndpoint(asked), Output::TestWebhookEndpoint(event)) => about(
            Did::TestWebhookEndpoint,
            (On::WebhookEndpoint, asked.endpoint_id.0),
            asked.merchant_id,
            vec![done("event_id", event)],
        ),
        (Command::ResendDeliveries(asked), _) => {
            let is_resent = |id: &&_| work.drafted::<WebhookDelivery>(**id).is_some();
            let resent: Vec<_> = asked.ids.iter().filter(is_resent).collect();
            let on = (On::WebhookDelivery, resent.first()?.0);
            let count = done("deliveries", resent.len());
            about(Did::ResendDeliveries, on, asked.merchant_id, vec![count])
        }
        (Command::Invite(_), Output::Invite(row)) => invitation(Did::Invite, row, work),
        (Command::ConfirmInvitation(_), Output::ConfirmInvitation(row)) => {
            invitation(Did::ConfirmInvitation, row, work)
        }
        (Command::CancelInvitation(_), Output::CancelInvitation(row)) => {
            invitation(Did::CancelInvitation, row, work)
        }
        (Command::AcceptInvitation(asked), Output::AcceptInvitation(user)) => {
            let accepted = work.find::<Invitation>(&asked.token).ok().flatten()?;
            let mut changed = changes::<User>(user.id, work);
            let merchant_id = merchant_of(&accepted);
            if let InvitedTo::Merchant(merchant, _) = accepted.to {
                // The role in the installation is not the merchant's business.
                changed.retain(|change| change.field != "role");
                changed.extend(member_changes(user.id, merchant, work));
            }
            changed.push(done("invitation", accepted.id));
            about(Did::AcceptInvitation, (On::User, user.id.0), merchant_id, changed)
        }
        (Command::FinishLogin(_), Output::FinishLogin(Some(row))) => {
            login(Did::FinishLogin, row, work)
        }
        (Command::GiveCode(asked), Output::GiveCode(row)) => {
            let proof = match asked.proof {
                Proof::Step(_) => "code",
                Proof::Recovery(_) => "recovery code",
            };
            let mut subject = login(Did::GiveCode, row, work);
            subject.iter_mut().for_each(|one| one.changes.push(done("proof", proof)));
            subject
        }
        (Command::EndLogin(_), Output::EndLogin(row)) => login(Did::EndLogin, row, work),
        (Command::SetUpSecondFactor(asked), _) => {
            person(Did::SetUpSecondFactor, asked.by.user_id, work)
        }
        (Command::ConfirmSecondFactor(asked), _) => {
            person(Did::ConfirmSecondFactor, asked.by.user_id, work)
        }
        (Command::ChangePassword(asked), _) => person(Did::ChangePassword, asked.by.user_id, work),
        (Command::DisableUser(asked), _) => person(Did::DisableUser, asked.user_id, work),
        (Command::SaveFilter(_), Output::SaveFilter(row)) => about(
            Did::SaveFilter,
            (On::SavedFilter, row.id.0),
            row.merchant_id,
            changes::<SavedFilter>(row.id, work),
        ),
        (Command::ChangeMember(asked), _) => about(
            Did::ChangeMember,
            (On::User, asked.user_id.0),
            asked.merchant_id,
            member_changes(asked.user_id, asked.merchant_id, work),
        ),
        // Tries at passwords, codes and passcodes before they are compared, and what became of those
        // at passcodes: bookkeeping of another decision.
        (
            Command::ReservePasscodeChange(_)
            | Command::ReservePasscodeAttempt(_)
            | Command::FinishPasscodeAttempt(_)
            | Command::ReserveLogin(_)
            | Command::ReserveCode(_)
            // A request that says that somebody is still there.
            | Command::TouchLogin(_)
            // What payers do, who have no name here.
            | Command::PayLink(_)
            | Command::PayOnPage(_)
            | Command::LeaveCardPage(_)
            // What networks report.
            | Command::DeferSend(_)
            | Command::RecordOutcome(_)
            | Command::RecordDispute(_)
            | Command::KeepUnmatchedCallback(_)
            | Command::BeginStatement(_)
            | Command::EndStatement(_)
            | Command::RecordLines(_)
            | Command::RecordMissing(_)
            | Command::RecordBalances(_)
            // How a check ended, which its own row tells: who only verifies leaves nothing in the books.
            | Command::RecordCheck(_)
            // What falls due.
            | Command::CancelUnpaidOrder(_)
            | Command::ExpireSession(_)
            | Command::ExpireApproval(_)
            | Command::ChainBatches(_)
            | Command::ClaimCheck(_)
            | Command::ClaimReconciliation(_)
            | Command::PostLines(_)
            | Command::ClaimExecution(_)
            | Command::DeleteRetained(_)
            | Command::FanOutMessages(_)
            | Command::ClaimDeliveries(_)
            | Command::RecordDeliveryAttempt(_),
            _,
        ) => None,
        // Somebody who may not log in any more; and no command has the output of another.
        (
            Command::FinishLogin(_)
            | Command::CreateMerchant(_)
            | Command::CreateApiKey(_)
            | Command::RevokeApiKey(_)
            | Command::SetMerchantLimits(_)
            | Command::CreateParty(_)
            | Command::UpdateParty(_)
            | Command::CreateCounterparty(_)
            | Command::UpdateCounterparty(_)
            | Command::CreateAccount(_)
            | Command::DeactivateAccount(_)
            | Command::FundWallet(_)
            | Command::SetWalletStatus(_)
            | Command::CreateSource(_)
            | Command::UpdateSource(_)
            | Command::PublishSource(_)
            | Command::CancelSource(_)
            | Command::CreateCheckout(_)
            | Command::OpenCheckoutPage(_)
            | Command::AddItem(_)
            | Command::UpdateItem(_)
            | Command::CreatePaymentLink(_)
            | Command::DeactivatePaymentLink(_)
            | Command::CreateSession(_)
            | Command::CancelSession(_)
            | Command::Execute(_)
            | Command::CancelEnqueued(_)
            | Command::Approve(_)
            | Command::Refuse(_)
            | Command::AuthenticateCard(_)
            | Command::ResolveReview(_)
            | Command::NoteEvidence(_)
            | Command::AddNetworkAccount(_)
            | Command::CreateWebhookEndpoint(_)
            | Command::UpdateWebhookEndpoint(_)
            | Command::DeleteWebhookEndpoint(_)
            | Command::RotateWebhookSecret(_)
            | Command::TestWebhookEndpoint(_)
            | Command::Invite(_)
            | Command::ConfirmInvitation(_)
            | Command::CancelInvitation(_)
            | Command::AcceptInvitation(_)
            | Command::GiveCode(_)
            | Command::SaveFilter(_)
            | Command::AcceptStatement(_)
            | Command::CloseDifference(_)
            | Command::EndLogin(_),
            _,
        ) => None,
    }
}

fn merchant(command: AuditedCommand, id: MerchantId, work: &Workspace) -> Option<AuditSubject> {
    let changes = changes::<Merchant>(id, work);
    Some(AuditSubject {
        command,
        entity: AuditEntity::Merchant,
        id: id.0,
        merchant_id: id,
        changes,
    })
}

/// An answer to a request for approval, with what became of its payment.
fn approval(command: AuditedCommand, row: &Approval, work: &Workspace) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::Approval, row.id.0);
    let mut changes = changes::<Approval>(row.id, work);
    if !changes.is_empty() {
        changes.push(done("execution_id", row.execution_id));
    }
    Some(AuditSubject { command, entity, id, merchant_id: row.merchant_id, changes })
}

fn passcode(command: AuditedCommand, id: MerchantId, work: &Workspace) -> Option<AuditSubject> {
    let changes = changes::<Passcode>(id, work);
    Some(AuditSubject {
        command,
        entity: AuditEntity::Passcode,
        id: id.0,
        merchant_id: id,
        changes,
    })
}

fn source(command: AuditedCommand, row: &Source, work: &Workspace) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::Source, row.id.0);
    let changes = changes::<Source>(row.id, work);
    Some(AuditSubject { command, entity, id, merchant_id: row.merchant_id, changes })
}

fn link(command: AuditedCommand, row: &PaymentLink, work: &Workspace) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::PaymentLink, row.id.0);
    let changes = changes::<PaymentLink>(row.id, work);
    Some(AuditSubject { command, entity, id, merchant_id: row.merchant_id, changes })
}

fn session(command: AuditedCommand, row: &Session, work: &Workspace) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::Session, row.id.0);
    let changes = changes::<Session>(row.id, work);
    Some(AuditSubject { command, entity, id, merchant_id: row.merchant_id, changes })
}

fn endpoint(
    command: AuditedCommand,
    row: &WebhookEndpoint,
    more: Vec<FieldChange>,
    work: &Workspace,
) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::WebhookEndpoint, row.id.0);
    let mut changes = changes::<WebhookEndpoint>(row.id, work);
    changes.extend(more);
    Some(AuditSubject { command, entity, id, merchant_id: row.merchant_id, changes })
}

fn invitation(command: AuditedCommand, row: &Invitation, work: &Workspace) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::Invitation, row.id.0);
    let changes = changes::<Invitation>(row.id, work);
    Some(AuditSubject { command, entity, id, merchant_id: merchant_of(row), changes })
}

/// Whose team an invitation is for.
const fn merchant_of(invitation: &Invitation) -> MerchantId {
    match invitation.to {
        InvitedTo::Merchant(merchant, _) => merchant,
        InvitedTo::Installation(_) | InvitedTo::Reset(_) => MerchantId::INSTALLATION,
    }
}

/// A login with what it changed of its person, such as how many recovery codes are left.
fn login(command: AuditedCommand, row: &Login, work: &Workspace) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::Login, row.id.0);
    let mut changes = changes::<Login>(row.id, work);
    changes.extend(self::changes::<User>(row.user_id, work));
    Some(AuditSubject { command, entity, id, merchant_id: MerchantId::INSTALLATION, changes })
}

fn person(command: AuditedCommand, user: UserId, work: &Workspace) -> Option<AuditSubject> {
    let (entity, id) = (AuditEntity::User, user.0);
    let changes = changes::<User>(user, work);
    Some(AuditSubject { command, entity, id, merchant_id: MerchantId::INSTALLATION, changes })
}

fn member_changes(user: UserId, merchant: MerchantId, work: &Workspace) -> Vec<FieldChange> {
    let member = work.find::<Membership>(&(user, merchant)).ok().flatten();
    member.map(|member| changes::<Membership>(member.id, work)).unwrap_or_default()
}

/// What a change of the tariff says of itself in its event.
fn tariff_note(work: &Workspace) -> Vec<FieldChange> {
    let notes = work.draft_events().filter(|event| event.kind == EventType::TariffChanged);
    notes.filter_map(|event| event.note.as_deref()).map(|note| done("change", note)).collect()
}

fn result_of(result: CardResult) -> String {
    match result {
        CardResult::Authenticated => "authenticated".to_owned(),
        CardResult::NotAuthenticated => "not authenticated".to_owned(),
        CardResult::Declined(code) => format!("declined: {code}"),
    }
}
